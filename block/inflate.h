/* SPDX-License-Identifier: MIT */
/* Decompresses parts of images whose length is known; any thread. */
#ifndef BLOCK_INFLATE_H
#define BLOCK_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum InflateKind { INFLATE_RAW, INFLATE_ZLIB } InflateKind;

/* Fills the whole of @out, or -EIO; what follows the stream is not looked at. */
int inflate_whole(InflateKind kind, const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len);

/* The same by libdeflate.  False: not there, or not done; zlib has the last word on what is damaged. */
bool inflate_fast(InflateKind kind, const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len);

#endif
