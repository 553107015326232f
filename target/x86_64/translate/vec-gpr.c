/* SPDX-License-Identifier: MIT */
/* Vector instructions that take or give integers: moves, masks, tests, conversions, MXCSR. */
#include "rhea/osdep.h"

#include "vec.h"

static bool is_mmx(const X86Trans *t)
{
    return t->insn.row->attrs & X86_A_MMX;
}

/* Operand @n, a general register or memory, in 64 bits. */
static IrVal integer(X86Trans *t, unsigned n)
{
    return x86_zext64(t, t->v[n], x86_opnd_size(&t->insn, n));
}

/* The I64 @v as result for the first operand; the core stores it. */
static void result(X86Trans *t, IrVal v)
{
    t->v[0] = x86_narrow(t, v, x86_opnd_size(&t->insn, 0));
}

/* --- Moves --- */

static IrLane integer_lane(const X86Trans *t, unsigned n)
{
    return x86_opnd_size(&t->insn, n) == 8 ? IR_L64 : IR_L32;
}

void x86_op_vec_from(X86Trans *t)
{
    IrVal v = ir_vec(t->ir, IR_VFROM, integer_lane(t, 1), integer(t, 1), IR_NONE, IR_NONE, 0);

    if (is_mmx(t)) {
        x86_mmx_enter(t);
    }
    x86_vec_store(t, v, IR_NONE);
}

void x86_op_vec_to(X86Trans *t)
{
    result(t, ir_vec(t->ir, IR_VEXTRACT, integer_lane(t, 0), x86_vec_load(t, 1, 0), IR_NONE,
                     IR_NONE, 0));
    if (is_mmx(t)) {
        x86_mmx_enter(t);
    }
}

/* The lane of an insertion or extraction: that of the row, or by the operand's size. */
static IrLane row_lane(const X86Trans *t, unsigned n)
{
    IrLane lane = (IrLane)t->insn.row->ir_lane;

    return lane == IR_L32 ? integer_lane(t, n) : lane;
}

/* Bits of the immediate beyond the number of lanes do not count. */
static unsigned lane_number(const X86Trans *t, IrLane lane)
{
    return x86_vec_imm(t) & ((is_mmx(t) ? 7 : 15) >> lane);
}

/* Sources: the vector, then the integer, which are the first two, or (VEX) the second and third. */
void x86_op_vec_insert(X86Trans *t)
{
    unsigned first = t->insn.vex ? 1 : 0;
    IrLane lane = row_lane(t, first + 1);
    IrVal v = ir_vec(t->ir, IR_VINSERT, lane, x86_vec_load(t, first, 0), integer(t, first + 1),
                     IR_NONE, lane_number(t, lane));

    if (is_mmx(t)) {
        x86_mmx_enter(t);
    }
    x86_vec_store(t, v, IR_NONE);
}

void x86_op_vec_extract(X86Trans *t)
{
    IrLane lane = row_lane(t, 0);

    result(t, ir_vec(t->ir, IR_VEXTRACT, lane, x86_vec_load(t, 1, 0), IR_NONE, IR_NONE,
                     lane_number(t, lane)));
    if (is_mmx(t)) {
        x86_mmx_enter(t);
    }
}

void x86_op_vec_movmsk(X86Trans *t)
{
    unsigned lanes = 16u >> t->insn.row->ir_lane;
    IrVal mask = x86_vec_op(t, x86_vec_load(t, 1, 0), IR_NONE, IR_NONE, 0);

    if (x86_vec_halves(t) == 2) {
        IrVal high = x86_vec_op(t, x86_vec_load(t, 1, 1), IR_NONE, IR_NONE, 0);

        mask = ir_or(t->ir, mask, ir_bin(t->ir, IR_SHL, high, ir_imm(t->ir, lanes)));
    }
    result(t, mask);
    if (is_mmx(t)) {
        x86_mmx_enter(t);
    }
}

/* --- Bit fields in the low quadword (SSE4A) --- */

static IrVal low_quad(X86Trans *t, unsigned n)
{
    return ir_vec(t->ir, IR_VEXTRACT, IR_L64, x86_vec_load(t, n, 0), IR_NONE, IR_NONE, 0);
}

/* The upper quadword is undefined: processors clear it. */
static void put_low_quad(X86Trans *t, IrVal v)
{
    x86_vec_store(t, ir_vec(t->ir, IR_VFROM, IR_L64, v, IR_NONE, IR_NONE, 0), IR_NONE);
}

/* As many ones as the six low bits of @length say; 0 stands for 64. */
static IrVal field_mask(X86Trans *t, IrVal length)
{
    IrVal rest = ir_sub(t->ir, ir_imm(t->ir, 64), length);

    return ir_bin(t->ir, IR_SHR, ir_imm(t->ir, ~0ULL), ir_and(t->ir, rest, ir_imm(t->ir, 63)));
}

/* Shift counts of 64 bits go by their six low bits, as these do. */
static void extract_field(X86Trans *t, IrVal length, IrVal first)
{
    IrVal v = ir_bin(t->ir, IR_SHR, low_quad(t, 0), first);

    put_low_quad(t, ir_and(t->ir, v, field_mask(t, length)));
}

static void insert_field(X86Trans *t, IrVal length, IrVal first)
{
    IrVal mask = field_mask(t, length), old = low_quad(t, 0);
    IrVal v = ir_bin(t->ir, IR_SHL, ir_and(t->ir, low_quad(t, 1), mask), first);
    IrVal hole = ir_bin(t->ir, IR_SHL, mask, first);

    hole = ir_xor(t->ir, hole, ir_imm(t->ir, ~0ULL));
    put_low_quad(t, ir_or(t->ir, ir_and(t->ir, old, hole), v));
}

