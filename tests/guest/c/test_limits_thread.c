/* SPDX-License-Identifier: MIT */
/* prlimit by the number of a thread, own or another's, that is not a process's: the process is
 * found, and let go of again. */
#define _GNU_SOURCE
#include "held.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void *
ask_for_own(void *arg)
{
    struct rlimit limit = { 0, 0 };
    int tid = (int)syscall(SYS_gettid);

    for (int i = 0; i < 10; i++)
        if (syscall(SYS_prlimit64, tid, RLIMIT_CORE, NULL, &limit) != 0 ||
            limit.rlim_max < limit.rlim_cur)
            return (void *)1;
    return arg;
}

/* Verify that processes whose threads ask for their own limits go when they end. */
static void
test_limits_when_asked_by_a_threads_number_then_the_process_goes(void)
{
    enum { CHILDREN = 300 };
    long before = 0;

    for (int i = 0; i < CHILDREN + 20; i++) {
        pid_t child = fork();
        if (i == 20)
            before = held("heap_objects");
        if (child == 0) {
            pthread_t t;
            void *result;
            CHECK(pthread_create(&t, NULL, ask_for_own, NULL) == 0);
            CHECK(pthread_join(t, &result) == 0 && result == NULL);
            _exit(0);
        }
        CHECK_EXIT(child, 0);
    }
    long more = held("heap_objects") - before;
    if (more >= CHILDREN / 2)
        dprintf(2, "# %ld objects more\n", more);
    CHECK(more < CHILDREN / 2);
}

int
main(void)
{
    RUN(test_limits_when_asked_by_a_threads_number_then_the_process_goes, prlimit64);
    return check_failures != 0;
}
