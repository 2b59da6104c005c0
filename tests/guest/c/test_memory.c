/* SPDX-License-Identifier: MIT */
/* Memory: mmap, munmap, mprotect, brk, mremap, copy on write. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PAGE 4096
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW   (PROT_READ | PROT_WRITE)

static sigjmp_buf landing;

static void
jump(int number)
{
    siglongjmp(landing, number);
}

/* What touching ADDRESS gives: 0, or the signal. */
static int
touch(volatile char *address, int write_it)
{
    int got;

    signal(SIGSEGV, jump);
    signal(SIGBUS, jump);
    got = sigsetjmp(landing, 1);
    if (got == 0) {
        if (write_it)
            *address = 1;
        else
            (void)*address;
    }
    return got;
}

static void
test_mmap_when_anonymous_then_zero_and_writable(void)
{
    enum { SIZE = 300 * PAGE };
    char *area = mmap(NULL, SIZE, RW, ANON, -1, 0);

    CHECK(area != MAP_FAILED && (uintptr_t)area % PAGE == 0);
    for (int i = 0; i < SIZE; i += 512)
        CHECK(area[i] == 0);
    memset(area, 0x5a, SIZE);
    for (int i = 0; i < SIZE; i += 511)
        CHECK(area[i] == 0x5a);
    CHECK(munmap(area, SIZE) == 0);
    CHECK(touch(area, 0) == SIGSEGV && touch(area + SIZE - 1, 0) == SIGSEGV);
    area = mmap(NULL, SIZE, RW, ANON, -1, 0);
    CHECK(area != MAP_FAILED);
    for (int i = 0; i < SIZE; i += 512)
        CHECK(area[i] == 0);
}

static void
test_munmap_when_in_the_middle_then_rest_stays(void)
{
    char *area = mmap(NULL, 8 * PAGE, RW, ANON, -1, 0);

    CHECK(area != MAP_FAILED);
    memset(area, 7, 8 * PAGE);
    CHECK(munmap(area + 2 * PAGE, 3 * PAGE) == 0);
    CHECK(touch(area + 2 * PAGE, 0) == SIGSEGV &&
          touch(area + 5 * PAGE - 1, 0) == SIGSEGV);
    CHECK(area[2 * PAGE - 1] == 7 && area[5 * PAGE] == 7);
    CHECK(munmap(area, 8 * PAGE) == 0);
    CHECK(munmap(area, 8 * PAGE) == 0);
}

static void
test_mmap_when_fixed_then_replaces(void)
{
    char *area = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0);

    CHECK(area != MAP_FAILED);
    memset(area, 1, 4 * PAGE);
    CHECK(mmap(area + PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0) == area + PAGE);
    CHECK(area[0] == 1 && area[PAGE] == 0 && area[2 * PAGE] == 1);
    CHECK_ERROR(mmap(area, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
}

static void
test_mmap_when_arguments_are_wrong_then_errors(void)
{
    int fd = open("/dev/null", O_RDONLY);

    CHECK_ERROR(mmap(NULL, 0, RW, ANON, -1, 0), EINVAL);
    CHECK_ERROR(mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0), EINVAL);
    CHECK_ERROR(mmap(NULL, PAGE, RW, MAP_PRIVATE, -1, 0), EBADF);
    CHECK_ERROR(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0), ENODEV);
    CHECK_ERROR(syscall(SYS_mmap, NULL, PAGE, RW, MAP_PRIVATE, fd, 100L), EINVAL);
    CHECK_ERROR(mmap(NULL, (size_t)1 << 50, RW, ANON, -1, 0), ENOMEM);
    CHECK_ERROR(mmap((void *)0xffff800000000000, PAGE, RW, ANON | MAP_FIXED, -1, 0),
                ENOMEM);
    CHECK_ERROR(munmap((void *)1, PAGE), EINVAL);
    CHECK_ERROR(munmap((void *)PAGE, 0), EINVAL);
    CHECK_ERROR(munmap((void *)0xffff800000000000, PAGE), EINVAL);
}

static void
test_mprotect_when_changed_then_obeyed(void)
{
    char *area = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0);

    CHECK(area != MAP_FAILED);
    memset(area, 3, 4 * PAGE);
    CHECK(mprotect(area + PAGE, PAGE, PROT_READ) == 0);
    CHECK(touch(area + PAGE, 0) == 0 && touch(area + PAGE, 1) == SIGSEGV);
    CHECK(touch(area, 1) == 0 && touch(area + 2 * PAGE, 1) == 0);
    CHECK(mprotect(area + 2 * PAGE, PAGE, PROT_NONE) == 0);
    CHECK(touch(area + 2 * PAGE, 0) == SIGSEGV);
    CHECK(mprotect(area, 4 * PAGE, RW) == 0);
    CHECK(touch(area + 2 * PAGE, 1) == 0 && area[2 * PAGE + 1] == 3);
    CHECK_ERROR(syscall(SYS_mprotect, area + 1, PAGE, RW), EINVAL);
    CHECK(munmap(area + PAGE, PAGE) == 0);
    CHECK_ERROR(mprotect(area, 4 * PAGE, RW), ENOMEM);
}

