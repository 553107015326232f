/* SPDX-License-Identifier: MIT */
/*
 * Virtio block device.  Spec: Virtual I/O Device 1.2, section 5.2.
 * Models read, write, flush, get-id, discard, write-zeroes, several queues.
 * Not modelled: SCSI pass-through, zoned devices, secure erase, lifetime queries.
 * Requests are asynchronous; completions run under the machine lock like everything here.
 */
#include "rhea/osdep.h"

#include "block/block.h"
#include "block/iothread.h"
#include "hw/machine.h"
#include "hw/virtio/virtio.h"
#include "rhea/bits.h"
#include "rhea/endian.h"
#include "rhea/iov.h"
#include "snapshot/snapshot.h"

enum {
    F_SEG_MAX = 2,
    F_GEOMETRY = 4,
    F_RO = 5,
    F_BLK_SIZE = 6,
    F_FLUSH = 9,
    F_TOPOLOGY = 10,
    F_CONFIG_WCE = 11,
    F_MQ = 12,
    F_DISCARD = 13,
    F_WRITE_ZEROES = 14
};
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };
enum {
    HEADER_SIZE = 16,
    ID_BYTES = 20,
    SECTOR = 512,
    CONFIG_SIZE = 60,
    RANGE_SIZE = 16,
    MAX_RANGE_SECTORS = 1 << 22,
    WZ_FLAG_UNMAP = 1
};

/* Configuration space offsets (5.2.4). */
enum {
    C_CAPACITY = 0,
    C_SEG_MAX = 12,
    C_BLK_SIZE = 20,
    C_WCE = 32,
    C_NUM_QUEUES = 34,
    C_MAX_DISCARD = 36,
    C_MAX_DISCARD_SEG = 40,
    C_DISCARD_ALIGN = 44,
    C_MAX_WZ = 48,
    C_MAX_WZ_SEG = 52,
    C_WZ_MAY_UNMAP = 56
};

typedef struct VirtioBlk {
    VirtioDevice parent;
    /* properties: fixed once realized */
    Object *iothread;
    char *drive;
    char *serial;
    int32_t bootindex;
    int on_read_error, on_write_error; /* BlockOnError */
    uint32_t num_queues, queue_size;
    uint32_t logical_block_size;
    bool discard, write_zeroes, config_wce, scsi;
    /* guest-visible */
    bool write_cache; /* WCE */
    /* host-side */
    BlockBackend *blk;
} VirtioBlk;

typedef struct BlkRequest {
    VirtioBlk *dev;
    VirtQueue *vq;
    VirtqElement *e;
    uint32_t type;
    uint64_t sector;
    uint32_t written; /* into the guest's buffers, status byte excluded */
} BlkRequest;

/* --- Completion --- */

/* The status is the last writable byte (5.2.6). */
static void request_finish(BlkRequest *r, uint8_t status)
{
    iov_from_buf(r->e->in, r->e->in_num, r->e->in_len - 1, &status, 1);
    vq_push(r->vq, r->e, r->type == T_IN ? r->e->in_len : r->written + 1);
    vq_notify(r->vq);
    g_free(r);
}

static void request_done(void *opaque, int ret)
{
    request_finish(opaque, ret ? S_IOERR : S_OK);
}

/* --- Starting requests --- */

static void start_transfer(BlkRequest *r)
{
    VirtioBlk *s = r->dev;
    bool write = r->type == T_OUT;
    size_t len = write ? r->e->out_len - HEADER_SIZE : r->e->in_len - 1;
    g_autofree struct iovec *iov = NULL;
    int n;

    if (len % SECTOR || r->sector > UINT64_MAX / SECTOR) {
        request_finish(r, S_IOERR);
        return;
    }
    iov = write ? iov_slice(r->e->out, r->e->out_num, HEADER_SIZE, len, &n)
                : iov_slice(r->e->in, r->e->in_num, 0, len, &n);
    if (write) {
        /* With the cache off a write is stable when it completes. */
        blk_pwritev(s->blk, r->sector * SECTOR, iov, n, !s->write_cache, request_done, r);
    } else {
        blk_preadv(s->blk, r->sector * SECTOR, iov, n, request_done, r);
    }
}

static void start_get_id(BlkRequest *r)
{
    char id[ID_BYTES] = {0};
    size_t len = MIN(sizeof(id), r->e->in_len - 1);

    strncpy(id, r->dev->serial ? r->dev->serial : "", sizeof(id));
    r->written = iov_from_buf(r->e->in, r->e->in_num, 0, id, len);
    request_finish(r, S_OK);
}

