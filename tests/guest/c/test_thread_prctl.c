/* SPDX-License-Identifier: MIT */
/* Options of prctl(2) that are a thread's, their inheritance and their bad input. */
#define _GNU_SOURCE
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "in_thread.h"

#define IO_FLUSHER_SET 57
#define IO_FLUSHER_GET 58
#define CAPABILITY_V3 0x20080522u

static long
call(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
    return syscall(SYS_prctl, option, a, b, c, d);
}

static void
renounce(void)
{
    CHECK(call(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(call(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    pid_t child = fork();
    if (child == 0)
        _exit(call(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 1);
    CHECK_EXIT(child, 0);
}

static void
test_no_new_privs_when_a_thread_says_so_then_it_alone(void)
{
    in_thread(renounce);
    CHECK(call(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
    CHECK_ERROR(call(PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0), EINVAL);
}

static void
change_slack(void)
{
    CHECK(call(PR_GET_TIMERSLACK, 0, 0, 0, 0) == 70000);
    CHECK(call(PR_SET_TIMERSLACK, 1234, 0, 0, 0) == 0);
    CHECK(call(PR_GET_TIMERSLACK, 0, 0, 0, 0) == 1234);
    CHECK(call(PR_SET_TIMERSLACK, 0, 0, 0, 0) == 0); /* its default: its maker's */
    CHECK(call(PR_GET_TIMERSLACK, 0, 0, 0, 0) == 70000);
}

static void
test_slack_when_a_thread_sets_it_then_it_alone(void)
{
    CHECK(call(PR_SET_TIMERSLACK, 70000, 0, 0, 0) == 0);
    in_thread(change_slack);
    CHECK(call(PR_GET_TIMERSLACK, 0, 0, 0, 0) == 70000);
    CHECK(call(PR_SET_TIMERSLACK, 1ul << 62, 0, 0, 0) == 0);
    CHECK(call(PR_GET_TIMERSLACK, 0, 0, 0, 0) == 1l << 62);
}

static void
test_memory_errors_when_a_policy_is_set_then_shown(void)
{
    CHECK(call(PR_MCE_KILL_GET, 0, 0, 0, 0) == 2);
    CHECK(call(PR_MCE_KILL, 1, 1, 0, 0) == 0 && call(PR_MCE_KILL_GET, 0, 0, 0, 0) == 1);
    CHECK(call(PR_MCE_KILL, 1, 0, 0, 0) == 0 && call(PR_MCE_KILL_GET, 0, 0, 0, 0) == 0);
    CHECK(call(PR_MCE_KILL, 1, 2, 0, 0) == 0 && call(PR_MCE_KILL_GET, 0, 0, 0, 0) == 2);
    CHECK(call(PR_MCE_KILL, 0, 0, 0, 0) == 0);
    CHECK_ERROR(call(PR_MCE_KILL, 0, 1, 0, 0), EINVAL);
    CHECK_ERROR(call(PR_MCE_KILL, 1, 3, 0, 0), EINVAL);
    CHECK_ERROR(call(PR_MCE_KILL, 2, 0, 0, 0), EINVAL);
    CHECK_ERROR(call(PR_MCE_KILL, 1, 1, 1, 0), EINVAL);
    CHECK_ERROR(call(PR_MCE_KILL_GET, 1, 0, 0, 0), EINVAL);
}

static void
test_flusher_when_allowed_then_kept(void)
{
    CHECK(call(IO_FLUSHER_GET, 0, 0, 0, 0) == 0);
    CHECK(call(IO_FLUSHER_SET, 1, 0, 0, 0) == 0 && call(IO_FLUSHER_GET, 0, 0, 0, 0) == 1);
    CHECK_ERROR(call(IO_FLUSHER_SET, 2, 0, 0, 0), EINVAL);
    CHECK_ERROR(call(IO_FLUSHER_GET, 1, 0, 0, 0), EINVAL);
    CHECK(call(IO_FLUSHER_SET, 0, 0, 0, 0) == 0);
    CHECK(setuid(1234) == 0);
    CHECK_ERROR(call(IO_FLUSHER_GET, 0, 0, 0, 0), EPERM);
}

static void
test_rights_when_bad_input_then_error(void)
{
    struct {
        unsigned version;
        int pid;
    } head = { CAPABILITY_V3, -5 }, bad = { 0x1234, 0 };
    CHECK_ERROR(call(PR_SET_SECUREBITS, 1ul << 32, 0, 0, 0), EPERM);
    CHECK_ERROR(call(PR_SET_SECUREBITS, 1ul << 40 | 1, 0, 0, 0), EPERM);
    CHECK(call(PR_GET_SECUREBITS, 0, 0, 0, 0) == 0);
    CHECK(syscall(SYS_capget, &head, NULL) == 0); /* the version alone */
    CHECK(syscall(SYS_capget, &bad, NULL) == 0 && bad.version == CAPABILITY_V3);
    CHECK_ERROR(syscall(SYS_capget, NULL, NULL), EFAULT);
}

int
main(void)
{
    RUN(test_no_new_privs_when_a_thread_says_so_then_it_alone, prctl);
    RUN(test_slack_when_a_thread_sets_it_then_it_alone, prctl);
    RUN(test_memory_errors_when_a_policy_is_set_then_shown, prctl);
    RUN(test_flusher_when_allowed_then_kept, prctl);
    RUN(test_rights_when_bad_input_then_error, prctl, capget);
    return check_failures != 0;
}
