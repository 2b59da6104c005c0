/* SPDX-License-Identifier: MIT */
/*
 * Archives of files that the machine is started with: the one inside the kernel file, and
 * the initrd where it is a *bundle* (tools/pack.py makes both).
 *
 * A member is named KIND:NAME, and begins at a page.  An initrd that is no bundle counts
 * as the one member `root:initrd`.  Both archives come from who starts the machine;
 * offsets and lengths are checked all the same.
 */
#ifndef STEWARD_ARCHIVE_H
#define STEWARD_ARCHIVE_H

#include <sdk/sdk.h>

struct archive_member {
    struct fb_range bytes; /* physical */
    const u8 *at;          /* where it is mapped for the steward: `personality`, `symbols` */
};

/* Once: map what the steward itself reads. */
void archive_init(void);
/* Of the bundle, else of the kernel file.  False: there is none. */
bool archive_find(const char *kind, const char *name, struct archive_member *out);
/* `root:initrd`, which `initrd yes` gives; lo == hi: none. */
struct fb_range archive_initrd(void);

#endif
