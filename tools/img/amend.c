/* SPDX-License-Identifier: MIT */
/* rhea-img amend. */
#include "rhea/osdep.h"

#include "img.h"

static bool own_amend(void *opaque, int letter, const char *arg)
{
    return letter != 't' || img_cache_flags(arg, &((ImgArgs *)opaque)->flags);
}

static int amend(const ImgArgs *args)
{
    Error *err = NULL;
    g_autoptr(Opts) o = opts_parse("amend", args->options->str, NULL, &err);
    BlockNode *n = o ? img_open(args, args->files[0], BLOCK_NO_BACKING, &err) : NULL;
    bool ok = n && image_amend(n, o, &err);

    block_node_unref(n);
    return ok ? 0 : img_fail(err);
}

static int run_amend(int argc, char **argv)
{
    ImgArgs args = {0};
    int status;

    if (!img_parse(&img_amend, argc, argv, "f:o:t:qph", NULL, &args, own_amend, &args)) {
        return 1;
    }
    if (args.help_options) {
        status = img_options_help(image_amend_options(args.format ? args.format : "qcow2"));
    } else if (args.n_files != 1 || !args.options) {
        status = img_usage(&img_amend);
    } else {
        status = amend(&args);
    }
    img_args_clear(&args);
    return status;
}

const ImgCommand img_amend = {
    "amend",
    "[-q] [-p] [-f FORMAT] [-t CACHE] [--image-opts] -o OPTIONS FILE",
    run_amend,
};
