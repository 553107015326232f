/* SPDX-License-Identifier: MIT */
/*
 * Virtio GPU with a VGA in front of its first display ("virtio-vga"), in one PCI function.
 * Spec: Virtual I/O Device 1.2, section 5.7.7.  BAR 0 is the VGA's memory; BAR 2 has the VGA's registers in its
 * first page, as those of "VGA" are, and the virtio structures behind them; BAR 4 has the MSI-X table.
 * The VGA is seen until a driver sets a scanout up, and again after a reset.  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/display/vga.h"
#include "hw/virtio/virtio-pci.h"
#include "snapshot/snapshot.h"
#include "vga-card.h"
#include "virtio-gpu.h"

typedef struct VirtioVga {
    VirtioPci vpci;
    VgaCard card;
} VirtioVga;

static void virtio_vga_reset(Device *dev)
{
    vga_card_reset(&dev_state(dev, VirtioVga)->card);
}

static bool virtio_vga_realize(Device *dev, Error **errp)
{
    VirtioVga *s = dev_state(dev, VirtioVga);
    VirtioDevice *gpu = vpci_vdev(&s->vpci);
    VirtioGpuDisplay display = virtio_gpu_display(gpu);
    VgaCard *c = &s->card;

    c->legacy = c->vga_ports = true;
    c->xres = display.width;
    c->yres = display.height;
    c->edid = display.edid;
    if (!vga_card_init(c, &s->vpci.pci, errp)) {
        return false;
    }
    mem_add(&s->vpci.bar, 0, &c->regs);
    pci_register_bar(&s->vpci.pci, 0, PCI_BAR_PREFETCH, &c->vga.vram);
    c->vga.console = vga_console_new_on(&c->vga, display.con);
    virtio_gpu_set_vga(gpu, &vga_console_ops, c->vga.console);
    return true;
}

static void virtio_vga_unrealize(Device *dev)
{
    VirtioVga *s = dev_state(dev, VirtioVga);

    virtio_gpu_set_vga(vpci_vdev(&s->vpci), NULL, NULL);
    vga_console_free(s->card.vga.console);
    s->card.vga.console = NULL;
    vga_card_fini(&s->card);
}

static void virtio_vga_snapshot(Device *dev, Snapshot *sn)
{
    vga_snapshot(&dev_state(dev, VirtioVga)->card.vga, sn);
}

static const PropDesc virtio_vga_props[] = {
    PROP_U32("vgamem_mb", VirtioVga, card.vgamem_mb, 8, "video memory of the VGA in MiB"),
    PROP_END};

static const VirtioPciLayout layout = {
    .modern_bar = 2, .msix_bar = 4, .common = VGA_CARD_REGS_SIZE, .isr = 0x1800};
static const VirtioPciType virtio_vga_pci = {
    .pci = {.vendor = VPCI_VENDOR,
            .device = VPCI_DEVICE_BASE + VIRTIO_ID_GPU,
            .class_id = 0x0300,
            .subsystem_vendor = VPCI_VENDOR,
            .subsystem = VPCI_SUBSYSTEM,
            .revision = VPCI_REVISION,
            .intx = true,
            .romfile = "vgabios-virtio.bin",
            .config_read = vpci_config_read,
            .config_written = vpci_config_written},
    .inner = "virtio-gpu-device",
    .layout = &layout,
    .modes = VIRTIO_MODERN,
};
static const DeviceOps virtio_vga_ops = DEVICE_OPS(
    virtio_vga_snapshot, .realize = virtio_vga_realize, .unrealize = virtio_vga_unrealize,
    .reset = virtio_vga_reset, .category = "Display devices", .user_creatable = true);
QOM_TYPE(virtio_vga_type, .name = TYPE_VIRTIO_VGA, .parent = TYPE_VIRTIO_PCI,
         .size = sizeof(VirtioVga), .desc = "virtio graphics adapter, 2D, with a VGA",
         .props = virtio_vga_props, .dev = &virtio_vga_ops, .ops = &virtio_vga_pci,
         .init = vpci_init, .delegate = "virtio-gpu-device",
         .delegate_offset = offsetof(VirtioPci, inner));
