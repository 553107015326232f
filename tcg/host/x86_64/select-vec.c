/* SPDX-License-Identifier: MIT */
/*
 * Instruction selection for vectors: nearly every op is one VEX instruction, so most of this is the
 * table of their encodings.  MXCSR carries the guest's modes and flags (abi.c), and the ops' rules for
 * NaNs are the host's own.
 */
#include "rhea/osdep.h"
#include "codegen.h"

/* How an op's arguments become operands; _I: with the immediate. */
typedef enum VecForm {
    FORM_NONE, /* has a function of its own */
    FORM_AB,   /* op dst, a, b */
    FORM_BA,   /* op dst, b, a */
    FORM_AB_I,
    FORM_AB_REG_I, /* b is no memory operand: the instruction would read it differently */
    FORM_A,        /* op dst, a */
    FORM_A_I,
    FORM_B, /* op dst, b */
    FORM_B_I,
    FORM_SHIFT, /* group: op a -> dst, imm */
    FORM_ABC,   /* op dst, a, b, c as an immediate */
    FORM_SHA,   /* legacy: op dst = a, b */
    FORM_SHA_I,
} VecForm;

typedef struct VecRow {
    uint8_t form;
    uint8_t ext;      /* FORM_SHIFT: opcode extension */
    uint32_t code[4]; /* by integer lane, or by SS, SD, PS, PD; the first for ops without lanes */
} VecRow;

#define M0F(op) (X_66 | X_0F | (op))
#define M38(op) (X_66 | X_0F38 | (op))
#define M3A(op) (X_66 | X_0F3A | (op))
/* The four forms of a floating-point instruction; packed ones alone. */
#define FP4(op)                                                                                    \
    {                                                                                              \
        X_F3 | X_0F | (op), X_F2 | X_0F | (op), X_0F | (op), X_66 | X_0F | (op)                    \
    }

