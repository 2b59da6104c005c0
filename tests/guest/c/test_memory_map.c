/* SPDX-License-Identifier: MIT */
/* mmap and munmap: each flag, and each error that mmap(2) names. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "check.h"

#define PAGE 4096
#define RW (PROT_READ | PROT_WRITE)
/* Where no process has memory, with tables of four levels and of five. */
#define BEYOND ((char *)0xfffffffffff000)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static char *
map(void *at, size_t bytes, int prot, int flags)
{
    char *p = mmap(at, bytes, prot, flags, -1, 0);

    CHECK(p != MAP_FAILED);
    return p;
}

/* The call itself: musl's rounds the address down. */
static long
protect(char *at, size_t bytes, int prot)
{
    return syscall(SYS_mprotect, at, bytes, prot);
}

static int
is_present(void *at)
{
    unsigned char there = 0;

    CHECK(mincore(at, PAGE, &there) == 0);
    return there & 1;
}

static int
new_file(const char *text)
{
    int fd = open("map.file", O_CREAT | O_TRUNC | O_RDWR, 0644);

    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    return fd;
}

static void
test_mmap_when_size_is_zero_or_too_large_then_error(void)
{
    CHECK_ERROR(mmap(NULL, 0, PROT_READ, ANON, -1, 0), EINVAL);
    CHECK_ERROR(mmap(NULL, SIZE_MAX - PAGE, PROT_READ, ANON, -1, 0), ENOMEM);
    CHECK_ERROR(mmap(NULL, SIZE_MAX, PROT_READ, ANON, -1, 0), ENOMEM);
    CHECK_ERROR(mmap(NULL, (size_t)1 << 47, PROT_READ, ANON, -1, 0), ENOMEM);
    CHECK_ERROR(mmap(NULL, (size_t)1 << 46, RW, ANON, -1, 0), ENOMEM);
    map(NULL, (size_t)1 << 44, PROT_NONE, ANON | MAP_NORESERVE);
}

static void
test_mmap_when_type_or_flags_are_wrong_then_error(void)
{
    int fd = new_file("some text");

    CHECK_ERROR(mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0), EINVAL);
    CHECK_ERROR(mmap(NULL, PAGE, RW, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0), EINVAL);
    CHECK_ERROR(mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0),
                EINVAL);
    CHECK_ERROR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0),
                EOPNOTSUPP);
    CHECK_ERROR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_GROWSDOWN, fd, 0), EINVAL);
    CHECK_ERROR(mmap(NULL, PAGE, PROT_READ, 0, fd, 0), EINVAL);
    CHECK_ERROR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 100), EINVAL);
    CHECK_ERROR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, -PAGE), EOVERFLOW);
    CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE, fd, 0) != MAP_FAILED);
}

static void
test_mmap_when_descriptor_is_wrong_then_error(void)
{
    int ends[2], directory = open(".", O_RDONLY), path = open(".", O_PATH);

    CHECK(pipe(ends) == 0 && directory >= 0 && path >= 0);
    CHECK_ERROR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0), EBADF);
    CHECK_ERROR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 1000, 0), EBADF);
    CHECK_ERROR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, path, 0), EBADF);
    CHECK_ERROR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, ends[0], 0), ENODEV);
    CHECK_ERROR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, directory, 0), ENODEV);
}

static void
test_mmap_when_file_is_not_open_for_it_then_eacces(void)
{
    close(new_file("some text"));
    int reader = open("map.file", O_RDONLY), writer = open("map.file", O_WRONLY);

    CHECK_ERROR(mmap(NULL, PAGE, PROT_WRITE, MAP_PRIVATE, writer, 0), EACCES);
    CHECK_ERROR(mmap(NULL, PAGE, RW, MAP_SHARED, reader, 0), EACCES);
    CHECK(mmap(NULL, PAGE, RW, MAP_PRIVATE, reader, 0) != MAP_FAILED);
    char *shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, reader, 0);
    CHECK(shared != MAP_FAILED && memcmp(shared, "some", 4) == 0);
    CHECK_ERROR(mprotect(shared, PAGE, RW), EACCES);
}

static void
test_mmap_when_a_place_is_free_then_the_hint_is_taken(void)
{
    char *p = map(NULL, 8 * PAGE, PROT_NONE, ANON);

    CHECK(munmap(p, 8 * PAGE) == 0);
    CHECK(map(p + 2 * PAGE + 100, PAGE, RW, ANON) == p + 2 * PAGE);
    CHECK(map(p + 2 * PAGE, PAGE, RW, ANON) != p + 2 * PAGE);
}

