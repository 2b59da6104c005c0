/* SPDX-License-Identifier: MIT */
/* Queues of signals: order, limits, what siginfo says of each sender, actions. */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#define SI_TKILL_CODE (-6)
#define SA_UNSUPPORTED_FLAG 0x400
#define SA_EXPOSE_TAGBITS_FLAG 0x800

static volatile int *volatile bad_address = (volatile int *)8;
static volatile sig_atomic_t count;
static int order[64];
static siginfo_t info;

static void
note(int number, siginfo_t *given, void *context)
{
    (void)context;
    if (count < 64)
        order[count] = number;
    count++;
    info = *given;
}

static void
handle(int number, int flags)
{
    struct sigaction action = { .sa_sigaction = note, .sa_flags = SA_SIGINFO | flags };

    sigemptyset(&action.sa_mask);
    CHECK(sigaction(number, &action, NULL) == 0);
}

static void
block(int first, int last, sigset_t *set)
{
    sigemptyset(set);
    for (int i = first; i <= last; i++)
        sigaddset(set, i);
    CHECK(sigprocmask(SIG_BLOCK, set, NULL) == 0);
}

static int
take(const sigset_t *set, siginfo_t *out)
{
    struct timespec none = { 0, 0 };

    return (int)syscall(SYS_rt_sigtimedwait, set, out, &none, 8);
}

static void
test_queue_when_real_time_then_lowest_first_each_in_order(void)
{
    sigset_t set;
    siginfo_t got;

    block(SIGRTMIN, SIGRTMIN + 3, &set);
    for (int i = 0; i < 5; i++)
        for (int n = 3; n >= 0; n--)
            CHECK(sigqueue(getpid(), SIGRTMIN + n, (union sigval){ .sival_int = i }) == 0);
    for (int n = 0; n < 4; n++) {
        for (int i = 0; i < 5; i++) {
            CHECK(take(&set, &got) == SIGRTMIN + n && got.si_value.sival_int == i);
            CHECK(got.si_code == SI_QUEUE && got.si_pid == getpid() && got.si_uid == 0);
        }
    }
    CHECK_ERROR(take(&set, &got), EAGAIN);
}

static void
test_queue_when_standard_then_once_and_before_real_time(void)
{
    sigset_t set;
    siginfo_t got;

    block(SIGUSR1, SIGRTMIN, &set);
    CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 }) == 0);
    CHECK(sigqueue(getpid(), SIGUSR2, (union sigval){ .sival_int = 1 }) == 0);
    CHECK(sigqueue(getpid(), SIGUSR2, (union sigval){ .sival_int = 2 }) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(take(&set, &got) == SIGUSR1);
    CHECK(take(&set, &got) == SIGUSR2 && got.si_value.sival_int == 1);
    CHECK(take(&set, &got) == SIGRTMIN);
    CHECK_ERROR(take(&set, &got), EAGAIN);
}

static void
test_delivery_when_several_pend_then_each_handler_once(void)
{
    sigset_t set;

    for (int i = 0; i < 4; i++)
        handle(SIGRTMIN + i, 0);
    block(SIGRTMIN, SIGRTMIN + 3, &set);
    for (int i = 3; i >= 0; i--)
        CHECK(kill(getpid(), SIGRTMIN + i) == 0);
    CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
    CHECK(count == 4);
    /* Frames are pushed from the lowest number on, so the highest runs first. */
    for (int i = 0; i < 4; i++)
        CHECK(order[i] == SIGRTMIN + 3 - i);
}

static void
test_queue_when_limit_is_reached_then_eagain(void)
{
    struct rlimit limit = { 4, 4 };
    sigset_t set;
    int n = 0;

    block(SIGRTMIN, SIGRTMIN, &set);
    CHECK(setrlimit(RLIMIT_SIGPENDING, &limit) == 0);
    while (n < 100 && sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 }) == 0)
        n++;
    CHECK(n >= 3 && n <= 4 && errno == EAGAIN);
    while (take(&set, NULL) == SIGRTMIN)
        n--;
    CHECK(n == 0);
    CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 }) == 0);
}

