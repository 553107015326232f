/* SPDX-License-Identifier: MIT */
/*
 * A boot sector that reads the first 64 sectors of its drive through the BIOS, one by one, again and again,
 * and compares the sum of each round with the first one's: '=' or '!' on the serial port.
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
    movb %dl, drive
    movw $hello, %si
    call puts
    call round
    movw %bp, sum
forever:
    call round
    movb $'=', %al
    cmpw sum, %bp
    je 1f
    movb $'!', %al
1:  call putc
    jmp forever

/* %bp: the sum of all bytes, each shifted by its place */
round:
    xorw %bp, %bp
    movw $0, block
1:  movb drive, %dl
    testb $0x80, %dl
    jz floppy
    movw $packet, %si           /* a disk: by block number */
    movb $0x42, %ah
    int $0x13
    jmp 2f
floppy:
    movw block, %ax             /* 18 sectors, 2 heads */
    movb $18, %cl
    divb %cl
    movb %ah, %cl
    incb %cl
    movb %al, %dh
    andb $1, %dh
    movb %al, %ch
    shrb $1, %ch
    movw $0x0201, %ax
    movw $0x8000, %bx
    int $0x13
2:  jc error
    movw $0x8000, %si
    movw $512, %cx
3:  lodsb
    rolw $1, %bp
    xorb %ah, %ah
    addw %ax, %bp
    loop 3b
    incw block
    cmpw $64, block
    jb 1b
    ret

error:
    movb $'!', %al
    call putc
1:  hlt
    jmp 1b
putc:
    movw $0x3f8, %dx
    outb %al, %dx
    ret
puts:
    lodsb
    testb %al, %al
    jz 1f
    call putc
    jmp puts
1:  ret

hello:  .asciz "reading\r\n"
drive:  .byte 0
sum:    .word 0
    .balign 4
packet: .byte 16, 0
    .word 1, 0x8000, 0
block:  .long 0, 0
    .org 446
    .byte 0x80, 1, 1, 0, 6, 15, 63, 0
    .long 63, 945
    .org 510
    .word 0xaa55
