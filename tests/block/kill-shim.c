/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a program that writes files: at the write, discard or flush number RHEA_KILL_AT it is gone.
 * Without RHEA_POWER_CUT, as if killed: half of a write has been done by then, in whole sectors.  With it (a seed),
 * as if the machine's power were cut: of all sectors that were written since the file's last flush, some have
 * reached the disk and some have not.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SECTOR = 512, KILLED = 99 };

/* What a range held before it was written. */
typedef struct Undo {
    struct Undo *before;
    int fd;
    off_t offset;
    size_t len;
    unsigned char old[];
} Undo;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* what follows */
static Undo *undo;
static int count;

static unsigned number_of(const char *name)
{
    const char *text = getenv(name);

    return text ? (unsigned)atoi(text) : 0;
}

static size_t length_of(const struct iovec *iov, int n)
{
    size_t len = 0;

    for (int i = 0; i < n; i++) {
        len += iov[i].iov_len;
    }
    return len;
}

/* --- Power cuts --- */

/* Whether the sector is lost: the same answer for each write to it. */
static int is_lost(int fd, off_t sector, unsigned seed)
{
    unsigned long h = ((unsigned long)sector * 31 + (unsigned)fd + seed) * 0x9e3779b97f4a7c15UL;

    return h >> 40 & 1;
}

static void cut_power(unsigned seed)
{
    for (Undo *u = undo; u; u = u->before) {
        for (size_t at = 0, n; at < u->len; at += n) {
            off_t offset = u->offset + (off_t)at;

            n = SECTOR - (size_t)offset % SECTOR;
            n = n < u->len - at ? n : u->len - at;
            if (is_lost(u->fd, offset / SECTOR, seed)) {
                (void)!pwrite(u->fd, u->old + at, n, offset);
            }
        }
    }
}

static void remember(int fd, off_t offset, size_t len)
{
    Undo *u = calloc(1, sizeof(*u) + len);

    u->before = undo;
    u->fd = fd;
    u->offset = offset;
    u->len = len;
    (void)!pread(fd, u->old, len, offset);
    undo = u;
}

static void forget(int fd)
{
    for (Undo **p = &undo; *p;) {
        Undo *u = *p;

        if (u->fd == fd) {
            *p = u->before;
            free(u);
        } else {
            p = &u->before;
        }
    }
}

/* --- The end --- */

/* As much of the first buffer as half of the whole. */
static void write_half(int fd, const struct iovec *iov, int n, off_t offset)
{
    size_t len = length_of(iov, n) / 2 / SECTOR * SECTOR;

    if (n && len) {
        (void)!pwrite(fd, iov->iov_base, len < iov->iov_len ? len : iov->iov_len, offset);
    }
}

/* Called before a change of @len bytes; @iov NULL: it is no write.  Nobody else changes anything meanwhile. */
static void before_change(int fd, const struct iovec *iov, int n, off_t offset, size_t len)
{
    unsigned power = number_of("RHEA_POWER_CUT");

    pthread_mutex_lock(&lock);
    if ((unsigned)++count == number_of("RHEA_KILL_AT")) {
        if (power) {
            cut_power(power);
        } else if (iov) {
            write_half(fd, iov, n, offset);
        }
        _exit(KILLED);
    }
    if (power && len) {
        remember(fd, offset, len);
    }
}

#define WRITE(name)                                                                                \
    ssize_t name(int fd, const struct iovec *iov, int n, off_t offset)                             \
    {                                                                                              \
        ssize_t (*next)(int, const struct iovec *, int, off_t) = dlsym(RTLD_NEXT, #name);          \
        ssize_t ret;                                                                               \
                                                                                                   \
        before_change(fd, iov, n, offset, length_of(iov, n));                                      \
        ret = next(fd, iov, n, offset);                                                            \
        pthread_mutex_unlock(&lock);                                                               \
        return ret;                                                                                \
    }

#define ALLOCATE(name)                                                                             \
    int name(int fd, int mode, off_t offset, off_t len)                                            \
    {                                                                                              \
        int (*next)(int, int, off_t, off_t) = dlsym(RTLD_NEXT, #name);                             \
        int ret;                                                                                   \
                                                                                                   \
        before_change(fd, NULL, 0, offset, (size_t)len);                                           \
        ret = next(fd, mode, offset, len);                                                         \
        pthread_mutex_unlock(&lock);                                                               \
        return ret;                                                                                \
    }

WRITE(pwritev)
WRITE(pwritev64)
ALLOCATE(fallocate)
ALLOCATE(fallocate64)

int fdatasync(int fd)
{
    int (*next)(int) = dlsym(RTLD_NEXT, "fdatasync");
    int ret;

    before_change(fd, NULL, 0, 0, 0);
    ret = next(fd);
    if (!ret) {
        forget(fd);
    }
    pthread_mutex_unlock(&lock);
    return ret;
}
