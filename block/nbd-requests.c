/* SPDX-License-Identifier: MIT */
/*
 * Requests of NBD clients: the connection's thread reads and checks them, workers do them and answer, in any
 * order.  What a client may have in flight is limited, in number and in bytes.
 */
#include "rhea/osdep.h"

#include "block/dirty-bitmap.h"
#include "nbd-int.h"
#include "rhea/endian.h"

enum {
    WORKERS = 8,
    IN_FLIGHT_MAX = 64,
    IN_FLIGHT_BYTES_MAX = 64 << 20,
    REQUEST_LEN = 28,
    HOLE_MIN = 4096, /* a shorter one is sent as data */
    EXTENTS_MAX = 2048,
};

typedef struct NbdRequest {
    NbdConn *c;
    uint16_t flags, type;
    uint64_t cookie, offset;
    uint32_t len;
    uint64_t charge; /* bytes of memory that it may take */
    int error;       /* found before it was tried */
    uint8_t *data;   /* of a write */
} NbdRequest;

/* --- Answers --- */

static uint32_t wire_error(int ret)
{
    switch (-ret) {
    case 0: return 0;
    case EPERM:
    case EROFS: return NBD_EPERM;
    case ENOMEM: return NBD_ENOMEM;
    case EINVAL: return NBD_EINVAL;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return NBD_ENOSPC;
    case EOVERFLOW: return NBD_EOVERFLOW;
    case ENOTSUP: return NBD_ENOTSUP;
    case ESHUTDOWN: return NBD_ESHUTDOWN;
    default: return NBD_EIO;
    }
}

static bool reply_simple(const NbdRequest *r, int ret, void *data, size_t len)
{
    uint8_t header[16];
    struct iovec iov[] = {{header, sizeof(header)}, {data, len}};

    st32_be(header, NBD_SIMPLE_REPLY);
    st32_be(header + 4, wire_error(ret));
    st64_be(header + 8, r->cookie);
    return nbd_send(r->c, iov, ret ? 1 : 2);
}

/* One chunk: @head, then @data. */
static bool reply_chunk(const NbdRequest *r, unsigned type, bool done, void *head, size_t head_len,
                        void *data, size_t len)
{
    uint8_t header[20];
    struct iovec iov[] = {{header, sizeof(header)}, {head, head_len}, {data, len}};

    st32_be(header, NBD_STRUCTURED_REPLY);
    st16_be(header + 4, done ? NBD_REPLY_FLAG_DONE : 0);
    st16_be(header + 6, (uint16_t)type);
    st64_be(header + 8, r->cookie);
    st32_be(header + 16, (uint32_t)(head_len + len));
    return nbd_send(r->c, iov, ARRAY_SIZE(iov));
}

static bool reply_error_chunk(const NbdRequest *r, int ret)
{
    const char *text = strerror(-ret);
    uint8_t head[6];

    st32_be(head, wire_error(ret));
    st16_be(head + 4, (uint16_t)strlen(text));
    return reply_chunk(r, NBD_REPLY_ERROR, true, head, sizeof(head), (void *)text, strlen(text));
}

/* The end of a request that has no data to send. */
static bool reply_status(const NbdRequest *r, int ret)
{
    if (!r->c->structured) {
        return reply_simple(r, ret, NULL, 0);
    }
    return ret ? reply_error_chunk(r, ret) : reply_chunk(r, NBD_REPLY_NONE, true, NULL, 0, NULL, 0);
}

/* --- Reading --- */

static int target_read(const NbdRequest *r, uint64_t offset, void *buf, size_t len)
{
    const NbdExport *e = r->c->export;

    return e->target->read(e->opaque, offset, buf, len);
}

static int target_status(const NbdRequest *r, uint64_t offset, uint64_t len, BlockStatus *st)
{
    const NbdExport *e = r->c->export;
    int ret = e->target->status(e->opaque, offset, len, st);

    /* A driver that says nothing useful must not make a loop of it. */
    return ret ? ret : st->run && st->run <= len ? 0 : -EIO;
}

