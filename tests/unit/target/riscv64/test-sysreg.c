/* SPDX-License-Identifier: MIT */
/* CSRs: privilege, legal values, effects; counters and the supervisor timer. */
#include "rhea/osdep.h"

#include "tests/unit/target/riscv64/fake.h"

static CpuState *cpu;

static bool can_read(unsigned csr)
{
    uint64_t old;

    return rv_csr_access(cpu, csr, RV_CSR_READ, 0, &old);
}

static uint64_t get(unsigned csr)
{
    uint64_t old = 0;

    g_assert_true(rv_csr_access(cpu, csr, RV_CSR_READ, 0, &old));
    return old;
}

static bool put(unsigned csr, uint64_t v)
{
    uint64_t old;

    return rv_csr_access(cpu, csr, RV_CSR_WRITE, v, &old);
}

/* Writes @v and reads what came of it. */
static uint64_t put_get(unsigned csr, uint64_t v)
{
    g_assert_true(put(csr, v));
    return get(csr);
}

static void set_priv(RvPriv priv)
{
    fake.cpu.env->priv = priv;
}

static void test_privilege(void)
{
    cpu = fake_reset();
    g_assert_true(can_read(0x300));
    g_assert_false(put(0xf14, 0));    /* read-only by number */
    g_assert_false(can_read(0x5c0));  /* nothing there */
    g_assert_false(can_read(0x747));  /* mseccfg: Smepmp is not modelled */
    g_assert_false(can_read(0x3a1));  /* odd pmpcfg: RV32 only */
    g_assert_false(can_read(0xffff)); /* not a CSR number */
    set_priv(RV_PRIV_S);
    g_assert_false(can_read(0x300));
    g_assert_true(can_read(0x100));
    set_priv(RV_PRIV_U);
    g_assert_false(can_read(0x100));
}

static void test_mstatus(void)
{
    cpu = fake_reset();
    g_assert_cmphex(get(0x300), ==, 0xaULL << 32); /* UXL = SXL = 64 bits */
    g_assert_cmphex(put_get(0x300, ~0ULL), ==, 0x8000000a007e79aaULL);
    g_assert_cmphex(put_get(0x300, 0), ==, 0xaULL << 32);
    put(0x300, 3ULL << 11);
    put(0x300, 2ULL << 11); /* MPP = 2 is no mode */
    g_assert_cmphex(get(0x300) >> 11 & 3, ==, 3);
    put(0x300, ~0ULL);
    g_assert_cmphex(get(0x100), ==, 0x80000002000c6122ULL); /* sstatus: S's share */
    put(0x100, 0);
    g_assert_cmphex(get(0x300), ==, 0xa00721888ULL | 0x1800 | 0x20000);
}

static void test_mxr_flushes(void)
{
    cpu = fake_reset();
    put(0x300, RV_MSTATUS_SUM);
    g_assert_cmpuint(fake.flushes, ==, 0);
    put(0x300, RV_MSTATUS_MXR);
    g_assert_cmpuint(fake.flushes, ==, 1);
    g_assert_cmpuint(fake.contexts, ==, 2);
}

static void test_legal_values(void)
{
    cpu = fake_reset();
    g_assert_cmphex(get(0x301), ==, 0x800000000014112fULL);        /* misa: IMAFDC S U B */
    g_assert_cmphex(put_get(0x301, 0), ==, 0x800000000014112fULL); /* ... is fixed */
    g_assert_cmphex(put_get(0x302, ~0ULL), ==, 0xb3ff);
    g_assert_cmphex(put_get(0x303, ~0ULL), ==, 0x222);
    g_assert_cmphex(put_get(0x304, ~0ULL), ==, 0xaaa);
    g_assert_cmphex(put_get(0x305, 0x80000003), ==, 0x80000001);
    g_assert_cmphex(put_get(0x341, 0x80000003), ==, 0x80000002);
    g_assert_cmphex(put_get(0x306, ~0ULL), ==, 0xffffffff);
    g_assert_cmphex(put_get(0x30a, ~0ULL), ==, 0xe0000000000000f1ULL);
    put(0x30a, 0x20); /* CBIE = 2 is reserved */
    g_assert_cmphex(get(0x30a), ==, 0x30);
    g_assert_cmphex(put_get(0x10a, ~0ULL), ==, 0xf1);
    g_assert_cmphex(put_get(0x7a0, 5), ==, 0);
    fake.cpu.model.ext[RV_EXT_ZCA] = false;
    g_assert_cmphex(put_get(0x341, 0x80000003), ==, 0x80000000);
}

