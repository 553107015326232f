/* SPDX-License-Identifier: MIT */
/*
 * One page: what it is sent, and what its user does.  The peer is not trusted: messages are bounded, and nothing is
 * made for it while the last thing waits to be taken, so that a page that does not read costs one picture's memory.
 * A page says which pictures it has shown; a hidden one says nothing and then gets none, and nobody draws for it.
 * Threading: the machine lock, main loop.
 */
#include "rhea/osdep.h"

#include "rhea/endian.h"
#include "rhea/json.h"
#include "ui/input.h"
#include "web-int.h"

enum {
    MESSAGE_MAX = 16 * 1024,
    UNSEEN_MAX = 2, /* pictures on their way */
    RECTS_MAX = 64,
    SIZE_MAX_WISH = 16384,
};

struct WebClient {
    WebServer *server;
    WebConn *conn;
    bool ready; /* a page */
    GByteArray *in;
    /* the console that it shows; NULL: there is none, or none any more */
    Console *con;
    unsigned head;
    pixman_region16_t changed;
    bool size_due, cursor_due, place_due, state_due;
    unsigned unseen;
    uint64_t terminal_at[WEB_TERMINALS];
    /* input */
    bool key_down[WEB_KEYS];
};

/* --- The console --- */

static pixman_image_t *surface_of(const WebClient *c)
{
    return c->con ? console_surface(c->con) : NULL;
}

static void screen_dirty(void *opaque, Console *con, unsigned x, unsigned y, unsigned w, unsigned h)
{
    WebClient *c = opaque;

    pixman_region_union_rect(&c->changed, &c->changed, (int)x, (int)y, w, h);
}

static void screen_surface(void *opaque, Console *con)
{
    WebClient *c = opaque;
    pixman_image_t *surface = surface_of(c);

    c->size_due = true;
    if (surface) {
        screen_dirty(c, con, 0, 0, (unsigned)pixman_image_get_width(surface),
                     (unsigned)pixman_image_get_height(surface));
    }
}

static void screen_cursor(void *opaque, Console *con)
{
    ((WebClient *)opaque)->cursor_due = true;
}

static void screen_cursor_moved(void *opaque, Console *con)
{
    ((WebClient *)opaque)->place_due = true;
}

static void screen_gone(void *opaque, Console *con)
{
    WebClient *c = opaque;

    c->con = NULL;
    c->size_due = c->cursor_due = c->state_due = true;
}

static void leave_console(WebClient *c)
{
    if (c->con) {
        console_unlisten(c->con, c);
        c->con = NULL;
    }
}

/* Shows the console that it wants as soon as it is there. */
static void find_console(WebClient *c)
{
    static const ConsoleListenerOps ops = {.surface = screen_surface,
                                           .dirty = screen_dirty,
                                           .cursor = screen_cursor,
                                           .cursor_moved = screen_cursor_moved,
                                           .gone = screen_gone};

    if (c->con) {
        return;
    }
    c->con = web_console(c->head);
    if (c->con) {
        console_listen(c->con, &ops, c);
        c->cursor_due = c->place_due = c->state_due = true;
        screen_surface(c, c->con);
    }
}

/* --- What it is sent --- */

/* A message begins; end_message() needs what this gives. */
static guint begin_message(GByteArray *out, unsigned type)
{
    guint at = out->len;

    web_put_u8(out, type);
    return at;
}

/* Puts the frame's header in front of what came since. */
static void end_message(WebClient *c, guint at, WsOpcode op)
{
    g_autoptr(GByteArray) header = g_byte_array_new();
    GByteArray *out = web_conn_out(c->conn);
    guint len = out->len - at;

    ws_put_header(header, op, len);
    g_byte_array_set_size(out, out->len + header->len);
    memmove(out->data + at + header->len, out->data + at, len);
    memcpy(out->data + at, header->data, header->len);
}

