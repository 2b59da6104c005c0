/* SPDX-License-Identifier: MIT */
/*
 * Damaged and hostile program files.  execve answers with an error, or, once the old
 * program is gone, the process ends by a signal; nobody else is hurt.
 */
#define _GNU_SOURCE
#include "check.h"

#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* A whole program, whose code is: mov $60, %eax; mov $33, %edi; syscall. */
static const unsigned char code[] = { 0xb8, 60, 0, 0, 0, 0xbf, 33, 0, 0, 0, 0x0f, 0x05 };
#define BASE 0x400000

struct image {
    Elf64_Ehdr header;
    Elf64_Phdr segments[2];
    unsigned char code[sizeof code];
};

static struct image
good_image(void)
{
    struct image image = { 0 };

    memcpy(image.header.e_ident, ELFMAG, SELFMAG);
    image.header.e_ident[EI_CLASS] = ELFCLASS64;
    image.header.e_ident[EI_DATA] = ELFDATA2LSB;
    image.header.e_ident[EI_VERSION] = EV_CURRENT;
    image.header.e_type = ET_EXEC;
    image.header.e_machine = EM_X86_64;
    image.header.e_version = EV_CURRENT;
    image.header.e_entry = BASE + offsetof(struct image, code);
    image.header.e_phoff = offsetof(struct image, segments);
    image.header.e_ehsize = sizeof(Elf64_Ehdr);
    image.header.e_phentsize = sizeof(Elf64_Phdr);
    image.header.e_phnum = 1;
    image.segments[0].p_type = PT_LOAD;
    image.segments[0].p_flags = PF_R | PF_X;
    image.segments[0].p_vaddr = BASE;
    image.segments[0].p_filesz = sizeof image;
    image.segments[0].p_memsz = sizeof image;
    image.segments[0].p_align = 4096;
    memcpy(image.code, code, sizeof code);
    return image;
}

/* Start BYTES as a program.  Returns its wait status, or -errno if execve failed. */
static int
start(const void *bytes, size_t length)
{
    char *arguments[] = { "program", NULL };
    int ends[2], error = 0, status;
    int fd;
    pid_t child;

    unlink("program");
    fd = open("program", O_CREAT | O_WRONLY, 0755);
    CHECK(fd >= 0 && write(fd, bytes, length) == (ssize_t)length && close(fd) == 0);
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    child = fork();
    if (child == 0) {
        alarm(5);
        execv("./program", arguments);
        error = errno;
        (void)!write(ends[1], &error, sizeof error);
        _exit(99);
    }
    close(ends[1]);
    CHECK(read(ends[0], &error, sizeof error) >= 0);
    close(ends[0]);
    status = check_wait(child);
    return error != 0 ? -error : status;
}

static int
failed(int result)
{
    return result < 0 || WIFSIGNALED(result);
}

static void
test_exec_when_small_program_is_good_then_runs(void)
{
    struct image image = good_image();
    int result = start(&image, sizeof image);

    CHECK(result >= 0 && WIFEXITED(result) && WEXITSTATUS(result) == 33);
}

static void
test_exec_when_header_is_wrong_then_enoexec(void)
{
    struct image image = good_image();

    image.header.e_ident[0] = 0x7e;
    CHECK(start(&image, sizeof image) == -ENOEXEC);
    image = good_image();
    image.header.e_machine = EM_AARCH64;
    CHECK(start(&image, sizeof image) == -ENOEXEC);
    image = good_image();
    image.header.e_type = ET_REL;
    CHECK(start(&image, sizeof image) == -ENOEXEC);
    image = good_image();
    image.header.e_type = ET_CORE;
    CHECK(start(&image, sizeof image) == -ENOEXEC);
    image = good_image();
    image.header.e_phentsize = 32;
    CHECK(start(&image, sizeof image) == -ENOEXEC);
    image = good_image();
    image.header.e_phnum = 0;
    CHECK(failed(start(&image, sizeof image)));
    image = good_image();
    image.header.e_phnum = 0xffff;
    CHECK(failed(start(&image, sizeof image)));
}

static void
test_exec_when_offsets_lie_outside_then_error(void)
{
    static const uint64_t bad[] = { 1 << 20, 0x7fffffffffffffff, 0x8000000000000000,
                                    0xffffffffffffffff, 0xfffffffffffff000 };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct image image = good_image();

        image.header.e_phoff = bad[i];
        CHECK(failed(start(&image, sizeof image)));
        image = good_image();
        image.segments[0].p_offset = bad[i];
        CHECK(failed(start(&image, sizeof image)));
        image = good_image();
        image.segments[0].p_vaddr = bad[i];
        CHECK(failed(start(&image, sizeof image)));
        image = good_image();
        image.segments[0].p_memsz = bad[i] | (uint64_t)1 << 47;
        CHECK(failed(start(&image, sizeof image)));
    }
}

