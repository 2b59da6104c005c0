/* SPDX-License-Identifier: MIT */
/*
 * Timers on clocks of each other, made, set and deleted at random by threads of several
 * processes that come and go; and queues whose readers and writers are killed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "held.h"

enum { PROCESSES = 4, THREADS = 3, TIMERS = 8, STEPS = 150 };
#define MS 1000000l

static volatile pid_t *known; /* of all processes, and threads of this one */
static _Atomic int tids[THREADS];
static _Atomic unsigned long signals;

static unsigned
pick(unsigned *state, unsigned n)
{
    *state = *state * 1103515245 + 12345;
    return (*state >> 16) % n;
}

static void
count(int number)
{
    (void)number;
    signals++;
}

static clockid_t
a_clock(unsigned *seed)
{
    static const clockid_t plain[] = { CLOCK_REALTIME, CLOCK_MONOTONIC,
                                       CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID };
    unsigned what = pick(seed, 3);
    switch (pick(seed, 4)) {
    case 0:
        return (clockid_t)(~(unsigned)known[pick(seed, PROCESSES)] << 3 | what);
    case 1:
        return (clockid_t)(~(unsigned)tids[pick(seed, THREADS)] << 3 | 4 | what);
    default:
        return plain[pick(seed, 4)];
    }
}

/* What the kernel may refuse is refused; nothing else is looked at. */
static void
step(unsigned *seed, int *timers)
{
    struct sigevent e = { .sigev_notify = pick(seed, 4) == 0 ? SIGEV_NONE : SIGEV_SIGNAL,
                          .sigev_signo = pick(seed, 2) ? SIGUSR1 : SIGRTMIN + 1 };
    struct itimerspec t = { { 0, pick(seed, 3) * MS }, { 0, pick(seed, 6) * MS } }, old;
    struct itimerval it = { { 0, pick(seed, 3) * 1000 }, { 0, pick(seed, 4) * 1000 } };
    struct timespec now, past = { 0, 1 };
    int *at = &timers[pick(seed, TIMERS)];
    sigset_t set;
    switch (pick(seed, 9)) {
    case 0:
    case 1:
        if (*at >= 0)
            syscall(SYS_timer_delete, *at);
        if (syscall(SYS_timer_create, a_clock(seed), &e, at) != 0)
            *at = -1;
        break;
    case 2:
    case 3:
    case 4:
        if (pick(seed, 3) == 0)
            t.it_value.tv_nsec = 1;
        syscall(SYS_timer_settime, *at, pick(seed, 2), &t, &old);
        break;
    case 5:
        syscall(SYS_timer_gettime, *at, &old);
        syscall(SYS_timer_getoverrun, *at);
        break;
    case 6:
        setitimer(pick(seed, 2) ? ITIMER_PROF : ITIMER_VIRTUAL, &it, NULL);
        break;
    case 7:
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigprocmask(pick(seed, 2) ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
        break;
    default:
        syscall(SYS_clock_gettime, a_clock(seed), &now);
        /* Exact, of a process that runs: others may stand still below that for ever. */
        syscall(SYS_clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, &past, NULL);
        for (volatile unsigned i = 0; i < 20000; i++)
            ;
    }
}

struct part {
    unsigned seed;
    int index, steps;
};

static void *
thread(void *arg)
{
    struct part *p = arg;
    int timers[TIMERS];
    memset(timers, -1, sizeof timers);
    tids[p->index] = (int)syscall(SYS_gettid);
    for (int i = 0; i < p->steps; i++)
        step(&p->seed, timers);
    return NULL; /* its timers stay, and so do those on its clock */
}

static void
process(unsigned seed)
{
    struct sigaction act = { .sa_handler = count, .sa_flags = SA_RESTART };
    static const int numbers[] = { SIGUSR1, SIGVTALRM, SIGPROF };
    pthread_t t[THREADS];
    struct part part[THREADS];
    for (int i = 0; i < 3; i++)
        sigaction(numbers[i], &act, NULL);
    sigaction(SIGRTMIN + 1, &act, NULL);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < THREADS; i++) {
            part[i] = (struct part){ seed * 77 + (unsigned)(round * THREADS + i) * 7919, i,
                                     (int)(STEPS / 2 + pick(&seed, STEPS)) };
            CHECK(pthread_create(&t[i], NULL, thread, &part[i]) == 0);
        }
        for (int i = 0; i < THREADS; i++)
            CHECK(pthread_join(t[i], NULL) == 0);
    }
}

