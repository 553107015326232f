/* SPDX-License-Identifier: MIT */
/* Pixel formats of linear frame buffers, and lines of them as xrgb8888. */
#ifndef HW_DISPLAY_PIXELS_H
#define HW_DISPLAY_PIXELS_H

#include "rhea/base.h"

/* Little-endian pixels; the names give the channels from the highest bit. */
typedef enum PixelFormat {
    PIXELS_INDEX8,
    PIXELS_XRGB1555,
    PIXELS_RGB565,
    PIXELS_RGB888,
    PIXELS_XRGB8888,
    PIXEL_FORMATS
} PixelFormat;

unsigned pixels_bytes(PixelFormat format);
/* @n pixels from @src, which need not be aligned; @palette is for PIXELS_INDEX8 only. */
void pixels_convert(PixelFormat format, const uint32_t *palette, const uint8_t *src, uint32_t *out,
                    unsigned n);

#endif
