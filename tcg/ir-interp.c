/* SPDX-License-Identifier: MIT */
/*
 * The IR interpreter.  Guest memory goes through the same soft TLB and the same slow paths as
 * translated code; integer ops are those of ir-eval.h, all others the op helpers.  Atomic accesses
 * always take the runtime function: they are rare, and host atomics are its business.
 */
#include "rhea/osdep.h"

#include "rhea/bits.h"
#include "tcg/interp.h"
#include "tcg/ir-eval.h"
#include "tcg/ir-private.h"
#include "tcg/tlb.h"

typedef uint64_t (*RtLoad)(TcgEnv *env, uint64_t va, uint32_t info);
typedef void (*RtStore)(TcgEnv *env, uint64_t va, uint64_t value, uint32_t info);
typedef void (*RtVec)(TcgEnv *env, uint64_t va, uint32_t info, IrV128 *value);
typedef uint64_t (*RtAtomic)(TcgEnv *env, uint64_t va, uint64_t value, uint32_t info);
typedef uint64_t (*RtCas)(TcgEnv *env, uint64_t va, uint64_t expect, uint64_t desired,
                          uint32_t info);

/* --- Memory --- */

static inline uint32_t mem_info(const IrInsn *insn)
{
    return insn->mem | insn->mmu << 8;
}

/* Value read as @mem says, extended to the type. */
static inline uint64_t extend(uint64_t v, IrMem mem, IrType type)
{
    switch (mem & (IR_MEM_SIGNED | IR_MEM_SIZE)) {
    case IR_MEM_8: return (uint8_t)v;
    case IR_MEM_16: return (uint16_t)v;
    case IR_MEM_32: return (uint32_t)v;
    case IR_MEM_8 | IR_MEM_SIGNED: return ir_narrow(type, (int8_t)v);
    case IR_MEM_16 | IR_MEM_SIGNED: return ir_narrow(type, (int16_t)v);
    case IR_MEM_32 | IR_MEM_SIGNED: return ir_narrow(type, (int32_t)v);
    default: return v;
    }
}

static inline const TcgTlbEntry *load_tlb(TcgEnv *env, const IrInsn *insn)
{
    const TcgTables *t = tcg_tables(env);

    return insn->mem & IR_MEM_RMW ? t->tlb_write[insn->mmu] : t->tlb_read[insn->mmu];
}

static inline uint64_t do_load(TcgEnv *env, void *const *rt, const IrInsn *insn, uint64_t va)
{
    const void *p = tcg_tlb_probe(load_tlb(env, insn), va, insn->mem);
    uint64_t v;

    if (likely(p)) {
        v = tcg_host_load(p, insn->mem & IR_MEM_SIZE);
    } else {
        v = ((RtLoad)rt[RT_LOAD])(env, va, mem_info(insn));
    }
    if (insn->mem & IR_MEM_ACQUIRE) {
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    }
    return extend(v, insn->mem, insn->type);
}

static inline void do_store(TcgEnv *env, void *const *rt, const IrInsn *insn, uint64_t va,
                            uint64_t v)
{
    void *p = tcg_tlb_probe(tcg_tables(env)->tlb_write[insn->mmu], va, insn->mem);

    if (insn->mem & IR_MEM_RELEASE) {
        __atomic_thread_fence(__ATOMIC_RELEASE);
    }
    if (likely(p)) {
        tcg_host_store(p, v, insn->mem & IR_MEM_SIZE);
    } else {
        ((RtStore)rt[RT_STORE])(env, va, v & MASK_ULL(8u << (insn->mem & IR_MEM_SIZE)),
                                mem_info(insn));
    }
}

static void do_vec_load(TcgEnv *env, void *const *rt, const IrInsn *insn, uint64_t va, IrV128 *r)
{
    const void *p;

    *r = (IrV128){0};
    if ((insn->mem & IR_MEM_SIZE) != IR_MEM_128) {
        r->u64[0] = do_load(env, rt, insn, va);
        return;
    }
    p = tcg_tlb_probe(load_tlb(env, insn), va, insn->mem);
    if (likely(p)) {
        memcpy(r, p, sizeof(*r));
    } else {
        ((RtVec)rt[RT_LOAD128])(env, va, mem_info(insn), r);
    }
}

