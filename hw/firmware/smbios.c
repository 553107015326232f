/* SPDX-License-Identifier: MIT */
/* The structures of the table and its entry point; see hw/firmware/smbios.h.  Sections are DSP0134's. */
#include "rhea/osdep.h"

#include "hw/firmware/fw-cfg.h"
#include "rhea/endian.h"
#include "rhea/uuid.h"
#include "smbios-int.h"

/* Fields that say nothing. */
enum { OTHER = 1, UNKNOWN = 2, NO_HANDLE = 0xfffe, NONE_PROVIDED = 0xffff };

/* A structure in the making: what follows its header, and its texts, numbered from 1. */
typedef struct Table {
    const SmbiosOptions *o;
    GByteArray *bytes;
    size_t start; /* of the present structure */
    GPtrArray *texts;
    unsigned count, largest;
} Table;

static void put(Table *t, uint64_t v, unsigned bytes)
{
    uint8_t raw[8];

    st64_le(raw, v);
    g_byte_array_append(t->bytes, raw, bytes);
}

/* The number of a text; there is no empty one. */
static void put_text(Table *t, const char *text)
{
    if (*text) {
        g_ptr_array_add(t->texts, g_strdup(text));
    }
    put(t, *text ? t->texts->len : 0, 1);
}

/* A field that the user may give. */
static void put_field(Table *t, const char *key, const char *otherwise)
{
    put_text(t, smbios_text(t->o, t->bytes->data[t->start], key, otherwise));
}

/* False: the user has such structures in a file. */
static bool begin(Table *t, uint8_t type, unsigned instance)
{
    if (smbios_is_replaced(t->o, type)) {
        return false;
    }
    t->start = t->bytes->len;
    g_ptr_array_set_size(t->texts, 0);
    put(t, type, 1);
    put(t, 0, 1);
    put(t, (type << 8) + instance, 2);
    return true;
}

static void end(Table *t)
{
    t->bytes->data[t->start + 1] = t->bytes->len - t->start;
    for (guint i = 0; i < t->texts->len; i++) {
        const char *text = g_ptr_array_index(t->texts, i);

        g_byte_array_append(t->bytes, (const uint8_t *)text, strlen(text) + 1);
    }
    put(t, 0, t->texts->len ? 1 : 2);
    t->count++;
    t->largest = MAX(t->largest, t->bytes->len - t->start);
}

/* --- The machine (7.1 to 7.4) --- */

enum { BIOS_CHARACTERISTICS_UNKNOWN = 1 << 3, BIOS_EXT2_VM = 1 << 4, BIOS_EXT2_UEFI = 1 << 3 };
enum { BIOS_SEGMENT = 0xe800, NO_RELEASE = 0xff };
enum { WAKE_POWER_SWITCH = 6, BOARD_HOSTS = 1, BOARD_MOTHERBOARD = 10, STATE_SAFE = 3 };

/* Only when the user has something to say: firmware knows itself better. */
static void add_bios(Table *t)
{
    g_auto(GStrv) release = NULL;
    bool is_uefi = smbios_flag(t->o, SMBIOS_BIOS, "uefi");

    if (!smbios_has_type(t->o, SMBIOS_BIOS) || !begin(t, SMBIOS_BIOS, 0)) {
        return;
    }
    release = g_strsplit(smbios_text(t->o, SMBIOS_BIOS, "release", "0.0"), ".", 2);
    put_field(t, "vendor", "");
    put_field(t, "version", "");
    put(t, BIOS_SEGMENT, 2);
    put_field(t, "date", "");
    put(t, 0, 1); /* 64 KiB of ROM */
    put(t, BIOS_CHARACTERISTICS_UNKNOWN, 8);
    put(t, 0, 1);
    put(t, BIOS_EXT2_VM | (is_uefi ? BIOS_EXT2_UEFI : 0), 1);
    put(t, g_ascii_strtoull(release[0], NULL, 0), 1);
    put(t, g_ascii_strtoull(release[1], NULL, 0), 1);
    put(t, NO_RELEASE, 1); /* the embedded controller's */
    put(t, NO_RELEASE, 1);
    end(t);
}

static void put_uuid(Table *t, const char *text)
{
    uint8_t guid[UUID_BYTES];

    uuid_to_guid(text, guid);
    for (unsigned i = 0; i < sizeof(guid); i++) {
        put(t, guid[i], 1);
    }
}

#define MANUFACTURER "QEMU" /* by this name guests know that they are in an emulator */

