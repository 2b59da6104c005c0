/* SPDX-License-Identifier: MIT */
/*
 * Files on their way.  A socket whose file is only on its way to sockets that are
 * themselves only on their way is lost: nobody can ever receive it.  Closing a socket
 * while files are on their way looks for such ones: at once while they are few; else the
 * search is work, since those who close did not cause how much there is to look at.
 */
#include "socket/unix/unix.h"

#include "core/work.h"
#include "vfs/usage.h"

#define FEW 64u

static struct spinlock flight_lock = SPINLOCK_INIT;
static struct list flying = LIST_INIT(flying); /* sockets with flights != 0 */
static _Atomic u32 flying_count;               /* how many they are */
static u32 search_at = 1024;                   /* flight_lock; with so many there is a search */

static void collect(struct work *unused);
static struct work search = { .queue = &work_shared, .fn = collect };

static struct unix_socket *
unix_of_file(const struct file *f)
{
    struct socket *s = socket_of(f);
    return s != NULL && s->family == &unix_family ? unix_of(s) : NULL;
}

int
unix_flight_begin(struct socket_rights *r)
{
    const struct cred *cred = vfs_current_cred();
    struct usage *usage = usage_get(cred != NULL ? cred->uid : 0);
    if (usage == NULL)
        return -E_NOMEM;
    bool free = cred == NULL || cred_can(cred, CAP_SYS_RESOURCE) ||
                cred_can(cred, CAP_SYS_ADMIN);
    if (!usage_add(usage, USAGE_FLIGHTS, r->count, free ? ~0ull : socket_caller.rights_max())) {
        usage_put(usage);
        return -E_TOOMANYREFS;
    }
    r->usage = usage;
    spin_lock(&flight_lock);
    for (u32 i = 0; i < r->count; i++) {
        struct unix_socket *u = unix_of_file(r->file[i]);
        if (u == NULL)
            continue;
        u->file = r->file[i];
        if (u->flights++ == 0) {
            list_push_back(&flying, &u->flight_link);
            flying_count++;
        }
    }
    bool many = flying_count >= search_at;
    if (many)
        search_at = flying_count * 2;
    else if (flying_count < search_at / 4)
        search_at = MAX(search_at / 2, 1024u);
    spin_unlock(&flight_lock);
    if (many)
        work_add(&search);
    return 0;
}

void
unix_flight_end(struct socket_rights *r)
{
    if (r->usage == NULL)
        return;
    spin_lock(&flight_lock);
    for (u32 i = 0; i < r->count; i++) {
        struct unix_socket *u = unix_of_file(r->file[i]);
        if (u != NULL && --u->flights == 0) {
            list_remove(&u->flight_link);
            flying_count--;
        }
    }
    spin_unlock(&flight_lock);
    usage_sub(r->usage, USAGE_FLIGHTS, r->count);
    usage_put(r->usage);
    r->usage = NULL;
}

/* While flight_lock is held nobody comes to hold a file that is on its way: whoever takes
 * one out of a queue, or looks at one there, needs the lock. */
enum { MARK_NONE, MARK_CANDIDATE, MARK_ALIVE };

/* Call fn on each local socket whose file is in u's queue. */
static void
each_child_in(struct unix_socket *u, void (*fn)(struct unix_socket *child, void *arg),
              void *arg)
{
    list_for_each(it, &u->queue) {
        struct unix_message *m = container_of(it, struct unix_message, link);
        for (u32 i = 0; m->rights != NULL && i < m->rights->count; i++) {
            struct unix_socket *child = unix_of_file(m->rights->file[i]);
            if (child != NULL)
                fn(child, arg);
        }
    }
}

/* The same, and those of the connections that nobody has accepted. */
static void
each_child(struct unix_socket *u, void (*fn)(struct unix_socket *child, void *arg),
           void *arg)
{
    spin_lock(&u->socket.lock);
    each_child_in(u, fn, arg);
    list_for_each(it, &u->pending) {
        struct unix_socket *end = container_of(it, struct unix_socket, pending_link);
        spin_lock(&end->socket.lock);
        each_child_in(end, fn, arg);
        spin_unlock(&end->socket.lock);
    }
    spin_unlock(&u->socket.lock);
}

