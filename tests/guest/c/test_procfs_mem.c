/* SPDX-License-Identifier: MIT */
/* /proc/self/mem is stronger than the rights of a mapping, and leaves them as they are;
 * /proc/self/pagemap tells what stands at each page. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "check.h"

#define PAGE 4096
#define PAGES 32
#define WRITTEN 5

static sigjmp_buf fault;

static void
on_fault(int number)
{
    (void)number;
    siglongjmp(fault, 1);
}

/* Does the access end with a signal? */
static int
faults(volatile char *at, int write)
{
    if (sigsetjmp(fault, 1) != 0)
        return 1;
    if (write)
        *at = 1;
    else
        (void)*at;
    return 0;
}

static int
open_mem(void)
{
    int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

    CHECK(fd >= 0);
    signal(SIGSEGV, on_fault);
    return fd;
}

static void
test_mem_when_written_then_pages_stay_read_only(void)
{
    static char bytes[WRITTEN * PAGE];
    char *at = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = open_mem();

    CHECK(at != MAP_FAILED);
    memset(bytes, 'x', sizeof bytes);
    CHECK(pwrite(fd, bytes, sizeof bytes, (off_t)(long)at) == sizeof bytes);
    for (int i = 0; i < PAGES; i++) {
        CHECK(faults(at + i * PAGE, 1));
        CHECK(at[i * PAGE] == (i < WRITTEN ? 'x' : 0));
    }
}

static void
test_mem_when_read_then_pages_stay_without_access(void)
{
    char byte, *at;
    int fd = open_mem(), file = open("/proc/self/exe", O_RDONLY);

    at = mmap(NULL, PAGES * PAGE, PROT_NONE, MAP_PRIVATE, file, 0);
    CHECK(at != MAP_FAILED && close(file) == 0);
    CHECK(pread(fd, &byte, 1, (off_t)(long)at) == 1 && byte == 0x7f);
    for (int i = 0; i < PAGES; i++)
        CHECK(faults(at + i * PAGE, 0));
}

static void
test_mem_when_file_is_shared_read_only_then_not_written(void)
{
    char *at;
    int fd = open_mem(), file = open("/tmp/mem.file", O_CREAT | O_RDWR | O_TRUNC, 0600);

    CHECK(file >= 0 && ftruncate(file, PAGE) == 0);
    at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0);
    CHECK(at != MAP_FAILED);
    CHECK_ERROR(pwrite(fd, "x", 1, (off_t)(long)at), EIO);
    CHECK(at[0] == 0 && unlink("/tmp/mem.file") == 0);
}

/* Verify that each page's word says what is there: the frame's number only to who may know it. */
static uint64_t
word_of(int fd, const void *at)
{
    uint64_t w = 1;
    CHECK(pread(fd, &w, sizeof w, (off_t)((uintptr_t)at / 4096 * 8)) == sizeof w);
    return w;
}

static void
test_pagemap_when_read_then_tells_pages(void)
{
    char *p = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int fd = open("/proc/self/pagemap", O_RDONLY);
    uint64_t w[8];
    CHECK(fd >= 0);
    p[2 * 4096] = s[0] = 1;
    CHECK((word_of(fd, p + 6 * 4096) & ~(1ull << 55)) == 0); /* but for "soft-dirty" */
    uint64_t w2 = word_of(fd, p + 2 * 4096);
    CHECK((w2 >> 63) == 1 && (w2 >> 62 & 1) == 0 && (w2 >> 61 & 1) == 0 && (w2 >> 56 & 1) == 1);
    CHECK((w2 & ((1ull << 55) - 1)) != 0); /* root */
    CHECK((word_of(fd, s) >> 61 & 5) == 5);
    CHECK(pread(fd, w, sizeof w, (off_t)((uintptr_t)p / 4096 * 8)) == sizeof w && w[2] == w2);
    CHECK_ERROR(pread(fd, w, 4, 0), EINVAL);
    CHECK_ERROR(pread(fd, w, 8, 3), EINVAL);
    pid_t child = fork();
    if (child == 0) {
        CHECK(setuid(1000) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
        CHECK((word_of(fd, p + 2 * 4096) & ((1ull << 55) - 1)) != 0); /* the opener's rights */
        int own = open("/proc/self/pagemap", O_RDONLY);
        p[3 * 4096] = 1;
        CHECK(own >= 0 && (word_of(own, p + 3 * 4096) & ~(1ull << 55)) ==
                           (1ull << 63 | 1ull << 56));
        _exit(check_failures != 0);
    }
    CHECK_EXIT(child, 0);
    close(fd);
}

int
main(void)
{
    RUN(test_mem_when_written_then_pages_stay_read_only, pwrite64);
    RUN(test_mem_when_read_then_pages_stay_without_access, pread64);
    RUN(test_mem_when_file_is_shared_read_only_then_not_written, pwrite64);
    RUN(test_pagemap_when_read_then_tells_pages, pread64, openat);
    return check_failures != 0;
}