static const VecRow rows[IR_NOPS] = {
    [IR_VAND] = {FORM_AB, 0, {M0F(0xdb)}},
    [IR_VANDN] = {FORM_BA, 0, {M0F(0xdf)}},
    [IR_VOR] = {FORM_AB, 0, {M0F(0xeb)}},
    [IR_VXOR] = {FORM_AB, 0, {M0F(0xef)}},

    [IR_VADD] = {FORM_AB, 0, {M0F(0xfc), M0F(0xfd), M0F(0xfe), M0F(0xd4)}},
    [IR_VSUB] = {FORM_AB, 0, {M0F(0xf8), M0F(0xf9), M0F(0xfa), M0F(0xfb)}},
    [IR_VADDSS] = {FORM_AB, 0, {M0F(0xec), M0F(0xed)}},
    [IR_VADDUS] = {FORM_AB, 0, {M0F(0xdc), M0F(0xdd)}},
    [IR_VSUBSS] = {FORM_AB, 0, {M0F(0xe8), M0F(0xe9)}},
    [IR_VSUBUS] = {FORM_AB, 0, {M0F(0xd8), M0F(0xd9)}},
    [IR_VMUL] = {FORM_AB, 0, {0, M0F(0xd5), M38(0x40)}},
    [IR_VMULHS] = {FORM_AB, 0, {0, M0F(0xe5)}},
    [IR_VMULHU] = {FORM_AB, 0, {0, M0F(0xe4)}},
    [IR_VMULHRS] = {FORM_AB, 0, {0, M38(0x0b)}},
    [IR_VMULES] = {FORM_AB, 0, {0, 0, M38(0x28)}},
    [IR_VMULEU] = {FORM_AB, 0, {0, 0, M0F(0xf4)}},
    [IR_VMADD] = {FORM_AB, 0, {0, M0F(0xf5)}},
    [IR_VMADDUS] = {FORM_AB, 0, {M38(0x04)}},
    [IR_VCMPEQ] = {FORM_AB, 0, {M0F(0x74), M0F(0x75), M0F(0x76), M38(0x29)}},
    [IR_VCMPGT] = {FORM_AB, 0, {M0F(0x64), M0F(0x65), M0F(0x66), M38(0x37)}},
    [IR_VMINS] = {FORM_AB, 0, {M38(0x38), M0F(0xea), M38(0x39)}},
    [IR_VMINU] = {FORM_AB, 0, {M0F(0xda), M38(0x3a), M38(0x3b)}},
    [IR_VMAXS] = {FORM_AB, 0, {M38(0x3c), M0F(0xee), M38(0x3d)}},
    [IR_VMAXU] = {FORM_AB, 0, {M0F(0xde), M38(0x3e), M38(0x3f)}},
    [IR_VAVG] = {FORM_AB, 0, {M0F(0xe0), M0F(0xe3)}},
    [IR_VSAD] = {FORM_AB, 0, {M0F(0xf6)}},
    [IR_VABS] = {FORM_A, 0, {M38(0x1c), M38(0x1d), M38(0x1e)}},
    [IR_VSIGN] = {FORM_AB, 0, {M38(0x08), M38(0x09), M38(0x0a)}},
    [IR_VHADD] = {FORM_AB, 0, {0, M38(0x01), M38(0x02)}},
    [IR_VHADDSS] = {FORM_AB, 0, {0, M38(0x03)}},
    [IR_VHSUB] = {FORM_AB, 0, {0, M38(0x05), M38(0x06)}},
    [IR_VHSUBSS] = {FORM_AB, 0, {0, M38(0x07)}},
    [IR_VMPSAD] = {FORM_AB_I, 0, {M3A(0x42)}},
    [IR_VMINPOS] = {FORM_A, 0, {0, M38(0x41)}},

    [IR_VSHLI] = {FORM_SHIFT, 6, {0, M0F(0x71), M0F(0x72), M0F(0x73)}},
    [IR_VSHRI] = {FORM_SHIFT, 2, {0, M0F(0x71), M0F(0x72), M0F(0x73)}},
    [IR_VSARI] = {FORM_SHIFT, 4, {0, M0F(0x71), M0F(0x72)}},
    [IR_VSHL] = {FORM_AB, 0, {0, M0F(0xf1), M0F(0xf2), M0F(0xf3)}},
    [IR_VSHR] = {FORM_AB, 0, {0, M0F(0xd1), M0F(0xd2), M0F(0xd3)}},
    [IR_VSAR] = {FORM_AB, 0, {0, M0F(0xe1), M0F(0xe2)}},
    [IR_VSHLV] = {FORM_AB, 0, {0, 0, M38(0x47), M38(0x47) | X_W}},
    [IR_VSHRV] = {FORM_AB, 0, {0, 0, M38(0x45), M38(0x45) | X_W}},
    [IR_VSARV] = {FORM_AB, 0, {0, 0, M38(0x46)}},
    [IR_VSHLBYTES] = {FORM_SHIFT, 7, {M0F(0x73)}},
    [IR_VSHRBYTES] = {FORM_SHIFT, 3, {M0F(0x73)}},

    [IR_VSHUFB] = {FORM_AB, 0, {M38(0x00)}},
    [IR_VPERMV] = {FORM_AB, 0, {0, 0, M38(0x0c), M38(0x0d)}},
    [IR_VSHUF] = {FORM_A_I, 0, {0, 0, M0F(0x70)}},
    [IR_VSHUFLO] = {FORM_A_I, 0, {0, X_F2 | X_0F | 0x70}},
    [IR_VSHUFHI] = {FORM_A_I, 0, {0, X_F3 | X_0F | 0x70}},
    [IR_VSHUF2] = {FORM_AB_I, 0, {0, 0, X_0F | 0xc6, M0F(0xc6)}},
    [IR_VUNPKLO] = {FORM_AB, 0, {M0F(0x60), M0F(0x61), M0F(0x62), M0F(0x6c)}},
    [IR_VUNPKHI] = {FORM_AB, 0, {M0F(0x68), M0F(0x69), M0F(0x6a), M0F(0x6d)}},
    [IR_VPACKS] = {FORM_AB, 0, {0, M0F(0x63), M0F(0x6b)}},
    [IR_VPACKU] = {FORM_AB, 0, {0, M0F(0x67), M38(0x2b)}},
    [IR_VALIGN] = {FORM_AB_I, 0, {M3A(0x0f)}},
    [IR_VBLEND] = {FORM_AB_I, 0, {0, M3A(0x0e), M3A(0x0c), M3A(0x0d)}},
    [IR_VBLENDV] = {FORM_ABC, 0, {M3A(0x4c), 0, M3A(0x4a), M3A(0x4b)}},
    [IR_VDUP] = {FORM_A, 0, {M38(0x78), M38(0x79), M38(0x58), M38(0x59)}},
    [IR_VINSERTPS] = {FORM_AB_REG_I, 0, {0, 0, M3A(0x21)}},

    [IR_VAESENC] = {FORM_AB, 0, {M38(0xdc)}},
    [IR_VAESENCLAST] = {FORM_AB, 0, {M38(0xdd)}},
    [IR_VAESDEC] = {FORM_AB, 0, {M38(0xde)}},
    [IR_VAESDECLAST] = {FORM_AB, 0, {M38(0xdf)}},
    [IR_VAESIMC] = {FORM_A, 0, {M38(0xdb)}},
    [IR_VAESKEYGEN] = {FORM_A_I, 0, {M3A(0xdf)}},
    [IR_VCLMUL] = {FORM_AB_I, 0, {M3A(0x44)}},
    [IR_VSHA1RNDS4] = {FORM_SHA_I, 0, {X_0F3A | 0xcc}},
    [IR_VSHA1NEXTE] = {FORM_SHA, 0, {X_0F38 | 0xc8}},
    [IR_VSHA1MSG1] = {FORM_SHA, 0, {X_0F38 | 0xc9}},
    [IR_VSHA1MSG2] = {FORM_SHA, 0, {X_0F38 | 0xca}},
    [IR_VSHA256MSG1] = {FORM_SHA, 0, {X_0F38 | 0xcc}},
    [IR_VSHA256MSG2] = {FORM_SHA, 0, {X_0F38 | 0xcd}},

    [IR_VFADD] = {FORM_AB, 0, FP4(0x58)},
    [IR_VFSUB] = {FORM_AB, 0, FP4(0x5c)},
    [IR_VFMUL] = {FORM_AB, 0, FP4(0x59)},
    [IR_VFDIV] = {FORM_AB, 0, FP4(0x5e)},
    [IR_VFMIN] = {FORM_AB, 0, FP4(0x5d)},
    [IR_VFMAX] = {FORM_AB, 0, FP4(0x5f)},
    [IR_VFSQRT] = {FORM_AB, 0, FP4(0x51)},
    [IR_VFCMP] = {FORM_AB_I, 0, FP4(0xc2)},
    [IR_VFADDSUB] = {FORM_AB, 0, {0, 0, X_F2 | X_0F | 0xd0, M0F(0xd0)}},
    [IR_VFHADD] = {FORM_AB, 0, {0, 0, X_F2 | X_0F | 0x7c, M0F(0x7c)}},
    [IR_VFHSUB] = {FORM_AB, 0, {0, 0, X_F2 | X_0F | 0x7d, M0F(0x7d)}},
    [IR_VFDP] = {FORM_AB_I, 0, {0, 0, M3A(0x40), M3A(0x41)}},
    [IR_VFRCP] = {FORM_AB, 0, FP4(0x53)},
    [IR_VFRSQRT] = {FORM_AB, 0, FP4(0x52)},
    [IR_VFROUND] = {FORM_AB_I, 0, {M3A(0x0a), M3A(0x0b), M3A(0x08), M3A(0x09)}},
    [IR_VFCVT] = {FORM_AB, 0, FP4(0x5a)},
    [IR_VFROMI] = {FORM_A, 0, {0, 0, X_0F | 0x5b, X_F3 | X_0F | 0xe6}},
    [IR_VFFROMHALF] = {FORM_A, 0, {0, 0, M38(0x13)}},
};

