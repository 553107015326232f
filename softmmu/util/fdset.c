/* SPDX-License-Identifier: MIT */
/* Descriptors handed over by the user; see rhea/fdset.h. */
#include "rhea/osdep.h"

#include <fcntl.h>

#include "rhea/fdset.h"

#define FDSET_PREFIX "/dev/fdset/"

typedef struct FdEntry {
    int64_t set; /* -1: named */
    int fd;
    char *text; /* opaque text, or the name */
} FdEntry;

static GArray *entries; /* FdEntry; descriptors belong to the process, as machines do not */

static void entry_clear(gpointer p)
{
    FdEntry *e = p;

    if (e->fd >= 0) {
        close(e->fd);
    }
    g_free(e->text);
}

static void entry_add(int64_t set, int fd, const char *text)
{
    FdEntry e = {set, fd, g_strdup(text)};

    if (!entries) {
        entries = g_array_new(FALSE, FALSE, sizeof(FdEntry));
        g_array_set_clear_func(entries, entry_clear);
    }
    g_array_append_val(entries, e);
}

static FdEntry *entry_at(guint i)
{
    return entries && i < entries->len ? &g_array_index(entries, FdEntry, i) : NULL;
}

/* --- Sets --- */

int64_t fdset_add(int64_t id, int fd, const char *opaque)
{
    FdEntry *e;

    if (id < 0) {
        id = 0;
        for (guint i = 0; (e = entry_at(i)); i++) {
            id = MAX(id, e->set + 1);
        }
    }
    entry_add(id, fd, opaque);
    return id;
}

bool fdset_remove(int64_t id, int64_t fd, Error **errp)
{
    bool found = false;
    FdEntry *e;

    for (guint i = 0; (e = entry_at(i));) {
        if (id >= 0 && e->set == id && (fd < 0 || e->fd == fd)) {
            g_array_remove_index(entries, i);
            found = true;
        } else {
            i++;
        }
    }
    if (!found && fd >= 0) {
        return error_fail(
            errp, "File descriptor named 'fdset-id:%" PRId64 ", fd:%" PRId64 "' not found", id, fd);
    }
    return found || error_fail(errp, "File descriptor named 'fdset-id:%" PRId64 "' not found", id);
}

void fdset_foreach(void (*fn)(void *arg, int64_t id, int fd, const char *opaque), void *arg)
{
    FdEntry *e;

    for (guint i = 0; (e = entry_at(i)); i++) {
        if (e->set >= 0) {
            fn(arg, e->set, e->fd, e->text);
        }
    }
}

/* Reading and writing serves who wants only one of them. */
static bool mode_fits(int have, int want)
{
    have &= O_ACCMODE;
    want &= O_ACCMODE;
    return have == want || have == O_RDWR;
}

static int fdset_dup(const char *number, int flags)
{
    char *end;
    int64_t id = g_ascii_strtoll(number, &end, 10);
    bool exists = false;
    FdEntry *best = NULL, *e;

    for (guint i = 0; g_ascii_isdigit(*number) && !*end && (e = entry_at(i)); i++) {
        int have = fcntl(e->fd, F_GETFL);

        if (e->set != id) {
            continue;
        }
        exists = true;
        if (have >= 0 && mode_fits(have, flags) && (!best || (have & O_ACCMODE) != O_RDWR)) {
            best = e;
        }
    }
    if (!best) {
        errno = exists ? EACCES : ENOENT;
        return -1;
    }
    return fcntl(best->fd, F_DUPFD_CLOEXEC, 0);
}

int file_open_fd(const char *path, int flags, int mode)
{
    if (g_str_has_prefix(path, FDSET_PREFIX)) {
        return fdset_dup(path + strlen(FDSET_PREFIX), flags);
    }
    return open(path, flags | O_CLOEXEC, mode);
}

/* --- Names --- */

int fd_named_take(const char *name)
{
    FdEntry *e;

    for (guint i = 0; (e = entry_at(i)); i++) {
        if (e->set < 0 && !strcmp(e->text, name)) {
            int fd = e->fd;

            e->fd = -1;
            g_array_remove_index(entries, i);
            return fd;
        }
    }
    return -1;
}

void fd_named_add(const char *name, int fd)
{
    int old = fd_named_take(name);

    if (old >= 0) {
        close(old);
    }
    entry_add(-1, fd, name);
}
