/* SPDX-License-Identifier: MIT */
/*
 * The NBD server: exports, and a thread for each connection.
 * Spec: doc/proto.md of the NetworkBlockDevice project.  Not there: resizing, extended headers.
 * Threading: one thread listens; a connection's thread reads, its workers execute and answer.  The server's
 * lock guards the lists.
 */
#include "rhea/osdep.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "block/dirty-bitmap.h"
#include "block/tls.h"
#include "nbd-int.h"
#include "rhea/report.h"

enum { LISTEN_MAX = 8 };

struct NbdServer {
    NbdServerSpec spec;
    GMutex lock;
    GCond changed;
    /* under lock */
    GPtrArray *exports; /* NbdExport */
    GPtrArray *conns;   /* NbdConn */
    bool stopping;
    int listen_fds[LISTEN_MAX];
    unsigned n_listen;
    /* fixed */
    int wake_fd; /* tells the listener to look again */
    GThread *listener;
};

void nbd_verbose(const NbdConn *c, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    if (c->server->spec.verbose) {
        va_start(ap, fmt);
        text = g_strdup_vprintf(fmt, ap);
        va_end(ap);
        report("client %d: %s", c->fd, text);
    }
}

/* --- Exports --- */

static NbdExport *export_find(NbdServer *s, const void *name, size_t len)
{
    for (guint i = 0; i < s->exports->len; i++) {
        NbdExport *e = g_ptr_array_index(s->exports, i);

        if (strlen(e->name) == len && !memcmp(e->name, name, len)) {
            return e;
        }
    }
    return NULL;
}

NbdExport *nbd_export_get(NbdServer *s, const void *name, size_t len)
{
    NbdExport *e;

    g_mutex_lock(&s->lock);
    e = s->stopping ? NULL : export_find(s, name, len);
    if (e) {
        e->users++;
    }
    g_mutex_unlock(&s->lock);
    return e;
}

/* From here on the end of the export is the end of the connection. */
void nbd_export_choose(NbdConn *c, NbdExport *e)
{
    g_mutex_lock(&c->server->lock);
    c->export = e;
    if (e->removed) {
        nbd_break(c);
    }
    g_mutex_unlock(&c->server->lock);
}

void nbd_export_put(NbdServer *s, NbdExport *e)
{
    g_mutex_lock(&s->lock);
    e->users--;
    g_cond_broadcast(&s->changed);
    g_mutex_unlock(&s->lock);
}

bool nbd_export_foreach(NbdServer *s, bool (*fn)(const NbdExport *e, void *opaque), void *opaque)
{
    bool go_on = true;

    g_mutex_lock(&s->lock);
    for (guint i = 0; go_on && i < s->exports->len; i++) {
        go_on = fn(g_ptr_array_index(s->exports, i), opaque);
    }
    g_mutex_unlock(&s->lock);
    return go_on;
}

uint16_t nbd_export_flags(const NbdConn *c, const NbdExport *e)
{
    uint16_t flags =
        NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_CACHE;

    flags |= e->writable ? NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES : NBD_FLAG_READ_ONLY;
    flags |= c->structured ? NBD_FLAG_SEND_DF : 0;
    /* A flush covers the writes of every connection: they go to the same node. */
    return flags | (c->server->spec.max_connections == 1 ? 0 : NBD_FLAG_CAN_MULTI_CONN);
}

const char *nbd_name_problem(const char *name)
{
    return strlen(name) > NBD_MAX_NAME        ? "it is longer than 4096 bytes"
           : !g_utf8_validate(name, -1, NULL) ? "it is no UTF-8"
                                              : NULL;
}

static void set_busy(GPtrArray *bitmaps, bool busy)
{
    for (guint i = 0; i < bitmaps->len; i++) {
        dirty_bitmap_set_flag(bitmaps->pdata[i], DIRTY_BITMAP_BUSY, busy);
    }
}

GPtrArray *nbd_bitmaps_take(BlockNode *n, const char *const *names, Error **errp)
{
    g_autoptr(GPtrArray) bitmaps = g_ptr_array_new();

    for (; *names; names++) {
        DirtyBitmap *b = dirty_bitmap_find_usable(n, *names, errp);

        if (!b) {
            return NULL;
        }
        if (g_ptr_array_find(bitmaps, b, NULL) || bitmaps->len == NBD_BITMAPS_MAX) {
            error_fail(errp, "bitmap '%s': one of at most %d that differ is possible", *names,
                       NBD_BITMAPS_MAX);
            return NULL;
        }
        g_ptr_array_add(bitmaps, b);
    }
    set_busy(bitmaps, true);
    return g_steal_pointer(&bitmaps);
}

void nbd_bitmaps_give_back(GPtrArray *bitmaps)
{
    set_busy(bitmaps, false);
    g_ptr_array_unref(bitmaps);
}

static char **context_names(const NbdExportSpec *spec)
{
    char **names = g_new0(char *, spec->n_bitmaps + 2);

    names[0] = g_strdup("base:allocation");
    for (unsigned i = 0; i < spec->n_bitmaps; i++) {
        names[i + 1] = g_strconcat("qemu:dirty-bitmap:", dirty_bitmap_name(spec->bitmaps[i]), NULL);
    }
    return names;
}

