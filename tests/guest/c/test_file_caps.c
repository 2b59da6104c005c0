/* SPDX-License-Identifier: MIT */
/* Capabilities of files (capabilities(7), "File capabilities"): who may set them, what exec
 * makes of them, and what takes them away. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define NAME "security.capability"
#define CAP_DAC_READ_SEARCH 2
#define CAP_KILL 5
#define PROGRAM "/tmp/caps/program"
#define READ_ALL (1ull << CAP_DAC_READ_SEARCH)
#define KILL_ALL (1ull << CAP_KILL)

struct value {
    uint32_t version, permitted_low, inheritable_low, permitted_high, inheritable_high, root;
};

static struct value
value(uint64_t permitted, uint64_t inheritable, int effective)
{
    return (struct value){ 0x02000000u | (uint32_t)effective, (uint32_t)permitted,
                           (uint32_t)inheritable, (uint32_t)(permitted >> 32),
                           (uint32_t)(inheritable >> 32), 0 };
}

static int
give(uint64_t permitted, uint64_t inheritable, int effective)
{
    struct value v = value(permitted, inheritable, effective);
    return setxattr(PROGRAM, NAME, &v, 20, 0);
}

static int
has_caps(void)
{
    struct value v;
    return getxattr(PROGRAM, NAME, &v, sizeof v) == 20;
}

static void
make_program(const char *self)
{
    mkdir("/tmp", 01777);
    mkdir("/tmp/caps", 0755);
    unlink(PROGRAM);
    int from = open(self, O_RDONLY), to = open(PROGRAM, O_CREAT | O_WRONLY, 0755);
    CHECK(from >= 0 && to >= 0);
    while (sendfile(to, from, NULL, 1 << 20) > 0)
        ;
    CHECK(close(to) == 0 && close(from) == 0);
}

struct caps_header {
    uint32_t version;
    int pid;
};
struct caps_data {
    uint32_t effective, permitted, inheritable;
};
#define CAPS_VERSION_3 0x20080522u

struct sets {
    uint64_t permitted, effective, inheritable;
    int secure;
};

static struct sets
own_sets(void)
{
    struct caps_header h = { CAPS_VERSION_3, 0 };
    struct caps_data d[2];
    CHECK(syscall(SYS_capget, &h, d) == 0);
    return (struct sets){ d[0].permitted | (uint64_t)d[1].permitted << 32,
                          d[0].effective | (uint64_t)d[1].effective << 32,
                          d[0].inheritable | (uint64_t)d[1].inheritable << 32,
                          getauxval(AT_SECURE) != 0 };
}

static void
set_inheritable(uint64_t caps)
{
    struct sets now = own_sets();
    struct caps_header h = { CAPS_VERSION_3, 0 };
    struct caps_data d[2] = {
        { (uint32_t)now.effective, (uint32_t)now.permitted, (uint32_t)caps },
        { (uint32_t)(now.effective >> 32), (uint32_t)(now.permitted >> 32), (uint32_t)(caps >> 32) } };
    CHECK(syscall(SYS_capset, &h, d) == 0);
}

/* What the program has when uid 1000 runs it; its exit status is 0 if it ran at all. */
static int
run(struct sets *out, uint64_t inheritable, uint64_t dropped, int bound)
{
    int fds[2], status;
    CHECK(pipe(fds) == 0);
    pid_t child = fork();
    if (child == 0) {
        static char *const args[] = { PROGRAM, "sets", NULL };
        set_inheritable(inheritable);
        for (int i = 0; i < 41; i++)
            if (dropped >> i & 1)
                CHECK(prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0);
        if (bound)
            CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
        CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
        dup2(fds[1], 9);
        execve(PROGRAM, args, args + 2);
        _exit(errno == EPERM ? 100 : 101);
    }
    close(fds[1]);
    memset(out, 0, sizeof *out);
    ssize_t n = read(fds[0], out, sizeof *out);
    close(fds[0]);
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    CHECK(n == (WEXITSTATUS(status) == 0 ? (ssize_t)sizeof *out : 0));
    return WEXITSTATUS(status);
}

