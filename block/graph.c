/* SPDX-License-Identifier: MIT */
/*
 * How options become nodes: -blockdev in key=value or JSON, -drive, file names alone, and the backing
 * files that images name.  Machine lock, main thread.
 */
#include "rhea/osdep.h"

#include "block-int.h"
#include "graph.h"

const BlockDriver *const block_drivers[] = {
    &file_driver,
    &host_device_driver,
    &raw_driver,
    &qcow2_driver,
    &vmdk_driver,
    &vpc_driver,
    &vdi_driver,
    &vhdx_driver,
    &qed_driver,
    &parallels_driver,
    &luks_driver,
    &cloop_driver,
    &dmg_driver,
    &null_co_driver,
    &null_aio_driver,
    &blkdebug_driver,
    &copy_on_read_driver,
    &power_cut_driver,
    &throttle_driver,
#if CONFIG_LIBNBD
    &nbd_driver,
#endif
#if CONFIG_CURL
    &http_driver,
    &https_driver,
    &ftp_driver,
    &ftps_driver,
#endif
    NULL,
};

const BlockDriver *block_driver_find(const char *name)
{
    for (size_t i = 0; block_drivers[i]; i++) {
        if (!strcmp(block_drivers[i]->name, name)) {
            return block_drivers[i];
        }
    }
    return NULL;
}

const BlockDriver *block_driver_probe(const uint8_t *head)
{
    for (size_t i = 0; block_drivers[i]; i++) {
        if (block_drivers[i]->probe && block_drivers[i]->probe(head)) {
            return block_drivers[i];
        }
    }
    return NULL;
}

const BlockDriver *block_driver_protocol(const char **filename)
{
    for (size_t i = 0; block_drivers[i]; i++) {
        const BlockDriver *drv = block_drivers[i];

        for (const char *const *p = drv->prefixes; p && *p; p++) {
            if (g_str_has_prefix(*filename, *p)) {
                *filename += drv->whole_name ? 0 : strlen(*p);
                return drv;
            }
        }
    }
    return &file_driver;
}

/* The names of all drivers, those of protocols too or not. */
static void driver_names(bool protocols, const char *names[static ARRAY_SIZE(block_drivers)])
{
    size_t n = 0;

    for (size_t i = 0; block_drivers[i]; i++) {
        if (protocols || !block_drivers[i]->protocol) {
            names[n++] = block_drivers[i]->name;
        }
    }
    names[n] = NULL;
}

/* --- Options that every node has --- */

static BlockNode *open_node(Opts *o, unsigned flags, const NodeInherited *above, int depth,
                            Error **errp);

static bool take_driver(Opts *o, NodeOptions *opt, Error **errp)
{
    const char *key = opt->flags & BLOCK_DRIVE && opts_peek(o, "format") ? "format" : "driver";
    const char *name = opts_take(o, key);
    const char *names[ARRAY_SIZE(block_drivers)];

    if (!name) {
        return true;
    }
    opt->drv = block_driver_find(name);
    if (!opt->drv || (!strcmp(key, "format") && opt->drv->protocol)) {
        g_autofree char *what = g_strdup_printf("%s: %s", opts_what(o), key);

        driver_names(strcmp(key, "format"), names);
        return error_unknown_name(errp, what, name, names);
    }
    return true;
}

static bool take_cache(Opts *o, NodeOptions *opt, Error **errp)
{
    static const char *const modes[] = {"writeback",  "none",   "writethrough",
                                        "directsync", "unsafe", NULL};
    int mode = 0;

    if ((opt->flags & BLOCK_DRIVE && !opts_take_enum(o, "cache", modes, &mode, errp)) ||
        !opts_take_bool(o, "cache.direct", &opt->direct, errp) ||
        !opts_take_bool(o, "cache.no-flush", &opt->no_flush, errp)) {
        return false;
    }
    opt->direct |= mode == 1 || mode == 3 || opt->flags & BLOCK_DIRECT;
    opt->writethrough = mode == 2 || mode == 3;
    opt->no_flush |= mode == 4 || opt->flags & BLOCK_UNSAFE;
    return true;
}

static bool take_read_only(Opts *o, unsigned flags, bool *read_only, Error **errp)
{
    return opts_take_bool(o, "read-only", read_only, errp) &&
           (!(flags & BLOCK_DRIVE) || opts_take_bool(o, "readonly", read_only, errp));
}

