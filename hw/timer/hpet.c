/* SPDX-License-Identifier: MIT */
/*
 * High precision event timers: a 64-bit counter of 100 MHz and three comparators.
 * Spec: IA-PC HPET 1.0a.
 * Models periodic and one-shot comparators of 64 and 32 bits, edge and level interrupts, delivery by
 * message (FSB), legacy replacement.
 * Time base is the virtual clock.  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "hw/mmio-device.h"
#include "hw/timer/hpet.h"
#include "rhea/bits.h"
#include "snapshot/snapshot.h"

enum { CAPABILITIES = 0x000, CONFIG = 0x010, STATUS = 0x020, COUNTER = 0x0f0, TIMERS = 0x100 };
enum { TIMER_STRIDE = 0x20, TIMER_CONFIG = 0x00, TIMER_COMPARATOR = 0x08, TIMER_ROUTE = 0x10 };
enum { NUM_TIMERS = 3, TICK_NS = 10, TICK_FS = 10000000 };
enum { CONFIG_ENABLE = 1, CONFIG_LEGACY = 2 };
enum {
    T_LEVEL = 0x0002,
    T_ENABLE = 0x0004,
    T_PERIODIC = 0x0008,
    T_PERIODIC_CAP = 0x0010,
    T_64_CAP = 0x0020,
    T_SET_VALUE = 0x0040,
    T_32 = 0x0100,
    T_FSB = 0x4000,
    T_FSB_CAP = 0x8000,
    T_WRITABLE = 0x7f4e,
    T_ROUTE_SHIFT = 9
};
enum { IN_PIT, IN_RTC, RTC_LINE = 8 };
/* Lines that comparators may use: those of the I/O APIC that a PC leaves free. */
#define ROUTES 0x00ff0104ULL
/* A comparator that matches every few ticks must not keep the emulator busy. */
#define MIN_PERIOD_NS 20000

typedef struct HpetTimer {
    struct Hpet *hpet;
    ClockTimer timer;
    unsigned index;
    /* guest-visible */
    uint64_t config, comparator, period, route;
} HpetTimer;

typedef struct Hpet {
    MmioDevice parent;
    /* wiring */
    IrqLine lines[HPET_LINES];
    MemRegion regs;
    Clock *clock;
    bool in[2]; /* levels of the inputs */
    /* guest-visible: all of it is in hpet_snapshot */
    HpetTimer timers[NUM_TIMERS];
    uint64_t config, status;
    uint64_t base; /* counter while it stands; counter - ticks of the clock while it runs */
} Hpet;

/* --- The counter --- */

static bool hpet_running(const Hpet *s)
{
    return s->config & CONFIG_ENABLE;
}

/* What is decided together looks at the clock once: between two looks a comparator may have been passed. */
static uint64_t hpet_ticks(const Hpet *s)
{
    return (uint64_t)clock_now_ns(s->clock) / TICK_NS;
}

static uint64_t hpet_counter_at(const Hpet *s, uint64_t ticks)
{
    return hpet_running(s) ? ticks + s->base : s->base;
}

static uint64_t hpet_counter(const Hpet *s)
{
    return hpet_counter_at(s, hpet_ticks(s));
}

static bool timer_is_32(const HpetTimer *t)
{
    return t->config & T_32;
}

/* --- Interrupts --- */

/* The line of comparator @t; legacy replacement takes 0 and 8. */
static unsigned timer_line(const HpetTimer *t)
{
    if ((t->hpet->config & CONFIG_LEGACY) && t->index < 2) {
        return t->index ? RTC_LINE : 0;
    }
    return extract64(t->config, T_ROUTE_SHIFT, 5) % HPET_LINES;
}

/* Levels of lines as registers and inputs have them; edges are made by timer_fire(). */
static void hpet_update_lines(Hpet *s)
{
    bool legacy = s->config & CONFIG_LEGACY;
    uint32_t levels = 0;

    for (unsigned i = 0; i < NUM_TIMERS; i++) {
        const HpetTimer *t = &s->timers[i];

        if ((t->config & T_ENABLE) && !(t->config & T_FSB) && (t->config & T_LEVEL) &&
            (s->status & BIT(i))) {
            levels |= BIT(timer_line(t));
        }
    }
    if (!legacy) {
        levels |= (s->in[IN_PIT] ? 1 : 0) | (s->in[IN_RTC] ? BIT(RTC_LINE) : 0);
    }
    for (unsigned i = 0; i < HPET_LINES; i++) {
        irq_set(&s->lines[i], levels & BIT(i));
    }
}

static void timer_interrupt(HpetTimer *t)
{
    Hpet *s = t->hpet;

    if (t->config & T_LEVEL) {
        s->status |= BIT(t->index);
    }
    if (!(t->config & T_ENABLE)) {
        return;
    }
    if (t->config & T_FSB) {
        mem_write_value(s->parent.dev.machine->memory, t->route >> 32, 4, (uint32_t)t->route);
    } else if (t->config & T_LEVEL) {
        hpet_update_lines(s);
    } else {
        irq_pulse(&s->lines[timer_line(t)]);
    }
}

