/* SPDX-License-Identifier: MIT */
/* Block backends on host files: data, bounds, locking, options (block/). */
#include "rhea/osdep.h"

#include <glib/gstdio.h>
#include <sys/stat.h>

#include "block/block.h"
#include "block/image.h"
#include "rhea/defer.h"
#include "softmmu/runstate.h"

/* The main loop's part is played by blk_drain(). */
void main_loop_defer(void (*fn)(void *opaque), void *opaque)
{
}

/* No VM stands still here. */
Machine *machine_current(void)
{
    return NULL;
}

bool runstate_is_running(Machine *m)
{
    return false;
}

void vm_stop(Machine *m, RunState why)
{
}

void event_emit_limited(const char *event, const char *subject, const char *data_json)
{
}

static char *image;

static void make_image(size_t size)
{
    int fd;

    image = g_strdup("/tmp/rhea-block-XXXXXX");
    fd = g_mkstemp(image);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    close(fd);
}

static void drop_image(void)
{
    blk_close_all();
    g_unlink(image);
    g_clear_pointer(&image, g_free);
}

static BlockBackend *open_drive(const char *id, const char *more)
{
    g_autofree char *opts = g_strdup_printf("file=%s,if=none,format=raw,id=%s%s", image, id, more);
    g_autoptr(Error) err = NULL;
    BlockBackend *blk = blk_new_drive(opts, BLK_IF_VIRTIO, &err);

    g_assert_nonnull(blk);
    return blk;
}

static void note(void *opaque, int ret)
{
    *(int *)opaque = ret;
}

static void test_round_trip(void)
{
    uint8_t out[3000], in[3000];
    struct iovec wv[2] = {{out, 1000}, {out + 1000, 2000}};
    struct iovec rv[3] = {{in, 1}, {in + 1, 2500}, {in + 2501, 499}};
    int wrote = 1, flushed = 1, got = 1;
    BlockBackend *blk;

    make_image(1 << 20);
    blk = open_drive("a", "");
    for (size_t i = 0; i < sizeof(out); i++) {
        out[i] = i * 7;
    }
    g_assert_cmpuint(blk_size(blk), ==, 1 << 20);
    blk_pwritev(blk, 12345, wv, 2, false, note, &wrote);
    blk_drain(blk);
    blk_flush(blk, note, &flushed);
    blk_preadv(blk, 12345, rv, 3, note, &got);
    blk_drain(blk);
    g_assert_cmpint(wrote, ==, 0);
    g_assert_cmpint(flushed, ==, 0);
    g_assert_cmpint(got, ==, 0);
    g_assert_cmpmem(out, sizeof(out), in, sizeof(in));
    drop_image();
}

static void test_bounds(void)
{
    uint8_t buf[512];
    struct iovec v = {buf, sizeof(buf)};
    int ret[4] = {1, 1, 1, 1};
    BlockBackend *blk;

    make_image(4096);
    blk = open_drive("b", "");
    blk_preadv(blk, 4096 - 511, &v, 1, note, &ret[0]);
    blk_pwritev(blk, UINT64_MAX - 10, &v, 1, false, note, &ret[1]);
    blk_discard(blk, 1, UINT64_MAX, note, &ret[2]);
    blk_preadv(blk, 4096 - 512, &v, 1, note, &ret[3]);
    blk_drain(blk);
    g_assert_cmpint(ret[0], ==, -EIO);
    g_assert_cmpint(ret[1], ==, -EIO);
    g_assert_cmpint(ret[2], ==, -EIO);
    g_assert_cmpint(ret[3], ==, 0);
    drop_image();
}

static void test_zeroes_and_discard(void)
{
    uint8_t buf[8192], zero[4096] = {0};
    int ret = 1;
    BlockBackend *blk;

    make_image(1 << 20);
    blk = open_drive("z", ",discard=unmap");
    memset(buf, 0xaa, sizeof(buf));
    g_assert_cmpint(blk_pwrite(blk, 4096, buf, sizeof(buf)), ==, 0);
    blk_write_zeroes(blk, 4096, 4096, true, note, &ret);
    blk_drain(blk);
    g_assert_cmpint(ret, ==, 0);
    g_assert_cmpint(blk_pread(blk, 4096, buf, 4096), ==, 0);
    g_assert_cmpmem(buf, 4096, zero, 4096);
    g_assert_cmpint(blk_pread(blk, 8192, buf, 1), ==, 0);
    g_assert_cmpint(buf[0], ==, 0xaa);
    g_assert_cmpuint(blk_size(blk), ==, 1 << 20);
    drop_image();
}

