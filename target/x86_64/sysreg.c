/* SPDX-License-Identifier: MIT */
/*
 * Model-specific registers: one table row per register or range, with its condition, access functions and
 * writable bits (SDM vol. 4; APM vol. 2, appendix A).
 *
 * Memory types (PAT, MTRRs) and machine-check banks are stored and without effect.  There is no
 * performance counter: what kernels probe reads zero and does not keep what is written.
 */
#include "rhea/osdep.h"

#include "cpu.h"
#include "hw/machine.h"

typedef struct X86Msr {
    uint32_t first, count;
    const char *name;
    int needs;                          /* X86Feature, or ALWAYS ... */
    bool (*present)(const X86Model *m); /* ... and this, where one feature does not say it */
    /* NULL: the field; and for a write its bits of mask, others raise #GP. */
    uint64_t (*read)(X86Env *env, uint32_t msr);
    bool (*write)(X86Env *env, uint32_t msr, uint64_t v);
    size_t field;
    uint64_t mask;
} X86Msr;

enum { ALWAYS = -1, MC_BANKS = 10, MTRR_PAIRS = 8 };

static uint64_t *msr_field(X86Env *env, const X86Msr *r, uint32_t msr)
{
    return (uint64_t *)(void *)((char *)env + r->field) + (msr - r->first);
}

/* --- Values --- */

static uint64_t read_zero(X86Env *env, uint32_t msr)
{
    return 0;
}

static bool write_ignored(X86Env *env, uint32_t msr, uint64_t v)
{
    return true;
}

static uint64_t read_mtrr_cap(X86Env *env, uint32_t msr)
{
    return MTRR_PAIRS | 1 << 8 | 1 << 10; /* fixed ranges, write-combining */
}

static bool memory_type_ok(unsigned type)
{
    return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

static bool write_mtrr_phys(X86Env *env, uint32_t msr, uint64_t v)
{
    uint64_t address = MASK_ULL(x86_model(env)->phys_bits) & ~MASK_ULL(12);

    if (msr & 1 ? v & ~(address | 1 << 11) : v & ~(address | 0xff) || !memory_type_ok(v & 0xff)) {
        return false;
    }
    env->mtrr_phys[msr - 0x200] = v;
    return true;
}

static unsigned mtrr_fixed_index(uint32_t msr)
{
    return msr == 0x250 ? 0 : msr < 0x260 ? msr - 0x258 + 1 : msr - 0x268 + 3;
}

static uint64_t read_mtrr_fixed(X86Env *env, uint32_t msr)
{
    return env->mtrr_fixed[mtrr_fixed_index(msr)];
}

static bool write_mtrr_fixed(X86Env *env, uint32_t msr, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++) {
        if (!memory_type_ok(v >> 8 * i & 0xff)) {
            return false;
        }
    }
    env->mtrr_fixed[mtrr_fixed_index(msr)] = v;
    return true;
}

static bool write_mtrr_def(X86Env *env, uint32_t msr, uint64_t v)
{
    if (v & ~0xcffULL || !memory_type_ok(v & 0xff)) {
        return false;
    }
    env->mtrr_def = v;
    return true;
}

static bool write_pat(X86Env *env, uint32_t msr, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned type = v >> 8 * i & 0xff;

        if (type != 7 && !memory_type_ok(type)) {
            return false;
        }
    }
    env->pat = v;
    return true;
}

/* --- Machine check --- */

static uint64_t read_mcg_cap(X86Env *env, uint32_t msr)
{
    return MC_BANKS | 1 << 8; /* with MCG_CTL */
}

static bool write_mcg_ctl(X86Env *env, uint32_t msr, uint64_t v)
{
    if (v != 0 && v != ~0ULL) {
        return false;
    }
    env->mcg_ctl = v;
    return true;
}

/* STATUS can be cleared only. */
static bool write_mc_bank(X86Env *env, uint32_t msr, uint64_t v)
{
    unsigned i = msr - 0x400;

    if (i % 4 == 1 && v != 0) {
        return false;
    }
    env->mc_bank[i] = v;
    return true;
}

/* --- Time --- */

static uint64_t read_tsc(X86Env *env, uint32_t msr)
{
    return x86_tsc(env);
}

