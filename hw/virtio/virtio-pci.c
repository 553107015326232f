/* SPDX-License-Identifier: MIT */
/*
 * Virtio over PCI.  Spec: Virtual I/O Device 1.2, section 4.1 (the legacy interface is in
 * virtio-pci-legacy.c).  Each "virtio-X-pci" wraps a "virtio-X-device", whose properties it shows.
 * It is transitional unless disable-legacy=on, as in slots of PCI Express, or disable-modern=on;
 * "virtio-X-pci-transitional" and "virtio-X-pci-non-transitional" leave no choice.
 * Not modelled: shared memory.
 * BAR 0 is the legacy window, BAR 1 holds the MSI-X table, BAR 4 the four structures, unless a type says otherwise.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "hw/virtio/virtio-pci.h"
#include "rhea/bits.h"
#include "rhea/endian.h"
#include "rhea/log.h"
#include "snapshot/snapshot.h"

#define TYPE_VIRTIO_PCI_BUS "virtio-pci-bus"

/* PCI device ids that legacy drivers know (4.1.2.1). */
enum {
    LEGACY_NET = 0x1000,
    LEGACY_BLOCK = 0x1001,
    LEGACY_BALLOON = 0x1002,
    LEGACY_CONSOLE = 0x1003,
    LEGACY_SCSI = 0x1004,
    LEGACY_RNG = 0x1005
};
enum {
    LEGACY_BAR = 0,
    BAR_SIZE = 0x4000,
    DEVICE_CFG = 0x2000,
    NOTIFY = 0x3000,
    NOTIFY_MULTIPLIER = 4
};
static const VirtioPciLayout usual_layout = {
    .modern_bar = 4, .msix_bar = 1, .common = 0x0000, .isr = 0x1000};
/* Capability types and layout (4.1.4). */
enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_ISR = 3, CAP_DEVICE = 4, CAP_PCI = 5 };
enum { CAP_LEN = 2, CAP_TYPE = 3, CAP_BAR = 4, CAP_OFFSET = 8, CAP_LENGTH = 12, CAP_EXTRA = 16 };
/* Common configuration structure (4.1.4.3). */
enum {
    C_DEVICE_FEATURE_SELECT = 0x00,
    C_DEVICE_FEATURE = 0x04,
    C_DRIVER_FEATURE_SELECT = 0x08,
    C_DRIVER_FEATURE = 0x0c,
    C_CONFIG_VECTOR = 0x10,
    C_NUM_QUEUES = 0x12,
    C_STATUS = 0x14,
    C_GENERATION = 0x15,
    C_QUEUE_SELECT = 0x16,
    C_QUEUE_SIZE = 0x18,
    C_QUEUE_VECTOR = 0x1a,
    C_QUEUE_ENABLE = 0x1c,
    C_QUEUE_NOTIFY_OFF = 0x1e,
    C_QUEUE_DESC = 0x20,
    C_QUEUE_DRIVER = 0x28,
    C_QUEUE_DEVICE = 0x30,
    C_QUEUE_NOTIFY_DATA = 0x38,
    C_QUEUE_RESET = 0x3a,
};

static const VirtioPciLayout *vpci_layout(const VirtioPci *s)
{
    const VirtioPciType *t = qom_type_ops(s->pci.dev.obj.type);

    return t->layout ? t->layout : &usual_layout;
}

/* --- Interrupts --- */

static void vpci_notify(void *opaque, VirtQueue *vq)
{
    VirtioPci *s = opaque;

    if (pci_msix_enabled(&s->pci)) {
        pci_msix_notify(&s->pci, vq ? vq->vector : s->config_vector);
    } else {
        pci_set_intx(&s->pci, vpci_vdev(s)->isr != 0);
    }
}

static const VirtioTransportOps vpci_transport_ops = {.notify = vpci_notify};

/* --- Common configuration --- */

uint16_t vpci_checked_vector(VirtioPci *s, uint16_t v)
{
    return v < s->pci.msix.vectors ? v : VIRTIO_NO_VECTOR;
}

