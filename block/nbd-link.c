/* SPDX-License-Identifier: MIT */
/*
 * A connection to an NBD server, by libnbd, whose handle may be used by any thread.
 * Requests are sent by whoever makes them.  One of those that wait for answers polls for all, and when it has its
 * own hands that on: a request alone needs no other thread.  While there are none the link's own thread polls, after
 * a little while, to notice that the connection breaks; it makes it again.
 * The order of locks: the handle's, which callbacks run under, then the link's.
 */
#include "rhea/osdep.h"

#include <poll.h>
#include <sys/eventfd.h>

#include "nbd-link.h"

enum { RETRY_MS = 1000, QUIET_MS = 200, OPEN_RETRY_MS = 100, CONNECT_SECONDS = 30 };

struct NbdLink {
    const NbdLib *lib;
    NbdPlace place;
    char *name;
    int64_t reconnect_us;
    NbdFeatures features; /* of the first connection */
    int wake_fd;          /* tells who polls that there is more to wait for, or to stop */
    GThread *thread;
    GMutex lock;
    GCond changed;
    /* under lock */
    struct nbd_handle *h;
    unsigned users;  /* requests that use h */
    bool polled;     /* somebody waits for the server */
    GQueue waiting;  /* Pending that wait for their answers, but do not poll */
    uint64_t served; /* requests so far */
    bool lost, stopping;
    int64_t lost_us; /* since when */
};

/* --- Waiting for the server --- */

/* One wait, no longer than @timeout_ms (-1: for ever), and what it brings. */
static void pump(NbdLink *l, struct nbd_handle *h, int timeout_ms)
{
    unsigned direction = l->lib->nbd_aio_get_direction(h);
    struct pollfd fds[] = {{.fd = l->wake_fd, .events = POLLIN}, {.fd = l->lib->nbd_aio_get_fd(h)}};
    uint64_t woken;

    fds[1].events = (direction & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
                    (direction & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0);
    if (poll(fds, ARRAY_SIZE(fds), timeout_ms) <= 0) {
        return;
    }
    if (fds[0].revents) {
        (void)!read(l->wake_fd, &woken, sizeof(woken));
    }
    /* Another thread may have moved the handle on: what it waits for now counts. */
    direction = l->lib->nbd_aio_get_direction(h);
    if (direction & LIBNBD_AIO_DIRECTION_READ && fds[1].revents & ~POLLOUT) {
        l->lib->nbd_aio_notify_read(h);
    } else if (direction & LIBNBD_AIO_DIRECTION_WRITE && fds[1].revents) {
        l->lib->nbd_aio_notify_write(h);
    }
}

static bool broken(const NbdLink *l, struct nbd_handle *h)
{
    return l->lib->nbd_aio_is_dead(h) || l->lib->nbd_aio_is_closed(h);
}

static bool stopping(NbdLink *l)
{
    bool stop;

    g_mutex_lock(&l->lock);
    stop = l->stopping;
    g_mutex_unlock(&l->lock);
    return stop;
}

static void wake(NbdLink *l)
{
    uint64_t one = 1;

    (void)!write(l->wake_fd, &one, sizeof(one));
}

/* --- Connecting --- */

static int start_connecting(const NbdLink *l, struct nbd_handle *h)
{
    const NbdLib *lib = l->lib;
    const NbdPlace *p = &l->place;

    if (!nbd_place_use_tls(p, lib, h) ||
        lib->nbd_add_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION)) {
        return -1;
    }
    if (p->uri) { /* others start programs or open what they like */
        return lib->nbd_set_uri_allow_transports(h, LIBNBD_ALLOW_TRANSPORT_TCP |
                                                        LIBNBD_ALLOW_TRANSPORT_UNIX)
                   ? -1
                   : lib->nbd_aio_connect_uri(h, p->uri);
    }
    if (lib->nbd_set_export_name(h, p->export)) {
        return -1;
    }
    return p->path ? lib->nbd_aio_connect_unix(h, p->path)
                   : lib->nbd_aio_connect_tcp(h, p->host, p->port);
}

