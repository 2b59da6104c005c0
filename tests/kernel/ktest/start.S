/* SPDX-License-Identifier: MIT */
/*
 * Entries of the test LibOS, and the programs that it runs in user views and in child domains.
 *
 * Each vCPU has a block of 32 KiB, aligned to its size: its struct, then its stacks.  So the struct is found by masking rsp.
 */
#define BLOCK 0x8000

    .section .header, "ax"
    .global start
start:
    mov %rdi, %rax
    shl $15, %rax
    lea blocks(%rip), %rdx
    lea 0x4000(%rdx, %rax), %rsp
    xor %ebp, %ebp
    call kt_main
    ud2

    .text
    .global upcall_entry, gate_entry, gate_bench, kt_enter, kt_return, kt_poke, kt_leave, kt_fixup, kt_touch, kt_jump, kt_keep, kt_keep_state
upcall_entry:
    call kt_upcall
    ud2
/* The least that a LibOS can do. */
gate_bench:
    xor %esp, %esp
    syscall
    ud2
gate_entry:
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
    call kt_gate
    ud2
/* u64 kt_enter(u64 *ctx): resume save area USER; returns what kt_leave is given. */
kt_enter:
    mov %rbx, 0(%rdi)
    mov %rbp, 8(%rdi)
    mov %r12, 16(%rdi)
    mov %r13, 24(%rdi)
    mov %r14, 32(%rdi)
    mov %r15, 40(%rdi)
    mov %rsp, 48(%rdi)
    mov $1, %eax
    xor %edi, %edi
    syscall
    ret
/* The same by gate_return: to user_rip of the control block. */
kt_return:
    mov %rbx, 0(%rdi)
    mov %rbp, 8(%rdi)
    mov %r12, 16(%rdi)
    mov %r13, 24(%rdi)
    mov %r14, 32(%rdi)
    mov %r15, 40(%rdi)
    mov %rsp, 48(%rdi)
    xor %esp, %esp
    syscall
    ud2
kt_leave:
    mov 0(%rdi), %rbx
    mov 8(%rdi), %rbp
    mov 16(%rdi), %r12
    mov 24(%rdi), %r13
    mov 32(%rdi), %r14
    mov 40(%rdi), %r15
    mov 48(%rdi), %rsp
    mov %rsi, %rax
    ret
/* u64 kt_touch(address, write): 0, or 1 after a fault; kt_jump(address): 1 after a fault. */
kt_touch:
    test %esi, %esi
    jnz 1f
    mov (%rdi), %rax
    xor %eax, %eax
    ret
1:  lock orq $0, (%rdi)
    xor %eax, %eax
    ret
kt_poke:                        /* (address, value): write; 0, or 1 after a fault */
    mov %rsi, (%rdi)
    xor %eax, %eax
    ret
kt_jump:
    push %rbx
    call *%rdi
    pop %rbx
    ret
kt_fixup:
    mov $1, %eax
    ret
/* u64 kt_keep(u64 *flag): spin until *flag with known values in all registers; 0 if they are still there. */
kt_keep:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov $0x1111, %rax
    mov $0x2222, %rbx
    mov $0x3333, %rcx
    mov $0x4444, %rdx
    mov $0x5555, %rsi
    mov $0x6666, %rbp
    mov $0x7777, %r8
    mov $0x8888, %r9
    mov $0x9999, %r10
    mov $0xaaaa, %r11
    mov $0xbbbb, %r12
    mov $0xcccc, %r13
    mov $0xdddd, %r14
    mov $0xeeee, %r15
    movq %rsp, %xmm0
    movq %rdi, %xmm7
    movq %rdi, %xmm15
1:  cmpq $0, (%rdi)
    je 1b
    movq %xmm0, -8(%rsp)
    cmp -8(%rsp), %rsp
    jne 9f
    movq %xmm7, -8(%rsp)
    cmp -8(%rsp), %rdi
    jne 9f
    movq %xmm15, -8(%rsp)
    cmp -8(%rsp), %rdi
    jne 9f
    cmp $0x1111, %rax
    jne 9f
    cmp $0x2222, %rbx
    jne 9f
    cmp $0x3333, %rcx
    jne 9f
    cmp $0x4444, %rdx
    jne 9f
    cmp $0x5555, %rsi
    jne 9f
    cmp $0x6666, %rbp
    jne 9f
    cmp $0x7777, %r8
    jne 9f
    cmp $0x8888, %r9
    jne 9f
    cmp $0x9999, %r10
    jne 9f
    cmp $0xaaaa, %r11
    jne 9f
    cmp $0xbbbb, %r12
    jne 9f
    cmp $0xcccc, %r13
    jne 9f
    cmp $0xdddd, %r14
    jne 9f
    cmp $0xeeee, %r15
    jne 9f
    xor %eax, %eax
    jmp 8f
