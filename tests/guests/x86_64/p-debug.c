/* SPDX-License-Identifier: MIT */
/* Single step and breakpoints. */
#include "p-guest.h"

enum { MAX_STEPS = 32 };

static u32 steps[MAX_STEPS];
static volatile u32 nsteps, dr6_seen;

static int note_step(Frame *f)
{
    if (f->vector != EXC_DB) {
        return 0;
    }
    dr6_seen = read_dr6();
    write_dr6(0);
    if (nsteps < MAX_STEPS) {
        steps[nsteps++] = f->eip;
    }
    return 1;
}

extern char step_a[], step_b[], step_c[], step_d[], step_loop[], step_e[], step_f[];

static void stepped(void)
{
    u32 ds;

    __asm__ volatile("mov %%ds, %0" : "=r"(ds));
    __asm__ volatile("pushf; orl $0x100, (%%esp); popf\n"
                     "step_a: mov $2, %%ecx\n" /* TF counts from the next instruction on */
                     "step_b: jmp step_c; nop\n"
                     "step_c: mov %w0, %%ss\n" /* no trap behind this one */
                     "    nop\n"
                     "step_d:\n"
                     "step_loop: loop step_loop\n"
                     "step_e: pushf; andl $~0x100, (%%esp); popf\n"
                     "step_f: nop"
                     :
                     : "r"(ds)
                     : "ecx", "memory");
}

static void test_step(void)
{
    hook = note_step;
    nsteps = 0;
    check_is("step.runs", try(stepped), -1);
    hook = NULL;
    check_is("step.first", steps[0], (u32)step_b);
    check_is("step.jump", steps[1], (u32)step_c);
    check_is("step.stack-shadow", steps[2], (u32)step_d);
    check_is("step.loop", steps[3], (u32)step_loop);
    check_is("step.loop-end", steps[4], (u32)step_e);
    check_is("step.last", steps[nsteps - 1], (u32)step_f);
    check_is("step.count", nsteps, 8);
    check_is("step.dr6", dr6_seen & 0xf00f, 0x4000);
}

static u8 from[8], to[8];

static void stepped_string(void)
{
    __asm__ volatile("pushf; orl $0x100, (%%esp); popf\n"
                     "rep movsb\n"
                     "pushf; andl $~0x100, (%%esp); popf"
                     :
                     : "S"(from), "D"(to), "c"(5)
                     : "memory");
}

static void test_step_string(void)
{
    hook = note_step;
    nsteps = 0;
    check_is("step.string", try(stepped_string), -1);
    hook = NULL;
    check_is("step.iterations", nsteps, 5 + 3);
}

/* --- Breakpoints --- */

extern char bp_here[];
static volatile u32 watched, bp_resume;

static int note_break(Frame *f)
{
    if (f->vector != EXC_DB) {
        return 0;
    }
    nsteps++;
    dr6_seen = read_dr6();
    write_dr6(0);
    bp_resume = f->eip;
    f->eflags |= RF;
    return 1;
}

static void run_break(void)
{
    __asm__ volatile("nop; bp_here: nop; nop");
}

static void write_watched(void)
{
    watched = 1;
    watched += 2;
}

static void test_breakpoints(void)
{
    hook = note_break;
    nsteps = 0;
    write_dr0((u32)bp_here);
    write_dr7(0x402);
    check_is("breakpoint.code", try(run_break), -1);
    check_is("breakpoint.once", nsteps, 1);
    check_is("breakpoint.eip", bp_resume, (u32)bp_here);
    check_is("breakpoint.dr6", dr6_seen & 0xf00f, 1);
    nsteps = 0;
    write_dr0(0);
    write_dr1((u32)&watched);
    write_dr7(0x00d00408); /* writes of 4 bytes */
    check_is("breakpoint.data", try(write_watched), -1);
    check_is("breakpoint.data-count", nsteps, 2);
    check_is("breakpoint.data-dr6", dr6_seen & 0xf00f, 2);
    check_is("breakpoint.data-value", watched, 3);
    write_dr7(0x2400); /* general detect */
    nsteps = 0;
    write_dr1(0);
    check("breakpoint.guard", nsteps == 1 && dr6_seen & 0x2000);
    check_is("breakpoint.guard-off", read_dr7(), 0x400);
    hook = NULL;
}

void test_debug(void)
{
    test_step();
    test_step_string();
    test_breakpoints();
}
