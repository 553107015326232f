/* SPDX-License-Identifier: MIT */
/* See random-ir.h. */
#include "rhea/osdep.h"

#include "random-ir.h"
#include "tcg/ir-private.h"

enum { MAX_VALUES = 24 }; /* kept by type: the last ones defined */

typedef struct Gen {
    GRand *rand;
    Ir *ir;
    IrVal values[IR_NTYPES][MAX_VALUES];
    unsigned n[IR_NTYPES];
    int64_t page_rel;
} Gen;

static unsigned below(Gen *g, unsigned n)
{
    return g_rand_int_range(g->rand, 0, n);
}

static bool one_in(Gen *g, unsigned n)
{
    return below(g, n) == 0;
}

static uint64_t random64(GRand *rand)
{
    return (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand);
}

/* Numbers on which arithmetic goes wrong. */
static uint64_t interesting(GRand *rand)
{
    static const uint64_t numbers[] = {
        0,
        0,
        1,
        1,
        2,
        3,
        4,
        7,
        8,
        16,
        24,
        31,
        32,
        33,
        48,
        56,
        63,
        64,
        0x7f,
        0x80,
        0xff,
        0x100,
        0x7fff,
        0x8000,
        0xffff,
        0x7fffffff,
        0x80000000,
        0xffffffff,
        0x100000000,
        0xffffffff80000000,
        0x7fffffffffffffff,
        0x8000000000000000,
        ~0ULL,
        ~1ULL,
        -8ULL,
        -32ULL,
        -128ULL,
        -129ULL,
        -4096ULL,
        FX_RAM,
        FX_RAM + 0xffc,
        FX_RAM + 0x2ffc,
    };

    if (g_rand_int_range(rand, 0, 6) == 0) {
        return random64(rand);
    }
    return numbers[g_rand_int_range(rand, 0, ARRAY_SIZE(numbers))];
}

static uint64_t interesting_float(GRand *rand, bool wide)
{
    static const uint64_t f64s[] = {
        0,
        1ULL << 63,
        0x3ff0000000000000,
        0xbff0000000000000,
        0x4008000000000000,
        0x7ff0000000000000,
        0xfff0000000000000,
        0x7ff8000000000000,
        0x7ff0000000000001,
        0xfff8000000001234,
        1,
        0x000fffffffffffff,
        0x0010000000000000,
        0x7fefffffffffffff,
        0x41dfffffffe00000,
        0xc1e0000000000000,
        0x43e0000000000000,
        0xffffffff3f800000,
        0x3fe0000000000000,
        0x3fd5555555555555,
        0x380fffffffffffff,
    };
    static const uint32_t f32s[] = {
        0,          1U << 31,   0x3f800000, 0xbf800000, 0x40400000, 0x7f800000, 0xff800000,
        0x7fc00000, 0x7f800001, 0xffc01234, 1,          0x007fffff, 0x00800000, 0x7f7fffff,
        0x4effffff, 0xcf000000, 0x5f000000, 0x3eaaaaab, 0x3f000000,
    };

    if (g_rand_int_range(rand, 0, 5) == 0) {
        return wide ? random64(rand) : g_rand_int(rand);
    }
    return wide ? f64s[g_rand_int_range(rand, 0, ARRAY_SIZE(f64s))]
                : f32s[g_rand_int_range(rand, 0, ARRAY_SIZE(f32s))];
}

/* --- Values --- */

static IrVal keep(Gen *g, IrVal v)
{
    IrType t = ir_type(g->ir, v);

    if (g->n[t] < MAX_VALUES) {
        g->values[t][g->n[t]++] = v;
    } else {
        g->values[t][below(g, MAX_VALUES)] = v;
    }
    return v;
}

