/* SPDX-License-Identifier: MIT */
/*
 * A boot sector that fills the text screen but its last row with characters in all colours, and prints there the
 * BIOS's code (scan code, character) of each key that is pressed, and at the first serial port too.  F9 goes to a graphic mode, F10 ends the machine.
 */
    .code16
    .globl _start
_start:
    ljmp $0, $1f
1:  cld
    xorw %ax, %ax
    movw %ax, %ds
    movw $0x7000, %sp
    movw $0x0003, %ax
    int $0x10
    movw $0x1003, %ax           /* bit 7 of an attribute is a bright background */
    xorw %bx, %bx
    int $0x10
    movw $0xb800, %ax
    movw %ax, %es
    xorw %di, %di
    xorw %cx, %cx
fill:                           /* cell n: character n, attribute n / 7 */
    movw %cx, %ax
    xorw %dx, %dx
    movw $7, %bx
    divw %bx
    movb %al, %ah
    movb %cl, %al
    stosw
    incw %cx
    cmpw $24 * 80, %cx
    jne fill
    xorw %bx, %bx
    movw $0x1800, %dx
    movb $2, %ah                /* the cursor goes to the last row */
    int $0x10
key:
    movb $0x10, %ah
    int $0x16
    cmpb $0x43, %ah
    je graphic
    cmpb $0x44, %ah
    je end
    movw %ax, %dx
    movw $4, %cx
digit:
    rolw $4, %dx
    movb %dl, %al
    andb $15, %al
    addb $'0', %al
    cmpb $'9', %al
    jbe 1f
    addb $'a' - '0' - 10, %al
1:  movb $0x0e, %ah
    movw $7, %bx
    int $0x10
    pushw %dx
    movw $0x3f8, %dx
    outb %al, %dx
    popw %dx
    loop digit
    jmp key
graphic:
    movw $0x0012, %ax
    int $0x10
    jmp key
end:
    movw $0x501, %dx            /* isa-debug-exit */
    movb $4, %al
    outb %al, %dx
1:  hlt
    jmp 1b
    .org 510
    .word 0xaa55
