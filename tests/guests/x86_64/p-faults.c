/* SPDX-License-Identifier: MIT */
/* Exceptions of ordinary instructions: vector, address, and state in the middle of string instructions. */
#include "p-guest.h"

extern char after_ud[], at_ud[], after_int3[], at_bound[], at_div[];

static void do_ud(void)
{
    __asm__ volatile("at_ud: ud2\nafter_ud:");
}

static void do_int3(void)
{
    __asm__ volatile("int3\nafter_int3:");
}

static void do_into(void)
{
    __asm__ volatile("mov $0x7f, %%al; add $1, %%al; into" : : : "eax");
}

static void do_bound(void)
{
    static const u32 bounds[2] = {5, 10};

    __asm__ volatile("at_bound: bound %0, %1" : : "r"(11), "m"(bounds));
}

static void do_div(void)
{
    __asm__ volatile("at_div: div %0" : : "r"(1), "a"(0), "d"(1));
}

static void test_simple(void)
{
    check_is("fault.ud", try(do_ud), EXC_UD);
    check_is("fault.ud-eip", last.eip, (u32)at_ud);
    check_is("fault.ud-rf", last.eflags & RF, RF);
    check_is("fault.int3", try(do_int3), EXC_BP);
    check_is("fault.int3-eip", last.eip, (u32)after_int3);
    check_is("fault.int3-rf", last.eflags & RF, 0);
    check_is("fault.into", try(do_into), EXC_OF);
    check_is("fault.bound", try(do_bound), EXC_BR);
    check_is("fault.bound-eip", last.eip, (u32)at_bound);
    check_is("fault.div", try(do_div), EXC_DE);
    check_is("fault.div-eip", last.eip, (u32)at_div);
}

/* Without CR0.NE an x87 exception is interrupt 13, which the next waiting instruction waits for. */
extern char at_fwait[];
static u32 fpu_errors, fpu_error_eip;
static u16 control_word;

static void setup_pics(void)
{
    static const u8 words[][2] = {{0x20, 0x11}, {0x21, 0x60}, {0x21, 4}, {0x21, 1},
                                  {0xa0, 0x11}, {0xa1, 0x70}, {0xa1, 2}, {0xa1, 1},
                                  {0x21, 0xfb}, {0xa1, 0xdf}};

    for (u32 i = 0; i < ARRAY_SIZE(words); i++) {
        outb(words[i][0], words[i][1]);
    }
}

static int on_fpu_error(Frame *f)
{
    if (f->vector != 0x75) {
        return 0;
    }
    fpu_errors++;
    fpu_error_eip = f->eip;
    outb(0xf0, 0);
    outb(0xa0, 0x20);
    outb(0x20, 0x20);
    /* IGNNE# lets waiting instructions run: this store is one. */
    __asm__ volatile("fstcw %0; fnclex" : "=m"(control_word));
    return 1;
}

static void divide_by_zero(void)
{
    static const u16 unmasked = 0x37b;

    __asm__ volatile("fninit; fldcw %0; fld1; fldz; fdivrp; sti\n"
                     "at_fwait: fwait; cli; fninit"
                     :
                     : "m"(unmasked));
}

static void test_fpu_error(void)
{
    u32 cr0 = read_cr0();

    setup_pics();
    hook = on_fpu_error;
    for (u32 i = 1; i <= 2; i++) {
        write_cr0(cr0 & ~0x2cU); /* EM, TS, NE */
        check("fpu-error.goes-on", try(divide_by_zero) == -1);
        check_is("fpu-error.irq13", fpu_errors, i);
        check_is("fpu-error.eip", fpu_error_eip, (u32)at_fwait);
    }
    write_cr0((cr0 & ~0xcU) | 0x20);
    check_is("fpu-error.native", try(divide_by_zero), 16);
    __asm__ volatile("cli; fninit");
    hook = NULL;
    write_cr0(cr0);
}

static u8 source[64], target[64];

static void copy_past_limit(void)
{
    __asm__ volatile("mov %w0, %%es; cld; rep movsb"
                     :
                     : "r"(SEL_TEST), "S"(source), "D"(20), "c"(32)
                     : "memory");
}

static void store_past_limit(void)
{
    __asm__ volatile("mov %w0, %%es; std; rep stosl; cld"
                     :
                     : "r"(SEL_TEST), "D"(40), "a"(0x5a5a5a5a), "c"(32)
                     : "memory");
}

static void test_strings(void)
{
    set_segment(SEL_TEST, (u32)target, 31, 0x4092);
    for (u32 i = 0; i < sizeof(source); i++) {
        source[i] = i + 1;
    }
    memset(target, 0, sizeof(target));
    check_is("string.fault", try(copy_past_limit), EXC_GP);
    check_is("string.ecx", last.ecx, 20);
    check_is("string.edi", last.edi, 32);
    check_is("string.esi", last.esi, (u32)source + 12);
    check_is("string.copied", target[31], 12);
    check_is("string.beyond", target[32], 0);
    set_segment(SEL_TEST, (u32)target, 63, 0x4092);
    check_is("string.down", try(store_past_limit), EXC_GP);
    check_is("string.down-edi", last.edi, (u32)-4);
    check_is("string.down-ecx", last.ecx, 21);
    check_is("string.down-stored", target[0], 0x5a);
}

/* Interrupts wait for one instruction after STI. */
static volatile u32 taken_at;
extern char sti_pair[], sti_after[];

static int count_irq(Frame *f)
{
    if (f->vector < 0x20) {
        return 0;
    }
    taken_at = f->eip;
    outb(0x20, 0x20);
    return 1;
}

static void pic_setup(u8 mask)
{
    outb(0x20, 0x11);
    outb(0x21, 0x20);
    outb(0x21, 0x04);
    outb(0x21, 0x01);
    outb(0x21, mask);
    outb(0xa1, 0xff);
}

static void wait_pending(void)
{
    do {
        outb(0x20, 0x0a); /* read the request register */
    } while (!(inb(0x20) & 1));
}

static void test_shadow(void)
{
    hook = count_irq;
    pic_setup(0xfe);
    outb(0x43, 0x34);
    outb(0x40, 0xa9); /* 1 ms */
    outb(0x40, 0x04);
    wait_pending();
    taken_at = 0;
    __asm__ volatile("sti; cli; nop; nop");
    check_is("interrupt.shadow", taken_at, 0);
    __asm__ volatile("sti; sti_pair: nop; sti_after: cli");
    check_is("interrupt.after-one", taken_at, (u32)sti_after);
    taken_at = 0;
    __asm__ volatile("sti; hlt; cli");
    check("interrupt.hlt", taken_at != 0);
    pic_setup(0xff);
    hook = NULL;
}

void test_faults(void)
{
    test_simple();
    test_strings();
    test_shadow();
    test_fpu_error();
}