static void test_read_only(void)
{
    uint8_t byte = 1;
    BlockBackend *blk;

    make_image(4096);
    blk = open_drive("r", ",read-only=on");
    g_assert_true(blk_read_only(blk));
    g_assert_cmpint(blk_pwrite(blk, 0, &byte, 1), ==, -EPERM);
    g_assert_cmpint(blk_pread(blk, 0, &byte, 1), ==, 0);
    g_assert_cmpint(byte, ==, 0);
    drop_image();
}

static void refuse(const char *opts, const char *message)
{
    g_autoptr(Error) err = NULL;

    g_assert_null(blk_new_drive(opts, BLK_IF_VIRTIO, &err));
    g_assert_nonnull(strstr(error_text(err), message));
}

static void test_locked(void)
{
    g_autofree char *opts = NULL;

    make_image(4096);
    open_drive("l1", "");
    opts = g_strdup_printf("file=%s,if=none,format=raw", image);
    refuse(opts, "is locked by");
    drop_image();
}

static void test_bad_options(void)
{
    make_image(4096);
    refuse("if=none,file=/no/such/file", "cannot open '/no/such/file': No such file");
    refuse("if=none", "no file= is given");
    refuse("file=x,if=virtoi", "did you mean 'virtio'");
    refuse("file=x,format=qcow", "'qcow' is not known");
    refuse("file=/tmp,read-only=on,if=none", "neither a file nor a block device");
    drop_image();
}

static void test_attach_once(void)
{
    g_autoptr(Error) err = NULL;
    BlockBackend *blk;
    int a, b;

    make_image(4096);
    blk = open_drive("once", "");
    g_assert_true(blk_attach(blk, &a, "disk0", &err));
    g_assert_false(blk_attach(blk, &b, "disk1", &err));
    g_assert_cmpstr(error_text(err), ==, "drive 'once' is in use by disk0");
    blk_detach(blk, &a);
    drop_image();
}

/* --- Formats and nodes --- */

static void make_qcow2(const char *more)
{
    g_autofree char *text = g_strdup_printf("size=1M%s", more);
    g_autoptr(Opts) o = opts_parse("test", text, NULL, NULL);
    g_autoptr(Error) err = NULL;

    make_image(0);
    g_assert_true(image_create("test", "qcow2", image, o, &err));
}

static void test_probed_raw_stays_raw(void)
{
    static const uint8_t header[512] = {'Q', 'F', 'I', 0xfb, 0, 0, 0, 3};
    g_autofree char *opts = NULL;
    BlockBackend *blk;

    make_image(4096);
    opts = g_strdup_printf("file=%s,if=none,id=probed", image);
    blk = blk_new_drive(opts, BLK_IF_VIRTIO, NULL);
    g_assert_nonnull(blk);
    g_assert_cmpint(blk_pwrite(blk, 0, header, sizeof(header)), ==, -EPERM);
    g_assert_cmpint(blk_pwrite(blk, 2, header + 2, 100), ==, 0); /* no magic yet */
    g_assert_cmpint(blk_pwrite(blk, 0, header, 2), ==, -EPERM);  /* it would be one now */
    g_assert_cmpint(blk_pwrite(blk, 512, header, sizeof(header)), ==, 0);
    drop_image();
    make_image(4096);
    blk = open_drive("told", "");
    g_assert_cmpint(blk_pwrite(blk, 0, header, sizeof(header)), ==, 0);
    drop_image();
}

static void test_probed_qcow2(void)
{
    g_autofree char *opts = NULL;
    BlockBackend *blk;

    make_qcow2("");
    opts = g_strdup_printf("file=%s,if=none,id=probed2", image);
    blk = blk_new_drive(opts, BLK_IF_VIRTIO, NULL);
    g_assert_cmpuint(blk_size(blk), ==, 1 << 20);
    drop_image();
}

