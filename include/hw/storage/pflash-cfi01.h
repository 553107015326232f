/* SPDX-License-Identifier: MIT */
/* NOR flash with the Intel command set: one region, as large as its properties say. */
#ifndef HW_STORAGE_PFLASH_CFI01_H
#define HW_STORAGE_PFLASH_CFI01_H

#include "qom/device.h"

#define TYPE_PFLASH_CFI01 "cfi.pflash01"

/* Only a secure mode of the CPU is to write it, which is for the board to see to. */
bool pflash_is_secure(Device *flash);

#endif
