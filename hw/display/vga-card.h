/* SPDX-License-Identifier: MIT */
/*
 * A VGA on a PCI card: video memory, the registers' memory region, and on a PC's first card the legacy ports and
 * the window below 1 MiB.  Threading: the machine lock.
 */
#ifndef VGA_CARD_H
#define VGA_CARD_H

#include "edid.h"
#include "hw/pci/pci.h"
#include "vga-int.h"

enum { VGA_CARD_REGS_SIZE = 0x1000 };

typedef struct VgaCard {
    Vga vga;
    /* wiring */
    PciDevice *pci;
    MemRegion ports, vbe_ports;
    MemRegion regs; /* EDID at 0, the VGA ports at 400h, the VBE registers at 500h */
    /* properties: fixed once realized; the owner sets them */
    uint32_t vgamem_mb, xres, yres;
    bool edid;
    /* host-side */
    bool legacy, vga_ports; /* by type: ports and window of a PC, VGA ports in the region */
    char *vram_id;
    uint8_t block[EDID_SIZE];
} VgaCard;

/* From realize of @pci: makes memory and regions, which the caller maps; the legacy ones are mapped. */
bool vga_card_init(VgaCard *c, PciDevice *pci, Error **errp) MUST_CHECK;
/* Takes the legacy regions out again and frees what init made; the console is the owner's. */
void vga_card_fini(VgaCard *c);
/* The parts of it: memory of @c->vgamem_mb for @c->pci, if the machine can have it; ports and window of a PC. */
bool vga_card_init_memory(VgaCard *c, Error **errp) MUST_CHECK;
/* NULL: a VGA's own ports and window; otherwise their opaque is @c and its VGA. */
void vga_card_map_legacy(VgaCard *c, const MemOps *ports, const MemOps *window);
void vga_card_reset(VgaCard *c);

#endif
