/* SPDX-License-Identifier: MIT */
/* rhea-img create and resize. */
#include "rhea/osdep.h"

#include <getopt.h>

#include "img.h"

/* --- Making --- */

int img_options_help(const ImageOption *o)
{
    if (!o) {
        Error *err = NULL;

        error_fail(&err, "the format has no such options");
        return img_fail(err);
    }
    printf("Supported options:\n");
    for (; o->name; o++) {
        printf("  %-17s - %s\n", o->name, o->help);
    }
    return 0;
}

/* The virtual size of the backing file, as the image to be made would open it. */
static bool backing_size(const char *filename, const char *backing, const char *format,
                         uint64_t *size, Error **errp)
{
    g_autofree char *path = image_backing_path(filename, backing);
    BlockNode *n = block_open("Could not open backing file", path, format, BLOCK_READ_ONLY, errp);

    if (!n) {
        return false;
    }
    *size = block_size(n);
    block_node_unref(n);
    return true;
}

static void add_option(Opts *o, const char *key, const char *value)
{
    if (value) {
        opts_add(o, key, value);
    }
}

bool img_make(const char *format, const char *filename, uint64_t size, const char *options,
              const char *backing, const char *backing_format, bool check_backing, Error **errp)
{
    g_autoptr(Opts) o = opts_parse(filename, options ? options : "", NULL, errp);
    g_autofree char *text = NULL;

    if (!o) {
        return false;
    }
    add_option(o, "backing_file", backing);
    add_option(o, "backing_fmt", backing_format);
    backing = opts_peek(o, "backing_file");
    backing_format = opts_peek(o, "backing_fmt");
    if (backing && !backing_format) {
        return error_fail(errp, "backing file '%s' needs its format (-F)", backing);
    }
    if (size == UINT64_MAX && backing && !opts_peek(o, "size")) {
        check_backing = true;
    }
    if (backing && check_backing) {
        uint64_t below;

        if (!backing_size(filename, backing, backing_format, &below, errp)) {
            return false;
        }
        size = size == UINT64_MAX ? below : size;
    }
    if (size != UINT64_MAX && !opts_peek(o, "size")) {
        text = g_strdup_printf("%" PRIu64, size);
        opts_add(o, "size", text);
    }
    return image_create(filename, format, filename, o, errp);
}

static bool own_create(void *opaque, int letter, const char *arg)
{
    *(bool *)opaque = letter == 'u';
    return true;
}

static int run_create(int argc, char **argv)
{
    ImgArgs args = {0};
    bool no_backing_check = false;
    uint64_t size = UINT64_MAX;
    const char *format;
    Error *err = NULL;
    int status;

    if (!img_parse(&img_create, argc, argv, "f:b:F:o:quh", NULL, &args, own_create,
                   &no_backing_check)) {
        return 1;
    }
    format = args.format ? args.format : "raw";
    if (args.help_options) {
        status = img_options_help(image_create_options(format));
    } else if (args.n_files < 1 || args.n_files > 2) {
        status = img_usage(&img_create);
    } else if (args.n_files == 2 && !img_take_size("size", args.files[1], &size)) {
        status = 1;
    } else if (!img_make(format, args.files[0], size, args.options ? args.options->str : NULL,
                         args.backing, args.backing_format, !no_backing_check, &err)) {
        status = img_fail(err);
    } else {
        if (!args.quiet) {
            printf("Formatting '%s', fmt=%s\n", args.files[0], format);
        }
        status = 0;
    }
    img_args_clear(&args);
    return status;
}

const ImgCommand img_create = {
    "create",
    "[-q] [-f FORMAT] [-b BACKING_FILE -F BACKING_FORMAT] [-u] [-o OPTIONS] FILE [SIZE]",
    run_create,
};

/* --- Resizing --- */

typedef struct Resize {
    bool shrink;
    const char *prealloc;
} Resize;

enum { OPT_SHRINK = 512, OPT_PREALLOC };

static const struct option resize_longs[] = {
    {"shrink", no_argument, NULL, OPT_SHRINK},
    {"preallocation", required_argument, NULL, OPT_PREALLOC},
    {NULL, 0, NULL, 0},
};

static bool own_resize(void *opaque, int letter, const char *arg)
{
    Resize *r = opaque;

    if (letter == OPT_SHRINK) {
        r->shrink = true;
    } else {
        r->prealloc = arg;
    }
    return true;
}

/* "+1G" and "-1G" count from the present size. */
static bool new_size(const char *text, uint64_t old, uint64_t *size, Error **errp)
{
    bool less = *text == '-', relative = less || *text == '+';

    if (!parse_size("size", text + relative, 1, size, errp)) {
        return false;
    }
    if (less && *size > old) {
        return error_fail(errp, "the image has only %" PRIu64 " bytes", old);
    }
    if (relative && !less && *size > INT64_MAX - old) {
        return error_fail(errp, "the size would be too large");
    }
    *size = less ? old - *size : relative ? old + *size : *size;
    return true;
}

static bool resize(const ImgArgs *args, const Resize *r, Error **errp)
{
    BlockNode *n = img_open(args, args->files[0], 0, errp);
    int prealloc = 0;
    uint64_t size;
    bool ok = false;

    if (!n) {
        return false;
    }
    while (r->prealloc && block_prealloc_names[prealloc] &&
           strcmp(block_prealloc_names[prealloc], r->prealloc)) {
        prealloc++;
    }
    if (!block_prealloc_names[prealloc]) {
        error_unknown_name(errp, "--preallocation", r->prealloc, block_prealloc_names);
    } else if (new_size(args->files[1], block_size(n), &size, errp)) {
        if (size < block_size(n) && !r->shrink) {
            error_fail(errp, "what lies behind %" PRIu64 " bytes would be lost: use --shrink",
                       size);
        } else {
            ok = block_truncate(n, size, prealloc, errp);
        }
    }
    block_node_unref(n);
    return ok;
}

static int run_resize(int argc, char **argv)
{
    ImgArgs args = {0};
    Resize r = {0};
    Error *err = NULL;
    char *last = argc > 2 ? argv[argc - 1] : NULL;
    bool less = last && *last == '-' && g_ascii_isdigit(last[1]);

    /* A size with a minus is no option. */
    if (!img_parse(&img_resize, argc - less, argv, "f:qh", resize_longs, &args, own_resize, &r)) {
        return 1;
    }
    args.n_files += less;
    if (args.n_files != 2) {
        return img_usage(&img_resize);
    }
    if (!resize(&args, &r, &err)) {
        return img_fail(err);
    }
    if (!args.quiet) {
        printf("Image resized.\n");
    }
    return 0;
}

const ImgCommand img_resize = {
    "resize",
    "[-q] [-f FORMAT] [--image-opts] [--shrink] [--preallocation=MODE] FILE [+|-]SIZE",
    run_resize,
};
