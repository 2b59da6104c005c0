/* SPDX-License-Identifier: MIT */
/* Path look-up: lengths, links, slashes, and where we are. */
#define _GNU_SOURCE
#include "mounts.h"

#include <limits.h>
#include <sys/mman.h>

static char *
filled(size_t bytes, const char *pattern)
{
    char *s = malloc(bytes + 1);
    size_t n = strlen(pattern);

    for (size_t i = 0; i < bytes; i++)
        s[i] = pattern[i % n];
    s[bytes] = '\0';
    return s;
}

/* Verify the limits of a name (255) and of a path (4095), with each call's path. */
static void
test_path_when_too_long_then_enametoolong(void)
{
    struct stat info;
    char *name = filled(256, "n"), *path = filled(4096, "./"), *huge = filled(1 << 20, "/");

    CHECK_ERROR(stat(name, &info), ENAMETOOLONG);
    CHECK_ERROR(mkdir(name, 0755), ENAMETOOLONG);
    CHECK_ERROR(symlink("x", name), ENAMETOOLONG);
    CHECK_ERROR(rename(".", name), EBUSY);
    put("f", "1");
    CHECK_ERROR(rename("f", name), ENAMETOOLONG);
    CHECK_ERROR(link("f", name), ENAMETOOLONG);
    CHECK_ERROR(open(name, O_CREAT | O_RDWR, 0600), ENAMETOOLONG);
    CHECK_ERROR(unlink(name), ENAMETOOLONG);
    CHECK_ERROR(stat(path, &info), ENAMETOOLONG);
    path[4095] = '\0';
    CHECK(stat(path, &info) == 0);
    CHECK_ERROR(stat(huge, &info), ENAMETOOLONG);
    CHECK_ERROR(symlink(huge, "l"), ENAMETOOLONG);
    CHECK_ERROR(chdir(huge), ENAMETOOLONG);
    name[255] = '\0';
    CHECK(mkdir(name, 0755) == 0 && stat(name, &info) == 0 && rmdir(name) == 0);
}

/* Verify that a path that ends at the border of memory is read no further. */
static void
test_path_when_at_end_of_memory_then_read_to_nul(void)
{
    char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct stat info;

    CHECK(m != MAP_FAILED && munmap(m + 4096, 4096) == 0);
    memcpy(m + 4094, ".", 2);
    CHECK(stat(m + 4094, &info) == 0);
    m[4095] = '/';
    CHECK_ERROR(stat(m + 4094, &info), EFAULT);
    CHECK_ERROR(stat(m + 4096, &info), EFAULT);
    CHECK_ERROR(stat(NULL, &info), EFAULT);
}

/* Verify that 40 links are followed, and not 41. */
static void
test_path_when_links_many_then_40(void)
{
    char from[8], to[8];
    struct stat info;

    put("l0", "1");
    for (int i = 1; i <= 41; i++) {
        snprintf(from, sizeof from, "l%d", i - 1);
        snprintf(to, sizeof to, "l%d", i);
        CHECK(symlink(from, to) == 0);
    }
    CHECK(stat("l40", &info) == 0 && lstat("l41", &info) == 0);
    CHECK_ERROR(stat("l41", &info), ELOOP);
    CHECK_ERROR(open("l41", O_CREAT | O_RDWR, 0600), ELOOP);
    CHECK(symlink("self", "self") == 0);
    CHECK_ERROR(stat("self", &info), ELOOP);
    CHECK_ERROR(stat("self/x", &info), ELOOP);
    CHECK_ERROR(open("self", O_RDONLY), ELOOP);
    CHECK_ERROR(chdir("self"), ELOOP);
}

/* Verify what a slash at the end asks for. */
static void
test_path_when_slash_at_end_then_directory(void)
{
    struct stat info;

    CHECK(mkdir("d", 0755) == 0 && symlink("d", "ld") == 0 && symlink("f", "lf") == 0);
    CHECK(symlink("nosuch", "ln") == 0);
    put("f", "1");
    CHECK_ERROR(stat("f/", &info), ENOTDIR);
    CHECK_ERROR(lstat("lf/", &info), ENOTDIR);
    CHECK_ERROR(open("f/", O_RDONLY), ENOTDIR);
    CHECK_ERROR(open("new/", O_CREAT | O_RDWR, 0600), EISDIR);
    CHECK_ERROR(unlink("f/"), ENOTDIR);
    CHECK_ERROR(unlink("d/"), EISDIR);
    CHECK_ERROR(unlink("ld/"), ENOTDIR);
    CHECK_ERROR(rename("f/", "g"), ENOTDIR);
    CHECK_ERROR(rename("f", "g/"), ENOTDIR);
    CHECK_ERROR(link("f", "g/"), ENOENT);
    CHECK_ERROR(link("f/", "g"), ENOTDIR);
    CHECK_ERROR(symlink("f", "g/"), ENOENT);
    CHECK_ERROR(mknod("g/", S_IFREG | 0600, 0), ENOENT);
    CHECK_ERROR(rmdir("ld/"), ENOTDIR);
    CHECK_ERROR(rmdir("ld"), ENOTDIR);
    CHECK_ERROR(mkdir("ln/", 0755), EEXIST);
    CHECK_ERROR(mkdir("ld/", 0755), EEXIST);
    CHECK_ERROR(readlink("ld/", (char *)&info, 8), EINVAL);
    CHECK(lstat("ld", &info) == 0 && S_ISLNK(info.st_mode));
    CHECK(lstat("ld/", &info) == 0 && S_ISDIR(info.st_mode));
    CHECK(lstat("ld//.", &info) == 0 && S_ISDIR(info.st_mode));
    CHECK(mkdir("e//", 0755) == 0 && rename("e/", "h/") == 0 && rmdir("h///") == 0);
}

