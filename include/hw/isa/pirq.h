/* SPDX-License-Identifier: MIT */
/* PCI interrupt lines that a bridge's route registers lead to ISA interrupts. */
#ifndef HW_ISA_PIRQ_H
#define HW_ISA_PIRQ_H

#include "hw/isa/isa.h"

enum { PIRQ_MAX = 8, PIRQ_ROUTE_OFF = 0x80, PIRQ_ROUTE_MASK = 0x8f };

typedef struct PirqRouter {
    IsaBus *bus;
    bool level[PIRQ_MAX];
    int8_t pulls[PIRQ_MAX]; /* the ISA line that PIRQ n pulls now, plus one; 0: none */
} PirqRouter;

/* The level of PIRQ @n, or its route register, may have changed. */
static inline void pirq_update(PirqRouter *r, unsigned n, uint8_t route)
{
    int8_t pulls = r->level[n] && !(route & PIRQ_ROUTE_OFF) ? (route & 15) + 1 : 0;

    if (pulls == r->pulls[n]) {
        return;
    }
    if (r->pulls[n]) {
        isa_bus_set_irq(r->bus, r->pulls[n] - 1, false);
    }
    r->pulls[n] = pulls;
    if (pulls) {
        isa_bus_set_irq(r->bus, pulls - 1, true);
    }
}

#endif
