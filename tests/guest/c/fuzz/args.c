/* SPDX-License-Identifier: MIT */
/* Arguments: numbers, addresses, paths, structures, mostly of the right shape. */
#include "fuzz.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* What an argument may be; a letter for each in the table below. */
enum kind {
    FD = 'f', PATH = 'p', BUFFER = 'b', LENGTH = 'n', FLAGS = 'x', NUMBER = 'i', PID = 'P',
    VECTOR = 'v', TIME = 't', SIGNAL = 's', SET = 'm', ADDRESS = 'a', POLLS = 'l',
    STRINGS = 'S', MODE = 'o', OPEN = 'O', WHENCE = 'w', OFFSET = 'z', ID = 'u',
    FD_NEW = 'd', ACTION = 'A', PROT = 'r', MAP = 'M', AT = '@', IOCTL = 'I', FCNTL = 'F',
    STACK = 'k', TYPE = 'T', FUTEX = 'q', WAIT = 'W', ZERO = '0',
    XATTR = 'X', SOCKADDR = 'D', MESSAGE = 'G', EVENT = 'E', OPTION = 'Y', KEY = 'K',
    GET = 'Z', SEMBUF = 'B', COMMAND = 'j', NOWAIT = 'N', NOTIFY = 'g', CLOCK = 'c',
    CLONE = 'R', FAMILY = '1', SOCKET = 'C', PRCTL = '2', ATTRIBUTES = '3', REQUESTS = '4',
    CONTEXT = '5', CONTEXT_AT = '6', WATCH = '7', SEALS = '8', ADVICE = '9', EPOLL = 'e',
    QUEUE = 'h', RESOURCE = 'y', HOW = 'H',
};

static const char *const paths[] = {
    "a", "b", "d", "d/e", "d/e/f", "d/../a", "l", "loop", "d/fifo", ".", "..", "", "./",
    "d/", "a/", "//", "d//e///", "a/b", "l/x", "deep", "new1", "new2", "d/new3", "m",
    "m/x", "m/y", "hard", "self", "tmp", "null", "zero", "full", "random", "proc",
    "proc/self/fd/5", "proc/self/maps", "proc/self/mem", "proc/self/exe", "proc/1/stat",
    "proc/self/fd", "proc/mounts", "proc/self/task", "proc/self/comm", "proc/thread-self/stat",
    "pts/ptmx", "pts/0", "proc/self/root/a", "proc/self/cwd", "proc/self/environ",
};

u64
next(struct stream *s)
{
    s->state ^= s->state << 13;
    s->state ^= s->state >> 7;
    s->state ^= s->state << 17;
    return s->state * 0x2545f4914f6cdd1dull;
}

u64
below(struct stream *s, u64 n)
{
    return (next(s) >> 20) % n;
}

u64
edge(struct stream *s)
{
    static const u64 edges[] = {
        0, 1, 2, 3, 7, 8, 16, 63, 64, 128, 255, 256, 1023, 1024, 4095, 4096, 4097, 65535,
        65536, 1ull << 20, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7ffff000,
        1ull << 40, 0x7fffffffffffffff, 0x8000000000000000, ~0ull, ~0ull - 4095,
    };
    return edges[below(s, sizeof edges / sizeof edges[0])];
}

u64
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

static void *
somewhere(struct stream *s)
{
    return (void *)((u64)ARENA + below(s, ARENA_PAGES - 2) * PAGE);
}

/* Of a local socket: a path of the round, or an abstract name. */
static u64
socket_address(struct stream *s)
{
    unsigned short *a = somewhere(s);
    char *name = (char *)(a + 1);

    a[0] = below(s, 20) == 0 ? (unsigned short)next(s) : AF_UNIX;
    memset(name, 0, 108);
    if (below(s, 2))
        snprintf(name + 1, 20, "fuzz%lu", below(s, 6));
    else
        snprintf(name, 108, "s%lu", below(s, 6));
    return below(s, 20) == 0 ? address(s) : (u64)a;
}

/* With descriptors or credentials along; as well the first of several. */
static u64
message(struct stream *s)
{
    struct msghdr *h = somewhere(s);
    struct cmsghdr *c = (void *)((u64)h + 1024);

    for (int i = 0; i < 4; i++, h = (void *)((u64)h + 64)) {
        memset(h, 0, sizeof *h);
        h->msg_name = below(s, 4) ? NULL : (void *)socket_address(s);
        h->msg_namelen = h->msg_name != NULL ? (socklen_t)below(s, 120) : 0;
        h->msg_iov = (void *)vector(s);
        h->msg_iovlen = below(s, 6);
        h->msg_control = c;
        h->msg_controllen = below(s, 3) == 0 ? below(s, 300) : 40;
    }
    c->cmsg_len = below(s, 6) == 0 ? edge(s) : CMSG_LEN(4 * (1 + below(s, 5)));
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = (int)(1 + below(s, 2));
    for (int i = 0; i < 5; i++)
        ((int *)CMSG_DATA(c))[i] = (int)(below(s, 2) ? below(s, 28) : next(s));
    return (u64)h - 4 * 64;
}

