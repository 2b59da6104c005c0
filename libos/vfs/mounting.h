/* SPDX-License-Identifier: MIT */
/* Private to vfs/mount*.c: how the tree of mounts is changed (vfs/mount.h). */
#ifndef LIBOS_VFS_MOUNTING_H
#define LIBOS_VFS_MOUNTING_H

#include "vfs/dentry.h"

extern struct mutex mount_mutex;
extern u32 mount_count; /* in the tree; dentry_lock */

/* mount_mutex is held.  A mount without a place, of `root` (NULL: the file system's own);
 * one reference. */
int mount_new(struct filesystem *fs, struct dentry *root, u32 flags, const char *source,
              struct mount **out) MUST_CHECK;
/* m->point is set, with references. */
void mount_place_locked(struct mount *m);
/* The place, whose references are the caller's; children stay. */
struct path mount_unplace_locked(struct mount *m);
/* The next mount of top's tree, parents first; NULL: no more.  dentry_lock or
 * mount_mutex is held. */
struct mount *mount_tree_next(struct mount *m, const struct mount *top);
bool mount_within_locked(const struct mount *m, const struct mount *above);
/* Drop the tree's references of a list by `doomed`. */
void mount_free_list(struct mount *gone);
void mount_tree_changed(void);

/* A place to mount on: the topmost there, with references; the directory that has its
 * name is locked (NULL: it is a file system's root). */
struct mount_spot {
    struct path place;
    struct dentry *above;
};
int mount_spot_lock(struct mount_spot *s, const struct path *at) MUST_CHECK;
void mount_spot_unlock(struct mount_spot *s);
/* a directory on a directory, or a file on a file */
bool mount_fits(const struct inode *root, const struct mount_spot *s);

#endif
