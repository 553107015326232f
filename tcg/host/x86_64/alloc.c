/* SPDX-License-Identifier: MIT */
/*
 * Registers for the values of one block, in one forward pass beside instruction selection.
 *
 * A value may be in up to three places at once: equal to a global (in the global's home register or
 * in env), in a temporary, in its frame slot.  GET costs nothing: the value is its global until the
 * next PUT of that global.  A value whose next use is a PUT to a pinned global is computed in the home
 * itself when nothing can see the home's old value between (the backward pass in cg_alloc_init finds
 * where).  When temporaries run out, the one whose value is last needed farthest away goes.
 */
#include "rhea/osdep.h"
#include "codegen.h"

unsigned cg_pinned_reg(unsigned cls, unsigned i)
{
    static const uint8_t gprs[NPINNED_GPR] = {RBX, R12, R13, R14, R15, R8, R9, R10, R11, RDI};

    return cls == CLASS_GPR ? gprs[i] : NTEMP_XMM + i;
}

Mem cg_slot_mem(const Cg *c, int slot)
{
    return mem_at(RSP, FRAME_SLOT0 + 8 * slot);
}

/* --- The backward pass --- */

/* Does this op write all 64 bits of its register with an I32 result's upper half zero? */
static bool zero_extends(const IrInsn *insn)
{
    switch (insn->op) {
    case IR_ADD:
    case IR_SUB:
    case IR_AND:
    case IR_OR:
    case IR_XOR:
    case IR_ANDN:
    case IR_NOT:
    case IR_NEG:
    case IR_SHL:
    case IR_SHR:
    case IR_SAR:
    case IR_MUL:
    case IR_CLZ:
    case IR_CTZ:
    case IR_POPCNT:
    case IR_BSWAP:
    case IR_SEXT8:
    case IR_SEXT16:
    case IR_ZEXT8:
    case IR_ZEXT16:
    case IR_ADC:
    case IR_CARRY:
    case IR_SBB:
    case IR_BORROW:
    case IR_SETCOND:
    case IR_MOVCOND:
    case IR_LDENV:
    case IR_LOAD: return insn->type == IR_I32;
    default: return false;
    }
}

/* A shift that lea can do as part of a sum with @other. */
static bool can_scale(const Cg *c, IrVal shift, IrVal other)
{
    const IrInsn *s = &c->ir->insns[shift];
    int64_t count, imm;

    return s->op == IR_SHL && cg_is_const(c, s->arg[1], &count) && count >= 1 && count <= 3 &&
           !cg_is_const(c, s->arg[0], &imm) && !cg_is_const(c, other, &imm) && !c->v[other].fused;
}

/* Instruction @i reads its argument @k.  A shift whose only reader is a sum is fused with it: what is shifted
 * lives on to there. */
static void note_use(Cg *c, IrVal i, unsigned k)
{
    const IrInsn *insn = &c->ir->insns[i];
    IrVal arg = insn->arg[k], root = c->v[arg].root;
    bool first = c->v[root].last_use == root;

    c->v[root].last_use = i;
    c->v[root].fused =
        first && insn->op == IR_ADD && root == arg && can_scale(c, arg, insn->arg[1 - k]);
    if (c->v[root].fused) {
        c->v[c->v[c->ir->insns[arg].arg[0]].root].last_use = i;
    }
}

static void find_roots(Cg *c)
{
    for (unsigned i = 0; i < c->ir->n; i++) {
        const IrInsn *insn = &c->ir->insns[i];
        Val *v = &c->v[i];

        *v = (Val){.root = (IrVal)i,
                   .last_use = (IrVal)i,
                   .next = IR_NONE,
                   .slot = -1,
                   .global = -1,
                   .hint = -1,
                   .reg = NO_REG};
        v->cls = insn->type >= IR_F32 ? CLASS_XMM : CLASS_GPR;
        if (insn->op == IR_TRUNC ||
            (insn->op == IR_ZEXT32 && zero_extends(&c->ir->insns[insn->arg[0]]))) {
            v->root = c->v[insn->arg[0]].root;
        }
        for (unsigned k = 0; k < ir_op_info[insn->op].nargs; k++) {
            if (insn->arg[k] != IR_NONE) {
                note_use(c, (IrVal)i, k);
            }
        }
    }
}

