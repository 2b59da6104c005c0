/* SPDX-License-Identifier: MIT */
/*
 * The classes and the balance over 1, 2 and 4 vCPUs, in steps of virtual time: threads
 * here are only what the scheduler knows of them, and run, sleep and wake as a test says.
 * A step checks that no thread is lost or in two places, that none waits while a vCPU
 * idles that it may use, and that precedence holds (S1, S2, B1, B2).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/host/host.h"
#include "core/machine.h"
#include "core/page.h"
#include "core/sched.h"
#include "core/test/check.h"
#include "core/thread.h"
#include "sched/class.h"

#define STEP_NS 50000ull
#define STEP ((u64)STEP_NS)
#define MS 1000000ull
#define CPUS_MAX 4u
#define ACTORS_MAX 40u

struct actor {
    struct thread *t;
    bool ready;
    u64 wakes_at;        /* while it sleeps; ~0: nobody wakes it */
    u64 run_left;        /* until it sleeps; ~0: for ever */
    u64 run, sleep;      /* how long it does each */
    bool random;         /* up to so long */
    u64 ran, woken_at, latency_max;
    u64 job_due, late_max, jobs;
    u32 waited;          /* steps for which a vCPU idled that it may use */
};

static struct actor actors[ACTORS_MAX];
static u32 count;
static struct thread *idle_of[CPUS_MAX];
static struct lcpu saved;
static u64 idle_steps;
static u32 waited_max;

static struct thread *
new_thread(void)
{
    struct thread *t = calloc(1, sizeof *t);
    t->canary = THREAD_CANARY;
    t->cpu = &lcpus[0];
    t->sched.started = machine_tsc();
    return t;
}

static void
begin(u32 cpus)
{
    saved = lcpus[0];
    host_tick(2000 * MS); /* a new period of real-time threads */
    lcpu_count = cpus;
    idle_steps = 0;
    waited_max = 0;
    atomic_store(&sched_idle, 0);
    for (u32 i = 0; i < cpus; i++) {
        struct lcpu *c = &lcpus[i];
        c->id = i;
        if (i > 0)
            timers_init(c);
        if (c->queue != NULL)
            memset(c->queue, 0, sizeof(struct sched_queue));
        sched_init_lcpu(c);
        idle_of[i] = new_thread();
        idle_of[i]->cpu = c;
        sched_init_thread(idle_of[i], NULL);
        c->idle = c->current = idle_of[i];
    }
    count = 0;
}

static void
let_run(struct lcpu *c, struct thread *next)
{
    if (next == NULL)
        next = c->idle;
    atomic_store(&next->state, THREAD_RUNNING);
    c->current = next;
    next->cpu = c;
    next->sched.started = machine_tsc();
}

static void
switch_from(struct lcpu *c, enum sched_why why)
{
    spin_lock(&runq_of(c)->lock);
    atomic_fetch_and(&c->current->work, ~WORK_RESCHED);
    struct thread *next = sched_next(c, c->current, why, machine_tsc());
    let_run(c, next);
    spin_unlock(&runq_of(c)->lock);
}

static void
wake_actor(struct actor *a, enum sched_why why)
{
    a->ready = true;
    a->run_left = a->random && a->run != ~0ull ? (u64)rand() % a->run + 1 : a->run;
    a->woken_at = machine_tsc();
    a->job_due = 0;
    atomic_store(&a->t->state, why == SCHED_NEW ? THREAD_NEW : THREAD_SLEEPING);
    if (why == SCHED_NEW)
        thread_start(a->t);
    else
        CHECK(thread_wake(a->t, 0));
}

static struct actor *
actor_on(u32 at, enum sched_policy policy, u32 priority, int nice, u64 run, u64 sleep)
{
    struct actor *a = &actors[count++];
    struct sched_params to = { .policy = policy, .priority = priority, .nice = nice };
    *a = (struct actor){ .t = new_thread(), .run = run, .sleep = sleep };
    a->t->cpu = &lcpus[at];
    sched_init_thread(a->t, NULL);
    sched_change(&lcpus[at], a->t, &to);
    return a;
}

