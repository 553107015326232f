/* SPDX-License-Identifier: MIT */
/* Inside the file driver: transfers that leave the host's page cache alone. */
#ifndef BLOCK_FILE_H
#define BLOCK_FILE_H

#include <sys/uio.h>

#include "rhea/base.h"

enum { FILE_BLOCK_MAX = 4096 };

typedef struct FileDirect FileDirect;

/* A second way to the file that @fd has open; NULL: its file system has none. */
FileDirect *file_direct_open(int fd);
void file_direct_close(FileDirect *d); /* NULL is allowed */

/* False: nothing certain is in the buffers, the caller reads in the usual way. */
bool file_direct_read(FileDirect *d, uint64_t offset, const struct iovec *iov, int niov);
/* What cannot go directly @write does, alone. 0 or a negative errno. */
typedef int (*FileWrite)(void *opaque, uint64_t offset, const struct iovec *iov, int niov);
int file_direct_write(FileDirect *d, uint64_t offset, const struct iovec *iov, int niov,
                      FileWrite write, void *opaque);

#endif
