/* SPDX-License-Identifier: MIT */
/*
 * The riscv64 CPU: features, state, translation key, helper numbers.  Private to target/riscv64 (and
 * accel/kvm); boards use include/target/riscv64.h.
 *
 * Specifications: RISC-V Unprivileged ISA 20240411, Privileged Architecture 1.13.
 */
#ifndef TARGET_RISCV64_CPU_H
#define TARGET_RISCV64_CPU_H

#include "memory/clock.h"
#include "rhea/bits.h"
#include "target/cpu-ops.h"
#include "target/riscv64.h"

/* --- Features --- */

typedef enum RvExt {
#define RV_EXT(ident, ...) RV_EXT_##ident,
#include "features.def"
#undef RV_EXT
    RV_EXT_COUNT
} RvExt;

/* Fixed once the CPU is realized: all that translate() may know of a CPU. */
typedef struct RvModel {
    bool ext[RV_EXT_COUNT];
    uint8_t satp_mode; /* the largest: RV_SATP_SV39 ... SV57; RV_SATP_BARE: no translation */
} RvModel;

static inline bool rv_has(const RvModel *m, RvExt ext)
{
    return m->ext[ext];
}

/* --- State --- */

typedef enum RvPriv { RV_PRIV_U = 0, RV_PRIV_S = 1, RV_PRIV_M = 3 } RvPriv;

enum { RV_PMP_ENTRIES = 16, RV_CBO_BLOCK = 64 };

enum { RV_COUNTERS = 32 };
typedef enum RvHpmEvent { RV_HPM_NONE, RV_HPM_CYCLES, RV_HPM_INSNS, RV_HPM_EVENTS } RvHpmEvent;

typedef struct RvEnv {
    TcgEnv tcg; /* fp_flags is fflags; fp_round follows frm while that is a mode the IR can have */
    uint64_t x[32];
    uint64_t f[32]; /* narrower values are NaN-boxed */

    /* LR/SC: SC succeeds when the address matches and memory still holds the value. */
    uint64_t reserve_addr; /* RV_NO_RESERVATION: none */
    uint64_t reserve_value;

    uint64_t wfi_seen;   /* host-side: what was pending when WFI last returned, 0 after a trap */
    uint64_t trap_value; /* xtval for CpuState.exception */
    uint8_t priv;        /* RvPriv */
    uint8_t frm;         /* all 8 values */

    uint64_t mstatus; /* SD, UXL, SXL are made up at reads */
    uint64_t medeleg, mideleg, mie;
    uint64_t mtvec, mscratch, mepc, mcause, mtval;
    uint64_t stvec, sscratch, sepc, scause, stval, satp;
    uint64_t menvcfg, senvcfg;
    uint64_t mcounteren, scounteren, mcountinhibit;
    uint64_t stimecmp;
    /* Counters by number: minus their base, or the value itself while they stand still (timer.c). */
    uint64_t counter[RV_COUNTERS];
    uint8_t hpm_event[RV_COUNTERS]; /* RvHpmEvent; of 3 and up */
    uint8_t pmpcfg[RV_PMP_ENTRIES];
    uint64_t pmpaddr[RV_PMP_ENTRIES];
    uint8_t pmp_used; /* entries up to the last that is not off; derived from pmpcfg */
} RvEnv;

#define RV_NO_RESERVATION (~0ULL)

typedef struct RvCpu {
    CpuState cpu; /* interrupt_pending holds mip: bits RV_MIP_*, and RV_MIP_SEIP_SW */
    RvEnv *env;
    RvModel model;
    /* properties: fixed once realized */
    int ext_prop[RV_EXT_COUNT]; /* OnOffAuto; auto: the model's default */
    int satp_prop[3];           /* OnOffAuto: sv39, sv48, sv57 */
    uint64_t hartid;
    uint64_t resetvec;
    /* wiring */
    const RiscvTimeSource *time;
    void *time_opaque;
    /* fires when time reaches stimecmp; with it stimecmp and STIP */
    GMutex timer_lock;
    ClockTimer stimer;
} RvCpu;

static inline RvCpu *rv_cpu(CpuState *cpu)
{
    return container_of(cpu, RvCpu, cpu);
}

static inline RvEnv *rv_env(CpuState *cpu)
{
    return (RvEnv *)(void *)cpu->env;
}

/* --- Translation key --- */

/* Bits 0..1: MMU index of data accesses. */
enum { RV_MMU_U, RV_MMU_S, RV_MMU_S_SUM, RV_MMU_M };

enum {
    RV_KEY_FS_SHIFT = 2,   /* 2 bits: RV_FS_OFF, RV_FS_CLEAN (on, not dirty), RV_FS_DIRTY */
    RV_KEY_FRM_SHIFT = 4,  /* 3 bits: frm as the guest set it (5..7: rm=DYN is illegal) */
    RV_KEY_PRIV_SHIFT = 7, /* 2 bits: RvPriv */
};
enum { RV_FS_OFF, RV_FS_CLEAN, RV_FS_DIRTY };

