/* SPDX-License-Identifier: MIT */
/*
 * What VNC clients are sent.  There is at most one update in the output buffer, so that a viewer that does not read
 * costs nothing more.  Spec: RFC 6143 section 7.6.  Threading: the machine lock, main loop.
 */
#include "rhea/osdep.h"

#include "vnc-client.h"

enum { RECTS_MAX = 256 };

void vnc_client_dirty(VncClient *c, unsigned x, unsigned y, unsigned w, unsigned h)
{
    pixman_region_union_rect(&c->changed, &c->changed, (int)x, (int)y, w, h);
}

void vnc_client_resized(VncClient *c)
{
    pixman_image_t *surface = vnc_surface(c->server);
    unsigned w = (unsigned)pixman_image_get_width(surface);
    unsigned h = (unsigned)pixman_image_get_height(surface);

    if (c->can_resize && (w != c->width || h != c->height)) {
        c->width = w;
        c->height = h;
        c->tell_size = true;
    }
    vnc_client_dirty(c, 0, 0, MIN(w, c->width), MIN(h, c->height));
}

bool vnc_client_looks(const VncClient *c)
{
    return c->ready && !c->dead && c->asked;
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

bool vnc_client_update(VncClient *c)
{
    pixman_image_t *surface = vnc_surface(c->server);
    const pixman_box16_t *boxes;
    int n;

    pixman_region_intersect_rect(&c->changed, &c->changed, 0, 0,
                                 MIN(c->width, (unsigned)pixman_image_get_width(surface)),
                                 MIN(c->height, (unsigned)pixman_image_get_height(surface)));
    simplify(&c->changed);
    boxes = pixman_region_rectangles(&c->changed, &n);
    if (!vnc_client_looks(c) || c->out->len ||
        !(n || c->asked_all || c->tell_size || c->tell_qemu_key)) {
        return false;
    }
    vnc_put_u16(c->out, 0); /* FramebufferUpdate and padding */
    vnc_put_u16(c->out, n + c->tell_size + c->tell_qemu_key);
    if (c->tell_size) {
        vnc_put_rect(c->out, 0, 0, c->width, c->height, VNC_DESKTOP_SIZE);
    }
    if (c->tell_qemu_key) {
        vnc_put_rect(c->out, 0, 0, c->width, c->height, VNC_QEMU_KEY);
    }
    for (int i = 0; i < n; i++) {
        vnc_encode_rect(c->out, surface, &c->format, c->encoding, &boxes[i]);
    }
    pixman_region_fini(&c->changed);
    pixman_region_init(&c->changed);
    c->asked = c->asked_all = c->tell_size = c->tell_qemu_key = false;
    vnc_client_flush(c);
    return true;
}
