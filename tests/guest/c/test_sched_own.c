/* SPDX-License-Identifier: MIT */
/*
 * A process's own scheduling class (/proc/PID/sched_class, docs/scheduling.md): its threads use
 * their turns in its own order, and nobody else notices. Linux has no such file, so nothing is tested
 * there.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "clocks.h"

#define THREADS 4
#define FILE_OF_SELF "/proc/self/sched_class"

static int
put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    CHECK(fd >= 0);
    int r = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
    int error = errno;
    close(fd);
    errno = error;
    return r;
}

static bool
shows(const char *path, const char *text)
{
    char line[64] = { 0 };
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0 && read(fd, line, sizeof line - 1) > 0);
    close(fd);
    return strcmp(line, text) == 0;
}

static void
stay_on_first_cpu(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
}

static volatile uint32_t *keys;
static void
begin_ordered(void)
{
    char text[32];
    int fd = memfd_create("order", 0);
    CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
    keys = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(keys != MAP_FAILED);
    snprintf(text, sizeof text, "ordered %d", fd);
    CHECK(put(FILE_OF_SELF, text) == 0);
    close(fd);
}

struct spinner {
    pthread_t thread;
    unsigned number;
    _Atomic uint64_t used; /* ns of CPU time */
};
static struct spinner spinners[THREADS];
static atomic_bool over, enough;
static atomic_uint begun;

static void *
spin(void *arg)
{
    struct spinner *s = arg;
    char text[32];
    snprintf(text, sizeof text, "slot %u", s->number);
    CHECK(put("/proc/thread-self/sched_class", text) == 0);
    begun++;
    while (!over)
        s->used = now_ns(CLOCK_THREAD_CPUTIME_ID);
    return NULL;
}

/* What each used of the next while. */
static void
measure(uint64_t *used)
{
    for (int i = 0; i < THREADS; i++)
        used[i] = spinners[i].used;
    usleep(400000);
    for (int i = 0; i < THREADS; i++)
        used[i] = spinners[i].used - used[i];
}

static uint64_t
sum(const uint64_t *used)
{
    uint64_t all = 0;
    for (int i = 0; i < THREADS; i++)
        all += used[i];
    return all;
}

/* So in one of some measurements: a busy host stops the machine for a while. */
static bool
mostly(int first)
{
    uint64_t used[THREADS];
    for (int tries = 0; tries < 5; tries++) {
        measure(used);
        if (used[first] > sum(used) / 10 * 8)
            return true;
    }
    return false;
}

static bool
in_turns(void)
{
    uint64_t used[THREADS];
    for (int tries = 0; tries < 5; tries++) {
        int fair = 0;
        measure(used);
        for (int i = 0; i < THREADS; i++)
            fair += used[i] > sum(used) / THREADS / 3;
        if (fair == THREADS)
            return true;
    }
    return false;
}

static void
start_spinners(void)
{
    for (int i = 0; i < THREADS; i++)
        keys[i + 1] = 7; /* behind this thread, which has slot 0 */
    for (unsigned i = 0; i < THREADS; i++) {
        spinners[i].number = i + 1;
        CHECK(pthread_create(&spinners[i].thread, NULL, spin, &spinners[i]) == 0);
    }
    while (begun < THREADS)
        usleep(1000);
}

static void
test_order_when_the_page_says_then_that_thread_runs(void)
{
    stay_on_first_cpu();
    begin_ordered(); /* this thread has slot 0 and the number 0: it goes first */
    start_spinners();
    for (int first = 0; first < THREADS; first++) {
        for (int i = 0; i < THREADS; i++)
            keys[i + 1] = i == first ? 1 : 2 + (unsigned)i;
        usleep(50000); /* until who waits is asked again */
        CHECK(mostly(first));
    }
    for (int i = 0; i < THREADS; i++)
        keys[i + 1] = 7; /* all the same: in turns */
    for (int fair = 0; fair < 2; fair++) {
        CHECK(in_turns());
        CHECK(put(FILE_OF_SELF, "fair") == 0 && shows(FILE_OF_SELF, "fair\n"));
    }
    over = true;
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(spinners[i].thread, NULL) == 0);
}

