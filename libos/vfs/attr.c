/* SPDX-License-Identifier: MIT */
/*
 * Inodes: lifetime, rights, attributes.  Rights are those of POSIX with the override of
 * user 0: read and write always, search of directories always, execution if anyone may
 * execute.
 */
#include "core/clock.h"
#include "core/heap.h"
#include "core/log.h"
#include "vfs/dentry.h"
#include "vfs/locks.h"
#include "vfs/notify.h"
#include "vfs/xattr.h"

#define MODE_SETUID 04000u
#define MODE_SETGID 02000u

static const struct cred root_cred = { .refs = 1, .permitted = CAPS_ALL,
                                       .effective = CAPS_ALL, .bounding = CAPS_ALL };

const struct cred *
vfs_cred(const struct cred *cred)
{
    return cred != NULL ? cred : &root_cred;
}

void
inode_init(struct inode *i, enum inode_type type)
{
    atomic_init(&i->refs, 1);
    i->type = type;
    mutex_init(&i->mutex);
    list_init(&i->mappings);
    i->mappings_lock = (struct spinlock)SPINLOCK_INIT;
    i->mounted = NULL;
    i->linkable = false;
    atomic_init(&i->writers, 0);
    i->pipe = NULL;
    i->locks = NULL;
    i->xattrs = NULL;
    i->watches = NULL;
    i->seals = SEAL_SEAL;
    i->write_hint = 0;
}

void
inode_hold(struct inode *i)
{
    atomic_fetch_add_explicit(&i->refs, 1, memory_order_relaxed);
}

void
inode_release(struct inode *i)
{
    u32 before = atomic_fetch_sub_explicit(&i->refs, 1, memory_order_acq_rel);
    ASSERT(before != 0);
    if (before != 1)
        return;
    if (i->locks != NULL)
        locks_free(i);
    if (i->watches != NULL)
        notify_inode_gone(i);
    if (i->xattrs != NULL)
        xattrs_free(i);
    if (i->ops->release != NULL)
        i->ops->release(i);
}

_Atomic i64 vfs_recent_seconds;

struct timestamp
vfs_now(void)
{
    u64 ns = clock_real_ns();
    atomic_store_explicit(&vfs_recent_seconds, (i64)(ns / 1000000000u),
                          memory_order_relaxed);
    return (struct timestamp){ (i64)(ns / 1000000000u), (u32)(ns % 1000000000u) };
}

