/* SPDX-License-Identifier: MIT */
/*
 * PS/2 keyboard and mouse, parts of the device that has the controller.  Spec: IBM PS/2 hardware
 * interface technical reference, keyboard and mouse chapters; Microsoft IntelliMouse extensions.
 * Threading: the machine lock.
 */
#ifndef HW_INPUT_PS2_H
#define HW_INPUT_PS2_H

#include "rhea/base.h"

struct Snapshot;

enum { PS2_QUEUE = 256 };
enum { PS2_ACK = 0xfa, PS2_TEST_PASSED = 0xaa, PS2_RESEND = 0xfe };

/* What a device has to say; the controller takes it byte by byte. */
typedef struct Ps2Queue {
    uint8_t data[PS2_QUEUE];
    uint32_t head, count;
    uint8_t last; /* for a resend */
    void (*changed)(void *opaque);
    void *opaque;
} Ps2Queue;

static inline bool ps2_pending(const Ps2Queue *q)
{
    return q->count > 0;
}

uint8_t ps2_take(Ps2Queue *q);
/* All of @bytes, or nothing when there is no room. */
void ps2_put(Ps2Queue *q, const uint8_t *bytes, unsigned n);
void ps2_clear(Ps2Queue *q);
void ps2_queue_snapshot(struct Snapshot *sn, Ps2Queue *q);

typedef struct Ps2Keyboard {
    Ps2Queue queue;
    uint8_t command; /* waits for its argument; 0: none */
    uint8_t set;     /* scan codes: 1 or 2 */
    uint8_t leds, rate;
    bool scanning;
} Ps2Keyboard;

/* @changed is called when there is something to take. */
void ps2_keyboard_init(Ps2Keyboard *k, void (*changed)(void *opaque), void *opaque);
void ps2_keyboard_fini(Ps2Keyboard *k);
void ps2_keyboard_reset(Ps2Keyboard *k);
void ps2_keyboard_write(Ps2Keyboard *k, uint8_t v);
void ps2_keyboard_snapshot(struct Snapshot *sn, Ps2Keyboard *k);
/* What the controller makes of a byte of set 2 in its translating mode; the break prefix apart. */
uint8_t ps2_translate(uint8_t code);

typedef struct Ps2Mouse {
    Ps2Queue queue;
    uint8_t command; /* waits for its argument; 0: none */
    uint8_t id;      /* 0, 3 with a wheel, 4 with two more buttons */
    uint8_t rate, resolution, buttons;
    uint8_t knock[2]; /* the rates before the last: how drivers ask for the wheel */
    bool reporting, remote, wrap, scale_2;
    int32_t dx, dy, dz; /* moved since the last report */
} Ps2Mouse;

void ps2_mouse_init(Ps2Mouse *m, void (*changed)(void *opaque), void *opaque);
void ps2_mouse_fini(Ps2Mouse *m);
void ps2_mouse_reset(Ps2Mouse *m);
void ps2_mouse_write(Ps2Mouse *m, uint8_t v);
void ps2_mouse_snapshot(struct Snapshot *sn, Ps2Mouse *m);

#endif
