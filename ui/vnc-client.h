/* SPDX-License-Identifier: MIT */
/* One VNC viewer, as the files that serve it see it.  Machine lock, main loop. */
#ifndef UI_VNC_CLIENT_H
#define UI_VNC_CLIENT_H

#include "vnc-int.h"
#include "vnc-stream.h"

/* Takes a message from the @c->need bytes at @p; the bytes used, or 0 when @c->need has grown. */
typedef size_t (*VncHandler)(VncClient *c, const uint8_t *p);

typedef struct VncJob VncJob;
typedef struct VncTls VncTls;

/* News for the next update. */
enum {
    VNC_TELL_SIZE = 1,
    VNC_TELL_QEMU_KEY = 2,
    VNC_TELL_POINTER = 4, /* whether it is relative */
    VNC_TELL_CURSOR = 8,
};

struct VncClient {
    VncServer *server;
    VncStream *stream; /* NULL while the other end shakes hands with TLS */
    VncPeer peer;
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
    VncTls *tls; /* the TLS handshake that is going on */
    /* what it can and wants */
    VncSettings settings;
    bool can_resize, can_wish_size, can_qemu_key, can_qemu_pointer, can_cursor, can_alpha_cursor;
    bool can_fence, can_continue;
    bool asked, asked_all, continuous; /* an update; even if nothing has changed; without asking */
    unsigned answer_bytes;             /* beside updates, since the output was last empty */
    /* what it is told */
    unsigned tell;                     /* VNC_TELL_... */
    unsigned size_reason, size_status; /* of an ExtendedDesktopSize */
    bool relative, shows_cursor;       /* as it was told */
    pixman_box16_t pointer_box;        /* where it is drawn into the picture; empty: nowhere */
    unsigned width, height;            /* what it believes */
    pixman_region16_t changed;
    VncEncoder *encoder;
    VncJob *job; /* the update that is being made; has the encoder */
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

/* --- vnc-update.c --- */

/* The client goes; an update that is being made ends by itself. */
void vnc_client_drop_job(VncClient *c);

/* --- vnc-cursor.c --- */

/* The pointer's image in one of the two encodings; NULL: none. */
void vnc_put_cursor(GByteArray *out, const VncFormat *f, bool alpha, const ConsoleCursor *cursor);
/* Where it is on the screen, and beyond. */
pixman_box16_t vnc_cursor_box(const ConsoleCursor *cursor);

/* --- vnc-auth.c --- */

/* Begins the handshake. */
void vnc_auth_start(VncClient *c);
/* The client is not let in; it hears why if its version has words for that. */
void vnc_auth_refuse(VncClient *c, const char *why);
/* The step after the choice of a security type: the password, or nothing. */
void vnc_auth_password(VncClient *c);
void vnc_auth_none(VncClient *c);

/* --- vnc-vencrypt.c --- */

/* The client has chosen VeNCrypt. */
void vnc_vencrypt_start(VncClient *c);
/* The client goes; a TLS handshake that is going on ends by itself. */
void vnc_drop_tls(VncClient *c);

/* --- vnc-message.c --- */

/* The messages of a client past the handshake. */
size_t vnc_take_message(VncClient *c, const uint8_t *p);
/* Keys that are held are let go. */
void vnc_release_keys(VncClient *c);

#endif
