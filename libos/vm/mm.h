/* SPDX-License-Identifier: MIT */
/*
 * The address space of a process: a map of areas over one exokernel space.
 *
 * V1. Areas do not overlap, are sorted by address in a balanced tree, and neighbours that
 *     could be one are one.
 * V2. A frame mapped in a private area and by nobody else (page_maps == 1) belongs to it;
 *     the last unmap frees it, unless a file's page cache owns it (then the file's hold
 *     keeps it).
 * V3. Faults on one mm are serialised by its mutex; usercopy takes it too, so no spinlock
 *     is held there.
 * V10. A frame may have holders besides its mappings (G4 of core/page.h), by mm_lend: they
 *     only read it.  Who holds it sees what a space that had it writable when it was lent
 *     writes there, until that is copied; but no other space writes in place (page_is_own): a
 *     child cannot look on at its parent's memory through what it lent and then unmapped.
 * Costs: look-up O(log areas); a fault one map call; fork one copy call for each 2 MiB
 * that is present.
 */
#ifndef LIBOS_VM_MM_H
#define LIBOS_VM_MM_H

#include "core/lock.h"
#include "core/types.h"
#include "vm/info.h" /* questions about a space */

struct file;
struct mm;
struct thread;

#define PROT_R 0x1u
#define PROT_W 0x2u
#define PROT_X 0x4u
#define AREA_SHARED 0x1u
#define AREA_GROWSDOWN 0x2u
#define AREA_STACK 0x4u
#define AREA_NORESERVE 0x8u
#define AREA_VDSO 0x10u
/* shared, of a file open for writing: mprotect may add PROT_W (set by mm_map) */
#define AREA_MAYWRITE 0x20u
/* of a file on a mount without programs: mprotect may not add PROT_X (set by mm_map) */
#define AREA_NOEXEC 0x40u
#define AREA_LOCKED 0x1000u        /* mlock */
#define AREA_LOCK_ON_FAULT 0x2000u /* with AREA_LOCKED: pages are not brought in */
/* What madvise has said. */
#define AREA_DONTFORK 0x4000u
#define AREA_WIPEONFORK 0x8000u
#define AREA_DONTDUMP 0x10000u
#define AREA_HUGEPAGE 0x20000u
#define AREA_NOHUGEPAGE 0x40000u
#define AREA_MERGEABLE 0x80000u
#define AREA_RANDOM 0x100000u
#define AREA_SEQUENTIAL 0x200000u
/* What mbind has said: kept and shown by posix, means nothing to vm. */
#define AREA_POLICY 0x3f000000u
#define AREA_POLICY_SHIFT 24
/* For mm_map. */
#define MAP_AT_FIXED 0x100u           /* replace what is there */
#define MAP_AT_FIXED_NOREPLACE 0x200u /* -E_EXIST if something is there */
#define MAP_AT_POPULATE 0x400u
#define MAP_AT_LOW 0x800u /* without a place that is asked for: in the second GiB */

/* Limits of a process that its spaces obey, by their place in process->limits. */
enum { MM_LIMIT_DATA = 2, MM_LIMIT_STACK = 3, MM_LIMIT_LOCKED = 8, MM_LIMIT_SPACE = 9 };
/* How many areas a space may have; beyond: -E_NOMEM. */
extern _Atomic u32 vm_max_areas;

/* Does a space get any (PR_SET_THP_DISABLE)? */
void mm_set_large(struct mm *m, bool may);
bool mm_may_be_large(const struct mm *m);
/* What a space that takes the place of another keeps of it: exec, and fork. */
void mm_inherit(struct mm *to, const struct mm *from);
/* Who gets pages of 2 MiB (V12 in fault.c): Linux's transparent_hugepage/enabled. */
enum { VM_LARGE_NEVER, VM_LARGE_MADVISE, VM_LARGE_ALWAYS };
extern _Atomic u32 vm_large_policy;

struct mm;

int mm_create(struct mm **out) MUST_CHECK;
u32 mm_spares(void); /* structures and spaces that wait for their next use */
/* A copy for fork: copy-on-write for private areas.  -E_NOMEM. */
int mm_fork(struct mm *from, struct mm **out) MUST_CHECK;
void mm_hold(struct mm *m);
/* posix sets it: the last reference to a space goes that mm_tell_end was called for.  No
 * lock is held, and it may sleep. */
extern void (*mm_ended_hook)(struct mm *m);
void mm_tell_end(struct mm *m);
void mm_release(struct mm *m); /* the last one unmaps everything and destroys the space */
/* Make it current on this vCPU (NULL: any space that is alive, for LibOS threads). */
void mm_switch(struct mm *m);

/* at: page-aligned address or hint (0: choose).  file NULL: anonymous.  Returns the
 * address in *out. -E_INVAL -E_NOMEM -E_EXIST -E_ACCES -E_NODEV -E_PERM */
int mm_map(struct mm *m, uaddr at, u64 bytes, u32 prot, u32 flags, struct file *file,
           u64 offset, uaddr *out) MUST_CHECK;
int mm_unmap(struct mm *m, uaddr at, u64 bytes) MUST_CHECK;
int mm_protect(struct mm *m, uaddr at, u64 bytes, u32 prot) MUST_CHECK;
int mm_remap(struct mm *m, uaddr old, u64 old_bytes, u64 new_bytes, u32 flags,
             uaddr new_at, uaddr *out) MUST_CHECK;
