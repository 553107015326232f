/* SPDX-License-Identifier: MIT */
/* Page walks: every paging mode, rights, reserved bits, error codes, accessed and dirty flags. */
#include "rhea/osdep.h"

#include "tests/unit/target/x86_64/fake.h"

enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100 };
#define NX (1ULL << 63)

enum { T = FAKE_TABLES };

static X86Env *env;
static TlbFill fill;

static bool walk(GuestVA va, MemAccess access, unsigned mmu)
{
    fake.cpu.cpu.exception = -1;
    return x86_tlb_fill(&fake.cpu.cpu, va, 4, access, mmu, false, &fill);
}

static void expect_fault(GuestVA va, MemAccess access, unsigned mmu, uint32_t error)
{
    g_assert_false(walk(va, access, mmu));
    g_assert_cmpint(fake.cpu.cpu.exception, ==, X86_EXC_PF);
    g_assert_cmphex(env->error_code, ==, error);
    g_assert_cmphex(env->fault_address, ==, va);
}

static void expect_ok(GuestVA va, MemAccess access, unsigned mmu, GuestPA pa, uint64_t size)
{
    g_assert_true(walk(va, access, mmu));
    g_assert_cmphex(fill.pa, ==, pa);
    g_assert_cmphex(fill.page_size, ==, size);
}

/* --- 32-bit --- */

static void setup_32(const char *features)
{
    env = fake_reset("max", features);
    env->cr0 |= X86_CR0_PE | X86_CR0_PG;
    env->cr3 = T;
}

static void test_off(void)
{
    env = fake_reset("max", NULL);
    expect_ok(0x123456, ACCESS_WRITE, X86_MMU_KERNEL, 0x123456, 1 * GiB);
    g_assert_true(fill.untranslated);
    env->a20_mask = ~0x100000ULL;
    expect_ok(0x123456, ACCESS_READ, X86_MMU_KERNEL, 0x23456, 4 * KiB);
}

static void test_32(void)
{
    setup_32(NULL);
    fake_put(T + 4 * 1, (T + 0x1000) | P | W | U, 4);
    fake_put(T + 0x1000 + 4 * 2, 0x5000 | P | U, 4);
    expect_ok(0x402345, ACCESS_READ, X86_MMU_USER, 0x5345, 4 * KiB);
    g_assert_cmphex(fill.prot, ==, PROT_R);
    g_assert_cmphex(fake_get(T + 4, 4) & A, ==, A);
    g_assert_cmphex(fake_get(T + 0x1008, 4) & (A | D), ==, A);
    expect_fault(0x402345, ACCESS_WRITE, X86_MMU_USER, 1 | 2 | 4);
    expect_fault(0x403000, ACCESS_READ, X86_MMU_KERNEL, 0);
    /* Without WP the kernel writes to what is read-only; that makes the page dirty. */
    expect_ok(0x402345, ACCESS_WRITE, X86_MMU_KERNEL, 0x5345, 4 * KiB);
    g_assert_cmphex(fake_get(T + 0x1008, 4) & (A | D), ==, A | D);
    env->cr0 |= X86_CR0_WP;
    expect_fault(0x402345, ACCESS_WRITE, X86_MMU_KERNEL, 1 | 2);
}

static void test_pse(void)
{
    setup_32(NULL);
    fake_put(T + 4 * 3, 0x00400000 | P | W | PS, 4);
    env->cr4 = 0; /* without CR4.PSE it is a table, here where nothing answers: all ones */
    expect_ok(0xc00123, ACCESS_READ, X86_MMU_KERNEL, 0xfffff123, 4 * KiB);
    env->cr4 = X86_CR4_PSE;
    expect_ok(0xc00123, ACCESS_WRITE, X86_MMU_KERNEL, 0x400123, 4 * MiB);
    fake_put(T + 4 * 3, 0x00400000 | P | W | PS | 5 << 13, 4); /* PSE-36 */
    expect_ok(0xc00123, ACCESS_READ, X86_MMU_KERNEL, 0x500400123, 4 * MiB);
    fake_put(T + 4 * 3, 0x00400000 | P | W | PS | 1 << 21, 4);
    expect_fault(0xc00123, ACCESS_READ, X86_MMU_KERNEL, 1 | 8);
}

/* --- PAE --- */

