/* SPDX-License-Identifier: MIT */
/* The ISA bus; see hw/isa/isa.h. */
#include "rhea/osdep.h"

#include "hw/isa/isa.h"

IsaBus *isa_bus_new(Device *owner, MemRegion *io)
{
    IsaBus *bus = qom_cast(bus_new(owner, TYPE_ISA_BUS, "isa.0", 0), TYPE_ISA_BUS);

    bus->io = io;
    return bus;
}

void isa_bus_connect(IsaBus *bus, IrqHandler handler, void *opaque)
{
    bus->set_irq = handler;
    bus->opaque = opaque;
}

void isa_bus_set_irq(void *opaque, int n, bool level)
{
    IsaBus *bus = opaque;

    if (!level && !bus->users[n]) {
        return; /* a line that nobody pulled */
    }
    bus->users[n] += level ? 1 : -1;
    if (bus->set_irq) {
        bus->set_irq(bus->opaque, n, bus->users[n] != 0);
    }
}

void isa_add_ports(IsaDevice *isa, uint16_t port, MemRegion *mr)
{
    IsaBus *bus = qom_cast(isa->dev.parent_bus, TYPE_ISA_BUS);

    g_assert(isa->nregions < ISA_MAX_REGIONS);
    isa->regions[isa->nregions++] = mr;
    mem_add_overlap(bus->io, port, mr, 1);
}

bool isa_connect_irq(IsaDevice *isa, IrqLine *line, unsigned n, Error **errp)
{
    if (n >= ISA_NUM_IRQS) {
        return error_fail(errp, "%s: property 'irq' must be 0 to %d", isa->dev.obj.type->name,
                          ISA_NUM_IRQS - 1);
    }
    irq_connect_fn(line, isa_bus_set_irq, qom_cast(isa->dev.parent_bus, TYPE_ISA_BUS), (int)n);
    return true;
}

static void isa_unrealize(Device *dev)
{
    IsaDevice *isa = (IsaDevice *)dev;

    while (isa->nregions) {
        MemRegion *mr = isa->regions[--isa->nregions];

        mem_remove(mr);
        mem_fini(mr);
    }
}

static const DeviceOps isa_ops =
    DEVICE_OPS(device_no_state, .unrealize = isa_unrealize, .bus = TYPE_ISA_BUS);
QOM_TYPE(isa_type, .name = TYPE_ISA_DEVICE, .parent = TYPE_DEVICE, .size = sizeof(IsaDevice),
         .abstract = true, .dev = &isa_ops);
QOM_TYPE(isa_bus_type, .name = TYPE_ISA_BUS, .parent = TYPE_BUS, .size = sizeof(IsaBus),
         .desc = "ISA bus");
