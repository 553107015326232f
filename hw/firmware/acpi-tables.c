/* SPDX-License-Identifier: MIT */
/* Tables and loader script; see hw/firmware/acpi-tables.h. */
#include "rhea/osdep.h"

#include "hw/firmware/acpi-tables.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

enum { T_LENGTH = 4, T_CHECKSUM = 9 };
enum { RSDP_CHECKSUM = 8, RSDP_RSDT = 16, RSDP_LENGTH = 20, RSDP_XSDT = 24, RSDP_EXTENDED = 32 };
enum { RSDP_SIZE = 36, RSDP_SIZE_V1 = 20 };
/* An entry of the script: command, then its operands. */
enum { LOADER_ENTRY = 128, LOADER_FILE = 56 };
enum {
    LOADER_ALLOCATE = 1,
    LOADER_ADD_POINTER = 2,
    LOADER_ADD_CHECKSUM = 3,
    LOADER_WRITE_POINTER = 4
};
enum { ZONE_HIGH = 1, ZONE_BELOW_1M = 2, TABLES_ALIGN = 64, RSDP_ALIGN = 16 };

/* --- The script --- */

/* A new entry; the place for its operands. */
static uint8_t *loader_entry(AcpiTables *t, uint32_t command)
{
    uint8_t *e;

    g_byte_array_set_size(t->loader, t->loader->len + LOADER_ENTRY);
    e = t->loader->data + t->loader->len - LOADER_ENTRY;
    memset(e, 0, LOADER_ENTRY);
    st32_le(e, command);
    return e + 4;
}

static void loader_allocate(AcpiTables *t, const char *file, uint32_t align, uint8_t zone)
{
    uint8_t *e = loader_entry(t, LOADER_ALLOCATE);

    memcpy(e, file, strlen(file));
    st32_le(e + LOADER_FILE, align);
    e[LOADER_FILE + 4] = zone;
}

/* The number at @offset of @file is one in the file @target; it becomes an address. */
static void loader_pointer(AcpiTables *t, const char *file, const char *target, uint32_t offset,
                           uint8_t bytes)
{
    uint8_t *e = loader_entry(t, LOADER_ADD_POINTER);

    memcpy(e, file, strlen(file));
    memcpy(e + LOADER_FILE, target, strlen(target));
    st32_le(e + 2 * LOADER_FILE, offset);
    e[2 * LOADER_FILE + 4] = bytes;
}

static void loader_checksum(AcpiTables *t, const char *file, uint32_t offset, uint32_t start,
                            uint32_t len)
{
    uint8_t *e = loader_entry(t, LOADER_ADD_CHECKSUM);

    memcpy(e, file, strlen(file));
    st32_le(e + LOADER_FILE, offset);
    st32_le(e + LOADER_FILE + 4, start);
    st32_le(e + LOADER_FILE + 8, len);
}

/* --- Tables --- */

AcpiTables *acpi_tables_new(void)
{
    AcpiTables *t = g_new0(AcpiTables, 1);

    t->tables = g_byte_array_new();
    t->rsdp = g_byte_array_new();
    t->loader = g_byte_array_new();
    loader_allocate(t, ACPI_FILE_RSDP, RSDP_ALIGN, ZONE_BELOW_1M);
    loader_allocate(t, ACPI_FILE_TABLES, TABLES_ALIGN, ZONE_HIGH);
    return t;
}

void acpi_tables_free(AcpiTables *t)
{
    g_byte_array_unref(t->tables);
    g_byte_array_unref(t->rsdp);
    g_byte_array_unref(t->loader);
    g_free(t);
}

static void add_bytes(AcpiTables *t, const void *data, size_t len)
{
    g_byte_array_append(t->tables, data, len);
}

void acpi_add(AcpiTables *t, uint64_t value, unsigned bytes)
{
    uint8_t raw[8];

    st64_le(raw, value);
    add_bytes(t, raw, bytes);
}

void acpi_add_pointer(AcpiTables *t, uint32_t target, unsigned bytes)
{
    loader_pointer(t, ACPI_FILE_TABLES, ACPI_FILE_TABLES, t->tables->len, bytes);
    acpi_add(t, target, bytes);
}

