/* SPDX-License-Identifier: MIT */
/*
 * The emulated side: x86_translate() on the code page, in 64-bit user mode, one instruction a block,
 * and the blocks one after the other through the interpreter or the host's back end.  The accelerator
 * is a fake whose memory is the data area.
 */
#include "rhea/osdep.h"

#include <setjmp.h>
#include <sys/mman.h>

#include "judge.h"
#include "rhea/bits.h"
#include "target/x86_64/fpu.h"
#include "target/x86_64/helper/helper.h"
#include "target/x86_64/seg.h"
#include "target/x86_64/x87.h"
#include "tcg/backend.h"
#include "tcg/interp.h"

enum { CODE_CACHE = 1 << 20 };

static struct {
    X86Env *env;
    CpuState cpu;
    Ir *ir;
    Backend *backend;
    uint8_t *cache;
    size_t stubs;
    CodeBlock block;
    void *const *runtime;
    uint64_t pc; /* of the running instruction */
    jmp_buf leave;
    unsigned vector;
    uint32_t error;
    uint64_t fault_address;
    bool fault_write;
} emu;

static const CpuKey user_key = X86_MMU_USER | 3 << X86_KEY_CPL_SHIFT | X86_KEY_LMA | X86_KEY_PE |
                               X86_KEY_SSE | X86_KEY_AVX | X86_KEY_OSXSAVE | X86_KEY_NE;

/* --- Leaving --- */

void x86_raise(X86Env *env, unsigned vector, uint32_t error_code)
{
    emu.vector = vector;
    emu.error = error_code;
    longjmp(emu.leave, 1);
}

static NORETURN void page_fault(uint64_t va, MemAccess access)
{
    emu.fault_address = va;
    emu.fault_write = access == ACCESS_WRITE;
    x86_raise(emu.env, X86_EXC_PF, 0);
}

/* --- Memory --- */

/* The whole access is in the data area, or it faults at its first byte that is not. */
static uint8_t *access_at(uint64_t va, unsigned size, MemAccess access)
{
    if ((int64_t)va >> 47 != 0 && (int64_t)va >> 47 != -1) {
        x86_raise(emu.env, X86_EXC_GP, 0);
    }
    for (unsigned i = 0; i < size; i++) {
        if (va + i - JUDGE_DATA >= JUDGE_DATA_BYTES) {
            page_fault(va + i, access);
        }
    }
    return (uint8_t *)va;
}

static uint64_t rt_load(TcgEnv *env, uint64_t va, uint32_t info)
{
    unsigned size = 1u << (info & IR_MEM_SIZE);
    uint64_t v = 0;

    memcpy(&v, access_at(va, size, info & IR_MEM_RMW ? ACCESS_WRITE : ACCESS_READ), size);
    return v;
}

static void rt_store(TcgEnv *env, uint64_t va, uint64_t value, uint32_t info)
{
    unsigned size = 1u << (info & IR_MEM_SIZE);

    memcpy(access_at(va, size, ACCESS_WRITE), &value, size);
}

static uint8_t *vec_at(uint64_t va, uint32_t info, MemAccess access)
{
    if (info & IR_MEM_ALIGN && va & 15) {
        x86_raise(emu.env, X86_EXC_GP, 0);
    }
    return access_at(va, 16, access);
}

static void rt_load128(TcgEnv *env, uint64_t va, uint32_t info, IrV128 *value)
{
    memcpy(value, vec_at(va, info, ACCESS_READ), 16);
}

static void rt_store128(TcgEnv *env, uint64_t va, uint32_t info, const IrV128 *value)
{
    memcpy(vec_at(va, info, ACCESS_WRITE), value, 16);
}

static uint64_t rt_atomic(TcgEnv *env, uint64_t va, uint64_t value, uint32_t info)
{
    uint64_t old, v;

    access_at(va, 1u << (info & IR_MEM_SIZE), ACCESS_WRITE);
    old = rt_load(env, va, info);

    switch ((IrAtomic)(info >> 16)) {
    case IR_XCHG: v = value; break;
    case IR_ATOMIC_ADD: v = old + value; break;
    case IR_ATOMIC_AND: v = old & value; break;
    case IR_ATOMIC_OR: v = old | value; break;
    default: v = old ^ value; break;
    }
    rt_store(env, va, v, info);
    return old;
}

