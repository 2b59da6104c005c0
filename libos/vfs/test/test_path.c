/* SPDX-License-Identifier: MIT */
/* Unit tests of vfs/walk.c, open.c, name.c, mount.c, attr.c over tmpfs. */
#include "vfs/test/setup.h"

#include "fs/dev/dev.h"
#include "vfs/dentry.h"

/* Verify that names resolve through . and .., repeated slashes and trailing ones, and
 * that a file is no directory. */
static void
test_walk_dots_and_slashes(void)
{
    struct vattr a, b;
    CHECK(do_mkdir("/w", 0755) == 0);
    CHECK(do_mkdir("/w/x/", 0755) == 0);
    CHECK(try_open("/w/x/f", OPEN_CREATE | OPEN_WRITE, 0644) == 0);
    CHECK(do_stat("/w/x/f", true, &a) == 0 && a.type == IT_FILE && a.mode == 0644 &&
          a.nlink == 1);
    CHECK(do_stat("//w/./x/../x///f", true, &b) == 0 && b.ino == a.ino);
    CHECK(do_stat("/../../w/x/f", true, &b) == 0 && b.ino == a.ino);
    CHECK(do_stat("/w/x/f/", true, &b) == -E_NOTDIR);
    CHECK(do_stat("/w/x/f/..", true, &b) == -E_NOTDIR);
    CHECK(do_stat("/w/x/f/.", true, &b) == -E_NOTDIR);
    CHECK(do_stat("/w/nothing", true, &b) == -E_NOENT);
    CHECK(do_stat("/w/nothing/f", true, &b) == -E_NOENT);
    CHECK(do_stat("", true, &b) == -E_NOENT);
    CHECK(do_stat("/w/x/", true, &b) == 0 && b.type == IT_DIR);
}

/* Verify that a component of 255 bytes is good and one of 256 is refused. */
static void
test_walk_long_name_is_refused(void)
{
    char name[300] = "/w/";
    memset(name + 3, 'n', 255);
    name[258] = '\0';
    CHECK(try_open(name, OPEN_CREATE | OPEN_WRITE, 0600) == 0);
    CHECK(do_rename(name, "/w/short", 0) == 0);
    CHECK(do_rename("/w/short", name, 0) == 0);
    CHECK(try_open(name, OPEN_READ, 0) == 0);
    CHECK(do_unlink(name, false) == 0);
    name[258] = 'n';
    name[259] = '\0';
    CHECK(try_open(name, OPEN_CREATE | OPEN_WRITE, 0600) == -E_NAMETOOLONG);
}

/* Verify links: relative, absolute, in the middle, at the end, dangling, in a circle,
 * with a trailing slash. */
static void
test_symlinks_follow(void)
{
    struct vattr a, b;
    CHECK(do_mkdir("/l", 0755) == 0 && do_mkdir("/l/d", 0755) == 0);
    CHECK(try_open("/l/d/f", OPEN_CREATE | OPEN_WRITE, 0600) == 0);
    CHECK(do_stat("/l/d/f", true, &a) == 0);
    CHECK(do_symlink("d", "/l/rel") == 0 && do_symlink("/l/d", "/l/abs") == 0 &&
          do_symlink("../l/rel/f", "/l/far") == 0);
    CHECK(do_stat("/l/rel/f", true, &b) == 0 && b.ino == a.ino);
    CHECK(do_stat("/l/abs/f", true, &b) == 0 && b.ino == a.ino);
    CHECK(do_stat("/l/far", true, &b) == 0 && b.ino == a.ino);
    CHECK(do_stat("/l/far", false, &b) == 0 && b.type == IT_LINK);
    CHECK(do_stat("/l/rel/", false, &b) == 0 && b.type == IT_DIR);
    CHECK(do_symlink("loop2", "/l/loop1") == 0 && do_symlink("loop1", "/l/loop2") == 0);
    CHECK(do_stat("/l/loop1", true, &b) == -E_LOOP);
    CHECK(try_open("/l/loop1", OPEN_CREATE | OPEN_WRITE, 0600) == -E_LOOP);
    CHECK(do_symlink("d/made", "/l/dangling") == 0);
    CHECK(try_open("/l/dangling", OPEN_READ, 0) == -E_NOENT);
    CHECK(try_open("/l/dangling", OPEN_CREATE | OPEN_EXCL | OPEN_WRITE, 0600) ==
          -E_EXIST);
    CHECK(try_open("/l/dangling", OPEN_CREATE | OPEN_NOFOLLOW | OPEN_WRITE, 0600) ==
          -E_LOOP);
    CHECK(try_open("/l/dangling", OPEN_CREATE | OPEN_WRITE, 0600) == 0);
    CHECK(do_stat("/l/d/made", true, &b) == 0);
    CHECK(do_mkdir("/l/dangling", 0700) == -E_EXIST);
    CHECK(do_symlink("", "/l/empty") == -E_NOENT);
    CHECK(try_open("/l/far", OPEN_READ | OPEN_NOFOLLOW, 0) == -E_LOOP);
    char text[64];
    struct walk w = from_here(0);
    CHECK(path_walk(&w, "/l/far") == 0);
    CHECK(vfs_readlink(w.found.inode, text, sizeof text) == 10 &&
          memcmp(text, "../l/rel/f", 10) == 0);
    path_release(&w.found);
}

