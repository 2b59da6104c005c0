/* SPDX-License-Identifier: MIT */
/* Rights: who may do what by mode and owner, the sticky and set-id bits, access(2). */
#define _GNU_SOURCE
#include "mounts.h"

#define SYS_fchmodat2_ 452

static unsigned
mode_of(const char *name)
{
    struct stat info;

    CHECK(lstat(name, &info) == 0);
    return info.st_mode & 07777;
}

static void
look_as_nobody(void)
{
    CHECK_ERROR(open("private/f", O_RDONLY), EACCES);
    CHECK_ERROR(stat("private/f", &(struct stat){ 0 }), EACCES);
    CHECK_ERROR(chdir("private"), EACCES);
    CHECK_ERROR(open("f", O_WRONLY), EACCES);
    CHECK_ERROR(open("f", O_RDONLY | O_TRUNC), EACCES);
    CHECK_ERROR(truncate("f", 0), EACCES);
    CHECK_ERROR(open("new", O_CREAT | O_RDWR, 0600), EACCES);
    CHECK_ERROR(mkdir("new", 0700), EACCES);
    CHECK_ERROR(unlink("f"), EACCES);
    CHECK_ERROR(chmod("f", 0777), EPERM);
    CHECK_ERROR(chown("f", NOBODY, -1), EPERM);
    CHECK_ERROR(chown("mine", 0, -1), EPERM);
    CHECK_ERROR(chown("mine", -1, 0), EPERM);
    CHECK(chown("mine", NOBODY, NOBODY) == 0 && chown("f", -1, -1) == 0);
    CHECK_ERROR(open("f", O_RDONLY | O_NOATIME), EPERM);
    CHECK_ERROR(mknod("open/null", S_IFCHR | 0600, 0x103), EPERM);
    CHECK(mkfifo("open/fifo", 0600) == 0);
    /* owner first: the mode for others does not help */
    CHECK_ERROR(open("mine", O_RDONLY), EACCES);
    CHECK(open("open", O_RDONLY) >= 0);
    CHECK_ERROR(open("search", O_RDONLY), EACCES);
    CHECK(open("search/f", O_RDONLY) >= 0);
}

static void
test_access_when_not_owner_then_by_mode(void)
{
    CHECK(mkdir("private", 0700) == 0 && mkdir("open", 0777) == 0 && mkdir("search", 0711) == 0);
    put("private/f", "1");
    put("search/f", "1");
    put("f", "1");
    put("mine", "1");
    CHECK(chown("mine", NOBODY, NOBODY) == 0 && chmod("mine", 0077) == 0);
    as_nobody(look_as_nobody);
}

static void
access_as_real(void)
{
    /* real: nobody; effective: root again */
    CHECK(faccessat(AT_FDCWD, "secret", R_OK, AT_EACCESS) == -1 && errno == EACCES);
}

/* Verify that access(2) asks for the real ids, and AT_EACCESS for the effective ones. */
static void
test_access_when_ids_differ_then_real(void)
{
    put("secret", "1");
    CHECK(chmod("secret", 0600) == 0);
    put("prog", "1");
    CHECK(access("secret", R_OK | W_OK) == 0 && access("secret", F_OK) == 0);
    CHECK_ERROR(access("secret", X_OK), EACCES);
    CHECK_ERROR(access("nosuch", F_OK), ENOENT);
    CHECK_ERROR(access("secret", 8), EINVAL);
    CHECK_ERROR(access("secret/x", F_OK), ENOTDIR);
    CHECK_ERROR(syscall(SYS_faccessat2, AT_FDCWD, "secret", R_OK, 1), EINVAL);
    CHECK(syscall(SYS_faccessat2, open("secret", O_PATH), "", R_OK, AT_EMPTY_PATH) == 0);
    CHECK(symlink("nosuch", "l") == 0);
    CHECK(syscall(SYS_faccessat2, AT_FDCWD, "l", F_OK, AT_SYMLINK_NOFOLLOW) == 0);
    CHECK(setresuid(NOBODY, 0, 0) == 0);
    CHECK_ERROR(access("secret", R_OK), EACCES);
    CHECK(syscall(SYS_faccessat2, AT_FDCWD, "secret", R_OK, AT_EACCESS) == 0);
    CHECK(setresuid(0, 0, 0) == 0);
    as_nobody(access_as_real);
}

/* Verify who takes the set-id bits away: a change of owner, of the size, of the contents. */
static void
nobody_writes(void)
{
    int fd = open("suid", O_WRONLY);

    CHECK(fd >= 0 && write(fd, "x", 1) == 1);
    CHECK(truncate("suid2", 0) == 0);
    CHECK(chmod("own", 06755) == 0 && mode_of("own") == 04755);
}

static void
test_set_id_when_changed_by_other_then_gone(void)
{
    put("suid", "1");
    put("suid2", "1");
    put("own", "1");
    CHECK(chmod("suid", 06777) == 0 && chmod("suid2", 06777) == 0);
    CHECK(chown("own", NOBODY, 0) == 0);
    as_nobody(nobody_writes);
    CHECK(mode_of("suid") == 0777 && mode_of("suid2") == 0777);
    CHECK(chmod("suid", 06755) == 0 && chown("suid", 1, 1) == 0 && mode_of("suid") == 0755);
    CHECK(chmod("suid", 02644) == 0 && chown("suid", 2, 2) == 0 && mode_of("suid") == 02644);
    CHECK(mkdir("d", 0755) == 0 && chmod("d", 02755) == 0 && chown("d", 1, 1) == 0);
    CHECK(mode_of("d") == 02755);
}

