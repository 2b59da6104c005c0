/* SPDX-License-Identifier: MIT */
/* Pages of files and of memory in a pipe: what becomes of them when the file is written, cut,
 * removed or closed, when the memory is written or unmapped, when the pipe is written behind
 * them, and who holds the pipe forks, executes or ends. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/wait.h>

#define PAGE 4096

static char data[65536], back[65536], other[65536];

static int
make_file(const char *name, size_t n)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 7 + i / PAGE);
    CHECK(fd >= 0 && write(fd, data, n) == (ssize_t)n);
    return fd;
}

/* n bytes of the file from `at` on go into the pipe. */
static void
lend(int fd, loff_t at, int to, size_t n)
{
    CHECK(splice(fd, &at, to, NULL, n, 0) == (ssize_t)n);
}

/* All n bytes, however many reads it takes. */
static void
take(int from, size_t n)
{
    for (size_t got = 0; got < n;) {
        ssize_t r = read(from, back + got, n - got);
        CHECK(r > 0);
        if (r <= 0)
            return;
        got += (size_t)r;
    }
}

/* Verify that the pipe shows what is written to the file before it is read. */
static void
test_write_when_lent_then_seen(void)
{
    int p[2], fd = make_file("f", 3 * PAGE);
    CHECK(pipe(p) == 0);
    lend(fd, 0, p[1], 3 * PAGE);
    CHECK(pwrite(fd, "new", 3, PAGE + 5) == 3);
    memcpy(data + PAGE + 5, "new", 3);
    take(p[0], 3 * PAGE);
    CHECK(memcmp(back, data, 3 * PAGE) == 0);
    CHECK(pread(fd, back, sizeof back, 0) == 3 * PAGE && memcmp(back, data, 3 * PAGE) == 0);
}

/* Verify that whole pages that are cut off the file stay in the pipe, and that the file
 * grows again with zeros. */
static void
test_truncate_when_lent_then_pipe_keeps(void)
{
    int p[2], fd = make_file("f", 4 * PAGE);
    CHECK(pipe(p) == 0);
    lend(fd, 0, p[1], 4 * PAGE);
    CHECK(ftruncate(fd, 0) == 0 && ftruncate(fd, 4 * PAGE) == 0);
    memset(other, 'x', sizeof other);
    CHECK(pwrite(fd, other, 2 * PAGE, 0) == 2 * PAGE);
    take(p[0], 4 * PAGE);
    CHECK(memcmp(back, data, 4 * PAGE) == 0);
    CHECK(pread(fd, back, sizeof back, 0) == 4 * PAGE);
    CHECK(memcmp(back, other, 2 * PAGE) == 0 && back[2 * PAGE] == 0 && back[4 * PAGE - 1] == 0);
}

static void
test_unlink_and_close_when_lent_then_pipe_keeps(void)
{
    int p[2], q[2], fd = make_file("f", 5 * PAGE);
    CHECK(pipe(p) == 0 && pipe(q) == 0);
    lend(fd, 100, p[1], 4 * PAGE);
    CHECK(tee(p[0], q[1], 4 * PAGE, 0) == 4 * PAGE);
    CHECK(unlink("f") == 0 && close(fd) == 0);
    fd = make_file("g", sizeof data); /* may get frames that were freed */
    memset(other, 'y', sizeof other);
    CHECK(pwrite(fd, other, sizeof other, 0) == sizeof other);
    take(p[0], 4 * PAGE);
    CHECK(memcmp(back, data + 100, 4 * PAGE) == 0);
    close(p[0]);
    close(p[1]);
    take(q[0], 4 * PAGE);
    CHECK(memcmp(back, data + 100, 4 * PAGE) == 0);
}

