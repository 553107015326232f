/* SPDX-License-Identifier: MIT */
/* Goldfish real-time clock: one region, one interrupt output "irq". */
#ifndef HW_RTC_GOLDFISH_RTC_H
#define HW_RTC_GOLDFISH_RTC_H

#define TYPE_GOLDFISH_RTC "goldfish_rtc"

#endif
