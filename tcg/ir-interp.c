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

/* One access by the host where it can: aligned ones are then single-copy atomic. */
static inline uint64_t host_load(const void *p, unsigned size)
{
    uint64_t v = 0;

    if ((uintptr_t)p & ((1u << size) - 1)) {
        memcpy(&v, p, 1u << size);
        return v;
    }
    switch (size) {
    case IR_MEM_8: return __atomic_load_n((const uint8_t *)p, __ATOMIC_RELAXED);
    case IR_MEM_16: return __atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED);
    case IR_MEM_32: return __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED);
    default: return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED);
    }
}

static inline void host_store(void *p, uint64_t v, unsigned size)
{
    if ((uintptr_t)p & ((1u << size) - 1)) {
        memcpy(p, &v, 1u << size);
        return;
    }
    switch (size) {
    case IR_MEM_8: __atomic_store_n((uint8_t *)p, v, __ATOMIC_RELAXED); break;
    case IR_MEM_16: __atomic_store_n((uint16_t *)p, v, __ATOMIC_RELAXED); break;
    case IR_MEM_32: __atomic_store_n((uint32_t *)p, v, __ATOMIC_RELAXED); break;
    default: __atomic_store_n((uint64_t *)p, v, __ATOMIC_RELAXED); break;
    }
}

