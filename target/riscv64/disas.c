/* SPDX-License-Identifier: MIT */
/* Disassembly from the texts in the decode tables (CpuOps.disas). */
#include "rhea/osdep.h"

#include "cpu.h"
#include "rhea/endian.h"
#include "target/riscv64/decode.h"

static const char *const x_names[32] = {
    "zero", "ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "s0", "s1", "a0",
    "a1",   "a2", "a3", "a4", "a5",  "a6",  "a7", "s2", "s3", "s4", "s5",
    "s6",   "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
};

static const char *const f_names[32] = {
    "ft0", "ft1", "ft2", "ft3", "ft4",  "ft5",  "ft6", "ft7", "fs0",  "fs1",  "fa0",
    "fa1", "fa2", "fa3", "fa4", "fa5",  "fa6",  "fa7", "fs2", "fs3",  "fs4",  "fs5",
    "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
};

static void append_csr(GString *out, const RvModel *model, unsigned csr)
{
    const char *name = rv_csr_name(model, csr);

    if (name) {
        g_string_append(out, name);
    } else {
        g_string_append_printf(out, "0x%x", csr);
    }
}

static void append_fence_set(GString *out, unsigned set)
{
    static const char letters[] = "iorw";

    if (!set) {
        g_string_append_c(out, '0');
    }
    for (unsigned i = 0; i < 4; i++) {
        if (set & (8 >> i)) {
            g_string_append_c(out, letters[i]);
        }
    }
}

/* Operand @v of the kind that @letter stands for (KINDS in tcg/gen/decodegen.py). */
static void append_operand(GString *out, const RvModel *model, GuestVA pc, char letter, int32_t v)
{
    static const char *const modes[8] = {", rne", ", rtz", ", rdn", ", rup",
                                         ", rmm", ", 5",   ", 6",   ""};
    static const char *const orders[4] = {"", ".rl", ".aq", ".aqrl"};

    switch (letter) {
    case 'x': g_string_append(out, x_names[v & 31]); break;
    case 'f': g_string_append(out, f_names[v & 31]); break;
    case 'd': g_string_append_printf(out, "%d", v); break;
    case 'l': g_string_append_printf(out, "{%d}", v); break;
    case 'u': g_string_append_printf(out, "0x%x", (uint32_t)v >> 12); break;
    case 'p': g_string_append_printf(out, "0x%" PRIx64, pc + (uint64_t)(int64_t)v); break;
    case 'c': append_csr(out, model, (unsigned)v); break;
    case 'm': g_string_append(out, modes[v & 7]); break;
    case 'q': g_string_append(out, orders[v & 3]); break;
    case 'o': append_fence_set(out, (unsigned)v); break;
    }
}

static void append_insn(GString *out, const RvModel *model, GuestVA pc, const RvInsnInfo *info,
                        uint32_t insn)
{
    int32_t args[8];

    info->extract(args, insn);
    for (const char *p = info->text; *p; p++) {
        if (*p == '%') {
            append_operand(out, model, pc, p[1], args[p[2] - '0']);
            p += 2;
        } else {
            g_string_append_c(out, *p);
        }
    }
}

unsigned rv_disas(const void *model, CpuKey key, GuestVA pc, const uint8_t *code, size_t len,
                  char *buf, size_t bufsize)
{
    GString *out;
    uint32_t insn;
    unsigned size;
    RvInsnId id;

    if (len < 2) {
        return 0;
    }
    size = (code[0] & 3) == 3 ? 4 : 2;
    if (len < size) {
        return 0;
    }
    insn = size == 4 ? ld32_le(code) : ld16_le(code);
    id = size == 4 ? rv_match32(model, insn) : rv_match16(model, insn);
    if (id == RV_INSN_NONE) {
        return 0;
    }
    out = g_string_new(NULL);
    append_insn(out, model, pc, &rv_insn_info[id], insn);
    g_strlcpy(buf, out->str, bufsize);
    g_string_free(out, TRUE);
    return size;
}
