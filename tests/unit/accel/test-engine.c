/* SPDX-License-Identifier: MIT */
/* The loop, the block cache, self-modifying code, the soft TLB and threads, on the toy CPU, for each flavour. */
#include "rhea/osdep.h"

#include "accel/core/engine.h"
#include "toy.h"

static EngineStats *stats(ToyMachine *t)
{
    return &((EngineCpu *)(void *)t->cpus[0]->cpu.accel)->stats;
}

static void check_halted(ToyCpu *cpu)
{
    g_assert_cmpint(cpu->last_exception, ==, TOY_HALTED);
}

/* --- Running --- */

static void test_loop(gconstpointer accel)
{
    static const uint32_t code[] = {
        TOY(TOY_ADDI, 1, 1, 1),
        TOY(TOY_ADD, 2, 1, 0),
        TOY(TOY_BNE, 1, 3, -2),
        TOY(TOY_HALT, 0, 0, 0),
    };
    ToyMachine *t = toy_machine_new(accel, 1);

    toy_write_code(t, 0x1000, code, ARRAY_SIZE(code));
    t->cpus[0]->env->r[3] = 100000;
    toy_start_at(t->cpus[0], 0x1000);
    toy_run(t);
    check_halted(t->cpus[0]);
    g_assert_cmpuint(t->cpus[0]->env->r[2], ==, 100000ULL * 100001 / 2);
    g_assert_cmphex(t->cpus[0]->fault_pc, ==, 0x100c);
    if (!strcmp(accel, "tcg")) { /* chained to itself */
        g_assert_cmpuint(stats(t)->loops, <, 20);
        g_assert_cmpuint(stats(t)->links, >, 0);
    }
    toy_machine_free(t);
}

/* Blocks run from page to page, and one instruction lies on a boundary. */
static void test_pages(gconstpointer accel)
{
    ToyMachine *t = toy_machine_new(accel, 1);
    uint32_t insn = TOY(TOY_ADDI, 1, 1, 1), halt = TOY(TOY_HALT, 0, 0, 0);
    unsigned n = 3 * 1024;

    for (unsigned i = 0; i < n; i++) {
        toy_write_code(t, 0x2002 + 4 * i, &insn, 1);
    }
    toy_write_code(t, 0x2002 + 4 * n, &halt, 1);
    for (unsigned round = 1; round <= 3; round++) {
        toy_start_at(t->cpus[0], 0x2002);
        toy_run(t);
        check_halted(t->cpus[0]);
        g_assert_cmpuint(t->cpus[0]->env->r[1], ==, round * n);
    }
    toy_machine_free(t);
}

/* More code than the cache holds: old regions go, and come back when needed. */
static void test_eviction(gconstpointer accel)
{
    ToyMachine *t;
    uint32_t insn = TOY(TOY_ADDI, 1, 1, 1), halt = TOY(TOY_HALT, 0, 0, 0);
    unsigned n = 20000;
    Engine *e;

    qom_global_add("tcg-accel", "tb-size", "1");
    qom_global_add("tcg-accel", "one-insn-per-tb", "on");
    qom_global_add("tci-accel", "tb-size", "1");
    qom_global_add("tci-accel", "one-insn-per-tb", "on");
    t = toy_machine_new(accel, 1);
    e = (Engine *)t->accel;
    for (unsigned i = 0; i < n; i++) {
        toy_write_code(t, 0x2000 + 4 * i, &insn, 1);
    }
    toy_write_code(t, 0x2000 + 4 * n, &halt, 1);
    for (unsigned round = 1; round <= 3; round++) {
        toy_start_at(t->cpus[0], 0x2000);
        toy_run(t);
        g_assert_cmpuint(t->cpus[0]->env->r[1], ==, round * n);
    }
    g_assert_cmpuint(e->evictions, >, 3);
    g_assert_cmpuint(e->blocks_live, >, 0);
    g_assert_cmpuint(e->blocks_live, <, n);
    toy_machine_free(t);
    qom_global_add("tcg-accel", "tb-size", "256");
    qom_global_add("tcg-accel", "one-insn-per-tb", "off");
    qom_global_add("tci-accel", "tb-size", "256");
    qom_global_add("tci-accel", "one-insn-per-tb", "off");
}

