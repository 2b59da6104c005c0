/* SPDX-License-Identifier: MIT */
/* Open files: their bytes, and what is told of them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "groups.h"

#define LARGE        65536
#define FILE_PATH    "/tmp/micro.file"
#define APPEND_BATCH 16

static int fd;
static char bytes[LARGE];

static int
open_file(void)
{
    fd = bench_file(FILE_PATH, LARGE);
    return 0;
}

static int
open_append(void)
{
    fd = open("/tmp/micro.append", O_CREAT | O_WRONLY | O_APPEND, 0600);
    return fd;
}

static void
close_file(void)
{
    close(fd);
    unlink(FILE_PATH);
    unlink("/tmp/micro.append");
}

static long
op_open_close(void)
{
    return close(open(FILE_PATH, O_RDONLY));
}

static long
op_fstat(void)
{
    struct stat info;

    return fstat(fd, &info);
}

static long
op_lseek(void)
{
    return lseek(fd, 1, SEEK_SET);
}

static long
op_pread(void)
{
    return pread(fd, bytes, 1, 0);
}

static long
op_pwrite(void)
{
    return pwrite(fd, bytes, 1, 0);
}

static long
read_some(size_t size)
{
    return lseek(fd, 0, SEEK_SET) < 0 ? -1 : read(fd, bytes, size);
}

static long
op_read_page(void)
{
    return read_some(PAGE);
}

static long
op_read_large(void)
{
    return read_some(LARGE);
}

static long
write_some(size_t size)
{
    return lseek(fd, 0, SEEK_SET) < 0 ? -1 : write(fd, bytes, size);
}

static long
op_write_page(void)
{
    return write_some(PAGE);
}

static long
op_write_large(void)
{
    return write_some(LARGE);
}

static void
empty_file(void)
{
    must(ftruncate(fd, 0) == 0, "ftruncate");
}

static long
op_append(void)
{
    return write(fd, bytes, PAGE);
}

static long
op_lock(void)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };

    if (fcntl(fd, F_SETLK, &lock) < 0)
        return -1;
    lock.l_type = F_UNLCK;
    return fcntl(fd, F_SETLK, &lock);
}

#define ON_FILE .set_up = open_file, .tear_down = close_file

static const struct row rows[] = {
    { .name = "open_close", .operation = op_open_close, .batch = 20, ON_FILE },
    { .name = "fstat", .operation = op_fstat, .batch = 20, ON_FILE },
    { .name = "lseek", .operation = op_lseek, .batch = 50, ON_FILE },
    { .name = "pread_1", .operation = op_pread, .batch = 50, ON_FILE },
    { .name = "pwrite_1", .operation = op_pwrite, .batch = 50, ON_FILE },
    { .name = "lseek_read_4096",
      .operation = op_read_page,
      .batch = 20,
      .flags = ROW_REP,
      ON_FILE },
    { .name = "lseek_write_4096",
      .operation = op_write_page,
      .batch = 20,
      .flags = ROW_REP,
      ON_FILE },
    { .name = "lseek_read_65536",
      .operation = op_read_large,
      .batch = 4,
      .flags = ROW_REP,
      ON_FILE },
    { .name = "lseek_write_65536",
      .operation = op_write_large,
      .batch = 4,
      .flags = ROW_REP,
      ON_FILE },
    { .name = "append_4096",
      .operation = op_append,
      .batch = APPEND_BATCH,
      .flags = ROW_REP,
      .before = empty_file,
      .set_up = open_append,
      .tear_down = close_file },
    { .name = "lock_unlock", .operation = op_lock, .batch = 20, ON_FILE },
};

const struct group group_files = { "files", rows, COUNT_OF(rows) };
