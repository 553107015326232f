/* SPDX-License-Identifier: MIT */
/* Inside the HTTP and FTP drivers.  http-fetch.c: parts of a file, by libcurl; http.c: the driver and its cache. */
#ifndef BLOCK_HTTP_H
#define BLOCK_HTTP_H

#include "rhea/error.h"

typedef struct HttpFile HttpFile;

typedef struct HttpSpec {
    const char *url;
    const char *protocol; /* "http", "https", "ftp" or "ftps": no other is followed to */
    const char *cookie;   /* NULL: none */
    bool sslverify;
    uint64_t timeout_s; /* without a byte */
} HttpSpec;

/*
 * Finds out the size.  An HTTP server sends the first part of the file with it: up to @len bytes to @head, which are
 * there when *got says so.
 */
HttpFile *http_open(const HttpSpec *spec, void *head, size_t len, size_t *got, Error **errp);
void http_close(HttpFile *f);
uint64_t http_size(const HttpFile *f);

/* @len bytes, inside the file; 0 or a negative errno.  Any thread, several at once. */
int http_fetch(HttpFile *f, uint64_t offset, void *buf, size_t len);

#endif
