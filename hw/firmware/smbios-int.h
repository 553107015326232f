/* SPDX-License-Identifier: MIT */
/* What smbios.c (the tables) may ask smbios-options.c (what the user wants in them). */
#ifndef HW_FIRMWARE_SMBIOS_INT_H
#define HW_FIRMWARE_SMBIOS_INT_H

#include "hw/firmware/smbios.h"

enum {
    SMBIOS_BIOS = 0,
    SMBIOS_SYSTEM = 1,
    SMBIOS_BASEBOARD = 2,
    SMBIOS_CHASSIS = 3,
    SMBIOS_PROCESSOR = 4,
    SMBIOS_OEM_STRINGS = 11,
    SMBIOS_MEMORY_ARRAY = 16,
    SMBIOS_MEMORY_DEVICE = 17,
    SMBIOS_MEMORY_RANGE = 19,
    SMBIOS_BOOT = 32,
    SMBIOS_END = 127,
    SMBIOS_HEADER_SIZE = 4
};

/* The user has given a field of structures of @type. */
bool smbios_has_type(const SmbiosOptions *o, uint8_t type);
/* The user has given whole structures of @type in a file: none is made. */
bool smbios_is_replaced(const SmbiosOptions *o, uint8_t type);
/* The last value of a field; @otherwise when it was not given. */
const char *smbios_text(const SmbiosOptions *o, uint8_t type, const char *key,
                        const char *otherwise);
uint64_t smbios_number(const SmbiosOptions *o, uint8_t type, const char *key, uint64_t otherwise);
/* False when it was not given. */
bool smbios_flag(const SmbiosOptions *o, uint8_t type, const char *key);
/* Every value of a field that may be repeated: *iter starts at 0; NULL at the end. */
const char *smbios_next_text(const SmbiosOptions *o, uint8_t type, const char *key, guint *iter);
/* The structures from files, one after the other. */
const GByteArray *smbios_file_structures(const SmbiosOptions *o);

/* The length of the structure at @p with its strings; 0: there is no whole one in @len bytes. */
size_t smbios_structure_size(const uint8_t *p, size_t len);

#endif
