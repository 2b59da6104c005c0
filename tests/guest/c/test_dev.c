/* SPDX-License-Identifier: MIT */
/* The devices without hardware (null(4), full(4), random(4), tty(4)), /dev/kmsg, and
 * devtmpfs. */
#define _GNU_SOURCE
#include "pty.h"

#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#define DEV "/tmp/devs"

static char bytes[8192];

static int
dev(const char *name, int flags)
{
    char path[64];

    snprintf(path, sizeof path, DEV "/%s", name);
    return open(path, flags);
}

static int
all_zero(const char *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (from[i] != 0)
            return 0;
    return 1;
}

static void
test_devtmpfs_when_mounted_then_nodes_with_their_modes(void)
{
    static const struct {
        const char *name;
        unsigned major, minor, mode;
    } t[] = { { "null", 1, 3, 0666 },    { "zero", 1, 5, 0666 },
              { "full", 1, 7, 0666 },    { "random", 1, 8, 0666 },
              { "urandom", 1, 9, 0666 }, { "kmsg", 1, 11, 0644 },
              { "tty", 5, 0, 0666 },     { "console", 5, 1, 0600 },
              { "ptmx", 5, 2, 0666 },    { "ttyS0", 4, 64, 0600 } };

    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        char path[64];
        struct stat st;
        snprintf(path, sizeof path, DEV "/%s", t[i].name);
        if (stat(path, &st) < 0 || st.st_rdev != makedev(t[i].major, t[i].minor) ||
            !S_ISCHR(st.st_mode) || (st.st_mode & 07777) != t[i].mode) {
            fprintf(stderr, "# %s: mode %o device %lx\n", path, st.st_mode,
                    (unsigned long)st.st_rdev);
            CHECK(0);
        }
    }
}

static void
test_devtmpfs_when_mounted_twice_then_the_same(void)
{
    struct stat a, b;

    mkdir("/tmp/devs2", 0755);
    CHECK(mount("x", "/tmp/devs2", "devtmpfs", 0, "") == 0);
    CHECK(mknod(DEV "/mynull", S_IFCHR | 0640, makedev(1, 3)) == 0);
    CHECK(stat("/tmp/devs2/mynull", &a) == 0 && stat(DEV "/mynull", &b) == 0);
    CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
    CHECK(umount("/tmp/devs2") == 0);
    CHECK(stat(DEV "/mynull", &b) == 0);
    CHECK(unlink(DEV "/mynull") == 0 && rmdir("/tmp/devs2") == 0);
}

static void
test_null_when_used_then_eats_everything(void)
{
    int fd = dev("null", O_RDWR | O_TRUNC | O_APPEND);
    struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

    CHECK(fd >= 0);
    CHECK(write(fd, bytes, 5000) == 5000);
    CHECK(read(fd, bytes, 10) == 0);
    CHECK(lseek(fd, 100, SEEK_SET) == 0 && lseek(fd, -5, SEEK_CUR) == 0);
    CHECK(pwrite(fd, bytes, 10, 1000) == 10 && pread(fd, bytes, 10, 1000) == 0);
    CHECK(poll(&p, 1, 0) == 1 && p.revents == (POLLIN | POLLOUT));
    CHECK_ERROR(ftruncate(fd, 10), EINVAL);
    CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED &&
          errno == ENODEV);
    CHECK(isatty(fd) == 0 && errno == ENOTTY);
}

static void
test_zero_when_read_then_zeros_and_writes_vanish(void)
{
    int fd = dev("zero", O_RDWR);

    CHECK(fd >= 0);
    memset(bytes, 1, sizeof bytes);
    CHECK(read(fd, bytes, sizeof bytes) == sizeof bytes && all_zero(bytes, sizeof bytes));
    CHECK(write(fd, bytes, 77) == 77);
    CHECK(lseek(fd, 5, SEEK_END) == 0);
    CHECK_ERROR(read(fd, (void *)8, 10), EFAULT);
}

static void
test_zero_when_mapped_then_memory(void)
{
    int fd = dev("zero", O_RDWR);
    size_t n = 3 * 4096;

    char *own = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    char *both = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(own != MAP_FAILED && both != MAP_FAILED);
    CHECK(all_zero(own, n) && all_zero(both, n));
    own[0] = 'a';
    pid_t child = fork();
    if (child == 0) {
        own[0] = 'x';
        both[5000] = 'y';
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    CHECK(own[0] == 'a' && both[5000] == 'y');
    char *other = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0); /* another memory */
    CHECK(other != MAP_FAILED && other[5000] == 0);
    int reader = dev("zero", O_RDONLY);
    CHECK(mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, reader, 0) == MAP_FAILED);
    CHECK(errno == EACCES);
    CHECK(mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE, reader, 0) != MAP_FAILED);
}

static void
test_full_when_written_then_enospc(void)
{
    int fd = dev("full", O_RDWR);

    CHECK(fd >= 0);
    CHECK_ERROR(write(fd, bytes, 1), ENOSPC);
    memset(bytes, 1, 100);
    CHECK(read(fd, bytes, 100) == 100 && all_zero(bytes, 100));
}

