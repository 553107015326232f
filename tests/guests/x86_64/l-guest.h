/* SPDX-License-Identifier: MIT */
/* The 64-bit guest: its segments, exceptions, levels and page tables. */
#ifndef TESTS_GUESTS_X86_L_GUEST_H
#define TESTS_GUESTS_X86_L_GUEST_H

#include "guest.h"

/* Selectors; the table is gdt[] in l-start.S. */
enum {
    SEL_CODE = 0x08,
    SEL_DATA = 0x10,
    SEL_CODE32 = 0x18,
    SEL_UCODE32 = 0x23,
    SEL_UDATA = 0x2b,
    SEL_UCODE = 0x33,
    SEL_TSS = 0x38,
};

typedef struct Frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8;
    u64 rdi, rsi, rbp, rbx, rdx, rcx, rax;
    u64 vector, error, rip, cs, rflags, rsp, ss;
} Frame;

typedef struct __attribute__((packed)) Tss {
    u32 reserved;
    u64 rsp[3];
    u64 reserved2;
    u64 ist[7];
    u64 reserved3;
    u16 reserved4, iomap;
} Tss;

extern u64 gdt[];
extern Tss tss;
extern Frame last;

/* Runs @fn; the vector of the exception that ended it, or -1.  try_user: at level 3, where END_USER ends it. */
int try(void (*fn)(void));
int try_user(void (*fn)(void), u64 flags);
extern int (*hook)(Frame *f); /* true: the frame is returned to */
enum { END_USER = 0x40, USER_STACK_SIZE = 4096 };
void set_ist(u32 vector, u32 ist);
/* Of the CPU: CPUID leaf 1 and 7 bits. */
int has_feature(u32 leaf, u32 reg, u32 bit);

/* Page tables: 2 MiB pages that show 1 GiB of memory to all levels; pt maps the 2 MiB at TEST_VA. */
#define TEST_VA 0x40000000ULL
enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100 };
#define NX (1ULL << 63)
extern u64 pml4[512], pdpt[512], pt[512];
void map(u64 entry); /* at TEST_VA, with INVLPG */
extern u8 page[2][4096];

void test_modes(void);
void test_pages(void);
void test_apic(void);
void test_code(void);

#endif
