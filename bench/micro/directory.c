/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "directory.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void
directory_name(char *name, size_t size, const char *directory, long number)
{
    snprintf(name, size, "%s/file%ld", directory, number);
}

int
directory_fill(const char *directory, long count)
{
    char name[64];

    if (mkdir(directory, 0755) < 0)
        return -1;
    for (long i = 0; i < count; i++) {
        directory_name(name, sizeof name, directory, i);
        if (close(open(name, O_CREAT | O_EXCL | O_WRONLY, 0600)) < 0)
            return -1;
    }
    return 0;
}

void
directory_remove(const char *directory, long count)
{
    char name[64];

    for (long i = 0; i < count; i++) {
        directory_name(name, sizeof name, directory, i);
        unlink(name);
    }
    rmdir(directory);
}

long
directory_list(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY);
    static char entries[32768];
    long got;

    while ((got = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0)
        ;
    close(fd);
    return fd < 0 ? -1 : got;
}