/* Verify that exactly 40 links in a row are followed. */
static void
test_symlinks_forty_levels(void)
{
    char name[32], target[32];
    struct vattr a;
    CHECK(do_mkdir("/c", 0755) == 0 &&
          try_open("/c/0", OPEN_CREATE | OPEN_WRITE, 0600) == 0);
    for (int i = 1; i <= 41; i++) {
        snprintf(name, sizeof name, "/c/%d", i);
        snprintf(target, sizeof target, "%d", i - 1);
        CHECK(do_symlink(target, name) == 0);
    }
    CHECK(do_stat("/c/40", true, &a) == 0 && a.type == IT_FILE);
    CHECK(do_stat("/c/41", true, &a) == -E_LOOP);
}

/* Verify each flag of open that can fail, and what it says. */
static void
test_open_flags(void)
{
    struct file *f;
    struct vattr a;
    char text[16];
    CHECK(do_mkdir("/o", 0755) == 0);
    CHECK(try_open("/o/f", OPEN_READ, 0) == -E_NOENT);
    /* writable though 0400 */
    CHECK(do_open("/o/f", OPEN_CREATE | OPEN_EXCL | OPEN_READ | OPEN_WRITE, 0400, &f) ==
          0);
    CHECK(put_text(f, "hello") == 5 && file_seek(f, 0, 0) == 0 &&
          get_text(f, text, 16) == 5);
    file_release(f);
    CHECK(try_open("/o/f", OPEN_CREATE | OPEN_EXCL | OPEN_READ, 0) == -E_EXIST);
    CHECK(try_open("/o", OPEN_WRITE, 0) == -E_ISDIR);
    CHECK(try_open("/o", OPEN_CREATE | OPEN_READ, 0) == -E_ISDIR);
    CHECK(try_open("/o/", OPEN_CREATE | OPEN_READ, 0) == -E_ISDIR);
    CHECK(try_open("/o/new/", OPEN_CREATE | OPEN_READ, 0) == -E_ISDIR);
    CHECK(try_open("/o/f", OPEN_DIRECTORY | OPEN_READ, 0) == -E_NOTDIR);
    CHECK(try_open("/o/f", OPEN_WRITE | OPEN_TRUNC, 0) == 0);
    CHECK(do_stat("/o/f", true, &a) == 0 && a.size == 0);
    CHECK(do_open("/o", OPEN_TMPFILE | OPEN_READ | OPEN_WRITE, 0600, &f) == 0);
    CHECK(put_text(f, "x") == 1 && f->inode->nlink == 0);
    file_release(f);
    CHECK(do_open("/o/f", OPEN_PATH, 0, &f) == 0);
    CHECK(get_text(f, text, 1) == -E_BADF && put_text(f, "x") == -E_BADF &&
          file_seek(f, 0, 0) == -E_BADF);
    file_release(f);
    CHECK(do_open("/o", OPEN_READ, 0, &f) == 0 && get_text(f, text, 1) == -E_ISDIR);
    file_release(f);
}

