/* SPDX-License-Identifier: MIT */
/*
 * The ISA bus: ports, sixteen interrupt lines, and the devices that sit on them.  The bus belongs to the
 * bridge that makes it.  Threading: the machine lock.
 */
#ifndef HW_ISA_ISA_H
#define HW_ISA_ISA_H

#include "memory/irq.h"
#include "memory/memory.h"
#include "qom/device.h"

#define TYPE_ISA_BUS    "ISA"
#define TYPE_ISA_DEVICE "isa-device"

enum { ISA_NUM_IRQS = 16, ISA_MAX_REGIONS = 6 };

typedef struct IsaBus {
    Bus bus;
    MemRegion *io;
    Device *dma; /* the DMA controllers; NULL: none.  Set by the board */
    /* what drives the lines of the interrupt controllers; set by the board */
    IrqHandler set_irq;
    void *opaque;
    unsigned users[ISA_NUM_IRQS]; /* how many pull the line */
} IsaBus;

typedef struct IsaDevice {
    Device dev;
    MemRegion *regions[ISA_MAX_REGIONS]; /* mapped; taken off by unrealize */
    unsigned nregions;
} IsaDevice;

/* Bus "isa.0" of a bridge whose ports are in @io. */
IsaBus *isa_bus_new(Device *owner, MemRegion *io);
/* The lines lead to @handler, which hears of the level that all users of a line give together. */
void isa_bus_connect(IsaBus *bus, IrqHandler handler, void *opaque);
/* An IrqHandler with the bus as @bus: one more, or one less, pulls line @n.  For changes only. */
void isa_bus_set_irq(void *bus, int n, bool level);

/* --- For devices, from realize --- */

/* Maps @mr at @port; later devices lie over earlier ones. */
void isa_add_ports(IsaDevice *isa, uint16_t port, MemRegion *mr);
/* Wires @line to interrupt @n of the bus; false when there is no such line. */
bool isa_connect_irq(IsaDevice *isa, IrqLine *line, unsigned n, Error **errp) MUST_CHECK;

/* A port bank of bytes: wider and odd accesses are taken byte by byte. */
#define ISA_BYTE_PORTS(read_fn, write_fn)                                                          \
    {                                                                                              \
        .read = (read_fn), .write = (write_fn), .impl_min = 1, .impl_max = 1, .unaligned = true    \
    }

#endif
