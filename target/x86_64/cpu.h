/* SPDX-License-Identifier: MIT */
/*
 * The x86_64 CPU: state, translation key, globals and helper numbers.  Private to target/x86_64 (and
 * accel/kvm); boards use include/target/x86_64.h.
 *
 * Specifications: Intel 64 and IA-32 Architectures Software Developer's Manual (SDM), AMD64
 * Architecture Programmer's Manual (APM).
 *
 * Program counter: TcgEnv.pc is linear, CS.base + EIP (truncated to 32 bits outside 64-bit mode).
 */
#ifndef TARGET_X86_64_CPU_H
#define TARGET_X86_64_CPU_H

#include "memory/clock.h"
#include "memory/irq.h"
#include "rhea/bits.h"
#include "target/cpu-ops.h"
#include "target/x86_64.h"

#include "regs.h"

/* --- Features: CPUID bits, as fixed once the CPU is realized --- */

/* Words of feature bits, in the order of X86Model.feat. */
typedef enum X86FeatWord {
    X86_FEAT_1_ECX,
    X86_FEAT_1_EDX,
    X86_FEAT_7_0_EBX,
    X86_FEAT_7_0_ECX,
    X86_FEAT_7_0_EDX,
    X86_FEAT_7_1_EAX,
    X86_FEAT_8000_0001_ECX,
    X86_FEAT_8000_0001_EDX,
    X86_FEAT_8000_0007_EDX,
    X86_FEAT_8000_0008_EBX,
    X86_FEAT_D_1_EAX,
    X86_FEAT_6_EAX,
    X86_FEAT_KVM, /* 4000_0001 EAX, hypervisor leaves */
    X86_NFEAT
} X86FeatWord;

/* One feature: word * 32 + bit.  features.def names them; X86_F_<ident>. */
typedef enum X86Feature {
#define X86_FEATURE(ident, name, word, bit, ...) X86_F_##ident = (word)*32 + (bit),
#include "features.def"
#undef X86_FEATURE
} X86Feature;

/* All that translate() may know of a CPU. */
typedef struct X86Model {
    uint32_t feat[X86_NFEAT];
    char vendor[13];
    char brand[49];
    uint32_t signature; /* leaf 1 EAX */
    uint32_t max_leaf, max_ext_leaf;
    uint8_t phys_bits;
} X86Model;

static inline bool x86_has(const X86Model *m, X86Feature f)
{
    return m->feat[f / 32] >> (f % 32) & 1;
}

/* --- State --- */

/* A segment register with its hidden part. */
typedef struct X86Seg {
    uint64_t base;
    uint32_t limit; /* in bytes, granularity applied */
    uint32_t attr;  /* descriptor bits 40..55 as bits 0..15: type, S, DPL, P, AVL, L, D/B, G */
    uint16_t sel;
} X86Seg;

/* X86Env.inhibit_irq: what keeps interrupts from being taken before the next instruction. */
enum {
    X86_SHADOW_NONE,
    X86_SHADOW_STI,
    X86_SHADOW_SS, /* MOV SS, POP SS: debug exceptions wait too */
};

typedef union X86Xmm {
    uint8_t b[16];
    uint16_t w[8];
    uint32_t l[4];
    uint64_t q[2];
} X86Xmm;

/* An x87 register: significand and sign with exponent.  MMX registers are the significands. */
typedef struct X86Fp80 {
    uint64_t sig;
    uint16_t se;
} X86Fp80;

/*
 * The arithmetic flags are lazy: CC_OP says how CF, PF, AF, ZF, SF, OF follow from CC_DST, CC_SRC and
 * CC_SRC2 (translate/flags.h); the other bits of EFLAGS are in eflags.
 */
