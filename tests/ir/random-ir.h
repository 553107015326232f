/* SPDX-License-Identifier: MIT */
/* Random blocks and states for fixture.h: the same seed gives the same ones. */
#ifndef TESTS_IR_RANDOM_IR_H
#define TESTS_IR_RANDOM_IR_H

#include "fixture.h"

/* Fills the cleared @ir with a verified block of the fixture's target. */
void random_ir(GRand *rand, Ir *ir);
void random_state(GRand *rand, FxState *s);

/* Does the block still fail? */
typedef bool (*RandomFails)(const Ir *ir, void *opaque);
/* Takes instructions out of @ir while it still fails. */
void random_minimise(Ir *ir, RandomFails fails, void *opaque);

#endif
