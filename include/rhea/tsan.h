/* SPDX-License-Identifier: MIT */
/*
 * For --enable-sanitizers=thread: tells the sanitizer of GLib's locks and queues, which it cannot see
 * since GLib is not built with it.  Nothing here in other builds.  Locks of translated guest code are
 * invisible all the same: races in guest memory are the guest's.
 */
#ifndef RHEA_TSAN_H
#define RHEA_TSAN_H

#if defined(__SANITIZE_THREAD__)
#define RHEA_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RHEA_TSAN 1
#endif
#endif

#ifdef RHEA_TSAN

#include <glib.h>
#include <sanitizer/tsan_interface.h>

static inline void tsan_mutex_lock(GMutex *m)
{
    g_mutex_lock(m);
    __tsan_acquire(m);
}

static inline void tsan_mutex_unlock(GMutex *m)
{
    __tsan_release(m);
    g_mutex_unlock(m);
}

static inline void tsan_cond_wait(GCond *c, GMutex *m)
{
    __tsan_release(m);
    g_cond_wait(c, m);
    __tsan_acquire(m);
}

static inline gboolean tsan_cond_wait_until(GCond *c, GMutex *m, gint64 end_us)
{
    gboolean woken;

    __tsan_release(m);
    woken = g_cond_wait_until(c, m, end_us);
    __tsan_acquire(m);
    return woken;
}

static inline void tsan_reader_lock(GRWLock *l)
{
    g_rw_lock_reader_lock(l);
    __tsan_acquire(l);
}

static inline void tsan_reader_unlock(GRWLock *l)
{
    __tsan_release(l);
    g_rw_lock_reader_unlock(l);
}

static inline void tsan_writer_lock(GRWLock *l)
{
    g_rw_lock_writer_lock(l);
    __tsan_acquire(l);
}

static inline void tsan_writer_unlock(GRWLock *l)
{
    __tsan_release(l);
    g_rw_lock_writer_unlock(l);
}

static inline gboolean tsan_pool_push(GThreadPool *pool, gpointer data, GError **error)
{
    __tsan_release(data);
    return g_thread_pool_push(pool, data, error);
}

/* In a pool's function, before the first look at what was pushed. */
static inline void tsan_pool_popped(gpointer data)
{
    __tsan_acquire(data);
}

#define g_mutex_lock            tsan_mutex_lock
#define g_mutex_unlock          tsan_mutex_unlock
#define g_cond_wait             tsan_cond_wait
#define g_cond_wait_until       tsan_cond_wait_until
#define g_rw_lock_reader_lock   tsan_reader_lock
#define g_rw_lock_reader_unlock tsan_reader_unlock
#define g_rw_lock_writer_lock   tsan_writer_lock
#define g_rw_lock_writer_unlock tsan_writer_unlock
#define g_thread_pool_push      tsan_pool_push

#else

#define tsan_pool_popped(data) ((void)(data))

#endif
#endif
