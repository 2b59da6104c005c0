/* SPDX-License-Identifier: MIT */
/*
 * The caller of random system calls of tests/guest/c/fuzz, on the host: its table and its
 * arguments, given to the handlers of the rooms under sanitizers.
 *
 * fuzz_calls [SEED [ROUNDS]]: without arguments a fixed number of rounds from a fixed
 * seed. A round is a process with a file system of its own, every second one without
 * root's rights, and what it starts; the first process ends it, and takes all that it
 * left.
 *
 * F1. The arguments are made in the host's memory at ARENA, and copied to the same
 * address of the user before each call. F2. A process that cannot be ended leaves the
 * first process asleep for ever, which is a panic; a call that never comes back is the
 * alarm's. F3. Some calls of every third round find no memory: the heap says so from then
 * on, until they are through. F4. Rounds of the same seeds leave the same: after the
 * first two passes have filled what is kept, a third holds no more frames, and of objects
 * fewer than a round each.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fs/dev/dev.h"
#include "posix/table.h"
#include "proc/test/world.h"
#include "procfs/procfs.h"
#include "tty/tty.h"

#define ARENA        0x300000000000ul /* as in tests/guest/c/fuzz/fuzz.h */
#define ARENA_BYTES  (32 * PAGE_SIZE)
#define STACKS       0x300010000000ul
#define STACKS_BYTES 0x40000ul
#define CALLS        300
#define CHILD_CALLS  40
#define ENTRY_ROUND  0x1000ul

/* ---- what tests/guest/c/fuzz/args.c and table.c share with us (fuzz.h there) ---- */
struct stream {
    u64 state;
    int depth, root, log;
    long last_pid;
};
struct call {
    short number;
    char root_only, args[7];
};
extern const struct call calls[];
extern const unsigned call_count;
u64 below(struct stream *s, u64 n);
u64 edge(struct stream *s);
u64 argument(struct stream *s, char kind);
long raw(long number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f);
void on_signal(int number, void *info, void *context);
void fuzz_restorer(void);

static u64 seed = 1, rounds = 60, made, threads, failed, round_number;
static bool verbose;

/* Objects that only frames point to look lost to it; F4 counts instead. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
    return "detect_leaks=0";
}

void
on_signal(int number, void *info, void *context)
{
    (void)number, (void)info, (void)context;
}

void
fuzz_restorer(void)
{
}

/* A call as the gate makes it, and the way back to the user; may not come back. */
long
raw(long number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 g)
{
    struct thread *t = thread_current();
    struct user_frame *f = thread_frame(t);
    f->rdi = a;
    f->rsi = b;
    f->rdx = c;
    f->r10 = d;
    f->r8 = e;
    f->r9 = g;
    f->rax = f->orig_rax = (u64)number;
    f->rsp = STACKS + STACKS_BYTES / 2;
    long r = (u64)number < POSIX_CALLS ? posix_calls[number](f) : -E_NOSYS;
    if (r < 0 && r > -(long)E_MAX)
        r = posix_call_error(r);
    f->rax = (u64)r;
    (void)thread_do_work(t, f);
    f->orig_rax = ~0ull;
    return (long)f->rax;
}

/* ---- what a process of a round does ---- */

/* What would end the machine, or reach out of the round's files. */
static bool
is_left_out(long number)
{
    static const short numbers[] = { 155, 161, 163, 164, 165, 166, 169, 170, 171, 175,
                                     227, 246, 304, 428, 429, 430, 431, 432, 433, 442 };
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        if (numbers[i] == number)
            return true;
    return false;
}

