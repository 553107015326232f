/* SPDX-License-Identifier: MIT */
/*
 * Floating-point state in memory: environments (SDM vol. 1, 8.1.10), FXSAVE (10.5.1), the XSAVE area
 * (13.4).  Everything is probed before the first byte is written, and checked before it is loaded.
 */
#include "rhea/osdep.h"

#include "../fpu.h"
#include "../x87.h"
#include "helper.h"
#include "rhea/endian.h"

enum {
    FX_MXCSR = 24,
    FX_ST = 32,
    FX_XMM = 160,
    FX_BYTES = 512,
    XS_HEADER = 512,
    XS_HEADER_BYTES = 64,
};

#define XCOMP_COMPACT (1ULL << 63)

/* --- An area of guest memory --- */

typedef struct Area {
    X86Env *env;
    uint64_t addr;
    unsigned mmu;
} Area;

static Area area_begin(X86Env *env, uint64_t addr, uint64_t info)
{
    return (Area){env, addr, info >> 8 & 0xff};
}

static void area_probe(const Area *m, unsigned bytes, MemAccess access)
{
    cpu_probe(m->env->tcg.cpu, m->addr, bytes, access, m->mmu);
}

/* @bytes is even. */
static void area_put(const Area *m, unsigned at, const void *data, unsigned bytes)
{
    const uint8_t *p = data;

    for (unsigned i = 0; i < bytes;) {
        unsigned step = bytes - i >= 8 ? 8 : 2;

        cpu_store(m->env->tcg.cpu, m->addr + at + i, step == 8 ? ld64_le(p + i) : ld16_le(p + i),
                  step == 8 ? IR_MEM_64 : IR_MEM_16, m->mmu);
        i += step;
    }
}

static void area_get(const Area *m, unsigned at, void *data, unsigned bytes)
{
    uint8_t *p = data;

    for (unsigned i = 0; i < bytes;) {
        unsigned step = bytes - i >= 8 ? 8 : 2;
        uint64_t v =
            cpu_load(m->env->tcg.cpu, m->addr + at + i, step == 8 ? IR_MEM_64 : IR_MEM_16, m->mmu);

        memcpy(p + i, &v, step);
        i += step;
    }
}

static void put64(const Area *m, unsigned at, uint64_t v)
{
    uint8_t bytes[8];

    st64_le(bytes, v);
    area_put(m, at, bytes, 8);
}

static uint64_t get64(const Area *m, unsigned at)
{
    uint8_t bytes[8];

    area_get(m, at, bytes, 8);
    return ld64_le(bytes);
}

/* --- x87 registers --- */

static unsigned top_of(const X86Env *env)
{
    return env->fpu_sw >> X87_TOP_SHIFT & 7;
}

static X86Fp80 *st(X86Env *env, unsigned i)
{
    return &env->st[(top_of(env) + i) & 7];
}

static void put_st(uint8_t *p, const X86Fp80 *v)
{
    st64_le(p, v->sig);
    st16_le(p + 8, v->se);
}

static X86Fp80 get_st(const uint8_t *p)
{
    return (X86Fp80){.sig = ld64_le(p), .se = ld16_le(p + 8)};
}

/* Two bits for each register: valid, zero, special, empty. */
static uint16_t full_tags(const X86Env *env)
{
    unsigned tags = 0;

    for (unsigned i = 0; i < 8; i++) {
        const X86Fp80 *v = &env->st[i];
        unsigned exp = v->se & 0x7fff, tag;

        if (!(env->fpu_tags >> i & 1)) {
            tag = 3;
        } else if (exp == 0 && v->sig == 0) {
            tag = 1;
        } else {
            tag = exp == 0 || exp == 0x7fff || !(v->sig >> 63) ? 2 : 0;
        }
        tags |= tag << 2 * i;
    }
    return (uint16_t)tags;
}

static void set_full_tags(X86Env *env, unsigned tags)
{
    env->fpu_tags = 0;
    for (unsigned i = 0; i < 8; i++) {
        env->fpu_tags |= (uint8_t)((tags >> 2 * i & 3) != 3) << i;
    }
}

/* --- Environments --- */

static unsigned env_bytes(unsigned how)
{
    return how & X86_AREA_32 ? 28 : 14;
}

static void pack_env32(const X86Env *env, unsigned how, uint8_t *p)
{
    memset(p, 0xff, 28); /* reserved halves */
    st16_le(p, env->fpu_cw);
    st16_le(p + 4, env->fpu_sw);
    st16_le(p + 8, full_tags(env));
    if (how & X86_AREA_REAL) {
        st16_le(p + 12, (uint16_t)env->fpu_ip);
        st32_le(p + 16, (uint32_t)(env->fpu_ip >> 16 & 0xffff) << 12 | (env->fpu_op & 0x7ff));
        st16_le(p + 20, (uint16_t)env->fpu_dp);
        st32_le(p + 24, (uint32_t)(env->fpu_dp >> 16 & 0xffff) << 12);
    } else {
        st32_le(p + 12, (uint32_t)env->fpu_ip);
        st32_le(p + 16, env->fpu_cs | (uint32_t)(env->fpu_op & 0x7ff) << 16);
        st32_le(p + 20, (uint32_t)env->fpu_dp);
        st16_le(p + 24, env->fpu_ds);
    }
}

