/* SPDX-License-Identifier: MIT */
/* Trees, views, listeners, and readers against writers (softmmu/memory/{region,flatview,reclaim}.c). */
#include "rhea/osdep.h"

#include "memory/machine-lock.h"
#include "memory/memory.h"

static const MemOps no_ops;

/* A tree with an address space over it. */
typedef struct World {
    MemRegion root;
    AddressSpace *as;
} World;

static void world_init(World *w)
{
    mem_init_container(&w->root, NULL, "root", UINT64_MAX);
    w->as = mem_as_new(&w->root, "world");
}

static void world_fini(World *w)
{
    mem_as_free(w->as);
    mem_fini(&w->root);
}

/* What lies at @pa, "-" for nothing. */
static void expect_at(World *w, uint64_t pa, const char *name, uint64_t offset)
{
    MemSection s;

    if (!mem_lookup(w->as, pa, &s)) {
        g_assert_cmpstr("-", ==, name);
        return;
    }
    g_assert_cmpstr(s.mr->name, ==, name);
    g_assert_cmphex(s.offset, ==, offset);
}

static void test_priorities(void)
{
    MemRegion low, high, late;
    World w;

    world_init(&w);
    mem_init_io(&low, NULL, &no_ops, NULL, "low", 0x3000);
    mem_init_io(&high, NULL, &no_ops, NULL, "high", 0x1000);
    mem_init_io(&late, NULL, &no_ops, NULL, "late", 0x800);
    mem_add(&w.root, 0x1000, &low);
    mem_add_overlap(&w.root, 0x2000, &high, 1);
    mem_add(&w.root, 0x1000, &late);
    expect_at(&w, 0xfff, "-", 0);
    expect_at(&w, 0x1000, "late", 0);
    expect_at(&w, 0x1800, "low", 0x800);
    expect_at(&w, 0x2000, "high", 0);
    expect_at(&w, 0x2fff, "high", 0xfff);
    expect_at(&w, 0x3000, "low", 0x2000);
    expect_at(&w, 0x4000, "-", 0);
    mem_set_enabled(&high, false);
    expect_at(&w, 0x2000, "low", 0x1000);
    mem_set_addr(&low, 0x10000);
    expect_at(&w, 0x2000, "-", 0);
    expect_at(&w, 0x12fff, "low", 0x2fff);
    world_fini(&w);
}

static void test_nesting_and_alias(void)
{
    MemRegion window, device, alias, wrap;
    World w;

    world_init(&w);
    mem_init_container(&window, NULL, "window", 0x1000);
    mem_init_io(&device, NULL, &no_ops, NULL, "device", 0x2000);
    mem_add(&window, 0x800, &device);
    mem_add(&w.root, 0x10000, &window);
    expect_at(&w, 0x107ff, "-", 0);
    expect_at(&w, 0x10800, "device", 0);
    expect_at(&w, 0x10fff, "device", 0x7ff); /* cut by the window */
    expect_at(&w, 0x11000, "-", 0);
    mem_init_alias(&alias, NULL, "alias", &device, 0x1000, 0x500);
    mem_add(&w.root, 0, &alias);
    expect_at(&w, 0x4ff, "device", 0x14ff);
    expect_at(&w, 0x500, "-", 0);
    /* An alias may start before the window of its target. */
    mem_init_alias(&wrap, NULL, "wrap", &w.root, 0x10000, UINT64_MAX);
    mem_add_overlap(&w.root, 0x20000, &wrap, -1);
    expect_at(&w, 0x20800, "device", 0);
    world_fini(&w);
    mem_fini(&window);
}

static void test_edges(void)
{
    MemRegion all, top;
    MemSection s;
    World w;

    world_init(&w);
    mem_init_io(&all, NULL, &no_ops, NULL, "all", UINT64_MAX);
    mem_init_io(&top, NULL, &no_ops, NULL, "top", 0x1000);
    mem_add_overlap(&w.root, 0, &all, -1);
    mem_add(&w.root, 0xfffffffffffff000, &top);
    expect_at(&w, 0, "all", 0);
    expect_at(&w, UINT64_MAX, "top", 0xfff);
    g_assert_true(mem_lookup(w.as, 0, &s));
    g_assert_cmphex(s.len, ==, 0xfffffffffffff000);
    mem_remove(&top);
    g_assert_true(mem_lookup(w.as, 0, &s));
    g_assert_cmphex(s.len, ==, UINT64_MAX);
    world_fini(&w);
}

static void count_change(void *opaque)
{
    ++*(int *)opaque;
}

