/* SPDX-License-Identifier: MIT */
/*
 * Floating point: F, D, Zfh, Zfa.  Unprivileged ISA 20240411, chapters 21, 22, 24, 25.
 *
 * Single and double precision use the IR's operations when the rounding mode is the current one (or
 * does not matter); other static modes, ties-to-max and half precision go through helpers that compute
 * in integers.  frm is part of the translation key, so DYN is known here.
 */
#include "rhea/osdep.h"

#include "trans.h"

enum { RM_NEAREST_MAX = 4, RM_DYN = 7 };

/* --- Registers --- */

static bool is_half(int fmt)
{
    return fmt == RV_FMT_H;
}

/* The whole register. */
static IrVal get_image(RvTrans *t, int n)
{
    return ir_get(t->ir, RV_G_F(n));
}

static void put_image(RvTrans *t, int n, IrVal v)
{
    ir_put(t->ir, RV_G_F(n), v);
}

/* Its value in single or double precision. */
static IrVal get_value(RvTrans *t, int n, int fmt)
{
    IrVal v = get_image(t, n);

    return fmt == RV_FMT_S ? ir_funbox(t->ir, v) : v;
}

static void put_value(RvTrans *t, int n, int fmt, IrVal v)
{
    put_image(t, n, fmt == RV_FMT_S ? ir_fbox(t->ir, v) : v);
}

static IrVal image_of_bits(RvTrans *t, IrVal i64)
{
    return ir_fbits(t->ir, IR_F64, i64);
}

/* NaN-boxes the low 16 bits of an I64. */
static IrVal box_half(RvTrans *t, IrVal bits)
{
    IrVal upper = ir_imm(t->ir, (int64_t)0xffffffffffff0000);

    return image_of_bits(t, ir_or(t->ir, bits, upper));
}

/* The bits of a half-precision register in an I64: the default NaN unless properly boxed. */
static IrVal unbox_half(RvTrans *t, int n)
{
    IrVal bits = ir_fbits(t->ir, IR_I64, get_image(t, n));
    IrVal upper = ir_bin(t->ir, IR_SHR, bits, ir_imm(t->ir, 16));

    return ir_movcond(t->ir, IR_EQ, upper, ir_imm(t->ir, 0xffffffffffff),
                      ir_un(t->ir, IR_ZEXT16, bits), ir_imm(t->ir, 0x7e00));
}

/* --- What every instruction asks first --- */

static bool fp_on(const RvTrans *t)
{
    return t->fs != RV_FS_OFF;
}

/* Makes mstatus.FS dirty before the first change; true when that ended the block (the instruction
 * then runs again in the new context). */
static bool fp_first_change(RvTrans *t)
{
    if (t->fs == RV_FS_DIRTY) {
        return false;
    }
    rv_call0(t, RV_H_FS_DIRTY);
    ir_exit(t->ir, t->pc);
    t->ended = true;
    return true;
}

/* The rounding mode of an instruction, 0..4; -1: reserved. */
static int rounding(const RvTrans *t, int rm)
{
    if (rm == RM_DYN) {
        rm = t->frm;
    }
    return rm <= RM_NEAREST_MAX ? rm : -1;
}

/* The IR's rounding operations do the current mode only. */
static bool is_current(const RvTrans *t, int rm)
{
    return rm == (int)t->frm && rm != RM_NEAREST_MAX;
}

static IrVal ctl(RvTrans *t, int bits)
{
    return ir_imm(t->ir, bits);
}

/* --- Loads, stores, moves --- */

bool rv_flw(RvTrans *t, const RvArgsI *a)
{
    if (!fp_on(t)) {
        return false;
    }
    if (!fp_first_change(t)) {
        put_value(t, a->rd, RV_FMT_S,
                  ir_load(t->ir, IR_F32, IR_MEM_32, t->mmu, rv_get(t, a->rs1), a->imm));
    }
    return true;
}

bool rv_fld(RvTrans *t, const RvArgsI *a)
{
    if (!fp_on(t)) {
        return false;
    }
    if (!fp_first_change(t)) {
        put_image(t, a->rd, ir_load(t->ir, IR_F64, IR_MEM_64, t->mmu, rv_get(t, a->rs1), a->imm));
    }
    return true;
}

