/* SPDX-License-Identifier: MIT */
/*
 * Connections of HTTP and websockets.  The peer is not trusted: the head of a request is bounded, so is the time for
 * it, pieces of messages are given on as they come, and it is for the user to put nothing out while much waits.
 * Of the pings that come while something waits the last is answered, so that they cannot fill the queue.
 * Specs: RFC 9112, RFC 6455.  Not modelled: several requests on one connection.
 * Threading: the machine lock, main loop.
 */
#include "rhea/osdep.h"

#include "web-conn.h"

enum { READ_BYTES = 16384, REQUEST_SECONDS = 10, ANSWER_SECONDS = 60 };

typedef enum ConnState { CONN_HEAD, CONN_ANSWER, CONN_MESSAGES, CONN_CLOSING, CONN_DEAD } ConnState;

struct WebConn {
    VncStream *stream;
    const WebConnOps *ops;
    void *opaque;
    ConnState state;
    guint timeout, reaper; /* sources */
    GByteArray *head;      /* of the request */
    WsDecoder decoder;
    GByteArray *out;
    size_t out_done;
    bool pong_due; /* the last ping, as soon as nothing waits */
    unsigned n_pong;
    uint8_t pong[WS_CONTROL_MAX];
};

static gboolean conn_reap(gpointer opaque)
{
    WebConn *c = opaque;

    c->reaper = 0;
    c->ops->closed(c->opaque);
    return G_SOURCE_REMOVE;
}

void web_conn_kill(WebConn *c)
{
    if (c->state != CONN_DEAD) {
        c->state = CONN_DEAD;
        c->stream->ops->shut(c->stream);
        c->reaper = g_idle_add_full(G_PRIORITY_DEFAULT, conn_reap, c, NULL);
    }
}

static gboolean conn_timed_out(gpointer opaque)
{
    WebConn *c = opaque;

    c->timeout = 0;
    web_conn_kill(c);
    return G_SOURCE_REMOVE;
}

static void set_timeout(WebConn *c, unsigned seconds)
{
    if (c->timeout) {
        g_source_remove(c->timeout);
    }
    c->timeout = seconds ? g_timeout_add_seconds(seconds, conn_timed_out, c) : 0;
}

/* --- Output --- */

size_t web_conn_queued(const WebConn *c)
{
    return c->out->len - c->out_done;
}

GByteArray *web_conn_out(WebConn *c)
{
    return c->out;
}

/* What is put out without the user: true, there is something. */
static bool put_pong(WebConn *c)
{
    if (!c->pong_due || c->state != CONN_MESSAGES) {
        return false;
    }
    c->pong_due = false;
    ws_put_frame(c->out, WS_OP_PONG, c->pong, c->n_pong);
    return true;
}

void web_conn_flush(WebConn *c)
{
    while (c->state != CONN_DEAD && (web_conn_queued(c) || put_pong(c))) {
        ssize_t n =
            c->stream->ops->write(c->stream, c->out->data + c->out_done, web_conn_queued(c));

        if (n == -EAGAIN) {
            return;
        }
        if (n < 0) {
            web_conn_kill(c);
            return;
        }
        c->out_done += (size_t)n;
        if (!web_conn_queued(c)) {
            g_byte_array_set_size(c->out, 0);
            c->out_done = 0;
        }
    }
    if (c->state == CONN_ANSWER || c->state == CONN_CLOSING) {
        web_conn_kill(c);
    }
}

static void conn_writable(void *opaque)
{
    WebConn *c = opaque;

    web_conn_flush(c);
    if (c->state == CONN_MESSAGES && !web_conn_queued(c)) {
        c->ops->drained(c->opaque);
    }
}

void web_conn_close(WebConn *c, unsigned why)
{
    if (c->state == CONN_MESSAGES) {
        c->state = CONN_CLOSING;
        ws_put_close(c->out, why);
        set_timeout(c, REQUEST_SECONDS);
        web_conn_flush(c);
    } else {
        web_conn_kill(c);
    }
}

/* --- Messages --- */

static void take_frames(WebConn *c, uint8_t *p, size_t len)
{
    while (len && c->state == CONN_MESSAGES) {
        WsPiece piece;
        size_t used;

        switch (ws_decode(&c->decoder, p, len, &used, &piece)) {
        case WS_MORE: break;
        case WS_DATA: c->ops->message(c->opaque, &piece); break;
        case WS_PING:
            c->pong_due = true;
            c->n_pong = (unsigned)piece.len;
            memcpy(c->pong, piece.data, piece.len);
            if (!web_conn_queued(c)) {
                web_conn_flush(c);
            }
            break;
        case WS_CLOSE: web_conn_close(c, WS_NORMAL); break;
        case WS_BAD: web_conn_close(c, WS_PROTOCOL_ERROR); break;
        }
        p += used;
        len -= used;
    }
}

/* --- The request --- */

static void answer(WebConn *c, size_t len)
{
    HttpRequest r;
    bool upgraded = false;

    if (!http_parse(&r, (char *)c->head->data, len)) {
        http_refuse(c->out, 400);
    } else {
        upgraded = c->ops->request(c->opaque, &r, c->out);
    }
    if (c->state != CONN_DEAD) {
        c->state = upgraded ? CONN_MESSAGES : CONN_ANSWER;
        set_timeout(c, upgraded ? 0 : ANSWER_SECONDS);
    }
}

static void take_head(WebConn *c, const uint8_t *p, size_t len)
{
    size_t n;

    g_byte_array_append(c->head, p, len);
    n = http_head_bytes(c->head->data, MIN(c->head->len, HTTP_HEAD_MAX));
    if (n) {
        answer(c, n);
        web_conn_flush(c);
        if (c->state == CONN_MESSAGES) {
            c->ops->opened(c->opaque);
        }
        take_frames(c, c->head->data + n, c->head->len - n);
        g_byte_array_set_size(c->head, 0);
    } else if (c->head->len >= HTTP_HEAD_MAX) {
        c->state = CONN_ANSWER;
        http_refuse(c->out, 431);
        web_conn_flush(c);
    }
}

static void conn_readable(void *opaque)
{
    WebConn *c = opaque;
    uint8_t buf[READ_BYTES];
    ssize_t n = c->stream->ops->read(c->stream, buf, sizeof(buf));

    if (n == -EAGAIN) {
        return;
    }
    if (n <= 0) {
        web_conn_kill(c);
    } else if (c->state == CONN_HEAD) {
        take_head(c, buf, (size_t)n);
    } else {
        take_frames(c, buf, (size_t)n);
    }
}

/* --- Life --- */

WebConn *web_conn_new(VncStream *stream, const WebConnOps *ops, void *opaque)
{
    WebConn *c = g_new0(WebConn, 1);

    c->stream = stream;
    c->ops = ops;
    c->opaque = opaque;
    c->head = g_byte_array_new();
    c->out = g_byte_array_new();
    stream->readable = conn_readable;
    stream->writable = conn_writable;
    stream->opaque = c;
    set_timeout(c, REQUEST_SECONDS);
    return c;
}

void web_conn_free(WebConn *c)
{
    set_timeout(c, 0);
    if (c->reaper) {
        g_source_remove(c->reaper);
    }
    c->stream->ops->free(c->stream);
    g_byte_array_unref(c->head);
    g_byte_array_unref(c->out);
    g_free(c);
}
