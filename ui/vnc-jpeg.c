/* SPDX-License-Identifier: MIT */
/* JPEG pictures by libjpeg-turbo, which is loaded for the first server that may use them.  Any thread. */
#include "rhea/osdep.h"

#include <turbojpeg.h>

#include "rhea/late-library.h"
#include "vnc-encode.h"

/* In the order of the names below. */
typedef struct JpegLib {
    LATE_FUNCTION(tjInitCompress);
    LATE_FUNCTION(tjCompress2);
    LATE_FUNCTION(tjFree);
    LATE_FUNCTION(tjDestroy);
} JpegLib;

static const char *const names[] = {"tjInitCompress", "tjCompress2", "tjFree", "tjDestroy", NULL};
G_STATIC_ASSERT(ARRAY_SIZE(names) == sizeof(JpegLib) / sizeof(void *) + 1);

static JpegLib lib; /* there after vnc_jpeg_check(), before which no client asks */

bool vnc_jpeg_check(Error **errp)
{
    static bool loaded;

    loaded = loaded || late_library_load(LIBTURBOJPEG_SONAME, names, &lib, errp);
    return loaded;
}

uint8_t *vnc_jpeg(const VncPixels *px, int quality, size_t *len)
{
    enum { WORST = 15, STEP = 9, FINE = 8, MIDDLE = 5 };
    int subsampling = quality >= FINE ? TJSAMP_444 : quality >= MIDDLE ? TJSAMP_422 : TJSAMP_420;
    int format = G_BYTE_ORDER == G_LITTLE_ENDIAN ? TJPF_BGRX : TJPF_XRGB;
    unsigned char *picture = NULL;
    unsigned long size = 0;
    tjhandle tj = lib.tjInitCompress();

    if (!tj) {
        return NULL;
    }
    if (lib.tjCompress2(tj, (const unsigned char *)px->data, (int)px->w,
                        (int)(px->stride * sizeof(*px->data)), (int)px->h, format, &picture, &size,
                        subsampling, WORST + STEP * quality, 0)) {
        lib.tjFree(picture);
        picture = NULL;
    }
    lib.tjDestroy(tj);
    *len = size;
    return picture;
}

void vnc_jpeg_free(uint8_t *picture)
{
    lib.tjFree(picture);
}
