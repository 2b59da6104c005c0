/* SPDX-License-Identifier: MIT */
/* Who a process is, and the small calls that have no other place: each is made as the
 * bare system call, since a C library keeps some of the answers. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

static void
drop_to(unsigned uid, unsigned gid)
{
    CHECK(syscall(SYS_setresgid, gid, gid + 1, gid + 2) == 0);
    CHECK(syscall(SYS_setresuid, uid, uid + 1, uid + 2) == 0);
}

/* Verify that a process and its parent agree about their numbers, and a thread's group
 * is its process. */
static void
test_numbers_when_forked_then_parent_and_child_agree(void)
{
    long me = syscall(SYS_getpid);
    int ends[2], pid;
    pid_t child;

    CHECK(me > 1 && syscall(SYS_gettid) == me && pipe(ends) == 0);
    child = fork();
    if (child == 0) {
        pid = (int)syscall(SYS_getpid);
        CHECK(syscall(SYS_getppid) == me);
        CHECK(write(ends[1], &pid, sizeof pid) == sizeof pid);
        _exit(0);
    }
    CHECK(read(ends[0], &pid, sizeof pid) == sizeof pid && pid == child);
    CHECK_EXIT(child, 0);
}

/* Verify that a child whose parent has ended gets another parent. */
static void
test_getppid_when_parent_ends_then_another_adopts(void)
{
    int ends[2], hold[2], parent;
    pid_t child;
    char byte;

    CHECK(pipe(ends) == 0 && pipe(hold) == 0);
    child = fork();
    if (child == 0) {
        pid_t old = getpid();
        if (fork() == 0) {
            close(hold[1]);
            CHECK(read(hold[0], &byte, 1) == 0);
            while (syscall(SYS_getppid) == old)
                sched_yield();
            parent = (int)syscall(SYS_getppid);
            CHECK(write(ends[1], &parent, sizeof parent) == sizeof parent);
            _exit(0);
        }
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    close(hold[1]);
    CHECK(read(ends[0], &parent, sizeof parent) == sizeof parent);
    CHECK(parent >= 1 && parent != child);
}

/* Verify real and effective ids of a process that has three different ones of each. */
static void
test_ids_when_set_apart_then_each_call_gives_its_own(void)
{
    CHECK(syscall(SYS_getuid) == 0 && syscall(SYS_geteuid) == 0);
    CHECK(syscall(SYS_getgid) == 0 && syscall(SYS_getegid) == 0);
    drop_to(1000, 2000);
    CHECK(syscall(SYS_getuid) == 1000 && syscall(SYS_geteuid) == 1001);
    CHECK(syscall(SYS_getgid) == 2000 && syscall(SYS_getegid) == 2001);
}

/* Verify groups and sessions: inherited, one's own after setsid, of others by number. */
static void
test_groups_and_sessions_when_asked_then_right(void)
{
    long group = syscall(SYS_getpgrp), session = syscall(SYS_getsid, 0);
    int go[2];
    pid_t child;
    char byte;

    CHECK(group == syscall(SYS_getpgid, 0) && group == syscall(SYS_getpgid, getpid()));
    CHECK(session == syscall(SYS_getsid, getpid()));
    CHECK(pipe(go) == 0);
    child = fork();
    if (child == 0) {
        CHECK(syscall(SYS_getpgrp) == group && syscall(SYS_getsid, 0) == session);
        CHECK(setsid() == getpid());
        CHECK(syscall(SYS_getpgrp) == getpid() && syscall(SYS_getsid, 0) == getpid());
        CHECK(write(go[1], "x", 1) == 1);
        pause();
    }
    CHECK(read(go[0], &byte, 1) == 1);
    CHECK(syscall(SYS_getpgid, child) == child && syscall(SYS_getsid, child) == child);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK_SIGNAL(child, SIGKILL);
    CHECK_ERROR(syscall(SYS_getpgid, child), ESRCH);
    CHECK_ERROR(syscall(SYS_getsid, child), ESRCH);
    CHECK_ERROR(syscall(SYS_getpgid, -1), ESRCH);
    CHECK_ERROR(syscall(SYS_getsid, -1), ESRCH);
}

static int
ends_thread(void *argument)
{
    (void)argument;
    syscall(SYS_exit, 3);
    return 0;
}

/* Verify that exit ends one thread only, with its low byte as the status of the last, and
 * that the number at set_tid_address's place is cleared then. */
static void
test_exit_when_of_one_thread_then_others_go_on(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    static volatile int tid = 1;
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                CLONE_SYSVSEM | CLONE_CHILD_CLEARTID;
    pid_t child;

    CHECK(clone(ends_thread, stack + sizeof stack, flags, NULL, NULL, NULL, &tid) > 0);
    while (tid != 0)
        sched_yield();
    child = fork();
    if (child == 0)
        syscall(SYS_exit, 0x1234);
    CHECK_EXIT(child, 0x34);
}

static int
names_another_place(void *place)
{
    syscall(SYS_set_tid_address, place);
    syscall(SYS_exit, 0);
    return 0;
}

/* Verify that set_tid_address gives the thread's number, and what it names is cleared
 * when a process ends whose memory another one shares. */
static void
test_set_tid_address_when_thread_ends_then_cleared(void)
{
    int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    static char stack[65536] __attribute__((aligned(16)));
    int status;

    CHECK(shared != MAP_FAILED);
    CHECK(syscall(SYS_set_tid_address, shared) == syscall(SYS_gettid));
    *shared = 77;
    pid_t child = clone(names_another_place, stack + sizeof stack, CLONE_VM | SIGCHLD, shared);
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    CHECK(*shared == 0);
}

/* Verify FS and GS: what is set is there, and not an address outside the user's half. */
static void
test_arch_prctl_when_base_is_set_then_read_back(void)
{
    static uint64_t word = 0x1122334455667788;
    uint64_t fs = 0, gs = 0, seen;

    CHECK(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs) == 0 && fs != 0);
    CHECK(syscall(SYS_arch_prctl, ARCH_SET_FS, fs) == 0);
    CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, &word) == 0);
    CHECK(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs) == 0 && gs == (uintptr_t)&word);
    __asm__ volatile("mov %%gs:0, %0" : "=r"(seen));
    CHECK(seen == word);
    sched_yield();
    __asm__ volatile("mov %%gs:0, %0" : "=r"(seen));
    CHECK(seen == word);
    CHECK_ERROR(syscall(SYS_arch_prctl, ARCH_SET_GS, 1ull << 63), EPERM);
    CHECK_ERROR(syscall(SYS_arch_prctl, ARCH_SET_FS, 1ull << 63), EPERM);
    CHECK_ERROR(syscall(SYS_arch_prctl, 0x7777, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_arch_prctl, ARCH_GET_GS, 8), EFAULT);
}

