/* SPDX-License-Identifier: MIT */
/*
 * RISC-V ACLINT machine timer and machine software interrupts.
 * Spec: RISC-V Advanced Core Local Interruptor 1.0-rc4, sections 2 and 3 (the layout is also the
 * SiFive CLINT's).
 * Not modelled: the supervisor software interrupt device (SSWI).
 * mtime is the virtual clock: it stands still while the VM is paused.
 * Threading: register callbacks run under the machine lock; riscv_aclint_mtime() on any thread.
 */
#include "rhea/osdep.h"

#include "hw/mmio-device.h"
#include "hw/timer/riscv-aclint.h"
#include "memory/clock.h"
#include "rhea/bits.h"
#include "rhea/log.h"
#include "snapshot/snapshot.h"

enum { MTIME = 0x7ff8, NS_PER_TICK = 1000000000 / ACLINT_TIMEBASE_HZ };

/* One hart's comparator. */
typedef struct Comparator {
    IrqLine irq;
    ClockTimer timer;
    struct Mtimer *owner;
    uint64_t cmp;
} Comparator;

typedef struct Mtimer {
    MmioDevice parent;
    /* wiring */
    MemRegion regs;
    Clock *clock;
    Comparator *harts;
    void (*time_set)(void *opaque);
    void *time_set_opaque;
    /* properties: fixed once realized */
    uint32_t num_harts;
    /* guest-visible: all of it is in mtimer_snapshot */
    uint64_t delta; /* mtime - virtual clock ticks; written under the lock, read atomically */
} Mtimer;

uint64_t riscv_aclint_mtime(void *mtimer)
{
    Mtimer *s = mtimer;

    return clock_now_ns(s->clock) / NS_PER_TICK + __atomic_load_n(&s->delta, __ATOMIC_RELAXED);
}

int64_t riscv_aclint_when_ns(void *mtimer, uint64_t ticks)
{
    Mtimer *s = mtimer;
    uint64_t now_ticks = clock_now_ns(s->clock) / NS_PER_TICK;
    uint64_t mtime = now_ticks + __atomic_load_n(&s->delta, __ATOMIC_RELAXED);
    uint64_t wait = ticks - mtime;

    if (ticks <= mtime) {
        return now_ticks * NS_PER_TICK;
    }
    /* From the start of the present tick, so that the comparison holds when the timer fires. */
    return wait > INT64_MAX / NS_PER_TICK - now_ticks ? CLOCK_NEVER
                                                      : (int64_t)(now_ticks + wait) * NS_PER_TICK;
}

void riscv_aclint_on_time_set(void *mtimer, void (*fn)(void *opaque), void *opaque)
{
    Mtimer *s = mtimer;

    s->time_set = fn;
    s->time_set_opaque = opaque;
}

/* The line is high while mtime >= mtimecmp (2.1); a timer waits for the moment it becomes so. */
static void comparator_update(Comparator *c)
{
    bool due = riscv_aclint_mtime(c->owner) >= c->cmp;

    irq_set(&c->irq, due);
    clock_timer_arm(&c->timer, due ? CLOCK_NEVER : riscv_aclint_when_ns(c->owner, c->cmp));
}

static void comparator_expire(void *opaque)
{
    comparator_update(opaque);
}

static void mtimer_update_all(Mtimer *s)
{
    for (uint32_t i = 0; i < s->num_harts; i++) {
        comparator_update(&s->harts[i]);
    }
}

static void mtimer_time_set(Mtimer *s)
{
    mtimer_update_all(s);
    if (s->time_set) {
        s->time_set(s->time_set_opaque);
    }
}

/* Registers are 64 bits wide and may be accessed in halves: @offset picks the half. */
static uint64_t half_of(uint64_t reg, uint64_t offset, unsigned size)
{
    return size == 8 ? reg : extract64(reg, (offset & 4) * 8, 32);
}

static uint64_t with_half(uint64_t reg, uint64_t offset, unsigned size, uint64_t value)
{
    return size == 8 ? value : deposit64(reg, (offset & 4) * 8, 32, value);
}

static uint64_t mtimer_read(void *opaque, uint64_t offset, unsigned size)
{
    Mtimer *s = opaque;

    if (offset >= MTIME) {
        return half_of(riscv_aclint_mtime(s), offset, size);
    }
    if (offset / 8 < s->num_harts) {
        return half_of(s->harts[offset / 8].cmp, offset, size);
    }
    log_guest("aclint: read of offset 0x%" PRIx64 " without a hart", offset);
    return 0;
}

static void mtimer_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Mtimer *s = opaque;

    if (offset >= MTIME) {
        uint64_t now = riscv_aclint_mtime(s);
        uint64_t moved = with_half(now, offset, size, value) - now;

        __atomic_store_n(&s->delta, s->delta + moved, __ATOMIC_RELAXED);
        mtimer_time_set(s);
    } else if (offset / 8 < s->num_harts) {
        Comparator *c = &s->harts[offset / 8];

        c->cmp = with_half(c->cmp, offset, size, value);
        comparator_update(c);
    } else {
        log_guest("aclint: write of offset 0x%" PRIx64 " without a hart", offset);
    }
}

static const MemOps mtimer_mem_ops = {
    .read = mtimer_read,
    .write = mtimer_write,
    .valid_min = 4,
    .valid_max = 8,
    .impl_min = 4,
    .impl_max = 8,
};

static void mtimer_reset(Device *dev)
{
    Mtimer *s = dev_state(dev, Mtimer);

    s->delta = 0 - (uint64_t)clock_now_ns(s->clock) / NS_PER_TICK;
    for (uint32_t i = 0; i < s->num_harts; i++) {
        s->harts[i].cmp = UINT64_MAX; /* undefined by the spec: no interrupt out of reset */
    }
    mtimer_time_set(s);
}

