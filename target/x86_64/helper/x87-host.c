/* SPDX-License-Identifier: MIT */
/*
 * x87 arithmetic by the host's own x87, exact in value and flags; see x87.h.  C code keeps nothing in
 * the host's x87 across a statement, and expects it with the default control word.
 */
#include "rhea/osdep.h"

#include "../x87.h"

/* The guest's rounding and precision, and what it says about overflow and underflow, which then give other
 * results; all else is masked. */
static uint16_t host_cw(uint16_t cw)
{
    return (cw & (0x0f00 | X87_OE | X87_UE)) |
           (uint16_t)(0x40 | (X87_EXCEPTIONS & ~(X87_OE | X87_UE)));
}

/* The status word; what is pending then must not stop the host's next instruction.  @then if it is. */
#define STATUS_THEN(then)                                                                          \
    "\n\tfnstsw %[sw]\n\ttestb $0x80, %[sw]\n\tjz 9f\n\tfnclex\n\t" then "\n9:\t"
#define STATUS STATUS_THEN("")
#define X87_CLOBBERS                                                                               \
    "cc", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "memory"

/* Between these two the host's x87 is ours.  Loads of the control word cost more than arithmetic, so it
 * is loaded only if the guest's is not the usual one; no flag is left behind. */
static void x87_enter(uint16_t control)
{
    if (control != X87_CW_DEFAULT) {
        __asm__ volatile("fldcw %0" : : "m"(control));
    }
}

static void x87_leave(uint16_t control, unsigned sw)
{
    static const uint16_t usual = X87_CW_DEFAULT;

    if (sw & X87_EXCEPTIONS) {
        __asm__ volatile("fnclex");
    }
    if (control != usual) {
        __asm__ volatile("fldcw %0" : : "m"(usual));
    }
}

/* @insns on st = a, st(1) = b leave the result in st; @rest (which may change C1) all else. */
#define BINARY_FROM(first, insns, rest)                                                            \
    __asm__ volatile(first "fldt %[b]\n\tfldt %[a]\n\t" insns STATUS "fstpt %[r]\n\t" rest         \
                     : [sw] "=m"(sw), [r] "=m"(*r)                                                 \
                     : [a] "m"(*a), [b] "m"(*b), [cw] "m"(control)                                 \
                     : X87_CLOBBERS)

#define BINARY(insns, rest) BINARY_FROM("", insns, rest)
/* Remainders of special operands leave the condition codes: they are those of quotient 0. */
#define REMAINDER(insn) BINARY_FROM("fninit\n\tfldcw %[cw]\n\t", insn, DROP)
#define DROP            "fstp %%st\n\t"

unsigned x87_binary(X87Binary op, uint16_t cw, const X86Fp80 *a, const X86Fp80 *b, X86Fp80 *r)
{
    uint16_t control = host_cw(cw), sw;

    x87_enter(control);
    switch (op) {
    case X87_ADD: BINARY("faddp %%st, %%st(1)", ""); break;
    case X87_MUL: BINARY("fmulp %%st, %%st(1)", ""); break;
    case X87_SUB: BINARY("fsub %%st(1), %%st", DROP); break;
    case X87_DIV: BINARY("fdiv %%st(1), %%st", DROP); break;
    case X87_PREM: REMAINDER("fprem"); break;
    case X87_PREM1: REMAINDER("fprem1"); break;
    case X87_SCALE: BINARY("fscale", DROP); break;
    case X87_YL2X: BINARY("fyl2x", ""); break;
    case X87_YL2XP1: BINARY("fyl2xp1", ""); break;
    case X87_PATAN: BINARY("fpatan", ""); break;
    }
    x87_leave(control, sw);
    return sw & (X87_EXCEPTIONS | X87_CC);
}

/* @insns on st = a leave the result in st. */
#define UNARY(insns)                                                                               \
    __asm__ volatile("fldt %[a]\n\t" insns STATUS "fstpt %[r]"                                     \
                     : [sw] "=m"(sw), [r] "=m"(*r)                                                 \
                     : [a] "m"(*a)                                                                 \
                     : X87_CLOBBERS)

/* The same with a second result above the first, unless C2 says that there is none. */
#define UNARY2(insns)                                                                              \
    __asm__ volatile("fldt %[a]\n\t" insns STATUS "testw $0x400, %[sw]\n\tjnz 1f\n\tfstpt %[r2]\n" \
                     "1:\tfstpt %[r]"                                                              \
                     : [sw] "=m"(sw), [r] "=m"(*r), [r2] "=m"(*r2)                                 \
                     : [a] "m"(*a)                                                                 \
                     : X87_CLOBBERS)