static void test_satp(void)
{
    const uint64_t sv48 = 9ULL << 60 | 0x80001, sv39 = 8ULL << 60 | 7ULL << 44 | 0x80002;

    cpu = fake_reset();
    g_assert_cmphex(put_get(0x180, sv48), ==, sv48);
    g_assert_cmpuint(fake.flushes, ==, 1);                 /* ASID 0 */
    g_assert_cmphex(put_get(0x180, 1ULL << 60), ==, sv48); /* no such mode: no effect */
    g_assert_cmphex(put_get(0x180, sv39), ==, sv39);
    g_assert_cmpuint(fake.flushes, ==, 1);
    g_assert_cmphex(rv_space(cpu), ==, 0x80007);
    fake.cpu.model.satp_mode = RV_SATP_SV39;
    g_assert_cmphex(put_get(0x180, sv48), ==, sv39);
    set_priv(RV_PRIV_S);
    g_assert_true(can_read(0x180));
    fake.cpu.env->mstatus |= RV_MSTATUS_TVM;
    g_assert_false(can_read(0x180));
    set_priv(RV_PRIV_M);
    g_assert_true(can_read(0x180));
}

static void test_interrupt_registers(void)
{
    uint64_t old;

    cpu = fake_reset();
    cpu_interrupt_set(cpu, RV_MIP_SEIP); /* the external line */
    g_assert_cmphex(get(0x344), ==, RV_MIP_SEIP);
    /* A read-modify-write does not turn the line into the software bit. */
    rv_csr_access(cpu, 0x344, RV_CSR_SET, RV_MIP_SSIP, &old);
    g_assert_cmphex(get(0x344), ==, RV_MIP_SEIP | RV_MIP_SSIP);
    cpu_interrupt_clear(cpu, RV_MIP_SEIP);
    g_assert_cmphex(get(0x344), ==, RV_MIP_SSIP);
    put(0x344, ~0ULL);
    g_assert_cmphex(get(0x344), ==, RV_MIP_S);
    g_assert_cmphex(get(0x144), ==, 0); /* sip: nothing delegated */
    put(0x303, RV_MIP_SSIP | RV_MIP_SEIP);
    g_assert_cmphex(get(0x144), ==, RV_MIP_SSIP | RV_MIP_SEIP);
    put(0x144, 0); /* from S only SSIP can be cleared */
    g_assert_cmphex(get(0x144), ==, RV_MIP_SEIP);
    put(0x304, 0xaaa);
    g_assert_cmphex(get(0x104), ==, RV_MIP_SSIP | RV_MIP_SEIP);
    put(0x104, 0);
    g_assert_cmphex(get(0x304), ==, 0xaaa & ~(RV_MIP_SSIP | RV_MIP_SEIP));
}

static void test_float_registers(void)
{
    cpu = fake_reset();
    g_assert_false(can_read(0x003)); /* FS is off */
    fake.cpu.env->mstatus = 1 << 13;
    put(0x003, 0xff);
    g_assert_cmphex(fake.cpu.env->mstatus & RV_MSTATUS_FS, ==, RV_MSTATUS_FS);
    g_assert_cmphex(get(0x001), ==, 0x1f);
    g_assert_cmphex(get(0x002), ==, 7);
    put(0x002, 2);
    g_assert_cmphex(get(0x003), ==, 0x5f);
    g_assert_cmpint(fake.cpu.env->tcg.fp_round, ==, IR_ROUND_DOWN);
    fake.cpu.model.ext[RV_EXT_F] = false;
    g_assert_false(can_read(0x003));
}

