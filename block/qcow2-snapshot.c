/* SPDX-License-Identifier: MIT */
/*
 * Internal snapshots: L1 tables that were active once.  What a snapshot and the active tables share has a
 * refcount above one, is not marked ENTRY_COPIED, and is copied by the next write.
 * Everything that changes them runs exclusively, in an order that leaves leaks at worst (see qcow2.h).
 */
#include "rhea/osdep.h"

#include "qcow2.h"
#include "rhea/endian.h"

/* --- While much changes --- */

/* Whoever finds the image like this, after a crash, counts its references again. */
static int mark_dirty(Qcow2 *q, bool dirty)
{
    int ret = qcow2_commit_exclusive(q);

    if (ret || q->version < 3) {
        return ret;
    }
    q->incompatible = dirty ? q->incompatible | INCOMPAT_DIRTY : q->incompatible & ~INCOMPAT_DIRTY;
    ret = qcow2_write_header(q);
    return ret ? ret : block_flush(q->n->file);
}

typedef int (*SnapshotFn)(Qcow2 *q, Qcow2Snapshot *sn);

static int change_snapshots(Qcow2 *q, SnapshotFn fn, Qcow2Snapshot *sn)
{
    int ret;

    qcow2_exclusive_begin(q);
    ret = mark_dirty(q, true);
    ret = ret ? ret : fn(q, sn);
    if (ret) { /* it stays marked: what is undone reaches the file all the same */
        (void)!qcow2_commit_exclusive(q);
    }
    ret = ret ? ret : mark_dirty(q, false);
    qcow2_exclusive_end(q);
    return ret;
}

static int read_l1(Qcow2 *q, const Qcow2Snapshot *sn, uint64_t **out)
{
    *out = g_new0(uint64_t, MAX(sn->l1_size, 1));
    return qcow2_read_words(q, sn->l1_offset, *out, sn->l1_size);
}

/* --- Creating --- */

static int write_l1_copy(Qcow2 *q, Qcow2Snapshot *sn)
{
    Qcow2Array copy = q->l1;
    int ret = qcow2_alloc_exclusive(q, q->l1.n * 8ULL, &sn->l1_offset);

    copy.offset = sn->l1_offset;
    sn->l1_size = q->l1.n;
    ret = ret ? ret : qcow2_commit_exclusive(q);
    return ret ? ret : qcow2_array_write(q, &copy, 0, copy.n);
}

/* Flags go before refcounts rise: nobody may write in place what has two users. */
static int create_exclusive(Qcow2 *q, Qcow2Snapshot *sn)
{
    int ret = qcow2_clear_copied(q);

    ret = ret ? ret : qcow2_commit_exclusive(q);
    ret = ret ? ret : qcow2_take_tree(q, q->l1.e, q->l1.n);
    if (ret) {
        (void)!qcow2_update_copied(q);
        return ret;
    }
    ret = write_l1_copy(q, sn);
    g_ptr_array_add(q->snapshots, sn);
    ret = ret ? ret : qcow2_write_snapshots(q);
    if (ret) { /* it is not in the header: what it counts leaks */
        g_ptr_array_steal_index(q->snapshots, q->snapshots->len - 1);
    }
    return ret ? ret : qcow2_vm_state_forget(q); /* the snapshot has it now */
}

static Qcow2Snapshot *snapshot_new(Qcow2 *q, const ImageSnapshot *like)
{
    Qcow2Snapshot *sn = g_new0(Qcow2Snapshot, 1);
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();

    sn->id = qcow2_snapshot_next_id(q);
    sn->name = g_strdup(like->name);
    sn->date_sec = g_date_time_to_unix(now);
    sn->date_nsec = g_date_time_get_microsecond(now) * 1000;
    sn->disk_size = q->n->size;
    sn->vm_state_size = like->vm_state_size;
    sn->vm_clock_nsec = like->vm_clock_nsec;
    sn->icount = UINT64_MAX;
    return sn;
}

static bool check_possible(const Qcow2 *q, const char *name, Error **errp)
{
    if (qcow2_external(q)) {
        return error_fail(errp, "'%s': there are no snapshots with external data", q->n->filename);
    }
    if (qcow2_refcount_max(q) == 1) {
        return error_fail(errp, "'%s': its refcounts are too narrow for snapshots", q->n->filename);
    }
    return (strlen(name) <= UINT16_MAX && q->snapshots->len < QCOW2_MAX_SNAPSHOTS) ||
           error_fail(errp, "'%s': the name is too long, or there are too many snapshots",
                      q->n->filename);
}

bool qcow2_snapshot_create(BlockNode *n, const ImageSnapshot *like, Error **errp)
{
    Qcow2 *q = qcow2_of(n);
    Qcow2Snapshot *sn;
    int ret;

    if (!check_possible(q, like->name, errp)) {
        return false;
    }
    sn = snapshot_new(q, like);
    ret = change_snapshots(q, create_exclusive, sn);
    if (ret && !g_ptr_array_find(q->snapshots, sn, NULL)) {
        qcow2_snapshot_free(sn);
    }
    return !ret ||
           error_fail_errno(errp, -ret, "'%s': cannot make snapshot '%s'%s", n->filename,
                            like->name, ret == -EFBIG ? " (its refcounts are too narrow)" : "");
}

