/* SPDX-License-Identifier: MIT */
/*
 * Local APIC in xAPIC and x2APIC mode.  Spec: Intel SDM volume 3, chapter 11.
 * Models interrupt acceptance and priorities, inter-processor interrupts, the local vector table, the
 * timer (one-shot, periodic, TSC deadline), EOI broadcast and its suppression, error status.
 * Not modelled: focus processors, arbitration, performance counter and thermal interrupts (their
 * entries are there, nothing raises them).
 * The timer counts the virtual clock in nanoseconds.  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "apic-int.h"
#include "hw/machine.h"
#include "rhea/bits.h"
#include "rhea/log.h"
#include "snapshot/snapshot.h"

/* Registers by number: page offset / 16, MSR number - 0x800. */
enum {
    R_ID = 0x02,
    R_VERSION = 0x03,
    R_TPR = 0x08,
    R_APR = 0x09,
    R_PPR = 0x0a,
    R_EOI = 0x0b,
    R_LDR = 0x0d,
    R_DFR = 0x0e,
    R_SPURIOUS = 0x0f,
    R_ISR = 0x10,
    R_TMR = 0x18,
    R_IRR = 0x20,
    R_ESR = 0x28,
    R_ICR = 0x30,
    R_ICR_HIGH = 0x31,
    R_LVT = 0x32,
    R_INITIAL = 0x38,
    R_CURRENT = 0x39,
    R_DIVIDE = 0x3e,
    R_SELF_IPI = 0x3f,
    REGS = 0x40
};
enum { MSR_BASE = 0x1b, MSR_TSC_DEADLINE = 0x6e0, MSR_X2 = 0x800 };
enum { BASE_BSP = 1 << 8, BASE_X2 = 1 << 10, BASE_ENABLE = 1 << 11 };
#define BASE_ADDR     0xffffff000ULL
#define BASE_RESERVED (~(BASE_ADDR | BASE_BSP | BASE_X2 | BASE_ENABLE))
enum { VERSION = 0x14 | (LVTS - 1) << 16 | 1 << 24 /* EOI broadcast can be suppressed */ };
enum { SPURIOUS_ENABLE = 0x100, SPURIOUS_NO_EOI = 0x1000, SPURIOUS_MASK = 0x13ff };
enum { LVT_MASKED = 1 << 16, LVT_LEVEL = 1 << 15, LVT_IRR = 1 << 14, LVT_MODE_SHIFT = 8 };
enum { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_DEADLINE };
enum { ICR_LEVEL_ASSERT = 1 << 14, ICR_LEVEL = 1 << 15, ICR_LOGICAL = 1 << 11, ICR_BUSY = 1 << 12 };
enum { ESR_SEND_VECTOR = 1 << 5, ESR_RECEIVE_VECTOR = 1 << 6, FIRST_VECTOR = 16 };
/* A period below this would keep the emulator busy with nothing else. */
enum { MIN_PERIOD_NS = 20000 };

