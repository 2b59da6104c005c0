/* SPDX-License-Identifier: MIT */
/* The parent: starts rounds, ends those that hang, and sees what is left afterwards. */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <time.h>

static int
remove_one(const char *name, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    while (umount2(name, MNT_DETACH) == 0)
        ;
    return remove(name) == 0 || umount2(name, MNT_DETACH) != 0 ? 0 : remove(name);
}

static void
remove_tree(const char *directory)
{
    /* Where rounds mount; nftw passes over a directory that is its own ancestor. */
    static const char *const mounts[] = { "m/x", "m/y", "m", "d/e/f", "d/e", "d", "a", "b",
                                          "tmp", "proc", "pts" };
    char name[96];

    for (size_t i = 0; i < sizeof mounts / sizeof mounts[0]; i++) {
        snprintf(name, sizeof name, "%s/%s", directory, mounts[i]);
        while (umount2(name, MNT_DETACH) == 0)
            ;
    }
    /* What is taken off uncovers what it was mounted on. */
    for (int i = 0; i < 8 && access(directory, F_OK) == 0; i++)
        nftw(directory, remove_one, 20, FTW_DEPTH | FTW_PHYS);
    CHECK(access(directory, F_OK) != 0);
}

static int neighbour; /* 0: there is none */

struct worker {
    pid_t pid;
    u64 end_ms;
    char directory[64];
};

static u64
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

static void
end_round(struct worker *w)
{
    kill(-w->pid, SIGKILL);
    w->pid = 0;
}

/* One look at all rounds: the number of those that have ended. */
static int
look(struct worker *workers, int count, const int *begun, int *hung)
{
    int status, ended = 0;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        CHECK(pid != neighbour);
        for (int i = 0; i < count; i++)
            if (workers[i].pid == pid) {
                if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
                    printf("# a round ended with 1\n");
                end_round(&workers[i]);
                ended++;
            }
    }
    for (int i = 0; i < count; i++)
        if (workers[i].pid != 0 && now_ms() > workers[i].end_ms +
                (__atomic_load_n(&begun[1 + i], __ATOMIC_RELAXED) ? 0 : START_MS)) {
            tell_place("hung", workers[i].pid);
            kill(workers[i].pid, SIGKILL);
            kill(-workers[i].pid, SIGKILL);
            workers[i].end_ms = now_ms() + 10000;
            ++*hung;
        }
    return ended;
}

/* System V objects and queues of POSIX belong to nobody who ends. */
static void
remove_objects(void)
{
    for (int i = 0; i < 2000; i++) {
        char data[256];
        long id = syscall(SYS_semctl, i, 0, 18 /* SEM_STAT */, data);
        if (id >= 0)
            syscall(SYS_semctl, id, 0, 0 /* IPC_RMID */, 0);
        id = syscall(SYS_msgctl, i, 11 /* MSG_STAT */, data);
        if (id >= 0)
            syscall(SYS_msgctl, id, 0, NULL);
        id = syscall(SYS_shmctl, i, 13 /* SHM_STAT */, data);
        if (id >= 0)
            syscall(SYS_shmctl, id, 0, NULL);
    }
    DIR *queues = mkdir("/tmp/fuzz.mq", 0700) == 0 &&
                          mount("mqueue", "/tmp/fuzz.mq", "mqueue", 0, "") == 0
                      ? opendir("/tmp/fuzz.mq")
                      : NULL;
    for (struct dirent *e; queues != NULL && (e = readdir(queues)) != NULL;)
        syscall(SYS_mq_unlink, e->d_name);
    if (queues != NULL)
        closedir(queues);
    umount2("/tmp/fuzz.mq", MNT_DETACH);
    rmdir("/tmp/fuzz.mq");
}

/* Orphans come to us (PR_SET_CHILD_SUBREAPER) when their parents have gone.  Who has left
 * its group and was stopped, or sleeps, is still there: it is ended. */
static void
settle(int say)
{
    for (int i = 0; i < 20; i++) {
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
            i = 0;
            CHECK(pid != neighbour);
        }
        if (i % 4 == 3)
            end_left(neighbour, say && i > 12);
        usleep(10000);
    }
}

