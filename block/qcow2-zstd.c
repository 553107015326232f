/* SPDX-License-Identifier: MIT */
/* Clusters compressed with zstd. */
#include "rhea/osdep.h"

#include <zstd.h>

#include "qcow2.h"

bool qcow2_have_zstd(void)
{
    return true;
}

int qcow2_inflate_zstd(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
    ZSTD_DCtx *ctx = ZSTD_createDCtx();
    ZSTD_inBuffer from = {in, in_len, 0};
    ZSTD_outBuffer to = {out, out_len, 0};

    while (ctx && to.pos < to.size) {
        size_t before = from.pos + to.pos, ret = ZSTD_decompressStream(ctx, &to, &from);

        if (ZSTD_isError(ret) || from.pos + to.pos == before) {
            break;
        }
    }
    ZSTD_freeDCtx(ctx);
    return to.pos == to.size ? 0 : -EIO;
}

size_t qcow2_deflate_zstd(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
    size_t ret = ZSTD_compress(out, out_len, in, in_len, ZSTD_CLEVEL_DEFAULT);

    return ZSTD_isError(ret) ? 0 : ret;
}
