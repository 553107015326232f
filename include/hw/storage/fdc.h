/* SPDX-License-Identifier: MIT */
/* The PC's floppy controller. */
#ifndef HW_STORAGE_FDC_H
#define HW_STORAGE_FDC_H

#include "qom/device.h"

#define TYPE_ISA_FDC    "isa-fdc"
#define TYPE_FLOPPY_BUS "floppy-bus"

/* The bus of the controller's drives. */
Bus *fdc_bus(Device *fdc);
/* What CMOS byte 10h says of drive @unit: 0 none, 2 1.2 MB, 4 1.44 MB, 5 2.88 MB. */
uint8_t fdc_cmos_type(Device *fdc, unsigned unit);

#endif
