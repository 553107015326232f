/* SPDX-License-Identifier: MIT */
/* Arithmetic on scatter-gather lists; see rhea/iov.h. */
#include "rhea/osdep.h"

#include "rhea/iov.h"

uint64_t iov_length(const struct iovec *iov, int n)
{
    uint64_t len = 0;

    for (int i = 0; i < n; i++) {
        len += iov[i].iov_len;
    }
    return len;
}

struct iovec *iov_slice(const struct iovec *iov, int n, uint64_t offset, uint64_t len, int *out_n)
{
    struct iovec *out = g_new(struct iovec, MAX(n, 1));

    *out_n = 0;
    for (int i = 0; i < n && len; i++) {
        size_t part;

        if (offset >= iov[i].iov_len) {
            offset -= iov[i].iov_len;
            continue;
        }
        part = MIN(iov[i].iov_len - offset, len);
        out[(*out_n)++] = (struct iovec){(uint8_t *)iov[i].iov_base + offset, part};
        len -= part;
        offset = 0;
    }
    return out;
}

/* --- Contents --- */

typedef enum IovCopy { IOV_TO_BUF, IOV_FROM_BUF, IOV_CLEAR } IovCopy;

static size_t iov_copy(const struct iovec *iov, unsigned n, size_t offset, uint8_t *buf, size_t len,
                       IovCopy how)
{
    size_t done = 0;

    for (unsigned i = 0; i < n && done < len; i++) {
        uint8_t *at = (uint8_t *)iov[i].iov_base + offset;
        size_t part;

        if (offset >= iov[i].iov_len) {
            offset -= iov[i].iov_len;
            continue;
        }
        part = MIN(iov[i].iov_len - offset, len - done);
        switch (how) {
        case IOV_TO_BUF: memcpy(buf + done, at, part); break;
        case IOV_FROM_BUF: memcpy(at, buf + done, part); break;
        case IOV_CLEAR: memset(at, 0, part); break;
        }
        done += part;
        offset = 0;
    }
    return done;
}

void iov_advance(struct iovec **iov, int *n, size_t len)
{
    while (*n && len >= (*iov)->iov_len) {
        len -= (*iov)->iov_len;
        (*iov)++;
        (*n)--;
    }
    if (*n) {
        (*iov)->iov_base = (uint8_t *)(*iov)->iov_base + len;
        (*iov)->iov_len -= len;
    }
}

size_t iov_to_buf(const struct iovec *iov, unsigned n, size_t offset, void *buf, size_t len)
{
    return iov_copy(iov, n, offset, buf, len, IOV_TO_BUF);
}

size_t iov_from_buf(const struct iovec *iov, unsigned n, size_t offset, const void *buf, size_t len)
{
    return iov_copy(iov, n, offset, (uint8_t *)buf, len, IOV_FROM_BUF);
}

size_t iov_clear(const struct iovec *iov, unsigned n, size_t offset, size_t len)
{
    return iov_copy(iov, n, offset, NULL, len, IOV_CLEAR);
}

/* Compares the buffer with itself, shifted: memcmp() is the fastest loop that libc has. */
bool buf_is_zero(const void *buf, size_t len)
{
    const uint8_t *p = buf;
    size_t head = MIN(len, 16);

    for (size_t i = 0; i < head; i++) {
        if (p[i]) {
            return false;
        }
    }
    return len <= 16 || !memcmp(p, p + 16, len - 16);
}

bool iov_is_zero(const struct iovec *iov, int n)
{
    for (int i = 0; i < n; i++) {
        if (!buf_is_zero(iov[i].iov_base, iov[i].iov_len)) {
            return false;
        }
    }
    return true;
}
