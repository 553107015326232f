/* SPDX-License-Identifier: MIT */
/* Task switches by CALL, by task gates, and the double fault on a task of its own. */
#include "p-guest.h"

static u8 task_stack[4096];
static volatile u32 task_runs, task_flags, task_ts;

/* The other task: notes what it sees and goes back, again and again. */
extern char task_entry[];
__asm__(".text\ntask_entry:\n"
        "    call task_body\n"
        "    iret\n"
        "    jmp task_entry\n");
void task_body(void);

void task_body(void)
{
    task_runs++;
    task_flags = read_flags();
    task_ts = read_cr0() & 8;
}

static void make_task(void)
{
    memset(&tss2, 0, __builtin_offsetof(Tss, bitmap));
    tss2.eip = (u32)task_entry;
    tss2.eflags = 2;
    tss2.esp = (u32)task_stack + sizeof(task_stack);
    tss2.cs = SEL_CODE;
    tss2.ss = tss2.ds = tss2.es = SEL_DATA;
    set_segment(SEL_TSS2, (u32)&tss2, 103, 0x89);
}

static void call_task(void)
{
    __asm__ volatile("lcall %0, $0" : : "i"(SEL_TSS2) : "memory");
}

static void int_task(void)
{
    __asm__ volatile("int $0x42");
}

static void double_fault(void)
{
    __asm__ volatile("mov %w0, %%ds" : : "r"(0xff8));
}

static void test_call(void)
{
    make_task();
    check_is("task.call", try(call_task), -1);
    check_is("task.ran", task_runs, 1);
    check_is("task.nested", task_flags & NT, NT);
    check_is("task.ts", task_ts, 8);
    check_is("task.back-link", tss2.back & 0xffff, SEL_TSS);
    check_is("task.not-busy", gdt[SEL_TSS2 / 8] >> 40 & 0x1f, 9);
    check_is("task.still-busy", gdt[SEL_TSS / 8] >> 40 & 0x1f, 11);
    check_is("task.flags", read_flags() & NT, 0);
    check_is("task.again", try(call_task), -1);
    check_is("task.ran-again", task_runs, 2);
    set_segment(SEL_TSS2, (u32)&tss2, 103, 0x8b);
    check("task.busy", try(call_task) == EXC_GP && last.error == SEL_TSS2);
    set_segment(SEL_TSS2, (u32)&tss2, 102, 0x89);
    check("task.short", try(call_task) == EXC_TS && last.error == SEL_TSS2);
}

static void test_gate(void)
{
    u64 saved_gp = idt[EXC_GP], saved_df = idt[EXC_DF];

    make_task();
    set_task_gate(0x42, SEL_TSS2);
    task_runs = 0;
    check_is("task.gate", try(int_task), -1);
    check_is("task.gate-ran", task_runs, 1);
    /* #GP has no gate: the double fault goes to the task, which mends that and returns; the instruction
     * faults again, and this time it arrives. */
    make_task();
    extern char df_entry[];
    tss2.eip = (u32)df_entry;
    set_task_gate(EXC_DF, SEL_TSS2);
    idt[EXC_GP] = 0;
    task_runs = 0;
    check_is("task.double-fault", try(double_fault), EXC_GP);
    check_is("task.double-fault-ran", task_runs, 1);
    idt[EXC_GP] = saved_gp;
    idt[EXC_DF] = saved_df;
}

void mend(void);
extern char stubs[];
void mend(void)
{
    task_runs++;
    set_gate(EXC_GP, SEL_CODE, stubs + 16 * EXC_GP, 14, 0);
}

__asm__(".text\ndf_entry:\n"
        "    call mend\n"
        "    add $4, %esp\n" /* the error code */
        "    iret\n");

void test_tasks(void)
{
    test_call();
    test_gate();
    __asm__ volatile("clts");
}
