/* SPDX-License-Identifier: MIT */
/* Control registers, MSRs, CPUID, models and features, SMM. */
#include "rhea/osdep.h"

#include "target/x86_64/models.h"
#include "tests/unit/target/x86_64/fake.h"

static X86Env *env;

static uint64_t msr(uint32_t n)
{
    uint64_t v;

    g_assert_true(x86_read_msr(env, n, &v));
    return v;
}

static bool set_msr(uint32_t n, uint64_t v)
{
    return x86_write_msr(env, n, v);
}

/* --- Control registers --- */

static void test_cr0(void)
{
    env = fake_protected(0);
    g_assert_false(x86_write_cr0(env, X86_CR0_PG));              /* without PE */
    g_assert_false(x86_write_cr0(env, X86_CR0_PE | X86_CR0_NW)); /* without CD */
    g_assert_false(x86_write_cr0(env, 1ULL << 32 | X86_CR0_PE));
    g_assert_true(x86_write_cr0(env, X86_CR0_PE | 1 << 15));
    g_assert_cmphex(env->cr0, ==, X86_CR0_PE | X86_CR0_ET); /* unknown bits vanish, ET stays */
    x86_helper_lmsw(env, 0xe, 0, 0, 0);
    g_assert_cmphex(env->cr0, ==, 0xf | X86_CR0_ET);
}

static void test_long_mode(void)
{
    env = fake_protected(0);
    fake_put(FAKE_TABLES, 0x7, 8);
    g_assert_true(x86_write_cr3(env, FAKE_TABLES));
    g_assert_true(set_msr(0xc0000080, X86_EFER_LME));
    g_assert_false(x86_write_cr0(env, env->cr0 | X86_CR0_PG)); /* PAE is off */
    g_assert_true(x86_write_cr4(env, X86_CR4_PAE));
    g_assert_true(x86_write_cr0(env, env->cr0 | X86_CR0_PG));
    g_assert_cmphex(msr(0xc0000080), ==, X86_EFER_LME | X86_EFER_LMA);
    g_assert_false(set_msr(0xc0000080, 0)); /* LME while paging is on */
    g_assert_false(x86_write_cr4(env, 0));  /* PAE in long mode */
    g_assert_true(x86_write_cr4(env, X86_CR4_PAE | X86_CR4_PCIDE));
    g_assert_false(x86_write_cr0(env, env->cr0 & ~X86_CR0_PG)); /* PCIDE */
    g_assert_false(x86_write_cr3(env, 1ULL << 45));             /* beyond the physical width */
    g_assert_false(x86_write_cr4(env, X86_CR4_PAE | 1 << 13));  /* VMXE: not modelled */
    g_assert_true(x86_write_cr4(env, X86_CR4_PAE));
    g_assert_true(x86_write_cr0(env, env->cr0 & ~X86_CR0_PG));
    g_assert_cmphex(msr(0xc0000080), ==, X86_EFER_LME);
}

static void test_tpr(void)
{
    env = fake_long(0);
    x86_helper_mov_to_cr(env, 8, 7, 0, 0);
    g_assert_cmpuint(fake.tpr, ==, 7);
    g_assert_cmpuint(x86_helper_mov_from_cr(env, 8, 0, 0, 0), ==, 7);
    g_assert_cmpint(fake_raises(x86_helper_mov_to_cr(env, 8, 16, 0, 0)), ==, X86_EXC_GP);
}

static void test_xcr0(void)
{
    env = fake_reset("max", "xsave");
    g_assert_cmpint(fake_raises(x86_helper_xsetbv(env, 1, 1, 0, 0)), ==, X86_EXC_GP);
    g_assert_cmpint(fake_raises(x86_helper_xsetbv(env, 0, 2, 0, 0)), ==, X86_EXC_GP);
    g_assert_cmpint(fake_raises(x86_helper_xsetbv(env, 0, 1ULL << 62 | 1, 0, 0)), ==, X86_EXC_GP);
    x86_helper_xsetbv(env, 0, 1, 0, 0);
    g_assert_cmphex(x86_helper_xgetbv(env, 0, 0, 0, 0), ==, 1);
}

/* --- MSRs --- */