bool rv_flh(RvTrans *t, const RvArgsI *a)
{
    if (!fp_on(t)) {
        return false;
    }
    if (!fp_first_change(t)) {
        IrVal bits = ir_load(t->ir, IR_I64, IR_MEM_16, t->mmu, rv_get(t, a->rs1), a->imm);

        put_image(t, a->rd, box_half(t, bits));
    }
    return true;
}

/* The low part of the register, boxed or not. */
static bool store_bits(RvTrans *t, const RvArgsS *a, IrMem mem)
{
    if (!fp_on(t)) {
        return false;
    }
    ir_store(t->ir, mem, t->mmu, rv_get(t, a->rs1), a->imm,
             ir_fbits(t->ir, IR_I64, get_image(t, a->rs2)));
    return true;
}

bool rv_fsh(RvTrans *t, const RvArgsS *a)
{
    return store_bits(t, a, IR_MEM_16);
}

bool rv_fsw(RvTrans *t, const RvArgsS *a)
{
    return store_bits(t, a, IR_MEM_32);
}

bool rv_fsd(RvTrans *t, const RvArgsS *a)
{
    if (!fp_on(t)) {
        return false;
    }
    ir_store(t->ir, IR_MEM_64, t->mmu, rv_get(t, a->rs1), a->imm, get_image(t, a->rs2));
    return true;
}

/* fmv.x.w, .d, .h: the low part, sign-extended. */
bool rv_fmv_x(RvTrans *t, const RvArgsXF1 *a)
{
    IrVal bits;

    if (!fp_on(t)) {
        return false;
    }
    bits = ir_fbits(t->ir, IR_I64, get_image(t, a->rs1));
    if (a->fmt == RV_FMT_S) {
        bits = ir_un(t->ir, IR_SEXT32, ir_un(t->ir, IR_TRUNC, bits));
    } else if (is_half(a->fmt)) {
        bits = ir_un(t->ir, IR_SEXT16, bits);
    }
    rv_put(t, a->rd, bits);
    return true;
}

/* fmv.w.x, .d.x, .h.x */
bool rv_fmv_f(RvTrans *t, const RvArgsXF1 *a)
{
    IrVal v;

    if (!fp_on(t)) {
        return false;
    }
    if (fp_first_change(t)) {
        return true;
    }
    v = rv_get(t, a->rs1);
    if (a->fmt == RV_FMT_S) {
        v = ir_fbox(t->ir, ir_fbits(t->ir, IR_F32, ir_un(t->ir, IR_TRUNC, v)));
    } else {
        v = is_half(a->fmt) ? box_half(t, v) : image_of_bits(t, v);
    }
    put_image(t, a->rd, v);
    return true;
}

/* --- Arithmetic --- */

static bool arith2(RvTrans *t, const RvArgsF2M *a, IrOp op, RvHelper helper)
{
    int rm = rounding(t, a->rm);

    if (!fp_on(t) || rm < 0) {
        return false;
    }
    if (fp_first_change(t)) {
        return true;
    }
    if (is_half(a->fmt) || !is_current(t, rm)) {
        put_image(t, a->rd,
                  rv_call3(t, helper, get_image(t, a->rs1), get_image(t, a->rs2),
                           ctl(t, RV_FP_CTL(rm, a->fmt))));
    } else {
        put_value(t, a->rd, a->fmt,
                  ir_fp2(t->ir, op, get_value(t, a->rs1, a->fmt), get_value(t, a->rs2, a->fmt)));
    }
    return true;
}

bool rv_fadd(RvTrans *t, const RvArgsF2M *a)
{
    return arith2(t, a, IR_FADD, RV_H_FADD);
}

bool rv_fsub(RvTrans *t, const RvArgsF2M *a)
{
    return arith2(t, a, IR_FSUB, RV_H_FSUB);
}

bool rv_fmul(RvTrans *t, const RvArgsF2M *a)
{
    return arith2(t, a, IR_FMUL, RV_H_FMUL);
}