static u64
event(struct stream *s)
{
    unsigned *e = somewhere(s);

    e[0] = (unsigned)(below(s, 4) == 0 ? next(s) : below(s, 0x20) | below(s, 8) << 29);
    e[1] = e[2] = (unsigned)next(s);
    return below(s, 16) == 0 ? address(s) : (u64)e;
}

static u64
semaphore_operations(struct stream *s)
{
    struct { unsigned short number; short change, flags; } *b = somewhere(s);

    for (int i = 0; i < 8; i++) {
        b[i].number = (unsigned short)(below(s, 8) == 0 ? next(s) : below(s, 4));
        b[i].change = (short)(below(s, 5) - 2);
        b[i].flags = (short)(below(s, 2) * 010000 | below(s, 2) * 04000);
    }
    return below(s, 16) == 0 ? address(s) : (u64)b;
}

static u64
notification(struct stream *s)
{
    struct { u64 value; int number, notify, tid; } *e = somewhere(s);

    e->value = next(s);
    e->number = (int)(below(s, 10) == 0 ? edge(s) : below(s, 2) ? SIGALRM : below(s, 65));
    e->notify = (int)(below(s, 12) == 0 ? edge(s) : below(s, 3) == 0 ? 4 : below(s, 3));
    e->tid = (int)RAW(SYS_gettid, 0, 0, 0);
    return below(s, 8) == 0 ? address(s) : (u64)e;
}

/* A thread or a child that ends at once: its stack is its own, and its first return goes to
 * nowhere. */
static u64
clone_arguments(struct stream *s)
{
    static const u64 flags[] = { 0x100, 0x200, 0x400, 0x800, 0x1000, 0x4000, 0x8000, 0x10000,
                                 0x40000, 0x80000, 0x100000, 0x200000, 0x1000000, 0x2000000,
                                 0x80000000, 0x100000000 };
    u64 *a = somewhere(s);

    memset(a, 0, 88);
    for (u64 i = 0, n = below(s, 5); i < n; i++)
        a[0] |= flags[below(s, sizeof flags / sizeof flags[0])];
    if (below(s, 4) == 0)
        a[0] |= 0x10900; /* as threads have it */
    a[1] = address(s);
    a[2] = address(s);
    a[3] = address(s);
    a[4] = below(s, 4) == 0 ? edge(s) : below(s, 2) * SIGCHLD;
    a[5] = (u64)STACKS + 7 * STACK_BYTES;
    a[6] = below(s, 4) == 0 ? edge(s) : STACK_BYTES - 64;
    a[8] = below(s, 6) == 0 ? address(s) : 0;
    a[9] = below(s, 6) == 0 ? edge(s) : 0;
    return below(s, 16) == 0 ? address(s) : (u64)a;
}

/* What sched_setattr(2) takes; of several sizes. */
static u64
attributes(struct stream *s)
{
    struct {
        unsigned size, policy;
        u64 flags;
        int nice;
        unsigned priority;
        u64 runtime, deadline, period;
        unsigned least, most;
    } *a = somewhere(s);

    a->size = (unsigned)(below(s, 6) == 0 ? edge(s) : below(s, 8) ? 48 : 56);
    a->policy = (unsigned)(below(s, 16) == 0 ? edge(s) : below(s, 7));
    a->flags = below(s, 8) == 0 ? next(s) : below(s, 3) == 0 ? 1ull << below(s, 8) : 0;
    a->nice = (int)(below(s, 10) == 0 ? edge(s) : below(s, 41) - 20);
    a->priority = (unsigned)(below(s, 10) == 0 ? edge(s) : below(s, 2) * below(s, 100));
    a->runtime = below(s, 8) == 0 ? edge(s) : 1024 + below(s, 100000);
    a->deadline = below(s, 8) == 0 ? edge(s) : a->runtime + below(s, 10000000);
    a->period = below(s, 8) == 0 ? edge(s) : below(s, 2) * (a->deadline + below(s, 1000000));
    return below(s, 16) == 0 ? address(s) : (u64)a;
}

/* Of io_submit(2): some requests, and where they lie. */
static u64
requests(struct stream *s)
{
    u64 *list = somewhere(s);

    for (u64 i = 0, n = 1 + below(s, 8); i < n; i++) {
        struct {
            u64 data;
            unsigned key, flags;
            unsigned short opcode;
            short priority;
            unsigned fd;
            u64 buffer, bytes, offset, reserved;
            unsigned tell, counter;
        } *q = (void *)((u64)list + 128 + i * 64);
        list[i] = below(s, 24) == 0 ? address(s) : (u64)q;
        memset(q, 0, sizeof *q);
        q->data = next(s);
        q->flags = (unsigned)(below(s, 8) == 0 ? 1u << below(s, 32) : 0);
        q->opcode = (unsigned short)(below(s, 16) == 0 ? next(s) : below(s, 9));
        q->fd = (unsigned)(below(s, 12) == 0 ? edge(s) : below(s, 44));
        q->buffer = q->opcode == 5 ? below(s, 64) : q->opcode > 6 ? vector(s) : address(s);
        q->bytes = q->opcode == 5 ? 0 : q->opcode > 6 ? below(s, 9) : below(s, 5000);
        q->offset = q->opcode == 5 ? 0 : below(s, 8) == 0 ? edge(s) : below(s, 9000);
        q->tell = (unsigned)(below(s, 6) == 0);
        q->counter = (unsigned)below(s, 44);
        if (below(s, 10) == 0)
            ((unsigned char *)q)[below(s, 64)] = (unsigned char)next(s);
    }
    return below(s, 16) == 0 ? address(s) : (u64)list;
}

