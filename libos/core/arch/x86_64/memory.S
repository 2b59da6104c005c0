/* SPDX-License-Identifier: MIT */
/*
 * Memory functions. `rep movsq` moves eight bytes for what one iteration of `rep movsb`
 * costs where string
 * instructions are counted or emulated; the last bytes go by an overlapping move, loaded
 * first.
 *
 * The functions usercopy_* touch user memory: their faulting instructions have an entry
 * in .fixups (usercopy.c).
 *
 * W1. From WIDE_BYTES on, blocks of 256 bytes go through four 32-byte registers where the
 *     processor has them (memory_wide). The registers are the user's: they are saved on
 *     the stack before and loaded again behind, on the way out of a fault too. Nothing
 *     sleeps in between, so that nobody else sees them or takes them for the user's.
 * W2. If the user's upper halves were in their initial state (XINUSE; SDM vol. 1, 13.6),
 *     they are put back into it, so that narrow instructions of the user's stay fast.
 * W3. A 32-byte instruction clears what lies above its 32 bytes (SDM vol. 1, 14.2), so a
 *     user who has anything in the upper halves of 64-byte registers gets the narrow way.
 */
#define WIDE_BYTES 512
#define XINUSE_AVX 4
#define XINUSE_ZMM 0x40 /* ZMM_Hi256 */

        .data
        .globl  memory_wide
/* 0: no wide registers; 1: they are there, and none that are wider; 2: XGETBV tells
 * XINUSE as well. Set once. */
memory_wide:
        .long   0

/* Saves the registers 0 to `last`.  Clobbers eax, ecx, edx; r11d keeps XINUSE until wide_end. To
 * `narrow`, with nothing done: W3. */
        .macro wide_begin narrow, last=3
        mov     $XINUSE_AVX, %r11d
        cmpl    $2, memory_wide(%rip)
        jne     .Lsave\@
        mov     $1, %ecx
        xgetbv
        test    $XINUSE_ZMM, %eax
        jnz     \narrow
        mov     %eax, %r11d
.Lsave\@:
        sub     $(32 * (\last + 1)), %rsp
        .irp    n, 0, 1, 2, 3
        .if     \n <= \last
        vmovdqu %ymm\n, 32 * \n(%rsp)
        .endif
        .endr
        .endm

        .macro wide_end last=3
        .irp    n, 0, 1, 2, 3
        .if     \n <= \last
        vmovdqu 32 * \n(%rsp), %ymm\n
        .endif
        .endr
        add     $(32 * (\last + 1)), %rsp
        test    $XINUSE_AVX, %r11d
        jnz     .Lused\@
        vzeroupper
.Lused\@:
        .endm
        .macro fixup at, to
        .pushsection .fixups, "aw", @progbits
        .quad   \at, \to
        .popsection
        .endm

        .text
        .globl  memcpy
        .type   memcpy, @function
        .p2align 4
/* also right for overlaps with to < from: every load is before the store that could
 * change it */
memcpy:
        mov     %rdi, %rax
        cmp     $16, %rdx
        jb      2f
        mov     -8(%rsi,%rdx), %r9
        lea     -8(%rdi,%rdx), %r10
        cmp     $64, %rdx
        ja      1f
0:      mov     (%rsi), %r8
        mov     %r8, (%rdi)
        add     $8, %rsi
        add     $8, %rdi
        cmp     %r10, %rdi
        jb      0b
        mov     %r9, (%r10)
        ret
1:      cmp     $WIDE_BYTES, %rdx
        jae     7f
8:      mov     %rdx, %rcx
        shr     $3, %rcx
        rep movsq
        mov     %r9, (%r10)
        ret
7:      cmpl    $0, memory_wide(%rip)
        je      8b
        mov     %rax, %r9
        lea     (%rsi,%rdx), %r8
        call    wide_copy
        mov     %r8, %rcx
        sub     %rsi, %rcx
        mov     %ecx, %edx
        shr     $3, %rcx
        rep movsq               /* what faulted faults again, and that is for good */
        mov     %edx, %ecx
        and     $7, %ecx
        rep movsb
        mov     %r9, %rax
        ret
2:      cmp     $8, %edx
        jb      3f
        mov     (%rsi), %r8
        mov     -8(%rsi,%rdx), %r9
        mov     %r8, (%rdi)
        mov     %r9, -8(%rdi,%rdx)
        ret
3:      cmp     $4, %edx
        jb      4f
        mov     (%rsi), %r8d
        mov     -4(%rsi,%rdx), %r9d
        mov     %r8d, (%rdi)
        mov     %r9d, -4(%rdi,%rdx)
        ret
4:      cmp     $2, %edx
        jb      5f
        movzwl  (%rsi), %r8d
        movzbl  -1(%rsi,%rdx), %r9d
        mov     %r8w, (%rdi)
        mov     %r9b, -1(%rdi,%rdx)
        ret
