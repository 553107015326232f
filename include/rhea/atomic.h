/* SPDX-License-Identifier: MIT */
/*
 * 128-bit compare-and-swap on aligned memory, where the host has one that C can reach without a
 * library.  ATOMIC_WIDE says whether; where it is 0 nobody may call atomic_wide_cas().
 */
#ifndef RHEA_ATOMIC_H
#define RHEA_ATOMIC_H

#include <glib.h>
#include <stdint.h>

typedef unsigned __int128 AtomicWide;

static inline AtomicWide atomic_wide(uint64_t low, uint64_t high)
{
    return (AtomicWide)high << 64 | low;
}

static inline uint64_t atomic_wide_low(AtomicWide v)
{
    return (uint64_t)v;
}

static inline uint64_t atomic_wide_high(AtomicWide v)
{
    return (uint64_t)(v >> 64);
}

#ifdef __GCC_HAVE_SYNC_COMPARE_AND_SWAP_16
#define ATOMIC_WIDE 1

/* The value that was there: @desired has been stored if it equals @expect. */
static inline AtomicWide atomic_wide_cas(AtomicWide *p, AtomicWide expect, AtomicWide desired)
{
    return __sync_val_compare_and_swap(p, expect, desired);
}
#else
#define ATOMIC_WIDE 0

static inline AtomicWide atomic_wide_cas(AtomicWide *p, AtomicWide expect, AtomicWide desired)
{
    g_assert_not_reached();
}
#endif

#endif