static bool add_node(const char *fmt, ...)
{
    g_autofree char *text = NULL;
    g_autoptr(Error) err = NULL;
    va_list ap;
    bool ok;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    ok = blk_new_blockdev(text, &err);
    if (!ok) {
        g_test_message("%s", error_text(err));
    }
    return ok;
}

/* A management tool names every node, the file before the format. */
static void test_nodes_by_name(void)
{
    make_qcow2("");
    g_assert_true(add_node("{\"driver\":\"file\",\"node-name\":\"f\",\"filename\":\"%s\","
                           "\"auto-read-only\":true,\"discard\":\"unmap\"}",
                           image));
    g_assert_true(add_node("{\"driver\":\"qcow2\",\"node-name\":\"q\",\"file\":\"f\","
                           "\"backing\":null}"));
    g_assert_false(blk_read_only(blk_by_name("q")));
    g_assert_cmpuint(blk_size(blk_by_name("q")), ==, 1 << 20);
    g_assert_false(add_node("driver=raw,node-name=r,file=f")); /* a second writer */
    g_assert_true(add_node("driver=raw,node-name=r,file=f,read-only=on"));
    g_assert_false(add_node("driver=qcow2,node-name=x,file=nobody"));
    g_assert_false(add_node("driver=qcow2,node-name=q,file.filename=%s,read-only=on", image));
    drop_image();
}

static void test_part_of_a_file(void)
{
    uint8_t buf[512];

    make_image(4096);
    g_assert_true(add_node("driver=raw,node-name=part,file.driver=file,file.filename=%s,"
                           "offset=1024,size=512",
                           image));
    memset(buf, 0x5a, sizeof(buf));
    g_assert_cmpint(blk_pwrite(blk_by_name("part"), 0, buf, 512), ==, 0);
    g_assert_cmpint(blk_pwrite(blk_by_name("part"), 1, buf, 512), ==, -EIO);
    g_assert_false(add_node("driver=raw,node-name=more,file.driver=file,file.filename=%s,"
                            "file.locking=off,offset=4096,size=1,read-only=on",
                            image));
    drop_image();
}

/* --- External snapshots --- */

static void test_external_snapshot(void)
{
    g_autoptr(Error) err = NULL;
    g_autofree char *top = NULL;
    BlockSnapshotSpec spec = {.device = "ext", .new_node = "newest"};
    uint8_t old[4096], new[4096], got[4096];
    BlockBackend *blk;

    make_image(1 << 20);
    top = g_strconcat(image, ".top", NULL);
    spec.file = top;
    memset(old, 1, sizeof(old));
    memset(new, 2, sizeof(new));
    blk = open_drive("ext", "");
    g_assert_cmpint(blk_pwrite(blk, 8192, old, sizeof(old)), ==, 0);
    g_assert_true(blk_snapshot_external(&spec, &err));
    g_assert_cmpint(blk_pwrite(blk, 8192 + 512, new, 1024), ==, 0);
    memcpy(old + 512, new, 1024);
    g_assert_cmpint(blk_pread(blk, 8192, got, sizeof(got)), ==, 0);
    g_assert_cmpmem(got, sizeof(got), old, sizeof(old));
    g_assert_false(blk_snapshot_external(&spec, &err)); /* its node-name is in use */
    drop_image();                                       /* writes, closes */
    {
        BlockNode *n = block_open("test", top, NULL, BLOCK_READ_ONLY | BLOCK_NO_BACKING, NULL);
        BlockStatus st;

        g_assert_nonnull(n);
        g_assert_cmpint(block_status(n, 0, 1 << 20, &st), ==, 0);
        g_assert_true(st.allocated); /* the cluster of what was written, no other */
        g_assert_cmpuint(st.run, ==, 65536);
        block_node_unref(n);
    }
    g_unlink(top);
}

/* --- Temporary writes --- */

enum { MODEL_SIZE = 3 * 65536 + 4096 };

