/* SPDX-License-Identifier: MIT */
/*
 * The IR interpreter: the oracle of every backend, and the way to run on a host without one
 * (-accel tci).  Floating point goes through tcg/softfloat, so it is independent of the host's FPU.
 */
#ifndef TCG_INTERP_H
#define TCG_INTERP_H

#include "tcg/backend.h"

/* How a block was left; pc is in env->pc in every case. */
typedef enum InterpLeave {
    INTERP_GOTO, /* an exit whose destination is in env->pc */
    INTERP_EXIT, /* IR_EXIT: the loop must look at interrupts and state again */
} InterpLeave;

/*
 * Runs @ir once from its first instruction.  @rt are the same runtime functions that translated code
 * calls (RT_LOOKUP unused).  env->pc follows every INSN, so a raise out of it is precise.
 */
InterpLeave interp_run(const Ir *ir, TcgEnv *env, void *const *rt);

#endif
