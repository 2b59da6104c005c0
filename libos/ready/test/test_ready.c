/* SPDX-License-Identifier: MIT */
/* Host tests of counters, timers and watch sets as files, and a random walk of sets
 * against a plain model. */
#include "core/clock.h"
#include "proc/test/world.h"
#include "ready/ready.h"

#define MS 1000000ull

static struct file *
counter(u64 count)
{
    struct file *f;
    CHECK(eventfd_create(count, false, OPEN_NONBLOCK, &f) == 0);
    return f;
}

static i64
read8(struct file *f, u64 *value)
{
    struct uio u;
    uio_libos(&u, value, sizeof *value);
    return file_read(f, &u, NULL);
}

static i64
write8(struct file *f, u64 value)
{
    struct uio u;
    uio_libos(&u, &value, sizeof value);
    return file_write(f, &u, NULL);
}

/* Verify that a counter adds, empties, and refuses what does not fit. */
static void
test_counter(void)
{
    struct file *f = counter(1);
    u64 value;
    CHECK(write8(f, 5) == 8 && read8(f, &value) == 8 && value == 6);
    CHECK(read8(f, &value) == -E_AGAIN);
    CHECK(write8(f, ~0ull) == -E_INVAL && write8(f, ~0ull - 1) == 8);
    CHECK(write8(f, 1) == -E_AGAIN && file_poll(f, NULL) == POLL_IN);
    file_release(f);
}

/* Verify that a timer's ticks are counted when they are read, and a relative one does not
 * move with the wall clock. */
static void
test_timer(void)
{
    struct timerfd_time set = { 10 * MS, 5 * MS }, old;
    struct file *f;
    u64 ticks;
    CHECK(timerfd_create_file(true, OPEN_NONBLOCK, &f) == 0);
    CHECK(timerfd_set(f, false, false, &set, &old) == 0 && old.value_ns == 0);
    clock_real_set(clock_real_ns() + 1000000 * MS);
    CHECK(read8(f, &ticks) == -E_AGAIN);
    host_advance(26 * MS);
    CHECK(file_poll(f, NULL) == POLL_IN && read8(f, &ticks) == 8 && ticks == 4);
    timerfd_get(f, &old);
    CHECK(old.interval_ns == 5 * MS && old.value_ns == 4 * MS);
    set = (struct timerfd_time){ clock_real_ns() + 1000 * MS, 0 };
    CHECK(timerfd_set(f, true, true, &set, &old) == 0);
    clock_real_set(clock_real_ns() + 2000 * MS);
    CHECK(read8(f, &ticks) == -E_CANCELED);
    host_advance(1);
    CHECK(read8(f, &ticks) == 8 && ticks == 1);
    file_release(f);
}

/* ---- a random walk ---- */

enum { FILES = 12, SETS = 2, STEPS = 60000 };

struct model {
    bool watched, edge, once, silent, fresh;
};
static struct file *file[FILES], *set_of[SETS];
static struct model model[SETS][FILES];
static u32 seed = 12345;

