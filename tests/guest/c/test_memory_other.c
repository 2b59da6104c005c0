/* SPDX-License-Identifier: MIT */
/* process_vm_readv, process_vm_writev, remap_file_pages, and what mprotect leaves behind
 * when it fails. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

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

/* A child that stands still with `at` as it is now, until the parent ends it. */
static pid_t
child_that_waits(void)
{
    int ready[2];
    char byte;

    CHECK(pipe(ready) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(write(ready[1], "r", 1) == 1);
        for (;;)
            pause();
    }
    CHECK(child > 0 && read(ready[0], &byte, 1) == 1);
    return child;
}

static void
end(pid_t child)
{
    CHECK(kill(child, 9) == 0);
    CHECK_SIGNAL(child, 9);
}

static void
test_process_vm_when_another_process_then_bytes_move(void)
{
    char *p = map(8 * PAGE, ANON), back[100];
    memset(p, 'c', 8 * PAGE);
    pid_t child = child_that_waits();
    memset(p, 'p', 8 * PAGE);
    struct iovec mine[2] = { { back, 10 }, { back + 10, 90 } };
    struct iovec theirs[3] = { { p + PAGE - 5, 50 }, { p, 0 }, { p + 5 * PAGE, 50 } };
    CHECK(process_vm_readv(child, mine, 2, theirs, 3, 0) == 100);
    for (int i = 0; i < 100; i++)
        CHECK(back[i] == 'c');
    memset(back, 'w', sizeof back);
    CHECK(process_vm_writev(child, mine, 2, theirs, 3, 0) == 100);
    struct iovec big = { p, 8 * PAGE }, all = { p, 8 * PAGE };
    CHECK(process_vm_readv(child, &all, 1, &big, 1, 0) == 8 * PAGE);
    CHECK(p[PAGE - 6] == 'c' && p[PAGE - 5] == 'w' && p[PAGE + 44] == 'w');
    CHECK(p[PAGE + 45] == 'c' && p[5 * PAGE + 49] == 'w' && p[5 * PAGE + 50] == 'c');
    /* The shorter of both counts. */
    struct iovec few = { back, 7 };
    CHECK(process_vm_readv(child, &few, 1, &big, 1, 0) == 7);
    end(child);
}

static void
test_process_vm_when_a_part_is_missing_then_what_came_before(void)
{
    char *p = map(3 * PAGE, ANON), *to = map(4 * PAGE, ANON);
    memset(p, 'x', 3 * PAGE);
    CHECK(munmap(p + PAGE, PAGE) == 0);
    pid_t child = child_that_waits();
    struct iovec mine = { to, 3 * PAGE }, theirs = { p, 3 * PAGE };
    CHECK(process_vm_readv(child, &mine, 1, &theirs, 1, 0) == PAGE);
    struct iovec two[2] = { { p + 2 * PAGE, 100 }, { p + PAGE, 100 } };
    CHECK(process_vm_readv(child, &mine, 1, two, 2, 0) == 100);
    theirs.iov_base = p + PAGE;
    CHECK_ERROR(process_vm_readv(child, &mine, 1, &theirs, 1, 0), EFAULT);
    theirs.iov_base = p;
    mine.iov_base = p + PAGE; /* not there on our side */
    mine.iov_len = PAGE;
    CHECK_ERROR(process_vm_readv(child, &mine, 1, &theirs, 1, 0), EFAULT);
    CHECK_ERROR(process_vm_writev(child, &mine, 1, &theirs, 1, 0), EFAULT);
    end(child);
    /* What may not be written is not. */
    CHECK(mprotect(p, PAGE, PROT_READ) == 0);
    child = child_that_waits();
    mine.iov_base = to;
    CHECK_ERROR(process_vm_writev(child, &mine, 1, &theirs, 1, 0), EFAULT);
    CHECK(process_vm_readv(child, &mine, 1, &theirs, 1, 0) == PAGE);
    end(child);
}

