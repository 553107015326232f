/* SPDX-License-Identifier: MIT */
/*
 * Boot images; see hw/firmware/boot-image.h.
 * Spec: RFC 1952 (gzip), PE Format (section table).
 */
#include "rhea/osdep.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <zlib.h>

#include "hw/firmware/boot-image.h"
#include "hw/firmware/elf-image.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

/* --- Where firmware is --- */

static GPtrArray *extra_dirs; /* -L: an option of the process, like the log mask */

void boot_add_firmware_dir(const char *dir)
{
    if (!extra_dirs) {
        extra_dirs = g_ptr_array_new_with_free_func(g_free);
    }
    g_ptr_array_add(extra_dirs, g_strdup(dir));
}

/* All directories in search order; g_strfreev(). */
static char **firmware_dirs(void)
{
    g_auto(GStrv) built_in = g_strsplit(RHEA_FIRMWARE_PATH, ":", -1);
    GPtrArray *dirs = g_ptr_array_new();

    for (guint i = 0; extra_dirs && i < extra_dirs->len; i++) {
        g_ptr_array_add(dirs, g_strdup(g_ptr_array_index(extra_dirs, i)));
    }
    g_ptr_array_add(dirs, g_strdup(RHEA_PREFIX "/share/rhea"));
    g_ptr_array_add(dirs, g_strdup(RHEA_SOURCE_DIR "/pc-bios"));
    for (char **d = built_in; *d; d++) {
        g_ptr_array_add(dirs, g_strdup(*d));
    }
    g_ptr_array_add(dirs, NULL);
    return (char **)g_ptr_array_free(dirs, FALSE);
}

char *boot_find_firmware(const char *name)
{
    g_auto(GStrv) dirs = NULL;

    if (g_file_test(name, G_FILE_TEST_EXISTS)) {
        return g_strdup(name);
    }
    if (strchr(name, '/')) {
        return NULL;
    }
    dirs = firmware_dirs();
    for (char **d = dirs; *d; d++) {
        char *path = g_build_filename(*d, name, NULL);

        if (g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
            return path;
        }
        g_free(path);
    }
    return NULL;
}

void boot_print_firmware_dirs(FILE *out)
{
    g_auto(GStrv) dirs = firmware_dirs();

    for (char **d = dirs; *d; d++) {
        fprintf(out, "%s\n", *d);
    }
}

/* --- Reading --- */

static bool is_gzip(const uint8_t *p, size_t len)
{
    return len > 18 && p[0] == 0x1f && p[1] == 0x8b && p[2] == 8;
}

/* Unpacks one gzip member; the output buffer doubles, so a bomb stops at @max. */
static GBytes *gunzip(const char *what, const uint8_t *in, size_t len, uint64_t max, Error **errp)
{
    z_stream z = {.next_in = (Bytef *)in, .avail_in = MIN(len, UINT_MAX)};
    size_t room = MIN(MAX(len * 4, 1 << 16), max);
    uint8_t *out = g_try_malloc(room);
    int ret = Z_OK;

    if (!out || inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) {
        g_free(out);
        error_fail(errp, "%s: not enough memory to unpack it", what);
        return NULL;
    }
    while (ret == Z_OK) {
        if (z.total_out == room) {
            uint8_t *more = room < max ? g_try_realloc(out, MIN(room * 2, max)) : NULL;

            if (!more) {
                break;
            }
            room = MIN(room * 2, max);
            out = more;
        }
        z.next_out = out + z.total_out;
        z.avail_out = MIN(room - z.total_out, UINT_MAX);
        ret = inflate(&z, Z_NO_FLUSH);
    }
    inflateEnd(&z);
    if (ret != Z_STREAM_END) {
        error_fail(errp,
                   ret == Z_OK ? "%s: unpacked, it is larger than the guest's memory"
                               : "%s: the gzip data is damaged or truncated",
                   what);
        g_free(out);
        return NULL;
    }
    return g_bytes_new_take(g_realloc(out, MAX(z.total_out, 1)), z.total_out);
}

/* --- Mapped files --- */

