/* SPDX-License-Identifier: MIT */
/*
 * x86-64 instruction encodings (Intel SDM volume 2): register numbers, opcodes, and the functions
 * that put one instruction into a buffer.  Nothing here knows the IR.
 *
 * An opcode is its last byte, or-ed with where it lives (X_0F, X_0F38, X_0F3A), its mandatory prefix
 * (X_66, X_F2, X_F3) and X_W for a 64-bit operand.
 */
#ifndef TCG_HOST_X86_64_BITS_H
#define TCG_HOST_X86_64_BITS_H

#include "rhea/base.h"

enum {
    RAX,
    RCX,
    RDX,
    RBX,
    RSP,
    RBP,
    RSI,
    RDI,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
    NO_REG = 0xff,
};

enum {
    X_66 = 1 << 8,
    X_F3 = 1 << 9,
    X_F2 = 1 << 10,
    X_0F = 1 << 11,
    X_0F38 = 1 << 12,
    X_0F3A = 1 << 13,
    X_W = 1 << 14,
    X_BYTE = 1 << 15,    /* the reg field names a byte register: spl..dil need a REX prefix */
    X_BYTE_RM = 1 << 16, /* the same for a register in the rm field */
};

/* The single-precision form of a scalar opcode: prefix F3 for F2, none for 66. */
#define OP_AS_SINGLE(op) ((op)&X_F2 ? ((op) & ~X_F2) | X_F3 : (op) & ~X_66)

/* Condition codes, as in jcc, setcc and cmovcc. */
enum {
    CC_O = 0,
    CC_B = 2,
    CC_AE = 3,
    CC_E = 4,
    CC_NE = 5,
    CC_BE = 6,
    CC_A = 7,
    CC_S = 8,
    CC_P = 10,
    CC_NP = 11,
    CC_L = 12,
    CC_GE = 13,
    CC_LE = 14,
    CC_G = 15,
};

/* The eight ALU operations of opcode groups 0x00 and 0x81. */
enum { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };

/* Opcode extensions of the shift group (0xc1, 0xd3) and of group 3 (0xf7). */
enum { SHIFT_ROL = 0, SHIFT_ROR = 1, SHIFT_SHL = 4, SHIFT_SHR = 5, SHIFT_SAR = 7 };
enum {
    GRP3_TEST = 0,
    GRP3_NOT = 2,
    GRP3_NEG = 3,
    GRP3_MUL = 4,
    GRP3_IMUL = 5,
    GRP3_DIV = 6,
    GRP3_IDIV = 7
};

enum {
    OP_MOV_STORE8 = 0x88 | X_BYTE,
    OP_MOV_STORE = 0x89,
    OP_MOV_STORE16 = 0x89 | X_66,
    OP_MOV_LOAD = 0x8b,
    OP_LEA = 0x8d,
    OP_MOVSXD = 0x63 | X_W,
    OP_MOVZX8 = 0xb6 | X_0F,
    OP_MOVZX16 = 0xb7 | X_0F,
    OP_MOVSX8 = 0xbe | X_0F,
    OP_MOVSX16 = 0xbf | X_0F,
    OP_MOV_IMM8 = 0xc6,
    OP_MOV_IMM = 0xc7,
    OP_TEST = 0x85,
    OP_XCHG = 0x87,
    OP_IMUL = 0xaf | X_0F,
    OP_IMUL_IMM = 0x69,
    OP_GRP3 = 0xf7,
    OP_SHIFT_IMM = 0xc1,
    OP_SHIFT_CL = 0xd3,
    OP_GRP5 = 0xff, /* 2: call, 4: jmp */
    OP_SETCC = 0x90 | X_0F | X_BYTE_RM,
    OP_CMOV = 0x40 | X_0F,
    OP_LZCNT = 0xbd | X_0F | X_F3,
    OP_TZCNT = 0xbc | X_0F | X_F3,
    OP_POPCNT = 0xb8 | X_0F | X_F3,
    OP_CMPXCHG = 0xb1 | X_0F,
    OP_XADD = 0xc1 | X_0F,
    OP_MXCSR = 0xae | X_0F, /* 2: ldmxcsr, 3: stmxcsr */

    /* VEX forms */
    OP_ANDN = 0xf2 | X_0F38,
    OP_SHLX = 0xf7 | X_0F38 | X_66,
    OP_SARX = 0xf7 | X_0F38 | X_F3,
    OP_SHRX = 0xf7 | X_0F38 | X_F2,
    OP_MULX = 0xf6 | X_0F38 | X_F2 | X_W,
    OP_RORX = 0xf0 | X_0F3A | X_F2,