static void put_size(WebClient *c)
{
    GByteArray *out = web_conn_out(c->conn);
    pixman_image_t *surface = surface_of(c);
    guint at = begin_message(out, WEB_SIZE);

    web_put_u16(out, surface ? (unsigned)pixman_image_get_width(surface) : 0);
    web_put_u16(out, surface ? (unsigned)pixman_image_get_height(surface) : 0);
    end_message(c, at, WS_OP_BINARY);
}

static void put_cursor(WebClient *c)
{
    const ConsoleCursor *cursor = c->con ? console_cursor(c->con) : NULL;
    pixman_image_t *image = cursor ? cursor->image : NULL;
    GByteArray *out = web_conn_out(c->conn);
    guint at = begin_message(out, WEB_CURSOR);

    web_put_u16(out, image ? (unsigned)pixman_image_get_width(image) : 0);
    web_put_u16(out, image ? (unsigned)pixman_image_get_height(image) : 0);
    web_put_u16(out, image ? cursor->hot_x : 0);
    web_put_u16(out, image ? cursor->hot_y : 0);
    if (image) {
        web_put_rgba(out, image);
    }
    end_message(c, at, WS_OP_BINARY);
}

static void put_place(WebClient *c)
{
    const ConsoleCursor *cursor = console_cursor(c->con);
    GByteArray *out = web_conn_out(c->conn);
    guint at = begin_message(out, WEB_PLACE);

    web_put_u16(out, (unsigned)CLAMP(cursor->x, INT16_MIN, INT16_MAX));
    web_put_u16(out, (unsigned)CLAMP(cursor->y, INT16_MIN, INT16_MAX));
    web_put_u8(out, cursor->visible);
    end_message(c, at, WS_OP_BINARY);
}

static JsonArray *terminal_labels(void)
{
    JsonArray *labels = json_array_new();
    const WebTerminal *t;

    for (unsigned i = 0; i < WEB_TERMINALS; i++) {
        t = web_terminal(i);
        json_array_add_string_element(labels, t ? web_terminal_label(t) : "");
    }
    return labels;
}

static JsonArray *console_labels(void)
{
    JsonArray *labels = json_array_new();
    const Console *con;

    for (unsigned i = 0; (con = web_console(i)); i++) {
        json_array_add_string_element(labels, console_label(con));
    }
    return labels;
}

static void put_state(WebClient *c)
{
    const Machine *m = c->server->m;
    JsonObject *state = json_object_new();
    g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), state);
    g_autofree char *text = NULL;

    json_object_set_string_member(state, "name", m->name ? m->name : "Rhea");
    json_object_set_string_member(state, "state", runstate_name(runstate_get(c->server->m)));
    json_object_set_boolean_member(state, "running", vm_is_started(c->server->m));
    json_object_set_boolean_member(state, "power", machine_ops(c->server->m)->powerdown != NULL);
    json_object_set_boolean_member(state, "absolute", input_is_absolute());
    json_object_set_array_member(state, "heads", console_labels());
    json_object_set_int_member(state, "head", c->head);
    json_object_set_array_member(state, "terminals", terminal_labels());
    json_object_unref(state);
    text = json_text(node, false);
    ws_put_frame(web_conn_out(c->conn), WS_OP_TEXT, text, strlen(text));
}

static void put_terminals(WebClient *c)
{
    GByteArray *out = web_conn_out(c->conn);

    for (unsigned i = 0; i < WEB_TERMINALS; i++) {
        const WebTerminal *t = web_terminal(i);
        guint at;

        if (t && web_terminal_has(t, c->terminal_at[i])) {
            at = begin_message(out, WEB_TERMINAL);
            web_put_u8(out, i);
            web_terminal_read(t, &c->terminal_at[i], out);
            end_message(c, at, WS_OP_BINARY);
        }
    }
}

/* Many small rectangles are dearer than the pixels between them. */
static void simplify(pixman_region16_t *region)
{
    if (pixman_region_n_rects(region) > RECTS_MAX) {
        pixman_box16_t all = *pixman_region_extents(region);

        pixman_region_fini(region);
        pixman_region_init_with_extents(region, &all);
    }
}

