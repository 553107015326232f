/* SPDX-License-Identifier: MIT */
/*
 * Nodes: lives, names, and requests on them with what is checked for every driver.
 * Threading: see block/node.h.
 */
#include "rhea/osdep.h"

#include "block-int.h"
#include "rhea/iov.h"

static GPtrArray *all_nodes;   /* BlockNode *, without references */
static GPtrArray *named_nodes; /* BlockNode *, each with a reference */

const char *const block_prealloc_names[] = {"off", "metadata", "falloc", "full", NULL};

/* --- Lives and names --- */

BlockNode *block_node_new(const BlockDriver *drv, const char *filename)
{
    BlockNode *n = g_new0(BlockNode, 1);

    n->drv = drv;
    n->filename = g_strdup(filename);
    n->fd = -1;
    n->refs = 1;
    all_nodes = all_nodes ? all_nodes : g_ptr_array_new();
    g_ptr_array_add(all_nodes, n);
    return n;
}

void block_node_foreach_any(void (*fn)(BlockNode *n, void *opaque), void *opaque)
{
    for (guint i = 0; all_nodes && i < all_nodes->len; i++) {
        fn(g_ptr_array_index(all_nodes, i), opaque);
    }
}

BlockNode *block_node_ref(BlockNode *n)
{
    n->refs++;
    return n;
}

static void release_child(BlockNode *parent, BlockNode *child)
{
    if (child && child->writer == parent) {
        child->writer = NULL;
    }
    block_node_unref(child);
}

void block_node_unref(BlockNode *n)
{
    if (n && --n->refs == 0) {
        g_ptr_array_remove_fast(all_nodes, n);
        if (n->drv) {
            n->drv->close(n); /* which may store the dirty bitmaps */
        }
        block_dirty_free_all(n);
        release_child(n, n->file);
        release_child(n, n->backing);
        opts_free(n->own);
        g_free(n->name);
        g_free(n->filename);
        g_free(n->backing_file);
        g_free(n->backing_format);
        g_free(n);
    }
}

BlockNode *block_node_find(const char *name)
{
    for (guint i = 0; named_nodes && i < named_nodes->len; i++) {
        BlockNode *n = g_ptr_array_index(named_nodes, i);

        if (!strcmp(n->name, name)) {
            return n;
        }
    }
    return NULL;
}

void block_node_foreach(void (*fn)(BlockNode *n, void *opaque), void *opaque)
{
    for (guint i = 0; named_nodes && i < named_nodes->len; i++) {
        fn(g_ptr_array_index(named_nodes, i), opaque);
    }
}

static void named_node_drop(gpointer p)
{
    block_node_unref(p);
}

bool block_node_set_name(const char *what, BlockNode *n, const char *name, Error **errp)
{
    if (block_node_find(name)) {
        return error_fail(errp, "%s: node-name '%s' is in use", what, name);
    }
    if (!named_nodes) {
        named_nodes = g_ptr_array_new_with_free_func(named_node_drop);
    }
    n->name = g_strdup(name);
    g_ptr_array_add(named_nodes, block_node_ref(n));
    return true;
}

void block_node_forget(BlockNode *n)
{
    g_ptr_array_remove(named_nodes, n);
}

void block_nodes_close(void)
{
    if (named_nodes) {
        g_ptr_array_set_size(named_nodes, 0);
    }
}

/* --- Questions --- */

uint64_t block_size(const BlockNode *n)
{
    return __atomic_load_n(&n->size, __ATOMIC_RELAXED);
}

bool block_read_only(const BlockNode *n)
{
    return n->read_only;
}

bool block_writethrough(const BlockNode *n)
{
    return n->writethrough;
}

const char *block_filename(const BlockNode *n)
{
    return n->filename;
}

const char *block_driver_name(const BlockNode *n)
{
    return n->drv->name;
}

BlockNode *block_file(const BlockNode *n)
{
    return n->file;
}

BlockNode *block_backing(const BlockNode *n)
{
    return n->backing;
}

/* --- Requests --- */

static bool grows_by_writes(const BlockNode *n)
{
    while (n->drv->filter) {
        n = n->file;
    }
    return n->drv->protocol;
}

/* What is wrong with a request before it is tried, or 0. */
static int check_range(const BlockNode *n, uint64_t offset, uint64_t len, bool write)
{
    uint64_t limit = grows_by_writes(n) ? INT64_MAX : block_size(n);

    if (write && n->read_only) {
        return -EPERM;
    }
    return offset > limit || len > limit - offset ? -EIO : 0;
}

int block_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    uint64_t len = iov_length(iov, niov);
    int ret = check_range(n, offset, len, false);

    return ret || !len ? ret : n->drv->preadv(n, offset, iov, niov);
}

static void call_after(GSList *first, GSList *end, uint64_t offset, uint64_t len)
{
    for (GSList *l = first; l != end; l = l->next) {
        BlockHook *h = l->data;

        if (h->after) {
            h->after(h, offset, len);
        }
    }
}

