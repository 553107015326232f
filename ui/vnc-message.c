/* SPDX-License-Identifier: MIT */
/*
 * What VNC clients say after the handshake.  Specs: RFC 6143 section 7.5; the community's RFB document for QEMU's
 * key event.  the community's RFB document for fences, continuous updates and SetDesktopSize.
 * Not modelled: palettes, clipboard.  Threading: the machine lock, main loop.
 */
#include "rhea/osdep.h"

#include <linux/input-event-codes.h>

#include "ui/input.h"
#include "ui/keymap.h"
#include "vnc-client.h"

enum { ENCODINGS_MAX = 4096, LEVEL_MAX = 6, NO_MOTION = 0x7fff };
enum {
    MSG_FORMAT = 0,
    MSG_ENCODINGS = 2,
    MSG_REQUEST,
    MSG_KEY,
    MSG_POINTER,
    MSG_CUT,
    MSG_CONTINUOUS = 150, /* also what says that they have ended */
    MSG_FENCE = 248,
    MSG_SIZE = 251,
    MSG_QEMU = 255
};
enum {
    FENCE_BEFORE = 1,
    FENCE_AFTER = 2,
    FENCE_MAX = 64,
    FENCE_BYTES = 9,
    ANSWERS_MAX = 64 * 1024
};
#define FENCE_REQUEST (1U << 31)

/* Bytes beside updates; a client that causes more and more of them and does not read is sent away. */
static void count_answer(VncClient *c, unsigned bytes)
{
    c->answer_bytes += bytes;
    if (c->answer_bytes > ANSWERS_MAX) {
        vnc_client_kill(c);
    }
}

/* Continuous updates have ended, or were never on: they are known here. */
static void put_end(VncClient *c)
{
    vnc_put_u8(c->out, MSG_CONTINUOUS);
    count_answer(c, 1);
}

static void put_fence(VncClient *c, uint32_t flags, const uint8_t *data, unsigned len)
{
    vnc_put_u32(c->out, (uint32_t)MSG_FENCE << 24); /* and padding */
    vnc_put_u32(c->out, flags);
    vnc_put_u8(c->out, len);
    g_byte_array_append(c->out, data, len);
    count_answer(c, FENCE_BYTES + len);
}

static size_t take_format(VncClient *c, const uint8_t *p)
{
    const uint8_t *f = p + 4;
    VncFormat new = {.bytes = f[0] / 8, .depth = f[1], .big_endian = f[2] != 0};
    bool good = (f[0] == 8 || f[0] == 16 || f[0] == 32) && f[3];

    for (unsigned i = 0; i < 3; i++) {
        new.max[i] = vnc_get_u16(f + 4 + 2 * i);
        new.shift[i] = f[10 + i];
        good &= new.max[i] && new.shift[i] < 32;
    }
    if (!good) {
        vnc_client_kill(c); /* a palette, or nonsense */
        return 20;
    }
    vnc_format_prepare(&new);
    c->settings.format = new;
    return 20;
}

/* --- Encodings --- */

static void choose_encoding(VncClient *c, int e, bool *chosen)
{
    switch (e) {
    case VNC_RAW:
    case VNC_HEXTILE:
    case VNC_ZLIB:
    case VNC_TIGHT:
    case VNC_ZRLE:
        if (!*chosen) { /* they come in the order of preference */
            c->settings.encoding = e;
            *chosen = true;
        }
        break;
    case VNC_DESKTOP_SIZE: c->can_resize = true; break;
    case VNC_EXT_DESKTOP_SIZE: c->can_wish_size = true; break;
    case VNC_QEMU_KEY: c->can_qemu_key = true; break;
    case VNC_QEMU_POINTER: c->can_qemu_pointer = true; break;
    case VNC_CURSOR: c->can_cursor = true; break;
    case VNC_ALPHA_CURSOR: c->can_alpha_cursor = true; break;
    case VNC_FENCE: c->can_fence = true; break;
    case VNC_CONTINUOUS: c->can_continue = true; break;
    default:
        if (e >= VNC_QUALITY_0 && e <= VNC_QUALITY_9 && c->server->lossy) {
            c->settings.quality = e - VNC_QUALITY_0;
        } else if (e >= VNC_COMPRESS_0 && e <= VNC_COMPRESS_9) {
            c->settings.level = CLAMP(e - VNC_COMPRESS_0, 1, LEVEL_MAX);
        }
    }
}

