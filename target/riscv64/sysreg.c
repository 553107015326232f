/* SPDX-License-Identifier: MIT */
/*
 * Control and status registers: one table row per register with its condition, access functions and
 * writable bits (Privileged ISA chapters 2, 3 and 12; Sstc; Smstateen, H and AIA are not modelled).
 *
 * Debug triggers: none; tselect and tdata1..3 are there and read as "no trigger" (Sdtrig 5.2).
 */
#include "rhea/osdep.h"

#include "pmp.h"
#include "timer.h"

enum { CSR_COUNT = 4096, CSR_MIP = 0x344 };

typedef struct RvCsr {
    const char *name;
    RvExt ext; /* that must be there */
    /* May the present mode (below M) have it?  Beyond what the number says.  NULL: yes. */
    bool (*allowed)(RvCpu *cpu, unsigned csr);
    /* NULL: the field; and for a write its bits of mask. */
    uint64_t (*read)(RvCpu *cpu, unsigned csr);
    void (*write)(RvCpu *cpu, unsigned csr, uint64_t value);
    size_t field;
    uint64_t mask;
} RvCsr;

/* --- Conditions --- */

static bool allow_satp(RvCpu *cpu, unsigned csr)
{
    return !(cpu->env->priv == RV_PRIV_S && cpu->env->mstatus & RV_MSTATUS_TVM);
}

static bool allow_counter(RvCpu *cpu, unsigned csr)
{
    uint64_t enabled = cpu->env->mcounteren;

    if (cpu->env->priv == RV_PRIV_U) {
        enabled &= cpu->env->scounteren;
    }
    return enabled >> (csr & 31) & 1;
}

static bool allow_stimecmp(RvCpu *cpu, unsigned csr)
{
    return cpu->env->menvcfg & RV_ENVCFG_STCE && cpu->env->mcounteren & 2;
}

/* --- Floating point --- */

void rv_set_frm(RvEnv *env, unsigned frm)
{
    env->frm = frm;
    env->tcg.fp_round = frm < IR_ROUND_NEAREST_MAX ? frm : IR_ROUND_NEAREST;
}

void rv_fs_dirty(CpuState *cpu)
{
    rv_env(cpu)->mstatus |= RV_MSTATUS_FS;
    cpu_context_changed(cpu);
}

static uint64_t read_fflags(RvCpu *cpu, unsigned csr)
{
    return cpu->env->tcg.fp_flags & 31;
}

static void write_fflags(RvCpu *cpu, unsigned csr, uint64_t v)
{
    cpu->env->tcg.fp_flags = v & 31;
    rv_fs_dirty(&cpu->cpu);
}

static uint64_t read_frm(RvCpu *cpu, unsigned csr)
{
    return cpu->env->frm;
}

static void write_frm(RvCpu *cpu, unsigned csr, uint64_t v)
{
    rv_set_frm(cpu->env, v & 7);
    rv_fs_dirty(&cpu->cpu);
}

static uint64_t read_fcsr(RvCpu *cpu, unsigned csr)
{
    return (cpu->env->tcg.fp_flags & 31) | (uint64_t)cpu->env->frm << 5;
}

static void write_fcsr(RvCpu *cpu, unsigned csr, uint64_t v)
{
    cpu->env->tcg.fp_flags = v & 31;
    write_frm(cpu, csr, v >> 5);
}

/* --- Status --- */

#define MSTATUS_S                                                                                  \
    (RV_MSTATUS_SIE | RV_MSTATUS_SPIE | RV_MSTATUS_SPP | RV_MSTATUS_FS | RV_MSTATUS_SUM |          \
     RV_MSTATUS_MXR)
#define MSTATUS_M                                                                                  \
    (MSTATUS_S | RV_MSTATUS_MIE | RV_MSTATUS_MPIE | RV_MSTATUS_MPP | RV_MSTATUS_MPRV |             \
     RV_MSTATUS_TVM | RV_MSTATUS_TW | RV_MSTATUS_TSR)

static uint64_t status_sd(uint64_t v)
{
    return (v & RV_MSTATUS_FS) == RV_MSTATUS_FS ? v | RV_MSTATUS_SD : v;
}

uint64_t rv_mstatus(const RvEnv *env)
{
    return status_sd(env->mstatus | RV_MSTATUS_UXL | RV_MSTATUS_SXL);
}

