/* SPDX-License-Identifier: MIT */
/*
 * 8254 interval timer of a PC with its three counters, and port 61h: the gate of counter 2, the
 * speaker, the refresh toggle.
 * Spec: Intel 82C54 data sheet (231244); IBM PC/AT technical reference, port 61h.
 * Counter 0's gate is tied high and its output is the interrupt, of which only rising edges are made:
 * that is what its interrupt controllers look at.  No sound is made.
 * Time base is the virtual clock.  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/isa/isa.h"
#include "hw/timer/i8254.h"
#include "memory/clock.h"
#include "rhea/bits.h"
#include "snapshot/snapshot.h"

enum { PIT_PORT = 0x40, PIT_PORTS = 4, CONTROL = 3, SPEAKER_PORT = 0x61, COUNTERS = 3 };
enum { PIT_HZ = 1193182 };
/* How a count is read and written; the control word's bits 5..4. */
enum { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_WORD };
enum { READ_BACK = 3, RB_NO_COUNT = 0x20, RB_NO_STATUS = 0x10 };
enum { STATUS_OUT = 0x80, STATUS_NULL = 0x40 };
enum { SPK_GATE = 1, SPK_DATA = 2, SPK_MASK = 0x0f, SPK_REFRESH = 0x10, SPK_OUT = 0x20 };
enum { REFRESH_NS = 15085 };

typedef struct Counter {
    uint32_t count; /* 1..0x10000: what was loaded */
    int64_t start_ns;
    uint16_t latch;
    uint8_t status_latch;
    uint8_t control; /* bits 5..0 of the last control word */
    uint8_t write_low;
    uint8_t latched; /* bytes of the count latch that are still to be read: 0, 1 or 2 */
    bool status_latched, read_high, write_high, gate;
    bool loaded; /* a count was written since the control word */
} Counter;

typedef struct Pit {
    IsaDevice parent;
    /* wiring */
    IrqLine irq;
    MemRegion ports, speaker_port;
    ClockTimer timer;
    Clock *clock;
    /* guest-visible: all of it is in pit_snapshot */
    Counter counter[COUNTERS];
    uint8_t speaker;
    bool out; /* level of the interrupt line, in a snapshot */
} Pit;

/* --- Counting --- */

static unsigned counter_mode(const Counter *c)
{
    unsigned mode = c->control >> 1 & 7;

    return mode > 5 ? mode - 4 : mode;
}

static bool counter_periodic(const Counter *c)
{
    unsigned mode = counter_mode(c);

    return mode == 2 || mode == 3;
}

/* Clock ticks since the count was loaded, or the gate rose. */
static uint64_t counter_ticks(const Counter *c, int64_t now_ns)
{
    return muldiv64(MAX(now_ns - c->start_ns, 0), PIT_HZ, NS_PER_S);
}

/* The first moment at which counter_ticks() is @ticks. */
static int64_t counter_when_ns(const Counter *c, uint64_t ticks)
{
    return c->start_ns + (int64_t)muldiv64(ticks, NS_PER_S, PIT_HZ) + 1;
}

static uint16_t bcd_from(uint32_t v)
{
    return v % 10 | v / 10 % 10 << 4 | v / 100 % 10 << 8 | v / 1000 % 10 << 12;
}

static uint32_t bcd_to(uint16_t v)
{
    return (v & 15) + (v >> 4 & 15) * 10 + (v >> 8 & 15) * 100 + (v >> 12) * 1000;
}

static bool counter_bcd(const Counter *c)
{
    return c->control & 1;
}

/* What the counting element holds, as it is read. */
static uint16_t counter_value(const Counter *c, int64_t now_ns)
{
    uint64_t ticks = counter_ticks(c, now_ns);
    uint32_t wrap = counter_bcd(c) ? 10000 : 0x10000;
    uint32_t value;

    switch (counter_mode(c)) {
    case 2: value = c->count - ticks % c->count; break;
    case 3: value = c->count - ticks * 2 % c->count; break;
    default: value = (c->count + wrap - ticks % wrap) % wrap;
    }
    return counter_bcd(c) ? bcd_from(value % wrap) : value;
}

static bool counter_out(const Counter *c, int64_t now_ns)
{
    uint64_t ticks = counter_ticks(c, now_ns);

    switch (counter_mode(c)) {
    case 0: return c->loaded && ticks >= c->count;
    case 1: return !c->loaded || ticks >= c->count;
    case 2: return !c->gate || ticks % c->count != c->count - 1;
    case 3: return !c->gate || ticks % c->count < (c->count + 1) / 2;
    default: return ticks != c->count;
    }
}

