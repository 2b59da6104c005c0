/* SPDX-License-Identifier: MIT */
/*
 * Datagrams and sequenced packets: each message stays one.  A datagram goes to whoever is
 * named or was connected to, and waits there with those of others; a packet goes to the
 * one peer.
 */
#include "socket/unix/unix.h"

static struct spinlock blocked_lock = SPINLOCK_INIT;

struct unix_socket *
unix_peer_get(struct unix_socket *u)
{
    spin_lock(&u->socket.lock);
    struct unix_socket *peer = u->peer;
    if (peer != NULL)
        unix_hold(peer);
    spin_unlock(&u->socket.lock);
    return peer;
}

/* ---- peers that are full ---- */

static bool
is_full(const struct unix_socket *to)
{
    return __atomic_load_n(&to->count, __ATOMIC_RELAXED) > to->backlog;
}

/* Who is connected to u may always send to it, and so may u. */
static bool
is_limited(const struct unix_socket *u, const struct unix_socket *to)
{
    return to != u && __atomic_load_n(&to->peer, __ATOMIC_RELAXED) != u;
}

void
unix_unblock(struct unix_socket *u)
{
    atomic_thread_fence(memory_order_seq_cst); /* the queue first: L7 */
    if (list_empty(&u->blocked) && (!u->dead || unix_is_connected_kind(u)))
        return;
    /* Of a dead one always: who saw it alive, under this lock, stands in the list then. */
    spin_lock(&blocked_lock);
    list_for_each_safe(it, &u->blocked) {
        struct unix_socket *b = container_of(it, struct unix_socket, blocked_link);
        list_remove(&b->blocked_link);
        wait_wake(&b->socket.writable, ~0u);
    }
    spin_unlock(&blocked_lock);
}

void
unix_leave_blocked(struct unix_socket *u)
{
    if (list_empty(&u->blocked_link))
        return;
    spin_lock(&blocked_lock);
    list_remove(&u->blocked_link);
    spin_unlock(&blocked_lock);
}

/* Is u's peer full?  Then u is woken when it is not. */
static bool
peer_is_full(struct unix_socket *u)
{
    struct unix_socket *to = unix_peer_get(u);
    bool full = to != NULL && is_limited(u, to) && is_full(to);
    if (full) {
        spin_lock(&blocked_lock);
        list_remove(&u->blocked_link);
        if (!to->dead)
            list_push_back(&to->blocked, &u->blocked_link);
        spin_unlock(&blocked_lock);
        atomic_thread_fence(memory_order_seq_cst);
        full = is_full(to);
    }
    if (to != NULL)
        unix_release(to);
    return full;
}

u32
unix_dgram_poll(struct socket *s, struct poll_table *t)
{
    struct unix_socket *u = unix_of(s);
    if (t != NULL) {
        t->add(t, &s->readable);
        t->add(t, &s->writable);
    }
    u32 shut = unix_shut(u), mask = 0;
    if (atomic_load_explicit(&s->error, memory_order_relaxed) != 0)
        mask |= POLL_ERR;
    if (shut == SHUT_BOTH)
        mask |= POLL_HUP;
    if ((shut & SHUT_RECEIVE) != 0)
        mask |= POLL_RDHUP | POLL_IN;
    if (!list_empty(&u->queue))
        mask |= POLL_IN;
    if (unix_writable(u) && !peer_is_full(u))
        mask |= POLL_OUT;
    return mask;
}

/* ---- connecting ---- */

/* u and the peer that it had have parted: what the old peer sent is not for it any more. */
static void
part(struct unix_socket *u, struct unix_socket *old)
{
    struct list messages;
    list_init(&messages);
    spin_lock(&u->socket.lock);
    list_move_all(&messages, &u->queue);
    u->bytes = u->queued = u->count = 0;
    spin_unlock(&u->socket.lock);
    bool any = !list_empty(&messages);
    list_for_each_safe(it, &messages) {
        struct unix_message *m = container_of(it, struct unix_message, link);
        list_remove(&m->link);
        unix_message_free(m);
    }
    if (any) {
        wait_wake(&u->room, ~0u);
        unix_unblock(u);
    }
    spin_lock(&old->socket.lock);
    bool tell = any && !old->dead && old->peer == u;
    if (tell)
        atomic_store_explicit(&old->socket.error, E_CONNRESET, memory_order_relaxed);
    spin_unlock(&old->socket.lock);
    if (tell) {
        wait_wake(&old->socket.readable, ~0u);
        wait_wake(&old->socket.writable, ~0u);
    }
}

