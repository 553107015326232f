/* SPDX-License-Identifier: MIT */
/* System calls, compatibility mode, interrupt stacks, canonical addresses, segment bases, alignment. */
#include "l-guest.h"

/* --- SYSCALL, SYSRET --- */

static volatile u64 sys_rcx, sys_r11, sys_flags, sys_cs, back_flags;
extern char syscall_entry[], user_after[];

__asm__(".text\nsyscall_entry:\n"
        "    mov %rcx, sys_rcx\n"
        "    mov %r11, sys_r11\n"
        "    pushf\n" /* on the user's stack, which is ours as well */
        "    pop %rax\n"
        "    mov %rax, sys_flags\n"
        "    mov %cs, %rax\n"
        "    mov %rax, sys_cs\n"
        "    sysretq\n");

static void user_syscall(void)
{
    __asm__ volatile("stc; std; syscall\nuser_after: pushf; pop %0; cld"
                     : "=r"(back_flags)
                     :
                     : "rax", "rcx", "r11", "memory");
}

static void sysret_noncanonical(void)
{
    __asm__ volatile("mov %0, %%rcx; mov $2, %%r11; sysretq" : : "r"(1ULL << 47) : "rcx", "r11");
}

static void do_syscall(void)
{
    __asm__ volatile("syscall" : : : "rcx", "r11", "rax", "memory");
}

static void test_syscall(void)
{
    wrmsr(0xc0000081, (u64)(SEL_UCODE32 | 3) << 48 | (u64)SEL_CODE << 32);
    wrmsr(0xc0000082, (u64)syscall_entry);
    wrmsr(0xc0000084, DF | IF);
    check_is("syscall.runs", try_user(user_syscall, IF), -1);
    check_is("syscall.rcx", sys_rcx, (u64)user_after);
    check_is("syscall.r11", sys_r11 & (IF | DF | CF), IF | DF | CF);
    check_is("syscall.masked", sys_flags & (IF | DF | CF), CF);
    check_is("syscall.cs", sys_cs, SEL_CODE);
    check_is("sysret.flags", back_flags & (IF | DF | CF), IF | DF | CF);
    check_is("sysret.level", try_user(sysret_noncanonical, IF), EXC_GP);
    check("sysret.canonical", try(sysret_noncanonical) == EXC_GP && last.cs == SEL_CODE);
    wrmsr(0xc0000080, rdmsr(0xc0000080) & ~1ULL);
    check_is("syscall.off", try_user(do_syscall, IF), EXC_UD);
    wrmsr(0xc0000080, rdmsr(0xc0000080) | 1);
}

/* --- Compatibility mode --- */

extern char compat_entry[];
/* Through a far call into 32-bit code: upper halves of registers are out of reach there. */
__asm__(".text\n.code32\ncompat_entry:\n"
        "    mov $0x11111111, %eax\n"
        "    add %eax, %eax\n"
        "    .byte 0x48\n" /* DEC EAX here, REX.W in 64-bit code */
        "    nop\n"
        "    lret\n"
        ".code64\n");

static void test_compat(void)
{
    struct {
        u32 offset;
        u16 sel;
    } __attribute__((packed)) far = {(u32)(u64)compat_entry, SEL_CODE32};
    u64 rax = ~0ULL;

    /* 32-bit code needs a stack segment, which interrupts have emptied. */
    __asm__ volatile("mov %w2, %%ss; lcall *%1" : "+a"(rax) : "m"(far), "r"(SEL_DATA) : "memory");
    check_is("compat.far-call", (u32)rax, 0x22222221);
}

/* --- Stacks of interrupts --- */

static u8 ist_stack[4096] __attribute__((aligned(16)));

static void do_int_10(void)
{
    __asm__ volatile("int $10");
}

static void do_int_14(void)
{
    __asm__ volatile("int $14");
}

static void do_ud(void)
{
    __asm__ volatile("ud2");
}

static void lose_stack(void)
{
    __asm__ volatile("mov %0, %%rsp; ud2" : : "r"(1ULL << 50));
}

static volatile u64 rsp_before;

static void misaligned_stack(void)
{
    __asm__ volatile("lea -3(%%rsp), %%rsp; mov %%rsp, %0; ud2" : "=m"(rsp_before));
}

static u64 frame_at;

static int note_frame(Frame *f)
{
    frame_at = (u64)f;
    return 0;
}

static void test_stacks(void)
{
    hook = note_frame;
    check_is("stack.aligned", try(misaligned_stack), EXC_UD);
    check_is("stack.rsp", last.rsp, rsp_before);
    check_is("stack.alignment", (frame_at + sizeof(Frame)) & 15, 0);
    tss.ist[0] = (u64)ist_stack + sizeof(ist_stack) - 8; /* aligned downwards */
    set_ist(EXC_UD, 1);
    check_is("ist.runs", try(do_ud), EXC_UD);
    check_is("ist.stack", frame_at + sizeof(Frame),
             ((u64)ist_stack + sizeof(ist_stack) - 8) & ~15ULL);
    set_ist(EXC_UD, 0);
    check("stack.user",
          try_user(do_ud, IF) == EXC_UD && last.ss == SEL_UDATA && last.cs == SEL_UCODE);
    /* The vectors are those of contributory exceptions, the event is an interrupt: no double fault. */
    check("int.10", try_user(do_int_10, IF) == EXC_GP && last.error == (10 << 3 | 2));
    check("int.14", try_user(do_int_14, IF) == EXC_GP && last.error == (14 << 3 | 2));
    /* #UD cannot be pushed: #SS under delivery of a benign one, then #SS itself cannot: #DF on its stack. */
    set_ist(EXC_DF, 1);
    check("double-fault.ist", try(lose_stack) == EXC_DF && last.error == 0);
    check_is("double-fault.rsp", last.rsp, 1ULL << 50);
    set_ist(EXC_DF, 0);
    hook = NULL;
}

