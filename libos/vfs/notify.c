/* SPDX-License-Identifier: MIT */
/* Watches and queues of events; vfs/notify.h has the invariants. */
#include "vfs/notify.h"

#include "core/heap.h"
#include "core/log.h"
#include "core/page.h"
#include "core/string.h"

_Atomic u32 notify_epoch;
static struct spinlock notify_lock = SPINLOCK_INIT;
static struct list groups = LIST_INIT(groups);

static int
by_wd(const struct tree_node *a, const struct tree_node *b)
{
    i32 x = container_of(a, const struct notify_watch, node)->wd,
        y = container_of(b, const struct notify_watch, node)->wd;
    return x < y ? -1 : x > y;
}

static int
wd_key(const void *key, const struct tree_node *n)
{
    i32 x = *(const i32 *)key, y = container_of(n, const struct notify_watch, node)->wd;
    return x < y ? -1 : x > y;
}

/* ---- events ---- */

static bool
same_as_last(const struct notify_group *g, i32 wd, u32 mask, const char *name, u32 length)
{
    if (list_empty(&g->events))
        return false;
    const struct notify_event *e =
        container_of(g->events.prev, struct notify_event, link);
    return e->wd == wd && e->mask == mask && e->name_bytes == length &&
           memcmp(e->name, name, length) == 0;
}

static void
overflow_locked(struct notify_group *g)
{
    if (g->overflowed)
        return;
    g->overflowed = true;
    list_push_back(&g->events, &g->overflow->link);
    g->count++;
    wait_wake(&g->wait, ~0u);
}

/* V4, V5.  Without memory for it an event is lost as with a full queue, and said to be.
 * false: whom the watch is for does not count it. */
static bool
queue_locked(struct notify_group *g, i32 wd, u32 mask, u32 cookie, const char *name,
             u32 length)
{
    if (g->told != NULL)
        return g->told(g->priv, mask, cookie);
    if (same_as_last(g, wd, mask, name, length))
        return true;
    struct notify_event *e =
        g->count >= NOTIFY_EVENTS_MAX ? NULL : heap_alloc(sizeof *e + length);
    if (e == NULL) {
        overflow_locked(g);
        return true;
    }
    *e = (struct notify_event){ .wd = wd, .mask = mask, .cookie = cookie };
    e->name_bytes = length;
    if (length != 0)
        memcpy(e->name, name, length);
    list_push_back(&g->events, &e->link);
    g->count++;
    wait_wake(&g->wait, ~0u);
    return true;
}

/* Take a watch out of both its places (V1); the caller frees it after the lock. */
static void
unlink_locked(struct notify_watch *w)
{
    struct notify_watch **l = &w->inode->watches;
    while (*l != w)
        l = &(*l)->next;
    *l = w->next;
    tree_remove(&w->group->watches, &w->node);
    (void)queue_locked(w->group, w->wd, NOTIFY_IGNORED, 0, "", 0);
    usage_sub(w->group->usage, USAGE_WATCHES, 1);
}

static void
free_watches(struct notify_watch *list)
{
    while (list != NULL) {
        struct notify_watch *w = list;
        list = w->next;
        heap_free(w);
    }
}

/* Tell the watches of an inode; those that end with it are put on *ended. */
static void
tell_locked(struct inode *i, u32 event, u32 cookie, const char *name, u32 length,
            bool unlinked, struct notify_watch **ended)
{
    for (struct notify_watch *w = i->watches, *next; w != NULL; w = next) {
        next = w->next;
        if ((w->mask & event & NOTIFY_ALL) == 0 ||
            (unlinked && (w->mask & NOTIFY_EXCLUDE_UNLINKED) != 0))
            continue;
        if (queue_locked(w->group, w->wd, event, cookie, name, length) &&
            (w->mask & NOTIFY_ONCE) != 0) {
            unlink_locked(w);
            w->next = *ended;
            *ended = w;
        }
    }
}

void
notify_inode_slow(struct inode *i, u32 event, u32 cookie, const char *name, u32 length)
{
    struct notify_watch *ended = NULL;
    spin_lock(&notify_lock);
    tell_locked(i, event, cookie, name, length, false, &ended);
    spin_unlock(&notify_lock);
    free_watches(ended);
}