/* May u send to it?  It takes from one peer alone, if it has one. */
static bool
accepts(struct unix_socket *to, const struct unix_socket *u)
{
    const struct unix_socket *peer = __atomic_load_n(&to->peer, __ATOMIC_RELAXED);
    return peer == NULL || peer == u;
}

int
unix_dgram_connect(struct socket *s, const struct socket_address *a, bool nonblock)
{
    struct unix_socket *u = unix_of(s), *to = NULL;
    (void)nonblock;
    if (a != NULL) {
        int r = a->length == 0 ? -E_INVAL : 0;
        if (r == 0 && socket_has(s, SOCKET_PASS_SENDER))
            r = unix_bind_any(u);
        if (r == 0)
            r = unix_find(a, s->type, &to);
        if (r != 0)
            return r;
        if (!accepts(to, u)) {
            unix_release(to);
            return -E_PERM;
        }
    }
    mutex_lock(&u->reading);
    spin_lock(&s->lock);
    struct unix_socket *old = u->peer;
    u->peer = to;
    atomic_store_explicit(&u->state, to != NULL ? UNIX_CONNECTED : UNIX_UNCONNECTED,
                          memory_order_release);
    spin_unlock(&s->lock);
    if (old != NULL && old != to)
        part(u, old);
    mutex_unlock(&u->reading);
    if (old != NULL) {
        unix_leave_blocked(u);
        wait_wake(&s->writable, ~0u);
        unix_release(old);
    }
    return 0;
}

/* The peer has gone: it is forgotten. */
static void
forget(struct unix_socket *u, struct unix_socket *gone)
{
    spin_lock(&u->socket.lock);
    bool mine = u->peer == gone;
    if (mine) {
        u->peer = NULL;
        atomic_store_explicit(&u->state, UNIX_UNCONNECTED, memory_order_release);
    }
    spin_unlock(&u->socket.lock);
    if (mine) {
        unix_leave_blocked(u);
        unix_release(gone);
    }
}

/* ---- sending ---- */

/* L2: until what u has sent leaves room. */
static int
wait_charge(struct unix_socket *u, u32 flags, u64 deadline)
{
    struct socket *s = &u->socket;
    for (;;) {
        int error = socket_take_error(s);
        if (error != 0)
            return -error;
        if ((unix_shut(u) & SHUT_SEND) != 0)
            return -E_PIPE;
        if (unix_charge(u) < s->send_limit)
            return 0;
        if ((flags & SOCKET_NONBLOCK) != 0)
            return -E_AGAIN;
        int r = wait_until(&s->writable,
                           unix_charge(u) < s->send_limit ||
                               (unix_shut(u) & SHUT_SEND) != 0 ||
                               atomic_load(&s->error) != 0,
                           true, deadline);
        if (r != 0)
            return socket_sleep_error(r, deadline);
    }
}

/* Into the queue of `to`, waiting for room there. */
static int
deliver(struct unix_socket *u, struct unix_socket *to, struct unix_message *p, u32 flags,
        u64 deadline)
{
    int r = 0;
    spin_lock(&to->socket.lock);
    for (;;) {
        if (!accepts(to, u))
            r = -E_PERM;
        else if (to->dead)
            r = -E_CONNREFUSED;
        else if ((unix_shut(to) & SHUT_RECEIVE) != 0)
            r = -E_PIPE;
        else if (!is_limited(u, to) || !is_full(to))
            break;
        else if ((flags & SOCKET_NONBLOCK) != 0)
            r = -E_AGAIN;
        if (r != 0) {
            spin_unlock(&to->socket.lock);
            if (r != -E_AGAIN)
                wait_wake(&to->room, 1); /* L6: this one takes no room */
            return r;
        }
        r = socket_sleep(&to->socket.lock, &to->room, deadline);
        if (r != 0) {
            wait_wake(&to->room, 1); /* L6 */
            return r;
        }
        spin_lock(&to->socket.lock);
    }
    unix_push(to, p);
    bool more = !is_full(to);
    spin_unlock(&to->socket.lock);
    wait_wake(&to->socket.readable, 1);
    if (more && !wait_idle(&to->room))
        wait_wake(&to->room, 1); /* L6 */
    return 0;
}

static int
make_message(struct unix_socket *u, struct unix_socket *to, struct socket_message *m,
             struct unix_message **out)
{
    int r = 0;
    bool tell = socket_has(&u->socket, SOCKET_PASS_SENDER) ||
                socket_has(&to->socket, SOCKET_PASS_SENDER);
    struct unix_message *p = unix_message_new(m->data, m->data->left, &r);
    if (p == NULL)
        return r;
    if (tell || m->has_sender || m->rights != NULL)
        r = unix_message_attach(p, m, tell);
    if (r != 0)
        unix_message_free(p);
    *out = p;
    return r;
}

