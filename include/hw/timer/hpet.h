/* SPDX-License-Identifier: MIT */
/*
 * HPET: region 0 at 0xfed00000; outputs "irq"[0..23] to the lines of those numbers.  Inputs 0 and 1 are
 * the PIT's and the RTC's interrupts, which come out at "irq" 0 and 8 unless legacy replacement is on.
 */
#ifndef HW_TIMER_HPET_H
#define HW_TIMER_HPET_H

#define TYPE_HPET "hpet"

enum { HPET_ADDR = 0xfed00000u, HPET_SIZE = 0x400, HPET_LINES = 24 };

#endif
