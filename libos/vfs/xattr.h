/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes: names with values that hang on an inode.
 *
 * X1. The attributes of an inode are kept by the vfs itself, in memory, for file systems
 *     whose `keeps_xattrs` is set; they change under the inode's mutex and go with it.
 * X2. All names of an inode, with their NULs, fit into XATTR_LIST_MAX bytes, so that a
 *     list can always be told.
 * X3. What all inodes hold together is bounded (-E_NOSPC): names and values lie in the
 *     LibOS's own memory.
 * The name spaces are user., trusted., security.; of system. there is none yet.
 */
#ifndef LIBOS_VFS_XATTR_H
#define LIBOS_VFS_XATTR_H

#include "vfs/vfs.h"

#define XATTR_NAME_MAX     255u
#define XATTR_VALUE_MAX    65536u
#define XATTR_LIST_MAX     65536u
#define XATTR_MUST_CREATE  0x1u
#define XATTR_MUST_REPLACE 0x2u

/* -E_NOTSUP: no such name space, or the file system keeps none; -E_INVAL: a prefix
 * alone, or a value that security.capability cannot have; -E_PERM -E_ACCES -E_ROFS;
 * -E_EXIST -E_NODATA by the flags; -E_NOSPC (X2, X3) -E_NOMEM.  Linear in the inode's
 * attributes. */
int xattr_set(struct inode *i, const struct cred *cred, const char *name,
              const void *value, u32 bytes, u32 flags) MUST_CHECK;
/* The length of the value; it is copied if `size` is not 0.  -E_NODATA -E_RANGE
 * -E_NOTSUP -E_INVAL -E_ACCES */
i64 xattr_get(struct inode *i, const struct cred *cred, const char *name, void *to,
              u32 size) MUST_CHECK;
/* The length of all names that `cred` may know, each with its NUL; copied if `size` is
 * not 0.  -E_RANGE -E_NOTSUP */
i64 xattr_list(struct inode *i, const struct cred *cred, char *to, u32 size) MUST_CHECK;
/* -E_NODATA and as xattr_set. */
int xattr_remove(struct inode *i, const struct cred *cred, const char *name) MUST_CHECK;
void xattrs_free(struct inode *i); /* the inode ends */

/* security.capability: what a program's file adds at exec (capabilities(7)).  Of a user
 * namespace that is not ours (version 3) it is none. */
struct file_caps {
    bool there, effective;
    u64 permitted, inheritable;
};
/* What a program's file says of the rights that it gives, as it was at one time.  Takes
 * i->mutex, unless the file gives none. */
struct file_rights {
    u32 mode, uid, gid;
    struct file_caps caps;
};
void xattr_rights(struct inode *i, struct file_rights *out);
/* The file is written to or given away: it has none any more.  i->mutex is held. */
void xattr_drop_caps_locked(struct inode *i);

#endif
