/* SPDX-License-Identifier: MIT */
/*
 * Folding: rebuilds the block, and simplifies every instruction while it is appended, looking at the
 * (already simplified) definitions of its operands.  Pure instructions that were computed before are
 * not computed again.
 *
 * A rule is one function under a one-line statement of its identity.  It looks at *insn and
 *   - returns IR_NONE when it does not apply, having changed nothing, or
 *   - returns a value of the same type that equals the insn's, or
 *   - rewrites *insn into an equal instruction of the same type and returns AGAIN.
 * Obligations: an identity holds for every operand value, wrapping included; a rewrite makes
 * progress (fewer or cheaper operations, or constants moved to the right: no two rules may
 * undo each other); no value is used outside the block's order; an instruction that may fault, leave
 * or set floating-point flags stays, only its operands change.  Rules may append constants and
 * pure instructions through fold_const() and fold_emit().
 */
#include "rhea/osdep.h"

#include "rhea/bits.h"
#include "tcg/ir-eval.h"
#include "tcg/ir-private.h"
#include "tcg/opt-fold.h"

#define AGAIN ((IrVal)(IR_NONE - 1))

enum { MAX_REWRITES = 16 };

typedef IrVal (*FoldRule)(Ir *ir, IrInsn *insn);

static IrVal fold_insn(Ir *ir, IrInsn *insn);

/* --- Making new operands --- */

/* Constants are kept in one form, so that equal ones are one value: I32 sign-, F32 zero-extended. */
static IrVal fold_const(Ir *ir, IrType type, uint64_t v)
{
    IrInsn insn = {.op = IR_CONST, .type = type, .arg = IR_NOARGS};

    insn.imm = type == IR_I32 ? (int32_t)v : (int64_t)ir_narrow(type, v);
    return fold_insn(ir, &insn);
}

static IrVal fold_emit(Ir *ir, IrOp op, IrType type, IrVal a, IrVal b)
{
    IrInsn insn = {.op = op, .type = type, .arg = {a, b, IR_NONE, IR_NONE}};

    return fold_insn(ir, &insn);
}

/* Rewrites *insn, which keeps its type. */
static IrVal rewrite(IrInsn *insn, IrOp op, IrVal a, IrVal b)
{
    insn->op = op;
    insn->cond = 0;
    insn->imm = 0;
    insn->arg[0] = a;
    insn->arg[1] = b;
    insn->arg[2] = insn->arg[3] = IR_NONE;
    return AGAIN;
}

/* --- Sums --- */

/* x + 0 = x, and the same for |, ^, -, shifts and rotates */
static IrVal rule_right_zero(Ir *ir, IrInsn *insn)
{
    return equals(ir, insn->arg[1], 0) ? insn->arg[0] : IR_NONE;
}

/* (x + c1) + c2 = x + (c1 + c2), and the same for &, |, ^ and * */
static IrVal rule_associate(Ir *ir, IrInsn *insn)
{
    const IrInsn *left = def_of(ir, insn->arg[0], insn->op);
    uint64_t c1, c2;

    if (!left || !is_uconst(ir, insn->arg[1], &c2) || !is_uconst(ir, left->arg[1], &c1)) {
        return IR_NONE;
    }
    insn->arg[0] = left->arg[0];
    insn->arg[1] = fold_const(ir, insn->type, ir_eval(insn->op, insn->type, c1, c2));
    return AGAIN;
}

/* (pc_page + c1) + c2 = pc_page + (c1 + c2) */
static IrVal rule_add_pc(Ir *ir, IrInsn *insn)
{
    const IrInsn *pc = def_of(ir, insn->arg[0], IR_PC);
    int64_t c;

    if (!pc || !is_const(ir, insn->arg[1], &c)) {
        return IR_NONE;
    }
    c = (uint64_t)c + pc->imm;
    if (!fits_s32(c)) {
        return IR_NONE;
    }
    rewrite(insn, IR_PC, IR_NONE, IR_NONE);
    insn->imm = c;
    return AGAIN;
}

/* x + -y = x - y */
static IrVal rule_add_neg(Ir *ir, IrInsn *insn)
{
    const IrInsn *neg = def_of(ir, insn->arg[1], IR_NEG);

    return neg ? rewrite(insn, IR_SUB, insn->arg[0], neg->arg[0]) : IR_NONE;
}

/* x - x = 0, x ^ x = 0, x & ~x = 0 */
static IrVal rule_same_is_zero(Ir *ir, IrInsn *insn)
{
    return insn->arg[0] == insn->arg[1] ? fold_const(ir, insn->type, 0) : IR_NONE;
}

