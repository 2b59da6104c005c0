/* SPDX-License-Identifier: MIT */
/*
 * Threads that do not share descriptors, directory or semaphores' debts: clone(2) without
 * CLONE_FILES, CLONE_FS, CLONE_SYSVSEM; unshare(2); close_range(2) with CLOSE_RANGE_UNSHARE.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>

#include "in_thread.h"

#define FUTEX_WAIT 0
#define UNSHARE 2u /* CLOSE_RANGE_UNSHARE */
#define THREAD (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID)

static char stack[65536] __attribute__((aligned(16)));
static _Atomic int over;

/* A thread with just these flags; it must not call what needs the library's TLS. */
static pid_t
run_thread(int (*fn)(void *), int flags)
{
    static pid_t tid;
    over = 1;
    tid = -1;
    pid_t got = clone(fn, stack + sizeof stack, THREAD | flags, NULL, &tid, NULL, &over);
    CHECK(got > 0 && tid == got);
    return got;
}

static void
wait_thread(void)
{
    for (int left = over; left != 0; left = over)
        syscall(SYS_futex, &over, FUTEX_WAIT, left, NULL, NULL, 0);
}

static bool
is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static int files[2];
static _Atomic int step, results[8];

static int
close_and_open(void *arg)
{
    (void)arg;
    results[0] = syscall(SYS_close, files[0]) == 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY, 0);
    results[1] = fd;
    results[2] = syscall(SYS_dup2, fd, 200) == 200;
    return 0;
}

static void
test_clone_when_files_are_not_shared_then_own_table(void)
{
    CHECK(pipe(files) == 0);
    run_thread(close_and_open, CLONE_FS | CLONE_SYSVSEM);
    wait_thread();
    CHECK(results[0] && results[1] == files[0] && results[2]);
    CHECK(is_open(files[0]) && !is_open(200));
    run_thread(close_and_open, CLONE_FS | CLONE_FILES);
    wait_thread();
    CHECK(results[0] && is_open(200) && results[1] == files[0]);
}

static int
change_place(void *arg)
{
    (void)arg;
    results[0] = syscall(SYS_chdir, "/") == 0;
    results[1] = (int)syscall(SYS_umask, 077);
    return 0;
}

static void
test_clone_when_place_is_not_shared_then_own_place(void)
{
    char before[PATH_MAX], after[PATH_MAX];
    umask(022);
    CHECK(getcwd(before, sizeof before) != NULL && strcmp(before, "/") != 0);
    run_thread(change_place, CLONE_FILES);
    wait_thread();
    CHECK(results[0] && results[1] == 022 && getcwd(after, sizeof after) != NULL);
    CHECK(strcmp(before, after) == 0 && umask(022) == 022);
    run_thread(change_place, CLONE_FS);
    wait_thread();
    CHECK(getcwd(after, sizeof after) != NULL && strcmp(after, "/") == 0);
    CHECK(umask(022) == 077);
}

static void
test_clone_when_a_thread_has_other_handlers_then_einval(void)
{
    CHECK_ERROR(clone(close_and_open, stack + sizeof stack, CLONE_VM | CLONE_THREAD, NULL),
                EINVAL);
}

/* The reader sees the end when the thread that alone had the other end has ended. */
static int
take_end_along(void *arg)
{
    (void)arg;
    while (step == 0)
        syscall(SYS_sched_yield);
    return 0;
}

static void
test_exit_when_the_table_is_a_threads_own_then_closed(void)
{
    char byte;
    CHECK(pipe(files) == 0);
    step = 0;
    run_thread(take_end_along, CLONE_FS);
    CHECK(close(files[1]) == 0 && fcntl(files[0], F_SETFL, O_NONBLOCK) == 0);
    CHECK_ERROR(read(files[0], &byte, 1), EAGAIN);
    step = 1;
    fcntl(files[0], F_SETFL, 0);
    CHECK(read(files[0], &byte, 1) == 0);
    wait_thread();
}

