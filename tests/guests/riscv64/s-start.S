/* SPDX-License-Identifier: MIT */
/*
 * Entry and traps of the S-mode guest.  Firmware enters at the start with a0 = hart id, a1 = device
 * tree; further harts are started at s_hart_entry with a stack in a1.
 *
 * sscratch is 0 in the kernel and points to the running Context in user mode.
 */
    .section .text.start, "ax"
    .globl _start
_start:
    .option push
    .option norelax
    la      gp, __global_pointer$
    .option pop
    csrw    sie, zero
    csrw    sscratch, zero
    la      t0, s_trap_vector
    csrw    stvec, t0
    la      sp, s_stack_end
    la      t0, bss_start
    la      t1, bss_end
1:  bgeu    t0, t1, 2f
    sd      zero, (t0)
    addi    t0, t0, 8
    j       1b
2:  call    guest_main
3:  wfi
    j       3b

    .text
    .globl s_hart_entry
s_hart_entry:
    .option push
    .option norelax
    la      gp, __global_pointer$
    .option pop
    csrw    sscratch, zero
    mv      sp, a1
    call    s_hart_main
1:  wfi
    j       1b

    /* Registers x1..x31 at (n - 1) * 8 of a Context, then its pc and the kernel's stack pointer. */
    .equ    CTX_A0, 9 * 8
    .equ    CTX_PC, 31 * 8
    .equ    CTX_KERNEL_SP, 32 * 8

    /* void enter_user(Context *): runs until the next trap, which scause and stval describe. */
    .globl enter_user
enter_user:
    addi    sp, sp, -112
    sd      ra, 0(sp)
    .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11
    sd      s\n, 8 + \n * 8(sp)
    .endr
    sd      sp, CTX_KERNEL_SP(a0)
    ld      t0, CTX_PC(a0)
    csrw    sepc, t0
    csrw    sscratch, a0
    .irp    n, 1,2,3,4,5,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld      x\n, (\n - 1) * 8(a0)
    .endr
    ld      a0, CTX_A0(a0)
    sret

    .balign 4
    .globl s_trap_vector
s_trap_vector:
    csrrw   a0, sscratch, a0
    bnez    a0, from_user
    csrrw   a0, sscratch, a0
    addi    sp, sp, -128
    sd      ra, 0(sp)
    sd      t0, 8(sp)
    sd      t1, 16(sp)
    sd      t2, 24(sp)
    sd      a0, 32(sp)
    sd      a1, 40(sp)
    sd      a2, 48(sp)
    sd      a3, 56(sp)
    sd      a4, 64(sp)
    sd      a5, 72(sp)
    sd      a6, 80(sp)
    sd      a7, 88(sp)
    sd      t3, 96(sp)
    sd      t4, 104(sp)
    sd      t5, 112(sp)
    sd      t6, 120(sp)
    csrr    a0, scause
    csrr    a1, sepc
    csrr    a2, stval
    call    s_trap_handle
    csrw    sepc, a0
    ld      ra, 0(sp)
    ld      t0, 8(sp)
    ld      t1, 16(sp)
    ld      t2, 24(sp)
    ld      a0, 32(sp)
    ld      a1, 40(sp)
    ld      a2, 48(sp)
    ld      a3, 56(sp)
    ld      a4, 64(sp)
    ld      a5, 72(sp)
    ld      a6, 80(sp)
    ld      a7, 88(sp)
    ld      t3, 96(sp)
    ld      t4, 104(sp)
    ld      t5, 112(sp)
    ld      t6, 120(sp)
    addi    sp, sp, 128
    sret

from_user:
    .irp    n, 1,2,3,4,5,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd      x\n, (\n - 1) * 8(a0)
    .endr
    csrrw   t0, sscratch, zero
    sd      t0, CTX_A0(a0)
    csrr    t0, sepc
    sd      t0, CTX_PC(a0)
    .option push
    .option norelax
    la      gp, __global_pointer$
    .option pop
    ld      sp, CTX_KERNEL_SP(a0)
    ld      ra, 0(sp)
    .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11
    ld      s\n, 8 + \n * 8(sp)
    .endr
    addi    sp, sp, 112
    ret

    /*
     * The user program, copied to a page of its own.  a0 = its number, a1 = rounds.  It counts in
     * its data page, keeps patterns in registers across preemption, touches a0 * 8 fresh pages, and
     * leaves by ecall with a0 = 0, or another value when a register changed.
     */
    .globl user_program, user_program_end
    .balign 8
user_program:
    li      s0, 0x40001000          /* data */
    li      s1, 0x5a5a
    slli    s2, a0, 32
    mv      s3, s2
    fence
1:  ld      t0, 0(s0)
    addi    t0, t0, 1
    sd      t0, 0(s0)
    bne     s2, s3, 8f
    addi    a1, a1, -1
    bnez    a1, 1b
    li      t1, 0x5a5a
    bne     s1, t1, 8f
    li      s4, 0x40100000          /* demand-paged */
    slli    t2, a0, 3
    li      t3, 4096
2:  ld      t0, 0(s4)
    bnez    t0, 8f
    sd      t2, 0(s4)
    add     s4, s4, t3
    addi    t2, t2, -1
    bnez    t2, 2b
    li      a0, 0
    ecall
8:  li      a0, 1
    ecall
user_program_end:

    .bss
    .balign 16
    .zero   16384
s_stack_end:
