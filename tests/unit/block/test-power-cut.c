/* SPDX-License-Identifier: MIT */
/*
 * The power fails at each request in turn of random work on an image.  Afterwards every sector has what it had at
 * the last flush that succeeded, or something that was written since; and the image is in order, but for leaks.
 */
#include "rhea/osdep.h"

#include <glib/gstdio.h>

#include "block/image.h"

enum { DISK = 2 << 20, SECTOR = 512, SECTORS = DISK / SECTOR, STEPS = 60, BACKING_BYTE = 0xbb };

typedef struct Model {
    uint8_t now[SECTORS];
    uint32_t may[SECTORS][8]; /* a bit for each byte that the sector may be full of */
} Model;

static void allow(Model *m, unsigned sector, uint8_t byte)
{
    m->may[sector][byte / 32] |= 1U << byte % 32;
}

static void model_write(Model *m, unsigned first, unsigned count, uint8_t byte, bool done)
{
    for (unsigned s = first; s < first + count; s++) {
        allow(m, s, byte);
        m->now[s] = done ? byte : m->now[s];
    }
}

static void model_flush(Model *m)
{
    memset(m->may, 0, sizeof(m->may));
    for (unsigned s = 0; s < SECTORS; s++) {
        allow(m, s, m->now[s]);
    }
}

/* --- The work --- */

/* 0, or the error of the request at which the power failed. */
static int work_step(BlockNode *n, Model *m, GRand *rand)
{
    unsigned count = (unsigned)g_rand_int_range(rand, 1, g_rand_int_range(rand, 0, 4) ? 40 : 600);
    unsigned first = (unsigned)g_rand_int_range(rand, 0, (int)(SECTORS - count));
    uint64_t at = (uint64_t)first * SECTOR, len = (uint64_t)count * SECTOR;
    uint8_t byte = (uint8_t)g_rand_int_range(rand, 1, 256);
    int kind = g_rand_int_range(rand, 0, 10), ret;

    if (kind < 2) {
        ret = block_flush(n);
        if (!ret) {
            model_flush(m);
        }
        return ret;
    }
    if (kind < 4) {
        ret = block_write_zeroes(n, at, len, kind & 1);
        byte = 0;
    } else {
        g_autofree uint8_t *buf = g_malloc(len);

        memset(buf, byte, len);
        ret = block_pwrite(n, at, buf, len);
    }
    model_write(m, first, count, byte, !ret);
    return ret;
}

static BlockNode *open_cutting(const char *path, const char *format, unsigned cut_after,
                               uint32_t seed)
{
    g_autofree char *json = g_strdup_printf(
        "json:{\"driver\":\"%s\",\"file\":{\"driver\":\"power-cut\",\"cut-after\":%u,"
        "\"seed\":%u,\"file\":{\"driver\":\"file\",\"filename\":\"%s\",\"cache\":{\"no-flush\":"
        "true}}}}",
        format, cut_after, seed, path);
    g_autoptr(Error) err = NULL;
    BlockNode *n = block_open("test", json, NULL, 0, &err);

    g_assert_true(n || err);
    return n;
}

/* --- Judging --- */

static void judge_contents(BlockNode *n, const Model *m, unsigned cut_after)
{
    g_autofree uint8_t *buf = g_malloc(DISK);

    g_assert_cmpint(block_pread(n, 0, buf, DISK), ==, 0);
    for (unsigned s = 0; s < SECTORS; s++) {
        uint8_t byte = buf[s * SECTOR];

        for (unsigned i = 0; i < SECTOR; i++) {
            g_assert_cmphex(buf[s * SECTOR + i], ==, byte);
        }
        if (!(m->may[s][byte / 32] >> byte % 32 & 1)) {
            g_error("cut at %u: sector %u has %#x, which it may not have; flushed or written: %#x",
                    cut_after, s, byte, m->now[s]);
        }
    }
}

static void print_finding(void *opaque, const char *text)
{
    g_test_message("%s", text);
}

static void judge_image(const char *path, const char *format, const Model *m, unsigned cut_after)
{
    g_autoptr(Error) err = NULL;
    BlockNode *n = block_open("test", path, format, 0, &err);

    g_assert_null(err);
    if (image_can_check(n)) {
        ImageCheck check = {.report = print_finding};

        g_assert_true(image_check(n, &check, 0, &err));
        g_assert_cmpuint(check.corruptions + check.check_errors, ==, 0);
    }
    judge_contents(n, m, cut_after);
    block_node_unref(n);
}

/* --- Cases --- */

static void create(const char *path, const char *format, const char *backing)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(Opts) o = opts_new("create");

    opts_add(o, "size", G_STRINGIFY(2097152));
    if (!strcmp(format, "qcow2")) {
        opts_add(o, "cluster_size", "4096");
    }
    if (backing) {
        opts_add(o, "backing_file", backing);
        opts_add(o, "backing_fmt", "raw");
    }
    g_assert_true(image_create("create", format, path, o, &err));
}

static char *backing_image(const char *folder)
{
    char *path = g_build_filename(folder, "backing", NULL);
    g_autofree uint8_t *buf = g_malloc(DISK);

    memset(buf, BACKING_BYTE, DISK);
    g_assert_true(g_file_set_contents(path, (char *)buf, DISK, NULL));
    return path;
}

/* False: the work was over before the power failed. */
static bool one_cut(const char *path, const char *format, const char *backing, unsigned cut_after)
{
    g_autofree Model *m = g_new0(Model, 1);
    GRand *rand = g_rand_new_with_seed(cut_after % 7);
    BlockNode *n;
    int ret = 0;

    create(path, format, backing);
    memset(m->now, backing ? BACKING_BYTE : 0, SECTORS);
    model_flush(m);
    n = open_cutting(path, format, cut_after, cut_after);
    for (unsigned i = 0; n && !ret && i < STEPS; i++) {
        ret = work_step(n, m, rand);
    }
    block_node_unref(n);
    g_rand_free(rand);
    judge_image(path, format, m, cut_after);
    return ret || !n;
}

static void cuts(const char *format, bool with_backing)
{
    g_autofree char *folder = g_dir_make_tmp("rhea-cut-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "image", NULL);
    g_autofree char *backing = with_backing ? backing_image(folder) : NULL;
    unsigned cut_after = 1;

    while (one_cut(path, format, backing, cut_after)) {
        cut_after++;
        g_assert_cmpuint(cut_after, <, 5000);
    }
    g_assert_cmpuint(cut_after, >, STEPS / 2); /* it did fail, and often */
    g_unlink(path);
    if (backing) {
        g_unlink(backing);
    }
    g_rmdir(folder);
}

static void cuts_raw(void)
{
    cuts("raw", false);
}

static void cuts_qcow2(void)
{
    cuts("qcow2", false);
}

static void cuts_qcow2_backing(void)
{
    cuts("qcow2", true);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/power-cut/raw", cuts_raw);
    g_test_add_func("/power-cut/qcow2", cuts_qcow2);
    g_test_add_func("/power-cut/qcow2-backing", cuts_qcow2_backing);
    return g_test_run();
}
