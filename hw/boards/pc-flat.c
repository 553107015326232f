/* SPDX-License-Identifier: MIT */
/*
 * Kernels entered in 32-bit mode: what the protocols have in common; see pc-flat.h.
 * The kernel may lie in [64 KiB, 512 KiB) and from 1 MiB on; below it are the ROM's stack, the memory map
 * that it leaves for us, and the information.
 */
#include "rhea/osdep.h"

#include <elf.h>

#include "hw/firmware/boot-image.h"
#include "hw/firmware/fw-cfg.h"
#include "pc-flat.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

enum { MAP_ADDR = 0x8000, MAP_HEADER = 8, MAP_ENTRY = 20, INFO_ADDR = 0x9000, INFO_END = 0x80000 };
enum { KERNEL_MIN = 0x10000, LOW_END = 0x80000, MODULE_ALIGN = 4096 };
enum { BIOS_AREA = 0xe0000, BIOS_AREA_SIZE = 0x20000, RSDP_ALIGN = 16 };
#define FIRMWARE_TABLES (2 * MiB) /* at the end of low memory, for firmware */

/* The start of the information: registers, then descriptors. */
enum { REG_EIP = 0, REG_EAX = 4, REG_EBX = 8, REG_GDT_LIMIT = 12, REG_GDT_BASE = 14, GDT = 24 };
enum { GDT_ENTRIES = 4, INFO_START = GDT + 8 * GDT_ENTRIES };
#define GDT_CODE 0x00cf9b000000ffffULL
#define GDT_DATA 0x00cf93000000ffffULL
#define GDT_TSS  0x0000890000000067ULL

/* --- What protocols use --- */

uint32_t flat_here(const GByteArray *info)
{
    return INFO_ADDR + info->len;
}

void flat_add(GByteArray *info, uint64_t value, unsigned bytes)
{
    uint8_t raw[8];

    st64_le(raw, value);
    g_byte_array_append(info, raw, bytes);
}

void flat_align(GByteArray *info, unsigned align)
{
    while (info->len % align) {
        flat_add(info, 0, 1);
    }
}

uint32_t flat_add_text(GByteArray *info, const char *text)
{
    uint32_t at = flat_here(info);

    g_byte_array_append(info, (const uint8_t *)text, strlen(text) + 1);
    return at;
}

/* Bytes of RAM from @addr on. */
static uint64_t ram_from(const FlatMap *map, uint64_t addr)
{
    for (unsigned i = 0; i < map->n; i++) {
        uint64_t start = map->entry[i].addr, size = map->entry[i].size;

        if (map->entry[i].type == FLAT_MAP_RAM && addr >= start && addr - start < size) {
            return size - (addr - start);
        }
    }
    return 0;
}

uint32_t flat_lower_kib(const FlatMap *map)
{
    return MIN(ram_from(map, 0) / KiB, 640);
}

uint32_t flat_upper_kib(const FlatMap *map)
{
    return MIN(ram_from(map, MiB) / KiB, UINT32_MAX);
}

const char *flat_append(const FlatKernel *k)
{
    return k->s->machine.append ? k->s->machine.append : "";
}

/* --- The kernel --- */

/* Makes room for [low, high). */
static bool place(FlatKernel *k, uint64_t low, uint64_t high, Error **errp)
{
    uint64_t top = k->s->below_4g - MIN(k->s->below_4g, FIRMWARE_TABLES);
    bool in_low = low >= KERNEL_MIN && high <= LOW_END;

    if (!in_low && (low < MiB || high > top)) {
        return error_fail(errp,
                          "%s: is to lie at 0x%" PRIx64 "-0x%" PRIx64
                          ", where this machine has no memory for it (-m; from 1 MiB to 0x%" PRIx64
                          ")",
                          k->what, low, high - 1, top - 1);
    }
    k->low = low;
    k->high = high;
    k->image = g_byte_array_new();
    g_byte_array_set_size(k->image, high - low);
    memset(k->image->data, 0, high - low);
    return true;
}

bool flat_load_part(FlatKernel *k, uint64_t offset, uint64_t len, uint64_t addr, uint64_t size,
                    Error **errp)
{
    const uint8_t *p = g_bytes_get_data(k->file, NULL);

    if (!place(k, addr, addr + MAX(len, size), errp)) {
        return false;
    }
    memcpy(k->image->data, p + offset, len);
    return true;
}

bool flat_load_elf(FlatKernel *k, const ElfImage *e, Error **errp)
{
    const uint8_t *p = g_bytes_get_data(k->file, NULL);

    if (!place(k, e->low, e->high, errp)) {
        return false;
    }
    for (guint i = 0; i < e->loads->len; i++) {
        const ElfSegment *s = &g_array_index(e->loads, ElfSegment, i);

        memcpy(k->image->data + (s->paddr - e->low), p + s->offset, s->filesz);
    }
    k->entry = e->entry;
    return true;
}