/* Can the block be left, or all globals be read or written, at @insn? */
static bool is_barrier(const Cg *c, const IrInsn *insn)
{
    if (insn->op == IR_CALL) {
        return ir_helper(c->ir->target, insn->imm)->flags & (IR_HELPER_STATE | IR_HELPER_LAST);
    }
    return insn->op == IR_EXIT_IF || (ir_op_info[insn->op].props & (IR_PROP_FAULTS | IR_PROP_ENDS));
}

/* Ops whose result takes over the register of argument 0 when it dies there. */
static bool passes_hint(const IrInsn *insn)
{
    switch (insn->op) {
    case IR_SEXT32:
    case IR_ZEXT32:
    case IR_TRUNC:
    case IR_ADD:
    case IR_AND:
    case IR_OR:
    case IR_XOR:
    case IR_SHL:
    case IR_SHR:
    case IR_SAR:
    case IR_SUB:
    case IR_MUL:
    case IR_ADC:
    case IR_SBB:
    case IR_NEG:
    case IR_NOT:
    case IR_SEXT8:
    case IR_SEXT16:
    case IR_ZEXT8:
    case IR_ZEXT16:
    case IR_FBOX: return true;
    default: return false;
    }
}

static void find_hints(Cg *c)
{
    unsigned nglobals = c->ir->target->nglobals;
    uint16_t *seen = cg_array(c, nglobals, sizeof(*seen));  /* epoch of the PUT that is ahead ... */
    IrVal *source = cg_array(c, nglobals, sizeof(*source)); /* ... and the root that it stores */
    uint16_t epoch = 1;

    memset(seen, 0, nglobals * sizeof(*seen));
    for (unsigned i = c->ir->n; i-- > 0;) {
        const IrInsn *insn = &c->ir->insns[i];
        Val *v = &c->v[i];

        if (insn->op == IR_PUT) {
            Val *src = &c->v[c->v[insn->arg[0]].root];

            seen[insn->imm] = epoch;
            source[insn->imm] = (IrVal)(src - c->v);
            if (c->be->home[insn->imm] != NO_REG) {
                src->hint = (int16_t)insn->imm;
                src->hint_for = source[insn->imm];
            }
            continue;
        }
        if (v->hint >= 0 && (seen[v->hint] != epoch || source[v->hint] != v->hint_for)) {
            v->hint = -1;
        }
        if (v->hint >= 0 && passes_hint(insn)) {
            IrVal r = c->v[insn->arg[0]].root;

            if (c->v[r].last_use == i && c->v[r].cls == v->cls && r != i) {
                c->v[r].hint = v->hint;
                c->v[r].hint_for = v->hint_for;
            }
        }
        if (insn->op == IR_GET) {
            seen[insn->imm] = 0;
            v->hint = -1;
        }
        if (is_barrier(c, insn)) {
            epoch++;
        }
    }
}

void cg_alloc_init(Cg *c)
{
    unsigned nglobals = c->ir->target->nglobals;

    /* A group has two accesses or more. */
    c->v = cg_array(c, c->ir->n + c->ir->n / 2 + 1, sizeof(Val));
    c->extra_use = IR_NONE;
    c->in_global = cg_array(c, nglobals, sizeof(IrVal));
    c->free_slots = cg_array(c, 2 * c->ir->n + c->ir->n / 2 + 1, sizeof(int16_t));
    c->free_pairs = cg_array(c, c->ir->n + 1, sizeof(int16_t));
    for (unsigned g = 0; g < nglobals; g++) {
        c->in_global[g] = IR_NONE;
    }
    for (unsigned cls = 0; cls < NCLASSES; cls++) {
        for (unsigned r = 0; r < 16; r++) {
            c->owner[cls][r] = IR_NONE;
        }
    }
    c->free_temps[CLASS_GPR] = TEMP_GPRS;
    c->free_temps[CLASS_XMM] = TEMP_XMMS;
    find_roots(c);
    find_hints(c);
}

