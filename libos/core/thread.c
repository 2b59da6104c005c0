/* SPDX-License-Identifier: MIT */
/*
 * Threads: states, sleeping and waking, switching, the idle loop. T1-T4 in thread.h,
 * Q1-Q3 in sched.h.
 *
 * A sleep and its wake-up, numbered:
 *   1. sleeper: state = SLEEPING (thread_prepare), full fence
 *   2. sleeper: tests its condition
 *   3. waker: changes the condition, full fence (it takes a lock), reads the state
 *   Either 2 sees the change, or 3 sees SLEEPING and makes it RUNNABLE under the lock of
 *   the sleeper's queue.
 *   4. sleeper: under that lock, still SLEEPING: it leaves the CPU; RUNNABLE: it goes on
 *      at once.
 *   The waker puts it into a queue only if it has left the CPU, which the lock decides
 *   (Q2). What it may still touch of the sleeper it touches before it drops that lock.
 */
#include "core/thread.h"

#include <abi/layout.h>

#include "core/account.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/event.h"
#include "core/fpu.h"
#include "core/hooks.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/page.h"
#include "core/page_state.h"
#include "core/sched.h"
#include "core/string.h"

#define STACK_ORDER RUN_ORDER
_Static_assert((PAGE_SIZE << STACK_ORDER) == THREAD_STACK, "a stack is one aligned run");

struct libos_hooks libos_hooks;

static void
thread_release(struct thread *t)
{
    if (libos_hooks.thread_freed && t->process)
        libos_hooks.thread_freed(t);
    if (t->fpu)
        page_free(page_frame(t->fpu));
    machine_thread_release(t);
    page_free_run(page_frame(t), STACK_ORDER);
}

static void make_ready(struct thread *t, struct lcpu *old, enum sched_why why);

/* A thread has left this vCPU for good: it is dead, or goes to another queue. Releases
 * the lock of c's queue. */
static __attribute__((noinline, cold)) void
see_off(struct lcpu *c)
{
    struct thread *t = c->leaving;
    c->leaving = NULL;
    if (atomic_load_explicit(&t->state, memory_order_relaxed) != THREAD_DEAD) {
        make_ready(t, c, SCHED_PREEMPTED);
    } else {
        spin_unlock(&runq_of(c)->lock);
        thread_release(t);
    }
}

/* On the new thread's stack: Q2's release. */
static inline void
finish_switch(void)
{
    struct lcpu *c = lcpu_current();
    if (__builtin_expect(c->leaving != NULL, 0))
        see_off(c);
    else
        spin_unlock(&runq_of(c)->lock);
}

/*
 * The queue's lock is held; `from` gives its vCPU to who should run. It is ready, asleep,
 * dead, or c->leaving. It comes back here when it has a vCPU again, without the lock.
 */
static __attribute__((noinline)) void
give_cpu(struct lcpu *c, struct thread *from, enum sched_why why)
{
    u64 now = machine_tsc();
    struct thread *to = sched_next(c, from, why, now);
    u64 slice_end = runq_of(c)->slice_end;
    if (to == NULL)
        to = c->idle;
    atomic_store_explicit(&to->state, THREAD_RUNNING, memory_order_relaxed);
    if (to == from) {
        spin_unlock(&runq_of(c)->lock);
        timers_slice(c, slice_end);
        return;
    }
    ASSERT(from->canary == THREAD_CANARY);
    if (why != SCHED_GONE)
        from->switches_involuntary++;
    c->switches++;
    c->current = to;
    to->cpu = c;
    to->cb = c->cb;
    to->sched.started = now;
    if (from == c->idle) {
        account_idle_ends(c, now);
        /* It slept by fb_wait's deadline instead of the timer. */
        timers_program(c, slice_end);
    } else if (to == c->idle) {
        account_idle_begins(c, now);
    } else {
        timers_slice(c, slice_end);
    }
    if (from->process)
        machine_user_leave(from);
    if (to->space && to->space != c->space)
        mmu_activate(c, to->space);
    if (to->process)
        machine_user_enter(to);
    machine_switch(from, to);
    finish_switch();
}

