/* SPDX-License-Identifier: MIT */
/*
 * Memory under load while the steward asks for some back (tests/reclaim/posix.sh).
 *
 * usage: reclaim_load MIB FILE [hog [AMOUNT...]]      it ends when there is a file of that name
 * Children that share pages with their parent copy-on-write and ones with memory of their
 * own write patterns, check them, write others, without end, and a pipe carries pages
 * from one to another.  Each word is a function of its address, of who wrote it and of
 * the round, so a page that was lost, mixed up or copied too early is seen.  Prints what
 * was checked; exits with 1 if anything was wrong.  With `hog` a child's death by a signal
 * is told but is no fault: its memory may have been taken.  With AMOUNTs a process that has
 * all the memory it needs before the others begin asks the steward for each of them, at once
 * and by force, makes FILE, and writes a line into the FIFO FILE.done.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN 4

static uint64_t
word(size_t i, uint64_t who, uint64_t round)
{
    return (i + 1) * 0x9e3779b97f4a7c15ull ^ who << 56 ^ round << 40;
}

static void
fill(uint64_t *at, size_t words, uint64_t who, uint64_t round)
{
    for (size_t i = 0; i < words; i++)
        at[i] = word(i, who, round);
}

static void
check(const uint64_t *at, size_t words, uint64_t who, uint64_t round)
{
    for (size_t i = 0; i < words; i++)
        if (at[i] != word(i, who, round)) {
            printf("wrong: who %d round %d word %zu is %llx\n", (int)who, (int)round, i,
                   (unsigned long long)at[i]);
            fflush(stdout);
            _exit(1);
        }
}

static const char *end;

static int
goes_on(void)
{
    return access(end, F_OK) != 0;
}

/* Half of its memory stays shared with the parent and others; the other half it writes
 * anew in each round. */
static void
child(uint64_t *shared, size_t words, uint64_t who, int *loaded)
{
    uint64_t round = 0;
    uint64_t *own = mmap(NULL, words * 8, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (own == MAP_FAILED)
        _exit(2);
    fill(own, words, who, round);
    while (goes_on()) {
        check(shared, words, 0, 0);
        check(own, words, who, round);
        if (++round == 2)
            __atomic_fetch_add(loaded, 1, __ATOMIC_SEQ_CST);
        fill(own, words, who, round);
        mprotect(own, words * 4, PROT_NONE);
        mprotect(own, words * 4, PROT_READ | PROT_WRITE);
        if (round % 8 == 0) { /* a grandchild sees it as it is now, whatever comes */
            pid_t pid = fork();
            if (pid == 0) {
                usleep(20000);
                check(own, words, who, round);
                _exit(0);
            }
            fill(own, words, who, ++round);
            int status;
            if (pid > 0 && waitpid(pid, &status, 0) == pid && status != 0)
                _exit(WIFSIGNALED(status) ? 3 : 1);
        }
        if (round % 16 == 3) { /* pieces of it go and come */
            madvise(own, words * 4, MADV_DONTNEED);
            for (size_t i = 0; i < words / 2; i += 512)
                if (own[i] != 0)
                    _exit(4);
            fill(own, words, who, ++round);
        }
    }
    check(own, words, who, round);
    check(shared, words, 0, 0);
    _exit(0);
}

/* Say it to the steward; 0: a request before it is still open. */
static int
tell(const char *request)
{
    char answer[4096];
    int fd = open("/dev/steward", O_RDWR);
    ssize_t n = -1;

    if (fd >= 0 && write(fd, request, strlen(request)) > 0)
        n = read(fd, answer, sizeof answer - 1);
    if (n < 0) {
        perror("BAD: /dev/steward");
        _exit(1);
    }
    close(fd);
    answer[n] = 0;
    return strstr(answer, "asked already") == NULL;
}

static void
ask(char **amounts, const volatile int *loaded)
{
    char text[128];

    tell("list"); /* from here on it needs no more memory */
    while (*loaded < CHILDREN)
        usleep(50000);
    for (; *amounts; amounts++) {
        snprintf(text, sizeof text, "reclaim posix %s 0", *amounts);
        while (!tell(text)) /* the one before is still open */
            usleep(50000);
        usleep(200000);
    }
    close(open(end, O_CREAT | O_WRONLY, 0600));
    snprintf(text, sizeof text, "%s.done", end);
    int fd = open(text, O_WRONLY);
    _exit(write(fd, "asked\n", 6) != 6);
}

int
main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    end = argv[2];
    size_t bytes = (size_t)atoi(argv[1]) << 20, each = bytes / (CHILDREN + 1);
    size_t words = (each & ~4095ul) / 8;
    int hog = argc > 3, bad = 0, died = 0, children = CHILDREN;
    int *loaded = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (argc > 4 && ++children && fork() == 0)
        ask(argv + 4, loaded);
    uint64_t *shared = mmap(NULL, words * 8, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED)
        return 2;
    fill(shared, words, 0, 0);
    for (uint64_t who = 1; who <= CHILDREN; who++)
        if (fork() == 0)
            child(shared, words, who, loaded);
    while (__atomic_load_n(loaded, __ATOMIC_SEQ_CST) < CHILDREN)
        usleep(50000);
    printf("loaded\n");
    fflush(stdout);
    for (int i = 0; i < children; i++) {
        int status;
        wait(&status);
        if (WIFSIGNALED(status)) {
            died++;
            bad += !hog;
            printf("a child died of signal %d\n", WTERMSIG(status));
        } else if (WEXITSTATUS(status) == 3 && hog) {
            died++;
        } else if (status) {
            bad++;
            printf("a child ended with %d\n", WEXITSTATUS(status));
        }
    }
    check(shared, words, 0, 0);
    printf("%s: %zu KiB, %d died\n", bad ? "BAD" : "right", bytes / 1024, died);
    return bad != 0;
}
