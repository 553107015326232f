/* SPDX-License-Identifier: MIT */
/* Requests on a disk, or a part of one, that is made of blocks; see blockmap.h.  Any thread, several at once. */
#include "rhea/osdep.h"

#include "blockmap.h"
#include "rhea/bits.h"
#include "rhea/iov.h"

/* Blocks that are being made. */
typedef struct MapBusy {
    uint64_t first, count;
} MapBusy;

/* How many entries one question looks at, so that others get their turn. */
enum { MAX_LOOKED = 1 << 20 };

/* Bytes that are alike. */
typedef struct MapRun {
    MapKind kind;
    uint64_t len, host;
} MapRun;

/* --- Lives --- */

static void map_free(gpointer p)
{
    BlockMap *m = p;

    if (m->ops->free) {
        m->ops->free(m);
    } else {
        g_free(m->opaque);
    }
    blockmap_meta_fini(m);
    g_ptr_array_unref(m->busy);
    g_free(m->inflated);
    g_mutex_clear(&m->commit);
    g_mutex_clear(&m->lock);
    g_mutex_clear(&m->inflated_lock);
    g_cond_clear(&m->idle);
    g_free(m);
}

BlockMap *blockmap_new(BlockNode *n, BlockNode *file, const BlockMapOps *ops, void *opaque)
{
    BlockMap *m = g_new0(BlockMap, 1);

    m->ops = ops;
    m->n = n;
    m->file = file;
    m->opaque = opaque;
    m->align = 1;
    m->limit = INT64_MAX;
    m->busy = g_ptr_array_new();
    g_mutex_init(&m->commit);
    g_mutex_init(&m->lock);
    g_mutex_init(&m->inflated_lock);
    g_cond_init(&m->idle);
    blockmap_meta_init(m);
    if (!n->opaque) {
        n->opaque = g_ptr_array_new_with_free_func(map_free);
    }
    g_ptr_array_add(n->opaque, m);
    return m;
}

/* --- Places --- */

static uint64_t next_place(const BlockMap *m, uint64_t end)
{
    uint64_t over;

    if (end <= m->align_base) {
        return m->align_base;
    }
    over = (end - m->align_base) % m->align;
    return over ? end + m->align - over : end;
}

bool blockmap_ready(BlockMap *m, uint64_t tail, Error **errp)
{
    uint64_t end = block_size(m->file);

    m->blocks = m->size / m->block_size + !!(m->size % m->block_size);
    if (m->size > (uint64_t)INT64_MAX - m->block_size || m->base > INT64_MAX - m->size ||
        end > (uint64_t)INT64_MAX / 2) {
        return error_fail(errp, "'%s': the size is too large", m->n->filename);
    }
    m->end = next_place(m, MAX(end - MIN(end, tail), m->data_start));
    return true;
}

static int first_change(BlockMap *m)
{
    int ret = m->ops->begin ? m->ops->begin(m) : 0;

    return ret || !m->ops->mark ? ret : m->ops->mark(m, true);
}

int blockmap_begin(BlockMap *m)
{
    int ret = 0;

    if (__atomic_load_n(&m->begun, __ATOMIC_ACQUIRE)) {
        return 0;
    }
    g_mutex_lock(&m->commit);
    if (!m->begun) {
        ret = first_change(m);
    }
    if (!ret) {
        __atomic_store_n(&m->begun, true, __ATOMIC_RELEASE);
    }
    g_mutex_unlock(&m->commit);
    return ret;
}

int blockmap_map_end(BlockMap *m)
{
    int ret;

    if (!m->begun) {
        return 0;
    }
    ret = blockmap_commit(m);
    if (!ret && m->ops->end) {
        ret = m->ops->end(m);
    }
    if (!ret && m->ops->mark && !m->left_open) {
        ret = m->ops->mark(m, false);
    }
    m->begun = ret != 0;
    return ret;
}

/* --- What is where (lock held) --- */

static bool nothing_below(const BlockMap *m)
{
    return !m->n->backing && !m->n->backing_file;
}

