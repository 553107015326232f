/* SPDX-License-Identifier: MIT */
/* The C functions of helpers.def, which says what each takes and does. */
#ifndef TARGET_RISCV64_HELPER_H
#define TARGET_RISCV64_HELPER_H

#include "../cpu.h"

/* All are IrHelperFn; several ids share the CSR functions, so those are declared more than once. */
#define RV_HELPER(id, func, ...)                                                                   \
    uint64_t func(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
#include "../helpers.def"
#undef RV_HELPER

#endif
