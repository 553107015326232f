/* SPDX-License-Identifier: MIT */
/*
 * Virtio GPU, 2D.  Spec: Virtual I/O Device 1.2, section 5.7.
 * Commands are carried out at once, so that fences are signalled with the answer; after a good deal of work
 * what is left in the queue waits, so that others get the lock.
 * Not modelled: 3D, blobs, UUIDs, contexts: their features are not offered, their commands are refused.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "virtio-gpu.h"

#include "canvas.h"
#include "edid.h"
#include "gpu-cursor.h"
#include "gpu-resource.h"
#include "rhea/endian.h"
#include "snapshot/snapshot.h"

enum { F_EDID = 1, EVENT_DISPLAY = 1, CONTROL_QUEUE_SIZE = 256, CURSOR_QUEUE_SIZE = 16 };
enum { C_EVENTS = 0, C_CLEAR = 4, C_SCANOUTS = 8, C_SIZE = 16, MAX_SCANOUTS = 16 };
enum {
    CMD_DISPLAY_INFO = 0x100,
    CMD_CREATE_2D,
    CMD_UNREF,
    CMD_SET_SCANOUT,
    CMD_FLUSH,
    CMD_TRANSFER,
    CMD_ATTACH,
    CMD_DETACH,
    CMD_EDID = 0x10a,
    CMD_UPDATE_CURSOR = 0x300,
    CMD_MOVE_CURSOR
};
enum {
    OK_NODATA = 0x1100,
    OK_DISPLAY_INFO = 0x1101,
    OK_EDID = 0x1104,
    ERR_UNSPEC = 0x1200,
    ERR_MEMORY = 0x1201,
    ERR_SCANOUT = 0x1202,
    ERR_RESOURCE = 0x1203,
    ERR_PARAMETER = 0x1205
};
enum { HEADER_SIZE = 24, FLAG_FENCE = 1, DISPLAY_SIZE = 24, ENTRY_SIZE = 16, EDID_ROOM = 1024 };
/* Bytes that are moved before others get the lock; a command costs some whatever it does. */
enum { WORK_AT_ONCE = 64 * MiB, WORK_OF_COMMAND = 4 * KiB };
/* What viewers see of a scanout that is off. */
enum { OFF_WIDTH = 640, OFF_HEIGHT = 480 };
enum { REQUEST_MAX = HEADER_SIZE + 32, ANSWER_MAX = HEADER_SIZE + 8 + EDID_ROOM };

typedef struct Scanout {
    struct VirtioGpu *gpu;
    Canvas canvas;
    /* guest-visible */
    uint32_t resource; /* 0: none */
    GpuRect rect;      /* of the resource */
    /* host-side: the size that the display has; 0: it is off */
    uint32_t width, height;
} Scanout;

typedef struct VirtioGpu {
    VirtioDevice parent;
    /* properties: fixed once realized */
    uint32_t max_outputs, xres, yres;
    uint64_t max_hostmem;
    bool edid;
    /* wiring: of the VGA in front of the first display; NULL: there is none */
    const ConsoleOps *vga;
    void *vga_opaque;
    /* guest-visible */
    bool native; /* the driver has set a scanout up, and the VGA shows nothing (5.7.7) */
    uint32_t events;
    GHashTable *resources; /* of GpuResource by id */
    Scanout scanouts[MAX_SCANOUTS];
    /* host-side */
    uint64_t hostmem; /* of all resources */
    uint64_t work;    /* bytes moved in this call of a queue's handler */
} VirtioGpu;

/* A command, and the answer to it. */
typedef struct GpuCommand {
    const VirtqElement *e;
    uint8_t request[REQUEST_MAX]; /* zeroes where the guest gave less */
    uint8_t answer[ANSWER_MAX];
    uint32_t answer_len;
} GpuCommand;

/* The command's @n-th word after the header. */
static uint32_t word(const GpuCommand *c, unsigned n)
{
    return ld32_le(c->request + HEADER_SIZE + 4 * n);
}

static GpuRect first_rect(const GpuCommand *c)
{
    return (GpuRect){word(c, 0), word(c, 1), word(c, 2), word(c, 3)};
}

static GpuResource *find_resource(VirtioGpu *s, uint32_t id)
{
    return g_hash_table_lookup(s->resources, GUINT_TO_POINTER(id));
}

/* --- Scanouts --- */

static bool shows_vga(const Scanout *sc)
{
    const VirtioGpu *s = sc->gpu;

    return sc == s->scanouts && s->vga && !s->native;
}

