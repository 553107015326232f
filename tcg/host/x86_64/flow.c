/* SPDX-License-Identifier: MIT */
/*
 * How blocks are left.
 *
 * An exit is a jmp or jcc whose displacement is patched with one atomic store (it never crosses a cache
 * line).  Unlinked it leads to its stub.  CROSS exits compare the present ctx with a literal of the block
 * first; ctx 0 is never current: it means unlinked.  Literal and jump are patched one after the other, so
 * the jump is only turned elsewhere when nobody can be between the two: see backend_link().  When ctx is
 * another one the stub looks into the jump cache before it leaves.
 *
 * Exits that go backward, and indirect jumps, first look at exit_request.
 *
 * Returns are indirect jumps like others: keeping a stack of predictions takes about ten instructions at
 * the call and ten at the return, where the jump-cache probe takes ten in all.
 *
 * At an exit every global is in its home, and no temporary is live.
 */
#include "rhea/osdep.h"
#include "codegen.h"

/* What the code behind the block owes to exit number n of Cg.exits. */
struct ExitJump {
    uint32_t to_stub; /* displacement that leads to the stub while unlinked ... */
    uint32_t request; /* ... and those taken for exit_request or a failed guard, or 0 */
    uint32_t guard;
    uint32_t to_cold; /* CROSS EXIT_IF: the jcc to the guard, which is out of line; else 0 */
};
typedef struct ExitJump ExitJump;

void cg_flow_init(Cg *c)
{
    unsigned n = 1; /* exits: all but one are conditional */

    for (unsigned i = 0; i < c->ir->n; i++) {
        n += c->ir->insns[i].op == IR_EXIT_IF;
    }
    c->exits = cg_array(c, n, sizeof(CodeExit));
    c->exit_jumps = cg_array(c, n, sizeof(ExitJump));
}

void cg_point(Cg *c, int32_t page_rel)
{
    c->points[c->npoints++] = (CodePoint){asm_pos(&c->a), page_rel};
}

void cg_call_runtime(Cg *c, unsigned index, unsigned scratch)
{
    emit_load(&c->a, X_W, scratch, cg_env(offsetof(TcgEnv, runtime)));
    emit_rm(&c->a, OP_GRP5, 2, mem_at(scratch, 8 * (int)index), 0);
}

void cg_jmp_runtime(Cg *c, unsigned index)
{
    emit_load(&c->a, X_W, RCX, cg_env(offsetof(TcgEnv, runtime)));
    emit_rm(&c->a, OP_GRP5, 4, mem_at(RCX, 8 * (int)index), 0);
}

/* Pads so that 4 bytes from (position + @ahead) on lie in one cache line.  The bytes since @from are
 * moved along: a compare stays fused with its jump. */
static void keep_in_line(Cg *c, unsigned ahead, uint32_t from)
{
    uintptr_t at = (uintptr_t)c->block->rx + asm_pos(&c->a) + ahead;
    unsigned pad = (at & 63) > 60 ? 64 - (at & 63) : 0, n = asm_pos(&c->a) - from;
    uint8_t moved[32];

    if (!pad) {
        return;
    }
    if (n && n <= sizeof(moved) && !c->a.overflow) {
        memcpy(moved, c->a.start + from, n);
        c->a.p -= n;
    } else {
        n = 0;
    }
    emit_nops(&c->a, pad);
    for (unsigned k = 0; k < n; k++) {
        emit8(&c->a, moved[k]);
    }
}

static uint32_t emit_request_test(Cg *c, unsigned cc)
{
    emit_alu_mi(&c->a, ALU_CMP, 0, cg_env(offsetof(TcgEnv, exit_request)), 0);
    return emit_jcc(&c->a, cc);
}

/* An instruction at the end of the page may go on in the next one; whether that is the page the block
 * at @page_rel was made from, only the context knows. */
static bool needs_guard(int64_t page_rel)
{
    enum { LONGEST_INSN = 16 };

    return page_rel >> TCG_PAGE_BITS || (uint64_t)page_rel > TCG_PAGE_SIZE - LONGEST_INSN;
}

