/* SPDX-License-Identifier: MIT */
/*
 * Programs with an interpreter (PT_INTERP): the interpreter starts, with the program's
 * headers in the auxiliary vector; and the errors of execve for each fault of either.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"

/* The code of the program: exit(33).  Of the interpreter: exit(44). */
static const unsigned char code[] = { 0xb8, 60, 0, 0, 0, 0xbf, 33, 0, 0, 0, 0x0f, 0x05 };
#define PROGRAM "/tmp/interp.program"
#define INTERPRETER "/tmp/interp.ld"

struct image {
    Elf64_Ehdr header;
    Elf64_Phdr segments[3];
    char name[64];
    unsigned char code[16];
};

static struct image
make_image(uint16_t type, uint64_t base, unsigned char status)
{
    struct image image = { 0 };

    memcpy(image.header.e_ident, ELFMAG, SELFMAG);
    image.header.e_ident[EI_CLASS] = ELFCLASS64;
    image.header.e_ident[EI_DATA] = ELFDATA2LSB;
    image.header.e_ident[EI_VERSION] = EV_CURRENT;
    image.header.e_type = type;
    image.header.e_machine = EM_X86_64;
    image.header.e_version = EV_CURRENT;
    image.header.e_entry = base + offsetof(struct image, code);
    image.header.e_phoff = offsetof(struct image, segments);
    image.header.e_ehsize = sizeof(Elf64_Ehdr);
    image.header.e_phentsize = sizeof(Elf64_Phdr);
    image.header.e_phnum = 1;
    image.segments[0].p_type = PT_LOAD;
    /* Linux clears the rest of the page behind an interpreter's last segment. */
    image.segments[0].p_flags = PF_R | PF_W | PF_X;
    image.segments[0].p_vaddr = base;
    image.segments[0].p_filesz = sizeof image;
    image.segments[0].p_memsz = sizeof image;
    image.segments[0].p_align = 4096;
    memcpy(image.code, code, sizeof code);
    image.code[6] = status;
    return image;
}

static struct image
with_interpreter(uint16_t type, uint64_t base, const char *name)
{
    struct image image = make_image(type, base, 33);

    image.header.e_phnum = 2;
    image.segments[1].p_type = PT_INTERP;
    image.segments[1].p_offset = offsetof(struct image, name);
    image.segments[1].p_filesz = strlen(name) + 1;
    strcpy(image.name, name);
    return image;
}

static void
write_file(const char *path, const void *bytes, size_t length, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0700);

    CHECK(fd >= 0 && write(fd, bytes, length) == (ssize_t)length);
    CHECK(fchmod(fd, mode) == 0 && close(fd) == 0);
}

/* The program's exit status, or -errno; -1000 - signal. */
static int
start(const struct image *image)
{
    char *arguments[] = { "program", NULL };
    int status, ends[2], error = 0;

    write_file(PROGRAM, image, sizeof *image, 0755);
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    pid_t child = fork();
    if (child == 0) {
        execve(PROGRAM, arguments, arguments + 1);
        error = errno;
        (void)!write(ends[1], &error, sizeof error);
        _exit(0);
    }
    close(ends[1]);
    if (read(ends[0], &error, sizeof error) != sizeof error)
        error = 0;
    close(ends[0]);
    status = check_wait(child);
    return error != 0          ? -error
           : WIFEXITED(status) ? WEXITSTATUS(status)
                               : -1000 - WTERMSIG(status);
}

static int
is(int result, int expected)
{
    if (result != expected)
        dprintf(2, "# %d, not %d\n", result, expected);
    return result == expected;
}

static void
good_interpreter(void)
{
    struct image image = make_image(ET_DYN, 0, 44);

    write_file(INTERPRETER, &image, sizeof image, 0755);
}

static void
test_exec_when_it_has_an_interpreter_then_that_starts(void)
{
    struct image image = with_interpreter(ET_EXEC, 0x400000, INTERPRETER);

    good_interpreter();
    CHECK(is(start(&image), 44));
    image = with_interpreter(ET_DYN, 0, INTERPRETER);
    CHECK(is(start(&image), 44));
    image = make_image(ET_DYN, 0, 55); /* static and position-independent */
    CHECK(is(start(&image), 55));
    image = make_image(ET_EXEC, 0x7000000, 56);
    CHECK(is(start(&image), 56));
    /* The interpreter may be at a place of its own. */
    struct image fixed = make_image(ET_EXEC, 0x10000000, 45);
    write_file(INTERPRETER, &fixed, sizeof fixed, 0755);
    image = with_interpreter(ET_EXEC, 0x400000, INTERPRETER);
    CHECK(is(start(&image), 45));
}

