/* SPDX-License-Identifier: MIT */
/*
 * Reading ELF64 programs for x86-64: every field that is used is checked here, so that
 * who maps the segments need not.
 * Source: System V ABI (gABI 4.1, chapters 4 and 5); the error for each fault is Linux's.
 *
 * E1. After elf_read each PT_LOAD segment: filesz <= memsz, vaddr + memsz does not wrap
 *     and ends below USER_TOP, offset and vaddr agree within the page, offset + filesz
 *     does not wrap.  Segments may overlap: the later one wins.
 * E2. low <= high are the page-aligned bounds of all of them, and high - low < USER_TOP.
 */
#ifndef LIBOS_VM_ELF_H
#define LIBOS_VM_ELF_H

#include "core/types.h"

#define ELF_TYPE_EXEC 2u
#define ELF_TYPE_DYN 3u
#define ELF_INTERP_MAX 4096u

struct elf_header {
    u8 ident[16];
    u16 type, machine;
    u32 version;
    u64 entry, phoff, shoff;
    u32 flags;
    u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct elf_segment {
    u32 type, flags;
    u64 offset, vaddr, paddr, filesz, memsz, align;
};
#define ELF_LOAD 1u
#define ELF_INTERP 3u
#define ELF_STACK 0x6474e551u
#define ELF_X 1u
#define ELF_W 2u
#define ELF_R 4u

#define ELF_FEW 16u
struct elf {
    struct elf_header header;
    struct elf_segment *segments; /* header.phnum of them; `few`, or from the heap */
    struct elf_segment few[ELF_FEW];
    uaddr low, high; /* E2 */
    u64 align;       /* the largest of the segments', at least a page */
    uaddr phdr;      /* where the program headers are in memory; 0: nowhere */
    const struct elf_segment *interp; /* NULL: none */
    bool stack_exec;
};
/* Reads `bytes` at `offset` of the program: 0, or an error (also when it is shorter). */
typedef int (*elf_read_fn)(void *arg, u64 offset, void *to, size_t bytes);

/* -E_NOEXEC: not such a program; -E_INVAL: impossible segments; -E_NOMEM; what read
 * returns. On success: elf_free. */
int elf_read(struct elf *e, elf_read_fn read, void *arg) MUST_CHECK;
void elf_free(struct elf *e);

#endif
