/* SPDX-License-Identifier: MIT */
/*
 * A caller of random system calls whose arguments have the right shape more often than
 * not: numbers of open files, paths, pointers into good, read-only, straddling and wild
 * memory, lengths at the edges, numbers of processes that live and that do not.
 *
 * usage: fuzz_calls [-s SEED] [-n CALLS] [-p PROCESSES] [-v]
 *
 * The calls are made in rounds by children, each with a session, a directory and a seed
 * of its own, every second one without root's rights; a child may break or end itself.
 * Threads of a child race on its files and memory.  The parent ends who hangs, and then
 * sees whether files, pipes and children still work, and whether the instance holds more
 * than before (/dev/feuer, where it exists).
 *
 * What a round never does: end or disturb processes outside it, change what lies outside
 * its directory, set the clock or the host's name, restart the machine.
 */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

#define PAGE 4096ul
#define ARENA_PAGES 32ul
#define ARENA ((unsigned char *)0x200000000)
#define READ_ONLY (ARENA + ARENA_PAGES * PAGE)     /* one page, then one without rights */
#define STACKS ((unsigned char *)0x210000000)      /* of the threads, and the alternate */
#define STACK_BYTES 0x8000ul
#define CALLS_PER_ROUND 300
#define ROUND_MS 1500
#define WORKERS_MAX 16

typedef uint64_t u64;

/* What an argument may be; a letter for each in the table below. */
enum kind {
    FD = 'f', PATH = 'p', BUFFER = 'b', LENGTH = 'n', FLAGS = 'x', NUMBER = 'i', PID = 'P',
    VECTOR = 'v', TIME = 't', SIGNAL = 's', SET = 'm', ADDRESS = 'a', POLLS = 'l',
    STRINGS = 'S', MODE = 'o', OPEN = 'O', WHENCE = 'w', OFFSET = 'z', ID = 'u',
    FD_NEW = 'd', ACTION = 'A', PROT = 'r', MAP = 'M', AT = '@', IOCTL = 'I', FCNTL = 'F',
    STACK = 'k', TYPE = 'T', FUTEX = 'q', WAIT = 'W', ZERO = '0',
};

