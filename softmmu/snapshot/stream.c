/* SPDX-License-Identifier: MIT */
/* Fields of a snapshot, in both directions; see snapshot/snapshot.h and stream.h. */
#include "rhea/osdep.h"

#include "stream.h"

#include "memory/clock.h"
#include "rhea/endian.h"

typedef enum SnapTag {
    TAG_OBJECT = 'O',
    TAG_SECTION = 'S',
    TAG_BOOL = 'b',
    TAG_U8 = '1',
    TAG_U16 = '2',
    TAG_U32 = '4',
    TAG_U64 = '8',
    TAG_I32 = 'i',
    TAG_I64 = 'l',
    TAG_BYTES = 'B',
    TAG_U32_ARRAY = 'w',
    TAG_U64_ARRAY = 'q',
    TAG_BUFFER = 'V',
    TAG_TIMER = 'T',
} SnapTag;

struct Snapshot {
    bool loading;
    char *failure;
    char *where;         /* the object that is being saved or loaded */
    GByteArray *out;     /* saving */
    size_t length_at;    /* saving: where the object's length goes */
    const uint8_t *data; /* loading */
    size_t pos, end;     /* loading: end of the present object */
    size_t data_len;
};

Snapshot *snap_writer_new(void)
{
    Snapshot *sn = g_new0(Snapshot, 1);

    sn->out = g_byte_array_new();
    return sn;
}

Snapshot *snap_reader_new(const uint8_t *data, size_t len)
{
    Snapshot *sn = g_new0(Snapshot, 1);

    sn->loading = true;
    sn->data = data;
    sn->data_len = sn->end = len;
    return sn;
}

void snap_free(Snapshot *sn)
{
    if (sn) {
        if (sn->out) {
            g_byte_array_unref(sn->out);
        }
        g_free(sn->failure);
        g_free(sn->where);
        g_free(sn);
    }
}

GByteArray *snap_writer_finish(Snapshot *sn)
{
    GByteArray *out = g_steal_pointer(&sn->out);

    snap_free(sn);
    return out;
}

bool snap_loading(const Snapshot *sn)
{
    return sn->loading;
}

bool snap_ok(const Snapshot *sn)
{
    return !sn->failure;
}

void snap_fail(Snapshot *sn, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    if (sn->failure) {
        return; /* the first failure is the cause */
    }
    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    sn->failure = sn->where ? g_strdup_printf("%s: %s", sn->where, text) : g_steal_pointer(&text);
}

bool snap_check(const Snapshot *sn, Error **errp)
{
    return !sn->failure || error_fail(errp, "snapshot: %s", sn->failure);
}

bool snap_at_end(const Snapshot *sn)
{
    return sn->pos == sn->data_len;
}

/* --- Bytes --- */

/* Moves @len raw bytes; false (and zeroes when loading) after a failure. */
static bool snap_raw(Snapshot *sn, void *buf, size_t len)
{
    if (sn->failure) {
        return false;
    }
    if (!sn->loading) {
        g_byte_array_append(sn->out, buf, len);
        return true;
    }
    if (len > sn->end - sn->pos) {
        snap_fail(sn, "the data end too early");
        return false;
    }
    memcpy(buf, sn->data + sn->pos, len);
    sn->pos += len;
    return true;
}

static bool snap_tag(Snapshot *sn, SnapTag tag)
{
    uint8_t byte = tag;

    if (!snap_raw(sn, &byte, 1)) {
        return false;
    }
    if (byte != tag) {
        snap_fail(sn, "a field of kind '%c' where '%c' is expected",
                  g_ascii_isprint(byte) ? byte : '?', tag);
        return false;
    }
    return true;
}

/* A tagged number of @size bytes; *v is unchanged when a load fails. */
static bool snap_number(Snapshot *sn, SnapTag tag, uint64_t *v, unsigned size)
{
    uint8_t bytes[8];

    st64_le(bytes, *v);
    if (!snap_tag(sn, tag) || !snap_raw(sn, bytes, size)) {
        return false;
    }
    if (sn->loading) {
        memset(bytes + size, 0, 8 - size);
        *v = ld64_le(bytes);
    }
    return true;
}

