/* SPDX-License-Identifier: MIT */
/*
 * The initial stack of a program, laid out as on Linux (x86-64 psABI 3.4.1), from the top
 * down:
 *   8 zero bytes; the file name; the strings of envp, then below them those of argv; up
 *   to 8 KiB of random space; the platform's name; 16 random bytes; the auxiliary vector;
 *   envp[]; argv[]; argc, at the stack pointer, 16-byte aligned.
 */
#ifndef LIBOS_VM_STACK_H
#define LIBOS_VM_STACK_H

#include "core/types.h"
#include "vm/mm.h"

#define AUX_MAX 24u
struct aux {
    u64 type, value;
};
enum {
    AUX_NULL = 0,
    AUX_PHDR = 3,
    AUX_PHENT = 4,
    AUX_PHNUM = 5,
    AUX_PAGESZ = 6,
    AUX_BASE = 7,
    AUX_FLAGS = 8,
    AUX_ENTRY = 9,
    AUX_UID = 11,
    AUX_EUID = 12,
    AUX_GID = 13,
    AUX_EGID = 14,
    AUX_PLATFORM = 15,
    AUX_HWCAP = 16,
    AUX_CLKTCK = 17,
    AUX_SECURE = 23,
    AUX_RANDOM = 25,
    AUX_HWCAP2 = 26,
    AUX_EXECFN = 31,
    AUX_SYSINFO_EHDR = 33,
    AUX_MINSIGSTKSZ = 51
};
/* Entries that stack_build fills in: their places from the end. */
enum { AUX_BACK_PLATFORM = 1, AUX_BACK_EXECFN = 2, AUX_BACK_RANDOM = 4 };

/*
 * Build it below `top` in an mm that is empty there, and its area.  `aux` has count
 * entries, without the last; the values of three are written here (AUX_BACK_*).  *sp: the
 * stack pointer.
 * -E_2BIG -E_NOMEM -E_EXIST
 */
int stack_build(struct mm *m, uaddr top, u32 prot, u64 shift,
                const struct exec_args *args, struct aux *aux, u32 count,
                uaddr *sp) MUST_CHECK;

#endif
