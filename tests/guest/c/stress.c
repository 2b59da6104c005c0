/* SPDX-License-Identifier: MIT */
/* A stress of forks, programs, pipes, signals, kills at random, memory, mapped files,
 * directories, locks and, where there are any, pseudo-terminals (stress.h). */
#define _GNU_SOURCE
#include "stress.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <signal.h>
#include <sys/mman.h>

static volatile sig_atomic_t signals_seen;

static void
do_fork(void)
{
    int code = (int)next(256);
    int depth = (int)next(3);
    pid_t child = fork();

    if (child == 0) {
        for (int i = 0; i < depth; i++) {
            pid_t inner = fork();

            if (inner != 0) {
                CHECK_EXIT(inner, code);
                break;
            }
        }
        _exit(code);
    }
    CHECK_EXIT(child, code);
    add((uint64_t)code);
}

static void
do_pipe(void)
{
    static unsigned char data[20000];
    size_t length = 1 + next(sizeof data), have = 0;
    unsigned char key = (unsigned char)next(256);
    int there[2], back[2];
    pid_t child;

    CHECK(pipe(there) == 0 && pipe(back) == 0);
    child = fork();
    if (child == 0) {
        close(there[1]);
        close(back[0]);
        for (;;) {
            ssize_t got = read(there[0], data, 1000);

            CHECK(got >= 0);
            if (got == 0)
                _exit(0);
            for (ssize_t i = 0; i < got; i++)
                data[i] ^= key;
            CHECK(write(back[1], data, (size_t)got) == got);
        }
    }
    close(there[0]);
    close(back[1]);
    for (size_t i = 0; i < length; i++)
        data[i] = (unsigned char)(i * 13);
    CHECK(write(there[1], data, length) == (ssize_t)length);
    close(there[1]);
    memset(data, 0, sizeof data);
    while (have < length) {
        ssize_t got = read(back[0], data + have, length - have);

        CHECK(got > 0);
        have += (size_t)got;
    }
    close(back[0]);
    for (size_t i = 0; i < length; i++)
        CHECK(data[i] == (unsigned char)((i * 13) ^ key));
    CHECK_EXIT(child, 0);
    add(length);
}

static void
on_signal(int number)
{
    (void)number;
    signals_seen++;
}

static void
do_signal(void)
{
    struct sigaction action = { .sa_handler = on_signal };
    int before = signals_seen, times = 1 + (int)next(10);
    pid_t child;

    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    for (int i = 0; i < times; i++)
        CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(signals_seen == before + times);
    child = fork();
    if (child == 0) {
        signal(SIGTERM, SIG_DFL);
        for (;;)
            pause();
    }
    CHECK(kill(child, SIGTERM) == 0);
    CHECK_SIGNAL(child, SIGTERM);
    add((uint64_t)times);
}

static void
do_memory(void)
{
    size_t pages = 1 + next(200), hole = next((uint32_t)pages);
    unsigned char mark = (unsigned char)(1 + next(255));
    unsigned char *area = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t total = 0;
    pid_t child;

    CHECK(area != MAP_FAILED);
    for (size_t i = 0; i < pages; i++) {
        CHECK(area[i * PAGE + 7] == 0);
        area[i * PAGE + 7] = mark;
    }
    child = fork();
    if (child == 0) {
        for (size_t i = 0; i < pages; i += 3) {
            CHECK(area[i * PAGE + 7] == mark);
            area[i * PAGE + 7] = 0;
        }
        _exit(0);
    }
    if (next(2))
        memset(area, mark, pages * PAGE / 2);
    CHECK(mprotect(area + hole * PAGE, PAGE, PROT_READ) == 0);
    CHECK_EXIT(child, 0);
    for (size_t i = 0; i < pages; i++)
        total += area[i * PAGE + 7];
    CHECK(total == pages * mark);
    CHECK(munmap(area + hole * PAGE, PAGE) == 0);
    CHECK(munmap(area, pages * PAGE) == 0);
    add(total);
}

static void
do_file(void)
{
    char name[64], other[64];
    unsigned char data[3000], read_back[3000];
    size_t length = 1 + next(sizeof data);
    off_t at = next(100000);
    int fd;

    snprintf(name, sizeof name, "/tmp/stress.%d.%u", worker, next(5));
    snprintf(other, sizeof other, "/tmp/stress.%d.x", worker);
    for (size_t i = 0; i < length; i++)
        data[i] = (unsigned char)next(256);
    CHECK((fd = open(name, O_CREAT | O_RDWR, 0600)) >= 0);
    CHECK(pwrite(fd, data, length, at) == (ssize_t)length);
    CHECK(pread(fd, read_back, length, at) == (ssize_t)length);
    CHECK(memcmp(data, read_back, length) == 0);
    CHECK(rename(name, other) == 0);
    if (next(2))
        CHECK(ftruncate(fd, at) == 0 && lseek(fd, 0, SEEK_END) == at);
    CHECK(close(fd) == 0 && unlink(other) == 0);
    add((uint64_t)at + length);
}

/* Children that work for ever are killed at a moment that nobody chose. */
static void
do_kill(void)
{
    int count = 1 + (int)next(6);
    pid_t children[6];
    uint64_t seed = state;

    for (int i = 0; i < count; i++) {
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] != 0)
            continue;
        state = seed + (uint64_t)i;
        for (;;) {
            int ends[2];
            char *page = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);

            if (pipe(ends) < 0 || page == MAP_FAILED)
                _exit(1);
            page[next(16 * PAGE)] = 1;
            if (fork() == 0) {
                page[next(16 * PAGE)] = 2;
                _exit(write(ends[1], page, 1 + next(16 * PAGE)) < 0);
            }
            close(ends[1]);
            while (read(ends[0], page, PAGE) > 0)
                ;
            wait(NULL);
            close(ends[0]);
            munmap(page, 16 * PAGE);
        }
    }
    usleep(next(3000));
    for (int i = 0; i < count; i++) {
        CHECK(kill(children[i], next(2) ? SIGKILL : SIGTERM) == 0);
        CHECK(check_wait(children[i]) != 0);
    }
    add((uint64_t)count);
}

