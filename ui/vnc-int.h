/* SPDX-License-Identifier: MIT */
/* What the parts of the VNC server share: server, client, pixel formats.  Machine lock, main loop. */
#ifndef UI_VNC_INT_H
#define UI_VNC_INT_H

#include <pixman.h>

#include "block/tls.h"
#include "listen.h"
#include "ui/console.h"
#include "ui/vnc.h"
#include "vnc-encode.h"

enum { VNC_PASSWORD_BYTES = 8, VNC_CHALLENGE_BYTES = 16, VNC_KEYS = 256 };

typedef struct VncClient VncClient;
typedef struct VncStream VncStream;

/* Who is at the other end, for people. */
typedef struct VncPeer {
    char host[64], service[8];
    const char *family; /* "ipv4", "ipv6", "unix" */
    bool websocket;
} VncPeer;

typedef enum VncShare { VNC_SHARE_EXCLUSIVE, VNC_SHARE_FORCED, VNC_SHARE_IGNORED } VncShare;

typedef struct VncServer {
    char *id;
    char *host, *service, *path;    /* where it listens, or whom it has called */
    Listener *listener, *websocket; /* NULL: not there */
    GPtrArray *clients;
    Console *con; /* NULL: there is none, or none any more */
    guint timer;
    unsigned interval_ms;
    int64_t last_us; /* when the screen was last looked at */
    /* options */
    char *device; /* whose console is shown; NULL: the first */
    unsigned head;
    bool reverse;
    bool want_password;
    char *password;  /* NULL: nobody gets in where one is wanted */
    int64_t expires; /* when it does, in seconds since 1970; 0: never */
    TlsCreds *tls;   /* NULL: clients speak in the clear */
    VncShare share;
    bool lossy; /* pictures may be compressed with losses */
} VncServer;

/* --- vnc-client.c --- */

/* Owns @stream from here on. */
VncClient *vnc_client_new(VncServer *s, VncStream *stream, const VncPeer *peer);
void vnc_client_free(VncClient *c);
/* The connection ends; the client is freed when the main loop comes to it. */
void vnc_client_kill(VncClient *c);
void vnc_client_dirty(VncClient *c, unsigned x, unsigned y, unsigned w, unsigned h);
void vnc_client_resized(VncClient *c);
/* The pointer has moved, or has another image. */
void vnc_client_cursor(VncClient *c, bool new_image);
/* Another kind of pointer is the current one. */
void vnc_client_pointer_kind(VncClient *c);
/* Sends what has changed when the client has asked and has taken the last answer; true: it did. */
bool vnc_client_update(VncClient *c);
/* Whether it waits for changes of the screen. */
bool vnc_client_looks(const VncClient *c);
/* Whether it is past the handshake, or still at it. */
bool vnc_client_ready(const VncClient *c);
bool vnc_client_pending(const VncClient *c);

/* --- vnc-auth.c --- */

/* Whether passwords can be checked here. */
bool vnc_auth_check(Error **errp) MUST_CHECK;

/* --- vnc-websocket.c --- */

/* Where websocket= says; @display is the server's own. */
bool vnc_websocket_listen(VncServer *s, const char *where, unsigned display,
                          Error **errp) MUST_CHECK;

/* --- vnc-server.c --- */

VncServer *vnc_server_new(const char *id);
/* Ends all connections. */
void vnc_server_free(VncServer *s);
unsigned vnc_count_ready(const VncServer *s);

/* What clients see: the console's surface, or an empty one while there is none. */
pixman_image_t *vnc_surface(VncServer *s);
/* The pointer that the device draws; NULL: there is none. */
const ConsoleCursor *vnc_cursor(VncServer *s);
/* Whether the screen can have another size than it has, and the wish for it. */
bool vnc_wish_size(VncServer *s, unsigned w, unsigned h);
/* The @n-th console for all viewers from now on; nothing when there are not so many. */
void vnc_show_console(VncServer *s, unsigned n);
/* Brings the console's surface up to date. */
void vnc_refresh(VncServer *s);
/* Somebody looks: the screen is followed at full rate from now on. */
void vnc_wake(VncServer *s);
/* Serves whoever is at the other end of @stream, unless too many are served already. */
void vnc_add_client(VncServer *s, VncStream *stream, const VncPeer *peer);
/* For a client that does not want to share. */
void vnc_drop_others(VncServer *s, VncClient *keep);

/* --- vnc-listen.c --- */

/* At "[HOST]:DISPLAY" or "unix:PATH", or calls "HOST:PORT"; @to: the last display to try, or 0; @websocket: as the option, or NULL. */
bool vnc_listen(VncServer *s, const char *where, uint64_t to, const char *websocket,
                Error **errp) MUST_CHECK;
void vnc_unlisten(VncServer *s);
/* Of a connected socket. */
VncPeer vnc_peer_of(int fd);

/* --- vnc-options.c --- */

/* Of the process, in order; NULL: no more. */
VncServer *vnc_server(unsigned n);

/* --- vnc-info.c --- */

const char *vnc_auth_name(const VncServer *s);
/* The event, with who it is about. */
void vnc_client_event(const VncClient *c, const char *event);

#endif
