/* SPDX-License-Identifier: MIT */
/*
 * The M-mode trap handler.  Expected exceptions are recorded and stepped over; one that came from
 * a lower mode ends run_lower(); an unexpected one ends the guest with 64 + cause.
 */
#include "guest.h"

enum { CLINT_MSIP = 0, CLINT_MTIMECMP = 0x4000, PLIC_CLAIM = 0x200004, PLIC_CONTEXT = 0x1000 };
enum { UART_IER = 1, TEST_FAIL = 0x3333, UNEXPECTED_EXIT = 64 };

volatile TrapLog trap_log;

static bool expecting;

extern char run_lower_back[];
uint64_t trap_handle(uint64_t cause, uint64_t epc, uint64_t tval);

void trap_expect(void)
{
    trap_log.seen = false;
    expecting = true;
}

bool trap_was(uint64_t cause)
{
    expecting = false;
    return trap_log.seen && trap_log.cause == cause;
}

static void take_interrupt(uint64_t which)
{
    uint64_t claim = machine.plic.base + PLIC_CLAIM + 2 * machine.hart * PLIC_CONTEXT;

    switch (which) {
    case IRQ_SOFT:
        out32(machine.clint.base + CLINT_MSIP + 4 * machine.hart, 0);
        trap_log.soft++;
        break;
    case IRQ_TIMER:
        out64(machine.clint.base + CLINT_MTIMECMP + 8 * machine.hart, UINT64_MAX);
        trap_log.timer++;
        break;
    case IRQ_EXTERNAL:
        trap_log.claimed = in32(claim);
        out8(machine.uart.base + UART_IER, 0);
        out32(claim, trap_log.claimed);
        trap_log.external++;
        break;
    default: csr_clear(mie, 1ul << which);
    }
}

/* Called by trap_vector; returns where to go on. */
uint64_t trap_handle(uint64_t cause, uint64_t epc, uint64_t tval)
{
    bool from_lower = (csr_read(mstatus) & MSTATUS_MPP) != MSTATUS_MPP;

    if (cause >> 63) {
        take_interrupt(cause & 63);
        return epc;
    }
    if (!expecting) {
        print("FAIL unexpected exception: cause %lu pc %lx value %lx\n", cause, epc, tval);
        out32(machine.test.base, (uint32_t)(UNEXPECTED_EXIT + cause) << 16 | TEST_FAIL);
        for (;;) {
            __asm__ volatile("wfi");
        }
    }
    trap_log.seen = true;
    trap_log.cause = cause;
    trap_log.epc = epc;
    trap_log.tval = tval;
    if (from_lower) {
        csr_set(mstatus, MSTATUS_MPP);
        return (uint64_t)run_lower_back;
    }
    return epc + ((in16(epc) & 3) == 3 ? 4 : 2);
}

void wait_ticks(uint64_t ticks)
{
    uint64_t start = csr_read(time);

    while (csr_read(time) - start < ticks) {
    }
}
