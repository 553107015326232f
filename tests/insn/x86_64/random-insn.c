/* SPDX-License-Identifier: MIT */
/*
 * Random instructions from the rows of the opcode maps, and states in which their memory operands lie
 * in the data area.  What depends on the system, or changes where code goes on, is left out.
 */
#include "rhea/osdep.h"

#include "judge.h"
#include "rhea/endian.h"

/* Actions whose effect is not the processor's alone, or that single instructions cannot show. */
static void (*const left_out[])(X86Trans *t) = {
    x86_op_into,      x86_op_jmpf,    x86_op_callf,    x86_op_popf,     x86_op_jmpf_ind,
    x86_op_callf_ind, x86_op_retf,    x86_op_retf_n,   x86_op_int,      x86_op_int3,
    x86_op_int1,      x86_op_iret,    x86_op_cli,      x86_op_sti,      x86_op_pause,
    x86_op_in,        x86_op_out,     x86_op_ins,      x86_op_outs,     x86_op_sldt,
    x86_op_str,       x86_op_sgdt,    x86_op_sidt,     x86_op_smsw,     x86_op_monitor,
    x86_op_mwait,     x86_op_xgetbv,  x86_op_rdpkru,   x86_op_wrpkru,   x86_op_syscall,
    x86_op_sysenter,  x86_op_rdtsc,   x86_op_rdtscp,   x86_op_rdpmc,    x86_op_rdpid,
    x86_op_cpuid,     x86_op_rsm,     x86_op_rdfsbase, x86_op_rdgsbase, x86_op_wrfsbase,
    x86_op_wrgsbase,  x86_op_clflush, x86_op_rdrand,   x86_op_rdseed,   x86_op_swapgs,
};

bool random_row_is_judged(const X86Row *row)
{
    if (row->attrs & (judge_mode & X86_KEY_CS64 ? X86_A_I64 : X86_A_O64) ||
        row->attrs & X86_A_CPL0) {
        return false;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(left_out); i++) {
        if (row->emit == left_out[i]) {
            return false;
        }
    }
    /* Processors differ: whether a store from an MMX register touches the x87 tags, and whether the
     * alias of FSTP in D9 minds an empty stack. */
    if ((row->attrs & X86_A_MMX && (row->emit == x86_op_vec_to || row->op[0].place == X86_P_Q)) ||
        !strcmp(row->text, "fstp1")) {
        return false;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(row->feature); i++) {
        if (row->feature[i] != X86_NO_FEATURE && !x86_has(&judge_model, row->feature[i])) {
            return false;
        }
    }
    return true;
}

static bool chance(GRand *rand, unsigned percent)
{
    return (unsigned)g_rand_int_range(rand, 0, 100) < percent;
}

static uint64_t random64(GRand *rand)
{
    return (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand);
}

/* Numbers at edges are more telling than others. */
static uint64_t telling_number(GRand *rand)
{
    static const uint64_t edges[] = {0,          1,          2,      0x7f,       0x80,
                                     0xff,       0x7fff,     0x8000, 0xffff,     0x7fffffff,
                                     0x80000000, 0xffffffff, ~0ULL,  1ULL << 63, ~(1ULL << 63)};

    if (chance(rand, 40)) {
        return edges[g_rand_int_range(rand, 0, ARRAY_SIZE(edges))];
    }
    return chance(rand, 30) ? random64(rand) & 0xff : random64(rand);
}

/* --- Encodings --- */

static unsigned put_prefixes(GRand *rand, const X86Row *row, uint8_t *p)
{
    unsigned n = 0, which;

    if (row->attrs & X86_A_LOCK && chance(rand, 30)) {
        p[n++] = 0xf0;
    }
    do {
        which = 1u << g_rand_int_range(rand, 0, 4);
    } while (!(row->pfx & which));
    if (row->pfx == 15 && which > X86_PFX_66 && chance(rand, 70)) {
        which = X86_PFX_NONE;
    }
    if (which == X86_PFX_66 || (which > X86_PFX_66 && chance(rand, 20))) {
        p[n++] = 0x66;
    }
    if (which > X86_PFX_66) {
        p[n++] = which == X86_PFX_F3 ? 0xf3 : 0xf2;
    }
    if (judge_mode & X86_KEY_CS64 && chance(rand, 60)) {
        p[n++] = 0x40 | g_rand_int_range(rand, 0, 16);
    }
    return n;
}

