/* SPDX-License-Identifier: MIT */
/* F_NOTIFY of fcntl(2): signals about what happens in a directory. */
#define _GNU_SOURCE
#include "files.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

static volatile sig_atomic_t count, last_fd, last_code;

static void
on_signal(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    count++;
    last_fd = info->si_fd;
    last_code = info->si_code;
}

/* How many signals came since it was last asked. */
static int
news(void)
{
    int n = count;
    count = 0;
    return n;
}

/* Signals of its own, so that none is merged with another. */
static int
watched(unsigned what)
{
    struct sigaction act = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
    CHECK(mkdir("d", 0755) == 0 && mkdir("e", 0755) == 0);
    CHECK(sigaction(SIGRTMIN, &act, NULL) == 0 && sigaction(SIGIO, &act, NULL) == 0);
    int fd = open("d", O_RDONLY);
    CHECK(fd >= 0 && fcntl(fd, F_SETSIG, SIGRTMIN) == 0);
    CHECK(fcntl(fd, F_NOTIFY, what) == 0);
    return fd;
}

static void
test_arguments_when_wrong_then_error(void)
{
    int fd = open("file", O_RDWR | O_CREAT, 0600), path = open(".", O_PATH);
    CHECK(fcntl(fd, F_NOTIFY, 0) == 0); /* nothing is asked for: of any file */
    CHECK_ERROR(fcntl(fd, F_NOTIFY, DN_CREATE), ENOTDIR);
    CHECK_ERROR(fcntl(path, F_NOTIFY, DN_CREATE), EBADF);
    CHECK_ERROR(fcntl(-1, F_NOTIFY, DN_CREATE), EBADF);
}

static void
test_create_when_once_then_one_signal(void)
{
    int fd = watched(DN_CREATE);
    CHECK(fcntl(fd, F_GETOWN) == getpid());
    make("e/other");
    CHECK(news() == 0);
    make("d/a");
    CHECK(news() == 1 && last_fd == fd && last_code == POLL_MSG);
    make("d/b");
    CHECK(news() == 0);
    CHECK(fcntl(fd, F_NOTIFY, DN_DELETE) == 0); /* DN_CREATE is over */
    make("d/c");
    CHECK(news() == 0 && unlink("d/c") == 0 && news() == 1);
}

static void
test_events_when_multishot_then_each(void)
{
    int fd = watched(DN_CREATE | DN_MULTISHOT);
    make("d/a");
    make("d/b");
    CHECK(news() == 2);
    int file = open("d/a", O_RDWR);
    CHECK(write(file, "x", 1) == 1 && news() == 0);
    CHECK(fcntl(fd, F_NOTIFY, DN_MODIFY | DN_ATTRIB) == 0); /* also these */
    CHECK(write(file, "x", 1) == 1 && news() == 1);
    CHECK(fchmod(file, 0600) == 0 && news() == 1);
    CHECK(chmod("d", 0700) == 0 && news() == 1);
    make("d/c");
    CHECK(news() == 1);
    CHECK(fcntl(fd, F_NOTIFY, DN_MULTISHOT) == 0); /* no more */
    make("d/d");
    CHECK(write(file, "x", 1) == 1 && news() == 0 && close(file) == 0);
}

static void
test_rename_when_within_then_told(void)
{
    watched(DN_RENAME | DN_MULTISHOT);
    make("d/a");
    make("e/b");
    CHECK(news() == 0);
    CHECK(rename("d/a", "d/c") == 0 && news() == 1);
    CHECK(rename("d/c", "e/c") == 0 && news() == 0);
    CHECK(rename("e/b", "d/b") == 0 && news() == 0);
}

static void
test_signal_when_none_chosen_then_sigio(void)
{
    int fd = watched(DN_DELETE | DN_MULTISHOT);
    make("d/a");
    CHECK(fcntl(fd, F_SETSIG, 0) == 0 && unlink("d/a") == 0 && news() == 1);
    CHECK(last_code == SI_KERNEL || last_code == POLL_MSG);
}

static void
test_close_when_duplicate_is_left_then_ends(void)
{
    int fd = watched(DN_CREATE | DN_MULTISHOT), second = dup(fd);
    make("d/a");
    CHECK(news() == 1 && close(second) == 0);
    make("d/b");
    CHECK(news() == 0); /* any descriptor of it */
    CHECK(fcntl(fd, F_NOTIFY, DN_CREATE | DN_MULTISHOT) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(close(fd) != 0); /* another table: nothing is lost */
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    make("d/c");
    CHECK(news() == 1 && close(fd) == 0);
    make("d/d");
    CHECK(news() == 0);
}

static void
test_directory_when_gone_then_no_harm(void)
{
    int fd = watched(DN_CREATE | DN_DELETE | DN_MULTISHOT);
    CHECK(rmdir("d") == 0);
    news();
    CHECK(fcntl(fd, F_NOTIFY, DN_CREATE) == 0 && close(fd) == 0);
    CHECK(mkdir("d", 0755) == 0);
    make("d/a");
    CHECK(news() == 0);
}

int
main(void)
{
    RUN_IN_NEW(test_arguments_when_wrong_then_error, fcntl);
    RUN_IN_NEW(test_create_when_once_then_one_signal, fcntl);
    RUN_IN_NEW(test_events_when_multishot_then_each, fcntl);
    RUN_IN_NEW(test_rename_when_within_then_told, fcntl);
    RUN_IN_NEW(test_signal_when_none_chosen_then_sigio, fcntl);
    RUN_IN_NEW(test_close_when_duplicate_is_left_then_ends, fcntl);
    RUN_IN_NEW(test_directory_when_gone_then_no_harm, fcntl);
    return check_failures != 0;
}