static int get_entry(BlockMap *m, uint64_t block, MapEntry *e)
{
    int ret;

    *e = (MapEntry){0};
    ret = m->ops->get(m, block, e);
    if (!ret && e->kind == MAP_DATA &&
        (e->host < m->data_start || e->host > (uint64_t)INT64_MAX - m->block_size)) {
        return -EIO;
    }
    return ret == -EUCLEAN ? -EIO : ret;
}

/* The part of @block, whose entry is @e, from byte @in on: how many bytes (at most *len) are alike. */
static int part_of(BlockMap *m, uint64_t block, const MapEntry *e, uint32_t in, uint64_t *len,
                   MapKind *kind)
{
    uint32_t part = MIN(*len, m->block_size - in);
    bool there = true;
    int ret = 0;

    *kind = e->kind;
    if (e->kind == MAP_DATA && m->ops->part) {
        ret = m->ops->part(m, block, e->host, in, &part, &there);
        *len = part;
        *kind = there ? MAP_DATA : MAP_NOTHING;
    }
    return ret;
}

static bool goes_on(const MapRun *run, MapKind kind, uint64_t host)
{
    return run->kind == kind && kind != MAP_COMPRESSED &&
           (kind != MAP_DATA || host == run->host + run->len);
}

/* What the bytes from @offset of the map on are, and how many (at most @len) are the like. */
static int map_run(BlockMap *m, uint64_t offset, uint64_t len, MapRun *run)
{
    *run = (MapRun){0};
    for (unsigned looked = 0; run->len < len && looked < MAX_LOOKED; looked++) {
        uint64_t at = offset + run->len, n = len - run->len, host;
        uint32_t in = at % m->block_size;
        MapKind kind;
        MapEntry e;
        int ret = get_entry(m, at / m->block_size, &e);

        if (ret) {
            return run->len ? 0 : ret;
        }
        if (e.span > 1) {
            n = MIN(n, e.span > INT64_MAX / m->block_size ? n : e.span * m->block_size - in);
        } else {
            n = MIN(n, m->block_size - in);
        }
        ret = part_of(m, at / m->block_size, &e, in, &n, &kind);
        if (ret) {
            return run->len ? 0 : ret;
        }
        host = kind == MAP_DATA ? e.host + in : e.host;
        if (run->len && !goes_on(run, kind, host)) {
            break;
        }
        if (!run->len) {
            run->kind = kind;
            run->host = host;
        }
        run->len += n;
    }
    return 0;
}

/* --- Reading --- */

static int read_compressed(BlockMap *m, uint64_t offset, uint64_t host, const struct iovec *iov,
                           int niov)
{
    uint64_t len = iov_length(iov, niov);
    uint32_t in = offset % m->block_size;
    g_autofree uint8_t *out = NULL;
    uint8_t *old;
    int ret;

    g_mutex_lock(&m->inflated_lock);
    if (m->inflated && m->inflated_host == host) {
        iov_from_buf(iov, niov, 0, m->inflated + in, len);
        g_mutex_unlock(&m->inflated_lock);
        return 0;
    }
    g_mutex_unlock(&m->inflated_lock);
    out = g_try_malloc(m->block_size);
    ret = out ? m->ops->inflate(m, offset / m->block_size, host, out) : -ENOMEM;
    if (ret) {
        return ret;
    }
    iov_from_buf(iov, niov, 0, out + in, len);
    g_mutex_lock(&m->inflated_lock);
    old = m->inflated;
    m->inflated = g_steal_pointer(&out);
    m->inflated_host = host;
    g_mutex_unlock(&m->inflated_lock);
    g_free(old);
    return 0;
}

static int read_run(BlockMap *m, const MapRun *run, uint64_t offset, const struct iovec *iov,
                    int niov)
{
    switch (run->kind) {
    case MAP_DATA: return block_preadv(m->file, run->host, iov, niov);
    case MAP_COMPRESSED: return read_compressed(m, offset, run->host, iov, niov);
    case MAP_ZERO: iov_clear(iov, niov, 0, run->len); return 0;
    case MAP_NOTHING: return block_preadv_backing(m->n, m->base + offset, iov, niov);
    }
    return -EIO;
}