static void scanout_off(Scanout *sc)
{
    sc->resource = 0;
    memset(&sc->rect, 0, sizeof(sc->rect));
    if (!shows_vga(sc)) {
        canvas_black(&sc->canvas, OFF_WIDTH, OFF_HEIGHT);
    }
}

/* Copies what the scanout shows of @rect, which is in the resource's coordinates. */
static void scanout_draw(Scanout *sc, const GpuResource *r, const GpuRect *rect)
{
    uint32_t x0 = MAX(rect->x, sc->rect.x), y0 = MAX(rect->y, sc->rect.y);
    uint32_t x1 = MIN(rect->x + rect->width, sc->rect.x + sc->rect.width);
    uint32_t y1 = MIN(rect->y + rect->height, sc->rect.y + sc->rect.height);

    if (x1 <= x0 || y1 <= y0) {
        return;
    }
    pixman_image_composite32(PIXMAN_OP_SRC, r->image, NULL, sc->canvas.image, (int)x0, (int)y0, 0,
                             0, (int)(x0 - sc->rect.x), (int)(y0 - sc->rect.y), (int)(x1 - x0),
                             (int)(y1 - y0));
    console_dirty(sc->canvas.con, x0 - sc->rect.x, y0 - sc->rect.y, x1 - x0, y1 - y0);
    sc->gpu->work += gpu_resource_bytes(x1 - x0, y1 - y0);
}

/* Surfaces take no more than resources may, whatever the number of scanouts that show one of them. */
static bool surfaces_allow(const VirtioGpu *s, const Scanout *except, const GpuRect *rect)
{
    uint64_t bytes = gpu_resource_bytes(rect->width, rect->height);

    for (unsigned i = 0; i < s->max_outputs; i++) {
        const GpuRect *r = &s->scanouts[i].rect;

        bytes += &s->scanouts[i] == except ? 0 : gpu_resource_bytes(r->width, r->height);
    }
    return bytes <= s->max_hostmem;
}

/* The VGA's picture goes, also where no scanout takes its place. */
static void gpu_go_native(VirtioGpu *s)
{
    if (!s->native) {
        s->native = true;
        if (!s->scanouts[0].resource) {
            scanout_off(&s->scanouts[0]);
        }
    }
}

static bool scanout_show(Scanout *sc, const GpuResource *r, const GpuRect *rect)
{
    if (!surfaces_allow(sc->gpu, sc, rect)) {
        return false;
    }
    gpu_go_native(sc->gpu);
    if (!canvas_try_resize(&sc->canvas, rect->width, rect->height)) {
        return false;
    }
    sc->resource = r->id;
    sc->rect = *rect;
    scanout_draw(sc, r, rect);
    return true;
}

static uint32_t set_scanout(VirtioGpu *s, const GpuCommand *c)
{
    GpuRect rect = first_rect(c);
    uint32_t id = word(c, 4);
    GpuResource *r = find_resource(s, word(c, 5));
    Scanout *sc = &s->scanouts[MIN(id, MAX_SCANOUTS - 1)];

    if (id >= s->max_outputs) {
        return ERR_SCANOUT;
    }
    if (!word(c, 5)) {
        gpu_go_native(s);
        scanout_off(sc);
        return OK_NODATA;
    }
    if (!r) {
        return ERR_RESOURCE;
    }
    if (!gpu_rect_inside(&rect, r->width, r->height)) {
        return ERR_PARAMETER;
    }
    return scanout_show(sc, r, &rect) ? OK_NODATA : ERR_MEMORY;
}

static uint32_t flush(VirtioGpu *s, const GpuCommand *c)
{
    GpuRect rect = first_rect(c);
    GpuResource *r = find_resource(s, word(c, 4));

    if (!r) {
        return ERR_RESOURCE;
    }
    if (!gpu_rect_inside(&rect, r->width, r->height)) {
        return ERR_PARAMETER;
    }
    for (unsigned i = 0; i < s->max_outputs; i++) {
        if (s->scanouts[i].resource == r->id) {
            scanout_draw(&s->scanouts[i], r, &rect);
        }
    }
    return OK_NODATA;
}

/* --- Resources --- */

