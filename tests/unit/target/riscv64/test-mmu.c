/* SPDX-License-Identifier: MIT */
/* Page walks over tables built in a fake RAM, and PMP. */
#include "rhea/osdep.h"

#include "target/riscv64/pmp.h"
#include "tests/unit/target/riscv64/fake.h"

enum { V = 1, R = 2, W = 4, X = 8, U = 16, G = 32, A = 64, D = 128 };
#define PTE_N (1ULL << 63)

static const GuestPA root = FAKE_RAM_BASE + 0x1000;
static const GuestPA page = FAKE_RAM_BASE + 0x40000;
static GuestPA next_table;

static uint64_t pte(GuestPA pa, uint64_t bits)
{
    return pa >> 12 << 10 | bits;
}

/* Writes the PTE for @va at @level (0: 4 KiB), making the tables above; its address. */
static GuestPA map_at(GuestVA va, unsigned level, uint64_t leaf)
{
    unsigned levels = RV_SATP_MODE(fake.cpu.env->satp) - RV_SATP_SV39 + 3;
    GuestPA table = root, at;

    for (unsigned l = levels - 1; l > level; l--) {
        at = table + extract64(va, 12 + 9 * l, 9) * 8;
        if (!*fake_word(at)) {
            *fake_word(at) = pte(next_table, V);
            next_table += 0x1000;
        }
        table = (*fake_word(at) >> 10) << 12;
    }
    at = table + extract64(va, 12 + 9 * level, 9) * 8;
    *fake_word(at) = leaf;
    return at;
}

static CpuState *setup(unsigned mode)
{
    CpuState *cpu = fake_reset();
    RvEnv *env = fake.cpu.env;

    env->satp = (uint64_t)mode << 60 | root >> 12;
    env->priv = RV_PRIV_S;
    /* PMP entry 0 opens everything */
    env->pmpcfg[0] = 0x1f;
    env->pmpaddr[0] = MASK_ULL(54);
    next_table = root + 0x1000;
    return cpu;
}

static int fill(CpuState *cpu, GuestVA va, MemAccess access, unsigned mmu, TlbFill *out)
{
    cpu->exception = -1;
    rv_pmp_update(fake.cpu.env);
    if (rv_tlb_fill(cpu, va, 8, access, mmu, false, out)) {
        g_assert_cmpint(cpu->exception, ==, -1);
        return -1;
    }
    g_assert_cmphex(fake.cpu.env->trap_value, ==, va);
    return cpu->exception;
}

static void test_modes(void)
{
    static const GuestVA vas[] = {0x123456000, 0xffffffc012345000};
    TlbFill t;

    for (unsigned mode = RV_SATP_SV39; mode <= RV_SATP_SV57; mode++) {
        CpuState *cpu = setup(mode);

        for (unsigned i = 0; i < ARRAY_SIZE(vas); i++) {
            map_at(vas[i], 0, pte(page, V | R | W | A | D));
            g_assert_cmpint(fill(cpu, vas[i] + 0x123, ACCESS_READ, RV_MMU_S, &t), ==, -1);
            g_assert_cmphex(t.pa, ==, page + 0x123);
            g_assert_cmphex(t.page_size, ==, 4096);
            g_assert_cmpint(t.prot, ==, PROT_R | PROT_W);
            g_assert_false(t.global);
        }
        /* Not canonical: one bit above the mode's width. */
        g_assert_cmpint(fill(cpu, 1ULL << (12 + 9 * (mode - 5)), ACCESS_READ, RV_MMU_S, &t), ==,
                        RV_EXC_LOAD_PAGE);
        g_assert_cmpint(fill(cpu, 0x7000, ACCESS_WRITE, RV_MMU_S, &t), ==, RV_EXC_STORE_PAGE);
        g_assert_cmpint(fill(cpu, 0x7000, ACCESS_EXEC, RV_MMU_S, &t), ==, RV_EXC_INSN_PAGE);
    }
}

static void test_bare(void)
{
    CpuState *cpu = setup(RV_SATP_BARE);
    TlbFill t;

    fake.cpu.env->satp = 0;
    g_assert_cmpint(fill(cpu, 0x80001234, ACCESS_WRITE, RV_MMU_S, &t), ==, -1);
    g_assert_cmphex(t.pa, ==, 0x80001234);
    g_assert_cmphex(t.page_size, >=, 4096);
}