static IrVal gen_const(Gen *g, IrType t)
{
    int64_t v;

    switch (t) {
    case IR_I32: return ir_imm32(g->ir, interesting(g->rand));
    case IR_I64: return ir_imm(g->ir, interesting(g->rand));
    case IR_V128:
        return ir_emit(g->ir, IR_CONST, t, IR_NONE, IR_NONE, IR_NONE, IR_NONE,
                       -(int64_t)below(g, 2));
    default:
        v = interesting_float(g->rand, t == IR_F64);
        return ir_emit(g->ir, IR_CONST, t, IR_NONE, IR_NONE, IR_NONE, IR_NONE, v);
    }
}

static unsigned random_global(Gen *g, IrType t)
{
    switch (t) {
    case IR_I32: return FX_W + below(g, FX_NW);
    case IR_I64: return FX_X + below(g, FX_NX);
    case IR_F32: return FX_S + below(g, FX_NS);
    case IR_V128: return FX_V + below(g, FX_NV);
    default: return FX_D + below(g, FX_ND);
    }
}

static IrVal pick(Gen *g, IrType t)
{
    if (one_in(g, 6)) {
        return keep(g, gen_const(g, t));
    }
    if (g->n[t] == 0 || one_in(g, 6)) {
        return keep(g, ir_get(g->ir, random_global(g, t)));
    }
    return g->values[t][one_in(g, 2) ? g->n[t] - 1 : below(g, g->n[t])];
}

static IrType int_type(Gen *g)
{
    return one_in(g, 3) ? IR_I32 : IR_I64;
}

static IrType float_type(Gen *g)
{
    return one_in(g, 2) ? IR_F32 : IR_F64;
}

static IrType any_type(Gen *g)
{
    return one_in(g, 4) ? float_type(g) : int_type(g);
}

static IrCond int_cond(Gen *g)
{
    return below(g, IR_GTU + 1);
}

/* --- Instructions --- */

static void gen_binary(Gen *g)
{
    static const IrOp ops[] = {IR_ADD, IR_ADD, IR_SUB, IR_AND,  IR_OR,   IR_XOR, IR_SHL,
                               IR_SHR, IR_SAR, IR_MUL, IR_ANDN, IR_ROTL, IR_ROTR};
    IrType t = int_type(g);
    IrVal a = pick(g, t), b = one_in(g, 3) ? keep(g, gen_const(g, t)) : pick(g, t);
    IrOp op = ops[below(g, ARRAY_SIZE(ops))];

    keep(g, ir_bin(g->ir, op, a, b));
}

static void gen_wide_product(Gen *g)
{
    static const IrOp ops[] = {IR_MULHU, IR_MULHS, IR_CLMUL, IR_CLMULH};
    IrVal a = pick(g, IR_I64), b = pick(g, IR_I64);

    keep(g, ir_bin(g->ir, ops[below(g, ARRAY_SIZE(ops))], a, b));
}

/* A sum with a carry, the carry out of it, or both, which a backend may do at once. */
static void gen_carry(Gen *g)
{
    bool add = one_in(g, 2);
    unsigned which = 1 + below(g, 3);
    IrType t = int_type(g);
    IrVal a = pick(g, t), b = one_in(g, 4) ? gen_const(g, t) : pick(g, t);
    IrVal in = ir_and(g->ir, pick(g, IR_I32), ir_imm32(g->ir, 1));

    if (which & 1) {
        keep(g, ir_emit(g->ir, add ? IR_ADC : IR_SBB, t, a, b, in, IR_NONE, 0));
    }
    if (which & 2) {
        keep(g, ir_emit(g->ir, add ? IR_CARRY : IR_BORROW, IR_I32, a, b, in, IR_NONE, 0));
    }
}

