/* SPDX-License-Identifier: MIT */
/*
 * Virtio devices without their transport.  Spec: OASIS Virtual I/O Device 1.2.
 *
 * A device ("virtio-blk-device") plugs into a "virtio-bus", which a transport (virtio-mmio, virtio-pci)
 * owns.  Devices implement features, configuration space and queue handlers only; transports know no
 * device.  Everything that a guest puts into a ring is hostile: an impossible ring marks the device
 * broken (DEVICE_NEEDS_RESET) and it does nothing more until the driver resets it.
 * Threading: the machine lock.
 */
#ifndef HW_VIRTIO_VIRTIO_H
#define HW_VIRTIO_VIRTIO_H

#include "memory/memory.h"
#include "qom/device.h"
#include "rhea/iov.h"

#define TYPE_VIRTIO_BUS    "virtio-bus"
#define TYPE_VIRTIO_DEVICE "virtio-device"

/* Section 5. */
enum {
    VIRTIO_ID_NET = 1,
    VIRTIO_ID_BLOCK = 2,
    VIRTIO_ID_CONSOLE = 3,
    VIRTIO_ID_RNG = 4,
    VIRTIO_ID_BALLOON = 5,
    VIRTIO_ID_SCSI = 8,
    VIRTIO_ID_GPU = 16,
    VIRTIO_ID_INPUT = 18,
};

/* Section 2.1. */
enum {
    VIRTIO_STATUS_ACKNOWLEDGE = 1,
    VIRTIO_STATUS_DRIVER = 2,
    VIRTIO_STATUS_DRIVER_OK = 4,
    VIRTIO_STATUS_FEATURES_OK = 8,
    VIRTIO_STATUS_NEEDS_RESET = 64,
    VIRTIO_STATUS_FAILED = 128,
};

/* Section 6: feature bit numbers. */
enum {
    VIRTIO_F_ANY_LAYOUT = 27, /* of legacy drivers */
    VIRTIO_F_INDIRECT_DESC = 28,
    VIRTIO_F_EVENT_IDX = 29,
    VIRTIO_F_VERSION_1 = 32,
    VIRTIO_F_ACCESS_PLATFORM = 33,
    VIRTIO_F_RING_RESET = 40,
};
#define VIRTIO_FEATURE(bit) (1ULL << (bit))

/* The interfaces that a transport has for drivers; both: a transitional device (2.2.3, 4.1.2.1). */
enum { VIRTIO_MODERN = 1, VIRTIO_LEGACY = 2 };

enum { VIRTIO_ISR_QUEUE = 1, VIRTIO_ISR_CONFIG = 2 };

enum { VIRTIO_MAX_QUEUES = 64, VIRTQ_MAX_SIZE = 1024, VIRTIO_NO_VECTOR = 0xffff };

typedef struct VirtioDevice VirtioDevice;
typedef struct VirtQueue VirtQueue;

/* A chain of buffers from the available ring.  Addresses are mapped guest memory: read @out, write @in. */
typedef struct VirtqElement {
    uint16_t head;
    unsigned out_num, in_num;
    size_t out_len, in_len; /* bytes in all */
    struct iovec *out, *in;
} VirtqElement;

typedef void (*VirtqHandler)(VirtioDevice *vdev, VirtQueue *vq);

struct VirtQueue {
    VirtioDevice *vdev;
    unsigned index;
    VirtqHandler handler;
    uint16_t max_size;
    /* guest-visible: saved by the core */
    uint16_t size;
    bool ready;
    uint64_t desc, avail, used; /* guest-physical */
    uint32_t align;             /* legacy interface: of the used ring */
    uint16_t vector;            /* MSI-X, the transport's */
    uint16_t last_avail, used_idx, signalled_used;
    bool signalled_valid;
    bool notify_disabled;
    bool later; /* the handler runs again in the main loop */
    unsigned in_flight;
};

/* What a kind of device supplies; ObjectType.ops of its type. */
typedef struct VirtioDeviceOps {
    uint16_t device_id;
    uint16_t config_size;
    /* Device-specific feature bits offered, given the properties. */
    uint64_t (*features)(VirtioDevice *vdev);
    void (*features_ready)(VirtioDevice *vdev); /* driver has chosen: vdev->features */
    /* @buf is config_size bytes, little-endian. set_config gets what the driver wrote merged in. */
    void (*get_config)(VirtioDevice *vdev, uint8_t *buf);
    void (*set_config)(VirtioDevice *vdev, const uint8_t *buf);
    /* Before a queue alone is reset: no chain of it may be held afterwards. NULL: none ever is. */
    void (*queue_reset)(VirtioDevice *vdev, VirtQueue *vq);
    void (*status_changed)(VirtioDevice *vdev); /* DRIVER_OK set, or VM state: start work */
} VirtioDeviceOps;

