/* SPDX-License-Identifier: MIT */
/* The PC's 8254 timer and what port 61h does to it; output "irq" is counter 0. */
#ifndef HW_TIMER_I8254_H
#define HW_TIMER_I8254_H

#define TYPE_I8254 "isa-pit"

#endif
