/* SPDX-License-Identifier: MIT */
/*
 * MSI of one vector, and how a message leaves a function: as a 32-bit write into the machine's memory
 * space, whatever answers there.
 * Spec: PCI Local Bus 3.0, section 6.8.1.
 * Not modelled: several vectors, masking of vectors.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "hw/pci/pci.h"
#include "rhea/endian.h"
#include "rhea/log.h"

#include "pci-int.h"

enum { CAP_SIZE = 14, CAP_CONTROL = 2, CAP_ADDRESS = 4, CAP_DATA = 12 };
enum { CONTROL_ENABLE = 0x0001, CONTROL_MULTIPLE = 0x0070, CONTROL_64_BIT = 0x0080 };

void pci_send_message(PciDevice *pci, uint64_t addr, uint32_t data)
{
    if (pci_master(pci) && mem_write_value(pci->dev.machine->memory, addr, 4, data) != MEM_OK) {
        log_guest("%s: a message goes to 0x%" PRIx64 ", where nothing is", pci->dev.obj.type->name,
                  addr);
    }
}

bool pci_msi_enabled(const PciDevice *pci)
{
    return pci->msi && (ld16_le(pci->config + pci->msi + CAP_CONTROL) & CONTROL_ENABLE);
}

void pci_msi_notify(PciDevice *pci)
{
    const uint8_t *cap = pci->config + pci->msi;

    pci_send_message(pci, ld64_le(cap + CAP_ADDRESS), ld16_le(cap + CAP_DATA));
}

void pci_msi_init(PciDevice *pci)
{
    uint8_t *writable;

    pci->msi = pci_add_capability(pci, PCI_CAP_MSI, CAP_SIZE);
    writable = pci->writable + pci->msi;
    st16_le(pci->config + pci->msi + CAP_CONTROL, CONTROL_64_BIT);
    st16_le(writable + CAP_CONTROL, CONTROL_ENABLE | CONTROL_MULTIPLE);
    st64_le(writable + CAP_ADDRESS, ~3ULL);
    st16_le(writable + CAP_DATA, 0xffff);
}
