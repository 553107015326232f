/* SPDX-License-Identifier: MIT */
/*
 * Platform-level interrupt controller: unnamed inputs 1..num-sources, outputs "context"[n] in the order
 * of its contexts; the board knows which context is which hart's which mode.
 */
#ifndef HW_IRQCHIP_SIFIVE_PLIC_H
#define HW_IRQCHIP_SIFIVE_PLIC_H

#define TYPE_SIFIVE_PLIC "riscv.sifive.plic"

enum { PLIC_MAX_SOURCES = 1023, PLIC_MAX_CONTEXTS = 1024 };

#endif
