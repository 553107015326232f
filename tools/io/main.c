/* SPDX-License-Identifier: MIT */
/* rhea-io: single requests on an image, with the command line of qemu-io. */
#include "rhea/osdep.h"

#include <getopt.h>

#include "block/tool-object.h"
#include "io.h"
#include "rhea/report.h"

enum { OPT_IMAGE_OPTS = 256, OPT_OBJECT };

static const struct option longs[] = {
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {"cmd", required_argument, NULL, 'c'},
    {"format", required_argument, NULL, 'f'},
    {"read-only", no_argument, NULL, 'r'},
    {"snapshot", no_argument, NULL, 's'},
    {"nocache", no_argument, NULL, 'n'},
    {"cache", required_argument, NULL, 't'},
    {"discard", required_argument, NULL, 'd'},
    {"aio", required_argument, NULL, 'i'},
    {"native-aio", no_argument, NULL, 'k'},
    {"force-share", no_argument, NULL, 'U'},
    {"image-opts", no_argument, NULL, OPT_IMAGE_OPTS},
    {"object", required_argument, NULL, OPT_OBJECT},
    {NULL, 0, NULL, 0},
};

static void help(void)
{
    printf("Usage: %s [OPTIONS]... [-c COMMAND]... [FILE]\n"
           "Single requests on a disk image\n\n"
           "  -c, --cmd COMMAND    runs it; without any, commands are read from standard input\n"
           "  -f, --format FORMAT  the image's format (found out)\n"
           "      --image-opts     FILE is a list of options\n"
           "      --object OBJECT  secret,id=NAME,data=TEXT|file=PATH: a password for options\n"
           "  -r, --read-only      nothing is written\n"
           "  -s, --snapshot       what is written is forgotten at the end\n"
           "  -n, --nocache        the same as --cache=none\n"
           "  -t, --cache=MODE     none, writeback, writethrough, directsync or unsafe\n"
           "  -d, --discard=MODE   ignore or unmap\n"
           "  -i, --aio=MODE       threads, native or io_uring\n"
           "  -k, --native-aio     the same as --aio=native\n"
           "  -U, --force-share    opens an image that others write to, read-only\n"
           "  -h, --help           this text\n"
           "  -V, --version        the version\n\n"
           "See '%s -c help' for the commands.\n",
           g_get_prgname(), g_get_prgname());
}

static bool take_object(const char *text)
{
    Error *err = NULL;

    return tool_object_add(text, &err) || io_fail(err);
}

/* False: the option is not known. */
static bool take_option(IoOpen *how, GPtrArray *lines, int letter)
{
    switch (letter) {
    case 'c': g_ptr_array_add(lines, optarg); return true;
    case 'f': how->format = optarg; return true;
    case 'r': how->flags |= BLOCK_READ_ONLY; return true;
    case 's': how->flags |= BLOCK_TEMPORARY; return true;
    case 'n': how->cache = "none"; return true;
    case 't': how->cache = optarg; return true;
    case 'd': how->discard = optarg; return true;
    case 'i': how->aio = optarg; return true;
    case 'k': how->aio = "native"; return true;
    case 'U': how->flags |= BLOCK_SHARED | BLOCK_READ_ONLY; return true;
    case OPT_OBJECT: return take_object(optarg);
    case OPT_IMAGE_OPTS: how->image_opts = true; return true;
    default: return false;
    }
}

static int run(IoOpen *how, GPtrArray *lines, char **files, int n_files)
{
    BlockNode *n = NULL;
    Error *err = NULL;

    if (n_files > 1) {
        report("one FILE is possible; see --help");
        return 1;
    }
    if (n_files == 1) {
        how->filename = files[0];
        n = io_open(how, &err);
        if (!n) {
            io_fail(err);
            return 1;
        }
    }
    return io_session(n, (char *const *)lines->pdata, lines->len);
}

int main(int argc, char **argv)
{
    g_autofree char *name = g_path_get_basename(argv[0]);
    g_autoptr(GPtrArray) lines = g_ptr_array_new();
    IoOpen how = {0};
    int letter;

    g_set_prgname(name);
    while ((letter = getopt_long(argc, argv, "hVc:f:rsnt:d:i:kU", longs, NULL)) >= 0) {
        if (letter == 'h') {
            help();
            return 0;
        }
        if (letter == 'V') {
            printf("qemu-io version %s (rhea %s)\n", RHEA_QEMU_VERSION, RHEA_VERSION);
            return 0;
        }
        if (!take_option(&how, lines, letter)) {
            report("see --help");
            return 1;
        }
    }
    return run(&how, lines, argv + optind, argc - optind);
}
