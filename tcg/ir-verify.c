/* SPDX-License-Identifier: MIT */
/*
 * Is a block well formed?  Checks structure (order of definition and use, one end), types of all
 * operands, and ranges of everything that indexes a table.
 */
#include "rhea/osdep.h"

#include "tcg/ir.h"
#include "tcg/ir-private.h"

enum { WHY_BYTES = 160 };

static const char *fail(unsigned i, const IrInsn *insn, const char *what)
{
    static _Thread_local char why[WHY_BYTES];

    snprintf(why, sizeof(why), "insn %u (%s): %s", i,
             insn->op < IR_NOPS ? ir_op_info[insn->op].name : "?", what);
    return why;
}

static bool is_int(IrType t)
{
    return t == IR_I32 || t == IR_I64;
}

static bool is_float(IrType t)
{
    return t == IR_F32 || t == IR_F64;
}

/* --- Ranges --- */

static unsigned cond_count(IrCondKind kind)
{
    unsigned n = 0;

    while (ir_cond_names[kind] && ir_cond_names[kind][n]) {
        n++;
    }
    return n;
}

static bool env_access_hits_global(const IrTarget *t, const IrInsn *insn)
{
    int64_t end = insn->imm + (1 << (insn->mem & IR_MEM_SIZE));

    for (unsigned i = 0; i < t->nglobals; i++) {
        const IrGlobal *g = &t->globals[i];
        int64_t size = ir_type_bytes(g->type);

        if (insn->imm < g->offset + size && end > g->offset) {
            return true;
        }
    }
    return false;
}

static const char *check_ranges(const Ir *ir, const IrInsn *insn)
{
    const IrOpText *text = &ir_op_text[insn->op];
    int64_t imm = insn->imm;

    if (text->cond ? insn->cond >= cond_count(text->cond) : insn->cond) {
        return "condition out of range";
    }
    if (text->cond == IR_COND_LANE && !(ir_vec_lanes(insn->op) >> insn->cond & 1)) {
        return "no such lane";
    }
    if ((text->mem ? insn->mem & IR_MEM_RMW && insn->op != IR_LOAD : insn->mem) ||
        insn->mmu >= TCG_MMU_MODES) {
        return "memory operation out of range";
    }
    if ((insn->op == IR_VSEXT || insn->op == IR_VZEXT) && (imm < 1 || imm > 3 - insn->cond)) {
        return "extension to a width that does not exist";
    }
    switch (text->imm) {
    case IR_IMM_GLOBAL: return imm >= 0 && imm < ir->target->nglobals ? NULL : "no such global";
    case IR_IMM_HELPER:
        if (imm >= 0 && imm < ir->target->nhelpers) {
            return NULL;
        }
        return imm >= IR_OP_HELPER_BASE && imm < IR_OP_HELPER_BASE + ir_op_helper_count()
                   ? NULL
                   : "no such helper";
    case IR_IMM_BYTE: return imm >> 8 ? "immediate out of range" : NULL;
    case IR_IMM_NONE: return imm ? "unexpected immediate" : NULL;
    default: break;
    }
    if ((insn->op == IR_LDENV || insn->op == IR_STENV) &&
        env_access_hits_global(ir->target, insn)) {
        return "access to a global as memory";
    }
    return NULL;
}

/* --- Types --- */

static bool same(const Ir *ir, const IrInsn *insn, unsigned first, unsigned last)
{
    for (unsigned i = first; i <= last; i++) {
        if (ir_type(ir, insn->arg[i]) != insn->type) {
            return false;
        }
    }
    return true;
}

/* Do the first @n arguments and the result fit the helper? */
static bool helper_types_ok(const Ir *ir, const IrInsn *insn, const IrHelper *h, unsigned n)
{
    bool ended = false;

    for (unsigned i = 0; i < n; i++) {
        ended |= h->args[i] == IR_VOID;
        if (ended ? insn->arg[i] != IR_NONE : ir_type(ir, insn->arg[i]) != h->args[i]) {
            return false;
        }
    }
    return insn->type == h->ret;
}

/* Wide enough for what is accessed; only integers are extended. */
static bool mem_type_ok(IrType type, IrMem mem)
{
    unsigned size = mem & IR_MEM_SIZE;

    switch (type) {
    case IR_I32: return size <= IR_MEM_32;
    case IR_I64: return size <= IR_MEM_64;
    case IR_F32: return size == IR_MEM_32;
    case IR_F64: return size == IR_MEM_64;
    case IR_V128: return size >= IR_MEM_32;
    default: return false;
    }
}

static bool conversion_types_ok(IrOp op, IrType to, IrType from)
{
    switch (op) {
    case IR_SEXT32:
    case IR_ZEXT32: return to == IR_I64 && from == IR_I32;
    case IR_TRUNC: return to == IR_I32 && from == IR_I64;
    case IR_FCVT_F: return is_float(to) && is_float(from) && to != from;
    case IR_FCVT_SI:
    case IR_FCVT_UI: return is_int(to) && is_float(from);
    case IR_FCVT_SF:
    case IR_FCVT_UF: return is_float(to) && is_int(from);
    case IR_FBITS:
        return (to == IR_I64 && from == IR_F64) || (to == IR_F64 && from == IR_I64) ||
               (to == IR_I32 && from == IR_F32) || (to == IR_F32 && from == IR_I32);
    case IR_FBOX: return to == IR_F64 && from == IR_F32;
    case IR_FUNBOX: return to == IR_F32 && from == IR_F64;
    default: return false;
    }
}