/* Verify getrandom: whole answers, all sources, no two alike, and its errors. */
static void
test_getrandom_when_called_then_full_and_different(void)
{
    static unsigned char one[100000], two[256];
    unsigned seen = 0;
    int count[256] = { 0 };

    CHECK(syscall(SYS_getrandom, one, sizeof one, 0) == sizeof one);
    for (size_t i = 0; i < sizeof one; i++)
        count[one[i]]++;
    /* 390 of each are expected; the chance of fewer than 200 is none. */
    for (int i = 0; i < 256; i++)
        seen += count[i] > 200 && count[i] < 700;
    CHECK(seen == 256);
    CHECK(syscall(SYS_getrandom, two, sizeof two, 1) == sizeof two); /* GRND_NONBLOCK */
    CHECK(memcmp(one, two, sizeof two) != 0);
    CHECK(syscall(SYS_getrandom, two, 16, 4) == 16); /* GRND_INSECURE */
    CHECK(syscall(SYS_getrandom, NULL, 0, 0) == 0);
    CHECK_ERROR(syscall(SYS_getrandom, two, 1, 8), EINVAL);
    CHECK_ERROR(syscall(SYS_getrandom, two, 1, 2 | 4), EINVAL);
    CHECK_ERROR(syscall(SYS_getrandom, 8, 16, 0), EFAULT);
}

