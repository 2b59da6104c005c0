/* SPDX-License-Identifier: MIT */
/* Named semaphores and shared memory objects, as C libraries make them in /dev/shm. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <time.h>

#include "check.h"

#define SEM "/test_named_sem"
#define SHM "/test_named_shm"

static void
need_place(void)
{
    struct stat st;
    if (stat("/dev/shm", &st) == 0)
        return;
    mkdir("/dev", 0755);
    CHECK(mkdir("/dev/shm", 01777) == 0);
    CHECK(mount("none", "/dev/shm", "tmpfs", 0, NULL) == 0);
}

static void
test_semaphore_between_processes(void)
{
    int value;
    need_place();
    sem_unlink(SEM);
    CHECK(sem_open(SEM, O_RDWR) == SEM_FAILED && errno == ENOENT);
    sem_t *s = sem_open(SEM, O_CREAT | O_EXCL, 0600, 0);
    CHECK(s != SEM_FAILED);
    CHECK(sem_open(SEM, O_CREAT | O_EXCL, 0600, 0) == SEM_FAILED && errno == EEXIST);
    CHECK_ERROR(sem_trywait(s), EAGAIN);
    pid_t child = fork();
    if (child == 0) {
        sem_t *same = sem_open(SEM, 0);
        CHECK(same != SEM_FAILED);
        for (int i = 0; i < 100; i++)
            CHECK(sem_post(same) == 0);
        _exit(0);
    }
    for (int i = 0; i < 100; i++)
        CHECK(sem_wait(s) == 0);
    CHECK_EXIT(child, 0);
    CHECK(sem_getvalue(s, &value) == 0 && value == 0);
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 20000000;
    soon.tv_sec += soon.tv_nsec / 1000000000;
    soon.tv_nsec %= 1000000000;
    CHECK_ERROR(sem_timedwait(s, &soon), ETIMEDOUT);
    CHECK(sem_unlink(SEM) == 0 && sem_close(s) == 0);
    CHECK_ERROR(sem_unlink(SEM), ENOENT);
}

static void
test_memory_between_processes(void)
{
    struct stat st;
    need_place();
    shm_unlink(SHM);
    CHECK_ERROR(shm_open(SHM, O_RDWR, 0), ENOENT);
    int f = shm_open(SHM, O_CREAT | O_EXCL | O_RDWR, 0600);
    CHECK(f >= 0 && ftruncate(f, 10000) == 0 && fstat(f, &st) == 0 && st.st_size == 10000);
    CHECK((fcntl(f, F_GETFD) & FD_CLOEXEC) != 0);
    int *at = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
    CHECK(at != MAP_FAILED && at[0] == 0);
    pid_t child = fork();
    if (child == 0) {
        int same = shm_open(SHM, O_RDWR, 0);
        int *there = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, same, 0);
        CHECK(same >= 0 && there != MAP_FAILED && there != at);
        there[0] = 4711;
        there[2000] = 4712;
        CHECK(setresuid(4711, 4711, 4711) == 0);
        CHECK_ERROR(shm_open(SHM, O_RDWR, 0), EACCES);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    CHECK(at[0] == 4711 && at[2000] == 4712);
    CHECK(shm_unlink(SHM) == 0);
    at[1] = 1; /* it lives while it is mapped */
    CHECK_ERROR(shm_unlink(SHM), ENOENT);
}

int
main(void)
{
    RUN(test_semaphore_between_processes, futex, openat, unlink);
    RUN(test_memory_between_processes, mmap, openat, ftruncate);
    return check_failures != 0;
}