/* --- Places --- */

static Val *root_of(const Cg *c, IrVal v)
{
    return &c->v[c->v[v].root];
}

/* Values that are no instruction's (addends) are I64. */
static IrType root_type(const Cg *c, const Val *r)
{
    return r - c->v < (ptrdiff_t)c->ir->n ? c->ir->insns[r - c->v].type : IR_I64;
}

static bool is_live_after(const Cg *c, const Val *r)
{
    return r->last_use > c->i;
}

static bool is_home(const Cg *c, int global)
{
    return c->be->home[global] != NO_REG;
}

static Mem global_mem(const Cg *c, int global)
{
    return cg_env(c->ir->target->globals[global].offset);
}

static void link_global(Cg *c, Val *r, int global)
{
    r->global = (int16_t)global;
    r->next = c->in_global[global];
    c->in_global[global] = (IrVal)(r - c->v);
}

static void unlink_global(Cg *c, Val *r)
{
    IrVal *at;

    if (r->global < 0) {
        return;
    }
    at = &c->in_global[r->global];
    while (*at != (IrVal)(r - c->v)) {
        at = &c->v[*at].next;
    }
    *at = r->next;
    r->global = -1;
}

static bool is_vec(const Cg *c, const Val *r)
{
    return root_type(c, r) == IR_V128;
}

/* Two slots for a vector, the first of them even. */
static void reserve_pair(Cg *c, Val *r)
{
    if (c->nfree_pairs) {
        r->slot = c->free_pairs[--c->nfree_pairs];
        return;
    }
    if (c->nslots & 1) {
        c->free_slots[c->nfree_slots++] = (int16_t)c->nslots++;
    }
    r->slot = (int16_t)c->nslots;
    c->nslots += 2;
}

static void reserve_slot(Cg *c, Val *r)
{
    if (r->slot < 0 && is_vec(c, r)) {
        reserve_pair(c, r);
    } else if (r->slot < 0) {
        r->slot = c->nfree_slots ? c->free_slots[--c->nfree_slots] : (int16_t)c->nslots++;
    }
}

static void store_slot(Cg *c, Val *r, unsigned reg)
{
    reserve_slot(c, r);
    if (r->cls == CLASS_GPR) {
        emit_store(&c->a, X_W, cg_slot_mem(c, r->slot), reg);
    } else {
        cg_xmm_store(c, is_vec(c, r) ? IR_V128 : IR_F64, cg_slot_mem(c, r->slot), reg);
    }
    r->in_slot = true;
}

void cg_xmm_load(Cg *c, IrType type, unsigned dst, Mem m)
{
    if (type == IR_V128) {
        emit_vex_rm(&c->a, OP_MOVUPS_LOAD, dst, 0, m);
    } else {
        emit_rm(&c->a, type == IR_F32 ? OP_MOVD_LOAD : OP_MOVQ_LOAD, dst, m, 0);
    }
}

void cg_xmm_store(Cg *c, IrType type, Mem m, unsigned src)
{
    if (type == IR_V128) {
        emit_vex_rm(&c->a, OP_MOVUPS_STORE, src, 0, m);
    } else {
        emit_rm(&c->a, type == IR_F32 ? OP_MOVD_STORE : OP_MOVQ_STORE, src, m, 0);
    }
}

static bool is_temp(unsigned cls, unsigned reg)
{
    return reg != NO_REG && ((cls == CLASS_GPR ? TEMP_GPRS : TEMP_XMMS) >> reg & 1);
}

static void drop_temp(Cg *c, Val *r)
{
    if (is_temp(r->cls, r->reg)) {
        c->owner[r->cls][r->reg] = IR_NONE;
        c->free_temps[r->cls] |= 1U << r->reg;
    }
    r->reg = NO_REG;
}

