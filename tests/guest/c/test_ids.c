/* SPDX-License-Identifier: MIT */
/* Ids, groups and capabilities: credentials(7), capabilities(7). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "check.h"

/* musl has no <linux/capability.h>. */
#define CAPABILITY_V3 0x20080522u
enum { CAP_CHOWN = 0, CAP_KILL = 5, CAP_SETUID = 7, CAP_SETPCAP = 8 };
struct cap_header {
    uint32_t version;
    int pid;
};
struct cap_data {
    uint32_t effective, permitted, inheritable;
};
#define BIT(c) (1u << (c))

struct caps {
    struct cap_header header;
    struct cap_data data[2];
};

static struct caps
caps_now(void)
{
    struct caps c = { .header = { CAPABILITY_V3, 0 } };
    CHECK(syscall(SYS_capget, &c.header, c.data) == 0);
    return c;
}

static void
check_ids(uid_t ruid, uid_t euid, uid_t suid)
{
    uid_t r, e, s;
    CHECK(getresuid(&r, &e, &s) == 0 && r == ruid && e == euid && s == suid);
}

/* Verify the rules of setuid's family without the capability (raw calls: a C library
 * would set the ids of all threads). */
static void
test_user_ids_move_among_the_three(void)
{
    CHECK(syscall(SYS_setresuid, 1, 2, 3) == 0);
    CHECK_ERROR(syscall(SYS_setuid, 2), EPERM);
    CHECK(syscall(SYS_setuid, 3) == 0);
    check_ids(1, 3, 3);
    CHECK(syscall(SYS_setresuid, -1, 1, -1) == 0);
    check_ids(1, 1, 3);
    CHECK_ERROR(syscall(SYS_setresuid, -1, 2, -1), EPERM);
    CHECK(syscall(SYS_setreuid, -1, 3) == 0);
    check_ids(1, 3, 3);
    CHECK(syscall(SYS_setreuid, 3, 1) == 0);
    check_ids(3, 1, 1);
    CHECK_ERROR(syscall(SYS_setreuid, 9, -1), EPERM);
    CHECK_ERROR(syscall(SYS_setuid, -1), EINVAL);
    CHECK(syscall(SYS_setfsuid, 3) == 1 && syscall(SYS_setfsuid, -1) == 3);
    CHECK(syscall(SYS_setfsuid, 77) == 3 && syscall(SYS_setfsuid, -1) == 3);
}

/* Verify the same for groups. */
static void
test_group_ids_move_among_the_three(void)
{
    gid_t r, e, s;
    CHECK(syscall(SYS_setresgid, 1, 2, 3) == 0);
    CHECK(syscall(SYS_setresuid, 1, 1, 1) == 0);
    CHECK_ERROR(syscall(SYS_setgid, 2), EPERM);
    CHECK(syscall(SYS_setgid, 3) == 0);
    CHECK(syscall(SYS_setregid, 3, 1) == 0);
    CHECK(getresgid(&r, &e, &s) == 0 && r == 3 && e == 1 && s == 1);
    CHECK_ERROR(syscall(SYS_setresgid, 8, -1, -1), EPERM);
    CHECK_ERROR(syscall(SYS_setgid, -1), EINVAL);
    CHECK(syscall(SYS_setfsgid, -1) == 1);
    CHECK_ERROR(syscall(SYS_setgroups, 0, NULL), EPERM);
    CHECK_ERROR(syscall(SYS_getresuid, (void *)8, &r, &r), EFAULT);
}