/* Operands for which division is defined: divisor odd, dividend not negative. */
static void gen_division(Gen *g)
{
    static const IrOp ops[] = {IR_DIVU, IR_DIVS, IR_REMU, IR_REMS};
    IrType t = int_type(g);
    IrVal one = t == IR_I32 ? ir_imm32(g->ir, 1) : ir_imm(g->ir, 1);
    IrVal a = ir_bin(g->ir, IR_SHR, pick(g, t), one), b;

    if (one_in(g, 2)) {
        b = t == IR_I32 ? ir_imm32(g->ir, 1 << below(g, 31)) : ir_imm(g->ir, 1ULL << below(g, 63));
    } else {
        b = ir_or(g->ir, pick(g, t), one);
    }
    keep(g, ir_bin(g->ir, ops[below(g, ARRAY_SIZE(ops))], a, b));
}

static void gen_unary(Gen *g)
{
    static const IrOp ops[] = {IR_NEG,   IR_NOT,   IR_CLZ,    IR_CTZ,   IR_POPCNT,
                               IR_BSWAP, IR_SEXT8, IR_SEXT16, IR_ZEXT8, IR_ZEXT16};

    keep(g, ir_un(g->ir, ops[below(g, ARRAY_SIZE(ops))], pick(g, int_type(g))));
}

static void gen_resize(Gen *g)
{
    switch (below(g, 4)) {
    case 0: keep(g, ir_un(g->ir, IR_SEXT32, pick(g, IR_I32))); break;
    case 1: keep(g, ir_un(g->ir, IR_ZEXT32, pick(g, IR_I32))); break;
    case 2: keep(g, ir_un(g->ir, IR_TRUNC, pick(g, IR_I64))); break;
    default: {
        IrVal low = ir_un(g->ir, IR_TRUNC, pick(g, IR_I64));

        keep(g, ir_un(g->ir, one_in(g, 2) ? IR_SEXT32 : IR_ZEXT32, low));
    }
    }
}

/* Shifts there and back, which folding turns into extensions. */
static void gen_shift_pair(Gen *g)
{
    static const uint8_t counts[] = {8, 16, 24, 31, 32, 48, 56, 63};
    IrType t = int_type(g);
    unsigned c = counts[below(g, ARRAY_SIZE(counts))];
    unsigned d = one_in(g, 2) ? c : counts[below(g, ARRAY_SIZE(counts))];
    IrVal vc = t == IR_I32 ? ir_imm32(g->ir, c) : ir_imm(g->ir, c);
    IrVal vd = t == IR_I32 ? ir_imm32(g->ir, d) : ir_imm(g->ir, d);
    IrVal left = ir_bin(g->ir, one_in(g, 4) ? IR_SHR : IR_SHL, pick(g, t), vc);

    keep(g, ir_bin(g->ir, one_in(g, 2) ? IR_SAR : IR_SHR, left, vd));
}

static void gen_compare(Gen *g)
{
    IrType t = int_type(g);
    IrVal a = pick(g, t), b = pick(g, t);

    if (one_in(g, 3)) {
        b = keep(g, gen_const(g, t));
    }
    if (one_in(g, 2)) {
        keep(g, ir_setcond(g->ir, int_type(g), int_cond(g), a, b));
    } else {
        IrType value = int_type(g);
        IrVal yes = pick(g, value), no = pick(g, value);

        keep(g, ir_movcond(g->ir, int_cond(g), a, b, yes, no));
    }
}

/* Mostly an address in RAM, sometimes any. */
static IrVal gen_address(Gen *g, bool aligned)
{
    IrVal v = pick(g, IR_I64);

    if (one_in(g, 24)) {
        return v;
    }
    v = ir_and(g->ir, v, ir_imm(g->ir, aligned && !one_in(g, 12) ? 0x3ff8 : 0x3fff));
    return keep(g, ir_add(g->ir, v, ir_imm(g->ir, FX_RAM)));
}

static IrMem gen_mem(Gen *g, IrType t)
{
    IrMem mem = t == IR_F32 ? IR_MEM_32 : t == IR_F64 ? IR_MEM_64 : below(g, t == IR_I32 ? 3 : 4);

    if ((t == IR_I32 || t == IR_I64) && one_in(g, 2)) {
        mem |= IR_MEM_SIGNED;
    }
    return mem;
}