static uint64_t common_read_queue(VirtioPci *s, uint64_t offset)
{
    VirtQueue *vq = virtio_queue(vpci_vdev(s), s->queue_select);

    if (!vq) {
        return offset == C_QUEUE_VECTOR ? VIRTIO_NO_VECTOR : 0;
    }
    switch (offset) {
    case C_QUEUE_SIZE: return vq->size;
    case C_QUEUE_VECTOR: return vq->vector;
    case C_QUEUE_ENABLE: return vq->ready;
    case C_QUEUE_NOTIFY_OFF:
    case C_QUEUE_NOTIFY_DATA: return vq->index;
    case C_QUEUE_DESC: return vq->desc;
    case C_QUEUE_DRIVER: return vq->avail;
    case C_QUEUE_DEVICE: return vq->used;
    default: return 0;
    }
}

static uint64_t common_read_field(VirtioPci *s, uint64_t offset)
{
    VirtioDevice *vdev = vpci_vdev(s);

    switch (offset) {
    case C_DEVICE_FEATURE_SELECT: return s->device_feature_select;
    case C_DEVICE_FEATURE:
        return s->device_feature_select < 2
                   ? (uint32_t)(vdev->host_features >> (32 * s->device_feature_select))
                   : 0;
    case C_DRIVER_FEATURE_SELECT: return s->driver_feature_select;
    case C_DRIVER_FEATURE:
        return s->driver_feature_select < 2
                   ? (uint32_t)(s->driver_features >> (32 * s->driver_feature_select))
                   : 0;
    case C_CONFIG_VECTOR: return s->config_vector;
    case C_NUM_QUEUES: return vdev->nqueues;
    case C_STATUS: return vdev->status;
    case C_GENERATION: return vdev->config_generation & 0xff;
    case C_QUEUE_SELECT: return s->queue_select;
    default: return common_read_queue(s, offset);
    }
}

/* 64-bit fields may be read in halves (4.1.3.1). */
static uint64_t common_read(void *opaque, uint64_t offset, unsigned size)
{
    if (offset >= C_QUEUE_DESC && offset < C_QUEUE_NOTIFY_DATA && size == 4) {
        return extract64(common_read_field(opaque, offset & ~7ULL), (offset & 4) * 8, 32);
    }
    return common_read_field(opaque, offset);
}

static void common_write_address(VirtQueue *vq, uint64_t offset, uint64_t v, unsigned size)
{
    uint64_t *field = offset < C_QUEUE_DRIVER   ? &vq->desc
                      : offset < C_QUEUE_DEVICE ? &vq->avail
                                                : &vq->used;

    *field = size == 8 ? v : deposit64(*field, (offset & 4) * 8, 32, v);
}

static void common_write_queue(VirtioPci *s, uint64_t offset, uint64_t v, unsigned size)
{
    VirtQueue *vq = virtio_queue(vpci_vdev(s), s->queue_select);

    if (!vq) {
        return;
    }
    if (offset == C_QUEUE_VECTOR) {
        vq->vector = vpci_checked_vector(s, v);
    } else if (offset == C_QUEUE_RESET) {
        if (v == 1) {
            virtio_queue_reset(vq);
        }
    } else if (vq->ready) {
        log_guest("virtio-pci: queue %u is changed while enabled", vq->index);
    } else if (offset == C_QUEUE_SIZE) {
        virtio_queue_set_size(vq, v & 0xffff);
    } else if (offset == C_QUEUE_ENABLE) {
        if (v == 1) {
            virtio_queue_enable(vq);
        }
    } else if (offset >= C_QUEUE_DESC && offset < C_QUEUE_NOTIFY_DATA) {
        common_write_address(vq, offset, v, size);
    }
}

void vpci_write_status(VirtioPci *s, uint8_t status)
{
    virtio_set_status(vpci_vdev(s), status);
    if (!status) {
        s->config_vector = VIRTIO_NO_VECTOR;
        s->driver_features = 0;
        pci_set_intx(&s->pci, false);
    }
}

static void common_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    VirtioPci *s = opaque;

    switch (offset) {
    case C_DEVICE_FEATURE_SELECT: s->device_feature_select = v; break;
    case C_DRIVER_FEATURE_SELECT: s->driver_feature_select = v; break;
    case C_DRIVER_FEATURE:
        if (s->driver_feature_select < 2) {
            s->driver_features =
                deposit64(s->driver_features, 32 * s->driver_feature_select, 32, v);
            virtio_set_features(vpci_vdev(s), s->driver_features);
        }
        break;
    case C_CONFIG_VECTOR: s->config_vector = vpci_checked_vector(s, v); break;
    case C_STATUS: vpci_write_status(s, v); break;
    case C_QUEUE_SELECT: s->queue_select = v; break;
    default: common_write_queue(s, offset, v, size);
    }
}

