/* SPDX-License-Identifier: MIT */
/*
 * An NBD server: exports by name, connections with threads of their own.  Clients are hostile: what they send
 * is checked before it is used, what they may have in flight is limited, and one that neither sends nor reads
 * holds nobody up but itself.
 *
 * Every function: one thread (the main one).  The functions of an export are called by any thread, several at once.
 */
#ifndef BLOCK_NBD_SERVER_H
#define BLOCK_NBD_SERVER_H

#include "block/node.h"

typedef struct NbdServer NbdServer;

/* What stands behind an export; 0 or a negative errno. Offsets and lengths are inside its size. */
typedef struct NbdTarget {
    int (*read)(void *opaque, uint64_t offset, void *buf, size_t len);
    int (*write)(void *opaque, uint64_t offset, const void *buf, size_t len, bool fua);
    int (*flush)(void *opaque);
    int (*discard)(void *opaque, uint64_t offset, uint64_t len);
    int (*write_zeroes)(void *opaque, uint64_t offset, uint64_t len, bool may_unmap);
    int (*status)(void *opaque, uint64_t offset, uint64_t len, BlockStatus *st);
} NbdTarget;

enum { NBD_BITMAPS_MAX = 32 };
struct DirtyBitmap;

/* A node itself: for programs without a main loop; opaque is the BlockNode. */
extern const NbdTarget nbd_node_target;

typedef struct NbdExportSpec {
    const char *name, *description; /* NULL description: none */
    const NbdTarget *target;
    void *opaque;
    uint64_t size;
    bool writable;
    /* What was written, as bitmaps with a name tell: at most NBD_BITMAPS_MAX, which stay while the export is there. */
    struct DirtyBitmap *const *bitmaps;
    unsigned n_bitmaps;
} NbdExportSpec;

struct TlsCreds;

typedef struct NbdServerSpec {
    unsigned max_connections; /* 0: any number; others wait until one has ended */
    unsigned
        handshake_seconds; /* a client that has not chosen an export by then is dropped; 0: never */
    struct TlsCreds *tls;  /* NULL, or: clients must speak TLS; the server takes a reference */
    bool verbose;          /* says on stderr what clients do */
    void (*last_left)(
        void *opaque); /* NULL, or: the last client has gone; the thread of a connection */
    void *opaque;
} NbdServerSpec;

NbdServer *nbd_server_new(const NbdServerSpec *spec);
/* Ends all connections, after what is in flight. */
void nbd_server_free(NbdServer *s);

bool nbd_server_add(NbdServer *s, const NbdExportSpec *e, Error **errp) MUST_CHECK;
/* How many clients use the export. */
unsigned nbd_server_users(NbdServer *s, const char *name);
/* Ends its connections first; nothing of the target is in use afterwards. */
void nbd_server_remove(NbdServer *s, const char *name);
/*
 * The bitmaps of @n with these names (NULL-terminated), as NbdExportSpec has them: nobody else may use them until
 * they are given back.  NULL: one is not there, or is in use.  Nothing is in flight on the node.
 */
GPtrArray *nbd_bitmaps_take(BlockNode *n, const char *const *names, Error **errp);
void nbd_bitmaps_give_back(GPtrArray *bitmaps);
const char *nbd_name_problem(const char *name); /* NULL: it may be the name of an export */

/* Takes over a listening socket and serves its clients from now on. */
void nbd_server_listen(NbdServer *s, int fd);

/* Listening sockets; a negative number on failure.  @host NULL: every address. */
int nbd_listen_tcp(const char *host, const char *port, Error **errp);
int nbd_listen_unix(const char *path, Error **errp);

#endif
