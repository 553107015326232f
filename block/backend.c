/* SPDX-License-Identifier: MIT */
/*
 * Block backends: what devices see.  Requests run on worker threads; completions run under the machine
 * lock, in the main loop or in whoever drains.
 */
#include "rhea/osdep.h"

#include "backend.h"
#include "graph.h"
#include "on-error.h"
#include "throttle.h"
#include "workers.h"
#include "rhea/defer.h"
#include "rhea/iov.h"

/* SLEEPERS: workers that wait for a limit, and so many others work in their place. */
enum { WORKERS = 16, SLEEPERS = 256 };

typedef enum RequestKind {
    REQ_READ,
    REQ_WRITE,
    REQ_FLUSH,
    REQ_DISCARD,
    REQ_ZERO,
    REQ_STATUS,
} RequestKind;

struct BlockRequest {
    BlockBackend *blk;
    RequestKind kind;
    uint64_t offset, len;
    bool fua, may_unmap;
    BlockComplete done;
    void *opaque;
    BlockStatus *status; /* the answer to REQ_STATUS */
    int ret;
    int niov;
    struct iovec iov[];
};

static GPtrArray *backends;

/* Finished requests on their way back; any thread. */
struct BlockFinished {
    GMutex lock;
    GCond arrived;
    GQueue queue;
    void (*wake)(void *opaque); /* NULL: the main loop */
    void *opaque;
};

static BlockFinished main_finished = {.queue = G_QUEUE_INIT};

/* --- Running requests --- */

/* Writes that must be on stable storage when they complete. */
static int request_write(BlockRequest *r)
{
    BlockNode *n = r->blk->node;
    int ret = block_pwritev(n, r->offset, r->iov, r->niov);

    return !ret && (r->fua || n->writethrough) ? block_flush(n) : ret;
}

static int request_execute(BlockRequest *r)
{
    BlockNode *n = r->blk->node;

    switch (r->kind) {
    case REQ_READ: return block_preadv(n, r->offset, r->iov, r->niov);
    case REQ_WRITE: return request_write(r);
    case REQ_FLUSH: return block_flush(n);
    case REQ_DISCARD: return block_discard(n, r->offset, r->len);
    case REQ_ZERO: return block_write_zeroes(n, r->offset, r->len, r->may_unmap && n->unmap);
    case REQ_STATUS: return block_status_chain(n, NULL, r->offset, r->len, r->status);
    }
    return -ENOTSUP;
}

static BlockInfo backend_info(const BlockBackend *blk);

static void request_complete(BlockRequest *r)
{
    r->done(r->opaque, r->ret);
    g_free(r);
}

/* True: the request failed, and waits to be tried again. */
static bool request_waits(BlockRequest *r)
{
    BlockBackend *blk = r->blk;
    bool write = r->kind != REQ_READ;
    BlockFate fate;
    BlockInfo info;

    if (!r->ret || blk->is_export) {
        return false;
    }
    blk->errors++;
    fate = block_on_error_fate(write ? blk->on_write_error : blk->on_read_error, r->ret);
    info = backend_info(blk);
    block_on_error_tell(&info, write, fate, r->ret);
    r->ret = fate == BLOCK_FATE_IGNORE ? 0 : r->ret;
    if (fate == BLOCK_FATE_STOP) {
        g_queue_push_tail(&blk->failed, r);
    }
    return fate == BLOCK_FATE_STOP;
}

void block_finished_run(BlockFinished *f)
{
    for (;;) {
        BlockRequest *r;

        g_mutex_lock(&f->lock);
        r = g_queue_pop_head(&f->queue);
        g_mutex_unlock(&f->lock);
        if (!r) {
            return;
        }
        r->blk->in_flight--;
        if (!request_waits(r)) {
            request_complete(r);
        }
    }
}

static void run_main_finished(void *unused)
{
    block_finished_run(&main_finished);
}

static void request_finish(BlockRequest *r, int ret)
{
    BlockFinished *f = r->blk->finished;
    bool first;

    r->ret = ret;
    g_mutex_lock(&f->lock);
    first = g_queue_is_empty(&f->queue);
    g_queue_push_tail(&f->queue, r);
    g_cond_broadcast(&f->arrived);
    g_mutex_unlock(&f->lock);
    if (first && f->wake) {
        f->wake(f->opaque);
    } else if (first) {
        main_loop_defer(run_main_finished, NULL);
    }
}

