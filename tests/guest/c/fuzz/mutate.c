/* SPDX-License-Identifier: MIT */
/*
 * Programs that were spoilt, and executed: the caller's own file with bytes, headers or its
 * end changed, small files made of nothing but odd headers, static ones and such that ask
 * for an interpreter, and scripts with strange first lines; with odd arguments.
 */
#include "fuzz.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#define FILE_NAME "spoilt"
#define HEADERS 12
#define SMALL_BYTES 12288

static const char *const interpreters[] = {
    "self", "spoilt", "a", "null", "d", "loop", "", "proc/self/exe", "d/fifo", "missing", "./a",
};

static const char *
interpreter(struct stream *s)
{
    return interpreters[below(s, sizeof interpreters / sizeof interpreters[0])];
}

static u64
odd(struct stream *s, u64 good)
{
    switch (below(s, 5)) {
    case 0:
        return edge(s);
    case 1:
        return address(s);
    case 2:
        return good ^ 1ull << below(s, 64);
    case 3:
        return good + below(s, 8192) - 4096;
    default:
        return below(s, 70000);
    }
}

static void
spoil_header(struct stream *s, Elf64_Phdr *p)
{
    static const unsigned types[] = { PT_NULL, PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_PHDR,
                                      PT_TLS, PT_GNU_STACK, PT_GNU_PROPERTY, PT_GNU_RELRO };

    switch (below(s, 8)) {
    case 0:
        p->p_type = types[below(s, 10)];
        break;
    case 1:
        p->p_flags = (unsigned)next(s);
        break;
    case 2:
        p->p_offset = odd(s, p->p_offset);
        break;
    case 3:
        p->p_vaddr = odd(s, p->p_vaddr);
        break;
    case 4:
        p->p_filesz = odd(s, p->p_filesz);
        break;
    case 5:
        p->p_memsz = odd(s, p->p_memsz);
        break;
    case 6:
        p->p_align = odd(s, p->p_align);
        break;
    default:
        p->p_filesz = p->p_memsz = odd(s, p->p_memsz);
        break;
    }
}

static void
spoil_start(struct stream *s, Elf64_Ehdr *e)
{
    switch (below(s, 7)) {
    case 0:
        e->e_entry = odd(s, e->e_entry);
        break;
    case 1:
        e->e_phoff = odd(s, e->e_phoff);
        break;
    case 2:
        e->e_phnum = (unsigned short)odd(s, e->e_phnum);
        break;
    case 3:
        e->e_phentsize = (unsigned short)odd(s, e->e_phentsize);
        break;
    case 4:
        e->e_type = (unsigned short)below(s, 5);
        break;
    case 5:
        e->e_machine = (unsigned short)next(s);
        break;
    default:
        e->e_ident[below(s, EI_NIDENT)] = (unsigned char)next(s);
        break;
    }
}

/* Its own file, of which some is changed. */
static void
spoil_self(struct stream *s, int fd)
{
    union { Elf64_Ehdr e; unsigned char bytes[2048]; } file;
    int self = open("self", O_RDONLY);

    while (self >= 0 && sendfile(fd, self, NULL, 1 << 20) > 0)
        ;
    close(self);
    if (pread(fd, &file, sizeof file, 0) != sizeof file)
        return;
    Elf64_Phdr *p = (void *)(file.bytes + 64);
    u64 count = file.e.e_phnum < HEADERS ? file.e.e_phnum : HEADERS;
    for (u64 i = 0, n = below(s, 4); i < n; i++)
        spoil_header(s, &p[below(s, count + 1)]);
    if (below(s, 4) == 0)
        spoil_start(s, &file.e);
    for (u64 i = 0, n = below(s, 3) ? 0 : below(s, 30); i < n; i++)
        file.bytes[below(s, below(s, 2) ? 600 : 2048)] ^= (unsigned char)(1u << below(s, 8));
    pwrite(fd, &file, sizeof file, 0);
    if (below(s, 6) == 0)
        ftruncate(fd, (off_t)below(s, 60000));
}