static const uint32_t lvt_writable[LVTS] = {
    [LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PERF] = 0x107ff,
    [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff,
};

/* --- Sets of vectors --- */

static bool set_has(const uint32_t *set, uint8_t v)
{
    return set[v / 32] & BIT(v % 32);
}

static void set_put(uint32_t *set, uint8_t v, bool on)
{
    set[v / 32] = on ? set[v / 32] | BIT(v % 32) : set[v / 32] & ~BIT(v % 32);
}

/* The highest vector; -1: empty. */
static int set_highest(const uint32_t *set)
{
    for (int w = APIC_WORDS - 1; w >= 0; w--) {
        if (set[w]) {
            return w * 32 + 31 - __builtin_clz(set[w]);
        }
    }
    return -1;
}

/* --- Modes and ids --- */

bool apic_enabled(const Apic *s)
{
    return s->base_msr & BASE_ENABLE;
}

bool apic_is_x2(const Apic *s)
{
    return apic_enabled(s) && (s->base_msr & BASE_X2);
}

static bool software_enabled(const Apic *s)
{
    return apic_enabled(s) && (s->spurious & SPURIOUS_ENABLE);
}

uint32_t apic_current_id(const Apic *s)
{
    return apic_is_x2(s) ? s->initial_id : s->id;
}

uint32_t apic_x2_ldr(const Apic *s)
{
    return (s->initial_id >> 4) << 16 | BIT(s->initial_id & 15);
}

/* --- Priorities and the CPU's pin --- */

uint8_t apic_priority(const Apic *s)
{
    int served = set_highest(s->isr);
    uint8_t served_class = served < 0 ? 0 : served & 0xf0;

    return (s->tpr & 0xf0) >= served_class ? s->tpr : served_class;
}

/* The vector that may interrupt now, or -1. */
static int apic_pending(const Apic *s)
{
    int v = software_enabled(s) ? set_highest(s->irr) : -1;

    return v >= 0 && (v & 0xf0) > (apic_priority(s) & 0xf0) ? v : -1;
}

/*
 * The 8259 gets through: the APIC is off and LINT0 is the CPU's INTR pin, or LINT0 is in ExtINT mode,
 * which firmware relies on before it has turned the APIC on by software.
 */
static bool extint_pending(const Apic *s)
{
    uint32_t lvt = s->lvt[LVT_LINT0];

    if (!s->lint[0] || !s->pic) {
        return false;
    }
    return !apic_enabled(s) ||
           (!(lvt & LVT_MASKED) && extract64(lvt, LVT_MODE_SHIFT, 3) == APIC_EXTINT);
}

static void apic_update(Apic *s)
{
    irq_set(&s->intr, apic_pending(s) >= 0 || extint_pending(s));
}

int apic_ack(void *opaque)
{
    Apic *s = opaque;
    int v = apic_pending(s);

    if (v >= 0) {
        set_put(s->irr, v, false);
        set_put(s->isr, v, true);
    } else if (extint_pending(s)) {
        v = s->extint_ack(s->pic);
    }
    apic_update(s);
    return v;
}

/* --- Accepting interrupts --- */

static void apic_error(Apic *s, uint32_t bit);

static bool apic_accept(Apic *s, uint8_t vector, bool level)
{
    if (vector < FIRST_VECTOR) {
        apic_error(s, ESR_RECEIVE_VECTOR);
        return false;
    }
    set_put(s->irr, vector, true);
    set_put(s->tmr, vector, level);
    apic_update(s);
    return true;
}

static void apic_error(Apic *s, uint32_t bit)
{
    uint32_t lvt = s->lvt[LVT_ERROR];

    s->esr_pending |= bit;
    if (software_enabled(s) && !(lvt & LVT_MASKED) && (lvt & 0xff) >= FIRST_VECTOR) {
        apic_accept(s, lvt, false);
    }
}

static void apic_init_state(Apic *s);

bool apic_take(Apic *s, const ApicMessage *msg)
{
    switch (msg->mode) {
    case APIC_FIXED:
    case APIC_LOWEST: return software_enabled(s) && apic_accept(s, msg->vector, msg->level);
    case APIC_SMI: irq_pulse(&s->smi); break;
    case APIC_NMI: irq_pulse(&s->nmi); break;
    case APIC_INIT:
        apic_init_state(s);
        s->waits_for_sipi = true;
        s->ops->init(s->cpu);
        break;
    case APIC_SIPI:
        if (s->waits_for_sipi) {
            s->waits_for_sipi = false;
            s->ops->sipi(s->cpu, msg->vector);
        }
        break;
    case APIC_EXTINT: /* comes over LINT0 here */
    case APIC_MODE_RESERVED: break;
    }
    return true;
}

static void lvt_raise(Apic *s, unsigned n)
{
    uint32_t lvt = s->lvt[n];

    if (lvt & LVT_MASKED) {
        return;
    }
    switch (extract64(lvt, LVT_MODE_SHIFT, 3)) {
    case APIC_FIXED:
        if (software_enabled(s)) {
            apic_accept(s, lvt, lvt & LVT_LEVEL);
        }
        break;
    case APIC_SMI: irq_pulse(&s->smi); break;
    case APIC_NMI: irq_pulse(&s->nmi); break;
    }
}

static void apic_lint(void *opaque, int n, bool level)
{
    Apic *s = opaque;
    bool rose = level && !s->lint[n];

    s->lint[n] = level;
    if (rose && apic_enabled(s)) {
        lvt_raise(s, LVT_LINT0 + n);
    } else if (rose && n == 1) {
        irq_pulse(&s->nmi); /* without the APIC the pin is the CPU's NMI */
    }
    apic_update(s);
}

static void apic_eoi(Apic *s)
{
    int v = set_highest(s->isr);

    if (v < 0) {
        return;
    }
    set_put(s->isr, v, false);
    if (set_has(s->tmr, v) && !(s->spurious & SPURIOUS_NO_EOI)) {
        apic_bus_eoi(s->bus, v);
    }
    apic_update(s);
}

/* --- Sending --- */

static void apic_send_icr(Apic *s)
{
    bool x2 = apic_is_x2(s);
    unsigned shorthand = extract64(s->icr, 18, 2);
    ApicMessage msg = {
        .dest = x2 ? s->icr >> 32 : s->icr >> 56,
        .wide = x2,
        .logical = s->icr & ICR_LOGICAL,
        .mode = extract64(s->icr, 8, 3),
        .vector = s->icr,
    };

    if (msg.mode == APIC_INIT && (s->icr & ICR_LEVEL) && !(s->icr & ICR_LEVEL_ASSERT)) {
        return; /* INIT level de-assert: only sets arbitration ids */
    }
    if (msg.mode == APIC_FIXED && msg.vector < FIRST_VECTOR) {
        apic_error(s, ESR_SEND_VECTOR);
        return;
    }
    TRACE(apic_ipi, "from=%u dest=0x%x shorthand=%u mode=%u vector=0x%02x", s->initial_id, msg.dest,
          shorthand, msg.mode, msg.vector);
    if (shorthand) {
        apic_bus_send_shorthand(s->bus, shorthand, s, &msg);
    } else {
        apic_bus_send(s->bus, &msg);
    }
}

/* --- Timer --- */

static unsigned timer_mode(const Apic *s)
{
    return extract64(s->lvt[LVT_TIMER], 17, 2);
}

static unsigned timer_divisor(const Apic *s)
{
    return 1u << (((s->divide & 3) | (s->divide >> 1 & 4)) + 1) % 8;
}

static uint64_t timer_period_ns(const Apic *s)
{
    return (uint64_t)s->initial_count * timer_divisor(s);
}

static uint32_t timer_current(const Apic *s)
{
    uint64_t ticks =
        (uint64_t)MAX(clock_now_ns(s->clock) - s->count_start_ns, 0) / timer_divisor(s);

    if (!s->initial_count || timer_mode(s) == TIMER_DEADLINE) {
        return 0;
    }
    if (timer_mode(s) == TIMER_PERIODIC) {
        return s->initial_count - ticks % s->initial_count;
    }
    return ticks < s->initial_count ? s->initial_count - ticks : 0;
}

/* Who starts a count says when that was: a second look at the clock may find that it is over, on a busy host. */
static int64_t timer_next_ns(Apic *s, int64_t now_ns)
{
    uint64_t period_ns = timer_period_ns(s);
    uint64_t passed_ns = MAX(now_ns - s->count_start_ns, 0);

    switch (timer_mode(s)) {
    case TIMER_DEADLINE:
        return s->deadline_tsc ? s->ops->tsc_when_ns(s->cpu, s->deadline_tsc) : CLOCK_NEVER;
    case TIMER_PERIODIC:
        if (!period_ns) {
            return CLOCK_NEVER;
        }
        period_ns = MAX(period_ns, MIN_PERIOD_NS);
        return s->count_start_ns + (int64_t)((passed_ns / period_ns + 1) * period_ns);
    default:
        /* Armed for a moment that has passed: it is still to be told, whatever is written meanwhile. */
        return period_ns && (passed_ns < period_ns || clock_timer_armed(&s->timer))
                   ? s->count_start_ns + (int64_t)period_ns
                   : CLOCK_NEVER;
    }
}

static void timer_rearm(Apic *s)
{
    clock_timer_arm(&s->timer, timer_next_ns(s, clock_now_ns(s->clock)));
}

/* The present period becomes the only one. */
static void timer_last_period(Apic *s)
{
    int64_t period_ns = MAX((int64_t)timer_period_ns(s), MIN_PERIOD_NS);
    int64_t passed_ns = MAX(clock_now_ns(s->clock) - s->count_start_ns, 0);

    s->count_start_ns += passed_ns / period_ns * period_ns;
}

static void timer_fire(void *opaque)
{
    Apic *s = opaque;

    if (timer_mode(s) == TIMER_DEADLINE) {
        if (s->deadline_tsc && s->ops->tsc(s->cpu) < s->deadline_tsc) {
            timer_rearm(s); /* rounding: not yet */
            return;
        }
        s->deadline_tsc = 0;
    }
    if (software_enabled(s)) {
        lvt_raise(s, LVT_TIMER);
    }
    timer_rearm(s);
}

static void timer_start(Apic *s, uint32_t count)
{
    if (timer_mode(s) == TIMER_DEADLINE) {
        return; /* ignored in this mode (11.5.4.1) */
    }
    s->initial_count = count;
    s->count_start_ns = clock_now_ns(s->clock);
    clock_timer_arm(&s->timer, timer_next_ns(s, s->count_start_ns));
}

/* --- Registers --- */

static uint32_t apic_read_reg(Apic *s, unsigned r)
{
    switch (r) {
    case R_ID: return apic_is_x2(s) ? s->initial_id : s->id << 24;
    case R_VERSION: return VERSION;
    case R_TPR: return s->tpr;
    case R_APR:
    case R_PPR: return apic_priority(s);
    case R_LDR: return apic_is_x2(s) ? apic_x2_ldr(s) : s->ldr;
    case R_DFR: return s->dfr;
    case R_SPURIOUS: return s->spurious;
    case R_ISR ... R_ISR + APIC_WORDS - 1: return s->isr[r - R_ISR];
    case R_TMR ... R_TMR + APIC_WORDS - 1: return s->tmr[r - R_TMR];
    case R_IRR ... R_IRR + APIC_WORDS - 1: return s->irr[r - R_IRR];
    case R_ESR: return s->esr;
    case R_ICR: return (uint32_t)s->icr;
    case R_ICR_HIGH: return s->icr >> 32;
    case R_LVT ... R_LVT + LVTS - 1: return s->lvt[r - R_LVT];
    case R_INITIAL: return s->initial_count;
    case R_CURRENT: return timer_current(s);
    case R_DIVIDE: return s->divide;
    default: return 0;
    }
}

static void apic_write_spurious(Apic *s, uint32_t v)
{
    s->spurious = v & SPURIOUS_MASK;
    if (!(v & SPURIOUS_ENABLE)) {
        for (unsigned i = 0; i < LVTS; i++) {
            s->lvt[i] |= LVT_MASKED;
        }
    }
    apic_update(s);
    apic_bus_reachable(s->bus);
}

static void apic_write_lvt(Apic *s, unsigned n, uint32_t v)
{
    unsigned mode = timer_mode(s);

    v &= lvt_writable[n];
    s->lvt[n] = v | (s->spurious & SPURIOUS_ENABLE ? 0 : LVT_MASKED);
    if (n == LVT_TIMER) {
        if ((mode == TIMER_DEADLINE) != (timer_mode(s) == TIMER_DEADLINE)) {
            s->initial_count = 0; /* a change to or from the deadline mode stops the timer */
            s->deadline_tsc = 0;
        } else if (mode == TIMER_PERIODIC && timer_mode(s) == TIMER_ONE_SHOT) {
            timer_last_period(s);
        }
        timer_rearm(s);
    }
    apic_update(s);
}

static void apic_write_reg(Apic *s, unsigned r, uint32_t v)
{
    switch (r) {
    case R_ID:
        s->id = v >> 24;
        apic_bus_reachable(s->bus);
        break;
    case R_TPR:
        s->tpr = v & 0xff;
        apic_update(s);
        break;
    case R_EOI: apic_eoi(s); break;
    case R_LDR:
        s->ldr = v & 0xff000000;
        apic_bus_reachable(s->bus);
        break;
    case R_DFR:
        s->dfr = v | 0x0fffffff;
        apic_bus_reachable(s->bus);
        break;
    case R_SPURIOUS: apic_write_spurious(s, v); break;
    case R_ESR:
        s->esr = s->esr_pending;
        s->esr_pending = 0;
        break;
    case R_ICR:
        s->icr = deposit64(s->icr, 0, 32, v & ~ICR_BUSY);
        apic_send_icr(s);
        break;
    case R_ICR_HIGH: s->icr = deposit64(s->icr, 32, 32, v); break;
    case R_LVT ... R_LVT + LVTS - 1: apic_write_lvt(s, r - R_LVT, v); break;
    case R_INITIAL: timer_start(s, v); break;
    case R_DIVIDE:
        s->divide = v & 0xb;
        timer_rearm(s);
        break;
    default: log_guest("apic: write to register 0x%02x", r);
    }
}

/* Registers are 32 bits wide and 16 bytes apart. */
static uint64_t apic_mem_read(void *opaque, uint64_t offset, unsigned size)
{
    return offset & 15 ? 0 : apic_read_reg(opaque, offset / 16 % REGS);
}

static void apic_mem_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    if (!(offset & 15) && offset / 16 < REGS) {
        apic_write_reg(opaque, offset / 16, value);
    }
}

