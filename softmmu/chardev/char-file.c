/* SPDX-License-Identifier: MIT */
/* null (output vanishes, no input), file (output to a file) and pipe (a named pipe or a pair). */
#include "rhea/osdep.h"

#include <fcntl.h>

#include "char-int.h"
#include "rhea/fdset.h"

/* --- null --- */

static bool null_open(Chardev *c, Opts *o, Error **errp)
{
    c->open = true;
    return true;
}

static size_t null_write(Chardev *c, const uint8_t *buf, size_t len, bool all)
{
    return len;
}

static const CharOps null_ops = {.open = null_open, .write = null_write};

QOM_TYPE(chardev_null_type, .name = "chardev-null", .parent = TYPE_CHARDEV,
         .desc = "nothing: output vanishes", .ops = &null_ops);

/* --- file --- */

static bool file_open(Chardev *c, Opts *o, Error **errp)
{
    const char *path = opts_take(o, "path");
    const char *input = opts_take(o, "input-path");
    bool append = false;
    int in = -1, out;

    if (!opts_take_bool(o, "append", &append, errp)) {
        return false;
    }
    if (!path) {
        return error_fail(errp, "%s: file needs path=", opts_what(o));
    }
    out = file_open_fd(path, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), 0666);
    if (out < 0) {
        return error_fail_errno(errp, errno, "%s: cannot open '%s'", opts_what(o), path);
    }
    if (input) {
        in = file_open_fd(input, O_RDONLY, 0);
        if (in < 0) {
            close(out);
            return error_fail_errno(errp, errno, "%s: cannot open '%s'", opts_what(o), input);
        }
    }
    c->fd = char_fd_new(c, in, out);
    c->open = true;
    return true;
}

static void file_close(Chardev *c)
{
    g_clear_pointer(&c->fd, char_fd_free);
}

static const char *const file_opts[] = {"path", "append", "input-path", NULL};

static const CharOps file_ops = {
    .opts = file_opts,
    .open = file_open,
    .close = file_close,
    .write = char_fd_write,
    .accept_input = char_fd_accept_input,
};

QOM_TYPE(chardev_file_type, .name = "chardev-file", .parent = TYPE_CHARDEV,
         .desc = "output to a file", .ops = &file_ops);

/* --- pipe --- */

/* PATH.in and PATH.out when both are there, else PATH for both directions (opened read-write, so that
 * nobody has to be at the other end). */
static bool pipe_open(Chardev *c, Opts *o, Error **errp)
{
    const char *path = opts_take(o, "path");
    g_autofree char *path_in = NULL;
    g_autofree char *path_out = NULL;
    int in, out;

    if (!path) {
        return error_fail(errp, "%s: pipe needs path=", opts_what(o));
    }
    path_in = g_strconcat(path, ".in", NULL);
    path_out = g_strconcat(path, ".out", NULL);
    in = open(path_in, O_RDWR | O_CLOEXEC);
    out = open(path_out, O_RDWR | O_CLOEXEC);
    if (in < 0 || out < 0) {
        if (in >= 0) {
            close(in);
        }
        if (out >= 0) {
            close(out);
        }
        in = out = open(path, O_RDWR | O_CLOEXEC);
        if (in < 0) {
            return error_fail_errno(errp, errno, "%s: cannot open '%s.in' and '%s.out', nor '%s'",
                                    opts_what(o), path, path, path);
        }
    }
    c->fd = char_fd_new(c, in, out);
    c->open = true;
    return true;
}

static const char *const pipe_opts[] = {"path", NULL};

static const CharOps pipe_ops = {
    .opts = pipe_opts,
    .open = pipe_open,
    .close = file_close,
    .write = char_fd_write,
    .accept_input = char_fd_accept_input,
};

QOM_TYPE(chardev_pipe_type, .name = "chardev-pipe", .parent = TYPE_CHARDEV,
         .desc = "named pipe, or a pair PATH.in and PATH.out", .ops = &pipe_ops);
