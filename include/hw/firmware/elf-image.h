/* SPDX-License-Identifier: MIT */
/*
 * Little-endian ELF programs of both classes: what is to be loaded where, and notes.  The file is hostile:
 * what is handed out lies inside it.  Spec: System V gABI, chapters 4 and 5.
 */
#ifndef HW_FIRMWARE_ELF_IMAGE_H
#define HW_FIRMWARE_ELF_IMAGE_H

#include "rhea/error.h"

typedef struct ElfSegment {
    uint64_t offset, filesz; /* in the file */
    uint64_t vaddr, paddr, memsz;
} ElfSegment;

typedef struct ElfImage {
    GBytes *file;
    bool is_64;
    uint16_t machine;      /* EM_* */
    uint64_t entry;        /* physical, where a segment has it; as in the header otherwise */
    uint64_t low, high;    /* what the segments span, physical; high is exclusive */
    GArray *loads, *notes; /* ElfSegment */
} ElfImage;

bool elf_is(GBytes *file);
/* @what names the file in errors.  At least one segment is to be loaded.  Free with elf_fini(). */
bool elf_init(ElfImage *e, const char *what, GBytes *file, Error **errp) MUST_CHECK;
void elf_fini(ElfImage *e);
/* The number (32 or 64 bits) in the note @name of type @type; false when there is none. */
bool elf_find_note(const ElfImage *e, const char *name, uint32_t type, uint64_t *value);

#endif