static struct actor *
actor(enum sched_policy policy, u32 priority, int nice, u64 run, u64 sleep)
{
    return actor_on(0, policy, priority, nice, run, sleep);
}

static int
set_deadline(struct actor *a, u64 runtime, u64 deadline, u64 period)
{
    struct sched_params to = { .policy = SCHED_BY_DEADLINE,
                               .reserve = { .runtime_ns = runtime,
                                            .deadline_ns = deadline,
                                            .period_ns = period } };
    int error = sched_reserve(a->t, &to.reserve);
    if (error == 0)
        sched_change(a->t->cpu, a->t, &to);
    return error;
}

static struct actor *
actor_of(const struct thread *t)
{
    for (u32 i = 0; i < count; i++) {
        if (actors[i].t == t)
            return &actors[i];
    }
    return NULL;
}

/* What a vCPU does in one step. */
static void
run_cpu(struct lcpu *c, bool tick)
{
    if (c->current != c->idle) {
        struct actor *a = actor_of(c->current);
        CHECK(a != NULL && a->ready);
        a->ran += STEP;
        if (a->latency_max < machine_tsc() - a->woken_at && a->woken_at != 0)
            a->latency_max = machine_tsc() - a->woken_at;
        a->woken_at = 0;
        if (a->run_left != ~0ull)
            a->run_left -= MIN(a->run_left, STEP);
        if (a->run_left == 0) {
            u64 sleep = a->random ? (u64)rand() % a->sleep + 1 : a->sleep;
            if (a->t->sched.policy == SCHED_BY_DEADLINE) {
                a->jobs++;
                u64 due = a->t->sched.reserve.due;
                if (machine_tsc() > due)
                    a->late_max = MAX(a->late_max, machine_tsc() - due);
            }
            a->ready = false;
            a->wakes_at = a->sleep == ~0ull ? ~0ull : machine_tsc() + sleep;
            atomic_store(&a->t->state, THREAD_SLEEPING);
            switch_from(c, SCHED_GONE);
        }
        if (c->current != c->idle) {
            struct thread *more = tick && lcpu_count > 1 ? sched_balance(c, machine_tsc())
                                                         : NULL;
            if (more != NULL)
                (void)sched_ready(c, more, SCHED_PREEMPTED, machine_tsc());
            if (sched_turn_over(c, machine_tsc()) || (atomic_load(&c->current->work) & WORK_RESCHED))
                switch_from(c, SCHED_PREEMPTED);
        }
    }
    if (c->current == c->idle) {
        struct thread *stolen = NULL;
        atomic_fetch_or(&sched_idle, 1ull << c->id);
        if (runq_of(c)->queued == 0)
            stolen = sched_steal(c, true);
        if (stolen != NULL)
            (void)sched_ready(c, stolen, SCHED_PREEMPTED, machine_tsc());
        if (runq_of(c)->queued != 0) {
            atomic_fetch_and(&sched_idle, ~(1ull << c->id));
            switch_from(c, SCHED_GONE);
        } else {
            idle_steps++;
        }
    }
}

/* S2, B1, B2, S1. */
static void
check_all(void)
{
    u32 queued = 0, counted = 0;
    u64 idle = 0;
    for (u32 i = 0; i < lcpu_count; i++) {
        struct lcpu *c = &lcpus[i];
        counted += runq_of(c)->queued;
        if (c->current == c->idle)
            idle |= 1ull << i;
    }
    for (u32 i = 0; i < count; i++) {
        struct actor *a = &actors[i];
        bool runs = a->t->cpu->current == a->t;
        if (runs)
            CHECK(sched_allowed(a->t, a->t->cpu));
        CHECK(a->ready == runs + a->t->sched.queued + a->t->sched.reserve.aside);
        queued += a->t->sched.queued;
        bool could = a->t->sched.queued != 0 &&
                     (a->t->sched.allowed & idle) != 0;
        a->waited = could ? a->waited + 1 : 0;
        waited_max = MAX(waited_max, a->waited);
        CHECK(a->waited <= 1);
    }
    CHECK(queued == counted);
}