/* --- Self-modifying code --- */

/* The store changes the instruction right behind it, in its own block. */
static void test_smc_self(gconstpointer accel)
{
    static const uint32_t code[] = {
        TOY(TOY_ADDI, 1, 1, 1), TOY(TOY_ST32, 2, 3, 2), TOY(TOY_ADDI, 4, 4, 1),
        TOY(TOY_BNE, 1, 5, -3), TOY(TOY_HALT, 0, 0, 0),
    };
    ToyMachine *t = toy_machine_new(accel, 1);
    ToyCpu *cpu = t->cpus[0];

    toy_write_code(t, 0x3000, code, ARRAY_SIZE(code));
    cpu->env->r[2] = TOY(TOY_ADDI, 4, 4, 10);
    cpu->env->r[3] = 0x3000;
    cpu->env->r[5] = 3;
    toy_start_at(cpu, 0x3000);
    toy_run(t);
    check_halted(cpu);
    g_assert_cmpuint(cpu->env->r[1], ==, 3);
    g_assert_cmpuint(cpu->env->r[4], ==, 30);
    toy_machine_free(t);
}

/* Data beside code: writes to it kill nothing; writes to the code do; so does DMA. */
static void test_smc_other(gconstpointer accel)
{
    static const uint32_t code[] = {
        TOY(TOY_ADDI, 1, 1, 1),
        TOY(TOY_ST, 1, 3, 0),
        TOY(TOY_BNE, 1, 5, -2),
        TOY(TOY_HALT, 0, 0, 0),
    };
    ToyMachine *t = toy_machine_new(accel, 1);
    ToyCpu *cpu = t->cpus[0];
    Engine *e = (Engine *)t->accel;
    uint32_t insn = TOY(TOY_ADDI, 1, 1, 2);

    toy_write_code(t, 0x3000, code, ARRAY_SIZE(code));
    cpu->env->r[3] = 0x3800;
    cpu->env->r[5] = 1000;
    toy_start_at(cpu, 0x3000);
    toy_run(t);
    check_halted(cpu);
    g_assert_cmpuint(toy_peek(t, 0x3800), ==, 1000);
    g_assert_cmpuint(e->blocks_killed, ==, 0);
    g_assert_cmpuint(stats(t)->code_writes, >=, 999);

    toy_write_code(t, 0x3000, &insn, 1);
    g_assert_cmpuint(e->blocks_killed, >, 0);
    cpu->env->r[1] = 0;
    toy_start_at(cpu, 0x3000);
    toy_run(t);
    g_assert_cmpuint(toy_peek(t, 0x3800), ==, 1000);
    g_assert_cmpuint(cpu->env->r[1], ==, 1000);
    toy_machine_free(t);
}

/* Stores set the bit of a client that cleared it, also those of a vCPU that never leaves its loop. */
static void test_dirty_again(gconstpointer accel)
{
    static const uint32_t code[] = {TOY(TOY_ADDI, 1, 1, 1), TOY(TOY_ST, 1, 3, 0),
                                    TOY(TOY_BNE, 1, 0, -2), TOY(TOY_HALT, 0, 0, 0)};
    ToyMachine *t = toy_machine_new(accel, 1);
    RamBlock *rb = t->ram.ram;

    toy_write_code(t, 0x1000, code, ARRAY_SIZE(code));
    t->cpus[0]->env->r[3] = 0x8000;
    toy_start_at(t->cpus[0], 0x1000);
    ram_track(DIRTY_DISPLAY, true);
    cpus_resume_all(t->m);
    for (unsigned i = 0; i < 20; i++) {
        gint64 end = g_get_monotonic_time() + 20 * G_TIME_SPAN_SECOND;

        ram_clear_dirty(rb, 0, rb->size, DIRTY_DISPLAY);
        while (!ram_test_dirty(rb, 0x8000, DIRTY_DISPLAY) && g_get_monotonic_time() < end) {
            g_usleep(100);
        }
        g_assert_true(ram_test_dirty(rb, 0x8000, DIRTY_DISPLAY));
        g_assert_false(ram_test_dirty(rb, 0x9000, DIRTY_DISPLAY));
    }
    cpus_pause_all(t->m);
    ram_track(DIRTY_DISPLAY, false);
    toy_machine_free(t);
}