static uint64_t read_mstatus(RvCpu *cpu, unsigned csr)
{
    return rv_mstatus(cpu->env);
}

static void status_write(RvCpu *cpu, uint64_t v, uint64_t mask)
{
    RvEnv *env = cpu->env;
    uint64_t old = env->mstatus;

    if (!rv_has(&cpu->model, RV_EXT_F)) {
        mask &= ~RV_MSTATUS_FS;
    }
    if ((v & RV_MSTATUS_MPP) == 2ULL << 11) {
        mask &= ~RV_MSTATUS_MPP; /* no such mode: MPP keeps its value */
    }
    env->mstatus = (old & ~mask) | (v & mask);
    if ((old ^ env->mstatus) & RV_MSTATUS_MXR) {
        cpu_tlb_flush(&cpu->cpu, ~0ULL);
    }
    cpu_context_changed(&cpu->cpu);
}

static void write_mstatus(RvCpu *cpu, unsigned csr, uint64_t v)
{
    status_write(cpu, v, MSTATUS_M);
}

static uint64_t read_sstatus(RvCpu *cpu, unsigned csr)
{
    return status_sd((cpu->env->mstatus & MSTATUS_S) | RV_MSTATUS_UXL);
}

static void write_sstatus(RvCpu *cpu, unsigned csr, uint64_t v)
{
    status_write(cpu, v, MSTATUS_S);
}

static uint64_t read_misa(RvCpu *cpu, unsigned csr)
{
    static const struct {
        RvExt ext;
        char letter;
    } letters[] = {
        {RV_EXT_I, 'i'}, {RV_EXT_M, 'm'}, {RV_EXT_A, 'a'},
        {RV_EXT_F, 'f'}, {RV_EXT_D, 'd'}, {RV_EXT_C, 'c'},
    };
    uint64_t v = 2ULL << 62 | 1ULL << ('s' - 'a') | 1ULL << ('u' - 'a');

    for (unsigned i = 0; i < ARRAY_SIZE(letters); i++) {
        v |= (uint64_t)rv_has(&cpu->model, letters[i].ext) << (letters[i].letter - 'a');
    }
    if (rv_has(&cpu->model, RV_EXT_ZBA) && rv_has(&cpu->model, RV_EXT_ZBB) &&
        rv_has(&cpu->model, RV_EXT_ZBS)) {
        v |= 1ULL << ('b' - 'a');
    }
    return v;
}

/* --- Interrupts --- */

static uint64_t read_mip(RvCpu *cpu, unsigned csr)
{
    return rv_mip(&cpu->cpu);
}

/* What a read-modify-write of mip starts from: without the external SEIP line (3.1.9). */
static uint64_t read_mip_soft(RvCpu *cpu)
{
    uint32_t pending = __atomic_load_n(&cpu->cpu.interrupt_pending, __ATOMIC_ACQUIRE);

    return (pending & RV_MIP_ALL & ~RV_MIP_SEIP) | (pending & RV_MIP_SEIP_SW ? RV_MIP_SEIP : 0);
}

static void pend(RvCpu *cpu, uint32_t bit, bool on)
{
    if (on) {
        cpu_interrupt_set(&cpu->cpu, bit);
    } else {
        cpu_interrupt_clear(&cpu->cpu, bit);
    }
}

static void write_mip(RvCpu *cpu, unsigned csr, uint64_t v)
{
    pend(cpu, RV_MIP_SSIP, v & RV_MIP_SSIP);
    pend(cpu, RV_MIP_SEIP_SW, v & RV_MIP_SEIP);
    if (!(cpu->env->menvcfg & RV_ENVCFG_STCE)) {
        pend(cpu, RV_MIP_STIP, v & RV_MIP_STIP);
    }
}

static uint64_t read_sip(RvCpu *cpu, unsigned csr)
{
    return rv_mip(&cpu->cpu) & cpu->env->mideleg;
}

static void write_sip(RvCpu *cpu, unsigned csr, uint64_t v)
{
    if (cpu->env->mideleg & RV_MIP_SSIP) {
        pend(cpu, RV_MIP_SSIP, v & RV_MIP_SSIP);
    }
}

static uint64_t read_sie(RvCpu *cpu, unsigned csr)
{
    return cpu->env->mie & cpu->env->mideleg;
}

static void write_sie(RvCpu *cpu, unsigned csr, uint64_t v)
{
    uint64_t mask = cpu->env->mideleg & RV_MIP_S;

    cpu->env->mie = (cpu->env->mie & ~mask) | (v & mask);
}

