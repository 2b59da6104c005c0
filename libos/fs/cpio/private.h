/* SPDX-License-Identifier: MIT */
/* The parser's view of one entry, and what puts it into the file system. */
#ifndef LIBOS_FS_CPIO_PRIVATE_H
#define LIBOS_FS_CPIO_PRIVATE_H

#include "core/types.h"
#include "fs/cpio/cpio.h"
#include "fs/tmpfs/source.h"

#define CPIO_NAME_MAX 4096u /* with its NUL */
#define CPIO_LINK_MAX 4096u

/* File types of the mode field; the archive's numbers are POSIX's of old. */
#define CPIO_TYPE(mode) ((mode)&0170000u)
#define CPIO_FILE 0100000u
#define CPIO_DIR 0040000u
#define CPIO_LINK 0120000u
#define CPIO_CHAR 0020000u
#define CPIO_BLOCK 0060000u
#define CPIO_FIFO 0010000u
#define CPIO_SOCKET 0140000u

struct cpio_entry {
    u32 ino, mode, uid, gid, nlink, mtime, body_bytes, major, minor, rdev_major,
        rdev_minor, name_bytes, checksum;
    bool checked;       /* 070702 */
    u64 body;           /* offset in the source */
    const char *name;   /* NUL-terminated, buffer of the parser */
    const char *target; /* of a symbolic link */
};
struct cpio_target; /* where entries go */
int cpio_target_new(struct cpio_target **out) MUST_CHECK;
void cpio_target_free(struct cpio_target *t); /* sets the directories' times */
int cpio_put(struct cpio_target *t, struct source *s,
             const struct cpio_entry *e) MUST_CHECK;
/* At the end of each archive: hard links do not reach from one to the next. */
void cpio_forget_links(struct cpio_target *t);

/* Parse one archive from *at on, up to behind its trailer (or the end). `put` as
 * cpio_put. */
struct cpio_parser {
    struct source *source;
    int (*put)(struct cpio_target *t, struct source *s, const struct cpio_entry *e);
    struct cpio_target *target;
    const char *why; /* of -E_INVAL */
    char *name;      /* CPIO_NAME_MAX */
    char *link;      /* CPIO_LINK_MAX + 1 */
    struct cpio_counts counts;
};
int cpio_parse(struct cpio_parser *p, u64 *at) MUST_CHECK;

#endif
