/* SPDX-License-Identifier: MIT */
/* Dirty bitmaps of RAM, one per client; see memory/memory.h.  Lock-free. */
#include "rhea/osdep.h"

#include "memory-int.h"

#define BITS_PER_WORD (8 * sizeof(unsigned long))

static unsigned tracked = 1U << DIRTY_CODE; /* bit per client, atomic */
static void (*code_hook)(uint64_t ram_addr, uint64_t len);
static void (*clean_hook)(void);

void ram_set_code_hook(void (*fn)(uint64_t ram_addr, uint64_t len))
{
    __atomic_store_n(&code_hook, fn, __ATOMIC_RELEASE);
}

void ram_set_clean_hook(void (*fn)(void))
{
    __atomic_store_n(&clean_hook, fn, __ATOMIC_RELEASE);
}

static bool client_tracked(DirtyClient client)
{
    return __atomic_load_n(&tracked, __ATOMIC_RELAXED) & (1U << client);
}

/* The bits of word @word that stand for pages first..last. */
static unsigned long word_mask(uint64_t word, uint64_t first, uint64_t last)
{
    unsigned long mask = ~0UL;

    if (word == first / BITS_PER_WORD) {
        mask &= ~0UL << (first % BITS_PER_WORD);
    }
    if (word == last / BITS_PER_WORD) {
        mask &= ~0UL >> (BITS_PER_WORD - 1 - last % BITS_PER_WORD);
    }
    return mask;
}

/* Pages of the range, cut to the block; false when it is empty. */
static bool page_range(const RamBlock *rb, uint64_t offset, uint64_t len, uint64_t *first,
                       uint64_t *last)
{
    if (!len || offset >= rb->size) {
        return false;
    }
    *first = offset >> RAM_PAGE_BITS;
    *last = (offset + MIN(len, rb->size - offset) - 1) >> RAM_PAGE_BITS;
    return true;
}

void ram_mark_dirty(RamBlock *rb, uint64_t offset, uint64_t len, DirtyClient client)
{
    uint64_t first, last;

    if (!page_range(rb, offset, len, &first, &last)) {
        return;
    }
    for (uint64_t w = first / BITS_PER_WORD; w <= last / BITS_PER_WORD; w++) {
        unsigned long mask = word_mask(w, first, last);

        /* Mostly they are dirty already: do not take the cache line for that. */
        if ((__atomic_load_n(&rb->dirty[client][w], __ATOMIC_SEQ_CST) & mask) != mask) {
            __atomic_fetch_or(&rb->dirty[client][w], mask, __ATOMIC_SEQ_CST);
        }
    }
}

void ram_clear_dirty(RamBlock *rb, uint64_t offset, uint64_t len, DirtyClient client)
{
    void (*hook)(void) = __atomic_load_n(&clean_hook, __ATOMIC_ACQUIRE);
    unsigned long cleared = 0;
    uint64_t first, last;

    if (!page_range(rb, offset, len, &first, &last)) {
        return;
    }
    for (uint64_t w = first / BITS_PER_WORD; w <= last / BITS_PER_WORD; w++) {
        unsigned long mask = word_mask(w, first, last);

        cleared |= __atomic_fetch_and(&rb->dirty[client][w], ~mask, __ATOMIC_SEQ_CST) & mask;
    }
    if (cleared && hook && client != DIRTY_CODE && client_tracked(client)) {
        hook();
    }
}

static bool range_has_clean(RamBlock *rb, uint64_t offset, uint64_t len, DirtyClient client)
{
    uint64_t first, last;

    if (!page_range(rb, offset, len, &first, &last)) {
        return false;
    }
    for (uint64_t w = first / BITS_PER_WORD; w <= last / BITS_PER_WORD; w++) {
        unsigned long mask = word_mask(w, first, last);

        if ((__atomic_load_n(&rb->dirty[client][w], __ATOMIC_SEQ_CST) & mask) != mask) {
            return true;
        }
    }
    return false;
}

void ram_set_dirty(RamBlock *rb, uint64_t offset, uint64_t len)
{
    void (*hook)(uint64_t ram_addr, uint64_t len);

    /* The bytes are there before the bits are looked at: whoever clears a bit and then reads has either
     * the bytes or the bit set again (or, for code, the hook called). */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (int client = 0; client < DIRTY_CLIENTS; client++) {
        if (client != DIRTY_CODE && client_tracked(client)) {
            ram_mark_dirty(rb, offset, len, client);
        }
    }
    if (range_has_clean(rb, offset, len, DIRTY_CODE)) {
        hook = __atomic_load_n(&code_hook, __ATOMIC_ACQUIRE);
        if (hook) {
            hook(rb->ram_addr + offset, MIN(len, rb->size - offset));
        }
    }
}

bool ram_test_dirty(RamBlock *rb, uint64_t offset, DirtyClient client)
{
    return !range_has_clean(rb, offset, 1, client);
}

bool ram_page_watched(RamBlock *rb, uint64_t offset)
{
    for (int client = 0; client < DIRTY_CLIENTS; client++) {
        if (client_tracked(client) && range_has_clean(rb, offset, 1, client)) {
            return true;
        }
    }
    return false;
}

static void mark_block(RamBlock *rb, void *opaque)
{
    ram_mark_dirty(rb, 0, rb->size, *(DirtyClient *)opaque);
}

void ram_track(DirtyClient client, bool on)
{
    if (client == DIRTY_CODE) {
        return;
    }
    if (on) {
        __atomic_fetch_or(&tracked, 1U << client, __ATOMIC_SEQ_CST);
        ram_block_foreach(mark_block, &client);
    } else {
        __atomic_fetch_and(&tracked, ~(1U << client), __ATOMIC_SEQ_CST);
    }
}
