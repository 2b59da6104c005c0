/* SPDX-License-Identifier: MIT */
/*
 * The first instructions: PVH entry of the bootstrap CPU, and trampoline of the others.
 *
 * PVH (Xen, docs/misc/pvh): 32-bit protected mode, flat segments, paging off, ebx =
 * physical address of hvm_start_info.  The early tables are data, made by the assembler:
 * the first 4 GiB at address 0 and at PHYSMAP_BASE, the first GiB at KERNEL_BASE.  They
 * are for start-up alone; the final tables (paging.c) have no identity mapping.
 */
#define KERNEL_BASE 0xffffffff80000000

    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 8, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad start32 - KERNEL_BASE

    .section .text.start, "ax"
    .code32
    .globl start32
start32:
    cli
    cld
    movl %ebx, %edi
    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000001, %eax
    jb 1f
    movl $0x80000001, %eax
    cpuid
    andl $0x20100000, %edx /* long mode and no-execute */
    cmpl $0x20100000, %edx
    jne 1f
    movl $(early_pml4 - KERNEL_BASE), %eax
    movl %eax, %cr3
    movl $0x20, %eax /* CR4.PAE */
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x900, %eax /* EFER: LME, NXE */
    wrmsr
    movl $0x80050033, %eax
    movl %eax, %cr0
    lgdt early_gdtr - KERNEL_BASE
    ljmp $8, $(start64 - KERNEL_BASE)
1:  movl $(no_long_mode - KERNEL_BASE), %esi
    movw $0x3f8, %dx
2:  lodsb
    testb %al, %al
    jz 3f
    outb %al, %dx
    jmp 2b
3:  hlt
    jmp 3b

    .code64
start64:
    movabsq $1f, %rax
    jmp *%rax
1:  xorl %eax, %eax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw %ax, %fs
    movw %ax, %gs
    leaq boot_stack_top(%rip), %rsp
    xorl %ebp, %ebp
    movl %edi, %edi
    call boot_main
    ud2

/* start_on_stack(top, next) */
    .globl start_on_stack
start_on_stack:
    movq %rdi, %rsp
    xorl %ebp, %ebp
    call *%rsi
    ud2

/* Another CPU, in long mode on the early tables, finds its number and so its stack. */
ap_entry:
    movl $1, %eax
    cpuid
    shrl $24, %ebx
    movzbl smp_by_apic_id(%rbx), %edi
    cmpl $0xff, %edi
    je 2f
    movq hal_kernel_cr3(%rip), %rax
    movq %rax, %cr3
    movl %edi, %eax
    incl %eax
    shll $16, %eax
    movq $0xffffffffc0000000, %rsp /* CPU_AREA_BASE */
    addq %rax, %rsp
    xorl %ebp, %ebp
    call ap_main
    ud2
2:  hlt
    jmp 2b

    .section .rodata, "a"
no_long_mode:
    .asciz "feuerbird: error: this CPU lacks long mode or no-execute\r\n"

/*
 * The trampoline is copied to a page below 1 MiB, where a CPU starts in real mode with
 * cs = page >> 4.  From there it enters long mode in one step (SDM vol. 3, 9.8.5).  The
 * far jump's target is patched by smp.c (trampoline_jump).
 */
    .balign 16
    .globl trampoline_start, trampoline_end, trampoline_jump, trampoline_long
    .code16
trampoline_start:
    cli
    movw %cs, %ax
    movw %ax, %ds
    movl $0x20, %eax
    movl %eax, %cr4
    movl $(early_pml4 - KERNEL_BASE), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x900, %eax
    wrmsr
    lgdtl trampoline_gdtr - trampoline_start
    movl $0x80050033, %eax
    movl %eax, %cr0
    .byte 0x66, 0xea /* ljmpl $8, $trampoline_long */
trampoline_jump:
    .long 0
    .word 8
trampoline_gdtr:
    .word 15
    .long early_gdt - KERNEL_BASE
    .code64
trampoline_long:
    xorl %eax, %eax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw %ax, %fs
    movw %ax, %gs
    movabsq $ap_entry, %rax
    jmp *%rax
trampoline_end:

    .section .data, "aw"
    .balign 8
early_gdt:
    .quad 0, 0x00209a0000000000 /* 64-bit code */
early_gdtr:
    .word 15
    .long early_gdt - KERNEL_BASE

    .balign 4096
    .globl early_pml4
early_pml4:
    .quad early_pdpt_low - KERNEL_BASE + 3
    .fill 383, 8, 0
    .quad early_pdpt_low - KERNEL_BASE + 3 /* slot 384: PHYSMAP_BASE */
    .fill 126, 8, 0
    .quad early_pdpt_high - KERNEL_BASE + 3
early_pdpt_low:
    .quad early_pd - KERNEL_BASE + 0x0003, early_pd - KERNEL_BASE + 0x1003
    .quad early_pd - KERNEL_BASE + 0x2003, early_pd - KERNEL_BASE + 0x3003
    .fill 508, 8, 0
early_pdpt_high:
    .fill 510, 8, 0
    .quad early_pd - KERNEL_BASE + 3, 0
early_pd:
    .set i, 0
    .rept 2048
    .quad (i << 21) + 0x83
    .set i, i + 1
    .endr

    .section .bss, "aw", @nobits
    .balign 16
    .globl boot_stack, boot_stack_top
boot_stack:
    .skip 8192
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
