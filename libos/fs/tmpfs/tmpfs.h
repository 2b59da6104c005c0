/* SPDX-License-Identifier: MIT */
/*
 * tmpfs: files in memory.  The file system of the root, of /tmp, and of anonymous shared
 * memory.
 *
 * Limit: half of the memory for pages of its own (pages taken over from an archive are
 * not counted): then -E_NOSPC.
 */
#ifndef LIBOS_FS_TMPFS_TMPFS_H
#define LIBOS_FS_TMPFS_TMPFS_H

#include "core/types.h"
#include "fs/tmpfs/source.h"

struct filesystem;
struct inode;

int tmpfs_create(struct filesystem **out) MUST_CHECK;
/* With the options of mount(2): size= nr_blocks= nr_inodes= mode= uid= gid=.  Both also
 * register the kinds tmpfs and ramfs; called by vfs_init. */
void tmpfs_init(void);
/* The contents of an empty file are [offset, offset + bytes) of an archive, which it
 * refers to until it has a copy or a frame of each page.  The source stays until
 * source->users is 0. */
void tmpfs_attach(struct inode *file, struct source *source, u64 offset, u64 bytes);
bool tmpfs_is_file(const struct inode *i); /* a regular file of a tmpfs? */
/* A file without a name, of this size; one reference. -E_NOMEM */
int tmpfs_shared_memory(u64 bytes, struct inode **out) MUST_CHECK;
struct tmpfs_counts {
    u64 inodes, pages, limit_pages;
};
void tmpfs_count(struct tmpfs_counts *out);

#endif