static void own_temp(Cg *c, Val *r, unsigned reg)
{
    r->reg = (uint8_t)reg;
    if (is_temp(r->cls, reg)) {
        c->owner[r->cls][reg] = (IrVal)(r - c->v);
        c->free_temps[r->cls] &= ~(1U << reg);
    }
}

/* Empties a temporary, keeping its value elsewhere if it is needed. */
static void evict(Cg *c, unsigned cls, unsigned reg)
{
    IrVal o = c->owner[cls][reg];

    if (o != IR_NONE) {
        Val *r = &c->v[o];

        if (r->global < 0 && !r->in_slot && r->last_use >= c->i) {
            store_slot(c, r, reg);
        }
        drop_temp(c, r);
    }
}

static unsigned pick_temp(Cg *c, unsigned cls)
{
    uint32_t avail = c->free_temps[cls] & ~c->locked[cls];
    unsigned best = NO_REG;

    if (avail) {
        return (unsigned)__builtin_ctz(avail);
    }
    for (unsigned reg = 0; reg < 16; reg++) {
        IrVal o = c->owner[cls][reg];

        if (o != IR_NONE && !(c->locked[cls] >> reg & 1) &&
            (best == NO_REG || c->v[o].last_use > c->v[c->owner[cls][best]].last_use)) {
            best = reg;
        }
    }
    g_assert(best != NO_REG); /* no op needs more registers than there are */
    evict(c, cls, best);
    return best;
}

static void lock(Cg *c, unsigned cls, unsigned reg)
{
    c->locked[cls] |= 1U << reg;
}

/* --- Arguments --- */

bool cg_is_const(const Cg *c, IrVal v, int64_t *imm)
{
    const IrInsn *def = &c->ir->insns[c->v[v].root];

    if (c->v[v].root >= c->ir->n || def->op != IR_CONST) {
        return false;
    }
    *imm = c->ir->insns[v].type == IR_I32 ? (int32_t)def->imm : def->imm;
    return true;
}

static unsigned load_const(Cg *c, unsigned cls, IrType type, int64_t imm)
{
    unsigned reg = pick_temp(c, cls);

    if (cls == CLASS_GPR) {
        emit_movi(&c->a, reg, (uint64_t)imm);
    } else if (imm == 0) {
        emit_rr(&c->a, OP_XORPS, reg, reg);
    } else if (type == IR_V128) {
        emit_rr(&c->a, OP_PCMPEQD, reg, reg);
    } else {
        unsigned t;

        lock(c, cls, reg);
        t = pick_temp(c, CLASS_GPR);
        emit_movi(&c->a, t, (uint64_t)imm);
        emit_rr(&c->a, OP_MOVD_LOAD | X_W, reg, t);
    }
    lock(c, cls, reg);
    return reg;
}

unsigned cg_use(Cg *c, IrVal v)
{
    Val *r = root_of(c, v);
    int64_t imm = 0;
    unsigned reg;
    Mem m;

    if (cg_is_const(c, v, &imm)) {
        return load_const(c, r->cls, root_type(c, r), imm);
    }
    if (r->reg == NO_REG && r->global >= 0 && is_home(c, r->global)) {
        lock(c, r->cls, c->be->home[r->global]);
        return c->be->home[r->global];
    }
    if (r->reg == NO_REG) {
        reg = pick_temp(c, r->cls);
        m = r->global >= 0 ? global_mem(c, r->global) : cg_slot_mem(c, r->slot);
        if (r->cls == CLASS_XMM) {
            cg_xmm_load(c, root_type(c, r), reg, m);
        } else {
            emit_load(&c->a, r->global >= 0 ? cg_w(root_type(c, r)) : X_W, reg, m);
        }
        own_temp(c, r, reg);
    }
    lock(c, r->cls, r->reg);
    return r->reg;
}

