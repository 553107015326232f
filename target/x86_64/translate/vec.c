/* SPDX-License-Identifier: MIT */
/*
 * Vector instructions: operands, and those that are one vector op lane by lane, whose rows in the maps
 * name it (ir=).
 *
 * Legacy SSE leaves the upper half of a YMM register, VEX clears it.  Memory operands of 16 bytes must
 * be aligned in SSE but for the instructions that say otherwise, and need not in AVX but for those that
 * say so: #GP from IR_MEM_ALIGN (x86_misaligned()).
 */
#include "rhea/osdep.h"

#include "vec.h"

enum { WIDE = 32, MXCSR_EXCEPTIONS = 0x3f };

/* --- May it run? --- */

static bool raise_unless(X86Trans *t, bool ok, unsigned vector)
{
    if (!ok) {
        x86_end_raise(t, vector);
    }
    return ok;
}

/* VPEXTRQ and VPINSRQ are not there outside 64-bit mode, where other instructions ignore VEX.W. */
static bool is_quad_move(const X86Trans *t)
{
    const X86Row *row = t->insn.row;

    if (!(t->insn.rex & X86_REX_W) || (row->ir_op != IR_VINSERT && row->ir_op != IR_VEXTRACT)) {
        return false;
    }
    for (unsigned n = 0; n < row->nops; n++) {
        if (row->op[n].size == X86_SIZE_Y) {
            return true;
        }
    }
    return false;
}

static bool avx_may_run(X86Trans *t)
{
    bool wide_ok =
        !(t->insn.row->attrs & X86_A_AVX2) || !t->insn.vex_l || x86_has(t->model, X86_F_AVX2);
    bool there = t->mode64 || !is_quad_move(t);

    return raise_unless(t, t->key & X86_KEY_AVX && wide_ok && there, X86_EXC_UD) &&
           raise_unless(t, !(t->key & X86_KEY_TS), X86_EXC_NM);
}

bool x86_vec_may_run(X86Trans *t)
{
    uint32_t attrs = t->insn.row->attrs;

    if (attrs & X86_A_AVX) {
        return avx_may_run(t);
    }
    if (attrs & (X86_A_SSE | X86_A_MMX) && !raise_unless(t, !(t->key & X86_KEY_EM), X86_EXC_UD)) {
        return false;
    }
    if (attrs & X86_A_SSE && !raise_unless(t, t->key & X86_KEY_SSE, X86_EXC_UD)) {
        return false;
    }
    if (attrs & X86_A_X87) { /* pending exceptions are the body's: not all instructions wait */
        return raise_unless(t, !(t->key & (X86_KEY_EM | X86_KEY_TS)), X86_EXC_NM);
    }
    if (attrs & (X86_A_SSE | X86_A_MMX) && !raise_unless(t, !(t->key & X86_KEY_TS), X86_EXC_NM)) {
        return false;
    }
    if (attrs & X86_A_MMX) {
        x86_x87_check(t);
    }
    return true;
}

/* --- Operands --- */

bool x86_vec_place(unsigned place)
{
    switch (place) {
    case X86_P_V:
    case X86_P_W:
    case X86_P_H:
    case X86_P_L:
    case X86_P_U:
    case X86_P_N:
    case X86_P_P:
    case X86_P_Q: return true;
    default: return false;
    }
}

static bool is_mmx_place(unsigned place)
{
    return place == X86_P_N || place == X86_P_P || place == X86_P_Q;
}

/* The register that operand @n names. */
static unsigned vec_register(const X86Trans *t, unsigned n)
{
    switch (t->insn.row->op[n].place) {
    case X86_P_V: return t->insn.reg;
    case X86_P_H: return t->insn.vvvv;
    case X86_P_L: return (unsigned)t->insn.imm[n] >> 4 & (t->mode64 ? 15 : 7);
    case X86_P_P: return t->insn.reg & 7;
    case X86_P_N:
    case X86_P_Q: return t->insn.rm & 7;
    default: return t->insn.rm;
    }
}