static void
run_for(u64 ns)
{
    u64 end = machine_tsc() + ns;
    for (u64 n = 0; machine_tsc() < end; n++) {
        host_tick(STEP);
        timers_run(&lcpus[0]);
        for (u32 i = 0; i < count; i++) {
            if (!actors[i].ready && machine_tsc() >= actors[i].wakes_at)
                wake_actor(&actors[i], SCHED_WOKEN);
        }
        u32 first = (u32)rand() % lcpu_count;
        for (u32 i = 0; i < lcpu_count; i++)
            run_cpu(&lcpus[(first + i) % lcpu_count], n % 80 == 0);
        check_all();
    }
}

static void
start_all(void)
{
    for (u32 i = 0; i < count; i++)
        wake_actor(&actors[i], SCHED_NEW);
}

static void
end(void)
{
    for (u32 i = 0; i < count; i++) {
        if (actors[i].t->sched.queued != 0)
            sched_take(actors[i].t->cpu, actors[i].t);
        sched_thread_ends(actors[i].t);
    }
    for (u32 i = 0; i < lcpu_count; i++)
        CHECK(runq_of(&lcpus[i])->queued == 0 && queue_of(&lcpus[i])->others == 0);
    host_tick(100 * MS);
    timers_run(&lcpus[0]);
    for (u32 i = 0; i < count; i++)
        free(actors[i].t);
    for (u32 i = 0; i < lcpu_count; i++)
        free(idle_of[i]);
    lcpu_count = 1;
    lcpus[0].current = saved.current;
    lcpus[0].idle = saved.idle;
}

static const u32 cpu_counts[] = { 1, 2, 4 };
#define EACH_CPUS(i) for (u32 i = 0; i < 3; i++)

/* Verify that threads which never sleep share all vCPUs by weight. */
static void
test_fair_shares_follow_weights_on_all_cpus(void)
{
    EACH_CPUS(k) {
        u32 cpus = cpu_counts[k];
        begin(cpus);
        for (u32 i = 0; i < 2 * cpus + 1; i++)
            actor(SCHED_FAIR, 0, 0, ~0ull, 0);
        start_all();
        run_for(8000 * MS);
        u64 part = 8000 * MS * cpus / count;
        for (u32 i = 0; i < count; i++)
            CHECK(actors[i].ran > part * 80 / 100 && actors[i].ran < part * 125 / 100);
        CHECK(idle_steps == 0);
        end();
    }
}

/* Verify that an idle thread and one of weight 110 get their part beside one of 1024. */
static void
test_fair_weights_within_a_bound(void)
{
    begin(1);
    struct actor *a = actor(SCHED_FAIR, 0, 0, ~0ull, 0);
    struct actor *b = actor(SCHED_FAIR, 0, 10, ~0ull, 0);
    struct actor *c = actor(SCHED_FAIR_IDLE, 0, 0, ~0ull, 0);
    start_all();
    run_for(10000 * MS);
    u64 share = b->ran * 1024 / a->ran;
    CHECK(share > 95 && share < 125);
    CHECK(c->ran < a->ran / 50);
    end();
}

/* Verify that who sleeps most of the time is not kept waiting by many who never do. */
static void
test_fair_sleeper_has_bounded_latency(void)
{
    EACH_CPUS(k) {
        begin(cpu_counts[k]);
        for (u32 i = 0; i < 16; i++)
            actor(SCHED_FAIR, 0, 0, ~0ull, 0);
        struct actor *s = actor(SCHED_FAIR, 0, 0, MS / 10, 20 * MS);
        start_all();
        run_for(4000 * MS);
        CHECK(s->latency_max < 20 * MS);
        end();
    }
}

