/* SPDX-License-Identifier: MIT */
/* cache.direct=on: transfers of all sizes, places and memory alignments against a copy in memory. */
#include "rhea/osdep.h"

#include <fcntl.h>
#include <glib/gstdio.h>

#include "block/node.h"

enum { SIZE = (64 << 10) + 1000, ROUNDS = 2000, MAX_LEN = 20000 };

static char *path;

static BlockNode *open_image(void)
{
    Error *err = NULL;
    BlockNode *n = block_open("test", path, "raw", BLOCK_DIRECT, &err);

    g_assert_null(err);
    return n;
}

/* Mostly whole blocks in aligned memory, else anything. */
static uint32_t place(GRand *rand, uint32_t limit)
{
    uint32_t at = g_rand_int_range(rand, 0, (gint32)limit);

    return g_rand_int_range(rand, 0, 3) ? at & ~511u : at;
}

static void one_transfer(GRand *rand, BlockNode *n, uint8_t *model, uint8_t *memory)
{
    uint32_t offset = place(rand, SIZE), len = MIN(place(rand, MAX_LEN), SIZE - offset);
    uint8_t *buf = memory + place(rand, 4096);
    uint32_t half = len / 2 & ~511u;
    struct iovec iov[] = {{buf, half}, {buf + half, len - half}};

    if (g_rand_boolean(rand)) {
        for (uint32_t i = 0; i < len; i++) {
            buf[i] = (uint8_t)g_rand_int(rand);
        }
        memcpy(model + offset, buf, len);
        g_assert_cmpint(block_pwritev(n, offset, iov, 2), ==, 0);
    } else {
        memset(buf, 0xee, len);
        g_assert_cmpint(block_preadv(n, offset, iov, 2), ==, 0);
        g_assert_cmpmem(buf, len, model + offset, len);
    }
}

static void test_random(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    g_autofree uint8_t *model = g_malloc0(SIZE), *found = g_malloc(SIZE);
    BlockNode *n = open_image();
    void *memory = NULL;

    g_assert_cmpint(posix_memalign(&memory, 4096, 4096 + MAX_LEN), ==, 0);
    for (int i = 0; i < ROUNDS; i++) {
        one_transfer(rand, n, model, memory);
    }
    g_assert_cmpint(block_flush(n), ==, 0);
    block_node_unref(n);
    free(memory);

    n = block_open("test", path, "raw", BLOCK_READ_ONLY, NULL);
    g_assert_cmpint(block_size(n), ==, SIZE); /* the odd end did not move */
    g_assert_cmpint(block_pread(n, 0, found, SIZE), ==, 0);
    g_assert_cmpmem(found, SIZE, model, SIZE);
    block_node_unref(n);
}

typedef struct Half {
    BlockNode *n;
    uint32_t offset;
} Half;

/* Counts up in one half of a page, in parts of a block or in whole ones. */
static gpointer write_half(gpointer opaque)
{
    Half *h = opaque;
    void *buf = NULL;

    g_assert_cmpint(posix_memalign(&buf, 4096, 2048), ==, 0);
    for (int i = 0; i <= ROUNDS; i++) {
        memset(buf, i & 0xff, 2048);
        g_assert_cmpint(block_pwrite(h->n, h->offset, buf, i % 3 ? 2048 : 2047), ==, 0);
    }
    free(buf);
    return NULL;
}

/* Two writers in one page do not undo each other's work. */
static void test_one_page(void)
{
    BlockNode *n = open_image();
    Half halves[] = {{n, 0}, {n, 2048}};
    GThread *threads[2];
    uint8_t found[4096];

    for (int i = 0; i < 2; i++) {
        threads[i] = g_thread_new("half", write_half, &halves[i]);
    }
    for (int i = 0; i < 2; i++) {
        g_thread_join(threads[i]);
    }
    g_assert_cmpint(block_pread(n, 0, found, sizeof(found)), ==, 0);
    for (int i = 0; i < 4096; i++) {
        if (i % 2048 < 2047) {
            g_assert_cmpint(found[i], ==, ROUNDS & 0xff);
        }
    }
    block_node_unref(n);
}

int main(int argc, char **argv)
{
    int fd, ret;

    g_test_init(&argc, &argv, NULL);
    path = g_strdup("rhea-direct-XXXXXX"); /* here and not in /tmp, which may have no direct way */
    fd = g_mkstemp(path);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, SIZE), ==, 0);
    close(fd);
    g_test_add_func("/block/direct/random", test_random);
    g_test_add_func("/block/direct/one-page", test_one_page);
    ret = g_test_run();
    g_unlink(path);
    g_free(path);
    return ret;
}