/* x - c = x + -c */
static IrVal rule_sub_const(Ir *ir, IrInsn *insn)
{
    uint64_t c;

    if (!is_uconst(ir, insn->arg[1], &c)) {
        return IR_NONE;
    }
    return rewrite(insn, IR_ADD, insn->arg[0], fold_const(ir, insn->type, -c));
}

/* 0 - x = -x */
static IrVal rule_sub_from_zero(Ir *ir, IrInsn *insn)
{
    return equals(ir, insn->arg[0], 0) ? rewrite(insn, IR_NEG, insn->arg[1], IR_NONE) : IR_NONE;
}

/* (x + y) - x = y, (x + y) - y = x */
static IrVal rule_sub_of_sum(Ir *ir, IrInsn *insn)
{
    const IrInsn *sum = def_of(ir, insn->arg[0], IR_ADD);

    if (!sum) {
        return IR_NONE;
    }
    return sum->arg[0] == insn->arg[1]   ? sum->arg[1]
           : sum->arg[1] == insn->arg[1] ? sum->arg[0]
                                         : IR_NONE;
}

/* -(-x) = x, ~(~x) = x, bswap(bswap(x)) = x */
static IrVal rule_involution(Ir *ir, IrInsn *insn)
{
    const IrInsn *inner = def_of(ir, insn->arg[0], insn->op);

    return inner ? inner->arg[0] : IR_NONE;
}

/* --- Bits --- */

/* x & x = x, x | x = x */
static IrVal rule_idempotent(Ir *ir, IrInsn *insn)
{
    return insn->arg[0] == insn->arg[1] ? insn->arg[0] : IR_NONE;
}

/* x & c = x when all possible bits of x are in c; = 0 when none is */
static IrVal rule_and_known(Ir *ir, IrInsn *insn)
{
    uint64_t c, possible;

    if (!is_uconst(ir, insn->arg[1], &c)) {
        return IR_NONE;
    }
    possible = ir_possible_bits(ir, insn->arg[0]);
    if (!(possible & ~c)) {
        return insn->arg[0];
    }
    return possible & c ? IR_NONE : fold_const(ir, insn->type, 0);
}

/* x & 0xff = zext8(x), x & 0xffff = zext16(x), x & 0xffffffff = zext32(trunc(x)) */
static IrVal rule_and_is_zext(Ir *ir, IrInsn *insn)
{
    uint64_t c;

    if (!is_uconst(ir, insn->arg[1], &c)) {
        return IR_NONE;
    }
    if (c == 0xff || c == 0xffff) {
        return rewrite(insn, c == 0xff ? IR_ZEXT8 : IR_ZEXT16, insn->arg[0], IR_NONE);
    }
    if (c == 0xffffffff && insn->type == IR_I64) {
        IrVal low = fold_emit(ir, IR_TRUNC, IR_I32, insn->arg[0], IR_NONE);

        return rewrite(insn, IR_ZEXT32, low, IR_NONE);
    }
    return IR_NONE;
}

/* (pc_page + c1) & c2 = pc_page + (c1 & c2) when c2 clears bits inside the page only */
static IrVal rule_and_pc(Ir *ir, IrInsn *insn)
{
    const IrInsn *pc = def_of(ir, insn->arg[0], IR_PC);
    int64_t c, imm;

    if (!pc || !is_const(ir, insn->arg[1], &c) || (~c & TCG_PAGE_MASK)) {
        return IR_NONE;
    }
    imm = pc->imm & c;
    rewrite(insn, IR_PC, IR_NONE, IR_NONE);
    insn->imm = imm;
    return AGAIN;
}

/* x & ~y = andn(x, y) */
static IrVal rule_and_not(Ir *ir, IrInsn *insn)
{
    for (unsigned k = 0; k < 2; k++) {
        const IrInsn *not = def_of(ir, insn->arg[k], IR_NOT);

        if (not ) {
            return rewrite(insn, IR_ANDN, insn->arg[!k], not ->arg[0]);
        }
    }
    return IR_NONE;
}

/* andn(x, c) = x & ~c */
static IrVal rule_andn_const(Ir *ir, IrInsn *insn)
{
    uint64_t c;

    if (!is_uconst(ir, insn->arg[1], &c)) {
        return IR_NONE;
    }
    return rewrite(insn, IR_AND, insn->arg[0], fold_const(ir, insn->type, ~c));
}

/* x | -1 = -1 */
static IrVal rule_or_ones(Ir *ir, IrInsn *insn)
{
    return equals(ir, insn->arg[1], -1) ? insn->arg[1] : IR_NONE;
}

/* x ^ -1 = ~x */
static IrVal rule_xor_ones(Ir *ir, IrInsn *insn)
{
    return equals(ir, insn->arg[1], -1) ? rewrite(insn, IR_NOT, insn->arg[0], IR_NONE) : IR_NONE;
}

