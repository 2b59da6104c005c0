/* SPDX-License-Identifier: MIT */
/* futex(2): locks that lend priority, waiting on several words. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

enum { WAKE = 1, LOCK = 6, UNLOCK = 7, TRYLOCK = 8, WAIT_REQUEUE = 11, CMP_REQUEUE = 12,
       LOCK2 = 13, PRIVATE = 128, REALTIME = 256 };
#define WAITERS 0x80000000u
#define DIED 0x40000000u

typedef _Atomic uint32_t word_t;
static word_t one, two, three;
static _Atomic int step, counted;
static int shared_counter;

static long
futex(void *at, int op, uint32_t value, const void *limit, void *second, uint32_t third)
{
    return syscall(SYS_futex, at, op, value, limit, second, third);
}

static uint32_t
tid(void)
{
    return (uint32_t)syscall(SYS_gettid);
}

static int
lock(word_t *w)
{
    uint32_t none = 0;
    if (__atomic_compare_exchange_n((uint32_t *)w, &none, tid(), 0, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST))
        return 0;
    return (int)futex(w, LOCK | PRIVATE, 0, NULL, NULL, 0);
}

static int
unlock(word_t *w)
{
    uint32_t mine = tid();
    if (__atomic_compare_exchange_n((uint32_t *)w, &mine, 0, 0, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST))
        return 0;
    return (int)futex(w, UNLOCK | PRIVATE, 0, NULL, NULL, 0);
}

static struct timespec
after(clockid_t clock, long ms)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    return t;
}

/* The priority as the scheduler counts it: field 18 of stat. */
static int
priority_of(uint32_t of)
{
    char name[64], text[512], *at;
    snprintf(name, sizeof name, "/proc/self/task/%u/stat", of);
    int fd = open(name, O_RDONLY);
    CHECK(fd >= 0);
    ssize_t n = read(fd, text, sizeof text - 1);
    CHECK(n > 0);
    text[n] = '\0';
    close(fd);
    at = strrchr(text, ')');
    for (int field = 2; field < 18; field++)
        at = strchr(at + 1, ' ');
    return atoi(at);
}

static void
be_fifo(int priority)
{
    struct sched_param p = { .sched_priority = priority };
    CHECK(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &p) == 0);
}

static void
until(int n)
{
    while (step < n)
        usleep(1000);
}

/* Until the word says that somebody waits. */
static void
until_waited(word_t *w)
{
    while (!(*w & WAITERS))
        usleep(1000);
    usleep(20000);
}

static void *
hold_one(void *arg)
{
    *(uint32_t *)arg = tid();
    CHECK(lock(&one) == 0);
    step = 1;
    until(2);
    CHECK(unlock(&one) == 0);
    step = 3;
    until(4);
    return NULL;
}

