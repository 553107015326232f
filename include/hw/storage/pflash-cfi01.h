/* SPDX-License-Identifier: MIT */
/* NOR flash with the Intel command set: one region, as large as its properties say. */
#ifndef HW_STORAGE_PFLASH_CFI01_H
#define HW_STORAGE_PFLASH_CFI01_H

#define TYPE_PFLASH_CFI01 "cfi.pflash01"

#endif
