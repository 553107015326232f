/* SPDX-License-Identifier: MIT */
/*
 * One VNC viewer: handshake, its messages, and the updates that it gets.  The peer is not trusted: a
 * message is taken when it has come in full, none is longer than INPUT_MAX, and there is at most one
 * update in the output buffer, so that a viewer that does not read costs nothing more.
 * Specs: RFC 6143 (versions 3.3, 3.7 and 3.8); the community's RFB document for QEMU's key event.
 * Not modelled: palettes, clipboard.  Threading: the machine lock, main loop.
 */
#include "rhea/osdep.h"

#include <glib-unix.h>
#include <nettle/des.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "ui/input.h"
#include "vnc-int.h"

enum {
    INPUT_MAX = 64 * 1024,
    READ_BYTES = 4096,
    ENCODINGS_MAX = 4096,
    RECTS_MAX = 256,
    VERSION_BYTES = 12,
};
enum { SECURITY_NONE = 1, SECURITY_VNC = 2 };
enum {
    MSG_FORMAT = 0,
    MSG_ENCODINGS = 2,
    MSG_REQUEST,
    MSG_KEY,
    MSG_POINTER,
    MSG_CUT,
    MSG_QEMU = 255
};

/* Takes a message from the @c->need bytes at @p; the bytes used, or 0 when @c->need has grown. */
typedef size_t (*Handler)(VncClient *c, const uint8_t *p);

struct VncClient {
    VncServer *server;
    int fd;
    guint in_source, out_source;
    GByteArray *in, *out;
    size_t out_done, skip; /* bytes of @out sent; bytes of input to throw away */
    Handler handler;
    size_t need;
    bool dead;
    unsigned minor; /* of the protocol */
    uint8_t challenge[VNC_CHALLENGE_BYTES];
    bool ready; /* past the handshake */
    /* what it wants */
    VncFormat format;
    int encoding;
    bool can_resize, can_qemu_key;
    bool asked, asked_all; /* an update; even if nothing has changed */
    bool tell_size, tell_qemu_key;
    unsigned width, height; /* what it believes */
    pixman_region16_t changed;
    /* input */
    uint8_t buttons;
    unsigned x, y;
    bool key_down[VNC_KEYS];
};

static size_t take_message(VncClient *c, const uint8_t *p);

static unsigned get_u16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)get_u16(p) << 16 | get_u16(p + 2);
}

static void expect(VncClient *c, Handler handler, size_t need)
{
    c->handler = handler;
    c->need = need;
}

/* --- Output --- */

void vnc_client_kill(VncClient *c)
{
    c->dead = true;
    shutdown(c->fd, SHUT_RDWR); /* wakes client_readable() */
}

static gboolean client_writable(gint fd, GIOCondition cond, gpointer opaque);

static void flush_output(VncClient *c)
{
    while (!c->dead && c->out_done < c->out->len) {
        ssize_t n = send(c->fd, c->out->data + c->out_done, c->out->len - c->out_done,
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN) {
            if (!c->out_source) {
                c->out_source = g_unix_fd_add(c->fd, G_IO_OUT | G_IO_ERR, client_writable, c);
            }
            return;
        }
        if (n < 0 && errno != EINTR) {
            vnc_client_kill(c);
            return;
        }
        c->out_done += MAX(n, 0);
    }
    g_byte_array_set_size(c->out, 0);
    c->out_done = 0;
}

static gboolean client_writable(gint fd, GIOCondition cond, gpointer opaque)
{
    VncClient *c = opaque;

    c->out_source = 0;
    flush_output(c);
    if (!c->out->len) {
        vnc_client_update(c);
    }
    return G_SOURCE_REMOVE;
}

/* --- Updates --- */

void vnc_client_dirty(VncClient *c, unsigned x, unsigned y, unsigned w, unsigned h)
{
    pixman_region_union_rect(&c->changed, &c->changed, (int)x, (int)y, w, h);
}

void vnc_client_resized(VncClient *c)
{
    pixman_image_t *surface = vnc_surface(c->server);
    unsigned w = (unsigned)pixman_image_get_width(surface);
    unsigned h = (unsigned)pixman_image_get_height(surface);

    if (c->can_resize && (w != c->width || h != c->height)) {
        c->width = w;
        c->height = h;
        c->tell_size = true;
    }
    vnc_client_dirty(c, 0, 0, MIN(w, c->width), MIN(h, c->height));
}

bool vnc_client_looks(const VncClient *c)
{
    return c->ready && !c->dead && c->asked;
}

