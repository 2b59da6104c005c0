/* SPDX-License-Identifier: MIT */
/* What the tests of /proc share: reading a file whole, and finding a line in it. */
#ifndef PROC_HELP_H
#define PROC_HELP_H

#include "check.h"

#include <fcntl.h>
#include <stdarg.h>

static char proc_text[1 << 20];

/* The whole of a file, with a NUL behind it: its length. */
static inline size_t
proc_read_fd(int fd)
{
    size_t have = 0;
    ssize_t got;

    while ((got = read(fd, proc_text + have, sizeof proc_text - 1 - have)) > 0)
        have += (size_t)got;
    CHECK(got == 0);
    proc_text[have] = '\0';
    return have;
}

static inline size_t __attribute__((format(printf, 1, 2)))
proc_read(const char *format, ...)
{
    char path[256];
    va_list args;
    size_t n;
    int fd;

    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    n = proc_read_fd(fd);
    CHECK(close(fd) == 0);
    return n;
}

/* The number behind "KEY:" at the start of a line of what was read last. */
static inline unsigned long long
proc_value(const char *key, int base)
{
    char start[64];
    const char *at = proc_text;
    int n = snprintf(start, sizeof start, "%s:", key);

    while (at != NULL && strncmp(at, start, (size_t)n) != 0) {
        at = strchr(at, '\n');
        at = at != NULL ? at + 1 : NULL;
    }
    if (at == NULL)
        dprintf(2, "# no %s in what was read\n", key);
    CHECK(at != NULL);
    return strtoull(at + n, NULL, base);
}

/* The fields of a stat file from the third on, which is fields[3]; the name between the
 * parentheses. */
static inline int
proc_stat(const char *path, long long fields[64], char *state, char name[64])
{
    char *open_at, *close_at, *at;
    int n = 4;

    proc_read("%s", path);
    open_at = strchr(proc_text, '(');
    close_at = strrchr(proc_text, ')');
    CHECK(open_at != NULL && close_at > open_at);
    *close_at = '\0';
    snprintf(name, 64, "%s", open_at + 1);
    fields[1] = atoll(proc_text);
    *state = close_at[2];
    CHECK(close_at[1] == ' ' && close_at[3] == ' ');
    for (at = close_at + 3; *at == ' ' && n < 64; n++)
        fields[n] = (long long)strtoull(at, &at, 10);
    CHECK(strcmp(at, "\n") == 0);
    return n - 1;
}

#endif