/* A read in one piece. */
static bool read_whole(const NbdRequest *r)
{
    g_autofree uint8_t *buf = g_try_malloc(r->len);
    int ret = buf ? target_read(r, r->offset, buf, r->len) : -ENOMEM;
    uint8_t head[8];

    if (!r->c->structured) {
        return reply_simple(r, ret, buf, r->len);
    }
    if (ret) {
        return reply_error_chunk(r, ret);
    }
    st64_be(head, r->offset);
    return reply_chunk(r, NBD_REPLY_OFFSET_DATA, true, head, sizeof(head), buf, r->len);
}

static bool send_hole(const NbdRequest *r, uint64_t offset, uint32_t len)
{
    uint8_t head[12];

    st64_be(head, offset);
    st32_be(head + 8, len);
    return reply_chunk(r, NBD_REPLY_OFFSET_HOLE, false, head, sizeof(head), NULL, 0);
}

/* Data from @offset on; false with *ret set: it could not be read, and nothing is sent. */
static bool send_data(const NbdRequest *r, uint64_t offset, uint32_t len, uint8_t *buf, int *ret)
{
    uint8_t head[8];

    *ret = target_read(r, offset, buf, len);
    st64_be(head, offset);
    return !*ret && reply_chunk(r, NBD_REPLY_OFFSET_DATA, false, head, sizeof(head), buf, len);
}

/* The length of what is alike at @offset: a hole, or data with holes that are not worth a chunk. */
static int next_piece(const NbdRequest *r, uint64_t offset, uint64_t len, bool *hole, uint64_t *run)
{
    BlockStatus st;
    int ret = 0;

    *run = 0;
    *hole = false;
    while (*run < len) {
        bool zero;

        ret = target_status(r, offset + *run, len - *run, &st);
        if (ret) {
            return ret;
        }
        zero = st.zero && (st.run >= HOLE_MIN || st.run == len);
        if (zero && *run) {
            break; /* it has a chunk of its own */
        }
        *run += st.run;
        if (zero) {
            *hole = true;
            break;
        }
    }
    return 0;
}

/* A structured read: holes are named, not sent. */
static bool read_sparse(const NbdRequest *r)
{
    g_autofree uint8_t *buf = NULL;
    uint64_t at = 0, run;
    bool hole;
    int ret = 0;

    for (; at < r->len; at += run) {
        ret = next_piece(r, r->offset + at, r->len - at, &hole, &run);
        if (ret) { /* nobody needs to know where holes are */
            hole = false;
            run = r->len - at;
        }
        if (!hole && run == r->len) {
            return read_whole(r);
        }
        if (!hole && !buf && !(buf = g_try_malloc(r->len))) {
            return reply_error_chunk(r, -ENOMEM);
        }
        ret = 0;
        if (!(hole ? send_hole(r, r->offset + at, (uint32_t)run)
                   : send_data(r, r->offset + at, (uint32_t)run, buf, &ret))) {
            return ret ? reply_error_chunk(r, ret) : false;
        }
    }
    return reply_status(r, 0);
}

/* --- What is where --- */

/* What context @n says of the bytes at @offset; 0 or a negative errno. */
static int context_state(const NbdRequest *r, unsigned n, uint64_t offset, uint64_t len,
                         uint32_t *flags, uint64_t *run)
{
    uint64_t dirty = offset;
    BlockStatus st;
    int ret;

    if (n) {
        if (!dirty_bitmap_next(r->c->export->bitmaps[n - 1], &dirty, len, run)) {
            dirty = offset + len;
        }
        *flags = dirty == offset ? NBD_STATE_DIRTY : 0;
        *run = dirty == offset ? MIN(*run, len) : MIN(dirty - offset, len);
        return 0;
    }
    ret = target_status(r, offset, len, &st);
    *flags = (st.data ? 0 : NBD_STATE_HOLE) | (st.zero ? NBD_STATE_ZERO : 0);
    *run = st.run;
    return ret;
}

