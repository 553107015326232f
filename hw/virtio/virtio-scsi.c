/* SPDX-License-Identifier: MIT */
/*
 * Virtio SCSI host adapter.  Spec: Virtual I/O Device 1.2, section 5.6.
 * Models request queues, task management (resets and aborts wait for what is under way), and events: units that
 * come and go, and other capacities.  Not modelled: asynchronous notifications, protection information.
 * Requests are asynchronous; completions run under the machine lock like everything here.
 */
#include "rhea/osdep.h"

#include "block/iothread.h"
#include "hw/storage/scsi-bus.h"
#include "hw/virtio/virtio.h"
#include "rhea/endian.h"
#include "rhea/iov.h"
#include "snapshot/snapshot.h"

enum { MAX_TARGET = 255, MAX_LUN = 16383, SEG_MAX = 254, MAX_SECTORS = 0xffff };
enum { CDB_DEFAULT = 32, SENSE_DEFAULT = 96, CDB_LIMIT = 256, SENSE_LIMIT = 256 };
enum { CONFIG_SIZE = 36, REQUEST_HEAD = 19, RESPONSE_HEAD = 12 };

/* Configuration space offsets (5.6.4). */
enum {
    C_NUM_QUEUES = 0,
    C_SEG_MAX = 4,
    C_MAX_SECTORS = 8,
    C_CMD_PER_LUN = 12,
    C_EVENT_INFO_SIZE = 16,
    C_SENSE_SIZE = 20,
    C_CDB_SIZE = 24,
    C_MAX_CHANNEL = 28,
    C_MAX_TARGET = 30,
    C_MAX_LUN = 32
};
/* Responses (5.6.6.1). */
enum { S_OK = 0, S_OVERRUN = 1, S_BAD_TARGET = 3, S_FAILURE = 9, S_INCORRECT_LUN = 12 };
enum { F_HOTPLUG = 1, F_CHANGE = 2 };
/* Events (5.6.6.3); the reason of a change is a sense code. */
enum {
    EVENT_SIZE = 16,
    EVENT_NONE = 0,
    EVENT_TRANSPORT_RESET = 1,
    EVENT_PARAM_CHANGE = 3,
    REASON_RESCAN = 1,
    REASON_REMOVED = 2,
    REASON_CAPACITY = 0x2a | 0x09 << 8,
};
#define EVENTS_MISSED 0x80000000U
enum { EVENT_QUEUE = 1 };
enum { CTRL_TMF = 0, CTRL_AN_QUERY = 1, CTRL_AN_SUBSCRIBE = 2 };

typedef struct VirtioScsi {
    VirtioDevice parent;
    /* properties: fixed once realized */
    Object *iothread;
    uint32_t num_queues, queue_size, max_sectors, cmd_per_lun;
    /* guest-visible */
    uint32_t sense_size, cdb_size;
    bool events_missed; /* there was no buffer for one */
    /* wiring */
    ScsiBus *bus;
} VirtioScsi;

typedef struct ScsiRequest {
    ScsiCommand command;
    VirtioScsi *s;
    VirtQueue *vq;
    VirtqElement *e;
    uint32_t sense_size, cdb_size; /* as they were when the request was read */
    size_t moved;                  /* to or from the data buffers */
} ScsiRequest;

/* --- Units --- */

/* Single-level addressing (5.6.6.1): byte 0 is 1, then target and a flat LUN. */
static bool parse_lun(const uint8_t lun[8], unsigned *target, unsigned *unit)
{
    *target = lun[1];
    *unit = ld16_be(lun + 2) & 0x3fff;
    return lun[0] == 1;
}

/* --- Completion --- */

static size_t data_in_room(const ScsiRequest *r)
{
    return r->e->in_len - RESPONSE_HEAD - r->sense_size;
}

static size_t data_out_room(const ScsiRequest *r)
{
    return r->e->out_len - REQUEST_HEAD - r->cdb_size;
}

static void respond(ScsiRequest *r, uint8_t response, size_t residual)
{
    uint8_t head[RESPONSE_HEAD] = {0}, sense[SCSI_SENSE_SIZE];
    bool check = response == S_OK && r->command.status == SCSI_CHECK_CONDITION;
    bool to_guest = r->command.phase == SCSI_DATA_IN || r->command.phase == SCSI_READ;
    size_t written = RESPONSE_HEAD + r->sense_size + (to_guest ? r->moved : 0);

    if (check) {
        scsi_fetch_sense(r->command.unit, sense);
        st32_le(head, MIN(sizeof(sense), r->sense_size));
        iov_from_buf(r->e->in, r->e->in_num, RESPONSE_HEAD, sense,
                     MIN(sizeof(sense), r->sense_size));
    }
    st32_le(head + 4, MIN(residual, UINT32_MAX));
    head[10] = r->command.status;
    head[11] = response;
    iov_from_buf(r->e->in, r->e->in_num, 0, head, sizeof(head));
    vq_push(r->vq, r->e, written);
    vq_notify(r->vq);
    scsi_finish(&r->command);
    g_free(r);
}

