/* SPDX-License-Identifier: MIT */
/*
 * Display devices on PCI.  "VGA": BAR 0 is video memory, BAR 2 has EDID at 0, the VGA ports at 400h and the VBE
 * registers at 500h; the legacy ports and the window at 0xa0000 are there as well.  "secondary-vga" has the BARs
 * only, and "bochs-display" leaves out the VGA ports too: its picture is the VBE mode.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "edid.h"
#include "hw/display/vga.h"
#include "hw/machine.h"
#include "hw/pci/pci.h"
#include "rhea/bits.h"
#include "snapshot/snapshot.h"
#include "vga-int.h"

#define VRAM_ID "vga.vram"

enum { PORTS_FIRST = 0x3b0, PORTS = 0x30, VBE_PORT = 0x1ce, VBE_PORTS = 3, WINDOW = 0xa0000 };
enum { BAR_PORTS = 0x400, BAR_VBE = 0x500, BAR_SIZE = 0x1000, BAR_PORTS_SHIFT = 0x10 };
enum { VRAM_MIN_MB = 1, VRAM_MAX_MB = 256 };

typedef struct VgaPci {
    PciDevice pci;
    Vga vga;
    MemRegion ports, vbe_ports, bar;
    /* properties: fixed once realized */
    uint32_t vgamem_mb, xres, yres;
    bool edid;
    /* host-side */
    bool legacy, vga_ports; /* by type: ports and window of a PC, VGA ports in BAR 2 */
    char *vram_id;
    uint8_t block[EDID_SIZE];
} VgaPci;

static uint64_t ports_read(void *opaque, uint64_t offset, unsigned size)
{
    return vga_port_read(&((VgaPci *)opaque)->vga, offset);
}

static void ports_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    vga_port_write(&((VgaPci *)opaque)->vga, offset, value);
}

/* Index and data, 16 bits each; the data port is beside the index on PCs, and after a gap elsewhere. */
static uint64_t vbe_read(void *opaque, uint64_t offset, unsigned size)
{
    Vga *s = &((VgaPci *)opaque)->vga;

    return offset ? vga_vbe_read(s, s->vbe_index) : s->vbe_index;
}

static void vbe_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Vga *s = &((VgaPci *)opaque)->vga;

    if (offset) {
        vga_vbe_write(s, s->vbe_index, value);
    } else {
        s->vbe_index = value;
    }
}

/* The block is followed by zeroes: there is no extension. */
static uint64_t edid_read(const VgaPci *p, uint64_t offset, unsigned size)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < size && offset + i < EDID_SIZE; i++) {
        v |= (uint64_t)p->block[offset + i] << (8 * i);
    }
    return v;
}

static uint64_t bar_read(void *opaque, uint64_t offset, unsigned size)
{
    const VgaPci *p = opaque;
    Vga *s = &((VgaPci *)opaque)->vga;

    if (p->edid && offset < BAR_PORTS) {
        return edid_read(p, offset, size);
    }
    if (p->vga_ports && offset >= BAR_PORTS && offset < BAR_PORTS + PORTS - BAR_PORTS_SHIFT) {
        return vga_port_read(s, offset - BAR_PORTS + BAR_PORTS_SHIFT);
    }
    if (offset >= BAR_VBE && size == 2) {
        return vga_vbe_read(s, (offset - BAR_VBE) / 2);
    }
    return MASK_ULL(8 * size);
}

