/* SPDX-License-Identifier: MIT */
/*
 * 64 KiB on paths where nobody needs a copy of their own.  What a pipe got goes on to
 * /dev/null by splice, which takes pages as they are.  tools/copied tells how many bytes
 * a kernel stores for each byte that these rows deliver.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "groups.h"

#define LARGE     65536
#define FILE_PATH "/tmp/micro.source"
#define COPY_PATH "/tmp/micro.copy"

static char *memory;
static int file_fd, copy_fd, null_fd, one[2], two[2];

static int
set_up(void)
{
    file_fd = bench_file(FILE_PATH, LARGE);
    copy_fd = bench_file(COPY_PATH, LARGE);
    null_fd = open("/dev/null", O_WRONLY);
    memory =
        mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (null_fd < 0 || pipe(one) < 0 || pipe(two) < 0 || memory == MAP_FAILED)
        return -1;
    for (int i = 0; i < LARGE; i++)
        memory[i] = 1;
    return 0;
}

/* With LARGE bytes in the first pipe. */
static int
set_up_full(void)
{
    return set_up() < 0 || write(one[1], memory, LARGE) != LARGE ? -1 : 0;
}

static void
tear_down(void)
{
    int fds[] = { file_fd, copy_fd, null_fd, one[0], one[1], two[0], two[1] };

    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
    munmap(memory, LARGE);
    unlink(FILE_PATH);
    unlink(COPY_PATH);
}

/* Moves all of it; what moves less fails. */
static long
pour(int from, loff_t *at, int to)
{
    for (size_t left = LARGE; left > 0;) {
        ssize_t moved = splice(from, at, to, NULL, left, 0);

        if (moved <= 0)
            return -1;
        left -= (size_t)moved;
    }
    return 0;
}

static long
op_read(void)
{
    return pread(file_fd, memory, LARGE, 0) == LARGE ? 0 : -1;
}

static long
op_map(void)
{
    char *mapped = mmap(NULL, LARGE, PROT_READ, MAP_SHARED, file_fd, 0);

    if (mapped == MAP_FAILED)
        return -1;
    for (size_t i = 0; i < LARGE; i += PAGE)
        (void)*(volatile char *)&mapped[i];
    return munmap(mapped, LARGE);
}

static long
op_sendfile(void)
{
    off_t at = 0;

    return sendfile(one[1], file_fd, &at, LARGE) != LARGE ? -1
                                                          : pour(one[0], NULL, null_fd);
}

static long
op_sendfile_file(void)
{
    off_t at = 0;

    return lseek(copy_fd, 0, SEEK_SET) < 0 ||
                   sendfile(copy_fd, file_fd, &at, LARGE) != LARGE
               ? -1
               : 0;
}

static long
op_copy_range(void)
{
    loff_t from = 0, to = 0;

    return syscall(SYS_copy_file_range, file_fd, &from, copy_fd, &to, LARGE, 0) == LARGE
               ? 0
               : -1;
}

static long
op_splice_file(void)
{
    loff_t at = 0;

    return pour(file_fd, &at, one[1]) < 0 ? -1 : pour(one[0], NULL, null_fd);
}

/* There and back: two deliveries. */
static long
op_splice_pipes(void)
{
    return pour(one[0], NULL, two[1]) < 0 ? -1 : pour(two[0], NULL, one[1]);
}

static long
op_tee(void)
{
    return tee(one[0], two[1], LARGE, 0) != LARGE ? -1 : pour(two[0], NULL, null_fd);
}

static long
op_vmsplice(void)
{
    struct iovec all = { memory, LARGE };

    return vmsplice(one[1], &all, 1, 0) != LARGE ? -1 : pour(one[0], NULL, null_fd);
}

#define COPIES .batch = 4, .flags = ROW_REP, .delivers = LARGE, .tear_down = tear_down
#define ZERO_COPY                                                                        \
    .batch = 4, .flags = ROW_REP | ROW_ZERO, .delivers = LARGE, .tear_down = tear_down

static const struct row rows[] = {
    { .name = "pread_65536", .operation = op_read, .set_up = set_up, COPIES },
    { .name = "sendfile_file_65536",
      .operation = op_sendfile_file,
      .set_up = set_up,
      COPIES },
    { .name = "copy_file_range_65536",
      .operation = op_copy_range,
      .set_up = set_up,
      COPIES },
    { .name = "map_read_65536", .operation = op_map, .set_up = set_up, ZERO_COPY },
    { .name = "sendfile_pipe_65536",
      .operation = op_sendfile,
      .set_up = set_up,
      ZERO_COPY },
    { .name = "splice_file_65536",
      .operation = op_splice_file,
      .set_up = set_up,
      ZERO_COPY },
    { .name = "splice_pipes_65536",
      .operation = op_splice_pipes,
      .parts = 2,
      .set_up = set_up_full,
      ZERO_COPY },
    { .name = "tee_65536", .operation = op_tee, .set_up = set_up_full, ZERO_COPY },
    { .name = "vmsplice_65536", .operation = op_vmsplice, .set_up = set_up, ZERO_COPY },
};

const struct group group_copies = { "copies", rows, COUNT_OF(rows) };
