/* SPDX-License-Identifier: MIT */
/*
 * Puts x86-64 instructions into a buffer: prefixes, ModRM, SIB, displacement (Intel SDM volume 2,
 * chapter 2).  Operand forms only; which instruction to take is select*.c's choice.
 */
#include "rhea/osdep.h"
#include "bits.h"

enum { LONGEST_INSN = 16 };

void asm_init(Asm *a, uint8_t *buf, size_t size)
{
    *a = (Asm){buf, buf, buf + size, 0, size < 2 * LONGEST_INSN};
}

/* Every instruction calls this first, so that the rest may write without a check. */
static bool asm_room(Asm *a)
{
    if (unlikely(a->end - a->p < 2 * LONGEST_INSN)) {
        a->overflow = true;
        if (a->end - a->start < 2 * LONGEST_INSN) {
            return false;
        }
        a->p = a->start;
    }
    return true;
}

void emit8(Asm *a, uint8_t v)
{
    if (asm_room(a)) {
        *a->p++ = v;
    }
}

void emit32(Asm *a, uint32_t v)
{
    if (asm_room(a)) {
        memcpy(a->p, &v, 4);
        a->p += 4;
    }
}

void emit64(Asm *a, uint64_t v)
{
    if (asm_room(a)) {
        memcpy(a->p, &v, 8);
        a->p += 8;
    }
}

