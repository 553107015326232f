/* SPDX-License-Identifier: MIT */
/*
 * PS/2 keyboard with scan code sets 1 and 2; see ps2.h.  Not modelled: set 3, key repeat (a display
 * repeats keys itself).
 */
#include "rhea/osdep.h"

#include "ps2.h"
#include "snapshot/snapshot.h"
#include "ui/input.h"

enum {
    SET_LEDS = 0xed,
    ECHO = 0xee,
    SCAN_SET = 0xf0,
    IDENTIFY = 0xf2,
    SET_RATE = 0xf3,
    ENABLE = 0xf4,
    DISABLE = 0xf5,
    DEFAULTS = 0xf6,
    RESEND = 0xfe,
    RESET = 0xff
};
enum { EXTENDED = 0xe0, PAUSE_PREFIX = 0xe1, BREAK = 0xf0, BREAK_BIT = 0x80, DEFAULT_RATE = 0x2b };

/* --- Queue --- */

uint8_t ps2_take(Ps2Queue *q)
{
    if (q->count) {
        q->last = q->data[q->head];
        q->head = (q->head + 1) % PS2_QUEUE;
        q->count--;
    }
    return q->last;
}

void ps2_put(Ps2Queue *q, const uint8_t *bytes, unsigned n)
{
    if (n > PS2_QUEUE - q->count) {
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        q->data[(q->head + q->count++) % PS2_QUEUE] = bytes[i];
    }
    q->changed(q->opaque);
}

void ps2_clear(Ps2Queue *q)
{
    q->head = q->count = 0;
}

void ps2_queue_snapshot(Snapshot *sn, Ps2Queue *q)
{
    snap_bytes(sn, q->data, PS2_QUEUE);
    snap_u32_max(sn, &q->head, PS2_QUEUE - 1);
    snap_u32_max(sn, &q->count, PS2_QUEUE);
    snap_u8(sn, &q->last);
}

/* --- Scan codes --- */

/* From set 2 to set 1. */
static const uint8_t set_1_of_2[128] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
};

uint8_t ps2_translate(uint8_t code)
{
    switch (code) {
    case 0x83: return 0x41; /* F7 */
    case 0x84: return 0x54; /* Alt-SysRq */
    default: return code < 128 ? set_1_of_2[code] : code;
    }
}

/* F7 has a code above 127 in set 2; no other key of set 1 needs one. */
static uint8_t set_2_of_1(uint8_t code)
{
    if (code == 0x41) {
        return 0x83;
    }
    for (unsigned i = 0; i < 128; i++) {
        if (set_1_of_2[i] == code) {
            return i;
        }
    }
    return 0;
}

/* Keys beyond 88 are "extended": their code of set 1 after a prefix. 0: no such key here. */
static uint8_t extended_code(unsigned key)
{
    static const uint8_t codes[] = {
        [96] = 0x1c,  [97] = 0x1d,  [98] = 0x35,  [100] = 0x38, [102] = 0x47, [103] = 0x48,
        [104] = 0x49, [105] = 0x4b, [106] = 0x4d, [107] = 0x4f, [108] = 0x50, [109] = 0x51,
        [110] = 0x52, [111] = 0x53, [113] = 0x20, [114] = 0x2e, [115] = 0x30, [116] = 0x5e,
        [125] = 0x5b, [126] = 0x5c, [127] = 0x5d, [142] = 0x5f, [143] = 0x63,
    };

    return key < ARRAY_SIZE(codes) ? codes[key] : 0;
}

static void put_code(Ps2Keyboard *k, bool extended, uint8_t set_1, bool down)
{
    uint8_t bytes[3];
    unsigned n = 0;

    if (extended) {
        bytes[n++] = EXTENDED;
    }
    if (k->set == 1) {
        bytes[n++] = set_1 | (down ? 0 : BREAK_BIT);
    } else {
        if (!down) {
            bytes[n++] = BREAK;
        }
        bytes[n++] = set_2_of_1(set_1);
    }
    ps2_put(&k->queue, bytes, n);
}

/* Pause says all when it goes down and has no release. */
static void put_pause(Ps2Keyboard *k)
{
    static const uint8_t set_1[] = {PAUSE_PREFIX, 0x1d, 0x45, PAUSE_PREFIX, 0x9d, 0xc5};
    static const uint8_t set_2[] = {PAUSE_PREFIX, 0x14, 0x77,  PAUSE_PREFIX,
                                    BREAK,        0x14, BREAK, 0x77};

    if (k->set == 1) {
        ps2_put(&k->queue, set_1, sizeof(set_1));
    } else {
        ps2_put(&k->queue, set_2, sizeof(set_2));
    }
}

