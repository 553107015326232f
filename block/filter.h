/* SPDX-License-Identifier: MIT */
/*
 * Inside block/: nodes that hand requests on to their file.  A driver takes these functions where it does
 * nothing of its own; before() is called by them.
 */
#ifndef BLOCK_FILTER_H
#define BLOCK_FILTER_H

#include "block-int.h"

int filter_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov);
int filter_pwritev(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov);
int filter_flush(BlockNode *n);
int filter_discard(BlockNode *n, uint64_t offset, uint64_t len);
int filter_write_zeroes(BlockNode *n, uint64_t offset, uint64_t len, bool may_unmap);
int filter_status(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st);
bool filter_truncate(BlockNode *n, uint64_t size, BlockPrealloc prealloc, Error **errp);
bool filter_set_read_only(BlockNode *n, bool read_only, Error **errp);
bool filter_reopen(BlockNode *n, Opts *o, Error **errp);
/* What the file's size is now, is the filter's. */
void filter_follow_size(BlockNode *n);

#endif
