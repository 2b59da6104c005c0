/* SPDX-License-Identifier: MIT */
/*
 * The machine's memory functions under other names, since the C library has its own, and
 * calls with vector registers of known content.
 *
 * void call_ymm(long (*fn)(), void *to, const void *from, size_t bytes, void *regs): loads
 * the sixteen registers from `regs`, calls fn(to, from, bytes), stores them there again.
 * call_zmm does it with all of the registers of AVX-512.
 */
#define memcpy      wide_memcpy
#define memmove     wide_memmove
#define memset      wide_memset
#define memcmp      wide_memcmp
#define page_copy   wide_page_copy
#define page_clear  wide_page_clear
#include "core/arch/x86_64/memory.S"

        .macro call_with name, move, register, bytes
        .text
        .globl  \name
        .type   \name, @function
\name:
        push    %rbx
        mov     %r8, %rbx
        mov     %rdi, %rax
        mov     %rsi, %rdi
        mov     %rdx, %rsi
        mov     %rcx, %rdx
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        \move   (\n * \bytes)(%rbx), %\register\n
        .endr
        call    *%rax
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        \move   %\register\n, (\n * \bytes)(%rbx)
        .endr
        vzeroupper
        pop     %rbx
        ret
        .size   \name, . - \name
        .endm

        call_with call_ymm, vmovdqu, ymm, 32
        call_with call_zmm, vmovdqu64, zmm, 64