/* Verify words and errors without waiting. */
static void
test_alone(void)
{
    struct timespec bad = { 0, 1000000000 };
    CHECK(futex(&one, LOCK | PRIVATE, 0, NULL, NULL, 0) == 0 && one == tid());
    CHECK_ERROR(futex(&one, LOCK | PRIVATE, 0, NULL, NULL, 0), EDEADLK);
    CHECK_ERROR(futex(&one, TRYLOCK | PRIVATE, 0, NULL, NULL, 0), EDEADLK);
    CHECK(futex(&one, UNLOCK | PRIVATE, 0, NULL, NULL, 0) == 0 && one == 0);
    CHECK_ERROR(futex(&one, UNLOCK | PRIVATE, 0, NULL, NULL, 0), EPERM);
    CHECK(futex(&one, TRYLOCK, 0, NULL, NULL, 0) == 0 && one == tid());
    CHECK(futex(&one, UNLOCK, 0, NULL, NULL, 0) == 0);
    one = DIED;
    CHECK(futex(&one, TRYLOCK | PRIVATE, 0, NULL, NULL, 0) == 0 && one == (tid() | DIED));
    CHECK(futex(&one, UNLOCK | PRIVATE, 0, NULL, NULL, 0) == 0);
    one = 4000000;
    CHECK_ERROR(futex(&one, LOCK | PRIVATE, 0, NULL, NULL, 0), ESRCH);
    CHECK_ERROR(futex(&one, TRYLOCK | PRIVATE, 0, NULL, NULL, 0), ESRCH);
    one = 0;
    CHECK_ERROR(futex(&one, LOCK | PRIVATE, 0, &bad, NULL, 0), EINVAL);
    CHECK_ERROR(futex((char *)&one + 1, LOCK | PRIVATE, 0, NULL, NULL, 0), EINVAL);
    CHECK_ERROR(futex((void *)8, LOCK | PRIVATE, 0, NULL, NULL, 0), EFAULT);
    CHECK_ERROR(futex((void *)8, UNLOCK | PRIVATE, 0, NULL, NULL, 0), EFAULT);
    CHECK_ERROR(futex(&one, LOCK | PRIVATE | REALTIME, 0, NULL, NULL, 0), ENOSYS);
    CHECK(futex(&one, LOCK2 | PRIVATE | REALTIME, 0, NULL, NULL, 0) == 0);
    CHECK(unlock(&one) == 0);
}

/* Verify that a wait for a lock ends at its time, on each clock. */
static void
test_timeout(void)
{
    pthread_t t;
    uint32_t holder;
    CHECK(pthread_create(&t, NULL, hold_one, &holder) == 0);
    until(1);
    struct timespec at = after(CLOCK_REALTIME, 20);
    CHECK_ERROR(futex(&one, LOCK | PRIVATE, 0, &at, NULL, 0), ETIMEDOUT);
    at = after(CLOCK_MONOTONIC, 20);
    CHECK_ERROR(futex(&one, LOCK2 | PRIVATE, 0, &at, NULL, 0), ETIMEDOUT);
    at = after(CLOCK_REALTIME, 20);
    CHECK_ERROR(futex(&one, LOCK2 | PRIVATE | REALTIME, 0, &at, NULL, 0), ETIMEDOUT);
    CHECK_ERROR(futex(&one, TRYLOCK | PRIVATE, 0, NULL, NULL, 0), EAGAIN);
    CHECK_ERROR(futex(&one, UNLOCK | PRIVATE, 0, NULL, NULL, 0), EPERM);
    CHECK((one & ~WAITERS) == holder);
    step = 2;
    until(3);
    CHECK(lock(&one) == 0 && unlock(&one) == 0);
    step = 4;
    pthread_join(t, NULL);
}

static void *
count_under_lock(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        CHECK(lock(&one) == 0);
        int seen = shared_counter;
        if (i % 64 == 0)
            sched_yield();
        shared_counter = seen + 1;
        CHECK(unlock(&one) == 0);
    }
    return arg;
}

/* Verify that one at a time holds the lock. */
static void
test_contended(void)
{
    pthread_t t[6];
    for (int i = 0; i < 6; i++)
        CHECK(pthread_create(&t[i], NULL, count_under_lock, NULL) == 0);
    for (int i = 0; i < 6; i++)
        pthread_join(t[i], NULL);
    CHECK(shared_counter == 12000 && one == 0);
}

static void *
wait_for_one(void *arg)
{
    be_fifo((int)(intptr_t)arg);
    CHECK(lock(&one) == 0);
    int place = ++counted;
    CHECK(unlock(&one) == 0);
    return (void *)(intptr_t)place;
}

/* Verify that the holder has its waiters' highest priority while they wait, that the lock
 * goes to the highest first, and that a new priority counts at once. */
