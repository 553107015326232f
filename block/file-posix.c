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
#include "file.h"
#include "rhea/fdset.h"
#include "rhea/iov.h"

enum { LOCK_START = 100, LOCK_LEN = 200, ZERO_CHUNK = 1 << 20, RESERVE_MIN = 64 << 10 };

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
            iov_clear(v, (unsigned)niov, 0, iov_length(v, niov));
            return 0;
        }
        offset += done;
        iov_advance(&v, &niov, (size_t)done);
    }
    return 0;
}

/* n->opaque is the direct way, NULL: the page cache is used. */
static int file_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    if (n->opaque && file_direct_read(n->opaque, offset, iov, niov)) {
        return 0;
    }
    return transfer(n, offset, iov, niov, false);
}

/* The file has grown to @end, unless it was larger. */
static void note_size(BlockNode *n, uint64_t end)
{
    uint64_t size = block_size(n);

    while (end > size && !__atomic_compare_exchange_n(&n->size, &size, end, false, __ATOMIC_RELAXED,
                                                      __ATOMIC_RELAXED)) {
    }
}

/*
 * Takes up the space of a large write beforehand: the kernel then does not reserve it page by page, which
 * costs more than copying the data (measured on ext4).  Where that fails the write itself will tell.
 */
static void file_reserve(BlockNode *n, uint64_t offset, uint64_t len)
{
    if (len >= RESERVE_MIN && !n->no_reserve &&
        fallocate(n->fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len)) {
        n->no_reserve = true;
    }
}

static int write_cached(void *opaque, uint64_t offset, const struct iovec *iov, int niov)
{
    return transfer(opaque, offset, iov, niov, true);
}

static int file_write(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    return n->opaque ? file_direct_write(n->opaque, offset, iov, niov, write_cached, n)
                     : write_cached(n, offset, iov, niov);
}

static int file_pwritev(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    uint64_t len = iov_length(iov, niov);
    int ret;

    if (offset >= block_size(n)) {
        file_reserve(n, offset, len);
    }
    ret = file_write(n, offset, iov, niov);
    if (!ret) {
        note_size(n, offset + len);
    }
    return ret;
}

static int file_flush(BlockNode *n)
{
    return !n->no_flush && fdatasync(n->fd) ? -errno : 0;
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
        int ret = file_write(n, offset, &iov, 1);

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
    uint64_t end = offset + len;
    int ret = -EOPNOTSUPP;

    if (end >
        block_size(n)) { /* its last byte makes the file longer, never shorter as ftruncate() may */
        uint8_t zero = 0;
        struct iovec iov = {&zero, 1};

        ret = file_pwritev(n, end - 1, &iov, 1);
        if (ret) {
            return ret;
        }
        ret = -EOPNOTSUPP;
    }
    if (may_unmap) {
        ret = file_fallocate(n, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len);
    }
    if (unsupported(ret)) {
        ret = file_fallocate(n, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset, len);
    }
    return unsupported(ret) ? write_zero_bytes(n, offset, len) : ret;
}

/* --- What is where --- */

static int file_status(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st)
{
    off_t data = lseek(n->fd, (off_t)offset, SEEK_DATA), hole;

    st->run = len;
    st->allocated = st->has_offset = true;
    st->offset = offset;
    if (data < 0 && errno == ENXIO) { /* a hole up to the end, or beyond it */
        st->zero = true;
        return 0;
    }
    st->data = data < 0 || (uint64_t)data == offset;
    st->zero = !st->data;
    hole = st->data ? lseek(n->fd, (off_t)offset, SEEK_HOLE) : data;
    if (data >= 0 && hole > (off_t)offset) {
        st->run = MIN(len, (uint64_t)hole - offset);
    }
    return 0;
}

/* --- Sizes --- */

static int file_fill(BlockNode *n, uint64_t from, uint64_t to, BlockPrealloc prealloc)
{
    switch (prealloc) {
    case BLOCK_PREALLOC_FALLOC: {
        int ret = posix_fallocate(n->fd, (off_t)from, (off_t)(to - from));

        return ret == EOPNOTSUPP || ret == EINVAL ? write_zero_bytes(n, from, to - from) : -ret;
    }
    case BLOCK_PREALLOC_FULL: return write_zero_bytes(n, from, to - from);
    default: return 0;
    }
}

static bool file_truncate(BlockNode *n, uint64_t size, BlockPrealloc prealloc, Error **errp)
{
    uint64_t old = block_size(n);
    struct stat st;
    int ret;

    if (fstat(n->fd, &st) || !S_ISREG(st.st_mode)) {
        return size <= old || error_fail(errp, "'%s': a device does not grow", n->filename);
    }
    if (prealloc == BLOCK_PREALLOC_METADATA) {
        return error_fail(errp,
                          "'%s': preallocation=metadata is not for files (accepted: off, "
                          "falloc, full)",
                          n->filename);
    }
    if (ftruncate(n->fd, (off_t)size)) {
        return error_fail_errno(errp, errno, "'%s': cannot change the size to %" PRIu64 " bytes",
                                n->filename, size);
    }
    ret = size > old ? file_fill(n, old, size, prealloc) : 0;
    if (ret) {
        (void)!ftruncate(n->fd, (off_t)old);
        return error_fail_errno(errp, -ret, "'%s': cannot take up its space", n->filename);
    }
    __atomic_store_n(&n->size, size, __ATOMIC_RELAXED);
    return true;
}

static void file_close(BlockNode *n)
{
    file_direct_close(n->opaque);
    close(n->fd); /* drops the lock */
}

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

static int file_open_mode(const char *filename, bool read_only)
{
    return file_open_fd(filename, (read_only ? O_RDONLY : O_RDWR) | O_NONBLOCK, 0);
}

