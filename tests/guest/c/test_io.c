/* SPDX-License-Identifier: MIT */
/* read(2), write(2), their vector and positioned forms, copy_file_range, advice and
 * syncing: counts, limits, errors. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static char data[100000], back[100000];

#define RWF(call, fd, v, n, pos, flags)                                                  \
    syscall(SYS_##call, fd, v, n, (long)(pos), 0L, flags)

static int
file_with(const char *name, size_t n)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 31 + i / 4096);
    CHECK(fd >= 0 && write(fd, data, n) == (ssize_t)n && lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

static void
test_vectors_when_given_then_in_order(void)
{
    int fd = file_with("f", 0);
    struct iovec v[3] = { { data, 10 }, { data + 500, 0 }, { data + 50, 5000 } };
    CHECK(writev(fd, v, 3) == 5010 && lseek(fd, 0, SEEK_CUR) == 5010);
    CHECK(pread(fd, back, 6000, 0) == 5010);
    CHECK(memcmp(back, data, 10) == 0 && memcmp(back + 10, data + 50, 5000) == 0);
    struct iovec r[2] = { { back + 100, 5 }, { back, 100 } };
    CHECK(preadv(fd, r, 2, 8) == 105 && lseek(fd, 0, SEEK_CUR) == 5010);
    CHECK(back[100] == data[8] && back[102] == data[50] && back[0] == data[53]);
    CHECK(pwritev(fd, r, 1, 5008) == 5 && lseek(fd, 0, SEEK_END) == 5013);
    CHECK(readv(fd, r, 0) == 0 && writev(fd, NULL, 0) == 0);
}

static void
test_vectors_when_wrong_then_error(void)
{
    static struct iovec many[1025];
    int fd = file_with("f", 100), p[2], ro = open("f", O_RDONLY),
        wo = open("f", O_WRONLY);
    struct iovec v[2] = { { back, 10 }, { (void *)16, 10 } };
    CHECK(pipe(p) == 0);
    CHECK(readv(fd, many, 1024) == 0);
    CHECK_ERROR(readv(fd, many, 1025), EINVAL);
    CHECK_ERROR(readv(fd, many, -1), EINVAL);
    CHECK_ERROR(writev(fd, (void *)8, 1), EFAULT);
    v[1].iov_len = (size_t)SSIZE_MAX + 1;
    CHECK_ERROR(readv(fd, v, 2), EINVAL);
    CHECK_ERROR(readv(wo, v, 1), EBADF);
    CHECK_ERROR(writev(ro, v, 1), EBADF);
    CHECK_ERROR(readv(-1, v, 1), EBADF);
    CHECK_ERROR(preadv(fd, v, 1, -1), EINVAL);
    CHECK_ERROR(pwritev(fd, v, 1, -5), EINVAL);
    CHECK_ERROR(preadv(p[0], v, 1, 0), ESPIPE);
    CHECK_ERROR(pwritev(p[1], v, 1, 0), ESPIPE);
    CHECK_ERROR(pread(p[0], back, 1, 0), ESPIPE);
    CHECK_ERROR(pwrite(p[1], back, 1, 0), ESPIPE);
    CHECK_ERROR(pread(fd, back, 1, -1), EINVAL);
    CHECK_ERROR(pwrite(fd, back, 1, -1), EINVAL);
    CHECK_ERROR(pread(-1, back, 1, 0), EBADF);
    int dir = open(".", O_RDONLY), path = open("f", O_PATH);
    CHECK_ERROR(read(dir, back, 1), EISDIR);
    CHECK_ERROR(write(dir, back, 1), EBADF);
    CHECK_ERROR(read(path, back, 1), EBADF);
    CHECK_ERROR(write(path, back, 1), EBADF);
    CHECK_ERROR(lseek(path, 0, SEEK_SET), EBADF);
    CHECK_ERROR(lseek(p[0], 0, SEEK_SET), ESPIPE);
    CHECK_ERROR(lseek(fd, 0, 99), EINVAL);
    CHECK_ERROR(lseek(fd, -1, SEEK_SET), EINVAL);
    CHECK_ERROR(lseek(fd, 100, SEEK_DATA), ENXIO);
}

static void
test_faults_when_in_the_middle_then_counted(void)
{
    int fd = file_with("f", 50000);
    char *m =
        mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(m != MAP_FAILED && munmap(m + 8192, 4096) == 0);
    CHECK(pread(fd, m, 20000, 0) == 8192 && memcmp(m, data, 8192) == 0);
    CHECK_ERROR(pread(fd, m + 8192, 10, 0), EFAULT);
    CHECK(pread(fd, m + 8192, 10, 50000) == 0); /* nothing to copy */
    CHECK(read(fd, m + 8192, 0) == 0);
    struct iovec v[2] = { { m, 4096 }, { m + 8192, 4096 } };
    CHECK(preadv(fd, v, 2, 100) == 4096);
    ssize_t n = pwrite(fd, m, 20000, 4096);
    CHECK(n == 8192);
    CHECK_ERROR(pwrite(fd, m + 8192, 10, 0), EFAULT);
    CHECK(pread(fd, back, 8192, 4096) == 8192 && memcmp(back, m, 8192) == 0);
    CHECK_ERROR(read(fd, (void *)-4096L, 10), EFAULT);
    CHECK_ERROR(write(fd, (void *)-4096L, 10), EFAULT);
}

static void
test_length_when_huge_then_cut(void)
{
    int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
    size_t length = 3ul << 30;
    char *m =
        mmap(NULL, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (zero < 0 || m == MAP_FAILED)
        return;
    CHECK(write(null, m, length) == 0x7ffff000);
    struct iovec v[2] = { { m, 2ul << 30 }, { m, 1ul << 30 } };
    CHECK(writev(null, v, 2) == 0x7ffff000);
    CHECK_ERROR(read(zero, m, (size_t)-1), EFAULT);
}

static void
test_flags_when_preadv2_then_obeyed(void)
{
    int fd = file_with("f", 100);
    struct iovec v = { back, 10 };
    CHECK(RWF(preadv2, fd, &v, 1, 5, 0) == 10 && lseek(fd, 0, SEEK_CUR) == 0);
    CHECK(RWF(preadv2, fd, &v, 1, -1, 0) == 10 && lseek(fd, 0, SEEK_CUR) == 10);
    CHECK(RWF(pwritev2, fd, &v, 1, 0, 2 | 4) == 10);
    CHECK(RWF(pwritev2, fd, &v, 1, 0, 0x10) == 10 && lseek(fd, 0, SEEK_END) == 110);
    CHECK(lseek(fd, 3, SEEK_SET) == 3 && RWF(pwritev2, fd, &v, 1, -1, 0x10) == 10);
    CHECK(lseek(fd, 0, SEEK_CUR) == 120);
    CHECK_ERROR(RWF(preadv2, fd, &v, 1, 0, 0x8000), EOPNOTSUPP);
    CHECK_ERROR(RWF(pwritev2, fd, &v, 1, 0, 0x8000), EOPNOTSUPP);
    CHECK_ERROR(RWF(preadv2, fd, &v, 1, -2, 0), EINVAL);
    CHECK_ERROR(RWF(preadv2, -1, &v, 1, 0, 0), EBADF);
}

static void
test_append_when_pwrite_then_at_the_end_as_linux(void)
{
    int fd;
    close(file_with("f", 100));
    fd = open("f", O_RDWR | O_APPEND);
    CHECK(pwrite(fd, "xyz", 3, 0) == 3 && lseek(fd, 0, SEEK_CUR) == 0);
    CHECK(pread(fd, back, 200, 0) == 103 && memcmp(back + 100, "xyz", 3) == 0);
    CHECK(write(fd, "q", 1) == 1 && lseek(fd, 0, SEEK_CUR) == 104);
}

static void
test_size_when_limited_then_cut_or_efbig(void)
{
    struct rlimit r = { 1000, 1000 };
    int fd = file_with("f", 900);
    signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &r) == 0);
    CHECK(pwrite(fd, data, 500, 900) == 100);
    CHECK_ERROR(pwrite(fd, data, 500, 1000), EFBIG);
    CHECK_ERROR(ftruncate(fd, 1001), EFBIG);
    CHECK_ERROR(fallocate(fd, 0, 500, 501), EFBIG);
    CHECK(pwrite(fd, data, 0, 5000) == 0);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGXFSZ, SIG_DFL);
        pwrite(fd, data, 1, 1000);
        _exit(0);
    }
    CHECK_SIGNAL(child, SIGXFSZ);
}