static void add_system(Table *t, const SmbiosBoard *b)
{
    if (!begin(t, SMBIOS_SYSTEM, 0)) {
        return;
    }
    put_field(t, "manufacturer", MANUFACTURER);
    put_field(t, "product", b->product);
    put_field(t, "version", b->version);
    put_field(t, "serial", "");
    put_uuid(t, smbios_text(t->o, SMBIOS_SYSTEM, "uuid", b->uuid));
    put(t, WAKE_POWER_SWITCH, 1);
    put_field(t, "sku", "");
    put_field(t, "family", "");
    end(t);
}

/* Only when the user asks: the system and the chassis say it all. */
static void add_baseboard(Table *t, const SmbiosBoard *b)
{
    if (!smbios_has_type(t->o, SMBIOS_BASEBOARD) || !begin(t, SMBIOS_BASEBOARD, 0)) {
        return;
    }
    put_field(t, "manufacturer", MANUFACTURER);
    put_field(t, "product", b->product);
    put_field(t, "version", b->version);
    put_field(t, "serial", "");
    put_field(t, "asset", "");
    put(t, BOARD_HOSTS, 1);
    put_field(t, "location", "");
    put(t, SMBIOS_CHASSIS << 8, 2);
    put(t, BOARD_MOTHERBOARD, 1);
    put(t, 0, 1); /* contains nothing */
    end(t);
}

static void add_chassis(Table *t, const SmbiosBoard *b)
{
    if (!begin(t, SMBIOS_CHASSIS, 0)) {
        return;
    }
    put_field(t, "manufacturer", MANUFACTURER);
    put(t, OTHER, 1);
    put_field(t, "version", b->version);
    put_field(t, "serial", "");
    put_field(t, "asset", "");
    put(t, STATE_SAFE, 1); /* at the last start */
    put(t, STATE_SAFE, 1); /* power supply */
    put(t, STATE_SAFE, 1); /* temperature */
    put(t, UNKNOWN, 1);    /* security */
    put(t, 0, 4);
    put(t, 0, 1); /* height */
    put(t, 0, 1); /* power cords */
    put(t, 0, 2); /* contains nothing */
    put_field(t, "sku", "");
    end(t);
}

/* --- Processors (7.5) --- */

enum { CPU_CENTRAL = 3, CPU_POPULATED_ENABLED = 0x41, CPU_SPEED_MHZ = 2000 };
enum { FAMILY_OTHER = 1, FAMILY_IN_SECOND_FIELD = 0xfe, COUNT_IN_SECOND_FIELD = 0xff };

static void put_count(Table *t, unsigned n)
{
    put(t, MIN(n, COUNT_IN_SECOND_FIELD), 1);
}

static void add_processor(Table *t, const SmbiosBoard *b, unsigned n)
{
    g_autofree char *socket = NULL;
    uint64_t family = smbios_number(t->o, SMBIOS_PROCESSOR, "processor-family", FAMILY_OTHER);
    uint64_t id = (uint64_t)b->cpu_id[1] << 32 | b->cpu_id[0];

    if (!begin(t, SMBIOS_PROCESSOR, n)) {
        return;
    }
    socket = g_strdup_printf("%s%2x", smbios_text(t->o, SMBIOS_PROCESSOR, "sock_pfx", "CPU"), n);
    put_text(t, socket);
    put(t, CPU_CENTRAL, 1);
    put(t, MIN(family, FAMILY_IN_SECOND_FIELD), 1);
    put_field(t, "manufacturer", MANUFACTURER);
    put(t, smbios_number(t->o, SMBIOS_PROCESSOR, "processor-id", id), 8);
    put_field(t, "version", b->version);
    put(t, 0, 1); /* voltage */
    put(t, 0, 2); /* external clock */
    put(t, smbios_number(t->o, SMBIOS_PROCESSOR, "max-speed", CPU_SPEED_MHZ), 2);
    put(t, smbios_number(t->o, SMBIOS_PROCESSOR, "current-speed", CPU_SPEED_MHZ), 2);
    put(t, CPU_POPULATED_ENABLED, 1);
    put(t, OTHER, 1); /* how it is fastened */
    for (unsigned level = 1; level <= 3; level++) {
        put(t, NONE_PROVIDED, 2); /* cache */
    }
    put_field(t, "serial", "");
    put_field(t, "asset", "");
    put_field(t, "part", "");
    put_count(t, b->cores);
    put_count(t, b->cores);
    put_count(t, b->cores * b->threads);
    put(t, UNKNOWN, 2); /* characteristics */
    put(t, family, 2);
    put(t, b->cores, 2); /* these three: 3.0 */
    put(t, b->cores, 2);
    put(t, b->cores * b->threads, 2);
    end(t);
}