static const MemOps apic_mem_ops = {
    .read = apic_mem_read,
    .write = apic_mem_write,
    .impl_min = 4,
    .impl_max = 4,
};

uint8_t apic_get_cr8(void *opaque)
{
    return ((Apic *)opaque)->tpr >> 4;
}

void apic_set_cr8(void *opaque, uint8_t v)
{
    apic_write_reg(opaque, R_TPR, (v & 15) << 4);
}

/* --- MSRs --- */

static bool x2_readable(unsigned r)
{
    return r == R_ID || r == R_VERSION || r == R_TPR || r == R_PPR || r == R_LDR ||
           (r >= R_SPURIOUS && r < R_IRR + APIC_WORDS) || r == R_ESR || r == R_ICR ||
           (r >= R_LVT && r < R_LVT + LVTS) || r == R_INITIAL || r == R_CURRENT || r == R_DIVIDE;
}

static bool x2_write(Apic *s, unsigned r, uint64_t v)
{
    if (r == R_ICR) {
        s->icr = v & ~(uint64_t)ICR_BUSY;
        apic_send_icr(s);
        return true;
    }
    if (v >> 32 || ((r == R_EOI || r == R_ESR) && v) || (r == R_TPR && v > 0xff)) {
        return false;
    }
    if (r == R_SELF_IPI) {
        apic_take(s, &(ApicMessage){.mode = APIC_FIXED, .vector = v});
        return true;
    }
    if (r == R_TPR || r == R_EOI || r == R_SPURIOUS || r == R_ESR || r == R_INITIAL ||
        r == R_DIVIDE || (r >= R_LVT && r < R_LVT + LVTS)) {
        apic_write_reg(s, r, v);
        return true;
    }
    return false;
}