typedef struct X86Env {
    TcgEnv tcg; /* fp_round and fp_flags follow MXCSR; pc is linear */
    uint64_t regs[16];
    uint64_t cc_dst, cc_src, cc_src2;
    uint32_t cc_op;              /* X86Cc */
    uint32_t eflags;             /* without the arithmetic flags; bit 1 set */
    uint64_t seg_base_gs_kernel; /* KERNEL_GS_BASE */
    X86Seg seg[X86_NSEGS];
    X86Seg ldt, tr; /* LDTR, TR */
    struct {
        uint64_t base;
        uint16_t limit;
    } gdt, idt;
    uint64_t cr0, cr2, cr3, cr4, xcr0;
    uint64_t pdpte[4]; /* PAE paging: loaded with CR3 */
    uint64_t efer, star, lstar, cstar, sfmask;
    uint64_t dr[8];
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t tsc_offset, tsc_aux, tsc_adjust;
    uint64_t pat;
    uint32_t pkru;
    uint8_t cpl;
    bool smm, nmi_blocked;
    uint8_t inhibit_irq; /* X86_SHADOW_*: holds for the next instruction */
    bool wait_sipi;
    bool in_hlt;       /* HLT or MWAIT waits: nothing was taken since */
    bool shutdown;     /* a triple fault: waits for a reset */
    bool ferr;         /* level of the output */
    uint64_t a20_mask; /* physical addresses are ANDed with it */
    uint32_t smbase;
    /* of CpuState.exception */
    uint32_t error_code;
    uint64_t fault_address; /* of a page fault: goes to CR2 */
    uint64_t dr6_pending;   /* of a debug exception: goes to DR6 */
    uint8_t exception_kind; /* X86EventKind */
    uint8_t insn_len;       /* of the software interrupt */
    int16_t delivering; /* exception under delivery, #BP for interrupts, or X86_NOT_DELIVERING */
    bool ext;           /* EXT bit of error codes: the event is not a software interrupt */
    uint8_t bp_hit;     /* DR6.B0..3 of data and I/O breakpoints that this instruction hit */

    /* x87 */
    uint16_t fpu_cw, fpu_sw; /* TOP is in fpu_sw */
    uint8_t fpu_tags;        /* bit per physical register: 1 is valid (not empty) */
    uint16_t fpu_op, fpu_cs, fpu_ds;
    uint64_t fpu_ip, fpu_dp;
    X86Fp80 st[8]; /* physical */

    /* SSE, AVX: low and high halves apart */
    uint32_t mxcsr;     /* masks; flags and modes are in TcgEnv, see fpu.h */
    uint32_t fp_before; /* X86_H_FP_BEGIN: flags put aside */
    X86Xmm xmm[16] __attribute__((aligned(16)));
    X86Xmm ymmh[16];
    X86Xmm scratch[4]; /* operands of helpers */

    /* MSRs without effect on the model: MTRRs, machine check, ... */
    uint64_t mtrr_def, mtrr_phys[16], mtrr_fixed[11];
    uint64_t mcg_status, mcg_ctl, mc_bank[10 * 4];
    uint64_t misc_enable, feature_control, spec_ctrl;
} X86Env;

typedef struct X86Cpu {
    CpuState cpu; /* interrupt_pending: X86_INT_* */
    X86Env *env;
    X86Model model;
    /* properties: fixed once realized */
    int feat_prop[X86_NFEAT * 32]; /* OnOffAuto, by X86Feature */
    char *vendor, *model_id, *unavailable;
    uint32_t family, model_number, stepping, level, xlevel, phys_bits;
    bool host_phys_bits, check, enforce, migratable, pmu, l3_cache;
    uint8_t host_phys_bits_limit;
    uint32_t apic_id;
    /* wiring */
    const X86ApicOps *apic;
    void *apic_opaque;
    AddressSpace *io;
    /* What the CPU sees: memory, shown by "system", behind the board's own for this CPU; and in SMM what
     * is in "smm", which is enabled then. */
    MemRegion root, system, smm;
    uint8_t sipi_vector; /* machine lock */
    bool a20, ignne;     /* machine lock: levels of the inputs */
    IrqLine ferr;
    bool flat_start;
    uint32_t start_eip, start_eax, start_ebx, start_esi;
} X86Cpu;

static inline X86Cpu *x86_cpu(CpuState *cpu)
{
    return container_of(cpu, X86Cpu, cpu);
}

static inline X86Env *x86_env(CpuState *cpu)
{
    return (X86Env *)(void *)cpu->env;
}

/* CpuState.interrupt_pending */
enum {
    X86_INT_HARD = 1 << 0, /* level of INTR */
    X86_INT_NMI = 1 << 1,
    X86_INT_SMI = 1 << 2,
    X86_INT_INIT = 1 << 3,
    X86_INT_SIPI = 1 << 4,
    X86_INT_A20 = 1 << 5, /* the A20 line changed: env follows */
};

#define X86_SPACE_PAGED (1ULL << 12) /* x86_space(): paging is on; the PCID below */

/* --- Translation key --- */

/* Bits 0..1: MMU index of data accesses. */
enum { X86_MMU_KERNEL, X86_MMU_USER, X86_MMU_KERNEL_NOSMAP };

