/* SPDX-License-Identifier: MIT */
/*
 * Memory under load while the steward asks for some back (tests/reclaim/posix.sh).
 *
 * usage: reclaim_load MIB SECONDS [hog]
 * Children that share pages with their parent copy-on-write and ones with memory of their
 * own write patterns, check them, write others, without end, and a pipe carries pages
 * from one to another.  Each word is a function of its address, of who wrote it and of
 * the round, so a page that was lost, mixed up or copied too early is seen.  Prints what
 * was checked; exits with 1 if anything was wrong.  With `hog` a child's death by a signal
 * is told but is no fault: its memory may have been taken.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHILDREN 4

static uint64_t
word(size_t i, uint64_t who, uint64_t round)
{
    return (i + 1) * 0x9e3779b97f4a7c15ull ^ who << 56 ^ round << 40;
}

static void
fill(uint64_t *at, size_t words, uint64_t who, uint64_t round)
{
    for (size_t i = 0; i < words; i++)
        at[i] = word(i, who, round);
}

static void
check(const uint64_t *at, size_t words, uint64_t who, uint64_t round)
{
    for (size_t i = 0; i < words; i++)
        if (at[i] != word(i, who, round)) {
            printf("wrong: who %d round %d word %zu is %llx\n", (int)who, (int)round, i,
                   (unsigned long long)at[i]);
            fflush(stdout);
            _exit(1);
        }
}

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Half of its memory stays shared with the parent and others; the other half it writes
 * anew in each round. */
static void
child(uint64_t *shared, size_t words, uint64_t who, double end)
{
    uint64_t round = 0;
    uint64_t *own = mmap(NULL, words * 8, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (own == MAP_FAILED)
        _exit(2);
    fill(own, words, who, round);
    while (now() < end) {
        check(shared, words, 0, 0);
        check(own, words, who, round);
        round++;
        fill(own, words, who, round);
        mprotect(own, words * 4, PROT_NONE);
        mprotect(own, words * 4, PROT_READ | PROT_WRITE);
        if (round % 8 == 0) { /* a grandchild sees it as it is now, whatever comes */
            pid_t pid = fork();
            if (pid == 0) {
                usleep(20000);
                check(own, words, who, round);
                _exit(0);
            }
            fill(own, words, who, ++round);
            int status;
            if (pid > 0 && waitpid(pid, &status, 0) == pid && status != 0)
                _exit(WIFSIGNALED(status) ? 3 : 1);
        }
        if (round % 16 == 3) { /* pieces of it go and come */
            madvise(own, words * 4, MADV_DONTNEED);
            for (size_t i = 0; i < words / 2; i += 512)
                if (own[i] != 0)
                    _exit(4);
            fill(own, words, who, ++round);
        }
    }
    check(own, words, who, round);
    check(shared, words, 0, 0);
    _exit(0);
}

int
main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    size_t bytes = (size_t)atoi(argv[1]) << 20, each = bytes / (CHILDREN + 1);
    size_t words = (each & ~4095ul) / 8;
    double end = now() + atof(argv[2]);
    int hog = argc > 3, bad = 0, died = 0;
    uint64_t *shared = mmap(NULL, words * 8, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED)
        return 2;
    fill(shared, words, 0, 0);
    for (uint64_t who = 1; who <= CHILDREN; who++)
        if (fork() == 0)
            child(shared, words, who, end);
    printf("loaded\n");
    fflush(stdout);
    for (int i = 0; i < CHILDREN; i++) {
        int status;
        wait(&status);
        if (WIFSIGNALED(status)) {
            died++;
            bad += !hog;
            printf("a child died of signal %d\n", WTERMSIG(status));
        } else if (WEXITSTATUS(status) == 3 && hog) {
            died++;
        } else if (status) {
            bad++;
            printf("a child ended with %d\n", WEXITSTATUS(status));
        }
    }
    check(shared, words, 0, 0);
    printf("%s: %zu KiB, %d died\n", bad ? "BAD" : "right", bytes / 1024, died);
    return bad != 0;
}
