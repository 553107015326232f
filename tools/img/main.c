/* SPDX-License-Identifier: MIT */
/*
 * rhea-img: makes, converts and checks disk images, with the command line of qemu-img.
 */
#include "rhea/osdep.h"

#include <getopt.h>

#include "block/tool-object.h"
#include "img.h"
#include "rhea/report.h"

static const ImgCommand *const commands[] = {
    &img_amend,   &img_bitmap, &img_bench,  &img_check,    &img_commit, &img_compare,
    &img_convert, &img_create, &img_dd,     &img_info,     &img_io,     &img_map,
    &img_measure, &img_rebase, &img_resize, &img_snapshot,
};

int img_fail(Error *err)
{
    report("%s", error_text(err));
    error_free(err);
    return 1;
}

int img_usage(const ImgCommand *cmd)
{
    fprintf(stderr, "usage: %s %s %s\n", g_get_prgname(), cmd->name, cmd->usage);
    return 1;
}

/* --- Options --- */

enum { OPT_OUTPUT = 256, OPT_IMAGE_OPTS, OPT_OBJECT, OPT_HELP };

static const struct option common_longs[] = {
    {"output", required_argument, NULL, OPT_OUTPUT},
    {"image-opts", no_argument, NULL, OPT_IMAGE_OPTS},
    {"object", required_argument, NULL, OPT_OBJECT},
    {"force-share", no_argument, NULL, 'U'},
    {"help", no_argument, NULL, OPT_HELP},
};

bool img_cache_flags(const char *mode, unsigned *flags)
{
    static const char *const modes[] = {"writeback",  "none",   "writethrough",
                                        "directsync", "unsafe", NULL};
    Error *err = NULL;

    if (!g_strv_contains(modes, mode)) {
        error_unknown_name(&err, "cache mode", mode, modes);
        img_fail(err);
        return false;
    }
    *flags |= !strcmp(mode, "unsafe")                                ? BLOCK_UNSAFE
              : !strcmp(mode, "none") || !strcmp(mode, "directsync") ? BLOCK_DIRECT
                                                                     : 0;
    return true;
}

static bool take_output(ImgArgs *args, const char *text)
{
    static const char *const outputs[] = {"human", "json", NULL};
    Error *err = NULL;

    if (!g_strv_contains(outputs, text)) {
        error_unknown_name(&err, "--output", text, outputs);
        img_fail(err);
        return false;
    }
    args->output = strcmp(text, "json") ? IMG_HUMAN : IMG_JSON;
    return true;
}

static bool take_object(const char *text)
{
    Error *err = NULL;

    if (!tool_object_add(text, &err)) {
        img_fail(err);
        return false;
    }
    return true;
}

static void add_options(ImgArgs *args, const char *text)
{
    if (!strcmp(text, "help") || !strcmp(text, "?")) {
        args->help_options = true;
        return;
    }
    if (!args->options) {
        args->options = g_string_new(NULL);
    } else {
        g_string_append_c(args->options, ',');
    }
    g_string_append(args->options, text);
}

/* The ones that mean the same wherever they are; false: it is the command's own. */
static bool take_common(ImgArgs *args, int letter, const char *arg)
{
    switch (letter) {
    case 'f': args->format = arg; break;
    case 'O': args->out_format = arg; break;
    case 'b': args->backing = arg; break;
    case 'F': args->backing_format = arg; break;
    case 'o': add_options(args, arg); break;
    case 'q': args->quiet = true; break;
    case 'p': args->progress = true; break;
    case 'U': args->shared = true; break;
    case OPT_IMAGE_OPTS: args->image_opts = true; break;
    default: return false;
    }
    return true;
}

/* The common long options, then @longs; g_malloc'd. */
static struct option *all_longs(const struct option *longs)
{
    GArray *all = g_array_new(TRUE, TRUE, sizeof(struct option));

    g_array_append_vals(all, common_longs, ARRAY_SIZE(common_longs));
    for (; longs && longs->name; longs++) {
        g_array_append_vals(all, longs, 1);
    }
    return (struct option *)(void *)g_array_free(all, FALSE);
}

