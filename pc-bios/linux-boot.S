/* SPDX-License-Identifier: MIT */
/*
 * Option ROM that starts a Linux kernel which the host holds in fw_cfg.  Firmware finds it as a boot
 * entry (bootstrap entry vector of its PnP header).  Specs: BIOS Boot Specification 1.01; Plug and Play
 * BIOS 1.0A, 3.2; Linux Documentation/arch/x86/boot.rst; fw_cfg's DMA interface.
 *
 * The host has prepared the setup block (hw/boards/pc-kernel.c); here the four items are copied to where
 * the host says and the setup code is entered as the boot protocol asks.
 */
        .code16
        .text

        .set    SELECTOR, 0x510
        .set    DATA, 0x511
        .set    DMA, 0x514
        .set    DMA_READ_SELECT, 2 | 8

        .set    KERNEL_ADDR, 0x07
        .set    KERNEL_SIZE, 0x08
        .set    INITRD_ADDR, 0x0a
        .set    INITRD_SIZE, 0x0b
        .set    KERNEL_DATA, 0x11
        .set    INITRD_DATA, 0x12
        .set    CMDLINE_ADDR, 0x13
        .set    CMDLINE_SIZE, 0x14
        .set    CMDLINE_DATA, 0x15
        .set    SETUP_ADDR, 0x16
        .set    SETUP_SIZE, 0x17
        .set    SETUP_DATA, 0x18

        .set    BLOCK, 0x7c00           /* DMA control block, above the stack */
        .set    HEAP_END, 0xe000        /* of the setup block's segment: its stack */

        .globl  _start
_start:
        .byte   0x55, 0xaa
        .byte   (_end - _start) / 512
        lret                            /* nothing to initialise */
        .org    0x18
        .word   0
        .word   pnp - _start

        .align  16
pnp:
        .ascii  "$PnP"
        .byte   1                       /* revision */
        .byte   (pnp_end - pnp) / 16
        .word   0                       /* no further header */
        .byte   0
        .byte   0                       /* checksum: the build fills it in */
        .long   0
        .word   0
        .word   name - _start
        .byte   1, 0x80, 0              /* mass storage, other */
        .byte   0
        .word   0                       /* no connection vector */
        .word   0
        .word   boot - _start
        .word   0
        .word   0
pnp_end:

name:
        .asciz  "Linux"

/* Copies an item: sizes and address are items of their own. */
        .macro  copy addr_key, size_key, data_key
        mov     $\addr_key, %ax
        call    get32
        mov     %ecx, %esi
        mov     $\size_key, %ax
        call    get32
        mov     $(\data_key << 16) | DMA_READ_SELECT, %eax
        call    dma
        .endm

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

/* ecx := the 32-bit item with key ax. */
get32:
        mov     $SELECTOR, %dx
        out     %ax, %dx
        inc     %dx
        mov     $4, %bx
1:      in      %dx, %al
        ror     $8, %eax
        dec     %bx
        jnz     1b
        mov     %eax, %ecx
        ret

/* Has ecx bytes copied to address esi; eax is the command. All is big-endian. */
dma:
        bswap   %eax
        mov     %eax, BLOCK
        bswap   %ecx
        mov     %ecx, BLOCK + 4
        movl    $0, BLOCK + 8
        bswap   %esi
        mov     %esi, BLOCK + 12
        mov     $DMA, %dx
        xor     %eax, %eax
        out     %eax, %dx
        mov     $BLOCK, %eax
        bswap   %eax
        add     $4, %dx
        out     %eax, %dx
1:      mov     BLOCK, %eax             /* done when nothing but the error bit is left */
        bswap   %eax
        and     $~1, %eax
        jnz     1b
        ret

        .org    511
        .byte   0                       /* checksum: the build fills it in */
        .org    512
_end:
