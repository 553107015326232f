/* SPDX-License-Identifier: MIT */
/* The S-mode guest: what its files share beside guest.h. */
#ifndef S_GUEST_H
#define S_GUEST_H

#include "guest.h"

enum {
    SBI_BASE = 0x10,
    SBI_TIMER = 0x54494d45,
    SBI_IPI = 0x735049,
    SBI_HSM = 0x48534d,
    SBI_RESET = 0x53525354,
};

enum { S_IRQ_SOFT = 1, S_IRQ_TIMER = 5, S_IRQ_EXTERNAL = 9 };

/* Interrupts that s_trap_handle took in the kernel. */
typedef struct SLog {
    unsigned soft, timer, external;
    uint32_t claimed;
} SLog;

extern volatile SLog s_log;

typedef struct SbiResult {
    int64_t error;
    uint64_t value;
} SbiResult;

/* SBI 1.0 call convention: extension in a7, function in a6. */
SbiResult sbi(uint64_t extension, uint64_t function, uint64_t a, uint64_t b, uint64_t c);

/* A single interrupt, by scause without its top bit, is acknowledged. */
void s_interrupt(uint64_t which);

void s_test_interrupts(void);
void s_test_users(void);
void s_test_disk(void);

#endif
