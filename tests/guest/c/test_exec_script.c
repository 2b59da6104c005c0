/* SPDX-License-Identifier: MIT */
/*
 * execve of #! scripts, and its errors: each rule of execve(2).  The program runs itself
 * with the argument "show" to tell what it was given: argc, and each argument.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"

static const char *self;
static char shower[] = "/tmp/exec.show"; /* a short name for it */

static void
write_file(const char *path, const void *text, size_t bytes, int mode)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0700);

    CHECK(fd >= 0 && write(fd, text, bytes) == (ssize_t)bytes);
    CHECK(fchmod(fd, (mode_t)mode) == 0 && close(fd) == 0);
}

static void
script(const char *path, const char *text)
{
    write_file(path, text, strlen(text), 0755);
}

/* Run PATH with argv "zero", "one", "two"; what it prints, or "errno N". */
static const char *
run(const char *path)
{
    static char text[8192];
    char *arguments[] = { "zero", "one", "two", NULL };
    int ends[2];
    size_t n = 0;
    ssize_t got;

    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        execve(path, arguments, arguments + 3);
        dprintf(1, "errno %d", errno);
        _exit(0);
    }
    close(ends[1]);
    while ((got = read(ends[0], text + n, sizeof text - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = '\0';
    close(ends[0]);
    CHECK_EXIT(child, 0);
    return text;
}

static int
shows(const char *path, const char *expected)
{
    const char *got = run(path);

    if (strcmp(got, expected) != 0)
        dprintf(2, "# %s: got \"%s\", not \"%s\"\n", path, got, expected);
    return strcmp(got, expected) == 0;
}

static int
fails(const char *path, int error)
{
    char text[32];

    snprintf(text, sizeof text, "errno %d", error);
    return shows(path, text);
}

static void
test_script_when_run_then_interpreter_gets_it(void)
{
    script("/tmp/s1", "#!/tmp/exec.show\nrest\n");
    CHECK(shows("/tmp/s1", "[/tmp/exec.show][/tmp/s1][one][two]"));
    script("/tmp/s1", "#!  \t /tmp/exec.show \t \n");
    CHECK(shows("/tmp/s1", "[/tmp/exec.show][/tmp/s1][one][two]"));
    script("/tmp/s1", "#!/tmp/exec.show");
    CHECK(shows("/tmp/s1", "[/tmp/exec.show][/tmp/s1][one][two]"));
    CHECK(chdir("/tmp") == 0 && shows("./s1", "[/tmp/exec.show][./s1][one][two]"));
    script("/tmp/s1", "#!exec.show\n"); /* relative to the current directory */
    CHECK(shows("s1", "[exec.show][s1][one][two]"));
}

static void
test_script_when_it_has_arguments_then_they_are_one(void)
{
    script("/tmp/s1", "#!/tmp/exec.show -a -b  c \n");
    CHECK(shows("/tmp/s1", "[/tmp/exec.show][-a -b  c][/tmp/s1][one][two]"));
    script("/tmp/s1", "#!/tmp/exec.show\t-x\t\n");
    CHECK(shows("/tmp/s1", "[/tmp/exec.show][-x][/tmp/s1][one][two]"));
    write_file("/tmp/s1", "#!/tmp/exec.show -a\0b\n", 23, 0755);
    CHECK(shows("/tmp/s1", "[/tmp/exec.show][-a][/tmp/s1][one][two]"));
    write_file("/tmp/s1", "#!/tmp/exec.show\0 -a\n", 22, 0755);
    CHECK(shows("/tmp/s1", "[/tmp/exec.show][/tmp/s1][one][two]"));
}

static void
test_script_when_it_names_nothing_then_enoexec(void)
{
    script("/tmp/s1", "#!\n");
    CHECK(fails("/tmp/s1", ENOEXEC));
    script("/tmp/s1", "#! \t \n/tmp/exec.show\n");
    CHECK(fails("/tmp/s1", ENOEXEC));
    script("/tmp/s1", "#!");
    CHECK(fails("/tmp/s1", EACCES)); /* an empty name is the current directory */
    script("/tmp/s1", "# !/tmp/exec.show\n");
    CHECK(fails("/tmp/s1", ENOEXEC));
    script("/tmp/s1", "");
    CHECK(fails("/tmp/s1", ENOEXEC));
    script("/tmp/s1", "echo hello\n");
    CHECK(fails("/tmp/s1", ENOEXEC));
}

/* #! and spaces, then NAME, a space and 'x' up to LENGTH characters in all. */
static void
long_line(int spaces, const char *name, int length)
{
    static char text[1024];

    memset(text, 'x', sizeof text);
    memcpy(text, "#!", 2);
    memset(text + 2, ' ', (size_t)spaces);
    memcpy(text + 2 + spaces, name, strlen(name));
    if ((size_t)spaces + 2 + strlen(name) < (size_t)length)
        text[2 + spaces + (int)strlen(name)] = ' ';
    text[length] = '\n';
    write_file("/tmp/s1", text, (size_t)length + 1, 0755);
}

static void
test_script_when_the_line_is_long_then_the_argument_is_cut(void)
{
    const char *got;

    long_line(0, "/tmp/exec.show", 255);
    got = run("/tmp/s1");
    CHECK(strlen(strchr(got, 'x')) > 230 && strstr(got, "x][/tmp/s1]"));
    size_t whole = strlen(got);
    long_line(0, "/tmp/exec.show", 600);
    got = run("/tmp/s1");
    CHECK(strncmp(got, "[/tmp/exec.show][xxx", 20) == 0 && strlen(got) <= whole);
    CHECK(strlen(got) == whole);
    /* The name itself must end within the first 256 characters. */
    long_line(255 - 2 - 14, "/tmp/exec.show", 600);
    CHECK(shows("/tmp/s1", "[/tmp/exec.show][/tmp/s1][one][two]"));
    long_line(256 - 2 - 14, "/tmp/exec.show", 600);
    CHECK(fails("/tmp/s1", ENOEXEC));
    long_line(400, "/tmp/exec.show", 600);
    CHECK(fails("/tmp/s1", ENOEXEC));
}

static void
test_script_when_interpreter_is_wrong_then_its_error(void)
{
    script("/tmp/s1", "#!/tmp/not.there\n");
    CHECK(fails("/tmp/s1", ENOENT));
    script("/tmp/s1", "#!/tmp\n");
    CHECK(fails("/tmp/s1", EACCES));
    script("/tmp/s1", "#!/tmp/exec.show/x\n");
    CHECK(fails("/tmp/s1", ENOTDIR));
    script("/tmp/s2", "text\n");
    script("/tmp/s1", "#!/tmp/s2\n");
    CHECK(fails("/tmp/s1", ENOEXEC));
    CHECK(chmod("/tmp/s2", 0644) == 0 && fails("/tmp/s1", EACCES));
    script("/tmp/s1", "#!/tmp/s1\n");
    CHECK(fails("/tmp/s1", ELOOP));
}

static void
test_script_when_nested_then_five_deep_at_most(void)
{
    char path[32], line[64];

    script("/tmp/n0", "#!/tmp/exec.show 0\n");
    for (int i = 1; i < 7; i++) {
        snprintf(path, sizeof path, "/tmp/n%d", i);
        snprintf(line, sizeof line, "#!/tmp/n%d %d\n", i - 1, i);
        script(path, line);
    }
    CHECK(shows("/tmp/n1", "[/tmp/exec.show][0][/tmp/n0][1][/tmp/n1][one][two]"));
    CHECK(shows("/tmp/n4", "[/tmp/exec.show][0][/tmp/n0][1][/tmp/n1][2][/tmp/n2][3]"
                           "[/tmp/n3][4][/tmp/n4][one][two]"));
    CHECK(fails("/tmp/n5", ELOOP));
}

static void
test_exec_when_path_is_wrong_then_error(void)
{
    char name[5000];
    char *none[] = { NULL };

    memset(name, 'n', sizeof name);
    name[300] = '\0';
    CHECK(fails(name, ENAMETOOLONG));
    name[300] = 'n';
    name[4999] = '\0';
    CHECK(fails(name, ENAMETOOLONG));
    CHECK(fails("", ENOENT) && fails("/tmp/not.there", ENOENT));
    CHECK(fails("/tmp", EACCES) && fails("/dev/null", EACCES));
    CHECK(fails("/tmp/exec.show/", ENOTDIR));
    CHECK(symlink("/tmp/loop", "/tmp/loop") == 0 || errno == EEXIST);
    CHECK(fails("/tmp/loop", ELOOP));
    write_file("/tmp/plain", "#!/tmp/exec.show\n", 17, 0644);
    CHECK(fails("/tmp/plain", EACCES)); /* root too */
    CHECK_ERROR(syscall(SYS_execve, 16, none, none), EFAULT);
    CHECK_ERROR(syscall(SYS_execve, shower, 16, none), EFAULT);
    CHECK_ERROR(syscall(SYS_execve, shower, none, 16), EFAULT);
    char *bad[] = { (char *)16, NULL };
    CHECK_ERROR(syscall(SYS_execve, shower, bad, none), EFAULT);
    pid_t child = fork();
    if (child == 0) {
        CHECK(mkdir("/tmp/closed", 0700) == 0 || errno == EEXIST);
        script("/tmp/closed/s", "#!/tmp/exec.show\n");
        CHECK(setuid(1000) == 0);
        CHECK(fails("/tmp/closed/s", EACCES));
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

static void
test_exec_when_open_for_writing_then_etxtbsy(void)
{
    int fd;

    script("/tmp/s1", "#!/tmp/exec.show\n");
    fd = open("/tmp/s1", O_RDWR);
    CHECK(fd >= 0 && fails("/tmp/s1", ETXTBSY));
    close(fd);
    CHECK(shows("/tmp/s1", "[/tmp/exec.show][/tmp/s1][one][two]"));
    CHECK_ERROR(open(self, O_WRONLY), ETXTBSY); /* it runs */
    CHECK_ERROR(open(self, O_RDWR | O_TRUNC), ETXTBSY);
    CHECK_ERROR(truncate(self, 1), ETXTBSY);
    fd = open(self, O_RDONLY);
    CHECK(fd >= 0);
}

static void
test_exec_when_strings_are_too_long_then_e2big(void)
{
    char *big = malloc(200000), **many = calloc(1000000, sizeof(char *));
    char *arguments[] = { "a", big, NULL }, *none[] = { NULL };
    struct rlimit limit = { 1 << 20, RLIM_INFINITY };

    memset(big, 'b', 200000);
    big[131071] = '\0'; /* the longest there may be */
    CHECK_EXIT(({
                   pid_t child = fork();
                   if (child == 0) {
                       close(1);
                       execve(shower, arguments, none);
                       _exit(1);
                   }
                   child;
               }),
               0);
    big[131071] = 'b';
    big[131072] = '\0';
    CHECK_ERROR(execve(shower, arguments, none), E2BIG);
    CHECK_ERROR(execve(shower, none, arguments), E2BIG);
    for (int i = 0; i < 999999; i++)
        many[i] = "0123456789";
    CHECK_ERROR(execve(shower, many, none), E2BIG);
    many[40000] = NULL; /* 440 kB of strings and 320 kB of pointers */
    CHECK(setrlimit(RLIMIT_STACK, &limit) == 0);
    CHECK_ERROR(execve(shower, many, none), E2BIG); /* a quarter of the stack */
}

static void
test_exec_when_argv_is_empty_then_one_empty_argument(void)
{
    int ends[2];
    char text[64] = "";

    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        syscall(SYS_execve, shower, NULL, NULL);
        _exit(1);
    }
    CHECK_EXIT(child, 0);
    CHECK(read(ends[0], text, sizeof text - 1) == 2 && strcmp(text, "[]") == 0);
}

int
main(int argc, char **argv)
{
    const char *base = strrchr(argv[0], '/');

    self = argv[0];
    if (base == NULL || strncmp(base, "/test_exec", 10) != 0) {
        for (int i = 0; i < argc; i++)
            printf("[%s]", argv[i]);
        return 0;
    }
    if (link(self, shower) < 0 && errno != EEXIST) {
        char command[200]; /* another file system */
        snprintf(command, sizeof command, "cp %s %s", self, shower);
        if (system(command) != 0)
            return 1;
    }
    RUN(test_script_when_run_then_interpreter_gets_it, execve);
    RUN(test_script_when_it_has_arguments_then_they_are_one, execve);
    RUN(test_script_when_it_names_nothing_then_enoexec, execve);
    RUN(test_script_when_the_line_is_long_then_the_argument_is_cut, execve);
    RUN(test_script_when_interpreter_is_wrong_then_its_error, execve);
    RUN(test_script_when_nested_then_five_deep_at_most, execve);
    RUN(test_exec_when_path_is_wrong_then_error, execve);
    RUN(test_exec_when_open_for_writing_then_etxtbsy, execve, open, truncate);
    RUN(test_exec_when_strings_are_too_long_then_e2big, execve);
    RUN(test_exec_when_argv_is_empty_then_one_empty_argument, execve);
    return check_failures != 0;
}
