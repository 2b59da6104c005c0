/* SPDX-License-Identifier: MIT */
/*
 * Faults: which signal, si_code and si_addr each gets; the ends of files and of the
 * stack; what a write through a mapping does to the file.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <ucontext.h>

#include "check.h"

#define PAGE 4096
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static sigjmp_buf landing;
static volatile siginfo_t seen;
static volatile uint64_t seen_error, seen_address, seen_trap;

static void
on_fault(int number, siginfo_t *info, void *context)
{
    const ucontext_t *uc = context;

    (void)number;
    seen = *info;
    seen_error = (uint64_t)uc->uc_mcontext.gregs[REG_ERR];
    seen_address = (uint64_t)uc->uc_mcontext.gregs[REG_CR2];
    seen_trap = (uint64_t)uc->uc_mcontext.gregs[REG_TRAPNO];
    siglongjmp(landing, 1);
}

static void
catch_faults(void)
{
    static char stack[65536];
    stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack };
    struct sigaction action = { .sa_sigaction = on_fault,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK };

    CHECK(sigaltstack(&alternate, NULL) == 0);
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0 &&
          sigaction(SIGBUS, &action, NULL) == 0);
}

enum access { READ, WRITE, EXECUTE };

/* Did the access fault, with this signal, code and address? */
static int
faults(volatile char *at, enum access how, int number, int code)
{
    if (sigsetjmp(landing, 1) == 0) {
        if (how == READ)
            (void)*at;
        else if (how == WRITE)
            *at = 1;
        else
            ((void (*)(void))(uintptr_t)at)();
        return 0;
    }
    if (seen.si_signo != number || seen.si_code != code || seen.si_addr != (void *)at)
        dprintf(2, "# signal %d code %d address %p, not %d %d %p\n", seen.si_signo,
                seen.si_code, seen.si_addr, number, code, (void *)at);
    return seen.si_signo == number && seen.si_code == code && seen.si_addr == (void *)at;
}

/* The process's pages, as /proc/self/statm counts them. */
static long
resident_pages(void)
{
    char text[200];
    long total = 0, resident = -1;
    int fd = open("/proc/self/statm", O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);

    CHECK(n > 0 && close(fd) == 0);
    text[n > 0 ? n : 0] = 0;
    CHECK(sscanf(text, "%ld %ld", &total, &resident) == 2);
    return resident;
}

static char *
map(size_t bytes, int prot)
{
    char *p = mmap(NULL, bytes, prot, ANON, -1, 0);

    CHECK(p != MAP_FAILED);
    return p;
}

static void
test_fault_when_nothing_is_mapped_then_maperr(void)
{
    catch_faults();
    char *p = map(3 * PAGE, RW);
    CHECK(munmap(p + PAGE, PAGE) == 0);
    CHECK(faults(p + PAGE + 123, READ, SIGSEGV, SEGV_MAPERR));
    CHECK(seen_trap == 14 && seen_address == (uintptr_t)p + PAGE + 123);
    CHECK((seen_error & 7) == 4);
    CHECK(faults(p + PAGE + 1, WRITE, SIGSEGV, SEGV_MAPERR) && (seen_error & 7) == 6);
    CHECK(faults(p + PAGE, EXECUTE, SIGSEGV, SEGV_MAPERR));
    CHECK(faults((char *)8, READ, SIGSEGV, SEGV_MAPERR));
    CHECK(!faults(p, WRITE, 0, 0) && !faults(p + 2 * PAGE, WRITE, 0, 0));
}

static void
test_fault_when_not_allowed_then_accerr(void)
{
    catch_faults();
    char *none = map(PAGE, PROT_NONE), *read = map(PAGE, PROT_READ),
         *data = map(PAGE, RW);
    data[0] = (char)0xc3;
    CHECK(faults(none + 5, READ, SIGSEGV, SEGV_ACCERR));
    CHECK(faults(none + 5, WRITE, SIGSEGV, SEGV_ACCERR));
    CHECK(faults(read + 6, WRITE, SIGSEGV, SEGV_ACCERR));
    CHECK(faults(data, EXECUTE, SIGSEGV, SEGV_ACCERR) && (seen_error & 16) == 16);
    CHECK(mprotect(data, PAGE, PROT_READ | PROT_EXEC) == 0);
    CHECK(!faults(data, EXECUTE, 0, 0));
}

static int
new_file(off_t bytes)
{
    int fd = open("fault.file", O_CREAT | O_TRUNC | O_RDWR, 0644);

    CHECK(fd >= 0 && ftruncate(fd, bytes) == 0);
    return fd;
}

