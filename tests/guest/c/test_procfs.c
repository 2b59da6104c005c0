/* SPDX-License-Identifier: MIT */
/* /proc/PID as proc(5) and its relatives describe it: identity, state, times, sizes. */
#define _GNU_SOURCE
#include "proc_help.h"

#include <dirent.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

static long long fields[64];
static char state, name[64];

/* Verify that stat has its 52 fields, and that those that can be known are right. */
static void
test_stat_of_oneself(void)
{
    CHECK(prctl(PR_SET_NAME, "a (b) c", 0, 0, 0) == 0);
    CHECK(proc_stat("/proc/self/stat", fields, &state, name) == 52);
    CHECK(strcmp(name, "a (b) c") == 0);
    CHECK(state == 'R');
    CHECK(fields[1] == getpid() && fields[4] == getppid() && fields[5] == getpgrp() &&
          fields[6] == getsid(0));
    CHECK(fields[18] == 20 && fields[19] == 0 && fields[20] == 1);
    CHECK(fields[23] > 0 && fields[24] > 0); /* size in bytes, resident in pages */
    CHECK(fields[38] == SIGCHLD);
    CHECK(fields[26] != 0 && fields[27] > fields[26]);
    CHECK(fields[28] != 0 && fields[48] >= fields[28] && fields[49] > fields[48]);
    CHECK(fields[50] >= fields[49] && fields[51] >= fields[50]);
}

/* Verify that priority and nice follow setpriority. */
static void
test_stat_shows_nice(void)
{
    CHECK(setpriority(PRIO_PROCESS, 0, 7) == 0);
    proc_stat("/proc/self/stat", fields, &state, name);
    CHECK(fields[18] == 27 && fields[19] == 7);
}

/* Verify that user time grows with work, and that a start later is a start time later. */
static void
test_stat_times_grow(void)
{
    volatile unsigned long sum = 0;
    struct timespec now;
    long long started, ticks;

    proc_stat("/proc/self/stat", fields, &state, name);
    ticks = fields[14] + fields[15];
    started = fields[22];
    CHECK(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
    CHECK(started >= 0 && started <= now.tv_sec * 100 + now.tv_nsec / 10000000);
    for (clock_t from = clock(); clock() - from < CLOCKS_PER_SEC / 5;)
        for (int i = 0; i < 100000; i++)
            sum += (unsigned long)i;
    proc_stat("/proc/self/stat", fields, &state, name);
    CHECK(fields[14] + fields[15] >= ticks + 10);
    CHECK(fields[22] == started);
}

/* Verify that a child is seen asleep, stopped, and as a zombie without memory. */
static void
test_stat_of_child_shows_its_state(void)
{
    char path[64];
    siginfo_t info;
    pid_t child = fork();

    if (child == 0)
        for (;;)
            pause();
    snprintf(path, sizeof path, "/proc/%d/stat", child);
    for (int i = 0; i < 1000 && (i == 0 || state != 'S'); i++) {
        usleep(1000);
        CHECK(proc_stat(path, fields, &state, name) == 52);
    }
    CHECK(state == 'S' && fields[4] == getpid());
    CHECK(kill(child, SIGSTOP) == 0);
    CHECK(waitpid(child, NULL, WUNTRACED) == child);
    proc_stat(path, fields, &state, name);
    CHECK(state == 'T');
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
    CHECK(proc_stat(path, fields, &state, name) == 52);
    CHECK(state == 'Z' && fields[23] == 0 && fields[24] == 0);
    proc_read("/proc/%d/cmdline", child);
    CHECK(proc_text[0] == '\0');
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK_ERROR(open(path, O_RDONLY), ENOENT);
}

/* Verify that a file of a process that has gone can be held, and read with ESRCH. */
static void
test_file_of_gone_process_is_esrch(void)
{
    char path[64], byte;
    pid_t child = fork();
    int fd, dir;

    if (child == 0)
        for (;;)
            pause();
    snprintf(path, sizeof path, "/proc/%d/stat", child);
    fd = open(path, O_RDONLY);
    snprintf(path, sizeof path, "/proc/%d", child);
    dir = open(path, O_RDONLY | O_DIRECTORY);
    CHECK(fd >= 0 && dir >= 0);
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    CHECK_ERROR(read(fd, &byte, 1), ESRCH);
    CHECK_ERROR(openat(dir, "stat", O_RDONLY), ESRCH);
}

/* Verify that status tells ids, groups, signals and switches. */
static void
test_status_tells_ids_and_signals(void)
{
    gid_t groups[] = { 7, 11 };
    sigset_t set;

    CHECK(setgroups(2, groups) == 0);
    CHECK(setresgid(3, 4, 5) == 0 && setresuid(0, 0, 6) == 0);
    umask(027);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && raise(SIGUSR1) == 0);
    CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
    proc_read("/proc/self/status");
    CHECK(strstr(proc_text, "\nUmask:\t0027\n") != NULL);
    CHECK(strstr(proc_text, "\nUid:\t0\t0\t6\t0\n") != NULL);
    CHECK(strstr(proc_text, "\nGid:\t3\t4\t5\t4\n") != NULL);
    CHECK(strstr(proc_text, "\nGroups:\t7 11 \n") != NULL);
    CHECK(proc_value("Tgid", 10) == (unsigned)getpid());
    CHECK(proc_value("PPid", 10) == (unsigned)getppid());
    CHECK(proc_value("Threads", 10) == 1 && proc_value("FDSize", 10) >= 3);
    CHECK((proc_value("SigPnd", 16) | proc_value("ShdPnd", 16)) == 1ull << (SIGUSR1 - 1));
    CHECK((proc_value("SigBlk", 16) & 1ull << (SIGUSR1 - 1)) != 0);
    CHECK((proc_value("SigIgn", 16) & 1ull << (SIGUSR2 - 1)) != 0);
    CHECK(proc_value("CapEff", 16) != 0);
    proc_value("voluntary_ctxt_switches", 10);
}