static unsigned put_vex(GRand *rand, const X86Row *row, unsigned map, uint8_t *p)
{
    static const uint8_t codes[9] = {
        [X86_PFX_NONE] = 0, [X86_PFX_66] = 1, [X86_PFX_F3] = 2, [X86_PFX_F2] = 3};

    p[0] = 0xc4;
    p[1] = (uint8_t)(g_rand_int_range(rand, 0, 8) << 5 | map);
    p[1] |= judge_mode & X86_KEY_CS64 ? 0 : 0xc0; /* else it is LES */
    p[2] = (uint8_t)(g_rand_int_range(rand, 0, 64) << 2 | codes[row->pfx]);
    return 3;
}

static unsigned put_opcode(unsigned map, uint8_t opcode, uint8_t *p)
{
    unsigned n = 0;

    if (map != X86_MAP_ROOT) {
        p[n++] = 0x0f;
    }
    if (map > X86_MAP_0F) {
        p[n++] = map == X86_MAP_0F38 ? 0x38 : 0x3a;
    }
    p[n++] = opcode;
    return n;
}

static unsigned slot_of(const X86Row *row)
{
    unsigned i = row - x86_rows, slot = 0;

    while (x86_first_row[slot + 1] <= i) {
        slot++;
    }
    return slot;
}

/* Sixteen bytes of which the first instruction is @row's. */
static void encode(GRand *rand, const X86Row *row, uint8_t *p)
{
    unsigned slot = slot_of(row), n = 0;

    if (row->has_modrm && chance(rand, 15)) {
        p[n++] = 0x65; /* GS */
    }
    if (row->vex) {
        n += put_vex(rand, row, slot / 256, p + n);
        p[n++] = slot % 256;
    } else {
        n += put_prefixes(rand, row, p + n);
        n += put_opcode(slot / 256, slot % 256, p + n);
    }
    if (row->has_modrm) {
        p[n++] = (uint8_t)((g_rand_int(rand) & ~row->mask) | row->value);
    }
    while (n < 16) {
        p[n++] = (uint8_t)g_rand_int(rand);
    }
}

/* --- States --- */

static bool is_vector(const X86Row *row)
{
    return row->attrs & (X86_A_X87 | X86_A_MMX | X86_A_SSE | X86_A_AVX);
}

/* An address in the data area, sometimes where an access runs over its end. */
static uint64_t data_address(GRand *rand, const X86Insn *insn)
{
    uint64_t at = g_rand_int_range(rand, 64, JUDGE_DATA_BYTES - 64);
    uint64_t edge = JUDGE_DATA_BYTES - g_rand_int_range(rand, 0, 10);

    if (is_vector(insn->row) && chance(rand, 70)) {
        return JUDGE_DATA + (at & ~31ULL);
    }
    if (insn->lock || insn->row->emit == x86_op_xchg || insn->row->emit == x86_op_cmpxchg8b) {
        return JUDGE_DATA + (at & ~15ULL);
    }
    return JUDGE_DATA + (chance(rand, 5) ? edge : at);
}

/* Small numbers for a vector of indexes, of either width. */
static void aim_lanes(const X86Insn *insn, JudgeState *s)
{
    for (unsigned i = 0; insn->index >= 0 && i < 2; i++) {
        s->xmm[insn->index].q[i] &= 7;
        s->ymmh[insn->index].q[i] &= 7;
    }
}

static bool uses_gs(const X86Insn *insn)
{
    return insn->override == X86_GS;
}

/* Of the segment of the memory operand; what GS may hold begins at the data. */
static uint64_t operand_base(const X86Insn *insn)
{
    return uses_gs(insn) ? JUDGE_DATA : judge_data_base();
}