/* One random request on the drive and on the model of what it must hold. */
static void random_request(BlockBackend *blk, uint8_t *model)
{
    uint8_t buf[70000];
    uint32_t offset = g_test_rand_int_range(0, MODEL_SIZE);
    uint32_t len = g_test_rand_int_range(1, MIN(sizeof(buf), MODEL_SIZE - offset) + 1);
    uint32_t cut = g_test_rand_int_range(0, len + 1);
    struct iovec iov[2] = {{buf, cut}, {buf + cut, len - cut}};
    int done = 1;

    switch (g_test_rand_int_range(0, 3)) {
    case 0:
        memset(buf, g_test_rand_int_range(1, 256), len);
        memcpy(model + offset, buf, len);
        blk_pwritev(blk, offset, iov, 2, false, note, &done);
        break;
    case 1:
        memset(model + offset, 0, len);
        blk_write_zeroes(blk, offset, len, true, note, &done);
        break;
    default:
        blk_preadv(blk, offset, iov, 2, note, &done);
        blk_drain(blk);
        g_assert_cmpmem(buf, len, model + offset, len);
    }
    blk_drain(blk);
    g_assert_cmpint(done, ==, 0);
}

static void test_temporary_writes(void)
{
    g_autofree uint8_t *model = g_malloc(MODEL_SIZE);
    g_autofree uint8_t *before = NULL;
    g_autofree char *after = NULL;
    BlockBackend *blk;
    gsize len;

    make_image(MODEL_SIZE);
    memset(model, 0xa5, MODEL_SIZE);
    before = g_memdup2(model, MODEL_SIZE);
    g_assert_true(g_file_set_contents(image, (char *)model, MODEL_SIZE, NULL));
    blk = open_drive("t", ",snapshot=on");
    for (int i = 0; i < 300; i++) {
        random_request(blk, model);
    }
    g_assert_true(g_file_get_contents(image, &after, &len, NULL));
    g_assert_cmpmem(after, len, before, MODEL_SIZE);
    drop_image();
}

/* An export is no drive, shares with readers, and a writer among two users is the only one. */
static void test_exports(void)
{
    g_autoptr(Error) err = NULL;
    BlockStatus st;
    BlockBackend *drive, *reader, *writer;
    int owner, ret = 1;

    make_image(8192);
    drive = open_drive("d", "");
    writer = blk_new_export("d", "export 'w'", true, &err);
    g_assert_nonnull(writer);
    g_assert_false(blk_attach(drive, &owner, "a device", &err));
    g_assert_nonnull(strstr(error_text(err), "written to by export 'w'"));
    g_clear_pointer(&err, error_free);
    g_assert_null(blk_new_export("d", "export 'x'", true, &err));
    g_assert_nonnull(strstr(error_text(err), "in use by export 'w'"));
    g_clear_pointer(&err, error_free);
    blk_free_export(writer);
    g_assert_true(blk_attach(drive, &owner, "a device", NULL));
    g_assert_null(blk_new_export("d", "export 'x'", true, NULL));
    reader = blk_new_export("d", "export 'r'", false, &err);
    g_assert_nonnull(reader);
    blk_status(reader, 4096, 8192, &st, note, &ret);
    blk_drain(reader);
    g_assert_cmpint(ret, ==, -EIO);
    blk_status(reader, 4096, 4096, &st, note, &ret);
    blk_drain(reader);
    g_assert_cmpint(ret, ==, 0);
    g_assert_true(st.zero && st.run == 4096);
    g_assert_null(blk_by_name("export 'r'"));
    blk_free_export(reader);
    blk_detach(drive, &owner);
    drop_image();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/block/round-trip", test_round_trip);
    g_test_add_func("/block/bounds", test_bounds);
    g_test_add_func("/block/zeroes-discard", test_zeroes_and_discard);
    g_test_add_func("/block/read-only", test_read_only);
    g_test_add_func("/block/locked", test_locked);
    g_test_add_func("/block/bad-options", test_bad_options);
    g_test_add_func("/block/attach-once", test_attach_once);
    g_test_add_func("/block/probed-raw-stays-raw", test_probed_raw_stays_raw);
    g_test_add_func("/block/probed-qcow2", test_probed_qcow2);
    g_test_add_func("/block/nodes-by-name", test_nodes_by_name);
    g_test_add_func("/block/part-of-a-file", test_part_of_a_file);
    g_test_add_func("/block/external-snapshot", test_external_snapshot);
    g_test_add_func("/block/temporary-writes", test_temporary_writes);
    g_test_add_func("/block/exports", test_exports);
    return g_test_run();
}