/* Verify that the resident size grows with what is touched, in status and statm alike. */
static void
test_resident_size_grows_with_touching(void)
{
    size_t bytes = 16u << 20;
    unsigned long long before, after, size, resident, pages;
    char *p;

    proc_read("/proc/self/status");
    before = proc_value("VmRSS", 10);
    p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    memset(p, 1, bytes);
    proc_read("/proc/self/status");
    after = proc_value("VmRSS", 10);
    CHECK(after + 1024 >= before + bytes / 1024 && after < before + bytes / 1024 + 2048);
    CHECK(proc_value("VmHWM", 10) >= after && proc_value("VmSize", 10) >= bytes / 1024);
    CHECK(proc_value("RssAnon", 10) + 1024 >= bytes / 1024); /* Linux counts in batches */
    size = proc_value("VmSize", 10);
    proc_read("/proc/self/statm");
    CHECK(sscanf(proc_text, "%llu %llu", &pages, &resident) == 2);
    CHECK(pages * 4 == size && resident * 4 + 256 >= after && resident * 4 <= after + 256);
}

static void *
wait_in_thread(void *arg)
{
    CHECK(prctl(PR_SET_NAME, "worker", 0, 0, 0) == 0);
    *(volatile int *)arg = (int)syscall(SYS_gettid);
    for (;;)
        pause();
}

/* Verify that task lists the threads, in order, and that each has its own files. */
static void
test_task_lists_threads(void)
{
    static volatile int tids[3];
    pthread_t t;
    struct dirent *d;
    char path[64];
    int count = 0, last = 0;
    DIR *dir;

    for (int i = 0; i < 3; i++) {
        CHECK(pthread_create(&t, NULL, wait_in_thread, (void *)&tids[i]) == 0);
        while (tids[i] == 0)
            usleep(1000);
    }
    dir = opendir("/proc/self/task");
    CHECK(dir != NULL);
    while ((d = readdir(dir)) != NULL) {
        if (d->d_name[0] == '.')
            continue;
        CHECK(atoi(d->d_name) > last && d->d_type == DT_DIR);
        last = atoi(d->d_name);
        count++;
    }
    CHECK(count == 4);
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tids[1]);
    CHECK(proc_stat(path, fields, &state, name) == 52);
    CHECK(fields[1] == tids[1] && strcmp(name, "worker") == 0 && fields[20] == 4);
    proc_read("/proc/self/task/%d/status", tids[2]);
    CHECK(proc_value("Pid", 10) == (unsigned)tids[2]);
    CHECK(proc_value("Tgid", 10) == (unsigned)getpid());
    proc_read("/proc/%d/comm", tids[0]);
    CHECK(strcmp(proc_text, "worker\n") == 0); /* not listed in /proc, and yet there */
    CHECK_ERROR(access("/proc/self/task/1/stat", F_OK), ENOENT);
}

/* Verify that comm is the name, can be written by the process itself, and is cut. */
static void
test_comm_can_be_written(void)
{
    int fd = open("/proc/self/comm", O_RDWR);
    char is[16];

    CHECK(fd >= 0 && write(fd, "a-name-that-is-too-long", 23) == 23);
    CHECK(prctl(PR_GET_NAME, is, 0, 0, 0) == 0 && strcmp(is, "a-name-that-is-") == 0);
    proc_read("/proc/self/comm");
    CHECK(strcmp(proc_text, "a-name-that-is-\n") == 0);
    fd = open("/proc/1/comm", O_WRONLY);
    CHECK(fd >= 0);
    CHECK_ERROR(write(fd, "x", 1), EINVAL);
}

