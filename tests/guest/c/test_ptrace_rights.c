/* SPDX-License-Identifier: MIT */
/*
 * ptrace and execve: programs that would get another user's rights, and who may attach to them.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

#include "tracee.h"

#define SUID "/tmp/ptrace.suid"
#define USER 1000
#define OWNER 2000
#define IDS_OWN 40    /* exit statuses of SUID "ids" */
#define IDS_GAINED 41

static volatile int *shared;

static void
copy_self(void)
{
    static char block[65536];
    int in = open("/proc/self/exe", O_RDONLY), out;
    ssize_t n;

    unlink(SUID);
    out = open(SUID, O_CREAT | O_EXCL | O_WRONLY, 0755);
    CHECK(in >= 0 && out >= 0);
    while ((n = read(in, block, sizeof block)) > 0)
        CHECK(write(out, block, (size_t)n) == n);
    CHECK(n == 0 && fchown(out, OWNER, OWNER) == 0 && fchmod(out, 06755) == 0);
    CHECK(close(in) == 0 && close(out) == 0);
}

static void
become_user(void)
{
    CHECK(setgid(USER) == 0 && setuid(USER) == 0);
    CHECK(prctl(PR_SET_DUMPABLE, 1) == 0); /* its fellow may trace it */
}

static int
ids(void)
{
    CHECK(getuid() == USER && getgid() == USER && getauxval(AT_SECURE) == 1);
    bool gained = geteuid() == OWNER && getegid() == OWNER;
    CHECK(prctl(PR_GET_DUMPABLE) == !gained);
    if (gained)
        return IDS_GAINED;
    return geteuid() == USER && getegid() == USER ? IDS_OWN : 1;
}