/* --- Canonical addresses --- */

static void read_bad(void)
{
    (void)*(volatile u64 *)(1ULL << 47);
}

static void push_bad(void)
{
    u64 rsp;

    __asm__ volatile("mov %%rsp, %0; mov %1, %%rsp; push %%rax; mov %0, %%rsp"
                     : "=&r"(rsp)
                     : "r"(1ULL << 50));
}

static void rbp_bad(void)
{
    __asm__ volatile("push %%rbp; mov %0, %%rbp; mov (%%rbp), %%rax; pop %%rbp"
                     :
                     : "r"(1ULL << 50)
                     : "rax");
}

extern char bad_iret[], bad_iret_down[], bad_retf[], bad_sysret[];

/* Returns to 1 << 47: IRET to the same level and to level 3, RETF, SYSRET. */
static void iret_bad(void)
{
    __asm__ volatile(
        "mov %%rsp, %%rcx; mov %%ss, %%eax; push %%rax; push %%rcx; pushf; mov %%cs, %%eax;"
        "push %%rax; push %0\nbad_iret: iretq"
        :
        : "r"(1ULL << 47)
        : "rax", "rcx");
}

static void iret_down_bad(void)
{
    __asm__ volatile("push %1; push %%rsp; pushf; push %2; push %0\nbad_iret_down: iretq"
                     :
                     : "r"(1ULL << 47), "i"(SEL_UDATA), "i"(SEL_UCODE));
}

static void retf_bad(void)
{
    __asm__ volatile("mov %%cs, %%eax; push %%rax; push %0\nbad_retf: lretq"
                     :
                     : "r"(1ULL << 47)
                     : "rax");
}

static void sysret_bad(void)
{
    __asm__ volatile("mov %0, %%rcx; mov $2, %%r11\nbad_sysret: sysretq"
                     :
                     : "r"(1ULL << 47)
                     : "rcx", "r11");
}

/* The fault is the returning instruction's own: its address, its level, its stack. */
static int faults_at(void (*fn)(void), const char *insn)
{
    return try(fn) == EXC_GP && last.error == 0 && last.rip == (u64)insn && last.cs == SEL_CODE;
}

static void test_bad_returns(void)
{
    check("canonical.iret", faults_at(iret_bad, bad_iret));
    check("canonical.iret-down", faults_at(iret_down_bad, bad_iret_down));
    check("canonical.retf", faults_at(retf_bad, bad_retf));
    check("canonical.sysret", faults_at(sysret_bad, bad_sysret));
}

static void test_canonical(void)
{
    check("canonical.read", try(read_bad) == EXC_GP && last.error == 0);
    set_ist(EXC_SS, 1);
    set_ist(EXC_GP, 1);
    check_is("canonical.push", try(push_bad), EXC_SS);
    check_is("canonical.rbp", try(rbp_bad), EXC_SS);
    set_ist(EXC_SS, 0);
    set_ist(EXC_GP, 0);
    test_bad_returns();
}

/* --- Bases, alignment, MSRs --- */

static u64 words[4];

static u64 read_gs(void)
{
    u64 v;

    __asm__ volatile("mov %%gs:8, %0" : "=r"(v));
    return v;
}

static void test_bases(void)
{
    u64 base = 0;

    words[1] = 0x1122;
    words[3] = 0x3344;
    wrmsr(0xc0000101, (u64)words);
    wrmsr(0xc0000102, (u64)(words + 2));
    check_is("gs.base", read_gs(), 0x1122);
    __asm__ volatile("swapgs");
    check_is("gs.swapped", read_gs(), 0x3344);
    check_is("gs.kernel", rdmsr(0xc0000102), (u64)words);
    if (has_feature(7, 1, 0)) {
        write_cr4(read_cr4() | 1 << 16);
        __asm__ volatile("wrgsbase %0" : : "r"((u64)words));
        __asm__ volatile("rdgsbase %0" : "=r"(base));
        check("gs.instructions", base == (u64)words && read_gs() == 0x1122);
        write_cr4(read_cr4() & ~(1ULL << 16));
    }
}

static void misaligned(void)
{
    u32 v;

    __asm__ volatile("movl (%1), %0" : "=r"(v) : "r"((u8 *)words + 1));
}

static void misaligned_locked(void)
{
    __asm__ volatile("lock addl $1, (%0)" : : "r"((u8 *)words + 3) : "memory");
}

static void read_no_msr(void)
{
    rdmsr(0x12345678);
}

static void write_bad_lstar(void)
{
    wrmsr(0xc0000082, 1ULL << 60);
}

static void test_rest(void)
{
    check_is("align.off", try_user(misaligned, IF | AC), -1);
    write_cr0(read_cr0() | 1 << 18);
    check("align.check", try_user(misaligned, IF | AC) == EXC_AC && last.error == 0);
    check_is("align.flag", try_user(misaligned, IF), -1);
    check_is("align.kernel", try(misaligned), -1);
    check_is("align.locked", try(misaligned_locked), -1);
    write_cr0(read_cr0() & ~(1ULL << 18));
    check("msr.absent", try(read_no_msr) == EXC_GP && last.error == 0);
    check_is("msr.canonical", try(write_bad_lstar), EXC_GP);
}

void test_modes(void)
{
    test_syscall();
    test_compat();
    test_stacks();
    test_canonical();
    test_bases();
    test_rest();
}
