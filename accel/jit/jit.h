/* SPDX-License-Identifier: MIT */
/* What the JIT shares with its lockstep flavour. */
#ifndef ACCEL_JIT_JIT_H
#define ACCEL_JIT_JIT_H

#include "accel/core/engine.h"

/* The backend's runtime is made of @functions (RT_NFN). */
bool jit_prepare_with(Engine *e, const IrTarget *target, void *const *functions,
                      Error **errp) MUST_CHECK;
bool jit_compile(Engine *e, Region *r, Block *b, Ir *ir);
void jit_finish_ir(Engine *e, Ir *ir);
const void *jit_run(EngineCpu *ec, const void *entry);
void jit_fini(Engine *e);

/* lockstep.c: the JIT with the interpreter beside it. */
extern const EngineOps lockstep_engine;

#endif
