/* SPDX-License-Identifier: MIT */
/* Virtual-8086 mode: traps to the monitor, IOPL, the virtual interrupt flag. */
#include "p-guest.h"

void enter_v86(const Frame *f) NORETURN;

enum { V86_BASE = 0x8000, V86_SEG = V86_BASE >> 4, IVT_HANDLER = 0x200 };

static Frame start;

static void run(void)
{
    enter_v86(&start);
}

/* Puts @code at V86_SEG:0 and runs it. */
static int v86(const u8 *code, u32 size, u32 flags)
{
    memcpy((void *)V86_BASE, code, size);
    start = (Frame){.eip = 0,
                    .cs = V86_SEG,
                    .eflags = 2 | VM | flags,
                    .esp = 0x1000,
                    .ss = V86_SEG,
                    .v_es = 0x1111,
                    .v_ds = V86_SEG,
                    .v_fs = 0x3333,
                    .v_gs = 0x4444};
    return try(run);
}
#define V86(flags, ...) v86((const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}), flags)

static void test_traps(void)
{
    /* mov $0x1234, %ax; cli */
    check_is("v86.cli", V86(0, 0xb8, 0x34, 0x12, 0xfa), EXC_GP);
    check("v86.frame", last.eip == 3 && last.cs == V86_SEG && last.eflags & VM);
    check("v86.stack", last.esp == 0x1000 && last.ss == V86_SEG);
    check("v86.segments", last.v_es == 0x1111 && last.v_fs == 0x3333 && last.v_gs == 0x4444);
    check_is("v86.eax", last.eax & 0xffff, 0x1234);
    check_is("v86.int", V86(0, 0xcd, 0x21), EXC_GP);
    check_is("v86.int-iopl", V86(IOPL3, 0xcd, END_USER), END_USER);
    check_is("v86.int3", V86(0, 0xcc), EXC_BP);
    check_is("v86.hlt", V86(IOPL3, 0xf4), EXC_GP);
    check_is("v86.pushf", V86(0, 0x9c), EXC_GP);
    check_is("v86.iret", V86(0, 0xcf), EXC_GP);
    check_is("v86.port", V86(IOPL3, 0xe4, 0x80), EXC_GP); /* the bitmap counts at any IOPL */
    check_is("v86.lgdt", V86(IOPL3, 0x0f, 0x01, 0x16, 0, 0), EXC_GP);
    check_is("v86.lar", V86(IOPL3, 0x0f, 0x02, 0xc0), EXC_UD);
}

static void test_memory(void)
{
    /* mov %cs, %ax; mov %ax, %es; movb $0x77, %es:0x300; int $END_USER */
    check_is("v86.store",
             V86(IOPL3, 0x8c, 0xc8, 0x8e, 0xc0, 0x26, 0xc6, 0x06, 0, 3, 0x77, 0xcd, END_USER),
             END_USER);
    check_is("v86.stored", *(volatile u8 *)(V86_BASE + 0x300), 0x77);
    check_is("v86.es", last.v_es, V86_SEG);
    /* A word at 0xffff is beyond the limit: mov 0xffff, %ax */
    check_is("v86.limit", V86(IOPL3, 0xa1, 0xff, 0xff), EXC_GP);
    /* push at SP 1 wraps beyond it too: mov $1, %sp; push %ax */
    check_is("v86.stack-limit", V86(IOPL3, 0xbc, 1, 0, 0x50), EXC_SS);
}

/* CR4.VME: INT n through the program's vectors, VIF for IF. */
static void test_vme(void)
{
    u32 regs[4];

    cpuid(1, 0, regs);
    if (!(regs[3] & 2)) {
        return;
    }
    write_cr4(read_cr4() | 1);
    memset(tss.bitmap, 0, 32); /* every interrupt is the program's */
    tss.bitmap[END_USER / 8] = 1 << END_USER % 8;
    *(volatile u32 *)(4 * 0x21) = V86_SEG << 16 | IVT_HANDLER;
    /* At the handler: mov $0x55, %bl; iret */
    memcpy((void *)(V86_BASE + IVT_HANDLER), (const u8[]){0xb3, 0x55, 0xcf}, 3);
    /* sti; int $0x21; pushf; pop %ax; cli; int3 */
    check_is("vme.int", V86(0, 0xfb, 0xcd, 0x21, 0x9c, 0x58, 0xfa, 0xcc), EXC_BP);
    check_is("vme.handler", last.ebx & 0xff, 0x55);
    check_is("vme.if-shown", last.eax & (IF | IOPL3), IF | IOPL3);
    check_is("vme.vif", last.eflags & (VIF | IF), 0);
    /* STI with a pending virtual interrupt traps. */
    check_is("vme.vip", V86(VIP, 0xfb), EXC_GP);
    memset(tss.bitmap, 0xff, 32);
    write_cr4(read_cr4() & ~1u);
}

void test_v86(void)
{
    test_traps();
    test_memory();
    test_vme();
}
