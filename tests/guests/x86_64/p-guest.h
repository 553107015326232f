/* SPDX-License-Identifier: MIT */
/* The protected-mode guest: its segments, exceptions and levels. */
#ifndef TESTS_GUESTS_X86_P_GUEST_H
#define TESTS_GUESTS_X86_P_GUEST_H

#include "guest.h"

/* Selectors; the table is gdt[] in p-start.S. */
enum {
    SEL_CODE = 0x08,
    SEL_DATA = 0x10,
    SEL_UCODE = 0x1b,
    SEL_UDATA = 0x23,
    SEL_TSS = 0x28,
    SEL_TSS2 = 0x30,
    SEL_GATE = 0x38, /* call gate */
    SEL_TEST = 0x40, /* the test's own */
    SEL_CODE16 = 0x48,
};

typedef struct Frame {
    u32 gs, fs, es, ds;
    u32 edi, esi, ebp, handler_esp, ebx, edx, ecx, eax;
    u32 vector, error, eip, cs, eflags;
    u32 esp, ss;                /* from an outer level */
    u32 v_es, v_ds, v_fs, v_gs; /* from virtual-8086 mode */
} Frame;

typedef struct Tss {
    u32 back, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
    u32 eax, ecx, edx, ebx, esp, ebp, esi, edi;
    u32 es, cs, ss, ds, fs, gs, ldt;
    u16 trap, iomap;
    u8 bitmap[8192 + 1 + 32];
} Tss;

extern u64 gdt[], idt[256];
extern Tss tss, tss2;
extern Frame last; /* of the last exception */

void set_segment(u32 sel, u32 base, u32 limit, u32 attr);
void set_gate(u32 vector, u32 sel, void *target, u32 type, u32 dpl);
void set_task_gate(u32 vector, u32 sel);

/* Runs @fn; the vector of the exception that ended it, or -1. */
int try(void (*fn)(void));
/* The same at level 3, on a stack of its own, with @flags in EFLAGS besides IF: "int $0x40" ends it. */
int try_user(void (*fn)(void), u32 flags);
/* Called for exceptions before anything else; true: the frame (which it may change) is returned to. */
extern int (*hook)(Frame *f);
enum { END_USER = 0x40 };

void test_segments(void);
void test_levels(void);
void test_tasks(void);
void test_debug(void);
void test_v86(void);
void test_paging(void);
void test_faults(void);

#endif