/* setcond(c) ^ 1 = setcond(!c) */
static IrVal rule_xor_setcond(Ir *ir, IrInsn *insn)
{
    const IrInsn *set = def_of(ir, insn->arg[0], IR_SETCOND);

    if (!set || !equals(ir, insn->arg[1], 1)) {
        return IR_NONE;
    }
    rewrite(insn, IR_SETCOND, set->arg[0], set->arg[1]);
    insn->cond = cond_inverse(set->cond);
    return AGAIN;
}

/* --- Shifts --- */

/* shift(x, c) = shift(x, c mod width) */
static IrVal rule_shift_count(Ir *ir, IrInsn *insn)
{
    uint64_t c, mask = width(insn->type) - 1;

    if (!is_uconst(ir, insn->arg[1], &c) || c <= mask) {
        return IR_NONE;
    }
    insn->arg[1] = fold_const(ir, insn->type, c & mask);
    return AGAIN;
}

/* shift(x, y & c) = shift(x, y) when c has all the bits that count */
static IrVal rule_shift_masked(Ir *ir, IrInsn *insn)
{
    const IrInsn *and = def_of(ir, insn->arg[1], IR_AND);
    uint64_t c, mask = width(insn->type) - 1;

    if (!and || !is_uconst(ir, and->arg[1], &c) || (c & mask) != mask) {
        return IR_NONE;
    }
    insn->arg[1] = and->arg[0];
    return AGAIN;
}

/* (x << c1) << c2 = x << (c1 + c2), likewise >>; 0 (sar: all sign) from the width on */
static IrVal rule_shift_shift(Ir *ir, IrInsn *insn)
{
    const IrInsn *inner = def_of(ir, insn->arg[0], insn->op);
    uint64_t c1, c2, w = width(insn->type);

    if (!inner || !is_uconst(ir, inner->arg[1], &c1) || !is_uconst(ir, insn->arg[1], &c2) ||
        c1 >= w || c2 >= w) {
        return IR_NONE;
    }
    if (c1 + c2 >= w) {
        if (insn->op != IR_SAR) {
            return fold_const(ir, insn->type, 0);
        }
        c1 = w - 1 - c2;
    }
    insn->arg[0] = inner->arg[0];
    insn->arg[1] = fold_const(ir, insn->type, c1 + c2);
    return AGAIN;
}

/* (x << c) >> c = the low width - c bits of x, zero- or sign-extended */
static IrVal rule_shift_back(Ir *ir, IrInsn *insn)
{
    const IrInsn *left = def_of(ir, insn->arg[0], IR_SHL);
    bool sign = insn->op == IR_SAR;
    uint64_t c, c_left;
    IrVal low;

    if (!left || !is_uconst(ir, left->arg[1], &c_left) || !is_uconst(ir, insn->arg[1], &c) ||
        c != c_left) {
        return IR_NONE;
    }
    switch (width(insn->type) - c) {
    case 8: return rewrite(insn, sign ? IR_SEXT8 : IR_ZEXT8, left->arg[0], IR_NONE);
    case 16: return rewrite(insn, sign ? IR_SEXT16 : IR_ZEXT16, left->arg[0], IR_NONE);
    case 32:
        if (insn->type != IR_I64) {
            return IR_NONE; /* a shift by 0, which rule_right_zero has taken */
        }
        low = fold_emit(ir, IR_TRUNC, IR_I32, left->arg[0], IR_NONE);
        return rewrite(insn, sign ? IR_SEXT32 : IR_ZEXT32, low, IR_NONE);
    default: return IR_NONE;
    }
}

/* (x << 32) >> c = ext32(x) << (32 - c), for c < 32: an unsigned (or signed) index, scaled */
static IrVal rule_shift_scaled(Ir *ir, IrInsn *insn)
{
    const IrInsn *left = def_of(ir, insn->arg[0], IR_SHL);
    IrOp ext = insn->op == IR_SAR ? IR_SEXT32 : IR_ZEXT32;
    uint64_t c, c_left;
    IrVal low;

    if (!left || insn->type != IR_I64 || !is_uconst(ir, left->arg[1], &c_left) || c_left != 32 ||
        !is_uconst(ir, insn->arg[1], &c) || c >= 32) {
        return IR_NONE;
    }
    low = fold_emit(ir, IR_TRUNC, IR_I32, left->arg[0], IR_NONE);
    low = fold_emit(ir, ext, IR_I64, low, IR_NONE);
    return rewrite(insn, IR_SHL, low, fold_const(ir, IR_I64, 32 - c));
}

