/* SPDX-License-Identifier: MIT */
/*
 * Seals (fcntl's F_ADD_SEALS and F_GET_SEALS): what may never again be done to a file.
 * tmpfs obeys them under the inode's mutex; mappings look at them after they are made.
 *
 * E1. A seal against writing is set before the mappings are looked at, and a writable
 *     mapping is attached before the seals are: so one of the two sees the other.
 */
#include "fs/tmpfs/tmpfs.h"
#include "posix/files.h"
#include "posix/seals.h"
#include "vm/mm.h"

static bool
has_seals(const struct file *f)
{
    return f->inode != NULL && f->inode->type == IT_FILE && tmpfs_is_file(f->inode);
}

i64
seals_get(const struct file *f)
{
    return has_seals(f) ? (i64)f->inode->seals : -E_INVAL;
}

i64
seals_add(struct file *f, u64 seals)
{
    struct inode *i = f->inode;
    int r = 0;
    if (!has_seals(f))
        return -E_INVAL;
    if ((f->flags & OPEN_WRITE) == 0)
        return -E_PERM;
    if ((seals & ~(u64)SEAL_ALL) != 0)
        return -E_INVAL;
    mutex_lock(&i->mutex);
    u32 before = i->seals;
    if ((before & SEAL_SEAL) != 0) {
        r = -E_PERM;
    } else {
        __atomic_store_n(&i->seals, before | (u32)seals, __ATOMIC_SEQ_CST);
        if ((seals & ~(u64)before & SEAL_WRITE) != 0 && vm_file_is_written(i)) {
            __atomic_store_n(&i->seals, before, __ATOMIC_SEQ_CST); /* E1 */
            r = -E_BUSY;
        }
    }
    mutex_unlock(&i->mutex);
    return r;
}
