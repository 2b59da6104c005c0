/* SPDX-License-Identifier: MIT */
/* The current thread (T1 in core/thread.h): what locks need to know of threads. */
#ifndef LIBOS_CORE_CURRENT_H
#define LIBOS_CORE_CURRENT_H

#include "core/types.h"

#define THREAD_STACK 16384u

struct thread;
#ifdef LIBOS_HOST
struct thread *thread_current(void);
#else
static inline struct thread *
thread_current(void)
{
    u64 rsp;
    __asm__("mov %%rsp, %0" : "=r"(rsp));
    return (struct thread *)(rsp & ~(u64)(THREAD_STACK - 1));
}
#endif

#endif
