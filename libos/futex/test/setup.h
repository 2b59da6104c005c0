/* SPDX-License-Identifier: MIT */
/*
 * For host tests of futexes: words of "user memory", and threads of one process that may
 * wait: a job is given to one, and the test goes on when all sleep.
 *
 * All words are private: what is known by its inode needs mappings, which guest tests
 * have.
 */
#ifndef LIBOS_FUTEX_TEST_SETUP_H
#define LIBOS_FUTEX_TEST_SETUP_H

#include <stdalign.h>

#include "core/error.h"
#include "core/host/host.h"
#include "core/test/check.h"
#include "core/wait.h"
#include "futex/private.h"
#include "proc/pid.h"
#include "proc/proc.h"

#define WORKERS 6u
#define FOREVER ((struct futex_limit){ ~0ull, false })

struct worker {
    struct thread *thread;
    struct waitq wait;
    i64 (*job)(struct worker *w); /* NULL: it waits for one */
    bool over;
    i64 result;
    u32 number, word, count; /* the job's, as all below */
    u32 words[4];
    u32 bits, value;
    struct futex_limit limit;
};

static alignas(4096) u32 word[1024];
static struct process process = { .pid = 1 };
static struct worker worker[WORKERS];

static inline uaddr
word_at(u32 i)
{
    return (uaddr)(uintptr_t)&word[i];
}

static inline void
work(void *arg)
{
    struct worker *w = arg;
    for (;;) {
        CHECK(wait_until(&w->wait, w->job != NULL || w->over, false, ~0ull) == 0);
        if (w->over)
            break;
        w->result = w->job(w);
        w->job = NULL;
    }
    futex_thread_leaves(true);
    pid_set_thread(w->thread->tid, NULL);
    pid_drop(w->thread->tid);
    w->thread->process = NULL; /* which is not one that proc would know */
}

static inline void
worker_start(struct worker *w, u32 number)
{
    *w = (struct worker){ .number = number, .limit = FOREVER, .bits = FUTEX_ANY_BIT };
    waitq_init(&w->wait);
    w->thread = thread_create("worker", work, w);
    CHECK(w->thread != NULL);
    w->thread->process = &process;
    w->thread->tid = pid_alloc();
    CHECK(w->thread->tid > 0);
    pid_set_thread(w->thread->tid, w->thread);
    thread_start(w->thread);
}

/* True: it is through, with w->result; false: it waits. */
static inline bool
worker_do(struct worker *w, i64 (*job)(struct worker *w))
{
    CHECK(w->job == NULL);
    w->job = job;
    wait_wake(&w->wait, ~0u);
    host_settle();
    return w->job == NULL;
}

static inline void
worker_end(struct worker *w)
{
    w->over = true;
    wait_wake(&w->wait, ~0u);
    host_settle();
}

/* As a signal does it. */
static inline void
worker_interrupt(struct worker *w)
{
    (void)thread_wake(w->thread, -E_INTR);
    host_settle();
}

static inline void
setup(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    host_init(32);
    host_user_memory(word, sizeof word);
    futex_rooms_init();
    thread_current()->process = &process;
    for (u32 i = 0; i < WORKERS; i++)
        worker_start(&worker[i], i);
}

static inline bool
all_buckets_empty(void)
{
    for (u32 i = 0; i < FUTEX_BUCKETS; i++) {
        if (!list_empty(&futex_buckets[i].waiters))
            return false;
    }
    return true;
}

#endif