static uint32_t vec_code(const IrInsn *insn)
{
    return rows[insn->op].code[insn->cond & 3];
}

/* Packed instructions of one source, whose scalar forms have two. */
static VecForm vec_form(const IrInsn *insn)
{
    VecForm form = (VecForm)rows[insn->op].form;

    switch (insn->op) {
    case IR_VFSQRT:
    case IR_VFRCP:
    case IR_VFRSQRT:
    case IR_VFCVT: return insn->cond >= IR_PS ? FORM_B : form;
    case IR_VFROUND: return insn->cond >= IR_PS ? FORM_B_I : form;
    default: return form;
    }
}

/* --- Forms --- */

static void emit_imm(Cg *c)
{
    emit8(&c->a, (uint8_t)cg_insn(c)->imm);
}

/* op dst, x, o */
static void emit_vec(Cg *c, uint32_t op, unsigned dst, unsigned x, Opnd o)
{
    if (o.kind == OPND_MEM) {
        emit_vex_rm(&c->a, op, dst, x, o.mem);
    } else {
        emit_vex_rr(&c->a, op, dst, x, o.reg);
    }
}

static Opnd vec_opnd(Cg *c, IrVal v, bool in_reg)
{
    return in_reg ? (Opnd){.kind = OPND_REG, .reg = (uint8_t)cg_use(c, v)} : cg_opnd(c, v);
}

