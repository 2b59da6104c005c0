/* SPDX-License-Identifier: MIT */
/* kcmp(2): what processes share; pkey_alloc(2) where there may be no keys. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

enum { KCMP_FILE, KCMP_VM, KCMP_FILES, KCMP_FS, KCMP_SIGHAND, KCMP_IO, KCMP_SYSVSEM };

static long
compare(pid_t a, pid_t b, int type, unsigned long x, unsigned long y)
{
    return syscall(SYS_kcmp, a, b, type, x, y);
}

static void
test_files_when_compared_then_order_or_equal(void)
{
    pid_t me = getpid();
    int a = open("/dev/null", O_RDONLY), b = dup(a), c = open("/dev/null", O_RDONLY);
    CHECK(compare(me, me, KCMP_FILE, (unsigned)a, (unsigned)b) == 0);
    long r = compare(me, me, KCMP_FILE, (unsigned)a, (unsigned)c);
    CHECK(r == 1 || r == 2);
    CHECK(compare(me, me, KCMP_FILE, (unsigned)c, (unsigned)a) == 3 - r);
    CHECK_ERROR(compare(me, me, KCMP_FILE, (unsigned)a, 999), EBADF);
    CHECK_ERROR(compare(me, me, 77, 0, 0), EINVAL);
    CHECK_ERROR(compare(me, 0x3fffffff, KCMP_VM, 0, 0), ESRCH);
    for (int type = KCMP_VM; type <= KCMP_SYSVSEM; type++)
        CHECK(compare(me, me, type, 0, 0) == 0);
}

static int
wait_for_end(void *arg)
{
    char byte;
    return (int)read(*(int *)arg, &byte, 1);
}

static void
test_children_when_cloned_then_shared_is_equal(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    int p[2], status;
    pid_t me = getpid();
    CHECK(pipe(p) == 0);
    pid_t child = clone(wait_for_end, stack + sizeof stack,
                        CLONE_VM | CLONE_FS | SIGCHLD, &p[0]);
    CHECK(child > 0);
    CHECK(compare(me, child, KCMP_VM, 0, 0) == 0);
    CHECK(compare(me, child, KCMP_FS, 0, 0) == 0);
    CHECK(compare(me, child, KCMP_FILES, 0, 0) > 0);
    CHECK(compare(me, child, KCMP_SIGHAND, 0, 0) > 0);
    CHECK(compare(me, child, KCMP_FILE, (unsigned)p[0], (unsigned)p[0]) == 0);
    CHECK(write(p[1], "x", 1) == 1 && waitpid(child, &status, 0) == child);
}

static void
test_process_when_of_another_user_then_eperm(void)
{
    pid_t parent = getppid();
    CHECK(setresuid(4321, 4321, 4321) == 0);
    CHECK_ERROR(compare(getpid(), parent, KCMP_VM, 0, 0), EPERM);
}

static void
test_keys_when_wrong_then_error(void)
{
    CHECK_ERROR(syscall(SYS_pkey_alloc, 1, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_pkey_alloc, 0, 8), EINVAL);
    CHECK_ERROR(syscall(SYS_pkey_free, 9), EINVAL);
    long key = syscall(SYS_pkey_alloc, 0, 0);
    CHECK(key > 0 ? syscall(SYS_pkey_free, key) == 0 : errno == ENOSPC);
}

int
main(void)
{
    RUN(test_files_when_compared_then_order_or_equal, kcmp);
    RUN(test_children_when_cloned_then_shared_is_equal, kcmp);
    RUN(test_process_when_of_another_user_then_eperm, kcmp);
    RUN(test_keys_when_wrong_then_error, pkey_alloc, pkey_free);
    return check_failures != 0;
}
