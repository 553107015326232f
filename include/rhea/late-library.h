/* SPDX-License-Identifier: MIT */
/*
 * Libraries that are loaded when something first needs them: those that few runs use and that make every start
 * slower by milliseconds.  Their headers give the types; each function is a pointer of its name in a struct:
 *
 *     typedef struct Lib { LATE_FUNCTION(lib_open); LATE_FUNCTION(lib_close); } Lib;
 *     static const char *const names[] = {"lib_open", "lib_close", NULL};     in the same order
 *
 * Any thread.
 */
#ifndef RHEA_LATE_LIBRARY_H
#define RHEA_LATE_LIBRARY_H

#include "rhea/error.h"

#define LATE_FUNCTION(name) __typeof__(name) *name

/* Fills @table, an array of pointers, with the functions @names (NULL-terminated) of the library @soname. */
bool late_library_load(const char *soname, const char *const *names, void *table,
                       Error **errp) MUST_CHECK;

#endif
