/* SPDX-License-Identifier: MIT */
/*
 * The x86-64 back end as include/tcg/backend.h shows it: which ops and globals this host takes, and
 * the frame of one compilation.  Threading: a Backend is constant after backend_new(); compilations
 * may run in parallel.
 */
#include "rhea/osdep.h"

#include <cpuid.h>
#include "rhea/bits.h"
#include "codegen.h"

enum {
    CPUID1_ECX_PCLMULQDQ = 1 << 1,
    CPUID1_ECX_FMA = 1 << 12,
    CPUID1_ECX_AES = 1 << 25,
    CPUID1_ECX_F16C = 1 << 29,
    CPUID7_EBX_SHA = 1 << 29,
};

/* --- The target's globals and the host's abilities --- */

static void pin_globals(Backend *be)
{
    static const uint8_t types[NCLASSES] = {1 << IR_I64, 1 << IR_F64 | 1 << IR_V128};
    const IrTarget *t = be->target;

    be->home = g_malloc(t->nglobals + 1);
    memset(be->home, NO_REG, t->nglobals + 1);
    for (unsigned cls = 0; cls < NCLASSES; cls++) {
        unsigned limit = cls == CLASS_GPR ? NPINNED_GPR : NPINNED_XMM;

        for (unsigned k = 0; k < limit; k++) {
            int best = -1;

            for (unsigned g = 0; g < t->nglobals; g++) {
                if (types[cls] >> t->globals[g].type & 1 && t->globals[g].rank < 255 &&
                    be->home[g] == NO_REG &&
                    (best < 0 || t->globals[g].rank < t->globals[best].rank)) {
                    best = (int)g;
                }
            }
            if (best < 0) {
                break;
            }
            be->home[best] = (uint8_t)cg_pinned_reg(cls, k);
            be->pinned[cls][be->npinned[cls]++] = (uint16_t)best;
        }
    }
}

static void choose_ops(Backend *be)
{
    static const uint8_t done[] = {
        IR_MULHU,   IR_MULHS,   IR_DIVU,    IR_DIVS,    IR_REMU,  IR_REMS,   IR_NEG,    IR_NOT,
        IR_ANDN,    IR_ROTL,    IR_ROTR,    IR_CLZ,     IR_CTZ,   IR_POPCNT, IR_BSWAP,  IR_SEXT8,
        IR_SEXT16,  IR_ZEXT8,   IR_ZEXT16,  IR_ADC,     IR_CARRY, IR_SBB,    IR_BORROW, IR_FADD,
        IR_FSUB,    IR_FMUL,    IR_FDIV,    IR_FSQRT,   IR_FMIN,  IR_FMAX,   IR_FCMP,   IR_FCVT_F,
        IR_FCVT_SI, IR_FCVT_UI, IR_FCVT_SF, IR_FCVT_UF,
    };

    for (unsigned op = 0; op < IR_NOPS; op++) {
        be->ops[op] = ir_op_info[op].lack == IR_REQUIRED;
    }
    for (unsigned k = 0; k < ARRAY_SIZE(done); k++) {
        be->ops[done[k]] = true;
    }
    be->ops[IR_FMA] = be->has_fma;
    be->ops[IR_CLMUL] = be->ops[IR_CLMULH] = be->has_clmul;
    vec_choose_ops(be);
}

/* CPUID 80000001h, ECX bit 5; clang's __builtin_cpu_supports() does not know the name. */
static bool host_has_lzcnt(void)
{
    unsigned eax, ebx, ecx, edx;

    return __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && (ecx & 1 << 5);
}

/* All came with one generation: shlx, rorx, andn, tzcnt, lzcnt and VEX forms are used throughout. */
static bool host_is_new_enough(void)
{
    return __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && host_has_lzcnt() &&
           __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("avx2");
}

Backend *backend_new(const IrTarget *target, uint8_t *rw, const uint8_t *rx, size_t *used)
{
    enum { STUBS_SIZE = 16384 };
    Backend *be;
    unsigned eax, ebx, ecx, edx;
    Asm a;

    if (!host_is_new_enough()) {
        return NULL;
    }
    be = g_new0(Backend, 1);
    be->target = target;
    be->rx = rx;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx)) {
        be->has_clmul = ecx & CPUID1_ECX_PCLMULQDQ;
        be->has_aes = ecx & CPUID1_ECX_AES;
        be->has_f16c = ecx & CPUID1_ECX_F16C;
        be->has_fma = ecx & CPUID1_ECX_FMA; /* its state is the one AVX has, checked above */
    }
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
        be->has_sha = ebx & CPUID7_EBX_SHA;
    }
    pin_globals(be);
    choose_ops(be);
    asm_init(&a, rw, STUBS_SIZE);
    abi_emit(be, &a);
    g_assert(!a.overflow);
    *used = align_up(asm_pos(&a), 64);
    return be;
}

void backend_free(Backend *be)
{
    g_free(be->runtime);
    g_free(be->home);
    g_free(be);
}

