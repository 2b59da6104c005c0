/* SPDX-License-Identifier: MIT */
/* The scheduler and the upcalls: see rt.h for the rules. */
#include "sdk/examples/rt/rt.h"

#include <sdk/reclaim.h>
#include <sdk/steward.h>
#include <sdk/stubs.h>

static struct rt_thread threads[RT_THREADS];
static u8 stacks[RT_THREADS][RT_STACK] __attribute__((aligned(16)));
static u32 nthreads;
static struct rt_thread *running;
static u64 end_at = FB_FOREVER;
static void (*end_call)(void);

__attribute__((noreturn)) void rt_upcall(u64 area, u64 vector);
__attribute__((noreturn)) void rt_schedule(void);

void
rt_print(const char *format, ...)
{
    char line[256];
    va_list args;

    va_start(args, format);
    size_t n = sdk_format(line, sizeof(line) - 2, format, args);
    va_end(args);
    n = n < sizeof(line) - 3 ? n : sizeof(line) - 3;
    line[n++] = '\r';
    line[n++] = '\n';
    memcpy(RT_BUFFER, line, n);
    fb_console_write(RT_INFO->cap_machine, 0, n, NULL);
}

/* ---- threads ---- */

static void
thread_begin(void (*body)(struct rt_thread *), struct rt_thread *t)
{
    for (;;) {
        body(t);
        rt_next_period();
    }
}

struct rt_thread *
rt_spawn(void (*body)(struct rt_thread *), u64 first, u64 period)
{
    if (nthreads == RT_THREADS)
        return NULL;
    struct rt_thread *t = &threads[nthreads];
    *t = (struct rt_thread){
        .period = period, .release = first, .stack = stacks[nthreads]
    };
    nthreads++;
    t->stats.start_min = t->stats.response_min = FB_FOREVER;
    t->regs.rip = (u64)thread_begin;
    t->regs.rdi = (u64)body;
    t->regs.rsi = (u64)t;
    t->regs.rsp = (u64)(t->stack + RT_STACK - 8);
    t->regs.rflags = 0x202;
    return t;
}

static void
note_end(struct rt_thread *t, u64 now)
{
    struct rt_stats *s = &t->stats;
    u64 took = now - t->release;

    s->jobs++;
    s->missed += now > t->deadline;
    s->response_min = took < s->response_min ? took : s->response_min;
    s->response_max = took > s->response_max ? took : s->response_max;
}

static void
note_start(struct rt_thread *t, u64 now)
{
    struct rt_stats *s = &t->stats;
    u64 late = now - t->release;

    t->started = true;
    s->start_sum += late;
    s->start_min = late < s->start_min ? late : s->start_min;
    s->start_max = late > s->start_max ? late : s->start_max;
}

void
rt_next_period(void)
{
    struct rt_thread *t = running;

    RT_CB->mask = 1;
    note_end(t, rt_now());
    t->released = t->started = false;
    t->release += t->period;
    running = NULL;
    rt_leave(&t->regs);
}

/* ---- earliest deadline first ---- */

/* Release what is due; returns when the next release is. */
static u64
release_due(u64 now)
{
    u64 next = end_at;

    for (struct rt_thread *t = threads; t < threads + nthreads; t++) {
        if (!t->released && t->release <= now) {
            t->released = true;
            t->deadline = t->release + t->period;
        }
        if (!t->released && t->release < next)
            next = t->release;
    }
    return next;
}

static struct rt_thread *
earliest(void)
{
    struct rt_thread *first = NULL;

    for (struct rt_thread *t = threads; t < threads + nthreads; t++)
        if (t->released && (first == NULL || t->deadline < first->deadline))
            first = t;
    return first;
}

void
rt_obey(void)
{
    if (__atomic_load_n(&STEWARD_PAGE->stop, __ATOMIC_ACQUIRE) != 0)
        for (;;)
            fb_domain_exit(STEWARD_EXIT_OFF, NULL);
}

/* What the kernel and the steward ask for. */
static void
answer(u64 events)
{
    u64 request;

    if (events & 1ull << STEWARD_EVENT)
        rt_obey();
    if (events & 1ull << FB_EVENT_SLICE)
        fb_yield(0, NULL); /* T4 */
    if (events & 1ull << FB_EVENT_REVOKE &&
        (request = reclaim_pending(RECLAIM_PAGE)) != 0) {
        /* Its memory is small and all its time is promised to threads. */
        for (u32 i = 0; i < RT_INFO->ncpus; i++)
            RECLAIM_PAGE->keep[i] = RECLAIM_PAGE->ticks[i];
        reclaim_answer(RECLAIM_PAGE, request, 0);
        fb_signal(RECLAIM_PAGE->cap_steward, RECLAIM_PAGE->steward_bit, NULL);
    }
}

void
rt_schedule(void)
{
    struct rt_thread *t;
    u64 events, next;

    for (;;) {
        u64 now = rt_now();
        if (now >= end_at)
            end_call();
        next = release_due(now);
        t = earliest();
        if (t != NULL)
            break;
        events = 0;
        fb_wait(next, &events);
        answer(events);
    }
    running = t;
    fb_timer(next, NULL);
    if (!t->started)
        note_start(t, rt_now());
    RT_CB->save[FB_SAVE_EVENT].regs = t->regs;
    RT_CB->save[FB_SAVE_EVENT].mask = 0;
    for (;;)
        fb_resume(FB_SAVE_EVENT, NULL);
}

void
rt_upcall(u64 area, u64 vector)
{
    const struct fb_save_area *save = &RT_CB->save[area % FB_SAVES];

    if (vector != FB_VECTOR_EVENT || area != FB_SAVE_EVENT || running == NULL) {
        rt_print("rt: vector %lu at %lx, address %lx", vector, save->regs.rip, save->cr2);
        fb_domain_exit(~0ull, NULL);
    }
    running->regs = save->regs;
    running = NULL;
    answer(save->events);
    rt_schedule();
}

void
rt_run(u64 end, void (*at_end)(void))
{
    RT_CB->mask = 1;
    RT_CB->fault_rsp = RT_CB->entry_rsp = RT_CB->event_rsp =
        (u64)scheduler_stack_top;
    end_at = end;
    end_call = at_end;
    fb_vcpu_start(RT_INFO->cap_vcpu[0], 0, (u64)upcall_entry, 0, 0, 0, NULL);
    rt_schedule();
}