/* 16 bits of address are enough where the segment begins with the area. */
static bool reaches_data(const X86Insn *insn)
{
    return (insn->override < 0 || uses_gs(insn)) &&
           (insn->adsize != 2 || operand_base(insn) == JUDGE_DATA);
}

/* Makes the address of the memory operand @at; false: it cannot be. */
static bool aim(const X86Insn *insn, uint64_t at, JudgeState *s)
{
    uint64_t rest = (uint64_t)insn->disp + operand_base(insn),
             mask = insn->adsize == 4 ? UINT32_MAX : ~0ULL;

    if (insn->rip_relative || insn->base < 0 || !reaches_data(insn)) {
        return false;
    }
    if (insn->row->emit == x86_op_vgather) {
        aim_lanes(insn, s);
    } else if (insn->index >= 0) {
        if (insn->index == insn->base) {
            return false;
        }
        rest += s->regs[insn->index] << insn->scale;
    }
    if (insn->adsize == 2) { /* the upper half does not count */
        at |= s->regs[insn->base] << 16;
        mask = UINT32_MAX;
    }
    s->regs[insn->base] = (at - rest) & mask;
    return true;
}

/* --- Floating point --- */

static uint64_t telling_float(GRand *rand, bool wide)
{
    static const uint64_t f64s[] = {0,
                                    1ULL << 63,
                                    0x3ff0000000000000,
                                    0xbff8000000000000,
                                    0x7ff0000000000000,
                                    0xfff0000000000000,
                                    0x7ff8000000001234,
                                    0xfff0000000000001,
                                    1,
                                    0x800fffffffffffff,
                                    0x0010000000000000,
                                    0x7fefffffffffffff,
                                    0x41dfffffffe00000,
                                    0xc3e0000000000000,
                                    0x3fd5555555555555};
    static const uint32_t f32s[] = {0,          1u << 31,   0x3f800000, 0xbfc00000, 0x7f800000,
                                    0xff800000, 0x7fc01234, 0xff800001, 1,          0x807fffff,
                                    0x00800000, 0x7f7fffff, 0x4effffff, 0xcf000000, 0x3eaaaaab};

    if (chance(rand, 30)) {
        return wide ? random64(rand) : g_rand_int(rand);
    }
    return wide ? f64s[g_rand_int_range(rand, 0, ARRAY_SIZE(f64s))]
                : f32s[g_rand_int_range(rand, 0, ARRAY_SIZE(f32s))];
}

static void telling_vector(GRand *rand, X86Xmm *v)
{
    switch (g_rand_int_range(rand, 0, 3)) {
    case 0:
        v->q[0] = telling_float(rand, true);
        v->q[1] = telling_float(rand, true);
        break;
    case 1:
        for (unsigned i = 0; i < 4; i++) {
            v->l[i] = (uint32_t)telling_float(rand, false);
        }
        break;
    default:
        v->q[0] = telling_number(rand);
        v->q[1] = telling_number(rand);
        break;
    }
}

static X86Fp80 telling_fp80(GRand *rand)
{
    static const uint16_t exponents[] = {0,      0x3fff, 0xbfff, 0x7fff, 0xffff, 1,
                                         0x7ffe, 0x403e, 0x3ffe, 0x4000, 0xc005, 0x3f81};
    X86Fp80 v = {.se = chance(rand, 20)
                           ? (uint16_t)g_rand_int(rand)
                           : exponents[g_rand_int_range(rand, 0, ARRAY_SIZE(exponents))]};

    v.sig = chance(rand, 50) ? telling_number(rand) : telling_number(rand) | 1ULL << 63;
    return v;
}