#define X86_KEY_CPL_SHIFT 2            /* 2 bits */
#define X86_KEY_FPEXACT   (1ULL << 31) /* MXCSR unmasks underflow or overflow: IR_FP_TRAPS */
enum {
    X86_KEY_CS64 = 1 << 4, /* 64-bit code */
    X86_KEY_CS32 = 1 << 5, /* CS.D */
    X86_KEY_SS32 = 1 << 6, /* SS.B */
    X86_KEY_LMA = 1 << 7,  /* long mode is active (64-bit or compatibility) */
    X86_KEY_PE = 1 << 8,   /* protected mode, not virtual-8086 */
    X86_KEY_VM86 = 1 << 9,
    X86_KEY_CSBASE = 1 << 10, /* CS.base is not 0 */
    X86_KEY_SEGS = 1 << 11,   /* DS, ES or SS is not flat: base 0, limit 4 GiB, writable */
    X86_KEY_TF = 1 << 12,     /* single step */
    X86_KEY_SHADOW = 1 << 13, /* inhibit_irq is set */
    X86_KEY_IOPL = 1 << 14,   /* CPL <= IOPL */
    X86_KEY_EM = 1 << 15,     /* CR0.EM */
    X86_KEY_TS = 1 << 16,     /* CR0.TS */
    X86_KEY_MP = 1 << 17,     /* CR0.MP */
    X86_KEY_SSE = 1 << 18,    /* CR4.OSFXSR */
    X86_KEY_AVX = 1 << 19,    /* CR4.OSXSAVE and XCR0 has SSE and AVX state */
    X86_KEY_FPEXC = 1 << 20,  /* MXCSR unmasks an exception */
    X86_KEY_SMM = 1 << 21,
    X86_KEY_UMIP = 1 << 22,
    X86_KEY_OSXSAVE = 1 << 23,
    X86_KEY_BP = 1 << 24,       /* DR7 enables a breakpoint, or RF is set */
    X86_KEY_FSGSBASE = 1 << 25, /* CR4.FSGSBASE */
    X86_KEY_AC = 1 << 26,       /* data accesses are checked for alignment (IR_MEM_ALIGN): #AC */
    X86_KEY_PKE = 1 << 27,      /* CR4.PKE */
    X86_KEY_NE = 1 << 28,       /* CR0.NE */
    X86_KEY_X87EXC = 1 << 29,   /* x87 unmasks an exception, or one is pending */
    X86_KEY_CSLIMIT = 1 << 30,  /* CS ends below 4 GiB; a 16-bit one below 64 KiB */
    /* One instruction a block, between X86_H_INSN_BEGIN and, for TF and BP, X86_H_INSN_END. */
    X86_KEY_ALONE = X86_KEY_TF | X86_KEY_SHADOW | X86_KEY_BP,
};

static inline unsigned x86_key_mmu(CpuKey key)
{
    return key & 3;
}

static inline unsigned x86_key_cpl(CpuKey key)
{
    return key >> X86_KEY_CPL_SHIFT & 3;
}

/* --- IR globals --- */

enum {
    X86_G_REG = 0, /* + 0..15 */
    X86_G_CC_DST = 16,
    X86_G_CC_SRC,
    X86_G_CC_SRC2,
    X86_G_CC_OP,                 /* I32 */
    X86_G_XMM,                   /* V128, + 0..15: low halves ... */
    X86_G_YMMH = X86_G_XMM + 16, /* ... and high ones */
    X86_NGLOBALS = X86_G_YMMH + 16,
};

/* --- Helpers --- */

typedef enum X86Helper {
#define X86_HELPER(id, ...) X86_H_##id,
#include "helpers-int.def"
#include "helpers-sys.def"
#include "helpers-fp.def"
#undef X86_HELPER
    X86_NHELPERS
} X86Helper;

extern const IrTarget x86_ir_target;
extern const IrHelper x86_helpers[X86_NHELPERS];
extern const CpuOps x86_cpu_ops;

/* translate/core.c and the generated disassembler: see CpuOps. */
void x86_translate(Translate *tx);
unsigned x86_disas(const void *model, CpuKey key, GuestVA pc, const uint8_t *code, size_t len,
                   char *buf, size_t bufsize);

/* Where an exception comes from; the first four are what X86_H_INT takes. */
typedef enum X86EventKind {
    X86_INT_N,
    X86_INT_INT3,
    X86_INT_INTO,
    X86_INT_ICEBP,
    X86_EVENT_FAULT,
    X86_EVENT_TRAP, /* pc is that of the next instruction */
    X86_EVENT_EXTERNAL,
} X86EventKind;

enum { X86_NOT_DELIVERING = -1 };

/* --- Between the files of the model --- */

/* Raises exception @vector with @error_code (where it has one) at the running instruction. */
void x86_raise(X86Env *env, unsigned vector, uint32_t error_code) NORETURN;

/* The same for any kind of event; fault(): exceptions without an error code. */
void x86_raise_event(X86Env *env, unsigned vector, uint32_t error_code, X86EventKind kind) NORETURN;
static inline void NORETURN x86_raise_gp(X86Env *env, uint32_t error_code)
{
    x86_raise(env, X86_EXC_GP, error_code);
}

/* The state after a triple fault: the machine is reset. */
void x86_shutdown(X86Env *env) NORETURN;
/* Leaves the running block, to go on at @pc, after an exception was set or not. */
void x86_leave_at(X86Env *env, GuestVA pc) NORETURN;

