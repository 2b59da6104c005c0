/* SPDX-License-Identifier: MIT */
/*
 * What a program does next to memory that a fork has left in common: large anonymous
 * areas, of which both sides may have the same page tables.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>

#include "check.h"

#define PAGE 4096ul
#define TABLE (2ul << 20) /* what one page table covers */
#define TABLES 3ul

/* An area of whole page tables, written throughout. */
static unsigned char *
large_area(void)
{
    unsigned char *at = mmap(NULL, (TABLES + 1) * TABLE, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(at != MAP_FAILED);
    at = (unsigned char *)(((uintptr_t)at + TABLE - 1) & ~(TABLE - 1));
    for (unsigned long i = 0; i < TABLES * TABLE; i += PAGE)
        at[i] = (unsigned char)(i / PAGE % 251 + 1);
    return at;
}

static void
check_area(const unsigned char *at, unsigned long from, unsigned long to)
{
    for (unsigned long i = from; i < to; i += PAGE)
        CHECK(at[i] == i / PAGE % 251 + 1);
}

/* Runs `what` in the child, and looks that nothing of it shows here. */
static void
in_child(unsigned char *at, void (*what)(unsigned char *at))
{
    int status;
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        what(at);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* Through /proc/self/mem, past the protection, right behind the end of a page table. */
static void
force(unsigned char *at)
{
    int fd = open("/proc/self/mem", O_RDWR);
    unsigned char byte = 255;

    CHECK(fd >= 0);
    CHECK(pwrite(fd, &byte, 1, (off_t)(uintptr_t)(at + TABLE)) == 1);
    CHECK(pread(fd, &byte, 1, (off_t)(uintptr_t)(at + 2 * TABLE)) == 1);
    CHECK(byte == 2 * TABLE / PAGE % 251 + 1);
    CHECK(mprotect(at, TABLES * TABLE, PROT_READ) == 0);
    CHECK(at[TABLE] == 255);
    check_area(at, 0, TABLE);
    check_area(at, TABLE + PAGE, TABLES * TABLE);
    close(fd);
}

static void
test_forced_write_when_protected_memory_is_common_then_only_that_page_changes(void)
{
    static const int rights[] = { PROT_READ, PROT_NONE };

    for (unsigned i = 0; i < 2; i++) {
        unsigned char *at = large_area();

        CHECK(mprotect(at, TABLES * TABLE, rights[i]) == 0);
        in_child(at, force);
        CHECK(mprotect(at, TABLES * TABLE, PROT_READ) == 0);
        check_area(at, 0, TABLES * TABLE);
        CHECK(munmap(at, TABLES * TABLE) == 0);
    }
}

/* An area without any access, with a page or without, into the hole of a page table. */
static void
move_into_hole(unsigned char *at)
{
    for (unsigned touched = 0; touched < 2; touched++) {
        unsigned char *to = at + TABLE + TABLE / 2 + touched * 64 * PAGE;
        unsigned char *from = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        CHECK(from != MAP_FAILED);
        if (touched)
            from[3 * PAGE] = 77;
        CHECK(mprotect(from, 16 * PAGE, PROT_NONE) == 0);
        CHECK(mremap(from, 16 * PAGE, 16 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
        CHECK(mprotect(to, 16 * PAGE, PROT_READ) == 0);
        CHECK(to[3 * PAGE] == (touched ? 77 : 0));
    }
    check_area(at, 0, TABLE + TABLE / 2);
    check_area(at, 2 * TABLE, TABLES * TABLE);
}

static void
test_mremap_when_into_a_hole_of_common_memory_then_pages_move(void)
{
    unsigned char *at = large_area();

    CHECK(munmap(at + TABLE + TABLE / 2, TABLE / 2) == 0);
    in_child(at, move_into_hole);
    check_area(at, 0, TABLE + TABLE / 2);
    check_area(at, 2 * TABLE, TABLES * TABLE);
}

int
main(void)
{
    RUN(test_forced_write_when_protected_memory_is_common_then_only_that_page_changes,
        pwrite64, mprotect);
    RUN(test_mremap_when_into_a_hole_of_common_memory_then_pages_move, mremap, mprotect);
    return check_failures != 0;
}
