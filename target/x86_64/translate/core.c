/* SPDX-License-Identifier: MIT */
/*
 * From guest instructions to IR: the loop over a block, and how blocks end.
 *
 * A block goes on across conditional branches (the taken side leaves through an EXIT_IF) and ends at
 * jumps, at whatever may change the translation key, at the end of the page, and before an instruction
 * that goes on in the next page unless that is its first one; so a block with bytes of two pages is
 * that one instruction.
 *
 * Jumps in 16- and 32-bit code wrap.  A chained exit adds a distance to the page's address, which is
 * right unless the sum passes the edge; so what may pass it is compared first.
 */
#include "rhea/osdep.h"

#include "vec.h"

/* Room that one instruction may need in the IR: PUSHA with segment checks, operands of vectors. */
enum { INSN_ROOM = 400 };

/* --- Ends --- */

static bool in_page(int64_t target)
{
    return target >= 0 && target < (int64_t)TCG_PAGE_SIZE;
}

static IrVal cs_base(X86Trans *t)
{
    return ir_ldenv(t->ir, IR_I64, IR_MEM_64, offsetof(X86Env, seg[X86_CS].base));
}

IrVal x86_eip(X86Trans *t, int64_t target, unsigned size)
{
    IrVal pc = ir_pc(t->ir, target);

    if (t->key & X86_KEY_CSBASE) {
        pc = ir_bin(t->ir, IR_SUB, pc, cs_base(t));
    }
    return t->mode64 ? pc : x86_wrap(t, pc, size == 2 ? 2 : 4);
}

static IrVal linear_of_eip(X86Trans *t, IrVal eip)
{
    if (t->key & X86_KEY_CSBASE) {
        return x86_wrap(t, ir_add(t->ir, eip, cs_base(t)), 4);
    }
    return eip;
}

/* Debug traps of the instruction, after which @pc is next. */
static void insn_end(X86Trans *t, IrVal pc)
{
    if (t->key & (X86_KEY_TF | X86_KEY_BP)) {
        x86_call2(t, X86_H_INSN_END, pc, ir_imm(t->ir, (int64_t)t->key));
    }
}

void x86_end_pc(X86Trans *t, IrJumpKind kind, IrVal pc)
{
    insn_end(t, pc);
    ir_goto_ind(t->ir, kind, pc);
    t->ended = true;
}

void x86_end_context(X86Trans *t)
{
    x86_end_pc(t, IR_CONTEXT_JUMP, ir_pc(t->ir, t->next));
}

void x86_end_exit(X86Trans *t)
{
    insn_end(t, ir_pc(t->ir, t->next));
    ir_exit(t->ir, t->next);
    t->ended = true;
}

bool x86_leave_if(X86Trans *t, X86Cond c)
{
    if (t->pc == t->start) {
        return false;
    }
    ir_exit_if(t->ir, c.cond, c.a, c.b, t->pc);
    return true;
}

void x86_end_dead(X86Trans *t)
{
    ir_exit(t->ir, t->pc);
    t->ended = true;
}

void x86_end_raise(X86Trans *t, unsigned vector)
{
    x86_call2(t, X86_H_RAISE, ir_imm(t->ir, vector), ir_imm(t->ir, 0));
    x86_end_dead(t);
}

bool x86_need_cpl0(X86Trans *t)
{
    if (t->cpl) {
        x86_end_raise(t, X86_EXC_GP);
        return false;
    }
    return true;
}

void x86_end_eip(X86Trans *t, IrJumpKind kind, IrVal eip)
{
    x86_end_pc(t, kind, linear_of_eip(t, eip));
}

static void goto_chained(X86Trans *t, int64_t target)
{
    ir_goto(t->ir, target);
    t->ended = true;
}

/* A 16-bit jump in 16-bit code, where IP is below 64 KiB and so at most 64 KiB off. */
static void end_jump16(X86Trans *t, int64_t target)
{
    IrVal ip = ir_pc(t->ir, target);
    int64_t other_way = target < t->next ? 0x10000 : -0x10000;

    if (t->key & X86_KEY_CSBASE) {
        ip = ir_bin(t->ir, IR_SUB, ip, cs_base(t));
    }
    ir_exit_if(t->ir, IR_GTU, ip, ir_imm(t->ir, 0xffff), target + other_way);
    goto_chained(t, target);
}

static void end_jump32(X86Trans *t, int64_t target)
{
    IrVal pc = ir_pc(t->ir, target);

    if (!in_page(target)) {
        ir_exit_if(t->ir, IR_LEU, pc, ir_imm(t->ir, 0xffffffff), target);
        x86_end_pc(t, IR_JUMP, x86_wrap(t, pc, 4));
    } else {
        goto_chained(t, target);
    }
}

void x86_end_jump(X86Trans *t, int64_t target)
{
    bool wraps16 = t->insn.opsize == 2;

    if (x86_alone(t) || (wraps16 && t->key & X86_KEY_CS32)) {
        x86_end_eip(t, IR_JUMP, x86_eip(t, target, t->insn.opsize));
    } else if (t->mode64) {
        goto_chained(t, target);
    } else if (wraps16) {
        end_jump16(t, target);
    } else {
        end_jump32(t, target);
    }
}