/* --- Traps --- */

static void write_tvec(RvCpu *cpu, unsigned csr, uint64_t v)
{
    *(csr & 0x200 ? &cpu->env->mtvec : &cpu->env->stvec) = v & ~2ULL; /* modes 2, 3 are reserved */
}

static void write_epc(RvCpu *cpu, unsigned csr, uint64_t v)
{
    v &= rv_has(&cpu->model, RV_EXT_ZCA) ? ~1ULL : ~3ULL;
    *(csr & 0x200 ? &cpu->env->mepc : &cpu->env->sepc) = v;
}

/* --- Environment --- */

static uint64_t envcfg_mask(RvCpu *cpu, bool machine)
{
    const RvModel *m = &cpu->model;
    uint64_t mask = RV_ENVCFG_FIOM;

    mask |= rv_has(m, RV_EXT_ZICBOM) ? RV_ENVCFG_CBIE | RV_ENVCFG_CBCFE : 0;
    mask |= rv_has(m, RV_EXT_ZICBOZ) ? RV_ENVCFG_CBZE : 0;
    if (machine) {
        mask |= rv_has(m, RV_EXT_SVADU) ? RV_ENVCFG_ADUE : 0;
        mask |= rv_has(m, RV_EXT_SVPBMT) ? RV_ENVCFG_PBMTE : 0;
        mask |= rv_has(m, RV_EXT_SSTC) ? RV_ENVCFG_STCE : 0;
    }
    return mask;
}

static uint64_t envcfg_merge(RvCpu *cpu, uint64_t old, uint64_t v, bool machine)
{
    uint64_t mask = envcfg_mask(cpu, machine);

    if ((v & RV_ENVCFG_CBIE) == 2 << 4) {
        mask &= ~RV_ENVCFG_CBIE; /* reserved: keeps its value */
    }
    return (old & ~mask) | (v & mask);
}

static void write_menvcfg(RvCpu *cpu, unsigned csr, uint64_t v)
{
    uint64_t old = cpu->env->menvcfg, changed;

    cpu->env->menvcfg = envcfg_merge(cpu, old, v, true);
    changed = old ^ cpu->env->menvcfg;
    if (changed & (RV_ENVCFG_PBMTE | RV_ENVCFG_ADUE)) {
        cpu_tlb_flush(&cpu->cpu, ~0ULL);
    }
    if (changed & RV_ENVCFG_STCE) {
        cpu_interrupt_clear(&cpu->cpu, RV_MIP_STIP);
        rv_stimer_update(cpu);
    }
}

static void write_senvcfg(RvCpu *cpu, unsigned csr, uint64_t v)
{
    cpu->env->senvcfg = envcfg_merge(cpu, cpu->env->senvcfg, v, false);
}

static void write_counteren(RvCpu *cpu, unsigned csr, uint64_t v)
{
    uint64_t mask = rv_has(&cpu->model, RV_EXT_ZIHPM) ? UINT32_MAX : 7;

    *(csr & 0x200 ? &cpu->env->mcounteren : &cpu->env->scounteren) = v & mask;
}

static void write_satp(RvCpu *cpu, unsigned csr, uint64_t v)
{
    unsigned mode = RV_SATP_MODE(v);
    uint64_t old = cpu->env->satp;

    if (mode != RV_SATP_BARE && (mode < RV_SATP_SV39 || mode > cpu->model.satp_mode)) {
        return; /* a write with an unsupported mode has no effect (12.1.11) */
    }
    cpu->env->satp = v;
    /* Software that uses no ASIDs often leaves out the fence that it owes us. */
    if (v != old && RV_SATP_ASID(v) == 0) {
        cpu_tlb_flush(&cpu->cpu, rv_space(&cpu->cpu));
    }
    cpu_context_changed(&cpu->cpu);
}

/* --- Constants --- */

static uint64_t read_hartid(RvCpu *cpu, unsigned csr)
{
    return cpu->hartid;
}

static uint64_t read_zero(RvCpu *cpu, unsigned csr)
{
    return 0;
}

static uint64_t read_tinfo(RvCpu *cpu, unsigned csr)
{
    return 1; /* only type 0, "no trigger" */
}

static void write_ignored(RvCpu *cpu, unsigned csr, uint64_t v)
{
}

/* --- The table --- */

