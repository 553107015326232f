/* SPDX-License-Identifier: MIT */
/*
 * IR as text, one instruction a line; ir-parse.c reads it back:
 *
 *     insn +0x0
 *     %1:i64 = get x10
 *     %2:i64 = load %1 s32 mmu1 +0x8
 *     put x11 %2
 *     exit_if.eq %1 %2 +0x20
 *
 * Order of operands: global or helper name, values, memory operation, TLB array, immediate.
 */
#include "rhea/osdep.h"

#include "tcg/ir.h"
#include "tcg/ir-private.h"

#define COND(k) .cond = IR_COND_##k
#define IMM(k)  .imm = IR_IMM_##k

const IrOpText ir_op_text[IR_NOPS] = {
    [IR_CONST] = {IMM(INT)},
    [IR_GET] = {IMM(GLOBAL)},
    [IR_PUT] = {IMM(GLOBAL)},
    [IR_LDENV] = {.mem = true, IMM(INT)},
    [IR_STENV] = {.mem = true, IMM(INT)},
    [IR_PC] = {IMM(INT)},
    [IR_INSN] = {IMM(INT)},
    [IR_SETCOND] = {COND(INT)},
    [IR_MOVCOND] = {COND(INT)},
    [IR_LOAD] = {.mem = true, .mmu = true, IMM(INT)},
    [IR_STORE] = {.mem = true, .mmu = true, IMM(INT)},
    [IR_ATOMIC] = {COND(ATOMIC), .mem = true, .mmu = true, IMM(INT)},
    [IR_CAS] = {.mem = true, .mmu = true, IMM(INT)},
    [IR_FENCE] = {IMM(INT)},
    [IR_FMA] = {COND(FMA)},
    [IR_FCMP] = {COND(FCMP)},
    [IR_FCVT_F] = {COND(ROUND)},
    [IR_FCVT_SI] = {COND(ROUND)},
    [IR_FCVT_UI] = {COND(ROUND)},
    [IR_FCVT_SF] = {COND(ROUND)},
    [IR_FCVT_UF] = {COND(ROUND)},
#define VEC_OP(name, nargs, props, sig, lanes, has_imm, fn)                                        \
    [IR_##name] = {.cond = (lanes) ? IR_COND_LANE : IR_COND_NONE,                                  \
                   .imm = (has_imm) ? IR_IMM_BYTE : IR_IMM_NONE},
#include "tcg/vec-ops.def"
#undef VEC_OP
    [IR_CALL] = {IMM(HELPER)},
    [IR_EXIT_IF] = {COND(INT), IMM(INT)},
    [IR_GOTO] = {IMM(INT)},
    [IR_GOTO_IND] = {COND(JUMP)},
    [IR_EXIT] = {IMM(INT)},
};

const char *const *const ir_cond_names[IR_COND_NKINDS] = {
    [IR_COND_INT] =
        (const char *const[]){"eq", "ne", "lt", "ge", "le", "gt", "ltu", "geu", "leu", "gtu", NULL},
    [IR_COND_FCMP] = (const char *const[]){"eq", "lt", "le", "lt_quiet", "le_quiet", NULL},
    [IR_COND_ROUND] =
        (const char *const[]){"nearest", "zero", "down", "up", "nearest_max", "current", NULL},
    [IR_COND_ATOMIC] = (const char *const[]){"xchg", "add", "and", "or", "xor", "min", "max",
                                             "minu", "maxu", NULL},
    [IR_COND_JUMP] = (const char *const[]){"jump", "call", "context", "ret", NULL},
    [IR_COND_LANE] = (const char *const[]){"8", "16", "32", "64", "ss", "sd", "ps", "pd", NULL},
    [IR_COND_FMA] = (const char *const[]){"add", "neg_add", "sub", "neg_sub", NULL},
};

const char *const ir_type_names[IR_NTYPES] = {"void", "i32", "i64", "f32", "f64", "v128"};

static void print_mem(IrMem mem, FILE *out)
{
    fprintf(out, " %c%d%s%s%s%s", mem & IR_MEM_SIGNED ? 's' : 'u', 8 << (mem & IR_MEM_SIZE),
            mem & IR_MEM_ALIGN ? ".align" : "", mem & IR_MEM_ACQUIRE ? ".acquire" : "",
            mem & IR_MEM_RELEASE ? ".release" : "", mem & IR_MEM_RMW ? ".rmw" : "");
}

static void print_name(const Ir *ir, const IrInsn *insn, FILE *out)
{
    switch (ir_op_text[insn->op].imm) {
    case IR_IMM_GLOBAL: fprintf(out, " %s", ir->target->globals[insn->imm].name); break;
    case IR_IMM_HELPER: fprintf(out, " %s", ir_helper(ir->target, insn->imm)->name); break;
    default: break;
    }
}

static void print_args(const IrInsn *insn, FILE *out)
{
    for (unsigned i = 0; i < ir_op_info[insn->op].nargs; i++) {
        if (insn->arg[i] != IR_NONE) {
            fprintf(out, " %%%d", insn->arg[i]);
        }
    }
}

static void print_imm(int64_t imm, FILE *out)
{
    uint64_t magnitude = imm < 0 ? -(uint64_t)imm : (uint64_t)imm;

    fprintf(out, " %c0x%" PRIx64, imm < 0 ? '-' : '+', magnitude);
}

static void print_insn(const Ir *ir, unsigned i, FILE *out)
{
    const IrInsn *insn = &ir->insns[i];
    const IrOpText *text = &ir_op_text[insn->op];
    g_autofree char *op = g_ascii_strdown(ir_op_info[insn->op].name, -1);

    fputs(insn->op == IR_INSN ? " " : "   ", out);
    if (ir_has_result(insn)) {
        fprintf(out, "%%%u:%s = ", i, ir_type_names[insn->type]);
    }
    fputs(op, out);
    if (text->cond) {
        fprintf(out, ".%s", ir_cond_names[text->cond][insn->cond]);
    }
    print_name(ir, insn, out);
    print_args(insn, out);
    if (text->mem) {
        print_mem(insn->mem, out);
    }
    if (text->mmu) {
        fprintf(out, " mmu%d", insn->mmu);
    }
    if (text->imm == IR_IMM_INT || text->imm == IR_IMM_BYTE) {
        print_imm(insn->imm, out);
    }
    fputc('\n', out);
}

void ir_print(const Ir *ir, FILE *out)
{
    for (unsigned i = 0; i < ir->n; i++) {
        print_insn(ir, i, out);
    }
}