static void keyboard_key(void *opaque, unsigned key, bool down)
{
    Ps2Keyboard *k = opaque;

    if (!k->scanning) {
        return;
    }
    if (key == INPUT_KEY_PAUSE) {
        if (down) {
            put_pause(k);
        }
    } else if (key == INPUT_KEY_SYSRQ) {
        put_code(k, true, down ? 0x2a : 0x37, down);
        put_code(k, true, down ? 0x37 : 0x2a, down);
    } else if (key && key <= 88) {
        put_code(k, false, key, down); /* numbered as set 1 */
    } else if (extended_code(key)) {
        put_code(k, true, extended_code(key), down);
    }
}

static const InputSink keyboard_sink = {.name = "PS/2 keyboard", .key = keyboard_key};

/* --- Commands --- */

static void answer(Ps2Keyboard *k, uint8_t v)
{
    ps2_put(&k->queue, &v, 1);
}

static void keyboard_defaults(Ps2Keyboard *k)
{
    k->set = 2;
    k->rate = DEFAULT_RATE;
    k->scanning = true;
}

static void keyboard_argument(Ps2Keyboard *k, uint8_t v)
{
    uint8_t command = k->command;

    k->command = 0;
    switch (command) {
    case SET_LEDS: k->leds = v & 7; break;
    case SET_RATE: k->rate = v & 0x7f; break;
    case SCAN_SET:
        if (v > 2) {
            answer(k, PS2_RESEND);
            return;
        }
        answer(k, PS2_ACK);
        if (v) {
            k->set = v;
        } else {
            answer(k, k->set);
        }
        return;
    }
    answer(k, PS2_ACK);
}

static void keyboard_command(Ps2Keyboard *k, uint8_t v)
{
    switch (v) {
    case SET_LEDS:
    case SCAN_SET:
    case SET_RATE:
        k->command = v;
        answer(k, PS2_ACK);
        break;
    case ECHO: answer(k, ECHO); break;
    case IDENTIFY: {
        static const uint8_t id[] = {PS2_ACK, 0xab, 0x83};

        ps2_put(&k->queue, id, sizeof(id));
        break;
    }
    case ENABLE:
        ps2_clear(&k->queue);
        k->scanning = true;
        answer(k, PS2_ACK);
        break;
    case DISABLE:
    case DEFAULTS:
        ps2_clear(&k->queue);
        keyboard_defaults(k);
        k->scanning = v == DEFAULTS;
        answer(k, PS2_ACK);
        break;
    case RESEND: answer(k, k->queue.last); break;
    case RESET: {
        static const uint8_t passed[] = {PS2_ACK, PS2_TEST_PASSED};

        ps2_keyboard_reset(k);
        ps2_put(&k->queue, passed, sizeof(passed));
        break;
    }
    default:
        /* 0xf7 to 0xfd are about set 3 and do nothing in the others. */
        answer(k, v >= 0xf7 && v <= 0xfd ? PS2_ACK : PS2_RESEND);
    }
}

void ps2_keyboard_write(Ps2Keyboard *k, uint8_t v)
{
    if (k->command && v < SET_LEDS) {
        keyboard_argument(k, v);
    } else {
        k->command = 0;
        keyboard_command(k, v);
    }
}

/* --- Life --- */

void ps2_keyboard_reset(Ps2Keyboard *k)
{
    ps2_clear(&k->queue);
    k->command = k->leds = 0;
    keyboard_defaults(k);
}

void ps2_keyboard_init(Ps2Keyboard *k, void (*changed)(void *opaque), void *opaque)
{
    k->queue.changed = changed;
    k->queue.opaque = opaque;
    input_add_sink(&keyboard_sink, k);
}

void ps2_keyboard_fini(Ps2Keyboard *k)
{
    input_remove_sink(k);
}

void ps2_keyboard_snapshot(Snapshot *sn, Ps2Keyboard *k)
{
    ps2_queue_snapshot(sn, &k->queue);
    snap_fields(sn, &k->command, &k->set, &k->leds, &k->rate, &k->scanning);
}