bool img_parse(const ImgCommand *cmd, int argc, char **argv, const char *letters,
               const struct option *longs, ImgArgs *args, ImgOwnOption own, void *opaque)
{
    g_autofree struct option *all = all_longs(longs);
    int letter;

    optind = 1;
    while ((letter = getopt_long(argc, argv, letters, all, NULL)) >= 0) {
        bool ok = true;

        if (letter == OPT_OUTPUT) {
            ok = take_output(args, optarg);
        } else if (letter == OPT_OBJECT) {
            ok = take_object(optarg);
        } else if (letter == '?' || letter == OPT_HELP || letter == 'h') {
            img_usage(cmd);
            return false;
        } else if (!take_common(args, letter, optarg)) {
            ok = own && own(opaque, letter, optarg);
        }
        if (!ok) {
            return false;
        }
    }
    args->files = argv + optind;
    args->n_files = argc - optind;
    return true;
}

void img_args_clear(ImgArgs *args)
{
    if (args->options) {
        g_string_free(args->options, TRUE);
        args->options = NULL;
    }
}

/* --- Helpers --- */

BlockNode *img_open(const ImgArgs *args, const char *filename, unsigned flags, Error **errp)
{
    flags |= args->flags | (args->shared ? BLOCK_SHARED | BLOCK_READ_ONLY : 0);
    if (args->image_opts) {
        g_autoptr(Opts) o = opts_parse("--image-opts", filename, NULL, errp);
        BlockNode *n = o ? block_open_opts(o, flags, errp) : NULL;

        if (n && !block_opts_done(o, n, NULL, errp)) {
            g_clear_pointer(&n, block_node_unref);
        }
        return n;
    }
    return block_open("Could not open", filename, args->format, flags, errp);
}

bool img_take_size(const char *what, const char *text, uint64_t *out)
{
    Error *err = NULL;

    if (!parse_size(what, text, 1, out, &err)) {
        img_fail(err);
        return false;
    }
    return true;
}

void img_progress(bool on, uint64_t done, uint64_t total)
{
    if (on && isatty(STDOUT_FILENO)) {
        printf("    (%.2f/100%%)\r", total ? 100.0 * (double)done / (double)total : 100.0);
        if (done == total) {
            printf("\n");
        }
        fflush(stdout);
    }
}

/* --- Commands --- */

static void print_name(const char *name, void *opaque)
{
    printf(" %s", name);
}

static void help(void)
{
    printf("rhea-img version %s (qemu-img version %s)\n"
           "usage: %s COMMAND [OPTIONS]\n\nCommands:\n\n",
           RHEA_VERSION, RHEA_QEMU_VERSION, g_get_prgname());
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        printf("  %s %s\n", commands[i]->name, commands[i]->usage);
    }
    printf("\nEvery command takes --object secret,id=NAME,data=TEXT|file=PATH[,format=base64]: a "
           "password\nthat options of images name.\n\nSupported formats:");
    image_foreach_format(print_name, NULL);
    printf("\n");
}

int main(int argc, char **argv)
{
    g_autofree char *name = g_path_get_basename(argv[0]);
    const char *command = argc > 1 ? argv[1] : NULL;
    const char *names[ARRAY_SIZE(commands) + 1] = {NULL};
    Error *err = NULL;

    g_set_prgname(name);
    if (!command) {
        report("a command is missing; see --help");
        return 1;
    }
    if (!strcmp(command, "--help") || !strcmp(command, "-h") || !strcmp(command, "help")) {
        help();
        return 0;
    }
    if (!strcmp(command, "--version") || !strcmp(command, "-V")) {
        printf("qemu-img version %s (rhea %s)\n", RHEA_QEMU_VERSION, RHEA_VERSION);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!strcmp(commands[i]->name, command)) {
            return commands[i]->run(argc - 1, argv + 1);
        }
        names[i] = commands[i]->name;
    }
    error_unknown_name(&err, "command", command, names);
    return img_fail(err);
}