/* Verify that 65536 groups can be had, and that files see them. */
static void
test_groups_are_many(void)
{
    static gid_t groups[65537], got[65536];
    for (int i = 0; i < 65537; i++)
        groups[i] = (gid_t)(200000 - i);
    CHECK_ERROR(syscall(SYS_setgroups, 65537, groups), EINVAL);
    CHECK_ERROR(syscall(SYS_setgroups, 2, (void *)8), EFAULT);
    CHECK(syscall(SYS_setgroups, 65536, groups) == 0);
    CHECK(getgroups(0, NULL) == 65536);
    CHECK_ERROR(getgroups(5, got), EINVAL);
    CHECK_ERROR(syscall(SYS_getgroups, -1, got), EINVAL);
    CHECK(getgroups(65536, got) == 65536);
    umask(0);
    CHECK(mkdir("/tmp", 01777) == 0 || errno == EEXIST);
    int fd = open("/tmp/of_group", O_CREAT | O_RDWR, 0640);
    CHECK(fd >= 0 && fchown(fd, 0, 150000) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(syscall(SYS_setresuid, 1000, 1000, 1000) == 0);
        CHECK(open("/tmp/of_group", O_RDONLY) >= 0);
        CHECK_ERROR(open("/tmp/of_group", O_RDWR), EACCES);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    CHECK(fchown(fd, 0, 10) == 0 && unlink("/tmp/of_group") == 0);
}

/* Verify what a change of user does to the sets, with and without keepcaps. */
static void
test_capabilities_follow_the_user(void)
{
    pid_t child = fork();
    if (child == 0) {
        CHECK(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 && prctl(PR_GET_KEEPCAPS) == 1);
        CHECK(syscall(SYS_setresuid, 5, 5, 5) == 0);
        struct caps c = caps_now();
        CHECK(c.data[0].permitted != 0 && c.data[0].effective == 0);
        c.data[0].effective = BIT(CAP_SETUID);
        CHECK(syscall(SYS_capset, &c.header, c.data) == 0);
        CHECK(syscall(SYS_setuid, 6) == 0);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    CHECK(syscall(SYS_setresuid, -1, 5, -1) == 0);
    CHECK(caps_now().data[0].effective == 0 && caps_now().data[0].permitted != 0);
    CHECK(syscall(SYS_setresuid, -1, 0, -1) == 0);
    CHECK(caps_now().data[0].effective != 0);
    CHECK(syscall(SYS_setresuid, 5, 5, 5) == 0);
    CHECK(caps_now().data[0].permitted == 0 && caps_now().data[1].permitted == 0);
    CHECK_ERROR(syscall(SYS_setuid, 0), EPERM);
}

/* Verify capset's rules, and the versions of the interface. */
static void
test_capabilities_can_only_be_given_up(void)
{
    struct caps c = caps_now();
    struct caps odd = { .header = { 0x12345678, 0 } };
    CHECK(syscall(SYS_capget, &odd.header, NULL) == 0);
    CHECK(odd.header.version == CAPABILITY_V3);
    odd.header.version = 7;
    CHECK_ERROR(syscall(SYS_capget, &odd.header, odd.data), EINVAL);
    odd.header.pid = -1;
    CHECK_ERROR(syscall(SYS_capget, &odd.header, odd.data), EINVAL);
    odd.header.pid = 99999999;
    CHECK_ERROR(syscall(SYS_capget, &odd.header, odd.data), ESRCH);
    odd.header.pid = 1;
    CHECK_ERROR(syscall(SYS_capset, &odd.header, odd.data), EPERM);
    CHECK_ERROR(syscall(SYS_capset, &c.header, (void *)8), EFAULT);
    c.data[0].permitted = c.data[0].effective = BIT(CAP_KILL) | BIT(CAP_SETPCAP);
    c.data[1] = (struct cap_data){ 0 };
    CHECK(syscall(SYS_capset, &c.header, c.data) == 0);
    CHECK_ERROR(syscall(SYS_setuid, 5), EPERM); /* though the uid is 0 */
    c.data[0].permitted |= BIT(CAP_SETUID);
    CHECK_ERROR(syscall(SYS_capset, &c.header, c.data), EPERM);
    c = caps_now();
    c.data[0].permitted = 0;
    CHECK_ERROR(syscall(SYS_capset, &c.header, c.data), EPERM);
    c.data[0].effective = 0;
    CHECK(syscall(SYS_capset, &c.header, c.data) == 0);
}

/* Verify bounding and ambient sets and securebits. */
static void
test_sets_of_prctl(void)
{
    CHECK(prctl(PR_CAPBSET_READ, CAP_KILL, 0, 0, 0) == 1);
    CHECK_ERROR(prctl(PR_CAPBSET_READ, 64, 0, 0, 0), EINVAL);
    CHECK_ERROR(prctl(PR_CAPBSET_DROP, 64, 0, 0, 0), EINVAL);
    CHECK(prctl(PR_CAPBSET_DROP, CAP_KILL, 0, 0, 0) == 0);
    CHECK(prctl(PR_CAPBSET_READ, CAP_KILL, 0, 0, 0) == 0);
    CHECK_ERROR(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0), EPERM);
    struct caps c = caps_now();
    c.data[0].inheritable = BIT(CAP_CHOWN);
    CHECK(syscall(SYS_capset, &c.header, c.data) == 0);
    CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0) == 0);
    CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0) == 1);
    CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_CHOWN, 0, 0) == 0);
    CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0) == 0);
    CHECK_ERROR(prctl(PR_CAP_AMBIENT, 99, CAP_CHOWN, 0, 0), EINVAL);
    CHECK_ERROR(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0), EINVAL);
    CHECK(prctl(PR_GET_SECUREBITS) == 0);
    CHECK_ERROR(prctl(PR_SET_SECUREBITS, 0x1000), EPERM);
    CHECK(prctl(PR_SET_SECUREBITS, 0x30) == 0 && prctl(PR_GET_SECUREBITS) == 0x30);
    CHECK_ERROR(prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0), EPERM);
    CHECK_ERROR(prctl(PR_SET_SECUREBITS, 0), EPERM);
    CHECK_ERROR(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    CHECK_ERROR(prctl(12345678, 0, 0, 0, 0), EINVAL);
}

