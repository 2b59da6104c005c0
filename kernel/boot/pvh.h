/* SPDX-License-Identifier: MIT */
/* What the boot loader left (pvh.c), and the free memory made of it (memory.c).  Private
 * to boot/. */
#ifndef KERNEL_BOOT_PVH_H
#define KERNEL_BOOT_PVH_H

#include "base/types.h"

/* Sorted ranges of frames that do not overlap. */
struct range_set {
    unsigned n;
    struct fb_range range[FB_BOOT_RANGES];
};

void range_add(struct range_set *set, frame_t lo, frame_t hi);
void range_remove(struct range_set *set, frame_t lo, frame_t hi);

struct boot_source {
    u64 rsdp;               /* physical, 0: not given */
    struct range_set ram;   /* all RAM that the firmware left free */
    struct fb_range initrd; /* bytes, physical */
};

/* Read hvm_start_info; the command line goes to boot_info.  What cannot be used is an
 * error line and a panic. */
void pvh_read(u64 start_info, struct boot_source *out);
/* The command line's options that the kernel itself obeys. */
void cmdline_parse(const char *line);
/* boot_info->free from the RAM, without kernel, blobs, initrd, and low memory. */
void memory_setup(const struct boot_source *from);
/* Frame records for all RAM; boot_frames works before and after. */
void memory_records(const struct boot_source *from);
/* From now on boot_frames may use all RAM, not only what the early tables map. */
void memory_all_mapped(void);

#endif
