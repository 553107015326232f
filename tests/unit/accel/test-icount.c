/* SPDX-License-Identifier: MIT */
/* Counting instructions: exact counts at every exit, timers at exact instructions, turns; on the toy CPU. */
#include "rhea/osdep.h"

#include "accel/core/engine.h"
#include "toy.h"

enum { CODE = 0x1000, DATA = 0x8000, SHIFT = 3 };

static ToyMachine *counting_machine(const char *accel, unsigned ncpus)
{
    ToyMachine *t;

    qom_global_add("translator-accel", "icount", "3");
    qom_global_add("translator-accel", "icount-sleep", "off");
    t = toy_machine_new(accel, ncpus);
    clock_set_running(t->m->clock[CLOCK_VIRTUAL], true);
    return t;
}

static void counting_machine_free(ToyMachine *t)
{
    clock_set_running(t->m->clock[CLOCK_VIRTUAL], false);
    toy_machine_free(t);
    qom_global_add("translator-accel", "icount", "off");
}

/* Three instructions a round, left by the branch in the middle of the block. */
static const uint32_t loop[] = {
    TOY(TOY_ADDI, 1, 1, 1), TOY(TOY_ADD, 2, 1, 0), TOY(TOY_BNE, 1, 3, -2),
    TOY(TOY_ADDI, 4, 4, 1), TOY(TOY_ST, 4, 5, 0),  TOY(TOY_HALT, 0, 0, 0),
};

static void start_loop(ToyMachine *t, unsigned cpu, uint64_t rounds, GuestVA to)
{
    toy_write_code(t, CODE, loop, ARRAY_SIZE(loop));
    memset(t->cpus[cpu]->env->r, 0, sizeof(t->cpus[cpu]->env->r));
    t->cpus[cpu]->env->r[3] = rounds;
    t->cpus[cpu]->env->r[5] = to;
    toy_start_at(t->cpus[cpu], CODE);
}

static void test_exact(gconstpointer accel)
{
    ToyMachine *t = counting_machine(accel, 1);
    ToyCpu *cpu = t->cpus[0];
    Clock *c = t->m->clock[CLOCK_VIRTUAL];
    uint64_t insns;
    int64_t ns;

    start_loop(t, 0, 1000, DATA);
    toy_run(t);
    g_assert_cmpuint(cpu->cpu.insns, ==, 3000 + 2); /* HALT raises: it is not complete */
    insns = cpu->cpu.insns;
    ns = clock_now_ns(c);
    start_loop(t, 0, 1, TOY_IO); /* the device access is redone alone: it counts once */
    toy_run(t);
    g_assert_cmpuint(t->io_writes, ==, 1);
    g_assert_cmpuint(cpu->cpu.insns - insns, ==, 3 + 2);
    g_assert_cmpint(clock_now_ns(c) - ns, ==, (3 + 2 + 1) << SHIFT); /* and the exception */
    insns = cpu->cpu.insns;
    toy_map(cpu, CODE, CODE, 0, PROT_R | PROT_X);
    cpu_tlb_flush(&cpu->cpu, ~0ULL);
    start_loop(t, 0, 2, DATA); /* the store faults */
    toy_run(t);
    g_assert_cmpint(cpu->last_exception, ==, TOY_FAULT);
    g_assert_cmpuint(cpu->cpu.insns - insns, ==, 6 + 1);
    counting_machine_free(t);
}

/* --- Timers --- */

typedef struct Alarm {
    ClockTimer timer;
    ToyMachine *t;
    unsigned rings;
    uint64_t insns[4];
    int64_t ns[4];
} Alarm;

static void alarm_rings(void *opaque)
{
    Alarm *a = opaque;

    g_assert_true(machine_lock_held());
    a->insns[a->rings] = cpu_insns(&a->t->cpus[0]->cpu);
    a->ns[a->rings] = clock_now_ns(a->timer.clock);
    if (++a->rings < ARRAY_SIZE(a->insns)) {
        clock_timer_arm(&a->timer, a->ns[a->rings - 1] + (777 << SHIFT) - 1); /* rounded up */
    }
}

static void test_timer(gconstpointer accel)
{
    ToyMachine *t = counting_machine(accel, 1);
    Alarm a = {.t = t};

    clock_timer_init(&a.timer, t->m->clock[CLOCK_VIRTUAL], alarm_rings, &a);
    clock_timer_arm(&a.timer, 1000 << SHIFT);
    start_loop(t, 0, 5000, DATA);
    toy_run(t);
    g_assert_cmpuint(a.rings, ==, ARRAY_SIZE(a.insns));
    for (unsigned i = 0; i < a.rings; i++) {
        g_assert_cmpuint(a.insns[i], ==, 1000 + 777 * i);
        g_assert_cmpint(a.ns[i], ==, (1000 + 777 * i) << SHIFT);
    }
    counting_machine_free(t);
}

