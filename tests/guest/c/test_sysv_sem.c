/* SPDX-License-Identifier: MIT */
/* System V semaphores: semget(2), semop(2), semctl(2). */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

#ifndef SEM_STAT_ANY
#define SEM_STAT_ANY 20
#endif
#define NOBODY 65534

union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
    struct seminfo *info;
};

static int
make(int count)
{
    int id = semget(IPC_PRIVATE, count, 0600);
    CHECK(id >= 0);
    return id;
}

static int
op(int id, int number, int change, int flags)
{
    struct sembuf b = { (unsigned short)number, (short)change, (short)flags };
    return semop(id, &b, 1);
}

static int
value(int id, int number)
{
    return semctl(id, number, GETVAL);
}

static void
drop(int id)
{
    CHECK(semctl(id, 0, IPC_RMID) == 0);
}

/* Until so many wait at a semaphore. */
static void
await(int id, int number, int command, int count)
{
    while (semctl(id, number, command) != count)
        usleep(500);
}

static void
test_get(void)
{
    key_t key = 0x5e3a0000 | (getpid() & 0xffff);
    CHECK_ERROR(semget(key, 1, 0), ENOENT);
    CHECK_ERROR(semget(key, 0, IPC_CREAT | 0600), EINVAL);
    CHECK_ERROR(semget(key, -1, IPC_CREAT | 0600), EINVAL);
    CHECK_ERROR(semget(key, 32001, IPC_CREAT | 0600), EINVAL);
    int id = semget(key, 3, IPC_CREAT | 0600);
    CHECK(id >= 0);
    CHECK(semget(key, 0, 0) == id && semget(key, 3, IPC_CREAT) == id);
    CHECK_ERROR(semget(key, 4, 0), EINVAL);
    CHECK_ERROR(semget(key, 1, IPC_CREAT | IPC_EXCL), EEXIST);
    drop(id);
    CHECK_ERROR(semget(key, 1, 0), ENOENT);
    CHECK_ERROR(semctl(id, 0, GETVAL), EINVAL);
    int again = semget(key, 1, IPC_CREAT | 0600);
    CHECK(again >= 0 && again != id);
    CHECK_ERROR(op(id, 0, 1, 0), EINVAL);
    drop(again);
}

static void
test_operations(void)
{
    int id = make(3);
    CHECK(op(id, 0, 5, 0) == 0 && value(id, 0) == 5);
    CHECK(semctl(id, 0, GETPID) == getpid() && semctl(id, 1, GETPID) == 0);
    CHECK(op(id, 0, -2, 0) == 0 && value(id, 0) == 3);
    CHECK_ERROR(op(id, 0, -4, IPC_NOWAIT), EAGAIN);
    CHECK_ERROR(op(id, 0, 0, IPC_NOWAIT), EAGAIN);
    CHECK(op(id, 1, 0, IPC_NOWAIT) == 0);
    CHECK_ERROR(op(id, 3, 1, 0), EFBIG);
    CHECK_ERROR(op(id, 0, 32767, 0), ERANGE);
    CHECK_ERROR(semop(id, NULL, 0), EINVAL);
    CHECK_ERROR(semop(id, (struct sembuf *)8, 1), EFAULT);
    static struct sembuf many[501];
    CHECK_ERROR(semop(id, many, 501), E2BIG);
    CHECK(semop(id, many + 1, 0) == -1);
    /* Whole or not at all. */
    struct sembuf two[] = { { 1, 4, 0 }, { 0, -9, IPC_NOWAIT } };
    CHECK_ERROR(semop(id, two, 2), EAGAIN);
    CHECK(value(id, 1) == 0 && value(id, 0) == 3);
    struct sembuf same[] = { { 2, 2, 0 }, { 2, -1, IPC_NOWAIT }, { 2, -1, IPC_NOWAIT },
                             { 2, 0, IPC_NOWAIT } };
    CHECK(semop(id, same, 4) == 0 && value(id, 2) == 0);
    drop(id);
}