static IrVal six_bits(X86Trans *t, IrVal v, unsigned at)
{
    return ir_and(t->ir, ir_bin(t->ir, IR_SHR, v, ir_imm(t->ir, at)), ir_imm(t->ir, 63));
}

static IrVal field_imm(X86Trans *t, unsigned n)
{
    return ir_imm(t->ir, t->insn.imm[n] & 63);
}

void x86_op_vec_extrqi(X86Trans *t)
{
    extract_field(t, field_imm(t, 1), field_imm(t, 2));
}

void x86_op_vec_extrq(X86Trans *t)
{
    IrVal field = low_quad(t, 1);

    extract_field(t, six_bits(t, field, 0), six_bits(t, field, 8));
}

void x86_op_vec_insertqi(X86Trans *t)
{
    insert_field(t, field_imm(t, 2), field_imm(t, 3));
}

/* Which field: in the upper quadword of the source. */
void x86_op_vec_insertq(X86Trans *t)
{
    IrVal field = ir_vec(t->ir, IR_VEXTRACT, IR_L64, x86_vec_load(t, 1, 0), IR_NONE, IR_NONE, 1);

    insert_field(t, six_bits(t, field, 0), six_bits(t, field, 8));
}

/* --- Flags --- */

static void put_flags(X86Trans *t, IrVal i64)
{
    x86_flags_eflags(t, ir_un(t->ir, IR_TRUNC, i64));
}

void x86_op_vec_comi(X86Trans *t)
{
    IrVal a = x86_vec_load(t, 0, 0), b = x86_vec_load(t, 1, 0), v;

    x86_vec_fp_begin(t);
    v = x86_vec_op(t, a, b, IR_NONE, t->insn.row->ir_imm);
    x86_vec_fp_end(t);
    put_flags(t, v);
}

void x86_op_vec_test(X86Trans *t)
{
    IrVal v = x86_vec_op(t, x86_vec_load(t, 0, 0), x86_vec_load(t, 1, 0), IR_NONE, 0);

    if (x86_vec_halves(t) == 2) {
        IrVal high = x86_vec_op(t, x86_vec_load(t, 0, 1), x86_vec_load(t, 1, 1), IR_NONE, 0);

        v = ir_and(t->ir, v, high);
    }
    put_flags(t, v);
}

void x86_op_vec_vtest(X86Trans *t)
{
    x86_op_vec_test(t);
}

/* --- Conversions --- */

void x86_op_vec_fromint(X86Trans *t)
{
    unsigned first = t->insn.vex ? 1 : 0;
    unsigned wide = x86_opnd_size(&t->insn, first + 1) == 8 ? IR_VINT_64 : 0;
    IrVal v;

    x86_vec_fp_begin(t);
    v = x86_vec_op(t, x86_vec_load(t, first, 0), integer(t, first + 1), IR_NONE, wide);
    x86_vec_fp_end(t);
    x86_vec_store(t, v, IR_NONE);
}

void x86_op_vec_toint(X86Trans *t)
{
    unsigned imm = t->insn.row->ir_imm | (x86_opnd_size(&t->insn, 0) == 8 ? IR_VINT_64 : 0);
    IrVal v = x86_vec_load(t, 1, 0);

    x86_vec_fp_begin(t);
    v = x86_vec_op(t, v, IR_NONE, IR_NONE, imm);
    x86_vec_fp_end(t);
    result(t, v);
}

/* From two integers in an MMX register: single precision leaves the upper half. */
void x86_op_vec_frompi(X86Trans *t)
{
    IrVal v = x86_vec_load(t, 1, 0);

    if (!x86_modrm_is_mem(&t->insn)) {
        x86_mmx_enter(t); /* also if it ends in an exception */
    }
    x86_vec_fp_begin(t);
    v = x86_vec_op(t, v, IR_NONE, IR_NONE, 0);
    x86_vec_fp_end(t);
    if (t->insn.row->ir_lane == IR_PS) {
        v = x86_vec2(t, IR_VBLEND, IR_L64, x86_vec_load(t, 0, 0), v, 1);
    }
    x86_vec_store(t, v, IR_NONE);
}

/* To two integers in an MMX register: the upper half of a source must not raise exceptions. */
void x86_op_vec_topi(X86Trans *t)
{
    IrVal v = x86_vec_load(t, 1, 0);
    IrVal zero = ir_emit(t->ir, IR_CONST, IR_V128, IR_NONE, IR_NONE, IR_NONE, IR_NONE, 0);

    if (t->insn.row->ir_lane == IR_PS) {
        v = x86_vec2(t, IR_VBLEND, IR_L64, zero, v, 1);
    }
    x86_mmx_enter(t); /* also if it ends in an exception */
    x86_vec_fp_begin(t);
    v = x86_vec_op(t, v, IR_NONE, IR_NONE, t->insn.row->ir_imm);
    x86_vec_fp_end(t);
    x86_vec_store(t, v, IR_NONE);
}

/* --- State --- */

void x86_op_emms(X86Trans *t)
{
    x86_mmx_enter(t);
    ir_stenv(t->ir, IR_MEM_8, offsetof(X86Env, fpu_tags), ir_imm32(t->ir, 0));
}

/* Masks and modes are in the key and in the host's register: what follows is another context. */
void x86_op_ldmxcsr(X86Trans *t)
{
    x86_call1(t, X86_H_LDMXCSR, integer(t, 0));
    x86_end_context(t);
}

void x86_op_stmxcsr(X86Trans *t)
{
    t->v[0] = ir_un(t->ir, IR_TRUNC, x86_call0(t, X86_H_STMXCSR));
}
