/* SPDX-License-Identifier: MIT */
/* Removes instructions without effect whose value nobody uses, and renumbers the rest. */
#include "rhea/osdep.h"

#include "tcg/ir.h"
#include "tcg/ir-private.h"

void ir_dce(Ir *ir)
{
    IrVal *map = ir->scratch->map; /* first a mark (nonzero: used), then the new number */
    unsigned n = 0;

    memset(map, 0, ir->n * sizeof(*map));
    for (unsigned i = ir->n; i-- > 0;) {
        const IrInsn *insn = &ir->insns[i];

        if (!map[i] && ir_droppable(ir, insn)) {
            continue;
        }
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
