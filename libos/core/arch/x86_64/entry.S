/* SPDX-License-Identifier: MIT */
/*
 * Entries from the kernel: start of a vCPU, system calls (the gate), upcalls; returns to
 * the user; the switch of stacks.
 *
 * The frame's place is used for user frames alone, so what the gate does not write there
 * (rax, rcx, r11, cs, ss) is the user's own
 * from earlier, never the LibOS's.
 *
 * At the gate all registers but rip, rflags and rsp are the user's; those three are in
 * the control block, rcx and r11 are
 * free (the syscall instruction takes them from the user program). rsp is the end of the
 * current thread's stack, so
 * frame and thread are at fixed distances from it, and no segment register is needed.
 *
 * The fast return loads only what the C code may have changed: the six callee-saved
 * registers are the user's again by the C
 * calling convention. rip, rflags and rsp are still in the control block:
 * machine_user_enter puts them back when another
 * thread ran in between, and whoever changes them sets WORK_FULL.
 */
#include "offsets.h"

#define FROM_FRAME(offset) (offset - (STACK_BYTES - FRAME_BYTES))

        .text
        .globl  _start
        .type   _start, @function
_start: /* rdi = index of the vCPU, rsp = 0 */
        lea     boot_stack_tops(%rip), %rbx
        mov     %rdi, %r12
        test    %rdi, %rdi
        jz      2f
/* the others wait until the first has made them a stack */
1:      mov     (%rbx,%r12,8), %rsp
        test    %rsp, %rsp
        jnz     3f
        /* FB_CALL_WAIT; rsp is not zero here, that would be gate_return */
        mov     $3, %eax
        mov     $8, %esp
        mov     $-1, %rdi
        syscall
        jmp     1b
2:      lea     boot_stack_0(%rip), %rsp
        add     $STACK_BYTES, %rsp
3:      mov     %r12, %rdi
        xor     %ebp, %ebp
        call    machine_start
        ud2
        .size   _start, . - _start

        .globl  gate_entry
        .type   gate_entry, @function
        .p2align 6
gate_entry:
        sub     $FRAME_BYTES, %rsp
        mov     FROM_FRAME(T_CB)(%rsp), %r11
        mov     %rdi, F_RDI(%rsp)
        mov     %rsi, F_RSI(%rsp)
        mov     %rdx, F_RDX(%rsp)
        mov     %r10, F_R10(%rsp)
        mov     %r8, F_R8(%rsp)
        mov     %r9, F_R9(%rsp)
        mov     %rax, F_ORIG_RAX(%rsp)
        mov     %rbx, F_RBX(%rsp)
        mov     %rbp, F_RBP(%rsp)
        mov     %r12, F_R12(%rsp)
        mov     %r13, F_R13(%rsp)
        mov     %r14, F_R14(%rsp)
        mov     %r15, F_R15(%rsp)
        mov     CB_USER_RIP(%r11), %rcx
        mov     %rcx, F_RIP(%rsp)
        mov     CB_USER_RFLAGS(%r11), %rcx
        mov     %rcx, F_RFLAGS(%rsp)
        mov     CB_USER_RSP(%r11), %rcx
        mov     %rcx, F_RSP(%rsp)
        lea     FROM_FRAME(0)(%rsp), %rdi
        mov     %rsp, %rsi
        call    *libos_hooks+HOOK_SYSCALL(%rip)
        cmpl    $0, FROM_FRAME(T_WORK)(%rsp)
        jne     gate_work
        .globl  gate_fast_return
gate_fast_return:
        mov     F_RDI(%rsp), %rdi
        mov     F_RSI(%rsp), %rsi
        mov     F_RDX(%rsp), %rdx
        mov     F_R10(%rsp), %r10
        mov     F_R8(%rsp), %r8
        mov     F_R9(%rsp), %r9
        xor     %esp, %esp              /* gate_return */
        syscall
        ud2

gate_work:
        mov     %rax, %rdx
        lea     FROM_FRAME(0)(%rsp), %rdi
        mov     %rsp, %rsi
        /* returns the user's rax, or goes back with all registers */
        call    gate_do_work
        jmp     gate_fast_return
        .size   gate_entry, . - gate_entry

        .globl  upcall_entry
        .type   upcall_entry, @function
        .p2align 4
/* rdi = save area, rsi = vector, rsp as the control block says for the area */
upcall_entry:
        test    %edi, %edi
        jnz     1f
        sub     $FRAME_BYTES, %rsp      /* FB_SAVE_USER: the thread's stack, empty */
        mov     %rsi, %rdx
        lea     FROM_FRAME(0)(%rsp), %rdi
        mov     %rsp, %rsi
        call    upcall_from_user
        ud2
1:      call    upcall_from_libos       /* the vCPU's fault stack */
        ud2
        .size   upcall_entry, . - upcall_entry

/* NORETURN void machine_on_stack(struct thread *t, void (*fn)(struct thread *, struct
 * user_frame *, u64), u64 arg):
 * drop what is on t's stack and call fn there. */
        .globl  machine_on_stack
        .type   machine_on_stack, @function
machine_on_stack:
        mov     %rsi, %rax
        lea     (STACK_BYTES - FRAME_BYTES)(%rdi), %rsp
        mov     %rsp, %rsi
        xor     %ebp, %ebp
        call    *%rax
        ud2
        .size   machine_on_stack, . - machine_on_stack

/* void machine_switch(struct thread *from, struct thread *to) */
        .globl  machine_switch
        .type   machine_switch, @function
        .p2align 4
machine_switch:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rsp, T_SAVED_RSP(%rdi)
        mov     T_SAVED_RSP(%rsi), %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret
        .size   machine_switch, . - machine_switch

        .globl  thread_trampoline
        .type   thread_trampoline, @function
thread_trampoline:
        xor     %ebp, %ebp
        call    thread_first_run
        ud2
        .size   thread_trampoline, . - thread_trampoline

        .section .note.GNU-stack, "", @progbits
