/* SPDX-License-Identifier: MIT */
/*
 * Guest registers inside a block: a GET of a global whose value is known becomes that value, a PUT of
 * the value that the global holds goes, and so does a PUT that is overwritten before anything can
 * leave the block (the precision rule of tcg/ir.h).
 *
 * What is known of a global counts only while its epoch is the present one, so forgetting
 * everything is one increment: values at helpers that write globals, PUTs at all that may leave.
 */
#include "rhea/osdep.h"

#include "tcg/ir.h"
#include "tcg/ir-private.h"

typedef struct EnvPass {
    Ir *ir;
    IrGlobalState *globals;
    IrVal *map;
    uint32_t value_epoch, put_epoch;
} EnvPass;

/* Turns an insn into one without use or effect, for ir_dce(). */
static void kill_insn(IrInsn *insn)
{
    *insn = (IrInsn){.op = IR_CONST, .type = IR_I64, .arg = IR_NOARGS};
}

static void learn(EnvPass *p, unsigned global, IrVal value)
{
    p->globals[global].value = value;
    p->globals[global].value_epoch = p->value_epoch;
}

static bool known(const EnvPass *p, unsigned global)
{
    return p->globals[global].value_epoch == p->value_epoch;
}

static void visit_get(EnvPass *p, unsigned i)
{
    unsigned global = p->ir->insns[i].imm;

    if (known(p, global)) {
        p->map[i] = p->globals[global].value;
        kill_insn(&p->ir->insns[i]);
    } else {
        learn(p, global, i);
    }
}

static void visit_put(EnvPass *p, unsigned i)
{
    IrInsn *insn = &p->ir->insns[i];
    IrGlobalState *g = &p->globals[insn->imm];

    if (known(p, insn->imm) && g->value == insn->arg[0]) {
        kill_insn(insn);
        return;
    }
    if (g->put_epoch == p->put_epoch) {
        kill_insn(&p->ir->insns[g->put]);
    }
    learn(p, insn->imm, insn->arg[0]);
    g->put = i;
    g->put_epoch = p->put_epoch;
}

void ir_opt_env(Ir *ir)
{
    IrScratch *s = ir->scratch;
    EnvPass p = {ir, s->globals, s->map, 0, 0};

    /* One counter serves both kinds, across blocks too. */
    if (s->epoch > UINT32_MAX - 2 * IR_MAX_INSNS - 2) {
        memset(s->globals, 0, ir->target->nglobals * sizeof(*s->globals));
        s->epoch = 0;
    }
    p.value_epoch = p.put_epoch = ++s->epoch;
    for (unsigned i = 0; i < ir->n; i++) {
        IrInsn *insn = &ir->insns[i];

        p.map[i] = i;
        ir_map_args(insn, p.map);
        if (insn->op == IR_GET) {
            visit_get(&p, i);
        } else if (insn->op == IR_PUT) {
            visit_put(&p, i);
        } else if (ir_may_leave(ir, insn)) {
            p.put_epoch = ++s->epoch;
            if (insn->op == IR_CALL) {
                p.value_epoch = p.put_epoch;
            }
        }
    }
    ir_check_pass(ir, "opt-env");
}