9:  mov $1, %eax
8:  pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

/*
 * u64 kt_keep_state(u64 *count, u64 until): spin until *count is there, which somebody else on this CPU counts.
 * The loop changes no flag.  0 if flags, x87 control, MXCSR and all vector registers are as they were; else what is not.
 */
#define KEPT_FLAGS 0x240cd7 /* ID AC OF DF SF ZF AF PF CF, and bit 1 */
kt_keep_state:
    mov %rsi, %rdx
    neg %rdx
    movl $0x7f80, -24(%rsp)     /* rounding towards zero */
    ldmxcsr -24(%rsp)
    movw $0x0e7f, -20(%rsp)
    fldcw -20(%rsp)
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    mov $0x1122334455660000 + \n, %rax
    not %rax
    movq %rax, %xmm\n
    punpcklqdq %xmm\n, %xmm\n
    .endr
    push $KEPT_FLAGS
    popfq
1:  mov (%rdi), %rcx
    lea (%rcx, %rdx), %rcx
    mov %rcx, -16(%rsp)
    movzbl -9(%rsp), %ecx       /* the sign: 0 when the count is there */
    jrcxz 2f
    jmp 1b
2:  pushfq
    pop %rcx
    cld
    mov $1, %eax
    and $0xffffffffffffffff - 0x200, %rcx /* IF */
    push $2
    popfq
    cmp $KEPT_FLAGS, %rcx
    jne 9f
    mov $2, %eax
    stmxcsr -24(%rsp)
    cmpl $0x7f80, -24(%rsp)
    jne 9f
    fnstcw -20(%rsp)
    cmpw $0x0e7f, -20(%rsp)
    jne 9f
    mov $3, %eax
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    mov $0x1122334455660000 + \n, %rcx
    not %rcx
    movdqu %xmm\n, -40(%rsp)
    cmp -40(%rsp), %rcx
    jne 9f
    cmp -32(%rsp), %rcx
    jne 9f
    .endr
    xor %eax, %eax
9:  fninit
    movl $0x1f80, -24(%rsp)
    ldmxcsr -24(%rsp)
    ret

/* ---- programs for user views: copied to a page of a space; their offsets are what counts ---- */
    .section .rodata
    .balign 64
    .global user_text, user_text_end, user_call, user_load, user_store, user_spin, user_bench, user_gadget, user_div
user_text:
user_call:                      /* one system call; then again */
    syscall
    jmp user_call
user_load:
    mov (%rdi), %rax
    syscall
user_store:
    mov %rax, (%rdi)
    syscall
user_spin:                      /* until an event comes */
    inc %rax
    jmp user_spin
user_bench:                     /* rdi times: a system call.  Then rax = 77 and a fault. */
    syscall
    dec %rdi
    jnz user_bench
    ud2
user_gadget:                    /* jumps where rdi says */
    jmp *%rdi
user_div:
    ud2
user_text_end:

/* ---- programs for child domains ---- */
    .balign 64
    .global child_victim, child_return, child_gate, child_bounce, child_push, child_state, child_peek, child_signal, child_timer, child_yields, child_caller, child_serve
    .global child_text, child_text_end, child_spin, child_exit, child_fault, child_wait, child_yield, child_upcall_bad, child_call, child_xmm, child_script, child_echo
child_text:
child_spin:                     /* counts in its control block */
    incq (%rdi)
    jmp child_spin
child_exit:
    mov $CALL_DOMAIN_EXIT, %eax
    mov $42, %edi
    syscall
    ud2
child_fault:
    ud2
child_wait:
    mov $CALL_WAIT, %eax
    mov $-1, %rdi
    syscall
    jmp child_wait
child_upcall_bad:
    ud2
child_yield:
    mov $CALL_YIELD, %eax
    xor %edi, %edi
    syscall
    jmp child_yield
child_call:                     /* calls without end, and counts */
    mov %rdi, %rbx
1:  mov $CALL_TLB_FLUSH, %eax
    mov $-1, %rdi
    xor %esi, %esi
    syscall
    incq (%rbx)
    jmp 1b
child_xmm:                      /* adds up its vector registers: nonzero is somebody else's; then writes its own */
    movq %xmm0, %rax
    movq %xmm7, %rbx
    or %rbx, %rax
    movq %xmm15, %rbx
    or %rbx, %rax
    mov %rax, 8(%rdi)
    mov $0x5a5a5a5a, %eax
    movq %rax, %xmm0
    movq %rax, %xmm7
    movq %rax, %xmm15
1:  incq (%rdi)
    jmp 1b
child_script:                   /* goes through the steps after its control block: ktest.h */
    lea 0x3c0(%rdi), %rbx
    mov %rbx, %r12
