/* SPDX-License-Identifier: MIT */
/* Descriptors, exceptions, and the list of tests. */
#include "p-guest.h"

u64 idt[256];
Tss tss, tss2;
Frame last;
int (*hook)(Frame *f);

extern char stubs[];
static u8 user_stack[4096], kernel_stack[8192];

void recover(int vector) NORETURN;
void enter_user(void (*eip)(void), u32 esp, u32 eflags, u32 cs, u32 ss) NORETURN;
void trap(Frame *f);
void main(void) NORETURN;

void set_segment(u32 sel, u32 base, u32 limit, u32 attr)
{
    u64 pages = limit > 0xfffff;
    u64 field = pages ? limit >> 12 : limit;

    gdt[sel / 8] = (field & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)attr << 40 |
                   (field >> 16) << 48 | pages << 55 | (u64)(base >> 24) << 56;
}

void set_gate(u32 vector, u32 sel, void *target, u32 type, u32 dpl)
{
    u64 at = (u32)target;

    idt[vector] =
        (at & 0xffff) | (u64)sel << 16 | (u64)(0x80 | dpl << 5 | type) << 40 | at >> 16 << 48;
}

void set_task_gate(u32 vector, u32 sel)
{
    idt[vector] = (u64)sel << 16 | 0x85ULL << 40;
}

/* Stubs are 16 bytes each. */
void trap(Frame *f)
{
    last = *f;
    if (hook && hook(f)) {
        return;
    }
    recover(f->vector);
}

static void (*user_fn)(void);
static u32 user_flags;

static void user_start(void)
{
    user_fn();
    __asm__ volatile("int %0" : : "i"(END_USER));
}

static void start_user(void)
{
    enter_user(user_start, (u32)user_stack + sizeof(user_stack), 2 | user_flags, SEL_UCODE,
               SEL_UDATA);
}

int try_user(void (*fn)(void), u32 flags)
{
    int vector;

    user_fn = fn;
    user_flags = flags;
    vector = try(start_user);
    return vector == END_USER ? -1 : vector;
}

static void load_tables(void)
{
    struct {
        u16 limit;
        u32 base;
    } __attribute__((packed)) idtr = {sizeof(idt) - 1, (u32)idt};

    for (u32 i = 0; i < 256; i++) {
        set_gate(i, SEL_CODE, stubs + 16 * i, 14,
                 i == END_USER || i == EXC_BP || i == EXC_OF ? 3 : 0);
    }
    __asm__ volatile("lidt %0" : : "m"(idtr));
    memset(tss.bitmap, 0xff, sizeof(tss.bitmap));
    tss.esp0 = (u32)kernel_stack + sizeof(kernel_stack);
    tss.ss0 = SEL_DATA;
    tss.iomap = __builtin_offsetof(Tss, bitmap) + 32; /* behind the redirection map */
    set_segment(SEL_TSS, (u32)&tss, sizeof(tss) - 1, 0x89);
    __asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
}

void main(void)
{
    load_tables();
    test_faults();
    test_segments();
    test_levels();
    test_tasks();
    test_debug();
    test_v86();
    test_paging();
    finish("protected");
}
