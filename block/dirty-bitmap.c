/* SPDX-License-Identifier: MIT */
/*
 * Dirty bitmaps (block/dirty-bitmap.h has the contract): an array of bits behind a lock, in a list that the
 * node owns.  node.c calls block_dirty_mark() behind each write, so that whoever clears a bit and then reads
 * the data has either the new data or the bit set again.
 */
#include "rhea/osdep.h"

#include "block-int.h"
#include "block/dirty-bitmap.h"

enum { DEFAULT_GRANULARITY = 64 * 1024, MIN_DEFAULT_GRANULARITY = 4096 };

struct DirtyBitmap {
    BlockNode *node;
    char *name;
    unsigned flags;
    unsigned shift; /* log2 of the granularity */
    GMutex lock;    /* of what follows */
    uint64_t size;  /* bytes of the disk */
    uint64_t nbits, dirty;
    uint64_t *words;
};

static uint64_t bits_for(uint64_t size, unsigned shift)
{
    return (size >> shift) + !!(size & ((1ULL << shift) - 1));
}

static uint64_t *words_for(uint64_t nbits)
{
    return g_try_malloc0_n(nbits / 64 + 1, sizeof(uint64_t));
}

/* --- Lives --- */

static DirtyBitmap *bitmap_new(BlockNode *n, const char *name, unsigned shift, Error **errp)
{
    uint64_t size = block_size(n), nbits = bits_for(size, shift);
    uint64_t *words = words_for(nbits);
    DirtyBitmap *b;

    if (!words) {
        error_fail(errp, "no memory for a bitmap of %" PRIu64 " bits", nbits);
        return NULL;
    }
    b = g_new0(DirtyBitmap, 1);
    b->node = n;
    b->name = g_strdup(name);
    b->shift = shift;
    b->size = size;
    b->nbits = nbits;
    b->words = words;
    g_mutex_init(&b->lock);
    n->bitmaps = g_slist_append(n->bitmaps, b);
    return b;
}

static uint64_t default_granularity(const BlockNode *n)
{
    uint64_t cluster = image_cluster_size(n);

    return !cluster ? DEFAULT_GRANULARITY
                    : CLAMP(cluster, MIN_DEFAULT_GRANULARITY, DEFAULT_GRANULARITY);
}

DirtyBitmap *dirty_bitmap_new(BlockNode *n, const char *name, uint64_t granularity, Error **errp)
{
    granularity = granularity ? granularity : default_granularity(n);
    if (granularity & (granularity - 1)) {
        error_fail(errp, "Granularity must be power of 2 and at least 512");
    } else if (granularity < 512 || granularity > 1ULL << 31) {
        error_fail(errp, "Granularity must be from 512 bytes to 2 GiB");
    } else if (name && (!*name || strlen(name) > DIRTY_BITMAP_NAME_MAX)) {
        error_fail(errp, "%s", *name ? "Bitmap name too long" : "Bitmap name cannot be empty");
    } else if (name && dirty_bitmap_find(n, name)) {
        error_fail(errp, "Bitmap already exists: %s", name);
    } else {
        return bitmap_new(n, name, (unsigned)__builtin_ctzll(granularity), errp);
    }
    return NULL;
}

DirtyBitmap *dirty_bitmap_copy(DirtyBitmap *b, Error **errp)
{
    DirtyBitmap *copy = bitmap_new(b->node, NULL, b->shift, errp);

    if (copy) {
        copy->flags = DIRTY_BITMAP_DISABLED;
        g_mutex_lock(&b->lock);
        memcpy(copy->words, b->words, (b->nbits / 64 + 1) * sizeof(uint64_t));
        copy->dirty = b->dirty;
        g_mutex_unlock(&b->lock);
    }
    return copy;
}

void dirty_bitmap_free(DirtyBitmap *b)
{
    b->node->bitmaps = g_slist_remove(b->node->bitmaps, b);
    g_mutex_clear(&b->lock);
    g_free(b->words);
    g_free(b->name);
    g_free(b);
}

DirtyBitmap *dirty_bitmap_find(BlockNode *n, const char *name)
{
    for (GSList *l = n->bitmaps; l; l = l->next) {
        DirtyBitmap *b = l->data;

        if (b->name && !strcmp(b->name, name)) {
            return b;
        }
    }
    return NULL;
}