static void
test_mmap_when_fixed_noreplace_then_nothing_is_replaced(void)
{
    char *p = map(NULL, 4 * PAGE, RW, ANON);

    p[PAGE] = 7;
    CHECK_ERROR(mmap(p + PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
    CHECK_ERROR(mmap(p - PAGE, 2 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
    CHECK(p[PAGE] == 7);
    CHECK(munmap(p + PAGE, PAGE) == 0);
    CHECK(map(p + PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE) == p + PAGE);
    CHECK(p[PAGE] == 0);
    CHECK_ERROR(mmap(p + 100, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), EINVAL);
    CHECK_ERROR(mmap(p + 100, PAGE, RW, ANON | MAP_FIXED, -1, 0), EINVAL);
}

static void
test_mmap_when_fixed_beyond_the_top_then_enomem(void)
{
    char *top = BEYOND;

    CHECK_ERROR(mmap(top, PAGE, RW, ANON | MAP_FIXED, -1, 0), ENOMEM);
    CHECK_ERROR(mmap(top - PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0), ENOMEM);
}

static void
test_mmap_when_32bit_then_below_2gib(void)
{
    for (int i = 0; i < 10; i++) {
        char *p = map(NULL, 16 * PAGE, RW, ANON | MAP_32BIT);

        CHECK((uintptr_t)p >= 0x40000000 && (uintptr_t)p + 16 * PAGE <= 0x80000000);
        p[5] = 1;
    }
    CHECK_ERROR(mmap(NULL, (size_t)2 << 30, PROT_NONE, ANON | MAP_32BIT, -1, 0), ENOMEM);
}

static void
test_mmap_when_populated_then_pages_are_there(void)
{
    char *lazy = map(NULL, 2 * PAGE, RW, ANON);
    char *eager = map(NULL, 4 * PAGE, RW, ANON | MAP_POPULATE);

    CHECK(!is_present(lazy) && !is_present(lazy + PAGE));
    for (int i = 0; i < 4; i++)
        CHECK(is_present(eager + i * PAGE));
    CHECK(!is_present(map(NULL, PAGE, RW, ANON | MAP_POPULATE | MAP_NONBLOCK)));
    CHECK(is_present(map(NULL, PAGE, RW, ANON | MAP_LOCKED)));
}

static void
test_mmap_when_grows_down_then_pages_come_below(void)
{
    char *room = map(NULL, 2048 * PAGE, PROT_NONE, ANON);

    CHECK(munmap(room, 2048 * PAGE) == 0);
    char *p = map(room + 2047 * PAGE, PAGE, RW,
                  ANON | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE);
    for (int i = 1; i < 20; i++)
        p[-i * PAGE] = (char)i;
    for (int i = 1; i < 20; i++)
        CHECK(p[-i * PAGE] == (char)i);
}

static void
test_mmap_when_prot_none_then_no_access(void)
{
    int ends[2];
    char *p = map(NULL, PAGE, PROT_NONE, ANON);

    CHECK(pipe(ends) == 0);
    CHECK_ERROR(write(ends[1], p, 1), EFAULT);
    CHECK(mprotect(p, PAGE, PROT_READ) == 0 && write(ends[1], p, 1) == 1);
    CHECK_ERROR(read(ends[0], p, 1), EFAULT);
}

static void
test_mmap_when_file_shared_then_both_see_writes(void)
{
    int fd = new_file("0123456789");
    char *a = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), text[4];
    char *b = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);

    CHECK(a != MAP_FAILED && b != MAP_FAILED && close(fd) == 0);
    a[1] = 'x';
    fd = open("map.file", O_RDWR);
    CHECK(pread(fd, text, 3, 0) == 3 && memcmp(text, "0x2", 3) == 0 && b[1] == 'x');
    CHECK(pwrite(fd, "yz", 2, 2) == 2 && a[2] == 'y' && a[3] == 'z');
    a[20] = 'q'; /* behind the end: not of the file */
    CHECK(lseek(fd, 0, SEEK_END) == 10);
}

static void
test_mmap_when_dev_zero_then_anonymous(void)
{
    int fd = open("/dev/zero", O_RDWR);
    char *shared = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
    char *private = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0);

    CHECK(fd >= 0 && shared != MAP_FAILED && private != MAP_FAILED);
    pid_t child = fork();
    if (child == 0) {
        shared[0] = private[0] = 5;
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    CHECK(shared[0] == 5 && private[0] == 0);
}

static void
test_munmap_when_arguments_are_wrong_then_einval(void)
{
    char *p = map(NULL, 4 * PAGE, RW, ANON);

    CHECK_ERROR(munmap(p + 1, PAGE), EINVAL);
    CHECK_ERROR(munmap(p, 0), EINVAL);
    CHECK_ERROR(munmap(p, SIZE_MAX), EINVAL);
    CHECK_ERROR(munmap(BEYOND, 2 * PAGE), EINVAL);
    CHECK(munmap(p + PAGE, 1) == 0 && munmap(p + PAGE, PAGE) == 0);
    p[0] = p[2 * PAGE] = 1;
    CHECK(munmap(p, 4 * PAGE) == 0);
}

static void
test_mmap_when_address_space_is_limited_then_enomem(void)
{
    struct rlimit limit = { 64 << 20, 64 << 20 };

    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    char *p = map(NULL, 32 << 20, PROT_NONE, ANON);
    CHECK_ERROR(mmap(NULL, 40 << 20, PROT_NONE, ANON, -1, 0), ENOMEM);
    CHECK(map(p, 32 << 20, PROT_NONE, ANON | MAP_FIXED) == p); /* counts once */
    CHECK_ERROR(mremap(p, 32 << 20, 70 << 20, MREMAP_MAYMOVE), ENOMEM);
    CHECK(munmap(p, 32 << 20) == 0);
    map(NULL, 40 << 20, PROT_NONE, ANON);
}

static void
test_mmap_when_data_is_limited_then_enomem(void)
{
    struct rlimit limit = { 16 << 20, 16 << 20 };

    CHECK(setrlimit(RLIMIT_DATA, &limit) == 0);
    char *p = map(NULL, 8 << 20, RW, ANON);
    CHECK_ERROR(mmap(NULL, 12 << 20, RW, ANON, -1, 0), ENOMEM);
    char *none = map(NULL, 12 << 20, PROT_NONE, ANON);
    CHECK_ERROR(mprotect(none, 12 << 20, RW), ENOMEM);
    CHECK(mprotect(none, 1 << 20, RW) == 0);
    map(NULL, 20 << 20, RW, MAP_SHARED | MAP_ANONYMOUS);
    CHECK(munmap(p, 8 << 20) == 0);
    CHECK(sbrk(20 << 20) == (void *)-1 && errno == ENOMEM);
}

static void
test_mprotect_when_arguments_are_wrong_then_errors(void)
{
    char *p = map(NULL, 4 * PAGE, RW, ANON);

    CHECK_ERROR(protect(p + 1, PAGE, PROT_READ), EINVAL);
    CHECK_ERROR(protect(p, PAGE, 0x40), EINVAL);
    CHECK_ERROR(protect(p, PAGE, PROT_READ | PROT_GROWSUP | PROT_GROWSDOWN), EINVAL);
    CHECK_ERROR(protect(p, PAGE, PROT_READ | PROT_GROWSDOWN), EINVAL);
    CHECK(mprotect(p, 0, PROT_READ) == 0);
    CHECK(munmap(p + PAGE, PAGE) == 0);
    CHECK_ERROR(protect(p + PAGE, PAGE, PROT_READ), ENOMEM);
    CHECK_ERROR(protect(p, 4 * PAGE, PROT_READ), ENOMEM);
    CHECK_ERROR(protect(p, SIZE_MAX & ~(size_t)(PAGE - 1), PROT_READ), ENOMEM);
}

static void
test_mmap_when_there_are_very_many_then_enomem(void)
{
    int count = 0;

    while (count < 100000 && mmap(NULL, PAGE, count % 2 ? PROT_READ : PROT_NONE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
        count++;
    CHECK(errno == ENOMEM && count > 65000 && count < 65530);
}

int
main(void)
{
    RUN(test_mmap_when_size_is_zero_or_too_large_then_error, mmap);
    RUN(test_mmap_when_type_or_flags_are_wrong_then_error, mmap);
    RUN(test_mmap_when_descriptor_is_wrong_then_error, mmap);
    RUN(test_mmap_when_file_is_not_open_for_it_then_eacces, mmap, mprotect);
    RUN(test_mmap_when_a_place_is_free_then_the_hint_is_taken, mmap);
    RUN(test_mmap_when_fixed_noreplace_then_nothing_is_replaced, mmap);
    RUN(test_mmap_when_fixed_beyond_the_top_then_enomem, mmap);
    RUN(test_mmap_when_32bit_then_below_2gib, mmap);
    RUN(test_mmap_when_populated_then_pages_are_there, mmap, mincore);
    RUN(test_mmap_when_grows_down_then_pages_come_below, mmap);
    RUN(test_mmap_when_prot_none_then_no_access, mmap, mprotect);
    RUN(test_mmap_when_file_shared_then_both_see_writes, mmap);
    RUN(test_mmap_when_dev_zero_then_anonymous, mmap);
    RUN(test_munmap_when_arguments_are_wrong_then_einval, munmap);
    RUN(test_mmap_when_address_space_is_limited_then_enomem, mmap, mremap, setrlimit);
    RUN(test_mmap_when_data_is_limited_then_enomem, mmap, mprotect, brk, setrlimit);
    RUN(test_mprotect_when_arguments_are_wrong_then_errors, mprotect);
    RUN(test_mmap_when_there_are_very_many_then_enomem, mmap);
    return check_failures != 0;
}
