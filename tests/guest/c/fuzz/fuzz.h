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
 * its directory, set the clock or the host's name, restart the machine.  So it calls no
 * chroot: a root below an open directory lets `..` lead out of the round's directory,
 * on any Unix, and what is made there is left when the round's directory is removed.
 */
#ifndef FUZZ_H
#define FUZZ_H

#define _GNU_SOURCE
#include "../check.h"

#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>

#define PAGE 4096ul
#define ARENA_PAGES 32ul
#ifdef FUZZ_HOST /* libos/posix/test/fuzz_calls.c: where a sanitizer has no shadow */
#define ARENA ((unsigned char *)0x300000000000)
#define STACKS ((unsigned char *)0x300010000000)
#else
#define ARENA ((unsigned char *)0x200000000)
#define STACKS ((unsigned char *)0x210000000)      /* of the threads, and the alternate */
#endif
#define READ_ONLY (ARENA + ARENA_PAGES * PAGE)     /* one page, then one without rights */
#define STACK_BYTES 0x8000ul
#define CALLS_PER_ROUND 300
#define ROUND_MS 1500
#define START_MS 30000 /* more, until its first call: the host may be busy */
#define WORKERS_MAX 16

typedef uint64_t u64;

/* One stream of calls: of a child, or of a thread of it. */
struct stream {
    u64 state;
    int depth;      /* below the child of the parent */
    int root;
    int log;        /* where to tell of each call; -1: nowhere */
    long last_pid;
};

struct call {
    short number;
    char root_only, args[7]; /* a letter of enum kind (args.c) for each argument */
};
extern const struct call calls[];
extern const unsigned call_count;

#ifdef FUZZ_HOST
long raw(long number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f);
#else
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
#endif
#define RAW(number, a, b, c) raw(number, (u64)(a), (u64)(b), (u64)(c), 0, 0, 0)

/* args.c */
u64 next(struct stream *s);
u64 below(struct stream *s, u64 n);
u64 edge(struct stream *s);
u64 address(struct stream *s);
u64 argument(struct stream *s, char kind);

/* acts.c */
void on_signal(int number, siginfo_t *info, void *context);
void fuzz_restorer(void);
void many_calls(struct stream *s, int n);

/* mutate.c: in a child: executes a file that was spoilt; comes back if that is refused. */
void exec_spoilt(struct stream *s);

/* watch.c: all threads of a process, on standard output; the children that are left, but
 * for one, are ended: how many. */
void tell_place(const char *why, int pid);
int end_left(int spared, int say);

/* neighbour.c */
int neighbour_start(void);
int neighbour_end(int pid);

/* round.c: adds to *begun, and sets *mine in the same page, when it is about to call. */
_Noreturn void run_round(u64 seed, int root, const char *directory, int program, int verbose,
                         int *begun, int *mine);

#endif
