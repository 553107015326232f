/* SPDX-License-Identifier: MIT */
/* What backends share: the Chardev base, their operations, and the helper for file descriptors. */
#ifndef SOFTMMU_CHARDEV_CHAR_INT_H
#define SOFTMMU_CHARDEV_CHAR_INT_H

#include "chardev/chardev.h"
#include "qom/object.h"
#include "rhea/opts.h"

#define TYPE_CHARDEV "chardev" /* backend NAME is the type "chardev-NAME" */

typedef struct CharFd CharFd;

/* The ops of a backend's ObjectType. */
typedef struct CharOps {
    const char *const *opts; /* accepted options besides id, mux, logfile, logappend */
    bool (*open)(Chardev *c, Opts *o, Error **errp);
    void (*close)(Chardev *c); /* also after a failed open */
    /* Bytes taken; all of them when @all. */
    size_t (*write)(Chardev *c, const uint8_t *buf, size_t len, bool all);
    void (*accept_input)(Chardev *c);
    void (*send_break)(Chardev *c);
    int (*take_fd)(Chardev *c);
    /* Several front ends (mux). */
    void (*attach)(Chardev *c, CharFront *fe);
    void (*detach)(Chardev *c, CharFront *fe);
    /* Adds its front ends (CharFront *) to @fronts. NULL: it has at most the one in the Chardev. */
    void (*list)(Chardev *c, GPtrArray *fronts);
    /* Where it is connected, for info chardev: g_malloc'd, NULL: just the backend's name. */
    char *(*describe)(Chardev *c);
} CharOps;

struct Chardev {
    Object obj;
    const CharOps *ops;
    char *id;
    CharFront *front; /* not used by mux */
    CharFd *fd;       /* of backends on file descriptors */
    bool open;        /* somebody is at the other end */
    int log_fd;       /* logfile=, or -1 */
};

/* --- Towards the front end --- */

size_t chr_can_receive(Chardev *c);
void chr_deliver(Chardev *c, const uint8_t *buf, size_t len);
/* Sets c->open and tells the front end. */
void chr_set_open(Chardev *c, bool open);
void chr_event(Chardev *c, CharEvent ev);

/* The object whose children are the backends, in the order in which they were made. */
Object *chr_folder(void);
Chardev *chr_find(const char *id);
/* Creates an opened backend from parsed options; takes what it knows of @o. */
Chardev *chr_create(const char *id, const char *backend, Opts *o, Error **errp);

/* --- File descriptors --- */

/* What the main loop is asked to report of a descriptor. */
typedef struct CharWatch {
    gpointer tag; /* NULL: nothing */
    GIOCondition events;
} CharWatch;

/*
 * Watches a pair of descriptors: reads when the front end has room, writes what is pending.  Owns
 * the descriptors.
 */
struct CharFd {
    GSource source; /* GLib's, first */
    Chardev *chr;
    int in, out; /* may be equal; -1: none */
    CharWatch in_watch, out_watch;
    GByteArray *pending;
    bool input_blocked; /* the front end had no room when we last looked */
    bool peer_gone;     /* and what the peer sent before is not read yet */
    /* Instead of read(2) / chr_deliver(). */
    ssize_t (*read)(CharFd *f, void *buf, size_t len);
    void (*received)(CharFd *f, const uint8_t *buf, size_t len);
    /* End of file or an error on either descriptor; NULL: reading just stops. */
    void (*hangup)(CharFd *f);
    /* The peer has gone and the front end has no room yet for the rest of what it sent; may be NULL. */
    void (*left)(CharFd *f);
};

CharFd *char_fd_new(Chardev *c, int in, int out);
/* Closes the descriptors (not 0..2) after giving pending output a short time to go. */
void char_fd_free(CharFd *f);
/* Its descriptors lead to @null from now on: what is done with them does not reach the other end. */
void char_fd_disown(CharFd *f, int null);
size_t char_fd_write(Chardev *c, const uint8_t *buf, size_t len, bool all);
void char_fd_accept_input(Chardev *c);

#endif