static void pack_env16(const X86Env *env, unsigned how, uint8_t *p)
{
    st16_le(p, env->fpu_cw);
    st16_le(p + 2, env->fpu_sw);
    st16_le(p + 4, full_tags(env));
    st16_le(p + 6, (uint16_t)env->fpu_ip);
    st16_le(p + 10, (uint16_t)env->fpu_dp);
    if (how & X86_AREA_REAL) {
        st16_le(p + 8, (uint16_t)((env->fpu_ip >> 16 & 15) << 12 | (env->fpu_op & 0x7ff)));
        st16_le(p + 12, (uint16_t)((env->fpu_dp >> 16 & 15) << 12));
    } else {
        st16_le(p + 8, env->fpu_cs);
        st16_le(p + 12, env->fpu_ds);
    }
}

static void unpack_env32(X86Env *env, unsigned how, const uint8_t *p)
{
    set_full_tags(env, ld16_le(p + 8));
    env->fpu_sw = ld16_le(p + 4);
    env->fpu_ip = ld32_le(p + 12);
    env->fpu_dp = ld32_le(p + 20);
    if (how & X86_AREA_REAL) {
        env->fpu_ip = (env->fpu_ip & 0xffff) | (uint64_t)(ld32_le(p + 16) >> 12 & 0xffff) << 16;
        env->fpu_dp = (env->fpu_dp & 0xffff) | (uint64_t)(ld32_le(p + 24) >> 12 & 0xffff) << 16;
        env->fpu_op = ld16_le(p + 16) & 0x7ff;
    } else {
        env->fpu_cs = ld16_le(p + 16);
        env->fpu_op = ld16_le(p + 18) & 0x7ff;
        env->fpu_ds = ld16_le(p + 24);
    }
}

static void unpack_env16(X86Env *env, unsigned how, const uint8_t *p)
{
    set_full_tags(env, ld16_le(p + 4));
    env->fpu_sw = ld16_le(p + 2);
    env->fpu_ip = ld16_le(p + 6);
    env->fpu_dp = ld16_le(p + 10);
    if (how & X86_AREA_REAL) {
        env->fpu_op = ld16_le(p + 8) & 0x7ff;
        env->fpu_ip |= (uint64_t)(ld16_le(p + 8) >> 12) << 16;
        env->fpu_dp |= (uint64_t)(ld16_le(p + 12) >> 12) << 16;
    } else {
        env->fpu_cs = ld16_le(p + 8);
        env->fpu_ds = ld16_le(p + 12);
    }
}

uint64_t x86_helper_x87_stenv(void *opaque, uint64_t addr, uint64_t info, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    Area m = area_begin(env, addr, info);
    unsigned how = info & 0xff, bytes = env_bytes(how);
    uint8_t buf[28 + 80];

    if (how & X86_AREA_32) {
        pack_env32(env, how, buf);
    } else {
        pack_env16(env, how, buf);
    }
    if (how & X86_AREA_REGS) {
        for (unsigned i = 0; i < 8; i++) {
            put_st(buf + bytes + 10 * i, st(env, i));
        }
        bytes += 80;
    }
    area_probe(&m, bytes, ACCESS_WRITE);
    area_put(&m, 0, buf, bytes);
    if (how & X86_AREA_REGS) {
        x86_helper_x87_init(env, 0, 0, 0, 0);
    } else {
        x86_x87_set_control(env, env->fpu_cw | X87_EXCEPTIONS);
    }
    return 0;
}

uint64_t x86_helper_x87_ldenv(void *opaque, uint64_t addr, uint64_t info, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    Area m = area_begin(env, addr, info);
    unsigned how = info & 0xff, bytes = env_bytes(how);
    uint8_t buf[28 + 80];

    area_get(&m, 0, buf, bytes + (how & X86_AREA_REGS ? 80 : 0));
    if (how & X86_AREA_32) {
        unpack_env32(env, how, buf);
    } else {
        unpack_env16(env, how, buf);
    }
    for (unsigned i = 0; i < 8 && how & X86_AREA_REGS; i++) {
        *st(env, i) = get_st(buf + bytes + 10 * i);
    }
    x86_x87_set_control(env, ld16_le(buf));
    return 0;
}

/* --- FXSAVE --- */