/* Files that live as GBytes; main thread. */
static GPtrArray *mappings; /* GMappedFile */

static void mapping_free(gpointer file)
{
    g_ptr_array_remove_fast(mappings, file);
    g_mapped_file_unref(file);
}

/* Takes over @file. */
static GBytes *mapping_bytes(GMappedFile *file)
{
    if (!mappings) {
        mappings = g_ptr_array_new();
    }
    g_ptr_array_add(mappings, file);
    return g_bytes_new_with_free_func(g_mapped_file_get_contents(file),
                                      g_mapped_file_get_length(file), mapping_free, file);
}

/* The pages under @data are let go where they are a file's: the next to look reads it again. */
static void mapping_release(const void *data, size_t len)
{
    for (guint i = 0; mappings && i < mappings->len; i++) {
        GMappedFile *file = g_ptr_array_index(mappings, i);
        const char *start = g_mapped_file_get_contents(file), *at = data;
        size_t size = g_mapped_file_get_length(file);

        if (at >= start && at + len <= start + size) {
            uintptr_t page = align_down((uintptr_t)at, (uintptr_t)getpagesize());

            madvise((void *)page, (uintptr_t)at + len - page, MADV_DONTNEED);
        }
    }
}

GBytes *boot_read_raw(const char *option, const char *path, uint64_t max, Error **errp)
{
    g_autoptr(GError) gerr = NULL;
    GMappedFile *file;
    struct stat st;

    if (stat(path, &st) < 0) {
        error_fail_errno(errp, errno, "%s '%s': cannot open", option, path);
        return NULL;
    }
    if (!S_ISREG(st.st_mode) || !st.st_size) {
        error_fail(errp, "%s '%s': %s", option, path,
                   st.st_size ? "not a regular file" : "the file is empty");
        return NULL;
    }
    if ((uint64_t)st.st_size > max) {
        error_fail(errp, "%s '%s': %" PRId64 " bytes do not fit into the guest's memory (-m)",
                   option, path, (int64_t)st.st_size);
        return NULL;
    }
    file = g_mapped_file_new(path, FALSE, &gerr);
    if (!file) {
        error_fail(errp, "%s '%s': %s", option, path, gerr->message);
        return NULL;
    }
    return mapping_bytes(file);
}

GBytes *boot_read(const char *option, const char *path, uint64_t max, Error **errp)
{
    g_autofree char *what = g_strdup_printf("%s '%s'", option, path);
    GBytes *bytes = boot_read_raw(option, path, max, errp);
    const uint8_t *p;
    GBytes *unpacked;
    gsize len;

    if (!bytes) {
        return NULL;
    }
    p = g_bytes_get_data(bytes, &len);
    if (!is_gzip(p, len)) {
        return bytes;
    }
    unpacked = gunzip(what, p, len, max, errp);
    g_bytes_unref(bytes);
    return unpacked;
}

/* --- What is copied into memory at reset --- */

typedef struct Blob {
    Machine *machine;
    char *what;
    uint64_t addr, size;
    GBytes *data;
} Blob;

/* Blobs of all machines; entries live as long as the process. */
static GPtrArray *blobs;

static void blob_place(void *opaque)
{
    static const uint8_t zeroes[65536];
    Blob *b = opaque;
    gsize len;
    const void *data = g_bytes_get_data(b->data, &len);
    uint64_t done = len;

    if (b->machine->restoring) {
        return;
    }
    mem_write_rom(b->machine->memory, b->addr, data, len);
    mapping_release(data, len); /* until the next reset */
    while (done < b->size) {
        uint64_t n = MIN(b->size - done, sizeof(zeroes));

        mem_write_rom(b->machine->memory, b->addr + done, zeroes, n);
        done += n;
    }
}

/* True when all of [addr, addr + size) is memory. */
static bool all_memory(Machine *m, uint64_t addr, uint64_t size)
{
    while (size) {
        MemSection s;

        if (!mem_lookup(m->memory, addr, &s) || !s.host || !s.len) {
            return false;
        }
        addr += MIN(size, s.len);
        size -= MIN(size, s.len);
    }
    return true;
}

