/* SPDX-License-Identifier: MIT */
/*
 * Large memory over fork: whoever writes, unmaps, protects or moves a part of it, the
 * others keep what they had; with threads on other CPUs, and over generations.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#include "check.h"

#define PAGE 4096ul
#define MIB  (1ul << 20)
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static unsigned char *
region(size_t bytes)
{
    unsigned char *at = mmap(NULL, bytes, RW, ANON, -1, 0);

    CHECK(at != MAP_FAILED);
    return at;
}

static void
fill(unsigned char *at, size_t pages)
{
    for (size_t i = 0; i < pages; i++)
        *(size_t *)(at + i * PAGE) = i ^ 0x5a5a;
}

static void
is_filled(unsigned char *at, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        CHECK(*(size_t *)(at + i * PAGE) == (i ^ 0x5a5a));
}

/* The child is well. */
static void
reap(pid_t child)
{
    int status;

    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

/* Parent and child each write a page of every 2 MiB, in turn, several generations. */
static void
test_fork_when_both_write_then_each_has_its_own(void)
{
    const size_t pages = 24 * MIB / PAGE;
    unsigned char *at = region(24 * MIB);
    int turn[2];
    char c;

    fill(at, pages);
    for (int round = 0; round < 6; round++) {
        CHECK(pipe(turn) == 0);
        pid_t child = fork();
        if (child == 0) {
            if (round & 1)
                CHECK(read(turn[0], &c, 1) == 1); /* the parent writes first */
            is_filled(at, 0, pages);
            for (size_t i = 0; i < pages; i += 300)
                *(size_t *)(at + i * PAGE) = 7;
            CHECK(read(turn[0], at + 5 * PAGE, 1) == 1); /* the LibOS writes it */
            for (size_t i = 0; i < pages; i++)
                CHECK(*(size_t *)(at + i * PAGE) == (i % 300 == 0 ? 7
                                                     : i == 5     ? ('x' | 0x5a00)
                                                                  : (i ^ 0x5a5a)));
            _exit(0);
        }
        for (size_t i = 150; i < pages; i += 300)
            *(size_t *)(at + i * PAGE) = 9;
        CHECK(write(turn[1], "xx", 1 + (round & 1)) > 0);
        reap(child);
        for (size_t i = 0; i < pages; i++)
            CHECK(*(size_t *)(at + i * PAGE) == (i % 300 == 150 ? 9 : (i ^ 0x5a5a)));
        fill(at, pages);
        CHECK(close(turn[0]) == 0 && close(turn[1]) == 0);
    }
}

/* Parts go, lose rights and move on one side. */
static void
test_fork_when_parts_change_then_other_side_keeps(void)
{
    const size_t pages = 16 * MIB / PAGE;
    unsigned char *at = region(16 * MIB);

    fill(at, pages);
    for (int round = 0; round < 6; round++) {
        pid_t child = fork();
        if (child == 0) {
            CHECK(munmap(at + 3 * MIB, 5 * MIB) == 0);
            is_filled(at, 0, 3 * MIB / PAGE);
            is_filled(at, 8 * MIB / PAGE, pages);
            CHECK(mmap(at + 4 * MIB, 64 * PAGE, RW, ANON | MAP_FIXED, -1, 0) ==
                  at + 4 * MIB);
            CHECK(at[4 * MIB] == 0 && (at[4 * MIB + PAGE] = 1));
            CHECK(mprotect(at + 9 * MIB, 40 * PAGE, PROT_READ) == 0);
            CHECK(mprotect(at + 9 * MIB, 30 * PAGE, RW) == 0);
            at[9 * MIB] = 8;
            CHECK(madvise(at + 10 * MIB, MIB, MADV_DONTNEED) == 0 && at[10 * MIB] == 0);
            unsigned char *to = mremap(at + 12 * MIB, 3 * MIB, 4 * MIB, MREMAP_MAYMOVE);
            CHECK(to != MAP_FAILED);
            for (size_t i = 0; i < 3 * MIB / PAGE; i++)
                CHECK(*(size_t *)(to + i * PAGE) == ((i + 12 * MIB / PAGE) ^ 0x5a5a));
            to[0]++;
            _exit(0);
        }
        if (round & 1)
            reap(child);
        is_filled(at, 0, pages);
        if (!(round & 1))
            reap(child);
        is_filled(at, 0, pages);
    }
    CHECK(munmap(at + MIB, 14 * MIB) == 0);
    is_filled(at, 0, MIB / PAGE);
}

/* An area that nobody may touch moves to a gap among pages that a child has too. */
static void
test_fork_when_untouched_area_moves_into_gap_then_stays_closed(void)
{
    unsigned char *at = region(8 * MIB);

    at += (2 * MIB - (uintptr_t)at % (2 * MIB)) % (2 * MIB);
    fill(at, 6 * MIB / PAGE);
    CHECK(munmap(at + 3 * MIB, 64 * PAGE) == 0);
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    void *closed = mmap(NULL, 16 * PAGE, PROT_NONE, ANON, -1, 0);
    CHECK(closed != MAP_FAILED);
    CHECK(mremap(closed, 16 * PAGE, 16 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
                 at + 3 * MIB + PAGE) == at + 3 * MIB + PAGE);
    CHECK(mprotect(at + 3 * MIB + PAGE, 16 * PAGE, RW) == 0);
    CHECK(at[3 * MIB + PAGE] == 0);
    is_filled(at, 0, 3 * MIB / PAGE);
    is_filled(at, 3 * MIB / PAGE + 64, 6 * MIB / PAGE);
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
}

/* Memory that may only be read is written by way of /proc, where one page table ends and
 * the next one, which a child has too, begins. */
static void
test_fork_when_proc_mem_writes_at_table_bound_then_ours_alone(void)
{
    unsigned char *at = region(8 * MIB), *bound;
    int fd = open("/proc/self/mem", O_RDWR), turn[2];
    size_t value = 77;

    at += (2 * MIB - (uintptr_t)at % (2 * MIB)) % (2 * MIB);
    fill(at, 6 * MIB / PAGE);
    CHECK(fd >= 0 && pipe(turn) == 0 && mprotect(at, 6 * MIB, PROT_READ) == 0);
    pid_t child = fork();
    if (child == 0) {
        char c;
        CHECK(read(turn[0], &c, 1) == 1);
        is_filled(at, 0, 6 * MIB / PAGE);
        _exit(0);
    }
    bound = at + 2 * MIB - PAGE;
    CHECK(pwrite(fd, &value, sizeof value, (off_t)(uintptr_t)bound) == sizeof value);
    bound = at + 4 * MIB;
    CHECK(pwrite(fd, &value, sizeof value, (off_t)(uintptr_t)bound) == sizeof value);
    CHECK(*(size_t *)bound == 77 && *(size_t *)(at + 2 * MIB - PAGE) == 77);
    is_filled(at, 0, 2 * MIB / PAGE - 1);
    is_filled(at, 2 * MIB / PAGE, 4 * MIB / PAGE);
    CHECK(write(turn[1], "x", 1) == 1);
    reap(child);
    CHECK(close(fd) == 0 && close(turn[0]) == 0 && close(turn[1]) == 0);
}

/* ---- random changes, by a model that is copied with each fork ---- */
#define MODEL_PAGES 2048u
static unsigned char *base;
static unsigned char model[MODEL_PAGES]; /* 0: fresh; 255: nothing there */
static uint64_t seed;

static size_t
rnd(size_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed >> 11) % n;
}

