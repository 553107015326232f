/* SPDX-License-Identifier: MIT */
/* rhea-img bitmap: changes the persistent bitmaps of an image. */
#include "rhea/osdep.h"

#include <getopt.h>

#include "block/dirty-bitmap.h"
#include "img.h"

enum { OPT_ADD = 512, OPT_REMOVE, OPT_CLEAR, OPT_ENABLE, OPT_DISABLE, OPT_MERGE };

static const struct option bitmap_longs[] = {
    {"add", no_argument, NULL, OPT_ADD},           {"remove", no_argument, NULL, OPT_REMOVE},
    {"clear", no_argument, NULL, OPT_CLEAR},       {"enable", no_argument, NULL, OPT_ENABLE},
    {"disable", no_argument, NULL, OPT_DISABLE},   {"merge", required_argument, NULL, OPT_MERGE},
    {"granularity", required_argument, NULL, 'g'}, {NULL, 0, NULL, 0},
};

typedef struct Action {
    int what;
    const char *source; /* of a merge */
} Action;

typedef struct Bitmaps {
    GArray *actions; /* Action, in the order in which they were given */
    const char *granularity_text;
    uint64_t granularity; /* 0: what suits the image */
    BlockNode *source;    /* where merges take from */
} Bitmaps;

static bool own_bitmap(void *opaque, int letter, const char *arg)
{
    Bitmaps *b = opaque;
    Action action = {letter, arg};

    if (letter == 'g') {
        b->granularity_text = arg;
        return img_take_size("-g", arg, &b->granularity);
    }
    g_array_append_val(b->actions, action);
    return true;
}

static bool add(BlockNode *n, const char *name, uint64_t granularity, Error **errp)
{
    DirtyBitmap *made =
        image_can_keep_bitmaps(n, errp) ? dirty_bitmap_new(n, name, granularity, errp) : NULL;

    if (made) {
        dirty_bitmap_set_flag(made, DIRTY_BITMAP_PERSISTENT, true);
    }
    return made;
}

static bool remove_bitmap(BlockNode *n, const char *name, Error **errp)
{
    DirtyBitmap *b = dirty_bitmap_find(n, name);

    if (!b) {
        return error_fail(errp, "Dirty bitmap '%s' not found", name);
    }
    dirty_bitmap_free(b);
    return true;
}

static bool act(BlockNode *n, const char *name, const Bitmaps *all, const Action *a, Error **errp)
{
    DirtyBitmap *b, *from;

    if (a->what == OPT_ADD) {
        return add(n, name, all->granularity, errp);
    }
    if (a->what == OPT_REMOVE) {
        return remove_bitmap(n, name, errp);
    }
    b = dirty_bitmap_find_usable(n, name, errp);
    if (!b) {
        return false;
    }
    switch (a->what) {
    case OPT_CLEAR: dirty_bitmap_clear(b); return true;
    case OPT_ENABLE:
    case OPT_DISABLE:
        dirty_bitmap_set_flag(b, DIRTY_BITMAP_DISABLED, a->what == OPT_DISABLE);
        return true;
    default:
        from = dirty_bitmap_find_usable(all->source ? all->source : n, a->source, errp);
        return from && dirty_bitmap_merge(b, from, errp);
    }
}

static bool act_all(const ImgArgs *args, Bitmaps *b, Error **errp)
{
    BlockNode *n = img_open(args, args->files[0], BLOCK_NO_BACKING, errp);
    bool ok = n;

    if (ok && args->backing) {
        b->source = block_open("Could not open source", args->backing, args->backing_format,
                               BLOCK_READ_ONLY | BLOCK_NO_BACKING, errp);
        ok = b->source;
    }
    for (guint i = 0; ok && i < b->actions->len; i++) {
        ok = act(n, args->files[1], b, &g_array_index(b->actions, Action, i), errp);
    }
    /* What was done before one failed stays done. */
    ok = n && image_store_bitmaps(n, ok ? errp : NULL) && ok;
    block_node_unref(b->source);
    block_node_unref(n);
    return ok;
}

static bool check_usage(const ImgArgs *args, const Bitmaps *b, Error **errp)
{
    bool adds = false, merges = false;

    for (guint i = 0; i < b->actions->len; i++) {
        adds |= g_array_index(b->actions, Action, i).what == OPT_ADD;
        merges |= g_array_index(b->actions, Action, i).what == OPT_MERGE;
    }
    if (!b->actions->len) {
        return error_fail(errp, "one of --add, --remove, --clear, --enable, --disable and --merge "
                                "is needed");
    }
    if (b->granularity_text && !adds) {
        return error_fail(errp, "-g is for --add");
    }
    return (!args->backing && !args->backing_format) || merges ||
           error_fail(errp, "-b and -F are for --merge");
}

static int run_bitmap(int argc, char **argv)
{
    ImgArgs args = {0};
    Bitmaps b = {.actions = g_array_new(FALSE, FALSE, sizeof(Action))};
    Error *err = NULL;
    int status = 1;

    if (img_parse(&img_bitmap, argc, argv, "b:f:F:g:h", bitmap_longs, &args, own_bitmap, &b)) {
        if (args.n_files != 2) {
            status = img_usage(&img_bitmap);
        } else if (check_usage(&args, &b, &err) && act_all(&args, &b, &err)) {
            status = 0;
        } else {
            img_fail(err);
        }
    }
    g_array_unref(b.actions);
    return status;
}

const ImgCommand img_bitmap = {
    "bitmap",
    "(--add [-g GRANULARITY] | --remove | --clear | --enable | --disable | --merge SOURCE [-b FILE "
    "[-F FORMAT]])... [-f FORMAT] [--image-opts] FILE BITMAP",
    run_bitmap,
};