static void
test_fault_when_beyond_the_file_then_sigbus(void)
{
    int fd = new_file(PAGE + 10);
    char *shared = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
    char *private = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0);

    catch_faults();
    CHECK(!faults(shared + 2 * PAGE - 1, WRITE, 0, 0)); /* the rest of the last page */
    CHECK(faults(shared + 2 * PAGE, READ, SIGBUS, BUS_ADRERR));
    CHECK(faults(shared + 3 * PAGE + 7, WRITE, SIGBUS, BUS_ADRERR));
    CHECK(faults(private + 2 * PAGE + 1, READ, SIGBUS, BUS_ADRERR));
    CHECK(faults(private + 2 * PAGE + 1, WRITE, SIGBUS, BUS_ADRERR));
    CHECK(ftruncate(fd, 4 * PAGE) == 0); /* it grows: now they are there */
    CHECK(!faults(shared + 2 * PAGE, WRITE, 0, 0) && private[3 * PAGE] == 0);
    CHECK(ftruncate(fd, 0) == 0);
    CHECK(faults(shared, READ, SIGBUS, BUS_ADRERR));
    CHECK(faults(private, READ, SIGBUS, BUS_ADRERR));
}

static void
test_truncate_when_private_page_was_written_then_it_goes_too(void)
{
    int fd = new_file(2 * PAGE);
    char *p = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, 0);

    catch_faults();
    p[0] = p[PAGE] = 'w';
    CHECK(ftruncate(fd, PAGE) == 0 && p[0] == 'w');
    CHECK(faults(p + PAGE, READ, SIGBUS, BUS_ADRERR));
}

/* The same as a system call's argument: EFAULT. */
static void
test_call_when_argument_faults_then_efault(void)
{
    int fd = new_file(PAGE), ends[2];
    char *p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0),
         *read_only = map(PAGE, PROT_READ);

    CHECK(pipe(ends) == 0 && p != MAP_FAILED);
    CHECK_ERROR(write(ends[1], p + PAGE, 1), EFAULT);
    CHECK_ERROR(write(ends[1], (char *)16, 1), EFAULT);
    CHECK(write(ends[1], p + PAGE - 2, 2) == 2);
    CHECK_ERROR(read(ends[0], read_only, 1), EFAULT);
    CHECK_ERROR(read(ends[0], (char *)~0ul - 4, 1), EFAULT);
}

static __attribute__((noinline)) int
eat_stack(int kilobytes)
{
    volatile char block[1024];

    block[0] = block[1023] = (char)kilobytes;
    return kilobytes > 0 ? eat_stack(kilobytes - 1) + block[0] : block[1023];
}

static void
test_stack_when_limited_then_grows_to_the_limit(void)
{
    struct rlimit limit = { 2 << 20, RLIM_INFINITY };

    catch_faults();
    eat_stack(6000);
    CHECK(setrlimit(RLIMIT_STACK, &limit) == 0);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        eat_stack(7000); /* what is there stays; more is refused */
        _exit(0);
    }
    CHECK_SIGNAL(child, SIGSEGV);
    limit.rlim_cur = 16 << 20;
    CHECK(setrlimit(RLIMIT_STACK, &limit) == 0);
    eat_stack(10000);
}

static void
test_stack_when_overflown_then_handler_on_other_stack(void)
{
    volatile int depth = 1 << 30;

    catch_faults();
    if (sigsetjmp(landing, 1) == 0) {
        eat_stack(depth);
        CHECK(!"endless recursion ended");
    }
    CHECK(seen.si_signo == SIGSEGV && seen.si_code == SEGV_MAPERR);
}

static uint64_t
changed_at(int fd)
{
    struct stat info;

    CHECK(fstat(fd, &info) == 0);
    CHECK(info.st_mtim.tv_nsec == info.st_ctim.tv_nsec);
    return (uint64_t)info.st_mtim.tv_sec * 1000000000u + (uint64_t)info.st_mtim.tv_nsec;
}

static void
test_file_when_written_through_mapping_then_its_time_changes(void)
{
    struct timespec pause = { 0, 50000000 };
    int fd = new_file(4 * PAGE);
    char *shared = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
    char *private = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0);
    uint64_t before = changed_at(fd);

    nanosleep(&pause, NULL);
    CHECK(shared[2 * PAGE] == 0 && private[PAGE] == 0);
    private[PAGE] = 'p';
    CHECK(changed_at(fd) == before);
    shared[0] = 's';
    CHECK(msync(shared, PAGE, MS_SYNC) == 0 && changed_at(fd) > before);
}