bool rv_fdiv(RvTrans *t, const RvArgsF2M *a)
{
    return arith2(t, a, IR_FDIV, RV_H_FDIV);
}

bool rv_fsqrt(RvTrans *t, const RvArgsF1M *a)
{
    int rm = rounding(t, a->rm);

    if (!fp_on(t) || rm < 0) {
        return false;
    }
    if (fp_first_change(t)) {
        return true;
    }
    if (is_half(a->fmt) || !is_current(t, rm)) {
        put_image(t, a->rd,
                  rv_call2(t, RV_H_FSQRT, get_image(t, a->rs1), ctl(t, RV_FP_CTL(rm, a->fmt))));
    } else {
        put_value(t, a->rd, a->fmt, ir_fp1(t->ir, IR_FSQRT, get_value(t, a->rs1, a->fmt)));
    }
    return true;
}

static bool fused(RvTrans *t, const RvArgsF3M *a, int negate)
{
    int rm = rounding(t, a->rm);

    if (!fp_on(t) || rm < 0) {
        return false;
    }
    if (fp_first_change(t)) {
        return true;
    }
    if (is_half(a->fmt) || !is_current(t, rm)) {
        put_image(t, a->rd,
                  ir_call(t->ir, RV_H_FMADD, get_image(t, a->rs1), get_image(t, a->rs2),
                          get_image(t, a->rs3), ctl(t, RV_FP_CTL(rm, a->fmt) | RV_FP_NEG(negate))));
    } else {
        put_value(t, a->rd, a->fmt,
                  ir_fma(t->ir, negate, get_value(t, a->rs1, a->fmt), get_value(t, a->rs2, a->fmt),
                         get_value(t, a->rs3, a->fmt)));
    }
    return true;
}

bool rv_fmadd(RvTrans *t, const RvArgsF3M *a)
{
    return fused(t, a, 0);
}

bool rv_fmsub(RvTrans *t, const RvArgsF3M *a)
{
    return fused(t, a, IR_FMA_NEG_ADDEND);
}

bool rv_fnmsub(RvTrans *t, const RvArgsF3M *a)
{
    return fused(t, a, IR_FMA_NEG_PRODUCT);
}

bool rv_fnmadd(RvTrans *t, const RvArgsF3M *a)
{
    return fused(t, a, IR_FMA_NEG_PRODUCT | IR_FMA_NEG_ADDEND);
}

/* --- Minimum and maximum --- */

/* @op: the IR's operation, or IR_CALL where only the helper will do. */
static bool extreme(RvTrans *t, const RvArgsF2 *a, IrOp op, RvHelper helper)
{
    if (!fp_on(t)) {
        return false;
    }
    if (fp_first_change(t)) {
        return true;
    }
    if (is_half(a->fmt) || op == IR_CALL) {
        put_image(t, a->rd,
                  rv_call3(t, helper, get_image(t, a->rs1), get_image(t, a->rs2),
                           ctl(t, RV_FP_CTL(0, a->fmt))));
    } else {
        put_value(t, a->rd, a->fmt,
                  ir_fp2(t->ir, op, get_value(t, a->rs1, a->fmt), get_value(t, a->rs2, a->fmt)));
    }
    return true;
}

bool rv_fmin(RvTrans *t, const RvArgsF2 *a)
{
    return extreme(t, a, IR_FMIN, RV_H_FMIN);
}

bool rv_fmax(RvTrans *t, const RvArgsF2 *a)
{
    return extreme(t, a, IR_FMAX, RV_H_FMAX);
}

bool rv_fminm(RvTrans *t, const RvArgsF2 *a)
{
    return extreme(t, a, IR_CALL, RV_H_FMINM);
}

bool rv_fmaxm(RvTrans *t, const RvArgsF2 *a)
{
    return extreme(t, a, IR_CALL, RV_H_FMAXM);
}

/* --- Sign injection: integer operations on the bits --- */

typedef enum SignFrom { SIGN_COPY, SIGN_NEGATED, SIGN_XOR } SignFrom;

