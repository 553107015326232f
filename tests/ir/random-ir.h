/* SPDX-License-Identifier: MIT */
/* Random blocks and states for fixture.h: the same seed gives the same ones. */
#ifndef TESTS_IR_RANDOM_IR_H
#define TESTS_IR_RANDOM_IR_H

#include "fixture.h"

/* Fills the cleared @ir with a verified block of the fixture's target. */
void random_ir(GRand *rand, Ir *ir);
/* The cleared @ir computes @op of globals of the fixture and puts the result into one. */
void random_vec_op(GRand *rand, Ir *ir, IrOp op, IrLane lane);
/* Has the block scalar FP ops?  These know no IR_FP_DENORMAL, IR_ROUND_FTZ and IR_ROUND_DAZ. */
bool random_mixes_fp(const Ir *ir);
void random_state(GRand *rand, FxState *s);

/* Does the block still fail? */
typedef bool (*RandomFails)(const Ir *ir, void *opaque);
/* Takes instructions out of @ir while it still fails. */
void random_minimise(Ir *ir, RandomFails fails, void *opaque);

#endif
