/* SPDX-License-Identifier: MIT */
/*
 * Making, removing and moving names.  Each function walks to the directory, locks it,
 * checks everything, lets the file system act, and then tells the dentry cache.  The
 * order of locks is N2's.
 */
#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "vfs/dentry.h"
#include "vfs/notify.h"

#define MODE_STICKY 01000u
#define MODE_SETGID 02000u

static u32
umask_of(const struct walk *w)
{
    return w->context != NULL ? w->context->umask : 0;
}

static int
may_create(struct dentry *dir, const struct cred *cred)
{
    if (dir->dead)
        return -E_NOENT;
    return vfs_access(dir->inode, cred, 3);
}

/* The entry d may be taken out of dir: rights, sticky bit, and the type that is meant. */
static int
may_remove(struct dentry *dir, const struct dentry *d, const struct cred *cred,
           bool directory)
{
    const struct inode *i = d->inode;
    int r = vfs_access(dir->inode, cred, 3);
    if (r != 0)
        return r;
    if ((dir->inode->mode & MODE_STICKY) != 0 && !vfs_is_owner(i, cred) &&
        !vfs_is_owner(dir->inode, cred))
        return -E_PERM;
    if (directory != (i->type == IT_DIR))
        return directory ? -E_NOTDIR : -E_ISDIR;
    return mount_is_place(d) ? -E_BUSY : 0;
}

/* A directory with the set-gid bit gives its group to what is made in it (and the bit to
 * directories). */
static const struct cred *
cred_in(const struct inode *dir, const struct cred *cred, struct cred *space)
{
    cred = vfs_cred(cred);
    if ((dir->mode & MODE_SETGID) == 0)
        return cred;
    *space = *cred;
    space->fsgid = dir->gid;
    return space;
}

int
vfs_create_locked(struct dentry *dir, const struct cred *cred, const struct name *name,
                  enum inode_type type, u32 mode, u64 rdev, struct dentry **out)
{
    struct inode *parent = dir->inode, *made;
    int r = may_create(dir, cred);
    if (r != 0)
        return r;
    if (parent->ops->create == NULL)
        return -E_PERM;
    cred = vfs_cred(cred);
    /* After the directory's own refusals, as on Linux. */
    if ((type == IT_CHAR || type == IT_BLOCK) && !cred_can(cred, CAP_MKNOD))
        return -E_PERM;
    struct cred for_group;
    if ((parent->mode & MODE_SETGID) != 0) {
        if (type == IT_DIR)
            mode |= MODE_SETGID;
        else
            mode = vfs_mode_for_group(mode, cred, parent->gid);
        cred = cred_in(parent, cred, &for_group);
    }
    r = parent->ops->create(parent, name->text, name->length, type, mode, rdev, cred,
                            &made);
    if (r != 0)
        return r;
    struct dentry *d = dentry_new(dir, name, made);
    /* the entry is there, but nobody will see that it was made: take it back */
    if (d == NULL) {
        if (parent->ops->unlink(parent, name->text, name->length, type == IT_DIR) != 0)
            log_error("vfs: out of memory; a new name stays");
        inode_release(made);
        return -E_NOMEM;
    }
    dentry_insert(d);
    *out = d;
    return 0;
}

/* Walk to the parent of something new; its mutex is taken.  -E_EXIST for a path that
 * ends in no name. */
static int
enter_parent(struct walk *w, const char *path)
{
    w->flags = (w->flags & ~(WALK_FOLLOW | WALK_EMPTY | WALK_DIRECTORY)) | WALK_PARENT;
    int r = path_walk(w, path);
    if (r != 0)
        return r;
    if (w->last.length == 0 || name_is_dots(w->last.text, w->last.length)) {
        path_release(&w->found);
        return -E_EXIST;
    }
    mutex_lock(&w->found.inode->mutex);
    return 0;
}

static void
leave_parent(struct walk *w)
{
    mutex_unlock(&w->found.inode->mutex);
    path_release(&w->found);
}

/* 0 if the name is free. */
static int
name_is_free(struct walk *w)
{
    struct dentry *d;
    int r = dentry_get(w->found.dentry, &w->last, &d);
    if (r == 0)
        dentry_release(d);
    return r == 0 ? -E_EXIST : r == -E_NOENT ? 0 : r;
}