/* Residual: what the driver offered buffers for and the command did not use. */
static void request_end(ScsiRequest *r)
{
    size_t offered = MAX(data_in_room(r), data_out_room(r));

    if (r->command.status != SCSI_GOOD) {
        r->moved = 0;
    }
    respond(r, S_OK, offered - MIN(r->moved, offered));
}

static void request_done(ScsiCommand *c)
{
    request_end(c->opaque);
}

/* --- Starting requests --- */

/* Blocks move between the backend and the driver's buffers directly. */
static void start_transfer(ScsiRequest *r)
{
    bool read = r->command.phase == SCSI_READ;
    size_t room = read ? data_in_room(r) : data_out_room(r);
    g_autofree struct iovec *iov = NULL;
    int n;

    if (r->command.bytes > room) {
        respond(r, S_OVERRUN, 0);
        return;
    }
    r->moved = r->command.bytes;
    iov = read ? iov_slice(r->e->in, r->e->in_num, RESPONSE_HEAD + r->sense_size, r->moved, &n)
               : iov_slice(r->e->out, r->e->out_num, REQUEST_HEAD + r->cdb_size, r->moved, &n);
    scsi_transfer(&r->command, 0, iov, n);
}

static void start_data_out(ScsiRequest *r)
{
    if (r->command.len > data_out_room(r)) {
        respond(r, S_OVERRUN, 0);
        return;
    }
    r->moved = iov_to_buf(r->e->out, r->e->out_num, REQUEST_HEAD + r->cdb_size, r->command.data,
                          r->command.len);
    scsi_data_out(&r->command);
    if (r->command.phase != SCSI_BUSY) {
        request_end(r);
    }
}

static void run_command(ScsiRequest *r)
{
    scsi_start(&r->command);
    switch (r->command.phase) {
    case SCSI_READ:
    case SCSI_WRITE: start_transfer(r); break;
    case SCSI_DATA_OUT: start_data_out(r); break;
    case SCSI_DATA_IN:
        r->moved = iov_from_buf(r->e->in, r->e->in_num, RESPONSE_HEAD + r->sense_size,
                                r->command.data, MIN(r->command.len, data_in_room(r)));
        request_end(r);
        break;
    case SCSI_DONE: request_end(r); break;
    case SCSI_BUSY: break;
    }
}

/* A target without the unit that is asked for still answers INQUIRY: there is nothing here (SPC-4 6.4.2). */
static bool answer_absent(ScsiRequest *r, unsigned target, unsigned lun)
{
    enum { INQUIRY = 0x12, NOT_CAPABLE = 0x7f };
    uint8_t data[36] = {NOT_CAPABLE, 0, 5, 2, 31};

    if (!scsi_bus_target(r->s->bus, target)) {
        respond(r, S_BAD_TARGET, 0);
        return true;
    }
    if (r->command.cdb[0] == INQUIRY && !(r->command.cdb[1] & 1)) {
        r->command.phase = SCSI_DATA_IN;
        r->moved =
            iov_from_buf(r->e->in, r->e->in_num, RESPONSE_HEAD + r->sense_size, data,
                         MIN(MIN(sizeof(data), ld16_be(r->command.cdb + 3)), data_in_room(r)));
        request_end(r);
        return true;
    }
    respond(r, S_INCORRECT_LUN, 0);
    return true;
}

static void request_start(VirtioScsi *s, VirtQueue *vq, VirtqElement *e)
{
    uint8_t head[REQUEST_HEAD];
    unsigned target, lun;
    ScsiRequest *r;
    ScsiUnit *unit;

    if (e->out_len < REQUEST_HEAD + s->cdb_size || e->in_len < RESPONSE_HEAD + s->sense_size) {
        vq_detach(vq, e);
        virtio_error(&s->parent, "request without header or response");
        return;
    }
    r = g_new0(ScsiRequest, 1);
    *r = (ScsiRequest){
        .s = s, .vq = vq, .e = e, .sense_size = s->sense_size, .cdb_size = s->cdb_size};
    iov_to_buf(e->out, e->out_num, 0, head, sizeof(head));
    iov_to_buf(e->out, e->out_num, REQUEST_HEAD, r->command.cdb, MIN(s->cdb_size, SCSI_CDB_MAX));
    r->command.done = request_done;
    r->command.opaque = r;
    if (!parse_lun(head, &target, &lun)) {
        respond(r, S_BAD_TARGET, 0);
        return;
    }
    unit = scsi_bus_unit(s->bus, target, lun);
    /* REPORT LUNS is answered by any unit of the target. */
    if (!unit && r->command.cdb[0] == 0xa0) {
        unit = scsi_bus_target(s->bus, target);
    }
    if (!unit) {
        answer_absent(r, target, lun);
        return;
    }
    r->command.unit = unit;
    run_command(r);
}

