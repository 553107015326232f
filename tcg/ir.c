/* SPDX-License-Identifier: MIT */
/* Life and building of IR blocks.  See tcg/ir.h for the meaning of everything. */
#include "rhea/osdep.h"

#include "tcg/ir.h"
#include "tcg/ir-private.h"

#define PURE     IR_PROP_PURE
#define COMMUTES IR_PROP_COMMUTES
#define FAULTS   IR_PROP_FAULTS
#define NORESULT IR_PROP_NORESULT
#define ENDS     IR_PROP_ENDS
#define FP       IR_PROP_FP
#define CALL     IR_PROP_CALL
#define REQUIRED IR_REQUIRED
#define EXPAND   IR_EXPAND
#define HELPER   IR_HELPER

const IrOpInfo ir_op_info[IR_NOPS] = {
#define IR_OP(name, nargs, props, lack) [IR_##name] = {#name, nargs, props, lack},
#include "tcg/ir-ops.def"
#undef IR_OP
};

/* --- Life --- */

Ir *ir_new(const IrTarget *target)
{
    Ir *ir = g_new0(Ir, 1);

    ir->target = target;
    ir->insns = g_new(IrInsn, IR_MAX_INSNS);
    ir->cap = IR_MAX_INSNS;
    ir->scratch = g_new0(IrScratch, 1);
    ir->scratch->globals = g_new0(IrGlobalState, target->nglobals);
    ir->scratch->spare = g_new(IrInsn, IR_MAX_INSNS);
    return ir;
}

void ir_free(Ir *ir)
{
    if (!ir) {
        return;
    }
    if (ir->scratch) {
        g_free(ir->scratch->globals);
        g_free(ir->scratch->spare);
        g_free(ir->scratch);
    }
    g_free(ir->insns);
    g_free(ir);
}

void ir_clear(Ir *ir)
{
    ir->n = 0;
    ir->overflow = false;
    ir->fp_calls = false;
    ir->ninsns = 0;
}

Ir *ir_dup(const Ir *ir)
{
    Ir *copy = g_new0(Ir, 1);

    copy->target = ir->target;
    copy->insns = g_memdup2(ir->insns, ir->n * sizeof(IrInsn));
    copy->n = ir->n;
    copy->cap = ir->n;
    copy->overflow = ir->overflow;
    return copy;
}

/* --- Building --- */

IrVal ir_append(Ir *ir, const IrInsn *insn)
{
    if (unlikely(ir->n >= ir->cap)) {
        ir->overflow = true;
        return ir->n - 1;
    }
    ir->insns[ir->n] = *insn;
    return ir->n++;
}

IrVal ir_emit(Ir *ir, IrOp op, IrType type, IrVal a, IrVal b, IrVal c, IrVal d, int64_t imm)
{
    IrInsn insn = {.op = op, .type = type, .arg = {a, b, c, d}, .imm = imm};

    return ir_append(ir, &insn);
}

IrType ir_type(const Ir *ir, IrVal v)
{
    return v < ir->n ? ir->insns[v].type : IR_VOID;
}

IrVal ir_imm(Ir *ir, int64_t v)
{
    return ir_emit(ir, IR_CONST, IR_I64, IR_NONE, IR_NONE, IR_NONE, IR_NONE, v);
}

IrVal ir_imm32(Ir *ir, int32_t v)
{
    return ir_emit(ir, IR_CONST, IR_I32, IR_NONE, IR_NONE, IR_NONE, IR_NONE, v);
}

IrVal ir_get(Ir *ir, unsigned global)
{
    return ir_emit(ir, IR_GET, ir->target->globals[global].type, IR_NONE, IR_NONE, IR_NONE, IR_NONE,
                   global);
}

void ir_put(Ir *ir, unsigned global, IrVal v)
{
    ir_emit(ir, IR_PUT, ir_type(ir, v), v, IR_NONE, IR_NONE, IR_NONE, global);
}

IrVal ir_ldenv(Ir *ir, IrType type, IrMem mem, int32_t offset)
{
    IrInsn insn = {.op = IR_LDENV, .type = type, .mem = mem, .arg = IR_NOARGS, .imm = offset};

    return ir_append(ir, &insn);
}

