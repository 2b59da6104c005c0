/* SPDX-License-Identifier: MIT */
/* tmpfs: its limits, holes, sizes, fallocate; what statfs and stat say of it. */
#define _GNU_SOURCE
#include "mounts.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#ifndef FALLOC_FL_COLLAPSE_RANGE
#define FALLOC_FL_COLLAPSE_RANGE 0x08
#define FALLOC_FL_ZERO_RANGE 0x10
#define FALLOC_FL_INSERT_RANGE 0x20
#endif
#define KB 1024
static char block[64 * KB];

static long
free_blocks(const char *at)
{
    struct statfs info;

    CHECK(statfs(at, &info) == 0);
    return (long)info.f_bfree;
}

/* Verify that size= ends what can be written, and that all of it comes back. */
static void
test_tmpfs_when_full_then_enospc_and_nothing_lost(void)
{
    struct statfs info;
    int fd;

    mount_tmpfs("m", "size=64k,nr_inodes=20");
    CHECK(statfs("m", &info) == 0 && info.f_type == 0x01021994 && info.f_bsize == 4096);
    CHECK(info.f_blocks == 16 && info.f_bfree == 16 && info.f_files == 20);
    CHECK(info.f_ffree == 19 && info.f_namelen == 255);
    memset(block, 'x', sizeof block);
    CHECK((fd = open("m/f", O_CREAT | O_RDWR, 0600)) >= 0);
    CHECK(write(fd, block, 60 * KB) == 60 * KB);
    CHECK(write(fd, block, 8 * KB) == 4 * KB); /* what there is room for */
    CHECK_ERROR(write(fd, block, 1), ENOSPC);
    CHECK(lseek(fd, 0, SEEK_CUR) == 64 * KB && free_blocks("m") == 0);
    CHECK(pread(fd, block, 64 * KB, 0) == 64 * KB && block[0] == 'x' && block[65535] == 'x');
    CHECK(pwrite(fd, "y", 1, 100) == 1); /* over what is there */
    CHECK(ftruncate(fd, 1 << 20) == 0); /* a hole takes nothing */
    CHECK_ERROR(pwrite(fd, "y", 1, 1 << 19), ENOSPC);
    CHECK(mkdir("m/d", 0755) == 0 && symlink("x", "m/l") == 0);
    CHECK(ftruncate(fd, 4 * KB) == 0 && free_blocks("m") == 15);
    CHECK(unlink("m/f") == 0 && free_blocks("m") == 15 && close(fd) == 0);
    CHECK(free_blocks("m") == 16 && umount("m") == 0);
}

/* Verify nr_inodes=, which names of a file beyond the first count against as well. */
static void
test_tmpfs_when_no_inodes_left_then_enospc(void)
{
    struct statfs info;

    mount_tmpfs("m", "nr_inodes=5");
    put("m/a", "");
    put("m/b", "");
    CHECK(link("m/a", "m/c") == 0 && mkdir("m/d", 0755) == 0);
    CHECK(statfs("m", &info) == 0 && info.f_ffree == 0);
    CHECK_ERROR(open("m/e", O_CREAT | O_RDWR, 0600), ENOSPC);
    CHECK_ERROR(mkdir("m/e", 0755), ENOSPC);
    CHECK_ERROR(symlink("x", "m/e"), ENOSPC);
    CHECK_ERROR(mknod("m/e", S_IFIFO | 0600, 0), ENOSPC);
    CHECK_ERROR(link("m/a", "m/e"), ENOSPC);
    CHECK_ERROR(open("m", O_TMPFILE | O_RDWR, 0600), ENOSPC);
    CHECK(rename("m/a", "m/e") == 0 && unlink("m/c") == 0);
    CHECK(statfs("m", &info) == 0 && info.f_ffree == 1);
    put("m/f", "");
    CHECK(unlink("m/f") == 0 && unlink("m/e") == 0 && unlink("m/b") == 0);
    CHECK(rmdir("m/d") == 0 && statfs("m", &info) == 0 && info.f_ffree == 4);
    CHECK(umount("m") == 0);
}

