/* SPDX-License-Identifier: MIT */
/*
 * Ids and capabilities are a thread's (credentials(7), capabilities(7)): what a system call
 * changes, it changes for its caller alone, and a C library makes of it what POSIX asks for.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "check.h"

#define SOMEBODY 1234
#define CAPABILITY_V3 0x20080522u
#define CAP_CHOWN 0

struct cap_header {
    unsigned version;
    int pid;
};
struct cap_data {
    unsigned effective, permitted, inheritable;
};

static pid_t
tid(void)
{
    return (pid_t)syscall(SYS_gettid);
}

static long
become(uid_t uid)
{
    return syscall(SYS_setresuid, uid, uid, uid);
}

/* A thread that does one thing after the other, as it is told. */
struct worker {
    pthread_t thread;
    _Atomic pid_t tid;
    _Atomic(void (*)(void)) next;
    atomic_bool stop;
};

static void *
worker_main(void *arg)
{
    struct worker *w = arg;
    w->tid = tid();
    while (!w->stop) {
        void (*todo)(void) = atomic_load(&w->next);
        if (todo != NULL) {
            todo();
            atomic_store(&w->next, NULL);
        }
        usleep(100);
    }
    return NULL;
}

static void
worker_start(struct worker *w)
{
    memset(w, 0, sizeof *w);
    CHECK(pthread_create(&w->thread, NULL, worker_main, w) == 0);
    while (w->tid == 0)
        usleep(100);
}

static void
worker_do(struct worker *w, void (*todo)(void))
{
    atomic_store(&w->next, todo);
    while (atomic_load(&w->next) != NULL)
        usleep(100);
}

static void
worker_stop(struct worker *w)
{
    w->stop = true;
    CHECK(pthread_join(w->thread, NULL) == 0);
}

static void
become_somebody(void)
{
    CHECK(become(SOMEBODY) == 0);
}

