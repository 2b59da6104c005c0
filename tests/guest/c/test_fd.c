/* SPDX-License-Identifier: MIT */
/* Descriptors: dup, dup2, dup3, fcntl's commands on them, close, close_range, limits. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static int
close_range_(unsigned first, unsigned last, unsigned flags)
{
    return (int)syscall(436, first, last, flags);
}

static void
limit(rlim_t n)
{
    struct rlimit r = { n, n };
    CHECK(setrlimit(RLIMIT_NOFILE, &r) == 0);
}

static void
test_dup_when_made_then_lowest_and_one_position(void)
{
    int fd = open("f", O_RDWR | O_CREAT | O_CLOEXEC, 0644), a;
    CHECK(write(fd, "abcdef", 6) == 6);
    a = dup(fd);
    CHECK(a == fd + 1 && fcntl(a, F_GETFD) == 0 && lseek(a, 0, SEEK_CUR) == 6);
    CHECK(lseek(fd, 2, SEEK_SET) == 2 && lseek(a, 0, SEEK_CUR) == 2);
    CHECK(close(fd) == 0 && dup(a) == fd);
    CHECK(dup2(a, 50) == 50 && dup2(a, a) == a && dup2(fd, 50) == 50);
    CHECK(fcntl(a, F_DUPFD, 60) == 60 && fcntl(a, F_DUPFD, 60) == 61);
    CHECK(fcntl(a, F_DUPFD_CLOEXEC, 60) == 62 && fcntl(62, F_GETFD) == FD_CLOEXEC);
    CHECK(dup3(a, 70, O_CLOEXEC) == 70 && fcntl(70, F_GETFD) == FD_CLOEXEC);
    CHECK(dup3(a, 70, 0) == 70 && fcntl(70, F_GETFD) == 0);
    CHECK(fcntl(70, F_SETFD, FD_CLOEXEC) == 0 && dup2(70, 71) == 71);
    CHECK(fcntl(71, F_GETFD) == 0);
    CHECK(fcntl(70, F_SETFD, 2) == 0 && fcntl(70, F_GETFD) == 0);
}

static void
test_dup_when_wrong_then_error(void)
{
    limit(100);
    CHECK_ERROR(dup(-1), EBADF);
    CHECK_ERROR(dup(77), EBADF);
    CHECK_ERROR(dup2(77, 5), EBADF);
    CHECK_ERROR(dup2(0, -1), EBADF);
    CHECK_ERROR(dup2(0, 100), EBADF);
    CHECK_ERROR(dup2(77, 77), EBADF);
    CHECK_ERROR(dup3(0, 0, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_dup3, 0, 5, O_NONBLOCK), EINVAL);
    CHECK_ERROR(syscall(SYS_dup3, 0, 5, 8), EINVAL); /* no flag at all */
    CHECK_ERROR(dup3(0, 100, 0), EBADF);
    CHECK_ERROR(fcntl(0, F_DUPFD, 100), EINVAL);
    CHECK_ERROR(fcntl(0, F_DUPFD, -1), EINVAL);
    CHECK_ERROR(fcntl(77, F_GETFD), EBADF);
    CHECK_ERROR(fcntl(0, 999), EINVAL);
    CHECK_ERROR(close(77), EBADF);
    CHECK_ERROR(close(-1), EBADF);
    while (dup(0) >= 0)
        ;
    CHECK(errno == EMFILE);
    CHECK_ERROR(open("f", O_RDWR | O_CREAT, 0600), EMFILE);
    CHECK_ERROR(fcntl(0, F_DUPFD, 99), EMFILE);
    CHECK(dup2(0, 99) == 99);
    limit(50); /* what is above stays open */
    CHECK(fcntl(99, F_GETFD) == 0 && write(99, "", 0) <= 0);
    CHECK_ERROR(dup2(0, 60), EBADF);
    CHECK(close(99) == 0 && close(30) == 0 && dup(0) == 30);
}

