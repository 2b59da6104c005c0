/* SPDX-License-Identifier: MIT */
/* A stress of threads and their locks: counted work under each kind of lock, holders that are
 * killed, threads that are cancelled, and processes that end with threads in every kind of
 * wait (stress.h). */
#define _GNU_SOURCE
#include "stress.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#define THREADS 8

/* ---- counted under a lock ---- */

static struct shared {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    pthread_rwlock_t rwlock;
    pthread_barrier_t barrier;
    sem_t semaphore;
    int kind, rounds, threads;
    volatile uint64_t count;
} work;

static void *
count_under_lock(void *arg)
{
    (void)arg;
    pthread_barrier_wait(&work.barrier);
    for (int i = 0; i < work.rounds; i++) {
        if (work.kind == 0)
            CHECK(pthread_rwlock_wrlock(&work.rwlock) == 0);
        else if (work.kind == 1)
            CHECK(sem_wait(&work.semaphore) == 0);
        else
            CHECK(pthread_mutex_lock(&work.mutex) == 0);
        work.count++;
        if (work.kind == 0)
            CHECK(pthread_rwlock_unlock(&work.rwlock) == 0);
        else if (work.kind == 1)
            CHECK(sem_post(&work.semaphore) == 0);
        else
            CHECK(pthread_mutex_unlock(&work.mutex) == 0);
    }
    return NULL;
}

static void
do_count(void)
{
    pthread_t thread[THREADS];
    pthread_mutexattr_t attributes;

    work.kind = (int)next(4);
    work.rounds = 1 + (int)next(300);
    work.threads = 2 + (int)next(THREADS - 1);
    work.count = 0;
    CHECK(pthread_mutexattr_init(&attributes) == 0);
    if (work.kind == 3)
        CHECK(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT) == 0);
    CHECK(pthread_mutex_init(&work.mutex, &attributes) == 0);
    CHECK(pthread_rwlock_init(&work.rwlock, NULL) == 0);
    CHECK(sem_init(&work.semaphore, 0, 1) == 0);
    CHECK(pthread_barrier_init(&work.barrier, NULL, (unsigned)work.threads) == 0);
    for (int i = 0; i < work.threads; i++)
        CHECK(pthread_create(&thread[i], NULL, count_under_lock, NULL) == 0);
    for (int i = 0; i < work.threads; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    CHECK(work.count == (uint64_t)work.rounds * (unsigned)work.threads);
    add(work.count);
}

/* ---- handed on through a condition ---- */

static void *
take_turns(void *arg)
{
    unsigned mine = (unsigned)(uintptr_t)arg;

    for (int i = 0; i < work.rounds; i++) {
        CHECK(pthread_mutex_lock(&work.mutex) == 0);
        while (work.count % (unsigned)work.threads != mine)
            CHECK(pthread_cond_wait(&work.cond, &work.mutex) == 0);
        work.count++;
        CHECK(pthread_cond_broadcast(&work.cond) == 0);
        CHECK(pthread_mutex_unlock(&work.mutex) == 0);
    }
    return NULL;
}