    /* SSE; the scalar ones are for double precision, see OP_AS_SINGLE() */
    OP_ADDSD = 0x58 | X_0F | X_F2,
    OP_MULSD = 0x59 | X_0F | X_F2,
    OP_CVT_FLOAT = 0x5a | X_0F | X_F2, /* to the other precision */
    OP_SUBSD = 0x5c | X_0F | X_F2,
    OP_MINSD = 0x5d | X_0F | X_F2,
    OP_DIVSD = 0x5e | X_0F | X_F2,
    OP_MAXSD = 0x5f | X_0F | X_F2,
    OP_SQRTSD = 0x51 | X_0F | X_F2,
    OP_CMPSD = 0xc2 | X_0F | X_F2,
    OP_CVTSI2SD = 0x2a | X_0F | X_F2,
    OP_CVTTSD2SI = 0x2c | X_0F | X_F2,
    OP_CVTSD2SI = 0x2d | X_0F | X_F2,
    OP_UCOMISD = 0x2e | X_0F | X_66,
    OP_COMISD = 0x2f | X_0F | X_66,
    OP_FMADD231 =
        0xb8 | 1 | X_0F38 | X_66, /* with X_W: double; + 2: subtract; + 4: negated product */
    OP_ANDPS = 0x54 | X_0F,
    OP_ORPS = 0x56 | X_0F,
    OP_MOVAPS = 0x28 | X_0F,
    OP_MOVDQA = 0x6f | X_0F | X_66,
    OP_MOVQ_LOAD = 0x7e | X_0F | X_F3,
    OP_MOVQ_STORE = 0xd6 | X_0F | X_66,
    OP_MOVD_LOAD = 0x6e | X_0F | X_66,  /* with X_W: movq xmm, r64 */
    OP_MOVD_STORE = 0x7e | X_0F | X_66, /* with X_W: movq r64, xmm */
    OP_PEXTRD = 0x16 | X_0F3A | X_66,
    OP_PEXTRQ = 0x16 | X_0F3A | X_66 | X_W,
    OP_XORPS = 0x57 | X_0F,
    OP_PCMPEQD = 0x76 | X_0F | X_66,
    OP_PUNPCKLDQ = 0x62 | X_0F | X_66,
    OP_SHIFT_D = 0x72 | X_0F | X_66, /* 2: psrld, 6: pslld, by an immediate */
    OP_SHIFT_Q = 0x73 | X_0F | X_66,
    OP_MOVUPS_LOAD = 0x10 | X_0F,
    OP_MOVUPS_STORE = 0x11 | X_0F,
    OP_PCLMULQDQ = 0x44 | X_0F3A | X_66,
};

/* Where instructions go.  When space runs out it starts over and says so: check @overflow at the end. */
typedef struct Asm {
    uint8_t *start, *p, *end;
    uint32_t ninsns; /* but for padding and those put in by the byte */
    bool overflow;
} Asm;

/* A memory operand: [base + (index << scale) + disp]; base NO_REG means relative to the next instruction. */
typedef struct Mem {
    uint8_t base, index;
    int32_t disp;
    uint8_t scale;
} Mem;

static inline Mem mem_at(unsigned base, int32_t disp)
{
    return (Mem){(uint8_t)base, NO_REG, disp, 0};
}

static inline uint32_t asm_pos(const Asm *a)
{
    return (uint32_t)(a->p - a->start);
}

static inline bool fits_i8(int64_t v)
{
    return v == (int8_t)v;
}

static inline bool fits_i32(int64_t v)
{
    return v == (int32_t)v;
}

/* --- Raw bytes --- */

void asm_init(Asm *a, uint8_t *buf, size_t size);
void emit8(Asm *a, uint8_t v);
void emit32(Asm *a, uint32_t v);
void emit64(Asm *a, uint64_t v);
/* @n bytes of no-operations, as few instructions as possible. */
void emit_nops(Asm *a, unsigned n);

/* --- One instruction each; an immediate operand is appended by the caller --- */

void emit_rr(Asm *a, uint32_t op, unsigned reg, unsigned rm);
/* @imm_bytes: how many immediate bytes follow (matters to RIP-relative operands only). */
void emit_rm(Asm *a, uint32_t op, unsigned reg, Mem m, unsigned imm_bytes);
void emit_vex_rr(Asm *a, uint32_t op, unsigned reg, unsigned vvvv, unsigned rm);
void emit_vex_rm(Asm *a, uint32_t op, unsigned reg, unsigned vvvv, Mem m);

/* @w: 0 for 32-bit, X_W for 64-bit operands. */
void emit_mov(Asm *a, uint32_t w, unsigned dst, unsigned src);
void emit_movi(Asm *a, unsigned dst, uint64_t v);
void emit_load(Asm *a, uint32_t w, unsigned dst, Mem m);
void emit_store(Asm *a, uint32_t w, Mem m, unsigned src);
void emit_alu_rr(Asm *a, unsigned alu, uint32_t w, unsigned dst, unsigned src);
void emit_alu_rm(Asm *a, unsigned alu, uint32_t w, unsigned dst, Mem m);
void emit_alu_ri(Asm *a, unsigned alu, uint32_t w, unsigned dst, int32_t imm);
void emit_alu_mi(Asm *a, unsigned alu, uint32_t w, Mem m, int32_t imm);
void emit_shift_ri(Asm *a, unsigned shift, uint32_t w, unsigned dst, unsigned count);
void emit_lea(Asm *a, uint32_t w, unsigned dst, Mem m);
void emit_push(Asm *a, unsigned reg);
void emit_push_imm(Asm *a, int32_t imm);
void emit_pop(Asm *a, unsigned reg);

/* Jumps return the position of their 32-bit displacement, for patch_rel32(). */
uint32_t emit_jmp(Asm *a);
uint32_t emit_jcc(Asm *a, unsigned cc);
/* Makes the displacement at @at point to position @target. */
void patch_rel32(Asm *a, uint32_t at, uint32_t target);
/* Short forms: @at is the position of the 8-bit displacement. */
uint32_t emit_jmp8(Asm *a);
uint32_t emit_jcc8(Asm *a, unsigned cc);
void patch_rel8(Asm *a, uint32_t at);

/* --- SSE moves --- */

void emit_xmov(Asm *a, unsigned dst, unsigned src);
void emit_xload(Asm *a, unsigned dst, Mem m);  /* 64 bits */
void emit_xstore(Asm *a, Mem m, unsigned src); /* 64 bits */

#endif
