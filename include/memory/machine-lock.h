/* SPDX-License-Identifier: MIT */
/*
 * The machine lock: guards device state and changes of the memory tree.  One for the process's machines
 * so far; recursive use is a bug.
 */
#ifndef MEMORY_MACHINE_LOCK_H
#define MEMORY_MACHINE_LOCK_H

#include <stdbool.h>

void machine_lock(void);
void machine_unlock(void);
bool machine_lock_held(void);
/* The calling thread serves the others: from now on it waits for at most one turn of each of them. */
void machine_lock_go_first(void);
/* In a copy of the process, where only the caller is left; it had the lock, and has it. */
void machine_lock_after_fork(void);

#endif
