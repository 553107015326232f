/* SPDX-License-Identifier: MIT */
/* See fixture.h. */
#include "rhea/osdep.h"

#include "fixture.h"
#include "rhea/bits.h"
#include "tcg/tlb.h"

#define GLOBAL_X(i, r)                                                                             \
    {                                                                                              \
        "x" #i, IR_I64, offsetof(FxEnv, x[i]), r                                                   \
    }
#define GLOBAL_W(i)                                                                                \
    {                                                                                              \
        "w" #i, IR_I32, offsetof(FxEnv, w[i]), 255                                                 \
    }
#define GLOBAL_D(i, r)                                                                             \
    {                                                                                              \
        "d" #i, IR_F64, offsetof(FxEnv, d[i]), r                                                   \
    }
#define GLOBAL_S(i)                                                                                \
    {                                                                                              \
        "s" #i, IR_F32, offsetof(FxEnv, s[i]), 255                                                 \
    }

#define GLOBAL_V(i, r)                                                                             \
    {                                                                                              \
        "v" #i, IR_V128, offsetof(FxEnv, v[i]), r                                                  \
    }

static const IrGlobal globals[FX_NGLOBALS] = {
    GLOBAL_X(0, 0),   GLOBAL_X(1, 1), GLOBAL_X(2, 2),   GLOBAL_X(3, 3),   GLOBAL_X(4, 4),
    GLOBAL_X(5, 5),   GLOBAL_X(6, 6), GLOBAL_X(7, 255), GLOBAL_W(0),      GLOBAL_W(1),
    GLOBAL_D(0, 0),   GLOBAL_D(1, 1), GLOBAL_D(2, 2),   GLOBAL_D(3, 255), GLOBAL_S(0),
    GLOBAL_S(1),      GLOBAL_V(0, 0), GLOBAL_V(1, 1),   GLOBAL_V(2, 5),   GLOBAL_V(3, 255),
    GLOBAL_V(4, 255),
};

/* --- Leaving --- */

static void NORETURN fx_raise(FxEnv *fx, uint64_t why)
{
    int32_t page_rel;

    if (fx->find_pc && fx->find_pc(fx, &page_rel)) {
        fx->env.pc = fx->env.pc_page + page_rel;
    }
    fx->raised = why;
    longjmp(fx->leave, 1);
}

/* --- Helpers --- */

static uint64_t help_pure(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return (a ^ 0x9e3779b97f4a7c15u) + 3 * b;
}

static uint64_t help_state(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    FxEnv *fx = env;

    if ((a & 7) == 5) {
        fx_raise(fx, a);
    }
    fx->x[3] += a;
    fx->x[5] ^= fx->x[0] + fx->w[1];
    fx->d[1] = fx->d[0] ^ 1;
    fx->s[1] ^= 3;
    fx->x[7]++;
    return fx->x[2] ^ a;
}

static uint64_t help_effect(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    FxEnv *fx = env;

    fx->scratch[0] = fx->scratch[0] * 31 + b + (uint32_t)a;
    return 0;
}

static uint64_t help_fp(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    FxEnv *fx = env;

    fx->env.fp_flags |= a & 0x1f;
    return (a << 1) ^ (uint32_t)b ^ fx->env.fp_round ^ ((uint64_t)(fx->env.fp_flags & 31) << 32);
}

static uint64_t help_mix(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return (uint32_t)(a + 3 * (b & 0xffffffff) + 5 * c + 7 * d);
}

static uint64_t help_raise(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    fx_raise(env, 0x7261697365);
}

static uint64_t help_vec(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d, IrV128 *r)
{
    const IrV128 *x = (const IrV128 *)(uintptr_t)a, *y = (const IrV128 *)(uintptr_t)c;

    r->u64[0] = x->u64[1] + b;
    r->u64[1] = y->u64[0] ^ x->u64[0];
    return 0;
}

static uint64_t help_vtoi(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    FxEnv *fx = env;
    const IrV128 *x = (const IrV128 *)(uintptr_t)a;

    fx->v[0].u64[1] ^= x->u64[0] + fx->v[1].u64[1];
    return x->u64[1] + fx->v[3].u64[0];
}

static const IrHelper helpers[] = {
    [FX_H_PURE] = {"pure", help_pure, IR_HELPER_PURE, IR_I64, {IR_I64, IR_I64}},
    [FX_H_STATE] = {"state", help_state, IR_HELPER_STATE, IR_I64, {IR_I64}},
    [FX_H_EFFECT] = {"effect", help_effect, 0, IR_VOID, {IR_I32, IR_I64}},
    [FX_H_FP] = {"fp", help_fp, IR_HELPER_FP, IR_F64, {IR_F64, IR_F32}},
    [FX_H_MIX] = {"mix", help_mix, IR_HELPER_PURE, IR_I32, {IR_I32, IR_F32, IR_I64, IR_F64}},
    [FX_H_RAISE] = {"raise", help_raise, IR_HELPER_STATE | IR_HELPER_LAST, IR_VOID, {IR_VOID}},
    [FX_H_VEC] = {"vec", IR_VEC_FN(help_vec), IR_HELPER_PURE, IR_V128, {IR_V128, IR_I64, IR_V128}},
    [FX_H_VTOI] = {"vtoi", help_vtoi, IR_HELPER_STATE, IR_I64, {IR_V128}},
};

