/* SPDX-License-Identifier: MIT */
/*
 * ACPI fixed hardware; see hw/acpi/acpi-pm.h.  Spec: ACPI 6.5, 4.8.
 * Not modelled: the sleep button, S1 and S2.  Suspend to disk is a way to power off.
 * The timer counts the virtual clock.
 */
#include "rhea/osdep.h"

#include "hw/acpi/acpi-pm.h"
#include "hw/machine.h"
#include "rhea/bits.h"
#include "rhea/endian.h"
#include "rhea/log.h"
#include "snapshot/snapshot.h"

enum { PM_TIMER_HZ = 3579545, PM_TIMER_BITS = 24 };
enum { TIMER_EVENT = 0x0001, GLOBAL_EVENT = 0x0020, BUTTON_EVENT = 0x0100, RTC_EVENT = 0x0400 };
enum { WAKE_EVENT = 0x8000 };
enum { CONTROL_SCI = 0x0001, CONTROL_SLEEP = 0x2000, CONTROL_TYPE_SHIFT = 10 };
enum { EVENTS = TIMER_EVENT | GLOBAL_EVENT | BUTTON_EVENT | RTC_EVENT };

static uint32_t pm_ticks(const AcpiPm *pm, int64_t ns)
{
    return muldiv64(MAX(ns, 0), PM_TIMER_HZ, NS_PER_S) & MASK_ULL(PM_TIMER_BITS);
}

/* When the timer's highest bit changes after @ns. */
static int64_t pm_next_overflow_ns(int64_t ns)
{
    uint64_t half = 1ULL << (PM_TIMER_BITS - 1);
    uint64_t ticks = muldiv64(MAX(ns, 0), PM_TIMER_HZ, NS_PER_S);

    return (int64_t)muldiv64((ticks / half + 1) * half, NS_PER_S, PM_TIMER_HZ) + 1;
}

static void pm_catch_up(AcpiPm *pm)
{
    int64_t now_ns = clock_now_ns(pm->clock);

    if (pm_next_overflow_ns(pm->overflow_from_ns) <= now_ns) {
        pm->status |= TIMER_EVENT;
    }
    pm->overflow_from_ns = now_ns;
}

static bool gpe_pending(const AcpiPm *pm)
{
    for (unsigned i = 0; i < ACPI_GPE_BYTES; i++) {
        if (pm->gpe[i] & pm->gpe[ACPI_GPE_BYTES + i]) {
            return true;
        }
    }
    return false;
}

static void pm_update(AcpiPm *pm)
{
    bool pending = (pm->status & pm->enable & EVENTS) || gpe_pending(pm);
    bool wait = (pm->enable & TIMER_EVENT) && !(pm->status & TIMER_EVENT);

    irq_set(&pm->sci, pending && (pm->control & CONTROL_SCI));
    clock_timer_arm(&pm->overflow, wait ? pm_next_overflow_ns(pm->overflow_from_ns) : CLOCK_NEVER);
}

static void pm_overflow(void *opaque)
{
    pm_catch_up(opaque);
    pm_update(opaque);
}

/* --- Registers --- */

uint64_t acpi_pm_read(AcpiPm *pm, unsigned offset, unsigned size)
{
    uint8_t raw[24] = {0};

    pm_catch_up(pm);
    st16_le(raw + ACPI_PM_STATUS, pm->status);
    st16_le(raw + ACPI_PM_ENABLE, pm->enable);
    st16_le(raw + ACPI_PM_CONTROL, pm->control);
    st32_le(raw + ACPI_PM_TIMER, pm_ticks(pm, clock_now_ns(pm->clock)));
    return offset <= 16 ? ld64_le(raw + offset) & MASK_ULL(8 * size) : 0;
}

static void pm_sleep(AcpiPm *pm)
{
    unsigned type = pm->control >> CONTROL_TYPE_SHIFT & 7;

    pm->control &= ~CONTROL_SLEEP;
    if (type == ACPI_SLEEP_S5) {
        machine_request_shutdown(pm->dev->machine, SHUTDOWN_GUEST_SHUTDOWN, 0);
    } else if (type == ACPI_SLEEP_S3 && !pm->disable_s3) {
        machine_request_suspend(pm->dev->machine);
    } else if (type == ACPI_SLEEP_S4 && !pm->disable_s4) {
        machine_request_shutdown(pm->dev->machine, SHUTDOWN_GUEST_HIBERNATE, 0);
    } else {
        log_unimp("acpi: sleep type %u", type);
    }
}