/* Verify that limits shows what setrlimit set. */
static void
test_limits_show_what_is_set(void)
{
    struct rlimit r = { 77, 99 };

    CHECK(setrlimit(RLIMIT_NOFILE, &r) == 0);
    proc_read("/proc/self/limits");
    CHECK(strncmp(proc_text, "Limit                     Soft Limit           Hard Limit", 56) ==
          0);
    CHECK(strstr(proc_text, "\nMax open files            77                   99        "
                            "           files     \n") != NULL);
    CHECK(strstr(proc_text, "\nMax stack size            ") != NULL);
}

/* Verify that /proc lists processes by number, and that a reader who goes on finds those
 * that are left while others end. */
static void
test_readdir_of_proc_survives_ends(void)
{
    enum { CHILDREN = 200 };
    static pid_t children[CHILDREN];
    int seen = 0, last = 0;
    struct dirent *d;
    DIR *dir;

    for (int i = 0; i < CHILDREN; i++) {
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] == 0)
            for (;;)
                pause();
    }
    dir = opendir("/proc");
    CHECK(dir != NULL);
    while ((d = readdir(dir)) != NULL) {
        int pid = atoi(d->d_name);

        if (pid == 0)
            continue;
        CHECK(pid > last && d->d_type == DT_DIR);
        last = pid;
        for (int i = 0; i < CHILDREN; i++)
            seen += children[i] == pid;
        if (seen == 20) /* every second one of the rest ends now */
            for (int i = 21; i < CHILDREN; i += 2)
                kill(children[i], SIGKILL), waitpid(children[i], NULL, 0);
    }
    CHECK(seen >= CHILDREN / 2);
    for (int i = 0; i < CHILDREN; i++)
        kill(children[i], SIGKILL);
}

/* Verify that oom_score_adj is kept, inherited, bounded, and not lowered by everybody. */
static void
test_oom_score_adj_is_kept(void)
{
    int fd = open("/proc/self/oom_score_adj", O_RDWR);

    CHECK(fd >= 0 && pwrite(fd, "-17\n", 4, 0) == 4);
    proc_read("/proc/self/oom_score_adj");
    CHECK(strcmp(proc_text, "-17\n") == 0);
    CHECK_ERROR(pwrite(fd, "1001", 4, 0), EINVAL);
    CHECK_ERROR(pwrite(fd, "x", 1, 0), EINVAL);
    CHECK(pwrite(fd, "300", 3, 0) == 3);
    pid_t child = fork();
    if (child == 0) {
        proc_read("/proc/self/oom_score_adj");
        _exit(strcmp(proc_text, "300\n") != 0);
    }
    CHECK_EXIT(child, 0);
    CHECK(setresuid(1000, 1000, 1000) == 0);
    CHECK_ERROR(pwrite(fd, "-18", 3, 0), EACCES);
    CHECK(pwrite(fd, "301", 3, 0) == 3);
}

/* Verify that self and thread-self name who reads them. */
static void
test_self_is_the_reader(void)
{
    char text[64] = { 0 }, want[64];
    pid_t child;

    CHECK(readlink("/proc/self", text, sizeof text) > 0 && atoi(text) == getpid());
    child = fork();
    if (child == 0) {
        memset(text, 0, sizeof text);
        CHECK(readlink("/proc/self", text, sizeof text) > 0 && atoi(text) == getpid());
        memset(text, 0, sizeof text);
        CHECK(readlink("/proc/thread-self", text, sizeof text) > 0);
        snprintf(want, sizeof want, "%d/task/%d", getpid(), getpid());
        CHECK(strcmp(text, want) == 0);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

int
main(void)
{
    RUN(test_stat_of_oneself, open, read);
    RUN(test_stat_shows_nice, setpriority);
    RUN(test_stat_times_grow);
    RUN(test_stat_of_child_shows_its_state, wait4, waitid);
    RUN(test_file_of_gone_process_is_esrch, read, openat);
    RUN(test_status_tells_ids_and_signals, setresuid, setresgid, setgroups, umask);
    RUN(test_resident_size_grows_with_touching, mmap);
    RUN(test_task_lists_threads, getdents64, gettid);
    RUN(test_comm_can_be_written, prctl, write);
    RUN(test_limits_show_what_is_set, setrlimit);
    RUN(test_readdir_of_proc_survives_ends, getdents64);
    RUN(test_oom_score_adj_is_kept, write);
    RUN(test_self_is_the_reader, readlink);
    return check_failures != 0;
}