/* Fills descriptors of 8 bytes; how many. */
static int gather_extents(const NbdRequest *r, unsigned n, uint8_t *out, unsigned max,
                          unsigned *count)
{
    uint32_t run = 0, flags = 0, state;
    uint64_t part;

    *count = 0;
    for (uint64_t at = 0; at < r->len; at += part) {
        int ret = context_state(r, n, r->offset + at, r->len - at, &state, &part);

        if (ret) {
            return ret;
        }
        if (run && state != flags) {
            if (*count == max - 1) {
                break;
            }
            st32_be(out + *count * 8, run);
            st32_be(out + *count * 8 + 4, flags);
            (*count)++;
            run = 0;
        }
        flags = state;
        run += (uint32_t)part;
    }
    st32_be(out + *count * 8, run);
    st32_be(out + *count * 8 + 4, flags);
    (*count)++;
    return 0;
}

/* A chunk for each context, the last of which ends the answer. */
static bool answer_extents(const NbdRequest *r)
{
    unsigned max = r->flags & NBD_CMD_FLAG_REQ_ONE ? 1 : EXTENTS_MAX, count;
    g_autofree uint8_t *extents = g_malloc(max * 8);
    uint64_t left = r->c->contexts;
    bool ok = true;

    for (unsigned n = 0; ok && left; n++) {
        uint8_t head[4];
        int ret;

        if (!(left >> n & 1)) {
            continue;
        }
        left &= ~(1ULL << n);
        ret = gather_extents(r, n, extents, max, &count);
        if (ret) {
            return reply_error_chunk(r, ret);
        }
        st32_be(head, n + 1);
        ok = reply_chunk(r, NBD_REPLY_BLOCK_STATUS, !left, head, sizeof(head), extents, count * 8);
    }
    return ok;
}

/* --- Doing them --- */

static int change(const NbdRequest *r)
{
    const NbdTarget *t = r->c->export->target;
    void *opaque = r->c->export->opaque;
    bool fua = r->flags & NBD_CMD_FLAG_FUA;
    int ret;

    switch (r->type) {
    case NBD_CMD_WRITE: return t->write(opaque, r->offset, r->data, r->len, fua);
    case NBD_CMD_TRIM: ret = t->discard(opaque, r->offset, r->len); break;
    default:
        ret = t->write_zeroes(opaque, r->offset, r->len, !(r->flags & NBD_CMD_FLAG_NO_HOLE));
        break;
    }
    return !ret && fua ? t->flush(opaque) : ret;
}

static bool execute(const NbdRequest *r)
{
    const NbdExport *e = r->c->export;

    if (r->error) {
        return reply_status(r, r->error);
    }
    switch (r->type) {
    case NBD_CMD_READ:
        return r->c->structured && !(r->flags & NBD_CMD_FLAG_DF) ? read_sparse(r) : read_whole(r);
    case NBD_CMD_FLUSH: return reply_status(r, e->target->flush(e->opaque));
    case NBD_CMD_CACHE: return reply_status(r, 0); /* a hint; the host's cache decides */
    case NBD_CMD_BLOCK_STATUS: return answer_extents(r);
    default: return reply_status(r, change(r));
    }
}

static void request_end(NbdRequest *r)
{
    NbdConn *c = r->c;

    g_mutex_lock(&c->lock);
    c->in_flight--;
    c->in_flight_bytes -= r->charge;
    g_cond_signal(&c->ended);
    g_mutex_unlock(&c->lock);
    g_free(r->data);
    g_free(r);
}

static void worker(gpointer data, gpointer unused)
{
    NbdRequest *r = data;

    tsan_pool_popped(r);
    if (!nbd_broken(r->c)) {
        execute(r); /* when it cannot be answered the connection has ended, which its reader sees */
    }
    request_end(r);
}

/* --- Reading and checking them --- */

static unsigned accepted_flags(const NbdRequest *r)
{
    switch (r->type) {
    case NBD_CMD_READ: return NBD_CMD_FLAG_FUA | (r->c->structured ? NBD_CMD_FLAG_DF : 0);
    case NBD_CMD_WRITE_ZEROES: return NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_NO_HOLE;
    case NBD_CMD_BLOCK_STATUS: return NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_REQ_ONE;
    default: return NBD_CMD_FLAG_FUA;
    }
}

