/* SPDX-License-Identifier: MIT */
/* The page for browsers: screens, keyboard, mouse, terminals and power buttons (docs/display.md).  Machine lock, main loop. */
#ifndef UI_WEB_H
#define UI_WEB_H

#include "rhea/error.h"

struct Machine;

/* "[HOST]:PORT", "unix:PATH", or "" for a free port of this host alone; once in a process.  Tells the page's address. */
bool web_start(struct Machine *m, const char *spec, Error **errp) MUST_CHECK;
/* Ends all connections. */
void web_stop(void);
/* Where the page is, with its token; NULL: there is none. */
const char *web_address(void);
/* How many pages are open. */
unsigned web_viewers(void);

/*
 * A terminal on the page: the last output of a character device is kept for pages that open later.
 * @typed gets what is typed there.
 */
typedef struct WebTerminal WebTerminal;
typedef void WebTyped(void *opaque, const uint8_t *buf, size_t len);

/* NULL: there are too many. */
WebTerminal *web_terminal_new(const char *label, WebTyped *typed, void *opaque);
void web_terminal_free(WebTerminal *t);
void web_terminal_put(WebTerminal *t, const uint8_t *buf, size_t len);

#endif