static void
test_execute_when_not_allowed_then_segv(void)
{
    unsigned char *code = mmap(NULL, PAGE, RW, ANON, -1, 0);
    int (*function)(void) = (int (*)(void))(uintptr_t)code;
    int got;

    /* mov $42, %eax; ret */
    memcpy(code, "\xb8\x2a\x00\x00\x00\xc3", 6);
    signal(SIGSEGV, jump);
    got = sigsetjmp(landing, 1);
    if (got == 0)
        function();
    CHECK(got == SIGSEGV);
    CHECK(mprotect(code, PAGE, PROT_READ | PROT_EXEC) == 0);
    CHECK(function() == 42);
}

static void
test_fork_when_private_then_copied_and_shared_then_shared(void)
{
    char *private = mmap(NULL, 16 * PAGE, RW, ANON, -1, 0);
    char *shared = mmap(NULL, 16 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child;

    CHECK(private != MAP_FAILED && shared != MAP_FAILED);
    memset(private, 1, 16 * PAGE);
    shared[5] = 1;
    child = fork();
    if (child == 0) {
        for (int i = 0; i < 16; i++) {
            CHECK(private[i * PAGE] == 1);
            private[i * PAGE] = 2;
            shared[i * PAGE] = (char)(i + 1);
        }
        CHECK(shared[5] == 1);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    for (int i = 0; i < 16; i++)
        CHECK(private[i * PAGE] == 1 && shared[i * PAGE] == i + 1);
    /* After the child's end the pages are ours alone again. */
    memset(private, 9, 16 * PAGE);
    CHECK(private[16 * PAGE - 1] == 9);
}

static void
test_fork_when_three_generations_then_each_sees_its_own(void)
{
    volatile int *value = mmap(NULL, PAGE, RW, ANON, -1, 0);
    pid_t child, grandchild;

    *value = 1;
    child = fork();
    if (child == 0) {
        grandchild = fork();
        if (grandchild == 0) {
            CHECK(*value == 1);
            *value = 3;
            _exit(*value);
        }
        CHECK_EXIT(grandchild, 3);
        CHECK(*value == 1);
        *value = 2;
        _exit(*value);
    }
    CHECK_EXIT(child, 2);
    CHECK(*value == 1);
}

static void
test_file_when_mapped_then_contents_show(void)
{
    int fd = open("/tmp/test_memory.map", O_CREAT | O_TRUNC | O_RDWR, 0600);
    char *shared, *private;
    char byte;

    CHECK(fd >= 0 && ftruncate(fd, 3 * PAGE - 100) == 0);
    CHECK(pwrite(fd, "hello", 5, PAGE) == 5);
    shared = mmap(NULL, 3 * PAGE, RW, MAP_SHARED, fd, 0);
    private = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, PAGE);
    CHECK(shared != MAP_FAILED && private != MAP_FAILED);
    CHECK(memcmp(shared + PAGE, "hello", 5) == 0 && memcmp(private, "hello", 5) == 0);
    private[0] = 'j';
    CHECK(shared[PAGE] == 'h' && pread(fd, &byte, 1, PAGE) == 1 && byte == 'h');
    shared[PAGE + 1] = 'a';
    CHECK(pread(fd, &byte, 1, PAGE + 1) == 1 && byte == 'a');
    CHECK(pwrite(fd, "Z", 1, 10) == 1 && shared[10] == 'Z');
    CHECK(shared[3 * PAGE - 50] == 0);
    CHECK(close(fd) == 0 && unlink("/tmp/test_memory.map") == 0);
    CHECK(shared[10] == 'Z');
    CHECK(msync(shared, 3 * PAGE, MS_SYNC) == 0);
}

static void
test_file_when_mapped_beyond_end_then_sigbus(void)
{
    int fd = open("/tmp/test_memory.bus", O_CREAT | O_TRUNC | O_RDWR, 0600);
    char *area;

    CHECK(fd >= 0 && ftruncate(fd, 100) == 0);
    area = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);
    CHECK(area != MAP_FAILED && touch(area + 50, 0) == 0);
    CHECK(touch(area + PAGE, 0) == SIGBUS);
    CHECK(ftruncate(fd, 2 * PAGE) == 0 && touch(area + PAGE, 1) == 0);
    CHECK(unlink("/tmp/test_memory.bus") == 0);
}

