/* SPDX-License-Identifier: MIT */
/* Processes: fork, wait, exec, process groups, exit statuses. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char *self;

static void
test_wait_exit_status_when_child_exits_then_low_byte(void)
{
    static const int codes[] = { 0, 1, 42, 127, 255, 256, 511, -1 };

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        pid_t child = fork();

        if (child == 0)
            _exit(codes[i]);
        CHECK_EXIT(child, codes[i] & 0xff);
    }
}

static void
test_wait_signal_status_when_child_is_killed_then_signal(void)
{
    static const int signals[] = { SIGKILL, SIGTERM, SIGUSR1, SIGPIPE, SIGALRM, SIGHUP };

    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        pid_t child = fork();

        if (child == 0)
            for (;;)
                pause();
        CHECK(kill(child, signals[i]) == 0);
        CHECK_SIGNAL(child, signals[i]);
    }
}

static void
test_wait_errors_when_no_child_then_echild(void)
{
    int status;
    pid_t child;

    CHECK_ERROR(wait(&status), ECHILD);
    CHECK_ERROR(waitpid(getpid(), &status, 0), ECHILD);
    CHECK_ERROR(waitpid(-1, &status, 0x400000), EINVAL);
    child = fork();
    if (child == 0)
        for (;;)
            pause();
    CHECK(waitpid(child, &status, WNOHANG) == 0);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitpid(-1, &status, 0) == child);
    CHECK_ERROR(kill(child, 0), ESRCH);
}

static void
test_wait_any_when_many_children_then_each_once(void)
{
    enum { MANY = 40 };
    int seen[MANY] = { 0 };
    int status;

    for (int i = 0; i < MANY; i++)
        if (fork() == 0)
            _exit(i);
    for (int i = 0; i < MANY; i++) {
        CHECK(wait(&status) > 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) < MANY);
        seen[WEXITSTATUS(status)]++;
    }
    for (int i = 0; i < MANY; i++)
        CHECK(seen[i] == 1);
}

static void
test_wait_stopped_when_child_stops_then_told(void)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        raise(SIGSTOP);
        _exit(5);
    }
    CHECK(waitpid(child, &status, WUNTRACED) == child);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    CHECK(waitpid(child, &status, WUNTRACED | WNOHANG) == 0);
    CHECK(kill(child, SIGCONT) == 0);
    CHECK_EXIT(child, 5);
}

static void
test_fork_when_parent_ends_then_child_has_another(void)
{
    int ends[2];
    char byte = 0;
    pid_t middle;

    CHECK(pipe(ends) == 0);
    middle = fork();
    if (middle == 0) {
        if (fork() == 0) {
            pid_t before = getppid();

            for (int i = 0; i < 1000 && getppid() == before; i++)
                usleep(1000);
            byte = getppid() != before ? 'y' : 'n';
            (void)!write(ends[1], &byte, 1);
            _exit(0);
        }
        usleep(20000);
        _exit(0);
    }
    CHECK_EXIT(middle, 0);
    CHECK(read(ends[0], &byte, 1) == 1 && byte == 'y');
}

static void
test_fork_when_memory_changes_then_only_there(void)
{
    static int number = 1;
    int on_stack = 1;
    int *on_heap = malloc(sizeof *on_heap);
    pid_t child;

    *on_heap = 1;
    child = fork();
    if (child == 0) {
        number = on_stack = *on_heap = 2;
        _exit(number + on_stack + *on_heap);
    }
    CHECK_EXIT(child, 6);
    CHECK(number == 1 && on_stack == 1 && *on_heap == 1);
}

static void
test_vfork_when_child_execs_then_parent_goes_on(void)
{
    char *arguments[] = { self, "exit", "9", NULL };
    pid_t child = vfork();

    if (child == 0) {
        execv(self, arguments);
        _exit(1);
    }
    CHECK_EXIT(child, 9);
    child = vfork();
    if (child == 0)
        _exit(4);
    CHECK_EXIT(child, 4);
}

static void
test_exec_when_given_strings_then_they_arrive(void)
{
    char *arguments[] = { "name", "strings", "", "two words", "\xff\x01", NULL };
    char *environment[] = { "A=1", "EMPTY=", "B=x=y", NULL };
    pid_t child = fork();

    if (child == 0) {
        execve(self, arguments, environment);
        _exit(99);
    }
    CHECK_EXIT(child, 0);
}

static void
test_exec_when_file_is_wrong_then_error(void)
{
    char *arguments[] = { "x", NULL };
    int fd = open("plain", O_CREAT | O_WRONLY, 0644);

    CHECK(fd >= 0 && write(fd, "text", 4) == 4 && close(fd) == 0);
    CHECK(mkdir("folder", 0755) == 0);
    CHECK_ERROR(execv("nosuch", arguments), ENOENT);
    CHECK_ERROR(execv("", arguments), ENOENT);
    CHECK_ERROR(execv("plain", arguments), EACCES);
    CHECK_ERROR(execv("folder", arguments), EACCES);
    CHECK_ERROR(execv("plain/x", arguments), ENOTDIR);
    CHECK(chmod("plain", 0755) == 0);
    CHECK_ERROR(execv("plain", arguments), ENOEXEC);
    CHECK(truncate("plain", 0) == 0);
    CHECK_ERROR(execv("plain", arguments), ENOEXEC);
}

static void
write_script(const char *name, const char *text)
{
    int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0755);

    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    CHECK(close(fd) == 0);
}

static void
test_exec_when_script_then_interpreter_runs(void)
{
    char text[600];
    char *arguments[] = { "script", "16", NULL };
    pid_t child;

    snprintf(text, sizeof text, "#! %s  add\n", self);
    write_script("script", text);
    child = fork();
    if (child == 0) {
        /* The interpreter sees: self "add" "./script" "16". */
        execv("./script", arguments);
        _exit(99);
    }
    CHECK_EXIT(child, 16 + 4);
    write_script("script", "#!/nosuch/interpreter\n");
    CHECK_ERROR(execv("./script", arguments), ENOENT);
    write_script("script", "#!\n");
    CHECK_ERROR(execv("./script", arguments), ENOEXEC);
}

