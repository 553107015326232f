/* SPDX-License-Identifier: MIT */
/*
 * Out-of-line parts of vector instructions: exceptions and MXCSR, masked moves, gathers, the string
 * comparisons of SSE4.2.  Contracts: helpers-fp.def.
 *
 * Not modelled: that DPPS and DPPD stop between their steps when one raises what is not masked.
 */
#include "rhea/osdep.h"

#include "../fpu.h"
#include "../seg.h"
#include "helper.h"

/* --- MXCSR and #XM --- */

uint64_t x86_helper_fp_begin(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    env->fp_before = env->tcg.fp_flags;
    env->tcg.fp_flags = (env->mxcsr & X86_MXCSR_UM ? 0 : IR_FP_UNDERFLOW_TRAPS) |
                        (env->mxcsr & X86_MXCSR_OM ? 0 : IR_FP_OVERFLOW_TRAPS);
    return 0;
}

uint64_t x86_helper_fp_end(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    enum { CR4_OSXMMEXCPT = 1 << 10, BEFORE_RESULT = 7 /* IE, DE, ZE */ };
    X86Env *env = opaque;
    uint32_t raised = x86_fp_flags_to_x86(env->tcg.fp_flags);
    uint32_t unmasked = raised & ~(env->mxcsr >> 7);

    if (unmasked & BEFORE_RESULT) {
        env->tcg.fp_flags &=
            x86_fp_flags_from_x86(BEFORE_RESULT); /* there was no result to round */
    }
    env->tcg.fp_flags = (env->tcg.fp_flags & IR_FP_FLAGS) | env->fp_before;
    if (unmasked) {
        x86_raise(env, env->cr4 & CR4_OSXMMEXCPT ? X86_EXC_XM : X86_EXC_UD, 0);
    }
    return 0;
}

uint64_t x86_helper_ldmxcsr(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    if (a & ~(uint64_t)X86_MXCSR_VALID) {
        x86_raise(env, X86_EXC_GP, 0);
    }
    x86_set_mxcsr(env, (uint32_t)a);
    cpu_context_changed(env->tcg.cpu);
    return 0;
}

uint64_t x86_helper_stmxcsr(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return x86_get_mxcsr(opaque);
}

/* --- Masked moves --- */

static bool lane_chosen(const uint8_t *mask, unsigned i, unsigned bytes)
{
    return mask[i * bytes + bytes - 1] & 0x80;
}

/* The linear address of a lane; outside 64-bit mode the segment's limit and rights count for each. */
static GuestVA lane_address(X86Env *env, unsigned seg, uint64_t offset, unsigned bytes,
                            MemAccess access)
{
    if (x86_code64(env)) {
        return seg < X86_FS ? offset : offset + env->seg[seg].base;
    }
    x86_seg_check(env, seg, (uint32_t)offset, bytes, access);
    return (uint32_t)(offset + env->seg[seg].base);
}

static IrMem mem_of_bytes(unsigned bytes)
{
    return (IrMem)__builtin_ctz(bytes);
}

uint64_t x86_helper_probe_write(void *opaque, uint64_t addr, uint64_t info, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    cpu_probe(env->tcg.cpu, addr, info & 0xff, ACCESS_WRITE, info >> 8);
    return 0;
}

uint64_t x86_helper_mask_load(void *opaque, uint64_t offset, uint64_t info, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    unsigned bytes = info & 0xff, all = info >> 8 & 0xff, mmu = info >> 16 & 0xff;
    uint8_t *data = env->scratch[0].b;
    const uint8_t *mask = env->scratch[2].b;

    for (unsigned i = 0; i < all / bytes; i++) {
        uint64_t v = 0;

        if (lane_chosen(mask, i, bytes)) {
            GuestVA at = lane_address(env, info >> 24, offset + i * bytes, bytes, ACCESS_READ);

            v = cpu_load(env->tcg.cpu, at, mem_of_bytes(bytes), mmu);
        }
        memcpy(data + i * bytes, &v, bytes);
    }
    return 0;
}