static void
test_exec_when_interpreter_is_missing_or_closed_then_error(void)
{
    struct image image = with_interpreter(ET_DYN, 0, "/tmp/interp.none");

    CHECK(is(start(&image), -ENOENT));
    image = with_interpreter(ET_DYN, 0, "/tmp");
    CHECK(is(start(&image), -EACCES));
    good_interpreter();
    CHECK(chmod(INTERPRETER, 0644) == 0);
    image = with_interpreter(ET_DYN, 0, INTERPRETER);
    CHECK(is(start(&image), -EACCES));
    good_interpreter();
    int fd = open(INTERPRETER, O_WRONLY);
    CHECK(fd >= 0 && is(start(&image), -ETXTBSY));
    close(fd);
    CHECK(is(start(&image), 44));
}

static void
test_exec_when_interpreter_is_no_program_then_elibbad(void)
{
    struct image image = with_interpreter(ET_DYN, 0, INTERPRETER), bad;
    static char text[4096] = "#!/bin/sh\n";

    write_file(INTERPRETER, text, sizeof text, 0755);
    CHECK(is(start(&image), -ELIBBAD));
    bad = make_image(ET_DYN, 0, 44);
    bad.header.e_machine = EM_386;
    write_file(INTERPRETER, &bad, sizeof bad, 0755);
    CHECK(is(start(&image), -ELIBBAD));
    bad = make_image(ET_DYN, 0, 44);
    bad.header.e_phentsize = 32;
    write_file(INTERPRETER, &bad, sizeof bad, 0755);
    CHECK(is(start(&image), -ELIBBAD));
    bad = make_image(ET_DYN, 0, 44);
    bad.header.e_phnum = 0;
    write_file(INTERPRETER, &bad, sizeof bad, 0755);
    CHECK(is(start(&image), -ELIBBAD));
    write_file(INTERPRETER, text, 10, 0755);
    CHECK(is(start(&image), -EIO)); /* too short for a header */
}

static void
test_exec_when_interpreter_name_is_wrong_then_enoexec(void)
{
    struct image image = with_interpreter(ET_DYN, 0, INTERPRETER);

    good_interpreter();
    image.segments[1].p_filesz--; /* not terminated */
    CHECK(is(start(&image), -ENOEXEC));
    image.segments[1].p_filesz = 1;
    CHECK(is(start(&image), -ENOEXEC));
    image.segments[1].p_filesz = 4097;
    CHECK(is(start(&image), -ENOEXEC));
    image.segments[1].p_filesz = strlen(INTERPRETER) + 1;
    image.segments[1].p_offset = 1 << 20; /* beyond the file */
    CHECK(is(start(&image), -EIO));
}

static void
test_exec_when_header_is_wrong_then_enoexec(void)
{
    struct image image = make_image(ET_REL, 0x400000, 33);

    CHECK(is(start(&image), -ENOEXEC));
    image = make_image(ET_EXEC, 0x400000, 33);
    image.header.e_machine = EM_386;
    CHECK(is(start(&image), -ENOEXEC));
    image = make_image(ET_EXEC, 0x400000, 33);
    image.header.e_phentsize = 40;
    CHECK(is(start(&image), -ENOEXEC));
    image = make_image(ET_EXEC, 0x400000, 33);
    image.header.e_phnum = 0;
    CHECK(is(start(&image), -ENOEXEC));
    image.header.e_phnum = 2000; /* more than 64 KiB */
    CHECK(is(start(&image), -ENOEXEC));
    image = make_image(ET_EXEC, 0x400000, 33);
    image.header.e_ident[EI_MAG3] = 'X';
    CHECK(is(start(&image), -ENOEXEC));
}

int
main(void)
{
    RUN(test_exec_when_it_has_an_interpreter_then_that_starts, execve);
    RUN(test_exec_when_interpreter_is_missing_or_closed_then_error, execve);
    RUN(test_exec_when_interpreter_is_no_program_then_elibbad, execve);
    RUN(test_exec_when_interpreter_name_is_wrong_then_enoexec, execve);
    RUN(test_exec_when_header_is_wrong_then_enoexec, execve);
    return check_failures != 0;
}
