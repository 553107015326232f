/* SPDX-License-Identifier: MIT */
/*
 * Option ROM that starts a Linux kernel which the host holds in fw_cfg.  Spec: Linux
 * Documentation/arch/x86/boot.rst.
 *
 * The host has prepared the setup block (hw/boards/pc-kernel.c); here the four items are copied to where
 * the host says and the setup code is entered as the boot protocol asks.
 */
#include "boot-rom.inc"

        .set    HEAP_END, 0xe000        /* of the setup block's segment: its stack */

        rom_header "Linux"

boot:
        cli
        cld
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %ss
        mov     $BLOCK, %sp
        copy    SETUP_ADDR, SETUP_SIZE, SETUP_DATA
        copy    CMDLINE_ADDR, CMDLINE_SIZE, CMDLINE_DATA
        copy    KERNEL_ADDR, KERNEL_SIZE, KERNEL_DATA
        copy    INITRD_ADDR, INITRD_SIZE, INITRD_DATA
        mov     $SETUP_ADDR, %ax
        call    get32
        shr     $4, %ecx
        mov     %cx, %ds
        mov     %cx, %es
        mov     %cx, %fs
        mov     %cx, %gs
        mov     %cx, %ss
        mov     $HEAP_END, %sp
        add     $0x20, %cx
        push    %cx
        push    $0
        lret                            /* to the setup code, 512 bytes into its block */

        rom_routines
        rom_end
