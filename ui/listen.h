/* SPDX-License-Identifier: MIT */
/* Where the servers of ui/ listen: sockets of a host's addresses, or a Unix socket.  Machine lock, main loop. */
#ifndef UI_LISTEN_H
#define UI_LISTEN_H

#include "rhea/error.h"

typedef struct Listener Listener;

/* A peer has come; @fd is the callee's. */
typedef void ListenerAccept(void *opaque, int fd);

/* Where to listen.  @what begins errors ("-vnc"). */
typedef struct ListenAt {
    const char *what;
    const char *host;    /* NULL or "": see @loopback; a numeric address may be in brackets */
    bool loopback;       /* without a host: only this host's own connections, not all addresses */
    unsigned port, last; /* the first of them that is free; port 0: any that is */
} ListenAt;

/* All addresses of the host, on one port; NULL and an error: there is none. */
Listener *listener_new_tcp(const ListenAt *at, ListenerAccept *accept, void *opaque, Error **errp);
/* A Unix socket, which an earlier run may have left behind, and which goes with the listener. */
Listener *listener_new_unix(const char *what, const char *path, ListenerAccept *accept,
                            void *opaque, Error **errp);
void listener_free(Listener *l);
/* 0: a Unix socket. */
unsigned listener_port(const Listener *l);

#endif
