/* SPDX-License-Identifier: MIT */
/*
 * Host files without the host's page cache (cache.direct=on): a second descriptor with O_DIRECT beside the
 * usual one.  What O_DIRECT does not take (parts of a block, memory at odd places, the end of a file) goes
 * through the usual one; Linux keeps the two coherent, but not writes to different parts of one page, so
 * that such writes are alone.  Any thread.
 */
#include "rhea/osdep.h"

#include <fcntl.h>

#include "file.h"
#include "rhea/iov.h"

struct FileDirect {
    int fd;
    uint32_t align; /* of offsets, lengths and memory, bytes */
    GRWLock lock;   /* held for writing by writes of parts of a block */
};

/* The unit in which the descriptor transfers, 0: it does not. */
static uint32_t find_alignment(int fd)
{
    void *buf;
    uint32_t found = 0;

    if (posix_memalign(&buf, FILE_BLOCK_MAX, FILE_BLOCK_MAX)) {
        return 0;
    }
    for (uint32_t align = 512; align <= FILE_BLOCK_MAX && !found; align *= 2) {
        /* At an odd multiple of the unit, so that a larger one is not taken for it. */
        if (pread(fd, (uint8_t *)buf + (align % FILE_BLOCK_MAX), align, align) >= 0) {
            found = align;
        }
    }
    free(buf);
    return found;
}

FileDirect *file_direct_open(int fd)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    int mode = fcntl(fd, F_GETFL) & O_ACCMODE;
    int direct = open(path, mode | O_DIRECT | O_CLOEXEC | O_NONBLOCK);
    uint32_t align = direct < 0 ? 0 : find_alignment(direct);
    FileDirect *d;

    if (!align) {
        if (direct >= 0) {
            close(direct);
        }
        return NULL;
    }
    d = g_new0(FileDirect, 1);
    d->fd = direct;
    d->align = align;
    g_rw_lock_init(&d->lock);
    return d;
}

void file_direct_close(FileDirect *d)
{
    if (d) {
        close(d->fd);
        g_rw_lock_clear(&d->lock);
        g_free(d);
    }
}

static bool aligned(const FileDirect *d, uint64_t offset, const struct iovec *iov, int niov)
{
    uintptr_t bits = offset;

    for (int i = 0; i < niov; i++) {
        bits |= (uintptr_t)iov[i].iov_base | iov[i].iov_len;
    }
    return niov <= IOV_MAX && !(bits % d->align);
}

bool file_direct_read(FileDirect *d, uint64_t offset, const struct iovec *iov, int niov)
{
    return aligned(d, offset, iov, niov) &&
           preadv(d->fd, iov, niov, (off_t)offset) == (ssize_t)iov_length(iov, niov);
}

static bool write_blocks(FileDirect *d, uint64_t offset, const struct iovec *iov, int niov)
{
    bool done;

    if (!aligned(d, offset, iov, niov)) {
        return false;
    }
    g_rw_lock_reader_lock(&d->lock);
    done = pwritev(d->fd, iov, niov, (off_t)offset) == (ssize_t)iov_length(iov, niov);
    g_rw_lock_reader_unlock(&d->lock);
    return done;
}

int file_direct_write(FileDirect *d, uint64_t offset, const struct iovec *iov, int niov,
                      FileWrite write, void *opaque)
{
    int ret;

    if (write_blocks(d, offset, iov, niov)) {
        return 0;
    }
    g_rw_lock_writer_lock(&d->lock);
    ret = write(opaque, offset, iov, niov);
    g_rw_lock_writer_unlock(&d->lock);
    return ret;
}
