/* SPDX-License-Identifier: MIT */
/*
 * x87 instructions: the register stack, exceptions, comparisons, loads and stores.  Arithmetic itself is
 * behind x87.h.  Contracts: helpers-fp.def.
 *
 * An exception that is not masked sets ES; the next waiting instruction raises #MF (X87_CHECK).  For
 * invalid operations, division by zero and denormal operands nothing is written then.
 */
#include "rhea/osdep.h"

#include "../fpu.h"
#include "../x87.h"
#include "helper.h"

/* --- The stack --- */

static unsigned top_of(const X86Env *env)
{
    return env->fpu_sw >> X87_TOP_SHIFT & 7;
}

static void set_top(X86Env *env, unsigned top)
{
    env->fpu_sw = (uint16_t)((env->fpu_sw & ~(7 << X87_TOP_SHIFT)) | (top & 7) << X87_TOP_SHIFT);
}

static X86Fp80 *st(X86Env *env, unsigned i)
{
    return &env->st[(top_of(env) + i) & 7];
}

static bool is_empty(const X86Env *env, unsigned i)
{
    return !(env->fpu_tags >> ((top_of(env) + i) & 7) & 1);
}

static void set_st(X86Env *env, unsigned i, X86Fp80 v)
{
    *st(env, i) = v;
    env->fpu_tags |= (uint8_t)(1u << ((top_of(env) + i) & 7));
}

static void free_st(X86Env *env, unsigned i)
{
    env->fpu_tags &= (uint8_t) ~(1u << ((top_of(env) + i) & 7));
}

static void pop(X86Env *env)
{
    free_st(env, 0);
    set_top(env, top_of(env) + 1);
}

static void push(X86Env *env, X86Fp80 v)
{
    set_top(env, top_of(env) - 1);
    set_st(env, 0, v);
}

/* --- Exceptions --- */

static void set_codes(X86Env *env, unsigned mask, unsigned codes)
{
    env->fpu_sw = (uint16_t)((env->fpu_sw & ~mask) | (codes & mask));
}

enum { BEFORE_RESULT = X87_IE | X87_DE | X87_ZE };

static void note_flags(X86Env *env, unsigned raised)
{
    env->fpu_sw |= (uint16_t)(raised & (X87_EXCEPTIONS | X87_SF));
    if (raised & ~env->fpu_cw & X87_EXCEPTIONS) {
        env->fpu_sw |= X87_ES | X87_BUSY;
    }
}

/* Notes what was raised; false when the operation must have no other effect. */
static bool raise_flags(X86Env *env, unsigned raised)
{
    if (!(raised & ~env->fpu_cw & BEFORE_RESULT)) {
        note_flags(env, raised);
        return true;
    }
    note_flags(env, raised & (BEFORE_RESULT | X87_SF)); /* there was no result to round */
    if (!(raised & X87_SF)) {
        set_codes(env, X87_C1, 0);
    }
    return false;
}

/* The stack is empty where a source is, or (@overflow) full where a result goes. */
static bool stack_fault(X86Env *env, bool overflow)
{
    set_codes(env, X87_C1, overflow ? X87_C1 : 0);
    return raise_flags(env, X87_IE | X87_SF);
}

/* Pushes, or the indefinite number if there is no room. */
static void push_checked(X86Env *env, X86Fp80 v)
{
    if (is_empty(env, 7)) {
        set_codes(env, X87_C1, 0);
        push(env, v);
    } else if (stack_fault(env, true)) {
        push(env, x87_indefinite());
    }
}

uint64_t x86_helper_x87_check(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    if (!(env->fpu_sw & X87_ES)) {
        x86_set_ferr(env, false);
    } else if (env->cr0 & X86_CR0_NE) {
        x86_raise(env, X86_EXC_MF, 0);
    } else {
        x86_wait_ferr(env);
    }
    return 0;
}

/* --- Arithmetic: ModRM.reg says which --- */

enum { N_ADD, N_MUL, N_COM, N_COMP, N_SUB, N_SUBR, N_DIV, N_DIVR };

static bool is_nan(const X86Fp80 *v)
{
    return (v->se & 0x7fff) == 0x7fff && v->sig << 1;
}

