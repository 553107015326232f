/* SPDX-License-Identifier: MIT */
/*
 * Character backends: where a serial port, the monitor, a virtio console or the gdb stub talks to.
 * All under the machine lock, on the main loop thread unless said otherwise.
 */
#ifndef CHARDEV_CHARDEV_H
#define CHARDEV_CHARDEV_H

#include <stdio.h>

#include "rhea/error.h"

typedef struct Chardev Chardev; /* backend: object under /chardevs */
typedef struct CharFront CharFront;

typedef enum CharEvent {
    CHAR_OPENED,
    CHAR_CLOSED,
    CHAR_BREAK,
    CHAR_MUX_IN,
    CHAR_MUX_OUT
} CharEvent;

typedef struct CharHandlers {
    /* How many bytes the front end takes now; 0 stops input until chr_accept_input(). */
    size_t (*can_receive)(void *opaque);
    void (*receive)(void *opaque, const uint8_t *buf, size_t len);
    void (*event)(void *opaque, CharEvent ev);
    /* Output that chr_write() could not take may be tried again. */
    void (*can_write)(void *opaque);
} CharHandlers;

/* A front end's connection to a backend; embedded in the device.  chr == NULL: writes vanish. */
struct CharFront {
    Chardev *chr;
    const CharHandlers *handlers;
    void *opaque;
    unsigned mux_index;
    bool open;
};

/* By id; an error when it does not exist or has its front end already (mux takes several). */
bool chr_attach(CharFront *fe, const char *id, Error **errp) MUST_CHECK;
void chr_detach(CharFront *fe);
/* NULL handlers: input is not read. */
void chr_set_handlers(CharFront *fe, const CharHandlers *h, void *opaque);

/* Bytes taken (maybe fewer than @len: wait for can_write), never blocks. Any thread with the lock. */
size_t chr_write(CharFront *fe, const void *buf, size_t len);
/* Everything, blocking at most briefly per the backend's policy (early firmware output, monitors). */
void chr_write_all(CharFront *fe, const void *buf, size_t len);
void chr_accept_input(CharFront *fe);
bool chr_connected(const CharFront *fe);
void chr_send_break(CharFront *fe);
/* A file descriptor received as SCM_RIGHTS with the last bytes, or -1; the caller owns it. */
int chr_take_fd(CharFront *fe);

/* "-chardev BACKEND,id=ID,..." and the short form of -serial/-monitor ("stdio", "tcp:...", "mon:stdio",
 * "chardev:ID", "null", "none", "pty", "file:...", "unix:...", "telnet:...", "pipe:..."). */
Chardev *chr_new_opts(const char *optarg, Error **errp);
/* Returns the backend's id in *id (g_malloc'd; NULL for "none"). */
bool chr_new_short(const char *spec, const char *default_id, bool mux, char **id,
                   Error **errp) MUST_CHECK;
bool chr_remove(const char *id, Error **errp) MUST_CHECK;
void chr_print_help(FILE *out);
/* The kinds of backend, NULL-terminated; the caller unrefs. */
GPtrArray *chr_backend_names(void);
/* The guest sees a break on the line. */
bool chr_break_guest(const char *id, Error **errp) MUST_CHECK;
/* Takes up to @max bytes out of the ringbuf @id; NULL when it is none. */
GByteArray *chr_ringbuf_read(const char *id, size_t max, Error **errp);
/* Puts bytes in, as the guest's output would. */
bool chr_ringbuf_write(const char *id, const uint8_t *buf, size_t len, Error **errp) MUST_CHECK;
/* Every chardev: where it is connected ("unix:/x,server=on"). */
typedef void (*ChrInfo)(void *opaque, const char *id, const char *where, bool open);
void chr_foreach_info(ChrInfo fn, void *opaque);
/* Releases the terminal, removes sockets; idempotent. */
void chr_cleanup_all(void);
/*
 * In a copy of the process.  Backends with another end are null ones from now on, of which the other process hears nothing;
 * those without a front end go.
 */
void chr_after_fork(void);
void chr_remove_unused(void);
/*
 * Whoever uses the backend @id is taken from it, and it is gone (NULL: nobody does); a new backend (NULL: none) gets
 * them all.
 */
struct CharUsers;
struct CharUsers *chr_take_users(const char *id);
bool chr_give_users(struct CharUsers *users, const char *id, Error **errp) MUST_CHECK;
/* -echr: what starts an escape on a mux; 0: nothing does. */
void chr_set_escape(int c);

#endif
