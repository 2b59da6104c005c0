/* SPDX-License-Identifier: MIT */
/*
 * The bench programs' harness: it measures rows and prints them, one line each,
 *     NAME MINIMUM MEDIAN          in ns for one operation, or      NAME - ERROR TEXT
 * Under `feuer exec --icount` a virtual nanosecond is one guest instruction.  With
 * BENCH_TICKS in the environment figures are ticks of the time stamp counter.
 *
 * H1. Each row is measured in a program image of its own (the program executes itself for
 *     every row), so that no figure depends on the rows that came before, and a row that
 *     crashes costs its own line only.
 * H2. A sample times a batch of operations between two readings of the time stamp
 * counter; what an empty batch costs is measured in the same way and taken off. H3. What
 * is around the batch (before, after, set_up, tear_down) is never timed. H4. An
 * operation, or a set_up, returns a negative value with errno set when it fails: then the
 * row's line says so instead of a figure.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stddef.h>
#include <stdint.h>

#define PAGE            4096
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* What --list says of a row beside its name. */
#define ROW_REP     1u /* It copies or clears memory, mostly by `rep` instructions. */
#define ROW_DERIVED 2u /* It is computed from other rows, by derive. */
#define ROW_USER    4u /* The program's own instructions alone, or nearly so: no call. */
#define ROW_ZERO    8u /* zero-copy: a path on which nobody needs bytes copied. */
#define ROW_WALL    16u /* wall: it asks for several CPUs, where nothing is counted. */

/* For one operation. */
struct figures {
    double minimum, median;
};

struct row {
    const char *name;
    long (*operation)(void);
    int batch;            /* Operations in one sample; 0 stands for 1. */
    int parts;            /* What one operation counts for; 0 stands for 1. */
    unsigned flags;       /* ROW_*. */
    unsigned delivers;    /* Bytes that one operation delivers: delivers=N in --list. */
    long size;            /* What bench_size is for this row. */
    int most;             /* At most so many samples, without warming up; 0: no limit. */
    void (*before)(void); /* Around each sample. */
    void (*after)(void);
    int (*set_up)(void); /* Around the whole row.  tear_down runs if set_up succeeded. */
    void (*tear_down)(void);
    /* Instead of all of these but the flags: fills FIGURES, or returns an errno value. */
    int (*derive)(int samples, struct figures *figures);
};

struct group {
    const char *name;
    const struct row *rows;
    size_t count;
};

/* The path of this program, for rows that execute it: given "nothing" it exits at once.
 */
extern char *bench_self;

/* How much there is of what the cost of the row may grow with: its size, for set_up and
 * the rest of the row. */
extern long bench_size;

/* Says "# WHAT: error" and ends the program unless GOOD. */
void must(int good, const char *what);

/* Measures ROW in this process: 0, or an errno value.  For a derive. */
int bench_measure(const struct row *row, int samples, struct figures *figures);

/*
 * The whole of a bench program: --list, -n SAMPLES, names of rows (all by default).  Each
 * row's name is printed with PREFIX before it.  Returns the exit status.
 */
int bench_main(int argc, char **argv, const char *prefix,
               const struct group *const *groups, size_t count);

/* Reads the time stamp counter when everything before has been done. */
static inline uint64_t
ticks(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

#endif
