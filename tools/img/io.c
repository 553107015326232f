/* SPDX-License-Identifier: MIT */
/* rhea-img io: single requests, as rhea-io makes them (tools/io). */
#include "rhea/osdep.h"

#include "img.h"
#include "tools/io/io.h"

typedef struct Io {
    GPtrArray *lines;
    bool read_only;
} Io;

static bool own_io(void *opaque, int letter, const char *arg)
{
    Io *io = opaque;

    switch (letter) {
    case 'c': g_ptr_array_add(io->lines, (char *)arg); return true;
    case 'r': io->read_only = true; return true;
    default: return false;
    }
}

static int run_io(int argc, char **argv)
{
    ImgArgs args = {0};
    g_autoptr(GPtrArray) lines = g_ptr_array_new();
    Io io = {.lines = lines};
    Error *err = NULL;
    BlockNode *n;

    if (!img_parse(&img_io, argc, argv, "f:c:rUh", NULL, &args, own_io, &io)) {
        return 1;
    }
    if (args.n_files != 1) {
        return img_usage(&img_io);
    }
    n = img_open(&args, args.files[0], io.read_only ? BLOCK_READ_ONLY : 0, &err);
    return n ? io_session(n, (char *const *)lines->pdata, lines->len) : img_fail(err);
}

const ImgCommand img_io = {
    "io",
    "[-f FORMAT] [-r] [-U] [--image-opts] [-c COMMAND]... FILE",
    run_io,
};
