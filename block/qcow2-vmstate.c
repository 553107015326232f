/* SPDX-License-Identifier: MIT */
/*
 * The state of a machine inside an image.  It is stored like guest data behind the end of the disk: from
 * the first L1 entry on that no disk of this size needs.  The active tables hold it while it is written; the
 * snapshot that is made then keeps it, and they lose it.
 */
#include "rhea/osdep.h"

#include "qcow2.h"
#include "rhea/endian.h"
#include "rhea/iov.h"

static uint64_t bytes_per_l1_entry(const Qcow2 *q)
{
    return 1ULL << (q->l2_bits + q->cluster_bits);
}

/* --- Writing --- */

int qcow2_vm_state_forget(Qcow2 *q)
{
    uint64_t per_entry = 1ULL << q->l2_bits;
    int ret = 0;

    for (uint64_t i = qcow2_l1_entries(q, q->n->size); !ret && i < q->l1.n; i++) {
        g_mutex_lock(&q->meta);
        ret = qcow2_cut_table(q, i * per_entry);
        g_mutex_unlock(&q->meta);
        ret = !ret && q->dropped->len > per_entry ? qcow2_commit_exclusive(q) : ret;
    }
    return ret;
}

/* What a machine that was stopped in the middle may have left goes first; then the table grows. */
static int make_room(Qcow2 *q, uint64_t offset, uint64_t len)
{
    uint64_t size = bytes_per_l1_entry(q);
    uint64_t entries = qcow2_l1_entries(q, q->n->size) + (offset + len + size - 1) / size;
    int ret = 0;

    if (offset && entries <= q->l1.n) {
        return 0;
    }
    qcow2_exclusive_begin(q);
    ret = offset ? 0 : qcow2_vm_state_forget(q);
    if (!ret && entries > q->l1.n) {
        ret = qcow2_grow_l1(q, MIN(MAX(entries, q->l1.n + q->l1.n / 2ULL), QCOW2_MAX_L1_BYTES / 8));
    }
    ret = !ret && entries > q->l1.n ? -EFBIG : ret;
    qcow2_exclusive_end(q);
    return ret;
}

int qcow2_vm_state_write(BlockNode *n, uint64_t offset, const void *buf, size_t len)
{
    Qcow2 *q = qcow2_of(n);
    uint64_t start = qcow2_l1_entries(q, n->size) * bytes_per_l1_entry(q);
    struct iovec iov = {(void *)buf, len};
    int ret;

    if (n->read_only || qcow2_external(q)) {
        return -EPERM;
    }
    if (offset > INT64_MAX / 2 || len > INT64_MAX / 2 || start > INT64_MAX / 2) {
        return -EFBIG;
    }
    ret = make_room(q, offset, len);
    return ret ? ret : qcow2_pwritev(n, start + offset, &iov, 1);
}

/* --- Reading --- */

/* The one or two L1 entries of a snapshot that lead to its state from @offset on, and the bytes they cover. */
typedef struct Window {
    Qcow2Array l1;
    uint64_t entries[2];
    uint64_t offset, len;
} Window;

static int window_open(Qcow2 *q, const Qcow2Snapshot *sn, uint64_t offset, size_t len, Window *w)
{
    uint64_t size = bytes_per_l1_entry(q);
    uint64_t first = qcow2_l1_entries(q, sn->disk_size) + offset / size;
    uint64_t n = sn->l1_size > first ? MIN(sn->l1_size - first, ARRAY_SIZE(w->entries)) : 0;

    w->offset = offset % size;
    w->len = MIN(len, n * size - MIN(w->offset, n * size));
    w->l1 = (Qcow2Array){.e = w->entries, .n = n};
    return w->len ? qcow2_read_words(q, sn->l1_offset + first * 8, w->entries, n) : -EIO;
}

/* io held. */
static int read_window(Qcow2 *q, const Window *w, uint8_t *buf)
{
    uint64_t done = 0;
    int ret = 0;

    while (!ret && done < w->len) {
        struct iovec iov = {buf + done, 0};
        Qcow2Run run;

        g_mutex_lock(&q->meta);
        ret = qcow2_map_in(q, &w->l1, w->offset + done, w->len - done, &run);
        g_mutex_unlock(&q->meta);
        if (ret) {
            break;
        }
        iov.iov_len = run.len;
        switch (run.kind) {
        case QCOW2_DATA: ret = qcow2_data_preadv(q, run.host, &iov, 1); break;
        case QCOW2_COMPRESSED:
            ret = qcow2_read_compressed(q, run.host, (w->offset + done) & (q->cluster_size - 1),
                                        &iov, 1);
            break;
        default: iov_clear(&iov, 1, 0, run.len);
        }
        done += run.len;
    }
    return ret;
}

int qcow2_vm_state_read(BlockNode *n, const char *snapshot, uint64_t offset, void *buf, size_t len)
{
    Qcow2 *q = qcow2_of(n);
    const Qcow2Snapshot *sn = qcow2_snapshot_find(q, snapshot, NULL);
    size_t done = 0;
    int ret = 0;

    if (!sn || qcow2_external(q) || offset > sn->vm_state_size ||
        len > sn->vm_state_size - offset) {
        return -EIO;
    }
    while (!ret && done < len) {
        Window w;

        ret = window_open(q, sn, offset + done, len - done, &w);
        if (!ret) {
            pthread_rwlock_rdlock(&q->io);
            ret = read_window(q, &w, (uint8_t *)buf + done);
            pthread_rwlock_unlock(&q->io);
            done += w.len;
        }
    }
    return ret;
}
