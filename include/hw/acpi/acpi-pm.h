/* SPDX-License-Identifier: MIT */
/*
 * ACPI fixed hardware that chipsets have in common: PM1 event and control registers, the timer, general
 * purpose events, the system control interrupt.  Part of a device, which gets an input "rtc-alarm" by it.  Threading: the machine lock.
 */
#ifndef HW_ACPI_ACPI_PM_H
#define HW_ACPI_ACPI_PM_H

#include "memory/clock.h"
#include "memory/irq.h"
#include "qom/device.h"

enum { ACPI_PM_STATUS = 0, ACPI_PM_ENABLE = 2, ACPI_PM_CONTROL = 4, ACPI_PM_TIMER = 8 };
enum { ACPI_GPE_BYTES = 8 /* status, then as many of enable */ };
/* Commands at the SMI port, as the FADT names them. */
enum { ACPI_CMD_DISABLE = 0xf0, ACPI_CMD_ENABLE = 0xf1 };
/* Types of sleep, as the DSDT names them. */
enum { ACPI_SLEEP_S5 = 0, ACPI_SLEEP_S3 = 1, ACPI_SLEEP_S4 = 2 };

typedef struct AcpiPm {
    Device *dev;
    IrqLine sci;
    ClockTimer overflow;
    Clock *clock;
    uint8_t disable_s3, disable_s4; /* properties of the device: ACPI_PM_PROPS */
    /* guest-visible: all of it is in acpi_pm_snapshot */
    uint16_t status, enable, control;
    bool rtc_alarm;           /* the input's level */
    int64_t overflow_from_ns; /* an overflow after this is not in status yet */
    uint8_t gpe[2 * ACPI_GPE_BYTES];
} AcpiPm;

void acpi_pm_init(AcpiPm *pm, Device *dev);
void acpi_pm_reset(AcpiPm *pm);
void acpi_pm_fini(AcpiPm *pm);
void acpi_pm_snapshot(AcpiPm *pm, struct Snapshot *sn);
void acpi_pm_after_load(AcpiPm *pm);

/* Bytes 0..11 of the block: events, control, timer. */
uint64_t acpi_pm_read(AcpiPm *pm, unsigned offset, unsigned size);
void acpi_pm_write(AcpiPm *pm, unsigned offset, uint64_t value, unsigned size);
uint8_t acpi_gpe_read(const AcpiPm *pm, unsigned offset);
void acpi_gpe_write(AcpiPm *pm, unsigned offset, uint8_t v);
/* General purpose event @n has happened. */
void acpi_gpe_raise(AcpiPm *pm, unsigned n);

/* A command at the SMI port: switches between ACPI and legacy mode. */
void acpi_pm_command(AcpiPm *pm, uint8_t command);
void acpi_pm_power_button(AcpiPm *pm);
/* The PM1 status register; then, after the reset that ends a sleep, with what it said before. */
uint16_t acpi_pm_events(const AcpiPm *pm);
void acpi_pm_wake(AcpiPm *pm, uint16_t events);

#define ACPI_PM_PROPS(State, field)                                                                \
    PROP_U8("disable_s3", State, field.disable_s3, 0, "1: no suspend to RAM"),                     \
        PROP_U8("disable_s4", State, field.disable_s4, 0, "1: no suspend to disk")

#endif
