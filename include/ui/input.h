/* SPDX-License-Identifier: MIT */
/*
 * Input from people: keys, pointer movements and buttons on their way from a display, a monitor or a
 * test to the guest's keyboard and mouse.  Keys are numbered as Linux does (KEY_* of
 * input-event-codes.h) and named as QMP does ("a", "ret", "ctrl").  Machine lock.
 */
#ifndef UI_INPUT_H
#define UI_INPUT_H

#include "rhea/error.h"

enum { INPUT_LEFT, INPUT_RIGHT, INPUT_MIDDLE, INPUT_BUTTONS };
/* Keys that devices treat specially. */
enum { INPUT_KEY_SYSRQ = 99, INPUT_KEY_PAUSE = 119 };

/* A device takes what it has a function for. */
typedef struct InputSink {
    void (*key)(void *opaque, unsigned code, bool down);
    /* Relative movement (right, down, wheel towards the user) and all buttons as they are now. */
    void (*pointer)(void *opaque, int dx, int dy, int dz, unsigned buttons);
} InputSink;

void input_add_sink(const InputSink *sink, void *opaque);
void input_remove_sink(void *opaque);

/* To the sink that came last among those that take such events; nowhere when there is none. */
void input_key(unsigned code, bool down);
void input_pointer(int dx, int dy, int dz, unsigned buttons);

/* The number of the key @name ("shift", "0x1e": a PC scan code); -1 and an error naming the nearest. */
int input_key_by_name(const char *name, Error **errp);

struct Clock;
/* Presses the keys in order and releases them together after @hold_ns of @clock; queued. */
void input_press(struct Clock *clock, const unsigned *codes, unsigned n, int64_t hold_ns);

#endif