1:  pause
    mov (%r12), %rax
    test %rax, %rax
    jz 1b
    cmp $-1, %rax
    jne 2f
    mov %rbx, %r12
    jmp 1b
2:  mov (%r12), %rax
    mov 8(%r12), %rdi
    mov 16(%r12), %rsi
    mov 24(%r12), %rdx
    mov 32(%r12), %r10
    mov 40(%r12), %r8
    mov 48(%r12), %r9
3:  syscall
    cmp $-8, %rax                   /* BUSY, RESUME: repeat */
    je 6f
    cmp $-9, %rax
    jne 5f
6:  cmpq $0, 112(%r12)              /* once */
    je 2b
5:  mov $1, %ecx                    /* that a slice ended, and that alone, is no reason to stop waiting */
    shl $62, %rcx
    cmp %rcx, %rdx
    jne 4f
    cmpq $CALL_WAIT, (%r12)
    je 2b
    cmp $-25, %rax                  /* EVENT */
    jne 4f
    mov $CALL_IPC_RECEIVE, %eax
    mov 8(%r12), %rdi
    mov 16(%r12), %rsi
    jmp 3b
4:
    mov %rax, 56(%r12)
    mov %rdi, 64(%r12)
    mov %rdx, 72(%r12)
    mov %r10, 80(%r12)
    mov %r8, 88(%r12)
    mov %r9, 96(%r12)
    incq 104(%r12)
    add $128, %r12
    jmp 1b
child_echo:                     /* serves the endpoint that its first word names, and counts; stops at an error */
    mov %rdi, %rbx
child_echo_again:
    mov $CALL_IPC_RECEIVE, %eax
    mov 8(%rbx), %rdi
    mov $-1, %rsi
    syscall
1:  test %eax, %eax
    jnz 2f
    incq (%rbx)
    inc %rdx
    mov $CALL_IPC_REPLY, %eax
    mov 8(%rbx), %rdi
    mov $-1, %rsi
    syscall
    jmp 1b
2:  mov %rax, 16(%rbx)
    cmp $-25, %rax                  /* EVENT */
    je child_echo_again
    jmp child_wait

/* Beside an enemy.  Wakes each [3] ticks, and has a page of its own, behind its control block: [0] rounds, [1] words that
 * were not as they had been written, [2] the most and [4] the sum of ticks that it was late. */
child_victim:
    mov %rdi, %rbx
    lea 0xfc0(%rdi), %r12
    xor %r14d, %r14d
1:  xor %ecx, %ecx                  /* write */
2:  lea (%r14, %rcx), %rax
    mov %rax, (%r12, %rcx, 8)
    inc %ecx
    cmp $512, %ecx
    jne 2b
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    mov %rax, %r13
    add 24(%rbx), %r13
3:  mov $CALL_WAIT, %eax
    mov %r13, %rdi
    syscall
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    sub %r13, %rax
    jb 3b
    add %rax, 32(%rbx)
    cmp 16(%rbx), %rax
    jbe 4f
    mov %rax, 16(%rbx)
4:  xor %ecx, %ecx                  /* as it was? */
5:  lea (%r14, %rcx), %rax
    cmp %rax, (%r12, %rcx, 8)
    je 6f
    incq 8(%rbx)
6:  inc %ecx
    cmp $512, %ecx
    jne 5b
    movabs $0x9e3779b97f4a7c15, %rax
    add %rax, %r14
    incq (%rbx)
    jmp 1b

/* A LibOS that does nothing but return, whatever its control block says; it counts in that of its first vCPU. */
#define COUNT_OF_FIRST (child_text + 0x10040)(%rip)
child_gate:
    push %rax                       /* uses its stack */
    pop %rax
child_return:
    incq COUNT_OF_FIRST
    xor %esp, %esp
    syscall
    jmp child_return
child_bounce:                       /* its upcalls */
    push %rax
    pop %rax
    incq COUNT_OF_FIRST
    rdtsc
    test $64, %al
    jz child_return
1:  mov $CALL_RESUME, %eax
    syscall
    rdtsc
    and $3, %eax
    mov %eax, %edi
    jmp 1b
child_push:                         /* uses its stack */
    incq COUNT_OF_FIRST
    push %rax
    push %rax
    ud2

