/* SPDX-License-Identifier: MIT */
/* Pages of 2 MiB: who gets them, what is left of them after parts were unmapped, protected,
 * moved or forked, and that nothing but their size shows. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "check.h"

#define PAGE 4096
#define LARGE (2u << 20)
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define ENABLED "/sys/kernel/mm/transparent_hugepage/enabled"

/* KiB of 2 MiB pages in the area that `at` is in. */
static long
large_in(void *at)
{
    char line[512];
    long kib = -1;
    unsigned long from, to;
    int inside = 0;
    FILE *f = fopen("/proc/self/smaps", "r");

    CHECK(f);
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = (unsigned long)at >= from && (unsigned long)at < to;
        else if (inside)
            sscanf(line, "AnonHugePages: %ld", &kib);
    }
    fclose(f);
    return kib;
}

static void
policy(const char *word)
{
    int fd = open(ENABLED, O_WRONLY);

    CHECK(fd >= 0 && write(fd, word, strlen(word)) == (ssize_t)strlen(word));
    close(fd);
}

/* `count` aligned runs of 2 MiB that may be large, untouched. */
static char *
large(int count)
{
    char *p = mmap(NULL, (size_t)(count + 1) * LARGE, RW, ANON | MAP_NORESERVE, -1, 0);

    CHECK(p != MAP_FAILED);
    p = (char *)(((uintptr_t)p + LARGE - 1) & ~(uintptr_t)(LARGE - 1));
    CHECK(madvise(p, (size_t)count * LARGE, MADV_HUGEPAGE) == 0);
    return p;
}

static void
fill(char *p, size_t bytes, int seed)
{
    for (size_t i = 0; i < bytes; i += PAGE)
        *(int *)(p + i) = seed + (int)(i / PAGE);
}

static int
is_filled(const char *p, size_t bytes, int seed)
{
    for (size_t i = 0; i < bytes; i += PAGE)
        if (*(const int *)(p + i) != seed + (int)(i / PAGE) || p[i + 100] != 0)
            return 0;
    return 1;
}

static void
test_large_when_advised_then_one_fault_brings_2_mib(void)
{
    unsigned char there[512];
    char *p = large(2);

    policy("madvise");
    p[12345] = 'x';
    CHECK(large_in(p) == 2048);
    CHECK(mincore(p, LARGE, there) == 0 && there[0] & 1 && there[511] & 1);
    for (size_t i = 0; i < LARGE; i++)
        CHECK(p[i] == (i == 12345 ? 'x' : 0));
    p[LARGE] = 'y';
    CHECK(large_in(p) == 4096);
    CHECK(munmap(p, 2 * LARGE) == 0);
    policy("never");
    p = large(1);
    p[0] = 'n';
    CHECK(large_in(p) == 0);
    policy("always");
    CHECK(madvise(p, LARGE, MADV_DONTNEED) == 0 && p[0] == 0);
    CHECK_ERROR(madvise(p + 1, LARGE, MADV_HUGEPAGE), EINVAL);
}