#define FIELD(n, f, m)                                                                             \
    {                                                                                              \
        .name = (n), .ext = RV_EXT_ZICSR, .field = offsetof(RvEnv, f), .mask = (m)                 \
    }
#define FIELD_W(n, f, w)                                                                           \
    {                                                                                              \
        .name = (n), .ext = RV_EXT_ZICSR, .field = offsetof(RvEnv, f), .write = (w)                \
    }
#define FUNC(n, r, w)                                                                              \
    {                                                                                              \
        .name = (n), .ext = RV_EXT_ZICSR, .read = (r), .write = (w)                                \
    }
#define FUNC_IF(n, e, a, r, w)                                                                     \
    {                                                                                              \
        .name = (n), .ext = (e), .allowed = (a), .read = (r), .write = (w)                         \
    }
#define CONST(n, r)                                                                                \
    {                                                                                              \
        .name = (n), .ext = RV_EXT_ZICSR, .read = (r), .write = write_ignored                      \
    }

#define MEDELEG_MASK 0xb3ffULL /* every exception but ECALL from M */

static const RvCsr csrs[CSR_COUNT] = {
    [0x001] = FUNC_IF("fflags", RV_EXT_F, NULL, read_fflags, write_fflags),
    [0x002] = FUNC_IF("frm", RV_EXT_F, NULL, read_frm, write_frm),
    [0x003] = FUNC_IF("fcsr", RV_EXT_F, NULL, read_fcsr, write_fcsr),

    [0xc00] = FUNC_IF("cycle", RV_EXT_ZICNTR, allow_counter, rv_counter_read, NULL),
    [0xc01] = FUNC_IF("time", RV_EXT_ZICNTR, allow_counter, rv_time_read, NULL),
    [0xc02] = FUNC_IF("instret", RV_EXT_ZICNTR, allow_counter, rv_counter_read, NULL),
    [0xc03 ... 0xc1f] = FUNC_IF("hpmcounter", RV_EXT_ZIHPM, allow_counter, rv_counter_read, NULL),

    [0x100] = FUNC("sstatus", read_sstatus, write_sstatus),
    [0x104] = FUNC("sie", read_sie, write_sie),
    [0x105] = FIELD_W("stvec", stvec, write_tvec),
    [0x106] = FIELD_W("scounteren", scounteren, write_counteren),
    [0x10a] = FIELD_W("senvcfg", senvcfg, write_senvcfg),
    [0x140] = FIELD("sscratch", sscratch, ~0ULL),
    [0x141] = FIELD_W("sepc", sepc, write_epc),
    [0x142] = FIELD("scause", scause, ~0ULL),
    [0x143] = FIELD("stval", stval, ~0ULL),
    [0x144] = FUNC("sip", read_sip, write_sip),
    [0x14d] = {.name = "stimecmp",
               .ext = RV_EXT_SSTC,
               .allowed = allow_stimecmp,
               .write = rv_stimecmp_write,
               .field = offsetof(RvEnv, stimecmp)},
    [0x180] = {.name = "satp",
               .ext = RV_EXT_ZICSR,
               .allowed = allow_satp,
               .write = write_satp,
               .field = offsetof(RvEnv, satp)},

    [0x300] = FUNC("mstatus", read_mstatus, write_mstatus),
    [0x301] = CONST("misa", read_misa),
    [0x302] = FIELD("medeleg", medeleg, MEDELEG_MASK),
    [0x303] = FIELD("mideleg", mideleg, RV_MIP_S),
    [0x304] = FIELD("mie", mie, RV_MIP_ALL),
    [0x305] = FIELD_W("mtvec", mtvec, write_tvec),
    [0x306] = FIELD_W("mcounteren", mcounteren, write_counteren),
    [0x30a] = FIELD_W("menvcfg", menvcfg, write_menvcfg),
    [0x320] = FIELD_W("mcountinhibit", mcountinhibit, rv_countinhibit_write),
    [0x323 ... 0x33f] = FUNC("mhpmevent", rv_hpmevent_read, rv_hpmevent_write),
    [0x340] = FIELD("mscratch", mscratch, ~0ULL),
    [0x341] = FIELD_W("mepc", mepc, write_epc),
    [0x342] = FIELD("mcause", mcause, ~0ULL),
    [0x343] = FIELD("mtval", mtval, ~0ULL),
    [CSR_MIP] = FUNC("mip", read_mip, write_mip),
    [0x3a0] = FUNC("pmpcfg0", rv_pmpcfg_read, rv_pmpcfg_write),
    [0x3a2] = FUNC("pmpcfg2", rv_pmpcfg_read, rv_pmpcfg_write),
    [0x3b0 ... 0x3bf] = FUNC("pmpaddr", rv_pmpaddr_read, rv_pmpaddr_write),
    [0x7a0] = CONST("tselect", read_zero),
    [0x7a1] = CONST("tdata1", read_zero),
    [0x7a2] = CONST("tdata2", read_zero),
    [0x7a3] = CONST("tdata3", read_zero),
    [0x7a4] = CONST("tinfo", read_tinfo),
    [0xb00] = FUNC("mcycle", rv_counter_read, rv_counter_write),
    [0xb02] = FUNC("minstret", rv_counter_read, rv_counter_write),
    [0xb03 ... 0xb1f] = FUNC("mhpmcounter", rv_counter_read, rv_counter_write),
    [0xf11] = FUNC("mvendorid", read_zero, NULL),
    [0xf12] = FUNC("marchid", read_zero, NULL),
    [0xf13] = FUNC("mimpid", read_zero, NULL),
    [0xf14] = FUNC("mhartid", read_hartid, NULL),
    [0xf15] = FUNC("mconfigptr", read_zero, NULL),
};

