/* SPDX-License-Identifier: MIT */
/*
 * 16550A UARTs.  On a memory bus: one region of 8 registers, 1 << regshift bytes apart; one interrupt
 * output "irq".  On the ISA bus: a COM port.
 */
#ifndef HW_CHAR_UART_16550_H
#define HW_CHAR_UART_16550_H

#define TYPE_SERIAL_MM  "serial-mm"
#define TYPE_ISA_SERIAL "isa-serial"

#endif
