/* SPDX-License-Identifier: MIT */
/*
 * What there is to know about a space: its areas one by one, counts, the places that exec
 * gave it, and its bytes, seen from another process.  Who asks for another process's
 * memory gets it with mm_of and gives it back with mm_drop; after the process's end it has
 * no areas.
 *
 * I1. The counts are kept with each change (no walk of pages is needed): pages of files
 *     are those that a page cache owns; the page of zeros and the clock's page count for
 *     nothing, as on Linux.
 * Locking: mm_count takes no lock (each figure is right, together they may be a moment
 * apart); the others take the mm's mutex: no spinlock may be held.
 */
#ifndef LIBOS_VM_INFO_H
#define LIBOS_VM_INFO_H

#include "core/types.h"

struct file;
struct inode;
struct mm;
struct process;

/* The memory of a process, alive or ending; NULL: it has none (a zombie). */
struct mm *mm_of(struct process *p);
/* The same for who may look into p (cred_may_inspect), asked at the same time, so that it
 * is the memory whose rights were asked for; *may: may he?  The second gives nobody else
 * anything: -E_ACCES; with 0 *out may be NULL. */
struct mm *mm_of_asked(struct process *p, bool by_real_ids, bool *may);
int mm_of_inspected(struct process *p, bool by_real_ids, struct mm **out) MUST_CHECK;
void mm_drop(struct mm *m);

enum mm_area_name { MM_NAME_NONE, MM_NAME_HEAP, MM_NAME_STACK, MM_NAME_VVAR, MM_NAME_VDSO };
struct mm_area_info {
    uaddr start, end;
    u32 prot, flags;     /* PROT_*, AREA_* */
    u64 offset;          /* bytes, in the file */
    struct file *file;   /* a reference, or NULL */
    struct inode *inode; /* file's, or of shared memory without a name; a reference; NULL */
    enum mm_area_name name;
};
/* The area at `at` or the next one above it, for /proc/PID/maps; false: none.  The caller
 * gives the references back with mm_area_info_drop.  O(log areas). */
bool mm_next_area(struct mm *m, uaddr at, struct mm_area_info *out);
void mm_area_info_drop(struct mm_area_info *info);

/* The pages of the area that starts at `start` (/proc/PID/smaps): bytes.  False: there is
 * no such area now.  Cost: one step for each page that is present. */
struct mm_area_usage {
    u64 rss, pss, shared_clean, shared_dirty, private_clean, private_dirty, referenced,
        anonymous, locked, large, lazy;
};
bool mm_area_usage(struct mm *m, uaddr start, struct mm_area_usage *out);

/* What stands at `n` pages from `from` on (/proc/PID/pagemap); a page of zeros is one as
 * well.  Cost: one step for each page that is present. */
struct mm_page_info {
    u64 frame;
    bool present;
    bool shared; /* of a file, or of memory that is shared */
    bool alone;  /* nobody else has it mapped */
};
void mm_pages(struct mm *m, uaddr from, u32 n, struct mm_page_info *out);

struct mm_counts {
    u64 areas, bytes_virtual, peak_virtual;
    u64 pages_mapped;                         /* anonymous + file + shared */
    u64 pages_anonymous, pages_file, pages_shared, pages_peak;
    u64 pages_data, pages_text, pages_stack;  /* of areas: Linux's VmData, exec_vm, VmStk */
    u64 pages_locked;
};
void mm_count(struct mm *m, struct mm_counts *out);
u64 mm_peak(struct mm *m); /* pages_peak alone */

/* Where things are, since exec. */
#define MM_AUX_WORDS 48u
struct mm_layout {
    uaddr code_start, code_end, data_start, data_end, brk_start, brk, stack_start;
    uaddr arg_start, arg_end, env_start, env_end;
    u32 aux_words;          /* with the two of AT_NULL */
    u64 aux[MM_AUX_WORDS];
};
void mm_layout(struct mm *m, struct mm_layout *out);
/* The program that runs, a reference; NULL: none (a thread of the LibOS). */
struct file *mm_program(struct mm *m);

/* Bytes of any space, without its being current: pages are brought in as a fault would.
 * Returns how many were copied (less than asked: the rest is not there), or -E_FAULT when
 * it is none.  `force`: rights do not matter (ptrace's way; a write to a private area
 * makes a copy). */
i64 mm_peek(struct mm *m, uaddr at, void *to, size_t bytes, bool force);
i64 mm_poke(struct mm *m, uaddr at, const void *from, size_t bytes, bool force);

#endif
