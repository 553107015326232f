/* SPDX-License-Identifier: MIT */
/*
 * Websocket frames.  The peer is not trusted: frames that RFC 6455 forbids a client to send are told, and pieces
 * of a message are given on as they come, so that no length that the peer names is ever allocated.
 * Spec: RFC 6455.  Not modelled: extensions (compression), which are not agreed on; text is not checked for UTF-8.
 */
#include "rhea/osdep.h"

#include "rhea/endian.h"
#include "websocket.h"

enum { FIN = 0x80, RESERVED = 0x70, OPCODE = 0x0f, MASKED = 0x80, LENGTH = 0x7f };
enum { LENGTH_16 = 126, LENGTH_64 = 127, MASK_BYTES = 4, KEY_BYTES = 16 };

/* --- The opening handshake (RFC 6455 4.2) --- */

static bool key_is_good(const char *key)
{
    size_t len = 0;
    g_autofree guchar *raw = key ? g_base64_decode(key, &len) : NULL;

    return raw && len == KEY_BYTES && strlen(key) == 24;
}

static char *accept_key(const char *key)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
    guint8 digest[20];
    gsize len = sizeof(digest);

    g_checksum_update(sum, (const guchar *)key, (gssize)strlen(key));
    g_checksum_update(sum, (const guchar *)"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", -1);
    g_checksum_get_digest(sum, digest, &len);
    return g_base64_encode(digest, len);
}

bool ws_accept(GByteArray *out, const HttpRequest *r, const char *protocol)
{
    const char *key = http_field(r, "Sec-WebSocket-Key"),
               *version = http_field(r, "Sec-WebSocket-Version");
    bool agreed = protocol && http_field_has(r, "Sec-WebSocket-Protocol", protocol);
    g_autofree char *accept = NULL, *head = NULL;

    if (!http_field_has(r, "Upgrade", "websocket") || (version && strcmp(version, "13"))) {
        http_answer(out, 426, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n", "text/plain",
                    "", 0);
        return false;
    }
    if (strcmp(r->method, "GET") || !http_field_has(r, "Connection", "upgrade") || !version ||
        !key_is_good(key)) {
        http_refuse(out, 400);
        return false;
    }
    accept = accept_key(key);
    head = g_strdup_printf(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: %s\r\n%s%s%s\r\n",
        accept, agreed ? "Sec-WebSocket-Protocol: " : "", agreed ? protocol : "",
        agreed ? "\r\n" : "");
    g_byte_array_append(out, (const uint8_t *)head, strlen(head));
    return true;
}

/* --- Frames to send --- */

void ws_put_header(GByteArray *out, WsOpcode op, size_t len)
{
    uint8_t h[10] = {FIN | (uint8_t)op};
    unsigned n = 2;

    if (len < LENGTH_16) {
        h[1] = (uint8_t)len;
    } else if (len <= UINT16_MAX) {
        h[1] = LENGTH_16;
        st16_be(h + 2, (uint16_t)len);
        n = 4;
    } else {
        h[1] = LENGTH_64;
        st64_be(h + 2, len);
        n = 10;
    }
    g_byte_array_append(out, h, n);
}

void ws_put_frame(GByteArray *out, WsOpcode op, const void *data, size_t len)
{
    ws_put_header(out, op, len);
    g_byte_array_append(out, data, len);
}

void ws_put_close(GByteArray *out, unsigned why)
{
    uint8_t code[2];

    st16_be(code, (uint16_t)why);
    ws_put_frame(out, WS_OP_CLOSE, code, sizeof(code));
}

/* --- Frames that come --- */

static unsigned length_bytes(const WsDecoder *d)
{
    unsigned length = d->header[1] & LENGTH;

    return length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0;
}

static unsigned header_bytes(const WsDecoder *d)
{
    return d->have < 2 ? 2 : 2 + length_bytes(d) + MASK_BYTES;
}

static bool is_control(const WsDecoder *d)
{
    return (d->header[0] & OPCODE) >= WS_OP_CLOSE;
}

static const uint8_t *mask_of(const WsDecoder *d)
{
    return d->header + 2 + length_bytes(d);
}

/* The header has come in full; false: it may not be. */
static bool begin_payload(WsDecoder *d)
{
    unsigned op = d->header[0] & OPCODE, length = d->header[1] & LENGTH;
    bool fin = d->header[0] & FIN;

    d->left = length == LENGTH_16   ? ld16_be(d->header + 2)
              : length == LENGTH_64 ? ld64_be(d->header + 2)
                                    : length;
    d->in_payload = true;
    d->mask_at = d->n_control = 0;
    if ((d->header[0] & RESERVED) || !(d->header[1] & MASKED) || d->left > INT64_MAX) {
        return false;
    }
    if (is_control(d)) {
        return op <= WS_OP_PONG && fin && d->left <= WS_CONTROL_MAX;
    }
    if (op > WS_OP_BINARY || d->in_message != (op == WS_OP_CONTINUE)) {
        return false;
    }
    if (op != WS_OP_CONTINUE) {
        d->text = op == WS_OP_TEXT;
    }
    d->in_message = !fin;
    return true;
}

static void unmask(WsDecoder *d, uint8_t *p, size_t len)
{
    const uint8_t *mask = mask_of(d);

    for (size_t i = 0; i < len; i++) {
        p[i] ^= mask[(d->mask_at + i) % MASK_BYTES];
    }
    d->mask_at = (d->mask_at + len) % MASK_BYTES;
    d->left -= len;
}

static void end_frame(WsDecoder *d)
{
    d->in_payload = false;
    d->have = 0;
}

static WsEvent take_control(WsDecoder *d, const uint8_t *p, size_t len, WsPiece *piece)
{
    unsigned op = d->header[0] & OPCODE;

    memcpy(d->control + d->n_control, p, len);
    d->n_control += (unsigned)len;
    if (d->left) {
        return WS_MORE;
    }
    end_frame(d);
    *piece = (WsPiece){.data = d->control, .len = d->n_control, .end = true};
    return op == WS_OP_PING ? WS_PING : op == WS_OP_CLOSE ? WS_CLOSE : WS_MORE;
}

static WsEvent take_payload(WsDecoder *d, uint8_t *p, size_t len, WsPiece *piece)
{
    unmask(d, p, len);
    if (is_control(d)) {
        return take_control(d, p, len, piece);
    }
    *piece = (WsPiece){.data = p, .len = len, .text = d->text, .end = !d->left && !d->in_message};
    if (!d->left) {
        end_frame(d);
    }
    return WS_DATA;
}

WsEvent ws_decode(WsDecoder *d, uint8_t *p, size_t len, size_t *used, WsPiece *piece)
{
    *used = 0;
    while (*used < len || (d->in_payload && !d->left)) {
        size_t n;
        WsEvent event;

        if (!d->in_payload) {
            d->header[d->have++] = p[(*used)++];
            if (d->have == header_bytes(d) && !begin_payload(d)) {
                return WS_BAD;
            }
            continue;
        }
        n = MIN(d->left, len - *used);
        event = take_payload(d, p + *used, n, piece);
        *used += n;
        if (event != WS_MORE) {
            return event;
        }
    }
    return WS_MORE;
}