static void test_msrs(void)
{
    uint64_t v;

    env = fake_long(0);
    g_assert_false(x86_read_msr(env, 0x12345678, &v));
    g_assert_false(set_msr(0x12345678, 0));
    g_assert_cmphex(msr(0x277), ==, 0x0007040600070406);
    g_assert_false(set_msr(0x277, 0x0207040600070406)); /* type 2 does not exist */
    g_assert_true(set_msr(0x277, 0x0606060606060606));
    g_assert_cmphex(msr(0xfe) & 0xff, ==, 8);
    g_assert_cmphex(msr(0x10a) & 0x33, ==, 0x33); /* what max announces is there */
    g_assert_true(set_msr(0x200, 0xc0000006));
    g_assert_true(set_msr(0x201, 0xffc0000800));
    g_assert_false(set_msr(0x201, 1ULL << 41));
    g_assert_cmphex(msr(0x201), ==, 0xffc0000800);
    g_assert_false(set_msr(0x210, 0)); /* eight pairs */
    g_assert_true(set_msr(0x26f, 0x0505050505050505));
    g_assert_cmphex(msr(0x26f), ==, 0x0505050505050505);
    g_assert_cmphex(msr(0x268), ==, 0);
    g_assert_false(set_msr(0x2ff, 0x100));
    g_assert_true(set_msr(0x2ff, 0xc06));
    g_assert_false(set_msr(0xc0000082, 1ULL << 50)); /* canonical */
    g_assert_true(set_msr(0xc0000101, ~0ULL << 47));
    g_assert_cmphex(env->seg[X86_GS].base, ==, ~0ULL << 47);
    g_assert_false(set_msr(0x401, 1)); /* MCi_STATUS can be cleared only */
    g_assert_true(set_msr(0x401, 0));
    g_assert_true(set_msr(0x410, ~(1ULL << 10))); /* as Linux does on a K8 */
    g_assert_cmphex(msr(0x1b), ==, 0xfee00900);   /* the APIC's */
    g_assert_false(set_msr(0x6e0, 1));
    g_assert_false(set_msr(0xfe, 0)); /* read only */
}

/* AMD's features for the speculation registers count as well as Intel's one. */
static void test_spec_ctrl(void)
{
    uint64_t v;

    env = fake_reset("EPYC-Rome", NULL);
    g_assert_true(set_msr(0x48, 2));
    g_assert_cmphex(msr(0x48), ==, 2);
    g_assert_true(set_msr(0x49, 1));
    g_assert_false(x86_read_msr(env, 0x49, &v)); /* for writing only */
    env = fake_reset("Nehalem", NULL);
    g_assert_false(set_msr(0x48, 0));
    g_assert_false(set_msr(0x49, 1));
}

static void test_tsc(void)
{
    env = fake_long(0);
    fake.clock_ns = 1000;
    g_assert_cmpuint(x86_helper_rdtsc(env, 0, 0, 0, 0), ==, 1000);
    g_assert_true(set_msr(0x10, 5000));
    g_assert_cmpuint(msr(0x3b), ==, 4000); /* TSC_ADJUST follows */
    fake.clock_ns = 1500;
    g_assert_cmpuint(msr(0x10), ==, 5500);
    g_assert_true(set_msr(0x3b, 0));
    g_assert_cmpuint(msr(0x10), ==, 1500);
    g_assert_cmpint(x86_cpu_tsc_when_ns(&fake.cpu.cpu, 2500), ==, 2500);
    env->cr4 |= X86_CR4_TSD;
    env->cpl = 3;
    g_assert_cmpint(fake_raises(x86_helper_rdtsc(env, 0, 0, 0, 0)), ==, X86_EXC_GP);
}

/* --- CPUID --- */

static uint32_t regs[4];

static void cpuid(uint32_t leaf, uint32_t sub)
{
    x86_cpuid(&fake.cpu, leaf, sub, regs);
}