/* translate/flags.c: EFLAGS as the guest sees them; sets all of them (CC_OP becomes "in CC_SRC"). */
uint32_t x86_eflags(const X86Env *env);
void x86_set_eflags(X86Env *env, uint32_t eflags);

/* excp.c, mmu.c, reset.c: CpuOps. */
void x86_reset(CpuState *cpu);
CpuKey x86_key(CpuState *cpu);
uint64_t x86_space(CpuState *cpu);
void x86_deliver(CpuState *cpu);
bool x86_take_interrupt(CpuState *cpu);
bool x86_has_work(CpuState *cpu);
bool x86_tlb_fill(CpuState *cpu, GuestVA va, unsigned size, MemAccess access, unsigned mmu,
                  bool probe, TlbFill *out);
void x86_misaligned(CpuState *cpu, GuestVA va, MemAccess access, unsigned size);

static inline bool x86_long_mode(const X86Env *env)
{
    return env->efer & X86_EFER_LMA;
}

static inline bool x86_code64(const X86Env *env)
{
    return x86_long_mode(env) && env->seg[X86_CS].attr & X86_ATTR_L;
}

/* Protected mode, but not virtual-8086. */
static inline bool x86_protected(const X86Env *env)
{
    return env->cr0 & X86_CR0_PE && !(env->eflags & X86_VM);
}

static inline const X86Model *x86_model(const X86Env *env)
{
    return env->tcg.cpu->model;
}

/* EIP or RIP of the running instruction; pc must be synced. */
static inline uint64_t x86_ip(const X86Env *env)
{
    return x86_code64(env) ? env->tcg.pc : (uint32_t)(env->tcg.pc - env->seg[X86_CS].base);
}

/* The linear address of @ip in CS. */
static inline GuestVA x86_linear_ip(const X86Env *env, uint64_t ip)
{
    return x86_code64(env) ? ip : (uint32_t)(env->seg[X86_CS].base + ip);
}

bool x86_canonical(const X86Env *env, uint64_t va);

/*
 * mode.c: control registers with all that follows from them.  The x86_write_* ones return false for
 * #GP and change nothing then.
 */
bool x86_write_cr0(X86Env *env, uint64_t v);
bool x86_write_cr3(X86Env *env, uint64_t v);
bool x86_write_cr4(X86Env *env, uint64_t v);
bool x86_write_efer(X86Env *env, uint64_t v);
bool x86_write_xcr0(X86Env *env, uint64_t v);
/* What CR4, EFER and XCR0 may have on this model. */
uint64_t x86_cr4_mask(const X86Model *m);
uint64_t x86_xcr0_mask(const X86Model *m);
/* PDPTEs from CR3; false: a reserved bit is set. */
bool x86_load_pdptes(X86Env *env, uint64_t cr3);
/* helper/debug.c: data breakpoints narrow what may go into the TLB, and note hits. */
bool x86_breakpoint_fill(X86Env *env, GuestVA va, unsigned size, MemAccess access, bool probe,
                         TlbFill *out);
/* I/O breakpoints on [port, port + size). */
void x86_breakpoint_io(X86Env *env, unsigned port, unsigned size);

/* sysreg.c: model-specific registers; false: #GP. */
bool x86_read_msr(X86Env *env, uint32_t msr, uint64_t *v);
bool x86_write_msr(X86Env *env, uint32_t msr, uint64_t v);

/* cpuid.c */
void x86_cpuid(X86Cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t regs[4]);

/* timer.c */
uint64_t x86_tsc(X86Env *env);
void x86_set_tsc(X86Env *env, uint64_t tsc);

/*
 * helper/system.c: an x87 exception that CR0.NE does not make a fault: the FERR# output.  x86_wait_ferr() comes
 * back when the exception is to be ignored, else the instruction waits for an interrupt.
 */
void x86_set_ferr(X86Env *env, bool level);
void x86_wait_ferr(X86Env *env);

/* smm.c */
void x86_enter_smm(X86Env *env);
/* Memory as SMM or not SMM sees it; takes the machine lock. */
void x86_smm_changed(X86Env *env);

/* reset.c */
void x86_reset_to_init(X86Env *env);
void x86_start_sipi(X86Env *env, uint8_t vector);

/* fault.c: of the running instruction's access to an address that is not canonical. */
unsigned x86_noncanonical_vector(CpuState *cpu, MemAccess access);

/* dump.c, mappings.c, gdb.c, snapshot.c */
void x86_dump(CpuState *cpu, GString *out);
void x86_print_mappings(CpuState *cpu, bool ranges, GString *out);
const struct GdbArch *x86_gdb(CpuState *cpu);
void x86_snapshot(Device *dev, struct Snapshot *sn);
void x86_after_load(Device *dev);

#endif
