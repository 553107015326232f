/* SPDX-License-Identifier: MIT */
/*
 * pty: a new pseudo-terminal whose name is printed.  While nobody has opened it, output vanishes; the
 * kernel tells of an opener only when asked, so we ask every POLL_MS.
 */
#include "rhea/osdep.h"

#include <fcntl.h>
#include <poll.h>
#include <termios.h>

#include "char-int.h"

enum { POLL_MS = 500 };

typedef struct CharPty {
    Chardev chr;
    int master;
    char *name;
    guint poll_source;
} CharPty;

static gboolean pty_poll(gpointer opaque);

static void pty_hangup(CharFd *f)
{
    CharPty *s = (CharPty *)f->chr;

    if (s->chr.fd) {
        s->chr.fd = NULL;
        f->in = f->out = -1; /* the master stays ours */
        char_fd_free(f);
        chr_set_open(&s->chr, false);
        s->poll_source = g_timeout_add(POLL_MS, pty_poll, s);
    }
}

static bool pty_try_connect(CharPty *s)
{
    struct pollfd p = {.fd = s->master, .events = POLLOUT};

    if (poll(&p, 1, 0) < 0 || (p.revents & POLLHUP)) {
        return false;
    }
    s->chr.fd = char_fd_new(&s->chr, s->master, s->master);
    s->chr.fd->hangup = pty_hangup;
    chr_set_open(&s->chr, true);
    return true;
}

static gboolean pty_poll(gpointer opaque)
{
    CharPty *s = opaque;

    if (pty_try_connect(s)) {
        s->poll_source = 0;
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

/* A write that finds nobody connected looks once more: an opener may have come meanwhile. */
static size_t pty_write(Chardev *c, const uint8_t *buf, size_t len, bool all)
{
    CharPty *s = (CharPty *)c;

    if (!c->fd && pty_try_connect(s)) {
        g_source_remove(s->poll_source);
        s->poll_source = 0;
    }
    return char_fd_write(c, buf, len, all);
}

static bool pty_open(Chardev *c, Opts *o, Error **errp)
{
    CharPty *s = (CharPty *)c;
    char name[128];
    struct termios t;
    int slave;

    s->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (s->master < 0 || grantpt(s->master) || unlockpt(s->master) ||
        ptsname_r(s->master, name, sizeof(name))) {
        return error_fail_errno(errp, errno, "%s: cannot make a pseudo-terminal", opts_what(o));
    }
    slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0 || tcgetattr(slave, &t)) {
        return error_fail_errno(errp, errno, "%s: cannot open '%s'", opts_what(o), name);
    }
    cfmakeraw(&t);
    tcsetattr(slave, TCSANOW, &t);
    close(slave); /* from here the master reports a hang-up until somebody opens it */
    s->name = g_strdup(name);
    fprintf(stderr, "char device redirected to %s (label %s)\n", name, c->id);
    s->poll_source = g_timeout_add(POLL_MS, pty_poll, s);
    return true;
}

static void pty_close(Chardev *c)
{
    CharPty *s = (CharPty *)c;

    if (s->poll_source) {
        g_source_remove(s->poll_source);
    }
    if (c->fd) {
        g_clear_pointer(&c->fd, char_fd_free); /* closes the master */
    } else if (s->master > 0) {
        close(s->master);
    }
    g_free(s->name);
}

static char *pty_describe(Chardev *c)
{
    return g_strconcat("pty:", ((CharPty *)c)->name, NULL);
}

static const CharOps pty_ops = {
    .open = pty_open,
    .close = pty_close,
    .write = pty_write,
    .accept_input = char_fd_accept_input,
    .describe = pty_describe,
};

QOM_TYPE(chardev_pty_type, .name = "chardev-pty", .parent = TYPE_CHARDEV,
         .desc = "new pseudo-terminal", .ops = &pty_ops, .size = sizeof(CharPty));
