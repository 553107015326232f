/* SPDX-License-Identifier: MIT */
/* Guest memory from helpers (cpu_load() and its kin), atomics anywhere and exclusive sections, on the toy CPU. */
#include "rhea/osdep.h"

#include "accel/core/engine.h"
#include "rhea/endian.h"
#include "toy.h"

enum { CODE = 0x1000, DATA = 0x8000 };

/* Runs hook 0 with @a and @b on the first CPU; its result. */
static uint64_t run_hook(ToyMachine *t, ToyHook hook, uint64_t a, uint64_t b)
{
    static const uint32_t code[] = {
        TOY(TOY_ADDI, 4, 4, 1),
        TOY(TOY_CALL, 1, 2, 0),
        TOY(TOY_HALT, 0, 0, 0),
    };
    ToyCpu *cpu = t->cpus[0];

    cpu->hooks = &hook;
    toy_write_code(t, CODE, code, ARRAY_SIZE(code));
    cpu->env->r[1] = a;
    cpu->env->r[2] = b;
    toy_start_at(cpu, CODE);
    toy_run(t);
    return cpu->env->r[1];
}

/* --- Loads and stores --- */

static uint64_t hook_load(ToyCpu *cpu, uint64_t va, uint64_t mem)
{
    return cpu_load(&cpu->cpu, va, mem, 0);
}

static uint64_t hook_store(ToyCpu *cpu, uint64_t va, uint64_t value)
{
    cpu_store(&cpu->cpu, va, value, IR_MEM_64, 0);
    return cpu_load(&cpu->cpu, va, IR_MEM_64, 0);
}

static void test_load_store(gconstpointer accel)
{
    ToyMachine *t = toy_machine_new(accel, 1);

    toy_poke(t, DATA, 0x80f1f2f3f4f5f6f7ULL);
    g_assert_cmphex(run_hook(t, hook_load, DATA + 6, IR_MEM_8), ==, 0xf1);
    g_assert_cmphex(run_hook(t, hook_load, DATA + 6, IR_MEM_16 | IR_MEM_SIGNED), ==,
                    0xffffffffffff80f1ULL);
    g_assert_cmphex(run_hook(t, hook_load, TOY_IO + 16, IR_MEM_32), ==, 16);
    for (unsigned off = 0; off < 8; off++) { /* over the page's end, twice: slow, then cached */
        GuestVA va = DATA + 0xff8 + off;

        g_assert_cmphex(run_hook(t, hook_store, va, 0x0123456789abcdefULL + off), ==,
                        0x0123456789abcdefULL + off);
        g_assert_cmphex(toy_peek(t, va), ==, 0x0123456789abcdefULL + off);
    }
    run_hook(t, hook_store, TOY_IO, 99);
    g_assert_cmpuint(t->io_writes, ==, 1);
    g_assert_cmpuint(t->io_value, ==, 99);
    toy_machine_free(t);
}

/* --- Flash --- */

typedef struct Flash {
    MemRegion mem;
    unsigned writes;
} Flash;

static uint64_t flash_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0x5a;
}

/* As flash does: a command takes the array away, another one brings it back. */
static void flash_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Flash *f = opaque;

    f->writes++;
    mem_set_romd(&f->mem, value == 0xff);
}

/*
 * In one block, whose page a block before it has brought into the TLB: reads on both sides of a command
 * see the array and the device, and each command comes once.
 */
