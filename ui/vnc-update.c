/* SPDX-License-Identifier: MIT */
/*
 * What VNC clients are sent: pixels that have changed, and news of the screen's size, the pointer and the keyboard.
 * There is at most one update at a time, so that a viewer that does not read costs nothing more.  An update is made
 * from a copy of the screen, by a thread of its own unless it is small: compressing holds nobody up.
 * Specs: RFC 6143 sections 7.6 and 7.8; the community's RFB document for ExtendedDesktopSize and QEMU's extensions.
 * Threading: the machine lock, main loop, but for job_encode().
 */
#include "rhea/osdep.h"

#include "ui/input.h"
#include "vnc-client.h"

enum { RECTS_MAX = 256, SMALL_PIXELS = 16 * 1024, THREADS_MAX = 4 };

/* An update on its way. */
struct VncJob {
    VncClient *client; /* NULL: it has gone; the encoder is ours then */
    VncEncoder *encoder;
    VncSettings settings;
    GByteArray *out; /* the message, as far as it is made */
    unsigned rects;
    pixman_box16_t *boxes;
    unsigned n_boxes;
    uint32_t *pixels; /* of the boxes, one after the other, without gaps */
};

/* --- What there is to tell --- */

void vnc_client_dirty(VncClient *c, unsigned x, unsigned y, unsigned w, unsigned h)
{
    pixman_region_union_rect(&c->changed, &c->changed, (int)x, (int)y, w, h);
}

void vnc_client_resized(VncClient *c)
{
    pixman_image_t *surface = vnc_surface(c->server);
    unsigned w = (unsigned)pixman_image_get_width(surface);
    unsigned h = (unsigned)pixman_image_get_height(surface);

    if ((c->can_resize || c->can_wish_size) && (w != c->width || h != c->height)) {
        c->width = w;
        c->height = h;
        c->tell |= VNC_TELL_SIZE;
    }
    vnc_client_dirty(c, 0, 0, MIN(w, c->width), MIN(h, c->height));
}

/* The part of the screen that shows the pointer to clients that do not draw it themselves. */
static void dirty_pointer(VncClient *c)
{
    int x = MAX(c->pointer_box.x1, 0), y = MAX(c->pointer_box.y1, 0);

    if (c->pointer_box.x2 > x && c->pointer_box.y2 > y) {
        vnc_client_dirty(c, x, y, c->pointer_box.x2 - x, c->pointer_box.y2 - y);
    }
}

void vnc_client_cursor(VncClient *c, bool new_image)
{
    const ConsoleCursor *cursor = vnc_cursor(c->server);
    bool visible = cursor && cursor->image && cursor->visible;

    if (c->can_cursor || c->can_alpha_cursor) {
        if (new_image ? cursor && cursor->image : visible != c->shows_cursor) {
            c->tell |= VNC_TELL_CURSOR;
        }
        return;
    }
    dirty_pointer(c);
    c->pointer_box = vnc_cursor_box(cursor);
    dirty_pointer(c);
}

bool vnc_client_looks(const VncClient *c)
{
    return c->ready && !c->dead && (c->asked || c->continuous);
}

/* Many small rectangles are dearer than the pixels between them. */
static void simplify(pixman_region16_t *region)
{
    if (pixman_region_n_rects(region) > RECTS_MAX) {
        pixman_box16_t all = *pixman_region_extents(region);

        pixman_region_fini(region);
        pixman_region_init_with_extents(region, &all);
    }
}

/* --- Jobs --- */

static void job_free(VncJob *job)
{
    g_byte_array_unref(job->out);
    g_free(job->boxes);
    g_free(job->pixels);
    g_free(job);
}

static unsigned box_pixels(const pixman_box16_t *box)
{
    return (unsigned)(box->x2 - box->x1) * (unsigned)(box->y2 - box->y1);
}

static void job_encode(VncJob *job)
{
    const uint32_t *pixels = job->pixels;

    for (unsigned i = 0; i < job->n_boxes; i++) {
        const pixman_box16_t *box = &job->boxes[i];
        VncPixels px = {.data = pixels, .w = box->x2 - box->x1, .h = box->y2 - box->y1};

        px.stride = px.w;
        job->rects += vnc_encode(job->encoder, &job->settings, job->out, box->x1, box->y1, &px);
        pixels += box_pixels(box);
    }
    job->out->data[2] = job->rects >> 8;
    job->out->data[3] = job->rects;
}

static gboolean job_done(gpointer opaque)
{
    VncJob *job = opaque;
    VncClient *c = job->client;

    if (c) {
        c->job = NULL;
        g_byte_array_append(c->out, job->out->data, job->out->len);
        vnc_client_flush(c);
    } else {
        vnc_encoder_free(job->encoder);
    }
    job_free(job);
    if (c && !c->out->len) {
        vnc_client_update(c);
    }
    return G_SOURCE_REMOVE;
}

static void job_thread(gpointer opaque, gpointer unused)
{
    job_encode(opaque);
    g_idle_add_full(G_PRIORITY_DEFAULT, job_done, opaque, NULL);
}

static void job_start(VncJob *job)
{
    static GThreadPool *pool;

    if (!pool) {
        pool = g_thread_pool_new(job_thread, NULL, THREADS_MAX, false, NULL);
    }
    g_thread_pool_push(pool, job, NULL);
}

void vnc_client_drop_job(VncClient *c)
{
    if (c->job) {
        c->job->client = NULL;
    } else {
        vnc_encoder_free(c->encoder);
    }
}

/* --- Pixels --- */

