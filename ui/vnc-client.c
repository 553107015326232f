/* SPDX-License-Identifier: MIT */
/*
 * One VNC viewer: its stream, input and output buffers.  The peer is not trusted: a message is taken when it has
 * come in full, and none is longer than INPUT_MAX.  Threading: the machine lock, main loop.
 */
#include "rhea/osdep.h"

#include "vnc-client.h"

enum { INPUT_MAX = 64 * 1024, READ_BYTES = 4096, HANDSHAKE_S = 10 };

void vnc_client_expect(VncClient *c, VncHandler handler, size_t need)
{
    c->handler = handler;
    c->need = need;
}

/* --- The end --- */

static gboolean client_reap(gpointer opaque)
{
    VncClient *c = opaque;

    c->reaper = 0;
    g_ptr_array_remove(c->server->clients, c);
    return G_SOURCE_REMOVE;
}

void vnc_client_kill(VncClient *c)
{
    if (!c->dead) {
        c->dead = true;
        if (c->stream) {
            c->stream->ops->shut(c->stream);
        }
        c->reaper = g_idle_add_full(G_PRIORITY_DEFAULT, client_reap, c, NULL);
    }
}

static gboolean client_too_slow(gpointer opaque)
{
    VncClient *c = opaque;

    c->timeout = 0;
    vnc_client_kill(c);
    return G_SOURCE_REMOVE;
}

/* --- Output --- */

void vnc_client_flush(VncClient *c)
{
    while (!c->dead && c->stream && c->out_done < c->out->len) {
        ssize_t n =
            c->stream->ops->write(c->stream, c->out->data + c->out_done, c->out->len - c->out_done);

        if (n == -EAGAIN) {
            return;
        }
        if (n < 0) {
            vnc_client_kill(c);
            return;
        }
        c->out_done += n;
    }
    g_byte_array_set_size(c->out, 0);
    c->out_done = c->answer_bytes = 0;
}

static void client_writable(void *opaque)
{
    VncClient *c = opaque;

    vnc_client_flush(c);
    if (!c->out->len) {
        vnc_client_update(c);
    }
}

/* --- Input --- */

static void take_input(VncClient *c)
{
    size_t at = 0;

    while (!c->dead) {
        size_t left = c->in->len - at, drop = MIN(c->skip, left);

        c->skip -= drop;
        at += drop;
        left -= drop;
        if (c->skip || left < c->need) {
            break;
        }
        at += c->handler(c, c->in->data + at);
    }
    g_byte_array_remove_range(c->in, 0, at);
}

static void client_readable(void *opaque)
{
    VncClient *c = opaque;
    uint8_t buf[READ_BYTES];
    ssize_t n = c->dead ? -EAGAIN : c->stream->ops->read(c->stream, buf, sizeof(buf));

    if (n == -EAGAIN) {
        return;
    }
    if (n > 0 && c->in->len + n <= INPUT_MAX) {
        g_byte_array_append(c->in, buf, n);
        take_input(c);
        vnc_client_flush(c);
    } else {
        vnc_client_kill(c);
    }
}

/* --- Lifetime --- */

void vnc_client_set_stream(VncClient *c, VncStream *stream)
{
    c->stream = stream;
    stream->readable = client_readable;
    stream->writable = client_writable;
    stream->opaque = c;
}

VncClient *vnc_client_new(VncServer *s, VncStream *stream, const VncPeer *peer)
{
    VncClient *c = g_new0(VncClient, 1);

    c->server = s;
    c->peer = *peer;
    c->in = g_byte_array_new();
    c->out = g_byte_array_new();
    pixman_region_init(&c->changed);
    vnc_format_native(&c->settings.format);
    c->settings.level = 1;
    c->settings.quality = -1;
    c->encoder = vnc_encoder_new();
    vnc_client_set_stream(c, stream);
    c->timeout = g_timeout_add_seconds(HANDSHAKE_S, client_too_slow, c);
    vnc_client_event(c, "VNC_CONNECTED");
    vnc_auth_start(c);
    return c;
}

void vnc_client_is_ready(VncClient *c)
{
    c->ready = true;
    vnc_client_event(c, "VNC_INITIALIZED");
    g_source_remove(c->timeout);
    c->timeout = 0;
}

bool vnc_client_ready(const VncClient *c)
{
    return c->ready && !c->dead;
}

bool vnc_client_pending(const VncClient *c)
{
    return !c->ready && !c->dead;
}

void vnc_client_free(VncClient *c)
{
    vnc_client_event(c, "VNC_DISCONNECTED");
    vnc_release_keys(c);
    vnc_client_drop_job(c);
    if (c->timeout) {
        g_source_remove(c->timeout);
    }
    if (c->reaper) {
        g_source_remove(c->reaper);
    }
    if (c->stream) {
        c->stream->ops->free(c->stream);
    }
    vnc_drop_tls(c);
    g_byte_array_unref(c->in);
    g_byte_array_unref(c->out);
    pixman_region_fini(&c->changed);
    g_free(c);
}
