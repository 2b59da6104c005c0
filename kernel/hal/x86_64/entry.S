/* SPDX-License-Identifier: MIT */
/*
 * Entry and exit: the gate, exokernel calls, traps.
 *
 * The stub page is copied for each CPU, right below its struct cpu, so that rip-relative operands reach that CPU's own
 * data; there is no swapgs, and the user's GS base stays live.  Absolute jumps leave the stub, since it is copied.
 *
 * A `syscall` whose return address has its sign bit set came from the window (exokernel call); else from a user program
 * (gate).  The user view cannot execute in the window, and the LibOS view cannot execute in the lower half.
 *
 * Instructions, `syscall` and `sysretq` counted: gate in 17, gate out 19 (`direct`: 15 and 17).
 */
#include "hal/x86_64/offsets.h"

#define CPU(off) (stub_start + 0x1000 + (off))(%rip)

    .section .stub, "ax"
    .balign 4096
    .global stub_start, stub_end, stub_entry_views, stub_entry_direct
stub_start:

    .macro GATE switch_view
    test %rcx, %rcx
    js 1f
    /* ---- gate: from the user program to its LibOS ---- */
    mov %rsp, CPU(CPU_SCRATCH)
    mov CPU(CPU_CB), %rsp
    mov %rcx, CB_USER_RIP(%rsp)
    mov %r11, CB_USER_RFLAGS(%rsp)
    mov CPU(CPU_SCRATCH), %rcx
    mov %rcx, CB_USER_RSP(%rsp)
    movq $1, CB_MASK(%rsp)
    incq CB_CROSSINGS(%rsp)
    .if \switch_view
    mov CPU(CPU_LIBOS_CR3), %rcx
    mov %rcx, %cr3
    .endif
    mov CPU(CPU_GATE_RIP), %rcx         /* checked to be a window address when it was registered */
    mov CB_ENTRY_RSP(%rsp), %rsp
    mov $RFLAGS_FIXED, %r11d
    sysretq

1:  test %rsp, %rsp
    jnz 2f
    /* ---- gate_return: every register but rcx, r11 and rsp is the user's ---- */
    mov CPU(CPU_CB), %rsp
    movq $0, CB_MASK(%rsp)
    cmpq $0, CB_PENDING(%rsp)           /* interrupts are off: what comes later finds the mask clear */
    jne 3f
    .if \switch_view
    mov CPU(CPU_USER_CR3), %rcx
    mov %rcx, %cr3
    .endif
    mov CB_USER_RIP(%rsp), %rcx
    shl $17, %rcx                       /* clamp to 47 bits: canonical, lower half */
    shr $17, %rcx
    mov CB_USER_RFLAGS(%rsp), %r11
    and $RFLAGS_USER, %r11d
    or $RFLAGS_FIXED, %r11d
    mov CB_USER_RSP(%rsp), %rsp
    sysretq

    /* ---- exokernel call ---- */
2:  mov %rsp, CPU(CPU_SCRATCH)
    mov CPU(CPU_STACK_TOP), %rsp
    push CPU(CPU_SCRATCH)
    push %rcx
    push %r11
    cmp $FB_CALLS_COUNT, %rax
    jae 4f
    mov %r10, %rcx
    call *call_table(, %rax, 8)
5:  pop %r11
    pop %rcx                            /* in the window: canonical, since the CPU executed there */
    xor %edi, %edi                      /* nothing of the kernel's stays in a register */
    xor %esi, %esi
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    pop %rsp
    sysretq
4:  mov $-FB_E_CALL_NUMBER, %rax
    xor %edx, %edx
    jmp 5b

    /* ---- gate_return with events pending: as if an interrupt had come from the user view ---- */
3:  mov %rsp, %rcx
    mov CPU(CPU_STACK_TOP), %rsp
    push $USER_SS
    push CB_USER_RSP(%rcx)
    push CB_USER_RFLAGS(%rcx)
    push $USER_CS
    push CB_USER_RIP(%rcx)
    push $0
    push $VECTOR_EVENT
    mov $gate_event_entry, %r11
    jmp *%r11
    .endm

    .balign 64
stub_entry_views:
    GATE 1
    .balign 64
stub_entry_direct:
    GATE 0
stub_end:

    .text
    .macro PUSH_ALL
    push %rdi
    push %rsi
    push %rdx
    push %rcx
    push %rax
    push %r8
    push %r9
    push %r10
    push %r11
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    .endm
    .macro POP_ALL
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rax
    pop %rcx
    pop %rdx
    pop %rsi
    pop %rdi
    .endm

gate_event_entry:
    PUSH_ALL
    xor %ebp, %ebp
    mov %rsp, %rdi
    call gate_event
    jmp trap_return

    .global trap_clac
trap_common:
    PUSH_ALL
    cld
trap_clac:
    .byte 0x0f, 0x1f, 0x00              /* `nop`; `clac` where there is SMAP (cpu.c): AC may be the user's */
    xor %ebp, %ebp
    mov %rsp, %rdi
    call trap
trap_return:
    POP_ALL
    add $16, %rsp
    iretq

