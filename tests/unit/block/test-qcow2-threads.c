/* SPDX-License-Identifier: MIT */
/*
 * Several threads on one qcow2 image.  Sectors belong to threads in turn, so that every cluster is written by
 * all of them; each thread knows what its sectors must hold.  Snapshots come and go meanwhile.
 */
#include "rhea/osdep.h"

#include <glib/gstdio.h>

#include "block/image.h"

enum { THREADS = 6, SECTOR = 512, DISK = 1 << 20, REGION = 128 * 1024, BASE_BYTE = 0x33 };

typedef struct Writer {
    BlockNode *n;
    unsigned id, rounds;
    uint32_t seed;
    uint8_t own[DISK / SECTOR]; /* what the sectors of this thread hold; the others are not used */
    uint8_t region[REGION /
                   SECTOR]; /* behind DISK each has a region for itself, where it also discards */
} Writer;

static uint64_t region_start(const Writer *w)
{
    return DISK + (uint64_t)w->id * REGION;
}

static void expect(Writer *w, uint64_t offset, uint8_t value)
{
    uint8_t buf[SECTOR];

    g_assert_cmpint(block_pread(w->n, offset, buf, SECTOR), ==, 0);
    for (int i = 0; i < SECTOR; i++) {
        g_assert_cmphex(buf[i], ==, value);
    }
}

static void shared_write(Writer *w, GRand *rand)
{
    unsigned sector =
        (unsigned)g_rand_int_range(rand, 0, DISK / SECTOR / THREADS) * THREADS + w->id;
    uint8_t buf[SECTOR], value = (uint8_t)g_rand_int_range(rand, 1, 256);

    memset(buf, value, SECTOR);
    g_assert_cmpint(block_pwrite(w->n, sector * (uint64_t)SECTOR, buf, SECTOR), ==, 0);
    w->own[sector] = value;
}

static void region_request(Writer *w, GRand *rand)
{
    unsigned first = (unsigned)g_rand_int_range(rand, 0, REGION / SECTOR);
    unsigned count = (unsigned)g_rand_int_range(rand, 1, REGION / SECTOR - (int)first + 1);
    uint64_t at = region_start(w) + first * SECTOR, len = count * (uint64_t)SECTOR;
    uint8_t value = (uint8_t)g_rand_int_range(rand, 0, 256);
    g_autofree uint8_t *buf = NULL;

    if (value < 100) {
        g_assert_cmpint(block_write_zeroes(w->n, at, len, value & 1), ==, 0);
        value = 0;
    } else {
        buf = g_malloc(len);
        memset(buf, value, len);
        g_assert_cmpint(block_pwrite(w->n, at, buf, len), ==, 0);
    }
    memset(w->region + first, value, count);
}

static gpointer writer_run(gpointer opaque)
{
    Writer *w = opaque;
    g_autoptr(GRand) rand = g_rand_new_with_seed(w->seed);

    for (unsigned i = 0; i < w->rounds; i++) {
        unsigned sector = (unsigned)g_rand_int_range(rand, 0, REGION / SECTOR);

        shared_write(w, rand);
        region_request(w, rand);
        expect(w, region_start(w) + sector * SECTOR, w->region[sector]);
        sector = (unsigned)g_rand_int_range(rand, 0, DISK / SECTOR / THREADS) * THREADS + w->id;
        expect(w, sector * (uint64_t)SECTOR, w->own[sector]);
        if (!g_rand_int_range(rand, 0, 20)) {
            g_assert_cmpint(block_flush(w->n), ==, 0);
        }
    }
    return NULL;
}

static void verify(Writer *w)
{
    for (unsigned s = w->id; s < DISK / SECTOR / THREADS * THREADS; s += THREADS) {
        expect(w, s * (uint64_t)SECTOR, w->own[s]);
    }
    for (unsigned s = 0; s < REGION / SECTOR; s++) {
        expect(w, region_start(w) + s * SECTOR, w->region[s]);
    }
}

/* --- The image --- */

static void make_image(const char *name, const char *options)
{
    g_autofree char *text = g_strdup_printf("%s,size=%d", options, DISK + THREADS * REGION);
    g_autoptr(Opts) o = opts_parse("test", text, NULL, NULL);
    g_autoptr(Error) err = NULL;

    if (!image_create("test", "qcow2", name, o, &err)) {
        g_error("%s", error_text(err));
    }
}

/* What is there first: compressed clusters, which every write replaces. */
static void fill(BlockNode *n)
{
    uint64_t cluster = image_cluster_size(n);
    g_autofree uint8_t *buf = g_malloc(cluster);

    memset(buf, BASE_BYTE, cluster);
    for (uint64_t at = 0; at < DISK; at += cluster) {
        g_assert_cmpint(block_write_compressed(n, at, buf, MIN(cluster, DISK - at)), ==, 0);
    }
}

static void check(BlockNode *n)
{
    ImageCheck r = {0};

    g_assert_true(image_check(n, &r, 0, NULL));
    g_assert_cmpuint(r.corruptions, ==, 0);
    g_assert_cmpuint(r.check_errors, ==, 0);
    g_assert_cmpuint(r.leaks, ==, 0);
}

static void start_writers(Writer *writers, GThread **threads, BlockNode *n)
{
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i].n = n;
        writers[i].id = i;
        writers[i].rounds = g_test_slow() ? 3000 : 250;
        writers[i].seed = (uint32_t)g_test_rand_int();
        memset(writers[i].own, BASE_BYTE, sizeof(writers[i].own));
        threads[i] = g_thread_new("writer", writer_run, &writers[i]);
    }
}

static void threads_test(const char *options, bool snapshots)
{
    g_autofree char *name = g_strdup("/tmp/rhea-threads-XXXXXX");
    g_autofree Writer *writers = g_new0(Writer, THREADS);
    GThread *threads[THREADS];
    BlockNode *n;

    close(g_mkstemp(name));
    make_image(name, options);
    n = block_open("test", name, "qcow2", BLOCK_UNSAFE, NULL);
    g_assert_nonnull(n);
    fill(n);
    start_writers(writers, threads, n);
    for (int i = 0; snapshots && i < 10; i++) {
        g_assert_true(image_snapshot_create(n, &(ImageSnapshot){.name = "s"}, NULL));
        g_assert_true(image_snapshot_delete(n, "s", NULL));
    }
    for (unsigned i = 0; i < THREADS; i++) {
        g_thread_join(threads[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        verify(&writers[i]);
    }
    check(n);
    block_node_unref(n);
    n = block_open("test", name, "qcow2", BLOCK_READ_ONLY, NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i].n = n;
        verify(&writers[i]);
    }
    check(n);
    block_node_unref(n);
    g_unlink(name);
}

static void test_large_clusters(void)
{
    threads_test("cluster_size=64k", false);
}

static void test_small_clusters(void)
{
    threads_test("cluster_size=1k", false);
}

static void test_snapshots(void)
{
    threads_test("cluster_size=16k,refcount_bits=32", true);
}

static void test_subclusters(void)
{
    threads_test("cluster_size=32k,extended_l2=on,refcount_bits=64", true);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qcow2/threads/large-clusters", test_large_clusters);
    g_test_add_func("/qcow2/threads/small-clusters", test_small_clusters);
    g_test_add_func("/qcow2/threads/snapshots", test_snapshots);
    g_test_add_func("/qcow2/threads/subclusters", test_subclusters);
    return g_test_run();
}