/* x >> c = 0 when no possible bit of x is left */
static IrVal rule_shr_known(Ir *ir, IrInsn *insn)
{
    uint64_t c;

    if (!is_uconst(ir, insn->arg[1], &c) || c >= width(insn->type) ||
        ir_possible_bits(ir, insn->arg[0]) >> c) {
        return IR_NONE;
    }
    return fold_const(ir, insn->type, 0);
}

/* --- Products and quotients --- */

/* x * 0 = 0 */
static IrVal rule_mul_zero(Ir *ir, IrInsn *insn)
{
    return equals(ir, insn->arg[1], 0) ? insn->arg[1] : IR_NONE;
}

/* x * 2^k = x << k, x / 2^k = x >> k, x mod 2^k = x & (2^k - 1), all unsigned */
static IrVal rule_power_of_2(Ir *ir, IrInsn *insn)
{
    uint64_t c;

    if (!is_uconst(ir, insn->arg[1], &c) || !is_power_of_2(c)) {
        return IR_NONE;
    }
    if (insn->op == IR_REMU) {
        return rewrite(insn, IR_AND, insn->arg[0], fold_const(ir, insn->type, c - 1));
    }
    return rewrite(insn, insn->op == IR_MUL ? IR_SHL : IR_SHR, insn->arg[0],
                   fold_const(ir, insn->type, __builtin_ctzll(c)));
}

/* --- Extensions --- */

/* The operand of an extension whose value needs only the low @bits: what cannot change them goes. */
static IrVal strip_above(const Ir *ir, IrVal v, unsigned bits)
{
    const IrInsn *insn = def(ir, v);
    uint64_t c;

    switch (insn->op) {
    case IR_ZEXT8:
    case IR_SEXT8: return bits <= 8 ? insn->arg[0] : v;
    case IR_ZEXT16:
    case IR_SEXT16: return bits <= 16 ? insn->arg[0] : v;
    case IR_AND:
        return is_uconst(ir, insn->arg[1], &c) && !(~c & MASK_ULL(bits)) ? insn->arg[0] : v;
    default: return v;
    }
}

/* ext(ext'(x)) = ext(x) when ext' keeps the bits that ext looks at */
static IrVal rule_ext_strip(Ir *ir, IrInsn *insn)
{
    unsigned bits = insn->op == IR_SEXT8 || insn->op == IR_ZEXT8     ? 8
                    : insn->op == IR_SEXT16 || insn->op == IR_ZEXT16 ? 16
                                                                     : 32;
    IrVal v = strip_above(ir, insn->arg[0], bits);

    if (v == insn->arg[0]) {
        return IR_NONE;
    }
    insn->arg[0] = v;
    return AGAIN;
}

/* zext8(x) = x and zext16(x) = x when no bit above is possible */
static IrVal rule_zext_known(Ir *ir, IrInsn *insn)
{
    uint64_t mask = insn->op == IR_ZEXT8 ? 0xff : 0xffff;

    return ir_possible_bits(ir, insn->arg[0]) & ~mask ? IR_NONE : insn->arg[0];
}

/* sext8(x) = x and sext16(x) = x when x is the sign extension of so many bits */
static IrVal rule_sext_known(Ir *ir, IrInsn *insn)
{
    unsigned bits = insn->op == IR_SEXT8 ? 8 : 16;

    return ir_signed_bits(ir, insn->arg[0]) <= bits ? insn->arg[0] : IR_NONE;
}

/* sext32(trunc(x)) = x when x is the sign extension of 32 bits; zext32 likewise */
static IrVal rule_ext_trunc(Ir *ir, IrInsn *insn)
{
    const IrInsn *trunc = def_of(ir, insn->arg[0], IR_TRUNC);
    IrVal x;

    if (!trunc) {
        return IR_NONE;
    }
    x = trunc->arg[0];
    if (insn->op == IR_SEXT32) {
        return ir_signed_bits(ir, x) <= 32 ? x : IR_NONE;
    }
    return ir_possible_bits(ir, x) >> 32 ? IR_NONE : x;
}

/* sext32(x) = zext32(x) when bit 31 of x is not possible */
static IrVal rule_sext_positive(Ir *ir, IrInsn *insn)
{
    if (ir_possible_bits(ir, insn->arg[0]) & BIT(31)) {
        return IR_NONE;
    }
    return rewrite(insn, IR_ZEXT32, insn->arg[0], IR_NONE);
}

/* zext32(setcond) and trunc(setcond) are a setcond of the other type */
static IrVal rule_ext_setcond(Ir *ir, IrInsn *insn)
{
    const IrInsn *set = def_of(ir, insn->arg[0], IR_SETCOND);

    if (!set) {
        return IR_NONE;
    }
    rewrite(insn, IR_SETCOND, set->arg[0], set->arg[1]);
    insn->cond = set->cond;
    return AGAIN;
}