/* Discard and write-zeroes: one range a request, as the configuration space says. */
static void start_range(BlkRequest *r)
{
    VirtioBlk *s = r->dev;
    bool zero = r->type == T_WRITE_ZEROES;
    uint8_t raw[RANGE_SIZE];
    uint64_t sector, count;
    uint32_t flags;

    if (!(zero ? s->write_zeroes : s->discard) || r->e->out_len != HEADER_SIZE + RANGE_SIZE) {
        request_finish(r, S_UNSUPP);
        return;
    }
    iov_to_buf(r->e->out, r->e->out_num, HEADER_SIZE, raw, sizeof(raw));
    sector = ld64_le(raw);
    count = ld32_le(raw + 8);
    flags = ld32_le(raw + 12);
    if ((flags & ~(zero ? WZ_FLAG_UNMAP : 0)) || count > MAX_RANGE_SECTORS) {
        request_finish(r, S_UNSUPP);
    } else if (sector > UINT64_MAX / SECTOR) {
        request_finish(r, S_IOERR);
    } else if (zero) {
        blk_write_zeroes(s->blk, sector * SECTOR, count * SECTOR, flags & WZ_FLAG_UNMAP,
                         request_done, r);
    } else {
        blk_discard(s->blk, sector * SECTOR, count * SECTOR, request_done, r);
    }
}

static void request_start(VirtioBlk *s, VirtQueue *vq, VirtqElement *e)
{
    uint8_t header[HEADER_SIZE];
    BlkRequest *r;

    if (e->out_len < HEADER_SIZE || !e->in_len) {
        vq_detach(vq, e);
        virtio_error(&s->parent, "request without header or status byte");
        return;
    }
    iov_to_buf(e->out, e->out_num, 0, header, sizeof(header));
    r = g_new0(BlkRequest, 1);
    *r = (BlkRequest){
        .dev = s, .vq = vq, .e = e, .type = ld32_le(header), .sector = ld64_le(header + 8)};
    switch (r->type) {
    case T_IN:
    case T_OUT: start_transfer(r); break;
    case T_FLUSH: blk_flush(s->blk, request_done, r); break;
    case T_GET_ID: start_get_id(r); break;
    case T_DISCARD:
    case T_WRITE_ZEROES: start_range(r); break;
    default: request_finish(r, S_UNSUPP);
    }
}

static void blk_handle(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtqElement *e;

    while ((e = vq_pop(vq))) {
        request_start((VirtioBlk *)vdev, vq, e);
    }
}

/* --- Features and configuration --- */

static uint64_t blk_features(VirtioDevice *vdev)
{
    VirtioBlk *s = (VirtioBlk *)vdev;
    uint64_t f = VIRTIO_FEATURE(F_SEG_MAX) | VIRTIO_FEATURE(F_BLK_SIZE) | VIRTIO_FEATURE(F_FLUSH);

    f |= blk_read_only(s->blk) ? VIRTIO_FEATURE(F_RO) : 0;
    f |= s->config_wce ? VIRTIO_FEATURE(F_CONFIG_WCE) : 0;
    f |= s->num_queues > 1 ? VIRTIO_FEATURE(F_MQ) : 0;
    f |= s->discard ? VIRTIO_FEATURE(F_DISCARD) : 0;
    return f | (s->write_zeroes ? VIRTIO_FEATURE(F_WRITE_ZEROES) : 0);
}

/* A driver without FLUSH cannot flush: its writes go through (5.2.5.2). */
static void blk_features_ready(VirtioDevice *vdev)
{
    ((VirtioBlk *)vdev)->write_cache = virtio_has(vdev, F_FLUSH) || virtio_has(vdev, F_CONFIG_WCE);
}

static void blk_get_config(VirtioDevice *vdev, uint8_t *buf)
{
    VirtioBlk *s = (VirtioBlk *)vdev;

    st64_le(buf + C_CAPACITY, blk_size(s->blk) / SECTOR);
    st32_le(buf + C_SEG_MAX, s->queue_size - 2);
    st32_le(buf + C_BLK_SIZE, s->logical_block_size);
    buf[C_WCE] = s->write_cache;
    st16_le(buf + C_NUM_QUEUES, s->num_queues);
    st32_le(buf + C_MAX_DISCARD, MAX_RANGE_SECTORS);
    st32_le(buf + C_MAX_DISCARD_SEG, 1);
    st32_le(buf + C_DISCARD_ALIGN, s->logical_block_size / SECTOR);
    st32_le(buf + C_MAX_WZ, MAX_RANGE_SECTORS);
    st32_le(buf + C_MAX_WZ_SEG, 1);
    buf[C_WZ_MAY_UNMAP] = 1;
}

static void blk_set_config(VirtioDevice *vdev, const uint8_t *buf)
{
    ((VirtioBlk *)vdev)->write_cache = buf[C_WCE] & 1;
}

/* --- Life --- */

static void blk_reset_device(Device *dev)
{
    VirtioBlk *s = (VirtioBlk *)dev;

    blk_drain(s->blk); /* completions find the queues not usable and only free their chains */
    s->write_cache = true;
}

static void blk_queue_reset(VirtioDevice *vdev, VirtQueue *vq)
{
    blk_drain(((VirtioBlk *)vdev)->blk);
}

