/* SPDX-License-Identifier: MIT */
/*
 * The process's terminal (standard input and output), which one user at a time may change: raw input for a
 * serial port, a whole screen for a display.  What it was before comes back on every end of the process, also
 * by a fatal signal.  Main thread; terminal_restore() is safe in a signal handler.
 */
#ifndef RHEA_TERMINAL_H
#define RHEA_TERMINAL_H

#include <termios.h>

#include "rhea/error.h"

/* @user, a constant, has the terminal from now on; an error naming who has it already. */
bool terminal_take(const char *user, Error **errp) MUST_CHECK;
/* Its state as it was found; false: it is no terminal. */
bool terminal_state(struct termios *state);
/* Sets this state, which terminal_resume() sets again. */
void terminal_set(const struct termios *state);
/* What is written to bring the screen back (a copy; NULL: nothing), before the state is restored. */
void terminal_set_farewell(const char *text);
/* As it was found; idempotent. */
void terminal_restore(void);
/* As the user has it, after the process was stopped and continued. */
void terminal_resume(void);
/* Restored, and free for another. */
void terminal_release(void);

#endif