void
notify_place(struct dentry *d, u32 event)
{
    char name[NAME_BYTES_MAX + 1];
    u32 length = 0, epoch = atomic_load(&notify_epoch);
    struct inode *parent = NULL;
    bool unlinked;
    spin_lock(&dentry_lock);
    unlinked = d->dead;
    if (d->parent != NULL && d->parent->inode->watches != NULL) {
        parent = d->parent->inode;
        inode_hold(parent);
        length = d->length;
        memcpy(name, d->name, length);
    }
    spin_unlock(&dentry_lock);
    if (parent == NULL && d->inode->watches == NULL) {
        d->notify_seen = epoch; /* V3 */
        return;
    }
    struct notify_watch *ended = NULL;
    event |= notify_type(d->inode);
    spin_lock(&notify_lock);
    if (parent != NULL)
        tell_locked(parent, event, 0, name, length, unlinked, &ended);
    tell_locked(d->inode, event, 0, "", 0, unlinked, &ended);
    spin_unlock(&notify_lock);
    free_watches(ended);
    if (parent != NULL)
        inode_release(parent);
}

u32
notify_cookie(void)
{
    static _Atomic u32 last;
    u32 c = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
    return c != 0 ? c : notify_cookie();
}

void
notify_inode_gone(struct inode *i)
{
    struct notify_watch *ended = NULL;
    spin_lock(&notify_lock);
    if (i->nlink == 0)
        tell_locked(i, NOTIFY_DELETE_SELF, 0, "", 0, false, &ended);
    while (i->watches != NULL) {
        struct notify_watch *w = i->watches;
        unlink_locked(w);
        w->next = ended;
        ended = w;
    }
    spin_unlock(&notify_lock);
    free_watches(ended);
}

void
notify_unmounted(const struct filesystem *fs)
{
    struct notify_watch *ended = NULL;
    if (atomic_load_explicit(&notify_epoch, memory_order_relaxed) == 0)
        return;
    spin_lock(&notify_lock);
    list_for_each(it, &groups)
    {
        struct notify_group *g = container_of(it, struct notify_group, link);
        for (struct tree_node *n = tree_first(&g->watches), *next; n != NULL; n = next) {
            struct notify_watch *w = container_of(n, struct notify_watch, node);
            next = tree_next(n);
            if (w->inode->fs != fs)
                continue;
            (void)queue_locked(g, w->wd, NOTIFY_UNMOUNT, 0, "", 0);
            unlink_locked(w);
            w->next = ended;
            ended = w;
        }
    }
    spin_unlock(&notify_lock);
    free_watches(ended);
}

/* ---- groups and their watches ---- */

int
notify_group_new(u32 uid, struct notify_group **out)
{
    struct notify_group *g = heap_alloc_zeroed(sizeof *g);
    struct notify_event *overflow = heap_alloc_zeroed(sizeof *overflow);
    struct usage *usage = usage_get(uid);
    int r = g == NULL || overflow == NULL || usage == NULL ? -E_NOMEM : 0;
    if (r == 0 && !usage_add(usage, USAGE_WATCH_GROUPS, 1, NOTIFY_GROUPS_MAX))
        r = -E_MFILE;
    if (r != 0) {
        heap_free(g);
        heap_free(overflow);
        if (usage != NULL)
            usage_put(usage);
        return r;
    }
    overflow->wd = -1;
    overflow->mask = NOTIFY_OVERFLOW;
    g->overflow = overflow;
    g->usage = usage;
    tree_init(&g->watches, by_wd);
    list_init(&g->events);
    waitq_init(&g->wait);
    spin_lock(&notify_lock);
    list_push_back(&groups, &g->link);
    spin_unlock(&notify_lock);
    *out = g;
    return 0;
}

void
notify_group_free(struct notify_group *g)
{
    struct notify_watch *ended = NULL;
    spin_lock(&notify_lock);
    list_remove(&g->link);
    for (struct tree_node *n; (n = tree_first(&g->watches)) != NULL;) {
        struct notify_watch *w = container_of(n, struct notify_watch, node);
        unlink_locked(w);
        w->next = ended;
        ended = w;
    }
    spin_unlock(&notify_lock);
    free_watches(ended);
    list_for_each_safe(it, &g->events)
    {
        struct notify_event *e = container_of(it, struct notify_event, link);
        if (e != g->overflow)
            heap_free(e);
    }
    usage_sub(g->usage, USAGE_WATCH_GROUPS, 1);
    usage_put(g->usage);
    heap_free(g->overflow);
    heap_free(g);
}

/* A percent of the memory, at about 1 KiB for each with what it keeps in use. */
u64
notify_watches_max(void)
{
    struct page_counts c;
    page_count(&c);
    return MIN(MAX(c.total * PAGE_SIZE / 100 / 1024, 8192ull), 1048576ull);
}