static void random_fp_state(GRand *rand, JudgeState *s)
{
    static const uint16_t modes[] = {0x0000, 0x2000, 0x4000, 0x6000, 0x8000, 0x0040, 0x8040};

    for (unsigned i = 0; i < 16; i++) {
        telling_vector(rand, &s->xmm[i]);
        telling_vector(rand, &s->ymmh[i]);
    }
    s->mxcsr = 0x1f80 | modes[g_rand_int_range(rand, 0, ARRAY_SIZE(modes))] |
               (chance(rand, 20) ? g_rand_int(rand) & 0x3f : 0);
    if (chance(rand, 8)) { /* some exceptions are not masked */
        s->mxcsr &= ~(g_rand_int(rand) & X86_MXCSR_MASKS);
    }
    for (unsigned i = 0; i < 8; i++) {
        s->st[i] = telling_fp80(rand);
    }
    s->fpu_cw = 0x7f | (g_rand_int(rand) & 0x0c00) | (chance(rand, 60) ? 0x300 : 0x200);
    if (chance(rand, 8)) {
        s->fpu_cw &= ~(g_rand_int(rand) & 0x3f);
    }
    s->fpu_sw = (uint16_t)(g_rand_int_range(rand, 0, 8) << 11 | (g_rand_int(rand) & 0x4700));
    s->fpu_tags = chance(rand, 60) ? (uint8_t) ~(1u << (((s->fpu_sw >> 11) + 7) & 7))
                                   : (uint8_t)g_rand_int(rand);
}

static void random_state(GRand *rand, JudgeState *s)
{
    memset(s, 0, sizeof(*s));
    for (unsigned i = 0; i < (judge_mode & X86_KEY_CS64 ? 16 : 8); i++) {
        s->regs[i] = telling_number(rand) & (judge_mode & X86_KEY_CS64 ? ~0ULL : UINT32_MAX);
    }
    for (unsigned i = 0; i < JUDGE_DATA_BYTES; i += 8) {
        uint64_t v = telling_number(rand);

        memcpy(s->data + i, &v, 8);
    }
    s->eflags = g_rand_int(rand) & X86_ARITH_FLAGS;
    s->rip = JUDGE_CODE;
    random_fp_state(rand, s);
}

static bool uses_string_registers(const X86Insn *insn)
{
    void (*const strings[])(X86Trans *) = {x86_op_movs, x86_op_stos, x86_op_lods,   x86_op_scas,
                                           x86_op_cmps, x86_op_xlat, x86_op_maskmov};

    for (unsigned i = 0; i < ARRAY_SIZE(strings); i++) {
        if (insn->row->emit == strings[i]) {
            return true;
        }
    }
    return false;
}

/* Registers that instructions use as addresses without a ModRM byte. */
static bool aim_implicit(GRand *rand, const X86Insn *insn, JudgeState *s)
{
    const uint64_t data = JUDGE_DATA - judge_data_base();

    if (uses_string_registers(insn)) {
        if (insn->override >= 0 || !reaches_data(insn)) {
            return false;
        }
        s->regs[X86_RSI] = data + g_rand_int_range(rand, 1024, 7 * 1024);
        s->regs[X86_RDI] = chance(rand, 30) ? s->regs[X86_RSI] + g_rand_int_range(rand, -40, 40)
                                            : data + g_rand_int_range(rand, 1024, 8 * 1024);
        s->regs[X86_RBX] = data + 100;
        s->regs[X86_RCX] = g_rand_int_range(rand, 0, 200);
        s->eflags |= chance(rand, 30) ? X86_DF : 0;
    }
    if (insn->row->emit == x86_op_clzero) {
        s->regs[X86_RAX] = data + g_rand_int_range(rand, 0, JUDGE_DATA_BYTES + 64);
        return insn->override < 0 && reaches_data(insn);
    }
    if (insn->row->emit == x86_op_maskmov) { /* which byte a fault is at, processors decide */
        s->regs[X86_RDI] &= ~(uint64_t)15;
    }
    if (insn->row->emit == x86_op_leave || insn->row->emit == x86_op_enter) {
        s->regs[X86_RBP] = data + g_rand_int_range(rand, 0, 8 * 1024);
    }
    for (unsigned n = 0; n < insn->row->nops; n++) {
        if (insn->row->op[n].place == X86_P_O) {
            return false;
        }
    }
    return true;
}

/* --- Jumps: always the last instruction --- */

