/* SPDX-License-Identifier: MIT */
/*
 * The stand-in for the machine: the rooms of the LibOS in one process of the host, with
 * its sanitizers.
 *
 * One vCPU, threads as coroutines, time that moves only when all threads sleep (or when a
 * test moves it): everything repeats.
 * Frames come from an arena, page tables are a tree; user memory is what the current
 * thread's space maps, or, for a thread
 * without a space, a buffer that the test named (its addresses are user addresses).
 */
#ifndef LIBOS_CORE_HOST_H
#define LIBOS_CORE_HOST_H

#include "core/thread.h"
#include "core/types.h"

/* Call first. The caller becomes an ordinary LibOS thread, "main". megabytes of frames,
 * at least 8. */
void host_init(unsigned megabytes);
/* before or after host_init; kept by reference */
void host_cmdline(const char *text);
void host_initrd(const void *at, size_t bytes);
void host_advance(u64 ns);                   /* the clock; timers that are due fire */
u64 host_now(void);
void host_tick(u64 ns);                      /* the clock alone: nothing fires */
/* [base, base + bytes) are user addresses of threads without a space. */
void host_user_memory(void *base, size_t bytes);
/* What a thread of a process does "in the user"; then it ends. */
extern void (*host_user_entry)(struct thread *t, struct user_frame *f);
/* The n-th allocation from now on (heap) fails, and all later ones until it is set again;
 * ~0: none. */
void host_fail_heap_after(u64 n);
/* Console output goes here instead of standard error. */
extern void (*host_console)(const char *text, size_t bytes);
/* Run until all threads but the caller sleep or have ended (without moving the clock). */
void host_settle(void);
/* Frames and heap objects in use, for the proof that nothing was lost. */
struct host_counts {
    u64 frames, objects, mapped;
};
struct host_counts host_count(void);

#endif