bool block_take_node_options(Opts *o, NodeOptions *opt, const NodeInherited *above, Error **errp)
{
    static const char *const discard[] = {"ignore", "unmap", "off", "on", NULL};
    static const char *const detect[] = {"off", "on", "unmap", NULL};
    bool shared = false;

    if (above) {
        opt->read_only = above->read_only;
        opt->direct = above->direct;
        opt->no_flush = above->no_flush;
        opt->discard = above->discard;
    }
    opt->flags |= opt->read_only ? BLOCK_READ_ONLY : 0;
    if (!take_driver(o, opt, errp) || !take_cache(o, opt, errp) ||
        !take_read_only(o, opt->flags, &opt->read_only, errp) ||
        !opts_take_bool(o, "auto-read-only", &opt->auto_read_only, errp) ||
        !opts_take_bool(o, "force-share", &shared, errp) ||
        !opts_take_enum(o, "discard", discard, &opt->discard, errp) ||
        !opts_take_enum(o, "detect-zeroes", detect, &opt->detect_zeroes, errp)) {
        return false;
    }
    if (shared) {
        opt->flags |= BLOCK_SHARED;
    }
    if (opt->flags & BLOCK_SHARED && !opt->read_only && !(opt->flags & BLOCK_READ_ONLY)) {
        return error_fail(errp, "%s: force-share=on needs read-only=on", opts_what(o));
    }
    opt->name = opts_take(o, "node-name");
    opt->read_only |= opt->flags & BLOCK_READ_ONLY;
    return true;
}

void block_apply_node_options(BlockNode *n, const NodeOptions *opt)
{
    n->auto_read_only = opt->auto_read_only;
    n->direct = opt->direct;
    n->no_flush = opt->no_flush;
    n->writethrough = opt->writethrough;
    n->unmap = opt->discard & 1;
    n->detect_zeroes = opt->detect_zeroes;
}

static void add_names(GPtrArray *names, const char *const *more)
{
    for (; more && *more; more++) {
        g_ptr_array_add(names, (char *)*more);
    }
}

bool block_opts_done(Opts *o, const BlockNode *n, const char *const *more, Error **errp)
{
    static const char *const common[] = {
        "driver",      "node-name",      "file",          "backing",
        "read-only",   "auto-read-only", "cache.direct",  "cache.no-flush",
        "force-share", "discard",        "detect-zeroes", NULL,
    };
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    add_names(names, common);
    add_names(names, n->drv->options);
    add_names(names, more);
    g_ptr_array_add(names, NULL);
    return opts_done(o, (const char *const *)names->pdata, errp);
}

/* What is not the driver's business is taken from @o: the rest is. */
Opts *block_own_options(const BlockDriver *drv, const Opts *o)
{
    static const char *const kept[] = {"force-share", NULL};
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    add_names(names, kept);
    add_names(names, drv->options);
    g_ptr_array_add(names, NULL);
    return opts_select(o, (const char *const *)names->pdata);
}

/* --- What lies below --- */

static const char *name_of(const BlockNode *n)
{
    return n->name ? n->name : n->filename;
}

bool block_claim_file(const char *what, BlockNode *n, Error **errp)
{
    BlockNode *below = n->file;

    if (!below || n->read_only || below->writer == n) {
        return true;
    }
    if (below->writer) {
        return error_fail(errp, "%s: node '%s' is written to by %s", what, name_of(below),
                          name_of(below->writer));
    }
    if (below->read_only && !below->auto_read_only) {
        return error_fail(errp, "%s: node '%s' is read-only (read-only=on may do)", what,
                          name_of(below));
    }
    if (!block_set_read_only(below, false, errp) || !block_claim_file(what, below, errp)) {
        return false;
    }
    below->writer = n;
    return true;
}

void block_release_file(BlockNode *n)
{
    BlockNode *below = n->file;

    if (below && below->writer == n) {
        below->writer = NULL;
        if (below->drv->filter) {
            block_release_file(below);
        }
    }
}