BlockFinished *block_finished_new(void (*wake)(void *opaque), void *opaque)
{
    BlockFinished *f = g_new0(BlockFinished, 1);

    g_mutex_init(&f->lock);
    g_cond_init(&f->arrived);
    g_queue_init(&f->queue);
    f->wake = wake;
    f->opaque = opaque;
    return f;
}

void block_finished_free(BlockFinished *f)
{
    g_mutex_clear(&f->lock);
    g_cond_clear(&f->arrived);
    g_free(f);
}

void block_set_finished(BlockBackend *blk, BlockFinished *f)
{
    blk->finished = f ? f : &main_finished;
}

static void worker(void *work)
{
    BlockRequest *r = work;

    request_finish(r, request_execute(r));
}

/* What is wrong with the request before it is tried, or 0. */
static int request_check(const BlockRequest *r)
{
    const BlockNode *n = r->blk->node;

    if (!n) {
        return -ENOMEDIUM;
    }
    if (r->offset > n->size || r->len > n->size - r->offset) {
        return -EIO;
    }
    return n->read_only && r->kind != REQ_READ && r->kind != REQ_FLUSH && r->kind != REQ_STATUS
               ? -EPERM
               : 0;
}

/* Limits of one drive do not keep others from their workers. */
static void replace_sleepers(unsigned sleepers)
{
    workers_set_limit(WORKERS + MIN(sleepers, SLEEPERS));
}

static void request_start(BlockRequest *r)
{
    r->blk->in_flight++;
    r->ret = request_check(r);
    if (r->ret) {
        request_finish(r, r->ret);
        return;
    }
    workers_push(worker, r);
}

static void submit(BlockBackend *blk, RequestKind kind, uint64_t offset, uint64_t len,
                   const struct iovec *iov, int niov, int flags, BlockComplete done, void *opaque)
{
    BlockRequest *r = g_malloc0(sizeof(*r) + niov * sizeof(*iov));

    r->blk = blk;
    r->kind = kind;
    r->offset = offset;
    r->len = len;
    r->fua = r->may_unmap = flags;
    r->done = done;
    r->opaque = opaque;
    r->niov = niov;
    if (niov) {
        memcpy(r->iov, iov, niov * sizeof(*iov));
    }
    request_start(r);
}

void blk_preadv(BlockBackend *blk, uint64_t offset, const struct iovec *iov, int niov,
                BlockComplete done, void *opaque)
{
    uint64_t len = iov_length(iov, niov);

    blk->reads++;
    blk->read_bytes += len;
    submit(blk, REQ_READ, offset, len, iov, niov, 0, done, opaque);
}

void blk_pwritev(BlockBackend *blk, uint64_t offset, const struct iovec *iov, int niov, bool fua,
                 BlockComplete done, void *opaque)
{
    uint64_t len = iov_length(iov, niov);

    blk->writes++;
    blk->written_bytes += len;
    submit(blk, REQ_WRITE, offset, len, iov, niov, fua, done, opaque);
}

void blk_flush(BlockBackend *blk, BlockComplete done, void *opaque)
{
    blk->flushes++;
    submit(blk, REQ_FLUSH, 0, 0, NULL, 0, 0, done, opaque);
}

void blk_discard(BlockBackend *blk, uint64_t offset, uint64_t len, BlockComplete done, void *opaque)
{
    submit(blk, REQ_DISCARD, offset, len, NULL, 0, 0, done, opaque);
}

void blk_write_zeroes(BlockBackend *blk, uint64_t offset, uint64_t len, bool may_unmap,
                      BlockComplete done, void *opaque)
{
    submit(blk, REQ_ZERO, offset, len, NULL, 0, may_unmap, done, opaque);
}

void blk_status(BlockBackend *blk, uint64_t offset, uint64_t len, BlockStatus *st,
                BlockComplete done, void *opaque)
{
    BlockRequest *r = g_new0(BlockRequest, 1);

    r->blk = blk;
    r->kind = REQ_STATUS;
    r->offset = offset;
    r->len = len;
    r->status = st;
    r->done = done;
    r->opaque = opaque;
    request_start(r);
}

static void drain(BlockBackend *blk)
{
    BlockFinished *f = blk->finished;

    block_finished_run(f);
    if (!blk->in_flight) {
        return;
    }
    block_hurry(true);
    while (blk->in_flight) {
        g_mutex_lock(&f->lock);
        while (g_queue_is_empty(&f->queue)) {
            g_cond_wait(&f->arrived, &f->lock);
        }
        g_mutex_unlock(&f->lock);
        block_finished_run(f);
    }
    block_hurry(false);
}

