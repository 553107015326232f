/* SPDX-License-Identifier: MIT */
/*
 * Guest memory and calls of C functions.
 *
 * An access looks into the soft TLB inline (env.h has the layout) and goes to its stub at the block's
 * end when the tag differs: TLB misses, misaligned addresses, device memory, watched pages.  The tag
 * compare takes the alignment bits along, so a misaligned access is always slow; that saves an
 * instruction on every aligned one.  No instruction may be emitted by the allocator between the
 * branch to the stub and the place to which the stub returns.
 */
#include "rhea/osdep.h"
#include "codegen.h"

enum { TLB_ENTRY_BITS = 4 };
G_STATIC_ASSERT(sizeof(TcgTlbEntry) == 1 << TLB_ENTRY_BITS);

typedef struct Address {
    uint8_t base;
    int32_t disp;
} Address;

static Address use_address(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    unsigned base, t;
    int64_t imm;

    if (cg_is_const(c, insn->arg[0], &imm)) {
        t = cg_scratch(c, CLASS_GPR);
        emit_movi(&c->a, t, (uint64_t)(imm + insn->imm));
        return (Address){(uint8_t)t, 0};
    }
    base = cg_use(c, insn->arg[0]);
    if (fits_i32(insn->imm) && fits_i32(insn->imm + 8)) {
        return (Address){(uint8_t)base, (int32_t)insn->imm};
    }
    t = cg_scratch(c, CLASS_GPR);
    emit_movi(&c->a, t, (uint64_t)insn->imm);
    emit_alu_rr(&c->a, ALU_ADD, X_W, t, base);
    c->locked[CLASS_GPR] &= ~(1U << base);
    return (Address){(uint8_t)t, 0};
}

static int32_t tlb_offset(bool write, unsigned mmu)
{
    size_t array = write ? offsetof(TcgTables, tlb_write) : offsetof(TcgTables, tlb_read);

    return (int32_t)(array + mmu * sizeof(((TcgTables *)0)->tlb_read[0])) -
           (int32_t)sizeof(TcgTables) - ENV_BIAS;
}

/* Leaves the addend in @s1; @s2 is clobbered.  Returns the position of the branch to the stub. */
static uint32_t emit_probe(Cg *c, Address at, bool write, unsigned s1, unsigned s2)
{
    const IrInsn *insn = cg_insn(c);
    unsigned size = 1U << (insn->mem & IR_MEM_SIZE);
    int32_t tlb = tlb_offset(write, insn->mmu);
    unsigned shift = TCG_PAGE_BITS - TLB_ENTRY_BITS;
    uint32_t jump;

    if (at.disp) {
        emit_lea(&c->a, X_W, s1, mem_at(at.base, at.disp));
    } else {
        emit_mov(&c->a, X_W, s1, at.base);
    }
    emit_vex_rr(&c->a, OP_RORX, s2, 0, s1);
    emit8(&c->a, (uint8_t)shift);
    emit_alu_ri(&c->a, ALU_AND, 0, s2, ((1 << TCG_TLB_BITS) - 1) << TLB_ENTRY_BITS);
    emit_alu_ri(&c->a, ALU_AND, X_W, s1, (int32_t)(TCG_PAGE_MASK | (size - 1)));
    emit_alu_rm(&c->a, ALU_CMP, X_W, s1,
                (Mem){RBP, (uint8_t)s2, tlb + (int32_t)offsetof(TcgTlbEntry, tag)});
    jump = emit_jcc(&c->a, CC_NE);
    emit_load(&c->a, X_W, s1,
              (Mem){RBP, (uint8_t)s2, tlb + (int32_t)offsetof(TcgTlbEntry, addend)});
    return jump;
}

/* The extension that a load's type and width ask for, from memory or (@reg) from a register. */
static uint32_t load_op(const IrInsn *insn, bool reg)
{
    bool sign = insn->mem & IR_MEM_SIGNED;
    uint32_t w = sign ? cg_w(insn->type) : 0;

    switch (insn->mem & IR_MEM_SIZE) {
    case IR_MEM_8: return (sign ? OP_MOVSX8 : OP_MOVZX8) | w | (reg ? X_BYTE_RM : 0);
    case IR_MEM_16: return (sign ? OP_MOVSX16 : OP_MOVZX16) | w;
    case IR_MEM_32: return w ? OP_MOVSXD : OP_MOV_LOAD;
    default: return OP_MOV_LOAD | X_W;
    }
}