static uint32_t create_2d(VirtioGpu *s, const GpuCommand *c)
{
    uint32_t id = word(c, 0), width = word(c, 2), height = word(c, 3);
    GpuResource *r;

    if (!id || find_resource(s, id)) {
        return ERR_RESOURCE;
    }
    if (width > GPU_MAX_SIDE || height > GPU_MAX_SIDE) {
        return ERR_PARAMETER;
    }
    if (gpu_resource_cost(width, height, 0) > s->max_hostmem - s->hostmem) {
        return ERR_MEMORY;
    }
    r = gpu_resource_new(id, word(c, 1), width, height);
    if (!r) {
        return ERR_PARAMETER;
    }
    s->hostmem += gpu_resource_cost(width, height, 0);
    s->work += gpu_resource_bytes(width, height);
    g_hash_table_insert(s->resources, GUINT_TO_POINTER(id), r);
    return OK_NODATA;
}

static uint32_t unref(VirtioGpu *s, const GpuCommand *c)
{
    GpuResource *r = find_resource(s, word(c, 0));

    if (!r) {
        return ERR_RESOURCE;
    }
    for (unsigned i = 0; i < s->max_outputs; i++) {
        if (s->scanouts[i].resource == r->id) {
            scanout_off(&s->scanouts[i]);
        }
    }
    s->hostmem -= gpu_resource_cost(r->width, r->height, r->nentries);
    g_hash_table_remove(s->resources, GUINT_TO_POINTER(r->id));
    return OK_NODATA;
}

static uint32_t transfer(VirtioGpu *s, const GpuCommand *c)
{
    GpuRect rect = first_rect(c);
    GpuResource *r = find_resource(s, word(c, 6));

    if (!r || !r->nentries) {
        return ERR_RESOURCE;
    }
    if (!gpu_rect_inside(&rect, r->width, r->height)) {
        return ERR_PARAMETER;
    }
    s->work += gpu_resource_bytes(rect.width, rect.height) + r->nentries * sizeof(GpuEntry);
    gpu_resource_transfer(r, s->parent.as, &rect, ld64_le(c->request + HEADER_SIZE + 16));
    return OK_NODATA;
}

static uint32_t attach(VirtioGpu *s, const GpuCommand *c)
{
    GpuResource *r = find_resource(s, word(c, 0));
    uint32_t n = word(c, 1);
    g_autofree uint8_t *raw = NULL;
    GpuEntry *entries;

    if (!r) {
        return ERR_RESOURCE;
    }
    if (r->nentries || !n || n > GPU_MAX_ENTRIES ||
        c->e->out_len < HEADER_SIZE + 8 + (uint64_t)n * ENTRY_SIZE) {
        return ERR_UNSPEC;
    }
    if ((uint64_t)n * sizeof(GpuEntry) > s->max_hostmem - s->hostmem) {
        return ERR_MEMORY;
    }
    raw = g_malloc((size_t)n * ENTRY_SIZE);
    iov_to_buf(c->e->out, c->e->out_num, HEADER_SIZE + 8, raw, (size_t)n * ENTRY_SIZE);
    entries = g_new0(GpuEntry, n);
    for (uint32_t i = 0; i < n; i++) {
        entries[i].addr = ld64_le(raw + (size_t)i * ENTRY_SIZE);
        entries[i].length = ld32_le(raw + (size_t)i * ENTRY_SIZE + 8);
        if (entries[i].addr > UINT64_MAX - entries[i].length) {
            g_free(entries);
            return ERR_PARAMETER;
        }
    }
    s->hostmem += (uint64_t)n * sizeof(GpuEntry);
    gpu_resource_attach(r, entries, n);
    return OK_NODATA;
}

static uint32_t detach(VirtioGpu *s, const GpuCommand *c)
{
    GpuResource *r = find_resource(s, word(c, 0));

    if (!r || !r->nentries) {
        return ERR_RESOURCE;
    }
    s->hostmem -= (uint64_t)r->nentries * sizeof(GpuEntry);
    gpu_resource_attach(r, NULL, 0);
    return OK_NODATA;
}

/* --- Displays --- */

static uint32_t display_info(VirtioGpu *s, GpuCommand *c)
{
    for (unsigned i = 0; i < s->max_outputs; i++) {
        uint8_t *p = c->answer + HEADER_SIZE + i * DISPLAY_SIZE;

        st32_le(p + 8, s->scanouts[i].width);
        st32_le(p + 12, s->scanouts[i].height);
        st32_le(p + 16, s->scanouts[i].width && s->scanouts[i].height);
    }
    c->answer_len = HEADER_SIZE + MAX_SCANOUTS * DISPLAY_SIZE;
    return OK_DISPLAY_INFO;
}