static void test_counters(void)
{
    cpu = fake_reset();
    fake.clock_ns = 1000;
    put(0xb00, 5);
    fake.clock_ns = 1010;
    g_assert_cmpuint(get(0xc00), ==, 15);
    put(0x320, ~0ULL); /* stop */
    g_assert_cmphex(get(0x320), ==, 0xfffffffd);
    fake.clock_ns = 2000;
    g_assert_cmpuint(get(0xb00), ==, 15);
    put(0xb00, 100);
    put(0x320, 0);
    fake.clock_ns = 2007;
    g_assert_cmpuint(get(0xb00), ==, 107);

    set_priv(RV_PRIV_S);
    g_assert_false(can_read(0xc01));
    fake.cpu.env->mcounteren = 2;
    fake.time = 77;
    g_assert_cmpuint(get(0xc01), ==, 77);
    g_assert_false(can_read(0xc00));
    set_priv(RV_PRIV_U);
    g_assert_false(can_read(0xc01));
    fake.cpu.env->scounteren = 2;
    g_assert_true(can_read(0xc01));
}

/* They stand still until an event is selected, and keep their value over every change. */
static void test_hpm_counters(void)
{
    fake_reset();
    for (unsigned n = 3; n < 32; n++) {
        fake.clock_ns = 1000;
        g_assert_cmphex(put_get(0xb00 + n, ~0ULL), ==, ~0ULL);
        g_assert_cmphex(put_get(0xb00 + n, 500), ==, 500);
        fake.clock_ns = 2000;
        g_assert_cmpuint(get(0xc00 + n), ==, 500);
        g_assert_cmphex(put_get(0x320 + n, 77), ==, 0); /* no such event */
        g_assert_cmphex(put_get(0x320 + n, 2), ==, 2);
        g_assert_cmpuint(get(0xc00 + n), ==, 500);
        fake.clock_ns = 2100;
        g_assert_cmpuint(get(0xb00 + n), ==, 600);
        put(0x320, 1u << n); /* inhibited */
        fake.clock_ns = 3000;
        g_assert_cmpuint(get(0xb00 + n), ==, 600);
        put(0x320, 0);
        fake.clock_ns = 3001;
        g_assert_cmpuint(get(0xb00 + n), ==, 601);
        put(0x320 + n, 0);
        fake.clock_ns = 4000;
        g_assert_cmpuint(get(0xb00 + n), ==, 601);
    }
    g_assert_cmphex(put_get(0x320, ~0ULL), ==, 0xfffffffd); /* there is no bit for time */
}

static void test_stimecmp(void)
{
    cpu = fake_reset();
    set_priv(RV_PRIV_S);
    g_assert_false(can_read(0x14d));
    set_priv(RV_PRIV_M);
    put(0x30a, RV_ENVCFG_STCE);
    fake.cpu.env->mcounteren = 2;
    set_priv(RV_PRIV_S);
    g_assert_cmphex(get(0x14d), ==, UINT64_MAX);
    fake.time = 50;
    put(0x14d, 60);
    g_assert_cmpint(fake.armed_ns, ==, 6000);
    g_assert_cmphex(rv_mip(cpu), ==, 0);
    fake.time = 60;
    riscv_cpu_time_changed(cpu); /* as the timer does */
    g_assert_cmphex(rv_mip(cpu), ==, RV_MIP_STIP);
    set_priv(RV_PRIV_M);
    put(0x344, 0); /* STIP is the comparator's */
    g_assert_cmphex(rv_mip(cpu), ==, RV_MIP_STIP);
    put(0x14d, 61);
    g_assert_cmphex(rv_mip(cpu), ==, 0);
    put(0x14d, UINT64_MAX);
    g_assert_cmpint(fake.armed_ns, ==, CLOCK_NEVER);
    put(0x14d, 0);
    put(0x30a, 0);
    g_assert_cmphex(rv_mip(cpu), ==, 0);
}

