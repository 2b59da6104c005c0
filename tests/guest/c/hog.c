/* SPDX-License-Identifier: MIT */
/*
 * Takes memory until it is ended: alone, or N children at once.
 *
 * usage: hog N [MEGABYTES]     N processes; each at most so many megabytes (no bound)
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void
take(long megabytes)
{
    for (long i = 0; megabytes == 0 || i < megabytes; i++) {
        char *at = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (at == MAP_FAILED)
            _exit(1);
        memset(at, 1, 1 << 20);
    }
}

int
main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 1, ended = 0, killed = 0, status;
    long megabytes = argc > 2 ? atol(argv[2]) : 0;

    for (int i = 0; i < count; i++) {
        pid_t child = fork();

        if (child == 0) {
            take(megabytes);
            _exit(0);
        }
        if (child < 0)
            break;
    }
    while (wait(&status) > 0) {
        ended++;
        killed += WIFSIGNALED(status);
    }
    printf("%d ended, %s by a signal\n", ended, killed ? "some" : "none");
    return 0;
}