struct call {
    short number;
    char root_only, args[7];
};
static const struct call calls[] = {
    { SYS_read, 0, "fbn" }, { SYS_write, 0, "fbn" }, { SYS_open, 0, "pOo" },
    { SYS_close, 0, "f" }, { SYS_stat, 0, "pb" }, { SYS_fstat, 0, "fb" },
    { SYS_lstat, 0, "pb" }, { SYS_poll, 0, "lit" }, { SYS_lseek, 0, "fzw" },
    { SYS_mmap, 0, "anrMfz" }, { SYS_mprotect, 0, "anr" }, { SYS_munmap, 0, "an" },
    { SYS_brk, 0, "a" }, { SYS_rt_sigaction, 0, "sAbi" },
    { SYS_rt_sigprocmask, 0, "imbi" }, { SYS_ioctl, 0, "fIb" },
    { SYS_pread64, 0, "fbnz" }, { SYS_pwrite64, 0, "fbnz" }, { SYS_readv, 0, "fvi" },
    { SYS_writev, 0, "fvi" }, { SYS_access, 0, "pi" }, { SYS_pipe, 0, "b" },
    { SYS_select, 0, "ibbbt" }, { SYS_sched_yield, 0, "" }, { SYS_mremap, 0, "annia" },
    { SYS_msync, 0, "ani" }, { SYS_mincore, 0, "anb" }, { SYS_madvise, 0, "ani" },
    { SYS_dup, 0, "f" }, { SYS_dup2, 0, "fd" }, { SYS_nanosleep, 0, "tb" },
    { SYS_getitimer, 0, "ib" }, { SYS_setitimer, 0, "itb" }, { SYS_getpid, 0, "" },
    { SYS_sendfile, 0, "ffbn" }, { SYS_wait4, 0, "PbWb" }, { SYS_kill, 0, "Ps" },
    { SYS_uname, 0, "b" }, { SYS_fcntl, 0, "fFi" }, { SYS_fcntl, 0, "fFb" },
    { SYS_fcntl, 0, "fFf" }, { SYS_flock, 0, "fi" }, { SYS_fsync, 0, "f" },
    { SYS_truncate, 0, "pz" }, { SYS_ftruncate, 0, "fz" }, { SYS_getdents, 0, "fbn" },
    { SYS_getdents64, 0, "fbn" }, { SYS_getcwd, 0, "bn" }, { SYS_chdir, 0, "p" },
    { SYS_fchdir, 0, "f" }, { SYS_rename, 0, "pp" }, { SYS_mkdir, 0, "po" },
    { SYS_rmdir, 0, "p" }, { SYS_creat, 0, "po" }, { SYS_link, 0, "pp" },
    { SYS_unlink, 0, "p" }, { SYS_symlink, 0, "pp" }, { SYS_readlink, 0, "pbn" },
    { SYS_chmod, 0, "po" }, { SYS_fchmod, 0, "fo" }, { SYS_chown, 0, "puu" },
    { SYS_fchown, 0, "fuu" }, { SYS_lchown, 0, "puu" }, { SYS_umask, 0, "o" },
    { SYS_getrlimit, 0, "ib" }, { SYS_getrusage, 0, "ib" }, { SYS_sysinfo, 0, "b" },
    { SYS_times, 0, "b" }, { SYS_setuid, 0, "u" }, { SYS_setgid, 0, "u" },
    { SYS_setreuid, 0, "uu" }, { SYS_setregid, 0, "uu" }, { SYS_getgroups, 0, "nb" },
    { SYS_setgroups, 0, "ib" }, { SYS_setresuid, 0, "uuu" }, { SYS_getresuid, 0, "bbb" },
    { SYS_setresgid, 0, "uuu" }, { SYS_getpgid, 0, "P" }, { SYS_setfsuid, 0, "u" },
    { SYS_getsid, 0, "P" }, { SYS_capget, 0, "bb" }, { SYS_rt_sigpending, 0, "bi" },
    { SYS_rt_sigtimedwait, 0, "mbti" }, { SYS_rt_sigqueueinfo, 0, "Psb" },
    { SYS_rt_sigsuspend, 0, "mi" }, { SYS_sigaltstack, 0, "kb" }, { SYS_utime, 0, "pb" },
    { SYS_mknod, 0, "poi" }, { SYS_personality, 0, "i" }, { SYS_statfs, 0, "pb" },
    { SYS_fstatfs, 0, "fb" }, { SYS_getpriority, 0, "iP" }, { SYS_setpriority, 0, "0Pi" },
    { SYS_sched_getparam, 0, "Pb" }, { SYS_sched_getscheduler, 0, "P" },
    { SYS_sched_get_priority_max, 0, "i" }, { SYS_mlock, 0, "an" },
    { SYS_munlock, 0, "an" }, { SYS_prctl, 0, "ibbbb" }, { SYS_arch_prctl, 0, "ib" },
    { SYS_setrlimit, 0, "ib" }, { SYS_sync, 0, "" },
    { SYS_mount, 1, "ppTix" }, { SYS_umount2, 1, "pi" }, { SYS_gettid, 0, "" },
    { SYS_readahead, 0, "fzn" }, { SYS_tkill, 0, "Ps" }, { SYS_time, 0, "b" },
    { SYS_futex, 0, "bqitbi" }, { SYS_sched_getaffinity, 0, "Pnb" },
    { SYS_sched_setaffinity, 0, "Pnb" }, { SYS_set_tid_address, 0, "b" },
    { SYS_restart_syscall, 0, "" }, { SYS_fadvise64, 0, "fzni" },
    { SYS_clock_gettime, 0, "ib" }, { SYS_clock_getres, 0, "ib" },
    { SYS_clock_nanosleep, 0, "iitb" }, { SYS_tgkill, 0, "PPs" }, { SYS_utimes, 0, "pb" },
    { SYS_waitid, 0, "iPbWb" }, { SYS_openat, 0, "fpOo" }, { SYS_mkdirat, 0, "fpo" },
    { SYS_mknodat, 0, "fpoi" }, { SYS_fchownat, 0, "fpuu@" }, { SYS_futimesat, 0, "fpb" },
    { SYS_newfstatat, 0, "fpb@" }, { SYS_unlinkat, 0, "fp@" },
    { SYS_renameat, 0, "fpfp" }, { SYS_linkat, 0, "fpfp@" }, { SYS_symlinkat, 0, "pfp" },
    { SYS_readlinkat, 0, "fpbn" }, { SYS_fchmodat, 0, "fpo" }, { SYS_faccessat, 0, "fpi" },
    { SYS_pselect6, 0, "ibbbtb" }, { SYS_ppoll, 0, "litmi" },
    { SYS_set_robust_list, 0, "bn" }, { SYS_utimensat, 0, "fpb@" },
    { SYS_fallocate, 0, "fizz" }, { SYS_rt_tgsigqueueinfo, 0, "PPsb" },
    { SYS_preadv, 0, "fviz" }, { SYS_pwritev, 0, "fviz" }, { SYS_dup3, 0, "fdO" },
    { SYS_pipe2, 0, "bO" }, { SYS_prlimit64, 0, "Pibb" }, { SYS_syncfs, 0, "f" },
    { SYS_getcpu, 0, "bb" }, { SYS_renameat2, 0, "fpfpi" }, { SYS_getrandom, 0, "bni" },
    { SYS_memfd_create, 0, "pi" }, { SYS_execveat, 0, "fpSS@" }, { SYS_execve, 0, "pSS" },
    { SYS_mlock2, 0, "ani" }, { SYS_copy_file_range, 0, "fbfbni" },
    { SYS_preadv2, 0, "fvizi" }, { SYS_pwritev2, 0, "fvizi" }, { SYS_statx, 0, "fp@bb" },
    { SYS_pkey_mprotect, 0, "anri" }, { SYS_close_range, 0, "dfi" },
    { SYS_openat2, 0, "fpbn" }, { SYS_faccessat2, 0, "fpi@" }, { SYS_clone3, 0, "0n" },
    { SYS_splice, 0, "fbfbni" }, { SYS_pidfd_open, 0, "Pi" }, { 500, 0, "bbbbbb" },
    { SYS_epoll_create1, 0, "i" }, { SYS_eventfd2, 0, "ii" }, { SYS_socket, 0, "iii" },
};
#define CALLS (sizeof calls / sizeof calls[0])