/* A few pages: headers, code that ends it, the name of an interpreter, a note. */
static void
make_small(struct stream *s, int fd)
{
    static const unsigned char code[] = { 0xbf, 5, 0, 0, 0, 0xb8, 231, 0, 0, 0, 0x0f, 0x05, 0xf4 };
    static union { Elf64_Ehdr e; unsigned char bytes[SMALL_BYTES]; } f;
    u64 base = below(s, 2) ? 0x10000 * (1 + below(s, 100)) : 0, n = 1 + below(s, HEADERS);
    Elf64_Phdr *p = (void *)(f.bytes + 64);

    memset(&f, 0, sizeof f);
    memcpy(f.bytes, "\177ELF\2\1\1", 7);
    f.e.e_type = base != 0 ? ET_EXEC : ET_DYN;
    f.e.e_machine = EM_X86_64;
    f.e.e_version = 1;
    f.e.e_entry = base + 4096;
    f.e.e_phoff = f.e.e_ehsize = 64;
    f.e.e_phentsize = 56;
    f.e.e_phnum = (unsigned short)n;
    memcpy(f.bytes + 4096, code, sizeof code);
    strcpy((char *)f.bytes + 1024, interpreter(s));
    for (u64 i = 0; i < n; i++) {
        u64 page = below(s, 3) * 4096;
        p[i] = (Elf64_Phdr){ PT_LOAD, (unsigned)below(s, 8), page, base + page + 8192 * i, 0,
                             1 + below(s, 9000), 1 + below(s, 30000), 4096 };
        if (i == 0)
            p[i] = (Elf64_Phdr){ PT_LOAD, 5, 0, base, base, 8192, 8192, 4096 };
        else if (below(s, 4) == 0)
            p[i] = (Elf64_Phdr){ PT_INTERP, 4, 1024, base + 1024, 0,
                                 below(s, 4) ? strlen((char *)f.bytes + 1024) + 1
                                             : odd(s, 10), 16, 1 };
        else if (below(s, 4) == 0)
            p[i].p_type = below(s, 2) ? PT_NOTE : PT_GNU_PROPERTY;
        while (below(s, 3) == 0)
            spoil_header(s, &p[i]);
    }
    if (below(s, 5) == 0)
        spoil_start(s, &f.e);
    write(fd, f.bytes, below(s, 4) ? sizeof f : below(s, sizeof f));
}

static void
make_script(struct stream *s, int fd)
{
    char line[600] = "#!";
    size_t at = 2;

    while (below(s, 3) == 0)
        line[at++] = " \t\0\r"[below(s, 4)];
    at += (size_t)sprintf(line + at, "%s", interpreter(s));
    if (below(s, 6) == 0) {
        size_t more = below(s, 400);
        memset(line + at, below(s, 2) ? 'x' : '/', more);
        at += more;
    }
    if (below(s, 2))
        at += (size_t)sprintf(line + at, "%s-%lx", below(s, 2) ? " " : "\t \t", next(s));
    if (below(s, 5))
        line[at++] = '\n';
    write(fd, line, at);
}

/* Where the calls that race with it may write: the strings change while they are copied. */
static u64 *
odd_strings(struct stream *s)
{
    u64 *list = (u64 *)(ARENA + below(s, 8) * PAGE);
    u64 n = below(s, 6) ? below(s, 12) : below(s, 500);

    for (u64 i = 0; i < n; i++)
        list[i] = below(s, 100) == 0 ? address(s)
                                     : (u64)ARENA + below(s, ARENA_PAGES * PAGE - 1);
    list[n] = 0;
    ARENA[ARENA_PAGES * PAGE - 1] = 0;
    return below(s, 20) == 0 ? NULL : list;
}

void
exec_spoilt(struct stream *s)
{
    unlink(FILE_NAME);
    int fd = open(FILE_NAME, O_CREAT | O_TRUNC | O_RDWR, 0777);
    u64 what = below(s, 8);

    if (fd < 0)
        return;
    if (what < 3)
        spoil_self(s, fd);
    else if (what < 6)
        make_small(s, fd);
    else
        make_script(s, fd);
    if (below(s, 30))
        close(fd);
    /* a program that runs on must come to its end: it would call main without arguments */
    static char *const names[] = { FILE_NAME, NULL };
    if (below(s, 2))
        RAW(SYS_execve, FILE_NAME, names, odd_strings(s));
    else if (below(s, 4))
        RAW(SYS_execve, FILE_NAME, odd_strings(s), odd_strings(s));
    else
        raw(SYS_execveat, (u64)fd, (u64)FILE_NAME, (u64)names, (u64)names, below(s, 3) << 12, 0);
}