bool vnc_client_ready(const VncClient *c)
{
    return c->ready && !c->dead;
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

bool vnc_client_update(VncClient *c)
{
    pixman_image_t *surface = vnc_surface(c->server);
    const pixman_box16_t *boxes;
    int n;

    pixman_region_intersect_rect(&c->changed, &c->changed, 0, 0,
                                 MIN(c->width, (unsigned)pixman_image_get_width(surface)),
                                 MIN(c->height, (unsigned)pixman_image_get_height(surface)));
    simplify(&c->changed);
    boxes = pixman_region_rectangles(&c->changed, &n);
    if (!vnc_client_looks(c) || c->out->len ||
        !(n || c->asked_all || c->tell_size || c->tell_qemu_key)) {
        return false;
    }
    vnc_put_u16(c->out, 0); /* FramebufferUpdate and padding */
    vnc_put_u16(c->out, n + c->tell_size + c->tell_qemu_key);
    if (c->tell_size) {
        vnc_put_rect(c->out, 0, 0, c->width, c->height, VNC_DESKTOP_SIZE);
    }
    if (c->tell_qemu_key) {
        vnc_put_rect(c->out, 0, 0, c->width, c->height, VNC_QEMU_KEY);
    }
    for (int i = 0; i < n; i++) {
        vnc_encode_rect(c->out, surface, &c->format, c->encoding, &boxes[i]);
    }
    pixman_region_fini(&c->changed);
    pixman_region_init(&c->changed);
    c->asked = c->asked_all = c->tell_size = c->tell_qemu_key = false;
    flush_output(c);
    return true;
}

/* --- Messages --- */

static size_t take_format(VncClient *c, const uint8_t *p)
{
    const uint8_t *f = p + 4;
    VncFormat native, new = {.bytes = f[0] / 8, .big_endian = f[2] != 0};
    bool good = (f[0] == 8 || f[0] == 16 || f[0] == 32) && f[3];

    for (unsigned i = 0; i < 3; i++) {
        new.max[i] = get_u16(f + 4 + 2 * i);
        new.shift[i] = f[10 + i];
        good &= new.max[i] && new.shift[i] < 32;
    }
    if (!good) {
        vnc_client_kill(c); /* a palette, or nonsense */
        return 20;
    }
    vnc_format_native(&native);
    new.native = new.bytes == native.bytes &&new.big_endian == native.big_endian &&
                 !memcmp(new.max, native.max, sizeof(new.max)) &&
                 !memcmp(new.shift, native.shift, sizeof(new.shift));
    c->format = new;
    return 20;
}

static size_t take_encodings(VncClient *c, const uint8_t *p)
{
    unsigned n = get_u16(p + 2);
    bool chosen = false, could_key = c->can_qemu_key;

    if (n > ENCODINGS_MAX) {
        vnc_client_kill(c);
        return 4;
    }
    if (c->need < 4 + 4 * n) {
        c->need = 4 + 4 * n;
        return 0;
    }
    c->encoding = VNC_RAW;
    c->can_resize = c->can_qemu_key = false;
    for (unsigned i = 0; i < n; i++) {
        int32_t e = (int32_t)get_u32(p + 4 + 4 * i);

        if ((e == VNC_RAW || e == VNC_HEXTILE) && !chosen) {
            c->encoding = e;
            chosen = true;
        }
        c->can_resize |= e == VNC_DESKTOP_SIZE;
        c->can_qemu_key |= e == VNC_QEMU_KEY;
    }
    c->tell_qemu_key |= c->can_qemu_key && !could_key;
    vnc_client_resized(c);
    return 4 + 4 * n;
}

static size_t take_request(VncClient *c, const uint8_t *p)
{
    c->asked = true;
    if (!p[1]) {
        c->asked_all = true;
        vnc_client_dirty(c, get_u16(p + 2), get_u16(p + 4), get_u16(p + 6), get_u16(p + 8));
    }
    vnc_wake(c->server);
    if (!c->asked_all) { /* the whole screen comes with the next tick, which brings it up to date */
        vnc_client_update(c);
    }
    return 10;
}

static void press(VncClient *c, unsigned key, bool down)
{
    if (key && key < VNC_KEYS) {
        c->key_down[key] = down;
        input_key(key, down);
        vnc_wake(c->server);
    }
}

static size_t take_key(VncClient *c, const uint8_t *p)
{
    press(c, vnc_key_of_keysym(get_u32(p + 4)), p[1] != 0);
    return 8;
}

/* QEMU's key event has the PC scan code; the keysym serves where there is none. */
static size_t take_qemu(VncClient *c, const uint8_t *p)
{
    uint32_t scancode = get_u32(p + 8);
    g_autofree char *name = g_strdup_printf("0x%x", scancode);
    Error *err = NULL;
    int key;

    if (p[1] != 0) {
        vnc_client_kill(c);
        return 12;
    }
    key = scancode && scancode <= 0xff ? input_key_by_name(name, &err) : -1;
    error_free(err);
    press(c, key > 0 ? (unsigned)key : vnc_key_of_keysym(get_u32(p + 4)), get_u16(p + 2) != 0);
    return 12;
}

static unsigned scaled(unsigned at, unsigned size)
{
    return size > 1 ? MIN(at, size - 1) * INPUT_ABS_MAX / (size - 1) : 0;
}

static size_t take_pointer(VncClient *c, const uint8_t *p)
{
    static const uint8_t order[] = {INPUT_LEFT, INPUT_MIDDLE, INPUT_RIGHT};
    unsigned x = get_u16(p + 2), y = get_u16(p + 4), buttons = 0;
    uint8_t pressed = p[1] & ~c->buttons;
    int dz = (pressed >> 4 & 1) - (pressed >> 3 & 1); /* buttons four and five are the wheel */

    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++) {
        buttons |= (p[1] >> i & 1) << order[i];
    }
    if (input_is_absolute()) {
        input_pointer_abs(scaled(x, c->width), scaled(y, c->height), dz, buttons);
    } else {
        input_pointer((int)x - (int)c->x, (int)y - (int)c->y, dz, buttons);
    }
    c->buttons = p[1];
    c->x = x;
    c->y = y;
    vnc_wake(c->server);
    return 6;
}

