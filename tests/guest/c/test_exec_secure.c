/* SPDX-License-Identifier: MIT */
/*
 * What a caller may not do to a program that gets more rights than he has: how its memory
 * is laid out, who moves its directory, who looks into it; programs where none may be;
 * interpreters that cannot be opened without waiting.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "check.h"

#define SUID "/tmp/secure.suid"
#define PLAIN "/tmp/secure.plain"
#define USER 1000
#define OWNER 2000

static void
copy_self(const char *to, mode_t mode, uid_t owner)
{
    static char block[65536];
    int in = open("/proc/self/exe", O_RDONLY), out;
    ssize_t n;

    unlink(to);
    out = open(to, O_CREAT | O_EXCL | O_WRONLY, 0755);
    CHECK(in >= 0 && out >= 0);
    while ((n = read(in, block, sizeof block)) > 0)
        CHECK(write(out, block, (size_t)n) == n);
    CHECK(n == 0 && fchown(out, owner, owner) == 0 && fchmod(out, mode) == 0);
    CHECK(close(in) == 0 && close(out) == 0);
}

static void
become_user(void)
{
    CHECK(setgid(USER) == 0 && setuid(USER) == 0);
}

/* Executes PROGRAM with WORDS in a child that `prepare` has changed: its exit status. */
static int
run(const char *program, const char *word, const char *more, void (*prepare)(void))
{
    int status;
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        prepare();
        execl(program, program, word, more, (char *)NULL);
        _exit(100);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* ---- the program that is executed ---- */

static int
probe(char **argv)
{
    struct rlimit stack;

    if (strcmp(argv[1], "layout") == 0) {
        CHECK(geteuid() == OWNER && getuid() == USER);
        CHECK(personality(0xffffffff) == 0);
        CHECK(getrlimit(RLIMIT_STACK, &stack) == 0);
        return stack.rlim_cur == 8u << 20 ? 42 : 43;
    }
    if (strcmp(argv[1], "ids") == 0)
        return geteuid() == OWNER ? 42 : 43;
    if (strcmp(argv[1], "again") == 0) {
        CHECK(prctl(PR_GET_DUMPABLE) != 1);
        execl(argv[2], argv[2], "dumpable", (char *)NULL);
        return 101;
    }
    CHECK(geteuid() == OWNER && getuid() == USER);
    return prctl(PR_GET_DUMPABLE) != 1 ? 42 : 43;
}

static void
shape_memory(void)
{
    struct rlimit stack = { 64u << 20, RLIM_INFINITY };

    become_user();
    CHECK(personality(ADDR_NO_RANDOMIZE) == 0);
    CHECK(setrlimit(RLIMIT_STACK, &stack) == 0);
}

static void
test_exec_when_set_id_then_caller_does_not_shape_memory(void)
{
    copy_self(SUID, 04755, OWNER);
    CHECK(run(SUID, "layout", NULL, shape_memory) == 42);
    CHECK(unlink(SUID) == 0);
}

static void
test_exec_when_ids_differ_then_not_dumpable(void)
{
    copy_self(SUID, 04755, OWNER);
    copy_self(PLAIN, 0755, 0);
    CHECK(run(SUID, "again", PLAIN, become_user) == 42);
    CHECK(unlink(SUID) == 0 && unlink(PLAIN) == 0);
}

static int
clone_child(unsigned long flags)
{
    return (int)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
}

static void
test_exec_when_place_is_shared_then_set_id_bits_do_not_count(void)
{
    int status;
    pid_t child;

    copy_self(SUID, 04755, OWNER);
    CHECK(run(SUID, "ids", NULL, become_user) == 42);
    become_user();
    child = clone_child(CLONE_FS);
    CHECK(child >= 0);
    if (child == 0) {
        execl(SUID, SUID, "ids", (char *)NULL);
        _exit(100);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 43);
    /* Nobody shares it any more. */
    CHECK(run(SUID, "ids", NULL, become_user) == 42);
}

static void
test_mmap_when_mount_is_noexec_then_no_programs(void)
{
    char *page;
    int fd;

    mkdir("/tmp/noexec", 0755);
    CHECK(mount("none", "/tmp/noexec", "tmpfs", MS_NOEXEC, "") == 0);
    fd = open("/tmp/noexec/file", O_CREAT | O_RDWR, 0755);
    CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
    CHECK_ERROR((long)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0), EPERM);
    CHECK_ERROR((long)mmap(NULL, 4096, PROT_EXEC, MAP_SHARED, fd, 0), EPERM);
    page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(page != MAP_FAILED);
    CHECK_ERROR(mprotect(page, 4096, PROT_READ | PROT_EXEC), EACCES);
    CHECK(mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
    CHECK(munmap(page, 4096) == 0);
    CHECK(personality(READ_IMPLIES_EXEC) == 0);
    page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(page != MAP_FAILED);
    CHECK(close(fd) == 0 && munmap(page, 4096) == 0);
    CHECK(umount("/tmp/noexec") == 0 && rmdir("/tmp/noexec") == 0);
}

static void
test_exec_when_interpreter_is_no_file_then_eacces_at_once(void)
{
    struct {
        Elf64_Ehdr header;
        Elf64_Phdr segments[2];
        char name[32];
    } image = { .name = "/tmp/secure.fifo" };
    char *const argv[] = { "program", NULL };
    int fd;

    memcpy(image.header.e_ident, ELFMAG, SELFMAG);
    image.header.e_ident[EI_CLASS] = ELFCLASS64;
    image.header.e_ident[EI_DATA] = ELFDATA2LSB;
    image.header.e_ident[EI_VERSION] = EV_CURRENT;
    image.header.e_type = ET_DYN;
    image.header.e_machine = EM_X86_64;
    image.header.e_version = EV_CURRENT;
    image.header.e_phoff = sizeof image.header;
    image.header.e_ehsize = sizeof image.header;
    image.header.e_phentsize = sizeof image.segments[0];
    image.header.e_phnum = 2;
    image.segments[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R,
                                      .p_filesz = sizeof image, .p_memsz = sizeof image,
                                      .p_align = 4096 };
    image.segments[1] = (Elf64_Phdr){ .p_type = PT_INTERP, .p_flags = PF_R,
                                      .p_offset = sizeof image - sizeof image.name,
                                      .p_filesz = strlen(image.name) + 1 };
    unlink(PLAIN);
    fd = open(PLAIN, O_CREAT | O_EXCL | O_WRONLY, 0755);
    CHECK(fd >= 0 && write(fd, &image, sizeof image) == sizeof image && close(fd) == 0);
    unlink(image.name);
    CHECK(mkfifo(image.name, 0755) == 0);
    alarm(5);
    CHECK_ERROR(execv(PLAIN, argv), EACCES);
    CHECK(unlink(image.name) == 0 && unlink(PLAIN) == 0);
}

int
main(int argc, char **argv)
{
    if (argc > 1)
        return probe(argv);
    RUN(test_exec_when_set_id_then_caller_does_not_shape_memory, execve, personality);
    RUN(test_exec_when_ids_differ_then_not_dumpable, execve, prctl);
    RUN(test_exec_when_place_is_shared_then_set_id_bits_do_not_count, execve, clone);
    RUN(test_mmap_when_mount_is_noexec_then_no_programs, mmap, mprotect);
    RUN(test_exec_when_interpreter_is_no_file_then_eacces_at_once, execve);
    return check_failures != 0;
}