static void
test_process_vm_when_arguments_are_wrong_then_errors(void)
{
    char buffer[16];
    struct iovec one = { buffer, 16 }, none = { buffer, 0 }, bad = { (void *)8, 16 };
    struct iovec negative = { buffer, SIZE_MAX };
    static struct iovec many[1025];
    pid_t self = getpid();

    CHECK(process_vm_readv(self, &one, 1, &one, 1, 0) == 16);
    CHECK_ERROR(process_vm_readv(self, &one, 1, &one, 1, 1), EINVAL);
    CHECK_ERROR(process_vm_readv(self, many, 1025, &one, 1, 0), EINVAL);
    CHECK_ERROR(process_vm_readv(self, &one, 1, many, 1025, 0), EINVAL);
    CHECK(process_vm_readv(self, many, 1024, &one, 1, 0) == 0);
    CHECK_ERROR(process_vm_readv(self, &one, 1, &bad, 1, 0), EFAULT);
    CHECK_ERROR(process_vm_readv(self, &bad, 1, &one, 1, 0), EFAULT);
    CHECK_ERROR(process_vm_readv(self, &one, 1, &negative, 1, 0), EINVAL);
    CHECK_ERROR(process_vm_readv(self, &negative, 1, &one, 1, 0), EINVAL);
    CHECK_ERROR(process_vm_readv(self, (struct iovec *)8, 1, &one, 1, 0), EFAULT);
    CHECK_ERROR(process_vm_readv(self, &one, 1, (struct iovec *)8, 1, 0), EFAULT);
    CHECK_ERROR(process_vm_readv(0x3fffff, &one, 1, &one, 1, 0), ESRCH);
    CHECK(process_vm_readv(0x3fffff, &none, 1, &one, 1, 0) == 0);
    CHECK(process_vm_readv(0x3fffff, &one, 1, &none, 1, 0) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    siginfo_t info;
    CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
    CHECK_ERROR(process_vm_readv(child, &one, 1, &one, 1, 0), ESRCH); /* a zombie */
    CHECK_EXIT(child, 0);
}

static void
test_process_vm_when_another_user_then_eperm(void)
{
    char buffer[16];
    struct iovec one = { buffer, 16 };
    pid_t parent = getpid();

    pid_t child = fork();
    if (child == 0) {
        CHECK(setgid(1000) == 0 && setuid(1000) == 0);
        CHECK_ERROR(process_vm_readv(parent, &one, 1, &one, 1, 0), EPERM);
        pid_t sister = child_that_waits(); /* not dumpable any more, as it changed ids */
        CHECK_ERROR(process_vm_readv(sister, &one, 1, &one, 1, 0), EPERM);
        end(sister);
        CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
        sister = child_that_waits();
        CHECK(process_vm_readv(sister, &one, 1, &one, 1, 0) == 16);
        end(sister);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

static int
file_of(int pages)
{
    int fd = memfd_create("remap", 0);

    CHECK(fd >= 0 && ftruncate(fd, (off_t)pages * PAGE) == 0);
    for (int i = 0; i < pages; i++)
        CHECK(pwrite(fd, &(char){ (char)('0' + i) }, 1, (off_t)i * PAGE) == 1);
    return fd;
}

static void
test_remap_file_pages_when_shared_then_the_order_changes(void)
{
    int fd = file_of(4);
    char *p = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);

    CHECK(p != MAP_FAILED && p[0] == '0' && p[3 * PAGE] == '3');
    CHECK(remap_file_pages(p, PAGE, 0, 3, 0) == 0);
    CHECK(remap_file_pages(p + 2 * PAGE, 2 * PAGE, 0, 0, MAP_NONBLOCK) == 0);
    CHECK(p[0] == '3' && p[PAGE] == '1' && p[2 * PAGE] == '0' && p[3 * PAGE] == '1');
    p[0] = 'n';
    char byte;
    CHECK(pread(fd, &byte, 1, 3 * PAGE) == 1 && byte == 'n');
    char *s = map(2 * PAGE, MAP_SHARED | MAP_ANONYMOUS);
    s[0] = 'a', s[PAGE] = 'b';
    CHECK(remap_file_pages(s, PAGE, 0, 1, 0) == 0 && s[0] == 'b' && s[PAGE] == 'b');
}

static void
test_remap_file_pages_when_arguments_are_wrong_then_einval(void)
{
    int fd = file_of(2);
    char *p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);
    char *q = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0), *free = map(PAGE, ANON);

    CHECK(p != MAP_FAILED && q != MAP_FAILED && munmap(free, PAGE) == 0);
    CHECK_ERROR(remap_file_pages(p, PAGE, PROT_READ, 0, 0), EINVAL);
    CHECK_ERROR(remap_file_pages(q, PAGE, 0, 0, 0), EINVAL);
    CHECK_ERROR(remap_file_pages(free, PAGE, 0, 0, 0), EINVAL);
    CHECK_ERROR(remap_file_pages(p, 0, 0, 0, 0), EINVAL);
    CHECK_ERROR(remap_file_pages(p, PAGE, 0, SIZE_MAX, 0), EINVAL);
    CHECK_ERROR(remap_file_pages(p, (size_t)1 << 40, 0, 0, 0), EINVAL);
    CHECK(p[0] == '0' && p[PAGE] == '1');
}