static bool write_tsc(X86Env *env, uint32_t msr, uint64_t v)
{
    env->tsc_adjust += v - x86_tsc(env);
    x86_set_tsc(env, v);
    return true;
}

static bool write_tsc_adjust(X86Env *env, uint32_t msr, uint64_t v)
{
    x86_set_tsc(env, x86_tsc(env) + (v - env->tsc_adjust));
    env->tsc_adjust = v;
    return true;
}

/* --- The local APIC's --- */

static uint64_t read_apic(X86Env *env, uint32_t msr)
{
    return 0; /* not reached: x86_read_msr() asks the APIC */
}

/* --- System calls and bases --- */

static bool write_efer(X86Env *env, uint32_t msr, uint64_t v)
{
    return x86_write_efer(env, v);
}

static uint64_t *canonical_register(X86Env *env, uint32_t msr)
{
    switch (msr) {
    case 0x175: return &env->sysenter_esp;
    case 0x176: return &env->sysenter_eip;
    case 0xc0000082: return &env->lstar;
    case 0xc0000083: return &env->cstar;
    case 0xc0000100: return &env->seg[X86_FS].base;
    case 0xc0000101: return &env->seg[X86_GS].base;
    default: return &env->seg_base_gs_kernel;
    }
}

static uint64_t read_address(X86Env *env, uint32_t msr)
{
    return *canonical_register(env, msr);
}

static bool write_address(X86Env *env, uint32_t msr, uint64_t v)
{
    if (!x86_canonical(env, v)) {
        return false;
    }
    *canonical_register(env, msr) = v;
    return true;
}

/* --- Features and mitigations --- */

/* Once locked, IA32_FEATURE_CONTROL stays as it is. */
static bool write_feature_control(X86Env *env, uint32_t msr, uint64_t v)
{
    if (env->feature_control & 1 || v & ~1ULL) {
        return false;
    }
    env->feature_control = v;
    return true;
}

/* Intel has one feature for the two registers, AMD one for each of their bits. */
static bool has_spec_ctrl(const X86Model *m)
{
    return x86_has(m, X86_F_SPEC_CTRL) || x86_has(m, X86_F_IBRS) || x86_has(m, X86_F_AMD_STIBP) ||
           x86_has(m, X86_F_AMD_SSBD);
}

static bool has_pred_cmd(const X86Model *m)
{
    return x86_has(m, X86_F_SPEC_CTRL) || x86_has(m, X86_F_IBPB);
}

static bool write_pred_cmd(X86Env *env, uint32_t msr, uint64_t v)
{
    return !(v & ~1ULL);
}

/*
 * There is no speculation here that another level could watch: kernels need not pay for mitigations.
 * RDCL_NO, IBRS_ALL, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO, FBSDP_NO,
 * PSDP_NO, BHI_NO, PBRSB_NO, GDS_NO, RFDS_NO.
 */
static uint64_t read_arch_capabilities(X86Env *env, uint32_t msr)
{
    return 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 13 | 1 << 14 |
           1 << 15 | 1 << 20 | 1 << 24 | 1 << 26 | 1 << 27;
}

/* In bits 63..32, as Intel has it; AMD's patch level is in the low half. */
static uint64_t read_microcode(X86Env *env, uint32_t msr)
{
    return !strcmp(x86_model(env)->vendor, "AuthenticAMD") ? 0x01000065 : 1ULL << 32;
}

/* --- The table --- */

#define FIELD(n, c, name_, need, f, m)                                                             \
    {                                                                                              \
        .first = (n), .count = (c), .name = (name_), .needs = (need),                              \
        .field = offsetof(X86Env, f), .mask = (m)                                                  \
    }
#define FIELD_W(n, c, name_, need, f, w)                                                           \
    {                                                                                              \
        .first = (n), .count = (c), .name = (name_), .needs = (need),                              \
        .field = offsetof(X86Env, f), .write = (w)                                                 \
    }
#define FUNC(n, c, name_, need, r, w)                                                              \
    {                                                                                              \
        .first = (n), .count = (c), .name = (name_), .needs = (need), .read = (r), .write = (w)    \
    }
