/* SPDX-License-Identifier: MIT */
/*
 * A small S-mode kernel above OpenSBI: what a teaching kernel does.  SBI calls, other harts,
 * interrupts, paging, preempted user processes with demand paging, and a disk by virtio-mmio.
 * It ends through the SBI system reset call: shutdown with "no reason" when all went well, with
 * "system failure" otherwise.
 */
#include "s-guest.h"

enum { STACK = 4096 };

volatile SLog s_log;

static unsigned passed, failed, skipped;
static volatile uint64_t hart_says[MAX_HARTS];
static uint8_t stacks[MAX_HARTS][STACK] __attribute__((aligned(16)));

extern char s_hart_entry[];
void guest_main(uint64_t hart, uint64_t tree);
void s_hart_main(uint64_t hart);
uint64_t s_trap_handle(uint64_t cause, uint64_t epc, uint64_t tval);

void check(const char *name, bool ok)
{
    print("%s %s\n", ok ? "ok" : "FAIL", name);
    passed += ok;
    failed += !ok;
}

void note_skip(const char *name, const char *why)
{
    print("skip %s: %s\n", name, why);
    skipped++;
}

void wait_ticks(uint64_t ticks)
{
    uint64_t start = csr_read(time);

    while (csr_read(time) - start < ticks) {
    }
}

SbiResult sbi(uint64_t extension, uint64_t function, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t a0 __asm__("a0") = a;
    register uint64_t a1 __asm__("a1") = b;
    register uint64_t a2 __asm__("a2") = c;
    register uint64_t a6 __asm__("a6") = function;
    register uint64_t a7 __asm__("a7") = extension;

    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
    return (SbiResult){(int64_t)a0, a1};
}

static void leave(void)
{
    sbi(SBI_RESET, 0, 0, failed != 0, 0);
    print("FAIL the machine goes on after its end\n");
    for (;;) {
        __asm__ volatile("wfi");
    }
}

/* Traps in the kernel: only interrupts are expected. */
uint64_t s_trap_handle(uint64_t cause, uint64_t epc, uint64_t tval)
{
    if (!(cause >> 63)) {
        print("FAIL unexpected exception: cause %lu pc %lx value %lx\n", cause, epc, tval);
        failed++;
        leave();
    }
    s_interrupt(cause & 63);
    return epc;
}

void s_hart_main(uint64_t hart)
{
    hart_says[hart] = 1 + hart;
    barrier();
    sbi(SBI_HSM, 1, 0, 0, 0); /* stop */
}

static void test_harts(void)
{
    uint64_t limit = csr_read(time) + machine.timebase;
    unsigned here = 0, stopped = 0;

    if (machine.harts == 1) {
        note_skip("sbi.harts", "one hart");
        return;
    }
    for (uint64_t hart = 0; hart < machine.harts && hart < MAX_HARTS; hart++) {
        if (hart != machine.hart) {
            sbi(SBI_HSM, 0, hart, (uint64_t)s_hart_entry, (uint64_t)stacks[hart] + STACK);
        }
    }
    while (here != machine.harts - 1 && csr_read(time) < limit) {
        here = 0;
        for (uint64_t hart = 0; hart < machine.harts && hart < MAX_HARTS; hart++) {
            here += hart != machine.hart && hart_says[hart] == hart + 1;
        }
    }
    check("sbi.harts", here == machine.harts - 1);
    while (stopped != machine.harts - 1 && csr_read(time) < limit) {
        stopped = 0;
        for (uint64_t hart = 0; hart < machine.harts; hart++) {
            stopped += hart != machine.hart && sbi(SBI_HSM, 2, hart, 0, 0).value == 1;
        }
    }
    check("sbi.harts-stop", stopped == machine.harts - 1);
}

void guest_main(uint64_t hart, uint64_t tree)
{
    SbiResult version;

    machine_find(hart, tree);
    version = sbi(SBI_BASE, 0, 0, 0, 0);
    print("rhea supervisor guest: %s, hart %lu of %u\n", machine.model, machine.hart,
          machine.harts);
    print("# SBI %lu.%lu, implementation %lu, isa %s\n", version.value >> 24,
          version.value & 0xffffff, sbi(SBI_BASE, 1, 0, 0, 0).value, machine.isa);
    check("sbi.version", version.error == 0 && version.value >> 24 >= 1);
    check("sbi.extensions",
          sbi(SBI_BASE, 3, SBI_TIMER, 0, 0).value && sbi(SBI_BASE, 3, SBI_IPI, 0, 0).value &&
              sbi(SBI_BASE, 3, SBI_HSM, 0, 0).value && sbi(SBI_BASE, 3, SBI_RESET, 0, 0).value);
    check("sbi.unknown-call", sbi(0x12345, 0, 0, 0, 0).error == -2);
    test_harts();
    s_test_interrupts();
    s_test_users();
    s_test_disk();
    print("rhea supervisor guest: %u ok, %u failed, %u skipped\n", passed, failed, skipped);
    leave();
}
