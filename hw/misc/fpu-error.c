/* SPDX-License-Identifier: MIT */
/*
 * Floating-point errors as the PC/AT reports them.  Spec: Intel SDM vol. 1, appendix D.2.1.
 * FERR# of the boot CPU sets a latch that is interrupt 13; a write to port F0h clears it and asserts IGNNE#
 * until FERR# falls.  Not modelled: port F1h, the reset of a separate coprocessor.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/isa/isa.h"
#include "hw/misc/fpu-error.h"
#include "snapshot/snapshot.h"

enum { PORT = 0xf0 };

typedef struct FpuError {
    IsaDevice parent;
    /* wiring */
    IrqLine irq, ignne;
    MemRegion port;
    /* guest-visible */
    bool ferr, latch, ignore;
} FpuError;

static void fpu_error_update(FpuError *s)
{
    irq_set(&s->irq, s->latch);
    irq_set(&s->ignne, s->ignore);
}

static void fpu_error_ferr(void *opaque, int n, bool level)
{
    FpuError *s = opaque;

    s->latch |= level && !s->ferr;
    s->ignore &= level;
    s->ferr = level;
    fpu_error_update(s);
}

static uint64_t fpu_error_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0xff;
}

static void fpu_error_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    FpuError *s = opaque;

    s->latch = false;
    s->ignore = s->ferr;
    fpu_error_update(s);
}

static const MemOps fpu_error_mem_ops = ISA_BYTE_PORTS(fpu_error_read, fpu_error_write);

static void fpu_error_reset(Device *dev)
{
    FpuError *s = dev_state(dev, FpuError);

    s->latch = s->ignore = s->ferr = false;
    fpu_error_update(s);
}

static bool fpu_error_realize(Device *dev, Error **errp)
{
    FpuError *s = dev_state(dev, FpuError);

    irq_line_init(&s->irq, dev, "irq");
    irq_line_init(&s->ignne, dev, "ignne");
    irq_inputs_init(dev, "ferr", fpu_error_ferr, s, 1);
    mem_init_io(&s->port, &dev->obj, &fpu_error_mem_ops, s, "fpu-error", 1);
    isa_add_ports(&s->parent, PORT, &s->port);
    return true;
}

static void fpu_error_snapshot(Device *dev, Snapshot *sn)
{
    FpuError *s = dev_state(dev, FpuError);

    snap_section(sn, "fpu-error", 1);
    snap_fields(sn, &s->ferr, &s->latch, &s->ignore);
}

static void fpu_error_after_load(Device *dev)
{
    fpu_error_update(dev_state(dev, FpuError));
}

static const DeviceOps fpu_error_ops =
    DEVICE_OPS(fpu_error_snapshot, .realize = fpu_error_realize, .reset = fpu_error_reset,
               .after_load = fpu_error_after_load);
QOM_TYPE(fpu_error_type, .name = TYPE_FPU_ERROR, .parent = TYPE_ISA_DEVICE,
         .size = sizeof(FpuError), .desc = "floating-point errors as interrupt 13",
         .dev = &fpu_error_ops);