static void
test_storm(void)
{
    struct rlimit limit = { 10000, 10000 };
    known = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK((void *)known != MAP_FAILED);
    CHECK(setrlimit(RLIMIT_SIGPENDING, &limit) == 0);
    for (int i = 0; i < PROCESSES * 3; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            known[i % PROCESSES] = getpid();
            process((unsigned)i + 1);
            _exit(0);
        }
        if (i >= PROCESSES - 1) { /* one comes for each that goes */
            int status;
            CHECK(wait(&status) > 0 && status == 0);
        }
    }
    while (wait(NULL) > 0)
        ;
}

/* Readers and writers of a queue die in the middle; what is left works. */
static void
test_queue_storm(void)
{
    struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = 64 };
    struct sigevent note = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGURG };
    char text[64] = "";
    unsigned seed = 5;
    mq_unlink("/storm");
    mqd_t q = mq_open("/storm", O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
    CHECK(q != (mqd_t)-1);
    pid_t child[6];
    for (int i = 0; i < 60; i++) {
        if (i >= 6) {
            kill(child[i % 6], SIGKILL);
            CHECK(waitpid(child[i % 6], NULL, 0) == child[i % 6]);
        }
        child[i % 6] = fork();
        CHECK(child[i % 6] >= 0);
        for (unsigned mine = (unsigned)i + 1; child[i % 6] == 0;) {
            struct timespec t = { 1, 0 };
            switch ((pick(&mine, 6) + (unsigned)i) % 4) {
            case 0:
                mq_receive(q, text, sizeof text, NULL);
                break;
            case 1:
                mq_notify(q, pick(&mine, 2) ? &note : NULL);
                mq_timedreceive(q, text, sizeof text, NULL, &t);
                break;
            default:
                mq_send(q, text, pick(&mine, 65), pick(&mine, 3));
            }
        }
        usleep(1000 * pick(&seed, 10));
    }
    for (int i = 0; i < 6; i++) {
        kill(child[i], SIGKILL);
        CHECK(waitpid(child[i], NULL, 0) == child[i]);
    }
    CHECK(mq_setattr(q, &(struct mq_attr){ .mq_flags = O_NONBLOCK }, NULL) == 0);
    while (mq_receive(q, text, sizeof text, NULL) >= 0)
        ;
    CHECK(errno == EAGAIN);
    for (int i = 0; i < 4; i++)
        CHECK(mq_send(q, text, 64, 0) == 0);
    CHECK_ERROR(mq_send(q, text, 64, 0), EAGAIN);
    CHECK(mq_notify(q, &note) == 0);
    CHECK(mq_unlink("/storm") == 0);
}

static _Atomic int ender_ends;

/* Ends whatever timer there is, as soon as it has a number. */
static void *
end_timers(void *arg)
{
    (void)arg;
    while (!ender_ends)
        for (int id = 0; id < 4; id++)
            syscall(SYS_timer_delete, id);
    return NULL;
}

/* A timer whose number another thread guesses may go while it is being made. */
static void
race_child(void)
{
    pthread_t ender;
    struct sigevent e = { .sigev_notify = SIGEV_NONE };
    int id;

    CHECK(pthread_create(&ender, NULL, end_timers, NULL) == 0);
    for (int i = 0; i < 3000; i++) {
        CHECK(syscall(SYS_timer_create, CLOCK_PROCESS_CPUTIME_ID, &e, &id) == 0);
        syscall(SYS_timer_delete, id);
    }
    ender_ends = 1;
    CHECK(pthread_join(ender, NULL) == 0);
    _exit(check_failures != 0);
}

static void
test_timer_when_deleted_while_made_then_nothing_is_lost(void)
{
    long before = 0;
    int status;

    for (int i = 0; i < 6; i++) {
        pid_t child = fork();
        if (child == 0)
            race_child();
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        if (i == 1) {
            usleep(100000);
            before = held("heap_objects");
        }
    }
    for (int i = 0; i < 50 && held("heap_objects") > before; i++)
        usleep(20000);
    CHECK(held("heap_objects") <= before); /* -1 where nothing tells */
}

int
main(void)
{
    RUN(test_timer_when_deleted_while_made_then_nothing_is_lost, timer_create, timer_delete);
    RUN(test_storm, timer_create, timer_settime, timer_delete, setitimer);
    RUN(test_queue_storm, mq_timedsend, mq_timedreceive, mq_notify);
    return check_failures != 0;
}