5:      test    %edx, %edx
        jz      6f
        movzbl  (%rsi), %r8d
        mov     %r8b, (%rdi)
6:      ret
        .size   memcpy, . - memcpy

        .globl  memmove
        .type   memmove, @function
memmove:
        mov     %rdi, %rax
        sub     %rsi, %rax
        cmp     %rdx, %rax
        jae     memcpy
        mov     %rdi, %rax
        cmp     $8, %rdx
        jb      2f
        mov     (%rsi), %r9             /* the first eight, stored last */
1:      mov     -8(%rsi,%rdx), %r8
        mov     %r8, -8(%rdi,%rdx)
        sub     $8, %rdx
        cmp     $8, %rdx
        jae     1b
        mov     %r9, (%rdi)
        ret
2:      sub     $1, %rdx
        jb      3f
        movzbl  (%rsi,%rdx), %r8d
        mov     %r8b, (%rdi,%rdx)
        jmp     2b
3:      ret
        .size   memmove, . - memmove

        .globl  memset
        .type   memset, @function
memset:
        mov     %rdi, %r8
        movzbl  %sil, %eax
        mov     $0x0101010101010101, %rcx
        imul    %rcx, %rax
        lea     -8(%rdx), %rcx
        cmp     $(WIDE_BYTES - 8), %rcx
        jae     2f
3:      mov     %rax, -8(%rdi,%rdx)     /* the last word, and all words before it */
        add     $7, %rcx
        shr     $3, %rcx
        rep stosq
        mov     %r8, %rax
        ret
1:      mov     %edx, %ecx
        rep stosb
        mov     %r8, %rax
        ret
2:      cmp     $8, %rdx
        jb      1b
        cmpl    $0, memory_wide(%rip)
        je      3b
        test    %rax, %rax
        jnz     3b
        mov     %rdx, %r9
        wide_begin 5f, 0
        vpxor   %xmm0, %xmm0, %xmm0     /* and all above */
        lea     -128(%rdi,%r9), %rdx    /* where the last block begins */
4:      vmovdqu %ymm0, (%rdi)
        vmovdqu %ymm0, 32(%rdi)
        vmovdqu %ymm0, 64(%rdi)
        vmovdqu %ymm0, 96(%rdi)
        sub     $-128, %rdi
        cmp     %rdx, %rdi
        jb      4b
        vmovdqu %ymm0, (%rdx)
        vmovdqu %ymm0, 32(%rdx)
        vmovdqu %ymm0, 64(%rdx)
        vmovdqu %ymm0, 96(%rdx)
        mov     %r8, %rax
        wide_end 0
        ret
5:      mov     %r9, %rdx
        lea     -8(%rdx), %rcx
        xor     %eax, %eax
        jmp     3b
        .size   memset, . - memset

        .globl  memcmp
        .type   memcmp, @function
memcmp:
        cmp     $8, %rdx
        jb      2f
1:      mov     (%rdi), %rax
        mov     (%rsi), %rcx
        cmp     %rcx, %rax
        jne     4f
        add     $8, %rdi
        add     $8, %rsi
        sub     $8, %rdx
        cmp     $8, %rdx
        jae     1b
2:      sub     $1, %rdx
        jb      3f
        movzbl  (%rdi), %eax
        movzbl  (%rsi), %ecx
        inc     %rdi
        inc     %rsi
        sub     %ecx, %eax
        jz      2b
        ret
3:      xor     %eax, %eax
        ret
4:      bswap   %rax                    /* the first byte that differs decides */
        bswap   %rcx
        cmp     %rcx, %rax
        sbb     %eax, %eax
        or      $1, %eax
        ret
        .size   memcmp, . - memcmp

/* The whole blocks of rdx bytes, upwards from rsi to rdi, which are advanced over those
 * that were copied: fewer than rdx / 256 after a fault, none where W3 says so. Right for overlaps with to < from
 * (each half is loaded before it is stored). Leaves r8, r9, r10. */
        .type   wide_copy, @function
        .p2align 4
wide_copy:
        shr     $8, %rdx
        mov     %rdx, %rcx
        push    %rcx
        wide_begin 21f
        mov     128(%rsp), %rcx
        shl     $8, %rcx
        add     %rcx, %rsi
        add     %rcx, %rdi
        neg     %rcx
