/* SPDX-License-Identifier: MIT */
/*
 * Sets of watched files (epoll(7)).
 *
 * P1. An entry stands in the wait queues of its file from watch_add to its removal. A
 *     wake-up puts it on its set's ready list, if it is not there: O(1), and a wait looks
 *     at no entry but those on the list.
 * P2. An entry is taken off the list before its file is asked, so that a change after
 *     the question puts it there again. One that is level-triggered and was ready goes
 *     back to the end of the list.  While one may be off the list for that, the set's
 *     `peeking` is true: who wants to know whether there is anything looks at both under
 *     the set's lock.
 * P3. An entry holds no reference on its file. The last reference to a file removes its
 *     entries first (file_watchers_hook); until then the file may be asked, under the
 *     set's mutex.
 * P4. No set watches itself through others, and a line of sets that watch each other is
 *     at most five long, so that a wake-up's way through them is short: seen under
 *     `nest_mutex`, which all additions of sets take.
 * P5. A user's sets have no more entries than a part of the memory is for: each one
 *     counts in watch_set.usage while it stands in the set.
 * P6. Exclusive entries stand in their file's queues as exclusive waiters: a wake-up marks
 *     one after the other as ready until it comes to one in whose set somebody waits.  Who
 *     is awake then and goes without looking wakes the next: a set that ends, here.
 * Locking: nest_mutex, then watch_set.mutex (a watching set's before a watched one's),
 * then watchers_lock; a file's wait queue, then watch_set.lock; watch_set.lock and the
 * set's own wait queue are not held together. No user memory is touched with the mutex
 * held, because the last reference to a file may go under an mm's lock.
 */
#include "core/heap.h"
#include "core/log.h"
#include "core/page.h"
#include "ready/epoll_private.h"
#include "vfs/cred.h"
#include "vfs/usage.h"

#define POLL_ALWAYS (POLL_ERR | POLL_HUP)
#define POLL_RDNORM 0x040u
#define POLL_WRNORM 0x100u

static struct spinlock watchers_lock;

static const struct file_ops watch_set_ops;

bool
watch_set_is(const struct file *f)
{
    return f->ops == &watch_set_ops;
}

static int
order(const struct file *f, i32 fd, const struct watch_entry *e)
{
    if (f != e->file)
        return (uintptr_t)f < (uintptr_t)e->file ? -1 : 1;
    return fd < e->fd ? -1 : fd > e->fd;
}

static int
compare_entries(const struct tree_node *a, const struct tree_node *b)
{
    const struct watch_entry *x = container_of(a, struct watch_entry, node);
    return order(x->file, x->fd, container_of(b, struct watch_entry, node));
}

struct entry_key {
    const struct file *file;
    i32 fd;
};

static int
compare_key(const void *key, const struct tree_node *n)
{
    const struct entry_key *k = key;
    return order(k->file, k->fd, container_of(n, struct watch_entry, node));
}

static struct watch_entry *
find(struct watch_set *s, const struct file *file, i32 fd)
{
    struct entry_key k = { file, fd };
    struct tree_node *n = tree_find(&s->entries, &k, compare_key);
    return n != NULL ? container_of(n, struct watch_entry, node) : NULL;
}

static void
set_put(struct watch_set *s)
{
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    usage_put(s->usage);
    heap_free(s);
}

/* P5: one part in 25 of the memory, as on Linux. */
static u64
entries_max(void)
{
    static u64 most; /* every caller computes the same */
    if (most == 0) {
        struct page_counts pages;
        page_count(&pages);
        most = MAX(pages.total * PAGE_SIZE / 25 / sizeof(struct watch_entry), 1000u);
    }
    return most;
}

/* ---- becoming ready ---- */

/* True: it was not on the list. */
static bool
make_ready(struct watch_entry *e)
{
    struct watch_set *s = e->set;
    spin_lock(&s->lock);
    bool fresh = list_empty(&e->ready_link);
    if (fresh)
        list_push_back(&s->ready, &e->ready_link);
    spin_unlock(&s->lock);
    return fresh;
}

/* P6: is a wake-up through this queue about what the entry asks for?  The first queue that
 * the poll of a readable file names is that of its readers. */
static bool
slot_counts(const struct watch_slot *s, u32 events)
{
    const struct watch_entry *e = s->entry;
    bool reads = s == &e->slot[0] && (e->file->flags & OPEN_READ) != 0;
    return (events & (reads ? POLL_IN : POLL_OUT)) != 0;
}

