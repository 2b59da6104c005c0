/* SPDX-License-Identifier: MIT */
/*
 * What a program finds when it starts: stack, auxiliary vector, identity, places in
 * memory; and execveat.  The program runs itself with the argument "tell".
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

extern char **environ;
static const char *self;
static uintptr_t *first_word; /* argc, as the kernel left it */

static uint64_t *
auxv(void)
{
    char **at = environ;

    while (*at != NULL)
        at++;
    return (uint64_t *)(at + 1);
}

static void
test_stack_when_started_then_as_the_abi_says(void)
{
    uint64_t *a = auxv();
    static const uint64_t order[] = { AT_SYSINFO_EHDR, AT_MINSIGSTKSZ, AT_HWCAP, AT_PAGESZ,
                                      AT_CLKTCK, AT_PHDR, AT_PHENT, AT_PHNUM, AT_BASE,
                                      AT_FLAGS, AT_ENTRY, AT_UID, AT_EUID, AT_GID, AT_EGID,
                                      AT_SECURE, AT_RANDOM, AT_HWCAP2, AT_EXECFN,
                                      AT_PLATFORM, AT_NULL };

    CHECK((uintptr_t)first_word % 16 == 0);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        if (a[2 * i] == AT_NULL)
            CHECK(order[i] == AT_NULL);
        /* Later kernels have more: at known places they do not change. */
        CHECK(a[2 * i] == order[i]);
    }
}

static void
test_auxv_when_started_then_values_are_right(void)
{
    const Elf64_Phdr *segments = (const void *)getauxval(AT_PHDR);
    const char *vdso = (const char *)getauxval(AT_SYSINFO_EHDR);
    const unsigned char *random = (const void *)getauxval(AT_RANDOM);
    int loads = 0, zeros = 0;

    CHECK(getauxval(AT_PAGESZ) == 4096 && getauxval(AT_CLKTCK) == 100);
    CHECK(getauxval(AT_PHENT) == sizeof(Elf64_Phdr) && getauxval(AT_FLAGS) == 0);
    for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++)
        loads += segments[i].p_type == PT_LOAD;
    CHECK(loads > 0 && getauxval(AT_UID) == getuid() && getauxval(AT_EUID) == geteuid());
    CHECK(getauxval(AT_GID) == getgid() && getauxval(AT_EGID) == getegid());
    CHECK(getauxval(AT_SECURE) == 0);
    CHECK(strcmp((const char *)getauxval(AT_EXECFN), self) == 0);
    CHECK(strcmp((const char *)getauxval(AT_PLATFORM), "x86_64") == 0);
    CHECK(memcmp(vdso, ELFMAG, SELFMAG) == 0);
    for (int i = 0; i < 16; i++)
        zeros += random[i] == 0;
    CHECK(zeros < 4 && getauxval(AT_MINSIGSTKSZ) >= 1024);
}

/* Run PATH with "tell" by execveat; what it says, or "errno N". */
static const char *
run_at(int fd, const char *path, int flags, uid_t uid)
{
    static char text[1024];
    char *arguments[] = { "program", "tell", NULL };
    int ends[2];
    ssize_t n, got = 0;

    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        if (uid != 0)
            CHECK(setgid(uid) == 0 && setuid(uid) == 0);
        syscall(SYS_execveat, fd, path, arguments, arguments + 2, flags);
        dprintf(1, "errno %d", errno);
        _exit(0);
    }
    close(ends[1]);
    while ((n = read(ends[0], text + got, sizeof text - 1 - (size_t)got)) > 0)
        got += n;
    text[got] = '\0';
    close(ends[0]);
    CHECK_EXIT(child, 0);
    return text;
}

static int
says(const char *text, const char *expected)
{
    if (strstr(text, expected) == NULL)
        dprintf(2, "# \"%s\" lacks \"%s\"\n", text, expected);
    return strstr(text, expected) != NULL;
}

static int
error_is(const char *text, int error)
{
    char expected[32];

    snprintf(expected, sizeof expected, "errno %d", error);
    return says(text, expected);
}

static void
test_execveat_when_relative_then_from_the_descriptor(void)
{
    char directory[200], expected[300];
    const char *base = strrchr(self, '/');

    snprintf(directory, sizeof directory, "%.*s", (int)(base - self), self);
    int fd = open(directory, O_RDONLY | O_DIRECTORY), file = open(self, O_RDONLY);
    int path = open(self, O_PATH), closes = open(self, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && file >= 0 && path >= 0 && closes >= 0);
    snprintf(expected, sizeof expected, "name /dev/fd/%d%s\n", fd, base);
    CHECK(says(run_at(fd, base + 1, 0, 0), expected));
    snprintf(expected, sizeof expected, "name /dev/fd/%d\n", file);
    CHECK(says(run_at(file, "", AT_EMPTY_PATH, 0), expected));
    CHECK(says(run_at(path, "", AT_EMPTY_PATH, 0), "name "));
    CHECK(says(run_at(closes, "", AT_EMPTY_PATH, 0), "name "));
    snprintf(expected, sizeof expected, "name %s\n", self);
    CHECK(says(run_at(-1, self, 0, 0), expected));
    CHECK(error_is(run_at(file, "", 0, 0), ENOENT));
    CHECK(error_is(run_at(file, "x", 0, 0), ENOTDIR));
    CHECK(error_is(run_at(1000, "x", 0, 0), EBADF));
    CHECK(error_is(run_at(fd, base + 1, 0x10000, 0), EINVAL));
    CHECK(error_is(run_at(fd, "", AT_EMPTY_PATH, 0), EACCES));
    unlink("/tmp/start.link");
    CHECK(symlink(self, "/tmp/start.link") == 0);
    CHECK(error_is(run_at(AT_FDCWD, "/tmp/start.link", AT_SYMLINK_NOFOLLOW, 0), ELOOP));
    CHECK(says(run_at(AT_FDCWD, "/tmp/start.link", 0, 0), "name /tmp/start.link\n"));
}