static void select_two(Cg *c, IrVal first, IrVal second, bool in_reg)
{
    unsigned x = cg_use(c, first);
    Opnd y = vec_opnd(c, second, in_reg);

    emit_vec(c, vec_code(cg_insn(c)), cg_def(c, CG_WRITTEN_LAST), x, y);
}

static void select_one(Cg *c, IrVal v)
{
    Opnd x = cg_opnd(c, v);

    emit_vec(c, vec_code(cg_insn(c)), cg_def(c, CG_WRITTEN_LAST), 0, x);
}

static void select_vec_shift(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    unsigned x = cg_use(c, insn->arg[0]), dst = cg_def(c, CG_WRITTEN_LAST);

    emit_vex_rr(&c->a, vec_code(insn), rows[insn->op].ext, dst, x);
    emit_imm(c);
}

static void select_three(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    unsigned x = cg_use(c, insn->arg[0]), z = cg_use(c, insn->arg[2]);
    Opnd y = cg_opnd(c, insn->arg[1]);

    emit_vec(c, vec_code(insn), cg_def(c, CG_WRITTEN_LAST), x, y);
    emit8(&c->a, (uint8_t)(z << 4));
}

/* dst := argument @k, in a register that no other argument has. */
static unsigned copy_arg(Cg *c, unsigned k)
{
    const IrInsn *insn = cg_insn(c);
    IrVal v = insn->arg[k];
    bool alone = true;
    unsigned from, dst;

    for (unsigned i = 0; i < ir_op_info[insn->op].nargs; i++) {
        alone &= i == k || c->v[insn->arg[i]].root != c->v[v].root;
    }
    from = cg_use(c, v);
    dst = cg_def(c, alone ? v : IR_NONE);
    if (dst != from) {
        emit_xmov(&c->a, dst, from);
    }
    return dst;
}

static void select_sha(Cg *c)
{
    unsigned b = cg_use(c, cg_insn(c)->arg[1]);

    emit_rr(&c->a, vec_code(cg_insn(c)), copy_arg(c, 0), b);
}

/* The third operand is implicitly xmm0. */
static void select_sha256rnds2(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    unsigned b, from;

    cg_take(c, CLASS_XMM, 0);
    from = cg_use(c, insn->arg[2]);
    emit_xmov(&c->a, 0, from);
    b = cg_use(c, insn->arg[1]);
    emit_rr(&c->a, X_0F38 | 0xcb, copy_arg(c, 0), b);
}

/* --- Between vectors and integers --- */

static void select_vfrom(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    unsigned x = cg_use(c, insn->arg[0]), dst = cg_def(c, IR_NONE);

    emit_vex_rr(&c->a, OP_MOVD_LOAD | (insn->cond == IR_L64 ? X_W : 0), dst, 0, x);
}

static void select_vinsert(Cg *c)
{
    static const uint32_t ops[] = {M3A(0x20), M0F(0xc4), M3A(0x22), M3A(0x22) | X_W};
    const IrInsn *insn = cg_insn(c);
    unsigned a = cg_use(c, insn->arg[0]), x = cg_use(c, insn->arg[1]);

    emit_vex_rr(&c->a, ops[insn->cond], cg_def(c, CG_WRITTEN_LAST), a, x);
    emit8(&c->a, (uint8_t)(insn->imm & (15 >> insn->cond)));
}

static void select_vextract(Cg *c)
{
    static const uint32_t ops[] = {M3A(0x14), M0F(0xc5), M3A(0x16), M3A(0x16) | X_W};
    const IrInsn *insn = cg_insn(c);
    unsigned x = cg_use(c, insn->arg[0]), dst = cg_def(c, IR_NONE);
    unsigned lane = insn->imm & (15 >> insn->cond);

    if (lane == 0 && insn->cond >= IR_L32) {
        emit_vex_rr(&c->a, OP_MOVD_STORE | (insn->cond == IR_L64 ? X_W : 0), x, 0, dst);
        return;
    }
    if (insn->cond == IR_L16) {
        emit_vex_rr(&c->a, ops[IR_L16], dst, 0, x);
    } else {
        emit_vex_rr(&c->a, ops[insn->cond], x, 0, dst);
    }
    emit8(&c->a, (uint8_t)lane);
}

