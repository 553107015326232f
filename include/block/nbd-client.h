/* SPDX-License-Identifier: MIT */
/* Questions to other NBD servers; blocking. */
#ifndef BLOCK_NBD_CLIENT_H
#define BLOCK_NBD_CLIENT_H

#include "rhea/error.h"

/* Prints on standard output what the server at @socket, or else (NULL) at @host and @port, exports. */
bool nbd_list_exports(const char *socket, const char *host, const char *port,
                      Error **errp) MUST_CHECK;

#endif
