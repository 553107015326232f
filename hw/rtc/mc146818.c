/* SPDX-License-Identifier: MIT */
/*
 * MC146818 real-time clock with 128 bytes of CMOS memory, as a PC has it at ports 70h and 71h.
 * Spec: Motorola MC146818A data sheet; IBM PC/AT technical reference for the ports.
 * Models time and alarm in all formats, update, alarm and periodic interrupts and their flags, and the
 * update-in-progress bit.  Not modelled: daylight saving, the square-wave pin, divider chains other than
 * running and reset.
 * Time base is the virtual clock, started at the time of day of -rtc.  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/isa/isa.h"
#include "hw/machine.h"
#include "hw/rtc/mc146818.h"
#include "rhea/bits.h"
#include "snapshot/snapshot.h"

enum { RTC_PORT = 0x70, RTC_PORTS = 2, RTC_IRQ = 8, CMOS_SIZE = 128 };
enum {
    SECONDS,
    SECONDS_ALARM,
    MINUTES,
    MINUTES_ALARM,
    HOURS,
    HOURS_ALARM,
    WEEKDAY,
    DAY,
    MONTH,
    YEAR,
    REG_A,
    REG_B,
    REG_C,
    REG_D,
    CENTURY = 0x32
};
enum { A_RATE = 0x0f, A_DIVIDER = 0x70, A_RUNNING = 0x20, A_UIP = 0x80 };
enum { B_24H = 0x02, B_BINARY = 0x04, B_UIE = 0x10, B_AIE = 0x20, B_PIE = 0x40, B_SET = 0x80 };
enum { C_UF = 0x10, C_AF = 0x20, C_PF = 0x40, C_IRQF = 0x80, C_FLAGS = 0x70 };
enum { D_VALID = 0x80, HOUR_PM = 0x80, ALARM_ANY = 0xc0 };
enum { UIP_NS = 244000, DAY_SECONDS = 86400, SLOWEST_HZ = 32768 };
/* Times of day are kept within what a date can show. */
#define TIME_MAX_NS (250LL * 366 * DAY_SECONDS * NS_PER_S)

typedef struct Rtc {
    IsaDevice parent;
    /* wiring */
    IrqLine irq, alarm;
    MemRegion ports;
    ClockTimer timer;
    Clock *clock;
    /* guest-visible: all of it is in rtc_snapshot */
    int64_t offset_ns; /* time of day - virtual clock */
    int64_t seen_ns;   /* flags are right up to this virtual time */
    uint8_t cmos[CMOS_SIZE];
    uint8_t index;
} Rtc;

/* --- Formats --- */

static uint8_t rtc_encode(const Rtc *s, unsigned v)
{
    return s->cmos[REG_B] & B_BINARY ? v : (v / 10 % 10) << 4 | v % 10;
}

static unsigned rtc_decode(const Rtc *s, uint8_t v)
{
    return s->cmos[REG_B] & B_BINARY ? v : (v >> 4) * 10 + (v & 15);
}

