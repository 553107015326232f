/* SPDX-License-Identifier: MIT */
/* ACPI tables of the PC boards: what the two files that make them share. */
#ifndef HW_BOARDS_PC_ACPI_H
#define HW_BOARDS_PC_ACPI_H

#include "hw/firmware/acpi-tables.h"
#include "pc.h"

/* Extended configuration space where firmware has put none; the end of memory for PCI. */
#define PC_ECAM_DEFAULT 0xb0000000ULL
#define PC_ECAM_SIZE    0x10000000ULL
#define PC_PCI_END      0xfec00000ULL

/* Where extended configuration space is; only for boards that have it. */
uint64_t pc_acpi_ecam(PcMachine *s);
/* The DSDT; where it begins (pc-dsdt.c). */
uint32_t pc_add_dsdt(PcMachine *s, AcpiTables *t);

/* Of the generation ID, where there is one: its table, its files and its wire (pc-vmgenid.c). */
void pc_add_vmgenid_table(PcMachine *s, AcpiTables *t);
bool pc_add_vmgenid(PcMachine *s, Error **errp) MUST_CHECK;

/* SRAT and SLIT (pc-numa.c). */
void pc_add_numa_tables(PcMachine *s, AcpiTables *t);

#endif
