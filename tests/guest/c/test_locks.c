/* SPDX-License-Identifier: MIT */
/* Record locks (fcntl), locks of open files, flock: ranges, errors, owners, deadlocks. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>

static int
lock(int fd, int command, int type, off_t start, off_t length)
{
    struct flock l = {
        .l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = length
    };
    return fcntl(fd, command, &l);
}

/* What another process would meet at [start, start + length): the type, and where. */
static int
seen_by_child(int fd, off_t start, off_t length, off_t *at, off_t *bytes)
{
    int p[2];
    struct flock l;
    CHECK(pipe(p) == 0);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        l = (struct flock){ .l_type = F_WRLCK, .l_start = start, .l_len = length };
        CHECK(fcntl(fd, F_GETLK, &l) == 0);
        CHECK(l.l_type == F_UNLCK || l.l_pid == parent);
        CHECK(write(p[1], &l, sizeof l) == sizeof l);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    CHECK(read(p[0], &l, sizeof l) == sizeof l);
    close(p[0]);
    close(p[1]);
    if (at != NULL)
        *at = l.l_start;
    if (bytes != NULL)
        *bytes = l.l_len;
    return l.l_type;
}

static void
test_ranges_when_split_and_joined_then_told(void)
{
    off_t at, n;
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 100) == 0);
    CHECK(lock(fd, F_SETLK, F_UNLCK, 40, 20) == 0);
    CHECK(seen_by_child(fd, 0, 0, &at, &n) == F_WRLCK && at == 0 && n == 40);
    CHECK(seen_by_child(fd, 40, 20, NULL, NULL) == F_UNLCK);
    CHECK(seen_by_child(fd, 40, 0, &at, &n) == F_WRLCK && at == 60 && n == 40);
    CHECK(lock(fd, F_SETLK, F_WRLCK, 40, 20) == 0);
    CHECK(seen_by_child(fd, 50, 1, &at, &n) == F_WRLCK && at == 0 && n == 100);
    CHECK(lock(fd, F_SETLK, F_RDLCK, 10, 10) == 0);
    CHECK(seen_by_child(fd, 15, 1, &at, &n) == F_RDLCK && at == 10 && n == 10);
    CHECK(seen_by_child(fd, 25, 0, &at, &n) == F_WRLCK && at == 20 && n == 80);
    CHECK(lock(fd, F_SETLK, F_WRLCK, 50, 0) == 0);
    CHECK(seen_by_child(fd, 1000000, 1, &at, &n) == F_WRLCK && at == 20 && n == 0);
    CHECK(lock(fd, F_SETLK, F_UNLCK, 0, 0) == 0);
    CHECK(seen_by_child(fd, 0, 0, NULL, NULL) == F_UNLCK);
}

static void
test_range_when_negative_or_huge_then_as_posix_says(void)
{
    off_t at, n;
    struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -10 };
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    CHECK(ftruncate(fd, 100) == 0);
    CHECK(lock(fd, F_SETLK, F_WRLCK, 50, -20) == 0);
    CHECK(seen_by_child(fd, 0, 0, &at, &n) == F_WRLCK && at == 30 && n == 20);
    CHECK_ERROR(lock(fd, F_SETLK, F_WRLCK, 10, -20), EINVAL);
    CHECK_ERROR(lock(fd, F_SETLK, F_WRLCK, -1, 1), EINVAL);
    CHECK_ERROR(lock(fd, F_SETLK, F_WRLCK, LONG_MAX, 2), EOVERFLOW);
    CHECK_ERROR(lock(fd, F_SETLK, 77, 0, 1), EINVAL);
    CHECK_ERROR(lock(fd, F_GETLK, F_UNLCK, 0, 1), EINVAL);
    CHECK(fcntl(fd, F_SETLK, &l) == 0);
    CHECK(seen_by_child(fd, 60, 0, &at, &n) == F_WRLCK && at == 90 && n == 0);
    l.l_whence = 7;
    CHECK_ERROR(fcntl(fd, F_SETLK, &l), EINVAL);
    l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = LONG_MAX };
    CHECK_ERROR(fcntl(fd, F_SETLK, &l), EOVERFLOW);
    CHECK_ERROR(fcntl(fd, F_SETLK, (void *)8), EFAULT);
    CHECK_ERROR(fcntl(-1, F_SETLK, &l), EBADF);
    int ro = open("f", O_RDONLY), wo = open("f", O_WRONLY);
    CHECK_ERROR(lock(ro, F_SETLK, F_WRLCK, 0, 1), EBADF);
    CHECK_ERROR(lock(wo, F_SETLK, F_RDLCK, 0, 1), EBADF);
}