/* hal_load(regs): load all registers and go there. */
    .global hal_load
hal_load:
    mov %rdi, %rsp
    jmp trap_return

/*
 * hal_load_user(regs): go to the user view with registers that the domain may be writing
 * to meanwhile: each word is read once, and what counts is made harmless on the way.
 */
    .global hal_load_user
hal_load_user:
    push $USER_SS
    push REGS_RSP(%rdi)
    mov REGS_RFLAGS(%rdi), %rax
    and $(RFLAGS_USER | RFLAGS_RF), %eax
    or $RFLAGS_FIXED, %eax
    push %rax
    push $USER_CS
    mov REGS_RIP(%rdi), %rax
    shl $17, %rax                       /* clamp to 47 bits: canonical, lower half */
    shr $17, %rax
    push %rax
    mov REGS_R15(%rdi), %r15
    mov REGS_R14(%rdi), %r14
    mov REGS_R13(%rdi), %r13
    mov REGS_R12(%rdi), %r12
    mov REGS_RBP(%rdi), %rbp
    mov REGS_RBX(%rdi), %rbx
    mov REGS_R11(%rdi), %r11
    mov REGS_R10(%rdi), %r10
    mov REGS_R9(%rdi), %r9
    mov REGS_R8(%rdi), %r8
    mov REGS_RAX(%rdi), %rax
    mov REGS_RCX(%rdi), %rcx
    mov REGS_RDX(%rdi), %rdx
    mov REGS_RSI(%rdi), %rsi
    mov REGS_RDI(%rdi), %rdi
    iretq

/* dispatch_again(): the stack is empty from here on. */
    .global dispatch_reset
dispatch_reset:
    mov %rdi, %rsp
    xor %ebp, %ebp
    call dispatch_loop
    ud2

/*
 * Calls that may leave the CPU to another vCPU save the caller's preserved registers first (struct call_frame):
 * r15 r14 r13 r12 rbp rbx, the return into the stub, then r11 (rflags), rcx (rip), rsp.
 */
    .macro SWITCHING name, handler, argument
    .global \name
\name:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, \argument
    call \handler
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
    .endm
    SWITCHING call_wait, wait_frame, %rsi
    SWITCHING call_yield, yield_frame, %rsi
    SWITCHING call_signal, signal_frame, %rdx
    SWITCHING call_domain_exit, domain_exit_frame, %rsi

/*
 * Calls by which one vCPU enters another: the caller's preserved registers go to its vCPU, its arguments stay where they
 * are, and the handler does not return: it comes to `entered` (hal_enter), with the message, or dispatches.
 */
    .macro ENTERING name, handler
    .global \name
\name:                                  /* on the stack: the return into the stub, then its rflags, rip, rsp */
    mov 32 - CPU_TO_STACK + CPU_CURRENT(%rsp), %rax
    add $8, %rsp
    pop VCPU_REGS + REGS_RFLAGS(%rax)
    pop VCPU_REGS + REGS_RIP(%rax)
    pop VCPU_REGS + REGS_RSP(%rax)
    mov %r15, VCPU_REGS + REGS_R15(%rax)
    mov %r14, VCPU_REGS + REGS_R14(%rax)
    mov %r13, VCPU_REGS + REGS_R13(%rax)
    mov %r12, VCPU_REGS + REGS_R12(%rax)
    mov %rbp, VCPU_REGS + REGS_RBP(%rax)
    mov %rbx, VCPU_REGS + REGS_RBX(%rax)
    call \handler
    ud2
    .endm
    ENTERING call_ipc_call, ipc_call
    ENTERING call_ipc_receive, ipc_receive
    ENTERING call_ipc_reply, ipc_reply
    .global entered
entered:                                /* rsi: struct fb_regs; rdi, rax, rdx, r10, r8, r9: as they are to be */
    mov REGS_R15(%rsi), %r15
    mov REGS_R14(%rsi), %r14
    mov REGS_R13(%rsi), %r13
    mov REGS_R12(%rsi), %r12
    mov REGS_RBP(%rsi), %rbp
    mov REGS_RBX(%rsi), %rbx
    mov REGS_RFLAGS(%rsi), %r11
    mov REGS_RIP(%rsi), %rcx            /* in the window: canonical, since the CPU executed there */
    mov REGS_RSP(%rsi), %rsp
    xor %esi, %esi
    sysretq

/* ---- the 256 trap vectors ---- */
    .altmacro
    .macro VECTOR n
trap_vector_\n:
    .if (\n == 8) || (\n >= 10 && \n <= 14) || (\n == 17) || (\n == 21) || (\n == 29) || (\n == 30)
    .else
    push $0
    .endif
    push $\n
    jmp trap_common
    .endm
    .macro VECTOR_ADDRESS n
    .quad trap_vector_\n
    .endm
    .set i, 0
    .rept 256
    VECTOR %i
    .set i, i + 1
    .endr

    .section .rodata
    .balign 8
    .global trap_vectors
trap_vectors:
    .set i, 0
    .rept 256
    VECTOR_ADDRESS %i
    .set i, i + 1
    .endr

    .section .note.GNU-stack, "", @progbits
