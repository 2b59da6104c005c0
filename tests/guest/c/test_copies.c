/* SPDX-License-Identifier: MIT */
/*
 * Large moves between a program and the system: every size and offset delivers its bytes
 * and no other, a hole in the middle stops them at the very byte, and the program's vector
 * registers are what they were, whatever the system copies with.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "check.h"

#define PAGE 4096u
#define BYTES (20 * PAGE)
#define REGISTERS 1024u /* 16 of 64 bytes; of each what the processor has: 16, 32 or 64 */

static unsigned char pattern[BYTES], got[BYTES + PAGE];

static unsigned
next_random(void)
{
    static unsigned state = 12345;

    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

static int
pattern_file(void)
{
    int fd = memfd_create("copies", 0);

    CHECK(fd >= 0);
    for (unsigned i = 0; i < BYTES; i++)
        pattern[i] = (unsigned char)next_random();
    CHECK(pwrite(fd, pattern, BYTES, 0) == BYTES);
    return fd;
}

static void
test_read_when_any_size_and_offset_then_these_bytes_and_no_other(void)
{
    int fd = pattern_file();

    for (int round = 0; round < 3000; round++) {
        unsigned size = next_random() % (round < 2000 ? 1500 : BYTES);
        unsigned from = next_random() % (BYTES - size), to = next_random() % (BYTES - size);

        memset(got, 0xa5, sizeof got);
        CHECK(pread(fd, got + to, size, from) == (ssize_t)size);
        CHECK(memcmp(got + to, pattern + from, size) == 0);
        for (unsigned i = to > 64 ? to - 64 : 0; i < to; i++)
            CHECK(got[i] == 0xa5);
        for (unsigned i = to + size; i < to + size + 64; i++)
            CHECK(got[i] == 0xa5);
    }
}

static void
test_write_when_any_size_and_offset_then_these_bytes_and_no_other(void)
{
    int fd = pattern_file(), other = memfd_create("other", 0);
    static unsigned char model[BYTES];

    CHECK(other >= 0 && ftruncate(other, BYTES) == 0);
    for (int round = 0; round < 2000; round++) {
        unsigned size = next_random() % (round < 1500 ? 1500 : BYTES);
        unsigned from = next_random() % (BYTES - size), to = next_random() % (BYTES - size);

        CHECK(pwrite(other, pattern + from, size, to) == (ssize_t)size);
        memcpy(model + to, pattern + from, size);
    }
    CHECK(pread(other, got, BYTES, 0) == BYTES && memcmp(got, model, BYTES) == 0);
    close(fd);
}

/* What a read delivers before a page that is not there, at each distance to its start. */
static void
test_read_when_a_page_is_missing_then_what_came_is_right(void)
{
    int fd = pattern_file();
    unsigned char *area = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(area != MAP_FAILED && munmap(area + 3 * PAGE, PAGE) == 0);
    for (unsigned before = 1; before < 2 * PAGE; before += before < 1200 ? 1 : 97) {
        unsigned char *to = area + 3 * PAGE - before;
        ssize_t came;

        memset(area, 0, 3 * PAGE);
        came = pread(fd, to, before + 3 * PAGE, before);
        CHECK((came == -1 && errno == EFAULT) || (came > 0 && came <= (ssize_t)before));
        if (came > 0)
            CHECK(memcmp(to, pattern + before, (size_t)came) == 0);
    }
}

/* The same with pages that only have to be brought in: all of it comes. */
static void
test_read_when_pages_are_fresh_then_all_of_it_comes(void)
{
    int fd = pattern_file();

    for (unsigned start = 0; start < PAGE; start += 61) {
        unsigned char *area = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        CHECK(area != MAP_FAILED);
        CHECK(pread(fd, area + start, 5 * PAGE, 7) == 5 * PAGE);
        CHECK(memcmp(area + start, pattern + 7, 5 * PAGE) == 0);
        for (unsigned i = 0; i < start; i++)
            CHECK(area[i] == 0);
        CHECK(munmap(area, 8 * PAGE) == 0);
    }
}

/* Bytes of a vector register. */
static unsigned
register_bytes(void)
{
    return __builtin_cpu_supports("avx512f") ? 64 : __builtin_cpu_supports("avx") ? 32 : 16;
}

/* A system call with all vector registers loaded before and stored behind it. */
static long
call_with_registers(unsigned width, const void *before, void *behind, long number, long a, long b,
                    long c, long d)
{
    register long r10 __asm__("r10") = d;
    register const void *r12 __asm__("r12") = before;
    register void *r13 __asm__("r13") = behind;
    long result = number;

#define EACH(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12) M(13) \
    M(14) M(15)
#define LOAD_Z(N) "vmovdqu64 64*" #N "(%%r12), %%zmm" #N "\n\t"
#define STORE_Z(N) "vmovdqu64 %%zmm" #N ", 64*" #N "(%%r13)\n\t"
#define LOAD_Y(N) "vmovdqu 64*" #N "(%%r12), %%ymm" #N "\n\t"
#define STORE_Y(N) "vmovdqu %%ymm" #N ", 64*" #N "(%%r13)\n\t"
#define LOAD_X(N) "movdqu 64*" #N "(%%r12), %%xmm" #N "\n\t"
#define STORE_X(N) "movdqu %%xmm" #N ", 64*" #N "(%%r13)\n\t"
#define CALL(LOAD, STORE)                                                              \
    __asm__ volatile(EACH(LOAD) "syscall\n\t" EACH(STORE)                              \
                     : "+a"(result)                                                    \
                     : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r12), "r"(r13)            \
                     : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", \
                       "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",       \
                       "xmm12", "xmm13", "xmm14", "xmm15")
    if (width == 64)
        CALL(LOAD_Z, STORE_Z);
    else if (width == 32)
        CALL(LOAD_Y, STORE_Y);
    else
        CALL(LOAD_X, STORE_X);
    return result;
}

static void
check_registers(unsigned width, const unsigned char *before, const unsigned char *behind)
{
    for (unsigned i = 0; i < REGISTERS; i += 64)
        CHECK(memcmp(before + i, behind + i, width) == 0);
}

static void
test_calls_when_large_then_vector_registers_stay(void)
{
    unsigned width = register_bytes();
    int fd = pattern_file(), ring[2];
    unsigned char before[REGISTERS], behind[REGISTERS];

    CHECK(pipe(ring) == 0);
    for (unsigned round = 0; round < 40; round++) {
        unsigned char *fresh = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        CHECK(fresh != MAP_FAILED);
        for (unsigned i = 0; i < REGISTERS; i++)
            before[i] = (unsigned char)next_random();
        /* Fresh pages: faults and clearing in the middle of the copy. */
        CHECK(call_with_registers(width, before, behind, SYS_pread64, fd, (long)fresh + round,
                                  5 * PAGE, 3) == 5 * PAGE);
        check_registers(width, before, behind);
        CHECK(call_with_registers(width, before, behind, SYS_pread64, fd, (long)fresh + round,
                                  5 * PAGE, 3) == 5 * PAGE);
        check_registers(width, before, behind);
        CHECK(call_with_registers(width, before, behind, SYS_pwrite64, fd, (long)pattern,
                                  BYTES, 0) == BYTES);
        check_registers(width, before, behind);
        CHECK(call_with_registers(width, before, behind, SYS_write, ring[1], (long)pattern,
                                  3 * PAGE, 0) == 3 * PAGE);
        check_registers(width, before, behind);
        CHECK(call_with_registers(width, before, behind, SYS_read, ring[0], (long)got,
                                  3 * PAGE, 0) == 3 * PAGE);
        check_registers(width, before, behind);
        /* A hole behind: the copy ends in a fault. */
        CHECK(munmap(fresh + 2 * PAGE, PAGE) == 0);
        call_with_registers(width, before, behind, SYS_pread64, fd, (long)fresh, 4 * PAGE, 0);
        check_registers(width, before, behind);
        CHECK(munmap(fresh, 2 * PAGE) == 0 && munmap(fresh + 3 * PAGE, 5 * PAGE) == 0);
    }
}

/* A write to each page of a fresh area, and to each that a child shares, between loading
 * and storing: the faults clear and copy pages. */
static void
touch_with_registers(unsigned width, const void *before, void *behind, unsigned char *area,
                     unsigned pages)
{
    register const void *r12 __asm__("r12") = before;
    register void *r13 __asm__("r13") = behind;

#define TOUCH(LOAD, STORE)                                                                \
    __asm__ volatile(EACH(LOAD)                                                           \
                     "1: movb $1, (%0)\n\tadd $4096, %0\n\tdec %1\n\tjnz 1b\n\t"          \
                     EACH(STORE)                                                          \
                     : "+r"(area), "+r"(pages)                                            \
                     : "r"(r12), "r"(r13)                                                 \
                     : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",    \
                       "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",         \
                       "xmm13", "xmm14", "xmm15")
    if (width == 64)
        TOUCH(LOAD_Z, STORE_Z);
    else if (width == 32)
        TOUCH(LOAD_Y, STORE_Y);
    else
        TOUCH(LOAD_X, STORE_X);
}

static void
test_faults_when_pages_are_cleared_and_copied_then_vector_registers_stay(void)
{
    unsigned width = register_bytes();
    unsigned char before[REGISTERS], behind[REGISTERS];

    for (unsigned round = 0; round < 20; round++) {
        unsigned char *area = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        pid_t child;
        int status;

        CHECK(area != MAP_FAILED);
        for (unsigned i = 0; i < REGISTERS; i++)
            before[i] = (unsigned char)next_random();
        touch_with_registers(width, before, behind, area, 16);
        check_registers(width, before, behind);
        child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            touch_with_registers(width, before, behind, area, 16);
            check_registers(width, before, behind);
            _exit(0);
        }
        touch_with_registers(width, before, behind, area, 16);
        check_registers(width, before, behind);
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        CHECK(munmap(area, 16 * PAGE) == 0);
    }
}

int
main(void)
{
    RUN(test_read_when_any_size_and_offset_then_these_bytes_and_no_other, pread64);
    RUN(test_write_when_any_size_and_offset_then_these_bytes_and_no_other, pwrite64);
    RUN(test_read_when_a_page_is_missing_then_what_came_is_right, pread64);
    RUN(test_read_when_pages_are_fresh_then_all_of_it_comes, pread64);
    RUN(test_calls_when_large_then_vector_registers_stay, pread64, pwrite64, read, write);
    RUN(test_faults_when_pages_are_cleared_and_copied_then_vector_registers_stay, mmap);
    return check_failures != 0;
}
