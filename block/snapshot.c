/* SPDX-License-Identifier: MIT */
/* New images while a machine runs: targets of copies, and external snapshots, whose base becomes read-only. */
#include "rhea/osdep.h"

#include "block-int.h"

static bool create_image(const BlockImageSpec *spec, Error **errp)
{
    g_autoptr(Opts) o = opts_new(spec->file);
    g_autofree char *size = g_strdup_printf("%" PRIu64, spec->size);

    opts_add(o, "size", size);
    if (spec->backing) {
        g_autofree char *path = g_canonicalize_filename(spec->backing->filename, NULL);

        opts_add(o, "backing_file", path);
        opts_add(o, "backing_fmt", spec->backing->drv->name);
    }
    return image_create(spec->file, spec->format, spec->file, o, errp);
}

static BlockNode *open_image(const char *file, const char *format, const char *name, bool direct,
                             Error **errp)
{
    g_autoptr(Opts) o = opts_new(file);

    opts_add(o, "driver", format);
    opts_add(o, "file.driver", "file");
    opts_add(o, "file.filename", file);
    if (name) {
        opts_add(o, "node-name", name);
    }
    return block_open_opts(o, BLOCK_NO_BACKING | (direct ? BLOCK_DIRECT : 0), errp);
}

/* What the user wished for the image below holds for the one that takes its place. */
static void inherit(BlockNode *n, const BlockNode *base)
{
    n->no_flush = base->no_flush;
    n->writethrough = base->writethrough;
    n->unmap = base->unmap;
    n->detect_zeroes = base->detect_zeroes;
    if (n->file) {
        inherit(n->file, base);
        n->file->detect_zeroes = DETECT_ZEROES_OFF;
    }
}

BlockNode *block_new_image(const BlockImageSpec *spec, Error **errp)
{
    BlockNode *n;

    if (spec->backing && spec->backing->temporary) {
        error_fail(errp, "what is written to '%s' is temporary, and has no file",
                   spec->backing->filename);
        return NULL;
    }
    if (!spec->existing && !create_image(spec, errp)) {
        return NULL;
    }
    n = open_image(spec->file, spec->format, spec->name, spec->like->direct, errp);
    if (n) {
        inherit(n, spec->like);
    }
    return n;
}

bool block_put_above(BlockNode *n, BlockNode *base, Error **errp)
{
    if (block_size(n) != block_size(base)) {
        return error_fail(errp, "'%s' has %" PRIu64 " bytes, '%s' has %" PRIu64, n->filename,
                          block_size(n), base->filename, block_size(base));
    }
    if (n->backing) {
        return error_fail(errp, "The overlay already has a backing image");
    }
    if (!block_set_read_only(base, true, errp)) {
        return false;
    }
    n->backing = block_node_ref(base);
    return true;
}