static void test_cpuid(void)
{
    env = fake_reset("Haswell", NULL);
    cpuid(0, 0);
    g_assert_cmpuint(regs[0], ==, 0xd);
    g_assert_cmpint(memcmp(&regs[1], "Genu", 4), ==, 0);
    cpuid(1, 0);
    g_assert_cmphex(regs[0], ==, 0x306c4);
    g_assert_cmphex(regs[2] >> 31, ==, 1); /* a hypervisor is there */
    g_assert_cmphex(regs[2] >> 27 & 1, ==, 0);
    env->cr4 = X86_CR4_OSXSAVE;
    cpuid(1, 0);
    g_assert_cmphex(regs[2] >> 27 & 1, ==, 1);
    cpuid(0x40000000, 0);
    g_assert_cmpint(memcmp(&regs[1], "TCGTCGTCGTCG", 12), ==, 0);
    cpuid(0x80000002, 0);
    g_assert_cmpint(memcmp(regs, "Intel Core Proce", 16), ==, 0);
    cpuid(0x80000008, 0);
    g_assert_cmphex(regs[0], ==, 0x3028);
    cpuid(7, 0);
    g_assert_cmphex(regs[1] >> 11 & 1, ==, 0); /* RTM is not modelled */
}

static void test_topology(void)
{
    env = fake_reset("Haswell", NULL);
    fake.machine.smp = (SmpConfig){.cpus = 24,
                                   .sockets = 2,
                                   .dies = 2,
                                   .clusters = 1,
                                   .cores = 3,
                                   .threads = 2,
                                   .max_cpus = 24};
    g_assert_cmphex(x86_topology_apic_id(&fake.machine, 0), ==, 0);
    g_assert_cmphex(x86_topology_apic_id(&fake.machine, 5), ==, 5);
    g_assert_cmphex(x86_topology_apic_id(&fake.machine, 6), ==, 8);   /* the next die */
    g_assert_cmphex(x86_topology_apic_id(&fake.machine, 12), ==, 16); /* the next package */
    fake.cpu.apic_id = 16;
    cpuid(0xb, 0);
    g_assert_cmpuint(regs[0], ==, 1);
    g_assert_cmpuint(regs[1], ==, 2);
    g_assert_cmphex(regs[2], ==, 0x100);
    g_assert_cmpuint(regs[3], ==, 16);
    cpuid(0xb, 1);
    g_assert_cmpuint(regs[0], ==, 4);
    g_assert_cmpuint(regs[1], ==, 12);
    cpuid(0xb, 2);
    g_assert_cmphex(regs[2], ==, 2);
    cpuid(1, 0);
    g_assert_cmphex(regs[1] >> 16 & 0xff, ==, 12);
    g_assert_cmphex(regs[3] >> 28 & 1, ==, 1);
    cpuid(4, 0);
    g_assert_cmphex(regs[0], ==, 1 | 1 << 5 | 1 << 8 | 1 << 14 | 7u << 26);
}

static bool has(X86Feature f)
{
    return x86_has(&fake.cpu.model, f);
}

static void test_features(void)
{
    const X86ModelDef *def = x86_model_defs; /* qemu64 */
    Error *err = NULL;
    char *name;

    env = fake_reset("qemu64", "-nx,popcnt");
    g_assert_false(has(X86_F_NX));
    g_assert_true(has(X86_F_POPCNT));
    env = fake_reset("max", "-lm");
    g_assert_false(has(X86_F_LM) || has(X86_F_PCID)); /* what rests on it goes too */
    g_assert_false(has(X86_F_VMX));
    fake.cpu.enforce = true;
    fake.cpu.feat_prop[X86_F_VMX] = ON_OFF_AUTO_ON;
    g_assert_false(x86_features_resolve(&fake.cpu, def, &err));
    g_assert_nonnull(strstr(error_text(err), "vmx"));
    g_clear_pointer(&err, error_free);
    fake.cpu.feat_prop[X86_F_VMX] = ON_OFF_AUTO_AUTO;
    fake.cpu.phys_bits = 60;
    g_assert_false(x86_features_resolve(&fake.cpu, def, &err));
    g_clear_pointer(&err, error_free);
    name = x86_feature_property("sse4_1");
    g_assert_cmpstr(name, ==, "sse4.1");
    g_free(name);
}