static void
count_child(struct unix_socket *child, void *arg)
{
    (void)arg;
    if (child->mark == MARK_CANDIDATE)
        child->counted--;
}

static void
revive(struct unix_socket *child, void *arg)
{
    struct unix_socket **work = arg;
    if (child->mark != MARK_CANDIDATE)
        return;
    child->mark = MARK_ALIVE;
    child->next_alive = *work;
    *work = child;
}

/* 1. Whose file is nowhere but on its way may be lost.  2. Unless it is on its way to one
 * that is not.  3. What is on its way to one that is alive, is alive. */
static void
mark_lost_locked(void)
{
    struct unix_socket *work = NULL;
    list_for_each(it, &flying) {
        struct unix_socket *u = container_of(it, struct unix_socket, flight_link);
        bool maybe = atomic_load_explicit(&u->file->refs, memory_order_acquire) == u->flights;
        u->mark = maybe ? MARK_CANDIDATE : MARK_NONE;
        u->counted = u->flights;
    }
    list_for_each(it, &flying) {
        struct unix_socket *u = container_of(it, struct unix_socket, flight_link);
        if (u->mark == MARK_CANDIDATE)
            each_child(u, count_child, NULL);
    }
    list_for_each(it, &flying) {
        struct unix_socket *u = container_of(it, struct unix_socket, flight_link);
        if (u->counted > 0)
            revive(u, &work);
    }
    while (work != NULL) {
        struct unix_socket *u = work;
        work = u->next_alive;
        each_child(u, revive, &work);
    }
}

static void
take_messages(struct unix_socket *u, struct list *to)
{
    list_for_each_safe(it, &u->queue) {
        struct unix_message *m = container_of(it, struct unix_message, link);
        if (m->rights != NULL) {
            unix_pull(u, m);
            list_push_back(to, &m->link);
        }
    }
}

static void
take_lost_locked(struct list *to)
{
    list_for_each(it, &flying) {
        struct unix_socket *u = container_of(it, struct unix_socket, flight_link);
        if (u->mark != MARK_CANDIDATE)
            continue;
        spin_lock(&u->socket.lock);
        take_messages(u, to);
        list_for_each(p, &u->pending) {
            struct unix_socket *end = container_of(p, struct unix_socket, pending_link);
            spin_lock(&end->socket.lock);
            take_messages(end, to);
            spin_unlock(&end->socket.lock);
        }
        spin_unlock(&u->socket.lock);
    }
}

static void
collect(struct work *unused)
{
    struct list lost;
    (void)unused;
    list_init(&lost);
    spin_lock(&flight_lock);
    mark_lost_locked();
    take_lost_locked(&lost);
    spin_unlock(&flight_lock);
    list_for_each_safe(it, &lost) {
        struct unix_message *m = container_of(it, struct unix_message, link);
        list_remove(&m->link);
        unix_message_free(m);
    }
}

/* A search costs as much as there are sockets on their way, so it is made when that many
 * have been closed, by and large. */
void
unix_collect(void)
{
    static _Atomic u32 closed;
    u32 flights = atomic_load_explicit(&flying_count, memory_order_relaxed);
    if (flights == 0)
        return;
    if (atomic_fetch_add_explicit(&closed, 1, memory_order_relaxed) < flights / 16)
        return;
    atomic_store_explicit(&closed, 0, memory_order_relaxed);
    if (flights < FEW)
        collect(NULL);
    else
        work_add(&search);
}

struct socket_rights *
unix_flight_copy(const struct socket_rights *r)
{
    spin_lock(&flight_lock);
    struct socket_rights *c = socket_rights_copy(r);
    spin_unlock(&flight_lock);
    return c;
}