void blk_drain(BlockBackend *blk)
{
    BlockRequest *r;

    do {
        drain(blk);
        while ((r = g_queue_pop_head(&blk->failed))) {
            request_complete(r);
        }
    } while (blk->in_flight);
}

void blk_retry_failed(void)
{
    for (guint i = 0; backends && i < backends->len; i++) {
        BlockBackend *blk = g_ptr_array_index(backends, i);
        GQueue failed = blk->failed;
        BlockRequest *r;

        g_queue_init(&blk->failed);
        while ((r = g_queue_pop_head(&failed))) {
            request_start(r);
        }
    }
}

void blk_give_up_failed(void)
{
    for (guint i = 0; backends && i < backends->len; i++) {
        blk_drain(g_ptr_array_index(backends, i));
    }
}

bool blk_nothing_failed(Error **errp)
{
    for (guint i = 0; backends && i < backends->len; i++) {
        BlockBackend *blk = g_ptr_array_index(backends, i);

        if (!g_queue_is_empty(&blk->failed)) {
            return error_fail(errp,
                              "drive '%s' has requests that failed and are tried again when the VM "
                              "goes on: its state cannot be saved before that",
                              blk->name);
        }
    }
    return true;
}

void blk_drain_all(void)
{
    bool again;

    do { /* what completes may ask for more, of another backend, too */
        again = false;
        for (guint i = 0; backends && i < backends->len; i++) {
            BlockBackend *blk = g_ptr_array_index(backends, i);

            again |= blk->in_flight > 0;
            drain(blk);
        }
    } while (again);
}

void block_finished_after_fork(BlockFinished *f)
{
    g_mutex_init(&f->lock);
    g_cond_init(&f->arrived);
}

void block_backends_after_fork(void)
{
    block_finished_after_fork(&main_finished);
    workers_after_fork();
}

void block_graph_change_begin(void)
{
    block_users_stop();
    blk_drain_all();
}

void block_graph_change_end(void)
{
    block_users_go();
}

int blk_flush_all(void)
{
    int first = 0;

    blk_drain_all();
    for (guint i = 0; backends && i < backends->len; i++) {
        BlockBackend *blk = g_ptr_array_index(backends, i);
        BlockNode *n = blk->node;
        int ret = n ? block_flush(n) : 0;

        first = first ? first : ret;
    }
    return first;
}

/* --- Blocking forms --- */

static int blocking(BlockBackend *blk, RequestKind kind, uint64_t offset, void *buf, size_t len)
{
    BlockRequest *r = g_malloc0(sizeof(*r) + sizeof(struct iovec));
    int ret;

    r->blk = blk;
    r->kind = kind;
    r->offset = offset;
    r->len = len;
    r->niov = 1;
    r->iov[0] = (struct iovec){buf, len};
    ret = request_check(r);
    ret = ret ? ret : request_execute(r);
    g_free(r);
    return ret;
}

int blk_pread(BlockBackend *blk, uint64_t offset, void *buf, size_t len)
{
    return blocking(blk, REQ_READ, offset, buf, len);
}

int blk_pwrite(BlockBackend *blk, uint64_t offset, const void *buf, size_t len)
{
    return blocking(blk, REQ_WRITE, offset, (void *)buf, len);
}

/* --- Ownership and questions --- */

/* Another user of the node of @blk, one that may write to it if @writers; NULL: there is none. */
static const BlockBackend *other_user(const BlockBackend *blk, bool writers)
{
    for (guint i = 0; backends && i < backends->len; i++) {
        const BlockBackend *other = g_ptr_array_index(backends, i);

        if (other != blk && other->node == blk->node && other->owner &&
            (!writers || other->may_write || (!other->is_export && !other->node->read_only))) {
            return other;
        }
    }
    return NULL;
}

bool blk_attach(BlockBackend *blk, void *owner, const char *owner_name, Error **errp)
{
    const BlockBackend *other = blk->node ? other_user(blk, true) : NULL;

    if (blk->owner) {
        return error_fail(errp, "drive '%s' is in use by %s", blk->name, blk->owner_name);
    }
    if (other) {
        return error_fail(errp, "drive '%s': its image is written to by %s", blk->name,
                          other->owner_name);
    }
    if (blk->node && !block_claim_file(owner_name, blk->node, errp)) {
        return false;
    }
    blk->owner = owner;
    blk->owner_name = g_strdup(owner_name);
    return true;
}

