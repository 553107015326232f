/* SPDX-License-Identifier: MIT */
/* Apple disk images: a codec of a library that may not be there. */
#ifndef BLOCK_DMG_H
#define BLOCK_DMG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool dmg_have_bzip2(void);
/* All of @out is filled, or -EIO. */
int dmg_inflate_bzip2(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len);

#endif