static void test_flash(gconstpointer accel)
{
    static const MemOps ops = {
        .read = flash_read, .write = flash_write, .impl_min = 1, .impl_max = 8};
    static const uint32_t code[] = {
        TOY(TOY_LD, 1, 7, 0), TOY(TOY_BNE, 1, 0, 1), TOY(TOY_LD, 1, 7, 0), TOY(TOY_ST, 6, 7, 0),
        TOY(TOY_LD, 2, 7, 0), TOY(TOY_ST, 5, 7, 0),  TOY(TOY_LD, 3, 7, 0), TOY(TOY_HALT, 0, 0, 0)};
    ToyMachine *t = toy_machine_new(accel, 1);
    uint64_t *r = t->cpus[0]->env->r;
    Error *err = NULL;
    Flash f = {0};
    bool ok = mem_init_rom_device(&f.mem, NULL, &ops, &f, "flash", 0x1000, &err);

    g_assert_true(ok);
    st64_le(f.mem.ram->host, 7);
    mem_add(t->m->system_memory, 2 * TOY_IO, &f.mem);
    toy_write_code(t, CODE, code, ARRAY_SIZE(code));
    r[5] = 0xff;
    r[6] = 0x70;
    r[7] = 2 * TOY_IO;
    toy_start_at(t->cpus[0], CODE);
    toy_run(t);
    g_assert_cmphex(r[1], ==, 7);
    g_assert_cmphex(r[2], ==, 0x5a);
    g_assert_cmphex(r[3], ==, 7);
    g_assert_cmpuint(f.writes, ==, 2);
    mem_remove(&f.mem);
    mem_fini(&f.mem);
    toy_machine_free(t);
}

/* --- Faults --- */

/* The second page is read-only: the first is untouched, and pc is the helper's instruction. */
static void test_fault(gconstpointer accel)
{
    ToyMachine *t = toy_machine_new(accel, 1);
    ToyCpu *cpu = t->cpus[0];

    toy_map(cpu, CODE, CODE, 0, PROT_R | PROT_X);
    toy_map(cpu, 0x20000, DATA, 0, PROT_R | PROT_W);
    toy_map(cpu, 0x21000, DATA + 0x1000, 0, PROT_R);
    run_hook(t, hook_store, 0x20ffc, ~0ULL);
    g_assert_cmpint(cpu->last_exception, ==, TOY_FAULT);
    g_assert_cmphex(cpu->fault_va, ==, 0x21000);
    g_assert_cmphex(cpu->fault_pc, ==, CODE + 4);
    g_assert_cmpuint(cpu->env->r[4], ==, 1);
    g_assert_cmphex(toy_peek(t, DATA + 0xff8), ==, 0);
    run_hook(t, hook_load, 0x20001, IR_MEM_16 | IR_MEM_ALIGN);
    g_assert_cmpint(cpu->last_exception, ==, TOY_FAULT);
    g_assert_cmphex(cpu->fault_va, ==, 0x20001);
    toy_machine_free(t);
}

/* An index other than the key's: its inline entries may be of another space. */
static uint64_t hook_other_mmu(ToyCpu *cpu, uint64_t va, uint64_t b)
{
    uint64_t first = cpu_load(&cpu->cpu, va, IR_MEM_64, 1);

    cpu->env->space = 1;
    cpu_context_changed(&cpu->cpu);
    return first << 8 | cpu_load(&cpu->cpu, va, IR_MEM_64, 1);
}

static void test_other_mmu(gconstpointer accel)
{
    ToyMachine *t = toy_machine_new(accel, 1);

    toy_map(t->cpus[0], CODE, CODE, ~0ULL, PROT_R | PROT_X);
    toy_map(t->cpus[0], 0x20000, DATA, 0, PROT_R);
    toy_map(t->cpus[0], 0x20000, DATA + 0x1000, 1, PROT_R);
    toy_poke(t, DATA, 1);
    toy_poke(t, DATA + 0x1000, 2);
    g_assert_cmphex(run_hook(t, hook_other_mmu, 0x20000, 0), ==, 0x102);
    toy_machine_free(t);
}

/* --- Probes and host pointers --- */

static unsigned probed;

static uint64_t hook_probe(ToyCpu *cpu, uint64_t va, uint64_t len)
{
    cpu_probe(&cpu->cpu, va, len, ACCESS_WRITE, 0);
    probed++;
    return 0;
}

