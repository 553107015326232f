/* SPDX-License-Identifier: MIT */
/*
 * Backends on file descriptors.  Descriptors are never switched to non-blocking (stdin and stdout share
 * their open file with the shell); every write is preceded by a poll and small enough not to block.
 *
 * What the other end does not take waits in a buffer.  Device output beyond PENDING_LIMIT is refused, so
 * that the guest's driver waits; output that must not be refused (monitors) makes the buffer grow.  Who
 * lets it grow to PENDING_MAX does not read: it is hung up on, or what waits is dropped.
 */
#include "rhea/osdep.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "softmmu/runstate.h"
#include "char-int.h"

enum {
    PENDING_LIMIT = 64 * 1024,
    PENDING_MAX = 16 << 20,
    CHUNK = 256, /* a terminal that reports room takes this much */
    READ_SIZE = 4096,
    CLOSE_FLUSH_MS = 500,
};

static bool char_fd_writable(CharFd *f, int timeout_ms)
{
    struct pollfd p = {.fd = f->out, .events = POLLOUT};

    return poll(&p, 1, timeout_ms) > 0 && (p.revents & (POLLOUT | POLLERR | POLLHUP));
}

/* What went out at once; -1: the other end is gone. */
static ssize_t char_fd_push(CharFd *f, const uint8_t *buf, size_t len)
{
    size_t done = 0;

    while (done < len && char_fd_writable(f, 0)) {
        size_t chunk = MIN(len - done, CHUNK);
        ssize_t n = send(f->out, buf + done, len - done, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == ENOTSOCK) {
            n = write(f->out, buf + done, chunk);
        }
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            return -1;
        }
        if (n < 0 && errno == EAGAIN) {
            break;
        }
        done += MAX(n, 0);
    }
    return (ssize_t)done;
}

static void char_fd_lost(CharFd *f)
{
    g_byte_array_set_size(f->pending, 0);
    if (f->hangup) {
        f->hangup(f);
    }
}

static void char_fd_flush(CharFd *f)
{
    ssize_t n = char_fd_push(f, f->pending->data, f->pending->len);

    if (n < 0) {
        char_fd_lost(f);
        return;
    }
    if (n > 0) {
        g_byte_array_remove_range(f->pending, 0, (guint)n);
    }
    if (f->pending->len < PENDING_LIMIT && f->chr->front && f->chr->front->handlers &&
        f->chr->front->handlers->can_write) {
        f->chr->front->handlers->can_write(f->chr->front->opaque);
    }
}

size_t char_fd_write(Chardev *c, const uint8_t *buf, size_t len, bool all)
{
    CharFd *f = c->fd;
    size_t rest;
    ssize_t n = 0;

    if (!f || f->out < 0) {
        return len; /* nobody there */
    }
    if (!f->pending->len) {
        n = char_fd_push(f, buf, len);
        if (n < 0) {
            char_fd_lost(f);
            return len;
        }
    }
    rest = len - (size_t)n;
    if (!all) {
        rest = MIN(rest, PENDING_LIMIT - MIN(f->pending->len, PENDING_LIMIT));
    } else if (rest > PENDING_MAX - MIN(f->pending->len, PENDING_MAX)) {
        char_fd_lost(f);
        return len;
    }
    if (rest) {
        g_byte_array_append(f->pending, buf + n, (guint)rest);
        main_loop_kick(); /* to watch for room */
    }
    return (size_t)n + rest;
}

void char_fd_accept_input(Chardev *c)
{
    if (c->fd && c->fd->input_blocked) {
        main_loop_kick();
    }
}

/* --- The event source --- */

/*
 * A descriptor that nothing is wanted from leaves the poll set altogether: poll would report its
 * hang-up for ever.
 */
static void char_fd_watch(CharFd *f, int fd, CharWatch *w, GIOCondition events)
{
    if (events == w->events) {
        return; /* a change wakes the main loop */
    }
    if (events && !w->tag) {
        w->tag = g_source_add_unix_fd(&f->source, fd, events);
    } else if (events) {
        g_source_modify_unix_fd(&f->source, w->tag, events);
    } else {
        g_source_remove_unix_fd(&f->source, w->tag);
        w->tag = NULL;
    }
    w->events = events;
}

/* A front end without room still hears that the peer has gone, once it has what the peer sent. */
static GIOCondition char_fd_input_events(const CharFd *f, bool room)
{
    return room ? G_IO_IN : f->hangup && f->in >= 0 && !f->peer_gone ? G_IO_HUP : 0;
}

