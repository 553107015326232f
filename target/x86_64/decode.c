/* SPDX-License-Identifier: MIT */
/* The decoder: see decode.h. */
#include "rhea/osdep.h"

#include "decode.h"

typedef struct Reader {
    const uint8_t *code;
    unsigned avail, at;
    X86Decoded result; /* not X86_DECODED once something went wrong */
} Reader;

static uint8_t reader_byte(Reader *r)
{
    if (r->at >= X86_LONGEST_INSN) {
        r->result = X86_DECODE_TOO_LONG;
        return 0;
    }
    if (r->at >= r->avail) {
        r->result = X86_DECODE_MORE;
        return 0;
    }
    return r->code[r->at++];
}

/* @size bytes, little endian, sign-extended. */
static int64_t reader_value(Reader *r, unsigned size)
{
    uint64_t v = 0;
    unsigned shift = 64 - 8 * size;

    for (unsigned i = 0; i < size && r->result == X86_DECODED; i++) {
        v |= (uint64_t)reader_byte(r) << 8 * i;
    }
    return (int64_t)(v << shift) >> shift;
}

/* The next byte without taking it; -1: not there. */
static int reader_peek(const Reader *r)
{
    return r->at < r->avail && r->at < X86_LONGEST_INSN ? r->code[r->at] : -1;
}

/* --- Prefixes --- */

typedef struct Prefixes {
    bool op66, ad67;
} Prefixes;

static bool take_prefix(X86Insn *insn, Prefixes *p, uint8_t byte)
{
    switch (byte) {
    case 0x26: insn->override = X86_ES; break;
    case 0x2e: insn->override = X86_CS; break;
    case 0x36: insn->override = X86_SS; break;
    case 0x3e: insn->override = X86_DS; break;
    case 0x64: insn->override = X86_FS; break;
    case 0x65: insn->override = X86_GS; break;
    case 0x66: p->op66 = true; break;
    case 0x67: p->ad67 = true; break;
    case 0xf0: insn->lock = true; break;
    case 0xf2: insn->repne = true, insn->rep = false; break;
    case 0xf3: insn->rep = true, insn->repne = false; break;
    default: return false;
    }
    if (insn->mode64 && insn->override >= 0 && insn->override < X86_FS) {
        insn->override = -1; /* ES, CS, SS and DS overrides are ignored in 64-bit mode */
    }
    return true;
}

/* Takes all prefixes and the first byte behind them. */
static uint8_t take_prefixes(X86Insn *insn, Prefixes *p, Reader *r)
{
    for (;;) {
        uint8_t byte = reader_byte(r);

        if (take_prefix(insn, p, byte)) {
            insn->has_rex = false; /* REX counts right before the opcode only */
            insn->rex = 0;
        } else if (insn->mode64 && byte >> 4 == 4) {
            insn->has_rex = true;
            insn->rex = byte & 15;
        } else {
            return byte;
        }
        if (r->result != X86_DECODED) {
            return 0;
        }
    }
}

static bool is_vex(const X86Insn *insn, CpuKey key, uint8_t byte, const Reader *r)
{
    int next = reader_peek(r);

    if (byte != 0xc4 && byte != 0xc5) {
        return false;
    }
    return insn->mode64 || (key & X86_KEY_PE && next >= 0xc0);
}

/* The rest of a VEX prefix that began with @byte. */
static void take_vex(X86Insn *insn, const Prefixes *p, uint8_t byte, Reader *r)
{
    static const uint8_t pfx[4] = {X86_PFX_NONE, X86_PFX_66, X86_PFX_F3, X86_PFX_F2};
    uint8_t b1 = reader_byte(r), b2 = byte == 0xc4 ? reader_byte(r) : b1;
    unsigned map = byte == 0xc4 ? b1 & 31 : 1;

    if (r->result != X86_DECODED) {
        return;
    }
    if (insn->has_rex || insn->lock || insn->rep || insn->repne || p->op66 || map < 1 || map > 3) {
        r->result = X86_DECODE_INVALID;
        return;
    }
    insn->vex = true;
    insn->map = map;
    insn->rex = (b1 & 0x80 ? 0 : X86_REX_R);
    if (byte == 0xc4) {
        insn->rex |=
            (b1 & 0x40 ? 0 : X86_REX_X) | (b1 & 0x20 ? 0 : X86_REX_B) | (b2 & 0x80 ? X86_REX_W : 0);
    }
    insn->vvvv = ~b2 >> 3 & 15;
    if (!insn->mode64) {
        insn->rex &= X86_REX_W;
    }
    insn->vex_l = b2 & 4;
    insn->pfx = pfx[b2 & 3];
    insn->opcode = reader_byte(r);
}

static void take_opcode(X86Insn *insn, const Prefixes *p, uint8_t byte, Reader *r)
{
    insn->pfx = insn->rep     ? X86_PFX_F3
                : insn->repne ? X86_PFX_F2
                : p->op66     ? X86_PFX_66
                              : X86_PFX_NONE;
    insn->map = X86_MAP_ROOT;
    if (byte == 0x0f) {
        insn->map = X86_MAP_0F;
        byte = reader_byte(r);
        if (byte == 0x38 || byte == 0x3a) {
            insn->map = byte == 0x38 ? X86_MAP_0F38 : X86_MAP_0F3A;
            byte = reader_byte(r);
        }
    }
    insn->opcode = byte;
}

