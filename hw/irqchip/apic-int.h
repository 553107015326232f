/* SPDX-License-Identifier: MIT */
/* Shared by apic.c (registers, interrupts, timer) and apic-bus.c (who a message is for). */
#ifndef APIC_INT_H
#define APIC_INT_H

#include "hw/irqchip/apic.h"
#include "hw/mmio-device.h"
#include "memory/clock.h"

/* Local vector table. */
enum { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVTS };
enum { APIC_WORDS = 8 /* of a 256-bit set of vectors */ };

typedef struct Apic {
    MmioDevice parent;
    /* wiring */
    Device *bus;
    IrqLine intr, nmi, smi;
    MemRegion regs;
    ClockTimer timer;
    Clock *clock;
    const ApicCpuOps *ops;
    void *cpu;
    uint8_t (*extint_ack)(Device *pic);
    Device *pic;
    /* properties: fixed once realized */
    uint32_t initial_id;
    /* guest-visible: all of it is in apic_snapshot */
    uint64_t base_msr, icr, deadline_tsc;
    uint32_t id; /* as xAPIC mode has it, 8 bits */
    uint32_t tpr, spurious, ldr, dfr, esr, esr_pending;
    uint32_t lvt[LVTS];
    uint32_t isr[APIC_WORDS], tmr[APIC_WORDS], irr[APIC_WORDS];
    uint32_t initial_count, divide;
    int64_t count_start_ns;
    bool lint[2];        /* levels */
    bool waits_for_sipi; /* after INIT */
} Apic;

bool apic_enabled(const Apic *s); /* by the base MSR */
bool apic_is_x2(const Apic *s);
/* The id that messages of its mode address. */
uint32_t apic_current_id(const Apic *s);
uint32_t apic_x2_ldr(const Apic *s);
/* Takes a message that is for this APIC; false: it does not accept the interrupt. */
bool apic_take(Apic *s, const ApicMessage *msg);
/* Class of what the APIC is busy with, for the choice of the least busy one. */
uint8_t apic_priority(const Apic *s);

void apic_bus_add(Device *bus, Apic *apic);
/* Sends @msg for the destination shorthand of ICR: 1 self, 2 all, 3 all but @self. */
void apic_bus_send_shorthand(Device *bus, unsigned shorthand, Apic *self, const ApicMessage *msg);
/* Another address, or an APIC that accepts interrupts again: what nobody took may be taken now. */
void apic_bus_reachable(Device *bus);
void apic_bus_eoi(Device *bus, uint8_t vector);

#endif
