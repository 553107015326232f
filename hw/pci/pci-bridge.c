/* SPDX-License-Identifier: MIT */
/*
 * Bridges from one PCI bus to another, and "pci-bridge", a conventional one.
 * Spec: PCI-to-PCI Bridge 1.2, chapter 3 (header) and 4.2 (windows).
 * Not modelled: forwarding of VGA and ISA addresses (bridge control keeps the bits), the bus master bit
 * (functions behind have their own), the secondary bus's error bits and timers, the hot-plug controller.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

#include "pci-bridge.h"

enum { WINDOW_IO, WINDOW_MEMORY, WINDOW_PREFETCH };
enum { IO_GRANULE = 0x1000, PREFETCH_64_BIT = 1, IO_SPACE = 64 << 10 };
enum { CONTROL_RESET = 0x40, CONTROL_WRITABLE = 0x0fff };
#define MEMORY_GRANULE MiB

/* --- Windows --- */

/* First and last address of what goes through. */
typedef struct Range {
    uint64_t first, last;
} Range;

static Range io_range(const uint8_t *c)
{
    return (Range){(uint64_t)(c[PCI_IO_BASE] & 0xf0) << 8,
                   (uint64_t)(c[PCI_IO_LIMIT] & 0xf0) << 8 | (IO_GRANULE - 1)};
}

static Range memory_range(const uint8_t *c, unsigned base, unsigned limit)
{
    return (Range){(uint64_t)(ld16_le(c + base) & 0xfff0) << 16,
                   (uint64_t)(ld16_le(c + limit) & 0xfff0) << 16 | (MEMORY_GRANULE - 1)};
}

static Range window_range(const PciBridge *s, unsigned n)
{
    const uint8_t *c = s->pci.config;
    Range r;

    if (n == WINDOW_IO) {
        return io_range(c);
    }
    if (n == WINDOW_MEMORY) {
        return memory_range(c, PCI_MEMORY_BASE, PCI_MEMORY_LIMIT);
    }
    r = memory_range(c, PCI_PREFETCH_BASE, PCI_PREFETCH_LIMIT);
    r.first |= (uint64_t)ld32_le(c + PCI_PREFETCH_BASE_HIGH) << 32;
    r.last |= (uint64_t)ld32_le(c + PCI_PREFETCH_LIMIT_HIGH) << 32;
    return r;
}

/* Puts window @n where the registers say; a base above the limit closes it. */
static void place_window(PciBridge *s, unsigned n)
{
    static const char *const names[] = {"bridge-io", "bridge-memory", "bridge-prefetch"};
    bool io = n == WINDOW_IO;
    uint16_t command = ld16_le(s->pci.config + PCI_COMMAND);
    Range r = window_range(s, n);
    MemRegion *w = &s->window[n];
    uint64_t size = r.last - r.first + 1;

    if (w->container) {
        mem_remove(w);
    }
    if (!(command & (io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY)) || r.first > r.last) {
        return;
    }
    mem_init_alias(w, &s->pci.dev.obj, names[n], io ? &s->io : &s->memory, r.first,
                   size ? size : UINT64_MAX);
    mem_add_overlap(io ? s->pci.bus->io : s->pci.bus->memory, r.first, w, 1);
}

static void bridge_update(PciBridge *s)
{
    mem_transaction_begin();
    for (unsigned n = 0; n < PCI_BRIDGE_WINDOWS; n++) {
        place_window(s, n);
    }
    mem_transaction_commit();
}

/* --- Configuration --- */

static void reset_secondary(PciBridge *s)
{
    GPtrArray *devices = s->pci.secondary->bus.devices;

    for (guint i = 0; i < devices->len; i++) {
        device_reset(g_ptr_array_index(devices, i));
    }
}

void pci_bridge_config_written(PciDevice *pci, uint32_t offset, unsigned size)
{
    PciBridge *s = (PciBridge *)pci;

    if (offset < PCI_STATUS || (offset < PCI_CAPABILITIES && offset + size > PCI_IO_BASE)) {
        bridge_update(s);
    }
    if (offset <= PCI_BRIDGE_CONTROL && offset + size > PCI_BRIDGE_CONTROL &&
        (pci->config[PCI_BRIDGE_CONTROL] & CONTROL_RESET)) {
        reset_secondary(s);
    }
}