/* Verify who may signal whom. */
static void
test_signals_need_the_same_user(void)
{
    pid_t other = fork();
    if (other == 0) {
        CHECK(syscall(SYS_setresuid, 7, 8, 9) == 0);
        for (;;)
            pause();
    }
    usleep(50000);
    static const uid_t ids[][3] = { { 7, 1, 1 }, { 9, 1, 1 }, { 1, 7, 1 }, { 1, 9, 1 },
                                    { 8, 8, 8 }, { 1, 1, 7 } };
    for (int i = 0; i < 6; i++) {
        pid_t child = fork();
        if (child == 0) {
            CHECK(syscall(SYS_setresuid, ids[i][0], ids[i][1], ids[i][2]) == 0);
            if (i < 4)
                CHECK(kill(other, 0) == 0);
            else
                CHECK_ERROR(kill(other, 0), EPERM);
            _exit(0);
        }
        CHECK_EXIT(child, 0);
    }
    CHECK(kill(other, SIGKILL) == 0);
    CHECK_SIGNAL(other, SIGKILL);
}

/* Verify that priorities ask for the right. */
static void
test_priorities_need_the_right(void)
{
    struct rlimit l = { 22, 22 };
    CHECK(setrlimit(RLIMIT_NICE, &l) == 0);
    CHECK(setpriority(PRIO_PROCESS, 0, 5) == 0 && getpriority(PRIO_PROCESS, 0) == 5);
    CHECK(setpriority(PRIO_PROCESS, 0, 100) == 0 && getpriority(PRIO_PROCESS, 0) == 19);
    CHECK_ERROR(getpriority(9, 0), EINVAL);
    CHECK_ERROR(setpriority(PRIO_PROCESS, 99999999, 0), ESRCH);
    CHECK(syscall(SYS_setresuid, 3333, 3333, 3333) == 0);
    CHECK(setpriority(PRIO_PROCESS, 0, -2) == 0);
    CHECK_ERROR(setpriority(PRIO_PROCESS, 0, -3), EACCES);
    CHECK(setpriority(PRIO_USER, 0, 4) == 0 && getpriority(PRIO_USER, 0) == 4);
    CHECK_ERROR(setpriority(PRIO_PROCESS, getppid(), 7), EPERM);
    CHECK_ERROR(setpriority(PRIO_USER, 99, 7), ESRCH);
}

int
main(void)
{
    RUN(test_user_ids_move_among_the_three, setuid, setreuid, setresuid, getresuid, setfsuid);
    RUN(test_group_ids_move_among_the_three, setgid, setregid, setresgid, getresgid,
        setfsgid, setgroups);
    RUN(test_groups_are_many, setgroups, getgroups);
    RUN(test_capabilities_follow_the_user, setresuid, capget, capset, prctl);
    RUN(test_capabilities_can_only_be_given_up, capget, capset);
    RUN(test_sets_of_prctl, prctl);
    RUN(test_signals_need_the_same_user, kill);
    RUN(test_priorities_need_the_right, getpriority, setpriority);
    return check_failures != 0;
}
