/* SPDX-License-Identifier: MIT */
/* Shared by the modern and the legacy interface of virtio over PCI. Machine lock. */
#ifndef HW_VIRTIO_VIRTIO_PCI_H
#define HW_VIRTIO_VIRTIO_PCI_H

#include "hw/pci/pci.h"
#include "hw/virtio/virtio.h"

typedef struct VirtioPci {
    PciDevice pci;
    /* wiring */
    Object *inner; /* the virtio device */
    Bus *bus;
    MemRegion bar, common_mr, isr_mr, device_mr, notify_mr;
    MemRegion legacy_mr;
    uint8_t pci_cap; /* offset of the PCI access capability; 0: no modern interface */
    /* properties: fixed once realized */
    uint32_t vectors;   /* UINT32_MAX: one a queue and one for configuration */
    int disable_legacy; /* OnOffAuto */
    bool disable_modern;
    /* guest-visible: all of it is in vpci_snapshot */
    uint32_t device_feature_select, driver_feature_select;
    uint64_t driver_features;
    uint16_t config_vector, queue_select;
} VirtioPci;

static inline VirtioDevice *vpci_vdev(VirtioPci *s)
{
    return (VirtioDevice *)s->inner;
}

/* @v, or VIRTIO_NO_VECTOR when the function has no such vector. */
uint16_t vpci_checked_vector(VirtioPci *s, uint16_t v);
void vpci_write_status(VirtioPci *s, uint8_t status);
/* Reads and acknowledges the interrupt status. */
uint8_t vpci_take_isr(VirtioPci *s);

/* Makes legacy_mr, the I/O window for BAR 0. The wrapped device is realized. */
void vpci_legacy_init(VirtioPci *s);

#endif
