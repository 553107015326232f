/* SPDX-License-Identifier: MIT */
/* Decompression by zlib, and by libdeflate, which takes a third of the time, where that is installed. */
#include "rhea/osdep.h"

#include <zlib.h>

#include "inflate.h"

int inflate_whole(InflateKind kind, const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
    z_stream z = {
        .next_in = (uint8_t *)in, .avail_in = in_len, .next_out = out, .avail_out = out_len};
    int ret;

    if (inflate_fast(kind, in, in_len, out, out_len)) {
        return 0;
    }
    if (inflateInit2(&z, kind == INFLATE_RAW ? -MAX_WBITS : MAX_WBITS) != Z_OK) {
        return -ENOMEM;
    }
    ret = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return (ret == Z_STREAM_END || (ret == Z_BUF_ERROR && kind == INFLATE_RAW)) && z.avail_out == 0
               ? 0
               : -EIO;
}
