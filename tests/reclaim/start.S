/* SPDX-License-Identifier: MIT */
/* Entries of the small LibOS: start, and upcalls.  Each vCPU has 16 KiB of stack; upcalls come to the lower half of it. */
    .section .header, "ax"
    .global start
start:
    mov %rdi, %rax
    and $31, %eax
    shl $14, %rax
    lea stacks + 0x4000(%rip), %rdx
    lea (%rdx, %rax), %rsp
    xor %ebp, %ebp
    call reclaim_main
    ud2
    .text
    .global upcall_entry, touch, touch_fixup
upcall_entry:
    jmp upcall
/* int touch(address): 0, or 1 after a fault. */
touch:
    mov (%rdi), %rax
    xor %eax, %eax
    ret
touch_fixup:
    mov $1, %eax
    ret
    .bss
    .balign 0x4000
    .global stacks
stacks:
    .skip 0x4000 * 32
    .section .note.GNU-stack, "", @progbits