/* Lock the queue of the vCPU to which t belongs. */
static inline __attribute__((always_inline)) struct lcpu *
lock_queue_of(struct thread *t)
{
    for (;;) {
        struct lcpu *c = __atomic_load_n(&t->cpu, __ATOMIC_RELAXED);
        spin_lock(&runq_of(c)->lock);
        if (c == __atomic_load_n(&t->cpu, __ATOMIC_RELAXED))
            return c;
        spin_unlock(&runq_of(c)->lock);
    }
}

/* A thread came into the queue of c, another vCPU or one that is busy: if that one sleeps, or
 * another of `allowed` does, it should look. */
static void
rouse(struct lcpu *c, u64 allowed)
{
    /* the queue before `sched_idle` (thread_idle) */
    atomic_thread_fence(memory_order_seq_cst);
    u64 idle = atomic_load_explicit(&sched_idle, memory_order_relaxed) & allowed;
    if (idle == 0)
        return;
    if ((idle >> c->id & 1) == 0)
        c = &lcpus[__builtin_ctzll(idle)];
    machine_signal(c, 1ull << EVENT_POKE);
}

/* t is RUNNABLE, in no queue, and off its CPU; the lock of t->cpu's queue is held, and
 * released here. */
static void
make_ready(struct thread *t, struct lcpu *old, enum sched_why why)
{
    struct lcpu *c = lcpu_count == 1 ? old : sched_place(t, why);
    if (c != old) {
        sched_migrate(t, old, c);
        __atomic_store_n(&t->cpu, c, __ATOMIC_RELAXED);
        spin_unlock(&runq_of(old)->lock);
        spin_lock(&runq_of(c)->lock);
    }
    struct runq *q = runq_of(c);
    bool preempt = sched_ready(c, t, why, machine_tsc());
    bool idle = c->current == c->idle;
    u64 slice_end = q->slice_end, allowed = t->sched.allowed;
    if (preempt) /* under the lock: it could end and be freed */
        atomic_fetch_or(&c->current->work, WORK_RESCHED);
    spin_unlock(&q->lock);
    if (lcpu_count == 1 || c == lcpu_current()) {
        if (!idle)
            timers_slice(c, slice_end);
        if (lcpu_count > 1 && !idle)
            rouse(c, allowed);
    } else if (preempt) { /* else it sees at its next tick that somebody waits */
        machine_signal(c, 1ull << EVENT_POKE);
    } else {
        rouse(c, idle ? 1ull << c->id : allowed);
    }
}

static inline __attribute__((always_inline)) bool
wake(struct thread *t, int result, struct list *link, bool poke)
{
    if (atomic_load(&t->state) != THREAD_SLEEPING)
        return false;
    struct lcpu *c = lock_queue_of(t);
    /* A poke is for the sleep that it saw; by now it may be another, for which a result
     * would be news that is not true. */
    if (atomic_load_explicit(&t->state, memory_order_acquire) != THREAD_SLEEPING ||
        (poke && !t->interruptible)) {
        spin_unlock(&runq_of(c)->lock);
        return false;
    }
    atomic_store_explicit(&t->state, THREAD_RUNNABLE, memory_order_relaxed); /* T3 */
    t->wake_result = result;
    if (link != NULL)
        list_remove(link);
    if (c->current == t) { /* step 4 is still to come */
        spin_unlock(&runq_of(c)->lock);
        return true;
    }
    make_ready(t, c, SCHED_WOKEN);
    return true;
}

bool
thread_wake(struct thread *t, int result)
{
    return wake(t, result, NULL, false);
}

bool
thread_wake_from(struct thread *t, struct list *link)
{
    return wake(t, 0, link, false);
}

void
thread_prepare(bool interruptible)
{
    struct thread *t = thread_current();
    t->interruptible = interruptible;
    t->wake_result = 0;
    atomic_exchange(&t->state, THREAD_SLEEPING); /* step 1, and the fence */
}

/* True: nobody woke it before; false: somebody did, and wake_result is set. */
static bool
take_back(struct thread *t)
{
    struct runq *q = runq_of(t->cpu); /* it runs: Q3 */
    spin_lock(&q->lock);
    bool asleep = atomic_load_explicit(&t->state,
                                       memory_order_relaxed) == THREAD_SLEEPING;
    atomic_store_explicit(&t->state, THREAD_RUNNING, memory_order_relaxed);
    spin_unlock(&q->lock);
    return asleep;
}

void
thread_cancel(void)
{
    (void)take_back(thread_current());
}

struct sleep_timer {
    struct timer timer;
    struct thread *thread;
};

