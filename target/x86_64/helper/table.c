/* SPDX-License-Identifier: MIT */
/* The helper table of x86_64 translations, from the three lists. */
#include "rhea/osdep.h"

#include "helper.h"

#define STATE IR_HELPER_STATE
#define LAST  IR_HELPER_LAST
#define PURE  IR_HELPER_PURE
#define FP    IR_HELPER_FP

const IrHelper x86_helpers[X86_NHELPERS] = {
#define X86_HELPER(id, func, flag, result, a, b, c, d)                                             \
    [X86_H_##id] = {.name = #id,                                                                   \
                    .fn = func,                                                                    \
                    .flags = flag,                                                                 \
                    .ret = IR_##result,                                                            \
                    .args = {IR_##a, IR_##b, IR_##c, IR_##d}},
#include "../helpers-int.def"
#include "../helpers-sys.def"
#include "../helpers-fp.def"
#undef X86_HELPER
};
