/* SPDX-License-Identifier: MIT */
/* Private to core/arch/x86_64. */
#ifndef LIBOS_CORE_ARCH_H
#define LIBOS_CORE_ARCH_H

#include <abi/layout.h>

#include "core/machine.h"
#include "core/thread.h"
#include "core/types.h"

/* memory.S */
size_t usercopy_raw(void *to, const void *from, size_t bytes);
size_t usercopy_exact(void *to, const void *from, size_t bytes);
size_t usercopy_zero(void *to, size_t bytes);
u64 fixup_find(u64 rip);
void fixup_sort(void); /* before the first fault */

/* entry.S */
extern const char gate_entry[], gate_entry_direct[], upcall_entry[], thread_trampoline[];
extern const char direct_return[], direct_return_end[]; /* G4 */
NORETURN void gate_return_whole(struct user_frame *f, bool direct);
NORETURN void machine_on_stack(struct thread *t, void (*fn)(struct thread *,
                                                            struct user_frame *, u64),
    u64 arg);

/* trap.c */
long gate_do_work(struct thread *t, struct user_frame *f, long result);
NORETURN void upcall_from_user(struct thread *t, struct user_frame *f, u64 vector);
NORETURN void upcall_from_libos(u64 area, u64 vector);

/* mmu_read.c */
struct mmu_space;
/* The entry above the page table of va; 0: there is none, and *shift says what span is
 * not there. */
u64 mmu_table_entry(struct mmu_space *s, uaddr va, unsigned *shift);
/* The entry of the page of 2 MiB at va; 0: there is none. */
u64 mmu_large_entry(struct mmu_space *s, uaddr va);
/* M5, mmu_large.c: those of [va, end), or the one at va, become 4 KiB pages.  -E_NOMEM:
 * no memory for a table, and those before it have. */
int mmu_split(struct mmu_space *s, uaddr va, uaddr end) MUST_CHECK;
/* Unmap and free those of [va, end), each of which lies in it as a whole. */
void mmu_unmap_large(struct mmu_space *s, uaddr va, uaddr end);
/* mmu.c: all nodes that va lacks, from this level down to `lowest`.  -E_NOMEM */
int mmu_link_tables(struct mmu_space *s, uaddr va, unsigned level,
                    unsigned lowest) MUST_CHECK;
/* A mapping goes between the first two; before its frame is used, the third (mmu.c has the
 * rules). */
extern _Atomic u32 mmu_unsettled;
void mmu_flush_others(struct mmu_space *s);
void machine_flush(u64 cpus);
extern u64 machine_all_cpus;
static inline void
mmu_removal_begins(void)
{
    if (lcpu_count > 1)
        atomic_fetch_add(&mmu_unsettled, 1);
}

static inline void
mmu_removal_ends(struct mmu_space *s)
{
    mmu_flush_others(s);
    if (lcpu_count > 1)
        atomic_fetch_sub(&mmu_unsettled, 1);
}

static inline void
mmu_settle(void)
{
    if (__builtin_expect(atomic_load(&mmu_unsettled) != 0, 0))
        machine_flush(machine_all_cpus);
}

/* M4: of an entry that mmu_table_entry gave. */
static inline bool
mmu_is_shared(u64 e)
{
    return e && !(e & FB_PTE_WRITE);
}
/* How many spaces have a page table. */
static inline u16
mmu_sharers(frame_t table)
{
    return (u16)FB_FRAME_PARENTS(machine_frame_word(table));
}

/* reclaim.c: an access of the LibOS to memory that was taken: false: it was not that. */
bool reclaim_stand_in(uaddr va);

/* machine.c */
struct instance_info;
extern const struct instance_info *instance;
extern u64 machine_all_cpus; /* set of the CPUs of this instance's vCPUs */
/* A call's answer that says "repeat": waits as it needs, and true. */
bool machine_again(long r);
void mmu_start(u32 lcpu);
void fpu_start(void);
extern u32 memory_wide; /* memory.S: what its copies may use; fpu_start sets it */
/* Flush: all CPUs of the set have no stale translation when it returns. */
void machine_flush(u64 cpus);
/* This vCPU's control block and entries, before anything else runs on it. */
void machine_setup_lcpu(struct lcpu *c, struct thread *fault_stack);

/* boot/main.c; on the vCPU's idle stack. */
NORETURN void boot_first(void);
NORETURN void boot_other(struct lcpu *c);

#endif
