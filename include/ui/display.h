/* SPDX-License-Identifier: MIT */
/*
 * Displays of -display: what shows the consoles to a person and takes keys and pointer.  One is chosen on the
 * command line and opens when the machine is there; servers (VNC) come beside it.
 * Threading: the machine lock, main loop.
 */
#ifndef UI_DISPLAY_H
#define UI_DISPLAY_H

#include "rhea/error.h"

struct Clock;
struct Machine;

/* What displays know of the machine. */
typedef struct DisplayHost {
    struct Clock *clock; /* the guest's; keys that are typed quickly are pressed by it */
    const char *name;    /* of -name; NULL: none */
    /* "Paused"; NULL while the guest runs. */
    const char *(*state)(void *opaque);
    /* The person is done with the machine. */
    void (*quit)(void *opaque);
    void *opaque;
} DisplayHost;

typedef struct DisplayType {
    const char *name;
    /* Somebody looks at consoles here: serial port and monitor may be among them. */
    bool shows_consoles;
    /* It serves from the choice on, beside what opens. */
    bool server;
    /* Takes what stands behind "NAME," or "NAME=" (may be NULL for neither). */
    bool (*choose)(struct Machine *m, const char *options, Error **errp);
    /* Opens; NULL: nothing to open.  @host lasts. */
    bool (*start)(const DisplayHost *host, Error **errp);
    void (*stop)(void);
} DisplayType;

/* "NAME", "NAME,OPTION=VALUE..." or "vnc=..."; of those that open the last one counts. */
bool display_choose(struct Machine *m, const char *spec, Error **errp) MUST_CHECK;
/* Every name, as -display help prints them. */
void display_print_help(void);
/* The name of what was chosen; NULL: nothing. */
const char *display_chosen(void);
bool display_shows_consoles(void);
/* -full-screen: for displays that can be. */
void display_want_full_screen(void);
bool display_full_screen(void);
bool display_start(const DisplayHost *host, Error **errp) MUST_CHECK;
/* Closes it; idempotent.  Servers go on. */
void display_stop(void);

#endif
