/* SPDX-License-Identifier: MIT */
/*
 * RISC-V ACLINT: machine timer and software interrupts.
 *
 * mtimer: region 0 holds mtimecmp[hart] from 0 and mtime at 0x7ff8; outputs "mti"[hart].
 * swi: region 0 holds msip[hart]; outputs "msi"[hart].
 */
#ifndef HW_TIMER_RISCV_ACLINT_H
#define HW_TIMER_RISCV_ACLINT_H

#include "qom/device.h"

#define TYPE_RISCV_ACLINT_MTIMER "riscv.aclint.mtimer"
#define TYPE_RISCV_ACLINT_SWI    "riscv.aclint.swi"

enum {
    ACLINT_SWI_SIZE = 0x4000,
    ACLINT_MTIMER_SIZE = 0x8000,
    ACLINT_TIMEBASE_HZ = 10000000,
    ACLINT_MAX_HARTS = 512,
};

/* The present mtime of a realized mtimer (for the time CSR).  Any thread. */
uint64_t riscv_aclint_mtime(void *mtimer);
/* Virtual-clock time at which mtime reaches @ticks, CLOCK_NEVER when out of range.  Any thread. */
int64_t riscv_aclint_when_ns(void *mtimer, uint64_t ticks);
/* @fn is called under the machine lock after a write has moved mtime. */
void riscv_aclint_on_time_set(void *mtimer, void (*fn)(void *opaque), void *opaque);

#endif
