/* SPDX-License-Identifier: MIT */
/*
 * PCI buses: their tree, numbers and interrupt lines.  See hw/pci/pci.h.
 * Spec: PCI-to-PCI Bridge 1.2, 3.1 (which bus has which number), table 9-1 (interrupt swizzle).
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "hw/pci/pci.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

#include "pci-int.h"

/* --- Interrupt lines --- */

/* Lines rotate with the slot number, so that pin A of neighbours does not share one. */
unsigned pci_line(const PciDevice *pci, unsigned pin)
{
    unsigned slot = pci->devfn >> 3;

    return pci->bus->line_of ? pci->bus->line_of(slot, pin) : (slot + pin) % PCI_NUM_PINS;
}

void pci_drive_line(PciBus *bus, unsigned line, bool level)
{
    bus->line_users[line] += level ? 1 : -1;
    bus->set_line(bus->opaque, line, bus->line_users[line]);
}

/* The lines of a bus behind a bridge are the bridge's pins. */
static void bridge_set_line(void *opaque, int pin, bool level)
{
    PciBus *bus = opaque;

    if ((bus->pins >> pin & 1) != level) {
        bus->pins ^= 1 << pin;
        pci_drive_line(bus->bridge->bus, pci_line(bus->bridge, pin), level);
    }
}

/* --- The tree --- */

static PciBus *pci_bus_below(PciBus *bus, unsigned number);

/* The bus behind @bridge or behind a bridge there; buses are few, and so is their depth. */
static PciBus *bus_behind(PciDevice *bridge, unsigned number)
{
    const uint8_t *c = bridge->config;

    if (number == c[PCI_SECONDARY_BUS]) {
        return bridge->secondary;
    }
    return number > c[PCI_SECONDARY_BUS] && number <= c[PCI_SUBORDINATE_BUS]
               ? pci_bus_below(bridge->secondary, number)
               : NULL;
}

static PciBus *pci_bus_below(PciBus *bus, unsigned number)
{
    PciBus *found = NULL;

    for (guint i = 0; !found && i < bus->bus.devices->len; i++) {
        PciDevice *pci = g_ptr_array_index(bus->bus.devices, i);

        found = pci->secondary ? bus_behind(pci, number) : NULL;
    }
    return found;
}

PciBus *pci_bus_by_number(PciBus *root, unsigned number)
{
    return number ? pci_bus_below(root, number) : root;
}

/* "pcie.1": the first of its kind that is free. */
static char *made_up_name(Machine *m, const char *type)
{
    g_autofree char *kind = g_ascii_strdown(type, -1);

    for (unsigned n = 1;; n++) {
        char *name = g_strdup_printf("%s.%u", kind, n);

        if (!bus_exists(m, TYPE_BUS, name)) {
            return name;
        }
        g_free(name);
    }
}

PciBus *pci_bus_new_secondary(PciDevice *bridge, const char *type, const char *name)
{
    g_autofree char *made_up = name ? NULL : made_up_name(bridge->dev.machine, type);
    PciBus *bus = qom_cast(bus_new(&bridge->dev, type, name ? name : made_up, 0), TYPE_PCI_BUS);

    bus->bridge = bridge;
    bus->set_line = bridge_set_line;
    bus->opaque = bus;
    bridge->secondary = bus;
    return bus;
}

/* --- Information --- */

static void print_bars(const PciDevice *pci, GString *out)
{
    for (unsigned n = 0; n < PCI_NUM_BARS; n++) {
        if (pci->bars[n].mapped) {
            g_string_append_printf(out, "      BAR%u: %s at 0x%" PRIx64 " [0x%" PRIx64 "]\n", n,
                                   pci->bars[n].flags & PCI_BAR_IO ? "I/O" : "memory",
                                   pci->bars[n].mr->addr, pci->bars[n].size);
        }
    }
}

void pci_print_info(PciBus *bus, GString *out)
{
    unsigned number = bus->bridge ? bus->bridge->config[PCI_SECONDARY_BUS] : 0;

    for (unsigned i = 0; i < PCI_DEVFN_MAX; i++) {
        PciDevice *pci = bus->functions[i];

        if (!pci) {
            continue;
        }
        g_string_append_printf(
            out, "  Bus %2u, device %3u, function %u:\n    %04x: %04x:%04x (%s)\n", number, i >> 3,
            i & 7, ld16_le(pci->config + PCI_CLASS_DEVICE), ld16_le(pci->config + PCI_VENDOR_ID),
            ld16_le(pci->config + PCI_DEVICE_ID), pci->dev.obj.type->name);
        print_bars(pci, out);
        if (pci->secondary) {
            g_string_append_printf(out, "      leads to bus %u ('%s'), up to bus %u\n",
                                   pci->config[PCI_SECONDARY_BUS], pci->secondary->bus.name,
                                   pci->config[PCI_SUBORDINATE_BUS]);
            pci_print_info(pci->secondary, out);
        }
    }
}
