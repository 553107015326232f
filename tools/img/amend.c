/* SPDX-License-Identifier: MIT */
/* rhea-img amend. */
#include "rhea/osdep.h"

#include <getopt.h>

#include "img.h"

enum { OPT_FORCE = 512 };

static const struct option amend_longs[] = {{"force", no_argument, NULL, OPT_FORCE},
                                            {NULL, 0, NULL, 0}};

typedef struct Amend {
    ImgArgs args;
    bool force;
} Amend;

static bool own_amend(void *opaque, int letter, const char *arg)
{
    Amend *a = opaque;

    a->force |= letter == OPT_FORCE;
    return letter != 't' || img_cache_flags(arg, &a->args.flags);
}

/* Key slots can be changed with old-secret= alone: the image is opened without its key, then. */
static unsigned open_flags(Opts *o)
{
    bool slots = opts_peek(o, "state") || opts_peek(o, "encrypt.state");

    return BLOCK_NO_BACKING | (slots ? BLOCK_REPAIR : 0);
}

static int amend(const Amend *a)
{
    const ImgArgs *args = &a->args;
    Error *err = NULL;
    g_autoptr(Opts) o = opts_parse("amend", args->options->str, NULL, &err);
    BlockNode *n = o ? img_open(args, args->files[0], open_flags(o), &err) : NULL;
    bool ok = n && image_amend(n, o, a->force, &err);

    block_node_unref(n);
    return ok ? 0 : img_fail(err);
}

static int run_amend(int argc, char **argv)
{
    Amend a = {0};
    ImgArgs *args = &a.args;
    int status;

    if (!img_parse(&img_amend, argc, argv, "f:o:t:qph", amend_longs, args, own_amend, &a)) {
        return 1;
    }
    if (args->help_options) {
        status = img_options_help(image_amend_options(args->format ? args->format : "qcow2"));
    } else if (args->n_files != 1 || !args->options) {
        status = img_usage(&img_amend);
    } else {
        status = amend(&a);
    }
    img_args_clear(args);
    return status;
}

const ImgCommand img_amend = {
    "amend",
    "[--object OBJECT] [-q] [-p] [--force] [-f FORMAT] [-t CACHE] [--image-opts] -o OPTIONS FILE",
    run_amend,
};
