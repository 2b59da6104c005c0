/* SPDX-License-Identifier: MIT */
/* Entries of the real-time LibOS, and the switch from a thread to the scheduler.  It has one vCPU; others end here. */
    .section .header, "ax"
    .global start
start:
    test %rdi, %rdi
    jnz 1f
    lea scheduler_stack_top(%rip), %rsp
    xor %ebp, %ebp
    call rt_main
1:  ud2

    .text
    .global upcall_entry, rt_leave, rt_burn
/* Events come here on the scheduler's stack, with rdi = area and rsi = vector. */
upcall_entry:
    call rt_upcall
    ud2
/*
 * void rt_leave(struct fb_regs *regs): store the caller so that `resume` returns to it, and schedule.  Events are masked; resume
 * unmasks.  What a call may clobber is not stored.
 */
rt_leave:
    pop 136(%rdi)               /* rip */
    mov %r15, 0(%rdi)
    mov %r14, 8(%rdi)
    mov %r13, 16(%rdi)
    mov %r12, 24(%rdi)
    mov %rbp, 32(%rdi)
    mov %rbx, 40(%rdi)
    movq $0x202, 152(%rdi)      /* rflags */
    mov %rsp, 160(%rdi)
    lea scheduler_stack_top(%rip), %rsp
    call rt_schedule
    ud2
/* void rt_burn(u64 rounds): two instructions each. */
rt_burn:
    dec %rdi
    jnz rt_burn
    ret
    .bss
    .balign 16
    .skip 0x4000
    .global scheduler_stack_top
scheduler_stack_top:
    .section .note.GNU-stack, "", @progbits