static int
run_rounds(u64 seed, int rounds, int count, const char *self, int verbose)
{
    struct worker workers[WORKERS_MAX] = { { 0 } };
    struct timespec pause_time = { 0, 1000000 };
    int started = 0, ended = 0, hung = 0, program = open(self, O_RDONLY);
    /* How many rounds have come as far as their first call; and whether each worker's has. */
    int *begun = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    CHECK(begun != MAP_FAILED && program >= 0);
    while (ended < rounds) {
        for (int i = 0; i < count && started < rounds; i++) {
            struct worker *w = &workers[i];
            if (w->pid != 0)
                continue;
            if (w->directory[0] != '\0')
                remove_tree(w->directory);
            snprintf(w->directory, sizeof w->directory, "/tmp/fuzz.%d.%d", (int)getpid(),
                     started);
            w->end_ms = now_ms() + ROUND_MS;
            begun[1 + i] = 0;
            w->pid = fork();
            CHECK(w->pid >= 0);
            if (w->pid == 0)
                run_round(seed + (u64)started, started % 2, w->directory, program, verbose, begun,
                          &begun[1 + i]);
            started++;
        }
        nanosleep(&pause_time, NULL);
        ended += look(workers, count, begun, &hung);
    }
    for (int i = 0; i < count; i++)
        if (workers[i].directory[0] != '\0')
            remove_tree(workers[i].directory);
    settle(0);
    remove_objects();
    /* By /proc/self/exe a round may mount onto this very program. */
    while (umount2(self, MNT_DETACH) == 0)
        ;
    /* musl's nftw keeps the descriptor of a directory that is its own ancestor: a round may
     * have mounted one so. */
    syscall(SYS_close_range, 3u, ~0u, 0u);
    CHECK(*begun == rounds);
    munmap(begun, PAGE);
    return hung;
}

/* ---- afterwards ---- */

static void
test_files_and_children_work(void)
{
    char text[64] = "";
    int fds[2], fd = open("/tmp/fuzz.after", O_CREAT | O_RDWR | O_EXCL, 0600);

    CHECK(fd >= 0 && write(fd, "still here", 11) == 11 && lseek(fd, 0, SEEK_SET) == 0);
    CHECK(read(fd, text, sizeof text) == 11 && strcmp(text, "still here") == 0);
    CHECK(close(fd) == 0 && unlink("/tmp/fuzz.after") == 0);
    CHECK(pipe(fds) == 0);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) {
            CHECK(write(fds[1], "x", 1) == 1);
            _exit(i);
        }
        CHECK_EXIT(child, i);
        CHECK(read(fds[0], text, sizeof text) == 1 && text[0] == 'x');
    }
}

#define COUNTS 16
struct counts {
    int n;
    struct {
        char name[32];
        long value;
    } at[COUNTS];
};

static void
read_counts(struct counts *c)
{
    FILE *file = fopen("/dev/feuer", "r");

    c->n = 0;
    while (file != NULL && c->n < COUNTS &&
           fscanf(file, "%31s %ld", c->at[c->n].name, &c->at[c->n].value) == 2)
        c->n++;
    if (file != NULL)
        fclose(file);
}

/* What the instance may keep: names and slabs in its caches. */
static long
allowed(const char *name)
{
    if (strncmp(name, "frames", 6) == 0)
        return 300;
    return strncmp(name, "heap", 4) == 0 ? 1000000000 : 0;
}

static int
compare_counts(const struct counts *before, int say)
{
    struct counts after;
    int lost = 0;

    read_counts(&after);
    for (int i = 0; i < before->n && i < after.n; i++) {
        long more = after.at[i].value - before->at[i].value;
        int bad = labs(more) > allowed(before->at[i].name);
        lost += bad;
        if (say && more != 0)
            printf("%s %s %+ld\n", bad ? "# LOST" : "#", before->at[i].name, more);
    }
    return lost;
}

int
main(int argc, char **argv)
{
    struct counts before;
    u64 seed = 1;
    int calls_wanted = 6000, count = 1, verbose = 0, option, tries = 0;

    if (argc < 2 || argv[1][0] != '-' ||
        (strstr(argv[0], "/fuzz_calls") == NULL && strstr(argv[0], "/caller") == NULL))
        return 7; /* a round has executed itself */
    while ((option = getopt(argc, argv, "s:n:p:v")) != -1) {
        if (option == 's')
            seed = strtoull(optarg, NULL, 0);
        else if (option == 'n')
            calls_wanted = atoi(optarg);
        else if (option == 'p')
            count = atoi(optarg);
        else
            verbose = 1;
    }
    mkdir("/tmp", 01777);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (count < 1 || count > WORKERS_MAX)
        count = 1;
    close(memfd_create("first", 0)); /* what is kept from the first use on is kept now */
    run_rounds(seed + 1000000, count, count, argv[0], 0);
    read_counts(&before);
    neighbour = neighbour_start();
    int hung = run_rounds(seed, calls_wanted / CALLS_PER_ROUND, count, argv[0], verbose);
    printf("# seed %lu: %d rounds had to be ended\n", seed, hung);
    int disturbed = neighbour_end(neighbour);
    neighbour = 0;
    RUN(test_files_and_children_work);
    while (compare_counts(&before, 0) != 0 && tries++ < 10)
        settle(1);
    int lost = compare_counts(&before, 1);
    printf("%s - nothing is lost\n", lost ? "not ok" : "ok");
    return check_failures != 0 || lost != 0 || disturbed;
}
