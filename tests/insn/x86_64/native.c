/* SPDX-License-Identifier: MIT */
/*
 * The native side: a signal handler puts the state into the interrupted context, returning from it
 * starts the code, and the next signal has the state behind it.  An INT3 stands at the end.
 */
#include "rhea/osdep.h"

#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "judge.h"

/* Fields of struct user_desc; "contents" is bits 3:2 of a descriptor's type. */
enum { DATA = 0, EXPAND_DOWN = 1, CODE = 2 };
#define SEGMENT(n, base, limit_, contents_, ...)                                                   \
    {                                                                                              \
        .entry_number = (n), .base_addr = (base), .limit = (limit_), .contents = (contents_),      \
        __VA_ARGS__                                                                                \
    }

const struct user_desc judge_ldt[JUDGE_LDT_ENTRIES] = {
    SEGMENT(JUDGE_LDT_CODE, JUDGE_CODE_PAGE, 0xffff, CODE, .useable = 0),
    SEGMENT(JUDGE_LDT_DATA, JUDGE_DATA, 0xfffff, DATA, .limit_in_pages = 1),
    SEGMENT(2, JUDGE_DATA, 0x1fff, DATA, .seg_32bit = 1),
    SEGMENT(3, JUDGE_DATA, 0xfffff, DATA, .limit_in_pages = 1, .read_exec_only = 1),
    SEGMENT(4, JUDGE_DATA, 0x0a37, DATA, .seg_32bit = 1, .useable = 1),
    SEGMENT(5, JUDGE_DATA, 0x07ff, EXPAND_DOWN, .seg_32bit = 1),
    SEGMENT(6, JUDGE_DATA, 0x0fff, EXPAND_DOWN, .useable = 0),
    SEGMENT(7, JUDGE_DATA, 0, EXPAND_DOWN, .seg_32bit = 1, .limit_in_pages = 1,
            .read_exec_only = 1),
    SEGMENT(8, JUDGE_DATA, 0xfffff, CODE, .seg_32bit = 1, .limit_in_pages = 1),
    SEGMENT(9, JUDGE_DATA, 0xffff, CODE, .read_exec_only = 1),
    SEGMENT(10, JUDGE_DATA, 0xffff, DATA, .seg_not_present = 1, .useable = 1),
    SEGMENT(11, JUDGE_DATA, 0x8000, CODE, .seg_not_present = 1, .seg_32bit = 1),
};

X86Model judge_model;
CpuKey judge_mode;

static struct {
    const JudgeState *before;
    JudgeState *after;
    sigjmp_buf back;
    bool running, has_ldt;
} native;

static const uint8_t greg_of[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                    REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                    REG_R12, REG_R13, REG_R14, REG_R15};

/* The frame's floating-point state: the FXSAVE area, its XSAVE header, AVX state in standard format. */
enum { FX_TAGS = 4, FX_MXCSR = 24, FX_ST = 32, FX_XMM = 160, XS_PRESENT = 512, XS_AVX = 576 };

static uint8_t *fp_frame(const ucontext_t *uc)
{
    return (uint8_t *)uc->uc_mcontext.fpregs;
}

static void enter_fp(const ucontext_t *uc)
{
    const uint64_t all = 7;
    const JudgeState *s = native.before;
    uint8_t *fx = fp_frame(uc);

    memcpy(fx, &s->fpu_cw, 2);
    memcpy(fx + 2, &s->fpu_sw, 2);
    fx[FX_TAGS] = s->fpu_tags;
    memcpy(fx + FX_MXCSR, &s->mxcsr, 4);
    for (unsigned i = 0; i < 8; i++) {
        memcpy(fx + FX_ST + 16 * i, &s->st[i], 10);
    }
    memcpy(fx + FX_XMM, s->xmm, sizeof(s->xmm));
    memcpy(fx + XS_AVX, s->ymmh, sizeof(s->ymmh));
    memcpy(fx + XS_PRESENT, &all, 8);
}

static void finish_fp(JudgeState *s, const ucontext_t *uc)
{
    const uint8_t *fx = fp_frame(uc);
    uint64_t present;

    memcpy(&present, fx + XS_PRESENT, 8);
    memcpy(&s->fpu_cw, fx, 2);
    memcpy(&s->fpu_sw, fx + 2, 2);
    s->fpu_tags = fx[FX_TAGS];
    memcpy(&s->mxcsr, fx + FX_MXCSR, 4);
    for (unsigned i = 0; i < 8; i++) {
        memcpy(&s->st[i], fx + FX_ST + 16 * i, 10);
    }
    memcpy(s->xmm, fx + FX_XMM, sizeof(s->xmm));
    memset(s->ymmh, 0, sizeof(s->ymmh));
    if (present & 4) {
        memcpy(s->ymmh, fx + XS_AVX, sizeof(s->ymmh));
    }
}

enum { PF_WRITE = 2 }; /* of a page fault's error code */
/* Null selectors, which 64-bit programs have, are no good for other modes. */
static void enter_segments(greg_t *csgsfs)
{
    unsigned code = judge_code_selector(), data = judge_data_selector();

    __asm__ volatile("movl %0, %%ds\n\tmovl %0, %%es" : : "r"(data));
    __asm__ volatile("movl %0, %%gs" : : "r"((unsigned)native.before->seg[X86_GS]));
    *csgsfs &= 0x0000ffffffff0000;
    *csgsfs |= (greg_t)((uint64_t)data << 48 | code);
}

