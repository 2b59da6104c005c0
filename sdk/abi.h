/* SPDX-License-Identifier: MIT */
/*
 * Which contract with the kernel an image was built for: an ELF note, which the steward
 * reads before it starts a domain with the image (steward/elf.c).
 *
 * The link script puts `.note.feuerbird` into a PT_NOTE segment (sdk/window.ld).
 */
#ifndef SDK_ABI_H
#define SDK_ABI_H

#include <abi/layout.h>

#define ABI_NOTE_NAME "FeuerBird"
#define ABI_NOTE_TYPE 1u /* the version */

/* As ELF says: sizes of name and description, type, the name padded to 4 bytes. */
struct abi_note {
    fb_u32 name_bytes, bytes, type;
    char name[(sizeof(ABI_NOTE_NAME) + 3) / 4 * 4];
    fb_u32 version;
};

#define ABI_NOTE                                                                         \
    __attribute__((section(".note.feuerbird"), used,                                     \
                   aligned(4))) static const struct abi_note abi_note = {                \
        sizeof(ABI_NOTE_NAME), sizeof(fb_u32), ABI_NOTE_TYPE, ABI_NOTE_NAME,             \
        FB_ABI_VERSION                                                                   \
    }

#endif