static void
test_program_when_text_is_written_then_segv(void)
{
    catch_faults();
    char *text = (char *)(uintptr_t)eat_stack;
    CHECK(faults(text, WRITE, SIGSEGV, SEGV_ACCERR));
    CHECK(mprotect((char *)((uintptr_t)text & ~(uintptr_t)(PAGE - 1)), PAGE,
                   PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
    char was = *text;
    CHECK(!faults(text, WRITE, 0, 0)); /* a copy of its own now */
    *text = was;
    CHECK(eat_stack(3) != 77);
}

/* Verify that memory that is read in order is zero, is not counted as the process's, and
 * takes writes page by page, in a child too. */
static void
test_fault_when_read_in_order_then_zero_and_each_page_its_own(void)
{
    enum { PAGES = 200 };
    char *p = map(PAGES * PAGE, RW);
    long before = resident_pages();
    int sum = 0;

    for (int i = 0; i < PAGES; i++)
        sum += *(volatile char *)&p[i * PAGE];
    CHECK(sum == 0 && resident_pages() - before < PAGES / 2);
    for (int i = 0; i < PAGES; i += 3)
        p[i * PAGE + i] = (char)(i + 1);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (int i = 1; i < PAGES; i += 3)
            p[i * PAGE] = 'c';
        for (int i = 0; i < PAGES; i++)
            sum += p[i * PAGE + i] != (i % 3 == 0 ? (char)(i + 1) : 0) ||
                   p[i * PAGE + 3000] != 0;
        _exit(sum != 0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    for (int i = 0; i < PAGES; i++)
        sum += p[i * PAGE + i] != (i % 3 == 0 ? (char)(i + 1) : 0) ||
               (i % 3 == 1 && p[i * PAGE] != 0);
    CHECK(sum == 0);
    CHECK(munmap(p, PAGES * PAGE) == 0);
}

/* Verify that a file whose pages came in any order, with holes, is mapped page for page
 * as it is read, and that what is mapped ends with the file. */
static void
test_fault_when_pages_came_in_any_order_then_mapped_in_the_files(void)
{
    enum { PAGES = 120 };
    char name[] = "/tmp/faults.XXXXXX", other[PAGE], block[PAGE];
    int fd = mkstemp(name), bad = 0;

    CHECK(fd >= 0 && unlink(name) == 0 && ftruncate(fd, PAGES * PAGE) == 0);
    for (int i = 0; i < PAGES; i++) {
        int page = i * 77 % PAGES;
        memset(block, page + 1, PAGE);
        if (page % 7 != 6)
            CHECK(pwrite(fd, block, PAGE, page * PAGE) == PAGE);
    }
    char *p = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED, fd, 0);
    char *q = mmap(NULL, PAGES * PAGE, RW, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED && q != MAP_FAILED);
    for (int i = 0; i < PAGES; i++) {
        int page = i * 53 % PAGES;
        if (page % 5 == 0)
            q[page * PAGE + 1] = 'q';
        CHECK(pread(fd, other, PAGE, page * PAGE) == PAGE);
        bad += memcmp(p + page * PAGE, other, PAGE) != 0;
        bad += q[page * PAGE] != (page % 7 == 6 ? 0 : (char)(page + 1));
    }
    CHECK(bad == 0);
    catch_faults();
    CHECK(ftruncate(fd, 40 * PAGE) == 0);
    CHECK(faults(p + 40 * PAGE, READ, SIGBUS, BUS_ADRERR));
    CHECK(faults(q + 40 * PAGE, READ, SIGBUS, BUS_ADRERR));
    CHECK(p[39 * PAGE] == 40 && q[35 * PAGE + 1] == 'q');
    CHECK(munmap(p, PAGES * PAGE) == 0 && munmap(q, PAGES * PAGE) == 0 && close(fd) == 0);
}

int
main(void)
{
    RUN(test_fault_when_nothing_is_mapped_then_maperr, mmap);
    RUN(test_fault_when_read_in_order_then_zero_and_each_page_its_own, mmap, fork);
    RUN(test_fault_when_pages_came_in_any_order_then_mapped_in_the_files, mmap, pwrite,
        ftruncate);
    RUN(test_fault_when_not_allowed_then_accerr, mmap, mprotect);
    RUN(test_fault_when_beyond_the_file_then_sigbus, mmap, ftruncate);
    RUN(test_truncate_when_private_page_was_written_then_it_goes_too, ftruncate);
    RUN(test_call_when_argument_faults_then_efault, read, write);
    RUN(test_stack_when_limited_then_grows_to_the_limit, setrlimit);
    RUN(test_stack_when_overflown_then_handler_on_other_stack, sigaltstack);
    RUN(test_file_when_written_through_mapping_then_its_time_changes, mmap, msync);
    RUN(test_program_when_text_is_written_then_segv, mprotect);
    return check_failures != 0;
}
