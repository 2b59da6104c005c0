/* SPDX-License-Identifier: MIT */
/*
 * zonectl: what an operator says to the steward, over /dev/steward.  The manual is the
 * text of --help below, and docs/operating.md.
 *
 * Each request is one line, and each answer text whose first line is "ok" or
 * "error: REASON" (sdk/steward.h).
 */
#define _GNU_SOURCE
#include "zonectl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char manual[] =
    "NAME\n"
    "       zonectl - list, start, stop and watch the instances of this machine\n"
    "\n"
    "SYNOPSIS\n"
    "       zonectl [--plain] COMMAND [ARGUMENT...]\n"
    "\n"
    "DESCRIPTION\n"
    "       Speaks with the steward through /dev/steward. That is there for root of an\n"
    "       instance whose manifest says `devices control`.\n"
    "\n"
    "       list               All instances: state, memory, CPUs, how the last run "
    "ended.\n"
    "       start NAME         Start an instance that is down.\n"
    "       stop NAME [-t SECONDS]\n"
    "                          Ask it to end, and wait. After SECONDS (10) it is "
    "killed.\n"
    "                          It stays down until `start`.\n"
    "       kill NAME          End it at once, as a crash would: what its manifest says\n"
    "                          about restarts holds.\n"
    "       restart NAME [-t SECONDS]\n"
    "                          stop, then start.\n"
    "       caps NAME          Its capabilities: type, interval, kinds, rights.\n"
    "       reclaim NAME SIZE|PERCENT% [-t SECONDS] [TO]\n"
    "                          Ask it for memory (16M) or for part of its CPU time "
    "(50%)\n"
    "                          back; after SECONDS (1) it is taken by force. TO gets "
    "it.\n"
    "       console NAME       Give the terminal to it; returns when it has it.\n"
    "       log NAME           What it said without a terminal: its last 16 KiB. The "
    "name\n"
    "                          `steward` is the steward's own log.\n"
    "       top [--once] [-d SECONDS]\n"
    "                          CPU, memory, gate crossings, upcalls, IPC and faults of\n"
    "                          each zone and instance, every SECONDS (1). Ctrl-C ends "
    "it.\n"
    "\n"
    "OPTIONS\n"
    "       --plain            For scripts: fields with tabs between them, no headings.\n"
    "       --help             This text.\n"
    "\n"
    "EXIT STATUS\n"
    "       0 if it was done, 1 if the steward refused (standard error says why), 2 for "
    "a\n"
    "       command line that is wrong, 3 if the steward cannot be reached.\n"
    "\n"
    "EXAMPLES\n"
    "       zonectl stop worker -t 5; zonectl start worker\n"
    "       zonectl reclaim worker 64M -t 2 main\n"
    "       zonectl --plain list | cut -f1,2\n";

bool plain;

void
fail(int status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "zonectl: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(status);
}

static int
port(void)
{
    static int fd = -1;

    if (fd < 0)
        fd = open("/dev/steward", O_RDWR | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENXIO))
        fail(STATUS_PORT, "this instance has no control port: its manifest does not say "
                          "`devices control`");
    if (fd < 0)
        fail(STATUS_PORT, "/dev/steward: %s", strerror(errno));
    return fd;
}

char *
ask(char answer[ANSWER_MAX], const char *format, ...)
{
    char line[256];
    va_list args;
    size_t n = 0;

    va_start(args, format);
    int length = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof line)
        fail(STATUS_USAGE, "the words are too long");
    if (write(port(), line, (size_t)length) != length)
        fail(STATUS_PORT, "the steward does not answer: %s", strerror(errno));
    lseek(port(), 0, SEEK_SET);
    for (ssize_t got; n < ANSWER_MAX - 1; n += (size_t)got) {
        got = read(port(), answer + n, ANSWER_MAX - 1 - n);
        if (got < 0)
            fail(STATUS_PORT, "/dev/steward: %s", strerror(errno));
        if (got == 0)
            break;
    }
    answer[n] = '\0';
    if (strncmp(answer, "error: ", 7) == 0) {
        answer[strcspn(answer, "\n")] = '\0';
        fail(STATUS_REFUSED, "%s", answer + 7);
    }
    if (strncmp(answer, "ok\n", 3) != 0)
        fail(STATUS_PORT, "the steward's answer is not understood");
    return answer + 3;
}