static void request_handle(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtqElement *e;

    while ((e = vq_pop(vq))) {
        request_start((VirtioScsi *)vdev, vq, e);
    }
}

/* --- The control queue --- */

/* Task management: commands are never held here, so waiting for the block layer ends them all. */
static uint32_t task_management(VirtioScsi *s, const uint8_t *request)
{
    enum { FUNCTION_COMPLETE = 0 };
    unsigned target, lun;

    if (!parse_lun(request + 8, &target, &lun) || !scsi_bus_target(s->bus, target)) {
        return S_BAD_TARGET;
    }
    scsi_bus_drain(s->bus);
    return FUNCTION_COMPLETE;
}

static void control_handle(VirtioDevice *vdev, VirtQueue *vq)
{
    enum { TMF_SIZE = 24, AN_SIZE = 16, AN_RESPONSE = 5 };
    VirtioScsi *s = (VirtioScsi *)vdev;
    VirtqElement *e;

    while ((e = vq_pop(vq))) {
        uint8_t request[TMF_SIZE] = {0}, answer[AN_RESPONSE] = {0};
        size_t got = iov_to_buf(e->out, e->out_num, 0, request, sizeof(request)), len = 1;

        if (got >= AN_SIZE && ld32_le(request) != CTRL_TMF && ld32_le(request) <= 2) {
            answer[4] = S_OK; /* no events are there to be asked for */
            len = AN_RESPONSE;
        } else {
            answer[0] = got == TMF_SIZE && ld32_le(request) == CTRL_TMF
                            ? task_management(s, request)
                            : S_FAILURE;
        }
        vq_push(vq, e, iov_from_buf(e->in, e->in_num, 0, answer, len));
        vq_notify(vq);
    }
}

/* --- Events --- */

/* Without a buffer the next event tells that one was missed: the driver looks at everything anew. */
static void send_event(VirtioScsi *s, uint32_t event, const uint8_t lun[8], uint32_t reason)
{
    VirtQueue *vq = virtio_queue(&s->parent, EVENT_QUEUE);
    VirtqElement *e = vq_pop(vq);
    uint8_t raw[EVENT_SIZE] = {0};

    if (!e) {
        s->events_missed = true;
        return;
    }
    st32_le(raw, event | (s->events_missed ? EVENTS_MISSED : 0));
    memcpy(raw + 4, lun, 8);
    st32_le(raw + 12, reason);
    s->events_missed = false;
    vq_push(vq, e, iov_from_buf(e->in, e->in_num, 0, raw, sizeof(raw)));
    vq_notify(vq);
}

static void event_handle(VirtioDevice *vdev, VirtQueue *vq)
{
    static const uint8_t nobody[8];
    VirtioScsi *s = (VirtioScsi *)vdev;

    if (s->events_missed) {
        send_event(s, EVENT_NONE, nobody, 0);
    }
}

static void unit_changed(Device *adapter, unsigned target, unsigned lun, ScsiChange what)
{
    static const struct {
        unsigned feature, event, reason;
    } events[] = {
        [SCSI_UNIT_ADDED] = {F_HOTPLUG, EVENT_TRANSPORT_RESET, REASON_RESCAN},
        [SCSI_UNIT_REMOVED] = {F_HOTPLUG, EVENT_TRANSPORT_RESET, REASON_REMOVED},
        [SCSI_UNIT_RESIZED] = {F_CHANGE, EVENT_PARAM_CHANGE, REASON_CAPACITY},
    };
    VirtioScsi *s = (VirtioScsi *)adapter;
    uint8_t address[8] = {1, target};

    if (virtio_driver_ok(&s->parent) && virtio_has(&s->parent, events[what].feature)) {
        /* Flat numbers, but for those that are the same in either form: drivers compare them (SAM-4 4.6.6). */
        st16_be(address + 2, lun < 256 ? lun : lun | 0x4000);
        send_event(s, events[what].event, address, events[what].reason);
    }
}

/* --- Configuration --- */

static uint64_t scsi_features(VirtioDevice *vdev)
{
    return 1ULL << F_HOTPLUG | 1ULL << F_CHANGE;
}