/* Verify that what is written to the pipe afterwards goes behind, not into the file. */
static void
test_pipe_when_written_behind_then_file_unchanged(void)
{
    int p[2], q[2], fd = make_file("f", 2 * PAGE);
    CHECK(pipe(p) == 0 && pipe(q) == 0);
    lend(fd, 0, p[1], 100);
    CHECK(write(p[1], "behind", 6) == 6);
    CHECK(splice(p[0], NULL, q[1], NULL, 50, 0) == 50 && write(q[1], "there", 5) == 5);
    take(p[0], 56);
    CHECK(memcmp(back, data + 50, 50) == 0 && memcmp(back + 50, "behind", 6) == 0);
    take(q[0], 55);
    CHECK(memcmp(back, data, 50) == 0 && memcmp(back + 50, "there", 5) == 0);
    /* an emptied slot does not keep the file's page to write into */
    for (int i = 0; i < 40; i++) {
        CHECK(write(p[1], "zzzz", 4) == 4);
        take(p[0], 4);
    }
    CHECK(pread(fd, back, sizeof back, 0) == 2 * PAGE && memcmp(back, data, 2 * PAGE) == 0);
}

static void
test_hole_when_lent_then_zeros(void)
{
    int p[2], fd = make_file("f", PAGE);
    CHECK(pipe(p) == 0 && ftruncate(fd, 8 * PAGE + 10) == 0);
    lend(fd, 0, p[1], 8 * PAGE + 10);
    CHECK(write(p[1], "end", 3) == 3);
    take(p[0], 8 * PAGE + 13);
    memset(other, 0, sizeof other);
    CHECK(memcmp(back, data, PAGE) == 0 && memcmp(back + PAGE, other, 7 * PAGE + 10) == 0);
    CHECK(memcmp(back + 8 * PAGE + 10, "end", 3) == 0);
}

/* Verify that one page may be in very many slots. */
static void
test_page_when_lent_often_then_all_right(void)
{
    int p[2], q[2], fd = make_file("f", PAGE);
    CHECK(pipe(p) == 0 && fcntl(p[1], F_SETPIPE_SZ, 256 * PAGE) == 256 * PAGE);
    CHECK(pipe(q) == 0 && fcntl(q[1], F_SETPIPE_SZ, 256 * PAGE) == 256 * PAGE);
    for (int i = 0; i < 256; i++)
        lend(fd, i, p[1], 3);
    for (ssize_t n = 0, r; n < 768; n += r)
        if ((r = tee(p[0], q[1], 768, 0)) <= 0 || n > 0) {
            CHECK(r == 768);
            break;
        }
    close(fd);
    for (int i = 0; i < 256; i++) {
        take(p[0], 3);
        CHECK(memcmp(back, data + i, 3) == 0);
        take(q[0], 3);
        CHECK(memcmp(back, data + i, 3) == 0);
    }
}

/* Verify that a mapping, and what is written through it, shows in the pipe. */
static void
test_mapping_when_lent_then_same_page(void)
{
    int p[2], fd = make_file("f", 2 * PAGE);
    char *m = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(m != MAP_FAILED && pipe(p) == 0);
    lend(fd, 0, p[1], 2 * PAGE);
    m[PAGE] = data[PAGE] = 'm';
    CHECK(munmap(m, 2 * PAGE) == 0 && ftruncate(fd, 0) == 0 && close(fd) == 0);
    take(p[0], 2 * PAGE);
    CHECK(memcmp(back, data, 2 * PAGE) == 0);
}

/* Verify that the pages outlive the process that lent them, whether it ends or executes
 * another program. */