void blk_detach(BlockBackend *blk, void *owner)
{
    if (blk->owner == owner) {
        blk_drain(blk);
        blk->owner = NULL;
        blk->resized = NULL;
        block_set_finished(blk, NULL);
        g_clear_pointer(&blk->owner_name, g_free);
    }
}

void blk_on_resize(BlockBackend *blk, void (*fn)(void *owner))
{
    blk->resized = fn;
    blk->told_size = blk_size(blk);
}

void block_backends_tell_sizes(void)
{
    for (guint i = 0; backends && i < backends->len; i++) {
        BlockBackend *blk = g_ptr_array_index(backends, i);

        if (blk->resized && blk->told_size != blk_size(blk)) {
            blk->told_size = blk_size(blk);
            blk->resized(blk->owner);
        }
    }
}

bool blk_set_on_error(BlockBackend *blk, BlockOnError read, BlockOnError write, Error **errp)
{
    if (read == BLOCK_ON_ERROR_ENOSPC) {
        return error_fail(errp,
                          "drive '%s': rerror=enospc is not possible (accepted: report, ignore, "
                          "stop)",
                          blk->name);
    }
    blk->on_read_error = read ? read : blk->on_read_error;
    blk->on_write_error = write ? write : blk->on_write_error;
    return true;
}

void blk_foreach(void (*fn)(BlockBackend *blk, void *opaque), void *opaque)
{
    for (guint i = 0; backends && i < backends->len; i++) {
        fn(g_ptr_array_index(backends, i), opaque);
    }
}

BlockNode *blk_node(BlockBackend *blk)
{
    return block_skip_filters(blk->node);
}

uint64_t blk_size(BlockBackend *blk)
{
    return blk->node ? blk->node->size : 0;
}

bool blk_read_only(BlockBackend *blk)
{
    return blk->node && blk->node->read_only;
}

bool blk_inserted(BlockBackend *blk)
{
    return blk->node;
}

bool blk_is_cdrom(BlockBackend *blk)
{
    return blk->cdrom;
}

const char *blk_name(BlockBackend *blk)
{
    return blk->name;
}

/* --- Making them --- */

BlockBackend *block_backend_at(guint i)
{
    return backends && i < backends->len ? g_ptr_array_index(backends, i) : NULL;
}

BlockBackend *block_backend_find(const char *name)
{
    for (guint i = 0; backends && i < backends->len; i++) {
        BlockBackend *blk = g_ptr_array_index(backends, i);

        if (!blk->is_export && !strcmp(blk->name, name)) {
            return blk;
        }
    }
    return NULL;
}

BlockBackend *block_backend_new(const char *name, BlockNode *node)
{
    BlockBackend *blk = g_new0(BlockBackend, 1);

    blk->name = g_strdup(name);
    blk->node = node;
    blk->on_read_error = BLOCK_ON_ERROR_REPORT;
    blk->on_write_error = BLOCK_ON_ERROR_ENOSPC;
    g_queue_init(&blk->failed);
    block_set_finished(blk, NULL);
    if (!backends) {
        backends = g_ptr_array_new();
        block_on_sleep(replace_sleepers);
    }
    g_ptr_array_add(backends, blk);
    return blk;
}

void block_backend_free(BlockBackend *blk)
{
    g_ptr_array_remove(backends, blk);
    block_node_unref(blk->node);
    g_free(blk->name);
    g_free(blk->owner_name);
    g_free(blk);
}

/* A -blockdev node becomes a backend when a device names it. */
BlockBackend *blk_by_name(const char *id)
{
    BlockBackend *blk = block_backend_find(id);
    BlockNode *node = blk ? NULL : block_node_find(id);

    return node ? block_backend_new(id, block_node_ref(node)) : blk;
}

/* --- Exports --- */

static bool export_may_write(BlockBackend *blk, Error **errp)
{
    BlockNode *n = blk->node;
    const BlockBackend *other = other_user(blk, false);

    if (n->read_only && !n->auto_read_only) {
        return error_fail(errp, "Block node is read-only");
    }
    if (n->writer || other) {
        return error_fail(errp, "node '%s' is in use by %s: it can be exported read-only",
                          n->name ? n->name : n->filename,
                          other ? other->owner_name : n->writer->filename);
    }
    return block_set_read_only(n, false, errp) && block_claim_file(blk->name, n, errp);
}

