/* SPDX-License-Identifier: MIT */
/* The order of the passes, and what they share. */
#include "rhea/osdep.h"

#include "tcg/ir.h"
#include "tcg/ir-private.h"

unsigned ir_rebuild_begin(Ir *ir, const IrInsn **old)
{
    IrInsn *insns = ir->insns;
    unsigned n = ir->n;

    ir->insns = ir->scratch->spare;
    ir->scratch->spare = insns;
    ir->n = 0;
    *old = insns;
    return n;
}

void ir_check_pass(const Ir *ir, const char *pass)
{
    if (CONFIG_DEBUG && !ir->overflow) {
        const char *why = ir_verify(ir);

        if (why) {
            ir_print(ir, stderr);
            g_error("IR broken after pass %s: %s", pass, why);
        }
    }
}

/* Forwarding first, so that folding sees through guest registers; both leave dead values. */
void ir_optimise(Ir *ir)
{
    if (ir->overflow) {
        return;
    }
    ir_opt_env(ir);
    ir_opt_fold(ir);
    ir_dce(ir);
}
