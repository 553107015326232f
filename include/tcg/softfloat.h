/* SPDX-License-Identifier: MIT */
/*
 * IEEE 754-2008 arithmetic in integers for binary16, binary32 and binary64: the reference for every
 * other way, and the way for what host FPUs lack (ties-to-max rounding, binary16).
 * Tininess is detected after rounding; NaN results are the default NaN (positive, quiet, empty
 * payload).  @fmt picks the format of raw-bit operands.  *flags accumulates IR_FP_*, and may ask for
 * what is raised while exceptions trap (IR_FP_TRAPS).
 */
#ifndef TCG_SOFTFLOAT_H
#define TCG_SOFTFLOAT_H

#include "tcg/ir.h"

typedef enum SfFormat { SF_16, SF_32, SF_64 } SfFormat;

uint64_t sf_add(SfFormat fmt, uint64_t a, uint64_t b, IrRound rm, uint32_t *flags);
uint64_t sf_sub(SfFormat fmt, uint64_t a, uint64_t b, IrRound rm, uint32_t *flags);
uint64_t sf_mul(SfFormat fmt, uint64_t a, uint64_t b, IrRound rm, uint32_t *flags);
uint64_t sf_div(SfFormat fmt, uint64_t a, uint64_t b, IrRound rm, uint32_t *flags);
uint64_t sf_sqrt(SfFormat fmt, uint64_t a, IrRound rm, uint32_t *flags);
/* a * b + c with one rounding; @negate is IR_FMA_NEG_*. 0 * inf raises INVALID even with a quiet NaN c. */
uint64_t sf_fma(SfFormat fmt, uint64_t a, uint64_t b, uint64_t c, int negate, IrRound rm,
                uint32_t *flags);
/* minimumNumber / maximumNumber (754-2019): a NaN loses to a number; -0 < +0. */
uint64_t sf_min(SfFormat fmt, uint64_t a, uint64_t b, uint32_t *flags);
uint64_t sf_max(SfFormat fmt, uint64_t a, uint64_t b, uint32_t *flags);
bool sf_cmp(SfFormat fmt, IrFcmp cond, uint64_t a, uint64_t b, uint32_t *flags);
uint64_t sf_convert(SfFormat to, SfFormat from, uint64_t a, IrRound rm, uint32_t *flags);
/* To integers of @bits (32 or 64; result sign- or zero-extended to 64): saturating, NaN gives the largest. */
int64_t sf_to_int(SfFormat fmt, uint64_t a, unsigned bits, IrRound rm, uint32_t *flags);
uint64_t sf_to_uint(SfFormat fmt, uint64_t a, unsigned bits, IrRound rm, uint32_t *flags);
uint64_t sf_from_int(SfFormat fmt, int64_t v, IrRound rm, uint32_t *flags);
uint64_t sf_from_uint(SfFormat fmt, uint64_t v, IrRound rm, uint32_t *flags);
/* Rounds to an integral value in the same format; INEXACT only when @inexact. */
uint64_t sf_round(SfFormat fmt, uint64_t a, IrRound rm, bool inexact, uint32_t *flags);
bool sf_is_nan(SfFormat fmt, uint64_t a);
bool sf_is_snan(SfFormat fmt, uint64_t a);
uint64_t sf_default_nan(SfFormat fmt);

#endif
