/* SPDX-License-Identifier: MIT */
/*
 * An x86 CPU with nothing around it: RAM, clock, machine and accelerator are fakes that tests can look
 * into.  Guest memory accesses of helpers go through the model's own page walks, uncached.
 */
#ifndef TESTS_TARGET_X86_64_FAKE_H
#define TESTS_TARGET_X86_64_FAKE_H

#include <setjmp.h>

#include "hw/machine.h"
#include "target/x86_64/helper/helper.h"
#include "target/x86_64/seg.h"

enum { FAKE_RAM_SIZE = 4 << 20 };

/* Where fake_protected() and fake_long() put things. */
enum {
    FAKE_IDT = 0x1000,
    FAKE_GDT = 0x2000,
    FAKE_TSS = 0x3000,
    FAKE_STACK = 0x8000,  /* the present stack's top */
    FAKE_STACK0 = 0x9000, /* of level 0 in the TSS */
    FAKE_CODE = 0x10000,
    FAKE_HANDLER = 0x20000,
    FAKE_TABLES = 0x100000, /* page tables */
    FAKE_LDT = 0x4000,
    FAKE_TSS2 = 0x5000,
};

/* Selectors of the GDT that they make: flat segments. */
enum {
    SEL_CS0 = 0x08,
    SEL_DS0 = 0x10,
    SEL_CS3 = 0x1b,
    SEL_DS3 = 0x23,
    SEL_CS64 = 0x28,
    SEL_CS64_3 = 0x33,
    SEL_TSS = 0x38,  /* 16 bytes */
    SEL_FREE = 0x48, /* from here on: the test's own */
    FAKE_GDT_LIMIT = 0xff,
};

typedef struct Fake {
    X86Cpu cpu;
    Machine machine;
    uint8_t ram[FAKE_RAM_SIZE];
    /* what the model asked of others */
    unsigned flushes, page_flushes, contexts, kicks, resets, smm_switches;
    uint64_t flushed_space;
    int64_t clock_ns;
    int irq_vector; /* what the APIC's acknowledge gives; -1: nothing */
    uint8_t tpr;
    /* where cpu_raise() and cpu_leave() go */
    jmp_buf raised;
} Fake;

extern Fake fake;

/* A freshly reset CPU of @model with @features ("la57,-nx"; NULL: none), and clear RAM. */
X86Env *fake_reset(const char *model, const char *features);
/* The same, "max", in flat 32-bit protected mode at level @cpl with GDT, TSS and an empty IDT. */
X86Env *fake_protected(unsigned cpl);
/* In 64-bit mode, the lowest 4 MiB mapped to themselves, open to level 3. */
X86Env *fake_long(unsigned cpl);

uint64_t fake_get(GuestPA pa, unsigned size);
void fake_put(GuestPA pa, uint64_t v, unsigned size);
/* Descriptor number sel / 8 of the GDT: base, limit (with granularity if over 1 MiB), bits 40..55. */
void fake_descriptor(uint32_t sel, uint64_t base, uint32_t limit, uint32_t attr);
/* Gates of the IDT: 8 bytes, or 16 in long mode. */
void fake_gate(unsigned vector, uint32_t sel, uint64_t offset, unsigned type, unsigned dpl,
               unsigned ist);

/* Runs @call; the exception that it raised, or -1. */
#define fake_raises(call)                                                                          \
    (fake.cpu.cpu.exception = -1, setjmp(fake.raised) ? fake.cpu.cpu.exception : ((void)(call), -1))

/* Delivers @vector, raised as @kind, with whatever follows from faults under delivery. */
void fake_deliver(unsigned vector, X86EventKind kind, uint32_t error);

#endif
