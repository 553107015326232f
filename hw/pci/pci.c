/* SPDX-License-Identifier: MIT */
/*
 * PCI functions: configuration space, BARs, INTx.  See hw/pci/pci.h.
 * Spec: PCI Local Bus 3.0, chapter 6.
 * Not modelled: hot plug, power management.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "hw/pci/pci.h"
#include "rhea/bits.h"
#include "rhea/endian.h"
#include "rhea/log.h"
#include "rhea/opts.h"
#include "snapshot/snapshot.h"

#include "pci-int.h"

static const PciDeviceOps *pci_ops(PciDevice *pci)
{
    return qom_type_ops(pci->dev.obj.type);
}

/* --- BARs --- */

/* Offset of the register of BAR @n in configuration space. */
static unsigned bar_reg(unsigned n)
{
    return n == PCI_ROM_BAR ? PCI_ROM : PCI_BAR0 + 4 * n;
}

/* Where the guest put BAR @n; UINT64_MAX when it is not decoded. */
static uint64_t bar_address(const PciDevice *pci, unsigned n)
{
    const PciBar *bar = &pci->bars[n];
    const uint8_t *reg = pci->config + bar_reg(n);
    uint16_t command = ld16_le(pci->config + PCI_COMMAND);
    uint64_t addr = ld32_le(reg) & ~(bar->flags & PCI_BAR_IO ? 3u : 15u);

    if (n == PCI_ROM_BAR && !(*reg & PCI_ROM_ENABLE)) {
        return UINT64_MAX;
    }
    if (!(command & (bar->flags & PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY))) {
        return UINT64_MAX;
    }
    if (bar->flags & PCI_BAR_64) {
        addr |= (uint64_t)ld32_le(reg + 4) << 32;
    }
    addr = align_down(addr, bar->size);
    /* Address 0 and the top (a size probe in progress) are where nothing is ever meant to be. */
    return addr && addr + bar->size - 1 > addr && addr < UINT64_MAX - bar->size ? addr : UINT64_MAX;
}

static void update_bars(PciDevice *pci)
{
    mem_transaction_begin();
    for (unsigned n = 0; n < ARRAY_SIZE(pci->bars); n++) {
        PciBar *bar = &pci->bars[n];
        uint64_t addr;

        if (!bar->mr) {
            continue;
        }
        addr = bar_address(pci, n);
        if (bar->mapped && (addr == UINT64_MAX || bar->mr->addr != addr)) {
            mem_remove(bar->mr);
            bar->mapped = false;
        }
        if (!bar->mapped && addr != UINT64_MAX) {
            mem_add_overlap(bar->flags & PCI_BAR_IO ? pci->bus->io : pci->bus->memory, addr,
                            bar->mr, 1);
            bar->mapped = true;
        }
    }
    mem_transaction_commit();
}

void pci_register_bar(PciDevice *pci, unsigned n, uint8_t flags, MemRegion *mr)
{
    uint8_t *reg = pci->config + PCI_BAR0 + 4 * n;
    uint64_t mask = ~(mr->size - 1);

    g_assert(n < PCI_NUM_BARS && is_power_of_2(mr->size) && !pci->bars[n].mr);
    g_assert(mr->size >= (flags & PCI_BAR_IO ? 4 : 16));
    pci->bars[n] = (PciBar){.mr = mr, .size = mr->size, .flags = flags};
    st32_le(reg, flags);
    st32_le(pci->writable + PCI_BAR0 + 4 * n, (uint32_t)mask);
    if (flags & PCI_BAR_64) {
        g_assert(n + 1 < PCI_NUM_BARS);
        st32_le(pci->writable + PCI_BAR0 + 4 * n + 4, mask >> 32);
    }
}

uint8_t pci_add_capability(PciDevice *pci, uint8_t id, uint8_t size)
{
    uint16_t at = pci->cap_end;

    g_assert(at + size <= 256);
    pci->config[at] = id;
    pci->config[at + 1] = pci->config[PCI_CAPABILITIES];
    pci->config[PCI_CAPABILITIES] = at;
    pci->config[PCI_STATUS] |= PCI_STATUS_CAPS;
    pci->cap_end = align_up(at + size, 4);
    return at;
}

/* --- INTx --- */

static unsigned own_line(const PciDevice *pci)
{
    return pci_line(pci, MAX(pci->config[PCI_INTERRUPT_PIN], 1) - 1);
}

