/* SPDX-License-Identifier: MIT */
/*
 * Records of translations: which of a file fits, and what a run adds to it.  See store.h.
 *
 * A record is entered into the file's index by the mode, the place in the page and the first bytes: as many as
 * every block that is long enough has (LONG_PREFIX), or one for the shorter ones, so that a search is two
 * lookups.  What follows the prefix is compared byte by byte.
 *
 * In a file the records lie in the order of their last use as the file's last replacement saw it, so the
 * least recently used are in front.
 */
#include "rhea/osdep.h"

#include "accel/jit/store-file.h"
#include "rhea/bits.h"

enum {
    LONG_PREFIX = 8,
    PAGE_SIZE = 4096,
    MAX_GUEST = PAGE_SIZE + STORE_NEXT_PAGE,
    MAX_CODE = 1 << 20,
    FLUSH_BYTES = 1 << 20,  /* so much is written at a time */
    FIRST_READ = 1024,      /* most records are shorter */
    MAX_PENDING = 32 << 20, /* so much waits when it cannot be written */
};

struct Store {
    StoreFile file;
    uint8_t *buf; /* for the record that is looked at */
    size_t buf_size;
    uint8_t *used;     /* a bit for each RECORD_MIN bytes of the file: the record there was used */
    GHashTable *added; /* hashes of all of a block's bytes, of what this run added */
    GByteArray *pending; /* records of this run that are not in the file yet */
    GArray *entries;     /* StoreEntry of each of them */
    StoreStats stats;
};

enum { RECORD_MIN = 32 }; /* bytes: less than any record has */

/* --- Records --- */

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
    return h ^ h >> 29;
}

static uint64_t hash_bytes(uint64_t h, const uint8_t *p, size_t n)
{
    uint64_t v;

    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&v, p, 8);
        h = mix(h, v);
    }
    v = 0;
    memcpy(&v, p, n);
    return mix(mix(h, v), n);
}

static uint64_t hash_key(uint64_t mode, unsigned page_off, const uint8_t *bytes, size_t n)
{
    return hash_bytes(mix(mix(0, mode), page_off), bytes, n) | 1;
}

static uint64_t hash_prefix(uint64_t mode, unsigned page_off, const uint8_t *bytes, size_t n)
{
    return hash_key(mode, page_off, bytes, n >= LONG_PREFIX ? LONG_PREFIX : 1);
}

static uint32_t record_sum(const StoreRecord *r)
{
    const size_t behind = offsetof(StoreRecord, mode);

    return hash_bytes(1, (const uint8_t *)r + behind, r->size - behind) >> 16;
}

static size_t record_size(const StoreRecord *r)
{
    return align_up(sizeof(*r) + r->npoints * sizeof(CodePoint) + r->nexits * sizeof(CodeExit) +
                        r->code_size + r->guest_size,
                    8);
}

static const CodePoint *record_points(const StoreRecord *r)
{
    return (const CodePoint *)(const void *)(r + 1);
}

static const CodeExit *record_exits(const StoreRecord *r)
{
    return (const CodeExit *)(const void *)(record_points(r) + r->npoints);
}

static const uint8_t *record_code(const StoreRecord *r)
{
    return (const uint8_t *)(record_exits(r) + r->nexits);
}

static const uint8_t *record_guest(const StoreRecord *r)
{
    return record_code(r) + r->code_size;
}

/* Enough to find one's way in it. */
static bool record_fits(const StoreRecord *r, size_t room)
{
    return room >= sizeof(*r) && r->size <= room && r->code_size <= MAX_CODE &&
           r->size == record_size(r) && r->guest_size && r->page_off < PAGE_SIZE &&
           r->page_off + r->guest_size <= MAX_GUEST && r->line_off < STORE_LINE;
}

static bool tables_inside(const StoreRecord *r)
{
    for (unsigned i = 0; i < r->npoints; i++) {
        if (record_points(r)[i].host_off > r->code_size) {
            return false;
        }
    }
    for (unsigned i = 0; i < r->nexits; i++) {
        const CodeExit *e = &record_exits(r)[i];

        if (e->jump_off + 4ULL > r->code_size || e->guard_off + 4ULL > r->code_size ||
            (e->kind == CODE_EXIT_CROSS && e->guard_off + 8ULL > r->code_size) ||
            e->leave_off > r->code_size) {
            return false;
        }
    }
    return true;
}

static bool record_whole(const StoreRecord *r)
{
    return r->code_size && r->hot_size <= r->code_size && r->sum == record_sum(r) &&
           tables_inside(r);
}

