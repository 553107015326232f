/* SPDX-License-Identifier: MIT */
/*
 * Kernels that are entered in 32-bit flat protected mode with a pointer to what they are to know: PVH,
 * multiboot 1 and 2.  What is common is in pc-flat.c, a protocol's own in pc-pvh.c and pc-multiboot.c.
 *
 * The option ROM (pc-bios/flat-boot.S) asks firmware for the memory map and fetches kernel, modules and
 * last the information, which the host makes at that moment with the map in it.
 */
#ifndef HW_BOARDS_PC_FLAT_H
#define HW_BOARDS_PC_FLAT_H

#include "hw/firmware/elf-image.h"
#include "pc.h"

enum { FLAT_MAP_MAX = 128, FLAT_MAP_RAM = 1 };

/* What firmware says of memory, and where its ACPI tables begin (0: it has none). */
typedef struct FlatMap {
    unsigned n;
    struct {
        uint64_t addr, size;
        uint32_t type;
    } entry[FLAT_MAP_MAX];
    uint64_t rsdp;
    uint8_t rsdp_data[36];
} FlatMap;

typedef struct FlatModule {
    uint32_t start, size;
    char *text; /* path and arguments as in -initrd */
} FlatModule;

typedef struct FlatKernel FlatKernel;

typedef struct FlatProtocol {
    uint32_t eax;
    /* -initrd is a list of modules with arguments. */
    bool many_modules;
    /* Appends to @info; the address that goes into EBX. */
    uint32_t (*add_info)(const FlatKernel *k, const FlatMap *map, GByteArray *info);
} FlatProtocol;

struct FlatKernel {
    PcMachine *s;
    char *what; /* names it in errors */
    GBytes *file;
    const FlatProtocol *protocol;
    GByteArray *image; /* at @low */
    uint64_t low, high;
    uint32_t entry;
    bool relocatable;
    GByteArray *module_data;
    uint32_t module_addr;
    GArray *modules; /* FlatModule */
    size_t info_size;
};

/* --- For the protocols --- */

/* The address of the next byte of @info. */
uint32_t flat_here(const GByteArray *info);
void flat_add(GByteArray *info, uint64_t value, unsigned bytes);
void flat_align(GByteArray *info, unsigned align);
/* A text with its end; its address. */
uint32_t flat_add_text(GByteArray *info, const char *text);
/* KiB of memory from 0 and from 1 MiB up to the first gap. */
uint32_t flat_lower_kib(const FlatMap *map);
uint32_t flat_upper_kib(const FlatMap *map);
const char *flat_append(const FlatKernel *k);

/* What is to be in memory: a part of the file and zeros after it, or an ELF program. */
bool flat_load_part(FlatKernel *k, uint64_t offset, uint64_t len, uint64_t addr, uint64_t size,
                    Error **errp) MUST_CHECK;
bool flat_load_elf(FlatKernel *k, const ElfImage *e, Error **errp) MUST_CHECK;

/*
 * Recognise the file: false and no error when it is not of that kind; false and an error when it is and
 * cannot be started.  @e: NULL when the file is no ELF program.
 */
bool flat_try_multiboot1(FlatKernel *k, const ElfImage *e, Error **errp);
bool flat_try_multiboot2(FlatKernel *k, const ElfImage *e, Error **errp);
bool flat_try_pvh(FlatKernel *k, const ElfImage *e, Error **errp);
bool flat_try_plain(FlatKernel *k, const ElfImage *e, Error **errp);

#endif
