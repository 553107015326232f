/* SPDX-License-Identifier: MIT */
/* RAM blocks and dirty bitmaps (softmmu/memory/{ram,dirty}.c). */
#include "rhea/osdep.h"

#include <glib/gstdio.h>

#include "memory/memory.h"

static char *folder;

static void test_numbering(void)
{
    RamBlock *a = ram_block_new("a", 3 * MiB + 1, NULL, NULL);
    RamBlock *b = ram_block_new("b", MiB, NULL, NULL);
    g_autoptr(Error) err = NULL;

    g_assert_cmpuint(a->size, ==, 3 * MiB + 4096);
    g_assert_cmpuint(b->ram_addr, >=, a->ram_addr + a->size);
    g_assert_true(ram_block_find(a->ram_addr + a->size - 1) == a);
    g_assert_true(ram_block_find(b->ram_addr) == b);
    g_assert_null(ram_block_find(b->ram_addr + b->size));
    g_assert_null(ram_block_new("a", MiB, NULL, &err));
    g_assert_cmpstr(error_text(err), ==, "memory 'a' exists already");
    ram_block_put(a);
    g_assert_null(ram_block_find(0));
    ram_block_put(b);
}

static void test_too_large(void)
{
    g_autoptr(Error) err = NULL;

    g_assert_null(ram_block_new("huge", 1ULL << 62, NULL, &err));
    g_assert_nonnull(strstr(error_text(err), "the host cannot give"));
    g_clear_pointer(&err, error_free);
    g_assert_null(ram_block_new("huge", UINT64_MAX, NULL, &err));
    g_clear_pointer(&err, error_free);
    g_assert_null(ram_block_new("none", 0, NULL, &err));
}

static void test_file(void)
{
    g_autofree char *path = g_build_filename(folder, "ram", NULL);
    RamOptions opts = {.path = path, .share = true};
    g_autofree char *content = NULL;
    g_autoptr(Error) err = NULL;
    RamBlock *rb = ram_block_new("file", 64 * KiB, &opts, NULL);
    gsize len;

    g_assert_nonnull(rb);
    memcpy(rb->host + 4096, "kept", 4);
    ram_block_put(rb);
    g_assert_true(g_file_get_contents(path, &content, &len, NULL));
    g_assert_cmpuint(len, ==, 64 * KiB);
    g_assert_cmpint(memcmp(content + 4096, "kept", 4), ==, 0);
    g_assert_null(ram_block_new("file", 128 * KiB, &opts, &err));
    g_assert_nonnull(strstr(error_text(err), "has 65536 bytes, fewer than size=131072"));
    g_clear_pointer(&err, error_free);
    opts = (RamOptions){.path = path, .readonly = true};
    rb = ram_block_new("file", 64 * KiB, &opts, NULL);
    g_assert_true(rb->readonly);
    g_assert_cmpint(rb->host[4096], ==, 'k');
    ram_block_put(rb);
    opts.path = "/nonexistent/x";
    g_assert_null(ram_block_new("file", 64 * KiB, &opts, &err));
    g_assert_nonnull(strstr(error_text(err), "memory 'file': cannot open '/nonexistent/x'"));
    g_unlink(path);
}

static void test_kinds(void)
{
    RamOptions in_folder = {.path = folder, .share = true};
    RamOptions memfd = {.share = true, .prealloc = true};
    RamBlock *rb = ram_block_new("dir/1", 64 * KiB, &in_folder, NULL);

    g_assert_nonnull(rb);
    rb->host[rb->size - 1] = 1;
    ram_block_put(rb);
    g_assert_cmpint(g_rmdir(folder), ==, 0); /* nothing was left in it */
    g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
    rb = ram_block_new("memfd", 64 * KiB, &memfd, NULL);
    g_assert_cmpint(rb->fd, >=, 0);
    ram_block_put(rb);
}

static uint64_t hook_addr, hook_len;
static int hook_calls;

static void code_hook(uint64_t ram_addr, uint64_t len)
{
    hook_addr = ram_addr;
    hook_len = len;
    hook_calls++;
}

static void test_dirty(void)
{
    RamBlock *rb = ram_block_new("dirty", MiB, NULL, NULL);

    ram_set_code_hook(code_hook);
    g_assert_false(ram_page_watched(rb, 0));
    ram_set_dirty(rb, 0, MiB);
    g_assert_cmpint(hook_calls, ==, 0);
    ram_clear_dirty(rb, 0x42000, 0x1000, DIRTY_CODE);
    g_assert_true(ram_page_watched(rb, 0x42fff));
    g_assert_false(ram_page_watched(rb, 0x41fff));
    g_assert_false(ram_page_watched(rb, 0x43000));
    ram_set_dirty(rb, 0x41ffe, 2);
    g_assert_cmpint(hook_calls, ==, 0);
    ram_set_dirty(rb, 0x41ffe, 3);
    g_assert_cmpint(hook_calls, ==, 1);
    g_assert_cmphex(hook_addr, ==, rb->ram_addr + 0x41ffe);
    g_assert_cmphex(hook_len, ==, 3);
    g_assert_true(ram_page_watched(rb, 0x42000)); /* the accelerator decides */
    ram_mark_dirty(rb, 0x42000, 1, DIRTY_CODE);
    g_assert_false(ram_page_watched(rb, 0x42000));
    ram_set_code_hook(NULL);
    ram_block_put(rb);
}

static void test_tracking(void)
{
    RamBlock *rb = ram_block_new("tracked", MiB, NULL, NULL);

    ram_set_dirty(rb, 0x1000, 1);
    g_assert_false(ram_test_dirty(rb, 0x1000, DIRTY_DISPLAY)); /* nobody asked */
    ram_track(DIRTY_DISPLAY, true);
    g_assert_true(ram_test_dirty(rb, MiB - 1, DIRTY_DISPLAY));
    ram_clear_dirty(rb, 0, MiB, DIRTY_DISPLAY);
    g_assert_false(ram_test_dirty(rb, 0, DIRTY_DISPLAY));
    g_assert_true(ram_page_watched(rb, 0));
    ram_set_dirty(rb, 0x3f000, 0x2001);
    g_assert_false(ram_test_dirty(rb, 0x3e000, DIRTY_DISPLAY));
    g_assert_true(ram_test_dirty(rb, 0x3f000, DIRTY_DISPLAY));
    g_assert_true(ram_test_dirty(rb, 0x41000, DIRTY_DISPLAY));
    g_assert_false(ram_test_dirty(rb, 0x42000, DIRTY_DISPLAY));
    ram_set_dirty(rb, MiB - 1, UINT64_MAX); /* cut to the block */
    ram_set_dirty(rb, MiB, 1);
    ram_track(DIRTY_DISPLAY, false);
    ram_block_put(rb);
}

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("rhea-test-ram-XXXXXX", NULL);
    g_test_add_func("/ram/numbering", test_numbering);
    g_test_add_func("/ram/too-large", test_too_large);
    g_test_add_func("/ram/file", test_file);
    g_test_add_func("/ram/kinds", test_kinds);
    g_test_add_func("/ram/dirty", test_dirty);
    g_test_add_func("/ram/tracking", test_tracking);
    status = g_test_run();
    g_rmdir(folder);
    g_free(folder);
    return status;
}
