/* SPDX-License-Identifier: MIT */
/* ringbuf: keeps the last bytes of output for a monitor to read (ringbuf-read). */
#include "rhea/osdep.h"

#include "rhea/bits.h"
#include "char-int.h"

enum { RINGBUF_DEFAULT = 65536, RINGBUF_MAX = 256 * 1024 * 1024 };

typedef struct CharRingbuf {
    Chardev chr;
    uint8_t *data;
    uint64_t size;               /* a power of two */
    uint64_t produced, consumed; /* totals */
} CharRingbuf;

static bool ringbuf_open(Chardev *c, Opts *o, Error **errp)
{
    CharRingbuf *s = (CharRingbuf *)c;

    s->size = RINGBUF_DEFAULT;
    if (!opts_take_size(o, "size", &s->size, errp)) {
        return false;
    }
    if (!is_power_of_2(s->size) || s->size > RINGBUF_MAX) {
        return error_fail(errp, "%s: size=%" PRIu64 " is not a power of two up to 256M",
                          opts_what(o), s->size);
    }
    s->data = g_malloc(s->size);
    c->open = true;
    return true;
}

static void ringbuf_close(Chardev *c)
{
    g_free(((CharRingbuf *)c)->data);
}

static size_t ringbuf_write(Chardev *c, const uint8_t *buf, size_t len, bool all)
{
    CharRingbuf *s = (CharRingbuf *)c;

    for (size_t i = 0; i < len; i++) {
        s->data[s->produced++ & (s->size - 1)] = buf[i];
    }
    if (s->produced - s->consumed > s->size) {
        s->consumed = s->produced - s->size;
    }
    return len;
}

static CharRingbuf *ringbuf_find(const char *id, Error **errp)
{
    Chardev *c = chr_find(id);

    if (!c || !qom_is(&c->obj, "chardev-ringbuf")) {
        error_fail(errp, c ? "chardev '%s' is not a ringbuf" : "chardev '%s' does not exist", id);
        return NULL;
    }
    return (CharRingbuf *)c;
}

bool chr_ringbuf_write(const char *id, const uint8_t *buf, size_t len, Error **errp)
{
    CharRingbuf *s = ringbuf_find(id, errp);

    return s && ringbuf_write(&s->chr, buf, len, true) == len;
}

GByteArray *chr_ringbuf_read(const char *id, size_t max, Error **errp)
{
    CharRingbuf *s = ringbuf_find(id, errp);
    GByteArray *out;

    if (!s) {
        return NULL;
    }
    out = g_byte_array_new();
    while (s->consumed < s->produced && out->len < max) {
        g_byte_array_append(out, &s->data[s->consumed++ & (s->size - 1)], 1);
    }
    return out;
}

static const char *const ringbuf_opts[] = {"size", NULL};

static const CharOps ringbuf_ops = {
    .opts = ringbuf_opts,
    .open = ringbuf_open,
    .close = ringbuf_close,
    .write = ringbuf_write,
};

QOM_TYPE(chardev_ringbuf_type, .name = "chardev-ringbuf", .parent = TYPE_CHARDEV,
         .desc = "memory for the last output", .ops = &ringbuf_ops, .size = sizeof(CharRingbuf));
