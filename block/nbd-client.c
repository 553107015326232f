/* SPDX-License-Identifier: MIT */
/*
 * nbd: an image on an NBD server.  Spec: doc/proto.md of the NetworkBlockDevice project, spoken by libnbd.
 * Requests of several threads are on the way at the same time.  Not there: resizing.
 */
#include "rhea/osdep.h"

#include "nbd-link.h"
#include "rhea/iov.h"

enum { TRANSFER_MAX = 32 << 20, RANGE_MAX = 1 << 30 };

typedef struct Nbd {
    NbdLink *link;
    NbdFeatures f;
    GMutex unaligned; /* one write at a time that reads the rest of its blocks */
} Nbd;

/* --- Transfers --- */

/* In the steps that the server takes. */
static int transfer(Nbd *nbd, NbdKind kind, uint64_t offset, void *buf, uint64_t len)
{
    uint64_t step = MIN(nbd->f.max_block, TRANSFER_MAX);
    int ret = 0;

    for (uint64_t at = 0; !ret && at < len; at += step) {
        NbdCall call = {kind, (char *)buf + at, offset + at, MIN(step, len - at)};

        ret = nbd_link_call(nbd->link, &call);
    }
    return ret;
}

static int ranges(Nbd *nbd, NbdKind kind, uint64_t offset, uint64_t len, uint32_t flags)
{
    int ret = 0;

    for (uint64_t at = 0; !ret && at < len; at += RANGE_MAX) {
        NbdCall call = {kind, NULL, offset + at, MIN(RANGE_MAX, len - at), flags};

        ret = nbd_link_call(nbd->link, &call);
    }
    return ret;
}

static bool aligned(const Nbd *nbd, uint64_t offset, uint64_t len)
{
    return !((offset | len) & (nbd->f.min_block - 1));
}

/* The blocks around a range that is not made of whole ones. */
static uint8_t *around(const Nbd *nbd, uint64_t offset, uint64_t len, uint64_t *start,
                       uint64_t *span)
{
    uint64_t mask = nbd->f.min_block - 1;

    *start = offset & ~mask;
    *span = ((offset + len + mask) & ~mask) - *start;
    return g_try_malloc(*span);
}

static int read_flat(Nbd *nbd, uint64_t offset, void *buf, uint64_t len)
{
    g_autofree uint8_t *blocks = NULL;
    uint64_t start, span;
    int ret;

    if (aligned(nbd, offset, len)) {
        return transfer(nbd, NBD_READ, offset, buf, len);
    }
    blocks = around(nbd, offset, len, &start, &span);
    ret = blocks ? transfer(nbd, NBD_READ, start, blocks, span) : -ENOMEM;
    if (!ret) {
        memcpy(buf, blocks + (offset - start), len);
    }
    return ret;
}

static int write_flat(Nbd *nbd, uint64_t offset, const void *buf, uint64_t len)
{
    g_autofree uint8_t *blocks = NULL;
    uint64_t start, span;
    int ret;

    if (aligned(nbd, offset, len)) {
        return transfer(nbd, NBD_WRITE, offset, (void *)buf, len);
    }
    blocks = around(nbd, offset, len, &start, &span);
    if (!blocks) {
        return -ENOMEM;
    }
    g_mutex_lock(&nbd->unaligned);
    ret = transfer(nbd, NBD_READ, start, blocks, span);
    if (!ret) {
        memcpy(blocks + (offset - start), buf, len);
        ret = transfer(nbd, NBD_WRITE, start, blocks, span);
    }
    g_mutex_unlock(&nbd->unaligned);
    return ret;
}

/* Whole requests at once where they are in one piece, and what is behind the end as a file has it: zeroes. */
static int nbd_img_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    Nbd *nbd = n->opaque;
    uint64_t len = iov_length(iov, niov);
    uint64_t inside = offset < nbd->f.size ? MIN(len, nbd->f.size - offset) : 0;
    g_autofree uint8_t *bounce = NULL;
    int ret;

    if (niov == 1 && inside == len) {
        return read_flat(nbd, offset, iov->iov_base, len);
    }
    bounce = g_try_malloc(len + 1);
    ret = bounce ? read_flat(nbd, offset, bounce, inside) : -ENOMEM;
    if (!ret) {
        memset(bounce + inside, 0, len - inside);
        iov_from_buf(iov, niov, 0, bounce, len);
    }
    return ret;
}

static int nbd_img_pwritev(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    Nbd *nbd = n->opaque;
    uint64_t len = iov_length(iov, niov);
    g_autofree uint8_t *bounce = NULL;

    if (offset > nbd->f.size || len > nbd->f.size - offset) {
        return -ENOSPC;
    }
    if (niov == 1) {
        return write_flat(nbd, offset, iov->iov_base, len);
    }
    bounce = g_try_malloc(len + 1);
    if (!bounce) {
        return -ENOMEM;
    }
    iov_to_buf(iov, niov, 0, bounce, len);
    return write_flat(nbd, offset, bounce, len);
}

static int nbd_img_flush(BlockNode *n)
{
    Nbd *nbd = n->opaque;
    NbdCall call = {.kind = NBD_FLUSH};

    return nbd->f.flush && !n->no_flush ? nbd_link_call(nbd->link, &call) : 0;
}

