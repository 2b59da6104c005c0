/* SPDX-License-Identifier: MIT */
/*
 * Entries from the kernel: start of a vCPU, system calls (the gate), upcalls; returns to
 * the user; the switch of stacks.
 *
 * The frame's place is used for user frames alone, so what the gate does not write there
 * (rax, rcx, r11, cs, ss) is the user's own from earlier, never the LibOS's.
 *
 * G1. At the gate all registers but rip, rflags and rsp are the user's; those three are in
 *     the control block, rcx and r11 are free (the syscall instruction takes them from the
 *     user program). rsp is the current thread's frame, so the thread is at a fixed
 *     distance from it, and no segment register is needed.
 * G2. While a call is under way (orig_rax is not ~0) the frame has the arguments alone.
 *     The six callee-saved registers are the user's whenever C code has returned; rip,
 *     rflags and rsp are in the control block. Whoever needs all of them has them put
 *     into the frame: gate_work, machine_call_whole, a switch of threads (fpu.c). Who
 *     changes those three in the frame calls machine_user_moved.
 * G3. orig_rax = ~0: the frame is whole, and the control block does not matter.
 * G4. With gate `direct` the way back is a jump. An event, or an exception, that comes
 *     between the clearing of the mask and the user's first instruction finds rip between
 *     direct_return and direct_return_end, where all registers but rcx, r11, rip, rflags
 *     and rsp are the user's already: it is taken as the user's (trap.c).
 *
 * Instructions: in 8, dispatch 8 and the handler's, back 8 (`direct`: 15, and no kernel).
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

/* The number and the arguments go to the frame, the result comes back in rax. */
        .macro GATE_IN
        mov     %rdi, F_RDI(%rsp)
        mov     %rsi, F_RSI(%rsp)
        mov     %rdx, F_RDX(%rsp)
        mov     %r10, F_R10(%rsp)
        mov     %r8, F_R8(%rsp)
        mov     %r9, F_R9(%rsp)
        mov     %rax, F_ORIG_RAX(%rsp)
        mov     %rsp, %rdi
        cmp     libos_hooks+HOOK_CALL_COUNT(%rip), %rax
        jae     4f
        mov     libos_hooks+HOOK_CALLS(%rip), %rcx
        call    *(%rcx,%rax,8)
        cmp     $-ERRORS, %rax
        ja      5f
1:      cmpl    $0, FROM_FRAME(T_WORK)(%rsp)
        jne     6f
        .endm

        .macro ARGUMENTS_BACK
        mov     F_RDI(%rsp), %rdi
        mov     F_RSI(%rsp), %rsi
        mov     F_RDX(%rsp), %rdx
        mov     F_R10(%rsp), %r10
        mov     F_R8(%rsp), %r8
        mov     F_R9(%rsp), %r9
        .endm

/* What GATE_IN does seldom; then back to its end, or to the way out. */
        .macro GATE_SELDOM out
4:      movq    $NO_CALL, F_ORIG_RAX(%rsp)      /* ~0 would say something else (G3) */
        mov     $-ERROR_NO_CALL, %rax
5:      mov     %rax, %rdi
        call    *libos_hooks+HOOK_CALL_ERROR(%rip)
        jmp     1b
6:      cmpl    $RESCHED, FROM_FRAME(T_WORK)(%rsp)
        je      8f
        mov     %rax, %rdx
        mov     %rsp, %rdi
        cmpq    $-1, F_ORIG_RAX(%rsp)
        je      7f                      /* the call has made the frame itself */
        call    frame_complete
7:      lea     FROM_FRAME(0)(%rsp), %rdi
        mov     %rsp, %rsi
        call    gate_do_work            /* rax, or goes back with all registers */
        jmp     \out
8:      push    %rax                    /* the frame may stay as it is (G2) */
        sub     $8, %rsp
        call    thread_preempt
        add     $8, %rsp
        pop     %rax
        jmp     1b
        .endm

        .globl  gate_entry
        .type   gate_entry, @function
        .p2align 6
