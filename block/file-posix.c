/* SPDX-License-Identifier: MIT */
/*
 * Host files and block devices as image data.  Blocking calls on worker threads.
 *
 * Locking: open file description locks on bytes 100..299, exclusive for writers, shared for readers: the
 * range in which QEMU's tools keep theirs, so that neither opens what the other writes.
 */
#include "rhea/osdep.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "block-int.h"
#include "rhea/fdset.h"

enum { LOCK_START = 100, LOCK_LEN = 200, ZERO_CHUNK = 1 << 20 };

/* --- Transfers --- */

/* One whole transfer with preadv/pwritev: short ones go on, EINTR is retried. */
static int transfer(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov, bool write)
{
    g_autofree struct iovec *left = g_memdup2(iov, niov * sizeof(*iov));
    struct iovec *v = left;

    while (niov) {
        int batch = MIN(niov, IOV_MAX);
        ssize_t done = write ? pwritev(n->fd, v, batch, offset) : preadv(n->fd, v, batch, offset);

        if (done < 0) {
            if (errno == EINTR) {
                continue;
            }
            return -errno;
        }
        if (done == 0 && write) {
            return -ENOSPC;
        }
        if (done == 0) { /* beyond the end of a file that is not a multiple of a sector: zeroes */
            for (; niov; niov--, v++) {
                memset(v->iov_base, 0, v->iov_len);
            }
            return 0;
        }
        offset += done;
        while (niov && (size_t)done >= v->iov_len) {
            done -= v->iov_len;
            v++;
            niov--;
        }
        if (niov) {
            v->iov_base = (uint8_t *)v->iov_base + done;
            v->iov_len -= done;
        }
    }
    return 0;
}

static int file_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    return transfer(n, offset, iov, niov, false);
}

static int file_pwritev(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    return transfer(n, offset, iov, niov, true);
}

static int file_flush(BlockNode *n)
{
    return fdatasync(n->fd) ? -errno : 0;
}

static bool unsupported(int ret)
{
    return ret == -EOPNOTSUPP || ret == -ENOSYS || ret == -ENOTTY || ret == -EINVAL;
}

static int file_fallocate(BlockNode *n, int mode, uint64_t offset, uint64_t len)
{
    return fallocate(n->fd, mode, offset, len) ? -errno : 0;
}

static int file_discard(BlockNode *n, uint64_t offset, uint64_t len)
{
    int ret = file_fallocate(n, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len);

    return unsupported(ret) ? 0 : ret; /* a discard is a hint */
}

static int write_zero_bytes(BlockNode *n, uint64_t offset, uint64_t len)
{
    g_autofree uint8_t *zeroes = g_malloc0(MIN(len, ZERO_CHUNK));

    while (len) {
        struct iovec iov = {zeroes, MIN(len, ZERO_CHUNK)};
        int ret = transfer(n, offset, &iov, 1, true);

        if (ret) {
            return ret;
        }
        offset += iov.iov_len;
        len -= iov.iov_len;
    }
    return 0;
}

static int file_write_zeroes(BlockNode *n, uint64_t offset, uint64_t len, bool may_unmap)
{
    int ret = -EOPNOTSUPP;

    if (may_unmap) {
        ret = file_fallocate(n, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len);
    }
    if (unsupported(ret)) {
        ret = file_fallocate(n, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset, len);
    }
    return unsupported(ret) ? write_zero_bytes(n, offset, len) : ret;
}

static void file_close(BlockNode *n)
{
    close(n->fd); /* drops the lock */
}

static const BlockDriver file_driver = {
    .name = "file",
    .preadv = file_preadv,
    .pwritev = file_pwritev,
    .flush = file_flush,
    .discard = file_discard,
    .write_zeroes = file_write_zeroes,
    .close = file_close,
};

/* --- Opening --- */

/* True when process @pid has the file open. */
static bool process_has_file(const char *pid, const struct stat *st)
{
    g_autofree char *dir_name = g_strdup_printf("/proc/%s/fd", pid);
    DIR *dir = opendir(dir_name);
    struct dirent *entry;
    bool found = false;

    while (dir && !found && (entry = readdir(dir))) {
        g_autofree char *path = g_build_filename(dir_name, entry->d_name, NULL);
        struct stat other;

        found = !stat(path, &other) && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
    }
    if (dir) {
        closedir(dir);
    }
    return found;
}