/* Only whole blocks: it is a hint. */
static int nbd_img_discard(BlockNode *n, uint64_t offset, uint64_t len)
{
    Nbd *nbd = n->opaque;
    uint64_t mask = nbd->f.min_block - 1, start = (offset + mask) & ~mask;
    uint64_t end = MIN(offset + len, nbd->f.size) & ~mask;

    return nbd->f.trim && start < end ? ranges(nbd, NBD_TRIM, start, end - start, 0) : 0;
}

static int nbd_img_write_zeroes(BlockNode *n, uint64_t offset, uint64_t len, bool may_unmap)
{
    Nbd *nbd = n->opaque;
    uint64_t step = MIN(len, MiB);
    g_autofree uint8_t *zeroes = NULL;
    int ret = 0;

    if (offset > nbd->f.size || len > nbd->f.size - offset) {
        return -ENOSPC;
    }
    if (nbd->f.zero && aligned(nbd, offset, len)) {
        return ranges(nbd, NBD_ZERO, offset, len, may_unmap ? 0 : LIBNBD_CMD_FLAG_NO_HOLE);
    }
    zeroes = g_malloc0(step);
    for (uint64_t at = 0; !ret && at < len; at += step) {
        ret = write_flat(nbd, offset + at, zeroes, MIN(step, len - at));
    }
    return ret;
}

static int nbd_img_status(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st)
{
    Nbd *nbd = n->opaque;
    uint64_t mask = nbd->f.min_block - 1, start = offset & ~mask, left;
    NbdCall call = {.kind = NBD_STATUS, .offset = start, .flags = LIBNBD_CMD_FLAG_REQ_ONE};
    int ret;

    st->allocated = st->data = st->has_offset = true;
    st->offset = offset;
    st->run = len;
    if (offset >= nbd->f.size) {
        st->data = false;
        st->zero = true;
        return 0;
    }
    left = nbd->f.size - start;
    call.len = MIN((MIN(offset + len, nbd->f.size) - start + mask) & ~mask, RANGE_MAX);
    call.len = MIN(call.len, left);
    ret = nbd->f.extents ? nbd_link_call(nbd->link, &call) : 0;
    if (call.extent_len > offset - start) {
        st->run = call.extent_len - (offset - start);
        st->data = !(call.extent_flags & LIBNBD_STATE_HOLE);
        st->zero = call.extent_flags & LIBNBD_STATE_ZERO;
    } else {
        st->run = MIN(len, nbd->f.size - offset);
    }
    return ret;
}

/* --- Opening --- */

static bool nbd_img_set_read_only(BlockNode *n, bool read_only, Error **errp)
{
    const Nbd *nbd = n->opaque;

    return read_only || !nbd->f.read_only ||
           error_fail(errp, "'%s': the NBD server does not let it be written to", n->filename);
}

static bool check_features(const char *what, const BlockNode *n, const NbdFeatures *f, Error **errp)
{
    if (f->read_only && !n->read_only) {
        return error_fail(
            errp, "%s: the NBD server does not let '%s' be written to (read-only=on may do)", what,
            n->filename);
    }
    if (f->size > INT64_MAX || f->min_block & (f->min_block - 1) || f->min_block > 65536 ||
        f->max_block < f->min_block) {
        return error_fail(errp, "%s: '%s': the NBD server says sizes that cannot be", what,
                          n->filename);
    }
    return true;
}

static bool nbd_img_open(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    const char *what = opts_what(o);
    uint64_t reconnect_delay = 0, open_timeout = 0;
    NbdPlace place = {0};
    NbdLink *link;
    Nbd *nbd;

    if (!opts_take_u64(o, "reconnect-delay", UINT32_MAX, &reconnect_delay, errp) ||
        !opts_take_u64(o, "open-timeout", UINT32_MAX, &open_timeout, errp) ||
        !nbd_place_take(&place, o, errp)) {
        nbd_place_clear(&place);
        return false;
    }
    n->filename = nbd_place_name(&place);
    link = nbd_link_new(what, &place, open_timeout, reconnect_delay, errp);
    if (!link) {
        return false;
    }
    if (!check_features(what, n, nbd_link_features(link), errp)) {
        nbd_link_free(link);
        return false;
    }
    nbd = g_new0(Nbd, 1);
    nbd->link = link;
    nbd->f = *nbd_link_features(link);
    nbd->f.max_block &= ~(nbd->f.min_block - 1);
    g_mutex_init(&nbd->unaligned);
    n->opaque = nbd;
    n->size = nbd->f.size;
    return true;
}

static void nbd_img_close(BlockNode *n)
{
    Nbd *nbd = n->opaque;

    if (!n->read_only) {
        nbd_img_flush(n);
    }
    nbd_link_free(nbd->link);
    g_mutex_clear(&nbd->unaligned);
    g_free(nbd);
}

static const char *const prefixes[] = {"nbd:", "nbds:", "nbd+unix:", "nbds+unix:", NULL};

const BlockDriver nbd_driver = {
    .name = "nbd",
    .protocol = true,
    .connected = true,
    .prefixes = prefixes,
    .whole_name = true,
    .options = nbd_options,
    .open = nbd_img_open,
    .close = nbd_img_close,
    .preadv = nbd_img_preadv,
    .pwritev = nbd_img_pwritev,
    .flush = nbd_img_flush,
    .discard = nbd_img_discard,
    .write_zeroes = nbd_img_write_zeroes,
    .status = nbd_img_status,
    .set_read_only = nbd_img_set_read_only,
};