static void
test_large_when_a_part_goes_then_the_rest_stays(void)
{
    char *p = large(3);

    fill(p, 3 * LARGE, 1000);
    CHECK(large_in(p) == 3 * 2048);
    CHECK(munmap(p + 5 * PAGE, 3 * PAGE) == 0);
    CHECK(is_filled(p, 5 * PAGE, 1000) && is_filled(p + 8 * PAGE, 3 * LARGE - 8 * PAGE, 1008));
    CHECK(large_in(p + 8 * PAGE) == 2 * 2048);
    CHECK(madvise(p + LARGE + PAGE, PAGE, MADV_DONTNEED) == 0 && p[LARGE + PAGE] == 0);
    *(int *)(p + LARGE + PAGE) = 1000 + 513;
    CHECK(large_in(p + 8 * PAGE) == 2048);
    CHECK(mprotect(p + 2 * LARGE + 7 * PAGE, PAGE, PROT_READ) == 0);
    CHECK(is_filled(p + 8 * PAGE, 3 * LARGE - 8 * PAGE, 1008));
    CHECK(mprotect(p + 2 * LARGE + 7 * PAGE, PAGE, RW) == 0);
    fill(p + 2 * LARGE, LARGE, 7);
    CHECK(is_filled(p + 2 * LARGE, LARGE, 7) && is_filled(p + LARGE, LARGE, 1512));
    char *q = mmap(p + 2 * LARGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    CHECK(q == p + 2 * LARGE && *q == 0 && is_filled(q + PAGE, LARGE - PAGE, 8));
}

static void
test_large_when_forked_then_each_has_its_own(void)
{
    char *p = large(2);
    int to_child[2], to_parent[2];
    char byte;

    fill(p, 2 * LARGE, 1);
    CHECK(pipe(to_child) == 0 && pipe(to_parent) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(is_filled(p, 2 * LARGE, 1));
        fill(p, LARGE, 50000);
        CHECK(write(to_parent[1], "w", 1) == 1 && read(to_child[0], &byte, 1) == 1);
        CHECK(is_filled(p, LARGE, 50000) && is_filled(p + LARGE, LARGE, 513));
        _exit(0);
    }
    CHECK(read(to_parent[0], &byte, 1) == 1 && is_filled(p, 2 * LARGE, 1));
    fill(p, 2 * LARGE, 90000);
    CHECK(write(to_child[1], "w", 1) == 1);
    CHECK_EXIT(child, 0);
    CHECK(is_filled(p, 2 * LARGE, 90000));
    CHECK(munmap(p, 2 * LARGE) == 0);
}

static void
test_large_when_moved_then_contents_go_with_it(void)
{
    char *p = large(2), *q;

    fill(p, 2 * LARGE, 3);
    q = mmap(NULL, 4 * LARGE, PROT_NONE, ANON, -1, 0);
    CHECK(q != MAP_FAILED);
    q = mremap(p, 2 * LARGE, 2 * LARGE, MREMAP_MAYMOVE | MREMAP_FIXED, q + 9 * PAGE);
    CHECK(q != MAP_FAILED && is_filled(q, 2 * LARGE, 3));
    q = mremap(q, 2 * LARGE, LARGE + PAGE, 0);
    CHECK(q != MAP_FAILED && is_filled(q, LARGE + PAGE, 3));
    CHECK(munmap(q, LARGE + PAGE) == 0);
}

static void
test_large_when_given_to_a_pipe_then_the_reader_gets_it(void)
{
    char *p = large(1), back[3 * PAGE];
    int fd[2];

    fill(p, LARGE, 70);
    CHECK(pipe(fd) == 0);
    struct iovec v = { p + 4 * PAGE, 3 * PAGE };
    CHECK(vmsplice(fd[1], &v, 1, 0) == 3 * PAGE);
    CHECK(munmap(p, LARGE) == 0);
    for (size_t got = 0; got < sizeof back;) {
        ssize_t n = read(fd[0], back + got, sizeof back - got);
        CHECK(n > 0);
        got += (size_t)n;
    }
    CHECK(is_filled(back, sizeof back, 74));
    p = large(1);
    fill(p, LARGE, 1);
    CHECK(is_filled(p, LARGE, 1));
}

static void
test_collapse_when_small_pages_then_they_are_one(void)
{
    char *p = large(2), *q;

    policy("never");
    fill(p, LARGE / 2, 10);
    CHECK(large_in(p) == 0);
    policy("always");
    if (madvise(p, LARGE, MADV_COLLAPSE) != 0) {
        CHECK(errno == EINVAL); /* a Linux before 6.1 */
        return;
    }
    CHECK(large_in(p) == 2048 && is_filled(p, LARGE / 2, 10));
    for (int i = LARGE / 2; i < (int)LARGE; i++)
        CHECK(p[i] == 0);
    fill(p, LARGE, 20);
    pid_t child = fork();
    if (child == 0)
        _exit(is_filled(p, LARGE, 20) ? 0 : 1);
    CHECK_EXIT(child, 0);
    CHECK(madvise(p, LARGE, MADV_COLLAPSE) == 0 && is_filled(p, LARGE, 20));
    CHECK(large_in(p) == 2048);
    q = mmap(NULL, PAGE, RW, ANON, -1, 0);
    CHECK(munmap(q, PAGE) == 0);
    CHECK_ERROR(madvise(q, PAGE, MADV_COLLAPSE), ENOMEM);
}

int
main(void)
{
    RUN(test_large_when_advised_then_one_fault_brings_2_mib, madvise, mmap);
    RUN(test_large_when_a_part_goes_then_the_rest_stays, munmap, mprotect, madvise);
    RUN(test_large_when_forked_then_each_has_its_own, fork);
    RUN(test_large_when_moved_then_contents_go_with_it, mremap);
    RUN(test_large_when_given_to_a_pipe_then_the_reader_gets_it, vmsplice);
    RUN(test_collapse_when_small_pages_then_they_are_one, madvise);
    return check_failures != 0;
}