static int32_t mmx_offset(unsigned reg)
{
    return (int32_t)(offsetof(X86Env, st) + reg * sizeof(X86Fp80) + offsetof(X86Fp80, sig));
}

static bool must_align(const X86Trans *t)
{
    uint32_t attrs = t->insn.row->attrs;

    return attrs & X86_A_AVX ? attrs & X86_A_ALIGNED : !(attrs & X86_A_UNALIGNED);
}

/* The address of a vector operand; of 32 bytes that must be aligned, one that is odd unless they are. */
static IrVal vec_address(X86Trans *t, unsigned n, MemAccess access)
{
    unsigned size = x86_opnd_size(&t->insn, n);
    IrVal addr = x86_address(t, size, access), odd;

    if (size != WIDE || !must_align(t)) {
        return addr;
    }
    odd = ir_and(t->ir, ir_bin(t->ir, IR_SHR, addr, ir_imm(t->ir, 4)), ir_imm(t->ir, 1));
    return ir_or(t->ir, addr, odd);
}

static IrMem vec_mem(const X86Trans *t, unsigned size)
{
    switch (size) {
    case 4: return IR_MEM_32;
    case 8: return IR_MEM_64;
    default: return IR_MEM_128 | (must_align(t) ? IR_MEM_ALIGN : 0);
    }
}

static IrVal load_memory(X86Trans *t, unsigned n, unsigned half)
{
    unsigned size = x86_opnd_size(&t->insn, n);
    IrVal addr;

    if (size < 4) {
        addr = x86_address(t, size, ACCESS_READ);
        return ir_vec(t->ir, IR_VFROM, IR_L64,
                      ir_load(t->ir, IR_I64, x86_log2(size), t->mmu, addr, 0), IR_NONE, IR_NONE, 0);
    }
    addr = vec_address(t, n, ACCESS_READ);
    return ir_load(t->ir, IR_V128, vec_mem(t, size), t->mmu, addr, size == WIDE ? 16 * half : 0);
}

IrVal x86_vec_load(X86Trans *t, unsigned n, unsigned half)
{
    unsigned place = t->insn.row->op[n].place, reg = vec_register(t, n);

    if (x86_opnd_is_modrm_mem(&t->insn, n)) {
        return load_memory(t, n, half);
    }
    if (is_mmx_place(place)) {
        return ir_ldenv(t->ir, IR_V128, IR_MEM_64, mmx_offset(reg));
    }
    /* The size of an operand in imm8[7:4] is the immediate's. */
    if (half && (x86_opnd_size(&t->insn, n) == WIDE || place == X86_P_L)) {
        return ir_get(t->ir, X86_G_YMMH + reg);
    }
    return ir_get(t->ir, X86_G_XMM + reg);
}

static void store_memory(X86Trans *t, IrVal low, IrVal high)
{
    unsigned size = x86_opnd_size(&t->insn, 0);
    IrVal addr = vec_address(t, 0, ACCESS_WRITE);
    IrMem mem = vec_mem(t, size);

    if (size == WIDE && !must_align(t)) {
        /* The page of the last byte first: if it faults nothing has been written. */
        ir_store(t->ir, mem, t->mmu, addr, 16, high);
    }
    ir_store(t->ir, mem, t->mmu, addr, 0, low);
    if (size == WIDE && must_align(t)) {
        ir_store(t->ir, mem, t->mmu, addr, 16, high);
    }
}

void x86_mmx_enter(X86Trans *t)
{
    enum { TOP = 7 << 11 };
    IrVal sw = ir_ldenv(t->ir, IR_I32, IR_MEM_16, offsetof(X86Env, fpu_sw));

    ir_stenv(t->ir, IR_MEM_16, offsetof(X86Env, fpu_sw), ir_and(t->ir, sw, ir_imm32(t->ir, ~TOP)));
    ir_stenv(t->ir, IR_MEM_8, offsetof(X86Env, fpu_tags), ir_imm32(t->ir, 0xff));
}

