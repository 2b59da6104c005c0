/* SPDX-License-Identifier: MIT */
/* madvise, mlock and its family, msync, mincore: effects, and the errors that the man
 * pages name. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "check.h"

#define PAGE 4096
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#ifndef MADV_COLD
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

static char *
map(size_t bytes, int flags)
{
    char *p = mmap(NULL, bytes, RW, flags, -1, 0);

    CHECK(p != MAP_FAILED);
    return p;
}

static int
present(void *at)
{
    unsigned char there = 0;

    CHECK(mincore(at, PAGE, &there) == 0);
    return there & 1;
}

static int
new_file(int pages)
{
    int fd = open("advice.file", O_CREAT | O_TRUNC | O_RDWR, 0644);

    CHECK(fd >= 0);
    for (int i = 0; i < pages; i++)
        CHECK(pwrite(fd, "data", 4, (off_t)i * PAGE) == 4);
    CHECK(ftruncate(fd, (off_t)pages * PAGE) == 0);
    return fd;
}

static void
test_madvise_when_arguments_are_wrong_then_errors(void)
{
    char *p = map(4 * PAGE, ANON);

    CHECK_ERROR(madvise(p + 1, PAGE, MADV_NORMAL), EINVAL);
    CHECK_ERROR(madvise(p, PAGE, 5), EINVAL);
    CHECK_ERROR(madvise(p, PAGE, 99), EINVAL);
    CHECK_ERROR(madvise(p, SIZE_MAX, MADV_NORMAL), EINVAL);
    CHECK(madvise(p, 0, MADV_DONTNEED) == 0);
    CHECK(munmap(p + PAGE, PAGE) == 0);
    CHECK_ERROR(madvise(p, 4 * PAGE, MADV_NORMAL), ENOMEM);
    p[0] = p[2 * PAGE] = 1;
    CHECK_ERROR(madvise(p, 4 * PAGE, MADV_DONTNEED), ENOMEM);
    CHECK(p[0] == 0 && p[2 * PAGE] == 0); /* the rest was done */
    CHECK_ERROR(madvise(p + PAGE, PAGE, MADV_WILLNEED), ENOMEM);
}

static void
test_madvise_when_dontneed_then_contents_are_as_at_first(void)
{
    int fd = new_file(2);
    char *p = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, 0);
    char *q = map(2 * PAGE, MAP_SHARED | MAP_ANONYMOUS);

    p[0] = 'X';
    q[0] = 'X';
    CHECK(madvise(p, PAGE, MADV_DONTNEED) == 0 && p[0] == 'd');
    CHECK(madvise(q, PAGE, MADV_DONTNEED) == 0 && q[0] == 'X');
}

static void
test_madvise_when_free_then_only_private_anonymous(void)
{
    int fd = new_file(1);
    char *p = map(PAGE, ANON), *q = map(PAGE, MAP_SHARED | MAP_ANONYMOUS);
    char *f = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0);

    p[0] = 'a';
    CHECK(madvise(p, PAGE, MADV_FREE) == 0 && (p[0] == 'a' || p[0] == 0));
    CHECK_ERROR(madvise(q, PAGE, MADV_FREE), EINVAL);
    CHECK_ERROR(madvise(f, PAGE, MADV_FREE), EINVAL);
}

static void
test_madvise_when_remove_then_a_hole(void)
{
    int fd = memfd_create("advice", 0), reader;
    char *p, *q = map(PAGE, ANON), byte, *s = map(2 * PAGE, MAP_SHARED | MAP_ANONYMOUS);

    CHECK(fd >= 0 && ftruncate(fd, 4 * PAGE) == 0);
    p = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    memset(p, 'r', 4 * PAGE);
    CHECK(madvise(p + PAGE, PAGE, MADV_REMOVE) == 0);
    CHECK(p[0] == 'r' && p[PAGE] == 0 && p[2 * PAGE] == 'r');
    CHECK(pread(fd, &byte, 1, PAGE) == 1 && byte == 0 && lseek(fd, 0, SEEK_END) == 4 * PAGE);
    s[0] = 's';
    CHECK(madvise(s, 2 * PAGE, MADV_REMOVE) == 0 && s[0] == 0);
    CHECK_ERROR(madvise(q, PAGE, MADV_REMOVE), EINVAL);
    reader = new_file(1);
    q = mmap(NULL, PAGE, RW, MAP_PRIVATE, reader, 0);
    CHECK_ERROR(madvise(q, PAGE, MADV_REMOVE), EACCES);
}

