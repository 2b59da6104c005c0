/* SPDX-License-Identifier: MIT */
/* Directories: getdents64 and getdents, positions that hold while names come and go, and
 * directories with many names. */
#define _GNU_SOURCE
#include "mounts.h"

#include <dirent.h>
#include <limits.h>

#define MANY 2000

struct entry {
    unsigned long long ino;
    long long off;
    unsigned short bytes;
    unsigned char type;
    char name[];
};

static void
make_many(int count)
{
    char name[16];

    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "n%d", i);
        put(name, "");
    }
}

/* Verify the records, their lengths and the kinds that they name. */
static void
test_getdents_when_kinds_differ_then_named(void)
{
    char data[1024] __attribute__((aligned(8)));
    unsigned char seen[16] = { 0 };
    struct stat info;
    int fd;

    CHECK(mkdir("t", 0755) == 0 && chdir("t") == 0);
    put("file", "1");
    CHECK(mkdir("dir", 0755) == 0 && symlink("x", "link") == 0 && mkfifo("fifo", 0600) == 0);
    CHECK(mknod("char", S_IFCHR | 0600, 0x103) == 0 && mknod("sock", S_IFSOCK | 0600, 0) == 0);
    CHECK(mknod("block", S_IFBLK | 0600, 0x700) == 0);
    CHECK((fd = open(".", O_RDONLY | O_DIRECTORY)) >= 0);
    long n = syscall(SYS_getdents64, fd, data, sizeof data);
    CHECK(n > 0);
    for (long at = 0; at < n;) {
        struct entry *e = (struct entry *)(void *)(data + at);
        CHECK(e->bytes % 8 == 0 && e->bytes >= 19 + strlen(e->name) + 1);
        CHECK(lstat(e->name, &info) == 0);
        CHECK(info.st_ino == e->ino && e->type == (info.st_mode >> 12) && e->type < 16);
        seen[e->type]++;
        at += e->bytes;
    }
    CHECK(seen[DT_DIR] == 3 && seen[DT_REG] == 1 && seen[DT_LNK] == 1 && seen[DT_FIFO] == 1);
    CHECK(seen[DT_CHR] == 1 && seen[DT_SOCK] == 1 && seen[DT_BLK] == 1);
    CHECK(syscall(SYS_getdents64, fd, data, sizeof data) == 0);
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    CHECK_ERROR(syscall(SYS_getdents64, fd, data, 8), EINVAL);
    CHECK_ERROR(syscall(SYS_getdents64, fd, (char *)8, 1000), EFAULT);
    CHECK_ERROR(syscall(SYS_getdents64, -1, data, sizeof data), EBADF);
    CHECK(lseek(fd, 0, SEEK_SET) == 0 && (n = syscall(SYS_getdents, fd, data, 1024)) > 0);
    unsigned short bytes;
    memcpy(&bytes, data + 16, 2);
    CHECK(data[18] == '.' && data[bytes - 1] == DT_DIR);
    CHECK((fd = open("file", O_RDONLY)) >= 0);
    CHECK_ERROR(syscall(SYS_getdents64, fd, data, sizeof data), ENOTDIR);
}

/* Verify that a removed directory lists nothing. */
static void
test_getdents_when_removed_then_enoent(void)
{
    char data[256];
    int fd;

    CHECK(mkdir("d", 0755) == 0 && (fd = open("d", O_RDONLY)) >= 0 && rmdir("d") == 0);
    CHECK_ERROR(syscall(SYS_getdents64, fd, data, sizeof data), ENOENT);
}