/* Verify that pkey_mprotect without a key is mprotect, and refuses keys nobody has. */
static void
test_pkey_mprotect_when_no_key_then_mprotect(void)
{
    char *p = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pid_t child;

    CHECK(p != MAP_FAILED);
    CHECK(syscall(SYS_pkey_mprotect, p, 8192, PROT_READ | PROT_WRITE, -1) == 0);
    p[4096] = 1;
    CHECK(syscall(SYS_pkey_mprotect, p, 4096, PROT_NONE, -1) == 0);
    child = fork();
    if (child == 0)
        _exit(*(volatile char *)p);
    CHECK_SIGNAL(child, SIGSEGV);
    CHECK_ERROR(syscall(SYS_pkey_mprotect, p, 4096, PROT_READ, 9), EINVAL);
    CHECK_ERROR(syscall(SYS_pkey_mprotect, p + 1, 4096, PROT_READ, -1), EINVAL);
    CHECK(munmap(p, 8192) == 0);
    CHECK_ERROR(syscall(SYS_pkey_mprotect, p, 4096, PROT_READ, -1), ENOMEM);
}

/* Verify reboot's guards; the real thing ends the guest (tests/tools). */
static void
test_reboot_when_not_meant_then_refused(void)
{
    CHECK_ERROR(syscall(SYS_reboot, 1, 672274793, 0x4321fedc, NULL), EINVAL);
    CHECK_ERROR(syscall(SYS_reboot, 0xfee1dead, 1, 0x4321fedc, NULL), EINVAL);
    CHECK_ERROR(syscall(SYS_reboot, 0xfee1dead, 672274793, 0x1234, NULL), EINVAL);
    CHECK(syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL) == 0); /* CAD off */
    CHECK(syscall(SYS_setresuid, 5, 5, 5) == 0);
    CHECK_ERROR(syscall(SYS_reboot, 0xfee1dead, 672274793, 0x4321fedc, NULL), EPERM);
}

/* Verify that the domain's name is kept, bounded, and root's to set. */
static void
test_setdomainname_when_set_then_uname_tells(void)
{
    struct utsname before, names;
    char text[65];

    CHECK(uname(&before) == 0);
    memset(text, 'd', sizeof text);
    CHECK(syscall(SYS_setdomainname, text, 64) == 0);
    CHECK(uname(&names) == 0 && strlen(names.domainname) == 64);
    CHECK_ERROR(syscall(SYS_setdomainname, text, 65), EINVAL);
    CHECK_ERROR(syscall(SYS_setdomainname, text, -1), EINVAL);
    CHECK_ERROR(syscall(SYS_setdomainname, 8, 5), EFAULT);
    CHECK(syscall(SYS_setdomainname, before.domainname, strlen(before.domainname)) == 0);
    CHECK(uname(&names) == 0 && strcmp(names.domainname, before.domainname) == 0);
    CHECK(syscall(SYS_setresuid, 5, 5, 5) == 0);
    CHECK_ERROR(syscall(SYS_setdomainname, "x", 1), EPERM);
}

int
main(void)
{
    RUN(test_numbers_when_forked_then_parent_and_child_agree, getpid, getppid, gettid);
    RUN(test_getppid_when_parent_ends_then_another_adopts, getppid);
    RUN(test_ids_when_set_apart_then_each_call_gives_its_own, getuid, geteuid, getgid,
        getegid);
    RUN(test_groups_and_sessions_when_asked_then_right, getpgrp, getpgid, getsid);
    RUN(test_exit_when_of_one_thread_then_others_go_on, exit);
    RUN(test_set_tid_address_when_thread_ends_then_cleared, set_tid_address);
    RUN(test_arch_prctl_when_base_is_set_then_read_back, arch_prctl);
    RUN(test_getrandom_when_called_then_full_and_different, getrandom);
    RUN(test_pkey_mprotect_when_no_key_then_mprotect, pkey_mprotect);
    RUN(test_reboot_when_not_meant_then_refused, reboot);
    RUN(test_setdomainname_when_set_then_uname_tells, setdomainname);
    return check_failures != 0;
}
