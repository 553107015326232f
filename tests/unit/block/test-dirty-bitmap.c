/* SPDX-License-Identifier: MIT */
/* Dirty bitmaps against an array of bytes: random ranges, both granularities of a merge, bytes, resizing. */
#include "rhea/osdep.h"

#include <glib/gstdio.h>

#include "block/dirty-bitmap.h"

enum { DISK = 1000 * 1000, GRAIN = 4096, GRAINS = (DISK + GRAIN - 1) / GRAIN };

static BlockNode *open_disk(char **path)
{
    g_autoptr(Error) err = NULL;
    int fd = g_file_open_tmp("rhea-bitmap-XXXXXX", path, NULL);
    BlockNode *n;

    g_assert_cmpint(ftruncate(fd, DISK), ==, 0);
    close(fd);
    n = block_open("test", *path, "raw", 0, &err);
    g_assert_null(err);
    return n;
}

static void close_disk(BlockNode *n, char *path)
{
    block_node_unref(n);
    g_unlink(path);
    g_free(path);
}

static DirtyBitmap *make(BlockNode *n, const char *name, uint64_t granularity)
{
    g_autoptr(Error) err = NULL;
    DirtyBitmap *b = dirty_bitmap_new(n, name, granularity, &err);

    g_assert_null(err);
    return b;
}

static void expect(DirtyBitmap *b, const uint8_t *model)
{
    uint64_t count = 0, offset = 0, len, found = 0;

    for (unsigned i = 0; i < GRAINS; i++) {
        uint64_t end = MIN((i + 1ULL) * GRAIN, DISK);

        g_assert_cmpint(dirty_bitmap_get(b, i * GRAIN), ==, model[i]);
        g_assert_cmpint(dirty_bitmap_get(b, end - 1), ==, model[i]);
        count += model[i] * (end - (uint64_t)i * GRAIN);
    }
    for (; dirty_bitmap_next(b, &offset, 100000, &len); offset += len) {
        g_assert_cmpint(len, <=, 100000);
        g_assert_true(model[offset / GRAIN] && model[(offset + len - 1) / GRAIN]);
        found += len;
    }
    g_assert_cmpuint(found, ==, count);
    /* The count is in whole granules, but not more than the disk. */
    g_assert_cmpuint(dirty_bitmap_count(b) - count, <, GRAIN);
}

static void random_ranges(void)
{
    char *path;
    BlockNode *n = open_disk(&path);
    DirtyBitmap *b = make(n, "b", GRAIN);
    GRand *rand = g_rand_new_with_seed(7);
    uint8_t model[GRAINS] = {0};

    for (int round = 0; round < 400; round++) {
        uint64_t offset = (uint64_t)g_rand_int_range(rand, 0, DISK);
        uint64_t len = (uint64_t)g_rand_int_range(rand, 1, round % 4 ? 20000 : DISK);
        bool set = g_rand_boolean(rand);

        for (unsigned i = 0; i < GRAINS; i++) {
            uint64_t start = (uint64_t)i * GRAIN, end = MIN(start + GRAIN, DISK);
            bool touched = start < offset + len && offset < end;
            bool covered = start >= offset && end <= offset + len;

            model[i] = set ? model[i] || touched : model[i] && !covered;
        }
        (set ? dirty_bitmap_set : dirty_bitmap_reset)(b, offset, len);
        expect(b, model);
    }
    dirty_bitmap_clear(b);
    g_assert_cmpuint(dirty_bitmap_count(b), ==, 0);
    g_rand_free(rand);
    close_disk(n, path);
}

static void writes_are_marked(void)
{
    char *path;
    BlockNode *n = open_disk(&path);
    DirtyBitmap *b = make(n, "b", GRAIN), *off = make(n, "off", GRAIN);
    uint8_t model[GRAINS] = {0};

    dirty_bitmap_set_flag(off, DIRTY_BITMAP_DISABLED, true);
    g_assert_cmpint(block_pwrite(n, 5 * GRAIN - 1, "ab", 2), ==, 0);
    g_assert_cmpint(block_write_zeroes(n, 9 * GRAIN, GRAIN, false), ==, 0);
    model[4] = model[5] = model[9] = 1;
    expect(b, model);
    g_assert_cmpuint(dirty_bitmap_count(off), ==, 0);
    close_disk(n, path);
}

static void merge_and_bytes(void)
{
    g_autoptr(Error) err = NULL;
    char *path;
    BlockNode *n = open_disk(&path);
    DirtyBitmap *fine = make(n, "fine", 512), *b = make(n, "b", GRAIN), *again;
    uint8_t model[GRAINS] = {0}, buf[64];

    dirty_bitmap_set(fine, 3 * GRAIN + 512, 1);
    dirty_bitmap_set(b, DISK - 1, 1);
    model[3] = model[GRAINS - 1] = 1;
    g_assert_true(dirty_bitmap_merge(b, fine, &err));
    expect(b, model);

    dirty_bitmap_save(b, 0, buf, sizeof(buf));
    g_assert_cmphex(buf[0], ==, 1 << 3);
    g_assert_cmphex(buf[(GRAINS - 1) / 8], ==, 1 << (GRAINS - 1) % 8);
    again = make(n, "again", GRAIN);
    memset(buf + dirty_bitmap_bytes(again), 0xff, 4); /* beyond the end */
    dirty_bitmap_load(again, 0, buf, sizeof(buf));
    expect(again, model);
    dirty_bitmap_free(again);
    again = dirty_bitmap_copy(b, &err);
    dirty_bitmap_clear(b);
    expect(again, model);
    close_disk(n, path);
}

static void resize(void)
{
    g_autoptr(Error) err = NULL;
    char *path;
    BlockNode *n = open_disk(&path);
    DirtyBitmap *b = make(n, "b", GRAIN);

    dirty_bitmap_set(b, 0, 1);
    g_assert_true(block_truncate(n, 100 * DISK, BLOCK_PREALLOC_OFF, &err));
    g_assert_cmpuint(dirty_bitmap_size(b), ==, 100 * DISK);
    g_assert_true(dirty_bitmap_get(b, 99 * DISK)); /* it reads as zeroes now, and did not exist */
    g_assert_false(dirty_bitmap_get(b, GRAIN));
    g_assert_true(block_truncate(n, 2 * GRAIN, BLOCK_PREALLOC_OFF, &err));
    g_assert_cmpuint(dirty_bitmap_count(b), ==, GRAIN);
    close_disk(n, path);
}

static void refused(void)
{
    char *path;
    BlockNode *n = open_disk(&path);
    static const uint64_t bad[] = {1, 256, 513, 1ULL << 32};
    g_autofree char *name = g_strnfill(DIRTY_BITMAP_NAME_MAX + 1, 'x');

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(Error) err = NULL;

        g_assert_null(dirty_bitmap_new(n, "b", bad[i], &err));
        g_assert_nonnull(err);
    }
    make(n, "b", 0);
    for (int i = 0; i < 3; i++) {
        g_autoptr(Error) err = NULL;

        g_assert_null(dirty_bitmap_new(n, i == 0 ? "b" : i == 1 ? "" : name, 0, &err));
        g_assert_nonnull(err);
    }
    close_disk(n, path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dirty-bitmap/random-ranges", random_ranges);
    g_test_add_func("/dirty-bitmap/writes-are-marked", writes_are_marked);
    g_test_add_func("/dirty-bitmap/merge-and-bytes", merge_and_bytes);
    g_test_add_func("/dirty-bitmap/resize", resize);
    g_test_add_func("/dirty-bitmap/refused", refused);
    return g_test_run();
}