/* trunc(sext32(x)) = x, trunc(zext32(x)) = x */
static IrVal rule_trunc_ext(Ir *ir, IrInsn *insn)
{
    const IrInsn *ext = def(ir, insn->arg[0]);

    return ext->op == IR_SEXT32 || ext->op == IR_ZEXT32 ? ext->arg[0] : IR_NONE;
}

/* trunc(x & c) = trunc(x) when c has all low 32 bits */
static IrVal rule_trunc_strip(Ir *ir, IrInsn *insn)
{
    IrVal v = strip_above(ir, insn->arg[0], 32);

    if (v == insn->arg[0]) {
        return IR_NONE;
    }
    insn->arg[0] = v;
    return AGAIN;
}

/* trunc(fbits(fbox(x))) = fbits(x) */
static IrVal rule_trunc_fbox(Ir *ir, IrInsn *insn)
{
    const IrInsn *bits = def_of(ir, insn->arg[0], IR_FBITS);
    const IrInsn *box = bits ? def_of(ir, bits->arg[0], IR_FBOX) : NULL;

    return box ? rewrite(insn, IR_FBITS, box->arg[0], IR_NONE) : IR_NONE;
}

/* --- Float images --- */

/* fbits(fbits(x)) = x */
static IrVal rule_fbits_fbits(Ir *ir, IrInsn *insn)
{
    const IrInsn *inner = def_of(ir, insn->arg[0], IR_FBITS);

    return inner ? inner->arg[0] : IR_NONE;
}

/* funbox(fbox(x)) = x */
static IrVal rule_funbox_fbox(Ir *ir, IrInsn *insn)
{
    const IrInsn *box = def_of(ir, insn->arg[0], IR_FBOX);

    return box ? box->arg[0] : IR_NONE;
}

/* --- Comparisons: args 0 and 1 and cond of SETCOND, MOVCOND, EXIT_IF --- */

/* cond(c, x) = swapped(cond)(x, c) */
static IrVal rule_cmp_swap(Ir *ir, IrInsn *insn)
{
    int64_t c, d;
    IrVal a = insn->arg[0];

    if (!is_const(ir, a, &c) || is_const(ir, insn->arg[1], &d)) {
        return IR_NONE;
    }
    insn->arg[0] = insn->arg[1];
    insn->arg[1] = a;
    insn->cond = cond_swapped(insn->cond);
    return AGAIN;
}

/* x <u 1 = (x == 0), x >=u 1 = (x != 0), x >u 0 = (x != 0), x <=u 0 = (x == 0) */
static IrVal rule_cmp_zero(Ir *ir, IrInsn *insn)
{
    IrCond cond = insn->cond;

    if ((cond == IR_LTU || cond == IR_GEU) && equals(ir, insn->arg[1], 1)) {
        insn->arg[1] = fold_const(ir, def(ir, insn->arg[0])->type, 0);
        insn->cond = cond == IR_LTU ? IR_EQ : IR_NE;
        return AGAIN;
    }
    if ((cond == IR_GTU || cond == IR_LEU) && equals(ir, insn->arg[1], 0)) {
        insn->cond = cond == IR_LEU ? IR_EQ : IR_NE;
        return AGAIN;
    }
    return IR_NONE;
}

/* (setcond(...) != 0) = the comparison itself; (setcond(...) == 0) = its inverse; also with 1 */
static IrVal rule_cmp_setcond(Ir *ir, IrInsn *insn)
{
    const IrInsn *set = def_of(ir, insn->arg[0], IR_SETCOND);
    uint64_t c;

    if (!set || (insn->cond != IR_EQ && insn->cond != IR_NE) || !is_uconst(ir, insn->arg[1], &c) ||
        c > 1) {
        return IR_NONE;
    }
    insn->cond = (insn->cond == IR_NE) == (c == 0) ? set->cond : cond_inverse(set->cond);
    insn->arg[0] = set->arg[0];
    insn->arg[1] = set->arg[1];
    return AGAIN;
}

/* (x ^ y) == 0 = (x == y), (x - y) == 0 = (x == y), also != */
static IrVal rule_cmp_difference(Ir *ir, IrInsn *insn)
{
    const IrInsn *left = def(ir, insn->arg[0]);

    if ((insn->cond != IR_EQ && insn->cond != IR_NE) || !equals(ir, insn->arg[1], 0) ||
        (left->op != IR_XOR && left->op != IR_SUB)) {
        return IR_NONE;
    }
    insn->arg[0] = left->arg[0];
    insn->arg[1] = left->arg[1];
    return AGAIN;
}

