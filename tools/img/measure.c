/* SPDX-License-Identifier: MIT */
/* rhea-img measure and bench: how large an image will be, and how fast one is. */
#include "rhea/osdep.h"

#include <getopt.h>

#include "block/dirty-bitmap.h"
#include "img.h"
#include "rhea/json.h"

/* --- measure --- */

typedef struct Measure {
    uint64_t size; /* UINT64_MAX: that of a file */
    uint64_t cluster, refcount_bits;
    bool extended_l2;
    uint64_t crypt; /* bytes of an encryption header, 0: none */
} Measure;

typedef struct Needs {
    uint64_t required, full;
    bool has_bitmaps; /* the source can have some */
    uint64_t bitmaps;
} Needs;

static uint64_t div_up(uint64_t a, uint64_t b)
{
    return a / b + !!(a % b);
}

/* The clusters of an image with @data clusters of data. */
static uint64_t file_clusters(const Measure *m, uint64_t data)
{
    uint64_t per_l2 = m->cluster / (m->extended_l2 ? 16 : 8);
    uint64_t l2 = div_up(div_up(m->size, m->cluster), per_l2);
    uint64_t fixed = 1 + l2 + div_up(l2 * 8, m->cluster) + data + div_up(m->crypt, m->cluster);
    uint64_t blocks = 0, table = 0;

    for (;;) {
        uint64_t want = div_up((fixed + blocks + table) * m->refcount_bits, m->cluster * 8);

        if (want == blocks) {
            return fixed + blocks + table;
        }
        blocks = want;
        table = div_up(blocks * 8, m->cluster);
    }
}

/* The clusters that hold data in the source. */
static bool count_data(const Measure *m, BlockNode *n, uint64_t unit, uint64_t *count, Error **errp)
{
    uint64_t counted_to = 0; /* units below are counted or empty */

    *count = 0;
    for (uint64_t at = 0; at < m->size;) {
        BlockStatus st;
        int ret = block_status_chain(n, NULL, at, m->size - at, &st);

        if (ret) {
            return error_fail_errno(errp, -ret, "'%s' at offset %" PRIu64, block_filename(n), at);
        }
        if (!st.zero) {
            uint64_t first = MAX(at / unit, counted_to), end = div_up(at + st.run, unit);

            *count += end > first ? end - first : 0;
            counted_to = MAX(counted_to, end);
        }
        at += st.run;
    }
    return true;
}

/* What the persistent bitmaps of the source take in the new image. */
typedef struct BitmapSizes {
    const Measure *m;
    uint64_t clusters, directory;
} BitmapSizes;

static void add_bitmap_size(DirtyBitmap *b, void *opaque)
{
    BitmapSizes *sizes = opaque;
    uint64_t data = div_up(dirty_bitmap_bytes(b), sizes->m->cluster);

    if (!(dirty_bitmap_flags(b) & DIRTY_BITMAP_INCONSISTENT)) {
        sizes->clusters += data + div_up(data * 8, sizes->m->cluster);
        sizes->directory += div_up(24 + strlen(dirty_bitmap_name(b)), 8) * 8;
    }
}

static void measure_bitmaps(const Measure *m, BlockNode *n, Needs *needs)
{
    g_autoptr(Error) none = NULL;
    BitmapSizes sizes = {.m = m};

    needs->has_bitmaps = image_can_keep_bitmaps(n, &none);
    if (needs->has_bitmaps) {
        dirty_bitmap_foreach(n, add_bitmap_size, &sizes);
        needs->bitmaps = (sizes.clusters + div_up(sizes.directory, m->cluster)) * m->cluster;
    }
}

static bool qcow2_options(Opts *o, Measure *m, Error **errp)
{
    g_autoptr(Opts) encrypt = opts_take_sub(o, "encrypt");
    const char *format = opts_take(encrypt, "format");

    if (!opts_take_size(o, "cluster_size", &m->cluster, errp) ||
        !opts_take_u64(o, "refcount_bits", 64, &m->refcount_bits, errp) ||
        !opts_take_bool(o, "extended_l2", &m->extended_l2, errp)) {
        return false;
    }
    if (m->cluster < 512 || m->cluster > 2 << 20 || m->cluster & (m->cluster - 1) ||
        !m->refcount_bits || m->refcount_bits & (m->refcount_bits - 1)) {
        return error_fail(errp, "-o: cluster_size or refcount_bits cannot be");
    }
    if (format && strcmp(format, "luks")) {
        return error_fail(errp, "-o: encrypt.format: '%s' is not possible (accepted: luks)",
                          format);
    }
    return !format || image_luks_room(encrypt, &m->crypt, errp);
}

