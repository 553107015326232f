/* SPDX-License-Identifier: MIT */
/*
 * Several vCPUs run code that one of them keeps rewriting, on the toy CPU: no vCPU may run an instruction
 * older than what it has been told of.
 */
#include "rhea/osdep.h"

#include <signal.h>
#include <sys/syscall.h>

#include "accel/core/engine.h"
#include "toy.h"

enum { WRITER = 0x1000, READER = 0x2000, CODE = 0x5000, TOLD = 0x8000, SEEN = 0x8100 };
enum { ROUNDS = 1500, LAG = 20, CPUS = 3 };

static unsigned stale;
static bool done;

/* The instruction of generation @b: "r1 = b", eight bits of it. */
static uint64_t hook_insn(ToyCpu *cpu, uint64_t a, uint64_t b)
{
    return TOY(TOY_ADDI, 1, 0, b);
}

/* 1 when the readers have not fallen so far behind @b that eight bits do not tell. */
static uint64_t hook_may_go_on(ToyCpu *cpu, uint64_t a, uint64_t b)
{
    for (unsigned i = 1; i < CPUS; i++) {
        uint64_t seen = cpu_load(&cpu->cpu, SEEN + 8 * i, IR_MEM_64, 0);

        if (b - seen > LAG) {
            return 0;
        }
    }
    return 1;
}

/* @a: what the code said; @b: what the vCPU had been told before it ran the code. */
static uint64_t hook_check(ToyCpu *cpu, uint64_t a, uint64_t b)
{
    if ((int8_t)(a - b) < 0) {
        __atomic_fetch_add(&stale, 1, __ATOMIC_RELAXED);
    }
    cpu_store(&cpu->cpu, SEEN + 8 * cpu->cpu.index, b, IR_MEM_64, 0);
    return __atomic_load_n(&done, __ATOMIC_RELAXED);
}

static uint64_t hook_done(ToyCpu *cpu, uint64_t a, uint64_t b)
{
    __atomic_store_n(&done, true, __ATOMIC_RELAXED);
    return 0;
}

static const ToyHook hooks[] = {hook_insn, hook_may_go_on, hook_check, hook_done};

/* r1: the instruction, r2: generation, r3: CODE, r4: TOLD, r5: 1, r7: ROUNDS. */
static const uint32_t writer[] = {
    TOY(TOY_ADDI, 2, 2, 1), TOY(TOY_ST32, 1, 3, 0), /* the old one: the page is plain data now */
    TOY(TOY_ST32, 1, 3, 0), TOY(TOY_CALL, 1, 2, 0), /* a call: not one group of stores */
    TOY(TOY_ST32, 1, 3, 0), TOY(TOY_ST, 2, 4, 0),   TOY(TOY_CALL, 6, 2, 1), TOY(TOY_BNE, 6, 5, -1),
    TOY(TOY_BNE, 2, 7, -8), TOY(TOY_CALL, 6, 6, 3), TOY(TOY_HALT, 0, 0, 0),
};

/* r2: told, r3: CODE, r4: TOLD, r5: 0, r6: way back. */
static const uint32_t reader[] = {
    TOY(TOY_LD, 2, 4, 0),  TOY(TOY_JR, 3, 0, 0), TOY(TOY_CALL, 1, 2, 2),
    TOY(TOY_BNE, 1, 5, 2), TOY(TOY_JR, 7, 0, 0), TOY(TOY_HALT, 0, 0, 0),
};

/* --- Rewriting all the time --- */

/* The writer is held up anywhere, now and then between its look into the TLB and its write. */
static void hold_up(int sig)
{
    g_usleep(1000);
}

static gpointer hold_up_often(gpointer opaque)
{
    ToyCpu *cpu = opaque;

    while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
        int tid = cpu_thread_id(&cpu->cpu);

        if (tid) {
            syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
        }
        g_usleep(1500);
    }
    return NULL;
}

static void test_rewritten(gconstpointer accel)
{
    static const uint32_t code[] = {TOY(TOY_ADDI, 1, 0, 0), TOY(TOY_JR, 6, 0, 0)};
    ToyMachine *t = toy_machine_new(accel, CPUS);
    GThread *thread;

    stale = 0;
    done = false;
    toy_write_code(t, WRITER, writer, ARRAY_SIZE(writer));
    toy_write_code(t, READER, reader, ARRAY_SIZE(reader));
    toy_write_code(t, CODE, code, ARRAY_SIZE(code));
    for (unsigned i = 0; i < CPUS; i++) {
        ToyEnv *env = t->cpus[i]->env;

        t->cpus[i]->hooks = hooks;
        env->r[1] = code[0];
        env->r[3] = CODE;
        env->r[4] = TOLD;
        env->r[5] = i == 0;
        env->r[6] = READER + 8;
        env->r[7] = i ? READER : ROUNDS;
        toy_start_at(t->cpus[i], i ? READER : WRITER);
    }
    signal(SIGUSR1, hold_up);
    thread = g_thread_new("hold-up", hold_up_often, t->cpus[0]);
    toy_run(t);
    g_thread_join(thread);
    g_assert_cmpuint(t->cpus[0]->env->r[2], ==, ROUNDS);
    g_assert_cmpuint(stale, ==, 0);
    toy_machine_free(t);
}

