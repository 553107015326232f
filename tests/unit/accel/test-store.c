/* SPDX-License-Identifier: MIT */
/* The store of translations: what is found again, and that no file can do harm. */
#include "rhea/osdep.h"

#include <sys/stat.h>

#include "accel/jit/store-file.h"

enum { BLOCKS = 40, CODE_BYTES = 100, GUEST_BYTES = 24, PAGE = 4096, MIB = 1 << 20 };

typedef struct Fixture {
    char *folder;
    uint8_t identity[STORE_ID_SIZE];
    uint8_t page[PAGE + STORE_NEXT_PAGE];
} Fixture;

static void setup(Fixture *f, gconstpointer unused)
{
    f->folder = g_dir_make_tmp("rhea-test-XXXXXX", NULL);
    g_assert_nonnull(f->folder);
    memset(f->identity, 7, sizeof(f->identity));
    for (unsigned i = 0; i < sizeof(f->page); i++) {
        f->page[i] = i * 7 + (i >> 8);
    }
}

static char *only_file(const Fixture *f)
{
    GDir *dir = g_dir_open(f->folder, 0, NULL);
    const char *name = g_dir_read_name(dir);
    char *path = name ? g_build_filename(f->folder, name, NULL) : NULL;

    g_assert_null(g_dir_read_name(dir));
    g_dir_close(dir);
    return path;
}

static void teardown(Fixture *f, gconstpointer unused)
{
    GDir *dir = g_dir_open(f->folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(f->folder, name, NULL);

        unlink(path);
    }
    if (dir) {
        g_dir_close(dir);
    }
    rmdir(f->folder);
    g_free(f->folder);
}

static Store *open_store(const Fixture *f)
{
    return store_open(f->folder, "toy", f->identity, MIB, false);
}

static StoreKey key_at(const Fixture *f, unsigned off, uint64_t mode)
{
    return (StoreKey){.mode = mode, .bytes = f->page + off, .nbytes = PAGE - off, .page_off = off};
}

/* Code whose bytes tell which block it is. */
static void add_block(Store *s, const StoreKey *key, unsigned guest_size, unsigned code_size)
{
    g_autofree uint8_t *code = g_malloc(code_size);
    CodePoint point = {.host_off = 10, .page_rel = key->page_off};
    CodeExit leave = {.jump_off = 20, .guard_off = 40, .leave_off = 60};
    CodeBlock cb = {.rw = code,
                    .rx = code,
                    .size = code_size,
                    .hot_size = 50,
                    .hot_ninsns = 9,
                    .points = &point,
                    .npoints = 1,
                    .exits = &leave,
                    .nexits = 1};

    memset(code, key->page_off >> 4, code_size);
    store_add(s, key, guest_size, 3, &cb);
}

static void add_blocks(const Fixture *f, Store *s)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        StoreKey key = key_at(f, 16 * i, 1);

        add_block(s, &key, i % 2 ? GUEST_BYTES : 3, CODE_BYTES);
    }
}

static void fill(const Fixture *f)
{
    Store *s = open_store(f);

    add_blocks(f, s);
    store_close(s);
}

/* How many of add_blocks()' are found; each as it was. */
static unsigned count_found(const Fixture *f, Store *s)
{
    unsigned found = 0;

    for (unsigned i = 0; i < BLOCKS; i++) {
        StoreKey key = key_at(f, 16 * i, 1);
        const StoreRecord *r = store_find(s, &key);
        uint8_t code[CODE_BYTES];
        CodeBlock cb = {.rw = code, .rx = code};

        if (r) {
            found++;
            g_assert_cmpuint(r->code_size, ==, CODE_BYTES);
            g_assert_cmpuint(r->ninsns, ==, 3);
            g_assert_cmpuint(r->guest_size, ==, i % 2 ? GUEST_BYTES : 3);
            store_get_code(r, &cb);
            g_assert_cmpuint(code[0], ==, i);
            g_assert_cmpuint(code[CODE_BYTES - 1], ==, i);
            g_assert_cmpuint(cb.points[0].page_rel, ==, 16 * i);
            g_assert_cmpuint(cb.exits[0].leave_off, ==, 60);
            g_free(cb.points);
            g_free(cb.exits);
        }
    }
    return found;
}