#define APIC_MSR(n, c, name_, need) FUNC(n, c, name_, need, read_apic, NULL)
#define STUB(n, c, name_)           FUNC(n, c, name_, ALWAYS, read_zero, write_ignored)

#define MISC_ENABLE_MASK                                                                           \
    ((1ULL << 0 | 1ULL << 3 | 1ULL << 7 | 1ULL << 11 | 1ULL << 12 | 1ULL << 16 | 1ULL << 18 |      \
      1ULL << 22 | 1ULL << 23 | 1ULL << 34))

/* Sorted by number. */
static const X86Msr msrs[] = {
    STUB(0x000, 2, "P5_MC"),
    FUNC(0x010, 1, "TSC", X86_F_TSC, read_tsc, write_tsc),
    FUNC(0x017, 1, "PLATFORM_ID", ALWAYS, read_zero, NULL),
    APIC_MSR(0x01b, 1, "APIC_BASE", X86_F_APIC),
    FUNC(0x02a, 1, "EBL_CR_POWERON", ALWAYS, read_zero, write_ignored),
    FIELD_W(0x03a, 1, "FEATURE_CONTROL", ALWAYS, feature_control, write_feature_control),
    FIELD_W(0x03b, 1, "TSC_ADJUST", X86_F_TSC_ADJUST, tsc_adjust, write_tsc_adjust),
    {.first = 0x048,
     .count = 1,
     .name = "SPEC_CTRL",
     .needs = ALWAYS,
     .present = has_spec_ctrl,
     .field = offsetof(X86Env, spec_ctrl),
     .mask = 7},
    {.first = 0x049,
     .count = 1,
     .name = "PRED_CMD",
     .needs = ALWAYS,
     .present = has_pred_cmd,
     .write = write_pred_cmd},
    FUNC(0x079, 1, "BIOS_UPDT_TRIG", ALWAYS, NULL, write_ignored),
    FUNC(0x08b, 1, "BIOS_SIGN_ID", ALWAYS, read_microcode, write_ignored),
    FUNC(0x0fe, 1, "MTRRCAP", X86_F_MTRR, read_mtrr_cap, NULL),
    FUNC(0x10a, 1, "ARCH_CAPABILITIES", X86_F_ARCH_CAPABILITIES, read_arch_capabilities, NULL),
    FIELD(0x174, 1, "SYSENTER_CS", X86_F_SEP, sysenter_cs, 0xffffffff),
    FUNC(0x175, 2, "SYSENTER_ESP/EIP", X86_F_SEP, read_address, write_address),
    FUNC(0x179, 1, "MCG_CAP", X86_F_MCA, read_mcg_cap, NULL),
    FIELD(0x17a, 1, "MCG_STATUS", X86_F_MCA, mcg_status, 7),
    FIELD_W(0x17b, 1, "MCG_CTL", X86_F_MCA, mcg_ctl, write_mcg_ctl),
    STUB(0x186, 2, "PERFEVTSEL"),
    STUB(0x198, 2, "PERF_STATUS, PERF_CTL"),
    STUB(0x19a, 3, "CLOCK_MODULATION, THERM"),
    FIELD(0x1a0, 1, "MISC_ENABLE", ALWAYS, misc_enable, MISC_ENABLE_MASK),
    STUB(0x1d9, 1, "DEBUGCTL"),
    FUNC(0x1db, 4, "LASTBRANCH, LASTINT", ALWAYS, read_zero, NULL),
    FIELD_W(0x200, 2 * MTRR_PAIRS, "MTRR_PHYS", X86_F_MTRR, mtrr_phys, write_mtrr_phys),
    FUNC(0x250, 1, "MTRR_FIX64K", X86_F_MTRR, read_mtrr_fixed, write_mtrr_fixed),
    FUNC(0x258, 2, "MTRR_FIX16K", X86_F_MTRR, read_mtrr_fixed, write_mtrr_fixed),
    FUNC(0x268, 8, "MTRR_FIX4K", X86_F_MTRR, read_mtrr_fixed, write_mtrr_fixed),
    FIELD_W(0x277, 1, "PAT", X86_F_PAT, pat, write_pat),
    FIELD_W(0x2ff, 1, "MTRR_DEF_TYPE", X86_F_MTRR, mtrr_def, write_mtrr_def),
    FIELD_W(0x400, 4 * MC_BANKS, "MC_BANK", X86_F_MCA, mc_bank, write_mc_bank),
    APIC_MSR(0x6e0, 1, "TSC_DEADLINE", X86_F_TSC_DEADLINE),
    APIC_MSR(0x800, 0x100, "X2APIC", X86_F_X2APIC),
    FIELD_W(0xc0000080, 1, "EFER", X86_F_NX, efer, write_efer),
    FIELD(0xc0000081, 1, "STAR", X86_F_SYSCALL, star, ~0ULL),
    FUNC(0xc0000082, 2, "LSTAR, CSTAR", X86_F_LM, read_address, write_address),
    FIELD(0xc0000084, 1, "SFMASK", X86_F_LM, sfmask, 0xffffffff),
    FUNC(0xc0000100, 3, "FS_BASE, GS_BASE, KERNEL_GS_BASE", X86_F_LM, read_address, write_address),
    FIELD(0xc0000103, 1, "TSC_AUX", X86_F_RDTSCP, tsc_aux, 0xffffffff),
    STUB(0xc0010000, 8, "PERF_CTL, PERF_CTR"),
    STUB(0xc0010010, 1, "SYSCFG"),
    STUB(0xc0010015, 1, "HWCR"),
    STUB(0xc001001a, 1, "TOP_MEM"),
    STUB(0xc001001d, 1, "TOP_MEM2"),
    STUB(0xc001001f, 1, "NB_CFG"),
    FUNC(0xc0010020, 1, "PATCH_LOADER", ALWAYS, NULL, write_ignored),
    STUB(0xc0010055, 1, "INT_PENDING"),
    STUB(0xc0010112, 2, "SMM_ADDR, SMM_MASK"),
    STUB(0xc0010114, 1, "VM_CR"),
    STUB(0xc0010117, 1, "VM_HSAVE_PA"),
    STUB(0xc0011020, 1, "LS_CFG"),
    STUB(0xc0011022, 1, "DC_CFG"),
    STUB(0xc0011029, 1, "DE_CFG"),
    STUB(0xc001102a, 1, "BU_CFG2"),
};

