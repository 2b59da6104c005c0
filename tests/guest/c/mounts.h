/* SPDX-License-Identifier: MIT */
/* For the tests of mounts and names: files with a text, another user, and what libc has
 * no name for. */
#ifndef MOUNTS_H
#define MOUNTS_H

#include "check.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#define NOBODY 1000

static inline void
put(const char *name, const char *text)
{
    int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0644);

    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    CHECK(close(fd) == 0);
}

/* Has the file this text? */
static inline int
holds(const char *name, const char *text)
{
    char data[256];
    int fd = open(name, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, data, sizeof data);

    if (fd >= 0)
        close(fd);
    return n == (ssize_t)strlen(text) && memcmp(data, text, (size_t)n) == 0;
}

static inline int
exists(const char *name)
{
    struct stat info;

    return lstat(name, &info) == 0;
}

/* Run the function as another user, in a child. */
static inline void
as_nobody(void (*what)(void))
{
    pid_t child = fork();

    if (child == 0) {
        if (syscall(SYS_setgroups, 0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
            setresuid(NOBODY, NOBODY, NOBODY) != 0)
            _exit(99);
        what();
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

/* In a child, so that root, cwd and umask of the test stay. */
static inline void
in_child(void (*what)(void))
{
    pid_t child = fork();

    if (child == 0) {
        what();
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

static inline void
mount_tmpfs(const char *at, const char *options)
{
    CHECK((mkdir(at, 0755) == 0 || errno == EEXIST) &&
          mount("t", at, "tmpfs", 0, options) == 0);
}

static inline unsigned long
mount_flags(const char *at)
{
    struct statfs info;

    CHECK(statfs(at, &info) == 0);
    return (unsigned long)info.f_flags;
}

#endif
