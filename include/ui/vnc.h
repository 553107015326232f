/* SPDX-License-Identifier: MIT */
/* VNC servers: consoles for viewers on the network (RFC 6143).  Machine lock, main loop. */
#ifndef UI_VNC_H
#define UI_VNC_H

#include "rhea/error.h"

struct _JsonArray;
struct _JsonObject;

/* "[HOST]:DISPLAY" or "unix:PATH" with the options of -vnc; several in a process have ids of their own. */
bool vnc_start(const char *spec, Error **errp) MUST_CHECK;
/* Ends all servers and connections. */
void vnc_stop(void);

/*
 * For connections from now on; only the first eight bytes count, as the protocol has it.  @id NULL: the first
 * server.  @connected says what becomes of viewers that are there: NULL or "keep", "fail", "disconnect".
 */
bool vnc_set_password(const char *id, const char *password, const char *connected,
                      Error **errp) MUST_CHECK;
/* "now", "never", "+SECONDS" or seconds since 1970: when the password lets in nobody any more. */
bool vnc_expire_password(const char *id, const char *when, Error **errp) MUST_CHECK;

/* The answers of query-vnc and query-vnc-servers, and of "info vnc". */
struct _JsonObject *vnc_query(void);
struct _JsonArray *vnc_query_servers(void);
void vnc_info(GString *out);

#endif