static const MemOps common_ops = {
    .read = common_read,
    .write = common_write,
    .valid_min = 1,
    .valid_max = 8,
    .impl_min = 1,
    .impl_max = 8,
};

/* --- ISR status, device configuration, notification --- */

uint8_t vpci_take_isr(VirtioPci *s)
{
    uint8_t isr = vpci_vdev(s)->isr;

    vpci_vdev(s)->isr = 0; /* reading acknowledges (4.1.4.5) */
    pci_set_intx(&s->pci, false);
    return isr;
}

static uint64_t isr_read(void *opaque, uint64_t offset, unsigned size)
{
    return offset ? 0 : vpci_take_isr(opaque);
}

static void ignore_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    log_guest("virtio-pci: write to a read-only structure");
}

static const MemOps isr_ops = {
    .read = isr_read,
    .write = ignore_write,
    .valid_min = 1,
    .valid_max = 4,
    .impl_min = 1,
    .impl_max = 4,
};

static uint64_t device_read(void *opaque, uint64_t offset, unsigned size)
{
    return virtio_config_read(vpci_vdev(opaque), offset, size);
}

static void device_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    virtio_config_write(vpci_vdev(opaque), offset, value, size);
}

static const MemOps device_ops = {
    .read = device_read,
    .write = device_write,
    .valid_min = 1,
    .valid_max = 8,
    .impl_min = 1,
    .impl_max = 4,
};

static uint64_t notify_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0;
}

static void notify_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    virtio_queue_kick(vpci_vdev(opaque), offset / NOTIFY_MULTIPLIER);
}

static const MemOps notify_ops = {
    .read = notify_read,
    .write = notify_write,
    .valid_min = 1,
    .valid_max = 4,
    .impl_min = 1,
    .impl_max = 4,
};

/* --- Access through configuration space (4.1.4.9) --- */

/* The window's target when the capability is set up sensibly. */
static bool window_target(VirtioPci *s, uint32_t offset, uint64_t *at, unsigned *len)
{
    const uint8_t *cap = s->pci.config + s->pci_cap;

    *at = ld32_le(cap + CAP_OFFSET);
    *len = ld32_le(cap + CAP_LENGTH);
    return s->pci_cap && offset >= s->pci_cap + (uint32_t)CAP_EXTRA &&
           offset < s->pci_cap + (uint32_t)CAP_EXTRA + 4 &&
           cap[CAP_BAR] == vpci_layout(s)->modern_bar && (*len == 1 || *len == 2 || *len == 4) &&
           *at % *len == 0 && *at <= BAR_SIZE - *len;
}

/* The structure at *@at of the BAR, in which it is at *@at then; NULL: there is none. */
static const MemOps *window_part(VirtioPci *s, uint64_t *at)
{
    const VirtioPciLayout *l = vpci_layout(s);
    const struct {
        const MemOps *ops;
        uint64_t start;
    } parts[] = {{&notify_ops, NOTIFY},
                 {&device_ops, DEVICE_CFG},
                 {&isr_ops, l->isr},
                 {&common_ops, l->common}};

    for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
        if (*at >= parts[i].start) {
            *at -= parts[i].start;
            return parts[i].ops;
        }
    }
    return NULL;
}

void vpci_config_read(PciDevice *pci, uint32_t offset, unsigned size)
{
    VirtioPci *s = (VirtioPci *)pci;
    const MemOps *ops;
    uint64_t at;
    unsigned len;

    if (window_target(s, offset, &at, &len) && (ops = window_part(s, &at))) {
        st32_le(pci->config + s->pci_cap + CAP_EXTRA, ops->read(s, at, len));
    }
}

void vpci_config_written(PciDevice *pci, uint32_t offset, unsigned size)
{
    VirtioPci *s = (VirtioPci *)pci;
    const MemOps *ops;
    uint64_t at;
    unsigned len;

    if (window_target(s, offset, &at, &len) && (ops = window_part(s, &at))) {
        uint32_t data = ld32_le(pci->config + s->pci_cap + CAP_EXTRA);

        ops->write(s, at, data & MASK_ULL(len * 8), len);
    }
}