/* Verify that two appenders never overwrite each other, whatever their positions are. */
static void
test_append_goes_to_the_end(void)
{
    struct file *a, *b;
    char text[16];
    CHECK(do_open("/o/append", OPEN_CREATE | OPEN_WRITE | OPEN_APPEND, 0600, &a) == 0);
    CHECK(do_open("/o/append", OPEN_READ | OPEN_WRITE | OPEN_APPEND, 0600, &b) == 0);
    CHECK(put_text(a, "one") == 3 && put_text(b, "two") == 3 && put_text(a, "six") == 3);
    CHECK(file_seek(b, 0, 0) == 0 && get_text(b, text, 16) == 9 &&
          memcmp(text, "onetwosix", 9) == 0);
    file_release(a);
    file_release(b);
}

/* Verify what may be removed, and what the removal of the wrong thing says. */
static void
test_unlink_errors(void)
{
    CHECK(do_mkdir("/u", 0755) == 0 && do_mkdir("/u/d", 0755) == 0);
    CHECK(try_open("/u/d/f", OPEN_CREATE | OPEN_WRITE, 0600) == 0);
    CHECK(do_unlink("/u/d", false) == -E_ISDIR);
    CHECK(do_unlink("/u/d", true) == -E_NOTEMPTY);
    CHECK(do_unlink("/u/d/f", true) == -E_NOTDIR);
    CHECK(do_unlink("/u/d/f/", false) == -E_NOTDIR);
    CHECK(do_unlink("/u/d/.", true) == -E_INVAL);
    CHECK(do_unlink("/u/d/..", true) == -E_NOTEMPTY);
    CHECK(do_unlink("/", true) == -E_BUSY);
    CHECK(do_unlink("/u/none", false) == -E_NOENT);
    CHECK(do_unlink("/u/d/f", false) == 0);
    CHECK(do_unlink("/u/d/", true) == 0);
}

/* Verify that an open file and a current directory outlive their names, and that
 * nothing can be made in a removed directory. */
static void
test_unlink_of_what_is_in_use(void)
{
    struct file *f;
    struct vattr a;
    char text[64];
    CHECK(do_mkdir("/gone", 0755) == 0 && do_mkdir("/gone/in", 0755) == 0);
    CHECK(do_open("/gone/f", OPEN_CREATE | OPEN_READ | OPEN_WRITE, 0600, &f) == 0);
    CHECK(put_text(f, "still") == 5 && do_unlink("/gone/f", false) == 0);
    CHECK(file_seek(f, 0, 0) == 0 && get_text(f, text, 64) == 5);
    file_release(f);
    CHECK(do_chdir("/gone/in") == 0);
    CHECK(path_name(context, &context->cwd, text, sizeof text) == 8 &&
          strcmp(text, "/gone/in") == 0);
    CHECK(do_unlink("/gone/in", true) == 0);
    CHECK(path_name(context, &context->cwd, text, sizeof text) == -E_NOENT);
    CHECK(try_open("new", OPEN_CREATE | OPEN_WRITE, 0600) == -E_NOENT);
    CHECK(do_mkdir("new", 0700) == -E_NOENT);
    CHECK(do_stat("..", true, &a) == 0 && do_stat(".", true, &a) == 0 && a.nlink == 0);
    CHECK(do_chdir("..") == 0);
    CHECK(path_name(context, &context->cwd, text, sizeof text) == 5 &&
          strcmp(text, "/gone") == 0);
    CHECK(do_chdir("/") == 0 &&
          path_name(context, &context->cwd, text, sizeof text) == 1);
}

/* Verify rename: replace, into itself, over a directory that is not empty, types,
 * exchange, and .. of what moved. */
