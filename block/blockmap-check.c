/* SPDX-License-Identifier: MIT */
/*
 * Whether the tables of a map can be: blocks inside the file, none twice, nothing behind the last.
 * Not looked for: unused blocks between others.
 */
#include "rhea/osdep.h"

#include "blockmap.h"

enum { MAX_MENDED = 1 << 20 }; /* entries, in one go */

typedef struct Found {
    GArray *hosts; /* uint64_t: where blocks lie */
    GArray *bad;   /* uint64_t: blocks whose entries are to be mended */
    uint64_t end;  /* of the last one */
    uint64_t file_size;
    ImageCheck *check;
    unsigned fix;
} Found;

static void tell(const ImageCheck *check, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void tell(const ImageCheck *check, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    if (check->report) {
        check->report(check->opaque, text);
    }
}

/* An entry that cannot be, lock held. */
static void bad_entry(BlockMap *m, Found *f, uint64_t block, uint64_t host)
{
    f->check->corruptions++;
    tell(f->check, "ERROR block %" PRIu64 " is at %" PRIu64 ", outside the file", block, host);
    if (f->fix & IMAGE_FIX_ERRORS && m->ops->set && f->bad->len < MAX_MENDED) {
        g_array_append_val(f->bad, block);
    }
}

/* Bad entries say nothing any more; a change like any other, with what comes before the first. */
static void mend_entries(BlockMap *m, Found *f)
{
    static const MapEntry nothing;

    if (!f->bad->len || blockmap_begin(m)) {
        return;
    }
    g_mutex_lock(&m->lock);
    for (guint i = 0; i < f->bad->len; i++) {
        f->check->corruptions_fixed +=
            !m->ops->set(m, g_array_index(f->bad, uint64_t, i), &nothing);
    }
    g_mutex_unlock(&m->lock);
}

static void look_at(BlockMap *m, Found *f, uint64_t block, const MapEntry *e)
{
    uint64_t host = e->host, len = e->kind == MAP_DATA ? m->block_size : 1;

    f->check->allocated_clusters++;
    f->check->compressed_clusters += e->kind == MAP_COMPRESSED;
    if (host < m->data_start || host > f->file_size || len > f->file_size - host) {
        bad_entry(m, f, block, host);
        return;
    }
    if (f->hosts->len && g_array_index(f->hosts, uint64_t, f->hosts->len - 1) + len != host) {
        f->check->fragmented_clusters += e->kind == MAP_DATA;
    }
    f->end = MAX(f->end, host + len);
    /* More than can be there without overlaps need not be listed to find one. */
    if (f->hosts->len <= f->file_size / (e->kind == MAP_DATA ? m->block_size : 16)) {
        g_array_append_val(f->hosts, host);
    }
}

static gint by_value(gconstpointer a, gconstpointer b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void find_overlaps(const BlockMap *m, Found *f)
{
    uint64_t len = m->ops->inflate ? 1 : m->block_size;

    g_array_sort(f->hosts, by_value);
    for (guint i = 1; i < f->hosts->len; i++) {
        uint64_t a = g_array_index(f->hosts, uint64_t, i - 1);
        uint64_t b = g_array_index(f->hosts, uint64_t, i);

        if (b - a < len) {
            f->check->corruptions++;
            tell(f->check, "ERROR two blocks overlap at %" PRIu64, b);
        }
    }
}

/* What lies behind the last block, where nothing else can be. */
static void find_leaks(BlockMap *m, Found *f)
{
    uint64_t end = MAX(f->end, m->data_start), leaks;

    if (!m->leaks_end || f->file_size <= end) {
        return;
    }
    leaks = (f->file_size - end) / m->block_size;
    f->check->leaks += leaks;
    if (leaks) {
        tell(f->check, "%" PRIu64 " blocks behind the last one are not used", leaks);
    }
    if (leaks && f->fix & IMAGE_FIX_LEAKS &&
        block_truncate(m->file, end, BLOCK_PREALLOC_OFF, NULL)) {
        m->end = end;
        f->check->leaks_fixed += leaks;
    }
}

static void check_map(BlockMap *m, ImageCheck *check, unsigned fix)
{
    Found f = {.hosts = g_array_new(FALSE, FALSE, sizeof(uint64_t)),
               .bad = g_array_new(FALSE, FALSE, sizeof(uint64_t)),
               .file_size = block_size(m->file),
               .check = check,
               .fix = fix};
    uint64_t looked = 0;

    g_mutex_lock(&m->lock);
    for (uint64_t block = 0; block < m->blocks && !m->flat;) {
        MapEntry e = {0};
        int ret = m->ops->get(m, block, &e);

        if (looked++ > f.file_size / 4) { /* each entry has four bytes at least */
            check->corruptions++;
            tell(check, "ERROR tables overlap");
            break;
        }
        if (ret == -EUCLEAN) { /* what it says cannot be */
            bad_entry(m, &f, block, e.host);
        } else if (ret) {
            check->check_errors++;
            tell(check, "ERROR block %" PRIu64 ": %s", block, strerror(-ret));
        } else if (e.kind == MAP_DATA || e.kind == MAP_COMPRESSED) {
            look_at(m, &f, block, &e);
        }
        block += MAX(e.span, 1);
    }
    find_overlaps(m, &f);
    if (!check->corruptions && !check->check_errors) {
        find_leaks(m, &f);
    }
    g_mutex_unlock(&m->lock);
    mend_entries(m, &f);
    check->total_clusters += m->blocks;
    check->end_offset = MAX(check->end_offset, MAX(f.end, m->data_start));
    g_array_unref(f.hosts);
    g_array_unref(f.bad);
}

/* After a check that leaves nothing wrong, closing takes the mark away. */
static void forget_left_open(BlockMap *m, const ImageCheck *check)
{
    if (m->left_open && check->corruptions == check->corruptions_fixed && !check->check_errors) {
        m->left_open = false;
        m->begun = true;
    }
}

bool blockmap_check(BlockNode *n, ImageCheck *check, unsigned fix, Error **errp)
{
    const GPtrArray *maps = n->opaque;
    int ret = 0;

    for (guint i = 0; i < maps->len; i++) {
        check_map(g_ptr_array_index(maps, i), check, fix);
    }
    if (fix) {
        ret = blockmap_flush(n);
    }
    for (guint i = 0; fix && !ret && i < maps->len; i++) {
        forget_left_open(g_ptr_array_index(maps, i), check);
    }
    return !ret || error_fail_errno(errp, -ret, "'%s': cannot write its tables", n->filename);
}
