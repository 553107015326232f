/* SPDX-License-Identifier: MIT */
/* The 16550A UART itself, for the devices that attach it to a bus. */
#ifndef UART_INT_H
#define UART_INT_H

#include "chardev/chardev.h"
#include "memory/clock.h"
#include "memory/irq.h"
#include "memory/memory.h"
#include "qom/device.h"

enum { UART_FIFO = 16, UART_HELD = 8 };

typedef struct Fifo {
    uint8_t data[UART_FIFO];
    uint32_t head, count;
} Fifo;

typedef struct Uart {
    /* wiring */
    IrqLine irq;
    MemRegion regs;
    CharFront chr;
    ClockTimer rx_timeout;
    /* properties: fixed once realized */
    char *chardev;
    uint8_t regshift;
    uint32_t baudbase;
    bool firmware_console; /* terminal resets are dropped until an interrupt is enabled */
    /* guest-visible: all of it is in uart_snapshot */
    Fifo rx, tx;
    uint8_t ier, fcr, lcr, mcr, lsr, msr, scr;
    uint16_t divisor;
    uint8_t held[UART_HELD]; /* the beginning of what may be a terminal reset */
    uint32_t nheld;
    bool driver_seen;     /* an operating system has taken over from firmware */
    bool thre_pending;    /* THRE interrupt not yet acknowledged by reading IIR */
    bool timeout_pending; /* characters have waited for four character times */
} Uart;

/* Of @dev, which maps s->regs and wires s->irq ("irq") afterwards. */
bool uart_realize(Uart *s, Device *dev, Error **errp) MUST_CHECK;
void uart_unrealize(Uart *s);
void uart_reset(Uart *s);
void uart_snapshot(Uart *s, struct Snapshot *sn);
void uart_after_load(Uart *s);

#endif
