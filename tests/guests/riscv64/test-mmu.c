/* SPDX-License-Identifier: MIT */
/*
 * Sv39 translation and physical memory protection, seen from S and U mode.  Data accesses go
 * through MPRV, so that the test itself stays in M-mode; fetches go through run_lower().
 */
#include "guest.h"

enum { PTE_V = 1, PTE_R = 2, PTE_W = 4, PTE_X = 8, PTE_U = 16, PTE_A = 64, PTE_D = 128 };
enum { PAGE = 4096, ENTRIES = 512, SUM = 1 << 18 };

/* One 4 KiB page at 1 GiB; RAM is mapped to itself by the third gigabyte's entry. */
static const uint64_t window = 0x40000000;

static uint64_t root[ENTRIES] __attribute__((aligned(PAGE)));
static uint64_t middle[ENTRIES] __attribute__((aligned(PAGE)));
static uint64_t leaf[ENTRIES] __attribute__((aligned(PAGE)));
static uint64_t page_a[ENTRIES] __attribute__((aligned(PAGE)));
static uint64_t page_b[ENTRIES] __attribute__((aligned(PAGE)));

static uint64_t pte(const void *page, uint64_t bits)
{
    return (uint64_t)page >> 12 << 10 | bits | PTE_V;
}

static void map(const void *page, uint64_t bits)
{
    leaf[0] = pte(page, bits);
    __asm__ volatile("sfence.vma" ::: "memory");
}

/* One load or store with the translation and protection of mode; faults are in trap_log. */
static uint64_t load_as(uint64_t mode, uint64_t address)
{
    uint64_t value = 0;

    csr_clear(mstatus, MSTATUS_MPP);
    trap_expect();
    __asm__ volatile("csrs mstatus, %2\n ld %0, (%1)\n csrc mstatus, %3"
                     : "+&r"(value)
                     : "r"(address), "r"(mode << 11 | MSTATUS_MPRV), "r"((uint64_t)MSTATUS_MPRV)
                     : "memory");
    return value;
}

static void store_as(uint64_t mode, uint64_t address, uint64_t value)
{
    csr_clear(mstatus, MSTATUS_MPP);
    trap_expect();
    __asm__ volatile("csrs mstatus, %2\n sd %0, (%1)\n csrc mstatus, %3" ::"r"(value), "r"(address),
                     "r"(mode << 11 | MSTATUS_MPRV), "r"((uint64_t)MSTATUS_MPRV)
                     : "memory");
}

static void run_as(uint64_t mode, uint64_t pc)
{
    trap_expect();
    run_lower(pc, mode);
}

static bool no_fault(void)
{
    return !trap_was(0) && !trap_log.seen;
}

static bool fault_at(uint64_t cause, uint64_t address)
{
    return trap_was(cause) && trap_log.tval == address;
}

static void test_permissions(void)
{
    uint64_t value;

    map(page_a, PTE_R | PTE_W | PTE_A | PTE_D);
    page_a[1] = 0x1234;
    value = load_as(MODE_S, window + 8);
    check("mmu.load", no_fault() && value == 0x1234);
    store_as(MODE_S, window + 16, 77);
    check("mmu.store", no_fault() && page_a[2] == 77);

    map(page_b, PTE_R | PTE_W | PTE_A | PTE_D);
    page_b[1] = 0x5678;
    check("mmu.sfence", load_as(MODE_S, window + 8) == 0x5678 && no_fault());

    load_as(MODE_S, window + PAGE);
    check("mmu.load-fault", fault_at(CAUSE_LOAD_PAGE, window + PAGE));
    map(page_a, PTE_R | PTE_A | PTE_D);
    store_as(MODE_S, window, 1);
    check("mmu.store-fault", fault_at(CAUSE_STORE_PAGE, window));
    load_as(MODE_S, 1ul << 40);
    check("mmu.not-canonical", fault_at(CAUSE_LOAD_PAGE, 1ul << 40));

    map(page_a, PTE_R | PTE_U | PTE_A | PTE_D);
    load_as(MODE_S, window);
    check("mmu.user-page", fault_at(CAUSE_LOAD_PAGE, window));
    csr_set(mstatus, SUM);
    load_as(MODE_S, window);
    check("mmu.sum", no_fault());
    csr_clear(mstatus, SUM);
}

/* Hardware either sets A and D itself (Svadu) or faults (Svade); both are told apart here. */
static void test_accessed(void)
{
    map(page_a, PTE_R | PTE_W);
    load_as(MODE_S, window);
    if (no_fault()) {
        check("mmu.accessed", (leaf[0] & (PTE_A | PTE_D)) == PTE_A);
        store_as(MODE_S, window, 1);
        check("mmu.dirty", no_fault() && (leaf[0] & PTE_D));
    } else {
        check("mmu.accessed", fault_at(CAUSE_LOAD_PAGE, window) && !(leaf[0] & PTE_A));
        map(page_a, PTE_R | PTE_W | PTE_A);
        store_as(MODE_S, window, 1);
        check("mmu.dirty", fault_at(CAUSE_STORE_PAGE, window) && !(leaf[0] & PTE_D));
    }
}

static void test_fetch(void)
{
    page_b[0] = 0x00000073; /* ecall */
    __asm__ volatile("fence.i" ::: "memory");
    map(page_b, PTE_R | PTE_X | PTE_A);
    run_as(MODE_S, window);
    check("mmu.supervisor-ecall", trap_was(CAUSE_ECALL_S) && trap_log.epc == window);
    map(page_b, PTE_R | PTE_X | PTE_U | PTE_A);
    run_as(MODE_U, window);
    check("mmu.user-ecall", trap_was(CAUSE_ECALL_U) && trap_log.epc == window);
    map(page_b, PTE_R | PTE_A);
    run_as(MODE_S, window);
    check("mmu.fetch-fault", fault_at(CAUSE_FETCH_PAGE, window));
}

static void test_pmp(void)
{
    enum { NAPOT = 3 << 3, RWX = 7 };

    /* Entry 0 takes everything away from one page, entry 1 allows the rest. */
    csr_write(pmpaddr1, csr_read(pmpaddr0));
    csr_write(pmpaddr0, (uint64_t)page_a >> 2 | (PAGE / 8 - 1));
    csr_write(pmpcfg0, (NAPOT | RWX) << 8 | NAPOT);
    __asm__ volatile("sfence.vma" ::: "memory");
    load_as(MODE_S, (uint64_t)page_a);
    check("pmp.denied", fault_at(CAUSE_LOAD_ACCESS, (uint64_t)page_a));
    load_as(MODE_S, (uint64_t)page_b);
    check("pmp.allowed", no_fault());
    page_a[0] = 5;
    check("pmp.machine-mode", page_a[0] == 5);
}

void test_mmu(void)
{
    enum { NAPOT_RWX = 0x1f, SV39 = 8 };

    csr_write(pmpaddr0, -1ul >> 10);
    csr_write(pmpcfg0, NAPOT_RWX);
    csr_write(medeleg, 0);
    root[1] = pte(middle, 0);
    root[2] = pte((void *)0x80000000, PTE_R | PTE_W | PTE_X | PTE_A | PTE_D);
    middle[0] = pte(leaf, 0);
    csr_write(satp, (uint64_t)SV39 << 60 | (uint64_t)root >> 12);
    __asm__ volatile("sfence.vma" ::: "memory");
    check("mmu.satp", csr_read(satp) >> 60 == SV39);
    test_permissions();
    test_accessed();
    test_fetch();
    csr_write(satp, 0);
    __asm__ volatile("sfence.vma" ::: "memory");
    test_pmp();
}