static void
sleep_over(struct timer *timer)
{
    struct sleep_timer *s = container_of(timer, struct sleep_timer, timer);
    thread_wake(s->thread, -E_TIMEDOUT);
}

/* Leave the CPU if still asleep. */
static inline int
block(struct thread *t)
{
    struct lcpu *c = t->cpu;
    struct runq *q = runq_of(c);
    spin_lock(&q->lock);
    if (__builtin_expect(atomic_load_explicit(&t->state, memory_order_relaxed) ==
                         THREAD_SLEEPING, 1)) {
        t->switches_voluntary++;
        give_cpu(c, t, SCHED_GONE);
    } else {
        atomic_store_explicit(&t->state, THREAD_RUNNING, memory_order_relaxed);
        spin_unlock(&q->lock);
    }
    return t->wake_result;
}

static __attribute__((noinline)) int
block_until(struct thread *t, u64 deadline_ns)
{
    if (deadline_ns <= clock_mono_ns())
        return take_back(t) ? -E_TIMEDOUT : t->wake_result;
    struct sleep_timer s = { .thread = t };
    timer_init(&s.timer, sleep_over);
    timer_arm(&s.timer, deadline_ns);
    int result = block(t);
    timer_disarm(&s.timer);
    return result;
}

int
thread_block(u64 deadline_ns)
{
    struct thread *t = thread_current();
    ASSERT(t != t->cpu->idle);
    if (t->interruptible && (atomic_load(&t->work) & (WORK_SIGNAL | WORK_EXIT)))
        return take_back(t) ? -E_INTR : t->wake_result;
    return deadline_ns == ~0ull ? block(t) : block_until(t, deadline_ns);
}

static inline __attribute__((always_inline)) void
give_way_to_others(struct thread *t, struct lcpu *c, enum sched_why why)
{
    struct runq *q = runq_of(c);
    spin_lock(&q->lock);
    atomic_store_explicit(&t->state, THREAD_RUNNABLE, memory_order_relaxed);
    if (__builtin_expect(!sched_allowed(t, c), 0) ||
        (lcpu_count > 1 && why == SCHED_PREEMPTED && sched_is_better_off(t, c))) {
        c->leaving = t; /* it is put into another queue when its stack is left (Q2) */
        t->switches_involuntary++;
        why = SCHED_GONE;
    }
    give_cpu(c, t, why);
    if (t->rseq != 0)
        atomic_fetch_or(&t->work, WORK_RSEQ);
}

/* Is there another thread that should run? */
static inline bool
should_give_way(struct thread *t, struct lcpu *c)
{
    atomic_fetch_and(&t->work, ~WORK_RESCHED); /* before the look at the queue */
    return __atomic_load_n(&runq_of(c)->queued, __ATOMIC_RELAXED) != 0 ||
           !sched_allowed(t, c) || t->sched.policy == SCHED_BY_DEADLINE;
}

void
thread_preempt(void)
{
    struct thread *t = thread_current();
    struct lcpu *c = t->cpu;
    if (should_give_way(t, c))
        give_way_to_others(t, c, SCHED_PREEMPTED);
}

static __attribute__((noinline)) void
yield_to_others(struct thread *t)
{
    give_way_to_others(t, t->cpu, SCHED_YIELDED);
}

void
thread_yield(void)
{
    struct thread *t = thread_current();
    if (should_give_way(t, t->cpu)) /* seldom, for who yields in a loop */
        yield_to_others(t);
}

void
thread_breathe(void)
{
    struct thread *t = thread_current();
    if (t == t->cpu->idle)
        return;
    if (machine_events_pending())
        event_dispatch(machine_wait(0), false);
    if (atomic_load_explicit(&t->work, memory_order_relaxed) & WORK_RESCHED)
        thread_preempt();
}

void
thread_poke(struct thread *t)
{
    u32 state = atomic_load(&t->state);
    if (state == THREAD_SLEEPING) {
        if (t->interruptible)
            (void)wake(t, -E_INTR, NULL, true);
    } else if (state == THREAD_RUNNING) {
        struct lcpu *c = __atomic_load_n(&t->cpu, __ATOMIC_RELAXED);
        if (c != lcpu_current())
            machine_signal(c, 1ull << EVENT_POKE);
    }
}

