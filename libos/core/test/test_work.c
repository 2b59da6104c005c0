/* SPDX-License-Identifier: MIT */
/* Unit tests of core/work.c over the host's one vCPU. */
#include <string.h>

#include "core/clock.h"
#include "core/heap.h"
#include "core/host/host.h"
#include "core/test/check.h"
#include "core/work.h"

static struct work_queue one, three;
static struct waitq gate = WAITQ_INIT(gate);
static bool open_gate;
static char trace[64];
static unsigned traced;

struct item {
    struct work work;
    char name;
    bool waits, running;
    unsigned runs, again;
};

static void
run_item(struct work *w)
{
    struct item *i = container_of(w, struct item, work);
    CHECK(!i->running); /* WK2 */
    i->running = true;
    i->runs++;
    if (traced < sizeof trace)
        trace[traced++] = i->name;
    if (i->waits)
        (void)!wait_until(&gate, open_gate, false, ~0ull);
    if (i->again > 0) {
        i->again--;
        CHECK(work_add(w) && !work_add(w));
    }
    i->running = false;
}

static void
begin(struct item *items, unsigned count, struct work_queue *q)
{
    memset(items, 0, count * sizeof *items);
    for (unsigned i = 0; i < count; i++) {
        work_init(&items[i].work, q, run_item);
        items[i].name = (char)('a' + i);
    }
    open_gate = false;
    traced = 0;
    memset(trace, 0, sizeof trace);
}

static void
open_it(void)
{
    open_gate = true;
    wait_wake(&gate, ~0u);
    host_settle();
}

/* Verify that works are done in the order in which they were added, each once. */
static void
test_works_when_added_then_run_in_order_once(void)
{
    struct item i[3];
    begin(i, 3, &one);
    CHECK(work_add(&i[2].work) && work_add(&i[0].work) && work_add(&i[1].work));
    CHECK(!work_add(&i[0].work));
    CHECK(traced == 0);
    host_settle();
    CHECK(strcmp(trace, "cab") == 0);
    CHECK(work_add(&i[0].work));
    work_queue_drain(&one);
    CHECK(strcmp(trace, "caba") == 0);
}

/* Verify that a work which is added while it runs is run again, by one worker. */
static void
test_work_when_added_while_it_runs_then_again(void)
{
    struct item i[2];
    begin(i, 2, &three);
    i[0].waits = true;
    work_add(&i[0].work);
    host_settle();
    CHECK(i[0].running && work_add(&i[0].work) && !work_add(&i[0].work));
    work_add(&i[1].work);
    host_settle();
    CHECK(strcmp(trace, "ab") == 0); /* not beside itself */
    open_it();
    CHECK(i[0].runs == 2 && !i[0].running);
    i[1].again = 5;
    work_add(&i[1].work);
    host_settle();
    CHECK(i[1].runs == 7 && i[1].again == 0);
}

/* Verify that works wait for a worker when all are at work, and that others go on while one
 * sleeps. */
static void
test_works_when_workers_sleep_then_others_go_on(void)
{
    struct item i[6];
    begin(i, 6, &three);
    i[0].waits = i[1].waits = true;
    for (int k = 0; k < 6; k++)
        work_add(&i[k].work);
    host_settle();
    CHECK(traced == 6 && i[0].running && i[1].running && !i[5].running);
    i[2].waits = true;
    work_add(&i[2].work);
    host_settle();
    work_add(&i[3].work);
    host_settle();
    CHECK(traced == 7);
    open_it();
    CHECK(traced == 8 && i[3].runs == 2);
}

static void
canceller(void *arg)
{
    struct item *i = arg;
    (void)work_cancel(&i->work);
    CHECK(!i->running);
    i->name = 0; /* it may be freed now */
}

static void
run_and_cancel(struct work *w)
{
    run_item(w);
    CHECK(work_add(w) && work_cancel(w) && !work_cancel(w));
}

