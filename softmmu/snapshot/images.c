/* SPDX-License-Identifier: MIT */
/* Guest memory in a file, to be mapped; see images.h. */
#include "rhea/osdep.h"

#include "images.h"

#include <sys/stat.h>

#include "memory/memory.h"
#include "pages.h"
#include "rhea/bits.h"

/*
 * Pieces of the file that hold data and have less than this between them are mapped as one: a mapping costs
 * more than a few pages of zeroes.  There are at most so many mappings of a block.
 */
enum { GAP = 2 << 20, PIECES_MAX = 1024 };

typedef struct Images {
    int fd;
    const char *path;
    Error **errp;
} Images;

uint64_t ram_images_start(uint64_t offset)
{
    return align_up(offset, RAM_PAGE_SIZE);
}

static uint64_t images_size(GPtrArray *blocks)
{
    uint64_t size = 0;

    for (unsigned i = 0; i < blocks->len; i++) {
        size += align_up(((RamBlock *)blocks->pdata[i])->size, RAM_PAGE_SIZE);
    }
    return size;
}

/* --- Writing --- */

static bool write_all(const Images *im, const uint8_t *data, uint64_t len, uint64_t offset)
{
    while (len) {
        ssize_t n = pwrite(im->fd, data, len, (off_t)offset);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return error_fail_errno(im->errp, n ? errno : ENOSPC, "snapshot: cannot write '%s'",
                                    im->path);
        }
        data += n;
        len -= (uint64_t)n;
        offset += (uint64_t)n;
    }
    return true;
}

static bool save_block(const Images *im, RamBlock *rb, uint64_t start)
{
    for (uint64_t at = 0, end; at < rb->size; at = end) {
        at = ram_next_data(rb, at, rb->size);
        end = ram_next_zero(rb, at, rb->size);
        if (end > at && !write_all(im, rb->host + at, end - at, start + at)) {
            return false;
        }
    }
    return true;
}

bool ram_images_save(int fd, uint64_t start, GPtrArray *blocks, const char *path, Error **errp)
{
    Images im = {fd, path, errp};

    if (ftruncate(fd, (off_t)(start + images_size(blocks)))) {
        return error_fail_errno(errp, errno, "snapshot: cannot write '%s'", path);
    }
    for (unsigned i = 0; i < blocks->len; i++) {
        RamBlock *rb = blocks->pdata[i];

        if (!save_block(&im, rb, start)) {
            return false;
        }
        start += align_up(rb->size, RAM_PAGE_SIZE);
    }
    return true;
}

/* --- Reading --- */

static bool read_all(const Images *im, uint8_t *data, uint64_t len, uint64_t offset)
{
    while (len) {
        ssize_t n = pread(im->fd, data, len, (off_t)offset);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n ? error_fail_errno(im->errp, errno, "snapshot: cannot read '%s'", im->path)
                     : error_fail(im->errp, "snapshot: '%s' ends too early", im->path);
        }
        data += n;
        len -= (uint64_t)n;
        offset += (uint64_t)n;
    }
    return true;
}

/* The next piece of the file in [*from, @end) that holds data; false: there is none. */
static bool next_piece(const Images *im, uint64_t *from, uint64_t *to, uint64_t end, uint64_t gap)
{
    off_t data = lseek(im->fd, (off_t)*from, SEEK_DATA), hole;

    if (data < 0) {
        *to = end;
        return errno != ENXIO; /* a file system that does not know: all of it */
    }
    if ((uint64_t)data >= end) {
        return false;
    }
    *from = (uint64_t)data & ~(RAM_PAGE_SIZE - 1);
    do {
        hole = lseek(im->fd, data, SEEK_HOLE);
        *to = hole < 0 ? end : MIN(align_up((uint64_t)hole, RAM_PAGE_SIZE), end);
        data = lseek(im->fd, (off_t)*to, SEEK_DATA);
    } while (*to < end && data > 0 && (uint64_t)data < end && (uint64_t)data - *to < gap);
    return true;
}

static bool take_piece(const Images *im, RamBlock *rb, uint64_t start, uint64_t at, uint64_t len)
{
    return rb->fd >= 0 ? read_all(im, rb->host + at, len, start + at)
                       : ram_block_map_file(rb, at, len, im->fd, start + at, im->errp);
}

static bool load_block(const Images *im, RamBlock *rb, uint64_t start)
{
    uint64_t gap = MAX(GAP, rb->size / PIECES_MAX), end = start + rb->size, from = start, to;

    if (rb->readonly) {
        return true;
    }
    if (rb->fd >= 0) {
        ram_clear(rb, 0, rb->size);
    } else if (!ram_block_empty(rb, im->errp)) {
        return false;
    }
    for (; from < end && next_piece(im, &from, &to, end, gap); from = to) {
        if (!take_piece(im, rb, start, from - start, to - from)) {
            return false;
        }
    }
    ram_set_dirty(rb, 0, rb->size);
    return true;
}

bool ram_images_load(int fd, uint64_t start, GPtrArray *blocks, const char *path, Error **errp)
{
    Images im = {fd, path, errp};
    struct stat st;

    if (fstat(fd, &st)) {
        return error_fail_errno(errp, errno, "snapshot: '%s'", path);
    }
    if ((uint64_t)st.st_size < start || (uint64_t)st.st_size - start < images_size(blocks)) {
        return error_fail(errp, "snapshot: '%s' ends too early", path);
    }
    for (unsigned i = 0; i < blocks->len; i++) {
        RamBlock *rb = blocks->pdata[i];

        if (!load_block(&im, rb, start)) {
            return false;
        }
        start += align_up(rb->size, RAM_PAGE_SIZE);
    }
    return true;
}
