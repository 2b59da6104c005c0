/* SPDX-License-Identifier: MIT */
/*
 * What core needs of the machine below it: arch/x86_64 has it over kernel calls, host/
 * over a process of the host.
 * Only core and sched include this.
 */
#ifndef LIBOS_CORE_MACHINE_H
#define LIBOS_CORE_MACHINE_H

#include "core/thread.h"
#include "core/types.h"

struct fb_record;
extern const struct fb_record *machine_record;

#if defined(__x86_64__)
static inline void
machine_pause(void)
{
    __builtin_ia32_pause();
}
#endif
u64 machine_tsc(void);
/* Fetch and clear this vCPU's events; sleep until there are some or the deadline (TSC; 0
 * polls, ~0 for ever). */
u64 machine_wait(u64 deadline_tsc);
bool machine_events_pending(void);
void machine_timer(u64 deadline_tsc);
void machine_signal(struct lcpu *c, u64 bits);
void machine_yield(void);
NORETURN void machine_end(void); /* after a panic */
void machine_backtrace(void);    /* of the caller, to the console */

/* Memory of the instance, and its capabilities. */
struct machine_range {
    u64 cap;
    frame_t lo, hi;
};
extern struct machine_range machine_memory[];
extern u32 machine_memory_ranges;
/* Take 512 frames out of the writable direct map, for the kernel: readable (table nodes)
 * or not mapped at all. */
int machine_seal(frame_t first, bool readable) MUST_CHECK;
/* The reverse, of 512 frames that are in no use.  -E_BUSY: it is as it was. */
int machine_unseal(frame_t first, bool readable) MUST_CHECK;
u64 machine_frame_maps(frame_t f);
u64 machine_frame_word(frame_t f); /* fb_frame_record.word */
bool machine_node_used(frame_t f); /* has a page-table node any entry? */

/* Threads: prepare a stack such that the first switch to it calls thread_first_run();
 * switch stacks; go to the user. */
void machine_thread_setup(struct thread *t);
void machine_thread_release(struct thread *t);
#if defined(LIBOS_HOST)
void machine_switch(struct thread *from, struct thread *to);
#else
/* What the compiler keeps in registers here, and only that, goes to from's stack. On top
 * of a stack is where it goes on (machine_thread_setup). */
static inline void
machine_switch(struct thread *from, struct thread *to)
{
    u64 *save = &from->saved_rsp, *load = &to->saved_rsp;
    __asm__ volatile("push %%rbp\n\t"
                     "lea 1f(%%rip), %%rax\n\t"
                     "push %%rax\n\t"
                     "mov %%rsp, (%0)\n\t"
                     "mov (%1), %%rsp\n\t"
                     "pop %%rax\n\t"
                     "jmp *%%rax\n"
                     "1:\tpop %%rbp"
                     : "+D"(save), "+S"(load)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13",
                       "r14", "r15", "memory", "cc");
}
#endif
NORETURN void machine_enter_user(struct thread *t);
/* The user's half of the CPU: vector state, bases, control block. `to` or `from` may be
 * without a process. */
void machine_user_leave(struct thread *from);
void machine_user_enter(struct thread *to);
/* In a system call of t, the current thread: where it returns to, its flags and its stack
 * were changed in the frame, and no register but rax, rcx, rdx, rsi, rdi and r8 to r11. */
struct user_frame;
void machine_user_moved(struct thread *t, const struct user_frame *f);
/* In a system call of t, the current thread: the user's rsp; and the handler in the table
 * of calls for who needs the whole frame (libos_hooks.call_whole). */
u64 machine_user_rsp(const struct thread *t);
long machine_call_whole(struct user_frame *f);
/* Make a space current on this vCPU (mmu.c); leave a dying one before sleeping. */
void mmu_activate(struct lcpu *c, struct mmu_space *s);
void mmu_leave_dying(struct lcpu *c);

/* thread.c */
NORETURN void thread_first_run(void);
NORETURN void thread_idle(void);
void thread_adopt_idle(struct lcpu *c, struct thread *t, const char *name);
/* Handle event bits that the kernel delivered to this vCPU. */
void event_dispatch(u64 bits, bool user);
/* On the way to the user: all work but WORK_FULL; true: return with all registers. */
bool thread_do_work(struct thread *t, struct user_frame *f);
void thread_preempt(void);

#endif
