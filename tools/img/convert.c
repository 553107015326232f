/* SPDX-License-Identifier: MIT */
/* rhea-img convert and dd: copies images from format to format. */
#include "rhea/osdep.h"

#include <getopt.h>

#include "block/dirty-bitmap.h"
#include "copy.h"

enum { DEFAULT_SPARSE = 4096, DEFAULT_WORKERS = 4, MAX_WORKERS = 16 };

/* --- convert --- */

typedef struct Convert {
    bool compress, no_create, target_is_zero, target_opts;
    bool bitmaps,
        skip_broken; /* persistent bitmaps go with the data; but for those that say nothing */
    uint64_t sparse, workers;
    unsigned flags, source_flags; /* of the target, of the sources */
    const char *backing, *snapshot;
} Convert;

enum { OPT_TARGET_IS_ZERO = 512, OPT_TARGET_IMAGE_OPTS, OPT_BITMAPS, OPT_SKIP_BROKEN };

static const struct option convert_longs[] = {
    {"target-is-zero", no_argument, NULL, OPT_TARGET_IS_ZERO},
    {"target-image-opts", no_argument, NULL, OPT_TARGET_IMAGE_OPTS},
    {"bitmaps", no_argument, NULL, OPT_BITMAPS},
    {"skip-broken-bitmaps", no_argument, NULL, OPT_SKIP_BROKEN},
    {NULL, 0, NULL, 0},
};

static bool own_convert(void *opaque, int letter, const char *arg)
{
    Convert *v = opaque;

    switch (letter) {
    case 'c': v->compress = true; return true;
    case 'n': v->no_create = true; return true;
    case 'B': v->backing = arg; return true;
    case 'l': v->snapshot = arg; return true;
    case 'W': return true; /* the order of writes is nobody's concern here */
    case 'S': return img_take_size("-S", arg, &v->sparse);
    case 'm': return img_take_size("-m", arg, &v->workers);
    case 't': return img_cache_flags(arg, &v->flags);
    case 'T': return img_cache_flags(arg, &v->source_flags);
    case OPT_TARGET_IMAGE_OPTS: v->target_opts = true; return true;
    case OPT_BITMAPS: v->bitmaps = true; return true;
    case OPT_SKIP_BROKEN: v->skip_broken = true; return true;
    case OPT_TARGET_IS_ZERO: v->target_is_zero = true; return true;
    default: return false;
    }
}

static bool check_convert(const ImgArgs *args, const Convert *v, Error **errp)
{
    if (v->workers < 1 || v->workers > MAX_WORKERS) {
        return error_fail(errp, "-m: 1 to %d are possible", MAX_WORKERS);
    }
    if (v->compress && v->sparse == 0) {
        return error_fail(errp, "-c leaves out zeroes: -S 0 does not go with it");
    }
    if (v->sparse % 512) {
        return error_fail(errp, "-S: %" PRIu64 " is no multiple of 512", v->sparse);
    }
    if (v->snapshot && args->n_files != 2) {
        return error_fail(errp, "-l takes one source");
    }
    if (v->bitmaps && (args->n_files != 2 || v->snapshot)) {
        return error_fail(errp, "--bitmaps takes one source, as it is now");
    }
    if (v->skip_broken && !v->bitmaps) {
        return error_fail(errp, "--skip-broken-bitmaps goes with --bitmaps");
    }
    if (v->target_opts && !v->no_create) {
        return error_fail(errp, "--target-image-opts needs -n: options do not make an image");
    }
    return !v->target_is_zero || v->no_create ||
           error_fail(errp, "--target-is-zero needs -n: a new image is known to be zero");
}

/* The options that open what is named; a new image is opened with the secrets that it was made with. */
static Opts *target_opts(const ImgArgs *args, const Convert *v, const char *filename, Error **errp)
{
    static const char *const secrets[] = {"key-secret", "encrypt.format", "encrypt.key-secret"};
    g_autoptr(Opts) made =
        opts_parse("-o", args->options && !v->no_create ? args->options->str : "", NULL, errp);
    Opts *o = made && v->target_opts ? opts_parse("--target-image-opts", filename, NULL, errp)
                                     : opts_new("Could not open");

    if (!made || !o || v->target_opts) {
        return o;
    }
    opts_add(o, "file", filename);
    if (args->out_format || !v->no_create) {
        opts_add(o, "format", args->out_format ? args->out_format : "raw");
    }
    for (size_t i = 0; i < ARRAY_SIZE(secrets); i++) {
        if (opts_peek(made, secrets[i])) {
            opts_add(o, secrets[i], opts_peek(made, secrets[i]));
        }
    }
    return o;
}