static void gen_memory(Gen *g)
{
    IrType t = any_type(g);
    IrMem mem = gen_mem(g, t);
    bool align = one_in(g, 4);
    unsigned mmu = below(g, TCG_MMU_MODES);
    int64_t disp = one_in(g, 3) ? (int64_t)below(g, 64) * 8 - 128 : 0;
    IrVal addr;

    mem |= align ? IR_MEM_ALIGN : 0;
    if (one_in(g, 2)) {
        addr = gen_address(g, align);
        mem |= one_in(g, 8) ? IR_MEM_ACQUIRE : 0;
        mem |= one_in(g, 4) ? IR_MEM_RMW : 0;
        keep(g, ir_load(g->ir, t, mem, mmu, addr, disp));
    } else {
        IrVal v = pick(g, t);

        addr = gen_address(g, align);
        mem |= one_in(g, 8) ? IR_MEM_RELEASE : 0;
        mem &= ~IR_MEM_SIGNED;
        ir_store(g->ir, mem, mmu, addr, disp, v);
    }
}

static void gen_atomic(Gen *g)
{
    IrType t = int_type(g);
    IrMem mem = (t == IR_I64 && one_in(g, 2) ? IR_MEM_64 : IR_MEM_32) | IR_MEM_ALIGN;
    unsigned mmu = below(g, TCG_MMU_MODES);
    IrVal v = pick(g, t), w = pick(g, t), addr = gen_address(g, true);

    mem |= one_in(g, 2) ? IR_MEM_SIGNED : 0;
    if (one_in(g, 4)) {
        /* Half of the time what is there, so that it succeeds. */
        IrVal expect = one_in(g, 2) ? ir_load(g->ir, t, mem, mmu, addr, 0) : v;

        keep(g, ir_cas(g->ir, t, mem, mmu, addr, expect, w));
    } else {
        keep(g, ir_atomic(g->ir, t, below(g, IR_ATOMIC_MAXU + 1), mem, mmu, addr, v));
    }
}

static void gen_env(Gen *g)
{
    static const int32_t base = offsetof(FxEnv, scratch);
    IrType t = int_type(g);
    IrMem mem = gen_mem(g, t);
    int32_t offset = base + 8 * below(g, FX_NSCRATCH);

    if (one_in(g, 2)) {
        keep(g, ir_ldenv(g->ir, t, mem, offset));
    } else {
        ir_stenv(g->ir, mem & ~IR_MEM_SIGNED, offset, pick(g, t));
    }
}

static void gen_float(Gen *g)
{
    static const IrOp binary[] = {IR_FADD, IR_FSUB, IR_FMUL, IR_FDIV, IR_FMIN, IR_FMAX};
    IrType t = float_type(g);
    IrVal a = pick(g, t), b = pick(g, t), c = pick(g, t);

    switch (below(g, 6)) {
    case 0: keep(g, ir_fp1(g->ir, IR_FSQRT, a)); break;
    case 1: keep(g, ir_fma(g->ir, below(g, 4), a, b, c)); break;
    case 2: keep(g, ir_fcmp(g->ir, below(g, IR_FLE_QUIET + 1), a, b)); break;
    default: keep(g, ir_fp2(g->ir, binary[below(g, ARRAY_SIZE(binary))], a, b)); break;
    }
}