static void
test_set_and_tell(void)
{
    int id = make(4);
    unsigned short v[4] = { 1, 2, 3, 4 }, w[4] = { 0 };
    union semun u = { .array = v };
    struct semid_ds ds;
    CHECK(semctl(id, 0, SETALL, u) == 0);
    u.array = w;
    CHECK(semctl(id, 0, GETALL, u) == 0 && memcmp(v, w, sizeof v) == 0);
    v[2] = 32768;
    u.array = v;
    CHECK_ERROR(semctl(id, 0, SETALL, u), ERANGE);
    CHECK(value(id, 0) == 1);
    u.val = 7;
    CHECK(semctl(id, 3, SETVAL, u) == 0 && value(id, 3) == 7);
    u.val = 32768;
    CHECK_ERROR(semctl(id, 3, SETVAL, u), ERANGE);
    u.val = -1;
    CHECK_ERROR(semctl(id, 3, SETVAL, u), ERANGE);
    u.val = 1;
    CHECK_ERROR(semctl(id, 4, SETVAL, u), EINVAL);
    CHECK_ERROR(semctl(id, 4, GETVAL), EINVAL);
    CHECK_ERROR(semctl(id, 0, 99), EINVAL);
    u.buf = &ds;
    CHECK(semctl(id, 0, IPC_STAT, u) == 0);
    CHECK(ds.sem_nsems == 4 && ds.sem_perm.mode == 0600 && ds.sem_otime == 0);
    CHECK(ds.sem_ctime > 0 && ds.sem_perm.uid == geteuid());
    CHECK(op(id, 0, 1, 0) == 0 && semctl(id, 0, IPC_STAT, u) == 0 && ds.sem_otime > 0);
    ds.sem_perm.mode = 0640;
    ds.sem_perm.gid = 77;
    CHECK(semctl(id, 0, IPC_SET, u) == 0);
    memset(&ds, 0, sizeof ds);
    CHECK(semctl(id, 0, IPC_STAT, u) == 0);
    CHECK(ds.sem_perm.mode == 0640 && ds.sem_perm.gid == 77);
    CHECK(ds.sem_perm.cgid == getegid());
    u.buf = (void *)8;
    CHECK_ERROR(semctl(id, 0, IPC_STAT, u), EFAULT);
    drop(id);
}

static void
test_info(void)
{
    int id = make(5), found = 0;
    struct seminfo i;
    struct semid_ds ds;
    union semun u = { .info = &i };
    CHECK(semctl(0, 0, IPC_INFO, u) >= 0);
    CHECK(i.semmsl == 32000 && i.semopm == 500 && i.semmni == 32000 && i.semvmx == 32767);
    CHECK(i.semmns == 1024000000 && i.semaem == 32767);
    int highest = semctl(0, 0, SEM_INFO, u);
    CHECK(highest >= 0 && i.semusz >= 1 && i.semaem >= 5);
    u.buf = &ds;
    for (int at = 0; at <= highest; at++) {
        int by_index = semctl(at, 0, SEM_STAT, u);
        if (by_index == id)
            found = ds.sem_nsems == 5;
        CHECK(by_index < 0 || semctl(at, 0, SEM_STAT_ANY, u) == by_index);
    }
    CHECK(found);
    CHECK_ERROR(semctl(32767, 0, SEM_STAT, u), EINVAL);
    drop(id);
}

static void
test_wait(void)
{
    int id = make(2);
    pid_t child = fork();
    if (child == 0)
        _exit(op(id, 0, -3, 0) == 0 ? 0 : 1);
    await(id, 0, GETNCNT, 1);
    CHECK(semctl(id, 0, GETZCNT) == 0 && semctl(id, 1, GETNCNT) == 0);
    CHECK(op(id, 0, 2, 0) == 0 && semctl(id, 0, GETNCNT) == 1);
    CHECK(op(id, 0, 1, 0) == 0);
    CHECK_EXIT(child, 0);
    CHECK(value(id, 0) == 0 && semctl(id, 0, GETPID) == child);
    CHECK(op(id, 0, 1, 0) == 0);
    if ((child = fork()) == 0)
        _exit(op(id, 0, 0, 0) == 0 ? 0 : 1);
    await(id, 0, GETZCNT, 1);
    CHECK(op(id, 0, -1, 0) == 0);
    CHECK_EXIT(child, 0);
    /* One that has to wait for two: it is done when both are there. */
    if ((child = fork()) == 0) {
        struct sembuf two[] = { { 0, -1, 0 }, { 1, -1, 0 } };
        _exit(semop(id, two, 2) == 0 ? 0 : 1);
    }
    await(id, 0, GETNCNT, 1);
    CHECK(op(id, 0, 1, 0) == 0);
    await(id, 1, GETNCNT, 1);
    CHECK(value(id, 0) == 1 && op(id, 1, 1, 0) == 0);
    CHECK_EXIT(child, 0);
    CHECK(value(id, 0) == 0 && value(id, 1) == 0);
    drop(id);
}

static void
test_removed_while_waiting(void)
{
    int id = make(1);
    pid_t child[5];
    for (int i = 0; i < 5; i++)
        if ((child[i] = fork()) == 0)
            _exit(op(id, 0, -1, 0) == -1 && errno == EIDRM ? 0 : 1);
    await(id, 0, GETNCNT, 5);
    drop(id);
    for (int i = 0; i < 5; i++)
        CHECK_EXIT(child[i], 0);
}

static void
nothing(int number)
{
    (void)number;
}

