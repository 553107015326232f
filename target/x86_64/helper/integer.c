/* SPDX-License-Identifier: MIT */
/* Integer instructions that are too big for IR.  SDM vol. 2. */
#include "rhea/osdep.h"

#include <sys/random.h>

#include "../translate/flags.h"
#include "helper.h"

uint64_t x86_helper_cc_flags(void *env, uint64_t op, uint64_t dst, uint64_t src, uint64_t src2)
{
    return x86_cc_flags(op, dst, src, src2);
}

/* --- Division --- */

typedef unsigned __int128 u128;
typedef __int128 s128;

/* The dividend in rDX:rAX or AX, zero-extended. */
static u128 dividend(const X86Env *env, unsigned size)
{
    uint64_t mask = MASK_ULL(8 * size);

    if (size == 1) {
        return env->regs[X86_RAX] & 0xffff;
    }
    return (u128)(env->regs[X86_RDX] & mask) << 8 * size | (env->regs[X86_RAX] & mask);
}

static void put(uint64_t *reg, unsigned size, uint64_t v)
{
    uint64_t mask = MASK_ULL(8 * size);

    *reg = size >= 4 ? v & mask : (*reg & ~mask) | (v & mask);
}

static void put_quotient(X86Env *env, unsigned size, uint64_t q, uint64_t r)
{
    if (size == 1) {
        put(&env->regs[X86_RAX], 2, (q & 0xff) | (r & 0xff) << 8);
    } else {
        put(&env->regs[X86_RAX], size, q);
        put(&env->regs[X86_RDX], size, r);
    }
}

uint64_t x86_helper_div(void *opaque, uint64_t divisor, uint64_t size, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    u128 n = dividend(env, size), q;

    if (!divisor) {
        x86_raise(env, X86_EXC_DE, 0);
    }
    if (!(n >> 64)) { /* the common case: no library call */
        uint64_t low = n;

        if (low / divisor > MASK_ULL(8 * size)) {
            x86_raise(env, X86_EXC_DE, 0);
        }
        put_quotient(env, size, low / divisor, low % divisor);
        return 0;
    }
    q = n / divisor;
    if (q > MASK_ULL(8 * size)) {
        x86_raise(env, X86_EXC_DE, 0);
    }
    put_quotient(env, size, q, n % divisor);
    return 0;
}

uint64_t x86_helper_idiv(void *opaque, uint64_t divisor, uint64_t size, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    unsigned bits = 8 * size;
    s128 n = (s128)(dividend(env, size) << (128 - 2 * bits)) >> (128 - 2 * bits), q;
    int64_t by = (int64_t)(divisor << (64 - bits)) >> (64 - bits);
    int64_t max = MASK_ULL(bits - 1);

    if (!by || (by == -1 && n < -(s128)max)) { /* the second would overflow below, too */
        x86_raise(env, X86_EXC_DE, 0);
    }
    if (n == (int64_t)n) {
        q = (int64_t)n / by;
    } else {
        q = n / by;
    }
    if (q > max || q < -(s128)max - 1) {
        x86_raise(env, X86_EXC_DE, 0);
    }
    put_quotient(env, size, q, n - q * by);
    return 0;
}

/* --- Decimal adjustment --- */

static uint64_t decimal_result(uint16_t ax, uint32_t flags)
{
    uint8_t al = ax;

    flags &= X86_CF | X86_AF;
    flags |= (al ? 0 : X86_ZF) | (al & 0x80 ? X86_SF : 0) | (__builtin_parity(al) ? 0 : X86_PF);
    return ax | (uint64_t)flags << 32;
}

uint64_t x86_helper_daa(void *env, uint64_t rax, uint64_t eflags, uint64_t subtract, uint64_t d)
{
    uint8_t old = rax, al = old;
    int sign = subtract ? -1 : 1;
    uint32_t flags = 0;

    if ((old & 15) > 9 || eflags & X86_AF) {
        /* DAS also takes the borrow of this step into CF. */
        flags |= X86_AF | (subtract && (old < 6 || eflags & X86_CF) ? X86_CF : 0);
        al += sign * 6;
    }
    if (old > 0x99 || eflags & X86_CF) {
        al += sign * 0x60;
        flags |= X86_CF;
    }
    return decimal_result((rax & 0xff00) | al, flags);
}

