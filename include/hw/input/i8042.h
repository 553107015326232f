/* SPDX-License-Identifier: MIT */
/* Keyboard controller of a PC with its keyboard and mouse; output "a20". */
#ifndef HW_INPUT_I8042_H
#define HW_INPUT_I8042_H

#define TYPE_I8042 "i8042"

#endif