int blockmap_map_preadv(BlockMap *m, uint64_t offset, const struct iovec *iov, int niov)
{
    uint64_t len = iov_length(iov, niov), done = 0;
    int ret = 0;

    while (!ret && done < len) {
        g_autofree struct iovec *part = NULL;
        MapRun run;
        int part_n;

        g_mutex_lock(&m->lock);
        ret = map_run(m, offset + done, len - done, &run);
        g_mutex_unlock(&m->lock);
        if (ret) {
            break;
        }
        part = iov_slice(iov, niov, done, run.len, &part_n);
        ret = read_run(m, &run, offset + done, part, part_n);
        done += run.len;
    }
    return ret;
}

static int map_pread(BlockMap *m, uint64_t offset, void *buf, size_t len)
{
    struct iovec iov = {buf, len};

    return blockmap_map_preadv(m, offset, &iov, 1);
}

/* --- Blocks that are being made (lock held) --- */

static bool is_busy(const BlockMap *m, uint64_t block)
{
    for (guint i = 0; i < m->busy->len; i++) {
        const MapBusy *b = g_ptr_array_index(m->busy, i);

        if (block - b->first < b->count) {
            return true;
        }
    }
    return false;
}

static void busy_begin(BlockMap *m, MapBusy *b, uint64_t first, uint64_t count)
{
    *b = (MapBusy){first, count};
    g_ptr_array_add(m->busy, b);
}

static void busy_end(BlockMap *m, MapBusy *b)
{
    g_ptr_array_remove_fast(m->busy, b);
    g_cond_broadcast(&m->idle);
}

/* --- Allocation (lock held) --- */

int blockmap_alloc(BlockMap *m, uint64_t bytes, uint64_t *at)
{
    uint64_t place = next_place(m, m->end);

    if (!m->ops->set) {
        return -EPERM;
    }
    if (place > m->limit || bytes > m->limit - place) {
        return -EFBIG;
    }
    *at = place;
    m->end = place + bytes;
    return 0;
}

int blockmap_alloc_table(BlockMap *m, uint64_t bytes, uint64_t *at)
{
    g_autofree uint8_t *zeroes = g_try_malloc0(bytes);
    int ret = zeroes ? blockmap_alloc(m, bytes, at) : -ENOMEM;

    return ret ? ret : blockmap_meta_direct(m, *at, zeroes, bytes);
}

/* The entry is changed, with a table that it can be in. */
static int set_entry(BlockMap *m, uint64_t block, const MapEntry *e)
{
    int ret = m->ops->set ? 0 : -EPERM;

    ret = ret || !m->ops->ready ? ret : m->ops->ready(m, block);
    return ret ? ret : m->ops->set(m, block, e);
}

/* --- Writing --- */

/* New blocks: first..first+count-1, which get the file's bytes from @at on. */
typedef struct Plan {
    uint64_t first, count, at;
    uint64_t from, to; /* the bytes of the disk that the request brings */
    bool copy;         /* what is around them comes from below */
    MapBusy busy;
} Plan;

static uint64_t stride(const BlockMap *m)
{
    return (uint64_t)m->prefix + m->block_size;
}

/* How many blocks from @first on, up to that of byte @end - 1, have no place of their own. lock held. */
static uint64_t count_new(BlockMap *m, uint64_t first, uint64_t end, MapKind kind)
{
    uint64_t last = (end - 1) / m->block_size, count = 1;
    MapEntry e;

    while (!m->prefix && first + count <= last && !is_busy(m, first + count) &&
           !get_entry(m, first + count, &e) && e.kind == kind) {
        count++;
    }
    return count;
}

/* lock held. */
static int plan_write(BlockMap *m, uint64_t offset, uint64_t len, MapKind kind, Plan *p)
{
    int ret;

    *p = (Plan){.first = offset / m->block_size, .from = offset, .copy = kind == MAP_NOTHING};
    p->count = count_new(m, p->first, offset + len, kind);
    p->to = MIN(offset + len, (p->first + p->count) * m->block_size);
    ret = blockmap_alloc(m, p->count * stride(m), &p->at);
    if (!ret) {
        busy_begin(m, &p->busy, p->first, p->count);
    }
    return ret;
}

