/* SPDX-License-Identifier: MIT */
/*
 * Single requests on an image, for tests and the curious, in the spirit of qemu-io: session.c reads lines,
 * command.c has the commands about images, transfer.c those that move data, print.c what they say.
 */
#ifndef TOOLS_IO_H
#define TOOLS_IO_H

#include "block/image.h"

/* How an image is opened. */
typedef struct IoOpen {
    const char *filename, *format;
    unsigned flags;
    bool image_opts;                             /* filename is a list of options */
    const char *cache, *aio, *discard, *options; /* NULL: not said */
} IoOpen;

BlockNode *io_open(const IoOpen *how, Error **errp);

typedef struct IoSession {
    BlockNode *n; /* NULL: none is open; its reference */
    int status;   /* 1 when something failed */
    bool quit;
    /* Requests on their way (aio_read, aio_write). */
    GThreadPool *pool;
    GMutex lock; /* also of what is printed */
    GCond ended;
    unsigned in_flight; /* under lock */
} IoSession;

/* Runs @lines, or those of standard input when there are none; the exit status. Takes over @n. */
int io_session(BlockNode *n, char *const *lines, unsigned n_lines);

typedef struct IoCommand {
    const char *name, *alias; /* alias NULL: none */
    int min_args;             /* behind the options */
    int max_args;
    bool needs_image;
    const char *args, *help;
    /* argv[0] is the name; getopt is at its beginning.  False: it failed, and has said so. */
    bool (*run)(IoSession *s, const struct IoCommand *c, int argc, char **argv);
} IoCommand;

extern const IoCommand io_image_commands[], io_transfer_commands[]; /* end with a NULL name */

/* False, with a message, when options left less or more than the command takes. */
bool io_check_count(const IoCommand *c, int count);
bool io_take_number(const char *text, uint64_t *out);
bool io_fail(Error *err);
bool io_failed(const char *what, int ret); /* "what failed: ..."; false */
/* Waits until nothing is in flight. */
void io_wait(IoSession *s);

/* --- print.c --- */

/* "1.500 MiB", "512 bytes" in @buf. */
const char *io_size(double bytes, char buf[static 64]);
void io_print_transfer(const char *verb, uint64_t offset, uint64_t len, int64_t us);
void io_dump(uint64_t offset, const uint8_t *buf, size_t len);

#endif