bool nbd_server_add(NbdServer *s, const NbdExportSpec *spec, Error **errp)
{
    const char *problem = nbd_name_problem(spec->name);
    NbdExport *e;
    bool taken;

    if (problem) {
        return error_fail(errp, "export name: %s", problem);
    }
    if (spec->description && nbd_name_problem(spec->description)) {
        return error_fail(errp, "export description: %s", nbd_name_problem(spec->description));
    }
    g_mutex_lock(&s->lock);
    taken = export_find(s, spec->name, strlen(spec->name));
    if (!taken) {
        e = g_new0(NbdExport, 1);
        e->name = g_strdup(spec->name);
        e->description = g_strdup(spec->description);
        e->target = spec->target;
        e->opaque = spec->opaque;
        e->size = spec->size;
        e->writable = spec->writable;
        e->contexts = context_names(spec);
        e->bitmaps = g_memdup2(spec->bitmaps, spec->n_bitmaps * sizeof(*spec->bitmaps));
        g_ptr_array_add(s->exports, e);
    }
    g_mutex_unlock(&s->lock);
    return !taken || error_fail(errp, "there is an export '%s' already", spec->name);
}

unsigned nbd_server_users(NbdServer *s, const char *name)
{
    NbdExport *e;
    unsigned users;

    g_mutex_lock(&s->lock);
    e = export_find(s, name, strlen(name));
    users = e ? e->users : 0;
    g_mutex_unlock(&s->lock);
    return users;
}

static void export_free(NbdExport *e)
{
    g_free(e->name);
    g_free(e->description);
    g_free(e->bitmaps);
    g_strfreev(e->contexts);
    g_free(e);
}

void nbd_server_remove(NbdServer *s, const char *name)
{
    NbdExport *e;

    g_mutex_lock(&s->lock);
    e = export_find(s, name, strlen(name));
    if (e) {
        e->removed = true;
        g_ptr_array_remove(s->exports, e);
        for (guint i = 0; i < s->conns->len; i++) {
            NbdConn *c = g_ptr_array_index(s->conns, i);

            if (c->export == e) {
                nbd_break(c);
            }
        }
        while (e->users) {
            g_cond_wait(&s->changed, &s->lock);
        }
        export_free(e);
    }
    g_mutex_unlock(&s->lock);
}

/* --- Connections --- */

static void wake_listener(NbdServer *s)
{
    uint64_t one = 1;

    (void)!write(s->wake_fd, &one, sizeof(one));
}

/* A client that does not read the handshake's answers is dropped as one that does not ask is. */
static void limit_sending(int fd, unsigned seconds)
{
    struct timeval limit = {.tv_sec = seconds};

    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

void nbd_change_socket(NbdConn *c, int fd)
{
    limit_sending(fd, c->server->spec.handshake_seconds);
    g_mutex_lock(&c->server->lock); /* that of whoever ends connections */
    c->fd = fd;
    g_mutex_unlock(&c->server->lock);
}

struct TlsCreds *nbd_server_tls(const NbdServer *s)
{
    return s->spec.tls;
}

/* The end of a connection's thread: nothing of it, nor of the server, is touched afterwards. */
static void conn_end(NbdConn *c)
{
    NbdServer *s = c->server;
    bool last;

    nbd_verbose(c, "has gone");
    if (c->export) {
        nbd_export_put(s, c->export);
    }
    g_mutex_lock(&s->lock);
    g_ptr_array_remove_fast(s->conns, c);
    close(c->fd);
    last = c->export && !s->conns->len;
    if (last && s->spec.last_left) {
        s->spec.last_left(s->spec.opaque);
    }
    wake_listener(s);
    g_mutex_clear(&c->lock);
    g_mutex_clear(&c->send_lock);
    g_cond_clear(&c->ended);
    g_free(c->contexts_of);
    g_free(c);
    g_cond_broadcast(&s->changed);
    g_mutex_unlock(&s->lock);
}

static gpointer conn_thread(gpointer opaque)
{
    NbdConn *c = opaque;

    limit_sending(c->fd, c->server->spec.handshake_seconds);
    if (nbd_negotiate(c)) {
        limit_sending(c->fd, 0);
        nbd_serve_requests(c);
    }
    conn_end(c);
    return NULL;
}

static void conn_new(NbdServer *s, int fd)
{
    unsigned limit = s->spec.handshake_seconds;
    NbdConn *c = g_new0(NbdConn, 1);
    GThread *thread;
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* fails on Unix: no matter */
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    c->server = s;
    c->fd = fd;
    c->deadline = limit ? g_get_monotonic_time() + limit * G_USEC_PER_SEC : 0;
    g_mutex_init(&c->lock);
    g_mutex_init(&c->send_lock);
    g_cond_init(&c->ended);
    g_ptr_array_add(s->conns, c);
    thread = g_thread_try_new("nbd", conn_thread, c, NULL);
    if (thread) {
        g_thread_unref(thread);
        return;
    }
    report("an NBD client is sent away: there can be no more threads");
    g_ptr_array_remove_fast(s->conns, c);
    close(fd);
    g_free(c);
}

/* --- Listening --- */

static bool full(const NbdServer *s)
{
    return s->spec.max_connections && s->conns->len >= s->spec.max_connections;
}

/* Where to wait: with as many clients as there may be, for the end of one. */
static nfds_t gather(NbdServer *s, struct pollfd *fds)
{
    nfds_t n = 0;

    fds[n++] = (struct pollfd){.fd = s->wake_fd, .events = POLLIN};
    for (unsigned i = 0; !full(s) && i < s->n_listen; i++) {
        fds[n++] = (struct pollfd){.fd = s->listen_fds[i], .events = POLLIN};
    }
    return n;
}

static void accept_client(NbdServer *s, int listen_fd)
{
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0) {
        conn_new(s, fd);
    } else if (errno == EMFILE || errno == ENFILE) {
        g_usleep(10 * 1000); /* until somebody gives one back */
    }
}

