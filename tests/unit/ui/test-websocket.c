/* SPDX-License-Identifier: MIT */
/* Requests of HTTP and frames of websockets (ui/http.c, ui/websocket.c), whole, in pieces, and broken. */
#include "rhea/osdep.h"

#include "ui/websocket.h"

/* --- Heads --- */

static bool parses(const char *text, HttpRequest *r)
{
    static char head[HTTP_HEAD_MAX];
    size_t len = http_head_bytes((const uint8_t *)text, strlen(text));

    g_assert_cmpuint(len, ==, strlen(text));
    memcpy(head, text, len);
    return http_parse(r, head, len);
}

static void test_head(void)
{
    HttpRequest r;
    g_autofree char *token = NULL, *none = NULL;

    g_assert_cmpuint(http_head_bytes((const uint8_t *)"GET / HTTP/1.1\r\n\r", 17), ==, 0);
    g_assert_true(parses(
        "GET /a/b?x=1&token=t%20 HTTP/1.1\r\nHost:  here:80 \r\nConnection: keep-alive, Upgrade\r\n"
        "Twice: 1\r\ntwice: 2\r\n\r\n",
        &r));
    g_assert_cmpstr(r.method, ==, "GET");
    g_assert_cmpstr(r.path, ==, "/a/b");
    g_assert_cmpstr(http_field(&r, "host"), ==, "here:80");
    g_assert_null(http_field(&r, "Twice"));
    g_assert_null(http_field(&r, "Absent"));
    g_assert_true(http_field_has(&r, "connection", "upgrade"));
    g_assert_false(http_field_has(&r, "connection", "grade"));
    token = http_query(&r, "token");
    none = http_query(&r, "oken");
    g_assert_cmpstr(token, ==, "t%20");
    g_assert_null(none);
}

static void test_bad_heads(void)
{
    static const char *const bad[] = {
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET x HTTP/1.1\r\n\r\n",
        "G(T / HTTP/1.1\r\n\r\n",
        "GET /#a HTTP/1.1\r\n\r\n",
        "GET /\t HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nNo colon\r\n\r\n",
        "GET / HTTP/1.1\r\n: empty\r\n\r\n",
        "GET / HTTP/1.1\r\nSpace : before\r\n\r\n",
        "GET / HTTP/1.1\r\nA: 1\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\nc\r\n\r\n",
    };
    g_autoptr(GString) many = g_string_new("GET / HTTP/1.1\r\n");
    char zero[] = "GET / HTTP/1.1\r\nA: \0\r\n\r\n";
    HttpRequest r;

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(parses(bad[i], &r));
    }
    for (unsigned i = 0; i <= HTTP_FIELDS_MAX; i++) {
        g_string_append_printf(many, "F%u: x\r\n", i);
    }
    g_string_append(many, "\r\n");
    g_assert_false(parses(many->str, &r));
    g_assert_false(http_parse(&r, zero, sizeof(zero) - 1));
}

/* --- The handshake --- */

static bool accepts(const char *fields, char **answer)
{
    g_autofree char *text = g_strdup_printf("GET / HTTP/1.1\r\n%s\r\n", fields);
    g_autoptr(GByteArray) out = g_byte_array_new();
    HttpRequest r;
    bool good;

    g_assert_true(parses(text, &r));
    good = ws_accept(out, &r, "binary");
    g_free(*answer);
    *answer = g_strndup((char *)out->data, out->len);
    return good;
}

#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"