static void forget_encodings(VncClient *c)
{
    c->settings.encoding = VNC_RAW;
    c->settings.level = 1;
    c->settings.quality = -1;
    c->can_resize = c->can_wish_size = c->can_qemu_key = c->can_qemu_pointer = false;
    c->can_cursor = c->can_alpha_cursor = c->can_fence = c->can_continue = false;
}

/* What a client is told because it has said for the first time that it understands it. */
static void tell_abilities(VncClient *c, const VncClient *before)
{
    if (c->can_qemu_key && !before->can_qemu_key) {
        c->tell |= VNC_TELL_QEMU_KEY;
    }
    if (c->can_qemu_pointer && !before->can_qemu_pointer) {
        c->tell |= VNC_TELL_POINTER;
    }
    if (c->can_wish_size && !before->can_wish_size) {
        c->tell |= VNC_TELL_SIZE;
    }
    if (c->can_fence && !before->can_fence) {
        put_fence(c, FENCE_REQUEST, NULL, 0);
    }
    if (c->can_continue && !before->can_continue) {
        put_end(c);
    }
    if (c->can_cursor != before->can_cursor || c->can_alpha_cursor != before->can_alpha_cursor) {
        vnc_client_cursor(c, true);
    }
}

static size_t take_encodings(VncClient *c, const uint8_t *p)
{
    unsigned n = vnc_get_u16(p + 2);
    VncClient before = *c;
    bool chosen = false;

    if (n > ENCODINGS_MAX) {
        vnc_client_kill(c);
        return 4;
    }
    if (c->need < 4 + 4 * n) {
        c->need = 4 + 4 * n;
        return 0;
    }
    forget_encodings(c);
    for (unsigned i = 0; i < n; i++) {
        choose_encoding(c, (int32_t)vnc_get_u32(p + 4 + 4 * i), &chosen);
    }
    tell_abilities(c, &before);
    vnc_client_resized(c);
    return 4 + 4 * n;
}

/* --- Updates --- */

static size_t take_request(VncClient *c, const uint8_t *p)
{
    c->asked = true;
    if (!p[1]) {
        c->asked_all = true;
        vnc_client_dirty(c, vnc_get_u16(p + 2), vnc_get_u16(p + 4), vnc_get_u16(p + 6),
                         vnc_get_u16(p + 8));
    }
    vnc_wake(c->server);
    if (!c->asked_all) { /* the whole screen comes with the next tick, which brings it up to date */
        vnc_client_update(c);
    }
    return 10;
}

static size_t take_continuous(VncClient *c, const uint8_t *p)
{
    bool on = p[1] != 0;

    if (c->continuous && !on) {
        put_end(c);
    }
    c->continuous = on && c->can_continue;
    vnc_wake(c->server);
    return 10;
}

static size_t take_fence(VncClient *c, const uint8_t *p)
{
    uint32_t flags = vnc_get_u32(p + 4);
    unsigned len = p[8];

    if (len > FENCE_MAX) {
        vnc_client_kill(c);
        return 9;
    }
    if (c->need < 9 + len) {
        c->need = 9 + len;
        return 0;
    }
    if (flags & FENCE_REQUEST && c->can_fence) {
        put_fence(c, flags & (FENCE_BEFORE | FENCE_AFTER), p + 9, len);
    }
    return 9 + len;
}

/* SetDesktopSize, of which only the size of the whole counts. */
static size_t take_size(VncClient *c, const uint8_t *p)
{
    enum { SCREEN_BYTES = 16, BY_THIS_CLIENT = 1, PROHIBITED = 1, INVALID = 3, FORWARDED = 4 };
    unsigned w = vnc_get_u16(p + 2), h = vnc_get_u16(p + 4);
    size_t bytes = 8 + (size_t)p[6] * SCREEN_BYTES;

    if (c->need < bytes) {
        c->need = bytes;
        return 0;
    }
    c->size_reason = BY_THIS_CLIENT;
    if (!w || !h || p[6] != 1) {
        c->size_status = INVALID;
    } else {
        c->size_status = vnc_wish_size(c->server, w, h) ? FORWARDED : PROHIBITED;
    }
    c->tell |= c->can_wish_size ? VNC_TELL_SIZE : 0;
    vnc_wake(c->server);
    return bytes;
}

/* --- Keys and pointers --- */

static void press(VncClient *c, unsigned key, bool down)
{
    if (key && key < VNC_KEYS) {
        c->key_down[key] = down;
        input_key(key, down);
        vnc_wake(c->server);
    }
}

static unsigned modifiers(const VncClient *c)
{
    const bool *down = c->key_down;

    return (down[KEY_LEFTSHIFT] || down[KEY_RIGHTSHIFT] ? CONSOLE_SHIFT : 0) |
           (down[KEY_LEFTCTRL] || down[KEY_RIGHTCTRL] ? CONSOLE_CTRL : 0) |
           (down[KEY_LEFTALT] ? CONSOLE_ALT : 0);
}

