/* SPDX-License-Identifier: MIT */
/*
 * I/O APIC: region 0 at 0xfec00000; unnamed inputs 0..23.  Its messages go to the machine's APIC bus,
 * which must be realized before.
 */
#ifndef HW_IRQCHIP_IOAPIC_H
#define HW_IRQCHIP_IOAPIC_H

#define TYPE_IOAPIC "ioapic"

enum { IOAPIC_ADDR = 0xfec00000u, IOAPIC_SIZE = 0x1000, IOAPIC_PINS = 24 };

#endif