/* Every model resolves, and has what its generation has. */
static void test_models(void)
{
    for (const X86ModelDef *def = x86_model_defs; strcmp(def->name, "Dhyana"); def++) {
        env = fake_reset(def->name, NULL);
        cpuid(0x80000000, 0);
        g_assert_true(!def->xlevel || regs[0] >= 0x80000000);
    }
    env = fake_reset("Nehalem", NULL);
    g_assert_true(has(X86_F_LM) && has(X86_F_SSE4_2) && has(X86_F_POPCNT));
    env =
        fake_reset("qemu32", NULL); /* PAE without leaf 0x80000008: firmware takes it for 36 bits */
    g_assert_cmpuint(fake.cpu.model.phys_bits, ==, 36);
    env = fake_reset("EPYC", NULL);
    g_assert_true(has(X86_F_SMAP) && has(X86_F_FSGSBASE) && has(X86_F_PDPE1GB));
    env = fake_reset("pentium3", NULL);
    g_assert_false(has(X86_F_LM) || has(X86_F_SSE2));
}

/* --- SMM --- */

static void test_smm(void)
{
    env = fake_long(0);
    env->regs[X86_RAX] = 0x1122334455667788;
    env->regs[15] = 0xf0f0;
    env->smbase = 0x30000;
    fake.cpu.cpu.interrupt_pending = X86_INT_SMI;
    g_assert_true(x86_take_interrupt(&fake.cpu.cpu));
    g_assert_true(env->smm && fake.cpu.smm.enabled);
    g_assert_cmphex(env->tcg.pc, ==, 0x38000);
    g_assert_cmphex(env->seg[X86_CS].sel, ==, 0x3000);
    g_assert_cmphex(env->cr0 & (X86_CR0_PE | X86_CR0_PG), ==, 0);
    g_assert_cmphex(env->efer, ==, 0);
    g_assert_cmphex(fake_get(0x3fefc, 4), ==, 0x20064);
    g_assert_cmphex(fake_get(0x3fff8, 8), ==, 0x1122334455667788);
    g_assert_cmphex(fake_get(0x3ff78, 8), ==, FAKE_CODE);
    g_assert_cmphex(fake_get(0x3ff80, 8), ==, 0xf0f0);
    fake_put(0x3ff00, 0x50000, 4); /* SMBASE relocation */
    fake_put(0x3fff8, 0x99, 8);
    env->regs[X86_RAX] = 1;
    g_assert_cmphex(x86_helper_rsm(env, 0, 0, 0, 0), ==, FAKE_CODE);
    g_assert_false(env->smm || fake.cpu.smm.enabled);
    g_assert_cmphex(env->smbase, ==, 0x50000);
    g_assert_cmphex(env->regs[X86_RAX], ==, 0x99);
    g_assert_true(x86_code64(env));
    g_assert_cmphex(env->seg[X86_CS].limit, ==, UINT32_MAX);
}

/* A map that cannot be shuts the CPU down. */
static void test_smm_bad(void)
{
    env = fake_long(0);
    env->smbase = 0x30000;
    fake.cpu.cpu.interrupt_pending = X86_INT_SMI;
    x86_take_interrupt(&fake.cpu.cpu);
    fake_put(0x3ff58, X86_CR0_PG, 8);
    fake_raises(x86_helper_rsm(env, 0, 0, 0, 0));
    g_assert_cmpuint(fake.resets, ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/x86_64/sysreg/cr0", test_cr0);
    g_test_add_func("/x86_64/sysreg/long-mode", test_long_mode);
    g_test_add_func("/x86_64/sysreg/tpr", test_tpr);
    g_test_add_func("/x86_64/sysreg/xcr0", test_xcr0);
    g_test_add_func("/x86_64/sysreg/msrs", test_msrs);
    g_test_add_func("/x86_64/sysreg/spec-ctrl", test_spec_ctrl);
    g_test_add_func("/x86_64/sysreg/tsc", test_tsc);
    g_test_add_func("/x86_64/cpuid/leaves", test_cpuid);
    g_test_add_func("/x86_64/cpuid/topology", test_topology);
    g_test_add_func("/x86_64/cpuid/features", test_features);
    g_test_add_func("/x86_64/cpuid/models", test_models);
    g_test_add_func("/x86_64/smm/round-trip", test_smm);
    g_test_add_func("/x86_64/smm/bad-map", test_smm_bad);
    return g_test_run();
}
