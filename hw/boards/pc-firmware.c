/* SPDX-License-Identifier: MIT */
/*
 * Firmware of a PC: where it lies, the CMOS bytes and the named items by which it learns what the machine
 * is.  Spec: SeaBIOS docs/Runtime_config.md; OVMF's README; the CMOS map of Ralf Brown's list.
 */
#include "rhea/osdep.h"

#include "block/block.h"
#include "hw/acpi/acpi-pm.h"
#include "hw/firmware/boot-image.h"
#include "hw/firmware/fw-cfg.h"
#include "hw/firmware/smbios.h"
#include "hw/mmio-device.h"
#include "hw/pci/pc-host.h"
#include "hw/rtc/mc146818.h"
#include "hw/storage/fdc.h"
#include "hw/storage/pflash-cfi01.h"
#include "pc.h"
#include "rhea/bits.h"
#include "rhea/endian.h"
#include "target/x86_64.h"

enum { BIOS_ALIGN = 64 << 10, BIOS_MAX = 16 << 20, ISA_BIOS_MAX = 128 << 10, FLASH_SECTOR = 4096 };
enum { E820_RAM = 1, E820_RESERVED = 2, E820_ENTRY = 20 };
enum { SERIAL_CONSOLE_PORT = 0x3f8 };
#define FOUR_GIB (1ULL << 32)

/* --- ROM and flash --- */

/* The end of the firmware is also below 1 MiB, where the CPU finds it in real mode. */
static void show_below_1m(PcMachine *s, MemRegion *rom)
{
    uint64_t size = MIN(rom->size, ISA_BIOS_MAX);
    MemRegion *pci = ((MmioDevice *)s->host)->regions[0];

    mem_init_alias(&s->isa_bios, &s->machine.obj, "isa-bios", rom, rom->size - size, size);
    mem_set_readonly(&s->isa_bios, true);
    mem_add_overlap(pci, MiB - size, &s->isa_bios, 1);
}

static bool load_bios(PcMachine *s, Error **errp)
{
    const char *name = s->machine.firmware ? s->machine.firmware : "bios-256k.bin";
    g_autofree char *path = boot_find_firmware(name);
    g_autoptr(GBytes) data = NULL;
    uint64_t size;

    if (!path) {
        return error_fail(errp,
                          "-bios: cannot find firmware '%s' (Debian package seabios; the "
                          "directories are those of -L help)",
                          name);
    }
    data = boot_read_raw("-bios", path, BIOS_MAX, errp);
    if (!data) {
        return false;
    }
    size = g_bytes_get_size(data);
    if (size % BIOS_ALIGN) {
        return error_fail(errp, "-bios '%s': its size is not a multiple of 64 KiB", path);
    }
    if (!mem_init_rom(&s->bios, &s->machine.obj, "pc.bios", size, errp)) {
        return false;
    }
    memcpy(s->bios.ram->host, g_bytes_get_data(data, NULL), size);
    mem_add_overlap(s->machine.system_memory, FOUR_GIB - size, &s->bios, 1);
    show_below_1m(s, &s->bios);
    return true;
}

/* The drive of flash bank @n: pflashN= or -drive if=pflash,unit=N. */
static BlockBackend *flash_drive(PcMachine *s, unsigned n, Error **errp)
{
    BlockBackend *blk;

    if (!s->flash_drive[n]) {
        return blk_by_interface(BLK_IF_PFLASH, (int)n);
    }
    blk = blk_by_name(s->flash_drive[n]);
    if (!blk) {
        error_fail(errp, "-machine: pflash%u=%s: there is no such block device", n,
                   s->flash_drive[n]);
    }
    return blk;
}

/* Flash that is secure can be changed in system management mode only: others see its array. */
static bool map_flash(PcMachine *s, Device *dev, unsigned n, uint64_t addr, Error **errp)
{
    MemRegion *mem = ((MmioDevice *)dev)->regions[0];

    if (!pflash_is_secure(dev)) {
        mem_add_overlap(s->machine.system_memory, addr, mem, 1);
        return true;
    }
    if (!pc_has_smm(s)) {
        return error_fail(errp, "cfi.pflash01: property 'secure' needs -machine smm=on");
    }
    mem_add_overlap(pc_host_smram(s->host), addr, mem, 1);
    mem_init_alias(&s->flash_view[n], &s->machine.obj, "flash-view", mem, 0, mem->size);
    mem_set_readonly(&s->flash_view[n], true);
    mem_add_overlap(s->machine.system_memory, addr, &s->flash_view[n], 1);
    return true;
}

