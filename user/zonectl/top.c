/* SPDX-License-Identifier: MIT */
/*
 * zonectl top: two looks at the steward's counters, and what happened between them.
 *
 * An instance's time is that of its vCPUs: programs, LibOS, and the kernel's work for
 * both.  The rest, in which no vCPU has a CPU, is `idle`.  Which part its programs had its
 * LibOS samples, and says.  The kernel has no time of its own: it works for whoever calls
 * or is interrupted; its line is the sum of what it did for all.
 */
#define _GNU_SOURCE
#include "zonectl.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INSTANCES 64
#define COUNTS    12
enum {
    TICKS,
    CROSSINGS,
    UPCALLS,
    FAULTS,
    CALLS,
    REPLIES,
    SWITCHES,
    KIB,
    USED,
    SLOTS,
    LIBOS,
    PROGRAMS
};
#define OTHERS 8 /* of the steward, and of the kernel */

struct look {
    double now, hz, steward[OTHERS], kernel[OTHERS];
    int cpus, instances;
    struct {
        char name[32];
        double count[COUNTS];
    } instance[INSTANCES];
};

static void
take(double *to, int count, char *f[], int n)
{
    for (int k = 0; k < count && k < n; k++)
        to[k] = strtod(f[k], NULL);
}

static void
take_instance(struct look *l, char *f[], int n)
{
    if (n != COUNTS + 2 || l->instances == INSTANCES)
        return;
    snprintf(l->instance[l->instances].name, 32, "%s", f[1]);
    take(l->instance[l->instances].count, COUNTS, f + 2, n - 2);
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
            take(l->steward, OTHERS, f + 1, n - 1);
        } else if (n >= 2 && strcmp(f[0], "kernel") == 0) {
            take(l->kernel, OTHERS, f + 1, n - 1);
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

/* A line; what is below 0 is not counted there. */
struct shown {
    double cpu, programs, kib, crossings, upcalls, faults, ipc, switches, interrupts, slots;
};
#define NOT_COUNTED                                                                      \
    (struct shown)                                                                       \
    {                                                                                    \
        -1, -1, -1, -1, -1, -1, -1, -1, -1, -1                                           \
    }

static void
show_number(int width, int digits, double value, const char *unit)
{
    if (plain) {
        printf(value < 0 ? "\t-" : "\t%.*f", digits, value);
        return;
    }
    width -= (int)strlen(unit);
    if (value < 0)
        printf(" %*s%*s", width, "-", (int)strlen(unit), "");
    else
        printf(" %*.*f%s", width, digits, value, unit);
}

static void
show_line(const char *name, const struct shown *s)
{
    printf(plain ? "%s" : "%-15s", name);
    show_number(6, 1, s->cpu, "");
    show_number(9, plain ? 0 : 1, plain || s->kib < 0 ? s->kib : s->kib / 1024, " M");
    show_number(10, 0, s->crossings, "/s");
    show_number(9, 0, s->upcalls, "/s");
    show_number(8, 0, s->faults, "/s");
    show_number(8, 0, s->ipc, "/s");
    show_number(8, 0, s->switches, "/s");
    show_number(7, 0, s->slots, "");
    show_number(8, 1, s->programs, "");
    show_number(8, 0, s->interrupts, "/s");
    printf("\n");
}

static double
show_instance(const struct look *old, const struct look *new, int i, double time,
              double all)
{
    const char *name = new->instance[i].name;
    const double *c = new->instance[i].count;
    double d[COUNTS];

    for (int k = 0; k < COUNTS; k++)
        d[k] = k < KIB || k > SLOTS ? c[k] - before(old, name, k, c[k]) : c[k];
    double sampled = d[LIBOS] + d[PROGRAMS],
           share = sampled > 0 ? d[PROGRAMS] / sampled : c[LIBOS] > 0 ? 0 : -1;
    struct shown s = {
        .cpu = 100 * d[TICKS] / all,
        .programs = share < 0 ? -1 : share * 100 * d[TICKS] / all,
        .kib = d[KIB],
        .crossings = d[CROSSINGS] / time,
        .upcalls = d[UPCALLS] / time,
        .faults = d[FAULTS] / time,
        .ipc = (d[CALLS] + d[REPLIES]) / time,
        .switches = d[SWITCHES] / time,
        .interrupts = -1,
        .slots = d[USED],
    };
    show_line(name, &s);
    return d[TICKS];
}

/* TICKS KIB_FREE SLOTS_USED UPCALLS FAULTS CALLS REPLIES SWITCHES */
static double
show_steward(const double old[OTHERS], const double new[OTHERS], double time, double all)
{
    struct shown s = NOT_COUNTED;

    s.cpu = 100 * (new[0] - old[0]) / all;
    s.slots = new[2];
    s.upcalls = (new[3] - old[3]) / time;
    s.faults = (new[4] - old[4]) / time;
    s.ipc = (new[5] + new[6] - old[5] - old[6]) / time;
    s.switches = (new[7] - old[7]) / time;
    show_line("steward", &s);
    return new[0] - old[0];
}

/* KIB CROSSINGS UPCALLS FAULTS CALLS REPLIES SWITCHES INTERRUPTS */
static void
show_kernel(const double old[OTHERS], const double new[OTHERS], double time)
{
    struct shown s = NOT_COUNTED;

    s.kib = new[0];
    s.crossings = (new[1] - old[1]) / time;
    s.upcalls = (new[2] - old[2]) / time;
    s.faults = (new[3] - old[3]) / time;
    s.ipc = (new[4] + new[5] - old[4] - old[5]) / time;
    s.switches = (new[6] - old[6]) / time;
    s.interrupts = (new[7] - old[7]) / time;
    show_line("kernel", &s);
}

static void
show(const struct look *old, const struct look *new)
{
    double time = (new->now - old->now) / new->hz,
           all = (new->now - old->now) * new->cpus, rest = all;
    struct shown idle = NOT_COUNTED;

    if (!plain)
        printf("%-15s %6s %9s %10s %9s %8s %8s %8s %7s %8s %8s\n", "ZONE", "CPU %", "MEMORY",
               "CROSSINGS", "UPCALLS", "FAULTS", "IPC", "SWITCHES", "SLOTS", "PROGRAMS",
               "INTERR.");
    for (int i = 0; i < new->instances; i++)
        rest -= show_instance(old, new, i, time, all);
    rest -= show_steward(old->steward, new->steward, time, all);
    show_kernel(old->kernel, new->kernel, time);
    idle.cpu = rest > 0 ? 100 * rest / all : 0;
    idle.kib = new->steward[1];
    show_line("idle", &idle);
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