const bool *backend_ops(const Backend *be)
{
    return be->ops;
}

void backend_identify(const Backend *be, GChecksum *sum)
{
    const uint8_t has[] = {be->has_clmul, be->has_aes, be->has_f16c, be->has_fma, be->has_sha};

    g_checksum_update(sum, has, sizeof(has));
    g_checksum_update(sum, (const uint8_t *)be->ops, sizeof(be->ops));
}

void *const *backend_runtime(Backend *be, void *const *rt_functions)
{
    unsigned nhelpers = ir_op_helper_count();

    if (!be->runtime) {
        be->runtime = g_new0(void *, THUNK_END + nhelpers);
        memcpy(be->runtime, rt_functions, RT_NFN * sizeof(void *));
        for (unsigned k = RT_NFN; k < C_ACCESS; k++) {
            be->runtime[k] = (void *)(uintptr_t)(be->rx + be->thunk_off[k]);
        }
        be->runtime[C_ACCESS] = (void *)access_quick;
        be->runtime[C_ACCESS_SLOW] = (void *)access_slow;
        for (unsigned k = 0; k < nhelpers; k++) {
            be->runtime[THUNK_END + k] =
                (void *)(uintptr_t)ir_helper(be->target, IR_OP_HELPER_BASE + k)->fn;
        }
    }
    return be->runtime;
}

const void *backend_run(Backend *be, TcgEnv *env, const void *entry)
{
    const void *(*enter)(TcgEnv *, const void *) =
        (const void *(*)(TcgEnv *, const void *))(uintptr_t)(be->rx + be->enter_off);

    env->pc_page = env->pc & TCG_PAGE_MASK;
    return enter(env, entry);
}

/* --- One compilation --- */

struct ArenaPiece {
    struct ArenaPiece *next;
    _Alignas(16) uint8_t bytes[];
};

void *cg_array(Cg *c, size_t n, size_t size)
{
    Arena *a = c->arena;
    size_t bytes = align_up(n * size, 16);
    struct ArenaPiece *piece;
    void *p;

    if (bytes <= sizeof(a->first) - a->used) {
        p = a->first + a->used;
        a->used += bytes;
        return p;
    }
    piece = g_malloc(sizeof(*piece) + bytes);
    piece->next = a->more;
    a->more = piece;
    return piece->bytes;
}

static void arena_free(Arena *a)
{
    struct ArenaPiece *next;

    for (struct ArenaPiece *p = a->more; p; p = next) {
        next = p->next;
        g_free(p);
    }
}

static void emit_stubs(Cg *c)
{
    for (unsigned k = 0; k < c->nstubs; k++) {
        const Stub *s = &c->stubs[k];

        patch_rel32(&c->a, s->from, asm_pos(&c->a));
        if (s->from2) {
            patch_rel32(&c->a, s->from2, asm_pos(&c->a));
        }
        if (s->from3) {
            patch_rel32(&c->a, s->from3, asm_pos(&c->a));
        }
        s->emit(c, s);
    }
}

static void compile(Cg *c, CodeBlock *cb)
{
    for (c->i = 0; c->i < c->ir->n; c->i++) {
        cg_select(c);
        cg_end_insn(c);
    }
    cb->hot_size = asm_pos(&c->a);
    cb->hot_ninsns = c->a.ninsns;
    emit_stubs(c);
    cg_flow_tail(c);
}

bool backend_compile(Backend *be, const Ir *ir, uint32_t block_page_off, size_t room, CodeBlock *cb)
{
    Arena arena;
    Cg c = {.be = be, .ir = ir, .block = cb, .page_rel = (int32_t)block_page_off, .arena = &arena};

    arena.used = 0;
    arena.more = NULL;
    asm_init(&c.a, cb->rw, room);
    c.stubs = cg_array(&c, 2 * ir->n + 1, sizeof(Stub)); /* of an op, two at most */
    c.points = cg_array(&c, ir->n + 1, sizeof(CodePoint));
    cg_flow_init(&c);
    cg_alloc_init(&c);
    cg_find_groups(&c);
    compile(&c, cb);
    cb->size = asm_pos(&c.a);
    cb->npoints = c.npoints;
    cb->nexits = c.nexits;
    cb->points = NULL;
    cb->exits = NULL;
    if (!c.a.overflow) {
        cb->points = g_memdup2(c.points, c.npoints * sizeof(CodePoint));
        cb->exits = g_memdup2(c.exits, c.nexits * sizeof(CodeExit));
    }
    arena_free(&arena);
    return !c.a.overflow;
}

void backend_print(const Backend *be, const CodeBlock *cb, FILE *out)
{
    for (uint32_t at = 0; at < cb->size; at += 16) {
        fprintf(out, "%6" PRIx32 " ", at);
        for (uint32_t k = at; k < cb->size && k < at + 16; k++) {
            fprintf(out, " %02x", cb->rw[k]);
        }
        fputc('\n', out);
    }
}