static void
test_copy_when_ranges_then_copied(void)
{
    int in = file_with("in", 50000), out = open("out", O_RDWR | O_CREAT, 0644);
    loff_t a = 1000, b = 10;
    CHECK(copy_file_range(in, NULL, out, NULL, 20000, 0) == 20000);
    CHECK(lseek(in, 0, SEEK_CUR) == 20000 && lseek(out, 0, SEEK_CUR) == 20000);
    CHECK(copy_file_range(in, &a, out, &b, 500, 0) == 500 && a == 1500 && b == 510);
    CHECK(pread(out, back, 20000, 0) == 20000 &&
          memcmp(back + 10, data + 1000, 500) == 0);
    a = 49990;
    CHECK(copy_file_range(in, &a, out, NULL, 500, 0) == 10);
    CHECK(copy_file_range(in, &a, out, NULL, 500, 0) == 0);
    a = 0, b = 25000;
    CHECK(copy_file_range(in, &a, in, &b, 25000, 0) == 25000);
    a = 0, b = 100;
    CHECK_ERROR(copy_file_range(in, &a, in, &b, 101, 0), EINVAL);
    CHECK_ERROR(copy_file_range(in, NULL, out, NULL, 1, 1), EINVAL);
    CHECK_ERROR(copy_file_range(-1, NULL, out, NULL, 1, 0), EBADF);
    CHECK_ERROR(copy_file_range(in, NULL, -1, NULL, 1, 0), EBADF);
    int ro = open("out", O_RDONLY), append = open("out", O_WRONLY | O_APPEND), p[2];
    CHECK_ERROR(copy_file_range(in, NULL, ro, NULL, 1, 0), EBADF);
    CHECK_ERROR(copy_file_range(append, NULL, out, NULL, 1, 0), EBADF);
    CHECK_ERROR(copy_file_range(in, NULL, append, NULL, 1, 0), EBADF);
    CHECK(pipe(p) == 0);
    CHECK_ERROR(copy_file_range(p[0], NULL, out, NULL, 1, 0), EINVAL);
    CHECK_ERROR(copy_file_range(in, NULL, p[1], NULL, 1, 0), EINVAL);
    int dir = open(".", O_RDONLY);
    CHECK_ERROR(copy_file_range(dir, NULL, out, NULL, 1, 0), EISDIR);
    a = LONG_MAX;
    CHECK(copy_file_range(in, &a, out, NULL, 10, 0) == 0);
    CHECK_ERROR(copy_file_range(in, &a, out, NULL, SIZE_MAX, 0), EOVERFLOW);
    CHECK_ERROR(copy_file_range(in, (loff_t *)8, out, NULL, 10, 0), EFAULT);
}