/* What a transport supplies. */
typedef struct VirtioTransportOps {
    /* Raise the interrupt for a queue; for a configuration change vq is NULL. */
    void (*notify)(void *opaque, VirtQueue *vq);
} VirtioTransportOps;

struct VirtioDevice {
    Device dev;
    /* wiring */
    const VirtioTransportOps *transport;
    void *transport_opaque;
    unsigned modes;   /* VIRTIO_MODERN, VIRTIO_LEGACY or both */
    AddressSpace *as; /* DMA goes through it */
    VirtQueue *vqs;
    unsigned nqueues;
    /* properties */
    bool event_idx, indirect_desc;
    /* guest-visible: saved by the core */
    uint64_t host_features; /* offered */
    uint64_t features;      /* accepted */
    uint8_t status;
    uint8_t isr;
    bool legacy; /* the driver came through the legacy interface */
    uint32_t config_generation;
    /* host-side */
    bool later; /* some queue's handler runs again in the main loop */
};

/* The properties that every virtio device has, for the property tables of transports' wrappers. */
extern const PropDesc virtio_common_props[];

/* --- For devices --- */

/* From realize: queues are numbered in the order they are added. NULL handler: driver never kicks. */
VirtQueue *virtio_add_queue(VirtioDevice *vdev, unsigned size, VirtqHandler handler);
/* Whether the driver has a feature; one that was not offered it may ask for, but never has. */
static inline bool virtio_has(const VirtioDevice *vdev, unsigned bit)
{
    return (vdev->features & vdev->host_features) >> bit & 1;
}
/* Legacy drivers use the device before they say DRIVER_OK (3.1.2). */
static inline bool virtio_driver_ok(const VirtioDevice *vdev)
{
    return ((vdev->status & VIRTIO_STATUS_DRIVER_OK) || vdev->legacy) &&
           !(vdev->status & VIRTIO_STATUS_NEEDS_RESET);
}
/* Configuration changed: generation and interrupt. */
void virtio_config_changed(VirtioDevice *vdev);
/* The guest broke the protocol: logs, sets NEEDS_RESET, tells the driver. */
void virtio_error(VirtioDevice *vdev, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Next chain or NULL (empty, or the device broke). Owned by the caller until vq_push/vq_unpop. */
VirtqElement *vq_pop(VirtQueue *vq);
bool vq_empty(VirtQueue *vq);
/* Returns the chain with @written bytes in its `in` buffers; frees @e. Does not interrupt. */
void vq_push(VirtQueue *vq, VirtqElement *e, uint32_t written);
/* Puts the last popped chain back as if never taken; frees @e. */
void vq_unpop(VirtQueue *vq, VirtqElement *e);
/* Drops the chain without returning it (device reset while in flight); frees @e. */
void vq_detach(VirtQueue *vq, VirtqElement *e);
/* Interrupts the driver unless it asked not to be. */
void vq_notify(VirtQueue *vq);
/* Asks the driver (not) to kick when it adds buffers. */
void vq_set_notification(VirtQueue *vq, bool on);
/* The handler leaves off with chains in the ring, because other vCPUs may fill it for ever, and shall be
 * called again, from the main loop. */
void vq_handle_later(VirtQueue *vq);

/* --- For transports --- */

/* Connects the one device on @bus (realized after the transport), which drivers reach by @modes. */
void virtio_bus_init(Bus *bus, const VirtioTransportOps *ops, void *opaque, unsigned modes);
/* The device on the bus, or NULL. */
VirtioDevice *virtio_bus_device(Bus *bus);

const VirtioDeviceOps *virtio_ops(VirtioDevice *vdev);
void virtio_set_status(VirtioDevice *vdev, uint8_t status); /* 0 resets */
void virtio_set_features(VirtioDevice *vdev, uint64_t features);
/* @size 1, 2 or 4 bytes of configuration space; out of range reads 0. */
uint32_t virtio_config_read(VirtioDevice *vdev, uint32_t offset, unsigned size);
void virtio_config_write(VirtioDevice *vdev, uint32_t offset, uint32_t value, unsigned size);
/* NULL when the number is out of range. */
VirtQueue *virtio_queue(VirtioDevice *vdev, uint32_t n);
void virtio_queue_set_size(VirtQueue *vq, uint32_t size);
void virtio_queue_enable(VirtQueue *vq);
/* The driver resets this queue alone. */
void virtio_queue_reset(VirtQueue *vq);
/* The driver kicked. */
void virtio_queue_kick(VirtioDevice *vdev, uint32_t n);

/* The legacy interface: features are the driver's last word at once, a queue lies in one piece (2.7.2). */
void virtio_legacy_set_features(VirtioDevice *vdev, uint32_t features);
/* @addr 0 takes the queue out of use. */
void virtio_legacy_set_queue(VirtQueue *vq, uint64_t addr);

#endif