static void
agree(void)
{
    for (size_t i = 0; i < MODEL_PAGES; i++)
        CHECK(model[i] == 255 || base[i * PAGE] == model[i]);
}

static void
change(void)
{
    size_t from = rnd(MODEL_PAGES), n = 1 + rnd(rnd(3) ? 20 : 1200);
    unsigned char *at = base + from * PAGE, value = (unsigned char)(1 + rnd(250));

    if (n > MODEL_PAGES - from)
        n = MODEL_PAGES - from;
    switch (rnd(8)) {
    case 0:
        CHECK(munmap(at, n * PAGE) == 0);
        memset(model + from, 255, n);
        return;
    case 1:
        CHECK(mmap(at, n * PAGE, RW, ANON | MAP_FIXED, -1, 0) == at);
        memset(model + from, 0, n);
        return;
    case 2:
        (void)madvise(at, n * PAGE, MADV_DONTNEED);
        for (size_t i = from; i < from + n; i++)
            model[i] = model[i] == 255 ? 255 : 0;
        return;
    case 3:
        (void)mprotect(at, n * PAGE, PROT_READ);
        if (mprotect(at, n * PAGE, RW) != 0) /* there is a hole in it */
            for (size_t i = from; i < from + n; i++)
                if (model[i] != 255)
                    CHECK(mprotect(base + i * PAGE, PAGE, RW) == 0);
        return;
    default:
        for (size_t i = from; i < from + n; i += 1 + rnd(3))
            if (model[i] != 255)
                base[i * PAGE] = model[i] = value;
    }
}

