/* SPDX-License-Identifier: MIT */
/* Writes whose buffer is not there yet, while others append to the same file or seal it;
 * and seeking in a file that has become very long.  The races need several CPUs to be
 * lost. */
#define _GNU_SOURCE
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#define PAGE 4096
#define RECORD 64
#define RECORDS 300
#define WRITERS 3
#define SEAL_ROUNDS 200

/* A page that the next access has to bring in, of bytes c. */
static char *
absent_page(int fd)
{
    char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

static int
page_of(const char *name, char c)
{
    char text[PAGE];
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    memset(text, c, sizeof text);
    CHECK(fd >= 0 && write(fd, text, sizeof text) == (ssize_t)sizeof text);
    return fd;
}

static void
append_records(char c)
{
    char name[2] = { c, '\0' };
    int source = page_of(name, c), log = open("log", O_WRONLY | O_APPEND);
    CHECK(log >= 0);
    for (int i = 0; i < RECORDS; i++) {
        char *p = absent_page(source);
        CHECK(write(log, p, RECORD) == RECORD);
        CHECK(munmap(p, PAGE) == 0);
    }
    _exit(0);
}

static void
test_append_when_buffer_absent_then_nothing_overwritten(void)
{
    pid_t writers[WRITERS];
    char record[RECORD];
    int log = open("log", O_RDWR | O_CREAT, 0600), counts[WRITERS] = { 0 };
    CHECK(log >= 0);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = fork();
        if (writers[i] == 0)
            append_records((char)('a' + i));
    }
    for (int i = 0; i < WRITERS; i++)
        CHECK_EXIT(writers[i], 0);
    CHECK(lseek(log, 0, SEEK_END) == WRITERS * RECORDS * RECORD);
    CHECK(lseek(log, 0, SEEK_SET) == 0);
    while (read(log, record, RECORD) == RECORD) {
        CHECK(record[0] >= 'a' && record[0] < 'a' + WRITERS);
        for (int i = 1; i < RECORD; i++)
            CHECK(record[i] == record[0]);
        counts[record[0] - 'a']++;
    }
    for (int i = 0; i < WRITERS; i++)
        CHECK(counts[i] == RECORDS);
}

/* ---- seals ---- */

static int source, sealed, turn, written;

static void *
write_on(void *arg)
{
    (void)arg;
    for (int i = 1; i <= SEAL_ROUNDS; i++) {
        char *p = absent_page(source);
        while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != i)
            sched_yield();
        ssize_t n = pwrite(sealed, p, RECORD, 0);
        CHECK(n == RECORD || (n == -1 && errno == EPERM));
        __atomic_store_n(&written, i, __ATOMIC_RELEASE);
        CHECK(munmap(p, PAGE) == 0);
    }
    return NULL;
}

/* Whatever the writer is about when the seal comes: it is over. */
static void
test_seal_when_write_under_way_then_contents_fixed(void)
{
    char at_once[RECORD], later[RECORD];
    pthread_t t;
    source = page_of("s", 's');
    CHECK(pthread_create(&t, NULL, write_on, NULL) == 0);
    for (int i = 1; i <= SEAL_ROUNDS; i++) {
        sealed = memfd_create("sealed", MFD_ALLOW_SEALING);
        CHECK(sealed >= 0 && ftruncate(sealed, PAGE) == 0);
        __atomic_store_n(&turn, i, __ATOMIC_RELEASE);
        for (int spin = 0; spin < i * 20; spin++)
            __asm__ volatile("pause");
        CHECK(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE) == 0);
        CHECK(pread(sealed, at_once, RECORD, 0) == RECORD);
        while (__atomic_load_n(&written, __ATOMIC_ACQUIRE) != i)
            sched_yield();
        CHECK(pread(sealed, later, RECORD, 0) == RECORD);
        CHECK(memcmp(at_once, later, RECORD) == 0);
        CHECK(close(sealed) == 0);
    }
    CHECK(pthread_join(t, NULL) == 0);
}

/* ---- a very long file ---- */

/* A file that was there when the system started, other than this program. */
static int
old_file(char *name, size_t size, struct stat *info)
{
    DIR *d = opendir("/add");
    struct dirent *e;
    struct stat self;
    CHECK(d != NULL && stat("/proc/self/exe", &self) == 0);
    while ((e = readdir(d)) != NULL) {
        snprintf(name, size, "/add/%s", e->d_name);
        if (lstat(name, info) == 0 && S_ISREG(info->st_mode) && info->st_size > 0 &&
            info->st_ino != self.st_ino) {
            int fd = open(name, O_RDWR);
            if (fd >= 0) {
                closedir(d);
                return fd;
            }
        }
    }
    closedir(d);
    return -1;
}

static void
test_seek_data_when_long_hole_then_at_once(void)
{
    struct stat info = { 0 };
    char name[300];
    int fd = old_file(name, sizeof name, &info);
    if (fd < 0)
        fd = page_of("long", 'x');
    CHECK(ftruncate(fd, 1l << 45) == 0);
    off_t from = info.st_size + (1 << 20), found;
    errno = 0;
    found = lseek(fd, from, SEEK_DATA);
    CHECK(ftruncate(fd, info.st_size) == 0);
    CHECK(found == from || (found == -1 && errno == ENXIO)); /* no holes, or holes */
}

int
main(void)
{
    RUN_IN_NEW(test_append_when_buffer_absent_then_nothing_overwritten, write);
    RUN_IN_NEW(test_seal_when_write_under_way_then_contents_fixed, fcntl, pwrite64);
    RUN_IN_NEW(test_seek_data_when_long_hole_then_at_once, lseek, ftruncate);
    return check_failures != 0;
}
