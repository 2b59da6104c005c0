/* SPDX-License-Identifier: MIT */
/* Personalities' images: see elf.h.  The images come from the build, and are checked all
 * the same. */
#include "steward/archive.h"
#include "steward/elf.h"
#include "steward/steward.h"

#include <elf.h>
#include <sdk/abi.h>

static bool
add_segment(struct elf_image *out, const struct archive_member *m, const Elf64_Phdr *p)
{
    u64 bytes = m->bytes.hi - m->bytes.lo;

    if (p->p_memsz == 0)
        return true;
    if (out->count == ELF_SEGMENTS || p->p_vaddr % PAGE != 0 ||
        (p->p_filesz && p->p_offset % PAGE != 0) || p->p_offset > bytes ||
        p->p_filesz > bytes - p->p_offset || p->p_filesz > p->p_memsz ||
        p->p_memsz > 1ull << 30 || p->p_vaddr < WINDOW_IMAGE ||
        p->p_vaddr + p->p_memsz > WINDOW_CB ||
        ((p->p_flags & PF_W) && (p->p_flags & PF_X)))
        return false;
    struct elf_segment *s = &out->segment[out->count++];
    *s = (struct elf_segment){
        .va = p->p_vaddr,
        .pages = (p->p_memsz + PAGE - 1) / PAGE,
        .file_frame = (m->bytes.lo + p->p_offset) / PAGE,
        .bytes = m->at + p->p_offset,
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

/* The ABI version that the image's note names (sdk/abi.h), 0: none. */
static u32
note_version(const struct archive_member *m, const Elf64_Phdr *p, u32 count)
{
    u64 bytes = m->bytes.hi - m->bytes.lo;

    for (u32 i = 0; i < count; i++) {
        const struct abi_note *note = (const void *)(m->at + p[i].p_offset);
        if (p[i].p_type == PT_NOTE && p[i].p_offset % 4 == 0 &&
            p[i].p_filesz >= sizeof(*note) && p[i].p_offset <= bytes &&
            sizeof(*note) <= bytes - p[i].p_offset &&
            note->name_bytes == sizeof(ABI_NOTE_NAME) && note->bytes == 4 &&
            note->type == ABI_NOTE_TYPE &&
            memcmp(note->name, ABI_NOTE_NAME, sizeof(ABI_NOTE_NAME)) == 0)
            return note->version;
    }
    return 0;
}

bool
elf_find(const char *name, struct elf_image *out, char *error, size_t size)
{
    struct archive_member m;

    memset(out, 0, sizeof(*out));
    if (!archive_find("personality", name, &m)) {
        sdk_print_to(error, size, "there is no personality `%s`", name);
        return false;
    }
    u64 bytes = m.bytes.hi - m.bytes.lo;
    const Elf64_Ehdr *e = (const void *)m.at;
    sdk_print_to(error, size, "the image of personality `%s` is damaged", name);
    if (bytes < sizeof(*e) || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 ||
        e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_machine != EM_X86_64 ||
        e->e_type != ET_EXEC || e->e_phentsize != sizeof(Elf64_Phdr) ||
        e->e_phoff > bytes || e->e_phoff % 8 != 0 ||
        e->e_phnum > (bytes - e->e_phoff) / sizeof(Elf64_Phdr))
        return false;
    const Elf64_Phdr *p = (const void *)(m.at + e->e_phoff);
    u32 version = note_version(&m, p, e->e_phnum);
    if (version != FB_ABI_VERSION) {
        sdk_print_to(error, size,
                     version ? "personality `%s` is built for ABI %u; this system has %u"
                             : "personality `%s` does not say for which ABI it is built",
                     name, version, FB_ABI_VERSION);
        return false;
    }
    for (u32 i = 0; i < e->e_phnum; i++)
        if (p[i].p_type == PT_LOAD && !add_segment(out, &m, &p[i]))
            return false;
    out->entry = e->e_entry;
    return out->count > 0;
}