/* Two processes and a mapping of a file see the same bytes; a lock keeps them apart. */
static void
do_mapped(void)
{
    char name[64];
    size_t pages = 1 + next(20);
    int fd, rounds = 1 + (int)next(50);
    uint32_t value = 0;
    volatile uint32_t *shared;
    pid_t child;

    snprintf(name, sizeof name, "/tmp/stress.%d.map", worker);
    CHECK((fd = open(name, O_CREAT | O_RDWR | O_TRUNC, 0600)) >= 0);
    CHECK(ftruncate(fd, (off_t)(pages * PAGE)) == 0);
    shared = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(shared != MAP_FAILED);
    child = fork();
    CHECK(child >= 0);
    /* A lock of an open file is shared by fork: the child opens its own. */
    int mine = child == 0 ? open(name, O_RDWR) : fd;
    CHECK(mine >= 0);
    for (int i = 0; i < rounds; i++) {
        CHECK(flock(mine, LOCK_EX) == 0);
        size_t at = (pages - 1) * PAGE;
        CHECK(pread(mine, &value, sizeof value, (off_t)at) == sizeof value);
        value++;
        CHECK(pwrite(mine, &value, sizeof value, (off_t)at) == sizeof value);
        CHECK(shared[at / sizeof *shared] == value);
        CHECK(flock(mine, LOCK_UN) == 0);
    }
    if (child == 0)
        _exit(0);
    CHECK_EXIT(child, 0);
    CHECK(shared[(pages - 1) * PAGE / sizeof *shared] == 2 * (uint32_t)rounds);
    CHECK(munmap((void *)shared, pages * PAGE) == 0 && close(fd) == 0 && unlink(name) == 0);
    add(pages);
}

static void
do_directories(void)
{
    char name[80], other[80];
    int count = 1 + (int)next(30);

    snprintf(name, sizeof name, "/tmp/stress.%d.d", worker);
    CHECK(mkdir(name, 0700) == 0);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "/tmp/stress.%d.d/%d", worker, i);
        snprintf(other, sizeof other, "/tmp/stress.%d.d/s%d", worker, i);
        CHECK(mkdir(name, 0700) == 0 && symlink(name, other) == 0);
        if (next(2))
            CHECK(rename(other, name) < 0 && errno == EISDIR);
    }
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "/tmp/stress.%d.d/%d", worker, i);
        snprintf(other, sizeof other, "/tmp/stress.%d.d/s%d", worker, i);
        CHECK(access(other, R_OK | W_OK | X_OK) == 0);
        CHECK(unlink(other) == 0 && rmdir(name) == 0);
    }
    snprintf(name, sizeof name, "/tmp/stress.%d.d", worker);
    CHECK(rmdir(name) == 0);
    add((uint64_t)count);
}

static char self_path[4096];

static void
do_exec(void)
{
    char code[16];
    int wanted = (int)next(200);
    pid_t child = next(2) ? fork() : vfork();

    CHECK(child >= 0);
    if (child == 0) {
        snprintf(code, sizeof code, "%d", wanted);
        execl(self_path, self_path, "--exit", code, NULL);
        _exit(255);
    }
    CHECK_EXIT(child, wanted);
    add((uint64_t)wanted);
}

/* A shell's life on a terminal in small: a session, a line, an interrupt, a hang-up. */
static void
do_terminal(void)
{
    char name[32], byte;
    int number, none = 0, how = (int)next(3), master;
    pid_t child;

    add((uint64_t)how);
    master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (master < 0)
        return;
    CHECK(ioctl(master, TIOCGPTN, &number) == 0 && ioctl(master, TIOCSPTLCK, &none) == 0);
    snprintf(name, sizeof name, "/dev/pts/%d", number);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        int slave;

        signal(SIGINT, SIG_DFL);
        CHECK(setsid() > 0 && (slave = open(name, O_RDWR)) >= 0);
        close(master);
        CHECK(write(slave, "!", 1) == 1);
        if (read(slave, &byte, 1) == 1)
            _exit(byte);
        for (;;) /* the end of file may come just before the SIGHUP, but that comes */
            pause();
    }
    CHECK(read(master, &byte, 1) == 1 && byte == '!');
    if (how == 0) {
        CHECK(write(master, "A\n", 2) == 2);
        CHECK_EXIT(child, 'A');
    } else if (how == 1) {
        CHECK(write(master, "\003", 1) == 1);
        CHECK_SIGNAL(child, SIGINT);
    }
    CHECK(close(master) == 0);
    if (how == 2)
        CHECK_SIGNAL(child, SIGHUP);
}

int
main(int argc, char **argv)
{
    static stress_work *const works[] = { do_fork, do_pipe, do_signal, do_memory,
        do_kill, do_mapped, do_directories, do_exec, do_terminal, do_file };

    if (argc == 3 && strcmp(argv[1], "--exit") == 0)
        return atoi(argv[2]);
    CHECK(realpath(argv[0], self_path) != NULL);
    return stress_main(argc, argv, works, sizeof works / sizeof *works);
}