/* Bytes @from..@to-1 of the disk as the layers below have them; *out NULL: nothing has to be written. */
static int read_around(BlockMap *m, const Plan *p, uint64_t from, uint64_t to, uint8_t **out)
{
    struct iovec iov;

    *out = NULL;
    to = MIN(to, m->size);
    if (from >= to || !p->copy || !m->n->backing) {
        return 0;
    }
    *out = g_try_malloc(to - from);
    iov = (struct iovec){*out, to - from};
    return *out ? block_preadv_backing(m->n, m->base + from, &iov, 1) : -ENOMEM;
}

/* The file reaches as far as the new blocks do. */
static int extend_file(BlockMap *m, uint64_t end)
{
    static const uint8_t zero;

    return block_size(m->file) < end ? block_pwrite(m->file, end - 1, &zero, 1) : 0;
}

/* Data goes to the new place, with what is around it: the place holds zeroes. */
static int write_plan(BlockMap *m, const Plan *p, const struct iovec *iov, int niov)
{
    uint64_t start = p->first * m->block_size, end = start + p->count * m->block_size;
    uint64_t host = p->at + m->prefix;
    g_autofree uint8_t *head = NULL, *tail = NULL;
    int ret = m->ops->placed ? m->ops->placed(m, p->at) : 0;

    ret = ret ? ret : read_around(m, p, start, p->from, &head);
    ret = ret ? ret : read_around(m, p, p->to, end, &tail);
    if (!ret && head) {
        ret = block_pwrite(m->file, host, head, p->from - start);
    }
    ret = ret ? ret : block_pwritev(m->file, host + p->from - start, iov, niov);
    if (!ret && tail) {
        ret = block_pwrite(m->file, host + p->to - start, tail, MIN(end, m->size) - p->to);
    }
    return ret ? ret : extend_file(m, host + end - start);
}

static int finish_plan(BlockMap *m, Plan *p, int ret)
{
    g_mutex_lock(&m->lock);
    for (uint64_t i = 0; !ret && i < p->count; i++) {
        MapEntry e = {.kind = MAP_DATA, .host = p->at + i * stride(m) + m->prefix};

        ret = set_entry(m, p->first + i, &e);
    }
    busy_end(m, &p->busy);
    g_mutex_unlock(&m->lock);
    return ret;
}

/* Fills the parts of a block that are not there from below; then all of it is.  lock held, and released
 * meanwhile. */
static int complete_block(BlockMap *m, uint64_t block, uint64_t host)
{
    uint64_t start = block * m->block_size, n;
    g_autofree uint8_t *buf = g_try_malloc(m->block_size);
    MapEntry e = {.kind = MAP_DATA, .host = host};
    MapBusy busy;
    int ret = buf ? 0 : -ENOMEM;

    busy_begin(m, &busy, block, 1);
    for (uint64_t in = 0; !ret && in < m->block_size; in += n) {
        struct iovec iov = {buf, 0};
        MapKind kind;

        n = m->block_size - in;
        ret = part_of(m, block, &e, in, &n, &kind);
        if (!ret && kind != MAP_DATA) {
            iov.iov_len = n;
            g_mutex_unlock(&m->lock);
            ret = block_preadv_backing(m->n, m->base + start + in, &iov, 1);
            ret = ret ? ret : block_pwritev(m->file, host + in, &iov, 1);
            g_mutex_lock(&m->lock);
        }
    }
    ret = ret ? ret : m->ops->mark_all(m, block, host);
    busy_end(m, &busy);
    return ret;
}

/*
 * Finds out how a write goes on at @offset, after waiting for whoever makes the block.  MAP_DATA in *run: in
 * place; otherwise there is a plan.  lock held.
 */
static int look_up_write(BlockMap *m, uint64_t offset, uint64_t len, MapRun *run, Plan *p)
{
    uint64_t block = offset / m->block_size;
    MapEntry e;
    int ret;

    for (;;) {
        ret = map_run(m, offset, len, run);
        if (ret || run->kind == MAP_DATA) {
            return ret;
        }
        if (is_busy(m, block)) {
            g_cond_wait(&m->idle, &m->lock);
            continue;
        }
        ret = get_entry(m, block, &e);
        if (ret || e.kind != MAP_DATA) {
            return ret ? ret : plan_write(m, offset, len, e.kind, p);
        }
        ret = complete_block(m, block, e.host);
        if (ret) {
            return ret;
        }
    }
}

