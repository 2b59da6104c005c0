/* SPDX-License-Identifier: MIT */
/* The harness of the bench programs: see harness.h, whose rules the comments cite. */
#define _GNU_SOURCE
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define DEFAULT_SAMPLES 31
#define WARM_UPS        2
#define EMPTY_SAMPLES   20
#define CALIBRATE_NS    2000000

extern char **environ;

char *bench_self;
long bench_size;
static const char *prefix;

void
must(int good, const char *what)
{
    if (!good) {
        printf("# %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

/* ---- time ---- */

/* The clock in ns, and in *AT the counter at that moment: the narrowest of some tries. */
static uint64_t
clock_and_ticks(uint64_t *at)
{
    uint64_t narrowest = UINT64_MAX, clock = 0;

    for (int i = 0; i < 8; i++) {
        struct timespec time;
        uint64_t begin = ticks(), end;

        clock_gettime(CLOCK_MONOTONIC, &time);
        end = ticks();
        if (end - begin < narrowest) {
            narrowest = end - begin;
            clock = (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
            *at = begin + (end - begin) / 2;
        }
    }
    return clock;
}

/*
 * Ticks of the counter in one ns.  Where instructions are counted it is 1 by definition:
 * a value as near to that as the reading is exact is taken for it, so that figures
 * repeat.
 */
static double
ticks_per_ns(void)
{
    static double rate;
    uint64_t first, last, begin, end;

    if (rate == 0 && getenv("BENCH_TICKS") != NULL)
        rate = 1;
    if (rate != 0)
        return rate;
    begin = clock_and_ticks(&first);
    do
        end = clock_and_ticks(&last);
    while (end - begin < CALIBRATE_NS);
    rate = (double)(last - first) / (double)(end - begin);
    if (rate > 0.995 && rate < 1.005)
        rate = 1;
    return rate;
}

/* ---- one row ---- */

static int
by_value(const void *one, const void *two)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)two;

    return (a > b) - (a < b);
}

static int
batch_of(const struct row *row)
{
    return row->batch > 0 ? row->batch : 1;
}

static int
operations(const struct row *row)
{
    return batch_of(row) * (row->parts > 0 ? row->parts : 1);
}

/* One sample: the ticks of a batch.  An operation that fails leaves an errno in *ERROR.
 */
static uint64_t
sample(const struct row *row, int *error)
{
    long (*operation)(void) = row->operation;
    int batch = batch_of(row);
    long result = 0;
    uint64_t begin, end;

    if (row->before != NULL)
        row->before();
    errno = 0;
    begin = ticks();
    for (int i = 0; i < batch; i++)
        result |= operation();
    end = ticks();
    if (result < 0)
        *error = errno != 0 ? errno : EIO;
    if (row->after != NULL)
        row->after();
    return end - begin;
}

static long
op_empty(void)
{
    return 0;
}

/* The ticks that a sample has to itself: the loop, the indirect call, the counter. */
static uint64_t
overhead(int batch)
{
    struct row empty = { .name = "empty", .operation = op_empty, .batch = batch };
    uint64_t least = UINT64_MAX;
    int error = 0;

    for (int i = 0; i < EMPTY_SAMPLES; i++) {
        uint64_t one = sample(&empty, &error);

        least = one < least ? one : least;
    }
    return least;
}

static int
take_samples(const struct row *row, int samples, uint64_t *times)
{
    uint64_t base = overhead(batch_of(row));
    int error = 0, warm_ups = row->most > 0 ? 0 : WARM_UPS;

    bench_size = row->size;
    if (row->set_up != NULL) {
        errno = 0;
        if (row->set_up() < 0)
            return errno != 0 ? errno : EIO;
    }
    for (int i = 0; i < warm_ups && error == 0; i++)
        sample(row, &error);
    for (int i = 0; i < samples && error == 0; i++) {
        uint64_t one = sample(row, &error);

        times[i] = one > base ? one - base : 0;
    }
    if (row->tear_down != NULL)
        row->tear_down();
    return error;
}

int
bench_measure(const struct row *row, int samples, struct figures *figures)
{
    double unit = operations(row) * ticks_per_ns();
    uint64_t *times;
    int error;

    if (row->derive != NULL)
        return row->derive(samples, figures);
    if (row->most > 0 && samples > row->most)
        samples = row->most;
    times = calloc((size_t)samples, sizeof *times);
    must(times != NULL, "calloc");
    error = take_samples(row, samples, times);
    qsort(times, (size_t)samples, sizeof *times, by_value);
    figures->minimum = (double)times[0] / unit;
    figures->median = (double)times[samples / 2] / unit;
    free(times);
    return error;
}

/* ---- the program ---- */

static void
list(const struct group *group)
{
    static const char *const words[] = { "rep", "derived", "user", "zero-copy",
                                         "wall" };

    for (size_t i = 0; i < group->count; i++) {
        const struct row *row = &group->rows[i];
        const char *between = "";

        printf("%s%s %s ", prefix, row->name, group->name);
        for (size_t j = 0; j < COUNT_OF(words); j++) {
            if (row->flags & 1u << j) {
                printf("%s%s", between, words[j]);
                between = ",";
            }
        }
        if (row->delivers != 0)
            printf("%sdelivers=%u", between, row->delivers);
        else if (row->flags == 0)
            printf("-");
        printf(" %d\n", operations(row));
    }
}

static int
show(const struct row *row, int samples)
{
    struct figures figures = { 0, 0 };
    int error = bench_measure(row, samples, &figures);

    if (error != 0)
        printf("%s%s - %s\n", prefix, row->name, strerror(error));
    else
        printf("%s%s %.0f %.0f\n", prefix, row->name, figures.minimum, figures.median);
    fflush(stdout);
    return 0;
}

/* Rule H1: the program again, for this row alone. */
static void
show_apart(const struct row *row, int samples)
{
    char count[16], name[128];
    char *arguments[] = { bench_self, (char *)"-n", count, name, NULL };
    int status = 0;
    pid_t child;

    snprintf(count, sizeof count, "%d", samples);
    snprintf(name, sizeof name, "%s%s", prefix, row->name);
    fflush(stdout);
    errno = posix_spawn(&child, bench_self, NULL, NULL, arguments, environ);
    must(errno == 0, "posix_spawn");
    must(waitpid(child, &status, 0) == child, "waitpid");
    if (WIFSIGNALED(status))
        printf("%s - ended by signal %d\n", name, WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        printf("%s - ended with status %d\n", name, WEXITSTATUS(status));
}

/* Is ROW among the names?  Those that are get marked as found, unless FOUND is null. */
static int
is_wanted(const struct row *row, int argc, char **argv, int first, char *found)
{
    size_t length = strlen(prefix);

    if (first == argc)
        return 1;
    for (int i = first; i < argc; i++) {
        if (strncmp(argv[i], prefix, length) == 0 &&
            strcmp(argv[i] + length, row->name) == 0) {
            found[i] = 1;
            return 1;
        }
    }
    return 0;
}

int
bench_main(int argc, char **argv, const char *with_prefix,
           const struct group *const *groups, size_t count)
{
    int samples = DEFAULT_SAMPLES, first = 1, status = 0;
    char *found;

    if (argc == 2 && strcmp(argv[1], "nothing") == 0)
        return 0;
    prefix = with_prefix;
    bench_self = argv[0];
    if (argc > 2 && strcmp(argv[1], "-n") == 0) {
        samples = atoi(argv[2]) > 0 ? atoi(argv[2]) : samples;
        first = 3;
    }
    found = calloc((size_t)argc + 1, 1);
    must(found != NULL, "calloc");
    for (size_t i = 0; i < count; i++) {
        if (argc == 2 && strcmp(argv[1], "--list") == 0) {
            list(groups[i]);
            found[1] = 1;
            continue;
        }
        for (size_t j = 0; j < groups[i]->count; j++) {
            const struct row *row = &groups[i]->rows[j];

            if (!is_wanted(row, argc, argv, first, found))
                continue;
            if (argc - first == 1)
                show(row, samples);
            else
                show_apart(row, samples);
        }
    }
    for (int i = first; i < argc; i++) {
        if (!found[i]) {
            fprintf(stderr, "%s: no row %s\n", argv[0], argv[i]);
            status = 2;
        }
    }
    free(found);
    return status;
}
