/* SPDX-License-Identifier: MIT */
/*
 * Wild pointers in the pointer arguments of system calls: each call answers EFAULT, and
 * the process goes on.  What may differ between systems, a call that looks at nothing
 * before it fails otherwise, is not asked for.
 */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static const char *const wild_names[] = { "null page", "unmapped", "kernel", "window",
                                          "non-canonical", "end of memory", "no access",
                                          "across the end" };
static uintptr_t wild[8];

static void
set_up(void)
{
    char *area = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(area != MAP_FAILED);
    memset(area, 'x', 3 * 4096);
    CHECK(mprotect(area + 4096, 4096, PROT_NONE) == 0);
    wild[0] = 8;
    wild[1] = 0x123456789000;
    wild[2] = 0xffffffff80000000;
    wild[3] = 0xffff800000100000;
    wild[4] = 0x8000000000001000;
    wild[5] = 0xfffffffffffffff8;
    wild[6] = (uintptr_t)area + 4096 + 16;
    wild[7] = (uintptr_t)area + 4096 - 4;
}

/* A call, and which of its arguments is the wild one. */
struct attempt {
    const char *name;
    long number;
    int position;
    long arguments[6];
};

static void
attempt_each(const struct attempt *attempts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t w = 0; w < 8; w++) {
            long a[6];
            long got;

            memcpy(a, attempts[i].arguments, sizeof a);
            a[attempts[i].position] = (long)wild[w];
            errno = 0;
            got = syscall(attempts[i].number, a[0], a[1], a[2], a[3], a[4], a[5]);
            if (got != -1 || errno != EFAULT) {
                dprintf(2, "# %s, %s: returned %ld\n", attempts[i].name, wild_names[w],
                        got);
                check_failed(__FILE__, __LINE__, "EFAULT");
            }
        }
    }
}

#define COUNT_OF(array) (sizeof array / sizeof array[0])

static void
test_paths_when_wild_then_efault(void)
{
    const struct attempt attempts[] = {
        { "open", SYS_open, 0, { 0, O_RDONLY } },
        { "openat", SYS_openat, 1, { AT_FDCWD, 0, O_RDONLY } },
        { "execve", SYS_execve, 0, { 0, 0, 0 } },
        { "chdir", SYS_chdir, 0, { 0 } },
        { "mkdir", SYS_mkdir, 0, { 0, 0755 } },
        { "rmdir", SYS_rmdir, 0, { 0 } },
        { "unlink", SYS_unlink, 0, { 0 } },
        { "unlinkat", SYS_unlinkat, 1, { AT_FDCWD, 0, 0 } },
        { "rename", SYS_rename, 0, { 0, (long)"x" } },
        { "rename", SYS_rename, 1, { (long)"/tmp", 0 } },
        { "link", SYS_link, 0, { 0, (long)"x" } },
        { "symlink", SYS_symlink, 0, { 0, (long)"/tmp/x" } },
        { "symlink", SYS_symlink, 1, { (long)"x", 0 } },
        { "readlink", SYS_readlink, 0, { 0, (long)wild_names, 8 } },
        { "chmod", SYS_chmod, 0, { 0, 0755 } },
        { "chown", SYS_chown, 0, { 0, 0, 0 } },
        { "access", SYS_access, 0, { 0, F_OK } },
        { "truncate", SYS_truncate, 0, { 0, 0 } },
        { "stat", SYS_stat, 0, { 0, (long)wild } },
        { "lstat", SYS_lstat, 0, { 0, (long)wild } },
    };

    attempt_each(attempts, COUNT_OF(attempts));
}

static void
test_results_when_wild_then_efault(void)
{
    const struct attempt attempts[] = {
        { "stat", SYS_stat, 1, { (long)"/", 0 } },
        { "fstat", SYS_fstat, 1, { 0, 0 } },
        { "newfstatat", SYS_newfstatat, 2, { AT_FDCWD, (long)"/", 0, 0 } },
        { "pipe", SYS_pipe, 0, { 0 } },
        { "pipe2", SYS_pipe2, 0, { 0, 0 } },
        { "uname", SYS_uname, 0, { 0 } },
        { "clock_gettime", SYS_clock_gettime, 1, { 1, 0 } },
        { "gettimeofday", SYS_gettimeofday, 0, { 0, 0 } },
        { "nanosleep", SYS_nanosleep, 0, { 0, 0 } },
        { "getrlimit", SYS_getrlimit, 1, { 3, 0 } },
        { "rt_sigaction", SYS_rt_sigaction, 1, { SIGUSR1, 0, 0, 8 } },
        { "rt_sigaction", SYS_rt_sigaction, 2, { SIGUSR1, 0, 0, 8 } },
        { "rt_sigprocmask", SYS_rt_sigprocmask, 1, { SIG_BLOCK, 0, 0, 8 } },
        { "rt_sigprocmask", SYS_rt_sigprocmask, 2, { SIG_BLOCK, 0, 0, 8 } },
        { "rt_sigpending", SYS_rt_sigpending, 0, { 0, 8 } },
        { "rt_sigsuspend", SYS_rt_sigsuspend, 0, { 0, 8 } },
        { "sigaltstack", SYS_sigaltstack, 0, { 0, 0 } },
        { "sigaltstack", SYS_sigaltstack, 1, { 0, 0 } },
        { "poll", SYS_poll, 0, { 0, 1, 0 } },
        { "getitimer", SYS_getitimer, 1, { 0, 0 } },
    };

    attempt_each(attempts, COUNT_OF(attempts));
}