/* --- Rows --- */

static bool features_there(const X86Row *row, const X86Model *model)
{
    for (unsigned i = 0; i < ARRAY_SIZE(row->feature); i++) {
        if (row->feature[i] != X86_NO_FEATURE && !x86_has(model, row->feature[i])) {
            return false;
        }
    }
    return true;
}

static bool vex_fields_match(const X86Insn *insn, const X86Row *row)
{
    bool w = insn->rex & X86_REX_W;

    return !(row->attrs & X86_A_W0 && w) && !(row->attrs & X86_A_W1 && !w) &&
           !(row->attrs & X86_A_L0 && insn->vex_l) && !(row->attrs & X86_A_L1 && !insn->vex_l) &&
           !(row->attrs & X86_A_NOVVVV && insn->vvvv);
}

static bool row_matches(const X86Insn *insn, const X86Row *row, const X86Model *model, CpuKey key,
                        uint8_t modrm)
{
    if (row->vex != insn->vex || !(row->pfx & insn->pfx) || (modrm & row->mask) != row->value ||
        (row->memory_only && modrm >= 0xc0)) {
        return false;
    }
    if (row->attrs & (insn->mode64 ? X86_A_I64 : X86_A_O64) ||
        (row->attrs & X86_A_PE && !(key & X86_KEY_PE))) {
        return false;
    }
    return vex_fields_match(insn, row) && features_there(row, model);
}

/* Finds the row; NULL is #UD.  ModRM is looked at but not taken. */
static const X86Row *find_row(const X86Insn *insn, const X86Model *model, CpuKey key, Reader *r)
{
    unsigned slot = insn->map * 256 + insn->opcode;
    unsigned end = x86_first_row[slot + 1];

    for (unsigned i = x86_first_row[slot]; i < end; i++) {
        const X86Row *row = &x86_rows[i];
        int modrm = row->has_modrm ? reader_peek(r) : 0;

        if (modrm < 0) {
            reader_byte(r); /* says why */
            return NULL;
        }
        if (row_matches(insn, row, model, key, modrm)) {
            return row;
        }
    }
    return NULL;
}

/* --- Sizes --- */

static void set_opsize(X86Insn *insn, CpuKey key, const Prefixes *p)
{
    uint32_t attrs = insn->row->attrs;

    if (attrs & X86_A_BYTE) {
        insn->opsize = 1;
    } else if (!insn->mode64) {
        insn->opsize = !(key & X86_KEY_CS32) == p->op66 ? 4 : 2;
    } else if (insn->rex & X86_REX_W || attrs & X86_A_F64) {
        insn->opsize = 8;
    } else if (p->op66) {
        insn->opsize = 2;
    } else {
        insn->opsize = attrs & X86_A_D64 ? 8 : 4;
    }
}

static void set_adsize(X86Insn *insn, CpuKey key, const Prefixes *p)
{
    if (insn->mode64) {
        insn->adsize = p->ad67 ? 4 : 8;
    } else {
        insn->adsize = !(key & X86_KEY_CS32) == p->ad67 ? 4 : 2;
    }
}

unsigned x86_opnd_size(const X86Insn *insn, unsigned n)
{
    unsigned size = insn->row->op[n].size, v = insn->opsize;

    switch (size) {
    case X86_SIZE_V: return v;
    case X86_SIZE_Z: return MIN(v, 4);
    case X86_SIZE_Y: return insn->mode64 && insn->rex & X86_REX_W ? 8 : 4;
    case X86_SIZE_P: return v + 2;
    case X86_SIZE_A: return 2 * v;
    case X86_SIZE_S: return insn->mode64 ? 10 : 6;
    case X86_SIZE_X: return insn->vex_l ? 32 : 16;
    case X86_SIZE_H: return insn->vex_l ? 16 : 8;
    case X86_SIZE_J: return insn->vex_l ? 8 : 4;
    case X86_SIZE_K: return insn->vex_l ? 4 : 2;
    case 0: return insn->mode64 ? 8 : 4; /* control and debug registers */
    default: return size;
    }
}

bool x86_opnd_is_modrm_mem(const X86Insn *insn, unsigned n)
{
    switch (insn->row->op[n].place) {
    case X86_P_E:
    case X86_P_M:
    case X86_P_W:
    case X86_P_Q: return x86_modrm_is_mem(insn);
    default: return false;
    }
}

/* --- ModRM and immediates --- */

