/* SPDX-License-Identifier: MIT */
/*
 * Reads the text that ir-print.c writes.  Value labels need not be the instruction's number; empty
 * lines and what follows a '#' are skipped.  The result is checked with ir_verify().
 */
#include "rhea/osdep.h"

#include "tcg/ir.h"
#include "tcg/ir-private.h"

enum { MAX_TOKENS = 16, MAX_LINE = 256 };

typedef struct Parser {
    Ir *ir;
    IrVal labels[IR_NONE]; /* label -> value */
    char *tokens[MAX_TOKENS + 1];
    unsigned ntokens, next;
    char line[MAX_LINE];
} Parser;

/* --- Tokens --- */

static bool split(Parser *p)
{
    char *save = NULL;

    p->line[strcspn(p->line, "#")] = '\0';
    p->ntokens = p->next = 0;
    for (char *t = strtok_r(p->line, " \t\r,", &save); t; t = strtok_r(NULL, " \t\r,", &save)) {
        if (p->ntokens == MAX_TOKENS) {
            return false;
        }
        p->tokens[p->ntokens++] = t;
    }
    p->tokens[p->ntokens] = NULL;
    return true;
}

static const char *peek(const Parser *p)
{
    return p->next < p->ntokens ? p->tokens[p->next] : "";
}

static bool parse_label(const char *t, const char **end, unsigned *label)
{
    char *stop;

    if (t[0] != '%' || !g_ascii_isdigit(t[1])) {
        return false;
    }
    *label = strtoul(t + 1, &stop, 10);
    *end = stop;
    return *label < IR_NONE;
}

static int find_name(const char *const *names, const char *name)
{
    for (int i = 0; names[i]; i++) {
        if (!strcmp(names[i], name)) {
            return i;
        }
    }
    return -1;
}

/* --- Parts of a line --- */

/* "%1:i64 =": false on bad text; *label is -1 when there is none. */
static bool parse_result(Parser *p, int *label, IrInsn *insn)
{
    const char *end;
    unsigned n;

    *label = -1;
    if (peek(p)[0] != '%') {
        return true;
    }
    if (!parse_label(peek(p), &end, &n) || *end != ':') {
        return false;
    }
    for (int t = IR_I32; t < IR_NTYPES; t++) {
        if (!strcmp(end + 1, ir_type_names[t])) {
            insn->type = t;
        }
    }
    p->next++;
    *label = n;
    return insn->type != IR_VOID && !strcmp(p->tokens[p->next] ? p->tokens[p->next++] : "", "=");
}

static bool parse_op(Parser *p, IrInsn *insn)
{
    g_auto(GStrv) parts = g_strsplit(peek(p), ".", 2);
    int cond;

    p->next++;
    for (insn->op = 0; insn->op < IR_NOPS; insn->op++) {
        if (parts[0] && !g_ascii_strcasecmp(ir_op_info[insn->op].name, parts[0])) {
            break;
        }
    }
    if (insn->op == IR_NOPS || !parts[1] != !ir_op_text[insn->op].cond) {
        return false;
    }
    if (parts[1]) {
        cond = find_name(ir_cond_names[ir_op_text[insn->op].cond], parts[1]);
        insn->cond = cond;
        return cond >= 0;
    }
    return true;
}

static bool parse_global(Parser *p, IrInsn *insn)
{
    const IrTarget *t = p->ir->target;

    for (unsigned i = 0; i < t->nglobals; i++) {
        if (!strcmp(t->globals[i].name, peek(p))) {
            insn->imm = i;
            p->next++;
            return true;
        }
    }
    return false;
}

static bool parse_helper(Parser *p, IrInsn *insn)
{
    const IrTarget *t = p->ir->target;

    for (unsigned i = 0; i < t->nhelpers + ir_op_helper_count(); i++) {
        int64_t n = i < t->nhelpers ? i : IR_OP_HELPER_BASE + (int64_t)i - t->nhelpers;

        if (!strcmp(ir_helper(t, n)->name, peek(p))) {
            insn->imm = n;
            p->next++;
            return true;
        }
    }
    return false;
}

static bool parse_args(Parser *p, IrInsn *insn)
{
    for (unsigned i = 0; i < ir_op_info[insn->op].nargs; i++) {
        const char *end;
        unsigned label;

        if (insn->op == IR_CALL && peek(p)[0] != '%') {
            return true;
        }
        if (!parse_label(peek(p), &end, &label) || *end || p->labels[label] == IR_NONE) {
            return false;
        }
        insn->arg[i] = p->labels[label];
        p->next++;
    }
    return true;
}

