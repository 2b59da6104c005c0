/* SPDX-License-Identifier: MIT */
/* Reading and checking ELF64 headers (elf.h).  Nothing here knows of processes; the
 * fuzzer runs it as it is. */
#include "vm/elf.h"

#include "core/error.h"
#include "core/heap.h"
#include "core/string.h"

#define PHDRS_MAX_BYTES 65536u /* Linux's bound */
#define MACHINE_X86_64 62u

_Static_assert(sizeof(struct elf_header) == 64, "gABI: Elf64_Ehdr");
_Static_assert(sizeof(struct elf_segment) == 56, "gABI: Elf64_Phdr");

static int
check_header(const struct elf_header *h)
{
    static const u8 magic[] = { 0x7f, 'E', 'L', 'F', 2 /* 64 bits */,
                                1 /* little endian */ };
    if (memcmp(h->ident, magic, sizeof(magic)) != 0)
        return -E_NOEXEC;
    if ((h->type != ELF_TYPE_EXEC && h->type != ELF_TYPE_DYN) ||
        h->machine != MACHINE_X86_64)
        return -E_NOEXEC;
    if (h->phentsize != sizeof(struct elf_segment) || h->phnum == 0 ||
        h->phnum > PHDRS_MAX_BYTES / sizeof(struct elf_segment))
        return -E_NOEXEC;
    return 0;
}

static int
check_load(struct elf *e, const struct elf_segment *s)
{
    if (s->filesz > s->memsz || s->memsz > USER_TOP || s->vaddr > USER_TOP - s->memsz)
        return -E_INVAL;
    if (s->memsz == 0)
        return 0;
    if (s->filesz != 0 && (s->offset % PAGE_SIZE != s->vaddr % PAGE_SIZE ||
                           s->offset > (u64)INT64_MAX - s->filesz - PAGE_SIZE))
        return -E_INVAL;
    if (s->align > 1 && (s->align & (s->align - 1)) == 0 && s->align > e->align &&
        s->align <= 1ull << 30)
        e->align = s->align;
    uaddr low = PAGE_DOWN(s->vaddr), high = PAGE_UP(s->vaddr + s->memsz);
    e->low = MIN(e->low, low);
    e->high = MAX(e->high, high);
    u64 phoff = e->header.phoff;
    if (e->phdr == 0 && s->offset <= phoff && phoff - s->offset < s->filesz)
        e->phdr = phoff - s->offset + s->vaddr;
    return 0;
}

static int
check_segments(struct elf *e)
{
    e->low = USER_TOP;
    e->high = 0;
    e->align = PAGE_SIZE;
    for (u32 i = 0; i < e->header.phnum; i++) {
        const struct elf_segment *s = &e->segments[i];
        int rc = 0;
        if (s->type == ELF_LOAD)
            rc = check_load(e, s);
        else if (s->type == ELF_STACK)
            e->stack_exec = s->flags & ELF_X;
        else if (s->type == ELF_INTERP && !e->interp) {
            if (s->filesz < 2 || s->filesz > ELF_INTERP_MAX)
                rc = -E_NOEXEC;
            e->interp = s;
        }
        if (rc != 0)
            return rc;
    }
    return e->low < e->high ? 0 : -E_INVAL;
}

int
elf_read(struct elf *e, elf_read_fn read, void *arg)
{
    e->segments = e->few;
    e->phdr = 0;
    e->interp = NULL;
    e->stack_exec = false;
    int rc = read(arg, 0, &e->header, sizeof(e->header));
    if (rc == 0)
        rc = check_header(&e->header);
    if (rc != 0)
        return rc == -E_IO ? -E_NOEXEC : rc;
    size_t bytes = e->header.phnum * sizeof(struct elf_segment);
    if (e->header.phoff > (u64)INT64_MAX - bytes)
        return -E_NOEXEC;
    if (e->header.phnum > ELF_FEW) {
        e->segments = heap_alloc(bytes);
        if (!e->segments)
            return -E_NOMEM;
    }
    rc = read(arg, e->header.phoff, e->segments, bytes);
    if (rc == 0)
        rc = check_segments(e);
    if (rc != 0)
        elf_free(e);
    return rc == -E_IO ? -E_NOEXEC : rc;
}

void
elf_free(struct elf *e)
{
    if (e->segments != e->few)
        heap_free(e->segments);
    e->segments = e->few;
}