static void bar_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    const VgaPci *p = opaque;
    Vga *s = &((VgaPci *)opaque)->vga;

    if (p->vga_ports && offset >= BAR_PORTS && offset < BAR_PORTS + PORTS - BAR_PORTS_SHIFT) {
        for (unsigned i = 0; i < size; i++) { /* a word sets index and data */
            vga_port_write(s, (offset - BAR_PORTS + BAR_PORTS_SHIFT + i) % PORTS, value >> (8 * i));
        }
    } else if (offset >= BAR_VBE && size == 2) {
        vga_vbe_write(s, (offset - BAR_VBE) / 2, value);
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
static const MemOps bar_ops = {
    .read = bar_read, .write = bar_write, .valid_max = 4, .impl_min = 1, .impl_max = 2};

/* --- Life --- */

static void vga_pci_reset(Device *dev)
{
    VgaPci *s = dev_state(dev, VgaPci);

    vga_reset_regs(&s->vga);
    if (!s->vga_ports) {
        vga_show_always(&s->vga);
    }
}

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
static bool create_memory(VgaPci *s, Error **errp)
{
    Vga *v = &s->vga;

    if (s->vgamem_mb < VRAM_MIN_MB || s->vgamem_mb > VRAM_MAX_MB || !is_power_of_2(s->vgamem_mb)) {
        return error_fail(errp, "VGA: property 'vgamem_mb' must be a power of two from %d to %d",
                          VRAM_MIN_MB, VRAM_MAX_MB);
    }
    v->vram_size = s->vgamem_mb * MiB;
    s->vram_id = s->legacy ? g_strdup(VRAM_ID)
                           : g_strdup_printf("%s.%02x.vram", s->pci.bus->bus.name, s->pci.devfn);
    return mem_init_ram(&v->vram, &s->pci.dev.obj, s->vram_id, v->vram_size, errp);
}

static bool vga_pci_realize(VgaPci *s, Error **errp)
{
    Vga *v = &s->vga;
    Object *obj = &s->pci.dev.obj;

    if (!s->xres || s->xres > EDID_MAX_SIDE || !s->yres || s->yres > EDID_MAX_SIDE) {
        return error_fail(errp, "VGA: properties 'xres' and 'yres' must be from 1 to %d",
                          EDID_MAX_SIDE);
    }
    if (!create_memory(s, errp)) {
        return false;
    }
    v->clock = device_clock(&s->pci.dev);
    edid_make(s->block, s->xres, s->yres);
    mem_init_io(&s->bar, obj, &bar_ops, s, "vga-mmio", BAR_SIZE);
    pci_register_bar(&s->pci, 0, PCI_BAR_PREFETCH, &v->vram);
    pci_register_bar(&s->pci, 2, 0, &s->bar);
    v->console = vga_console_new(v, obj);
    return true;
}

static bool vga_realize(Device *dev, Error **errp)
{
    VgaPci *s = dev_state(dev, VgaPci);

    if (vga_is_there()) {
        return error_fail(errp, "VGA: the machine has one already (-vga none leaves that out)");
    }
    s->legacy = s->vga_ports = true;
    if (!vga_pci_realize(s, errp)) {
        return false;
    }
    vga_init_window(&s->vga, &dev->obj);
    mem_init_io(&s->ports, &dev->obj, &ports_ops, s, "vga", PORTS);
    mem_init_io(&s->vbe_ports, &dev->obj, &vbe_ops, s, "vbe", VBE_PORTS);
    mem_add_overlap(s->pci.bus->io, PORTS_FIRST, &s->ports, 1);
    mem_add_overlap(s->pci.bus->io, VBE_PORT, &s->vbe_ports, 1);
    mem_add_overlap(s->pci.bus->memory, WINDOW, &s->vga.window, 1);
    return true;
}

static bool secondary_realize(Device *dev, Error **errp)
{
    VgaPci *s = dev_state(dev, VgaPci);

    s->vga_ports = true;
    return vga_pci_realize(s, errp);
}

static bool bochs_realize(Device *dev, Error **errp)
{
    return vga_pci_realize(dev_state(dev, VgaPci), errp);
}

static void vga_pci_unrealize(Device *dev)
{
    VgaPci *s = dev_state(dev, VgaPci);
    MemRegion *const mapped[] = {&s->ports, &s->vbe_ports, &s->vga.window};

    vga_console_free(s->vga.console);
    s->vga.console = NULL;
    for (unsigned i = 0; i < ARRAY_SIZE(mapped); i++) {
        if (mapped[i]->container) {
            mem_remove(mapped[i]);
        }
    }
    g_clear_pointer(&s->vram_id, g_free);
}

static void vga_pci_snapshot(Device *dev, Snapshot *sn)
{
    vga_snapshot(&dev_state(dev, VgaPci)->vga, sn);
}

static const PropDesc vga_pci_props[] = {
    PROP_U32("vgamem_mb", VgaPci, vgamem_mb, 16, "video memory in MiB"),
    PROP_BOOL("edid", VgaPci, edid, true, "the display says what it is (EDID)"),
    PROP_U32("xres", VgaPci, xres, 1280, "width in pixels that the display prefers"),
    PROP_U32("yres", VgaPci, yres, 800, "height in pixels that the display prefers"), PROP_END};

#define VGA_PCI_IDS(CLASS, ROM)                                                                    \
    {                                                                                              \
        .vendor = 0x1234, .device = 0x1111, .class_id = (CLASS), .revision = 2,                    \
        .subsystem_vendor = 0x1af4, .subsystem = 0x1100, .romfile = (ROM)                          \
    }
static const PciDeviceOps vga_pci_dev = VGA_PCI_IDS(0x0300, "vgabios-stdvga.bin");
static const PciDeviceOps secondary_pci_dev = VGA_PCI_IDS(0x0380, NULL);
static const PciDeviceOps bochs_pci_dev = VGA_PCI_IDS(0x0380, NULL);

#define VGA_DEVICE_OPS(REALIZE)                                                                    \
    DEVICE_OPS(vga_pci_snapshot, .realize = (REALIZE), .unrealize = vga_pci_unrealize,             \
               .reset = vga_pci_reset, .category = "Display devices", .user_creatable = true)
static const DeviceOps vga_ops = VGA_DEVICE_OPS(vga_realize);
static const DeviceOps secondary_ops = VGA_DEVICE_OPS(secondary_realize);
static const DeviceOps bochs_ops = VGA_DEVICE_OPS(bochs_realize);

QOM_TYPE(vga_pci_type, .name = TYPE_VGA, .parent = TYPE_PCI_DEVICE, .size = sizeof(VgaPci),
         .desc = "standard VGA", .props = vga_pci_props, .dev = &vga_ops, .ops = &vga_pci_dev);
QOM_TYPE(secondary_type, .name = "secondary-vga", .parent = TYPE_PCI_DEVICE, .size = sizeof(VgaPci),
         .desc = "standard VGA without legacy ports, beside another", .props = vga_pci_props,
         .dev = &secondary_ops, .ops = &secondary_pci_dev);
QOM_TYPE(bochs_type, .name = "bochs-display", .parent = TYPE_PCI_DEVICE, .size = sizeof(VgaPci),
         .desc = "linear frame buffer without VGA", .props = vga_pci_props, .dev = &bochs_ops,
         .ops = &bochs_pci_dev);
