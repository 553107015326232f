/* SPDX-License-Identifier: MIT */
/*
 * The little of HTTP/1.1 that a page and a websocket need: the head of a request, and answers (RFC 9110, RFC 9112).
 * Pure functions: any thread.
 */
#ifndef UI_HTTP_H
#define UI_HTTP_H

#include <glib.h>
#include <stdbool.h>

enum { HTTP_HEAD_MAX = 8192, HTTP_FIELDS_MAX = 64 };

/* A request; the texts are in the head that http_parse() took apart. */
typedef struct HttpRequest {
    const char *method, *path, *query; /* "GET", "/a", "x=1" or "" */
    unsigned n_fields;
    const char *names[HTTP_FIELDS_MAX], *values[HTTP_FIELDS_MAX];
} HttpRequest;

/* The bytes of the head at @p with the empty line that ends it; 0: it is not there in full. */
size_t http_head_bytes(const uint8_t *p, size_t len);
/* Takes the complete head apart in place; false: it is malformed, or has too many fields. */
bool http_parse(HttpRequest *r, char *head, size_t len);
/* The value of the field; NULL: it is absent, or there more than once. */
const char *http_field(const HttpRequest *r, const char *name);
/* Whether the field has @token in its comma-separated list; case does not count. */
bool http_field_has(const HttpRequest *r, const char *name, const char *token);
/* The value of @name in the query, as it stands there; NULL: absent.  The caller frees it. */
char *http_query(const HttpRequest *r, const char *name);

/* An answer that ends the connection, with @fields ("Name: value\r\n"...) and a body of @type; no caches keep it. */
void http_answer(GByteArray *out, unsigned status, const char *fields, const char *type,
                 const void *body, size_t len);
/* An answer that is nothing but its status. */
void http_refuse(GByteArray *out, unsigned status);

#endif
