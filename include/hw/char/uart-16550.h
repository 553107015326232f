/* SPDX-License-Identifier: MIT */
/*
 * 16550A UART: one region of 8 registers, 1 << regshift bytes apart; one interrupt output "irq".
 */
#ifndef HW_CHAR_UART_16550_H
#define HW_CHAR_UART_16550_H

#define TYPE_SERIAL_MM "serial-mm"

#endif