static bool measure_options(const ImgArgs *args, Measure *m, Error **errp)
{
    g_autoptr(Opts) o = opts_parse("-o", args->options ? args->options->str : "", NULL, errp);
    bool luks = args->out_format && !strcmp(args->out_format, "luks");

    m->cluster = 65536;
    m->refcount_bits = 16;
    return o && (luks ? image_luks_room(o, &m->crypt, errp) : qcow2_options(o, m, errp));
}

static void add_up(const Measure *m, bool qcow2, uint64_t data, Needs *needs)
{
    if (qcow2) {
        needs->required = file_clusters(m, data) * m->cluster;
        needs->full = file_clusters(m, div_up(m->size, m->cluster)) * m->cluster;
    } else {
        needs->required = m->crypt ? m->crypt + m->size : data;
        needs->full = m->crypt + m->size;
    }
}

static bool measure(const ImgArgs *args, Measure *m, Needs *needs, Error **errp)
{
    static const char *const formats[] = {"raw", "qcow2", "luks", NULL};
    const char *format = args->out_format ? args->out_format : "raw";
    bool qcow2 = !strcmp(format, "qcow2");
    uint64_t data = qcow2 ? 0 : m->size;
    BlockNode *n = NULL;
    bool ok = true;

    if (!g_strv_contains(formats, format)) {
        return error_fail(errp, "-O: '%s' is not measured (accepted: raw, qcow2, luks)", format);
    }
    if (!measure_options(args, m, errp)) {
        return false;
    }
    if (args->n_files) {
        n = img_open(args, args->files[0], BLOCK_READ_ONLY, errp);
        if (!n) {
            return false;
        }
        m->size = block_size(n);
        ok = count_data(m, n, qcow2 ? m->cluster : 1, &data, errp);
        if (qcow2) {
            measure_bitmaps(m, n, needs);
        }
    }
    block_node_unref(n);
    add_up(m, qcow2, data, needs);
    return ok;
}

enum { OPT_SIZE = 512 };

static const struct option measure_longs[] = {{"size", required_argument, NULL, OPT_SIZE},
                                              {NULL, 0, NULL, 0}};

static bool own_measure(void *opaque, int letter, const char *arg)
{
    return letter == OPT_SIZE && img_take_size("--size", arg, &((Measure *)opaque)->size);
}

static void print_needs(const Needs *needs, bool json)
{
    if (json) {
        printf("{\n");
        if (needs->has_bitmaps) {
            printf("    \"bitmaps\": %" PRIu64 ",\n", needs->bitmaps);
        }
        printf("    \"required\": %" PRIu64 ",\n    \"fully-allocated\": %" PRIu64 "\n}\n",
               needs->required, needs->full);
        return;
    }
    printf("required size: %" PRIu64 "\nfully allocated size: %" PRIu64 "\n", needs->required,
           needs->full);
    if (needs->has_bitmaps) {
        printf("bitmaps size: %" PRIu64 "\n", needs->bitmaps);
    }
}

static int run_measure(int argc, char **argv)
{
    ImgArgs args = {0};
    Measure m = {.size = UINT64_MAX};
    Needs needs = {0};
    Error *err = NULL;
    int status;

    if (!img_parse(&img_measure, argc, argv, "f:O:o:Uh", measure_longs, &args, own_measure, &m)) {
        return 1;
    }
    if (args.n_files > 1 || (args.n_files == 1) == (m.size != UINT64_MAX)) {
        status = img_usage(&img_measure);
    } else if (!measure(&args, &m, &needs, &err)) {
        status = img_fail(err);
    } else {
        print_needs(&needs, args.output == IMG_JSON);
        status = 0;
    }
    img_args_clear(&args);
    return status;
}

const ImgCommand img_measure = {
    "measure",
    "[--object OBJECT] [--output=human|json] [-O FORMAT] [-o OPTIONS] [--size=N | [-f FORMAT] [-U] "
    "[--image-opts] "
    "FILE]",
    run_measure,
};

/* --- bench --- */

typedef struct Bench {
    BlockNode *n;
    uint64_t count, depth, size, step, offset, flush_interval, pattern;
    bool write;
    unsigned flags;
    GMutex lock;
    uint64_t next;
    int ret;
} Bench;

enum { OPT_FLUSH = 512, OPT_PATTERN };