static void
test_advice_when_wrong_then_error(void)
{
    int fd = file_with("f", 100), p[2], wo = open("f", O_WRONLY);
    CHECK(pipe(p) == 0);
    CHECK(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL) == 0);
    CHECK(posix_fadvise(fd, 0, 0, 77) == EINVAL);
    CHECK(posix_fadvise(fd, 0, -1, POSIX_FADV_NORMAL) == EINVAL);
    CHECK(posix_fadvise(p[0], 0, 0, POSIX_FADV_NORMAL) == ESPIPE);
    CHECK(posix_fadvise(-1, 0, 0, POSIX_FADV_NORMAL) == EBADF);
    CHECK(syscall(SYS_readahead, fd, 0L, 100L) == 0);
    CHECK_ERROR(syscall(SYS_readahead, wo, 0L, 100L), EBADF);
    CHECK_ERROR(syscall(SYS_readahead, p[0], 0L, 100L), EINVAL);
    CHECK(fsync(fd) == 0 && fdatasync(fd) == 0 && syncfs(fd) == 0);
    CHECK_ERROR(fsync(p[0]), EINVAL);
    CHECK_ERROR(fsync(-1), EBADF);
    CHECK_ERROR(fdatasync(p[1]), EINVAL);
    CHECK_ERROR(syncfs(-1), EBADF);
    CHECK(sync_file_range(fd, 0, 100, 7) == 0 && sync_file_range(fd, 0, 0, 0) == 0);
    CHECK_ERROR(sync_file_range(fd, 0, 1, 8), EINVAL);
    CHECK_ERROR(sync_file_range(fd, -1, 1, 1), EINVAL);
    CHECK_ERROR(sync_file_range(fd, 10, -20, 1), EINVAL);
    CHECK_ERROR(sync_file_range(p[0], 0, 1, 1), ESPIPE);
    CHECK_ERROR(sync_file_range(-1, 0, 1, 1), EBADF);
}

static void
test_ioctl_when_generic_then_answered(void)
{
    int fd = file_with("f", 1000), n = 0, p[2];
    CHECK(pipe(p) == 0 && lseek(fd, 300, SEEK_SET) == 300);
    CHECK(ioctl(fd, FIONREAD, &n) == 0 && n == 700);
    CHECK(ioctl(fd, FIOCLEX) == 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    CHECK(ioctl(fd, FIONCLEX) == 0 && fcntl(fd, F_GETFD) == 0);
    n = 1;
    CHECK(ioctl(p[0], FIONBIO, &n) == 0 && (fcntl(p[0], F_GETFL) & O_NONBLOCK) != 0);
    CHECK_ERROR(read(p[0], back, 1), EAGAIN);
    n = 0;
    CHECK(ioctl(p[0], FIONBIO, &n) == 0 && (fcntl(p[0], F_GETFL) & O_NONBLOCK) == 0);
    CHECK_ERROR(ioctl(p[0], FIONBIO, (void *)8), EFAULT);
    CHECK(ioctl(fd, 2 /* FIGETBSZ */, &n) == 0 && n == 4096);
    CHECK_ERROR(ioctl(fd, 0x5413 /* TIOCGWINSZ */, back), ENOTTY);
    CHECK_ERROR(ioctl(fd, 0x5401 /* TCGETS */, back), ENOTTY);
    CHECK_ERROR(ioctl(-1, FIONREAD, &n), EBADF);
    CHECK_ERROR(ioctl(open("f", O_PATH), FIONREAD, &n), EBADF);
}

int
main(void)
{
    RUN_IN_NEW(test_vectors_when_given_then_in_order, readv, writev, preadv, pwritev);
    RUN_IN_NEW(test_vectors_when_wrong_then_error, readv, writev, preadv, pwritev,
               pread64, pwrite64, read, write, lseek);
    RUN_IN_NEW(test_faults_when_in_the_middle_then_counted, pread64, pwrite64, preadv);
    RUN_IN_NEW(test_length_when_huge_then_cut, write, writev, read);
    RUN_IN_NEW(test_flags_when_preadv2_then_obeyed, preadv2, pwritev2);
    RUN_IN_NEW(test_append_when_pwrite_then_at_the_end_as_linux, pwrite64);
    RUN_IN_NEW(test_size_when_limited_then_cut_or_efbig, pwrite64, ftruncate, fallocate);
    RUN_IN_NEW(test_copy_when_ranges_then_copied, copy_file_range);
    RUN_IN_NEW(test_advice_when_wrong_then_error, fadvise64, readahead, fsync, fdatasync,
               syncfs, sync_file_range);
    RUN_IN_NEW(test_ioctl_when_generic_then_answered, ioctl);
    return check_failures != 0;
}
