/* SPDX-License-Identifier: MIT */
/* /proc/PID/maps, smaps, mem, cmdline, environ, auxv, exe, cwd, root. */
#define _GNU_SOURCE
#include "proc_help.h"

#include <elf.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>

extern char **environ;
static char **arguments;

struct area {
    unsigned long start, end, offset, inode;
    unsigned major, minor;
    char rights[8], name[256];
};

/* The line of maps that has AT, out of what was read last. */
static int
find_area(unsigned long at, struct area *a)
{
    for (char *line = proc_text; *line != '\0'; line = strchr(line, '\n') + 1) {
        a->name[0] = '\0';
        CHECK(sscanf(line, "%lx-%lx %7s %lx %x:%x %lu%*[ ]%255[^\n]", &a->start, &a->end,
                     a->rights, &a->offset, &a->major, &a->minor, &a->inode, a->name) >= 7);
        if (at >= a->start && at < a->end)
            return 1;
    }
    return 0;
}

/* Verify that maps shows a mapping that was just made, its rights, file and offset, and no
 * longer shows what was taken off. */
static void
test_maps_shows_a_new_mapping(void)
{
    struct area a;
    struct stat info;
    int fd = open("mapped file", O_CREAT | O_RDWR, 0600);
    char *p;

    CHECK(fd >= 0 && ftruncate(fd, 65536) == 0 && fstat(fd, &info) == 0);
    p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 16384);
    CHECK(p != MAP_FAILED);
    proc_read("/proc/self/maps");
    CHECK(find_area((unsigned long)p, &a));
    CHECK(a.start == (unsigned long)p && a.end == a.start + 8192);
    CHECK(strcmp(a.rights, "r--s") == 0 && a.offset == 16384 && a.inode == info.st_ino);
    CHECK(strlen(a.name) > 12 && strcmp(a.name + strlen(a.name) - 12, "/mapped file") == 0);
    CHECK(unlink("mapped file") == 0);
    proc_read("/proc/self/maps");
    CHECK(find_area((unsigned long)p, &a) && strstr(a.name, "mapped file (deleted)") != NULL);
    CHECK(munmap(p, 8192) == 0);
    proc_read("/proc/self/maps");
    CHECK(!find_area((unsigned long)p, &a));
}

/* Verify that the stack and the break have their names. */
static void
test_maps_names_stack_and_heap(void)
{
    struct area a;
    int local = 0;
    char *brk = (char *)syscall(SYS_brk, 0); /* the C library does not grow it */

    CHECK((char *)syscall(SYS_brk, brk + 8192) == brk + 8192);
    *brk = 1;
    proc_read("/proc/self/maps");
    CHECK(find_area((unsigned long)&local, &a) && strcmp(a.name, "[stack]") == 0);
    CHECK(find_area((unsigned long)brk, &a) && strcmp(a.name, "[heap]") == 0);
    CHECK(strcmp(a.rights, "rw-p") == 0);
    CHECK(find_area((unsigned long)&find_area, &a) && strcmp(a.rights, "r-xp") == 0);
    CHECK(find_area(getauxval(AT_SYSINFO_EHDR), &a) && strcmp(a.name, "[vdso]") == 0);
}