/* What the conversion of a source raised: what ranks higher hides that it was denormal. */
static unsigned source_flags(unsigned raised, unsigned sw, const X86Fp80 *other)
{
    return sw & (X87_IE | X87_ZE) || is_nan(other) ? raised & ~X87_DE : raised;
}

/* The codes tell of the result in any case; false when nothing must be popped. */
static bool compare(X86Env *env, X87Compare op, const X86Fp80 *a, const X86Fp80 *b, unsigned raised)
{
    unsigned sw = x87_compare(op, a, b);

    set_codes(env, X87_CC, sw & ~X87_C1);
    return raise_flags(env, sw | source_flags(raised, sw, a));
}

/* No operand: the result is unordered. */
static bool compare_empty(X86Env *env)
{
    set_codes(env, X87_CC, X87_C0 | X87_C2 | X87_C3);
    return stack_fault(env, false);
}

/* Stack register @dst := dst op src; @raised came with the source. */
static bool arithmetic(X86Env *env, unsigned n, unsigned dst, const X86Fp80 *src, unsigned raised)
{
    static const uint8_t ops[] = {[N_ADD] = X87_ADD,  [N_MUL] = X87_MUL, [N_SUB] = X87_SUB,
                                  [N_SUBR] = X87_SUB, [N_DIV] = X87_DIV, [N_DIVR] = X87_DIV};
    bool reversed = n == N_SUBR || n == N_DIVR;
    X86Fp80 r, a = *st(env, dst);
    unsigned sw =
        x87_binary((X87Binary)ops[n], env->fpu_cw, reversed ? src : &a, reversed ? &a : src, &r);

    set_codes(env, X87_C1, sw);
    if (!raise_flags(env, sw | source_flags(raised, sw, &a))) {
        return false;
    }
    set_st(env, dst, r);
    return true;
}

uint64_t x86_helper_x87_arith_mem(void *opaque, uint64_t n, uint64_t kind, uint64_t v, uint64_t d)
{
    X86Env *env = opaque;
    uint64_t words[2] = {v, 0};
    X86Fp80 src;
    unsigned raised = x87_from((X87Kind)kind, words, &src) & X87_EXCEPTIONS;

    if (raised & X87_IE) {
        src.sig &= ~(1ULL << 62); /* a signalling NaN stays one: a quiet one in ST0 wins */
    }
    if (n == N_COM || n == N_COMP) {
        bool done =
            is_empty(env, 0) ? compare_empty(env) : compare(env, X87_COM, st(env, 0), &src, raised);

        if (n == N_COMP && done) {
            pop(env);
        }
    } else if (!is_empty(env, 0)) {
        arithmetic(env, (unsigned)n, 0, &src, raised);
    } else if (stack_fault(env, false)) {
        set_st(env, 0, x87_indefinite());
    }
    return 0;
}

enum { ARITH_TO_STI = 1, ARITH_POP = 2 };

uint64_t x86_helper_x87_arith_reg(void *opaque, uint64_t n, uint64_t i, uint64_t how, uint64_t d)
{
    X86Env *env = opaque;
    unsigned dst = how & ARITH_TO_STI ? (unsigned)i : 0,
             other = how & ARITH_TO_STI ? 0 : (unsigned)i;
    bool done;

    if (is_empty(env, 0) || is_empty(env, (unsigned)i)) {
        done = stack_fault(env, false);
        if (done) {
            set_st(env, dst, x87_indefinite());
        }
    } else {
        X86Fp80 src = *st(env, other);

        done = arithmetic(env, (unsigned)n, dst, &src, 0);
    }
    if (how & ARITH_POP && done) {
        pop(env);
    }
    return 0;
}

/* (ST(i), pops | unordered << 4) */
uint64_t x86_helper_x87_com(void *opaque, uint64_t i, uint64_t how, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    bool done;

    if (is_empty(env, 0) || is_empty(env, (unsigned)i)) {
        done = compare_empty(env);
    } else {
        done = compare(env, how & 16 ? X87_UCOM : X87_COM, st(env, 0), st(env, (unsigned)i), 0);
    }
    for (unsigned k = 0; k < (how & 15) && done; k++) {
        pop(env);
    }
    return 0;
}

