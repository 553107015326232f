/* SPDX-License-Identifier: MIT */
/*
 * Two user processes under Sv39, each in its own address space (and ASID), preempted by the timer
 * and paged in on demand.  The kernel is mapped to itself in both by gigabyte pages.
 */
#include "s-guest.h"

enum {
    PTE_V = 1,
    PTE_R = 2,
    PTE_W = 4,
    PTE_X = 8,
    PTE_U = 16,
    PTE_G = 32,
    PTE_A = 64,
    PTE_D = 128
};
enum { ENTRIES = 512, PROCESSES = 2, FRESH_PAGES = 16, ROUNDS = 12000000, SV39 = 8 };
enum { USER_CODE = 0x40000000, USER_DATA = 0x40001000, USER_FRESH = 0x40100000 };

typedef uint64_t Page[ENTRIES] __attribute__((aligned(4096)));

typedef struct Context {
    uint64_t x[31];
    uint64_t pc;
    uint64_t kernel_sp;
} Context;

typedef struct Process {
    Page root, middle, leaf, code, data;
    Page fresh[FRESH_PAGES];
    Context context;
    unsigned faults, preemptions;
    bool done;
    uint64_t result;
} Process;

static Process processes[PROCESSES];

extern uint64_t user_program[], user_program_end[];
void enter_user(Context *c);

static uint64_t pte(const void *page, uint64_t bits)
{
    return (uint64_t)page >> 12 << 10 | bits | PTE_V | PTE_A | PTE_D;
}

static void process_init(Process *p, uint64_t number)
{
    for (size_t i = 0; user_program + i < user_program_end; i++) {
        p->code[i] = user_program[i];
    }
    p->root[0] = pte((void *)0, PTE_R | PTE_W | PTE_G);
    p->root[1] = (uint64_t)p->middle >> 12 << 10 | PTE_V;
    p->root[2] = pte((void *)0x80000000, PTE_R | PTE_W | PTE_X | PTE_G);
    p->middle[0] = (uint64_t)p->leaf >> 12 << 10 | PTE_V;
    p->leaf[0] = pte(p->code, PTE_R | PTE_X | PTE_U);
    p->leaf[1] = pte(p->data, PTE_R | PTE_W | PTE_U);
    p->context.pc = USER_CODE;
    p->context.x[9] = number;  /* a0 */
    p->context.x[10] = ROUNDS; /* a1 */
}

/* Maps the page a process missed; false if it has no business there. */
static bool page_in(Process *p, uint64_t address)
{
    uint64_t page = (address - USER_FRESH) >> 12;

    if (address < USER_FRESH || page >= FRESH_PAGES) {
        return false;
    }
    p->leaf[(USER_FRESH >> 12 & 511) + page] = pte(p->fresh[page], PTE_R | PTE_W | PTE_U);
    __asm__ volatile("sfence.vma %0" ::"r"(address) : "memory");
    p->faults++;
    return true;
}

/* Runs a process until its time is over or it has ended. */
static void run_slice(Process *p, uint64_t asid)
{
    csr_write(satp, (uint64_t)SV39 << 60 | asid << 44 | (uint64_t)p->root >> 12);
    sbi(SBI_TIMER, 0, csr_read(time) + machine.timebase / 2000, 0, 0);
    for (;;) {
        uint64_t cause, value;

        enter_user(&p->context);
        cause = csr_read(scause);
        value = csr_read(stval);
        if (cause >> 63) {
            s_interrupt(cause & 63);
            p->preemptions++;
            return;
        }
        if ((cause == CAUSE_LOAD_PAGE || cause == CAUSE_STORE_PAGE) && page_in(p, value)) {
            continue;
        }
        p->done = true;
        p->result = cause == CAUSE_ECALL_U ? p->context.x[9] : 100 + cause;
        return;
    }
}

void s_test_users(void)
{
    enum { SPP = 1 << 8, SPIE = 1 << 5 };
    uint64_t limit = csr_read(time) + 20 * machine.timebase, slices = 0;
    unsigned fresh_right = 0;

    for (uint64_t i = 0; i < PROCESSES; i++) {
        process_init(&processes[i], i + 1);
    }
    __asm__ volatile("fence.i\n sfence.vma" ::: "memory");
    csr_write(sie, 1 << S_IRQ_TIMER);
    while (!(processes[0].done && processes[1].done) && csr_read(time) < limit) {
        Process *p = &processes[slices++ % PROCESSES];

        if (!p->done) {
            csr_clear(sstatus, SPP);
            csr_set(sstatus, SPIE);
            run_slice(p, 1 + (slices - 1) % PROCESSES);
        }
    }
    csr_write(satp, 0);
    __asm__ volatile("sfence.vma" ::: "memory");
    sbi(SBI_TIMER, 0, UINT64_MAX, 0, 0);

    for (uint64_t i = 0; i < PROCESSES; i++) {
        Process *p = &processes[i];
        uint64_t pages = 8 * (i + 1);

        print("# process %lu: %lu rounds, %u preemptions, %u page faults\n", i + 1, p->data[0],
              p->preemptions, p->faults);
        fresh_right += p->faults == pages && p->fresh[0][0] == pages && p->fresh[pages - 1][0] == 1;
    }
    check("user.both-ended", processes[0].done && processes[1].done);
    check("user.registers-kept", processes[0].result == 0 && processes[1].result == 0);
    check("user.own-memory", processes[0].data[0] == ROUNDS && processes[1].data[0] == ROUNDS);
    check("user.preempted", processes[0].preemptions && processes[1].preemptions);
    check("user.demand-paging", fresh_right == PROCESSES);
}
