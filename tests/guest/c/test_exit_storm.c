/* SPDX-License-Identifier: MIT */
/*
 * The end of a process with a thousand threads that are all at something: in calls that
 * wait, that run, in faults, making more threads, and by every way to end: exit_group,
 * exec, a signal from outside and inside, a fault.  Its parent gets the right status, the
 * memory comes back, and no thread or child is left.
 *
 * usage: test_exit_storm [ROUNDS]
 */
#define _GNU_SOURCE
#include "held.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>

#define THREADS 1000

static char self_path[4096];
static int rounds = 1;
static _Atomic int ready;
static int pipe_fds[2], pair_fds[2];
static sem_t never;
static pthread_mutex_t crowded = PTHREAD_MUTEX_INITIALIZER;

static void *
leave_at_once(void *arg)
{
    return arg;
}

static void
one_act(unsigned kind, unsigned i)
{
    char byte[4];
    pthread_t t;
    struct pollfd p = { .fd = pipe_fds[0], .events = POLLIN };

    switch (kind) {
    case 0:
        (void)!read(pipe_fds[0], byte, 1);
        break;
    case 1:
        sem_wait(&never);
        break;
    case 2:
        pause();
        break;
    case 3:
        poll(&p, 1, i % 2 ? -1 : 100);
        break;
    case 4:
        pthread_mutex_lock(&crowded);
        sched_yield();
        pthread_mutex_unlock(&crowded);
        break;
    case 5:
        (void)!recv(pair_fds[1], byte, 1, 0);
        break;
    case 6: {
        char *m = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (m != MAP_FAILED) {
            for (int k = 0; k < 65536; k += 4096)
                m[k] = 1;
            munmap(m, 65536);
        }
        break;
    }
    case 7:
        usleep(100000);
        break;
    case 8: {
        int fd = open(self_path, O_RDONLY | O_CLOEXEC);
        (void)!read(fd, byte, 4);
        close(fd);
        break;
    }
    default:
        if (pthread_create(&t, NULL, leave_at_once, NULL) == 0)
            pthread_detach(t);
        sched_yield();
        break;
    }
}

static void *
work(void *arg)
{
    unsigned i = (unsigned)(uintptr_t)arg;

    /* One of 50 works as hard as it can, for some time; the others wait most of the time. */
    static const unsigned char quiet[] = { 0, 1, 2, 3, 5, 7 }, busy[] = { 4, 6, 8, 9 };
    int works = i % 50 == 0;
    unsigned kind = works ? busy[i / 50 % 4] : quiet[i % 6];
    for (ready++;; i += 7) {
        one_act(kind, i);
        if (works)
            usleep(1000);
    }
    return NULL;
}

/* In a child: all the threads, which are then at it for a while. */
static void
start_all(int round)
{
    pthread_attr_t a;
    pthread_t t;
    int made = 0;

    CHECK(pipe(pipe_fds) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair_fds) == 0);
    CHECK(sem_init(&never, 0, 0) == 0);
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 16384);
    while (made < THREADS && pthread_create(&t, &a, work, (void *)(uintptr_t)made) == 0)
        made++;
    CHECK(made == THREADS);
    if (round % 2) /* else it ends while they begin */
        while (ready < THREADS)
            usleep(1000);
    usleep((useconds_t)(round * 977 % 5000));
}

static void *
end_by_exec(void *arg)
{
    execl(self_path, self_path, "exit3", NULL);
    _exit(98);
    return arg;
}

static void *
end_by_exit(void *arg)
{
    syscall(SYS_exit_group, 3);
    return arg;
}

/* By several threads at once: one of them is first. */
static void
by_threads(void *(*end)(void *))
{
    pthread_t t;

    for (int i = 0; i < 4; i++)
        pthread_create(&t, NULL, end, NULL);
    for (;;)
        pause();
}

static unsigned long
free_memory(void)
{
    struct sysinfo s;

    CHECK(sysinfo(&s) == 0);
    return (s.freeram + s.bufferram) * s.mem_unit / 4096;
}

enum way { EXIT, EXEC, KILL, FAULT, EXITS, EXECS, EXEC_EXIT };

static void
end_way(enum way way, int round)
{
    pthread_t t;

    start_all(round + (int)way);
    switch (way) {
    case EXIT:
        _exit(3);
    case EXEC:
        end_by_exec(NULL);
        break;
    case KILL:
        for (;;)
            pause();
    case FAULT:
        __asm__ volatile("movl $1, 8" ::: "memory");
        break;
    case EXITS:
        by_threads(end_by_exit);
        break;
    case EXECS:
        by_threads(end_by_exec);
        break;
    case EXEC_EXIT: /* the one or the other: the same status */
        pthread_create(&t, NULL, end_by_exec, NULL);
        by_threads(end_by_exit);
        break;
    }
    _exit(97);
}

static void
end_children(enum way way)
{
    for (int round = 0; round < rounds; round++) {
        int status;
        pid_t child = fork();

        if (child == 0)
            end_way(way, round);
        if (way == KILL) {
            usleep((useconds_t)(20000 + round * 30011 % 200000));
            CHECK(kill(child, SIGKILL) == 0);
        }
        status = check_wait(child);
        if (way == KILL)
            CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        else if (way == FAULT)
            CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
        else
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
        CHECK_ERROR(waitpid(-1, NULL, 0), ECHILD);
    }
}

#define ENDS(name, way)                                                               \
    static void name(void)                                                            \
    {                                                                                 \
        end_children(way);                                                            \
    }
ENDS(test_exit_when_a_thousand_are_at_work_then_all_end, EXIT)
ENDS(test_exec_when_a_thousand_are_at_work_then_it_is_alone, EXEC)
ENDS(test_kill_when_a_thousand_are_at_work_then_all_end, KILL)
ENDS(test_fault_when_a_thousand_are_at_work_then_all_end, FAULT)
ENDS(test_exits_when_several_at_once_then_one_status, EXITS)
ENDS(test_execs_when_several_at_once_then_one_is_done, EXECS)
ENDS(test_exec_and_exit_when_at_once_then_either, EXEC_EXIT)

static long processes_before;
static unsigned long free_before;

static void
test_memory_when_all_have_ended_then_it_is_back(void)
{
    unsigned long now = 0;

    for (int i = 0; i < 50; i++) {
        now = free_memory();
        if (now + 2000 > free_before && held("processes") <= processes_before)
            return;
        usleep(20000);
    }
    dprintf(2, "# %lu pages were free, now %lu; %ld processes, now %ld\n", free_before, now,
            processes_before, held("processes"));
    CHECK(0);
}

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "exit3") == 0)
        return 3;
    if (argc > 1 && atoi(argv[1]) > 0)
        rounds = atoi(argv[1]);
    if (realpath(argv[0], self_path) == NULL)
        return 1;
    end_children(EXIT); /* what is kept from the first time on is kept now */
    free_before = free_memory();
    processes_before = held("processes") + 1; /* the test's own */
    RUN(test_exit_when_a_thousand_are_at_work_then_all_end, exit_group, clone);
    RUN(test_exec_when_a_thousand_are_at_work_then_it_is_alone, execve);
    RUN(test_kill_when_a_thousand_are_at_work_then_all_end, kill);
    RUN(test_fault_when_a_thousand_are_at_work_then_all_end);
    RUN(test_exits_when_several_at_once_then_one_status, exit_group);
    RUN(test_execs_when_several_at_once_then_one_is_done, execve);
    RUN(test_exec_and_exit_when_at_once_then_either, execve, exit_group);
    RUN(test_memory_when_all_have_ended_then_it_is_back, sysinfo);
    return check_failures != 0;
}