static void
test_siginfo_when_sent_in_each_way_then_code_and_sender(void)
{
    sigset_t set;
    siginfo_t got, mine;

    block(SIGUSR1, SIGUSR1, &set);
    CHECK(kill(getpid(), SIGUSR1) == 0 && take(&set, &got) == SIGUSR1);
    CHECK(got.si_code == SI_USER && got.si_pid == getpid() && got.si_errno == 0);
    CHECK(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1) == 0);
    CHECK(take(&set, &got) == SIGUSR1 && got.si_code == SI_TKILL_CODE);
    CHECK(syscall(SYS_tkill, syscall(SYS_gettid), SIGUSR1) == 0);
    CHECK(take(&set, &got) == SIGUSR1 && got.si_code == SI_TKILL_CODE &&
          got.si_pid == getpid());
    memset(&mine, 0, sizeof mine);
    mine.si_code = -60;
    mine.si_value.sival_ptr = (void *)0x123456789;
    mine.si_pid = 17;
    CHECK(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &mine) == 0);
    CHECK(take(&set, &got) == SIGUSR1 && got.si_code == -60 && got.si_pid == 17);
    CHECK(got.si_value.sival_ptr == (void *)0x123456789);
    CHECK(syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGUSR1, &mine) ==
          0);
    CHECK(take(&set, &got) == SIGUSR1 && got.si_code == -60);
}

static void
test_sigqueueinfo_when_it_pretends_then_eperm(void)
{
    siginfo_t mine;
    pid_t parent = getpid(), child;

    memset(&mine, 0, sizeof mine);
    child = fork();
    if (child == 0) {
        mine.si_code = SI_USER;
        CHECK_ERROR(syscall(SYS_rt_sigqueueinfo, parent, SIGUSR1, &mine), EPERM);
        mine.si_code = SI_KERNEL;
        CHECK_ERROR(syscall(SYS_rt_sigqueueinfo, parent, SIGUSR1, &mine), EPERM);
        mine.si_code = SI_TKILL_CODE;
        CHECK_ERROR(syscall(SYS_rt_sigqueueinfo, parent, SIGUSR1, &mine), EPERM);
        CHECK_ERROR(syscall(SYS_rt_tgsigqueueinfo, parent, parent, SIGUSR1, &mine), EPERM);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    mine.si_code = SI_QUEUE;
    CHECK_ERROR(syscall(SYS_rt_sigqueueinfo, getpid(), 65, &mine), EINVAL);
    CHECK_ERROR(syscall(SYS_rt_sigqueueinfo, 0x3fffffff, SIGUSR1, &mine), ESRCH);
    CHECK_ERROR(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, 8), EFAULT);
    CHECK_ERROR(syscall(SYS_rt_tgsigqueueinfo, 0, 1, SIGUSR1, &mine), EINVAL);
}

static void
expect_child(const sigset_t *set, pid_t child, int code, int status)
{
    struct timespec limit = { 10, 0 };
    siginfo_t got;

    CHECK(syscall(SYS_rt_sigtimedwait, set, &got, &limit, 8) == SIGCHLD);
    CHECK(got.si_code == code && got.si_pid == child && got.si_uid == 0);
    CHECK(got.si_status == status && got.si_signo == SIGCHLD);
}

static void
test_sigchld_when_child_changes_then_each_code(void)
{
    sigset_t set;
    pid_t child;
    int status;

    block(SIGCHLD, SIGCHLD, &set);
    child = fork();
    if (child == 0)
        for (;;)
            pause();
    CHECK(kill(child, SIGSTOP) == 0);
    expect_child(&set, child, CLD_STOPPED, SIGSTOP);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) &&
          WSTOPSIG(status) == SIGSTOP);
    CHECK(waitpid(child, &status, WUNTRACED | WNOHANG) == 0);
    CHECK(kill(child, SIGCONT) == 0);
    expect_child(&set, child, CLD_CONTINUED, SIGCONT);
    CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
    CHECK(kill(child, SIGTERM) == 0);
    expect_child(&set, child, CLD_KILLED, SIGTERM);
    CHECK_SIGNAL(child, SIGTERM);
    child = fork();
    if (child == 0)
        _exit(300);
    expect_child(&set, child, CLD_EXITED, 300 & 0xff);
    CHECK_EXIT(child, 300 & 0xff);
    handle(SIGCHLD, SA_NOCLDSTOP);
    child = fork();
    if (child == 0)
        for (;;)
            pause();
    CHECK(kill(child, SIGSTOP) == 0);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    CHECK_ERROR(take(&set, NULL), EAGAIN); /* SA_NOCLDSTOP */
    CHECK(kill(child, SIGKILL) == 0);
    CHECK_SIGNAL(child, SIGKILL);
}

