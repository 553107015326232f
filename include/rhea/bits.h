/* SPDX-License-Identifier: MIT */
/* Bit-field, alignment and wide-multiply helpers. */
#ifndef RHEA_BITS_H
#define RHEA_BITS_H

#include <stdbool.h>
#include <stdint.h>

#define BIT(n)      (1U << (n))
#define BIT_ULL(n)  (1ULL << (n))
#define MASK_ULL(n) ((n) >= 64 ? ~0ULL : (1ULL << (n)) - 1)

/* The field of @len bits (1..64) of @value that starts at bit @start. */
static inline uint64_t extract64(uint64_t value, unsigned start, unsigned len)
{
    return (value >> start) & MASK_ULL(len);
}

/* The same, sign-extended. */
static inline int64_t sextract64(uint64_t value, unsigned start, unsigned len)
{
    return (int64_t)(value << (64 - len - start)) >> (64 - len);
}

/* @value with the field replaced by the low @len bits of @field. */
static inline uint64_t deposit64(uint64_t value, unsigned start, unsigned len, uint64_t field)
{
    uint64_t mask = MASK_ULL(len) << start;

    return (value & ~mask) | ((field << start) & mask);
}

static inline bool is_power_of_2(uint64_t v)
{
    return v && !(v & (v - 1));
}

/* @align is a power of two. */
static inline uint64_t align_up(uint64_t v, uint64_t align)
{
    return (v + align - 1) & ~(align - 1);
}

static inline uint64_t align_down(uint64_t v, uint64_t align)
{
    return v & ~(align - 1);
}

/* a * b / c without losing the high half of the product; @c is not zero. */
static inline uint64_t muldiv64(uint64_t a, uint64_t b, uint64_t c)
{
    return (uint64_t)((unsigned __int128)a * b / c);
}

#endif
