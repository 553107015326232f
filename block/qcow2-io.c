/* SPDX-License-Identifier: MIT */
/*
 * Requests on qcow2 images.  A request goes by runs of clusters that are alike; each run takes the io lock
 * for itself, so that whoever wants it exclusively waits for one run at most.
 */
#include "rhea/osdep.h"

#include "qcow2.h"
#include "rhea/iov.h"

static uint64_t cluster_of(const Qcow2 *q, uint64_t offset)
{
    return offset >> q->cluster_bits;
}

/* --- Reading --- */

static int read_run(Qcow2 *q, const Qcow2Run *run, uint64_t offset, const struct iovec *iov,
                    int niov)
{
    switch (run->kind) {
    case QCOW2_DATA: return qcow2_data_preadv(q, run->host, iov, niov);
    case QCOW2_COMPRESSED:
        return qcow2_read_compressed(q, run->host, offset & (q->cluster_size - 1), iov, niov);
    case QCOW2_ZERO: iov_clear(iov, niov, 0, run->len); return 0;
    case QCOW2_NOTHING: return block_preadv_backing(q->n, offset, iov, niov);
    }
    return -EIO;
}

/* One run of the request, io held; *run says how long it was. */
static int read_step(Qcow2 *q, uint64_t offset, uint64_t len, const struct iovec *iov, int niov,
                     uint64_t skip, Qcow2Run *run)
{
    g_autofree struct iovec *part = NULL;
    int part_n, ret;

    g_mutex_lock(&q->meta);
    ret = qcow2_map(q, offset, len, run);
    g_mutex_unlock(&q->meta);
    if (ret) {
        return ret;
    }
    if (!skip && run->len == len) {
        return read_run(q, run, offset, iov, niov);
    }
    part = iov_slice(iov, niov, skip, run->len, &part_n);
    return read_run(q, run, offset, part, part_n);
}

int qcow2_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    Qcow2 *q = qcow2_of(n);
    uint64_t len = iov_length(iov, niov), done = 0;
    int ret = 0;

    while (!ret && done < len) {
        Qcow2Run run = {0};

        pthread_rwlock_rdlock(&q->io);
        ret = read_step(q, offset + done, len - done, iov, niov, done, &run);
        pthread_rwlock_unlock(&q->io);
        done += run.len;
    }
    return ret;
}

/* Guest bytes as they are, io held. */
static int read_flat(Qcow2 *q, uint64_t offset, uint8_t *buf, uint64_t len)
{
    struct iovec iov = {buf, len};
    uint64_t done = 0;
    int ret = 0;

    while (!ret && done < len) {
        Qcow2Run run = {0};

        ret = read_step(q, offset + done, len - done, &iov, 1, done, &run);
        done += run.len;
    }
    return ret;
}

int qcow2_status(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st)
{
    Qcow2 *q = qcow2_of(n);
    Qcow2Run run;
    int ret;

    pthread_rwlock_rdlock(&q->io);
    g_mutex_lock(&q->meta);
    ret = qcow2_map(q, offset, len, &run);
    g_mutex_unlock(&q->meta);
    pthread_rwlock_unlock(&q->io);
    if (ret) {
        return ret;
    }
    st->run = run.len;
    st->allocated = run.kind != QCOW2_NOTHING;
    st->zero = run.kind == QCOW2_ZERO;
    st->compressed = run.kind == QCOW2_COMPRESSED;
    st->data = run.kind == QCOW2_DATA || st->compressed;
    st->has_offset = run.kind == QCOW2_DATA && !qcow2_external(q) && !q->encrypted;
    st->offset = run.host;
    return 0;
}

/* --- Clusters in flight (meta held) --- */

static bool in_flight(const Qcow2 *q, uint64_t first, uint64_t count)
{
    for (guint i = 0; i < q->flights->len; i++) {
        const Qcow2Flight *f = g_ptr_array_index(q->flights, i);

        if (first < f->first + f->count && f->first < first + count) {
            return true;
        }
    }
    return false;
}

static void flight_begin(Qcow2 *q, Qcow2Flight *f, uint64_t first, uint64_t count)
{
    *f = (Qcow2Flight){first, count};
    g_ptr_array_add(q->flights, f);
}

static void flight_end(Qcow2 *q, Qcow2Flight *f)
{
    g_ptr_array_remove_fast(q->flights, f);
    g_cond_broadcast(&q->landed);
}

/* --- Writing --- */