static void apic_place(Apic *s)
{
    mem_transaction_begin();
    mem_set_addr(&s->regs, s->base_msr & BASE_ADDR);
    mem_set_enabled(&s->regs, apic_enabled(s) && !apic_is_x2(s));
    mem_transaction_commit();
}

/* Off, xAPIC, x2APIC: the last is left by turning the APIC off only (11.12.5). */
static bool apic_write_base(Apic *s, uint64_t v)
{
    bool on = v & BASE_ENABLE, x2 = v & BASE_X2;

    if ((v & BASE_RESERVED) || (x2 && !on) || (x2 && !apic_enabled(s)) ||
        (apic_is_x2(s) && on && !x2)) {
        return false;
    }
    if (!on && apic_enabled(s)) {
        apic_init_state(s);
        s->id = s->initial_id;
    }
    s->base_msr = (v & ~(uint64_t)BASE_BSP) | (s->base_msr & BASE_BSP);
    apic_place(s);
    apic_update(s);
    apic_bus_reachable(s->bus);
    return true;
}

bool apic_read_msr(void *opaque, uint32_t msr, uint64_t *value)
{
    Apic *s = opaque;
    unsigned r = msr - MSR_X2;

    switch (msr) {
    case MSR_BASE: *value = s->base_msr; return true;
    case MSR_TSC_DEADLINE:
        *value = timer_mode(s) == TIMER_DEADLINE ? s->deadline_tsc : 0;
        return true;
    }
    if (msr < MSR_X2 || r >= REGS || !apic_is_x2(s) || !x2_readable(r)) {
        return false;
    }
    *value = r == R_ICR ? s->icr : apic_read_reg(s, r);
    return true;
}