static void
test_data_when_wild_then_efault_and_nothing_is_lost(void)
{
    static struct attempt attempts[7];
    int file = open("/tmp/test_efault", O_CREAT | O_TRUNC | O_RDWR, 0600);
    int zero = open("/dev/zero", O_RDONLY);
    int directory = open("/", O_RDONLY);
    int ends[2];
    char text[8];

    CHECK(file >= 0 && zero >= 0 && directory >= 0 && pipe(ends) == 0);
    CHECK(write(file, "12345678", 8) == 8 && write(ends[1], "12345678", 8) == 8);
    /* The last of the wild ones reaches into valid memory: a short count is right. */
    wild[7] = wild[6];
    attempts[0] = (struct attempt){ "pread", SYS_pread64, 1, { file, 0, 8, 0 } };
    attempts[1] = (struct attempt){ "pwrite", SYS_pwrite64, 1, { file, 0, 8, 0 } };
    attempts[2] = (struct attempt){ "read", SYS_read, 1, { ends[0], 0, 8 } };
    attempts[3] = (struct attempt){ "write", SYS_write, 1, { ends[1], 0, 8 } };
    attempts[4] = (struct attempt){ "getdents64", SYS_getdents64, 1,
                                    { directory, 0, 4096 } };
    attempts[5] = (struct attempt){ "readv", SYS_readv, 1, { zero, 0, 1 } };
    attempts[6] = (struct attempt){ "getcwd", SYS_getcwd, 0, { 0, 4096 } };
    attempt_each(attempts, 7);
    CHECK(pread(file, text, 8, 0) == 8 && memcmp(text, "12345678", 8) == 0);
    CHECK(unlink("/tmp/test_efault") == 0);
}

static void
test_path_when_it_runs_into_a_hole_then_efault(void)
{
    char *area = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *path = area + 4096 - 4;

    CHECK(munmap(area + 4096, 4096) == 0);
    memcpy(path, "/tmp", 4);
    CHECK_ERROR(syscall(SYS_open, path, O_RDONLY, 0), EFAULT);
    memcpy(path, "/et", 4);
    CHECK_ERROR(syscall(SYS_open, path, O_RDONLY, 0), ENOENT);
}

static void
test_wait_when_status_is_wild_then_efault(void)
{
    for (size_t w = 0; w < 8; w++) {
        pid_t child = fork();
        long got;

        if (child == 0)
            _exit(0);
        got = syscall(SYS_wait4, child, wild[w], 0L, 0L);
        CHECK(got == child || (got == -1 && errno == EFAULT));
        waitpid(child, NULL, 0);
    }
}

static void
test_exec_when_vectors_are_wild_then_efault(void)
{
    char *good[] = { "x", NULL };

    for (size_t w = 0; w < 8; w++) {
        char *inside[] = { "x", (char *)wild[w], NULL };

        if (w == 0)
            continue;   /* A small pointer is as good as any: it is tested below. */
        CHECK_ERROR(syscall(SYS_execve, "/bin/busybox", wild[w], NULL), EFAULT);
        CHECK_ERROR(syscall(SYS_execve, "/bin/busybox", good, wild[w]), EFAULT);
        CHECK_ERROR(syscall(SYS_execve, "/bin/busybox", inside, NULL), EFAULT);
    }
    CHECK_ERROR(syscall(SYS_execve, "/bin/busybox", 8L, NULL), EFAULT);
}

static void
test_handler_when_frame_cannot_be_written_then_segv(void)
{
    pid_t child = fork();

    if (child == 0) {
        signal(SIGUSR1, (void (*)(int))(uintptr_t)set_up);
        __asm__ volatile("mov %0, %%rsp\n\t"
                         "mov $39, %%eax\n\tsyscall\n\t"
                         "mov %%eax, %%edi\n\tmov $10, %%esi\n\tmov $62, %%eax\n\t"
                         "syscall\n\thlt"
                         :: "r"((uintptr_t)0x1000) : "rax", "rdi", "rsi");
    }
    CHECK_SIGNAL(child, SIGSEGV);
    child = fork();
    if (child == 0) {
        /* rt_sigreturn with a wild stack. */
        __asm__ volatile("mov %0, %%rsp\n\tmov $15, %%eax\n\tsyscall\n\thlt"
                         :: "r"((uintptr_t)0xffff800000100000) : "rax");
    }
    CHECK_SIGNAL(child, SIGSEGV);
}

static void
test_number_when_unknown_then_enosys(void)
{
    CHECK_ERROR(syscall(1000), ENOSYS);
    CHECK_ERROR(syscall(100000), ENOSYS);
    CHECK_ERROR(syscall(-1), ENOSYS);
    CHECK_ERROR(syscall(0x7fffffff), ENOSYS);
}

int
main(void)
{
    set_up();
    RUN(test_paths_when_wild_then_efault);
    RUN(test_results_when_wild_then_efault);
    RUN(test_data_when_wild_then_efault_and_nothing_is_lost);
    RUN(test_path_when_it_runs_into_a_hole_then_efault);
    RUN(test_wait_when_status_is_wild_then_efault);
    RUN(test_exec_when_vectors_are_wild_then_efault);
    RUN(test_handler_when_frame_cannot_be_written_then_segv);
    RUN(test_number_when_unknown_then_enosys);
    return check_failures != 0;
}
