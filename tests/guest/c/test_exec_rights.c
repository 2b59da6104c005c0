/* SPDX-License-Identifier: MIT */
/*
 * What a program may keep or gain over execve(2): set-id bits with a shared place,
 * no_new_privs, personality, a stopped or killed parent of vfork, the locks of a robust
 * list, signals that the old program chose, RLIMIT_NPROC. The program itself is run again
 * with a word that says what it is to look at; its exit status is the answer.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

#define USER 4711
#define FUTEX_OWNER_DIED 0x40000000u
#define COPY "/tmp/exec_rights"

static void
nap(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

static int
has_caps(void)
{
    unsigned header[2] = { 0x20080522, 0 }, data[6] = { 0 };
    CHECK(syscall(SYS_capget, header, data) == 0);
    return (data[1] | data[4]) != 0;
}

/* What the program looks at when it is run again. */
static int
look(const char *what)
{
    if (strcmp(what, "euid") == 0)
        return geteuid() == 0 ? 10 : 11;
    if (strcmp(what, "caps") == 0)
        return has_caps() ? 10 : 11;
    if (strcmp(what, "personality") == 0)
        return (personality(0xffffffff) & ADDR_NO_RANDOMIZE) != 0 ? 10 : 11;
    if (strcmp(what, "dumpable") == 0)
        return prctl(PR_GET_DUMPABLE) == 1 ? 10 : 11;
    if (strcmp(what, "nap") == 0) {
        nap(300);
        return 12;
    }
    return 99;
}

