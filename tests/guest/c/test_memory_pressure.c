/* SPDX-License-Identifier: MIT */
/* What programs give up (MADV_FREE, MADV_COLD, MADV_PAGEOUT): what stays of it, and that it
 * is there for others when memory is short. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>

#include "check.h"

#define PAGE 4096
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
#ifndef MADV_COLD
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#define FEUER_SET_PAGER 0x46425001
#define FEUER_GET_PAGER 0x46425002

static char *
map(size_t bytes)
{
    char *p = mmap(NULL, bytes, RW, ANON, -1, 0);

    CHECK(p != MAP_FAILED && madvise(p, bytes, MADV_NOHUGEPAGE) == 0);
    return p;
}

static void
fill(char *p, int pages, int seed)
{
    for (int i = 0; i < pages; i++)
        *(int *)(p + (size_t)i * PAGE) = seed + i;
}

/* Each page has what was there, or zeros: how many have kept it. */
static int
kept(const char *p, int pages, int seed)
{
    int n = 0;

    for (int i = 0; i < pages; i++) {
        int is = *(const int *)(p + (size_t)i * PAGE);
        CHECK(is == seed + i || is == 0);
        n += is != 0;
    }
    return n;
}

static long
smaps(void *at, const char *field)
{
    char line[512];
    long kib = 0, value;
    unsigned long from, to;
    size_t length = strlen(field);
    int inside = 0;
    FILE *f = fopen("/proc/self/smaps", "r");

    CHECK(f);
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = (unsigned long)at >= from && (unsigned long)at < to;
        else if (inside && !strncmp(line, field, length) &&
                 sscanf(line + length, ": %ld", &value) == 1)
            kib = value;
    }
    fclose(f);
    return kib;
}

static void
test_free_when_memory_is_there_then_a_write_takes_it_back(void)
{
    char *p = map(64 * PAGE);

    fill(p, 64, 100);
    CHECK(madvise(p, 64 * PAGE, MADV_FREE) == 0);
    CHECK(smaps(p, "LazyFree") == 256 && smaps(p, "Rss") == 256);
    fill(p + 16 * PAGE, 8, 200);
    CHECK(smaps(p, "LazyFree") < 256 && kept(p + 16 * PAGE, 8, 200) == 8);
    kept(p, 16, 100);
    fill(p, 64, 300); /* what is written stays, whatever happens */
    CHECK(kept(p, 64, 300) == 64 && smaps(p, "LazyFree") == 0);
    CHECK(madvise(p, 64 * PAGE, MADV_FREE) == 0);
    CHECK(madvise(p, 64 * PAGE, MADV_DONTNEED) == 0 && kept(p, 64, 1) == 0);
    fill(p, 64, 400);
    CHECK(smaps(p, "LazyFree") == 0 && kept(p, 64, 400) == 64);
}

static void
test_free_when_rights_or_places_change_then_new_data_stays(void)
{
    char *p = map(64 * PAGE), *q;

    fill(p, 64, 100);
    CHECK(madvise(p, 64 * PAGE, MADV_FREE) == 0);
    fill(p, 8, 200);
    CHECK(mprotect(p, 64 * PAGE, PROT_READ) == 0 && kept(p, 8, 200) == 8);
    CHECK(mprotect(p, 64 * PAGE, RW) == 0);
    kept(p + 8 * PAGE, 56, 108);
    fill(p, 64, 300);
    CHECK(madvise(p + 32 * PAGE, 32 * PAGE, MADV_FREE) == 0);
    fill(p + 40 * PAGE, 4, 777);
    q = mremap(p, 64 * PAGE, 128 * PAGE, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED && kept(q, 32, 300) == 32 && kept(q + 40 * PAGE, 4, 777) == 4);
    CHECK(munmap(q + 10 * PAGE, 10 * PAGE) == 0);
    CHECK(madvise(q, 10 * PAGE, MADV_FREE) == 0 && mlock(q, 4 * PAGE) == 0);
    fill(q, 10, 900);
    CHECK(munlock(q, 4 * PAGE) == 0 && kept(q, 10, 900) == 10);
    /* Many small ranges, more than are remembered. */
    q = map(512 * PAGE);
    fill(q, 512, 5000);
    for (int i = 0; i < 512; i += 4)
        CHECK(madvise(q + i * PAGE, 2 * PAGE, MADV_FREE) == 0);
    for (int i = 2; i < 512; i += 4)
        CHECK(kept(q + i * PAGE, 2, 5000 + i) == 2);
    kept(q, 512, 5000);
    fill(q, 512, 6000);
    CHECK(kept(q, 512, 6000) == 512);
}

static void
test_free_when_forked_then_new_data_stays(void)
{
    char *p = map(64 * PAGE);

    fill(p, 64, 100);
    CHECK(madvise(p, 64 * PAGE, MADV_FREE) == 0);
    fill(p, 32, 200);
    pid_t child = fork();
    if (child == 0) {
        CHECK(kept(p, 32, 200) == 32);
        kept(p + 32 * PAGE, 32, 132);
        CHECK(madvise(p, 64 * PAGE, MADV_FREE) == 0);
        fill(p, 4, 900);
        _exit(kept(p, 4, 900) == 4 ? 0 : 1);
    }
    CHECK(kept(p, 32, 200) == 32);
    CHECK_EXIT(child, 0);
    CHECK(kept(p, 32, 200) == 32);
    fill(p, 64, 300);
    CHECK(kept(p, 64, 300) == 64);
}