static void
test_interrupted(void)
{
    int id = make(1);
    pid_t child = fork();
    if (child == 0) {
        struct sigaction a = { .sa_handler = nothing, .sa_flags = SA_RESTART };
        sigaction(SIGUSR1, &a, NULL);
        _exit(op(id, 0, -1, 0) == -1 && errno == EINTR ? 0 : 1);
    }
    await(id, 0, GETNCNT, 1);
    CHECK(kill(child, SIGUSR1) == 0);
    CHECK_EXIT(child, 0);
    CHECK(semctl(id, 0, GETNCNT) == 0);
    /* One that is killed leaves nothing behind. */
    if ((child = fork()) == 0)
        _exit(op(id, 0, -1, 0));
    await(id, 0, GETNCNT, 1);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK_SIGNAL(child, SIGKILL);
    CHECK(semctl(id, 0, GETNCNT) == 0 && op(id, 0, 1, 0) == 0 && value(id, 0) == 1);
    drop(id);
}

static void
test_timed(void)
{
    int id = make(1);
    struct sembuf b = { 0, -1, 0 };
    struct timespec t = { 0, 20000000 }, before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    CHECK_ERROR(semtimedop(id, &b, 1, &t), EAGAIN);
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK((after.tv_sec - before.tv_sec) * 1000000000l + after.tv_nsec - before.tv_nsec >=
          20000000l);
    t.tv_nsec = 1000000000;
    CHECK_ERROR(semtimedop(id, &b, 1, &t), EINVAL);
    t.tv_nsec = 0;
    CHECK_ERROR(semtimedop(id, &b, 1, &t), EAGAIN);
    CHECK_ERROR(semtimedop(id, &b, 1, (struct timespec *)8), EFAULT);
    CHECK(op(id, 0, 1, 0) == 0 && semtimedop(id, &b, 1, &t) == 0);
    drop(id);
}

