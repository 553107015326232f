/* SPDX-License-Identifier: MIT */
/*
 * The project's own bare-metal guest for the riscv64 `virt` board, without firmware: prints who
 * and where it runs, exercises the CPU and the devices, and ends the machine with a status.
 *
 * Words of the kernel command line (-append) choose something else than the whole test:
 *   hello      one line, then exit      exit=N     exit with status N
 *   reset      reset the machine        idle       sleep for ever (WFI)
 *   echo       send back what is typed on the console until Ctrl-D
 *   fuzz=SEED  random accesses to all devices, rounds=N of them
 *   badqueue   virtqueues that loop or point outside memory, on every virtio-mmio device
 * The status is the number of failed tests, or 0.
 */
#include "guest.h"

enum { TEST_PASS = 0x5555, TEST_FAIL = 0x3333, TEST_RESET = 0x7777 };

static unsigned passed, failed, skipped;

void guest_main(uint64_t hart, uint64_t tree);

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

static void leave(uint32_t status)
{
    out32(machine.test.base, status ? status << 16 | TEST_FAIL : TEST_PASS);
    print("FAIL the machine goes on after its end\n");
    for (;;) {
        __asm__ volatile("wfi");
    }
}

static void introduce(void)
{
    uint64_t misa = csr_read(misa), seconds;

    print("rhea guest: %s, hart %lu of %u\n", machine.model, machine.hart, machine.harts);
    print("# device tree: %s\n", machine.tree_ok ? "found" : "none, the board's usual addresses");
    print("# isa: %s, misa ", machine.isa);
    for (unsigned i = 0; i < 26; i++) {
        if (misa >> i & 1) {
            put_char((char)('a' + i));
        }
    }
    print(", vendor %lx, arch %lx\n", csr_read(mvendorid), csr_read(marchid));
    print("# memory: %lu MiB at %lx\n", machine.memory.size >> 20, machine.memory.base);
    print("# uart %lx irq %u, rtc %lx, plic %lx, clint %lx, fw_cfg %lx, flash %lx, pci %lx\n",
          machine.uart.base, machine.uart.irq, machine.rtc.base, machine.plic.base,
          machine.clint.base, machine.fw_cfg.base, machine.flash.base, machine.pci.base);
    seconds = in32(machine.rtc.base);
    seconds |= (uint64_t)in32(machine.rtc.base + 4) << 32;
    print("# time: %lu s since 1970, timebase %lu Hz\n", seconds / 1000000000, machine.timebase);
}

static void echo(void)
{
    enum { UART_RBR = 0, UART_LSR = 5, CTRL_D = 4 };

    print("echo: ready\n");
    for (;;) {
        if (in8(machine.uart.base + UART_LSR) & 1) {
            uint8_t c = in8(machine.uart.base + UART_RBR);

            if (c == CTRL_D) {
                return;
            }
            put_char((char)c);
        }
    }
}

static uint32_t number(const char *s)
{
    uint32_t n = 0;

    while (*s >= '0' && *s <= '9') {
        n = n * 10 + (uint32_t)(*s++ - '0');
    }
    return n;
}

static void run_tests(void)
{
    check("tree.found", machine.tree_ok);
    test_cpu();
    test_traps();
    test_devices();
    test_interrupts();
    test_mmu();
    print("rhea guest: %u ok, %u failed, %u skipped\n", passed, failed, skipped);
}

void guest_main(uint64_t hart, uint64_t tree)
{
    const char *word;

    machine_find(hart, tree);
    if (boot_word("hello")) {
        print("rhea guest: hello\n");
        leave(0);
    }
    introduce();
    if (boot_word("reset")) {
        out32(machine.test.base, TEST_RESET);
        leave(1);
    }
    if (boot_word("idle")) {
        print("idle\n");
        for (;;) {
            __asm__ volatile("wfi");
        }
    }
    word = boot_word("exit");
    if (word) {
        leave(number(word));
    }
    word = boot_word("fuzz");
    if (word) {
        const char *rounds = boot_word("rounds");

        fuzz_registers(number(word), rounds ? number(rounds) : 100000);
    } else if (boot_word("badqueue")) {
        fuzz_queues();
    } else if (boot_word("echo")) {
        echo();
    } else {
        run_tests();
    }
    leave(failed);
}
