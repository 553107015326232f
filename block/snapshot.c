/* SPDX-License-Identifier: MIT */
/* External snapshots: a new image on top, and what was there becomes its backing file. */
#include "rhea/osdep.h"

#include "block-int.h"

static bool create_top(BlockNode *base, const char *file, const char *format, Error **errp)
{
    g_autoptr(Opts) o = opts_new(file);
    g_autofree char *size = g_strdup_printf("%" PRIu64, block_size(base));
    g_autofree char *path = g_canonicalize_filename(base->filename, NULL);

    opts_add(o, "size", size);
    opts_add(o, "backing_file", path);
    opts_add(o, "backing_fmt", base->drv->name);
    return image_create(file, format, file, o, errp);
}

static BlockNode *open_top(const char *file, const char *format, const char *name, bool direct,
                           Error **errp)
{
    g_autoptr(Opts) o = opts_new("snapshot");

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

BlockNode *block_new_top(BlockNode *base, const char *file, const char *format, const char *name,
                         bool existing, Error **errp)
{
    BlockNode *n;

    if (base->temporary) {
        error_fail(errp, "what is written to '%s' is temporary, and has no file", base->filename);
        return NULL;
    }
    if (!existing && !create_top(base, file, format, errp)) {
        return NULL;
    }
    n = open_top(file, format, name, base->direct, errp);
    if (!n) {
        return NULL;
    }
    if (block_size(n) != block_size(base)) {
        error_fail(errp, "'%s' has %" PRIu64 " bytes, '%s' has %" PRIu64, file, block_size(n),
                   base->filename, block_size(base));
    } else if (block_set_read_only(base, true, errp)) {
        inherit(n, base);
        n->backing = block_node_ref(base);
        return n;
    }
    if (n->name) {
        block_node_forget(n);
    }
    block_node_unref(n);
    return NULL;
}