static size_t take_cut(VncClient *c, const uint8_t *p)
{
    c->skip = get_u32(p + 4);
    return 8;
}

static size_t take_message(VncClient *c, const uint8_t *p)
{
    static const struct {
        uint8_t type, bytes;
        Handler fn;
    } messages[] = {
        {MSG_FORMAT, 20, take_format},   {MSG_ENCODINGS, 4, take_encodings},
        {MSG_REQUEST, 10, take_request}, {MSG_KEY, 8, take_key},
        {MSG_POINTER, 6, take_pointer},  {MSG_CUT, 8, take_cut},
        {MSG_QEMU, 12, take_qemu},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(messages); i++) {
        size_t used;

        if (messages[i].type != p[0]) {
            continue;
        }
        if (c->need < messages[i].bytes) {
            c->need = messages[i].bytes;
            return 0;
        }
        used = messages[i].fn(c, p);
        if (used) {
            expect(c, take_message, 1);
        }
        return used;
    }
    vnc_client_kill(c);
    return 1;
}

/* --- Handshake --- */

static void put_text(VncClient *c, const char *text)
{
    vnc_put_u32(c->out, (uint32_t)strlen(text));
    g_byte_array_append(c->out, (const uint8_t *)text, strlen(text));
}

/* ClientInit. */
static size_t take_init(VncClient *c, const uint8_t *p)
{
    pixman_image_t *surface = vnc_surface(c->server);
    static const uint8_t padding[3];

    if (!p[0] && !c->server->share_ignored) {
        if (c->server->share_forced) {
            vnc_client_kill(c);
            return 1;
        }
        vnc_drop_others(c->server, c);
    }
    c->width = (unsigned)pixman_image_get_width(surface);
    c->height = (unsigned)pixman_image_get_height(surface);
    vnc_put_u16(c->out, c->width);
    vnc_put_u16(c->out, c->height);
    vnc_put_u8(c->out, 32); /* bits of a pixel */
    vnc_put_u8(c->out, 24); /* that count */
    vnc_put_u8(c->out, c->format.big_endian);
    vnc_put_u8(c->out, true); /* true colour */
    for (unsigned i = 0; i < 3; i++) {
        vnc_put_u16(c->out, c->format.max[i]);
    }
    g_byte_array_append(c->out, c->format.shift, sizeof(c->format.shift));
    g_byte_array_append(c->out, padding, sizeof(padding));
    put_text(c, "Rhea");
    c->ready = true;
    expect(c, take_message, 1);
    return 1;
}

static void refuse(VncClient *c, const char *why)
{
    vnc_put_u32(c->out, 1);
    if (c->minor >= 8) {
        put_text(c, why);
    }
    flush_output(c);
    vnc_client_kill(c);
}

