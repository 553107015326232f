/* SPDX-License-Identifier: MIT */
/* Virtual machine generation ID: what boards and the monitor ask of it.  Machine lock. */
#ifndef HW_ACPI_VMGENID_H
#define HW_ACPI_VMGENID_H

#include "qom/device.h"
#include "rhea/uuid.h"

#define TYPE_VMGENID "vmgenid"

/* Devices that only a board's ACPI tables tell of; there is room for one. */
#define TYPE_ACPI_BUS "acpi-bus"

/* The files of fw_cfg: a page with the identifier, and where firmware says that it put it. */
#define VMGENID_FILE      "etc/vmgenid_guid"
#define VMGENID_ADDR_FILE "etc/vmgenid_addr"
/* In the page; before it there are zeroes, lest firmware takes the page for a table. */
enum { VMGENID_OFFSET = 40, VMGENID_PAGE = 4096 };

/* The identifier's bytes as they are in the guest's memory. */
const uint8_t *vmgenid_guid(Device *dev);
/* The guest's address of the identifier, and back; 0: not known. */
uint64_t vmgenid_addr(Device *dev);
void vmgenid_set_addr(Device *dev, uint64_t addr);

#endif