/* (x + c1) == c2 = (x == c2 - c1), also != */
static IrVal rule_cmp_sum(Ir *ir, IrInsn *insn)
{
    const IrInsn *left = def_of(ir, insn->arg[0], IR_ADD);
    uint64_t c1, c2;

    if (!left || (insn->cond != IR_EQ && insn->cond != IR_NE) ||
        !is_uconst(ir, left->arg[1], &c1) || !is_uconst(ir, insn->arg[1], &c2)) {
        return IR_NONE;
    }
    insn->arg[0] = left->arg[0];
    insn->arg[1] = fold_const(ir, left->type, c2 - c1);
    return AGAIN;
}

/* Is the result of the comparison known?  *result then says it. */
static bool comparison_known(const Ir *ir, const IrInsn *insn, bool *result)
{
    IrType type = def(ir, insn->arg[0])->type;
    uint64_t a, b;

    if (insn->arg[0] == insn->arg[1]) {
        *result = ir_eval_cond(insn->cond, type, 0, 0);
        return true;
    }
    if (!is_uconst(ir, insn->arg[1], &b)) {
        return false;
    }
    if (b == 0 && (insn->cond == IR_LTU || insn->cond == IR_GEU)) {
        *result = insn->cond == IR_GEU;
        return true;
    }
    if (!is_uconst(ir, insn->arg[0], &a)) {
        return false;
    }
    *result = ir_eval_cond(insn->cond, type, a, b);
    return true;
}

/* setcond of a known comparison = 0 or 1 */
static IrVal rule_setcond_known(Ir *ir, IrInsn *insn)
{
    bool result;

    return comparison_known(ir, insn, &result) ? fold_const(ir, insn->type, result) : IR_NONE;
}

/* (setcond == 1) and the like after other rules: (bool != 0) = bool, types permitting */
static IrVal rule_setcond_bool(Ir *ir, IrInsn *insn)
{
    if (insn->cond != IR_NE || !equals(ir, insn->arg[1], 0) ||
        def(ir, insn->arg[0])->type != insn->type || ir_possible_bits(ir, insn->arg[0]) > 1) {
        return IR_NONE;
    }
    return insn->arg[0];
}

/* cond ? x : y with known cond, or x = y */
static IrVal rule_movcond_known(Ir *ir, IrInsn *insn)
{
    bool result = true;

    if (insn->arg[2] == insn->arg[3] || comparison_known(ir, insn, &result)) {
        return insn->arg[result ? 2 : 3];
    }
    return IR_NONE;
}

/* cond ? 1 : 0 = setcond(cond), cond ? 0 : 1 = setcond(!cond) */
static IrVal rule_movcond_setcond(Ir *ir, IrInsn *insn)
{
    bool straight = equals(ir, insn->arg[2], 1) && equals(ir, insn->arg[3], 0);
    bool inverse = equals(ir, insn->arg[2], 0) && equals(ir, insn->arg[3], 1);
    IrCond cond = insn->cond;

    if (!straight && !inverse) {
        return IR_NONE;
    }
    rewrite(insn, IR_SETCOND, insn->arg[0], insn->arg[1]);
    insn->cond = straight ? cond : cond_inverse(cond);
    return AGAIN;
}

/* --- Sums with a carry --- */

/* x - x - borrow = -borrow */
static IrVal rule_sbb_same(Ir *ir, IrInsn *insn)
{
    IrVal borrow = insn->arg[2];

    if (insn->arg[0] != insn->arg[1]) {
        return IR_NONE;
    }
    if (insn->type == IR_I64) {
        IrInsn wide = {.op = IR_ZEXT32, .type = IR_I64, .arg = IR_NOARGS};

        wide.arg[0] = borrow;
        borrow = ir_append(ir, &wide);
    }
    return rewrite(insn, IR_NEG, borrow, IR_NONE);
}

/* The borrow out of that is the one that goes in. */
static IrVal rule_borrow_same(Ir *ir, IrInsn *insn)
{
    return insn->arg[0] == insn->arg[1] ? insn->arg[2] : IR_NONE;
}

/* --- Guest memory --- */

/* access at (x + c) + disp = access at x + (c + disp), while that fits 32 bits; not for a sum that
 * went into a global: it is in a register there, and x need not live on */
static IrVal rule_displacement(Ir *ir, IrInsn *insn)
{
    const IrInsn *sum = def_of(ir, insn->arg[0], IR_ADD);
    int64_t c;

    if (!sum || !is_const(ir, sum->arg[1], &c)) {
        return IR_NONE;
    }
    if (insn->arg[0] + 1u < ir->n && sum[1].op == IR_PUT && sum[1].arg[0] == insn->arg[0]) {
        return IR_NONE;
    }
    c = (uint64_t)c + insn->imm;
    if (!fits_s32(c)) {
        return IR_NONE;
    }
    insn->arg[0] = sum->arg[0];
    insn->imm = c;
    return AGAIN;
}

