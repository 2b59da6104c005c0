/* SPDX-License-Identifier: MIT */
/* The cache of dentries (vfs/dentry.h has its invariants). One spinlock: a path is
 * walked under a single take of it. */
#include "vfs/dentry.h"

#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "core/thread.h"

struct spinlock dentry_lock = SPINLOCK_INIT;
u64 dentry_moves;
struct dentry *dentry_buckets[DENTRY_BUCKETS];
static struct list idle_list = LIST_INIT(idle_list); /* dentry_lock; oldest first */
static u32 idle_count;                             /* dentry_lock */

static void
hash_locked(struct dentry *d)
{
    struct dentry **head = dentry_bucket(d->parent, d->hash);
    d->next = *head;
    d->link = head;
    if (d->next != NULL)
        d->next->link = &d->next;
    *head = d;
}

static void
unhash_locked(struct dentry *d)
{
    if (d->link == NULL)
        return;
    *d->link = d->next;
    if (d->next != NULL)
        d->next->link = d->link;
    d->link = NULL;
    d->next = NULL;
}

static void
leave_idle_locked(struct dentry *d)
{
    if (list_empty(&d->idle))
        return;
    list_remove(&d->idle);
    idle_count--;
}

/* Dentries between doom_locked and dentry_bury: they still hold inodes of their file
 * system, and are on no list that anybody else can see. */
static _Atomic u32 doomed_count;

static void
doom_locked(struct dentry *d, struct dentry **doomed)
{
    atomic_fetch_add_explicit(&doomed_count, 1, memory_order_relaxed);
    leave_idle_locked(d);
    unhash_locked(d);
    d->doomed = true;
    d->next = *doomed;
    *doomed = d;
}

/* Look at a few of the oldest idle dentries: those in use again leave the list, those
 * used since get another round. */
static void
shrink_locked(struct dentry **doomed)
{
    for (unsigned i = 0; i < 8 && idle_count > DENTRY_IDLE_MAX; i++) {
        struct dentry *d = container_of(idle_list.next, struct dentry, idle);
        leave_idle_locked(d);
        if (atomic_load_explicit(&d->refs, memory_order_relaxed) != 0)
            continue;
        if (d->used) {
            d->used = false;
            list_push_back(&idle_list, &d->idle);
            idle_count++;
            continue;
        }
        doom_locked(d, doomed);
    }
}

