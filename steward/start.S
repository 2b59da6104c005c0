/* SPDX-License-Identifier: MIT */
/* The flat image's header, and its first instructions. */
    .section .header, "ax"
    .quad 0x313054414c464246
    .quad start
    .quad image_text
    .quad image_rodata
    .quad image_data
    .quad image_bss
    .global start
start:
    lea stack_top(%rip), %rsp
    xor %ebp, %ebp
    call steward_main
    ud2
    .bss
    .balign 16
    .skip 65536
stack_top:
    .section .note.GNU-stack, "", @progbits
