/* SPDX-License-Identifier: MIT */
/*
 * Generic PCI Express host bridge: regions 0 ECAM (256 MiB), 1 memory space (2^64, to be aliased into
 * windows), 2 I/O space (64 KiB); outputs "irq"[0..3]; one bus "pcie.0".
 */
#ifndef HW_PCI_GPEX_H
#define HW_PCI_GPEX_H

#define TYPE_GPEX_HOST "gpex-pcihost"

enum { GPEX_ECAM_SIZE = 256 << 20, GPEX_IO_SIZE = 64 << 10 };

#endif
