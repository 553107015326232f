/* SPDX-License-Identifier: MIT */
/*
 * Start of the guest that is started by a boot protocol, and the header of the one chosen: MULTIBOOT1,
 * MULTIBOOT1_ADDRESSES (a flat image), MULTIBOOT2, MULTIBOOT2_ADDRESSES, PVH or none.
 */
        .section .header, "a"

#if defined(MULTIBOOT1)
        .set    FLAGS, 0x3              /* modules aligned, memory told */
        .align  4
        .long   0x1badb002, FLAGS, -(0x1badb002 + FLAGS)
#elif defined(MULTIBOOT1_ADDRESSES)
        .set    FLAGS, 0x10003
        .align  4
header:
        .long   0x1badb002, FLAGS, -(0x1badb002 + FLAGS)
        .long   header, image_start, image_end, bss_end, start
#elif defined(MULTIBOOT2) || defined(MULTIBOOT2_ADDRESSES)
        .align  8
header:
        .long   0xe85250d6, 0, header_end - header, -(0xe85250d6 + (header_end - header))
        .word   1, 0                    /* insists on: command line, modules, memory, memory map */
        .long   24, 1, 3, 4, 6
        .word   5, 1                    /* would like a screen */
        .long   20, 80, 25, 0
        .align  8
        .word   0x7fff, 1               /* what nobody knows, optional */
        .long   8
#ifdef MULTIBOOT2_ADDRESSES
        .word   2, 0
        .long   24, header, image_start, image_end, bss_end
        .word   3, 0
        .long   12, start
        .align  8
#else
        .word   10, 0                   /* could lie elsewhere */
        .long   24, 0x100000, 0x1000000, 0x1000, 0
#endif
        .word   0, 0
        .long   8
header_end:
#elif defined(PVH)
        .section .note.pvh, "a"
        .long   4, 4, 5, 0x464c457f     /* a note that is not meant */
        .asciz  "Xen"
        .long   4, 4, 18
        .asciz  "Xen"
        .long   start
#endif

        .text
        .globl  start
start:
        mov     %esp, first_esp
        mov     $stack_end, %esp
        push    %ebx
        push    %eax
        pushf
        pop     first_flags
        cld
        call    main
1:      hlt
        jmp     1b

        .bss
        .align  16
        .space  8192
stack_end:
        .globl  first_esp, first_flags
first_esp:
        .space  4
first_flags:
        .space  4

        .section .note.GNU-stack, "", @progbits