1:      vmovdqu (%rsi,%rcx), %ymm0
2:      vmovdqu 32(%rsi,%rcx), %ymm1
3:      vmovdqu 64(%rsi,%rcx), %ymm2
4:      vmovdqu 96(%rsi,%rcx), %ymm3
5:      vmovdqu %ymm0, (%rdi,%rcx)
6:      vmovdqu %ymm1, 32(%rdi,%rcx)
7:      vmovdqu %ymm2, 64(%rdi,%rcx)
8:      vmovdqu %ymm3, 96(%rdi,%rcx)
11:     vmovdqu 128(%rsi,%rcx), %ymm0
12:     vmovdqu 160(%rsi,%rcx), %ymm1
13:     vmovdqu 192(%rsi,%rcx), %ymm2
14:     vmovdqu 224(%rsi,%rcx), %ymm3
15:     vmovdqu %ymm0, 128(%rdi,%rcx)
16:     vmovdqu %ymm1, 160(%rdi,%rcx)
17:     vmovdqu %ymm2, 192(%rdi,%rcx)
18:     vmovdqu %ymm3, 224(%rdi,%rcx)
        add     $256, %rcx
        jnz     1b
20:     add     %rcx, %rsi
        add     %rcx, %rdi
        wide_end
21:     pop     %rcx
        ret
        .irp    at, 1b, 2b, 3b, 4b, 5b, 6b, 7b, 8b
        fixup   \at, 20b
        .endr
        .irp    at, 11b, 12b, 13b, 14b, 15b, 16b, 17b, 18b
        fixup   \at, 20b
        .endr
        .size   wide_copy, . - wide_copy

        .globl  page_copy
        .type   page_copy, @function
page_copy:
        mov     $4096, %edx
        jmp     memcpy
        .size   page_copy, . - page_copy

        .globl  page_clear
        .type   page_clear, @function
page_clear:
        cmpl    $0, memory_wide(%rip)
        je      2f
        wide_begin 2f, 0
        vpxor   %xmm0, %xmm0, %xmm0     /* and all above */
        mov     $16, %ecx
1:
        .irp    at, 0, 32, 64, 96, 128, 160, 192, 224
        vmovdqu %ymm0, \at(%rdi)
        .endr
        add     $256, %rdi
        dec     %ecx
        jnz     1b
        wide_end 0
        ret
2:      xor     %eax, %eax
        mov     $512, %ecx
        rep stosq
        ret
        .size   page_clear, . - page_clear

/* size_t usercopy_raw(void *to, const void *from, size_t bytes): bytes not copied. Of
 * 8..16 bytes, all or none: the caller goes
 * on with usercopy_exact, which stops at the very byte that faulted. */
        .globl  usercopy_raw
        .type   usercopy_raw, @function
        .p2align 4
usercopy_raw:
        mov     %rdx, %rax
        sub     $8, %rax
        cmp     $8, %rax
        ja      usercopy_exact
1:      mov     (%rsi), %r8
2:      mov     -8(%rsi,%rdx), %r9
3:      mov     %r8, (%rdi)
4:      mov     %r9, -8(%rdi,%rdx)
        xor     %eax, %eax
        ret
5:      mov     %rdx, %rax
        ret
        fixup   1b, 5b
        fixup   2b, 5b
        fixup   3b, 5b
        fixup   4b, 5b
        .size   usercopy_raw, . - usercopy_raw

        .globl  usercopy_exact
        .type   usercopy_exact, @function
usercopy_exact:
        cmp     $WIDE_BYTES, %rdx
        jae     6f
7:      mov     %rdx, %rcx
        shr     $3, %rcx
        and     $7, %edx
1:      rep movsq
        mov     %edx, %ecx
2:      rep movsb
        xor     %eax, %eax
        ret
        /* Eight bytes faulted. If they may straddle two pages, the first of them can
         * still be moved, one by one. */
3:      lea     (%rdx,%rcx,8), %rax
        mov     %edi, %r8d
        or      %esi, %r8d
        test    $7, %r8d
        jz      5f
        mov     %rax, %rcx
        jmp     2b
4:      mov     %rcx, %rax
5:      ret
        /* What the blocks leave, and where they met a fault, what is left from that block
         * on, goes the exact way. */
6:      cmpl    $0, memory_wide(%rip)
        je      7b
        lea     (%rsi,%rdx), %r8
        call    wide_copy
        mov     %r8, %rdx
        sub     %rsi, %rdx
        jmp     7b
        fixup   1b, 3b
        fixup   2b, 4b
        .size   usercopy_exact, . - usercopy_exact

/* size_t usercopy_zero(void *to, size_t bytes): bytes not cleared. */
        .globl  usercopy_zero
        .type   usercopy_zero, @function
usercopy_zero:
        xor     %eax, %eax
        mov     %rsi, %rcx
        shr     $3, %rcx
        mov     %esi, %edx
        and     $7, %edx
1:      rep stosq
        mov     %edx, %ecx
2:      rep stosb
        ret
3:      lea     (%rdx,%rcx,8), %rax
        ret
4:      mov     %rcx, %rax
        ret
        fixup   1b, 3b
        fixup   2b, 4b
        .size   usercopy_zero, . - usercopy_zero

        .section .note.GNU-stack, "", @progbits
