/* SPDX-License-Identifier: MIT */
/*
 * Disassembly from the opcode maps, in AT&T syntax (CpuOps.disas).  A mnemonic gets the letter of its
 * size where no register tells it.
 */
#include "rhea/osdep.h"

#include "decode.h"

static const char *const reg64[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                      "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
static const char *const seg_names[8] = {"es", "cs", "ss", "ds", "fs", "gs", "?6", "?7"};
static const char *const cond_names[16] = {"o", "no", "b", "ae", "e", "ne", "be", "a",
                                           "s", "ns", "p", "np", "l", "ge", "le", "g"};

typedef struct Disas {
    GString *out;
    const X86Insn *insn;
    GuestVA pc;
} Disas;

/* --- Registers --- */

static void append_byte_reg(GString *out, unsigned n, bool rex)
{
    static const char *const low[8] = {"al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"};
    static const char *const high[4] = {"ah", "ch", "dh", "bh"};

    if (n >= 8) {
        g_string_append_printf(out, "%%%sb", reg64[n]);
    } else {
        g_string_append_printf(out, "%%%s", n >= 4 && !rex ? high[n - 4] : low[n]);
    }
}

static void append_reg(GString *out, unsigned n, unsigned size, bool rex)
{
    switch (size) {
    case 1: append_byte_reg(out, n, rex); break;
    case 2:
        g_string_append_printf(out, n < 8 ? "%%%s" : "%%%sw", n < 8 ? reg64[n] + 1 : reg64[n]);
        break;
    case 4:
        if (n < 8) {
            g_string_append_printf(out, "%%e%s", reg64[n] + 1);
        } else {
            g_string_append_printf(out, "%%%sd", reg64[n]);
        }
        break;
    default: g_string_append_printf(out, "%%%s", reg64[n]); break;
    }
}

static void append_vector(GString *out, unsigned n, unsigned size)
{
    g_string_append_printf(out, "%%%cmm%u", size == 32 ? 'y' : 'x', n);
}

/* --- Memory --- */

static void append_hex(GString *out, int64_t v)
{
    if (v < 0) {
        g_string_append_printf(out, "-0x%" PRIx64, -(uint64_t)v);
    } else {
        g_string_append_printf(out, "0x%" PRIx64, v);
    }
}

static void append_memory(Disas *d)
{
    const X86Insn *insn = d->insn;
    bool none = insn->base < 0 && insn->index < 0;

    if (insn->override >= 0) {
        g_string_append_printf(d->out, "%%%s:", seg_names[insn->override]);
    }
    if (insn->rip_relative) {
        append_hex(d->out, insn->disp);
        g_string_append_printf(d->out, "(%%rip)");
        return;
    }
    if (insn->disp || none) {
        if (none) {
            g_string_append_printf(d->out, "0x%" PRIx64,
                                   (uint64_t)(insn->disp & MASK_ULL(8 * insn->adsize)));
            return;
        }
        append_hex(d->out, insn->disp);
    }
    g_string_append_c(d->out, '(');
    if (insn->base >= 0) {
        append_reg(d->out, insn->base, insn->adsize, true);
    }
    if (insn->index >= 0) {
        g_string_append_c(d->out, ',');
        append_reg(d->out, insn->index, insn->adsize, true);
        g_string_append_printf(d->out, ",%u", 1u << insn->scale);
    }
    g_string_append_c(d->out, ')');
}

static void append_string_operand(Disas *d, unsigned reg, unsigned seg)
{
    g_string_append_printf(d->out, "%%%s:(", seg_names[seg]);
    append_reg(d->out, reg, d->insn->adsize, true);
    g_string_append_c(d->out, ')');
}

/* --- Operands --- */

static void append_immediate(Disas *d, unsigned n)
{
    const X86Insn *insn = d->insn;
    unsigned size = x86_opnd_size(insn, n);

    if (insn->row->op[n].place == X86_P_SI || size == 4) {
        size = insn->opsize;
    }
    g_string_append_printf(d->out, "$0x%" PRIx64, (uint64_t)(insn->imm[n] & MASK_ULL(8 * size)));
}

static void append_target(Disas *d, unsigned n)
{
    uint64_t target = d->pc + d->insn->len + (uint64_t)d->insn->imm[n];

    g_string_append_printf(d->out, "0x%" PRIx64, d->insn->mode64 ? target : target & UINT32_MAX);
}

/* Operands that ModRM.rm selects. */
static void append_rm(Disas *d, unsigned n)
{
    const X86Insn *insn = d->insn;
    unsigned size = x86_opnd_size(insn, n);

    if (x86_opnd_is_modrm_mem(insn, n)) {
        append_memory(d);
        return;
    }
    switch (insn->row->op[n].place) {
    case X86_P_W:
    case X86_P_U: append_vector(d->out, insn->rm, size); break;
    case X86_P_Q:
    case X86_P_N: g_string_append_printf(d->out, "%%mm%u", insn->rm & 7); break;
    case X86_P_ST: g_string_append_printf(d->out, "%%st(%u)", insn->rm & 7); break;
    default: append_reg(d->out, insn->rm, size, insn->has_rex); break;
    }
}

static void append_operand(Disas *d, unsigned n)
{
    const X86Insn *insn = d->insn;
    const X86OpndSpec *op = &insn->row->op[n];
    unsigned size = x86_opnd_size(insn, n);
    GString *out = d->out;

    switch (op->place) {
    case X86_P_G: append_reg(out, insn->reg, size, insn->has_rex); break;
    case X86_P_B: append_reg(out, insn->vvvv, size, true); break;
    case X86_P_Z:
        append_reg(out, (insn->opcode & 7) | (insn->rex & X86_REX_B ? 8 : 0), size, insn->has_rex);
        break;
    case X86_P_FIXED: append_reg(out, op->reg, size, true); break;
    case X86_P_I:
    case X86_P_SI: append_immediate(d, n); break;
    case X86_P_ONE: g_string_append(out, "$1"); break;
    case X86_P_J: append_target(d, n); break;
    case X86_P_A:
        g_string_append_printf(out, "$0x%x,$0x%" PRIx64, insn->far_sel,
                               (uint64_t)(insn->imm[n] & MASK_ULL(8 * insn->opsize)));
        break;
    case X86_P_O:
        if (insn->override >= 0) {
            g_string_append_printf(out, "%%%s:", seg_names[insn->override]);
        }
        g_string_append_printf(out, "0x%" PRIx64,
                               (uint64_t)(insn->imm[n] & MASK_ULL(8 * insn->adsize)));
        break;
    case X86_P_S: g_string_append_printf(out, "%%%s", seg_names[insn->reg & 7]); break;
    case X86_P_SEG: g_string_append_printf(out, "%%%s", seg_names[op->reg]); break;
    case X86_P_C: g_string_append_printf(out, "%%cr%u", insn->reg); break;
    case X86_P_D: g_string_append_printf(out, "%%db%u", insn->reg); break;
    case X86_P_X:
        append_string_operand(d, X86_RSI, insn->override >= 0 ? insn->override : X86_DS);
        break;
    case X86_P_Y: append_string_operand(d, X86_RDI, X86_ES); break;
    case X86_P_V: append_vector(out, insn->reg, size); break;
    case X86_P_H: append_vector(out, insn->vex ? insn->vvvv : op->reg, size); break;
    case X86_P_L: append_vector(out, insn->imm[n] >> 4 & 15, size); break;
    case X86_P_P: g_string_append_printf(out, "%%mm%u", insn->reg & 7); break;
    case X86_P_ST0: g_string_append(out, "%st"); break;
    default: append_rm(d, n); break;
    }
}

/* --- The whole --- */

/* Does a register or the mnemonic tell the operand size? */
static bool size_is_known(const X86Insn *insn)
{
    bool memory = false;

    for (unsigned n = 0; n < insn->row->nops; n++) {
        switch (insn->row->op[n].place) {
        case X86_P_E:
            if (!x86_modrm_is_mem(insn)) {
                return true;
            }
            memory = true;
            break;
        case X86_P_I:
        case X86_P_SI:
        case X86_P_ONE: break;
        case X86_P_FIXED:
            if (insn->row->op[n].reg == X86_RCX && x86_opnd_size(insn, n) == 1) {
                break; /* a shift's count */
            }
            return true;
        default: return true;
        }
    }
    return !memory;
}

static char size_letter(unsigned size)
{
    return size == 1 ? 'b' : size == 2 ? 'w' : size == 4 ? 'l' : 'q';
}

static void append_mnemonic(Disas *d)
{
    const X86Insn *insn = d->insn;
    bool marked = false;

    if (insn->lock) {
        g_string_append(d->out, "lock ");
    }
    for (const char *p = insn->row->text; *p; p++) {
        if (*p == '~') {
            g_string_append_c(
                d->out,
                size_letter(insn->row->nops && insn->row->op[0].size == 1 ? 1 : insn->opsize));
            marked = true;
        } else if (*p == '?') {
            g_string_append(d->out, cond_names[insn->opcode & 15]);
            marked = true;
        } else {
            marked |= *p == ' ';
            g_string_append_c(d->out, *p);
        }
    }
    if (!marked && insn->row->nops && !size_is_known(insn)) {
        g_string_append_c(d->out, size_letter(x86_opnd_size(insn, 0)));
    }
}

static bool is_string(const X86Insn *insn)
{
    uint8_t op = insn->opcode;

    return insn->map == X86_MAP_ROOT &&
           ((op >= 0x6c && op <= 0x6f) || (op >= 0xa4 && op <= 0xa7) || (op >= 0xaa && op <= 0xaf));
}

unsigned x86_disas(const void *model, CpuKey key, GuestVA pc, const uint8_t *code, size_t len,
                   char *buf, size_t bufsize)
{
    X86Insn insn;
    Disas d = {.insn = &insn, .pc = pc};

    if (x86_decode(&insn, model, key, code, MIN(len, X86_LONGEST_INSN)) != X86_DECODED) {
        return 0;
    }
    d.out = g_string_new(NULL);
    if (is_string(&insn) && (insn.rep || insn.repne)) {
        g_string_append(d.out, insn.rep ? "rep " : "repne ");
    }
    append_mnemonic(&d);
    for (unsigned n = insn.row->nops; n-- > 0;) {
        bool first = n + 1 == insn.row->nops;

        if (!first) {
            g_string_append_c(d.out, ',');
        } else if (!g_str_has_suffix(d.out->str, "*")) {
            g_string_append_c(d.out, ' ');
        }
        append_operand(&d, n);
    }
    g_strlcpy(buf, d.out->str, bufsize);
    g_string_free(d.out, TRUE);
    return insn.len;
}