/* --- Counter 0's interrupt --- */

/* When the output rises next; CLOCK_NEVER: not without a new count. */
static int64_t pit_next_rise_ns(const Counter *c, int64_t now_ns)
{
    uint64_t ticks = counter_ticks(c, now_ns);

    if (!c->loaded || counter_mode(c) == 1 || counter_mode(c) == 5) {
        return CLOCK_NEVER; /* 1 and 5 wait for the gate to rise, and it is tied high */
    }
    if (counter_periodic(c)) {
        return counter_when_ns(c, (ticks / c->count + 1) * c->count);
    }
    return ticks < c->count ? counter_when_ns(c, c->count) : CLOCK_NEVER;
}

static void pit_arm(Pit *s, int64_t now_ns)
{
    clock_timer_arm(&s->timer, pit_next_rise_ns(&s->counter[0], now_ns));
}

static void pit_rise(void *opaque)
{
    Pit *s = opaque;

    irq_set(&s->irq, false);
    irq_set(&s->irq, true);
    pit_arm(s, clock_now_ns(s->clock));
}

/*
 * After a control word or a count: the output's level as the mode starts with it.  The clock is looked at once: on
 * a busy host a second look may find that a short count is over, and its end would be told to nobody.
 */
static void pit_restart(Pit *s, Counter *c)
{
    c->start_ns = clock_now_ns(s->clock);
    if (c == &s->counter[0]) {
        irq_set(&s->irq, counter_out(c, c->start_ns));
        pit_arm(s, c->start_ns);
    }
}

/* --- Registers --- */

static void counter_latch(Counter *c, int64_t now_ns)
{
    if (!c->latched) {
        c->latch = counter_value(c, now_ns);
        c->latched = (c->control >> 4) == ACCESS_WORD ? 2 : 1;
    }
}

static void counter_latch_status(Counter *c, int64_t now_ns)
{
    if (!c->status_latched) {
        c->status_latch =
            c->control | (counter_out(c, now_ns) ? STATUS_OUT : 0) | (c->loaded ? 0 : STATUS_NULL);
        c->status_latched = true;
    }
}

static void pit_read_back(Pit *s, uint8_t v)
{
    int64_t now_ns = clock_now_ns(s->clock);

    for (unsigned i = 0; i < COUNTERS; i++) {
        if (!(v & BIT(i + 1))) {
            continue;
        }
        if (!(v & RB_NO_COUNT)) {
            counter_latch(&s->counter[i], now_ns);
        }
        if (!(v & RB_NO_STATUS)) {
            counter_latch_status(&s->counter[i], now_ns);
        }
    }
}

static void pit_write_control(Pit *s, uint8_t v)
{
    Counter *c;

    if (v >> 6 == READ_BACK) {
        pit_read_back(s, v);
        return;
    }
    c = &s->counter[v >> 6];
    if ((v >> 4 & 3) == ACCESS_LATCH) {
        counter_latch(c, clock_now_ns(s->clock));
        return;
    }
    c->control = v & 0x3f;
    c->count = 0x10000;
    c->latched = 0;
    c->status_latched = c->read_high = c->write_high = c->loaded = false;
    pit_restart(s, c);
}

static void counter_load(Pit *s, Counter *c, uint16_t v)
{
    uint32_t max = counter_bcd(c) ? 10000 : 0x10000;

    c->count = counter_bcd(c) ? bcd_to(v) % max : v;
    if (!c->count) {
        c->count = max;
    }
    c->loaded = true;
    pit_restart(s, c);
}

static void pit_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Pit *s = opaque;
    uint8_t v = value;
    Counter *c;

    if (offset == CONTROL) {
        pit_write_control(s, v);
        return;
    }
    c = &s->counter[offset];
    switch (c->control >> 4) {
    case ACCESS_HIGH: counter_load(s, c, v << 8); break;
    case ACCESS_WORD:
        if (!c->write_high) {
            c->write_low = v;
        } else {
            counter_load(s, c, v << 8 | c->write_low);
        }
        c->write_high = !c->write_high;
        break;
    default: counter_load(s, c, v);
    }
}

static uint8_t counter_read_latch(Counter *c)
{
    unsigned access = c->control >> 4;
    bool high = access == ACCESS_HIGH || (access == ACCESS_WORD && c->latched == 1);

    c->latched--;
    return high ? c->latch >> 8 : c->latch;
}