/* DES in VNC takes the bits of each byte of the key in the other order. */
static void encrypt_challenge(const VncClient *c, uint8_t out[VNC_CHALLENGE_BYTES])
{
    const char *password = c->server->password;
    uint8_t key[VNC_PASSWORD_BYTES] = {0};
    struct des_ctx des;

    for (unsigned i = 0; i < VNC_PASSWORD_BYTES && password[i]; i++) {
        for (unsigned b = 0; b < 8; b++) {
            key[i] |= ((uint8_t)password[i] >> b & 1) << (7 - b);
        }
    }
    des_set_key(&des, key); /* false means a weak key, which is the user's affair */
    des_encrypt(&des, VNC_CHALLENGE_BYTES, out, c->challenge);
}

static size_t take_response(VncClient *c, const uint8_t *p)
{
    uint8_t wanted[VNC_CHALLENGE_BYTES], differ = 0;

    if (c->server->password) {
        encrypt_challenge(c, wanted);
        for (unsigned i = 0; i < VNC_CHALLENGE_BYTES; i++) {
            differ |= wanted[i] ^ p[i];
        }
    }
    if (!c->server->password || differ) {
        refuse(c, "Authentication failed");
        return VNC_CHALLENGE_BYTES;
    }
    vnc_put_u32(c->out, 0);
    expect(c, take_init, 1);
    return VNC_CHALLENGE_BYTES;
}

static void send_challenge(VncClient *c)
{
    if (getrandom(c->challenge, sizeof(c->challenge), 0) != sizeof(c->challenge)) {
        vnc_client_kill(c);
        return;
    }
    g_byte_array_append(c->out, c->challenge, sizeof(c->challenge));
    expect(c, take_response, VNC_CHALLENGE_BYTES);
}

static unsigned security(const VncClient *c)
{
    return c->server->want_password ? SECURITY_VNC : SECURITY_NONE;
}

static size_t take_security(VncClient *c, const uint8_t *p)
{
    if (p[0] != security(c)) {
        refuse(c, "This security type was not offered");
    } else if (p[0] == SECURITY_VNC) {
        send_challenge(c);
    } else {
        if (c->minor >= 8) {
            vnc_put_u32(c->out, 0);
        }
        expect(c, take_init, 1);
    }
    return 1;
}

static size_t take_version(VncClient *c, const uint8_t *p)
{
    if (memcmp(p, "RFB 003.00", 10) || p[11] != '\n' || !g_ascii_isdigit(p[10])) {
        vnc_client_kill(c);
        return VERSION_BYTES;
    }
    c->minor = p[10] >= '8' ? 8 : p[10] == '7' ? 7 : 3;
    if (c->minor == 3) {
        vnc_put_u32(c->out, security(c));
        if (c->server->want_password) {
            send_challenge(c);
        } else {
            expect(c, take_init, 1);
        }
        return VERSION_BYTES;
    }
    vnc_put_u8(c->out, 1);
    vnc_put_u8(c->out, security(c));
    expect(c, take_security, 1);
    return VERSION_BYTES;
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

static gboolean client_readable(gint fd, GIOCondition cond, gpointer opaque)
{
    VncClient *c = opaque;
    uint8_t buf[READ_BYTES];
    ssize_t n = c->dead ? 0 : recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return G_SOURCE_CONTINUE;
    }
    if (n > 0 && c->in->len + n <= INPUT_MAX) {
        g_byte_array_append(c->in, buf, n);
        take_input(c);
        flush_output(c);
    } else {
        c->dead = true;
    }
    if (c->dead) {
        c->in_source = 0;
        g_ptr_array_remove(c->server->clients, c);
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

VncClient *vnc_client_new(VncServer *s, int fd)
{
    VncClient *c = g_new0(VncClient, 1);

    c->server = s;
    c->fd = fd;
    c->in = g_byte_array_new();
    c->out = g_byte_array_new();
    pixman_region_init(&c->changed);
    vnc_format_native(&c->format);
    expect(c, take_version, VERSION_BYTES);
    c->in_source = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, client_readable, c);
    g_byte_array_append(c->out, (const uint8_t *)"RFB 003.008\n", VERSION_BYTES);
    flush_output(c);
    return c;
}

void vnc_client_free(VncClient *c)
{
    for (unsigned i = 0; i < VNC_KEYS; i++) {
        if (c->key_down[i]) {
            input_key(i, false);
        }
    }
    if (c->in_source) {
        g_source_remove(c->in_source);
    }
    if (c->out_source) {
        g_source_remove(c->out_source);
    }
    close(c->fd);
    g_byte_array_unref(c->in);
    g_byte_array_unref(c->out);
    pixman_region_fini(&c->changed);
    g_free(c);
}