static const struct option bench_longs[] = {{"flush-interval", required_argument, NULL, OPT_FLUSH},
                                            {"pattern", required_argument, NULL, OPT_PATTERN},
                                            {NULL, 0, NULL, 0}};

static bool own_bench(void *opaque, int letter, const char *arg)
{
    Bench *b = opaque;

    switch (letter) {
    case 'c': return img_take_size("-c", arg, &b->count);
    case 'd': return img_take_size("-d", arg, &b->depth);
    case 's': return img_take_size("-s", arg, &b->size);
    case 'S': return img_take_size("-S", arg, &b->step);
    case OPT_FLUSH: return img_take_size("--flush-interval", arg, &b->flush_interval);
    case OPT_PATTERN: return img_take_size("--pattern", arg, &b->pattern);
    case 'w': b->write = true; return true;
    case 't': return img_cache_flags(arg, &b->flags);
    case 'n': return true; /* there is one way of doing I/O */
    default: return false;
    }
}

/* One of @depth threads, each with one request at a time. */
static gpointer bench_thread(gpointer opaque)
{
    Bench *b = opaque;
    g_autofree uint8_t *buf = g_malloc(b->size);
    uint64_t room = block_size(b->n) - b->size + 1;

    memset(buf, (int)b->pattern, b->size);
    for (;;) {
        uint64_t i, offset;
        int ret;

        g_mutex_lock(&b->lock);
        i = b->next++;
        ret = b->ret;
        g_mutex_unlock(&b->lock);
        if (i >= b->count || ret) {
            return NULL;
        }
        offset = (b->offset + i * b->step) % room;
        ret = b->write ? block_pwrite(b->n, offset, buf, b->size)
                       : block_pread(b->n, offset, buf, b->size);
        if (!ret && b->flush_interval && (i + 1) % b->flush_interval == 0) {
            ret = block_flush(b->n);
        }
        if (ret) {
            g_mutex_lock(&b->lock);
            b->ret = ret;
            g_mutex_unlock(&b->lock);
        }
    }
}

static bool bench(Bench *b, Error **errp)
{
    g_autoptr(GPtrArray) threads = g_ptr_array_new();
    gint64 start;

    if (!b->size || b->size > INT32_MAX || b->size > block_size(b->n) || !b->depth ||
        b->depth > 1024) {
        return error_fail(errp, "the size of requests or their number in parallel cannot be");
    }
    b->step = b->step ? b->step : b->size;
    printf("Sending %" PRIu64 " %s requests, %" PRIu64 " bytes each, %" PRIu64
           " in parallel (starting at offset %" PRIu64 ", step size %" PRIu64 ")\n",
           b->count, b->write ? "write" : "read", b->size, b->depth, b->offset, b->step);
    start = g_get_monotonic_time();
    for (uint64_t i = 0; i < b->depth; i++) {
        g_ptr_array_add(threads, g_thread_new("bench", bench_thread, b));
    }
    for (guint i = 0; i < threads->len; i++) {
        g_thread_join(g_ptr_array_index(threads, i));
    }
    if (b->ret) {
        return error_fail_errno(errp, -b->ret, "a request failed");
    }
    printf("Run completed in %.3f seconds.\n", (double)(g_get_monotonic_time() - start) / 1e6);
    return true;
}

static int run_bench(int argc, char **argv)
{
    ImgArgs args = {0};
    Bench b = {.count = 75000, .depth = 64, .size = 4096};
    Error *err = NULL;
    bool ok;

    if (!img_parse(&img_bench, argc, argv, "c:d:f:no:qs:S:t:wUh", bench_longs, &args, own_bench,
                   &b)) {
        return 1;
    }
    if (args.n_files != 1) {
        return img_usage(&img_bench);
    }
    if (args.options && !img_take_size("-o", args.options->str, &b.offset)) {
        return 1;
    }
    b.n = img_open(&args, args.files[0], b.flags | (b.write ? 0 : BLOCK_READ_ONLY), &err);
    ok = b.n && bench(&b, &err);
    block_node_unref(b.n);
    img_args_clear(&args);
    return ok ? 0 : img_fail(err);
}

const ImgCommand img_bench = {
    "bench",
    "[-c COUNT] [-d DEPTH] [-s SIZE] [-S STEP] [-o OFFSET] [-w [--pattern=BYTE] "
    "[--flush-interval=N]]\n"
    "      [-f FORMAT] [-t CACHE] [-n] [-q] [-U] [--image-opts] FILE",
    run_bench,
};