static void
test_rename_cases(void)
{
    struct vattr a, b;
    char text[64];
    CHECK(do_mkdir("/r", 0755) == 0 && do_mkdir("/r/a", 0755) == 0 &&
          do_mkdir("/r/a/b", 0755) == 0);
    CHECK(do_mkdir("/r/c", 0755) == 0 &&
          try_open("/r/f", OPEN_CREATE | OPEN_WRITE, 0600) == 0);
    CHECK(do_rename("/r/a", "/r/a/b/x", 0) == -E_INVAL);
    CHECK(do_rename("/r/a", "/r/a", 0) == 0);
    CHECK(do_rename("/r/c", "/r/a", 0) == -E_NOTEMPTY);
    CHECK(do_rename("/r/a/b", "/r/a", 0) == -E_NOTEMPTY);
    CHECK(do_rename("/r/f", "/r/c", 0) == -E_ISDIR);
    CHECK(do_rename("/r/c", "/r/f", 0) == -E_NOTDIR);
    CHECK(do_rename("/r/f", "/r/g/", 0) == -E_NOTDIR);
    CHECK(do_rename("/r/f", "/r/c", RENAME_NO_REPLACE) == -E_EXIST);
    CHECK(do_rename("/r/f", "/r/none", RENAME_SWAP) == -E_NOENT);
    CHECK(do_rename("/r/.", "/r/z", 0) == -E_BUSY);
    CHECK(do_rename("/r/none", "/r/z", 0) == -E_NOENT);
    CHECK(do_chdir("/r/a/b") == 0);
    CHECK(do_rename("/r/a", "/r/c", 0) == 0); /* an empty directory is replaced */
    CHECK(path_name(context, &context->cwd, text, sizeof text) > 0 &&
          strcmp(text, "/r/c/b") == 0);
    CHECK(do_rename("/r/c/b", "/r/up", 0) == 0);
    CHECK(path_name(context, &context->cwd, text, sizeof text) > 0 &&
          strcmp(text, "/r/up") == 0);
    CHECK(do_stat("..", true, &a) == 0 && do_stat("/r", true, &b) == 0 && a.ino == b.ino);
    CHECK(do_chdir("/") == 0);
    CHECK(do_stat("/r/f", true, &a) == 0 && do_stat("/r/up", true, &b) == 0);
    u64 file_ino = a.ino;
    CHECK(do_rename("/r/f", "/r/up", RENAME_SWAP) == 0);
    CHECK(do_stat("/r/up", true, &a) == 0 && a.ino == file_ino &&
          do_stat("/r/f", true, &b) == 0 && b.type == IT_DIR);
    CHECK(do_link("/r/up", "/r/second") == 0 && do_stat("/r/second", true, &a) == 0 &&
          a.nlink == 2);
    CHECK(do_rename("/r/up", "/r/second", 0) == 0 && do_stat("/r/up", true, &a) == 0);
    CHECK(do_link("/r/f", "/r/dirlink") == -E_PERM);
}

/* Verify rights: owner, group, others, root; search; sticky; set-id bits go with a
 * change of owner. */
static void
test_access_rules(void)
{
    struct vattr set = { .mode = 01777 };
    struct walk w = from_here(0);
    CHECK(do_mkdir("/s", 0700) == 0 &&
          try_open("/s/f", OPEN_CREATE | OPEN_WRITE, 0666) == 0);
    CHECK(do_mkdir("/t", 0777) == 0 && path_walk(&w, "/t") == 0);
    CHECK(vfs_setattr(w.found.inode, NULL, &set, VSET_MODE) == 0);
    path_release(&w.found);
    CHECK(try_open("/t/root", OPEN_CREATE | OPEN_WRITE, 0644) == 0);
    CHECK(try_open("/t/exec", OPEN_CREATE | OPEN_WRITE, 0600) == 0);
    who = &user_1000;
    CHECK(try_open("/s/f", OPEN_READ, 0) == -E_ACCES);
    CHECK(try_open("/t/root", OPEN_READ, 0) == 0 &&
          try_open("/t/root", OPEN_WRITE, 0) == -E_ACCES);
    CHECK(try_open("/t/root", OPEN_READ | OPEN_TRUNC, 0) == -E_ACCES);
    CHECK(do_unlink("/t/root", false) == -E_PERM);
    CHECK(do_rename("/t/root", "/t/mine", 0) == -E_PERM);
    CHECK(try_open("/t/mine", OPEN_CREATE | OPEN_WRITE, 04755) == 0);
    CHECK(try_open("/newfile", OPEN_CREATE | OPEN_WRITE, 0600) == -E_ACCES);
    CHECK(try_open("/t/root", OPEN_READ | OPEN_NOATIME, 0) == -E_PERM);
    w = from_here(0);
    CHECK(path_walk(&w, "/t/mine") == 0 && w.found.inode->uid == 1000 &&
          w.found.inode->mode == 04755);
    set = (struct vattr){ .uid = 0 };
    CHECK(vfs_setattr(w.found.inode, who, &set, VSET_UID) == -E_PERM);
    set = (struct vattr){ .gid = 5 };
    CHECK(vfs_setattr(w.found.inode, who, &set, VSET_GID) == -E_PERM);
    set = (struct vattr){ .gid = 1000 };
    CHECK(vfs_setattr(w.found.inode, who, &set, VSET_GID) == 0 &&
          w.found.inode->mode == 0755);
    path_release(&w.found);
    CHECK(do_unlink("/t/mine", false) == 0);
    who = NULL;
    w = from_here(0);
    CHECK(path_walk(&w, "/t/exec") == 0);
    CHECK(vfs_access(w.found.inode, NULL, 6) == 0 &&
          vfs_access(w.found.inode, NULL, 1) == -E_ACCES);
    path_release(&w.found);
}

