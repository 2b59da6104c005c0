/* SPDX-License-Identifier: MIT */
/*
 * Runs a command several times and sees whether the instance then holds more than it did:
 * what is lost in each run grows with each run.
 *
 *   accounting [-s SECONDS] FILE... -- COMMAND [ARGUMENT...]
 *
 * What must not be taken for a loss, and how it is kept apart:
 * A1. A page of a program becomes a page of its file when it is touched for the first
 *     time, whenever that is (and those behind it with it).  So every page of each FILE,
 *     the programs that the command runs, is touched before the first run.
 * A2. Who counts needs memory itself, which grows when it is first used.  This program
 *     has all of it from the start, and makes nothing but one child in each round.
 * A3. What the command's processes held goes a moment after they were waited for.  So
 *     the counts are read until they are the same for as long as QUIET_MS, and until no
 *     process is there but the first and this one.
 * A4. The first run makes what stays (caches, pools, nodes of the files' trees), and is not
 *     compared; a pool may still take a step in a later run.  So the counts must be what
 *     they were COMPARED runs before, once within ROUNDS_MAX runs: a step passes, and what
 *     is lost (or given back twice) in each run, or in each second or third, never does.
 * A5. With -s it runs the command for SECONDS, with ROUND=1, 2, ... in its environment; the
 *     counts at the end must be those after a third of that time.
 *
 * Frames that the heap's slabs hold, and clean ones of the pool of page tables, are free.
 * Prints "ok" or "not ok", and the counts of each run that changed some.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define ROUNDS_MAX 16
#define COMPARED 3
#define QUIET_MS 20
#define QUIET_SAME 5
#define QUIET_TRIES 1500

/* The counts of /dev/feuer that must stay; `frames` is made from several. */
enum { FRAMES, OBJECTS, SLOTS, PROCESSES, INODES, FILE_PAGES, KINDS };
static const char *const names[KINDS] = { "frames",    "heap_objects", "slots_used",
                                          "processes", "inodes",       "file_pages" };
struct counts {
    long of[KINDS];
};
static struct counts after[ROUNDS_MAX + 1];
static char text[PAGE];

static void
fail(const char *what, const char *name)
{
    printf("not ok - accounting: %s %s\n", what, name);
    exit(1);
}

static long
value_of(const char *name)
{
    size_t length = strlen(name);

    for (const char *at = text; *at; at = strchr(at, '\n') + 1)
        if (strncmp(at, name, length) == 0 && at[length] == ' ')
            return strtol(at + length, NULL, 10);
    fail("/dev/feuer does not tell", name);
    return 0;
}

static struct counts
read_counts(int device)
{
    struct counts c;
    ssize_t n = pread(device, text, sizeof text - 1, 0);

    if (n <= 0 || text[n - 1] != '\n')
        fail("cannot read", "/dev/feuer");
    text[n] = '\0';
    for (int i = OBJECTS; i < KINDS; i++)
        c.of[i] = value_of(names[i]);
    c.of[FRAMES] = value_of("frames_total") - value_of("frames_free") -
                   value_of("heap_frames") - value_of("frames_tables_free");
    return c;
}

static int
same(const struct counts *a, const struct counts *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* A3; what does not become quiet is told as it is, and the rounds will differ. */
static struct counts
quiet_counts(int device, long processes)
{
    const struct timespec moment = { .tv_nsec = QUIET_MS * 1000000L };
    struct counts last = read_counts(device);
    int unchanged = 0;

    for (int i = 0; i < QUIET_TRIES && unchanged < QUIET_SAME; i++) {
        nanosleep(&moment, NULL);
        struct counts now = read_counts(device);
        unchanged = now.of[PROCESSES] == processes && same(&now, &last) ? unchanged + 1 : 0;
        last = now;
    }
    return last;
}

/* A1 */
static void
touch_all_of(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    long sum = 0;

    if (fd < 0 || fstat(fd, &status) != 0)
        fail("cannot open", path);
    const volatile char *at =
        mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        fail("cannot map", path);
    for (off_t i = 0; i < status.st_size; i += PAGE)
        sum += at[i];
    munmap((void *)at, (size_t)status.st_size);
    close(fd);
}

static void
run(char **command)
{
    int status;
    pid_t child = vfork(); /* a fork would make copies of pages of ours (A2) */

    if (child == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        fail("the command failed:", command[0]);
}

static void
show(const char *what, int round, const struct counts *c)
{
    printf("# %s%d:", what, round);
    for (int i = 0; i < KINDS; i++)
        printf(" %s=%ld", names[i], c->of[i]);
    printf("\n");
    fflush(stdout);
}

static long
seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* A5 */
static int
run_for(long seconds, int device, long processes, char **command)
{
    static char number[32];
    struct counts now, compared;
    long began = seconds_now(), passed = 0;
    int third = 0;

    for (int round = 1; passed < seconds; round++) {
        snprintf(number, sizeof number, "ROUND=%d", round);
        putenv(number);
        run(command);
        now = quiet_counts(device, processes);
        passed = seconds_now() - began;
        printf("# %ld s: ", passed);
        show("round ", round, &now);
        if (third == 0 && passed >= seconds / 3) {
            compared = now;
            third = round;
        }
    }
    show("compared with round ", third, &compared);
    printf("%s - the counts are those after a third of %ld s\n",
           same(&now, &compared) ? "ok" : "not ok", seconds);
    return !same(&now, &compared);
}

int
main(int argc, char **argv)
{
    int device = open("/dev/feuer", O_RDONLY | O_CLOEXEC), at = 1;
    long seconds = 0;

    if (device < 0)
        fail("cannot open", "/dev/feuer");
    if (argc > 2 && strcmp(argv[1], "-s") == 0) {
        seconds = strtol(argv[2], NULL, 10);
        at = 3;
    }
    for (; at < argc && strcmp(argv[at], "--") != 0; at++)
        touch_all_of(argv[at]);
    if (at + 1 >= argc)
        fail("no command", "");
    if (mlockall(MCL_CURRENT) != 0)
        fail("cannot lock", "its memory");
    long processes = read_counts(device).of[PROCESSES];
    if (seconds > 0)
        return run_for(seconds, device, processes, argv + at + 1);
    for (int round = 0; round <= ROUNDS_MAX; round++) {
        run(argv + at + 1);
        after[round] = quiet_counts(device, processes);
        if (round == 0 || !same(&after[round], &after[round - 1]))
            show("", round, &after[round]);
        if (round > COMPARED && same(&after[round], &after[round - COMPARED])) {
            printf("ok - all is accounted for after %d runs\n", round);
            return 0;
        }
    }
    printf("not ok - something is lost\n");
    return 1;
}