/* Verify what a remount may change of the limits. */
static void
test_tmpfs_when_remounted_then_limits_change(void)
{
    struct statfs info;

    mount_tmpfs("m", "size=1m,nr_inodes=10,mode=0700");
    memset(block, 'x', sizeof block);
    int fd = open("m/f", O_CREAT | O_RDWR, 0600);
    CHECK(fd >= 0 && write(fd, block, 32 * KB) == 32 * KB && close(fd) == 0);
    CHECK_ERROR(mount(NULL, "m", NULL, MS_REMOUNT, "size=16k"), EINVAL);
    CHECK_ERROR(mount(NULL, "m", NULL, MS_REMOUNT, "nr_inodes=1"), EINVAL);
    CHECK_ERROR(mount(NULL, "m", NULL, MS_REMOUNT, "size=nonsense"), EINVAL);
    CHECK(statfs("m", &info) == 0 && info.f_blocks == 256 && info.f_files == 10);
    CHECK(mount(NULL, "m", NULL, MS_REMOUNT, "size=32k,nr_inodes=30") == 0);
    CHECK(statfs("m", &info) == 0 && info.f_blocks == 8 && info.f_bfree == 0);
    CHECK(info.f_files == 30);
    CHECK(mount(NULL, "m", NULL, MS_REMOUNT, "nr_blocks=9") == 0);
    CHECK(statfs("m", &info) == 0 && info.f_blocks == 9);
    CHECK(umount("m") == 0);
}

/* Verify holes: zeros, no blocks, and seek finds their borders. */
static void
test_tmpfs_when_holes_then_seek_finds_them(void)
{
    struct stat info;
    char data[10] = "abcdefghi";
    int fd;

    mount_tmpfs("m", NULL);
    CHECK((fd = open("m/f", O_CREAT | O_RDWR, 0600)) >= 0);
    CHECK(pwrite(fd, "x", 1, 100 * KB) == 1 && pwrite(fd, "y", 1, 200 * KB) == 1);
    CHECK(ftruncate(fd, 300 * KB) == 0 && fstat(fd, &info) == 0);
    CHECK(info.st_size == 300 * KB && info.st_blocks == 16);
    CHECK(pread(fd, data, 10, 50 * KB) == 10 && data[0] == 0 && data[9] == 0);
    CHECK(lseek(fd, 0, SEEK_DATA) == 100 * KB && lseek(fd, 0, SEEK_HOLE) == 0);
    CHECK(lseek(fd, 100 * KB, SEEK_HOLE) == 104 * KB);
    CHECK(lseek(fd, 100 * KB + 7, SEEK_DATA) == 100 * KB + 7);
    CHECK(lseek(fd, 104 * KB, SEEK_DATA) == 200 * KB);
    CHECK_ERROR(lseek(fd, 204 * KB, SEEK_DATA), ENXIO);
    CHECK(lseek(fd, 250 * KB, SEEK_HOLE) == 250 * KB);
    CHECK_ERROR(lseek(fd, 300 * KB, SEEK_HOLE), ENXIO);
    CHECK_ERROR(lseek(fd, 300 * KB, SEEK_DATA), ENXIO);
    CHECK_ERROR(lseek(fd, -1, SEEK_DATA), ENXIO);
    CHECK_ERROR(lseek(fd, 0, 9), EINVAL);
    /* what is cut off does not come back */
    CHECK(ftruncate(fd, 100 * KB + 1) == 0 && ftruncate(fd, 300 * KB) == 0);
    CHECK(pread(fd, data, 2, 100 * KB) == 2 && data[0] == 'x' && data[1] == 0);
    CHECK(pread(fd, data, 1, 200 * KB) == 1 && data[0] == 0);
    CHECK(close(fd) == 0 && umount("m") == 0);
}

/* Verify fallocate's modes. */
static void
test_fallocate_when_modes_then_obeyed(void)
{
    struct stat info;
    char data[4];
    int fd, pipes[2];

    mount_tmpfs("m", "size=64k");
    CHECK((fd = open("m/f", O_CREAT | O_RDWR, 0600)) >= 0 && pipe(pipes) == 0);
    CHECK(fallocate(fd, 0, 0, 10000) == 0 && fstat(fd, &info) == 0);
    CHECK(info.st_size == 10000 && info.st_blocks == 24);
    CHECK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 20000) == 0 && fstat(fd, &info) == 0);
    CHECK(info.st_size == 10000 && info.st_blocks == 40);
    memset(block, 'x', sizeof block);
    CHECK(pwrite(fd, block, 10000, 0) == 10000);
    CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1000, 8000) == 0);
    CHECK(pread(fd, data, 2, 999) == 2 && data[0] == 'x' && data[1] == 0);
    CHECK(pread(fd, data, 2, 8999) == 2 && data[0] == 0 && data[1] == 'x');
    CHECK(fstat(fd, &info) == 0 && info.st_size == 10000 && info.st_blocks == 32);
    CHECK_ERROR(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1), EOPNOTSUPP);
    CHECK_ERROR(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), EOPNOTSUPP);
    CHECK_ERROR(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 4096), EOPNOTSUPP);
    CHECK_ERROR(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 4096), EOPNOTSUPP);
    CHECK_ERROR(fallocate(fd, 0, -1, 1), EINVAL);
    CHECK_ERROR(fallocate(fd, 0, 0, 0), EINVAL);
    CHECK_ERROR(fallocate(fd, 0, 0, -1), EINVAL);
    CHECK_ERROR(fallocate(fd, 0, 0x7fffffffffffffff, 10), EFBIG);
    CHECK_ERROR(fallocate(-1, 0, 0, 1), EBADF);
    CHECK_ERROR(fallocate(pipes[1], 0, 0, 1), ESPIPE);
    CHECK_ERROR(fallocate(open("m/f", O_RDONLY), 0, 0, 1), EBADF);
    CHECK_ERROR(fallocate(open("m", O_RDONLY), 0, 0, 1), EBADF);
    /* no room: what was made for this call is given back */
    CHECK_ERROR(fallocate(fd, 0, 0, 100 * KB), ENOSPC);
    CHECK(fstat(fd, &info) == 0 && info.st_size == 10000 && info.st_blocks == 32);
    CHECK(umount2("m", MNT_DETACH) == 0);
}

