/* SPDX-License-Identifier: MIT */
/* The commands about images as wholes, and about the session. */
#include "rhea/osdep.h"

#include <getopt.h>
#include <signal.h>

#include "io.h"
#include "rhea/report.h"

/* --- Opening --- */

static void add_if(Opts *o, const char *name, const char *value)
{
    if (value) {
        opts_add(o, name, value);
    }
}

BlockNode *io_open(const IoOpen *how, Error **errp)
{
    static const char *const more[] = {"format", "cache", "aio", NULL};
    const char *list = how->image_opts ? how->filename : how->options;
    g_autoptr(Opts) o = list ? opts_parse("options", list, NULL, errp) : opts_new("can't open");
    BlockNode *n;

    if (!o) {
        return NULL;
    }
    if (!how->image_opts) {
        add_if(o, "file", how->filename);
    }
    add_if(o, how->image_opts ? "driver" : "format", how->format);
    add_if(o, "cache", how->cache);
    add_if(o, "discard", how->discard);
    add_if(o, "file.aio", how->aio);
    n = block_open_opts(o, how->flags | (how->image_opts ? 0 : BLOCK_DRIVE), errp);
    if (n && !block_opts_done(o, n, more, errp)) {
        g_clear_pointer(&n, block_node_unref);
    }
    return n;
}

static bool run_close(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    io_wait(s);
    g_clear_pointer(&s->n, block_node_unref);
    return true;
}

static bool run_open(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    IoOpen how = {0};
    Error *err = NULL;
    int letter;

    while ((letter = getopt(argc, argv, "rsnUt:d:o:")) >= 0) {
        switch (letter) {
        case 'r': how.flags |= BLOCK_READ_ONLY; break;
        case 's': how.flags |= BLOCK_TEMPORARY; break;
        case 'n': how.cache = "none"; break;
        case 'U': how.flags |= BLOCK_SHARED | BLOCK_READ_ONLY; break;
        case 't': how.cache = optarg; break;
        case 'd': how.discard = optarg; break;
        case 'o': how.options = optarg; break;
        default: return false;
        }
    }
    if (!io_check_count(c, argc - optind)) {
        return false;
    }
    if (s->n) {
        report("file open already, try 'help close'");
        return false;
    }
    how.filename = argv[optind];
    s->n = io_open(&how, &err);
    return s->n || io_fail(err);
}

static bool run_reopen(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    bool read_only = block_read_only(s->n);
    Error *err = NULL;
    int letter;

    while ((letter = getopt(argc, argv, "rw")) >= 0) {
        if (letter == '?') {
            return false;
        }
        read_only = letter == 'r';
    }
    io_wait(s);
    return block_set_read_only(s->n, read_only, &err) || io_fail(err);
}

/* --- What there is --- */

static bool run_length(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    char size[64];

    printf("%s\n", io_size((double)block_size(s->n), size));
    return true;
}

static bool run_info(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    char size[64];

    printf("format name: %s\n", block_driver_name(s->n));
    if (image_cluster_size(s->n)) {
        printf("cluster size: %s\n", io_size((double)image_cluster_size(s->n), size));
    }
    return true;
}

/* The length of what is alike from @offset on, as far as @end; 0: an error, which is told. */
static uint64_t alike(const IoCommand *c, BlockNode *n, uint64_t offset, uint64_t end,
                      bool *allocated)
{
    uint64_t at = offset;

    while (at < end) {
        BlockStatus st;
        int ret = block_status(n, at, end - at, &st);

        if (ret) {
            io_failed(c->name, ret);
            return 0;
        }
        if (at > offset && st.allocated != *allocated) {
            break;
        }
        *allocated = st.allocated;
        at += st.run;
    }
    return at - offset;
}

static bool run_map(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    uint64_t size = block_size(s->n), run;
    char length[64], offset[64];
    bool allocated;

    for (uint64_t at = 0; at < size; at += run) {
        run = alike(c, s->n, at, size, &allocated);
        if (!run) {
            return false;
        }
        printf("%s (0x%" PRIx64 ") bytes %s allocated at offset %s (0x%" PRIx64 ")\n",
               io_size((double)run, length), run, allocated ? "   " : "not",
               io_size((double)at, offset), at);
    }
    return true;
}