static void test_pae(void)
{
    setup_32(NULL);
    fake_put(T + 8, (T + 0x1000) | P, 8);
    env->cr4 = X86_CR4_PAE;
    g_assert_true(x86_load_pdptes(env, T));
    fake_put(T + 0x1000, (T + 0x2000) | P | W | U, 8);
    fake_put(T + 0x1008, 0x600000 | P | W | PS, 8);
    fake_put(T + 0x2000 + 8 * 5, 0x7000 | P | W | U, 8);
    expect_ok(0x40005678, ACCESS_WRITE, X86_MMU_USER, 0x7678, 4 * KiB);
    expect_ok(0x40212345, ACCESS_WRITE, X86_MMU_KERNEL, 0x612345, 2 * MiB);
    expect_fault(0x80000000, ACCESS_READ, X86_MMU_KERNEL, 0); /* no PDPTE */
    fake_put(T + 0x2028, 0x7000 | P | 1ULL << 55, 8);         /* reserved in PAE */
    expect_fault(0x40005678, ACCESS_READ, X86_MMU_KERNEL, 1 | 8);
    fake_put(T + 0x2028, 0x7000 | P | NX, 8); /* reserved without NXE */
    expect_fault(0x40005678, ACCESS_READ, X86_MMU_KERNEL, 1 | 8);
    env->efer = X86_EFER_NXE;
    expect_ok(0x40005678, ACCESS_READ, X86_MMU_KERNEL, 0x7678, 4 * KiB);
    env->cpl = 0;
    expect_fault(0x40005678, ACCESS_EXEC, X86_MMU_KERNEL, 1 | 16);
    fake_put(T + 8, (T + 0x1000) | P | W, 8); /* reserved bits in a PDPTE */
    g_assert_false(x86_load_pdptes(env, T));
}

/* --- 4 and 5 levels --- */

/* Maps page 5 of the lowest 2 MiB through a page table. */
static void map_small(uint64_t pte)
{
    fake_put(T + 0x2000, (T + 0x3000) | P | W | U, 8);
    fake_put(T + 0x3028, pte, 8);
}

static void test_long(void)
{
    env = fake_long(0);
    map_small(0x6000 | P | W | G);
    expect_ok(0x5123, ACCESS_READ, X86_MMU_KERNEL, 0x6123, 4 * KiB);
    g_assert_false(fill.global);                /* CR4.PGE is clear */
    g_assert_cmphex(fill.prot & PROT_W, ==, 0); /* not dirty yet */
    env->cr4 |= X86_CR4_PGE;
    expect_ok(0x5123, ACCESS_WRITE, X86_MMU_KERNEL, 0x6123, 4 * KiB);
    g_assert_true(fill.global);
    g_assert_cmphex(fill.prot, ==, PROT_R | PROT_W);
    expect_fault(0x5123, ACCESS_READ, X86_MMU_USER, 1 | 4);
    expect_ok(0x212345, ACCESS_READ, X86_MMU_USER, 0x212345, 2 * MiB);
    fake_put(T + 0x1008, 0x40000000 | P | W | PS, 8);
    expect_ok(0x40abcdef, ACCESS_READ, X86_MMU_KERNEL, 0x40abcdef, 1 * GiB);
    fake_put(T + 0x1008, 0x40000000 | P | W | PS | 1 << 20, 8);
    expect_fault(0x40abcdef, ACCESS_READ, X86_MMU_KERNEL, 1 | 8);
    fake_put(T + 0x1008, P | 1ULL << 50, 8); /* beyond the physical width */
    expect_fault(0x40abcdef, ACCESS_READ, X86_MMU_KERNEL, 1 | 8);
    fake_put(T + 8, (T + 0x1000) | P | PS, 8); /* PML4E: PS is reserved */
    expect_fault(1ULL << 39, ACCESS_READ, X86_MMU_KERNEL, 1 | 8);
}

static void test_canonical(void)
{
    env = fake_long(0);
    g_assert_false(walk(1ULL << 47, ACCESS_READ, X86_MMU_KERNEL));
    g_assert_cmpint(fake.cpu.cpu.exception, ==, X86_EXC_GP);
    g_assert_cmphex(env->error_code, ==, 0);
    expect_fault(~0ULL << 47, ACCESS_READ, X86_MMU_KERNEL, 0);
}

static void test_la57(void)
{
    env = fake_long(0);
    fake_put(T + 0x4000 + 8 * 256, T | P | W, 8);
    env->cr3 = T + 0x4000;
    env->cr4 |= X86_CR4_LA57;
    expect_ok((~0ULL << 56) | 0x1234, ACCESS_READ, X86_MMU_KERNEL, 0x1234, 2 * MiB);
    g_assert_false(walk(1ULL << 56, ACCESS_READ, X86_MMU_KERNEL));
    g_assert_cmpint(fake.cpu.cpu.exception, ==, X86_EXC_GP);
}

static void test_smep_smap(void)
{
    env = fake_long(0);
    env->cr4 |= X86_CR4_SMEP | X86_CR4_SMAP;
    expect_fault(0x1234, ACCESS_EXEC, X86_MMU_KERNEL, 1 | 16);
    expect_fault(0x1234, ACCESS_READ, X86_MMU_KERNEL, 1);
    expect_ok(0x1234, ACCESS_READ, X86_MMU_KERNEL_NOSMAP, 0x1234, 2 * MiB);
    expect_ok(0x1234, ACCESS_WRITE, X86_MMU_USER, 0x1234, 2 * MiB);
    map_small(0x6000 | P | W);
    expect_ok(0x5000, ACCESS_READ, X86_MMU_KERNEL, 0x6000, 4 * KiB);
    expect_ok(0x5000, ACCESS_EXEC, X86_MMU_KERNEL, 0x6000, 4 * KiB);
}

