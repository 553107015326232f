/* SPDX-License-Identifier: MIT */
/*
 * Inside the NBD client.  nbd-place.c: which server and export options and file names mean; nbd-link.c: the
 * connection and requests on it; nbd-client.c: the driver.
 */
#ifndef BLOCK_NBD_LINK_H
#define BLOCK_NBD_LINK_H

#include "block-int.h"
#include "nbd-lib.h"

/* --- Where the image is --- */

typedef struct NbdPlace {
    char *uri;              /* NULL, or all there is to say */
    char *path;             /* Unix socket, NULL: TCP */
    char *host, *port;      /* TCP */
    char *export;           /* its name */
    char *tls_certificates; /* directory of them, NULL: no TLS but by uri */
    char *tls_psk_file;     /* keys, NULL: none */
    char *tls_username;     /* whose key it is, NULL: the user's own name */
} NbdPlace;

extern const char *const nbd_options[]; /* of the driver; ends with NULL */

bool nbd_place_take(NbdPlace *p, Opts *o, Error **errp) MUST_CHECK;
/* Of these only tls-*. */
bool nbd_place_take_tls(NbdPlace *p, Opts *o, Error **errp) MUST_CHECK;
/* Asks a connection that is to be made for TLS, if the place has it. */
bool nbd_place_use_tls(const NbdPlace *p, const NbdLib *lib, struct nbd_handle *h) MUST_CHECK;
/* As users write it, for messages; g_malloc'd. */
char *nbd_place_name(const NbdPlace *p);
void nbd_place_clear(NbdPlace *p);

/* --- The connection --- */

typedef struct NbdLink NbdLink;

/* What the server said when it was first connected. */
typedef struct NbdFeatures {
    uint64_t size, min_block, max_block;
    bool read_only, flush, trim, zero, extents;
} NbdFeatures;

/*
 * Connects within @open_timeout seconds (0: one try).  A connection that breaks is made again; requests wait
 * for that @reconnect_delay seconds (0: not at all).  Takes over what @p has.
 */
NbdLink *nbd_link_new(const char *what, NbdPlace *p, uint64_t open_timeout,
                      uint64_t reconnect_delay, Error **errp);
void nbd_link_free(NbdLink *l);
const NbdFeatures *nbd_link_features(const NbdLink *l);

typedef enum NbdKind { NBD_READ, NBD_WRITE, NBD_FLUSH, NBD_TRIM, NBD_ZERO, NBD_STATUS } NbdKind;

typedef struct NbdCall {
    NbdKind kind;
    void *buf;
    uint64_t offset, len;
    uint32_t flags;                    /* LIBNBD_CMD_FLAG_ */
    uint32_t extent_len, extent_flags; /* answer of NBD_STATUS; a length of 0: none came */
} NbdCall;

/* One request, any thread, several at once; 0 or a negative errno. */
int nbd_link_call(NbdLink *l, NbdCall *call);

#endif
