/* SPDX-License-Identifier: MIT */
/* Between the files of the PCI core.  Threading: the machine lock. */
#ifndef HW_PCI_PCI_INT_H
#define HW_PCI_PCI_INT_H

#include "hw/pci/pci.h"

/* Which line of its bus pin @pin (0: A) of the function drives. */
unsigned pci_line(const PciDevice *pci, unsigned pin);
/* One driver more or less of a line that several may share. */
void pci_drive_line(PciBus *bus, unsigned line, bool level);

/* The message of a function that has MSI enabled. */
void pci_msi_notify(PciDevice *pci);

/* The expansion ROM of its properties or of its type, in its BAR. */
bool pci_rom_load(PciDevice *pci, Error **errp) MUST_CHECK;
void pci_rom_free(PciDevice *pci);

/* Parts of a function's life that belong to its MSI-X structure. */
void pci_msix_config_written(PciDevice *pci);
void pci_msix_reset(PciDevice *pci);
void pci_msix_free(PciDevice *pci);
struct Snapshot;
void pci_msix_snapshot(PciDevice *pci, struct Snapshot *sn);

#endif