/* A page that is reused for data takes plain writes again. */
static void test_smc_reuse(gconstpointer accel)
{
    static const uint32_t store[] = {
        TOY(TOY_ST, 1, 3, 0),   TOY(TOY_ADDI, 3, 3, 8), TOY(TOY_ADDI, 1, 1, 1),
        TOY(TOY_BNE, 3, 5, -3), TOY(TOY_HALT, 0, 0, 0),
    };
    ToyMachine *t = toy_machine_new(accel, 1);
    ToyCpu *cpu = t->cpus[0];
    uint32_t insn = TOY(TOY_ADDI, 1, 1, 1), halt = TOY(TOY_HALT, 0, 0, 0);

    for (unsigned i = 0; i < 1023; i++) {
        toy_write_code(t, 0x5000 + 4 * i, &insn, 1);
    }
    toy_write_code(t, 0x5ffc, &halt, 1);
    toy_write_code(t, 0x3000, store, ARRAY_SIZE(store));
    toy_start_at(cpu, 0x5000);
    toy_run(t);
    g_assert_false(ram_test_dirty(t->ram.ram, 0x5000, DIRTY_CODE));
    cpu->env->r[3] = 0x5000;
    cpu->env->r[5] = 0x6000;
    toy_start_at(cpu, 0x3000);
    toy_run(t);
    check_halted(cpu);
    g_assert_true(ram_test_dirty(t->ram.ram, 0x5000, DIRTY_CODE));
    g_assert_cmpuint(stats(t)->code_writes, <, 100);
    g_assert_cmpuint(toy_peek(t, 0x5ff8), ==, 1023 + 511);
    toy_machine_free(t);
}

/* --- Address spaces --- */

static void test_spaces(gconstpointer accel)
{
    /* At 0x10000, a page of its own in each of two spaces: r4 += 1 or 10, then back through r6. */
    static const uint32_t one[] = {TOY(TOY_ADDI, 4, 4, 1), TOY(TOY_LD, 2, 7, 0),
                                   TOY(TOY_JR, 6, 0, 0)};
    static const uint32_t ten[] = {TOY(TOY_ADDI, 4, 4, 10), TOY(TOY_LD, 2, 7, 0),
                                   TOY(TOY_JR, 6, 0, 0)};
    /* Global at 0x1000: goes there, switches space, counts. */
    static const uint32_t kernel[] = {
        TOY(TOY_JR, 5, 0, 0),  /* r6 is the next */
        TOY(TOY_ADD, 3, 2, 0), /* 0x1004: sums what was loaded */
        TOY(TOY_ADDI, 0, 0, -1), TOY(TOY_SPACE, 1, 0, 0),
        TOY(TOY_ADDI, 1, 1, -1), TOY(TOY_BNE, 1, 7, 2), /* r1: 1 and 0 in turns: see below */
        TOY(TOY_HALT, 0, 0, 0),  TOY(TOY_HALT, 0, 0, 0),
    };
    ToyMachine *t = toy_machine_new(accel, 1);
    ToyCpu *cpu = t->cpus[0];
    unsigned walks = 0;

    toy_map(cpu, 0x1000, 0x1000, ~0ULL, PROT_R | PROT_W | PROT_X);
    toy_map(cpu, 0x10000, 0x20000, 0, PROT_R | PROT_X);
    toy_map(cpu, 0x10000, 0x21000, 1, PROT_R | PROT_X);
    toy_map(cpu, 0x11000, 0x22000, 0, PROT_R);
    toy_map(cpu, 0x11000, 0x23000, 1, PROT_R);
    toy_write_code(t, 0x1000, kernel, ARRAY_SIZE(kernel));
    toy_write_code(t, 0x20000, one, ARRAY_SIZE(one));
    toy_write_code(t, 0x21000, ten, ARRAY_SIZE(ten));
    toy_poke(t, 0x22000, 100);
    toy_poke(t, 0x23000, 1000);
    cpu->env->r[5] = 0x10000;
    cpu->env->r[6] = 0x1004;
    cpu->env->r[7] = 0x11000;
    for (unsigned round = 0; round < 10; round++) {
        cpu->env->space = round & 1;
        cpu->env->r[1] = !(round & 1);
        toy_start_at(cpu, 0x1000);
        toy_run(t);
        check_halted(cpu);
        if (round == 2) {
            walks = cpu->walks;
        }
    }
    g_assert_cmpuint(cpu->env->r[4], ==, 55);
    g_assert_cmpuint(cpu->env->r[3], ==, 5500);
    g_assert_cmpuint(cpu->walks, ==, walks); /* both spaces stayed in the TLB */
    toy_machine_free(t);
}

