/* SPDX-License-Identifier: MIT */
/*
 * x87 arithmetic: functions of 80-bit numbers, without the register stack.  helper/x87-host.c does it by
 * the host's x87, helper/x87-soft.c in integers; helper/x87.c has the stack and the exceptions.
 *
 * The status word's bits 0..5 (exceptions) and the condition codes C0..C3 are returned.  @cw gives
 * precision and rounding.  Of its masks OM and UM count: without them the result has an exponent that is
 * X87_RESCALE less or more than it should be, or (x87_to) nothing is stored.  Results are those with the other
 * exceptions masked.
 */
#ifndef TARGET_X86_64_X87_H
#define TARGET_X86_64_X87_H

#include "cpu.h"

enum {
    X87_IE = 1 << 0,
    X87_DE = 1 << 1,
    X87_ZE = 1 << 2,
    X87_OE = 1 << 3,
    X87_UE = 1 << 4,
    X87_PE = 1 << 5,
    X87_EXCEPTIONS = 0x3f,
    X87_SF = 1 << 6,
    X87_ES = 1 << 7,
    X87_C0 = 1 << 8,
    X87_C1 = 1 << 9,
    X87_C2 = 1 << 10,
    X87_TOP_SHIFT = 11,
    X87_C3 = 1 << 14,
    X87_CC = X87_C0 | X87_C1 | X87_C2 | X87_C3,
    X87_BUSY = 1 << 15,
};

enum {
    X87_CW_DEFAULT = 0x37f,
    X87_CW_DEFINED = 0x1f3f,
    X87_CW_PC = 3 << 8,
    X87_CW_RC = 3 << 10,
    X87_CW_RC_ZERO = 3 << 10
};

enum { X87_RESCALE = 24576 };

/* a op b; of the last ones a is ST(0) and b ST(1). */
typedef enum X87Binary {
    X87_ADD,
    X87_MUL,
    X87_SUB,
    X87_DIV,
    X87_PREM,
    X87_PREM1,
    X87_SCALE,
    X87_YL2X,   /* b * log2(a) */
    X87_YL2XP1, /* b * log2(a + 1) */
    X87_PATAN,  /* atan(b / a) */
} X87Binary;

/* C2 is set by TAN, SIN, COS, SINCOS when the argument is too large: *r is a then. */
typedef enum X87Unary {
    X87_SQRT,
    X87_RNDINT,
    X87_2XM1,
    X87_SIN,
    X87_COS,
    X87_TAN,
    X87_SINCOS, /* *r sine, *r2 cosine */
    X87_XTRACT, /* *r exponent, *r2 significand */
} X87Unary;

typedef enum X87Compare { X87_COM, X87_UCOM, X87_XAM } X87Compare;

/* Numbers in memory. */
typedef enum X87Kind { X87_F32, X87_F64, X87_F80, X87_I16, X87_I32, X87_I64, X87_BCD } X87Kind;

typedef enum X87Const {
    X87_ONE,
    X87_L2T,
    X87_L2E,
    X87_PI,
    X87_LG2,
    X87_LN2,
    X87_ZERO_CONST,
} X87Const;

unsigned x87_binary(X87Binary op, uint16_t cw, const X86Fp80 *a, const X86Fp80 *b, X86Fp80 *r);
unsigned x87_unary(X87Unary op, uint16_t cw, const X86Fp80 *a, X86Fp80 *r, X86Fp80 *r2);
/* XAM looks at a alone. */
unsigned x87_compare(X87Compare op, const X86Fp80 *a, const X86Fp80 *b);
/* The number of @kind in bytes 0..9 of @v (two words), and back. */
unsigned x87_from(X87Kind kind, const uint64_t v[2], X86Fp80 *r);
unsigned x87_to(X87Kind kind, uint16_t cw, const X86Fp80 *a, uint64_t v[2]);
void x87_constant(X87Const n, uint16_t cw, X86Fp80 *r);

/* Sets the control word; flags that it unmasks are pending from then on. */
void x86_x87_set_control(X86Env *env, uint16_t cw);

/* X86_H_X87_MOVE */
typedef enum X86X87Move {
    X86_X87_LOAD,
    X86_X87_EXCHANGE,
    X86_X87_STORE,
    X86_X87_STORE_POP,
    X86_X87_FREE,
    X86_X87_FREE_POP,
    X86_X87_MOVE,
} X86X87Move;

/* What an instruction saves or loads. */
enum {
    X86_AREA_32 = 1 << 0,   /* environment in 32-bit format, else 16-bit */
    X86_AREA_REAL = 1 << 1, /* of real and virtual-8086 mode */
    X86_AREA_REGS = 1 << 2, /* FNSAVE, FRSTOR: the registers, too */
    X86_AREA_64 = 1 << 3,   /* FXSAVE, XSAVE with REX.W */
    X86_AREA_MODE64 = 1 << 4,
    X86_AREA_COMPACT = 1 << 5, /* XSAVEC */
    X86_AREA_OPT = 1 << 6, /* XSAVEOPT, XSAVEC: components in their initial state are left out */
};

static inline X86Fp80 x87_indefinite(void)
{
    return (X86Fp80){.sig = 0xc000000000000000, .se = 0xffff};
}

#endif
