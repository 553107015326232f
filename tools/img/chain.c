/* SPDX-License-Identifier: MIT */
/* rhea-img commit and rebase: what is between an image and its backing files. */
#include "rhea/osdep.h"

#include <getopt.h>

#include "img.h"

enum { CHUNK = 1 << 20 };

/* --- commit --- */

static BlockNode *find_base(BlockNode *top, const char *name, Error **errp)
{
    for (BlockNode *n = block_backing(top); n; n = block_backing(n)) {
        if (!name || !strcmp(block_filename(n), name)) {
            return n;
        }
    }
    if (name) {
        error_fail(errp, "'%s' has no backing file '%s'", block_filename(top), name);
    } else {
        error_fail(errp, "'%s' has no backing file", block_filename(top));
    }
    return NULL;
}

typedef struct Commit {
    bool keep; /* -d: the image keeps what it has */
    const char *base;
} Commit;

static bool own_commit(void *opaque, int letter, const char *arg)
{
    Commit *c = opaque;

    if (letter == 't') {
        unsigned flags = 0;

        return img_cache_flags(arg, &flags);
    }
    c->keep |= letter == 'd';
    return true;
}

static void commit_progress(void *opaque, uint64_t done, uint64_t size)
{
    const ImgArgs *args = opaque;

    img_progress(args->progress, done, size);
}

static bool commit(ImgArgs *args, const Commit *c, Error **errp)
{
    BlockNode *top = img_open(args, args->files[0], 0, errp);
    BlockNode *base = top ? find_base(top, args->backing, errp) : NULL;
    bool ok = base && block_set_read_only(base, false, errp) &&
              image_commit(top, base, c->keep, commit_progress, args, errp);

    block_node_unref(top);
    return ok;
}

static int run_commit(int argc, char **argv)
{
    ImgArgs args = {0};
    Commit c = {0};
    Error *err = NULL;

    if (!img_parse(&img_commit, argc, argv, "f:t:b:dpqh", NULL, &args, own_commit, &c)) {
        return 1;
    }
    if (args.n_files != 1) {
        return img_usage(&img_commit);
    }
    if (!commit(&args, &c, &err)) {
        return img_fail(err);
    }
    if (!args.quiet) {
        printf("Image committed.\n");
    }
    return 0;
}

const ImgCommand img_commit = {
    "commit",
    "[-q] [-f FORMAT] [-t CACHE] [-b BASE] [-d] [-p] [--image-opts] FILE",
    run_commit,
};

/* --- rebase --- */

typedef struct Rebase {
    BlockNode *top, *old, *new; /* backing files, NULL: none */
    uint8_t *buf[2];
} Rebase;

static int read_below(BlockNode *n, uint64_t offset, uint8_t *buf, uint64_t len)
{
    uint64_t size = n ? block_size(n) : 0, have = offset < size ? MIN(len, size - offset) : 0;

    memset(buf + have, 0, len - have);
    return have ? block_pread(n, offset, buf, have) : 0;
}

/* Sectors in which the new backing file differs from the old are written to the image. */
static int rebase_chunk(Rebase *r, uint64_t offset, uint64_t len)
{
    enum { SECTOR = 512 };
    int ret = read_below(r->old, offset, r->buf[0], len);

    ret = ret ? ret : read_below(r->new, offset, r->buf[1], len);
    for (uint64_t at = 0, end; !ret && at < len; at = end) {
        bool differs = memcmp(r->buf[0] + at, r->buf[1] + at, MIN(SECTOR, len - at));

        end = MIN(at + SECTOR, len);
        while (end < len &&
               differs == !!memcmp(r->buf[0] + end, r->buf[1] + end, MIN(SECTOR, len - end))) {
            end = MIN(end + SECTOR, len);
        }
        if (differs) {
            ret = block_pwrite(r->top, offset + at, r->buf[0] + at, end - at);
        }
    }
    return ret;
}

static int rebase_data(const ImgArgs *args, Rebase *r)
{
    uint64_t size = block_size(r->top);
    int ret = 0;

    for (uint64_t at = 0, n; !ret && at < size; at += n) {
        BlockStatus st;

        ret = block_status(r->top, at, size - at, &st);
        n = st.allocated ? st.run : MIN(st.run, CHUNK);
        if (!ret && !st.allocated) {
            ret = rebase_chunk(r, at, n);
        }
        img_progress(args->progress, at + n, size);
    }
    return ret ? ret : block_flush(r->top);
}

/* The new backing file, as the image would name it. */
static BlockNode *open_new(const ImgArgs *args, Error **errp)
{
    g_autofree char *path = image_backing_path(args->files[0], args->backing);

    return block_open("Could not open", path, args->backing_format, BLOCK_READ_ONLY, errp);
}

static bool rebase(const ImgArgs *args, bool only_header, Error **errp)
{
    bool none = !args->backing || !*args->backing;
    Rebase r = {0};
    bool ok;
    int ret;

    r.top = img_open(args, args->files[0], only_header ? BLOCK_NO_BACKING : 0, errp);
    ok = r.top != NULL;
    if (ok && !only_header) {
        r.old = block_backing(r.top);
        r.new = none ? NULL : open_new(args, errp);
        ok = none || r.new != NULL;
        if (ok) {
            r.buf[0] = g_malloc(CHUNK);
            r.buf[1] = g_malloc(CHUNK);
            ret = rebase_data(args, &r);
            ok = !ret || error_fail_errno(errp, -ret, "rebasing failed");
        }
    }
    ok = ok && image_set_backing(r.top, none ? NULL : args->backing,
                                 none ? NULL : args->backing_format, errp);
    g_free(r.buf[0]);
    g_free(r.buf[1]);
    block_node_unref(r.new);
    block_node_unref(r.top);
    return ok;
}

static bool own_rebase(void *opaque, int letter, const char *arg)
{
    unsigned flags = 0;

    if (letter == 'u') {
        *(bool *)opaque = true;
    }
    return letter == 'u' || img_cache_flags(arg, &flags);
}

static int run_rebase(int argc, char **argv)
{
    ImgArgs args = {0};
    bool only_header = false;
    Error *err = NULL;

    if (!img_parse(&img_rebase, argc, argv, "f:F:b:ut:T:pqUh", NULL, &args, own_rebase,
                   &only_header)) {
        return 1;
    }
    if (args.n_files != 1) {
        return img_usage(&img_rebase);
    }
    if (args.backing && *args.backing && !args.backing_format) {
        error_fail(&err, "backing file '%s' needs its format (-F)", args.backing);
        return img_fail(err);
    }
    return rebase(&args, only_header, &err) ? 0 : img_fail(err);
}

const ImgCommand img_rebase = {
    "rebase",
    "[-q] [-f FORMAT] [-t CACHE] [-T CACHE] [-p] [-u] [-U] [--image-opts] -b BACKING_FILE [-F "
    "FORMAT] FILE",
    run_rebase,
};
