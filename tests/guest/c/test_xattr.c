/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes: xattr(7), setxattr(2), getxattr(2), listxattr(2), removexattr(2).
 * A Linux before 6.6 has no user.* on tmpfs; what is said of them is looked at where
 * they are.  trusted.* and security.* are there in any case.
 */
#define _GNU_SOURCE
#include "files.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/xattr.h>

static char big[70000];

static int
has_user(const char *path)
{
    if (setxattr(path, "user.probe", "", 0, 0) == 0) {
        CHECK(removexattr(path, "user.probe") == 0);
        return 1;
    }
    CHECK(errno == EOPNOTSUPP);
    return 0;
}

static void
test_value_when_set_then_got(void)
{
    char v[16];
    make("f");
    CHECK(setxattr("f", "trusted.a", "hello", 5, 0) == 0);
    CHECK(getxattr("f", "trusted.a", v, sizeof v) == 5 && memcmp(v, "hello", 5) == 0);
    CHECK(getxattr("f", "trusted.a", NULL, 0) == 5);
    CHECK_ERROR(getxattr("f", "trusted.a", v, 4), ERANGE);
    CHECK(getxattr("f", "trusted.a", v, 5) == 5);
    CHECK(setxattr("f", "trusted.a", "xy", 2, 0) == 0);
    CHECK(getxattr("f", "trusted.a", v, sizeof v) == 2 && memcmp(v, "xy", 2) == 0);
    CHECK(setxattr("f", "trusted.empty", NULL, 0, 0) == 0);
    CHECK(getxattr("f", "trusted.empty", v, sizeof v) == 0);
    CHECK_ERROR(getxattr("f", "trusted.none", v, sizeof v), ENODATA);
}

static void
test_flags_when_set_then_obeyed(void)
{
    make("f");
    CHECK_ERROR(setxattr("f", "trusted.a", "1", 1, XATTR_REPLACE), ENODATA);
    CHECK(setxattr("f", "trusted.a", "1", 1, XATTR_CREATE) == 0);
    CHECK_ERROR(setxattr("f", "trusted.a", "1", 1, XATTR_CREATE), EEXIST);
    CHECK(setxattr("f", "trusted.a", "2", 1, XATTR_REPLACE) == 0);
    CHECK_ERROR(setxattr("f", "trusted.a", "2", 1, 4), EINVAL);
    CHECK_ERROR(setxattr("f", "trusted.a", "1", 1, XATTR_CREATE | XATTR_REPLACE), EEXIST);
}

static void
test_set_when_wrong_then_error(void)
{
    char name[300] = "trusted.";
    make("f");
    CHECK_ERROR(setxattr("none", "trusted.a", "", 0, 0), ENOENT);
    CHECK_ERROR(setxattr("f/x", "trusted.a", "", 0, 0), ENOTDIR);
    CHECK_ERROR(setxattr("f", "", "", 0, 0), ERANGE);
    CHECK_ERROR(setxattr("f", "foreign.a", "", 0, 0), EOPNOTSUPP);
    CHECK_ERROR(setxattr("f", "nodot", "", 0, 0), EOPNOTSUPP);
    CHECK_ERROR(setxattr("f", "trusted.", "", 0, 0), EINVAL);
    CHECK_ERROR(setxattr("f", "trusted.a", big, 65537, 0), E2BIG);
    CHECK_ERROR(setxattr("f", "trusted.a", (void *)8, 10, 0), EFAULT);
    CHECK_ERROR(setxattr("f", (char *)8, "", 0, 0), EFAULT);
    CHECK_ERROR(setxattr((char *)8, "trusted.a", "", 0, 0), EFAULT);
    memset(name + 8, 'n', 247);
    CHECK(setxattr("f", name, "v", 1, 0) == 0); /* 255 bytes */
    name[255] = 'n';
    CHECK_ERROR(setxattr("f", name, "v", 1, 0), ERANGE);
    CHECK_ERROR(fsetxattr(-1, "trusted.a", "", 0, 0), EBADF);
    int fd = open("f", O_PATH);
    CHECK_ERROR(fsetxattr(fd, "trusted.a", "", 0, 0), EBADF);
    CHECK_ERROR(fgetxattr(fd, "trusted.a", NULL, 0), EBADF);
    CHECK_ERROR(flistxattr(fd, NULL, 0), EBADF);
    CHECK_ERROR(fremovexattr(fd, "trusted.a"), EBADF);
}