void acpi_allocate_file(AcpiTables *t, const char *file, uint32_t align)
{
    loader_allocate(t, file, align, ZONE_HIGH);
}

void acpi_add_file_pointer(AcpiTables *t, const char *file, unsigned bytes)
{
    loader_pointer(t, ACPI_FILE_TABLES, file, t->tables->len, bytes);
    acpi_add(t, 0, bytes);
}

void acpi_tell_pointer(AcpiTables *t, const char *told, const char *file, uint32_t offset,
                       uint8_t bytes)
{
    uint8_t *e = loader_entry(t, LOADER_WRITE_POINTER);

    memcpy(e, told, strlen(told));
    memcpy(e + LOADER_FILE, file, strlen(file));
    st32_le(e + 2 * LOADER_FILE + 4, offset);
    e[2 * LOADER_FILE + 8] = bytes;
}

void acpi_align(AcpiTables *t, unsigned align)
{
    while (t->tables->len % align) {
        acpi_add(t, 0, 1);
    }
}

void acpi_add_address(AcpiTables *t, uint8_t space, uint8_t bits, uint64_t addr)
{
    /* As wide as the register; the timer and the like are read whole. */
    uint8_t access = bits <= 8 ? 1 : bits <= 16 ? 2 : 3;

    acpi_add(t, space, 1);
    acpi_add(t, bits, 1);
    acpi_add(t, 0, 1);
    acpi_add(t, access, 1);
    acpi_add(t, addr, 8);
}

/* Signature, length, revision, checksum, OEM and table ids and revision, creator and its revision. */
uint32_t acpi_table_begin(AcpiTables *t, const char *signature, uint8_t revision)
{
    uint32_t start;

    acpi_align(t, 8);
    start = t->tables->len;
    add_bytes(t, signature, 4);
    acpi_add(t, 0, 4);
    acpi_add(t, revision, 1);
    acpi_add(t, 0, 1);
    add_bytes(t, "RHEA  RHEAPC  ", 14);
    acpi_add(t, 1, 4);
    add_bytes(t, "RHEA", 4);
    acpi_add(t, 1, 4);
    return start;
}

void acpi_table_end(AcpiTables *t, uint32_t start, bool listed)
{
    uint32_t len = t->tables->len - start;

    st32_le(t->tables->data + start + T_LENGTH, len);
    loader_checksum(t, ACPI_FILE_TABLES, start + T_CHECKSUM, start, len);
    if (listed) {
        g_assert(t->nlisted < ACPI_MAX_TABLES);
        t->listed[t->nlisted++] = start;
    }
}

static uint32_t add_root(AcpiTables *t, const char *signature, unsigned bytes)
{
    uint32_t start = acpi_table_begin(t, signature, 1);

    for (unsigned i = 0; i < t->nlisted; i++) {
        acpi_add_pointer(t, t->listed[i], bytes);
    }
    acpi_table_end(t, start, false);
    return start;
}

void acpi_tables_finish(AcpiTables *t)
{
    uint32_t rsdt = add_root(t, "RSDT", 4), xsdt = add_root(t, "XSDT", 8);
    uint8_t *p;

    g_byte_array_set_size(t->rsdp, RSDP_SIZE);
    p = t->rsdp->data;
    memset(p, 0, RSDP_SIZE);
    memcpy(p, "RSD PTR \0RHEA  \2", 16);
    st32_le(p + RSDP_RSDT, rsdt);
    st32_le(p + RSDP_LENGTH, RSDP_SIZE);
    st64_le(p + RSDP_XSDT, xsdt);
    loader_pointer(t, ACPI_FILE_RSDP, ACPI_FILE_TABLES, RSDP_RSDT, 4);
    loader_pointer(t, ACPI_FILE_RSDP, ACPI_FILE_TABLES, RSDP_XSDT, 8);
    loader_checksum(t, ACPI_FILE_RSDP, RSDP_CHECKSUM, 0, RSDP_SIZE_V1);
    loader_checksum(t, ACPI_FILE_RSDP, RSDP_EXTENDED, 0, RSDP_SIZE);
}
