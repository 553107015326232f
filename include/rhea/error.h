/* SPDX-License-Identifier: MIT */
/*
 * Errors that a user must read.  A fallible function takes a last parameter `Error **errp`, returns
 * false (or NULL) on failure and fills *errp with one message; a NULL errp discards it.  The detector
 * never prints and never exits; main.c and the monitor report.
 */
#ifndef RHEA_ERROR_H
#define RHEA_ERROR_H

#include "rhea/base.h"

typedef struct Error Error;

/* Sets *errp (which must be unset) and returns false, so that a caller can `return error_fail(...)`. */
bool error_fail(Error **errp, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The same, with ": strerror(err)" appended; @err is a positive errno value. */
bool error_fail_errno(Error **errp, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts text in front of the message of a set *errp; nothing when errp or *errp is NULL. */
void error_prepend(Error **errp, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The same behind it. */
void error_append(Error **errp, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Hands @err over to *errp, or frees it when errp is NULL or already set. */
void error_propagate(Error **errp, Error *err);

/* The message, valid until error_free(). */
const char *error_text(const Error *err);

void error_free(Error *err);

/* On stderr: something that the user asked for is not so, and the program goes on. */
void warn_user(const char *fmt, ...) PRINTF_LIKE(1, 2);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Error, error_free)

/*
 * The entry of the NULL-terminated @names nearest to @wrong by edit distance, or NULL when none is
 * near enough to be worth suggesting.
 */
const char *nearest_name(const char *wrong, const char *const *names);

/*
 * The one way an unknown name is reported: "<what> '<wrong>' is not known; did you mean '<near>'?
 * (accepted: a, b, c)"; the list is left out when it has more than 12 entries.  Returns false.
 */
bool error_unknown_name(Error **errp, const char *what, const char *wrong,
                        const char *const *names);

#endif
