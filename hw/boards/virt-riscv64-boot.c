/* SPDX-License-Identifier: MIT */
/*
 * Loading what the RISC-V "virt" board starts.
 * Spec: Linux Documentation/arch/riscv/{boot,boot-image-header}; OpenSBI docs/firmware/fw_dynamic.
 */
#include "rhea/osdep.h"

#include <elf.h>
#include <sys/random.h>

#include "block/block.h"
#include "virt-riscv64.h"
#include "hw/firmware/boot-image.h"
#include "hw/firmware/elf-image.h"
#include "hw/firmware/fdt.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

enum {
    KERNEL_OFFSET = 0x200000,  /* Image headers of 64-bit kernels ask for it */
    IMAGE_MAGIC_OFFSET = 0x38, /* "RSC\x05" */
    IMAGE_TEXT_OFFSET = 0x08,
    IMAGE_SIZE_OFFSET = 0x10,
    IMAGE_HEADER = 0x40,
    BOOT_ALIGN = 0x200000,
    RNG_SEED_BYTES = 32,
    MROM_DATA = 0x40, /* where the reset code's constants are */
};
#define IMAGE_MAGIC      0x05435352U
#define FW_DYNAMIC_MAGIC 0x4942534fULL /* "OSBI" */
/* Kernels map only what is below this before they read the tree. */
#define FDT_LIMIT 0xc0000000ULL

static const char *const default_firmware[] = {"opensbi-riscv64-generic-fw_dynamic.bin",
                                               "fw_dynamic.bin", NULL};

typedef struct Boot {
    VirtMachine *board;
    Machine *m;
    uint64_t base, end;    /* of RAM */
    uint64_t start;        /* first instruction after the reset vector */
    uint64_t kernel_entry; /* 0: no kernel */
    uint64_t kernel_end;
    uint64_t initrd, initrd_end;
    uint64_t fdt;
} Boot;

/* --- Firmware --- */

/* The path to load, or NULL with *none set when -bios none was given. */
static char *firmware_path(Boot *b, bool *none, Error **errp)
{
    const char *name = b->m->firmware;
    char *path = NULL;

    *none = name && !strcmp(name, "none");
    if (*none) {
        return NULL;
    }
    if (name && strcmp(name, "default")) {
        path = boot_find_firmware(name);
        if (!path) {
            error_fail(errp,
                       "-bios: cannot find firmware '%s' (searched the directories of -L "
                       "help)",
                       name);
        }
        return path;
    }
    for (const char *const *n = default_firmware; *n && !path; n++) {
        path = boot_find_firmware(*n);
    }
    if (!path) {
        error_fail(errp,
                   "-bios default: cannot find OpenSBI's '%s' (Debian package opensbi; or "
                   "-bios none, or name a file)",
                   default_firmware[0]);
    }
    return path;
}

static bool load_firmware(Boot *b, Error **errp)
{
    g_autofree char *path = NULL;
    g_autofree char *what = NULL;
    g_autoptr(GBytes) data = NULL;
    bool none;

    b->start = b->base;
    if (!b->m->firmware && (blk_by_interface(BLK_IF_PFLASH, 0) || b->board->flash_drive[0])) {
        b->start = virt_map[VIRT_FLASH].base; /* firmware in flash, as UEFI is installed */
        return true;
    }
    path = firmware_path(b, &none, errp);
    if (!path) {
        return none;
    }
    what = g_strdup_printf("-bios '%s'", path);
    data = boot_read("-bios", path, b->m->ram_size, errp);
    if (!data) {
        return false;
    }
    if (elf_is(data)) {
        BootElf elf;

        if (!boot_add_elf(b->m, what, data, EM_RISCV, &elf, errp)) {
            return false;
        }
        b->start = elf.entry;
        return true;
    }
    return boot_add_blob(b->m, what, b->base, data, 0, errp);
}

/* --- Kernel and initrd --- */

/* Where a flat kernel goes, and how much memory it takes with its BSS. */
static void flat_kernel_place(const Boot *b, bool firmware, GBytes *data, uint64_t *addr,
                              uint64_t *size)
{
    gsize len;
    const uint8_t *p = g_bytes_get_data(data, &len);

    *addr = b->base + (firmware ? KERNEL_OFFSET : 0);
    *size = len;
    if (len >= IMAGE_HEADER && ld32_le(p + IMAGE_MAGIC_OFFSET) == IMAGE_MAGIC) {
        *size = MAX(len, MIN(ld64_le(p + IMAGE_SIZE_OFFSET), b->m->ram_size));
        if (ld64_le(p + IMAGE_TEXT_OFFSET) && firmware) {
            *addr = b->base + MIN(ld64_le(p + IMAGE_TEXT_OFFSET), b->m->ram_size);
        }
    }
}