static bool intx_driven(const PciDevice *pci)
{
    return pci->intx_level && !pci_msi_enabled(pci) &&
           !(ld16_le(pci->config + PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE);
}

static void update_intx(PciDevice *pci, bool was)
{
    bool now = intx_driven(pci);

    if (pci->intx_level) {
        pci->config[PCI_STATUS] |= PCI_STATUS_INTX;
    } else {
        pci->config[PCI_STATUS] &= ~PCI_STATUS_INTX;
    }
    if (now != was) {
        pci_drive_line(pci->bus, own_line(pci), now);
    }
}

void pci_set_intx(PciDevice *pci, bool level)
{
    bool was = intx_driven(pci), rises = level && !pci->intx_level;

    pci->intx_level = level;
    update_intx(pci, was);
    if (rises && pci_msi_enabled(pci)) {
        pci_msi_notify(pci);
    }
}

/* --- Configuration access --- */

static unsigned config_size(const PciBus *bus)
{
    return bus->express ? PCI_CONFIG_SIZE : 256;
}

uint32_t pci_config_read(PciBus *bus, uint8_t devfn, uint32_t offset, unsigned size)
{
    PciDevice *pci = bus->functions[devfn];
    uint8_t raw[4] = {0};

    if (!pci || offset > config_size(bus) - size) {
        return (uint32_t)MASK_ULL(size * 8);
    }
    if (pci_ops(pci)->config_read) {
        pci_ops(pci)->config_read(pci, offset, size);
    }
    memcpy(raw, pci->config + offset, size);
    return ld32_le(raw);
}

void pci_config_write(PciBus *bus, uint8_t devfn, uint32_t offset, uint32_t value, unsigned size)
{
    PciDevice *pci = bus->functions[devfn];
    bool intx;

    if (!pci || offset > config_size(bus) - size) {
        return;
    }
    intx = intx_driven(pci);
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = value >> (8 * i), w = pci->writable[offset + i];
        uint8_t *reg = &pci->config[offset + i];

        *reg = (*reg & ~w) | (byte & w);
        *reg &= ~(byte & pci->w1c[offset + i]);
    }
    update_intx(pci, intx);
    update_bars(pci);
    pci_msix_config_written(pci);
    if (pci_ops(pci)->config_written) {
        pci_ops(pci)->config_written(pci, offset, size);
    }
}

uint64_t pci_ecam_read(PciBus *root, uint64_t offset, unsigned size)
{
    PciBus *bus = pci_bus_by_number(root, extract64(offset, 20, 8));

    return bus ? pci_config_read(bus, extract64(offset, 12, 8), extract64(offset, 0, 12), size)
               : MASK_ULL(size * 8);
}

void pci_ecam_write(PciBus *root, uint64_t offset, uint64_t value, unsigned size)
{
    PciBus *bus = pci_bus_by_number(root, extract64(offset, 20, 8));

    if (bus) {
        pci_config_write(bus, extract64(offset, 12, 8), extract64(offset, 0, 12), value, size);
    }
}

/* --- Life --- */

static bool take_devfn(PciDevice *pci, Error **errp)
{
    PciBus *bus = pci->bus;
    int slots = bus->num_slots ? (int)bus->num_slots : PCI_NUM_SLOTS;

    if (bus->only && !qom_is(&pci->dev.obj, bus->only)) {
        return error_fail(errp, "%s: bus '%s' takes only devices of type '%s'",
                          pci->dev.obj.type->name, bus->bus.name, bus->only);
    }
    if (pci->addr >> 3 >= slots) {
        return error_fail(errp, "%s: property 'addr': bus '%s' has no slot but 0",
                          pci->dev.obj.type->name, bus->bus.name);
    }
    if (pci->addr >= 0) {
        if (bus->functions[pci->addr]) {
            return error_fail(errp, "%s: property 'addr': slot %d function %d of bus '%s' is taken",
                              pci->dev.obj.type->name, pci->addr >> 3, pci->addr & 7,
                              bus->bus.name);
        }
        pci->devfn = pci->addr;
        return true;
    }
    for (int slot = 0; slot < slots; slot++) {
        if (!bus->functions[slot << 3]) {
            pci->devfn = slot << 3;
            return true;
        }
    }
    return error_fail(errp, "%s: bus '%s' has no free slot", pci->dev.obj.type->name,
                      bus->bus.name);
}