static void gen_float_conversion(Gen *g)
{
    IrType f = float_type(g), i = int_type(g);
    IrRound round = one_in(g, 2) ? IR_ROUND_CURRENT : below(g, IR_ROUND_NEAREST_MAX + 1);
    bool sign = one_in(g, 2);

    switch (below(g, 6)) {
    case 0:
        keep(g, ir_fcvt(g->ir, IR_FCVT_F, f == IR_F32 ? IR_F64 : IR_F32, round, pick(g, f)));
        break;
    case 1: keep(g, ir_fcvt(g->ir, sign ? IR_FCVT_SI : IR_FCVT_UI, i, round, pick(g, f))); break;
    case 2: keep(g, ir_fcvt(g->ir, sign ? IR_FCVT_SF : IR_FCVT_UF, f, round, pick(g, i))); break;
    case 3:
        if (one_in(g, 2)) {
            keep(g, ir_fbits(g->ir, f == IR_F32 ? IR_I32 : IR_I64, pick(g, f)));
        } else {
            keep(g, ir_fbits(g->ir, i == IR_I32 ? IR_F32 : IR_F64, pick(g, i)));
        }
        break;
    case 4: keep(g, ir_fbox(g->ir, pick(g, IR_F32))); break;
    default: keep(g, ir_funbox(g->ir, pick(g, IR_F64))); break;
    }
}

/* --- Vectors --- */

static IrLane vec_lane(Gen *g, IrOp op)
{
    unsigned lanes = ir_vec_lanes(op), lane;

    if (!lanes) {
        return 0;
    }
    do {
        lane = below(g, 8);
    } while (!(lanes >> lane & 1));
    return lane;
}

static unsigned vec_imm(Gen *g, IrOp op, IrLane lane)
{
    switch (op) {
    case IR_VSEXT:
    case IR_VZEXT: return 1 + below(g, 3 - lane);
    case IR_VFMA: /* the host has no negated forms of adding and subtracting */
        if (lane >= IR_PS && one_in(g, 3)) {
            return (one_in(g, 2) ? IR_VFMA_ADDSUB : IR_VFMA_SUBADD) | below(g, 3) << 4;
        }
        return below(g, 4) | below(g, 3) << 4;
    default: return one_in(g, 2) ? below(g, 256) : below(g, 16);
    }
}

void random_vec_op(GRand *rand, Ir *ir, IrOp op, IrLane lane)
{
    Gen g = {.rand = rand, .ir = ir};
    const IrHelper *h = ir_vec_helper(op);
    unsigned imm = ir_op_text[op].imm ? vec_imm(&g, op, lane) : 0;
    IrVal arg[3] = {IR_NONE, IR_NONE, IR_NONE};

    ir_insn(ir, 0);
    for (unsigned i = 0; i < ir_op_info[op].nargs; i++) {
        arg[i] = ir_get(ir, random_global(&g, h->args[i]));
    }
    ir_put(ir, random_global(&g, h->ret), ir_vec(ir, op, lane, arg[0], arg[1], arg[2], imm));
    ir_goto(ir, 4);
}

/* Approximations differ from host to host. */
static bool vec_exact(IrOp op)
{
    return op != IR_VFRCP && op != IR_VFRSQRT;
}

static void gen_vec(Gen *g)
{
    IrOp op = IR_VFROM + below(g, IR_VFFROMHALF - IR_VFROM + 1);
    IrLane lane = vec_lane(g, op);
    unsigned imm = ir_op_text[op].imm ? vec_imm(g, op, lane) : 0;
    const IrHelper *h = ir_vec_helper(op);
    IrVal arg[3] = {IR_NONE, IR_NONE, IR_NONE};

    for (unsigned i = 0; i < ir_op_info[op].nargs; i++) {
        arg[i] = pick(g, h->args[i]);
    }
    if (vec_exact(op)) {
        keep(g, ir_vec(g->ir, op, lane, arg[0], arg[1], arg[2], imm));
    }
}

/* Addresses fall near the ends of pages often enough. */
static void gen_vec_memory(Gen *g)
{
    IrMem mem = one_in(g, 3) ? IR_MEM_32 + below(g, 2) : IR_MEM_128;
    bool align = one_in(g, 3);
    unsigned mmu = below(g, TCG_MMU_MODES);
    int64_t disp = one_in(g, 3) ? (int64_t)below(g, 64) * 8 - 128 : 0;
    IrVal v = pick(g, IR_V128), addr = gen_address(g, true);

    mem |= align ? IR_MEM_ALIGN : 0;
    if (one_in(g, 2)) {
        keep(g, ir_load(g->ir, IR_V128, mem, mmu, addr, disp));
    } else {
        ir_store(g->ir, mem, mmu, addr, disp, v);
    }
}

