/* SPDX-License-Identifier: MIT */
/* The table of processes: making and freeing them, references, look-up, iteration. */
#include "core/clock.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/page.h"
#include "core/sched.h"
#include "core/string.h"
#include "proc/handle.h"
#include "proc/internal.h"
#include "signal/signal.h"
#include "vm/mm.h"

struct spinlock family_lock = SPINLOCK_INIT;
struct process *proc_init_process;
static _Atomic u64 process_count;
static _Atomic u64 thread_count; /* of all processes; zombies have none */
static _Atomic u64 fork_count;   /* only grows */

/* Linux's defaults; the numbers are posix's RLIMIT_* (0 CPU .. 15 RTTIME). */
static const struct rlimit_pair default_limits[PROC_RLIMITS] = {
    [0] = { ~0ull, ~0ull },
    [1] = { ~0ull, ~0ull },
    [2] = { ~0ull, ~0ull },
    [3] = { 8ull << 20, ~0ull },
    [4] = { 0, ~0ull },
    [5] = { ~0ull, ~0ull },
    [6] = { 16384, 16384 },
    [7] = { 1024, 4096 },
    [8] = { 8ull << 20, 8ull << 20 },
    [9] = { ~0ull, ~0ull },
    [10] = { ~0ull, ~0ull },
    [11] = { 16384, 16384 },
    [12] = { 819200, 819200 },
    [13] = { 0, 0 },
    [14] = { 0, 0 },
    [15] = { ~0ull, ~0ull },
};

void
process_limits_default(struct process *p)
{
    memcpy(p->limits, default_limits, sizeof p->limits);
}

struct process *
process_new(i32 number, int *error)
{
    struct process *p = heap_alloc_zeroed(sizeof *p);
    if (p == NULL) {
        *error = -E_NOMEM;
        return NULL;
    }
    p->pid = number != 0 ? pid_alloc_chosen(number) : pid_alloc();
    if (p->pid < 0) {
        *error = p->pid;
        heap_free(p);
        return NULL;
    }
    atomic_store_explicit(&p->refs, 1, memory_order_relaxed);
    list_init(&p->children);
    list_init(&p->sibling);
    list_init(&p->threads);
    list_init(&p->tracees);
    list_init(&p->group_link);
    waitq_init(&p->child_wait);
    waitq_init(&p->vfork_wait);
    waitq_init(&p->threads_wait);
    waitq_init(&p->stop_wait);
    p->start_ns = clock_mono_ns();
    p->dumpable = 1;
    return p;
}

/* What a process still holds when nobody can reach it any more. */
static void
process_free_rest(struct process *p)
{
    signal_process_free(p);
    cpu_watch_process_ends(p);
    usage_timers_free(p);
    if (p->cred != NULL)
        cred_release(p->cred);
    if (p->party != NULL)
        sched_party_release(p->party);
    if (p->handle != NULL)
        proc_handle_release(p->handle);
    heap_free(p);
}

void
process_discard(struct process *p)
{
    if (p->mm != NULL)
        mm_release(p->mm);
    if (p->actions != NULL)
        signal_actions_release(p->actions);
    pid_drop(p->pid);
    process_free_rest(p);
}

void
process_publish_locked(struct process *p, struct process *parent, struct pgroup *g)
{
    p->parent = parent;
    p->ppid = parent != NULL ? parent->pid : 0;
    if (parent != NULL)
        list_push_back(&parent->children, &p->sibling);
    pgroup_enter_locked(p, g);
    pid_set_process(p->pid, p);
    atomic_fetch_add_explicit(&process_count, 1, memory_order_relaxed);
    p->charged_uid = p->cred->uid;
    user_charge(p->charged_uid, 1);
}

void
process_bury_locked(struct process *p, struct pgroup **empty)
{
    pid_set_process(p->pid, NULL);
    list_remove(&p->sibling);
    p->parent = NULL;
    *empty = pgroup_leave_locked(p);
    atomic_store_explicit(&p->state, PROC_DEAD, memory_order_relaxed);
    proc_handle_buried(p);
    atomic_fetch_sub_explicit(&process_count, 1, memory_order_relaxed);
    user_charge(p->charged_uid, -1);
}

void
proc_hold(struct process *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
}

void
proc_release(struct process *p)
{
    u32 before = atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before > 1)
        return;
    ASSERT(list_empty(&p->children) && list_empty(&p->threads) &&
           list_empty(&p->sibling));
    pid_drop(p->pid);
    process_free_rest(p);
}

struct process *
proc_find(i32 pid)
{
    spin_lock(&pid_lock);
    struct pid_slot *s = pid_slot_locked(pid);
    struct process *p = s != NULL ? s->process : NULL;
    if (p != NULL)
        proc_hold(p);
    spin_unlock(&pid_lock);
    return p;
}

struct thread *
process_thread_locked(struct process *p, i32 tid)
{
    spin_lock(&pid_lock);
    struct pid_slot *slot = pid_slot_locked(tid);
    struct thread *t = slot != NULL ? slot->thread : NULL;
    bool ours = t != NULL && t->process == p; /* R5 */
    spin_unlock(&pid_lock);
    return ours ? t : NULL;
}