/* The queue's lock is held. */
static bool
slot_wake(struct waiter *w)
{
    struct watch_slot *slot = container_of(w, struct watch_slot, waiter);
    struct watch_entry *e = slot->entry;
    u32 events = __atomic_load_n(&e->event.events, __ATOMIC_RELAXED);
    if (events == 0)
        return false; /* it told its event once, and is silent */
    make_ready(e);
    return wait_wake(&e->set->wait, 1) && (!w->exclusive || slot_counts(slot, events));
}

static void
slot_add(struct poll_table *t, struct waitq *q)
{
    struct watch_entry *e = container_of(t, struct watch_entry, table);
    struct watch_slot *s;
    if (e->used < SLOTS_INLINE) {
        s = &e->slot[e->used];
    } else {
        s = heap_alloc_zeroed(sizeof *s);
        if (s == NULL) {
            e->error = -E_NOMEM;
            return;
        }
        s->next = e->more;
        e->more = s;
    }
    e->used++;
    s->entry = e;
    s->waiter.wake = slot_wake;
    s->waiter.exclusive = (e->modes & WATCH_EXCLUSIVE) != 0;
    wait_add(q, &s->waiter);
}

_Static_assert(POLL_RDNORM == POLL_IN << 6 && POLL_WRNORM == POLL_OUT << 6, "one shift");

static inline u32
state_of(struct file *f, struct poll_table *t)
{
    u32 mask = file_poll(f, t);
    return mask | (mask & (POLL_IN | POLL_OUT)) << 6;
}

/* ---- adding and removing ---- */

static void
leave_queues(struct watch_entry *e)
{
    for (u32 i = 0; i < MIN(e->used, SLOTS_INLINE); i++)
        wait_remove(&e->slot[i].waiter);
    while (e->more != NULL) {
        struct watch_slot *s = e->more;
        e->more = s->next;
        wait_remove(&s->waiter);
        heap_free(s);
    }
}

/* The set's mutex is held. */
static void
entry_free(struct watch_entry *e)
{
    struct watch_set *s = e->set;
    struct waitq *queue[SLOTS_INLINE];
    if (watch_set_is(e->file))
        watch_nest_unlink(e);
    for (u32 i = 0; i < SLOTS_INLINE; i++)
        queue[i] = e->slot[i].waiter.queue;
    leave_queues(e);
    spin_lock(&s->lock);
    bool untold = (e->modes & WATCH_EXCLUSIVE) != 0 && !list_empty(&e->ready_link);
    list_remove(&e->ready_link);
    spin_unlock(&s->lock);
    for (u32 i = 0; untold && i < SLOTS_INLINE; i++)
        if (queue[i] != NULL)
            wait_wake(queue[i], 1); /* P6 */
    spin_lock(&watchers_lock);
    list_remove(&e->file_link);
    spin_unlock(&watchers_lock);
    tree_remove(&s->entries, &e->node);
    usage_sub(s->usage, USAGE_SET_ENTRIES, 1);
    heap_free(e);
}

/* P3: the last reference to the file has gone. */
static void
file_is_going(struct file *f)
{
    for (;;) {
        spin_lock(&watchers_lock);
        struct watch_entry *e = NULL;
        struct watch_set *s = NULL;
        if (!list_empty(f->watchers)) {
            e = container_of(f->watchers->next, struct watch_entry, file_link);
            s = e->set;
            atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
        }
        spin_unlock(&watchers_lock);
        if (e == NULL)
            break;
        mutex_lock(&s->mutex);
        spin_lock(&watchers_lock); /* the set may have gone meanwhile, with its entry */
        bool there = f->watchers->next == &e->file_link && e->set == s;
        spin_unlock(&watchers_lock);
        if (there)
            entry_free(e);
        mutex_unlock(&s->mutex);
        set_put(s);
    }
    heap_free(f->watchers);
    f->watchers = NULL;
}

/* The list of a file's entries comes with the first of them. */
static int
need_watchers(struct file *f)
{
    if (__atomic_load_n(&f->watchers, __ATOMIC_ACQUIRE) != NULL)
        return 0;
    struct list *l = heap_alloc(sizeof *l);
    if (l == NULL)
        return -E_NOMEM;
    list_init(l);
    spin_lock(&watchers_lock);
    if (f->watchers == NULL) {
        file_watchers_hook = file_is_going;
        __atomic_store_n(&f->watchers, l, __ATOMIC_RELEASE);
        l = NULL;
    }
    spin_unlock(&watchers_lock);
    heap_free(l);
    return 0;
}

