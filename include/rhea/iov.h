/* SPDX-License-Identifier: MIT */
/* Arithmetic on scatter-gather lists. */
#ifndef RHEA_IOV_H
#define RHEA_IOV_H

#include <sys/uio.h>

#include "rhea/base.h"

uint64_t iov_length(const struct iovec *iov, int n);
/* The list of the @len bytes of @iov from byte @offset, g_malloc'd; its number of entries in *out_n. */
struct iovec *iov_slice(const struct iovec *iov, int n, uint64_t offset, uint64_t len, int *out_n);
/* The first @len bytes are done: *iov, whose entries change, and *n are what is left. */
void iov_advance(struct iovec **iov, int *n, size_t len);
/* Copies between a flat buffer and the list from byte @offset on; the bytes copied. */
size_t iov_to_buf(const struct iovec *iov, unsigned n, size_t offset, void *buf, size_t len);
size_t iov_from_buf(const struct iovec *iov, unsigned n, size_t offset, const void *buf,
                    size_t len);
size_t iov_clear(const struct iovec *iov, unsigned n, size_t offset, size_t len);
bool buf_is_zero(const void *buf, size_t len);
bool iov_is_zero(const struct iovec *iov, int n);

#endif