/* --- Life --- */

static uint8_t add_virtio_cap(VirtioPci *s, uint8_t type, uint8_t len, uint32_t offset,
                              uint32_t length)
{
    uint8_t at = pci_add_capability(&s->pci, PCI_CAP_VENDOR, len);
    uint8_t *cap = s->pci.config + at;

    cap[CAP_LEN] = len;
    cap[CAP_TYPE] = type;
    cap[CAP_BAR] = type == CAP_PCI ? 0 : vpci_layout(s)->modern_bar;
    st32_le(cap + CAP_OFFSET, offset);
    st32_le(cap + CAP_LENGTH, length);
    return at;
}

/* A structure at [@start, @end) of the BAR. */
static void add_part(VirtioPci *s, MemRegion *mr, const MemOps *ops, const char *name,
                     uint32_t start, uint32_t end)
{
    mem_init_io(mr, &s->pci.dev.obj, ops, s, name, end - start);
    mem_add(&s->bar, start, mr);
}

static void vpci_init_bar(VirtioPci *s)
{
    const VirtioPciLayout *l = vpci_layout(s);
    uint8_t notify;

    mem_init_container(&s->bar, &s->pci.dev.obj, "virtio-pci", BAR_SIZE);
    add_part(s, &s->common_mr, &common_ops, "virtio-pci-common", l->common, l->isr);
    add_part(s, &s->isr_mr, &isr_ops, "virtio-pci-isr", l->isr, DEVICE_CFG);
    add_part(s, &s->device_mr, &device_ops, "virtio-pci-device", DEVICE_CFG, NOTIFY);
    add_part(s, &s->notify_mr, &notify_ops, "virtio-pci-notify", NOTIFY, BAR_SIZE);
    pci_register_bar(&s->pci, l->modern_bar, PCI_BAR_64 | PCI_BAR_PREFETCH, &s->bar);

    add_virtio_cap(s, CAP_COMMON, CAP_EXTRA, l->common, l->isr - l->common);
    add_virtio_cap(s, CAP_ISR, CAP_EXTRA, l->isr, DEVICE_CFG - l->isr);
    add_virtio_cap(s, CAP_DEVICE, CAP_EXTRA, DEVICE_CFG, NOTIFY - DEVICE_CFG);
    notify = add_virtio_cap(s, CAP_NOTIFY, CAP_EXTRA + 4, NOTIFY, BAR_SIZE - NOTIFY);
    st32_le(s->pci.config + notify + CAP_EXTRA, NOTIFY_MULTIPLIER);
    s->pci_cap = add_virtio_cap(s, CAP_PCI, CAP_EXTRA + 4, 0, 0);
    s->pci.writable[s->pci_cap + CAP_BAR] = 0xff;
    memset(s->pci.writable + s->pci_cap + CAP_OFFSET, 0xff, 12);
}

/* The interfaces it has, 0 with an error when none is left. */
static unsigned vpci_modes(VirtioPci *s, Error **errp)
{
    const VirtioPciType *t = qom_type_ops(s->pci.dev.obj.type);
    unsigned modes = t->modes;

    if (!modes) {
        /* A slot of PCI Express is younger than the legacy interface, and I/O ports are scarce there. */
        bool slot = s->pci.bus->express && s->pci.bus->bridge;
        bool legacy = s->disable_legacy == ON_OFF_AUTO_OFF ||
                      (s->disable_legacy == ON_OFF_AUTO_AUTO && (!slot || s->disable_modern));

        modes = (s->disable_modern ? 0 : VIRTIO_MODERN) | (legacy ? VIRTIO_LEGACY : 0);
    }
    if (!modes) {
        error_fail(errp, "%s: disable-legacy=on and disable-modern=on leave no interface",
                   s->pci.dev.obj.type->name);
    }
    return modes;
}

