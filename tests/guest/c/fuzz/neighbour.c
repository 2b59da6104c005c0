/* SPDX-License-Identifier: MIT */
/*
 * A process that has nothing to do with the rounds, and checks all the while that nobody
 * disturbs it: its memory, a file, bytes through a pipe and a socket to a thread of its
 * own, signals that it sends itself with values, a timer, a child's status, and that no
 * other signal comes.  How long one turn of all this took at most is told, not judged.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#define MEMORY (1ul << 20)
#define FILE_BYTES 30000u
#define OWN SIGRTMIN

static volatile sig_atomic_t foreign, own_value, own_count, ticks, to_end;
static int pipe_fds[2], pair_fds[2];
static u64 *memory;
static char file_name[64];

static void
on_any(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (number == SIGTERM && info->si_pid == getppid()) {
        to_end = 1;
    } else if (number == OWN && info->si_code == SI_QUEUE && info->si_pid == getpid()) {
        own_value = info->si_value.sival_int;
        own_count++;
    } else if (number == SIGALRM && info->si_code == SI_KERNEL) {
        ticks++;
    } else if (number != SIGCHLD) {
        foreign = number;
        dprintf(2, "# neighbour: signal %d, code %d, of %d\n", number, info->si_code,
                (int)info->si_pid);
    }
}

static u64
pattern(u64 i, u64 turn)
{
    return (i + 1) * 0x9e3779b97f4a7c15ull ^ turn << 40;
}

static void
transfer(int fd, void *data, size_t bytes, int out)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = out ? write(fd, (char *)data + done, bytes - done)
                        : read(fd, (char *)data + done, bytes - done);
        CHECK(n > 0 || (n < 0 && errno == EINTR));
        done += n > 0 ? (size_t)n : 0;
    }
}

/* What comes through the pipe goes back through the socket. */
static void *
echo(void *arg)
{
    static u64 data[1200];

    for (;;) {
        transfer(pipe_fds[0], data, sizeof data, 0);
        transfer(pair_fds[1], data, sizeof data, 1);
    }
    return arg;
}

static void
check_talk(u64 turn)
{
    static u64 data[1200];
    size_t n = sizeof data / sizeof data[0];

    for (size_t i = 0; i < n; i++)
        data[i] = pattern(i, turn);
    transfer(pipe_fds[1], data, sizeof data, 1);
    memset(data, 0, sizeof data);
    transfer(pair_fds[0], data, sizeof data, 0);
    for (size_t i = 0; i < n; i++)
        CHECK(data[i] == pattern(i, turn));
}

static void
check_file(u64 turn)
{
    static unsigned char out[FILE_BYTES], in[FILE_BYTES];
    struct stat st;
    int fd = open(file_name, O_CREAT | O_TRUNC | O_RDWR, 0600);

    CHECK(fd >= 0);
    for (unsigned i = 0; i < FILE_BYTES; i++)
        out[i] = (unsigned char)pattern(i, turn);
    CHECK(pwrite(fd, out, FILE_BYTES, 0) == FILE_BYTES && fstat(fd, &st) == 0);
    CHECK(st.st_size == FILE_BYTES && (st.st_mode & 07777) == 0600 && st.st_nlink == 1);
    CHECK(pread(fd, in, FILE_BYTES, 0) == FILE_BYTES && memcmp(in, out, FILE_BYTES) == 0);
    CHECK(close(fd) == 0);
}

/* All that was written in the last turn is there, and something else from now on. */
static void
check_memory(u64 turn)
{
    for (u64 i = 0; i < MEMORY / 8; i += 3) {
        CHECK(turn == 0 || memory[i] == pattern(i, turn - 1));
        memory[i] = pattern(i, turn);
    }
}

static void
check_signals(u64 turn)
{
    int before = own_count;

    CHECK(sigqueue(getpid(), OWN, (union sigval){ .sival_int = (int)(turn & 0xffff) }) == 0);
    for (int i = 0; i < 1000 && own_count == before; i++)
        sched_yield(); /* the other thread may have been asked */
    CHECK(own_count == before + 1 && own_value == (int)(turn & 0xffff));
}

static void
check_child(u64 turn)
{
    int status;
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0)
        _exit(memory[3] == pattern(3, turn) ? (int)(turn % 200) : 255);
    while (waitpid(child, &status, 0) < 0)
        CHECK(errno == EINTR);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == (int)(turn % 200));
}

static u64
now_us(void)
{
    struct timespec t;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (u64)t.tv_sec * 1000000 + (u64)t.tv_nsec / 1000;
}

static _Noreturn void
watch(void)
{
    struct itimerval timer = { { 0, 20000 }, { 0, 20000 } };
    struct sigaction action = { .sa_sigaction = on_any, .sa_flags = SA_SIGINFO | SA_RESTART };
    u64 begin = now_us(), last = begin, longest = 0, turn = 0;
    char directory[4096], where[4096];
    pthread_t thread;

    setsid();
    for (int number = 1; number < 65; number++)
        sigaction(number, &action, NULL); /* some cannot be */
    snprintf(file_name, sizeof file_name, "/tmp/fuzz.neighbour.%d", (int)getpid());
    memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED && pipe(pipe_fds) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair_fds) == 0);
    CHECK(getcwd(directory, sizeof directory) != NULL);
    CHECK(pthread_create(&thread, NULL, echo, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    for (; !to_end; turn++) {
        check_memory(turn);
        check_talk(turn);
        check_file(turn);
        check_signals(turn);
        check_child(turn);
        CHECK(foreign == 0 && getcwd(where, sizeof where) != NULL && strcmp(where, directory) == 0);
        u64 now = now_us();
        CHECK(now >= last);
        longest = now - last > longest ? now - last : longest;
        last = now;
        usleep(2000);
    }
    /* Not one tick too many; too few are a busy machine's. */
    CHECK(ticks > 0 || last - begin < 200000);
    CHECK((u64)ticks <= (now_us() - begin) / 20000 + 2);
    printf("# the neighbour: %lu turns, the longest %lu ms\n", turn, longest / 1000);
    fflush(stdout);
    unlink(file_name);
    _exit(0);
}

static int
is_plain(int pid)
{
    return pid > 100 && (pid & (pid - 1)) != 0 && (pid & (pid + 1)) != 0 && pid != 1000;
}

/* Calls are made with small numbers and powers of two for a process's: it must have another. */
int
neighbour_start(void)
{
    for (;;) {
        fflush(stdout);
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0 && is_plain(getpid()))
            watch();
        if (pid == 0)
            _exit(0);
        if (is_plain(pid))
            return pid;
        waitpid(pid, NULL, 0);
    }
}

/* 1: something disturbed it. */
int
neighbour_end(int pid)
{
    int status = 0;

    kill(pid, SIGTERM);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    printf("%s - the neighbour is not disturbed\n", status != 0 ? "not ok" : "ok");
    if (status != 0)
        printf("# its status: 0x%x\n", status);
    return status != 0;
}