const IrTarget fx_target = {"fixture", globals, FX_NGLOBALS, helpers, ARRAY_SIZE(helpers), true};

/* --- Slow paths --- */

/* Where the access is in RAM; raises when it is not, or when it is misaligned and must not be. */
static uint8_t *fx_access(FxEnv *fx, uint64_t va, uint32_t info, unsigned kind)
{
    unsigned size = 1u << (info & IR_MEM_SIZE);

    if ((info & IR_MEM_ALIGN && va & (size - 1)) || va - FX_RAM > FX_RAM_BYTES - size) {
        fx_raise(fx, va ^ (uint64_t)kind << 60 ^ (uint64_t)(info & 0xffff) << 32);
    }
    return fx->ram + (va - FX_RAM);
}

static uint64_t fx_rt_load(TcgEnv *env, uint64_t va, uint32_t info)
{
    uint64_t v = 0;

    memcpy(&v, fx_access((FxEnv *)env, va, info, 1), 1u << (info & IR_MEM_SIZE));
    return v;
}

static void fx_rt_store(TcgEnv *env, uint64_t va, uint64_t value, uint32_t info)
{
    memcpy(fx_access((FxEnv *)env, va, info, 2), &value, 1u << (info & IR_MEM_SIZE));
}

static void fx_rt_load128(TcgEnv *env, uint64_t va, uint32_t info, IrV128 *value)
{
    memcpy(value, fx_access((FxEnv *)env, va, info, 5), sizeof(*value));
}

static void fx_rt_store128(TcgEnv *env, uint64_t va, uint32_t info, const IrV128 *value)
{
    memcpy(fx_access((FxEnv *)env, va, info, 6), value, sizeof(*value));
}

static uint64_t fx_atomic_result(IrAtomic op, unsigned bits, uint64_t old, uint64_t v)
{
    int64_t s_old = sextract64(old, 0, bits), s_v = sextract64(v, 0, bits);
    uint64_t u_v = extract64(v, 0, bits);

    switch (op) {
    case IR_XCHG: return v;
    case IR_ATOMIC_ADD: return old + v;
    case IR_ATOMIC_AND: return old & v;
    case IR_ATOMIC_OR: return old | v;
    case IR_ATOMIC_XOR: return old ^ v;
    case IR_ATOMIC_MIN: return s_old < s_v ? old : v;
    case IR_ATOMIC_MAX: return s_old > s_v ? old : v;
    case IR_ATOMIC_MINU: return old < u_v ? old : v;
    case IR_ATOMIC_MAXU: return old > u_v ? old : v;
    }
    return 0;
}

static uint64_t fx_rt_atomic(TcgEnv *env, uint64_t va, uint64_t value, uint32_t info)
{
    unsigned size = info & IR_MEM_SIZE;
    uint8_t *p = fx_access((FxEnv *)env, va, info | IR_MEM_ALIGN, 3);
    uint64_t old = 0, new;

    memcpy(&old, p, 1u << size);
    new = fx_atomic_result(info >> 16, 8u << size, old, value);
    memcpy(p, &new, 1u << size);
    return old;
}

static uint64_t fx_rt_cas(TcgEnv *env, uint64_t va, uint64_t expect, uint64_t desired,
                          uint32_t info)
{
    unsigned size = info & IR_MEM_SIZE;
    uint8_t *p = fx_access((FxEnv *)env, va, info | IR_MEM_ALIGN, 4);
    uint64_t old = 0;

    memcpy(&old, p, 1u << size);
    if (old == extract64(expect, 0, 8u << size)) {
        memcpy(p, &desired, 1u << size);
    }
    return old;
}

/* No block is ever found: indirect jumps return to the caller. */
static const void *fx_rt_lookup(TcgEnv *env, uint64_t pc)
{
    env->pc = pc;
    return NULL;
}

void *const fx_runtime[RT_NFN] = {
    [RT_LOAD] = fx_rt_load,         [RT_STORE] = fx_rt_store,   [RT_ATOMIC] = fx_rt_atomic,
    [RT_CAS] = fx_rt_cas,           [RT_LOOKUP] = fx_rt_lookup, [RT_LOAD128] = fx_rt_load128,
    [RT_STORE128] = fx_rt_store128,
};

/* --- The machine --- */

FxEnv *fx_new(void)
{
    FxEnv *fx = (FxEnv *)tcg_env_new(sizeof(FxEnv));

    fx->ram = g_malloc(FX_RAM_BYTES);
    fx->env.helpers = helpers;
    fx->env.runtime = fx_runtime;
    return fx;
}