static void load_stub(Cg *c, const Stub *s);
static void store_stub(Cg *c, const Stub *s);

void cg_load(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    unsigned cls = c->v[c->i].cls;
    Address at = use_address(c);
    unsigned s1 = cg_scratch(c, CLASS_GPR), s2 = cg_scratch(c, CLASS_GPR), dst;
    uint32_t jump;
    Stub *stub;
    Mem m = {at.base, (uint8_t)s1, at.disp};

    if (cls == CLASS_XMM || c->v[c->i].hint >= 0) {
        dst = cg_def(c, CG_WRITTEN_LAST);
    } else {
        cg_def_in(c, s1);
        dst = s1;
    }
    jump = emit_probe(c, at, false, s1, s2);
    if (cls == CLASS_XMM) {
        emit_rm(&c->a, insn->type == IR_F32 ? OP_MOVD_LOAD : OP_MOVQ_LOAD, dst, m, 0);
    } else {
        emit_rm(&c->a, load_op(insn, false), dst, m, 0);
    }
    stub = cg_add_stub(c, load_stub, jump);
    stub->base = at.base;
    stub->disp = at.disp;
    stub->dst = (uint8_t)dst;
    stub->cls = (uint8_t)cls;
    stub->nsaved = (uint8_t)cg_live_temps(c, stub->saved);
}

static void emit_plain_store(Cg *c, const IrInsn *insn, Mem m, Opnd value, unsigned cls)
{
    static const uint32_t ops[4] = {OP_MOV_STORE8, OP_MOV_STORE16, OP_MOV_STORE,
                                    OP_MOV_STORE | X_W};
    unsigned size = insn->mem & IR_MEM_SIZE;

    if (cls == CLASS_XMM) {
        emit_rm(&c->a, size == IR_MEM_32 ? OP_MOVD_STORE : OP_MOVQ_STORE, value.reg, m, 0);
    } else if (value.kind == OPND_REG) {
        emit_rm(&c->a, ops[size], value.reg, m, 0);
    } else if (size == IR_MEM_8) {
        emit_rm(&c->a, OP_MOV_IMM8, 0, m, 1);
        emit8(&c->a, (uint8_t)value.imm);
    } else if (size == IR_MEM_16) {
        emit_rm(&c->a, OP_MOV_IMM | X_66, 0, m, 2);
        emit8(&c->a, (uint8_t)value.imm);
        emit8(&c->a, (uint8_t)(value.imm >> 8));
    } else {
        emit_rm(&c->a, OP_MOV_IMM | (size == IR_MEM_64 ? X_W : 0), 0, m, 4);
        emit32(&c->a, (uint32_t)value.imm);
    }
}

/* A value as immediate or in a register. */
static Opnd use_value(Cg *c, IrVal v)
{
    int64_t imm;

    if (c->v[c->v[v].root].cls == CLASS_GPR && cg_is_const(c, v, &imm) && fits_i32(imm)) {
        return (Opnd){.kind = OPND_IMM, .imm = imm};
    }
    return (Opnd){.kind = OPND_REG, .reg = (uint8_t)cg_use(c, v)};
}

void cg_store(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    unsigned cls = c->v[c->v[insn->arg[1]].root].cls;
    Opnd value = use_value(c, insn->arg[1]);
    Address at = use_address(c);
    unsigned s1 = cg_scratch(c, CLASS_GPR), s2 = cg_scratch(c, CLASS_GPR);
    uint32_t jump = emit_probe(c, at, true, s1, s2);
    Stub *stub;

    emit_plain_store(c, insn, (Mem){at.base, (uint8_t)s1, at.disp}, value, cls);
    stub = cg_add_stub(c, store_stub, jump);
    stub->base = at.base;
    stub->disp = at.disp;
    stub->value = value;
    stub->dst = NO_REG;
    stub->cls = (uint8_t)cls;
    stub->nsaved = (uint8_t)cg_live_temps(c, stub->saved);
}

/* --- Out of line --- */

Mem cg_frame_arg(unsigned n)
{
    return mem_at(RSP, FRAME_ARG0 + 8 * (int)n);
}