/* Verify that a mount hides what is below, that .. leaves it, that it cannot go while
 * in use, and that it gives all back. */
static void
test_mounts(void)
{
    struct filesystem *fs;
    struct vattr a, below;
    char text[64];
    struct file *f;
    CHECK(do_mkdir("/m", 0755) == 0 &&
          try_open("/m/hidden", OPEN_CREATE | OPEN_WRITE, 0600) == 0);
    CHECK(do_stat("/m", true, &below) == 0);
    CHECK(tmpfs_create(&fs) == 0 && mount_on(fs, "/m") == 0);
    CHECK(do_stat("/m", true, &a) == 0 && (a.ino != below.ino || a.dev != below.dev) &&
          a.dev != below.dev);
    CHECK(do_stat("/m/hidden", true, &a) == -E_NOENT);
    CHECK(do_mkdir("/m/d", 0755) == 0 && do_chdir("/m/d") == 0);
    CHECK(path_name(context, &context->cwd, text, sizeof text) == 4 &&
          strcmp(text, "/m/d") == 0);
    CHECK(do_stat("../../m/d", true, &a) == 0 && do_stat("../..", true, &a) == 0);
    CHECK(do_rename("/m/d", "/elsewhere", 0) == -E_XDEV &&
          do_unlink("/m", true) == -E_BUSY);
    struct walk w = from_here(WALK_FOLLOW);
    CHECK(path_walk(&w, "/m") == 0 && vfs_umount(&w.found, 0) == -E_BUSY);
    CHECK(do_chdir("/") == 0 && do_open("/m/d", OPEN_READ, 0, &f) == 0);
    CHECK(vfs_umount(&w.found, 0) == -E_BUSY && vfs_umount(&w.found, VFS_UMOUNT_DETACH) == 0);
    CHECK(vfs_umount(&w.found, VFS_UMOUNT_DETACH) == -E_INVAL);
    path_release(&w.found);
    CHECK(do_stat("/m/hidden", true, &a) == 0 && do_stat("/m/d", true, &a) == -E_NOENT);
    file_release(f);
}

/* Verify that a root of one's own cannot be left by .. or by an absolute link. */
static void
test_chroot_confines(void)
{
    struct vattr a;
    char text[64];
    CHECK(do_mkdir("/jail", 0755) == 0 && do_mkdir("/jail/in", 0755) == 0 &&
          do_symlink("/outside", "/jail/in/link") == 0);
    CHECK(try_open("/outside", OPEN_CREATE | OPEN_WRITE, 0600) == 0);
    struct walk w = from_here(0);
    CHECK(path_walk(&w, "/jail") == 0);
    struct fs_context *old = context;
    context = fs_context_copy(old);
    CHECK(vfs_chroot(context, &user_1000, &w.found) == -E_PERM &&
          vfs_chroot(context, NULL, &w.found) == 0);
    CHECK(vfs_chdir(context, NULL, &w.found) == 0);
    path_release(&w.found);
    CHECK(do_stat("/../../outside", true, &a) == -E_NOENT &&
          do_stat("../../outside", true, &a) == -E_NOENT);
    CHECK(do_stat("/in/link", true, &a) == -E_NOENT);
    CHECK(do_chdir("/in") == 0 &&
          path_name(context, &context->cwd, text, sizeof text) == 3 &&
          strcmp(text, "/in") == 0);
    fs_context_release(context);
    context = old;
    CHECK(do_stat("/jail/in/link", true, &a) == 0);
}

static unsigned listed;
static bool
count_entry(void *arg, const char *name, u32 length, u64 ino, enum inode_type type,
            u64 next_offset)
{
    (void)arg, (void)name, (void)length, (void)ino, (void)type, (void)next_offset;
    listed++;
    return true;
}

/* Verify that a directory of 20,000 files works, that the cache stays within its
 * bound, and that all memory comes back. */