void emit_nops(Asm *a, unsigned pad)
{
    /* The recommended multi-byte no-operations (SDM, NOP). */
    static const uint8_t nops[9][9] = {
        {0x90},
        {0x66, 0x90},
        {0x0f, 0x1f, 0x00},
        {0x0f, 0x1f, 0x40, 0x00},
        {0x0f, 0x1f, 0x44, 0x00, 0x00},
        {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
        {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
        {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
        {0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
    };

    while (pad && asm_room(a)) {
        unsigned n = MIN(pad, 9);

        memcpy(a->p, nops[n - 1], n);
        a->p += n;
        pad -= n;
    }
}

/* --- Instruction forms --- */

static void put_legacy(Asm *a, uint32_t op, unsigned rex, bool force_rex)
{
    a->ninsns++;
    if (op & X_66) {
        *a->p++ = 0x66;
    }
    if (op & X_F3) {
        *a->p++ = 0xf3;
    }
    if (op & X_F2) {
        *a->p++ = 0xf2;
    }
    if (op & X_W) {
        rex |= 8;
    }
    if (rex || force_rex) {
        *a->p++ = 0x40 | rex;
    }
    if (op & (X_0F | X_0F38 | X_0F3A)) {
        *a->p++ = 0x0f;
    }
    if (op & X_0F38) {
        *a->p++ = 0x38;
    }
    if (op & X_0F3A) {
        *a->p++ = 0x3a;
    }
    *a->p++ = (uint8_t)op;
}

static void put_vex(Asm *a, uint32_t op, unsigned rex, unsigned vvvv)
{
    unsigned map = op & X_0F38 ? 2 : op & X_0F3A ? 3 : 1;
    unsigned pp = op & X_66 ? 1 : op & X_F3 ? 2 : op & X_F2 ? 3 : 0;

    a->ninsns++;
    if (map == 1 && !(rex & 3) && !(op & X_W)) {
        *a->p++ = 0xc5;
        *a->p++ = (uint8_t)((~rex & 4) << 5 | (~vvvv & 15) << 3 | pp);
        *a->p++ = (uint8_t)op;
        return;
    }
    *a->p++ = 0xc4;
    *a->p++ = (uint8_t)((~rex & 7) << 5 | map);
    *a->p++ = (uint8_t)((op & X_W ? 0x80 : 0) | (~vvvv & 15) << 3 | pp);
    *a->p++ = (uint8_t)op;
}

static void put_mem(Asm *a, unsigned reg, Mem m, unsigned imm_bytes)
{
    unsigned r = (reg & 7) << 3, mod;
    bool sib = m.index != NO_REG || (m.base & 7) == RSP;

    if (m.base == NO_REG) {
        *a->p++ = (uint8_t)(r | 5);
        m.disp -= (int32_t)imm_bytes;
        memcpy(a->p, &m.disp, 4);
        a->p += 4;
        return;
    }
    mod = m.disp == 0 && (m.base & 7) != RBP ? 0 : fits_i8(m.disp) ? 1 : 2;
    *a->p++ = (uint8_t)(mod << 6 | r | (sib ? 4 : (m.base & 7)));
    if (sib) {
        unsigned index = m.index == NO_REG ? RSP : m.index;

        *a->p++ = (uint8_t)(m.scale << 6 | (index & 7) << 3 | (m.base & 7));
    }
    if (mod == 1) {
        *a->p++ = (uint8_t)m.disp;
    } else if (mod == 2) {
        memcpy(a->p, &m.disp, 4);
        a->p += 4;
    }
}

static unsigned rex_mem(unsigned reg, Mem m)
{
    return (reg >> 3) << 2 | (m.index != NO_REG ? m.index >> 3 : 0) << 1 |
           (m.base != NO_REG ? m.base >> 3 : 0);
}

void emit_rr(Asm *a, uint32_t op, unsigned reg, unsigned rm)
{
    bool force = ((op & X_BYTE) && reg >= RSP) || ((op & (X_BYTE | X_BYTE_RM)) && rm >= RSP);

    if (!asm_room(a)) {
        return;
    }
    put_legacy(a, op, (reg >> 3) << 2 | rm >> 3, force);
    *a->p++ = (uint8_t)(0xc0 | (reg & 7) << 3 | (rm & 7));
}

void emit_rm(Asm *a, uint32_t op, unsigned reg, Mem m, unsigned imm_bytes)
{
    if (!asm_room(a)) {
        return;
    }
    put_legacy(a, op, rex_mem(reg, m), (op & X_BYTE) && reg >= RSP);
    put_mem(a, reg, m, imm_bytes);
}

void emit_vex_rr(Asm *a, uint32_t op, unsigned reg, unsigned vvvv, unsigned rm)
{
    if (!asm_room(a)) {
        return;
    }
    put_vex(a, op, (reg >> 3) << 2 | rm >> 3, vvvv);
    *a->p++ = (uint8_t)(0xc0 | (reg & 7) << 3 | (rm & 7));
}

void emit_vex_rm(Asm *a, uint32_t op, unsigned reg, unsigned vvvv, Mem m)
{
    if (!asm_room(a)) {
        return;
    }
    put_vex(a, op, rex_mem(reg, m), vvvv);
    put_mem(a, reg, m, 0);
}

/* --- Moves and integer arithmetic --- */

void emit_mov(Asm *a, uint32_t w, unsigned dst, unsigned src)
{
    emit_rr(a, OP_MOV_LOAD | w, dst, src);
}

void emit_movi(Asm *a, unsigned dst, uint64_t v)
{
    if (v == 0) {
        emit_rr(a, 0x31, dst, dst);
    } else if (v == (uint32_t)v) {
        if (asm_room(a)) {
            a->ninsns++;
            if (dst >= R8) {
                *a->p++ = 0x41;
            }
            *a->p++ = (uint8_t)(0xb8 | (dst & 7));
            emit32(a, (uint32_t)v);
        }
    } else if (fits_i32((int64_t)v)) {
        emit_rr(a, OP_MOV_IMM | X_W, 0, dst);
        emit32(a, (uint32_t)v);
    } else if (asm_room(a)) {
        a->ninsns++;
        *a->p++ = dst >= R8 ? 0x49 : 0x48;
        *a->p++ = (uint8_t)(0xb8 | (dst & 7));
        emit64(a, v);
    }
}

void emit_load(Asm *a, uint32_t w, unsigned dst, Mem m)
{
    emit_rm(a, OP_MOV_LOAD | w, dst, m, 0);
}

void emit_store(Asm *a, uint32_t w, Mem m, unsigned src)
{
    emit_rm(a, OP_MOV_STORE | w, src, m, 0);
}

void emit_alu_rr(Asm *a, unsigned alu, uint32_t w, unsigned dst, unsigned src)
{
    emit_rr(a, (alu << 3 | 3) | w, dst, src);
}

void emit_alu_rm(Asm *a, unsigned alu, uint32_t w, unsigned dst, Mem m)
{
    emit_rm(a, (alu << 3 | 3) | w, dst, m, 0);
}

void emit_alu_ri(Asm *a, unsigned alu, uint32_t w, unsigned dst, int32_t imm)
{
    if (fits_i8(imm)) {
        emit_rr(a, 0x83 | w, alu, dst);
        emit8(a, (uint8_t)imm);
    } else {
        emit_rr(a, 0x81 | w, alu, dst);
        emit32(a, (uint32_t)imm);
    }
}

void emit_alu_mi(Asm *a, unsigned alu, uint32_t w, Mem m, int32_t imm)
{
    if (fits_i8(imm)) {
        emit_rm(a, 0x83 | w, alu, m, 1);
        emit8(a, (uint8_t)imm);
    } else {
        emit_rm(a, 0x81 | w, alu, m, 4);
        emit32(a, (uint32_t)imm);
    }
}

void emit_shift_ri(Asm *a, unsigned shift, uint32_t w, unsigned dst, unsigned count)
{
    emit_rr(a, OP_SHIFT_IMM | w, shift, dst);
    emit8(a, (uint8_t)count);
}

void emit_lea(Asm *a, uint32_t w, unsigned dst, Mem m)
{
    emit_rm(a, OP_LEA | w, dst, m, 0);
}

static void emit_push_pop(Asm *a, uint8_t op, unsigned reg)
{
    if (asm_room(a)) {
        a->ninsns++;
        if (reg >= R8) {
            *a->p++ = 0x41;
        }
        *a->p++ = op | (reg & 7);
    }
}

void emit_push(Asm *a, unsigned reg)
{
    emit_push_pop(a, 0x50, reg);
}

void emit_pop(Asm *a, unsigned reg)
{
    emit_push_pop(a, 0x58, reg);
}

void emit_push_imm(Asm *a, int32_t imm)
{
    if (asm_room(a)) {
        a->ninsns++;
        *a->p++ = fits_i8(imm) ? 0x6a : 0x68;
        if (fits_i8(imm)) {
            *a->p++ = (uint8_t)imm;
        } else {
            emit32(a, (uint32_t)imm);
        }
    }
}

/* --- Jumps --- */

uint32_t emit_jmp(Asm *a)
{
    if (asm_room(a)) {
        a->ninsns++;
        *a->p++ = 0xe9;
        emit32(a, 0);
    }
    return asm_pos(a) - 4;
}

uint32_t emit_jcc(Asm *a, unsigned cc)
{
    if (asm_room(a)) {
        a->ninsns++;
        *a->p++ = 0x0f;
        *a->p++ = (uint8_t)(0x80 | cc);
        emit32(a, 0);
    }
    return asm_pos(a) - 4;
}

void patch_rel32(Asm *a, uint32_t at, uint32_t target)
{
    uint32_t rel = target - (at + 4);

    if (!a->overflow) {
        memcpy(a->start + at, &rel, 4);
    }
}

uint32_t emit_jmp8(Asm *a)
{
    if (asm_room(a)) {
        a->ninsns++;
        *a->p++ = 0xeb;
        *a->p++ = 0;
    }
    return asm_pos(a) - 1;
}

uint32_t emit_jcc8(Asm *a, unsigned cc)
{
    if (asm_room(a)) {
        a->ninsns++;
        *a->p++ = (uint8_t)(0x70 | cc);
        *a->p++ = 0;
    }
    return asm_pos(a) - 1;
}

void patch_rel8(Asm *a, uint32_t at)
{
    uint32_t rel = asm_pos(a) - (at + 1);

    if (!a->overflow) {
        g_assert(rel <= 127);
        a->start[at] = (uint8_t)rel;
    }
}

/* --- SSE moves --- */

void emit_xmov(Asm *a, unsigned dst, unsigned src)
{
    emit_rr(a, OP_MOVAPS, dst, src);
}

void emit_xload(Asm *a, unsigned dst, Mem m)
{
    emit_rm(a, OP_MOVQ_LOAD, dst, m, 0);
}

void emit_xstore(Asm *a, Mem m, unsigned src)
{
    emit_rm(a, OP_MOVQ_STORE, src, m, 0);
}
