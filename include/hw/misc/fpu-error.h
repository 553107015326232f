/* SPDX-License-Identifier: MIT */
/* Floating-point errors of a PC: input "ferr", outputs "irq" (13) and "ignne". */
#ifndef HW_MISC_FPU_ERROR_H
#define HW_MISC_FPU_ERROR_H

#define TYPE_FPU_ERROR "fpu-error"

#endif