/* --- Modules --- */

/* -initrd's items: separated by commas, a comma in one is doubled. */
static char **split_modules(const char *text)
{
    GPtrArray *items = g_ptr_array_new();
    GString *item = g_string_new(NULL);

    for (; *text; text++) {
        if (*text != ',' || text[1] == ',') {
            g_string_append_c(item, *text);
            text += *text == ',';
        } else {
            g_ptr_array_add(items, g_string_free(item, FALSE));
            item = g_string_new(NULL);
        }
    }
    g_ptr_array_add(items, g_string_free(item, FALSE));
    g_ptr_array_add(items, NULL);
    return (char **)g_ptr_array_free(items, FALSE);
}

static bool add_module(FlatKernel *k, const char *text, Error **errp)
{
    const char *space = k->protocol->many_modules ? strchr(text, ' ') : NULL;
    g_autofree char *path = g_strndup(text, space ? (gsize)(space - text) : strlen(text));
    uint64_t top = k->s->below_4g - MIN(k->s->below_4g, FIRMWARE_TABLES);
    uint64_t start = align_up(k->module_addr + (uint64_t)k->module_data->len, MODULE_ALIGN);
    g_autoptr(GBytes) data = boot_read_raw("-initrd", path, k->s->below_4g, errp);
    FlatModule m = {.start = start};

    if (!data) {
        return false;
    }
    m.size = g_bytes_get_size(data);
    if (start + m.size > top) {
        return error_fail(errp,
                          "-initrd '%s': does not fit into the guest's memory (-m) beside the "
                          "kernel",
                          path);
    }
    flat_align(k->module_data, MODULE_ALIGN);
    g_byte_array_append(k->module_data, g_bytes_get_data(data, NULL), m.size);
    m.text = g_strdup(text);
    g_array_append_val(k->modules, m);
    return true;
}

static bool add_modules(FlatKernel *k, Error **errp)
{
    const char *initrd = k->s->machine.initrd;
    g_auto(GStrv) list = NULL;

    k->modules = g_array_new(FALSE, FALSE, sizeof(FlatModule));
    k->module_data = g_byte_array_new();
    k->module_addr = align_up(MAX(k->high, MiB), MODULE_ALIGN);
    if (!initrd) {
        return true;
    }
    if (!k->protocol->many_modules) {
        return add_module(k, initrd, errp);
    }
    list = split_modules(initrd);
    for (char **item = list; *item; item++) {
        if (!add_module(k, *item, errp)) {
            return false;
        }
    }
    return true;
}

/* --- The information --- */

/* What the ROM has left; the guest's own words, so no more than there is room for. */
static void read_map(PcMachine *s, FlatMap *map)
{
    uint8_t raw[MAP_HEADER + FLAT_MAP_MAX * MAP_ENTRY];

    if (mem_read(s->machine.memory, MAP_ADDR, raw, sizeof(raw)) != MEM_OK) {
        return;
    }
    map->n = MIN(ld32_le(raw), FLAT_MAP_MAX);
    for (unsigned i = 0; i < map->n; i++) {
        const uint8_t *e = raw + MAP_HEADER + i * MAP_ENTRY;

        map->entry[i].addr = ld64_le(e);
        map->entry[i].size = ld64_le(e + 8);
        map->entry[i].type = ld32_le(e + 16);
    }
}

/* Firmware puts the pointer to its ACPI tables below 1 MiB (ACPI 6.5, 5.2.5.1). */
static void find_rsdp(PcMachine *s, FlatMap *map)
{
    g_autofree uint8_t *area = g_malloc(BIOS_AREA_SIZE);

    if (mem_read(s->machine.memory, BIOS_AREA, area, BIOS_AREA_SIZE) != MEM_OK) {
        return;
    }
    for (unsigned at = 0; at + sizeof(map->rsdp_data) <= BIOS_AREA_SIZE; at += RSDP_ALIGN) {
        if (!memcmp(area + at, "RSD PTR ", 8)) {
            map->rsdp = BIOS_AREA + at;
            memcpy(map->rsdp_data, area + at, sizeof(map->rsdp_data));
            return;
        }
    }
}

static GByteArray *make_info(const FlatKernel *k, const FlatMap *map)
{
    static const uint64_t gdt[GDT_ENTRIES] = {0, GDT_CODE, GDT_DATA, GDT_TSS};
    GByteArray *info = g_byte_array_new();
    uint32_t ebx;

    g_byte_array_set_size(info, INFO_START);
    memset(info->data, 0, INFO_START);
    ebx = k->protocol->add_info(k, map, info);
    st32_le(info->data + REG_EIP, k->entry);
    st32_le(info->data + REG_EAX, k->protocol->eax);
    st32_le(info->data + REG_EBX, ebx);
    st16_le(info->data + REG_GDT_LIMIT, sizeof(gdt) - 1);
    st32_le(info->data + REG_GDT_BASE, INFO_ADDR + GDT);
    for (unsigned i = 0; i < GDT_ENTRIES; i++) {
        st64_le(info->data + GDT + 8 * i, gdt[i]);
    }
    return info;
}

