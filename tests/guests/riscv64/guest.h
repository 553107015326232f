/* SPDX-License-Identifier: MIT */
/* The bare-metal test guest: shared declarations.  No libc; one hart runs the tests in M-mode. */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_HARTS = 16 };

#define csr_read(name)                                                                             \
    ({                                                                                             \
        uint64_t value_;                                                                           \
        __asm__ volatile("csrr %0, " #name : "=r"(value_)::"memory");                              \
        value_;                                                                                    \
    })
#define csr_write(name, value)                                                                     \
    __asm__ volatile("csrw " #name ", %0" ::"r"((uint64_t)(value)) : "memory")
#define csr_set(name, bits)                                                                        \
    __asm__ volatile("csrs " #name ", %0" ::"r"((uint64_t)(bits)) : "memory")
#define csr_clear(name, bits)                                                                      \
    __asm__ volatile("csrc " #name ", %0" ::"r"((uint64_t)(bits)) : "memory")

static inline uint8_t in8(uint64_t a)
{
    return *(volatile uint8_t *)a;
}
static inline uint16_t in16(uint64_t a)
{
    return *(volatile uint16_t *)a;
}
static inline uint32_t in32(uint64_t a)
{
    return *(volatile uint32_t *)a;
}
static inline uint64_t in64(uint64_t a)
{
    return *(volatile uint64_t *)a;
}
static inline void out8(uint64_t a, uint8_t v)
{
    *(volatile uint8_t *)a = v;
}
static inline void out16(uint64_t a, uint16_t v)
{
    *(volatile uint16_t *)a = v;
}
static inline void out32(uint64_t a, uint32_t v)
{
    *(volatile uint32_t *)a = v;
}
static inline void out64(uint64_t a, uint64_t v)
{
    *(volatile uint64_t *)a = v;
}
static inline void barrier(void)
{
    __asm__ volatile("fence iorw, iorw" ::: "memory");
}

/* --- where things are: from the device tree, else the board's well-known addresses --- */

typedef struct Place {
    uint64_t base;
    uint64_t size;
    uint32_t irq; /* PLIC source, 0 if none */
    bool from_tree;
} Place;

typedef struct Machine {
    uint64_t hart;     /* the hart that runs the tests */
    uint64_t timebase; /* mtime ticks per second */
    unsigned harts;
    bool tree_ok;
    const char *model;
    const char *isa;
    const char *bootargs;
    Place memory, uart, rtc, plic, clint, fw_cfg, flash, test, pci;
    Place virtio[8];
} Machine;

extern Machine machine;

/* Fills machine from the tree at the physical address; wrong or absent trees leave the defaults. */
void machine_find(uint64_t hart, uint64_t tree);

/* --- console --- */

void put_char(char c);
void put_str(const char *s);
/* %s %c %u %d %x (with width, zero fill) and %lu %lx. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

int str_compare(const char *a, const char *b);
/* The text after "NAME=" or NAME itself in the kernel command line; NULL if it has no such word. */
const char *boot_word(const char *name);

/* --- traps --- */

enum {
    CAUSE_FETCH_ACCESS = 1,
    CAUSE_ILLEGAL = 2,
    CAUSE_BREAK = 3,
    CAUSE_LOAD_MISALIGNED = 4,
    CAUSE_LOAD_ACCESS = 5,
    CAUSE_STORE_ACCESS = 7,
    CAUSE_ECALL_U = 8,
    CAUSE_ECALL_S = 9,
    CAUSE_ECALL_M = 11,
    CAUSE_FETCH_PAGE = 12,
    CAUSE_LOAD_PAGE = 13,
    CAUSE_STORE_PAGE = 15,
    IRQ_SOFT = 3,
    IRQ_TIMER = 7,
    IRQ_EXTERNAL = 11,
};

enum { MODE_U = 0, MODE_S = 1, MODE_M = 3 };
enum { MSTATUS_MIE = 1 << 3, MSTATUS_MPP = 3 << 11, MSTATUS_MPRV = 1 << 17 };

typedef struct TrapLog {
    bool seen;
    uint64_t cause;
    uint64_t epc;
    uint64_t tval;
    unsigned soft, timer, external; /* interrupts taken */
    uint32_t claimed;               /* last PLIC source */
} TrapLog;

extern volatile TrapLog trap_log;

/* Forgets the last exception and lets the next ones be recorded and stepped over. */
void trap_expect(void);
/* True if exactly this exception came since trap_expect. */
bool trap_was(uint64_t cause);
/* Runs code in mode until its first exception, which trap_log then holds. */
void run_lower(uint64_t pc, uint64_t mode);
void wait_ticks(uint64_t ticks);

/* --- results --- */

void check(const char *name, bool passed);
void note_skip(const char *name, const char *why);

void test_cpu(void);
void test_traps(void);
void test_mmu(void);
void test_interrupts(void);
void test_devices(void);

/* Hostile accesses: fuzz.c. */
void fuzz_registers(uint64_t seed, uint64_t rounds);
void fuzz_queues(void);

#endif