static uint64_t rt_cas(TcgEnv *env, uint64_t va, uint64_t expect, uint64_t desired, uint32_t info)
{
    uint64_t old;

    access_at(va, 1u << (info & IR_MEM_SIZE), ACCESS_WRITE);
    old = rt_load(env, va, info);
    if (old == extract64(expect, 0, 8u << (info & IR_MEM_SIZE))) {
        rt_store(env, va, desired, info);
    }
    return old;
}

static const void *rt_lookup(TcgEnv *env, uint64_t pc)
{
    env->pc = pc;
    return NULL;
}

static void *const functions[RT_NFN] = {
    [RT_LOAD] = (void *)rt_load,         [RT_STORE] = (void *)rt_store,
    [RT_ATOMIC] = (void *)rt_atomic,     [RT_CAS] = (void *)rt_cas,
    [RT_LOOKUP] = (void *)rt_lookup,     [RT_LOAD128] = (void *)rt_load128,
    [RT_STORE128] = (void *)rt_store128,
};

/* The system's own memory is that of the descriptor tables below. */
uint64_t cpu_load(CpuState *cpu, GuestVA va, IrMem mem, unsigned mmu)
{
    uint64_t v = 0;

    if (mmu == X86_MMU_KERNEL) {
        memcpy(&v, (const void *)va, 1u << mem);
        return v;
    }
    return rt_load(cpu->env, va, mem);
}

void cpu_store(CpuState *cpu, GuestVA va, uint64_t value, IrMem mem, unsigned mmu)
{
    rt_store(cpu->env, va, value, mem);
}

bool cpu_cas128(CpuState *cpu, GuestVA va, uint64_t expect[2], const uint64_t desired[2],
                unsigned mmu)
{
    uint8_t *p = access_at(va, 16, ACCESS_WRITE);
    bool same = !memcmp(p, expect, 16);

    memcpy(same ? (void *)p : (void *)expect, same ? (const void *)desired : (const void *)p, 16);
    return same;
}

void cpu_probe(CpuState *cpu, GuestVA va, uint64_t len, MemAccess access, unsigned mmu)
{
    access_at(va, (unsigned)len, access);
}

void *cpu_host_ptr(CpuState *cpu, GuestVA va, uint64_t len, MemAccess access, unsigned mmu)
{
    return access_at(va, (unsigned)len, access);
}

/* --- What the judged instructions do not need --- */

static uint64_t not_judged(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    g_error("a helper of a system instruction was called");
    return 0;
}

/* All descriptors are marked as accessed. */
uint64_t cpu_atomic(CpuState *cpu, GuestVA va, uint64_t value, IrAtomic op, IrMem mem, unsigned mmu)
{
    g_error("a descriptor was written");
    return 0;
}

void cpu_retry_alone(CpuState *cpu)
{
    g_error("the limit of CS was looked at");
}

CpuKey x86_key(CpuState *cpu)
{
    return user_key;
}

void x86_check_io(X86Env *env, unsigned port, unsigned size)
{
}

bool x86_canonical(const X86Env *env, uint64_t va)
{
    return (int64_t)va >> 47 == 0 || (int64_t)va >> 47 == -1;
}

void cpu_context_changed(CpuState *cpu)
{
}

void x86_set_ferr(X86Env *env, bool level)
{
}

void x86_wait_ferr(X86Env *env)
{
}

uint64_t x86_helper_wrpkru(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return 0;
}

uint64_t x86_helper_in(void *env, uint64_t port, uint64_t size, uint64_t c, uint64_t d)
{
    return 0;
}

uint64_t x86_helper_out(void *env, uint64_t port, uint64_t v, uint64_t size, uint64_t d)
{
    return 0;
}

static uint64_t helper_raise(void *env, uint64_t vector, uint64_t error, uint64_t c, uint64_t d)
{
    x86_raise(env, (unsigned)vector, (uint32_t)error);
}

/* The code segment of 16-bit code has one: 64 KiB. */
static uint64_t helper_check_target(void *env, uint64_t eip, uint64_t b, uint64_t c, uint64_t d)
{
    if (eip > UINT16_MAX) {
        x86_raise(env, X86_EXC_GP, 0);
    }
    return 0;
}

