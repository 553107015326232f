/* SPDX-License-Identifier: MIT */
/* Questions to other NBD servers; blocking. */
#ifndef BLOCK_NBD_CLIENT_H
#define BLOCK_NBD_CLIENT_H

#include "rhea/error.h"

typedef struct NbdServerPlace {
    const char *socket, *host, *port; /* socket NULL: TCP; host and port NULL: the usual ones */
    const char *tls_creds;            /* id of a client's credentials; NULL: no TLS */
} NbdServerPlace;

/* Prints on standard output what the server exports. */
bool nbd_list_exports(const NbdServerPlace *server, Error **errp) MUST_CHECK;

#endif
