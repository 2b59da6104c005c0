/* SPDX-License-Identifier: MIT */
/* Connections: listening, connecting, accepting. */
#include "socket/unix/unix.h"

int
unix_listen(struct socket *s, u32 backlog)
{
    struct unix_socket *u = unix_of(s);
    struct socket_sender self;
    int r = 0;
    socket_caller.sender(&self, true);
    spin_lock(&s->lock);
    if (u->name == NULL || unix_state(u) == UNIX_CONNECTED)
        r = -E_INVAL;
    if (r == 0) {
        u->backlog = MIN(backlog, UNIX_BACKLOG_MAX);
        s->peer = self; /* whom those who connect will find */
        atomic_store_explicit(&u->state, UNIX_LISTENING, memory_order_release);
    }
    spin_unlock(&s->lock);
    if (r == 0)
        wait_wake(&u->room, ~0u);
    return r;
}

static int
own_state_error(const struct unix_socket *u)
{
    switch ((enum unix_state)unix_state(u)) {
    case UNIX_UNCONNECTED:
        return 0;
    case UNIX_LISTENING:
        return -E_INVAL;
    case UNIX_CONNECTED:
        return -E_ISCONN;
    }
    return -E_INVAL;
}

static bool
listens(const struct unix_socket *u)
{
    return !u->dead && unix_state(u) == UNIX_LISTENING &&
           (unix_shut(u) & SHUT_RECEIVE) == 0;
}

/* Both are there and both locks are held: from now on `end` is what u talks to. */
static void
join_locked(struct unix_socket *u, struct unix_socket *to, struct unix_socket *end,
            const struct socket_sender *self)
{
    unix_hold(u);
    unix_hold(end);
    end->peer = u;
    end->socket.peer = *self;
    end->name = to->name;
    unix_name_hold(end->name);
    atomic_store_explicit(&end->state, UNIX_CONNECTED, memory_order_release);
    u->socket.peer = to->socket.peer;
    __atomic_store_n(&u->peer, end, __ATOMIC_RELEASE);
    atomic_store_explicit(&u->state, UNIX_CONNECTED, memory_order_release);
    list_push_back(&to->pending, &end->pending_link); /* end's first reference */
    to->pending_count++;
}

/* One try with the listener `to`.  1: it has no room, and its lock is held. */
static int
try_connect(struct unix_socket *u, struct unix_socket *to, struct unix_socket *end,
            const struct socket_sender *self)
{
    if (u == to)
        return unix_state(u) == UNIX_LISTENING ? -E_INVAL : -E_CONNREFUSED;
    unix_lock_two(u, to);
    int r = 0;
    if (!listens(to))
        r = -E_CONNREFUSED;
    else if (to->pending_count > to->backlog)
        r = 1;
    else
        r = own_state_error(u);
    if (r == 0)
        join_locked(u, to, end, self);
    spin_unlock(&u->socket.lock);
    if (r != 1)
        spin_unlock(&to->socket.lock);
    return r;
}

static int
connect_loop(struct unix_socket *u, const struct socket_address *a, struct unix_socket *end,
             bool nonblock)
{
    struct socket_sender self;
    u64 deadline = socket_deadline(u->socket.send_timeout_ns);
    socket_caller.sender(&self, true);
    for (;;) {
        struct unix_socket *to;
        int r = unix_find(a, u->socket.type, &to);
        if (r != 0)
            return r;
        r = try_connect(u, to, end, &self);
        if (r == 1 && nonblock) {
            spin_unlock(&to->socket.lock);
            r = -E_AGAIN;
        } else if (r == 1) {
            r = socket_sleep(&to->socket.lock, &to->room, deadline);
            if (r != 0)
                wait_wake(&to->room, 1); /* L6 */
            else
                r = 1;
        }
        if (r == 0)
            wait_wake(&to->socket.readable, 1);
        else if (r != 1 && r != -E_AGAIN)
            wait_wake(&to->room, 1); /* L6: this one takes no room */
        unix_release(to);
        if (r != 1)
            return r;
    }
}

int
unix_connect(struct socket *s, const struct socket_address *a, bool nonblock)
{
    struct unix_socket *u = unix_of(s);
    if (a == NULL || a->length == 0)
        return -E_INVAL;
    int r = socket_has(s, SOCKET_PASS_SENDER) ? unix_bind_any(u) : 0;
    if (r != 0)
        return r;
    struct unix_socket *end = unix_new(s->type);
    if (end == NULL)
        return -E_NOMEM;
    r = connect_loop(u, a, end, nonblock);
    if (r != 0)
        unix_release(end);
    return r;
}

int
unix_accept(struct socket *s, bool nonblock, struct socket **out)
{
    struct unix_socket *u = unix_of(s);
    u64 deadline = socket_deadline(s->receive_timeout_ns);
    int r = 0;
    spin_lock(&s->lock);
    for (;;) {
        if (r == 0 && unix_state(u) != UNIX_LISTENING)
            r = -E_INVAL;
        else if (list_empty(&u->pending) && (unix_shut(u) & SHUT_RECEIVE) != 0)
            r = -E_INVAL;
        else if (r == 0 && list_empty(&u->pending) && nonblock)
            r = -E_AGAIN;
        if (r != 0 || !list_empty(&u->pending))
            break;
        r = socket_sleep(&s->lock, &s->readable, deadline);
        spin_lock(&s->lock);
    }
    if (r == 0) {
        struct unix_socket *end = container_of(u->pending.next, struct unix_socket,
                                               pending_link);
        list_remove(&end->pending_link);
        u->pending_count--;
        *out = &end->socket;
    }
    bool more = !list_empty(&u->pending);
    spin_unlock(&s->lock);
    if (more)
        wait_wake(&s->readable, 1); /* L6 */
    if (r == 0)
        wait_wake(&u->room, 1);
    return r;
}
