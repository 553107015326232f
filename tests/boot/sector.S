/* SPDX-License-Identifier: MIT */
/*
 * A boot sector that says on the first serial port where it was started from, reads the sector behind
 * itself with the BIOS and prints the text in it.  Its status for isa-debug-exit: 8 all is well, 9 a BIOS
 * error.  READ=0 leaves out the reading: the text is in memory behind the sector already.
 */
    .code16
    .globl _start
_start:
    ljmp $0, $1f
1:  cld
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $0x7c00, %sp
    movb %dl, %bl
    movw $hello, %si
    call puts
    movb %bl, %al               /* the drive's number in hexadecimal digits */
    shrb $4, %al
    call digit
    movb %bl, %al
    andb $15, %al
    call digit
    movw $newline, %si
    call puts
    movb %bl, %dl
.if READ
    movw $5, %di                /* a floppy may need its motor: some attempts */
again:
    movw $0x0201, %ax
    movw $0x7e00, %bx
    movw $2, %cx
    movb $0, %dh
    int $0x13
    jnc read
    decw %di
    jnz again
    movw $failed, %si
    call puts
    movb $9, %al
    jmp leave
read:
.endif
    movw $0x7e00, %si
    call puts
    movb $8, %al
leave:
    movw $0x501, %dx
    outb %al, %dx
1:  hlt
    jmp 1b

digit:
    addb $'0', %al
    cmpb $'9', %al
    jbe putc
    addb $('a' - '0' - 10), %al
putc:
    movw $0x3f8, %dx
    outb %al, %dx
    ret
puts:
    lodsb
    testb %al, %al
    jz 1f
    movw $0x3f8, %dx
    outb %al, %dx
    jmp puts
1:  ret

hello:   .asciz "boot sector on "
newline: .asciz "\r\n"
failed:  .asciz "the BIOS cannot read\r\n"
    .org 446
    .byte 0x80, 1, 1, 0, 6, 15, 63, 0 /* one partition, for BIOSes that look for one */
    .long 63, 945
    .org 510
    .word 0xaa55
