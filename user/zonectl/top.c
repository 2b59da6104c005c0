/* SPDX-License-Identifier: MIT */
/*
 * zonectl top: two looks at the steward's counters, and what happened between them.
 *
 * An instance's time is that of its vCPUs: programs, LibOS, and the kernel's work for
 * both.  The rest, in which no vCPU has a CPU, is `idle`.
 */
#define _GNU_SOURCE
#include "zonectl.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INSTANCES 64
#define COUNTS    10
enum { TICKS, CROSSINGS, UPCALLS, FAULTS, CALLS, REPLIES, SWITCHES, KIB, USED, SLOTS };

struct look {
    double now, hz, steward;
    int cpus, instances;
    struct {
        char name[32];
        double count[COUNTS];
    } instance[INSTANCES];
};

static void
take_instance(struct look *l, char *f[], int n)
{
    if (n != COUNTS + 2 || l->instances == INSTANCES)
        return;
    snprintf(l->instance[l->instances].name, 32, "%s", f[1]);
    for (int k = 0; k < COUNTS; k++)
        l->instance[l->instances].count[k] = strtod(f[k + 2], NULL);
    l->instances++;
}

static void
take_look(struct look *l)
{
    static char answer[ANSWER_MAX];
    char *at = ask(answer, "top"), *line, *f[16];

    *l = (struct look){ 0 };
    while ((line = next_line(&at))) {
        int n = split(line, f, 16);
        if (n == 4 && strcmp(f[0], "machine") == 0) {
            l->now = strtod(f[1], NULL);
            l->hz = strtod(f[2], NULL);
            l->cpus = atoi(f[3]);
        } else if (n >= 2 && strcmp(f[0], "steward") == 0) {
            l->steward = strtod(f[1], NULL);
        } else if (n >= 2 && strcmp(f[0], "instance") == 0) {
            take_instance(l, f, n);
        }
    }
}

/* The same instance in the look before; one that started since counts from 0. */
static double
before(const struct look *old, const char *name, int k, double now)
{
    for (int i = 0; i < old->instances; i++)
        if (strcmp(old->instance[i].name, name) == 0)
            return old->instance[i].count[k] <= now ? old->instance[i].count[k] : 0;
    return 0;
}

static void
show_zone(const char *name, double ticks, double all)
{
    if (plain)
        printf("%s\t%.1f\n", name, 100 * ticks / all);
    else
        printf("%-16s %6.1f\n", name, 100 * ticks / all);
}

static void
show(const struct look *old, const struct look *new)
{
    double time = (new->now - old->now) / new->hz,
           all = (new->now - old->now) * new->cpus;
    double rest = all - (new->steward - old->steward);

    if (!plain)
        printf("%-16s %6s %9s %10s %9s %8s %8s %8s %9s\n", "ZONE", "CPU %", "MEMORY",
               "CROSSINGS", "UPCALLS", "FAULTS", "IPC", "SWITCHES", "SLOTS");
    for (int i = 0; i < new->instances; i++) {
        const char *name = new->instance[i].name;
        const double *c = new->instance[i].count;
        double d[COUNTS];
        for (int k = 0; k < COUNTS; k++)
            d[k] = k < KIB ? c[k] - before(old, name, k, c[k]) : c[k];
        rest -= d[TICKS];
        for (int k = CROSSINGS; k < KIB; k++)
            d[k] /= time;
        printf(
            plain ? "%s\t%.1f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\n"
                  : "%-16s %6.1f %7.0f M %8.0f/s %7.0f/s %6.0f/s %6.0f/s %6.0f/s %9.0f\n",
            name, 100 * d[TICKS] / all, plain ? d[KIB] : d[KIB] / 1024, d[CROSSINGS],
            d[UPCALLS], d[FAULTS], d[CALLS] + d[REPLIES], d[SWITCHES], d[USED]);
    }
    show_zone("steward", new->steward - old->steward, all);
    show_zone("idle", rest > 0 ? rest : 0, all);
    fflush(stdout);
}

void
top(double seconds, bool once)
{
    static struct look looks[2];
    double wait = seconds < 0.05 ? 0.05 : seconds;
    struct timespec t = { .tv_sec = (time_t)wait,
                          .tv_nsec = (long)((wait - (double)(time_t)wait) * 1e9) };
    int which = 0;

    take_look(&looks[0]);
    for (;;) {
        nanosleep(&t, NULL);
        take_look(&looks[!which]);
        if (!once && !plain)
            printf("\033[H\033[J");
        show(&looks[which], &looks[!which]);
        if (once)
            return;
        which = !which;
    }
}
