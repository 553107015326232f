/* SPDX-License-Identifier: MIT */
/*
 * Virtio entropy device.  Spec: Virtual I/O Device 1.2, section 5.4.
 * Bytes come from the host's getrandom(); a rate limit (max-bytes per period ms) uses the virtual
 * clock.  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include <sys/random.h>

#include "hw/virtio/virtio.h"
#include "memory/clock.h"
#include "snapshot/snapshot.h"

enum { RNG_QUEUE_SIZE = 8 };

typedef struct VirtioRng {
    VirtioDevice parent;
    /* wiring */
    VirtQueue *vq;
    ClockTimer refill;
    /* properties: fixed once realized */
    uint64_t max_bytes;
    uint32_t period_ms;
    Object *rng;
    /* host-side: how much of the present period is left */
    uint64_t quota;
} VirtioRng;

/* Fills the buffer; what was really written (getrandom gives at most 32 MiB a call). */
static size_t fill_random(const VirtqElement *e, size_t limit)
{
    size_t done = 0;

    for (unsigned i = 0; i < e->in_num && done < limit; i++) {
        size_t want = MIN(e->in[i].iov_len, limit - done);
        ssize_t got = getrandom(e->in[i].iov_base, want, GRND_NONBLOCK);

        if (got < 0) {
            break;
        }
        done += got;
        if ((size_t)got < want) {
            break;
        }
    }
    return done;
}

static void rng_handle(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioRng *s = (VirtioRng *)vdev;
    VirtqElement *e;

    while (s->quota && (e = vq_pop(vq))) {
        size_t n = fill_random(e, s->quota);

        s->quota -= n;
        vq_push(vq, e, n);
        vq_notify(vq);
        if (!n) {
            break;
        }
    }
    if (!s->quota && !clock_timer_armed(&s->refill)) {
        clock_timer_arm(&s->refill, clock_now_ns(s->refill.clock) + s->period_ms * NS_PER_MS);
    }
}

static void rng_refill(void *opaque)
{
    VirtioRng *s = opaque;

    s->quota = s->max_bytes;
    rng_handle(&s->parent, s->vq);
}

static void rng_reset(Device *dev)
{
    VirtioRng *s = (VirtioRng *)dev;

    clock_timer_disarm(&s->refill);
    s->quota = s->max_bytes;
}

static bool rng_realize(Device *dev, Error **errp)
{
    VirtioRng *s = (VirtioRng *)dev;

    if (!s->max_bytes) {
        return error_fail(errp, "virtio-rng: property 'max-bytes' must be at least 1");
    }
    if (!s->period_ms) {
        return error_fail(errp, "virtio-rng: property 'period' must be at least 1");
    }
    clock_timer_init(&s->refill, device_clock(dev), rng_refill, s);
    s->vq = virtio_add_queue(&s->parent, RNG_QUEUE_SIZE, rng_handle);
    return true;
}

static void rng_unrealize(Device *dev)
{
    clock_timer_disarm(&((VirtioRng *)dev)->refill);
}

static void rng_snapshot(Device *dev, Snapshot *sn)
{
    VirtioRng *s = (VirtioRng *)dev;

    snap_section(sn, "virtio-rng", 1);
    snap_u64(sn, &s->quota);
    snap_timer(sn, &s->refill);
}

static const VirtioDeviceOps rng_virtio_ops = {.device_id = VIRTIO_ID_RNG};

static const char *const rng_backend_types[] = {"rng-backend", NULL};

static const PropDesc rng_props[] = {
    PROP_U64("max-bytes", VirtioRng, max_bytes, INT64_MAX, "bytes the guest may have per period"),
    PROP_U32("period", VirtioRng, period_ms, 65536, "length of a period in ms"),
    PROP_LINK("rng", VirtioRng, rng, rng_backend_types, "source of entropy (default: the host's)"),
    PROP_END};

static const DeviceOps rng_ops =
    DEVICE_OPS(rng_snapshot, .realize = rng_realize, .unrealize = rng_unrealize, .reset = rng_reset,
               .category = "Misc devices", .user_creatable = true);
QOM_TYPE(rng_type, .name = "virtio-rng-device", .parent = TYPE_VIRTIO_DEVICE,
         .size = sizeof(VirtioRng), .desc = "virtio entropy source", .props = rng_props,
         .dev = &rng_ops, .ops = &rng_virtio_ops);

/* --- Backends: both draw from the host; a file other than its entropy devices is refused --- */

typedef struct RngBackend {
    Object obj;
    char *filename;
} RngBackend;

QOM_TYPE(rng_backend_type, .name = "rng-backend", .parent = "object", .size = sizeof(RngBackend),
         .abstract = true);

static bool rng_random_complete(Object *obj, Error **errp)
{
    RngBackend *s = (RngBackend *)obj;

    if (strcmp(s->filename, "/dev/urandom") && strcmp(s->filename, "/dev/random")) {
        return error_fail(errp,
                          "rng-random: property 'filename': '%s' is not supported (accepted: "
                          "/dev/urandom, /dev/random)",
                          s->filename);
    }
    return true;
}

static const PropDesc rng_random_props[] = {
    PROP_STR("filename", RngBackend, filename, "/dev/urandom", "entropy device"), PROP_END};
QOM_TYPE(rng_random_type, .name = "rng-random", .parent = "rng-backend", .size = sizeof(RngBackend),
         .desc = "entropy from a host device", .user_creatable = true, .props = rng_random_props,
         .complete = rng_random_complete);
QOM_TYPE(rng_builtin_type, .name = "rng-builtin", .parent = "rng-backend",
         .size = sizeof(RngBackend), .desc = "entropy from the host's getrandom()",
         .user_creatable = true);