static int
make(struct walk *w, const char *path, enum inode_type type, u32 mode, u64 rdev,
     struct path *out)
{
    struct dentry *d;
    int r = enter_parent(w, path);
    if (r != 0)
        return r;
    r = name_is_free(w);
    if (r == 0 && w->trailing_slash && type != IT_DIR)
        r = -E_NOENT;
    if (r == 0)
        r = path_may_write(&w->found);
    if (r == 0)
        r = vfs_create_locked(w->found.dentry, w->cred, &w->last, type,
                              mode & ~umask_of(w), rdev, &d);
    if (r == 0) {
        notify_name(w->found.inode, NOTIFY_CREATE | notify_type(d->inode), 0, w->last.text,
                    w->last.length);
        if (out != NULL) {
            *out = (struct path){ w->found.mount, d->inode, d };
            path_hold(out);
        }
        dentry_release(d);
    }
    leave_parent(w);
    return r;
}

int
vfs_mknod(struct walk *w, const char *path, enum inode_type type, u32 mode, u64 rdev)
{
    return make(w, path, type, mode & 07777u, rdev, NULL);
}

int
vfs_make_node(struct walk *w, const char *path, enum inode_type type, u32 mode,
              struct path *out)
{
    return make(w, path, type, mode & 07777u, 0, out);
}

int
vfs_mkdir(struct walk *w, const char *path, u32 mode)
{
    return make(w, path, IT_DIR, mode & 01777u, 0, NULL);
}

int
vfs_symlink(struct walk *w, const char *path, const char *target)
{
    if (target[0] == '\0')
        return -E_NOENT;
    int r = enter_parent(w, path);
    if (r != 0)
        return r;
    struct inode *dir = w->found.inode;
    struct cred space;
    r = name_is_free(w);
    if (r == 0 && w->trailing_slash)
        r = -E_NOENT;
    if (r == 0)
        r = path_may_write(&w->found);
    if (r == 0)
        r = may_create(w->found.dentry, w->cred);
    if (r == 0)
        r = dir->ops->symlink == NULL ? -E_PERM
                                      : dir->ops->symlink(dir, w->last.text, w->last.length,
                                                          target,
                                                          cred_in(dir, w->cred, &space));
    if (r == 0)
        notify_name(dir, NOTIFY_CREATE, 0, w->last.text, w->last.length);
    leave_parent(w);
    return r;
}

/* Links to what one could not open anyway are refused (sysctl fs.protected_hardlinks). */
static int
may_link(struct inode *i, const struct cred *cred)
{
    bool safe = i->type == IT_FILE && (i->mode & 04000u) == 0 &&
                (i->mode & 02010u) != 02010u && vfs_access(i, cred, 6) == 0;
    return vfs_protected.hardlinks == 0 || safe || vfs_is_owner(i, cred) ? 0 : -E_PERM;
}

int
vfs_link(struct walk *w, const char *path, const struct path *target)
{
    struct inode *i = target->inode;
    int r = enter_parent(w, path);
    if (r != 0)
        return r;
    struct inode *dir = w->found.inode;
    r = name_is_free(w);
    if (r == 0 && w->trailing_slash)
        r = -E_NOENT;
    if (r == 0)
        r = path_may_write(&w->found);
    if (r == 0 && w->found.mount != target->mount)
        r = -E_XDEV;
    if (r == 0)
        r = may_link(i, w->cred);
    if (r == 0)
        r = may_create(w->found.dentry, w->cred);
    if (r == 0 && (i->type == IT_DIR || dir->ops->link == NULL))
        r = -E_PERM;
    if (r == 0 && i->nlink == 0 && !i->linkable)
        r = -E_NOENT;
    if (r == 0)
        r = dir->ops->link(dir, w->last.text, w->last.length, i);
    if (r == 0) {
        i->linkable = false;
        notify_name(i, NOTIFY_ATTRIB, 0, "", 0);
        notify_name(dir, NOTIFY_CREATE, 0, w->last.text, w->last.length);
    }
    leave_parent(w);
    return r;
}

