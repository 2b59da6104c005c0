/* SPDX-License-Identifier: MIT */
/*
 * A file that is mapped is cut off while others map it, fork, and unmap it: the call
 * ends, and nobody sees a page that was cut off.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "check.h"

#define PAGE 4096
#define PAGES 16
#define NAME "/tmp/truncate.file"

static struct shared {
    _Atomic int done, stop; /* done: what was written up to this number is cut off */
} *shared;
static sigjmp_buf past_end;

static void
on_bus(int number)
{
    (void)number;
    siglongjmp(past_end, 1);
}

static int
make_file(void)
{
    int fd = open(NAME, O_CREAT | O_RDWR | O_TRUNC, 0600);

    shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(fd >= 0 && shared != MAP_FAILED && unlink(NAME) == 0);
    return fd;
}

static void *
map_and_unmap(void *arg)
{
    int fd = *(int *)arg;

    while (!atomic_load(&shared->stop)) {
        char *at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
        CHECK(at != MAP_FAILED && munmap(at, PAGE) == 0);
    }
    return NULL;
}

static void
test_truncate_when_others_map_meanwhile_then_it_ends(void)
{
    pthread_t thread[3];
    int fd = make_file();
    char *at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);

    CHECK(at != MAP_FAILED);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&thread[i], NULL, map_and_unmap, &fd) == 0);
    for (int i = 0; i < 300; i++)
        CHECK(ftruncate(fd, PAGES * PAGE) == 0 && ftruncate(fd, 0) == 0);
    atomic_store(&shared->stop, 1);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
}

/* Nothing that was cut off before is to be seen. */
static void
look(const volatile int *at)
{
    for (int i = 0; i < PAGES; i++) {
        int done = atomic_load(&shared->done);
        if (sigsetjmp(past_end, 1) == 0) {
            int value = at[i * PAGE / (int)sizeof(int)];
            CHECK(value == 0 || value > done);
        }
    }
}

static void
fork_on(const volatile int *at)
{
    int status;

    while (!atomic_load(&shared->stop)) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            look(at);
            _exit(0);
        }
        look(at);
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    _exit(0);
}

static void
test_truncate_when_others_fork_meanwhile_then_no_page_stays(void)
{
    int fd = make_file(), status, page[PAGE / sizeof(int)];
    pid_t child[3];
    const volatile int *at = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED, fd, 0);

    CHECK(at != MAP_FAILED);
    signal(SIGBUS, on_bus);
    for (int i = 0; i < 3; i++) {
        child[i] = fork();
        CHECK(child[i] >= 0);
        if (child[i] == 0)
            fork_on(at);
    }
    for (int round = 1; round <= 200; round++) {
        for (size_t i = 0; i < PAGE / sizeof(int); i++)
            page[i] = round;
        for (int i = 0; i < PAGES; i++)
            CHECK(pwrite(fd, page, PAGE, i * PAGE) == PAGE);
        look(at);
        CHECK(ftruncate(fd, 0) == 0);
        atomic_store(&shared->done, round);
        CHECK(ftruncate(fd, PAGES * PAGE) == 0);
        look(at);
    }
    atomic_store(&shared->stop, 1);
    for (int i = 0; i < 3; i++)
        CHECK(waitpid(child[i], &status, 0) == child[i] && status == 0);
}

int
main(void)
{
    RUN(test_truncate_when_others_map_meanwhile_then_it_ends, ftruncate, mmap);
    RUN(test_truncate_when_others_fork_meanwhile_then_no_page_stays, ftruncate, fork);
    return check_failures != 0;
}
