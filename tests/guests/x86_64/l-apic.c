/* SPDX-License-Identifier: MIT */
/* The CPU's side of the local APIC: task priority in CR8, NMIs, its MSRs. */
#include "l-guest.h"

enum {
    APIC = 0xfee00000,
    ID = 0x20,
    EOI = 0xb0,
    SVR = 0xf0,
    ICR = 0x300,
    ICR_HIGH = 0x310,
    LVT_TIMER = 0x320,
    INITIAL = 0x380,
    DIVIDE = 0x3e0,
    SELF = 1 << 18,
    NMI = 4 << 8 | 1 << 14
};

static u32 apic_read(u32 reg)
{
    return *(volatile u32 *)(u64)(APIC + reg);
}

static void apic_write(u32 reg, u32 v)
{
    *(volatile u32 *)(u64)(APIC + reg) = v;
}

static volatile u32 taken, order[4];
static volatile int in_nmi, nested;

static int on_interrupt(Frame *f)
{
    if (f->vector == 2) {
        if (taken < 4) {
            order[taken++] = in_nmi;
        }
        if (!nested) {
            nested = 1;
            in_nmi = 1;
            apic_write(ICR, NMI); /* waits for IRET */
            for (u32 i = 0; i < 100; i++) {
                __asm__ volatile("pause");
            }
            in_nmi = 0;
        }
        return 1;
    }
    if (f->vector < 0x20) {
        return 0;
    }
    if (taken < 4) {
        order[taken] = f->vector;
    }
    taken++;
    apic_write(EOI, 0);
    return 1;
}

static void write_cr8(u64 v)
{
    __asm__ volatile("mov %0, %%cr8" : : "r"(v) : "memory");
}

static u64 read_cr8(void)
{
    u64 v;

    __asm__ volatile("mov %%cr8, %0" : "=r"(v));
    return v;
}

static void bad_cr8(void)
{
    write_cr8(16);
}

static void test_priority(void)
{
    write_cr8(5);
    check_is("cr8.reads", read_cr8(), 5);
    check_is("cr8.is-tpr", apic_read(0x80), 0x50);
    check_is("cr8.reserved", try(bad_cr8), EXC_GP);
    apic_write(ICR, SELF | 0x55);
    apic_write(ICR, SELF | 0x65);
    __asm__ volatile("sti; nop; nop; cli");
    check("cr8.masks", taken == 1 && order[0] == 0x65);
    write_cr8(0);
    __asm__ volatile("sti; nop; nop; cli");
    check("cr8.lets", taken == 2 && order[1] == 0x55);
}

static void test_nmi(void)
{
    taken = 0;
    apic_write(ICR_HIGH, apic_read(ID));
    apic_write(ICR, NMI);
    for (u32 i = 0; i < 100000 && taken < 2; i++) {
        __asm__ volatile("pause");
    }
    check_is("nmi.both", taken, 2);
    check("nmi.not-nested", order[0] == 0 && order[1] == 0);
}

/* Counts of a few nanoseconds, which are over before anybody looks again. */
static void test_short_counts(void)
{
    u32 missed = 0;

    apic_write(DIVIDE, 0xb);
    apic_write(LVT_TIMER, 0x60);
    for (u32 count = 1; count <= 20; count++) {
        taken = 0;
        apic_write(INITIAL, count);
        for (u32 i = 0; i < 1000000 && !taken; i++) {
            __asm__ volatile("sti; nop; cli; pause");
        }
        missed += !taken;
    }
    check_is("timer.short", missed, 0);
    apic_write(LVT_TIMER, 1 << 16);
}

static void test_msrs(void)
{
    check_is("apic.base", rdmsr(0x1b) & ~0x1ffULL & 0xffffff000ULL, APIC);
    check_is("apic.bsp", rdmsr(0x1b) >> 8 & 1, 1);
    if (has_feature(1, 2, 21)) {
        u32 id = apic_read(ID) >> 24;

        wrmsr(0x1b, rdmsr(0x1b) | 1 << 10);
        check_is("x2apic.id", rdmsr(0x802), id);
        taken = 0;
        wrmsr(0x83f, 0x70); /* self */
        hook = NULL;
    }
}

static u64 apic_pd[512] __attribute__((aligned(4096)));

static u32 odd_value;

static void read_odd_place(void)
{
    odd_value = apic_read(ID + 1);
}

/* What a device does not answer reads as ones: there is no exception for it. */
static void test_no_answer(void)
{
    check("apic.odd-read", try(read_odd_place) == -1);
    check_is("apic.odd-value", odd_value, 0xffffffff);
}

void test_apic(void)
{
    apic_pd[APIC >> 21 & 511] = (APIC & ~0x1fffffULL) | P | W | PS | 0x10;
    pdpt[3] = (u64)apic_pd | P | W;
    write_cr3(read_cr3());
    hook = on_interrupt;
    apic_write(SVR, 0x1ff);
    test_no_answer();
    test_priority();
    test_nmi();
    test_short_counts();
    test_msrs();
    hook = NULL;
}