static void init_header(PciDevice *pci)
{
    uint8_t *w = pci->writable;

    memset(w + PCI_PRIMARY_BUS, 0xff, 4); /* three bus numbers, the latency timer */
    w[PCI_IO_BASE] = w[PCI_IO_LIMIT] = 0xf0;
    st16_le(w + PCI_MEMORY_BASE, 0xfff0);
    st16_le(w + PCI_MEMORY_LIMIT, 0xfff0);
    st16_le(w + PCI_PREFETCH_BASE, 0xfff0);
    st16_le(w + PCI_PREFETCH_LIMIT, 0xfff0);
    st32_le(w + PCI_PREFETCH_BASE_HIGH, UINT32_MAX);
    st32_le(w + PCI_PREFETCH_LIMIT_HIGH, UINT32_MAX);
    st16_le(w + PCI_BRIDGE_CONTROL, CONTROL_WRITABLE);
    st16_le(pci->config + PCI_PREFETCH_BASE, PREFETCH_64_BIT);
    st16_le(pci->config + PCI_PREFETCH_LIMIT, PREFETCH_64_BIT);
}

/* --- Life --- */

void pci_bridge_init_bus(PciBridge *s, const char *bus_type)
{
    PciBus *bus = pci_bus_new_secondary(&s->pci, bus_type, s->pci.dev.id);

    bus->memory = &s->memory;
    bus->io = &s->io;
}

static bool bridge_realize(Device *dev, Error **errp)
{
    PciBridge *s = dev_state(dev, PciBridge);

    init_header(&s->pci);
    mem_init_container(&s->memory, &dev->obj, "bridge-memory-space", UINT64_MAX);
    mem_init_container(&s->io, &dev->obj, "bridge-io-space", IO_SPACE);
    return true;
}

static void bridge_unrealize(Device *dev)
{
    PciBridge *s = dev_state(dev, PciBridge);

    for (unsigned n = 0; n < PCI_BRIDGE_WINDOWS; n++) {
        if (s->window[n].container) {
            mem_remove(&s->window[n]);
        }
    }
    mem_fini(&s->memory);
    mem_fini(&s->io);
    s->pci.secondary = NULL;
}

static void bridge_reset(Device *dev)
{
    bridge_update(dev_state(dev, PciBridge));
}

static const DeviceOps bridge_ops =
    DEVICE_OPS(device_no_state, .realize = bridge_realize, .unrealize = bridge_unrealize,
               .reset = bridge_reset, .after_load = bridge_reset);
QOM_TYPE(bridge_type, .name = TYPE_PCI_BRIDGE, .parent = TYPE_PCI_DEVICE, .size = sizeof(PciBridge),
         .abstract = true, .dev = &bridge_ops);

/* --- pci-bridge --- */

enum { SLOT_CAP_SIZE = 4, SLOT_EXPANSION = 2, SLOT_CHASSIS = 3, SLOT_FIRST_IN_CHASSIS = 0x20 };

typedef struct PlainBridge {
    PciBridge bridge;
    uint8_t chassis; /* property */
} PlainBridge;

static bool plain_realize(Device *dev, Error **errp)
{
    PlainBridge *s = dev_state(dev, PlainBridge);
    PciDevice *pci = &s->bridge.pci;

    if (s->chassis) {
        uint8_t at = pci_add_capability(pci, PCI_CAP_SLOT_ID, SLOT_CAP_SIZE);

        pci->config[at + SLOT_EXPANSION] = SLOT_FIRST_IN_CHASSIS;
        pci->config[at + SLOT_CHASSIS] = s->chassis;
    }
    pci_bridge_init_bus(&s->bridge, TYPE_PCI_BUS);
    return true;
}

static const PropDesc plain_props[] = {
    PROP_U8("chassis_nr", PlainBridge, chassis, 0,
            "number of the chassis with the slots behind; 0: none"),
    PROP_END};

static const PciDeviceOps plain_pci = {.vendor = 0x1b36,
                                       .device = 0x0001,
                                       .class_id = 0x0604,
                                       .bridge = true,
                                       .config_written = pci_bridge_config_written};
static const DeviceOps plain_ops =
    DEVICE_OPS(device_no_state, .realize = plain_realize,
               .category = "Controller/Bridge/Hub devices", .user_creatable = true);
QOM_TYPE(plain_type, .name = "pci-bridge", .parent = TYPE_PCI_BRIDGE, .size = sizeof(PlainBridge),
         .desc = "PCI-to-PCI bridge", .props = plain_props, .dev = &plain_ops, .ops = &plain_pci);