/* A count that must be what it was: lengths of arrays. */
static bool snap_same_count(Snapshot *sn, uint32_t count)
{
    uint8_t bytes[4];

    st32_le(bytes, count);
    if (!snap_raw(sn, bytes, 4)) {
        return false;
    }
    if (ld32_le(bytes) != count) {
        snap_fail(sn, "an array of %u elements where %u are expected", ld32_le(bytes), count);
        return false;
    }
    return true;
}

/* A string that must be what it was; @what names it in the message. */
static bool snap_same_text(Snapshot *sn, const char *what, const char *text)
{
    char found[256] = "";
    uint8_t len_bytes[2];
    size_t len = strlen(text);

    g_assert(len < sizeof(found));
    st16_le(len_bytes, len);
    if (!snap_raw(sn, len_bytes, 2)) {
        return false;
    }
    if (!sn->loading) {
        return snap_raw(sn, (char *)text, len);
    }
    if (ld16_le(len_bytes) >= sizeof(found)) {
        snap_fail(sn, "the name of %s is too long", what);
        return false;
    }
    if (!snap_raw(sn, found, ld16_le(len_bytes))) {
        return false;
    }
    if (!g_str_equal(found, text) || strlen(found) != ld16_le(len_bytes)) {
        g_autofree char *shown = g_strescape(found, NULL);

        snap_fail(sn, "%s '%s' where '%s' is expected", what, shown, text);
        return false;
    }
    return true;
}

/* --- Objects and sections --- */

void snap_object_begin(Snapshot *sn, const char *path)
{
    uint8_t len_bytes[4] = {0};

    if (!snap_tag(sn, TAG_OBJECT) || !snap_same_text(sn, "object", path)) {
        return;
    }
    if (!sn->loading) {
        sn->length_at = sn->out->len;
    }
    if (!snap_raw(sn, len_bytes, 4)) {
        return;
    }
    g_free(sn->where);
    sn->where = g_strdup(path);
    if (sn->loading) {
        if (ld32_le(len_bytes) > sn->data_len - sn->pos) {
            snap_fail(sn, "the data end too early");
            return;
        }
        sn->end = sn->pos + ld32_le(len_bytes);
    }
}

void snap_object_end(Snapshot *sn)
{
    if (sn->failure) {
        return;
    }
    if (sn->loading) {
        if (sn->pos != sn->end) {
            snap_fail(sn, "%zu bytes are left over", sn->end - sn->pos);
            return;
        }
        sn->end = sn->data_len;
    } else {
        st32_le(sn->out->data + sn->length_at, sn->out->len - sn->length_at - 4);
    }
    g_clear_pointer(&sn->where, g_free);
}

unsigned snap_section(Snapshot *sn, const char *name, unsigned version)
{
    uint8_t bytes[4];
    unsigned found;

    st32_le(bytes, version);
    if (!snap_tag(sn, TAG_SECTION) || !snap_same_text(sn, "section", name) ||
        !snap_raw(sn, bytes, 4)) {
        return version;
    }
    found = ld32_le(bytes);
    if (!found || found > version) {
        snap_fail(sn, "section '%s' has version %u, known up to %u", name, found, version);
        return version;
    }
    return found;
}

/* --- Fields --- */

void snap_bool(Snapshot *sn, bool *v)
{
    uint64_t n = *v;

    if (!snap_number(sn, TAG_BOOL, &n, 1)) {
        return;
    }
    if (n > 1) {
        snap_fail(sn, "a truth value of %u", (unsigned)n);
        return;
    }
    *v = n;
}

void snap_u8(Snapshot *sn, uint8_t *v)
{
    uint64_t n = *v;

    snap_number(sn, TAG_U8, &n, 1);
    *v = n;
}

void snap_u16(Snapshot *sn, uint16_t *v)
{
    uint64_t n = *v;

    snap_number(sn, TAG_U16, &n, 2);
    *v = n;
}

