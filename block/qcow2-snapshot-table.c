/* SPDX-License-Identifier: MIT */
/* The table of internal snapshots: reading, writing, looking up. */
#include "rhea/osdep.h"

#include "qcow2.h"
#include "rhea/endian.h"

/* Offsets in an entry of the snapshot table. */
enum {
    S_L1_OFFSET = 0,
    S_L1_SIZE = 8,
    S_ID_LEN = 12,
    S_NAME_LEN = 14,
    S_SEC = 16,
    S_NSEC = 20,
    S_CLOCK = 24,
    S_VM_STATE_32 = 32,
    S_EXTRA_LEN = 36,
    S_FIXED = 40,
    /* In the extra data. */
    S_VM_STATE = 0,
    S_DISK_SIZE = 8,
    S_ICOUNT = 16,
    S_EXTRA = 24,
};

void qcow2_snapshot_free(gpointer p)
{
    Qcow2Snapshot *sn = p;

    g_free(sn->id);
    g_free(sn->name);
    g_clear_pointer(&sn->more, g_bytes_unref);
    g_free(sn);
}

/* --- The table of them --- */

static void parse_entry(Qcow2 *q, Qcow2Snapshot *sn, const uint8_t *raw, const uint8_t *rest)
{
    uint16_t id_len = ld16_be(raw + S_ID_LEN), name_len = ld16_be(raw + S_NAME_LEN);
    uint32_t extra = ld32_be(raw + S_EXTRA_LEN);

    sn->l1_offset = ld64_be(raw + S_L1_OFFSET);
    sn->l1_size = ld32_be(raw + S_L1_SIZE);
    sn->date_sec = ld32_be(raw + S_SEC);
    sn->date_nsec = ld32_be(raw + S_NSEC);
    sn->vm_clock_nsec = ld64_be(raw + S_CLOCK);
    sn->vm_state_size = extra >= 8 ? ld64_be(rest + S_VM_STATE) : ld32_be(raw + S_VM_STATE_32);
    sn->disk_size = extra >= 16 ? ld64_be(rest + S_DISK_SIZE) : q->n->size;
    sn->icount = extra >= 24 ? ld64_be(rest + S_ICOUNT) : UINT64_MAX;
    sn->more = extra > S_EXTRA ? g_bytes_new(rest + S_EXTRA, extra - S_EXTRA) : NULL;
    sn->id = g_strndup((const char *)rest + extra, id_len);
    sn->name = g_strndup((const char *)rest + extra + id_len, name_len);
}

/* One entry at *at, which goes on behind it; -EINVAL when it cannot be. */
static int read_entry(Qcow2 *q, uint64_t start, uint64_t *at, Qcow2Snapshot *sn)
{
    uint8_t raw[S_FIXED];
    g_autofree uint8_t *rest = NULL;
    uint64_t len;
    int ret = block_pread(q->n->file, *at, raw, sizeof(raw));

    if (ret) {
        return ret;
    }
    len =
        (uint64_t)ld32_be(raw + S_EXTRA_LEN) + ld16_be(raw + S_ID_LEN) + ld16_be(raw + S_NAME_LEN);
    if (len > QCOW2_MAX_SNAPSHOT_BYTES || *at + S_FIXED + len - start > QCOW2_MAX_SNAPSHOT_BYTES) {
        return -EINVAL;
    }
    rest = g_malloc(len + 1);
    ret = block_pread(q->n->file, *at + S_FIXED, rest, len);
    if (ret) {
        return ret;
    }
    parse_entry(q, sn, raw, rest);
    *at += (S_FIXED + len + 7) & ~7ULL;
    return sn->l1_size > QCOW2_MAX_L1_BYTES / 8 || !qcow2_aligned(q, sn->l1_offset) ||
                   sn->l1_offset > INT64_MAX / 2
               ? -EINVAL
               : 0;
}

bool qcow2_read_snapshots(Qcow2 *q, uint64_t offset, uint32_t count, Error **errp)
{
    uint64_t at = offset, size = block_size(q->n->file);

    if (count > QCOW2_MAX_SNAPSHOTS || !qcow2_aligned(q, offset) || (count && offset >= size)) {
        return error_fail(errp, "'%s' is no good qcow2 image: the place of the snapshot table",
                          q->n->filename);
    }
    for (uint32_t i = 0; i < count; i++) {
        Qcow2Snapshot *sn = g_new0(Qcow2Snapshot, 1);
        int ret = at < size ? read_entry(q, offset, &at, sn) : -EINVAL;

        if (ret) {
            qcow2_snapshot_free(sn);
            return error_fail_errno(errp, -ret, "'%s' is no good qcow2 image: its snapshot %u",
                                    q->n->filename, i + 1);
        }
        g_ptr_array_add(q->snapshots, sn);
    }
    q->snapshots_offset = offset;
    q->snapshots_bytes = at - offset;
    return true;
}