/* Leaves what state it can behind, and counts. */
child_state:
    mov %rdi, %rbx
    mov $0x1b, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov $3, %eax
    mov %eax, %gs
    mov $CALL_SET_BASE, %eax
    xor %edi, %edi
    mov $0x1234000, %esi
    syscall
    mov $CALL_SET_BASE, %eax
    mov $1, %edi
    mov $0x4321000, %esi
    syscall
    movl $0x7f80, -24(%rsp)
    ldmxcsr -24(%rsp)
    movw $0x0e7f, -20(%rsp)
    fldcw -20(%rsp)
    fldpi
    fldpi
    mov $0x5a5a5a5a, %eax
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movq %rax, %xmm\n
    punpcklqdq %xmm\n, %xmm\n
    .endr
    testq $1, 8(%rbx)               /* AVX */
    jz 1f
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vinsertf128 $1, %xmm\n, %ymm\n, %ymm\n
    .endr
1:  push $KEPT_FLAGS
    popfq
    .irp n, rax, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    mov $0x5a5a5a5a, %\n
    .endr
2:  incq (%rbx)
    jmp 2b
/* Looks at what it starts with, and counts: [1] AVX?, [2] general registers, [3] flags, [4] selectors, [5] x87 and MXCSR,
 * [6] vectors, [7] bases, all without what they ought to be.  That again in [8] to [13]: the count there is nonzero. */
child_peek:
    pushfq
    or %rax, %rbx
    .irp n, rcx, rdx, rsi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    or %\n, %rbx
    .endr
    mov %rbx, 16(%rdi)
    pop %rax
    and $~0x202, %rax               /* IF and the bit that is always set */
    mov %rax, 24(%rdi)
    mov %rdi, %rbx
    mov %ds, %eax
    mov %es, %ecx
    or %ecx, %eax
    mov %fs, %ecx
    or %ecx, %eax
    mov %gs, %ecx
    or %ecx, %eax
    mov %rax, 32(%rbx)
    stmxcsr -24(%rsp)
    mov -24(%rsp), %eax
    xor $0x1f80, %eax
    fnstcw -24(%rsp)
    movzwl -24(%rsp), %ecx
    xor $0x37f, %ecx
    or %ecx, %eax
    fnstsw -24(%rsp)
    movzwl -24(%rsp), %ecx
    or %ecx, %eax
    mov %rax, 40(%rbx)
    testq $1, 8(%rbx)
    jz 1f
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vorps %ymm\n, %ymm0, %ymm0
    .endr
    vextractf128 $1, %ymm0, %xmm1
1:  .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    orps %xmm\n, %xmm0
    .endr
    movq %xmm0, %rax
    psrldq $8, %xmm0
    movq %xmm0, %rcx
    or %rcx, %rax
    mov %rax, 48(%rbx)
    xor %eax, %eax
    testq $2, 8(%rbx)               /* FSGSBASE */
    jz 2f
    rdfsbase %rax
    rdgsbase %rcx
    or %rcx, %rax
2:  mov %rax, 56(%rbx)
3:  incq (%rbx)
    mov %ds, %eax
    mov %es, %ecx
    or %ecx, %eax
    mov %fs, %ecx
    or %ecx, %eax
    mov %gs, %ecx
    or %ecx, %eax
    or %rax, 32(%rbx)
    jmp 3b

child_serve:                        /* as child_echo, whatever comes */
    mov %rdi, %rbx
1:  mov $CALL_IPC_RECEIVE, %eax
    mov 8(%rbx), %rdi
    mov $-1, %rsi
    syscall
2:  test %eax, %eax
    jnz 1b
    incq (%rbx)
    inc %rdx
    mov $CALL_IPC_REPLY, %eax
    mov 8(%rbx), %rdi
    mov $-1, %rsi
    syscall
    jmp 2b

/* Storms.  [1]: the name of a vCPU, or of an endpoint. */
child_signal:                       /* all its events */
    mov %rdi, %rbx
1:  mov $CALL_SIGNAL, %eax
    mov 8(%rbx), %rdi
    mov $-1, %rsi
    syscall
    mov %rax, 16(%rbx)
    incq (%rbx)
    jmp 1b
child_timer:                        /* a timer that is due */
    mov %rdi, %rbx
1:  mov $CALL_TIMER, %eax
    mov $1, %edi
    syscall
    incq (%rbx)
    jmp 1b
child_yields:                       /* to whom [1] names, or to anybody */
    mov %rdi, %rbx
1:  mov $CALL_YIELD, %eax
    mov 8(%rbx), %rdi
    syscall
    incq (%rbx)
    jmp 1b
child_caller:                       /* calls the endpoint [1], with a note each time */
    mov %rdi, %rbx
1:  mov $CALL_IPC_CALL, %eax
    mov 8(%rbx), %rdi
    mov $-1, %rsi
    syscall
    incq (%rbx)
    test %eax, %eax
    jnz 1b
    incq 16(%rbx)                   /* answered */
    jmp 1b
child_text_end:
    .bss
    .balign BLOCK
    .global blocks
blocks:
    .skip BLOCK * 8
    .section .note.GNU-stack, "", @progbits
