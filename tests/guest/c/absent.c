/* SPDX-License-Identifier: MIT */
/*
 * Verifies that system calls without a handler answer ENOSYS, whatever their arguments.
 * usage: absent NUMBER:NAME ...
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
    static char memory[4096];
    int failed = 0;

    for (int i = 1; i < argc; i++) {
        char *name;
        long number = strtol(argv[i], &name, 10);
        int errors[3];

        if (*name++ != ':') {
            fprintf(stderr, "usage: absent NUMBER:NAME ...\n");
            return 2;
        }
        errno = 0;
        errors[0] = syscall(number, 0, 0, 0, 0, 0, 0) == -1 ? errno : 0;
        errno = 0;
        errors[1] = syscall(number, -1, -1, -1, -1, -1, -1) == -1 ? errno : 0;
        errno = 0;
        errors[2] = syscall(number, memory, memory, memory, memory, memory, memory) == -1
                        ? errno : 0;
        int bad = errors[0] != ENOSYS || errors[1] != ENOSYS || errors[2] != ENOSYS;
        printf("%s - %s\n", bad ? "not ok" : "ok", name);
        failed |= bad;
    }
    return failed;
}
