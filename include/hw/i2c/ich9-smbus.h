/* SPDX-License-Identifier: MIT */
/* SMBus controller of the ICH9, function 1f.3 of a Q35. */
#ifndef HW_I2C_ICH9_SMBUS_H
#define HW_I2C_ICH9_SMBUS_H

#define TYPE_ICH9_SMBUS "ICH9-SMB"

enum { ICH9_SMBUS_DEVFN = 0x1f << 3 | 3 };

#endif