/* @x with the sign (bit @top) that @from makes of its own and @y's. */
static IrVal inject(RvTrans *t, IrVal x, IrVal y, int top, SignFrom from)
{
    Ir *ir = t->ir;
    IrVal mask =
        ir_type(ir, x) == IR_I32 ? ir_imm32(ir, INT32_MIN) : ir_imm(ir, (int64_t)BIT_ULL(top));

    if (from == SIGN_XOR) {
        return ir_xor(ir, x, ir_and(ir, y, mask));
    }
    if (from == SIGN_NEGATED) {
        y = ir_un(ir, IR_NOT, y);
    }
    return ir_or(ir, ir_bin(ir, IR_ANDN, x, mask), ir_and(ir, y, mask));
}

static bool sign(RvTrans *t, const RvArgsF2 *a, SignFrom from)
{
    if (!fp_on(t)) {
        return false;
    }
    if (fp_first_change(t)) {
        return true;
    }
    if (a->rs1 == a->rs2 && from == SIGN_COPY && a->fmt == RV_FMT_D) { /* fmv.d */
        put_image(t, a->rd, get_image(t, a->rs1));
    } else if (a->fmt == RV_FMT_D) {
        IrVal x = ir_fbits(t->ir, IR_I64, get_image(t, a->rs1));
        IrVal y = ir_fbits(t->ir, IR_I64, get_image(t, a->rs2));

        put_image(t, a->rd, image_of_bits(t, inject(t, x, y, 63, from)));
    } else if (a->fmt == RV_FMT_S) {
        IrVal x = ir_fbits(t->ir, IR_I32, get_value(t, a->rs1, RV_FMT_S));
        IrVal y = ir_fbits(t->ir, IR_I32, get_value(t, a->rs2, RV_FMT_S));

        put_value(t, a->rd, RV_FMT_S, ir_fbits(t->ir, IR_F32, inject(t, x, y, 31, from)));
    } else {
        IrVal bits = inject(t, unbox_half(t, a->rs1), unbox_half(t, a->rs2), 15, from);

        put_image(t, a->rd, box_half(t, bits));
    }
    return true;
}

bool rv_fsgnj(RvTrans *t, const RvArgsF2 *a)
{
    return sign(t, a, SIGN_COPY);
}

bool rv_fsgnjn(RvTrans *t, const RvArgsF2 *a)
{
    return sign(t, a, SIGN_NEGATED);
}

bool rv_fsgnjx(RvTrans *t, const RvArgsF2 *a)
{
    return sign(t, a, SIGN_XOR);
}

/* --- Comparison and classification --- */

static bool compare(RvTrans *t, const RvArgsF2 *a, IrFcmp cond)
{
    IrVal v;

    if (!fp_on(t)) {
        return false;
    }
    if (fp_first_change(t)) {
        return true;
    }
    if (is_half(a->fmt)) {
        v = rv_call3(t, RV_H_FCMP, get_image(t, a->rs1), get_image(t, a->rs2),
                     ctl(t, RV_FP_CTL(0, a->fmt) | RV_FP_COND(cond)));
    } else {
        v = ir_fcmp(t->ir, cond, get_value(t, a->rs1, a->fmt), get_value(t, a->rs2, a->fmt));
    }
    rv_put(t, a->rd, v);
    return true;
}

bool rv_feq(RvTrans *t, const RvArgsF2 *a)
{
    return compare(t, a, IR_FEQ);
}

bool rv_flt(RvTrans *t, const RvArgsF2 *a)
{
    return compare(t, a, IR_FLT);
}

bool rv_fle(RvTrans *t, const RvArgsF2 *a)
{
    return compare(t, a, IR_FLE);
}

bool rv_fltq(RvTrans *t, const RvArgsF2 *a)
{
    return compare(t, a, IR_FLT_QUIET);
}

bool rv_fleq(RvTrans *t, const RvArgsF2 *a)
{
    return compare(t, a, IR_FLE_QUIET);
}

bool rv_fclass(RvTrans *t, const RvArgsXF1 *a)
{
    if (!fp_on(t)) {
        return false;
    }
    rv_put(t, a->rd, rv_call2(t, RV_H_FCLASS, get_image(t, a->rs1), ctl(t, RV_FP_CTL(0, a->fmt))));
    return true;
}