/* A child of USER that executes SUID when it may go on. */
static pid_t
user_child(const char *word, bool traceme)
{
    shared[0] = shared[1] = 0;
    pid_t child = fork();
    if (child == 0) {
        become_user();
        CHECK(!traceme || ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
        shared[1] = 1;
        while (!shared[0])
            sched_yield();
        execl(SUID, SUID, word, NULL);
        _exit(100);
    }
    while (!shared[1])
        sched_yield();
    return child;
}

/* From the exec's stop to its end. */
static int
run_to_end(pid_t child)
{
    int status = wait_for(child);
    while (WIFSTOPPED(status)) {
        int number = status >> 8 == EVENT(PTRACE_EVENT_EXEC) ? 0 : WSTOPSIG(status);
        go_on(PTRACE_CONT, child, number == SIGTRAP ? 0 : number);
        status = wait_for(child);
    }
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Verify that whom root traces gets the owner's rights, and whom another traces, or who is
 * traced with no rights but its own, does not. */
static void
test_set_id_when_traced_then_rights_are_the_tracers_at_most(void)
{
    copy_self();
    /* Nobody. */
    pid_t child = user_child("ids", false);
    shared[0] = 1;
    CHECK_EXIT(child, IDS_GAINED);
    /* Root, from outside. */
    child = user_child("ids", false);
    seize(child, PTRACE_O_TRACEEXEC);
    shared[0] = 1;
    CHECK(run_to_end(child) == IDS_GAINED);
    /* Root, whom a user made its tracer. */
    child = user_child("ids", true);
    shared[0] = 1;
    CHECK(run_to_end(child) == IDS_OWN);
    /* Another process of the user. */
    child = user_child("ids", false);
    pid_t tracer = fork();
    if (tracer == 0) {
        become_user();
        seize(child, PTRACE_O_TRACEEXEC);
        shared[0] = 1;
        _exit(run_to_end(child));
    }
    CHECK_EXIT(tracer, IDS_OWN);
    CHECK_EXIT(child, IDS_OWN);
}

/* Verify that it counts who the tracer was when it attached: not what it became. */
static void
test_set_id_when_tracer_changes_then_its_start_counts(void)
{
    copy_self();
    pid_t child = user_child("ids", false);
    pid_t tracer = fork();
    if (tracer == 0) {
        seize(child, PTRACE_O_TRACEEXEC);
        become_user();
        shared[0] = 1;
        _exit(run_to_end(child));
    }
    CHECK_EXIT(tracer, IDS_GAINED);
    CHECK_EXIT(child, IDS_GAINED);
}

/* Verify that a child that is traced from its birth is bound as its parent is. */
static void
test_set_id_when_traced_from_birth_then_as_parent(void)
{
    copy_self();
    for (int root = 0; root < 2; root++) {
        pid_t child = user_child("forks", !root);
        if (root)
            seize(child, PTRACE_O_TRACEFORK);
        else
            CHECK(ptrace(PTRACE_INTERRUPT, child, 0, 0) == -1 && errno == EIO);
        if (!root) {
            CHECK(kill(child, SIGSTOP) == 0);
            CHECK_STOP(child, SIGSTOP);
            CHECK(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACEFORK) == 0);
            go_on(PTRACE_CONT, child, 0);
        }
        shared[0] = 1;
        int ends = 0, seen = 0;
        while (ends < 2) {
            int status;
            pid_t pid = waitpid(-1, &status, __WALL);
            CHECK(pid > 0);
            if (WIFEXITED(status)) {
                ends++;
                if (pid != child)
                    seen = WEXITSTATUS(status);
                continue;
            }
            go_on(PTRACE_CONT, pid, 0);
        }
        CHECK(seen == (root ? IDS_GAINED : IDS_OWN));
    }
}

/* Verify that nobody but root attaches to who has got rights, nor to who gave them up. */
static void
test_attach_when_program_gained_rights_then_eperm(void)
{
    static const char *const words[] = { "wait", "drop" };
    copy_self();
    for (int i = 0; i < 2; i++) {
        pid_t child = user_child(words[i], false);
        shared[2] = 0;
        shared[0] = 1;
        while (state_of(child) != 'T') /* it has become what it is to be */
            usleep(1000);
        pid_t tracer = fork();
        if (tracer == 0) {
            become_user();
            CHECK_ERROR(ptrace(PTRACE_ATTACH, child, 0, 0), EPERM);
            CHECK_ERROR(ptrace(PTRACE_SEIZE, child, 0, 0), EPERM);
            _exit(0);
        }
        CHECK_EXIT(tracer, 0);
        seize(child, 0);
        CHECK_STOP(child, GROUP_STOP(SIGSTOP));
        go_on(PTRACE_DETACH, child, 0);
        CHECK(kill(child, SIGKILL) == 0);
        CHECK_SIGNAL(child, SIGKILL);
    }
}

/* ---- the programs that are executed ---- */

static int
program(const char *word)
{
    if (strcmp(word, "ids") == 0)
        return ids();
    if (strcmp(word, "forks") == 0) {
        pid_t child = fork();
        if (child == 0)
            execl(SUID, SUID, "ids", NULL);
        int status;
        return waitpid(child, &status, 0) == child ? 0 : 1;
    }
    CHECK(ids() == IDS_GAINED);
    if (strcmp(word, "drop") == 0)
        CHECK(setresuid(USER, USER, USER) == 0 && setresgid(USER, USER, USER) == 0);
    raise(SIGSTOP);
    return 2;
}

int
main(int argc, char **argv)
{
    if (argc > 1)
        return program(argv[1]);
    shared = shared_words();
    RUN(test_set_id_when_traced_then_rights_are_the_tracers_at_most, ptrace, execve);
    RUN(test_set_id_when_tracer_changes_then_its_start_counts, ptrace, execve);
    RUN(test_set_id_when_traced_from_birth_then_as_parent, ptrace, execve);
    RUN(test_attach_when_program_gained_rights_then_eperm, ptrace, execve);
    return check_failures != 0;
}