static void gen_vec_call(Gen *g)
{
    if (one_in(g, 2)) {
        IrVal a = pick(g, IR_V128), b = pick(g, IR_I64), c = pick(g, IR_V128);

        keep(g, ir_call(g->ir, FX_H_VEC, a, b, c, IR_NONE));
    } else {
        keep(g, ir_call(g->ir, FX_H_VTOI, pick(g, IR_V128), IR_NONE, IR_NONE, IR_NONE));
    }
}

static void gen_vec_env(Gen *g)
{
    static const int32_t base = offsetof(FxEnv, scratch);
    IrMem mem = IR_MEM_32 + below(g, 3);

    if (one_in(g, 2)) {
        keep(g, ir_ldenv(g->ir, IR_V128, mem, base + 8 * below(g, FX_NSCRATCH - 1)));
    } else {
        ir_stenv(g->ir, mem, base + 8 * below(g, FX_NSCRATCH - 1), pick(g, IR_V128));
    }
}

static void gen_vec_put(Gen *g)
{
    ir_put(g->ir, random_global(g, IR_V128), pick(g, IR_V128));
}

bool random_mixes_fp(const Ir *ir)
{
    for (unsigned i = 0; i < ir->n; i++) {
        IrOp op = ir->insns[i].op;

        if (op >= IR_FADD && op <= IR_FCVT_UF) {
            return true;
        }
    }
    return false;
}

static void gen_call(Gen *g)
{
    IrVal a = pick(g, IR_I64), b = pick(g, IR_I64);

    switch (below(g, 5)) {
    case 0: keep(g, ir_call(g->ir, FX_H_PURE, a, b, IR_NONE, IR_NONE)); break;
    case 1: keep(g, ir_call(g->ir, FX_H_STATE, a, IR_NONE, IR_NONE, IR_NONE)); break;
    case 2: ir_call(g->ir, FX_H_EFFECT, pick(g, IR_I32), b, IR_NONE, IR_NONE); break;
    case 3: {
        IrVal d = pick(g, IR_F64), s = pick(g, IR_F32);

        keep(g, ir_call(g->ir, FX_H_FP, d, s, IR_NONE, IR_NONE));
        break;
    }
    default: {
        IrVal w = pick(g, IR_I32), s = pick(g, IR_F32), d = pick(g, IR_F64);

        keep(g, ir_call(g->ir, FX_H_MIX, w, s, a, d));
    }
    }
}

static void gen_control(Gen *g)
{
    IrType t = int_type(g);
    IrVal a, b;

    switch (below(g, 3)) {
    case 0: keep(g, ir_pc(g->ir, g->page_rel + (int64_t)below(g, 4096) - 2048)); break;
    case 1: ir_fence(g->ir, below(g, IR_FENCE_ALL + 1)); break;
    default:
        a = pick(g, t);
        b = pick(g, t);
        ir_exit_if(g->ir, one_in(g, 2) ? IR_EQ : int_cond(g), a, b, (int64_t)below(g, 8192) - 2048);
        break;
    }
}

static void gen_put(Gen *g)
{
    IrType t = any_type(g);
    IrVal v = pick(g, t);

    ir_put(g->ir, random_global(g, t), v);
}

static void gen_end(Gen *g)
{
    switch (below(g, 8)) {
    case 0: ir_exit(g->ir, g->page_rel); break;
    case 1: ir_goto_ind(g->ir, below(g, IR_RET + 1), pick(g, IR_I64)); break;
    case 2: {
        IrVal target = ir_add(g->ir, ir_pc(g->ir, 0x1000), ir_imm(g->ir, 0x123));

        ir_goto_ind(g->ir, below(g, IR_RET + 1), ir_and(g->ir, target, ir_imm(g->ir, -2)));
        break;
    }
    case 3:
        ir_call(g->ir, FX_H_RAISE, IR_NONE, IR_NONE, IR_NONE, IR_NONE);
        ir_exit(g->ir, g->page_rel);
        break;
    default: ir_goto(g->ir, (int64_t)below(g, 8192) - 2048); break;
    }
}

