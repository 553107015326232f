/* SPDX-License-Identifier: MIT */
/*
 * "-drive": its options, the filters that they ask for, and the places (if=, index=) where boards look for drives.
 * Main thread, machine lock.
 */
#include "rhea/osdep.h"

#include "backend.h"
#include "throttle.h"

/* --- Options --- */

static const char *const drive_keys[] = {
    "if",
    "index",
    "unit",
    "bus",
    "id",
    "format",
    "cache",
    "media",
    "aio",
    "snapshot",
    "werror",
    "rerror",
    "copy-on-read",
    "throttling.bps-total",
    "throttling.iops-total",
    NULL,
};

static const char *const interface_names[] = {"none", "virtio", "pflash", "ide",
                                              "scsi", "floppy", NULL};

static int next_index(BlockInterface iface)
{
    const BlockBackend *blk;
    int next = 0;

    for (guint i = 0; (blk = block_backend_at(i)); i++) {
        if (blk->iface == iface && blk->index >= next) {
            next = blk->index + 1;
        }
    }
    return next;
}

typedef struct DriveOptions {
    int iface;
    uint64_t index;
    bool cdrom, snapshot, copy_on_read;
    ThrottleLimits limits;
    const char *throttle_group; /* NULL: the drive's own */
    int rerror, werror;
} DriveOptions;

static bool take_drive_options(Opts *o, DriveOptions *d, Error **errp)
{
    static const char *const media[] = {"disk", "cdrom", NULL};
    uint64_t unit = UINT64_MAX, bus = 0;
    int kind = 0;

    if (!opts_take_enum(o, "if", interface_names, &d->iface, errp) ||
        !opts_take_u64(o, "index", INT_MAX, &d->index, errp) ||
        !opts_take_u64(o, "unit", INT_MAX, &unit, errp) ||
        !opts_take_u64(o, "bus", 0, &bus, errp) ||
        !opts_take_enum(o, "media", media, &kind, errp) ||
        !opts_take_bool(o, "snapshot", &d->snapshot, errp) ||
        !opts_take_bool(o, "copy-on-read", &d->copy_on_read, errp) ||
        !throttle_take_drive(o, &d->limits, errp) ||
        !opts_take_enum(o, "werror", block_on_error_names, &d->werror, errp) ||
        !opts_take_enum(o, "rerror", block_on_error_names, &d->rerror, errp)) {
        return false;
    }
    if (d->index == UINT64_MAX) {
        d->index = unit == UINT64_MAX ? (uint64_t)next_index(d->iface) : unit;
    }
    d->throttle_group = opts_take(o, "throttling.group");
    d->cdrom = kind == 1;
    if (d->iface != BLK_IF_NONE && blk_by_interface(d->iface, d->index)) {
        return error_fail(errp, "-drive: if=%s already has a drive with index %" PRIu64,
                          interface_names[d->iface], d->index);
    }
    return true;
}

/* --- Making them --- */

static bool snapshot_default; /* -snapshot */

void blk_set_snapshot_default(void)
{
    snapshot_default = true;
}

/* The filters that the drive's options ask for; takes over @n, also when it fails. */
static BlockNode *put_drive_filters(const char *id, const DriveOptions *d, BlockNode *n,
                                    Error **errp)
{
    g_autoptr(Opts) none = opts_new("copy-on-read");
    BlockNode *filter = n;

    if (d->copy_on_read) {
        filter = block_put_filter(&copy_on_read_driver, n, none, errp);
        n = filter ? filter : n;
    }
    if (filter && throttle_any(&d->limits)) {
        filter = throttle_put(n, d->throttle_group ? d->throttle_group : id, &d->limits, errp);
    }
    if (!filter) {
        block_node_unref(n);
    }
    return filter;
}

static BlockNode *open_drive_node(Opts *o, const char *id, const DriveOptions *d, Error **errp)
{
    unsigned flags = d->cdrom ? BLOCK_READ_ONLY : d->snapshot ? BLOCK_TEMPORARY : 0;
    BlockNode *node = block_open_opts(o, BLOCK_DRIVE | flags, errp);

    if (node && !block_opts_done(o, node, drive_keys, errp)) {
        block_node_unref(node);
        return NULL;
    }
    return node ? put_drive_filters(id, d, node, errp) : NULL;
}

BlockBackend *blk_new_drive(const char *optarg, BlockInterface default_if, Error **errp)
{
    g_autoptr(Opts) o = opts_parse("-drive", optarg, NULL, errp);
    DriveOptions d = {.iface = default_if, .index = UINT64_MAX, .snapshot = snapshot_default};
    g_autofree char *made_up = NULL;
    const char *id;
    BlockBackend *blk;
    BlockNode *node;

    if (!o || !take_drive_options(o, &d, errp)) {
        return NULL;
    }
    id = opts_take(o, "id");
    if (!id) {
        id = made_up = g_strdup_printf("%s%" PRIu64, interface_names[d.iface], d.index);
    }
    if (block_backend_find(id) || block_node_find(id)) {
        error_fail(errp, "-drive: id '%s' is in use", id);
        return NULL;
    }
    if (opts_peek(o, "aio")) { /* an option of the file */
        opts_add(o, "file.aio", opts_take(o, "aio"));
    }
    node = open_drive_node(o, id, &d, errp);
    if (!node) {
        return NULL;
    }
    blk = block_backend_new(id, node);
    if (!blk_set_on_error(blk, d.rerror, d.werror, errp)) {
        block_backend_free(blk);
        return NULL;
    }
    blk->iface = d.iface;
    blk->index = d.index;
    blk->cdrom = d.cdrom;
    return blk;
}

/* --- Where boards look --- */

BlockBackend *blk_by_interface(BlockInterface iface, int index)
{
    BlockBackend *blk;

    for (guint i = 0; (blk = block_backend_at(i)); i++) {
        if (blk->iface == iface && blk->index == index && iface != BLK_IF_NONE) {
            return blk;
        }
    }
    return NULL;
}

bool blk_interface_leftover(BlockInterface iface, const char **name)
{
    BlockBackend *blk;

    for (guint i = 0; (blk = block_backend_at(i)); i++) {
        if (blk->iface == iface && !blk->owner) {
            *name = blk->name;
            return true;
        }
    }
    return false;
}
