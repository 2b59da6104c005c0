/* SPDX-License-Identifier: MIT */
/*
 * Threads of one process against each other in memory: faults, maps, protections and
 * forks at the same time, with the contents checked.
 *
 * usage: test_storms [ROUNDS [PART OF A TEST'S NAME]]
 */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

#define PAGE 4096ul
#define THREADS 4

static int rounds = 6; /* flushes on a busy host with few cores take long */
static _Atomic int stop;
static pthread_t threads[2 * THREADS];

static void
start(int index, void *(*run)(void *), void *arg)
{
    CHECK(pthread_create(&threads[index], NULL, run, arg) == 0);
}

static void
join(int count)
{
    for (int i = 0; i < count; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static unsigned char *
map_pages(size_t pages)
{
    unsigned char *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(at != MAP_FAILED);
    return at;
}

/* Its own area: filled, made read-only, changed, cut in the middle, unmapped. */
static void *
own_area(void *arg)
{
    unsigned char mark = (unsigned char)(1 + (uintptr_t)arg);

    for (int round = 0; round < rounds; round++) {
        size_t pages = 1 + (size_t)(round * 7 + mark) % 40;
        unsigned char *area = map_pages(pages);

        for (size_t i = 0; i < pages; i++)
            CHECK(area[i * PAGE] == 0 && area[i * PAGE + PAGE - 1] == 0);
        memset(area, mark, pages * PAGE);
        CHECK(mprotect(area, pages * PAGE, PROT_READ) == 0);
        CHECK(mprotect(area + pages / 2 * PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
        area[pages / 2 * PAGE] = mark;
        CHECK(mprotect(area, pages * PAGE, PROT_NONE) == 0);
        CHECK(mprotect(area, pages * PAGE, PROT_READ | PROT_WRITE) == 0);
        for (size_t i = 0; i < pages * PAGE; i += 509)
            CHECK(area[i] == mark);
        /* In three parts: a hole may be another thread's at once. */
        size_t middle = pages / 3;
        CHECK(munmap(area + middle * PAGE, PAGE) == 0);
        CHECK(middle == 0 || munmap(area, middle * PAGE) == 0);
        if (middle + 1 < pages)
            CHECK(munmap(area + (middle + 1) * PAGE, (pages - middle - 1) * PAGE) == 0);
    }
    return NULL;
}

static void
test_own_areas_by_many_threads_keep_their_contents(void)
{
    /* Verify that maps and unmaps of one thread do not touch what another has. */
    for (uintptr_t i = 0; i < THREADS; i++)
        start((int)i, own_area, (void *)i);
    join(THREADS);
}

/* One word in each page for each thread, written and read back all the time. */
static unsigned char *common;
#define COMMON 64

static void *
write_words(void *arg)
{
    uintptr_t me = (uintptr_t)arg;
    uint64_t value = 0;

    while (!stop) {
        value++;
        for (size_t i = 0; i < COMMON; i++)
            ((volatile uint64_t *)(common + i * PAGE))[me] = value + i;
        for (size_t i = 0; i < COMMON; i++)
            CHECK(((volatile uint64_t *)(common + i * PAGE))[me] == value + i);
    }
    return NULL;
}

static void
test_fork_while_threads_write_gives_each_its_own(void)
{
    /* Verify that no write is lost and none crosses when a process with writing threads
     * forks and parent and child write on. */
    common = map_pages(COMMON);
    for (uintptr_t i = 0; i < THREADS - 1; i++)
        start((int)i, write_words, (void *)i);
    for (int round = 0; round < rounds; round++) {
        pid_t child = fork();

        CHECK(child >= 0);
        if (child == 0) {
            for (int again = 0; again < 2; again++) {
                for (size_t i = 0; i < COMMON; i++) {
                    volatile uint64_t *words = (volatile uint64_t *)(common + i * PAGE);
                    uint64_t seen = words[0];

                    memset((void *)words, 0xee, PAGE);
                    CHECK(words[0] == 0xeeeeeeeeeeeeeeee && seen != words[0] + again);
                }
            }
            _exit(0);
        }
        CHECK_EXIT(child, 0);
        CHECK(common[PAGE - 1] == 0);
    }
    stop = 1;
    join(THREADS - 1);
}

/* A page that is unmapped and mapped again under a reader's feet: it sees zeros or the
 * mark, or a fault that it expects, and nothing else. */
static unsigned char *moving;
static __thread void *landing;
static void
on_fault(int number)
{
    if (landing)
        siglongjmp(*(sigjmp_buf *)landing, number);
    _exit(99);
}

static void *
read_moving(void *arg)
{
    sigjmp_buf here;

    (void)arg;
    landing = (void *)&here;
    while (!stop) {
        if (sigsetjmp(here, 1) == 0) {
            for (int i = 0; i < 1000; i++) {
                unsigned char seen = *(volatile unsigned char *)(moving + i % 8 * PAGE);

                CHECK(seen == 0 || seen == 0x5a);
            }
        }
    }
    landing = NULL;
    return NULL;
}

static void *
churn(void *arg)
{
    /* Frames that go around: all full of something that a stale translation shows. */
    while (!stop) {
        unsigned char *area = map_pages(8);

        memset(area, 0x80 | (int)(uintptr_t)arg, 8 * PAGE);
        CHECK(munmap(area, 8 * PAGE) == 0);
    }
    return NULL;
}

static void
test_unmapped_pages_are_never_seen_again(void)
{
    /* Verify that no thread sees a frame that another unmapped and someone else has. */
    struct sigaction action = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };

    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    CHECK(sigaction(SIGBUS, &action, NULL) == 0);
    moving = map_pages(8);
    start(0, read_moving, NULL);
    start(1, read_moving, NULL);
    start(2, churn, (void *)1);
    for (int round = 0; round < 4 * rounds; round++) {
        for (int i = 0; i < 8; i++)
            moving[i * PAGE] = 0x5a;
        if (round % 3 == 0)
            CHECK(madvise(moving, 8 * PAGE, MADV_DONTNEED) == 0);
        else if (round % 3 == 1)
            CHECK(mprotect(moving, 8 * PAGE, PROT_NONE) == 0);
        CHECK(mmap(moving, 8 * PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == moving);
    }
    stop = 1;
    join(3);
}

static int shared_fd;
#define FILE_PAGES 32

static void *
touch_file(void *arg)
{
    sigjmp_buf here;
    unsigned char *at = mmap(NULL, FILE_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
                             shared_fd, 0);
    unsigned char *own = mmap(NULL, FILE_PAGES * PAGE, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE, shared_fd, 0);

    CHECK(at != MAP_FAILED && own != MAP_FAILED);
    landing = (void *)&here;
    for (unsigned round = (unsigned)(uintptr_t)arg; !stop; round++) {
        if (sigsetjmp(here, 1) == 0) {
            for (unsigned i = 0; i < FILE_PAGES; i++) {
                unsigned page = (i * 5 + round) % FILE_PAGES;
                unsigned char seen = ((volatile unsigned char *)at)[page * PAGE];

                CHECK(seen == 0 || seen == 0x40 + page);
                seen = ((volatile unsigned char *)own)[page * PAGE];
                CHECK(seen == 0 || seen == 0x40 + page || seen == 0x11);
                own[page * PAGE] = 0x11;
                at[page * PAGE] = (unsigned char)(0x40 + page);
            }
        }
        if (round % 16 == 0)
            CHECK(madvise(own, FILE_PAGES * PAGE, MADV_DONTNEED) == 0);
    }
    landing = NULL;
    return NULL;
}

static void
test_truncate_of_a_mapped_file_while_threads_touch_it(void)
{
    /* Verify that a page that was cut off is gone for all, and never someone else's. */
    struct sigaction action = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };
    char name[] = "/tmp/truncXXXXXX";

    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    CHECK(sigaction(SIGBUS, &action, NULL) == 0);
    CHECK((shared_fd = mkstemp(name)) >= 0 && unlink(name) == 0);
    CHECK(ftruncate(shared_fd, FILE_PAGES * PAGE) == 0);
    for (uintptr_t i = 0; i < THREADS - 1; i++)
        start((int)i, touch_file, (void *)i);
    start(THREADS - 1, churn, (void *)2);
    for (int round = 0; round < 2 * rounds; round++) {
        off_t cut = (off_t)((unsigned)round * 7 % FILE_PAGES * PAGE);

        CHECK(ftruncate(shared_fd, cut) == 0);
        CHECK(ftruncate(shared_fd, FILE_PAGES * PAGE) == 0);
        if (round % 10 == 0) {
            pid_t child = fork();

            if (child == 0)
                _exit(0);
            CHECK_EXIT(child, 0);
        }
    }
    stop = 1;
    join(THREADS);
}

static void
test_read_into_and_write_from_a_mapping_of_the_same_file(void)
{
    /* Verify that a copy whose user page is a page of the file it copies ends. */
    char name[] = "/tmp/selfXXXXXX";
    int fd = mkstemp(name);
    unsigned char *at;

    CHECK(fd >= 0 && unlink(name) == 0 && ftruncate(fd, 8 * PAGE) == 0);
    at = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(at != MAP_FAILED);
    CHECK(pwrite(fd, "hello", 5, 0) == 5);
    CHECK(pread(fd, at + 4 * PAGE - 2, 5, 0) == 5);
    CHECK(memcmp(at + 4 * PAGE - 2, "hello", 5) == 0);
    CHECK(pwrite(fd, at + 4 * PAGE - 2, 5, 6 * PAGE - 3) == 5);
    CHECK(memcmp(at + 6 * PAGE - 3, "hello", 5) == 0);
    CHECK(madvise(at, 8 * PAGE, MADV_DONTNEED) == 0);
    CHECK(pread(fd, at, 2 * PAGE, PAGE) == (ssize_t)(2 * PAGE));
    CHECK(close(fd) == 0);
}

static _Atomic int ticks;
static void
on_tick(int number)
{
    (void)number;
    ticks++;
}

static void
test_timers_and_signals_while_threads_work(void)
{
    /* Verify that timers, signals to threads and short sleeps do not lose a wake-up. */
    struct sigaction action = { .sa_handler = on_tick, .sa_flags = SA_RESTART };
    struct itimerval each = { { 0, 700 }, { 0, 700 } }, none = { { 0, 0 }, { 0, 0 } };

    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        start((int)i, own_area, (void *)i);
    CHECK(setitimer(ITIMER_REAL, &each, NULL) == 0);
    for (int round = 0; round < rounds; round++) {
        struct timespec nap = { 0, 1000 * (round % 900) };

        CHECK(kill(getpid(), SIGUSR1) == 0);
        while (nanosleep(&nap, &nap) != 0)
            CHECK(errno == EINTR);
    }
    CHECK(setitimer(ITIMER_REAL, &none, NULL) == 0);
    join(THREADS);
    CHECK(ticks > 0);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static int whose;

static void *
take_turns(void *arg)
{
    int me = (int)(uintptr_t)arg;

    for (int round = 0; round < 10 * rounds; round++) {
        pthread_mutex_lock(&lock);
        while (whose != me)
            pthread_cond_wait(&turn, &lock);
        whose = (me + 1) % THREADS;
        pthread_cond_broadcast(&turn);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void
test_turns_by_condition_variables_lose_no_wake_up(void)
{
    /* Verify that each thread gets each of its turns. */
    for (uintptr_t i = 0; i < THREADS; i++)
        start((int)i, take_turns, (void *)i);
    join(THREADS);
}

static void *
spin_for_ever(void *arg)
{
    volatile unsigned char *area = map_pages(16);

    (void)arg;
    for (unsigned i = 0;; i++) {
        area[i % 16 * PAGE] = 1;
        if (i % 4096 == 0)
            CHECK(madvise((void *)area, 16 * PAGE, MADV_DONTNEED) == 0);
    }
    return NULL;
}

static void
test_exit_and_exec_end_running_threads(void)
{
    /* Verify that exit, a fatal signal and exec of one thread end all the others. */
    for (int round = 0; round < rounds / 5; round++) {
        pid_t child = fork();

        CHECK(child >= 0);
        if (child == 0) {
            for (int i = 0; i < THREADS - 1; i++)
                start(i, spin_for_ever, NULL);
            usleep((useconds_t)(round % 7) * 300);
            if (round % 3 == 0)
                _exit(3);
            if (round % 3 == 1)
                kill(getpid(), SIGKILL);
            execl("/proc/self/exe", "x", "exit3", NULL);
            execl("/add/test_storms", "x", "exit3", NULL);
            _exit(98);
        }
        if (round % 3 == 1)
            CHECK_SIGNAL(child, SIGKILL);
        else
            CHECK_EXIT(child, 3);
    }
}

#undef RUN
#define RUN(test)                                                                     \
    do {                                                                              \
        stop = 0;                                                                     \
        if (argc < 3 || strstr(#test, argv[2]))                                       \
            check_run(#test, test);                                                     \
    } while (0)

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "exit3") == 0)
        return 3;
    if (argc > 1 && atoi(argv[1]) > 0)
        rounds = atoi(argv[1]);
    RUN(test_own_areas_by_many_threads_keep_their_contents);
    RUN(test_fork_while_threads_write_gives_each_its_own);
    RUN(test_unmapped_pages_are_never_seen_again);
    RUN(test_truncate_of_a_mapped_file_while_threads_touch_it);
    RUN(test_read_into_and_write_from_a_mapping_of_the_same_file);
    RUN(test_timers_and_signals_while_threads_work);
    RUN(test_turns_by_condition_variables_lose_no_wake_up);
    RUN(test_exit_and_exec_end_running_threads);
    return check_failures != 0;
}