static void test_superpages(void)
{
    CpuState *cpu = setup(RV_SATP_SV39);
    TlbFill t;

    map_at(0x40000000, 2, pte(0x80000000, V | R | X | A | D | G));
    g_assert_cmpint(fill(cpu, 0x40012345, ACCESS_READ, RV_MMU_S, &t), ==, -1);
    g_assert_cmphex(t.pa, ==, 0x80012345);
    g_assert_cmphex(t.page_size, ==, 1 << 30);
    g_assert_true(t.global);
    map_at(0x200000, 1, pte(0x80000000, V | R | A));
    g_assert_cmpint(fill(cpu, 0x200000, ACCESS_READ, RV_MMU_S, &t), ==, -1);
    g_assert_cmphex(t.page_size, ==, 2 << 20);
    /* misaligned: a 2 MiB leaf at a 4 KiB boundary */
    map_at(0x400000, 1, pte(0x80001000, V | R | A));
    g_assert_cmpint(fill(cpu, 0x400000, ACCESS_READ, RV_MMU_S, &t), ==, RV_EXC_LOAD_PAGE);
}

static void test_napot(void)
{
    CpuState *cpu = setup(RV_SATP_SV39);
    TlbFill t;

    map_at(0x25000, 0, pte(0x80048000, V | R | A) | PTE_N);
    g_assert_cmpint(fill(cpu, 0x25678, ACCESS_READ, RV_MMU_S, &t), ==, -1);
    g_assert_cmphex(t.pa, ==, 0x80045678);
    g_assert_cmphex(t.page_size, ==, 64 * KiB);
    map_at(0x35000, 0, pte(0x80044000, V | R | A) | PTE_N); /* not the 64 KiB pattern */
    g_assert_cmpint(fill(cpu, 0x35000, ACCESS_READ, RV_MMU_S, &t), ==, RV_EXC_LOAD_PAGE);
    fake.cpu.model.ext[RV_EXT_SVNAPOT] = false;
    g_assert_cmpint(fill(cpu, 0x25678, ACCESS_READ, RV_MMU_S, &t), ==, RV_EXC_LOAD_PAGE);
}

static void test_pbmt_and_reserved(void)
{
    CpuState *cpu = setup(RV_SATP_SV39);
    TlbFill t;

    map_at(0x1000, 0, pte(page, V | R | A) | 1ULL << 61);
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_READ, RV_MMU_S, &t), ==, RV_EXC_LOAD_PAGE);
    fake.cpu.env->menvcfg |= RV_ENVCFG_PBMTE;
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_READ, RV_MMU_S, &t), ==, -1);
    map_at(0x1000, 0, pte(page, V | R | A) | 3ULL << 61);
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_READ, RV_MMU_S, &t), ==, RV_EXC_LOAD_PAGE);
    map_at(0x1000, 0, pte(page, V | R | A) | 1ULL << 54);
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_READ, RV_MMU_S, &t), ==, RV_EXC_LOAD_PAGE);
    map_at(0x1000, 0, pte(page, V | W | A)); /* W without R */
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_WRITE, RV_MMU_S, &t), ==, RV_EXC_STORE_PAGE);
    map_at(0x1000, 0, pte(page, V)); /* a pointer at the last level */
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_READ, RV_MMU_S, &t), ==, RV_EXC_LOAD_PAGE);
}

static void test_user_and_supervisor(void)
{
    CpuState *cpu = setup(RV_SATP_SV39);
    TlbFill t;

    map_at(0x1000, 0, pte(page, V | R | W | X | U | A | D));
    map_at(0x2000, 0, pte(page, V | R | W | X | A | D));
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_READ, RV_MMU_S, &t), ==, RV_EXC_LOAD_PAGE);
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_READ, RV_MMU_S_SUM, &t), ==, -1);
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_EXEC, RV_MMU_S_SUM, &t), ==, RV_EXC_INSN_PAGE);
    g_assert_cmpint(fill(cpu, 0x2000, ACCESS_EXEC, RV_MMU_S, &t), ==, -1);
    fake.cpu.env->priv = RV_PRIV_U;
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_EXEC, RV_MMU_U, &t), ==, -1);
    g_assert_cmpint(fill(cpu, 0x2000, ACCESS_READ, RV_MMU_U, &t), ==, RV_EXC_LOAD_PAGE);
}

static void test_mxr(void)
{
    CpuState *cpu = setup(RV_SATP_SV39);
    TlbFill t;

    map_at(0x1000, 0, pte(page, V | X | A));
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_READ, RV_MMU_S, &t), ==, RV_EXC_LOAD_PAGE);
    fake.cpu.env->mstatus |= RV_MSTATUS_MXR;
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_READ, RV_MMU_S, &t), ==, -1);
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_WRITE, RV_MMU_S, &t), ==, RV_EXC_STORE_PAGE);
}

