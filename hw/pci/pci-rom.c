/* SPDX-License-Identifier: MIT */
/*
 * Expansion ROMs of PCI functions: the file, its place in a BAR, the identity in it.
 * Specs: PCI Local Bus 3.0, 6.3 (expansion ROMs); PCI Firmware 3.0, chapter 5.
 * The file may be anything: every offset in it is checked.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/firmware/boot-image.h"
#include "hw/pci/pci.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

#include "pci-int.h"

enum { ROM_MIN = 2048, ROM_MAX = 16 << 20, ROM_UNIT = 512 };
/* The header of an image, and the data structure that it points to. */
enum { IMAGE_MAGIC = 0xaa55, IMAGE_DATA = 0x18, IMAGE_HEADER = 0x1a };
enum {
    DATA_VENDOR = 0x04,
    DATA_DEVICE = 0x06,
    DATA_LENGTH = 0x10,
    DATA_REVISION = 0x12, /* of the code: nobody's concern */
    DATA_LAST = 0x15,
    DATA_SIZE = 0x18
};
#define DATA_MAGIC 0x52494350u /* "PCIR" */

/* In a region of a power of two; a card without a ROM has an empty name. */
bool pci_rom_load(PciDevice *pci, Error **errp)
{
    const PciDeviceOps *ops = qom_type_ops(pci->dev.obj.type);
    const char *name = pci->romfile ? pci->romfile : ops->romfile;
    g_autofree char *path = name && *name ? boot_find_firmware(name) : NULL;
    g_autoptr(GBytes) data = NULL;
    uint64_t size;

    if (!name || !*name || !pci->rom_bar) {
        return true;
    }
    if (!path) {
        /* A default that is not installed is missed by nobody but the firmware. */
        return !pci->romfile ||
               error_fail(errp,
                          "%s: romfile=%s: there is no such file in the directories of -L help",
                          pci->dev.obj.type->name, name);
    }
    data = boot_read_raw("romfile", path, ROM_MAX, errp);
    if (!data) {
        return false;
    }
    size = MAX(ROM_MIN, g_bytes_get_size(data));
    size = is_power_of_2(size) ? size : 1ULL << (64 - __builtin_clzll(size));
    pci->rom_id = g_strdup_printf("%s.%02x.rom", pci->bus->bus.name, pci->devfn);
    if (!mem_init_rom(&pci->rom, &pci->dev.obj, pci->rom_id, size, errp)) {
        return false;
    }
    memcpy(pci->rom.ram->host, g_bytes_get_data(data, NULL), g_bytes_get_size(data));
    pci->bars[PCI_ROM_BAR] = (PciBar){.mr = &pci->rom, .size = size};
    st32_le(pci->writable + PCI_ROM, (uint32_t) ~(size - 1) | PCI_ROM_ENABLE);
    return true;
}

void pci_rom_free(PciDevice *pci)
{
    if (pci->bars[PCI_ROM_BAR].mr) {
        pci->bars[PCI_ROM_BAR].mr = NULL;
        mem_fini(&pci->rom);
        g_clear_pointer(&pci->rom_id, g_free);
    }
}

/* Puts @device into the data structure; the image's bytes keep their sum, for firmware adds them up. */
static void set_data_device(uint8_t *data, uint16_t device)
{
    uint8_t was = data[DATA_DEVICE] + data[DATA_DEVICE + 1];

    st16_le(data + DATA_DEVICE, device);
    data[DATA_REVISION] += was - (uint8_t)(data[DATA_DEVICE] + data[DATA_DEVICE + 1]);
}

/* Every image of this vendor in @rom is for @device. */
static void set_rom_device(uint8_t *rom, uint64_t size, uint16_t vendor, uint16_t device)
{
    uint64_t at = 0;

    while (at + IMAGE_HEADER <= size && ld16_le(rom + at) == IMAGE_MAGIC) {
        uint64_t data = at + ld16_le(rom + at + IMAGE_DATA);
        uint64_t length;

        if (data + DATA_SIZE > size || ld32_le(rom + data) != DATA_MAGIC) {
            return;
        }
        if (ld16_le(rom + data + DATA_VENDOR) == vendor) {
            set_data_device(rom + data, device);
        }
        length = (uint64_t)ld16_le(rom + data + DATA_LENGTH) * ROM_UNIT;
        if (!length || rom[data + DATA_LAST] & 0x80) {
            return;
        }
        at += length;
    }
}

void pci_set_device_id(PciDevice *pci, uint16_t device)
{
    const MemRegion *rom = pci->bars[PCI_ROM_BAR].mr;

    st16_le(pci->config + PCI_DEVICE_ID, device);
    if (rom && !pci->romfile) {
        set_rom_device(rom->ram->host, rom->size, ld16_le(pci->config + PCI_VENDOR_ID), device);
    }
}