/* --- Conversions --- */

/* To an integer: the IR's conversion carries its own rounding mode. */
static bool to_int(RvTrans *t, const RvArgsF1M *a, bool wide, bool is_unsigned)
{
    int rm = rounding(t, a->rm);

    if (!fp_on(t) || rm < 0) {
        return false;
    }
    if (fp_first_change(t)) {
        return true;
    }
    if (is_half(a->fmt) || rm == RM_NEAREST_MAX) {
        int flags = (wide ? RV_FP_64 : 0) | (is_unsigned ? RV_FP_UNSIGNED : 0);

        rv_put(t, a->rd,
               rv_call2(t, RV_H_FCVT_TO_INT, get_image(t, a->rs1),
                        ctl(t, RV_FP_CTL(rm, a->fmt) | flags)));
    } else {
        IrVal v = ir_fcvt(t->ir, is_unsigned ? IR_FCVT_UI : IR_FCVT_SI, wide ? IR_I64 : IR_I32,
                          (IrRound)rm, get_value(t, a->rs1, a->fmt));

        rv_put(t, a->rd, wide ? v : ir_un(t->ir, IR_SEXT32, v));
    }
    return true;
}

bool rv_fcvt_w(RvTrans *t, const RvArgsF1M *a)
{
    return to_int(t, a, false, false);
}

bool rv_fcvt_wu(RvTrans *t, const RvArgsF1M *a)
{
    return to_int(t, a, false, true);
}

bool rv_fcvt_l(RvTrans *t, const RvArgsF1M *a)
{
    return to_int(t, a, true, false);
}

bool rv_fcvt_lu(RvTrans *t, const RvArgsF1M *a)
{
    return to_int(t, a, true, true);
}

static bool from_int(RvTrans *t, const RvArgsF1M *a, bool wide, bool is_unsigned)
{
    int rm = rounding(t, a->rm);
    bool exact = a->fmt == RV_FMT_D && !wide;
    IrVal v;

    if (!fp_on(t) || rm < 0) {
        return false;
    }
    if (fp_first_change(t)) {
        return true;
    }
    v = rv_get(t, a->rs1);
    if (!is_half(a->fmt) && (exact || is_current(t, rm))) {
        v = wide ? v : ir_un(t->ir, IR_TRUNC, v);
        put_value(t, a->rd, a->fmt,
                  ir_fcvt(t->ir, is_unsigned ? IR_FCVT_UF : IR_FCVT_SF,
                          a->fmt == RV_FMT_S ? IR_F32 : IR_F64, IR_ROUND_CURRENT, v));
    } else {
        int flags = (wide ? RV_FP_64 : 0) | (is_unsigned ? RV_FP_UNSIGNED : 0);

        put_image(t, a->rd,
                  rv_call2(t, RV_H_FCVT_FROM_INT, v, ctl(t, RV_FP_CTL(rm, a->fmt) | flags)));
    }
    return true;
}

bool rv_fcvt_from_w(RvTrans *t, const RvArgsF1M *a)
{
    return from_int(t, a, false, false);
}

bool rv_fcvt_from_wu(RvTrans *t, const RvArgsF1M *a)
{
    return from_int(t, a, false, true);
}

bool rv_fcvt_from_l(RvTrans *t, const RvArgsF1M *a)
{
    return from_int(t, a, true, false);
}

bool rv_fcvt_from_lu(RvTrans *t, const RvArgsF1M *a)
{
    return from_int(t, a, true, true);
}

/* Between formats; single to double is exact. */
bool rv_fcvt_f(RvTrans *t, const RvArgsFCVTM *a)
{
    int rm = rounding(t, a->rm);
    bool exact = a->fmt == RV_FMT_D;

    if (!fp_on(t) || rm < 0) {
        return false;
    }
    if (fp_first_change(t)) {
        return true;
    }
    if (is_half(a->fmt) || is_half(a->from) || !(exact || is_current(t, rm))) {
        put_image(t, a->rd,
                  rv_call2(t, RV_H_FCVT_F, get_image(t, a->rs1),
                           ctl(t, RV_FP_CTL(rm, a->fmt) | RV_FP_FROM(a->from))));
    } else {
        put_value(t, a->rd, a->fmt,
                  ir_fcvt(t->ir, IR_FCVT_F, a->fmt == RV_FMT_S ? IR_F32 : IR_F64, IR_ROUND_CURRENT,
                          get_value(t, a->rs1, a->from)));
    }
    return true;
}

