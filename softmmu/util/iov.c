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
