/* SPDX-License-Identifier: MIT */
/*
 * Exports of a running machine's images.  The NBD server's threads hand their requests to the main loop, which
 * gives them to the block backend as a device would, and wait: so whatever drains the backend or puts
 * another node behind it need not know of them.
 */
#include "rhea/osdep.h"

#include "block/block.h"
#include "block/dirty-bitmap.h"
#include "block/export.h"
#include "block/nbd-server.h"
#include "block/tls.h"
#include "rhea/defer.h"
#include "rhea/json.h"
#include "softmmu/runstate.h"

/* Requests on their way to the main loop. */
typedef struct Bridge {
    BlockBackend *blk; /* machine lock */
    bool writethrough;
    GMutex lock;
    GCond answered;
    /* under lock */
    GQueue waiting; /* BridgeRequest */
    bool closed;    /* requests are refused */
    unsigned refs;  /* the export, and a call that is deferred */
} Bridge;

typedef enum BridgeKind {
    BRIDGE_READ,
    BRIDGE_WRITE,
    BRIDGE_FLUSH,
    BRIDGE_DISCARD,
    BRIDGE_ZERO,
    BRIDGE_STATUS,
} BridgeKind;

/* On the stack of the thread that waits for it. */
typedef struct BridgeRequest {
    Bridge *b;
    BridgeKind kind;
    uint64_t offset, len;
    struct iovec iov;
    bool fua, may_unmap;
    BlockStatus *status;
    /* under lock */
    bool done;
    int ret;
} BridgeRequest;

typedef struct Export {
    char *id, *name;
    Bridge *b;
    GPtrArray *bitmaps; /* DirtyBitmap; NULL: none */
} Export;

static struct {
    NbdServer *server; /* NULL: there is none */
    char *path;        /* of its socket, NULL: none */
    GPtrArray *exports;
} state;

/* --- Through the main loop --- */

static void bridge_unref(Bridge *b)
{
    bool last;

    g_mutex_lock(&b->lock);
    last = --b->refs == 0;
    g_mutex_unlock(&b->lock);
    if (last) {
        g_mutex_clear(&b->lock);
        g_cond_clear(&b->answered);
        g_free(b);
    }
}

static void bridge_answer(void *opaque, int ret)
{
    BridgeRequest *r = opaque;
    Bridge *b = r->b;

    g_mutex_lock(&b->lock);
    r->ret = ret;
    r->done = true;
    g_cond_broadcast(&b->answered);
    g_mutex_unlock(&b->lock);
}

static void bridge_submit(BridgeRequest *r)
{
    BlockBackend *blk = r->b->blk;

    switch (r->kind) {
    case BRIDGE_READ: blk_preadv(blk, r->offset, &r->iov, 1, bridge_answer, r); break;
    case BRIDGE_WRITE: blk_pwritev(blk, r->offset, &r->iov, 1, r->fua, bridge_answer, r); break;
    case BRIDGE_FLUSH: blk_flush(blk, bridge_answer, r); break;
    case BRIDGE_DISCARD: blk_discard(blk, r->offset, r->len, bridge_answer, r); break;
    case BRIDGE_ZERO:
        blk_write_zeroes(blk, r->offset, r->len, r->may_unmap, bridge_answer, r);
        break;
    case BRIDGE_STATUS: blk_status(blk, r->offset, r->len, r->status, bridge_answer, r); break;
    }
}

/* In the main loop: what waits begins. */
static void bridge_run(void *opaque)
{
    Bridge *b = opaque;
    BridgeRequest *r;

    for (;;) {
        g_mutex_lock(&b->lock);
        r = g_queue_pop_head(&b->waiting);
        g_mutex_unlock(&b->lock);
        if (!r) {
            break;
        }
        bridge_submit(r);
    }
    bridge_unref(b);
}

