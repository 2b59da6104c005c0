/* SPDX-License-Identifier: MIT */
/*
 * Programs that take all they can get: processes, memory, descriptors, files, signals,
 * mappings, depth.  Each gets a clear error or is ended, and within a second after it
 * has gone another program starts and ends ("the prompt answers").
 *
 * Each bomb runs as an unprivileged user in a session of its own, and is ended as an
 * operator would do it, with kill; root's rights are used only to start it.
 *
 * usage: test_bombs [PART OF A TEST'S NAME]
 */
#define _GNU_SOURCE
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>

#define ANSWER_MS 1000
#define MEGABYTE (1ul << 20)

static char self_path[PATH_MAX];

static long
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Another program starts, works and ends within the time. */
static void
check_answers(void)
{
    long begin = now_ms();
    pid_t child = fork();

    if (child == 0) {
        execl(self_path, self_path, "answer", NULL);
        _exit(1);
    }
    CHECK_EXIT(child, 42);
    long took = now_ms() - begin;
    if (took > ANSWER_MS)
        dprintf(2, "# the answer took %ld ms\n", took);
    CHECK(took <= ANSWER_MS);
}

/* A child without root's rights, in a group of its own, with little RLIMIT_CPU left over. */
static pid_t
start_bomb(void (*bomb)(void))
{
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        CHECK(setpgid(0, 0) == 0);
        CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
        bomb();
        _exit(0);
    }
    setpgid(child, child);
    return child;
}

/* End all of the group, however fast it forks; then nobody of it is left. */
static void
end_bomb(pid_t group)
{
    long begin = now_ms();

    while (kill(-group, SIGKILL) == 0 && now_ms() - begin < 20000) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        usleep(1000);
    }
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    CHECK_ERROR(kill(-group, 0), ESRCH);
}

static void
fork_for_ever(void)
{
    for (;;)
        if (fork() < 0 && errno != EAGAIN && errno != ENOMEM)
            _exit(1);
}

static void
test_forks_when_limited_then_eagain(void)
{
    struct rlimit limit = { 40, 40 };
    int made = 0;

    CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
    CHECK(setrlimit(RLIMIT_NPROC, &limit) == 0);
    for (;;) {
        pid_t child = fork();

        if (child == 0) {
            pause();
            _exit(0);
        }
        if (child < 0)
            break;
        made++;
    }
    CHECK(errno == EAGAIN && made >= 30 && made <= 40);
    signal(SIGTERM, SIG_IGN);
    CHECK(kill(0, SIGTERM) == 0);
    for (int i = 0; i < made; i++)
        CHECK(wait(NULL) > 0);
}

static void
test_fork_bomb_when_ended_then_the_prompt_answers(void)
{
    pid_t bomb = start_bomb(fork_for_ever);

    usleep(1500000);
    end_bomb(bomb);
    check_answers();
}

static void
take_memory(void)
{
    for (size_t bytes = MEGABYTE;;) {
        char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
            _exit(3);
        for (size_t i = 0; i < bytes; i += 4096)
            p[i] = 1;
    }
}

static void
test_memory_bomb_when_memory_is_full_then_it_is_ended(void)
{
    pid_t bombs[4];

    for (int i = 0; i < 4; i++)
        bombs[i] = start_bomb(take_memory);
    for (int i = 0; i < 4; i++) {
        int status = check_wait(bombs[i]);
        CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ||
              (WIFEXITED(status) && WEXITSTATUS(status) == 3));
    }
    check_answers();
}

static void
take_descriptors(void)
{
    struct rlimit limit;
    int fd, last = -1;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    while ((fd = open("/dev/null", O_RDONLY)) >= 0)
        last = fd;
    CHECK((errno == EMFILE && (rlim_t)last == limit.rlim_cur - 1) || errno == ENFILE);
    fork();
    while ((fd = open("/dev/null", O_RDONLY)) >= 0)
        ;
    CHECK(errno == EMFILE || errno == ENFILE);
    int pipes[2];
    CHECK_ERROR(pipe(pipes), errno == EMFILE ? EMFILE : ENFILE);
    pause();
}

static void
test_descriptor_bomb_when_ended_then_the_prompt_answers(void)
{
    pid_t bombs[8];

    for (int i = 0; i < 8; i++)
        bombs[i] = start_bomb(take_descriptors);
    usleep(1000000);
    for (int i = 0; i < 8; i++) {
        CHECK(waitpid(bombs[i], NULL, WNOHANG) == 0); /* none of its checks failed */
        end_bomb(bombs[i]);
    }
    check_answers();
}

static void
fill_pipes(void)
{
    static char data[65536];
    int fds[2];

    while (pipe2(fds, O_NONBLOCK) == 0)
        while (write(fds[1], data, sizeof data) > 0)
            ;
    pause();
}