static void test_flush(gconstpointer accel)
{
    static const uint32_t code[] = {
        TOY(TOY_LD, 1, 3, 0),    TOY(TOY_HALT, 0, 0, 0), /* loads */
        TOY(TOY_FLUSH, 3, 7, 0), TOY(TOY_HALT, 0, 0, 0), /* 0x1008: flushes r3's page everywhere */
        TOY(TOY_FLUSH, 3, 2, 0), TOY(TOY_HALT, 0, 0, 0), /* 0x1010: in space r2 */
    };
    ToyMachine *t = toy_machine_new(accel, 1);
    ToyCpu *cpu = t->cpus[0];
    struct {
        GuestVA start;
        uint64_t expect;
    } step[] = {{0x1000, 111}, {0x1000, 111}, {0x1010, 111},
                {0x1000, 111}, {0x1008, 111}, {0x1000, 222}};

    toy_map(cpu, 0x1000, 0x1000, ~0ULL, PROT_R | PROT_X);
    toy_map(cpu, 0x11000, 0x22000, 0, PROT_R);
    toy_write_code(t, 0x1000, code, ARRAY_SIZE(code));
    toy_poke(t, 0x22000, 111);
    toy_poke(t, 0x23000, 222);
    cpu->env->r[3] = 0x11000;
    cpu->env->r[2] = 5; /* another space: its flush concerns nothing here */
    for (unsigned i = 0; i < ARRAY_SIZE(step); i++) {
        toy_start_at(cpu, step[i].start);
        toy_run(t);
        check_halted(cpu);
        g_assert_cmpuint(cpu->env->r[1], ==, step[i].expect);
        g_array_index(cpu->maps, ToyMap, 1).pa = 0x23000; /* seen after a flush only */
    }
    toy_machine_free(t);
}