uint64_t x86_helper_mask_store(void *opaque, uint64_t offset, uint64_t info, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    unsigned bytes = info & 0xff, all = info >> 8 & 0xff, mmu = info >> 16 & 0xff;
    const uint8_t *data = env->scratch[0].b, *mask = env->scratch[2].b;
    GuestVA at[32];

    for (unsigned i = 0; i < all / bytes; i++) {
        if (lane_chosen(mask, i, bytes)) {
            at[i] = lane_address(env, info >> 24, offset + i * bytes, bytes, ACCESS_WRITE);
            cpu_probe(env->tcg.cpu, at[i], bytes, ACCESS_WRITE, mmu);
        }
    }
    for (unsigned i = 0; i < all / bytes; i++) {
        uint64_t v = 0;

        if (lane_chosen(mask, i, bytes)) {
            memcpy(&v, data + i * bytes, bytes);
            cpu_store(env->tcg.cpu, at[i], v, mem_of_bytes(bytes), mmu);
        }
    }
    return 0;
}

/* --- Gathers --- */

typedef struct Gather {
    X86Env *env;
    unsigned reg, mask, index;
    unsigned lane, index_bytes; /* bytes */
    unsigned n;                 /* lanes */
    unsigned scale, mmu, adsize, seg;
    uint64_t base;
} Gather;

/* Byte @at of register @reg, whose halves lie apart. */
static uint8_t *ymm_byte(X86Env *env, unsigned reg, unsigned at)
{
    return at < 16 ? &env->xmm[reg].b[at] : &env->ymmh[reg].b[at - 16];
}

static uint64_t gather_address(const Gather *g, unsigned i)
{
    const uint8_t *p = ymm_byte(g->env, g->index, i * g->index_bytes);
    int64_t index = 0;

    if (g->index_bytes == 4) {
        int32_t narrow;

        memcpy(&narrow, p, 4);
        index = narrow;
    } else {
        memcpy(&index, p, 8);
    }
    index = (int64_t)(g->base + ((uint64_t)index << g->scale));
    if (g->adsize == 4) {
        index = (uint32_t)index;
    }
    return lane_address(g->env, g->seg, (uint64_t)index, g->lane, ACCESS_READ);
}

uint64_t x86_helper_gather(void *opaque, uint64_t base, uint64_t regs, uint64_t info, uint64_t d)
{
    X86Env *env = opaque;
    Gather g = {.env = env,
                .reg = regs & 15,
                .mask = regs >> 4 & 15,
                .index = regs >> 8 & 15,
                .lane = info & 15,
                .index_bytes = (info >> 4 & 0xff) / 8,
                .scale = info >> 13 & 3,
                .mmu = info >> 16 & 15,
                .adsize = info >> 20 & 15,
                .seg = info >> 24,
                .base = base};
    unsigned width = info & 1 << 12 ? 32 : 16;

    g.n = width / MAX(g.lane, g.index_bytes);
    for (unsigned i = 0; i < g.n; i++) {
        uint8_t *mask = ymm_byte(env, g.mask, i * g.lane);

        if (mask[g.lane - 1] & 0x80) {
            uint64_t v = cpu_load(env->tcg.cpu, gather_address(&g, i), mem_of_bytes(g.lane), g.mmu);

            memcpy(ymm_byte(env, g.reg, i * g.lane), &v, g.lane);
        }
        memset(mask, 0, g.lane);
    }
    /* Lanes beyond those gathered are cleared, in the mask too. */
    for (unsigned at = g.n * g.lane; at < 32; at++) {
        *ymm_byte(env, g.reg, at) = 0;
        *ymm_byte(env, g.mask, at) = 0;
    }
    return 0;
}

/* --- String comparison (SDM vol. 2, 4.1) --- */

enum {
    STR_WORDS = 1 << 0,
    STR_SIGNED = 1 << 1,
    STR_NEGATE = 1 << 4,
    STR_VALID_ONLY = 1 << 5, /* with NEGATE */
    STR_LAST = 1 << 6,       /* index of the last; or a mask of whole elements */
    STR_IMPLICIT = 1 << 8,
    STR_LEN64 = 1 << 9,
};

enum { STR_EQUAL_ANY, STR_RANGES, STR_EQUAL_EACH, STR_EQUAL_ORDERED };

typedef struct StringOp {
    unsigned ctl, n; /* elements of a vector */
    const X86Xmm *a, *b;
    unsigned len_a, len_b;
} StringOp;

static int element(const StringOp *s, const X86Xmm *x, unsigned i)
{
    if (s->ctl & STR_WORDS) {
        return s->ctl & STR_SIGNED ? (int16_t)x->w[i] : x->w[i];
    }
    return s->ctl & STR_SIGNED ? (int8_t)x->b[i] : x->b[i];
}

