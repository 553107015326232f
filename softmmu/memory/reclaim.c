/* SPDX-License-Identifier: MIT */
/*
 * Epoch-based reclamation for what readers use without a lock.
 *
 * A reader announces the epoch in which it began.  A writer that has unpublished an object starts a new
 * epoch and keeps the object until no reader of an older epoch is left.  Nobody waits: objects that
 * cannot be freed yet are looked at again by the next writer.
 *
 * A reader announces itself and then loads the pointer, a writer replaces the pointer and then looks for
 * readers; all four are sequentially consistent, so one of the two sees the other.
 */
#include "rhea/osdep.h"

#include <pthread.h>

#include "memory-int.h"

/* One per thread that ever read; reused after the thread has ended, never freed. */
typedef struct Reader {
    uint64_t epoch; /* 0: outside; written by its thread, read by writers */
    unsigned depth;
    int in_use;
    struct Reader *next;
} Reader;

typedef struct Retired {
    void *ptr;
    void (*fn)(void *ptr);
    uint64_t epoch; /* readers of this epoch and later cannot hold it */
    struct Retired *next;
} Retired;

static Reader *readers; /* push-only list */
static uint64_t current_epoch = 1;
static __thread Reader *my_reader;

static pthread_mutex_t retire_lock = PTHREAD_MUTEX_INITIALIZER;
static Retired *retired;

static pthread_key_t reader_key;

static void reader_thread_ended(void *opaque)
{
    Reader *r = opaque;

    __atomic_store_n(&r->in_use, 0, __ATOMIC_RELEASE);
}

static void reader_key_make(void)
{
    pthread_key_create(&reader_key, reader_thread_ended);
}

static Reader *reader_register(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    Reader *r;

    pthread_once(&once, reader_key_make);
    for (r = __atomic_load_n(&readers, __ATOMIC_ACQUIRE); r; r = r->next) {
        int unused = 0;

        if (__atomic_compare_exchange_n(&r->in_use, &unused, 1, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED)) {
            break;
        }
    }
    if (!r) {
        r = g_new0(Reader, 1);
        r->in_use = 1;
        r->next = __atomic_load_n(&readers, __ATOMIC_RELAXED);
        while (!__atomic_compare_exchange_n(&readers, &r->next, r, false, __ATOMIC_ACQ_REL,
                                            __ATOMIC_RELAXED)) {
        }
    }
    pthread_setspecific(reader_key, r);
    my_reader = r;
    return r;
}

void mem_reader_enter(void)
{
    Reader *r = my_reader ? my_reader : reader_register();

    if (r->depth++ == 0) {
        __atomic_store_n(&r->epoch, __atomic_load_n(&current_epoch, __ATOMIC_SEQ_CST),
                         __ATOMIC_SEQ_CST);
    }
}

void mem_reader_exit(void)
{
    Reader *r = my_reader;

    if (--r->depth == 0) {
        __atomic_store_n(&r->epoch, 0, __ATOMIC_RELEASE);
    }
}

void mem_after_fork(void)
{
    pthread_mutex_init(&retire_lock, NULL);
    for (Reader *r = readers; r; r = r->next) {
        if (r != my_reader) {
            r->epoch = 0;
            r->depth = 0;
            r->in_use = 0;
        }
    }
}

/* The oldest epoch in which some reader began, UINT64_MAX when nobody reads. */
static uint64_t oldest_reader(void)
{
    uint64_t oldest = UINT64_MAX;

    for (Reader *r = __atomic_load_n(&readers, __ATOMIC_ACQUIRE); r; r = r->next) {
        uint64_t epoch = __atomic_load_n(&r->epoch, __ATOMIC_SEQ_CST);

        if (epoch) {
            oldest = MIN(oldest, epoch);
        }
    }
    return oldest;
}

void mem_retire(void *ptr, void (*fn)(void *ptr))
{
    Retired *node = g_new(Retired, 1), *free_now = NULL;
    Retired **link;
    uint64_t oldest;

    pthread_mutex_lock(&retire_lock);
    node->ptr = ptr;
    node->fn = fn;
    node->epoch = __atomic_add_fetch(&current_epoch, 1, __ATOMIC_SEQ_CST);
    node->next = retired;
    retired = node;
    oldest = oldest_reader();
    for (link = &retired; *link;) {
        Retired *r = *link;

        if (r->epoch <= oldest) {
            *link = r->next;
            r->next = free_now;
            free_now = r;
        } else {
            link = &r->next;
        }
    }
    pthread_mutex_unlock(&retire_lock);
    while (free_now) {
        Retired *r = free_now;

        free_now = r->next;
        r->fn(r->ptr);
        g_free(r);
    }
}