static void
test_status_when_set_then_only_what_may(void)
{
    int fd = open("f", O_RDWR | O_CREAT | O_APPEND, 0644), path = open("f", O_PATH);
    CHECK((fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_CREAT)) == (O_RDWR | O_APPEND));
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK | O_WRONLY | O_CREAT | O_TRUNC) == 0);
    CHECK((fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_CREAT |
                                 O_TRUNC)) == (O_RDWR | O_NONBLOCK));
    CHECK((fcntl(path, F_GETFL) & O_PATH) != 0);
    CHECK_ERROR(fcntl(path, F_SETFL, O_NONBLOCK), EBADF);
    CHECK_ERROR(fcntl(path, F_SETOWN, getpid()), EBADF);
    CHECK(fcntl(path, F_DUPFD, 0) > 0 && fcntl(path, F_SETFD, FD_CLOEXEC) == 0);
    CHECK(fcntl(fd, F_GETLEASE) == F_UNLCK);
    CHECK_ERROR(fcntl(fd, F_GET_SEALS + 1000), EINVAL);
    CHECK(fcntl(fd, F_SETFL, O_NOATIME) == 0 && fcntl(fd, F_SETFL, 0) == 0);
    CHECK(setresuid(1000, 1000, 1000) == 0);
    CHECK_ERROR(fcntl(fd, F_SETFL, O_NOATIME), EPERM);
}

static void
test_hint_when_set_then_kept(void)
{
    uint64_t h = 3;
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    CHECK(fcntl(fd, 1036, &h) == 0 && (h = 9) && fcntl(fd, 1035, &h) == 0 && h == 3);
    h = 6;
    CHECK_ERROR(fcntl(fd, 1036, &h), EINVAL);
    CHECK_ERROR(fcntl(fd, 1036, 8), EFAULT);
}

static void
test_range_when_closed_then_gone_and_marked_with_flag(void)
{
    for (int k = 10; k < 300; k++)
        CHECK(dup2(0, k) == k);
    CHECK(close_range_(20, 30, 0) == 0);
    CHECK(fcntl(19, F_GETFD) == 0 && fcntl(31, F_GETFD) == 0);
    CHECK_ERROR(fcntl(20, F_GETFD), EBADF);
    CHECK_ERROR(fcntl(30, F_GETFD), EBADF);
    CHECK(close_range_(100, 200, 4) == 0);
    CHECK(fcntl(100, F_GETFD) == FD_CLOEXEC && fcntl(200, F_GETFD) == FD_CLOEXEC);
    CHECK(fcntl(99, F_GETFD) == 0 && fcntl(201, F_GETFD) == 0);
    CHECK(close_range_(250, ~0u, 0) == 0);
    CHECK_ERROR(fcntl(299, F_GETFD), EBADF);
    CHECK(close_range_(5000, 6000, 0) == 0);
    CHECK_ERROR(close_range_(5, 4, 0), EINVAL);
    CHECK_ERROR(close_range_(4, 5, 1), EINVAL);
    CHECK(close_range_(3, ~0u, 2) == 0);
    CHECK_ERROR(fcntl(10, F_GETFD), EBADF);
}

static void
test_range_when_unshared_then_the_other_keeps_its_own(void)
{
    CHECK(dup2(0, 40) == 40);
    pid_t child = (pid_t)syscall(SYS_clone, 0x400 /* CLONE_FILES */ | 17, 0L, 0L, 0L, 0L);
    if (child == 0) {
        if (close_range_(40, 40, 2) != 0 || fcntl(40, F_GETFD) != -1)
            _exit(1);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    CHECK(fcntl(40, F_GETFD) == 0);
}

static void
test_descriptors_when_very_many_then_all_work(void)
{
    struct rlimit r;
    CHECK(getrlimit(RLIMIT_NOFILE, &r) == 0);
    r.rlim_cur = r.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &r) == 0);
    int top = r.rlim_max > 200000 ? 200000 : (int)r.rlim_max;
    for (int k = 3; k < top; k++)
        if (dup(0) != k)
            CHECK(0);
    CHECK(close(1000) == 0 && close(7) == 0 && dup(0) == 7 && dup(0) == 1000);
    pid_t child = fork();
    if (child == 0)
        _exit(fcntl(top - 1, F_GETFD) == 0 ? 0 : 1);
    CHECK_EXIT(child, 0);
    CHECK(close_range_(3, ~0u, 0) == 0 && dup(0) == 3);
}

