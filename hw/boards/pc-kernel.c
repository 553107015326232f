/* SPDX-License-Identifier: MIT */
/*
 * -kernel on a PC: a Linux image is cut into setup block and kernel, the setup header filled in, and
 * both kept in fw_cfg, from where our option ROM (pc-bios/linux-boot.S) or UEFI firmware takes them.
 * Kernels of other kinds are the business of pc-flat.c.
 * Spec: Linux Documentation/arch/x86/boot.rst.
 * The image is hostile: every offset in it is checked.
 */
#include "rhea/osdep.h"

#include "hw/firmware/boot-image.h"
#include "hw/firmware/fw-cfg.h"
#include "pc.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

enum {
    H_SETUP_SECTS = 0x1f1,
    H_VID_MODE = 0x1fa,
    H_SYSSIZE = 0x1f4, /* in paragraphs of 16 bytes */
    H_MAGIC = 0x202,
    H_VERSION = 0x206,
    H_LOADER = 0x210,
    H_FLAGS = 0x211,
    H_RAMDISK = 0x218,
    H_RAMDISK_SIZE = 0x21c,
    H_HEAP_END = 0x224,
    H_CMDLINE = 0x228,
    H_INITRD_MAX = 0x22c,
    H_CMDLINE_MAX = 0x238,
    HEADER_END = 0x250
};
enum { FLAG_HIGH = 0x01, FLAG_HEAP = 0x80, LOADER_OTHER = 0xff, SECTOR = 512 };
enum { SETUP_ADDR = 0x10000, CMDLINE_ADDR = 0x20000, KERNEL_ADDR = 0x100000, HEAP_END = 0xe000 };
enum { VERSION_MIN = 0x0202, VERSION_INITRD_MAX = 0x0203, VERSION_CMDLINE_MAX = 0x0206 };
enum { VERSION_SYSSIZE = 0x0204 };
enum { CMDLINE_MAX_OLD = 255, CMDLINE_MAX = 0xffff, SETUP_MAX = 64 * SECTOR };
enum { VIDEO_NORMAL = 0xffff, VIDEO_EXTENDED = 0xfffe, VIDEO_ASK = 0xfffd };
#define HEADER_MAGIC    0x53726448u /* "HdrS" */
#define INITRD_MAX_OLD  0x37ffffffu
#define FIRMWARE_TABLES (2 * MiB) /* at the end of low memory, for firmware */

typedef struct LinuxImage {
    PcMachine *s;
    GBytes *file;
    uint8_t *setup; /* a copy that is edited */
    uint64_t setup_size, kernel_size;
    uint16_t version;
} LinuxImage;

static bool is_linux(GBytes *file)
{
    gsize len;
    const uint8_t *p = g_bytes_get_data(file, &len);

    return len >= HEADER_END && ld32_le(p + H_MAGIC) == HEADER_MAGIC;
}

static bool parse_image(LinuxImage *l, const char *path, Error **errp)
{
    gsize len;
    const uint8_t *p = g_bytes_get_data(l->file, &len);
    uint64_t wanted;

    l->version = ld16_le(p + H_VERSION);
    if (l->version < VERSION_MIN || !(p[H_FLAGS] & FLAG_HIGH)) {
        return error_fail(errp,
                          "-kernel '%s': boot protocol %u.%u is too old (bzImage of 2.2 or later)",
                          path, l->version >> 8, l->version & 0xff);
    }
    l->setup_size = (uint64_t)((p[H_SETUP_SECTS] ? p[H_SETUP_SECTS] : 4) + 1) * SECTOR;
    if (l->setup_size > SETUP_MAX || l->setup_size >= len) {
        return error_fail(errp, "-kernel '%s': truncated: it ends in its setup code", path);
    }
    l->kernel_size = len - l->setup_size;
    wanted = l->version >= VERSION_SYSSIZE ? ld32_le(p + H_SYSSIZE) * 16ULL : 0;
    if (wanted > l->kernel_size) {
        return error_fail(errp, "-kernel '%s': the file is truncated: it has %zu bytes of %" PRIu64,
                          path, (size_t)len, l->setup_size + wanted);
    }
    if (KERNEL_ADDR + l->kernel_size > l->s->below_4g) {
        return error_fail(errp, "-kernel '%s': does not fit into the guest's memory (-m)", path);
    }
    l->setup = g_memdup2(p, MAX(l->setup_size, HEADER_END));
    return true;
}

/* "vga=" of the command line is the boot loader's business. */
static bool set_video_mode(LinuxImage *l, const char *cmdline, Error **errp)
{
    const char *vga = strstr(cmdline, "vga=");
    unsigned long mode;
    char *end;

    if (!vga || (vga != cmdline && vga[-1] != ' ')) {
        return true;
    }
    vga += strlen("vga=");
    if (g_str_has_prefix(vga, "normal")) {
        mode = VIDEO_NORMAL;
    } else if (g_str_has_prefix(vga, "ext")) {
        mode = VIDEO_EXTENDED;
    } else if (g_str_has_prefix(vga, "ask")) {
        mode = VIDEO_ASK;
    } else {
        mode = strtoul(vga, &end, 0);
        if (end == vga || mode > 0xffff) {
            return error_fail(errp, "-append: 'vga=%.16s' is no video mode", vga);
        }
    }
    st16_le(l->setup + H_VID_MODE, mode);
    return true;
}

