/* SPDX-License-Identifier: MIT */
/*
 * The stream behind snap_*(): a byte array that grows, or bounded bytes that are read back.
 *
 * Each field is a tag byte and its value, little-endian; each object is its path, its length and its
 * fields.  So a load that expects something else than was saved stops at the first difference.
 */
#ifndef SNAPSHOT_STREAM_H
#define SNAPSHOT_STREAM_H

#include "snapshot/snapshot.h"

Snapshot *snap_writer_new(void);
/* @data stays the caller's and must outlive the snapshot. */
Snapshot *snap_reader_new(const uint8_t *data, size_t len);
void snap_free(Snapshot *sn);
/* The writer's bytes; ends the writer. */
GByteArray *snap_writer_finish(Snapshot *sn);

/* Fields of one object are between these two; a load checks the path, and that nothing is left over. */
void snap_object_begin(Snapshot *sn, const char *path);
void snap_object_end(Snapshot *sn);
/* A reader: nothing follows. */
bool snap_at_end(const Snapshot *sn);
/* False with the first failure, if there was one. */
bool snap_check(const Snapshot *sn, Error **errp) MUST_CHECK;

#endif
