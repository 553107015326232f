/* SPDX-License-Identifier: MIT */
/* rhea-img compare and map. */
#include "rhea/osdep.h"

#include <getopt.h>

#include "img.h"
#include "rhea/iov.h"

enum { CHUNK = 1 << 20 };

/* --- compare --- */

typedef struct Compare {
    BlockNode *n[2];
    uint8_t *buf[2];
    bool strict;
    uint64_t where; /* of a difference */
} Compare;

typedef enum Verdict { SAME, DIFFERENT, BROKEN } Verdict;

static int status_at(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st)
{
    uint64_t size = block_size(n);

    if (offset >= size) {
        *st = (BlockStatus){.run = len, .zero = true, .beyond_end = true};
        return 0;
    }
    return block_status_chain(n, NULL, offset, MIN(len, size - offset), st);
}

/* @len bytes, of which those behind the end are zeroes. */
static int read_at(BlockNode *n, uint64_t offset, uint8_t *buf, uint64_t len)
{
    uint64_t size = block_size(n), have = offset < size ? MIN(len, size - offset) : 0;

    memset(buf + have, 0, len - have);
    return have ? block_pread(n, offset, buf, have) : 0;
}

static Verdict compare_bytes(Compare *c, uint64_t offset, uint64_t len, const BlockStatus *st)
{
    for (int i = 0; i < 2; i++) {
        int ret = 0;

        if (st[i].zero) {
            memset(c->buf[i], 0, len);
        } else {
            ret = read_at(c->n[i], offset, c->buf[i], len);
        }
        if (ret) {
            fprintf(stderr, "Error while reading offset %" PRIu64 " of %s: %s\n", offset,
                    block_filename(c->n[i]), strerror(-ret));
            return BROKEN;
        }
    }
    for (uint64_t i = 0; memcmp(c->buf[0] + i, c->buf[1] + i, len - i); i++) {
        if (c->buf[0][i] != c->buf[1][i]) {
            c->where = offset + i;
            return DIFFERENT;
        }
    }
    return SAME;
}

/* What is alike in both from @offset on; *run says how far. */
static Verdict compare_step(Compare *c, uint64_t offset, uint64_t len, uint64_t *run)
{
    BlockStatus st[2];

    for (int i = 0; i < 2; i++) {
        int ret = status_at(c->n[i], offset, len, &st[i]);

        if (ret) {
            fprintf(stderr, "Error while looking at offset %" PRIu64 " of %s: %s\n", offset,
                    block_filename(c->n[i]), strerror(-ret));
            return BROKEN;
        }
    }
    *run = MIN(st[0].run, st[1].run);
    c->where = offset;
    if (c->strict && st[0].data != st[1].data) {
        return DIFFERENT;
    }
    if (st[0].zero && st[1].zero) {
        return SAME;
    }
    *run = MIN(*run, CHUNK);
    return compare_bytes(c, offset, *run, st);
}

static int compare(Compare *c, const ImgArgs *args)
{
    uint64_t sizes[2] = {block_size(c->n[0]), block_size(c->n[1])};
    uint64_t total = MAX(sizes[0], sizes[1]);

    if (sizes[0] != sizes[1]) {
        if (c->strict) {
            printf("Strict mode: Image size mismatch!\n");
            return 1;
        }
        if (!args->quiet) {
            printf("Warning: Image size mismatch!\n");
        }
    }
    for (uint64_t at = 0, run; at < total; at += run) {
        Verdict v = compare_step(c, at, total - at, &run);

        if (v == BROKEN) {
            return IMG_COMPARE_ERROR;
        }
        if (v == DIFFERENT) {
            if (!args->quiet) {
                printf("Content mismatch at offset %" PRIu64 "!\n", c->where);
            }
            return 1;
        }
        img_progress(args->progress, at + run, total);
    }
    if (!args->quiet) {
        printf("Images are identical.\n");
    }
    return 0;
}

static bool own_compare(void *opaque, int letter, const char *arg)
{
    Compare *c = opaque;

    c->strict |= letter == 's';
    return true;
}

static int run_compare(int argc, char **argv)
{
    ImgArgs args = {0}, second;
    Compare c = {0};
    Error *err = NULL;
    int status = IMG_COMPARE_ERROR;

    if (!img_parse(&img_compare, argc, argv, "f:F:T:pqsUh", NULL, &args, own_compare, &c)) {
        return IMG_COMPARE_ERROR;
    }
    if (args.n_files != 2) {
        img_usage(&img_compare);
        return IMG_COMPARE_ERROR;
    }
    second = args;
    second.format = args.backing_format;
    c.n[0] = img_open(&args, args.files[0], BLOCK_READ_ONLY, &err);
    c.n[1] = c.n[0] ? img_open(&second, args.files[1], BLOCK_READ_ONLY, &err) : NULL;
    if (c.n[1]) {
        c.buf[0] = g_malloc(CHUNK);
        c.buf[1] = g_malloc(CHUNK);
        status = compare(&c, &args);
    } else {
        img_fail(err);
    }
    for (int i = 0; i < 2; i++) {
        block_node_unref(c.n[i]);
        g_free(c.buf[i]);
    }
    return status;
}