static void scsi_get_config(VirtioDevice *vdev, uint8_t *buf)
{
    VirtioScsi *s = (VirtioScsi *)vdev;

    st32_le(buf + C_NUM_QUEUES, s->num_queues);
    st32_le(buf + C_SEG_MAX, MIN(s->queue_size - 2, SEG_MAX));
    st32_le(buf + C_MAX_SECTORS, s->max_sectors);
    st32_le(buf + C_CMD_PER_LUN, s->cmd_per_lun);
    st32_le(buf + C_EVENT_INFO_SIZE, 16);
    st32_le(buf + C_SENSE_SIZE, s->sense_size);
    st32_le(buf + C_CDB_SIZE, s->cdb_size);
    st16_le(buf + C_MAX_TARGET, MAX_TARGET);
    st32_le(buf + C_MAX_LUN, MAX_LUN);
}

static void scsi_set_config(VirtioDevice *vdev, const uint8_t *buf)
{
    VirtioScsi *s = (VirtioScsi *)vdev;
    uint32_t sense = ld32_le(buf + C_SENSE_SIZE), cdb = ld32_le(buf + C_CDB_SIZE);

    if (sense > SENSE_LIMIT || cdb < 16 || cdb > CDB_LIMIT) {
        virtio_error(vdev, "sense of %u bytes or commands of %u do not fit", sense, cdb);
        return;
    }
    s->sense_size = sense;
    s->cdb_size = cdb;
}

/* --- Life --- */

static void scsi_queue_reset(VirtioDevice *vdev, VirtQueue *vq)
{
    scsi_bus_drain(((VirtioScsi *)vdev)->bus);
}

static void scsi_reset(Device *dev)
{
    VirtioScsi *s = (VirtioScsi *)dev;

    scsi_bus_drain(s->bus);
    s->sense_size = SENSE_DEFAULT;
    s->cdb_size = CDB_DEFAULT;
    s->events_missed = false;
}

static bool scsi_realize(Device *dev, Error **errp)
{
    VirtioScsi *s = (VirtioScsi *)dev;

    if (s->num_queues < 1 || s->num_queues > VIRTIO_MAX_QUEUES - 2) {
        return error_fail(errp, "virtio-scsi: property 'num_queues' must be 1 to %d",
                          VIRTIO_MAX_QUEUES - 2);
    }
    if (s->queue_size < 4 || s->queue_size > VIRTQ_MAX_SIZE ||
        (s->queue_size & (s->queue_size - 1))) {
        return error_fail(errp,
                          "virtio-scsi: property 'virtqueue_size' must be a power of two from 4 to "
                          "%d",
                          VIRTQ_MAX_SIZE);
    }
    virtio_add_queue(&s->parent, s->queue_size, control_handle);
    virtio_add_queue(&s->parent, s->queue_size, event_handle);
    for (uint32_t i = 0; i < s->num_queues; i++) {
        virtio_add_queue(&s->parent, s->queue_size, request_handle);
    }
    s->bus = scsi_bus_new(dev, MAX_TARGET, MAX_LUN);
    s->bus->iothread = s->iothread;
    s->bus->changed = unit_changed;
    return true;
}

/* Saved with nothing in flight: the VM is stopped and drained. */
static void scsi_snapshot(Device *dev, Snapshot *sn)
{
    VirtioScsi *s = (VirtioScsi *)dev;
    unsigned version = snap_section(sn, "virtio-scsi", 2);

    snap_u32_max(sn, &s->sense_size, SENSE_LIMIT);
    snap_u32_max(sn, &s->cdb_size, CDB_LIMIT);
    if (version >= 2) {
        snap_bool(sn, &s->events_missed);
    }
}

static const VirtioDeviceOps scsi_virtio_ops = {
    .device_id = VIRTIO_ID_SCSI,
    .config_size = CONFIG_SIZE,
    .features = scsi_features,
    .get_config = scsi_get_config,
    .set_config = scsi_set_config,
    .queue_reset = scsi_queue_reset,
};

static const PropDesc scsi_props[] = {
    IOTHREAD_PROP(VirtioScsi, iothread),
    PROP_U32("num_queues", VirtioScsi, num_queues, 1, "number of request queues"),
    PROP_U32("virtqueue_size", VirtioScsi, queue_size, 256, "descriptors in each queue"),
    PROP_U32("max_sectors", VirtioScsi, max_sectors, MAX_SECTORS, "sectors in one transfer"),
    PROP_U32("cmd_per_lun", VirtioScsi, cmd_per_lun, 128, "commands under way in one unit"),
    PROP_END};

static const DeviceOps scsi_ops =
    DEVICE_OPS(scsi_snapshot, .realize = scsi_realize, .reset = scsi_reset,
               .category = "Storage devices", .user_creatable = true);
QOM_TYPE(scsi_type, .name = "virtio-scsi-device", .parent = TYPE_VIRTIO_DEVICE,
         .size = sizeof(VirtioScsi), .desc = "virtio SCSI host adapter", .props = scsi_props,
         .dev = &scsi_ops, .ops = &scsi_virtio_ops);
