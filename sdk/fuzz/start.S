/* SPDX-License-Identifier: MIT */
    .section .header, "ax"
    .global start
start:
    mov %rdi, %rax
    and $31, %eax
    shl $14, %rax
    lea fuzz_stacks + 0x4000(%rip), %rdx
    lea (%rdx, %rax), %rsp
    xor %ebp, %ebp
    call fuzz_main
    ud2
    .global upcall_entry
upcall_entry:
    jmp fuzz_upcall
    .bss
    .balign 0x4000
    .global fuzz_stacks
fuzz_stacks: /* 16 KiB for each vCPU; upcalls come to the middle */
    .skip 0x4000 * 32
    .section .note.GNU-stack, "", @progbits
