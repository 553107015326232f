/* SPDX-License-Identifier: MIT */
/* CPU models (models.def) and what becomes of them (features.c). */
#ifndef TARGET_X86_64_MODELS_H
#define TARGET_X86_64_MODELS_H

#include <stdio.h>

#include "cpu.h"

typedef struct X86ModelDef {
    const char *name, *base, *vendor;
    uint32_t family, model, stepping, level, xlevel;
    const char *brand;
    const char *features; /* NULL: all that is modelled */
} X86ModelDef;

/* In the order of models.def. */
extern const X86ModelDef x86_model_defs[];

/* The property that "-cpu M,@name" means: spellings with '_' and old names.  The caller frees. */
char *x86_feature_property(const char *name);
/* cpu->model from @def and the properties, which then say what it is; false: they contradict each other. */
bool x86_features_resolve(X86Cpu *cpu, const X86ModelDef *def, Error **errp) MUST_CHECK;
void x86_features_print(FILE *out);

extern const PropDesc x86_cpu_props[];

#endif