static void
generations(int depth)
{
    for (int i = 0; i < 8; i++) {
        change();
        if (depth == 0 || rnd(2))
            continue;
        pid_t child = fork();
        if (child == 0) {
            seed = seed * 31 + (uint64_t)i;
            agree();
            generations(depth - 1);
            agree();
            _exit(0);
        }
        for (size_t k = rnd(3); k > 0; k--)
            change();
        if (rnd(2))
            agree();
        reap(child);
    }
    agree();
}

static void
test_fork_when_random_changes_then_model_agrees(void)
{
    base = region(MODEL_PAGES * PAGE + 2 * MIB);
    base += 2 * MIB - (uintptr_t)base % (2 * MIB) - (rnd(2) ? 0 : 3 * PAGE);
    for (seed = 1; seed < 4; seed++) {
        uint64_t keep = seed;
        CHECK(mmap(base, MODEL_PAGES * PAGE, RW, ANON | MAP_FIXED, -1, 0) == base);
        memset(model, 0, sizeof model);
        for (size_t i = 0; i < MODEL_PAGES; i++)
            base[i * PAGE] = model[i] = (unsigned char)(i % 200);
        generations(3);
        seed = keep;
    }
}

/* ---- threads go on writing while their process forks ---- */
static atomic_int stop;
static unsigned char *hot;

static void *
writer(void *arg)
{
    size_t first = (size_t)arg, pages = 8 * MIB / PAGE;

    for (size_t n = 1; !stop; n++)
        for (size_t i = first; i < pages && !stop; i += 3)
            *(volatile size_t *)(hot + i * PAGE) = n;
    return NULL;
}

static size_t
sum(void)
{
    size_t all = 0;

    for (size_t i = 0; i < 8 * MIB / PAGE; i++)
        all = all * 31 + *(volatile size_t *)(hot + i * PAGE);
    return all;
}

