/* SPDX-License-Identifier: MIT */
/* What translated code tells the helpers of string instructions, in one number. */
#ifndef TARGET_X86_64_STRINGS_H
#define TARGET_X86_64_STRINGS_H

#include "rhea/base.h"

typedef struct X86StringInfo {
    uint8_t size, adsize; /* bytes */
    uint8_t seg;          /* of the source */
    bool rep;
    bool while_zero; /* REPE, not REPNE */
    bool mode64;
    bool flat; /* DS, ES and SS are */
    bool one;  /* at most one iteration */
    uint8_t mmu;
} X86StringInfo;

static inline int64_t x86_string_pack(X86StringInfo i)
{
    return i.size | i.adsize << 4 | i.seg << 8 | i.rep << 11 | i.while_zero << 12 | i.mode64 << 13 |
           i.flat << 14 | i.one << 15 | i.mmu << 16;
}

static inline X86StringInfo x86_string_unpack(uint64_t v)
{
    return (X86StringInfo){.size = v & 15,
                           .adsize = v >> 4 & 15,
                           .seg = v >> 8 & 7,
                           .rep = v >> 11 & 1,
                           .while_zero = v >> 12 & 1,
                           .mode64 = v >> 13 & 1,
                           .flat = v >> 14 & 1,
                           .one = v >> 15 & 1,
                           .mmu = v >> 16 & 3};
}

#endif
