/* SPDX-License-Identifier: MIT */
/*
 * Files on their way.  A socket whose file is only on its way to sockets that are
 * themselves only on their way is lost: nobody can ever receive it.  Closing a socket
 * while files are on their way looks for such ones.
 */
#include "socket/unix/unix.h"

#include "vfs/usage.h"

static struct spinlock flight_lock = SPINLOCK_INIT;
static struct list flying = LIST_INIT(flying); /* sockets with flights != 0 */

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
        if (u->flights++ == 0)
            list_push_back(&flying, &u->flight_link);
    }
    spin_unlock(&flight_lock);
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
        if (u != NULL && --u->flights == 0)
            list_remove(&u->flight_link);
    }
    spin_unlock(&flight_lock);
    usage_sub(r->usage, USAGE_FLIGHTS, r->count);
    usage_put(r->usage);
    r->usage = NULL;
}

void
unix_collect(void)
{
}
