/* SPDX-License-Identifier: MIT */
/*
 * What does each basic operation cost?  Under `feuer exec --icount` the time stamp
 * counter counts instructions, so a row says instructions for one operation:
 *     name minimum median
 * usage: micro [-n SAMPLES] [NAME...]       all rows by default
 *
 * Each sample times a batch; the cost of reading the counter and of the loop is measured
 * too and taken off.  An operation that the system lacks gives "name - error text".
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE            4096
#define COUNT_OF(array) (sizeof array / sizeof array[0])
#define AREA_PAGES      64
#define LARGE_BYTES     ((size_t)64 << 20)

static char *self;
static char tiny[] = "/tmp/micro.tiny";
static int null_fd, zero_fd, file_fd, ring[2], there[2], back[2];
static char page[PAGE];
static char *area;
static pid_t peer;
static sigjmp_buf landing;
static volatile char *volatile bad_address = (volatile char *)16;

static void
must(int good, const char *what)
{
    if (!good) {
        printf("# %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static inline uint64_t
now(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

/* ---- the operations: each returns a negative value when it fails ---- */

static long
op_empty(void)
{
    return 0;
}
static long
op_yield(void)
{
    return sched_yield();
}
static long
op_read_zero(void)
{
    return read(zero_fd, page, 1);
}
static long
op_write_null(void)
{
    return write(null_fd, page, 1);
}
static long
op_pread(void)
{
    return pread(file_fd, page, 1, 0);
}
static long
op_dup_close(void)
{
    return close(dup(null_fd));
}

/* Without the C library's wrapper, whose instructions would count. */
static long
op_getppid(void)
{
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(SYS_getppid)
                     : "rcx", "r11", "memory");
    return result;
}

static long
op_clock(void)
{
    struct timespec time;

    return clock_gettime(CLOCK_MONOTONIC, &time);
}

static long
op_stat(void)
{
    struct stat info;

    return stat("/tmp", &info);
}

static long
op_open_close(void)
{
    return close(open("/tmp/micro.file", O_RDONLY));
}

static long
op_read_page(void)
{
    return lseek(file_fd, 0, SEEK_SET) < 0 ? -1 : read(file_fd, page, PAGE);
}

static long
op_write_page(void)
{
    return lseek(file_fd, 0, SEEK_SET) < 0 ? -1 : write(file_fd, page, PAGE);
}

static long
op_create_close(void)
{
    return close(open("/tmp/micro.new", O_CREAT | O_EXCL | O_WRONLY, 0600));
}

static long
op_unlink(void)
{
    return unlink("/tmp/micro.new");
}
static long
op_create(void)
{
    return op_create_close();
}
static void
undo_create(void)
{
    unlink("/tmp/micro.new");
}
static void
redo_create(void)
{
    op_create_close();
}

static long
op_rename(void)
{
    return rename("/tmp/micro.one", "/tmp/micro.two") < 0
               ? -1
               : rename("/tmp/micro.two", "/tmp/micro.one");
}

static long
op_mmap_munmap(void)
{
    void *got =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return got == MAP_FAILED ? -1 : munmap(got, PAGE);
}

static long
op_mprotect(void)
{
    return mprotect(area, PAGE, PROT_READ) < 0
               ? -1
               : mprotect(area, PAGE, PROT_READ | PROT_WRITE);
}