static void test_probe(gconstpointer accel)
{
    ToyMachine *t = toy_machine_new(accel, 1);
    ToyCpu *cpu = t->cpus[0];

    probed = 0;
    toy_map(cpu, CODE, CODE, 0, PROT_R | PROT_X);
    toy_map(cpu, 0x20000, DATA, 0, PROT_R | PROT_W);
    toy_map(cpu, 0x21000, DATA, 0, PROT_R | PROT_W);
    run_hook(t, hook_probe, 0x20010, 0x1ff0);
    g_assert_cmpint(cpu->last_exception, ==, TOY_HALTED);
    run_hook(t, hook_probe, 0x20010, 0x1ff1);
    g_assert_cmpint(cpu->last_exception, ==, TOY_FAULT);
    g_assert_cmphex(cpu->fault_va, ==, 0x22000);
    g_assert_cmpuint(probed, ==, 1);
    toy_machine_free(t);
}

static uint64_t hook_host_ptr(ToyCpu *cpu, uint64_t va, uint64_t len)
{
    uint8_t *p = cpu_host_ptr(&cpu->cpu, va, len, ACCESS_WRITE, 0);

    if (p) {
        memset(p, 0x5a, len);
    }
    return p != NULL;
}

static void test_host_ptr(gconstpointer accel)
{
    ToyMachine *t = toy_machine_new(accel, 1);

    g_assert_cmpuint(run_hook(t, hook_host_ptr, DATA + 8, 16), ==, 1);
    g_assert_cmphex(toy_peek(t, DATA), ==, 0);
    g_assert_cmphex(toy_peek(t, DATA + 16), ==, 0x5a5a5a5a5a5a5a5aULL);
    g_assert_cmphex(toy_peek(t, DATA + 24), ==, 0);
    g_assert_cmpuint(run_hook(t, hook_host_ptr, DATA + 0xff8, 9), ==, 0);
    g_assert_cmpuint(run_hook(t, hook_host_ptr, DATA, 0), ==, 0);
    g_assert_cmpuint(run_hook(t, hook_host_ptr, TOY_IO, 8), ==, 0);
    g_assert_cmpuint(run_hook(t, hook_host_ptr, CODE + 0x800, 8), ==, 0); /* translations */
    toy_machine_free(t);
}

/* --- Atomics --- */

static uint64_t hook_cas(ToyCpu *cpu, uint64_t va, uint64_t expect)
{
    return cpu_cas(&cpu->cpu, va, expect, expect + 1, IR_MEM_32, 0);
}

static uint64_t hook_atomic(ToyCpu *cpu, uint64_t va, uint64_t value)
{
    return cpu_atomic(&cpu->cpu, va, value, IR_ATOMIC_MAX, IR_MEM_16, 0);
}

static void test_atomic_anywhere(gconstpointer accel)
{
    static const GuestVA places[] = {DATA, DATA + 3, DATA + 0xffd, TOY_IO};
    ToyMachine *t = toy_machine_new(accel, 1);

    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        GuestVA va = places[i];
        bool io = va == TOY_IO;

        run_hook(t, hook_store, va, 41);
        g_assert_cmpuint(run_hook(t, hook_cas, va, 40), ==, 41);
        g_assert_cmpuint(run_hook(t, hook_cas, va, 41), ==, 41);
        g_assert_cmpuint(io ? t->io_value : toy_peek(t, va), ==, 42);
        g_assert_cmpuint(run_hook(t, hook_atomic, va, 0xffff), ==, 42); /* -1 */
        g_assert_cmpuint(io ? t->io_value : toy_peek(t, va), ==, 42);
        g_assert_cmpuint(run_hook(t, hook_atomic, va, 99), ==, 42);
        g_assert_cmpuint(io ? t->io_value : toy_peek(t, va), ==, 99);
    }
    toy_machine_free(t);
}

static uint64_t hook_cas128(ToyCpu *cpu, uint64_t va, uint64_t low)
{
    uint64_t expect[2] = {low, 7}, desired[2] = {low + 1, 8};
    bool done = cpu_cas128(&cpu->cpu, va, expect, desired, 0);

    return expect[0] << 16 | expect[1] << 8 | done;
}