static u32
next(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

static bool
has(int f)
{
    return (file_poll(file[f], NULL) & POLL_IN) != 0;
}

static void
check_events(int s)
{
    struct watch_event e[FILES + 1];
    bool told[FILES] = { false };
    i64 n = watch_wait(set_of[s], e, FILES + 1, 0);
    CHECK(n >= 0 && n <= FILES);
    for (i64 i = 0; i < n; i++) {
        CHECK(e[i].data < FILES && !told[e[i].data] && e[i].events == POLL_IN);
        told[e[i].data] = true;
    }
    for (int f = 0; f < FILES; f++) {
        struct model *m = &model[s][f];
        bool want = m->watched && has(f) && !m->silent && (!m->edge || m->fresh);
        CHECK(told[f] == want);
        if (told[f] || !has(f))
            m->fresh = false;
        if (told[f] && m->once)
            m->silent = true;
    }
}

static void
renew(int f)
{
    file_release(file[f]);
    file[f] = counter(0);
    for (int s = 0; s < SETS; s++)
        model[s][f] = (struct model){ false };
}

static void
step(void)
{
    int f = (int)(next() % FILES), s = (int)(next() % SETS);
    struct model *m = &model[s][f];
    struct watch_event event = { .events = POLL_IN, .data = (u64)f };
    u32 modes = next() % 4;
    u64 value;
    switch (next() % 7) {
    case 0:
        CHECK(watch_add(set_of[s], file[f], f, &event, modes) ==
              (m->watched ? -E_EXIST : 0));
        if (!m->watched)
            *m = (struct model){ true, modes & WATCH_EDGE, modes & WATCH_ONCE, false,
                                 true };
        break;
    case 1:
        CHECK(watch_remove(set_of[s], file[f], f) == (m->watched ? 0 : -E_NOENT));
        m->watched = false;
        break;
    case 2:
        CHECK(watch_change(set_of[s], file[f], f, &event, modes) ==
              (m->watched ? 0 : -E_NOENT));
        if (m->watched)
            *m = (struct model){ true, modes & WATCH_EDGE, modes & WATCH_ONCE, false,
                                 true };
        break;
    case 3:
        CHECK(write8(file[f], 1) == 8);
        for (s = 0; s < SETS; s++)
            model[s][f].fresh = true;
        break;
    case 4:
        /* A read wakes as well (there is room): an entry that is then empty is not told. */
        (void)read8(file[f], &value);
        break;
    case 5:
        if (next() % 8 == 0)
            renew(f);
        break;
    default:
        check_events(s);
    }
}

/* Verify sets against the model: level, edge, once, files that go. */
static void
test_sets_random_walk(void)
{
    struct host_counts before = host_count();
    for (int f = 0; f < FILES; f++)
        file[f] = counter(0);
    for (int s = 0; s < SETS; s++)
        CHECK(watch_set_create(0, &set_of[s]) == 0);
    for (u32 i = 0; i < STEPS; i++)
        step();
    for (int s = 0; s < SETS; s++)
        file_release(set_of[s]);
    for (int f = 0; f < FILES; f++)
        file_release(file[f]);
    CHECK(host_count().objects == before.objects);
}

/* Verify that lines longer than five and circles are refused, whichever end is made
 * first, and that memory that runs out loses nothing. */
static void
test_sets_nested(void)
{
    struct watch_event event = { .events = POLL_IN };
    struct file *s[8], *f = counter(1);
    struct host_counts before = host_count();
    for (int top = 0; top < 2; top++) {
        int deep = 0;
        for (int i = 0; i < 8; i++)
            CHECK(watch_set_create(0, &s[i]) == 0);
        for (int i = 0; i < 7; i++) {
            struct file *above = top ? s[i] : s[i + 1], *below = top ? s[i + 1] : s[i];
            int r = watch_add(above, below, 0, &event, 0);
            CHECK(r == 0 || r == -E_LOOP);
            if (r != 0)
                break;
            deep++;
        }
        CHECK(deep == 4);
        CHECK(watch_add(top ? s[4] : s[0], top ? s[0] : s[4], 9, &event, 0) == -E_LOOP);
        host_fail_heap_after(0);
        CHECK(watch_add(s[7], f, 1, &event, 0) == -E_NOMEM);
        host_fail_heap_after(~0ull);
        CHECK(watch_add(s[top ? 4 : 0], f, 1, &event, 0) == 0);
        CHECK(file_poll(s[top ? 0 : 4], NULL) == POLL_IN); /* through all five */
        for (int i = 0; i < 8; i++)
            file_release(s[i]);
    }
    file_release(f);
    CHECK(host_count().objects < before.objects);
}

static void
all_tests(struct thread *t, struct user_frame *f)
{
    (void)t;
    (void)f;
    RUN(test_counter);
    RUN(test_timer);
    RUN(test_sets_random_walk);
    RUN(test_sets_nested);
    world_done();
}

int
main(void)
{
    world_start();
    world_run(all_tests);
    DONE();
}