/* New code behind an old address, with the flush that a guest does for it. */
static void test_flush_code(gconstpointer accel)
{
    static const uint32_t kernel[] = {
        TOY(TOY_JR, 5, 0, 0), TOY(TOY_HALT, 0, 0, 0), TOY(TOY_FLUSH, 5, 7, 0),
        TOY(TOY_JR, 5, 0, 0), /* 0x1008 */
    };
    static const uint32_t one[] = {TOY(TOY_ADDI, 4, 4, 1), TOY(TOY_JR, 6, 0, 0)};
    static const uint32_t ten[] = {TOY(TOY_ADDI, 4, 4, 10), TOY(TOY_JR, 6, 0, 0)};
    ToyMachine *t = toy_machine_new(accel, 1);
    ToyCpu *cpu = t->cpus[0];

    toy_map(cpu, 0x1000, 0x1000, ~0ULL, PROT_R | PROT_X);
    toy_map(cpu, 0x10000, 0x20000, 0, PROT_R | PROT_X);
    toy_write_code(t, 0x1000, kernel, ARRAY_SIZE(kernel));
    toy_write_code(t, 0x20000, one, ARRAY_SIZE(one));
    toy_write_code(t, 0x21000, ten, ARRAY_SIZE(ten));
    cpu->env->r[5] = 0x10000;
    cpu->env->r[6] = 0x1004;
    for (unsigned i = 0; i < 4; i++) {
        toy_start_at(cpu, 0x1000);
        toy_run(t);
    }
    g_assert_cmpuint(cpu->env->r[4], ==, 4);
    g_array_index(cpu->maps, ToyMap, 1).pa = 0x21000;
    toy_start_at(cpu, 0x1008);
    toy_run(t);
    check_halted(cpu);
    g_assert_cmpuint(cpu->env->r[4], ==, 14);
    toy_machine_free(t);
}

/* A page flush in every space makes stale what ran code from that page, and nothing else. */
static void test_flush_other_code(gconstpointer accel)
{
    static const uint32_t kernel[] = {
        TOY(TOY_JR, 5, 0, 0), TOY(TOY_HALT, 0, 0, 0), TOY(TOY_FLUSH, 3, 7, 0),
        TOY(TOY_JR, 5, 0, 0), /* 0x1008: flushes r3's page first */
    };
    static const uint32_t one[] = {TOY(TOY_ADDI, 4, 4, 1), TOY(TOY_JR, 6, 0, 0)};
    ToyMachine *t = toy_machine_new(accel, 1);
    ToyCpu *cpu = t->cpus[0];
    uint64_t contexts;

    toy_map(cpu, 0x1000, 0x1000, ~0ULL, PROT_R | PROT_X);
    toy_map(cpu, 0x10000, 0x20000, 0, PROT_R | PROT_X);
    toy_map(cpu, 0x12000, 0x20000, 1, PROT_R | PROT_X);
    toy_write_code(t, 0x1000, kernel, ARRAY_SIZE(kernel));
    toy_write_code(t, 0x20000, one, ARRAY_SIZE(one));
    cpu->env->r[3] = 0x10000;
    cpu->env->r[6] = 0x1004;
    for (unsigned space = 0; space < 2; space++) {
        cpu->env->space = space;
        cpu->env->r[5] = space ? 0x12000 : 0x10000;
        toy_start_at(cpu, 0x1000);
        toy_run(t);
    }
    contexts = stats(t)->contexts;
    toy_start_at(cpu, 0x1008); /* in space 1, the page of space 0 */
    toy_run(t);
    g_assert_cmpuint(stats(t)->contexts, ==, contexts);
    cpu->env->space = 0;
    cpu->env->r[5] = 0x10000;
    toy_start_at(cpu, 0x1000);
    toy_run(t);
    check_halted(cpu);
    g_assert_cmpuint(stats(t)->contexts, ==, contexts + 1);
    g_assert_cmpuint(cpu->env->r[4], ==, 4);
    toy_machine_free(t);
}

/* --- Faults and devices --- */