static void
test_files_when_too_many_in_all_then_enfile_but_not_for_root(void)
{
    int go[2], n = 0, fd;
    char c;
    struct rlimit r = { 500000, 500000 };
    CHECK(setrlimit(RLIMIT_NOFILE, &r) == 0 && pipe(go) == 0);
    pid_t root = fork();
    if (root == 0) {
        CHECK(read(go[0], &c, 1) == 1);
        _exit(open("/", O_RDONLY) >= 0 && dup(0) >= 0 ? 0 : 1);
    }
    pid_t user = fork();
    if (user == 0) {
        CHECK(setresuid(1000, 1000, 1000) == 0);
        while ((fd = open("/", O_RDONLY)) >= 0)
            n++;
        CHECK(errno == ENFILE && n > 1000);
        CHECK(dup(0) > n); /* that is no new file */
        CHECK_ERROR(pipe((int[2]){ 0, 0 }), ENFILE);
        CHECK(write(go[1], "x", 1) == 1);
        usleep(50000); /* root opens its own meanwhile */
        _exit(0);
    }
    CHECK_EXIT(user, 0);
    CHECK_EXIT(root, 0);
    CHECK(open("/", O_RDONLY) >= 0);
}

static int stop;

static void *
churn(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        int p[2];
        if (pipe(p) == 0) {
            dup2(p[0], 100);
            dup2(p[1], 101);
            close(p[0]);
            close(p[1]);
        }
        close(100);
        close(101);
    }
    return NULL;
}

static void *
user(void *arg)
{
    char c[100];
    for (int k = 0; k < 3000; k++) {
        if ((long)arg != 0) {
            fcntl(100, F_SETFL, O_NONBLOCK);
            read(100, c, sizeof c);
        } else {
            fcntl(101, F_SETFL, O_NONBLOCK);
            write(101, c, sizeof c);
        }
    }
    return NULL;
}

static void
test_descriptors_when_closed_by_others_meanwhile_then_no_harm(void)
{
    pthread_t t[4];
    signal(SIGPIPE, SIG_IGN);
    CHECK(pthread_create(&t[0], NULL, churn, NULL) == 0);
    CHECK(pthread_create(&t[1], NULL, churn, NULL) == 0);
    for (long k = 2; k < 4; k++)
        CHECK(pthread_create(&t[k], NULL, user, (void *)(k - 2)) == 0);
    CHECK(pthread_join(t[2], NULL) == 0 && pthread_join(t[3], NULL) == 0);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    CHECK(pthread_join(t[0], NULL) == 0 && pthread_join(t[1], NULL) == 0);
}

int
main(void)
{
    RUN_IN_NEW(test_dup_when_made_then_lowest_and_one_position, dup, dup2, dup3, fcntl);
    RUN_IN_NEW(test_dup_when_wrong_then_error, dup, dup2, dup3, fcntl, close);
    RUN_IN_NEW(test_status_when_set_then_only_what_may, fcntl);
    RUN_IN_NEW(test_hint_when_set_then_kept, fcntl);
    RUN_IN_NEW(test_range_when_closed_then_gone_and_marked_with_flag, close_range);
    RUN_IN_NEW(test_range_when_unshared_then_the_other_keeps_its_own, close_range);
    RUN_IN_NEW(test_descriptors_when_very_many_then_all_work, dup, setrlimit,
               close_range);
    RUN_IN_NEW(test_files_when_too_many_in_all_then_enfile_but_not_for_root, open, pipe);
    RUN_IN_NEW(test_descriptors_when_closed_by_others_meanwhile_then_no_harm, dup2,
               close);
    return check_failures != 0;
}