static CodeExit *add_exit(Cg *c, int64_t page_rel, ExitJump **jump)
{
    CodeExit *e = &c->exits[c->nexits];

    *jump = &c->exit_jumps[c->nexits++];
    **jump = (ExitJump){0};
    *e = (CodeExit){.page_rel = (int32_t)page_rel,
                    .backward = page_rel <= c->page_rel,
                    .kind = needs_guard(page_rel) ? CODE_EXIT_CROSS : CODE_EXIT_PAGE};
    return e;
}

static void emit_linked_jmp(Cg *c, CodeExit *e, ExitJump *j)
{
    keep_in_line(c, 1, asm_pos(&c->a));
    e->jump_off = j->to_stub = emit_jmp(&c->a);
}

/* The guarded jump of a CROSS exit; its literal's address is filled in by the tail. */
static void emit_cross(Cg *c, CodeExit *e, ExitJump *j)
{
    int32_t delta = e->page_rel & (int32_t)TCG_PAGE_MASK;

    if (e->backward) {
        j->request = emit_request_test(c, CC_NE);
    }
    emit_load(&c->a, X_W, RAX, cg_env(offsetof(TcgEnv, ctx)));
    emit_alu_rm(&c->a, ALU_CMP, X_W, RAX, mem_at(NO_REG, 0));
    e->guard_off = asm_pos(&c->a) - 4;
    j->guard = emit_jcc(&c->a, CC_NE);
    if (delta) {
        emit_alu_mi(&c->a, ALU_ADD, X_W, cg_env(offsetof(TcgEnv, pc_page)), delta);
    }
    emit_linked_jmp(c, e, j);
}

void cg_exit_if(Cg *c)
{
    unsigned cc = cg_compare(c);
    ExitJump *j;
    CodeExit *e = add_exit(c, cg_insn(c)->imm, &j);
    uint32_t over;

    if (e->kind == CODE_EXIT_CROSS) {
        j->to_cold = emit_jcc(&c->a, cc);
    } else if (!e->backward) {
        keep_in_line(c, 2, c->compare_at);
        e->jump_off = j->to_stub = emit_jcc(&c->a, cc);
    } else {
        over = emit_jcc8(&c->a, cc ^ 1);
        emit_alu_mi(&c->a, ALU_CMP, 0, cg_env(offsetof(TcgEnv, exit_request)), 0);
        keep_in_line(c, 2, asm_pos(&c->a));
        e->jump_off = j->to_stub = emit_jcc(&c->a, CC_E);
        j->request = emit_jmp(&c->a);
        patch_rel8(&c->a, over);
    }
}

void cg_goto(Cg *c)
{
    ExitJump *j;
    CodeExit *e = add_exit(c, cg_insn(c)->imm, &j);

    if (e->kind == CODE_EXIT_CROSS) {
        emit_cross(c, e, j);
        return;
    }
    if (e->backward) {
        j->request = emit_request_test(c, CC_NE);
    }
    emit_linked_jmp(c, e, j);
}

/* Behind an indirect jump, rax being its target. */
static void lookup_stub(Cg *c, const Stub *s)
{
    cg_jmp_runtime(c, THUNK_LOOKUP);
}

void cg_goto_ind(Cg *c)
{
    uint32_t request;
    JumpProbe probe;
    Stub *stub;

    /* The last instruction: no other value lives, so rax is taken without asking. */
    cg_move(c, CLASS_GPR, X_W, RAX, cg_opnd(c, cg_insn(c)->arg[0]));
    request = emit_request_test(c, CC_NE);
    probe = abi_emit_jump_probe(&c->a);
    stub = cg_add_stub(c, lookup_stub, probe.miss[0]); /* RT_LOOKUP looks at exit_request too */
    stub->from2 = probe.miss[1];
    stub->from3 = request;
    emit_alu_ri(&c->a, ALU_AND, X_W, RAX, (int32_t)TCG_PAGE_MASK);
    emit_store(&c->a, X_W, cg_env(offsetof(TcgEnv, pc_page)), RAX);
    emit_rm(&c->a, OP_GRP5, 4, (Mem){RBP, RCX, abi_jump_offset(offsetof(TcgJumpEntry, code))}, 0);
}

static void emit_pc(Cg *c, int64_t page_rel)
{
    emit_load(&c->a, X_W, RAX, cg_env(offsetof(TcgEnv, pc_page)));
    if (page_rel) {
        emit_alu_ri(&c->a, ALU_ADD, X_W, RAX, (int32_t)page_rel);
    }
}