static void store_mmx(X86Trans *t, unsigned reg, IrVal v)
{
    ir_stenv(t->ir, IR_MEM_64, mmx_offset(reg), v);
    ir_stenv(t->ir, IR_MEM_16, (int32_t)(offsetof(X86Env, st[reg].se)), ir_imm32(t->ir, 0xffff));
}

void x86_vec_store(X86Trans *t, IrVal low, IrVal high)
{
    unsigned reg = vec_register(t, 0);

    if (x86_opnd_is_modrm_mem(&t->insn, 0)) {
        store_memory(t, low, high);
        return;
    }
    if (is_mmx_place(t->insn.row->op[0].place)) {
        store_mmx(t, reg, low);
        return;
    }
    ir_put(t->ir, X86_G_XMM + reg, low);
    if (t->insn.vex) {
        ir_put(t->ir, X86_G_YMMH + reg,
               high != IR_NONE
                   ? high
                   : ir_emit(t->ir, IR_CONST, IR_V128, IR_NONE, IR_NONE, IR_NONE, IR_NONE, 0));
    }
}

unsigned x86_vec_halves(const X86Trans *t)
{
    for (unsigned n = 0; n < t->insn.row->nops; n++) {
        if (x86_opnd_size(&t->insn, n) == WIDE) {
            return 2;
        }
    }
    return 1;
}

unsigned x86_vec_imm(const X86Trans *t)
{
    for (unsigned n = 0; n < t->insn.row->nops; n++) {
        if (t->insn.row->op[n].place == X86_P_I) {
            return (uint8_t)t->insn.imm[n];
        }
    }
    return 0;
}

/* --- Exceptions of floating point --- */

void x86_vec_fp_begin(X86Trans *t)
{
    if (t->key & X86_KEY_FPEXC) {
        x86_call0(t, X86_H_FP_BEGIN);
    }
}

void x86_vec_fp_end(X86Trans *t)
{
    if (t->key & X86_KEY_FPEXC) {
        x86_call0(t, X86_H_FP_END);
    }
}

/* --- Instructions that are one op --- */

IrVal x86_vec_op(X86Trans *t, IrVal a, IrVal b, IrVal c, unsigned imm)
{
    const X86Row *row = t->insn.row;

    return ir_vec(t->ir, (IrOp)row->ir_op, (IrLane)row->ir_lane, a, b, c, imm);
}

/* The part of an immediate that counts for the second half: a bit or more for each lane. */
static unsigned imm_of_half(const X86Row *row, unsigned imm, unsigned half)
{
    if (!half) {
        return imm;
    }
    switch (row->ir_op) {
    case IR_VBLEND:
        return row->ir_lane == IR_L16 ? imm : row->ir_lane == IR_L32 ? imm >> 4 : imm >> 2;
    case IR_VSHUF2: return row->ir_lane == IR_L64 ? imm >> 2 : imm;
    case IR_VMPSAD: return imm >> 3;
    default: return imm;
    }
}

/* MMX: where a result's low half depends on both arguments' widths. */
static IrVal mmx_op(X86Trans *t, IrVal a, IrVal b, unsigned imm)
{
    const X86Row *row = t->insn.row;
    IrVal both;

    switch (row->ir_op) {
    case IR_VPACKS:
    case IR_VPACKU:
    case IR_VHADD:
    case IR_VHADDSS:
    case IR_VHSUB:
    case IR_VHSUBSS:
        both = x86_vec2(t, IR_VUNPKLO, IR_L64, a, b, 0);
        return x86_vec_op(t, both, both, IR_NONE, 0);
    case IR_VUNPKHI:
        both = x86_vec2(t, IR_VUNPKLO, (IrLane)row->ir_lane, a, b, 0);
        return x86_vec2(t, IR_VUNPKHI, IR_L64, both, both, 0);
    case IR_VALIGN:
        both = x86_vec2(t, IR_VUNPKLO, IR_L64, b, a, 0);
        return ir_vec(t->ir, IR_VSHRBYTES, 0, both, IR_NONE, IR_NONE, imm);
    case IR_VSHUFB: {
        IrVal mask =
            ir_vec(t->ir, IR_VFROM, IR_L64, ir_imm(t->ir, 0x8787878787878787), IR_NONE, IR_NONE, 0);

        return x86_vec_op(t, a, x86_vec2(t, IR_VAND, 0, b, mask, 0), IR_NONE, 0);
    }
    default: return x86_vec_op(t, a, b, IR_NONE, imm);
    }
}

