/* SPDX-License-Identifier: MIT */
/*
 * Advisory locks: record locks (owned by a descriptor table, or by an open file) and
 * whole-file locks of flock (by an open file).
 *
 * L1. The locks of one owner on one inode do not overlap, are sorted by start, and
 *     neighbours of one kind are one.
 * L2. Locks of different owners overlap only if both are shared.  flock's and record
 *     locks do not see each other.
 * L3. An inode's set is made with its first lock and lives as long as the inode.
 * L4. A waiter for a record lock is known by its owner, so that a wish that would close a
 *     circle is refused.  A wish that several owners stand in the way of follows the
 *     first; locks of open files are not followed.
 * L5. An inode has at most LOCK_RECORDS_MAX record locks: they are memory of the LibOS, and
 *     each step looks at all of them.
 */
#ifndef LIBOS_VFS_LOCKS_H
#define LIBOS_VFS_LOCKS_H

#include "vfs/vfs.h"

enum lock_kind { LOCK_NONE, LOCK_SHARED, LOCK_EXCLUSIVE };
#define LOCK_RECORDS_MAX 16384u
#define LOCK_END_MAX (~0ull >> 1)
struct lock_range {
    /* both included; end LOCK_END_MAX: to the end, however far it goes */
    u64 start, end;
    enum lock_kind kind;
    i32 pid;         /* of the locker; -1 for locks of open files */
};
/* Set or (LOCK_NONE) take away.  -E_AGAIN: held by another (no wait); -E_RESTART: a
 * signal; -E_DEADLK: L4; -E_NOMEM (as POSIX's ENOLCK). */
int lock_record(struct inode *i, const void *owner, const struct lock_range *want,
                bool wait) MUST_CHECK;
/* What would stand in the way: *range becomes that lock, or kind LOCK_NONE. */
void lock_record_test(struct inode *i, const void *owner, struct lock_range *range);
int lock_whole(struct inode *i, const struct file *owner, enum lock_kind kind,
               bool wait) MUST_CHECK;
/* A descriptor table closed a file of this inode, or an open file ends. */
void locks_drop_owner(struct inode *i, const void *owner);
void locks_free(struct inode *i); /* the inode ends */

#endif
