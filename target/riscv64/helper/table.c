/* SPDX-License-Identifier: MIT */
/* The helper table of riscv64 translations, from helpers.def. */
#include "rhea/osdep.h"

#include "helper.h"

#define STATE IR_HELPER_STATE
#define LAST  IR_HELPER_LAST
#define PURE  IR_HELPER_PURE
#define FP    IR_HELPER_FP

const IrHelper rv_helpers[RV_NHELPERS] = {
#define RV_HELPER(id, func, flag, result, a, b, c, d)                                              \
    [RV_H_##id] = {.name = #id,                                                                    \
                   .fn = func,                                                                     \
                   .flags = flag,                                                                  \
                   .ret = IR_##result,                                                             \
                   .args = {IR_##a, IR_##b, IR_##c, IR_##d}},
#include "../helpers.def"
#undef RV_HELPER
};
