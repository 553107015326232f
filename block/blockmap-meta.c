/* SPDX-License-Identifier: MIT */
/*
 * The sectors of a map's tables in memory, and the order in which they reach the file; see blockmap.h for why.
 */
#include "rhea/osdep.h"

#include "blockmap.h"
#include "rhea/bits.h"

enum { SECTOR = 512, MAX_CLEAN = 32768, MAX_DIRTY = 8192, MAX_RUN = 1 << 20 };

typedef struct MetaSector {
    uint64_t at;
    bool dirty, writing;
    uint8_t data[SECTOR];
} MetaSector;

void blockmap_meta_init(BlockMap *m)
{
    m->sectors = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
}

void blockmap_meta_fini(BlockMap *m)
{
    g_hash_table_unref(m->sectors);
}

/* --- Access --- */

static gboolean may_go(gpointer key, gpointer value, gpointer opaque)
{
    const MetaSector *s = value;

    return !s->dirty && !s->writing;
}

static int get_sector(BlockMap *m, uint64_t at, MetaSector **out)
{
    uint64_t start = align_down(at, SECTOR);
    MetaSector *s = g_hash_table_lookup(m->sectors, &start);
    int ret;

    if (!s) {
        if (g_hash_table_size(m->sectors) - m->dirty >= MAX_CLEAN) {
            g_hash_table_foreach_remove(m->sectors, may_go, NULL);
        }
        s = g_new(MetaSector, 1);
        s->at = start;
        s->dirty = s->writing = false;
        ret = block_pread(m->file, start, s->data, SECTOR);
        if (ret) {
            g_free(s);
            return ret;
        }
        g_hash_table_insert(m->sectors, &s->at, s);
    }
    *out = s;
    return 0;
}

int blockmap_meta_read(BlockMap *m, uint64_t at, void *buf, size_t len)
{
    MetaSector *s;
    int ret = get_sector(m, at, &s);

    if (!ret) {
        memcpy(buf, s->data + at % SECTOR, len);
    }
    return ret;
}

int blockmap_meta_bits(BlockMap *m, uint64_t at, bool high, uint64_t first, uint64_t count,
                       bool *set, uint64_t *alike)
{
    uint8_t byte = 0;

    for (*alike = 0; *alike < count; ++*alike) {
        uint64_t bit = first + *alike;
        unsigned shift = high ? 7 - bit % 8 : bit % 8;
        bool is;

        if (!*alike || bit % 8 == 0) {
            int ret = blockmap_meta_read(m, at + bit / 8, &byte, 1);

            if (ret) {
                return ret;
            }
        }
        is = byte >> shift & 1;
        if (*alike && is != *set) {
            break;
        }
        *set = is;
    }
    return 0;
}

int blockmap_meta_write(BlockMap *m, uint64_t at, const void *buf, size_t len)
{
    MetaSector *s;
    int ret = get_sector(m, at, &s);

    if (!ret) {
        memcpy(s->data + at % SECTOR, buf, len);
        m->dirty += !s->dirty;
        s->dirty = true;
    }
    return ret;
}

int blockmap_meta_direct(BlockMap *m, uint64_t at, const void *buf, size_t len)
{
    for (uint64_t s = align_down(at, SECTOR); s < at + len; s += SECTOR) {
        MetaSector *known = g_hash_table_lookup(m->sectors, &s);

        if (known) {
            m->dirty -= known->dirty;
            g_hash_table_remove(m->sectors, &s);
        }
    }
    return block_pwrite(m->file, at, buf, len);
}

/* --- Commit --- */

static gint by_offset(gconstpointer a, gconstpointer b)
{
    const MetaSector *x = *(MetaSector *const *)a, *y = *(MetaSector *const *)b;

    return x->at < y->at ? -1 : x->at > y->at;
}

static void run_clear(gpointer p)
{
    g_free(((MetaRun *)p)->data);
}