/* The subclusters of a cluster that guest bytes @from..@to-1 touch, as a mask. */
static uint64_t touched(const Qcow2 *q, uint64_t cluster, uint64_t from, uint64_t to)
{
    uint64_t start = cluster << q->cluster_bits;
    unsigned a = from > start ? (from - start) >> q->sub_bits : 0;
    unsigned b = to < start + q->cluster_size ? (to - start - 1) >> q->sub_bits : q->subs - 1;

    return (UINT64_MAX << a) & (UINT64_MAX >> (63 - b));
}

/* Bytes go into the host cluster without a change of tables. */
static bool in_place(const Qcow2 *q, const Qcow2Entry *e, uint64_t mask, uint64_t *host)
{
    return qcow2_entry_host(q, e, host) && e->desc & ENTRY_COPIED && (e->subs & mask) == mask;
}

/* How far a write from @offset on goes in place and stays contiguous, 0: not at all. meta held. */
static int in_place_run(Qcow2 *q, uint64_t offset, uint64_t len, uint64_t *run, uint64_t *host)
{
    uint64_t end = offset + len;

    *run = 0;
    while (*run < len) {
        uint64_t at = offset + *run, cluster = cluster_of(q, at), here;
        uint64_t next = MIN(end, (cluster + 1) << q->cluster_bits);
        Qcow2Entry e;
        int ret = qcow2_entry_get(q, cluster, &e);

        if (ret) {
            return *run ? 0 : ret;
        }
        if (!in_place(q, &e, touched(q, cluster, at, next), &here)) {
            break;
        }
        here += at & (q->cluster_size - 1);
        if (*run && here != *host + *run) {
            break;
        }
        *host = *run ? *host : here;
        *run = next - offset;
    }
    return 0;
}

/* A write that changes tables: clusters first..first+count-1, into the host from @host on. */
typedef struct Plan {
    uint64_t first, count, host;
    uint64_t from, to;           /* guest bytes that the request brings */
    uint64_t copy_from, copy_to; /* guest bytes that are written: with what is around them */
    bool own;                    /* the host cluster was there */
    bool fresh;                  /* the host clusters read as zeroes */
} Plan;

/* Whether the cluster can take the write in the host cluster that it has. */
static bool has_own(const Qcow2 *q, const Qcow2Entry *e)
{
    uint64_t host;

    return qcow2_entry_host(q, e, &host) && e->desc & ENTRY_COPIED;
}

static int plan_host(Qcow2 *q, Plan *p, const Qcow2Entry *e)
{
    uint64_t fresh = q->fresh;
    int ret = 0;

    p->own = has_own(q, e);
    if (p->own) {
        qcow2_entry_host(q, e, &p->host);
        p->count = 1;
    } else if (qcow2_external(q)) {
        p->host = p->first << q->cluster_bits;
        p->count = 1;
    } else {
        ret = qcow2_alloc(q, p->count, &p->count, &p->host);
        p->fresh = !ret && !q->encrypted && p->host >> q->cluster_bits >= fresh;
    }
    return ret;
}

/* Whether the old contents lie in a host cluster that this entry leaves. */
static bool moves(const Qcow2 *q, const Qcow2Entry *e)
{
    return q->subs > 1 && !has_own(q, e) && (e->desc & ENTRY_COMPRESSED || e->subs & UINT32_MAX);
}

/* How many clusters from @first on, up to that of byte @end - 1, want new host clusters. meta held. */
static uint64_t count_new(Qcow2 *q, uint64_t first, uint64_t end)
{
    uint64_t last = cluster_of(q, end - 1), count = 1;

    last = MIN(last, first | ((1ULL << q->l2_bits) - 1));
    for (; first + count <= last; count++) {
        Qcow2Entry e;

        if (qcow2_entry_get(q, first + count, &e) || has_own(q, &e) || moves(q, &e) ||
            in_flight(q, first + count, 1)) {
            break;
        }
    }
    return count;
}

/* What must be written with the data: up to the borders of subclusters, or of the cluster when it moves. */
static void plan_copy(const Qcow2 *q, Plan *p, bool whole)
{
    uint64_t unit = whole ? q->cluster_size : 1ULL << q->sub_bits;
    bool behind = p->from >= q->n->size; /* a machine's state, not the disk */

    p->copy_from = p->from & ~(unit - 1);
    p->copy_to = (p->to + unit - 1) & ~(unit - 1);
    p->copy_to = behind ? p->copy_to : MIN(p->copy_to, q->n->size);
}