void snap_u32(Snapshot *sn, uint32_t *v)
{
    uint64_t n = *v;

    snap_number(sn, TAG_U32, &n, 4);
    *v = n;
}

void snap_u64(Snapshot *sn, uint64_t *v)
{
    snap_number(sn, TAG_U64, v, 8);
}

void snap_i32(Snapshot *sn, int32_t *v)
{
    uint64_t n = (uint32_t)*v;

    snap_number(sn, TAG_I32, &n, 4);
    *v = (int32_t)(uint32_t)n;
}

void snap_i64(Snapshot *sn, int64_t *v)
{
    uint64_t n = (uint64_t)*v;

    snap_number(sn, TAG_I64, &n, 8);
    *v = (int64_t)n;
}

void snap_u32_max(Snapshot *sn, uint32_t *v, uint32_t max)
{
    uint64_t n = *v;

    if (!snap_number(sn, TAG_U32, &n, 4)) {
        return;
    }
    if (n > max) {
        snap_fail(sn, "a value of %" PRIu64 " where at most %u is possible", n, max);
        return;
    }
    *v = n;
}

void snap_bytes(Snapshot *sn, void *buf, size_t len)
{
    g_assert(len <= UINT32_MAX);
    if (snap_tag(sn, TAG_BYTES) && snap_same_count(sn, len)) {
        snap_raw(sn, buf, len);
    }
}

void snap_u32_array(Snapshot *sn, uint32_t *v, size_t n)
{
    if (!snap_tag(sn, TAG_U32_ARRAY) || !snap_same_count(sn, n)) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t bytes[4];

        st32_le(bytes, v[i]);
        if (!snap_raw(sn, bytes, 4)) {
            return;
        }
        v[i] = ld32_le(bytes);
    }
}

void snap_u64_array(Snapshot *sn, uint64_t *v, size_t n)
{
    if (!snap_tag(sn, TAG_U64_ARRAY) || !snap_same_count(sn, n)) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t bytes[8];

        st64_le(bytes, v[i]);
        if (!snap_raw(sn, bytes, 8)) {
            return;
        }
        v[i] = ld64_le(bytes);
    }
}

void snap_buffer(Snapshot *sn, uint8_t **buf, uint32_t *len, uint32_t max)
{
    uint64_t n = *len;
    uint8_t *fresh = NULL;

    if (!snap_number(sn, TAG_BUFFER, &n, 4)) {
        return;
    }
    if (!sn->loading) {
        snap_raw(sn, *buf, n);
        return;
    }
    if (n > max || n > sn->end - sn->pos) {
        snap_fail(sn, "a buffer of %" PRIu64 " bytes where at most %u are possible", n, max);
        return;
    }
    if (n) {
        fresh = g_malloc(n); /* no more than the stream holds */
        snap_raw(sn, fresh, n);
    }
    g_free(*buf);
    *buf = fresh;
    *len = n;
}

/*
 * A deadline on the virtual clock is a time of that clock, which is saved as well.  The host's clocks go
 * on meanwhile: there the time left counts.
 */
void snap_timer(Snapshot *sn, struct ClockTimer *t)
{
    int64_t origin_ns = clock_kind(t->clock) == CLOCK_VIRTUAL ? 0 : clock_now_ns(t->clock);
    bool armed = clock_timer_armed(t);
    uint64_t n = armed ? (uint64_t)(t->deadline_ns - origin_ns) : (uint64_t)CLOCK_NEVER;
    int64_t deadline_ns;

    if (!snap_number(sn, TAG_TIMER, &n, 8) || !sn->loading) {
        return;
    }
    if ((int64_t)n == CLOCK_NEVER) {
        clock_timer_disarm(t);
        return;
    }
    if (__builtin_add_overflow((int64_t)n, origin_ns, &deadline_ns)) {
        snap_fail(sn, "a deadline out of range");
        return;
    }
    clock_timer_arm(t, deadline_ns);
}