gate_entry:
        GATE_IN
gate_return:
        ARGUMENTS_BACK
        xor     %esp, %esp              /* the kernel's gate_return */
        syscall
        ud2
        GATE_SELDOM gate_return
        .size   gate_entry, . - gate_entry

        .globl  gate_entry_direct, direct_return, direct_return_end
        .type   gate_entry_direct, @function
        .p2align 6
gate_entry_direct:
        GATE_IN
gate_return_direct:
        ARGUMENTS_BACK
        mov     FROM_FRAME(T_CB)(%rsp), %rcx
        movq    $0, CB_MASK(%rcx)
direct_return:                          /* G4 */
        cmpq    $0, CB_PENDING(%rcx)
        jne     9f
        pushq   CB_USER_RFLAGS(%rcx)
        popfq
        mov     CB_USER_RSP(%rcx), %rsp
        mov     CB_USER_RIP(%rcx), %rcx
        jmp     *%rcx
9:      xor     %esp, %esp              /* the kernel delivers them */
        syscall
direct_return_end:
        ud2
        GATE_SELDOM gate_return_direct
        .size   gate_entry_direct, . - gate_entry_direct

/* rdi = the frame of a call under way: what the gate left out (G2). Keeps rdx. */
        .type   frame_complete, @function
frame_complete:
        mov     FROM_FRAME(T_CB)(%rdi), %rax
        mov     %rbx, F_RBX(%rdi)
        mov     %rbp, F_RBP(%rdi)
        mov     %r12, F_R12(%rdi)
        mov     %r13, F_R13(%rdi)
        mov     %r14, F_R14(%rdi)
        mov     %r15, F_R15(%rdi)
        mov     CB_USER_RIP(%rax), %rcx
        mov     %rcx, F_RIP(%rdi)
        mov     %rcx, F_RCX(%rdi)
        mov     CB_USER_RFLAGS(%rax), %rcx
        mov     %rcx, F_RFLAGS(%rdi)
        mov     %rcx, F_R11(%rdi)
        mov     CB_USER_RSP(%rax), %rcx
        mov     %rcx, F_RSP(%rdi)
        ret
        .size   frame_complete, . - frame_complete

/* long machine_call_whole(struct user_frame *f), from the gate: the handler of a call
 * that needs a whole frame. */
        .globl  machine_call_whole
        .type   machine_call_whole, @function
machine_call_whole:
        call    frame_complete
        jmp     *libos_hooks+HOOK_CALL_WHOLE(%rip)
        .size   machine_call_whole, . - machine_call_whole

/* NORETURN void gate_return_whole(struct user_frame *f, bool direct): the frame's
 * registers but rip, rflags and rsp, which are in the control block, rcx and r11, which
 * are their copies. */
        .globl  gate_return_whole
        .type   gate_return_whole, @function
gate_return_whole:
        mov     %rdi, %rsp
        mov     F_RAX(%rsp), %rax
        mov     F_RBX(%rsp), %rbx
        mov     F_RBP(%rsp), %rbp
        mov     F_R12(%rsp), %r12
        mov     F_R13(%rsp), %r13
        mov     F_R14(%rsp), %r14
        mov     F_R15(%rsp), %r15
        test    %esi, %esi
        jz      gate_return
        jmp     gate_return_direct
        .size   gate_return_whole, . - gate_return_whole

        .globl  upcall_entry
        .type   upcall_entry, @function
        .p2align 4
/* rdi = save area, rsi = vector, rsp as the control block says for the area */
upcall_entry:
        test    %edi, %edi
        jnz     1f
        mov     %rsi, %rdx              /* FB_SAVE_USER: rsp is the thread's frame */
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

        .globl  thread_trampoline
        .type   thread_trampoline, @function
thread_trampoline:
        xor     %ebp, %ebp
        call    thread_first_run
        ud2
        .size   thread_trampoline, . - thread_trampoline

        .section .note.GNU-stack, "", @progbits
