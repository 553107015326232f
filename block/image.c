/* SPDX-License-Identifier: MIT */
/* Images as files: what block/image.h offers, handed to the format's driver. */
#include "rhea/osdep.h"

#include <sys/stat.h>

#include "block-int.h"

/* --- Formats --- */

const ImageOption *image_create_options(const char *format)
{
    const BlockDriver *drv = block_driver_find(format);

    return drv && drv->create ? drv->create_options : NULL;
}

void image_foreach_format(void (*fn)(const char *name, void *opaque), void *opaque)
{
    for (size_t i = 0; block_drivers[i]; i++) {
        fn(block_drivers[i]->name, opaque);
    }
}

/* Ends with NULL. */
static void add_option_names(GPtrArray *names, const ImageOption *options)
{
    for (const ImageOption *opt = options; opt->name; opt++) {
        g_ptr_array_add(names, (char *)opt->name);
    }
    g_ptr_array_add(names, NULL);
}

bool image_create(const char *what, const char *format, const char *filename, Opts *o, Error **errp)
{
    const BlockDriver *drv = block_driver_find(format);
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    if (!drv || !drv->create) {
        for (size_t i = 0; block_drivers[i]; i++) {
            if (block_drivers[i]->create) {
                g_ptr_array_add(names, (char *)block_drivers[i]->name);
            }
        }
        g_ptr_array_add(names, NULL);
        return error_unknown_name(errp, "format", format, (const char *const *)names->pdata);
    }
    add_option_names(names, drv->create_options);
    return opts_check_names(o, (const char *const *)names->pdata, errp) &&
           drv->create(what, filename, o, errp) &&
           opts_done(o, (const char *const *)names->pdata, errp);
}

const ImageOption *image_amend_options(const char *format)
{
    const BlockDriver *drv = block_driver_find(format);

    return drv && drv->amend ? drv->amend_options : NULL;
}

bool image_amend(BlockNode *n, Opts *o, bool force, Error **errp)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    if (!n->drv->amend) {
        return error_fail(errp, "'%s': %s images cannot be changed like this", n->filename,
                          n->drv->name);
    }
    add_option_names(names, n->drv->amend_options);
    return opts_check_names(o, (const char *const *)names->pdata, errp) &&
           n->drv->amend(n, o, force, errp) &&
           opts_done(o, (const char *const *)names->pdata, errp);
}

/* --- What an image is --- */

bool image_new_is_zero(const BlockNode *n)
{
    return !n->drv->noise;
}

uint64_t image_cluster_size(const BlockNode *n)
{
    return n->drv->cluster_size ? n->drv->cluster_size(n) : 0;
}

bool image_whole_blocks(const BlockNode *n)
{
    return n->drv->whole_blocks && n->drv->whole_blocks(n);
}

bool image_dirty(const BlockNode *n)
{
    return n->drv->dirty && n->drv->dirty(n);
}

bool image_encrypted(const BlockNode *n)
{
    return n->drv->encrypted && n->drv->encrypted(n);
}

uint64_t image_disk_size(const BlockNode *n)
{
    struct stat st;

    if (n->drv->disk_size) {
        return n->drv->disk_size(n);
    }
    while (n->file) {
        n = n->file;
    }
    return n->fd < 0 || fstat(n->fd, &st) ? UINT64_MAX : st.st_blocks * 512ULL;
}

const char *image_backing_file(const BlockNode *n)
{
    return n->backing_file;
}

char *image_backing_path(const char *image, const char *backing)
{
    const char *rest = backing;
    const BlockDriver *protocol = block_driver_protocol(&rest);
    g_autofree char *dir = NULL;

    if (g_path_is_absolute(backing) || g_str_has_prefix(backing, "json:") || rest != backing ||
        protocol->whole_name || !strchr(image, '/')) {
        return g_strdup(backing);
    }
    dir = g_path_get_dirname(image);
    return g_build_filename(dir, backing, NULL);
}

const char *image_backing_format(const BlockNode *n)
{
    return n->backing_format;
}

JsonObject *image_specific(const BlockNode *n)
{
    return n->drv->specific ? n->drv->specific(n) : NULL;
}

