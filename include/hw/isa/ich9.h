/* SPDX-License-Identifier: MIT */
/*
 * ICH9 LPC bridge, function 1f.0 of a Q35: owns the bus "isa.0" and the power management; outputs "sci",
 * "smi"[0] (to the CPU that wrote the command port) and [1] (to all), and "gsi"[0..7], PCI lines A to H for
 * an I/O APIC.
 */
#ifndef HW_ISA_ICH9_H
#define HW_ISA_ICH9_H

#include "hw/isa/isa.h"

#define TYPE_ICH9_LPC "ICH9-LPC"

enum { ICH9_DEVFN = 0x1f << 3, ICH9_PM_BASE = 0x600, ICH9_GPE_OFFSET = 0x20, ICH9_LINES = 8 };

IsaBus *ich9_isa_bus(Device *lpc);
struct AcpiPm *ich9_pm(Device *lpc);
/* Without system management mode the enable bit reads as set, so that firmware does not set it up. */
void ich9_set_smm(Device *lpc, bool on);
/* The files in which firmware asks for SMIs to all CPUs (ich9-smi.c). */
bool ich9_add_smi_files(Device *lpc, Device *fw_cfg, Error **errp) MUST_CHECK;

#endif