/* With every CPU halted the time jumps to the timer. */
static void wake_up(void *opaque)
{
    ToyMachine *t = opaque;

    t->cpus[0]->env->tcg.pc = CODE;
    t->cpus[0]->env->r[1] = 0;
    cpu_interrupt_set(&t->cpus[0]->cpu, 1);
}

static bool has_run_twice(ToyMachine *t)
{
    return __atomic_load_n(&t->cpus[0]->cpu.insns, __ATOMIC_SEQ_CST) >= 2 * (30 + 2);
}

static void test_skip(gconstpointer accel)
{
    ToyMachine *t = counting_machine(accel, 1);
    gint64 start = g_get_monotonic_time();
    ClockTimer timer;

    clock_timer_init(&timer, t->m->clock[CLOCK_VIRTUAL], wake_up, t);
    clock_timer_arm(&timer, 1000 * NS_PER_S);
    start_loop(t, 0, 10, DATA);
    cpus_resume_all(t->m);
    while (!has_run_twice(t)) {
        g_assert_cmpint(g_get_monotonic_time() - start, <, 20 * G_USEC_PER_SEC);
        machine_unlock();
        g_usleep(200);
        machine_lock();
    }
    cpus_pause_all(t->m);
    g_assert_cmpint(clock_now_ns(t->m->clock[CLOCK_VIRTUAL]), >=, 1000 * NS_PER_S);
    counting_machine_free(t);
}

/* --- Turns --- */

/* Is another CPU in a helper at the same time? */
static unsigned inside, together;

static uint64_t hook_inside(ToyCpu *cpu, uint64_t a, uint64_t b)
{
    if (__atomic_fetch_add(&inside, 1, __ATOMIC_SEQ_CST)) {
        together++;
    }
    g_usleep(50);
    __atomic_fetch_sub(&inside, 1, __ATOMIC_SEQ_CST);
    return b;
}

static void test_turns(gconstpointer accel)
{
    static const uint32_t code[] = {
        TOY(TOY_CALL, 2, 2, 0),
        TOY(TOY_ADDI, 1, 1, 1),
        TOY(TOY_BNE, 1, 3, -2),
        TOY(TOY_HALT, 0, 0, 0),
    };
    static const ToyHook hook = hook_inside;
    ToyMachine *t;

    together = 0;
    qom_global_add("translator-accel", "thread", "single");
    t = toy_machine_new(accel, 4);
    toy_write_code(t, CODE, code, ARRAY_SIZE(code));
    for (unsigned i = 0; i < t->ncpus; i++) {
        t->cpus[i]->hooks = &hook;
        t->cpus[i]->env->r[3] = 500; /* longer than a turn */
        toy_start_at(t->cpus[i], CODE);
    }
    toy_run(t);
    for (unsigned i = 0; i < t->ncpus; i++) {
        g_assert_cmpuint(t->cpus[i]->env->r[1], ==, 500);
    }
    g_assert_cmpuint(together, ==, 0);
    toy_machine_free(t);
    qom_global_add("translator-accel", "thread", "multi");
}

/* CPU 0 waits for what CPU 1 does: its turn must end. */
static void test_turns_end(gconstpointer accel)
{
    static const uint32_t wait[] = {
        TOY(TOY_LD, 1, 5, 0),
        TOY(TOY_BNE, 1, 3, -1),
        TOY(TOY_HALT, 0, 0, 0),
    };
    ToyMachine *t = counting_machine(accel, 2);
    uint64_t insns;

    for (unsigned round = 0; round < 2; round++) {
        toy_poke(t, DATA, 0);
        start_loop(t, 1, 50000, DATA);
        toy_write_code(t, CODE + 0x1000, wait, ARRAY_SIZE(wait));
        t->cpus[0]->env->r[3] = 1;
        t->cpus[0]->env->r[5] = DATA;
        toy_start_at(t->cpus[0], CODE + 0x1000);
        insns = round ? insns : 0;
        toy_run(t);
        g_assert_cmpuint(t->cpus[1]->cpu.insns, ==, (round + 1) * (150000 + 2));
        if (round) { /* the same order of turns */
            g_assert_cmpuint(t->cpus[0]->cpu.insns, ==, 2 * insns);
        }
        insns = t->cpus[0]->cpu.insns;
    }
    counting_machine_free(t);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        GTestDataFunc fn;
    } tests[] = {
        {"exact", test_exact}, {"timer", test_timer},         {"skip", test_skip},
        {"turns", test_turns}, {"turns-end", test_turns_end},
    };
    static const char *const accels[] = {"tci", CONFIG_JIT ? "tcg" : NULL};

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(accels) && accels[i]; i++) {
        for (unsigned k = 0; k < ARRAY_SIZE(tests); k++) {
            g_autofree char *path = g_strdup_printf("/icount/%s/%s", accels[i], tests[k].name);

            g_test_add_data_func(path, accels[i], tests[k].fn);
        }
    }
    return g_test_run();
}