/* --- Memory (7.17, 7.18, 7.20) --- */

enum { LOCATION_OTHER = 1, USE_SYSTEM = 3, ECC_MULTI_BIT = 6, FORM_DIMM = 9, MEMORY_RAM = 7 };
enum { KIB_IN_SECOND_FIELD = 0x7fffffff, MIB_IN_SECOND_FIELD = 0x7fff, DETAIL_OTHER = 1 << 1 };
#define ARRAY_MAX_KIB   0x80000000u
#define DEVICE_MAX_SIZE (16 * GiB)

static unsigned memory_devices(const SmbiosBoard *b)
{
    return (b->ram_size + DEVICE_MAX_SIZE - 1) / DEVICE_MAX_SIZE;
}

static void add_memory_array(Table *t, const SmbiosBoard *b)
{
    uint64_t kib = b->ram_size / KiB;
    bool fits = kib <= KIB_IN_SECOND_FIELD;

    if (!begin(t, SMBIOS_MEMORY_ARRAY, 0)) {
        return;
    }
    put(t, LOCATION_OTHER, 1);
    put(t, USE_SYSTEM, 1);
    put(t, ECC_MULTI_BIT, 1);
    put(t, fits ? kib : ARRAY_MAX_KIB, 4);
    put(t, NO_HANDLE, 2);
    put(t, memory_devices(b), 2);
    put(t, fits ? 0 : b->ram_size, 8);
    end(t);
}

static void add_memory_device(Table *t, const SmbiosBoard *b, unsigned n)
{
    uint64_t size = MIN(b->ram_size - n * DEVICE_MAX_SIZE, DEVICE_MAX_SIZE) / MiB;
    g_autofree char *locator = NULL;

    if (!begin(t, SMBIOS_MEMORY_DEVICE, n)) {
        return;
    }
    locator =
        g_strdup_printf("%s %u", smbios_text(t->o, SMBIOS_MEMORY_DEVICE, "loc_pfx", "DIMM"), n);
    put(t, SMBIOS_MEMORY_ARRAY << 8, 2);
    put(t, NO_HANDLE, 2);
    put(t, NONE_PROVIDED, 2); /* width, and without its check bits */
    put(t, NONE_PROVIDED, 2);
    put(t, MIN(size, MIB_IN_SECOND_FIELD), 2);
    put(t, FORM_DIMM, 1);
    put(t, 0, 1); /* of no set */
    put_text(t, locator);
    put_field(t, "bank", "");
    put(t, MEMORY_RAM, 1);
    put(t, DETAIL_OTHER, 2);
    put(t, smbios_number(t->o, SMBIOS_MEMORY_DEVICE, "speed", 0), 2);
    put_field(t, "manufacturer", MANUFACTURER);
    put_field(t, "serial", "");
    put_field(t, "asset", "");
    put_field(t, "part", "");
    put(t, 0, 1); /* rank */
    put(t, size, 4);
    put(t, smbios_number(t->o, SMBIOS_MEMORY_DEVICE, "speed", 0), 2);
    put(t, 0, 6); /* voltages */
    end(t);
}

static void add_memory_range(Table *t, unsigned n, uint64_t start, uint64_t size)
{
    uint64_t last = start + size - 1;
    bool fits = last / KiB < UINT32_MAX;

    if (!size || !begin(t, SMBIOS_MEMORY_RANGE, n)) {
        return;
    }
    put(t, fits ? start / KiB : UINT32_MAX, 4);
    put(t, fits ? last / KiB : UINT32_MAX, 4);
    put(t, SMBIOS_MEMORY_ARRAY << 8, 2);
    put(t, 1, 1); /* devices in a row of the array */
    put(t, fits ? 0 : start, 8);
    put(t, fits ? 0 : last, 8);
    end(t);
}

static void add_memory(Table *t, const SmbiosBoard *b)
{
    add_memory_array(t, b);
    for (unsigned n = 0; n < memory_devices(b); n++) {
        add_memory_device(t, b, n);
    }
    for (unsigned n = 0; n < SMBIOS_MAX_RANGES; n++) {
        add_memory_range(t, n, b->ram[n].start, b->ram[n].size);
    }
}

/* --- The rest (7.12, 7.33, 7.45) --- */

