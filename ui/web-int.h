/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the web page share, and the messages between the page and the emulator.  All numbers are
 * big-endian.  Threading: the machine lock, main loop.
 */
#ifndef UI_WEB_INT_H
#define UI_WEB_INT_H

#include <pixman.h>

#include "listen.h"
#include "softmmu/runstate.h"
#include "ui/console.h"
#include "ui/web.h"
#include "web-conn.h"

enum { WEB_TERMINALS = 8, WEB_KEYS = 256 };

/* To the page, in the first byte of a binary message; the state of everything else is JSON in text messages. */
enum {
    WEB_SIZE = 1,    /* width, height: u16 */
    WEB_PICTURE = 2, /* u16 rectangles as web_put_rect() makes them; to be answered with WEB_SEEN */
    WEB_CURSOR = 3,  /* width, height, x and y of the hot spot: u16; RGBA */
    WEB_PLACE = 4,   /* of the pointer: x, y: s16; visible: u8 */
    WEB_TERMINAL = 5, /* index: u8; output */
};
/* From the page. */
enum {
    WEB_KEY = 1,     /* Linux's number: u16; down: u8 */
    WEB_POINT = 2,   /* x, y of INPUT_ABS_MAX: u16; wheel: s8; buttons: u8 */
    WEB_MOVE = 3,    /* right, down: s16; wheel: s8; buttons: u8 */
    WEB_SEEN = 4,    /* a picture has been shown */
    WEB_TYPED = 5,   /* index: u8; bytes for the terminal */
    WEB_COMMAND = 6, /* u8 of below */
    WEB_HEAD = 7,    /* which console it shows: u8 */
    WEB_WISH = 8,    /* the size that it has room for: u16, u16 */
};
enum { WEB_POWERDOWN, WEB_RESET, WEB_PAUSE, WEB_CONTINUE };

typedef struct WebClient WebClient;

typedef struct WebServer {
    Machine *m;
    Listener *listener;
    char *host; /* as it was given; NULL: this host alone */
    char *path; /* of a Unix socket; NULL: TCP */
    char *token, *address;
    GPtrArray *clients; /* WebClient */
    guint timer;
    unsigned interval_ms;
    bool update_due; /* a deferred call will come */
} WebServer;

/* --- web.c --- */

/* Answers a request; true: @out accepts a websocket. */
bool web_request(WebServer *s, const HttpRequest *r, GByteArray *out);
/* Somebody looks: the screen is followed; @now: at full rate. */
void web_wake(WebServer *s, bool now);
/* The @n-th console that a device draws; NULL: there is none. */
Console *web_console(unsigned n);

/* --- web-client.c: one page, or a request that is not one yet --- */

WebClient *web_client_new(WebServer *s, int fd);
void web_client_free(WebClient *c);
void web_client_kill(WebClient *c);
/* Whether it is a page. */
bool web_client_ready(const WebClient *c);
/* Whether a picture would be sent to it. */
bool web_client_looks(const WebClient *c);
void web_client_refresh(WebClient *c);
/* Sends what is new when the last has been taken; true: a picture was among it. */
bool web_client_update(WebClient *c);
/* Run state, pointer or consoles have changed. */
void web_client_tell_state(WebClient *c);

/* --- web-picture.c --- */

/*
 * x, y, width, height: u16; kind: u8, 0: RGBA, 1: QOI's chunks; bytes: u32; and those.  @out grows by no more
 * than 13 bytes and four for each pixel.
 */
void web_put_rect(GByteArray *out, pixman_image_t *surface, const pixman_box16_t *box);
/* RGBA of an image whose alpha is multiplied in. */
void web_put_rgba(GByteArray *out, pixman_image_t *image);
void web_put_u8(GByteArray *out, unsigned v);
void web_put_u16(GByteArray *out, unsigned v);

/* --- web-terminal.c --- */

/* The @i-th, or NULL. */
WebTerminal *web_terminal(unsigned i);
const char *web_terminal_label(const WebTerminal *t);
void web_terminal_type(WebTerminal *t, const uint8_t *buf, size_t len);
/* Appends what came behind the total *@at, as far as it is kept, and moves it. */
void web_terminal_read(const WebTerminal *t, uint64_t *at, GByteArray *out);
bool web_terminal_has(const WebTerminal *t, uint64_t at);
/* @fn hears of output, any thread with the machine lock. */
void web_terminals_watch(void (*fn)(void *opaque), void *opaque);

/* --- web-files.c --- */

typedef struct WebFile {
    const char *path, *type;
    const uint8_t *begin, *end;
} WebFile;

const WebFile *web_file(const char *path);

#endif