/* Verify that FIFO and RR obey their priorities, that RR takes turns, and FIFO does not. */
static void
test_rt_priorities_and_turns(void)
{
    begin(1);
    struct actor *a = actor(SCHED_RT_RR, 5, 0, ~0ull, 0);
    struct actor *b = actor(SCHED_RT_RR, 5, 0, ~0ull, 0);
    struct actor *low = actor(SCHED_RT_FIFO, 4, 0, ~0ull, 0);
    struct actor *high = actor(SCHED_RT_FIFO, 9, 0, MS, 9 * MS);
    start_all();
    run_for(4000 * MS);
    CHECK(low->ran == 0);
    CHECK(high->latency_max <= 2 * STEP && high->ran > 390 * MS);
    CHECK(a->ran > b->ran * 80 / 100 && b->ran > a->ran * 80 / 100);
    end();
    begin(1);
    a = actor(SCHED_RT_FIFO, 5, 0, ~0ull, 0);
    b = actor(SCHED_RT_FIFO, 5, 0, ~0ull, 0);
    start_all();
    run_for(1000 * MS);
    CHECK(a->ran > 990 * MS && b->ran == 0);
    end();
}

/* Verify that a fair thread gets what the limit leaves, and that nothing is held back
 * when no fair thread waits. */
static void
test_rt_limit_leaves_time_for_others(void)
{
    begin(1);
    struct actor *a = actor(SCHED_RT_FIFO, 50, 0, ~0ull, 0);
    struct actor *b = actor(SCHED_FAIR, 0, 0, ~0ull, 0);
    start_all();
    run_for(10000 * MS);
    CHECK(b->ran > 450 * MS && b->ran < 600 * MS);
    CHECK(a->ran > 9300 * MS);
    end();
    begin(1);
    a = actor(SCHED_RT_FIFO, 50, 0, ~0ull, 0);
    start_all();
    run_for(3000 * MS);
    CHECK(idle_steps == 0 && a->ran > 2990 * MS);
    end();
    atomic_store(&sched_rt_runtime_ns, ~0ull);
    begin(1);
    actor(SCHED_RT_FIFO, 50, 0, ~0ull, 0);
    b = actor(SCHED_FAIR, 0, 0, ~0ull, 0);
    start_all();
    run_for(3000 * MS);
    CHECK(b->ran == 0);
    end();
    atomic_store(&sched_rt_runtime_ns, 950000000);
}

/* Verify that a real-time thread behind a higher one goes to a vCPU that runs a fair
 * thread, at once. */
static void
test_rt_waits_for_no_fair_thread(void)
{
    begin(2);
    actor_on(1, SCHED_FAIR, 0, 0, ~0ull, 0);
    actor_on(1, SCHED_FAIR, 0, 0, ~0ull, 0);
    struct actor *high = actor_on(0, SCHED_RT_FIFO, 9, 0, MS, 3 * MS);
    struct actor *low = actor_on(0, SCHED_RT_FIFO, 5, 0, 2 * MS, 4 * MS);
    start_all();
    run_for(2000 * MS);
    CHECK(high->latency_max <= 2 * STEP && low->latency_max <= 2 * STEP);
    end();
}

/* Verify that a thread with a deadline gets its runtime in each period and no more, that
 * others get the rest, and that yielding gives up what is left. */
static void
test_deadline_bandwidth_is_constant(void)
{
    begin(1);
    struct actor *d = actor(SCHED_FAIR, 0, 0, ~0ull, 0);
    CHECK(set_deadline(d, 3 * MS, 10 * MS, 10 * MS) == 0);
    struct actor *f = actor(SCHED_RT_FIFO, 99, 0, ~0ull, 0);
    start_all();
    run_for(4000 * MS);
    CHECK(d->ran > 1150 * MS && d->ran < 1250 * MS);
    CHECK(f->ran > 2700 * MS && idle_steps == 0);
    end();
}

/* Verify that all deadlines are met on one vCPU at 90 percent, beside busy threads of all
 * other classes. */