static gpointer listen_thread(gpointer opaque)
{
    NbdServer *s = opaque;
    struct pollfd fds[LISTEN_MAX + 1];
    uint64_t woken;
    nfds_t n;

    g_mutex_lock(&s->lock);
    while (!s->stopping) {
        n = gather(s, fds);
        g_mutex_unlock(&s->lock);
        poll(fds, n, -1);
        if (fds[0].revents) {
            (void)!read(s->wake_fd, &woken, sizeof(woken));
        }
        g_mutex_lock(&s->lock);
        for (nfds_t i = 1; i < n && !s->stopping && !full(s); i++) {
            if (fds[i].revents) {
                accept_client(s, fds[i].fd);
            }
        }
    }
    g_mutex_unlock(&s->lock);
    return NULL;
}

void nbd_server_listen(NbdServer *s, int fd)
{
    g_mutex_lock(&s->lock);
    g_assert(s->n_listen < LISTEN_MAX);
    s->listen_fds[s->n_listen++] = fd;
    g_mutex_unlock(&s->lock);
    wake_listener(s);
}

/* --- The server --- */

NbdServer *nbd_server_new(const NbdServerSpec *spec)
{
    NbdServer *s = g_new0(NbdServer, 1);

    s->spec = *spec;
    s->spec.tls = spec->tls ? tls_creds_ref(spec->tls) : NULL;
    g_mutex_init(&s->lock);
    g_cond_init(&s->changed);
    s->exports = g_ptr_array_new();
    s->conns = g_ptr_array_new();
    s->wake_fd = eventfd(0, EFD_CLOEXEC);
    s->listener = g_thread_new("nbd-listen", listen_thread, s);
    return s;
}

static void end_connections(NbdServer *s)
{
    g_mutex_lock(&s->lock);
    for (guint i = 0; i < s->conns->len; i++) {
        nbd_break(g_ptr_array_index(s->conns, i));
    }
    while (s->conns->len) {
        g_cond_wait(&s->changed, &s->lock);
    }
    g_mutex_unlock(&s->lock);
}

void nbd_server_free(NbdServer *s)
{
    g_mutex_lock(&s->lock);
    s->stopping = true;
    g_mutex_unlock(&s->lock);
    wake_listener(s);
    g_thread_join(s->listener);
    end_connections(s);
    for (unsigned i = 0; i < s->n_listen; i++) {
        close(s->listen_fds[i]);
    }
    for (guint i = 0; i < s->exports->len; i++) {
        export_free(g_ptr_array_index(s->exports, i));
    }
    g_ptr_array_unref(s->exports);
    g_ptr_array_unref(s->conns);
    tls_creds_unref(s->spec.tls);
    close(s->wake_fd);
    g_mutex_clear(&s->lock);
    g_cond_clear(&s->changed);
    g_free(s);
}

/* --- Nodes as targets --- */

static int node_read(void *opaque, uint64_t offset, void *buf, size_t len)
{
    return block_pread(opaque, offset, buf, len);
}

static int node_write(void *opaque, uint64_t offset, const void *buf, size_t len, bool fua)
{
    int ret = block_pwrite(opaque, offset, buf, len);

    return !ret && (fua || block_writethrough(opaque)) ? block_flush(opaque) : ret;
}

static int node_flush(void *opaque)
{
    return block_flush(opaque);
}

static int node_discard(void *opaque, uint64_t offset, uint64_t len)
{
    return block_discard(opaque, offset, len);
}

static int node_write_zeroes(void *opaque, uint64_t offset, uint64_t len, bool may_unmap)
{
    return block_write_zeroes(opaque, offset, len, may_unmap);
}

static int node_status(void *opaque, uint64_t offset, uint64_t len, BlockStatus *st)
{
    return block_status_chain(opaque, NULL, offset, len, st);
}

const NbdTarget nbd_node_target = {
    .read = node_read,
    .write = node_write,
    .flush = node_flush,
    .discard = node_discard,
    .write_zeroes = node_write_zeroes,
    .status = node_status,
};
