/* SPDX-License-Identifier: MIT */
/*
 * Where a VNC client's bytes come from and go to: a socket, or whatever wraps one (TLS, a websocket).  A client
 * does not know which.  Nothing blocks.  Threading: the machine lock, main loop.
 */
#ifndef UI_VNC_STREAM_H
#define UI_VNC_STREAM_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct VncStream VncStream;

/* What a kind of stream supplies. */
typedef struct VncStreamOps {
    /* The bytes that were there, at most @len; 0: none will come any more; -EAGAIN: not now, or another negative errno. */
    ssize_t (*read)(VncStream *s, void *buf, size_t len);
    /* The bytes taken, more than 0; -EAGAIN: none fit now, and writable() is called when some do; or a negative errno. */
    ssize_t (*write)(VncStream *s, const void *buf, size_t len);
    /* The connection ends now; readable() and writable() are not called any more after free(). */
    void (*shut)(VncStream *s);
    void (*free)(VncStream *s);
} VncStreamOps;

/* The first member of each kind's own struct.  The user sets what comes after @ops. */
struct VncStream {
    const VncStreamOps *ops;
    void (*readable)(void *opaque); /* read() would not say -EAGAIN; may free the stream */
    void (*writable)(
        void *opaque); /* once after each write() that said -EAGAIN; may free the stream */
    void *opaque;
};

/* Owns the connected socket @fd. */
VncStream *vnc_socket_stream(int fd);
bool vnc_stream_is_socket(const VncStream *s);
/* Frees a socket's stream and hands its socket back. */
int vnc_socket_stream_steal(VncStream *s);

#endif
