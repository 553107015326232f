/* SPDX-License-Identifier: MIT */
/*
 * A VGA on a PCI card.  The region of registers is in a BAR, where systems without I/O ports reach it.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "vga-card.h"

#include "hw/machine.h"
#include "rhea/bits.h"

#define VRAM_ID "vga.vram"

enum { PORTS_FIRST = 0x3b0, PORTS = 0x30, VBE_PORT = 0x1ce, VBE_PORTS = 3, WINDOW = 0xa0000 };
enum { REGS_PORTS = 0x400, REGS_VBE = 0x500, REGS_PORTS_SHIFT = 0x10 };
enum { VRAM_MIN_MB = 1, VRAM_MAX_MB = 256 };

static uint64_t ports_read(void *opaque, uint64_t offset, unsigned size)
{
    return vga_port_read(&((VgaCard *)opaque)->vga, offset);
}

static void ports_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    vga_port_write(&((VgaCard *)opaque)->vga, offset, value);
}

/* Index and data, 16 bits each; the data port is beside the index on PCs, and after a gap elsewhere. */
static uint64_t vbe_read(void *opaque, uint64_t offset, unsigned size)
{
    Vga *s = &((VgaCard *)opaque)->vga;

    return offset ? vga_vbe_read(s, s->vbe_index) : s->vbe_index;
}

static void vbe_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Vga *s = &((VgaCard *)opaque)->vga;

    if (offset) {
        vga_vbe_write(s, s->vbe_index, value);
    } else {
        s->vbe_index = value;
    }
}

/* The block is followed by zeroes: there is no extension. */
static uint64_t edid_read(const VgaCard *c, uint64_t offset, unsigned size)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < size && offset + i < EDID_SIZE; i++) {
        v |= (uint64_t)c->block[offset + i] << (8 * i);
    }
    return v;
}

static uint64_t regs_read(void *opaque, uint64_t offset, unsigned size)
{
    const VgaCard *c = opaque;
    Vga *s = &((VgaCard *)opaque)->vga;

    if (c->edid && offset < REGS_PORTS) {
        return edid_read(c, offset, size);
    }
    if (c->vga_ports && offset >= REGS_PORTS && offset < REGS_PORTS + PORTS - REGS_PORTS_SHIFT) {
        return vga_port_read(s, offset - REGS_PORTS + REGS_PORTS_SHIFT);
    }
    if (offset >= REGS_VBE && size == 2) {
        return vga_vbe_read(s, (offset - REGS_VBE) / 2);
    }
    return MASK_ULL(8 * size);
}

static void regs_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    const VgaCard *c = opaque;
    Vga *s = &((VgaCard *)opaque)->vga;

    if (c->vga_ports && offset >= REGS_PORTS && offset < REGS_PORTS + PORTS - REGS_PORTS_SHIFT) {
        for (unsigned i = 0; i < size; i++) { /* a word sets index and data */
            vga_port_write(s, (offset - REGS_PORTS + REGS_PORTS_SHIFT + i) % PORTS,
                           value >> (8 * i));
        }
    } else if (offset >= REGS_VBE && size == 2) {
        vga_vbe_write(s, (offset - REGS_VBE) / 2, value);
    }
}

static const MemOps ports_ops = {
    .read = ports_read, .write = ports_write, .impl_min = 1, .impl_max = 1, .unaligned = true};
static const MemOps vbe_ops = {.read = vbe_read,
                               .write = vbe_write,
                               .valid_min = 1,
                               .valid_max = 2,
                               .impl_min = 1,
                               .impl_max = 2,
                               .unaligned = true};
static const MemOps regs_ops = {
    .read = regs_read, .write = regs_write, .valid_max = 4, .impl_min = 1, .impl_max = 2};

/* --- Life --- */

static void look_for_memory(RamBlock *rb, void *found)
{
    *(bool *)found |= !strcmp(rb->id, VRAM_ID);
}

/* The ports and the window below 1 MiB are there once. */
static bool vga_is_there(void)
{
    bool found = false;

    ram_block_foreach(look_for_memory, &found);
    return found;
}

/* Memory of a device that is not the machine's VGA is named by where it sits. */
bool vga_card_init_memory(VgaCard *c, Error **errp)
{
    const char *type = c->pci->dev.obj.type->name;
    Vga *v = &c->vga;

    if (c->vgamem_mb < VRAM_MIN_MB || c->vgamem_mb > VRAM_MAX_MB || !is_power_of_2(c->vgamem_mb)) {
        return error_fail(errp, "%s: property 'vgamem_mb' must be a power of two from %d to %d",
                          type, VRAM_MIN_MB, VRAM_MAX_MB);
    }
    v->vram_size = c->vgamem_mb * MiB;
    if (c->legacy && vga_is_there()) {
        return error_fail(errp, "%s: the machine has a VGA already (-vga none leaves that out)",
                          type);
    }
    c->vram_id = c->legacy ? g_strdup(VRAM_ID)
                           : g_strdup_printf("%s.%02x.vram", c->pci->bus->bus.name, c->pci->devfn);
    return mem_init_ram(&v->vram, &c->pci->dev.obj, c->vram_id, v->vram_size, errp);
}

void vga_card_map_legacy(VgaCard *c, const MemOps *ports, const MemOps *window)
{
    Object *obj = &c->pci->dev.obj;

    vga_init_window(&c->vga, obj, window);
    mem_init_io(&c->ports, obj, ports ? ports : &ports_ops, c, "vga", PORTS);
    mem_add_overlap(c->pci->bus->io, PORTS_FIRST, &c->ports, 1);
    mem_add_overlap(c->pci->bus->memory, WINDOW, &c->vga.window, 1);
}

/* Beside the VGA's ports. */
static void map_vbe_ports(VgaCard *c)
{
    mem_init_io(&c->vbe_ports, &c->pci->dev.obj, &vbe_ops, c, "vbe", VBE_PORTS);
    mem_add_overlap(c->pci->bus->io, VBE_PORT, &c->vbe_ports, 1);
}

bool vga_card_init(VgaCard *c, PciDevice *pci, Error **errp)
{
    const char *type = pci->dev.obj.type->name;

    c->pci = pci;
    if (!c->xres || c->xres > EDID_MAX_SIDE || !c->yres || c->yres > EDID_MAX_SIDE) {
        return error_fail(errp, "%s: properties 'xres' and 'yres' must be from 1 to %d", type,
                          EDID_MAX_SIDE);
    }
    if (!vga_card_init_memory(c, errp)) {
        return false;
    }
    c->vga.clock = device_clock(&pci->dev);
    edid_make(c->block, c->xres, c->yres);
    mem_init_io(&c->regs, &pci->dev.obj, &regs_ops, c, "vga-mmio", VGA_CARD_REGS_SIZE);
    if (c->legacy) {
        vga_card_map_legacy(c, NULL, NULL);
        map_vbe_ports(c);
    }
    return true;
}

void vga_card_fini(VgaCard *c)
{
    MemRegion *const mapped[] = {&c->ports, &c->vbe_ports, &c->vga.window};

    for (unsigned i = 0; i < ARRAY_SIZE(mapped); i++) {
        if (mapped[i]->container) {
            mem_remove(mapped[i]);
        }
    }
    g_clear_pointer(&c->vram_id, g_free);
}

/* A card without VGA ports has nothing that switches its picture on. */
void vga_card_reset(VgaCard *c)
{
    vga_reset_regs(&c->vga);
    if (!c->vga_ports) {
        vga_show_always(&c->vga);
    }
}