static void
test_file_when_opened_for_reading_then_no_shared_writing(void)
{
    int fd = open("/tmp/test_memory.ro", O_CREAT | O_TRUNC | O_RDWR, 0600);
    int readonly = open("/tmp/test_memory.ro", O_RDONLY);
    char *area;

    CHECK(ftruncate(fd, PAGE) == 0);
    CHECK_ERROR(mmap(NULL, PAGE, RW, MAP_SHARED, readonly, 0), EACCES);
    area = mmap(NULL, PAGE, RW, MAP_PRIVATE, readonly, 0);
    CHECK(area != MAP_FAILED && touch(area, 1) == 0);
    area = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, readonly, 0);
    CHECK(area != MAP_FAILED && touch(area, 1) == SIGSEGV);
    CHECK_ERROR(mprotect(area, PAGE, RW), EACCES);
    CHECK(unlink("/tmp/test_memory.ro") == 0);
}

static void
test_brk_when_moved_then_memory_follows(void)
{
    char *start = (char *)syscall(SYS_brk, 0L);
    char *end;

    end = (char *)syscall(SYS_brk, start + 10 * PAGE + 123);
    CHECK(end == start + 10 * PAGE + 123);
    memset(start, 5, (size_t)(end - start));
    CHECK((char *)syscall(SYS_brk, start) == start);
    CHECK((char *)syscall(SYS_brk, start + 5 * PAGE) == start + 5 * PAGE);
    CHECK(start[2 * PAGE] == 0);
    CHECK((char *)syscall(SYS_brk, (char *)-PAGE) == start + 5 * PAGE);
    CHECK((char *)syscall(SYS_brk, 1L) == start + 5 * PAGE);
    CHECK((char *)syscall(SYS_brk, start) == start);
}

static void
test_mremap_when_resized_then_contents_stay(void)
{
    char *area = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0), *moved;

    memset(area, 8, 4 * PAGE);
    moved = mremap(area, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    CHECK(moved != MAP_FAILED && moved[4 * PAGE - 1] == 8 && moved[4 * PAGE] == 0);
    CHECK(mremap(moved, 64 * PAGE, 2 * PAGE, 0) == moved);
    CHECK(touch(moved + 2 * PAGE, 0) == SIGSEGV && moved[2 * PAGE - 1] == 8);
    CHECK_ERROR(mremap(moved, 0, PAGE, 0), EINVAL);
    CHECK_ERROR(mremap((char *)1, PAGE, PAGE, 0), EINVAL);
}

static void
test_madvise_when_dontneed_then_zero(void)
{
    char *area = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0);

    memset(area, 8, 4 * PAGE);
    CHECK(madvise(area + PAGE, PAGE, MADV_DONTNEED) == 0);
    CHECK(area[0] == 8 && area[PAGE] == 0 && area[2 * PAGE] == 8);
}

static void
test_malloc_when_used_much_then_consistent(void)
{
    enum { COUNT = 2000 };
    static unsigned char *blocks[COUNT];
    unsigned seed = 12345;

    for (int round = 0; round < 20000; round++) {
        unsigned i;
        size_t size;

        seed = seed * 1103515245 + 12345;
        i = seed / 65536 % COUNT;
        size = 16 + seed % 5000;
        if (blocks[i] != NULL) {
            CHECK(blocks[i][0] == (unsigned char)i && blocks[i][15] == (unsigned char)i);
            free(blocks[i]);
        }
        blocks[i] = malloc(size);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], (int)i, size);
    }
}

int
main(void)
{
    RUN(test_mmap_when_anonymous_then_zero_and_writable);
    RUN(test_munmap_when_in_the_middle_then_rest_stays);
    RUN(test_mmap_when_fixed_then_replaces);
    RUN(test_mmap_when_arguments_are_wrong_then_errors);
    RUN(test_mprotect_when_changed_then_obeyed);
    RUN(test_execute_when_not_allowed_then_segv);
    RUN(test_fork_when_private_then_copied_and_shared_then_shared);
    RUN(test_fork_when_three_generations_then_each_sees_its_own);
    RUN(test_file_when_mapped_then_contents_show);
    RUN(test_file_when_mapped_beyond_end_then_sigbus);
    RUN(test_file_when_opened_for_reading_then_no_shared_writing);
    RUN(test_brk_when_moved_then_memory_follows);
    RUN(test_mremap_when_resized_then_contents_stay);
    RUN(test_madvise_when_dontneed_then_zero);
    RUN(test_malloc_when_used_much_then_consistent);
    return check_failures != 0;
}