char *
next_line(char **at)
{
    char *line = *at;

    if (*line == '\0')
        return NULL;
    char *end = line + strcspn(line, "\n");
    *at = *end ? end + 1 : end;
    *end = '\0';
    return line;
}

int
split(char *line, char *field[], int most)
{
    int n = 0;

    for (; n < most && line; n++)
        field[n] = strsep(&line, "\t");
    return n;
}

/* ---- list and log ---- */

#define LIST_FIELDS 9
enum { NAME, STATE, PERSONALITY, TERMINAL, CPUS, KIB, STARTS, MS, ENDED };

static void
list(void)
{
    static char answer[ANSWER_MAX];
    char *at = ask(answer, "list"), *line, *f[LIST_FIELDS];

    if (plain) {
        fputs(at, stdout);
        return;
    }
    printf("%-16s %-10s %-12s %-8s %9s %6s %9s  %s\n", "NAME", "STATE", "PERSONALITY",
           "CPUS", "MEMORY", "STARTS", "UP", "LAST END");
    while ((line = next_line(&at)))
        if (split(line, f, LIST_FIELDS) == LIST_FIELDS)
            printf("%-16s %-10s %-12s %-8s %7ld M %6s %7.1f s  %s%s\n", f[NAME], f[STATE],
                   f[PERSONALITY], f[CPUS], atol(f[KIB]) / 1024, f[STARTS],
                   atof(f[MS]) / 1000, f[ENDED],
                   strcmp(f[TERMINAL], "yes") == 0 ? "  (has the terminal)" : "");
}

/* What `list` says of one instance; the fields lie in `answer`. */
static void
fields_of(const char *name, char answer[ANSWER_MAX], char *f[LIST_FIELDS])
{
    char *at = ask(answer, "list"), *line;

    while ((line = next_line(&at)))
        if (split(line, f, LIST_FIELDS) == LIST_FIELDS && strcmp(f[NAME], name) == 0)
            return;
    fail(STATUS_REFUSED, "there is no instance: %s", name);
}

static void
stop(const char *name, double seconds)
{
    static char answer[ANSWER_MAX];
    char *f[LIST_FIELDS];
    const struct timespec look = { .tv_nsec = 20000000 };

    ask(answer, "stop %s %.0f", name, seconds * 1000);
    for (double waited = 0; waited < seconds + 10; waited += 0.02) {
        fields_of(name, answer, f);
        if (strcmp(f[STATE], "down") == 0) {
            if (!plain)
                printf("%s is down: %s\n", name, f[ENDED]);
            return;
        }
        nanosleep(&look, NULL);
    }
    fail(STATUS_REFUSED, "%s is still %s", name, f[STATE]);
}

static void
write_log(const char *name)
{
    static char answer[ANSWER_MAX];
    for (const char *at = ask(answer, "log %s", name); *at; at++)
        if (*at != '\r')
            putchar(*at);
}

static void
caps(const char *name)
{
    static char answer[ANSWER_MAX];
    unsigned long slot = 0;
    bool more = true;

    if (!plain)
        printf("%8s %-9s %18s %18s  %s\n", "SLOT", "TYPE", "FROM", "TO", "ALLOWS");
    while (more) {
        char *at = ask(answer, "caps %s %lu", name, slot), *line, *f[7];
        more = false;
        while ((line = next_line(&at))) {
            if (sscanf(line, "more %lu", &slot) == 1)
                more = true;
            else if (plain)
                puts(line);
            else if (split(line, f, 7) == 7)
                printf("%8s %-9s %18s %18s  %s: %s\n", f[0], f[1], f[2], f[3], f[5],
                       f[6]);
        }
    }
}

/* ---- the command line ---- */

struct options {
    double seconds; /* -t or -d; negative: not given */
    bool once;
    int count;
    char *word[8];
};