/* "process 123 (name)" of whoever else has the file open; g_malloc'd. */
static char *file_owner(int fd)
{
    g_autofree char *self = g_strdup_printf("%d", getpid());
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    char *owner = NULL;
    struct stat st;

    while (proc && !fstat(fd, &st) && !owner && (entry = readdir(proc))) {
        if (g_ascii_isdigit(entry->d_name[0]) && strcmp(entry->d_name, self) &&
            process_has_file(entry->d_name, &st)) {
            g_autofree char *comm_path = g_strdup_printf("/proc/%s/comm", entry->d_name);
            g_autofree char *comm = NULL;

            g_file_get_contents(comm_path, &comm, NULL, NULL);
            owner =
                g_strdup_printf("process %s (%s)", entry->d_name, comm ? g_strchomp(comm) : "?");
        }
    }
    if (proc) {
        closedir(proc);
    }
    return owner ? owner : g_strdup("another user of it, perhaps this process");
}

static bool file_lock(const char *what, const char *filename, int fd, bool read_only, Error **errp)
{
    struct flock lock = {
        .l_type = read_only ? F_RDLCK : F_WRLCK,
        .l_whence = SEEK_SET,
        .l_start = LOCK_START,
        .l_len = LOCK_LEN,
    };

    if (!fcntl(fd, F_OFD_SETLK, &lock)) {
        return true;
    }
    if (errno == EAGAIN || errno == EACCES) {
        g_autofree char *owner = file_owner(fd);

        return error_fail(errp, "%s: image '%s' is locked by %s", what, filename, owner);
    }
    return errno == EINVAL || errno == ENOLCK || errno == EOPNOTSUPP
               ? true /* a file system without locks */
               : error_fail_errno(errp, errno, "%s: cannot lock '%s'", what, filename);
}

static bool file_size(const char *what, const char *filename, int fd, uint64_t *size, Error **errp)
{
    struct stat st;

    if (fstat(fd, &st)) {
        return error_fail_errno(errp, errno, "%s: '%s'", what, filename);
    }
    if (S_ISBLK(st.st_mode)) {
        return ioctl(fd, BLKGETSIZE64, size)
                   ? error_fail_errno(errp, errno, "%s: size of '%s'", what, filename)
                   : true;
    }
    if (!S_ISREG(st.st_mode)) {
        return error_fail(errp, "%s: '%s' is neither a file nor a block device", what, filename);
    }
    *size = st.st_size;
    return true;
}

static BlockNode *file_node_new(int fd, const char *filename, uint64_t size, bool read_only)
{
    BlockNode *n = g_new0(BlockNode, 1);

    n->drv = &file_driver;
    n->filename = g_strdup(filename);
    n->size = size;
    n->read_only = read_only;
    n->fd = fd;
    n->refs = 1;
    return n;
}

BlockNode *file_open_temporary(const char *what, uint64_t size, Error **errp)
{
    const char *dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/var/tmp";
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) { /* not every file system has files without names */
        g_autofree char *name = g_build_filename(dir, "rhea-XXXXXX", NULL);

        fd = g_mkstemp_full(name, O_RDWR | O_CLOEXEC, 0600);
        if (fd >= 0) {
            unlink(name);
        }
    }
    if (fd < 0 || ftruncate(fd, (off_t)size)) {
        error_fail_errno(errp, errno, "%s: cannot make a temporary file in '%s'", what, dir);
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    return file_node_new(fd, dir, size, false);
}

BlockNode *file_open(const char *what, const char *filename, bool read_only, Error **errp)
{
    int fd = file_open_fd(filename, (read_only ? O_RDONLY : O_RDWR) | O_NONBLOCK, 0);
    uint64_t size;

    if (fd < 0) {
        error_fail_errno(errp, errno, "%s: cannot open '%s'%s", what, filename,
                         errno == EACCES && !read_only ? " for writing (read-only=on may do)" : "");
        return NULL;
    }
    if (!file_size(what, filename, fd, &size, errp) ||
        !file_lock(what, filename, fd, read_only, errp)) {
        close(fd);
        return NULL;
    }
    return file_node_new(fd, filename, size, read_only);
}