/* Verify the ends of a path that are no names. */
static void
test_path_when_ends_in_dots_then_refused(void)
{
    CHECK(mkdir("d", 0755) == 0 && mkdir("d/e", 0755) == 0);
    CHECK_ERROR(rmdir("d/."), EINVAL);
    CHECK_ERROR(rmdir("d/e/.."), ENOTEMPTY);
    CHECK_ERROR(rmdir("/"), EBUSY);
    CHECK_ERROR(unlink("d/."), EISDIR);
    CHECK_ERROR(unlink("d/.."), EISDIR);
    CHECK_ERROR(unlink("/"), EISDIR);
    CHECK_ERROR(mkdir("d/.", 0755), EEXIST);
    CHECK_ERROR(mkdir("d/..", 0755), EEXIST);
    CHECK_ERROR(mkdir("/", 0755), EEXIST);
    CHECK_ERROR(mkdir("", 0755), ENOENT);
    CHECK_ERROR(symlink("x", "d/."), EEXIST);
    CHECK_ERROR(symlink("", "x"), ENOENT);
    CHECK_ERROR(rename("d/.", "x"), EBUSY);
    CHECK_ERROR(rename("d", "d/.."), EBUSY);
    CHECK_ERROR(rename("d/e/..", "x"), EBUSY);
    CHECK_ERROR(rename("/", "x"), EBUSY);
    CHECK_ERROR(open("d/.", O_CREAT | O_RDWR, 0600), EISDIR);
    CHECK_ERROR(open("d/..", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
}

/* Verify getcwd, also where there is no name. */
static void
test_getcwd_when_no_name_then_error(void)
{
    char text[PATH_MAX], more[PATH_MAX];
    long n = syscall(SYS_getcwd, text, PATH_MAX);

    CHECK(n == (long)strlen(text) + 1 && text[0] == '/');
    CHECK_ERROR(syscall(SYS_getcwd, text, n - 1), ERANGE);
    CHECK_ERROR(syscall(SYS_getcwd, text, 0), ERANGE);
    CHECK_ERROR(syscall(SYS_getcwd, (char *)8, PATH_MAX), EFAULT);
    CHECK(mkdir("d", 0755) == 0 && chdir("d") == 0 && rename("../d", "../e") == 0);
    CHECK(syscall(SYS_getcwd, more, PATH_MAX) == n + 2 && more[n] == 'e');
    CHECK(rmdir("../e") == 0);
    CHECK_ERROR(syscall(SYS_getcwd, more, PATH_MAX), ENOENT);
    CHECK_ERROR(open("x", O_CREAT | O_RDWR, 0600), ENOENT);
    CHECK_ERROR(mkdir("x", 0755), ENOENT);
    CHECK(open(".", O_RDONLY) >= 0 && chdir("..") == 0);
    CHECK(syscall(SYS_getcwd, more, PATH_MAX) == n && strcmp(text, more) == 0);
}

/* Verify that a directory may be deeper than any path that names it. */
static void
test_path_when_deeper_than_a_name_then_walked(void)
{
    char *name = filled(200, "n"), text[PATH_MAX];
    struct stat info;
    int depth = 0;

    for (; depth < 25; depth++)
        CHECK(mkdir(name, 0755) == 0 && chdir(name) == 0);
    CHECK_ERROR(syscall(SYS_getcwd, text, PATH_MAX), ENAMETOOLONG);
    put("f", "1");
    CHECK(stat("f", &info) == 0 && unlink("f") == 0);
    for (; depth > 0; depth--)
        CHECK(chdir("..") == 0 && rmdir(name) == 0);
}

int
main(void)
{
    RUN_IN_NEW(test_path_when_too_long_then_enametoolong, stat, mkdir, symlink, rename, link,
               open, unlink, chdir);
    RUN_IN_NEW(test_path_when_at_end_of_memory_then_read_to_nul, stat);
    RUN_IN_NEW(test_path_when_links_many_then_40, stat, open, chdir);
    RUN_IN_NEW(test_path_when_slash_at_end_then_directory, stat, lstat, open, unlink, rename,
               link, symlink, mknod, mkdir, rmdir, readlink);
    RUN_IN_NEW(test_path_when_ends_in_dots_then_refused, rmdir, unlink, mkdir, symlink, rename,
               open);
    RUN_IN_NEW(test_getcwd_when_no_name_then_error, getcwd);
    RUN_IN_NEW(test_path_when_deeper_than_a_name_then_walked, getcwd, chdir);
    return check_failures != 0;
}