DirtyBitmap *dirty_bitmap_find_usable(BlockNode *n, const char *name, Error **errp)
{
    DirtyBitmap *b = dirty_bitmap_find(n, name);

    if (!b) {
        error_fail(errp, "Dirty bitmap '%s' not found", name);
    } else if (b->flags & DIRTY_BITMAP_BUSY) {
        error_fail(errp, "Bitmap '%s' is currently in use by another operation and cannot be used",
                   name);
    } else if (b->flags & DIRTY_BITMAP_INCONSISTENT) {
        error_fail(errp, "Bitmap '%s' is inconsistent and cannot be used", name);
    } else {
        return b;
    }
    return NULL;
}

void dirty_bitmap_foreach(BlockNode *n, void (*fn)(DirtyBitmap *b, void *opaque), void *opaque)
{
    GSList *next;

    for (GSList *l = n->bitmaps; l; l = next) {
        DirtyBitmap *b = l->data;

        next = l->next;
        if (b->name) {
            fn(b, opaque);
        }
    }
}

void block_dirty_free_all(BlockNode *n)
{
    while (n->bitmaps) {
        dirty_bitmap_free(n->bitmaps->data);
    }
}

/* --- What it is --- */

const char *dirty_bitmap_name(const DirtyBitmap *b)
{
    return b->name;
}

BlockNode *dirty_bitmap_node(const DirtyBitmap *b)
{
    return b->node;
}

uint64_t dirty_bitmap_granularity(const DirtyBitmap *b)
{
    return 1ULL << b->shift;
}

uint64_t dirty_bitmap_size(const DirtyBitmap *b)
{
    return b->size;
}

uint64_t dirty_bitmap_count(DirtyBitmap *b)
{
    uint64_t count;

    g_mutex_lock(&b->lock);
    count = MIN(b->dirty << b->shift, b->size);
    g_mutex_unlock(&b->lock);
    return count;
}

unsigned dirty_bitmap_flags(const DirtyBitmap *b)
{
    return b->flags;
}

void dirty_bitmap_set_flag(DirtyBitmap *b, DirtyBitmapFlags flag, bool on)
{
    b->flags = on ? b->flags | flag : b->flags & ~(unsigned)flag;
}

/* --- Bits; the lock is held --- */

/* The bits of word @w that lie in [first, end). */
static uint64_t word_mask(uint64_t w, uint64_t first, uint64_t end)
{
    uint64_t mask = ~0ULL;

    if (first > w * 64) {
        mask &= ~0ULL << (first - w * 64);
    }
    if (end < (w + 1) * 64) {
        mask &= ~(~0ULL << (end - w * 64));
    }
    return mask;
}

static void change_bits(DirtyBitmap *b, uint64_t first, uint64_t end, bool set)
{
    for (uint64_t w = first / 64; w * 64 < end; w++) {
        uint64_t old = b->words[w], mask = word_mask(w, first, end);

        b->words[w] = set ? old | mask : old & ~mask;
        b->dirty += (unsigned)__builtin_popcountll(b->words[w]);
        b->dirty -= (unsigned)__builtin_popcountll(old);
    }
}

/* The first bit from @bit on that is @set; b->nbits: none. */
static uint64_t find_bit(const DirtyBitmap *b, uint64_t bit, bool set)
{
    while (bit < b->nbits) {
        uint64_t word = set ? b->words[bit / 64] : ~b->words[bit / 64];

        word &= ~0ULL << bit % 64;
        if (word) {
            return MIN(bit / 64 * 64 + (unsigned)__builtin_ctzll(word), b->nbits);
        }
        bit = (bit / 64 + 1) * 64;
    }
    return b->nbits;
}

/* --- Bits, for everybody --- */

void dirty_bitmap_set(DirtyBitmap *b, uint64_t offset, uint64_t len)
{
    g_mutex_lock(&b->lock);
    if (len && offset < b->size) {
        len = MIN(len, b->size - offset);
        change_bits(b, offset >> b->shift, bits_for(offset + len, b->shift), true);
    }
    g_mutex_unlock(&b->lock);
}

void dirty_bitmap_reset(DirtyBitmap *b, uint64_t offset, uint64_t len)
{
    g_mutex_lock(&b->lock);
    if (offset < b->size) {
        uint64_t first = bits_for(offset, b->shift);
        uint64_t end = len >= b->size - offset ? b->nbits : (offset + len) >> b->shift;

        if (first < end) {
            change_bits(b, first, end, false);
        }
    }
    g_mutex_unlock(&b->lock);
}