void
thread_set_work(struct thread *t, u32 bits)
{
    atomic_fetch_or(&t->work, bits);
}

void
thread_set_nice(struct thread *t, int nice)
{
    struct lcpu *c = lock_queue_of(t); /* its weight may be part of the load */
    sched_set_nice(t, nice);
    spin_unlock(&runq_of(c)->lock);
}

/* The lock of c's queue is held, and released here: t's class or place has changed. */
static void
choose_again(struct lcpu *c)
{
    /* What runs there may not be what should. */
    struct thread *current = c->current;
    if (current != c->idle)
        thread_set_work(current, WORK_RESCHED);
    spin_unlock(&runq_of(c)->lock);
    if (c != lcpu_current())
        machine_signal(c, 1ull << EVENT_POKE);
}

void
thread_set_policy(struct thread *t, const struct sched_params *to)
{
    struct lcpu *c = lock_queue_of(t);
    sched_change(c, t, to);
    choose_again(c);
}

void
thread_set_party(struct thread *t, struct sched_party *party, u32 slot)
{
    struct lcpu *c = lock_queue_of(t);
    struct sched_party *before = sched_set_party(c, t, party, slot);
    choose_again(c);
    if (before != NULL)
        sched_party_release(before);
}

void
thread_boost(struct thread *t, u32 priority)
{
    if (t->sched.lent_priority == priority)
        return;
    struct lcpu *c = lock_queue_of(t);
    sched_boost(c, t, priority);
    choose_again(c);
}

void
thread_set_allowed(struct thread *t, u64 allowed)
{
    struct lcpu *c = lock_queue_of(t);
    t->sched.allowed = allowed;
    if (sched_allowed(t, c) || t == c->idle) {
        spin_unlock(&runq_of(c)->lock);
    } else if (t->sched.queued) {
        sched_take(c, t);
        make_ready(t, c, SCHED_PREEMPTED); /* releases the lock */
    } else {
        thread_set_work(t, WORK_RESCHED); /* it runs here, or is on its way here */
        spin_unlock(&runq_of(c)->lock);
        if (c != lcpu_current())
            machine_signal(c, 1ull << EVENT_POKE);
    }
}

void
thread_return(struct thread *t)
{
    struct lcpu *c = lock_queue_of(t);
    if (sched_return(c, t))
        make_ready(t, c, SCHED_PREEMPTED); /* releases the lock */
    else
        spin_unlock(&runq_of(c)->lock);
}

u64
thread_cpu_ns(struct thread *t)
{
    u64 ticks = t->sched.runtime;
    if (atomic_load(&t->state) == THREAD_RUNNING)
        ticks += machine_tsc() - t->sched.started;
    return clock_ticks_to_ns(ticks);
}

static struct thread *
thread_make(void)
{
    frame_t f = page_alloc_core_run(STACK_ORDER);
    if (f == FRAME_NONE)
        return NULL;
    struct thread *t = page_ptr(f);
    memset(t, 0, sizeof(*t));
    t->canary = THREAD_CANARY;
    t->cpu = lcpu_current();
    t->cb = t->cpu->cb;
    list_init(&t->process_link);
    t->start_ns = clock_mono_ns();
    sched_init_thread(t, thread_current());
    machine_thread_setup(t);
    return t;
}

struct thread *
thread_create(const char *name, void (*entry)(void *), void *arg)
{
    struct thread *t = thread_make();
    if (t) {
        string_copy(t->name, name, sizeof(t->name));
        t->entry = entry;
        t->arg = arg;
    }
    return t;
}

struct thread *
thread_create_user(struct process *p, const struct user_frame *like)
{
    frame_t fpu = page_alloc();
    if (fpu == FRAME_NONE)
        return NULL;
    struct thread *t = thread_make();
    if (!t) {
        page_free(fpu);
        return NULL;
    }
    t->process = p;
    t->fpu = page_ptr(fpu);
    fpu_init_state(t->fpu);
    if (libos_hooks.process_space)
        t->space = libos_hooks.process_space(p);
    struct user_frame *f = thread_frame(t);
    if (like != NULL)
        *f = *like;
    else
        *f = (struct user_frame){ .cs = USER_CS, .ss = USER_SS, .rflags = 0x202 };
    f->orig_rax = ~0ull; /* the frame is whole */
    atomic_store(&t->work, WORK_FULL);
    return t;
}