static u64
queue_attributes(struct stream *s)
{
    long *a = somewhere(s);

    a[0] = below(s, 4) == 0 ? (long)edge(s) : 04000;
    a[1] = below(s, 6) == 0 ? (long)edge(s) : (long)(1 + below(s, 10));
    a[2] = below(s, 6) == 0 ? (long)edge(s) : (long)(1 + below(s, 8192));
    a[3] = (long)next(s);
    return below(s, 3) == 0 ? 0 : (u64)a;
}

u64
argument(struct stream *s, char kind)
{
    static const u64 ioctls[] = {
        0x5401, 0x5402, 0x5403, 0x5404, 0x5409, 0x540a, 0x540b, 0x540c, 0x540d, 0x540e,
        0x540f, 0x5410, 0x5411, 0x5412, 0x5413, 0x5414, 0x541b, 0x5420, 0x5421, 0x5422,
        0x5423, 0x5424, 0x5429, 0x5441, 0x5450, 0x5451, 0x8903, 0x80045430, 0x40045431,
        0x80045438, 0x80045439, 0x40045436,
    };
    static const char *const types[] = { "tmpfs", "proc", "sysfs", "devpts", "ramfs", "none" };
    static const char *const xattrs[] = {
        "user.a", "user.b", "trusted.a", "security.x", "system.posix_acl_access", "user.", "a",
    };

    static const unsigned char settings[] = {
        1, 2, 3, 4, 5, 6, 7, 8, 13, 14, 15, 16, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
        33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 47, 52, 53, 55, 56, 57, 58, 65, 66, 67, 68,
    };

    switch ((enum kind)kind) {
    case PRCTL:
        return below(s, 20) == 0 ? edge(s) : settings[below(s, sizeof settings)];
    case ATTRIBUTES:
        return attributes(s);
    case REQUESTS:
        return requests(s);
    case CONTEXT_AT: /* of the first page, which others leave alone more often than not */
        return below(s, 12) == 0 ? address(s) : (u64)ARENA + 16 + 8 * below(s, 4);
    case CONTEXT:
        return below(s, 12) == 0 ? address(s) : ((u64 *)ARENA)[2 + below(s, 4)];
    case WATCH:
        return below(s, 4) == 0 ? next(s) : below(s, 0x1000) | below(s, 8) << 29;
    case SEALS:
        return below(s, 3) == 0 ? 1u << below(s, 6) : below(s, 64);
    case ADVICE:
        return below(s, 12) == 0 ? edge(s) : below(s, 30);
    case EPOLL: /* where a round has its own (round.c), one in the other */
        return below(s, 3) == 0 ? below(s, 44) : 36 + below(s, 4);
    case QUEUE:
        return queue_attributes(s);
    case RESOURCE:
        return below(s, 20) == 0 ? edge(s) : below(s, 16);
    case HOW:
        return 1 + below(s, 3);
    case FD:
        return below(s, 12) != 0 ? below(s, 44)
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
        return below(s, 8) == 0 ? address(s) : (u64)types[below(s, 6)];
    case XATTR:
        return below(s, 8) == 0 ? path(s) : (u64)xattrs[below(s, 7)];
    case SOCKADDR:
        return below(s, 3) == 0 ? 0 : socket_address(s);
    case MESSAGE:
        return message(s);
    case EVENT:
        return event(s);
    case OPTION:
        return below(s, 10) == 0 ? edge(s) : below(s, 80);
    case KEY:
        return below(s, 3) == 0 ? 0 : 0x5a0 + below(s, 6);
    case GET:
        return 0600 | below(s, 4) << 9 | (below(s, 10) == 0 ? next(s) : 0);
    case SEMBUF:
        return semaphore_operations(s);
    case COMMAND:
        return below(s, 10) == 0 ? edge(s) : below(s, 20);
    case NOWAIT:
        return 04000 | (below(s, 6) == 0 ? next(s) : below(s, 2) * 010000);
    case NOTIFY:
        return notification(s);
    case CLOCK:
        return below(s, 6) == 0 ? edge(s)
               : below(s, 3)    ? below(s, 12)
                                : (~RAW(SYS_gettid, 0, 0, 0) << 3 | below(s, 8)) & 0xffffffff;
    case CLONE:
        return clone_arguments(s);
    case FAMILY:
        return below(s, 12) == 0 ? below(s, 50) : 1;
    case SOCKET:
        return below(s, 12) == 0 ? next(s) : (1 + below(s, 5)) | SOCK_NONBLOCK * below(s, 2);
    case ZERO:
        return 0;
    }
    return 0;
}
