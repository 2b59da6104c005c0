/* SPDX-License-Identifier: MIT */
/* mremap and brk: each form, and each error that the man pages name. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "check.h"

#define PAGE 4096
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static char *
map(size_t bytes, int flags)
{
    char *p = mmap(NULL, bytes, RW, flags, -1, 0);

    CHECK(p != MAP_FAILED);
    return p;
}

static void
mark(char *p, int pages)
{
    for (int i = 0; i < pages; i++)
        p[i * PAGE + 3] = (char)(i + 1);
}

static void
check_marks(const char *p, int pages)
{
    for (int i = 0; i < pages; i++)
        CHECK(p[i * PAGE + 3] == (char)(i + 1));
}

/* There is nothing mapped at P. */
static int
is_free(void *p)
{
    unsigned char there;

    return mincore(p, PAGE, &there) < 0 && errno == ENOMEM;
}

static void
test_mremap_when_arguments_are_wrong_then_errors(void)
{
    char *p = map(8 * PAGE, ANON), *q = map(8 * PAGE, ANON);

    CHECK_ERROR(mremap(p + 1, PAGE, PAGE, MREMAP_MAYMOVE), EINVAL);
    CHECK_ERROR(mremap(p, PAGE, 0, MREMAP_MAYMOVE), EINVAL);
    CHECK_ERROR(mremap(p, PAGE, PAGE, 0x100), EINVAL);
    CHECK_ERROR(mremap(p, PAGE, PAGE, MREMAP_FIXED, q), EINVAL);
    CHECK_ERROR(mremap(p, PAGE, PAGE, MREMAP_DONTUNMAP), EINVAL);
    CHECK_ERROR(mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP), EINVAL);
    CHECK_ERROR(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q + 1), EINVAL);
    CHECK_ERROR(mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + PAGE),
                EINVAL);
    CHECK_ERROR(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, 0xfffffffffff000),
                EINVAL);
    CHECK_ERROR(mremap(p, 0, PAGE, MREMAP_MAYMOVE), EINVAL); /* private */
}