void ir_stenv(Ir *ir, IrMem mem, int32_t offset, IrVal v)
{
    IrInsn insn = {.op = IR_STENV,
                   .type = ir_type(ir, v),
                   .mem = mem,
                   .arg = {v, IR_NONE, IR_NONE, IR_NONE},
                   .imm = offset};

    ir_append(ir, &insn);
}

IrVal ir_pc(Ir *ir, int64_t page_rel)
{
    return ir_emit(ir, IR_PC, IR_I64, IR_NONE, IR_NONE, IR_NONE, IR_NONE, page_rel);
}

/* The number of complete guest instructions, for whoever looks from here on. */
static void ir_store_count(Ir *ir, unsigned n)
{
    if (unlikely(ir->counting)) {
        ir_stenv(ir, IR_MEM_32, offsetof(TcgEnv, insns), ir_imm32(ir, n));
    }
}

void ir_insn(Ir *ir, int64_t page_rel)
{
    ir_store_count(ir, ir->ninsns++);
    ir_emit(ir, IR_INSN, IR_VOID, IR_NONE, IR_NONE, IR_NONE, IR_NONE, page_rel);
}

IrVal ir_un(Ir *ir, IrOp op, IrVal a)
{
    IrType type = op == IR_TRUNC                       ? IR_I32
                  : op == IR_SEXT32 || op == IR_ZEXT32 ? IR_I64
                                                       : ir_type(ir, a);

    return ir_emit(ir, op, type, a, IR_NONE, IR_NONE, IR_NONE, 0);
}

IrVal ir_bin(Ir *ir, IrOp op, IrVal a, IrVal b)
{
    return ir_emit(ir, op, ir_type(ir, a), a, b, IR_NONE, IR_NONE, 0);
}

IrVal ir_setcond(Ir *ir, IrType type, IrCond cond, IrVal a, IrVal b)
{
    IrInsn insn = {.op = IR_SETCOND, .type = type, .cond = cond, .arg = {a, b, IR_NONE, IR_NONE}};

    return ir_append(ir, &insn);
}

IrVal ir_movcond(Ir *ir, IrCond cond, IrVal a, IrVal b, IrVal if_true, IrVal if_false)
{
    IrInsn insn = {.op = IR_MOVCOND,
                   .type = ir_type(ir, if_true),
                   .cond = cond,
                   .arg = {a, b, if_true, if_false}};

    return ir_append(ir, &insn);
}

/* --- Guest memory --- */

IrVal ir_load(Ir *ir, IrType type, IrMem mem, unsigned mmu, IrVal base, int64_t disp)
{
    IrInsn insn = {.op = IR_LOAD,
                   .type = type,
                   .mem = mem,
                   .mmu = mmu,
                   .arg = {base, IR_NONE, IR_NONE, IR_NONE},
                   .imm = disp};

    return ir_append(ir, &insn);
}

void ir_store(Ir *ir, IrMem mem, unsigned mmu, IrVal base, int64_t disp, IrVal v)
{
    IrInsn insn = {.op = IR_STORE,
                   .type = ir_type(ir, v),
                   .mem = mem,
                   .mmu = mmu,
                   .arg = {base, v, IR_NONE, IR_NONE},
                   .imm = disp};

    ir_append(ir, &insn);
}

IrVal ir_atomic(Ir *ir, IrType type, IrAtomic op, IrMem mem, unsigned mmu, IrVal addr, IrVal v)
{
    IrInsn insn = {.op = IR_ATOMIC,
                   .type = type,
                   .cond = op,
                   .mem = mem,
                   .mmu = mmu,
                   .arg = {addr, v, IR_NONE, IR_NONE}};

    return ir_append(ir, &insn);
}

IrVal ir_cas(Ir *ir, IrType type, IrMem mem, unsigned mmu, IrVal addr, IrVal expect, IrVal desired)
{
    IrInsn insn = {.op = IR_CAS,
                   .type = type,
                   .mem = mem,
                   .mmu = mmu,
                   .arg = {addr, expect, desired, IR_NONE}};

    return ir_append(ir, &insn);
}

void ir_fence(Ir *ir, int kinds)
{
    ir_emit(ir, IR_FENCE, IR_VOID, IR_NONE, IR_NONE, IR_NONE, IR_NONE, kinds);
}

