/* SPDX-License-Identifier: MIT */
/*
 * From guest instructions to IR: the loop over a block, and what all bodies use.
 *
 * A block goes on across conditional branches (the taken side leaves through an EXIT_IF) and ends at
 * jumps, at whatever may change the translation key, at the end of the page, and before an instruction
 * that straddles the end of the page unless that is its first one; so a block with bytes of two pages is
 * that one instruction.
 */
#include "rhea/osdep.h"

#include "rhea/endian.h"
#include "trans.h"

/* Room that one instruction may need in the IR; the largest is cbo.zero. */
enum { INSN_ROOM = 64 };

IrVal rv_get(RvTrans *t, int n)
{
    return n ? ir_get(t->ir, RV_G_X(n)) : ir_imm(t->ir, 0);
}

void rv_put(RvTrans *t, int n, IrVal v)
{
    if (n == 0) {
        return;
    }
    if (n == t->far_reg) {
        t->far_reg = 0;
    }
    ir_put(t->ir, RV_G_X(n), v);
}

void rv_put32(RvTrans *t, int n, IrVal i32)
{
    rv_put(t, n, ir_un(t->ir, IR_SEXT32, i32));
}

void rv_end_goto(RvTrans *t, int64_t target)
{
    ir_goto(t->ir, target);
    t->ended = true;
}

void rv_end_context(RvTrans *t)
{
    ir_goto_ind(t->ir, IR_CONTEXT_JUMP, ir_pc(t->ir, t->next));
    t->ended = true;
}

void rv_end_exit(RvTrans *t)
{
    ir_exit(t->ir, t->next);
    t->ended = true;
}

void rv_end_dead(RvTrans *t)
{
    ir_exit(t->ir, t->pc);
    t->ended = true;
}

void rv_end_raise(RvTrans *t, unsigned cause, IrVal tval)
{
    rv_call2(t, RV_H_RAISE, ir_imm(t->ir, cause), tval);
    rv_end_dead(t);
}

/* Fetches the instruction at t->pc into t->insn and t->next; false when it needs a page that is not
 * there (tx->needs_next is set then). */
static bool fetch(RvTrans *t, Translate *tx)
{
    unsigned off = t->pc;
    uint32_t low = ld16_le(tx->page + off);

    if ((low & 3) != 3) {
        t->insn = low;
        t->next = t->pc + 2;
        return true;
    }
    t->next = t->pc + 4;
    if (off + 4 <= TCG_PAGE_SIZE) {
        t->insn = ld32_le(tx->page + off);
        return true;
    }
    if (!tx->next_page) {
        tx->needs_next = true;
        return false;
    }
    t->insn = low | (uint32_t)ld16_le(tx->next_page) << 16;
    return true;
}

static void translate_one(RvTrans *t)
{
    RvInsnId id =
        (t->insn & 3) == 3 ? rv_match32(t->model, t->insn) : rv_match16(t->model, t->insn);

    ir_insn(t->ir, t->pc);
    if (id == RV_INSN_NONE || !rv_insn_info[id].translate(t, t->insn)) {
        rv_end_raise(t, RV_EXC_ILLEGAL, rv_insn_imm(t));
    }
}

/* The 32-bit instruction at the last two bytes of a page. */
static bool straddles(const RvTrans *t, const Translate *tx)
{
    return t->pc + 4 > (int64_t)TCG_PAGE_SIZE && (tx->page[t->pc] & 3) == 3;
}

void rv_translate(Translate *tx)
{
    RvTrans t = {
        .ir = tx->ir,
        .model = tx->model,
        .mmu = rv_key_mmu(tx->key),
        .fs = rv_key_fs(tx->key),
        .frm = rv_key_frm(tx->key),
        .pc = tx->page_off,
    };

    tx->ninsns = 0;
    tx->needs_next = false;
    while (fetch(&t, tx)) {
        translate_one(&t);
        tx->ninsns++;
        t.pc = t.next;
        if (t.ended || tx->ninsns >= tx->max_insns || t.pc >= (int64_t)TCG_PAGE_SIZE ||
            tx->ir->n + INSN_ROOM > IR_MAX_INSNS || straddles(&t, tx)) {
            break;
        }
    }
    if (!t.ended) {
        rv_end_goto(&t, t.pc);
    }
    tx->size = t.pc - tx->page_off;
}