/* Open descriptors as /proc shows them. */
static int
count_shown(const char *path)
{
    int n = 0;
    DIR *d = opendir(path);
    CHECK(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static int shown_thread, shown_process;
static void
unshare_files(void)
{
    char path[64];
    CHECK(unshare(CLONE_FILES) == 0);
    for (int i = 0; i < 10; i++)
        CHECK(open("/dev/null", O_RDONLY) >= 0);
    CHECK(dup2(0, 300) == 300);
    snprintf(path, sizeof path, "/proc/self/task/%d/fd", (int)syscall(SYS_gettid));
    shown_thread = count_shown(path);
    shown_process = count_shown("/proc/self/fd");
    CHECK(access("/proc/thread-self/fd/300", F_OK) == 0);
    CHECK(access("/proc/self/fd/300", F_OK) == -1);
}

static void
test_unshare_when_several_threads_then_own_table(void)
{
    in_thread(unshare_files);
    CHECK(!is_open(300));
    CHECK(shown_thread == shown_process + 12); /* and the directory that it has open */
}

static void
unshare_by_close_range(void)
{
    CHECK(syscall(SYS_close_range, 0, ~0u, UNSHARE) == 0);
    CHECK(!is_open(0) && !is_open(1) && !is_open(2));
}

static void
test_close_range_when_unshared_then_others_keep(void)
{
    in_thread(unshare_by_close_range);
    CHECK(is_open(0) && is_open(1) && is_open(2));
}

static void
unshare_place(void)
{
    CHECK(unshare(CLONE_FS) == 0 && chdir("/dev") == 0 && umask(0) == 022);
    CHECK(chroot("/proc") == 0 && access("/self", F_OK) == 0);
}

static void
test_unshare_when_place_then_own_root_and_directory(void)
{
    char path[PATH_MAX];
    umask(022);
    in_thread(unshare_place);
    CHECK(getcwd(path, sizeof path) != NULL && strcmp(path, "/dev") != 0);
    CHECK(umask(022) == 022 && access("/proc/self", F_OK) == 0);
}

static int child_status;
static char self_path[PATH_MAX];
static void
fork_and_exec(void)
{
    CHECK(unshare(CLONE_FILES | CLONE_FS) == 0 && dup2(0, 77) == 77 && chdir("/dev") == 0);
    pid_t child = fork();
    if (child == 0) {
        execl(self_path, self_path, "look", (char *)NULL);
        _exit(99);
    }
    CHECK(waitpid(child, &child_status, 0) == child);
}

static void
exec_here(void)
{
    CHECK(unshare(CLONE_FILES | CLONE_FS) == 0 && dup2(0, 77) == 77 && chdir("/dev") == 0);
    execl(self_path, self_path, "look", (char *)NULL);
    _exit(99);
}

static void
test_fork_and_exec_when_a_thread_calls_then_its_parts(void)
{
    in_thread(fork_and_exec);
    CHECK(child_status == 7 << 8 && !is_open(77));
    pid_t child = fork();
    if (child == 0)
        in_thread(exec_here);
    CHECK(waitpid(child, &child_status, 0) == child && child_status == 7 << 8);
}

/* A lock of records is a table's. */
static int lock_fd, lock_own, lock_shared;
static int
try_lock(void)
{
    struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
    return fcntl(lock_fd, F_SETLK, &l) == 0 ? 0 : errno;
}

static void
lock_both(void)
{
    lock_shared = try_lock();
    CHECK(unshare(CLONE_FILES) == 0);
    lock_own = try_lock();
}

static void
test_locks_when_the_table_is_another_then_they_conflict(void)
{
    lock_fd = open("locked", O_RDWR | O_CREAT, 0600);
    CHECK(lock_fd >= 0 && try_lock() == 0);
    in_thread(lock_both);
    CHECK(lock_shared == 0 && lock_own == EAGAIN);
    CHECK(try_lock() == 0);
}

/* What exec leaves in a table that is only its own stays locked. */
static void *
sleep_forever(void *arg)
{
    (void)arg;
    while (pause() == -1)
        ;
    return NULL;
}

static void
test_locks_when_a_threaded_process_executes_then_kept(void)
{
    int p[2];
    char byte;
    CHECK(pipe(p) == 0);
    pid_t child = fork();
    if (child == 0) {
        pthread_t t;
        char fd[16];
        lock_fd = open("locked", O_RDWR | O_CREAT, 0600);
        CHECK(try_lock() == 0);
        for (int i = 0; i < 20; i++)
            CHECK(pthread_create(&t, NULL, sleep_forever, NULL) == 0);
        snprintf(fd, sizeof fd, "%d", p[1]);
        execl(self_path, self_path, "hold", fd, (char *)NULL);
        _exit(99);
    }
    CHECK(read(p[0], &byte, 1) == 1);
    lock_fd = open("locked", O_RDWR | O_CREAT, 0600);
    CHECK(try_lock() == EAGAIN);
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    CHECK(try_lock() == 0);
}

static int set_id;
static int
sem_value(void)
{
    return semctl(set_id, 0, GETVAL);
}

static void
give_with_undo(void)
{
    struct sembuf op = { 0, 5, SEM_UNDO };
    CHECK(unshare(CLONE_SYSVSEM) == 0 && semop(set_id, &op, 1) == 0 && sem_value() == 5);
}

static void
test_semaphores_when_a_thread_has_own_debts_then_paid_at_its_end(void)
{
    set_id = semget(IPC_PRIVATE, 1, 0600);
    CHECK(set_id >= 0);
    in_thread(give_with_undo);
    for (int i = 0; i < 1000 && sem_value() != 0; i++)
        usleep(1000); /* a thread is joined before it has ended altogether */
    CHECK(sem_value() == 0);
    struct sembuf op = { 0, 3, SEM_UNDO };
    CHECK(semop(set_id, &op, 1) == 0 && sem_value() == 3);
    CHECK(unshare(CLONE_SYSVSEM) == 0 && sem_value() == 0);
    CHECK(semctl(set_id, 0, IPC_RMID) == 0);
}

static atomic_bool looked;
static void *
look_at_all(void *arg)
{
    (void)arg;
    while (!looked) {
        DIR *d = opendir("/proc/self/task");
        CHECK(d != NULL);
        for (struct dirent *e; (e = readdir(d)) != NULL;) {
            char path[300];
            snprintf(path, sizeof path, "/proc/self/task/%s/fd", e->d_name);
            DIR *one = e->d_name[0] == '.' ? NULL : opendir(path);
            if (one == NULL)
                continue; /* it has ended */
            while (readdir(one) != NULL)
                ;
            closedir(one);
            snprintf(path, sizeof path, "/proc/self/task/%s/cwd", e->d_name);
            char target[64];
            (void)!readlink(path, target, sizeof target);
        }
        closedir(d);
    }
    return NULL;
}

static void *
unshare_and_work(void *arg)
{
    (void)arg;
    CHECK(unshare(CLONE_FILES | CLONE_FS) == 0);
    for (int i = 0; i < 20; i++) {
        int p[2];
        char byte = 'x';
        CHECK(pipe(p) == 0 && write(p[1], &byte, 1) == 1 && read(p[0], &byte, 1) == 1);
        CHECK(close(p[0]) == 0 && chdir(i % 2 ? "/" : "/dev") == 0);
    }
    return NULL;
}

static void
test_tables_when_made_and_looked_at_then_nothing_breaks(void)
{
    pthread_t looker[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&looker[i], NULL, look_at_all, NULL) == 0);
    for (int round = 0; round < 30; round++) {
        pthread_t t[8];
        for (int i = 0; i < 8; i++)
            CHECK(pthread_create(&t[i], NULL, unshare_and_work, NULL) == 0);
        for (int i = 0; i < 8; i++)
            CHECK(pthread_join(t[i], NULL) == 0);
    }
    looked = true;
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(looker[i], NULL) == 0);
}

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "look") == 0) {
        char path[PATH_MAX];
        return is_open(77) && getcwd(path, sizeof path) && strcmp(path, "/dev") == 0 ? 7 : 8;
    }
    if (argc > 2 && strcmp(argv[1], "hold") == 0) {
        CHECK(write(atoi(argv[2]), "x", 1) == 1);
        pause();
    }
    CHECK(readlink("/proc/self/exe", self_path, sizeof self_path - 1) > 0);
    RUN(test_clone_when_files_are_not_shared_then_own_table, clone);
    RUN_IN_NEW(test_clone_when_place_is_not_shared_then_own_place, clone, umask);
    RUN(test_clone_when_a_thread_has_other_handlers_then_einval, clone);
    RUN(test_exit_when_the_table_is_a_threads_own_then_closed, clone, exit);
    RUN(test_unshare_when_several_threads_then_own_table, unshare);
    RUN(test_close_range_when_unshared_then_others_keep, close_range);
    RUN(test_unshare_when_place_then_own_root_and_directory, unshare, chroot, umask);
    RUN(test_fork_and_exec_when_a_thread_calls_then_its_parts, fork, execve, unshare);
    RUN_IN_NEW(test_locks_when_the_table_is_another_then_they_conflict, fcntl, unshare);
    RUN_IN_NEW(test_locks_when_a_threaded_process_executes_then_kept, fcntl, execve);
    RUN(test_semaphores_when_a_thread_has_own_debts_then_paid_at_its_end, unshare, semop);
    RUN(test_tables_when_made_and_looked_at_then_nothing_breaks, unshare, clone);
    return check_failures != 0;
}