int
vfs_unlink(struct walk *w, const char *path, bool directory)
{
    w->flags = (w->flags & ~(WALK_FOLLOW | WALK_EMPTY | WALK_DIRECTORY)) | WALK_PARENT;
    int r = path_walk(w, path);
    if (r != 0)
        return r;
    if (w->last.length == 0 || name_is_dots(w->last.text, w->last.length)) {
        r = !directory            ? -E_ISDIR
            : w->last.length == 0 ? -E_BUSY
            : w->last.length == 1 ? -E_INVAL
                                  : -E_NOTEMPTY;
        path_release(&w->found);
        return r;
    }
    struct inode *dir = w->found.inode;
    struct dentry *d = NULL;
    mutex_lock(&dir->mutex);
    r = path_may_write(&w->found);
    if (r == 0)
        r = dentry_get(w->found.dentry, &w->last, &d);
    if (r == 0 && !directory && w->trailing_slash)
        r = d->inode->type == IT_DIR ? -E_ISDIR : -E_NOTDIR;
    if (r == 0)
        r = may_remove(w->found.dentry, d, w->cred, directory);
    if (r == 0 && dir->ops->unlink == NULL)
        r = -E_PERM;
    if (r == 0) {
        if (directory)
            mutex_lock(&d->inode->mutex);
        r = dir->ops->unlink(dir, w->last.text, w->last.length, directory);
        if (r == 0)
            dentry_remove(d);
        if (directory)
            mutex_unlock(&d->inode->mutex);
        if (r == 0) {
            if (!directory)
                notify_name(d->inode, NOTIFY_ATTRIB, 0, "", 0); /* its links */
            notify_name(dir, NOTIFY_DELETE | notify_type(d->inode), 0, w->last.text,
                        w->last.length);
        }
    }
    mutex_unlock(&dir->mutex);
    if (d != NULL)
        dentry_release(d);
    path_release(&w->found);
    return r;
}

/* ---- rename ---- */

struct renaming {
    struct walk *from, *to;
    struct dentry *old, *target; /* target NULL: the new name is free */
    u32 flags;
};

/* N2: above before below, else by address; two different directories only under the
 * rename mutex. */
static void
lock_two(struct dentry *a, struct dentry *b)
{
    if (a == b) {
        mutex_lock(&a->inode->mutex);
        return;
    }
    mutex_lock(&a->inode->fs->rename_mutex);
    bool b_first = dentry_below(a, b) ||
                   (!dentry_below(b, a) && (uintptr_t)b->inode < (uintptr_t)a->inode);
    mutex_lock(b_first ? &b->inode->mutex : &a->inode->mutex);
    mutex_lock(b_first ? &a->inode->mutex : &b->inode->mutex);
}

static void
unlock_two(struct dentry *a, struct dentry *b)
{
    mutex_unlock(&a->inode->mutex);
    if (a == b)
        return;
    mutex_unlock(&b->inode->mutex);
    mutex_unlock(&a->inode->fs->rename_mutex);
}

static int
rename_check_target(const struct renaming *n)
{
    bool old_is_dir = n->old->inode->type == IT_DIR, swap = (n->flags & RENAME_SWAP) != 0;
    struct dentry *to = n->to->found.dentry;
    if (n->target == NULL)
        return swap ? -E_NOENT : may_create(to, n->to->cred);
    if ((n->flags & RENAME_NO_REPLACE) != 0)
        return -E_EXIST;
    bool target_is_dir = n->target->inode->type == IT_DIR;
    if (dentry_below(n->from->found.dentry, n->target))
        return swap ? -E_INVAL : -E_NOTEMPTY;
    if (!swap && old_is_dir != target_is_dir)
        return old_is_dir ? -E_NOTDIR : -E_ISDIR;
    return may_remove(to, n->target, n->to->cred, target_is_dir);
}

static int
rename_check(const struct renaming *n)
{
    struct inode *old = n->old->inode;
    bool old_is_dir = old->type == IT_DIR;
    if (dentry_below(n->to->found.dentry, n->old))
        return -E_INVAL;
    if (!old_is_dir && (n->from->trailing_slash || n->to->trailing_slash))
        return -E_NOTDIR;
    int r = may_remove(n->from->found.dentry, n->old, n->from->cred, old_is_dir);
    if (r == 0)
        r = rename_check_target(n);
    /* A directory's own .. changes when it gets another parent. */
    if (r == 0 && old_is_dir && n->from->found.inode != n->to->found.inode)
        r = vfs_access(old, n->from->cred, 2);
    if (r == 0 && (n->flags & RENAME_SWAP) != 0 && n->target->inode->type == IT_DIR &&
        n->from->found.inode != n->to->found.inode)
        r = vfs_access(n->target->inode, n->from->cred, 2);
    return r;
}