static void select_vmovmsk(Cg *c)
{
    static const uint32_t ops[] = {M0F(0xd7), 0, X_0F | 0x50, M0F(0x50)};
    const IrInsn *insn = cg_insn(c);
    unsigned x = cg_use(c, insn->arg[0]);

    emit_vex_rr(&c->a, ops[insn->cond], cg_def(c, IR_NONE), 0, x);
}

/* A compare of the arguments; the result is ZF, PF and CF in their places. */
static void select_flags(Cg *c, uint32_t op)
{
    enum { LAHF = 0x9f, ZF_PF_CF = 0x45 };
    const IrInsn *insn = cg_insn(c);
    unsigned x;
    Opnd y;

    cg_take(c, CLASS_GPR, RAX);
    x = cg_use(c, insn->arg[0]);
    y = cg_opnd(c, insn->arg[1]);
    emit_vec(c, op, x, 0, y);
    emit8(&c->a, LAHF);
    emit8(&c->a, 0x0f); /* movzx eax, ah */
    emit8(&c->a, 0xb6);
    emit8(&c->a, 0xc4);
    emit_alu_ri(&c->a, ALU_AND, 0, RAX, ZF_PF_CF);
    cg_def_in(c, RAX);
}

static void select_vtest(Cg *c)
{
    static const uint32_t ops[] = {M38(0x17), 0, M38(0x0e), M38(0x0f)};

    select_flags(c, ops[cg_insn(c)->cond]);
}

static void select_vfcomi(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    uint32_t op = insn->imm & 1 ? OP_UCOMISD : OP_COMISD;

    select_flags(c, insn->cond == IR_SS ? OP_AS_SINGLE(op) : op);
}

static void select_vftoint(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    uint32_t op = insn->imm & IR_VINT_TRUNCATE ? OP_CVTTSD2SI : OP_CVTSD2SI;
    Opnd x = cg_opnd(c, insn->arg[0]);

    op = insn->cond == IR_SS ? OP_AS_SINGLE(op) : op;
    emit_vec(c, op | (insn->imm & IR_VINT_64 ? X_W : 0), cg_def(c, IR_NONE), 0, x);
}

static void select_vfromint(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    uint32_t op = insn->cond == IR_SS ? OP_AS_SINGLE(OP_CVTSI2SD) : OP_CVTSI2SD;
    unsigned a = cg_use(c, insn->arg[0]), x = cg_use(c, insn->arg[1]);

    emit_vex_rr(&c->a, op | (insn->imm & IR_VINT_64 ? X_W : 0), cg_def(c, CG_WRITTEN_LAST), a, x);
}

/* --- Other ops without a row --- */

static void select_vextend(Cg *c, uint32_t base)
{
    static const uint8_t first[] = {[IR_L8] = 0, [IR_L16] = 3, [IR_L32] = 5};
    const IrInsn *insn = cg_insn(c);
    Opnd x = cg_opnd(c, insn->arg[0]);

    emit_vec(c, base + first[insn->cond] + (uint32_t)insn->imm - 1, cg_def(c, CG_WRITTEN_LAST), 0,
             x);
}

static void select_vftoi(Cg *c)
{
    static const uint32_t ops[2][2] = {{M0F(0x5b), X_F3 | X_0F | 0x5b},
                                       {X_F2 | X_0F | 0xe6, M0F(0xe6)}};
    const IrInsn *insn = cg_insn(c);
    Opnd x = cg_opnd(c, insn->arg[0]);

    emit_vec(c, ops[insn->cond == IR_PD][insn->imm & 1], cg_def(c, CG_WRITTEN_LAST), 0, x);
}

static void select_vftohalf(Cg *c)
{
    unsigned x = cg_use(c, cg_insn(c)->arg[0]);

    emit_vex_rr(&c->a, M3A(0x1d), x, 0, cg_def(c, CG_WRITTEN_LAST));
    emit_imm(c);
}

