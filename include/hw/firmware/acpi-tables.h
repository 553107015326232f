/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables and the script by which firmware puts them into memory.  Firmware reads the files
 * etc/acpi/tables and etc/acpi/rsdp of fw_cfg and does what etc/table-loader says: allocates the files,
 * adds their addresses to pointers, sets checksums.  Spec: ACPI 6.5, 5.2; SeaBIOS, the text of
 * romfile_loader.
 */
#ifndef HW_FIRMWARE_ACPI_TABLES_H
#define HW_FIRMWARE_ACPI_TABLES_H

#include "qom/device.h"

enum { ACPI_MAX_TABLES = 16, ACPI_HEADER_SIZE = 36 };

typedef struct AcpiTables {
    GByteArray *tables, *rsdp, *loader;
    uint32_t listed[ACPI_MAX_TABLES]; /* offsets of those that the root table names */
    unsigned nlisted;
} AcpiTables;

AcpiTables *acpi_tables_new(void);
void acpi_tables_free(AcpiTables *t);

/* Begins a table with its header; where it begins.  What follows is appended to t->tables. */
uint32_t acpi_table_begin(AcpiTables *t, const char *signature, uint8_t revision);
/* Its length and checksum; @listed: the root table names it. */
void acpi_table_end(AcpiTables *t, uint32_t start, bool listed);
/* A little-endian number of @bytes at the end of the table. */
void acpi_add(AcpiTables *t, uint64_t value, unsigned bytes);
/* A pointer of @bytes to the place @target among the tables. */
void acpi_add_pointer(AcpiTables *t, uint32_t target, unsigned bytes);
/*
 * Files beside the tables: firmware finds room for one, in the tables here a pointer of @bytes to it, and another
 * file (which the guest may write) gets the address of @offset in it.
 */
void acpi_allocate_file(AcpiTables *t, const char *file, uint32_t align);
void acpi_add_file_pointer(AcpiTables *t, const char *file, unsigned bytes);
void acpi_tell_pointer(AcpiTables *t, const char *told, const char *file, uint32_t offset,
                       uint8_t bytes);
/* Zeros up to a multiple of @align. */
void acpi_align(AcpiTables *t, unsigned align);
/* A generic address structure (5.2.3.2): @bits of register, at a port or in memory. */
enum { ACPI_SPACE_MEMORY = 0, ACPI_SPACE_IO = 1 };
void acpi_add_address(AcpiTables *t, uint8_t space, uint8_t bits, uint64_t addr);

/* The root tables and the pointer to them: after all others. */
void acpi_tables_finish(AcpiTables *t);

#define ACPI_FILE_TABLES "etc/acpi/tables"
#define ACPI_FILE_RSDP   "etc/acpi/rsdp"
#define ACPI_FILE_LOADER "etc/table-loader"

#endif