static bool load_kernel(Boot *b, Error **errp)
{
    bool firmware = !b->m->firmware || strcmp(b->m->firmware, "none");
    g_autofree char *what = NULL;
    g_autoptr(GBytes) data = NULL;
    uint64_t size;

    if (!b->m->kernel) {
        return true;
    }
    what = g_strdup_printf("-kernel '%s'", b->m->kernel);
    data = boot_read("-kernel", b->m->kernel, b->m->ram_size, errp);
    if (!data) {
        return false;
    }
    if (elf_is(data)) {
        BootElf elf;

        if (!boot_add_elf(b->m, what, data, EM_RISCV, &elf, errp)) {
            return false;
        }
        b->kernel_entry = elf.entry;
        b->kernel_end = elf.high;
    } else {
        if (!boot_check_whole(what, data, errp)) {
            return false;
        }
        flat_kernel_place(b, firmware, data, &b->kernel_entry, &size);
        b->kernel_end = b->kernel_entry + size;
        if (!boot_add_blob(b->m, what, b->kernel_entry, data, size, errp)) {
            return false;
        }
    }
    if (!firmware) {
        b->start = b->kernel_entry;
    }
    return true;
}

static bool load_initrd(Boot *b, Error **errp)
{
    g_autofree char *what = NULL;
    g_autoptr(GBytes) data = NULL;

    if (!b->m->initrd) {
        return true;
    }
    if (!b->m->kernel) {
        return error_fail(errp, "-initrd '%s': needs -kernel", b->m->initrd);
    }
    what = g_strdup_printf("-initrd '%s'", b->m->initrd);
    /* The kernel unpacks it itself: a gzip file stays packed. */
    data = boot_read_raw("-initrd", b->m->initrd, b->m->ram_size, errp);
    if (!data) {
        return false;
    }
    b->initrd = align_up(b->kernel_end, BOOT_ALIGN);
    b->initrd_end = b->initrd + g_bytes_get_size(data);
    return boot_add_blob(b->m, what, b->initrd, data, 0, errp);
}

/* --- Device tree --- */

static void fdt_add_chosen(const Boot *b, void *fdt)
{
    uint8_t seed[RNG_SEED_BYTES];

    fdt_build_node(fdt, "/chosen");
    if (b->m->append) {
        fdt_build_string(fdt, "/chosen", "bootargs", b->m->append);
    }
    if (b->initrd) {
        fdt_build_cells(fdt, "/chosen", "linux,initrd-start", b->initrd >> 32, b->initrd);
        fdt_build_cells(fdt, "/chosen", "linux,initrd-end", b->initrd_end >> 32, b->initrd_end);
    }
    if (getrandom(seed, sizeof(seed), 0) == sizeof(seed)) {
        fdt_build_bytes(fdt, "/chosen", "rng-seed", seed, sizeof(seed));
    }
}

static bool load_fdt(Boot *b, Error **errp)
{
    void *fdt = b->m->dtb ? fdt_build_load(b->m->dtb, errp) : virt_build_fdt(b->board);
    GBytes *data;
    uint64_t top = MIN(b->end, FDT_LIMIT);
    uint64_t size;

    if (!fdt) {
        return false;
    }
    fdt_add_chosen(b, fdt);
    data = fdt_build_finish(fdt);
    size = g_bytes_get_size(data);
    b->m->fdt = data;
    if (size > top - b->base) {
        return error_fail(errp,
                          "the device tree of %" PRIu64 " bytes does not fit into the memory "
                          "(-m)",
                          size);
    }
    b->fdt = align_down(top - size, BOOT_ALIGN);
    if (b->fdt < MAX(b->kernel_end, b->initrd_end)) {
        b->fdt = align_down(top - size, 8); /* tight memory: right at the top */
    }
    return boot_add_blob(b->m, "the device tree", b->fdt, data, 0, errp);
}

/* --- Reset vector --- */

static bool load_reset_vector(Boot *b, Error **errp)
{
    static const uint32_t code[] = {
        0x00000297, /* auipc t0, 0 */
        0xf1402573, /* csrr  a0, mhartid */
        0x0482b583, /* ld    a1, 0x48(t0)   device tree */
        0x05028613, /* addi  a2, t0, 0x50   fw_dynamic_info */
        0x0402b283, /* ld    t0, 0x40(t0)   start */
        0x00028067, /* jr    t0 */
    };
    const uint64_t data[] = {
        b->start,
        b->fdt,
        /* fw_dynamic_info: magic, version, next address, next mode (S), options, boot hart */
        FW_DYNAMIC_MAGIC,
        2,
        b->kernel_entry,
        1,
        0,
        0,
    };
    uint8_t rom[MROM_DATA + sizeof(data)] = {0};
    g_autoptr(GBytes) bytes = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(code); i++) {
        st32_le(rom + i * 4, code[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(data); i++) {
        st64_le(rom + MROM_DATA + i * 8, data[i]);
    }
    bytes = g_bytes_new(rom, sizeof(rom));
    return boot_add_blob(b->m, "the reset vector", virt_map[VIRT_MROM].base, bytes, 0, errp);
}

bool virt_load(VirtMachine *s, Error **errp)
{
    Machine *m = &s->machine;
    Boot b = {.board = s, .m = m, .base = virt_map[VIRT_DRAM].base};

    b.end = b.base + m->ram_size;
    return load_firmware(&b, errp) && load_kernel(&b, errp) && load_initrd(&b, errp) &&
           load_fdt(&b, errp) && load_reset_vector(&b, errp);
}