void
dentry_put_locked(struct dentry *d, struct dentry **doomed)
{
    if (atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (d->link == NULL) {
        /* A walk may use what is on its own list; nobody else can find that. */
        if (!d->doomed)
            doom_locked(d, doomed);
        return;
    }
    if (list_empty(&d->idle)) {
        d->used = false;
        list_push_back(&idle_list, &d->idle);
        idle_count++;
        if (idle_count > DENTRY_IDLE_MAX)
            shrink_locked(doomed);
    }
}

void
dentry_spare_locked(struct dentry **doomed)
{
    while (*doomed != NULL) {
        struct dentry *d = *doomed;
        if (atomic_load_explicit(&d->refs, memory_order_relaxed) == 0) {
            doomed = &d->next;
            continue;
        }
        *doomed = d->next;
        d->next = NULL;
        d->doomed = false;
        atomic_fetch_sub_explicit(&doomed_count, 1, memory_order_release);
    }
}

void
dentry_bury(struct dentry *doomed)
{
    while (doomed != NULL) {
        struct dentry *d = doomed;
        doomed = d->next;
        struct dentry *parent = d->parent;
        ASSERT(atomic_load(&d->refs) == 0);
        inode_release(d->inode);
        atomic_fetch_sub_explicit(&doomed_count, 1, memory_order_release);
        if (d->name != d->small)
            heap_free(d->name);
        heap_free(d);
        if (parent != NULL) {
            spin_lock(&dentry_lock);
            dentry_put_locked(parent, &doomed);
            spin_unlock(&dentry_lock);
        }
    }
}

void
dentry_release(struct dentry *d)
{
    u32 n = atomic_load_explicit(&d->refs, memory_order_relaxed);
    while (n > 1)
        if (atomic_compare_exchange_weak_explicit(
                &d->refs, &n, n - 1, memory_order_release, memory_order_relaxed))
            return;
    struct dentry *doomed = NULL;
    spin_lock(&dentry_lock);
    dentry_put_locked(d, &doomed);
    spin_unlock(&dentry_lock);
    if (doomed != NULL)
        dentry_bury(doomed);
}

int
dentry_name_prepare(u32 length, char **out)
{
    *out = NULL;
    if (length < DENTRY_NAME_INLINE)
        return 0;
    *out = heap_alloc(length + 1);
    return *out == NULL ? -E_NOMEM : 0;
}

static void
set_name(struct dentry *d, const struct name *name, char *space)
{
    d->name = space != NULL ? space : d->small;
    bytes_copy(d->name, name->text, name->length);
    d->name[name->length] = '\0';
    d->length = (u16)name->length;
    d->hash = name->hash;
}

struct dentry *
dentry_new(struct dentry *parent, const struct name *name, struct inode *inode)
{
    char *space;
    if (dentry_name_prepare(name->length, &space) != 0)
        return NULL;
    struct dentry *d = heap_alloc(sizeof *d);
    if (d == NULL) {
        heap_free(space);
        return NULL;
    }
    atomic_init(&d->refs, 1);
    d->next = NULL;
    d->link = NULL;
    d->parent = parent;
    d->inode = inode;
    list_init(&d->idle);
    d->used = false;
    d->doomed = false;
    d->dead = false;
    d->notify_seen = 0;
    set_name(d, name, space);
    if (parent != NULL)
        dentry_hold(parent);
    return d;
}

void
dentry_insert(struct dentry *d)
{
    spin_lock(&dentry_lock);
    hash_locked(d);
    spin_unlock(&dentry_lock);
}

int
dentry_get(struct dentry *dir, const struct name *name, struct dentry **out)
{
    spin_lock(&dentry_lock);
    struct dentry *d = dentry_find_locked(dir, name);
    if (d != NULL)
        dentry_hold(d);
    spin_unlock(&dentry_lock);
    if (d == NULL) {
        struct inode *inode;
        if (dir->inode->ops->lookup == NULL)
            return -E_NOTDIR;
        if (dir->dead)
            return -E_NOENT;
        int r = dir->inode->ops->lookup(dir->inode, name->text, name->length, &inode);
        if (r != 0)
            return r;
        d = dentry_new(dir, name, inode);
        if (d == NULL) {
            inode_release(inode);
            return -E_NOMEM;
        }
        if (!inode->fleeting)
            dentry_insert(d);
    }
    *out = d;
    return 0;
}

void
dentry_remove(struct dentry *d)
{
    spin_lock(&dentry_lock);
    unhash_locked(d);
    d->dead = true;
    spin_unlock(&dentry_lock);
}

/* Give d another place; what it leaves is returned in *old_parent and *old_name, to be
 * dropped without the lock. */
static void
place_locked(struct dentry *d, struct dentry *parent, const struct name *name, char *space)
{
    unhash_locked(d);
    d->parent = parent;
    d->notify_seen = 0;
    set_name(d, name, space);
    hash_locked(d);
}

void
dentry_move(struct dentry *d, struct dentry *parent, const struct name *name,
            char *space, struct dentry *replaced)
{
    struct dentry *old_parent = d->parent;
    dentry_hold(parent);
    spin_lock(&dentry_lock);
    char *old_name = d->name != d->small ? d->name : NULL;
    if (replaced != NULL) {
        unhash_locked(replaced);
        replaced->dead = true;
    }
    dentry_moves++;
    place_locked(d, parent, name, space);
    spin_unlock(&dentry_lock);
    heap_free(old_name);
    dentry_release(old_parent);
}

void
dentry_swap(struct dentry *a, char *space_a, struct dentry *b, char *space_b)
{
    char name_a[NAME_BYTES_MAX + 1], name_b[NAME_BYTES_MAX + 1];
    spin_lock(&dentry_lock);
    char *old_a = a->name != a->small ? a->name : NULL;
    char *old_b = b->name != b->small ? b->name : NULL;
    struct dentry *parent_a = a->parent, *parent_b = b->parent;
    struct name of_a = { name_a, a->length, a->hash }, of_b = { name_b, b->length, b->hash };
    memcpy(name_a, a->name, a->length);
    memcpy(name_b, b->name, b->length);
    /* Each takes over the other's reference on its parent. */
    place_locked(a, parent_b, &of_b, space_a);
    place_locked(b, parent_a, &of_a, space_b);
    dentry_moves++;
    spin_unlock(&dentry_lock);
    heap_free(old_a);
    heap_free(old_b);
}

/* The caller has no doomed dentries of its own. */
void
dentry_forget(const struct filesystem *fs)
{
    bool again = true;
    while (again) {
        struct dentry *doomed = NULL;
        again = false;
        spin_lock(&dentry_lock);
        list_for_each_safe(it, &idle_list) {
            struct dentry *d = container_of(it, struct dentry, idle);
            if (d->inode->fs == fs &&
                atomic_load_explicit(&d->refs, memory_order_relaxed) == 0) {
                doom_locked(d, &doomed);
                again = true; /* its parent may become idle */
            }
        }
        spin_unlock(&dentry_lock);
        dentry_bury(doomed);
    }
    /* Another thread may have taken some off the list and not buried them yet. */
    while (atomic_load_explicit(&doomed_count, memory_order_acquire) != 0)
        thread_yield();
}

bool
dentry_below(const struct dentry *d, const struct dentry *above)
{
    bool yes = false;
    spin_lock(&dentry_lock);
    for (; d != NULL && !yes; d = d->parent)
        yes = d == above;
    spin_unlock(&dentry_lock);
    return yes;
}

u32
dentry_idle_count(void)
{
    return idle_count;
}