static void
test_priority_is_lent(void)
{
    pthread_t holder, low, high;
    uint32_t number;
    void *place;
    CHECK(pthread_create(&holder, NULL, hold_one, &number) == 0);
    until(1);
    CHECK(priority_of(number) == 20);
    CHECK(pthread_create(&low, NULL, wait_for_one, (void *)10) == 0);
    until_waited(&one);
    CHECK(priority_of(number) == -11);
    CHECK(pthread_create(&high, NULL, wait_for_one, (void *)30) == 0);
    while (priority_of(number) != -31)
        usleep(1000);
    struct sched_param p = { .sched_priority = 40 };
    CHECK(pthread_setschedparam(high, SCHED_FIFO, &p) == 0);
    CHECK(priority_of(number) == -41);
    step = 2;
    until(3);
    CHECK(priority_of(number) == 20);
    pthread_join(high, &place);
    CHECK((intptr_t)place == 1);
    pthread_join(low, &place);
    CHECK((intptr_t)place == 2 && one == 0);
    step = 4;
    pthread_join(holder, NULL);
}

static uint32_t middle_tid;

static void *
hold_two_want_one(void *arg)
{
    middle_tid = tid();
    CHECK(lock(&two) == 0);
    CHECK(lock(&one) == 0);
    CHECK(unlock(&one) == 0 && unlock(&two) == 0);
    return arg;
}

static void *
want_two(void *arg)
{
    be_fifo(25);
    CHECK(lock(&two) == 0 && unlock(&two) == 0);
    return arg;
}

/* Verify that priority goes down a line of holders, and that a circle is refused. */
static void
test_priority_is_lent_on(void)
{
    pthread_t middle, last;
    CHECK(lock(&one) == 0);
    CHECK(pthread_create(&middle, NULL, hold_two_want_one, NULL) == 0);
    until_waited(&one);
    CHECK(pthread_create(&last, NULL, want_two, NULL) == 0);
    until_waited(&two);
    CHECK(priority_of(middle_tid) == -26 && priority_of(tid()) == -26);
    CHECK_ERROR(futex(&two, LOCK | PRIVATE, 0, NULL, NULL, 0), EDEADLK);
    CHECK(unlock(&one) == 0);
    CHECK(priority_of(tid()) == 20);
    pthread_join(middle, NULL);
    pthread_join(last, NULL);
    CHECK(one == 0 && two == 0);
}

static void *
die_with_one(void *arg)
{
    CHECK(lock(&one) == 0);
    step = 1;
    until_waited(&one);
    syscall(SYS_exit, 0);
    return arg;
}

static void *
get_from_dead(void *arg)
{
    CHECK(lock(&one) == 0);
    CHECK((one & ~WAITERS) == (tid() | DIED));
    CHECK(unlock(&one) == 0);
    return arg;
}

/* Verify that the lock of a thread that ended goes to who waits, and says so. */
static void
test_holder_ends(void)
{
    pthread_t t[4];
    static char stack[65536];
    CHECK(clone((int (*)(void *))(void *)die_with_one, stack + sizeof stack,
                CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, NULL) > 0);
    until(1);
    CHECK(pthread_create(&t[0], NULL, get_from_dead, NULL) == 0);
    pthread_join(t[0], NULL);
    CHECK(one == 0);
}

struct robust {
    pthread_mutex_t mutex;
};

/* Verify that a robust mutex that lends priority survives a holder that was killed, over
 * and over. */
static void
test_robust(void)
{
    struct robust *r = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                            -1, 0);
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    CHECK(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED) == 0);
    CHECK(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST) == 0);
    CHECK(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT) == 0);
    CHECK(pthread_mutex_init(&r->mutex, &a) == 0);
    for (int i = 0; i < 10; i++) {
        int ready[2];
        char c;
        CHECK(pipe(ready) == 0);
        pid_t child = fork();
        if (child == 0) {
            CHECK(pthread_mutex_lock(&r->mutex) == 0);
            CHECK(write(ready[1], "x", 1) == 1);
            for (;;)
                pause();
        }
        CHECK(read(ready[0], &c, 1) == 1);
        pid_t killer = i & 1 ? fork() : -1; /* before or while we wait */
        if (killer == 0) {
            usleep(20000);
            kill(child, SIGKILL);
            _exit(0);
        }
        if (killer < 0) {
            kill(child, SIGKILL);
            CHECK(waitpid(child, NULL, 0) == child);
        }
        CHECK(pthread_mutex_lock(&r->mutex) == EOWNERDEAD);
        CHECK(pthread_mutex_consistent(&r->mutex) == 0);
        CHECK(pthread_mutex_unlock(&r->mutex) == 0);
        if (killer >= 0) {
            CHECK(waitpid(killer, NULL, 0) == killer);
            CHECK(waitpid(child, NULL, 0) == child);
        }
        close(ready[0]);
        close(ready[1]);
    }
}