static void test_faults(gconstpointer accel)
{
    static const uint32_t code[] = {
        TOY(TOY_ADDI, 1, 1, 1),
        TOY(TOY_ST_UNAL, 1, 3, 0),
        TOY(TOY_ADDI, 1, 1, 1),
        TOY(TOY_HALT, 0, 0, 0),
    };
    ToyMachine *t = toy_machine_new(accel, 1);
    ToyCpu *cpu = t->cpus[0];

    toy_map(cpu, 0x1000, 0x1000, ~0ULL, PROT_R | PROT_X);
    toy_map(cpu, 0x11000, 0x22000, 0, PROT_R | PROT_W);
    toy_map(cpu, 0x12000, 0x23000, 0, PROT_R);
    toy_write_code(t, 0x1000, code, ARRAY_SIZE(code));
    toy_poke(t, 0x22ff8, 0x1111111111111111ULL);
    cpu->env->r[3] = 0x11ffc; /* half of it in a page that may only be read */
    toy_start_at(cpu, 0x1000);
    toy_run(t);
    g_assert_cmpint(cpu->last_exception, ==, TOY_FAULT);
    g_assert_cmphex(cpu->fault_pc, ==, 0x1004);
    g_assert_cmphex(cpu->fault_va, ==, 0x12000);
    g_assert_cmpuint(cpu->env->r[1], ==, 1);
    g_assert_cmphex(toy_peek(t, 0x22ff8), ==, 0x1111111111111111ULL);

    g_array_index(cpu->maps, ToyMap, 2).prot |= PROT_W; /* more rights need no flush */
    toy_start_at(cpu, 0x1000);
    toy_run(t);
    check_halted(cpu);
    g_assert_cmphex(toy_peek(t, 0x22ff8), ==, 0x0000000211111111ULL);
    toy_start_at(cpu, 0x99000);
    toy_run(t);
    g_assert_cmpint(cpu->last_exception, ==, TOY_FAULT);
    g_assert_cmphex(cpu->fault_pc, ==, 0x99000);
    toy_machine_free(t);
}

static void test_devices(gconstpointer accel)
{
    static const uint32_t code[] = {
        TOY(TOY_ST, 1, 3, 0),
        TOY(TOY_LD, 2, 3, 1),
        TOY(TOY_AMO, 4, 3, 1),
        TOY(TOY_HALT, 0, 0, 0),
    };
    ToyMachine *t = toy_machine_new(accel, 1);
    ToyCpu *cpu = t->cpus[0];

    toy_write_code(t, 0x1000, code, ARRAY_SIZE(code));
    cpu->env->r[1] = 77;
    cpu->env->r[3] = TOY_IO;
    toy_start_at(cpu, 0x1000);
    toy_run(t);
    g_assert_cmpuint(t->io_writes, ==, 1);
    g_assert_cmpuint(cpu->env->r[2], ==, 77 + 8);
    g_assert_cmpint(cpu->last_exception, ==, TOY_FAULT); /* no atomics on device registers */
    g_assert_cmphex(cpu->fault_pc, ==, 0x1008);

    cpu->env->r[3] = TOY_IO + 0x100000; /* nothing there */
    toy_start_at(cpu, 0x1000);
    toy_run(t);
    g_assert_cmpint(cpu->last_exception, ==, TOY_FAULT);
    g_assert_cmphex(cpu->fault_pc, ==, 0x1000);
    toy_machine_free(t);
}

/* --- Threads --- */

static void test_threads(gconstpointer accel)
{
    static const uint32_t code[] = {
        TOY(TOY_AMO, 2, 3, 1),
        TOY(TOY_ADDI, 1, 1, 1),
        TOY(TOY_BNE, 1, 5, -2),
        TOY(TOY_HALT, 0, 0, 0),
    };
    enum { N = 4, ROUNDS = 20000 };
    ToyMachine *t = toy_machine_new(accel, N);

    toy_write_code(t, 0x1000, code, ARRAY_SIZE(code));
    for (unsigned i = 0; i < N; i++) {
        t->cpus[i]->env->r[3] = 0x8000;
        t->cpus[i]->env->r[5] = ROUNDS;
        toy_start_at(t->cpus[i], 0x1000);
    }
    cpus_resume_all(t->m);
    for (unsigned i = 0; i < 50; i++) { /* the same code, written again under their feet */
        toy_write_code(t, 0x1000, code, ARRAY_SIZE(code));
        cpus_pause_all(t->m);
        g_assert_false(cpus_running(t->m));
        cpus_resume_all(t->m);
    }
    toy_run(t);
    for (unsigned i = 0; i < N; i++) {
        check_halted(t->cpus[i]);
    }
    g_assert_cmpuint(toy_peek(t, 0x8000), ==, N * ROUNDS);
    toy_machine_free(t);
}

