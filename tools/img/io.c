/* SPDX-License-Identifier: MIT */
/*
 * rhea-img io: single requests, for tests and the curious.  Commands come from -c or standard input, one a
 * line:
 *   read [-P BYTE] OFFSET LEN      and compare with the byte
 *   write [-P BYTE] OFFSET LEN     zero OFFSET LEN     unmap OFFSET LEN (zeroes that give space back)
 *   discard OFFSET LEN             compress [-P BYTE] OFFSET LEN
 *   flush   length   truncate SIZE   abort (ends at once, as in a crash)
 */
#include "rhea/osdep.h"

#include <getopt.h>

#include "img.h"
#include "rhea/report.h"

enum { MAX_TRANSFER = 1 << 30 };

typedef struct Request {
    bool has_pattern;
    int pattern;
    uint64_t offset, len;
} Request;

typedef struct IoCommand {
    const char *name;
    int args; /* OFFSET LEN: 2; SIZE: 1 */
    int (*run)(BlockNode *n, const Request *r);
} IoCommand;

/* --- What they do: 0 or a negative errno; 1: already told --- */

static int io_read(BlockNode *n, const Request *r)
{
    g_autofree uint8_t *buf = g_malloc(r->len + 1);
    int ret = block_pread(n, r->offset, buf, r->len);

    for (uint64_t i = 0; !ret && r->has_pattern && i < r->len; i++) {
        if (buf[i] != r->pattern) {
            report("byte %" PRIu64 " is 0x%02x, not 0x%02x", r->offset + i, buf[i], r->pattern);
            return 1;
        }
    }
    return ret;
}

static uint8_t *filled(const Request *r)
{
    uint8_t *buf = g_malloc(r->len + 1);

    memset(buf, r->has_pattern ? r->pattern : 0xcd, r->len);
    return buf;
}

static int io_write(BlockNode *n, const Request *r)
{
    g_autofree uint8_t *buf = filled(r);

    return block_pwrite(n, r->offset, buf, r->len);
}

static int io_compress(BlockNode *n, const Request *r)
{
    g_autofree uint8_t *buf = filled(r);

    return block_write_compressed(n, r->offset, buf, r->len);
}

static int io_zero(BlockNode *n, const Request *r)
{
    return block_write_zeroes(n, r->offset, r->len, false);
}

static int io_unmap(BlockNode *n, const Request *r)
{
    return block_write_zeroes(n, r->offset, r->len, true);
}

static int io_discard(BlockNode *n, const Request *r)
{
    return block_discard(n, r->offset, r->len);
}

static int io_flush(BlockNode *n, const Request *r)
{
    return block_flush(n);
}

static int io_length(BlockNode *n, const Request *r)
{
    printf("%" PRIu64 "\n", block_size(n));
    return 0;
}

static int io_truncate(BlockNode *n, const Request *r)
{
    Error *err = NULL;

    return block_truncate(n, r->offset, BLOCK_PREALLOC_OFF, &err) ? 0 : img_fail(err);
}

static int io_abort(BlockNode *n, const Request *r)
{
    fflush(stdout);
    _exit(0);
}

static const IoCommand commands[] = {
    {"read", 2, io_read},         {"write", 2, io_write},   {"compress", 2, io_compress},
    {"zero", 2, io_zero},         {"unmap", 2, io_unmap},   {"discard", 2, io_discard},
    {"truncate", 1, io_truncate}, {"length", 0, io_length}, {"flush", 0, io_flush},
    {"abort", 0, io_abort},
};

/* --- Reading them --- */

static bool take_request(char **words, int args, Request *r, Error **errp)
{
    uint64_t pattern;
    uint64_t *values[] = {&r->offset, &r->len};

    if (*words && !strcmp(*words, "-P")) {
        if (!words[1] || !parse_u64("-P", words[1], 255, &pattern, errp)) {
            return false;
        }
        r->has_pattern = true;
        r->pattern = (int)pattern;
        words += 2;
    }
    for (int i = 0; i < args; i++, words++) {
        if (!*words) {
            return error_fail(errp, "a number is missing");
        }
        if (!parse_size(i ? "length" : "offset", *words, 1, values[i], errp)) {
            return false;
        }
    }
    if (*words) {
        return error_fail(errp, "'%s' is too much", *words);
    }
    return args < 2 || r->len <= MAX_TRANSFER || error_fail(errp, "the length is too large");
}

static int run_line(BlockNode *n, const char *line)
{
    g_auto(GStrv) words = NULL;
    int argc;
    Error *err = NULL;

    if (!g_shell_parse_argv(line, &argc, &words, NULL)) {
        return 0; /* an empty line */
    }
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        Request r = {0};
        int ret;

        if (strcmp(commands[i].name, words[0])) {
            continue;
        }
        if (!take_request(words + 1, commands[i].args, &r, &err)) {
            error_prepend(&err, "%s: ", line);
            return img_fail(err);
        }
        ret = commands[i].run(n, &r);
        if (ret < 0) {
            report("%s: %s", line, strerror(-ret));
        }
        return ret != 0;
    }
    report("'%s' is not known; see the documentation of io", words[0]);
    return 1;
}

typedef struct Io {
    GPtrArray *lines;
    bool read_only, no_backing;
    const char *cache;
} Io;

static bool own_io(void *opaque, int letter, const char *arg)
{
    Io *io = opaque;

    switch (letter) {
    case 'c': g_ptr_array_add(io->lines, (char *)arg); break;
    case 'r': io->read_only = true; break;
    default: return false;
    }
    return true;
}

/* All lines are run; the status is that of the worst. */
static int run_lines(BlockNode *n, const Io *io)
{
    g_autofree char *line = NULL;
    size_t size = 0;
    int status = 0;

    for (guint i = 0; i < io->lines->len; i++) {
        status |= run_line(n, g_ptr_array_index(io->lines, i));
    }
    while (!io->lines->len && getline(&line, &size, stdin) > 0) {
        status |= run_line(n, g_strchomp(line));
        fflush(stdout);
    }
    return status;
}

static int run_io(int argc, char **argv)
{
    ImgArgs args = {0};
    Io io = {.lines = g_ptr_array_new()};
    Error *err = NULL;
    BlockNode *n;
    int status;

    if (!img_parse(&img_io, argc, argv, "f:c:rUh", NULL, &args, own_io, &io)) {
        status = 1;
    } else if (args.n_files != 1) {
        status = img_usage(&img_io);
    } else {
        n = img_open(&args, args.files[0], io.read_only ? BLOCK_READ_ONLY : 0, &err);
        status = n ? run_lines(n, &io) : img_fail(err);
        block_node_unref(n);
    }
    g_ptr_array_unref(io.lines);
    return status;
}

const ImgCommand img_io = {
    "io",
    "[-f FORMAT] [-r] [-U] [--image-opts] [-c COMMAND]... FILE",
    run_io,
};
