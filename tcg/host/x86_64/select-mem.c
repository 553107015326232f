/* SPDX-License-Identifier: MIT */
/*
 * Guest memory and calls of C functions.
 *
 * An access looks into the soft TLB inline (env.h has the layout) and goes to its stub at the block's
 * end when the tag differs: TLB misses, misaligned addresses, device memory, watched pages.  The tag
 * compare takes the alignment bits along, so a misaligned access is always slow; that saves an
 * instruction on every aligned one.  Vectors, and all accesses of guests that say so
 * (IrTarget.often_misaligned), are different: the page of the last byte is compared.
 *
 * Accesses off one base value, plus constants, that lie close together form a group: the first probes the TLB for the
 * whole range, which must lie in one page, and keeps the addend in a register; the others use it as it
 * stands; loads may follow a store.  The probe asks for the alignment that members demand; others may be
 * misaligned.  Addend 0 means that the range has no common entry (it crosses a page, say): then each asks
 * for its own, out of line.  Addends are good until a call of C that may change mappings.
 *
 * No instruction may be emitted by the allocator between the
 * branch to the stub and the place to which the stub returns.
 */
#include "rhea/osdep.h"
#include "codegen.h"
#include "tcg/opt-fold.h"

enum { TLB_ENTRY_BITS = 4 };
G_STATIC_ASSERT(sizeof(TcgTlbEntry) == 1 << TLB_ENTRY_BITS);