static void hpet_input(void *opaque, int n, bool level)
{
    Hpet *s = opaque;

    s->in[n] = level;
    hpet_update_lines(s);
}

/* --- Comparators --- */

static void timer_rearm(HpetTimer *t, uint64_t ticks)
{
    Hpet *s = t->hpet;
    uint64_t left = t->comparator - hpet_counter_at(s, ticks);

    if (!hpet_running(s)) {
        clock_timer_disarm(&t->timer);
        return;
    }
    if (timer_is_32(t)) {
        left = (uint32_t)left;
    }
    if (!left || left > (uint64_t)(INT64_MAX / 4) / TICK_NS) {
        left = timer_is_32(t) ? 1ULL << 32 : (uint64_t)(INT64_MAX / 4) / TICK_NS; /* once round */
    }
    clock_timer_arm(&t->timer, (int64_t)((ticks + left) * TICK_NS));
}

/* Moves a periodic comparator past the counter, if the counter is not before it. */
static void timer_advance(HpetTimer *t, uint64_t ticks)
{
    uint64_t period = MAX(t->period, MIN_PERIOD_NS / TICK_NS);
    uint64_t behind = hpet_counter_at(t->hpet, ticks) - t->comparator, half = 1ULL << 63;

    if (timer_is_32(t)) {
        behind = (uint32_t)behind;
        period = MAX((uint32_t)t->period, MIN_PERIOD_NS / TICK_NS);
        half = 1ULL << 31;
    }
    if (behind >= half) {
        return;
    }
    t->comparator += (behind / period + 1) * period;
    if (timer_is_32(t)) {
        t->comparator = (uint32_t)t->comparator;
    }
}

static void timer_fire(void *opaque)
{
    HpetTimer *t = opaque;
    uint64_t ticks = hpet_ticks(t->hpet);

    if ((t->config & T_PERIODIC) && t->period) {
        timer_advance(t, ticks);
    }
    timer_interrupt(t);
    timer_rearm(t, ticks);
}

/* --- Registers --- */

static uint64_t hpet_capabilities(void)
{
    return (uint64_t)TICK_FS << 32 | 0x8086ULL << 16 | 0x8000 /* legacy */ | 0x2000 /* 64 bits */ |
           (NUM_TIMERS - 1) << 8 | 1;
}

static uint64_t timer_read(HpetTimer *t, unsigned reg)
{
    switch (reg) {
    case TIMER_CONFIG: return t->config | T_PERIODIC_CAP | T_64_CAP | T_FSB_CAP | ROUTES << 32;
    case TIMER_COMPARATOR: return t->comparator;
    case TIMER_ROUTE: return t->route;
    default: return 0;
    }
}

static uint64_t hpet_read_reg(Hpet *s, unsigned offset)
{
    if (offset >= TIMERS) {
        unsigned n = (offset - TIMERS) / TIMER_STRIDE;

        return n < NUM_TIMERS ? timer_read(&s->timers[n], (offset - TIMERS) % TIMER_STRIDE) : 0;
    }
    switch (offset) {
    case CAPABILITIES: return hpet_capabilities();
    case CONFIG: return s->config;
    case STATUS: return s->status;
    case COUNTER: return hpet_counter(s);
    default: return 0;
    }
}

static void timer_write_comparator(HpetTimer *t, uint64_t v)
{
    bool periodic = t->config & T_PERIODIC, set = !periodic || (t->config & T_SET_VALUE);
    uint64_t ticks = hpet_ticks(t->hpet);

    if (timer_is_32(t)) {
        v = (uint32_t)v;
    }
    if (set) {
        t->comparator = v;
    }
    if (periodic) {
        t->period = v;
    }
    /* A vCPU that the host did not run in time sets the first moment and then the period with the moment
     * past: its timer shall tick all the same, not when the counter comes round again. */
    if (!set && v && hpet_running(t->hpet)) {
        timer_advance(t, ticks);
    }
    t->config &= ~T_SET_VALUE;
    timer_rearm(t, ticks);
}

static void timer_write(HpetTimer *t, unsigned reg, uint64_t v)
{
    switch (reg) {
    case TIMER_CONFIG:
        t->config = v & T_WRITABLE;
        if (timer_is_32(t)) {
            t->comparator = (uint32_t)t->comparator;
            t->period = (uint32_t)t->period;
        }
        if (!(t->config & T_LEVEL)) {
            t->hpet->status &= ~BIT_ULL(t->index);
        }
        hpet_update_lines(t->hpet);
        timer_rearm(t, hpet_ticks(t->hpet));
        break;
    case TIMER_COMPARATOR: timer_write_comparator(t, v); break;
    case TIMER_ROUTE: t->route = v; break;
    }
}

