/* SPDX-License-Identifier: MIT */
/*
 * As many threads as the machine gives, ten thousand at most: each runs, waits, and is
 * joined; one more than there may be is refused and breaks nothing; and the memory that
 * they took serves others afterwards.  What one costs is told.
 */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#define MOST 10000
#define STACK_BYTES 16384

static pthread_t thread[MOST];
static _Atomic int ready;
static sem_t gate;

static unsigned long
free_bytes(void)
{
    struct sysinfo s;

    CHECK(sysinfo(&s) == 0);
    return s.freeram * s.mem_unit;
}

static void *
wait_at_gate(void *arg)
{
    ready++;
    while (sem_wait(&gate) != 0)
        ;
    return arg;
}

static void
test_threads_when_ten_thousand_then_each_is_joined(void)
{
    struct rlimit limit = { 20000, 20000 };
    pthread_attr_t a;
    void *result;
    int made = 0, error = 0;

    setrlimit(RLIMIT_NPROC, &limit);
    CHECK(sem_init(&gate, 0, 0) == 0);
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, STACK_BYTES);
    unsigned long before = free_bytes();
    while (made < MOST && error == 0) {
        error = pthread_create(&thread[made], &a, wait_at_gate, (void *)(intptr_t)made);
        made += error == 0;
    }
    CHECK(error == 0 || error == EAGAIN);
    CHECK(made > 500);
    while (ready != made)
        usleep(1000);
    printf("# %d threads, %ld bytes each\n", made, ((long)before - (long)free_bytes()) / made);
    fflush(stdout);
    for (int i = 0; i < made; i++)
        CHECK(sem_post(&gate) == 0);
    for (int i = 0; i < made; i++)
        CHECK(pthread_join(thread[i], &result) == 0 && (intptr_t)result == i);
}

/* Verify that what they had can be had by a program: nearly all that was free before. */
static unsigned long free_before;

static void
test_memory_when_they_have_gone_then_others_get_it(void)
{
    size_t bytes = free_before / 10 * 8;
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(p != MAP_FAILED);
    for (size_t i = 0; i < bytes; i += 4096)
        p[i] = 1;
    CHECK(munmap(p, bytes) == 0);
}

int
main(void)
{
    free_before = free_bytes();
    RUN(test_threads_when_ten_thousand_then_each_is_joined, clone, futex);
    RUN(test_memory_when_they_have_gone_then_others_get_it, mmap);
    return check_failures != 0;
}