/* A client that draws no pointer has it in its picture. */
static void draw_pointer(VncClient *c, const pixman_box16_t *box, uint32_t *pixels)
{
    const ConsoleCursor *cursor = vnc_cursor(c->server);
    const pixman_box16_t *p = &c->pointer_box;
    int w = box->x2 - box->x1, h = box->y2 - box->y1;
    pixman_image_t *part;

    if (c->can_cursor || c->can_alpha_cursor || !cursor || p->x1 >= box->x2 || p->x2 <= box->x1 ||
        p->y1 >= box->y2 || p->y2 <= box->y1) {
        return;
    }
    part = pixman_image_create_bits(PIXMAN_x8r8g8b8, w, h, pixels, w * (int)sizeof(*pixels));
    pixman_image_composite32(PIXMAN_OP_OVER, cursor->image, NULL, part, 0, 0, 0, 0, p->x1 - box->x1,
                             p->y1 - box->y1, p->x2 - p->x1, p->y2 - p->y1);
    pixman_image_unref(part);
}

static void copy_box(VncClient *c, pixman_image_t *surface, const pixman_box16_t *box,
                     uint32_t *pixels)
{
    const uint8_t *base = (const uint8_t *)pixman_image_get_data(surface);
    size_t stride = pixman_image_get_stride(surface);
    unsigned w = box->x2 - box->x1, n = box_pixels(box);

    for (int y = box->y1; y < box->y2; y++) {
        memcpy(pixels + (size_t)(y - box->y1) * w, base + y * stride + 4 * (size_t)box->x1, 4 * w);
    }
    draw_pointer(c, box, pixels);
    for (unsigned i = 0; i < n; i++) {
        pixels[i] &= 0xffffff;
    }
}

/* The number of pixels; 0 without boxes when memory is short, and the client tries again later. */
static size_t copy_changed(VncClient *c, VncJob *job)
{
    pixman_image_t *surface = vnc_surface(c->server);
    int n;
    const pixman_box16_t *boxes = pixman_region_rectangles(&c->changed, &n);
    size_t total = 0, at = 0;

    for (int i = 0; i < n; i++) {
        total += box_pixels(&boxes[i]);
    }
    job->pixels = g_try_new(uint32_t, total);
    if (!job->pixels) {
        return 0;
    }
    job->n_boxes = n;
    job->boxes = g_memdup2(boxes, n * sizeof(*boxes));
    for (int i = 0; i < n; i++) {
        copy_box(c, surface, &boxes[i], job->pixels + at);
        at += box_pixels(&boxes[i]);
    }
    pixman_region_fini(&c->changed);
    pixman_region_init(&c->changed);
    return total;
}

/* --- News --- */

static void put_size(VncClient *c, GByteArray *out)
{
    enum { SCREENS = 1, PADDING = 3 };
    static const uint8_t padding[PADDING];

    if (!c->can_wish_size) {
        vnc_put_rect(out, 0, 0, c->width, c->height, VNC_DESKTOP_SIZE);
        return;
    }
    vnc_put_rect(out, c->size_reason, c->size_status, c->width, c->height, VNC_EXT_DESKTOP_SIZE);
    vnc_put_u8(out, SCREENS);
    g_byte_array_append(out, padding, PADDING);
    vnc_put_u32(out, 0); /* its id */
    vnc_put_u16(out, 0);
    vnc_put_u16(out, 0);
    vnc_put_u16(out, c->width);
    vnc_put_u16(out, c->height);
    vnc_put_u32(out, 0); /* flags */
    c->size_reason = c->size_status = 0;
}

/* Rectangles without pixels of the screen. */
static unsigned put_news(VncClient *c, GByteArray *out)
{
    unsigned n = 0;

    if (c->tell & VNC_TELL_SIZE) {
        put_size(c, out);
        n++;
    }
    if (c->tell & VNC_TELL_QEMU_KEY) {
        vnc_put_rect(out, 0, 0, c->width, c->height, VNC_QEMU_KEY);
        n++;
    }
    if (c->tell & VNC_TELL_POINTER) {
        c->relative = !input_is_absolute();
        vnc_put_rect(out, !c->relative, 0, c->width, c->height, VNC_QEMU_POINTER);
        n++;
    }
    if (c->tell & VNC_TELL_CURSOR) {
        const ConsoleCursor *cursor = vnc_cursor(c->server);

        c->shows_cursor = cursor && cursor->image && cursor->visible;
        vnc_put_cursor(out, &c->settings.format, c->can_alpha_cursor,
                       c->shows_cursor ? cursor : NULL);
        n++;
    }
    c->tell = 0;
    return n;
}

bool vnc_client_update(VncClient *c)
{
    pixman_image_t *surface = vnc_surface(c->server);
    VncJob *job;

    pixman_region_intersect_rect(&c->changed, &c->changed, 0, 0,
                                 MIN(c->width, (unsigned)pixman_image_get_width(surface)),
                                 MIN(c->height, (unsigned)pixman_image_get_height(surface)));
    simplify(&c->changed);
    if (!vnc_client_looks(c) || c->out->len || c->job ||
        !(pixman_region_not_empty(&c->changed) || c->asked_all || c->tell)) {
        return false;
    }
    job = g_new0(VncJob, 1);
    job->client = c;
    job->encoder = c->encoder;
    job->settings = c->settings;
    job->out = g_byte_array_new();
    vnc_put_u16(job->out, 0); /* FramebufferUpdate and padding */
    vnc_put_u16(job->out, 0); /* the number of rectangles, when they are known */
    job->rects = put_news(c, job->out);
    c->asked = c->asked_all = false;
    c->job = job;
    if (copy_changed(c, job) > SMALL_PIXELS && c->settings.encoding != VNC_RAW) {
        job_start(job);
    } else {
        job_encode(job);
        job_done(job);
    }
    return true;
}
