/* SPDX-License-Identifier: MIT */
/*
 * PIIX3 PCI-to-ISA bridge.  Spec: 82371SB data sheet, 290550.
 * Models the routing of PCI interrupts; the devices of the bridge (interrupt controllers, timer, DMA,
 * reset port) are devices of their own on its bus or parts of the host bridge.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/isa/piix3.h"
#include "hw/isa/pirq.h"
#include "hw/machine.h"
#include "hw/pci/pci.h"
#include "rhea/endian.h"
#include "snapshot/snapshot.h"

enum { PIRQ_ROUTE = 0x60, PIRQS = 4, IO_RECOVERY = 0x4c, BUS_CONTROL = 0x4e, TOP_OF_MEMORY = 0x69 };

typedef struct Piix3 {
    PciDevice pci;
    PirqRouter router;
} Piix3;

IsaBus *piix3_isa_bus(Device *dev)
{
    return dev_state(dev, Piix3)->router.bus;
}

static void piix3_update(Piix3 *s)
{
    for (unsigned n = 0; n < PIRQS; n++) {
        pirq_update(&s->router, n, s->pci.config[PIRQ_ROUTE + n]);
    }
}

static void piix3_set_line(void *opaque, int line, bool level)
{
    Piix3 *s = opaque;

    s->router.level[line] = level;
    pirq_update(&s->router, line, s->pci.config[PIRQ_ROUTE + line]);
}

static void piix3_config_written(PciDevice *pci, uint32_t offset, unsigned size)
{
    piix3_update((Piix3 *)pci);
}

static void piix3_reset(Device *dev)
{
    Piix3 *s = dev_state(dev, Piix3);

    memset(s->pci.config + PIRQ_ROUTE, PIRQ_ROUTE_OFF, PIRQS);
    st16_le(s->pci.config + IO_RECOVERY, 0x4d);
    st16_le(s->pci.config + BUS_CONTROL, 0x03);
    s->pci.config[TOP_OF_MEMORY] = 0x02;
    piix3_update(s);
}

static bool piix3_realize(Device *dev, Error **errp)
{
    Piix3 *s = dev_state(dev, Piix3);

    st16_le(s->pci.config + PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    st16_le(s->pci.writable + PCI_COMMAND, 0);
    memset(s->pci.writable + PIRQ_ROUTE, PIRQ_ROUTE_MASK, PIRQS);
    s->pci.writable[IO_RECOVERY] = 0x7f;
    st16_le(s->pci.writable + BUS_CONTROL, 0x01ff);
    s->pci.writable[TOP_OF_MEMORY] = 0xfe;
    s->router.bus = isa_bus_new(dev, dev->machine->system_io);
    s->pci.bus->set_line = piix3_set_line;
    s->pci.bus->opaque = s;
    return true;
}

static void piix3_after_load(Device *dev)
{
    piix3_update(dev_state(dev, Piix3));
}

static const PciDeviceOps piix3_pci = {.vendor = 0x8086,
                                       .device = 0x7000,
                                       .class_id = 0x0601,
                                       .subsystem_vendor = 0x1af4,
                                       .subsystem = 0x1100,
                                       .config_written = piix3_config_written};
static const DeviceOps piix3_ops = DEVICE_OPS(device_no_state, .realize = piix3_realize,
                                              .reset = piix3_reset, .after_load = piix3_after_load);
QOM_TYPE(piix3_type, .name = TYPE_PIIX3, .parent = TYPE_PCI_DEVICE, .size = sizeof(Piix3),
         .desc = "PIIX3 ISA bridge", .dev = &piix3_ops, .ops = &piix3_pci);
