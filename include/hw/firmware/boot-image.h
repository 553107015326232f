/* SPDX-License-Identifier: MIT */
/*
 * Firmware, kernels and initial RAM disks: found, read, recognised, and copied into guest memory at
 * every reset.  Images are hostile: every size and offset in them is checked.
 */
#ifndef HW_FIRMWARE_BOOT_IMAGE_H
#define HW_FIRMWARE_BOOT_IMAGE_H

#include <stdio.h>

#include "hw/machine.h"

/*
 * The path of firmware @name: as given when such a file exists, else in the -L directories and those
 * chosen at configure time.  NULL when it is nowhere.  g_malloc'd.
 */
char *boot_find_firmware(const char *name);
/* -L DIR: searched before the built-in directories, in the order given. */
void boot_add_firmware_dir(const char *dir);
void boot_print_firmware_dirs(FILE *out); /* -L help */

/* The file's bytes, unpacked when it is a gzip file (up to @max bytes). @option names it in errors. */
GBytes *boot_read(const char *option, const char *path, uint64_t max, Error **errp);
/* The same, never unpacked. */
GBytes *boot_read_raw(const char *option, const char *path, uint64_t max, Error **errp);

/*
 * Copies @data to @addr at every reset, zero-filled up to @size bytes (0: just the data).  Fails when it
 * leaves the machine's memory or overlaps an image added before; @what names it ("-kernel 'x'").
 */
bool boot_add_blob(Machine *m, const char *what, uint64_t addr, GBytes *data, uint64_t size,
                   Error **errp) MUST_CHECK;

typedef struct BootElf {
    uint64_t entry, low, high; /* physical addresses; high is exclusive */
} BootElf;

/*
 * False for a file that ends before its own headers say: flat Linux images are PE programs as well
 * (for UEFI), whose section table tells.  Other flat files have nothing to go by.
 */
bool boot_check_whole(const char *what, GBytes *data, Error **errp) MUST_CHECK;

/* Adds the loadable segments of a little-endian ELF64 file for @em_machine. */
bool boot_add_elf(Machine *m, const char *what, GBytes *data, uint16_t em_machine, BootElf *out,
                  Error **errp) MUST_CHECK;

#endif