static bool changes(const NbdRequest *r)
{
    return r->type == NBD_CMD_WRITE || r->type == NBD_CMD_TRIM || r->type == NBD_CMD_WRITE_ZEROES;
}

/* What is wrong with it, or 0. */
static int check(const NbdRequest *r)
{
    const NbdExport *e = r->c->export;

    if (r->type > NBD_CMD_BLOCK_STATUS || r->flags & ~accepted_flags(r)) {
        return -EINVAL;
    }
    if (r->type == NBD_CMD_FLUSH) {
        return r->offset || r->len ? -EINVAL : 0;
    }
    if (changes(r) && !e->writable) {
        return -EPERM;
    }
    if (r->offset > e->size || r->len > e->size - r->offset) {
        return r->type == NBD_CMD_WRITE || r->type == NBD_CMD_WRITE_ZEROES ? -ENOSPC : -EINVAL;
    }
    if (r->type == NBD_CMD_BLOCK_STATUS) {
        return r->c->structured && r->c->contexts && r->len ? 0 : -EINVAL;
    }
    if (r->type == NBD_CMD_READ) {
        return !r->len ? -EINVAL : r->len > NBD_MAX_TRANSFER ? -EOVERFLOW : 0;
    }
    return 0;
}

/* Waits until there is room for one more: a client that asks for much waits for its own answers. */
static void reserve(NbdConn *c, uint64_t charge)
{
    g_mutex_lock(&c->lock);
    while (c->in_flight &&
           (c->in_flight >= IN_FLIGHT_MAX || c->in_flight_bytes + charge > IN_FLIGHT_BYTES_MAX)) {
        g_cond_wait(&c->ended, &c->lock);
    }
    c->in_flight++;
    c->in_flight_bytes += charge;
    g_mutex_unlock(&c->lock);
}

/* The data of a write, also of one that is refused: what follows it is the next request. */
static bool take_data(NbdRequest *r)
{
    if (r->type != NBD_CMD_WRITE || !r->len) {
        return true;
    }
    if (!r->error) {
        r->data = g_try_malloc(r->len);
        r->error = r->data ? 0 : -ENOMEM;
    }
    return r->error ? nbd_recv_skip(r->c, r->len) : nbd_recv(r->c, r->data, r->len);
}

static bool next_request(NbdConn *c)
{
    uint8_t header[REQUEST_LEN];
    NbdRequest *r;

    if (!nbd_recv(c, header, sizeof(header)) || ld32_be(header) != NBD_REQUEST_MAGIC) {
        return false;
    }
    r = g_new0(NbdRequest, 1);
    r->c = c;
    r->flags = ld16_be(header + 4);
    r->type = ld16_be(header + 6);
    r->cookie = ld64_be(header + 8);
    r->offset = ld64_be(header + 16);
    r->len = ld32_be(header + 24);
    r->error = check(r);
    if (r->type == NBD_CMD_DISC || (r->type == NBD_CMD_WRITE && r->len > NBD_MAX_TRANSFER)) {
        g_free(r); /* a goodbye, or the sign of one who does not keep to the protocol */
        return false;
    }
    r->charge = !r->error && (r->type == NBD_CMD_READ || r->type == NBD_CMD_WRITE) ? r->len : 0;
    reserve(c, r->charge);
    if (!take_data(r)) {
        request_end(r);
        return false;
    }
    g_thread_pool_push(c->workers, r, NULL);
    return true;
}

void nbd_serve_requests(NbdConn *c)
{
    c->workers = g_thread_pool_new(worker, NULL, WORKERS, FALSE, NULL);
    while (next_request(c)) {
    }
    g_mutex_lock(&c->lock);
    while (c->in_flight) {
        g_cond_wait(&c->ended, &c->lock);
    }
    g_mutex_unlock(&c->lock);
    g_thread_pool_free(c->workers, FALSE, TRUE);
}