/* Verify that many areas are all there, in order, in reads of any size. */
static void
test_maps_of_many_areas_fits_together(void)
{
    enum { AREAS = 4000 };
    char *p = mmap(NULL, AREAS * 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned long last = 0, start, end;
    int fd, found = 0;
    size_t have = 0;
    ssize_t got;

    CHECK(p != MAP_FAILED);
    for (int i = 0; i < AREAS; i++)
        CHECK(mprotect(p + i * 8192, 4096, PROT_READ) == 0);
    fd = open("/proc/self/maps", O_RDONLY);
    while ((got = read(fd, proc_text + have, 777)) > 0)
        have += (size_t)got;
    CHECK(got == 0);
    proc_text[have] = '\0';
    for (char *line = proc_text; *line != '\0'; line = strchr(line, '\n') + 1) {
        CHECK(sscanf(line, "%lx-%lx", &start, &end) == 2 && start >= last && end > start);
        last = end;
        found += start >= (unsigned long)p && end <= (unsigned long)p + AREAS * 8192;
    }
    CHECK(found == 2 * AREAS);
}

/* Verify that smaps counts what was touched, and that the sum is in smaps_rollup. */
static void
test_smaps_counts_touched_pages(void)
{
    char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char head[32], *at;
    unsigned long long rss;

    CHECK(p != MAP_FAILED && mprotect(p + (1 << 20) - 4096, 4096, PROT_NONE) == 0);
    for (int i = 0; i < 10; i++)
        p[i * 4096] = 1;
    proc_read("/proc/self/smaps");
    snprintf(head, sizeof head, "%lx-", (unsigned long)p);
    at = strstr(proc_text, head);
    CHECK(at != NULL);
    memmove(proc_text, at, strlen(at) + 1);
    rss = proc_value("Rss", 10); /* a few may have been brought in ahead */
    CHECK(proc_value("Size", 10) == 1020 && rss >= 40 && rss < 1020);
    CHECK(proc_value("Pss", 10) == rss && proc_value("Anonymous", 10) == rss);
    CHECK(proc_value("Private_Dirty", 10) == rss && proc_value("Swap", 10) == 0);
    CHECK(proc_value("KernelPageSize", 10) == 4);
    CHECK(strstr(proc_text, "\nVmFlags: rd wr ") != NULL);
    proc_read("/proc/self/smaps_rollup");
    CHECK(strstr(proc_text, "[rollup]\n") != NULL);
    rss = proc_value("Rss", 10);
    CHECK(rss >= 40 && proc_value("Pss", 10) <= rss);
}

/* Verify that mem reads and writes the process's own bytes, also where it may not write
 * itself, and fails with EIO where nothing is. */
static void
test_mem_reads_and_writes(void)
{
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = open("/proc/self/mem", O_RDWR);
    char text[16] = { 0 };

    CHECK(fd >= 0 && p != MAP_FAILED);
    strcpy(p + 4090, "hello, you");
    CHECK(pread(fd, text, 11, (off_t)(p + 4090)) == 11 && strcmp(text, "hello, you") == 0);
    CHECK(mprotect(p, 8192, PROT_READ) == 0);
    CHECK(pwrite(fd, "HE", 2, (off_t)(p + 4090)) == 2 && memcmp(p + 4090, "HEllo", 5) == 0);
    CHECK(munmap(p + 4096, 4096) == 0);
    CHECK(pread(fd, text, 16, (off_t)(p + 4090)) == 6);
    CHECK_ERROR(pread(fd, text, 16, (off_t)(p + 4096)), EIO);
    CHECK(lseek(fd, (off_t)p, SEEK_SET) == (off_t)p);
    CHECK(read(fd, text, 1) == 1 && lseek(fd, 0, SEEK_CUR) == (off_t)p + 1);
}

/* Verify that mem of a child can be read while it lives, and gives nothing after exec. */
static void
test_mem_of_child_ends_with_exec(void)
{
    static volatile int word = 4711;
    int go[2], there = 0, fd;
    char path[64];
    pid_t child;

    CHECK(pipe2(go, O_CLOEXEC) == 0);
    child = fork();
    if (child == 0) {
        char byte;

        word = 815;
        close(go[1]);
        if (read(go[0], &byte, 1) == 0)
            execv(arguments[0], (char *[]){ arguments[0], "sleep", NULL });
        _exit(1);
    }
    snprintf(path, sizeof path, "/proc/%d/mem", child);
    fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    for (int i = 0; i < 1000 && there != 815; i++, usleep(1000))
        CHECK(pread(fd, &there, sizeof there, (off_t)&word) == sizeof there);
    CHECK(there == 815 && word == 4711);
    close(go[1]);
    for (int i = 0; i < 2000 && pread(fd, &there, sizeof there, (off_t)&word) != 0; i++)
        usleep(1000);
    CHECK(pread(fd, &there, sizeof there, (off_t)&word) == 0);
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
}

/* Verify that cmdline, environ and auxv are what the program got. */
static void
test_cmdline_environ_auxv(void)
{
    size_t n = proc_read("/proc/self/cmdline");
    Elf64_auxv_t *aux = (Elf64_auxv_t *)proc_text;
    int random = 0;

    CHECK(n > 0 && proc_text[n - 1] == '\0' && strcmp(proc_text, arguments[0]) == 0);
    CHECK(n == (size_t)(strlen(arguments[0]) + 1));
    n = proc_read("/proc/self/environ");
    if (environ[0] != NULL)
        CHECK(n > 0 && strcmp(proc_text, environ[0]) == 0);
    n = proc_read("/proc/self/auxv");
    CHECK(n % sizeof *aux == 0 && n >= 10 * sizeof *aux);
    for (; aux->a_type != AT_NULL; aux++) {
        random |= aux->a_type == AT_RANDOM && aux->a_un.a_val == getauxval(AT_RANDOM);
        if (aux->a_type == AT_PAGESZ)
            CHECK(aux->a_un.a_val == 4096);
    }
    CHECK(random && (char *)(aux + 1) == proc_text + n);
}

/* Verify that a program that writes over its arguments is seen with its new name. */
static void
test_cmdline_follows_a_change(void)
{
    size_t length = strlen(arguments[0]);

    memset(arguments[0], 'x', length);
    CHECK(proc_read("/proc/self/cmdline") == length + 1);
    for (size_t i = 0; i < length; i++)
        CHECK(proc_text[i] == 'x');
}

/* Verify that exe, cwd and root are where they lead, whatever is done to the names. */
static void
test_links_lead_to_places(void)
{
    char text[256] = { 0 };
    struct stat one, two;

    CHECK(mkdir("place", 0755) == 0 && chdir("place") == 0 && stat(".", &one) == 0);
    CHECK(stat("/proc/self/cwd", &two) == 0 && one.st_ino == two.st_ino);
    CHECK(readlink("/proc/self/cwd", text, sizeof text) > 6);
    CHECK(strcmp(text + strlen(text) - 6, "/place") == 0);
    CHECK(rmdir("../place") == 0);
    memset(text, 0, sizeof text);
    CHECK(readlink("/proc/self/cwd", text, sizeof text) > 16);
    CHECK(strcmp(text + strlen(text) - 16, "/place (deleted)") == 0);
    CHECK(stat("/proc/self/cwd", &two) == 0 && one.st_ino == two.st_ino);
    CHECK(chdir("/") == 0);
    memset(text, 0, sizeof text);
    CHECK(readlink("/proc/self/root", text, sizeof text) == 1 && text[0] == '/');
    CHECK(stat("/proc/self/root/proc/self/exe", &one) == 0);
    memset(text, 0, sizeof text);
    CHECK(readlink("/proc/self/exe", text, sizeof text) > 0 && stat(text, &two) == 0);
    CHECK(one.st_ino == two.st_ino && one.st_dev == two.st_dev);
    CHECK(lstat("/proc/self/exe", &one) == 0 && S_ISLNK(one.st_mode));
}

int
main(int argc, char **argv)
{
    arguments = argv;
    if (argc > 1)
        for (;;)
            pause();
    CHECK(mkdir("/tmp", 01777) == 0 || errno == EEXIST);
    CHECK(chdir("/tmp") == 0);
    RUN(test_maps_shows_a_new_mapping, mmap, munmap);
    RUN(test_maps_names_stack_and_heap, brk);
    RUN(test_maps_of_many_areas_fits_together, mprotect, read);
    RUN(test_smaps_counts_touched_pages, mmap);
    RUN(test_mem_reads_and_writes, pread64, pwrite64, lseek);
    RUN(test_mem_of_child_ends_with_exec, execve);
    RUN(test_cmdline_environ_auxv, execve);
    RUN(test_cmdline_follows_a_change);
    RUN(test_links_lead_to_places, readlink, chdir);
    return check_failures != 0;
}