/* Verify that a work which was cancelled does not run, nor is running. */
static void
test_work_when_cancelled_then_not_run(void)
{
    struct item i[3];
    begin(i, 3, &one);
    i[0].waits = true;
    work_add(&i[0].work);
    work_add(&i[1].work);
    host_settle();
    CHECK(work_cancel(&i[1].work) && !work_cancel(&i[1].work));
    work_add(&i[0].work);
    thread_start(thread_create("cancel", canceller, &i[0]));
    host_settle();
    CHECK(i[0].name == 'a'); /* it waits */
    open_it();
    CHECK(i[0].name == 0 && i[0].runs == 1 && i[1].runs == 0);
    i[2].work.fn = run_and_cancel;
    work_add(&i[2].work);
    host_settle();
    CHECK(i[2].runs == 1);
}

static void
drainer(void *arg)
{
    work_queue_drain(&three);
    *(bool *)arg = true;
}

/* Verify that a drain waits for what was added before it, and not for what came later. */
static void
test_drain_when_more_comes_then_ends(void)
{
    struct item i[3];
    bool drained = false;
    begin(i, 3, &three);
    i[0].waits = true;
    work_add(&i[0].work);
    host_settle();
    thread_start(thread_create("drain", drainer, &drained));
    host_settle();
    CHECK(!drained);
    i[1].waits = true;
    work_add(&i[1].work);
    host_settle();
    i[0].again = 1; /* later, too */
    open_it();
    CHECK(drained && i[0].runs == 2);
    work_queue_drain(&three); /* of nothing */
}

static void
free_item(struct work *w)
{
    traced++;
    heap_free(container_of(w, struct item, work));
}

/* Verify that a work may free itself, and that its memory may be another work at once. */
static void
test_work_when_it_frees_itself_then_untouched(void)
{
    traced = 0;
    struct host_counts before = host_count();
    for (int k = 0; k < 40; k++) {
        struct item *i = heap_alloc(sizeof *i);
        work_init(&i->work, &three, free_item);
        work_add(&i->work);
        if (k % 3 == 0)
            host_settle();
    }
    work_queue_drain(&three);
    CHECK(traced == 40 && host_count().objects == before.objects);
}

#define MANY 12u
/* Verify that, whatever is done to works, each runs as often as it was added and not
 * cancelled. */
static void
test_works_when_mixed_at_random_then_none_lost(void)
{
    static struct item items[MANY];
    unsigned expected[MANY] = { 0 };
    u64 seed = 42;
    begin(items, MANY, &three);
    open_gate = true;
    for (int step = 0; step < 200000; step++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        unsigned k = (unsigned)(seed >> 33) % MANY, what = (unsigned)(seed >> 48) % 8;
        if (what == 4 || (what == 6 && !open_gate)) { /* who cancels may wait for it */
            open_gate = true;
            wait_wake(&gate, ~0u);
        } else if (what == 6) {
            open_gate = false;
        }
        if (what < 4)
            expected[k] += work_add(&items[k].work);
        else if (what == 4)
            expected[k] -= work_cancel(&items[k].work);
        else if (what == 5)
            items[k].waits = !items[k].waits;
        else if (what == 7)
            thread_yield();
    }
    open_it();
    work_queue_drain(&three);
    for (unsigned k = 0; k < MANY; k++)
        CHECK(items[k].runs == expected[k]);
}

int
main(void)
{
    host_init(16);
    work_queue_start(&one, "one", 1);
    work_queue_start(&three, "three", 3);
    RUN(test_works_when_added_then_run_in_order_once);
    RUN(test_work_when_added_while_it_runs_then_again);
    RUN(test_works_when_workers_sleep_then_others_go_on);
    RUN(test_work_when_cancelled_then_not_run);
    RUN(test_drain_when_more_comes_then_ends);
    RUN(test_work_when_it_frees_itself_then_untouched);
    RUN(test_works_when_mixed_at_random_then_none_lost);
    DONE();
}