void dirty_bitmap_clear(DirtyBitmap *b)
{
    dirty_bitmap_reset(b, 0, UINT64_MAX);
}

bool dirty_bitmap_get(DirtyBitmap *b, uint64_t offset)
{
    uint64_t bit = offset >> b->shift;
    bool set;

    g_mutex_lock(&b->lock);
    set = bit < b->nbits && b->words[bit / 64] >> bit % 64 & 1;
    g_mutex_unlock(&b->lock);
    return set;
}

bool dirty_bitmap_next(DirtyBitmap *b, uint64_t *offset, uint64_t max, uint64_t *len)
{
    uint64_t bit, start;
    bool found;

    g_mutex_lock(&b->lock);
    bit = find_bit(b, *offset >> b->shift, true);
    start = MAX(bit << b->shift, *offset);
    found = bit < b->nbits && start < b->size && max;
    if (found) {
        uint64_t end = MIN(find_bit(b, bit, false) << b->shift, b->size);

        *offset = start;
        *len = MIN(end - start, max);
    }
    g_mutex_unlock(&b->lock);
    return found;
}

bool dirty_bitmap_merge(DirtyBitmap *b, DirtyBitmap *from, Error **errp)
{
    uint64_t offset = 0, len;

    if (b->size != from->size) {
        return error_fail(errp, "bitmaps of %" PRIu64 " and of %" PRIu64 " bytes cannot be merged",
                          b->size, from->size);
    }
    while (b != from && dirty_bitmap_next(from, &offset, UINT64_MAX, &len)) {
        dirty_bitmap_set(b, offset, len);
        offset += len;
    }
    return true;
}

/* --- As bytes --- */

uint64_t dirty_bitmap_bytes(const DirtyBitmap *b)
{
    return (b->nbits + 7) / 8;
}

void dirty_bitmap_save(DirtyBitmap *b, uint64_t at, uint8_t *buf, size_t len)
{
    uint64_t bytes = dirty_bitmap_bytes(b);

    memset(buf, 0, len);
    g_mutex_lock(&b->lock);
    for (size_t i = 0; i < len && at + i < bytes; i++) {
        buf[i] = (uint8_t)(b->words[(at + i) / 8] >> (at + i) % 8 * 8);
    }
    g_mutex_unlock(&b->lock);
}

void dirty_bitmap_load(DirtyBitmap *b, uint64_t at, const uint8_t *buf, size_t len)
{
    g_mutex_lock(&b->lock);
    for (size_t i = 0; i < len && at + i < dirty_bitmap_bytes(b); i++) {
        uint64_t first = (at + i) * 8;

        for (unsigned bit = 0; bit < 8 && first + bit < b->nbits; bit++) {
            change_bits(b, first + bit, first + bit + 1, buf[i] >> bit & 1);
        }
    }
    g_mutex_unlock(&b->lock);
}

/* --- For node.c --- */

void block_dirty_mark(BlockNode *n, uint64_t offset, uint64_t len)
{
    for (GSList *l = n->bitmaps; l; l = l->next) {
        DirtyBitmap *b = l->data;

        if (!(b->flags & (DIRTY_BITMAP_DISABLED | DIRTY_BITMAP_INCONSISTENT))) {
            dirty_bitmap_set(b, offset, len);
        }
    }
}

static bool bitmap_resize(DirtyBitmap *b, uint64_t size)
{
    uint64_t nbits = bits_for(size, b->shift), *words = words_for(nbits);

    if (!words) {
        return false;
    }
    g_mutex_lock(&b->lock);
    change_bits(b, MIN(nbits, b->nbits), b->nbits, false);
    memcpy(words, b->words, (MIN(nbits, b->nbits) / 64 + 1) * sizeof(uint64_t));
    g_free(b->words);
    b->words = words;
    b->nbits = nbits;
    b->size = size;
    g_mutex_unlock(&b->lock);
    return true;
}

bool block_dirty_resize(BlockNode *n, Error **errp)
{
    for (GSList *l = n->bitmaps; l; l = l->next) {
        DirtyBitmap *b = l->data;
        uint64_t old = b->size, size = block_size(n);

        if (!bitmap_resize(b, size)) {
            return error_fail(errp, "no memory for a larger bitmap '%s'", b->name ? b->name : "");
        }
        if (size > old) { /* new zeroes are news for whoever copies what changed */
            dirty_bitmap_set(b, old, size - old);
        }
    }
    return true;
}
