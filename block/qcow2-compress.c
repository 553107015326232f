/* SPDX-License-Identifier: MIT */
/*
 * Compressed clusters: raw deflate with a window of 4 KiB, or zstd.  They are read as wholes (the one that
 * was read last is kept), written once, and replaced by an ordinary cluster on the next write.
 */
#include "rhea/osdep.h"

#include <zlib.h>

#include "inflate.h"
#include "qcow2.h"
#include "rhea/iov.h"

enum { DEFLATE_WINDOW_BITS = 12, RANDOM_MIN = 16384 };

const char *const qcow2_compression_names[] = {"zlib", "zstd", NULL};

/* --- Codecs --- */

/*
 * Whether each byte is there as often as by chance: the chi-squared of its 256 numbers is near their 255 degrees of
 * freedom (standard deviation 22.6).  Text, code and what repeats within the window of deflate is far from it.
 */
static bool looks_random(const uint8_t *in, size_t in_len)
{
    enum { LEAST = 140, MOST = 370 };
    uint32_t counts[4][256] = {0}; /* four, so that equal neighbours do not wait for each other */
    uint64_t squares = 0, chi;

    for (size_t i = 0; i + 4 <= in_len; i += 4) {
        counts[0][in[i]]++;
        counts[1][in[i + 1]]++;
        counts[2][in[i + 2]]++;
        counts[3][in[i + 3]]++;
    }
    for (unsigned i = 0; i < 256; i++) {
        uint64_t count = counts[0][i] + counts[1][i] + counts[2][i] + counts[3][i];

        squares += count * count;
    }
    chi = squares * 256 / in_len - in_len;
    return in_len >= RANDOM_MIN && chi >= LEAST && chi <= MOST;
}

/* The compressed length, 0: no smaller than @out_len, or not tried. */
static size_t deflate_zlib(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
    z_stream z = {
        .next_in = (uint8_t *)in, .avail_in = in_len, .next_out = out, .avail_out = out_len};
    int ret;

    if (looks_random(in, in_len)) {
        return 0;
    }
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -DEFLATE_WINDOW_BITS, 9,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return 0;
    }
    ret = deflate(&z, Z_FINISH);
    deflateEnd(&z);
    return ret == Z_STREAM_END ? out_len - z.avail_out : 0;
}

/* --- Reading --- */

static int inflate_cluster(Qcow2 *q, uint64_t desc, uint8_t *out)
{
    uint64_t offset, len;
    g_autofree uint8_t *in = NULL;
    int ret;

    qcow2_compressed_range(q, desc, &offset, &len);
    in = g_malloc(len); /* at most two clusters */
    ret = block_pread(q->n->file, offset, in, len);
    if (ret) {
        return ret;
    }
    return q->compression == QCOW2_ZSTD ? qcow2_inflate_zstd(in, len, out, q->cluster_size)
                                        : inflate_whole(INFLATE_RAW, in, len, out, q->cluster_size);
}

/* Two readers of different clusters do not wait for each other's decompression. */
int qcow2_read_compressed(Qcow2 *q, uint64_t desc, uint64_t skip, const struct iovec *iov, int niov)
{
    uint64_t len = iov_length(iov, niov);
    g_autofree uint8_t *out = NULL;
    uint8_t *old;
    int ret;

    g_mutex_lock(&q->inflated_lock);
    if (q->inflated_desc == desc) {
        iov_from_buf(iov, niov, 0, q->inflated + skip, len);
        g_mutex_unlock(&q->inflated_lock);
        return 0;
    }
    g_mutex_unlock(&q->inflated_lock);
    out = g_malloc(q->cluster_size);
    ret = inflate_cluster(q, desc, out);
    if (ret) {
        return ret;
    }
    iov_from_buf(iov, niov, 0, out + skip, len);
    g_mutex_lock(&q->inflated_lock);
    old = q->inflated;
    q->inflated = g_steal_pointer(&out);
    q->inflated_desc = desc;
    g_mutex_unlock(&q->inflated_lock);
    g_free(old);
    return 0;
}

/* --- Writing --- */