/* Any thread but the main one. */
static int bridge_call(BridgeRequest *r)
{
    Bridge *b = r->b;

    g_mutex_lock(&b->lock);
    if (b->closed) {
        g_mutex_unlock(&b->lock);
        return -ESHUTDOWN;
    }
    if (g_queue_is_empty(&b->waiting)) {
        b->refs++;
        main_loop_defer(bridge_run, b);
    }
    g_queue_push_tail(&b->waiting, r);
    while (!r->done) {
        g_cond_wait(&b->answered, &b->lock);
    }
    g_mutex_unlock(&b->lock);
    return r->ret;
}

/* Main thread: nobody waits for it any more when this returns. */
static void bridge_close(Bridge *b)
{
    BridgeRequest *r;

    g_mutex_lock(&b->lock);
    b->closed = true;
    while ((r = g_queue_pop_head(&b->waiting))) {
        r->ret = -ESHUTDOWN;
        r->done = true;
    }
    g_cond_broadcast(&b->answered);
    g_mutex_unlock(&b->lock);
    blk_drain(b->blk);
}

/* --- What the NBD server calls --- */

static int export_read(void *opaque, uint64_t offset, void *buf, size_t len)
{
    BridgeRequest r = {.b = opaque, .kind = BRIDGE_READ, .offset = offset, .iov = {buf, len}};

    return bridge_call(&r);
}

static int export_write(void *opaque, uint64_t offset, const void *buf, size_t len, bool fua)
{
    Bridge *b = opaque;
    BridgeRequest r = {.b = b,
                       .kind = BRIDGE_WRITE,
                       .offset = offset,
                       .iov = {(void *)buf, len},
                       .fua = fua || b->writethrough};

    return bridge_call(&r);
}

static int export_flush(void *opaque)
{
    BridgeRequest r = {.b = opaque, .kind = BRIDGE_FLUSH};

    return bridge_call(&r);
}

static int export_discard(void *opaque, uint64_t offset, uint64_t len)
{
    BridgeRequest r = {.b = opaque, .kind = BRIDGE_DISCARD, .offset = offset, .len = len};

    return bridge_call(&r);
}

static int export_write_zeroes(void *opaque, uint64_t offset, uint64_t len, bool may_unmap)
{
    BridgeRequest r = {
        .b = opaque, .kind = BRIDGE_ZERO, .offset = offset, .len = len, .may_unmap = may_unmap};

    return bridge_call(&r);
}

static int export_status(void *opaque, uint64_t offset, uint64_t len, BlockStatus *st)
{
    BridgeRequest r = {
        .b = opaque, .kind = BRIDGE_STATUS, .offset = offset, .len = len, .status = st};

    return bridge_call(&r);
}

static const NbdTarget export_target = {
    .read = export_read,
    .write = export_write,
    .flush = export_flush,
    .discard = export_discard,
    .write_zeroes = export_write_zeroes,
    .status = export_status,
};

/* --- The server --- */

static int server_socket(const ExportServerSpec *spec, Error **errp)
{
    return spec->fd >= 0 ? spec->fd
           : spec->path  ? nbd_listen_unix(spec->path, errp)
                         : nbd_listen_tcp(spec->host, spec->port, errp);
}

bool export_server_start(const ExportServerSpec *spec, Error **errp)
{
    NbdServerSpec server = {.max_connections = spec->max_connections,
                            .handshake_seconds = spec->handshake_seconds};
    int fd;

    if (state.server) {
        if (spec->fd >= 0) {
            close(spec->fd);
        }
        return error_fail(errp, "NBD server already running");
    }
    server.tls = spec->tls ? tls_creds_get(spec->tls, true, errp) : NULL;
    fd = spec->tls && !server.tls ? -1 : server_socket(spec, errp);
    if (fd < 0) {
        tls_creds_unref(server.tls);
        return false;
    }
    state.server = nbd_server_new(&server);
    tls_creds_unref(server.tls);
    state.path = g_strdup(spec->path);
    state.exports = g_ptr_array_new();
    nbd_server_listen(state.server, fd);
    return true;
}

bool export_server_runs(void)
{
    return state.server;
}