static int plan_write(Qcow2 *q, uint64_t offset, uint64_t len, Plan *p)
{
    Qcow2Entry e;
    int ret;

    *p = (Plan){.first = cluster_of(q, offset), .from = offset};
    ret = qcow2_l2_writable(q, p->first);
    ret = ret ? ret : qcow2_entry_get(q, p->first, &e);
    if (ret) {
        return ret;
    }
    p->count = moves(q, &e) ? 1 : count_new(q, p->first, offset + len);
    ret = plan_host(q, p, &e);
    if (!ret) {
        bool whole = moves(q, &e);

        p->to = MIN(offset + len, (p->first + p->count) << q->cluster_bits);
        plan_copy(q, p, whole);
    }
    return ret;
}

/* The bytes around those that the guest writes; *out NULL: they are zeroes, and the file has such. io held. */
static int read_around(Qcow2 *q, const Plan *p, uint64_t from, uint64_t to, uint8_t **out)
{
    uint64_t len = to - from;
    Qcow2Run run;
    int ret;

    *out = NULL;
    if (!len) {
        return 0;
    }
    if (p->fresh && !q->n->backing) {
        g_mutex_lock(&q->meta);
        ret = qcow2_map(q, from, len, &run);
        g_mutex_unlock(&q->meta);
        if (!ret && run.len == len && (run.kind == QCOW2_ZERO || run.kind == QCOW2_NOTHING)) {
            return 0;
        }
    }
    *out = g_try_malloc(len);
    return *out ? read_flat(q, from, *out, len) : -ENOMEM;
}

static int write_plan_data(Qcow2 *q, const Plan *p, const struct iovec *iov, int niov)
{
    g_autofree uint8_t *head = NULL, *tail = NULL;
    g_autofree struct iovec *all = NULL;
    uint64_t at = p->from;
    int n = 0, ret;

    ret = read_around(q, p, p->copy_from, p->from, &head);
    ret = ret ? ret : read_around(q, p, p->to, p->copy_to, &tail);
    if (ret) {
        return ret;
    }
    all = g_new(struct iovec, niov + 2);
    if (head) {
        all[n++] = (struct iovec){head, p->from - p->copy_from};
        at = p->copy_from;
    }
    memcpy(all + n, iov, niov * sizeof(*iov));
    n += niov;
    if (tail) {
        all[n++] = (struct iovec){tail, p->copy_to - p->to};
    }
    return qcow2_data_pwritev(q, p->host + at - (p->first << q->cluster_bits), all, n);
}

/* The entry of a cluster after the write. */
static Qcow2Entry entry_after(const Qcow2 *q, const Plan *p, uint64_t cluster,
                              const Qcow2Entry *before)
{
    uint64_t host = p->host + ((cluster - p->first) << q->cluster_bits);
    uint64_t mask = touched(q, cluster, p->copy_from, MAX(p->copy_to, p->copy_from + 1));
    Qcow2Entry e = {.desc = host | ENTRY_COPIED};

    e.subs = before->desc & ENTRY_COMPRESSED ? 0 : before->subs;
    e.subs = (e.subs | mask) & ~(mask << 32);
    return e;
}

/* meta held. */
static int plan_finish(Qcow2 *q, const Plan *p)
{
    int ret = 0;

    for (uint64_t c = p->first; !ret && c < p->first + p->count; c++) {
        Qcow2Entry before, after;

        ret = qcow2_entry_get(q, c, &before);
        if (!ret) {
            after = entry_after(q, p, c, &before);
            ret = qcow2_entry_set(q, c, &after);
        }
        if (!ret && !p->own) {
            qcow2_entry_drop(q, &before);
        }
    }
    return ret;
}

/* A write whose clusters are not all there yet; @iov is cut to p->from..p->to. io held. */
static int write_plan(Qcow2 *q, Plan *p, Qcow2Flight *flight, const struct iovec *iov, int niov)
{
    int ret = write_plan_data(q, p, iov, niov);

    g_mutex_lock(&q->meta);
    if (!ret) {
        ret = plan_finish(q, p);
    } else if (!p->own && !qcow2_external(q)) {
        qcow2_unalloc(q, p->host, p->count);
    }
    flight_end(q, flight);
    g_mutex_unlock(&q->meta);
    return ret;
}

/* One run of a write, io held; its length in *run. */
static int write_step(Qcow2 *q, uint64_t offset, uint64_t len, const struct iovec *iov, int niov,
                      uint64_t skip, uint64_t *run)
{
    g_autofree struct iovec *part = NULL;
    Qcow2Flight flight;
    uint64_t host;
    Plan plan;
    int part_n, ret;

    g_mutex_lock(&q->meta);
    for (;;) {
        ret = in_place_run(q, offset, len, run, &host);
        if (ret || *run || !in_flight(q, cluster_of(q, offset), 1)) {
            break;
        }
        g_cond_wait(&q->landed, &q->meta);
    }
    if (!ret && !*run) {
        ret = plan_write(q, offset, len, &plan);
        if (!ret) {
            flight_begin(q, &flight, plan.first, plan.count);
        }
    }
    g_mutex_unlock(&q->meta);
    if (ret) {
        return ret;
    }
    part = iov_slice(iov, niov, skip, *run ? *run : plan.to - offset, &part_n);
    if (*run) {
        return qcow2_data_pwritev(q, host, part, part_n);
    }
    *run = plan.to - offset;
    return write_plan(q, &plan, &flight, part, part_n);
}

