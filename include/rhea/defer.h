/* SPDX-License-Identifier: MIT */
/* What every module may ask of the main loop. */
#ifndef RHEA_DEFER_H
#define RHEA_DEFER_H

/* Wakes the main loop (any thread). */
void main_loop_kick(void);
/* Runs @fn in the main loop under the machine lock, soon; any thread. */
void main_loop_defer(void (*fn)(void *opaque), void *opaque);
/* Runs @fn under the machine lock, now, on this thread, which goes before the vCPUs. */
void machine_call(void (*fn)(void *opaque), void *opaque);

#endif