uint64_t x86_helper_aaa(void *env, uint64_t rax, uint64_t eflags, uint64_t subtract, uint64_t d)
{
    uint16_t ax = rax;
    uint32_t flags = 0;

    if ((ax & 15) > 9 || eflags & X86_AF) {
        ax += subtract ? -0x106 : 0x106;
        flags = X86_AF | X86_CF;
    }
    return decimal_result(ax & 0xff0f, flags);
}

/* --- Rotates through carry --- */

typedef struct Rotated {
    uint64_t value;
    unsigned carry;
} Rotated;

/* @how: see helpers-int.def.  One bit at a time: nobody does it often. */
static Rotated rotate(uint64_t value, uint64_t how, uint64_t eflags)
{
    unsigned count = how & 0xff, bits = 8 * (how >> 12);
    Rotated r = {value & MASK_ULL(bits), eflags & X86_CF};

    for (count %= bits + 1; count; count--) {
        unsigned in = r.carry;

        if (how & 0x100) {
            r.carry = r.value >> (bits - 1) & 1;
            r.value = (r.value << 1 & MASK_ULL(bits)) | in;
        } else {
            r.carry = r.value & 1;
            r.value = r.value >> 1 | (uint64_t)in << (bits - 1);
        }
    }
    return r;
}

uint64_t x86_helper_rcl(void *env, uint64_t value, uint64_t how, uint64_t eflags, uint64_t d)
{
    return rotate(value, how, eflags).value;
}

uint64_t x86_helper_rcl_flags(void *env, uint64_t value, uint64_t how, uint64_t eflags, uint64_t d)
{
    unsigned top = 8 * (how >> 12) - 1;
    Rotated r = rotate(value, how, eflags);
    unsigned overflow;

    if (!(how & 0xff)) {
        return eflags;
    }
    overflow = r.value >> top & 1;
    overflow ^= how & 0x100 ? r.carry : (unsigned)(r.value >> (top - 1) & 1);
    return (eflags & ~(uint64_t)(X86_CF | X86_OF)) | r.carry | (overflow ? X86_OF : 0);
}

/* --- Bits --- */

uint64_t x86_helper_pdep(void *env, uint64_t value, uint64_t mask, uint64_t c, uint64_t d)
{
    uint64_t r = 0;

    for (; mask; mask &= mask - 1, value >>= 1) {
        r |= value & 1 ? mask & -mask : 0;
    }
    return r;
}

uint64_t x86_helper_pext(void *env, uint64_t value, uint64_t mask, uint64_t c, uint64_t d)
{
    uint64_t r = 0;

    for (unsigned n = 0; mask; mask &= mask - 1, n++) {
        r |= value & mask & -mask ? 1ULL << n : 0;
    }
    return r;
}

/* Polynomial 11EDC6F41h, bits reflected. */
uint64_t x86_helper_crc32(void *env, uint64_t crc, uint64_t value, uint64_t bytes, uint64_t d)
{
    uint32_t r = crc;

    for (unsigned n = 0; n < bytes; n++) {
        r ^= value >> 8 * n & 0xff;
        for (unsigned k = 0; k < 8; k++) {
            r = r >> 1 ^ (r & 1 ? 0x82f63b78 : 0);
        }
    }
    return r;
}

uint64_t x86_helper_random(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    uint64_t v = 0;

    if (getrandom(&v, sizeof(v), 0) != sizeof(v)) {
        v = (uint64_t)g_random_int() << 32 | g_random_int();
    }
    return v;
}

/* --- Others --- */

uint64_t x86_helper_wrsegbase(void *opaque, uint64_t seg, uint64_t base, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    if (!x86_canonical(env, base)) {
        x86_raise(env, X86_EXC_GP, 0);
    }
    env->seg[seg].base = base;
    return 0;
}

uint64_t x86_helper_cmpxchg16b(void *opaque, uint64_t va, uint64_t mmu, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    uint64_t expect[2] = {env->regs[X86_RAX], env->regs[X86_RDX]};
    const uint64_t desired[2] = {env->regs[X86_RBX], env->regs[X86_RCX]};

    if (va & 15) {
        x86_raise(env, X86_EXC_GP, 0);
    }
    if (cpu_cas128(env->tcg.cpu, va, expect, desired, mmu)) {
        return 1;
    }
    env->regs[X86_RAX] = expect[0];
    env->regs[X86_RDX] = expect[1];
    return 0;
}