static uint32_t get_edid(VirtioGpu *s, GpuCommand *c)
{
    uint32_t id = word(c, 0);
    const Scanout *sc = &s->scanouts[MIN(id, MAX_SCANOUTS - 1)];

    if (id >= s->max_outputs || !virtio_has(&s->parent, F_EDID)) {
        return id >= s->max_outputs ? ERR_SCANOUT : ERR_UNSPEC;
    }
    st32_le(c->answer + HEADER_SIZE, EDID_SIZE);
    edid_make(c->answer + HEADER_SIZE + 8, sc->width ? sc->width : s->xres,
              sc->height ? sc->height : s->yres);
    c->answer_len = ANSWER_MAX;
    return OK_EDID;
}

/* Tells the driver to ask again what displays there are (5.7.6.1). */
static void gpu_resize_wish(void *opaque, unsigned width, unsigned height)
{
    Scanout *sc = opaque;
    VirtioGpu *s = sc->gpu;

    width = MIN(width, EDID_MAX_SIDE);
    height = MIN(height, EDID_MAX_SIDE);
    if (sc->width == width && sc->height == height) {
        return;
    }
    sc->width = width;
    sc->height = height;
    s->events |= EVENT_DISPLAY;
    virtio_config_changed(&s->parent);
}

static void gpu_console_update(void *opaque)
{
    const Scanout *sc = opaque;

    if (shows_vga(sc)) {
        sc->gpu->vga->update(sc->gpu->vga_opaque);
    }
}

static void gpu_console_invalidate(void *opaque)
{
    const Scanout *sc = opaque;

    if (shows_vga(sc)) {
        sc->gpu->vga->invalidate(sc->gpu->vga_opaque);
    }
}

static bool gpu_console_text(void *opaque, ConsoleText *text)
{
    const Scanout *sc = opaque;

    return shows_vga(sc) && sc->gpu->vga->text(sc->gpu->vga_opaque, text);
}

static const ConsoleOps gpu_console_ops = {
    .update = gpu_console_update,
    .invalidate = gpu_console_invalidate,
    .text = gpu_console_text,
    .resize_wish = gpu_resize_wish,
};

VirtioGpuDisplay virtio_gpu_display(VirtioDevice *vdev)
{
    const VirtioGpu *s = (VirtioGpu *)vdev;

    return (VirtioGpuDisplay){s->scanouts[0].canvas.con, s->xres, s->yres, s->edid};
}

void virtio_gpu_set_vga(VirtioDevice *vdev, const ConsoleOps *ops, void *opaque)
{
    VirtioGpu *s = (VirtioGpu *)vdev;

    s->vga = ops;
    s->vga_opaque = opaque;
}

/* --- Queues --- */

static uint32_t run(VirtioGpu *s, GpuCommand *c)
{
    switch (ld32_le(c->request)) {
    case CMD_DISPLAY_INFO: return display_info(s, c);
    case CMD_CREATE_2D: return create_2d(s, c);
    case CMD_UNREF: return unref(s, c);
    case CMD_SET_SCANOUT: return set_scanout(s, c);
    case CMD_FLUSH: return flush(s, c);
    case CMD_TRANSFER: return transfer(s, c);
    case CMD_ATTACH: return attach(s, c);
    case CMD_DETACH: return detach(s, c);
    case CMD_EDID: return get_edid(s, c);
    default: return ERR_UNSPEC;
    }
}

static uint32_t answer_command(VirtioGpu *s, const VirtqElement *e)
{
    GpuCommand c = {.e = e, .answer_len = HEADER_SIZE};

    iov_to_buf(e->out, e->out_num, 0, c.request, sizeof(c.request));
    st32_le(c.answer, e->out_len < HEADER_SIZE ? ERR_UNSPEC : run(s, &c));
    if (ld32_le(c.request + 4) & FLAG_FENCE) {
        memcpy(c.answer + 4, c.request + 4, HEADER_SIZE - 4);
    }
    return iov_from_buf(e->in, e->in_num, 0, c.answer, c.answer_len);
}

static uint32_t take_cursor(VirtioGpu *s, const VirtqElement *e)
{
    GpuCommand c = {.e = e};
    uint32_t kind, id;
    Console *con;
    GpuPlace at;

    iov_to_buf(e->out, e->out_num, 0, c.request, sizeof(c.request));
    kind = ld32_le(c.request);
    id = word(&c, 0);
    if (id >= s->max_outputs || (kind != CMD_UPDATE_CURSOR && kind != CMD_MOVE_CURSOR)) {
        return 0;
    }
    con = s->scanouts[id].canvas.con;
    at = (GpuPlace){(int32_t)word(&c, 1), (int32_t)word(&c, 2)};
    if (kind == CMD_UPDATE_CURSOR) {
        const GpuResource *r = find_resource(s, word(&c, 4));
        bool fits = r && r->width == GPU_CURSOR_SIDE && r->height == GPU_CURSOR_SIDE;

        gpu_cursor_update(con, fits ? r->image : NULL, word(&c, 5), word(&c, 6), at);
    } else {
        gpu_cursor_move(con, at);
    }
    return 0; /* there is no answer */
}