/* The same into EFLAGS, which are returned. */
uint64_t x86_helper_x87_comi(void *opaque, uint64_t i, uint64_t how, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    bool empty = is_empty(env, 0) || is_empty(env, (unsigned)i);
    unsigned kept = X87_C0 | X87_C2 | X87_C3 | (empty ? 0 : X87_C1), codes = env->fpu_sw & kept;
    uint64_t flags;

    x86_helper_x87_com(opaque, i, how, 0, 0);
    flags = (env->fpu_sw & X87_C0 ? X86_CF : 0) | (env->fpu_sw & X87_C2 ? X86_PF : 0) |
            (env->fpu_sw & X87_C3 ? X86_ZF : 0);
    set_codes(env, kept, codes);
    return flags;
}

/* --- Loads, stores, moves --- */

uint64_t x86_helper_x87_load(void *opaque, uint64_t kind, uint64_t low, uint64_t high, uint64_t d)
{
    X86Env *env = opaque;
    uint64_t words[2] = {low, high};
    X86Fp80 v;
    unsigned raised = x87_from((X87Kind)kind, words, &v) & X87_EXCEPTIONS;

    /* A denormal number is pushed even if its exception is not masked. */
    if (!is_empty(env, 7) || raise_flags(env, raised) || !(raised & X87_IE)) {
        push_checked(env, v);
    }
    return 0;
}

static unsigned kind_bytes(X87Kind kind)
{
    static const uint8_t bytes[] = {[X87_F32] = 4, [X87_F64] = 8, [X87_F80] = 10, [X87_I16] = 2,
                                    [X87_I32] = 4, [X87_I64] = 8, [X87_BCD] = 10};

    return bytes[kind];
}

/* What stands for a number that cannot be stored. */
static void indefinite_of(X87Kind kind, uint64_t v[2])
{
    static const uint64_t low[] = {[X87_F32] = 0xffc00000,
                                   [X87_F64] = 0xfff8000000000000,
                                   [X87_F80] = 1ULL << 63 | 1ULL << 62,
                                   [X87_I16] = 0x8000,
                                   [X87_I32] = 0x80000000,
                                   [X87_I64] = 1ULL << 63,
                                   [X87_BCD] = 0xc000000000000000};

    v[0] = low[kind];
    v[1] = 0xffff;
}

static void store_bytes(X86Env *env, uint64_t addr, const uint64_t v[2], unsigned bytes,
                        unsigned mmu)
{
    CpuState *cpu = env->tcg.cpu;

    cpu_probe(cpu, addr, bytes, ACCESS_WRITE, mmu);
    cpu_store(cpu, addr, v[0], (IrMem)(bytes > 8 ? IR_MEM_64 : __builtin_ctz(bytes)), mmu);
    if (bytes > 8) {
        cpu_store(cpu, addr + 8, v[1] & 0xffff, IR_MEM_16, mmu);
    }
}

uint64_t x86_helper_x87_store(void *opaque, uint64_t addr, uint64_t info, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    X87Kind kind = info & 15;
    bool pops = info & 16, truncates = info & 32;
    unsigned mmu = info >> 8 & 0xff, sw;
    uint64_t v[2] = {0};

    cpu_probe(env->tcg.cpu, addr, kind_bytes(kind), ACCESS_WRITE, mmu);
    if (is_empty(env, 0)) {
        if (!stack_fault(env, false)) {
            return 0;
        }
        indefinite_of(kind, v);
    } else {
        sw = x87_to(kind, truncates ? env->fpu_cw | X87_CW_RC_ZERO : env->fpu_cw, st(env, 0), v);
        set_codes(env, X87_C1, sw);
        if (!raise_flags(env, sw) || sw & ~env->fpu_cw & (X87_OE | X87_UE)) {
            return 0;
        }
    }
    store_bytes(env, addr, v, kind_bytes(kind), mmu);
    if (pops) {
        pop(env);
    }
    return 0;
}

static void load_st(X86Env *env, unsigned i)
{
    X86Fp80 v;

    if (is_empty(env, i)) {
        if (stack_fault(env, false)) {
            push(env, x87_indefinite());
        }
        return;
    }
    v = *st(env, i);
    push_checked(env, v);
}

