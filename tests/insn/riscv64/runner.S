/* SPDX-License-Identifier: MIT */
/*
 * Runs instruction sequences from a table in M-mode and prints what they left behind (guest.py makes
 * the table and reads the output).  Loaded as firmware of the virt board.
 *
 * A record holds the address of its code, x1..x31, f0..f31, fcsr and the seed of the data area.  A
 * sequence ends with its first trap (ebreak at its end).  One line of output for each: a checksum of
 * registers, trap and data area, or in the long mode every value.
 */
#define TABLE    0x80010000
#define DATA     0x80200000
#define DATA_LEN 0x2000
#define UART     0x10000000
#define EXIT     0x00100000

#define REC_SIZE   (66 * 8)
#define SAVED      68       /* x1..x31, f0..f31, fcsr, mcause, mtval, mepc, data checksum */

    .option norvc
    .macro each_x op base
    .irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    \op x\n, 8 * \n(\base)
    .endr
    .endm
    .macro each_f op base
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    \op f\n, 8 * (32 + \n)(\base)
    .endr
    .endm

    .globl _start
_start:
    csrr a0, mhartid
park:
    bnez a0, park
    la t0, trap
    csrw mtvec, t0
    la t0, saved
    csrw mscratch, t0
    li s0, TABLE
    ld s1, 0(s0)                /* count */
    sd s1, left, t0
    addi s0, s0, 16
    sd s0, record, t0

next:
    li t0, 0x6000               /* FS: a sequence may have turned it off */
    csrs mstatus, t0
    ld s1, left
    beqz s1, finish
    ld s0, record
    li a0, DATA
    li a1, DATA + DATA_LEN
    ld t0, 65 * 8(s0)
    li t2, 0x5851f42d4c957f2d
fill:
    mul t0, t0, t2
    addi t0, t0, 1405
    srli t1, t0, 17
    sd t1, 0(a0)
    addi a0, a0, 8
    bltu a0, a1, fill
    la a0, dummy                /* no reservation */
    sc.d zero, zero, (a0)
    ld t0, 64 * 8(s0)
    fscsr t0
    ld t0, 0(s0)
    csrw mepc, t0
    csrw mie, zero
    csrci mip, 2
    li t0, 0x1888               /* MPP, MPIE, MIE */
    csrc mstatus, t0
    li t0, 0x1800               /* stay in M, interrupts off */
    csrs mstatus, t0
    each_f fld s0
    mv x31, s0
    each_x ld x31
    ld x31, 31 * 8(x31)
    mret

    .balign 4
trap:
    csrrw x31, mscratch, x31
    each_x sd x31
    li x1, 0x6000
    csrs mstatus, x1
    csrr x1, mscratch
    sd x1, 31 * 8(x31)
    each_f fsd x31
    csrw mscratch, x31
    mv s0, x31
    frcsr t0
    sd t0, 64 * 8(s0)
    csrr t0, mcause
    sd t0, 65 * 8(s0)
    addi t0, t0, -3             /* an ebreak's trap value may be 0 or its address */
    beqz t0, 1f
    csrr t0, mtval
1:  sd t0, 66 * 8(s0)
    csrr t0, mepc
    sd t0, 67 * 8(s0)

    li a0, DATA
    li a1, DATA + DATA_LEN
    call checksum
    sd a2, 68 * 8(s0)
    li t0, TABLE
    ld t0, 8(t0)
    bnez t0, long
    addi a0, s0, 8
    addi a1, s0, (SAVED + 1) * 8
    call checksum
    mv a0, a2
    call print
    j done
long:
    addi s1, s0, 8
    addi s2, s0, (SAVED + 1) * 8
1:  ld a0, 0(s1)
    call print
    addi s1, s1, 8
    bltu s1, s2, 1b
done:
    ld s1, left
    addi s1, s1, -1
    sd s1, left, t0
    ld s0, record
    addi s0, s0, REC_SIZE
    sd s0, record, t0
    j next

finish:
    li t0, EXIT
    li t1, 0x5555
    sw t1, 0(t0)
    j finish

/* a2 := checksum of [a0, a1) */
checksum:
    li a2, 1
    li a3, 0x9e3779b97f4a7c15
1:  ld a4, 0(a0)
    xor a2, a2, a4
    mul a2, a2, a3
    srli a4, a2, 29
    xor a2, a2, a4
    addi a0, a0, 8
    bltu a0, a1, 1b
    ret

/* Prints a0 as 16 digits and a newline. */
print:
    li a1, UART
    li a2, 60
1:  srl a3, a0, a2
    andi a3, a3, 15
    addi a4, a3, '0'
    li a5, 10
    blt a3, a5, 2f
    addi a4, a3, 'a' - 10
2:  lbu a5, 5(a1)
    andi a5, a5, 0x20
    beqz a5, 2b
    sb a4, 0(a1)
    addi a2, a2, -4
    bgez a2, 1b
    li a4, '\n'
    sb a4, 0(a1)
    ret

    .balign 8
left:   .dword 0
record: .dword 0
dummy:  .dword 0
saved:  .space (SAVED + 1) * 8
