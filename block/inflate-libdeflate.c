/* SPDX-License-Identifier: MIT */
/* Decompression by libdeflate, which is loaded when something compressed is first read. */
#include "rhea/osdep.h"

#include <libdeflate.h>

#include "inflate.h"
#include "rhea/late-library.h"

typedef struct Lib {
    LATE_FUNCTION(libdeflate_alloc_decompressor);
    LATE_FUNCTION(libdeflate_free_decompressor);
    LATE_FUNCTION(libdeflate_deflate_decompress_ex);
    LATE_FUNCTION(libdeflate_zlib_decompress_ex);
} Lib;

static const char *const names[] = {"libdeflate_alloc_decompressor", "libdeflate_free_decompressor",
                                    "libdeflate_deflate_decompress_ex",
                                    "libdeflate_zlib_decompress_ex", NULL};

/* NULL: the library is gone, which costs time and nothing else. */
static const Lib *load(void)
{
    static Lib lib;
    static gsize once;

    if (g_once_init_enter(&once)) {
        Error *err = NULL;
        bool ok = late_library_load(LIBDEFLATE_SONAME, names, &lib, &err);

        error_free(err);
        g_once_init_leave(&once, ok ? 1 : 2);
    }
    return once == 1 ? &lib : NULL;
}

bool inflate_fast(InflateKind kind, const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
    const Lib *lib = load();
    struct libdeflate_decompressor *d = lib ? lib->libdeflate_alloc_decompressor() : NULL;
    enum libdeflate_result result;
    size_t used;

    if (!d) {
        return false;
    }
    result = (kind == INFLATE_RAW
                  ? lib->libdeflate_deflate_decompress_ex
                  : lib->libdeflate_zlib_decompress_ex)(d, in, in_len, out, out_len, &used, NULL);
    lib->libdeflate_free_decompressor(d);
    return result == LIBDEFLATE_SUCCESS;
}
