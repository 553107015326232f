/* SPDX-License-Identifier: MIT */
/* One VNC viewer, as the files that serve it see it.  Machine lock, main loop. */
#ifndef UI_VNC_CLIENT_H
#define UI_VNC_CLIENT_H

#include "vnc-int.h"
#include "vnc-stream.h"

/* Takes a message from the @c->need bytes at @p; the bytes used, or 0 when @c->need has grown. */
typedef size_t (*VncHandler)(VncClient *c, const uint8_t *p);

struct VncClient {
    VncServer *server;
    VncStream *stream;
    guint reaper, timeout; /* sources: frees it; ends a handshake that takes too long */
    GByteArray *in, *out;
    size_t out_done, skip; /* bytes of @out sent; bytes of input to throw away */
    VncHandler handler;
    size_t need;
    bool dead;
    bool ready; /* past the handshake */
    /* handshake */
    unsigned minor; /* of the protocol */
    uint8_t challenge[VNC_CHALLENGE_BYTES];
    /* what it wants */
    VncFormat format;
    int encoding;
    bool can_resize, can_qemu_key;
    bool asked, asked_all; /* an update; even if nothing has changed */
    bool tell_size, tell_qemu_key;
    unsigned width, height; /* what it believes */
    pixman_region16_t changed;
    /* input */
    uint8_t buttons;
    unsigned x, y;
    bool key_down[VNC_KEYS];
};

static inline unsigned vnc_get_u16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static inline uint32_t vnc_get_u32(const uint8_t *p)
{
    return (uint32_t)vnc_get_u16(p) << 16 | vnc_get_u16(p + 2);
}

/* --- vnc-client.c --- */

/* The next message has @need bytes at least. */
void vnc_client_expect(VncClient *c, VncHandler handler, size_t need);
/* The handshake is over. */
void vnc_client_is_ready(VncClient *c);
/* Goes on with another stream; the client owns it. */
void vnc_client_set_stream(VncClient *c, VncStream *stream);
/* Sends of @c->out what the stream takes now; the rest follows by itself. */
void vnc_client_flush(VncClient *c);

/* --- vnc-auth.c --- */

/* Begins the handshake. */
void vnc_auth_start(VncClient *c);

/* --- vnc-message.c --- */

/* The messages of a client past the handshake. */
size_t vnc_take_message(VncClient *c, const uint8_t *p);
/* Keys that are held are let go. */
void vnc_release_keys(VncClient *c);

#endif