static void
test_many_files(void)
{
    char name[32];
    struct vattr a;
    struct file *f;
    CHECK(do_mkdir("/many", 0755) == 0);
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "/many/%d", i);
        CHECK(try_open(name, OPEN_CREATE | OPEN_WRITE, 0600) == 0);
    }
    CHECK(dentry_idle_count() <= DENTRY_IDLE_MAX + 8);
    CHECK(do_open("/many", OPEN_READ | OPEN_DIRECTORY, 0, &f) == 0);
    listed = 0;
    CHECK(vfs_list(f, 0, count_entry, NULL) == 0 && listed == 20002);
    file_release(f);
    CHECK(do_stat("/many/0", true, &a) == 0 && do_stat("/many/19999", true, &a) == 0);
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "/many/%d", i);
        CHECK(do_unlink(name, false) == 0);
    }
    CHECK(do_unlink("/many", true) == 0);
}

/* Verify that a device node of any file system leads to its driver, and that /dev is
 * filled once. */
static void
test_device_nodes(void)
{
    struct file *f;
    struct walk w = from_here(0);
    char text[8] = "xxxxxxx";
    CHECK(dev_populate() == 0 && dev_populate() == 0);
    CHECK(do_open("/dev/zero", OPEN_READ | OPEN_WRITE, 0, &f) == 0);
    CHECK(get_text(f, text, 4) == 4 && memcmp(text, "\0\0\0\0xxx", 7) == 0 &&
          put_text(f, "abc") == 3);
    file_release(f);
    CHECK(do_open("/dev/null", OPEN_READ | OPEN_WRITE, 0, &f) == 0 &&
          get_text(f, text, 4) == 0 && put_text(f, "abc") == 3);
    file_release(f);
    CHECK(do_open("/dev/full", OPEN_READ | OPEN_WRITE, 0, &f) == 0 &&
          put_text(f, "abc") == -E_NOSPC);
    file_release(f);
    CHECK(do_open("/dev/urandom", OPEN_READ, 0, &f) == 0 && get_text(f, text, 8) == 8);
    file_release(f);
    CHECK(vfs_mknod(&w, "/mynull", IT_CHAR, 0666, vfs_rdev(1, 3)) == 0 &&
          try_open("/mynull", OPEN_WRITE, 0) == 0);
    CHECK(vfs_mknod(&w, "/nodev", IT_CHAR, 0666, vfs_rdev(99, 3)) == 0 &&
          try_open("/nodev", OPEN_WRITE, 0) == -E_NXIO);
}

/* Verify that failing allocations anywhere leave the tree as it was, and lose nothing. */
static void
test_out_of_memory(void)
{
    CHECK(do_mkdir("/oom", 0755) == 0);
    for (u64 n = 0; n < 12; n++) {
        host_fail_heap_after(n);
        int made = try_open("/oom/a-name-that-is-longer-than-a-dentry-has-room-for",
                            OPEN_CREATE | OPEN_WRITE, 0600);
        host_fail_heap_after(n);
        int renamed =
            made != 0
                ? 0
                : do_rename("/oom/a-name-that-is-longer-than-a-dentry-has-room-for",
                            "/oom/b-name-that-is-longer-than-a-dentry-has-room-for", 0);
        host_fail_heap_after(~0ull);
        CHECK((made == 0 || made == -E_NOMEM) && (renamed == 0 || renamed == -E_NOMEM));
        int a = do_unlink("/oom/a-name-that-is-longer-than-a-dentry-has-room-for", false);
        int b = do_unlink("/oom/b-name-that-is-longer-than-a-dentry-has-room-for", false);
        CHECK((a == 0 || a == -E_NOENT) && (b == 0 || b == -E_NOENT));
    }
    CHECK(do_unlink("/oom", true) == 0);
}

int
main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    setup_root();
    RUN(test_walk_dots_and_slashes);
    RUN(test_walk_long_name_is_refused);
    RUN(test_symlinks_follow);
    RUN(test_symlinks_forty_levels);
    RUN(test_open_flags);
    RUN(test_append_goes_to_the_end);
    RUN(test_unlink_errors);
    RUN(test_unlink_of_what_is_in_use);
    RUN(test_rename_cases);
    RUN(test_access_rules);
    RUN(test_mounts);
    RUN(test_chroot_confines);
    RUN(test_device_nodes);
    RUN(test_out_of_memory);
    RUN(test_many_files);
    fs_context_release(context);
    DONE();
}