static void
test_fork_when_threads_write_then_child_is_still(void)
{
    pthread_t threads[3];

    hot = region(8 * MIB);
    fill(hot, 8 * MIB / PAGE);
    for (size_t i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, writer, (void *)i) == 0);
    for (int round = 0; round < 12; round++) {
        pid_t child = fork();
        if (child == 0) {
            size_t before = sum();
            for (int i = 0; i < 5; i++) {
                usleep(1000);
                CHECK(sum() == before);
            }
            *(size_t *)(hot + MIB) = before;
            CHECK(*(size_t *)(hot + MIB) == before);
            _exit(0);
        }
        if (round % 3)
            usleep(3000);
        reap(child);
    }
    stop = 1;
    for (size_t i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

/* Threads of the child read what the parent, alone again or not, writes over. */
static void *
reader(void *arg)
{
    size_t pages = 8 * MIB / PAGE;

    (void)arg;
    while (!stop)
        for (size_t i = 0; i < pages && !stop; i += 7) {
            size_t value = *(volatile size_t *)(hot + i * PAGE);
            CHECK(value == (i ^ 0x5a5a) || value == 3);
        }
    return NULL;
}

static void
test_fork_when_child_has_threads_then_none_sees_parent(void)
{
    size_t pages = 8 * MIB / PAGE;

    hot = region(8 * MIB);
    for (int round = 0; round < 8; round++) {
        fill(hot, pages);
        pid_t child = fork();
        if (child == 0) {
            pthread_t threads[3];
            stop = 0;
            for (size_t i = 0; i < 3; i++)
                CHECK(pthread_create(&threads[i], NULL, reader, NULL) == 0);
            for (size_t i = 0; i < pages; i += 64) {
                *(volatile size_t *)(hot + i * PAGE) = 3;
                if (i % 512 == 0)
                    usleep(500);
            }
            stop = 1;
            for (size_t i = 0; i < 3; i++)
                CHECK(pthread_join(threads[i], NULL) == 0);
            _exit(0);
        }
        for (int n = 0; n < 3; n++)
            for (size_t i = 0; i < pages; i++)
                *(volatile size_t *)(hot + i * PAGE) = 9;
        reap(child);
    }
}

/*
 * Threads fault, unmap, protect, move and advise in a slice each of one large area, while
 * the process forks, and its children fork again: each thread finds in its slice what it
 * put there, and a child finds one and the same in all it looks at.
 */
#define RACE_MIB   64u
#define RACE_SLICE (RACE_MIB * MIB / PAGE / 4)
static unsigned char *race;

static void
race_change(unsigned char *at, size_t n, uint64_t *state, unsigned char *values,
            unsigned char *to)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    unsigned what = (unsigned)(*state >> 33) % 8;

    if (what == 0 || what == 1) {
        CHECK(what ? madvise(at, n * PAGE, MADV_DONTNEED) == 0
                   : mmap(at, n * PAGE, RW, ANON | MAP_FIXED, -1, 0) == at);
        memset(values, 0, n);
    } else if (what == 2) {
        CHECK(mprotect(at, n * PAGE, PROT_READ) == 0 && mprotect(at, n * PAGE, RW) == 0);
    } else if (what == 3) { /* away and back */
        CHECK(mremap(at, n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
        CHECK(mremap(to, n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at);
        CHECK(mmap(to, n * PAGE, RW, ANON | MAP_FIXED, -1, 0) == to);
    } else {
        for (size_t i = 0; i < n; i++)
            at[i * PAGE] = values[i] = (unsigned char)(*state >> 40);
    }
}

static void *
racer(void *arg)
{
    size_t first = (size_t)arg * RACE_SLICE;
    unsigned char *values = calloc(RACE_SLICE, 1), *to = region(1500 * PAGE);
    uint64_t state = first + 1;

    CHECK(values != NULL);
    while (!stop) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t n = 1 + (size_t)(state >> 33) % (state >> 60 ? 40 : 1500),
               from = (size_t)(state >> 20) % (RACE_SLICE - n);
        for (size_t i = from; i < from + n; i++)
            CHECK(race[(first + i) * PAGE] == values[i]);
        race_change(race + (first + from) * PAGE, n, &state, values + from, to);
    }
    for (size_t i = 0; i < RACE_SLICE; i++)
        CHECK(race[(first + i) * PAGE] == values[i]);
    free(values);
    return NULL;
}

/* What a child sees of the pages that are there; some of a moved slice may be absent. */
static void
race_child(int depth)
{
    static unsigned char there[RACE_MIB * MIB / PAGE], before[sizeof there];

    memset(there, 0, sizeof there);
    for (size_t i = 0; i < sizeof there; i += 16)
        (void)mincore(race + i * PAGE, 16 * PAGE, there + i); /* a hole: none */
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof there; i++) {
            if (!(there[i] & 1))
                continue;
            CHECK(round == 0 || race[i * PAGE] == before[i]);
            before[i] = race[i * PAGE];
        }
        usleep(500);
        if (round == 1 && depth > 0) {
            pid_t child = fork();
            if (child == 0) {
                race_child(depth - 1);
                _exit(0);
            }
            (void)munmap(race + 20 * MIB + PAGE, 30 * MIB);
            memset(there + 20 * MIB / PAGE, 0, 31 * MIB / PAGE);
            reap(child);
        }
    }
}

static void
test_fork_when_threads_change_the_area_then_contents_hold(void)
{
    pthread_t threads[4];

    stop = 0;
    race = region(RACE_MIB * MIB);
    for (size_t i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, racer, (void *)i) == 0);
    for (int round = 0; round < 10; round++) {
        pid_t child = fork();
        if (child == 0) {
            race_child(2);
            _exit(0);
        }
        if (round % 2)
            usleep(2000);
        reap(child);
    }
    stop = 1;
    for (size_t i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

int
main(void)
{
    RUN(test_fork_when_both_write_then_each_has_its_own, fork);
    RUN(test_fork_when_parts_change_then_other_side_keeps, fork, munmap, mprotect,
        madvise, mremap);
    RUN(test_fork_when_untouched_area_moves_into_gap_then_stays_closed, fork, mremap);
    RUN(test_fork_when_proc_mem_writes_at_table_bound_then_ours_alone, fork, mprotect);
    RUN(test_fork_when_random_changes_then_model_agrees, fork, mmap, munmap, mprotect,
        madvise);
    RUN(test_fork_when_threads_write_then_child_is_still, fork, clone);
    RUN(test_fork_when_child_has_threads_then_none_sees_parent, fork, clone);
    RUN(test_fork_when_threads_change_the_area_then_contents_hold, fork, clone, munmap,
        mprotect, mremap, madvise);
    return check_failures != 0;
}