/* A handle that is ready for requests, or NULL. */
static struct nbd_handle *connect_once(NbdLink *l, Error **errp)
{
    struct nbd_handle *h = l->lib->nbd_create();
    int64_t end = g_get_monotonic_time() + CONNECT_SECONDS * G_USEC_PER_SEC, left = 1;
    bool ok = h && !start_connecting(l, h);

    while (ok && l->lib->nbd_aio_is_connecting(h) && !stopping(l) && left > 0) {
        left = end - g_get_monotonic_time();
        pump(l, h, (int)(MAX(left, 0) / 1000));
    }
    if (ok && l->lib->nbd_aio_is_ready(h)) {
        return h;
    }
    if (left <= 0) {
        error_fail(errp, "'%s' does not answer", l->name);
    } else {
        const char *text = l->lib->nbd_get_error();

        error_fail(errp, "cannot connect to '%s': %s", l->name, text ? text : "it hung up");
    }
    if (h) {
        l->lib->nbd_close(h);
    }
    return NULL;
}

static uint64_t positive(int64_t n, uint64_t otherwise)
{
    return n > 0 ? (uint64_t)n : otherwise;
}

static NbdFeatures ask_features(const NbdLib *lib, struct nbd_handle *h)
{
    return (NbdFeatures){
        .size = positive(lib->nbd_get_size(h), 0),
        .min_block = positive(lib->nbd_get_block_size(h, LIBNBD_SIZE_MINIMUM), 1),
        .max_block = positive(lib->nbd_get_block_size(h, LIBNBD_SIZE_MAXIMUM), 32 << 20),
        .read_only = lib->nbd_is_read_only(h) > 0,
        .flush = lib->nbd_can_flush(h) > 0,
        .trim = lib->nbd_can_trim(h) > 0,
        .zero = lib->nbd_can_zero(h) > 0,
        .extents = lib->nbd_can_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION) > 0,
    };
}

/* Again, after the connection has broken.  Another image in its place is not what requests are for. */
static struct nbd_handle *reconnect(NbdLink *l)
{
    struct nbd_handle *h = connect_once(l, NULL);
    NbdFeatures now;

    if (h) {
        now = ask_features(l->lib, h);
        if (now.size != l->features.size || now.read_only != l->features.read_only ||
            now.min_block > l->features.min_block || now.max_block < l->features.max_block) {
            l->lib->nbd_close(h);
            h = NULL;
        }
    }
    return h;
}

/* --- The thread --- */

/* Locked: the last user of the broken handle has gone, or a little time has. */
static void restore(NbdLink *l)
{
    struct nbd_handle *h;

    if (l->users) {
        g_cond_wait(&l->changed, &l->lock);
        return;
    }
    h = g_steal_pointer(&l->h);
    g_mutex_unlock(&l->lock);
    if (h) {
        l->lib->nbd_close(h);
    }
    h = reconnect(l);
    g_mutex_lock(&l->lock);
    if (h) {
        l->h = h;
        l->lost = false;
        g_cond_broadcast(&l->changed);
    } else if (!l->stopping) {
        g_cond_wait_until(&l->changed, &l->lock, g_get_monotonic_time() + RETRY_MS * 1000);
    }
}

/* Locked. */
static void note_lost(NbdLink *l)
{
    if (!l->lost) {
        l->lost = true;
        l->lost_us = g_get_monotonic_time();
        g_cond_broadcast(&l->changed);
    }
}

/* What a callback fills. */
typedef struct Pending {
    NbdLink *link;
    NbdCall *call;
    GCond changed; /* it is done, or is to poll */
    bool done;     /* link->lock */
    int ret;
} Pending;

/* Locked: polls once for everybody, and lets another go on with it. */
static void poll_locked(NbdLink *l)
{
    struct nbd_handle *h = l->h;
    bool lost;

    l->polled = true;
    g_mutex_unlock(&l->lock);
    pump(l, h, -1);
    lost = broken(l, h);
    g_mutex_lock(&l->lock);
    l->polled = false;
    if (lost) {
        note_lost(l);
    }
}