static bool is_modifier(unsigned key)
{
    return key == KEY_LEFTSHIFT || key == KEY_RIGHTSHIFT || key == KEY_LEFTCTRL ||
           key == KEY_RIGHTCTRL || key == KEY_LEFTALT;
}

/* Ctrl-Alt-1 to Ctrl-Alt-9 choose a console; what is typed at a terminal goes there. */
static void take_any_key(VncClient *c, unsigned key, uint32_t keysym, bool down)
{
    Console *con = c->server->con;
    unsigned held = modifiers(c);

    if (down && held == (CONSOLE_CTRL | CONSOLE_ALT) && key >= KEY_1 && key <= KEY_9) {
        vnc_release_keys(c); /* they are still held, for shortcuts that follow */
        vnc_show_console(c->server, key - KEY_1);
    } else if (!con || !console_is_terminal(con)) {
        press(c, key, down);
    } else if (is_modifier(key)) {
        c->key_down[key] = down; /* for what follows, not for the guest */
    } else if (down) {
        console_type(con, keysym, held);
        vnc_wake(c->server);
    }
}

static size_t take_key(VncClient *c, const uint8_t *p)
{
    uint32_t keysym = vnc_get_u32(p + 4);

    take_any_key(c, keymap_key(keysym), keysym, p[1] != 0);
    return 8;
}

/* QEMU's key event has the PC scan code; the keysym serves where there is none. */
static size_t take_qemu(VncClient *c, const uint8_t *p)
{
    uint32_t keysym = vnc_get_u32(p + 4), scancode = vnc_get_u32(p + 8);
    g_autofree char *name = g_strdup_printf("0x%x", scancode);
    Error *err = NULL;
    int key;

    if (p[1] != 0) {
        vnc_client_kill(c);
        return 12;
    }
    key = scancode && scancode <= 0xff ? input_key_by_name(name, &err) : -1;
    error_free(err);
    take_any_key(c, key > 0 ? (unsigned)key : keymap_key(keysym), keysym, vnc_get_u16(p + 2) != 0);
    return 12;
}

static unsigned scaled(unsigned at, unsigned size)
{
    return size > 1 ? MIN(at, size - 1) * INPUT_ABS_MAX / (size - 1) : 0;
}

static size_t take_pointer(VncClient *c, const uint8_t *p)
{
    static const uint8_t order[] = {INPUT_LEFT, INPUT_MIDDLE, INPUT_RIGHT};
    unsigned x = vnc_get_u16(p + 2), y = vnc_get_u16(p + 4), buttons = 0;
    uint8_t pressed = p[1] & ~c->buttons;
    int dz = (pressed >> 4 & 1) - (pressed >> 3 & 1); /* buttons four and five are the wheel */

    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++) {
        buttons |= (p[1] >> i & 1) << order[i];
    }
    if (input_is_absolute()) {
        input_pointer_abs(scaled(x, c->width), scaled(y, c->height), dz, buttons);
    } else if (c->can_qemu_pointer && c->relative) {
        input_pointer((int)x - NO_MOTION, (int)y - NO_MOTION, dz, buttons);
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
    c->skip = vnc_get_u32(p + 4);
    return 8;
}

size_t vnc_take_message(VncClient *c, const uint8_t *p)
{
    static const struct {
        uint8_t type, bytes;
        VncHandler fn;
    } messages[] = {
        {MSG_FORMAT, 20, take_format},
        {MSG_ENCODINGS, 4, take_encodings},
        {MSG_REQUEST, 10, take_request},
        {MSG_KEY, 8, take_key},
        {MSG_POINTER, 6, take_pointer},
        {MSG_CUT, 8, take_cut},
        {MSG_CONTINUOUS, 10, take_continuous},
        {MSG_FENCE, 9, take_fence},
        {MSG_SIZE, 8, take_size},
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
            vnc_client_expect(c, vnc_take_message, 1);
        }
        return used;
    }
    vnc_client_kill(c);
    return 1;
}

void vnc_client_pointer_kind(VncClient *c)
{
    if (c->can_qemu_pointer && c->relative == input_is_absolute()) {
        c->tell |= VNC_TELL_POINTER;
    }
}

void vnc_release_keys(VncClient *c)
{
    for (unsigned i = 0; i < VNC_KEYS; i++) {
        if (c->key_down[i]) {
            input_key(i, false);
        }
    }
}
