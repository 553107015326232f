/* SPDX-License-Identifier: MIT */
/* What golden.c knows of a guest architecture; test-golden-<arch>.c has it. */
#ifndef TESTS_GOLDEN_GOLDEN_H
#define TESTS_GOLDEN_GOLDEN_H

#include "target/cpu-ops.h"

/* A mode of the CPU that files may ask for ("mode NAME"). */
typedef struct GoldenMode {
    const char *name; /* NULL: the end */
    CpuKey key;
} GoldenMode;

typedef struct GoldenArch {
    const char *name; /* of its folder */
    const IrTarget *ir;
    void (*translate)(Translate *tx);
    unsigned (*disas)(const void *model, CpuKey key, GuestVA pc, const uint8_t *code, size_t len,
                      char *buf, size_t bufsize);
    const void *(*model)(void);
    const GoldenMode *modes; /* files start in the first */
} GoldenArch;

extern const GoldenArch golden_arch;

#endif