static bool check_harts(const char *type, uint32_t n, Error **errp)
{
    if (!n || n > ACLINT_MAX_HARTS) {
        return error_fail(errp, "%s: property 'num-harts' must be 1 to %d", type, ACLINT_MAX_HARTS);
    }
    return true;
}

static bool mtimer_realize(Device *dev, Error **errp)
{
    Mtimer *s = dev_state(dev, Mtimer);

    if (!check_harts(TYPE_RISCV_ACLINT_MTIMER, s->num_harts, errp)) {
        return false;
    }
    s->clock = device_clock(dev);
    s->harts = g_new0(Comparator, s->num_harts);
    for (uint32_t i = 0; i < s->num_harts; i++) {
        s->harts[i].owner = s;
        irq_line_init(&s->harts[i].irq, dev, "mti");
        clock_timer_init(&s->harts[i].timer, s->clock, comparator_expire, &s->harts[i]);
    }
    mem_init_io(&s->regs, &dev->obj, &mtimer_mem_ops, s, "riscv.aclint.mtimer", ACLINT_MTIMER_SIZE);
    mmio_device_add_region(&s->parent, &s->regs);
    return true;
}

static void mtimer_snapshot(Device *dev, Snapshot *sn)
{
    Mtimer *s = dev_state(dev, Mtimer);

    snap_section(sn, "aclint-mtimer", 1);
    snap_u64(sn, &s->delta);
    for (uint32_t i = 0; i < s->num_harts; i++) {
        snap_u64(sn, &s->harts[i].cmp);
    }
}

static void mtimer_after_load(Device *dev)
{
    mtimer_time_set(dev_state(dev, Mtimer));
}

static const PropDesc mtimer_props[] = {
    PROP_U32("num-harts", Mtimer, num_harts, 1, "number of harts served"), PROP_END};

static const DeviceOps mtimer_ops =
    DEVICE_OPS(mtimer_snapshot, .realize = mtimer_realize, .reset = mtimer_reset,
               .after_load = mtimer_after_load);
QOM_TYPE(mtimer_type, .name = TYPE_RISCV_ACLINT_MTIMER, .parent = TYPE_MMIO_DEVICE,
         .size = sizeof(Mtimer), .desc = "RISC-V ACLINT machine timer", .props = mtimer_props,
         .dev = &mtimer_ops);

/* --- Machine software interrupts (section 3) --- */

typedef struct Swi {
    MmioDevice parent;
    /* wiring */
    MemRegion regs;
    IrqLine *irq;
    /* properties: fixed once realized */
    uint32_t num_harts;
    /* guest-visible: all of it is in swi_snapshot */
    uint32_t *msip;
} Swi;

static uint64_t swi_read(void *opaque, uint64_t offset, unsigned size)
{
    Swi *s = opaque;

    return offset / 4 < s->num_harts ? s->msip[offset / 4] : 0;
}

static void swi_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Swi *s = opaque;
    uint64_t hart = offset / 4;

    if (hart >= s->num_harts) {
        log_guest("aclint: msip write for hart %" PRIu64 ", which does not exist", hart);
        return;
    }
    if (s->msip[hart] && (value & 1)) {
        irq_set(&s->irq[hart], false); /* sent again: wakes a hart that polls around WFI */
    }
    s->msip[hart] = value & 1;
    irq_set(&s->irq[hart], s->msip[hart]);
}

static const MemOps swi_mem_ops = {
    .read = swi_read,
    .write = swi_write,
    .valid_min = 4,
    .valid_max = 4,
    .impl_min = 4,
    .impl_max = 4,
};

static void swi_update_all(Device *dev)
{
    Swi *s = dev_state(dev, Swi);

    for (uint32_t i = 0; i < s->num_harts; i++) {
        irq_set(&s->irq[i], s->msip[i]);
    }
}

static void swi_reset(Device *dev)
{
    Swi *s = dev_state(dev, Swi);

    memset(s->msip, 0, s->num_harts * sizeof(*s->msip));
    swi_update_all(dev);
}

static bool swi_realize(Device *dev, Error **errp)
{
    Swi *s = dev_state(dev, Swi);

    if (!check_harts(TYPE_RISCV_ACLINT_SWI, s->num_harts, errp)) {
        return false;
    }
    s->msip = g_new0(uint32_t, s->num_harts);
    s->irq = g_new0(IrqLine, s->num_harts);
    for (uint32_t i = 0; i < s->num_harts; i++) {
        irq_line_init(&s->irq[i], dev, "msi");
    }
    mem_init_io(&s->regs, &dev->obj, &swi_mem_ops, s, "riscv.aclint.swi", ACLINT_SWI_SIZE);
    mmio_device_add_region(&s->parent, &s->regs);
    return true;
}

static void swi_snapshot(Device *dev, Snapshot *sn)
{
    Swi *s = dev_state(dev, Swi);

    snap_section(sn, "aclint-swi", 1);
    snap_u32_array(sn, s->msip, s->num_harts);
}

static const PropDesc swi_props[] = {
    PROP_U32("num-harts", Swi, num_harts, 1, "number of harts served"), PROP_END};

static const DeviceOps swi_ops = DEVICE_OPS(swi_snapshot, .realize = swi_realize,
                                            .reset = swi_reset, .after_load = swi_update_all);
QOM_TYPE(swi_type, .name = TYPE_RISCV_ACLINT_SWI, .parent = TYPE_MMIO_DEVICE, .size = sizeof(Swi),
         .desc = "RISC-V ACLINT software interrupts", .props = swi_props, .dev = &swi_ops);