static void (*const relative_jumps[])(X86Trans *t) = {
    x86_op_jmp, x86_op_jcc, x86_op_loop, x86_op_loope, x86_op_loopne, x86_op_jcxz, x86_op_call,
};
static void (*const indirect_jumps[])(X86Trans *t) = {
    x86_op_jmp_ind,
    x86_op_call_ind,
    x86_op_ret,
    x86_op_ret_n,
};

static bool is_one_of(const X86Row *row, void (*const *emits)(X86Trans *t), unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (row->emit == emits[i]) {
            return true;
        }
    }
    return false;
}

static bool is_relative(const X86Row *row)
{
    return is_one_of(row, relative_jumps, ARRAY_SIZE(relative_jumps));
}

static bool is_indirect(const X86Row *row)
{
    return is_one_of(row, indirect_jumps, ARRAY_SIZE(indirect_jumps));
}

/* What processors disagree about: 16-bit operands in 64-bit mode, and F2 and F3, which AMD's take for the
 * condition of LOOPE and LOOPNE. */
static bool is_ambiguous(const X86Insn *insn, const uint8_t *bytes)
{
    static const uint8_t prefixes[] = {0x65, 0x66, 0xf0, 0xf2, 0xf3};

    for (; memchr(prefixes, *bytes, sizeof(prefixes)); bytes++) {
        if (*bytes != 0x65 && (*bytes != 0x66 || insn->mode64)) {
            return true;
        }
    }
    return false;
}

/* A distance of 32 bits is made one within the page. */
static void shorten(GRand *rand, X86Insn *insn, uint8_t *bytes)
{
    int32_t distance = g_rand_int_range(rand, -0x700, 0x700);

    if (insn->opsize != 2 &&
        (insn->map == X86_MAP_0F || insn->opcode == 0xe8 || insn->opcode == 0xe9)) {
        memcpy(bytes + insn->len - sizeof(distance), &distance, sizeof(distance));
        insn->imm[0] = distance;
    }
}

/* Does a relative jump at @off of the code lead out of it? */
static bool leads_out(const X86Insn *insn, unsigned off)
{
    uint64_t to = JUDGE_CODE + off + insn->len + (uint64_t)insn->imm[0];

    if (!insn->mode64) {
        to -= judge_code_base();
        to &= insn->opsize == 2 ? 0xffff : UINT32_MAX;
        to += judge_code_base();
    }
    return to - JUDGE_CODE > sizeof(((RandomCode *)0)->bytes);
}

/* Where an indirect jump finds its target: its register, its operand in memory at @at, the stack. */
static void put_target(GRand *rand, const X86Insn *insn, uint64_t at, JudgeState *s)
{
    uint64_t to = JUDGE_CODE + g_rand_int_range(rand, 256, JUDGE_CODE_BYTES) - judge_code_base();

    if (insn->row->emit == x86_op_ret || insn->row->emit == x86_op_ret_n) {
        at = s->regs[X86_RSP] + judge_data_base();
    } else if (!x86_modrm_is_mem(insn)) {
        s->regs[insn->rm] = to;
        return;
    }
    memcpy(s->data + (at - JUDGE_DATA), &to, sizeof(to));
}

/* A bit-string index must not lead out of the area by far. */
static void tame_bit_index(const X86Insn *insn, JudgeState *s)
{
    bool bits = insn->row->emit == x86_op_bt || insn->row->emit == x86_op_bts ||
                insn->row->emit == x86_op_btr || insn->row->emit == x86_op_btc;

    if (bits && insn->row->op[1].place == X86_P_G && x86_modrm_is_mem(insn)) {
        s->regs[insn->reg] =
            (uint64_t)(int64_t)(int8_t)s->regs[insn->reg] & MASK_ULL(insn->mode64 ? 64 : 32);
    }
}

static bool prepare_indirect(GRand *rand, const X86Insn *insn, JudgeState *s)
{
    uint64_t at = JUDGE_DATA + 8 * (uint64_t)g_rand_int_range(rand, 0, JUDGE_DATA_BYTES / 8);

    bool narrow = insn->opsize == 2 && judge_mode != JUDGE_16;

    if (narrow || (insn->row->has_modrm && insn->rm == X86_RSP)) {
        return false;
    }
    if (insn->row->has_modrm && x86_modrm_is_mem(insn) && !aim(insn, at, s)) {
        return false;
    }
    put_target(rand, insn, at, s);
    return true;
}