static BlockNode *open_existing(const ImgArgs *args, const Convert *v, const char *filename,
                                Error **errp)
{
    g_autoptr(Opts) o = target_opts(args, v, filename, errp);
    unsigned flags = v->flags | (v->no_create ? 0 : BLOCK_UNSAFE);
    BlockNode *n = o ? block_open_opts(o, flags | (v->target_opts ? 0 : BLOCK_DRIVE), errp) : NULL;

    if (n && !block_opts_done(o, n, NULL, errp)) {
        g_clear_pointer(&n, block_node_unref);
    }
    return n;
}

/* The target, made if it has to be. */
static BlockNode *open_target(const ImgArgs *args, const Convert *v, Copy *c, Error **errp)
{
    const char *format = args->out_format ? args->out_format : "raw";
    const char *filename = args->files[args->n_files - 1];
    BlockNode *n;

    if (!v->no_create &&
        !img_make(format, filename, c->total, args->options ? args->options->str : NULL, v->backing,
                  args->backing_format, false, errp)) {
        return NULL;
    }
    n = open_existing(args, v, filename, errp);
    if (n && block_size(n) < c->total) {
        error_fail(errp, "'%s' is smaller than what would be written to it", filename);
        g_clear_pointer(&n, block_node_unref);
    }
    return n;
}

/* --- Bitmaps --- */

typedef struct CopyBitmaps {
    BlockNode *to;
    bool skip_broken, ok;
    Error **errp;
} CopyBitmaps;

static bool copy_bitmap(DirtyBitmap *b, BlockNode *to, Error **errp)
{
    DirtyBitmap *made =
        dirty_bitmap_new(to, dirty_bitmap_name(b), dirty_bitmap_granularity(b), errp);

    if (!made) {
        return false;
    }
    dirty_bitmap_set_flag(made, DIRTY_BITMAP_PERSISTENT, true);
    dirty_bitmap_set_flag(made, DIRTY_BITMAP_DISABLED,
                          dirty_bitmap_flags(b) & DIRTY_BITMAP_DISABLED);
    return dirty_bitmap_merge(made, b, errp);
}

static void copy_bitmap_visit(DirtyBitmap *b, void *opaque)
{
    CopyBitmaps *c = opaque;
    bool broken = dirty_bitmap_flags(b) & DIRTY_BITMAP_INCONSISTENT;

    if (!c->ok || (broken && c->skip_broken)) {
        return;
    }
    c->ok = broken ? error_fail(c->errp,
                                "bitmap '%s' is inconsistent: it cannot be copied "
                                "(--skip-broken-bitmaps leaves such out)",
                                dirty_bitmap_name(b))
                   : copy_bitmap(b, c->to, c->errp);
}

/* After the data, so that nothing is recorded; stored at once, so that it is known to have worked. */
static bool copy_bitmaps(BlockNode *from, BlockNode *to, const Convert *v, Error **errp)
{
    CopyBitmaps c = {to, v->skip_broken, true, errp};

    dirty_bitmap_foreach(from, copy_bitmap_visit, &c);
    return c.ok && image_store_bitmaps(to, errp);
}

static bool convert(const ImgArgs *args, const Convert *v, Copy *c, Error **errp)
{
    int ret;

    for (int i = 0; i < args->n_files - 1; i++) {
        c->from[i] = img_open(args, args->files[i], BLOCK_READ_ONLY | v->source_flags, errp);
        if (!c->from[i]) {
            return false;
        }
        c->n_from++;
        if (v->snapshot && !image_snapshot_view(c->from[i], v->snapshot, errp)) {
            return false;
        }
        c->total += block_size(c->from[i]);
    }
    if (v->bitmaps && !image_can_keep_bitmaps(c->from[0], errp)) {
        return false;
    }
    c->to = open_target(args, v, c, errp);
    if (!c->to || (v->bitmaps && !image_can_keep_bitmaps(c->to, errp))) {
        return false;
    }
    c->compress |= image_whole_blocks(c->to);
    if (c->compress && !image_cluster_size(c->to)) {
        return error_fail(errp, "%s images are not compressed", block_driver_name(c->to));
    }
    c->blank = v->no_create ? v->target_is_zero
                            : !v->backing && !image_backing_file(c->to) && image_new_is_zero(c->to);
    c->only_top = v->backing != NULL;
    ret = img_copy(c);
    if (ret) {
        return error_fail_errno(errp, -ret, "copying failed");
    }
    return !v->bitmaps || copy_bitmaps(c->from[0], c->to, v, errp);
}

