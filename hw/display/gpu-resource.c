/* SPDX-License-Identifier: MIT */
/*
 * Resources of a virtio GPU.  Spec: Virtual I/O Device 1.2, section 5.7.6.
 * The backing is kept as addresses, and looked up at each transfer: memory may have gone meanwhile.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "gpu-resource.h"

#include "snapshot/snapshot.h"

/* 5.7.6.8: the names give bytes in memory, pixman's give the word. */
static bool pixman_format(uint32_t format, pixman_format_code_t *out)
{
    switch (format) {
    case 1: *out = PIXMAN_a8r8g8b8; return true;
    case 2: *out = PIXMAN_x8r8g8b8; return true;
    case 3: *out = PIXMAN_b8g8r8a8; return true;
    case 4: *out = PIXMAN_b8g8r8x8; return true;
    case 67: *out = PIXMAN_a8b8g8r8; return true;
    case 68: *out = PIXMAN_r8g8b8x8; return true;
    case 121: *out = PIXMAN_r8g8b8a8; return true;
    case 134: *out = PIXMAN_x8b8g8r8; return true;
    default: return false;
    }
}

uint64_t gpu_resource_bytes(uint32_t width, uint32_t height)
{
    return (uint64_t)width * height * GPU_PIXEL;
}

uint64_t gpu_resource_cost(uint32_t width, uint32_t height, uint32_t nentries)
{
    enum { OVERHEAD = 1024 };

    return gpu_resource_bytes(width, height) + OVERHEAD + (uint64_t)nentries * sizeof(GpuEntry);
}

GpuResource *gpu_resource_new(uint32_t id, uint32_t format, uint32_t width, uint32_t height)
{
    pixman_format_code_t code;
    pixman_image_t *image;
    GpuResource *r;

    if (!pixman_format(format, &code) || !width || !height || width > GPU_MAX_SIDE ||
        height > GPU_MAX_SIDE) {
        return NULL;
    }
    image = pixman_image_create_bits(code, (int)width, (int)height, NULL, (int)width * GPU_PIXEL);
    if (!image) {
        return NULL;
    }
    r = g_new0(GpuResource, 1);
    r->id = id;
    r->format = format;
    r->width = width;
    r->height = height;
    r->image = image;
    return r;
}

void gpu_resource_free(GpuResource *r)
{
    pixman_image_unref(r->image);
    g_free(r->entries);
    g_free(r);
}

bool gpu_rect_inside(const GpuRect *r, uint32_t width, uint32_t height)
{
    return r->width && r->height && r->x < width && r->y < height && r->width <= width - r->x &&
           r->height <= height - r->y;
}

void gpu_resource_attach(GpuResource *r, GpuEntry *entries, uint32_t n)
{
    g_free(r->entries);
    r->entries = entries;
    r->nentries = n;
}

/* --- Transfers --- */

/* A place in the backing that only moves on. */
typedef struct Reader {
    const GpuResource *r;
    AddressSpace *as;
    uint32_t entry;
    uint64_t before; /* bytes of the entries before it */
} Reader;

static void copy_guest(AddressSpace *as, uint64_t addr, uint8_t *out, uint64_t len)
{
    while (len) {
        uint64_t n = len;
        const void *p = mem_map(as, addr, &n, false);

        if (!p || !n) {
            return; /* not RAM */
        }
        memcpy(out, p, n);
        mem_unmap(as, (void *)p, n, false, 0);
        addr += n;
        out += n;
        len -= n;
    }
}

static void read_backing(Reader *rd, uint64_t offset, uint8_t *out, uint64_t len)
{
    while (len && rd->entry < rd->r->nentries) {
        const GpuEntry *e = &rd->r->entries[rd->entry];
        uint64_t skip = offset - rd->before, n;

        if (skip >= e->length) {
            rd->before += e->length;
            rd->entry++;
            continue;
        }
        n = MIN(len, e->length - skip);
        copy_guest(rd->as, e->addr + skip, out, n);
        offset += n;
        out += n;
        len -= n;
    }
}

void gpu_resource_transfer(GpuResource *r, AddressSpace *as, const GpuRect *rect, uint64_t offset)
{
    uint64_t stride = (uint64_t)r->width * GPU_PIXEL,
             bytes = gpu_resource_bytes(r->width, r->height);
    uint8_t *data = (uint8_t *)pixman_image_get_data(r->image);
    Reader rd = {.r = r, .as = as};

    if (offset > bytes) {
        return; /* no backing is that large, and sums cannot overflow below */
    }
    for (uint32_t y = 0; y < rect->height; y++) {
        read_backing(&rd, offset + y * stride,
                     data + (rect->y + y) * stride + (uint64_t)rect->x * GPU_PIXEL,
                     (uint64_t)rect->width * GPU_PIXEL);
    }
}

/* --- Snapshot --- */

static void snapshot_entries(GpuResource *r, Snapshot *sn)
{
    uint32_t n = r->nentries;

    snap_u32_max(sn, &n, GPU_MAX_ENTRIES);
    if (snap_loading(sn) && snap_ok(sn)) {
        gpu_resource_attach(r, g_new0(GpuEntry, n), n);
    }
    for (uint32_t i = 0; i < n && snap_ok(sn); i++) {
        snap_fields(sn, &r->entries[i].addr, &r->entries[i].length);
        if (r->entries[i].length > UINT32_MAX ||
            r->entries[i].addr > UINT64_MAX - r->entries[i].length) {
            snap_fail(sn, "virtio-gpu: impossible backing");
        }
    }
}

GpuResource *gpu_resource_snapshot(GpuResource *r, Snapshot *sn)
{
    uint32_t head[4] = {0};

    if (r) {
        head[0] = r->id;
        head[1] = r->format;
        head[2] = r->width;
        head[3] = r->height;
    }
    snap_u32_array(sn, head, G_N_ELEMENTS(head));
    if (!r && snap_ok(sn)) {
        r = gpu_resource_new(head[0], head[1], head[2], head[3]);
        if (!r) {
            snap_fail(sn, "virtio-gpu: impossible resource");
        }
    }
    if (r) {
        snap_bytes(sn, pixman_image_get_data(r->image), gpu_resource_bytes(r->width, r->height));
        snapshot_entries(r, sn);
    }
    return r;
}