static void
nothing(int number)
{
    (void)number;
    counted++;
}

static void *
lock_and_go(void *arg)
{
    CHECK(lock(&one) == 0);
    step = 5;
    CHECK(unlock(&one) == 0);
    return arg;
}

/* Verify that a signal's handler runs, and the wait goes on. */
static void
test_signal(void)
{
    struct sigaction a = { .sa_handler = nothing };
    pthread_t t;
    sigaction(SIGUSR1, &a, NULL);
    CHECK(lock(&one) == 0);
    CHECK(pthread_create(&t, NULL, lock_and_go, NULL) == 0);
    until_waited(&one);
    CHECK(pthread_kill(t, SIGUSR1) == 0);
    while (counted == 0)
        usleep(1000);
    CHECK(step != 5);
    CHECK(unlock(&one) == 0);
    pthread_join(t, NULL);
    CHECK(one == 0);
}

/* ---- from a word to a lock ---- */

static void *
wait_and_lock(void *arg)
{
    struct timespec at = after(CLOCK_MONOTONIC, (long)(intptr_t)arg);
    step++;
    long r = futex(&three, WAIT_REQUEUE | PRIVATE, 0, arg ? &at : NULL, &one, 0);
    if (r == 0) {
        CHECK((one & ~WAITERS) == tid());
        counted++;
        CHECK(unlock(&one) == 0);
    }
    return (void *)(intptr_t)(r == 0 ? 0 : errno);
}

/* Verify that waiters of a word get the lock one after the other. */
static void
test_requeue(void)
{
    pthread_t t[5];
    void *result;
    for (int i = 0; i < 5; i++)
        CHECK(pthread_create(&t[i], NULL, wait_and_lock, NULL) == 0);
    until(5);
    usleep(30000);
    CHECK_ERROR(futex(&three, WAKE | PRIVATE, 1, NULL, NULL, 0), EINVAL);
    CHECK_ERROR(futex(&three, CMP_REQUEUE | PRIVATE, 2, (void *)10, &one, 0), EINVAL);
    CHECK_ERROR(futex(&three, CMP_REQUEUE | PRIVATE, 1, (void *)10, &one, 9), EAGAIN);
    CHECK_ERROR(futex(&three, CMP_REQUEUE | PRIVATE, 1, (void *)10, &two, 0), EINVAL);
    CHECK(lock(&one) == 0);
    CHECK(futex(&three, CMP_REQUEUE | PRIVATE, 1, (void *)1, &one, 0) == 2);
    CHECK(futex(&three, CMP_REQUEUE | PRIVATE, 1, (void *)10, &one, 0) == 3);
    CHECK(futex(&three, CMP_REQUEUE | PRIVATE, 1, (void *)10, &one, 0) == 0);
    usleep(20000);
    CHECK(counted == 0);
    CHECK(unlock(&one) == 0);
    for (int i = 0; i < 5; i++) {
        pthread_join(t[i], &result);
        CHECK(result == NULL);
    }
    CHECK(counted == 5 && one == 0);
    CHECK(pthread_create(&t[0], NULL, wait_and_lock, (void *)20) == 0);
    pthread_join(t[0], &result);
    CHECK((intptr_t)result == ETIMEDOUT);
    CHECK_ERROR(futex(&three, WAIT_REQUEUE | PRIVATE, 1, NULL, &one, 0), EAGAIN);
    CHECK_ERROR(futex(&three, WAIT_REQUEUE | PRIVATE, 0, NULL, &three, 0), EINVAL);
    /* free: the first has it at once */
    step = 0;
    CHECK(pthread_create(&t[0], NULL, wait_and_lock, NULL) == 0);
    until(1);
    usleep(30000);
    CHECK(futex(&three, CMP_REQUEUE | PRIVATE, 1, (void *)10, &one, 0) == 1);
    pthread_join(t[0], &result);
    CHECK(result == NULL && one == 0);
}

