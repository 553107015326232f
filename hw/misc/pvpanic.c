/* SPDX-License-Identifier: MIT */
/*
 * Paravirtual panic notifier ("pvpanic", "pvpanic-pci").  Spec: the device's interface text in Linux,
 * include/uapi/misc/pvpanic.h.  A read gives the events it knows, a write of one tells the host.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/isa/isa.h"
#include "hw/machine.h"
#include "hw/pci/pci.h"
#include "rhea/log.h"
#include "softmmu/runstate.h"

enum { PANICKED = 1, CRASH_LOADED = 2, SHUTDOWN = 4, ALL_EVENTS = 7, PCI_BAR_SIZE = 16 };

typedef struct PvpanicIsa {
    IsaDevice parent;
    MemRegion port;
    /* properties: fixed once realized */
    uint16_t ioport;
    uint8_t events;
} PvpanicIsa;

typedef struct PvpanicPci {
    PciDevice parent;
    MemRegion bar;
    /* properties: fixed once realized */
    uint8_t events;
} PvpanicPci;

static void pvpanic_event(Machine *m, uint8_t events, uint8_t v)
{
    if (v & ~events) {
        log_guest("pvpanic: event 0x%02x is not known", v);
    }
    v &= events;
    if (v & PANICKED) {
        machine_request_shutdown(m, SHUTDOWN_GUEST_PANIC, 0);
    } else if (v & CRASH_LOADED) {
        event_emit("GUEST_CRASHLOADED", "{\"action\": \"run\"}");
    } else if (v & SHUTDOWN) {
        machine_request_shutdown(m, SHUTDOWN_GUEST_SHUTDOWN, 0);
    }
}

static uint64_t pvpanic_isa_read(void *opaque, uint64_t offset, unsigned size)
{
    return ((PvpanicIsa *)opaque)->events;
}

static void pvpanic_isa_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    PvpanicIsa *s = opaque;

    pvpanic_event(s->parent.dev.machine, s->events, value);
}

static const MemOps pvpanic_isa_mem = ISA_BYTE_PORTS(pvpanic_isa_read, pvpanic_isa_write);

static bool pvpanic_isa_realize(Device *dev, Error **errp)
{
    PvpanicIsa *s = dev_state(dev, PvpanicIsa);

    s->events &= ALL_EVENTS;
    mem_init_io(&s->port, &dev->obj, &pvpanic_isa_mem, s, "pvpanic", 1);
    isa_add_ports(&s->parent, s->ioport, &s->port);
    return true;
}

static const PropDesc pvpanic_isa_props[] = {
    PROP_U16("ioport", PvpanicIsa, ioport, 0x505, "the port"),
    PROP_U8("events", PvpanicIsa, events, ALL_EVENTS, "1 panic, 2 crash kernel, 4 shutdown"),
    PROP_END};

static const DeviceOps pvpanic_isa_ops =
    DEVICE_OPS(device_no_state, .realize = pvpanic_isa_realize, .category = "Misc devices",
               .user_creatable = true);
QOM_TYPE(pvpanic_isa_type, .name = "pvpanic", .parent = TYPE_ISA_DEVICE, .size = sizeof(PvpanicIsa),
         .desc = "panic notifier", .props = pvpanic_isa_props, .dev = &pvpanic_isa_ops);

static uint64_t pvpanic_pci_read(void *opaque, uint64_t offset, unsigned size)
{
    return offset ? 0 : ((PvpanicPci *)opaque)->events;
}

static void pvpanic_pci_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    PvpanicPci *s = opaque;

    if (!offset) {
        pvpanic_event(s->parent.dev.machine, s->events, value);
    }
}

static const MemOps pvpanic_pci_mem = {
    .read = pvpanic_pci_read,
    .write = pvpanic_pci_write,
    .impl_min = 1,
    .impl_max = 1,
};

static bool pvpanic_pci_realize(Device *dev, Error **errp)
{
    PvpanicPci *s = dev_state(dev, PvpanicPci);

    s->events &= ALL_EVENTS;
    mem_init_io(&s->bar, &dev->obj, &pvpanic_pci_mem, s, "pvpanic-pci", PCI_BAR_SIZE);
    pci_register_bar(&s->parent, 0, 0, &s->bar);
    return true;
}

static const PropDesc pvpanic_pci_props[] = {
    PROP_U8("events", PvpanicPci, events, ALL_EVENTS, "1 panic, 2 crash kernel, 4 shutdown"),
    PROP_END};

static const PciDeviceOps pvpanic_pci_dev = {
    .vendor = 0x1b36, .device = 0x0011, .class_id = 0x0880, .revision = 1};
static const DeviceOps pvpanic_pci_ops =
    DEVICE_OPS(device_no_state, .realize = pvpanic_pci_realize, .category = "Misc devices",
               .user_creatable = true);
QOM_TYPE(pvpanic_pci_type, .name = "pvpanic-pci", .parent = TYPE_PCI_DEVICE,
         .size = sizeof(PvpanicPci), .desc = "panic notifier on PCI", .props = pvpanic_pci_props,
         .dev = &pvpanic_pci_ops, .ops = &pvpanic_pci_dev);