/* The record at @at of the file, valid until the next call; NULL: it does not fit. */
static const StoreRecord *record_at(Store *s, uint64_t at)
{
    size_t got = store_file_read(&s->file, at, s->buf, FIRST_READ);
    StoreRecord *r = (void *)s->buf;

    if (got < sizeof(*r) || !record_fits(r, s->file.size - at)) {
        return NULL;
    }
    if (r->size > got) {
        size_t size = r->size;

        if (size > s->buf_size) {
            s->buf = g_realloc(s->buf, size);
            s->buf_size = size;
        }
        r = (void *)s->buf;
        if (store_file_read(&s->file, at, r, size) != size || r->size != size ||
            !record_fits(r, size)) {
            return NULL;
        }
    }
    return r;
}

/* --- Life --- */

Store *store_open(const char *folder, const char *arch, const uint8_t *identity, uint64_t max_bytes,
                  bool quiet)
{
    Store *s = g_new0(Store, 1);

    s->pending = g_byte_array_new();
    s->entries = g_array_new(false, false, sizeof(StoreEntry));
    s->added = g_hash_table_new(NULL, NULL);
    store_file_open(&s->file, folder, arch, identity, max_bytes, quiet);
    s->buf = g_malloc(FIRST_READ);
    s->buf_size = FIRST_READ;
    s->used = g_malloc0(s->file.size / RECORD_MIN / 8 + 1);
    s->stats.loaded = s->file.is.count;
    s->stats.bytes = s->file.size;
    return s;
}

static void drop_pending(Store *s)
{
    g_byte_array_set_size(s->pending, 0);
    g_array_set_size(s->entries, 0);
}

static void append_pending(Store *s, bool wait)
{
    if (store_file_append(&s->file, s->pending, s->entries, wait)) {
        drop_pending(s);
    }
}

static bool was_used(const Store *s, uint64_t at)
{
    return s->used[at / RECORD_MIN / 8] & 1 << at / RECORD_MIN % 8;
}

static void mark_used(Store *s, uint64_t at)
{
    s->used[at / RECORD_MIN / 8] |= 1 << at / RECORD_MIN % 8;
}

/* The file's records, the least recently used first. */
static GArray *by_age(Store *s)
{
    GArray *all = store_file_all(&s->file);
    GArray *aged = g_array_new(false, false, sizeof(uint64_t));

    for (unsigned used = 0; used < 2; used++) {
        for (unsigned i = 0; i < all->len; i++) {
            uint64_t at = g_array_index(all, uint64_t, i);

            if (was_used(s, at) == used) {
                g_array_append_val(aged, at);
            }
        }
    }
    g_array_unref(all);
    return aged;
}

/* How much of a file's record is kept: nothing of a damaged one. */
static uint64_t kept_size(Store *s, uint64_t at)
{
    const StoreRecord *r = record_at(s, at);

    return r && record_whole(r) ? r->size : 0;
}

/* Puts a copy of a record behind those that are to be written. */
static void add_entry(GByteArray *records, GArray *entries, const StoreRecord *r)
{
    StoreEntry e = {hash_prefix(r->mode, r->page_off, record_guest(r), r->guest_size),
                    records->len};

    g_array_append_val(entries, e);
    g_byte_array_append(records, (const uint8_t *)r, r->size);
}

/* Keeps what was used last, to half of what may be, so that this is not needed every time. */
static void replace_file(Store *s)
{
    g_autoptr(GArray) aged = by_age(s);
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GArray) entries = g_array_new(false, false, sizeof(StoreEntry));
    uint64_t room = s->file.max_bytes / 2 - MIN(s->file.max_bytes / 2, s->pending->len);
    unsigned first = aged->len;

    while (first && kept_size(s, g_array_index(aged, uint64_t, first - 1)) <= room) {
        room -= kept_size(s, g_array_index(aged, uint64_t, --first));
    }
    for (unsigned i = first; i < aged->len; i++) {
        uint64_t at = g_array_index(aged, uint64_t, i);

        if (kept_size(s, at)) {
            add_entry(out, entries, record_at(s, at));
        }
    }
    if (out->len + s->pending->len <= s->file.max_bytes / 2) {
        for (unsigned i = 0; i < s->entries->len; i++) {
            unsigned at = g_array_index(s->entries, StoreEntry, i).offset;

            add_entry(out, entries, (const void *)(s->pending->data + at));
        }
    }
    store_file_replace(&s->file, out, entries);
}

void store_save(Store *s)
{
    if (s->pending->len) {
        append_pending(s, true);
    }
    if (s->pending->len) {
        replace_file(s);
        drop_pending(s);
    }
    if (!s->file.broken) {
        store_file_trim(&s->file);
    }
}

