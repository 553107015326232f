/* SPDX-License-Identifier: MIT */
/*
 * Nodes of the block graph and the options that make them.  Machine lock, main thread.
 */
#include "rhea/osdep.h"

#include "block-int.h"
#include "rhea/endian.h"

#define QCOW2_MAGIC 0x514649fbU

static GPtrArray *named_nodes; /* BlockNode *, each with a reference */

BlockNode *block_node_ref(BlockNode *n)
{
    n->refs++;
    return n;
}

void block_node_unref(BlockNode *n)
{
    if (n && --n->refs == 0) {
        n->drv->close(n);
        g_free(n->name);
        g_free(n->filename);
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

void block_node_forget(BlockNode *n)
{
    g_ptr_array_remove(named_nodes, n);
}

static void named_node_drop(gpointer p)
{
    block_node_unref(p);
}

/* --- Options --- */

typedef struct CacheMode {
    bool writethrough, no_flush;
} CacheMode;

static bool take_cache(Opts *o, CacheMode *cache, Error **errp)
{
    /* "none" and "directsync" promise the guest what writeback and writethrough do; the host's page
     * cache is used all the same. */
    static const char *const modes[] = {"writeback",  "none",   "writethrough",
                                        "directsync", "unsafe", NULL};
    int mode = 0;
    bool direct = false;

    if (!opts_take_enum(o, "cache", modes, &mode, errp) ||
        !opts_take_bool(o, "cache.direct", &direct, errp) ||
        !opts_take_bool(o, "cache.no-flush", &cache->no_flush, errp)) {
        return false;
    }
    cache->writethrough = mode == 2 || mode == 3;
    cache->no_flush |= mode == 4;
    return true;
}

/* A format that is not named must be raw data: an image in a format not known here is no disk. */
static bool check_raw(const char *what, BlockNode *n, Error **errp)
{
    uint8_t head[4] = {0};
    struct iovec iov = {head, sizeof(head)};

    if (n->size >= sizeof(head) && !n->drv->preadv(n, 0, &iov, 1) && ld32_be(head) == QCOW2_MAGIC) {
        return error_fail(errp,
                          "%s: '%s' is a qcow2 image, which is not supported (accepted: raw; "
                          "format=raw uses its bytes as they are)",
                          what, n->filename);
    }
    return true;
}

static bool take_format(Opts *o, bool *named, Error **errp)
{
    static const char *const formats[] = {"raw", NULL};
    static const char *const drivers[] = {"raw", "file", "host_device", NULL};
    const char *what = opts_what(o);
    const char *format = opts_take(o, "format");
    const char *driver = opts_take(o, "driver");
    const char *protocol = opts_take(o, "file.driver");

    *named = format || driver;
    if (format && strcmp(format, "raw")) {
        g_autofree char *name = g_strdup_printf("%s: format", what);

        return error_unknown_name(errp, name, format, formats);
    }
    if (driver && !g_strv_contains(drivers, driver)) {
        g_autofree char *name = g_strdup_printf("%s: driver", what);

        return error_unknown_name(errp, name, driver, drivers);
    }
    if (protocol && !g_strv_contains(drivers + 1, protocol)) {
        g_autofree char *name = g_strdup_printf("%s: file.driver", what);

        return error_unknown_name(errp, name, protocol, drivers + 1);
    }
    return true;
}

static bool take_node_flags(Opts *o, BlockNode *n, const CacheMode *cache, Error **errp)
{
    static const char *const discard[] = {"ignore", "unmap", "off", "on", NULL};
    /* Who does the work is not what the guest sees: the others are taken for the same. */
    static const char *const aio[] = {"threads", "native", "io_uring", NULL};
    int mode = 0, engine = 0;

    if (!opts_take_enum(o, "discard", discard, &mode, errp) ||
        !opts_take_enum(o, "aio", aio, &engine, errp) ||
        !opts_take_enum(o, "file.aio", aio, &engine, errp)) {
        return false;
    }
    n->unmap = mode & 1;
    n->writethrough = cache->writethrough;
    n->no_flush = cache->no_flush;
    return true;
}

/* Registers a node-name; the graph keeps a reference. */
static bool name_node(const char *what, BlockNode *n, const char *name, Error **errp)
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

static BlockNode *with_overlay(const char *what, BlockNode *base, Error **errp)
{
    BlockNode *n = overlay_new(what, base, errp);

    if (!n) {
        block_node_unref(base);
    }
    return n;
}

BlockNode *block_node_from_opts(Opts *o, BlockUse use, Error **errp)
{
    const char *what = opts_what(o);
    const char *file = opts_take(o, "file");
    const char *filename = opts_take(o, "filename");
    const char *nested = opts_take(o, "file.filename");
    const char *name = opts_take(o, "node-name");
    CacheMode cache = {0};
    bool read_only = false, named;
    BlockNode *n;

    if (!opts_take_bool(o, "read-only", &read_only, errp) ||
        !opts_take_bool(o, "readonly", &read_only, errp) || !take_cache(o, &cache, errp) ||
        !take_format(o, &named, errp)) {
        return NULL;
    }
    if (file && block_node_find(file) && named) {
        return block_node_ref(block_node_find(file)); /* driver=raw,file=NODE */
    }
    filename = filename ? filename : nested ? nested : file;
    if (!filename) {
        error_fail(errp, "%s: no file= is given", what);
        return NULL;
    }
    read_only |= use == BLOCK_USE_READ_ONLY;
    n = file_open(what, filename, read_only || use == BLOCK_USE_TEMPORARY, errp);
    n = n && use == BLOCK_USE_TEMPORARY && !read_only ? with_overlay(what, n, errp) : n;
    if (!n) {
        return NULL;
    }
    if ((!named && !check_raw(what, n, errp)) || !take_node_flags(o, n, &cache, errp) ||
        (name && !name_node(what, n, name, errp))) {
        block_node_unref(n);
        return NULL;
    }
    return n;
}
