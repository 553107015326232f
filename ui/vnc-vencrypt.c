/* SPDX-License-Identifier: MIT */
/*
 * VeNCrypt: TLS for VNC clients, then a password or nothing.  The TLS handshake has a thread of its own; afterwards
 * the client goes on with a socket that carries its bytes in the clear.
 * Spec: the community's RFB document, "VeNCrypt".  Not modelled: Plain, which is a user with a password.
 * Threading: the machine lock, main loop, but for tls_thread().
 */
#include "rhea/osdep.h"

#include <fcntl.h>

#include "vnc-client.h"

enum { MAJOR = 0, MINOR = 2, THREADS_MAX = 64, TLS_MS = 10000 };
enum { TLS_NONE = 257, TLS_VNC = 258, X509_NONE = 260, X509_VNC = 261 };

/* A handshake with its thread. */
struct VncTls {
    VncClient *client; /* NULL: it has gone */
    TlsCreds *creds;
    int fd; /* the client's socket, then the one that goes on; -1: it failed */
};

static unsigned threads; /* handshakes that are going on, also of clients that have gone */

static uint32_t subtype(const VncServer *s)
{
    if (s->tls->spec.kind == TLS_X509) {
        return s->want_password ? X509_VNC : X509_NONE;
    }
    return s->want_password ? TLS_VNC : TLS_NONE;
}

static gboolean tls_done(gpointer opaque)
{
    VncTls *t = opaque;
    VncClient *c = t->client;

    threads--;
    if (c) {
        c->tls = NULL;
    }
    if (c && !c->dead && t->fd >= 0) {
        vnc_client_set_stream(c, vnc_socket_stream(t->fd));
        if (c->server->want_password) {
            vnc_auth_password(c);
        } else {
            vnc_auth_none(c);
        }
        vnc_client_flush(c);
    } else {
        if (t->fd >= 0) {
            close(t->fd);
        }
        if (c) {
            vnc_client_kill(c);
        }
    }
    tls_creds_unref(t->creds);
    g_free(t);
    return G_SOURCE_REMOVE;
}

static gpointer tls_thread(gpointer opaque)
{
    VncTls *t = opaque;
    int fd = tls_serve(t->creds, t->fd, TLS_MS, NULL);

    if (fd < 0) {
        close(t->fd);
    }
    t->fd = fd;
    g_idle_add_full(G_PRIORITY_DEFAULT, tls_done, t, NULL);
    return NULL;
}

static void start_tls(VncClient *c)
{
    VncTls *t = g_new0(VncTls, 1);
    GThread *thread;

    t->client = c;
    t->creds = tls_creds_ref(c->server->tls);
    t->fd = vnc_socket_stream_steal(c->stream);
    fcntl(t->fd, F_SETFL, fcntl(t->fd, F_GETFL) & ~O_NONBLOCK); /* the thread waits */
    c->stream = NULL;
    c->tls = t;
    threads++;
    thread = g_thread_try_new("vnc-tls", tls_thread, t, NULL);
    if (thread) {
        g_thread_unref(thread);
    } else {
        close(t->fd);
        t->fd = -1;
        tls_done(t);
    }
}

void vnc_drop_tls(VncClient *c)
{
    if (c->tls) {
        c->tls->client = NULL;
    }
}

static size_t take_subtype(VncClient *c, const uint8_t *p)
{
    enum { BYTES = 4, ACCEPTED = 1 };

    if (vnc_get_u32(p) != subtype(c->server) || p + BYTES != c->in->data + c->in->len ||
        threads >= THREADS_MAX || !vnc_stream_is_socket(c->stream)) {
        vnc_client_kill(c);
        return BYTES;
    }
    vnc_put_u8(c->out, ACCEPTED);
    vnc_client_flush(c);
    if (!c->dead && c->out->len) { /* it does not even take that */
        vnc_client_kill(c);
    }
    if (!c->dead) {
        start_tls(c);
    }
    return BYTES;
}

static size_t take_version(VncClient *c, const uint8_t *p)
{
    bool known = p[0] == MAJOR && p[1] == MINOR;

    vnc_put_u8(c->out, !known); /* the status of the choice */
    if (!known) {
        vnc_client_flush(c);
        vnc_client_kill(c);
        return 2;
    }
    vnc_put_u8(c->out, 1); /* subtypes */
    vnc_put_u32(c->out, subtype(c->server));
    vnc_client_expect(c, take_subtype, 4);
    return 2;
}

void vnc_vencrypt_start(VncClient *c)
{
    vnc_put_u8(c->out, MAJOR);
    vnc_put_u8(c->out, MINOR);
    vnc_client_expect(c, take_version, 2);
}