static uint8_t rtc_encode_hour(const Rtc *s, unsigned hour)
{
    if (s->cmos[REG_B] & B_24H) {
        return rtc_encode(s, hour);
    }
    return rtc_encode(s, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static unsigned rtc_decode_hour(const Rtc *s, uint8_t v)
{
    if (s->cmos[REG_B] & B_24H) {
        return rtc_decode(s, v);
    }
    return rtc_decode(s, v & ~HOUR_PM) % 12 + (v & HOUR_PM ? 12 : 0);
}

/* --- Time --- */

static int64_t rtc_now_ns(const Rtc *s)
{
    return clock_now_ns(s->clock) + s->offset_ns;
}

/* The clock stands still while SET is on or its divider is held in reset. */
static bool rtc_running(const Rtc *s)
{
    return !(s->cmos[REG_B] & B_SET) && (s->cmos[REG_A] & A_DIVIDER) == A_RUNNING;
}

/* Puts the time into the registers. */
static void rtc_show(Rtc *s)
{
    g_autoptr(GDateTime) t = g_date_time_new_from_unix_utc(rtc_now_ns(s) / NS_PER_S);

    if (!t) {
        return; /* no such date: the registers stay */
    }
    s->cmos[SECONDS] = rtc_encode(s, g_date_time_get_second(t));
    s->cmos[MINUTES] = rtc_encode(s, g_date_time_get_minute(t));
    s->cmos[HOURS] = rtc_encode_hour(s, g_date_time_get_hour(t));
    s->cmos[WEEKDAY] = rtc_encode(s, g_date_time_get_day_of_week(t) % 7 + 1);
    s->cmos[DAY] = rtc_encode(s, g_date_time_get_day_of_month(t));
    s->cmos[MONTH] = rtc_encode(s, g_date_time_get_month(t));
    s->cmos[YEAR] = rtc_encode(s, g_date_time_get_year(t) % 100);
    s->cmos[CENTURY] = rtc_encode(s, g_date_time_get_year(t) / 100);
}

/* Takes the time from the registers; nonsense leaves the clock as it was. */
static void rtc_take(Rtc *s)
{
    unsigned year = rtc_decode(s, s->cmos[CENTURY]) * 100 + rtc_decode(s, s->cmos[YEAR]);
    g_autoptr(GDateTime) t = g_date_time_new_utc(
        (int)year, (int)rtc_decode(s, s->cmos[MONTH]), (int)rtc_decode(s, s->cmos[DAY]),
        (int)rtc_decode_hour(s, s->cmos[HOURS]), (int)rtc_decode(s, s->cmos[MINUTES]),
        rtc_decode(s, s->cmos[SECONDS]));
    int64_t time_ns = t ? g_date_time_to_unix(t) * NS_PER_S : -1;

    if (time_ns >= 0 && time_ns < TIME_MAX_NS) {
        s->offset_ns = time_ns - clock_now_ns(s->clock);
    }
}

/* --- Events: ends of updates, alarms, periods --- */

/* Nanoseconds between periodic interrupts; 0: off. */
static int64_t rtc_period_ns(const Rtc *s)
{
    unsigned rate = s->cmos[REG_A] & A_RATE;

    if (!rate) {
        return 0;
    }
    rate = rate < 3 ? rate + 7 : rate; /* 1 and 2 are the same as 8 and 9 with this time base */
    return NS_PER_S * (1LL << (rate - 1)) / SLOWEST_HZ;
}

static int64_t rtc_next_period_ns(const Rtc *s, int64_t after_ns)
{
    int64_t period_ns = rtc_period_ns(s);

    return period_ns ? (after_ns / period_ns + 1) * period_ns : CLOCK_NEVER;
}

/* Virtual time of the first end of an update after @after_ns. */
static int64_t rtc_next_update_ns(const Rtc *s, int64_t after_ns)
{
    int64_t time_ns = after_ns + s->offset_ns;

    return rtc_running(s) ? (time_ns / NS_PER_S + 1) * NS_PER_S - s->offset_ns : CLOCK_NEVER;
}

static bool alarm_fits(uint8_t reg, unsigned wanted, unsigned is)
{
    return (reg & ALARM_ANY) == ALARM_ANY || wanted == is;
}

/* Virtual time of the first update after @after_ns that shows the alarm's time of day. */
static int64_t rtc_next_alarm_ns(const Rtc *s, int64_t after_ns)
{
    const uint8_t *c = s->cmos;
    unsigned h = rtc_decode_hour(s, c[HOURS_ALARM]), m = rtc_decode(s, c[MINUTES_ALARM]);
    unsigned sec = rtc_decode(s, c[SECONDS_ALARM]);
    int64_t next_ns = rtc_next_update_ns(s, after_ns);
    int64_t first;

    if (next_ns == CLOCK_NEVER) {
        return CLOCK_NEVER;
    }
    first = (next_ns + s->offset_ns) / NS_PER_S;
    for (int64_t t = first; t <= first + DAY_SECONDS;) {
        unsigned of_day = t % DAY_SECONDS;

        if (!alarm_fits(c[HOURS_ALARM], h, of_day / 3600)) {
            t += 3600 - of_day % 3600;
        } else if (!alarm_fits(c[MINUTES_ALARM], m, of_day / 60 % 60)) {
            t += 60 - of_day % 60;
        } else if (!alarm_fits(c[SECONDS_ALARM], sec, of_day % 60)) {
            t++;
        } else {
            return t * NS_PER_S - s->offset_ns;
        }
    }
    return CLOCK_NEVER;
}

static void rtc_update_irq(Rtc *s)
{
    bool level = s->cmos[REG_C] & s->cmos[REG_B] & C_FLAGS;

    s->cmos[REG_C] = (s->cmos[REG_C] & C_FLAGS) | (level ? C_IRQF : 0);
    irq_set(&s->irq, level);
    irq_set(&s->alarm, s->cmos[REG_C] & s->cmos[REG_B] & C_AF);
}

/* Sets the flags of what has happened since the last look. */
static void rtc_catch_up(Rtc *s)
{
    int64_t now_ns = clock_now_ns(s->clock), seen_ns = s->seen_ns;

    s->seen_ns = now_ns;
    if (rtc_next_period_ns(s, seen_ns) <= now_ns) {
        s->cmos[REG_C] |= C_PF;
    }
    if (rtc_next_update_ns(s, seen_ns) <= now_ns) {
        s->cmos[REG_C] |= C_UF;
    }
    if (!(s->cmos[REG_C] & C_AF) && rtc_next_alarm_ns(s, seen_ns) <= now_ns) {
        s->cmos[REG_C] |= C_AF;
    }
    rtc_update_irq(s);
}

/* The timer runs for events that interrupt only; the others are found when somebody looks. */
static void rtc_rearm(Rtc *s)
{
    uint8_t wanted = s->cmos[REG_B] & ~s->cmos[REG_C];
    int64_t next_ns = CLOCK_NEVER;

    if (wanted & B_PIE) {
        next_ns = MIN(next_ns, rtc_next_period_ns(s, s->seen_ns));
    }
    if (wanted & B_UIE) {
        next_ns = MIN(next_ns, rtc_next_update_ns(s, s->seen_ns));
    }
    if (wanted & B_AIE) {
        next_ns = MIN(next_ns, rtc_next_alarm_ns(s, s->seen_ns));
    }
    clock_timer_arm(&s->timer, next_ns);
}

static void rtc_event(void *opaque)
{
    rtc_catch_up(opaque);
    rtc_rearm(opaque);
}

/* --- Registers --- */

static uint8_t rtc_read_a(Rtc *s)
{
    int64_t left_ns = rtc_next_update_ns(s, clock_now_ns(s->clock)) - clock_now_ns(s->clock);
    bool updating = rtc_running(s) && left_ns <= UIP_NS;

    return s->cmos[REG_A] | (updating ? A_UIP : 0);
}

static uint8_t rtc_read_c(Rtc *s)
{
    uint8_t v;

    rtc_catch_up(s);
    v = s->cmos[REG_C];
    s->cmos[REG_C] = 0;
    rtc_update_irq(s);
    rtc_rearm(s);
    return v;
}

static uint64_t rtc_read(void *opaque, uint64_t offset, unsigned size)
{
    Rtc *s = opaque;

    if (!offset) {
        return 0xff; /* the index is write-only */
    }
    switch (s->index) {
    case REG_A: return rtc_read_a(s);
    case REG_C: return rtc_read_c(s);
    case SECONDS:
    case MINUTES:
    case HOURS:
    case WEEKDAY:
    case DAY:
    case MONTH:
    case YEAR:
    case CENTURY:
        if (rtc_running(s)) {
            rtc_show(s);
        }
        return s->cmos[s->index];
    default: return s->cmos[s->index];
    }
}

static void rtc_write_time(Rtc *s, uint8_t v)
{
    if (rtc_running(s)) {
        rtc_show(s);
        s->cmos[s->index] = v;
        rtc_take(s);
    } else {
        s->cmos[s->index] = v;
    }
}

/* Whether the clock runs may change: its time stands in the registers meanwhile. */
static void rtc_write_control(Rtc *s, unsigned reg, uint8_t v)
{
    bool ran = rtc_running(s);

    if (ran) {
        rtc_show(s);
    }
    s->cmos[reg] = v;
    if (reg == REG_B && (v & B_SET)) {
        s->cmos[REG_B] &= ~B_UIE;
    }
    if (!ran && rtc_running(s)) {
        rtc_take(s);
    }
}

static void rtc_write_data(Rtc *s, uint8_t v)
{
    switch (s->index) {
    case SECONDS:
    case MINUTES:
    case HOURS:
    case WEEKDAY:
    case DAY:
    case MONTH:
    case YEAR:
    case CENTURY: rtc_write_time(s, v); break;
    case REG_A: rtc_write_control(s, REG_A, v & ~A_UIP); break;
    case REG_B: rtc_write_control(s, REG_B, v); break;
    case REG_C:
    case REG_D: break; /* read-only */
    default: s->cmos[s->index] = v;
    }
}

static void rtc_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Rtc *s = opaque;

    if (!offset) {
        s->index = value & (CMOS_SIZE - 1); /* bit 7 masks NMIs, which nothing here makes */
        return;
    }
    rtc_catch_up(s);
    rtc_write_data(s, value);
    rtc_update_irq(s);
    rtc_rearm(s);
}

static const MemOps rtc_ops = ISA_BYTE_PORTS(rtc_read, rtc_write);

void mc146818_set(Device *dev, uint8_t index, uint8_t value)
{
    g_assert(index > REG_D && index < CMOS_SIZE);
    dev_state(dev, Rtc)->cmos[index] = value;
}

/* --- Life --- */

/* A battery keeps the time and the memory: a reset only turns interrupts off. */
static void rtc_reset(Device *dev)
{
    Rtc *s = dev_state(dev, Rtc);

    rtc_write_control(s, REG_B, s->cmos[REG_B] & ~(B_UIE | B_AIE | B_PIE));
    s->cmos[REG_C] = 0;
    s->index = 0;
    s->seen_ns = clock_now_ns(s->clock);
    rtc_update_irq(s);
    rtc_rearm(s);
}

static bool rtc_realize(Device *dev, Error **errp)
{
    Rtc *s = dev_state(dev, Rtc);
    int64_t time_ns = machine_time_of_day_ns(dev->machine);

    if (time_ns < 0 || time_ns >= TIME_MAX_NS) {
        return error_fail(errp, "-rtc: the clock cannot show a time before 1970 or after 2219");
    }
    s->clock = device_clock(dev);
    s->offset_ns = time_ns - clock_now_ns(s->clock);
    s->cmos[REG_A] = A_RUNNING | 6; /* as a PC's firmware sets it up: 1024 Hz */
    s->cmos[REG_B] = B_24H;
    s->cmos[REG_D] = D_VALID;
    irq_line_init(&s->irq, dev, "irq");
    irq_line_init(&s->alarm, dev, "alarm");
    clock_timer_init(&s->timer, s->clock, rtc_event, s);
    mem_init_io(&s->ports, &dev->obj, &rtc_ops, s, "rtc", RTC_PORTS);
    isa_add_ports(&s->parent, RTC_PORT, &s->ports);
    return isa_connect_irq(&s->parent, &s->irq, RTC_IRQ, errp);
}

static void rtc_unrealize(Device *dev)
{
    clock_timer_disarm(&dev_state(dev, Rtc)->timer);
}

static void rtc_snapshot(Device *dev, Snapshot *sn)
{
    Rtc *s = dev_state(dev, Rtc);

    if (!snap_loading(sn)) {
        rtc_catch_up(s);
    }
    snap_section(sn, "mc146818", 1);
    snap_fields(sn, &s->offset_ns, &s->seen_ns, &s->index);
    snap_bytes(sn, s->cmos, CMOS_SIZE);
    if (snap_loading(sn) &&
        (s->index >= CMOS_SIZE || s->seen_ns < 0 || s->seen_ns > clock_now_ns(s->clock) ||
         s->offset_ns < -TIME_MAX_NS || s->offset_ns > TIME_MAX_NS)) {
        snap_fail(sn, "rtc: impossible time");
        s->index = 0;
        s->offset_ns = s->seen_ns = 0;
    }
}

static void rtc_after_load(Device *dev)
{
    rtc_event(dev_state(dev, Rtc));
}

static const DeviceOps rtc_dev_ops =
    DEVICE_OPS(rtc_snapshot, .realize = rtc_realize, .unrealize = rtc_unrealize, .reset = rtc_reset,
               .after_load = rtc_after_load);
QOM_TYPE(rtc_type, .name = TYPE_MC146818_RTC, .parent = TYPE_ISA_DEVICE, .size = sizeof(Rtc),
         .desc = "MC146818 real-time clock", .dev = &rtc_dev_ops);