void
thread_start(struct thread *t)
{
    struct lcpu *c = lock_queue_of(t);
    ASSERT(atomic_load(&t->state) == THREAD_NEW);
    atomic_store(&t->state, THREAD_RUNNABLE);
    make_ready(t, c, SCHED_NEW);
}

void
thread_first_run(void)
{
    finish_switch();
    struct thread *t = thread_current();
    if (t->entry) {
        t->entry(t->arg);
        thread_exit();
    }
    thread_do_work(t, thread_frame(t));
    machine_enter_user(t);
}

void
thread_exit(void)
{
    struct thread *t = thread_current();
    sched_thread_ends(t);
    struct lcpu *c = t->cpu;
    spin_lock(&runq_of(c)->lock);
    atomic_store(&t->state, THREAD_DEAD);
    c->leaving = t;
    if (c->fpu_owner == t)
        c->fpu_owner = NULL;
    give_cpu(c, t, SCHED_GONE);
    libos_panic("a dead thread ran");
}

bool
thread_do_work(struct thread *t, struct user_frame *f)
{
    bool full = false;
    for (;;) {
        u32 work = atomic_load(&t->work);
        if (work == 0)
            return full;
        if (work & WORK_FULL) {
            atomic_fetch_and(&t->work, ~WORK_FULL);
            full = true;
        }
        if (work & WORK_EXIT) {
            libos_hooks.exit_work(t);
            libos_panic("exit_work returned");
        }
        if (work & WORK_RESCHED)
            thread_preempt();
        if (work & WORK_RSEQ) {
            atomic_fetch_and(&t->work, ~WORK_RSEQ);
            libos_hooks.rseq_work(t, f);
        }
        if (work & (WORK_SIGNAL | WORK_TRACE)) {
            atomic_fetch_and(&t->work, ~(WORK_SIGNAL | WORK_TRACE));
            libos_hooks.signal_work(t, f);
            if (t->rseq != 0) /* it may have been stopped */
                atomic_fetch_or(&t->work, WORK_RSEQ);
        }
    }
}

void
thread_adopt_idle(struct lcpu *c, struct thread *t, const char *name)
{
    memset(t, 0, sizeof(*t));
    t->canary = THREAD_CANARY;
    t->cpu = c;
    t->cb = c->cb;
    list_init(&t->process_link);
    string_copy(t->name, name, sizeof(t->name));
    atomic_store(&t->state, THREAD_RUNNING);
    t->sched.started = c->sampled_tsc = machine_tsc(); /* it idles from now on */
    c->tick_tsc = FB_FOREVER;
    c->idle = t;
    c->current = t;
    sched_init_thread(t, NULL);
}

/* Whoever waits here, or was stolen (or NULL), runs; false: nobody. */
static bool
idle_takes(struct lcpu *c, struct thread *stolen)
{
    struct runq *q = runq_of(c);
    spin_lock(&q->lock);
    if (stolen != NULL)
        (void)sched_ready(c, stolen, SCHED_PREEMPTED, machine_tsc());
    bool any = q->queued != 0;
    if (any)
        give_cpu(c, c->idle, SCHED_GONE); /* releases the lock */
    else
        spin_unlock(&q->lock);
    return any;
}

void
thread_idle(void)
{
    struct thread *t = thread_current();
    struct lcpu *c = t->cpu;
    struct runq *q = runq_of(c);
    ASSERT(t == c->idle);
    for (;;) {
        struct thread *stolen = NULL;
        if (__atomic_load_n(&q->queued, __ATOMIC_RELAXED) == 0)
            stolen = sched_steal(c, false);
        if (idle_takes(c, stolen))
            continue;
        mmu_leave_dying(c);
        atomic_fetch_or(&sched_idle, 1ull << c->id); /* and a fence: B1 in sched/balance.c */
        u64 bits = 0;
        stolen = lcpu_count > 1 ? sched_steal(c, true) : NULL;
        if (stolen == NULL && __atomic_load_n(&q->queued, __ATOMIC_RELAXED) == 0)
            bits = machine_wait(timers_next_tsc(c));
        atomic_fetch_and(&sched_idle, ~(1ull << c->id));
        if (stolen != NULL) {
            (void)idle_takes(c, stolen);
            continue;
        }
        timers_run(c);
        event_dispatch(bits, false);
    }
}