static void
test_exec_when_file_has_caps_then_taken(void)
{
    struct sets s;
    CHECK(give(READ_ALL, 0, 1) == 0 && has_caps());
    CHECK(run(&s, 0, 0, 0) == 0 && s.permitted == READ_ALL && s.effective == READ_ALL);
    CHECK(s.secure);
    CHECK(give(READ_ALL, 0, 0) == 0);
    CHECK(run(&s, 0, 0, 0) == 0 && s.permitted == READ_ALL && s.effective == 0 && s.secure);
    CHECK(give(READ_ALL, KILL_ALL, 1) == 0); /* the file's inheritable ones need the thread's */
    CHECK(run(&s, KILL_ALL, 0, 0) == 0 && s.permitted == (READ_ALL | KILL_ALL));
    CHECK(run(&s, 0, 0, 0) == 0 && s.permitted == READ_ALL);
    CHECK(give(0, 0, 0) == 0);
    CHECK(run(&s, 0, 0, 0) == 0 && s.permitted == 0 && !s.secure);
}

static void
test_exec_when_bounded_then_eperm_or_less(void)
{
    struct sets s;
    CHECK(give(READ_ALL | KILL_ALL, 0, 1) == 0);
    CHECK(run(&s, 0, KILL_ALL, 0) == 100);
    CHECK(give(READ_ALL | KILL_ALL, 0, 0) == 0);
    CHECK(run(&s, 0, KILL_ALL, 0) == 0 && s.permitted == READ_ALL);
    CHECK(give(READ_ALL, 0, 1) == 0);
    CHECK(run(&s, 0, 0, 1) == 0 && s.permitted == 0); /* no_new_privs */
}

static void
test_program_when_capable_then_reads(void)
{
    int fd = open("/tmp/caps/secret", O_CREAT | O_RDWR, 0600), status;
    CHECK(fd >= 0 && close(fd) == 0);
    for (int gifted = 0; gifted < 2; gifted++) {
        CHECK(give(gifted ? READ_ALL : 0, 0, 1) == 0);
        pid_t child = fork();
        if (child == 0) {
            static char *const args[] = { PROGRAM, "read", NULL };
            CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
            execve(PROGRAM, args, args + 2);
            _exit(102);
        }
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == (gifted ? 0 : EACCES));
    }
}

static void
test_caps_when_file_changes_then_gone(void)
{
    CHECK(give(READ_ALL, 0, 1) == 0 && has_caps());
    int fd = open(PROGRAM, O_WRONLY | O_APPEND);
    CHECK(fd >= 0 && has_caps());
    CHECK(write(fd, "x", 1) == 1 && !has_caps());
    close(fd);
    CHECK(give(READ_ALL, 0, 1) == 0 && chown(PROGRAM, 1000, 1000) == 0 && !has_caps());
    CHECK(chown(PROGRAM, 0, 0) == 0);
    struct stat st;
    CHECK(stat(PROGRAM, &st) == 0);
    CHECK(give(READ_ALL, 0, 1) == 0 && truncate(PROGRAM, st.st_size - 1) == 0 && !has_caps());
    CHECK(give(READ_ALL, 0, 1) == 0 && removexattr(PROGRAM, NAME) == 0 && !has_caps());
}

static void
test_set_when_not_capable_then_eperm(void)
{
    struct value v = value(READ_ALL, 0, 1);
    v.version = 0x01000000;
    CHECK_ERROR(setxattr(PROGRAM, NAME, &v, 12, 0), EINVAL);
    v.version = 0x02000000;
    CHECK_ERROR(setxattr(PROGRAM, NAME, &v, 19, 0), EINVAL);
    pid_t child = fork();
    if (child == 0) {
        CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
        CHECK_ERROR(give(READ_ALL, 0, 1), EPERM);
        _exit(check_failures != 0);
    }
    CHECK_EXIT(child, 0);
}

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "sets") == 0) {
        struct sets s = own_sets();
        return write(9, &s, sizeof s) == sizeof s ? 0 : 1;
    }
    if (argc > 1)
        return open("/tmp/caps/secret", O_RDONLY) >= 0 ? 0 : errno;
    make_program(argv[0]);
    RUN(test_exec_when_file_has_caps_then_taken, execve, setxattr, capget);
    RUN(test_exec_when_bounded_then_eperm_or_less, execve, prctl);
    RUN(test_program_when_capable_then_reads, execve, openat);
    RUN(test_set_when_not_capable_then_eperm, setxattr);
    RUN(test_caps_when_file_changes_then_gone, write, chown, truncate, removexattr);
    return check_failures != 0;
}
