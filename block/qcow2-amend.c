/* SPDX-License-Identifier: MIT */
/*
 * Changes of what an image is: its version, the width of its refcounts, the features of its header.
 * Not modelled: version 2 for images with features that it cannot say (they are refused).
 */
#include "rhea/osdep.h"

#include "qcow2.h"

typedef struct Amend {
    uint64_t size, refcount_bits;
    int compat; /* the version, 0: as it is */
    bool lazy;
    const char *backing_file, *backing_format;
} Amend;

const ImageOption qcow2_amend_options[] = {
    {"backing_file", "File name of a base image; empty: none"},
    {"backing_fmt", "Image format of the base image"},
    {"compat", "Compatibility level: v2 (0.10) or v3 (1.1)"},
    LUKS_AMEND_OPTIONS("encrypt."),
    {"lazy_refcounts", "Postpone refcount updates"},
    {"refcount_bits", "Width of a reference count entry in bits, 1 to 64"},
    {"size", "Virtual disk size"},
    {NULL, NULL},
};

/* --- Version 2 --- */

static bool refuse_v2(const Qcow2 *q, const char *what, Error **errp)
{
    return error_fail(errp, "'%s': version 2 has no %s", q->n->filename, what);
}

static bool may_be_v2(Qcow2 *q, uint64_t refcount_bits, Error **errp)
{
    if (refcount_bits != 16) {
        return refuse_v2(q, "refcounts of another width than 16 bits (refcount_bits=16)", errp);
    }
    if (q->extended_l2) {
        return refuse_v2(q, "extended L2 entries", errp);
    }
    if (qcow2_external(q)) {
        return refuse_v2(q, "external data file", errp);
    }
    if (q->encrypted) {
        return refuse_v2(q, "encryption with LUKS", errp);
    }
    if (q->bitmaps->len) {
        return refuse_v2(q, "bitmaps (bitmap --remove)", errp);
    }
    if (q->compression) {
        return refuse_v2(q, "compression but zlib", errp);
    }
    /* Their tables may say "zeroes" without a cluster, and they are not to be changed. */
    return !q->snapshots->len ||
           error_fail(errp, "'%s': version 2 may not hold what its snapshots do; delete them first",
                      q->n->filename);
}

/* Entries without a cluster that say "zeroes" say nothing, which is zeroes where nothing is below. */
static int forget_zeroes(Qcow2 *q, uint64_t first, uint64_t end)
{
    static const Qcow2Entry none;
    int ret = 0;

    qcow2_exclusive_begin(q);
    for (uint64_t c = first; !ret && c < end; c++) {
        Qcow2Entry e;
        uint64_t host;

        g_mutex_lock(&q->meta);
        ret = qcow2_entry_get(q, c, &e);
        if (!ret && !qcow2_entry_host(q, &e, &host)) {
            ret = qcow2_l2_writable(q, c);
            ret = ret ? ret : qcow2_entry_set(q, c, &none);
        }
        g_mutex_unlock(&q->meta);
    }
    qcow2_exclusive_end(q);
    return ret ? ret : qcow2_commit_if_needed(q);
}

/* All that version 2 knows are clusters with data, and nothing. */
static int expand_zeroes(BlockNode *n)
{
    Qcow2 *q = qcow2_of(n);
    uint64_t at = 0;
    int ret = 0;

    while (!ret && at < n->size) {
        uint64_t len = MIN(n->size - at, 1ULL << (q->l2_bits + q->cluster_bits));
        BlockStatus st;

        ret = block_status(n, at, len, &st);
        if (!ret && st.zero && st.allocated && qcow2_nothing_below(q)) {
            ret = forget_zeroes(q, at >> q->cluster_bits, qcow2_clusters(q, at + st.run));
            ret = ret ? ret : block_status(n, at, len, &st);
        }
        if (!ret && st.zero && st.allocated) { /* in a cluster of its own, or above something */
            ret = qcow2_write_zero_bytes(n, at, st.run);
        }
        at += st.run;
    }
    return ret ? ret : qcow2_commit(q);
}