/* ---- several words ---- */

struct waitv {
    uint64_t value, at;
    uint32_t flags, reserved;
};

static long
waitv(struct waitv *w, unsigned n, unsigned flags, struct timespec *at, clockid_t clock)
{
    return syscall(449, w, n, flags, at, clock);
}

static word_t words[128];

static void *
wake_word(void *arg)
{
    word_t *w = arg;
    while (futex(w, WAKE | PRIVATE, 1, NULL, NULL, 0) == 0)
        usleep(1000);
    return NULL;
}

/* Verify which word woke, and the errors. */
static void
test_waitv(void)
{
    struct waitv w[128];
    pthread_t t;
    for (int i = 0; i < 128; i++)
        w[i] = (struct waitv){ 0, (uintptr_t)&words[i], 2 | PRIVATE, 0 };
    CHECK(pthread_create(&t, NULL, wake_word, &words[77]) == 0);
    CHECK(waitv(w, 128, 0, NULL, 0) == 77);
    pthread_join(t, NULL);
    struct timespec at = after(CLOCK_MONOTONIC, 10);
    CHECK_ERROR(waitv(w, 3, 0, &at, CLOCK_MONOTONIC), ETIMEDOUT);
    at = after(CLOCK_REALTIME, 10);
    CHECK_ERROR(waitv(w, 3, 0, &at, CLOCK_REALTIME), ETIMEDOUT);
    at = after(CLOCK_REALTIME, 5000);
    CHECK(pthread_create(&t, NULL, wake_word, &words[2]) == 0);
    CHECK(waitv(w, 3, 0, &at, CLOCK_REALTIME) == 2);
    pthread_join(t, NULL);
    words[5] = 1;
    CHECK_ERROR(waitv(w, 128, 0, NULL, 0), EAGAIN);
    words[5] = 0;
    CHECK_ERROR(waitv(w, 0, 0, NULL, 0), EINVAL);
    CHECK_ERROR(waitv(w, 129, 0, NULL, 0), EINVAL);
    CHECK_ERROR(waitv(w, 1, 1, NULL, 0), EINVAL);
    CHECK_ERROR(waitv(NULL, 1, 0, NULL, 0), EINVAL);
    CHECK_ERROR(waitv((struct waitv *)8, 1, 0, NULL, 0), EFAULT);
    CHECK_ERROR(waitv(w, 1, 0, &at, CLOCK_BOOTTIME), EINVAL);
    w[0].flags = 0;
    CHECK_ERROR(waitv(w, 1, 0, NULL, 0), EINVAL);
    w[0].flags = 2;
    w[0].reserved = 1;
    CHECK_ERROR(waitv(w, 1, 0, NULL, 0), EINVAL);
    w[0].reserved = 0;
    w[0].at = 8;
    CHECK_ERROR(waitv(w, 1, 0, NULL, 0), EFAULT);
    w[0].at++;
    CHECK_ERROR(waitv(w, 1, 0, NULL, 0), EINVAL);
}

int
main(void)
{
    RUN(test_alone, futex);
    RUN(test_timeout, futex);
    RUN(test_contended, futex);
    RUN(test_priority_is_lent, futex, sched_setscheduler);
    RUN(test_priority_is_lent_on, futex);
    RUN(test_holder_ends, futex);
    RUN(test_robust, futex, set_robust_list);
    RUN(test_signal, futex);
    RUN(test_requeue, futex);
    RUN(test_waitv, futex_waitv);
    return check_failures != 0;
}