/* The setup item, as the ROM selects it. */
static GBytes *build_info(void *opaque)
{
    const FlatKernel *k = opaque;
    FlatMap map = {0};
    GByteArray *info;
    guint len;

    read_map(k->s, &map);
    find_rsdp(k->s, &map);
    info = make_info(k, &map);
    len = info->len;
    g_byte_array_set_size(info, k->info_size);
    memset(info->data + len, 0, k->info_size - len);
    return g_byte_array_free_to_bytes(info);
}

/* The information is never larger than with a full map. */
static bool size_info(FlatKernel *k, Error **errp)
{
    FlatMap full = {.n = FLAT_MAP_MAX, .rsdp = BIOS_AREA};
    GByteArray *info = make_info(k, &full);
    uint64_t end = INFO_ADDR + (uint64_t)info->len;

    k->info_size = info->len;
    g_byte_array_unref(info);
    if (end > INFO_END || (k->low < MiB && end > k->low)) {
        return error_fail(errp,
                          "%s: no room below it for the command line and what else it is to know "
                          "(0x%x bytes from 0x%x on)",
                          k->what, (unsigned)k->info_size, INFO_ADDR);
    }
    return true;
}

/* --- Recognising and starting --- */

/* Finds the protocol and loads the kernel. */
static bool recognise(FlatKernel *k, const ElfImage *e, Error **errp)
{
    static bool (*const attempts[])(FlatKernel *, const ElfImage *, Error **) = {
        flat_try_multiboot1, flat_try_pvh, flat_try_multiboot2, flat_try_plain};
    Error *err = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
        if (attempts[i](k, e, &err)) {
            return true;
        }
        if (err) {
            error_propagate(errp, err);
            return false;
        }
    }
    if (e) {
        error_fail(errp, "%s: a 64-bit ELF program without a PVH note or a multiboot header",
                   k->what);
    } else {
        error_fail(errp,
                   "%s: not a kernel for a PC (bzImage, ELF with a PVH note, multiboot), or "
                   "truncated",
                   k->what);
    }
    return false;
}

static void add_items(FlatKernel *k)
{
    Device *fw_cfg = k->s->fw_cfg;
    guint size = k->module_data->len;
    g_autoptr(GBytes) image = g_byte_array_free_to_bytes(k->image);
    g_autoptr(GBytes) modules = g_byte_array_free_to_bytes(k->module_data);

    fw_cfg_add_u32(fw_cfg, FW_CFG_KERNEL_ADDR, k->low);
    fw_cfg_add_u32(fw_cfg, FW_CFG_KERNEL_SIZE, g_bytes_get_size(image));
    fw_cfg_add_item(fw_cfg, FW_CFG_KERNEL_DATA, image);
    fw_cfg_add_u32(fw_cfg, FW_CFG_INITRD_ADDR, k->module_addr);
    fw_cfg_add_u32(fw_cfg, FW_CFG_INITRD_SIZE, size);
    fw_cfg_add_item(fw_cfg, FW_CFG_INITRD_DATA, modules);
    fw_cfg_add_u32(fw_cfg, FW_CFG_SETUP_ADDR, INFO_ADDR);
    fw_cfg_add_u32(fw_cfg, FW_CFG_SETUP_SIZE, k->info_size);
    fw_cfg_add_built_item(fw_cfg, FW_CFG_SETUP_DATA, build_info, k);
}

static bool load(FlatKernel *k, Error **errp)
{
    ElfImage e;
    bool is_elf = elf_is(k->file), ok;

    if (is_elf && !elf_init(&e, k->what, k->file, errp)) {
        return false;
    }
    if (is_elf && e.machine != EM_386 && e.machine != EM_X86_64) {
        ok = error_fail(errp, "%s: an ELF program for another machine", k->what);
    } else {
        ok = recognise(k, is_elf ? &e : NULL, errp);
    }
    if (is_elf) {
        elf_fini(&e);
    }
    return ok && add_modules(k, errp) && size_info(k, errp);
}

bool pc_load_flat_kernel(PcMachine *s, GBytes *file, Error **errp)
{
    FlatKernel *k = g_new0(FlatKernel, 1); /* as long as the machine: the items are made from it */

    k->s = s;
    k->file = file;
    k->what = g_strdup_printf("-kernel '%s'", s->machine.kernel);
    if (!load(k, errp)) {
        return false; /* the process ends */
    }
    k->file = NULL;
    add_items(k);
    return pc_add_boot_rom(s, "rhea-flat-boot.bin", errp);
}