static void pm_write_byte(AcpiPm *pm, unsigned offset, uint8_t v)
{
    switch (offset) {
    case ACPI_PM_STATUS:
    case ACPI_PM_STATUS + 1: pm->status &= ~(v << (8 * (offset & 1))); break;
    case ACPI_PM_ENABLE:
    case ACPI_PM_ENABLE + 1:
        pm->enable = deposit64(pm->enable, 8 * (offset & 1), 8, v) & EVENTS;
        break;
    case ACPI_PM_CONTROL:
    case ACPI_PM_CONTROL + 1: pm->control = deposit64(pm->control, 8 * (offset & 1), 8, v); break;
    }
}

void acpi_pm_write(AcpiPm *pm, unsigned offset, uint64_t value, unsigned size)
{
    pm_catch_up(pm);
    for (unsigned i = 0; i < size; i++) {
        pm_write_byte(pm, offset + i, value >> (8 * i));
    }
    if (pm->control & CONTROL_SLEEP) {
        pm_sleep(pm);
    }
    pm_update(pm);
}

uint8_t acpi_gpe_read(const AcpiPm *pm, unsigned offset)
{
    return offset < 2 * ACPI_GPE_BYTES ? pm->gpe[offset] : 0;
}

void acpi_gpe_write(AcpiPm *pm, unsigned offset, uint8_t v)
{
    if (offset < ACPI_GPE_BYTES) {
        pm->gpe[offset] &= ~v;
    } else if (offset < 2 * ACPI_GPE_BYTES) {
        pm->gpe[offset] = v;
    }
    pm_update(pm);
}

void acpi_gpe_raise(AcpiPm *pm, unsigned n)
{
    pm->gpe[n / 8] |= 1 << n % 8;
    pm_update(pm);
}

void acpi_pm_command(AcpiPm *pm, uint8_t command)
{
    if (command == ACPI_CMD_ENABLE) {
        pm->control |= CONTROL_SCI;
    } else if (command == ACPI_CMD_DISABLE) {
        pm->control &= ~CONTROL_SCI;
    }
    pm_update(pm);
}

void acpi_pm_power_button(AcpiPm *pm)
{
    pm->status |= BUTTON_EVENT;
    pm_update(pm);
}

/* Input: the alarm of the real-time clock, which wakes a guest that asked for it. */
static void pm_rtc_alarm(void *opaque, int n, bool level)
{
    AcpiPm *pm = opaque;

    if (level && !pm->rtc_alarm) {
        pm->status |= RTC_EVENT;
    }
    pm->rtc_alarm = level;
    if (pm->status & pm->enable & RTC_EVENT && machine_sleeps(pm->dev->machine)) {
        machine_request_wakeup(pm->dev->machine);
    }
    pm_update(pm);
}

uint16_t acpi_pm_events(const AcpiPm *pm)
{
    return pm->status;
}

void acpi_pm_wake(AcpiPm *pm, uint16_t events)
{
    pm->status |= WAKE_EVENT | (events & RTC_EVENT);
}

/* --- Life --- */

void acpi_pm_init(AcpiPm *pm, Device *dev)
{
    pm->dev = dev;
    pm->clock = device_clock(dev);
    irq_line_init(&pm->sci, dev, "sci");
    irq_inputs_init(dev, "rtc-alarm", pm_rtc_alarm, pm, 1);
    clock_timer_init(&pm->overflow, pm->clock, pm_overflow, pm);
}

void acpi_pm_reset(AcpiPm *pm)
{
    pm->status = pm->enable = pm->control = 0;
    memset(pm->gpe, 0, sizeof(pm->gpe));
    pm->overflow_from_ns = clock_now_ns(pm->clock);
    pm_update(pm);
}

void acpi_pm_fini(AcpiPm *pm)
{
    clock_timer_disarm(&pm->overflow);
}

void acpi_pm_snapshot(AcpiPm *pm, Snapshot *sn)
{
    if (!snap_loading(sn)) {
        pm_catch_up(pm);
    }
    if (snap_section(sn, "acpi-pm", 2) >= 2) {
        snap_bool(sn, &pm->rtc_alarm);
    }
    snap_fields(sn, &pm->status, &pm->enable, &pm->control, &pm->overflow_from_ns);
    snap_bytes(sn, pm->gpe, sizeof(pm->gpe));
    if (snap_loading(sn)) {
        pm->overflow_from_ns = CLAMP(pm->overflow_from_ns, 0, clock_now_ns(pm->clock));
        pm->control &= ~CONTROL_SLEEP;
    }
}

void acpi_pm_after_load(AcpiPm *pm)
{
    pm_update(pm);
}
