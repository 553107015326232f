/* SPDX-License-Identifier: MIT */
/* riscv64: user mode, FP state dirty, what most code runs under. */
#include "rhea/osdep.h"

#include "golden.h"
#include "rhea/error.h"
#include "target/riscv64/cpu.h"

static const void *riscv64_model(void)
{
    static RvCpu cpu;
    Error *err = NULL;

    if (!rv_features_resolve(&cpu, rv_default_rv64, &err)) {
        g_error("%s", error_text(err));
    }
    return &cpu.model;
}

static const GoldenMode riscv64_modes[] = {
    {"user", (CpuKey)RV_FS_DIRTY << RV_KEY_FS_SHIFT},
    {NULL, 0},
};

const GoldenArch golden_arch = {
    .name = "riscv64",
    .ir = &rv_ir_target,
    .translate = rv_translate,
    .disas = rv_disas,
    .model = riscv64_model,
    .modes = riscv64_modes,
};
