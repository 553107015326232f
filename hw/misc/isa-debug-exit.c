/* SPDX-License-Identifier: MIT */
/*
 * A port that ends the emulator ("isa-debug-exit"): a write of V gives exit status V * 2 + 1, of which
 * the host keeps eight bits.  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/isa/isa.h"
#include "hw/machine.h"

typedef struct DebugExit {
    IsaDevice parent;
    MemRegion ports;
    /* properties: fixed once realized */
    uint32_t iobase, iosize;
} DebugExit;

static uint64_t debugexit_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0;
}

static void debugexit_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    DebugExit *s = opaque;

    machine_request_shutdown(s->parent.dev.machine, SHUTDOWN_GUEST_SHUTDOWN,
                             (int)((value << 1 | 1) & 0xff));
}

static const MemOps debugexit_mem_ops = {
    .read = debugexit_read,
    .write = debugexit_write,
    .valid_max = 4,
    .impl_max = 4,
};

static bool debugexit_realize(Device *dev, Error **errp)
{
    DebugExit *s = dev_state(dev, DebugExit);

    if (!s->iosize || s->iobase > UINT16_MAX || s->iosize > UINT16_MAX + 1 - s->iobase) {
        return error_fail(errp, "isa-debug-exit: properties 'iobase' and 'iosize' must name ports "
                                "up to 0xffff");
    }
    mem_init_io(&s->ports, &dev->obj, &debugexit_mem_ops, s, "isa-debug-exit", s->iosize);
    isa_add_ports(&s->parent, s->iobase, &s->ports);
    return true;
}

static const PropDesc debugexit_props[] = {
    PROP_U32("iobase", DebugExit, iobase, 0x501, "the first port"),
    PROP_U32("iosize", DebugExit, iosize, 2, "number of ports"), PROP_END};

static const DeviceOps debugexit_ops =
    DEVICE_OPS(device_no_state, .realize = debugexit_realize, .category = "Misc devices",
               .user_creatable = true);
QOM_TYPE(debugexit_type, .name = "isa-debug-exit", .parent = TYPE_ISA_DEVICE,
         .size = sizeof(DebugExit), .desc = "port that ends the emulator", .props = debugexit_props,
         .dev = &debugexit_ops);