static bool blk_check_props(VirtioBlk *s, Error **errp)
{
    if (!s->drive) {
        return error_fail(errp, "virtio-blk: property 'drive' is not set");
    }
    if (s->scsi) {
        return error_fail(errp, "virtio-blk: property 'scsi': commands are not passed through "
                                "(accepted: off)");
    }
    if (s->num_queues < 1 || s->num_queues > VIRTIO_MAX_QUEUES) {
        return error_fail(errp, "virtio-blk: property 'num-queues' must be 1 to %d",
                          VIRTIO_MAX_QUEUES);
    }
    if (!is_power_of_2(s->queue_size) || s->queue_size < 4 || s->queue_size > VIRTQ_MAX_SIZE) {
        return error_fail(errp,
                          "virtio-blk: property 'queue-size' must be a power of two from 4 to "
                          "%d",
                          VIRTQ_MAX_SIZE);
    }
    if (!is_power_of_2(s->logical_block_size) || s->logical_block_size < SECTOR ||
        s->logical_block_size > 32768) {
        return error_fail(errp, "virtio-blk: property 'logical_block_size' must be a power of two "
                                "from 512 to 32768");
    }
    return true;
}

/* The driver reads the capacity anew. */
static void blk_resized(void *owner)
{
    virtio_config_changed(&((VirtioBlk *)owner)->parent);
}

static bool blk_realize(Device *dev, Error **errp)
{
    VirtioBlk *s = (VirtioBlk *)dev;
    const char *name = dev->id ? dev->id : dev->obj.type->name;

    if (!blk_check_props(s, errp)) {
        return false;
    }
    s->blk = blk_by_name(s->drive);
    if (!s->blk) {
        return error_fail(errp, "virtio-blk: property 'drive': there is no drive or node '%s'",
                          s->drive);
    }
    if (!blk_set_on_error(s->blk, s->on_read_error, s->on_write_error, errp) ||
        !blk_attach(s->blk, s, name, errp)) {
        return false;
    }
    blk_set_iothread(s->blk, s->iothread);
    blk_on_resize(s->blk, blk_resized);
    for (uint32_t i = 0; i < s->num_queues; i++) {
        virtio_add_queue(&s->parent, s->queue_size, blk_handle);
    }
    return true;
}

static void blk_unrealize(Device *dev)
{
    VirtioBlk *s = (VirtioBlk *)dev;

    if (s->blk) {
        blk_detach(s->blk, s);
    }
}

/* Saved with nothing in flight: the VM is stopped and drained. */
static void blk_snapshot(Device *dev, Snapshot *sn)
{
    VirtioBlk *s = (VirtioBlk *)dev;

    snap_section(sn, "virtio-blk", 1);
    snap_bool(sn, &s->write_cache);
}

static const VirtioDeviceOps blk_virtio_ops = {
    .device_id = VIRTIO_ID_BLOCK,
    .config_size = CONFIG_SIZE,
    .features = blk_features,
    .features_ready = blk_features_ready,
    .get_config = blk_get_config,
    .set_config = blk_set_config,
    .queue_reset = blk_queue_reset,
};

static const PropDesc blk_props[] = {
    PROP_STR("drive", VirtioBlk, drive, NULL, "id of the drive or node that holds the data"),
    IOTHREAD_PROP(VirtioBlk, iothread),
    PROP_STR("serial", VirtioBlk, serial, NULL, "serial number, at most 20 characters"),
    PROP_I32("bootindex", VirtioBlk, bootindex, -1, "place in the boot order"),
    BLOCK_ON_ERROR_PROPS(VirtioBlk, on_read_error, on_write_error),
    PROP_U32("num-queues", VirtioBlk, num_queues, 1, "number of request queues"),
    PROP_U32("queue-size", VirtioBlk, queue_size, 256, "descriptors in each queue"),
    PROP_U32("logical_block_size", VirtioBlk, logical_block_size, 512, "bytes"),
    PROP_BOOL("discard", VirtioBlk, discard, true, "offer discard"),
    PROP_BOOL("write-zeroes", VirtioBlk, write_zeroes, true, "offer write-zeroes"),
    PROP_BOOL("scsi", VirtioBlk, scsi, false, "pass SCSI commands through; off is all there is"),
    PROP_BOOL("config-wce", VirtioBlk, config_wce, true, "let the driver switch the write cache"),
    PROP_END};

static const DeviceOps blk_ops =
    DEVICE_OPS(blk_snapshot, .realize = blk_realize, .unrealize = blk_unrealize,
               .reset = blk_reset_device, .category = "Storage devices", .user_creatable = true);
QOM_TYPE(blk_type, .name = "virtio-blk-device", .parent = TYPE_VIRTIO_DEVICE,
         .size = sizeof(VirtioBlk), .desc = "virtio block device", .props = blk_props,
         .dev = &blk_ops, .ops = &blk_virtio_ops);