/* For the table below: a constant expression. */
#define SYSTEM_HELPER(id)                                                                          \
    ((id) == X86_H_RAISE       ? helper_raise                                                      \
     : (id) == X86_H_SEG_CHECK ? x86_helper_seg_check                                              \
     : (id) == X86_H_LOAD_SEG  ? x86_helper_load_seg                                               \
     : (id) == X86_H_SHADOW_SS ? x86_helper_shadow_ss                                              \
     : (id) == X86_H_LAR       ? x86_helper_lar                                                    \
     : (id) == X86_H_LSL       ? x86_helper_lsl                                                    \
     : (id) == X86_H_VERR      ? x86_helper_verr                                                   \
     : (id) == X86_H_VERW      ? x86_helper_verw                                                   \
     : (id) == X86_H_CS_TARGET ? helper_check_target                                               \
                               : not_judged)

/* --- The target: as in the product, but with helpers that are not judged left out --- */

#define STATE IR_HELPER_STATE
#define LAST  IR_HELPER_LAST
#define PURE  IR_HELPER_PURE
#define FP    IR_HELPER_FP

const IrHelper x86_helpers[X86_NHELPERS] = {
#define X86_HELPER(id, func, flag, result, a, b, c, d)                                             \
    [X86_H_##id] = {.name = #id,                                                                   \
                    .fn = func,                                                                    \
                    .flags = flag,                                                                 \
                    .ret = IR_##result,                                                            \
                    .args = {IR_##a, IR_##b, IR_##c, IR_##d}},
#include "target/x86_64/helpers-fp.def"
#include "target/x86_64/helpers-int.def"
#undef X86_HELPER
#define X86_HELPER(id, func, flag, result, a, b, c, d)                                             \
    [X86_H_##id] = {.name = #id,                                                                   \
                    .fn = SYSTEM_HELPER(X86_H_##id),                                               \
                    .flags = flag,                                                                 \
                    .ret = IR_##result,                                                            \
                    .args = {IR_##a, IR_##b, IR_##c, IR_##d}},
#include "target/x86_64/helpers-sys.def"
#undef X86_HELPER
};

/* --- Running --- */

/* As x86_key() makes it. */
static CpuKey present_key(void)
{
    const X86Env *env = emu.env;
    CpuKey key = user_key;

    key |= judge_mode | (judge_mode == JUDGE_16 ? 0 : X86_KEY_SS32);
    return key | x86_fp_key(env);
}

static X86Fp80 *physical(unsigned i)
{
    return &emu.env->st[((emu.env->fpu_sw >> X87_TOP_SHIFT) + i) & 7];
}

static void load_fp(const JudgeState *s)
{
    X86Env *env = emu.env;

    memcpy(env->xmm, s->xmm, sizeof(env->xmm));
    memcpy(env->ymmh, s->ymmh, sizeof(env->ymmh));
    x86_set_mxcsr(env, s->mxcsr);
    env->fpu_cw = s->fpu_cw;
    env->fpu_sw = s->fpu_sw;
    env->fpu_tags = s->fpu_tags;
    for (unsigned i = 0; i < 8; i++) {
        *physical(i) = s->st[i];
    }
    env->cr0 = X86_CR0_NE | X86_CR0_PE;
    env->xcr0 = XCOMP_X87 | XCOMP_SSE | XCOMP_AVX;
    env->cr4 = 1 << 10; /* OSXMMEXCPT */
}

static void save_fp(JudgeState *s)
{
    const X86Env *env = emu.env;

    memcpy(s->xmm, env->xmm, sizeof(env->xmm));
    memcpy(s->ymmh, env->ymmh, sizeof(env->ymmh));
    s->mxcsr = x86_get_mxcsr(env);
    s->fpu_cw = env->fpu_cw;
    s->fpu_sw = env->fpu_sw;
    s->fpu_tags = env->fpu_tags;
    for (unsigned i = 0; i < 8; i++) {
        s->st[i] = *physical(i);
    }
}

/* As Linux has it: code and data of its own, then those of programs. */
static const uint64_t gdt[16] = {
    [1] = 0x00cf9b000000ffff, [2] = 0x00af9b000000ffff, [3] = 0x00cf93000000ffff,
    [4] = 0x00cffb000000ffff, [5] = 0x00cff3000000ffff, [6] = 0x00affb000000ffff,
};
static uint64_t ldt[JUDGE_LDT_ENTRIES];

/* The descriptor that Linux makes. */
static uint64_t ldt_entry(const struct user_desc *d)
{
    enum { ACCESSED = 1, MEMORY = 1 << 4, USER = 3 << 5, PRESENT = 1 << 7 };
    unsigned type = ACCESSED | !d->read_exec_only << 1 | d->contents << 2;
    unsigned rights = type | MEMORY | USER | (d->seg_not_present ? 0 : PRESENT);
    unsigned size = d->useable | d->seg_32bit << 2 | d->limit_in_pages << 3;
    uint64_t v = (d->limit & 0xffff) | (uint64_t)(d->base_addr & 0xffffff) << 16;

    return v | (uint64_t)rights << 40 | (uint64_t)(d->limit >> 16) << 48 | (uint64_t)size << 52 |
           (uint64_t)(d->base_addr >> 24) << 56;
}

static void make_tables(X86Env *env)
{
    for (unsigned i = 0; i < JUDGE_LDT_ENTRIES; i++) {
        ldt[i] = ldt_entry(&judge_ldt[i]);
    }
    env->gdt.base = (uintptr_t)gdt;
    env->gdt.limit = sizeof(gdt) - 1;
    env->ldt =
        (X86Seg){.base = (uintptr_t)ldt, .limit = sizeof(ldt) - 1, .sel = 0x50, .attr = X86_ATTR_P};
}

static void load_segments(const JudgeState *s)
{
    static const unsigned data[] = {X86_DS, X86_ES, X86_SS};
    unsigned code = judge_code_selector();
    X86Env *env = emu.env;
    X86Desc d;

    make_tables(env);
    env->cpl = 3;
    env->efer = X86_EFER_LMA;
    env->inhibit_irq = 0;
    x86_desc_read(env, code, &d);
    env->seg[X86_CS] = x86_desc_seg(&d, code);
    for (unsigned i = 0; i < ARRAY_SIZE(data); i++) {
        x86_load_data_seg(env, data[i], judge_data_selector());
    }
    x86_load_data_seg(env, X86_GS, s->seg[X86_GS]);
}

static void save_segments(JudgeState *s)
{
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        s->seg[i] = (uint16_t)emu.env->seg[i].sel;
    }
}

static void translate(uint64_t pc)
{
    static const uint8_t after[TCG_PAGE_SIZE];
    Translate tx = {.ir = emu.ir,
                    .key = present_key(),
                    .model = &judge_model,
                    .page_off = pc & ~TCG_PAGE_MASK,
                    .max_insns = 100,
                    .page = (const uint8_t *)(pc & TCG_PAGE_MASK),
                    .next_page = after};
    const char *why;

    ir_clear(emu.ir);
    x86_translate(&tx);
    why = ir_verify(emu.ir);
    if (why) {
        ir_print(emu.ir, stderr);
        g_error("broken IR: %s", why);
    }
}

void emulated_print(uint64_t pc, FILE *out)
{
    translate(pc);
    ir_print(emu.ir, out);
    ir_optimise(emu.ir);
    fprintf(out, "# optimised\n");
    ir_print(emu.ir, out);
}

static void run_jit(void)
{
    size_t used = (emu.stubs + 63) & ~(size_t)63;

    g_clear_pointer(&emu.block.points, g_free);
    g_clear_pointer(&emu.block.exits, g_free);
    emu.block.rw = emu.cache + used;
    emu.block.rx = emu.cache + used;
    ir_expand(emu.ir, backend_ops(emu.backend));
    if (!backend_compile(emu.backend, emu.ir, emu.pc & ~TCG_PAGE_MASK, CODE_CACHE - used,
                         &emu.block)) {
        g_error("the block does not fit");
    }
    backend_run(emu.backend, &emu.env->tcg, emu.block.rx);
}

/* The pc of a fault in host code. */
static uint64_t fault_pc(void)
{
    const uint8_t *ra = (const uint8_t *)emu.env->tcg.host_ra;

    for (uint32_t i = 0; ra && i < emu.block.npoints; i++) {
        if (emu.block.rx + emu.block.points[i].host_off == ra) {
            return emu.env->tcg.pc_page + (int64_t)emu.block.points[i].page_rel;
        }
    }
    return emu.env->tcg.pc;
}

static void run_block(bool jit)
{
    TcgEnv *tcg = &emu.env->tcg;

    emu.pc = tcg->pc;
    tcg->pc_page = tcg->pc & TCG_PAGE_MASK;
    tcg->host_ra = 0;
    translate(tcg->pc);
    ir_optimise(emu.ir);
    if (jit) {
        run_jit();
    } else {
        interp_run(emu.ir, tcg, emu.runtime);
    }
}

void emulated_run(const JudgeState *before, uint64_t end, bool jit, JudgeState *after)
{
    X86Env *env = emu.env;
    volatile unsigned blocks = 0;

    memcpy((void *)JUDGE_DATA, before->data, JUDGE_DATA_BYTES);
    memcpy(env->regs, before->regs, sizeof(env->regs));
    load_fp(before);
    load_segments(before);
    *(uint8_t *)end = 0xf4; /* HLT ends the block: it raises in user mode */
    x86_set_eflags(env, before->eflags | X86_IF);
    env->tcg.pc = before->rip;
    emu.vector = 0;
    emu.fault_address = 0;
    emu.fault_write = false;
    after->end = JUDGE_STEP;
    if (!setjmp(emu.leave)) {
        while (env->tcg.pc >= JUDGE_CODE && env->tcg.pc < end && blocks++ < 1000) {
            run_block(jit);
        }
    } else {
        env->tcg.pc = fault_pc();
        after->end = env->tcg.pc == end ? JUDGE_STEP : JUDGE_FAULT;
    }
    memcpy(after->regs, env->regs, sizeof(env->regs));
    save_fp(after);
    save_segments(after);
    after->error = emu.error;
    after->eflags = x86_eflags(env) & (X86_ARITH_FLAGS | X86_DF);
    after->rip = env->tcg.pc;
    after->vector = after->end == JUDGE_STEP ? X86_EXC_BP : emu.vector;
    after->fault_address = after->end == JUDGE_STEP ? 0 : emu.fault_address;
    after->fault_write = after->end == JUDGE_FAULT && emu.fault_write;
    memcpy(after->data, (void *)JUDGE_DATA, JUDGE_DATA_BYTES);
}

bool emulated_has_jit(void)
{
    return emu.backend;
}

void emulated_init(void)
{
    static IrGlobal globals[X86_NGLOBALS];
    static IrTarget target = {.name = "x86_64",
                              .globals = globals,
                              .nglobals = X86_NGLOBALS,
                              .helpers = x86_helpers,
                              .nhelpers = X86_NHELPERS,
                              .denormal_flag = true};

    for (unsigned i = 0; i < 16; i++) {
        globals[X86_G_XMM + i] =
            (IrGlobal){"x", IR_V128, (int32_t)(offsetof(X86Env, xmm) + 16 * i), (uint8_t)i};
        globals[X86_G_YMMH + i] =
            (IrGlobal){"y", IR_V128, (int32_t)(offsetof(X86Env, ymmh) + 16 * i), 255};
    }
    for (unsigned i = 0; i < X86_G_XMM; i++) {
        globals[i] = (IrGlobal){.name = "g", .type = IR_I64, .rank = (uint8_t)i};
        globals[i].offset =
            i < 16 ? offsetof(X86Env, regs[i]) : offsetof(X86Env, cc_dst) + 8 * (i - X86_G_CC_DST);
    }
    globals[X86_G_CC_OP] = (IrGlobal){"cc_op", IR_I32, offsetof(X86Env, cc_op), 255};
    emu.env = (X86Env *)(void *)tcg_env_new(sizeof(X86Env));
    emu.env->tcg.cpu = &emu.cpu;
    emu.cpu.env = &emu.env->tcg;
    emu.env->tcg.helpers = x86_helpers;
    emu.env->tcg.ctx = 1; /* 0 is the guard of jumps to other pages that are not linked */
    emu.ir = ir_new(&target);
    emu.cache = mmap(NULL, CODE_CACHE, PROT_READ | PROT_WRITE | PROT_EXEC,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    emu.runtime = functions;
    emu.backend =
        emu.cache == MAP_FAILED ? NULL : backend_new(&target, emu.cache, emu.cache, &emu.stubs);
    if (emu.backend) {
        emu.runtime = backend_runtime(emu.backend, functions);
    }
    emu.env->tcg.runtime = emu.runtime;
}
