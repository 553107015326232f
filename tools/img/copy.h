/* SPDX-License-Identifier: MIT */
/* Copies the contents of images, with several threads. */
#ifndef IMG_COPY_H
#define IMG_COPY_H

#include "img.h"

typedef struct Copy {
    BlockNode *to;
    BlockNode **from; /* one behind the other */
    int n_from;
    uint64_t total; /* bytes to copy, from the start */
    bool compress;
    bool blank;    /* the target reads as zeroes where nothing is written */
    bool only_top; /* leaves out what the backing files of the sources have */
    bool progress;
    uint64_t sparse; /* zeroes are looked for in units of that many bytes; 0: they are data */
    unsigned workers;
    uint64_t chunk; /* img_copy(): at most so much at a time */
    /* Under the lock: what is handed out up to @at, the run that this is in, and how far it went. */
    GMutex lock;
    uint64_t at, run_end;
    bool run_zero, run_skip;
    uint64_t done;
    int ret;
} Copy;

/* 0 or a negative errno, after a flush. */
int img_copy(Copy *c);

#endif