/* The set's mutex is held. */
static int
add_entry(struct watch_set *s, struct file *file, i32 fd, const struct watch_event *event,
          u32 modes)
{
    if (find(s, file, fd) != NULL)
        return -E_EXIST;
    if (!usage_add(s->usage, USAGE_SET_ENTRIES, 1, entries_max()))
        return -E_NOSPC;
    struct watch_entry *e = heap_alloc_zeroed(sizeof *e);
    if (e == NULL || need_watchers(file) != 0) {
        usage_sub(s->usage, USAGE_SET_ENTRIES, 1);
        heap_free(e);
        return -E_NOMEM;
    }
    e->file = file;
    e->fd = fd;
    e->set = s;
    e->event = *event;
    e->event.events |= POLL_ALWAYS;
    e->modes = modes;
    e->table.add = slot_add;
    list_init(&e->ready_link);
    (void)tree_insert(&s->entries, &e->node);
    spin_lock(&watchers_lock);
    list_push_back(file->watchers, &e->file_link);
    spin_unlock(&watchers_lock);
    if (watch_set_is(file))
        watch_nest_link(e);
    u32 state = state_of(file, &e->table);
    if (e->error != 0) {
        entry_free(e);
        return -E_NOMEM;
    }
    if ((state & e->event.events) != 0 && make_ready(e))
        wait_wake(&s->wait, 1);
    return 0;
}

int
watch_add(struct file *set, struct file *file, i32 fd, const struct watch_event *event,
          u32 modes)
{
    struct watch_set *s = set->priv;
    bool nested = watch_set_is(file);
    int r = 0;
    if (file->ops->poll == NULL)
        return -E_PERM;
    if (set == file)
        return -E_INVAL;
    if (nested && (r = watch_nest_begin(s, file->priv)) != 0)
        return r;
    mutex_lock(&s->mutex);
    r = add_entry(s, file, fd, event, modes);
    mutex_unlock(&s->mutex);
    if (nested)
        watch_nest_done();
    return r;
}

int
watch_change(struct file *set, struct file *file, i32 fd, const struct watch_event *event,
             u32 modes)
{
    struct watch_set *s = set->priv;
    mutex_lock(&s->mutex);
    struct watch_entry *e = find(s, file, fd);
    int r = e == NULL ? -E_NOENT : (e->modes & WATCH_EXCLUSIVE) != 0 ? -E_INVAL : 0;
    if (r == 0) {
        e->modes = modes;
        e->event.data = event->data;
        __atomic_store_n(&e->event.events, event->events | POLL_ALWAYS,
                         __ATOMIC_SEQ_CST); /* before the question */
        if ((state_of(file, NULL) & e->event.events) != 0 && make_ready(e))
            wait_wake(&s->wait, 1);
    }
    mutex_unlock(&s->mutex);
    return r;
}

int
watch_remove(struct file *set, struct file *file, i32 fd)
{
    struct watch_set *s = set->priv;
    mutex_lock(&s->mutex);
    struct watch_entry *e = find(s, file, fd);
    if (e != NULL)
        entry_free(e);
    mutex_unlock(&s->mutex);
    return e != NULL ? 0 : -E_NOENT;
}

/* ---- waiting ---- */

/* P2.  The mutex is not needed. */
static bool
any_ready(struct watch_set *s)
{
    spin_lock(&s->lock);
    bool yes = !list_empty(&s->ready) || s->peeking;
    spin_unlock(&s->lock);
    return yes;
}

/* Mutex and lock are held: take the first of the list off, and ask its file (P2). */
static struct watch_entry *
ask_first(struct watch_set *s, u32 *events)
{
    struct watch_entry *e = container_of(s->ready.next, struct watch_entry, ready_link);
    list_remove(&e->ready_link);
    spin_unlock(&s->lock);
    *events = state_of(e->file, NULL) & e->event.events;
    spin_lock(&s->lock);
    return e;
}

/* Up to n events; *left: there may be more. Level-triggered entries stay on `again` until
 * all have been asked, so that none is told twice; to a wake-up they are on the ready
 * list. */
static u32
collect(struct watch_set *s, struct watch_event *out, u32 n, bool *left)
{
    struct list again = LIST_INIT(again);
    u32 found = 0, events;
    mutex_lock(&s->mutex);
    spin_lock(&s->lock);
    s->peeking = true;
    while (found < n && !list_empty(&s->ready)) {
        struct watch_entry *e = ask_first(s, &events);
        if (events == 0)
            continue;
        out[found++] = (struct watch_event){ events, e->fd, e->event.data, e->file };
        if ((e->modes & WATCH_ONCE) != 0) {
            e->silenced = e->event.events;
            __atomic_store_n(&e->event.events, 0, __ATOMIC_SEQ_CST);
        } else if ((e->modes & WATCH_EDGE) == 0 && list_empty(&e->ready_link)) {
            list_push_back(&again, &e->ready_link);
        }
    }
    list_move_all(&s->ready, &again);
    *left = !list_empty(&s->ready);
    s->peeking = false;
    spin_unlock(&s->lock);
    mutex_unlock(&s->mutex);
    return found;
}