/* The sources of half @half, in the order of the IR op. */
static void load_sources(X86Trans *t, unsigned half, IrVal v[3])
{
    const X86Row *row = t->insn.row;
    unsigned nargs = ir_op_info[row->ir_op].nargs, n = 0;

    v[0] = v[1] = v[2] = IR_NONE;
    for (unsigned k = 0; k < row->nops && n < nargs; k++) {
        if (row->op[k].access & X86_OPND_READ && x86_vec_place(row->op[k].place)) {
            v[n++] = x86_vec_load(t, k, half);
        }
    }
    if (n < nargs) {
        v[1] = v[0]; /* packed form of an op whose scalar form has a source for the other lanes */
    }
    if (row->attrs & X86_A_SWAP) {
        IrVal first = v[0];

        v[0] = v[1];
        v[1] = first;
    }
}

static IrVal one_half(X86Trans *t, unsigned half, const IrVal v[3])
{
    const X86Row *row = t->insn.row;
    unsigned imm = imm_of_half(row, x86_vec_imm(t) | row->ir_imm, half);

    if (row->ir_op == IR_VFCMP && !t->insn.vex) {
        imm &= 7;
    } else if (row->ir_op == IR_VINSERTPS && x86_modrm_is_mem(&t->insn)) {
        imm &= 0x3f; /* there is one lane to choose from */
    }
    return row->attrs & X86_A_MMX ? mmx_op(t, v[0], v[1], imm)
                                  : x86_vec_op(t, v[0], v[1], v[2], imm);
}

/* Loads come first: what faults must not find flags put aside. */
static void lane_by_lane(X86Trans *t)
{
    const X86Row *row = t->insn.row;
    bool fp = ir_op_info[row->ir_op].props & IR_PROP_FP;
    unsigned halves = x86_vec_halves(t);
    IrVal v[2][3], r[2] = {IR_NONE, IR_NONE};

    for (unsigned half = 0; half < halves; half++) {
        load_sources(t, half, v[half]);
    }
    if (fp) {
        x86_vec_fp_begin(t);
    }
    for (unsigned half = 0; half < halves; half++) {
        r[half] = one_half(t, half, v[half]);
    }
    if (fp) {
        x86_vec_fp_end(t);
    }
    if (row->attrs & X86_A_MMX) {
        x86_mmx_enter(t);
    }
    x86_vec_store(t, r[0], r[1]);
}

void x86_op_vec(X86Trans *t)
{
    lane_by_lane(t);
}

void x86_op_veci(X86Trans *t)
{
    lane_by_lane(t);
}

void x86_op_vec1(X86Trans *t)
{
    lane_by_lane(t);
}

void x86_op_vec1i(X86Trans *t)
{
    lane_by_lane(t);
}

void x86_op_vec3(X86Trans *t)
{
    lane_by_lane(t);
}

void x86_op_vec3i(X86Trans *t)
{
    lane_by_lane(t);
}

/* --- Moves --- */

static IrVal low_64(X86Trans *t, IrVal v)
{
    IrVal zero = ir_emit(t->ir, IR_CONST, IR_V128, IR_NONE, IR_NONE, IR_NONE, IR_NONE, 0);

    return x86_vec2(t, IR_VBLEND, IR_L64, zero, v, 1);
}