/* remap_file_pages: the shared mapping at `at` shows the file from `page` on.  -E_INVAL */
int mm_remap_file(struct mm *m, uaddr at, u64 bytes, u64 page, bool populate) MUST_CHECK;
#define MM_REMAP_MAYMOVE 0x1u
#define MM_REMAP_FIXED 0x2u
#define MM_REMAP_DONTUNMAP 0x4u
enum mm_advice {
    MM_ADVISE_NOTHING,
    MM_ADVISE_DONTNEED,
    MM_ADVISE_DONTNEED_LOCKED,
    MM_ADVISE_FREE,
    MM_ADVISE_REMOVE,
    MM_ADVISE_FLAGS,       /* area flags change: see mm_advise */
    MM_ADVISE_COLD,        /* pager.h: named for the policy `own` */
    MM_ADVISE_PAGEOUT,     /* and taken now, as far as it can go */
    MM_ADVISE_POPULATE_READ,
    MM_ADVISE_POPULATE_WRITE,
    MM_ADVISE_COLLAPSE
};
/* For MM_ADVISE_FLAGS: AREA_* to set and to clear.  -E_NOMEM: a part of the range is not
 * mapped (the rest was done); -E_INVAL: no such advice for such an area; -E_ACCES: pages
 * of a file that may not be written are to be removed; what the file says. */
int mm_advise(struct mm *m, uaddr at, u64 bytes, int advice, u32 set,
              u32 clear) MUST_CHECK;
/* mlock (flags: AREA_LOCKED, with AREA_LOCK_ON_FAULT or without) and munlock (0).  -E_PERM
 * -E_NOMEM -E_AGAIN */
int mm_lock(struct mm *m, uaddr at, u64 bytes, u32 flags) MUST_CHECK;
/* mlockall, munlockall: what is there, and what will be there. */
int mm_lock_all(struct mm *m, bool now, u32 now_flags, u32 future_flags) MUST_CHECK;
/* msync.  invalidate: -E_BUSY for what is locked. */
int mm_sync(struct mm *m, uaddr at, u64 bytes, bool invalidate) MUST_CHECK;
/* One more holder for the frame of each page from `at` on, as far as they are there and are
 * the mappings' own (O2 of vm/frames.h): how many, of `pages`.  The caller lets go of them
 * with page_free.  About 60 instructions a page. */
u32 mm_lend(struct mm *m, uaddr at, u32 pages, frame_t *frame);
uaddr mm_brk(struct mm *m, uaddr wanted); /* returns the break, changed or not */
/* A fault: 0, -E_FAULT (nothing mapped: SEGV_MAPERR), -E_ACCES (SEGV_ACCERR), -E_IO (past
 * the file's end: SIGBUS), -E_NOMEM. */
int mm_fault(struct mm *m, uaddr at, u32 prot_needed) MUST_CHECK;
/* Pages of a file were cut off (truncate): unmap them everywhere. */
struct inode;
void vm_file_truncated(struct inode *inode, u64 first_page);

/* mincore: one byte for each page, 1 = present. -E_NOMEM: something is not mapped.
 * `pages` at most 4096. */
int mm_resident(struct mm *m, uaddr at, u64 pages, u8 *out) MUST_CHECK;
/* Is all of the range mapped? 0 or -E_NOMEM. */
int mm_check_range(struct mm *m, uaddr at, u64 bytes) MUST_CHECK;
/* tmpfs sets it: an inode without a name, of this size, for anonymous shared memory; one
 * reference. -E_NOMEM. */
extern int (*vm_shared_memory)(u64 bytes, struct inode **out);
struct mmu_space;
struct mmu_space *mm_space(struct mm *m);
uaddr mm_brk_start(const struct mm *m);

void vm_init(void); /* after vdso_init; installs usercopy_pager and the hooks page_fault
                       and process_space */

/*
 * exec: build a new mm from an ELF file (static or PIE, with its interpreter if it has
 * one) and the initial stack. The strings are copies in the LibOS.  On success
 * *entry, *stack are what the first frame needs; on failure nothing has changed.
 * -E_NOEXEC -E_NOMEM -E_2BIG -E_ACCES -E_LIBBAD ...
 */
struct exec_args {
    const char *head;     /* strings that scripts put before those of `text` */
    u32 heads;            /* how many; they count for argv */
    u64 head_bytes;       /* of them, with their NULs */
    const char *text;     /* the strings of argv and, right behind them, of envp */
    u32 argc, envc;       /* strings in text */
    u64 bytes;            /* of text */
    const char *filename; /* AT_EXECFN */
};
/* The beginning of a program: what says how it is to be run.  An ELF header and the 13
 * program headers of a usual program have room in it; what has more is read. */
#define EXEC_HEAD 800u
struct exec_head {
    struct file *file;
    u64 got; /* bytes that are there */
    _Alignas(8) u8 bytes[EXEC_HEAD];
};
int exec_head_read(struct exec_head *h, struct file *file) MUST_CHECK; /* What the new program is told of whose it is. secure: AT_SECURE. */
struct exec_ids {
    u32 uid, euid, gid, egid;
    bool secure;
};
/* file_read's */
struct exec_image {
    struct mm *mm;
    uaddr entry, stack;
    uaddr brk_start;
};
int exec_load(const struct exec_head *program, const struct exec_args *args,
              const struct exec_ids *ids,
              struct exec_image *out) MUST_CHECK;

/* Is the file mapped so that it may be written through the mapping? */
bool vm_file_is_written(struct inode *inode);

#endif
