/* SPDX-License-Identifier: MIT */
/* From the reset vector into 64-bit mode; exception stubs; try(). */

    .code16
    .section .text16, "ax"
start16:
    cli
    cld
    data32 lgdt %cs:gdt_pointer - start16
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    data32 ljmp $0x18, $start32
    .balign 8
gdt_pointer:
    .word 10 * 8 - 1
    .long gdt_rom

    .section .reset, "ax"
    ljmp $0xf000, $0 /* start16 comes first in the image */

    .text
    .code32
start32:
    mov $0x10, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
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
    /* pml4[0] = pdpt, pdpt[0] = pd, pd[i] = 2 MiB pages */
    movl $pdpt + 7, pml4
    movl $pd + 7, pdpt
    movl $pd1 + 7, pdpt + 8
    movl $pt + 7, pd1
    mov $pd, %edi
    mov $0x87, %eax
    mov $512, %ecx
1:  mov %eax, (%edi)
    add $0x200000, %eax
    add $8, %edi
    loop 1b
    mov %cr4, %eax
    or $0x20, %eax
    mov %eax, %cr4
    mov $pml4, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    rdmsr
    or $0x901, %eax
    wrmsr
    mov %cr0, %eax
    or $0x80010000, %eax
    mov %eax, %cr0
    ljmp $0x08, $start64

    .code64
start64:
    mov $stack_top, %rsp
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    call main

    .section .rodata
    .balign 8
gdt_rom:
    .quad 0
    .quad 0x00af9a000000ffff
    .quad 0x00cf92000000ffff
    .quad 0x00cf9a000000ffff
    .fill 6, 8, 0

    .data
    .balign 8
    .global gdt
gdt:
    .quad 0
    .quad 0x00af9a000000ffff /* 64-bit code, level 0 */
    .quad 0x00cf92000000ffff /* data */
    .quad 0x00cf9a000000ffff /* 32-bit code */
    .quad 0x00cffa000000ffff /* level 3: 32-bit code, data, 64-bit code as SYSRET wants them */
    .quad 0x00cff2000000ffff
    .quad 0x00affa000000ffff
    .fill 4, 8, 0
gdt_end:
gdt_pointer_ram:
    .word gdt_end - gdt - 1
    .long gdt

    .bss
    .balign 4096
    .global pml4, pdpt, pt
pml4: .fill 4096
pdpt: .fill 4096
pd:   .fill 4096
pd1:  .fill 4096
pt:   .fill 4096
    .fill 16384
stack_top:
recover_rsp:
    .quad 0

    .text
    .global try
try:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push recover_rsp
    mov %rsp, recover_rsp
    call *%rdi
    mov $-1, %eax
recovered:
    pop recover_rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .global recover
recover:
    mov %edi, %eax
    mov recover_rsp, %rsp
    cld
    jmp recovered

/* void enter_user(rip, rsp, rflags, cs, ss) */
    .global enter_user
enter_user:
    push %r8
    push %rsi
    push %rdx
    push %rcx
    push %rdi
    iretq

    .altmacro
    .macro stub n
    .balign 16
    .if (\n == 8) || ((\n >= 10) && (\n <= 14)) || (\n == 17)
    .else
    pushq $0
    .endif
    pushq $\n
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
    push %rax
    push %rcx
    push %rdx
    push %rbx
    push %rbp
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    cld
    mov %rsp, %rdi
    mov %rsp, %rbp
    and $-16, %rsp
    call trap
    mov %rbp, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rbp
    pop %rbx
    pop %rdx
    pop %rcx
    pop %rax
    add $16, %rsp
    iretq