static gboolean char_fd_prepare(GSource *source, gint *timeout)
{
    CharFd *f = (CharFd *)source;
    bool room = f->in >= 0 && chr_can_receive(f->chr) > 0;

    f->input_blocked = !room;
    *timeout = -1;
    char_fd_watch(f, f->in, &f->in_watch, char_fd_input_events(f, room));
    char_fd_watch(f, f->out, &f->out_watch, f->pending->len ? G_IO_OUT : 0);
    return FALSE;
}

static gboolean char_fd_check(GSource *source)
{
    CharFd *f = (CharFd *)source;

    return (f->in_watch.tag && g_source_query_unix_fd(source, f->in_watch.tag)) ||
           (f->out_watch.tag && g_source_query_unix_fd(source, f->out_watch.tag));
}

static void char_fd_read(CharFd *f)
{
    uint8_t buf[READ_SIZE];
    size_t room = MIN(chr_can_receive(f->chr), sizeof(buf));
    ssize_t n;

    if (!room) {
        int unread = 0;

        f->peer_gone = g_source_query_unix_fd(&f->source, f->in_watch.tag) & G_IO_HUP;
        if (f->peer_gone && f->hangup && !ioctl(f->in, FIONREAD, &unread) && !unread) {
            f->hangup(f);
        } else if (f->peer_gone && f->left) {
            f->left(f);
        }
        return;
    }
    n = f->read ? f->read(f, buf, room) : read(f->in, buf, room);
    if (n > 0) {
        f->peer_gone = false;
        if (f->received) {
            f->received(f, buf, (size_t)n);
        } else {
            chr_deliver(f->chr, buf, (size_t)n);
        }
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
        if (f->hangup) {
            f->hangup(f);
        } else {
            char_fd_watch(f, f->in, &f->in_watch, 0);
            f->in = -1;
        }
    }
}

static gboolean char_fd_dispatch(GSource *source, GSourceFunc unused, gpointer opaque)
{
    CharFd *f = (CharFd *)source;

    if (f->out_watch.tag && g_source_query_unix_fd(source, f->out_watch.tag)) {
        char_fd_flush(f);
    }
    /* The flush may have ended the connection. */
    if (!g_source_is_destroyed(source) && f->in_watch.tag &&
        g_source_query_unix_fd(source, f->in_watch.tag)) {
        char_fd_read(f);
    }
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs char_fd_funcs = {
    .prepare = char_fd_prepare,
    .check = char_fd_check,
    .dispatch = char_fd_dispatch,
};

CharFd *char_fd_new(Chardev *c, int in, int out)
{
    CharFd *f = (CharFd *)g_source_new(&char_fd_funcs, sizeof(CharFd));

    f->chr = c;
    f->in = in;
    f->out = out;
    f->pending = g_byte_array_new();
    g_source_attach(&f->source, NULL);
    return f;
}

/* Not for longer than CLOSE_FLUSH_MS, however slowly the other end reads. */
static void char_fd_last_flush(CharFd *f)
{
    gint64 end = g_get_monotonic_time() + CLOSE_FLUSH_MS * G_TIME_SPAN_MILLISECOND, left_us;

    while (f->pending->len && f->out >= 0 && (left_us = end - g_get_monotonic_time()) > 0 &&
           char_fd_writable(f, (int)(left_us / 1000))) {
        ssize_t n = char_fd_push(f, f->pending->data, f->pending->len);

        if (n <= 0) {
            break;
        }
        g_byte_array_remove_range(f->pending, 0, (guint)n);
    }
}

void char_fd_disown(CharFd *f, int null)
{
    g_byte_array_set_size(f->pending, 0);
    if (f->in >= 0) {
        dup3(null, f->in, O_CLOEXEC);
    }
    if (f->out >= 0 && f->out != f->in) {
        dup3(null, f->out, O_CLOEXEC);
    }
}

void char_fd_free(CharFd *f)
{
    if (!f) {
        return;
    }
    char_fd_last_flush(f);
    g_source_destroy(&f->source);
    if (f->in > STDERR_FILENO) {
        close(f->in);
    }
    if (f->out > STDERR_FILENO && f->out != f->in) {
        close(f->out);
    }
    g_byte_array_unref(f->pending);
    g_source_unref(&f->source);
}
