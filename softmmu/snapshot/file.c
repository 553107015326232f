/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of the whole machine in a file.  A file is written beside its name, flushed and renamed, so that
 * the name always stands for a complete snapshot.
 */
#include "rhea/osdep.h"

#include "snapshot/snapshot.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "hw/machine.h"
#include "machine-stream.h"

/* The new name itself must reach the disk, too. */
static void sync_folder(const char *path)
{
    g_autofree char *dir = g_path_get_dirname(path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

bool snapshot_save_file(Machine *m, const char *path, Error **errp)
{
    g_autofree char *temporary = g_strdup_printf("%s.XXXXXX", path);
    FILE *f;
    int fd = g_mkstemp_full(temporary, O_RDWR | O_CLOEXEC, 0600);
    bool ok;

    if (fd < 0) {
        return error_fail_errno(errp, errno, "snapshot: cannot create '%s'", path);
    }
    f = fdopen(fd, "w");
    ok = machine_file_save(m, f, path, errp);
    if (ok && (fflush(f) || fsync(fd))) {
        ok = error_fail_errno(errp, errno, "snapshot: cannot write '%s'", path);
    }
    if (fclose(f) && ok) {
        ok = error_fail_errno(errp, errno, "snapshot: cannot write '%s'", path);
    }
    if (ok && rename(temporary, path)) {
        ok = error_fail_errno(errp, errno, "snapshot: cannot rename '%s' to '%s'", temporary, path);
    }
    if (!ok) {
        unlink(temporary);
        return false;
    }
    sync_folder(path);
    return true;
}

/* Nothing else is opened: a pipe without a writer would hold us up. */
static FILE *open_regular(const char *path, Error **errp)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st)) {
        error_fail_errno(errp, errno, "snapshot: cannot open '%s'", path);
    } else if (!S_ISREG(st.st_mode)) {
        error_fail(errp, "snapshot: '%s' is no regular file", path);
    } else {
        return fdopen(fd, "r");
    }
    if (fd >= 0) {
        close(fd);
    }
    return NULL;
}

bool snapshot_load_file(Machine *m, const char *path, Error **errp)
{
    FILE *f = open_regular(path, errp);
    bool ok;

    if (!f) {
        return false;
    }
    ok = machine_stream_load(m, f, path, errp);
    fclose(f);
    return ok;
}
