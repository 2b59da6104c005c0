/* SPDX-License-Identifier: MIT */
/*
 * fcntl(2), F_NOTIFY: a signal when something happens in a directory, by a group of
 * watches without a queue (V5 of vfs/notify.h).
 *
 * D1. One `asked` for each open directory and table of descriptors; it goes when the
 *     table lets go of a descriptor of it, and at the latest with the file.
 * D2. Its group has one watch, or none: after the first event if DN_MULTISHOT was not
 *     asked for, or when the directory has ended.
 * D3. The file, whose async it uses, outlives it: dnotify_forget comes first.
 * Locking: asked_lock guards the list; `told` runs under notify_lock and reads what is
 * atomic.  Cost: a call and a close of such a file look through all that is asked.
 */
#include "core/heap.h"
#include "core/lock.h"
#include "posix/async.h"
#include "posix/files.h"
#include "vfs/notify.h"

#define DN_ACCESS    0x1u
#define DN_MODIFY    0x2u
#define DN_CREATE    0x4u
#define DN_DELETE    0x8u
#define DN_RENAME    0x10u
#define DN_ATTRIB    0x20u
#define DN_MULTISHOT 0x80000000u

struct asked {
    struct list link;
    struct file *file;           /* [I] */
    const struct fdtable *table; /* [I] */
    struct notify_group *group;  /* [I] */
    _Atomic u32 what;            /* DN_* */
    _Atomic i32 fd;
    u32 from; /* notify_lock; the cookie of the last name that left */
};
static struct mutex asked_lock = MUTEX_INIT(asked_lock);
static struct list all = LIST_INIT(all);

/* A rename within the directory is known by its second half. */
static u32
events_of(u32 what)
{
    return ((what & DN_ACCESS) != 0 ? NOTIFY_ACCESS : 0) |
           ((what & DN_MODIFY) != 0 ? NOTIFY_MODIFY : 0) |
           ((what & DN_ATTRIB) != 0 ? NOTIFY_ATTRIB : 0) |
           ((what & DN_CREATE) != 0 ? NOTIFY_CREATE | NOTIFY_MOVED_TO : 0) |
           ((what & DN_DELETE) != 0 ? NOTIFY_DELETE | NOTIFY_MOVED_FROM : 0);
}

static u32
watched_of(u32 what)
{
    return events_of(what) |
           ((what & DN_RENAME) != 0 ? NOTIFY_MOVED_FROM | NOTIFY_MOVED_TO : 0) |
           ((what & DN_MULTISHOT) != 0 ? 0 : NOTIFY_ONCE);
}

/* notify_lock is held. */
static bool
told(void *priv, u32 mask, u32 cookie)
{
    struct asked *a = priv;
    u32 what = atomic_load(&a->what);
    bool counts = (mask & events_of(what)) != 0;
    if ((mask & NOTIFY_MOVED_FROM) != 0)
        a->from = cookie;
    if ((mask & NOTIFY_MOVED_TO) != 0 && cookie == a->from && (what & DN_RENAME) != 0)
        counts = true;
    if (counts)
        async_message(a->file, atomic_load(&a->fd));
    return counts;
}

static void
asked_free(struct asked *a)
{
    notify_group_free(a->group); /* told runs no more */
    heap_free(a);
}

static struct asked *
asked_new(struct file *f, const struct fdtable *t)
{
    struct asked *a = heap_alloc_zeroed(sizeof *a);
    if (a == NULL)
        return NULL;
    a->file = f;
    a->table = t;
    return a;
}

/* asked_lock is held. */
static struct asked *
asked_find(const struct file *f, const struct fdtable *t)
{
    list_for_each(it, &all)
    {
        struct asked *a = container_of(it, struct asked, link);
        if (a->file == f && (t == NULL || a->table == t))
            return a;
    }
    return NULL;
}

/* The same; -E_MFILE -E_NOMEM */
static int
asked_get(struct file *f, const struct fdtable *t, struct asked **out)
{
    struct asked *a = asked_find(f, t);
    *out = a;
    if (a != NULL)
        return 0;
    a = asked_new(f, t);
    if (a == NULL)
        return -E_NOMEM;
    int r = notify_group_new(cred_own()->uid, &a->group);
    if (r != 0) {
        heap_free(a);
        return r;
    }
    a->group->priv = a; /* it has no watch yet: nobody reads them */
    a->group->told = told;
    list_push_back(&all, &a->link);
    *out = a;
    return 0;
}

int
dnotify_ask(struct file *f, const struct fdtable *t, int fd, u32 what)
{
    struct notify_watch_info there;
    struct asked *a;
    if ((what & ~DN_MULTISHOT) == 0) {
        dnotify_forget(f, t);
        return 0;
    }
    if (f->inode == NULL || f->inode->type != IT_DIR)
        return -E_NOTDIR;
    int r = async_own(f);
    if (r != 0)
        return r;
    mutex_lock(&asked_lock);
    r = asked_get(f, t, &a);
    if (r == 0) {
        if (notify_watch_next(a->group, 0, &there))
            what |= atomic_load(&a->what);
        atomic_store(&a->what, what);
        atomic_store(&a->fd, fd);
        i64 wd = notify_watch_add(a->group, f->inode, watched_of(what), 0);
        r = wd < 0 ? (int)wd : 0;
    }
    if (r != 0 && a != NULL) {
        list_remove(&a->link);
        asked_free(a);
    }
    mutex_unlock(&asked_lock);
    return r;
}

void
dnotify_forget(const struct file *f, const struct fdtable *t)
{
    struct asked *a;
    if (f->async == NULL)
        return; /* async_own comes before all that is asked */
    mutex_lock(&asked_lock);
    while ((a = asked_find(f, t)) != NULL) {
        list_remove(&a->link);
        asked_free(a);
    }
    mutex_unlock(&asked_lock);
}