static void exchange(X86Env *env, unsigned i)
{
    X86Fp80 a, b;

    if ((is_empty(env, 0) || is_empty(env, i))) {
        if (!stack_fault(env, false)) {
            return;
        }
        a = is_empty(env, 0) ? x87_indefinite() : *st(env, 0);
        b = is_empty(env, i) ? x87_indefinite() : *st(env, i);
    } else {
        set_codes(env, X87_C1, 0);
        a = *st(env, 0);
        b = *st(env, i);
    }
    set_st(env, i, a);
    set_st(env, 0, b);
}

static void store_st(X86Env *env, unsigned i, bool pops)
{
    if (is_empty(env, 0)) {
        if (!stack_fault(env, false)) {
            return;
        }
        set_st(env, i, x87_indefinite());
    } else {
        set_codes(env, X87_C1, 0);
        set_st(env, i, *st(env, 0));
    }
    if (pops) {
        pop(env);
    }
}

uint64_t x86_helper_x87_move(void *opaque, uint64_t what, uint64_t i, uint64_t taken, uint64_t d)
{
    X86Env *env = opaque;
    unsigned n = (unsigned)i;

    switch ((X86X87Move)what) {
    case X86_X87_LOAD: load_st(env, n); break;
    case X86_X87_EXCHANGE: exchange(env, n); break;
    case X86_X87_STORE: store_st(env, n, false); break;
    case X86_X87_STORE_POP: store_st(env, n, true); break;
    case X86_X87_FREE:
        set_codes(env, X87_C1, 0);
        free_st(env, n);
        break;
    case X86_X87_FREE_POP:
        set_codes(env, X87_C1, 0);
        free_st(env, n);
        pop(env);
        break;
    case X86_X87_MOVE:
        if (!is_empty(env, 0) && !is_empty(env, n)) {
            set_st(env, 0, *st(env, taken ? n : 0));
        } else if (stack_fault(env, false)) {
            set_st(env, 0, x87_indefinite());
        }
        break;
    }
    return 0;
}

/* --- D9 E0..FF: operations on the top of the stack, by the low bits of ModRM --- */

static void examine(X86Env *env)
{
    unsigned sign = st(env, 0)->se >> 15 ? X87_C1 : 0;
    unsigned sw = is_empty(env, 0) ? X87_C3 | X87_C0 : x87_compare(X87_XAM, st(env, 0), st(env, 0));

    set_codes(env, X87_CC, (sw & ~X87_C1) | sign);
}

static void test_zero(X86Env *env)
{
    static const X86Fp80 zero;

    if (is_empty(env, 0)) {
        compare_empty(env);
    } else {
        compare(env, X87_COM, st(env, 0), &zero, 0);
    }
}

static void unary(X86Env *env, X87Unary op)
{
    bool trig = op >= X87_SIN && op <= X87_SINCOS;
    X86Fp80 r, r2;
    unsigned sw;

    if (is_empty(env, 0)) {
        set_codes(env, trig ? X87_C2 : 0, 0);
        if (stack_fault(env, false)) {
            set_st(env, 0, x87_indefinite());
        }
        return;
    }
    sw = x87_unary(op, env->fpu_cw, st(env, 0), &r, &r2);
    set_codes(env, trig ? X87_C1 | X87_C2 : X87_C1, sw);
    if (raise_flags(env, sw)) {
        set_st(env, 0, r);
    }
}

/* TAN, SINCOS, XTRACT: a second result is pushed. */
static void unary_push(X86Env *env, X87Unary op)
{
    bool trig = op != X87_XTRACT;
    X86Fp80 r, r2;
    unsigned sw;

    if (is_empty(env, 0) || !is_empty(env, 7)) {
        set_codes(env, trig ? X87_C2 : 0, 0);
        if (stack_fault(env, !is_empty(env, 0))) {
            set_st(env, 0, x87_indefinite());
            push(env, x87_indefinite());
        }
        return;
    }
    sw = x87_unary(op, env->fpu_cw, st(env, 0), &r, &r2);
    set_codes(env, trig ? X87_C1 | X87_C2 : X87_C1, sw);
    if (!raise_flags(env, sw) || (trig && sw & X87_C2)) {
        return;
    }
    set_st(env, 0, r);
    push(env, r2);
}

