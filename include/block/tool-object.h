/* SPDX-License-Identifier: MIT */
/* "--object" of programs without the object tree: secrets and TLS credentials.  Main thread. */
#ifndef BLOCK_TOOL_OBJECT_H
#define BLOCK_TOOL_OBJECT_H

#include "rhea/error.h"

/* "secret,id=NAME,...", "tls-creds-x509,..." or "tls-creds-psk,...", as the user wrote it. */
bool tool_object_add(const char *text, Error **errp) MUST_CHECK;

#endif
