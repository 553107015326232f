/* SPDX-License-Identifier: MIT */
/*
 * Inside softfloat: numbers taken apart, and the one place where results are rounded and packed.
 */
#ifndef TCG_SOFTFLOAT_PARTS_H
#define TCG_SOFTFLOAT_PARTS_H

#include "tcg/softfloat.h"

typedef unsigned __int128 SfWide;

typedef struct SfLayout {
    uint8_t bits;      /* of the whole */
    uint8_t precision; /* of the significand, with the hidden bit */
    int16_t bias;      /* also the largest exponent */
} SfLayout;

extern const SfLayout sf_layouts[3]; /* by SfFormat */

typedef enum SfClass { SF_ZERO, SF_FINITE, SF_INF, SF_QNAN, SF_SNAN } SfClass;

/* FINITE: the value is frac * 2^(exp - 63), bit 63 of frac is set. */
typedef struct SfParts {
    SfClass cls;
    bool sign;
    int exp;
    uint64_t frac;
} SfParts;

SfParts sf_unpack(SfFormat fmt, uint64_t a);

/* frac * 2^-shift as an integer, rounded; *inexact when bits were lost.  Any shift >= 1. */
SfWide sf_round_shift(SfWide frac, unsigned shift, bool sign, IrRound rm, bool *inexact);

/* The nearest value of the format to +-frac * 2^(exp - 127); frac is not zero. */
uint64_t sf_round_pack(SfFormat fmt, bool sign, int exp, SfWide frac, IrRound rm, uint32_t *flags);

uint64_t sf_pack_zero(SfFormat fmt, bool sign);
uint64_t sf_pack_inf(SfFormat fmt, bool sign);

static inline bool sf_parts_nan(const SfParts *p)
{
    return p->cls >= SF_QNAN;
}

/* The result of an operation that got a NaN: the default NaN; INVALID for a signalling one. */
uint64_t sf_nan_result(SfFormat fmt, bool signalling, uint32_t *flags);

#endif