static void test_accessed_dirty(void)
{
    CpuState *cpu = setup(RV_SATP_SV39);
    GuestPA at = map_at(0x1000, 0, pte(page, V | R | W));
    TlbFill t;

    /* Svadu alone: on after reset. */
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_READ, RV_MMU_S, &t), ==, -1);
    g_assert_cmphex(*fake_word(at), ==, pte(page, V | R | W | A));
    g_assert_cmpint(t.prot, ==, PROT_R); /* the first write must come back */
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_WRITE, RV_MMU_S, &t), ==, -1);
    g_assert_cmphex(*fake_word(at), ==, pte(page, V | R | W | A | D));
    g_assert_cmpint(t.prot, ==, PROT_R | PROT_W);

    /* Svade: faults instead, and the entry stays. */
    fake.cpu.env->menvcfg &= ~RV_ENVCFG_ADUE;
    *fake_word(at) = pte(page, V | R | W);
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_READ, RV_MMU_S, &t), ==, RV_EXC_LOAD_PAGE);
    *fake_word(at) |= A;
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_READ, RV_MMU_S, &t), ==, -1);
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_WRITE, RV_MMU_S, &t), ==, RV_EXC_STORE_PAGE);
    g_assert_cmphex(*fake_word(at), ==, pte(page, V | R | W | A));

    /* A debugger's look changes nothing. */
    *fake_word(at) = pte(page, V | R | W);
    g_assert_true(rv_tlb_fill(cpu, 0x1000, 1, ACCESS_READ, RV_MMU_S, true, &t));
    g_assert_cmphex(*fake_word(at), ==, pte(page, V | R | W));
    g_assert_false(rv_tlb_fill(cpu, 0x9000, 1, ACCESS_READ, RV_MMU_S, true, &t));

    /* Tables in ROM cannot be updated. */
    fake.cpu.env->menvcfg |= RV_ENVCFG_ADUE;
    fake.ram_read_only = true;
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_READ, RV_MMU_S, &t), ==, RV_EXC_LOAD_ACCESS);
}

static void test_table_outside_ram(void)
{
    CpuState *cpu = setup(RV_SATP_SV39);
    TlbFill t;

    *fake_word(root) = pte(0x10000000, V);
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_WRITE, RV_MMU_S, &t), ==, RV_EXC_STORE_ACCESS);
    *fake_word(root) = pte(0xfffffffffff000, V); /* the highest page there is */
    g_assert_cmpint(fill(cpu, 0x1000, ACCESS_READ, RV_MMU_S, &t), ==, RV_EXC_LOAD_ACCESS);
}

/* --- PMP --- */

static void test_pmp_default(void)
{
    CpuState *cpu = setup(RV_SATP_BARE);
    TlbFill t;

    fake.cpu.env->satp = 0;
    fake.cpu.env->pmpcfg[0] = 0;
    g_assert_cmpint(fill(cpu, 0x80000000, ACCESS_READ, RV_MMU_S, &t), ==, RV_EXC_LOAD_ACCESS);
    fake.cpu.env->priv = RV_PRIV_M;
    g_assert_cmpint(fill(cpu, 0x80000000, ACCESS_READ, RV_MMU_M, &t), ==, -1);
}

static void test_pmp_match(void)
{
    RvEnv *env;
    bool uniform;

    setup(RV_SATP_BARE);
    env = fake.cpu.env;
    env->pmpcfg[0] = 0x19; /* NAPOT, R: 0x80010000..0x8001ffff */
    env->pmpaddr[0] = 0x80010000 >> 2 | 0x1fff;
    env->pmpcfg[1] = 0x10; /* NA4, nothing: 0x80020000 */
    env->pmpaddr[1] = 0x80020000 >> 2;
    env->pmpcfg[2] = 0x0b; /* TOR, R W: 0x80020000 to 0x80030000 */
    env->pmpaddr[2] = 0x80030000 >> 2;
    env->pmpcfg[3] = 0x9f; /* locked NAPOT, R W X: all of the rest */
    env->pmpaddr[3] = MASK_ULL(54);
    rv_pmp_update(env);
    g_assert_cmpint(rv_pmp_prot(env, RV_PRIV_S, 0x8001fff8, 8, &uniform), ==, PROT_R);
    g_assert_true(uniform);
    g_assert_cmpint(rv_pmp_prot(env, RV_PRIV_S, 0x80020000, 4, &uniform), ==, 0);
    g_assert_cmpint(rv_pmp_prot(env, RV_PRIV_S, 0x80020004, 4, &uniform), ==, PROT_R | PROT_W);
    g_assert_cmpint(rv_pmp_prot(env, RV_PRIV_S, 0x80030000, 8, &uniform), ==, 7);
    /* In part: fails, whatever the mode. */
    g_assert_cmpint(rv_pmp_prot(env, RV_PRIV_M, 0x8001fffc, 8, &uniform), ==, 0);
    g_assert_false(uniform);
    /* Unlocked entries do not bind M-mode, locked ones do. */
    g_assert_cmpint(rv_pmp_prot(env, RV_PRIV_M, 0x80010000, 8, &uniform), ==, 7);
    env->pmpcfg[0] |= 0x80;
    g_assert_cmpint(rv_pmp_prot(env, RV_PRIV_M, 0x80010000, 8, &uniform), ==, PROT_R);
}