/* The field of a thread's status file. */
static unsigned long
status_field(pid_t pid, pid_t t, const char *name, int base)
{
    char path[64], line[256];
    unsigned long value = ~0ul;
    snprintf(path, sizeof path, "/proc/%d/task/%d/status", pid, t);
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    while (fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtoul(line + strlen(name), NULL, base);
    fclose(f);
    return value;
}

static void
test_ids_when_one_thread_changes_then_others_stay(void)
{
    struct worker w;
    worker_start(&w);
    worker_do(&w, become_somebody);
    CHECK(getuid() == 0 && geteuid() == 0);
    CHECK(status_field(getpid(), w.tid, "Uid:", 10) == SOMEBODY);
    CHECK(status_field(getpid(), w.tid, "CapEff:", 16) == 0);
    CHECK(status_field(getpid(), getpid(), "Uid:", 10) == 0);
    CHECK(status_field(getpid(), getpid(), "CapEff:", 16) != 0);
    worker_stop(&w);
}

static int opened, created_uid;
static void
open_and_create(void)
{
    struct stat st;
    opened = open("secret", O_RDONLY);
    int fd = open("mine", O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    created_uid = (int)st.st_uid;
    close(fd);
}

static void
test_files_when_a_thread_opens_then_by_its_own_ids(void)
{
    struct worker w;
    CHECK(mkdir("d", 0777) == 0 && chmod("d", 0777) == 0 && chdir("d") == 0);
    close(open("secret", O_RDWR | O_CREAT, 0600));
    worker_start(&w);
    worker_do(&w, become_somebody);
    worker_do(&w, open_and_create);
    CHECK(opened == -1 && created_uid == SOMEBODY);
    int fd = open("secret", O_RDONLY);
    CHECK(fd >= 0);
    worker_stop(&w);
}

static int child_uid;
static void
fork_here(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(getuid() == SOMEBODY && geteuid() == SOMEBODY ? 7 : 8);
    int status;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    child_uid = WEXITSTATUS(status);
}

static void
test_fork_when_a_thread_calls_then_its_ids(void)
{
    struct worker w;
    worker_start(&w);
    worker_do(&w, become_somebody);
    worker_do(&w, fork_here);
    CHECK(child_uid == 7);
    worker_stop(&w);
}

static pid_t target, targets_thread;
static int killed, killed_thread, killed_own;
static void
kill_target(void)
{
    killed = kill(target, 0) == 0 ? 0 : errno;
    killed_thread =
        syscall(SYS_tgkill, target, targets_thread, 0) == 0 ? 0 : errno;
    killed_own = kill(getpid(), 0) == 0 ? 0 : errno;
}

/* A process of root's, one of whose threads is somebody's: that one may be signalled by
 * somebody, the process may not. */
static void
test_signals_when_sent_then_by_the_threads_ids(void)
{
    int p[2];
    struct worker w;
    CHECK(pipe(p) == 0);
    target = fork();
    if (target == 0) {
        worker_start(&w);
        worker_do(&w, become_somebody);
        pid_t t = w.tid;
        CHECK(write(p[1], &t, sizeof t) == sizeof t);
        for (;;)
            pause();
    }
    CHECK(read(p[0], &targets_thread, sizeof targets_thread) == sizeof targets_thread);
    worker_start(&w);
    worker_do(&w, kill_target);
    CHECK(killed == 0 && killed_thread == 0 && killed_own == 0);
    worker_do(&w, become_somebody);
    worker_do(&w, kill_target);
    CHECK(killed == EPERM && killed_thread == 0 && killed_own == 0);
    worker_stop(&w);
    CHECK(kill(target, SIGKILL) == 0 && waitpid(target, NULL, 0) == target);
}

static void
drop_all_caps(void)
{
    struct cap_header h = { CAPABILITY_V3, 0 };
    struct cap_data none[2] = { { 0 } };
    CHECK(syscall(SYS_capset, &h, none) == 0);
    CHECK(prctl(PR_CAPBSET_DROP, CAP_CHOWN) == -1 && errno == EPERM);
}

static void
test_capabilities_when_one_thread_drops_then_others_keep(void)
{
    struct cap_data d[2];
    struct worker w;
    worker_start(&w);
    worker_do(&w, drop_all_caps);
    struct cap_header h = { CAPABILITY_V3, w.tid };
    CHECK(syscall(SYS_capget, &h, d) == 0 && d[0].effective == 0 && d[0].permitted == 0);
    h.pid = 0;
    CHECK(syscall(SYS_capget, &h, d) == 0 && d[0].effective != 0);
    h.pid = w.tid; /* another's cannot be set */
    CHECK_ERROR(syscall(SYS_capset, &h, d), EPERM);
    worker_stop(&w);
}

static char self_path[256];
static void
exec_self(void)
{
    execl(self_path, self_path, "who", (char *)NULL);
    _exit(99);
}

/* The thread that executes a program takes its own ids along, and the process's number. */
static void
test_exec_when_a_thread_calls_then_its_ids(void)
{
    struct worker w;
    int status;
    pid_t child = fork();
    if (child == 0) {
        worker_start(&w);
        worker_do(&w, become_somebody);
        worker_do(&w, exec_self);
        _exit(98);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 7 << 8);
}

/* The C library's setuid is all threads'. */
static void
test_setuid_when_the_library_calls_then_all_threads(void)
{
    struct worker w[8];
    for (int i = 0; i < 8; i++)
        worker_start(&w[i]);
    CHECK(setgid(SOMEBODY) == 0 && setuid(SOMEBODY) == 0);
    for (int i = 0; i < 8; i++) {
        CHECK(status_field(getpid(), w[i].tid, "Uid:", 10) == SOMEBODY);
        CHECK(status_field(getpid(), w[i].tid, "Gid:", 10) == SOMEBODY);
    }
    for (int i = 0; i < 8; i++)
        worker_stop(&w[i]);
}

static int forked;
static void
try_fork(void)
{
    pid_t child = fork();
    forked = child >= 0 ? 0 : errno;
    if (child == 0)
        _exit(0);
    if (child > 0)
        CHECK(waitpid(child, NULL, 0) == child);
}

/* RLIMIT_NPROC counts threads for whom they run. */
static void
test_limit_when_a_thread_is_somebodys_then_it_counts_for_him(void)
{
    struct rlimit two = { 2, 2 };
    struct worker a, b;
    worker_start(&a);
    worker_start(&b);
    worker_do(&a, become_somebody);
    CHECK(setrlimit(RLIMIT_NPROC, &two) == 0);
    worker_do(&a, try_fork);
    CHECK(forked == 0); /* the second */
    worker_do(&b, become_somebody);
    worker_do(&a, try_fork);
    CHECK(forked == EAGAIN);
    worker_stop(&b);
    worker_do(&a, try_fork);
    CHECK(forked == 0);
    try_fork();
    CHECK(forked == 0);
    worker_stop(&a);
}

static atomic_bool over, looked;
static void *
change_ids(void *arg)
{
    (void)arg;
    for (unsigned i = 0; !over; i++) {
        uid_t uid = i % 7 + 1;
        CHECK(syscall(SYS_setresuid, -1, uid, 0) == 0);
        CHECK(syscall(SYS_geteuid) == uid);
        CHECK(syscall(SYS_setresuid, -1, 0, -1) == 0 && syscall(SYS_geteuid) == 0);
        gid_t groups[3] = { i, i + 1, i + 2 };
        CHECK(syscall(SYS_setgroups, 3, groups) == 0);
    }
    return NULL;
}

static void *
look_at_all(void *arg)
{
    pid_t *tids = arg;
    while (!looked) {
        for (int i = 0; i < 4; i++) {
            CHECK(status_field(getpid(), tids[i], "Uid:", 10) == 0); /* the real one */
            syscall(SYS_tgkill, getpid(), tids[i], 0);
        }
        close(open("/dev/null", O_RDONLY));
    }
    return NULL;
}

static pid_t all[4];
static void *
change_ids_named(void *arg)
{
    *(pid_t *)arg = tid();
    return change_ids(NULL);
}

static void
test_ids_when_all_change_and_look_then_consistent(void)
{
    pthread_t t[8];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&t[i], NULL, change_ids_named, &all[i]) == 0);
    for (int i = 0; i < 4; i++)
        while (__atomic_load_n(&all[i], __ATOMIC_ACQUIRE) == 0)
            usleep(100);
    for (int i = 4; i < 8; i++)
        CHECK(pthread_create(&t[i], NULL, look_at_all, all) == 0);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(geteuid() != 0);
        CHECK_EXIT(child, 0);
        usleep(10000);
    }
    looked = true;
    for (int i = 4; i < 8; i++)
        CHECK(pthread_join(t[i], NULL) == 0);
    over = true;
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(t[i], NULL) == 0);
}

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "who") == 0)
        return getuid() == SOMEBODY && geteuid() == SOMEBODY && tid() == getpid() ? 7 : 8;
    CHECK(readlink("/proc/self/exe", self_path, sizeof self_path - 1) > 0);
    RUN(test_ids_when_one_thread_changes_then_others_stay, setresuid, getuid, geteuid);
    RUN_IN_NEW(test_files_when_a_thread_opens_then_by_its_own_ids, setresuid, open);
    RUN(test_fork_when_a_thread_calls_then_its_ids, setresuid, fork);
    RUN(test_signals_when_sent_then_by_the_threads_ids, setresuid, kill, tgkill);
    RUN(test_capabilities_when_one_thread_drops_then_others_keep, capset, capget);
    RUN(test_exec_when_a_thread_calls_then_its_ids, execve, setresuid);
    RUN(test_setuid_when_the_library_calls_then_all_threads, setuid, setgid);
    RUN(test_limit_when_a_thread_is_somebodys_then_it_counts_for_him, setrlimit, setresuid);
    RUN(test_ids_when_all_change_and_look_then_consistent, setresuid, setgroups);
    return check_failures != 0;
}