static const char *const paths[] = {
    "a", "b", "d", "d/e", "d/e/f", "d/../a", "l", "loop", "d/fifo", ".", "..", "", "./",
    "d/", "a/", "//", "d//e///", "a/b", "l/x", "deep", "new1", "new2", "d/new3", "m",
    "m/x", "m/y", "hard", "self", "tmp", "null", "zero", "full", "random",
};
/* One stream of calls: of a child, or of a thread of it. */
struct stream {
    u64 state;
    int depth;      /* below the child of the parent */
    int root;
    int log;        /* where to tell of each call; -1: nowhere */
    long last_pid;
};
static volatile int hostile; /* what on_signal does to what it returns to */
static struct stream thread_streams[4];
static struct stream spoiler;

static u64
next(struct stream *s)
{
    s->state ^= s->state << 13;
    s->state ^= s->state >> 7;
    s->state ^= s->state << 17;
    return s->state * 0x2545f4914f6cdd1dull;
}

static u64
below(struct stream *s, u64 n)
{
    return (next(s) >> 20) % n;
}

static inline __attribute__((always_inline)) long
raw(long number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
    register u64 r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall" : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#define RAW(number, a, b, c) raw(number, (u64)(a), (u64)(b), (u64)(c), 0, 0, 0)

/* ---- arguments ---- */

static u64
edge(struct stream *s)
{
    static const u64 edges[] = {
        0, 1, 2, 3, 7, 8, 16, 63, 64, 128, 255, 256, 1023, 1024, 4095, 4096, 4097, 65535,
        65536, 1ull << 20, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7ffff000,
        1ull << 40, 0x7fffffffffffffff, 0x8000000000000000, ~0ull, ~0ull - 4095,
    };
    return edges[below(s, sizeof edges / sizeof edges[0])];
}

static u64
address(struct stream *s)
{
    static const u64 wild[] = {
        0, 1, 8, 0x1000, 0x400000, 0x7fffffffe000, 0x7fffffffeff8, 0x7ffffffff000,
        0x800000000000, 0xffff800000000000, 0xffffc00000000000, 0xffffffff80000000,
        ~0ull, ~0ull - 7, 0xffff804000000000, 0xdead000000000000,
    };
    u64 at = (u64)ARENA + below(s, ARENA_PAGES * PAGE - 2 * PAGE);

    switch (below(s, 24)) {
    case 0:
        return wild[below(s, sizeof wild / sizeof wild[0])];
    case 1: /* it runs from good memory into read-only, or into nothing */
        return (u64)READ_ONLY - below(s, 64);
    case 2:
        return (u64)READ_ONLY + PAGE - below(s, 64);
    case 3:
        return (u64)READ_ONLY + below(s, PAGE);
    case 4:
        return at;
    default:
        return at & ~15ull;
    }
}

static u64
path(struct stream *s)
{
    u64 at = (u64)ARENA + below(s, ARENA_PAGES - 2) * PAGE;

    if (below(s, 16) == 0)
        return address(s);
    const char *text = paths[below(s, sizeof paths / sizeof paths[0])];
    /* A racing thread may change the bytes between our writing and the call. */
    memcpy((void *)at, text, strlen(text) + 1);
    if (below(s, 40) == 0) { /* long names, long paths, without an end */
        u64 length = 200 + below(s, 4200);
        memset((void *)at, below(s, 2) ? 'x' : '/', length);
        ((char *)at)[length] = '\0';
    }
    return at;
}

static u64
vector(struct stream *s)
{
    u64 *v = (u64 *)(address(s) & ~7ull);

    if ((u64)v < (u64)ARENA || (u64)v >= (u64)ARENA + (ARENA_PAGES - 2) * PAGE)
        return (u64)v;
    for (u64 i = 0, n = 2 * (1 + below(s, 12)); i < n; i += 2) {
        v[i] = address(s);
        v[i + 1] = below(s, 10) == 0 ? edge(s) : below(s, 6000);
    }
    return (u64)v;
}

static u64
short_time(struct stream *s)
{
    u64 at = (u64)ARENA + below(s, ARENA_PAGES - 2) * PAGE;
    u64 *t = (u64 *)at;

    if (below(s, 12) == 0)
        return address(s);
    for (int i = 0; i < 4; i += 2) {
        t[i] = below(s, 16) == 0 ? edge(s) : 0;
        t[i + 1] = below(s, 16) == 0 ? edge(s) : below(s, 2000000);
    }
    return at;
}

static u64
process(struct stream *s)
{
    switch (below(s, 8)) {
    case 0:
        return (u64)(s->last_pid > 1 ? s->last_pid : 0x7fffffff);
    case 1:
        return 0x7fffffff;
    case 2:
        return (u64)-0x7ffffff0l;
    case 3:
        return 0;
    case 4:
        return (u64)-RAW(SYS_getpgid, 0, 0, 0);
    default:
        return (u64)RAW(SYS_gettid, 0, 0, 0);
    }
}

static void on_signal(int number, siginfo_t *info, void *context);
void fuzz_restorer(void);
__asm__("fuzz_restorer: mov $15, %eax; syscall; hlt");

static u64
action(struct stream *s)
{
    u64 *a = (u64 *)((u64)ARENA + below(s, ARENA_PAGES - 2) * PAGE);

    a[0] = below(s, 8) == 0 ? address(s) : below(s, 3) == 0 ? below(s, 3) : (u64)on_signal;
    a[1] = (below(s, 16) == 0 ? next(s) : below(s, 2) * SA_RESTART | below(s, 2) * SA_ONSTACK |
                                              below(s, 2) * SA_NODEFER) | SA_SIGINFO | 0x04000000;
    a[2] = below(s, 20) == 0 ? address(s) : (u64)fuzz_restorer;
    a[3] = below(s, 4) == 0 ? next(s) : 0;
    return (u64)a;
}

static u64
alternate(struct stream *s)
{
    u64 *k = (u64 *)((u64)ARENA + below(s, ARENA_PAGES - 2) * PAGE);

    k[0] = below(s, 4) == 0 ? address(s) : (u64)STACKS;
    k[1] = below(s, 8) == 0 ? edge(s) : below(s, 4) == 0 ? 1ul << 31 : 0;
    k[2] = below(s, 4) == 0 ? edge(s) : STACK_BYTES;
    return (u64)k;
}

static u64
open_flags(struct stream *s)
{
    static const unsigned bits[] = { O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NONBLOCK, O_CLOEXEC,
                                     O_DIRECTORY, O_NOFOLLOW, O_PATH, O_TMPFILE, O_NOATIME,
                                     O_DIRECT, O_SYNC };
    u64 flags = below(s, 3) | O_NONBLOCK * (below(s, 4) != 0);

    while (below(s, 2) == 0)
        flags |= bits[below(s, sizeof bits / sizeof bits[0])];
    return below(s, 50) == 0 ? next(s) : flags;
}

static u64
map_flags(struct stream *s)
{
    u64 flags = 1 + below(s, 2);

    if (below(s, 2) == 0)
        flags |= MAP_ANONYMOUS;
    if (below(s, 3) == 0)
        flags |= MAP_FIXED;
    return below(s, 30) == 0 ? next(s) : flags;
}

static u64
strings(struct stream *s)
{
    u64 *list = (u64 *)((u64)ARENA + below(s, ARENA_PAGES - 2) * PAGE + 2048);
    u64 n = below(s, 20);

    for (u64 i = 0; i < n; i++)
        list[i] = below(s, 30) == 0 ? address(s) : (u64)ARENA + 64;
    list[n] = 0;
    return (u64)list;
}

static u64
polls(struct stream *s)
{
    struct pollfd *p = (void *)((u64)ARENA + below(s, ARENA_PAGES - 2) * PAGE);

    for (u64 i = 0, n = below(s, 40); i < n; i++)
        p[i] = (struct pollfd){ .fd = (int)below(s, 40) - 4, .events = (short)next(s) };
    return below(s, 12) == 0 ? address(s) : (u64)p;
}

static u64
argument(struct stream *s, char kind)
{
    static const u64 ioctls[] = { 0x5401, 0x5402, 0x5413, 0x541b, 0x5421, 0x5450, 0x5451,
                                  0x540f, 0x5410, 0x540e, 0x5422, 0x5429, 0x8903 };

    switch ((enum kind)kind) {
    case FD:
        return below(s, 12) != 0 ? below(s, 28)
               : below(s, 2)     ? (u64)AT_FDCWD
                                 : edge(s);
    case FD_NEW:
        return below(s, 16) == 0 ? edge(s) : 3 + below(s, 60);
    case PATH:
        return path(s);
    case BUFFER:
        return address(s);
    case LENGTH:
        return below(s, 6) == 0 ? edge(s) : below(s, 3) ? below(s, 300) : below(s, 20000);
    case FLAGS: case NUMBER: case WHENCE:
        return below(s, 8) == 0 ? edge(s) : below(s, 3) == 0 ? 1ull << below(s, 32)
                                                             : below(s, 24);
    case PID:
        return process(s);
    case VECTOR:
        return vector(s);
    case TIME:
        return below(s, 3) == 0 ? below(s, 2) : short_time(s);
    case SIGNAL: /* not the one that ends the whole group too often */
        return below(s, 40) == 0 ? edge(s) : below(s, 65);
    case SET: case ACTION:
        return below(s, 16) == 0 ? address(s) : kind == SET ? (u64)ARENA + 8 : action(s);
    case ADDRESS:
        return below(s, 40) == 0 ? address(s) & ~4095ull
                                 : (u64)ARENA + below(s, ARENA_PAGES + 4) * PAGE;
    case POLLS:
        return polls(s);
    case STRINGS:
        return strings(s);
    case MODE:
        return below(s, 12) == 0 ? next(s) : below(s, 2) ? 0777 : below(s, 0200000);
    case OPEN:
        return open_flags(s);
    case OFFSET:
        return below(s, 5) == 0 ? edge(s) : below(s, 70000);
    case ID:
        return below(s, 3) == 0 ? ~0ull : below(s, 3) == 0 ? 0 : below(s, 3000);
    case PROT:
        return below(s, 30) == 0 ? edge(s) : below(s, 2) ? 3 : below(s, 8);
    case MAP:
        return map_flags(s);
    case AT:
        return below(s, 3) == 0 ? 1ull << below(s, 16) : 0;
    case IOCTL:
        return below(s, 6) == 0 ? next(s)
                                : ioctls[below(s, sizeof ioctls / sizeof ioctls[0])];
    case FCNTL:
        return below(s, 4) == 0 ? 1024 + below(s, 12) : below(s, 40);
    case STACK:
        return below(s, 12) == 0 ? address(s) : alternate(s);
    case FUTEX:
        return below(s, 14) | below(s, 2) * 128 | below(s, 8) / 7 * 256;
    case WAIT:
        return below(s, 10) == 0 ? edge(s) : 1 | below(s, 16) | below(s, 2) << 24;
    case TYPE:
        return below(s, 8) == 0 ? address(s) : (u64) "tmpfs";
    case ZERO:
        return 0;
    }
    return 0;
}

/* ---- what is more than one call ---- */

/* Spoil what the return from a handler restores: flags, segments, addresses, vectors. */
static void
spoil(ucontext_t *u)
{
    struct stream *s = &spoiler;
    greg_t *r = u->uc_mcontext.gregs;
    unsigned char *fp = (void *)u->uc_mcontext.fpregs;

    for (u64 i = 0, n = 1 + below(s, 3); i < n; i++) {
        switch (below(s, 8)) {
        case 0:
            r[REG_EFL] = (greg_t)(below(s, 2) ? next(s) : (u64)r[REG_EFL] ^ 1ul << below(s, 32));
            break;
        case 1:
            r[REG_CSGSFS] = (greg_t)next(s);
            break;
        case 2:
            r[REG_RIP] = (greg_t)address(s);
            break;
        case 3:
            r[REG_RSP] = (greg_t)address(s);
            break;
        case 4:
            u->uc_mcontext.fpregs = (void *)address(s);
            break;
        case 5: /* the legacy area, its header, its size */
            for (int k = 0; fp != NULL && k < 8; k++)
                fp[below(s, 900)] = (unsigned char)next(s);
            break;
        case 6:
            memset(fp + 512, (int)next(s), 64);
            break;
        default:
            for (size_t k = 0; k < sizeof u->uc_sigmask / 8; k++)
                ((u64 *)&u->uc_sigmask)[k] = next(s);
            u->uc_flags = next(s);
            break;
        }
    }
}

static void
on_signal(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    if (hostile)
        spoil(context);
}

static void
set_handler(int number, u64 flags)
{
    u64 a[4] = { (u64)on_signal, flags | SA_SIGINFO | 0x04000000, (u64)fuzz_restorer, 0 };

    raw(SYS_rt_sigaction, (u64)number, (u64)a, 0, 8, 0, 0);
}

static void
one_call(struct stream *s)
{
    const struct call *c = &calls[below(s, CALLS)];
    u64 v[6] = { 0 };

    if (c->root_only && !s->root)
        return;
    for (int i = 0; c->args[i] != '\0'; i++)
        v[i] = argument(s, c->args[i]);
    if (below(s, 30) == 0)
        v[below(s, 6)] = below(s, 2) ? edge(s) : address(s);
    /* Whatever became of the arguments: nobody outside is reached. */
    int to = c->number == SYS_kill || c->number == SYS_rt_sigqueueinfo ||
             c->number == SYS_tkill || c->number == SYS_setpriority;
    for (int i = 0; i < 2; i++) {
        int pid = (int)v[i];
        if ((to || c->number == SYS_tgkill || c->number == SYS_rt_tgsigqueueinfo) &&
            (pid == -1 || pid == 1 || (pid > 1 && pid != s->last_pid && pid < 0x1000000 &&
             pid != RAW(SYS_getpid, 0, 0, 0) && pid != RAW(SYS_gettid, 0, 0, 0))) &&
            (i == 0 || !to))
            return;
    }
    if (c->number == SYS_mount) {
        v[3] = below(s, 4) == 0 ? v[3] : 0;
        v[4] = 0;
    }
    if ((c->number == SYS_prlimit64 || c->number == SYS_sched_setaffinity) && v[0] == 1)
        return;
    if (s->log >= 0)
        dprintf(s->log, "# %d %d(%lx %lx %lx %lx %lx %lx)\n", (int)RAW(SYS_gettid, 0, 0, 0),
                c->number, v[0], v[1], v[2], v[3], v[4], v[5]);
    long result = raw(c->number, v[0], v[1], v[2], v[3], v[4], v[5]);
    if (s->log >= 0)
        dprintf(s->log, "# %d = %ld\n", c->number, result);
}

static void many_calls(struct stream *s, int n);

static int
thread_main(void *arg)
{
    many_calls(arg, 60);
    RAW(SYS_exit, 0, 0, 0);
    return 0;
}

static void
start_thread(struct stream *s)
{
    u64 i = below(s, 4);
    struct stream *t = &thread_streams[i];

    if (t->state != 0 || s->depth > 1)
        return;
    *t = *s;
    t->state = next(s) | 1;
    t->depth = 2;
    clone(thread_main, STACKS + (2 + i) * STACK_BYTES,
          CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, t);
}

static void
start_child(struct stream *s, u64 how)
{
    long child;

    if (s->depth > 1)
        return;
    if (how == 0) { /* it borrows this very stack: it may only leave */
        child = RAW(SYS_vfork, 0, 0, 0);
        if (child == 0) {
            static const char *const list[] = { "x", NULL };
            RAW(SYS_execve, "self", list, list);
            RAW(SYS_exit, 3, 0, 0);
        }
    } else {
        child = RAW(SYS_fork, 0, 0, 0);
        if (child == 0) {
            struct stream inner = *s;
            inner.depth++;
            inner.state = next(s) | 1;
            if (how == 1) {
                spoiler = inner;
                hostile = 1;
                set_handler(SIGUSR1, below(s, 2) * SA_ONSTACK);
                for (int i = 0; i < 4; i++)
                    RAW(SYS_kill, RAW(SYS_getpid, 0, 0, 0), SIGUSR1, 0);
            } else if (how == 2) {
                __asm__ volatile("mov %0, %%rsp; mov $15, %%eax; syscall; hlt"
                                 : : "r"(address(s)) : "memory");
            } else {
                many_calls(&inner, 20);
            }
            RAW(SYS_exit_group, below(s, 256), 0, 0);
        }
    }
    if (child > 0)
        s->last_pid = child;
}

/* Whatever was done to it: an alarm every 10 ms that ends calls that wait. */
static void
arm_alarm(void)
{
    struct itimerval t = { { 0, 10000 }, { 0, 10000 } };
    u64 none = 0;

    set_handler(SIGALRM, 0);
    raw(SYS_rt_sigprocmask, SIG_SETMASK, (u64)&none, 0, 8, 0, 0);
    RAW(SYS_setitimer, 0, &t, 0);
}

static void
many_calls(struct stream *s, int n)
{
    for (int i = 0; i < n; i++) {
        if (i % 8 == 0)
            arm_alarm();
        u64 what = below(s, 64);
        if (what == 0)
            start_thread(s);
        else if (what < 3)
            start_child(s, below(s, 5));
        else
            one_call(s);
    }
}

/* ---- a round ---- */

static void
make_files(void)
{
    static char text[5000];
    int fds[2];

    CHECK(mkdir("d", 0777) == 0 && mkdir("d/e", 0777) == 0 && mkdir("m", 0777) == 0);
    for (const char *name = "ab"; *name != '\0'; name++) {
        char path_text[2] = { *name, '\0' };
        int fd = open(path_text, O_CREAT | O_RDWR, 0666);
        CHECK(fd >= 0 && write(fd, text, sizeof text) == sizeof text);
        CHECK(lseek(fd, 0, SEEK_SET) == 0);
    }
    CHECK(symlink("d", "l") == 0 && symlink("loop", "loop") == 0 && symlink("a", "deep") == 0);
    CHECK(mkfifo("d/fifo", 0666) == 0 && link("a", "hard") == 0);
    open("d/fifo", O_RDWR | O_NONBLOCK);
    open("d", O_RDONLY);
    open("a", O_PATH);
    open("null", O_RDWR);
    open("zero", O_RDWR);
    open("random", O_RDWR);
    for (int i = 0; i < 3; i++) {
        CHECK(pipe(fds) == 0);
        CHECK(write(fds[1], text, 100) == 100);
    }
}

/* Calls may change it, so it is not a link: not every system keeps a running program. */
static void
copy_program(const char *self)
{
    int from = open(self, O_RDONLY), to = open("self", O_CREAT | O_WRONLY, 0777);

    CHECK(from >= 0 && to >= 0);
    while (sendfile(to, from, NULL, 1 << 20) > 0)
        ;
    close(from);
    close(to);
}

static _Noreturn void
run_round(u64 seed, int root, const char *directory, const char *self, int verbose)
{
    struct stream s = { .state = seed * 0x9e3779b97f4a7c15ull | 1, .root = root, .log = -1 };
    struct rlimit limit = { 1 << 20, 1 << 20 };

    setsid();
    open("/dev/feuer", O_RDONLY);
    CHECK(mkdir(directory, 0777) == 0 && chdir(directory) == 0 && chmod(".", 0777) == 0);
    copy_program(self);
    static const struct { const char *name; int minor; } nodes[] = {
        { "null", 3 }, { "zero", 5 }, { "full", 7 }, { "random", 8 } };
    for (int i = 0; i < 4; i++) {
        CHECK(mknod(nodes[i].name, S_IFCHR | 0666, (dev_t)(1 << 8 | nodes[i].minor)) == 0);
        CHECK(chmod(nodes[i].name, 0666) == 0);
    }
    CHECK(chroot(".") == 0);
    s.log = verbose ? dup2(2, 200) : -1;
    for (int i = 0; i < 3; i++)
        CHECK(dup2(open("null", O_RDWR), i) == i);
    if (!root)
        CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
    make_files();
    setrlimit(RLIMIT_FSIZE, &limit);
    CHECK(mmap(ARENA, (ARENA_PAGES + 2) * PAGE, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == ARENA);
    CHECK(mmap(STACKS, 8 * STACK_BYTES, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == STACKS);
    for (u64 i = 0; i < ARENA_PAGES * PAGE / 8; i++)
        ((u64 *)ARENA)[i] = below(&s, 4) ? below(&s, 40) : edge(&s);
    memcpy(ARENA + 64, "x", 2);
    *(u64 *)(ARENA + 8) = 0;
    mprotect(READ_ONLY, PAGE, PROT_READ);
    mprotect(READ_ONLY + PAGE, PAGE, PROT_NONE);
    many_calls(&s, CALLS_PER_ROUND);
    RAW(SYS_exit_group, 0, 0, 0);
    _exit(0);
}

/* ---- the parent ---- */

static int
remove_one(const char *name, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    while (umount2(name, MNT_DETACH) == 0)
        ;
    return remove(name) == 0 || umount2(name, MNT_DETACH) != 0 ? 0 : remove(name);
}

static void
remove_tree(const char *directory)
{
    /* What is taken off uncovers what it was mounted on. */
    for (int i = 0; i < 8 && access(directory, F_OK) == 0; i++)
        nftw(directory, remove_one, 20, FTW_DEPTH | FTW_PHYS);
    CHECK(access(directory, F_OK) != 0);
}

struct worker {
    pid_t pid;
    u64 end_ms;
    char directory[64];
};

static u64
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

static void
end_round(struct worker *w)
{
    kill(-w->pid, SIGKILL);
    w->pid = 0;
}

/* One look at all rounds: the number of those that have ended. */
static int
look(struct worker *workers, int count, int *hung)
{
    int status, ended = 0;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (int i = 0; i < count; i++)
            if (workers[i].pid == pid) {
                if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
                    printf("# a round ended with 1\n");
                end_round(&workers[i]);
                ended++;
            }
    for (int i = 0; i < count; i++)
        if (workers[i].pid != 0 && now_ms() > workers[i].end_ms) {
            kill(workers[i].pid, SIGKILL);
            kill(-workers[i].pid, SIGKILL);
            workers[i].end_ms = now_ms() + 10000;
            ++*hung;
        }
    return ended;
}

/* Orphans come to us (PR_SET_CHILD_SUBREAPER) when their parents have gone. */
static void
settle(void)
{
    for (int i = 0; i < 20; i++) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            i = 0;
        usleep(10000);
    }
}

static int
run_rounds(u64 seed, int rounds, int count, const char *self, int verbose)
{
    struct worker workers[WORKERS_MAX] = { { 0 } };
    struct timespec pause_time = { 0, 1000000 };
    int started = 0, ended = 0, hung = 0;

    while (ended < rounds) {
        for (int i = 0; i < count && started < rounds; i++) {
            struct worker *w = &workers[i];
            if (w->pid != 0)
                continue;
            if (w->directory[0] != '\0')
                remove_tree(w->directory);
            snprintf(w->directory, sizeof w->directory, "/tmp/fuzz.%d.%d", (int)getpid(),
                     started);
            w->end_ms = now_ms() + ROUND_MS;
            w->pid = fork();
            CHECK(w->pid >= 0);
            if (w->pid == 0)
                run_round(seed + (u64)started, started % 2, w->directory, self, verbose);
            started++;
        }
        nanosleep(&pause_time, NULL);
        ended += look(workers, count, &hung);
    }
    for (int i = 0; i < count; i++)
        if (workers[i].directory[0] != '\0')
            remove_tree(workers[i].directory);
    settle();
    return hung;
}

/* ---- afterwards ---- */

static void
test_files_and_children_work(void)
{
    char text[64] = "";
    int fds[2], fd = open("/tmp/fuzz.after", O_CREAT | O_RDWR | O_EXCL, 0600);

    CHECK(fd >= 0 && write(fd, "still here", 11) == 11 && lseek(fd, 0, SEEK_SET) == 0);
    CHECK(read(fd, text, sizeof text) == 11 && strcmp(text, "still here") == 0);
    CHECK(close(fd) == 0 && unlink("/tmp/fuzz.after") == 0);
    CHECK(pipe(fds) == 0);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) {
            CHECK(write(fds[1], "x", 1) == 1);
            _exit(i);
        }
        CHECK_EXIT(child, i);
        CHECK(read(fds[0], text, sizeof text) == 1 && text[0] == 'x');
    }
}