/* One try of sending to `to`. */
static i64
dgram_send_to(struct unix_socket *u, struct unix_socket *to, struct socket_message *m)
{
    bool nonblock = (m->flags & SOCKET_NONBLOCK) != 0;
    u64 deadline = nonblock ? 0 : socket_deadline(u->socket.send_timeout_ns);
    struct unix_message *p = NULL;
    int r = wait_charge(u, m->flags, deadline);
    if (r == 0)
        r = make_message(u, to, m, &p);
    if (r != 0)
        return r;
    u64 n = p->bytes;
    unix_hold(u);
    p->from = u;
    atomic_fetch_add_explicit(&u->sent, p->charge, memory_order_relaxed);
    r = deliver(u, to, p, m->flags, deadline);
    if (r != 0)
        unix_message_free(p);
    return r != 0 ? r : (i64)n;
}

i64
unix_dgram_send(struct socket *s, struct socket_message *m)
{
    struct unix_socket *u = unix_of(s), *to = NULL;
    int r = 0;
    if ((m->flags & SOCKET_URGENT) != 0)
        return -E_NOTSUP;
    if (m->name != NULL && m->name->length == 0)
        return -E_INVAL;
    if (m->name == NULL && (to = unix_peer_get(u)) == NULL)
        return -E_NOTCONN;
    if (socket_has(s, SOCKET_PASS_SENDER))
        r = unix_bind_any(u);
    if (r == 0 && m->data->left > s->send_limit - 32)
        r = -E_MSGSIZE;
    if (r == 0 && to == NULL)
        r = unix_find(m->name, s->type, &to); /* NULL when it fails */
    i64 n = r != 0 ? r : dgram_send_to(u, to, m);
    if (n == -E_CONNREFUSED && m->name == NULL && to != NULL && to->dead)
        forget(u, to);
    if (to != NULL)
        unix_release(to);
    return n;
}

/* ---- sequenced packets: one sender, so L2's charge is the receiver's ---- */

static int
seq_wait_room(struct unix_socket *u, struct unix_socket *to, u32 flags, u64 deadline)
{
    for (;;) {
        int r = -socket_take_error(&u->socket);
        if (r == 0 && ((unix_shut(u) & SHUT_SEND) != 0 || to->dead ||
                       (unix_shut(to) & SHUT_RECEIVE) != 0))
            r = -E_PIPE;
        if (r == 0 && to->queued < u->socket.send_limit)
            return 0;
        if (r == 0 && (flags & SOCKET_NONBLOCK) != 0)
            r = -E_AGAIN;
        if (r != 0)
            return r;
        r = wait_until(&u->socket.writable,
                       unix_charge(u) < u->socket.send_limit ||
                           (unix_shut(u) & SHUT_SEND) != 0 || to->dead ||
                           (unix_shut(to) & SHUT_RECEIVE) != 0,
                       true, deadline);
        if (r != 0)
            return socket_sleep_error(r, deadline);
    }
}

i64
unix_seq_send(struct socket *s, struct socket_message *m)
{
    struct unix_socket *u = unix_of(s);
    struct unix_message *p = NULL;
    bool nonblock = (m->flags & SOCKET_NONBLOCK) != 0;
    u64 deadline = nonblock ? 0 : socket_deadline(s->send_timeout_ns);
    int r = -socket_take_error(s);
    if (r != 0)
        return r;
    if (unix_state(u) != UNIX_CONNECTED)
        return -E_NOTCONN;
    if ((m->flags & SOCKET_URGENT) != 0)
        return -E_NOTSUP;
    if (m->data->left > s->send_limit - 32)
        return -E_MSGSIZE;
    struct unix_socket *to = u->peer; /* L3 */
    r = seq_wait_room(u, to, m->flags, deadline);
    if (r == 0)
        r = make_message(u, to, m, &p);
    if (r != 0)
        return r;
    u64 n = p->bytes;
    spin_lock(&to->socket.lock);
    bool gone = to->dead || (unix_shut(to) & SHUT_RECEIVE) != 0;
    if (!gone)
        unix_push(to, p);
    spin_unlock(&to->socket.lock);
    if (gone) {
        unix_message_free(p);
        return -E_PIPE;
    }
    wait_wake(&to->socket.readable, 1);
    return (i64)n;
}

/* ---- receiving ---- */