static void
test_lock_when_held_then_eagain_or_waits(void)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644), p[2];
    char c;
    CHECK(pipe(p) == 0 && lock(fd, F_SETLK, F_WRLCK, 0, 10) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK_ERROR(lock(fd, F_SETLK, F_RDLCK, 5, 1), EAGAIN);
        CHECK(write(p[1], "x", 1) == 1);
        CHECK(lock(fd, F_SETLKW, F_RDLCK, 5, 1) == 0);
        _exit(0);
    }
    CHECK(read(p[0], &c, 1) == 1);
    usleep(30000);
    CHECK(lock(fd, F_SETLK, F_UNLCK, 5, 1) == 0);
    CHECK_EXIT(child, 0);
}

static void
test_locks_when_any_descriptor_closes_then_gone(void)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 10) == 0);
    CHECK(seen_by_child(fd, 0, 1, NULL, NULL) == F_WRLCK);
    close(open("f", O_RDONLY));
    CHECK(seen_by_child(fd, 0, 1, NULL, NULL) == F_UNLCK);
    CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 10) == 0);
    close(dup(fd));
    CHECK(seen_by_child(fd, 0, 1, NULL, NULL) == F_UNLCK);
    CHECK(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 10) == 0);
    close(open("f", O_RDONLY));
    close(dup(fd));
    struct flock l = { .l_type = F_WRLCK };
    int other = open("f", O_RDWR);
    CHECK(fcntl(other, F_OFD_GETLK, &l) == 0 && l.l_type == F_WRLCK && l.l_pid == -1);
}

static void
test_owners_when_process_or_open_file_then_apart(void)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644), other = open("f", O_RDWR);
    struct flock l = { .l_type = F_WRLCK, .l_pid = 1 };
    CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 10) == 0);
    CHECK(lock(other, F_SETLK, F_RDLCK, 0, 10) == 0); /* the same process */
    CHECK_ERROR(lock(other, F_OFD_SETLK, F_WRLCK, 0, 1), EAGAIN);
    CHECK_ERROR(fcntl(fd, F_OFD_SETLK, &l), EINVAL);
    CHECK(lock(other, F_OFD_SETLK, F_WRLCK, 20, 1) == 0);
    CHECK_ERROR(lock(fd, F_OFD_SETLK, F_RDLCK, 20, 1), EAGAIN);
    CHECK_ERROR(lock(fd, F_SETLK, F_RDLCK, 20, 1), EAGAIN);
    close(other);
    CHECK(lock(fd, F_OFD_SETLK, F_RDLCK, 20, 1) == 0);
    pid_t child = fork();
    if (child == 0) { /* a record lock is not inherited, an open file's is shared */
        CHECK(lock(fd, F_OFD_SETLK, F_WRLCK, 20, 1) == 0);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

static void
test_circle_when_closed_then_edeadlk(void)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644), p[2];
    char c;
    CHECK(pipe(p) == 0 && lock(fd, F_SETLK, F_WRLCK, 0, 1) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(lock(fd, F_SETLK, F_WRLCK, 1, 1) == 0 && write(p[1], "x", 1) == 1);
        CHECK(lock(fd, F_SETLKW, F_WRLCK, 0, 1) == 0);
        _exit(0);
    }
    CHECK(read(p[0], &c, 1) == 1);
    usleep(50000);
    CHECK_ERROR(lock(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
    CHECK(lock(fd, F_SETLK, F_UNLCK, 0, 1) == 0);
    CHECK_EXIT(child, 0);
}

static void
test_circle_when_of_many_files_then_edeadlk_once(void)
{
    enum { N = 6 };
    int fd[N], go[2], failed = 0;
    pid_t child[N];
    char name[8], c;
    CHECK(pipe(go) == 0);
    for (int k = 0; k < N; k++) {
        snprintf(name, sizeof name, "f%d", k);
        fd[k] = open(name, O_RDWR | O_CREAT, 0644);
    }
    for (int k = 0; k < N; k++) {
        child[k] = fork();
        if (child[k] == 0) {
            CHECK(lock(fd[k], F_SETLK, F_WRLCK, 0, 1) == 0);
            close(go[1]);
            CHECK(read(go[0], &c, 1) == 0); /* until all have begun */
            usleep(50000);
            int r = lock(fd[(k + 1) % N], F_SETLKW, F_WRLCK, 0, 1);
            _exit(r == 0 ? 0 : errno == EDEADLK ? 1 : 2);
        }
    }
    close(go[1]);
    for (int k = 0; k < N; k++) {
        int status = check_wait(child[k]);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) < 2);
        failed += WEXITSTATUS(status);
    }
    CHECK(failed == 1);
}