static uint64_t pit_read(void *opaque, uint64_t offset, unsigned size)
{
    Pit *s = opaque;
    Counter *c;
    uint16_t v;

    if (offset == CONTROL) {
        return 0xff; /* write-only */
    }
    c = &s->counter[offset];
    if (c->status_latched) {
        c->status_latched = false;
        return c->status_latch;
    }
    if (c->latched) {
        return counter_read_latch(c);
    }
    v = counter_value(c, clock_now_ns(s->clock));
    switch (c->control >> 4) {
    case ACCESS_HIGH: return v >> 8;
    case ACCESS_WORD: c->read_high = !c->read_high; return c->read_high ? v & 0xff : v >> 8;
    default: return v & 0xff;
    }
}

/* --- Port 61h --- */

static uint64_t speaker_read(void *opaque, uint64_t offset, unsigned size)
{
    Pit *s = opaque;
    int64_t now_ns = clock_now_ns(s->clock);

    return s->speaker | (now_ns / REFRESH_NS % 2 ? SPK_REFRESH : 0) |
           (counter_out(&s->counter[2], now_ns) ? SPK_OUT : 0);
}

static void speaker_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Pit *s = opaque;
    Counter *c = &s->counter[2];
    bool gate = value & SPK_GATE;

    s->speaker = value & SPK_MASK;
    if (gate && !c->gate && counter_mode(c) != 0 && counter_mode(c) != 4) {
        c->start_ns = clock_now_ns(s->clock); /* a rising gate starts these modes anew */
    }
    c->gate = gate;
}

static const MemOps pit_ops = ISA_BYTE_PORTS(pit_read, pit_write);
static const MemOps speaker_ops = ISA_BYTE_PORTS(speaker_read, speaker_write);

/* --- Life --- */

static void pit_reset(Device *dev)
{
    Pit *s = dev_state(dev, Pit);

    for (unsigned i = 0; i < COUNTERS; i++) {
        /* Undefined in the data sheet: mode 3 as firmware leaves it, not counting. */
        s->counter[i] = (Counter){.count = 0x10000,
                                  .control = ACCESS_WORD << 4 | 3 << 1,
                                  .gate = i != 2,
                                  .start_ns = clock_now_ns(s->clock)};
    }
    s->speaker = 0;
    clock_timer_disarm(&s->timer);
    irq_set(&s->irq, false);
}

static bool pit_realize(Device *dev, Error **errp)
{
    Pit *s = dev_state(dev, Pit);

    s->clock = device_clock(dev);
    irq_line_init(&s->irq, dev, "irq");
    clock_timer_init(&s->timer, s->clock, pit_rise, s);
    mem_init_io(&s->ports, &dev->obj, &pit_ops, s, "pit", PIT_PORTS);
    mem_init_io(&s->speaker_port, &dev->obj, &speaker_ops, s, "pcspk", 1);
    isa_add_ports(&s->parent, PIT_PORT, &s->ports);
    isa_add_ports(&s->parent, SPEAKER_PORT, &s->speaker_port);
    return true;
}

static void pit_unrealize(Device *dev)
{
    clock_timer_disarm(&dev_state(dev, Pit)->timer);
}

static void snap_counter(Snapshot *sn, Counter *c)
{
    snap_fields(sn, &c->count, &c->start_ns, &c->latch, &c->status_latch, &c->control,
                &c->write_low, &c->latched);
    snap_fields(sn, &c->status_latched, &c->read_high, &c->write_high, &c->gate, &c->loaded);
    if (snap_loading(sn) && (!c->count || c->count > 0x10000 || c->control > 0x3f ||
                             c->latched > 2 || c->start_ns < 0)) {
        snap_fail(sn, "pit: impossible count or control word");
        c->count = 1;
    }
}

static void pit_snapshot(Device *dev, Snapshot *sn)
{
    Pit *s = dev_state(dev, Pit);

    snap_section(sn, "i8254", 2);
    for (unsigned i = 0; i < COUNTERS; i++) {
        snap_counter(sn, &s->counter[i]);
    }
    snap_u8(sn, &s->speaker);
    s->out = s->irq.level;
    snap_bool(sn, &s->out);
    snap_timer(sn, &s->timer); /* may be due: the count does not tell */
}

static void pit_after_load(Device *dev)
{
    Pit *s = dev_state(dev, Pit);

    irq_set(&s->irq, s->out);
}

static const DeviceOps pit_dev_ops =
    DEVICE_OPS(pit_snapshot, .realize = pit_realize, .unrealize = pit_unrealize, .reset = pit_reset,
               .after_load = pit_after_load);
QOM_TYPE(pit_type, .name = TYPE_I8254, .parent = TYPE_ISA_DEVICE, .size = sizeof(Pit),
         .desc = "8254 interval timer", .dev = &pit_dev_ops);
