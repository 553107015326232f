/* SPDX-License-Identifier: MIT */
/* The ICH9's LPC bridge, between its files.  Threading: the machine lock. */
#ifndef HW_ISA_ICH9_INT_H
#define HW_ISA_ICH9_INT_H

#include "hw/acpi/acpi-pm.h"
#include "hw/isa/ich9.h"
#include "hw/isa/pirq.h"
#include "hw/pci/pci.h"

enum { ICH9_SMI_TO_WRITER, ICH9_SMI_TO_ALL, ICH9_SMI_LINES };

/* What firmware and chipset have agreed on about SMIs: bits as in etc/smi/supported-features. */
typedef struct Ich9Smi {
    uint64_t wanted, agreed;
    bool settled; /* agreed counts, and wanted cannot be changed any more */
} Ich9Smi;

typedef struct Ich9 {
    PciDevice pci;
    PirqRouter router;
    AcpiPm pm;
    IrqLine smi[ICH9_SMI_LINES], gsi[ICH9_LINES];
    MemRegion pm_ports, apm_ports;
    bool no_smm;
    bool smi_locked; /* as the register's bit was last seen */
    /* guest-visible, as is pm */
    uint32_t smi_enable, smi_status;
    uint8_t apm[2];
    Ich9Smi features;
} Ich9;

/* The line for an SMI of the command port. */
IrqLine *ich9_smi_line(Ich9 *s);
void ich9_smi_reset(Ich9 *s);
void ich9_smi_snapshot(Ich9 *s, struct Snapshot *sn);

#endif
