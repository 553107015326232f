/* SPDX-License-Identifier: MIT */
/*
 * Option values as users write them: "implied,key=value,flag" lists or a JSON object.  A comma in a
 * value is doubled.  Later pairs win; a bare flag means "=on", and "noflag" means flag=off (an old
 * spelling that scripts still use).  A JSON object is flattened: {"a":{"b":1},"c":[2]} is a.b=1,c.0=2,
 * and a list of texts is a repeated key: {"d":[{"str":"x"},{"str":"y"}]} is d=x,d=y.  null is an empty
 * value.
 *
 * A consumer takes what it knows and ends with opts_done(), which reports what is left.
 */
#ifndef RHEA_OPTS_H
#define RHEA_OPTS_H

#include "rhea/error.h"

typedef struct Opts Opts;

/*
 * Parses @text; messages begin with @what ("-chardev").  The first item, when it has no '=', is the
 * value of @implied_key (NULL: it is a flag like the others).  NULL on failure.
 */
Opts *opts_parse(const char *what, const char *text, const char *implied_key, Error **errp);
/* An empty list, to be filled with opts_add(). */
Opts *opts_new(const char *what);
void opts_add(Opts *o, const char *key, const char *value);
/* All pairs but those with a key of @without (NULL-terminated, NULL: none), none of them taken. */
Opts *opts_copy(const Opts *o, const char *const *without);
void opts_free(Opts *o);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Opts, opts_free)

const char *opts_what(const Opts *o);
bool opts_empty(const Opts *o);

/* "key.x=1,key.y=2" as a list of its own, x=1,y=2; the pairs are taken from @o. */
Opts *opts_take_sub(Opts *o, const char *key);

/* A copy of the pairs not taken yet whose key is one of @names, or begins with one and a dot; nothing is taken. */
Opts *opts_select(const Opts *o, const char *const *names);

/* The value of @key (the last one), marked as taken; NULL when it is not there. Owned by @o. */
const char *opts_take(Opts *o, const char *key);
/* The same without marking. */
const char *opts_peek(Opts *o, const char *key);
/* Every value of a key that may be repeated: *iter starts at 0; NULL at the end. */
const char *opts_take_next(Opts *o, const char *key, unsigned *iter);

/* Typed forms: *out keeps its value when @key is absent; false when the text is no such value. */
bool opts_take_bool(Opts *o, const char *key, bool *out, Error **errp) MUST_CHECK;
bool opts_take_u64(Opts *o, const char *key, uint64_t max, uint64_t *out, Error **errp) MUST_CHECK;
/* Bytes, with the suffixes of parse_size(). */
bool opts_take_size(Opts *o, const char *key, uint64_t *out, Error **errp) MUST_CHECK;
/* An index into the NULL-terminated @names. */
bool opts_take_enum(Opts *o, const char *key, const char *const *names, int *out,
                    Error **errp) MUST_CHECK;

/* Calls @fn for every pair not taken yet, in order, marking it; false from @fn stops and is returned. */
bool opts_foreach_rest(Opts *o,
                       bool (*fn)(const char *key, const char *value, void *opaque, Error **errp),
                       void *opaque, Error **errp) MUST_CHECK;

/* False when a key is neither taken nor one of @accepted: for consumers that act while they take. */
bool opts_check_names(Opts *o, const char *const *accepted, Error **errp) MUST_CHECK;

/* False when something is left over; @accepted (NULL-terminated, NULL: nothing) is what the message suggests. */
bool opts_done(Opts *o, const char *const *accepted, Error **errp) MUST_CHECK;

/* --- Single values; @what names the option and key in messages --- */

bool parse_bool(const char *what, const char *text, bool *out, Error **errp) MUST_CHECK;
/* Decimal, 0x hexadecimal or 0 octal; at most @max. */
bool parse_u64(const char *what, const char *text, uint64_t max, uint64_t *out,
               Error **errp) MUST_CHECK;
/* Bytes: a number with an optional fraction and suffix b k M G T P E (powers of 1024); without a
 * suffix it is multiplied by @unit. */
bool parse_size(const char *what, const char *text, uint64_t unit, uint64_t *out,
                Error **errp) MUST_CHECK;

#endif