/* --- Applying --- */

/*
 * The snapshot's tree becomes the active one: the first @used entries of @l1 have the references of a
 * second user by now.
 */
static int switch_tree(Qcow2 *q, const Qcow2Snapshot *sn, const uint64_t *l1, uint32_t used)
{
    uint64_t entries = qcow2_l1_entries(q, sn->disk_size);
    Qcow2Array old = q->l1, active = {.n = entries};
    uint64_t old_size = q->n->size;
    int ret;

    if (entries > QCOW2_MAX_L1_BYTES / 8) {
        return -EFBIG;
    }
    active.e = g_new0(uint64_t, MAX(entries, 1));
    memcpy(active.e, l1, used * 8ULL);
    ret = qcow2_alloc_exclusive(q, entries * 8, &active.offset);
    ret = ret ? ret : qcow2_commit_exclusive(q);
    if (!ret) {
        q->l1 = active; /* where no header points to it yet */
        ret = qcow2_clear_copied(q);
        qcow2_array_dirty(&q->l1, 0);
        if (entries) {
            qcow2_array_dirty(&q->l1, entries - 1);
        }
        q->l1.hi = MIN(q->l1.hi, entries);
        ret = ret ? ret : qcow2_commit_exclusive(q);
        q->n->size = sn->disk_size;
        ret = ret ? ret : qcow2_write_header(q);
        ret = ret ? ret : block_flush(q->n->file);
    }
    if (ret) {
        q->l1 = old;
        q->n->size = old_size;
        g_free(active.e);
        return ret;
    }
    ret = qcow2_drop_tree(q, old.e, old.n);
    qcow2_drop_exclusive(q, old.offset, old.n * 8ULL);
    g_free(old.e);
    return ret;
}

/* The machine's state, behind the disk, stays the snapshot's alone. */
static int apply_exclusive(Qcow2 *q, Qcow2Snapshot *sn)
{
    g_autofree uint64_t *l1 = NULL;
    uint32_t used = MIN(sn->l1_size, qcow2_l1_entries(q, sn->disk_size));
    int ret = read_l1(q, sn, &l1);

    ret = ret ? ret : qcow2_take_tree(q, l1, used);
    ret = ret ? ret : switch_tree(q, sn, l1, used);
    ret = ret ? ret : qcow2_commit_exclusive(q);
    return ret ? ret : qcow2_update_copied(q);
}

/* --- Deleting --- */

static int delete_exclusive(Qcow2 *q, Qcow2Snapshot *sn)
{
    g_autofree uint64_t *l1 = NULL;
    guint i;
    int ret = read_l1(q, sn, &l1);

    if (ret || !g_ptr_array_find(q->snapshots, sn, &i)) {
        return ret;
    }
    g_ptr_array_steal_index(q->snapshots, i);
    ret = qcow2_write_snapshots(q);
    if (ret) {
        g_ptr_array_insert(q->snapshots, (gint)i, sn);
        return ret;
    }
    ret = qcow2_drop_tree(q, l1, sn->l1_size);
    qcow2_drop_exclusive(q, sn->l1_offset, sn->l1_size * 8ULL);
    qcow2_snapshot_free(sn);
    ret = ret ? ret : qcow2_commit_exclusive(q);
    return ret ? ret : qcow2_update_copied(q);
}

/* --- On one that is there --- */

static bool act_on(BlockNode *n, const char *name, SnapshotFn fn, const char *what, Error **errp)
{
    Qcow2 *q = qcow2_of(n);
    Qcow2Snapshot *sn = qcow2_snapshot_find(q, name, errp);
    int ret = sn ? change_snapshots(q, fn, sn) : 0;

    return sn && (!ret || error_fail_errno(errp, -ret, "'%s': cannot %s snapshot '%s'", n->filename,
                                           what, name));
}

bool qcow2_snapshot_apply(BlockNode *n, const char *name, Error **errp)
{
    return act_on(n, name, apply_exclusive, "go to", errp);
}

bool qcow2_snapshot_delete(BlockNode *n, const char *name, Error **errp)
{
    return act_on(n, name, delete_exclusive, "delete", errp);
}

bool qcow2_snapshot_view(BlockNode *n, const char *name, Error **errp)
{
    Qcow2 *q = qcow2_of(n);
    const Qcow2Snapshot *sn = qcow2_snapshot_find(q, name, errp);
    g_autofree uint64_t *l1 = NULL;
    int ret;

    if (!sn) {
        return false;
    }
    if (!n->read_only || qcow2_l1_entries(q, sn->disk_size) > sn->l1_size) {
        return error_fail(errp,
                          "'%s': snapshot '%s' has too small a table, or is not looked at only",
                          n->filename, name);
    }
    ret = read_l1(q, sn, &l1);
    if (ret) {
        return error_fail_errno(errp, -ret, "'%s': cannot read snapshot '%s'", n->filename, name);
    }
    qcow2_exclusive_begin(q);
    g_free(q->l1.e);
    q->l1 = (Qcow2Array){.n = sn->l1_size, .offset = sn->l1_offset};
    q->l1.e = g_steal_pointer(&l1);
    n->size = sn->disk_size;
    qcow2_exclusive_end(q);
    return true;
}