/* Locked: the first of those that wait polls from now on. */
static void hand_on(NbdLink *l)
{
    Pending *next = g_queue_peek_head(&l->waiting);

    if (next && !l->polled) {
        g_cond_signal(&next->changed);
    }
}

/* Locked: whether there was no request for a while, and is none now. */
static bool quiet(NbdLink *l)
{
    uint64_t served = l->served;

    while (!l->stopping && !l->lost &&
           g_cond_wait_until(&l->changed, &l->lock, g_get_monotonic_time() + QUIET_MS * 1000)) {
    }
    return !l->stopping && !l->lost && !l->users && !l->polled && served == l->served;
}

static gpointer link_thread(gpointer opaque)
{
    NbdLink *l = opaque;

    g_mutex_lock(&l->lock);
    while (!l->stopping) {
        if (l->lost) {
            restore(l);
        } else if (quiet(l)) {
            do {
                poll_locked(l);
            } while (!l->stopping && !l->lost && !l->users);
            hand_on(l);
        }
    }
    g_mutex_unlock(&l->lock);
    return NULL;
}

/* --- Requests --- */

/* Under the handle's lock. */
static int call_ended(void *opaque, int *error)
{
    Pending *p = opaque;

    g_mutex_lock(&p->link->lock);
    p->ret = -*error;
    p->done = true;
    g_cond_signal(&p->changed);
    g_mutex_unlock(&p->link->lock);
    return 1; /* the handle may forget the request */
}

static int take_extent(void *opaque, const char *context, uint64_t offset, uint32_t *entries,
                       size_t n, int *error)
{
    Pending *p = opaque;

    if (!strcmp(context, LIBNBD_CONTEXT_BASE_ALLOCATION) && n >= 2) {
        p->call->extent_len = entries[0];
        p->call->extent_flags = entries[1];
    }
    return 0;
}

static int64_t send_call(NbdLink *l, struct nbd_handle *h, Pending *p)
{
    const NbdLib *lib = l->lib;
    NbdCall *c = p->call;
    nbd_completion_callback end = {.callback = call_ended, .user_data = p};
    nbd_extent_callback extent = {.callback = take_extent, .user_data = p};

    switch (c->kind) {
    case NBD_READ: return lib->nbd_aio_pread(h, c->buf, c->len, c->offset, end, c->flags);
    case NBD_WRITE: return lib->nbd_aio_pwrite(h, c->buf, c->len, c->offset, end, c->flags);
    case NBD_FLUSH: return lib->nbd_aio_flush(h, end, c->flags);
    case NBD_TRIM: return lib->nbd_aio_trim(h, c->len, c->offset, end, c->flags);
    case NBD_ZERO: return lib->nbd_aio_zero(h, c->len, c->offset, end, c->flags);
    case NBD_STATUS: return lib->nbd_aio_block_status(h, c->len, c->offset, extent, end, c->flags);
    }
    return -1;
}

/* Locked; NULL: there is no connection, and it is not to be waited for any longer. */
static struct nbd_handle *wait_handle(NbdLink *l)
{
    while (l->lost && !l->stopping) {
        int64_t end = l->lost_us + l->reconnect_us;

        if (!l->reconnect_us || !g_cond_wait_until(&l->changed, &l->lock, end)) {
            return NULL;
        }
    }
    return l->stopping ? NULL : l->h;
}

/* Locked: until the answer is there, by polling if nobody else does. */
static void wait_answer(NbdLink *l, Pending *p)
{
    while (!p->done) {
        if (!l->polled) {
            poll_locked(l);
            continue;
        }
        g_queue_push_tail(&l->waiting, p);
        g_cond_wait(&p->changed, &l->lock);
        g_queue_remove(&l->waiting, p);
    }
    hand_on(l);
}

/* Whether who polls has to know of a request that was sent: not all of it is on its way. */
static bool must_wake(NbdLink *l, struct nbd_handle *h)
{
    return l->lib->nbd_aio_get_direction(h) & LIBNBD_AIO_DIRECTION_WRITE;
}