/* Bank 0 ends at 4 GiB, bank 1 lies below it. */
static bool create_flash(PcMachine *s, BlockBackend *blk, unsigned n, uint64_t *end, Error **errp)
{
    Device *dev = (Device *)qom_new(TYPE_PFLASH_CFI01);
    g_autofree char *name = g_strdup_printf("system.flash%u", n);
    g_autofree char *blocks = g_strdup_printf("%" PRIu64, blk_size(blk) / FLASH_SECTOR);
    MemRegion *mem;

    if (!blk_size(blk) || blk_size(blk) % FLASH_SECTOR) {
        return error_fail(errp, "-drive if=pflash: '%s' has a size that is no multiple of 4 KiB",
                          blk_name(blk));
    }
    if (!qom_prop_set(&dev->obj, "drive", blk_name(blk), errp) ||
        !qom_prop_set(&dev->obj, "name", name, errp) ||
        !qom_prop_set(&dev->obj, "num-blocks", blocks, errp) ||
        !qom_prop_set(&dev->obj, "sector-length", "4096", errp) ||
        !qom_prop_set(&dev->obj, "width", "1", errp) ||
        !qom_prop_set(&dev->obj, "device-width", "1", errp) ||
        !machine_realize_device(&s->machine, dev, name, errp)) {
        return false;
    }
    mem = ((MmioDevice *)dev)->regions[0];
    *end -= mem->size;
    if (!map_flash(s, dev, n, *end, errp)) {
        return false;
    }
    if (!n) {
        show_below_1m(s, mem);
    }
    return true;
}

bool pc_load_firmware(PcMachine *s, Error **errp)
{
    uint64_t end = FOUR_GIB;
    bool flash = false;

    for (unsigned n = 0; n < PC_FLASH_BANKS; n++) {
        BlockBackend *blk = flash_drive(s, n, errp);

        if (!blk && s->flash_drive[n]) {
            return false;
        }
        if (!blk) {
            continue;
        }
        if (n && !flash) {
            return error_fail(errp, "-drive if=pflash: bank 1 needs bank 0 (unit=0) as well");
        }
        flash = true;
        if (!create_flash(s, blk, n, &end, errp)) {
            return false;
        }
    }
    if (flash && s->machine.firmware) {
        return error_fail(errp, "-bios '%s': the firmware is in flash already",
                          s->machine.firmware);
    }
    return flash || load_bios(s, errp);
}

/* --- CMOS --- */

static void cmos_set16(PcMachine *s, uint8_t index, uint16_t v)
{
    mc146818_set(s->rtc, index, v & 0xff);
    mc146818_set(s->rtc, index + 1, v >> 8);
}

static void cmos_set_memory(PcMachine *s)
{
    uint64_t low = s->below_4g, high = s->machine.ram_size - low;

    cmos_set16(s, 0x15, 640);
    cmos_set16(s, 0x17, MIN((low - MIN(low, MiB)) / KiB, 0xffff));
    cmos_set16(s, 0x30, MIN((low - MIN(low, MiB)) / KiB, 0xffff));
    cmos_set16(s, 0x34, MIN((low - MIN(low, 16 * MiB)) / (64 * KiB), 0xffff));
    mc146818_set(s->rtc, 0x5b, high >> 16);
    mc146818_set(s->rtc, 0x5c, high >> 24);
    mc146818_set(s->rtc, 0x5d, high >> 32);
}

/* The BIOS's numbers of -boot's letters; 0: no such device. */
static uint8_t boot_code(char letter)
{
    switch (letter) {
    case 'a': return 1;
    case 'c': return 2;
    case 'd': return 3;
    case 'n': return 4;
    default: return 0;
    }
}

static void cmos_set_boot_order(PcMachine *s, const char *order)
{
    uint8_t code[3] = {0};

    for (unsigned i = 0, n = 0; order[i] && n < ARRAY_SIZE(code); i++) {
        if (boot_code(order[i])) {
            code[n++] = boot_code(order[i]);
        }
    }
    mc146818_set(s->rtc, 0x3d, code[0] | code[1] << 4);
    mc146818_set(s->rtc, 0x38, code[2] << 4);
}

/* After the first start -boot once= is over. */
static void boot_order_on_reset(void *opaque)
{
    PcMachine *s = opaque;
    BootConfig *boot = &s->machine.boot;
    const char *order = boot->once ? boot->once : boot->order;

    cmos_set_boot_order(s, order ? order : "cad");
    g_clear_pointer(&boot->once, g_free);
}

/* Kinds of floppy drives; the equipment byte tells their number, the FPU and the pointing device. */
static void cmos_set_equipment(PcMachine *s)
{
    uint8_t a = fdc_cmos_type(s->fdc, 0), b = fdc_cmos_type(s->fdc, 1), equipment = 0x06;

    if (a || b) {
        equipment |= 0x01 | (a && b ? 0x40 : 0);
    }
    mc146818_set(s->rtc, 0x10, a << 4 | b);
    mc146818_set(s->rtc, 0x14, equipment);
}