/* What every function has; the rest comes from its own realize. */
static void init_config(PciDevice *pci)
{
    const PciDeviceOps *ops = pci_ops(pci);
    uint8_t *c = pci->config;

    st16_le(c + PCI_VENDOR_ID, ops->vendor);
    st16_le(c + PCI_DEVICE_ID, ops->device);
    c[PCI_REVISION] = ops->revision;
    st16_le(c + PCI_CLASS_DEVICE, ops->class_id);
    if (!ops->bridge) {
        st16_le(c + PCI_SUBSYSTEM_VENDOR, ops->subsystem_vendor);
        st16_le(c + PCI_SUBSYSTEM_ID, ops->subsystem);
    }
    c[PCI_HEADER_TYPE] = (pci->devfn & 7 || pci->multifunction ? PCI_HEADER_MULTIFUNCTION : 0) |
                         (ops->bridge ? PCI_HEADER_BRIDGE : 0);
    c[PCI_INTERRUPT_PIN] = ops->intx ? 1 : 0;
    st16_le(pci->writable + PCI_COMMAND,
            PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
    pci->writable[PCI_CACHE_LINE] = 0xff;
    pci->writable[PCI_INTERRUPT_LINE] = 0xff;
    st16_le(pci->w1c + PCI_STATUS, 0xf900); /* error bits */
    pci->cap_end = PCI_CAP_START;
}

static bool pci_realize(Device *dev, Error **errp)
{
    PciDevice *pci = (PciDevice *)dev;

    pci->bus = qom_cast(dev->parent_bus, TYPE_PCI_BUS);
    if (!take_devfn(pci, errp)) {
        pci->bus = NULL;
        return false;
    }
    init_config(pci);
    if (!pci_rom_load(pci, errp)) {
        pci->bus = NULL;
        return false;
    }
    if (pci->devfn & 7) {
        PciDevice *first = pci->bus->functions[pci->devfn & ~7];

        if (first) {
            first->config[PCI_HEADER_TYPE] |= PCI_HEADER_MULTIFUNCTION;
        }
    }
    pci->bus->functions[pci->devfn] = pci;
    return true;
}

static void pci_unrealize(Device *dev)
{
    PciDevice *pci = (PciDevice *)dev;

    if (!pci->bus) {
        return;
    }
    pci_set_intx(pci, false);
    st16_le(pci->config + PCI_COMMAND, 0);
    update_bars(pci);
    pci->bus->functions[pci->devfn] = NULL;
    pci_msix_free(pci);
    pci_rom_free(pci);
}

static void pci_reset(Device *dev)
{
    PciDevice *pci = (PciDevice *)dev;

    pci_set_intx(pci, false);
    for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++) {
        pci->config[i] &= ~(pci->writable[i] | pci->w1c[i]);
    }
    update_bars(pci);
    pci_msix_reset(pci);
}

/* Loading takes the writable bits only: a snapshot cannot make a function into another. */
static void pci_snapshot(Device *dev, Snapshot *sn)
{
    PciDevice *pci = (PciDevice *)dev;
    g_autofree uint8_t *fixed = g_memdup2(pci->config, PCI_CONFIG_SIZE);

    snap_section(sn, "pci", 1);
    snap_bytes(sn, pci->config, PCI_CONFIG_SIZE);
    if (snap_loading(sn)) {
        for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++) {
            uint8_t soft = pci->writable[i] | pci->w1c[i];

            pci->config[i] = (fixed[i] & ~soft) | (pci->config[i] & soft);
        }
    }
    snap_bool(sn, &pci->intx_level);
    pci_msix_snapshot(pci, sn);
}

/* The lines are counted anew from what every function now drives. */
static void pci_bus_recount(PciBus *bus)
{
    memset(bus->line_users, 0, sizeof(bus->line_users));
    for (unsigned i = 0; i < PCI_DEVFN_MAX; i++) {
        PciDevice *pci = bus->functions[i];

        if (!pci) {
            continue;
        }
        if (intx_driven(pci)) {
            bus->line_users[own_line(pci)]++;
        }
        for (unsigned pin = 0; pci->secondary && pin < PCI_NUM_PINS; pin++) {
            bus->line_users[pci_line(pci, pin)] += pci->secondary->pins >> pin & 1;
        }
    }
    for (unsigned line = 0; line < (bus->num_lines ? bus->num_lines : PCI_NUM_PINS); line++) {
        bus->set_line(bus->opaque, line, bus->line_users[line]);
    }
}

