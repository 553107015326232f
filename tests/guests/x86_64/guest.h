/* SPDX-License-Identifier: MIT */
/* What both x86 guests have: output, ports, checks, exceptions. */
#ifndef TESTS_GUESTS_X86_GUEST_H
#define TESTS_GUESTS_X86_GUEST_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long word; /* of the guest's mode */

#define NULL          ((void *)0)
#define NORETURN      __attribute__((noreturn))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum {
    EXC_DE = 0,
    EXC_DB = 1,
    EXC_BP = 3,
    EXC_OF = 4,
    EXC_BR = 5,
    EXC_UD = 6,
    EXC_NM = 7,
    EXC_DF = 8,
    EXC_TS = 10,
    EXC_NP = 11,
    EXC_SS = 12,
    EXC_GP = 13,
    EXC_PF = 14,
    EXC_AC = 17,
};
enum {
    CF = 1,
    ZF = 0x40,
    TF = 0x100,
    IF = 0x200,
    DF = 0x400,
    OF = 0x800,
    IOPL3 = 0x3000,
    NT = 0x4000,
    RF = 0x10000,
    VM = 0x20000,
    AC = 0x40000,
    VIF = 0x80000,
    VIP = 0x100000,
};

static inline void outb(u16 port, u8 v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline u8 inb(u16 port)
{
    u8 v;

    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static inline u64 rdmsr(u32 n)
{
    u32 lo, hi;

    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(n));
    return (u64)hi << 32 | lo;
}

static inline void wrmsr(u32 n, u64 v)
{
    __asm__ volatile("wrmsr" : : "c"(n), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

static inline void cpuid(u32 leaf, u32 sub, u32 *r)
{
    __asm__ volatile("cpuid"
                     : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
                     : "a"(leaf), "c"(sub));
}

#define CR_ACCESS(n)                                                                               \
    static inline word read_cr##n(void)                                                            \
    {                                                                                              \
        word v;                                                                                    \
                                                                                                   \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v));                                          \
        return v;                                                                                  \
    }                                                                                              \
    static inline void write_cr##n(word v)                                                         \
    {                                                                                              \
        __asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory");                                 \
    }
CR_ACCESS(0)
CR_ACCESS(2)
CR_ACCESS(3)
CR_ACCESS(4)

#define DR_ACCESS(n)                                                                               \
    static inline word read_dr##n(void)                                                            \
    {                                                                                              \
        word v;                                                                                    \
                                                                                                   \
        __asm__ volatile("mov %%dr" #n ", %0" : "=r"(v));                                          \
        return v;                                                                                  \
    }                                                                                              \
    static inline void write_dr##n(word v)                                                         \
    {                                                                                              \
        __asm__ volatile("mov %0, %%dr" #n : : "r"(v));                                            \
    }
DR_ACCESS(0)
DR_ACCESS(1)
DR_ACCESS(6)
DR_ACCESS(7)

static inline word read_flags(void)
{
    word v;

    __asm__ volatile("pushf; pop %0" : "=r"(v));
    return v;
}

/* --- common.c --- */

void print(const char *text);
void print_hex(u64 v);
void check(const char *name, int ok);
/* The same for a number, which is printed when it is wrong. */
void check_is(const char *name, u64 found, u64 wanted);
void finish(const char *guest) NORETURN;
void *memset(void *p, int c, word n);
void *memcpy(void *to, const void *from, word n);

#endif