static void
test_value_when_large_then_whole(void)
{
    static char back[70000];
    make("f");
    for (unsigned i = 0; i < sizeof big; i++)
        big[i] = (char)(i * 7);
    CHECK(setxattr("f", "trusted.a", big, 65536, 0) == 0);
    CHECK(getxattr("f", "trusted.a", back, sizeof back) == 65536);
    CHECK(memcmp(big, back, 65536) == 0);
    CHECK_ERROR(getxattr("f", "trusted.a", back, 65535), ERANGE);
    CHECK_ERROR(getxattr("f", "trusted.a", (void *)8, 65536), EFAULT);
}

/* Is `name` one of the strings in a list? */
static int
listed(const char *list, ssize_t n, const char *name)
{
    for (const char *p = list; p < list + n; p += strlen(p) + 1)
        if (strcmp(p, name) == 0)
            return 1;
    return 0;
}

static void
test_list_when_names_then_all_of_them(void)
{
    char l[200];
    make("f");
    ssize_t before = listxattr("f", NULL, 0);
    CHECK(before >= 0);
    CHECK(setxattr("f", "trusted.one", "1", 1, 0) == 0);
    CHECK(setxattr("f", "trusted.two", "2", 1, 0) == 0);
    ssize_t n = listxattr("f", l, sizeof l);
    CHECK(n == before + 24 && listxattr("f", NULL, 0) == n);
    CHECK(listed(l, n, "trusted.one") && listed(l, n, "trusted.two"));
    CHECK_ERROR(listxattr("f", l, (size_t)n - 1), ERANGE);
    CHECK(listxattr("f", l, (size_t)n) == n);
    CHECK(removexattr("f", "trusted.one") == 0);
    CHECK_ERROR(removexattr("f", "trusted.one"), ENODATA);
    n = listxattr("f", l, sizeof l);
    CHECK(n == before + 12 && listed(l, n, "trusted.two") &&
          !listed(l, n, "trusted.one"));
}

static void
test_links_when_l_forms_then_the_link_itself(void)
{
    char v[8];
    make("f");
    CHECK(symlink("f", "link") == 0);
    CHECK(lsetxattr("link", "trusted.a", "link", 4, 0) == 0);
    CHECK_ERROR(getxattr("link", "trusted.a", v, sizeof v), ENODATA);
    CHECK(setxattr("link", "trusted.b", "file", 4, 0) == 0);
    CHECK(getxattr("f", "trusted.b", v, sizeof v) == 4);
    CHECK(lgetxattr("link", "trusted.a", v, sizeof v) == 4 && memcmp(v, "link", 4) == 0);
    CHECK_ERROR(lgetxattr("link", "trusted.b", v, sizeof v), ENODATA);
    CHECK(llistxattr("link", NULL, 0) > 0);
    CHECK_ERROR(lremovexattr("link", "trusted.b"), ENODATA);
    CHECK(lremovexattr("link", "trusted.a") == 0);
    CHECK_ERROR(lsetxattr("link", "user.a", "", 0, 0), EPERM);
    CHECK_ERROR(lgetxattr("link", "user.a", v, sizeof v), ENODATA);
}

static void
test_descriptor_when_f_forms_then_same_attributes(void)
{
    char v[8], l[100];
    int fd = open("f", O_RDONLY | O_CREAT, 0644);
    CHECK(fsetxattr(fd, "trusted.a", "abc", 3, 0) == 0);
    CHECK(link("f", "g") == 0 && unlink("f") == 0);
    CHECK(getxattr("g", "trusted.a", v, sizeof v) == 3);
    CHECK(unlink("g") == 0);
    CHECK(fgetxattr(fd, "trusted.a", v, sizeof v) == 3);
    CHECK(flistxattr(fd, l, sizeof l) >= 10);
    CHECK(fremovexattr(fd, "trusted.a") == 0);
    CHECK_ERROR(fgetxattr(fd, "trusted.a", v, sizeof v), ENODATA);
}

