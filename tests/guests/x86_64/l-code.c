/* SPDX-License-Identifier: MIT */
/*
 * Code that changes: under the CPU that runs it, in the same block, across a page, through another address;
 * and under other CPUs, which run it in real mode all the time.
 */
#include "l-guest.h"

enum {
    APIC = 0xfee00000,
    ICR = 0x300,
    ALL_INIT = 0xc4500,
    ALL_SIPI = 0xc4600,
    AP_PAGE = 0x8000, /* where the others start */
    PATCHED = 0x9000, /* the function that changes, in a page of its own */
    SHARED = 0xa000,  /* see struct */
    MAX_APS = 7,
    ROUNDS = 40,
};

/* --- Under the CPU itself --- */

static u32 call(const void *at)
{
    return ((u32(*)(void))at)();
}

/* mov $imm, %eax; ret */
static void put_function(u8 *at, u32 imm)
{
    at[0] = 0xb8;
    memcpy(at + 1, &imm, 4);
    at[5] = 0xc3;
}

static u32 change_next(void)
{
    u32 v;

    /* The immediate of the instruction behind the store. */
    __asm__ volatile("lea 1f(%%rip), %%rdx\n\tmovl $0x1234567, 1(%%rdx)\n\t1: mov $0x11, %%eax"
                     : "=a"(v)
                     :
                     : "rdx", "memory");
    return v;
}

static void test_own_code(void)
{
    u8 *code = page[0] + 0x100, *crossing = page[1] - 3;
    u32 wrong = 0;

    memcpy(code, (const void *)change_next, 0x80);
    check_is("code.next-instruction", call(code), 0x1234567);
    for (u32 i = 0; i < 200; i++) {
        put_function(crossing, i);
        wrong += call(crossing) != i;
        *(volatile u8 *)(page[1] + 1) = 7; /* bits 24..31, in the second page */
        wrong += call(crossing) != (i | 7 << 24);
    }
    check_is("code.across-pages", wrong, 0);
    map((u64)page[0] | P | W | U);
    for (u32 i = 0; i < 200; i++) {
        put_function((u8 *)TEST_VA + 0x200, i);
        wrong += call(page[0] + 0x200) != i;
        put_function(page[0] + 0x200, i + 1);
        wrong += call((const void *)(TEST_VA + 0x200)) != i + 1;
    }
    check_is("code.alias", wrong, 0);
}

/* --- Under others --- */

typedef struct Shared {
    u16 sequence; /* the function returns at least this */
    u16 started;
    struct {
        u16 seen, calls, wrong;
        u16 unused;
    } ap[MAX_APS];
} Shared;

/*
 * What the others run, in a segment at 0, at AP_PAGE: each takes a slot, and then for ever: seen = sequence; a
 * serializing instruction; v = call PATCHED; wrong if v < seen.
 */
extern char ap_start[], ap_end[];
__asm__(".text\n.code16\nap_start:\n"
        "    xor %ax, %ax\n"
        "    mov %ax, %ds\n"
        "    mov %ax, %ss\n"
        "    mov $1, %di\n"
        "    lock xadd %di, 0xa002\n"
        "    shl $3, %di\n"
        "    mov %di, %sp\n"
        "    shl $3, %sp\n"
        "    add $0xb100, %sp\n"
        "    ljmp $0, $0x8000 + 1f - ap_start\n"
        "1:  mov 0xa000, %si\n"
        "    xor %eax, %eax\n"
        "    cpuid\n"
        "    call 0x1000 + ap_start\n" /* PATCHED */
        "    cmp %si, %ax\n"
        "    jae 2f\n"
        "    incw 0xa008(%di)\n"
        "2:  mov %si, 0xa004(%di)\n"
        "    incw 0xa006(%di)\n"
        "    jmp 1b\n"
        "ap_end:\n.code64\n");

/* By the register of the mode that test_apic() left. */
static void icr(u32 v)
{
    if (rdmsr(0x1b) & 1 << 10) {
        wrmsr(0x830, v);
    } else {
        *(volatile u32 *)(u64)(APIC + ICR) = v;
    }
}

static void pause(u32 n)
{
    while (n--) {
        __asm__ volatile("pause" : : : "memory");
    }
}

/* Did all of them see @sequence?  They have time. */
static int all_saw(volatile Shared *s, u32 naps, u16 sequence)
{
    for (u32 i = 0; i < naps; i++) {
        for (u32 n = 0; s->ap[i].seen != sequence; n++) {
            if (n == 100000000) {
                return 0;
            }
            pause(1);
        }
    }
    return 1;
}

static void change_under_others(volatile Shared *s, u32 naps)
{
    volatile u16 *imm = (volatile u16 *)(PATCHED + 2);
    u32 wrong = 0, in_step = 1;

    for (u16 i = 1; i <= ROUNDS && in_step; i++) { /* each change is waited for */
        *imm = i;
        s->sequence = i;
        in_step = all_saw(s, naps, i);
    }
    for (u16 i = ROUNDS; i <= 500 * ROUNDS; i++) { /* and none is */
        *imm = i;
        s->sequence = i;
    }
    check("code.others-follow", in_step && all_saw(s, naps, 500 * ROUNDS));
    for (u32 i = 0; i < naps; i++) {
        wrong += s->ap[i].wrong;
    }
    check_is("code.others-old", wrong, 0);
}

void test_code(void)
{
    volatile Shared *s = (volatile Shared *)SHARED;
    static const u8 function[] = {0x90, 0xb8, 0, 0, 0xc3}; /* nop; mov $imm, %ax (aligned); ret */
    u32 naps;

    test_own_code();
    outb(0x70, 0x5f);
    naps = inb(0x71);
    if (!naps || naps > MAX_APS) {
        return;
    }
    memset((void *)SHARED, 0, sizeof(Shared));
    memcpy((void *)AP_PAGE, ap_start, ap_end - ap_start);
    memcpy((void *)PATCHED, function, sizeof(function));
    icr(ALL_INIT);
    pause(10000);
    icr(ALL_SIPI | AP_PAGE >> 12);
    for (u32 n = 0; s->started != naps && n < 100000000; n++) {
        pause(1);
    }
    check_is("code.others-started", s->started, naps);
    change_under_others(s, naps);
    icr(ALL_INIT);
}