static void pci_after_load(Device *dev)
{
    PciDevice *pci = (PciDevice *)dev;

    update_bars(pci);
    pci_bus_recount(pci->bus);
}

/* "5" or "5.1", numbers in hexadecimal. */
static bool pci_set_addr(Object *obj, const char *value, Error **errp)
{
    unsigned slot, function = 0;
    int end = 0;

    if ((sscanf(value, "%x%n", &slot, &end) != 1 || value[end]) &&
        (sscanf(value, "%x.%x%n", &slot, &function, &end) != 2 || value[end])) {
        slot = 32;
    }
    if (slot > 31 || function > 7) {
        return error_fail(errp,
                          "%s: property 'addr' does not take '%s' (accepted: SLOT or "
                          "SLOT.FUNCTION in hexadecimal, 0 to 1f and 0 to 7)",
                          obj->type->name, value);
    }
    ((PciDevice *)obj)->addr = slot << 3 | function;
    return true;
}

static char *pci_get_addr(Object *obj)
{
    PciDevice *pci = (PciDevice *)obj;

    return pci->bus ? g_strdup_printf("%02x.%x", pci->devfn >> 3, pci->devfn & 7) : g_strdup("");
}

/* on, off, or the numbers that management tools write. */
static bool pci_set_rom_bar(Object *obj, const char *value, Error **errp)
{
    bool on = !strcmp(value, "on") || !strcmp(value, "1");

    if (!on && strcmp(value, "off") && strcmp(value, "0")) {
        return error_fail(errp,
                          "%s: property 'rombar' does not take '%s' (accepted: on, off, 1, 0)",
                          obj->type->name, value);
    }
    ((PciDevice *)obj)->rom_bar = on;
    return true;
}

static char *pci_get_rom_bar(Object *obj)
{
    return g_strdup(((PciDevice *)obj)->rom_bar ? "on" : "off");
}

static void pci_init(Object *obj)
{
    PciDevice *pci = (PciDevice *)obj;

    pci->addr = -1;
    pci->rom_bar = true;
}

static const PropDesc pci_props[] = {
    PROP_CUSTOM("addr", pci_get_addr, pci_set_addr, "slot, or slot.function (hexadecimal)"),
    PROP_STR("romfile", PciDevice, romfile, NULL, "expansion ROM; empty: none [the type's own]"),
    PROP_CUSTOM("rombar", pci_get_rom_bar, pci_set_rom_bar,
                "whether the guest sees the expansion ROM [on]"),
    PROP_BOOL("multifunction", PciDevice, multifunction, false, "the slot has other functions"),
    PROP_END};

static const DeviceOps pci_dev_ops =
    DEVICE_OPS(pci_snapshot, .realize = pci_realize, .unrealize = pci_unrealize, .reset = pci_reset,
               .after_load = pci_after_load, .bus = TYPE_PCI_BUS);
QOM_TYPE(pci_type, .name = TYPE_PCI_DEVICE, .parent = TYPE_DEVICE, .size = sizeof(PciDevice),
         .abstract = true, .props = pci_props, .init = pci_init, .dev = &pci_dev_ops);
QOM_TYPE(pci_bus_type, .name = TYPE_PCI_BUS, .parent = TYPE_BUS, .size = sizeof(PciBus),
         .desc = "PCI bus");

static void pcie_bus_init(Object *obj)
{
    ((PciBus *)obj)->express = true;
}

QOM_TYPE(pcie_bus_type, .name = TYPE_PCIE_BUS, .parent = TYPE_PCI_BUS, .size = sizeof(PciBus),
         .desc = "PCI Express root bus", .init = pcie_bus_init);

Device *pci_new_device(PciBus *bus, const char *type, int devfn, Error **errp)
{
    Device *dev = (Device *)qom_new(type);
    Object *home = bus->bus.owner->machine->unattached;
    g_autofree char *name = g_strdup_printf("device[%u]", home->children->len);

    ((PciDevice *)dev)->addr = devfn;
    qom_add_child(home, name, &dev->obj);
    qom_put(&dev->obj); /* the tree holds it */
    if (!device_realize(dev, bus->bus.owner->machine, &bus->bus, errp)) {
        qom_unparent(&dev->obj);
        return NULL;
    }
    return dev;
}