static void
do_turns(void)
{
    pthread_t thread[THREADS];

    work.rounds = 1 + (int)next(30);
    work.threads = 2 + (int)next(THREADS - 1);
    work.count = 0;
    CHECK(pthread_mutex_init(&work.mutex, NULL) == 0);
    CHECK(pthread_cond_init(&work.cond, NULL) == 0);
    for (int i = 0; i < work.threads; i++)
        CHECK(pthread_create(&thread[i], NULL, take_turns, (void *)(uintptr_t)i) == 0);
    for (int i = 0; i < work.threads; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    CHECK(work.count == (uint64_t)work.rounds * (unsigned)work.threads);
    add(work.count);
}

/* ---- a holder that is killed ---- */

struct robust {
    pthread_mutex_t mutex;
    volatile int held;
};

static void
do_robust(void)
{
    struct robust *r = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attributes;
    int children = 1 + (int)next(4), died = 0;
    pid_t child[4];

    CHECK(r != MAP_FAILED && pthread_mutexattr_init(&attributes) == 0);
    CHECK(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0);
    CHECK(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0);
    CHECK(pthread_mutex_init(&r->mutex, &attributes) == 0);
    for (int i = 0; i < children; i++) {
        child[i] = fork();
        CHECK(child[i] >= 0);
        if (child[i] != 0)
            continue;
        int result = pthread_mutex_lock(&r->mutex);

        CHECK(result == 0 || result == EOWNERDEAD);
        if (result == EOWNERDEAD)
            CHECK(pthread_mutex_consistent(&r->mutex) == 0);
        r->held = i + 1;
        for (;;)
            pause();
    }
    while (died < children) {
        int who = r->held; /* it holds the lock; who has not come to it waits */

        if (who == 0) {
            sched_yield();
            continue;
        }
        r->held = 0;
        CHECK(kill(child[who - 1], SIGKILL) == 0);
        CHECK_SIGNAL(child[who - 1], SIGKILL);
        died++;
    }
    CHECK(pthread_mutex_lock(&r->mutex) == EOWNERDEAD);
    CHECK(pthread_mutex_consistent(&r->mutex) == 0);
    CHECK(pthread_mutex_unlock(&r->mutex) == 0);
    CHECK(pthread_mutex_lock(&r->mutex) == 0 && pthread_mutex_unlock(&r->mutex) == 0);
    CHECK(munmap(r, PAGE) == 0);
    add((uint64_t)died);
}

/* ---- every kind of wait ---- */

static int silent[2]; /* a pipe that nobody writes to */
static pthread_barrier_t waiting;

static void *
wait_somehow(void *arg)
{
    struct pollfd p = { .fd = silent[0], .events = POLLIN };
    struct epoll_event event;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    sigset_t none;
    char byte;
    int epoll;

    pthread_barrier_wait(&waiting);
    switch ((uintptr_t)arg) {
    case 0: (void)!read(silent[0], &byte, 1); break;
    case 1: poll(&p, 1, -1); break;
    case 2:
        pthread_mutex_lock(&mutex);
        pthread_cond_wait(&cond, &mutex);
        break;
    case 3: sleep(1000); break;
    case 4:
        epoll = epoll_create1(0);
        epoll_wait(epoll, &event, 1, -1);
        break;
    case 5:
        sigemptyset(&none);
        sigsuspend(&none);
        break;
    case 6:
        for (;;)
            usleep(10);
    default:
        for (;;)
            pthread_testcancel();
    }
    return NULL;
}

static void
start_waiting(pthread_t *thread, uint32_t count, uint32_t first)
{
    CHECK(pipe(silent) == 0);
    CHECK(pthread_barrier_init(&waiting, NULL, count + 1) == 0);
    for (uint32_t i = 0; i < count; i++)
        CHECK(pthread_create(&thread[i], NULL, wait_somehow,
                             (void *)(uintptr_t)((first + i) % 8)) == 0);
    pthread_barrier_wait(&waiting);
}

static void *
leave(void *arg)
{
    _exit((int)(uintptr_t)arg);
}

static char self_path[4096];

/* The process ends by one of its threads, by another's program, or from outside. */
static void
do_end(void)
{
    uint32_t count = 1 + next(THREADS), first = next(8), how = next(4), code = next(200);
    uint32_t delay = next(3000);
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        pthread_t thread[THREADS + 1];
        char text[16];

        start_waiting(thread, count, first);
        usleep(delay);
        if (how == 0)
            _exit((int)code);
        if (how == 1) {
            snprintf(text, sizeof text, "%u", code);
            execl(self_path, self_path, "--exit", text, NULL);
            _exit(255);
        }
        CHECK(how == 3 || pthread_create(&thread[count], NULL, leave,
                                         (void *)(uintptr_t)code) == 0);
        for (;;)
            pause();
    }
    if (how == 3) {
        usleep(next(3000));
        CHECK(kill(child, SIGKILL) == 0);
        CHECK_SIGNAL(child, SIGKILL);
    } else {
        CHECK_EXIT(child, (int)code);
    }
    add(how << 8 | count);
}

static void
do_cancel(void)
{
    uint32_t count = 1 + next(THREADS), first = next(8);
    pthread_t thread[THREADS];
    void *result;

    start_waiting(thread, count, first);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(pthread_cancel(thread[i]) == 0);
        if (next(2))
            sched_yield();
    }
    for (uint32_t i = 0; i < count; i++)
        CHECK(pthread_join(thread[i], &result) == 0 && result == PTHREAD_CANCELED);
    CHECK(close(silent[0]) == 0 && close(silent[1]) == 0);
    add(count);
}