static void
test_execveat_when_script_then_by_its_descriptor(void)
{
    char text[300], expected[64];
    int fd = open("/tmp/start.script", O_CREAT | O_TRUNC | O_WRONLY, 0755);

    snprintf(text, sizeof text, "#!%s tell\n", self);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) > 0 && close(fd) == 0);
    int closes = open("/tmp/start.script", O_RDONLY | O_CLOEXEC);
    int stays = open("/tmp/start.script", O_RDONLY);
    CHECK(error_is(run_at(closes, "", AT_EMPTY_PATH, 0), ENOENT));
    snprintf(expected, sizeof expected, "arg2 /dev/fd/%d\n", stays);
    CHECK(says(run_at(stays, "", AT_EMPTY_PATH, 0), expected));
}

static void
copy_self(int to)
{
    char block[65536];
    int from = open(self, O_RDONLY);
    ssize_t n;

    CHECK(from >= 0 && to >= 0);
    while ((n = read(from, block, sizeof block)) > 0)
        CHECK(write(to, block, (size_t)n) == n);
    close(from);
}

static void
test_execveat_when_memfd_then_runs_without_a_name(void)
{
    int fd = memfd_create("program", 0);
    char expected[64];

    copy_self(fd);
    CHECK(fchmod(fd, 0755) == 0);
    snprintf(expected, sizeof expected, "name /dev/fd/%d\n", fd);
    CHECK(says(run_at(fd, "", AT_EMPTY_PATH, 0), expected));
}

static void
test_exec_when_set_user_id_then_ids_and_secure(void)
{
    unlink("/tmp/start.suid");
    int fd = open("/tmp/start.suid", O_CREAT | O_TRUNC | O_WRONLY, 0755);

    copy_self(fd);
    CHECK(fchown(fd, 2000, 3000) == 0 && fchmod(fd, 04755) == 0 && close(fd) == 0);
    CHECK(says(run_at(AT_FDCWD, "/tmp/start.suid", 0, 1000),
               "ids 1000 2000 1000 1000 secure 1"));
    CHECK(chmod("/tmp/start.suid", 02755) == 0);
    CHECK(says(run_at(AT_FDCWD, "/tmp/start.suid", 0, 1000),
               "ids 1000 1000 1000 3000 secure 1"));
    CHECK(chmod("/tmp/start.suid", 0755) == 0);
    CHECK(says(run_at(AT_FDCWD, "/tmp/start.suid", 0, 1000),
               "ids 1000 1000 1000 1000 secure 0"));
    CHECK(chmod("/tmp/start.suid", 02644) == 0 && chmod("/tmp/start.suid", 02745) == 0);
    CHECK(says(run_at(AT_FDCWD, "/tmp/start.suid", 0, 1000), "secure")); /* g+x missing: */
}

static void
test_personality_when_not_random_then_places_repeat(void)
{
    char first[1024];

    CHECK(personality(0xffffffff) == 0);
    CHECK(personality(ADDR_NO_RANDOMIZE) == 0);
    CHECK(personality(0xffffffff) == ADDR_NO_RANDOMIZE);
    strcpy(first, run_at(-1, self, 0, 0));
    CHECK(strstr(first, "stack ") != NULL && strstr(first, "personality 40000") != NULL);
    for (int i = 0; i < 3; i++)
        CHECK(strcmp(first, run_at(-1, self, 0, 0)) == 0);
}

static void
test_personality_when_read_implies_exec_then_it_does(void)
{
    unsigned char code[] = { 0xb8, 7, 0, 0, 0, 0xc3 }; /* mov $7, %eax; ret */

    CHECK(personality(READ_IMPLIES_EXEC) == 0);
    char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    memcpy(p, code, sizeof code);
    CHECK(((int (*)(void))(uintptr_t)p)() == 7);
}

/* What the child of run_at says. */
static int
tell(int argc, char **argv)
{
    int local;
    char *heap = sbrk(0);

    printf("name %s\n", (const char *)getauxval(AT_EXECFN));
    if (argc > 2)
        printf("arg2 %s\n", argv[2]);
    printf("ids %d %d %d %d secure %lu\n", getuid(), geteuid(), getgid(), getegid(),
           getauxval(AT_SECURE));
    printf("stack %p heap %p map %p vdso %lx personality %x\n", (void *)&local, heap,
           mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
           getauxval(AT_SYSINFO_EHDR), personality(0xffffffff));
    return 0;
}

int
main(int argc, char **argv)
{
    self = argv[0];
    first_word = (uintptr_t *)argv - 1;
    if (argc > 1 && strcmp(argv[1], "tell") == 0)
        return tell(argc, argv);
    RUN(test_stack_when_started_then_as_the_abi_says, execve);
    RUN(test_auxv_when_started_then_values_are_right, execve);
    RUN(test_execveat_when_relative_then_from_the_descriptor, execveat);
    RUN(test_execveat_when_script_then_by_its_descriptor, execveat);
    RUN(test_execveat_when_memfd_then_runs_without_a_name, execveat, memfd_create);
    RUN(test_exec_when_set_user_id_then_ids_and_secure, execve, setuid);
    RUN(test_personality_when_not_random_then_places_repeat, personality);
    RUN(test_personality_when_read_implies_exec_then_it_does, personality);
    return check_failures != 0;
}
