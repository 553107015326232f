/* SPDX-License-Identifier: MIT */
/*
 * Records of translations: the index over a mapped file, and what a run adds to it.  See store.h.
 *
 * The index is a hash table over the mode, the place in the page and the first bytes: as many as every
 * block that is long enough has (LONG_PREFIX), or one for the shorter ones, so that a search is two
 * probes.  What follows the prefix is compared byte by byte.  New blocks are entered by all of their
 * bytes, only so that none is kept twice.
 *
 * In a file the records lie in the order of their last use as the file's last replacement saw it, so the
 * least recently used are in front.
 */
#include "rhea/osdep.h"

#include "accel/jit/store-file.h"
#include "rhea/bits.h"

enum {
    LONG_PREFIX = 8,
    FIRST_BITS = 12,
    PAGE_SIZE = 4096,
    MAX_GUEST = PAGE_SIZE + STORE_NEXT_PAGE,
    MAX_CODE = 1 << 20,
    FLUSH_BYTES = 1 << 20,  /* so much is written at a time */
    MAX_PENDING = 32 << 20, /* so much waits when it cannot be written */
};

typedef struct Slot {
    uint64_t hash; /* 0: empty */
    uint32_t at;   /* the record's offset in the file / 8; 0: of this run */
    bool used;
} Slot;

struct Store {
    StoreFile file;
    bool damaged; /* the file has something else behind its last whole record */
    Slot *slots;
    unsigned bits, nslots;
    GByteArray *pending; /* records of this run that are not in the file yet */
    StoreStats stats;
};

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

static const StoreRecord *record_at(const Store *s, uint64_t off)
{
    return (const StoreRecord *)(const void *)(s->file.map + off);
}

/* --- Index --- */

static void index_put(Store *s, uint64_t hash, uint32_t at, bool used)
{
    uint64_t mask = (1ULL << s->bits) - 1, i = hash >> 1 & mask;

    while (s->slots[i].hash) {
        i = (i + 1) & mask;
    }
    s->slots[i] = (Slot){hash, at, used};
    s->nslots++;
}

static void index_grow(Store *s, unsigned bits)
{
    Slot *old = s->slots;
    uint64_t n = old ? 1ULL << s->bits : 0;

    s->slots = g_new0(Slot, 1ULL << bits);
    s->bits = bits;
    s->nslots = 0;
    for (uint64_t i = 0; i < n; i++) {
        if (old[i].hash) {
            index_put(s, old[i].hash, old[i].at, old[i].used);
        }
    }
    g_free(old);
}

static void index_add(Store *s, uint64_t hash, uint32_t at)
{
    if (s->nslots >= 1U << s->bits >> 1) {
        index_grow(s, s->bits + 1);
    }
    index_put(s, hash, at, false);
}

/* The slots of @hash in turn: *i is where to go on. */
static Slot *index_next(const Store *s, uint64_t hash, uint64_t *i)
{
    uint64_t mask = (1ULL << s->bits) - 1;

    for (; s->slots[*i & mask].hash; ++*i) {
        if (s->slots[*i & mask].hash == hash) {
            return &s->slots[(*i)++ & mask];
        }
    }
    return NULL;
}

static void index_load(Store *s)
{
    uint64_t at = sizeof(StoreHeader);

    while (at < s->file.size && record_fits(record_at(s, at), s->file.size - at)) {
        const StoreRecord *r = record_at(s, at);

        index_add(s, hash_prefix(r->mode, r->page_off, record_guest(r), r->guest_size), at / 8);
        s->stats.loaded++;
        at += r->size;
    }
    s->damaged = s->file.map && at != s->file.size;
    s->stats.bytes = s->file.size;
}

/* --- Life --- */

Store *store_open(const char *folder, const char *arch, const uint8_t *identity, uint64_t max_bytes)
{
    Store *s = g_new0(Store, 1);

    s->pending = g_byte_array_new();
    index_grow(s, FIRST_BITS);
    store_file_open(&s->file, folder, arch, identity, max_bytes);
    index_load(s);
    return s;
}

static void append_pending(Store *s, bool wait)
{
    if (store_file_append(&s->file, s->pending->data, s->pending->len, wait)) {
        g_byte_array_set_size(s->pending, 0);
    }
}

static int compare_at(const void *a, const void *b)
{
    const Slot *x = *(Slot *const *)a, *y = *(Slot *const *)b;

    return x->used != y->used ? x->used - y->used : (x->at > y->at) - (x->at < y->at);
}

/* The file's records, the least recently used first. */
static GPtrArray *by_age(const Store *s)
{
    GPtrArray *all = g_ptr_array_new();

    for (uint64_t i = 0; i < 1ULL << s->bits; i++) {
        if (s->slots[i].hash && s->slots[i].at) {
            g_ptr_array_add(all, &s->slots[i]);
        }
    }
    g_ptr_array_sort(all, compare_at);
    return all;
}

/* Keeps what was used last, to half of what may be, so that this is not needed every time. */
static void replace_file(Store *s)
{
    g_autoptr(GPtrArray) all = by_age(s);
    g_autoptr(GByteArray) out = g_byte_array_new();
    uint64_t room = s->file.max_bytes / 2;
    unsigned first = all->len;

    room -= MIN(room, s->pending->len);
    while (first && record_at(s, ((Slot *)all->pdata[first - 1])->at * 8ULL)->size <= room) {
        room -= record_at(s, ((Slot *)all->pdata[--first])->at * 8ULL)->size;
    }
    for (unsigned i = first; i < all->len; i++) {
        const StoreRecord *r = record_at(s, ((Slot *)all->pdata[i])->at * 8ULL);

        if (record_whole(r)) {
            g_byte_array_append(out, (const uint8_t *)r, r->size);
        }
    }
    if (out->len + s->pending->len + sizeof(StoreHeader) <= s->file.max_bytes) {
        g_byte_array_append(out, s->pending->data, s->pending->len);
    }
    store_file_replace(&s->file, out->data, out->len);
}

void store_save(Store *s)
{
    if (s->pending->len && !s->damaged) {
        append_pending(s, true);
    }
    if (s->pending->len || s->damaged) {
        replace_file(s);
        g_byte_array_set_size(s->pending, 0);
        s->damaged = false;
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
    g_free(s->slots);
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
    uint64_t hash = hash_prefix(k->mode, k->page_off, k->bytes, prefix), i = hash >> 1;

    for (Slot *slot; (slot = index_next(s, hash, &i));) {
        const StoreRecord *r = record_at(s, slot->at * 8ULL);

        if (slot->at && matches(r, k) && record_whole(r)) {
            slot->used = true;
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

static bool added_before(const Store *s, uint64_t hash)
{
    uint64_t i = hash >> 1;

    return index_next(s, hash, &i);
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

    if (guest_size > key->nbytes || cb->size > MAX_CODE || cb->npoints > UINT16_MAX ||
        cb->nexits > UINT16_MAX || s->file.broken || added_before(s, hash)) {
        return;
    }
    r.size = record_size(&r);
    if (s->pending->len + r.size > MAX_PENDING) {
        s->stats.dropped++;
        return;
    }
    index_add(s, hash, 0);
    append_record(s->pending, key, &r, cb);
    s->stats.added++;
    if (s->pending->len / FLUSH_BYTES > (s->pending->len - r.size) / FLUSH_BYTES && !s->damaged) {
        append_pending(s, false);
    }
}

const StoreStats *store_stats(const Store *s)
{
    return &s->stats;
}