bool boot_add_blob(Machine *m, const char *what, uint64_t addr, GBytes *data, uint64_t size,
                   Error **errp)
{
    Blob *b;

    size = MAX(size, g_bytes_get_size(data));
    if (addr + size < addr || !all_memory(m, addr, size)) {
        return error_fail(
            errp, "%s: 0x%" PRIx64 " bytes at 0x%" PRIx64 " do not fit into the machine's memory",
            what, size, addr);
    }
    for (guint i = 0; blobs && i < blobs->len; i++) {
        b = g_ptr_array_index(blobs, i);
        if (b->machine == m && addr < b->addr + b->size && b->addr < addr + size) {
            return error_fail(errp,
                              "%s: 0x%" PRIx64 " bytes at 0x%" PRIx64 " overlap %s at 0x%" PRIx64
                              "; more memory (-m) may help",
                              what, size, addr, b->what, b->addr);
        }
    }
    if (!blobs) {
        blobs = g_ptr_array_new();
    }
    b = g_new0(Blob, 1);
    b->machine = m;
    b->what = g_strdup(what);
    b->addr = addr;
    b->size = size;
    b->data = g_bytes_ref(data);
    g_ptr_array_add(blobs, b);
    machine_on_reset(m, blob_place, b);
    return true;
}

/* --- PE --- */

enum {
    PE_OFFSET = 0x3c, /* in the DOS header: where the PE header is */
    PE_SECTIONS = 6,
    PE_OPTIONAL_SIZE = 20,
    PE_HEADER = 24,
    PE_SECTION = 40,
    PE_RAW_SIZE = 16,
    PE_RAW_START = 20
};

/* The end of what the section table speaks of; 0 when the file is no PE program. */
static uint64_t pe_end(const uint8_t *p, uint64_t len)
{
    uint64_t pe = len >= PE_OFFSET + 4 && p[0] == 'M' && p[1] == 'Z' ? ld32_le(p + PE_OFFSET) : len;
    uint64_t table, end = 0;
    unsigned n;

    if (pe > len || len - pe < PE_HEADER || memcmp(p + pe, "PE\0\0", 4)) {
        return 0;
    }
    n = ld16_le(p + pe + PE_SECTIONS);
    table = pe + PE_HEADER + ld16_le(p + pe + PE_OPTIONAL_SIZE);
    for (unsigned i = 0; i < n; i++) {
        uint64_t at = table + (uint64_t)i * PE_SECTION;

        if (at + PE_SECTION > len) {
            return at + PE_SECTION;
        }
        end = MAX(end, (uint64_t)ld32_le(p + at + PE_RAW_SIZE) + ld32_le(p + at + PE_RAW_START));
    }
    return end;
}

bool boot_check_whole(const char *what, GBytes *data, Error **errp)
{
    gsize len;
    const uint8_t *p = g_bytes_get_data(data, &len);
    uint64_t end = pe_end(p, len);

    if (!len) {
        return error_fail(errp, "%s: the file is empty", what);
    }
    return end <= len || error_fail(errp, "%s: the file is truncated: it has %zu bytes of %" PRIu64,
                                    what, (size_t)len, end);
}

/* --- ELF --- */

bool boot_add_elf(Machine *m, const char *what, GBytes *data, uint16_t em_machine, BootElf *out,
                  Error **errp)
{
    ElfImage e;
    bool ok = true;

    if (!elf_init(&e, what, data, errp)) {
        return false;
    }
    if (!e.is_64 || e.machine != em_machine) {
        elf_fini(&e);
        return error_fail(errp, "%s: not an ELF64 file for this machine", what);
    }
    *out = (BootElf){.entry = e.entry, .low = e.low, .high = e.high};
    for (guint i = 0; ok && i < e.loads->len; i++) {
        const ElfSegment *s = &g_array_index(e.loads, ElfSegment, i);
        g_autoptr(GBytes) part = g_bytes_new_from_bytes(data, s->offset, s->filesz);

        ok = boot_add_blob(m, what, s->paddr, part, s->memsz, errp);
    }
    elf_fini(&e);
    return ok;
}