BlockBackend *blk_new_export(const char *name, const char *owner, bool writes, Error **errp)
{
    BlockBackend *drive = block_backend_find(name), *blk;
    BlockNode *n = drive ? drive->node : block_node_find(name);

    if (!n) {
        error_fail(errp, "Cannot find device='' nor node-name='%s'", name);
        return NULL;
    }
    blk = block_backend_new(owner, block_node_ref(n));
    blk->is_export = true;
    blk->owner = blk;
    blk->owner_name = g_strdup(owner);
    blk->may_write = writes;
    if (writes && !export_may_write(blk, errp)) {
        blk_free_export(blk);
        return NULL;
    }
    return blk;
}

void blk_free_export(BlockBackend *blk)
{
    blk_drain(blk);
    block_backend_free(blk);
}

const char *blk_node_name(BlockBackend *blk)
{
    return blk->node && blk->node->name ? blk->node->name : "";
}

bool blk_del_blockdev(const char *name, Error **errp)
{
    BlockNode *node = block_node_find(name);

    if (!node) {
        return error_fail(errp, "Failed to find node with node-name='%s'", name);
    }
    for (guint i = 0; backends && i < backends->len; i++) {
        BlockBackend *blk = g_ptr_array_index(backends, i);

        if (blk->node == node && !blk->owner && !strcmp(blk->name, name)) {
            /* Made for a device that has gone. */
            block_backend_free(blk);
            break;
        }
    }
    if (node->refs > 1) {
        return error_fail(errp, "Node %s is in use", name);
    }
    block_node_forget(node);
    return true;
}

bool blk_new_blockdev(const char *optarg, Error **errp)
{
    g_autoptr(Opts) o = opts_parse("-blockdev", optarg, "driver", errp);
    BlockNode *node;
    bool ok;

    if (!o) {
        return false;
    }
    if (!opts_peek(o, "node-name")) {
        return error_fail(errp, "-blockdev: node-name= is missing");
    }
    if (!opts_peek(o, "driver")) {
        return error_fail(errp, "-blockdev: driver= is missing");
    }
    node = block_open_opts(o, 0, errp);
    ok = node && block_opts_done(o, node, NULL, errp);
    if (node && !ok) {
        block_node_forget(node);
    }
    block_node_unref(node); /* the graph keeps it by its name */
    return ok;
}

/* --- Changing the graph --- */

BlockNode *blk_find_top(const char *device)
{
    BlockBackend *blk = block_backend_find(device);

    return blk ? blk->node : block_node_find(device);
}

BlockNode *blk_find_node(const char *device, Error **errp)
{
    BlockNode *n = block_skip_filters(blk_find_top(device));

    if (!n) {
        error_fail(errp, "Cannot find device='%s' nor node-name='%s'", device, device);
    }
    return n;
}

bool block_unwritten(const BlockNode *n, Error **errp)
{
    const char *name = n->name ? n->name : n->filename;

    for (guint i = 0; backends && i < backends->len; i++) {
        const BlockBackend *blk = g_ptr_array_index(backends, i);

        if (blk->node == n && blk->owner && (blk->may_write || !blk->is_export)) {
            return error_fail(errp, "node '%s' is in use by %s", name, blk->owner_name);
        }
    }
    return !n->writer || error_fail(errp, "node '%s' is written to by '%s'", name,
                                    n->writer->name ? n->writer->name : n->writer->filename);
}

bool block_may_write(BlockNode *n, Error **errp)
{
    return block_unwritten(n, errp) && block_claim_file(n->name ? n->name : n->filename, n, errp);
}

void block_replace(BlockNode *from, BlockNode *to)
{
    block_node_ref(from);
    for (guint i = 0; backends && i < backends->len; i++) {
        BlockBackend *blk = g_ptr_array_index(backends, i);

        if (blk->node == from) {
            blk->node = block_node_ref(to);
            block_node_unref(from);
        }
    }
    block_replace_below(from, to);
    block_node_unref(from);
}

