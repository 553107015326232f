/* SPDX-License-Identifier: MIT */
/* Chunks of Apple disk images compressed with bzip2. */
#include "rhea/osdep.h"

#include <bzlib.h>

#include "dmg.h"

bool dmg_have_bzip2(void)
{
    return true;
}

int dmg_inflate_bzip2(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
    unsigned have = out_len;

    return BZ2_bzBuffToBuffDecompress((char *)out, &have, (char *)in, in_len, 0, 0) == BZ_OK &&
                   have == out_len
               ? 0
               : -EIO;
}
