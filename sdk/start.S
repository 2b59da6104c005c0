/* SPDX-License-Identifier: MIT */
/*
 * Entries of a small LibOS (sdk/libos.h): start, system call, upcall.  Each vCPU's block of stacks is 16 KiB,
 * aligned to its size; C code finds its vCPU by where its stack lies.
 */
    .section .header, "ax"
    .global start
start: /* rdi: vCPU */
    mov %rdi, %rax
    inc %rax
    shl $14, %rax
    lea libos_stacks(%rip), %rsp
    add %rax, %rsp
    xor %ebp, %ebp
    call libos_start
    ud2

    .text
    .global libos_gate_entry, libos_upcall_entry
/* A system call: all registers but rcx, r11 and rsp are the process's. */
libos_gate_entry:
    push %r15
    push %r14
    push %r13
    push %r12
    push %rbp
    push %rbx
    push %r9
    push %r8
    push %r10
    push %rdx
    push %rsi
    push %rdi
    push %rax
    mov %rsp, %rdi
    sub $8, %rsp
    cld
    call libos_gate
    add $8, %rsp
    pop %rax
    pop %rdi
    pop %rsi
    pop %rdx
    pop %r10
    pop %r8
    pop %r9
    pop %rbx
    pop %rbp
    pop %r12
    pop %r13
    pop %r14
    pop %r15
    xor %esp, %esp /* gate_return */
    syscall
    ud2
/* rdi: save area, rsi: vector; the interrupted registers are in the save area. */
libos_upcall_entry:
    cld
    call libos_upcall_enter
    ud2

    .bss
    .balign 0x4000
    .global libos_stacks
libos_stacks:
    .skip 0x4000 * 32
    .section .note.GNU-stack, "", @progbits