static unsigned found_anew(const Fixture *f)
{
    Store *s = open_store(f);
    unsigned n = count_found(f, s);

    store_close(s);
    return n;
}

static void test_again(Fixture *f, gconstpointer unused)
{
    Store *s = open_store(f);

    add_blocks(f, s);
    add_blocks(f, s); /* twice the same: kept once */
    g_assert_cmpuint(store_stats(s)->added, ==, BLOCKS);
    g_assert_cmpuint(count_found(f, s), ==, 0); /* of this run: they are in the code cache */
    store_close(s);
    s = open_store(f);
    g_assert_cmpuint(store_stats(s)->loaded, ==, BLOCKS);
    g_assert_cmpuint(count_found(f, s), ==, BLOCKS);
    store_close(s);
}

static void test_other(Fixture *f, gconstpointer unused)
{
    StoreKey key = key_at(f, 16, 1);
    Store *s;

    fill(f);
    s = open_store(f);
    g_assert_nonnull(store_find(s, &key));
    key.straddles = true;
    g_assert_null(store_find(s, &key));
    key = key_at(f, 16, 2); /* mode */
    g_assert_null(store_find(s, &key));
    key = key_at(f, 16, 1);
    key.page_off = 17;
    g_assert_null(store_find(s, &key));
    key = key_at(f, 16, 1);
    key.nbytes = GUEST_BYTES - 1;
    g_assert_null(store_find(s, &key));
    f->page[16 + GUEST_BYTES - 1] ^= 1; /* the last byte that the block was made of */
    key = key_at(f, 16, 1);
    g_assert_null(store_find(s, &key));
    store_close(s);
}

static void test_foreign(Fixture *f, gconstpointer unused)
{
    g_autofree char *path = NULL;
    Store *s;

    fill(f);
    path = only_file(f);
    f->identity[STORE_ID_SIZE - 1] ^= 1; /* the same file name */
    g_assert_cmpuint(found_anew(f), ==, 0);
    s = open_store(f);
    add_blocks(f, s);
    store_close(s); /* takes the file's place */
    g_assert_cmpuint(found_anew(f), ==, BLOCKS);
}

static void test_rights(Fixture *f, gconstpointer unused)
{
    g_autofree char *path = NULL;
    g_autofree char *aside = NULL;

    fill(f);
    path = only_file(f);
    g_assert_cmpint(chmod(path, 0622), ==, 0);
    g_assert_cmpuint(found_anew(f), ==, 0);
    g_assert_cmpint(chmod(path, 0600), ==, 0);
    g_assert_cmpint(chmod(f->folder, 0777), ==, 0);
    g_assert_cmpuint(found_anew(f), ==, 0);
    g_assert_cmpint(chmod(f->folder, 0700), ==, 0);
    g_assert_cmpuint(found_anew(f), ==, BLOCKS);
    aside = g_strdup_printf("%s.aside", path);
    g_assert_cmpint(rename(path, aside), ==, 0);
    g_assert_cmpint(symlink(aside, path), ==, 0);
    g_assert_cmpuint(found_anew(f), ==, 0);
}

static void test_no_folder(Fixture *f, gconstpointer unused)
{
    g_autofree char *file = g_build_filename(f->folder, "file", NULL);
    g_autofree char *folder = g_build_filename(file, "folder", NULL);
    Store *s;

    g_assert_true(g_file_set_contents(file, "x", 1, NULL));
    s = store_open(folder, "toy", f->identity, MIB, false);
    add_blocks(f, s);
    g_assert_cmpuint(count_found(f, s), ==, 0);
    store_close(s);
}