static bool file_open_error(const char *what, const char *filename, bool read_only, Error **errp)
{
    return error_fail_errno(errp, errno, "%s: cannot open '%s'%s", what, filename,
                            errno == EACCES && !read_only ? " for writing (read-only=on may do)"
                                                          : "");
}

static bool file_open(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    /* Who does the work is not what the guest sees: the others are taken for the same. */
    static const char *const aio[] = {"threads", "native", "io_uring", NULL};
    static const char *const locking[] = {"auto", "on", "off", NULL};
    const char *what = opts_what(o), *filename = opts_take(o, "filename");
    int engine = 0, lock = 0;

    if (!filename) {
        return error_fail(errp, "%s: no file= is given", what);
    }
    if (!opts_take_enum(o, "aio", aio, &engine, errp) ||
        !opts_take_enum(o, "locking", locking, &lock, errp)) {
        return false;
    }
    n->fd = file_open_mode(filename, n->read_only);
    if (n->fd < 0) {
        return file_open_error(what, filename, n->read_only, errp);
    }
    n->filename = g_strdup(filename);
    if (!file_size(what, filename, n->fd, &n->size, errp) ||
        (lock != 2 && !(flags & BLOCK_SHARED) &&
         !file_lock(what, filename, n->fd, n->read_only, errp))) {
        close(n->fd);
        return false;
    }
    n->opaque = n->direct ? file_direct_open(n->fd) : NULL;
    return true;
}

static void file_unlock(int fd)
{
    struct flock lock = {
        .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = LOCK_START, .l_len = LOCK_LEN};

    (void)!fcntl(fd, F_OFD_SETLK, &lock);
}

/* cache.direct is what it is now, of the descriptor that there is now. */
static bool file_reopen(BlockNode *n, Opts *o, Error **errp)
{
    file_direct_close(n->opaque);
    n->opaque = n->direct ? file_direct_open(n->fd) : NULL;
    return true;
}

/* Another descriptor takes the place of the present one, whose lock would stand in its way. */
static bool file_set_read_only(BlockNode *n, bool read_only, Error **errp)
{
    int fd;

    if (n->temporary) { /* it has no name and no lock */
        return true;
    }
    fd = file_open_mode(n->filename, read_only);
    if (fd < 0) {
        return file_open_error("reopening", n->filename, read_only, errp);
    }
    file_unlock(n->fd);
    if (!file_lock("reopening", n->filename, fd, read_only, errp)) {
        (void)!file_lock("reopening", n->filename, n->fd, !read_only, NULL);
        close(fd);
        return false;
    }
    dup3(fd, n->fd, O_CLOEXEC);
    close(fd);
    return file_reopen(n, NULL, errp);
}

/* A lock belongs to the open file, which the other process would take along when it unlocks. */
static void file_after_fork(BlockNode *n)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", n->fd);
    int fd = n->read_only && !n->temporary ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;

    if (fd < 0) {
        return; /* nobody writes to it, locked or not */
    }
    if (file_lock("fork", n->filename, fd, true, NULL)) {
        dup3(fd, n->fd, O_CLOEXEC);
    }
    close(fd);
    (void)!file_reopen(n, NULL, NULL);
}

static const char *const file_options[] = {"filename", "aio", "locking", NULL};

static const char *const file_prefixes[] = {"file:", NULL};
static const char *const device_prefixes[] = {"host_device:", NULL};

#define FILE_DRIVER(driver_name, driver_prefixes)                                                  \
    {                                                                                              \
        .name = driver_name, .prefixes = driver_prefixes, .protocol = true,                        \
        .options = file_options, .open = file_open, .close = file_close, .preadv = file_preadv,    \
        .pwritev = file_pwritev, .flush = file_flush, .discard = file_discard,                     \
        .write_zeroes = file_write_zeroes, .status = file_status, .truncate = file_truncate,       \
        .set_read_only = file_set_read_only, .reopen = file_reopen, .reserve = file_reserve,       \
        .after_fork = file_after_fork,                                                             \
    }

const BlockDriver file_driver = FILE_DRIVER("file", file_prefixes);
const BlockDriver host_device_driver = FILE_DRIVER("host_device", device_prefixes);

/* --- Making files --- */

BlockNode *file_open_temporary(const char *what, uint64_t size, Error **errp)
{
    const char *dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/var/tmp";
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    BlockNode *n;

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
    n = block_node_new(&file_driver, dir);
    n->fd = fd;
    n->temporary = true;
    n->size = size;
    return n;
}

/* Cuts a file to nothing only when its lock shows that nobody else uses it. */
bool block_create_file(const char *what, const char *filename, uint64_t size,
                       BlockPrealloc prealloc, Error **errp)
{
    const BlockDriver *drv = block_driver_protocol(&filename);
    BlockNode n = {.drv = &file_driver, .filename = (char *)filename};
    bool ok;

    if (!drv->truncate) {
        return error_fail(errp,
                          drv->pwritev
                              ? "%s: '%s': %s makes no images, but writes to one that is there (-n)"
                              : "%s: '%s': %s images can only be read",
                          what, filename, drv->name);
    }
    n.fd = file_open_fd(filename, O_RDWR | O_CREAT | O_NONBLOCK, 0644);
    if (n.fd < 0) {
        return error_fail_errno(errp, errno, "%s: cannot make '%s'", what, filename);
    }
    ok = file_lock(what, filename, n.fd, false, errp) &&
         file_size(what, filename, n.fd, &n.size, errp);
    if (ok) {
        ok = file_truncate(&n, 0, BLOCK_PREALLOC_OFF, errp) &&
             file_truncate(&n, size, prealloc, errp);
        if (!ok) {
            error_prepend(errp, "%s: ", what);
        }
    }
    close(n.fd);
    return ok;
}