/* Bytes 0..23 and 32..159. */
static void put_x87(const Area *m, unsigned how)
{
    X86Env *env = m->env;
    uint8_t head[24], reg[16] = {0};

    st16_le(head, env->fpu_cw);
    st16_le(head + 2, env->fpu_sw);
    st16_le(head + 4, env->fpu_tags);
    st16_le(head + 6, env->fpu_op);
    st64_le(head + 8, env->fpu_ip);
    st64_le(head + 16, env->fpu_dp);
    if (!(how & X86_AREA_64)) {
        st32_le(head + 12, env->fpu_cs);
        st32_le(head + 20, env->fpu_ds);
    }
    area_put(m, 0, head, sizeof(head));
    for (unsigned i = 0; i < 8; i++) {
        put_st(reg, st(env, i));
        area_put(m, FX_ST + 16 * i, reg, 16);
    }
}

static void get_x87(const Area *m, unsigned how)
{
    X86Env *env = m->env;
    uint8_t head[24], regs[8][16];

    area_get(m, 0, head, sizeof(head));
    area_get(m, FX_ST, regs, sizeof(regs));
    env->fpu_sw = ld16_le(head + 2);
    env->fpu_tags = head[4];
    env->fpu_op = ld16_le(head + 6) & 0x7ff;
    env->fpu_ip = how & X86_AREA_64 ? ld64_le(head + 8) : ld32_le(head + 8);
    env->fpu_dp = how & X86_AREA_64 ? ld64_le(head + 16) : ld32_le(head + 16);
    if (!(how & X86_AREA_64)) {
        env->fpu_cs = ld16_le(head + 12);
        env->fpu_ds = ld16_le(head + 20);
    }
    for (unsigned i = 0; i < 8; i++) {
        *st(env, i) = get_st(regs[i]);
    }
    x86_x87_set_control(env, ld16_le(head));
}

static void put_mxcsr(const Area *m)
{
    put64(m, FX_MXCSR, x86_get_mxcsr(m->env) | (uint64_t)X86_MXCSR_VALID << 32);
}

/* Before anything is loaded: #GP for reserved bits. */
static uint32_t checked_mxcsr(const Area *m)
{
    uint32_t v = (uint32_t)get64(m, FX_MXCSR);

    if (v & ~(uint32_t)X86_MXCSR_VALID) {
        x86_raise(m->env, X86_EXC_GP, 0);
    }
    return v;
}

static unsigned nxmm(unsigned how)
{
    return how & X86_AREA_MODE64 ? 16 : 8;
}

static void put_xmm(const Area *m, unsigned how)
{
    area_put(m, FX_XMM, m->env->xmm, 16 * nxmm(how));
}

static void get_xmm(const Area *m, unsigned how)
{
    area_get(m, FX_XMM, m->env->xmm, 16 * nxmm(how));
}

static void check_aligned(X86Env *env, uint64_t addr, unsigned bytes)
{
    if (addr & (bytes - 1)) {
        x86_raise(env, X86_EXC_GP, 0);
    }
}

uint64_t x86_helper_fxsave(void *opaque, uint64_t addr, uint64_t info, uint64_t c, uint64_t d)
{
    Area m = area_begin(opaque, addr, info);

    check_aligned(opaque, addr, 16);
    area_probe(&m, FX_BYTES, ACCESS_WRITE);
    put_x87(&m, info & 0xff);
    put_mxcsr(&m);
    put_xmm(&m, info & 0xff);
    return 0;
}

uint64_t x86_helper_fxrstor(void *opaque, uint64_t addr, uint64_t info, uint64_t c, uint64_t d)
{
    Area m = area_begin(opaque, addr, info);
    uint32_t mxcsr;

    check_aligned(opaque, addr, 16);
    area_probe(&m, FX_BYTES, ACCESS_READ);
    mxcsr = checked_mxcsr(&m);
    get_xmm(&m, info & 0xff);
    get_x87(&m, info & 0xff);
    x86_set_mxcsr(opaque, mxcsr);
    return 0;
}

/* --- XSAVE --- */

/* Where the extended components are in an area that holds @comps. */
static unsigned pkru_offset(uint64_t comps, bool compact)
{
    return !compact ? X86_XSAVE_PKRU : comps & XCOMP_AVX ? X86_XSAVE_AVX + 256 : X86_XSAVE_AVX;
}

static unsigned area_bytes(uint64_t comps, bool compact)
{
    if (comps & XCOMP_PKRU) {
        return pkru_offset(comps, compact) + 8;
    }
    return comps & XCOMP_AVX ? X86_XSAVE_AVX + 256 : X86_XSAVE_AVX;
}