static void note_thread(CpuState *cpu, void *opaque)
{
    g_assert_true(machine_lock_held());
    *(GThread **)opaque = g_thread_self();
}

/* An endless loop is left for work, a pause, and ends with its thread. */
static void test_kick(gconstpointer accel)
{
    static const uint32_t code[] = {TOY(TOY_ADDI, 1, 1, 1), TOY(TOY_BNE, 1, 0, -1),
                                    TOY(TOY_HALT, 0, 0, 0)};
    ToyMachine *t = toy_machine_new(accel, 1);
    ToyCpu *cpu = t->cpus[0];
    GThread *thread = NULL;
    uint64_t before;

    toy_write_code(t, 0x1000, code, ARRAY_SIZE(code));
    toy_start_at(cpu, 0x1000);
    cpus_resume_all(t->m);
    cpu_run_on(&cpu->cpu, note_thread, &thread, true);
    g_assert_nonnull(thread);
    g_assert_true(thread != g_thread_self());
    cpus_pause_all(t->m);
    before = cpu->env->r[1];
    g_usleep(2000);
    g_assert_cmpuint(cpu->env->r[1], ==, before);
    thread = NULL;
    cpu_run_on(&cpu->cpu, note_thread, &thread, true); /* also while paused */
    g_assert_nonnull(thread);
    cpus_resume_all(t->m);
    toy_machine_free(t);
}

/* A halted CPU sleeps until an interrupt. */
static void test_idle(gconstpointer accel)
{
    static const uint32_t code[] = {TOY(TOY_HALT, 0, 0, 0)};
    ToyMachine *t = toy_machine_new(accel, 1);
    ToyCpu *cpu = t->cpus[0];
    uint64_t loops;

    toy_write_code(t, 0x1000, code, 1);
    toy_start_at(cpu, 0x1000);
    toy_run(t);
    loops = stats(t)->loops;
    cpus_resume_all(t->m);
    g_usleep(2000);
    g_assert_cmpuint(stats(t)->loops, ==, loops);
    cpu->last_exception = -1;
    cpu_interrupt_set(&cpu->cpu, 1);
    while (__atomic_load_n(&cpu->last_exception, __ATOMIC_SEQ_CST) < 0) {
        g_usleep(100);
    }
    cpus_pause_all(t->m);
    check_halted(cpu); /* ran the instruction at pc again */
    toy_machine_free(t);
}

/* --- Debugger --- */

static int last_stop;
static gint stops;

static void stop_hook(void *opaque, CpuState *cpu, CpuStop why)
{
    last_stop = why;
    g_atomic_int_inc(&stops);
}

static void run_to_stop(ToyMachine *t)
{
    gint before = g_atomic_int_get(&stops);

    cpus_resume_all(t->m);
    machine_unlock();
    while (g_atomic_int_get(&stops) == before) {
        g_usleep(100);
    }
    machine_lock();
    cpus_pause_all(t->m);
}

