/* SPDX-License-Identifier: MIT */
/*
 * Guest memory in a file, each block as it is, at offsets that can be mapped: what a machine in the file is
 * restored from without being read.  VM stopped, machine lock held; @path is for messages.
 */
#ifndef SNAPSHOT_IMAGES_H
#define SNAPSHOT_IMAGES_H

#include "snapshot/snapshot.h"

/* The first place at or behind @offset where images may begin. */
uint64_t ram_images_start(uint64_t offset);
/* Writes the blocks (RamBlock *) one behind the other from @start on; zeroes become holes. */
bool ram_images_save(int fd, uint64_t start, GPtrArray *blocks, const char *path,
                     Error **errp) MUST_CHECK;
/*
 * Makes the blocks what the file has.  Private memory becomes a copy-on-write mapping of the file, which is
 * read as the guest touches it: the file must stay as it is (a new one under its name does no harm).
 */
bool ram_images_load(int fd, uint64_t start, GPtrArray *blocks, const char *path,
                     Error **errp) MUST_CHECK;

#endif
