/* SPDX-License-Identifier: MIT */
/*
 * Open files on their way.
 *
 * Letting go of a file may be the end of a socket, whose queue has files on their way as
 * well: a chain that a program can make as long as it likes.  So who lets go of some puts
 * what comes up meanwhile on a list of its own, and works that off.
 * Locking: drains_lock (spin) guards the list of those who are at it, and their lists.
 */
#include "core/heap.h"
#include "core/string.h"
#include "socket/socket.h"
#include "vfs/usage.h"

struct drain {
    struct list link;
    struct thread *thread;
    struct list rights;
};

static struct spinlock drains_lock = SPINLOCK_INIT;
static struct list drains = LIST_INIT(drains);

struct socket_rights *
socket_rights_new(u32 count)
{
    struct socket_rights *r = heap_alloc(sizeof *r + count * sizeof r->file[0]);
    if (r != NULL) {
        r->count = 0;
        r->usage = NULL;
    }
    return r;
}

struct socket_rights *
socket_rights_copy(const struct socket_rights *r)
{
    struct socket_rights *c = socket_rights_new(r->count);
    if (c == NULL)
        return NULL;
    for (u32 i = 0; i < r->count; i++) {
        file_hold(r->file[i]);
        c->file[i] = r->file[i];
    }
    c->count = r->count;
    return c;
}

/* True: the current thread is letting go of others, and will of these. */
static bool
leave_to_caller(struct socket_rights *r)
{
    struct thread *self = thread_current();
    bool found = false;
    spin_lock(&drains_lock);
    list_for_each(it, &drains) {
        struct drain *d = container_of(it, struct drain, link);
        if (d->thread == self) {
            list_push_back(&d->rights, &r->link);
            found = true;
            break;
        }
    }
    spin_unlock(&drains_lock);
    return found;
}

static struct socket_rights *
next_of(struct drain *d)
{
    struct socket_rights *r = NULL;
    spin_lock(&drains_lock);
    if (list_empty(&d->rights)) {
        list_remove(&d->link);
    } else {
        r = container_of(d->rights.next, struct socket_rights, link);
        list_remove(&r->link);
    }
    spin_unlock(&drains_lock);
    return r;
}

void
socket_rights_free(struct socket_rights *r)
{
    struct drain d = { .thread = thread_current() };
    if (r == NULL || leave_to_caller(r))
        return;
    list_init(&d.rights);
    spin_lock(&drains_lock);
    list_push_back(&drains, &d.link);
    spin_unlock(&drains_lock);
    while (r != NULL) {
        for (u32 i = 0; i < r->count; i++)
            if (r->file[i] != NULL)
                file_release(r->file[i]);
        heap_free(r);
        r = next_of(&d);
    }
}