static void append_entry(GByteArray *out, const Qcow2Snapshot *sn)
{
    static const uint8_t padding[8];
    uint8_t raw[S_FIXED], extra[S_EXTRA];
    gsize more_len = 0;
    const void *more = sn->more ? g_bytes_get_data(sn->more, &more_len) : NULL;

    st64_be(raw + S_L1_OFFSET, sn->l1_offset);
    st32_be(raw + S_L1_SIZE, sn->l1_size);
    st16_be(raw + S_ID_LEN, strlen(sn->id));
    st16_be(raw + S_NAME_LEN, strlen(sn->name));
    st32_be(raw + S_SEC, sn->date_sec);
    st32_be(raw + S_NSEC, sn->date_nsec);
    st64_be(raw + S_CLOCK, sn->vm_clock_nsec);
    st32_be(raw + S_VM_STATE_32, MIN(sn->vm_state_size, UINT32_MAX));
    st32_be(raw + S_EXTRA_LEN, sizeof(extra) + more_len);
    st64_be(extra + S_VM_STATE, sn->vm_state_size);
    st64_be(extra + S_DISK_SIZE, sn->disk_size);
    st64_be(extra + S_ICOUNT, sn->icount);
    g_byte_array_append(out, raw, sizeof(raw));
    g_byte_array_append(out, extra, sizeof(extra));
    g_byte_array_append(out, more, more_len);
    g_byte_array_append(out, (const uint8_t *)sn->id, strlen(sn->id));
    g_byte_array_append(out, (const uint8_t *)sn->name, strlen(sn->name));
    g_byte_array_append(out, padding, -out->len & 7);
}

int qcow2_write_snapshots(Qcow2 *q)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    uint64_t old_offset = q->snapshots_offset, old_bytes = q->snapshots_bytes, offset;
    int ret;

    for (guint i = 0; i < q->snapshots->len; i++) {
        append_entry(out, g_ptr_array_index(q->snapshots, i));
    }
    if (out->len > QCOW2_MAX_SNAPSHOT_BYTES) {
        return -EFBIG;
    }
    ret = qcow2_alloc_exclusive(q, out->len, &offset);
    ret = ret ? ret : qcow2_commit_exclusive(q);
    ret = ret || !out->len ? ret : block_pwrite(q->n->file, offset, out->data, out->len);
    ret = ret ? ret : block_flush(q->n->file);
    if (ret) {
        return ret;
    }
    q->snapshots_offset = offset;
    q->snapshots_bytes = out->len;
    ret = qcow2_write_header(q);
    ret = ret ? ret : block_flush(q->n->file);
    if (!ret && old_bytes) {
        qcow2_drop_exclusive(q, old_offset, old_bytes);
    }
    return ret;
}

/* --- Finding, listing --- */

Qcow2Snapshot *qcow2_snapshot_find(const Qcow2 *q, const char *name, Error **errp)
{
    for (int by_id = 1; by_id >= 0; by_id--) {
        for (guint i = 0; i < q->snapshots->len; i++) {
            Qcow2Snapshot *sn = g_ptr_array_index(q->snapshots, i);

            if (!strcmp(by_id ? sn->id : sn->name, name)) {
                return sn;
            }
        }
    }
    error_fail(errp, "'%s' has no snapshot '%s'", q->n->filename, name);
    return NULL;
}

void qcow2_snapshot_foreach(BlockNode *n, void (*fn)(void *opaque, const ImageSnapshot *sn),
                            void *opaque)
{
    const Qcow2 *q = qcow2_of(n);

    for (guint i = 0; i < q->snapshots->len; i++) {
        const Qcow2Snapshot *sn = g_ptr_array_index(q->snapshots, i);
        ImageSnapshot out = {
            .id = sn->id,
            .name = sn->name,
            .vm_state_size = sn->vm_state_size,
            .disk_size = sn->disk_size,
            .vm_clock_nsec = sn->vm_clock_nsec,
            .icount = sn->icount,
            .date_sec = sn->date_sec,
            .date_nsec = sn->date_nsec,
        };

        fn(opaque, &out);
    }
}

char *qcow2_snapshot_next_id(const Qcow2 *q)
{
    uint64_t max = 0;

    for (guint i = 0; i < q->snapshots->len; i++) {
        const Qcow2Snapshot *sn = g_ptr_array_index(q->snapshots, i);

        max = MAX(max, g_ascii_strtoull(sn->id, NULL, 10));
    }
    return g_strdup_printf("%" PRIu64, max + 1);
}
