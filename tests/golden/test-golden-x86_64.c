/* SPDX-License-Identifier: MIT */
/* x86_64: a CPU with everything, in 64-bit user mode, in 32-bit code with flat segments, in real mode. */
#include "rhea/osdep.h"

#include "golden.h"
#include "target/x86_64/cpu.h"

static const void *x86_model_with_all(void)
{
    static X86Model model = {.phys_bits = 40};

    memset(model.feat, 0xff, sizeof(model.feat));
    return &model;
}

enum {
    KEY_USER = X86_MMU_USER | 3 << X86_KEY_CPL_SHIFT | X86_KEY_PE | X86_KEY_SS32 | X86_KEY_SSE |
               X86_KEY_AVX | X86_KEY_OSXSAVE | X86_KEY_NE,
};

static const GoldenMode x86_modes[] = {
    {"64", KEY_USER | X86_KEY_CS64 | X86_KEY_LMA},
    {"32", KEY_USER | X86_KEY_CS32},
    {"16", X86_MMU_KERNEL | X86_KEY_CSBASE | X86_KEY_SEGS | X86_KEY_IOPL},
    {NULL, 0},
};

const GoldenArch golden_arch = {
    .name = "x86_64",
    .ir = &x86_ir_target,
    .translate = x86_translate,
    .disas = x86_disas,
    .model = x86_model_with_all,
    .modes = x86_modes,
};
