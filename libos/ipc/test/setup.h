/* SPDX-License-Identifier: MIT */
/*
 * For host tests of System V objects and POSIX queues: who asks (`as`), and threads that do
 * what may wait: a job is given to one, and the test goes on when all sleep.
 */
#ifndef LIBOS_IPC_TEST_SETUP_H
#define LIBOS_IPC_TEST_SETUP_H

#include "core/error.h"
#include "core/host/host.h"
#include "core/log.h"
#include "core/test/check.h"
#include "core/wait.h"
#include "fs/tmpfs/tmpfs.h"
#include "ipc/mq.h"
#include "ipc/msg.h"
#include "ipc/sem.h"
#include "ipc/shm.h"
#include "vfs/mount.h"

static struct cred root_user = { .refs = 1, .permitted = CAPS_ALL, .effective = CAPS_ALL };
static const struct cred *as = &root_user;
static u64 queue_limit = 819200;
static u32 told;                 /* notes */
static i32 told_number;
static bool mine = true;
static char owner;               /* of notes: it is not looked at */

static const struct cred *
setup_cred(void)
{
    return as;
}
static bool
setup_is_mine(const struct mq_note *note)
{
    (void)note;
    return mine;
}
static void
setup_tell(const struct mq_note *note)
{
    told++;
    told_number = note->number;
}
static void
setup_drop(void *what)
{
    CHECK(what == &owner);
}
static u64
setup_limit(void)
{
    return queue_limit;
}

static inline void
setup(unsigned megabytes)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct filesystem *fs;
    host_init(megabytes);
    vfs_init();
    CHECK(tmpfs_create(&fs) == 0 && vfs_mount_root(fs) == 0);
    vfs_current_cred = setup_cred;
    mq_hooks = (struct mq_hooks){ setup_is_mine, setup_tell, setup_drop, setup_limit };
    mq_init();
}

/* ---- threads that may wait ---- */

struct worker {
    struct thread *thread;
    struct waitq wait;
    int (*job)(struct worker *w); /* NULL: it waits for one */
    bool over;
    int result;
    u32 number;
    void *data;                   /* the test's */
};

static inline void
work(void *arg)
{
    struct worker *w = arg;
    for (;;) {
        CHECK(wait_until(&w->wait, w->job != NULL || w->over, false, ~0ull) == 0);
        if (w->over)
            return;
        w->result = w->job(w);
        w->job = NULL;
    }
}

static inline void
worker_start(struct worker *w, u32 number)
{
    waitq_init(&w->wait);
    w->number = number;
    w->job = NULL;
    w->over = false;
    w->thread = thread_create("worker", work, w);
    CHECK(w->thread != NULL);
    thread_start(w->thread);
}

/* True: it is through, with w->result; false: it waits. */
static inline bool
worker_do(struct worker *w, int (*job)(struct worker *w))
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

#endif
