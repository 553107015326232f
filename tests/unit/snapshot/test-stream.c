/* SPDX-License-Identifier: MIT */
/* Fields of snapshots, and streams that are wrong (softmmu/snapshot/stream.c). */
#include "rhea/osdep.h"

#include "memory/clock.h"
#include "snapshot/snapshot.h"
#include "../../../softmmu/snapshot/stream.h"

/* One of each kind of field. */
typedef struct Fields {
    bool flag;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32, index;
    uint64_t u64;
    int32_t i32;
    int64_t i64;
    char bytes[5];
    uint32_t words[3];
    uint64_t quads[2];
    uint8_t *buffer;
    uint32_t buffer_len;
} Fields;

static void snap_all(Snapshot *sn, Fields *f)
{
    snap_object_begin(sn, "/machine/bark");
    snap_section(sn, "bark", 3);
    snap_fields(sn, &f->flag, &f->u8, &f->u16, &f->u32, &f->u64, &f->i32, &f->i64);
    snap_u32_max(sn, &f->index, 7);
    snap_bytes(sn, f->bytes, sizeof(f->bytes));
    snap_u32_array(sn, f->words, ARRAY_SIZE(f->words));
    snap_u64_array(sn, f->quads, ARRAY_SIZE(f->quads));
    snap_buffer(sn, &f->buffer, &f->buffer_len, 16);
    snap_object_end(sn);
}

static GByteArray *save(Fields *f)
{
    Snapshot *sn = snap_writer_new();

    snap_all(sn, f);
    g_assert_true(snap_ok(sn));
    return snap_writer_finish(sn);
}

static Fields sample(void)
{
    return (Fields){
        .flag = true,
        .u8 = 0xfe,
        .u16 = 0xfedc,
        .u32 = 0xfedcba98,
        .index = 7,
        .u64 = 0xfedcba9876543210,
        .i32 = -5,
        .i64 = INT64_MIN,
        .bytes = "wuff",
        .words = {1, 2, UINT32_MAX},
        .quads = {3, UINT64_MAX},
        .buffer = g_memdup2("bone", 4),
        .buffer_len = 4,
    };
}

static void test_round_trip(void)
{
    Fields a = sample(), b = {.buffer = g_malloc(1), .buffer_len = 1};
    g_autoptr(GByteArray) data = save(&a);
    Snapshot *sn = snap_reader_new(data->data, data->len);

    snap_all(sn, &b);
    g_assert_true(snap_check(sn, NULL));
    g_assert_true(snap_at_end(sn));
    g_assert_true(b.flag && b.u8 == a.u8 && b.u16 == a.u16 && b.u32 == a.u32 && b.u64 == a.u64);
    g_assert_true(b.i32 == -5 && b.i64 == INT64_MIN && b.index == 7);
    g_assert_cmpstr(b.bytes, ==, "wuff");
    g_assert_cmpmem(b.words, sizeof(b.words), a.words, sizeof(a.words));
    g_assert_cmpmem(b.quads, sizeof(b.quads), a.quads, sizeof(a.quads));
    g_assert_cmpmem(b.buffer, b.buffer_len, "bone", 4);
    snap_free(sn);
    g_free(a.buffer);
    g_free(b.buffer);
}

/* Every prefix is refused, and so is every byte that is changed where it matters. */
static void test_damage(void)
{
    Fields a = sample();
    g_autoptr(GByteArray) data = save(&a);

    for (unsigned cut = 0; cut < data->len; cut++) {
        g_autofree uint8_t *copy = g_memdup2(data->data, cut); /* of its own size: for ASan */
        Snapshot *sn = snap_reader_new(copy, cut);
        Fields b = {0};

        snap_all(sn, &b);
        g_assert_false(snap_check(sn, NULL));
        snap_free(sn);
        g_free(b.buffer);
    }
    for (unsigned at = 0; at < data->len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            g_autofree uint8_t *copy = g_memdup2(data->data, data->len);
            Snapshot *sn;
            Fields b = {0};

            copy[at] ^= 1 << bit;
            sn = snap_reader_new(copy, data->len);
            snap_all(sn, &b); /* may succeed with another value, but never leaves the data */
            g_assert_true(b.index <= 7 && b.buffer_len <= 16);
            snap_free(sn);
            g_free(b.buffer);
        }
    }
    g_free(a.buffer);
}