/* Verify the largest offsets, and the limit of the process. */
static void
test_tmpfs_when_huge_then_efbig(void)
{
    struct rlimit limit = { 8000, 8000 };
    struct stat info;
    const off_t top = 0x7ffffffffffff000;
    int fd;

    mount_tmpfs("m", NULL);
    CHECK((fd = open("m/f", O_CREAT | O_RDWR, 0600)) >= 0);
    CHECK(pwrite(fd, "x", 1, top - 1) == 1 && fstat(fd, &info) == 0);
    CHECK(info.st_size == top && info.st_blocks == 8);
    CHECK(lseek(fd, 1, SEEK_DATA) == top - 4096);
    CHECK_ERROR(pwrite(fd, "x", 1, -1), EINVAL);
    CHECK_ERROR(ftruncate(fd, -1), EINVAL);
    CHECK(ftruncate(fd, 0) == 0);
    CHECK(signal(SIGXFSZ, SIG_IGN) == SIG_DFL && setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHECK(pwrite(fd, block, 16000, 0) == 8000);
    CHECK_ERROR(pwrite(fd, block, 1, 8000), EFBIG);
    CHECK_ERROR(ftruncate(fd, 8001), EFBIG);
    CHECK_ERROR(truncate("m/f", 8001), EFBIG);
    CHECK_ERROR(fallocate(fd, 0, 0, 8001), EFBIG);
    CHECK(ftruncate(fd, 8000) == 0 && umount2("m", MNT_DETACH) == 0);
    signal(SIGXFSZ, SIG_DFL);
    pid_t child = fork();
    if (child == 0)
        _exit(pwrite(fd, block, 1, 8000) < 0);
    CHECK_SIGNAL(child, SIGXFSZ);
}

/* Verify that a mapping sees what is written, and that what is behind the end is zero. */
static void
test_tmpfs_when_mapped_then_same_bytes(void)
{
    char data[2];
    int fd;

    mount_tmpfs("m", NULL);
    CHECK((fd = open("m/f", O_CREAT | O_RDWR, 0600)) >= 0 && ftruncate(fd, 5000) == 0);
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED && pwrite(fd, "ab", 2, 4999) == 2 && p[4999] == 'a');
    p[0] = 'q';
    CHECK(pread(fd, data, 1, 0) == 1 && data[0] == 'q');
    CHECK(ftruncate(fd, 100) == 0 && ftruncate(fd, 8192) == 0 && p[4999] == 0);
    CHECK(p[5000] == 0 && munmap(p, 8192) == 0 && close(fd) == 0 && umount("m") == 0);
}

int
main(void)
{
    RUN_IN_NEW(test_tmpfs_when_full_then_enospc_and_nothing_lost, write, ftruncate, statfs);
    RUN_IN_NEW(test_tmpfs_when_no_inodes_left_then_enospc, open, mkdir, symlink, mknod, link,
               statfs);
    RUN_IN_NEW(test_tmpfs_when_remounted_then_limits_change, mount, statfs);
    RUN_IN_NEW(test_tmpfs_when_holes_then_seek_finds_them, lseek, ftruncate, fstat);
    RUN_IN_NEW(test_fallocate_when_modes_then_obeyed, fallocate);
    RUN_IN_NEW(test_tmpfs_when_huge_then_efbig, pwrite64, ftruncate, truncate, fallocate);
    RUN_IN_NEW(test_tmpfs_when_mapped_then_same_bytes, mmap, ftruncate);
    return check_failures != 0;
}
