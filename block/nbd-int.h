/* SPDX-License-Identifier: MIT */
/*
 * Inside the NBD server.  nbd-server.c: connections as threads, and exports; nbd-negotiate.c: what client and
 * server agree on; nbd-requests.c: requests and their answers; nbd-wire.c: bytes.
 */
#ifndef BLOCK_NBD_INT_H
#define BLOCK_NBD_INT_H

#include <sys/uio.h>

#include "block/nbd-server.h"
#include "nbd-proto.h"

typedef struct NbdExport {
    char *name, *description;
    const NbdTarget *target;
    void *opaque;
    uint64_t size;
    bool writable;
    struct DirtyBitmap **bitmaps;
    char **contexts; /* base:allocation and one for each bitmap; a NULL behind them */
    /* lock of the server */
    unsigned users;
    bool removed;
} NbdExport;

/* One client.  Its thread reads; workers execute and answer. */
typedef struct NbdConn {
    NbdServer *server;
    int fd;
    NbdExport *export; /* a use of it, once it is chosen; written under the server's lock */
    int64_t deadline;  /* of the handshake, monotonic microseconds; 0: none */
    bool encrypted;    /* TLS has begun */
    bool broken;       /* atomic: what it still has to say is of no interest */

    /* Agreed on; fixed when requests begin. */
    bool no_zeroes, structured;
    uint64_t contexts; /* bit n: the export's context n */
    char *contexts_of; /* the export for which they were chosen */

    GThreadPool *workers;
    GMutex lock;
    GCond ended;
    /* under lock */
    unsigned in_flight;
    uint64_t in_flight_bytes;

    GMutex send_lock; /* one message at a time */
} NbdConn;

/* --- nbd-server.c --- */

/* The export of that name (@len bytes, perhaps no text); it stays until nbd_export_put(). */
NbdExport *nbd_export_get(NbdServer *s, const void *name, size_t len);
void nbd_export_put(NbdServer *s, NbdExport *e);
/* The connection takes the use of it over. */
void nbd_export_choose(NbdConn *c, NbdExport *e);
/* Calls @fn for each, under the server's lock, while it returns true. */
bool nbd_export_foreach(NbdServer *s, bool (*fn)(const NbdExport *e, void *opaque), void *opaque);
/* The client is at the other end of @fd from now on, which the connection takes over. */
void nbd_change_socket(NbdConn *c, int fd);
/* NULL: clients do not speak TLS. */
struct TlsCreds *nbd_server_tls(const NbdServer *s);
uint16_t nbd_export_flags(const NbdConn *c, const NbdExport *e);
void nbd_verbose(const NbdConn *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* --- nbd-negotiate.c --- */

/* True: an export is chosen, and requests come next. */
bool nbd_negotiate(NbdConn *c);

/* --- nbd-requests.c --- */

/* Until the client goes; nothing is in flight afterwards. */
void nbd_serve_requests(NbdConn *c);

/* --- nbd-wire.c: false when the connection is of no use any more --- */

/* Any thread: ends it, and whoever waits for the client. */
void nbd_break(NbdConn *c);
bool nbd_broken(const NbdConn *c);
bool nbd_recv(NbdConn *c, void *buf, size_t len);
bool nbd_recv_skip(NbdConn *c, uint64_t len);
/* @iov is used up. */
bool nbd_send(NbdConn *c, struct iovec *iov, int niov);

#endif
