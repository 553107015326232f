/* SPDX-License-Identifier: MIT */
/* What the commands of rhea-img share. */
#ifndef IMG_H
#define IMG_H

#include "block/image.h"

/* Exit statuses beyond 0 and 1 (failed). */
enum {
    IMG_CHECK_CORRUPT = 2,
    IMG_CHECK_LEAKS = 3,
    IMG_COMPARE_ERROR = 2,
    IMG_CHECK_UNSUPPORTED = 63,
};

typedef enum ImgOutput { IMG_HUMAN, IMG_JSON } ImgOutput;

/* Options that many commands have; zero-initialised. */
typedef struct ImgArgs {
    const char *format, *out_format, *backing, *backing_format, *snapshot;
    GString *options; /* all -o, joined with commas; NULL: none */
    bool image_opts, quiet, shared, progress, help_options;
    unsigned flags; /* BLOCK_UNSAFE from a cache mode */
    ImgOutput output;
    char **files;
    int n_files;
} ImgArgs;

/* One command: its name, how it is called, what it does. Returns the exit status. */
typedef struct ImgCommand {
    const char *name, *usage;
    int (*run)(int argc, char **argv);
} ImgCommand;

extern const ImgCommand img_amend, img_bitmap, img_create, img_info, img_check, img_convert,
    img_map, img_compare, img_resize, img_snapshot, img_commit, img_rebase, img_measure, img_dd,
    img_bench, img_io;

/*
 * Goes through the command's options.  @letters are getopt's, of those that ImgArgs has and of the command's
 * own, which are given to @own (NULL: there are none) with their argument; so are long options without a
 * common meaning (@longs, ends with a zero entry; NULL: none).  False: usage has been told.
 */
struct option;
typedef bool (*ImgOwnOption)(void *opaque, int letter, const char *arg);
bool img_parse(const ImgCommand *cmd, int argc, char **argv, const char *letters,
               const struct option *longs, ImgArgs *args, ImgOwnOption own, void *opaque);
void img_args_clear(ImgArgs *args);
/* "rhea-img: text" of the error, which is freed; 1. */
int img_fail(Error *err);
/* Says how the command is called; 1. */
int img_usage(const ImgCommand *cmd);

/* Opens what the arguments name, with @flags of BlockOpenFlags. */
BlockNode *img_open(const ImgArgs *args, const char *filename, unsigned flags, Error **errp);
bool img_take_size(const char *what, const char *text, uint64_t *out);
/* A cache mode as -t and -T have them: the BLOCK_ flags in *flags. */
bool img_cache_flags(const char *mode, unsigned *flags);

/* Makes an image; @size UINT64_MAX: that of the backing file. */
bool img_make(const char *format, const char *filename, uint64_t size, const char *options,
              const char *backing, const char *backing_format, bool check_backing, Error **errp);
/* "-o help"; NULL: there are none. */
int img_options_help(const ImageOption *o);

/* A line with per cent on a terminal. */
void img_progress(bool on, uint64_t done, uint64_t total);

#endif