/* --- Zfa --- */

static bool round_to_integral(RvTrans *t, const RvArgsF1M *a, int inexact)
{
    int rm = rounding(t, a->rm);

    if (!fp_on(t) || rm < 0) {
        return false;
    }
    if (!fp_first_change(t)) {
        put_image(t, a->rd,
                  rv_call2(t, RV_H_FROUND, get_image(t, a->rs1),
                           ctl(t, RV_FP_CTL(rm, a->fmt) | inexact)));
    }
    return true;
}

bool rv_fround(RvTrans *t, const RvArgsF1M *a)
{
    return round_to_integral(t, a, 0);
}

bool rv_froundnx(RvTrans *t, const RvArgsF1M *a)
{
    return round_to_integral(t, a, RV_FP_INEXACT);
}

bool rv_fcvtmod_w_d(RvTrans *t, const RvArgsXF1 *a)
{
    if (!fp_on(t)) {
        return false;
    }
    if (!fp_first_change(t)) {
        rv_put(t, a->rd, rv_call1(t, RV_H_FCVTMOD, get_image(t, a->rs1)));
    }
    return true;
}

/* Table 36 in double precision, whose values are exact in single too (entry 1 is apart: the smallest
 * normal number of the format). */
static uint64_t fli_double(int index)
{
    static const double values[30] = {
        -1.0,  0x1p-1022, 0x1p-16, 0x1p-15, 0x1p-8, 0x1p-7, 0.0625, 0.125, 0.25,    0.3125,
        0.375, 0.4375,    0.5,     0.625,   0.75,   0.875,  1.0,    1.25,  1.5,     1.75,
        2.0,   2.5,       3.0,     4.0,     8.0,    16.0,   128.0,  256.0, 32768.0, 65536.0,
    };
    uint64_t bits;

    if (index >= 30) {
        return index == 30 ? 0x7ff0000000000000 : 0x7ff8000000000000;
    }
    memcpy(&bits, &values[index], sizeof(bits));
    return bits;
}

static uint32_t fli_single(int index)
{
    uint64_t d = fli_double(index);
    uint32_t sign = d >> 63 << 31;

    switch (index) {
    case 1: return 0x00800000;
    case 30: return 0x7f800000;
    case 31: return 0x7fc00000;
    default: /* rebiases the exponent; three fraction bits suffice for all of them */
        return sign | (uint32_t)((d >> 52 & 0x7ff) - 1023 + 127) << 23 |
               (uint32_t)(d >> 29 & 0x7fffff);
    }
}

static uint16_t fli_half(int index)
{
    uint64_t d = fli_double(index);
    uint16_t sign = (uint16_t)(d >> 63 << 15);

    switch (index) {
    case 1: return 0x0400;
    case 2: return 0x0100; /* subnormal */
    case 3: return 0x0200;
    case 29: return 0x7c00; /* overflows */
    case 30: return 0x7c00;
    case 31: return 0x7e00;
    default:
        return sign | (uint16_t)(((d >> 52 & 0x7ff) - 1023 + 15) << 10) |
               (uint16_t)(d >> 42 & 0x3ff);
    }
}

bool rv_fli(RvTrans *t, const RvArgsFLI *a)
{
    uint64_t bits = fli_double(a->index);

    if (!fp_on(t)) {
        return false;
    }
    if (fp_first_change(t)) {
        return true;
    }
    if (a->fmt == RV_FMT_S) {
        bits = 0xffffffff00000000 | fli_single(a->index);
    } else if (is_half(a->fmt)) {
        bits = 0xffffffffffff0000 | fli_half(a->index);
    }
    put_image(t, a->rd, image_of_bits(t, ir_imm(t->ir, (int64_t)bits)));
    return true;
}