/* A chain of ops on one value, with constants on either side, that ends where it can be seen:
 * what folding looks for. */
static void gen_chain(Gen *g)
{
    static const IrOp ops[] = {IR_ADD, IR_ADD, IR_SUB, IR_SUB, IR_AND,  IR_AND,  IR_OR,  IR_XOR,
                               IR_SHL, IR_SHR, IR_SAR, IR_MUL, IR_ANDN, IR_ROTL, IR_ROTR};
    IrType t = int_type(g);
    IrVal v = pick(g, t);

    for (unsigned steps = 1 + below(g, 4); steps-- > 0;) {
        IrVal c = one_in(g, 4) ? pick(g, t) : gen_const(g, t);
        unsigned kind = below(g, 12);

        if (kind < 6) {
            IrOp op = ops[below(g, ARRAY_SIZE(ops))];

            v = one_in(g, 5) ? ir_bin(g->ir, op, c, v) : ir_bin(g->ir, op, v, c);
        } else if (kind < 8) {
            IrOp op = one_in(g, 4) ? IR_NOT : IR_SEXT8 + below(g, 4);

            v = ir_un(g->ir, op, v);
        } else if (kind < 10) {
            v = t == IR_I32 ? ir_un(g->ir, IR_SEXT32 + below(g, 2), v) : ir_un(g->ir, IR_TRUNC, v);
            t = ir_type(g->ir, v);
        } else {
            t = kind == 10 ? t : int_type(g);
            v = ir_setcond(g->ir, t, int_cond(g), v, c);
        }
    }
    ir_put(g->ir, random_global(g, t), v);
    if (one_in(g, 3)) {
        IrVal c = one_in(g, 4) ? pick(g, t) : gen_const(g, t);

        ir_exit_if(g->ir, int_cond(g), v, c, g->page_rel + 64);
    }
}

typedef void (*GenFn)(Gen *g);

static const GenFn kinds[] = {
    gen_binary,   gen_binary,       gen_binary,
    gen_binary,   gen_wide_product, gen_carry,
    gen_division, gen_unary,        gen_resize,
    gen_resize,   gen_shift_pair,   gen_compare,
    gen_compare,  gen_memory,       gen_memory,
    gen_memory,   gen_atomic,       gen_env,
    gen_float,    gen_float,        gen_float_conversion,
    gen_call,     gen_control,      gen_put,
    gen_put,      gen_put,          gen_put,
    gen_chain,    gen_chain,        gen_chain,
    gen_chain,    gen_chain,
};

/* No scalar floating point, for the sake of random_mixes_fp(). */
static const GenFn vec_kinds[] = {
    gen_vec,    gen_vec,     gen_vec,     gen_vec,        gen_vec,        gen_vec,     gen_vec,
    gen_vec,    gen_vec_put, gen_vec_put, gen_vec_memory, gen_vec_memory, gen_vec_env, gen_vec_call,
    gen_binary, gen_memory,  gen_control, gen_put,        gen_compare,
};

void random_ir(GRand *rand, Ir *ir)
{
    Gen g = {.rand = rand, .ir = ir};
    unsigned steps = 1 + below(&g, one_in(&g, 10) ? 200 : 40);
    bool vec;

    vec = one_in(&g, 3);
    g.page_rel = 4 * below(&g, 1000);
    ir_insn(ir, g.page_rel);
    for (unsigned i = 0; i < steps; i++) {
        if (one_in(&g, 3)) {
            g.page_rel += 4;
            ir_insn(ir, g.page_rel);
        }
        if (vec || one_in(&g, 20)) {
            vec_kinds[below(&g, ARRAY_SIZE(vec_kinds))](&g);
        } else {
            kinds[below(&g, ARRAY_SIZE(kinds))](&g);
        }
    }
    for (IrType t = IR_I32; t <= IR_V128; t++) {
        ir_put(ir, random_global(&g, t), pick(&g, t));
    }
    gen_end(&g);
}

