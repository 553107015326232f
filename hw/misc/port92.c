/* SPDX-License-Identifier: MIT */
/*
 * System control port A.  Spec: IBM PS/2 hardware interface technical reference, port 92h.
 * Bit 0 resets, bit 1 is one of the two gates of address line 20.  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/isa/isa.h"
#include "hw/machine.h"
#include "hw/misc/port92.h"
#include "snapshot/snapshot.h"

enum { PORT = 0x92, P92_RESET = 1, P92_A20 = 2 };

typedef struct Port92 {
    IsaDevice parent;
    IrqLine a20;
    MemRegion port;
    uint8_t value; /* guest-visible */
} Port92;

static uint64_t port92_read(void *opaque, uint64_t offset, unsigned size)
{
    return ((Port92 *)opaque)->value;
}

static void port92_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Port92 *s = opaque;
    bool reset = value & ~s->value & P92_RESET;

    s->value = value;
    irq_set(&s->a20, s->value & P92_A20);
    if (reset) {
        machine_request_reset(s->parent.dev.machine, SHUTDOWN_GUEST_RESET);
    }
}

static const MemOps port92_mem_ops = ISA_BYTE_PORTS(port92_read, port92_write);

static void port92_reset(Device *dev)
{
    Port92 *s = dev_state(dev, Port92);

    s->value = 0;
    irq_set(&s->a20, false);
}

static bool port92_realize(Device *dev, Error **errp)
{
    Port92 *s = dev_state(dev, Port92);

    irq_line_init(&s->a20, dev, "a20");
    mem_init_io(&s->port, &dev->obj, &port92_mem_ops, s, "port92", 1);
    isa_add_ports(&s->parent, PORT, &s->port);
    return true;
}

static void port92_snapshot(Device *dev, Snapshot *sn)
{
    snap_section(sn, "port92", 1);
    snap_u8(sn, &dev_state(dev, Port92)->value);
}

static void port92_after_load(Device *dev)
{
    Port92 *s = dev_state(dev, Port92);

    irq_set(&s->a20, s->value & P92_A20);
}

static const DeviceOps port92_ops =
    DEVICE_OPS(port92_snapshot, .realize = port92_realize, .reset = port92_reset,
               .after_load = port92_after_load);
QOM_TYPE(port92_type, .name = TYPE_PORT92, .parent = TYPE_ISA_DEVICE, .size = sizeof(Port92),
         .desc = "system control port A", .dev = &port92_ops);