static void
test_sigchld_when_nocldwait_then_no_zombies(void)
{
    handle(SIGCHLD, SA_NOCLDWAIT);
    for (int i = 0; i < 3; i++)
        if (fork() == 0)
            _exit(0);
    while (wait(NULL) == -1 && errno == EINTR)
        ;
    CHECK_ERROR(wait(NULL), ECHILD);
    CHECK(count >= 1); /* the signal is sent nevertheless */
}

static void
test_sigaction_when_flags_are_unknown_then_cleared(void)
{
    struct {
        void (*handler)(int);
        unsigned long flags;
        void (*restorer)(void);
        uint64_t mask;
    } act = { (void (*)(int))1, SA_UNSUPPORTED_FLAG | SA_EXPOSE_TAGBITS_FLAG | 0x2000 |
                                    SA_RESTART, NULL, ~0ull }, old;

    CHECK(syscall(SYS_rt_sigaction, SIGUSR1, &act, NULL, 8) == 0);
    CHECK(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &old, 8) == 0);
    CHECK(old.flags == (SA_EXPOSE_TAGBITS_FLAG | SA_RESTART));
    CHECK(old.mask == (~0ull & ~(1ull << (SIGKILL - 1)) & ~(1ull << (SIGSTOP - 1))));
    CHECK_ERROR(syscall(SYS_rt_sigaction, SIGUSR1, &act, NULL, 4), EINVAL);
    CHECK_ERROR(syscall(SYS_rt_sigaction, 0, &act, NULL, 8), EINVAL);
    CHECK_ERROR(syscall(SYS_rt_sigaction, 65, &act, NULL, 8), EINVAL);
    CHECK_ERROR(syscall(SYS_rt_sigaction, SIGKILL, &act, NULL, 8), EINVAL);
    CHECK_ERROR(syscall(SYS_rt_sigaction, SIGSTOP, &act, NULL, 8), EINVAL);
    CHECK(syscall(SYS_rt_sigaction, SIGKILL, NULL, &old, 8) == 0 && old.handler == NULL);
    CHECK_ERROR(syscall(SYS_rt_sigaction, SIGUSR1, 8, NULL, 8), EFAULT);
    CHECK_ERROR(syscall(SYS_rt_sigaction, SIGUSR1, NULL, 8, 8), EFAULT);
}

static void
test_masks_when_arguments_are_wrong_then_errors(void)
{
    uint64_t set = ~0ull, old;

    CHECK_ERROR(syscall(SYS_rt_sigprocmask, 3, &set, NULL, 8), EINVAL);
    CHECK(syscall(SYS_rt_sigprocmask, 3, NULL, &old, 8) == 0);
    CHECK_ERROR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 16), EINVAL);
    CHECK_ERROR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, 8, NULL, 8), EFAULT);
    CHECK_ERROR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, 8, 8), EFAULT);
    CHECK_ERROR(syscall(SYS_rt_sigpending, 8, 8), EFAULT);
    CHECK_ERROR(syscall(SYS_rt_sigpending, &set, 16), EINVAL);
    CHECK_ERROR(syscall(SYS_rt_sigsuspend, &set, 4), EINVAL);
    CHECK_ERROR(syscall(SYS_rt_sigsuspend, 8, 8), EFAULT);
    CHECK_ERROR(syscall(SYS_rt_sigtimedwait, &set, NULL, NULL, 4), EINVAL);
    CHECK_ERROR(syscall(SYS_rt_sigtimedwait, 8, NULL, NULL, 8), EFAULT);
    struct timespec bad = { 0, 1000000000 };
    CHECK_ERROR(syscall(SYS_rt_sigtimedwait, &set, NULL, &bad, 8), EINVAL);
    bad = (struct timespec){ -1, 0 };
    CHECK_ERROR(syscall(SYS_rt_sigtimedwait, &set, NULL, &bad, 8), EINVAL);
}

static void
test_pending_when_ignored_then_dropped(void)
{
    sigset_t set, pending;

    block(SIGUSR1, SIGUSR1, &set);
    handle(SIGUSR1, 0);
    CHECK(raise(SIGUSR1) == 0 && sigpending(&pending) == 0);
    CHECK(sigismember(&pending, SIGUSR1));
    signal(SIGUSR1, SIG_IGN);
    CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGUSR1));
    CHECK(raise(SIGUSR1) == 0 && sigpending(&pending) == 0);
    CHECK(sigismember(&pending, SIGUSR1)); /* blocked ones are kept */
    CHECK(take(&set, NULL) == SIGUSR1);
}

static volatile bool ready;
static volatile pid_t thread_id;