/* --- Once, with the write stretched --- */

static bool in_window;

/* Writes through a pointer that it got before the other vCPU began to translate the page. */
static uint64_t hook_slow_write(ToyCpu *cpu, uint64_t a, uint64_t b)
{
    uint8_t *p = cpu_host_ptr(&cpu->cpu, CODE, 4, ACCESS_WRITE, 0);
    uint32_t insn = TOY(TOY_ADDI, 1, 0, 2);

    g_assert_nonnull(p);
    __atomic_store_n(&in_window, true, __ATOMIC_SEQ_CST);
    g_usleep(20000);
    memcpy(p, &insn, 4);
    return 0;
}

static uint64_t hook_wait_for_window(ToyCpu *cpu, uint64_t a, uint64_t b)
{
    while (!__atomic_load_n(&in_window, __ATOMIC_SEQ_CST)) {
        g_usleep(100);
    }
    return a;
}

static void test_under_way(gconstpointer accel)
{
    static const ToyHook slow_hooks[] = {hook_slow_write, hook_wait_for_window};
    static const uint32_t write[] = {TOY(TOY_CALL, 1, 1, 0), TOY(TOY_HALT, 0, 0, 0)};
    static const uint32_t run[] = {TOY(TOY_CALL, 3, 3, 1), TOY(TOY_JR, 3, 0, 0)};
    static const uint32_t code[] = {TOY(TOY_ADDI, 1, 0, 1), TOY(TOY_HALT, 0, 0, 0)};
    ToyMachine *t = toy_machine_new(accel, 2);

    in_window = false;
    toy_write_code(t, WRITER, write, ARRAY_SIZE(write));
    toy_write_code(t, READER, run, ARRAY_SIZE(run));
    toy_write_code(t, CODE, code, ARRAY_SIZE(code));
    for (unsigned i = 0; i < 2; i++) {
        t->cpus[i]->hooks = slow_hooks;
        t->cpus[i]->env->r[3] = CODE;
        toy_start_at(t->cpus[i], i ? READER : WRITER);
    }
    toy_run(t);
    toy_start_at(t->cpus[1], CODE); /* by now the write is seen by everybody */
    toy_run(t);
    g_assert_cmpuint(t->cpus[1]->env->r[1], ==, 2);
    toy_machine_free(t);
}

/* --- Who is waited for --- */

/* Page by page: only what another vCPU holds in its inline TLB makes a translator wait. */
static void test_waits(gconstpointer accel)
{
    static const uint32_t write[] = {TOY(TOY_ST, 1, 3, 0), TOY(TOY_ST, 1, 3, 0),
                                     TOY(TOY_HALT, 0, 0, 0)};
    static const uint32_t code[] = {TOY(TOY_ADDI, 1, 0, 1), TOY(TOY_HALT, 0, 0, 0)};
    ToyMachine *t = toy_machine_new(accel, 2);
    Engine *e = (Engine *)t->accel;
    uint64_t ram = t->ram.ram->ram_addr;

    toy_write_code(t, WRITER, write, ARRAY_SIZE(write));
    for (unsigned i = 0; i < 2; i++) {
        toy_write_code(t, CODE + 0x1000 * i, code, ARRAY_SIZE(code));
        t->cpus[0]->env->r[3] = CODE + 0x800;
        toy_start_at(t->cpus[i], i ? CODE + 0x1000 : WRITER);
    }
    toy_run(t);
    toy_start_at(t->cpus[1], CODE);
    toy_run(t);
    g_assert_cmpuint(smc_page_find(e, ram + CODE)->epoch, >, 0);
    g_assert_cmpuint(smc_page_find(e, ram + CODE + 0x1000)->epoch, ==, 0);
    toy_machine_free(t);
}

static void add(const char *accel, const char *name, GTestDataFunc fn)
{
    g_autofree char *path = g_strdup_printf("/smc/%s/%s", accel, name);

    g_test_add_data_func(path, accel, fn);
}

int main(int argc, char **argv)
{
    static const char *const accels[] = {"tci", CONFIG_JIT ? "tcg" : NULL};

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(accels) && accels[i]; i++) {
        add(accels[i], "rewritten", test_rewritten);
        add(accels[i], "under-way", test_under_way);
        add(accels[i], "waits", test_waits);
    }
    return g_test_run();
}