static void
test_pipe_bomb_when_ended_then_the_prompt_answers(void)
{
    pid_t bombs[4];

    for (int i = 0; i < 4; i++)
        bombs[i] = start_bomb(fill_pipes);
    usleep(500000);
    check_answers();
    for (int i = 0; i < 4; i++)
        end_bomb(bombs[i]);
    check_answers();
}

static void
queue_signals(void)
{
    sigset_t all;
    long queued = 0;
    union sigval value = { .sival_int = 1 };

    sigfillset(&all);
    CHECK(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
    while (sigqueue(getpid(), SIGRTMIN + (int)(queued % 20), value) == 0)
        queued++;
    CHECK(errno == EAGAIN && queued > 100);
}

static void
test_signal_bomb_when_queue_is_full_then_eagain(void)
{
    pid_t bomb = start_bomb(queue_signals);

    CHECK_EXIT(bomb, 0);
    check_answers();
}

static void
take_mappings(void)
{
    long made = 0;

    for (;; made++) { /* every second one has other rights, so that none are merged */
        void *p = mmap(NULL, 4096, made % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            break;
        if (made > 2000000)
            _exit(9);
    }
    CHECK(errno == ENOMEM && made > 60000);
}

static void
test_mapping_bomb_when_limit_is_reached_then_enomem(void)
{
    pid_t bomb = start_bomb(take_mappings);

    CHECK_EXIT(bomb, 0);
    check_answers();
}

static void
test_path_when_a_million_bytes_then_enametoolong(void)
{
    char *path = malloc(MEGABYTE);

    CHECK(path != NULL);
    memset(path, 'x', MEGABYTE - 1);
    path[MEGABYTE - 1] = '\0';
    long begin = now_ms();
    CHECK_ERROR(open(path, O_RDONLY), ENAMETOOLONG);
    CHECK_ERROR(mkdir(path, 0700), ENAMETOOLONG);
    CHECK_ERROR(rename(path, path), ENAMETOOLONG);
    CHECK_ERROR(symlink(path, "link"), ENAMETOOLONG);
    CHECK_ERROR(execl(path, path, NULL), ENAMETOOLONG);
    for (size_t i = 1; i < MEGABYTE - 1; i += 2)
        path[i] = '/', path[i - 1] = '.';
    CHECK_ERROR(chdir(path), ENAMETOOLONG);
    CHECK(now_ms() - begin < ANSWER_MS);
    path[4094] = '\0';
    CHECK(chdir(path) == 0);
}

static void
test_links_when_they_loop_then_eloop(void)
{
    char name[16], target[16];

    CHECK(symlink("a", "b") == 0 && symlink("b", "a") == 0 && symlink(".", "dot") == 0);
    CHECK_ERROR(open("a", O_RDONLY), ELOOP);
    CHECK_ERROR(open("a/x", O_RDONLY), ELOOP);
    CHECK_ERROR(chdir("a"), ELOOP);
    CHECK(mkdir("l0", 0755) == 0);
    for (int i = 1; i <= 41; i++) {
        snprintf(name, sizeof name, "l%d", i);
        snprintf(target, sizeof target, "l%d", i - 1);
        CHECK(symlink(target, name) == 0);
    }
    CHECK(chdir("l40") == 0 && chdir("..") == 0);
    CHECK_ERROR(chdir("l41"), ELOOP);
    char many[400] = "";
    for (int i = 0; i < 41; i++)
        strcat(many, "dot/");
    CHECK_ERROR(chdir(many), ELOOP);
    many[160] = '\0';
    CHECK(chdir(many) == 0);
}

static void
test_directory_when_100000_entries_then_each_is_found(void)
{
    enum { ENTRIES = 100000 };
    char name[32];
    long begin = now_ms(), seen = 0;
    struct dirent *entry;

    CHECK(mkdir("many", 0755) == 0 && mount("many", "many", "tmpfs", 0, "nr_inodes=0") == 0);
    CHECK(chdir("many") == 0);
    for (int i = 0; i < ENTRIES; i++) {
        snprintf(name, sizeof name, "entry.%d", i);
        CHECK(mknod(name, S_IFREG | 0644, 0) == 0);
    }
    long made = now_ms();
    DIR *directory = opendir(".");
    CHECK(directory != NULL);
    while ((entry = readdir(directory)) != NULL)
        seen += entry->d_name[0] != '.';
    CHECK(seen == ENTRIES && closedir(directory) == 0);
    long listed = now_ms();
    for (int i = 0; i < ENTRIES; i += 7) {
        snprintf(name, sizeof name, "entry.%d", i);
        CHECK(access(name, F_OK) == 0);
    }
    CHECK_ERROR(access("entry.100000", F_OK), ENOENT);
    for (int i = 0; i < ENTRIES; i++) {
        snprintf(name, sizeof name, "entry.%d", i);
        CHECK(unlink(name) == 0);
    }
    printf("# made in %ld ms, listed in %ld, looked up and removed in %ld\n", made - begin,
           listed - made, now_ms() - listed);
    CHECK(chdir("..") == 0 && umount("many") == 0 && rmdir("many") == 0);
    check_answers();
}

static void
test_directories_when_10000_deep_then_made_and_removed(void)
{
    enum { DEPTH = 10000 };
    char buffer[PATH_MAX];

    for (int i = 0; i < DEPTH; i++)
        CHECK(mkdir("d", 0755) == 0 && chdir("d") == 0);
    CHECK_ERROR(syscall(SYS_getcwd, buffer, sizeof buffer), ENAMETOOLONG);
    for (int i = 0; i < DEPTH; i++)
        CHECK(chdir("..") == 0 && rmdir("d") == 0);
    check_answers();
}

static void
test_file_system_when_full_then_enospc_and_whole_after_removal(void)
{
    static char data[65536];
    struct statfs before, after;
    long long written = 0;
    ssize_t n;
    int fd;

    CHECK(statfs(".", &before) == 0);
    CHECK((fd = open("big", O_CREAT | O_WRONLY, 0600)) >= 0);
    /* Linux's root in memory has no limit of its own: it is not filled to the end. */
    while (written < 4000ll * 1048576 && (n = write(fd, data, sizeof data)) > 0)
        written += n;
    CHECK(written > 1048576 && (written >= 4000ll * 1048576 || errno == ENOSPC));
    CHECK(close(fd) == 0 && unlink("big") == 0);
    CHECK(statfs(".", &after) == 0);
    CHECK(labs((long)after.f_bfree - (long)before.f_bfree) < 256);
    check_answers();
}

static void
test_processes_when_10000_then_each_ends_with_its_status(void)
{
    enum { PROCESSES = 10000 };
    static pid_t children[PROCESSES];
    struct rlimit limit = { 20000, 20000 };
    long begin = now_ms();
    int gate[2], status, wanted = PROCESSES;
    struct sysinfo before, after;
    char byte;

    setrlimit(RLIMIT_NPROC, &limit);
    CHECK(pipe(gate) == 0 && sysinfo(&before) == 0);
    for (int i = 0; i < wanted; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            close(gate[1]);
            _exit(read(gate[0], &byte, 1) == 0 ? i % 256 : 99);
        }
        if (children[i] < 0) { /* a smaller machine says so, and goes on */
            CHECK(errno == EAGAIN || errno == ENOMEM);
            wanted = i;
        }
    }
    CHECK(wanted > 500 && sysinfo(&after) == 0);
    printf("# %d processes, %ld bytes each\n", wanted,
           ((long)before.freeram - (long)after.freeram) * (long)before.mem_unit / wanted);
    if (wanted < PROCESSES) /* room for the answer */
        for (int i = 0; i < 10; i++) {
            kill(children[--wanted], SIGKILL);
            CHECK(waitpid(children[wanted], NULL, 0) == children[wanted]);
        }
    check_answers();
    long made = now_ms();
    close(gate[1]);
    for (int i = 0; i < wanted; i++) {
        CHECK(waitpid(children[i], &status, 0) == children[i]);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == i % 256);
    }
    printf("# %d processes made in %ld ms, gone in %ld\n", wanted, made - begin,
           now_ms() - made);
    check_answers();
}