static sig_atomic_t caught;
#include <setjmp.h>
#include <signal.h>
static sigjmp_buf out;

static void
on_segv(int number)
{
    caught = number;
    siglongjmp(out, 1);
}

static int
can_write(char *at)
{
    struct sigaction a = { .sa_handler = on_segv, .sa_flags = SA_NODEFER };

    CHECK(sigaction(SIGSEGV, &a, NULL) == 0);
    caught = 0;
    if (sigsetjmp(out, 1) == 0)
        *(volatile char *)at = 'w';
    return caught == 0;
}

static void
test_mprotect_when_it_fails_then_what_came_before_changed(void)
{
    char *p = map(4 * PAGE, ANON);
    int fd = file_of(1), reader;
    char name[64];

    memset(p, 'm', 4 * PAGE);
    CHECK(munmap(p + 2 * PAGE, PAGE) == 0);
    CHECK_ERROR(mprotect(p, 4 * PAGE, PROT_READ), ENOMEM);
    CHECK(!can_write(p) && !can_write(p + PAGE) && can_write(p + 3 * PAGE));
    CHECK(mprotect(p, 2 * PAGE, PROT_READ) == 0 && p[0] == 'm');
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    reader = open(name, O_RDONLY);
    CHECK(reader >= 0);
    CHECK(mmap(p + 2 * PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, reader, 0) ==
          p + 2 * PAGE);
    CHECK_ERROR(mprotect(p, 4 * PAGE, RW), EACCES);
    CHECK(can_write(p) && can_write(p + PAGE) && !can_write(p + 2 * PAGE));
    CHECK(mprotect(p, 4 * PAGE, PROT_NONE) == 0 && !can_write(p + 3 * PAGE));
    CHECK_ERROR(mprotect(p + 4 * PAGE - PAGE, (size_t)1 << 46, RW), ENOMEM);
}

static void
test_mprotect_when_in_steps_then_areas_are_one_again(void)
{
    char *p = map(16 * PAGE, ANON);

    memset(p, 's', 16 * PAGE);
    for (int i = 0; i < 16; i += 2)
        CHECK(mprotect(p + i * PAGE, PAGE, PROT_READ) == 0);
    CHECK(!can_write(p) && can_write(p + PAGE) && !can_write(p + 14 * PAGE));
    CHECK(mprotect(p, 16 * PAGE, RW) == 0);
    for (int i = 0; i < 16; i++)
        CHECK(can_write(p + i * PAGE));
    /* One area can be moved as one. */
    CHECK(mremap(p, 16 * PAGE, 32 * PAGE, MREMAP_MAYMOVE) != MAP_FAILED);
}

int
main(void)
{
    RUN(test_process_vm_when_another_process_then_bytes_move, process_vm_readv,
        process_vm_writev);
    RUN(test_process_vm_when_a_part_is_missing_then_what_came_before, process_vm_readv,
        process_vm_writev);
    RUN(test_process_vm_when_arguments_are_wrong_then_errors, process_vm_readv);
    RUN(test_process_vm_when_another_user_then_eperm, process_vm_readv);
    RUN(test_remap_file_pages_when_shared_then_the_order_changes, remap_file_pages);
    RUN(test_remap_file_pages_when_arguments_are_wrong_then_einval, remap_file_pages);
    RUN(test_mprotect_when_it_fails_then_what_came_before_changed, mprotect);
    RUN(test_mprotect_when_in_steps_then_areas_are_one_again, mprotect, mremap);
    return check_failures != 0;
}
