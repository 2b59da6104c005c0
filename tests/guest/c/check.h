/* SPDX-License-Identifier: MIT */
/*
 * The harness of the guest's test programs.  Each test function runs in a child of its
 * own with a time limit, and says "ok - name [calls]" or "not ok - name (status) [calls]"
 * on standard output.
 * A failed CHECK says where, and ends the child.
 */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST_SECONDS 180 /* what hangs; on a busy host the others take long, too */

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition))                                                             \
            check_failed(__FILE__, __LINE__, #condition);                             \
    } while (0)

/* EXPRESSION must fail with ERROR. */
#define CHECK_ERROR(expression, error)                                                \
    do {                                                                              \
        errno = 0;                                                                    \
        if ((long)(expression) != -1 || errno != (error))                             \
            check_failed(__FILE__, __LINE__, #expression " fails with " #error);      \
    } while (0)

static inline _Noreturn void
check_failed(const char *file, int line, const char *text)
{
    const char *name = strrchr(file, '/');

    dprintf(2, "# %s:%d: %s (errno %d, %s)\n", name ? name + 1 : file, line, text, errno,
            strerror(errno));
    _exit(1);
}

static int check_failures;

static inline void
check_run(const char *text, void (*test)(void))
{
    int length = (int)strcspn(text, ",");
    int status = 0;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        alarm(TEST_SECONDS);
        test();
        _exit(0);
    }
    if (child > 0)
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
    if (child < 0 || status != 0) {
        check_failures++;
        printf("not ok - %.*s (status 0x%x)", length, text, status);
    } else {
        printf("ok - %.*s", length, text);
    }
    if (text[length] == ',')
        printf(" [%s]", text + length + 2);
    printf("\n");
    fflush(stdout);
}

/*
 * RUN(function, call, ...): CALLS are the Linux system calls that the test verifies.
 * They are not expanded, since a C library has macros of such names.
 */
#define CHECK_FIRST(test, ...) test
#define RUN(...) check_run(#__VA_ARGS__, CHECK_FIRST(__VA_ARGS__, ))

/* The same, in a new directory below the current one. */
static inline void
check_run_in_new(const char *text, void (*test)(void))
{
    static int number;
    char directory[32];

    snprintf(directory, sizeof directory, "t%d", number++);
    if (mkdir(directory, 0755) < 0 || chdir(directory) < 0)
        exit(1);
    check_run(text, test);
    if (chdir("..") < 0)
        exit(1);
}

#define RUN_IN_NEW(...) check_run_in_new(#__VA_ARGS__, CHECK_FIRST(__VA_ARGS__, ))

/* Wait for CHILD, which must end with a status for which the macro holds. */
static inline int
check_wait(pid_t child)
{
    int status;

    CHECK(child > 0);
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

#define CHECK_EXIT(child, code)                                                       \
    do {                                                                              \
        int check_status = check_wait(child);                                         \
        CHECK(WIFEXITED(check_status) && WEXITSTATUS(check_status) == (code));        \
    } while (0)

#define CHECK_SIGNAL(child, number)                                                   \
    do {                                                                              \
        int check_status = check_wait(child);                                         \
        CHECK(WIFSIGNALED(check_status) && WTERMSIG(check_status) == (number));       \
    } while (0)

#endif
