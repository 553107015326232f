/* SPDX-License-Identifier: MIT */
/*
 * A frame buffer in the guest's RAM ("ramfb").  Firmware says where it is by writing the fw_cfg file "etc/ramfb",
 * all big-endian: address (64 bits), format as DRM's FourCC, flags, width, height and stride (32 bits each); see
 * Linux, include/uapi/drm/drm_fourcc.h.  On a PC its VGA BIOS comes through fw_cfg too.
 * What was written is looked at when the picture is: the memory need not be there any more.
 * Threading: the machine lock, main loop.
 */
#include "rhea/osdep.h"

#include "canvas.h"
#include "dirty-pages.h"
#include "hw/firmware/boot-image.h"
#include "hw/firmware/fw-cfg.h"
#include "hw/machine.h"
#include "pixels.h"
#include "rhea/endian.h"
#include "snapshot/snapshot.h"

#define FILE_NAME "etc/ramfb"
#define ROM_NAME  "vgabios-ramfb.bin"

enum {
    AT_ADDR = 0,
    AT_FORMAT = 8,
    AT_WIDTH = 16,
    AT_HEIGHT = 20,
    AT_STRIDE = 24,
    CONFIG_SIZE = 28
};
enum { MAX_SIDE = 16384, ROM_MAX = 256 * 1024 };

typedef struct Ramfb {
    Device dev;
    /* guest-visible */
    uint8_t config[CONFIG_SIZE];
    /* host-side */
    Canvas canvas;
    bool drawn; /* as config says */
    DirtyPages dirty;
    uint32_t *line;
} Ramfb;

/* What config says, checked. */
typedef struct Frame {
    uint64_t addr, stride, bytes;
    uint32_t width, height;
    PixelFormat format;
} Frame;

static bool format_by_fourcc(uint32_t fourcc, PixelFormat *out)
{
    static const struct {
        char name[5];
        uint8_t format;
    } formats[] = {{"XR24", PIXELS_XRGB8888},
                   {"AR24", PIXELS_XRGB8888},
                   {"RG24", PIXELS_RGB888},
                   {"RG16", PIXELS_RGB565},
                   {"XR15", PIXELS_XRGB1555}};

    for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (ld32_le(formats[i].name) == fourcc) {
            *out = formats[i].format;
            return true;
        }
    }
    return false;
}

static bool frame_of_config(const Ramfb *s, Frame *f)
{
    uint64_t line;

    f->addr = ld64_be(s->config + AT_ADDR);
    f->width = ld32_be(s->config + AT_WIDTH);
    f->height = ld32_be(s->config + AT_HEIGHT);
    f->stride = ld32_be(s->config + AT_STRIDE);
    if (!f->width || f->width > MAX_SIDE || !f->height || f->height > MAX_SIDE ||
        !format_by_fourcc(ld32_be(s->config + AT_FORMAT), &f->format)) {
        return false;
    }
    line = (uint64_t)f->width * pixels_bytes(f->format);
    f->stride = f->stride ? f->stride : line;
    f->bytes = f->stride * (f->height - 1) + line;
    return f->stride >= line;
}

/* --- Drawing --- */

static void draw(Ramfb *s, const Frame *f, const uint8_t *host, uint64_t ram_offset, bool all)
{
    uint64_t line = (uint64_t)f->width * pixels_bytes(f->format);

    for (uint32_t y = 0; y < f->height; y++) {
        uint64_t at = y * f->stride;

        if (all || dirty_pages_touch(&s->dirty, ram_offset + at, line)) {
            pixels_convert(f->format, NULL, host + at, s->line, f->width);
            canvas_put_line(&s->canvas, y, s->line);
        }
    }
    canvas_flush(&s->canvas);
}

