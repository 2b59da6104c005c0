/* SPDX-License-Identifier: MIT */
/* A round: a child with a session, a directory and files of its own makes its calls. */
#include "fuzz.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

static void
make_files(void)
{
    static char text[5000];
    int fds[2];

    CHECK(mkdir("d", 0777) == 0 && mkdir("d/e", 0777) == 0 && mkdir("m", 0777) == 0);
    for (const char *name = "ab"; *name != '\0'; name++) {
        char path_text[2] = { *name, '\0' };
        int fd = open(path_text, O_CREAT | O_RDWR, 0666);
        CHECK(fd >= 0 && write(fd, text, sizeof text) == sizeof text);
        CHECK(lseek(fd, 0, SEEK_SET) == 0);
    }
    CHECK(symlink("d", "l") == 0 && symlink("loop", "loop") == 0 && symlink("a", "deep") == 0);
    CHECK(mkfifo("d/fifo", 0666) == 0 && link("a", "hard") == 0);
    open("d/fifo", O_RDWR | O_NONBLOCK);
    open("d", O_RDONLY);
    open("a", O_PATH);
    open("null", O_RDWR);
    open("zero", O_RDWR);
    open("random", O_RDWR);
    for (int i = 0; i < 3; i++) {
        CHECK(pipe(fds) == 0);
        CHECK(write(fds[1], text, 100) == 100);
    }
    open("pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
    syscall(SYS_inotify_init1, O_NONBLOCK);
    syscall(SYS_eventfd2, 1, O_NONBLOCK);
    syscall(SYS_timerfd_create, 1, O_NONBLOCK);
    syscall(SYS_memfd_create, "m", 2);
    open("proc/self/maps", O_RDONLY);
    open("proc/self/mem", O_RDWR);
    open("proc/self/fd", O_RDONLY);
    for (int type = 1; type <= 5; type += type == 2 ? 3 : 1)
        CHECK(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fds) == 0);
    syscall(SYS_epoll_create1, 0);
    syscall(SYS_mq_open, "q", O_CREAT | O_RDWR | O_NONBLOCK, 0600, NULL);
    for (int i = 36; i < 40; i++) { /* one in the other (EPOLL in args.c) */
        struct { unsigned events, low, high; } e = { 1, (unsigned)i, 0 };
        int fd = (int)syscall(SYS_epoll_create1, 0);
        if (fd >= 0 && fd != i) {
            syscall(SYS_dup2, fd, i);
            close(fd);
        }
        if (i > 36)
            syscall(SYS_epoll_ctl, i, 1, i - 1, &e);
    }
}

/* Calls may change it, so it is not a link: not every system keeps a running program.  By its
 * descriptor: another round may have mounted something on its name. */
static void
copy_program(int program)
{
    int to = open("self", O_CREAT | O_WRONLY, 0777);
    off_t at = 0;

    CHECK(to >= 0);
    while (sendfile(to, program, &at, 1 << 20) > 0)
        ;
    CHECK(at > 0);
    close(program);
    close(to);
}

_Noreturn void
run_round(u64 seed, int root, const char *directory, int program, int verbose, int *begun,
          int *mine)
{
    struct stream s = { .state = seed * 0x9e3779b97f4a7c15ull | 1, .root = root, .log = -1 };
    struct rlimit limit = { 1 << 20, 1 << 20 };

    setsid();
    open("/dev/feuer", O_RDONLY);
    CHECK(mkdir(directory, 0777) == 0 && chdir(directory) == 0 && chmod(".", 0777) == 0);
    copy_program(program);
    static const struct { const char *name; int minor; } nodes[] = {
        { "null", 3 }, { "zero", 5 }, { "full", 7 }, { "random", 8 } };
    for (int i = 0; i < 4; i++) {
        CHECK(mknod(nodes[i].name, S_IFCHR | 0666, (dev_t)(1 << 8 | nodes[i].minor)) == 0);
        CHECK(chmod(nodes[i].name, 0666) == 0);
    }
    /* A kernel without one of these has fewer files of odd kinds in the round. */
    CHECK(mkdir("proc", 0755) == 0 && mkdir("pts", 0755) == 0);
    mount("proc", "proc", "proc", 0, "");
    mount("devpts", "pts", "devpts", 0, "ptmxmode=0666");
    CHECK(chroot(".") == 0);
    s.log = verbose ? dup2(2, 200) : -1;
    for (int i = 0; i < 3; i++)
        CHECK(dup2(open("null", O_RDWR), i) == i);
    if (!root)
        CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
    make_files();
    setrlimit(RLIMIT_FSIZE, &limit);
    CHECK(mmap(ARENA, (ARENA_PAGES + 2) * PAGE, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == ARENA);
    CHECK(mmap(STACKS, 8 * STACK_BYTES, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == STACKS);
    for (u64 i = 0; i < ARENA_PAGES * PAGE / 8; i++)
        ((u64 *)ARENA)[i] = below(&s, 4) ? below(&s, 40) : edge(&s);
    memcpy(ARENA + 64, "x", 2);
    *(u64 *)(ARENA + 8) = 0;
    mprotect(READ_ONLY, PAGE, PROT_READ);
    mprotect(READ_ONLY + PAGE, PAGE, PROT_NONE);
    __atomic_fetch_add(begun, 1, __ATOMIC_RELAXED);
    *mine = 1;
    munmap(begun, PAGE);
    many_calls(&s, CALLS_PER_ROUND);
    RAW(SYS_exit_group, 0, 0, 0);
    _exit(0);
}
