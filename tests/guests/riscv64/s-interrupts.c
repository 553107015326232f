/* SPDX-License-Identifier: MIT */
/* Timer and software interrupts by SBI, the external one through the PLIC's supervisor context. */
#include "s-guest.h"

enum { PLIC_ENABLE = 0x2000, PLIC_THRESHOLD = 0x200000, PLIC_CLAIM = 0x200004, SSTATUS_SIE = 2 };
enum { UART_IER = 1, IER_THRE = 2 };

static uint64_t plic_context(void)
{
    return 2 * machine.hart + 1;
}

void s_interrupt(uint64_t which)
{
    uint64_t claim = machine.plic.base + PLIC_CLAIM + plic_context() * 0x1000;

    switch (which) {
    case S_IRQ_SOFT:
        csr_clear(sip, 1 << S_IRQ_SOFT);
        s_log.soft++;
        break;
    case S_IRQ_TIMER:
        sbi(SBI_TIMER, 0, UINT64_MAX, 0, 0);
        s_log.timer++;
        break;
    case S_IRQ_EXTERNAL:
        s_log.claimed = in32(claim);
        out8(machine.uart.base + UART_IER, 0);
        out32(claim, s_log.claimed);
        s_log.external++;
        break;
    default: csr_clear(sie, 1ul << which);
    }
}

static bool moved(volatile unsigned *counter, unsigned from)
{
    uint64_t start = csr_read(time);

    while (*counter == from) {
        if (csr_read(time) - start > machine.timebase) {
            return false;
        }
    }
    return true;
}

void s_test_interrupts(void)
{
    uint64_t plic = machine.plic.base, irq = machine.uart.irq, due;
    uint64_t enable = plic + PLIC_ENABLE + plic_context() * 0x80 + irq / 32 * 4;

    csr_set(sie, 1 << S_IRQ_SOFT | 1 << S_IRQ_TIMER | 1 << S_IRQ_EXTERNAL);
    csr_set(sstatus, SSTATUS_SIE);

    due = csr_read(time) + machine.timebase / 500;
    sbi(SBI_TIMER, 0, due, 0, 0);
    check("interrupt.timer", moved(&s_log.timer, 0) && csr_read(time) >= due);
    sbi(SBI_IPI, 0, 1, machine.hart, 0);
    check("interrupt.software", moved(&s_log.soft, 0));

    out32(plic + 4 * irq, 1);
    out32(plic + PLIC_THRESHOLD + plic_context() * 0x1000, 0);
    out32(enable, 1u << irq % 32);
    out8(machine.uart.base + UART_IER, IER_THRE);
    check("interrupt.external", moved(&s_log.external, 0) && s_log.claimed == irq);
    out32(enable, 0);
    csr_clear(sstatus, SSTATUS_SIE);
}
