/* SPDX-License-Identifier: MIT */
/*
 * stdio: the process's terminal, in raw mode while we have it.  With signal=off Ctrl-C and Ctrl-Z go to
 * the guest too.  One per process; several front ends share it with mux=on.
 */
#include "rhea/osdep.h"

#include <termios.h>

#include "rhea/terminal.h"
#include "char-int.h"

static void stdio_make_raw(bool signal)
{
    struct termios raw;

    if (!terminal_state(&raw)) {
        return;
    }
    raw.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_oflag |= OPOST;
    raw.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
    if (!signal) {
        raw.c_lflag &= ~ISIG;
    }
    raw.c_cflag &= ~(CSIZE | PARENB);
    raw.c_cflag |= CS8;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    terminal_set(&raw);
}

static bool stdio_open(Chardev *c, Opts *o, Error **errp)
{
    bool signal = true;

    if (!opts_take_bool(o, "signal", &signal, errp)) {
        return false;
    }
    if (!terminal_take("stdio (with mux=on several share it)", errp)) {
        error_prepend(errp, "%s: ", opts_what(o));
        return false;
    }
    stdio_make_raw(signal);
    c->fd = char_fd_new(c, STDIN_FILENO, STDOUT_FILENO);
    c->open = true;
    return true;
}

static void stdio_close(Chardev *c)
{
    if (c->fd) {
        g_clear_pointer(&c->fd, char_fd_free);
        terminal_release();
    }
}

static const char *const stdio_opts[] = {"signal", NULL};

static const CharOps stdio_ops = {
    .opts = stdio_opts,
    .open = stdio_open,
    .close = stdio_close,
    .write = char_fd_write,
    .accept_input = char_fd_accept_input,
};

QOM_TYPE(chardev_stdio_type, .name = "chardev-stdio", .parent = TYPE_CHARDEV,
         .desc = "standard input and output", .ops = &stdio_ops);