/* A child has given up a part of memory that others need: nobody is ended for it. */
static void
test_free_when_memory_is_short_then_others_get_it(void)
{
    struct sysinfo info;
    int ready[2];
    char byte;

    CHECK(sysinfo(&info) == 0 && pipe(ready) == 0);
    int pages = (int)((unsigned long long)info.freeram * info.mem_unit / PAGE);
    if (pages > 160000)
        return; /* too long for what it shows */
    int lazy = pages / 10 * 5, mine = pages / 10 * 7;
    pid_t child = fork();
    if (child == 0) {
        char *p = map((size_t)(lazy + 64) * PAGE);
        fill(p, lazy + 64, 1);
        CHECK(madvise(p, (size_t)lazy * PAGE, MADV_FREE) == 0);
        CHECK(write(ready[1], "r", 1) == 1);
        raise(SIGSTOP);
        kept(p, lazy, 1);
        _exit(kept(p + (size_t)lazy * PAGE, 64, 1 + lazy) == 64 ? 0 : 1);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    char *p = map((size_t)mine * PAGE);
    fill(p, mine, 7);
    CHECK(kept(p, mine, 7) == mine && munmap(p, (size_t)mine * PAGE) == 0);
    CHECK(kill(child, SIGCONT) == 0);
    CHECK_EXIT(child, 0);
}

static void
test_pageout_when_asked_then_nothing_is_lost(void)
{
    char *p = map(64 * PAGE);

    fill(p, 32, 100);
    memset(p + 32 * PAGE, 0, 32 * PAGE);
    CHECK(smaps(p, "Rss") == 256);
    CHECK(madvise(p, 32 * PAGE, MADV_COLD) == 0);
    CHECK(madvise(p, 64 * PAGE, MADV_PAGEOUT) == 0);
    CHECK(kept(p, 32, 100) == 32);
    for (int i = 32 * PAGE; i < 64 * PAGE; i++)
        CHECK(p[i] == 0);
    fill(p, 64, 100);
    CHECK(kept(p, 64, 100) == 64);
}

static void
test_process_madvise_when_another_process_then_its_memory(void)
{
    char *p = map(8 * PAGE);
    struct iovec v = { p, 8 * PAGE }, odd = { p + 1, PAGE };

    fill(p, 8, 1);
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    CHECK(fd >= 0);
    CHECK(syscall(SYS_process_madvise, fd, &v, 1, MADV_COLD, 0) == 8 * PAGE);
    CHECK(syscall(SYS_process_madvise, fd, &v, 1, MADV_PAGEOUT, 0) == 8 * PAGE);
    CHECK_ERROR(syscall(SYS_process_madvise, fd, &v, 1, MADV_DONTNEED, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_process_madvise, fd, &v, 1, MADV_COLD, 1), EINVAL);
    CHECK_ERROR(syscall(SYS_process_madvise, fd, &odd, 1, MADV_COLD, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_process_madvise, 99, &v, 1, MADV_COLD, 0), EBADF);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK_SIGNAL(child, SIGKILL);
    CHECK(kept(p, 8, 1) == 8);
}

static void
test_pager_when_chosen_then_kept(void)
{
    if (prctl(FEUER_GET_PAGER, 0, 0, 0, 0) < 0) {
        CHECK(errno == EINVAL); /* a system without the choice */
        return;
    }
    CHECK(prctl(FEUER_SET_PAGER, 2, 0, 0, 0) == 0);
    CHECK(prctl(FEUER_GET_PAGER, 0, 0, 0, 0) == 2);
    pid_t child = fork();
    if (child == 0)
        _exit(prctl(FEUER_GET_PAGER, 0, 0, 0, 0) == 2 ? 0 : 1);
    CHECK_EXIT(child, 0);
    CHECK_ERROR(prctl(FEUER_SET_PAGER, 3, 0, 0, 0), EINVAL);
    CHECK_ERROR(prctl(FEUER_SET_PAGER, 0, 1, 0, 0), EINVAL);
}

static void
test_thp_disable_when_set_then_inherited(void)
{
    CHECK(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1);
    CHECK_ERROR(prctl(PR_SET_THP_DISABLE, 1, 1, 0, 0), EINVAL);
    CHECK_ERROR(prctl(PR_GET_THP_DISABLE, 1, 0, 0, 0), EINVAL);
    size_t large = 2 << 20;
    char *p = mmap(NULL, 2 * large, RW, ANON, -1, 0);
    CHECK(madvise(p, 2 * large, MADV_HUGEPAGE) == 0);
    memset(p, 1, 2 * large);
    CHECK(smaps(p, "AnonHugePages") == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1 ? 0 : 1);
    CHECK_EXIT(child, 0);
}

int
main(void)
{
    RUN(test_free_when_memory_is_there_then_a_write_takes_it_back, madvise);
    RUN(test_free_when_rights_or_places_change_then_new_data_stays, madvise, mprotect,
        mremap);
    RUN(test_free_when_forked_then_new_data_stays, madvise, fork);
    RUN(test_free_when_memory_is_short_then_others_get_it, madvise);
    RUN(test_pageout_when_asked_then_nothing_is_lost, madvise);
    RUN(test_process_madvise_when_another_process_then_its_memory, process_madvise);
    RUN(test_pager_when_chosen_then_kept, prctl);
    RUN(test_thp_disable_when_set_then_inherited, prctl);
    return check_failures != 0;
}