static void do_vec_store(TcgEnv *env, void *const *rt, const IrInsn *insn, uint64_t va,
                         const IrV128 *v)
{
    IrV128 copy = *v;
    void *p;

    if ((insn->mem & IR_MEM_SIZE) != IR_MEM_128) {
        do_store(env, rt, insn, va, v->u64[0]);
        return;
    }
    p = tcg_tlb_probe(tcg_tables(env)->tlb_write[insn->mmu], va, insn->mem);
    if (likely(p)) {
        memcpy(p, v, sizeof(*v));
    } else {
        ((RtVec)rt[RT_STORE128])(env, va, mem_info(insn), &copy);
    }
}

static uint64_t do_atomic(TcgEnv *env, void *const *rt, const IrInsn *insn, uint64_t va, uint64_t v)
{
    uint32_t info = mem_info(insn) | insn->cond << 16;

    return extend(((RtAtomic)rt[RT_ATOMIC])(env, va, v, info), insn->mem, insn->type);
}

static uint64_t do_cas(TcgEnv *env, void *const *rt, const IrInsn *insn, uint64_t va,
                       uint64_t expect, uint64_t desired)
{
    uint64_t old = ((RtCas)rt[RT_CAS])(env, va, expect, desired, mem_info(insn));

    return extend(old, insn->mem, insn->type);
}

static void do_fence(int64_t kinds)
{
    if (kinds & IR_FENCE_WR) {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    } else {
        __atomic_thread_fence(__ATOMIC_ACQ_REL);
    }
}

/* --- Helpers --- */

static IrHelperVecFn vec_fn(const IrHelper *h)
{
    return (IrHelperVecFn)(void (*)(void))h->fn;
}

/* What an argument travels as: the value, or the address of a vector. */
static uint64_t helper_arg(const Ir *ir, const uint64_t *v, const IrV128 *w, IrVal arg)
{
    return ir->insns[arg].type == IR_V128 ? (uintptr_t)&w[arg] : v[arg];
}

static uint64_t do_call(const Ir *ir, TcgEnv *env, const IrInsn *insn, const uint64_t *v, IrV128 *w)
{
    const IrHelper *h = ir_helper(ir->target, insn->imm);
    uint64_t a[4] = {0};

    for (unsigned i = 0; i < ARRAY_SIZE(a) && insn->arg[i] != IR_NONE; i++) {
        a[i] = helper_arg(ir, v, w, insn->arg[i]);
    }
    if (insn->type == IR_V128) {
        return vec_fn(h)(env, a[0], a[1], a[2], a[3], &w[insn - ir->insns]);
    }
    return ir_narrow(insn->type, h->fn(env, a[0], a[1], a[2], a[3]));
}

static uint64_t do_vec(const Ir *ir, TcgEnv *env, const IrInsn *insn, const uint64_t *v, IrV128 *w)
{
    unsigned nargs = ir_op_info[insn->op].nargs;
    uint64_t a[4] = {0};

    for (unsigned i = 0; i < nargs; i++) {
        a[i] = helper_arg(ir, v, w, insn->arg[i]);
    }
    a[nargs] = insn->cond | insn->imm << 8;
    return vec_fn(ir_vec_helper(insn->op))(env, a[0], a[1], a[2], a[3], &w[insn - ir->insns]);
}

/* An op that is not worth a case of its own: its helper. */
static uint64_t do_op_helper(const Ir *ir, TcgEnv *env, const IrInsn *insn, const uint64_t *v)
{
    IrType from = ir->insns[insn->arg[0]].type;
    int32_t n = ir_op_helper(insn->op, insn->type, from);
    unsigned nargs = ir_op_info[insn->op].nargs;
    uint64_t a[4] = {0};

    g_assert(n >= 0); /* ir_verify() lets nothing else through */
    for (unsigned i = 0; i < nargs; i++) {
        a[i] = v[insn->arg[i]];
    }
    if (ir_op_text[insn->op].cond) {
        a[nargs] = insn->cond;
    }
    return ir_narrow(insn->type, ir_helper(ir->target, n)->fn(env, a[0], a[1], a[2], a[3]));
}

