/* SPDX-License-Identifier: MIT */
/*
 * A toy CPU for testing the engine: eight 64-bit registers, four-byte instructions, a page table made
 * of C structs.  Real IR, real threads, real RAM.
 */
#ifndef TESTS_UNIT_ACCEL_TOY_H
#define TESTS_UNIT_ACCEL_TOY_H

#include "accel/accel.h"

/* op, a, b, imm: one byte each; imm is signed and counts words of the operand's size. */
enum {
    TOY_HALT,    /* sleeps until interrupted */
    TOY_ADDI,    /* a = b + imm */
    TOY_ADD,     /* a += b */
    TOY_LD,      /* a = mem64[b + 8 imm] */
    TOY_ST,      /* mem64[b + 8 imm] = a */
    TOY_ST32,    /* mem32[b + 4 imm] = a */
    TOY_BNE,     /* if a != b go imm instructions on */
    TOY_JR,      /* go to a */
    TOY_AMO,     /* a = mem64[b], mem64[b] += imm; aligned, in RAM */
    TOY_AMO_ANY, /* the same, anywhere */
    TOY_SPACE,   /* address space := a */
    TOY_FLUSH,   /* TLB flush of page a in space b; b == 7: in every space */
    TOY_ST_UNAL, /* mem64[b + imm] = a, anywhere */
    TOY_CALL,    /* a = the CPU's hook number imm(a, b) */
};

#define TOY(op, a, b, imm)                                                                         \
    ((uint32_t)(op) | (uint32_t)(a) << 8 | (uint32_t)(b) << 16 | (uint32_t)(uint8_t)(imm) << 24)

enum { TOY_FAULT = 3, TOY_HALTED = 5 }; /* exceptions; deliver() stops the CPU */

enum { TOY_RAM_SIZE = 4 * 1024 * 1024, TOY_IO = 0x10000000 };

typedef struct ToyMap {
    GuestVA va;
    GuestPA pa;
    uint64_t space; /* ~0: global */
    uint8_t prot;
} ToyMap;

typedef struct ToyEnv {
    TcgEnv tcg;
    uint64_t r[8];
    uint64_t space;
} ToyEnv;

struct ToyCpu;
/* What TOY_CALL runs: a STATE helper. */
typedef uint64_t (*ToyHook)(struct ToyCpu *cpu, uint64_t a, uint64_t b);

typedef struct ToyCpu {
    CpuState cpu;
    ToyEnv *env;
    GArray *maps; /* ToyMap; empty: all is mapped to itself */
    unsigned walks;
    const ToyHook *hooks;
    int32_t last_exception;
    GuestVA fault_va, fault_pc;
} ToyCpu;

typedef struct ToyMachine {
    Machine *m;
    Accel *accel;
    MemRegion ram, io;
    uint64_t io_value;
    unsigned io_writes;
    ToyCpu *cpus[8];
    unsigned ncpus;
} ToyMachine;

/* Machine lock held on return. */
ToyMachine *toy_machine_new(const char *accel, unsigned ncpus);
void toy_machine_free(ToyMachine *t);
void toy_map(ToyCpu *cpu, GuestVA va, GuestPA pa, uint64_t space, uint8_t prot);
void toy_write_code(ToyMachine *t, GuestPA pa, const uint32_t *code, unsigned n);
void toy_start_at(ToyCpu *cpu, GuestVA pc);
/* Runs every CPU from its pc until all have halted; they are paused then. */
void toy_run(ToyMachine *t);
uint64_t toy_peek(ToyMachine *t, GuestPA pa);
void toy_poke(ToyMachine *t, GuestPA pa, uint64_t v);

#endif