/* What comes before a write: 0, or the error that it ends with. */
static int write_begin(BlockNode *n, uint64_t offset, uint64_t len)
{
    int ret = check_range(n, offset, len, true);

    for (GSList *l = n->hooks; !ret && len && l; l = l->next) {
        BlockHook *h = l->data;

        ret = h->before ? h->before(h, offset, len) : 0;
        if (ret) {
            call_after(n->hooks, l, offset, len);
        }
    }
    return ret;
}

/* What comes behind it; one that failed may have written a part. */
static int write_end(BlockNode *n, uint64_t offset, uint64_t len, int ret)
{
    if (G_UNLIKELY(n->bitmaps)) {
        block_dirty_mark(n, offset, len);
    }
    call_after(n->hooks, NULL, offset, len);
    return ret;
}

static int write_data(BlockNode *n, uint64_t offset, uint64_t len, const struct iovec *iov,
                      int niov)
{
    if (n->detect_zeroes && iov_is_zero(iov, niov)) {
        return n->drv->write_zeroes(n, offset, len, n->detect_zeroes == DETECT_ZEROES_UNMAP);
    }
    return n->drv->pwritev(n, offset, iov, niov);
}

int block_preadv_backing(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    uint64_t len = iov_length(iov, niov), have = 0;
    /* What a format keeps behind the disk is no business of the backing file. */
    uint64_t size = n->backing ? MIN(block_size(n->backing), block_size(n)) : 0;

    if (offset < size) {
        int part_n, ret;
        g_autofree struct iovec *part = NULL;

        have = MIN(len, size - offset);
        part = iov_slice(iov, niov, 0, have, &part_n);
        ret = block_preadv(n->backing, offset, part, part_n);
        if (ret) {
            return ret;
        }
    }
    iov_clear(iov, niov, have, len - have);
    return 0;
}

int block_pwritev(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    uint64_t len = iov_length(iov, niov);
    int ret = write_begin(n, offset, len);

    return ret || !len ? ret : write_end(n, offset, len, write_data(n, offset, len, iov, niov));
}

int block_write_unchanged(BlockNode *n, uint64_t offset, const void *buf, size_t len)
{
    struct iovec iov = {(void *)buf, len};
    int ret = check_range(n, offset, len, true);

    return ret || !len ? ret : n->drv->pwritev(n, offset, &iov, 1);
}

int block_pread(BlockNode *n, uint64_t offset, void *buf, size_t len)
{
    struct iovec iov = {buf, len};

    return block_preadv(n, offset, &iov, 1);
}

int block_pwrite(BlockNode *n, uint64_t offset, const void *buf, size_t len)
{
    struct iovec iov = {(void *)buf, len};

    return block_pwritev(n, offset, &iov, 1);
}

int block_flush(BlockNode *n)
{
    return n->read_only ? 0 : n->drv->flush(n);
}

bool block_flush_or_fail(BlockNode *n, Error **errp)
{
    int ret = block_flush(n);

    return !ret || error_fail_errno(errp, -ret, "'%s' cannot be flushed", n->filename);
}

int block_discard(BlockNode *n, uint64_t offset, uint64_t len)
{
    int ret;

    if (!n->unmap || !len) {
        return check_range(n, offset, len, true);
    }
    ret = write_begin(n, offset, len);
    return ret ? ret : write_end(n, offset, len, n->drv->discard(n, offset, len));
}

int block_write_zeroes(BlockNode *n, uint64_t offset, uint64_t len, bool may_unmap)
{
    int ret = write_begin(n, offset, len);

    return ret || !len ? ret
                       : write_end(n, offset, len, n->drv->write_zeroes(n, offset, len, may_unmap));
}

int block_write_compressed(BlockNode *n, uint64_t offset, const void *buf, size_t len)
{
    int ret = n->drv->write_compressed ? write_begin(n, offset, len) : -ENOTSUP;

    return ret ? ret : write_end(n, offset, len, n->drv->write_compressed(n, offset, buf, len));
}

void block_reserve(BlockNode *n, uint64_t offset, uint64_t len)
{
    if (n->drv->reserve && !check_range(n, offset, len, true)) {
        n->drv->reserve(n, offset, len);
    }
}

int block_probe_head(BlockNode *n, uint8_t *head)
{
    memset(head, 0, BLOCK_PROBE_LEN);
    return block_pread(n, 0, head, MIN(block_size(n), BLOCK_PROBE_LEN));
}

/* --- What is where --- */

int block_status(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st)
{
    int ret;

    memset(st, 0, sizeof(*st));
    if (!len || check_range(n, offset, len, false)) {
        return -EINVAL;
    }
    ret = n->drv->status(n, offset, len, st);
    st->run = MIN(st->run, len);
    return ret;
}

int block_status_chain(BlockNode *n, BlockNode *base, uint64_t offset, uint64_t len,
                       BlockStatus *st)
{
    uint64_t run = len;
    int depth = 0;

    for (BlockNode *at = n; at && at != base; at = at->backing, depth++) {
        uint64_t size = block_size(at);
        int ret;

        if (offset >= size) { /* a backing file that is shorter than what is above */
            *st = (BlockStatus){.run = run, .zero = true, .allocated = true, .beyond_end = true};
            st->depth = MAX(depth - 1, 0);
            return 0;
        }
        ret = block_status(at, offset, MIN(run, size - offset), st);
        if (ret) {
            return ret;
        }
        st->depth = depth;
        run = st->run;
        if (st->allocated) {
            return 0;
        }
    }
    *st = (BlockStatus){.run = run, .zero = !base, .depth = MAX(depth - 1, 0)};
    return 0;
}

