/* SPDX-License-Identifier: MIT */
/* Descriptors, exceptions, and the list of tests. */
#include "l-guest.h"

static struct {
    u64 lo, hi;
} idt[256] __attribute__((aligned(16)));
Tss tss;
Frame last;
int (*hook)(Frame *f);
u8 page[2][4096] __attribute__((aligned(4096)));

extern char stubs[];
static u8 user_stack[USER_STACK_SIZE], kernel_stack[8192];

void recover(int vector) NORETURN;
void enter_user(void (*rip)(void), u64 rsp, u64 rflags, u64 cs, u64 ss) NORETURN;
void trap(Frame *f);
void main(void) NORETURN;

void trap(Frame *f)
{
    last = *f;
    if (hook && hook(f)) {
        return;
    }
    recover(f->vector);
}

static void (*user_fn)(void);
static u64 user_flags;

static void user_start(void)
{
    user_fn();
    __asm__ volatile("int %0" : : "i"(END_USER));
}

static void start_user(void)
{
    enter_user(user_start, (u64)user_stack + sizeof(user_stack) - 8, 2 | user_flags, SEL_UCODE,
               SEL_UDATA);
}

int try_user(void (*fn)(void), u64 flags)
{
    int vector;

    user_fn = fn;
    user_flags = flags;
    vector = try(start_user);
    return vector == END_USER ? -1 : vector;
}

void set_ist(u32 vector, u32 ist)
{
    idt[vector].lo = (idt[vector].lo & ~(7ULL << 32)) | (u64)ist << 32;
}

int has_feature(u32 leaf, u32 reg, u32 bit)
{
    u32 r[4];

    cpuid(0, 0, r);
    if (leaf < 0x80000000 && r[0] < leaf) {
        return 0;
    }
    cpuid(leaf, 0, r);
    return r[reg] >> bit & 1;
}

void map(u64 entry)
{
    pt[0] = entry;
    __asm__ volatile("invlpg (%0)" : : "r"(TEST_VA) : "memory");
}

static void load_tables(void)
{
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) idtr = {sizeof(idt) - 1, (u64)idt};

    for (u32 i = 0; i < 256; i++) {
        u64 at = (u64)stubs + 16 * i, dpl = i == END_USER || i == EXC_BP ? 3 : 0;

        idt[i].lo =
            (at & 0xffff) | SEL_CODE << 16 | (0x8eULL | dpl << 5) << 40 | (at >> 16 & 0xffff) << 48;
        idt[i].hi = at >> 32;
    }
    __asm__ volatile("lidt %0" : : "m"(idtr));
    tss.rsp[0] = (u64)kernel_stack + sizeof(kernel_stack);
    tss.iomap = sizeof(tss);
    gdt[SEL_TSS / 8] =
        (sizeof(tss) - 1) | ((u64)&tss & 0xffffff) << 16 | 0x89ULL << 40 | (u64)&tss >> 24 << 56;
    gdt[SEL_TSS / 8 + 1] = 0;
    __asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
}

void main(void)
{
    load_tables();
    test_modes();
    test_pages();
    test_apic();
    test_code();
    finish("long");
}
