/* SPDX-License-Identifier: MIT */
/* Inside block/: limits on requests and bytes a second, for groups of images. */
#ifndef BLOCK_THROTTLE_H
#define BLOCK_THROTTLE_H

#include "block-int.h"

enum { THROTTLE_KINDS = 6 };
/* "bps-total", "bps-read", "bps-write", "iops-total", ..., in the order of ThrottleLimits. */
extern const char *const throttle_names[THROTTLE_KINDS];

typedef struct ThrottleLimits {
    uint64_t avg[THROTTLE_KINDS]; /* a second; 0: no limit */
    uint64_t max[THROTTLE_KINDS]; /* what may come in one burst; 0: a tenth of a second's */
    uint64_t iops_size;           /* a request counts once for each so many bytes; 0: once */
} ThrottleLimits;

bool throttle_any(const ThrottleLimits *l);
/* They do not contradict each other. */
bool throttle_check(const char *what, const ThrottleLimits *l, Error **errp) MUST_CHECK;

typedef struct ThrottleGroup ThrottleGroup;
/* A new group, or NULL: the name is taken. */
ThrottleGroup *throttle_group_new(const char *name, const ThrottleLimits *l, Error **errp);
ThrottleGroup *throttle_group_find(const char *name);
void throttle_group_unref(ThrottleGroup *g);
void throttle_group_set(ThrottleGroup *g, const ThrottleLimits *l);

/* Limits of a -drive: throttling.bps-total= and its like, and the spellings of old (bps=, iops_rd=). */
bool throttle_take_drive(Opts *o, ThrottleLimits *l, Error **errp) MUST_CHECK;
/* Puts a filter of a new group @name, or of that group if it is there, in front of @n; see block_put_filter(). */
BlockNode *throttle_put(BlockNode *n, const char *name, const ThrottleLimits *l, Error **errp);
/* The group of a throttle node; NULL: it is another. */
ThrottleGroup *throttle_group_of(const BlockNode *n);
const ThrottleLimits *throttle_limits(const ThrottleGroup *g);

#endif