static void
end_or_execute(int execute)
{
    int p[2], status;
    CHECK(pipe2(p, O_CLOEXEC) == 0);
    pid_t child = fork();
    if (child == 0) {
        int fd = make_file("f", 4 * PAGE);
        loff_t at = 0;
        ssize_t n = splice(fd, &at, p[1], NULL, 4 * PAGE, 0);
        unlink("f");
        if (n == 4 * PAGE && execute)
            execl("/proc/self/exe", "test_lent", "--leave", NULL);
        _exit(n == 4 * PAGE && !execute ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    close(make_file("g", sizeof data));
    take(p[0], 4 * PAGE);
    CHECK(memcmp(back, data, 4 * PAGE) == 0);
}

static void
test_process_when_ended_then_pipe_keeps(void)
{
    end_or_execute(0);
    end_or_execute(1);
}

/* Verify that a pipe that is closed full lets go of all. */
static void
test_pipe_when_closed_full_then_file_unchanged(void)
{
    int fd = make_file("f", sizeof data);
    for (int i = 0; i < 20; i++) {
        int p[2], q[2];
        CHECK(pipe(p) == 0 && pipe(q) == 0);
        lend(fd, 0, p[1], sizeof data);
        CHECK(tee(p[0], q[1], sizeof data, 0) == sizeof data);
        if (i == 10)
            CHECK(ftruncate(fd, 8 * PAGE) == 0 && pwrite(fd, data, sizeof data, 0) > 0);
        close(p[0]);
        close(p[1]);
        close(q[0]);
        close(q[1]);
    }
    CHECK(pread(fd, back, sizeof back, 0) == sizeof data);
    CHECK(memcmp(back, data, sizeof data) == 0);
}

/* Verify that files are copied whole, at odd places too, and within one file. */
static void
test_copy_when_between_files_then_same_bytes(void)
{
    int in = make_file("f", sizeof data), out = open("o", O_RDWR | O_CREAT | O_TRUNC, 0644);
    loff_t from = 10, to = 3;
    off_t at = 1;
    CHECK(copy_file_range(in, &from, out, &to, 50000, 0) == 50000);
    CHECK(from == 50010 && to == 50003);
    CHECK(pread(out, back, 50000, 3) == 50000 && memcmp(back, data + 10, 50000) == 0);
    CHECK(lseek(out, 0, SEEK_SET) == 0 && sendfile(out, in, &at, 60001) == 60001);
    CHECK(at == 60002 && pread(out, back, 60001, 0) == 60001);
    CHECK(memcmp(back, data + 1, 60001) == 0);
    from = 0;
    to = 30000;
    CHECK(copy_file_range(in, &from, in, &to, 30000, 0) == 30000);
    CHECK(pread(in, back, 60000, 0) == 60000 && memcmp(back, data, 30000) == 0);
    CHECK(memcmp(back + 30000, data, 30000) == 0);
}

static int storm_fd, storm_pipe[2];
static _Atomic int storm_done;

static void *
cut_and_write(void *arg)
{
    (void)arg;
    while (!storm_done)
        CHECK(ftruncate(storm_fd, PAGE) == 0 &&
              pwrite(storm_fd, other, 8 * PAGE, 0) == 8 * PAGE);
    return NULL;
}

/* Verify that a page that was lent has the file's bytes or zeros, whatever happens to the
 * file meanwhile, and never anything else. */
static void
test_storm_when_cut_and_lent_then_file_bytes(void)
{
    pthread_t t;
    memset(other, 's', sizeof other);
    storm_fd = make_file("f", 0);
    storm_done = 0;
    CHECK(pwrite(storm_fd, other, 8 * PAGE, 0) == 8 * PAGE && pipe(storm_pipe) == 0);
    CHECK(pthread_create(&t, NULL, cut_and_write, NULL) == 0);
    for (int i = 0; i < 1000; i++) {
        loff_t at = 0;
        ssize_t n = splice(storm_fd, &at, storm_pipe[1], NULL, 8 * PAGE, 0);
        CHECK(n > 0);
        close(make_file("g", 2 * PAGE));
        if (n <= 0)
            break;
        take(storm_pipe[0], (size_t)n);
        for (ssize_t k = 0; k < n; k++)
            if (back[k] != 's' && back[k] != 0) {
                CHECK(back[k] == 's');
                break;
            }
    }
    storm_done = 1;
    CHECK(pthread_join(t, NULL) == 0);
}

/* ---- memory ---- */

static char *
map_pages(size_t pages, char c)
{
    char *m = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0);
    CHECK(m != MAP_FAILED);
    memset(m, c, pages * PAGE);
    return m;
}

static void
lend_memory(int to, char *from, size_t n)
{
    struct iovec v = { from, n };
    CHECK(vmsplice(to, &v, 1, 0) == (ssize_t)n);
}

static void
take_all_of(int from, size_t n, char c)
{
    take(from, n);
    for (size_t i = 0; i < n; i++)
        CHECK(back[i] == c);
}

/* Verify that pages outlive their mappings in the pipe, and are nobody's memory meanwhile. */
static void
test_memory_when_unmapped_then_the_pipe_has_it(void)
{
    int p[2];
    CHECK(pipe(p) == 0);
    for (int round = 0; round < 50; round++) {
        char *m = map_pages(4, 'a');
        lend_memory(p[1], m + 100, 3 * PAGE);
        CHECK(munmap(m, 4 * PAGE) == 0);
        m = map_pages(8, 'b');
        take_all_of(p[0], 3 * PAGE, 'a');
        for (size_t i = 0; i < 8 * PAGE; i++)
            CHECK(m[i] == 'b');
        CHECK(munmap(m, 8 * PAGE) == 0);
    }
}

/* Verify that who lent a page, lets go of it and ends does not see what the parent, or
 * another heir, writes to the same page afterwards. */
static void
test_memory_when_lent_by_a_child_then_not_the_parents_secret(void)
{
    int p[2], said[2], status;
    char *m = map_pages(2, 'o'), c;
    CHECK(pipe(p) == 0 && pipe(said) == 0);
    pid_t child = fork();
    if (child == 0) {
        lend_memory(p[1], m, 2 * PAGE);
        CHECK(munmap(m, PAGE) == 0);
        CHECK(write(said[1], "x", 1) == 1);
        _exit(0);
    }
    CHECK(read(said[0], &c, 1) == 1);
    memset(m, 's', PAGE);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    memset(m + PAGE, 's', PAGE);
    take_all_of(p[0], 2 * PAGE, 'o');
    CHECK(m[0] == 's' && m[2 * PAGE - 1] == 's');
}

/* Verify that a fork after it copies as ever: each has its own, and the pipe what was there
 * before. */
static void
test_memory_when_forked_after_it_then_each_has_its_own(void)
{
    int p[2];
    char *m = map_pages(4, 'o');
    CHECK(pipe(p) == 0);
    lend_memory(p[1], m, 4 * PAGE);
    pid_t child = fork();
    if (child == 0) {
        memset(m, 'c', 2 * PAGE);
        CHECK(m[2 * PAGE] == 'o' && m[PAGE] == 'c');
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    CHECK(m[0] == 'o');
    memset(m, 'p', 4 * PAGE);
    take_all_of(p[0], 4 * PAGE, 'o');
    CHECK(m[0] == 'p');
    lend_memory(p[1], m, PAGE);
    m[5] = 'q'; /* in the pipe the page is as it was, or as it is */
    take(p[0], PAGE);
    CHECK((back[5] == 'q' || back[5] == 'p') && back[4] == 'p');
}

/* Verify that one page can lie in a pipe more often than its holders can be counted. */
static void
test_memory_when_lent_very_often_then_bytes_are_right(void)
{
    int p[2], q[2];
    char *m = map_pages(1, 'o');
    CHECK(pipe(p) == 0 && pipe(q) == 0);
    CHECK(fcntl(p[1], F_SETPIPE_SZ, 256 * PAGE) >= 256 * PAGE);
    CHECK(fcntl(q[1], F_SETPIPE_SZ, 256 * PAGE) >= 256 * PAGE);
    for (int i = 0; i < 200; i++)
        lend_memory(p[1], m + i, 100);
    CHECK(tee(p[0], q[1], 1 << 20, 0) == 20000);
    CHECK(munmap(m, PAGE) == 0);
    m = map_pages(4, 'z');
    take_all_of(p[0], 20000, 'o');
    take_all_of(q[0], 20000, 'o');
}

/* Verify that memory of other kinds goes in as well: never touched, of files, shared, not to
 * be written; and that what may not be read, or is not there, stops it. */
static void
test_memory_when_of_other_kinds_then_bytes_or_efault(void)
{
    int p[2], fd = make_file("f", 4 * PAGE);
    CHECK(pipe(p) == 0);
    char *m = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    m[PAGE] = 'x';
    lend_memory(p[1], m, 3 * PAGE);
    take(p[0], 3 * PAGE);
    CHECK(back[0] == 0 && back[PAGE] == 'x' && back[PAGE + 1] == 0 && back[3 * PAGE - 1] == 0);
    for (int kind = 0; kind < 4; kind++) {
        int shared = kind & 1 ? MAP_SHARED : MAP_PRIVATE;
        char *f = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, shared, fd, 0);
        CHECK(f != MAP_FAILED);
        if (kind & 2)
            f[PAGE + 1] = data[PAGE + 1] = (char)kind;
        lend_memory(p[1], f, 4 * PAGE);
        take(p[0], 4 * PAGE);
        CHECK(memcmp(back, data, 4 * PAGE) == 0);
        CHECK(munmap(f, 4 * PAGE) == 0);
        if (kind == 2) /* the file has none of it */
            CHECK(pread(fd, data, 4 * PAGE, 0) == 4 * PAGE);
    }
    CHECK(mprotect(m + PAGE, PAGE, PROT_READ) == 0);
    CHECK(mprotect(m + 2 * PAGE, PAGE, PROT_NONE) == 0);
    struct iovec v = { m, 4 * PAGE };
    CHECK(vmsplice(p[1], &v, 1, 0) == 2 * PAGE);
    take(p[0], 2 * PAGE);
    CHECK(back[0] == 0 && back[PAGE] == 'x');
    v = (struct iovec){ m + 2 * PAGE, 5 };
    CHECK_ERROR(vmsplice(p[1], &v, 1, SPLICE_F_NONBLOCK), EFAULT);
}

static void *
scribble(void *arg)
{
    char *m = arg;
    for (int i = 0; i < 20000; i++)
        m[i % (4 * PAGE)] = (char)('A' + i % 3);
    return NULL;
}

/* Verify that a process may write, unmap, fork and end while its pages are in pipes. */
static void
test_memory_when_written_forked_and_unmapped_meanwhile_then_bytes_of_it(void)
{
    int p[2];
    CHECK(pipe(p) == 0);
    for (int round = 0; round < 40; round++) {
        pthread_t t;
        char *m = map_pages(4, 'A');
        CHECK(pthread_create(&t, NULL, scribble, m) == 0);
        lend_memory(p[1], m, 4 * PAGE);
        pid_t child = fork();
        if (child == 0) {
            memset(m, 'C', 2 * PAGE);
            lend_memory(p[1], m, 4 * PAGE);
            _exit(m[0] == 'C' && m[2 * PAGE] != 'Z' ? 0 : 1);
        }
        memset(m + 3 * PAGE, 'B', PAGE);
        CHECK(pthread_join(t, NULL) == 0);
        CHECK(munmap(m, 2 * PAGE) == 0);
        CHECK_EXIT(child, 0);
        char *z = map_pages(8, 'Z');
        take(p[0], 8 * PAGE);
        for (size_t i = 0; i < 8 * PAGE; i++)
            CHECK(back[i] >= 'A' && back[i] <= 'C' && z[i] == 'Z');
        CHECK(munmap(m + 2 * PAGE, 2 * PAGE) == 0 && munmap(z, 8 * PAGE) == 0);
    }
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--leave") == 0)
        return 0;
    RUN_IN_NEW(test_write_when_lent_then_seen, splice);
    RUN_IN_NEW(test_truncate_when_lent_then_pipe_keeps, splice, ftruncate);
    RUN_IN_NEW(test_unlink_and_close_when_lent_then_pipe_keeps, splice, tee, unlink);
    RUN_IN_NEW(test_pipe_when_written_behind_then_file_unchanged, splice, write);
    RUN_IN_NEW(test_hole_when_lent_then_zeros, splice);
    RUN_IN_NEW(test_page_when_lent_often_then_all_right, splice, tee);
    RUN_IN_NEW(test_mapping_when_lent_then_same_page, splice, mmap);
    RUN_IN_NEW(test_process_when_ended_then_pipe_keeps, splice, fork, execve);
    RUN_IN_NEW(test_pipe_when_closed_full_then_file_unchanged, splice, tee);
    RUN_IN_NEW(test_copy_when_between_files_then_same_bytes, copy_file_range, sendfile);
    RUN_IN_NEW(test_storm_when_cut_and_lent_then_file_bytes, splice, ftruncate);
    RUN(test_memory_when_unmapped_then_the_pipe_has_it, vmsplice, munmap);
    RUN(test_memory_when_lent_by_a_child_then_not_the_parents_secret, vmsplice, fork);
    RUN(test_memory_when_forked_after_it_then_each_has_its_own, vmsplice, fork);
    RUN(test_memory_when_lent_very_often_then_bytes_are_right, vmsplice, tee);
    RUN_IN_NEW(test_memory_when_of_other_kinds_then_bytes_or_efault, vmsplice, mprotect);
    RUN(test_memory_when_written_forked_and_unmapped_meanwhile_then_bytes_of_it, vmsplice);
    return check_failures != 0;
}