static void append_sector(GArray *runs, const MetaSector *s)
{
    MetaRun *last = runs->len ? &g_array_index(runs, MetaRun, runs->len - 1) : NULL;

    if (!last || last->at + last->len != s->at || last->len >= MAX_RUN) {
        MetaRun run = {.at = s->at};

        g_array_append_val(runs, run);
        last = &g_array_index(runs, MetaRun, runs->len - 1);
    }
    if (is_power_of_2(last->len / SECTOR) || !last->len) { /* twice the room each time */
        last->data = g_realloc(last->data, MAX(last->len * 2, SECTOR));
    }
    memcpy(last->data + last->len, s->data, SECTOR);
    last->len += SECTOR;
}

/* Copies of all dirty sectors, which are clean from now on, and stay in memory until they are written. */
static GArray *take_dirty(BlockMap *m)
{
    GArray *runs = g_array_new(FALSE, FALSE, sizeof(MetaRun));
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    GHashTableIter it;
    gpointer value;

    g_array_set_clear_func(runs, run_clear);
    g_mutex_lock(&m->lock);
    g_hash_table_iter_init(&it, m->sectors);
    while (m->dirty && g_hash_table_iter_next(&it, NULL, &value)) {
        if (((MetaSector *)value)->dirty) {
            g_ptr_array_add(list, value);
        }
    }
    g_ptr_array_sort(list, by_offset);
    for (guint i = 0; i < list->len; i++) {
        MetaSector *s = g_ptr_array_index(list, i);

        append_sector(runs, s);
        s->dirty = false;
        s->writing = true;
    }
    m->dirty = 0;
    g_mutex_unlock(&m->lock);
    return runs;
}

/* The writing is over; what failed is dirty again. */
static void finish_runs(BlockMap *m, GArray *runs, bool failed)
{
    g_mutex_lock(&m->lock);
    for (guint i = 0; i < runs->len; i++) {
        const MetaRun *run = &g_array_index(runs, MetaRun, i);

        for (uint64_t at = run->at; at < run->at + run->len; at += SECTOR) {
            MetaSector *s = g_hash_table_lookup(m->sectors, &at);

            if (s) {
                m->dirty += failed && !s->dirty;
                s->dirty |= failed;
                s->writing = false;
            }
        }
    }
    g_mutex_unlock(&m->lock);
}

static int write_runs(BlockMap *m, GArray *runs)
{
    int ret = 0;

    if (m->ops->write_sectors) {
        return m->ops->write_sectors(m, runs);
    }
    for (guint i = 0; !ret && i < runs->len; i++) {
        const MetaRun *run = &g_array_index(runs, MetaRun, i);

        ret = block_pwrite(m->file, run->at, run->data, run->len);
    }
    return ret;
}

static int commit_locked(BlockMap *m)
{
    g_autoptr(GArray) runs = NULL;
    int ret;

    if (!__atomic_load_n(&m->begun, __ATOMIC_ACQUIRE)) {
        return block_flush(
            m->file); /* nothing has changed: what is put over the tables stays in memory */
    }
    runs = take_dirty(m);
    ret = m->ops->before_commit ? m->ops->before_commit(m) : 0;
    ret = ret ? ret : block_flush(m->file);
    if (!ret && runs->len) {
        ret = write_runs(m, runs);
        ret = ret ? ret : block_flush(m->file);
    }
    finish_runs(m, runs, ret);
    return ret;
}

int blockmap_commit(BlockMap *m)
{
    int ret;

    g_mutex_lock(&m->commit);
    ret = commit_locked(m);
    g_mutex_unlock(&m->commit);
    return ret;
}

int blockmap_commit_if_needed(BlockMap *m)
{
    bool needed;

    g_mutex_lock(&m->lock);
    needed = m->dirty > MAX_DIRTY;
    g_mutex_unlock(&m->lock);
    return needed ? blockmap_commit(m) : 0;
}