static void
test_exec_when_cloexec_then_descriptor_is_closed(void)
{
    char kept[16], gone[16];
    char *arguments[] = { self, "fds", kept, gone, NULL };
    int one = open("/dev/null", O_RDONLY);
    int two = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pid_t child;

    snprintf(kept, sizeof kept, "%d", one);
    snprintf(gone, sizeof gone, "%d", two);
    child = fork();
    if (child == 0) {
        execv(self, arguments);
        _exit(99);
    }
    CHECK_EXIT(child, 0);
}

static void
do_nothing(int number)
{
    (void)number;
}

static void
test_exec_when_signals_are_set_then_handlers_go_and_ignores_stay(void)
{
    char *arguments[] = { self, "signals", NULL };
    sigset_t mask;
    pid_t child = fork();

    if (child == 0) {
        signal(SIGUSR1, SIG_IGN);
        signal(SIGUSR2, do_nothing);
        sigemptyset(&mask);
        sigaddset(&mask, SIGHUP);
        sigprocmask(SIG_SETMASK, &mask, NULL);
        execv(self, arguments);
        _exit(99);
    }
    CHECK_EXIT(child, 0);
}

static void
test_exec_when_arguments_are_large_then_they_arrive_or_e2big(void)
{
    enum { COUNT = 1000, SIZE = 100 };
    static char *arguments[COUNT + 4];
    static char *huge[3] = { "x", NULL, NULL };
    pid_t child;

    arguments[0] = self;
    arguments[1] = "count";
    for (int i = 0; i < COUNT; i++) {
        arguments[2 + i] = malloc(SIZE + 1);
        memset(arguments[2 + i], 'a' + i % 26, SIZE);
        arguments[2 + i][SIZE] = '\0';
    }
    child = fork();
    if (child == 0) {
        execv(self, arguments);
        _exit(99);
    }
    CHECK_EXIT(child, (COUNT + 2) % 256);
    huge[1] = malloc(16 << 20);
    memset(huge[1], 'x', (16 << 20) - 1);
    huge[1][(16 << 20) - 1] = '\0';
    CHECK_ERROR(execv(self, huge), E2BIG);
}

static void
test_groups_when_set_then_signals_and_waits_follow(void)
{
    int status;
    pid_t one = fork(), two;

    if (one == 0) {
        setpgid(0, 0);
        for (;;)
            pause();
    }
    two = fork();
    if (two == 0)
        for (;;)
            pause();
    setpgid(one, one);
    CHECK(setpgid(two, one) == 0);
    CHECK(getpgid(two) == one && getpgid(one) == one && getpgrp() != one);
    CHECK(kill(-one, SIGTERM) == 0);
    CHECK(waitpid(-one, &status, 0) > 0 && WTERMSIG(status) == SIGTERM);
    CHECK(waitpid(-one, &status, 0) > 0 && WTERMSIG(status) == SIGTERM);
    CHECK_ERROR(waitpid(-one, &status, 0), ECHILD);
    CHECK_ERROR(kill(-one, 0), ESRCH);
}