void cg_exit(Cg *c)
{
    emit_pc(c, cg_insn(c)->imm);
    cg_jmp_runtime(c, THUNK_LEAVE);
}

/* --- Behind the block --- */

static void emit_exit_stub(Cg *c, unsigned n)
{
    CodeExit *e = &c->exits[n];
    ExitJump *j = &c->exit_jumps[n];
    bool cross = e->kind == CODE_EXIT_CROSS;

    if (j->to_cold) {
        patch_rel32(&c->a, j->to_cold, asm_pos(&c->a));
        emit_cross(c, e, j);
    }
    patch_rel32(&c->a, j->to_stub, asm_pos(&c->a));
    if (j->guard) {
        patch_rel32(&c->a, j->guard, asm_pos(&c->a));
    }
    if (j->request) {
        patch_rel32(&c->a, j->request, asm_pos(&c->a));
    }
    if (!cross) {
        e->guard_off = asm_pos(&c->a);
    }
    emit_pc(c, e->page_rel);
    cg_call_runtime(c, cross ? THUNK_CROSS : THUNK_EXIT, RCX);
    e->leave_off = asm_pos(&c->a);
}

void cg_flow_tail(Cg *c)
{
    for (unsigned n = 0; n < c->nexits; n++) {
        emit_exit_stub(c, n);
    }
    for (unsigned n = 0; n < c->nexits; n++) {
        CodeExit *e = &c->exits[n];

        if (e->kind == CODE_EXIT_CROSS) {
            emit_nops(&c->a, -((uintptr_t)c->block->rx + asm_pos(&c->a)) & 7);
            patch_rel32(&c->a, e->guard_off, asm_pos(&c->a));
            e->guard_off = asm_pos(&c->a);
            emit64(&c->a, 0);
        }
    }
}

/* --- Linking --- */

static void store_rel32(uint8_t *at, uint32_t rel)
{
    struct Unaligned {
        uint32_t v;
    } __attribute__((packed));

    ((volatile struct Unaligned *)(void *)at)->v = rel; /* within one cache line: atomic */
}

static intptr_t jump_target(const CodeBlock *cb, const CodeExit *e)
{
    int32_t rel;

    memcpy(&rel, cb->rw + e->jump_off, 4);
    return (intptr_t)(cb->rx + e->jump_off + 4) + rel;
}

/* Nobody is between guard and jump when the jump still leads to its own stub: no guard has let through. */
static bool can_turn(const CodeBlock *cb, const CodeExit *e, const void *target, bool alone)
{
    intptr_t now = jump_target(cb, e);

    return alone || now == (intptr_t)target ||
           (now > (intptr_t)(cb->rx + e->jump_off) && now < (intptr_t)(cb->rx + e->leave_off));
}

bool backend_link(Backend *be, const CodeBlock *cb, unsigned i, const void *target, uint64_t ctx,
                  bool alone)
{
    const CodeExit *e = &cb->exits[i];
    uint64_t *guard = (uint64_t *)(void *)(cb->rw + e->guard_off);
    intptr_t rel = (intptr_t)target - (intptr_t)(cb->rx + e->jump_off + 4);

    if (e->kind == CODE_EXIT_PAGE) {
        store_rel32(cb->rw + e->jump_off, (uint32_t)rel);
        return true;
    }
    if (!can_turn(cb, e, target, alone)) {
        return false;
    }
    __atomic_store_n(guard, 0, __ATOMIC_RELEASE);
    store_rel32(cb->rw + e->jump_off, (uint32_t)rel);
    __atomic_store_n(guard, ctx, __ATOMIC_RELEASE);
    return true;
}

void backend_unlink(Backend *be, const CodeBlock *cb, unsigned i)
{
    const CodeExit *e = &cb->exits[i];

    if (e->kind == CODE_EXIT_CROSS) {
        __atomic_store_n((uint64_t *)(void *)(cb->rw + e->guard_off), 0, __ATOMIC_RELEASE);
    } else {
        store_rel32(cb->rw + e->jump_off, e->guard_off - (e->jump_off + 4));
    }
}
