/* SPDX-License-Identifier: MIT */
/*
 * LUKS version 1: an encrypted disk behind its header.
 * Not here: version 2, headers in files of their own.
 */
#include "rhea/osdep.h"

#include "luks.h"
#include "rhea/bits.h"

typedef struct LuksDisk {
    Luks header;
    Crypt *crypt; /* NULL: opened without the key, to look at it */
    uint64_t base;
} LuksDisk;

/* --- Opening --- */

static bool open_disk(LuksDisk *d, BlockNode *n, const char *secret, unsigned flags, Error **errp)
{
    uint64_t below = block_size(n->file);

    if (!luks_read(&d->header, n->file, 0, below, errp)) {
        return false;
    }
    d->base = d->header.payload * (uint64_t)CRYPT_SECTOR;
    if (d->base < LUKS_HEADER_LEN || d->base > below) {
        return error_fail(errp, "'%s': where the disk begins cannot be", n->filename);
    }
    n->size = (below - d->base) & ~(uint64_t)(CRYPT_SECTOR - 1);
    if (!secret && flags & BLOCK_REPAIR) {
        return true;
    }
    d->crypt = luks_unlock(&d->header, n->file, 0, secret, errp);
    return d->crypt;
}

static bool luks_open(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    LuksDisk *d = g_new0(LuksDisk, 1);

    if (!open_disk(d, n, opts_take(o, "key-secret"), flags, errp)) {
        g_free(d);
        return false;
    }
    n->opaque = d;
    return true;
}

static void luks_close(BlockNode *n)
{
    LuksDisk *d = n->opaque;

    crypt_free(d->crypt);
    g_free(d);
}

/* --- Requests --- */

static int luks_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    LuksDisk *d = n->opaque;

    return d->crypt ? crypt_preadv(d->crypt, n->file, d->base, d->base + offset, iov, niov)
                    : -EACCES;
}

static int luks_pwritev(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    LuksDisk *d = n->opaque;

    return d->crypt ? crypt_pwritev(d->crypt, n->file, d->base, d->base + offset, iov, niov)
                    : -EACCES;
}

static int luks_flush(BlockNode *n)
{
    return block_flush(n->file);
}

/* What is discarded would show where nothing is stored, and read as noise. */
static int luks_discard(BlockNode *n, uint64_t offset, uint64_t len)
{
    return 0;
}

static int luks_write_zeroes(BlockNode *n, uint64_t offset, uint64_t len, bool may_unmap)
{
    enum { CHUNK = 1 << 20 };
    g_autofree uint8_t *zeroes = g_malloc0(MIN(len, CHUNK));
    int ret = 0;

    while (!ret && len) {
        struct iovec iov = {zeroes, MIN(len, CHUNK)};

        ret = luks_pwritev(n, offset, &iov, 1);
        offset += iov.iov_len;
        len -= iov.iov_len;
    }
    return ret;
}

static int luks_status(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st)
{
    st->run = len;
    st->allocated = st->data = true;
    return 0;
}

static bool luks_truncate(BlockNode *n, uint64_t size, BlockPrealloc prealloc, Error **errp)
{
    LuksDisk *d = n->opaque;
    uint64_t old = n->size;
    int ret = 0;

    size = align_up(size, CRYPT_SECTOR);
    if (size > INT64_MAX - d->base) {
        return error_fail(errp, "'%s': the size is too large", n->filename);
    }
    if (!block_truncate(n->file, d->base + size, prealloc, errp)) {
        return false;
    }
    n->size = size;
    if (size > old) { /* zeroes of the file are noise on the disk */
        ret = luks_write_zeroes(n, old, size - old, false);
    }
    return !ret || error_fail_errno(errp, -ret, "'%s': cannot write what is new", n->filename);
}

static bool luks_set_read_only(BlockNode *n, bool read_only, Error **errp)
{
    return true;
}

static bool luks_encrypted(const BlockNode *n)
{
    return true;
}

static JsonObject *luks_specific(const BlockNode *n)
{
    JsonObject *obj = json_object_new();

    luks_describe(&((LuksDisk *)n->opaque)->header, 0, obj);
    return obj;
}

/* --- New images --- */

static const ImageOption create_options[] = {
    LUKS_CREATE_OPTIONS(""),
    {"preallocation", "Preallocation mode: off, falloc or full [off]"},
    {"size", "Virtual disk size"},
    {NULL, NULL},
};

static bool create_file(const char *what, const char *filename, uint64_t size,
                        BlockPrealloc prealloc, const LuksSpec *spec, Error **errp)
{
    BlockNode *file;
    bool ok;

    if (!block_create_file(what, filename, luks_room(spec) + size, prealloc, errp)) {
        return false;
    }
    file = block_open(what, filename, "raw", 0, errp);
    ok = file && luks_write_new(spec, block_file(file), 0, errp);
    block_node_unref(file);
    return ok;
}

static bool luks_create(const char *what, const char *filename, Opts *o, Error **errp)
{
    uint64_t size = UINT64_MAX;
    int prealloc = BLOCK_PREALLOC_OFF;
    LuksSpec spec = {0};
    bool ok = opts_take_size(o, "size", &size, errp) &&
              opts_take_enum(o, "preallocation", block_prealloc_names, &prealloc, errp) &&
              luks_take_spec(o, &spec, errp);

    if (ok && size > INT64_MAX / 2) {
        ok = error_fail(errp, "%s: a size is missing, or too large", what);
    }
    ok = ok && create_file(what, filename, align_up(size, CRYPT_SECTOR), prealloc, &spec, errp);
    luks_spec_clear(&spec);
    return ok;
}

static const ImageOption amend_options[] = {LUKS_AMEND_OPTIONS(""), {NULL, NULL}};

static bool luks_amend_disk(BlockNode *n, Opts *o, bool force, Error **errp)
{
    LuksDisk *d = n->opaque;

    return luks_amend(&d->header, n->file, 0, d->base, opts_peek(n->own, "key-secret"), o, force,
                      errp);
}

static const char *const luks_options[] = {"key-secret", NULL};

const BlockDriver luks_driver = {
    .name = "luks",
    .options = luks_options,
    .noise = true,
    .probe = luks_probe,
    .open = luks_open,
    .close = luks_close,
    .preadv = luks_preadv,
    .pwritev = luks_pwritev,
    .flush = luks_flush,
    .discard = luks_discard,
    .write_zeroes = luks_write_zeroes,
    .status = luks_status,
    .truncate = luks_truncate,
    .set_read_only = luks_set_read_only,
    .encrypted = luks_encrypted,
    .specific = luks_specific,
    .amend_options = amend_options,
    .amend = luks_amend_disk,
    .create_options = create_options,
    .create = luks_create,
};