static void test_pmp_registers(void)
{
    cpu = fake_reset();
    g_assert_cmphex(put_get(0x3a0, 0x7a1e), ==, 0x181c); /* bits 5, 6; W without R */
    g_assert_cmphex(put_get(0x3b0, ~0ULL), ==, MASK_ULL(54));
    g_assert_cmpuint(fake.flushes, ==, 2);
    put(0x3a0, 0x8f00); /* entry 1: locked, TOR */
    g_assert_cmphex(put_get(0x3a0, 0), ==, 0x8f00);
    put(0x3b0, 1);
    put(0x3b1, 1);
    g_assert_cmphex(get(0x3b0), ==, MASK_ULL(54)); /* its lower bound is locked with it */
    g_assert_cmphex(get(0x3b1), ==, 0);
    g_assert_cmphex(put_get(0x3a2, 0x1f), ==, 0x1f);
    g_assert_cmphex(fake.cpu.env->pmpcfg[8], ==, 0x1f);
}

/* --- Extensions --- */

static void test_features(void)
{
    RvCpu rv = {0};
    Error *err = NULL;
    g_autofree char *isa = NULL;

    cpu = fake_reset();
    isa = riscv_cpu_isa_string(cpu);
    g_assert_true(g_str_has_prefix(isa, "rv64imafdc_zicbom_zicbop_zicboz_zicntr_"));
    g_assert_cmpstr(riscv_cpu_mmu_type(cpu), ==, "riscv,sv57");

    rv.ext_prop[RV_EXT_F] = ON_OFF_AUTO_OFF; /* what needs it goes along */
    g_assert_true(rv_features_resolve(&rv, rv_default_rv64, &err));
    g_assert_false(rv_has(&rv.model, RV_EXT_D));
    g_assert_false(rv_has(&rv.model, RV_EXT_ZFA));
    g_assert_false(rv_has(&rv.model, RV_EXT_ZCD));
    g_assert_true(rv_has(&rv.model, RV_EXT_M));

    rv = (RvCpu){0};
    rv.ext_prop[RV_EXT_F] = ON_OFF_AUTO_OFF;
    rv.ext_prop[RV_EXT_ZFH] = ON_OFF_AUTO_ON; /* ... unless it was asked for */
    g_assert_false(rv_features_resolve(&rv, rv_default_rv64, &err));
    g_assert_cmpstr(error_text(err), ==, "-cpu: extension 'zfh' needs 'f', which is off");
    error_free(err);
    err = NULL;

    rv = (RvCpu){0};
    rv.satp_prop[2] = ON_OFF_AUTO_OFF;
    g_assert_true(rv_features_resolve(&rv, rv_default_rva22s64, &err));
    g_assert_cmpint(rv.model.satp_mode, ==, RV_SATP_SV48);
    rv.satp_prop[0] = ON_OFF_AUTO_OFF;
    g_assert_false(rv_features_resolve(&rv, rv_default_rva22s64, &err));
    error_free(err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv64/csr/privilege", test_privilege);
    g_test_add_func("/riscv64/csr/mstatus", test_mstatus);
    g_test_add_func("/riscv64/csr/mxr-flushes", test_mxr_flushes);
    g_test_add_func("/riscv64/csr/legal-values", test_legal_values);
    g_test_add_func("/riscv64/csr/satp", test_satp);
    g_test_add_func("/riscv64/csr/interrupts", test_interrupt_registers);
    g_test_add_func("/riscv64/csr/float", test_float_registers);
    g_test_add_func("/riscv64/csr/counters", test_counters);
    g_test_add_func("/riscv64/csr/hpm-counters", test_hpm_counters);
    g_test_add_func("/riscv64/csr/stimecmp", test_stimecmp);
    g_test_add_func("/riscv64/csr/pmp", test_pmp_registers);
    g_test_add_func("/riscv64/features", test_features);
    return g_test_run();
}