/* a narrow store of ext(x) or trunc(x) stores x */
static IrVal rule_store_ext(Ir *ir, IrInsn *insn)
{
    unsigned bits = 8u << (insn->mem & IR_MEM_SIZE);
    const IrInsn *value = def(ir, insn->arg[1]);
    IrVal v = insn->arg[1];

    if (bits == 64 || (insn->type != IR_I32 && insn->type != IR_I64)) {
        return IR_NONE;
    }
    if (value->op == IR_SEXT32 || value->op == IR_ZEXT32 || value->op == IR_TRUNC) {
        v = value->arg[0];
    } else {
        v = strip_above(ir, v, bits);
    }
    if (v == insn->arg[1]) {
        return IR_NONE;
    }
    insn->arg[1] = v;
    insn->type = def(ir, v)->type;
    return AGAIN;
}

/* --- Control --- */

/* an indirect jump to pc_page + c is a direct one, unless it may lead into another context, for which no
 * direct exit is good */
static IrVal rule_goto_known(Ir *ir, IrInsn *insn)
{
    const IrInsn *pc = def_of(ir, insn->arg[0], IR_PC);

    if (!pc || insn->cond == IR_CONTEXT_JUMP || !fits_s32(pc->imm)) {
        return IR_NONE;
    }
    rewrite(insn, IR_GOTO, IR_NONE, IR_NONE);
    insn->imm = pc->imm;
    return AGAIN;
}

/* --- Which rules apply to an op, in order --- */

#define RULES(...)                                                                                 \
    (const FoldRule[])                                                                             \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
#define CMP_RULES rule_cmp_swap, rule_cmp_zero, rule_cmp_setcond, rule_cmp_difference, rule_cmp_sum

static const FoldRule *const rules[IR_NOPS] = {
    [IR_ADD] = RULES(rule_right_zero, rule_add_pc, rule_associate, rule_add_neg),
    [IR_SUB] = RULES(rule_same_is_zero, rule_sub_const, rule_sub_from_zero, rule_sub_of_sum),
    [IR_AND] = RULES(rule_idempotent, rule_and_pc, rule_and_known, rule_associate, rule_and_is_zext,
                     rule_and_not),
    [IR_OR] = RULES(rule_right_zero, rule_idempotent, rule_or_ones, rule_associate),
    [IR_XOR] =
        RULES(rule_right_zero, rule_same_is_zero, rule_xor_ones, rule_xor_setcond, rule_associate),
    [IR_SHL] = RULES(rule_right_zero, rule_shift_count, rule_shift_masked, rule_shift_shift),
    [IR_SHR] = RULES(rule_right_zero, rule_shift_count, rule_shift_masked, rule_shift_shift,
                     rule_shift_back, rule_shift_scaled, rule_shr_known),
    [IR_SAR] = RULES(rule_right_zero, rule_shift_count, rule_shift_masked, rule_shift_shift,
                     rule_shift_back, rule_shift_scaled),
    [IR_ROTL] = RULES(rule_right_zero, rule_shift_count, rule_shift_masked),
    [IR_ROTR] = RULES(rule_right_zero, rule_shift_count, rule_shift_masked),
    [IR_MUL] = RULES(rule_mul_zero, rule_associate, rule_power_of_2),
    [IR_DIVU] = RULES(rule_power_of_2),
    [IR_REMU] = RULES(rule_power_of_2),
    [IR_NEG] = RULES(rule_involution),
    [IR_NOT] = RULES(rule_involution),
    [IR_BSWAP] = RULES(rule_involution),
    [IR_ANDN] = RULES(rule_same_is_zero, rule_andn_const),
    [IR_SEXT8] = RULES(rule_ext_strip, rule_sext_known),
    [IR_SEXT16] = RULES(rule_ext_strip, rule_sext_known),
    [IR_ZEXT8] = RULES(rule_ext_strip, rule_zext_known),
    [IR_ZEXT16] = RULES(rule_ext_strip, rule_zext_known),
    [IR_SEXT32] = RULES(rule_ext_trunc, rule_sext_positive),
    [IR_ZEXT32] = RULES(rule_ext_trunc, rule_ext_setcond),
    [IR_TRUNC] = RULES(rule_trunc_ext, rule_trunc_strip, rule_ext_setcond, rule_trunc_fbox),
    [IR_SETCOND] = RULES(rule_setcond_known, CMP_RULES, rule_setcond_bool),
    [IR_MOVCOND] = RULES(rule_movcond_known, CMP_RULES, rule_movcond_setcond),
    [IR_SBB] = RULES(rule_sbb_same),
    [IR_BORROW] = RULES(rule_borrow_same),
    [IR_LOAD] = RULES(rule_displacement),
    [IR_STORE] = RULES(rule_displacement, rule_store_ext),
    [IR_ATOMIC] = RULES(rule_displacement),
    [IR_CAS] = RULES(rule_displacement),
    [IR_FBITS] = RULES(rule_fbits_fbits),
    [IR_FUNBOX] = RULES(rule_funbox_fbox),
    [IR_EXIT_IF] = RULES(CMP_RULES),
    [IR_GOTO_IND] = RULES(rule_goto_known),
};