static void
test_exec_when_segment_is_in_foreign_memory_then_error(void)
{
    static const uint64_t places[] = { 0x7ffffffff000, 0x800000000000,
                                       0xffff800000000000, 0xffffffff80200000, 0 };

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct image image = good_image();

        image.segments[0].p_vaddr = places[i];
        image.header.e_entry = places[i] + offsetof(struct image, code);
        if (places[i] < (uint64_t)1 << 48) {
            /* Some systems have page 0, or larger addresses; it must only do no harm. */
            start(&image, sizeof image);
            continue;
        }
        CHECK(failed(start(&image, sizeof image)));
    }
}

static void
test_exec_when_entry_is_wild_then_segv(void)
{
    static const uint64_t entries[] = { 0, 0x10, BASE + 0x100000, 0xffff800000001000,
                                        0xffffffff80000000, 0x8000000000000000 };

    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        struct image image = good_image();

        image.header.e_entry = entries[i];
        CHECK(failed(start(&image, sizeof image)));
    }
}

static void
test_exec_when_segment_lacks_rights_then_no_harm(void)
{
    /* Verify that the page in which the file's part ends is made with any rights. */
    for (uint32_t rights = 0; rights < 8; rights++) {
        struct image image = good_image();

        image.segments[0].p_flags = rights;
        image.segments[0].p_memsz = 8192;
        (void)start(&image, sizeof image);
        image.segments[0].p_flags = PF_R | PF_X;
        image.segments[0].p_memsz = sizeof image;
        image.segments[1] = image.segments[0];
        image.segments[1].p_vaddr = BASE + 0x10000;
        image.segments[1].p_memsz = 8192;
        image.segments[1].p_flags = rights;
        image.header.e_phnum = 2;
        (void)start(&image, sizeof image);
    }
}

static void
test_exec_when_file_is_larger_than_memory_then_error(void)
{
    struct image image = good_image();

    image.segments[0].p_memsz = 16;
    CHECK(failed(start(&image, sizeof image)));
}

static void
test_exec_when_interpreter_is_wrong_then_error(void)
{
    struct image image = good_image();

    image.header.e_phnum = 2;
    image.segments[1].p_type = PT_INTERP;
    image.segments[1].p_offset = offsetof(struct image, code);
    image.segments[1].p_filesz = sizeof code;
    CHECK(failed(start(&image, sizeof image)));
    image.segments[1].p_filesz = 0;
    CHECK(failed(start(&image, sizeof image)));
    image.segments[1].p_filesz = (uint64_t)1 << 40;
    CHECK(failed(start(&image, sizeof image)));
    image.segments[1].p_offset = (uint64_t)1 << 40;
    image.segments[1].p_filesz = 10;
    CHECK(failed(start(&image, sizeof image)));
}

static void
test_exec_when_cut_off_then_error(void)
{
    struct image image = good_image();

    for (size_t length = 0; length < offsetof(struct image, code); length++)
        CHECK(failed(start(&image, length)));
}

static void
test_exec_when_mutated_at_random_then_no_harm(void)
{
    uint32_t seed = 2463534242;
    struct image image;

    for (int round = 0; round < 300; round++) {
        unsigned char *bytes = (unsigned char *)&image;

        image = good_image();
        for (int change = 0; change < 1 + round % 4; change++) {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            bytes[16 + seed % (offsetof(struct image, code) - 16)] =
                (unsigned char)(seed >> 16);
        }
        start(&image, sizeof image);
    }
    image = good_image();
    CHECK(WEXITSTATUS(start(&image, sizeof image)) == 33);
}

int
main(void)
{
    char directory[] = "/tmp/test_elf.XXXXXX";

    if (mkdtemp(directory) == NULL || chdir(directory) < 0)
        return 1;
    RUN(test_exec_when_small_program_is_good_then_runs);
    RUN(test_exec_when_header_is_wrong_then_enoexec);
    RUN(test_exec_when_offsets_lie_outside_then_error);
    RUN(test_exec_when_segment_is_in_foreign_memory_then_error);
    RUN(test_exec_when_entry_is_wild_then_segv);
    RUN(test_exec_when_segment_lacks_rights_then_no_harm);
    RUN(test_exec_when_file_is_larger_than_memory_then_error);
    RUN(test_exec_when_interpreter_is_wrong_then_error);
    RUN(test_exec_when_cut_off_then_error);
    RUN(test_exec_when_mutated_at_random_then_no_harm);
    return check_failures != 0;
}
