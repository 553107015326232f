/* SPDX-License-Identifier: MIT */
/*
 * Lines of linear frame buffers as xrgb8888.  A channel of five or six bits is widened by repeating its high
 * bits, so that full intensity is 255.  Threading: none of its own.
 */
#include "rhea/osdep.h"

#include "pixels.h"

#include "rhea/endian.h"

unsigned pixels_bytes(PixelFormat format)
{
    static const uint8_t bytes[PIXEL_FORMATS] = {1, 2, 2, 3, 4};

    return bytes[format];
}

static uint32_t widen5(uint32_t v)
{
    return v << 3 | v >> 2;
}

static uint32_t widen6(uint32_t v)
{
    return v << 2 | v >> 4;
}

static uint32_t from_1555(uint32_t v)
{
    return widen5(v >> 10 & 31) << 16 | widen5(v >> 5 & 31) << 8 | widen5(v & 31);
}

static uint32_t from_565(uint32_t v)
{
    return widen5(v >> 11 & 31) << 16 | widen6(v >> 5 & 63) << 8 | widen5(v & 31);
}

void pixels_convert(PixelFormat format, const uint32_t *palette, const uint8_t *src, uint32_t *out,
                    unsigned n)
{
    switch (format) {
    case PIXELS_INDEX8:
        for (unsigned i = 0; i < n; i++) {
            out[i] = palette[src[i]];
        }
        break;
    case PIXELS_XRGB1555:
        for (unsigned i = 0; i < n; i++) {
            out[i] = from_1555(ld16_le(src + 2 * i));
        }
        break;
    case PIXELS_RGB565:
        for (unsigned i = 0; i < n; i++) {
            out[i] = from_565(ld16_le(src + 2 * i));
        }
        break;
    case PIXELS_RGB888:
        for (unsigned i = 0; i < n; i++) {
            out[i] = src[3 * i] | src[3 * i + 1] << 8 | (uint32_t)src[3 * i + 2] << 16;
        }
        break;
    default:
        for (unsigned i = 0; i < n; i++) {
            out[i] = ld32_le(src + 4 * i) & 0xffffff;
        }
    }
}
