/* SPDX-License-Identifier: MIT */
/*
 * Curves of growth: what an operation costs against how much there is of something.
 *
 * C1. A curve is a row without a size and the sizes that it is measured at; its rows are
 *     called BASE/SIZE, and find their size in bench_size.
 * C2. What a row needs is made by its set_up and is there, idle, while it is measured.
 * C3. `each` says that the operation is done for each of the size: the figure is that of
 *     one of them (a name listed, a process woken).
 */
#ifndef BENCH_CURVES_H
#define BENCH_CURVES_H

#include <sys/types.h>

#include "harness.h"

#define MIB       ((size_t)1 << 20)
#define MAX_SIZES 8

struct curve {
    struct row row;        /* Its name is BASE; size is not set. */
    long sizes[MAX_SIZES]; /* Ends with 0. */
    int each;
};

struct curves {
    const char *name; /* The group's. */
    const struct curve *curves;
    size_t count;
};

extern const struct curves curves_memory, curves_mappings, curves_directory, curves_depth,
    curves_processes, curves_descriptors, curves_cpus, curves_threads;

/* fork, exit, wait. */
long op_fork_exit_wait(void);

/* The children that a row ends: waits for CHILD; -1 if it is not there. */
int await_child(pid_t child);

/* For a row that cannot be where it is run: -1 with errno set. */
int raise_limit(int resource, long value);

#endif
