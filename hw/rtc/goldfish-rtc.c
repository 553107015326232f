/* SPDX-License-Identifier: MIT */
/*
 * Goldfish real-time clock.  Spec: "Goldfish virtual hardware", timer/RTC section.
 * Models the nanosecond counter (read low half first: it latches the high half), setting the time,
 * and the alarm interrupt.
 * Time base is the virtual clock, started at the host's wall clock at power-on.
 * Threading: every callback runs under the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "hw/mmio-device.h"
#include "hw/rtc/goldfish-rtc.h"
#include "memory/clock.h"
#include "rhea/bits.h"
#include "snapshot/snapshot.h"

enum {
    TIME_LOW = 0x00,
    TIME_HIGH = 0x04,
    ALARM_LOW = 0x08,
    ALARM_HIGH = 0x0c,
    IRQ_ENABLED = 0x10,
    CLEAR_ALARM = 0x14,
    ALARM_STATUS = 0x18,
    CLEAR_INTERRUPT = 0x1c,
    RTC_SPAN = 0x24
};

typedef struct GoldfishRtc {
    MmioDevice parent;
    /* wiring */
    IrqLine irq;
    ClockTimer alarm_timer;
    Clock *clock;
    /* guest-visible: all of it is in rtc_snapshot */
    uint64_t offset_ns; /* time of day - virtual clock */
    uint64_t alarm_ns;  /* time of day */
    uint32_t time_high; /* latched by a read of TIME_LOW */
    uint32_t alarm_high;
    uint32_t irq_enabled, irq_pending, alarm_running;
} GoldfishRtc;

static uint64_t rtc_now(GoldfishRtc *s)
{
    return clock_now_ns(s->clock) + s->offset_ns;
}

static void rtc_update_irq(Device *dev)
{
    GoldfishRtc *s = dev_state(dev, GoldfishRtc);

    irq_set(&s->irq, s->irq_pending && s->irq_enabled);
}

static void rtc_rearm(GoldfishRtc *s)
{
    int64_t deadline = s->alarm_ns - s->offset_ns;

    if (s->alarm_running && s->alarm_ns <= rtc_now(s)) {
        s->alarm_running = 0;
        s->irq_pending = 1;
    }
    clock_timer_arm(&s->alarm_timer, s->alarm_running && deadline > 0 ? deadline : CLOCK_NEVER);
    rtc_update_irq(&s->parent.dev);
}

static void rtc_alarm(void *opaque)
{
    rtc_rearm(opaque);
}

/* --- Registers --- */

static uint64_t rtc_read_time_low(Device *dev)
{
    GoldfishRtc *s = dev_state(dev, GoldfishRtc);
    uint64_t now = rtc_now(s);

    s->time_high = now >> 32;
    return (uint32_t)now;
}

static void rtc_write_time_low(Device *dev, uint64_t value)
{
    GoldfishRtc *s = dev_state(dev, GoldfishRtc);
    uint64_t now = rtc_now(s);

    s->offset_ns += deposit64(now, 0, 32, value) - now;
    rtc_rearm(s);
}

static uint64_t rtc_read_time_high(Device *dev)
{
    return dev_state(dev, GoldfishRtc)->time_high;
}

static void rtc_write_time_high(Device *dev, uint64_t value)
{
    GoldfishRtc *s = dev_state(dev, GoldfishRtc);
    uint64_t now = rtc_now(s);

    s->offset_ns += deposit64(now, 32, 32, value) - now;
    rtc_rearm(s);
}

static uint64_t rtc_read_alarm_low(Device *dev)
{
    return (uint32_t)dev_state(dev, GoldfishRtc)->alarm_ns;
}

/* Writing the low half arms the alarm. */
static void rtc_write_alarm_low(Device *dev, uint64_t value)
{
    GoldfishRtc *s = dev_state(dev, GoldfishRtc);

    s->alarm_ns = (uint64_t)s->alarm_high << 32 | (uint32_t)value;
    s->alarm_running = 1;
    rtc_rearm(s);
}

static void rtc_clear_alarm(Device *dev, uint64_t value)
{
    GoldfishRtc *s = dev_state(dev, GoldfishRtc);

    s->alarm_running = 0;
    rtc_rearm(s);
}

static void rtc_clear_interrupt(Device *dev, uint64_t value)
{
    dev_state(dev, GoldfishRtc)->irq_pending = 0;
    rtc_update_irq(dev);
}

static uint64_t rtc_read_zero(Device *dev)
{
    return 0; /* write-only register */
}

static const RegDesc rtc_regs[] = {
    REG_FN(TIME_LOW, 4, .read = rtc_read_time_low, .write = rtc_write_time_low),
    REG_FN(TIME_HIGH, 4, .read = rtc_read_time_high, .write = rtc_write_time_high),
    REG_FN(ALARM_LOW, 4, .read = rtc_read_alarm_low, .write = rtc_write_alarm_low),
    REG_RW(ALARM_HIGH, GoldfishRtc, alarm_high),
    REG_RW(IRQ_ENABLED, GoldfishRtc, irq_enabled, .writable = 1, .written = rtc_update_irq),
    REG_FN(CLEAR_ALARM, 4, .read = rtc_read_zero, .write = rtc_clear_alarm),
    REG_RO(ALARM_STATUS, GoldfishRtc, alarm_running),
    REG_FN(CLEAR_INTERRUPT, 4, .read = rtc_read_zero, .write = rtc_clear_interrupt),
    REG_END};

/* --- Life --- */

static void rtc_reset(Device *dev)
{
    GoldfishRtc *s = dev_state(dev, GoldfishRtc);

    /* The time of day goes on across a reset; only the alarm is lost. */
    s->alarm_ns = 0;
    s->alarm_high = s->alarm_running = s->irq_pending = s->irq_enabled = 0;
    rtc_rearm(s);
}

static bool rtc_realize(Device *dev, Error **errp)
{
    GoldfishRtc *s = dev_state(dev, GoldfishRtc);

    s->clock = device_clock(dev);
    s->offset_ns = machine_time_of_day_ns(dev->machine) - clock_now_ns(s->clock);
    irq_line_init(&s->irq, dev, "irq");
    clock_timer_init(&s->alarm_timer, s->clock, rtc_alarm, s);
    mmio_device_add_bank(&s->parent, rtc_regs, "goldfish_rtc", RTC_SPAN);
    return true;
}

static void rtc_snapshot(Device *dev, Snapshot *sn)
{
    GoldfishRtc *s = dev_state(dev, GoldfishRtc);

    snap_section(sn, "goldfish-rtc", 1);
    snap_fields(sn, &s->offset_ns, &s->alarm_ns, &s->time_high, &s->alarm_high);
    snap_fields(sn, &s->irq_enabled, &s->irq_pending, &s->alarm_running);
}

static void rtc_after_load(Device *dev)
{
    rtc_rearm(dev_state(dev, GoldfishRtc));
}

static const DeviceOps rtc_ops = DEVICE_OPS(rtc_snapshot, .realize = rtc_realize,
                                            .reset = rtc_reset, .after_load = rtc_after_load);
QOM_TYPE(rtc_type, .name = TYPE_GOLDFISH_RTC, .parent = TYPE_MMIO_DEVICE,
         .size = sizeof(GoldfishRtc), .desc = "Goldfish real-time clock", .dev = &rtc_ops);
