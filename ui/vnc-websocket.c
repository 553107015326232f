/* SPDX-License-Identifier: MIT */
/*
 * VNC through websockets, as browsers speak it: each binary message is a piece of the stream of bytes that
 * a socket would carry.  Any page may connect: who may see the screen is for VNC's own password to say.
 * Threading: the machine lock, main loop.
 */
#include "rhea/osdep.h"

#include "rhea/opts.h"
#include "vnc-int.h"
#include "web-conn.h"

enum { PORT_BASE = 5700, PORT_MAX = 65535, FRAME_MAX = 256 * 1024 };

typedef struct WebsocketStream {
    VncStream parent;
    WebConn *conn;
    GByteArray *in;  /* what the client has not read */
    bool want_write; /* a write() found no room */
    bool open, ended;
} WebsocketStream;

static bool websocket_request(void *opaque, const HttpRequest *r, GByteArray *out)
{
    return ws_accept(out, r, "binary");
}

static void websocket_drained(void *opaque)
{
    WebsocketStream *s = opaque;

    if (s->want_write) {
        s->want_write = false;
        s->parent.writable(s->parent.opaque);
    }
}

static void websocket_opened(void *opaque)
{
    ((WebsocketStream *)opaque)->open = true;
    websocket_drained(opaque);
}

/* The client reads on as long as it takes something. */
static void websocket_message(void *opaque, const WsPiece *piece)
{
    WebsocketStream *s = opaque;
    guint left;

    g_byte_array_append(s->in, piece->data, (guint)piece->len);
    do {
        left = s->in->len;
        s->parent.readable(s->parent.opaque);
    } while (s->in->len && s->in->len < left);
}

static void websocket_closed(void *opaque)
{
    WebsocketStream *s = opaque;

    s->ended = true;
    s->parent.readable(s->parent.opaque);
}

static ssize_t websocket_read(VncStream *parent, void *buf, size_t len)
{
    WebsocketStream *s = (WebsocketStream *)parent;
    size_t n = MIN(len, s->in->len);

    if (!n) {
        return s->ended ? 0 : -EAGAIN;
    }
    memcpy(buf, s->in->data, n);
    g_byte_array_remove_range(s->in, 0, (guint)n);
    return (ssize_t)n;
}

static ssize_t websocket_write(VncStream *parent, const void *buf, size_t len)
{
    WebsocketStream *s = (WebsocketStream *)parent;
    size_t n = MIN(len, FRAME_MAX);

    if (s->ended) {
        return -EPIPE;
    }
    if (!s->open || web_conn_queued(s->conn)) {
        s->want_write = true;
        return -EAGAIN;
    }
    ws_put_frame(web_conn_out(s->conn), WS_OP_BINARY, buf, n);
    web_conn_flush(s->conn);
    return (ssize_t)n;
}

static void websocket_shut(VncStream *parent)
{
    web_conn_kill(((WebsocketStream *)parent)->conn);
}

static void websocket_free(VncStream *parent)
{
    WebsocketStream *s = (WebsocketStream *)parent;

    web_conn_free(s->conn);
    g_byte_array_unref(s->in);
    g_free(s);
}

static VncStream *websocket_stream(VncStream *below)
{
    static const VncStreamOps ops = {.read = websocket_read,
                                     .write = websocket_write,
                                     .shut = websocket_shut,
                                     .free = websocket_free};
    static const WebConnOps conn_ops = {.request = websocket_request,
                                        .opened = websocket_opened,
                                        .message = websocket_message,
                                        .drained = websocket_drained,
                                        .closed = websocket_closed};
    WebsocketStream *s = g_new0(WebsocketStream, 1);

    s->parent.ops = &ops;
    s->in = g_byte_array_new();
    s->conn = web_conn_new(below, &conn_ops, s);
    return &s->parent;
}

/* --- Listening --- */

static void websocket_accept(void *opaque, int fd)
{
    VncPeer peer = vnc_peer_of(fd);

    peer.websocket = true;
    vnc_add_client(opaque, websocket_stream(vnc_socket_stream(fd)), &peer);
}

/* "PORT", "HOST:PORT", "unix:PATH", or "on", which is the port that belongs to the display. */
bool vnc_websocket_listen(VncServer *s, const char *where, unsigned display, Error **errp)
{
    const char *colon = strrchr(where, ':');
    g_autofree char *host = colon ? g_strndup(where, (gsize)(colon - where)) : g_strdup(s->host);
    ListenAt at = {.what = "-vnc: websocket", .host = host};
    uint64_t port = PORT_BASE + display;

    if (g_str_has_prefix(where, "unix:")) {
        s->websocket =
            listener_new_unix(at.what, where + strlen("unix:"), websocket_accept, s, errp);
        return s->websocket != NULL;
    }
    if (strcmp(where, "on") &&
        !parse_u64(at.what, colon ? colon + 1 : where, PORT_MAX, &port, errp)) {
        return false;
    }
    at.port = (unsigned)port;
    s->websocket = listener_new_tcp(&at, websocket_accept, s, errp);
    return s->websocket != NULL;
}