/* ---- events between threads ---- */

struct events {
    int fd[THREADS], rounds;
};

static void *
write_events(void *arg)
{
    struct events *e = arg;
    uint64_t one = 1;

    for (int i = 0; i < e->rounds; i++)
        CHECK(write(e->fd[i % THREADS], &one, sizeof one) == sizeof one);
    return NULL;
}

static void
do_events(void)
{
    struct events e = { .rounds = 1 + (int)next(200) };
    uint32_t edge = next(2), writers = 1 + next(3);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t got = 0, value;
    pthread_t thread[3];

    CHECK(epoll >= 0);
    for (int i = 0; i < THREADS; i++) {
        struct epoll_event event = { EPOLLIN | (edge ? EPOLLET : 0), { .u32 = (uint32_t)i } };

        CHECK((e.fd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) >= 0);
        CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, e.fd[i], &event) == 0);
    }
    for (uint32_t i = 0; i < writers; i++)
        CHECK(pthread_create(&thread[i], NULL, write_events, &e) == 0);
    while (got < writers * (uint64_t)e.rounds) {
        struct epoll_event event[3];
        int ready = epoll_wait(epoll, event, 3, 20000);

        CHECK(ready > 0); /* a wake-up was lost */
        for (int i = 0; i < ready; i++)
            if (read(e.fd[event[i].data.u32], &value, sizeof value) == sizeof value)
                got += value;
    }
    CHECK(got == writers * (uint64_t)e.rounds);
    for (uint32_t i = 0; i < writers; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(close(e.fd[i]) == 0);
    CHECK(close(epoll) == 0);
    add(got);
}

/* ---- memory that several threads change ---- */

struct region {
    unsigned char *at;
    size_t pages;
    uint64_t seed;
};

static void *
change_memory(void *arg)
{
    struct region *r = arg;
    uint64_t draw = r->seed;

    for (int i = 0; i < 40; i++) {
        draw = draw * 6364136223846793005u + 1442695040888963407u;
        size_t page = (draw >> 33) % r->pages, most = r->pages - page;
        size_t pages = 1 + (draw >> 50) % (most < 32 ? most : 32);
        unsigned char *at = r->at + page * PAGE;

        switch (draw >> 60 & 3) {
        case 0: CHECK(madvise(at, pages * PAGE, MADV_DONTNEED) == 0); break;
        case 1: CHECK(mprotect(at, pages * PAGE, PROT_READ | PROT_WRITE) == 0); break;
        case 2: CHECK(madvise(at, pages * PAGE, MADV_FREE) == 0); break;
        default:
            for (size_t j = 0; j < pages; j++)
                at[j * PAGE] = (unsigned char)(1 + j);
        }
    }
    return NULL;
}

/* What another thread's page holds is either what it wrote there or nothing. */
static void
do_memory(void)
{
    size_t pages = 16 + next(1024);
    struct region r[4];
    pthread_t thread[4];
    unsigned char *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(at != MAP_FAILED);
    if (next(2))
        madvise(at, pages * PAGE, MADV_HUGEPAGE);
    for (int i = 0; i < 4; i++) {
        r[i] = (struct region){ at, pages, state + (unsigned)i };
        CHECK(pthread_create(&thread[i], NULL, change_memory, &r[i]) == 0);
    }
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        change_memory(&r[0]);
        _exit(0);
    }
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    CHECK_EXIT(child, 0);
    for (size_t i = 0; i < pages; i++)
        CHECK(at[i * PAGE] <= 32 && at[i * PAGE + 1] == 0 && at[i * PAGE + PAGE - 1] == 0);
    CHECK(munmap(at, pages * PAGE) == 0);
    add(pages);
}

int
main(int argc, char **argv)
{
    static stress_work *const works[] = { do_count, do_turns, do_robust, do_end, do_cancel,
        do_events, do_memory };

    if (argc == 3 && strcmp(argv[1], "--exit") == 0)
        return atoi(argv[2]);
    CHECK(realpath(argv[0], self_path) != NULL);
    return stress_main(argc, argv, works, sizeof works / sizeof *works);
}
