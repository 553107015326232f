/* SPDX-License-Identifier: MIT */
/* Power management of the PIIX4, function 01.3 of a 440FX; outputs "sci", "smi" and "smbus". */
#ifndef HW_ACPI_PIIX4_PM_H
#define HW_ACPI_PIIX4_PM_H

#include "qom/device.h"

#define TYPE_PIIX4_PM "PIIX4_PM"

/* Ports that the tables name: where firmware puts the block, and general purpose events. */
enum {
    PIIX4_PM_BASE = 0xb000,
    PIIX4_GPE_BASE = 0xafe0,
    PIIX4_GPE_LEN = 4,
    SMI_COMMAND_PORT = 0xb2
};

struct AcpiPm *piix4_pm(Device *pm);
/* Without system management mode the enable bit is set after a reset, so that firmware does not set it up. */
void piix4_pm_set_smm(Device *pm, bool on);

#endif
