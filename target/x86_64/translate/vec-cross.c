/* SPDX-License-Identifier: MIT */
/* Vector instructions with more to them than one op on each half: lanes that cross, masks, gathers. */
#include "rhea/osdep.h"

#include "vec.h"

static IrVal zero_vec(X86Trans *t)
{
    return ir_emit(t->ir, IR_CONST, IR_V128, IR_NONE, IR_NONE, IR_NONE, IR_NONE, 0);
}

/* --- Broadcasts and halves --- */

/* Without an op: all 128 bits. */
void x86_op_vec_dup(X86Trans *t)
{
    IrVal v = x86_vec_load(t, 1, 0);

    if (t->insn.row->ir_op) {
        v = x86_vec_op(t, v, IR_NONE, IR_NONE, 0);
    }
    x86_vec_store(t, v, t->insn.vex_l ? v : IR_NONE);
}

void x86_op_vec_half(X86Trans *t)
{
    bool high = x86_vec_imm(t) & 1;
    IrVal v = x86_vec_load(t, 2, 0), other = x86_vec_load(t, 1, !high);

    x86_vec_store(t, high ? other : v, high ? v : other);
}

void x86_op_vec_half_get(X86Trans *t)
{
    x86_vec_store(t, x86_vec_load(t, 1, x86_vec_imm(t) & 1), IR_NONE);
}

/* Bits of the immediate for one half: which of four, and zero. */
static IrVal chosen_half(X86Trans *t, unsigned imm, const IrVal *halves)
{
    return imm & 8 ? zero_vec(t) : halves[imm & 3];
}

void x86_op_vec_perm2(X86Trans *t)
{
    unsigned imm = x86_vec_imm(t);
    IrVal halves[4];

    for (unsigned i = 0; i < 4; i++) {
        halves[i] = x86_vec_load(t, 1 + i / 2, i % 2);
    }
    x86_vec_store(t, chosen_half(t, imm, halves), chosen_half(t, imm >> 4, halves));
}

/* --- Permutations across halves --- */

/* Quadwords number @a and @b of four. */
static IrVal two_quads(X86Trans *t, const IrVal *halves, unsigned a, unsigned b)
{
    return x86_vec2(t, IR_VSHUF2, IR_L64, halves[a / 2], halves[b / 2], (a & 1) | (b & 1) << 1);
}

void x86_op_vec_permq(X86Trans *t)
{
    unsigned imm = x86_vec_imm(t);
    IrVal halves[2] = {x86_vec_load(t, 1, 0), x86_vec_load(t, 1, 1)};
    IrVal low = two_quads(t, halves, imm & 3, imm >> 2 & 3);

    x86_vec_store(t, low, two_quads(t, halves, imm >> 4 & 3, imm >> 6));
}

/* Lanes of the third operand by bits 2:0 of the second's: bit 2, shifted to the sign, picks the half. */
void x86_op_vec_permd(X86Trans *t)
{
    IrVal from[2] = {x86_vec_load(t, 2, 0), x86_vec_load(t, 2, 1)}, r[2];

    for (unsigned half = 0; half < 2; half++) {
        IrVal index = x86_vec_load(t, 1, half);
        IrVal sign = ir_vec(t->ir, IR_VSHLI, IR_L32, index, IR_NONE, IR_NONE, 29);
        IrVal low = x86_vec2(t, IR_VPERMV, IR_L32, from[0], index, 0);
        IrVal high = x86_vec2(t, IR_VPERMV, IR_L32, from[1], index, 0);

        r[half] = ir_vec(t->ir, IR_VBLENDV, IR_L32, low, high, sign, 0);
    }
    x86_vec_store(t, r[0], r[1]);
}

/* --- Blends by a register --- */

void x86_op_vec_blendv(X86Trans *t)
{
    IrVal mask = ir_get(t->ir, X86_G_XMM);

    x86_vec_store(t, x86_vec_op(t, x86_vec_load(t, 0, 0), x86_vec_load(t, 1, 0), mask, 0), IR_NONE);
}

void x86_op_vec_blendv4(X86Trans *t)
{
    IrVal r[2] = {IR_NONE, IR_NONE};

    for (unsigned half = 0; half < x86_vec_halves(t); half++) {
        r[half] = x86_vec_op(t, x86_vec_load(t, 1, half), x86_vec_load(t, 2, half),
                             x86_vec_load(t, 3, half), 0);
    }
    x86_vec_store(t, r[0], r[1]);
}

void x86_op_vec_sha256(X86Trans *t)
{
    IrVal words = ir_get(t->ir, X86_G_XMM);

    x86_vec_store(t, x86_vec_op(t, x86_vec_load(t, 0, 0), x86_vec_load(t, 1, 0), words, 0),
                  IR_NONE);
}

/* --- Fused multiply and add: operands in the order of the formula --- */

void x86_op_vec_fma(X86Trans *t)
{
    static const uint8_t order[3][3] = {{0, 2, 1}, {1, 0, 2}, {1, 2, 0}};
    unsigned imm = t->insn.row->ir_imm;
    const uint8_t *op = order[(imm & IR_VFMA_FORM) >> 4];
    unsigned halves = x86_vec_halves(t);
    IrVal v[2][3], r[2] = {IR_NONE, IR_NONE};

    for (unsigned i = 0; i < 3 * halves; i++) {
        v[i / 3][i % 3] = x86_vec_load(t, op[i % 3], i / 3);
    }
    x86_vec_fp_begin(t);
    for (unsigned half = 0; half < halves; half++) {
        r[half] = x86_vec_op(t, v[half][0], v[half][1], v[half][2], imm);
    }
    x86_vec_fp_end(t);
    x86_vec_store(t, r[0], r[1]);
}