/* False: there is nothing new to see. */
static bool put_picture(WebClient *c)
{
    pixman_image_t *surface = surface_of(c);
    GByteArray *out = web_conn_out(c->conn);
    const pixman_box16_t *boxes;
    guint at;
    int n;

    if (!surface || c->unseen >= UNSEEN_MAX) {
        return false;
    }
    pixman_region_intersect_rect(&c->changed, &c->changed, 0, 0,
                                 (unsigned)pixman_image_get_width(surface),
                                 (unsigned)pixman_image_get_height(surface));
    simplify(&c->changed);
    boxes = pixman_region_rectangles(&c->changed, &n);
    if (!n) {
        return false;
    }
    at = begin_message(out, WEB_PICTURE);
    web_put_u16(out, (unsigned)n);
    for (int i = 0; i < n; i++) {
        web_put_rect(out, surface, &boxes[i]);
    }
    end_message(c, at, WS_OP_BINARY);
    pixman_region_fini(&c->changed);
    pixman_region_init(&c->changed);
    c->unseen++;
    return true;
}

static void put_news(WebClient *c)
{
    if (c->state_due) {
        put_state(c);
    }
    if (c->size_due) {
        put_size(c);
    }
    if (c->cursor_due) {
        put_cursor(c);
    }
    if (c->place_due && c->con) {
        put_place(c);
    }
    c->state_due = c->size_due = c->cursor_due = c->place_due = false;
    put_terminals(c);
}

bool web_client_update(WebClient *c)
{
    bool picture;

    if (!c->ready || web_conn_queued(c->conn)) {
        return false;
    }
    put_news(c);
    picture = put_picture(c);
    web_conn_flush(c->conn);
    return picture;
}

bool web_client_looks(const WebClient *c)
{
    return c->ready && c->unseen < UNSEEN_MAX && !web_conn_queued(c->conn);
}

void web_client_refresh(WebClient *c)
{
    find_console(c);
    if (c->con) {
        console_refresh(c->con);
    }
}

void web_client_tell_state(WebClient *c)
{
    c->state_due = true;
}

/* --- What its user does --- */

static void press(WebClient *c, unsigned key, bool down)
{
    if (key && key < WEB_KEYS && (down || c->key_down[key])) {
        c->key_down[key] = down;
        input_key(key, down);
    }
}

static void release_keys(WebClient *c)
{
    for (unsigned i = 0; i < WEB_KEYS; i++) {
        press(c, i, false);
    }
}

static void take_key(WebClient *c, const uint8_t *p, size_t len)
{
    press(c, ld16_be(p), p[2]);
}

static unsigned known_buttons(uint8_t buttons)
{
    return buttons & ((1u << INPUT_BUTTONS) - 1);
}

static void take_point(WebClient *c, const uint8_t *p, size_t len)
{
    input_pointer_abs(MIN(ld16_be(p), INPUT_ABS_MAX), MIN(ld16_be(p + 2), INPUT_ABS_MAX),
                      (int8_t)p[4], known_buttons(p[5]));
}

static void take_move(WebClient *c, const uint8_t *p, size_t len)
{
    input_pointer((int16_t)ld16_be(p), (int16_t)ld16_be(p + 2), (int8_t)p[4], known_buttons(p[5]));
}

static void take_seen(WebClient *c, const uint8_t *p, size_t len)
{
    c->unseen -= c->unseen > 0;
}

static void take_typed(WebClient *c, const uint8_t *p, size_t len)
{
    WebTerminal *t = web_terminal(p[0]);

    if (t) {
        web_terminal_type(t, p + 1, len - 1);
    }
}

static void take_command(WebClient *c, const uint8_t *p, size_t len)
{
    Machine *m = c->server->m;

    switch (p[0]) {
    case WEB_POWERDOWN:
        if (machine_ops(m)->powerdown) {
            machine_request_powerdown(m);
        }
        break;
    case WEB_RESET: machine_request_reset(m, SHUTDOWN_HOST_UI); break;
    case WEB_PAUSE: vm_stop(m, RUN_PAUSED); break;
    case WEB_CONTINUE:
        if (!runstate_needs_reset(m)) {
            vm_start(m);
        }
        break;
    default: web_client_kill(c);
    }
}