int qcow2_pwritev(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    Qcow2 *q = qcow2_of(n);
    uint64_t len = iov_length(iov, niov), done = 0;
    int ret = 0;

    while (!ret && done < len) {
        uint64_t run = 0;

        pthread_rwlock_rdlock(&q->io);
        ret = write_step(q, offset + done, len - done, iov, niov, done, &run);
        pthread_rwlock_unlock(&q->io);
        done += run;
        ret = ret ? ret : qcow2_commit_if_needed(q);
    }
    return ret;
}

int qcow2_flush(BlockNode *n)
{
    return qcow2_commit(qcow2_of(n));
}

/* --- Zeroes --- */

typedef enum ZeroHow {
    ZERO_KEEP,    /* reads as zeroes; keeps its host cluster */
    ZERO_UNMAP,   /* reads as zeroes; gives its host cluster back */
    ZERO_DISCARD, /* may read as anything that is no secret: zeroes */
} ZeroHow;

bool qcow2_nothing_below(const Qcow2 *q)
{
    return !q->n->backing && !q->n->backing_file;
}

/*
 * Subclusters @mask of the cluster become zeroes.  -ENOTSUP: the format has no way to say it (version 2
 * above a backing file).  meta held, nothing of it in flight.
 */
static int zero_cluster(Qcow2 *q, uint64_t cluster, uint64_t mask, ZeroHow how)
{
    bool all = mask == (q->subs == 1 ? 1 : UINT32_MAX);
    Qcow2Entry e, after = {0};
    uint64_t host;
    int ret = qcow2_entry_get(q, cluster, &e);

    if (ret) {
        return ret;
    }
    if (((e.subs >> 32) & mask) == mask && (how == ZERO_KEEP || !qcow2_entry_host(q, &e, &host))) {
        return 0;
    }
    if (!all && e.desc & ENTRY_COMPRESSED) {
        return -ENOTSUP;
    }
    if (!all || (how == ZERO_KEEP && has_own(q, &e))) {
        after = e;
    }
    if (q->version >= 3) {
        after.subs = (after.subs & ~mask) | mask << 32;
    } else if (after.desc || !qcow2_nothing_below(q)) {
        return -ENOTSUP;
    }
    if (all && !after.desc && qcow2_nothing_below(q)) {
        after.subs = 0; /* without an entry it is zeroes, too */
    }
    ret = qcow2_l2_writable(q, cluster);
    ret = ret ? ret : qcow2_entry_set(q, cluster, &after);
    if (!ret && after.desc != e.desc) {
        qcow2_entry_drop(q, &e);
    }
    return ret;
}

/* The subclusters from @offset on in one cluster, aligned, up to @end; *run: their bytes. */
static int zero_step(Qcow2 *q, uint64_t offset, uint64_t end, ZeroHow how, uint64_t *run)
{
    uint64_t cluster = cluster_of(q, offset);
    uint64_t stop = MIN(end, (cluster + 1) << q->cluster_bits);
    Qcow2Run there;
    int ret;

    g_mutex_lock(&q->meta);
    while (in_flight(q, cluster, 1)) {
        g_cond_wait(&q->landed, &q->meta);
    }
    ret = qcow2_map(q, offset, end - offset, &there);
    if (!ret && there.kind == QCOW2_NOTHING && qcow2_nothing_below(q)) {
        g_mutex_unlock(&q->meta);
        *run = there.len;
        return 0;
    }
    ret = ret ? ret : zero_cluster(q, cluster, touched(q, cluster, offset, stop), how);
    g_mutex_unlock(&q->meta);
    if (!ret && how != ZERO_KEEP && qcow2_external(q) && offset < block_size(q->data)) {
        ret = block_discard(q->data, offset, MIN(stop, block_size(q->data)) - offset);
    }
    *run = stop - offset;
    return ret;
}

