/* SPDX-License-Identifier: MIT */
/* Timer, software and external interrupts.  Specs: RISC-V ACLINT 1.0, RISC-V PLIC 1.0.0. */
#include "guest.h"

enum { CLINT_MTIMECMP = 0x4000, CLINT_MTIME = 0xbff8 };
enum {
    PLIC_PENDING = 0x1000,
    PLIC_ENABLE = 0x2000,
    PLIC_THRESHOLD = 0x200000,
    PLIC_CLAIM = 0x200004
};
enum { UART_IER = 1, IER_THRE = 2 };

/* Secondary harts count the software interrupts they woke up for. */
static volatile uint32_t awake[MAX_HARTS];
static volatile uint32_t answers[MAX_HARTS];

void guest_secondary(void);

void guest_secondary(void)
{
    uint64_t hart = csr_read(mhartid);

    csr_set(mie, 1 << IRQ_SOFT);
    awake[hart] = 1;
    for (;;) {
        __asm__ volatile("wfi");
        if (in32(machine.clint.base + 4 * hart)) {
            out32(machine.clint.base + 4 * hart, 0);
            barrier();
            answers[hart]++;
        }
    }
}

/* Waits until the counter has moved, at most a second. */
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

static void test_timer(void)
{
    uint64_t cmp = machine.clint.base + CLINT_MTIMECMP + 8 * machine.hart;
    uint64_t now = in64(machine.clint.base + CLINT_MTIME), csr = csr_read(time), due;
    unsigned before = trap_log.timer;

    check("timer.csr-is-mtime", csr - now < machine.timebase / 10);
    due = csr_read(time) + machine.timebase / 1000;
    out64(cmp, due);
    check("timer.interrupt", moved(&trap_log.timer, before) && csr_read(time) >= due);

    before = trap_log.timer;
    due = csr_read(time) + machine.timebase / 200;
    out64(cmp, due);
    while (trap_log.timer == before && csr_read(time) < due + machine.timebase) {
        csr_clear(mstatus, MSTATUS_MIE); /* or it comes between the look at the time and wfi */
        if (csr_read(time) < due) {
            __asm__ volatile("wfi");
        }
        csr_set(mstatus, MSTATUS_MIE);
    }
    check("timer.wfi", trap_log.timer == before + 1 && csr_read(time) >= due);

    out64(cmp, 0);
    check("timer.past", moved(&trap_log.timer, before + 1));
}

static void test_software(void)
{
    unsigned before = trap_log.soft, answered = 1;

    out32(machine.clint.base + 4 * machine.hart, 1);
    check("software.self", moved(&trap_log.soft, before));
    if (machine.harts == 1) {
        note_skip("software.other-harts", "one hart");
        return;
    }
    for (unsigned hart = 0; hart < machine.harts && hart < MAX_HARTS; hart++) {
        if (hart == machine.hart || !moved(&awake[hart], 0)) {
            continue;
        }
        before = answers[hart];
        out32(machine.clint.base + 4 * hart, 1);
        answered += moved(&answers[hart], before);
    }
    check("software.other-harts", answered == machine.harts);
}

static void test_external(void)
{
    uint64_t context = 2 * machine.hart, plic = machine.plic.base, irq = machine.uart.irq;
    uint64_t threshold = plic + PLIC_THRESHOLD + context * 0x1000;
    uint64_t enable = plic + PLIC_ENABLE + context * 0x80 + irq / 32 * 4;
    uint64_t claim = plic + PLIC_CLAIM + context * 0x1000;
    unsigned before = trap_log.external;

    check("plic.claim-nothing", in32(claim) == 0);
    out32(plic + 4 * irq, 1);
    check("plic.priority", in32(plic + 4 * irq) == 1);
    out32(enable, 1u << irq % 32);
    check("plic.enable", in32(enable) == 1u << irq % 32);

    out32(threshold, 7);
    out8(machine.uart.base + UART_IER, IER_THRE);
    wait_ticks(machine.timebase / 1000);
    check("plic.pending", in32(plic + PLIC_PENDING + irq / 32 * 4) >> irq % 32 & 1);
    check("plic.threshold", trap_log.external == before);
    out32(threshold, 0);
    check("plic.uart-interrupt", moved(&trap_log.external, before) && trap_log.claimed == irq);
    wait_ticks(machine.timebase / 1000);
    check("plic.complete", trap_log.external == before + 1 && in32(claim) == 0);
    out32(enable, 0);
}

void test_interrupts(void)
{
    csr_write(mideleg, 0);
    out64(machine.clint.base + CLINT_MTIMECMP + 8 * machine.hart, UINT64_MAX);
    csr_set(mie, 1 << IRQ_SOFT | 1 << IRQ_TIMER | 1 << IRQ_EXTERNAL);
    csr_set(mstatus, MSTATUS_MIE);
    test_timer();
    test_software();
    test_external();
    csr_clear(mstatus, MSTATUS_MIE);
}
