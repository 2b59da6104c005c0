/* SPDX-License-Identifier: MIT */
/*
 * A tracer that comes at any moment of an exec of a set-user-id program: the program has
 * its owner's rights, or the tracer, never both.  The same for who reads its memory.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "check.h"

#define SUID "/tmp/setid.suid"
#define USER 1000
#define OWNER 2000
#define ROUNDS 150
#define BOTH 77
#define RAISED 78
#define SECRET "only for its owner"

static char secret[32] = "for everybody";

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
    CHECK(n == 0 && fchown(out, OWNER, OWNER) == 0 && fchmod(out, 04755) == 0);
    CHECK(close(in) == 0 && close(out) == 0);
}

/* The program that is executed. */
static int
probe(void)
{
    char text[4096], *at;
    int fd;
    ssize_t n;

    if (geteuid() != OWNER)
        return 0;
    strcpy(secret, SECRET);
    for (int i = 0; i < 20; i++) {
        fd = open("/proc/self/status", O_RDONLY);
        n = read(fd, text, sizeof text - 1);
        close(fd);
        if (n <= 0)
            return 2;
        text[n] = '\0';
        at = strstr(text, "TracerPid:");
        if (at == NULL || atoi(at + strlen("TracerPid:")) != 0)
            return BOTH;
        sched_yield();
    }
    return RAISED;
}

static pid_t
start_victim(int *go)
{
    int pipes[2];
    char byte;
    CHECK(pipe2(pipes, O_CLOEXEC) == 0);
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        close(pipes[1]);
        (void)!read(pipes[0], &byte, 1);
        execl(SUID, SUID, "probe", (char *)NULL);
        _exit(100);
    }
    close(pipes[0]);
    *go = pipes[1];
    return child;
}

/* Until it has ended. */
static void
attach_again_and_again(pid_t victim)
{
    while (ptrace(PTRACE_SEIZE, victim, 0, 0) < 0 && errno != ESRCH)
        ;
    while (waitpid(victim, NULL, __WALL) > 0) /* it stops for signals only, and gets none */
        ;
}

static void
read_again_and_again(pid_t victim)
{
    char seen[sizeof secret];
    struct iovec mine = { seen, sizeof seen }, its = { secret, sizeof seen };

    for (;;) {
        ssize_t n = process_vm_readv(victim, &mine, 1, &its, 1, 0);
        CHECK(n < 0 || strcmp(seen, SECRET) != 0);
        if (n < 0 && errno == ESRCH)
            return;
    }
}

static void
race(void (*attack)(pid_t))
{
    int status, raised = 0;

    copy_self();
    CHECK(setgid(USER) == 0 && setuid(USER) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        int go;
        pid_t victim = start_victim(&go), attacker = fork();

        CHECK(attacker >= 0);
        if (attacker == 0) {
            close(go);
            for (int k = 0; k < i * 8000; k++) /* it begins at another place each time */
                __asm__ volatile("");
            attack(victim);
            _exit(0);
        }
        close(go);
        CHECK(waitpid(victim, &status, 0) == victim && WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == RAISED);
        raised += WEXITSTATUS(status) == RAISED;
        CHECK(waitpid(attacker, &status, 0) == attacker && status == 0);
    }
    printf("# it had its owner's rights %d times of %d\n", raised, ROUNDS);
}

static void
test_set_id_exec_when_a_tracer_comes_then_not_both(void)
{
    race(attach_again_and_again);
}

static void
test_set_id_exec_when_memory_is_read_then_not_its_own(void)
{
    race(read_again_and_again);
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "probe") == 0)
        return probe();
    RUN(test_set_id_exec_when_a_tracer_comes_then_not_both, ptrace);
    RUN(test_set_id_exec_when_memory_is_read_then_not_its_own, process_vm_readv);
    return check_failures != 0;
}