static void test_pkey(void)
{
    env = fake_long(0);
    env->cr4 |= X86_CR4_PKE;
    map_small(0x6000 | P | W | U | 3ULL << 59);
    env->pkru = 2 << 6; /* key 3: no writes */
    expect_ok(0x5000, ACCESS_READ, X86_MMU_USER, 0x6000, 4 * KiB);
    expect_fault(0x5000, ACCESS_WRITE, X86_MMU_USER, 1 | 2 | 4 | 32);
    expect_fault(0x5000, ACCESS_WRITE, X86_MMU_KERNEL, 1 | 2 | 32);
    env->cr0 &= ~(uint64_t)X86_CR0_WP;
    expect_ok(0x5000, ACCESS_WRITE, X86_MMU_KERNEL, 0x6000, 4 * KiB);
    env->pkru = 1 << 6; /* no access at all, but fetches */
    expect_fault(0x5000, ACCESS_READ, X86_MMU_USER, 1 | 4 | 32);
    env->cpl = 3;
    expect_ok(0x5000, ACCESS_EXEC, X86_MMU_USER, 0x6000, 4 * KiB);
}

/* A probe changes nothing. */
static void test_probe(void)
{
    env = fake_long(0);
    map_small(0x6000 | P);
    g_assert_true(x86_tlb_fill(&fake.cpu.cpu, 0x5000, 1, ACCESS_WRITE, X86_MMU_USER, true, &fill));
    g_assert_cmphex(fill.pa, ==, 0x6000);
    g_assert_cmphex(fake_get(T + 0x3028, 8), ==, 0x6000 | P);
    g_assert_false(x86_tlb_fill(&fake.cpu.cpu, 0x7000, 1, ACCESS_READ, 0, true, &fill));
    g_assert_cmpint(fake.cpu.cpu.exception, ==, -1);
}

static void test_space(void)
{
    CpuState *cpu = &fake.cpu.cpu;

    env = fake_long(0);
    g_assert_true(x86_write_cr4(env, env->cr4 | X86_CR4_PCIDE));
    g_assert_true(x86_write_cr3(env, T | 5));
    g_assert_cmphex(x86_space(cpu), ==, X86_SPACE_PAGED | 5);
    g_assert_cmphex(fake.flushed_space, ==, x86_space(cpu));
    fake.flushes = 0;
    g_assert_true(x86_write_cr3(env, T | 6 | 1ULL << 63)); /* keeps what is cached */
    g_assert_cmphex(x86_space(cpu), ==, X86_SPACE_PAGED | 6);
    g_assert_cmpuint(fake.flushes, ==, 0);
    g_assert_cmphex(env->cr3, ==, T | 6);
}

static void test_listing(void)
{
    GString *out = g_string_new(NULL);

    env = fake_long(0);
    map_small(0x6000 | P | W | G);
    fake_put(T + 0x3030, 0x7000 | P | W, 8);
    x86_print_mappings(&fake.cpu.cpu, true, out);
    g_assert_cmpstr(out->str, ==,
                    "0000000000005000-0000000000007000 0000000000002000 -rw\n"
                    "0000000000200000-0000000000400000 0000000000200000 urw\n");
    g_string_truncate(out, 0);
    x86_print_mappings(&fake.cpu.cpu, false, out);
    g_assert_nonnull(strstr(out->str, "0000000000005000: 0000000000006000 -G------W\n"));
    /* Tables that lead to themselves do not list for ever. */
    g_string_truncate(out, 0);
    fake_put(T, T | P, 8);
    for (unsigned i = 0; i < 512; i++) {
        fake_put(T + 8 * i, T | P, 8);
    }
    x86_print_mappings(&fake.cpu.cpu, true, out);
    g_assert_nonnull(strstr(out->str, "left out"));
    g_string_free(out, true);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/x86_64/mmu/off", test_off);
    g_test_add_func("/x86_64/mmu/32-bit", test_32);
    g_test_add_func("/x86_64/mmu/pse", test_pse);
    g_test_add_func("/x86_64/mmu/pae", test_pae);
    g_test_add_func("/x86_64/mmu/4-level", test_long);
    g_test_add_func("/x86_64/mmu/canonical", test_canonical);
    g_test_add_func("/x86_64/mmu/5-level", test_la57);
    g_test_add_func("/x86_64/mmu/smep-smap", test_smep_smap);
    g_test_add_func("/x86_64/mmu/protection-keys", test_pkey);
    g_test_add_func("/x86_64/mmu/probe", test_probe);
    g_test_add_func("/x86_64/mmu/pcid", test_space);
    g_test_add_func("/x86_64/mmu/listing", test_listing);
    return g_test_run();
}
