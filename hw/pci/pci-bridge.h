/* SPDX-License-Identifier: MIT */
/*
 * What all bridges from one PCI bus to another have: windows, the bus behind, bus numbers, the reset of
 * that bus.  See pci-bridge.c.  Threading: the machine lock.
 */
#ifndef HW_PCI_PCI_BRIDGE_H
#define HW_PCI_PCI_BRIDGE_H

#include "hw/pci/pci.h"

#define TYPE_PCI_BRIDGE "base-pci-bridge"

enum { PCI_BRIDGE_WINDOWS = 3 /* I/O, memory, prefetchable memory */ };

typedef struct PciBridge {
    PciDevice pci;
    MemRegion memory, io; /* as functions behind the bridge address them */
    MemRegion window[PCI_BRIDGE_WINDOWS];
} PciBridge;

/* Makes the bus behind, of bus type @bus_type, named as the device. */
void pci_bridge_init_bus(PciBridge *s, const char *bus_type);
/* PciDeviceOps.config_written of every bridge. */
void pci_bridge_config_written(PciDevice *pci, uint32_t offset, unsigned size);

#endif