/* Goes on where the last compressed cluster ended, if the following clusters are free. meta held. */
static int place_behind(Qcow2 *q, uint64_t len, uint64_t *offset)
{
    uint64_t start = q->compressed_end, last, refs, c;
    int ret;

    if (!start || qcow2_aligned(q, start)) {
        return -ENOSPC;
    }
    last = (start + len - 1) >> q->cluster_bits;
    for (c = (start >> q->cluster_bits) + 1; c <= last; c++) {
        ret = qcow2_refcount_get(q, c, &refs);
        if (ret || refs) {
            return ret ? ret : -ENOSPC;
        }
    }
    for (c = start >> q->cluster_bits; c <= last; c++) {
        ret = qcow2_alloc_at(q, c);
        if (ret) {
            qcow2_unalloc(q, start, c - (start >> q->cluster_bits));
            return -ENOSPC;
        }
    }
    *offset = start;
    return 0;
}

static int place(Qcow2 *q, uint64_t len, uint64_t *offset)
{
    int ret = place_behind(q, len, offset);

    if (ret == -ENOSPC) {
        ret = qcow2_alloc(q, qcow2_clusters(q, len), NULL, offset);
    }
    if (!ret) {
        q->compressed_end = *offset + len;
    }
    return ret;
}

/* The descriptor of @len bytes at @offset; 0: they lie too far away for one. */
static uint64_t compressed_desc(const Qcow2 *q, uint64_t offset, uint64_t len)
{
    unsigned shift = 62 - (q->cluster_bits - 8);
    uint64_t sectors = ((offset + len - 1) >> 9) - (offset >> 9);

    return offset >> shift ? 0 : ENTRY_COMPRESSED | sectors << shift | offset;
}

static int write_compressed_data(Qcow2 *q, uint64_t cluster, const uint8_t *data, size_t len)
{
    Qcow2Entry before, after = {0};
    uint64_t offset;
    int ret;

    g_mutex_lock(&q->meta);
    ret = qcow2_l2_writable(q, cluster);
    ret = ret ? ret : place(q, len, &offset);
    g_mutex_unlock(&q->meta);
    if (ret) {
        return ret;
    }
    after.desc = compressed_desc(q, offset, len);
    ret = after.desc ? block_pwrite(q->n->file, offset, data, len) : -EFBIG;
    g_mutex_lock(&q->meta);
    ret = ret ? ret : qcow2_entry_get(q, cluster, &before);
    ret = ret ? ret : qcow2_entry_set(q, cluster, &after);
    if (ret) {
        qcow2_unalloc(q, offset,
                      ((offset + len - 1) >> q->cluster_bits) - (offset >> q->cluster_bits) + 1);
    } else {
        qcow2_entry_drop(q, &before);
    }
    g_mutex_unlock(&q->meta);
    return ret;
}

/* Its caller writes each cluster once, and nobody else writes to it meanwhile. */
int qcow2_write_compressed(BlockNode *n, uint64_t offset, const void *buf, size_t len)
{
    Qcow2 *q = qcow2_of(n);
    g_autofree uint8_t *whole = NULL, *out = NULL;
    size_t size;
    int ret;

    if (q->encrypted) {
        return -ENOTSUP;
    }
    if (!qcow2_aligned(q, offset) || len > q->cluster_size ||
        (len < q->cluster_size && offset + len != n->size) || qcow2_external(q)) {
        return -EINVAL;
    }
    if (len < q->cluster_size) { /* the last one */
        whole = g_malloc0(q->cluster_size);
        memcpy(whole, buf, len);
    }
    out = g_malloc(q->cluster_size);
    size = (q->compression == QCOW2_ZSTD ? qcow2_deflate_zstd : deflate_zlib)(
        whole ? whole : buf, q->cluster_size, out, q->cluster_size - 1);
    if (!size) {
        struct iovec iov = {(void *)buf, len};

        return qcow2_pwritev(n, offset, &iov, 1);
    }
    pthread_rwlock_rdlock(&q->io);
    ret = write_compressed_data(q, offset >> q->cluster_bits, out, size);
    pthread_rwlock_unlock(&q->io);
    return ret ? ret : qcow2_commit_if_needed(q);
}
