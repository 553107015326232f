/* SPDX-License-Identifier: MIT */
/* Turning the main loop by hand: start-up, and whoever waits for a completion. */
#ifndef SOFTMMU_MAIN_LOOP_H
#define SOFTMMU_MAIN_LOOP_H

#include "hw/machine.h"

/* The length of a time slice that the main loop asks the host for: the shortest that Linux grants. */
enum { MAIN_LOOP_SLICE_NS = 100 * 1000 };

/* Takes over GLib's default context for @m's clocks. Main thread. */
void main_loop_init(Machine *m);

/* In a copy of the process: nobody else wakes it, and it wakes nobody else. */
void main_loop_after_fork(void);

/* One turn: sleeps (if @block) without the machine lock, dispatches with it; then due timers and
 * deferred calls. Main thread, machine lock held. */
void main_loop_iterate(bool block);

#endif
