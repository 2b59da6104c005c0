/* SPDX-License-Identifier: MIT */
/*
 * Memory that goes away while a call copies to or from it: threads unmap, protect and map
 * again while others are in long reads, writes, pipes, vectors, listings, polls.  Each
 * call may succeed, come short or say EFAULT; nothing else may be harmed.
 */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#define PAGES  64
#define BYTES  (PAGES * 4096L)
#define RUN_MS 700

static char *memory;
static int stop, file, names, pipe_fd[2];
static unsigned long calls, faults;

static long
now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void *
disturb(void *arg)
{
    unsigned seed = (unsigned)(long)arg + 1;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        seed = seed * 1103515245 + 12345;
        long page = (long)(seed >> 8) % PAGES, n = 1 + (long)(seed >> 20) % 8;
        n = page + n > PAGES ? PAGES - page : n;
        char *at = memory + page * 4096;
        size_t bytes = (size_t)n * 4096;
        switch (seed >> 28 & 3) {
        case 0: munmap(at, bytes); break;
        case 1: mprotect(at, bytes, PROT_READ); break;
        case 2: mprotect(at, bytes, PROT_READ | PROT_WRITE); break;
        default:
            mmap(at, bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
            break;
        }
    }
    return NULL;
}

/* The result of a call: it may only be short or EFAULT (or what a pipe says). */
static void
judge(long r, long asked)
{
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
    if (r < 0 && errno == EFAULT)
        __atomic_fetch_add(&faults, 1, __ATOMIC_RELAXED);
    CHECK(r <= asked && (r >= 0 || errno == EFAULT || errno == EAGAIN));
}

static void
one_call(unsigned seed)
{
    struct iovec v[3] = { { memory, 30000 },
                          { memory + 100000, 9000 },
                          { memory + 50000, 40000 } };
    char *at = memory + (seed >> 8) % 4096;
    switch (seed >> 24 & 15) {
    case 0:
    case 1: judge(pread(file, at, BYTES - 4096, 0), BYTES); break;
    case 2:
    case 3: judge(pwrite(file, at, BYTES - 4096, 0), BYTES); break;
    case 4: judge(preadv(file, v, 3, 0), 79000); break;
    case 5: judge(pwritev(file, v, 3, 0), 79000); break;
    case 6:
    case 7: judge(write(pipe_fd[1], at, 60000), 60000); break;
    case 8:
    case 9: judge(read(pipe_fd[0], at, 60000), 60000); break;
    case 10:
        lseek(names, 0, SEEK_SET);
        judge(syscall(SYS_getdents64, names, at, 20000), 20000);
        break;
    case 11: judge(ioctl(file, FIONREAD, at), 0); break;
    case 12: judge(syscall(SYS_poll, at, 100, 0), 100); break;
    case 13: judge(vmsplice(pipe_fd[1], v, 3, SPLICE_F_NONBLOCK), 79000); break;
    case 14: judge(syscall(SYS_stat, ".", at), 0); break;
    default: judge(syscall(SYS_getcwd, at, 4096), 4096); break;
    }
}

static void *
call(void *arg)
{
    unsigned seed = (unsigned)(long)arg * 77 + 3;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        seed = seed * 1103515245 + 12345;
        one_call(seed);
    }
    return NULL;
}

static void
test_copies_when_memory_goes_away_then_efault_at_most(void)
{
    pthread_t t[6];
    static char pattern[BYTES], back[BYTES];
    char name[32];
    signal(SIGPIPE, SIG_IGN);
    memory =
        mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    file = open("f", O_RDWR | O_CREAT, 0644);
    int other = open("other", O_RDWR | O_CREAT, 0644);
    memset(pattern, 'p', sizeof pattern);
    CHECK(memory != MAP_FAILED && pipe2(pipe_fd, O_NONBLOCK) == 0);
    CHECK(write(file, pattern, BYTES) == BYTES && write(other, pattern, BYTES) == BYTES);
    for (int k = 0; k < 200; k++) {
        snprintf(name, sizeof name, "name-%d", k);
        close(open(name, O_CREAT | O_WRONLY, 0644));
    }
    names = open(".", O_RDONLY | O_DIRECTORY);
    for (long k = 0; k < 6; k++)
        CHECK(pthread_create(&t[k], NULL, k < 2 ? disturb : call, (void *)k) == 0);
    /* A busy host may give little in that time: then it goes on until there was something. */
    for (long end = now_ms() + RUN_MS, last = end + 30000;
         now_ms() < end || ((calls <= 100 || faults == 0) && now_ms() < last);)
        usleep(20000);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int k = 0; k < 6; k++)
        CHECK(pthread_join(t[k], NULL) == 0);
    /* What nobody wrote is as it was, and everything goes on. */
    CHECK(pread(other, back, BYTES, 0) == BYTES && memcmp(back, pattern, BYTES) == 0);
    CHECK(ftruncate(file, 0) == 0 && pwrite(file, pattern, BYTES, 0) == BYTES);
    CHECK(pread(file, back, BYTES, 0) == BYTES && memcmp(back, pattern, BYTES) == 0);
    while (read(pipe_fd[0], back, sizeof back) > 0)
        ;
    CHECK(write(pipe_fd[1], "end", 3) == 3 && read(pipe_fd[0], back, 10) == 3);
    CHECK(calls > 100 && faults > 0);
}

int
main(void)
{
    RUN_IN_NEW(test_copies_when_memory_goes_away_then_efault_at_most, read, write,
               pread64, pwrite64, preadv, pwritev, getdents64, poll, ioctl, vmsplice,
               munmap, mprotect);
    return check_failures != 0;
}
