/* SPDX-License-Identifier: MIT */
/*
 * What VNC clients say after the handshake.  Specs: RFC 6143 section 7.5; the community's RFB document for QEMU's
 * key event.  Not modelled: palettes, clipboard.  Threading: the machine lock, main loop.
 */
#include "rhea/osdep.h"

#include "ui/input.h"
#include "vnc-client.h"

enum { ENCODINGS_MAX = 4096 };
enum {
    MSG_FORMAT = 0,
    MSG_ENCODINGS = 2,
    MSG_REQUEST,
    MSG_KEY,
    MSG_POINTER,
    MSG_CUT,
    MSG_QEMU = 255
};

static size_t take_format(VncClient *c, const uint8_t *p)
{
    const uint8_t *f = p + 4;
    VncFormat native, new = {.bytes = f[0] / 8, .big_endian = f[2] != 0};
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
    vnc_format_native(&native);
    new.native = new.bytes == native.bytes &&new.big_endian == native.big_endian &&
                 !memcmp(new.max, native.max, sizeof(new.max)) &&
                 !memcmp(new.shift, native.shift, sizeof(new.shift));
    c->format = new;
    return 20;
}

static size_t take_encodings(VncClient *c, const uint8_t *p)
{
    unsigned n = vnc_get_u16(p + 2);
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
        int32_t e = (int32_t)vnc_get_u32(p + 4 + 4 * i);

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
        vnc_client_dirty(c, vnc_get_u16(p + 2), vnc_get_u16(p + 4), vnc_get_u16(p + 6),
                         vnc_get_u16(p + 8));
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
    press(c, vnc_key_of_keysym(vnc_get_u32(p + 4)), p[1] != 0);
    return 8;
}

/* QEMU's key event has the PC scan code; the keysym serves where there is none. */
static size_t take_qemu(VncClient *c, const uint8_t *p)
{
    uint32_t scancode = vnc_get_u32(p + 8);
    g_autofree char *name = g_strdup_printf("0x%x", scancode);
    Error *err = NULL;
    int key;

    if (p[1] != 0) {
        vnc_client_kill(c);
        return 12;
    }
    key = scancode && scancode <= 0xff ? input_key_by_name(name, &err) : -1;
    error_free(err);
    press(c, key > 0 ? (unsigned)key : vnc_key_of_keysym(vnc_get_u32(p + 4)),
          vnc_get_u16(p + 2) != 0);
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
            vnc_client_expect(c, vnc_take_message, 1);
        }
        return used;
    }
    vnc_client_kill(c);
    return 1;
}

void vnc_release_keys(VncClient *c)
{
    for (unsigned i = 0; i < VNC_KEYS; i++) {
        if (c->key_down[i]) {
            input_key(i, false);
        }
    }
}