void store_close(Store *s)
{
    store_save(s);
    store_file_close(&s->file);
    g_byte_array_unref(s->pending);
    g_array_unref(s->entries);
    g_hash_table_unref(s->added);
    g_free(s->used);
    g_free(s->buf);
    g_free(s);
}

/* --- Finding --- */

static bool matches(const StoreRecord *r, const StoreKey *k)
{
    bool straddles = r->page_off + r->guest_size > PAGE_SIZE;

    return r->mode == k->mode && r->page_off == k->page_off && straddles == k->straddles &&
           r->guest_size <= k->nbytes && memcmp(record_guest(r), k->bytes, r->guest_size) == 0;
}

static const StoreRecord *find_by_prefix(Store *s, const StoreKey *k, size_t prefix)
{
    uint64_t hash = hash_prefix(k->mode, k->page_off, k->bytes, prefix), at;
    unsigned probe = 0;

    while ((at = store_file_search(&s->file, hash, &probe))) {
        const StoreRecord *r = record_at(s, at);

        if (r && matches(r, k) && record_whole(r)) {
            mark_used(s, at);
            s->stats.hits++;
            return r;
        }
    }
    return NULL;
}

const StoreRecord *store_find(Store *s, const StoreKey *key)
{
    const StoreRecord *r = key->nbytes >= LONG_PREFIX ? find_by_prefix(s, key, LONG_PREFIX) : NULL;

    return r ? r : find_by_prefix(s, key, 1);
}

void store_get_code(const StoreRecord *r, CodeBlock *cb)
{
    memcpy(cb->rw, record_code(r), r->code_size);
    cb->size = r->code_size;
    cb->hot_size = r->hot_size;
    cb->hot_ninsns = r->hot_ninsns;
    cb->npoints = r->npoints;
    cb->nexits = r->nexits;
    cb->points = g_memdup2(record_points(r), r->npoints * sizeof(CodePoint));
    cb->exits = g_memdup2(record_exits(r), r->nexits * sizeof(CodeExit));
}

/* --- Adding --- */

static void append_record(GByteArray *to, const StoreKey *key, StoreRecord *r, const CodeBlock *cb)
{
    static const uint8_t zeros[8];
    unsigned start = to->len;
    StoreRecord *whole;

    g_byte_array_append(to, (const uint8_t *)r, sizeof(*r));
    g_byte_array_append(to, (const uint8_t *)cb->points, cb->npoints * sizeof(CodePoint));
    g_byte_array_append(to, (const uint8_t *)cb->exits, cb->nexits * sizeof(CodeExit));
    g_byte_array_append(to, cb->rw, cb->size);
    g_byte_array_append(to, key->bytes, r->guest_size);
    g_byte_array_append(to, zeros, start + r->size - to->len);
    whole = (StoreRecord *)(void *)(to->data + start);
    whole->sum = record_sum(whole);
}

void store_add(Store *s, const StoreKey *key, uint32_t guest_size, uint32_t ninsns,
               const CodeBlock *cb)
{
    uint64_t hash = hash_key(key->mode, key->page_off, key->bytes, MIN(guest_size, key->nbytes));
    StoreRecord r = {
        .mode = key->mode,
        .page_off = key->page_off,
        .guest_size = guest_size,
        .ninsns = ninsns,
        .line_off = (uintptr_t)cb->rx % STORE_LINE,
        .code_size = cb->size,
        .hot_size = cb->hot_size,
        .hot_ninsns = cb->hot_ninsns,
        .npoints = cb->npoints,
        .nexits = cb->nexits,
    };
    StoreEntry e;

    if (guest_size > key->nbytes || cb->size > MAX_CODE || cb->npoints > UINT16_MAX ||
        cb->nexits > UINT16_MAX || s->file.broken ||
        g_hash_table_contains(s->added, GSIZE_TO_POINTER(hash))) {
        return;
    }
    r.size = record_size(&r);
    if (s->pending->len + r.size > MAX_PENDING) {
        s->stats.dropped++;
        return;
    }
    g_hash_table_add(s->added, GSIZE_TO_POINTER(hash));
    e = (StoreEntry){hash_prefix(r.mode, r.page_off, key->bytes, guest_size), s->pending->len};
    g_array_append_val(s->entries, e);
    append_record(s->pending, key, &r, cb);
    s->stats.added++;
    if (s->pending->len / FLUSH_BYTES > (s->pending->len - r.size) / FLUSH_BYTES) {
        append_pending(s, false);
    }
}

const StoreStats *store_stats(const Store *s)
{
    return &s->stats;
}
