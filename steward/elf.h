/* SPDX-License-Identifier: MIT */
/* Personalities: ELF images in the archive that tools/pack.py makes, checked before
 * anything is mapped. */
#ifndef STEWARD_ELF_H
#define STEWARD_ELF_H

#include <sdk/sdk.h>

#define ELF_SEGMENTS 8u
struct elf_segment {
    u64 va, pages;
    u64 file_frame;  /* of its first byte; read-only segments are mapped from there */
    const u8 *bytes; /* mapped for the steward */
    u64 file_bytes;
    bool writable, executable;
};
struct elf_image {
    u64 entry;
    u32 count;
    struct elf_segment segment[ELF_SEGMENTS];
    u64 data_pages; /* of the writable segments */
};

/* The image `personality:NAME` of an archive (archive.h); false, with a message: there is
 * none, it is damaged, or it was built for another ABI. */
bool elf_find(const char *name, struct elf_image *out, char *error, size_t size);

#endif
