/* SPDX-License-Identifier: MIT */
/*
 * Input from people: keys, pointer movements and buttons on their way from a display, a monitor or a
 * test to the guest's keyboard and mouse.  Keys are numbered as Linux does (KEY_* of
 * input-event-codes.h) and named as QMP does ("a", "ret", "ctrl").  Machine lock.
 */
#ifndef UI_INPUT_H
#define UI_INPUT_H

#include "rhea/error.h"

enum { INPUT_LEFT, INPUT_RIGHT, INPUT_MIDDLE, INPUT_SIDE, INPUT_EXTRA, INPUT_BUTTONS };
/* Keys that devices treat specially. */
enum { INPUT_KEY_SYSRQ = 99, INPUT_KEY_PAUSE = 119 };
/* The largest coordinate of an absolute pointer, at the right and the lower edge of the screen. */
enum { INPUT_ABS_MAX = 0x7fff };

/* A device takes what it has a function for. */
typedef struct InputSink {
    const char *name; /* for people: "PS/2 mouse" */
    void (*key)(void *opaque, unsigned code, bool down);
    /* Relative movement (right, down, wheel towards the user) and all buttons as they are now. */
    void (*pointer)(void *opaque, int dx, int dy, int dz, unsigned buttons);
    /* A place on the screen, 0..INPUT_ABS_MAX; wheel and buttons as above. */
    void (*pointer_abs)(void *opaque, unsigned x, unsigned y, int dz, unsigned buttons);
} InputSink;

void input_add_sink(const InputSink *sink, void *opaque);
void input_remove_sink(void *opaque);

/* To the sink that came last among those that take such events; nowhere when there is none. */
void input_key(unsigned code, bool down);
/* To the first pointer of that kind in the order below; nowhere when there is none. */
void input_pointer(int dx, int dy, int dz, unsigned buttons);
void input_pointer_abs(unsigned x, unsigned y, int dz, unsigned buttons);
/* Wheel and buttons where the current pointer is. */
void input_buttons(int dz, unsigned buttons);
/* As they were last told. */
unsigned input_buttons_now(void);
void input_place_now(unsigned *x, unsigned *y);

/* Pointers in order, the current one first: one that was selected, absolute ones, later before earlier. */
typedef struct InputMouse {
    unsigned index; /* does not change while it is there */
    const char *name;
    bool absolute;
} InputMouse;

/* The @n-th; false: there are no more. */
bool input_mouse(unsigned n, InputMouse *mouse);
/* Makes the pointer with that index the current one. */
bool input_select_mouse(unsigned index, Error **errp);
/* Whether the current pointer takes places on the screen rather than movements. */
bool input_is_absolute(void);
/* @fn is called after the pointers or their order changed; input_unwatch takes it out. */
void input_watch(void (*fn)(void *opaque), void *opaque);
void input_unwatch(void *opaque);

/* The number of the key @name ("shift", "0x1e": a PC scan code); -1 and an error naming the nearest. */
int input_key_by_name(const char *name, Error **errp);

/* The name of a key, NULL: it has none. */
const char *input_key_name(unsigned code);

struct Clock;
/* How many presses wait to be done. */
unsigned input_presses(void);
/* Presses the keys in order and releases them together after @hold_ns of @clock; queued. */
void input_press(struct Clock *clock, const unsigned *codes, unsigned n, int64_t hold_ns);

#endif
