/* SPDX-License-Identifier: MIT */
/*
 * Compressed loop images, version 2 (specification: the format's description in Knoppix's cloop driver package).
 * A script of 128 bytes, sizes, a table of 64-bit offsets, blocks in zlib streams.  Read only.
 */
#include "rhea/osdep.h"

#include <zlib.h>

#include "blockmap.h"
#include "inflate.h"
#include "rhea/endian.h"

enum { BLOCK_SIZE = 128, BLOCKS = 132, TABLE = 136, MAX_BLOCK = 64 << 20 };
#define MAX_BLOCKS (1U << 26)

static const char preamble[] = "#!/bin/sh\n#V2.0 Format\nmodprobe cloop";

static bool cloop_probe(const uint8_t *head)
{
    return !memcmp(head, preamble, strlen(preamble));
}

/* lock held. */
static int read_offset(BlockMap *m, uint64_t i, uint64_t *offset)
{
    uint8_t raw[8];
    int ret = blockmap_meta_read(m, TABLE + i * 8, raw, sizeof(raw));

    *offset = ld64_be(raw);
    return ret;
}

static int cloop_get(BlockMap *m, uint64_t block, MapEntry *e)
{
    e->kind = MAP_COMPRESSED;
    return read_offset(m, block, &e->host);
}

static int cloop_inflate(BlockMap *m, uint64_t block, uint64_t host, uint8_t *out)
{
    g_autofree uint8_t *in = NULL;
    uint64_t end;
    int ret;

    g_mutex_lock(&m->lock);
    ret = read_offset(m, block + 1, &end);
    g_mutex_unlock(&m->lock);
    if (ret) {
        return ret;
    }
    if (end > INT64_MAX || host >= end || end - host > compressBound(m->block_size)) {
        return -EIO;
    }
    in = g_try_malloc(end - host);
    ret = in ? block_pread(m->file, host, in, end - host) : -ENOMEM;
    return ret ? ret : inflate_whole(INFLATE_ZLIB, in, end - host, out, m->block_size);
}

static const BlockMapOps cloop_ops = {.get = cloop_get, .inflate = cloop_inflate};

static bool cloop_open(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    uint8_t h[BLOCK_PROBE_LEN];
    uint64_t block, blocks;
    BlockMap *m;
    int ret = block_probe_head(n->file, h);

    if (ret) {
        return error_fail_errno(errp, -ret, "cannot read '%s'", n->filename);
    }
    block = ld32_be(h + BLOCK_SIZE);
    blocks = ld32_be(h + BLOCKS);
    if (!cloop_probe(h) || !block || block % 512 || block > MAX_BLOCK || blocks > MAX_BLOCKS) {
        return error_fail(errp, "'%s' is no compressed loop image, or its sizes cannot be",
                          n->filename);
    }
    if (!blockmap_only_read(n, errp)) {
        return false;
    }
    m = blockmap_new(n, n->file, &cloop_ops, NULL);
    m->size = n->size = blocks * block;
    m->block_size = block;
    if (!blockmap_ready(m, 0, errp)) {
        blockmap_discard_all(n);
        return false;
    }
    return true;
}

const BlockDriver cloop_driver = {
    .name = "cloop",
    .probe = cloop_probe,
    .open = cloop_open,
    BLOCKMAP_READS,
};
