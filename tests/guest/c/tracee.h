/* SPDX-License-Identifier: MIT */
/* What the tests of ptrace share: tracees, and what wait says of them. */
#ifndef TRACEE_H
#define TRACEE_H

#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "check.h"

#define EVENT(e) (SIGTRAP | (e) << 8)           /* of wait's status, from bit 8 on */
#define GROUP_STOP(n) ((n) | PTRACE_EVENT_STOP << 8)
#define MARKED_CALL (SIGTRAP | 0x80)            /* with PTRACE_O_TRACESYSGOOD */

/* Memory that all processes of a test share. */
static inline volatile int *
shared_words(void)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    return at;
}

static inline int
wait_for(pid_t pid)
{
    int status = -1;
    CHECK(waitpid(pid, &status, __WALL) == pid);
    return status;
}

/* It stops, and not as another thing. */
#define CHECK_STOP(pid, what)                                                         \
    do {                                                                              \
        int stop_status = wait_for(pid);                                              \
        if (!WIFSTOPPED(stop_status) || stop_status >> 8 != (what))                   \
            dprintf(2, "# status 0x%x, not 0x%x\n", stop_status, (what) << 8 | 0x7f); \
        CHECK(WIFSTOPPED(stop_status) && stop_status >> 8 == (what));                 \
    } while (0)

/* A child that has made itself a tracee and stopped; then it exits with what act returns. */
static inline pid_t
traced_child(int (*act)(void))
{
    pid_t child = fork();
    if (child == 0) {
        CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
        raise(SIGSTOP);
        _exit(act());
    }
    CHECK_STOP(child, SIGSTOP);
    return child;
}

static inline void
seize(pid_t pid, long options)
{
    CHECK(ptrace(PTRACE_SEIZE, pid, 0, options) == 0);
}

static inline void
go_on(int request, pid_t pid, long signal)
{
    CHECK(ptrace(request, pid, 0, signal) == 0);
}

static inline struct user_regs_struct
registers_of(pid_t pid)
{
    struct user_regs_struct r;
    CHECK(ptrace(PTRACE_GETREGS, pid, 0, &r) == 0);
    return r;
}

static inline unsigned long
message_of(pid_t pid)
{
    unsigned long message = 0;
    CHECK(ptrace(PTRACE_GETEVENTMSG, pid, 0, &message) == 0);
    return message;
}

/* The letter of /proc/PID/stat; '-': there is none. */
static inline char
state_of(pid_t pid)
{
    char path[40], state = '-';
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (f != NULL) {
        CHECK(fscanf(f, "%*d (%*[^)]) %c", &state) == 1);
        fclose(f);
    }
    return state;
}

static inline void
until_state(pid_t pid, char state)
{
    while (state_of(pid) != state)
        usleep(1000);
}

#endif
