/* SPDX-License-Identifier: MIT */
/* RISC-V "virt" board: what its three files (board, device tree, boot) share. */
#ifndef VIRT_RISCV64_H
#define VIRT_RISCV64_H

#include "hw/machine.h"

typedef struct VirtRange {
    uint64_t base, size;
} VirtRange;

enum {
    VIRT_MROM,
    VIRT_TEST,
    VIRT_RTC,
    VIRT_CLINT,
    VIRT_PLIC,
    VIRT_UART0,
    VIRT_VIRTIO,
    VIRT_FW_CFG,
    VIRT_FLASH,
    VIRT_PCI_IO,
    VIRT_PCI_ECAM,
    VIRT_PCI_MEM,
    VIRT_PCI_MEM64,
    VIRT_DRAM,
    VIRT_RANGES
};
extern const VirtRange virt_map[VIRT_RANGES];

enum { VIRT_FLASH_BANKS = 2 };
enum { VIRT_VIRTIO_IRQ = 1, VIRT_VIRTIO_SLOTS = 8 };
enum { VIRT_PCI_IRQ = 0x20 }; /* the first of four */
enum { VIRT_UART0_IRQ = 10, VIRT_RTC_IRQ = 11, VIRT_NUM_SOURCES = 96, VIRT_MAX_HARTS = 512 };

typedef struct VirtMachine {
    Machine machine;
    MemRegion mrom, pci_window, pci_window64;
    Device *plic, *fw_cfg;
    Device *flash[VIRT_FLASH_BANKS];
    /* properties */
    char *flash_drive[VIRT_FLASH_BANKS];
    int acpi, aia;
} VirtMachine;

/* The board's device tree (virt-riscv64-fdt.c), in the making: free with g_free(). */
void *virt_build_fdt(VirtMachine *s);

/* Firmware, kernel, initrd, device tree and the reset vector (virt-riscv64-boot.c). */
bool virt_load(VirtMachine *s, Error **errp) MUST_CHECK;

#endif
