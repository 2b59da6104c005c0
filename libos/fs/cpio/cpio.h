/* SPDX-License-Identifier: MIT */
/*
 * Unpacking an initramfs into the root: cpio archives in the "newc" formats (070701, and
 * 070702 with checksums), as many as there are, each plain or in a gzip member, with
 * zeros between them.
 *
 * Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst; what is not
 * said there is done as Linux does.
 */
#ifndef LIBOS_FS_CPIO_CPIO_H
#define LIBOS_FS_CPIO_CPIO_H

#include "core/types.h"
#include "fs/tmpfs/source.h"

struct cpio_counts {
    u64 entries, files, file_bytes;
};
/*
 * Unpack `archive`, whose files then refer to it (fs/tmpfs/source.h); the root must be
 * mounted.  Errors are logged, and what was unpacked before one stays.  -E_INVAL: not an
 * archive, or damaged; -E_NOTSUP: a compression other than gzip; -E_NOMEM -E_NOSPC, and
 * what the file system says.  `counts` may be NULL.
 */
int cpio_unpack(struct source *archive, struct cpio_counts *counts) MUST_CHECK;
/* The machine's initial archive; 0 also when there is none (*found tells). */
int cpio_unpack_initrd(bool *found) MUST_CHECK;
/* Log name of the compression that these bytes begin like, or NULL. */
const char *cpio_compression(const u8 *data, u64 bytes);

#endif