static void expect_failure(GByteArray *data, const char *path, const char *section,
                           unsigned version, const char *message)
{
    Snapshot *sn = snap_reader_new(data->data, data->len);
    g_autoptr(Error) err = NULL;
    uint32_t v = 99;

    snap_object_begin(sn, path);
    snap_section(sn, section, version);
    snap_u32(sn, &v);
    snap_object_end(sn);
    g_assert_false(snap_check(sn, &err));
    g_assert_cmpstr(error_text(err), ==, message);
    g_assert_cmpuint(v, ==, 99); /* untouched after a failure */
    snap_free(sn);
}

static void test_mismatch(void)
{
    Snapshot *sn = snap_writer_new();
    g_autoptr(GByteArray) data = NULL;
    uint64_t v = 1;

    snap_object_begin(sn, "/machine/a");
    snap_section(sn, "uart", 2);
    snap_u64(sn, &v);
    snap_object_end(sn);
    data = snap_writer_finish(sn);
    expect_failure(data, "/machine/b", "uart", 2,
                   "snapshot: object '/machine/a' where '/machine/b' is expected");
    expect_failure(data, "/machine/a", "rtc", 2,
                   "snapshot: /machine/a: section 'uart' where 'rtc' is expected");
    expect_failure(data, "/machine/a", "uart", 1,
                   "snapshot: /machine/a: section 'uart' has version 2, known up to 1");
    expect_failure(data, "/machine/a", "uart", 2,
                   "snapshot: /machine/a: a field of kind '8' where '4' is expected");
}

static void test_left_over(void)
{
    Snapshot *sn = snap_writer_new();
    g_autoptr(GByteArray) data = NULL;
    g_autoptr(Error) err = NULL;
    uint32_t v = 1;

    snap_object_begin(sn, "a");
    snap_u32(sn, &v);
    snap_u32(sn, &v);
    snap_object_end(sn);
    data = snap_writer_finish(sn);
    sn = snap_reader_new(data->data, data->len);
    snap_object_begin(sn, "a");
    snap_u32(sn, &v);
    snap_object_end(sn);
    g_assert_false(snap_check(sn, &err));
    g_assert_cmpstr(error_text(err), ==, "snapshot: a: 5 bytes are left over");
    snap_free(sn);
}

static void no_callback(void *opaque)
{
}

static void test_timer(void)
{
    Clock *c = clock_new(CLOCK_VIRTUAL), *host = clock_new(CLOCK_REALTIME_);
    ClockTimer a, b, h;
    Snapshot *sn = snap_writer_new();
    g_autoptr(GByteArray) data = NULL;
    int64_t now_ns = clock_now_ns(host);

    clock_timer_init(&a, c, no_callback, NULL);
    clock_timer_init(&b, c, no_callback, NULL);
    clock_timer_init(&h, host, no_callback, NULL);
    clock_timer_arm(&a, 12345);
    clock_timer_arm(&h, now_ns + 3600 * NS_PER_S);
    snap_timer(sn, &a);
    snap_timer(sn, &b);
    snap_timer(sn, &h);
    data = snap_writer_finish(sn);
    clock_timer_disarm(&a);
    clock_timer_arm(&b, 77);
    clock_timer_disarm(&h);
    sn = snap_reader_new(data->data, data->len);
    snap_timer(sn, &a);
    snap_timer(sn, &b);
    snap_timer(sn, &h);
    g_assert_true(snap_ok(sn));
    g_assert_cmpint(a.deadline_ns, ==, 12345);
    g_assert_false(clock_timer_armed(&b));
    g_assert_cmpint(h.deadline_ns, >=, now_ns + 3600 * NS_PER_S); /* the time left counts */
    snap_free(sn);
    clock_timer_disarm(&a);
    clock_timer_disarm(&h);
    clock_free(c);
    clock_free(host);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/snapshot/round-trip", test_round_trip);
    g_test_add_func("/snapshot/damage", test_damage);
    g_test_add_func("/snapshot/mismatch", test_mismatch);
    g_test_add_func("/snapshot/left-over", test_left_over);
    g_test_add_func("/snapshot/timer", test_timer);
    return g_test_run();
}
