/* SPDX-License-Identifier: MIT */
/*
 * Virtio over PCI: for its modern and its legacy interface, and for types that add to it (virtio-vga).
 * Threading: the machine lock.
 */
#ifndef HW_VIRTIO_VIRTIO_PCI_H
#define HW_VIRTIO_VIRTIO_PCI_H

#include "hw/pci/pci.h"
#include "hw/virtio/virtio.h"

#define TYPE_VIRTIO_PCI "virtio-pci"

/* Where a type has its BARs and, in the modern one, the structures; what lies before the first is the type's own. */
typedef struct VirtioPciLayout {
    uint8_t modern_bar, msix_bar;
    uint16_t common, isr; /* the others are at the same places in all types */
} VirtioPciLayout;

/* ObjectType.ops of a type. */
typedef struct VirtioPciType {
    PciDeviceOps pci; /* first: the PCI core sees it */
    const char *inner;
    const VirtioPciLayout *layout; /* NULL: as most have it */
    uint16_t legacy_device;
    unsigned modes; /* VIRTIO_MODERN, VIRTIO_LEGACY; 0: as the properties say */
} VirtioPciType;

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

/* --- For types: init, and what their PciDeviceOps have --- */

enum {
    VPCI_VENDOR = 0x1af4,
    VPCI_DEVICE_BASE = 0x1040,
    VPCI_SUBSYSTEM = 0x1100,
    VPCI_REVISION = 1
};

/* Makes the wrapped device, so that its properties can be set. */
void vpci_init(Object *obj);
void vpci_config_read(PciDevice *pci, uint32_t offset, unsigned size);
void vpci_config_written(PciDevice *pci, uint32_t offset, unsigned size);

/* --- Between the two interfaces --- */

/* @v, or VIRTIO_NO_VECTOR when the function has no such vector. */
uint16_t vpci_checked_vector(VirtioPci *s, uint16_t v);
void vpci_write_status(VirtioPci *s, uint8_t status);
/* Reads and acknowledges the interrupt status. */
uint8_t vpci_take_isr(VirtioPci *s);

/* Makes legacy_mr, the I/O window for BAR 0. The wrapped device is realized. */
void vpci_legacy_init(VirtioPci *s);

#endif
