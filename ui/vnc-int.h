/* SPDX-License-Identifier: MIT */
/* What the parts of the VNC server share: server, client, pixel formats.  Machine lock, main loop. */
#ifndef UI_VNC_INT_H
#define UI_VNC_INT_H

#include <pixman.h>

#include "ui/console.h"
#include "ui/vnc.h"

enum { VNC_PASSWORD_BYTES = 8, VNC_CHALLENGE_BYTES = 16, VNC_KEYS = 256 };

/* Encodings and pseudo encodings by their numbers in RFC 6143 and the community's RFB document. */
enum {
    VNC_RAW = 0,
    VNC_HEXTILE = 5,
    VNC_DESKTOP_SIZE = -223,
    VNC_QEMU_KEY = -258,
};

/* How a client wants its pixels (RFC 6143 7.4); true colour only. */
typedef struct VncFormat {
    unsigned bytes; /* of a pixel: 1, 2, 4 */
    bool big_endian;
    uint16_t max[3]; /* red, green, blue */
    uint8_t shift[3];
    bool native; /* as the surfaces are */
} VncFormat;

typedef struct VncClient VncClient;
typedef struct VncStream VncStream;

typedef struct VncServer {
    char *host, *service, *path; /* where it listens */
    GArray *listeners;           /* VncListener */
    GPtrArray *clients;
    Console *con; /* NULL: there is none, or none any more */
    guint timer;
    unsigned interval_ms;
    bool want_password;
    char *password; /* NULL: nobody gets in where one is wanted */
    bool share_ignored, share_forced;
} VncServer;

/* --- vnc-encode.c --- */

void vnc_format_native(VncFormat *f);
/* The pixels of one rectangle with its header, in the encoding. */
void vnc_encode_rect(GByteArray *out, pixman_image_t *surface, const VncFormat *f, int encoding,
                     const pixman_box16_t *box);
void vnc_put_u8(GByteArray *out, unsigned v);
void vnc_put_u16(GByteArray *out, unsigned v);
void vnc_put_u32(GByteArray *out, uint32_t v);
void vnc_put_rect(GByteArray *out, unsigned x, unsigned y, unsigned w, unsigned h, int encoding);

/* --- vnc-keys.c --- */

/* The key that has @keysym on it in the layout of -k; 0: none has. */
unsigned vnc_key_of_keysym(uint32_t keysym);

/* --- vnc-client.c --- */

/* Owns @stream from here on. */
VncClient *vnc_client_new(VncServer *s, VncStream *stream);
void vnc_client_free(VncClient *c);
/* The connection ends; the client is freed when the main loop comes to it. */
void vnc_client_kill(VncClient *c);
void vnc_client_dirty(VncClient *c, unsigned x, unsigned y, unsigned w, unsigned h);
void vnc_client_resized(VncClient *c);
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

/* --- vnc-server.c --- */

/* What clients see: the console's surface, or an empty one while there is none. */
pixman_image_t *vnc_surface(VncServer *s);
/* Somebody looks: the screen is followed at full rate from now on. */
void vnc_wake(VncServer *s);
/* Serves whoever is at the other end of @stream, unless too many are served already. */
void vnc_add_client(VncServer *s, VncStream *stream);
/* For a client that does not want to share. */
void vnc_drop_others(VncServer *s, VncClient *keep);

#endif