/* --- Globals --- */

static inline bool is_narrow(IrType type)
{
    return type == IR_I32 || type == IR_F32;
}

static inline uint64_t get_global(const TcgEnv *env, const IrGlobal *g)
{
    const void *p = (const char *)env + g->offset;

    return is_narrow(g->type) ? *(const uint32_t *)p : *(const uint64_t *)p;
}

static inline void put_global(TcgEnv *env, const IrGlobal *g, uint64_t value)
{
    void *p = (char *)env + g->offset;

    if (is_narrow(g->type)) {
        *(uint32_t *)p = value;
    } else {
        *(uint64_t *)p = value;
    }
}

/* --- The loop --- */

/*
 * Every op ends in a jump of its own to the next one's code: the host's branch prediction then
 * learns which op follows which.
 */
#define NEXT                                                                                       \
    do {                                                                                           \
        insn++;                                                                                    \
        r++;                                                                                       \
        goto *labels[insn->op];                                                                    \
    } while (0)
#define A       v[insn->arg[0]]
#define B       v[insn->arg[1]]
#define W       w[r - v]
#define COMPARE ir_eval_cond(insn->cond, ir->insns[insn->arg[0]].type, A, B)
#define UNARY(op)                                                                                  \
    do_##op : *r = ir_eval(IR_##op, insn->type, A, 0);                                             \
    NEXT
#define BINARY(op)                                                                                 \
    do_##op : *r = ir_eval(IR_##op, insn->type, A, B);                                             \
    NEXT

#if defined(__GNUC__) && !defined(__clang__)
/* GCC would join the jumps again. */
InterpLeave interp_run(const Ir *ir, TcgEnv *env, void *const *rt)
    __attribute__((optimize("no-gcse", "no-crossjumping")));
#endif

