/* SPDX-License-Identifier: MIT */
/*
 * Interrupt lines: level-triggered wires from one device's output to another's input.  Machine lock.
 */
#ifndef MEMORY_IRQ_H
#define MEMORY_IRQ_H

#include "rhea/base.h"

struct Device;

typedef void (*IrqHandler)(void *opaque, int n, bool level);
typedef void (*IrqWatch)(void *opaque, const char *name, int n, bool level);

/* An output.  Lives in the device's state; unconnected until a board wires it. */
typedef struct IrqLine {
    const char *name;
    struct Device *dev;
    IrqHandler sink;
    void *opaque;
    int n;
    bool level;
    uint64_t raised; /* rising edges, for "info irq" */
    /* qtest, see irq_intercept() */
    IrqWatch watch;
    void *watch_opaque;
    int watch_n;
} IrqLine;

void irq_line_init(IrqLine *line, struct Device *dev, const char *name);

/* Sets the level; the sink hears of changes only. */
void irq_set(IrqLine *line, bool level);
/* Pulses: a rise and a fall, whatever the level was. */
void irq_pulse(IrqLine *line);

/* Declares inputs 0..count-1 named @name (NULL: the unnamed ones) of @dev. */
void irq_inputs_init(struct Device *dev, const char *name, IrqHandler handler, void *opaque,
                     int count);

/* Wires output @out (an IrqLine of a realized device) to input @n of @dev; a new sink hears the level. */
void irq_connect(IrqLine *out, struct Device *dev, const char *name, int n);
void irq_connect_fn(IrqLine *out, IrqHandler handler, void *opaque, int n);
/* Finds output @name, number @n among equals. NULL when there is none. */
IrqLine *irq_find_out(struct Device *dev, const char *name, int n);
/* Drives an input as the board or qtest does. False when there is no such input. */
bool irq_drive_input(struct Device *dev, const char *name, int n, bool level);

/* qtest: every change of @dev's outputs (or inputs) calls @fn instead of the sink. */
void irq_intercept(struct Device *dev, bool inputs, IrqWatch fn, void *opaque);

#endif