/* --- Floating point --- */

IrVal ir_fp1(Ir *ir, IrOp op, IrVal a)
{
    return ir_emit(ir, op, ir_type(ir, a), a, IR_NONE, IR_NONE, IR_NONE, 0);
}

IrVal ir_fp2(Ir *ir, IrOp op, IrVal a, IrVal b)
{
    return ir_emit(ir, op, ir_type(ir, a), a, b, IR_NONE, IR_NONE, 0);
}

IrVal ir_fma(Ir *ir, int negate, IrVal a, IrVal b, IrVal addend)
{
    IrInsn insn = {
        .op = IR_FMA, .type = ir_type(ir, a), .cond = negate, .arg = {a, b, addend, IR_NONE}};

    return ir_append(ir, &insn);
}

IrVal ir_fcmp(Ir *ir, IrFcmp cond, IrVal a, IrVal b)
{
    IrInsn insn = {.op = IR_FCMP, .type = IR_I64, .cond = cond, .arg = {a, b, IR_NONE, IR_NONE}};

    return ir_append(ir, &insn);
}

IrVal ir_fcvt(Ir *ir, IrOp op, IrType to, IrRound round, IrVal a)
{
    IrInsn insn = {.op = op, .type = to, .cond = round, .arg = {a, IR_NONE, IR_NONE, IR_NONE}};

    return ir_append(ir, &insn);
}

IrVal ir_fbits(Ir *ir, IrType to, IrVal a)
{
    return ir_emit(ir, IR_FBITS, to, a, IR_NONE, IR_NONE, IR_NONE, 0);
}

IrVal ir_fbox(Ir *ir, IrVal f32)
{
    return ir_emit(ir, IR_FBOX, IR_F64, f32, IR_NONE, IR_NONE, IR_NONE, 0);
}

IrVal ir_vec(Ir *ir, IrOp op, IrLane lane, IrVal a, IrVal b, IrVal c, unsigned imm)
{
    IrInsn insn = {.op = op,
                   .type = ir_helper(ir->target, ir_op_helper(op, IR_V128, IR_V128))->ret,
                   .cond = ir_op_text[op].cond ? lane : 0,
                   .arg = {a, b, c, IR_NONE},
                   .imm = imm};

    return ir_append(ir, &insn);
}

IrVal ir_funbox(Ir *ir, IrVal f64)
{
    return ir_emit(ir, IR_FUNBOX, IR_F32, f64, IR_NONE, IR_NONE, IR_NONE, 0);
}

/* --- Calls and control --- */

IrVal ir_call(Ir *ir, unsigned helper, IrVal a, IrVal b, IrVal c, IrVal d)
{
    IrType type = ir_helper(ir->target, helper)->ret;
    IrVal v = ir_emit(ir, IR_CALL, type, a, b, c, d, helper);

    return type == IR_VOID ? IR_NONE : v;
}

void ir_exit_if(Ir *ir, IrCond cond, IrVal a, IrVal b, int64_t page_rel)
{
    IrInsn insn = {
        .op = IR_EXIT_IF, .cond = cond, .arg = {a, b, IR_NONE, IR_NONE}, .imm = page_rel};

    ir_store_count(ir, ir->ninsns);
    ir_append(ir, &insn);
}

void ir_goto(Ir *ir, int64_t page_rel)
{
    ir_store_count(ir, ir->ninsns);
    ir_emit(ir, IR_GOTO, IR_VOID, IR_NONE, IR_NONE, IR_NONE, IR_NONE, page_rel);
}

void ir_goto_ind(Ir *ir, IrJumpKind kind, IrVal pc)
{
    IrInsn insn = {.op = IR_GOTO_IND, .cond = kind, .arg = {pc, IR_NONE, IR_NONE, IR_NONE}};

    ir_store_count(ir, ir->ninsns);
    ir_append(ir, &insn);
}

void ir_exit(Ir *ir, int64_t page_rel)
{
    ir_store_count(ir, ir->ninsns);
    ir_emit(ir, IR_EXIT, IR_VOID, IR_NONE, IR_NONE, IR_NONE, IR_NONE, page_rel);
}