Opnd cg_opnd(Cg *c, IrVal v)
{
    Val *r = root_of(c, v);
    int64_t imm;
    bool narrow;

    if (r->cls == CLASS_GPR && cg_is_const(c, v, &imm) && fits_i32(imm)) {
        return (Opnd){.kind = OPND_IMM, .imm = imm};
    }
    /* A 64-bit access must not read past a 32-bit global. */
    narrow = r->global >= 0 && (root_type(c, r) == IR_I32 || root_type(c, r) == IR_F32);
    if (c->ir->insns[c->v[v].root].op == IR_CONST || r->reg != NO_REG ||
        (r->global >= 0 && is_home(c, r->global)) || narrow ||
        (is_live_after(c, r) && (c->free_temps[r->cls] & ~c->locked[r->cls]))) {
        return (Opnd){.kind = OPND_REG, .reg = (uint8_t)cg_use(c, v)};
    }
    return (Opnd){.kind = OPND_MEM,
                  .mem = r->global >= 0 ? global_mem(c, r->global) : cg_slot_mem(c, r->slot)};
}

unsigned cg_scratch(Cg *c, unsigned cls)
{
    unsigned reg = pick_temp(c, cls);

    lock(c, cls, reg);
    return reg;
}

void cg_take(Cg *c, unsigned cls, unsigned reg)
{
    evict(c, cls, reg);
    lock(c, cls, reg);
}

void cg_move(Cg *c, unsigned cls, uint32_t w, unsigned dst, Opnd o)
{
    if (o.kind == OPND_IMM) {
        emit_movi(&c->a, dst, w ? (uint64_t)o.imm : (uint32_t)o.imm);
    } else if (cls == CLASS_XMM) {
        if (o.kind == OPND_MEM) {
            emit_xload(&c->a, dst, o.mem);
        } else if (o.reg != dst) {
            emit_xmov(&c->a, dst, o.reg);
        }
    } else if (o.kind == OPND_MEM) {
        emit_load(&c->a, w, dst, o.mem);
    } else if (o.reg != dst) {
        emit_mov(&c->a, w, dst, o.reg);
    }
}

/* --- Results --- */

/* May the result be computed in the home of its next PUT? */
static bool home_is_free(const Cg *c, const Val *x, IrVal overlap)
{
    unsigned home = c->be->home[x->hint];

    for (IrVal o = c->in_global[x->hint]; o != IR_NONE; o = c->v[o].next) {
        if (is_live_after(c, &c->v[o])) {
            return false;
        }
    }
    if (overlap == CG_WRITTEN_LAST || !(c->locked[x->cls] >> home & 1)) {
        return true;
    }
    if (overlap == IR_NONE) {
        return false;
    }
    /* Locked: fine only if the overlapping argument alone is there. */
    for (unsigned k = 0; k < ir_op_info[cg_insn(c)->op].nargs; k++) {
        IrVal arg = cg_insn(c)->arg[k];
        const Val *r;

        if (arg == IR_NONE || c->v[arg].root == c->v[overlap].root) {
            continue;
        }
        r = root_of(c, arg);
        if (r->cls == x->cls && (r->reg == home || (r->reg == NO_REG && r->global == x->hint))) {
            return false;
        }
    }
    return true;
}

unsigned cg_def(Cg *c, IrVal overlap)
{
    Val *x = &c->v[c->i];

    if (x->hint >= 0 && home_is_free(c, x, overlap)) {
        own_temp(c, x, c->be->home[x->hint]);
        return x->reg;
    }
    x->hint = -1;
    if (overlap != IR_NONE) {
        for (unsigned k = 0; k < ir_op_info[cg_insn(c)->op].nargs; k++) {
            IrVal arg = overlap == CG_WRITTEN_LAST ? cg_insn(c)->arg[k] : overlap;
            Val *r = arg == IR_NONE ? NULL : root_of(c, arg);

            if (r && r->cls == x->cls && is_temp(r->cls, r->reg) && !is_live_after(c, r)) {
                unsigned reg = r->reg;

                drop_temp(c, r);
                own_temp(c, x, reg);
                lock(c, x->cls, reg);
                return reg;
            }
        }
    }
    own_temp(c, x, pick_temp(c, x->cls));
    lock(c, x->cls, x->reg);
    return x->reg;
}

void cg_def_in(Cg *c, unsigned reg)
{
    Val *x = &c->v[c->i];

    evict(c, x->cls, reg);
    x->hint = -1;
    own_temp(c, x, reg);
}

