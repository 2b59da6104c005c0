/* SPDX-License-Identifier: MIT */
/* Who may see what of another user's process: proc(5), and ptrace(2) on access modes. */
#define _GNU_SOURCE
#include "proc_help.h"

#include <dirent.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define USER 1000
#define OTHER 1001

static void
become(uid_t id)
{
    CHECK(setgroups(0, NULL) == 0 && setresgid(id, id, id) == 0);
    CHECK(setresuid(id, id, id) == 0);
    CHECK(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
}

/* A child that waits, with these ids. */
static pid_t
someone(uid_t id)
{
    int ready[2];
    char byte;
    pid_t child;

    CHECK(pipe(ready) == 0);
    child = fork();
    if (child == 0) {
        become(id);
        CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0);
        CHECK(write(ready[1], "r", 1) == 1);
        for (;;)
            pause();
    }
    CHECK(child > 0 && read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    close(ready[1]);
    return child;
}

static const char *
path_of(pid_t pid, const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    return path;
}

/* Verify that what all may see of another's process is seen, and the rest refused. */
static void
test_another_users_process_is_closed(void)
{
    static const char *const open_to_all[] = { "stat", "status", "statm", "cmdline",
                                               "comm", "limits", "cgroup", "mounts" };
    static const char *const closed[] = { "environ", "auxv", "mem", "maps", "smaps" };
    pid_t child = someone(USER);
    char text[64];
    long long fields[64];
    char state, name[64];

    become(OTHER);
    for (unsigned i = 0; i < sizeof open_to_all / sizeof open_to_all[0]; i++)
        proc_read("%s", path_of(child, open_to_all[i]));
    for (unsigned i = 0; i < sizeof closed / sizeof closed[0]; i++)
        CHECK_ERROR(open(path_of(child, closed[i]), O_RDONLY), EACCES);
    CHECK_ERROR(readlink(path_of(child, "exe"), text, sizeof text), EACCES);
    CHECK_ERROR(readlink(path_of(child, "cwd"), text, sizeof text), EACCES);
    CHECK_ERROR(chdir(path_of(child, "cwd")), EACCES);
    CHECK_ERROR(open(path_of(child, "exe"), O_RDONLY), EACCES);
    CHECK_ERROR(open(path_of(child, "fd"), O_RDONLY | O_DIRECTORY), EACCES);
    CHECK_ERROR(readlink(path_of(child, "fd/0"), text, sizeof text), EACCES);
    /* Where things are in its memory is nobody's business. */
    proc_stat(path_of(child, "stat"), fields, &state, name);
    CHECK(fields[26] == 1 && fields[27] == 1 && fields[28] == 0 && fields[48] == 0);
    CHECK_ERROR(open(path_of(child, "comm"), O_WRONLY), EACCES);
}

/* Verify that files belong to the process's user, and the same user may look. */
static void
test_own_process_is_open(void)
{
    pid_t child = someone(USER);
    struct stat info;
    char text[256];

    CHECK(stat(path_of(child, "stat"), &info) == 0 && info.st_uid == USER);
    CHECK(stat(path_of(child, "."), &info) == 0 && info.st_uid == USER);
    CHECK((info.st_mode & 0777) == 0555);
    become(USER);
    proc_read("%s", path_of(child, "environ"));
    CHECK(proc_read("%s", path_of(child, "maps")) > 0);
    CHECK(readlink(path_of(child, "exe"), text, sizeof text) > 0);
    CHECK(open(path_of(child, "fd"), O_RDONLY | O_DIRECTORY) >= 0);
}

/* Verify that a process that is not dumpable belongs to root and is closed to its own
 * user's other processes, but not to itself. */
static void
test_not_dumpable_is_closed(void)
{
    struct stat info;
    char text[256];
    pid_t parent, child;

    become(USER);
    CHECK(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
    CHECK(stat("/proc/self/stat", &info) == 0 && info.st_uid == 0);
    CHECK(stat("/proc/self", &info) == 0 && info.st_uid == USER);
    CHECK(open("/proc/self/fd", O_RDONLY | O_DIRECTORY) >= 0);
    CHECK(readlink("/proc/self/exe", text, sizeof text) > 0);
    parent = getpid();
    child = fork();
    if (child == 0) {
        CHECK(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
        CHECK_ERROR(readlink(path_of(parent, "exe"), text, sizeof text), EACCES);
        CHECK_ERROR(open(path_of(parent, "maps"), O_RDONLY), EACCES);
        CHECK_ERROR(open(path_of(parent, "fd"), O_RDONLY), EACCES);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

/* Verify that only root may change settings. */
static void
test_settings_are_roots(void)
{
    become(USER);
    CHECK_ERROR(open("/proc/sys/kernel/hostname", O_WRONLY), EACCES);
    CHECK(open("/proc/sys/kernel/hostname", O_RDONLY) >= 0);
    CHECK_ERROR(open("/proc/sys/kernel/osrelease", O_WRONLY), EACCES);
}

int
main(void)
{
    CHECK(chdir("/") == 0);
    RUN(test_another_users_process_is_closed, open, readlink, chdir);
    RUN(test_own_process_is_open, open, stat);
    RUN(test_not_dumpable_is_closed, prctl, stat);
    RUN(test_settings_are_roots, open);
    return check_failures != 0;
}