static void
one_call(struct stream *s)
{
    const struct call *c = &calls[below(s, call_count)];
    long number = c->number >= 0 ? c->number : (long)below(s, POSIX_CALLS);
    u64 a[6] = { 0 };
    if (is_left_out(number))
        return;
    for (int i = 0; i < 6 && c->args[i] != 0; i++)
        a[i] = argument(s, c->args[i]);
    size_t left = copy_to_user_nofault(ARENA, (void *)ARENA, ARENA_BYTES);
    if (left != 0 && copy_to_user(ARENA, (void *)ARENA, ARENA_BYTES) != 0)
        failed++; /* the round has taken its own memory away */
    if (verbose)
        printf("%lu %s %lx %lx %lx %lx %lx %lx\n", (unsigned long)thread_current()->tid,
               posix_call_name((u32)number) ? posix_call_name((u32)number) : "-", a[0],
               a[1], a[2], a[3], a[4], a[5]);
    if (round_number % 3 == 2 && below(s, 16) == 0)
        host_fail_heap_after(below(s, 12));
    made++;
    long r = raw(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    host_fail_heap_after(~0ull);
    if (r > 1 && (number == 56 || number == 57 || number == 435))
        s->last_pid = r;
    host_tick(500);
}

static void
caller(struct stream *s, int n)
{
    for (int i = 0; i < n; i++) {
        u64 what = below(s, 60);
        if (what == 0) /* a thread */
            raw(56, 0x50f00, STACKS, 0, 0, 0, 0);
        else if (what == 1)
            s->last_pid = raw(57, 0, 0, 0, 0, 0, 0);
        else if (what < 6)
            thread_yield();
        else
            one_call(s);
    }
    raw(231, 0, 0, 0, 0, 0, 0);
}

/* A string for the calls below, in the user's memory. */
static u64
text(unsigned slot, const char *s)
{
    u64 at = ARENA + slot * 128;
    CHECK(copy_to_user(at, s, strlen(s) + 1) == 0);
    return at;
}

static void
map_memory(void)
{
    CHECK(raw(9, ARENA, ARENA_BYTES, 3, 0x32, ~0ul, 0) == (long)ARENA);
    CHECK(raw(9, STACKS, STACKS_BYTES, 3, 0x32, ~0ul, 0) == (long)STACKS);
}

static void
begin_round(u64 number)
{
    static const char *const opened[] = { "a",
                                          "b",
                                          "d",
                                          "d/fifo",
                                          "null",
                                          "zero",
                                          "random",
                                          "proc/self/maps",
                                          "proc/self/mem",
                                          "proc/mounts",
                                          "pts/ptmx" };
    static const char *const made_files[] = { "a", "b", "d/x" };
    map_memory();
    raw(112, 0, 0, 0, 0, 0, 0);
    CHECK(raw(80, text(0, "/f"), 0, 0, 0, 0, 0) == 0);
    raw(83, text(0, "d"), 0777, 0, 0, 0, 0);
    raw(83, text(0, "d/e"), 0777, 0, 0, 0, 0);
    raw(83, text(0, "proc"), 0777, 0, 0, 0, 0);
    raw(83, text(0, "pts"), 0777, 0, 0, 0, 0);
    CHECK(raw(165, text(0, "p"), text(1, "proc"), text(2, "proc"), 0, 0, 0) == 0);
    CHECK(raw(165, text(0, "p"), text(1, "pts"), text(2, "devpts"), 0,
              text(3, "ptmxmode=0666"), 0) == 0);
    for (size_t i = 0; i < ARRAY_SIZE(made_files); i++)
        CHECK(raw(2, text(0, made_files[i]), 0102, 0666, 0, 0, 0) >= 0);
    CHECK(raw(1, 0, ARENA, 5000, 0, 0, 0) == 5000);
    raw(133, text(0, "d/fifo"), 010666, 0, 0, 0, 0);
    raw(133, text(0, "null"), 020666, 0x103, 0, 0, 0);
    raw(133, text(0, "zero"), 020666, 0x105, 0, 0, 0);
    raw(133, text(0, "random"), 020666, 0x108, 0, 0, 0);
    raw(88, text(0, "d"), text(1, "l"), 0, 0, 0, 0);
    raw(88, text(0, "loop"), text(1, "loop"), 0, 0, 0, 0);
    if (number % 2 == 0) {
        raw(119, 1000, 1000, 1000, 0, 0, 0);
        raw(117, 1000, 1000, 1000, 0, 0, 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(opened); i++)
        raw(2, text(0, opened[i]), i == 2 ? 0 : 04002, 0, 0, 0, 0);
    for (u64 type = 1; type <= 5; type += type == 2 ? 3 : 1)
        CHECK(raw(53, 1, type | 04000, 0, ARENA, 0, 0) == 0);
    CHECK(raw(293, ARENA, 04000, 0, 0, 0, 0) == 0);
    raw(291, 0, 0, 0, 0, 0, 0);
    raw(290, 1, 04000, 0, 0, 0, 0);
    raw(283, 1, 04000, 0, 0, 0, 0);
    raw(294, 04000, 0, 0, 0, 0, 0);
    raw(319, text(0, "m"), 2, 0, 0, 0, 0);
}

static void driver(void);

static void
enter(struct thread *t, struct user_frame *f)
{
    struct stream s = { .log = -1 };
    if (proc_current()->pid == 1)
        driver();
    bool first = f->rip == ENTRY_ROUND;
    f->rip = 0x400000;
    if (first) {
        begin_round(round_number);
        threads = 0;
        memset((void *)ARENA, 0, ARENA_BYTES);
    }
    s.state =
        (seed + round_number) * 0x9e3779b97f4a7c15ull + threads++ * 0xbf58476d1ce4e5b9ull;
    s.state |= 1;
    s.root = round_number % 2 != 0;
    (void)t;
    caller(&s, first ? CALLS : CHILD_CALLS);
}

/* ---- the first process ---- */

static void
doze(u64 ns)
{
    u64 until = clock_mono_ns() + ns;
    while (clock_mono_ns() < until) {
        thread_prepare(false);
        (void)thread_block(until);
    }
}

/* What System V and POSIX objects a round left. */
static void
remove_objects(void)
{
    for (u64 i = 0; i < 300; i++) {
        long id = raw(66, i, 0, 18, ARENA, 0, 0);
        if (id >= 0)
            raw(66, (u64)id, 0, 0, 0, 0, 0);
        id = raw(71, i, 11, ARENA, 0, 0, 0);
        if (id >= 0)
            raw(71, (u64)id, 0, 0, 0, 0, 0);
        id = raw(31, i, 13, ARENA, 0, 0, 0);
        if (id >= 0)
            raw(31, (u64)id, 0, 0, 0, 0, 0);
    }
}

/* Queues of POSIX have names, those of paths in args.c. */
static void
remove_queues(void)
{
    static const char *const names[] = { "a", "b", "d", "l", "loop", "deep", "new1", "new2",
                                         "m", "hard", "self", "tmp", "null", "zero", "full",
                                         "random", "proc" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        raw(241, text(0, names[i]), 0, 0, 0, 0, 0);
}

static void
one_round(u64 number)
{
    struct user_frame f = *thread_frame(thread_current());
    struct fork_args args = { .exit_signal = SIG_CHLD };
    round_number = number;
    alarm(120);
    CHECK(raw(165, text(0, "f"), text(1, "/f"), text(2, "tmpfs"), 0, 0, 0) == 0);
    CHECK(raw(90, text(0, "/f"), 0777, 0, 0, 0, 0) == 0);
    f.rip = ENTRY_ROUND;
    i32 pid = (i32)proc_fork(&f, &args);
    CHECK(pid > 0);
    for (int i = 0; i < 100; i++) {
        doze(10000000);
        host_fail_heap_after(~0ull); /* a call that ended its thread */
        if (raw(61, (u64)pid, 0, 1, 0, 0, 0) == pid)
            break;
    }
    /* All of them, and those that they start meanwhile. */
    for (;;) {
        host_fail_heap_after(~0ull);
        raw(62, ~0ul, 9, 0, 0, 0, 0);
        if (raw(61, ~0ul, 0, 0x40000000, 0, 0, 0) == -10)
            break;
    }
    CHECK(raw(166, text(0, "/f"), 2, 0, 0, 0, 0) == 0);
    remove_objects();
    remove_queues();
    doze(1000000000);
}

static void
driver(void)
{
    struct host_counts before = { 0 }, after = { 0 };
    map_memory();
    CHECK(raw(83, text(0, "/f"), 0777, 0, 0, 0, 0) == 0);
    for (int pass = 0; pass < 3; pass++) {
        for (u64 i = 0; i < rounds; i++) {
            if (verbose)
                printf("round %lu\n", seed + i);
            one_round(i);
        }
        before = after;
        after = host_count();
        printf("# pass %d: %lu calls, %lu frames, %lu objects\n", pass, made,
               after.frames, after.objects);
    }
    CHECK(after.frames <= before.frames && after.objects <= before.objects + 4);
    printf("ok - all rounds ended, and their frames came back\n");
    world_done();
}

int
main(int argc, char **argv)
{
    seed = argc > 1 ? strtoull(argv[1], NULL, 0) : seed;
    rounds = argc > 2 ? strtoull(argv[2], NULL, 0) : rounds;
    verbose = getenv("FUZZ_VERBOSE") != NULL;
    CHECK(mmap((void *)ARENA, ARENA_BYTES + 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
               0) == (void *)ARENA);
    world_start();
    tty_init();
    procfs_init();
    host_user_entry = enter;
    world_run(enter);
    printf("%lu calls\n", made);
    DONE();
}