/* Which half of the TLB an access needs. */
static bool needs_write(const IrInsn *insn)
{
    return insn->op == IR_STORE || insn->mem & IR_MEM_RMW;
}

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
    if (fits_i32(insn->imm) && fits_i32(insn->imm + 16)) {
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

/* The TLB has one entry for all bytes: it is looked up with the first byte's address, and must have the
 * page of the address @ahead of it. */
typedef struct Probe {
    uint8_t base;
    int32_t disp;
    int32_t ahead;
    uint8_t low; /* bits that must be zero in both addresses */
    uint8_t mmu;
    bool write;
} Probe;

static Probe insn_probe(const Cg *c, const IrInsn *insn, unsigned base, int32_t disp)
{
    unsigned size = insn->mem & IR_MEM_SIZE, last = (1U << size) - 1;
    bool often = size == IR_MEM_128 || c->ir->target->often_misaligned;
    bool any = often && !(insn->mem & IR_MEM_ALIGN); /* misaligned within its page */

    return (Probe){.base = (uint8_t)base,
                   .disp = disp,
                   .ahead = any ? (int32_t)last : 0,
                   .low = any ? 0 : (uint8_t)last,
                   .mmu = insn->mmu,
                   .write = needs_write(insn)};
}

/* Leaves the addend in @s1; @s2 is clobbered.  Returns the position of the branch for a miss. */
static uint32_t emit_probe(Cg *c, Probe p, unsigned s1, unsigned s2)
{
    int32_t tlb = tlb_offset(p.write, p.mmu);
    uint32_t jump;

    if (p.disp) {
        emit_lea(&c->a, X_W, s1, mem_at(p.base, p.disp));
    }
    emit_vex_rr(&c->a, OP_RORX, s2, 0, p.disp ? s1 : p.base);
    emit8(&c->a, TCG_PAGE_BITS - TLB_ENTRY_BITS);
    emit_alu_ri(&c->a, ALU_AND, 0, s2, ((1 << TCG_TLB_BITS) - 1) << TLB_ENTRY_BITS);
    if (p.ahead) {
        emit_lea(&c->a, X_W, s1, mem_at(p.base, p.disp + p.ahead));
    } else if (!p.disp) {
        emit_mov(&c->a, X_W, s1, p.base);
    }
    emit_alu_ri(&c->a, ALU_AND, X_W, s1, (int32_t)(TCG_PAGE_MASK | p.low));
    emit_alu_rm(&c->a, ALU_CMP, X_W, s1,
                (Mem){RBP, (uint8_t)s2, tlb + (int32_t)offsetof(TcgTlbEntry, tag)});
    jump = emit_jcc(&c->a, CC_NE);
    emit_load(&c->a, X_W, s1,
              (Mem){RBP, (uint8_t)s2, tlb + (int32_t)offsetof(TcgTlbEntry, addend)});
    return jump;
}

/* --- Groups --- */

enum { GROUP_SPAN = 1024 };

/* The alignment that an access demands, log2. */
static unsigned demanded(const IrInsn *insn)
{
    return insn->mem & IR_MEM_ALIGN ? insn->mem & IR_MEM_SIZE : 0;
}

/* May a group have members about @disp? */
static bool group_reaches(int64_t disp)
{
    return fits_i32(disp - 2 * GROUP_SPAN) && fits_i32(disp + 2 * GROUP_SPAN);
}

/* Where an access is, relative to the value from which constants lead to its address: @base. */
static int64_t group_disp(const Cg *c, const IrInsn *insn, IrVal *base)
{
    int64_t disp = insn->imm, imm;
    IrVal v = c->v[insn->arg[0]].root;
    const IrInsn *def = &c->ir->insns[v];

    while (def->op == IR_ADD && def->type == IR_I64 && cg_is_const(c, def->arg[1], &imm) &&
           group_reaches(imm) && group_reaches(disp + imm)) {
        disp += imm;
        v = c->v[def->arg[0]].root;
        def = &c->ir->insns[v];
    }
    *base = v;
    return disp;
}

/* Can an access at @disp that demands @align (log2) be a member, as far as alignment goes? */
static bool group_aligned(const Group *g, int64_t disp, unsigned align)
{
    return ((disp - g->align_at) & ((1 << MIN(align, g->align)) - 1)) == 0;
}

static bool group_join(Group *g, const IrInsn *insn, unsigned i, int64_t disp)
{
    unsigned align = demanded(insn);
    int64_t end = disp + (1 << (insn->mem & IR_MEM_SIZE)) - 1;

    if (MAX(end, g->hi) - MIN(disp, g->lo) > GROUP_SPAN || !group_aligned(g, disp, align)) {
        return false;
    }
    if (align > g->align) {
        g->align = (uint8_t)align;
        g->align_at = (int32_t)disp;
    }
    g->lo = (int32_t)MIN(disp, g->lo);
    g->hi = (int32_t)MAX(end, g->hi);
    g->last = (IrVal)i;
    return true;
}

static bool can_group(const Cg *c, const IrInsn *insn)
{
    int64_t imm;

    return (insn->op == IR_LOAD || insn->op == IR_STORE) && !cg_is_const(c, insn->arg[0], &imm) &&
           group_reaches(insn->imm);
}

static void add_to_group(Cg *c, unsigned i, unsigned *oldest)
{
    const IrInsn *insn = &c->ir->insns[i];
    IrVal base;
    int64_t disp = group_disp(c, insn, &base);
    bool write = needs_write(insn);
    unsigned size = insn->mem & IR_MEM_SIZE;

    for (unsigned k = c->ngroups; k-- > *oldest;) {
        Group *g = &c->groups[k];

        /* A load may use a store's probe: what may be written may be read. */
        if (g->base == base && (g->write || !write) && g->mmu == insn->mmu &&
            group_join(g, insn, i, disp)) {
            c->group_of[i] = (int16_t)k;
            return;
        }
    }
    c->groups[c->ngroups] = (Group){.base = base,
                                    .first = (IrVal)i,
                                    .last = (IrVal)i,
                                    .at = (int32_t)disp,
                                    .lo = (int32_t)disp,
                                    .hi = (int32_t)disp + (1 << size) - 1,
                                    .align_at = (int32_t)disp,
                                    .align = (uint8_t)demanded(insn),
                                    .mmu = insn->mmu,
                                    .write = write};
    c->group_of[i] = (int16_t)c->ngroups++;
    if (c->ngroups - *oldest > OPEN_GROUPS) {
        (*oldest)++;
    }
}

enum { TABLE_SPAN = 1024 }; /* a larger one has too many chances to cross a page */

/* The bytes behind argument @k of the sum @insn's address that the load may touch, less one; TABLE_SPAN or more
 * where they are too many. */
static uint64_t table_reach(const Cg *c, const IrInsn *insn, unsigned k)
{
    const IrInsn *sum = &c->ir->insns[insn->arg[0]];

    return MIN(ir_possible_bits(c->ir, sum->arg[1 - k]), TABLE_SPAN) +
           (1U << (insn->mem & IR_MEM_SIZE)) - 1;
}

/* Which argument of the sum that is the load's address is a guest register in its home, the other being an index
 * into a small table there?  -1: none. */
static int table_start(const Cg *c, const IrInsn *insn)
{
    const IrInsn *sum;
    int64_t imm;

    if (insn->op != IR_LOAD) {
        return -1;
    }
    sum = &c->ir->insns[insn->arg[0]];
    if (sum->op != IR_ADD || demanded(insn) || !group_reaches(insn->imm)) {
        return -1;
    }
    for (int k = 0; k < 2; k++) {
        const IrInsn *start = &c->ir->insns[sum->arg[k]];

        if (start->op == IR_GET && c->be->home[start->imm] != NO_REG &&
            !cg_is_const(c, sum->arg[1 - k], &imm) &&
            table_reach(c, insn, (unsigned)k) < TABLE_SPAN) {
            return k;
        }
    }
    return -1;
}

/*
 * A load from a small table: the TLB is probed for all of it, at its start, rather than for the address, which
 * the index is needed for.  So the addend is there before the index is, and of a chain from load to load (a
 * checksum by table, say) half of the latency goes.
 */
static void find_table(Cg *c, unsigned i)
{
    const IrInsn *insn = &c->ir->insns[i];
    int k = table_start(c, insn);

    if (k >= 0) {
        Val *start = &c->v[c->v[c->ir->insns[insn->arg[0]].arg[k]].root];

        start->last_use = MAX(start->last_use, (IrVal)i);
        c->group_of[i] = GROUP_TABLE;
    }
}

/* Groups end at calls that may change mappings; a group of one is none. */
static void find_groups(Cg *c, unsigned naccesses)
{
    unsigned oldest = 0, kept = 0;

    c->groups = cg_array(c, naccesses, sizeof(Group));
    for (unsigned i = 0; i < c->ir->n; i++) {
        const IrInsn *insn = &c->ir->insns[i];

        if (can_group(c, insn)) {
            add_to_group(c, i, &oldest);
        } else if (insn->op == IR_CALL &&
                   (ir_helper(c->ir->target, insn->imm)->flags & IR_HELPER_STATE)) {
            oldest = c->ngroups;
        }
    }
    for (unsigned k = 0; k < c->ngroups; k++) {
        Group *g = &c->groups[k];

        if (g->first == g->last) {
            c->group_of[g->first] = -1;
            continue;
        }
        for (unsigned i = g->first; i <= g->last; i++) {
            if (c->group_of[i] == (int16_t)k) {
                c->group_of[i] = (int16_t)kept;
            }
        }
        c->groups[kept++] = *g;
    }
    c->ngroups = kept;
}

void cg_find_groups(Cg *c)
{
    unsigned naccesses = 0, n = c->ir->n;

    for (unsigned i = 0; i < n; i++) {
        naccesses += can_group(c, &c->ir->insns[i]);
    }
    c->group_of = cg_array(c, n + 1, sizeof(*c->group_of));
    memset(c->group_of, 0xff, n * sizeof(*c->group_of));
    if (naccesses > 1) {
        find_groups(c, naccesses);
    }
    for (unsigned i = 0; i < n && naccesses; i++) {
        if (c->group_of[i] < 0) {
            find_table(c, i);
        }
    }
}

/* The displacement that is probed: from the first byte down to where it must be aligned. */
static int32_t group_start(const Group *g)
{
    return g->lo - ((g->lo - g->align_at) & ((1 << g->align) - 1));
}

/* For the whole range: from the start to the last aligned piece.  @disp leads from the register @base to
 * the first access. */
static Probe group_probe(const Group *g, unsigned base, int32_t disp)
{
    int32_t lo = group_start(g), low = (1 << g->align) - 1;

    return (Probe){.base = (uint8_t)base,
                   .disp = lo - g->at + disp,
                   .ahead = (g->hi - lo) & ~low,
                   .low = (uint8_t)low,
                   .mmu = g->mmu,
                   .write = g->write};
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

static void emit_plain_load(Cg *c, const IrInsn *insn, unsigned cls, unsigned dst, Mem m)
{
    if (cls == CLASS_XMM) {
        cg_xmm_load(c, cg_xmm_type(insn->mem), dst, m);
    } else {
        emit_rm(&c->a, load_op(insn, false), dst, m, 0);
    }
}

static void emit_plain_store(Cg *c, const IrInsn *insn, Mem m, Opnd value, unsigned cls)
{
    static const uint32_t ops[4] = {OP_MOV_STORE8, OP_MOV_STORE16, OP_MOV_STORE,
                                    OP_MOV_STORE | X_W};
    unsigned size = insn->mem & IR_MEM_SIZE;

    if (cls == CLASS_XMM) {
        cg_xmm_store(c, cg_xmm_type(insn->mem), m, value.reg);
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

/* --- Out of line, behind the block --- */

/* Asks for the addend, into s->args[0]: see access.c.  @flags beside the access's own. */
static void emit_ask(Cg *c, const Stub *s, uint32_t flags)
{
    unsigned t = s->args[0];

    if (s->insn->op == IR_STORE) {
        emit_plain_store(c, s->insn, mem_at(RSP, FRAME_ACCESS + offsetof(AccessFrame, buffer)),
                         s->value, s->cls);
    }
    if (s->disp) {
        emit_lea(&c->a, X_W, t, mem_at(s->base, s->disp));
        emit_push(&c->a, t);
    } else {
        emit_push(&c->a, s->base);
    }
    emit_push_imm(&c->a, (int32_t)(s->insn->mem | s->insn->mmu << 8 |
                                   (needs_write(s->insn) ? RT_WRITE : 0) | flags));
    cg_call_runtime(c, THUNK_ACCESS, t);
    cg_point(c, s->page_rel);
    emit_pop(&c->a, t);
}

/* An access outside groups goes on at its place. */
static void single_stub(Cg *c, const Stub *s)
{
    emit_ask(c, s, 0);
    patch_rel32(&c->a, emit_jmp(&c->a), s->back);
}

/* The first of a group asks for the others too; a later one comes here when that was in vain. */
static void group_stub(Cg *c, const Stub *s)
{
    const Group *g = &c->groups[s->group];
    bool first = s->insn == &c->ir->insns[g->first];
    unsigned addend = s->args[0];
    Mem m = {s->base, (uint8_t)addend, s->disp};

    if (first) {
        int32_t lo = group_start(g);

        emit_rm(&c->a, OP_MOV_IMM, 0, mem_at(RSP, FRAME_ACCESS + offsetof(AccessFrame, below)), 4);
        emit32(&c->a, (uint32_t)(g->at - lo) | (uint32_t)(g->hi - lo) << 16);
    }
    emit_ask(c, s, first ? ACCESS_GROUP | g->align * ACCESS_GROUP_ALIGN : 0);
    if (s->insn->op == IR_STORE) {
        emit_plain_store(c, s->insn, m, s->value, s->cls);
    } else {
        emit_plain_load(c, s->insn, s->cls, s->dst, m);
    }
    if (first) {
        emit_load(&c->a, X_W, addend, mem_at(RSP, FRAME_ACCESS + offsetof(AccessFrame, addend)));
    } else {
        emit_movi(&c->a, addend, 0);
    }
    patch_rel32(&c->a, emit_jmp(&c->a), s->back);
}

/* --- In line --- */

/* What group_begin() found out, for group_finish(). */
typedef struct GroupUse {
    int16_t group;
    uint8_t base, addend;
    uint32_t jump;
} GroupUse;

/* Emits the probe (first of the group) or the look at the addend (others).  @dst: asks for the result's
 * register in time, NULL for stores. */
static GroupUse group_begin(Cg *c, unsigned *dst)
{
    const IrInsn *insn = cg_insn(c);
    GroupUse u = {.group = c->group_of[c->i]};
    const Group *g = &c->groups[u.group];
    IrVal v = (IrVal)(c->ir->n + (unsigned)u.group);

    u.base = (uint8_t)cg_use(c, insn->arg[0]);
    if (g->first == c->i) {
        unsigned s2;

        u.addend = (uint8_t)cg_def_extra(c, v, g->last);
        s2 = cg_scratch(c, CLASS_GPR);
        c->locked[CLASS_GPR] &=
            ~(dst ? 1U << s2 : 0); /* the result is written when it is done with */
        if (dst) {
            *dst = cg_def(c, CG_WRITTEN_LAST);
        }
        u.jump = emit_probe(c, group_probe(g, u.base, (int32_t)insn->imm), u.addend, s2);
    } else {
        u.addend = (uint8_t)cg_use(c, v);
        c->extra_use = v;
        if (dst) {
            *dst = cg_def(c, CG_WRITTEN_LAST);
        }
        emit_rr(&c->a, OP_TEST | X_W, u.addend, u.addend);
        u.jump = emit_jcc(&c->a, CC_E);
    }
    return u;
}

static Stub *access_stub(Cg *c, void (*emit)(Cg *c, const Stub *s), uint32_t from, Address at,
                         unsigned addend)
{
    Stub *stub = cg_add_stub(c, emit, from);

    stub->base = at.base;
    stub->disp = at.disp;
    stub->args[0] = (uint8_t)addend;
    return stub;
}

/* Behind the access. */
static Stub *group_finish(Cg *c, const GroupUse *u, unsigned cls)
{
    Address at = {u->base, (int32_t)cg_insn(c)->imm};
    Stub *stub = access_stub(c, group_stub, u->jump, at, u->addend);

    stub->group = u->group;
    stub->cls = (uint8_t)cls;
    return stub;
}

static void load_in_group(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    unsigned cls = c->v[c->i].cls, dst;
    GroupUse u = group_begin(c, &dst);
    Mem m = {u.base, u.addend, (int32_t)insn->imm};

    emit_plain_load(c, insn, cls, dst, m);
    group_finish(c, &u, cls)->dst = (uint8_t)dst;
}

/* --- Small tables --- */

/* The register that holds the table's start, when the load is from one, else NO_REG. */
static unsigned use_table(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    IrVal start;

    if (c->group_of[c->i] != GROUP_TABLE) {
        return NO_REG;
    }
    start = c->ir->insns[insn->arg[0]].arg[table_start(c, insn)];
    c->extra_use = c->v[start].root;
    return cg_use(c, start);
}

static Probe table_probe(const Cg *c, const IrInsn *insn, unsigned start)
{
    return (Probe){.base = (uint8_t)start,
                   .disp = (int32_t)insn->imm,
                   .ahead = (int32_t)table_reach(c, insn, (unsigned)table_start(c, insn)),
                   .mmu = insn->mmu,
                   .write = needs_write(insn)};
}

/* The range has no common entry: the address alone is looked up. */
static void table_stub(Cg *c, const Stub *s)
{
    uint32_t miss = emit_probe(c, insn_probe(c, s->insn, s->base, s->disp), s->args[0], s->args[1]);

    patch_rel32(&c->a, emit_jmp(&c->a), s->back);
    patch_rel32(&c->a, miss, asm_pos(&c->a));
    single_stub(c, s);
}

void cg_load(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    unsigned cls = c->v[c->i].cls;
    Address at;
    unsigned start, s1, s2, dst;
    uint32_t jump;

    if (c->group_of[c->i] >= 0) {
        load_in_group(c);
        return;
    }
    at = use_address(c);
    start = use_table(c);
    s1 = cg_scratch(c, CLASS_GPR);
    s2 = cg_scratch(c, CLASS_GPR);
    if (cls == CLASS_XMM || c->v[c->i].hint >= 0) {
        dst = cg_def(c, CG_WRITTEN_LAST);
    } else {
        cg_def_in(c, s1);
        dst = s1;
    }
    if (start == NO_REG) {
        jump = emit_probe(c, insn_probe(c, insn, at.base, at.disp), s1, s2);
        access_stub(c, single_stub, jump, at, s1);
    } else {
        jump = emit_probe(c, table_probe(c, insn, start), s1, s2);
        access_stub(c, table_stub, jump, at, s1)->args[1] = (uint8_t)s2;
    }
    emit_plain_load(c, insn, cls, dst, (Mem){at.base, (uint8_t)s1, at.disp});
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

static void store_in_group(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    unsigned cls = c->v[c->v[insn->arg[1]].root].cls;
    Opnd value = use_value(c, insn->arg[1]);
    GroupUse u = group_begin(c, NULL);
    Mem m = {u.base, u.addend, (int32_t)insn->imm};

    emit_plain_store(c, insn, m, value, cls);
    group_finish(c, &u, cls)->value = value;
}

void cg_store(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    unsigned cls = c->v[c->v[insn->arg[1]].root].cls;
    Opnd value;
    Address at;
    unsigned s1, s2;
    uint32_t jump;
    Stub *stub;

    if (c->group_of[c->i] >= 0) {
        store_in_group(c);
        return;
    }
    value = use_value(c, insn->arg[1]);
    at = use_address(c);
    s1 = cg_scratch(c, CLASS_GPR);
    s2 = cg_scratch(c, CLASS_GPR);
    jump = emit_probe(c, insn_probe(c, insn, at.base, at.disp), s1, s2);
    stub = access_stub(c, single_stub, jump, at, s1);
    stub->value = value;
    stub->cls = (uint8_t)cls;
    emit_plain_store(c, insn, (Mem){at.base, (uint8_t)s1, at.disp}, value, cls);
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
        emit_xstore(&c->a, cg_frame_arg(n), o.reg); /* of a vector the part that is stored */
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
            cg_xmm_store(c, s->saved[k].wide ? IR_V128 : IR_F64, s->saved[k].mem, s->saved[k].reg);
        } else {
            emit_store(&c->a, X_W, s->saved[k].mem, s->saved[k].reg);
        }
    }
}

void cg_restore_temps(Cg *c, const Stub *s)
{
    for (unsigned k = 0; k < s->nsaved; k++) {
        if (s->saved[k].cls == CLASS_XMM) {
            cg_xmm_load(c, s->saved[k].wide ? IR_V128 : IR_F64, s->saved[k].reg, s->saved[k].mem);
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

/* --- Atomics, fences, calls --- */

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
    } else if (type == IR_V128) {
        Mem place = mem_at(RSP, FRAME_VEC0 + 16 * (int)n);
        unsigned t;

        cg_xmm_store(c, IR_V128, place, cg_use(c, v));
        t = cg_scratch(c, CLASS_GPR);
        emit_lea(&c->a, X_W, t, place);
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

/*
 * What the host can do in one instruction, or in a loop around cmpxchg, is done in line when the write
 * TLB has the page.  The operands wait in the frame, where the slow path wants them and where they take
 * no temporaries.
 */
typedef struct AtomicPlace {
    Address at;
    uint8_t addend, work; /* temporaries */
    Mem mem;
} AtomicPlace;

static void call_stub(Cg *c, const Stub *s, unsigned info_arg, int32_t info, unsigned thunk)
{
    cg_save_temps(c, s);
    emit_lea(&c->a, X_W, RAX, mem_at(s->base, s->disp));
    emit_store(&c->a, X_W, cg_frame_arg(0), RAX);
    store_imm_arg(c, info_arg, info);
    cg_call_runtime(c, thunk, RAX);
    cg_point(c, s->page_rel);
    if (s->dst != NO_REG) {
        take_result(c, s->insn, true, CLASS_GPR, s->dst);
    }
    cg_restore_temps(c, s);
    patch_rel32(&c->a, emit_jmp(&c->a), s->back);
}

static void atomic_stub(Cg *c, const Stub *s)
{
    call_stub(c, s, 2, s->insn->mem | s->insn->mmu << 8 | s->insn->cond << 16, THUNK_ATOMIC);
}

static void cas_stub(Cg *c, const Stub *s)
{
    call_stub(c, s, 3, s->insn->mem | s->insn->mmu << 8, THUNK_CAS);
}

/* Probes the write TLB; *dst is the result's register, NO_REG when nobody reads it. */
static uint32_t atomic_begin(Cg *c, AtomicPlace *p, unsigned *dst)
{
    const IrInsn *insn = cg_insn(c);
    unsigned size = insn->mem & IR_MEM_SIZE;
    Probe probe;

    p->at = use_address(c);
    p->addend = (uint8_t)cg_scratch(c, CLASS_GPR);
    p->work = (uint8_t)cg_scratch(c, CLASS_GPR);
    p->mem = (Mem){p->at.base, p->addend, p->at.disp};
    *dst = NO_REG;
    if (c->v[c->i].last_use > c->i) {
        c->locked[CLASS_GPR] &= ~(1U << p->work); /* the result is written when it is done with */
        *dst = cg_def(c, CG_WRITTEN_LAST);
    }
    probe = insn_probe(c, insn, p->at.base, p->at.disp);
    probe.write = true;
    probe.ahead = 0; /* a misaligned one may be split between cache lines: no host likes that */
    probe.low = (uint8_t)((1U << size) - 1);
    return emit_probe(c, probe, p->addend, p->work);
}

static void atomic_finish(Cg *c, const AtomicPlace *p, unsigned old, unsigned dst, uint32_t miss,
                          void (*emit)(Cg *c, const Stub *s))
{
    const IrInsn *insn = cg_insn(c);
    Stub *stub;

    if (dst != NO_REG && ((insn->mem & IR_MEM_SIZE) == IR_MEM_32 || dst != old)) {
        emit_rr(&c->a, load_op(insn, true), dst, old);
    }
    stub = cg_add_stub(c, emit, miss);
    stub->base = p->at.base;
    stub->disp = p->at.disp;
    stub->dst = (uint8_t)dst;
    cg_keep_temps(c, stub);
}

static void emit_lock(Cg *c)
{
    emit8(&c->a, 0xf0);
}

/* work := old (in rax) op the value in the frame. */
static void emit_atomic_result(Cg *c, IrAtomic op, uint32_t w, unsigned work)
{
    static const uint8_t keep_old[] = {
        [IR_ATOMIC_MIN] = CC_L,
        [IR_ATOMIC_MAX] = CC_G,
        [IR_ATOMIC_MINU] = CC_B,
        [IR_ATOMIC_MAXU] = CC_A,
    };

    switch (op) {
    case IR_ATOMIC_AND:
    case IR_ATOMIC_OR:
    case IR_ATOMIC_XOR:
        emit_mov(&c->a, w, work, RAX);
        emit_alu_rm(&c->a,
                    op == IR_ATOMIC_AND  ? ALU_AND
                    : op == IR_ATOMIC_OR ? ALU_OR
                                         : ALU_XOR,
                    w, work, cg_frame_arg(1));
        break;
    default:
        emit_load(&c->a, w, work, cg_frame_arg(1));
        emit_alu_rr(&c->a, ALU_CMP, w, RAX, work);
        emit_rr(&c->a, OP_CMOV | keep_old[op] | w, work, RAX);
        break;
    }
}

static void emit_cmpxchg_loop(Cg *c, const AtomicPlace *p, uint32_t w)
{
    uint32_t again;

    emit_load(&c->a, w, RAX, p->mem);
    again = asm_pos(&c->a);
    emit_atomic_result(c, (IrAtomic)cg_insn(c)->cond, w, p->work);
    emit_lock(c);
    emit_rm(&c->a, OP_CMPXCHG | w, p->work, p->mem, 0);
    patch_rel32(&c->a, emit_jcc(&c->a, CC_NE), again);
}

void cg_atomic(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    unsigned size = insn->mem & IR_MEM_SIZE, dst;
    uint32_t w = size == IR_MEM_64 ? X_W : 0, miss;
    bool direct = insn->cond == IR_XCHG || insn->cond == IR_ATOMIC_ADD;
    AtomicPlace p;

    store_call_arg(c, 1, insn->arg[1]);
    if (size < IR_MEM_32) {
        store_address_arg(c);
        store_imm_arg(c, 2, insn->mem | insn->mmu << 8 | insn->cond << 16);
        finish_memory_call(c, THUNK_ATOMIC);
        return;
    }
    if (!direct) {
        cg_take(c, CLASS_GPR, RAX);
    }
    miss = atomic_begin(c, &p, &dst);
    if (direct) {
        emit_load(&c->a, w, p.work, cg_frame_arg(1));
        if (insn->cond == IR_ATOMIC_ADD) {
            emit_lock(c);
        }
        emit_rm(&c->a, (insn->cond == IR_XCHG ? OP_XCHG : OP_XADD) | w, p.work, p.mem, 0);
    } else {
        emit_cmpxchg_loop(c, &p, w);
    }
    atomic_finish(c, &p, direct ? p.work : RAX, dst, miss, atomic_stub);
}

void cg_cas(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    unsigned size = insn->mem & IR_MEM_SIZE, dst;
    uint32_t w = size == IR_MEM_64 ? X_W : 0, miss;
    AtomicPlace p;

    store_call_arg(c, 1, insn->arg[1]);
    store_call_arg(c, 2, insn->arg[2]);
    if (size < IR_MEM_32) {
        store_address_arg(c);
        store_imm_arg(c, 3, insn->mem | insn->mmu << 8);
        finish_memory_call(c, THUNK_CAS);
        return;
    }
    cg_take(c, CLASS_GPR, RAX);
    miss = atomic_begin(c, &p, &dst);
    emit_load(&c->a, w, RAX, cg_frame_arg(1));
    emit_load(&c->a, w, p.work, cg_frame_arg(2));
    emit_lock(c);
    emit_rm(&c->a, OP_CMPXCHG | w, p.work, p.mem, 0);
    atomic_finish(c, &p, RAX, dst, miss, cas_stub);
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

        if (insn->type == IR_V128) {
            cg_xmm_load(c, IR_V128, dst, mem_at(RSP, FRAME_VEC_RESULT));
        } else {
            take_result(c, insn, false, c->v[c->i].cls, dst);
        }
    }
}