static inline unsigned rv_key_mmu(CpuKey key)
{
    return key & 3;
}

static inline unsigned rv_key_fs(CpuKey key)
{
    return key >> RV_KEY_FS_SHIFT & 3;
}

static inline unsigned rv_key_frm(CpuKey key)
{
    return key >> RV_KEY_FRM_SHIFT & 7;
}

static inline unsigned rv_key_priv(CpuKey key)
{
    return key >> RV_KEY_PRIV_SHIFT & 3;
}

/* --- IR globals: x1..x31, f0..f31 --- */

enum { RV_NGLOBALS = 31 + 32 };
#define RV_G_X(n) ((n)-1)    /* n in 1..31 */
#define RV_G_F(n) (31 + (n)) /* n in 0..31 */

/* --- Helpers --- */

typedef enum RvHelper {
#define RV_HELPER(id, ...) RV_H_##id,
#include "helpers.def"
#undef RV_HELPER
    RV_NHELPERS
} RvHelper;

enum { RV_SFENCE_VA = 1, RV_SFENCE_ASID = 2 }; /* which operands are given (register is not x0) */
enum { RV_CBO_INVAL, RV_CBO_CLEAN, RV_CBO_FLUSH }; /* as encoded */

/*
 * The floating-point helpers' control word: rounding (0..4), format of the result or of the operands
 * (encoded as in instructions), then what the helper needs.
 */
enum { RV_FMT_S, RV_FMT_D, RV_FMT_H };
#define RV_FP_CTL(rm, fmt)  ((rm) | (fmt) << 3)
#define RV_FP_FROM(fmt)     ((fmt) << 5)     /* fcvt_f: format of the source */
#define RV_FP_NEG(ir_fma)   ((ir_fma) << 8)  /* fmadd: IR_FMA_NEG_* */
#define RV_FP_COND(ir_fcmp) ((ir_fcmp) << 8) /* fcmp: IrFcmp */
#define RV_FP_UNSIGNED      (1 << 8)         /* fcvt_to_int, fcvt_from_int */
#define RV_FP_64            (1 << 9) /* ... of 64 bits; otherwise 32, result sign-extended */
#define RV_FP_INEXACT       (1 << 8) /* fround: froundnx */

extern const IrTarget rv_ir_target;
extern const IrGlobal rv_globals[RV_NGLOBALS];
extern const IrHelper rv_helpers[RV_NHELPERS];
extern const CpuOps rv_cpu_ops;

/* translate/core.c and the generated disassembler: see CpuOps. */
void rv_translate(Translate *tx);
unsigned rv_disas(const void *model, CpuKey key, GuestVA pc, const uint8_t *code, size_t len,
                  char *buf, size_t bufsize);

/* --- Trap causes (table "mcause values after trap") --- */

enum {
    RV_EXC_INSN_MISALIGNED = 0,
    RV_EXC_INSN_ACCESS = 1,
    RV_EXC_ILLEGAL = 2,
    RV_EXC_BREAKPOINT = 3,
    RV_EXC_LOAD_MISALIGNED = 4,
    RV_EXC_LOAD_ACCESS = 5,
    RV_EXC_STORE_MISALIGNED = 6,
    RV_EXC_STORE_ACCESS = 7,
    RV_EXC_ECALL_U = 8,
    RV_EXC_ECALL_S = 9,
    RV_EXC_ECALL_M = 11,
    RV_EXC_INSN_PAGE = 12,
    RV_EXC_LOAD_PAGE = 13,
    RV_EXC_STORE_PAGE = 15,
};

/* Bits of mip, mie, mideleg; CpuState.interrupt_pending has SEIP's two sources apart. */
enum {
    RV_MIP_SSIP = 1 << 1,
    RV_MIP_MSIP = 1 << 3,
    RV_MIP_STIP = 1 << 5,
    RV_MIP_MTIP = 1 << 7,
    RV_MIP_SEIP = 1 << 9, /* in interrupt_pending: the external line */
    RV_MIP_MEIP = 1 << 11,
    RV_MIP_SEIP_SW = 1 << 16, /* the bit that M-mode writes */
    RV_MIP_S = RV_MIP_SSIP | RV_MIP_STIP | RV_MIP_SEIP,
    RV_MIP_ALL = RV_MIP_S | RV_MIP_MSIP | RV_MIP_MTIP | RV_MIP_MEIP,
};