static void
fresh_area(void)
{
    if (area != NULL)
        munmap(area, AREA_PAGES * PAGE);
    area = mmap(NULL, AREA_PAGES * PAGE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(area != MAP_FAILED, "mmap");
    /* The first pages bring the page tables. */
    area[0] = 1;
}

static long
op_touch_area(void)
{
    for (int i = 1; i < AREA_PAGES; i++)
        *(volatile char *)&area[i * PAGE] = 1;
    return 0;
}

/* The parent's pages are shared with a child that waits; writing copies them. */
static void
shared_area(void)
{
    char byte;

    fresh_area();
    op_touch_area();
    must(pipe(there) == 0 && pipe(back) == 0, "pipe");
    peer = fork();
    must(peer >= 0, "fork");
    if (peer == 0) {
        close(there[1]);
        (void)!write(back[1], "r", 1);
        (void)!read(there[0], &byte, 1);
        _exit(0);
    }
    must(read(back[0], &byte, 1) == 1, "read");
}

static void
end_peer(void)
{
    close(there[1]);
    close(there[0]);
    close(back[0]);
    close(back[1]);
    waitpid(peer, NULL, 0);
}

static long
op_pipe_self(void)
{
    return write(ring[1], page, 1) < 0 ? -1 : read(ring[0], page, 1);
}

static void
start_echo(void)
{
    char byte;

    must(pipe(there) == 0 && pipe(back) == 0, "pipe");
    peer = fork();
    must(peer >= 0, "fork");
    if (peer == 0) {
        close(there[1]);
        while (read(there[0], &byte, 1) == 1)
            (void)!write(back[1], &byte, 1);
        _exit(0);
    }
}

static long
op_round_trip(void)
{
    return write(there[1], page, 1) < 0 ? -1 : read(back[0], page, 1);
}

static void
on_signal(int number)
{
    (void)number;
}

static void
on_fault(int number)
{
    (void)number;
    mprotect(area, PAGE, PROT_READ | PROT_WRITE);
}

static void
on_fault_jump(int number)
{
    (void)number;
    siglongjmp(landing, 1);
}

/* The store of op_segv_return: movb $1, (%rax). */
#define STORE_BYTES 3

static void
on_fault_skip(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += STORE_BYTES;
}

static long
op_sigaction(void)
{
    struct sigaction action = { .sa_handler = on_signal };

    return sigaction(SIGUSR2, &action, NULL);
}

static long
op_signal_self(void)
{
    return kill(getpid(), SIGUSR1);
}

static long
op_segv_mprotect(void)
{
    if (mprotect(area, PAGE, PROT_NONE) < 0)
        return -1;
    *(volatile char *)area = 1;
    return 0;
}

static long
op_segv_return(void)
{
    __asm__ volatile(".byte 0xc6, 0x00, 0x01" ::"a"(bad_address) : "memory");
    return 0;
}

/* Without a mask to be put back: the handler's own signal is not blocked. */
static long
op_segv_longjmp(void)
{
    if (sigsetjmp(landing, 0) == 0)
        *bad_address = 1;
    return 0;
}

static void
leave_faults(void)
{
    struct sigaction action = { .sa_handler = on_fault_jump, .sa_flags = SA_NODEFER };

    sigaction(SIGSEGV, &action, NULL);
}

static void
skip_faults(void)
{
    struct sigaction action = { .sa_sigaction = on_fault_skip, .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &action, NULL);
}

static long
op_segv_jump(void)
{
    if (sigsetjmp(landing, 1) == 0)
        *bad_address = 1;
    return 0;
}

static long
await(pid_t child)
{
    return child < 0 ? -1 : waitpid(child, NULL, 0);
}

static long
op_fork(void)
{
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    return await(child);
}

static long
run(const char *path, int with_vfork)
{
    char *arguments[] = { (char *)path, "nothing", NULL };
    pid_t child = with_vfork ? vfork() : fork();

    if (child == 0) {
        execve(path, arguments, arguments + 2);
        _exit(127);
    }
    return await(child);
}

static long
op_fork_exec(void)
{
    return run(self, 0);
}
static long
op_vfork_exec(void)
{
    return run(self, 1);
}
/* A program of the system's, with its interpreter and C library. */
static long
dynamic(int with_vfork)
{
    if (access("/lib64/ld-linux-x86-64.so.2", X_OK) < 0)
        return -1;
    return run("/bin/true", with_vfork);
}

static long
op_fork_exec_dynamic(void)
{
    return dynamic(0);
}
static long
op_vfork_exec_dynamic(void)
{
    return dynamic(1);
}
static long
op_vfork_exec_tiny(void)
{
    return run(tiny, 1);
}

static long
op_spawn(void)
{
    char *arguments[] = { self, "nothing", NULL };
    pid_t child;
    int error = posix_spawn(&child, self, NULL, NULL, arguments, arguments + 2);

    errno = error;
    return error != 0 ? -1 : await(child);
}

static char *large;

static void
fill_large(void)
{
    large = mmap(NULL, LARGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                 -1, 0);
    must(large != MAP_FAILED, "mmap");
    for (size_t i = 0; i < LARGE_BYTES; i += PAGE)
        large[i] = 1;
}

static void
drop_large(void)
{
    munmap(large, LARGE_BYTES);
}

static struct pollfd polls[10];

static long
op_poll(void)
{
    return poll(polls, 10, 0);
}

static long
op_getdents(void)
{
    int fd = open("/tmp/micro.many", O_RDONLY | O_DIRECTORY);
    static char entries[32768];
    long got;

    while ((got = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0)
        ;
    close(fd);
    return fd < 0 ? -1 : got;
}

/* ---- the table ---- */

struct row {
    const char *name;
    long (*operation)(void);
    int batch;            /* Operations in one sample. */
    int parts;            /* What one operation counts for. */
    void (*before)(void); /* Around each sample, not timed. */
    void (*after)(void);
    void (*set_up)(void); /* Around the whole row. */
    void (*tear_down)(void);
};

static const struct row rows[] = {
    { "null_call", op_getppid, 100, 1, NULL, NULL, NULL, NULL },
    { "clock_gettime", op_clock, 100, 1, NULL, NULL, NULL, NULL },
    { "sched_yield", op_yield, 20, 1, NULL, NULL, NULL, NULL },
    { "read_zero_1", op_read_zero, 50, 1, NULL, NULL, NULL, NULL },
    { "write_null_1", op_write_null, 50, 1, NULL, NULL, NULL, NULL },
    { "stat", op_stat, 20, 1, NULL, NULL, NULL, NULL },
    { "open_close", op_open_close, 20, 1, NULL, NULL, NULL, NULL },
    { "dup_close", op_dup_close, 20, 1, NULL, NULL, NULL, NULL },
    { "pread_1", op_pread, 50, 1, NULL, NULL, NULL, NULL },
    { "lseek_read_4096", op_read_page, 20, 1, NULL, NULL, NULL, NULL },
    { "lseek_write_4096", op_write_page, 20, 1, NULL, NULL, NULL, NULL },
    { "create_close", op_create, 1, 1, NULL, undo_create, NULL, NULL },
    { "unlink", op_unlink, 1, 1, redo_create, NULL, NULL, NULL },
    { "rename", op_rename, 10, 2, NULL, NULL, NULL, NULL },
    { "getdents_1000", op_getdents, 1, 1, NULL, NULL, NULL, NULL },
    { "mmap_munmap", op_mmap_munmap, 10, 1, NULL, NULL, NULL, NULL },
    { "mprotect", op_mprotect, 10, 2, NULL, NULL, fresh_area, NULL },
    { "anonymous_write_fault", op_touch_area, 1, AREA_PAGES - 1, fresh_area, NULL, NULL,
      NULL },
    { "copy_on_write_fault", op_touch_area, 1, AREA_PAGES - 1, shared_area, end_peer,
      NULL, NULL },
    { "pipe_to_self", op_pipe_self, 20, 1, NULL, NULL, NULL, NULL },
    { "pipe_round_trip", op_round_trip, 20, 1, NULL, NULL, start_echo, end_peer },
    { "poll_10", op_poll, 20, 1, NULL, NULL, NULL, NULL },
    { "sigaction", op_sigaction, 50, 1, NULL, NULL, NULL, NULL },
    { "signal_to_self", op_signal_self, 20, 1, NULL, NULL, NULL, NULL },
    { "segv_mprotect_return", op_segv_mprotect, 10, 1, NULL, NULL, fresh_area,
      NULL },
    { "segv_return", op_segv_return, 10, 1, NULL, NULL, skip_faults, NULL },
    { "segv_longjmp", op_segv_longjmp, 10, 1, NULL, NULL, leave_faults, NULL },
    { "segv_siglongjmp", op_segv_jump, 10, 1, NULL, NULL, NULL, NULL },
    { "fork_exit_wait", op_fork, 4, 1, NULL, NULL, NULL, NULL },
    { "fork_exit_wait_64mib", op_fork, 1, 1, NULL, NULL, fill_large, drop_large },
    { "vfork_exec_wait", op_vfork_exec, 4, 1, NULL, NULL, NULL, NULL },
    { "vfork_exec_wait_tiny", op_vfork_exec_tiny, 4, 1, NULL, NULL, NULL, NULL },
    { "fork_exec_wait", op_fork_exec, 4, 1, NULL, NULL, NULL, NULL },
    { "fork_exec_wait_dynamic", op_fork_exec_dynamic, 2, 1, NULL, NULL, NULL, NULL },
    { "vfork_exec_wait_dynamic", op_vfork_exec_dynamic, 2, 1, NULL, NULL, NULL, NULL },
    { "posix_spawn_wait", op_spawn, 4, 1, NULL, NULL, NULL, NULL },
};

/* The smallest program there is: its headers, and exit(0). */
static void
make_tiny(void)
{
    static const unsigned char image[] = {
        0x7f, 'E',  'L', 'F', 2, 1,    1,    0,    0,    0,    0, 0,    0, 0, 0,    0,  2,
        0,    62,   0,   1,   0, 0,    0,    0x78, 0,    0x40, 0, 0,    0, 0, 0,    64, 0,
        0,    0,    0,   0,   0, 0,    0,    0,    0,    0,    0, 0,    0, 0, 0,    0,  0,
        0,    64,   0,   56,  0, 1,    0,    64,   0,    0,    0, 0,    0, 1, 0,    0,  0,
        5,    0,    0,   0,   0, 0,    0,    0,    0,    0,    0, 0,    0, 0, 0x40, 0,  0,
        0,    0,    0,   0,   0, 0x40, 0,    0,    0,    0,    0, 129,  0, 0, 0,    0,  0,
        0,    0,    129, 0,   0, 0,    0,    0,    0,    0,    0, 0x10, 0, 0, 0,    0,  0,
        0,    0xb8, 60,  0,   0, 0,    0x31, 0xff, 0x0f, 0x05
    };
    int fd = open(tiny, O_CREAT | O_TRUNC | O_WRONLY, 0755);

    must(fd >= 0 && write(fd, image, sizeof image) == sizeof image && close(fd) == 0,
         "write the tiny program");
}

static void
prepare(void)
{
    char name[64];

    null_fd = open("/dev/null", O_RDWR);
    zero_fd = open("/dev/zero", O_RDONLY);
    file_fd = open("/tmp/micro.file", O_CREAT | O_RDWR | O_TRUNC, 0600);
    must(null_fd >= 0 && zero_fd >= 0 && file_fd >= 0 && pipe(ring) == 0, "open");
    must(write(file_fd, page, PAGE) == PAGE, "write");
    close(open("/tmp/micro.one", O_CREAT | O_WRONLY, 0600));
    mkdir("/tmp/micro.many", 0755);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "/tmp/micro.many/file%d", i);
        close(open(name, O_CREAT | O_WRONLY, 0600));
    }
    for (int i = 0; i < 10; i++)
        polls[i] = (struct pollfd){ .fd = ring[0], .events = POLLIN };
    make_tiny();
    signal(SIGUSR1, on_signal);
}