unsigned x87_unary(X87Unary op, uint16_t cw, const X86Fp80 *a, X86Fp80 *r, X86Fp80 *r2)
{
    uint16_t control = host_cw(cw), sw;

    x87_enter(control);
    switch (op) {
    case X87_SQRT: UNARY("fsqrt"); break;
    case X87_RNDINT: UNARY("frndint"); break;
    case X87_2XM1: UNARY("f2xm1"); break;
    case X87_SIN: UNARY("fsin"); break;
    case X87_COS: UNARY("fcos"); break;
    case X87_TAN: UNARY2("fptan"); break;
    case X87_SINCOS: UNARY2("fsincos"); break;
    case X87_XTRACT: /* leaves C2 as it was */
        __asm__ volatile("fldt %[a]\n\tfxtract\n\tfnstsw %[sw]\n\tfstpt %[r2]\n\t"
                         "fstpt %[r]"
                         : [sw] "=m"(sw), [r] "=m"(*r), [r2] "=m"(*r2)
                         : [a] "m"(*a)
                         : X87_CLOBBERS);
        break;
    }
    x87_leave(control, sw);
    return sw & (X87_EXCEPTIONS | X87_CC);
}

#define COMPARE(insns)                                                                             \
    __asm__ volatile("fldt %[b]\n\tfldt %[a]\n\t" insns "\n\tfnstsw %[sw]\n\t"                     \
                     "fstp %%st\n\tfstp %%st"                                                      \
                     : [sw] "=m"(sw)                                                               \
                     : [a] "m"(*a), [b] "m"(*b)                                                    \
                     : X87_CLOBBERS)

unsigned x87_compare(X87Compare op, const X86Fp80 *a, const X86Fp80 *b)
{
    uint16_t sw;

    switch (op) {
    case X87_COM: COMPARE("fcom %%st(1)"); break;
    case X87_UCOM: COMPARE("fucom %%st(1)"); break;
    case X87_XAM: COMPARE("fxam"); break;
    }
    x87_leave(X87_CW_DEFAULT, sw);
    return sw & (X87_EXCEPTIONS | X87_CC);
}

#define LOAD(insn)                                                                                 \
    __asm__ volatile(insn " %[v]\n\tfnstsw %[sw]\n\tfstpt %[r]"                                    \
                     : [sw] "=m"(sw), [r] "=m"(*r)                                                 \
                     : [v] "m"(*(const uint64_t(*)[2])v)                                           \
                     : X87_CLOBBERS)

unsigned x87_from(X87Kind kind, const uint64_t v[2], X86Fp80 *r)
{
    uint16_t sw;

    switch (kind) {
    case X87_F32: LOAD("flds"); break;
    case X87_F64: LOAD("fldl"); break;
    case X87_F80: LOAD("fldt"); break;
    case X87_I16: LOAD("filds"); break;
    case X87_I32: LOAD("fildl"); break;
    case X87_I64: LOAD("fildll"); break;
    case X87_BCD: LOAD("fbld"); break;
    }
    x87_leave(X87_CW_DEFAULT, sw);
    return sw & (X87_EXCEPTIONS | X87_CC);
}

#define STORE(insn)                                                                                \
    __asm__ volatile("fldt %[a]\n\t" insn " %[v]" STATUS_THEN(DROP)                                \
                     : [sw] "=m"(sw), [v] "+m"(*(uint64_t(*)[2])v)                                 \
                     : [a] "m"(*a)                                                                 \
                     : X87_CLOBBERS)

unsigned x87_to(X87Kind kind, uint16_t cw, const X86Fp80 *a, uint64_t v[2])
{
    uint16_t control = host_cw(cw), sw;

    x87_enter(control);
    switch (kind) {
    case X87_F32: STORE("fstps"); break;
    case X87_F64: STORE("fstpl"); break;
    case X87_F80: STORE("fstpt"); break;
    case X87_I16: STORE("fistps"); break;
    case X87_I32: STORE("fistpl"); break;
    case X87_I64: STORE("fistpll"); break;
    case X87_BCD: STORE("fbstp"); break;
    }
    x87_leave(control, sw);
    return sw & (X87_EXCEPTIONS | X87_CC);
}

#define CONSTANT(insn) __asm__ volatile(insn "\n\tfstpt %[r]" : [r] "=m"(*r) : : X87_CLOBBERS)

void x87_constant(X87Const n, uint16_t cw, X86Fp80 *r)
{
    uint16_t control = host_cw(cw);

    x87_enter(control);
    switch (n) {
    case X87_ONE: CONSTANT("fld1"); break;
    case X87_L2T: CONSTANT("fldl2t"); break;
    case X87_L2E: CONSTANT("fldl2e"); break;
    case X87_PI: CONSTANT("fldpi"); break;
    case X87_LG2: CONSTANT("fldlg2"); break;
    case X87_LN2: CONSTANT("fldln2"); break;
    case X87_ZERO_CONST: CONSTANT("fldz"); break;
    }
    x87_leave(control, 0);
}