static void enter(ucontext_t *uc)
{
    const uint32_t keep = ~(uint32_t)X86_ARITH_FLAGS & ~X86_DF;
    greg_t *g = uc->uc_mcontext.gregs;

    for (unsigned i = 0; i < 16; i++) {
        g[greg_of[i]] = (greg_t)native.before->regs[i];
    }
    g[REG_EFL] = (g[REG_EFL] & keep) | native.before->eflags;
    g[REG_RIP] = (greg_t)(native.before->rip - judge_code_base());
    enter_fp(uc);
    enter_segments(&g[REG_CSGSFS]);
}

static void finish_segments(JudgeState *s, greg_t csgsfs)
{
    unsigned sel[3];

    __asm__("movl %%ds, %0\n\tmovl %%es, %1\n\tmovl %%gs, %2"
            : "=r"(sel[0]), "=r"(sel[1]), "=r"(sel[2]));
    s->seg[X86_DS] = (uint16_t)sel[0];
    s->seg[X86_ES] = (uint16_t)sel[1];
    s->seg[X86_GS] = (uint16_t)sel[2];
    s->seg[X86_SS] = (uint16_t)((uint64_t)csgsfs >> 48);
}

static void finish(const siginfo_t *info, const ucontext_t *uc)
{
    const greg_t *g = uc->uc_mcontext.gregs;
    JudgeState *s = native.after;

    for (unsigned i = 0; i < 16; i++) {
        s->regs[i] = (uint64_t)g[greg_of[i]];
    }
    if (judge_mode == JUDGE_16) {
        s->regs[X86_RSP] &= UINT32_MAX; /* a return to a 16-bit stack leaves something above */
    }
    s->eflags = (uint32_t)g[REG_EFL] & (X86_ARITH_FLAGS | X86_DF);
    s->rip = (uint64_t)g[REG_RIP] + judge_code_base();
    s->vector = (unsigned)g[REG_TRAPNO];
    s->end = JUDGE_FAULT;
    s->fault_address = 0;
    s->fault_write = false;
    s->error = (uint32_t)g[REG_ERR];
    finish_segments(s, g[REG_CSGSFS]);
    finish_fp(s, uc);
    if (s->vector == X86_EXC_BP) {
        s->end = JUDGE_STEP;
        s->rip--;
    } else if (s->vector == X86_EXC_PF && (uint64_t)g[REG_CR2] == s->rip) {
        s->end = JUDGE_STEP; /* a jump to where nothing is */
        s->vector = X86_EXC_BP;
    } else if (s->vector == X86_EXC_PF) {
        s->fault_address = (uint64_t)g[REG_CR2];
        s->fault_write = g[REG_ERR] & PF_WRITE;
    }
    (void)info;
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    if (sig == SIGUSR1) {
        native.running = true;
        enter(context);
        return;
    }
    if (!native.running) {
        signal(sig, SIG_DFL); /* a fault of our own */
        return;
    }
    native.running = false;
    finish(info, context);
    siglongjmp(native.back, 1);
}

void native_run(const JudgeState *before, uint64_t end, JudgeState *after)
{
    memcpy((void *)JUDGE_DATA, before->data, JUDGE_DATA_BYTES);
    *(uint8_t *)end = 0xcc;
    native.before = before;
    native.after = after;
    if (!sigsetjmp(native.back, 1)) {
        raise(SIGUSR1);
    }
    memcpy(after->data, (void *)JUDGE_DATA, JUDGE_DATA_BYTES);
}

static void learn_features(void)
{
    static const struct {
        unsigned leaf, subleaf, reg;
    } words[X86_NFEAT] = {
        [X86_FEAT_1_ECX] = {1, 0, 2},
        [X86_FEAT_1_EDX] = {1, 0, 3},
        [X86_FEAT_7_0_EBX] = {7, 0, 1},
        [X86_FEAT_7_0_ECX] = {7, 0, 2},
        [X86_FEAT_7_0_EDX] = {7, 0, 3},
        [X86_FEAT_8000_0001_ECX] = {0x80000001, 0, 2},
        [X86_FEAT_8000_0001_EDX] = {0x80000001, 0, 3},
        [X86_FEAT_8000_0008_EBX] = {0x80000008, 0, 1},
        [X86_FEAT_D_1_EAX] = {0xd, 1, 0},
    };

    for (unsigned i = 0; i < X86_NFEAT; i++) {
        unsigned regs[4] = {0};

        if (words[i].leaf) {
            __get_cpuid_count(words[i].leaf, words[i].subleaf, &regs[0], &regs[1], &regs[2],
                              &regs[3]);
            judge_model.feat[i] = regs[words[i].reg];
        }
    }
}

static bool map_at(uint64_t where, size_t bytes, int prot)
{
    return mmap((void *)where, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
                0) == (void *)where;
}

static bool make_ldt(void)
{
    enum { WRITE_LDT = 0x11 };
    bool ok = true;

    for (unsigned i = 0; i < JUDGE_LDT_ENTRIES; i++) {
        struct user_desc d = judge_ldt[i];

        ok = ok && syscall(SYS_modify_ldt, WRITE_LDT, &d, sizeof(d)) == 0;
    }
    return ok;
}

bool native_has_ldt(void)
{
    return native.has_ldt;
}

bool native_init(void)
{
    static uint8_t alt_stack[64 << 10];
    static const int signals[] = {SIGUSR1, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
    stack_t stack = {.ss_sp = alt_stack, .ss_size = sizeof(alt_stack)};
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

    if (!map_at(JUDGE_CODE_PAGE, JUDGE_CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC) ||
        !map_at(JUDGE_DATA, JUDGE_DATA_BYTES, PROT_READ | PROT_WRITE)) {
        return false;
    }
    sigaltstack(&stack, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(signals); i++) {
        sigaction(signals[i], &action, NULL);
    }
    native.has_ldt = make_ldt();
    learn_features();
    return true;
}
