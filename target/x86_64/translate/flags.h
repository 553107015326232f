/* SPDX-License-Identifier: MIT */
/*
 * Lazy flags.  CC_OP says what set the arithmetic flags last, at which operand size; the flags follow
 * from CC_DST, CC_SRC and CC_SRC2 when somebody asks.  Bits of these beyond the size mean nothing.
 *
 * In a block the translator knows the operation and its operands as IR values (X86Flags), so that a
 * compare and the branch behind it become one compare; what is known is stored to the globals too, for
 * whoever leaves the block, and dropped by ir_opt_env() where the next instruction stores again.
 */
#ifndef TARGET_X86_64_TRANSLATE_FLAGS_H
#define TARGET_X86_64_TRANSLATE_FLAGS_H

#include "../decode.h"

/* CC_OP is kind * 4 + log2(bytes). */
typedef enum X86Cc {
    X86_CC_EFLAGS,  /* CC_SRC holds the flags as in EFLAGS */
    X86_CC_ADD,     /* DST = a + SRC */
    X86_CC_ADC,     /* DST = a + SRC + SRC2 (0 or 1) */
    X86_CC_SUB,     /* DST = a - SRC */
    X86_CC_CMP,     /* the same, but DST holds a: the difference is in no register */
    X86_CC_SBB,     /* DST = a - SRC - SRC2 */
    X86_CC_LOGIC,   /* CF, OF, AF clear, the others from DST */
    X86_CC_INC,     /* DST = a + 1, CF = SRC */
    X86_CC_DEC,     /* DST = a - 1, CF = SRC */
    X86_CC_SHL,     /* CF is the top bit of SRC; OF where the top bits of SRC and DST differ */
    X86_CC_SHR,     /* CF is bit 0 of SRC; OF likewise */
    X86_CC_RESULT,  /* SF, ZF, PF from DST, CF and OF are bits 0 and 1 of SRC */
    X86_CC_IMUL,    /* DST = SRC * SRC2, CF and OF say whether that is more than the size holds */
    X86_CC_DYNAMIC, /* in the translator: the operation is a value, too */
} X86Cc;

/* Bits of CC_OP beside: CF or OF was set on its own after the operation (BT, CLC, ADOX...), to what the bit
 * above says. */
enum {
    X86_CC_HAS_CARRY = 1 << 8,
    X86_CC_CARRY_SHIFT = 9,
    X86_CC_HAS_OVERFLOW = 1 << 10,
    X86_CC_OVERFLOW_SHIFT = 11,
    /* Before that a rotate set both: to the upper of the two bits above, and to whether they differ. */
    X86_CC_HAS_ROTATE = 1 << 12,
    X86_CC_ROTATE_SHIFT = 13,
};

static inline unsigned x86_cc_op(X86Cc kind, unsigned log2_size)
{
    return kind * 4 + log2_size;
}

/* CF, PF, AF, ZF, SF and OF where EFLAGS has them. */
uint32_t x86_cc_flags(unsigned op, uint64_t dst, uint64_t src, uint64_t src2);

#endif
