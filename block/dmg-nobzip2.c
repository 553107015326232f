/* SPDX-License-Identifier: MIT */
/* A build without libbz2: images with such chunks are refused when they are opened. */
#include "rhea/osdep.h"

#include "dmg.h"

bool dmg_have_bzip2(void)
{
    return false;
}

int dmg_inflate_bzip2(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
    return -ENOTSUP;
}