static void
read_options(int argc, char **argv, struct options *o)
{
    *o = (struct options){ .seconds = -1 };
    for (int n = 1; n < argc; n++) {
        char *end, *one = argv[n];
        if (strcmp(one, "--help") == 0 || strcmp(one, "-h") == 0) {
            fputs(manual, stdout);
            exit(0);
        } else if (strcmp(one, "--plain") == 0) {
            plain = true;
        } else if (strcmp(one, "--once") == 0) {
            o->once = true;
        } else if (strcmp(one, "-t") == 0 || strcmp(one, "-d") == 0) {
            o->seconds = n + 1 < argc ? strtod(argv[n + 1], &end) : -1;
            if (n + 1 >= argc || *argv[n + 1] == '\0' || *end != '\0' ||
                !(o->seconds >= 0 && o->seconds <= 3600))
                fail(STATUS_USAGE, "%s wants seconds, 0 to 3600", one);
            n++;
        } else if (one[0] == '-') {
            fail(STATUS_USAGE, "there is no option %s; see zonectl --help", one);
        } else if (o->count == 8) {
            fail(STATUS_USAGE, "too many words; see zonectl --help");
        } else {
            o->word[o->count++] = one;
        }
    }
}

static void
reclaim(struct options *o, char *answer)
{
    double seconds = o->seconds < 0 ? 1 : o->seconds;
    ask(answer, "reclaim %s %s %.0f%s%s", o->word[1], o->word[2], seconds * 1000,
        o->count > 3 ? " " : "", o->count > 3 ? o->word[3] : "");
    if (!plain)
        printf("asked; `zonectl log steward` says what came of it\n");
}

/* Who has the terminal lets go of it first, for which it has half a second. */
static void
give_terminal(const char *name, char *answer)
{
    const struct timespec look = { .tv_nsec = 10000000 };
    char *f[LIST_FIELDS];

    ask(answer, "console %s", name);
    for (int i = 0; i < 300; i++) {
        fields_of(name, answer, f);
        if (strcmp(f[TERMINAL], "yes") == 0)
            return;
        nanosleep(&look, NULL);
    }
    fail(STATUS_REFUSED, "%s has not got the terminal", name);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int least, most; /* words behind it */
    } commands[] = { { "list", 0, 0 },    { "start", 1, 1 },   { "stop", 1, 1 },
                     { "kill", 1, 1 },    { "restart", 1, 1 }, { "caps", 1, 1 },
                     { "reclaim", 2, 3 }, { "console", 1, 1 }, { "log", 1, 1 },
                     { "top", 0, 0 } };
    static char answer[ANSWER_MAX];
    struct options o;
    size_t which = 0, count = sizeof commands / sizeof commands[0];

    read_options(argc, argv, &o);
    if (o.count == 0)
        fail(STATUS_USAGE, "a command is missing; see zonectl --help");
    while (which < count && strcmp(commands[which].name, o.word[0]) != 0)
        which++;
    if (which == count)
        fail(STATUS_USAGE, "there is no command %s; see zonectl --help", o.word[0]);
    if (o.count - 1 < commands[which].least)
        fail(STATUS_USAGE, "%s wants more: see zonectl --help", o.word[0]);
    if (o.count - 1 > commands[which].most)
        fail(STATUS_USAGE, "%s wants less: see zonectl --help", o.word[0]);
    double seconds = o.seconds < 0 ? 10 : o.seconds;
    const char *name = o.word[1];
    switch (o.word[0][0] << 8 | o.word[0][2]) {
    case 'l' << 8 | 's': list(); break;
    case 'l' << 8 | 'g': write_log(name); break;
    case 'c' << 8 | 'p': caps(name); break;
    case 't' << 8 | 'p': top(o.seconds < 0 ? 1 : o.seconds, o.once); break;
    case 'r' << 8 | 'c': reclaim(&o, answer); break;
    case 'c' << 8 | 'n': give_terminal(name, answer); break;
    case 's' << 8 | 'o': stop(name, seconds); break;
    case 'r' << 8 | 's':
        stop(name, seconds);
        ask(answer, "start %s", name);
        break;
    default: ask(answer, "%s %s", o.word[0], name); break; /* start, kill */
    }
    return 0;
}
