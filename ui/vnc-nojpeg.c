/* SPDX-License-Identifier: MIT */
/* What takes the place of vnc-jpeg.c in a build without libjpeg-turbo: no pictures. */
#include "rhea/osdep.h"

#include "vnc-encode.h"

bool vnc_jpeg_check(Error **errp)
{
    return error_fail(errp, "this build has no JPEG (configure --enable-jpeg)");
}

uint8_t *vnc_jpeg(const VncPixels *px, int quality, size_t *len)
{
    return NULL;
}

/* There are none. */
void vnc_jpeg_free(uint8_t *picture)
{
}
