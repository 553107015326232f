/* SPDX-License-Identifier: MIT */
/*
 * Entry, secondary harts, and the M-mode trap vector of the bare-metal guest.
 * On entry, as boot code of this board does it: a0 = hart id, a1 = device tree.
 */
#define STACK_SHIFT 13                  /* 8 KiB for each hart */
#define MAX_HARTS   16

    .section .text.start, "ax"
    .globl _start
_start:
    .option push
    .option norelax
    la      gp, __global_pointer$
    .option pop
    csrw    mie, zero
    la      t0, trap_vector
    csrw    mtvec, t0
    li      t0, MAX_HARTS
    bgeu    a0, t0, park
    la      sp, stacks
    addi    t0, a0, 1
    slli    t0, t0, STACK_SHIFT
    add     sp, sp, t0

    /* The first hart here takes the machine; the others wait until it has cleared .bss. */
    la      t0, boot_lottery
    li      t1, 1
    amoadd.w t1, t1, (t0)
    bnez    t1, secondary
    la      t0, bss_start
    la      t1, bss_end
1:  bgeu    t0, t1, 2f
    sd      zero, (t0)
    addi    t0, t0, 8
    j       1b
2:  la      t0, boot_ready
    li      t1, 1
    fence   rw, w
    sw      t1, (t0)
    call    guest_main
park:
    wfi
    j       park

secondary:
    la      t0, boot_ready
1:  lw      t1, (t0)
    beqz    t1, 1b
    fence   r, rw
    call    guest_secondary
    j       park

    /* Saves what the C handler may clobber; it returns the address to go on from. */
    .balign 4
    .globl trap_vector
trap_vector:
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
    csrr    a0, mcause
    csrr    a1, mepc
    csrr    a2, mtval
    call    trap_handle
    csrw    mepc, a0
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
    mret

    /*
     * uint64_t run_lower(uint64_t pc, uint64_t mpp): jumps to pc in mode mpp and comes back by the
     * first exception, which trap_handle sends to run_lower_back in M-mode.
     */
    .globl run_lower, run_lower_back
run_lower:
    addi    sp, sp, -16
    sd      ra, 0(sp)
    li      t0, 3 << 11
    csrc    mstatus, t0
    slli    a1, a1, 11
    csrs    mstatus, a1
    csrw    mepc, a0
    mret
run_lower_back:
    ld      ra, 0(sp)
    addi    sp, sp, 16
    ret

    .data
    .balign 4
boot_lottery:
    .word   0
boot_ready:
    .word   0

    .bss
    .balign 16
stacks:
    .zero   MAX_HARTS << STACK_SHIFT