static void gpu_handle(VirtQueue *vq, uint32_t (*take)(VirtioGpu *s, const VirtqElement *e))
{
    VirtioGpu *s = (VirtioGpu *)vq->vdev;
    VirtqElement *e;

    s->work = 0;
    while (s->work < WORK_AT_ONCE && (e = vq_pop(vq))) {
        s->work += WORK_OF_COMMAND;
        vq_push(vq, e, take(s, e));
    }
    vq_notify(vq);
    if (s->work >= WORK_AT_ONCE) {
        vq_handle_later(vq);
    }
}

static void gpu_handle_control(VirtioDevice *vdev, VirtQueue *vq)
{
    gpu_handle(vq, answer_command);
}

static void gpu_handle_cursor(VirtioDevice *vdev, VirtQueue *vq)
{
    gpu_handle(vq, take_cursor);
}

/* --- Features, configuration --- */

static uint64_t gpu_features(VirtioDevice *vdev)
{
    return ((VirtioGpu *)vdev)->edid ? VIRTIO_FEATURE(F_EDID) : 0;
}

static void gpu_get_config(VirtioDevice *vdev, uint8_t *buf)
{
    VirtioGpu *s = (VirtioGpu *)vdev;

    st32_le(buf + C_EVENTS, s->events);
    st32_le(buf + C_SCANOUTS, s->max_outputs);
}

static void gpu_set_config(VirtioDevice *vdev, const uint8_t *buf)
{
    ((VirtioGpu *)vdev)->events &= ~ld32_le(buf + C_CLEAR);
}

static const VirtioDeviceOps gpu_virtio_ops = {
    .device_id = VIRTIO_ID_GPU,
    .config_size = C_SIZE,
    .features = gpu_features,
    .get_config = gpu_get_config,
    .set_config = gpu_set_config,
};

/* --- Life --- */

static void gpu_forget(VirtioGpu *s)
{
    for (unsigned i = 0; i < s->max_outputs; i++) {
        scanout_off(&s->scanouts[i]);
        gpu_cursor_forget(s->scanouts[i].canvas.con);
    }
    g_hash_table_remove_all(s->resources);
    s->hostmem = 0;
    s->events = 0;
    s->native = false;
    gpu_console_invalidate(&s->scanouts[0]);
}

static void gpu_reset(Device *dev)
{
    gpu_forget((VirtioGpu *)dev);
}

static bool gpu_realize(Device *dev, Error **errp)
{
    VirtioGpu *s = (VirtioGpu *)dev;

    if (!s->max_outputs || s->max_outputs > MAX_SCANOUTS) {
        return error_fail(errp, "virtio-gpu: property 'max_outputs' must be from 1 to %d",
                          MAX_SCANOUTS);
    }
    if (!s->xres || s->xres > EDID_MAX_SIDE || !s->yres || s->yres > EDID_MAX_SIDE) {
        return error_fail(errp, "virtio-gpu: properties 'xres' and 'yres' must be from 1 to %d",
                          EDID_MAX_SIDE);
    }
    s->resources = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)gpu_resource_free);
    virtio_add_queue(&s->parent, CONTROL_QUEUE_SIZE, gpu_handle_control);
    virtio_add_queue(&s->parent, CURSOR_QUEUE_SIZE, gpu_handle_cursor);
    for (unsigned i = 0; i < s->max_outputs; i++) {
        Scanout *sc = &s->scanouts[i];

        sc->gpu = s;
        sc->canvas.con = console_new(&dev->obj, i, &gpu_console_ops, sc);
        canvas_black(&sc->canvas, OFF_WIDTH, OFF_HEIGHT);
    }
    s->scanouts[0].width = s->xres;
    s->scanouts[0].height = s->yres;
    return true;
}

static void gpu_unrealize(Device *dev)
{
    VirtioGpu *s = (VirtioGpu *)dev;

    for (unsigned i = 0; i < s->max_outputs; i++) {
        console_free(s->scanouts[i].canvas.con);
        canvas_fini(&s->scanouts[i].canvas);
    }
    g_hash_table_destroy(s->resources);
}

/* --- Snapshot --- */

static int by_id(gconstpointer a, gconstpointer b)
{
    uint32_t x = GPOINTER_TO_UINT(a), y = GPOINTER_TO_UINT(b);

    return x < y ? -1 : x > y;
}

static void load_resource(VirtioGpu *s, Snapshot *sn)
{
    GpuResource *r = gpu_resource_snapshot(NULL, sn);
    uint64_t bytes;

    if (!r) {
        return;
    }
    bytes = gpu_resource_cost(r->width, r->height, r->nentries);
    if (!r->id || find_resource(s, r->id) || bytes > s->max_hostmem - s->hostmem) {
        gpu_resource_free(r);
        snap_fail(sn, "virtio-gpu: a resource too many");
        return;
    }
    s->hostmem += bytes;
    g_hash_table_insert(s->resources, GUINT_TO_POINTER(r->id), r);
}

static void snapshot_resources(VirtioGpu *s, Snapshot *sn)
{
    GList *ids = g_list_sort(g_hash_table_get_keys(s->resources), by_id), *next = ids;
    uint32_t n = g_hash_table_size(s->resources);

    snap_u32(sn, &n);
    for (uint32_t i = 0; i < n && snap_ok(sn); i++) {
        if (snap_loading(sn)) {
            load_resource(s, sn);
        } else {
            gpu_resource_snapshot(find_resource(s, GPOINTER_TO_UINT(next->data)), sn);
            next = next->next;
        }
    }
    g_list_free(ids);
}

static void snapshot_scanout(VirtioGpu *s, Scanout *sc, Snapshot *sn)
{
    GpuResource *r;
    GpuRect rect;

    snap_fields(sn, &sc->resource, &sc->rect.x, &sc->rect.y, &sc->rect.width, &sc->rect.height);
    if (!snap_loading(sn)) {
        return;
    }
    r = snap_ok(sn) && sc->resource ? find_resource(s, sc->resource) : NULL;
    rect = sc->rect;
    if (!r || !gpu_rect_inside(&rect, r->width, r->height) || !scanout_show(sc, r, &rect)) {
        if (sc->resource) {
            snap_fail(sn, "virtio-gpu: impossible scanout");
        }
        scanout_off(sc);
    }
}

static void snapshot_mode(VirtioGpu *s, Snapshot *sn)
{
    bool native = s->native;

    snap_bool(sn, &native);
    if (native) {
        gpu_go_native(s);
    }
}

static void gpu_snapshot(Device *dev, Snapshot *sn)
{
    VirtioGpu *s = (VirtioGpu *)dev;

    unsigned version = snap_section(sn, "virtio-gpu", 2);

    if (snap_loading(sn)) {
        gpu_forget(s);
    }
    snap_u32(sn, &s->events);
    snapshot_resources(s, sn);
    for (unsigned i = 0; i < s->max_outputs; i++) {
        snapshot_scanout(s, &s->scanouts[i], sn);
    }
    if (version >= 2) {
        snapshot_mode(s, sn);
    }
    for (unsigned i = 0; version >= 2 && i < s->max_outputs; i++) {
        gpu_cursor_snapshot(s->scanouts[i].canvas.con, sn);
    }
}

static const PropDesc gpu_props[] = {
    PROP_U32("max_outputs", VirtioGpu, max_outputs, 1, "displays, 1 to 16"),
    PROP_SIZE("max_hostmem", VirtioGpu, max_hostmem, 256 * MiB,
              "memory that the guest's pictures may take on the host"),
    PROP_BOOL("edid", VirtioGpu, edid, true, "displays say what they are (EDID)"),
    PROP_U32("xres", VirtioGpu, xres, 1280, "width in pixels of the first display"),
    PROP_U32("yres", VirtioGpu, yres, 800, "height in pixels of the first display"),
    PROP_END};

static const DeviceOps gpu_ops =
    DEVICE_OPS(gpu_snapshot, .realize = gpu_realize, .unrealize = gpu_unrealize, .reset = gpu_reset,
               .category = "Display devices", .user_creatable = true);
QOM_TYPE(gpu_type, .name = "virtio-gpu-device", .parent = TYPE_VIRTIO_DEVICE,
         .size = sizeof(VirtioGpu), .desc = "virtio graphics adapter, 2D", .props = gpu_props,
         .dev = &gpu_ops, .ops = &gpu_virtio_ops);