static void
test_random_when_read_then_bytes_and_entropy(void)
{
    static const char *const names[] = { "random", "urandom" };
    char a[64], b[64];
    int n = -1;

    for (int i = 0; i < 2; i++) {
        int fd = dev(names[i], O_RDWR);
        CHECK(fd >= 0);
        CHECK(read(fd, a, 64) == 64 && read(fd, b, 64) == 64);
        CHECK(memcmp(a, b, 64) != 0 && !all_zero(a, 64));
        CHECK(write(fd, a, 64) == 64);
        CHECK(ioctl(fd, _IOR('R', 0, int), &n) == 0 && n > 0);
        CHECK_ERROR(ioctl(fd, _IOR('R', 0, int), (void *)8), EFAULT);
        n = -1;
        CHECK_ERROR(ioctl(fd, _IOW('R', 1, int), &n), EINVAL);
        CHECK_ERROR(ioctl(fd, 0x52ff, &n), EINVAL);
        CHECK(lseek(fd, 5, SEEK_SET) == 0);
        CHECK(read(fd, bytes, 8192) == 8192);
    }
    pid_t child = fork();
    if (child == 0) {
        CHECK(setuid(1000) == 0);
        int fd = dev("urandom", O_RDWR);
        n = 5;
        CHECK(fd >= 0);
        CHECK_ERROR(ioctl(fd, _IOW('R', 1, int), &n), EPERM);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

static void
test_node_when_made_elsewhere_then_the_device(void)
{
    CHECK(mknod("/tmp/z", S_IFCHR | 0600, makedev(1, 5)) == 0);
    int fd = open("/tmp/z", O_RDONLY);
    CHECK(fd >= 0 && read(fd, bytes, 10) == 10 && all_zero(bytes, 10));
    CHECK(unlink("/tmp/z") == 0);
    CHECK(mknod("/tmp/none", S_IFCHR | 0600, makedev(234, 77)) == 0);
    CHECK_ERROR(open("/tmp/none", O_RDONLY), ENXIO);
    CHECK(unlink("/tmp/none") == 0);
}

static void
test_kmsg_when_written_then_read_as_a_record(void)
{
    int out = dev("kmsg", O_WRONLY), in = dev("kmsg", O_RDONLY | O_NONBLOCK);
    unsigned priority;
    unsigned long long seq, last = 0, us;
    int found = 0;
    ssize_t n;

    CHECK(out >= 0 && in >= 0);
    put(out, "<30>feuer: one\n");
    put(out, "feuer: \1two\n");
    CHECK_ERROR(write(out, bytes, 8192), EINVAL);
    for (int i = 0; (n = read(in, bytes, sizeof bytes - 1)) > 0; i++) {
        char *text = strchr(bytes, ';');
        bytes[n] = 0;
        CHECK(sscanf(bytes, "%u,%llu,%llu,", &priority, &seq, &us) == 3 && text != NULL);
        CHECK(i == 0 || seq == last + 1);
        last = seq;
        if (strcmp(text, ";feuer: one\n") == 0)
            found |= priority == 30 ? 1 : 0;
        if (strcmp(text, ";feuer: \\x01two\n") == 0)
            found |= priority == 12 ? 2 : 0;
    }
    CHECK(errno == EAGAIN && found == 3);
    CHECK(lseek(in, 0, SEEK_SET) == 0);
    CHECK_ERROR(read(in, bytes, 5), EINVAL);
    CHECK(lseek(in, 0, SEEK_END) == 0);
    CHECK_ERROR(read(in, bytes, 100), EAGAIN);
    CHECK((ready(in, POLLIN, 0) & POLLIN) == 0);
    put(out, "<5>three\n");
    CHECK(ready(in, POLLIN, COMES_MS) & POLLIN);
    CHECK(read(in, bytes, sizeof bytes) > 0 && strstr(bytes, ";three") != NULL);
}

static void
test_syslog_when_read_then_lines(void)
{
    int out = dev("kmsg", O_WRONLY);

    put(out, "<13>feuer: in the log\n");
    CHECK(klogctl(10, NULL, 0) > 0);
    int n = klogctl(3, bytes, sizeof bytes - 1);
    CHECK(n > 0);
    bytes[n] = 0;
    CHECK(strstr(bytes, "] feuer: in the log\n") != NULL && bytes[0] == '<');
    CHECK_ERROR(klogctl(3, NULL, 10), EINVAL);
    CHECK_ERROR(klogctl(77, bytes, 10), EINVAL);
    CHECK_ERROR(klogctl(8, NULL, 99), EINVAL);
    CHECK(klogctl(5, NULL, 0) == 0);
    CHECK(klogctl(3, bytes, sizeof bytes) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(setuid(1000) == 0);
        CHECK_ERROR(klogctl(5, NULL, 0), EPERM);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

int
main(void)
{
    mkdir("/tmp", 0777);
    mkdir(DEV, 0755);
    if (mount("dev", DEV, "devtmpfs", 0, "") < 0)
        printf("# no devtmpfs\n");
    RUN(test_devtmpfs_when_mounted_then_nodes_with_their_modes, mount);
    RUN(test_devtmpfs_when_mounted_twice_then_the_same, mount, mknod);
    RUN(test_null_when_used_then_eats_everything, read, write, lseek);
    RUN(test_zero_when_read_then_zeros_and_writes_vanish, read, write);
    RUN(test_zero_when_mapped_then_memory, mmap);
    RUN(test_full_when_written_then_enospc, write);
    RUN(test_random_when_read_then_bytes_and_entropy, read, ioctl);
    RUN(test_node_when_made_elsewhere_then_the_device, mknod, open);
    RUN(test_kmsg_when_written_then_read_as_a_record, read, write, lseek);
    RUN(test_syslog_when_read_then_lines, syslog);
    return check_failures != 0;
}