static void
test_session_when_new_then_own_group(void)
{
    pid_t child = fork();

    if (child == 0) {
        CHECK(setsid() == getpid());
        CHECK(getsid(0) == getpid() && getpgrp() == getpid());
        CHECK_ERROR(setsid(), EPERM);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

static void
test_exit_when_called_then_handlers_run_and_buffers_flush(void)
{
    char text[16] = { 0 };
    int ends[2];
    pid_t child;

    CHECK(pipe(ends) == 0);
    child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        printf("buffered");
        exit(3);
    }
    CHECK_EXIT(child, 3);
    CHECK(read(ends[0], text, sizeof text) == 8 && strcmp(text, "buffered") == 0);
}

static void
test_ids_when_root_then_zero(void)
{
    CHECK(getuid() == 0 && geteuid() == 0 && getgid() == 0 && getegid() == 0);
    CHECK(getpid() > 0 && getppid() > 0 && getpid() != getppid());
    CHECK(sched_yield() == 0);
}

static int
as_helper(int argc, char **argv)
{
    extern char **environ;

    if (strcmp(argv[1], "exit") == 0)
        return atoi(argv[2]);
    if (strcmp(argv[1], "strings") == 0)
        return !(argc == 5 && strcmp(argv[0], "name") == 0 && argv[2][0] == '\0' &&
                 strcmp(argv[3], "two words") == 0 && strcmp(argv[4], "\xff\x01") == 0 &&
                 argv[5] == NULL && strcmp(environ[0], "A=1") == 0 &&
                 strcmp(environ[1], "EMPTY=") == 0 && strcmp(environ[2], "B=x=y") == 0 &&
                 environ[3] == NULL);
    if (strcmp(argv[1], "add") == 0)
        return argc == 4 && strcmp(argv[2], "./script") == 0 ? atoi(argv[3]) + argc : 98;
    if (strcmp(argv[1], "fds") == 0)
        return !(fcntl(atoi(argv[2]), F_GETFD) == 0 && fcntl(atoi(argv[3]), F_GETFD) < 0);
    if (strcmp(argv[1], "count") == 0)
        return argc % 256;
    if (strcmp(argv[1], "signals") == 0) {
        sigset_t mask;
        struct sigaction ignored, handled;

        sigprocmask(SIG_SETMASK, NULL, &mask);
        sigaction(SIGUSR1, NULL, &ignored);
        sigaction(SIGUSR2, NULL, &handled);
        return !(sigismember(&mask, SIGHUP) == 1 && ignored.sa_handler == SIG_IGN &&
                 handled.sa_handler == SIG_DFL);
    }
    return 97;
}

int
main(int argc, char **argv)
{
    char directory[] = "/tmp/test_process.XXXXXX";

    if (argc > 1)
        return as_helper(argc, argv);
    self = realpath(argv[0], NULL);
    if (self == NULL)
        self = argv[0];
    if (mkdtemp(directory) == NULL || chdir(directory) < 0)
        return 1;
    RUN(test_wait_exit_status_when_child_exits_then_low_byte);
    RUN(test_wait_signal_status_when_child_is_killed_then_signal);
    RUN(test_wait_errors_when_no_child_then_echild);
    RUN(test_wait_any_when_many_children_then_each_once);
    RUN(test_wait_stopped_when_child_stops_then_told);
    RUN(test_fork_when_parent_ends_then_child_has_another);
    RUN(test_fork_when_memory_changes_then_only_there);
    RUN(test_vfork_when_child_execs_then_parent_goes_on);
    RUN(test_exec_when_given_strings_then_they_arrive);
    RUN(test_exec_when_file_is_wrong_then_error);
    RUN(test_exec_when_script_then_interpreter_runs);
    RUN(test_exec_when_cloexec_then_descriptor_is_closed);
    RUN(test_exec_when_signals_are_set_then_handlers_go_and_ignores_stay);
    RUN(test_exec_when_arguments_are_large_then_they_arrive_or_e2big);
    RUN(test_groups_when_set_then_signals_and_waits_follow);
    RUN(test_session_when_new_then_own_group);
    RUN(test_exit_when_called_then_handlers_run_and_buffers_flush);
    RUN(test_ids_when_root_then_zero);
    return check_failures != 0;
}