/* Verify that a directory with the set-gid bit hands its group on. */
static void
test_set_gid_when_on_directory_then_inherited(void)
{
    struct stat info;

    CHECK(mkdir("d", 0777) == 0 && chown("d", 0, 77) == 0 && chmod("d", 02777) == 0);
    put("d/f", "1");
    CHECK(stat("d/f", &info) == 0 && info.st_gid == 77 && (info.st_mode & 02000) == 0);
    CHECK(mkdir("d/e", 0700) == 0 && stat("d/e", &info) == 0 && info.st_gid == 77);
    CHECK((info.st_mode & 07777) == 02700 && symlink("x", "d/l") == 0);
    CHECK(lstat("d/l", &info) == 0 && info.st_gid == 77);
    CHECK(mkfifo("d/p", 0600) == 0 && stat("d/p", &info) == 0 && info.st_gid == 77);
    CHECK(mkdir("s", 06777) == 0 && mode_of("s") == 00777);
}

static void
links_as_nobody(void)
{
    CHECK_ERROR(link("secret", "sticky/link"), EPERM);
    CHECK_ERROR(link("suid", "sticky/link"), EPERM);
    CHECK(link("open", "sticky/link") == 0);
    CHECK_ERROR(open("sticky/trap", O_RDONLY), EACCES);
    CHECK(open("sticky/mine", O_RDONLY) >= 0 && open("sticky/roots", O_RDONLY) >= 0);
    CHECK_ERROR(open("sticky/trap", O_CREAT | O_RDWR, 0600), EACCES);
}

/* Verify the protections that Linux has by default for links (fs.protected_*). */
static void
test_links_when_in_sticky_directory_then_protected(void)
{
    CHECK(mkdir("sticky", 0777) == 0 && chmod("sticky", 01777) == 0);
    put("secret", "1");
    put("suid", "1");
    put("open", "1");
    CHECK(chmod("secret", 0644) == 0 && chmod("suid", 04777) == 0 && chmod("open", 0666) == 0);
    CHECK(symlink("../open", "sticky/trap") == 0 && lchown("sticky/trap", 7, 7) == 0);
    CHECK(symlink("../open", "sticky/mine") == 0);
    CHECK(lchown("sticky/mine", NOBODY, NOBODY) == 0 && symlink("../open", "sticky/roots") == 0);
    as_nobody(links_as_nobody);
    /* root is not better off */
    CHECK_ERROR(open("sticky/trap", O_RDONLY), EACCES);
    CHECK(open("sticky/roots", O_RDONLY) >= 0 && link("secret", "sticky/l2") == 0);
}

/* Verify chmod's ways and their flags. */
static void
test_chmod_when_link_then_followed(void)
{
    int fd;

    put("f", "1");
    CHECK(symlink("f", "l") == 0 && chmod("l", 07640) == 0 && mode_of("f") == 07640);
    CHECK(chmod("f", 0170644) == 0 && mode_of("f") == 0644);
    CHECK_ERROR(chmod("nosuch", 0), ENOENT);
    CHECK_ERROR(chmod("f/x", 0), ENOTDIR);
    CHECK_ERROR(fchmodat(AT_FDCWD, "f", 0600, 1), EINVAL);
    CHECK((fd = open("f", O_RDONLY)) >= 0 && fchmod(fd, 0400) == 0 && mode_of("f") == 0400);
    CHECK_ERROR(fchmod(-1, 0400), EBADF);
    CHECK_ERROR(fchownat(AT_FDCWD, "f", 1, 1, 1), EINVAL);
    CHECK(fchownat(AT_FDCWD, "l", 5, 6, AT_SYMLINK_NOFOLLOW) == 0);
    CHECK(fchownat(fd, "", 7, 8, AT_EMPTY_PATH) == 0);
    struct stat info;
    CHECK(lstat("l", &info) == 0 && info.st_uid == 5 && info.st_gid == 6);
    CHECK(stat("f", &info) == 0 && info.st_uid == 7 && info.st_gid == 8);
    if (syscall(SYS_fchmodat2_, AT_FDCWD, "f", 0600, 0) == 0) { /* since Linux 6.6 */
        CHECK(mode_of("f") == 0600);
        CHECK_ERROR(syscall(SYS_fchmodat2_, AT_FDCWD, "l", 0600, AT_SYMLINK_NOFOLLOW),
                    EOPNOTSUPP);
        CHECK_ERROR(syscall(SYS_fchmodat2_, AT_FDCWD, "l", 0600, 1), EINVAL);
        CHECK(syscall(SYS_fchmodat2_, fd, "", 0640, AT_EMPTY_PATH) == 0);
        CHECK(mode_of("f") == 0640);
    } else {
        CHECK(errno == ENOSYS);
    }
}

int
main(void)
{
    umask(0);
    RUN_IN_NEW(test_access_when_not_owner_then_by_mode, open, stat, chdir, truncate, chmod, chown,
               mknod);
    RUN_IN_NEW(test_access_when_ids_differ_then_real, access, faccessat, faccessat2);
    RUN_IN_NEW(test_set_id_when_changed_by_other_then_gone, write, truncate, chown, chmod);
    RUN_IN_NEW(test_set_gid_when_on_directory_then_inherited, open, mkdir, symlink, mknod);
    RUN_IN_NEW(test_links_when_in_sticky_directory_then_protected, link, open);
    RUN_IN_NEW(test_chmod_when_link_then_followed, chmod, fchmod, fchmodat, fchmodat2, fchownat,
               lchown);
    return check_failures != 0;
}
