/* SPDX-License-Identifier: MIT */
/*
 * The machine lock; see memory/machine-lock.h.  A file of its own so that a module's unit tests can link the
 * real lock without a machine.
 *
 * A plain mutex goes to whoever comes at the right moment, and that is the vCPU that has just let go of it
 * and polls a device register again, sooner than a thread that has to be woken.  So a thread that goes
 * first closes a gate before it waits: the others stay outside until it has the lock.  Among themselves
 * they compete: handing over in turn would put a wake-up, and with more vCPUs than host CPUs a
 * time slice, into every access.
 */
#include "rhea/osdep.h"

#include <pthread.h>

#include "memory/machine-lock.h"

/* How often a thread that goes first looks again before it sleeps: device accesses are short. */
enum { SPINS = 100 };

static pthread_mutex_t machine_mutex = PTHREAD_MUTEX_INITIALIZER;
static __thread bool machine_mutex_mine, goes_first;

static pthread_mutex_t gate_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_opened = PTHREAD_COND_INITIALIZER;
static unsigned gate_closed; /* atomic; changed under gate_mutex: how many wait and go first */

static bool lock_try(void)
{
    return !pthread_mutex_trylock(&machine_mutex);
}

static bool lock_spin(void)
{
    for (unsigned i = 0; i < SPINS; i++) {
        if (lock_try()) {
            return true;
        }
    }
    return false;
}

static void lock_first(void)
{
    pthread_mutex_lock(&gate_mutex);
    __atomic_fetch_add(&gate_closed, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&gate_mutex);
    if (!lock_spin()) {
        pthread_mutex_lock(&machine_mutex);
    }
    pthread_mutex_lock(&gate_mutex);
    if (__atomic_sub_fetch(&gate_closed, 1, __ATOMIC_RELAXED) == 0) {
        pthread_cond_broadcast(&gate_opened);
    }
    pthread_mutex_unlock(&gate_mutex);
}

static void gate_wait(void)
{
    pthread_mutex_lock(&gate_mutex);
    while (__atomic_load_n(&gate_closed, __ATOMIC_RELAXED)) {
        pthread_cond_wait(&gate_opened, &gate_mutex);
    }
    pthread_mutex_unlock(&gate_mutex);
}

void machine_lock_go_first(void)
{
    goes_first = true;
}

void machine_lock(void)
{
    g_assert(!machine_mutex_mine);
    if (!goes_first) {
        if (unlikely(__atomic_load_n(&gate_closed, __ATOMIC_RELAXED))) {
            gate_wait();
        }
        pthread_mutex_lock(&machine_mutex);
    } else if (!lock_try()) {
        lock_first();
    }
    machine_mutex_mine = true;
}

void machine_unlock(void)
{
    g_assert(machine_mutex_mine);
    machine_mutex_mine = false;
    pthread_mutex_unlock(&machine_mutex);
}

/* Others may have waited at the gate, or held its mutex. */
void machine_lock_after_fork(void)
{
    g_assert(machine_mutex_mine);
    pthread_mutex_init(&machine_mutex, NULL);
    pthread_mutex_init(&gate_mutex, NULL);
    pthread_cond_init(&gate_opened, NULL);
    gate_closed = 0;
    pthread_mutex_lock(&machine_mutex);
}

bool machine_lock_held(void)
{
    return machine_mutex_mine;
}