/* A device with the legacy interface must look like one (4.1.2.1). */
static void vpci_init_legacy_bar(VirtioPci *s)
{
    const VirtioPciType *t = qom_type_ops(s->pci.dev.obj.type);
    uint8_t *c = s->pci.config;

    pci_set_device_id(&s->pci, t->legacy_device);
    st16_le(c + PCI_SUBSYSTEM_ID, virtio_ops(vpci_vdev(s))->device_id);
    c[PCI_REVISION] = 0;
    vpci_legacy_init(s);
    pci_register_bar(&s->pci, LEGACY_BAR, PCI_BAR_IO, &s->legacy_mr);
}

static bool vpci_realize(Device *dev, Error **errp)
{
    VirtioPci *s = (VirtioPci *)dev;
    unsigned modes = vpci_modes(s, errp);
    Device *inner = (Device *)s->inner;
    uint32_t vectors;

    if (!modes) {
        return false;
    }
    s->bus = bus_new(dev, TYPE_VIRTIO_PCI_BUS, "virtio-bus", 1);
    virtio_bus_init(s->bus, &vpci_transport_ops, s, modes);
    g_free(inner->id);
    inner->id = g_strdup(dev->id);
    if (!device_realize(inner, dev->machine, s->bus, errp)) {
        return false;
    }
    vectors = s->vectors == UINT32_MAX ? MIN(vpci_vdev(s)->nqueues + 1, 64) : s->vectors;
    if (vectors > 128) {
        return error_fail(errp, "%s: property 'vectors' must be at most 128", dev->obj.type->name);
    }
    if (modes & VIRTIO_LEGACY) {
        vpci_init_legacy_bar(s);
    }
    if (modes & VIRTIO_MODERN) {
        vpci_init_bar(s);
    }
    if (vectors) {
        pci_msix_init(&s->pci, vectors, vpci_layout(s)->msix_bar);
    }
    return true;
}

void vpci_init(Object *obj)
{
    VirtioPci *s = (VirtioPci *)obj;
    const VirtioPciType *t = qom_type_ops(obj->type);

    s->inner = qom_new(t->inner);
    qom_add_child(obj, "virtio-backend", s->inner);
    qom_put(s->inner); /* the tree holds it */
}

static void vpci_reset(Device *dev)
{
    VirtioPci *s = (VirtioPci *)dev;

    s->device_feature_select = s->driver_feature_select = 0;
    s->driver_features = 0;
    s->queue_select = 0;
    s->config_vector = VIRTIO_NO_VECTOR;
}

static void vpci_snapshot(Device *dev, Snapshot *sn)
{
    VirtioPci *s = (VirtioPci *)dev;

    snap_section(sn, "virtio-pci", 1);
    snap_fields(sn, &s->device_feature_select, &s->driver_feature_select, &s->driver_features,
                &s->config_vector, &s->queue_select);
}

static const PropDesc vpci_props[] = {PROP_U32("vectors", VirtioPci, vectors, UINT32_MAX,
                                               "MSI-X vectors (default: one a queue and one)"),
                                      PROP_END};

static const PropDesc vpci_mode_props[] = {
    PROP_ONOFFAUTO(
        "disable-legacy", VirtioPci, disable_legacy, ON_OFF_AUTO_AUTO,
        "leave out the interface for drivers older than virtio 1.0 [on in PCI Express slots]"),
    PROP_BOOL("disable-modern", VirtioPci, disable_modern, false,
              "leave out the interface of virtio 1.0 and later"),
    PROP_END};

static const DeviceOps vpci_ops =
    DEVICE_OPS(vpci_snapshot, .realize = vpci_realize, .reset = vpci_reset);
QOM_TYPE(vpci_type, .name = TYPE_VIRTIO_PCI, .parent = TYPE_PCI_DEVICE, .size = sizeof(VirtioPci),
         .abstract = true, .props = vpci_props, .dev = &vpci_ops);
QOM_TYPE(vpci_bus_type, .name = TYPE_VIRTIO_PCI_BUS, .parent = TYPE_VIRTIO_BUS,
         .desc = "place of a virtio device behind PCI");

/* --- The wrappers --- */