static bool run_alloc(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    uint64_t offset, count = 512, sum = 0, run;
    char text[64];
    bool allocated;

    if (!io_take_number(argv[1], &offset) || (argc > 2 && !io_take_number(argv[2], &count))) {
        return false;
    }
    if (offset > block_size(s->n) || count > block_size(s->n) - offset) {
        return io_failed(c->name, -EIO);
    }
    for (uint64_t at = 0; at < count; at += run) {
        run = alike(c, s->n, offset + at, offset + count, &allocated);
        if (!run) {
            return false;
        }
        sum += allocated ? run : 0;
    }
    printf("%" PRIu64 "/%" PRIu64 " bytes allocated at offset %s\n", sum, count,
           io_size((double)offset, text));
    return true;
}

/* --- Changing it as a whole --- */

static bool run_flush(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    int ret = block_flush(s->n);

    return !ret || io_failed(c->name, ret);
}

static bool run_truncate(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    int prealloc = BLOCK_PREALLOC_OFF, letter;
    Error *err = NULL;
    uint64_t size;

    while ((letter = getopt(argc, argv, "m:")) >= 0) {
        if (letter != 'm') {
            return false;
        }
        for (prealloc = 0; block_prealloc_names[prealloc]; prealloc++) {
            if (!strcmp(block_prealloc_names[prealloc], optarg)) {
                break;
            }
        }
        if (!block_prealloc_names[prealloc]) {
            error_unknown_name(&err, "-m", optarg, block_prealloc_names);
            return io_fail(err);
        }
    }
    if (!io_check_count(c, argc - optind) || !io_take_number(argv[optind], &size)) {
        return false;
    }
    return block_truncate(s->n, size, (BlockPrealloc)prealloc, &err) || io_fail(err);
}

/* --- The session --- */

static bool run_sleep(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    uint64_t ms;

    if (!io_take_number(argv[1], &ms)) {
        return false;
    }
    g_usleep(MIN(ms, UINT32_MAX) * 1000);
    return true;
}

static bool run_quit(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    s->quit = true;
    return true;
}

/* As in a crash: nothing is written back. */
static bool run_abort(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    fflush(stdout);
    abort();
}

static bool run_sigraise(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    uint64_t number;

    if (!io_take_number(argv[1], &number)) {
        return false;
    }
    fflush(stdout);
    return !raise((int)MIN(number, INT_MAX)) || io_failed(c->name, -errno);
}

static void print_help(const IoCommand *c)
{
    printf("%s%s%s -- %s\n", c->name, *c->args ? " " : "", c->args, c->help);
}

static bool run_help(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    const IoCommand *const tables[] = {io_image_commands, io_transfer_commands};
    bool found = argc == 1;

    for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
        for (const IoCommand *i = tables[t]; i->name; i++) {
            if (argc == 1 || !strcmp(argv[1], i->name)) {
                print_help(i);
                found = true;
            }
        }
    }
    if (!found) {
        printf("command %s not found\n", argv[1]);
    }
    return found;
}

const IoCommand io_image_commands[] = {
    {"abort", NULL, 0, 0, false, "", "ends at once, as in a crash", run_abort},
    {"alloc", NULL, 1, 2, true, "offset [count]", "how much of it is stored in this image",
     run_alloc},
    {"close", "c", 0, 0, true, "", "closes the image", run_close},
    {"flush", "f", 0, 0, true, "", "what was written goes to stable storage", run_flush},
    {"help", "?", 0, 1, false, "[command]", "this, or what one command does", run_help},
    {"info", "i", 0, 0, true, "", "what the image is", run_info},
    {"length", "l", 0, 0, true, "", "how long the image is", run_length},
    {"map", NULL, 0, 0, true, "", "which parts are stored in this image", run_map},
    {"open", "o", 0, 1, false, "[-rsnU] [-t cache] [-d discard] [-o options] [path]",
     "opens an image", run_open},
    {"quit", "q", 0, 0, false, "", "ends the program", run_quit},
    {"reopen", NULL, 0, 0, true, "[-r|-w]", "makes the image read-only or writable", run_reopen},
    {"sigraise", NULL, 1, 1, false, "signal", "sends the program a signal", run_sigraise},
    {"sleep", NULL, 1, 1, false, "milliseconds", "waits", run_sleep},
    {"truncate", "t", 1, 1, true, "[-m preallocation] size", "makes the image longer or shorter",
     run_truncate},
    {.name = NULL},
};
