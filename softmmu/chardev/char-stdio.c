/* SPDX-License-Identifier: MIT */
/*
 * stdio: the process's terminal, in raw mode while we have it.  With signal=off Ctrl-C and Ctrl-Z go to
 * the guest too.  One per process.  The terminal's former state comes back on every exit, also from a
 * fatal signal: chr_restore_terminal() only calls tcsetattr().
 */
#include "rhea/osdep.h"

#include <termios.h>

#include "char-int.h"

static struct termios stdio_saved, stdio_raw;
static volatile int stdio_changed; /* the terminal is in raw mode */
static bool stdio_in_use;

void chr_restore_terminal(void)
{
    if (stdio_changed) {
        tcsetattr(STDIN_FILENO, TCSANOW, &stdio_saved);
    }
}

void chr_resume_terminal(void)
{
    if (stdio_changed) {
        tcsetattr(STDIN_FILENO, TCSANOW, &stdio_raw);
    }
}

static void stdio_make_raw(bool signal)
{
    if (tcgetattr(STDIN_FILENO, &stdio_saved)) {
        return; /* not a terminal */
    }
    stdio_raw = stdio_saved;
    stdio_raw.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    stdio_raw.c_oflag |= OPOST;
    stdio_raw.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
    if (!signal) {
        stdio_raw.c_lflag &= ~ISIG;
    }
    stdio_raw.c_cflag &= ~(CSIZE | PARENB);
    stdio_raw.c_cflag |= CS8;
    stdio_raw.c_cc[VMIN] = 1;
    stdio_raw.c_cc[VTIME] = 0;
    stdio_changed = 1;
    tcsetattr(STDIN_FILENO, TCSANOW, &stdio_raw);
}

static bool stdio_open(Chardev *c, Opts *o, Error **errp)
{
    bool signal = true;

    if (!opts_take_bool(o, "signal", &signal, errp)) {
        return false;
    }
    if (stdio_in_use) {
        return error_fail(errp,
                          "%s: stdio is used by another chardev already (mux=on lets several "
                          "share it)",
                          opts_what(o));
    }
    stdio_in_use = true;
    stdio_make_raw(signal);
    c->fd = char_fd_new(c, STDIN_FILENO, STDOUT_FILENO);
    c->open = true;
    return true;
}

static void stdio_close(Chardev *c)
{
    if (c->fd) {
        g_clear_pointer(&c->fd, char_fd_free);
        chr_restore_terminal();
        stdio_changed = 0;
        stdio_in_use = false;
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
