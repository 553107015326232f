/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a program that writes files: at the write, discard or flush number RHEA_KILL_AT it is gone, as if
 * killed; half of a write has been done by then, in whole sectors.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SECTOR = 512, KILLED = 99 };

static int due(void)
{
    static int count, at = -1;

    if (at < 0) {
        const char *text = getenv("RHEA_KILL_AT");

        at = text ? atoi(text) : 0;
    }
    return __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED) == at;
}

/* As much of the first buffer as half of the whole. */
static void write_half(int fd, const struct iovec *iov, int n, off_t offset)
{
    size_t len = 0;

    for (int i = 0; i < n; i++) {
        len += iov[i].iov_len;
    }
    len = len / 2 / SECTOR * SECTOR;
    if (n && len) {
        (void)!pwrite(fd, iov->iov_base, len < iov->iov_len ? len : iov->iov_len, offset);
    }
    _exit(KILLED);
}

#define WRITE(name)                                                                                \
    ssize_t name(int fd, const struct iovec *iov, int n, off_t offset)                             \
    {                                                                                              \
        static ssize_t (*next)(int, const struct iovec *, int, off_t);                             \
                                                                                                   \
        if (due()) {                                                                               \
            write_half(fd, iov, n, offset);                                                        \
        }                                                                                          \
        next = next ? next : dlsym(RTLD_NEXT, #name);                                              \
        return next(fd, iov, n, offset);                                                           \
    }

#define ALLOCATE(name)                                                                             \
    int name(int fd, int mode, off_t offset, off_t len)                                            \
    {                                                                                              \
        static int (*next)(int, int, off_t, off_t);                                                \
                                                                                                   \
        if (due()) {                                                                               \
            _exit(KILLED);                                                                         \
        }                                                                                          \
        next = next ? next : dlsym(RTLD_NEXT, #name);                                              \
        return next(fd, mode, offset, len);                                                        \
    }

WRITE(pwritev)
WRITE(pwritev64)
ALLOCATE(fallocate)
ALLOCATE(fallocate64)

int fdatasync(int fd)
{
    static int (*next)(int);

    if (due()) {
        _exit(KILLED);
    }
    next = next ? next : dlsym(RTLD_NEXT, "fdatasync");
    return next(fd);
}
