/* SPDX-License-Identifier: MIT */
/*
 * qcow2 without power: an image lies in memory that keeps what was written since the last flush as a list;
 * at a random moment the power goes, and of that list any part has reached the disk, in any order and by
 * sectors.  Whatever is left must be a consistent image (leaks are allowed) with all that a flush promised.
 */
#include "rhea/osdep.h"

#include <glib/gstdio.h>

#include "block/block-int.h"
#include "rhea/iov.h"

enum { SECTOR = 512, DISK = 640 * 1024 };

/* --- A disk with a volatile cache --- */

typedef struct Pending {
    uint64_t offset;
    GBytes *data;
} Pending;

typedef struct PowerDisk {
    GByteArray *stable;
    GPtrArray *pending; /* Pending */
    GMutex lock;
    int steps_left; /* writes and flushes until the power goes; < 0: it stays */
} PowerDisk;

static PowerDisk disk;

static void pending_free(gpointer p)
{
    g_bytes_unref(((Pending *)p)->data);
    g_free(p);
}

static void apply_bytes(uint64_t offset, const uint8_t *data, size_t len)
{
    guint old = disk.stable->len;

    if (offset + len > old) {
        g_byte_array_set_size(disk.stable, offset + len);
        memset(disk.stable->data + old, 0, disk.stable->len - old);
    }
    memcpy(disk.stable->data + offset, data, len);
}

static bool power_gone(void)
{
    if (disk.steps_left == 0) {
        return true;
    }
    disk.steps_left -= disk.steps_left > 0;
    return false;
}

/* What the program sees: the stable bytes with everything pending. */
static int power_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    uint64_t len = iov_length(iov, niov);
    g_autofree uint8_t *buf = g_malloc0(len);

    g_mutex_lock(&disk.lock);
    if (offset < disk.stable->len) {
        memcpy(buf, disk.stable->data + offset, MIN(len, disk.stable->len - offset));
    }
    for (guint i = 0; i < disk.pending->len; i++) {
        Pending *p = g_ptr_array_index(disk.pending, i);
        gsize size;
        const uint8_t *data = g_bytes_get_data(p->data, &size);
        uint64_t from = MAX(offset, p->offset), to = MIN(offset + len, p->offset + size);

        if (from < to) {
            memcpy(buf + (from - offset), data + (from - p->offset), to - from);
        }
    }
    g_mutex_unlock(&disk.lock);
    iov_from_buf(iov, niov, 0, buf, len);
    return 0;
}

static int power_pwritev(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    uint64_t len = iov_length(iov, niov);
    uint8_t *buf = g_malloc(len);
    Pending *p;

    iov_to_buf(iov, niov, 0, buf, len);
    g_mutex_lock(&disk.lock);
    if (power_gone()) {
        g_mutex_unlock(&disk.lock);
        g_free(buf);
        return -EIO;
    }
    p = g_new(Pending, 1);
    p->offset = offset;
    p->data = g_bytes_new_take(buf, len);
    g_ptr_array_add(disk.pending, p);
    n->size = MAX(n->size, offset + len);
    g_mutex_unlock(&disk.lock);
    return 0;
}

static int power_flush(BlockNode *n)
{
    g_mutex_lock(&disk.lock);
    if (power_gone()) {
        g_mutex_unlock(&disk.lock);
        return -EIO;
    }
    for (guint i = 0; i < disk.pending->len; i++) {
        Pending *p = g_ptr_array_index(disk.pending, i);
        gsize size;
        const uint8_t *data = g_bytes_get_data(p->data, &size);

        apply_bytes(p->offset, data, size);
    }
    g_ptr_array_set_size(disk.pending, 0);
    g_mutex_unlock(&disk.lock);
    return 0;
}

static int power_zeroes(BlockNode *n, uint64_t offset, uint64_t len, bool may_unmap)
{
    g_autofree uint8_t *zeroes = g_malloc0(len);
    struct iovec iov = {zeroes, len};

    return power_pwritev(n, offset, &iov, 1);
}

static int power_discard(BlockNode *n, uint64_t offset, uint64_t len)
{
    return power_zeroes(n, offset, len, true);
}

static int power_status(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st)
{
    *st = (BlockStatus){.run = len, .allocated = true, .data = true};
    return 0;
}

static void power_close(BlockNode *n)
{
}

static const BlockDriver power_driver = {
    .name = "power",
    .protocol = true,
    .preadv = power_preadv,
    .pwritev = power_pwritev,
    .flush = power_flush,
    .discard = power_discard,
    .write_zeroes = power_zeroes,
    .status = power_status,
    .close = power_close,
};

