/* SPDX-License-Identifier: MIT */
/* From the reset vector into 32-bit protected mode; exception stubs; try(). */

    .code16
    .section .text16, "ax"
start16:
    cli
    cld
    data32 lgdt %cs:gdt_pointer - start16
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    data32 ljmp $0x08, $start32

    .balign 8
gdt_pointer:
    .word 3 * 8 - 1
    .long gdt_rom

    .text
    .code32
start32:
    mov $0x10, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    xor %ax, %ax
    mov %ax, %fs
    mov %ax, %gs
    mov $stack_top, %esp
    mov $data_load, %esi
    mov $data_start, %edi
    mov $data_end, %ecx
    sub %edi, %ecx
    rep movsb
    mov $bss_start, %edi
    mov $bss_end, %ecx
    sub %edi, %ecx
    xor %eax, %eax
    rep stosb
    lgdt gdt_pointer_ram
    call main

    .section .reset, "ax"
    .code16
    ljmp $0xf000, $0 /* start16 comes first in the image */

    .section .rodata
    .balign 8
gdt_rom:
    .quad 0
    .quad 0x00cf9a000000ffff
    .quad 0x00cf92000000ffff

    .data
    .balign 8
    .global gdt
gdt:
    .quad 0
    .quad 0x00cf9a000000ffff /* code, 32 bits, level 0 */
    .quad 0x00cf92000000ffff /* data */
    .quad 0x00cffa000000ffff /* level 3 */
    .quad 0x00cff2000000ffff
    .fill 11, 8, 0
gdt_end:
gdt_pointer_ram:
    .word gdt_end - gdt - 1
    .long gdt

    .bss
    .balign 16
    .fill 16384
stack_top:
recover_esp:
    .long 0

    .text
    .code32

/* int try(void (*fn)(void)) */
    .global try
try:
    push %ebx
    push %esi
    push %edi
    push %ebp
    push recover_esp
    mov %esp, recover_esp
    call *24(%esp)
    mov $-1, %eax
recovered:
    pop recover_esp
    pop %ebp
    pop %edi
    pop %esi
    pop %ebx
    ret

/* Back in try() with vector eax. */
    .global recover
recover:
    mov 4(%esp), %eax
    mov recover_esp, %esp
    cld
    jmp recovered

/* void enter_user(eip, esp, eflags, cs, ss): does not return. */
    .global enter_user
enter_user:
    mov %esp, %eax
    mov 20(%eax), %ecx
    mov %ecx, %ds
    mov %ecx, %es
    push %ss:20(%eax)
    push %ss:8(%eax)
    push %ss:12(%eax)
    push %ss:16(%eax)
    push %ss:4(%eax)
    iret

/* void enter_v86(const Frame *f): eip, cs, eflags, esp, ss and the four segments. */
    .global enter_v86
enter_v86:
    mov 4(%esp), %eax
    push 88(%eax)
    push 84(%eax)
    push 80(%eax)
    push 76(%eax)
    push 72(%eax)
    push 68(%eax)
    push 64(%eax)
    push 60(%eax)
    push 56(%eax)
    iret

    .altmacro
    .macro stub n
    .balign 16
    .if (\n == 8) || ((\n >= 10) && (\n <= 14)) || (\n == 17)
    .else
    push $0
    .endif
    push $\n
    jmp common
    .endm

    .balign 16
    .global stubs
stubs:
    .set i, 0
    .rept 256
    stub %i
    .set i, i + 1
    .endr

common:
    pushal
    push %ds
    push %es
    push %fs
    push %gs
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    cld
    push %esp
    call trap
    add $4, %esp
    pop %gs
    pop %fs
    pop %es
    pop %ds
    popal
    add $8, %esp
    iret