static bool const_ok(const IrInsn *insn)
{
    if (insn->type == IR_V128) {
        return insn->imm == 0 || insn->imm == -1;
    }
    return insn->type > IR_VOID && insn->type < IR_NTYPES;
}

/* Comparison operands: equal types, integers. */
static bool compared_ok(IrType a, IrType b)
{
    return a == b && is_int(a);
}

static bool types_ok(const Ir *ir, const IrInsn *insn)
{
    IrType t = insn->type;
    IrType a = ir_type(ir, insn->arg[0]), b = ir_type(ir, insn->arg[1]);

    switch (insn->op) {
    case IR_CONST: return const_ok(insn);
    case IR_GET: return t == ir->target->globals[insn->imm].type;
    case IR_PUT: return t == a && t == ir->target->globals[insn->imm].type;
    case IR_LDENV: return mem_type_ok(t, insn->mem);
    case IR_STENV: return t == a && mem_type_ok(t, insn->mem);
    case IR_PC: return t == IR_I64;
    case IR_MULHU:
    case IR_MULHS:
    case IR_CLMUL:
    case IR_CLMULH: return t == IR_I64 && same(ir, insn, 0, 1);
    case IR_SETCOND: return is_int(t) && compared_ok(a, b);
    case IR_MOVCOND: return is_int(t) && compared_ok(a, b) && same(ir, insn, 2, 3);
    case IR_ADC:
    case IR_SBB: return is_int(t) && t == a && a == b && ir_type(ir, insn->arg[2]) == IR_I32;
    case IR_CARRY:
    case IR_BORROW: return t == IR_I32 && compared_ok(a, b) && ir_type(ir, insn->arg[2]) == IR_I32;
    case IR_LOAD: return a == IR_I64 && mem_type_ok(t, insn->mem);
    case IR_STORE: return a == IR_I64 && t == b && mem_type_ok(t, insn->mem);
    case IR_ATOMIC: return is_int(t) && a == IR_I64 && t == b && mem_type_ok(t, insn->mem);
    case IR_CAS:
        return is_int(t) && a == IR_I64 && same(ir, insn, 1, 2) && mem_type_ok(t, insn->mem);
    case IR_FCMP: return t == IR_I64 && is_float(a) && a == b;
    case IR_CALL: {
        const IrHelper *h = ir_helper(ir->target, insn->imm);

        return helper_types_ok(ir, insn, h, ARRAY_SIZE(h->args));
    }
    case IR_EXIT_IF: return compared_ok(a, b);
    case IR_GOTO_IND: return a == IR_I64;
    case IR_INSN:
    case IR_FENCE:
    case IR_GOTO:
    case IR_EXIT: return t == IR_VOID;
    default: break;
    }
    if (conversion_types_ok(insn->op, t, a)) {
        return true;
    }
    if (ir_is_vec(insn->op)) {
        return helper_types_ok(ir, insn, ir_vec_helper(insn->op), ir_op_info[insn->op].nargs);
    }
    if (insn->op >= IR_FADD && insn->op <= IR_FMAX) {
        return is_float(t) && same(ir, insn, 0, ir_op_info[insn->op].nargs - 1);
    }
    return insn->op >= IR_ADD && insn->op <= IR_ZEXT16 && is_int(t) &&
           same(ir, insn, 0, ir_op_info[insn->op].nargs - 1);
}

/* --- Structure --- */

static const char *check_args(const Ir *ir, unsigned i, const IrInsn *insn)
{
    for (unsigned k = 0; k < ARRAY_SIZE(insn->arg); k++) {
        IrVal v = insn->arg[k];

        if (v == IR_NONE) {
            if (k < ir_op_info[insn->op].nargs && insn->op != IR_CALL) {
                return "argument missing";
            }
        } else if (k >= ir_op_info[insn->op].nargs) {
            return "argument not expected";
        } else if (v >= i || !ir_has_result(&ir->insns[v])) {
            return "argument is not a value defined before";
        }
    }
    return NULL;
}

const char *ir_verify(const Ir *ir)
{
    for (unsigned i = 0; i < ir->n; i++) {
        const IrInsn *insn = &ir->insns[i];
        const char *what;

        if (insn->op >= IR_NOPS) {
            return fail(i, insn, "no such operation");
        }
        what = check_ranges(ir, insn);
        what = what ? what : check_args(ir, i, insn);
        if (what) {
            return fail(i, insn, what);
        }
        if (!types_ok(ir, insn)) {
            return fail(i, insn, "types do not fit");
        }
        if (!(ir_op_info[insn->op].props & IR_PROP_ENDS) != (i + 1 < ir->n)) {
            return fail(i, insn, "only the last instruction ends the block");
        }
    }
    return ir->n ? NULL : "empty block";
}
