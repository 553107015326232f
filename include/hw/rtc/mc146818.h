/* SPDX-License-Identifier: MIT */
/* The PC's real-time clock and CMOS memory; outputs "irq" and, for alarms only, "alarm". */
#ifndef HW_RTC_MC146818_H
#define HW_RTC_MC146818_H

#include "qom/device.h"

#define TYPE_MC146818_RTC "mc146818rtc"

/* CMOS bytes that the board sets and that a reset keeps: 0x0e and up. */
void mc146818_set(Device *rtc, uint8_t index, uint8_t value);

#endif