/* The file of a format: a node by its name, or one that is made from "file.*" or a file's name. */
static BlockNode *open_file(Opts *o, const NodeOptions *opt, int depth, Error **errp)
{
    const char *key = opt->drv && opt->drv->child ? opt->drv->child : "file";
    g_autoptr(Opts) sub = opts_take_sub(o, key);
    const char *file = opts_take(o, key);
    NodeInherited down = {opt->read_only, opt->direct, opt->no_flush, opt->discard};
    BlockNode *n;

    if (file && !(opt->flags & BLOCK_DRIVE)) {
        n = block_node_find(file);
        if (!n) {
            error_fail(errp, "%s: %s: there is no node '%s'", opts_what(o), key, file);
        }
        return n ? block_node_ref(n) : NULL;
    }
    if (file) {
        const char *protocol = block_driver_protocol(&file)->name;

        opts_add(sub, "filename", file);
        if (!opts_peek(sub, "driver")) {
            opts_add(sub, "driver", protocol);
        }
    }
    if (opts_empty(sub)) {
        error_fail(errp, "%s: no %s= is given", opts_what(o), key);
        return NULL;
    }
    if (!opts_peek(sub, "driver")) {
        opts_add(sub, "driver", "file");
    }
    n = open_node(sub, opt->flags & BLOCK_SHARED, &down, depth + 1, errp);
    if (n && !block_opts_done(sub, n, NULL, errp)) {
        block_node_unref(n);
        return NULL;
    }
    return n;
}

/* Adds what the image says of its backing file, whose name is relative to the image's own place. */
static void add_backing_file(Opts *o, const BlockNode *n)
{
    g_autofree char *path = image_backing_path(n->filename, n->backing_file);
    const char *filename = path;
    const BlockDriver *protocol = block_driver_protocol(&filename);

    if (n->backing_format && !opts_peek(o, "driver")) {
        opts_add(o, "driver", n->backing_format);
    }
    opts_add(o, "file.driver", protocol->name);
    opts_add(o, "file.filename", filename);
}

static bool open_backing_node(BlockNode *n, Opts *o, const NodeOptions *opt, int depth,
                              Error **errp)
{
    unsigned kept = opt->flags & (BLOCK_SHARED | BLOCK_REPAIR);

    n->backing = open_node(o, kept | BLOCK_READ_ONLY, NULL, depth + 1, errp);
    return n->backing && block_opts_done(o, n->backing, NULL, errp);
}

static bool open_backing(Opts *o, BlockNode *n, const NodeOptions *opt, int depth, Error **errp)
{
    g_autoptr(Opts) sub = opts_take_sub(o, "backing");
    const char *ref = opts_take(o, "backing");

    if (opt->flags & BLOCK_NO_BACKING || (ref && !*ref)) {
        return true;
    }
    if (ref) {
        BlockNode *found = block_node_find(ref);

        n->backing = found ? block_node_ref(found) : NULL;
        return found || error_fail(errp, "%s: backing: there is no node '%s'", opts_what(o), ref);
    }
    if (opts_empty(sub) && !n->backing_file) {
        return true;
    }
    if (depth >= BLOCK_CHAIN_MAX) {
        return error_fail(errp, "%s: more than %d backing files, or a loop of them", opts_what(o),
                          BLOCK_CHAIN_MAX);
    }
    if (opts_peek(sub, "file.filename") || opts_peek(sub, "file") || !n->backing_file) {
        return open_backing_node(n, sub, opt, depth, errp);
    }
    if (g_str_has_prefix(n->backing_file, "json:")) {
        g_autoptr(Opts) json = opts_parse(opts_what(sub), n->backing_file + 5, NULL, errp);

        return json && open_backing_node(n, json, opt, depth, errp);
    }
    add_backing_file(sub, n);
    return open_backing_node(n, sub, opt, depth, errp);
}

/* --- Opening --- */

static bool probe_format(BlockNode *file, NodeOptions *opt, bool *probed, Error **errp)
{
    uint8_t head[BLOCK_PROBE_LEN];
    int ret;

    if (opt->drv) {
        return true;
    }
    ret = block_probe_head(file, head);
    if (ret) {
        return error_fail_errno(errp, -ret, "cannot read '%s'", file->filename);
    }
    opt->drv = block_driver_probe(head);
    *probed = !opt->drv;
    opt->drv = opt->drv ? opt->drv : &raw_driver;
    return true;
}

