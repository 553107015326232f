/* SPDX-License-Identifier: MIT */
/*
 * Exports of a running machine's images: one NBD server, and any number of exports that it serves.
 * Machine lock, main thread.
 */
#ifndef BLOCK_EXPORT_H
#define BLOCK_EXPORT_H

#include "rhea/error.h"

typedef struct ExportServerSpec {
    const char *host, *port; /* TCP; host NULL: every address */
    const char *path;        /* a Unix socket, instead */
    int fd;                  /* a listening socket, instead; it is taken over; -1: none */
    const char *tls;         /* id of TLS credentials; NULL: clients speak in the clear */
    unsigned max_connections, handshake_seconds; /* as NbdServerSpec has them */
} ExportServerSpec;

bool export_server_start(const ExportServerSpec *spec, Error **errp) MUST_CHECK;
bool export_server_runs(void);
/* Ends the server and all exports. */
bool export_server_stop(Error **errp) MUST_CHECK;

typedef struct ExportSpec {
    const char *id;
    const char *image;       /* a drive or a node */
    const char *name;        /* NULL: as the image */
    const char *description; /* NULL: none */
    const char *const
        *bitmaps; /* names of dirty bitmaps that clients see; NULL, or NULL-terminated */
    bool writable, writethrough;
} ExportSpec;

bool export_add(const ExportSpec *spec, Error **errp) MUST_CHECK;
/* Unless @hard, only when no client uses it.  The event BLOCK_EXPORT_DELETED follows. */
bool export_del(const char *id, bool hard, Error **errp) MUST_CHECK;

typedef struct ExportInfo {
    const char *id, *node;
} ExportInfo;
void export_foreach(void (*fn)(void *opaque, const ExportInfo *info), void *opaque);

#endif