static void select_vfma(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    bool scalar = insn->cond == IR_SS || insn->cond == IR_SD;
    bool wide = insn->cond == IR_SD || insn->cond == IR_PD;
    unsigned form = insn->imm >> 4 & 3;
    uint32_t op = M38(0x98) + 0x10 * form + scalar + (wide ? X_W : 0);
    unsigned x, dst;
    Opnd y;

    op += insn->imm & IR_FMA_NEG_ADDEND ? 2 : 0;
    op += insn->imm & IR_FMA_NEG_PRODUCT ? 4 : 0;
    op -= insn->imm & IR_VFMA_ADDSUB ? 2 : insn->imm & IR_VFMA_SUBADD ? 1 : 0;
    /* 132: dst * y + x; 213: x * dst + y; 231: x * y + dst */
    x = cg_use(c, insn->arg[form == 0 ? 2 : 0]);
    y = cg_opnd(c, insn->arg[form == 1 ? 2 : 1]);
    dst = copy_arg(c, form);
    emit_vec(c, op, dst, x, y);
}

/* --- The driver --- */

static bool select_form(Cg *c)
{
    const IrVal *arg = cg_insn(c)->arg;
    VecForm form = vec_form(cg_insn(c));

    switch (form) {
    case FORM_NONE: return false;
    case FORM_AB: select_two(c, arg[0], arg[1], false); break;
    case FORM_BA: select_two(c, arg[1], arg[0], false); break;
    case FORM_AB_I: select_two(c, arg[0], arg[1], false); break;
    case FORM_AB_REG_I: select_two(c, arg[0], arg[1], true); break;
    case FORM_A:
    case FORM_A_I: select_one(c, arg[0]); break;
    case FORM_B:
    case FORM_B_I: select_one(c, arg[1]); break;
    case FORM_SHIFT: select_vec_shift(c); break;
    case FORM_ABC: select_three(c); break;
    case FORM_SHA:
    case FORM_SHA_I: select_sha(c); break;
    }
    if (form == FORM_AB_I || form == FORM_AB_REG_I || form == FORM_A_I || form == FORM_B_I ||
        form == FORM_SHA_I) {
        emit_imm(c);
    }
    return true;
}

static bool has_function(IrOp op)
{
    switch (op) {
    case IR_VFROM:
    case IR_VINSERT:
    case IR_VEXTRACT:
    case IR_VMOVMSK:
    case IR_VTEST:
    case IR_VSEXT:
    case IR_VZEXT:
    case IR_VSHA256RNDS2:
    case IR_VFMA:
    case IR_VFCOMI:
    case IR_VFTOI:
    case IR_VFTOINT:
    case IR_VFROMINT:
    case IR_VFTOHALF: return true;
    default: return false;
    }
}

bool cg_select_vec(Cg *c)
{
    switch ((IrOp)cg_insn(c)->op) {
    case IR_VFROM: select_vfrom(c); break;
    case IR_VINSERT: select_vinsert(c); break;
    case IR_VEXTRACT: select_vextract(c); break;
    case IR_VMOVMSK: select_vmovmsk(c); break;
    case IR_VTEST: select_vtest(c); break;
    case IR_VSEXT: select_vextend(c, M38(0x20)); break;
    case IR_VZEXT: select_vextend(c, M38(0x30)); break;
    case IR_VSHA256RNDS2: select_sha256rnds2(c); break;
    case IR_VFMA: select_vfma(c); break;
    case IR_VFCOMI: select_vfcomi(c); break;
    case IR_VFTOI: select_vftoi(c); break;
    case IR_VFTOINT: select_vftoint(c); break;
    case IR_VFROMINT: select_vfromint(c); break;
    case IR_VFTOHALF: select_vftohalf(c); break;
    default: return select_form(c);
    }
    return true;
}

void vec_choose_ops(Backend *be)
{
    for (unsigned op = IR_VFROM; op <= IR_VFFROMHALF; op++) {
        be->ops[op] = rows[op].form != FORM_NONE || has_function((IrOp)op);
    }
    for (unsigned op = IR_VAESENC; op <= IR_VAESKEYGEN; op++) {
        be->ops[op] = be->has_aes;
    }
    for (unsigned op = IR_VSHA1RNDS4; op <= IR_VSHA256MSG2; op++) {
        be->ops[op] = be->has_sha;
    }
    be->ops[IR_VCLMUL] = be->has_clmul;
    be->ops[IR_VFMA] = be->has_fma;
    be->ops[IR_VFTOHALF] = be->ops[IR_VFFROMHALF] = be->has_f16c;
}