static void set_cmos(PcMachine *s)
{
    cmos_set_memory(s);
    cmos_set_equipment(s);
    mc146818_set(s->rtc, 0x5f, s->machine.smp.cpus - 1);
    machine_on_reset(&s->machine, boot_order_on_reset, s);
}

/* --- Named items --- */

static bool add_file(PcMachine *s, const char *name, const void *data, size_t len, Error **errp)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, len);

    return fw_cfg_add_file(s->fw_cfg, name, bytes, errp);
}

static bool add_number(PcMachine *s, const char *name, uint64_t v, size_t len, Error **errp)
{
    uint8_t raw[8];

    st64_le(raw, v);
    return add_file(s, name, raw, len, errp);
}

static void e820_add(GByteArray *map, uint64_t addr, uint64_t len, uint32_t type)
{
    uint8_t e[E820_ENTRY];

    st64_le(e, addr);
    st64_le(e + 8, len);
    st32_le(e + 16, type);
    g_byte_array_append(map, e, sizeof(e));
}

static bool add_e820(PcMachine *s, Error **errp)
{
    g_autoptr(GByteArray) map = g_byte_array_new();
    uint64_t high = s->machine.ram_size - s->below_4g;

    e820_add(map, 0, s->below_4g, E820_RAM);
    if (high) {
        e820_add(map, FOUR_GIB, high, E820_RAM);
    }
    return add_file(s, "etc/e820", map->data, map->len, errp);
}

/* A byte for each of S0 to S5: its type, and whether it is there. */
static bool add_sleep_states(PcMachine *s, Error **errp)
{
    enum { STATE_THERE = 0x80 };
    const AcpiPm *pm = pc_acpi_pm(s);
    const uint8_t states[] = {STATE_THERE,
                              0,
                              0,
                              ACPI_SLEEP_S3 | (pm->disable_s3 ? 0 : STATE_THERE),
                              ACPI_SLEEP_S4 | (pm->disable_s4 ? 0 : STATE_THERE),
                              ACPI_SLEEP_S5 | STATE_THERE};

    return add_file(s, "etc/system-states", states, sizeof(states), errp);
}

/* -boot menu=, splash-time=, reboot-timeout= */
static bool add_boot_options(PcMachine *s, Error **errp)
{
    const BootConfig *boot = &s->machine.boot;

    fw_cfg_add_u32(s->fw_cfg, FW_CFG_BOOT_MENU, boot->menu ? 1 : 0);
    return (boot->splash_time_ms < 0 ||
            add_number(s, "etc/boot-menu-wait", (uint64_t)boot->splash_time_ms, 2, errp)) &&
           (!boot->reboot_timeout_set ||
            add_number(s, "etc/boot-fail-wait", (uint64_t)boot->reboot_timeout_ms, 4, errp));
}

static bool add_smbios(PcMachine *s, Error **errp)
{
    Machine *m = &s->machine;
    g_autofree char *name = machine_type_name(m->obj.type);
    uint64_t high = m->ram_size - s->below_4g;
    uint32_t cpuid[4] = {0};
    SmbiosBoard b = {.product = m->obj.type->desc,
                     .version = name,
                     .uuid = m->uuid,
                     .entry = s->smbios_entry,
                     .sockets = m->smp.sockets,
                     .cores = m->smp.dies * m->smp.clusters * m->smp.cores,
                     .threads = m->smp.threads,
                     .ram_size = m->ram_size,
                     .ram = {{0, s->below_4g}, {FOUR_GIB, high}}};

    x86_cpu_cpuid(g_ptr_array_index(m->cpus, 0), 1, 0, cpuid);
    b.cpu_id[0] = cpuid[0];
    b.cpu_id[1] = cpuid[3];
    return smbios_add_tables(s->fw_cfg, &b, m->smbios, errp);
}

bool pc_tell_firmware(PcMachine *s, Error **errp)
{
    Machine *m = &s->machine;
    set_cmos(s);
    /* Firmware takes it for the number of local APIC ids. */
    fw_cfg_add_u32(s->fw_cfg, FW_CFG_MAX_CPUS, x86_topology_apic_id(m, m->smp.max_cpus - 1) + 1);
    fw_cfg_add_u64(s->fw_cfg, FW_CFG_NUMA, 0);
    fw_cfg_add_u32(s->fw_cfg, FW_CFG_IRQ0_OVERRIDE, 1);
    return pc_add_acpi(s, errp) && add_smbios(s, errp) && add_e820(s, errp) &&
           pc_tell_boot_order(s, errp) && add_boot_options(s, errp) &&
           (!pc_ops(s)->tell_chipset || pc_ops(s)->tell_chipset(s, errp)) &&
           add_sleep_states(s, errp) &&
           (!pc_serial_console(s) ||
            add_number(s, "etc/sercon-port", SERIAL_CONSOLE_PORT, 8, errp));
}