static void
test_handover_when_quick_then_no_false_deadlock(void)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    pid_t child[2];
    for (int who = 0; who < 2; who++) {
        child[who] = fork();
        if (child[who] == 0) {
            for (int k = 0; k < 300; k++) {
                CHECK(lock(fd, F_SETLKW, F_WRLCK, 0, 1) == 0);
                CHECK(lock(fd, F_SETLKW, F_WRLCK, 1, 1) == 0);
                CHECK(lock(fd, F_SETLK, F_UNLCK, 0, 1) == 0);
                CHECK(lock(fd, F_SETLK, F_UNLCK, 1, 1) == 0);
            }
            _exit(0);
        }
    }
    CHECK_EXIT(child[0], 0);
    CHECK_EXIT(child[1], 0);
}

static void
nothing(int number)
{
    (void)number;
}

static void
test_wait_when_signalled_then_eintr(void)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    struct sigaction a = { .sa_handler = nothing };
    CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 1) == 0 && flock(fd, LOCK_EX) == 0);
    pid_t child = fork();
    if (child == 0) {
        sigaction(SIGALRM, &a, NULL);
        ualarm(30000, 0);
        CHECK_ERROR(lock(fd, F_SETLKW, F_WRLCK, 0, 1), EINTR);
        int other = open("f", O_RDONLY);
        ualarm(30000, 0);
        CHECK_ERROR(flock(other, LOCK_SH), EINTR);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

static void
test_flock_when_two_open_files_then_excluded(void)
{
    int a = open("f", O_RDWR | O_CREAT, 0644), b = open("f", O_RDONLY);
    CHECK(flock(a, LOCK_SH) == 0 && flock(b, LOCK_SH) == 0);
    CHECK_ERROR(flock(a, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    CHECK(flock(b, LOCK_UN) == 0 && flock(a, LOCK_EX | LOCK_NB) == 0);
    CHECK_ERROR(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    int d = dup(a);
    CHECK(close(a) == 0);
    CHECK_ERROR(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);    /* d has it still */
    CHECK(close(d) == 0 && flock(b, LOCK_EX | LOCK_NB) == 0); /* reading is enough */
    CHECK_ERROR(flock(-1, LOCK_SH), EBADF);
    CHECK_ERROR(flock(b, 0), EINVAL);
    CHECK_ERROR(flock(b, LOCK_SH | LOCK_EX), EINVAL);
    CHECK(lock(b, F_SETLK, F_RDLCK, 0, 1) == 0); /* they do not see each other */
}

static int shared_file;

static void *
locker(void *arg)
{
    for (int k = 0; k < 200; k++) {
        int fd = open("f", O_RDWR);
        if (fd < 0)
            continue;
        lock(fd, (k & 1) != 0 ? F_OFD_SETLK : F_SETLK, F_WRLCK, (long)arg * 8, 4 + k % 8);
        flock(fd, LOCK_SH | LOCK_NB);
        if (k % 3 == 0)
            lock(fd, F_SETLK, F_UNLCK, 0, 0);
        close(fd);
    }
    return NULL;
}

static void
test_locks_when_threads_close_meanwhile_then_none_stays(void)
{
    pthread_t t[4];
    shared_file = open("f", O_RDWR | O_CREAT, 0644);
    for (long k = 0; k < 4; k++)
        CHECK(pthread_create(&t[k], NULL, locker, (void *)k) == 0);
    for (int k = 0; k < 4; k++)
        CHECK(pthread_join(t[k], NULL) == 0);
    CHECK(seen_by_child(shared_file, 0, 0, NULL, NULL) == F_UNLCK);
    CHECK(flock(shared_file, LOCK_EX | LOCK_NB) == 0);
}

int
main(void)
{
    RUN_IN_NEW(test_ranges_when_split_and_joined_then_told, fcntl);
    RUN_IN_NEW(test_range_when_negative_or_huge_then_as_posix_says, fcntl);
    RUN_IN_NEW(test_lock_when_held_then_eagain_or_waits, fcntl);
    RUN_IN_NEW(test_locks_when_any_descriptor_closes_then_gone, fcntl, close);
    RUN_IN_NEW(test_owners_when_process_or_open_file_then_apart, fcntl);
    RUN_IN_NEW(test_circle_when_closed_then_edeadlk, fcntl);
    RUN_IN_NEW(test_circle_when_of_many_files_then_edeadlk_once, fcntl);
    RUN_IN_NEW(test_handover_when_quick_then_no_false_deadlock, fcntl);
    RUN_IN_NEW(test_wait_when_signalled_then_eintr, fcntl, flock);
    RUN_IN_NEW(test_flock_when_two_open_files_then_excluded, flock);
    RUN_IN_NEW(test_locks_when_threads_close_meanwhile_then_none_stays, fcntl, flock);
    return check_failures != 0;
}
