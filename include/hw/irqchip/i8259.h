/* SPDX-License-Identifier: MIT */
/*
 * The PC's pair of 8259A interrupt controllers: unnamed inputs 0..15 (2 is the cascade and not used),
 * output "int" to the CPU.
 */
#ifndef HW_IRQCHIP_I8259_H
#define HW_IRQCHIP_I8259_H

#include "qom/device.h"

#define TYPE_I8259 "isa-i8259"

/* The CPU's acknowledge cycle: the vector, now in service.  A request gone meanwhile is spurious. */
uint8_t i8259_ack(Device *pic);

#endif
