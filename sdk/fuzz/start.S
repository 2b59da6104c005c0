/* SPDX-License-Identifier: MIT */
    .section .header, "ax"
    .global start
start:
    lea stack_top(%rip), %rsp
    xor %ebp, %ebp
    call fuzz_main
    ud2
    .global upcall_entry
upcall_entry:
    jmp fuzz_upcall
    .bss
    .balign 16
    .skip 16384
stack_top:
    .section .note.GNU-stack, "", @progbits