#define COUNTS 16
struct counts {
    int n;
    struct {
        char name[32];
        long value;
    } at[COUNTS];
};

static void
read_counts(struct counts *c)
{
    FILE *file = fopen("/dev/feuer", "r");

    c->n = 0;
    while (file != NULL && c->n < COUNTS &&
           fscanf(file, "%31s %ld", c->at[c->n].name, &c->at[c->n].value) == 2)
        c->n++;
    if (file != NULL)
        fclose(file);
}

/* What the instance may keep: names and slabs in its caches. */
static long
allowed(const char *name)
{
    if (strncmp(name, "frames", 6) == 0)
        return 300;
    return strncmp(name, "heap", 4) == 0 ? 1000000000 : 0;
}

static int
compare_counts(const struct counts *before, int say)
{
    struct counts after;
    int lost = 0;

    read_counts(&after);
    for (int i = 0; i < before->n && i < after.n; i++) {
        long more = after.at[i].value - before->at[i].value;
        int bad = labs(more) > allowed(before->at[i].name);
        lost += bad;
        if (say && more != 0)
            printf("%s %s %+ld\n", bad ? "# LOST" : "#", before->at[i].name, more);
    }
    return lost;
}

int
main(int argc, char **argv)
{
    struct counts before;
    u64 seed = 1;
    int calls_wanted = 6000, count = 1, verbose = 0, option, tries = 0;

    if (argc == 0 || strchr(argv[0], '/') == NULL)
        return 7; /* a round has executed itself */
    while ((option = getopt(argc, argv, "s:n:p:v")) != -1) {
        if (option == 's')
            seed = strtoull(optarg, NULL, 0);
        else if (option == 'n')
            calls_wanted = atoi(optarg);
        else if (option == 'p')
            count = atoi(optarg);
        else
            verbose = 1;
    }
    mkdir("/tmp", 01777);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (count < 1 || count > WORKERS_MAX)
        count = 1;
    close(memfd_create("first", 0)); /* what is kept from the first use on is kept now */
    run_rounds(seed + 1000000, count, count, argv[0], 0);
    read_counts(&before);
    int hung = run_rounds(seed, calls_wanted / CALLS_PER_ROUND, count, argv[0], verbose);
    printf("# seed %lu: %d rounds had to be ended\n", seed, hung);
    RUN(test_files_and_children_work);
    while (compare_counts(&before, 0) != 0 && tries++ < 10)
        settle();
    int lost = compare_counts(&before, 1);
    printf("%s - nothing is lost\n", lost ? "not ok" : "ok");
    return check_failures != 0 || lost != 0;
}
