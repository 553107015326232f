/* SPDX-License-Identifier: MIT */
/* What the generated decoder of good.decode asks of a CPU model. */
#ifndef TOY_MODEL_H
#define TOY_MODEL_H

#include <stdbool.h>

enum { TOY_EXT_EXTRA, TOY_EXT_OTHER, TOY_NEXT };

typedef struct ToyModel {
    bool has[TOY_NEXT];
} ToyModel;

static inline bool toy_has(const ToyModel *m, int ext)
{
    return m->has[ext];
}

#endif