/* The power is gone: of each pending write some sectors are there, some are not. */
static void power_cut(void)
{
    for (guint i = 0; i < disk.pending->len; i++) {
        Pending *p = g_ptr_array_index(disk.pending, i);
        int mood = g_test_rand_int_range(0, 3); /* lost, there, or in part */
        gsize size;
        const uint8_t *data = g_bytes_get_data(p->data, &size);

        for (gsize at = 0, len; at < size && mood; at += len) {
            len = MIN(SECTOR - (p->offset + at) % SECTOR, size - at);
            if (mood == 1 || g_test_rand_bit()) {
                apply_bytes(p->offset + at, data + at, len);
            }
        }
    }
    g_ptr_array_set_size(disk.pending, 0);
    disk.steps_left = -1;
}

/* --- Images on it --- */

static BlockNode *base; /* the backing file, or NULL */

static BlockNode *open_image(unsigned flags)
{
    BlockNode *n = block_node_new(NULL, "image");
    g_autoptr(Opts) o = opts_new("test");
    g_autoptr(Error) err = NULL;

    n->file = block_node_new(&power_driver, "disk");
    n->file->size = disk.stable->len;
    n->file->unmap = n->unmap = true;
    if (!qcow2_driver.open(n, o, flags, &err)) {
        g_error("the image does not open: %s", error_text(err));
    }
    n->drv = &qcow2_driver;
    n->backing = base ? block_node_ref(base) : NULL;
    return n;
}

/* Makes the image with the tool's code, in a file, and puts it on the disk. */
static void make_image(const char *options)
{
    g_autofree char *name = g_strdup("/tmp/rhea-qcow2-XXXXXX");
    g_autoptr(Opts) o = opts_parse("test", options, NULL, NULL);
    g_autoptr(Error) err = NULL;
    g_autofree char *data = NULL;
    gsize len;

    close(g_mkstemp(name));
    if (!image_create("test", "qcow2", name, o, &err)) {
        g_error("no image: %s", error_text(err));
    }
    g_assert_true(g_file_get_contents(name, &data, &len, NULL));
    g_unlink(name);
    disk.stable = g_byte_array_new();
    g_byte_array_append(disk.stable, (uint8_t *)data, len);
    disk.pending = g_ptr_array_new_with_free_func(pending_free);
    disk.steps_left = -1;
}

static void drop_image(void)
{
    g_byte_array_unref(disk.stable);
    g_ptr_array_unref(disk.pending);
}

/* --- What must be there --- */

/* For each sector the versions that it may have: what the last flush promised, and all written since. */
typedef struct Model {
    uint8_t stable[DISK / SECTOR];
    GArray *since[DISK / SECTOR]; /* uint8_t, NULL: nothing */
    uint8_t now[DISK / SECTOR];
} Model;

static void model_write(Model *m, uint64_t sector, uint8_t value)
{
    if (!m->since[sector]) {
        m->since[sector] = g_array_new(FALSE, FALSE, 1);
    }
    g_array_append_val(m->since[sector], value);
    m->now[sector] = value;
}

static void model_settle(Model *m, const uint8_t *values)
{
    for (int i = 0; i < DISK / SECTOR; i++) {
        m->stable[i] = m->now[i] = values[i];
        if (m->since[i]) {
            g_array_unref(m->since[i]);
            m->since[i] = NULL;
        }
    }
}

static bool model_allows(const Model *m, int sector, uint8_t value)
{
    bool allowed = m->stable[sector] == value;

    for (guint i = 0; m->since[sector] && i < m->since[sector]->len; i++) {
        allowed |= g_array_index(m->since[sector], uint8_t, i) == value;
    }
    return allowed;
}

/* Reads everything; each sector is one byte repeated. */
static void verify(BlockNode *n, Model *m)
{
    g_autofree uint8_t *buf = g_malloc(DISK), *values = g_malloc(DISK / SECTOR);

    g_assert_cmpint(block_pread(n, 0, buf, DISK), ==, 0);
    for (int i = 0; i < DISK / SECTOR; i++) {
        const uint8_t *sector = buf + i * SECTOR;

        values[i] = sector[0];
        g_assert_cmpmem(sector, SECTOR - 1, sector + 1, SECTOR - 1);
        if (!model_allows(m, i, values[i])) {
            g_error("sector %d has %02x, which was never to be there (stable %02x)", i, values[i],
                    m->stable[i]);
        }
    }
    model_settle(m, values);
}

static void print_finding(void *opaque, const char *text)
{
    if (!g_str_has_prefix(text, "Leaked")) {
        g_printerr("# %s\n", text);
    }
}