bool export_server_stop(Error **errp)
{
    if (!state.server) {
        return error_fail(errp, "NBD server not running");
    }
    while (state.exports->len) {
        const Export *e = g_ptr_array_index(state.exports, 0);

        if (!export_del(e->id, true, errp)) {
            return false;
        }
    }
    nbd_server_free(state.server);
    g_ptr_array_unref(state.exports);
    if (state.path) {
        unlink(state.path);
    }
    g_free(state.path);
    memset(&state, 0, sizeof(state));
    return true;
}

/* --- Exports --- */

static Export *export_find(const char *id)
{
    for (guint i = 0; state.exports && i < state.exports->len; i++) {
        Export *e = g_ptr_array_index(state.exports, i);

        if (!strcmp(e->id, id)) {
            return e;
        }
    }
    return NULL;
}

static void export_free(Export *e)
{
    if (e->bitmaps) {
        block_graph_change_begin();
        nbd_bitmaps_give_back(e->bitmaps);
        block_graph_change_end();
    }
    blk_free_export(e->b->blk);
    bridge_unref(e->b);
    g_free(e->id);
    g_free(e->name);
    g_free(e);
}

static Export *export_new(const ExportSpec *spec, BlockBackend *blk)
{
    Export *e = g_new0(Export, 1);
    Bridge *b = g_new0(Bridge, 1);

    b->blk = blk;
    b->writethrough = spec->writethrough;
    b->refs = 1;
    g_queue_init(&b->waiting);
    g_mutex_init(&b->lock);
    g_cond_init(&b->answered);
    e->b = b;
    e->id = g_strdup(spec->id);
    e->name = g_strdup(spec->name ? spec->name : spec->image);
    return e;
}

bool export_add(const ExportSpec *spec, Error **errp)
{
    g_autofree char *owner = g_strdup_printf("export '%s'", spec->id);
    NbdExportSpec nbd = {
        .description = spec->description, .target = &export_target, .writable = spec->writable};
    BlockBackend *blk;
    Export *e;

    if (!state.server) {
        return error_fail(errp, "NBD server not running");
    }
    if (export_find(spec->id)) {
        return error_fail(errp, "Block export id '%s' is already in use", spec->id);
    }
    blk = blk_new_export(spec->image, owner, spec->writable, errp);
    if (!blk) {
        return false;
    }
    e = export_new(spec, blk);
    nbd.name = e->name;
    nbd.opaque = e->b;
    nbd.size = blk_size(blk);
    if (spec->bitmaps) {
        block_graph_change_begin();
        e->bitmaps = nbd_bitmaps_take(blk_node(blk), spec->bitmaps, errp);
        block_graph_change_end();
        if (!e->bitmaps) {
            export_free(e);
            return false;
        }
        nbd.bitmaps = (DirtyBitmap *const *)e->bitmaps->pdata;
        nbd.n_bitmaps = e->bitmaps->len;
    }
    if (!nbd_server_add(state.server, &nbd, errp)) {
        export_free(e);
        return false;
    }
    g_ptr_array_add(state.exports, e);
    return true;
}

static char *deleted_data(const char *id)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    JsonObject *data = json_object_new();

    json_object_set_string_member(data, "id", id);
    json_node_take_object(node, data);
    return json_text(node, false);
}

bool export_del(const char *id, bool hard, Error **errp)
{
    Export *e = export_find(id);
    g_autofree char *data = NULL;

    if (!e) {
        return error_fail(errp, "Export '%s' is not found", id);
    }
    if (!hard && nbd_server_users(state.server, e->name)) {
        return error_fail(errp, "export '%s' still in use", id);
    }
    data = deleted_data(id);
    bridge_close(e->b);
    nbd_server_remove(state.server, e->name);
    g_ptr_array_remove(state.exports, e);
    export_free(e);
    event_emit("BLOCK_EXPORT_DELETED", data);
    return true;
}

void export_foreach(void (*fn)(void *opaque, const ExportInfo *info), void *opaque)
{
    for (guint i = 0; state.exports && i < state.exports->len; i++) {
        const Export *e = g_ptr_array_index(state.exports, i);
        ExportInfo info = {e->id, blk_node_name(e->b->blk)};

        fn(opaque, &info);
    }
}