static void
test_deadlines_are_met_when_admitted(void)
{
    static const u64 periods[] = { 5, 8, 12, 20, 40 };
    begin(1);
    for (u32 i = 0; i < 5; i++) { /* 18 percent each */
        u64 p = periods[i] * MS, runtime = p * 18 / 100;
        struct actor *d = actor(SCHED_FAIR, 0, 0, runtime - 2 * STEP, p - runtime);
        CHECK(set_deadline(d, runtime, p, p) == 0);
    }
    struct actor *more = actor(SCHED_FAIR, 0, 0, ~0ull, 0);
    CHECK(set_deadline(more, 10 * MS, 100 * MS, 100 * MS) == -E_BUSY);
    actor(SCHED_RT_FIFO, 80, 0, ~0ull, 0);
    start_all();
    run_for(4000 * MS);
    for (u32 i = 0; i < 5; i++) {
        CHECK(actors[i].jobs > 3000 / periods[i]);
        CHECK(actors[i].late_max <= 2 * STEP);
    }
    end();
}

/* Verify that admission counts all vCPUs, and gives back what ends or changes. */
static void
test_admission_counts_all_cpus(void)
{
    EACH_CPUS(k) {
        begin(cpu_counts[k]);
        u32 fit = 0;
        while (fit < 30) {
            struct actor *a = actor(SCHED_FAIR, 0, 0, MS, MS);
            if (set_deadline(a, 30 * MS, 100 * MS, 100 * MS) != 0)
                break;
            fit++;
        }
        CHECK(fit == cpu_counts[k] * 95 / 30);
        struct sched_params fair = { .policy = SCHED_FAIR };
        CHECK(sched_reserve(actors[0].t, NULL) == 0);
        sched_change(&lcpus[0], actors[0].t, &fair);
        CHECK(set_deadline(&actors[fit], 30 * MS, 100 * MS, 100 * MS) == 0);
        end();
    }
}

static struct actor *
random_actor(void)
{
    u64 run = (u64)rand() % 3 == 0 ? ~0ull : 5 * MS;
    u32 kind = (u32)rand() % 8;
    struct actor *a;
    if (kind == 0)
        a = actor(SCHED_RT_FIFO, (u32)rand() % 99 + 1, 0, 2 * MS, 20 * MS);
    else if (kind == 1)
        a = actor(SCHED_RT_RR, (u32)rand() % 3 + 1, 0, run, 10 * MS);
    else
        a = actor(kind == 2   ? SCHED_FAIR_IDLE
                  : kind == 3 ? SCHED_FAIR_BATCH
                              : SCHED_FAIR,
                  0, rand() % 40 - 20, run, 10 * MS);
    a->random = true;
    if (kind == 4) {
        u64 period = ((u64)rand() % 50 + 5) * MS;
        (void)set_deadline(a, period / 10, period / 2, period);
    }
    return a;
}

/* Two processes with classes of their own; in the first one's page there may be anything. */
static struct sched_party *parties[2];
static u32 *numbers;

static void
begin_parties(void)
{
    frame_t page = page_alloc_zeroed();
    CHECK(page != FRAME_NONE);
    numbers = page_ptr(page);
    parties[0] = sched_party_new(SCHED_OWN_ORDERED, page);
    parties[1] = sched_party_new(SCHED_OWN_FIFO, FRAME_NONE);
    CHECK(parties[0] != NULL && parties[1] != NULL);
}

static void
end_parties(void)
{
    sched_party_release(parties[0]);
    sched_party_release(parties[1]);
}

static void
join(struct actor *a, struct sched_party *party, u32 slot)
{
    if (party != NULL)
        sched_party_hold(party);
    thread_set_party(a->t, party, slot);
}

/* Verify that a process's order is what its own threads go by, and that others get what they
 * get without it. */
static void
test_own_order_is_obeyed_and_nobody_elses_business(void)
{
    EACH_CPUS(k) {
        u32 cpus = cpu_counts[k];
        begin(cpus);
        begin_parties();
        for (u32 i = 0; i < 6 * cpus; i++) {
            struct actor *a = actor(SCHED_FAIR, 0, 0, ~0ull, 0);
            if (i % 2 == 0)
                join(a, parties[0], i);
        }
        for (u32 i = 0; i < 6 * cpus; i++)
            numbers[i] = i;
        start_all();
        run_for(6000 * MS);
        u64 part = 6000 * MS * cpus / count, ours = 0;
        for (u32 i = 0; i < count; i++) {
            if (i % 2 == 0)
                ours += actors[i].ran;
            else
                CHECK(actors[i].ran > part * 75 / 100 && actors[i].ran < part * 130 / 100);
        }
        CHECK(ours > 6000 * MS * cpus * 45 / 100 && ours < 6000 * MS * cpus * 55 / 100);
        if (cpus == 1)
            CHECK(actors[0].ran > ours * 95 / 100);
        end();
        end_parties();
    }
}