static void ramfb_update(void *opaque)
{
    Ramfb *s = opaque;
    bool all = !s->drawn, touched;
    MemSection at;
    Frame f;

    if (!frame_of_config(s, &f) || !mem_lookup(s->dev.machine->memory, f.addr, &at) || !at.ram ||
        at.len < f.bytes) {
        return;
    }
    if (all) {
        if (!canvas_try_resize(&s->canvas, f.width, f.height)) {
            return;
        }
        s->line = g_renew(uint32_t, s->line, f.width);
    }
    ram_block_get(at.ram); /* taking the pages lets go of the lock */
    s->drawn = true;
    touched = dirty_pages_take(&s->dirty, at.ram, at.ram_offset, f.bytes);
    if (s->drawn && (all || touched)) {
        draw(s, &f, at.ram->host + at.ram_offset, at.ram_offset, all);
    }
    ram_block_put(at.ram);
}

static void ramfb_invalidate(void *opaque)
{
    ((Ramfb *)opaque)->drawn = false;
}

static const ConsoleOps ramfb_console_ops = {.update = ramfb_update,
                                             .invalidate = ramfb_invalidate};

/* --- fw_cfg --- */

static GBytes *ramfb_build(void *opaque)
{
    return g_bytes_new(((Ramfb *)opaque)->config, CONFIG_SIZE);
}

static void ramfb_store(void *opaque, const uint8_t *data)
{
    Ramfb *s = opaque;

    memcpy(s->config, data, CONFIG_SIZE);
    s->drawn = false;
}

/* A machine with I/O ports has a BIOS that runs VGA BIOSes. */
static bool add_rom(Device *fw_cfg, Error **errp)
{
    g_autofree char *path = boot_find_firmware(ROM_NAME);
    g_autoptr(GBytes) data = NULL;

    if (!path) {
        return true;
    }
    data = boot_read_raw("ramfb", path, ROM_MAX, errp);
    return data && fw_cfg_add_file(fw_cfg, "vgaroms/" ROM_NAME, data, errp);
}

/* --- Life --- */

static void ramfb_reset(Device *dev)
{
    Ramfb *s = dev_state(dev, Ramfb);

    memset(s->config, 0, CONFIG_SIZE);
    s->drawn = false;
}

static bool ramfb_realize(Device *dev, Error **errp)
{
    enum { WIDTH = 640, HEIGHT = 480 };
    Ramfb *s = dev_state(dev, Ramfb);
    Device *fw_cfg = (Device *)qom_first(&dev->machine->obj, TYPE_FW_CFG);

    if (!fw_cfg) {
        return error_fail(errp, "ramfb: the machine has no fw_cfg");
    }
    if (!fw_cfg_add_writable_file(fw_cfg, FILE_NAME, ramfb_build, ramfb_store, s, errp) ||
        (dev->machine->system_io && !add_rom(fw_cfg, errp))) {
        return false;
    }
    ram_track(DIRTY_DISPLAY, true);
    s->canvas.con = console_new(&dev->obj, 0, &ramfb_console_ops, s);
    canvas_black(&s->canvas, WIDTH, HEIGHT);
    return true;
}

static void ramfb_unrealize(Device *dev)
{
    Ramfb *s = dev_state(dev, Ramfb);

    console_free(s->canvas.con);
    canvas_fini(&s->canvas);
    dirty_pages_fini(&s->dirty);
    g_clear_pointer(&s->line, g_free);
}

static void ramfb_snapshot(Device *dev, Snapshot *sn)
{
    Ramfb *s = dev_state(dev, Ramfb);

    snap_section(sn, "ramfb", 1);
    snap_bytes(sn, s->config, CONFIG_SIZE);
    s->drawn = s->drawn && !snap_loading(sn);
}

static const DeviceOps ramfb_ops =
    DEVICE_OPS(ramfb_snapshot, .realize = ramfb_realize, .unrealize = ramfb_unrealize,
               .reset = ramfb_reset, .category = "Display devices", .user_creatable = true);
QOM_TYPE(ramfb_type, .name = "ramfb", .parent = TYPE_DEVICE, .size = sizeof(Ramfb),
         .desc = "frame buffer in RAM that firmware sets up", .dev = &ramfb_ops);
