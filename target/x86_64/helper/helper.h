/* SPDX-License-Identifier: MIT */
/* The C functions of the helper tables, which say what each takes and does. */
#ifndef TARGET_X86_64_HELPER_H
#define TARGET_X86_64_HELPER_H

#include "../cpu.h"

/* All are IrHelperFn. */
#define X86_HELPER(id, func, ...)                                                                  \
    uint64_t func(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
#include "../helpers-int.def"
#include "../helpers-sys.def"
#include "../helpers-fp.def"
#undef X86_HELPER

#endif