static void test_cas128(gconstpointer accel)
{
    ToyMachine *t = toy_machine_new(accel, 1);

    for (GuestVA va = DATA; va < DATA + 0x1000; va += 0xff4) { /* aligned, and over a page's end */
        toy_poke(t, va, 5);
        toy_poke(t, va + 8, 7);
        g_assert_cmphex(run_hook(t, hook_cas128, va, 4), ==, 0x50700);
        g_assert_cmpuint(toy_peek(t, va), ==, 5);
        g_assert_cmphex(run_hook(t, hook_cas128, va, 5), ==, 0x50701);
        g_assert_cmpuint(toy_peek(t, va), ==, 6);
        g_assert_cmpuint(toy_peek(t, va + 8), ==, 8);
    }
    toy_machine_free(t);
}

/* A read-modify-write over two pages, and one made of a load and a store in an exclusive section. */
static uint64_t hook_increment(ToyCpu *cpu, uint64_t va, uint64_t b)
{
    uint64_t v;

    cpu_exclusive_begin(&cpu->cpu);
    v = cpu_load(&cpu->cpu, va, IR_MEM_64, 0);
    cpu_store(&cpu->cpu, va, v + 1, IR_MEM_64, 0);
    cpu_exclusive_end(&cpu->cpu);
    return va;
}

static void test_exclusive(gconstpointer accel)
{
    static const uint32_t code[] = {
        TOY(TOY_AMO_ANY, 2, 3, 1), TOY(TOY_CALL, 4, 4, 0), TOY(TOY_AMO, 2, 7, 1),
        TOY(TOY_ADDI, 1, 1, 1),    TOY(TOY_BNE, 1, 5, -4), TOY(TOY_HALT, 0, 0, 0),
    };
    static const ToyHook hook = hook_increment;
    enum { N = 4, ROUNDS = 500 };
    ToyMachine *t = toy_machine_new(accel, N);

    toy_write_code(t, CODE, code, ARRAY_SIZE(code));
    for (unsigned i = 0; i < N; i++) {
        ToyEnv *env = t->cpus[i]->env;

        t->cpus[i]->hooks = &hook;
        env->r[3] = DATA + 0xffb;
        env->r[4] = DATA + 16;
        env->r[5] = ROUNDS;
        env->r[7] = DATA + 16; /* a host atomic on what the section works on */
        toy_start_at(t->cpus[i], CODE);
    }
    toy_run(t);
    g_assert_cmpuint(toy_peek(t, DATA + 0xffb), ==, N * ROUNDS);
    g_assert_cmpuint(toy_peek(t, DATA + 16), ==, 2 * N * ROUNDS);
    toy_machine_free(t);
}

/* A fault in an exclusive section ends it. */
static uint64_t hook_exclusive_fault(ToyCpu *cpu, uint64_t va, uint64_t b)
{
    cpu_exclusive_begin(&cpu->cpu);
    return cpu_load(&cpu->cpu, va, IR_MEM_64, 0);
}

static void test_exclusive_fault(gconstpointer accel)
{
    ToyMachine *t = toy_machine_new(accel, 1);

    toy_map(t->cpus[0], CODE, CODE, 0, PROT_R | PROT_X);
    for (unsigned round = 0; round < 2; round++) {
        run_hook(t, hook_exclusive_fault, 0x50000, 0);
        g_assert_cmpint(t->cpus[0]->last_exception, ==, TOY_FAULT);
    }
    toy_machine_free(t);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        GTestDataFunc fn;
    } tests[] = {
        {"load-store", test_load_store},
        {"flash", test_flash},
        {"fault", test_fault},
        {"other-mmu", test_other_mmu},
        {"probe", test_probe},
        {"host-ptr", test_host_ptr},
        {"atomic-anywhere", test_atomic_anywhere},
        {"cas128", test_cas128},
        {"exclusive", test_exclusive},
        {"exclusive-fault", test_exclusive_fault},
    };
    static const char *const accels[] = {"tci", CONFIG_JIT ? "tcg" : NULL};

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(accels) && accels[i]; i++) {
        for (unsigned k = 0; k < ARRAY_SIZE(tests); k++) {
            g_autofree char *path = g_strdup_printf("/access/%s/%s", accels[i], tests[k].name);

            g_test_add_data_func(path, accels[i], tests[k].fn);
        }
    }
    return g_test_run();
}
