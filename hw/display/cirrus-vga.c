/* SPDX-License-Identifier: MIT */
/*
 * Cirrus Logic CL-GD5446 on PCI ("cirrus-vga").  Spec: Cirrus Logic, CL-GD5446 Technical Reference Manual.
 * A VGA with packed modes of 8 to 32 bits, a linear frame buffer, a pointer of 32 or 64 pixels and a BLT engine.
 * The pointer is part of the picture, as the card's signal has it.
 * Not modelled: the video window, DDC, interlace, and what the other files say.  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/display/vga.h"
#include "cirrus-int.h"
#include "pixels.h"
#include "rhea/bits.h"
#include "rhea/endian.h"
#include "snapshot/snapshot.h"
#include "vga-screen.h"

enum { VENDOR = 0x1013, DEVICE = 0x00b8, VRAM_MIN_MB = 2, VRAM_MAX_MB = 16 };
enum { CR_OFFSET = 0x13, CR_EXTENDED = 0x1b, CR_START_HIGH = 0x1d };
enum {
    EXTENDED_START_16 = 0x01,
    EXTENDED_WRAP = 0x02,
    EXTENDED_START_17 = 0x0c,
    EXTENDED_PITCH = 0x10
};
enum { WIDTH_8 = 0, WIDTH_24 = 4, WIDTH_32 = 8 };
enum { HIDDEN_EXTENDED = 0xc0, HIDDEN_KIND = 0x0f, HIDDEN_565 = 1 };
enum { CURSOR_MEMORY = 16 * KiB, CURSOR_MAP = 256 };

static const Cirrus *of_vga(const Vga *vga)
{
    return container_of(container_of(vga, const VgaCard, vga), const Cirrus, card);
}

/* --- The picture --- */

/* Sixteen bits are five for each colour unless the hidden register says otherwise. */
static PixelFormat packed_format(const Cirrus *s)
{
    bool extended = (s->hidden_dac & HIDDEN_EXTENDED) == HIDDEN_EXTENDED;

    switch (s->sr[SR_MODE] & SR_MODE_WIDTH) {
    case WIDTH_8: return PIXELS_INDEX8;
    case WIDTH_24: return PIXELS_RGB888;
    case WIDTH_32: return PIXELS_XRGB8888;
    default:
        return extended && (s->hidden_dac & HIDDEN_KIND) == HIDDEN_565 ? PIXELS_RGB565
                                                                       : PIXELS_XRGB1555;
    }
}

/* The CRTC counts doublewords, with more bits than a VGA's has. */
static uint32_t start_address(const Cirrus *s, uint32_t start)
{
    uint8_t high = s->cr[CR_EXTENDED];

    return start | (high & EXTENDED_START_16) << 16 | (high & EXTENDED_START_17) << 15 |
           (s->cr[CR_START_HIGH] & 0x80u) << 12;
}

static void cirrus_screen(const Vga *vga, VgaScreen *out)
{
    const Cirrus *s = of_vga(vga);
    uint32_t pitch = vga->crtc[CR_OFFSET] | (s->cr[CR_EXTENDED] & EXTENDED_PITCH) << 4;
    VgaScreen sc = {.width = out->width, .height = out->height};

    if (out->kind == VGA_BLANK || out->kind == VGA_TEXT) {
        return;
    }
    if (!cirrus_packed(s)) {
        out->start = start_address(s, out->start);
        out->pitch = pitch * 2;
        if (s->cr[CR_EXTENDED] & EXTENDED_WRAP) {
            out->address_mask = vga->vram_size / 4 - 1;
        }
        return;
    }
    sc.kind = VGA_LINEAR;
    sc.width = out->chars * 8;
    sc.height = MAX(out->height / (out->row_lines * out->line_repeat), 1);
    sc.format = packed_format(s);
    sc.linear_start = 4 * (uint64_t)start_address(s, out->start) & (vga->vram_size - 1);
    sc.linear_pitch = 8 * (uint64_t)pitch;
    *out = sc;
}

/* --- The pointer --- */

static uint32_t cursor_rgb(const Cirrus *s, unsigned index)
{
    const uint8_t *c = s->cursor_palette + 3 * index;
    uint32_t v = 0;

    for (unsigned i = 0; i < 3; i++) {
        v = v << 8 | c[i] << 2 | c[i] >> 4;
    }
    return v;
}

