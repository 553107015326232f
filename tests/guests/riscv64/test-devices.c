/* SPDX-License-Identifier: MIT */
/*
 * The board's devices by their registers.  Specs: 16550D data sheet; goldfish RTC register list;
 * JEDEC CFI (JESD68.01); virtio 1.2 section 4.2; QEMU fw_cfg documentation; PCIe ECAM.
 * Nothing here changes what a flash bank or a disk holds.
 */
#include "guest.h"

enum { UART_RBR = 0, UART_IER = 1, UART_IIR = 2, UART_FCR = 2, UART_LCR = 3, UART_MCR = 4 };
enum { UART_LSR = 5, UART_MSR = 6, UART_SCR = 7, MCR_LOOP = 0x10, LSR_DR = 1, LCR_DLAB = 0x80 };

static void test_uart(void)
{
    uint64_t u = machine.uart.base;
    uint8_t lcr = in8(u + UART_LCR), mcr = in8(u + UART_MCR), low, high;
    bool echoed, modem, fifo;

    out8(u + UART_SCR, 0xa5);
    check("uart.scratch", in8(u + UART_SCR) == 0xa5);

    out8(u + UART_LCR, LCR_DLAB | 3);
    low = in8(u);
    high = in8(u + 1);
    out8(u, 0x34);
    out8(u + 1, 0x12);
    echoed = in8(u) == 0x34 && in8(u + 1) == 0x12;
    out8(u, low);
    out8(u + 1, high);
    out8(u + UART_LCR, 3);
    check("uart.divisor", echoed && in8(u + UART_LCR) == 3);

    out8(u + UART_FCR, 7);
    fifo = (in8(u + UART_IIR) & 0xc0) == 0xc0;
    out8(u + UART_MCR, MCR_LOOP | 0xf);
    modem = (in8(u + UART_MSR) & 0xf0) == 0xf0;
    out8(u + UART_MCR, MCR_LOOP);
    modem = modem && (in8(u + UART_MSR) & 0xf0) == 0;
    out8(u, 'R');
    wait_ticks(machine.timebase / 1000);
    echoed = in8(u + UART_LSR) & LSR_DR && in8(u + UART_RBR) == 'R';
    echoed = echoed && !(in8(u + UART_LSR) & LSR_DR);
    out8(u + UART_MCR, mcr);
    out8(u + UART_LCR, lcr);
    check("uart.fifo", fifo);
    check("uart.loop-modem", modem);
    check("uart.loop-data", echoed);
}

static uint64_t rtc_now(void)
{
    uint64_t low = in32(machine.rtc.base);

    return (uint64_t)in32(machine.rtc.base + 4) << 32 | low;
}

static void test_rtc(void)
{
    const uint64_t second = 1000000000, year_2020 = 1577836800ul * second;
    uint64_t a = rtc_now(), b;

    wait_ticks(machine.timebase / 20);
    b = rtc_now();
    check("rtc.plausible", a > year_2020);
    check("rtc.runs", b - a >= second / 25 && b - a < second);
}

static uint16_t fw_cfg_select(uint16_t item)
{
    out16(machine.fw_cfg.base + 8, (uint16_t)(item << 8 | item >> 8));
    return item;
}

static void test_fw_cfg(void)
{
    uint64_t data = machine.fw_cfg.base, dma = data + 16;
    char signature[5] = "";
    uint32_t files = 0;

    fw_cfg_select(0);
    for (int i = 0; i < 4; i++) {
        signature[i] = (char)in8(data);
    }
    check("fw_cfg.signature", str_compare(signature, "QEMU") == 0);
    fw_cfg_select(0x19); /* the file directory: a big-endian count first */
    for (int i = 0; i < 4; i++) {
        files = files << 8 | in8(data);
    }
    check("fw_cfg.files", files < 1024);
    check("fw_cfg.dma", in32(dma) == 0x554d4551 && in32(dma + 4) == 0x47464320);
}

/* The query table, through both x16 chips that make one 32-bit bank. */
static void test_flash(void)
{
    uint64_t f = machine.flash.base;
    uint32_t first = in32(f), q, r, y;

    out32(f + 0x55 * 4, 0x00980098);
    q = in32(f + 0x10 * 4) & 0xff;
    r = in32(f + 0x11 * 4) & 0xff;
    y = in32(f + 0x12 * 4) & 0xff;
    out32(f, 0x00ff00ff);
    check("flash.cfi-query", q == 'Q' && r == 'R' && y == 'Y');
    check("flash.read-array", in32(f) == first);
}

static void test_virtio(void)
{
    static const char *const kinds[] = {"empty", "net", "blk", "console", "rng", "balloon"};
    bool magic = true, version = true, status = true;

    for (unsigned i = 0; i < 8; i++) {
        uint64_t v = machine.virtio[i].base;
        uint32_t id;

        magic = magic && in32(v) == 0x74726976;
        version = version && (in32(v + 4) == 1 || in32(v + 4) == 2);
        id = in32(v + 8);
        if (id == 0) {
            continue;
        }
        print("# virtio-mmio slot %u at %lx: %s (id %u), version %u\n", i, v,
              id < 6 ? kinds[id] : "device", id, in32(v + 4));
        out32(v + 0x70, 0);
        status = status && in32(v + 0x70) == 0;
        out32(v + 0x70, 3); /* ACKNOWLEDGE, DRIVER */
        status = status && in32(v + 0x70) == 3;
        out32(v + 0x70, 0);
    }
    check("virtio-mmio.magic", magic);
    check("virtio-mmio.version", version);
    check("virtio-mmio.status", status);
}

static void test_pci(void)
{
    uint32_t host = in32(machine.pci.base);

    for (unsigned slot = 0; slot < 32; slot++) {
        uint32_t id = in32(machine.pci.base + slot * 0x8000);

        if (id != 0xffffffff) {
            print("# pci 00:%02x.0: %04x:%04x\n", slot, id & 0xffff, id >> 16);
        }
    }
    check("pci.host-bridge", host != 0xffffffff && host != 0);
    check("pci.empty-slot", in32(machine.pci.base + 255 * 0x100000) == 0xffffffff);
}

static void test_memory(void)
{
    /* The last page: nothing of the guest or its tree lives that high. */
    uint64_t last = machine.memory.base + machine.memory.size - 8, kept = in64(last);

    out64(last, 0x0123456789abcdef);
    check("memory.last-word", in64(last) == 0x0123456789abcdef && in8(last) == 0xef);
    out64(last, kept);
    trap_expect();
    (void)in8(last + 8);
    check("memory.end", trap_was(CAUSE_LOAD_ACCESS));
}

void test_devices(void)
{
    test_memory();
    test_uart();
    test_rtc();
    test_fw_cfg();
    test_flash();
    test_virtio();
    test_pci();
}
