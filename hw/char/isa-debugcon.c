/* SPDX-License-Identifier: MIT */
/*
 * Debug console port ("isa-debugcon"): bytes written go to a character backend; reads give a constant by
 * which firmware finds the port (0xe9, as Bochs has it).
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "chardev/chardev.h"
#include "hw/isa/isa.h"
#include "snapshot/snapshot.h"

typedef struct DebugCon {
    IsaDevice parent;
    MemRegion port;
    CharFront chr;
    /* properties: fixed once realized */
    char *chardev;
    uint32_t iobase, readback;
} DebugCon;

static uint64_t debugcon_read(void *opaque, uint64_t offset, unsigned size)
{
    return ((DebugCon *)opaque)->readback;
}

static void debugcon_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    DebugCon *s = opaque;
    uint8_t c = value;

    chr_write(&s->chr, &c, 1); /* the port cannot say "wait": what finds no room is lost */
}

static const MemOps debugcon_mem_ops = ISA_BYTE_PORTS(debugcon_read, debugcon_write);

static bool debugcon_realize(Device *dev, Error **errp)
{
    DebugCon *s = dev_state(dev, DebugCon);

    if (s->iobase > UINT16_MAX) {
        return error_fail(errp, "isa-debugcon: property 'iobase' must be at most 0xffff");
    }
    if (!s->chardev) {
        return error_fail(errp, "isa-debugcon: property 'chardev' is missing");
    }
    if (!chr_attach(&s->chr, s->chardev, errp)) {
        return false;
    }
    mem_init_io(&s->port, &dev->obj, &debugcon_mem_ops, s, "isa-debugcon", 1);
    isa_add_ports(&s->parent, s->iobase, &s->port);
    return true;
}

static void debugcon_unrealize(Device *dev)
{
    chr_detach(&dev_state(dev, DebugCon)->chr);
}

static const PropDesc debugcon_props[] = {
    PROP_STR("chardev", DebugCon, chardev, NULL, "character backend"),
    PROP_U32("iobase", DebugCon, iobase, 0xe9, "the port"),
    PROP_U32("readback", DebugCon, readback, 0xe9, "what reads of the port give"), PROP_END};

static const DeviceOps debugcon_ops =
    DEVICE_OPS(device_no_state, .realize = debugcon_realize, .unrealize = debugcon_unrealize,
               .category = "Misc devices", .user_creatable = true);
QOM_TYPE(debugcon_type, .name = "isa-debugcon", .parent = TYPE_ISA_DEVICE, .size = sizeof(DebugCon),
         .desc = "debug console port", .props = debugcon_props, .dev = &debugcon_ops);