bool
cred_in_group(const struct cred *cred, u32 gid)
{
    if (cred->fsgid == gid)
        return true;
    u32 lo = 0, hi = cred->groups != NULL ? cred->groups->count : 0;
    while (lo < hi) {
        u32 mid = lo + (hi - lo) / 2;
        if (cred->groups->id[mid] == gid)
            return true;
        if (cred->groups->id[mid] < gid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

/* CAP_DAC_READ_SEARCH: to read files and directories, and to pass through the latter. */
static bool
may_read_all(const struct inode *i, const struct cred *cred, u32 want)
{
    return cred_can(cred, CAP_DAC_READ_SEARCH) && (want & 2u) == 0 &&
           (i->type == IT_DIR || (want & 1u) == 0);
}

int
vfs_access(struct inode *i, const struct cred *cred, u32 want)
{
    u32 mode = i->mode;
    if (__builtin_expect((want & 1u) != 0 && i->type == IT_FILE, 0) && i->fs != NULL &&
        i->fs->no_exec)
        return -E_ACCES;
    if (cred == NULL || cred_can(cred, CAP_DAC_OVERRIDE)) {
        if ((want & 1u) != 0 && i->type != IT_DIR && (mode & 0111u) == 0)
            return -E_ACCES;
        return 0;
    }
    if (cred->fsuid == i->uid)
        mode >>= 6;
    else if (cred_in_group(cred, i->gid))
        mode >>= 3;
    if ((mode & want & 7u) == (want & 7u))
        return 0;
    if (may_read_all(i, cred, want))
        return 0;
    return i->ops->permits != NULL ? i->ops->permits(i, cred, want) : -E_ACCES;
}

int
path_access(const struct path *p, const struct cred *cred, u32 want)
{
    struct inode *i = p->inode;
    bool durable = i->type == IT_FILE || i->type == IT_DIR || i->type == IT_LINK;
    if ((want & 1u) != 0 && i->type == IT_FILE && mount_has(p->mount, MOUNT_NO_EXEC))
        return -E_ACCES;
    if ((want & 2u) != 0 && durable && i->fs != NULL && i->fs->read_only)
        return -E_ROFS;
    int r = vfs_access(i, cred, want);
    return r == 0 && (want & 2u) != 0 && durable ? path_may_write(p) : r;
}

int
inode_write_begin(struct inode *i)
{
    i32 n = atomic_load_explicit(&i->writers, memory_order_relaxed);
    do
        if (n < 0)
            return -E_TXTBSY;
    while (!atomic_compare_exchange_weak(&i->writers, &n, n + 1));
    return 0;
}

void
inode_write_end(struct inode *i)
{
    atomic_fetch_sub(&i->writers, 1);
}

int
inode_refuse_writers(struct inode *i)
{
    i32 n = atomic_load_explicit(&i->writers, memory_order_relaxed);
    do
        if (n > 0)
            return -E_TXTBSY;
    while (!atomic_compare_exchange_weak(&i->writers, &n, n - 1));
    return 0;
}

void
inode_admit_writers(struct inode *i)
{
    atomic_fetch_add(&i->writers, 1);
}

bool
vfs_is_owner(const struct inode *i, const struct cred *cred)
{
    return cred == NULL || cred->fsuid == i->uid || cred_can(cred, CAP_FOWNER);
}

void
inode_attributes(const struct inode *i, struct vattr *out)
{
    *out = (struct vattr){
        .dev = i->fs != NULL ? i->fs->dev : 0,
        .ino = i->ino,
        .nlink = i->nlink,
        .size = i->size,
        .blocks512 = (i->size + 511) / 512,
        .rdev = i->rdev,
        .mode = i->mode,
        .uid = i->uid,
        .gid = i->gid,
        .blksize = (u32)PAGE_SIZE,
        .type = i->type,
        .atime = i->atime,
        .mtime = i->mtime,
        .ctime = i->ctime,
        .btime = i->btime,
    };
}

int
vfs_getattr(struct inode *i, struct vattr *out)
{
    if (i->ops->getattr != NULL) {
        int r = i->ops->getattr(i, out);
        if (r != 0)
            return r;
        if (out->dev == 0 && i->fs != NULL)
            out->dev = i->fs->dev;
        return 0;
    }
    inode_attributes(i, out);
    return 0;
}

/* chown(2): CAP_CHOWN may all; the owner may give the file to a group of its own. */
static int
may_chown(const struct inode *i, const struct cred *cred, const struct vattr *set,
          u32 which)
{
    if (cred_can(cred, CAP_CHOWN))
        return 0;
    if ((which & VSET_UID) != 0 && (cred->fsuid != i->uid || set->uid != i->uid))
        return -E_PERM;
    if ((which & VSET_GID) != 0 &&
        (cred->fsuid != i->uid || (set->gid != i->gid && !cred_in_group(cred, set->gid))))
        return -E_PERM;
    return 0;
}

/* A change of owner, or of the contents by another than root, takes the set-id bits
 * away (POSIX chown, write). */
static u32
without_set_ids(u32 mode)
{
    mode &= ~MODE_SETUID;
    if ((mode & 0010u) != 0)
        mode &= ~MODE_SETGID;
    return mode;
}

static int
check_set(const struct inode *i, const struct cred *cred, struct vattr *set, u32 *which)
{
    if (i->fs != NULL && i->fs->read_only)
        return -E_ROFS; /* the mount was asked by who knows it */
    if ((*which & (VSET_UID | VSET_GID)) != 0) {
        int r = may_chown(i, cred, set, *which);
        if (r != 0)
            return r;
        if (i->type != IT_DIR && (*which & VSET_MODE) == 0 &&
            (i->mode & (MODE_SETUID | MODE_SETGID)) != 0) {
            set->mode = without_set_ids(i->mode);
            *which |= VSET_MODE;
            return 0;
        }
    }
    if ((*which & VSET_MODE) != 0) {
        if (!vfs_is_owner(i, cred))
            return -E_PERM;
        if (i->type == IT_LINK)
            return -E_NOTSUP;
        set->mode &= 07777u;
        if (!cred_can(cred, CAP_FSETID) && !cred_in_group(cred, i->gid))
            set->mode &= ~MODE_SETGID;
    }
    return 0;
}

int
vfs_setattr(struct inode *i, const struct cred *cred, struct vattr *set, u32 which)
{
    if (i->ops->setattr == NULL)
        return -E_PERM;
    mutex_lock(&i->mutex);
    int r = check_set(i, vfs_cred(cred), set, &which);
    if (r == 0)
        r = i->ops->setattr(i, set, which);
    if (r == 0 && (which & (VSET_UID | VSET_GID)) != 0 && i->has_caps)
        xattr_drop_caps_locked(i);
    mutex_unlock(&i->mutex);
    return r;
}

int
vfs_truncate(struct inode *i, u64 size)
{
    if (i->type == IT_DIR)
        return -E_ISDIR;
    if (i->type != IT_FILE || i->ops->setattr == NULL)
        return -E_INVAL;
    if (i->fs != NULL && i->fs->read_only)
        return -E_ROFS;
    struct vattr set = { .size = size };
    mutex_lock(&i->mutex);
    int r = i->ops->setattr(i, &set, VSET_SIZE);
    mutex_unlock(&i->mutex);
    return r;
}

void
vfs_drop_set_ids(struct inode *i, const struct cred *cred)
{
    if (i->type != IT_FILE || i->ops->setattr == NULL)
        return;
    mutex_lock(&i->mutex);
    struct vattr set = { .mode = without_set_ids(i->mode) };
    if (set.mode != i->mode && !cred_can(vfs_cred(cred), CAP_FSETID) &&
        i->ops->setattr(i, &set, VSET_MODE) != 0)
        log_error("vfs: set-id bits of a file that was written stay");
    if (i->has_caps)
        xattr_drop_caps_locked(i); /* whoever wrote: the program is another */
    mutex_unlock(&i->mutex);
}

/* A file made in a directory that hands on its group: the set-gid bit is only for
 * members of it. */
u32
vfs_mode_for_group(u32 mode, const struct cred *cred, u32 gid)
{
    if ((mode & 02010u) == 02010u && !cred_can(cred, CAP_FSETID) && !cred_in_group(cred, gid))
        mode &= ~MODE_SETGID;
    return mode;
}