static void test_handshake(void)
{
    g_autofree char *answer = NULL;

    /* The key and its answer are those of RFC 6455 1.3. */
    g_assert_true(accepts(UPGRADE KEY VERSION, &answer));
    g_assert_nonnull(strstr(answer, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    g_assert_null(strstr(answer, "Sec-WebSocket-Protocol"));
    g_assert_true(accepts(UPGRADE KEY VERSION "Sec-WebSocket-Protocol: chat, binary\r\n", &answer));
    g_assert_nonnull(strstr(answer, "Sec-WebSocket-Protocol: binary\r\n"));
    g_assert_false(accepts(KEY VERSION, &answer));
    g_assert_true(g_str_has_prefix(answer, "HTTP/1.1 426 "));
    g_assert_false(accepts(UPGRADE KEY "Sec-WebSocket-Version: 8\r\n", &answer));
    g_assert_true(g_str_has_prefix(answer, "HTTP/1.1 426 "));
    g_assert_false(accepts(UPGRADE VERSION, &answer));
    g_assert_true(g_str_has_prefix(answer, "HTTP/1.1 400 "));
    g_assert_false(accepts(UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNh\r\n", &answer));
    g_assert_false(accepts("Upgrade: websocket\r\n" KEY VERSION, &answer));
}

/* --- Frames --- */

/* A client's frame: masked. */
static void put_masked(GByteArray *out, unsigned first, const char *payload)
{
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    guint at = out->len, data;

    ws_put_header(out, WS_OP_BINARY, strlen(payload));
    out->data[at] = (uint8_t)first;
    out->data[at + 1] |= 0x80;
    g_byte_array_append(out, mask, sizeof(mask));
    data = out->len;
    g_byte_array_append(out, (const uint8_t *)payload, strlen(payload));
    for (guint i = data; i < out->len; i++) {
        out->data[i] ^= mask[(i - data) % 4];
    }
}

/* What the decoder tells of @in when it comes in steps of @step bytes: "b(data)" a piece, "." its end, p, c, !. */
static char *decoded(const GByteArray *in, size_t step)
{
    g_autofree uint8_t *copy = g_memdup2(in->data, in->len);
    GString *text = g_string_new(NULL);
    WsDecoder d = {.have = 0};

    for (size_t at = 0; at < in->len;) {
        size_t used;
        WsPiece piece;
        WsEvent e = ws_decode(&d, copy + at, MIN(step, in->len - at), &used, &piece);

        at += used;
        if (e == WS_BAD) {
            g_string_append_c(text, '!');
            break;
        }
        if (e == WS_DATA) {
            g_string_append_len(text, (const char *)piece.data, (gssize)piece.len);
            g_string_append(text, !piece.end ? "" : piece.text ? "t." : "b.");
        } else if (e != WS_MORE) {
            g_string_append_printf(text, "%c(%.*s)", e == WS_PING ? 'p' : 'c', (int)piece.len,
                                   (const char *)piece.data);
        }
    }
    return g_string_free(text, false);
}

static void test_frames(void)
{
    g_autoptr(GByteArray) in = g_byte_array_new();
    g_autofree char *long_text = g_strnfill(300, 'x'), *huge = g_strnfill(70000, 'y');
    g_autofree char *wanted =
        g_strconcat("hellob.ones[p(now)]twot.b.", long_text, "b.", huge, "t.c()", NULL);

    put_masked(in, 0x82, "hello");
    put_masked(in, 0x01, "ones["); /* a message in pieces, a ping between them */
    put_masked(in, 0x89, "now");
    put_masked(in, 0x80, "]two");
    put_masked(in, 0x82, "");
    put_masked(in, 0x8a, "a pong is nothing");
    put_masked(in, 0x82, long_text);
    put_masked(in, 0x81, huge);
    put_masked(in, 0x88, "");
    for (size_t step = 1; step < 200000; step = step * 3 + 1) {
        g_autofree char *text = decoded(in, step);

        g_assert_cmpstr(text, ==, wanted);
    }
}

static void test_bad_frames(void)
{
    static const struct {
        uint8_t first, second; /* bytes of the last frame; before it one of @before, 0: none */
        uint8_t before;
        const char *why;
    } bad[] = {
        {0x82, 0x00, 0, "not masked"},       {0xc2, 0x80, 0, "a reserved bit"},
        {0x83, 0x80, 0, "a reserved data"},  {0x8b, 0x80, 0, "a reserved control"},
        {0x09, 0x80, 0, "a ping in pieces"}, {0x89, 0xfe, 0, "a long ping"},
        {0x80, 0x80, 0, "nothing to go on"}, {0x81, 0x80, 0x01, "a message inside another"},
        {0x82, 0xff, 0, "2^63 bytes"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GByteArray) in = g_byte_array_new();
        const uint8_t frame[14] = {bad[i].first, bad[i].second, 0xff};
        g_autofree char *text = NULL;

        if (bad[i].before) {
            put_masked(in, bad[i].before, "");
        }
        g_byte_array_append(in, frame, sizeof(frame));
        text = decoded(in, 1);
        g_test_message("%s: %s", bad[i].why, text);
        g_assert_true(g_str_has_suffix(text, "!"));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ui/websocket/head", test_head);
    g_test_add_func("/ui/websocket/bad-heads", test_bad_heads);
    g_test_add_func("/ui/websocket/handshake", test_handshake);
    g_test_add_func("/ui/websocket/frames", test_frames);
    g_test_add_func("/ui/websocket/bad-frames", test_bad_frames);
    return g_test_run();
}