/* --- Masked moves and gathers: helpers, as a lane that is not chosen must not be touched --- */

/* What the helper needs to know beside addresses. */
static void store_scratch(X86Trans *t, unsigned n, IrVal v)
{
    ir_stenv(t->ir, IR_MEM_128, (int32_t)(offsetof(X86Env, scratch) + n * sizeof(X86Xmm)), v);
}

static IrVal load_scratch(X86Trans *t, unsigned n)
{
    return ir_ldenv(t->ir, IR_V128, IR_MEM_128,
                    (int32_t)(offsetof(X86Env, scratch) + n * sizeof(X86Xmm)));
}

static void store_scratch_halves(X86Trans *t, unsigned first, unsigned n)
{
    for (unsigned half = 0; half < x86_vec_halves(t); half++) {
        store_scratch(t, first + half, x86_vec_load(t, n, half));
    }
}

static void result_from_scratch(X86Trans *t)
{
    IrVal low = load_scratch(t, 0);

    x86_vec_store(t, low, x86_vec_halves(t) == 2 ? load_scratch(t, 1) : IR_NONE);
}

static unsigned lane_bytes(const X86Trans *t)
{
    return 1u << t->insn.row->ir_lane;
}

static IrVal mask_info(X86Trans *t, unsigned lane, unsigned all, unsigned seg)
{
    return ir_imm(t->ir, lane | all << 8 | t->mmu << 16 | seg << 24);
}

/* Scratch 0 and 1: the data; 2 and 3: the mask. */
void x86_op_vmaskmov(X86Trans *t)
{
    bool load = t->insn.row->op[0].place == X86_P_V;
    IrVal offset = x86_offset(t),
          info = mask_info(t, lane_bytes(t), 16 * x86_vec_halves(t), t->insn.seg);

    store_scratch_halves(t, 2, 1);
    if (load) {
        x86_call2(t, X86_H_MASK_LOAD, offset, info);
        result_from_scratch(t);
    } else {
        store_scratch_halves(t, 0, 2);
        x86_call2(t, X86_H_MASK_STORE, offset, info);
    }
}

/* The implicit operand is DS:rDI. */
void x86_op_maskmov(X86Trans *t)
{
    bool mmx = t->insn.row->attrs & X86_A_MMX;
    unsigned seg = t->insn.override >= 0 ? (unsigned)t->insn.override : X86_DS;
    IrVal offset = x86_wrap(t, ir_get(t->ir, X86_G_REG + X86_RDI), t->insn.adsize);

    store_scratch(t, 0, x86_vec_load(t, 0, 0));
    store_scratch(t, 2, x86_vec_load(t, 1, 0));
    x86_call2(t, X86_H_MASK_STORE, offset, mask_info(t, 1, mmx ? 8 : 16, seg));
    if (mmx) {
        x86_mmx_enter(t);
    }
}

/*
 * VSIB: base and displacement, a vector of indexes.  A fault leaves the lanes done so far in the
 * destination and clears their masks, so the helper works on the registers themselves.
 */
void x86_op_vgather(X86Trans *t)
{
    const X86Insn *insn = &t->insn;
    unsigned regs = insn->reg | insn->vvvv << 4 | (unsigned)insn->index << 8;
    unsigned info = lane_bytes(t) | insn->row->ir_imm << 4 | (insn->vex_l ? 1u << 12 : 0) |
                    (unsigned)insn->scale << 13 | t->mmu << 16 | (unsigned)insn->adsize << 20 |
                    (insn->seg << 24);
    IrVal base =
        insn->base >= 0 ? ir_get(t->ir, X86_G_REG + (unsigned)insn->base) : ir_imm(t->ir, 0);

    if (insn->reg == insn->vvvv || insn->reg == (unsigned)insn->index ||
        insn->vvvv == (unsigned)insn->index || insn->index < 0 || insn->adsize == 2) {
        x86_end_raise(t, X86_EXC_UD);
        return;
    }
    x86_call3(t, X86_H_GATHER, ir_add(t->ir, base, ir_imm(t->ir, insn->disp)), ir_imm(t->ir, regs),
              ir_imm(t->ir, info));
}

/* --- Strings of SSE4.2: scratch 0 and 1 are the operands --- */

void x86_op_pcmpstr(X86Trans *t)
{
    bool index = t->insn.opcode & 1, implicit = t->insn.opcode & 2;
    unsigned imm = x86_vec_imm(t), wide = t->mode64 && t->insn.rex & X86_REX_W;
    IrVal none = ir_imm(t->ir, 0), flags_index;
    IrVal a = implicit ? none : ir_get(t->ir, X86_G_REG + X86_RAX);
    IrVal b = implicit ? none : ir_get(t->ir, X86_G_REG + X86_RDX);

    store_scratch(t, 0, x86_vec_load(t, 0, 0));
    store_scratch(t, 1, x86_vec_load(t, 1, 0));
    /* Result: index in the upper half, flags in the lower one; the mask is in scratch 2. */
    flags_index = ir_call(t->ir, X86_H_PCMPSTR, a, b,
                          ir_imm(t->ir, imm | (implicit ? 1 << 8 : 0) | wide << 9), IR_NONE);
    if (index) {
        ir_put(t->ir, X86_G_REG + X86_RCX, ir_bin(t->ir, IR_SHR, flags_index, ir_imm(t->ir, 32)));
    } else {
        ir_put(t->ir, X86_G_XMM, load_scratch(t, 2));
        if (t->insn.vex) {
            ir_put(t->ir, X86_G_YMMH, zero_vec(t));
        }
    }
    x86_flags_eflags(t, ir_un(t->ir, IR_TRUNC, flags_index));
}