/* One run of a write; its length in *done. */
static int write_step(BlockMap *m, uint64_t offset, uint64_t len, const struct iovec *iov, int niov,
                      uint64_t skip, uint64_t *done)
{
    g_autofree struct iovec *part = NULL;
    MapRun run;
    Plan plan;
    int part_n, ret;

    g_mutex_lock(&m->lock);
    ret = look_up_write(m, offset, len, &run, &plan);
    g_mutex_unlock(&m->lock);
    if (ret) {
        return ret;
    }
    *done = run.kind == MAP_DATA ? run.len : plan.to - offset;
    part = iov_slice(iov, niov, skip, *done, &part_n);
    if (run.kind == MAP_DATA) {
        return block_pwritev(m->file, run.host, part, part_n);
    }
    return finish_plan(m, &plan, write_plan(m, &plan, part, part_n));
}

/* --- Blocks that are stored as wholes --- */

static int replace_block(BlockMap *m, uint64_t block, uint32_t in, const struct iovec *iov,
                         int niov)
{
    uint64_t start = block * m->block_size, len = iov_length(iov, niov);
    uint32_t have = MIN(m->block_size, m->size - start);
    g_autofree uint8_t *buf = g_try_malloc0(m->block_size);
    MapEntry e;
    int ret;

    if (!buf) {
        return -ENOMEM;
    }
    ret = len < have ? map_pread(m, start, buf, have) : 0;
    iov_to_buf(iov, niov, 0, buf + in, len);
    ret = ret ? ret : m->ops->store(m, block, buf, &e);
    if (!ret) {
        g_mutex_lock(&m->lock);
        ret = set_entry(m, block, &e);
        g_mutex_unlock(&m->lock);
    }
    return ret;
}

static int store_step(BlockMap *m, uint64_t offset, uint64_t len, const struct iovec *iov, int niov,
                      uint64_t skip, uint64_t *done)
{
    uint64_t block = offset / m->block_size;
    uint32_t in = offset % m->block_size;
    g_autofree struct iovec *part = NULL;
    MapBusy busy;
    int part_n, ret;

    *done = MIN(len, m->block_size - in);
    part = iov_slice(iov, niov, skip, *done, &part_n);
    g_mutex_lock(&m->lock);
    while (is_busy(m, block)) {
        g_cond_wait(&m->idle, &m->lock);
    }
    busy_begin(m, &busy, block, 1);
    g_mutex_unlock(&m->lock);
    ret = replace_block(m, block, in, part, part_n);
    g_mutex_lock(&m->lock);
    busy_end(m, &busy);
    g_mutex_unlock(&m->lock);
    return ret;
}

int blockmap_map_pwritev(BlockMap *m, uint64_t offset, const struct iovec *iov, int niov)
{
    uint64_t len = iov_length(iov, niov), done = 0;
    int ret = len ? blockmap_begin(m) : 0;

    while (!ret && done < len) {
        uint64_t n = 0;

        ret = (m->ops->store ? store_step : write_step)(m, offset + done, len - done, iov, niov,
                                                        done, &n);
        done += n;
        ret = ret ? ret : blockmap_commit_if_needed(m);
    }
    return ret;
}

/* --- Zeroes --- */

static int write_zero_bytes(BlockMap *m, uint64_t offset, uint64_t len)
{
    g_autofree uint8_t *zeroes = g_try_malloc0(len);
    struct iovec iov = {zeroes, len};

    return zeroes ? blockmap_map_pwritev(m, offset, &iov, 1) : -ENOMEM;
}

/* How the part of one block becomes zeroes. */
typedef enum ZeroWay {
    ZERO_DONE,  /* it is */
    ZERO_FILE,  /* where it lies in the file */
    ZERO_BYTES, /* by writing them */
} ZeroWay;