/* One name of a device: virtio-NAME-pci with @SUFFIX, which may fix the interfaces (@MODES). */
#define VIRTIO_PCI_NAME(ident, NAME, SUFFIX, MODES, PROPS, ID, LEGACY, CLASS, ROM, CATEGORY, DESC) \
    static const VirtioPciType ident##_ops = {                                                     \
        .pci = {.vendor = VPCI_VENDOR,                                                             \
                .device = VPCI_DEVICE_BASE + (ID),                                                 \
                .class_id = (CLASS),                                                               \
                .subsystem_vendor = VPCI_VENDOR,                                                   \
                .subsystem = VPCI_SUBSYSTEM,                                                       \
                .revision = VPCI_REVISION,                                                         \
                .intx = true,                                                                      \
                .romfile = (ROM),                                                                  \
                .config_read = vpci_config_read,                                                   \
                .config_written = vpci_config_written},                                            \
        .inner = "virtio-" NAME "-device",                                                         \
        .legacy_device = (LEGACY),                                                                 \
        .modes = (MODES),                                                                          \
    };                                                                                             \
    static const DeviceOps ident##_dev =                                                           \
        DEVICE_OPS(device_no_state, .category = (CATEGORY), .user_creatable = true);               \
    QOM_TYPE(ident##_type, .name = "virtio-" NAME "-pci" SUFFIX, .parent = TYPE_VIRTIO_PCI,        \
             .size = sizeof(VirtioPci), .desc = (DESC), .dev = &ident##_dev, .ops = &ident##_ops,  \
             .props = (PROPS), .init = vpci_init, .delegate = "virtio-" NAME "-device",            \
             .delegate_offset = offsetof(VirtioPci, inner))

#define VIRTIO_PCI_DEVICE(ident, NAME, ...)                                                        \
    VIRTIO_PCI_NAME(ident, NAME, "", 0, vpci_mode_props, __VA_ARGS__);                             \
    VIRTIO_PCI_NAME(ident##_t, NAME, "-transitional", VIRTIO_MODERN | VIRTIO_LEGACY, NULL,         \
                    __VA_ARGS__);                                                                  \
    VIRTIO_PCI_NAME(ident##_nt, NAME, "-non-transitional", VIRTIO_MODERN, NULL, __VA_ARGS__)

VIRTIO_PCI_DEVICE(blk_pci, "blk", VIRTIO_ID_BLOCK, LEGACY_BLOCK, 0x0100, NULL, "Storage devices",
                  "virtio block device on PCI");
VIRTIO_PCI_DEVICE(scsi_pci, "scsi", VIRTIO_ID_SCSI, LEGACY_SCSI, 0x0100, NULL, "Storage devices",
                  "virtio SCSI host adapter on PCI");
VIRTIO_PCI_DEVICE(net_pci, "net", VIRTIO_ID_NET, LEGACY_NET, PCI_CLASS_ETHERNET, "efi-virtio.rom",
                  "Network devices", "virtio network card on PCI");
VIRTIO_PCI_DEVICE(rng_pci, "rng", VIRTIO_ID_RNG, LEGACY_RNG, 0x00ff, NULL, "Misc devices",
                  "virtio entropy source on PCI");
VIRTIO_PCI_DEVICE(serial_pci, "serial", VIRTIO_ID_CONSOLE, LEGACY_CONSOLE, 0x0780, NULL,
                  "Input devices", "virtio console and serial ports on PCI");
VIRTIO_PCI_DEVICE(balloon_pci, "balloon", VIRTIO_ID_BALLOON, LEGACY_BALLOON, 0x00ff, NULL,
                  "Misc devices", "virtio memory balloon on PCI");
VIRTIO_PCI_NAME(gpu_pci, "gpu", "", VIRTIO_MODERN, NULL, VIRTIO_ID_GPU, 0, 0x0380, NULL,
                "Display devices", "virtio graphics adapter on PCI, 2D");

/* Input devices have no legacy interface, and so one name each. */
#define VIRTIO_PCI_INPUT(ident, NAME, CLASS)                                                       \
    VIRTIO_PCI_NAME(ident, NAME, "", VIRTIO_MODERN, NULL, VIRTIO_ID_INPUT, 0, CLASS, NULL,         \
                    "Input devices", "virtio " NAME " on PCI")
VIRTIO_PCI_INPUT(keyboard_pci, "keyboard", 0x0900);
VIRTIO_PCI_INPUT(mouse_pci, "mouse", 0x0902);
VIRTIO_PCI_INPUT(tablet_pci, "tablet", 0x0980);