static void
test_madvise_when_dontfork_then_the_child_lacks_it(void)
{
    char *p = map(3 * PAGE, ANON);
    unsigned char there;

    memset(p, 'f', 3 * PAGE);
    CHECK(madvise(p + PAGE, PAGE, MADV_DONTFORK) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(p[0] == 'f' && p[2 * PAGE] == 'f');
        CHECK_ERROR(mincore(p + PAGE, PAGE, &there), ENOMEM);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    CHECK(p[PAGE] == 'f' && madvise(p + PAGE, PAGE, MADV_DOFORK) == 0);
    child = fork();
    if (child == 0)
        _exit(p[PAGE] == 'f' ? 0 : 1);
    CHECK_EXIT(child, 0);
}

static void
test_madvise_when_wipeonfork_then_the_child_sees_zero(void)
{
    char *p = map(3 * PAGE, ANON), *s = map(PAGE, MAP_SHARED | MAP_ANONYMOUS);
    int fd = new_file(1);
    char *f = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0);

    memset(p, 'w', 3 * PAGE);
    CHECK(madvise(p + PAGE, PAGE, MADV_WIPEONFORK) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(p[0] == 'w' && p[PAGE] == 0 && p[2 * PAGE] == 'w');
        p[PAGE] = 'x'; /* and so again for its own child */
        pid_t grandchild = fork();
        if (grandchild == 0)
            _exit(p[PAGE] == 0 ? 0 : 1);
        CHECK_EXIT(grandchild, 0);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    CHECK(p[PAGE] == 'w');
    CHECK_ERROR(madvise(s, PAGE, MADV_WIPEONFORK), EINVAL);
    CHECK_ERROR(madvise(f, PAGE, MADV_WIPEONFORK), EINVAL);
    CHECK(madvise(p, 3 * PAGE, MADV_KEEPONFORK) == 0);
    child = fork();
    if (child == 0)
        _exit(p[PAGE] == 'w' ? 0 : 1);
    CHECK_EXIT(child, 0);
}

static void
test_madvise_when_populate_then_present_or_error(void)
{
    char *p = map(4 * PAGE, ANON);

    CHECK(madvise(p, 2 * PAGE, MADV_POPULATE_READ) == 0 && present(p + PAGE));
    CHECK(madvise(p + 2 * PAGE, PAGE, MADV_POPULATE_WRITE) == 0 && present(p + 2 * PAGE));
    CHECK(!present(p + 3 * PAGE));
    CHECK(mprotect(p, PAGE, PROT_READ) == 0);
    CHECK_ERROR(madvise(p, PAGE, MADV_POPULATE_WRITE), EINVAL);
    CHECK(mprotect(p, PAGE, PROT_NONE) == 0);
    CHECK_ERROR(madvise(p, PAGE, MADV_POPULATE_READ), EINVAL);
    CHECK(munmap(p + PAGE, PAGE) == 0);
    CHECK_ERROR(madvise(p + PAGE, PAGE, MADV_POPULATE_READ), ENOMEM);
    int fd = new_file(1);
    char *f = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);
    CHECK_ERROR(madvise(f, 2 * PAGE, MADV_POPULATE_READ), EFAULT);
}