static void random_vec(GRand *rand, IrV128 *v)
{
    switch (g_rand_int_range(rand, 0, 3)) {
    case 0:
        v->u64[0] = interesting_float(rand, true);
        v->u64[1] = interesting_float(rand, true);
        break;
    case 1:
        for (unsigned i = 0; i < 4; i++) {
            v->u32[i] = (uint32_t)interesting_float(rand, false);
        }
        break;
    default:
        v->u64[0] = interesting(rand);
        v->u64[1] = interesting(rand);
        break;
    }
}

void random_state(GRand *rand, FxState *s)
{
    memset(s, 0, sizeof(*s));
    for (unsigned i = 0; i < FX_NX; i++) {
        s->x[i] = interesting(rand);
    }
    for (unsigned i = 0; i < FX_NW; i++) {
        s->w[i] = interesting(rand);
    }
    for (unsigned i = 0; i < FX_ND; i++) {
        s->d[i] = interesting_float(rand, true);
    }
    for (unsigned i = 0; i < FX_NS; i++) {
        s->s[i] = interesting_float(rand, false);
    }
    for (unsigned i = 0; i < FX_NSCRATCH; i++) {
        s->scratch[i] = interesting(rand);
    }
    for (unsigned i = 0; i < FX_RAM_BYTES; i += 8) {
        uint64_t v = interesting(rand);

        memcpy(s->ram + i, &v, sizeof(v));
    }
    for (unsigned i = 0; i < FX_NV; i++) {
        random_vec(rand, &s->v[i]);
    }
    s->fp_round = g_rand_int_range(rand, 0, IR_ROUND_UP + 1);
    s->fp_round |= g_rand_int_range(rand, 0, 4) ? 0 : IR_ROUND_FTZ;
    s->fp_round |= g_rand_int_range(rand, 0, 4) ? 0 : IR_ROUND_DAZ;
    s->fp_flags = g_rand_int_range(rand, 0, 2) ? 0 : g_rand_int_range(rand, 0, 32);
    s->pc = FX_PC_PAGE;
}

/* --- Minimising --- */

/* Without its insn: a value becomes 0, anything else an unused constant. */
static IrInsn nothing(const IrInsn *insn)
{
    bool value = !(ir_op_info[insn->op].props & IR_PROP_NORESULT) && insn->type != IR_VOID;

    return (IrInsn){.op = IR_CONST,
                    .type = value ? insn->type : IR_I64,
                    .arg = {IR_NONE, IR_NONE, IR_NONE, IR_NONE}};
}

/* The constants that are left, if they are not what makes it fail. */
static void drop_unused(Ir *ir, RandomFails fails, void *opaque)
{
    Ir *kept = ir_dup(ir);

    ir_dce(ir);
    if (!fails(ir, opaque)) {
        memcpy(ir->insns, kept->insns, kept->n * sizeof(IrInsn));
        ir->n = kept->n;
    }
    ir_free(kept);
}

void random_minimise(Ir *ir, RandomFails fails, void *opaque)
{
    bool smaller = true;

    while (smaller) {
        smaller = false;
        for (unsigned i = ir->n - 1; i-- > 0;) {
            IrInsn insn = ir->insns[i];

            if (insn.op == IR_CONST && insn.imm == 0) {
                continue;
            }
            ir->insns[i] = nothing(&insn);
            if (fails(ir, opaque)) {
                smaller = true;
            } else {
                ir->insns[i] = insn;
            }
        }
    }
    drop_unused(ir, fails, opaque);
}
