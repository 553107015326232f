/* SPDX-License-Identifier: MIT */
/*
 * From bytes to an instruction: prefixes, opcode maps, ModRM, immediates.  SDM vol. 2, chapter 2.
 *
 * The maps are tables (insns/ *.map, tcg/gen/mapgen.py); a decoded instruction names its row.  The
 * translator, the disassembler and whoever looks ahead use the same decoder.
 */
#ifndef TARGET_X86_64_DECODE_H
#define TARGET_X86_64_DECODE_H

#include "cpu.h"
#include "target/x86_64/maps.h"

/* Sizes of operands that follow from the instruction; smaller numbers are bytes. */
enum {
    X86_SIZE_V = 0x80, /* operand size */
    X86_SIZE_Z,        /* the same, but 4 bytes for 8 */
    X86_SIZE_Y,        /* 8 with REX.W (VEX.W), else 4 */
    X86_SIZE_P,        /* far pointer: operand size and 2 */
    X86_SIZE_A,        /* two of the operand size */
    X86_SIZE_S,        /* descriptor table: 10 bytes in 64-bit mode, else 6 */
    X86_SIZE_X,        /* 32 with VEX.L, else 16 */
    X86_SIZE_H,        /* half of that */
    X86_SIZE_J,        /* a quarter */
    X86_SIZE_K,        /* an eighth */
};

enum { X86_OPND_READ = 1, X86_OPND_WRITTEN = 2 };

/* Which prefix an encoding has, of those that select an opcode: the last F3 or F2, else 66. */
enum { X86_PFX_NONE = 1, X86_PFX_66 = 2, X86_PFX_F3 = 4, X86_PFX_F2 = 8 };

enum { X86_NO_FEATURE = 0xffff, X86_MAX_OPNDS = 4, X86_LONGEST_INSN = 15 };

/* Flags as the maps number them. */
enum {
    X86_FLAG_C = 1 << 0,
    X86_FLAG_P = 1 << 1,
    X86_FLAG_A = 1 << 2,
    X86_FLAG_Z = 1 << 3,
    X86_FLAG_S = 1 << 4,
    X86_FLAG_O = 1 << 5,
    X86_FLAG_ALL = 0x3f,
};

typedef struct X86OpndSpec {
    uint8_t place; /* X86Place */
    uint8_t size;  /* bytes or X86_SIZE_* */
    uint8_t reg;   /* of FIXED and SEG */
    uint8_t access;
} X86OpndSpec;

/* One row of the opcode maps. */
typedef struct X86Row {
    void (*emit)(X86Trans *t);
    const char
        *text; /* mnemonic: ~ is the size's letter, ? the condition, * before an indirect target */
    X86OpndSpec op[X86_MAX_OPNDS];
    uint8_t nops;
    uint8_t pfx; /* X86_PFX_* that it matches */
    bool vex, has_modrm, memory_only;
    uint8_t mask, value; /* of ModRM */
    uint8_t written;     /* X86_FLAG_*, undefined ones too */
    uint8_t undefined;
    uint8_t read;
    uint16_t feature[2];
    uint32_t attrs; /* X86_A_* */
    /* the vector op that the instruction is, lane by lane (0: none) */
    uint8_t ir_op, ir_lane, ir_imm;
} X86Row;

extern const X86Row x86_rows[X86_NROWS];
/* Rows of an opcode: from [map * 256 + opcode] up to the next element, the most specific first. */
extern const uint16_t x86_first_row[X86_NMAPS * 256 + 1];

enum { X86_REX_B = 1, X86_REX_X = 2, X86_REX_R = 4, X86_REX_W = 8 };

typedef struct X86Insn {
    const X86Row *row;
    uint8_t len;
    uint8_t map, opcode, modrm;
    uint8_t rex;  /* X86_REX_*, of REX or VEX */
    bool has_rex; /* of REX: byte registers 4..7 are SPL, BPL, SIL, DIL */
    bool vex, vex_l;
    uint8_t vvvv;
    uint8_t pfx;
    bool lock, rep, repne;
    bool mode64;
    uint8_t opsize;  /* 1, 2, 4, 8 */
    uint8_t adsize;  /* 2, 4, 8 */
    int8_t override; /* segment, or -1 */
    uint8_t reg, rm; /* of ModRM, with REX */
    /* the memory operand, when mod is not 3: segment, base and index (or -1), scale (log2) */
    uint8_t seg;
    int8_t base, index;
    uint8_t scale;
    bool rip_relative;
    int64_t disp;
    int64_t imm[X86_MAX_OPNDS]; /* by operand, sign-extended; far address: the offset ... */
    uint16_t far_sel;           /* ... and the selector */
} X86Insn;

typedef enum X86Decoded {
    X86_DECODED,
    X86_DECODE_MORE,     /* goes on behind the bytes that were given */
    X86_DECODE_INVALID,  /* #UD */
    X86_DECODE_TOO_LONG, /* more than 15 bytes: #GP */
} X86Decoded;

/* Decodes what is at @code, of which @avail bytes are there.  insn->len holds unless MORE. */
X86Decoded x86_decode(X86Insn *insn, const X86Model *model, CpuKey key, const uint8_t *code,
                      unsigned avail);

/* Bytes of operand @n. */
unsigned x86_opnd_size(const X86Insn *insn, unsigned n);

static inline bool x86_modrm_is_mem(const X86Insn *insn)
{
    return insn->modrm < 0xc0;
}

/* Is operand @n in memory that ModRM addresses? */
bool x86_opnd_is_modrm_mem(const X86Insn *insn, unsigned n);

#endif