void x86_jump_if(X86Trans *t, X86Cond c, int64_t target)
{
    if (x86_alone(t)) {
        IrVal taken = linear_of_eip(t, x86_eip(t, target, t->insn.opsize));

        x86_end_pc(t, IR_JUMP, ir_movcond(t->ir, c.cond, c.a, c.b, taken, ir_pc(t->ir, t->next)));
    } else if (t->mode64 || (t->insn.opsize == 4 && in_page(target))) {
        ir_exit_if(t->ir, c.cond, c.a, c.b, target);
    } else {
        ir_exit_if(t->ir, c.cond ^ 1, c.a, c.b, t->next);
        x86_end_jump(t, target);
    }
}

/* --- One instruction --- */

static bool may_run(X86Trans *t)
{
    return (!(t->insn.row->attrs & X86_A_CPL0) || x86_need_cpl0(t)) && x86_vec_may_run(t);
}

static void translate_valid(X86Trans *t)
{
    IrVal loaded;

    t->addr = IR_NONE;
    t->stored = false;
    for (unsigned i = 0; i < X86_MAX_OPNDS; i++) {
        t->v[i] = IR_NONE;
    }
    if (!may_run(t)) {
        return;
    }
    x86_load_operands(t);
    loaded = t->v[0];
    t->insn.row->emit(t);
    if (!t->ended) {
        x86_store_operands(t, loaded);
        x86_flags_commit(t);
    }
}

/* Before the first instruction: does the segment have all of the block?  Its end is filled in later. */
static void check_fetch(X86Trans *t)
{
    if (t->key & X86_KEY_CSLIMIT && t->pc == t->start) {
        t->end_value = ir_pc(t->ir, t->next - 1);
        t->count_value = ir_imm(t->ir, 1);
        x86_call2(t, X86_H_CS_FETCH, t->end_value, t->count_value);
    }
}

static void patch_fetch(X86Trans *t, unsigned ninsns)
{
    if (t->key & X86_KEY_CSLIMIT && ninsns) {
        t->ir->insns[t->end_value].imm = t->pc - 1;
        t->ir->insns[t->count_value].imm = ninsns;
    }
}

static void translate_one(X86Trans *t, X86Decoded decoded)
{
    ir_insn(t->ir, t->pc);
    check_fetch(t);
    if (x86_alone(t)) {
        x86_call0(t, X86_H_INSN_BEGIN);
    }
    switch (decoded) {
    case X86_DECODED: translate_valid(t); break;
    case X86_DECODE_TOO_LONG: x86_end_raise(t, X86_EXC_GP); break;
    default: x86_end_raise(t, X86_EXC_UD); break;
    }
    if (x86_alone(t) && !t->ended) {
        x86_end_context(t);
    }
}

/* --- The block --- */

/* Decodes at t->pc; the bytes of two pages are put together first.  False: the next page is needed. */
static bool fetch(X86Trans *t, Translate *tx, X86Decoded *decoded)
{
    unsigned off = t->pc, room = TCG_PAGE_SIZE - off;
    uint8_t bytes[2 * X86_LONGEST_INSN];

    *decoded = x86_decode(&t->insn, t->model, t->key, tx->page + off, room);
    if (*decoded == X86_DECODE_MORE) {
        if (!tx->next_page) {
            tx->needs_next = true;
            return false;
        }
        memcpy(bytes, tx->page + off, room);
        memcpy(bytes + room, tx->next_page, X86_LONGEST_INSN);
        *decoded = x86_decode(&t->insn, t->model, t->key, bytes, room + X86_LONGEST_INSN);
    }
    t->next = t->pc + t->insn.len;
    return true;
}

static bool straddles(const X86Trans *t)
{
    return t->next > (int64_t)TCG_PAGE_SIZE;
}

void x86_translate(Translate *tx)
{
    X86Trans t = {
        .ir = tx->ir,
        .model = tx->model,
        .key = tx->key,
        .mmu = x86_key_mmu(tx->key),
        .cpl = x86_key_cpl(tx->key),
        .mode64 = tx->key & X86_KEY_CS64,
        .align = tx->key & X86_KEY_AC ? IR_MEM_ALIGN : 0,
        .start = tx->page_off,
        .pc = tx->page_off,
        .op_value = IR_NONE,
    };
    unsigned max = x86_alone(&t) ? 1 : tx->max_insns;
    X86Decoded decoded;

    tx->ir->fp_calls = tx->key & X86_KEY_FPEXACT;
    tx->ninsns = 0;
    tx->needs_next = false;
    x86_flags_forget(&t);
    while (!t.ended && tx->ninsns < max && t.pc < (int64_t)TCG_PAGE_SIZE &&
           tx->ir->n + INSN_ROOM <= IR_MAX_INSNS && fetch(&t, tx, &decoded)) {
        if (tx->ninsns && straddles(&t)) {
            break;
        }
        tx->ninsns++;
        t.more = tx->ninsns < max && t.next + X86_LONGEST_INSN <= (int64_t)TCG_PAGE_SIZE &&
                 tx->ir->n + 2 * INSN_ROOM <= IR_MAX_INSNS;
        translate_one(&t, decoded);
        if (t.left && --t.left == 0 && !t.ended) {
            x86_end_context(&t);
        }
        t.pc = t.next;
    }
    if (!t.ended && tx->ninsns) {
        ir_goto(t.ir, t.pc);
    }
    patch_fetch(&t, tx->ninsns);
    tx->size = t.pc - tx->page_off;
}