static int write_new_header(Qcow2 *q)
{
    int ret;

    qcow2_exclusive_begin(q);
    ret = qcow2_commit_exclusive(q);
    ret = ret ? ret : qcow2_rewrite_header(q);
    ret = ret ? ret : block_flush(q->n->file);
    qcow2_exclusive_end(q);
    return ret;
}

static int set_version(Qcow2 *q, unsigned version)
{
    if (version < 3) {
        int ret = expand_zeroes(q->n);

        if (ret) {
            return ret;
        }
        q->incompatible = q->compatible = q->autoclear = 0;
    }
    q->version = version;
    q->header_length = 0; /* as long as the version asks for */
    return write_new_header(q);
}

/* --- All of it --- */

static bool take_amend(Qcow2 *q, Opts *o, Amend *a, Error **errp)
{
    static const char *const compats[] = {"", "v2", "v3", "0.10", "1.1", NULL};

    a->size = q->n->size;
    a->refcount_bits = 1ULL << q->refcount_order;
    a->lazy = q->compatible & COMPAT_LAZY;
    a->backing_file = opts_take(o, "backing_file");
    a->backing_format = opts_take(o, "backing_fmt");
    if (!opts_take_size(o, "size", &a->size, errp) ||
        !opts_take_u64(o, "refcount_bits", 64, &a->refcount_bits, errp) ||
        !opts_take_enum(o, "compat", compats, &a->compat, errp) ||
        !opts_take_bool(o, "lazy_refcounts", &a->lazy, errp)) {
        return false;
    }
    a->compat = a->compat ? 3 - (a->compat & 1) : (int)q->version;
    if (!a->refcount_bits || a->refcount_bits & (a->refcount_bits - 1)) {
        return error_fail(errp, "%s: refcount_bits: %" PRIu64 " is no power of two from 1 to 64",
                          opts_what(o), a->refcount_bits);
    }
    if (a->compat < 3 && a->lazy) {
        return refuse_v2(q, "lazy refcounts (lazy_refcounts=off)", errp);
    }
    return a->compat > 2 || may_be_v2(q, a->refcount_bits, errp);
}

/* In an order in which every step is possible: what needs version 3 comes after it, or before it goes. */
static bool amend(BlockNode *n, const Amend *a, Error **errp)
{
    Qcow2 *q = qcow2_of(n);
    uint64_t lazy = a->lazy ? COMPAT_LAZY : 0;
    int ret = a->compat > (int)q->version ? set_version(q, a->compat) : 0;

    if (!ret && a->refcount_bits != 1ULL << q->refcount_order &&
        !qcow2_set_refcount_width(q, g_bit_nth_lsf(a->refcount_bits, -1), errp)) {
        return false;
    }
    if (!ret && lazy != (q->compatible & COMPAT_LAZY)) {
        q->compatible ^= COMPAT_LAZY;
        ret = write_new_header(q);
    }
    ret = !ret && a->compat < (int)q->version ? set_version(q, a->compat) : ret;
    if (ret) {
        return error_fail_errno(errp, -ret, "'%s': cannot be changed", n->filename);
    }
    if (a->backing_file || a->backing_format) {
        const char *file = a->backing_file ? a->backing_file : n->backing_file;

        if (!image_set_backing(n, file && *file ? file : NULL, a->backing_format, errp)) {
            return false;
        }
    }
    return a->size == n->size || block_truncate(n, a->size, BLOCK_PREALLOC_OFF, errp);
}

bool qcow2_amend(BlockNode *n, Opts *o, bool force, Error **errp)
{
    Amend a = {0};

    return qcow2_amend_crypt(qcow2_of(n), o, force, errp) && take_amend(qcow2_of(n), o, &a, errp) &&
           amend(n, &a, errp);
}