const char *image_size_text(uint64_t bytes, char buf[static 32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    unsigned unit = 0;

    while (value >= 1000 && unit + 1 < ARRAY_SIZE(units)) {
        value /= 1024;
        unit++;
    }
    g_snprintf(buf, 32, "%0.3g %s", value, units[unit]);
    return buf;
}

static bool missing(const BlockNode *n, const char *what, Error **errp)
{
    return error_fail(errp, "'%s': %s images have no %s", n->filename, n->drv->name, what);
}

bool image_set_backing(BlockNode *n, const char *file, const char *format, Error **errp)
{
    return n->drv->set_backing ? n->drv->set_backing(n, file, format, errp)
                               : missing(n, "backing files", errp);
}

bool image_make_empty(BlockNode *n, Error **errp)
{
    return n->drv->make_empty ? n->drv->make_empty(n, errp) : missing(n, "backing files", errp);
}

/* --- Consistency --- */

bool image_can_check(const BlockNode *n)
{
    return n->drv->check;
}

bool image_check(BlockNode *n, ImageCheck *check, unsigned fix, Error **errp)
{
    return n->drv->check ? n->drv->check(n, check, fix, errp) : missing(n, "checks", errp);
}

/* --- Bitmaps --- */

bool image_can_keep_bitmaps(const BlockNode *n, Error **errp)
{
    return n->drv->bitmaps_possible ? n->drv->bitmaps_possible(n, errp)
                                    : missing(n, "bitmaps", errp);
}

bool image_store_bitmaps(BlockNode *n, Error **errp)
{
    return n->drv->bitmaps_store ? n->drv->bitmaps_store(n, errp) : missing(n, "bitmaps", errp);
}

/* --- Internal snapshots --- */

bool image_can_snapshot(const BlockNode *n)
{
    return n->drv->snapshot_create;
}

char *image_snapshot_line(const ImageSnapshot *sn)
{
    g_autoptr(GDateTime) when = sn ? g_date_time_new_from_unix_local(sn->date_sec) : NULL;
    g_autofree char *date = when ? g_date_time_format(when, "%Y-%m-%d %H:%M:%S") : g_strdup("?");
    uint64_t ms = sn ? sn->vm_clock_nsec / NS_PER_MS : 0;
    g_autofree char *clock =
        g_strdup_printf("%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64 ".%03" PRIu64, ms / 3600000,
                        ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
    g_autofree char *icount =
        sn && sn->icount != UINT64_MAX ? g_strdup_printf("%" PRIu64, sn->icount) : g_strdup("");
    char size[32];

    if (!sn) {
        return g_strdup_printf("%-9s %-16s %8s %19s %12s %10s", "ID", "TAG", "VM SIZE", "DATE",
                               "VM CLOCK", "ICOUNT");
    }
    return g_strdup_printf("%-9s %-16s %8s %19s %12s %10s", sn->id, sn->name,
                           image_size_text(sn->vm_state_size, size), date, clock, icount);
}

void image_snapshot_foreach(BlockNode *n, void (*fn)(void *opaque, const ImageSnapshot *sn),
                            void *opaque)
{
    if (n->drv->snapshot_foreach) {
        n->drv->snapshot_foreach(n, fn, opaque);
    }
}

bool image_snapshot_view(BlockNode *n, const char *name, Error **errp)
{
    return n->drv->snapshot_view ? n->drv->snapshot_view(n, name, errp)
                                 : missing(n, "snapshots", errp);
}

bool image_snapshot_create(BlockNode *n, const ImageSnapshot *like, Error **errp)
{
    return n->drv->snapshot_create ? n->drv->snapshot_create(n, like, errp)
                                   : missing(n, "snapshots", errp);
}

bool image_snapshot_apply(BlockNode *n, const char *name, Error **errp)
{
    if (!n->drv->snapshot_apply) {
        return missing(n, "snapshots", errp);
    }
    if (!n->drv->snapshot_apply(n, name, errp) || !block_resized(n, errp)) {
        return false;
    }
    block_dirty_mark(n, 0, block_size(n)); /* anything may be another than before */
    return true;
}

bool image_snapshot_delete(BlockNode *n, const char *name, Error **errp)
{
    return n->drv->snapshot_delete ? n->drv->snapshot_delete(n, name, errp)
                                   : missing(n, "snapshots", errp);
}

int image_vm_state_write(BlockNode *n, uint64_t offset, const void *buf, size_t len)
{
    return n->drv->vm_state_write ? n->drv->vm_state_write(n, offset, buf, len) : -ENOTSUP;
}

int image_vm_state_read(BlockNode *n, const char *snapshot, uint64_t offset, void *buf, size_t len)
{
    return n->drv->vm_state_read ? n->drv->vm_state_read(n, snapshot, offset, buf, len) : -ENOTSUP;
}
