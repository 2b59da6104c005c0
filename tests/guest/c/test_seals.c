/* SPDX-License-Identifier: MIT */
/* memfd_create(2) and seals: F_ADD_SEALS, F_GET_SEALS of fcntl(2). */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define ALL (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif

static char data[20000];

static int
sealable(off_t size)
{
    int fd = memfd_create("name", MFD_ALLOW_SEALING);
    CHECK(fd >= 0 && ftruncate(fd, size) == 0);
    return fd;
}

static void
test_memfd_when_wrong_then_error(void)
{
    char name[300];
    memset(name, 'n', sizeof name);
    name[249] = '\0';
    CHECK(memfd_create(name, 0) >= 0);
    name[249] = 'n';
    name[250] = '\0';
    CHECK_ERROR(memfd_create(name, 0), EINVAL);
    CHECK_ERROR(memfd_create("a", 0x8000), EINVAL);
    CHECK_ERROR(syscall(SYS_memfd_create, 8, 0), EFAULT);
    CHECK(fcntl(memfd_create("a", MFD_CLOEXEC), F_GETFD) == FD_CLOEXEC);
}

static void
test_seals_when_not_allowed_then_eperm(void)
{
    int fd = memfd_create("a", 0), p[2];
    CHECK(fcntl(fd, F_GET_SEALS) == F_SEAL_SEAL);
    CHECK_ERROR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
    fd = sealable(10);
    CHECK(fcntl(fd, F_GET_SEALS) == 0);
    CHECK_ERROR(fcntl(fd, F_ADD_SEALS, 0x1000), EINVAL);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0);
    CHECK(fcntl(fd, F_GET_SEALS) == (F_SEAL_SHRINK | F_SEAL_GROW));
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0);
    CHECK_ERROR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
    CHECK(pipe(p) == 0);
    CHECK_ERROR(fcntl(p[0], F_GET_SEALS), EINVAL);
    CHECK_ERROR(fcntl(p[1], F_ADD_SEALS, 0), EINVAL);
}

static void
test_size_when_sealed_then_kept(void)
{
    int fd = sealable(10000);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
    CHECK_ERROR(ftruncate(fd, 9999), EPERM);
    CHECK(ftruncate(fd, 10000) == 0 && ftruncate(fd, 10001) == 0);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0);
    CHECK_ERROR(ftruncate(fd, 10002), EPERM);
    CHECK_ERROR(fallocate(fd, 0, 10000, 100), EPERM);
    CHECK(pwrite(fd, data, 10001, 0) == 10001);
    CHECK_ERROR(pwrite(fd, data, 1, 10001), EPERM);
    CHECK_ERROR(pwrite(fd, data, 100, 10000), EPERM);
    CHECK(pwrite(fd, data, 20000, 0) == 8192); /* whole pages before the end */
    CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0);
}

static void
test_write_when_sealed_then_eperm(void)
{
    int fd = sealable(10000);
    char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(m != MAP_FAILED);
    CHECK_ERROR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
    CHECK(fcntl(fd, F_GET_SEALS) == 0 && munmap(m, 4096) == 0);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
    CHECK_ERROR(pwrite(fd, data, 1, 0), EPERM);
    CHECK_ERROR(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096),
                EPERM);
    CHECK_ERROR(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EPERM);
    m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(m != MAP_FAILED);
    m[0] = 'x';
    CHECK(pread(fd, data, 1, 0) == 1 && data[0] == 0);
    CHECK(ftruncate(fd, 20000) == 0); /* that is not what it is about */
}

static void
test_future_write_when_sealed_then_old_mapping_goes_on(void)
{
    int fd = sealable(10000);
    char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0);
    m[0] = 'x';
    CHECK(pread(fd, data, 1, 0) == 1 && data[0] == 'x');
    CHECK_ERROR(pwrite(fd, data, 1, 0), EPERM);
    CHECK_ERROR(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EPERM);
    char *r = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(r != MAP_FAILED && r[0] == 'x');
    CHECK_ERROR(mprotect(r, 4096, PROT_READ | PROT_WRITE), EACCES);
    CHECK(fcntl(fd, F_GET_SEALS) == F_SEAL_FUTURE_WRITE);
}

static void
test_seals_when_opened_for_reading_then_eperm(void)
{
    char path[40];
    int fd = sealable(10);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int ro = open(path, O_RDONLY);
    if (ro < 0)
        return; /* without /proc */
    CHECK_ERROR(fcntl(ro, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
    CHECK(fcntl(ro, F_GET_SEALS) == 0);
}

int
main(void)
{
    RUN(test_memfd_when_wrong_then_error, memfd_create);
    RUN(test_seals_when_not_allowed_then_eperm, fcntl, memfd_create);
    RUN(test_size_when_sealed_then_kept, fcntl, ftruncate, fallocate, pwrite64);
    RUN(test_write_when_sealed_then_eperm, fcntl, mmap);
    RUN(test_future_write_when_sealed_then_old_mapping_goes_on, fcntl, mmap, mprotect);
    RUN(test_seals_when_opened_for_reading_then_eperm, fcntl);
    return check_failures != 0;
}