static void store_imm_arg(Cg *c, unsigned n, int32_t imm)
{
    emit_rm(&c->a, OP_MOV_IMM | X_W, 0, cg_frame_arg(n), 4);
    emit32(&c->a, (uint32_t)imm);
}

static void store_arg(Cg *c, unsigned n, unsigned cls, Opnd o)
{
    if (o.kind == OPND_IMM) {
        store_imm_arg(c, n, (int32_t)o.imm);
    } else if (cls == CLASS_XMM) {
        emit_xstore(&c->a, cg_frame_arg(n), o.reg);
    } else {
        emit_store(&c->a, X_W, cg_frame_arg(n), o.reg);
    }
}

void cg_save_temps(Cg *c, const Stub *s)
{
    for (unsigned k = 0; k < s->nsaved; k++) {
        if (!s->saved[k].store) {
            continue;
        }
        if (s->saved[k].cls == CLASS_XMM) {
            emit_xstore(&c->a, s->saved[k].mem, s->saved[k].reg);
        } else {
            emit_store(&c->a, X_W, s->saved[k].mem, s->saved[k].reg);
        }
    }
}

void cg_restore_temps(Cg *c, const Stub *s)
{
    for (unsigned k = 0; k < s->nsaved; k++) {
        if (s->saved[k].cls == CLASS_XMM) {
            emit_xload(&c->a, s->saved[k].reg, s->saved[k].mem);
        } else {
            emit_load(&c->a, X_W, s->saved[k].reg, s->saved[k].mem);
        }
    }
}

/* What C returned, into a result register. */
static void take_result(Cg *c, const IrInsn *insn, bool extend, unsigned cls, unsigned dst)
{
    if (cls == CLASS_XMM) {
        emit_rr(&c->a, OP_MOVD_LOAD | X_W, dst, RAX);
    } else if (extend && (insn->mem & IR_MEM_SIGNED)) {
        emit_rr(&c->a, load_op(insn, true), dst, RAX);
    } else if (dst != RAX) {
        emit_mov(&c->a, X_W, dst, RAX);
    }
}

static void store_access_args(Cg *c, const Stub *s, unsigned info_arg)
{
    emit_lea(&c->a, X_W, RAX, mem_at(s->base, s->disp));
    emit_store(&c->a, X_W, cg_frame_arg(0), RAX);
    store_imm_arg(c, info_arg, s->insn->mem | s->insn->mmu << 8);
}

static void load_stub(Cg *c, const Stub *s)
{
    cg_save_temps(c, s);
    store_access_args(c, s, 1);
    cg_call_runtime(c, THUNK_LOAD, RAX);
    cg_point(c, s->page_rel);
    take_result(c, s->insn, true, s->cls, s->dst);
    cg_restore_temps(c, s);
    patch_rel32(&c->a, emit_jmp(&c->a), s->back);
}

static void store_stub(Cg *c, const Stub *s)
{
    unsigned size = s->insn->mem & IR_MEM_SIZE;

    cg_save_temps(c, s);
    store_arg(c, 1, s->cls, s->value);
    store_access_args(c, s, 2);
    if (size != IR_MEM_64) { /* the value travels zero-extended */
        IrInsn as_load = {.op = IR_LOAD, .type = IR_I64, .mem = (IrMem)size};

        emit_rm(&c->a, load_op(&as_load, false), RAX, cg_frame_arg(1), 0);
        emit_store(&c->a, X_W, cg_frame_arg(1), RAX);
    }
    cg_call_runtime(c, THUNK_STORE, RAX);
    cg_point(c, s->page_rel);
    cg_restore_temps(c, s);
    patch_rel32(&c->a, emit_jmp(&c->a), s->back);
}

/* --- Atomics, fences, calls: in line, through a thunk --- */

static void store_address_arg(Cg *c)
{
    Address at = use_address(c);
    unsigned t = at.base;

    if (at.disp) {
        t = cg_scratch(c, CLASS_GPR);
        emit_lea(&c->a, X_W, t, mem_at(at.base, at.disp));
    }
    emit_store(&c->a, X_W, cg_frame_arg(0), t);
}