static bool parse_mem(Parser *p, IrInsn *insn)
{
    g_auto(GStrv) parts = g_strsplit(peek(p), ".", -1);
    static const char *const widths[] = {"8", "16", "32", "64", "128", NULL};
    int width = parts[0] && parts[0][0] ? find_name(widths, parts[0] + 1) : -1;

    p->next++;
    if (width < 0 || !strchr("su", parts[0][0])) {
        return false;
    }
    insn->mem = width | (parts[0][0] == 's' ? IR_MEM_SIGNED : 0);
    for (char **part = parts + 1; *part; part++) {
        if (!strcmp(*part, "align")) {
            insn->mem |= IR_MEM_ALIGN;
        } else if (!strcmp(*part, "acquire")) {
            insn->mem |= IR_MEM_ACQUIRE;
        } else if (!strcmp(*part, "release")) {
            insn->mem |= IR_MEM_RELEASE;
        } else if (!strcmp(*part, "rmw")) {
            insn->mem |= IR_MEM_RMW;
        } else {
            return false;
        }
    }
    return true;
}

static bool parse_mmu(Parser *p, IrInsn *insn)
{
    const char *t = peek(p);

    if (!g_str_has_prefix(t, "mmu") || t[3] < '0' || t[3] >= '0' + TCG_MMU_MODES || t[4]) {
        return false;
    }
    insn->mmu = t[3] - '0';
    p->next++;
    return true;
}

static bool parse_imm(Parser *p, IrInsn *insn)
{
    const char *t = peek(p);
    bool negative = t[0] == '-';
    char *end;
    uint64_t v;

    if (t[0] != '+' && t[0] != '-') {
        return false;
    }
    v = g_ascii_strtoull(t + 1, &end, 0);
    insn->imm = negative ? -v : v;
    p->next++;
    return end != t + 1 && *end == '\0';
}

/* The type of an insn without result is that of what it stores. */
static void set_stored_type(const Ir *ir, IrInsn *insn)
{
    switch (insn->op) {
    case IR_PUT:
    case IR_STENV: insn->type = ir_type(ir, insn->arg[0]); break;
    case IR_STORE: insn->type = ir_type(ir, insn->arg[1]); break;
    default: break;
    }
}

/* --- Lines --- */

static const char *parse_line(Parser *p)
{
    IrInsn insn = {.arg = IR_NOARGS};
    const IrOpText *text;
    int label;

    if (!parse_result(p, &label, &insn)) {
        return "bad result";
    }
    if (!parse_op(p, &insn)) {
        return "bad operation";
    }
    text = &ir_op_text[insn.op];
    if ((text->imm == IR_IMM_GLOBAL && !parse_global(p, &insn)) ||
        (text->imm == IR_IMM_HELPER && !parse_helper(p, &insn))) {
        return "unknown name";
    }
    if (!parse_args(p, &insn)) {
        return "bad argument";
    }
    if ((text->mem && !parse_mem(p, &insn)) || (text->mmu && !parse_mmu(p, &insn))) {
        return "bad memory operation";
    }
    if (((text->imm == IR_IMM_INT || text->imm == IR_IMM_BYTE) && !parse_imm(p, &insn)) ||
        p->next < p->ntokens) {
        return "bad immediate";
    }
    set_stored_type(p->ir, &insn);
    if (ir_has_result(&insn) != (label >= 0)) {
        return "result missing or not expected";
    }
    if (p->ir->n == p->ir->cap) {
        return "too long";
    }
    if (label >= 0) {
        p->labels[label] = p->ir->n;
    }
    p->ir->insns[p->ir->n++] = insn;
    return NULL;
}

bool ir_parse(Ir *ir, const char *text, const char **why)
{
    g_autofree Parser *p = g_new(Parser, 1);

    p->ir = ir;
    memset(p->labels, 0xff, sizeof(p->labels));
    ir_clear(ir);
    *why = NULL;
    while (*text && !*why) {
        size_t len = strcspn(text, "\n");

        if (len >= sizeof(p->line)) {
            *why = "line too long";
            break;
        }
        memcpy(p->line, text, len);
        p->line[len] = '\0';
        text += len + (text[len] == '\n');
        if (!split(p)) {
            *why = "too many words";
        } else if (p->ntokens) {
            *why = parse_line(p);
        }
    }
    if (!*why) {
        *why = ir_verify(ir);
    }
    return !*why;
}