static void
test_mremap_when_not_mapped_or_several_areas_then_efault(void)
{
    char *p = map(8 * PAGE, ANON);

    CHECK(mprotect(p + 2 * PAGE, PAGE, PROT_READ) == 0);
    CHECK(munmap(p + 6 * PAGE, 2 * PAGE) == 0);
    CHECK_ERROR(mremap(p, 4 * PAGE, 20 * PAGE, MREMAP_MAYMOVE), EFAULT);
    CHECK_ERROR(mremap(p + 6 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
    CHECK_ERROR(mremap(p + 5 * PAGE, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE), EFAULT);
    CHECK_ERROR(mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 100 * PAGE),
                EFAULT);
    /* To become smaller needs one mapping only where it starts. */
    CHECK(mremap(p, 6 * PAGE, PAGE, 0) == p);
    CHECK(is_free(p + PAGE) && is_free(p + 5 * PAGE));
}

static void
test_mremap_when_larger_then_in_place_or_moved(void)
{
    char *room = map(32 * PAGE, ANON);

    CHECK(munmap(room + 4 * PAGE, 28 * PAGE) == 0);
    mark(room, 4);
    CHECK(mremap(room, 4 * PAGE, 8 * PAGE, 0) == room);
    check_marks(room, 4);
    CHECK(room[7 * PAGE] == 0);
    CHECK(mmap(room + 8 * PAGE, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0) != MAP_FAILED);
    CHECK_ERROR(mremap(room, 8 * PAGE, 12 * PAGE, 0), ENOMEM);
    char *moved = mremap(room, 8 * PAGE, 12 * PAGE, MREMAP_MAYMOVE);
    CHECK(moved != MAP_FAILED && moved != room && is_free(room));
    check_marks(moved, 4);
    /* The middle of a mapping cannot grow in place. */
    CHECK_ERROR(mremap(moved + PAGE, PAGE, 2 * PAGE, 0), ENOMEM);
    CHECK(mremap(moved, 100, 12 * PAGE - 100, MREMAP_MAYMOVE) != MAP_FAILED);
}

static void
test_mremap_when_fixed_then_replaces_what_is_there(void)
{
    char *p = map(4 * PAGE, ANON), *q = map(8 * PAGE, ANON);

    mark(p, 4);
    memset(q, 'q', 8 * PAGE);
    CHECK(mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q + PAGE) ==
          q + PAGE);
    check_marks(q + PAGE, 4);
    CHECK(is_free(p) && q[0] == 'q' && q[5 * PAGE] == 'q');
    p = map(4 * PAGE, ANON);
    mark(p, 4);
    CHECK(mremap(p, 4 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
    check_marks(q, 2);
    CHECK(is_free(p) && is_free(p + 3 * PAGE));
}

static void
test_mremap_when_dontunmap_then_old_place_is_empty(void)
{
    char *p = map(4 * PAGE, ANON), *q;

    mark(p, 4);
    q = mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
    CHECK(q != MAP_FAILED && q != p);
    check_marks(q, 4);
    for (int i = 0; i < 4; i++)
        CHECK(p[i * PAGE + 3] == 0);
    mark(p, 4);
    check_marks(q, 4);
    char *at = map(4 * PAGE, ANON);
    CHECK(mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP | MREMAP_FIXED,
                 at) == at);
    check_marks(at, 4);
    CHECK(p[3] == 0);
}

static void
test_mremap_when_old_size_is_zero_then_mapped_twice(void)
{
    char *p = map(4 * PAGE, MAP_SHARED | MAP_ANONYMOUS), *q, *r;

    mark(p, 4);
    q = mremap(p, 0, 4 * PAGE, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED && q != p);
    check_marks(q, 4);
    q[PAGE] = 'x';
    CHECK(p[PAGE] == 'x');
    r = mremap(p + 2 * PAGE, 0, 2 * PAGE, MREMAP_MAYMOVE);
    CHECK(r != MAP_FAILED && r[3] == 3);
    CHECK_ERROR(mremap(p, 0, 4 * PAGE, 0), ENOMEM);
}

static void
test_mremap_when_file_is_mapped_then_grows_over_it(void)
{
    int fd = open("remap.file", O_CREAT | O_TRUNC | O_RDWR, 0644);

    CHECK(fd >= 0 && ftruncate(fd, 8 * PAGE) == 0 && pwrite(fd, "z", 1, 5 * PAGE) == 1);
    char *p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    p[0] = 'a';
    p = mremap(p, 2 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
    CHECK(p != MAP_FAILED && p[0] == 'a' && p[5 * PAGE] == 'z');
    char *q = mremap(p + 4 * PAGE, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED && q[PAGE] == 'z' && is_free(p + 4 * PAGE));
}

static void
test_mremap_when_no_access_then_contents_stay(void)
{
    char *p = map(4 * PAGE, ANON);

    mark(p, 4);
    CHECK(mprotect(p, 4 * PAGE, PROT_NONE) == 0);
    char *q = mremap(p, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED && mprotect(q, 64 * PAGE, RW) == 0);
    check_marks(q, 4);
}

/* The system call itself: the C library's may not be there. */
static char *
set_break(void *to)
{
    return (char *)syscall(SYS_brk, to);
}

static void
test_brk_when_moved_then_new_memory_is_zero(void)
{
    char *start = set_break(NULL);

    CHECK(set_break(start + 10 * PAGE) == start + 10 * PAGE);
    memset(start, 'x', 10 * PAGE);
    CHECK(set_break(start + 4 * PAGE) == start + 4 * PAGE);
    CHECK(set_break(start + 10 * PAGE) == start + 10 * PAGE);
    CHECK(start[3 * PAGE] == 'x' && start[8 * PAGE] == 0);
    CHECK(set_break(start + 5) == start + 5 && set_break(NULL) == start + 5);
}

static void
test_brk_when_it_cannot_move_then_it_stays(void)
{
    char *start = set_break(NULL);
    char *page = (char *)(((uintptr_t)start + PAGE - 1) & ~(uintptr_t)(PAGE - 1));

    CHECK(set_break((void *)16) == start);
    CHECK(set_break((void *)0xfffffffffff000) == start);
    CHECK(set_break((void *)-1) == start);
    CHECK(mmap(page + 4 * PAGE, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0) ==
          page + 4 * PAGE);
    CHECK(set_break(page + 8 * PAGE) == start);
    CHECK(set_break(page + 2 * PAGE) == page + 2 * PAGE);
}

int
main(void)
{
    RUN(test_mremap_when_arguments_are_wrong_then_errors, mremap);
    RUN(test_mremap_when_not_mapped_or_several_areas_then_efault, mremap);
    RUN(test_mremap_when_larger_then_in_place_or_moved, mremap);
    RUN(test_mremap_when_fixed_then_replaces_what_is_there, mremap);
    RUN(test_mremap_when_dontunmap_then_old_place_is_empty, mremap);
    RUN(test_mremap_when_old_size_is_zero_then_mapped_twice, mremap);
    RUN(test_mremap_when_file_is_mapped_then_grows_over_it, mremap);
    RUN(test_mremap_when_no_access_then_contents_stay, mremap, mprotect);
    RUN(test_brk_when_moved_then_new_memory_is_zero, brk);
    RUN(test_brk_when_it_cannot_move_then_it_stays, brk);
    return check_failures != 0;
}
