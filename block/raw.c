/* SPDX-License-Identifier: MIT */
/*
 * Raw images: the bytes of the file below, or a part of them (offset=, size=).
 * An image that is raw only because nothing else was recognised must not become another format by what
 * the guest writes: the next start would believe the guest's header, and open whatever files it names.
 */
#include "rhea/osdep.h"

#include "block-int.h"
#include "rhea/iov.h"

typedef struct Raw {
    uint64_t offset; /* in the file */
    bool part;       /* size= is given */
} Raw;

static uint64_t raw_offset(BlockNode *n, uint64_t offset)
{
    return ((Raw *)n->opaque)->offset + offset;
}

static int raw_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    return block_preadv(n->file, raw_offset(n, offset), iov, niov);
}

/* Whether the first sector would be a format's header after the write. */
static bool raw_makes_format(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    uint8_t head[BLOCK_PROBE_LEN];
    uint64_t len = MIN(iov_length(iov, niov), BLOCK_PROBE_LEN - offset);

    if (block_probe_head(n, head)) {
        return true;
    }
    iov_to_buf(iov, niov, 0, head + offset, len);
    return block_driver_probe(head) != NULL;
}

static int raw_pwritev(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    if (n->probed && offset < BLOCK_PROBE_LEN && raw_makes_format(n, offset, iov, niov)) {
        warn_user("'%s' was taken for a raw image without being told (format=raw): what would make "
                  "it another format is not written to its first sector",
                  n->filename);
        return -EPERM;
    }
    return block_pwritev(n->file, raw_offset(n, offset), iov, niov);
}

static int raw_flush(BlockNode *n)
{
    return block_flush(n->file);
}

static int raw_discard(BlockNode *n, uint64_t offset, uint64_t len)
{
    return block_discard(n->file, raw_offset(n, offset), len);
}

static int raw_write_zeroes(BlockNode *n, uint64_t offset, uint64_t len, bool may_unmap)
{
    return block_write_zeroes(n->file, raw_offset(n, offset), len, may_unmap);
}

static void raw_reserve(BlockNode *n, uint64_t offset, uint64_t len)
{
    block_reserve(n->file, raw_offset(n, offset), len);
}

static int raw_status(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st)
{
    int ret = block_status(n->file, raw_offset(n, offset), len, st);

    st->allocated = true;
    return ret;
}

static bool raw_truncate(BlockNode *n, uint64_t size, BlockPrealloc prealloc, Error **errp)
{
    Raw *raw = n->opaque;

    if (raw->part) {
        return error_fail(errp, "'%s': its size is given by size=", n->filename);
    }
    if (size > INT64_MAX - raw->offset) {
        return error_fail(errp, "'%s': the size is too large", n->filename);
    }
    if (!block_truncate(n->file, raw->offset + size, prealloc, errp)) {
        return false;
    }
    n->size = size;
    return true;
}

static bool raw_set_read_only(BlockNode *n, bool read_only, Error **errp)
{
    return true;
}

/* offset= and size=, which the file has room for. */
static bool raw_set_part(BlockNode *n, Raw *raw, Opts *o, Error **errp)
{
    uint64_t below = block_size(n->file), offset = 0, size = UINT64_MAX;

    if (!opts_take_size(o, "offset", &offset, errp) || !opts_take_size(o, "size", &size, errp)) {
        return false;
    }
    if (offset > below || (size != UINT64_MAX && size > below - offset)) {
        return error_fail(errp, "%s: offset= and size= reach beyond '%s' (%" PRIu64 " bytes)",
                          opts_what(o), n->file->filename, below);
    }
    raw->offset = offset;
    raw->part = size != UINT64_MAX;
    n->size = raw->part ? size : below - offset;
    return true;
}

static bool raw_open(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    Raw *raw = g_new0(Raw, 1);

    if (!raw_set_part(n, raw, o, errp)) {
        g_free(raw);
        return false;
    }
    n->opaque = raw;
    return true;
}

static bool raw_reopen(BlockNode *n, Opts *o, Error **errp)
{
    return raw_set_part(n, n->opaque, o, errp);
}

static void raw_close(BlockNode *n)
{
    g_free(n->opaque);
}

/* --- New images --- */

static const ImageOption create_options[] = {
    {"preallocation", "Preallocation mode: off, falloc or full [off]"},
    {"size", "Virtual disk size"},
    {NULL, NULL},
};

static bool raw_create(const char *what, const char *filename, Opts *o, Error **errp)
{
    uint64_t size = UINT64_MAX;
    int prealloc = BLOCK_PREALLOC_OFF;

    if (!opts_take_size(o, "size", &size, errp) ||
        !opts_take_enum(o, "preallocation", block_prealloc_names, &prealloc, errp)) {
        return false;
    }
    if (size > INT64_MAX) {
        return error_fail(errp, "%s: a size is missing, or too large", what);
    }
    return block_create_file(what, filename, size, prealloc, errp);
}

static const char *const raw_options[] = {"offset", "size", NULL};

const BlockDriver raw_driver = {
    .name = "raw",
    .options = raw_options,
    .changeable = raw_options,
    .reopen = raw_reopen,
    .open = raw_open,
    .close = raw_close,
    .preadv = raw_preadv,
    .pwritev = raw_pwritev,
    .flush = raw_flush,
    .discard = raw_discard,
    .write_zeroes = raw_write_zeroes,
    .status = raw_status,
    .truncate = raw_truncate,
    .set_read_only = raw_set_read_only,
    .reserve = raw_reserve,
    .create_options = create_options,
    .create = raw_create,
};
