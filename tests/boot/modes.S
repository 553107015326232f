/* SPDX-License-Identifier: MIT */
/*
 * A boot sector that has the VGA BIOS set MODE, loads the palette with a pattern, fills BYTES of memory at SEGMENT
 * in each of PLANES planes with another, and says so on the first serial port.
 */
    .code16
    .globl _start
_start:
    ljmp $0, $1f
1:  cld
    movw $0x7000, %sp
    movw $MODE, %ax
    int $0x10
    movw $0x3c8, %dx            /* colour n: n / 4, n % 64, 63 - n / 4 */
    xorw %bx, %bx
    movb %bl, %al
    outb %al, %dx
    incw %dx
colour:
    movb %bl, %al
    shrb $2, %al
    outb %al, %dx
    movb %bl, %al
    andb $63, %al
    outb %al, %dx
    movb %bl, %al
    notb %al
    shrb $2, %al
    outb %al, %dx
    incb %bl
    jnz colour
    movw $SEGMENT, %ax
    movw %ax, %es
plane:
.if PLANES > 1
    movw $0x3c4, %dx            /* map mask */
    movb %bl, %cl
    movw $0x0102, %ax
    shlb %cl, %ah
    outw %ax, %dx
.endif
    xorw %di, %di
fill:
    movw %di, %ax
    xorb %ah, %al
    xorb %bh, %al
    stosb
    cmpw $BYTES, %di
    jne fill
    addb $0x55, %bh
    incb %bl
    cmpb $PLANES, %bl
    jne plane
    movw $0x3f8, %dx
    movb $'!', %al
    outb %al, %dx
    cli
1:  hlt
    jmp 1b
    .org 510
    .word 0xaa55
