/* SPDX-License-Identifier: MIT */
/*
 * The table that finds blocks by (RAM address, key): open addressing, eight slots to a cache line, the
 * upper bits of the hash beside the pointer, so that mostly two lines are touched in all.
 *
 * Readers take no lock.  A table that has become too full is replaced; the old one is kept to the end,
 * since somebody may be reading it, and is never written to again.  What a reader misses or finds dead
 * there costs it a second look under Engine.lock.
 */
#include "rhea/osdep.h"

#include "accel/core/engine.h"

enum { FIRST_BITS = 14, TAG_SHIFT = 48 };
#define SLOT_DEAD        1ULL /* a block was here: go on */
#define SLOT_BLOCK(slot) ((Block *)(uintptr_t)((slot) & ((1ULL << TAG_SHIFT) - 1)))

struct BlockTable {
    BlockTable *older;
    unsigned bits;
    unsigned used;    /* slots that are not empty */
    uint64_t slots[]; /* atomic: 0, SLOT_DEAD, or a block with its tag above */
};

static uint64_t block_hash(uint64_t ram, CpuKey key)
{
    return ((ram >> 1) ^ key * 0x9e3779b97f4a7c15ULL) * 0x9e3779b97f4a7c15ULL;
}

/* The tag is made of other bits than the slot's number. */
static uint64_t block_tag(uint64_t hash)
{
    return hash << 24 & ~0ULL << TAG_SHIFT;
}

static uint64_t first_slot(const BlockTable *t, uint64_t hash)
{
    return hash >> (64 - t->bits);
}

static uint64_t next_slot(const BlockTable *t, uint64_t i)
{
    return (i + 1) & ((1ULL << t->bits) - 1);
}

static BlockTable *table_new(unsigned bits, BlockTable *older)
{
    BlockTable *t = g_malloc0(sizeof(*t) + (sizeof(uint64_t) << bits));

    t->bits = bits;
    t->older = older;
    return t;
}

void block_table_init(Engine *e)
{
    e->blocks = table_new(FIRST_BITS, NULL);
}

void block_table_fini(Engine *e)
{
    for (BlockTable *t = e->blocks, *older; t; t = older) {
        older = t->older;
        g_free(t);
    }
}

Block *cache_find(Engine *e, uint64_t ram, CpuKey key, uint64_t ram2)
{
    const BlockTable *t = __atomic_load_n(&e->blocks, __ATOMIC_ACQUIRE);
    uint64_t hash = block_hash(ram, key), tag = block_tag(hash), slot;

    for (uint64_t i = first_slot(t, hash);; i = next_slot(t, i)) {
        slot = __atomic_load_n(&t->slots[i], __ATOMIC_ACQUIRE);
        if (!slot) {
            return NULL;
        }
        if ((slot & ~0ULL << TAG_SHIFT) == tag && slot != SLOT_DEAD) {
            Block *b = SLOT_BLOCK(slot);

            if (b->ram == ram && b->key == key && (b->ram2 == NO_RAM || b->ram2 == ram2) &&
                __atomic_load_n(&b->valid, __ATOMIC_ACQUIRE)) {
                return b;
            }
        }
    }
}

static void table_put(BlockTable *t, Block *b)
{
    uint64_t hash = block_hash(b->ram, b->key), i = first_slot(t, hash);

    while (t->slots[i]) {
        i = next_slot(t, i);
    }
    g_assert(!((uintptr_t)b >> TAG_SHIFT)); /* as user addresses are on every host with a JIT */
    __atomic_store_n(&t->slots[i], block_tag(hash) | (uintptr_t)b, __ATOMIC_RELEASE);
    t->used++;
}

/* A table with room, without the dead. */
static void table_renew(Engine *e)
{
    BlockTable *old = e->blocks;
    unsigned bits = e->blocks_live > 1ULL << old->bits >> 2 ? old->bits + 1 : old->bits;
    BlockTable *t = table_new(bits, old);

    for (uint64_t i = 0; i < 1ULL << old->bits; i++) {
        if (old->slots[i] > SLOT_DEAD) {
            table_put(t, SLOT_BLOCK(old->slots[i]));
        }
    }
    __atomic_store_n(&e->blocks, t, __ATOMIC_RELEASE);
}

void block_table_insert(Engine *e, Block *b)
{
    if (e->blocks->used >= 1ULL << e->blocks->bits >> 1) {
        table_renew(e);
    }
    table_put(e->blocks, b);
}

void block_table_remove(Engine *e, const Block *b)
{
    BlockTable *t = e->blocks;
    uint64_t i = first_slot(t, block_hash(b->ram, b->key));

    while (t->slots[i] && (t->slots[i] == SLOT_DEAD || SLOT_BLOCK(t->slots[i]) != b)) {
        i = next_slot(t, i);
    }
    if (t->slots[i]) {
        __atomic_store_n(&t->slots[i], SLOT_DEAD, __ATOMIC_RELEASE);
    }
}