static void test_debug(gconstpointer accel)
{
    static const uint32_t code[] = {
        TOY(TOY_ADDI, 1, 1, 1),
        TOY(TOY_ST, 1, 3, 0),
        TOY(TOY_ADDI, 1, 1, 1),
        TOY(TOY_HALT, 0, 0, 0),
    };
    ToyMachine *t = toy_machine_new(accel, 1);
    ToyCpu *cpu = t->cpus[0];
    GuestVA bp = 0x1008;
    CpuWatch watch = {.addr = 0x8004, .len = 1, .kinds = PROT_W};
    CpuWatch second = {.addr = 0x8006, .len = 8, .kinds = PROT_R | PROT_W};

    cpus_set_stop_hook(t->m, stop_hook, NULL);
    toy_write_code(t, 0x1000, code, ARRAY_SIZE(code));
    cpu->env->r[3] = 0x8000;
    toy_start_at(cpu, 0x1000);
    toy_run(t); /* translated without a thought of debuggers */

    g_array_append_val(cpu->cpu.breakpoints, bp);
    cpu_debug_changed(&cpu->cpu);
    toy_start_at(cpu, 0x1000);
    run_to_stop(t);
    g_assert_cmpint(last_stop, ==, CPU_STOP_BREAKPOINT);
    g_assert_cmphex(cpu->env->tcg.pc, ==, 0x1008);
    g_assert_cmpuint(cpu->env->r[1], ==, 3);

    g_array_set_size(cpu->cpu.breakpoints, 0);
    cpu_debug_changed(&cpu->cpu);
    cpu->cpu.singlestep = true;
    run_to_stop(t);
    g_assert_cmpint(last_stop, ==, CPU_STOP_STEP);
    g_assert_cmphex(cpu->env->tcg.pc, ==, 0x100c);
    cpu->cpu.singlestep = false;

    g_array_append_val(cpu->cpu.watchpoints, watch);
    g_array_append_val(cpu->cpu.watchpoints, second);
    cpu_debug_changed(&cpu->cpu);
    toy_start_at(cpu, 0x1000);
    run_to_stop(t);
    g_assert_cmpint(last_stop, ==, CPU_STOP_WATCH);
    for (unsigned i = 0; i < 2; i++) {
        const CpuWatch *w = &g_array_index(cpu->cpu.watchpoints, CpuWatch, i);

        g_assert_true(w->hit);
        g_assert_cmphex(w->hit_at, ==, w->addr);
    }
    g_assert_cmphex(cpu->env->tcg.pc, ==, 0x1008); /* the store is done */
    g_assert_cmpuint(toy_peek(t, 0x8000), ==, cpu->env->r[1]);
    cpus_set_stop_hook(t->m, NULL, NULL);
    toy_machine_free(t);
}

static void test_debug_memory(gconstpointer accel)
{
    ToyMachine *t = toy_machine_new(accel, 1);
    ToyCpu *cpu = t->cpus[0];
    uint64_t v = 0x0123456789abcdefULL, got = 0;

    toy_map(cpu, 0x11000, 0x22000, 0, PROT_R);
    toy_map(cpu, 0x12000, 0x24000, 0, PROT_R);
    g_assert_true(cpu_debug_write(&cpu->cpu, 0x11ffc, &v, 8));
    g_assert_true(cpu_debug_read(&cpu->cpu, 0x11ffc, &got, 8));
    g_assert_cmphex(got, ==, v);
    g_assert_cmphex(toy_peek(t, 0x24000), ==, 0x01234567);
    g_assert_false(cpu_debug_read(&cpu->cpu, 0x12ffc, &got, 8)); /* 0x13000 is a hole */
    toy_machine_free(t);
}

static void add(const char *accel, const char *name, GTestDataFunc fn)
{
    g_autofree char *path = g_strdup_printf("/accel/%s/%s", accel, name);

    g_test_add_data_func(path, accel, fn);
}

int main(int argc, char **argv)
{
    static const char *const accels[] = {"tci", CONFIG_JIT ? "tcg" : NULL};

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(accels) && accels[i]; i++) {
        const char *accel = accels[i];

        add(accel, "loop", test_loop);
        add(accel, "pages", test_pages);
        add(accel, "eviction", test_eviction);
        add(accel, "smc-self", test_smc_self);
        add(accel, "smc-other", test_smc_other);
        add(accel, "dirty-again", test_dirty_again);
        add(accel, "smc-reuse", test_smc_reuse);
        add(accel, "spaces", test_spaces);
        add(accel, "flush", test_flush);
        add(accel, "flush-code", test_flush_code);
        add(accel, "flush-other-code", test_flush_other_code);
        add(accel, "faults", test_faults);
        add(accel, "devices", test_devices);
        add(accel, "threads", test_threads);
        add(accel, "kick", test_kick);
        add(accel, "idle", test_idle);
        add(accel, "debug", test_debug);
        add(accel, "debug-memory", test_debug_memory);
    }
    return g_test_run();
}