static unsigned implicit_length(const StringOp *s, const X86Xmm *x)
{
    unsigned n = 0;

    while (n < s->n && element(s, x, n)) {
        n++;
    }
    return n;
}

static unsigned explicit_length(const StringOp *s, uint64_t v)
{
    int64_t len = s->ctl & STR_LEN64 ? (int64_t)v : (int32_t)v;
    uint64_t magnitude = len < 0 ? -(uint64_t)len : (uint64_t)len;

    return (unsigned)MIN(magnitude, s->n);
}

/* Does element @i of b lie in the set, or a range, that a gives? */
static bool in_set(const StringOp *s, unsigned i, bool ranges)
{
    int v = element(s, s->b, i);

    if (i >= s->len_b) {
        return false;
    }
    if (!ranges) {
        for (unsigned k = 0; k < s->len_a; k++) {
            if (element(s, s->a, k) == v) {
                return true;
            }
        }
        return false;
    }
    for (unsigned k = 0; k + 1 < s->len_a; k += 2) {
        if (v >= element(s, s->a, k) && v <= element(s, s->a, k + 1)) {
            return true;
        }
    }
    return false;
}

static bool equal_each(const StringOp *s, unsigned i)
{
    bool in_a = i < s->len_a, in_b = i < s->len_b;

    return in_a && in_b ? element(s, s->a, i) == element(s, s->b, i) : in_a == in_b;
}

/* Does the string a begin at element @i of b, as far as b goes in the vector? */
static bool begins_at(const StringOp *s, unsigned i)
{
    for (unsigned k = 0; k < s->len_a && i + k < s->n; k++) {
        if (i + k >= s->len_b || element(s, s->a, k) != element(s, s->b, i + k)) {
            return false;
        }
    }
    return true;
}

static unsigned string_bits(const StringOp *s)
{
    unsigned bits = 0;

    for (unsigned i = 0; i < s->n; i++) {
        bool hit = false;

        switch (s->ctl >> 2 & 3) {
        case STR_EQUAL_ANY: hit = in_set(s, i, false); break;
        case STR_RANGES: hit = in_set(s, i, true); break;
        case STR_EQUAL_EACH: hit = equal_each(s, i); break;
        case STR_EQUAL_ORDERED: hit = begins_at(s, i); break;
        }
        if (s->ctl & STR_NEGATE && (!(s->ctl & STR_VALID_ONLY) || i < s->len_b)) {
            hit = !hit;
        }
        bits |= hit ? 1u << i : 0;
    }
    return bits;
}

static void store_mask(const StringOp *s, unsigned bits, X86Xmm *out)
{
    *out = (X86Xmm){0};
    if (!(s->ctl & STR_LAST)) {
        out->w[0] = (uint16_t)bits;
        return;
    }
    for (unsigned i = 0; i < s->n; i++) {
        if (s->ctl & STR_WORDS) {
            out->w[i] = bits >> i & 1 ? 0xffff : 0;
        } else {
            out->b[i] = bits >> i & 1 ? 0xff : 0;
        }
    }
}

uint64_t x86_helper_pcmpstr(void *opaque, uint64_t len_a, uint64_t len_b, uint64_t ctl, uint64_t d)
{
    X86Env *env = opaque;
    StringOp s = {.ctl = (unsigned)ctl,
                  .n = ctl & STR_WORDS ? 8 : 16,
                  .a = &env->scratch[0],
                  .b = &env->scratch[1]};
    unsigned bits, index;
    uint64_t flags;

    s.len_a = ctl & STR_IMPLICIT ? implicit_length(&s, s.a) : explicit_length(&s, len_a);
    s.len_b = ctl & STR_IMPLICIT ? implicit_length(&s, s.b) : explicit_length(&s, len_b);
    bits = string_bits(&s);
    store_mask(&s, bits, &env->scratch[2]);
    index = !bits            ? s.n
            : ctl & STR_LAST ? 31 - (unsigned)__builtin_clz(bits)
                             : (unsigned)__builtin_ctz(bits);
    flags = (bits ? X86_CF : 0) | (s.len_b < s.n ? X86_ZF : 0) | (s.len_a < s.n ? X86_SF : 0) |
            (bits & 1 ? X86_OF : 0);
    return flags | (uint64_t)index << 32;
}