/* --- Whole images --- */

bool block_resized(BlockNode *n, Error **errp)
{
    bool ok = block_dirty_resize(n, errp);

    for (guint i = 0; i < all_nodes->len; i++) {
        BlockNode *p = g_ptr_array_index(all_nodes, i);

        if (p->drv && p->drv->filter && p->file == n) {
            __atomic_store_n(&p->size, block_size(n), __ATOMIC_RELAXED);
            ok = block_resized(p, ok ? errp : NULL) && ok;
        }
    }
    return ok;
}

bool block_truncate(BlockNode *n, uint64_t size, BlockPrealloc prealloc, Error **errp)
{
    if (n->read_only) {
        return error_fail(errp, "'%s' is read-only", n->filename);
    }
    if (!n->drv->truncate) {
        return error_fail(errp, "'%s': %s cannot change its size", n->filename, n->drv->name);
    }
    if (size > INT64_MAX) {
        return error_fail(errp, "'%s': a size of %" PRIu64 " bytes is too large", n->filename,
                          size);
    }
    return n->drv->truncate(n, size, prealloc, errp) && block_resized(n, errp);
}

/* Its file becomes writable, too, and nobody else's. */
static bool write_to_file(BlockNode *n, Error **errp)
{
    BlockNode *file = n->file;

    if (!file) {
        return true;
    }
    if (file->writer && file->writer != n) {
        return error_fail(errp, "'%s' is written to by '%s'", file->filename,
                          file->writer->name ? file->writer->name : file->writer->filename);
    }
    if (!block_set_read_only(file, false, errp)) {
        return false;
    }
    file->writer = n;
    return true;
}

static bool leave_file(BlockNode *n, Error **errp)
{
    if (n->file && n->file->writer == n) {
        n->file->writer = NULL;
    }
    return !n->file || block_set_read_only(n->file, true, errp);
}

bool block_set_read_only(BlockNode *n, bool read_only, Error **errp)
{
    if (n->read_only == read_only) {
        return true;
    }
    if (!n->drv->set_read_only) {
        return error_fail(errp, "'%s': %s cannot become writable", n->filename, n->drv->name);
    }
    if ((!read_only && !write_to_file(n, errp)) || !n->drv->set_read_only(n, read_only, errp)) {
        return false;
    }
    n->read_only = read_only;
    return !read_only || leave_file(n, errp);
}

/* --- Changing the graph --- */

BlockNode *block_skip_filters(BlockNode *n)
{
    while (n && n->drv->filter) {
        n = n->file;
    }
    return n;
}

bool block_unclaimed(const BlockNode *n, Error **errp)
{
    return !n->claimant ||
           error_fail(errp, "Node '%s' is busy: block device is in use by block job: %s",
                      n->name ? n->name : n->filename, n->claimed_for);
}

bool block_has_below(const BlockNode *n, const BlockNode *below)
{
    return n &&
           (n == below || block_has_below(n->file, below) || block_has_below(n->backing, below));
}

void block_swap_file(BlockNode *n, BlockNode *to)
{
    BlockNode *from = n->file;

    n->file = block_node_ref(to);
    g_free(n->filename);
    n->filename = g_strdup(to->filename);
    if (n->drv->follow_file) {
        n->drv->follow_file(n, from);
    }
    block_node_unref(from);
}

static void replace_file(BlockNode *n, BlockNode *to)
{
    if (n->file->writer == n) {
        n->file->writer = NULL;
        to->writer = n;
    }
    block_swap_file(n, to);
}

void block_replace_below(BlockNode *from, BlockNode *to)
{
    for (guint i = 0; i < all_nodes->len; i++) {
        BlockNode *p = g_ptr_array_index(all_nodes, i);

        if (p != to && p->file == from) {
            replace_file(p, to);
        }
        if (p != to && p->backing == from) {
            p->backing = block_node_ref(to);
            block_node_unref(from);
        }
    }
}

bool block_write_backing(BlockNode *n, const BlockNode *base, const char *text, Error **errp)
{
    g_autofree char *path = base ? g_canonicalize_filename(base->filename, NULL) : NULL;
    bool read_only = n->read_only;
    bool ok;

    if (!n->drv->set_backing) {
        return true;
    }
    if (!block_set_read_only(n, false, errp)) {
        return false;
    }
    ok = image_set_backing(n, text ? text : path, base ? base->drv->name : NULL, errp);
    return block_set_read_only(n, read_only, ok ? errp : NULL) && ok;
}

bool block_set_backing(BlockNode *n, BlockNode *base, const char *text, Error **errp)
{
    BlockNode *old = n->backing;

    if (!block_write_backing(n, base, text, errp)) {
        return false;
    }
    n->backing = base ? block_node_ref(base) : NULL;
    block_node_unref(old);
    return true;
}