static void test_listener(void)
{
    MemRegion a, b;
    int changes = 0;
    World w;

    world_init(&w);
    mem_add_listener(w.as, count_change, &changes);
    mem_init_io(&a, NULL, &no_ops, NULL, "a", 0x1000);
    mem_init_io(&b, NULL, &no_ops, NULL, "b", 0x1000);
    mem_transaction_begin();
    mem_add(&w.root, 0, &a);
    mem_add(&w.root, 0x1000, &b);
    g_assert_cmpint(changes, ==, 0);
    mem_transaction_commit();
    g_assert_cmpint(changes, ==, 1);
    mem_set_enabled(&b, false);
    g_assert_cmpint(changes, ==, 2);
    mem_set_addr(&b, 0x5000); /* nothing visible changes */
    g_assert_cmpint(changes, ==, 2);
    mem_remove_listener(w.as, &changes);
    mem_remove(&a);
    g_assert_cmpint(changes, ==, 2);
    world_fini(&w);
}

static void test_print(void)
{
    g_autoptr(GString) out = g_string_new(NULL);
    MemRegion a, alias;
    World w;

    world_init(&w);
    mem_init_io(&a, NULL, &no_ops, NULL, "uart", 0x100);
    mem_init_alias(&alias, NULL, "mirror", &a, 0x10, 0x20);
    mem_add(&w.root, 0x10000000, &a);
    mem_add_overlap(&w.root, 0, &alias, 2);
    mem_set_enabled(&alias, false);
    mem_print_tree(w.as, out);
    g_assert_cmpstr(out->str, ==,
                    "address-space: world\n"
                    "  0000000000000000-ffffffffffffffff (prio 0, i/o): root\n"
                    "    0000000000000000-000000000000001f (prio 2, i/o): alias mirror @uart "
                    "0000000000000010-000000000000002f [disabled]\n"
                    "    0000000010000000-00000000100000ff (prio 0, i/o): uart\n");
    world_fini(&w);
}

/* --- Readers against a writer --- */

enum { READERS = 2, SWAPS = 300, RACE_US = 300000 };

typedef struct Race {
    World w;
    MemRegion fixed;
    int stop;
    uint64_t reads;
} Race;

/* The fixed page is always there; the other place holds a page of 0x5a, or nothing. */
static gpointer race_reader(gpointer opaque)
{
    Race *race = opaque;

    while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
        uint8_t buf[64];
        uint64_t v;
        MemResult r;

        g_assert_cmpint(mem_read_value(race->w.as, 0x1008, 8, &v), ==, MEM_OK);
        g_assert_cmphex(v, ==, 0x1122334455667788);
        r = mem_read(race->w.as, 0x8000, buf, sizeof(buf));
        for (unsigned i = 0; i < sizeof(buf); i++) {
            g_assert_cmphex(buf[i], ==, r == MEM_OK ? 0x5a : 0);
        }
        __atomic_fetch_add(&race->reads, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void test_race(void)
{
    Race race = {0};
    GThread *threads[READERS];
    int64_t end_us;

    world_init(&race.w);
    g_assert_true(mem_init_ram(&race.fixed, NULL, "race.fixed", 0x1000, NULL));
    mem_add(&race.w.root, 0x1000, &race.fixed);
    mem_write_value(race.w.as, 0x1008, 8, 0x1122334455667788);
    for (int i = 0; i < READERS; i++) {
        threads[i] = g_thread_new("reader", race_reader, &race);
    }
    while (!__atomic_load_n(&race.reads, __ATOMIC_RELAXED)) {
        g_usleep(100); /* a busy host starts threads late */
    }
    /* Bounded in time too: the host may be busy. */
    end_us = g_get_monotonic_time() + RACE_US;
    for (int i = 0; i < SWAPS && g_get_monotonic_time() < end_us; i++) {
        MemRegion page;
        g_autofree char *name = g_strdup_printf("race.%d", i);
        uint8_t *host;

        machine_lock();
        g_assert_true(mem_init_ram(&page, NULL, name, 0x1000, NULL));
        host = page.ram->host;
        memset(host, 0x5a, 0x1000);
        mem_add(&race.w.root, 0x8000, &page);
        machine_unlock();
        machine_lock();
        mem_remove(&page);
        mem_fini(&page); /* the block lives on while a reader uses it */
        machine_unlock();
    }
    __atomic_store_n(&race.stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < READERS; i++) {
        g_thread_join(threads[i]);
    }
    g_assert_cmpuint(race.reads, >, 0);
    world_fini(&race.w);
    mem_fini(&race.fixed);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/memory/priorities", test_priorities);
    g_test_add_func("/memory/nesting", test_nesting_and_alias);
    g_test_add_func("/memory/edges", test_edges);
    g_test_add_func("/memory/listener", test_listener);
    g_test_add_func("/memory/print", test_print);
    g_test_add_func("/memory/race", test_race);
    return g_test_run();
}