static int
by_value(const void *one, const void *two)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)two;

    return (a > b) - (a < b);
}

/* One sample: the batch's time; a negative result of the operation to *ERROR. */
static uint64_t
sample(const struct row *row, int *error)
{
    long result = 0;
    uint64_t begin;

    if (row->before != NULL)
        row->before();
    begin = now();
    for (int i = 0; i < row->batch; i++)
        result |= row->operation();
    begin = now() - begin;
    if (result < 0)
        *error = errno != 0 ? errno : EIO;
    if (row->after != NULL)
        row->after();
    return begin;
}

static uint64_t
overhead(int batch)
{
    struct row empty = { "empty", op_empty, batch, 1, NULL, NULL, NULL, NULL };
    uint64_t least = UINT64_MAX;
    int error = 0;

    for (int i = 0; i < 20; i++) {
        uint64_t one = sample(&empty, &error);

        least = one < least ? one : least;
    }
    return least;
}

static void
measure(const struct row *row, int samples)
{
    uint64_t *times = calloc((size_t)samples, sizeof *times);
    uint64_t base = overhead(row->batch);
    double unit = (double)row->batch * row->parts;
    int error = 0;

    must(times != NULL, "calloc");
    signal(SIGSEGV, row->operation == op_segv_jump ? on_fault_jump : on_fault);
    if (row->set_up != NULL)
        row->set_up();
    sample(row, &error);
    sample(row, &error);
    for (int i = 0; i < samples && error == 0; i++) {
        uint64_t one = sample(row, &error);

        times[i] = one > base ? one - base : 0;
    }
    if (row->tear_down != NULL)
        row->tear_down();
    signal(SIGSEGV, SIG_DFL);
    qsort(times, (size_t)samples, sizeof *times, by_value);
    if (error != 0)
        printf("%s - %s\n", row->name, strerror(error));
    else
        printf("%s %.0f %.0f\n", row->name, (double)times[0] / unit,
               (double)times[samples / 2] / unit);
    fflush(stdout);
    free(times);
}

int
main(int argc, char **argv)
{
    int samples = 31, first = 1;

    if (argc == 2 && strcmp(argv[1], "nothing") == 0)
        return 0;
    self = argv[0];
    if (argc > 2 && strcmp(argv[1], "-n") == 0) {
        samples = atoi(argv[2]) > 0 ? atoi(argv[2]) : samples;
        first = 3;
    }
    prepare();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int wanted = first == argc;

        for (int j = first; j < argc; j++)
            wanted |= strcmp(argv[j], rows[i].name) == 0;
        if (wanted)
            measure(&rows[i], samples);
    }
    return 0;
}
