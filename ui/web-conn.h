/* SPDX-License-Identifier: MIT */
/*
 * One connection of HTTP on a stream: a request, its answer, and the messages that follow when it was for a
 * websocket.  Nothing blocks.  Threading: the machine lock, main loop.
 */
#ifndef UI_WEB_CONN_H
#define UI_WEB_CONN_H

#include "vnc-stream.h"
#include "websocket.h"

typedef struct WebConn WebConn;

/* What the user supplies.  None of them may free the connection, but closed(). */
typedef struct WebConnOps {
    /* Puts the answer into @out; true: it is ws_accept()'s, and messages follow. */
    bool (*request)(void *opaque, const HttpRequest *r, GByteArray *out);
    /* Messages may be sent. */
    void (*opened)(void *opaque);
    /* A piece of a message, as it came. */
    void (*message)(void *opaque, const WsPiece *piece);
    /* All that was put out has gone, after some of it had to wait. */
    void (*drained)(void *opaque);
    /* The connection has ended, and is to be freed now or later. */
    void (*closed)(void *opaque);
} WebConnOps;

/* Owns the stream.  A request that does not come, or an answer that is not taken, ends it after a while. */
WebConn *web_conn_new(VncStream *stream, const WebConnOps *ops, void *opaque);
void web_conn_free(WebConn *c);
/* Ends the connection: closed() is called from the main loop. */
void web_conn_kill(WebConn *c);
/* Says why, and ends it when that has gone. */
void web_conn_close(WebConn *c, unsigned why);
/* Frames for the peer are put here, in full, and then flushed; what is in it has not gone yet. */
GByteArray *web_conn_out(WebConn *c);
void web_conn_flush(WebConn *c);
/* Bytes that the peer has not taken. */
size_t web_conn_queued(const WebConn *c);

#endif