/* --- Areas of floating-point state in memory --- */

static void (*const areas[])(X86Trans *t) = {
    x86_op_fxsave,    x86_op_fxrstor,   x86_op_xsave,   x86_op_xrstor,
    x86_op_x87_stenv, x86_op_x87_ldenv, x86_op_ldmxcsr,
};
enum { AREA_ALIGN = 64, AREA_BYTES = 1024 };
enum { FX_MXCSR = 24, FX_BYTES = 512 };

static bool is_area(const X86Row *row)
{
    return is_one_of(row, areas, ARRAY_SIZE(areas));
}

/* Reserved bits are set now and then; MM, which AMD has, never is. */
static void put_mxcsr(GRand *rand, uint8_t *p)
{
    st32_le(p, (g_rand_int(rand) & 0xffff) | (chance(rand, 5) ? 1u << 20 : 0));
}

/* The header of an XSAVE area: any components, any format, or what cannot be loaded. */
static void put_header(GRand *rand, uint8_t *p)
{
    memset(p, 0, 64);
    st64_le(p, g_rand_int(rand) & 7);
    st64_le(p + 8, chance(rand, 40) ? 1ULL << 63 | (g_rand_int(rand) & 7) : 0);
    if (chance(rand, 5)) {
        p[8 * g_rand_int_range(rand, 0, 3) + g_rand_int_range(rand, 0, 8)] ^= 0x10;
    }
}

/* Pointers to the last x87 instruction and its operand, the mask of MXCSR: processors differ. */
static void leave_pointers_out(const X86Insn *insn, unsigned at, RandomCode *code)
{
    if (insn->row->emit == x86_op_x87_stenv) {
        code->unjudged[0] = insn->opsize == 2 ? (Span){at + 6, at + 14} : (Span){at + 12, at + 28};
    } else {
        code->unjudged[0] = (Span){at + 6, at + FX_MXCSR};
        code->unjudged[1] = (Span){at + FX_MXCSR + 4, at + FX_MXCSR + 8};
    }
}

static bool prepare_area(GRand *rand, const X86Insn *insn, RandomCode *code, JudgeState *s)
{
    unsigned at = AREA_ALIGN *
                  (unsigned)g_rand_int_range(rand, 0, (JUDGE_DATA_BYTES - AREA_BYTES) / AREA_ALIGN);
    uint8_t *p;

    at += chance(rand, 3) ? 8 : 0; /* where alignment counts, #GP */
    p = s->data + at;
    if (uses_gs(insn) || insn->base == X86_RAX || insn->base == X86_RDX || insn->index == X86_RAX ||
        insn->index == X86_RDX) {
        return false; /* the components are there */
    }
    s->regs[X86_RAX] = g_rand_int(rand) & 7;
    s->regs[X86_RDX] = 0;
    if (insn->row->emit == x86_op_ldmxcsr) {
        put_mxcsr(rand, p);
    } else if (insn->row->emit == x86_op_fxrstor || insn->row->emit == x86_op_xrstor) {
        put_mxcsr(rand, p + FX_MXCSR);
    }
    if (insn->row->emit == x86_op_xrstor) {
        put_header(rand, p + FX_BYTES);
    }
    leave_pointers_out(insn, at, code);
    return aim(insn, JUDGE_DATA + at, s);
}

/* --- Selectors --- */

/* The system's, the programs', ours and such as are in no table. */
static uint16_t random_selector(GRand *rand)
{
    static const uint16_t system[] = {0, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x400};
    unsigned rpl = chance(rand, 80) ? 3 : (unsigned)g_rand_int_range(rand, 0, 4);

    if (chance(rand, 40)) {
        return (uint16_t)(system[g_rand_int_range(rand, 0, ARRAY_SIZE(system))] | rpl);
    }
    return (uint16_t)(g_rand_int_range(rand, 0, JUDGE_LDT_ENTRIES + 1) << 3 | 4 | rpl);
}