void x86_op_vmov(X86Trans *t)
{
    bool narrow = x86_opnd_size(&t->insn, 0) == 8 || x86_opnd_size(&t->insn, 1) == 8;
    IrVal low = x86_vec_load(t, 1, 0), high = IR_NONE;

    if (x86_vec_halves(t) == 2) {
        high = x86_vec_load(t, 1, 1);
    }
    if (narrow && !x86_modrm_is_mem(&t->insn) && !is_mmx_place(t->insn.row->op[1].place)) {
        low = low_64(t, low);
    }
    if (t->insn.row->attrs & X86_A_MMX) {
        x86_mmx_enter(t);
    }
    x86_vec_store(t, low, high);
}

void x86_op_vzero(X86Trans *t)
{
    IrVal zero = ir_emit(t->ir, IR_CONST, IR_V128, IR_NONE, IR_NONE, IR_NONE, IR_NONE, 0);

    for (unsigned reg = 0; reg < (t->mode64 ? 16 : 8); reg++) {
        ir_put(t->ir, X86_G_YMMH + reg, zero);
        if (t->insn.vex_l) {
            ir_put(t->ir, X86_G_XMM + reg, zero);
        }
    }
}

/* --- Results of another width than the source --- */

void x86_op_vec_widen(X86Trans *t)
{
    const X86Row *row = t->insn.row;
    IrVal v = x86_vec_load(t, 1, 0), low, high = IR_NONE;
    bool fp = ir_op_info[row->ir_op].props & IR_PROP_FP;
    bool two = ir_op_info[row->ir_op].nargs == 2; /* VFCVT: the source is the second */

    if (fp) {
        x86_vec_fp_begin(t);
    }
    low = x86_vec_op(t, v, two ? v : IR_NONE, IR_NONE, row->ir_imm);
    if (x86_vec_halves(t) == 2) {
        unsigned used = x86_opnd_size(&t->insn, 1) / 2;
        IrVal rest = ir_vec(t->ir, IR_VSHRBYTES, 0, v, IR_NONE, IR_NONE, used);

        high = x86_vec_op(t, rest, two ? rest : IR_NONE, IR_NONE, row->ir_imm);
    }
    if (fp) {
        x86_vec_fp_end(t);
    }
    x86_vec_store(t, low, high);
}

/* Two doubles become half a vector; two such halves are put together. */
void x86_op_vec_narrow(X86Trans *t)
{
    const X86Row *row = t->insn.row;
    bool two = ir_op_info[row->ir_op].nargs == 2;
    unsigned halves = x86_vec_halves(t);
    IrVal v[2], r[2];

    for (unsigned half = 0; half < halves; half++) {
        v[half] = x86_vec_load(t, 1, half);
    }
    x86_vec_fp_begin(t);
    for (unsigned half = 0; half < halves; half++) {
        r[half] = x86_vec_op(t, v[half], two ? v[half] : IR_NONE, IR_NONE, row->ir_imm);
    }
    x86_vec_fp_end(t);
    if (halves == 2) {
        r[0] = x86_vec2(t, IR_VUNPKLO, IR_L64, r[0], r[1], 0);
    }
    x86_vec_store(t, r[0], IR_NONE);
}

/* Each half gives 64 bits, the immediate is the rounding. */
void x86_op_vec_ftohalf(X86Trans *t)
{
    IrVal r[2];
    unsigned halves = x86_vec_halves(t);

    if (x86_modrm_is_mem(&t->insn)) { /* a fault comes before the flags */
        unsigned size = x86_opnd_size(&t->insn, 0);

        x86_call2(t, X86_H_PROBE_WRITE, x86_address(t, size, ACCESS_WRITE),
                  ir_imm(t->ir, size | t->mmu << 8));
    }
    x86_vec_fp_begin(t);
    for (unsigned half = 0; half < halves; half++) {
        r[half] = x86_vec_op(t, x86_vec_load(t, 1, half), IR_NONE, IR_NONE, x86_vec_imm(t));
    }
    x86_vec_fp_end(t);
    if (halves == 2) {
        r[0] = x86_vec2(t, IR_VUNPKLO, IR_L64, r[0], r[1], 0);
    }
    x86_vec_store(t, r[0], IR_NONE);
}
