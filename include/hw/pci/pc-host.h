/* SPDX-License-Identifier: MIT */
/*
 * What the host bridges of PCs have in common: configuration ports, the reset port, shadow memory (PAM),
 * memory for system management (SMRAM).  Region 0 is PCI memory, already mapped under the machine's
 * RAM; the board adds RAM and firmware.
 */
#ifndef HW_PCI_PC_HOST_H
#define HW_PCI_PC_HOST_H

#include "hw/mmio-device.h"
#include "hw/pci/pci.h"

#define TYPE_PC_HOST     "pc-host-bridge"
#define TYPE_I440FX_HOST "i440FX-pcihost"
#define TYPE_Q35_HOST    "q35-pcihost"

enum { PAM_SEGMENTS = 13 };

/* A piece of 0xc0000..0xfffff: RAM shows unless one of the three lies over it. */
typedef struct PamSegment {
    struct PcHost *host;
    uint64_t addr;
    MemRegion to_pci;     /* neither reads nor writes reach RAM */
    MemRegion read_only;  /* reads do */
    MemRegion write_only; /* writes do: firmware copies itself */
} PamSegment;

typedef struct PcHost {
    MmioDevice parent;
    PciBus *bus;
    MemRegion pci_memory;
    AddressSpace *pci_space;
    MemRegion address_port, data_port;
    PamSegment pam[PAM_SEGMENTS];
    MemRegion nobody;     /* answers below 1 MiB where no card does */
    MemRegion vga_window; /* PCI memory over RAM at 0xa0000 */
    MemRegion smram;      /* what a CPU in system management mode sees over the rest */
    MemRegion smram_low;
    MemRegion tseg,
        tseg_cover;        /* the end of RAM in that space, and what everyone else sees there */
    uint64_t ram_end;      /* of RAM below 4 GiB */
    uint8_t smram_control; /* as it is in the function's configuration space */
    /* guest-visible: all of it is in pc_host_snapshot */
    uint32_t address;
    uint8_t reset_control;
} PcHost;

/* The space of 4 GiB that lies over what a CPU in SMM sees. */
static inline MemRegion *pc_host_smram(Device *host)
{
    return &((PcHost *)host)->smram;
}

/* Where RAM below 4 GiB ends, before the machine runs. */
static inline void pc_host_set_ram_end(Device *host, uint64_t end)
{
    ((PcHost *)host)->ram_end = end;
}

static inline PciBus *pc_host_bus(Device *host)
{
    return ((PcHost *)host)->bus;
}

/* Q35: after the reset of a wake-up, ECAM is where firmware put it, whatever was written since. */
void q35_host_wake(Device *host);

/* --- For the host bridges --- */

/* From realize, once the bus is there. */
void pc_host_init_memory(PcHost *s);
/* The seven PAM registers have changed. */
void pc_host_update_pam(PcHost *s, const uint8_t regs[7]);
/* The SMRAM control register was written: what it holds then, once it is locked no more than "closed" of it. */
uint8_t pc_host_write_smram(PcHost *s, uint8_t control);
/* Before the next write, which gives a reset's value or a loaded one. */
void pc_host_unlock_smram(PcHost *s);

/* The last @size bytes of RAM below 4 GiB are for SMM only; 0: none are.  After pc_host_write_smram(). */
void pc_host_set_tseg(PcHost *s, uint64_t size);

enum { SMRAM_ENABLE = 0x08, SMRAM_LOCK = 0x10, SMRAM_CLOSED = 0x20, SMRAM_OPEN = 0x40 };

#endif
