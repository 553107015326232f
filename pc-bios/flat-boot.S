/* SPDX-License-Identifier: MIT */
/*
 * Option ROM that starts a kernel in 32-bit flat protected mode: PVH, multiboot.  Specs: ACPI 6.5, 15.1
 * (INT 15h, E820h); hw/boards/pc-flat.c, which has prepared the items.
 *
 * The memory map is asked of the firmware and left at MAP: the number of entries in four bytes, four
 * more, entries of 20 bytes.  Then kernel and modules are copied, and last the setup item, which the host
 * makes when it is selected, with the map in it where the kernel wants it.  It begins with the registers.
 */
#include "boot-rom.inc"

        .set    MAP, 0x8000
        .set    MAP_ENTRY, 20
        .set    MAP_MAX, 128

        .set    REG_EIP, 0
        .set    REG_EAX, 4
        .set    REG_EBX, 8
        .set    REG_GDTR, 12

        .set    CODE, 0x08
        .set    FLAT, 0x10
        .set    TSS, 0x18

        rom_header "Kernel"

boot:
        cli
        cld
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     $BLOCK, %sp

        xor     %ebx, %ebx
        xor     %bp, %bp                /* entries so far */
        mov     $MAP + 8, %di
1:      mov     $0xe820, %eax
        mov     $MAP_ENTRY, %ecx
        mov     $0x534d4150, %edx       /* "SMAP" */
        int     $0x15
        jc      2f
        cmp     $0x534d4150, %eax
        jne     2f
        inc     %bp
        add     $MAP_ENTRY, %di
        cmp     $MAP_MAX, %bp
        je      2f
        test    %ebx, %ebx
        jnz     1b
2:      movzx   %bp, %ebp
        mov     %ebp, MAP

        copy    KERNEL_ADDR, KERNEL_SIZE, KERNEL_DATA
        copy    INITRD_ADDR, INITRD_SIZE, INITRD_DATA
        copy    SETUP_ADDR, SETUP_SIZE, SETUP_DATA
        mov     $SETUP_ADDR, %ax
        call    get32
        mov     %ecx, %edi
        cli
        lgdtl   %es:REG_GDTR(%edi)
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        xor     %ecx, %ecx
        mov     %cs, %cx                /* the ROM's place, which the linker does not know */
        shl     $4, %ecx
        add     $flat - _start, %ecx
        pushl   $CODE
        pushl   %ecx
        lretl

        .code32
flat:
        mov     $FLAT, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %fs
        mov     %eax, %gs
        mov     %eax, %ss
        mov     $TSS, %eax
        ltr     %ax
        mov     REG_EAX(%edi), %eax
        mov     REG_EBX(%edi), %ebx
        jmp     *REG_EIP(%edi)
        .code16

        rom_routines
        rom_end