/* ST(0) and ST(1): the result replaces ST(0), or (@pops) ST(1), which becomes the top. */
static void binary(X86Env *env, X87Binary op, bool pops)
{
    bool rem = op == X87_PREM || op == X87_PREM1;
    unsigned sw;
    X86Fp80 r;

    if (is_empty(env, 0) || is_empty(env, 1)) {
        set_codes(env, rem ? X87_C2 : 0, 0);
        if (!stack_fault(env, false)) {
            return;
        }
        r = x87_indefinite();
    } else {
        sw = x87_binary(op, env->fpu_cw, st(env, 0), st(env, 1), &r);
        if (!raise_flags(env, sw)) {
            return;
        }
        set_codes(env, !rem ? X87_C1 : sw & X87_IE ? X87_C1 | X87_C2 : X87_CC, sw);
    }
    set_st(env, pops, r);
    if (pops) {
        pop(env);
    }
}

static void change_sign(X86Env *env, bool absolute)
{
    if (is_empty(env, 0)) {
        if (stack_fault(env, false)) {
            set_st(env, 0, x87_indefinite());
        }
        return;
    }
    set_codes(env, X87_C1, 0);
    st(env, 0)->se = absolute ? st(env, 0)->se & 0x7fff : st(env, 0)->se ^ 0x8000;
}

static void load_constant(X86Env *env, X87Const n)
{
    X86Fp80 v;

    x87_constant(n, env->fpu_cw, &v);
    push_checked(env, v);
}

uint64_t x86_helper_x87_unary(void *opaque, uint64_t modrm, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    switch (modrm & 31) {
    case 0x00: change_sign(env, false); break;
    case 0x01: change_sign(env, true); break;
    case 0x04: test_zero(env); break;
    case 0x05: examine(env); break;
    case 0x10: unary(env, X87_2XM1); break;
    case 0x11: binary(env, X87_YL2X, true); break;
    case 0x12: unary_push(env, X87_TAN); break;
    case 0x13: binary(env, X87_PATAN, true); break;
    case 0x14: unary_push(env, X87_XTRACT); break;
    case 0x15: binary(env, X87_PREM1, false); break;
    case 0x16: set_top(env, top_of(env) - 1), set_codes(env, X87_C1, 0); break;
    case 0x17: set_top(env, top_of(env) + 1), set_codes(env, X87_C1, 0); break;
    case 0x18: binary(env, X87_PREM, false); break;
    case 0x19: binary(env, X87_YL2XP1, true); break;
    case 0x1a: unary(env, X87_SQRT); break;
    case 0x1b: unary_push(env, X87_SINCOS); break;
    case 0x1c: unary(env, X87_RNDINT); break;
    case 0x1d: binary(env, X87_SCALE, false); break;
    case 0x1e: unary(env, X87_SIN); break;
    case 0x1f: unary(env, X87_COS); break;
    default: load_constant(env, (X87Const)((modrm & 31) - 8)); break;
    }
    return 0;
}

/* --- Control --- */

void x86_x87_set_control(X86Env *env, uint16_t cw)
{
    env->fpu_cw = (cw & X87_CW_DEFINED) | 0x40; /* bit 6 reads as one */
    env->fpu_sw &= (uint16_t) ~(X87_ES | X87_BUSY);
    note_flags(env, env->fpu_sw & X87_EXCEPTIONS);
    cpu_context_changed(env->tcg.cpu);
}

uint64_t x86_helper_x87_ldcw(void *opaque, uint64_t cw, uint64_t b, uint64_t c, uint64_t d)
{
    x86_x87_set_control(opaque, (uint16_t)cw);
    return 0;
}

uint64_t x86_helper_x87_init(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    env->fpu_sw = 0;
    env->fpu_tags = 0;
    env->fpu_op = env->fpu_cs = env->fpu_ds = 0;
    env->fpu_ip = env->fpu_dp = 0;
    x86_x87_set_control(env, X87_CW_DEFAULT);
    return 0;
}

uint64_t x86_helper_x87_clex(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    env->fpu_sw &= (uint16_t) ~(X87_EXCEPTIONS | X87_SF | X87_ES | X87_BUSY);
    cpu_context_changed(env->tcg.cpu);
    return 0;
}