/* The group's watch of the inode gets another mask. */
static i64
change_locked(struct notify_watch *w, u32 mask, u32 how)
{
    if ((how & NOTIFY_MUST_CREATE) != 0)
        return -E_EXIST;
    w->mask = (how & NOTIFY_ADD_TO_MASK) != 0 ? w->mask | mask : mask;
    return w->wd;
}

/* The numbers go round, and what is still in use is passed by. */
static i32
next_wd_locked(struct notify_group *g)
{
    do
        g->last_wd = g->last_wd == INT32_MAX ? 1 : g->last_wd + 1;
    while (tree_find(&g->watches, &g->last_wd, wd_key) != NULL);
    return g->last_wd;
}

i64
notify_watch_add(struct notify_group *g, struct inode *i, u32 mask, u32 how)
{
    struct notify_watch *fresh = heap_alloc_zeroed(sizeof *fresh);
    u64 limit = notify_watches_max();
    if (fresh == NULL)
        return -E_NOMEM;
    spin_lock(&notify_lock);
    struct notify_watch *w = i->watches;
    while (w != NULL && w->group != g)
        w = w->next;
    i64 r;
    if (w != NULL) {
        r = change_locked(w, mask, how);
    } else if (!usage_add(g->usage, USAGE_WATCHES, 1, limit)) {
        r = -E_NOSPC;
    } else {
        w = fresh;
        fresh = NULL;
        w->inode = i;
        w->group = g;
        w->mask = mask;
        r = w->wd = next_wd_locked(g);
        w->next = i->watches;
        i->watches = w;
        struct tree_node *there = tree_insert(&g->watches, &w->node);
        ASSERT(there == NULL);
        atomic_fetch_add(&notify_epoch, 1); /* V3: after it is in the list */
    }
    spin_unlock(&notify_lock);
    heap_free(fresh);
    return r;
}

bool
notify_watch_next(struct notify_group *g, i32 wd, struct notify_watch_info *out)
{
    i32 least = wd + 1;
    spin_lock(&notify_lock);
    struct tree_node *n =
        wd == INT32_MAX ? NULL : tree_at_or_after(&g->watches, &least, wd_key);
    if (n != NULL) {
        const struct notify_watch *w = container_of(n, struct notify_watch, node);
        const struct inode *i = w->inode;
        *out = (struct notify_watch_info){ .wd = w->wd, .mask = w->mask, .ino = i->ino };
        out->dev = i->fs != NULL ? i->fs->dev : 0;
    }
    spin_unlock(&notify_lock);
    return n != NULL;
}

int
notify_watch_remove(struct notify_group *g, i32 wd)
{
    spin_lock(&notify_lock);
    struct tree_node *n = tree_find(&g->watches, &wd, wd_key);
    struct notify_watch *w =
        n == NULL ? NULL : container_of(n, struct notify_watch, node);
    if (w != NULL)
        unlink_locked(w);
    spin_unlock(&notify_lock);
    heap_free(w);
    return w != NULL ? 0 : -E_INVAL;
}

int
notify_event_take(struct notify_group *g, u64 size,
                  u64 (*bytes_of)(const struct notify_event *e),
                  struct notify_event **out)
{
    struct notify_event *spare = NULL;
    int r = 0;
    if (g->overflowed && (spare = heap_alloc_zeroed(sizeof *spare)) == NULL)
        return -E_NOMEM;
    spin_lock(&notify_lock);
    struct notify_event *e =
        list_empty(&g->events) ? NULL
                               : container_of(g->events.next, struct notify_event, link);
    if (e == NULL)
        r = -E_AGAIN;
    else if (bytes_of(e) > size)
        r = -E_INVAL;
    else if (e == g->overflow && spare == NULL)
        r = -E_AGAIN; /* it came this moment: the caller looks again */
    if (r == 0) {
        list_remove(&e->link);
        g->count--;
        if (e == g->overflow) {
            spare->wd = e->wd;
            spare->mask = e->mask;
            g->overflow = spare;
            g->overflowed = false;
            spare = NULL;
        }
        *out = e;
    }
    spin_unlock(&notify_lock);
    heap_free(spare);
    return r;
}

u64
notify_events_bytes(struct notify_group *g, u64 (*bytes_of)(const struct notify_event *e))
{
    u64 n = 0;
    spin_lock(&notify_lock);
    list_for_each(it, &g->events) n +=
        bytes_of(container_of(it, struct notify_event, link));
    spin_unlock(&notify_lock);
    return n;
}