/* Arguments travel zero-extended: an I32 temporary's upper half is not defined. */
static void store_call_arg(Cg *c, unsigned n, IrVal v)
{
    IrType type = ir_type(c->ir, v);
    int64_t imm;

    if ((type == IR_I32 || type == IR_F32) && cg_is_const(c, v, &imm)) {
        unsigned t = cg_scratch(c, CLASS_GPR);

        emit_movi(&c->a, t, (uint32_t)imm);
        emit_store(&c->a, X_W, cg_frame_arg(n), t);
    } else if (type == IR_I32) {
        unsigned r = cg_use(c, v), t = cg_scratch(c, CLASS_GPR);

        emit_mov(&c->a, 0, t, r);
        emit_store(&c->a, X_W, cg_frame_arg(n), t);
    } else if (type == IR_F32) {
        unsigned t = cg_scratch(c, CLASS_GPR);

        emit_rr(&c->a, OP_MOVD_STORE, cg_use(c, v), t);
        emit_store(&c->a, X_W, cg_frame_arg(n), t);
    } else {
        store_arg(c, n, c->v[c->v[v].root].cls, use_value(c, v));
    }
    c->locked[CLASS_GPR] = c->locked[CLASS_XMM] = 0;
}

static void finish_memory_call(Cg *c, unsigned thunk)
{
    c->locked[CLASS_GPR] = 0;
    cg_spill_temps(c);
    cg_call_runtime(c, thunk, RAX);
    cg_point(c, c->page_rel);
    if (c->v[c->i].last_use > c->i) {
        unsigned dst = cg_def(c, CG_WRITTEN_LAST);

        take_result(c, cg_insn(c), true, CLASS_GPR, dst);
    }
}

void cg_atomic(Cg *c)
{
    const IrInsn *insn = cg_insn(c);

    store_call_arg(c, 1, insn->arg[1]);
    store_address_arg(c);
    store_imm_arg(c, 2, insn->mem | insn->mmu << 8 | insn->cond << 16);
    finish_memory_call(c, THUNK_ATOMIC);
}

void cg_cas(Cg *c)
{
    const IrInsn *insn = cg_insn(c);

    store_call_arg(c, 1, insn->arg[1]);
    store_call_arg(c, 2, insn->arg[2]);
    store_address_arg(c);
    store_imm_arg(c, 3, insn->mem | insn->mmu << 8);
    finish_memory_call(c, THUNK_CAS);
}

/* The host orders everything but a store before a later load (SDM volume 3, 9.2.2). */
void cg_fence(Cg *c)
{
    if (cg_insn(c)->imm & IR_FENCE_WR) {
        emit8(&c->a, 0xf0); /* lock or dword [rsp - 64], 0: cheaper than mfence */
        emit_alu_mi(&c->a, ALU_OR, 0, mem_at(RSP, -64), 0);
    }
}

void cg_call(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    const IrHelper *h = ir_helper(c->ir->target, insn->imm);
    bool state = h->flags & (IR_HELPER_STATE | IR_HELPER_LAST);
    bool fp = h->flags & IR_HELPER_FP;

    for (unsigned k = 0; k < 4 && insn->arg[k] != IR_NONE; k++) {
        store_call_arg(c, k, insn->arg[k]);
    }
    if (state) {
        cg_spill_all(c);
    } else {
        cg_spill_temps(c);
    }
    if (insn->imm >= IR_OP_HELPER_BASE) {
        emit_load(&c->a, X_W, RAX, cg_env(offsetof(TcgEnv, runtime)));
        emit_load(&c->a, X_W, RAX,
                  mem_at(RAX, 8 * (THUNK_END + (int)(insn->imm - IR_OP_HELPER_BASE))));
    } else {
        emit_load(&c->a, X_W, RAX, cg_env(offsetof(TcgEnv, helpers)));
        emit_load(&c->a, X_W, RAX,
                  mem_at(RAX, (int)(insn->imm * (int64_t)sizeof(IrHelper)) +
                                  (int)offsetof(IrHelper, fn)));
    }
    cg_call_runtime(c, state ? THUNK_STATE : fp ? THUNK_PURE_FP : THUNK_PURE, RCX);
    if (state) {
        cg_point(c, c->page_rel);
    }
    if (insn->type != IR_VOID && c->v[c->i].last_use > c->i) {
        unsigned dst = cg_def(c, CG_WRITTEN_LAST);

        take_result(c, insn, false, c->v[c->i].cls, dst);
    }
}