uint64_t x86_helper_xsave(void *opaque, uint64_t addr, uint64_t comps, uint64_t info, uint64_t d)
{
    X86Env *env = opaque;
    Area m = area_begin(env, addr, info);
    unsigned how = info & 0xff;
    bool compact = how & X86_AREA_COMPACT;
    uint64_t used, saved, old;

    check_aligned(env, addr, 64);
    comps &= env->xcr0;
    area_probe(&m, area_bytes(comps, compact), ACCESS_WRITE);
    used = x86_fp_in_use(env) & comps;
    if (compact && x86_get_mxcsr(env) != X86_MXCSR_DEFAULT) {
        used |= comps & XCOMP_SSE; /* MXCSR belongs to it here */
    }
    saved = how & X86_AREA_OPT ? used : comps;
    old = compact ? 0 : get64(&m, XS_HEADER) & ~comps;
    if (saved & XCOMP_X87) {
        put_x87(&m, how);
    }
    if (comps & (compact ? XCOMP_SSE : XCOMP_SSE | XCOMP_AVX)) {
        put_mxcsr(&m);
    }
    if (saved & XCOMP_SSE) {
        put_xmm(&m, how);
    }
    if (saved & XCOMP_AVX) {
        area_put(&m, X86_XSAVE_AVX, env->ymmh, 16 * nxmm(how));
    }
    if (saved & XCOMP_PKRU) {
        put64(&m, pkru_offset(comps, compact), env->pkru);
    }
    put64(&m, XS_HEADER, old | used);
    if (compact) {
        put64(&m, XS_HEADER + 8, comps | XCOMP_COMPACT);
    }
    return 0;
}

/* The header of an area to be loaded: what it holds, and which format it has. */
static uint64_t checked_header(const Area *m, uint64_t *layout)
{
    uint64_t valid = m->env->xcr0, present = get64(m, XS_HEADER);
    uint64_t extra = get64(m, XS_HEADER + 16);
    bool bad = present & ~valid || extra;

    *layout = get64(m, XS_HEADER + 8);
    if (*layout & XCOMP_COMPACT) {
        bad |= *layout & ~(valid | XCOMP_COMPACT) || present & ~*layout;
    } else {
        bad |= *layout;
    }
    if (bad) {
        x86_raise(m->env, X86_EXC_GP, 0);
    }
    return present;
}

static void init_x87(X86Env *env)
{
    memset(env->st, 0, sizeof(env->st));
    x86_helper_x87_init(env, 0, 0, 0, 0);
}

static void restore_components(const Area *m, uint64_t comps, uint64_t load, uint64_t layout,
                               unsigned how)
{
    X86Env *env = m->env;
    bool compact = layout & XCOMP_COMPACT;

    if (load & XCOMP_X87) {
        get_x87(m, how);
    } else if (comps & XCOMP_X87) {
        init_x87(env);
    }
    if (load & XCOMP_SSE) {
        get_xmm(m, how);
    } else if (comps & XCOMP_SSE) {
        memset(env->xmm, 0, 16 * nxmm(how));
    }
    if (load & XCOMP_AVX) {
        area_get(m, X86_XSAVE_AVX, env->ymmh, 16 * nxmm(how));
    } else if (comps & XCOMP_AVX) {
        memset(env->ymmh, 0, 16 * nxmm(how));
    }
    if (comps & XCOMP_PKRU) {
        uint64_t at = pkru_offset(layout, compact);

        x86_helper_wrpkru(env, 0, 0, load & XCOMP_PKRU ? (uint32_t)get64(m, (unsigned)at) : 0, 0);
    }
}

uint64_t x86_helper_xrstor(void *opaque, uint64_t addr, uint64_t comps, uint64_t info, uint64_t d)
{
    X86Env *env = opaque;
    Area m = area_begin(env, addr, info);
    uint64_t layout, present;
    uint32_t mxcsr = X86_MXCSR_DEFAULT;
    bool sets_mxcsr;

    check_aligned(env, addr, 64);
    comps &= env->xcr0;
    area_probe(&m, XS_HEADER + XS_HEADER_BYTES, ACCESS_READ);
    present = checked_header(&m, &layout);
    area_probe(&m, area_bytes(layout & XCOMP_COMPACT ? layout : comps, layout & XCOMP_COMPACT),
               ACCESS_READ);
    if (layout & XCOMP_COMPACT) {
        sets_mxcsr = comps & XCOMP_SSE;
        mxcsr = present & comps & XCOMP_SSE ? checked_mxcsr(&m) : mxcsr;
    } else {
        sets_mxcsr = comps & (XCOMP_SSE | XCOMP_AVX);
        mxcsr = sets_mxcsr ? checked_mxcsr(&m) : mxcsr;
    }
    restore_components(&m, comps, comps & present, layout, info & 0xff);
    if (sets_mxcsr) {
        x86_set_mxcsr(env, mxcsr);
    }
    cpu_context_changed(env->tcg.cpu);
    return 0;
}