/* `i` went from one place to the other; both directories' mutexes are held. */
static void
tell_move(struct inode *i, const struct walk *from, const struct walk *to)
{
    struct inode *a = from->found.inode, *b = to->found.inode;
    if (a->watches != NULL || b->watches != NULL) {
        u32 cookie = notify_cookie(), type = notify_type(i);
        notify_name(a, NOTIFY_MOVED_FROM | type, cookie, from->last.text, from->last.length);
        notify_name(b, NOTIFY_MOVED_TO | type, cookie, to->last.text, to->last.length);
    }
    notify_name(i, NOTIFY_MOVE_SELF | notify_type(i), 0, "", 0);
}

/* Everything is checked: let the file system do it, and then move the dentries. */
static int
rename_commit(struct renaming *n)
{
    struct walk *f = n->from, *t = n->to;
    struct inode *dir = f->found.inode,
                 *victim = n->target != NULL ? n->target->inode : NULL;
    bool swap = (n->flags & RENAME_SWAP) != 0,
         lock_victim = victim != NULL && victim->type == IT_DIR && !swap;
    char *space_old = NULL, *space_target = NULL;
    if (dir->ops->rename == NULL)
        return -E_PERM;
    int r = dentry_name_prepare(t->last.length, &space_old);
    if (r == 0 && swap)
        r = dentry_name_prepare(f->last.length, &space_target);
    if (r == 0) {
        if (lock_victim)
            mutex_lock(&victim->mutex);
        r = dir->ops->rename(dir, f->last.text, f->last.length, t->found.inode, t->last.text,
                             t->last.length, n->flags);
        if (r == 0 && swap)
            dentry_swap(n->old, space_old, n->target, space_target);
        else if (r == 0)
            dentry_move(n->old, t->found.dentry, &t->last, space_old, n->target);
        if (lock_victim)
            mutex_unlock(&victim->mutex);
    }
    if (r == 0) {
        tell_move(n->old->inode, f, t);
        if (swap)
            tell_move(victim, t, f);
        else if (victim != NULL)
            notify_name(victim, NOTIFY_ATTRIB, 0, "", 0);
    }
    if (r != 0) {
        heap_free(space_old);
        heap_free(space_target);
    }
    return r;
}

static int
rename_locked(struct renaming *n)
{
    struct walk *f = n->from, *t = n->to;
    int r = dentry_get(f->found.dentry, &f->last, &n->old);
    if (r != 0)
        return r;
    r = dentry_get(t->found.dentry, &t->last, &n->target);
    if (r == -E_NOENT && !t->found.dentry->dead)
        r = 0;
    if (r != 0)
        return r;
    /* two names of one file: nothing is to be done */
    if (n->target != NULL && n->target->inode == n->old->inode)
        return (n->flags & RENAME_NO_REPLACE) != 0 ? -E_EXIST : 0;
    r = rename_check(n);
    return r != 0 ? r : rename_commit(n);
}

static int
walk_to_rename(struct walk *w, const char *path, u32 flags)
{
    w->flags = (w->flags & ~(WALK_FOLLOW | WALK_EMPTY | WALK_DIRECTORY)) | WALK_PARENT;
    int r = path_walk(w, path);
    if (r == 0 && (w->last.length == 0 || name_is_dots(w->last.text, w->last.length))) {
        path_release(&w->found);
        r = (flags & RENAME_NO_REPLACE) != 0 ? -E_EXIST : -E_BUSY;
    }
    return r;
}

int
vfs_rename(struct walk *from, const char *path, struct walk *to, const char *new_path,
           u32 flags)
{
    struct renaming n = { .from = from, .to = to, .flags = flags };
    int r = walk_to_rename(from, path, 0);
    if (r != 0)
        return r;
    r = walk_to_rename(to, new_path, flags);
    if (r == 0) {
        if (from->found.mount != to->found.mount) {
            r = -E_XDEV;
        } else if (path_may_write(&from->found) != 0) {
            r = -E_ROFS;
        } else {
            lock_two(from->found.dentry, to->found.dentry);
            r = rename_locked(&n);
            unlock_two(from->found.dentry, to->found.dentry);
        }
    }
    /* The paths last: with them a file system that was taken off goes. */
    if (n.old != NULL)
        dentry_release(n.old);
    if (n.target != NULL)
        dentry_release(n.target);
    path_release(&to->found); /* nothing, if that walk failed */
    path_release(&from->found);
    return r;
}

int
vfs_readlink(struct inode *link, char *to, u32 size)
{
    if (link->type != IT_LINK || link->ops->readlink == NULL)
        return -E_INVAL;
    return link->ops->readlink(link, to, size);
}
