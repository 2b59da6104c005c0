/* SPDX-License-Identifier: MIT */
/*
 * Runs test programs one after the other in one guest, so that each does not need a boot.
 *
 *   several [-t SECONDS] PROGRAM...
 *
 * Each runs in a session and a new directory of its own, with standard error where
 * standard output goes.  A line "# begins: NAME" comes before what it says, and
 * "# ended: NAME STATUS MILLISECONDS" after it; STATUS is that of the shell.  What runs
 * longer than SECONDS (60) is killed: status 137.  After each one, every process that it
 * left is killed, its mounts below /tmp are taken down and its files are removed, so that
 * the next one starts as the first did.
 *
 * S1. The status is 0 only if each program ended with 0.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Remove NAME and everything below it; follows no symbolic link. */
static void
remove_tree(int directory, const char *name)
{
    struct dirent *entry;
    DIR *dir;
    int fd;

    if (unlinkat(directory, name, 0) == 0)
        return;
    fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove_tree(fd, entry->d_name);
    closedir(dir);
    unlinkat(directory, name, AT_REMOVEDIR);
}

static void
empty(const char *path)
{
    struct dirent *entry;
    DIR *dir = opendir(path);

    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove_tree(dirfd(dir), entry->d_name);
    closedir(dir);
}

/* Take down what is mounted below /tmp, the latest first. */
static void
unmount_below_tmp(void)
{
    static char lines[64][256];
    size_t count = 0;
    FILE *file = fopen("/proc/self/mounts", "re");
    char line[512], place[256];

    while (file != NULL && fgets(line, sizeof line, file) != NULL && count < 64)
        if (sscanf(line, "%*s %255s", place) == 1 && strncmp(place, "/tmp/", 5) == 0)
            strcpy(lines[count++], place);
    if (file != NULL)
        fclose(file);
    while (count > 0)
        umount2(lines[--count], MNT_DETACH);
}

/* The program's end, or its time's: 0, or -1 if it had to be killed. */
static int
wait_for(pid_t child, int seconds, int *status)
{
    struct timespec limit = { .tv_sec = seconds };
    sigset_t wanted;
    int late = 0;

    sigemptyset(&wanted);
    sigaddset(&wanted, SIGCHLD);
    while (waitpid(child, status, WNOHANG) == 0) {
        struct timespec slice = { .tv_nsec = 200000000 };

        /* A slice at a time: an orphan's end makes the same signal. */
        sigtimedwait(&wanted, NULL, &slice);
        limit.tv_nsec -= slice.tv_nsec;
        if (limit.tv_nsec < 0) {
            limit.tv_nsec += 1000000000;
            limit.tv_sec--;
        }
        if (limit.tv_sec < 0 && !late) {
            late = -1;
            kill(child, SIGKILL);
        }
    }
    return late;
}

static long
milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int
run(const char *path, int seconds)
{
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    long begin = milliseconds();
    int status = 0, code;
    sigset_t none;
    pid_t child;

    printf("# begins: %s\n", name);
    fflush(stdout);
    mkdir("/tmp", 01777);
    if (mkdir("/tmp/here", 0755) < 0 || chdir("/tmp/here") < 0)
        return 1;
    child = fork();
    if (child == 0) {
        setsid();
        dup2(1, 2);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execl(path, path, (char *)NULL);
        perror(path);
        _exit(127);
    }
    if (child < 0)
        return 1;
    if (wait_for(child, seconds, &status) < 0)
        printf("\nnot ok - %s ran longer than %d s\n", name, seconds);
    code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    /* What it left behind; the first process and this one are spared. */
    kill(-1, SIGKILL);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
    if (chdir("/") < 0)
        return 1;
    unmount_below_tmp();
    empty("/tmp");
    printf("\n# ended: %s %d %ld\n", name, code, milliseconds() - begin);
    fflush(stdout);
    return code != 0;
}

int
main(int count, char **arguments)
{
    int seconds = 60, failed = 0, option;
    sigset_t child;

    while ((option = getopt(count, arguments, "t:")) != -1) {
        if (option != 't')
            return 2;
        seconds = atoi(optarg);
    }
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    for (int i = optind; i < count; i++)
        failed |= run(arguments[i], seconds);
    return failed;
}
