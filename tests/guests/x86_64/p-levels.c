/* SPDX-License-Identifier: MIT */
/* Level 3: what it may do, ports, call gates, flags. */
#include "p-guest.h"

extern char gate_entry[];

static void user_cli(void)
{
    __asm__ volatile("cli");
}

static void user_hlt(void)
{
    __asm__ volatile("hlt");
}

static void user_int(void)
{
    __asm__ volatile("int $0x41");
}

static void user_cr0(void)
{
    read_cr0();
}

static void user_in(void)
{
    inb(0x80);
}

static void user_in_word(void)
{
    u16 v;

    __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"((u16)0x87));
}

static volatile u32 seen_flags;

static void user_popf(void)
{
    __asm__ volatile("pushl $0x3402; popf"); /* IOPL 3, DF, no IF */
    seen_flags = read_flags();
    __asm__ volatile("cld");
}

static void user_load_kernel(void)
{
    __asm__ volatile("mov %w0, %%es" : : "r"(SEL_DATA));
}

static void test_rights(void)
{
    check("level3.cli", try_user(user_cli, IF) == EXC_GP && last.error == 0);
    check("level3.cs", last.cs == SEL_UCODE && last.ss == SEL_UDATA);
    check_is("level3.cli-iopl", try_user(user_cli, IF | IOPL3), -1);
    check_is("level3.hlt", try_user(user_hlt, IF | IOPL3), EXC_GP);
    check("level3.int", try_user(user_int, IF) == EXC_GP && last.error == 0x41 * 8 + 2);
    check_is("level3.cr0", try_user(user_cr0, IF), EXC_GP);
    check("level3.segment", try_user(user_load_kernel, IF) == EXC_GP && last.error == SEL_DATA);
    check_is("level3.popf", try_user(user_popf, IF), -1);
    check_is("level3.popf-flags", seen_flags & (IOPL3 | IF | DF), IF | DF);
}

static void test_ports(void)
{
    check_is("port.closed", try_user(user_in, IF), EXC_GP);
    tss.bitmap[32 + 0x80 / 8] = 0xfe;
    check_is("port.open", try_user(user_in, IF), -1);
    tss.bitmap[32 + 0x80 / 8] = 0x7f; /* 0x87 is open, 0x88 is not */
    check_is("port.word", try_user(user_in_word, IF), EXC_GP);
    tss.bitmap[32 + 0x88 / 8] = 0xfe;
    check_is("port.word-open", try_user(user_in_word, IF), -1);
    tss.bitmap[32 + 0x80 / 8] = tss.bitmap[32 + 0x88 / 8] = 0xff;
}

/* The gate's routine: adds its two parameters to a note of its CS and returns past them. */
static volatile u32 gate_sum, gate_cs;
__asm__(".text\ngate_entry:\n"
        "    mov 8(%esp), %eax\n"
        "    add 12(%esp), %eax\n"
        "    mov %eax, %ss:gate_sum\n"
        "    mov %cs, %ax\n"
        "    movzwl %ax, %eax\n"
        "    mov %eax, %ss:gate_cs\n"
        "    lret $8\n");

static volatile u32 esp_moved;

static void user_gate(void)
{
    __asm__ volatile(
        "mov %%esp, %%ebx; pushl $30; pushl $12; lcall %1, $0; sub %%esp, %%ebx; mov %%ebx, %0"
        : "=m"(esp_moved)
        : "i"(SEL_GATE)
        : "eax", "ebx", "memory");
}

static void test_gate(void)
{
    u64 at = (u32)gate_entry;

    gdt[SEL_GATE / 8] = (at & 0xffff) | (u64)SEL_CODE << 16 | 0xec02ULL << 32 | at >> 16 << 48;
    check_is("gate.call", try_user(user_gate, IF), -1);
    check_is("gate.parameters", gate_sum, 42);
    check_is("gate.level", gate_cs & 3, 0);
    check_is("gate.stack", esp_moved, 0);
    gdt[SEL_GATE / 8] &= ~(0x60ULL << 40); /* DPL 0 */
    check("gate.dpl", try_user(user_gate, IF) == EXC_GP && last.error == SEL_GATE);
}

void test_levels(void)
{
    test_rights();
    test_ports();
    test_gate();
}