/* What a program can have in GS.  In 64-bit mode processors differ in which base null selectors give. */
static uint16_t random_gs(GRand *rand)
{
    static const uint8_t entries[] = {JUDGE_LDT_DATA, 2, 3, 4, 5, 6, 7, 8};
    bool null = !native_has_ldt() || (!(judge_mode & X86_KEY_CS64) && chance(rand, 10));

    return null ? 0 : (uint16_t)(entries[g_rand_int_range(rand, 0, ARRAY_SIZE(entries))] << 3 | 7);
}

static void (*const queries[])(X86Trans *t) = {x86_op_lar, x86_op_lsl, x86_op_verr, x86_op_verw};
static void (*const segment_loads[])(X86Trans *t) = {x86_op_load_seg, x86_op_pop_seg,
                                                     x86_op_load_far};

static bool loads_segment(const X86Row *row)
{
    return is_one_of(row, segment_loads, ARRAY_SIZE(segment_loads));
}

static bool takes_selector(const X86Row *row)
{
    return loads_segment(row) || is_one_of(row, queries, ARRAY_SIZE(queries));
}

/* FS is the C library's.  Processors differ in far pointers with offsets of 64 bits. */
static bool may_load(const X86Insn *insn)
{
    if (insn->row->emit == x86_op_load_seg) {
        return (insn->reg & 7) != X86_FS;
    }
    if (insn->row->emit == x86_op_pop_seg) {
        return insn->row->op[0].reg != X86_FS;
    }
    return insn->row->emit != x86_op_load_far ||
           (insn->opsize != 8 && !(insn->map == X86_MAP_0F && insn->opcode == 0xb4));
}

static bool prepare_selector(GRand *rand, const X86Insn *insn, JudgeState *s)
{
    unsigned at = (unsigned)g_rand_int_range(rand, 64, JUDGE_DATA_BYTES - 64);
    uint16_t sel = random_selector(rand);

    if (!may_load(insn)) {
        return false;
    }
    if (insn->row->emit == x86_op_pop_seg) {
        at = (unsigned)(s->regs[X86_RSP] + judge_data_base() - JUDGE_DATA);
    } else if (!x86_modrm_is_mem(insn)) {
        s->regs[insn->rm] = (s->regs[insn->rm] & ~0xffffULL) | sel;
        return true;
    } else if (!aim(insn, JUDGE_DATA + at, s)) {
        return false;
    }
    at += insn->row->emit == x86_op_load_far ? insn->opsize : 0;
    memcpy(s->data + at, &sel, sizeof(sel));
    return true;
}

/* --- Any instruction, its operands --- */

static bool prepare(GRand *rand, const X86Insn *insn, RandomCode *code, JudgeState *s)
{
    if (insn->row->nops && insn->row->op[0].place == X86_P_R) {
        return false;
    }
    s->regs[X86_RSP] = JUDGE_DATA - judge_data_base() + 4096 + 8 * g_rand_int_range(rand, 0, 100);
    if (!aim_implicit(rand, insn, s)) {
        return false;
    }
    if (uses_gs(insn) && insn->row->emit == x86_op_arpl) {
        return false; /* manuals do not say if what stays as it is must be writable */
    }
    tame_bit_index(insn, s);
    if (is_area(insn->row)) {
        return prepare_area(rand, insn, code, s);
    }
    if (is_indirect(insn->row)) {
        return prepare_indirect(rand, insn, s);
    }
    if (takes_selector(insn->row)) {
        return native_has_ldt() && prepare_selector(rand, insn, s);
    }
    if (insn->row->has_modrm && x86_modrm_is_mem(insn) && insn->row->emit != x86_op_lea &&
        insn->row->emit != x86_op_nop_ea) {
        return aim(insn, data_address(rand, insn), s);
    }
    return true;
}

/* --- Sequences --- */