static void
test_undo(void)
{
    int id = make(2);
    union semun u;
    CHECK(op(id, 0, 3, 0) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(op(id, 0, -2, SEM_UNDO) == 0 && op(id, 1, 4, SEM_UNDO) == 0 &&
                      op(id, 1, -1, 0) == 0 ? 0 : 1);
    CHECK_EXIT(child, 0);
    CHECK(value(id, 0) == 3 && value(id, 1) == 0); /* 3 - 4 stays at 0 */
    CHECK(semctl(id, 0, GETPID) == child);
    /* Who waits for what is given back gets it, also when its holder is killed. */
    CHECK(op(id, 0, -3, 0) == 0 && op(id, 0, 1, 0) == 0);
    int ready[2];
    char byte;
    CHECK(pipe(ready) == 0);
    if ((child = fork()) == 0) {
        if (op(id, 0, -1, SEM_UNDO) != 0 || write(ready[1], "", 1) != 1)
            _exit(1);
        pause();
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    pid_t waits = fork();
    if (waits == 0)
        _exit(op(id, 0, -1, 0) == 0 ? 0 : 1);
    await(id, 0, GETNCNT, 1);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK_SIGNAL(child, SIGKILL);
    CHECK_EXIT(waits, 0);
    /* SETVAL and SETALL forget what would be undone. */
    if ((child = fork()) == 0) {
        u.val = 1;
        _exit(op(id, 0, 5, SEM_UNDO) == 0 && semctl(id, 0, SETVAL, u) == 0 ? 0 : 1);
    }
    CHECK_EXIT(child, 0);
    CHECK(value(id, 0) == 1);
    /* A removed set is nobody's trouble. */
    if ((child = fork()) == 0) {
        CHECK(op(id, 0, 1, SEM_UNDO) == 0);
        drop(id);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    CHECK_ERROR(value(id, 0), EINVAL);
}

static void
test_undo_not_inherited(void)
{
    int id = make(1);
    CHECK(op(id, 0, 2, SEM_UNDO) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    CHECK_EXIT(child, 0);
    CHECK(value(id, 0) == 2);
    if ((child = fork()) == 0) {
        CHECK(op(id, 0, 1, SEM_UNDO) == 0);
        CHECK(syscall(SYS_unshare, CLONE_SYSVSEM) == 0);
        _exit(value(id, 0) == 2 ? 0 : 1);
    }
    CHECK_EXIT(child, 0);
    /* A clone that shares: given back when both have ended. */
    CHECK(op(id, 0, 1, 0) == 0);
    if ((child = fork()) == 0) {
        long twin = syscall(SYS_clone, CLONE_SYSVSEM | SIGCHLD, 0, 0, 0, 0);
        if (twin == 0)
            _exit(op(id, 0, -1, SEM_UNDO) == 0 ? 0 : 1);
        CHECK_EXIT((pid_t)twin, 0);
        _exit(value(id, 0) == 2 ? 0 : 1);
    }
    CHECK_EXIT(child, 0);
    CHECK(value(id, 0) == 3);
    drop(id);
}

static void *
thread_undo(void *arg)
{
    return (void *)(long)op(*(int *)arg, 0, 1, SEM_UNDO);
}

/* The threads of a process share what is undone. */
static void
test_undo_of_threads(void)
{
    int id = make(1);
    pid_t child = fork();
    if (child == 0) {
        pthread_t t;
        void *result = NULL;
        CHECK(pthread_create(&t, NULL, thread_undo, &id) == 0);
        CHECK(pthread_join(t, &result) == 0 && result == NULL);
        _exit(value(id, 0) == 1 ? 0 : 1);
    }
    CHECK_EXIT(child, 0);
    CHECK(value(id, 0) == 0);
    drop(id);
}

static void
test_rights(void)
{
    int id = make(1), open_id = semget(IPC_PRIVATE, 1, 0604);
    union semun u;
    struct semid_ds ds;
    if (geteuid() != 0)
        return;
    pid_t child = fork();
    if (child == 0) {
        CHECK(setresgid(NOBODY, NOBODY, NOBODY) == 0);
        CHECK(setresuid(NOBODY, NOBODY, NOBODY) == 0);
        CHECK_ERROR(value(id, 0), EACCES);
        CHECK_ERROR(op(id, 0, 1, 0), EACCES);
        CHECK_ERROR(semctl(id, 0, IPC_RMID), EPERM);
        CHECK(value(open_id, 0) == 0 && op(open_id, 0, 0, 0) == 0);
        CHECK_ERROR(op(open_id, 0, 1, 0), EACCES);
        u.val = 1;
        CHECK_ERROR(semctl(open_id, 0, SETVAL, u), EACCES);
        u.buf = &ds;
        CHECK(semctl(open_id, 0, IPC_STAT, u) == 0);
        CHECK_ERROR(semctl(open_id, 0, IPC_SET, u), EPERM);
        CHECK_ERROR(semctl(id, 0, IPC_STAT, u), EACCES);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    drop(id);
    drop(open_id);
}

#define WAITERS 200
#define ROUNDS 300

static void
test_many_waiters(void)
{
    int id = make(1);
    for (int i = 0; i < WAITERS; i++)
        if (fork() == 0)
            _exit(op(id, 0, -1, 0) == 0 ? 0 : 1);
    await(id, 0, GETNCNT, WAITERS);
    CHECK(op(id, 0, WAITERS, 0) == 0);
    for (int i = 0; i < WAITERS; i++) {
        int status;
        CHECK(wait(&status) > 0 && status == 0);
    }
    CHECK(value(id, 0) == 0);
    drop(id);
}

/* A lock by two processes; whoever loses a turn loses a count. */
static void
test_lock(void)
{
    int id = make(2);
    pid_t child[4];
    CHECK(op(id, 0, 1, 0) == 0);
    for (int c = 0; c < 4; c++) {
        if ((child[c] = fork()) != 0)
            continue;
        for (int i = 0; i < ROUNDS; i++) {
            union semun u;
            CHECK(op(id, 0, -1, SEM_UNDO) == 0);
            u.val = value(id, 1) + 1;
            CHECK(semctl(id, 1, SETVAL, u) == 0);
            CHECK(op(id, 0, 1, SEM_UNDO) == 0);
        }
        _exit(0);
    }
    for (int c = 0; c < 4; c++)
        CHECK_EXIT(child[c], 0);
    CHECK(value(id, 1) == 4 * ROUNDS && value(id, 0) == 1);
    drop(id);
}

#define SETS 2000

static void
test_many_sets(void)
{
    static int id[SETS];
    for (int i = 0; i < SETS; i++)
        CHECK((id[i] = semget(i + 0x10000, 2, IPC_CREAT | IPC_EXCL | 0600)) >= 0);
    for (int i = 0; i < SETS; i++)
        CHECK(semget(i + 0x10000, 2, 0) == id[i] && op(id[i], 1, 1, 0) == 0);
    for (int i = 0; i < SETS; i++)
        drop(id[i]);
}

int
main(void)
{
    RUN(test_get, semget);
    RUN(test_operations, semop);
    RUN(test_set_and_tell, semctl);
    RUN(test_info, semctl);
    RUN(test_wait, semop, semctl);
    RUN(test_removed_while_waiting, semctl, semop);
    RUN(test_interrupted, semop);
    RUN(test_timed, semtimedop);
    RUN(test_undo, semop, semctl);
    RUN(test_undo_not_inherited, semop, clone, unshare);
    RUN(test_undo_of_threads, semop, clone);
    RUN(test_rights, semctl, semop);
    RUN(test_many_waiters, semop);
    RUN(test_lock, semop, semctl);
    RUN(test_many_sets, semget, semctl);
    return check_failures != 0;
}