/* With `reading` held, which is dropped while it waits: the first message behind *skip
 * bytes of others (a peek's offset).  NULL with *error, 0: the end. */
static struct unix_message *
wait_message(struct unix_socket *u, u32 flags, u64 deadline, u64 *skip, int *error)
{
    struct socket *s = &u->socket;
    for (;;) {
        *error = -socket_take_error(s);
        if (*error != 0)
            return NULL;
        spin_lock(&s->lock);
        u64 left = *skip;
        list_for_each(it, &u->queue) {
            struct unix_message *p = container_of(it, struct unix_message, link);
            if (left < p->bytes || left == 0) {
                *skip = left;
                spin_unlock(&s->lock);
                return p;
            }
            left -= p->bytes;
        }
        bool nonblock = (flags & SOCKET_NONBLOCK) != 0, end = (unix_shut(u) & SHUT_RECEIVE) != 0;
        if (nonblock && !(end && unix_is_connected_kind(u)))
            *error = -E_AGAIN;
        if (*error != 0 || end) {
            spin_unlock(&s->lock);
            return NULL;
        }
        struct waiter w;
        wait_enter(&s->readable, &w, true);
        thread_prepare(true);
        spin_unlock(&s->lock);
        mutex_unlock(&u->reading);
        int r = thread_block(deadline);
        wait_leave(&w);
        mutex_lock(&u->reading);
        *error = socket_sleep_error(r, deadline);
        if (*error != 0)
            return NULL;
    }
}

/* Out of the queue; who waits to send here may. */
static void
take(struct unix_socket *u, struct unix_message *p)
{
    spin_lock(&u->socket.lock);
    unix_pull(u, p);
    bool room = !is_full(u);
    u64 queued = u->queued;
    spin_unlock(&u->socket.lock);
    if (unix_is_connected_kind(u)) {
        if (u->peer != NULL && queued * 4 <= u->peer->socket.send_limit)
            wait_wake(&u->peer->socket.writable, ~0u);
    } else if (room) {
        wait_wake(&u->room, 1);
        unix_unblock(u);
    }
}

static i64
read_packet(struct unix_socket *u, struct unix_message *p, u64 skip,
            struct socket_message *m)
{
    bool peek = (m->flags & SOCKET_PEEK) != 0;
    u64 there = p->bytes - skip, n = MIN(m->data->left, there);
    if (m->data->left < there)
        m->told |= SOCKET_TRUNC;
    int r = unix_message_copy(p, skip, n, m->data);
    if (r == 0 && socket_has(&u->socket, SOCKET_PASS_SENDER))
        unix_message_sender(p, m);
    struct unix_socket *from = p->from != NULL ? p->from : u->peer;
    if (m->name != NULL && from != NULL) {
        unix_name_get(from, m->name);
        m->named = m->name->length != 0;
    }
    if (r == 0)
        unix_message_detach(p, m, !peek);
    i32 offset = u->socket.peek_offset;
    if (offset >= 0 && r == 0)
        u->socket.peek_offset = peek ? (i32)MIN(offset + (i64)n, INT32_MAX)
                                     : MAX(offset - (i32)p->bytes, 0);
    return r != 0 ? r : (m->flags & SOCKET_TRUNC) != 0 ? (i64)there : (i64)n;
}

i64
unix_dgram_receive(struct socket *s, struct socket_message *m)
{
    struct unix_socket *u = unix_of(s);
    bool peek = (m->flags & SOCKET_PEEK) != 0;
    int r = 0;
    if ((m->flags & SOCKET_URGENT) != 0)
        return -E_NOTSUP;
    u64 deadline = (m->flags & SOCKET_NONBLOCK) != 0 ? 0
                                                     : socket_deadline(s->receive_timeout_ns);
    u64 skip = peek && s->peek_offset > 0 ? (u64)s->peek_offset : 0;
    mutex_lock(&u->reading);
    struct unix_message *p = wait_message(u, m->flags, deadline, &skip, &r);
    i64 n = p == NULL ? r : read_packet(u, p, skip, m);
    if (p != NULL && !peek)
        take(u, p);
    mutex_unlock(&u->reading);
    if (p != NULL && !peek)
        unix_message_free(p);
    if (!wait_idle(&s->readable) && !list_empty(&u->queue))
        wait_wake(&s->readable, 1); /* L6 */
    return n;
}

i64
unix_seq_receive(struct socket *s, struct socket_message *m)
{
    return unix_state(unix_of(s)) != UNIX_CONNECTED ? -E_NOTCONN : unix_dgram_receive(s, m);
}
