/* SPDX-License-Identifier: MIT */
/*
 * Virtio memory balloon.  Spec: Virtual I/O Device 1.2, section 5.5.
 * Models inflate, deflate and free page reporting: pages that the guest gives up are returned to the
 * host.  Not modelled: statistics, page poisoning, free page hints.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "hw/virtio/virtio-balloon.h"
#include "hw/virtio/virtio.h"
#include "rhea/bits.h"
#include "rhea/endian.h"
#include "snapshot/snapshot.h"
#include "softmmu/runstate.h"

enum { F_DEFLATE_ON_OOM = 2, F_REPORTING = 5 };
enum { CONFIG_SIZE = 16, C_NUM_PAGES = 0, C_ACTUAL = 4, PAGE_SHIFT = 12 };

typedef struct VirtioBalloon {
    VirtioDevice parent;
    /* properties: fixed once realized */
    bool deflate_on_oom, free_page_reporting;
    /* guest-visible: all of it is in balloon_snapshot */
    uint32_t num_pages, actual;
} VirtioBalloon;

/* Gives the host's memory behind a page of the guest back. */
static void drop_page(VirtioBalloon *s, GuestPA pa)
{
    uint64_t len = 1 << PAGE_SHIFT;
    void *host = mem_map(s->parent.as, pa, &len, true);

    if (host) {
        mem_discard(host, len);
        mem_unmap(s->parent.as, host, len, true, 0);
    }
}

static void balloon_inflate(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtqElement *e;

    while ((e = vq_pop(vq))) {
        for (size_t at = 0; at + 4 <= e->out_len; at += 4) {
            uint8_t raw[4];

            iov_to_buf(e->out, e->out_num, at, raw, sizeof(raw));
            drop_page((VirtioBalloon *)vdev, (GuestPA)ld32_le(raw) << PAGE_SHIFT);
        }
        vq_push(vq, e, 0);
        vq_notify(vq);
    }
}

/* Deflated pages come back on first use: nothing to do but to answer. */
static void balloon_deflate(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtqElement *e;

    while ((e = vq_pop(vq))) {
        vq_push(vq, e, 0);
        vq_notify(vq);
    }
}

/* Reported pages are the buffers themselves (5.5.6.7). */
static void balloon_report(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtqElement *e;

    while ((e = vq_pop(vq))) {
        for (unsigned i = 0; i < e->in_num; i++) {
            mem_discard(e->in[i].iov_base, e->in[i].iov_len);
        }
        vq_push(vq, e, 0);
        vq_notify(vq);
    }
}

uint64_t virtio_balloon_actual(Device *dev)
{
    VirtioBalloon *s = (VirtioBalloon *)dev;

    return dev->machine->ram_size - MIN((uint64_t)s->actual << PAGE_SHIFT, dev->machine->ram_size);
}

void virtio_balloon_set_target(Device *dev, uint64_t bytes)
{
    VirtioBalloon *s = (VirtioBalloon *)dev;
    uint64_t ram = dev->machine->ram_size;

    s->num_pages = (ram - MIN(bytes, ram)) >> PAGE_SHIFT;
    virtio_config_changed(&s->parent);
}

/* --- Features, configuration, life --- */

static uint64_t balloon_features(VirtioDevice *vdev)
{
    VirtioBalloon *s = (VirtioBalloon *)vdev;
    uint64_t f = s->deflate_on_oom ? VIRTIO_FEATURE(F_DEFLATE_ON_OOM) : 0;

    return f | (s->free_page_reporting ? VIRTIO_FEATURE(F_REPORTING) : 0);
}

static void balloon_get_config(VirtioDevice *vdev, uint8_t *buf)
{
    VirtioBalloon *s = (VirtioBalloon *)vdev;

    st32_le(buf + C_NUM_PAGES, s->num_pages);
    st32_le(buf + C_ACTUAL, s->actual);
}

static void balloon_set_config(VirtioDevice *vdev, const uint8_t *buf)
{
    VirtioBalloon *s = (VirtioBalloon *)vdev;
    g_autofree char *data = NULL;

    if (s->actual == ld32_le(buf + C_ACTUAL)) {
        return;
    }
    s->actual = ld32_le(buf + C_ACTUAL);
    data = g_strdup_printf("{\"actual\": %" PRIu64 "}", virtio_balloon_actual(&vdev->dev));
    event_emit_limited("BALLOON_CHANGE", "balloon", data);
}

static void balloon_reset(Device *dev)
{
    VirtioBalloon *s = (VirtioBalloon *)dev;

    s->actual = 0;
}

static bool balloon_realize(Device *dev, Error **errp)
{
    VirtioBalloon *s = (VirtioBalloon *)dev;

    virtio_add_queue(&s->parent, 128, balloon_inflate);
    virtio_add_queue(&s->parent, 128, balloon_deflate);
    if (s->free_page_reporting) {
        virtio_add_queue(&s->parent, 32, balloon_report);
    }
    return true;
}

static void balloon_snapshot(Device *dev, Snapshot *sn)
{
    VirtioBalloon *s = (VirtioBalloon *)dev;

    snap_section(sn, "virtio-balloon", 1);
    snap_fields(sn, &s->num_pages, &s->actual);
}

static const VirtioDeviceOps balloon_virtio_ops = {
    .device_id = VIRTIO_ID_BALLOON,
    .config_size = CONFIG_SIZE,
    .features = balloon_features,
    .get_config = balloon_get_config,
    .set_config = balloon_set_config,
};

static const PropDesc balloon_props[] = {
    PROP_BOOL("deflate-on-oom", VirtioBalloon, deflate_on_oom, false,
              "let the guest take pages back when it runs out"),
    PROP_BOOL("free-page-reporting", VirtioBalloon, free_page_reporting, false,
              "let the guest report free pages"),
    PROP_END};

static const DeviceOps balloon_ops =
    DEVICE_OPS(balloon_snapshot, .realize = balloon_realize, .reset = balloon_reset,
               .category = "Misc devices", .user_creatable = true);
QOM_TYPE(balloon_type, .name = TYPE_VIRTIO_BALLOON, .parent = TYPE_VIRTIO_DEVICE,
         .size = sizeof(VirtioBalloon), .desc = "virtio memory balloon", .props = balloon_props,
         .dev = &balloon_ops, .ops = &balloon_virtio_ops);