unsigned cg_def_extra(Cg *c, IrVal v, IrVal last_use)
{
    Val *x = &c->v[v];

    *x = (Val){.root = v,
               .last_use = last_use,
               .next = IR_NONE,
               .slot = -1,
               .global = -1,
               .hint = -1,
               .reg = NO_REG};
    own_temp(c, x, pick_temp(c, CLASS_GPR));
    lock(c, CLASS_GPR, x->reg);
    return x->reg;
}

/* --- Globals --- */

void cg_get(Cg *c)
{
    Val *x = &c->v[c->i];

    if (x->last_use > c->i) {
        link_global(c, x, (int)cg_insn(c)->imm);
    }
}

/* Values that equal the global and are needed later get another place. */
static void detach_global(Cg *c, int global, const Val *except)
{
    IrVal o = c->in_global[global];

    while (o != IR_NONE) {
        Val *r = &c->v[o];
        IrVal next = r->next;

        if (r != except) {
            if (is_live_after(c, r) && r->reg == NO_REG && !r->in_slot) {
                unsigned cls = r->cls;

                if (is_home(c, global) && !(c->free_temps[cls] & ~c->locked[cls])) {
                    store_slot(c, r, c->be->home[global]);
                } else if (is_home(c, global)) {
                    unsigned reg = pick_temp(c, cls);

                    cg_move(c, cls, X_W, reg, (Opnd){.kind = OPND_REG, .reg = c->be->home[global]});
                    own_temp(c, r, reg);
                } else {
                    cg_use(c, o);
                }
            }
            unlink_global(c, r);
        }
        o = next;
    }
}

static void store_global(Cg *c, int global, IrVal v)
{
    IrType type = c->ir->target->globals[global].type;
    Mem m = global_mem(c, global);
    int64_t imm;

    if (type >= IR_F32) {
        cg_xmm_store(c, type, m, cg_use(c, v));
    } else if (cg_is_const(c, v, &imm) && fits_i32(imm)) {
        emit_rm(&c->a, OP_MOV_IMM | cg_w(type), 0, m, 4);
        emit32(&c->a, (uint32_t)imm);
    } else {
        emit_store(&c->a, cg_w(type), m, cg_use(c, v));
    }
}

/* Does the global hold all bits of root @r, whose value @v it was given?  An I32 root that passes as
 * I64 is zero-extended. */
static bool may_equal(const Cg *c, const Val *r, IrVal v, int global)
{
    IrType type = c->ir->target->globals[global].type;

    return root_type(c, r) == type ||
           (type == IR_I64 && root_type(c, r) == IR_I32 && ir_type(c->ir, v) == IR_I64);
}

void cg_put(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    int global = (int)insn->imm;
    IrVal v = insn->arg[0];
    Val *r = root_of(c, v);
    unsigned home = c->be->home[global];
    bool is_const = c->ir->insns[c->v[v].root].op == IR_CONST;

    if (r->global == global) {
        detach_global(c, global, r);
        return; /* it is there already */
    }
    if (!is_const && r->reg == NO_REG && home == NO_REG) {
        cg_use(c, v);
    }
    lock(c, r->cls, r->reg == NO_REG ? RSP : r->reg);
    detach_global(c, global, r);
    if (home == NO_REG) {
        store_global(c, global, v);
    } else if (r->reg != home) {
        int64_t imm;

        if (r->cls == CLASS_GPR && cg_is_const(c, v, &imm)) {
            emit_movi(&c->a, home, (uint64_t)imm);
        } else {
            Opnd o = cg_opnd(c, v);

            if (o.kind == OPND_MEM && is_vec(c, r)) {
                cg_xmm_load(c, IR_V128, home, o.mem);
            } else {
                cg_move(c, r->cls, X_W, home, o);
            }
        }
    }
    if (is_const || !is_live_after(c, r)) {
        if (r->reg == home) {
            r->reg = NO_REG;
        }
        return;
    }
    /* From here on the global's place is one of the value's. */
    if (may_equal(c, r, v, global) &&
        (r->global < 0 || (home != NO_REG && !is_home(c, r->global)))) {
        unlink_global(c, r);
        link_global(c, r, global);
    }
    if (r->reg == home && home != NO_REG) {
        r->reg = NO_REG;
        if (r->global != global) { /* it lives on under a type of its own */
            unsigned reg = pick_temp(c, r->cls);

            cg_move(c, r->cls, X_W, reg, (Opnd){.kind = OPND_REG, .reg = (uint8_t)home});
            own_temp(c, r, reg);
        }
    } else if (home != NO_REG && r->global == global) {
        drop_temp(c, r);
    }
}

