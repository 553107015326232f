/* SPDX-License-Identifier: MIT */
/* JSON from hostile peers: limits that the parser library does not have, and helpers for answers. */
#ifndef RHEA_JSON_H
#define RHEA_JSON_H

#include <json-glib/json-glib.h>

#include "rhea/error.h"

enum { JSON_MAX_DEPTH = 64 };

/* Finds the end of one JSON value in a stream, byte by byte. Zero-initialised. */
typedef struct JsonFramer {
    unsigned depth;
    bool in_string, escaped, started;
    char quote;
} JsonFramer;

typedef enum JsonFrame { JSON_FRAME_MORE, JSON_FRAME_DONE, JSON_FRAME_BAD } JsonFrame;

/*
 * Takes the next byte.  DONE: a top-level object or array ends with it (the framer is ready for the
 * next).  BAD: it cannot belong to an object or array, or the nesting is over JSON_MAX_DEPTH.
 */
JsonFrame json_framer_push(JsonFramer *f, char c);

/* Parses a complete text of one object or array within the depth limit; NULL on failure. */
JsonNode *json_parse_limited(const char *text, size_t len, Error **errp);

/* One line of text, g_malloc'd. */
char *json_text(JsonNode *node, bool pretty);

#endif