static void take_modrm16(X86Insn *insn, Reader *r)
{
    static const int8_t bases[8] = {X86_RBX, X86_RBX, X86_RBP, X86_RBP,
                                    X86_RSI, X86_RDI, X86_RBP, X86_RBX};
    static const int8_t indexes[8] = {X86_RSI, X86_RDI, X86_RSI, X86_RDI, -1, -1, -1, -1};
    unsigned mod = insn->modrm >> 6, rm = insn->modrm & 7;

    if (mod == 0 && rm == 6) {
        insn->disp = reader_value(r, 2);
        return;
    }
    insn->base = bases[rm];
    insn->index = indexes[rm];
    insn->disp = mod ? reader_value(r, mod) : 0;
    if (insn->base == X86_RBP) {
        insn->seg = X86_SS;
    }
}

static void take_sib(X86Insn *insn, Reader *r)
{
    uint8_t sib = reader_byte(r);
    unsigned index = (sib >> 3 & 7) | (insn->rex & X86_REX_X ? 8 : 0);

    insn->scale = sib >> 6;
    insn->index = index == 4 && !(insn->row->attrs & X86_A_VSIB) ? -1 : (int)index;
    insn->base = (sib & 7) | (insn->rex & X86_REX_B ? 8 : 0);
    if ((sib & 7) == 5 && insn->modrm < 0x40) {
        insn->base = -1;
        insn->disp = reader_value(r, 4);
    }
}

static void take_modrm32(X86Insn *insn, Reader *r)
{
    unsigned mod = insn->modrm >> 6, rm = insn->modrm & 7;

    if (rm == 4) {
        take_sib(insn, r);
    } else if (mod == 0 && rm == 5) {
        insn->disp = reader_value(r, 4);
        insn->rip_relative = insn->mode64;
    } else {
        insn->base = rm | (insn->rex & X86_REX_B ? 8 : 0);
    }
    if (mod) {
        insn->disp = reader_value(r, mod == 1 ? 1 : 4);
    }
    if (insn->base == X86_RSP || insn->base == X86_RBP) {
        insn->seg = X86_SS;
    }
}

static void take_modrm(X86Insn *insn, Reader *r)
{
    insn->modrm = reader_byte(r);
    insn->reg = (insn->modrm >> 3 & 7) | (insn->rex & X86_REX_R ? 8 : 0);
    insn->rm = (insn->modrm & 7) | (insn->rex & X86_REX_B ? 8 : 0);
    for (unsigned i = 0; i < insn->row->nops; i++) {
        if (insn->row->op[i].place == X86_P_R) {
            insn->modrm |= 0xc0; /* MOV of control registers ignores mod */
        }
    }
    if (!x86_modrm_is_mem(insn)) {
        return;
    }
    if (insn->adsize == 2) {
        take_modrm16(insn, r);
    } else {
        take_modrm32(insn, r);
    }
}

static void take_immediates(X86Insn *insn, Reader *r)
{
    for (unsigned i = 0; i < insn->row->nops; i++) {
        unsigned size = x86_opnd_size(insn, i);

        switch (insn->row->op[i].place) {
        case X86_P_I:
        case X86_P_SI:
        case X86_P_J:
        case X86_P_L: insn->imm[i] = reader_value(r, size); break;
        case X86_P_O: insn->imm[i] = reader_value(r, insn->adsize); break;
        case X86_P_A:
            insn->imm[i] = reader_value(r, size - 2);
            insn->far_sel = reader_value(r, 2);
            break;
        default: break;
        }
    }
}

/* --- All of it --- */

static bool lock_allowed(const X86Insn *insn)
{
    return insn->row->attrs & X86_A_LOCK && x86_modrm_is_mem(insn);
}

static X86Decoded decode(X86Insn *insn, const X86Model *model, CpuKey key, Reader *r)
{
    Prefixes p = {0};
    uint8_t byte = take_prefixes(insn, &p, r);

    if (r->result != X86_DECODED) {
        return r->result;
    }
    if (is_vex(insn, key, byte, r)) {
        take_vex(insn, &p, byte, r);
    } else {
        take_opcode(insn, &p, byte, r);
    }
    if (r->result == X86_DECODED) {
        insn->row = find_row(insn, model, key, r);
    }
    if (r->result != X86_DECODED) {
        return r->result;
    }
    if (!insn->row) {
        return X86_DECODE_INVALID;
    }
    if (!insn->mode64) {
        insn->vvvv &= 7; /* the top bit is ignored where the field names a register */
    }
    set_opsize(insn, key, &p);
    set_adsize(insn, key, &p);
    if (insn->row->has_modrm) {
        take_modrm(insn, r);
    }
    take_immediates(insn, r);
    if (insn->override >= 0) {
        insn->seg = insn->override;
    }
    if (r->result == X86_DECODED && insn->lock && !lock_allowed(insn)) {
        return X86_DECODE_INVALID;
    }
    return r->result;
}

X86Decoded x86_decode(X86Insn *insn, const X86Model *model, CpuKey key, const uint8_t *code,
                      unsigned avail)
{
    Reader r = {.code = code, .avail = avail};
    X86Decoded result;

    *insn = (X86Insn){
        .mode64 = key & X86_KEY_CS64,
        .override = -1,
        .seg = X86_DS,
        .base = -1,
        .index = -1,
    };
    result = decode(insn, model, key, &r);
    insn->len = r.at;
    return result;
}