static void
test_madvise_when_a_hint_then_accepted(void)
{
    static const int hints[] = { MADV_NORMAL,   MADV_RANDOM,     MADV_SEQUENTIAL,
                                 MADV_WILLNEED, MADV_MERGEABLE,  MADV_UNMERGEABLE,
                                 MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP,
                                 MADV_DODUMP,   MADV_COLD,       MADV_PAGEOUT };
    char *p = map(4 * PAGE, ANON);

    memset(p, 'h', 4 * PAGE);
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        CHECK(madvise(p + PAGE, 2 * PAGE, hints[i]) == 0);
    for (int i = 0; i < 4 * PAGE; i += 100)
        CHECK(p[i] == 'h');
}

static void
test_mlock_when_locked_then_present_and_advice_refused(void)
{
    char *p = map(4 * PAGE, ANON);

    CHECK(mlock(p + 10, 2 * PAGE - 10) == 0 && present(p) && present(p + PAGE));
    CHECK(!present(p + 2 * PAGE));
    CHECK_ERROR(madvise(p, PAGE, MADV_DONTNEED), EINVAL);
    CHECK_ERROR(madvise(p, PAGE, MADV_FREE), EINVAL);
    CHECK_ERROR(madvise(p, PAGE, MADV_COLD), EINVAL);
    CHECK_ERROR(msync(p, PAGE, MS_INVALIDATE), EBUSY);
    CHECK(munlock(p, 2 * PAGE) == 0 && madvise(p, PAGE, MADV_DONTNEED) == 0);
    CHECK(syscall(SYS_mlock2, p + 3 * PAGE, PAGE, 1 /* MLOCK_ONFAULT */) == 0);
    CHECK(!present(p + 3 * PAGE));
    CHECK_ERROR(syscall(SYS_mlock2, p, PAGE, 2), EINVAL);
}

static void
test_mlock_when_not_mapped_then_enomem(void)
{
    char *p = map(4 * PAGE, ANON);

    CHECK(munmap(p + 2 * PAGE, PAGE) == 0);
    CHECK_ERROR(mlock(p, 4 * PAGE), ENOMEM);
    CHECK_ERROR(munlock(p, 4 * PAGE), ENOMEM);
    CHECK_ERROR(mlock(p + 2 * PAGE, PAGE), ENOMEM);
    CHECK_ERROR(mlock(p, SIZE_MAX - PAGE), EINVAL);
    CHECK(mprotect(p, PAGE, PROT_NONE) == 0);
    CHECK_ERROR(mlock(p, PAGE), ENOMEM);
    CHECK(mlock(p, 0) == 0);
    CHECK_ERROR(mlockall(0), EINVAL);
    CHECK_ERROR(mlockall(8), EINVAL);
    CHECK_ERROR(mlockall(MCL_ONFAULT), EINVAL);
}

static void
test_mlock_when_limited_then_enomem_eagain_or_eperm(void)
{
    struct rlimit limit = { 4 * PAGE, 4 * PAGE };
    char *p = map(16 * PAGE, ANON);

    CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0 && setuid(1000) == 0);
    CHECK(mlock(p, 3 * PAGE) == 0 && mlock(p, 4 * PAGE) == 0);
    CHECK_ERROR(mlock(p, 5 * PAGE), ENOMEM);
    CHECK_ERROR(mmap(NULL, PAGE, RW, ANON | MAP_LOCKED, -1, 0), EAGAIN);
    CHECK_ERROR(mlockall(MCL_CURRENT), ENOMEM);
    CHECK_ERROR(mremap(p, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE), EAGAIN);
    limit.rlim_cur = 0;
    CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    CHECK_ERROR(mlock(p, PAGE), EPERM);
    CHECK_ERROR(mlockall(MCL_CURRENT), EPERM);
    /* musl's mmap makes ENOMEM of it. */
    CHECK_ERROR(syscall(SYS_mmap, NULL, PAGE, RW, ANON | MAP_LOCKED, -1, 0), EPERM);
    CHECK(munlock(p, 4 * PAGE) == 0);
}

