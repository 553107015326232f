/* SPDX-License-Identifier: MIT */
/* A hart with nothing around it: RAM, clock and accelerator are fakes that tests can look into. */
#ifndef TESTS_TARGET_RISCV64_FAKE_H
#define TESTS_TARGET_RISCV64_FAKE_H

#include <setjmp.h>

#include "target/riscv64/cpu.h"

enum { FAKE_RAM_SIZE = 1 << 20 };
#define FAKE_RAM_BASE 0x80000000ULL

typedef struct Fake {
    RvCpu cpu;
    uint64_t ram[FAKE_RAM_SIZE / 8];
    bool ram_read_only;
    /* what the model asked of the accelerator */
    unsigned flushes, contexts, kicks;
    uint64_t flushed_space;
    GuestVA flushed_page;
    /* the platform's time, and the armed timer */
    uint64_t time;
    int64_t clock_ns, armed_ns;
    /* where cpu_raise() goes */
    jmp_buf raised;
} Fake;

extern Fake fake;

/* A freshly reset hart with every extension of the rv64 model, and clear RAM. */
CpuState *fake_reset(void);
/* The 64-bit word at a physical address. */
uint64_t *fake_word(GuestPA pa);

/* Runs @call; the exception that it raised, or -1. */
#define fake_raises(call) (setjmp(fake.raised) ? fake.cpu.cpu.exception : ((void)(call), -1))

#endif
