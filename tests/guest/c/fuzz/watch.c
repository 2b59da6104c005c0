/* SPDX-License-Identifier: MIT */
/* Who hangs, and where: what /proc tells of a process's threads, and of those left over. */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>

static ssize_t
read_text(const char *name, char *text, size_t size)
{
    int fd = open(name, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n;
}

void
tell_place(const char *why, int pid)
{
    static const char *const files[] = { "stat", "syscall", "wchan" };
    char name[96], text[512];

    snprintf(name, sizeof name, "/proc/%d/task", pid);
    DIR *tasks = opendir(name);
    for (struct dirent *e; tasks != NULL && (e = readdir(tasks)) != NULL;)
        for (int i = 0; atoi(e->d_name) > 0 && i < 3; i++) {
            snprintf(name, sizeof name, "/proc/%d/task/%.12s/%s", pid, e->d_name, files[i]);
            if (read_text(name, text, sizeof text) > 0)
                printf("# %s: %s %.*s\n", why, files[i], (int)strcspn(text, "\n"), text);
        }
    if (tasks != NULL)
        closedir(tasks);
    fflush(stdout);
}

/* The parent of a process; 0: it has gone, or /proc is not there. */
static int
parent_of(const char *pid)
{
    char name[64], text[512];
    int parent = 0;

    snprintf(name, sizeof name, "/proc/%.12s/stat", pid);
    if (read_text(name, text, sizeof text) <= 0 || strrchr(text, ')') == NULL)
        return 0;
    sscanf(strrchr(text, ')') + 1, " %*c %d", &parent);
    return parent;
}

int
end_left(int spared, int say)
{
    DIR *all = opendir("/proc");
    int ended = 0;

    for (struct dirent *e; all != NULL && (e = readdir(all)) != NULL;) {
        int pid = atoi(e->d_name);
        if (pid <= 0 || pid == spared || parent_of(e->d_name) != (int)getpid())
            continue;
        if (say)
            tell_place("left", pid);
        kill(pid, SIGKILL);
        ended++;
    }
    if (all != NULL)
        closedir(all);
    return ended;
}
