/* SPDX-License-Identifier: MIT */
/*
 * The mounts of mounts.h.  What is mounted already stays as it is: FeuerBird brings its
 * own /dev, and Linux may have been told to mount one.
 */
#include "mounts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* Is there something at PATH already: a mount of its own, or FeuerBird's devices? */
static int
is_there(const char *path)
{
    char above[64];
    struct stat here, there;

    if (strcmp(path, "/dev") == 0 && access("/dev/host", F_OK) == 0)
        return 1;
    snprintf(above, sizeof above, "%s/..", path);
    return stat(path, &here) == 0 && stat(above, &there) == 0 &&
           here.st_dev != there.st_dev;
}

/* The names below /dev that no kernel makes, and directories of an empty /run. */
static void
make_names(void)
{
    static const char *const links[][2] = {
        { "/proc/self/fd", "/dev/fd" },
        { "/proc/self/fd/0", "/dev/stdin" },
        { "/proc/self/fd/1", "/dev/stdout" },
        { "/proc/self/fd/2", "/dev/stderr" },
        { "pts/ptmx", "/dev/ptmx" },
    };

    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        (void)!symlink(links[i][0], links[i][1]);   /* EEXIST: all the better. */
    mkdir("/run/lock", 01777);
    chmod("/run/lock", 01777);
    mkdir("/run/user", 0755);
}

int
mounts_make(char *missing, size_t room)
{
    static const struct {
        const char *type, *path, *options;
        mode_t mode;
        unsigned long flags;
    } places[] = {
        { "proc", "/proc", NULL, 0555, MS_NOSUID | MS_NODEV | MS_NOEXEC },
        { "sysfs", "/sys", NULL, 0555, MS_NOSUID | MS_NODEV | MS_NOEXEC },
        { "devtmpfs", "/dev", "mode=755", 0755, MS_NOSUID },
        { "devpts", "/dev/pts", "gid=5,mode=620,ptmxmode=666", 0755,
          MS_NOSUID | MS_NOEXEC },
        { "tmpfs", "/dev/shm", "mode=1777", 01777, MS_NOSUID | MS_NODEV },
        { "tmpfs", "/run", "mode=755", 0755, MS_NOSUID | MS_NODEV },
    };
    size_t used = 0;
    int count = 0;

    missing[0] = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        mkdir(places[i].path, places[i].mode);
        if (is_there(places[i].path))
            continue;
        if (mount(places[i].type, places[i].path, places[i].type, places[i].flags,
                  places[i].options) == 0)
            continue;
        used += (size_t)snprintf(missing + used, room - used, "%s%s (%s)",
                                 count++ ? ", " : "", places[i].path, strerror(errno));
        if (used >= room)
            used = room - 1;
    }
    make_names();
    return count;
}
