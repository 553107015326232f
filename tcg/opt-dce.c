/* SPDX-License-Identifier: MIT */
/*
 * Removes instructions without effect whose value nobody uses, and renumbers the rest.  An INSN goes
 * when nothing can ask for the guest pc before the next one: a third of all IR, which otherwise costs
 * the interpreter as much as any other instruction.
 */
#include "rhea/osdep.h"

#include "tcg/ir.h"
#include "tcg/ir-private.h"

/* Can the insn ask where it is? */
static bool observes_pc(const Ir *ir, const IrInsn *insn)
{
    if (insn->op == IR_CALL) {
        return !(ir_helper(ir->target, insn->imm)->flags & IR_HELPER_PURE);
    }
    return ir_op_info[insn->op].props & IR_PROP_FAULTS;
}

void ir_dce(Ir *ir)
{
    IrVal *map = ir->scratch->map; /* first a mark (nonzero: used), then the new number */
    bool pc_observed = false;
    unsigned n = 0;

    memset(map, 0, ir->n * sizeof(*map));
    for (unsigned i = ir->n; i-- > 0;) {
        const IrInsn *insn = &ir->insns[i];

        if (insn->op == IR_INSN) {
            map[i] = pc_observed;
            pc_observed = false;
            continue;
        }
        if (!map[i] && ir_droppable(ir, insn)) {
            continue;
        }
        pc_observed |= observes_pc(ir, insn);
        map[i] = 1;
        for (unsigned k = 0; k < ARRAY_SIZE(insn->arg); k++) {
            if (insn->arg[k] != IR_NONE) {
                map[insn->arg[k]] = 1;
            }
        }
    }
    for (unsigned i = 0; i < ir->n; i++) {
        if (map[i]) {
            IrInsn insn = ir->insns[i];

            ir_map_args(&insn, map);
            ir->insns[n] = insn;
            map[i] = n++;
        }
    }
    ir->n = n;
    ir_check_pass(ir, "dce");
}
