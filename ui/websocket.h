/* SPDX-License-Identifier: MIT */
/*
 * Websockets, the server's side of RFC 6455, without any input or output of its own: the answer to the opening
 * request, frames to send, and a decoder for what a client sends.  Pure functions: any thread.
 */
#ifndef UI_WEBSOCKET_H
#define UI_WEBSOCKET_H

#include "http.h"

enum { WS_HEADER_MAX = 14, WS_CONTROL_MAX = 125 };

typedef enum WsOpcode {
    WS_OP_CONTINUE = 0,
    WS_OP_TEXT = 1,
    WS_OP_BINARY = 2,
    WS_OP_CLOSE = 8,
    WS_OP_PING = 9,
    WS_OP_PONG = 10,
} WsOpcode;

/* Why a connection ends (RFC 6455 7.4.1). */
enum { WS_NORMAL = 1000, WS_GOING_AWAY = 1001, WS_PROTOCOL_ERROR = 1002, WS_TOO_BIG = 1009 };

/*
 * Answers a request that asks for a websocket into @out.  @protocol: the subprotocol that is ours, agreed on when
 * the client offers it; NULL: none.  False: the request asks for none, and @out has the refusal.
 */
bool ws_accept(GByteArray *out, const HttpRequest *r, const char *protocol);
/* The beginning of an unfragmented frame of @len bytes, which are to follow. */
void ws_put_header(GByteArray *out, WsOpcode op, size_t len);
void ws_put_frame(GByteArray *out, WsOpcode op, const void *data, size_t len);
void ws_put_close(GByteArray *out, unsigned why);

typedef struct WsDecoder {
    uint8_t header[WS_HEADER_MAX], control[WS_CONTROL_MAX];
    unsigned have;    /* bytes of the header */
    bool in_payload;  /* the header is complete */
    bool in_message;  /* a data frame without FIN was there */
    bool text;        /* the message's kind */
    unsigned mask_at; /* the next byte of the mask */
    uint64_t left;    /* bytes of the payload that have not come */
    unsigned n_control;
} WsDecoder;

typedef enum WsEvent {
    WS_MORE,  /* all was taken, and more is needed */
    WS_DATA,  /* a piece of a message */
    WS_PING,  /* to be answered with a pong of the same bytes */
    WS_CLOSE, /* the client has closed */
    WS_BAD,   /* a client does not do that; the connection is to end */
} WsEvent;

typedef struct WsPiece {
    const uint8_t *data; /* in the bytes given, or in the decoder: until the next call */
    size_t len;
    bool text, end; /* the message's kind; its last piece */
} WsPiece;

/* Takes some of the @len bytes at @p, which it unmasks in place; @used says how many.  @d begins as zeros. */
WsEvent ws_decode(WsDecoder *d, uint8_t *p, size_t len, size_t *used, WsPiece *piece);

#endif