/* --- The pass --- */

/* A pure op on constants is a constant. */
static IrVal fold_constants(Ir *ir, const IrInsn *insn)
{
    uint64_t a, b = 0;

    if (!ir_can_eval(insn->op) || !is_uconst(ir, insn->arg[0], &a) ||
        (insn->arg[1] != IR_NONE && !is_uconst(ir, insn->arg[1], &b))) {
        return IR_NONE;
    }
    return fold_const(ir, insn->type, ir_eval(insn->op, insn->type, a, b));
}

/* Constants go right, so that rules look on one side only. */
static void commute(const Ir *ir, IrInsn *insn)
{
    if (ir_op_info[insn->op].props & IR_PROP_COMMUTES && def(ir, insn->arg[0])->op == IR_CONST) {
        IrVal a = insn->arg[0];

        insn->arg[0] = insn->arg[1];
        insn->arg[1] = a;
    }
}

/* The value that equals the pure *insn: an earlier one, or the insn appended. */
static IrVal unique(Ir *ir, const IrInsn *insn)
{
    uint64_t w[3], hash;
    IrVal *slot;

    _Static_assert(sizeof(*insn) == sizeof(w), "an insn is hashed as three words");
    memcpy(w, insn, sizeof(w));
    hash =
        (w[0] * 0x9e3779b97f4a7c15u) ^ (w[1] * 0xc2b2ae3d27d4eb4fu) ^ (w[2] * 0x165667b19e3779f9u);
    slot = &ir->scratch->cse[hash >> 56];
    _Static_assert(IR_CSE_SLOTS == 256, "slots are chosen by eight bits");
    if (*slot < ir->n && !memcmp(&ir->insns[*slot], insn, sizeof(*insn))) {
        return *slot;
    }
    return *slot = ir_append(ir, insn);
}

/* Simplifies *insn and appends it where something of it is left; its value. */
static IrVal fold_insn(Ir *ir, IrInsn *insn)
{
    unsigned rewrites = 0;
    bool again = true;

    while (again && rewrites++ < MAX_REWRITES) {
        IrVal v = fold_constants(ir, insn);

        if (v != IR_NONE) {
            return v;
        }
        again = false;
        commute(ir, insn);
        for (const FoldRule *rule = rules[insn->op]; rule && *rule && !again; rule++) {
            v = (*rule)(ir, insn);
            again = v == AGAIN;
            if (v != IR_NONE && !again) {
                return v;
            }
        }
    }
    if (ir_op_info[insn->op].props & IR_PROP_PURE) {
        return unique(ir, insn);
    }
    return ir_append(ir, insn);
}

/* Appends an EXIT_IF; false when it is always taken, so that the block ends here. */
static bool fold_exit_if(Ir *ir, IrInsn *insn)
{
    bool taken;

    for (unsigned rewrites = 0; rewrites < MAX_REWRITES; rewrites++) {
        const FoldRule *rule = rules[IR_EXIT_IF];

        if (comparison_known(ir, insn, &taken)) {
            if (taken) {
                /* Not ir_goto(): the count of guest instructions is stored already. */
                ir_emit(ir, IR_GOTO, IR_VOID, IR_NONE, IR_NONE, IR_NONE, IR_NONE, insn->imm);
            }
            return !taken;
        }
        while (*rule && (*rule)(ir, insn) == IR_NONE) {
            rule++;
        }
        if (!*rule) {
            break;
        }
    }
    ir_append(ir, insn);
    return true;
}

void ir_opt_fold(Ir *ir)
{
    IrVal *map = ir->scratch->map;
    const IrInsn *old;
    unsigned n = ir_rebuild_begin(ir, &old);

    memset(ir->scratch->cse, 0xff, sizeof(ir->scratch->cse));
    for (unsigned i = 0; i < n; i++) {
        IrInsn insn = old[i];

        ir_map_args(&insn, map);
        if (insn.op == IR_CONST) {
            map[i] = fold_const(ir, insn.type, insn.imm);
        } else if (insn.op == IR_EXIT_IF) {
            if (!fold_exit_if(ir, &insn)) {
                break;
            }
        } else {
            map[i] = fold_insn(ir, &insn);
        }
    }
    ir_check_pass(ir, "opt-fold");
}