/* Leaks are what a lost power may cost; an image that is marked as dirty repairs itself first. */
static void check_consistent(void)
{
    ImageCheck r = {.report = print_finding};
    BlockNode *n = open_image(BLOCK_REPAIR);

    if (image_dirty(n)) {
        block_node_unref(n);
        n = open_image(0);
        g_assert_false(image_dirty(n));
    }
    n->read_only = n->file->read_only = true;
    g_assert_true(image_check(n, &r, 0, NULL));
    g_assert_cmpuint(r.corruptions, ==, 0);
    g_assert_cmpuint(r.check_errors, ==, 0);
    block_node_unref(n);
}

/* One random request; whether it succeeded (it fails when the power is gone). */
static bool random_request(BlockNode *n, Model *m)
{
    uint64_t first = g_test_rand_int_range(0, DISK / SECTOR);
    int most = g_test_rand_int_range(0, 4) ? 40 : 400;
    uint64_t count = g_test_rand_int_range(1, MIN(most, DISK / SECTOR - (int)first) + 1);
    int what = g_test_rand_int_range(0, 12);
    g_autofree uint8_t *buf = NULL;
    uint8_t value = what < 8 ? g_test_rand_int_range(1, 256) : 0;

    if (what == 11) {
        if (block_flush(n)) {
            return false;
        }
        model_settle(m, m->now);
        return true;
    }
    for (uint64_t i = 0; i < count; i++) {
        model_write(m, first + i, value);
    }
    if (what >= 8) {
        return !block_write_zeroes(n, first * SECTOR, count * SECTOR, what >= 9);
    }
    buf = g_malloc(count * SECTOR);
    memset(buf, value, count * SECTOR);
    return !block_pwrite(n, first * SECTOR, buf, count * SECTOR);
}

static bool random_snapshot(BlockNode *n)
{
    if (g_test_rand_int_range(0, 25)) {
        return true;
    }
    return g_test_rand_bit() ? image_snapshot_create(n, &(ImageSnapshot){.name = "s"}, NULL)
                             : image_snapshot_delete(n, "s", NULL) || disk.steps_left;
}

/* Power goes at a random step; what is left is checked, and goes on. */
static void one_life(Model *m, bool snapshots)
{
    BlockNode *n = open_image(0);

    verify(n, m);
    disk.steps_left = g_test_rand_int_range(1, 120);
    while (random_request(n, m) && (!snapshots || random_snapshot(n))) {
    }
    disk.steps_left = 0;
    n->read_only = true; /* the process is no more: it closes nothing */
    block_node_unref(n);
    power_cut();
    check_consistent();
}

static void power_test(const char *options, bool snapshots, bool backing)
{
    Model *m = g_new0(Model, 1);
    g_autofree char *all = g_strdup_printf("%s,size=%d", options, DISK);

    make_image(all);
    if (backing) {
        struct iovec iov = {g_malloc(DISK), DISK};

        base = file_open_temporary("test", DISK, NULL);
        memset(iov.iov_base, 0x77, DISK);
        g_assert_cmpint(block_pwritev(base, 0, &iov, 1), ==, 0);
        memset(m->stable, 0x77, sizeof(m->stable));
        memset(m->now, 0x77, sizeof(m->now));
        g_free(iov.iov_base);
    }
    for (int i = 0; i < (g_test_slow() ? 600 : 40); i++) {
        one_life(m, snapshots);
    }
    model_settle(m, m->now);
    g_free(m);
    block_node_unref(base);
    base = NULL;
    drop_image();
}

static void test_power_plain(void)
{
    power_test("cluster_size=4k", false, false);
}

static void test_power_small(void)
{
    power_test("cluster_size=512,refcount_bits=64", false, false);
}

static void test_power_backing(void)
{
    power_test("cluster_size=16k", false, true);
}

static void test_power_subclusters(void)
{
    power_test("cluster_size=16k,extended_l2=on", true, true);
}

static void test_power_snapshots(void)
{
    power_test("cluster_size=1k,refcount_bits=8", true, false);
}

static void test_power_version_2(void)
{
    power_test("cluster_size=2k,compat=v2", true, true);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qcow2/power/plain", test_power_plain);
    g_test_add_func("/qcow2/power/small-clusters", test_power_small);
    g_test_add_func("/qcow2/power/backing", test_power_backing);
    g_test_add_func("/qcow2/power/subclusters", test_power_subclusters);
    g_test_add_func("/qcow2/power/snapshots", test_power_snapshots);
    g_test_add_func("/qcow2/power/version-2", test_power_version_2);
    return g_test_run();
}
