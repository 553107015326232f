/* SPDX-License-Identifier: MIT */
/* VNC clients on sockets.  Threading: the machine lock, main loop. */
#include "rhea/osdep.h"

#include <glib-unix.h>
#include <sys/socket.h>

#include "vnc-stream.h"

typedef struct SocketStream {
    VncStream parent;
    int fd;
    guint in_source, out_source;
} SocketStream;

static gboolean socket_readable(gint fd, GIOCondition cond, gpointer opaque)
{
    VncStream *s = opaque;

    s->readable(s->opaque);
    return G_SOURCE_CONTINUE;
}

static gboolean socket_writable(gint fd, GIOCondition cond, gpointer opaque)
{
    SocketStream *s = opaque;

    s->out_source = 0;
    s->parent.writable(s->parent.opaque);
    return G_SOURCE_REMOVE;
}

static ssize_t socket_read(VncStream *parent, void *buf, size_t len)
{
    SocketStream *s = (SocketStream *)parent;
    ssize_t n = recv(s->fd, buf, len, MSG_DONTWAIT);

    return n >= 0 ? n : errno == EINTR ? -EAGAIN : -errno;
}

static ssize_t socket_write(VncStream *parent, const void *buf, size_t len)
{
    SocketStream *s = (SocketStream *)parent;
    ssize_t n;

    do {
        n = send(s->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    n = n < 0 ? -errno : n;
    if (n == -EAGAIN && !s->out_source) {
        s->out_source = g_unix_fd_add(s->fd, G_IO_OUT | G_IO_ERR, socket_writable, s);
    }
    return n;
}

static void socket_shut(VncStream *parent)
{
    shutdown(((SocketStream *)parent)->fd, SHUT_RDWR);
}

int vnc_socket_stream_steal(VncStream *parent)
{
    SocketStream *s = (SocketStream *)parent;
    int fd = s->fd;

    g_source_remove(s->in_source);
    if (s->out_source) {
        g_source_remove(s->out_source);
    }
    g_free(s);
    return fd;
}

static void socket_free(VncStream *parent)
{
    close(vnc_socket_stream_steal(parent));
}

static const VncStreamOps socket_ops = {
    .read = socket_read, .write = socket_write, .shut = socket_shut, .free = socket_free};

bool vnc_stream_is_socket(const VncStream *s)
{
    return s->ops == &socket_ops;
}

VncStream *vnc_socket_stream(int fd)
{
    SocketStream *s = g_new0(SocketStream, 1);

    s->parent.ops = &socket_ops;
    s->fd = fd;
    s->in_source = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, socket_readable, s);
    return &s->parent;
}
