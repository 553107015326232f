/* SPDX-License-Identifier: MIT */
/* What formats of blocks need to make and open images; main thread, but for blockmap_fill() and the codec. */
#include "rhea/osdep.h"

#include "blockmap.h"

/* --- Bytes as they are --- */

int blockmap_flat_get(BlockMap *m, uint64_t block, MapEntry *e)
{
    e->kind = MAP_DATA;
    e->host = m->data_start + block * m->block_size;
    return 0;
}

static const BlockMapOps flat_ops = {.get = blockmap_flat_get};

BlockMap *blockmap_new_flat(BlockNode *n, BlockNode *file, uint64_t host, uint64_t size)
{
    BlockMap *m = blockmap_new(n, file, &flat_ops, NULL);

    m->size = size;
    m->block_size = BLOCKMAP_FLAT_BLOCK;
    m->flat = true;
    m->data_start = host;
    return m;
}

/* --- Files, options, codecs --- */

BlockNode *blockmap_open_file(const char *what, const char *filename, unsigned flags, Error **errp)
{
    g_autoptr(Opts) o = opts_new(what);
    BlockNode *n;

    opts_add(o, "driver", file_driver.name);
    opts_add(o, "filename", filename);
    n = block_open_opts(o, flags, errp);
    if (n && !block_opts_done(o, n, NULL, errp)) {
        g_clear_pointer(&n, block_node_unref);
    }
    return n;
}

BlockNode *blockmap_create_file(const char *what, const char *filename, Error **errp)
{
    return block_create_file(what, filename, 0, BLOCK_PREALLOC_OFF, errp)
               ? blockmap_open_file(what, filename, 0, errp)
               : NULL;
}

bool blockmap_only_read(const BlockNode *n, Error **errp)
{
    return n->read_only ||
           error_fail(errp, "'%s': images of this format are only read (read-only=on)",
                      n->filename);
}

bool blockmap_take_size(Opts *o, uint64_t max, uint64_t *size, Error **errp)
{
    *size = UINT64_MAX;
    if (!opts_take_size(o, "size", size, errp)) {
        return false;
    }
    if (*size == UINT64_MAX) {
        return error_fail(errp, "%s: a size is missing", opts_what(o));
    }
    return *size <= max ||
           error_fail(errp, "%s: the size is at most %" PRIu64 " bytes", opts_what(o), max);
}

void blockmap_uuid(uint8_t uuid[static 16])
{
    for (unsigned i = 0; i < 16; i += 4) {
        guint32 r = g_random_int();

        memcpy(uuid + i, &r, 4);
    }
    uuid[6] = (uuid[6] & 0x0f) | 0x40;
    uuid[8] = (uuid[8] & 0x3f) | 0x80;
}

int blockmap_fill(BlockNode *file, uint64_t at, uint8_t byte, uint64_t bytes)
{
    enum { CHUNK = 1 << 20 };
    g_autofree uint8_t *buf = NULL;
    int ret = 0;

    if (!bytes) {
        return 0;
    }
    if (!byte) {
        return block_write_zeroes(file, at, bytes, true);
    }
    buf = g_malloc(MIN(bytes, CHUNK));
    memset(buf, byte, MIN(bytes, CHUNK));
    for (uint64_t n; !ret && bytes; at += n, bytes -= n) {
        n = MIN(bytes, CHUNK);
        ret = block_pwrite(file, at, buf, n);
    }
    return ret;
}
