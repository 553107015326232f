/* SPDX-License-Identifier: MIT */
/*
 * null-co and null-aio: an image that forgets what is written and reads as anything, by default as zeroes at no
 * cost.  For measuring everything but the image.
 */
#include "rhea/osdep.h"

#include "block-int.h"
#include "rhea/iov.h"

typedef struct Null {
    uint64_t latency_ns;
    bool read_zeroes;
} Null;

static int null_wait(BlockNode *n)
{
    const Null *s = n->opaque;

    if (s->latency_ns) {
        g_usleep(s->latency_ns / 1000);
    }
    return 0;
}

static int null_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    if (((const Null *)n->opaque)->read_zeroes) {
        iov_clear(iov, niov, 0, iov_length(iov, niov));
    }
    return null_wait(n);
}

static int null_pwritev(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    return null_wait(n);
}

static int null_flush(BlockNode *n)
{
    return null_wait(n);
}

static int null_discard(BlockNode *n, uint64_t offset, uint64_t len)
{
    return null_wait(n);
}

static int null_write_zeroes(BlockNode *n, uint64_t offset, uint64_t len, bool may_unmap)
{
    return null_wait(n);
}

static int null_status(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st)
{
    bool zeroes = ((const Null *)n->opaque)->read_zeroes;

    *st = (BlockStatus){.run = len, .allocated = true, .data = !zeroes, .zero = zeroes};
    return 0;
}

static bool null_set_read_only(BlockNode *n, bool read_only, Error **errp)
{
    return true;
}

static bool null_open(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    uint64_t size = 1 << 30, latency_ns = 0;
    bool read_zeroes = false;
    Null *s;

    if (!opts_take_size(o, "size", &size, errp) ||
        !opts_take_u64(o, "latency-ns", 1000000000ULL * 60, &latency_ns, errp) ||
        !opts_take_bool(o, "read-zeroes", &read_zeroes, errp)) {
        return false;
    }
    if (size > INT64_MAX) {
        return error_fail(errp, "%s: size= is too large", opts_what(o));
    }
    s = g_new0(Null, 1);
    s->latency_ns = latency_ns;
    s->read_zeroes = read_zeroes;
    n->opaque = s;
    n->size = size;
    n->filename = n->filename ? n->filename : g_strdup("null-co://");
    return true;
}

static void null_close(BlockNode *n)
{
    g_free(n->opaque);
}

static const char *const null_options[] = {"size", "latency-ns", "read-zeroes", NULL};

#define NULL_DRIVER(NAME)                                                                          \
    {                                                                                              \
        .name = (NAME), .protocol = true, .options = null_options, .open = null_open,              \
        .close = null_close, .preadv = null_preadv, .pwritev = null_pwritev, .flush = null_flush,  \
        .discard = null_discard, .write_zeroes = null_write_zeroes, .status = null_status,         \
        .set_read_only = null_set_read_only,                                                       \
    }
const BlockDriver null_co_driver = NULL_DRIVER("null-co");
const BlockDriver null_aio_driver = NULL_DRIVER("null-aio");