static void hpet_write_config(Hpet *s, uint64_t v)
{
    uint64_t ticks = hpet_ticks(s), counter = hpet_counter_at(s, ticks);

    s->config = v & (CONFIG_ENABLE | CONFIG_LEGACY);
    s->base = hpet_running(s) ? counter - ticks : counter;
    for (unsigned i = 0; i < NUM_TIMERS; i++) {
        timer_rearm(&s->timers[i], ticks);
    }
    hpet_update_lines(s);
}

static void hpet_write_reg(Hpet *s, unsigned offset, uint64_t v)
{
    if (offset >= TIMERS) {
        unsigned n = (offset - TIMERS) / TIMER_STRIDE;

        if (n < NUM_TIMERS) {
            timer_write(&s->timers[n], (offset - TIMERS) % TIMER_STRIDE, v);
        }
        return;
    }
    switch (offset) {
    case CONFIG: hpet_write_config(s, v); break;
    case STATUS:
        s->status &= ~v;
        hpet_update_lines(s);
        break;
    case COUNTER:
        if (!hpet_running(s)) { /* else undefined (2.3.7) */
            s->base = v;
        }
        break;
    }
}

/* Registers are 64 bits wide and may be used in halves. */
static uint64_t hpet_read(void *opaque, uint64_t offset, unsigned size)
{
    uint64_t v = hpet_read_reg(opaque, offset & ~7u);

    return offset & 4 ? v >> 32 : v;
}

static void hpet_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    unsigned reg = offset & ~7u;

    if (size == 4) {
        value = deposit64(hpet_read_reg(opaque, reg), offset & 4 ? 32 : 0, 32, value);
        if (reg == STATUS && (offset & 4)) {
            return;
        }
    }
    hpet_write_reg(opaque, reg, value);
}

static const MemOps hpet_mem_ops = {
    .read = hpet_read,
    .write = hpet_write,
    .valid_min = 4,
    .valid_max = 8,
    .impl_min = 4,
    .impl_max = 8,
};

/* --- Life --- */

static void hpet_reset(Device *dev)
{
    Hpet *s = dev_state(dev, Hpet);

    s->config = s->status = s->base = 0;
    for (unsigned i = 0; i < NUM_TIMERS; i++) {
        HpetTimer *t = &s->timers[i];

        t->config = t->period = t->route = 0;
        t->comparator = UINT64_MAX;
        clock_timer_disarm(&t->timer);
    }
    hpet_update_lines(s);
}

static bool hpet_realize(Device *dev, Error **errp)
{
    Hpet *s = dev_state(dev, Hpet);

    s->clock = device_clock(dev);
    for (unsigned i = 0; i < HPET_LINES; i++) {
        irq_line_init(&s->lines[i], dev, "irq");
    }
    irq_inputs_init(dev, NULL, hpet_input, s, 2);
    for (unsigned i = 0; i < NUM_TIMERS; i++) {
        s->timers[i].hpet = s;
        s->timers[i].index = i;
        clock_timer_init(&s->timers[i].timer, s->clock, timer_fire, &s->timers[i]);
    }
    mem_init_io(&s->regs, &dev->obj, &hpet_mem_ops, s, "hpet", HPET_SIZE);
    mmio_device_add_region(&s->parent, &s->regs);
    return true;
}

static void hpet_unrealize(Device *dev)
{
    Hpet *s = dev_state(dev, Hpet);

    for (unsigned i = 0; i < NUM_TIMERS; i++) {
        clock_timer_disarm(&s->timers[i].timer);
    }
}

static void hpet_snapshot(Device *dev, Snapshot *sn)
{
    Hpet *s = dev_state(dev, Hpet);

    snap_section(sn, "hpet", 2);
    snap_fields(sn, &s->config, &s->status, &s->base, &s->in[IN_PIT], &s->in[IN_RTC]);
    for (unsigned i = 0; i < NUM_TIMERS; i++) {
        HpetTimer *t = &s->timers[i];

        snap_fields(sn, &t->config, &t->comparator, &t->period, &t->route);
        snap_timer(sn, &t->timer); /* may be due: the comparator does not tell */
    }
}

static void hpet_after_load(Device *dev)
{
    hpet_update_lines(dev_state(dev, Hpet));
}

static const DeviceOps hpet_ops =
    DEVICE_OPS(hpet_snapshot, .realize = hpet_realize, .unrealize = hpet_unrealize,
               .reset = hpet_reset, .after_load = hpet_after_load);
QOM_TYPE(hpet_type, .name = TYPE_HPET, .parent = TYPE_MMIO_DEVICE, .size = sizeof(Hpet),
         .desc = "high precision event timers", .dev = &hpet_ops);