/* Locked; *again: the connection broke, and the request may be tried on the next. */
static int call_once(NbdLink *l, NbdCall *call, bool *again)
{
    Pending p = {.link = l, .call = call};
    struct nbd_handle *h = wait_handle(l);
    bool sent;

    *again = false;
    if (!h) {
        return -EIO;
    }
    l->users++;
    l->served++;
    g_cond_init(&p.changed);
    g_mutex_unlock(&l->lock);
    sent = send_call(l, h, &p) >= 0;
    if (!sent) {
        p.ret = -l->lib->nbd_get_errno();
    } else if (must_wake(l, h)) {
        wake(l);
    }
    g_mutex_lock(&l->lock);
    if (sent) {
        wait_answer(l, &p);
    }
    g_mutex_unlock(&l->lock);
    *again = (!sent || p.ret) && broken(l, h);
    g_mutex_lock(&l->lock);
    if (*again) {
        note_lost(l);
        p.ret = -EIO;
    }
    if (!--l->users && l->lost) {
        g_cond_broadcast(&l->changed);
    }
    g_cond_clear(&p.changed);
    return p.ret || sent ? p.ret : -EIO;
}

int nbd_link_call(NbdLink *l, NbdCall *call)
{
    bool again;
    int ret;

    g_mutex_lock(&l->lock);
    do {
        ret = call_once(l, call, &again);
    } while (again && l->reconnect_us);
    g_mutex_unlock(&l->lock);
    return ret;
}

/* --- Making and ending it --- */

const NbdFeatures *nbd_link_features(const NbdLink *l)
{
    return &l->features;
}

static bool first_connection(NbdLink *l, uint64_t open_timeout, Error **errp)
{
    int64_t end = g_get_monotonic_time() + (int64_t)open_timeout * G_USEC_PER_SEC;
    Error *err = NULL;

    while (!(l->h = connect_once(l, &err)) && g_get_monotonic_time() < end) {
        g_clear_pointer(&err, error_free);
        g_usleep(OPEN_RETRY_MS * 1000);
    }
    if (!l->h) {
        error_propagate(errp, err);
    }
    return l->h;
}

NbdLink *nbd_link_new(const char *what, NbdPlace *p, uint64_t open_timeout,
                      uint64_t reconnect_delay, Error **errp)
{
    const NbdLib *lib = nbd_lib(errp);
    NbdLink *l = lib ? g_new0(NbdLink, 1) : NULL;

    if (!l) {
        error_prepend(errp, "%s: ", what);
        nbd_place_clear(p);
        return NULL;
    }
    l->lib = lib;
    l->place = *p;
    memset(p, 0, sizeof(*p));
    l->name = nbd_place_name(&l->place);
    l->reconnect_us = (int64_t)reconnect_delay * G_USEC_PER_SEC;
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g_mutex_init(&l->lock);
    g_cond_init(&l->changed);
    g_queue_init(&l->waiting);
    if (!first_connection(l, open_timeout, errp)) {
        error_prepend(errp, "%s: ", what);
        nbd_link_free(l);
        return NULL;
    }
    l->features = ask_features(lib, l->h);
    l->thread = g_thread_new("nbd-client", link_thread, l);
    return l;
}

/* Says goodbye, so that the server knows that nothing is missing. */
static void disconnect(NbdLink *l)
{
    l->lib->nbd_aio_disconnect(l->h, 0);
    for (int i = 0; i < 10 && !broken(l, l->h) && l->lib->nbd_aio_get_direction(l->h); i++) {
        pump(l, l->h, 100);
    }
}

void nbd_link_free(NbdLink *l)
{
    if (l->thread) {
        g_mutex_lock(&l->lock);
        l->stopping = true;
        g_cond_broadcast(&l->changed);
        g_mutex_unlock(&l->lock);
        wake(l);
        g_thread_join(l->thread);
    }
    if (l->h) {
        if (!broken(l, l->h)) {
            disconnect(l);
        }
        l->lib->nbd_close(l->h);
    }
    close(l->wake_fd);
    g_mutex_clear(&l->lock);
    g_cond_clear(&l->changed);
    nbd_place_clear(&l->place);
    g_free(l->name);
    g_free(l);
}