/* --- Access --- */

static const RvCsr *csr_find(const RvModel *m, unsigned csr)
{
    const RvCsr *c = csr < CSR_COUNT ? &csrs[csr] : NULL;

    return c && c->name && rv_has(m, c->ext) ? c : NULL;
}

static uint64_t csr_get(RvCpu *cpu, const RvCsr *c, unsigned csr)
{
    return c->read ? c->read(cpu, csr) : *(uint64_t *)(void *)((char *)cpu->env + c->field);
}

static void csr_put(RvCpu *cpu, const RvCsr *c, unsigned csr, uint64_t v)
{
    uint64_t *field = (uint64_t *)(void *)((char *)cpu->env + c->field);

    if (c->write) {
        c->write(cpu, csr, v);
    } else {
        *field = (*field & ~c->mask) | (v & c->mask);
    }
}

static bool csr_read_only(unsigned csr)
{
    return csr >> 10 == 3;
}

/* May the present mode access it so? */
static bool csr_permitted(RvCpu *cpu, const RvCsr *c, unsigned csr, bool write)
{
    if ((csr >> 8 & 3) > cpu->env->priv || (write && csr_read_only(csr))) {
        return false;
    }
    if (c->ext == RV_EXT_F && !(cpu->env->mstatus & RV_MSTATUS_FS)) {
        return false;
    }
    return cpu->env->priv == RV_PRIV_M || !c->allowed || c->allowed(cpu, csr);
}

bool rv_csr_access(CpuState *cs, unsigned csr, RvCsrOp op, uint64_t operand, uint64_t *old)
{
    RvCpu *cpu = rv_cpu(cs);
    const RvCsr *c = csr_find(&cpu->model, csr);
    uint64_t base;

    if (!c || !csr_permitted(cpu, c, csr, op != RV_CSR_READ)) {
        return false;
    }
    *old = csr_get(cpu, c, csr);
    base = csr == CSR_MIP ? read_mip_soft(cpu) : *old;
    switch (op) {
    case RV_CSR_READ: break;
    case RV_CSR_WRITE: csr_put(cpu, c, csr, operand); break;
    case RV_CSR_SET: csr_put(cpu, c, csr, base | operand); break;
    case RV_CSR_CLEAR: csr_put(cpu, c, csr, base & ~operand); break;
    }
    return true;
}

bool rv_csr_peek(CpuState *cs, unsigned csr, uint64_t *value)
{
    const RvCsr *c = csr_find(&rv_cpu(cs)->model, csr);

    if (c) {
        *value = csr_get(rv_cpu(cs), c, csr);
    }
    return c;
}

bool rv_csr_poke(CpuState *cs, unsigned csr, uint64_t value)
{
    const RvCsr *c = csr_find(&rv_cpu(cs)->model, csr);

    if (!c || csr_read_only(csr)) {
        return false;
    }
    csr_put(rv_cpu(cs), c, csr, value);
    return true;
}

const char *rv_csr_name(const RvModel *m, unsigned csr)
{
    const RvCsr *c = csr_find(m, csr);

    return c ? c->name : NULL;
}