static void
test_mlockall_when_future_then_new_memory_is_present(void)
{
    CHECK(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
    char *p = map(2 * PAGE, ANON);
    CHECK(present(p) && present(p + PAGE));
    char *end = sbrk(3 * PAGE);
    if (end != (void *)-1)
        CHECK(present((char *)(((uintptr_t)end + PAGE) & ~(uintptr_t)(PAGE - 1))));
    CHECK(munlockall() == 0);
    CHECK(!present(map(PAGE, ANON)) && madvise(p, PAGE, MADV_DONTNEED) == 0);
    pid_t child = fork(); /* locks are not inherited */
    if (child == 0)
        _exit(0);
    CHECK_EXIT(child, 0);
}

static void
test_msync_when_arguments_are_wrong_then_errors(void)
{
    int fd = new_file(2);
    char *p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);

    CHECK(p != MAP_FAILED && msync(p, 2 * PAGE, MS_SYNC) == 0);
    CHECK(msync(p, PAGE, MS_ASYNC) == 0 && msync(p, PAGE, MS_INVALIDATE) == 0);
    CHECK(msync(p, 0, MS_SYNC) == 0);
    CHECK_ERROR(msync(p + 1, PAGE, MS_SYNC), EINVAL);
    CHECK_ERROR(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
    CHECK_ERROR(msync(p, PAGE, 8), EINVAL);
    CHECK_ERROR(msync(p, SIZE_MAX - PAGE, MS_SYNC), ENOMEM);
    CHECK(munmap(p + PAGE, PAGE) == 0);
    CHECK_ERROR(msync(p, 2 * PAGE, MS_SYNC), ENOMEM);
}

static void
test_mincore_when_arguments_are_wrong_then_errors(void)
{
    unsigned char there[4];
    char *p = map(4 * PAGE, ANON), *bad = mmap(NULL, PAGE, PROT_READ, ANON, -1, 0);

    p[PAGE] = 1;
    CHECK(mincore(p, 3 * PAGE + 1, there) == 0);
    CHECK(!(there[0] & 1) && (there[1] & 1) && !(there[2] & 1) && !(there[3] & 1));
    CHECK_ERROR(mincore(p + 1, PAGE, there), EINVAL);
    CHECK_ERROR(mincore(p, PAGE, (unsigned char *)16), EFAULT);
    CHECK_ERROR(mincore(p, PAGE, (unsigned char *)bad), EFAULT);
    CHECK_ERROR(mincore(p, SIZE_MAX, there), ENOMEM);
    CHECK(munmap(p + PAGE, PAGE) == 0);
    CHECK_ERROR(mincore(p, 2 * PAGE, there), ENOMEM);
    CHECK(mincore(p, 0, there) == 0);
    int fd = new_file(2);
    char *f = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(f != MAP_FAILED && mincore(f, 2 * PAGE, there) == 0);
    CHECK((there[0] & 1) && (there[1] & 1)); /* in the page cache */
}

int
main(void)
{
    RUN(test_madvise_when_arguments_are_wrong_then_errors, madvise);
    RUN(test_madvise_when_dontneed_then_contents_are_as_at_first, madvise);
    RUN(test_madvise_when_free_then_only_private_anonymous, madvise);
    RUN(test_madvise_when_remove_then_a_hole, madvise, memfd_create);
    RUN(test_madvise_when_dontfork_then_the_child_lacks_it, madvise, fork);
    RUN(test_madvise_when_wipeonfork_then_the_child_sees_zero, madvise, fork);
    RUN(test_madvise_when_populate_then_present_or_error, madvise);
    RUN(test_madvise_when_a_hint_then_accepted, madvise);
    RUN(test_mlock_when_locked_then_present_and_advice_refused, mlock, mlock2, munlock,
        msync);
    RUN(test_mlock_when_not_mapped_then_enomem, mlock, munlock, mlockall);
    RUN(test_mlock_when_limited_then_enomem_eagain_or_eperm, mlock, munlock, mlockall,
        mmap, mremap, setrlimit);
    RUN(test_mlockall_when_future_then_new_memory_is_present, mlockall, munlockall);
    RUN(test_msync_when_arguments_are_wrong_then_errors, msync);
    RUN(test_mincore_when_arguments_are_wrong_then_errors, mincore);
    return check_failures != 0;
}