void fx_free(FxEnv *fx)
{
    g_free(fx->ram);
    tcg_env_free(&fx->env);
}

static void map_page(FxEnv *fx, unsigned page, bool writable)
{
    TcgTables *t = tcg_tables(&fx->env);
    uint64_t va = FX_RAM + page * TCG_PAGE_SIZE;
    TcgTlbEntry entry = {va, (uintptr_t)fx->ram - FX_RAM};

    for (unsigned mmu = 0; mmu < TCG_MMU_MODES; mmu++) {
        t->tlb_read[mmu][tcg_tlb_index(va)] = entry;
        if (writable) {
            t->tlb_write[mmu][tcg_tlb_index(va)] = entry;
        }
    }
}

void fx_load(FxEnv *fx, const FxState *s)
{
    map_page(fx, 0, true);
    map_page(fx, 1, false);
    map_page(fx, 3, true);
    memcpy(fx->x, s->x, sizeof(s->x));
    memcpy(fx->w, s->w, sizeof(s->w));
    memcpy(fx->d, s->d, sizeof(s->d));
    memcpy(fx->s, s->s, sizeof(s->s));
    memcpy(fx->scratch, s->scratch, sizeof(s->scratch));
    memcpy(fx->v, s->v, sizeof(s->v));
    memcpy(fx->ram, s->ram, sizeof(s->ram));
    fx->env.fp_round = s->fp_round;
    fx->env.fp_flags = s->fp_flags;
    fx->env.pc_page = FX_PC_PAGE;
    fx->env.pc = s->pc;
    fx->raised = 0;
}

void fx_save(const FxEnv *fx, FxLeave leave, FxState *s)
{
    memcpy(s->x, fx->x, sizeof(s->x));
    memcpy(s->w, fx->w, sizeof(s->w));
    memcpy(s->d, fx->d, sizeof(s->d));
    memcpy(s->s, fx->s, sizeof(s->s));
    memcpy(s->scratch, fx->scratch, sizeof(s->scratch));
    memcpy(s->v, fx->v, sizeof(s->v));
    memcpy(s->ram, fx->ram, sizeof(s->ram));
    s->fp_round = fx->env.fp_round;
    s->fp_flags = fx->env.fp_flags;
    s->pc = fx->env.pc;
    s->raised = fx->raised;
    s->leave = leave;
}

void fx_interpret(FxEnv *fx, const Ir *ir, const FxState *before, FxState *after)
{
    FxLeave leave = FX_RAISED;

    fx->find_pc = NULL;
    fx_load(fx, before);
    if (!setjmp(fx->leave)) {
        FxLeave done = interp_run(ir, &fx->env, fx_runtime) == INTERP_EXIT ? FX_EXIT : FX_GOTO;

        fx_save(fx, done, after);
        return;
    }
    fx_save(fx, leave, after);
}

#define DIFFER(what, i, va, vb)                                                                    \
    do {                                                                                           \
        if ((uint64_t)(va) != (uint64_t)(vb)) {                                                    \
            snprintf(text, sizeof(text), "%s %u: 0x%" PRIx64 " against 0x%" PRIx64, what, i,       \
                     (uint64_t)(va), (uint64_t)(vb));                                              \
            return text;                                                                           \
        }                                                                                          \
    } while (0)

const char *fx_difference(const FxState *a, const FxState *b)
{
    static char text[128];

    DIFFER("leave", 0, a->leave, b->leave);
    DIFFER("raised", 0, a->raised, b->raised);
    DIFFER("pc", 0, a->pc, b->pc);
    for (unsigned i = 0; i < FX_NX; i++) {
        DIFFER("x", i, a->x[i], b->x[i]);
    }
    for (unsigned i = 0; i < FX_NW; i++) {
        DIFFER("w", i, a->w[i], b->w[i]);
    }
    for (unsigned i = 0; i < FX_ND; i++) {
        DIFFER("d", i, a->d[i], b->d[i]);
    }
    for (unsigned i = 0; i < FX_NS; i++) {
        DIFFER("s", i, a->s[i], b->s[i]);
    }
    for (unsigned i = 0; i < FX_NSCRATCH; i++) {
        DIFFER("scratch", i, a->scratch[i], b->scratch[i]);
    }
    for (unsigned i = 0; i < 2 * FX_NV; i++) {
        DIFFER("half of v", i, a->v[i / 2].u64[i % 2], b->v[i / 2].u64[i % 2]);
    }
    DIFFER("fp_round", 0, a->fp_round, b->fp_round);
    DIFFER("fp_flags", 0, a->fp_flags, b->fp_flags);
    if (memcmp(a->ram, b->ram, FX_RAM_BYTES)) {
        for (unsigned i = 0; i < FX_RAM_BYTES; i++) {
            DIFFER("ram byte", i, a->ram[i], b->ram[i]);
        }
    }
    return NULL;
}