int
main(int argc, char **argv)
{
    char directory[] = "/tmp/test_bombs.XXXXXX";

    if (argc > 1 && strcmp(argv[1], "answer") == 0)
        return 42;
    if (realpath(argv[0], self_path) == NULL || mkdtemp(directory) == NULL ||
        chdir(directory) < 0)
        return 1;
    const char *part = argc > 1 ? argv[1] : "";
#define BOMB(test, ...)                                                               \
    if (strstr(#test, part) != NULL)                                                  \
    check_run_in_new(#test ", " #__VA_ARGS__, test)
    BOMB(test_forks_when_limited_then_eagain, fork, prlimit64);
    BOMB(test_fork_bomb_when_ended_then_the_prompt_answers, kill);
    BOMB(test_memory_bomb_when_memory_is_full_then_it_is_ended, mmap);
    BOMB(test_descriptor_bomb_when_ended_then_the_prompt_answers, open, pipe);
    BOMB(test_pipe_bomb_when_ended_then_the_prompt_answers, pipe2);
    BOMB(test_signal_bomb_when_queue_is_full_then_eagain, rt_sigqueueinfo);
    BOMB(test_mapping_bomb_when_limit_is_reached_then_enomem, mmap);
    BOMB(test_path_when_a_million_bytes_then_enametoolong, open, mkdir, rename, symlink, execve);
    BOMB(test_links_when_they_loop_then_eloop, open, chdir);
    BOMB(test_directory_when_100000_entries_then_each_is_found, mknod, getdents64, unlink);
    BOMB(test_directories_when_10000_deep_then_made_and_removed, mkdir, chdir, rmdir);
    BOMB(test_file_system_when_full_then_enospc_and_whole_after_removal, write, statfs);
    BOMB(test_processes_when_10000_then_each_ends_with_its_status, fork, wait4);
    return check_failures != 0;
}
