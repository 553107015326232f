/* SPDX-License-Identifier: MIT */
/* The standard VGA of a PC on PCI ("VGA"). */
#ifndef HW_DISPLAY_VGA_H
#define HW_DISPLAY_VGA_H

#define TYPE_VGA "VGA"

#endif