#define RV_MSTATUS_SIE  (1ULL << 1)
#define RV_MSTATUS_MIE  (1ULL << 3)
#define RV_MSTATUS_SPIE (1ULL << 5)
#define RV_MSTATUS_MPIE (1ULL << 7)
#define RV_MSTATUS_SPP  (1ULL << 8)
#define RV_MSTATUS_MPP  (3ULL << 11)
#define RV_MSTATUS_FS   (3ULL << 13)
#define RV_MSTATUS_MPRV (1ULL << 17)
#define RV_MSTATUS_SUM  (1ULL << 18)
#define RV_MSTATUS_MXR  (1ULL << 19)
#define RV_MSTATUS_TVM  (1ULL << 20)
#define RV_MSTATUS_TW   (1ULL << 21)
#define RV_MSTATUS_TSR  (1ULL << 22)
#define RV_MSTATUS_UXL  (2ULL << 32) /* U is 64-bit */
#define RV_MSTATUS_SXL  (2ULL << 34)
#define RV_MSTATUS_SD   (1ULL << 63)

#define RV_ENVCFG_FIOM  (1ULL << 0)
#define RV_ENVCFG_CBIE  (3ULL << 4)
#define RV_ENVCFG_CBCFE (1ULL << 6)
#define RV_ENVCFG_CBZE  (1ULL << 7)
#define RV_ENVCFG_ADUE  (1ULL << 61)
#define RV_ENVCFG_PBMTE (1ULL << 62)
#define RV_ENVCFG_STCE  (1ULL << 63)

enum { RV_SATP_BARE = 0, RV_SATP_SV39 = 8, RV_SATP_SV48 = 9, RV_SATP_SV57 = 10 };
#define RV_SATP_MODE(satp) ((unsigned)((satp) >> 60))
#define RV_SATP_ASID(satp) ((unsigned)((satp) >> 44 & 0xffff))
#define RV_SATP_PPN(satp)  ((satp)&MASK_ULL(44))

/* --- Between the files of the model --- */

/* features.c: resolves ext_prop and satp_prop into model; false when they contradict each other. */
bool rv_features_resolve(RvCpu *cpu, const bool *defaults, Error **errp) MUST_CHECK;
extern const bool rv_default_rv64[RV_EXT_COUNT], rv_default_rva22s64[RV_EXT_COUNT];
extern const PropDesc rv_cpu_props[];

/* reset.c, excp.c, mmu.c: CpuOps. */
void rv_reset(CpuState *cpu);
CpuKey rv_key(CpuState *cpu);
uint64_t rv_space(CpuState *cpu);
void rv_deliver(CpuState *cpu);
bool rv_take_interrupt(CpuState *cpu);
bool rv_has_work(CpuState *cpu);
bool rv_tlb_fill(CpuState *cpu, GuestVA va, unsigned size, MemAccess access, unsigned mmu,
                 bool probe, TlbFill *out);
void rv_bus_error(CpuState *cpu, GuestVA va, GuestPA pa, MemAccess access);
void rv_misaligned(CpuState *cpu, GuestVA va, MemAccess access, unsigned size);

/* Raises @cause with xtval @tval at the running instruction. */
void rv_raise(RvEnv *env, unsigned cause, uint64_t tval) NORETURN;
static inline void NORETURN rv_raise_illegal(RvEnv *env, uint64_t insn)
{
    rv_raise(env, RV_EXC_ILLEGAL, insn);
}

/* An interrupt could be taken now. */
bool rv_interrupt_ready(CpuState *cpu);
/* mip as the guest reads it. */
uint64_t rv_mip(CpuState *cpu);

/*
 * sysreg.c: CSR access on behalf of an instruction in the present mode; false: illegal instruction
 * (nothing changed).  *old is the value before.
 */
typedef enum RvCsrOp { RV_CSR_READ, RV_CSR_WRITE, RV_CSR_SET, RV_CSR_CLEAR } RvCsrOp;
bool rv_csr_access(CpuState *cpu, unsigned csr, RvCsrOp op, uint64_t operand, uint64_t *old);
/* For the debugger: any privilege. */
bool rv_csr_peek(CpuState *cpu, unsigned csr, uint64_t *value);
bool rv_csr_poke(CpuState *cpu, unsigned csr, uint64_t value);
/* NULL when this model has no such register. */
const char *rv_csr_name(const RvModel *m, unsigned csr);
/* Sets FS to dirty. */
void rv_fs_dirty(CpuState *cpu);
/* Sets frm and what follows from it. */
void rv_set_frm(RvEnv *env, unsigned frm);
uint64_t rv_mstatus(const RvEnv *env);

/* timer.c: stimecmp, menvcfg.STCE or the time source has changed. */
void rv_stimer_update(RvCpu *cpu);
uint64_t rv_time(RvCpu *cpu);

/* gdb.c, snapshot.c */
const struct GdbArch *rv_gdb(CpuState *cpu);
void rv_snapshot(Device *dev, struct Snapshot *sn);
void rv_after_load(Device *dev);

#endif