static int run_convert(int argc, char **argv)
{
    ImgArgs args = {0};
    Convert v = {.sparse = DEFAULT_SPARSE, .workers = DEFAULT_WORKERS};
    Copy c = {0};
    Error *err = NULL;
    bool ok;

    if (!img_parse(&img_convert, argc, argv, "f:O:B:F:o:cS:m:Wnl:pqt:T:Uh", convert_longs, &args,
                   own_convert, &v)) {
        return 1;
    }
    if (args.help_options) {
        return img_options_help(image_create_options(args.out_format ? args.out_format : "raw"));
    }
    if (args.n_files < 2) {
        return img_usage(&img_convert);
    }
    c.from = g_new0(BlockNode *, args.n_files);
    c.compress = v.compress;
    c.sparse = v.sparse;
    c.workers = (unsigned)v.workers;
    c.progress = args.progress && !args.quiet;
    ok = check_convert(&args, &v, &err) && convert(&args, &v, &c, &err);
    for (int i = 0; i < c.n_from; i++) {
        block_node_unref(c.from[i]);
    }
    block_node_unref(c.to);
    g_free(c.from);
    img_args_clear(&args);
    return ok ? 0 : img_fail(err);
}

const ImgCommand img_convert = {
    "convert",
    "[-f FORMAT] [-O FORMAT] [-B BACKING_FILE -F FORMAT] [-o OPTIONS] [-c] [-S SIZE] [-m WORKERS] "
    "[-n]\n"
    "      [--target-is-zero] [--target-image-opts] [--bitmaps [--skip-broken-bitmaps]] [-l "
    "SNAPSHOT] [-t CACHE] [-T CACHE] [-p] [-q] "
    "[-U] FILE... TARGET",
    run_convert,
};

/* --- dd --- */

typedef struct Dd {
    const char *in, *out;
    uint64_t bs, count, skip;
} Dd;

static bool dd_operand(Dd *dd, const char *arg, Error **errp)
{
    struct {
        const char *name;
        uint64_t *number;
        const char **text;
    } const known[] = {{"if=", NULL, &dd->in},
                       {"of=", NULL, &dd->out},
                       {"bs=", &dd->bs, NULL},
                       {"count=", &dd->count, NULL},
                       {"skip=", &dd->skip, NULL}};

    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (!g_str_has_prefix(arg, known[i].name)) {
            continue;
        }
        arg += strlen(known[i].name);
        if (known[i].text) {
            *known[i].text = arg;
            return true;
        }
        return parse_size(known[i].name, arg, 1, known[i].number, errp);
    }
    return error_fail(errp, "'%s' is not known (accepted: if=, of=, bs=, count=, skip=)", arg);
}

/* Copies block by block, without looking for zeroes: that is what it is used for. */
static int dd_copy(const Dd *dd, BlockNode *from, BlockNode *to, uint64_t start, uint64_t len)
{
    g_autofree uint8_t *buf = g_malloc(dd->bs);
    int ret = 0;

    for (uint64_t at = 0; !ret && at < len; at += dd->bs) {
        uint64_t n = MIN(dd->bs, len - at);

        ret = block_pread(from, start + at, buf, n);
        ret = ret ? ret : block_pwrite(to, at, buf, n);
    }
    return ret ? ret : block_flush(to);
}

static bool dd_run(const ImgArgs *args, const Dd *dd, Error **errp)
{
    const char *format = args->out_format ? args->out_format : "raw";
    BlockNode *from, *to = NULL;
    uint64_t size, start, len;
    bool ok = false;
    int ret;

    from = img_open(args, dd->in, BLOCK_READ_ONLY, errp);
    if (!from) {
        return false;
    }
    size = block_size(from);
    start = dd->skip > size / dd->bs ? size : dd->skip * dd->bs;
    len = dd->count < (size - start) / dd->bs ? dd->count * dd->bs : size - start;
    if (img_make(format, dd->out, len, NULL, NULL, NULL, false, errp)) {
        to = block_open("Could not open", dd->out, format, BLOCK_UNSAFE, errp);
    }
    if (to) {
        ret = dd_copy(dd, from, to, start, len);
        ok = !ret || error_fail_errno(errp, -ret, "copying failed");
    }
    block_node_unref(from);
    block_node_unref(to);
    return ok;
}

static int run_dd(int argc, char **argv)
{
    ImgArgs args = {0};
    Dd dd = {.bs = 512, .count = UINT64_MAX};
    Error *err = NULL;

    if (!img_parse(&img_dd, argc, argv, "f:O:Uh", NULL, &args, NULL, NULL)) {
        return 1;
    }
    for (int i = 0; i < args.n_files; i++) {
        if (!dd_operand(&dd, args.files[i], &err)) {
            return img_fail(err);
        }
    }
    if (!dd.in || !dd.out) {
        return img_usage(&img_dd);
    }
    if (!dd.bs || dd.bs > INT32_MAX) {
        error_fail(&err, "bs=: 1 to %d bytes are possible", INT32_MAX);
        return img_fail(err);
    }
    return dd_run(&args, &dd, &err) ? 0 : img_fail(err);
}

const ImgCommand img_dd = {
    "dd",
    "[-f FORMAT] [-O FORMAT] [-U] [--image-opts] [bs=N] [count=N] [skip=N] if=FILE of=FILE",
    run_dd,
};