/* Verify that names which are there throughout are told once, whatever else changes. */
static void
test_readdir_when_names_change_then_others_once(void)
{
    static unsigned char seen[MANY];
    DIR *d;
    struct dirent *e;
    char name[16];
    int removed = 0;

    mount_tmpfs("m", NULL);
    CHECK(chdir("m") == 0);
    make_many(MANY);
    CHECK((d = opendir(".")) != NULL);
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] != 'n')
            continue;
        int i = atoi(e->d_name + 1);
        CHECK(seen[i]++ == 0);
        /* every other one goes while we read, and new ones come */
        snprintf(name, sizeof name, "n%d", i ^ 1);
        if (!seen[i ^ 1] && unlink(name) == 0) {
            removed++;
            snprintf(name, sizeof name, "x%d", i);
            put(name, "");
        }
    }
    CHECK(closedir(d) == 0 && removed > 0);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "n%d", i);
        CHECK(!exists(name) || seen[i] == 1);
    }
    CHECK(chdir("..") == 0 && umount2("m", MNT_DETACH) == 0);
}

/* Verify telldir, seekdir and rewinddir. */
static void
test_seekdir_when_told_then_continues_there(void)
{
    DIR *d;
    struct dirent *e;
    char name[NAME_MAX + 1];
    long here;

    CHECK(mkdir("t", 0755) == 0 && chdir("t") == 0);
    make_many(300);
    CHECK((d = opendir(".")) != NULL);
    for (int i = 0; i < 150; i++)
        CHECK(readdir(d) != NULL);
    here = telldir(d);
    CHECK((e = readdir(d)) != NULL);
    snprintf(name, sizeof name, "%s", e->d_name);
    while (readdir(d) != NULL)
        ;
    seekdir(d, here);
    CHECK((e = readdir(d)) != NULL && strcmp(e->d_name, name) == 0);
    put("later", "");
    rewinddir(d);
    int count = 0, found = 0;
    while ((e = readdir(d)) != NULL) {
        count++;
        found += strcmp(e->d_name, "later") == 0;
    }
    CHECK(count == 303 && found == 1 && closedir(d) == 0);
}

/* Verify what a directory's links and size say on tmpfs. */
static void
test_directory_when_names_come_then_links_and_size(void)
{
    struct stat info;

    mount_tmpfs("m", NULL);
    CHECK(stat("m", &info) == 0 && info.st_nlink == 2 && info.st_size == 40);
    CHECK(mkdir("m/d", 0755) == 0 && mkdir("m/e", 0755) == 0);
    put("m/f", "1");
    CHECK(stat("m", &info) == 0 && info.st_nlink == 4 && info.st_size == 100);
    CHECK(info.st_blocks == 0 && info.st_blksize == 4096);
    CHECK_ERROR(rmdir("m"), EBUSY);
    CHECK(rmdir("m/d") == 0 && unlink("m/f") == 0);
    CHECK_ERROR(rmdir("m/nosuch"), ENOENT);
    CHECK_ERROR(unlink("m/e"), EISDIR);
    CHECK_ERROR(unlinkat(AT_FDCWD, "m/e", 0x1), EINVAL);
    CHECK(stat("m", &info) == 0 && info.st_nlink == 3 && info.st_size == 60);
    put("m/e/x", "1");
    CHECK_ERROR(rmdir("m/e"), ENOTEMPTY);
    CHECK_ERROR(rmdir("m/e/x"), ENOTDIR);
    CHECK(unlink("m/e/x") == 0 && unlinkat(AT_FDCWD, "m/e", AT_REMOVEDIR) == 0);
    CHECK(umount("m") == 0);
}

int
main(void)
{
    RUN_IN_NEW(test_getdents_when_kinds_differ_then_named, getdents64, getdents, mknod);
    RUN_IN_NEW(test_getdents_when_removed_then_enoent, getdents64);
    RUN_IN_NEW(test_readdir_when_names_change_then_others_once, getdents64, lseek);
    RUN_IN_NEW(test_seekdir_when_told_then_continues_there, getdents64, lseek);
    RUN_IN_NEW(test_directory_when_names_come_then_links_and_size, stat, rmdir, unlink, unlinkat,
               mkdir);
    return check_failures != 0;
}