InterpLeave interp_run(const Ir *ir, TcgEnv *env, void *const *rt)
{
    static const void *const labels[IR_NOPS] = {
#define IR_OP(name, nargs, props, lack) [IR_##name] = &&do_##name,
#include "tcg/ir-ops.def"
#undef IR_OP
    };
    const IrGlobal *globals = ir->target->globals;
    const IrInsn *insn = ir->insns;
    uint64_t v[IR_MAX_INSNS], *r = v;
    IrV128 w[IR_MAX_INSNS]; /* vectors, under the same numbers */

    env->host_ra = 0;
    goto *labels[insn->op];

do_CONST:
    *r = ir_narrow(insn->type, insn->imm);
    if (insn->type == IR_V128) {
        W.u64[0] = W.u64[1] = insn->imm;
    }
    NEXT;
do_GET:
    if (insn->type == IR_V128) {
        memcpy(&W, (char *)env + globals[insn->imm].offset, sizeof(W));
        NEXT;
    }
    *r = get_global(env, &globals[insn->imm]);
    NEXT;
do_PUT:
    if (insn->type == IR_V128) {
        memcpy((char *)env + globals[insn->imm].offset, &w[insn->arg[0]], sizeof(W));
        NEXT;
    }
    put_global(env, &globals[insn->imm], A);
    NEXT;
do_LDENV:
    if (insn->type == IR_V128) {
        W = (IrV128){0};
        memcpy(&W, (char *)env + insn->imm, 1u << (insn->mem & IR_MEM_SIZE));
        NEXT;
    }
    *r = tcg_host_load((char *)env + insn->imm, insn->mem & IR_MEM_SIZE);
    *r = extend(*r, insn->mem, insn->type);
    NEXT;
do_STENV:
    if (insn->type == IR_V128) {
        memcpy((char *)env + insn->imm, &w[insn->arg[0]], 1u << (insn->mem & IR_MEM_SIZE));
        NEXT;
    }
    tcg_host_store((char *)env + insn->imm, A, insn->mem & IR_MEM_SIZE);
    NEXT;
do_PC:
    *r = env->pc_page + insn->imm;
    NEXT;
do_INSN:
    env->pc = env->pc_page + insn->imm;
    NEXT;

    BINARY(ADD);
    BINARY(SUB);
    BINARY(AND);
    BINARY(OR);
    BINARY(XOR);
    BINARY(SHL);
    BINARY(SHR);
    BINARY(SAR);
    BINARY(MUL);
    BINARY(MULHU);
    BINARY(MULHS);
    UNARY(NEG);
    UNARY(NOT);
    BINARY(ANDN);
    BINARY(ROTL);
    BINARY(ROTR);
    UNARY(SEXT8);
    UNARY(SEXT16);
    UNARY(ZEXT8);
    UNARY(ZEXT16);
    UNARY(SEXT32);
    UNARY(ZEXT32);
    UNARY(TRUNC);
    UNARY(FBITS);
    UNARY(FBOX);
    UNARY(FUNBOX);

do_DIVU:
do_DIVS:
do_REMU:
do_REMS:
do_CLZ:
do_CTZ:
do_POPCNT:
do_BSWAP:
do_CLMUL:
do_CLMULH:
do_FADD:
do_FSUB:
do_FMUL:
do_FDIV:
do_FSQRT:
do_FMA:
do_FMIN:
do_FMAX:
do_FCMP:
do_FCVT_F:
do_FCVT_SI:
do_FCVT_UI:
do_FCVT_SF:
do_FCVT_UF:
    *r = do_op_helper(ir, env, insn, v);
    NEXT;

#define VEC_OP(name, ...) do_##name:
#include "tcg/vec-ops.def"
#undef VEC_OP
    *r = do_vec(ir, env, insn, v, w);
    NEXT;

do_SETCOND:
    *r = COMPARE;
    NEXT;
do_MOVCOND:
    *r = v[insn->arg[COMPARE ? 2 : 3]];
    NEXT;
do_ADC:
    *r = ir_eval_adc(insn->type, A, B, v[insn->arg[2]]);
    NEXT;
do_CARRY:
    *r = ir_eval_carry(ir->insns[insn->arg[0]].type, A, B, v[insn->arg[2]]);
    NEXT;
do_SBB:
    *r = ir_eval_sbb(insn->type, A, B, v[insn->arg[2]]);
    NEXT;
do_BORROW:
    *r = ir_eval_borrow(A, B, v[insn->arg[2]]);
    NEXT;
do_LOAD:
    if (insn->type == IR_V128) {
        do_vec_load(env, rt, insn, A + insn->imm, &W);
        NEXT;
    }
    *r = do_load(env, rt, insn, A + insn->imm);
    NEXT;
do_STORE:
    if (insn->type == IR_V128) {
        do_vec_store(env, rt, insn, A + insn->imm, &w[insn->arg[1]]);
        NEXT;
    }
    do_store(env, rt, insn, A + insn->imm, B);
    NEXT;
do_ATOMIC:
    *r = do_atomic(env, rt, insn, A + insn->imm, B);
    NEXT;
do_CAS:
    *r = do_cas(env, rt, insn, A + insn->imm, B, v[insn->arg[2]]);
    NEXT;
do_FENCE:
    do_fence(insn->imm);
    NEXT;
do_CALL:
    *r = do_call(ir, env, insn, v, w);
    NEXT;

do_EXIT_IF:
    if (COMPARE) {
        goto do_GOTO;
    }
    NEXT;
do_GOTO:
    env->pc = env->pc_page + insn->imm;
    return INTERP_GOTO;
do_GOTO_IND:
    env->pc = A;
    return INTERP_GOTO;
do_EXIT:
    env->pc = env->pc_page + insn->imm;
    return INTERP_EXIT;
}