struct process *
proc_find_thread(i32 tid)
{
    spin_lock(&pid_lock);
    struct pid_slot *s = pid_slot_locked(tid);
    struct process *p = s == NULL           ? NULL
                        : s->thread != NULL ? s->thread->process
                                            : s->process; /* its first thread has ended */
    if (p != NULL)
        proc_hold(p);
    spin_unlock(&pid_lock);
    return p;
}

struct process *
proc_next(i32 after)
{
    spin_lock(&pid_lock);
    struct process *p = NULL;
    for (i32 pid = pid_next_used(after); pid > 0 && p == NULL; pid = pid_next_used(pid)) {
        struct pid_slot *s = pid_slot_locked(pid);
        p = s != NULL ? s->process : NULL;
    }
    if (p != NULL)
        proc_hold(p);
    spin_unlock(&pid_lock);
    return p;
}

u32
proc_each_in_group(i32 pgid, bool (*fn)(struct process *p, void *arg), void *arg)
{
    u32 count = 0;
    spin_lock(&family_lock);
    struct process *self = thread_current()->process;
    struct pgroup *g = pgid != 0      ? pgroup_find_locked(pgid)
                       : self != NULL ? self->group
                                      : NULL;
    if (g != NULL) {
        list_for_each_safe(it, &g->members) {
            count++;
            if (!fn(container_of(it, struct process, group_link), arg))
                break;
        }
    }
    spin_unlock(&family_lock);
    return count;
}

void
proc_each_of_user(u32 uid, bool (*fn)(struct process *p, void *arg), void *arg)
{
    bool more = true;
    i32 at = 0;
    for (struct process *p; more && (p = proc_next(at)) != NULL;) {
        at = p->pid;
        spin_lock(&p->lock);
        bool match = p->cred != NULL && p->cred->uid == uid;
        spin_unlock(&p->lock);
        more = !match || fn(p, arg);
        proc_release(p);
    }
}

u64
proc_threads(void)
{
    return atomic_load_explicit(&thread_count, memory_order_relaxed);
}

u64
proc_count(void)
{
    return atomic_load_explicit(&process_count, memory_order_relaxed);
}

u64
proc_forks(void)
{
    return atomic_load_explicit(&fork_count, memory_order_relaxed);
}

void
process_count_thread(void)
{
    atomic_fetch_add_explicit(&thread_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&fork_count, 1, memory_order_relaxed);
}

/* Memory for a thread and its share of the rest: so a bomb of forks meets -E_AGAIN before
 * it has taken all memory from the one who wants to end it. */
#define BYTES_FOR_THREAD (128u << 10)
#define THREADS_LEAST 64u

u64
proc_threads_max(void)
{
    static u64 most; /* every caller computes the same */
    if (most == 0) {
        struct page_counts pages;
        page_count(&pages);
        most = MAX(pages.total * PAGE_SIZE / BYTES_FOR_THREAD, THREADS_LEAST);
    }
    return most;
}

int
process_may_grow(const struct process *parent)
{
    u64 most = proc_threads_max();
    if (atomic_load_explicit(&thread_count, memory_order_relaxed) >= most)
        return -E_AGAIN;
    /* There are not that many processes at all: the common case. */
    u64 limit = parent->limits[LIMIT_NPROC].soft;
    const struct cred *c = cred_own();
    if (limit == ~0ull || c->uid == 0 || cred_can(c, CAP_SYS_RESOURCE) ||
        cred_can(c, CAP_SYS_ADMIN))
        return 0;
    return user_tasks(c->uid) >= limit ? -E_AGAIN : 0;
}

#define SLACK_NS 50000u /* Linux's, of a program that does not ask for another */

int
process_add_thread_locked(struct process *p, struct thread *t)
{
    if (p->group_exit || p->exec_thread != NULL)
        return -E_INTR;
    if (t->cred == NULL) { /* the first one */
        t->cred = p->cred;
        cred_hold(t->cred);
        t->timer_slack_ns = t->default_slack_ns = SLACK_NS;
    }
    list_push_back(&p->threads, &t->process_link);
    p->nthreads++;
    process_count_thread();
    if (t->tid != p->pid) {
        t->charged_uid = t->cred->uid;
        user_charge(t->charged_uid, 1);
    }
    pid_set_thread(t->tid, t);
    process_party_enter_locked(p, t);
    if (p->group_stop)
        thread_set_work(t, WORK_SIGNAL);
    return 0;
}

int
process_add_thread(struct process *p, struct thread *t)
{
    spin_lock(&p->lock);
    int error = process_add_thread_locked(p, t);
    spin_unlock(&p->lock);
    return error;
}

void
process_remove_thread_locked(struct process *p, struct thread *t)
{
    list_remove(&t->process_link);
    p->nthreads--;
    atomic_fetch_sub_explicit(&thread_count, 1, memory_order_relaxed);
    pid_set_thread(t->tid, NULL);
    usage_thread_ends_locked(p, t);
    if (t->tid != p->pid)
        user_charge(t->charged_uid, -1);
}