bool apic_write_msr(void *opaque, uint32_t msr, uint64_t value)
{
    Apic *s = opaque;

    switch (msr) {
    case MSR_BASE: return apic_write_base(s, value);
    case MSR_TSC_DEADLINE:
        if (timer_mode(s) == TIMER_DEADLINE) {
            s->deadline_tsc = value;
            timer_rearm(s);
        }
        return true;
    }
    return msr >= MSR_X2 && msr < MSR_X2 + REGS && apic_is_x2(s) &&
           x2_write(s, msr - MSR_X2, value);
}

/* --- Life --- */

/* What INIT does: everything but id, mode and place. */
static void apic_init_state(Apic *s)
{
    s->icr = s->deadline_tsc = 0;
    s->tpr = s->ldr = s->esr = s->esr_pending = 0;
    s->dfr = UINT32_MAX;
    s->spurious = 0xff;
    for (unsigned i = 0; i < LVTS; i++) {
        s->lvt[i] = LVT_MASKED;
    }
    memset(s->isr, 0, sizeof(s->isr));
    memset(s->tmr, 0, sizeof(s->tmr));
    memset(s->irr, 0, sizeof(s->irr));
    s->initial_count = s->divide = 0;
    s->count_start_ns = clock_now_ns(s->clock);
    clock_timer_disarm(&s->timer);
    apic_update(s);
}