static void take_head(WebClient *c, const uint8_t *p, size_t len)
{
    if (!web_console(p[0])) {
        return;
    }
    release_keys(c);
    leave_console(c);
    c->head = p[0];
    find_console(c);
}

static void take_wish(WebClient *c, const uint8_t *p, size_t len)
{
    unsigned width = ld16_be(p), height = ld16_be(p + 2);

    if (c->con && width && height && width <= SIZE_MAX_WISH && height <= SIZE_MAX_WISH) {
        console_wish_size(c->con, width, height);
    }
}

/* A message in full. */
static void take_message(WebClient *c, const uint8_t *p, size_t len)
{
    static const struct {
        uint8_t bytes; /* that it has at least, after the first */
        bool wakes;    /* something on the screen will change */
        void (*take)(WebClient *c, const uint8_t *p, size_t len);
    } messages[] = {
        [WEB_KEY] = {3, true, take_key},      [WEB_POINT] = {6, true, take_point},
        [WEB_MOVE] = {6, true, take_move},    [WEB_SEEN] = {0, false, take_seen},
        [WEB_TYPED] = {1, false, take_typed}, [WEB_COMMAND] = {1, true, take_command},
        [WEB_HEAD] = {1, true, take_head},    [WEB_WISH] = {4, true, take_wish},
    };

    if (!len || p[0] >= G_N_ELEMENTS(messages) || !messages[p[0]].take ||
        len - 1 < messages[p[0]].bytes) {
        web_conn_close(c->conn, WS_PROTOCOL_ERROR);
        return;
    }
    messages[p[0]].take(c, p + 1, len - 1);
    web_wake(c->server, messages[p[0]].wakes);
}

/* --- The connection --- */

static bool conn_request(void *opaque, const HttpRequest *r, GByteArray *out)
{
    return web_request(((WebClient *)opaque)->server, r, out);
}

static void conn_opened(void *opaque)
{
    WebClient *c = opaque;

    c->ready = c->state_due = c->size_due = true;
    find_console(c);
    web_client_update(c);
    web_wake(c->server, true);
}

static void conn_message(void *opaque, const WsPiece *piece)
{
    WebClient *c = opaque;

    if (c->in->len + piece->len > MESSAGE_MAX) {
        web_conn_close(c->conn, WS_TOO_BIG);
        return;
    }
    g_byte_array_append(c->in, piece->data, (guint)piece->len);
    if (piece->end) {
        take_message(c, c->in->data, c->in->len);
        g_byte_array_set_size(c->in, 0);
    }
}

static void conn_drained(void *opaque)
{
    WebClient *c = opaque;

    web_client_update(c);
    web_wake(c->server, false);
}

static void conn_closed(void *opaque)
{
    WebClient *c = opaque;

    g_ptr_array_remove(c->server->clients, c);
}

WebClient *web_client_new(WebServer *s, int fd)
{
    static const WebConnOps ops = {.request = conn_request,
                                   .opened = conn_opened,
                                   .message = conn_message,
                                   .drained = conn_drained,
                                   .closed = conn_closed};
    WebClient *c = g_new0(WebClient, 1);

    c->server = s;
    c->in = g_byte_array_new();
    pixman_region_init(&c->changed);
    c->conn = web_conn_new(vnc_socket_stream(fd), &ops, c);
    return c;
}

void web_client_kill(WebClient *c)
{
    web_conn_kill(c->conn);
}

bool web_client_ready(const WebClient *c)
{
    return c->ready;
}

void web_client_free(WebClient *c)
{
    release_keys(c);
    leave_console(c);
    web_conn_free(c->conn);
    g_byte_array_unref(c->in);
    pixman_region_fini(&c->changed);
    g_free(c);
}
