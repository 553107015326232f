/* SPDX-License-Identifier: MIT */
/*
 * Display devices on PCI.  "VGA": BAR 0 is video memory, BAR 2 has EDID at 0, the VGA ports at 400h and the VBE
 * registers at 500h; the legacy ports and the window at 0xa0000 are there as well.  "secondary-vga" has the BARs
 * only, and "bochs-display" leaves out the VGA ports too: its picture is the VBE mode.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/display/vga.h"
#include "snapshot/snapshot.h"
#include "vga-card.h"

typedef struct VgaPci {
    PciDevice pci;
    VgaCard card;
} VgaPci;

static void vga_pci_reset(Device *dev)
{
    vga_card_reset(&dev_state(dev, VgaPci)->card);
}

static bool vga_pci_realize(VgaPci *s, Error **errp)
{
    if (!vga_card_init(&s->card, &s->pci, errp)) {
        return false;
    }
    pci_register_bar(&s->pci, 0, PCI_BAR_PREFETCH, &s->card.vga.vram);
    pci_register_bar(&s->pci, 2, 0, &s->card.regs);
    s->card.vga.console = vga_console_new(&s->card.vga, &s->pci.dev.obj);
    return true;
}

static bool vga_realize(Device *dev, Error **errp)
{
    VgaPci *s = dev_state(dev, VgaPci);

    s->card.legacy = s->card.vga_ports = true;
    return vga_pci_realize(s, errp);
}

static bool secondary_realize(Device *dev, Error **errp)
{
    VgaPci *s = dev_state(dev, VgaPci);

    s->card.vga_ports = true;
    return vga_pci_realize(s, errp);
}

static bool bochs_realize(Device *dev, Error **errp)
{
    return vga_pci_realize(dev_state(dev, VgaPci), errp);
}

static void vga_pci_unrealize(Device *dev)
{
    VgaPci *s = dev_state(dev, VgaPci);

    vga_console_free(s->card.vga.console);
    s->card.vga.console = NULL;
    vga_card_fini(&s->card);
}

static void vga_pci_snapshot(Device *dev, Snapshot *sn)
{
    vga_snapshot(&dev_state(dev, VgaPci)->card.vga, sn);
}

static const PropDesc vga_pci_props[] = {
    PROP_U32("vgamem_mb", VgaPci, card.vgamem_mb, 16, "video memory in MiB"),
    PROP_BOOL("edid", VgaPci, card.edid, true, "the display says what it is (EDID)"),
    PROP_U32("xres", VgaPci, card.xres, 1280, "width in pixels that the display prefers"),
    PROP_U32("yres", VgaPci, card.yres, 800, "height in pixels that the display prefers"),
    PROP_END};

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