static bool add_cmdline(LinuxImage *l, Error **errp)
{
    Device *fw_cfg = l->s->fw_cfg;
    const char *text = l->s->machine.append ? l->s->machine.append : "";
    size_t max =
        l->version >= VERSION_CMDLINE_MAX ? ld32_le(l->setup + H_CMDLINE_MAX) : CMDLINE_MAX_OLD;
    g_autoptr(GBytes) data = g_bytes_new(text, strlen(text) + 1);

    max = MIN(max, CMDLINE_MAX);
    if (strlen(text) > max) {
        return error_fail(errp, "-append: %zu characters, the kernel takes at most %zu",
                          strlen(text), max);
    }
    st32_le(l->setup + H_CMDLINE, CMDLINE_ADDR);
    fw_cfg_add_u32(fw_cfg, FW_CFG_CMDLINE_ADDR, CMDLINE_ADDR);
    fw_cfg_add_u32(fw_cfg, FW_CFG_CMDLINE_SIZE, strlen(text) + 1);
    fw_cfg_add_item(fw_cfg, FW_CFG_CMDLINE_DATA, data);
    return set_video_mode(l, text, errp);
}

/* As high as the kernel allows, below what firmware keeps for its tables. */
static bool add_initrd(LinuxImage *l, Error **errp)
{
    Device *fw_cfg = l->s->fw_cfg;
    const char *path = l->s->machine.initrd;
    g_autoptr(GBytes) data =
        path ? boot_read_raw("-initrd", path, l->s->below_4g, errp) : g_bytes_new(NULL, 0);
    uint64_t top = l->s->below_4g - MIN(l->s->below_4g, FIRMWARE_TABLES);
    uint64_t limit =
        l->version >= VERSION_INITRD_MAX ? ld32_le(l->setup + H_INITRD_MAX) : INITRD_MAX_OLD;
    uint64_t size, addr;

    if (!data) {
        return false;
    }
    size = g_bytes_get_size(data);
    top = MIN(top, limit + 1);
    if (size && (size > top || align_down(top - size, 4096) < KERNEL_ADDR + l->kernel_size)) {
        return error_fail(errp,
                          "-initrd '%s': does not fit into the guest's memory (-m) beside "
                          "the kernel",
                          path);
    }
    addr = size ? align_down(top - size, 4096) : 0;
    st32_le(l->setup + H_RAMDISK, addr);
    st32_le(l->setup + H_RAMDISK_SIZE, size);
    fw_cfg_add_u32(fw_cfg, FW_CFG_INITRD_ADDR, addr);
    fw_cfg_add_u32(fw_cfg, FW_CFG_INITRD_SIZE, size);
    fw_cfg_add_item(fw_cfg, FW_CFG_INITRD_DATA, data);
    return true;
}

static void add_kernel(LinuxImage *l)
{
    Device *fw_cfg = l->s->fw_cfg;
    g_autoptr(GBytes) setup = NULL;
    g_autoptr(GBytes) kernel = g_bytes_new_from_bytes(l->file, l->setup_size, l->kernel_size);

    l->setup[H_LOADER] = LOADER_OTHER;
    l->setup[H_FLAGS] |= FLAG_HEAP;
    st16_le(l->setup + H_HEAP_END, HEAP_END - 0x200);
    setup = g_bytes_new(l->setup, l->setup_size);
    fw_cfg_add_u32(fw_cfg, FW_CFG_SETUP_ADDR, SETUP_ADDR);
    fw_cfg_add_u32(fw_cfg, FW_CFG_SETUP_SIZE, l->setup_size);
    fw_cfg_add_item(fw_cfg, FW_CFG_SETUP_DATA, setup);
    fw_cfg_add_u32(fw_cfg, FW_CFG_KERNEL_ADDR, KERNEL_ADDR);
    fw_cfg_add_u32(fw_cfg, FW_CFG_KERNEL_SIZE, l->kernel_size);
    fw_cfg_add_item(fw_cfg, FW_CFG_KERNEL_DATA, kernel);
}

bool pc_add_boot_rom(PcMachine *s, const char *name, Error **errp)
{
    g_autofree char *path = boot_find_firmware(name);
    g_autofree char *item = g_strconcat("genroms/", name, NULL);
    g_autoptr(GBytes) rom = NULL;

    if (!path) {
        return error_fail(errp, "-kernel: cannot find '%s' (its directory is one of -L help)",
                          name);
    }
    rom = boot_read_raw("-kernel", path, MiB, errp);
    s->boot_rom = name;
    return rom && fw_cfg_add_file(s->fw_cfg, item, rom, errp);
}

static bool load_linux(PcMachine *s, GBytes *file, Error **errp)
{
    LinuxImage l = {.s = s, .file = file};
    bool ok =
        parse_image(&l, s->machine.kernel, errp) && add_cmdline(&l, errp) && add_initrd(&l, errp);

    if (ok) {
        add_kernel(&l);
    }
    g_free(l.setup);
    return ok && pc_add_boot_rom(s, "rhea-linux-boot.bin", errp);
}

bool pc_load_kernel(PcMachine *s, Error **errp)
{
    const Machine *m = &s->machine;
    g_autoptr(GBytes) file = NULL;

    if (!m->kernel) {
        const char *option = m->initrd ? "-initrd" : "-append";

        return (!m->initrd && !m->append) || error_fail(errp, "%s: needs -kernel", option);
    }
    file = boot_read("-kernel", m->kernel, m->ram_size, errp);
    if (!file) {
        return false;
    }
    return is_linux(file) ? load_linux(s, file, errp) : pc_load_flat_kernel(s, file, errp);
}