static _Atomic uint64_t begin_at[THREADS], end_at[THREADS];
static void *
work(void *arg)
{
    unsigned n = (unsigned)(uintptr_t)arg;
    begin_at[n] = now_ns(CLOCK_MONOTONIC);
    for (uint64_t end = now_ns(CLOCK_THREAD_CPUTIME_ID) + 60000000;
         now_ns(CLOCK_THREAD_CPUTIME_ID) < end;)
        ;
    end_at[n] = now_ns(CLOCK_MONOTONIC);
    return NULL;
}

static void
test_fifo_when_several_work_then_one_after_the_other(void)
{
    pthread_t t[THREADS];
    stay_on_first_cpu();
    CHECK(put(FILE_OF_SELF, "fifo\n") == 0 && shows(FILE_OF_SELF, "fifo\n"));
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_create(&t[i], NULL, work, (void *)(uintptr_t)i) == 0);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_join(t[i], NULL) == 0);
    for (unsigned i = 1; i < THREADS; i++)
        CHECK(begin_at[i] >= end_at[i - 1]);
}

static void
set_policy(int policy, int priority)
{
    struct sched_param p = { .sched_priority = priority };
    CHECK(syscall(SYS_sched_setscheduler, 0, policy, &p) == 0);
}

/* A process beside, on the same CPU: what part of its time it gets, in percent. */
static unsigned
part_of_neighbour(void)
{
    int p[2];
    uint64_t result[2];
    CHECK(pipe(p) == 0);
    pid_t child = fork();
    if (child == 0) {
        set_policy(SCHED_OTHER, 0);
        uint64_t begin = now_ns(CLOCK_MONOTONIC), used = now_ns(CLOCK_PROCESS_CPUTIME_ID);
        while (now_ns(CLOCK_MONOTONIC) - begin < 600000000)
            ;
        result[0] = now_ns(CLOCK_MONOTONIC) - begin;
        result[1] = now_ns(CLOCK_PROCESS_CPUTIME_ID) - used;
        CHECK(write(p[1], result, sizeof result) == sizeof result);
        _exit(0);
    }
    CHECK(read(p[0], result, sizeof result) == sizeof result);
    CHECK_EXIT(child, 0);
    close(p[0]);
    close(p[1]);
    return (unsigned)(result[1] * 100 / result[0]);
}

static void *
write_garbage(void *arg)
{
    unsigned seed = 1;
    (void)arg;
    while (!enough) {
        for (int i = 0; i < 1024; i++)
            keys[i] = seed = seed * 1103515245u + 12345u;
        usleep(1000);
    }
    return NULL;
}

static void
test_neighbour_when_the_order_is_anything_then_its_part_stays(void)
{
    pthread_t garbage;
    stay_on_first_cpu();
    begin_ordered();
    CHECK(put(FILE_OF_SELF, "fair") == 0);
    over = false;
    int fd = memfd_create("order", 0);
    char text[32];
    CHECK(ftruncate(fd, 4096) == 0);
    snprintf(text, sizeof text, "ordered %d", fd);
    keys = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(put(FILE_OF_SELF, text) == 0); /* for `slot` */
    start_spinners();
    /* An order may keep any of its process's own threads from ever running: not this one, and the one
     * that writes. */
    set_policy(SCHED_FIFO, 1);
    CHECK(put(FILE_OF_SELF, "fair") == 0);
    unsigned before = part_of_neighbour();
    CHECK(put(FILE_OF_SELF, text) == 0);
    CHECK(pthread_create(&garbage, NULL, write_garbage, NULL) == 0);
    unsigned with = part_of_neighbour();
    CHECK(before >= 8 && with >= before / 2); /* one of five: 20 */
    enough = true;
    CHECK(pthread_join(garbage, NULL) == 0);
    CHECK(ftruncate(fd, 0) == 0);             /* the page stays while it is read */
    usleep(100000);
    CHECK(put(FILE_OF_SELF, "fifo") == 0);
    unsigned fifo = part_of_neighbour();
    CHECK(fifo >= before / 2);
    over = true;
}

