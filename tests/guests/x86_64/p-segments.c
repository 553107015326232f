/* SPDX-License-Identifier: MIT */
/* Segment loads, limits, 16-bit code. */
#include "p-guest.h"

static u32 sel_to_load;
static u8 buffer[256];

static void load_es(void)
{
    __asm__ volatile("mov %w0, %%es" : : "r"(sel_to_load));
}

static void load_ss(void)
{
    __asm__ volatile("mov %w0, %%ss" : : "r"(sel_to_load));
}

static void read_null(void)
{
    __asm__ volatile("mov %w0, %%es; movb %%es:0, %%al" : : "r"(3) : "eax");
}

static void expect(const char *name, void (*fn)(void), u32 sel, int vector, u32 error)
{
    sel_to_load = sel;
    check(name, try(fn) == vector && last.error == error);
}

static void test_loads(void)
{
    expect("segment.beyond", load_es, 0xff8, EXC_GP, 0xff8);
    expect("segment.ldt", load_es, 0x14, EXC_GP, 0x14);
    expect("segment.system", load_es, SEL_TSS, EXC_GP, SEL_TSS);
    set_segment(SEL_TEST, 0, 0xffff, 0x4012);
    expect("segment.absent", load_es, SEL_TEST, EXC_NP, SEL_TEST);
    expect("segment.absent-stack", load_ss, SEL_TEST, EXC_SS, SEL_TEST);
    expect("segment.stack-code", load_ss, SEL_CODE, EXC_GP, SEL_CODE);
    expect("segment.stack-null", load_ss, 0, EXC_GP, 0);
    set_segment(SEL_TEST, 0, 0xffff, 0x4098);
    expect("segment.execute-only", load_es, SEL_TEST, EXC_GP, SEL_TEST);
    expect("segment.null", read_null, 0, EXC_GP, 0);
    set_segment(SEL_TEST, 0, 0xffff, 0x4092);
    sel_to_load = SEL_TEST;
    check_is("segment.loads", try(load_es), -1);
    check_is("segment.accessed", gdt[SEL_TEST / 8] >> 40 & 1, 1);
}

static u32 at;

static void write_at(void)
{
    __asm__ volatile("mov %w0, %%es; movl $1, %%es:(%1)" : : "r"(SEL_TEST), "r"(at) : "memory");
}

static void test_limits(void)
{
    set_segment(SEL_TEST, (u32)buffer, 63, 0x4092);
    at = 60;
    check_is("limit.last", try(write_at), -1);
    check_is("limit.based", buffer[60], 1);
    at = 61;
    check_is("limit.over", try(write_at), EXC_GP);
    at = -2;
    check_is("limit.wrapping", try(write_at), EXC_GP);
    set_segment(SEL_TEST, (u32)buffer, 63, 0x4096); /* expand down */
    at = 64;
    check_is("limit.down-first", try(write_at), -1);
    at = 63;
    check_is("limit.down-under", try(write_at), EXC_GP);
    set_segment(SEL_TEST, (u32)buffer, 63, 0x4090); /* read only */
    at = 0;
    check_is("limit.read-only", try(write_at), EXC_GP);
}

static void test_queries(void)
{
    u32 v = 0, ok;

    set_segment(SEL_TEST, 0x1234, 0x4321, 0x4092);
    __asm__ volatile("lsl %2, %0; setz %b1" : "+r"(v), "=q"(ok) : "r"(SEL_TEST));
    check("query.lsl", v == 0x4321 && (ok & 1));
    __asm__ volatile("lar %2, %0; setz %b1" : "+r"(v), "=q"(ok) : "r"(SEL_TEST));
    check("query.lar", v == 0x409200 && (ok & 1));
    __asm__ volatile("verw %w1; setz %b0" : "=q"(ok) : "r"(SEL_TEST));
    check("query.verw", ok & 1);
    __asm__ volatile("verr %w1; setz %b0" : "=q"(ok) : "r"(0xff8));
    check("query.verr-beyond", !(ok & 1));
}

/* A 16-bit code segment: called far, with 16-bit operands, where IP wraps. */
extern char code16[];
__asm__(".text\n.code16\ncode16:\n"
        "    mov $0x1234, %ax\n"
        "    push %ax\n"
        "    pop %bx\n"
        "    mov %bx, %cx\n"
        "    data32 lret\n"
        ".code32\n");

static void test_code16(void)
{
    u32 ecx = 0xffffffff;

    set_segment(SEL_CODE16, (u32)code16, 0xffff, 0x9a);
    __asm__ volatile("lcall %1, $0" : "+c"(ecx) : "i"(SEL_CODE16) : "eax", "ebx", "memory");
    check_is("code16.call", ecx, 0xffff1234);
}

/*
 * Code that leaves its segment: near transfers fault where they stand, before they change anything; what lies
 * behind the limit faults when its turn comes.  The function at EIP 0 does what AL says.
 */
extern char limited[], limited_jump[], limited_call[], limited_loop[], limited_ret[], limited_cut[],
    limited_end[];
__asm__(".text\nlimited:\n"
        "    dec %al\n"
        "    jz limited_jump\n"
        "    dec %al\n"
        "    jz limited_call\n"
        "    dec %al\n"
        "    jz limited_ret\n"
        "    dec %al\n"
        "    jz limited_on\n"
        "    mov $7, %ecx\n"
        "limited_loop: loop limited_end\n"
        "    lret\n"
        "limited_jump: jmp limited_end\n"
        "limited_call: call limited_end\n"
        "    push $0x12345\n"
        "limited_ret: ret\n"
        "limited_on: nop\n nop\n inc %edx\n"
        "limited_cut: inc %edx\n nop\n"
        "limited_end: lret\n");

static u32 what;

static void call_limited(void)
{
    __asm__ volatile("lcall %1, $0" : : "a"(what), "i"(SEL_TEST), "d"(0) : "ecx", "memory");
}

static void leave_segment(u32 n, const char *at, const char *name)
{
    what = n;
    check_is(name, try(call_limited), EXC_GP);
    check_is(name, last.eip, at - limited);
    check_is(name, last.error, 0);
}

static void test_code_limit(void)
{
    u32 esp;

    set_segment(SEL_TEST, (u32)limited, limited_cut - limited - 1, 0x409a);
    leave_segment(1, limited_jump, "code-limit.jmp");
    esp = last.handler_esp;
    leave_segment(2, limited_call, "code-limit.call");
    check_is("code-limit.call-esp", last.handler_esp, esp);
    leave_segment(5, limited_loop, "code-limit.loop");
    check_is("code-limit.loop-ecx", last.ecx, 7);
    leave_segment(4, limited_cut, "code-limit.on");
    check_is("code-limit.on-edx", last.edx, 1);
    set_segment(SEL_TEST, (u32)limited, limited_cut - limited, 0x409a);
    what = 4;
    check_is("code-limit.inside", try(call_limited), EXC_GP);
    check_is("code-limit.one-more", last.edx, 2);
}

void test_segments(void)
{
    test_code_limit();
    test_loads();
    test_limits();
    test_queries();
    test_code16();
}
