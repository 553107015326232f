/* SPDX-License-Identifier: MIT */
/* In the place of qcow2-zstd.c where there is no libzstd: images that need it are not opened or made. */
#include "rhea/osdep.h"

#include "qcow2.h"

bool qcow2_have_zstd(void)
{
    return false;
}

int qcow2_inflate_zstd(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
    return -ENOTSUP;
}

size_t qcow2_deflate_zstd(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
    return 0;
}