/* One byte of the file is another: among the records just the block that it lies in is lost. */
static void test_flipped(Fixture *f, gconstpointer unused)
{
    g_autofree char *path = NULL;
    g_autofree char *whole = NULL;
    const size_t records = sizeof(StoreHeader) + sizeof(StoreSlot) * 4096;
    size_t size;

    fill(f);
    path = only_file(f);
    g_assert_true(g_file_get_contents(path, &whole, &size, NULL));
    for (size_t at = 0; at < size; at += 29) {
        unsigned found;
        Store *s;

        whole[at] ^= 1 << at % 8;
        g_assert_true(g_file_set_contents_full(path, whole, size, G_FILE_SET_CONTENTS_CONSISTENT,
                                               0600, NULL));
        whole[at] ^= 1 << at % 8;
        s = open_store(f);
        found = count_found(f, s);
        g_assert_cmpuint(found, <=, at < offsetof(StoreHeader, index_bits) ? 0 : BLOCKS);
        if (at >= records) {
            g_assert_cmpuint(found, ==, BLOCKS - 1);
        }
        store_close(s);
    }
}

static void test_truncated(Fixture *f, gconstpointer unused)
{
    g_autofree char *path = NULL;
    g_autofree char *whole = NULL;
    size_t size;

    fill(f);
    path = only_file(f);
    g_assert_true(g_file_get_contents(path, &whole, &size, NULL));
    for (size_t left = 0; left < size; left += 61) {
        Store *s;

        g_assert_true(g_file_set_contents_full(path, whole, left, G_FILE_SET_CONTENTS_CONSISTENT,
                                               0600, NULL));
        s = open_store(f);
        g_assert_cmpuint(count_found(f, s), <, BLOCKS);
        add_blocks(f, s);
        store_close(s);
        g_assert_cmpuint(found_anew(f), ==, BLOCKS); /* and is whole again */
    }
}

/* Two machines at once: both blocks are there afterwards. */
static void test_together(Fixture *f, gconstpointer unused)
{
    StoreKey first = key_at(f, 2000, 1), second = key_at(f, 3000, 1);
    Store *a = open_store(f), *b = open_store(f);

    add_block(a, &first, GUEST_BYTES, CODE_BYTES);
    add_block(b, &second, GUEST_BYTES, CODE_BYTES);
    store_close(a);
    store_close(b);
    a = open_store(f);
    g_assert_nonnull(store_find(a, &first));
    g_assert_nonnull(store_find(a, &second));
    store_close(a);
}

/* The file stays within its bound, and what a run used outlives what it did not. */
static void test_full(Fixture *f, gconstpointer unused)
{
    g_autofree char *path = NULL;
    struct stat st;

    for (unsigned run = 0; run < 60; run++) {
        StoreKey kept = key_at(f, 16, 1);
        Store *s = open_store(f);

        if (run) {
            g_assert_nonnull(store_find(s, &kept));
        } else {
            add_block(s, &kept, GUEST_BYTES, 30000);
        }
        for (unsigned i = 0; i < 5; i++) {
            StoreKey key = key_at(f, 1000 + i, 100 + run);

            add_block(s, &key, GUEST_BYTES, 30000);
        }
        store_close(s);
        path = path ? path : only_file(f);
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpint(st.st_size, <=, MIB);
    }
    g_assert_cmpint(st.st_size, >, MIB / 4);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name, func) g_test_add("/store/" name, Fixture, NULL, setup, func, teardown)
    TEST("again", test_again);
    TEST("other", test_other);
    TEST("foreign", test_foreign);
    TEST("rights", test_rights);
    TEST("no-folder", test_no_folder);
    TEST("flipped", test_flipped);
    TEST("truncated", test_truncated);
    TEST("together", test_together);
    TEST("full", test_full);
#undef TEST
    return g_test_run();
}