static const X86Row *random_row(GRand *rand)
{
    const X86Row *row;

    do {
        row = &x86_rows[g_rand_int_range(rand, 0, X86_NROWS)];
    } while (!random_row_is_judged(row));
    return row;
}

/* Instructions behind the first use registers only: what they find there is not known. */
static bool fits_behind(const X86Insn *insn)
{
    void (*const implicit[])(X86Trans *) = {
        x86_op_call, x86_op_leave, x86_op_enter,    x86_op_push,  x86_op_pop,
        x86_op_popa, x86_op_pusha, x86_op_push_seg, x86_op_pushf, x86_op_clzero,
    };
    bool memory = insn->row->has_modrm && x86_modrm_is_mem(insn);

    return !memory && !is_one_of(insn->row, implicit, ARRAY_SIZE(implicit)) &&
           !is_indirect(insn->row) && !takes_selector(insn->row) &&
           !g_str_has_prefix(insn->row->text, "fprem") && !uses_string_registers(insn);
}

static uint8_t undefined_by(const X86Insn *insn)
{
    bool twice = insn->row->emit == x86_op_shld || insn->row->emit == x86_op_shrd;

    /* A count above 16 is possible. */
    return twice && insn->opsize == 2 ? X86_FLAG_ALL : insn->row->undefined;
}

/* Shifts and rotates by 0. */
static bool may_leave_flags(const X86Insn *insn)
{
    void (*const shifts[])(X86Trans *) = {x86_op_rol, x86_op_ror,  x86_op_rcl,
                                          x86_op_rcr, x86_op_shl,  x86_op_shr,
                                          x86_op_sar, x86_op_shld, x86_op_shrd};

    for (unsigned i = 0; i < ARRAY_SIZE(shifts); i++) {
        if (insn->row->emit == shifts[i]) {
            return true;
        }
    }
    return false;
}

static bool append(GRand *rand, const X86Row *row, RandomCode *code, JudgeState *s)
{
    uint8_t bytes[16];
    X86Insn insn;

    encode(rand, row, bytes);
    if (x86_decode(&insn, &judge_model, judge_mode | X86_KEY_PE | X86_KEY_LMA, bytes,
                   X86_LONGEST_INSN) != X86_DECODED ||
        insn.row != row || row->read & code->undefined ||
        (code->n ? !fits_behind(&insn) : !prepare(rand, &insn, code, s))) {
        return false;
    }
    if (is_relative(row) || is_indirect(row)) {
        if (is_relative(row)) {
            shorten(rand, &insn, bytes);
        }
        if (is_ambiguous(&insn, bytes) || (is_relative(row) && !leads_out(&insn, code->size))) {
            return false;
        }
        code->jumps = true;
    }
    memcpy(code->bytes + code->size, bytes, insn.len);
    code->start[code->n++] = (uint8_t)code->size;
    code->size += insn.len;
    if (g_str_has_prefix(row->text, "fprem")) {
        s->fpu_sw &= ~0x4700; /* special operands leave the condition codes as they were */
    }
    if (row->ir_op == IR_VFDP) {
        s->mxcsr |= 0x1f80; /* several steps, each with exceptions of its own */
    }
    code->approximate |= row->ir_op == IR_VFRCP || row->ir_op == IR_VFRSQRT;
    code->undefined = (may_leave_flags(&insn) ? code->undefined : code->undefined & ~row->written) |
                      undefined_by(&insn);
    return true;
}

bool random_code(GRand *rand, const X86Row *row, unsigned n, RandomCode *code, JudgeState *state)
{
    for (unsigned tries = 0; tries < 50; tries++) {
        *code = (RandomCode){0};
        random_state(rand, state);
        state->seg[X86_GS] = random_gs(rand);
        if (append(rand, row ? row : random_row(rand), code, state)) {
            /* What a control word from memory unmasks would stop those behind. */
            bool last = row && (row->emit == x86_op_x87_ldcw || is_area(row) || loads_segment(row));

            for (unsigned more = 0; more < 100 && code->n < n && !last && !code->jumps; more++) {
                append(rand, random_row(rand), code, state);
            }
            return true;
        }
    }
    return false;
}