static void test_pmp_narrows_page(void)
{
    CpuState *cpu = setup(RV_SATP_SV39);
    RvEnv *env = fake.cpu.env;
    TlbFill t;

    map_at(0x40000000, 2, pte(0x80000000, V | R | W | A | D));
    env->pmpcfg[0] = 0x18; /* nothing in 0x80008000..0x80008fff */
    env->pmpaddr[0] = 0x80008000 >> 2 | 0x1ff;
    env->pmpcfg[1] = 0x1f;
    env->pmpaddr[1] = MASK_ULL(54);
    g_assert_cmpint(fill(cpu, 0x40200000, ACCESS_READ, RV_MMU_S, &t), ==, -1);
    g_assert_cmphex(t.page_size, ==, 2 << 20);
    g_assert_cmpint(fill(cpu, 0x40004000, ACCESS_READ, RV_MMU_S, &t), ==, -1);
    g_assert_cmphex(t.page_size, ==, 4096);
    g_assert_cmpint(fill(cpu, 0x40008000, ACCESS_READ, RV_MMU_S, &t), ==, RV_EXC_LOAD_ACCESS);
    /* An entry smaller than a page: good for one access only. */
    env->pmpcfg[0] = 0x10;
    env->pmpaddr[0] = 0x80008100 >> 2;
    g_assert_cmpint(fill(cpu, 0x40008000, ACCESS_READ, RV_MMU_S, &t), ==, -1);
    g_assert_cmphex(t.page_size, ==, 1);
    g_assert_cmpint(fill(cpu, 0x40008100, ACCESS_READ, RV_MMU_S, &t), ==, RV_EXC_LOAD_ACCESS);
    /* A table that S-mode may not read. */
    env->pmpcfg[0] = 0x18;
    env->pmpaddr[0] = root >> 2 | 0x1ff;
    g_assert_cmpint(fill(cpu, 0x40200000, ACCESS_WRITE, RV_MMU_S, &t), ==, RV_EXC_STORE_ACCESS);
}

static void test_key(void)
{
    CpuState *cpu = setup(RV_SATP_SV39);
    RvEnv *env = fake.cpu.env;

    g_assert_cmpint(rv_key_mmu(rv_key(cpu)), ==, RV_MMU_S);
    g_assert_cmpint(rv_key_priv(rv_key(cpu)), ==, RV_PRIV_S);
    env->mstatus = RV_MSTATUS_SUM;
    g_assert_cmpint(rv_key_mmu(rv_key(cpu)), ==, RV_MMU_S_SUM);
    env->priv = RV_PRIV_M;
    g_assert_cmpint(rv_key_mmu(rv_key(cpu)), ==, RV_MMU_M);
    env->mstatus = RV_MSTATUS_MPRV; /* MPP is U */
    g_assert_cmpint(rv_key_mmu(rv_key(cpu)), ==, RV_MMU_U);
    g_assert_cmpint(rv_key_priv(rv_key(cpu)), ==, RV_PRIV_M);
    env->mstatus = 1 << 13;
    g_assert_cmpint(rv_key_fs(rv_key(cpu)), ==, RV_FS_CLEAN);
    env->mstatus = 3 << 13;
    g_assert_cmpint(rv_key_fs(rv_key(cpu)), ==, RV_FS_DIRTY);
    rv_set_frm(env, 6);
    g_assert_cmpint(rv_key_frm(rv_key(cpu)), ==, 6);
    g_assert_cmpint(env->tcg.fp_round, ==, IR_ROUND_NEAREST);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv64/mmu/modes", test_modes);
    g_test_add_func("/riscv64/mmu/bare", test_bare);
    g_test_add_func("/riscv64/mmu/superpages", test_superpages);
    g_test_add_func("/riscv64/mmu/napot", test_napot);
    g_test_add_func("/riscv64/mmu/pbmt-and-reserved", test_pbmt_and_reserved);
    g_test_add_func("/riscv64/mmu/user-and-supervisor", test_user_and_supervisor);
    g_test_add_func("/riscv64/mmu/mxr", test_mxr);
    g_test_add_func("/riscv64/mmu/accessed-dirty", test_accessed_dirty);
    g_test_add_func("/riscv64/mmu/table-outside-ram", test_table_outside_ram);
    g_test_add_func("/riscv64/mmu/key", test_key);
    g_test_add_func("/riscv64/pmp/default", test_pmp_default);
    g_test_add_func("/riscv64/pmp/match", test_pmp_match);
    g_test_add_func("/riscv64/pmp/narrows-page", test_pmp_narrows_page);
    return g_test_run();
}