static char self_path[256];
static void
test_class_when_fork_or_exec_then_gone(void)
{
    int status;
    CHECK(put(FILE_OF_SELF, "fifo") == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(shows(FILE_OF_SELF, "fair\n") ? 7 : 8);
    CHECK(waitpid(child, &status, 0) == child && status == 7 << 8);
    child = fork();
    if (child == 0) {
        CHECK(put(FILE_OF_SELF, "fifo") == 0);
        execl(self_path, self_path, "look", (char *)NULL);
        _exit(99);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 7 << 8);
    CHECK(shows(FILE_OF_SELF, "fifo\n"));
}

static void
test_file_when_bad_input_then_error(void)
{
    int p[2], fd = memfd_create("empty", 0);
    char text[32];
    CHECK(shows(FILE_OF_SELF, "fair\n"));
    CHECK_ERROR(put(FILE_OF_SELF, "lottery"), EINVAL);
    CHECK_ERROR(put(FILE_OF_SELF, "ordered"), EINVAL);
    CHECK_ERROR(put(FILE_OF_SELF, "ordered -1"), EINVAL);
    CHECK_ERROR(put(FILE_OF_SELF, "ordered 999"), EBADF);
    CHECK_ERROR(put(FILE_OF_SELF, "slot 1"), ESRCH);
    CHECK_ERROR(put("/proc/1/sched_class", "fifo"), EPERM);
    CHECK(pipe(p) == 0);
    snprintf(text, sizeof text, "ordered %d", p[1]);
    CHECK_ERROR(put(FILE_OF_SELF, text), EINVAL);
    snprintf(text, sizeof text, "ordered %d", fd);
    CHECK_ERROR(put(FILE_OF_SELF, text), EINVAL); /* it has no page */
    int read_only = open("/proc/self/exe", O_RDONLY);
    snprintf(text, sizeof text, "ordered %d", read_only);
    CHECK_ERROR(put(FILE_OF_SELF, text), EBADF);
    begin_ordered();
    CHECK_ERROR(put(FILE_OF_SELF, "slot 1024"), EINVAL);
    CHECK(put(FILE_OF_SELF, "slot 1023") == 0);
    CHECK(shows(FILE_OF_SELF, "ordered slot 1023\n"));
}

/* A thread of higher precedence is none of the class's business. */
static void
test_class_when_a_thread_is_real_time_then_that_goes_first(void)
{
    CHECK(put(FILE_OF_SELF, "fifo") == 0);
    for (int i = 0; i < 100; i++) {
        set_policy(SCHED_FIFO, 1);
        sched_yield();
        set_policy(SCHED_OTHER, 0);
        CHECK(nice(0) == 0);
        sched_yield();
    }
}

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "look") == 0)
        return shows(FILE_OF_SELF, "fair\n") ? 7 : 8;
    if (access(FILE_OF_SELF, F_OK) != 0) {
        printf("# this system has no such file\n");
        return 0;
    }
    CHECK(readlink("/proc/self/exe", self_path, sizeof self_path - 1) > 0);
    RUN(test_file_when_bad_input_then_error);
    RUN(test_order_when_the_page_says_then_that_thread_runs);
    RUN(test_fifo_when_several_work_then_one_after_the_other);
    RUN(test_neighbour_when_the_order_is_anything_then_its_part_stays);
    RUN(test_class_when_fork_or_exec_then_gone);
    RUN(test_class_when_a_thread_is_real_time_then_that_goes_first);
    return check_failures != 0;
}