/* A copy of this program with the set-user-ID bit, owned by root. */
static void
make_copy(void)
{
    char buffer[65536];
    ssize_t n;
    int from = open("/proc/self/exe", O_RDONLY);
    int to = open(COPY, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    CHECK(from >= 0 && to >= 0);
    while ((n = read(from, buffer, sizeof buffer)) > 0)
        CHECK(write(to, buffer, (size_t)n) == n);
    CHECK(n == 0 && close(from) == 0);
    CHECK(fchown(to, 0, 0) == 0 && fchmod(to, 04755) == 0 && close(to) == 0);
}

static void
run(const char *program, const char *what)
{
    execl(program, program, what, (char *)NULL);
    _exit(errno == EAGAIN ? 20 : 21);
}

static int
status_of(pid_t child)
{
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

static void
become(unsigned id)
{
    CHECK(setresgid(id, id, id) == 0 && setresuid(id, id, id) == 0);
}

/* Verify that a set-user-ID program gets its owner's id, but not while its place is
 * shared with another process. */
static void
test_set_uid_when_place_is_shared_then_nothing_gained(void)
{
    make_copy();
    pid_t plain = fork();
    if (plain == 0) {
        become(USER);
        run(COPY, "euid");
    }
    CHECK(status_of(plain) == 10 << 8);
    pid_t sharing = fork();
    if (sharing == 0) {
        become(USER);
        pid_t other = (pid_t)syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0);
        if (other == 0) {
            nap(2000);
            _exit(0);
        }
        run(COPY, "euid");
    }
    CHECK(status_of(sharing) == 11 << 8);
    unlink(COPY);
}

/* Verify that with no_new_privs root does not get back what it gave up. */
static void
test_no_new_privs_when_root_has_no_capabilities_then_exec_gives_none(void)
{
    for (int bound = 0; bound < 2; bound++) {
        pid_t child = fork();
        if (child == 0) {
            unsigned header[2] = { 0x20080522, 0 }, data[6] = { 0 };
            CHECK(syscall(SYS_capset, header, data) == 0);
            if (bound)
                CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
            run("/proc/self/exe", "caps");
        }
        CHECK(status_of(child) == (bound ? 11 : 10) << 8);
    }
}

/* Verify that a set-user-ID program's places are random, whatever its caller wants. */
static void
test_personality_when_set_uid_program_then_cleared(void)
{
    make_copy();
    for (int set_id = 0; set_id < 2; set_id++) {
        pid_t child = fork();
        if (child == 0) {
            become(USER);
            CHECK(personality(ADDR_NO_RANDOMIZE) != -1);
            run(set_id ? COPY : "/proc/self/exe", "personality");
        }
        CHECK(status_of(child) == (set_id ? 11 : 10) << 8);
    }
    unlink(COPY);
}

/* Verify that a program with two user ids cannot be looked into. */
static void
test_dumpable_when_ids_differ_then_cleared_by_exec(void)
{
    for (int differ = 0; differ < 2; differ++) {
        pid_t child = fork();
        if (child == 0) {
            if (differ)
                CHECK(setresuid(-1, USER, -1) == 0);
            run("/proc/self/exe", "dumpable");
        }
        CHECK(status_of(child) == (differ ? 11 : 10) << 8);
    }
}

/* Verify that SIGKILL ends a parent that waits for its vfork child. */
static void
test_vfork_when_parent_is_killed_then_it_ends(void)
{
    pid_t parent = fork();
    if (parent == 0) {
        if (vfork() == 0) {
            nap(3000);
            _exit(0);
        }
        _exit(0);
    }
    nap(200);
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    CHECK(kill(parent, SIGKILL) == 0);
    CHECK(status_of(parent) == SIGKILL);
    clock_gettime(CLOCK_MONOTONIC, &to);
    CHECK(to.tv_sec - from.tv_sec < 2);
}

struct list_link {
    struct list_link *next;
};
struct lock_list {
    struct {
        struct list_link list;
        long futex_offset;
        struct list_link *pending;
    } head;
    struct list_link node;
    unsigned word;
};

/* Verify that exec gives up the locks of the robust list. */
static void
test_robust_list_when_exec_then_owner_died(void)
{
    struct lock_list *l = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(l != MAP_FAILED);
    pid_t child = fork();
    if (child == 0) {
        l->head.list.next = &l->node;
        l->node.next = &l->head.list;
        l->head.futex_offset = (long)offsetof(struct lock_list, word) -
                               (long)offsetof(struct lock_list, node);
        l->word = (unsigned)syscall(SYS_gettid);
        CHECK(syscall(SYS_set_robust_list, &l->head, sizeof l->head) == 0);
        run("/proc/self/exe", "nap");
    }
    nap(150);
    CHECK(__atomic_load_n(&l->word, __ATOMIC_SEQ_CST) == FUTEX_OWNER_DIED);
    CHECK(status_of(child) == 12 << 8);
}

/* Verify that a child's exit signal does not reach the program that came by exec. */
static void
test_exit_signal_when_parent_executes_then_sigchld(void)
{
    pid_t parent = fork();
    if (parent == 0) {
        if (syscall(SYS_clone, SIGUSR1, 0, 0, 0, 0) == 0) {
            nap(100);
            _exit(0);
        }
        run("/proc/self/exe", "nap");
    }
    CHECK(status_of(parent) == 12 << 8);
}

/* Verify that exec fails for who became a user that has too many processes. */
static void
test_nproc_when_exceeded_by_setuid_then_exec_fails(void)
{
    int ready[2];
    char byte;
    pid_t sleepers[2];
    CHECK(pipe(ready) == 0);
    for (int i = 0; i < 2; i++) {
        sleepers[i] = fork();
        if (sleepers[i] == 0) {
            become(USER + 1);
            CHECK(write(ready[1], "x", 1) == 1);
            nap(60000);
            _exit(0);
        }
        CHECK(read(ready[0], &byte, 1) == 1);
    }
    /* With a limit of 2 the user is not over it when the child comes to him. */
    for (int most = 1; most <= 3; most++) {
        pid_t child = fork();
        if (child == 0) {
            struct rlimit limit = { (rlim_t)most, (rlim_t)most };
            CHECK(setrlimit(RLIMIT_NPROC, &limit) == 0);
            become(USER + 1);
            run("/proc/self/exe", "euid");
        }
        CHECK(status_of(child) == (most == 1 ? 20 : 11) << 8);
    }
    for (int i = 0; i < 2; i++) {
        CHECK(kill(sleepers[i], SIGKILL) == 0);
        CHECK(status_of(sleepers[i]) == SIGKILL);
    }
}

static void *
sleep_on(void *arg)
{
    (void)arg;
    nap(60000);
    return NULL;
}

/* Verify that a process with threads may change its rights as often as it likes. */
static void
test_securebits_when_changed_often_by_threads_then_no_memory_lost(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, sleep_on, NULL) == 0);
    become(USER);
    for (int i = 0; i < 200000; i++)
        CHECK(prctl(PR_SET_KEEPCAPS, i & 1, 0, 0, 0) == 0);
}

int
main(int argc, char **argv)
{
    if (argc > 1)
        return look(argv[1]);
    RUN(test_set_uid_when_place_is_shared_then_nothing_gained, execve);
    RUN(test_no_new_privs_when_root_has_no_capabilities_then_exec_gives_none, execve,
        prctl);
    RUN(test_personality_when_set_uid_program_then_cleared, personality, execve);
    RUN(test_dumpable_when_ids_differ_then_cleared_by_exec, prctl);
    RUN(test_vfork_when_parent_is_killed_then_it_ends, vfork);
    RUN(test_robust_list_when_exec_then_owner_died, set_robust_list);
    RUN(test_exit_signal_when_parent_executes_then_sigchld, clone);
    RUN(test_nproc_when_exceeded_by_setuid_then_exec_fails, execve);
    RUN(test_securebits_when_changed_often_by_threads_then_no_memory_lost, prctl);
    return check_failures != 0;
}