static void *
wait_for_signal(void *arg)
{
    sigset_t *set = arg;
    int number;

    thread_id = (pid_t)syscall(SYS_gettid);
    ready = true;
    CHECK(sigwait(set, &number) == 0);
    return (void *)(intptr_t)number;
}

static void
test_thread_when_signalled_alone_then_only_it_takes(void)
{
    pthread_t thread;
    sigset_t set;
    void *number;

    block(SIGUSR1, SIGUSR2, &set);
    CHECK(pthread_create(&thread, NULL, wait_for_signal, &set) == 0);
    while (!ready)
        sched_yield();
    CHECK(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1) == 0);
    CHECK(kill(thread_id, 0) == 0); /* a thread's number names its process */
    usleep(20000);
    CHECK(syscall(SYS_tgkill, getpid(), thread_id, SIGUSR2) == 0);
    CHECK(pthread_join(thread, &number) == 0 && (intptr_t)number == SIGUSR2);
    CHECK(take(&set, NULL) == SIGUSR1);
    while (syscall(SYS_tgkill, getpid(), thread_id, 0) == 0)
        sched_yield(); /* its number goes a little after it can be joined */
    CHECK_ERROR(syscall(SYS_tgkill, getpid(), thread_id, SIGUSR2), ESRCH);
    CHECK_ERROR(syscall(SYS_tgkill, 1, syscall(SYS_gettid), SIGUSR2), ESRCH);
    CHECK_ERROR(syscall(SYS_tgkill, 0, 1, SIGUSR2), EINVAL);
    CHECK_ERROR(syscall(SYS_tgkill, 1, 0, SIGUSR2), EINVAL);
    CHECK_ERROR(syscall(SYS_tkill, 0, SIGUSR2), EINVAL);
    CHECK_ERROR(syscall(SYS_tkill, getpid(), 65), EINVAL);
    CHECK_ERROR(syscall(SYS_tkill, 0x3fffffff, SIGUSR2), ESRCH);
    CHECK(syscall(SYS_tkill, syscall(SYS_gettid), 0) == 0);
}

static void
test_fault_when_blocked_or_ignored_then_forced(void)
{
    sigset_t set;
    pid_t child = fork();

    if (child == 0) {
        block(SIGSEGV, SIGSEGV, &set);
        handle(SIGSEGV, 0);
        *bad_address = 1;
        _exit(0);
    }
    CHECK_SIGNAL(child, SIGSEGV);
    CHECK(count == 0);
}

static void
test_bus_when_beyond_the_file_then_adrerr_and_address(void)
{
    FILE *f = tmpfile();
    char *p;

    CHECK(f != NULL);
    p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fileno(f), 0);
    CHECK(p != MAP_FAILED);
    handle(SIGBUS, SA_RESETHAND | SA_NODEFER);
    pid_t child = fork();
    if (child == 0) {
        (void)*(volatile char *)(p + 4100);
        _exit(0);
    }
    CHECK_SIGNAL(child, SIGBUS); /* the handler ran once, then the default came back */
}

int
main(void)
{
    RUN(test_queue_when_real_time_then_lowest_first_each_in_order, rt_sigqueueinfo,
        rt_sigtimedwait);
    RUN(test_queue_when_standard_then_once_and_before_real_time, rt_sigqueueinfo, kill);
    RUN(test_delivery_when_several_pend_then_each_handler_once, rt_sigprocmask);
    RUN(test_queue_when_limit_is_reached_then_eagain, rt_sigqueueinfo, setrlimit);
    RUN(test_siginfo_when_sent_in_each_way_then_code_and_sender, kill, tgkill, tkill,
        rt_sigqueueinfo, rt_tgsigqueueinfo);
    RUN(test_sigqueueinfo_when_it_pretends_then_eperm, rt_sigqueueinfo,
        rt_tgsigqueueinfo);
    RUN(test_sigchld_when_child_changes_then_each_code, wait4, kill);
    RUN(test_sigchld_when_nocldwait_then_no_zombies, rt_sigaction);
    RUN(test_sigaction_when_flags_are_unknown_then_cleared, rt_sigaction);
    RUN(test_masks_when_arguments_are_wrong_then_errors, rt_sigprocmask, rt_sigpending,
        rt_sigsuspend, rt_sigtimedwait);
    RUN(test_pending_when_ignored_then_dropped, rt_sigpending);
    RUN(test_thread_when_signalled_alone_then_only_it_takes, tgkill, tkill);
    RUN(test_fault_when_blocked_or_ignored_then_forced);
    RUN(test_bus_when_beyond_the_file_then_adrerr_and_address);
    return check_failures != 0;
}