/* --- Between instructions --- */

static void forget(Cg *c, Val *r)
{
    drop_temp(c, r);
    unlink_global(c, r);
    if (r->slot >= 0) {
        if (is_vec(c, r)) {
            c->free_pairs[c->nfree_pairs++] = r->slot;
        } else {
            c->free_slots[c->nfree_slots++] = r->slot;
        }
        r->slot = -1;
    }
    r->in_slot = false;
}

void cg_end_insn(Cg *c)
{
    const IrInsn *insn = cg_insn(c);

    for (unsigned k = 0; k < ir_op_info[insn->op].nargs; k++) {
        if (insn->arg[k] != IR_NONE) {
            Val *r = root_of(c, insn->arg[k]);

            if (!is_live_after(c, r)) {
                forget(c, r);
            }
        }
    }
    if (c->v[c->i].last_use <= c->i) {
        forget(c, &c->v[c->i]);
    }
    if (c->extra_use != IR_NONE && !is_live_after(c, &c->v[c->extra_use])) {
        forget(c, &c->v[c->extra_use]);
    }
    c->extra_use = IR_NONE;
    c->locked[CLASS_GPR] = c->locked[CLASS_XMM] = 0;
}

void cg_keep_temps(Cg *c, Stub *stub)
{
    stub->saved = cg_array(c, 4 + NTEMP_XMM, sizeof(SavedReg));
    for (unsigned cls = 0; cls < NCLASSES; cls++) {
        for (unsigned reg = 0; reg < 16; reg++) {
            IrVal o = c->owner[cls][reg];
            Val *r;
            bool in_env;

            if (o == IR_NONE || o == c->i || !is_live_after(c, &c->v[o])) {
                continue;
            }
            r = &c->v[o];
            in_env = r->global >= 0 && !is_home(c, r->global) && root_type(c, r) != IR_I32 &&
                     root_type(c, r) != IR_F32;
            if (!in_env) {
                reserve_slot(c, r);
            }
            stub->saved[stub->nsaved++] =
                (SavedReg){.cls = (uint8_t)cls,
                           .reg = (uint8_t)reg,
                           .wide = is_vec(c, r),
                           .store = !in_env && !r->in_slot,
                           .mem = in_env ? global_mem(c, r->global) : cg_slot_mem(c, r->slot)};
        }
    }
}

void cg_spill_temps(Cg *c)
{
    for (unsigned cls = 0; cls < NCLASSES; cls++) {
        for (unsigned reg = 0; reg < 16; reg++) {
            IrVal o = c->owner[cls][reg];

            if (o != IR_NONE && is_live_after(c, &c->v[o])) {
                evict(c, cls, reg);
            } else if (o != IR_NONE) {
                drop_temp(c, &c->v[o]);
            }
        }
    }
}

void cg_spill_all(Cg *c)
{
    cg_spill_temps(c);
    for (unsigned g = 0; g < c->ir->target->nglobals; g++) {
        while (c->in_global[g] != IR_NONE) {
            Val *r = &c->v[c->in_global[g]];

            if (is_live_after(c, r) && !r->in_slot) {
                store_slot(c, r, cg_use(c, (IrVal)(r - c->v)));
            }
            drop_temp(c, r);
            unlink_global(c, r);
        }
        c->locked[CLASS_GPR] = c->locked[CLASS_XMM] = 0;
    }
}