int qcow2_write_zero_bytes(BlockNode *n, uint64_t offset, uint64_t len)
{
    enum { CHUNK = 1 << 20 };
    g_autofree uint8_t *zeroes = g_malloc0(MIN(len, CHUNK));
    int ret = 0;

    while (!ret && len) {
        struct iovec iov = {zeroes, MIN(len, CHUNK)};

        ret = qcow2_pwritev(n, offset, &iov, 1);
        offset += iov.iov_len;
        len -= iov.iov_len;
    }
    return ret;
}

/* Bytes that are no whole subcluster: written, unless they are zeroes already. */
static int zero_edge(BlockNode *n, uint64_t offset, uint64_t len)
{
    BlockStatus st;

    if (!len) {
        return 0;
    }
    if (!block_status_chain(n, NULL, offset, len, &st) && st.run == len && st.zero) {
        return 0;
    }
    return qcow2_write_zero_bytes(n, offset, len);
}

/* Raw external data must hold the zeroes itself. */
static int zero_raw_data(BlockNode *n, uint64_t offset, uint64_t len, bool may_unmap)
{
    Qcow2 *q = qcow2_of(n);
    int ret = qcow2_preallocate(q, offset, len);

    return ret ? ret : block_write_zeroes(q->data, offset, len, may_unmap);
}

int qcow2_write_zeroes(BlockNode *n, uint64_t offset, uint64_t len, bool may_unmap)
{
    Qcow2 *q = qcow2_of(n);
    uint64_t unit = 1ULL << q->sub_bits, end = offset + len;
    uint64_t from = MIN((offset + unit - 1) & ~(unit - 1), end);
    uint64_t to = end == n->size ? end : MAX(end & ~(unit - 1), from);
    int ret;

    if (q->autoclear & AUTOCLEAR_RAW_DATA) {
        return zero_raw_data(n, offset, len, may_unmap);
    }
    ret = zero_edge(n, offset, from - offset);
    while (!ret && from < to) {
        uint64_t run = 0;

        pthread_rwlock_rdlock(&q->io);
        ret = zero_step(q, from, to, may_unmap ? ZERO_UNMAP : ZERO_KEEP, &run);
        pthread_rwlock_unlock(&q->io);
        if (ret == -ENOTSUP) {
            ret = qcow2_write_zero_bytes(n, from, run);
        }
        from += run;
        ret = ret ? ret : qcow2_commit_if_needed(q);
    }
    return ret ? ret : zero_edge(n, to, end - to);
}

int qcow2_discard(BlockNode *n, uint64_t offset, uint64_t len)
{
    Qcow2 *q = qcow2_of(n);
    uint64_t unit = 1ULL << q->sub_bits, end = offset + len;
    uint64_t from = (offset + unit - 1) & ~(unit - 1);
    int ret = 0;

    end = end == n->size ? end : end & ~(unit - 1);
    if (q->autoclear & AUTOCLEAR_RAW_DATA) {
        return block_discard(q->data, offset, len);
    }
    while (!ret && from < end) {
        uint64_t run = 0;

        pthread_rwlock_rdlock(&q->io);
        ret = zero_step(q, from, end, ZERO_DISCARD, &run);
        pthread_rwlock_unlock(&q->io);
        from += run;
        ret = ret == -ENOTSUP ? 0 : ret; /* a hint */
        ret = ret ? ret : qcow2_commit_if_needed(q);
    }
    return ret;
}

/* --- Preallocation --- */

static int preallocate_step(Qcow2 *q, uint64_t offset, uint64_t len, uint64_t *run)
{
    uint64_t host;
    Plan p = {0};
    int ret = in_place_run(q, offset, len, run, &host);

    if (!ret && !*run) {
        ret = plan_write(q, offset, len, &p);
        *run = p.to - offset;
        if (!ret && !p.fresh && !p.own && !qcow2_external(q)) { /* it holds what was there before */
            ret = block_write_zeroes(q->n->file, p.host, p.count << q->cluster_bits, true);
        }
        p.copy_from = offset;
        p.copy_to = p.to;
        ret = ret ? ret : plan_finish(q, &p);
    }
    return ret;
}

int qcow2_preallocate(Qcow2 *q, uint64_t offset, uint64_t len)
{
    int ret = 0;

    while (!ret && len) {
        uint64_t run = 0;

        pthread_rwlock_rdlock(&q->io);
        g_mutex_lock(&q->meta);
        while (in_flight(q, cluster_of(q, offset), 1)) {
            g_cond_wait(&q->landed, &q->meta);
        }
        ret = preallocate_step(q, offset, len, &run);
        g_mutex_unlock(&q->meta);
        pthread_rwlock_unlock(&q->io);
        offset += run;
        len -= run;
        ret = ret ? ret : qcow2_commit_if_needed(q);
    }
    return ret;
}