/* --- Access --- */

static bool msr_is_there(const X86Model *m, const X86Msr *r)
{
    return (r->needs == ALWAYS || x86_has(m, r->needs)) && (!r->present || r->present(m));
}

static const X86Msr *msr_find(const X86Env *env, uint32_t msr)
{
    unsigned lo = 0, hi = ARRAY_SIZE(msrs);

    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;
        const X86Msr *r = &msrs[mid];

        if (msr < r->first) {
            hi = mid;
        } else if (msr - r->first >= r->count) {
            lo = mid + 1;
        } else {
            return msr_is_there(x86_model(env), r) ? r : NULL;
        }
    }
    return NULL;
}

static bool apic_access(X86Env *env, uint32_t msr, uint64_t *v, bool write)
{
    X86Cpu *cpu = x86_cpu(env->tcg.cpu);
    bool ok;

    if (!cpu->apic) {
        return false;
    }
    machine_lock();
    ok = write ? cpu->apic->write_msr(cpu->apic_opaque, msr, *v)
               : cpu->apic->read_msr(cpu->apic_opaque, msr, v);
    machine_unlock();
    return ok;
}

bool x86_read_msr(X86Env *env, uint32_t msr, uint64_t *v)
{
    const X86Msr *r = msr_find(env, msr);

    if (!r) {
        return false;
    }
    if (r->read == read_apic) {
        return apic_access(env, msr, v, false);
    }
    if (r->read) {
        *v = r->read(env, msr);
    } else if (r->field) {
        *v = *msr_field(env, r, msr);
    } else {
        return false; /* only for writing */
    }
    return true;
}

bool x86_write_msr(X86Env *env, uint32_t msr, uint64_t v)
{
    const X86Msr *r = msr_find(env, msr);

    if (!r) {
        return false;
    }
    if (r->read == read_apic) {
        return apic_access(env, msr, &v, true);
    }
    if (r->write) {
        return r->write(env, msr, v);
    }
    if (!r->field || v & ~r->mask) {
        return false;
    }
    *msr_field(env, r, msr) = v;
    return true;
}