static void
test_trusted_when_not_root_then_hidden(void)
{
    char v[8];
    make("f");
    CHECK(chmod("f", 0666) == 0 && setxattr("f", "trusted.a", "1", 1, 0) == 0);
    CHECK(setxattr("f", "security.x", "1", 1, 0) == 0);
    CHECK(setresuid(1000, 1000, 1000) == 0);
    CHECK_ERROR(getxattr("f", "trusted.a", v, sizeof v), ENODATA);
    CHECK_ERROR(setxattr("f", "trusted.a", "1", 1, 0), EPERM);
    CHECK_ERROR(removexattr("f", "trusted.a"), EPERM);
    char l[100];
    ssize_t n = listxattr("f", l, sizeof l);
    CHECK(!listed(l, n, "trusted.a") && listed(l, n, "security.x"));
    CHECK(getxattr("f", "security.x", v, sizeof v) == 1);
}

static void
test_capability_when_malformed_then_refused(void)
{
    unsigned char v2[20] = { 0, 0, 0, 2 }, back[32];
    make("f");
    CHECK_ERROR(setxattr("f", "security.capability", "12", 2, 0), EINVAL);
    CHECK_ERROR(setxattr("f", "security.capability", v2, 19, 0), EINVAL);
    v2[4] = 0x10;
    CHECK(setxattr("f", "security.capability", v2, 20, 0) == 0);
    CHECK(getxattr("f", "security.capability", back, sizeof back) == 20);
    CHECK(removexattr("f", "security.capability") == 0);
}

static void
test_user_when_rights_differ_then_as_the_data(void)
{
    char v[8];
    make("f");
    if (!has_user("f"))
        return;
    CHECK(mkdir("sticky", 01777) == 0 && chmod("sticky", 01777) == 0);
    CHECK(mkfifo("fifo", 0666) == 0);
    CHECK_ERROR(setxattr("fifo", "user.a", "", 0, 0), EPERM);
    CHECK_ERROR(getxattr("fifo", "user.a", v, sizeof v), ENODATA);
    CHECK(setxattr("f", "user.a", "1", 1, 0) == 0 && chmod("f", 0644) == 0);
    CHECK(setresuid(1000, 1000, 1000) == 0);
    CHECK(getxattr("f", "user.a", v, sizeof v) == 1);
    CHECK_ERROR(setxattr("f", "user.a", "1", 1, 0), EACCES);
    CHECK_ERROR(removexattr("f", "user.a"), EACCES);
    CHECK_ERROR(setxattr("sticky", "user.a", "1", 1, 0), EPERM);
    CHECK_ERROR(setxattr("f", "user.", "1", 1, 0), EACCES);
}

static void
test_user_when_file_unreadable_then_eacces(void)
{
    make("f");
    if (!has_user("f"))
        return;
    CHECK(setxattr("f", "user.a", "1", 1, 0) == 0 && chmod("f", 0600) == 0);
    CHECK(setresuid(1000, 1000, 1000) == 0);
    CHECK_ERROR(getxattr("f", "user.a", NULL, 0), EACCES);
    CHECK(listxattr("f", NULL, 0) >= 7); /* names need search rights only */
}

int
main(void)
{
    CHECK(mkdir("x", 0777) == 0 && mount("none", "x", "tmpfs", 0, "mode=777") == 0);
    CHECK(chdir("x") == 0);
    RUN_IN_NEW(test_value_when_set_then_got, setxattr, getxattr);
    RUN_IN_NEW(test_flags_when_set_then_obeyed, setxattr);
    RUN_IN_NEW(test_set_when_wrong_then_error, setxattr, fsetxattr, fgetxattr, flistxattr,
               fremovexattr);
    RUN_IN_NEW(test_value_when_large_then_whole, setxattr, getxattr);
    RUN_IN_NEW(test_list_when_names_then_all_of_them, listxattr, removexattr);
    RUN_IN_NEW(test_links_when_l_forms_then_the_link_itself, lsetxattr, lgetxattr,
               llistxattr, lremovexattr);
    RUN_IN_NEW(test_descriptor_when_f_forms_then_same_attributes, fsetxattr, fgetxattr,
               flistxattr, fremovexattr);
    RUN_IN_NEW(test_trusted_when_not_root_then_hidden, getxattr, setxattr, removexattr,
               listxattr);
    RUN_IN_NEW(test_capability_when_malformed_then_refused, setxattr);
    RUN_IN_NEW(test_user_when_rights_differ_then_as_the_data, setxattr, removexattr);
    RUN_IN_NEW(test_user_when_file_unreadable_then_eacces, getxattr, listxattr);
    return check_failures != 0;
}
