/* SPDX-License-Identifier: MIT */
/* Compressed streams for the encodings that have them.  Spec: RFC 1950.  One thread at a time. */
#include "rhea/osdep.h"

#include <zlib.h>

#include "vnc-encode.h"

/* What a flush, its marker and a change of the level add at most. */
enum { SLACK = 64 };

struct VncDeflate {
    z_stream z;
    int level;
};

VncDeflate *vnc_deflate_new(void)
{
    VncDeflate *d = g_new0(VncDeflate, 1);

    d->level = Z_BEST_SPEED;
    g_assert(deflateInit(&d->z, d->level) == Z_OK); /* fails for want of memory alone */
    return d;
}

void vnc_deflate_free(VncDeflate *d)
{
    if (d) {
        deflateEnd(&d->z);
        g_free(d);
    }
}

/* Grows @out by at most @room. */
static void run(VncDeflate *d, int flush, size_t room, GByteArray *out)
{
    guint at = out->len;

    g_byte_array_set_size(out, at + room);
    d->z.next_out = out->data + at;
    d->z.avail_out = room;
    if (flush == Z_BLOCK) {
        deflateParams(&d->z, d->level, Z_DEFAULT_STRATEGY);
    } else {
        deflate(&d->z, flush);
    }
    g_byte_array_set_size(out, out->len - d->z.avail_out);
}

void vnc_deflate(VncDeflate *d, int level, const uint8_t *in, size_t len, GByteArray *out)
{
    d->z.avail_in = 0;
    if (level != d->level) {
        d->level = level;
        run(d, Z_BLOCK, SLACK, out);
    }
    d->z.next_in = (Bytef *)in;
    d->z.avail_in = len;
    run(d, Z_SYNC_FLUSH, deflateBound(&d->z, len) + SLACK, out);
    g_assert(!d->z.avail_in); /* deflateBound() is enough */
}