bool blk_set_limits(const char *drive, const uint64_t limits[6], const uint64_t max[6],
                    uint64_t iops_size, const char *group, Error **errp)
{
    BlockBackend *blk = block_backend_find(drive);
    ThrottleLimits l = {.iops_size = iops_size};
    ThrottleGroup *g;
    BlockNode *filter = NULL;

    if (!blk || !blk->node) {
        return error_fail(errp, "Device '%s' not found", drive);
    }
    memcpy(l.avg, limits, sizeof(l.avg));
    memcpy(l.max, max, sizeof(l.max));
    if (!throttle_check("throttling", &l, errp)) {
        return false;
    }
    g = throttle_group_of(blk->node);
    if (g) {
        throttle_group_set(g, &l);
        return true;
    }
    if (!throttle_any(&l)) {
        return true;
    }
    block_graph_change_begin();
    filter = throttle_put(blk->node, group ? group : drive, &l, errp);
    blk->node = filter ? filter : blk->node;
    block_graph_change_end();
    return filter;
}

/* --- Information --- */

static BlockInfo node_info(const BlockNode *n)
{
    int depth = 0;

    for (const BlockNode *below = n->backing; below; below = below->backing) {
        depth++;
    }
    return (BlockInfo){
        .image = (BlockNode *)n,
        .backing = n->backing ? n->backing->filename : NULL,
        .depth = depth,
        .node = n->name,
        .filename = n->filename,
        .driver = n->drv->name,
        .size = n->size,
        .read_only = n->read_only,
        .writethrough = n->writethrough,
        .direct = n->direct,
        .no_flush = n->no_flush,
    };
}

static BlockInfo backend_info(const BlockBackend *blk)
{
    const BlockRequest *failed = g_queue_peek_head((GQueue *)&blk->failed);
    BlockInfo info = {0};

    if (blk->node) { /* filters that -drive made are not to be seen */
        info = node_info(blk->node->name ? blk->node : block_skip_filters(blk->node));
    }
    if (throttle_group_of(blk->node)) {
        memcpy(info.limits, throttle_limits(throttle_group_of(blk->node))->avg,
               sizeof(info.limits));
    }
    info.drive = blk->name;
    info.owner = blk->owner ? blk->owner_name : NULL;
    info.reads = blk->reads;
    info.writes = blk->writes;
    info.flushes = blk->flushes;
    info.read_bytes = blk->read_bytes;
    info.written_bytes = blk->written_bytes;
    info.errors = blk->errors;
    info.failed = failed ? failed->ret : 0;
    return info;
}

void blk_foreach_drive(BlockInfoFn fn, void *opaque)
{
    for (guint i = 0; backends && i < backends->len; i++) {
        BlockBackend *blk = g_ptr_array_index(backends, i);
        BlockInfo info = backend_info(blk);

        if (!blk->is_export) {
            fn(opaque, &info);
        }
    }
}

typedef struct NodeVisit {
    BlockInfoFn fn;
    void *opaque;
} NodeVisit;

static void visit_node(BlockNode *n, void *opaque)
{
    NodeVisit *visit = opaque;
    BlockInfo info = node_info(n);

    visit->fn(visit->opaque, &info);
}

void blk_foreach_node(BlockInfoFn fn, void *opaque)
{
    NodeVisit visit = {fn, opaque};

    block_node_foreach(visit_node, &visit);
}

void blk_print_info(GString *out)
{
    for (guint i = 0; backends && i < backends->len; i++) {
        BlockBackend *blk = g_ptr_array_index(backends, i);

        if (blk->is_export) {
            continue;
        }
        g_string_append_printf(
            out, "%s: %s (%s%s%s)\n", blk->name, blk->node ? blk->node->filename : "[not inserted]",
            blk->node ? blk->node->drv->name : "no medium", blk_read_only(blk) ? ", read-only" : "",
            blk->node && blk->node->temporary ? ", writes are temporary" : "");
        if (blk->owner) {
            g_string_append_printf(out, "    Attached to:      %s\n", blk->owner_name);
        }
        g_string_append_printf(out,
                               "    Requests:         %" PRIu64 " reads, %" PRIu64
                               " writes, %" PRIu64 " flushes, %" PRIu64 " errors\n",
                               blk->reads, blk->writes, blk->flushes, blk->errors);
    }
}

void blk_close_all(void)
{
    blk_flush_all();
    for (guint i = 0; backends && i < backends->len; i++) {
        BlockBackend *blk = g_ptr_array_index(backends, i);

        block_node_unref(blk->node);
        blk->node = NULL;
    }
    block_nodes_close();
}