static inline uint64_t do_load(TcgEnv *env, void *const *rt, const IrInsn *insn, uint64_t va)
{
    const void *p = tcg_tlb_probe(tcg_tables(env)->tlb_read[insn->mmu], va, insn->mem);
    uint64_t v;

    if (likely(p)) {
        v = host_load(p, insn->mem & IR_MEM_SIZE);
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
        host_store(p, v, insn->mem & IR_MEM_SIZE);
    } else {
        ((RtStore)rt[RT_STORE])(env, va, v & MASK_ULL(8u << (insn->mem & IR_MEM_SIZE)),
                                mem_info(insn));
    }
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

static uint64_t do_call(const Ir *ir, TcgEnv *env, const IrInsn *insn, const uint64_t *v)
{
    const IrHelper *h = ir_helper(ir->target, insn->imm);
    uint64_t a[4] = {0};

    for (unsigned i = 0; i < ARRAY_SIZE(a) && insn->arg[i] != IR_NONE; i++) {
        a[i] = v[insn->arg[i]];
    }
    return ir_narrow(insn->type, h->fn(env, a[0], a[1], a[2], a[3]));
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

/* --- The loop --- */

#define ENV_FIELD(offset) ((char *)env + (offset))
#define A                 v[insn->arg[0]]
#define B                 v[insn->arg[1]]
#define EVAL1(op)         v[i] = ir_eval(op, insn->type, A, 0)
#define EVAL2(op)         v[i] = ir_eval(op, insn->type, A, B)

static inline bool compare(const Ir *ir, const IrInsn *insn, const uint64_t *v)
{
    return ir_eval_cond(insn->cond, ir->insns[insn->arg[0]].type, A, B);
}

static inline void put_global(const Ir *ir, TcgEnv *env, const IrInsn *insn, uint64_t value)
{
    const IrGlobal *g = &ir->target->globals[insn->imm];

    host_store(ENV_FIELD(g->offset), value,
               g->type == IR_I32 || g->type == IR_F32 ? IR_MEM_32 : IR_MEM_64);
}

static inline uint64_t get_global(const Ir *ir, TcgEnv *env, const IrInsn *insn)
{
    return host_load(ENV_FIELD(ir->target->globals[insn->imm].offset),
                     insn->type == IR_I32 || insn->type == IR_F32 ? IR_MEM_32 : IR_MEM_64);
}

InterpLeave interp_run(const Ir *ir, TcgEnv *env, void *const *rt)
{
    uint64_t v[IR_MAX_INSNS];

    env->host_ra = 0;
    for (unsigned i = 0;; i++) {
        const IrInsn *insn = &ir->insns[i];

        switch ((IrOp)insn->op) {
        case IR_CONST: v[i] = ir_narrow(insn->type, insn->imm); break;
        case IR_GET: v[i] = get_global(ir, env, insn); break;
        case IR_PUT: put_global(ir, env, insn, A); break;
        case IR_LDENV:
            v[i] = extend(host_load(ENV_FIELD(insn->imm), insn->mem & IR_MEM_SIZE), insn->mem,
                          insn->type);
            break;
        case IR_STENV: host_store(ENV_FIELD(insn->imm), A, insn->mem & IR_MEM_SIZE); break;
        case IR_PC: v[i] = env->pc_page + insn->imm; break;
        case IR_INSN: env->pc = env->pc_page + insn->imm; break;
        case IR_ADD: EVAL2(IR_ADD); break;
        case IR_SUB: EVAL2(IR_SUB); break;
        case IR_AND: EVAL2(IR_AND); break;
        case IR_OR: EVAL2(IR_OR); break;
        case IR_XOR: EVAL2(IR_XOR); break;
        case IR_SHL: EVAL2(IR_SHL); break;
        case IR_SHR: EVAL2(IR_SHR); break;
        case IR_SAR: EVAL2(IR_SAR); break;
        case IR_MUL: EVAL2(IR_MUL); break;
        case IR_MULHU: EVAL2(IR_MULHU); break;
        case IR_MULHS: EVAL2(IR_MULHS); break;
        case IR_NEG: EVAL1(IR_NEG); break;
        case IR_NOT: EVAL1(IR_NOT); break;
        case IR_ANDN: EVAL2(IR_ANDN); break;
        case IR_ROTL: EVAL2(IR_ROTL); break;
        case IR_ROTR: EVAL2(IR_ROTR); break;
        case IR_SEXT8: EVAL1(IR_SEXT8); break;
        case IR_SEXT16: EVAL1(IR_SEXT16); break;
        case IR_ZEXT8: EVAL1(IR_ZEXT8); break;
        case IR_ZEXT16: EVAL1(IR_ZEXT16); break;
        case IR_SEXT32: EVAL1(IR_SEXT32); break;
        case IR_ZEXT32: EVAL1(IR_ZEXT32); break;
        case IR_TRUNC: EVAL1(IR_TRUNC); break;
        case IR_FBITS: EVAL1(IR_FBITS); break;
        case IR_FBOX: EVAL1(IR_FBOX); break;
        case IR_FUNBOX: EVAL1(IR_FUNBOX); break;
        case IR_SETCOND: v[i] = compare(ir, insn, v); break;
        case IR_MOVCOND: v[i] = v[insn->arg[compare(ir, insn, v) ? 2 : 3]]; break;
        case IR_LOAD: v[i] = do_load(env, rt, insn, A + insn->imm); break;
        case IR_STORE: do_store(env, rt, insn, A + insn->imm, B); break;
        case IR_ATOMIC:
            v[i] =
                ((RtAtomic)rt[RT_ATOMIC])(env, A + insn->imm, B, mem_info(insn) | insn->cond << 16);
            v[i] = extend(v[i], insn->mem, insn->type);
            break;
        case IR_CAS:
            v[i] = ((RtCas)rt[RT_CAS])(env, A + insn->imm, B, v[insn->arg[2]], mem_info(insn));
            v[i] = extend(v[i], insn->mem, insn->type);
            break;
        case IR_FENCE: do_fence(insn->imm); break;
        case IR_CALL: v[i] = do_call(ir, env, insn, v); break;
        case IR_EXIT_IF:
            if (!compare(ir, insn, v)) {
                break;
            }
            /* fall through */
        case IR_GOTO: env->pc = env->pc_page + insn->imm; return INTERP_GOTO;
        case IR_PUSH_RET: break;
        case IR_GOTO_IND: env->pc = A; return INTERP_GOTO;
        case IR_EXIT: env->pc = env->pc_page + insn->imm; return INTERP_EXIT;
        default: v[i] = do_op_helper(ir, env, insn, v); break;
        }
    }
}