/* Decides for at most *len bytes from @offset on; changes the entry where that is enough. lock held. */
static int zero_entry(BlockMap *m, uint64_t offset, uint64_t *len, ZeroWay *way, uint64_t *host)
{
    uint64_t block = offset / m->block_size, end = MIN((block + 1) * m->block_size, m->size);
    bool whole = offset % m->block_size == 0 && *len >= end - offset;
    MapEntry e, zero = {.kind = nothing_below(m) ? MAP_NOTHING : MAP_ZERO};
    MapRun run;
    int ret;

    while (is_busy(m, block)) {
        g_cond_wait(&m->idle, &m->lock);
    }
    ret = map_run(m, offset, *len, &run);
    if (ret) {
        return ret;
    }
    *way = ZERO_DONE;
    if (run.kind == MAP_ZERO || (run.kind == MAP_NOTHING && nothing_below(m))) {
        *len = run.len;
        return 0;
    }
    *len = MIN(*len, end - offset);
    ret = get_entry(m, block, &e);
    if (!ret && e.kind == MAP_DATA && m->ops->part) {
        ret = complete_block(m, block, e.host);
    }
    if (!ret && e.kind == MAP_DATA) {
        *host = e.host + offset % m->block_size;
        *way = ZERO_FILE;
    } else if (!ret && whole && (zero.kind == MAP_NOTHING || m->can_zero)) {
        ret = set_entry(m, block, &zero);
    } else {
        *way = ZERO_BYTES;
    }
    return ret;
}

int blockmap_map_zero(BlockMap *m, uint64_t offset, uint64_t len, bool may_unmap)
{
    int ret = blockmap_begin(m);

    for (uint64_t n; !ret && len; offset += n, len -= n) {
        uint64_t host = 0;
        ZeroWay way;

        n = len;
        g_mutex_lock(&m->lock);
        ret = zero_entry(m, offset, &n, &way, &host);
        g_mutex_unlock(&m->lock);
        if (!ret && way == ZERO_FILE) {
            ret = block_write_zeroes(m->file, host, n, may_unmap);
        } else if (!ret && way == ZERO_BYTES) {
            ret = write_zero_bytes(m, offset, n);
        }
        ret = ret ? ret : blockmap_commit_if_needed(m);
    }
    return ret;
}

/* Gives the space of what is stored in place back to the host. */
int blockmap_map_discard(BlockMap *m, uint64_t offset, uint64_t len)
{
    int ret = 0;

    while (!ret && len) {
        MapRun run;

        g_mutex_lock(&m->lock);
        ret = map_run(m, offset, len, &run);
        g_mutex_unlock(&m->lock);
        if (!ret && run.kind == MAP_DATA) {
            ret = blockmap_begin(m);
            ret = ret ? ret : block_discard(m->file, run.host, run.len);
        }
        offset += run.len;
        len -= run.len;
    }
    return ret;
}

int blockmap_map_status(BlockMap *m, uint64_t offset, uint64_t len, BlockStatus *st)
{
    MapRun run;
    int ret;

    g_mutex_lock(&m->lock);
    ret = map_run(m, offset, len, &run);
    g_mutex_unlock(&m->lock);
    if (ret) {
        return ret;
    }
    st->run = run.len;
    st->allocated = run.kind != MAP_NOTHING;
    st->zero = run.kind == MAP_ZERO;
    st->compressed = run.kind == MAP_COMPRESSED;
    st->data = run.kind == MAP_DATA || st->compressed;
    st->has_offset = run.kind == MAP_DATA && m->file == m->n->file;
    st->offset = run.host;
    return 0;
}

/* The tables forget all blocks before the file loses them.  Nobody else uses the node meanwhile. */
int blockmap_map_make_empty(BlockMap *m)
{
    uint64_t end = 0;
    int ret = blockmap_begin(m);

    if (!ret) {
        g_mutex_lock(&m->lock);
        ret = m->ops->clear ? m->ops->clear(m, &end) : -ENOTSUP;
        g_mutex_unlock(&m->lock);
    }
    ret = ret ? ret : blockmap_commit(m);
    if (!ret && end < block_size(m->file)) {
        ret = block_truncate(m->file, end, BLOCK_PREALLOC_OFF, NULL) ? 0 : -EIO;
    }
    if (!ret) {
        m->end = next_place(m, end);
    }
    return ret;
}