static bool open_format(Opts *o, BlockNode *n, NodeOptions *opt, int depth, Error **errp)
{
    BlockNode *file = open_file(o, opt, depth, errp);

    if (!file) {
        return false;
    }
    n->file = file;
    g_free(n->filename);
    n->filename = g_strdup(file->filename);
    if (!probe_format(file, opt, &n->probed, errp)) {
        return false;
    }
    /* A filter may be made over what somebody writes to, to be put between the two. */
    if (!(opt->drv->filter && file->writer) && !block_claim_file(opts_what(o), n, errp)) {
        return false;
    }
    n->own = block_own_options(opt->drv, o);
    if (!opt->drv->open(n, o, opt->flags, errp)) {
        return false;
    }
    n->drv = opt->drv;
    return open_backing(o, n, opt, depth, errp) &&
           (!n->backing || !n->drv->backing_fits || n->drv->backing_fits(n, errp));
}

static BlockNode *open_node(Opts *o, unsigned flags, const NodeInherited *above, int depth,
                            Error **errp)
{
    NodeOptions opt = {.flags = flags};
    BlockNode *n;
    bool ok;

    if (!block_take_node_options(o, &opt, above, errp)) {
        return NULL;
    }
    n = block_node_new(NULL, NULL);
    n->read_only = opt.read_only;
    block_apply_node_options(n, &opt);
    if (opt.drv && opt.drv->protocol) {
        n->read_only |= n->auto_read_only; /* until somebody writes to it */
        n->own = block_own_options(opt.drv, o);
        ok = opt.drv->open(n, o, opt.flags, errp);
        n->drv = ok ? opt.drv : NULL;
    } else {
        ok = open_format(o, n, &opt, depth, errp);
    }
    if (!ok || (opt.name && !block_node_set_name(opts_what(o), n, opt.name, errp))) {
        block_node_unref(n);
        return NULL;
    }
    return n;
}

BlockNode *block_put_filter(const BlockDriver *drv, BlockNode *file, Opts *o, Error **errp)
{
    BlockNode *n = block_node_new(NULL, file->filename);

    n->file = file;
    n->read_only = file->read_only;
    n->auto_read_only = file->auto_read_only;
    n->direct = file->direct;
    n->no_flush = file->no_flush;
    n->writethrough = file->writethrough;
    n->unmap = file->unmap;
    n->own = block_own_options(drv, o);
    if (!block_claim_file(opts_what(o), n, errp) || !drv->open(n, o, 0, errp)) {
        n->file = NULL;
        block_node_unref(n);
        return NULL;
    }
    n->drv = drv;
    return n;
}

/* Opens it to be read, puts a temporary file in front, and gives that the name. */
static BlockNode *open_temporary(Opts *o, unsigned flags, Error **errp)
{
    const char *what = opts_what(o), *name = opts_take(o, "node-name");
    BlockNode *base = open_node(o, flags | BLOCK_READ_ONLY, NULL, 0, errp);
    BlockNode *n = base ? block_new_temporary(what, base, errp) : NULL;

    if (base && !n) {
        block_node_unref(base);
    }
    if (n && name && !block_node_set_name(what, n, name, errp)) {
        block_node_unref(n);
        return NULL;
    }
    return n;
}

BlockNode *block_open_opts(Opts *o, unsigned flags, Error **errp)
{
    bool read_only = false;

    if (!take_read_only(o, flags, &read_only, errp)) {
        return NULL;
    }
    return flags & BLOCK_TEMPORARY && !read_only ? open_temporary(o, flags, errp)
                                                 : open_node(o, flags, NULL, 0, errp);
}

BlockNode *block_open(const char *what, const char *filename, const char *format, unsigned flags,
                      Error **errp)
{
    bool json = g_str_has_prefix(filename, "json:");
    g_autoptr(Opts) o =
        json ? opts_parse(what, filename + strlen("json:"), NULL, errp) : opts_new(what);
    BlockNode *n;

    if (!o) {
        return NULL;
    }
    if (!json) {
        opts_add(o, "file.driver", block_driver_protocol(&filename)->name);
        opts_add(o, "file.filename", filename);
    }
    if (format) {
        opts_add(o, "driver", format);
    }
    n = block_open_opts(o, flags, errp);
    if (n && !block_opts_done(o, n, NULL, errp)) {
        block_node_unref(n);
        return NULL;
    }
    return n;
}
