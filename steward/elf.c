/* SPDX-License-Identifier: MIT */
/* Personalities' images: see elf.h.  The images come from the build, and are checked all
 * the same. */
#include "steward/elf.h"
#include "steward/steward.h"

#include <elf.h>

#define ARCHIVE_VA (FB_WINDOW_BASE + 0x7800000000ull)

struct member {
    char name[48];
    u64 offset, bytes;
};
static const u8 *archive;
static u64 archive_bytes;

void
elf_init(void)
{
    u64 lo = BOOT->libos.lo, pages = (BOOT->libos.hi - lo + PAGE - 1) / PAGE;
    long error =
        window_map(0, ARCHIVE_VA, BOOT->cap_memory, lo / PAGE, pages, FB_MAP_READ, NULL);

    if (error || lo % PAGE != 0 || pages == 0)
        give_up("cannot map the personalities: %s", fb_error_name(error));
    archive = (const u8 *)ARCHIVE_VA;
    archive_bytes = BOOT->libos.hi - lo;
    if (memcmp(archive, "FBPACK01", 8) != 0)
        give_up("the archive of personalities is damaged");
}

static const struct member *
find_member(const char *name)
{
    u64 count = *(const u64 *)(archive + 8);
    const struct member *m = (const void *)(archive + 16);

    for (u64 i = 0; i < count && i < (PAGE - 16) / sizeof(*m); i++)
        if (strncmp(m[i].name, name, sizeof(m[i].name)) == 0 && m[i].offset % PAGE == 0 &&
            m[i].offset <= archive_bytes && m[i].bytes <= archive_bytes - m[i].offset)
            return &m[i];
    return NULL;
}

static bool
add_segment(struct elf_image *out, const struct member *m, const Elf64_Phdr *p)
{
    if (p->p_memsz == 0)
        return true;
    if (out->count == ELF_SEGMENTS || p->p_vaddr % PAGE != 0 ||
        (p->p_filesz && p->p_offset % PAGE != 0) || p->p_offset > m->bytes ||
        p->p_filesz > m->bytes - p->p_offset || p->p_filesz > p->p_memsz ||
        p->p_memsz > 1ull << 30 || p->p_vaddr < WINDOW_IMAGE ||
        p->p_vaddr + p->p_memsz > WINDOW_CB ||
        ((p->p_flags & PF_W) && (p->p_flags & PF_X)))
        return false;
    struct elf_segment *s = &out->segment[out->count++];
    *s = (struct elf_segment){
        .va = p->p_vaddr,
        .pages = (p->p_memsz + PAGE - 1) / PAGE,
        .file_frame = (BOOT->libos.lo + m->offset + p->p_offset) / PAGE,
        .bytes = archive + m->offset + p->p_offset,
        .file_bytes = p->p_filesz,
        .writable = p->p_flags & PF_W,
        .executable = p->p_flags & PF_X,
    };
    if (s->writable)
        out->data_pages += s->pages;
    else if (p->p_filesz != p->p_memsz)
        return false; /* read-only pages are the file's own */
    return true;
}

bool
elf_find(const char *name, struct elf_image *out, char *error, size_t size)
{
    const struct member *m = find_member(name);

    memset(out, 0, sizeof(*out));
    if (!m) {
        sdk_print_to(error, size, "there is no personality `%s`", name);
        return false;
    }
    const Elf64_Ehdr *e = (const void *)(archive + m->offset);
    sdk_print_to(error, size, "the image of personality `%s` is damaged", name);
    if (m->bytes < sizeof(*e) || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 ||
        e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_machine != EM_X86_64 ||
        e->e_type != ET_EXEC || e->e_phentsize != sizeof(Elf64_Phdr) ||
        e->e_phoff > m->bytes ||
        e->e_phnum > (m->bytes - e->e_phoff) / sizeof(Elf64_Phdr))
        return false;
    const Elf64_Phdr *p = (const void *)(archive + m->offset + e->e_phoff);
    for (u32 i = 0; i < e->e_phnum; i++)
        if (p[i].p_type == PT_LOAD && !add_segment(out, m, &p[i]))
            return false;
    out->entry = e->e_entry;
    return out->count > 0;
}