static void add_oem_strings(Table *t)
{
    const char *text;
    guint iter = 0;

    if (!smbios_has_type(t->o, SMBIOS_OEM_STRINGS) || !begin(t, SMBIOS_OEM_STRINGS, 0)) {
        return;
    }
    while ((text = smbios_next_text(t->o, SMBIOS_OEM_STRINGS, "value", &iter))) {
        if (*text) {
            g_ptr_array_add(t->texts, g_strdup(text));
        }
    }
    put(t, t->texts->len, 1);
    end(t);
}

static void add_boot_status(Table *t)
{
    if (begin(t, SMBIOS_BOOT, 0)) {
        put(t, 0, 6);
        put(t, 0, 1); /* no error */
        end(t);
    }
}

/* What files hold, an end of table among them left out. */
static void add_file_structures(Table *t)
{
    const GByteArray *from = smbios_file_structures(t->o);
    size_t at = 0, size;

    for (; from && at < from->len; at += size) {
        size = smbios_structure_size(from->data + at, from->len - at);
        if (from->data[at] != SMBIOS_END) {
            g_byte_array_append(t->bytes, from->data + at, size);
            t->count++;
            t->largest = MAX(t->largest, size);
        }
    }
}

static void add_end(Table *t)
{
    t->start = t->bytes->len;
    g_ptr_array_set_size(t->texts, 0);
    put(t, SMBIOS_END, 1);
    put(t, 0, 1);
    put(t, SMBIOS_END << 8, 2);
    end(t);
}

static void add_all(Table *t, const SmbiosBoard *b)
{
    add_file_structures(t);
    add_bios(t);
    add_system(t, b);
    add_baseboard(t, b);
    add_chassis(t, b);
    for (unsigned n = 0; n < b->sockets; n++) {
        add_processor(t, b, n);
    }
    add_oem_strings(t);
    add_memory(t, b);
    add_boot_status(t);
    add_end(t);
}

/* --- Entry point (5.2): firmware fills in the address and the checksums --- */

enum { ENTRY_32_SIZE = 31, ENTRY_64_SIZE = 24, TABLE_32_MAX = 0xffff };

static GBytes *entry_32(const Table *t)
{
    uint8_t e[ENTRY_32_SIZE] = {0};

    memcpy(e, "_SM_", 4);
    e[5] = sizeof(e);
    e[6] = 2; /* version */
    e[7] = 8;
    st16_le(e + 8, t->largest);
    memcpy(e + 16, "_DMI_", 5);
    st16_le(e + 22, t->bytes->len);
    st16_le(e + 28, t->count);
    e[30] = 0x28;
    return g_bytes_new(e, sizeof(e));
}

static GBytes *entry_64(const Table *t)
{
    uint8_t e[ENTRY_64_SIZE] = {0};

    memcpy(e, "_SM3_", 5);
    e[6] = sizeof(e);
    e[7] = 3;  /* version 3.0 */
    e[10] = 1; /* of the entry point */
    st32_le(e + 12, t->bytes->len);
    return g_bytes_new(e, sizeof(e));
}

static bool add_files(Device *fw_cfg, const SmbiosBoard *b, const Table *t, Error **errp)
{
    bool fits = t->bytes->len <= TABLE_32_MAX && t->count <= UINT16_MAX;
    g_autoptr(GBytes) tables = g_bytes_new(t->bytes->data, t->bytes->len);
    g_autoptr(GBytes) anchor = NULL;

    if (b->entry == SMBIOS_ENTRY_32 && !fits) {
        return error_fail(errp,
                          "-machine: smbios-entry-point-type=32: the table has %u bytes, more than "
                          "64 KiB (auto or 64 can have that)",
                          t->bytes->len);
    }
    anchor = b->entry == SMBIOS_ENTRY_64 || !fits ? entry_64(t) : entry_32(t);
    return fw_cfg_add_file(fw_cfg, SMBIOS_FILE_TABLES, tables, errp) &&
           fw_cfg_add_file(fw_cfg, SMBIOS_FILE_ANCHOR, anchor, errp);
}

bool smbios_add_tables(Device *fw_cfg, const SmbiosBoard *b, const SmbiosOptions *o, Error **errp)
{
    Table t = {.o = o, .bytes = g_byte_array_new()};
    bool ok;

    t.texts = g_ptr_array_new_with_free_func(g_free);
    add_all(&t, b);
    ok = add_files(fw_cfg, b, &t, errp);
    g_byte_array_unref(t.bytes);
    g_ptr_array_unref(t.texts);
    return ok;
}
