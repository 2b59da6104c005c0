/* SPDX-License-Identifier: MIT */
/*
 * The trial guest: a 64 KiB firmware image that shows whether an accelerator can run a
 * guest at all.  From the reset vector it goes to 64-bit mode with paging, writes and
 * reads memory in many pages, takes an exception, and leaves through QEMU's
 * isa-debug-exit port 0x501 with the value 0x2a.  A host on which KVM opens but loops,
 * or stops half-way, does not get there.
 */
    .code16
    .section .text
    .globl _start
_start:
    cli
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $0x7000, %sp
    /* Page tables at 0x1000: one gigabyte in pages of 2 MiB. */
    mov $0x1000, %edi
    mov %edi, %cr3
    xor %eax, %eax
    mov $0xc00, %ecx
    cld
    rep stosl
    movl $0x2003, 0x1000
    movl $0x3003, 0x2000
    mov $0x3000, %di
    mov $0x83, %eax
1:  mov %eax, (%di)
    add $0x200000, %eax
    add $8, %di
    cmp $0x4000, %di
    jne 1b
    mov %cr4, %eax
    or $0x20, %eax
    mov %eax, %cr4
    mov $0xc0000080, %ecx
    rdmsr
    or $0x100, %eax
    wrmsr
    mov %cr0, %eax
    or $0x80000001, %eax
    mov %eax, %cr0
    /* The shadow of this image below 1 MiB is at 0xf0000. */
    lgdtl %cs:(gdt_pointer - _start)
    ljmpl $8, $(0xf0000 + long_mode - _start)

    .code64
long_mode:
    mov $16, %eax
    mov %eax, %ds
    mov %eax, %ss
    mov $0x7000, %esp
    /* An interrupt gate for vector 6, invalid opcode, at 0x5000. */
    lidt 0xf0000 + idt_pointer - _start
    lea handler(%rip), %rax
    mov %ax, 0x5060
    movw $8, 0x5062
    movw $0x8e00, 0x5064
    shr $16, %rax
    mov %ax, 0x5066
    movl $0, 0x5068
    /* Sixty-four pages, each written and read back. */
    mov $0x10000, %edi
2:  mov %rdi, (%rdi)
    cmp %rdi, (%rdi)
    jne failed
    add $0x1000, %edi
    cmp $0x50000, %edi
    jne 2b
    ud2
failed:
    mov $0x01, %al
    jmp leave
handler:
    mov $0x2a, %al
leave:
    mov $0x501, %dx
    out %al, %dx
3:  hlt
    jmp 3b

    .balign 8
gdt:
    .quad 0
    .quad 0x00209a0000000000
    .quad 0x0000920000000000
gdt_pointer:
    .word . - gdt - 1
    .long 0xf0000 + gdt - _start
idt_pointer:
    .word 0x6f
    .quad 0x5000
