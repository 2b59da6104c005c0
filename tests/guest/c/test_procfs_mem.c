/* SPDX-License-Identifier: MIT */
/* /proc/self/mem is stronger than the rights of a mapping, and leaves them as they are. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

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

int
main(void)
{
    RUN(test_mem_when_written_then_pages_stay_read_only, pwrite64);
    RUN(test_mem_when_read_then_pages_stay_without_access, pread64);
    RUN(test_mem_when_file_is_shared_read_only_then_not_written, pwrite64);
    return check_failures != 0;
}