/* Patterns of 64 pixels have the planes' lines by turns, those of 32 pixels have one plane behind the other. */
static void cursor_planes(const Cirrus *s, VgaPointer *out)
{
    const uint8_t *vram = s->card.vga.vram.ram->host + s->card.vga.vram_size - CURSOR_MEMORY;
    unsigned map = s->sr[SR_CURSOR_PATTERN] & (out->side == 64 ? 0x3c : 0x3f);
    const uint8_t *p = vram + map * CURSOR_MAP;

    for (unsigned y = 0; y < out->side; y++) {
        for (unsigned plane = 0; plane < 2; plane++) {
            out->planes[plane][y] = out->side == 64
                                        ? ld64_be(p + 16 * y + 8 * plane)
                                        : (uint64_t)ld32_be(p + 128 * plane + 4 * y) << 32;
        }
    }
}

static void cirrus_pointer(const Vga *vga, VgaPointer *out)
{
    const Cirrus *s = of_vga(vga);

    if (!(s->sr[SR_CURSOR] & SR_CURSOR_ON)) {
        return;
    }
    out->side = s->sr[SR_CURSOR] & SR_CURSOR_64 ? 64 : 32;
    out->x = s->sr[SR_CURSOR_X] << 3 | s->cursor_low[0];
    out->y = s->sr[SR_CURSOR_Y] << 3 | s->cursor_low[1];
    out->colours[0] = cursor_rgb(s, 0);
    out->colours[1] = cursor_rgb(s, 15);
    cursor_planes(s, out);
}

static const VgaExtension cirrus_extension = {.screen = cirrus_screen, .pointer = cirrus_pointer};

/* --- Life --- */

static void cirrus_reset(Device *dev)
{
    Cirrus *s = dev_state(dev, Cirrus);

    vga_reset_regs(&s->card.vga);
    cirrus_reset_regs(s);
}

static bool cirrus_realize(Device *dev, Error **errp)
{
    Cirrus *s = dev_state(dev, Cirrus);
    Vga *vga = &s->card.vga;

    if (s->card.vgamem_mb < VRAM_MIN_MB || s->card.vgamem_mb > VRAM_MAX_MB) {
        return error_fail(errp, "%s: property 'vgamem_mb' must be a power of two from %d to %d",
                          dev->obj.type->name, VRAM_MIN_MB, VRAM_MAX_MB);
    }
    s->card.pci = &s->pci;
    s->card.legacy = s->card.vga_ports = true;
    if (!vga_card_init_memory(&s->card, errp)) {
        return false;
    }
    vga->clock = device_clock(dev);
    vga->extension = &cirrus_extension;
    vga_card_map_legacy(&s->card, &cirrus_ports_ops, &cirrus_window_ops);
    cirrus_init_memory(s);
    pci_register_bar(&s->pci, 0, PCI_BAR_PREFETCH, &s->linear);
    pci_register_bar(&s->pci, 1, 0, &s->mmio);
    vga->console = vga_console_new(vga, &dev->obj);
    return true;
}

static void cirrus_unrealize(Device *dev)
{
    Cirrus *s = dev_state(dev, Cirrus);

    vga_console_free(s->card.vga.console);
    s->card.vga.console = NULL;
    vga_card_fini(&s->card);
}

static void cirrus_snapshot(Device *dev, Snapshot *sn)
{
    Cirrus *s = dev_state(dev, Cirrus);

    vga_snapshot(&s->card.vga, sn);
    cirrus_snapshot_regs(s, sn);
}

static void cirrus_after_load(Device *dev)
{
    cirrus_update_overlay(dev_state(dev, Cirrus));
}

static const PropDesc cirrus_props[] = {
    PROP_U32("vgamem_mb", Cirrus, card.vgamem_mb, 4, "video memory in MiB, 2 to 16"), PROP_END};

static const PciDeviceOps cirrus_pci = {.vendor = VENDOR,
                                        .device = DEVICE,
                                        .class_id = 0x0300,
                                        .subsystem_vendor = 0x1af4,
                                        .subsystem = 0x1100,
                                        .romfile = "vgabios-cirrus.bin"};
static const DeviceOps cirrus_ops =
    DEVICE_OPS(cirrus_snapshot, .realize = cirrus_realize, .unrealize = cirrus_unrealize,
               .reset = cirrus_reset, .after_load = cirrus_after_load,
               .category = "Display devices", .user_creatable = true);
QOM_TYPE(cirrus_type, .name = TYPE_CIRRUS_VGA, .parent = TYPE_PCI_DEVICE, .size = sizeof(Cirrus),
         .desc = "Cirrus Logic CL-GD5446 graphics card", .props = cirrus_props, .dev = &cirrus_ops,
         .ops = &cirrus_pci);
