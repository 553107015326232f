/* SPDX-License-Identifier: MIT */
/*
 * The machine lock; see memory/machine-lock.h.  A file of its own so that a module's unit tests can link the
 * real lock without a machine.
 */
#include "rhea/osdep.h"

#include <pthread.h>

#include "memory/machine-lock.h"

static pthread_mutex_t machine_mutex = PTHREAD_MUTEX_INITIALIZER;
static __thread bool machine_mutex_mine;

void machine_lock(void)
{
    g_assert(!machine_mutex_mine);
    pthread_mutex_lock(&machine_mutex);
    machine_mutex_mine = true;
}

void machine_unlock(void)
{
    g_assert(machine_mutex_mine);
    machine_mutex_mine = false;
    pthread_mutex_unlock(&machine_mutex);
}

bool machine_lock_held(void)
{
    return machine_mutex_mine;
}