const ImgCommand img_compare = {
    "compare",
    "[-f FORMAT] [-F FORMAT] [-p] [-q] [-s] [-U] [--image-opts] FILE1 FILE2",
    run_compare,
};

/* --- map --- */

typedef struct Map {
    BlockNode *n;
    uint64_t offset, len;
    bool json, first;
} Map;

static void print_extent(Map *m, uint64_t start, const BlockStatus *st)
{
    bool present = st->allocated && !st->beyond_end;

    if (m->json) {
        printf("%s{ \"start\": %" PRIu64 ", \"length\": %" PRIu64 ", \"depth\": %d, "
               "\"present\": %s, \"zero\": %s, \"data\": %s, \"compressed\": %s",
               m->first ? "[" : ",\n", start, st->run, st->depth, present ? "true" : "false",
               st->zero ? "true" : "false", st->data ? "true" : "false",
               st->compressed ? "true" : "false");
        if (st->has_offset) {
            printf(", \"offset\": %" PRIu64, st->offset);
        }
        printf("}");
    } else if (st->data && !st->zero) {
        BlockNode *n = m->n;

        for (int i = 0; i < st->depth; i++) {
            n = block_backing(n);
        }
        printf("0x%-14" PRIx64 "0x%-14" PRIx64, start, st->run);
        if (st->has_offset) {
            printf("0x%-14" PRIx64 "%s\n", st->offset, block_filename(n));
        } else {
            printf("%-16s%s\n", "compressed", block_filename(n));
        }
    }
    m->first = false;
}

/* Whether @b, which begins where @a ends, only makes it longer. */
static bool extent_joins(const BlockStatus *a, const BlockStatus *b)
{
    return a->allocated == b->allocated && a->data == b->data && a->zero == b->zero &&
           a->compressed == b->compressed && a->depth == b->depth &&
           a->beyond_end == b->beyond_end && a->has_offset == b->has_offset &&
           (!a->has_offset || a->offset + a->run == b->offset);
}

/* What lies in a hole of the file, or behind its end, is zeroes, too. */
static int map_status(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st)
{
    int ret = block_status_chain(n, NULL, offset, len, st);
    BlockNode *file = n;
    BlockStatus below;
    uint64_t size;

    for (int i = 0; !ret && i < st->depth; i++) {
        file = block_backing(file);
    }
    file = block_file(file);
    if (ret || !st->data || !st->has_offset || !file) {
        return ret;
    }
    size = block_size(file);
    if (st->offset >= size) {
        st->zero = true;
    } else if (!block_status(file, st->offset, MIN(st->run, size - st->offset), &below)) {
        st->run = below.run;
        st->zero |= below.zero;
    }
    return 0;
}

static int map(Map *m)
{
    uint64_t at = m->offset, end = MIN(block_size(m->n), m->offset + m->len), start = at;
    BlockStatus all = {0}, st;

    if (!m->json) {
        printf("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File");
    }
    for (; at < end; at += st.run) {
        int ret = map_status(m->n, at, end - at, &st);

        if (ret) {
            fprintf(stderr, "Error while looking at offset %" PRIu64 ": %s\n", at, strerror(-ret));
            return 1;
        }
        if (all.run && extent_joins(&all, &st)) {
            all.run += st.run;
            continue;
        }
        if (all.run) {
            print_extent(m, start, &all);
        }
        start = at;
        all = st;
    }
    if (all.run) {
        print_extent(m, start, &all);
    }
    if (m->json) {
        printf("%s]\n", m->first ? "[" : "");
    }
    return 0;
}

static const struct option map_longs[] = {{"start-offset", required_argument, NULL, 's'},
                                          {"max-length", required_argument, NULL, 'l'},
                                          {NULL, 0, NULL, 0}};

static bool own_map(void *opaque, int letter, const char *arg)
{
    Map *m = opaque;

    return img_take_size(letter == 's' ? "--start-offset" : "--max-length", arg,
                         letter == 's' ? &m->offset : &m->len);
}

static int run_map(int argc, char **argv)
{
    ImgArgs args = {0};
    Map m = {.len = INT64_MAX, .first = true};
    Error *err = NULL;
    int status;

    if (!img_parse(&img_map, argc, argv, "f:s:l:Uh", map_longs, &args, own_map, &m)) {
        return 1;
    }
    if (args.n_files != 1) {
        return img_usage(&img_map);
    }
    m.json = args.output == IMG_JSON;
    m.n = img_open(&args, args.files[0], BLOCK_READ_ONLY, &err);
    m.len = MIN(m.len, INT64_MAX - MIN(m.offset, INT64_MAX));
    status = m.n ? map(&m) : img_fail(err);
    block_node_unref(m.n);
    return status;
}

const ImgCommand img_map = {
    "map",
    "[-f FORMAT] [--output=human|json] [--start-offset=N] [--max-length=N] [-U] [--image-opts] "
    "FILE",
    run_map,
};
