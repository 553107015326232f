/* SPDX-License-Identifier: MIT */
/*
 * Local APICs and the bus that connects them with each other, with I/O APICs and, for message-signalled
 * interrupts, with all of memory.  Threading: the machine lock.
 */
#ifndef HW_IRQCHIP_APIC_H
#define HW_IRQCHIP_APIC_H

#include "memory/memory.h"
#include "qom/device.h"

/* Region 0 takes messages: 1 MiB at 0xfee00000. */
#define TYPE_APIC_BUS "apic-bus"
/* Region 0 is the register page; input 0 is LINT0, 1 is LINT1; outputs "intr", "nmi", "smi". */
#define TYPE_APIC "apic"

enum { APIC_MSI_ADDR = 0xfee00000u, APIC_MSI_SIZE = 1 << 20, APIC_PAGE_SIZE = 0x1000 };

/* How a message is to be taken (delivery mode of ICR, redirection entries and messages). */
typedef enum ApicMode {
    APIC_FIXED,
    APIC_LOWEST,
    APIC_SMI,
    APIC_MODE_RESERVED,
    APIC_NMI,
    APIC_INIT,
    APIC_SIPI,
    APIC_EXTINT
} ApicMode;

typedef struct ApicMessage {
    uint32_t dest; /* 8 bits, or 32 between x2APICs */
    bool logical, level, wide /* dest is one of x2APIC */;
    ApicMode mode;
    uint8_t vector;
} ApicMessage;

/* False: nobody took it. */
bool apic_bus_send(Device *bus, const ApicMessage *msg);
/* The format of PCI's messages. */
void apic_bus_send_msi(Device *bus, uint64_t addr, uint32_t data);
/* @eoi hears of the ends of level-triggered interrupts, @again that what nobody took may be sent again. */
void apic_bus_on_eoi(Device *bus, void (*eoi)(void *opaque, uint8_t vector),
                     void (*again)(void *opaque), void *opaque);

/* What an APIC asks of its CPU.  SIPI comes only while the CPU waits for it. */
typedef struct ApicCpuOps {
    void (*init)(void *cpu);
    void (*sipi)(void *cpu, uint8_t vector);
    uint64_t (*tsc)(void *cpu);
    int64_t (*tsc_when_ns)(void *cpu, uint64_t tsc);
} ApicCpuOps;

/*
 * An APIC with its id on @bus; its page is mapped in @memory, what the CPU sees.  CPU 0 is the boot CPU.
 * NULL on failure.
 */
Device *apic_new(Device *bus, uint32_t id, MemRegion *memory, const ApicCpuOps *ops, void *cpu,
                 Error **errp);
/* The acknowledge cycle of the 8259 behind LINT0 in ExtINT mode. */
void apic_set_extint(Device *apic, uint8_t (*ack)(Device *pic), Device *pic);

/* For the CPU; see X86ApicOps. */
int apic_ack(void *apic);
uint8_t apic_get_cr8(void *apic);
void apic_set_cr8(void *apic, uint8_t v);
bool apic_read_msr(void *apic, uint32_t msr, uint64_t *value);
bool apic_write_msr(void *apic, uint32_t msr, uint64_t value);

#endif
