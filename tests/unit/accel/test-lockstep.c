/* SPDX-License-Identifier: MIT */
/* -accel tcg,lockstep=on: effects happen once, and a fault planted into compiled code is found. */
#include "rhea/osdep.h"

#include "accel/core/engine.h"
#include "toy.h"

enum { CODE = 0x1000, DATA = 0x8000, PLANT = 0x55 };

static unsigned called;

static uint64_t hook_count(ToyCpu *cpu, uint64_t a, uint64_t b)
{
    called++;
    cpu->env->r[6] = 66;
    return a + b;
}

static const uint32_t program[] = {
    TOY(TOY_ADDI, 1, 1, PLANT), TOY(TOY_ST, 1, 3, 0),   TOY(TOY_LD, 2, 3, 1),
    TOY(TOY_CALL, 2, 1, 0),     TOY(TOY_ST, 2, 4, 0),   TOY(TOY_AMO, 5, 4, 1),
    TOY(TOY_ST_UNAL, 5, 4, 15), TOY(TOY_HALT, 0, 0, 0),
};

static ToyMachine *start(ToyHook const *hook)
{
    ToyMachine *t;

    qom_global_add("tcg-accel", "lockstep", "on");
    t = toy_machine_new("tcg", 1);
    toy_write_code(t, CODE, program, ARRAY_SIZE(program));
    t->cpus[0]->hooks = hook;
    return t;
}

static void run(ToyMachine *t)
{
    ToyEnv *env = t->cpus[0]->env;

    memset(env->r, 0, sizeof(env->r));
    env->r[3] = TOY_IO;
    env->r[4] = DATA;
    toy_start_at(t->cpus[0], CODE);
    toy_run(t);
}

static void test_once(void)
{
    static const ToyHook hook = hook_count;
    ToyMachine *t = start(&hook);
    ToyCpu *cpu = t->cpus[0];

    for (unsigned round = 1; round <= 3; round++) {
        run(t);
        g_assert_cmpint(cpu->last_exception, ==, TOY_HALTED);
        g_assert_cmphex(cpu->fault_pc, ==, CODE + 4 * (ARRAY_SIZE(program) - 1));
        g_assert_cmpuint(called, ==, round);
        g_assert_cmpuint(t->io_writes, ==, round);
        g_assert_cmpuint(cpu->env->r[6], ==, 66);
        g_assert_cmpuint(toy_peek(t, DATA), ==, PLANT + 8 + PLANT + 1);
        g_assert_cmpuint(toy_peek(t, DATA + 15), ==, PLANT + 8 + PLANT);
    }
    toy_machine_free(t);
}

/* A load that faults in the middle, with both in agreement. */
static void test_fault(void)
{
    static const ToyHook hook = hook_count;
    ToyMachine *t = start(&hook);
    ToyCpu *cpu = t->cpus[0];

    toy_map(cpu, CODE, CODE, 0, PROT_R | PROT_X);
    toy_map(cpu, TOY_IO, TOY_IO, 0, PROT_W);
    run(t);
    g_assert_cmpint(cpu->last_exception, ==, TOY_FAULT);
    g_assert_cmphex(cpu->fault_pc, ==, CODE + 8);
    g_assert_cmpuint(cpu->env->r[1], ==, PLANT);
    toy_machine_free(t);
}

/* The constant in the compiled code becomes another. */
static void plant(ToyMachine *t)
{
    Engine *e = (Engine *)t->accel;
    Block *b = cache_find(e, t->ram.ram->ram_addr + CODE, 0, NO_RAM);
    unsigned found = 0;

    g_assert_nonnull(b);
    for (uint32_t i = 0; i < b->code.hot_size; i++) {
        if (b->code.rw[i] == PLANT) {
            b->code.rw[i]++;
            found++;
        }
    }
    g_assert_cmpuint(found, >, 0);
}

static void test_planted(void)
{
    static const ToyHook hook = hook_count;

    if (g_test_subprocess()) {
        ToyMachine *t = start(&hook);

        run(t);
        plant(t);
        run(t);
        toy_machine_free(t);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*lockstep: CPU 0, block at 0x1000*event 0: store*guest code*"
                              "r1 *0x0000000000000056*0x0000000000000055*<--*IR:*host code:*");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (CONFIG_JIT) {
        g_test_add_func("/lockstep/once", test_once);
        g_test_add_func("/lockstep/fault", test_fault);
        g_test_add_func("/lockstep/planted", test_planted);
    }
    return g_test_run();
}