static void apic_reset(Device *dev)
{
    Apic *s = dev_state(dev, Apic);
    bool boot_cpu = s->initial_id == 0;

    s->base_msr = APIC_MSI_ADDR | BASE_ENABLE | (boot_cpu ? BASE_BSP : 0);
    s->id = s->initial_id & 0xff;
    s->waits_for_sipi = !boot_cpu;
    apic_init_state(s);
    if (boot_cpu) {
        /* The virtual wire mode in which PC firmware expects to be started. */
        s->lvt[LVT_LINT0] = APIC_EXTINT << LVT_MODE_SHIFT;
    }
    apic_place(s);
    apic_update(s);
}

static bool apic_realize(Device *dev, Error **errp)
{
    Apic *s = dev_state(dev, Apic);

    s->clock = device_clock(dev);
    irq_line_init(&s->intr, dev, "intr");
    irq_line_init(&s->nmi, dev, "nmi");
    irq_line_init(&s->smi, dev, "smi");
    irq_inputs_init(dev, NULL, apic_lint, s, 2);
    clock_timer_init(&s->timer, s->clock, timer_fire, s);
    mem_init_io(&s->regs, &dev->obj, &apic_mem_ops, s, "apic", APIC_PAGE_SIZE);
    mmio_device_add_region(&s->parent, &s->regs);
    apic_bus_add(s->bus, s);
    return true;
}

static void apic_snapshot(Device *dev, Snapshot *sn)
{
    Apic *s = dev_state(dev, Apic);

    snap_section(sn, "apic", 2);
    snap_fields(sn, &s->base_msr, &s->icr, &s->deadline_tsc, &s->id, &s->tpr, &s->spurious, &s->ldr,
                &s->dfr);
    snap_fields(sn, &s->esr, &s->esr_pending, &s->initial_count, &s->divide, &s->count_start_ns,
                &s->lint[0], &s->lint[1], &s->waits_for_sipi);
    snap_u32_array(sn, s->lvt, LVTS);
    snap_u32_array(sn, s->isr, APIC_WORDS);
    snap_u32_array(sn, s->tmr, APIC_WORDS);
    snap_u32_array(sn, s->irr, APIC_WORDS);
    snap_timer(sn, &s->timer); /* may be due: the count does not tell */
    if (snap_loading(sn)) {
        s->base_msr &= ~BASE_RESERVED;
        s->divide &= 0xb;
        s->count_start_ns = CLAMP(s->count_start_ns, 0, clock_now_ns(s->clock));
    }
}

static void apic_after_load(Device *dev)
{
    Apic *s = dev_state(dev, Apic);

    apic_place(s);
    apic_update(s);
}

static const PropDesc apic_props[] = {
    PROP_U32("apic-id", Apic, initial_id, 0, "number of the APIC", .read_only = true), PROP_END};

static const DeviceOps apic_dev_ops = DEVICE_OPS(
    apic_snapshot, .realize = apic_realize, .reset = apic_reset, .after_load = apic_after_load);
QOM_TYPE(apic_type, .name = TYPE_APIC, .parent = TYPE_MMIO_DEVICE, .size = sizeof(Apic),
         .desc = "local APIC", .props = apic_props, .dev = &apic_dev_ops);

Device *apic_new(Device *bus, uint32_t id, MemRegion *memory, const ApicCpuOps *ops, void *cpu,
                 Error **errp)
{
    Device *dev = (Device *)qom_new(TYPE_APIC);
    Apic *s = dev_state(dev, Apic);

    s->bus = bus;
    s->initial_id = id;
    s->ops = ops;
    s->cpu = cpu;
    if (!machine_realize_device(bus->machine, dev, NULL, errp)) {
        return NULL;
    }
    mem_add_overlap(memory, APIC_MSI_ADDR, &s->regs, 1);
    return dev;
}

void apic_set_extint(Device *dev, uint8_t (*ack)(Device *pic), Device *pic)
{
    Apic *s = dev_state(dev, Apic);

    s->extint_ack = ack;
    s->pic = pic;
}