/* 0: look again; -E_TIMEDOUT, -E_INTR. */
static int
wait_ready(struct watch_set *s, u64 deadline_ns)
{
    struct waiter w;
    wait_enter(&s->wait, &w, true);
    thread_prepare(true);
    if (!any_ready(s)) {
        int r = thread_block(deadline_ns);
        wait_leave(&w);
        return r;
    }
    thread_cancel();
    wait_remove(&w);
    return 0;
}

i64
watch_wait(struct file *set, struct watch_event *out, u32 n, u64 deadline_ns)
{
    struct watch_set *s = set->priv;
    int r = 0;
    u32 found = 0;
    bool left = false;
    for (;;) {
        /* The first look is a guess that saves the lock. */
        if (!list_empty(&s->ready) || any_ready(s))
            found = collect(s, out, n, &left);
        if (found != 0 || r != 0)
            break;
        if (deadline_ns == 0)
            return 0;
        r = wait_ready(s, deadline_ns);
    }
    atomic_thread_fence(memory_order_seq_cst); /* as in wait_wake, W1 */
    if (left && !wait_idle(&s->wait))
        wait_wake(&s->wait, 1); /* what is left is another's */
    return found != 0 || r == -E_TIMEDOUT ? found : (i64)r;
}

/* What has changed since finds its entry gone, or asks its file once more than needed. */
void
watch_untold(struct file *set, const struct watch_event *events, u32 n)
{
    struct watch_set *s = set->priv;
    mutex_lock(&s->mutex);
    for (u32 i = 0; i < n; i++) {
        struct watch_entry *e = find(s, events[i].file, events[i].fd);
        if (e == NULL || e->event.data != events[i].data)
            continue;
        if ((e->modes & WATCH_ONCE) != 0 && e->event.events == 0)
            __atomic_store_n(&e->event.events, e->silenced, __ATOMIC_SEQ_CST);
        make_ready(e);
    }
    mutex_unlock(&s->mutex);
    wait_wake(&s->wait, 1);
}

/* ---- the file ---- */

static u32
watch_set_poll(struct file *f, struct poll_table *t)
{
    struct watch_set *s = f->priv;
    u32 mask = 0;
    if (t != NULL)
        t->add(t, &s->wait);
    if (!any_ready(s))
        return 0;
    mutex_lock(&s->mutex);
    spin_lock(&s->lock);
    s->peeking = true;
    while (mask == 0 && !list_empty(&s->ready)) {
        u32 events;
        struct watch_entry *e = ask_first(s, &events);
        if (events == 0)
            continue;
        mask = POLL_IN;
        if (list_empty(&e->ready_link))
            list_push_front(&s->ready, &e->ready_link);
    }
    s->peeking = false;
    spin_unlock(&s->lock);
    mutex_unlock(&s->mutex);
    return mask;
}

static void
watch_set_release(struct file *f)
{
    struct watch_set *s = f->priv;
    struct tree_node *n;
    mutex_lock(&s->mutex);
    while ((n = tree_first(&s->entries)) != NULL)
        entry_free(container_of(n, struct watch_entry, node));
    mutex_unlock(&s->mutex);
    set_put(s);
}

static const struct file_ops watch_set_ops = {
    .poll = watch_set_poll,
    .release = watch_set_release,
    .traits = FILE_STREAM,
    .kind_name = "anon_inode:[eventpoll]",
};

int
watch_set_create(u32 flags, struct file **out)
{
    struct watch_set *s = heap_alloc_zeroed(sizeof *s);
    if (s == NULL)
        return -E_NOMEM;
    const struct cred *by = vfs_current_cred != NULL ? vfs_current_cred() : NULL;
    s->usage = usage_get(by != NULL ? by->uid : 0);
    if (s->usage == NULL) {
        heap_free(s);
        return -E_NOMEM;
    }
    mutex_init(&s->mutex);
    tree_init(&s->entries, compare_entries);
    list_init(&s->ready);
    list_init(&s->above);
    waitq_init(&s->wait);
    atomic_init(&s->refs, 1);
    *out = anon_file(&watch_set_ops, flags, s);
    if (*out == NULL)
        set_put(s);
    return *out != NULL ? 0 : -E_NOMEM;
}
