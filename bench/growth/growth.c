/* SPDX-License-Identifier: MIT */
/*
 * What does each operation cost, against what it may grow with?  See curves.h.
 * usage: growth [-n SAMPLES] [BASE/SIZE...]     all rows by default
 *        growth --list                          NAME GROUP FLAGS OPERATIONS-PER-SAMPLE
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "curves.h"

int
await_child(pid_t child)
{
    return child > 0 && waitpid(child, NULL, 0) == child ? 0 : -1;
}

long
op_fork_exit_wait(void)
{
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    return await_child(child);
}

int
raise_limit(int resource, long value)
{
    struct rlimit limit;

    if (getrlimit(resource, &limit) < 0)
        return -1;
    if (limit.rlim_cur >= (rlim_t)value)
        return 0;
    limit.rlim_cur = (rlim_t)value;
    if (limit.rlim_max < limit.rlim_cur)
        limit.rlim_max = limit.rlim_cur;
    return setrlimit(resource, &limit);
}

static void
fill_row(struct row *row, const struct curve *curve, long size)
{
    char name[64];

    *row = curve->row;
    snprintf(name, sizeof name, "%s/%ld", curve->row.name, size);
    row->name = strdup(name);
    must(row->name != NULL, "strdup");
    row->size = size;
    if (curve->each)
        row->parts = (int)size * (row->parts > 0 ? row->parts : 1);
}

/* The rows of CURVES, as a group; they stay until the program ends. */
static struct group
group_of(const struct curves *curves)
{
    struct row *rows = calloc(curves->count * MAX_SIZES, sizeof *rows);
    size_t count = 0;

    must(rows != NULL, "calloc");
    for (size_t i = 0; i < curves->count; i++) {
        const struct curve *curve = &curves->curves[i];

        for (size_t j = 0; j < MAX_SIZES && curve->sizes[j] != 0; j++)
            fill_row(&rows[count++], curve, curve->sizes[j]);
    }
    return (struct group){ curves->name, rows, count };
}

int
main(int argc, char **argv)
{
    static const struct curves *const all[] = {
        &curves_memory,    &curves_mappings,    &curves_directory, &curves_depth,
        &curves_processes, &curves_descriptors, &curves_cpus,
        &curves_threads,
    };
    static struct group groups[COUNT_OF(all)];
    static const struct group *each[COUNT_OF(all)];

    for (size_t i = 0; i < COUNT_OF(all); i++) {
        groups[i] = group_of(all[i]);
        each[i] = &groups[i];
    }
    return bench_main(argc, argv, "", each, COUNT_OF(each));
}