/* What somebody else may do to a thread at any moment. */
static void
disturb(struct actor *a)
{
    struct lcpu *c = a->t->cpu;
    struct sched_params to = { .policy = SCHED_FAIR, .nice = rand() % 40 - 20 };
    u32 what = (u32)rand() % 5;
    if (what == 0 && a->t->sched.policy != SCHED_BY_DEADLINE) {
        u64 mask = (u64)rand() % ((1u << lcpu_count) - 1) + 1;
        thread_set_allowed(a->t, mask);
    } else if (what == 1) {
        if (rand() % 2)
            to = (struct sched_params){ .policy = SCHED_RT_RR, .priority = 7 };
        CHECK(sched_reserve(a->t, NULL) == 0);
        thread_set_policy(a->t, &to);
    } else if (what == 2) {
        thread_boost(a->t, (u32)rand() % 2 ? 0 : (u32)rand() % 100 + 1);
    } else if (what == 3) {
        numbers[(u32)rand() % 8] = (u32)rand();
        join(a, (u32)rand() % 3 ? parties[(u32)rand() % 2] : NULL, (u32)rand() % 8);
    } else if (c->current == a->t) {
        switch_from(c, SCHED_YIELDED);
    }
    /* Who runs where it is not allowed any more leaves, as thread_preempt has it. */
    c = a->t->cpu;
    if (c->current == a->t && !sched_allowed(a->t, c)) {
        spin_lock(&runq_of(c)->lock);
        atomic_store(&a->t->state, THREAD_SLEEPING);
        let_run(c, sched_next(c, a->t, SCHED_GONE, machine_tsc()));
        spin_unlock(&runq_of(c)->lock);
        CHECK(thread_wake(a->t, 0));
    }
}

/* Verify that no thread is lost, waits beside an idle vCPU, or runs where it may not,
 * whatever becomes of them. */
static void
test_random_threads_keep_the_invariants(void)
{
    for (u32 seed = 1; seed <= 12; seed++) {
        srand(seed);
        begin(cpu_counts[seed % 3]);
        begin_parties();
        u32 n = (u32)rand() % 30 + 1;
        for (u32 i = 0; i < n; i++)
            random_actor();
        start_all();
        for (u32 i = 0; i < 600; i++) {
            run_for((u64)rand() % 20 * STEP);
            disturb(&actors[(u32)rand() % n]);
        }
        for (u32 i = 0; i < n; i++) { /* all alike: then everybody comes to run */
            struct sched_params fair = { .policy = SCHED_FAIR };
            CHECK(sched_reserve(actors[i].t, NULL) == 0);
            thread_set_policy(actors[i].t, &fair);
            thread_boost(actors[i].t, 0);
            join(&actors[i], NULL, 0);
            actors[i].ran = 0;
        }
        run_for(2000 * MS);
        for (u32 i = 0; i < n; i++)
            CHECK(actors[i].ran > 0);
        end();
        end_parties();
    }
}

int
main(void)
{
    host_init(8);
    RUN(test_fair_shares_follow_weights_on_all_cpus);
    RUN(test_fair_weights_within_a_bound);
    RUN(test_fair_sleeper_has_bounded_latency);
    RUN(test_rt_priorities_and_turns);
    RUN(test_rt_limit_leaves_time_for_others);
    RUN(test_rt_waits_for_no_fair_thread);
    RUN(test_deadline_bandwidth_is_constant);
    RUN(test_deadlines_are_met_when_admitted);
    RUN(test_admission_counts_all_cpus);
    RUN(test_own_order_is_obeyed_and_nobody_elses_business);
    RUN(test_random_threads_keep_the_invariants);
    DONE();
}
