/* SPDX-License-Identifier: MIT */
/*
 * Bytes out of band on a stream (MSG_OOB, SO_OOBINLINE, sockatmark(3)), as TCP has them:
 * the last byte of such a send is the urgent one, and takes the place of an earlier one.
 * It stands in the queue, where a read stops before it; the read after that goes past it,
 * or takes it in line if the receiver asked for that.  unix.h L8.
 */
#include "socket/unix/unix.h"

/* With the lock of `to` held: m is in its queue.  Who is told of it, with a reference; NULL:
 * nobody. */
static struct file *
queued_locked(struct unix_socket *to, struct unix_message *m)
{
    to->marks += to->urgent == NULL;
    to->urgent = m;
    struct file *f = __atomic_load_n(&to->socket.file, __ATOMIC_ACQUIRE);
    return f != NULL && file_try_hold(f) ? f : NULL; /* nobody has accepted it yet: NULL */
}

i64
unix_urgent_send(struct unix_socket *u, struct unix_socket *to, struct socket_message *m)
{
    int r = 0;
    struct file *f = NULL;
    struct unix_message *byte = unix_message_new(m->data, 1, &r);
    if (byte == NULL)
        return r;
    spin_lock(&to->socket.lock);
    if (to->dead || (unix_shut(to) & SHUT_RECEIVE) != 0 || (unix_shut(u) & SHUT_SEND) != 0)
        r = -E_PIPE;
    else if (to->queued >= u->socket.send_limit)
        r = -E_AGAIN;
    if (r == 0) {
        unix_push(to, byte);
        f = queued_locked(to, byte);
    }
    spin_unlock(&to->socket.lock);
    if (r != 0) {
        unix_message_free(byte);
        return r;
    }
    wait_wake(&to->socket.readable, 1);
    if (f != NULL) {
        socket_caller.urgent(f);
        file_release(f);
    }
    return 1;
}

__attribute__((noinline)) struct unix_message *
unix_urgent_settle_mark(struct unix_socket *u)
{
    struct unix_message *first = unix_first(u);
    if (first == NULL || first->read != first->bytes)
        return NULL;
    unix_pull(u, first);
    u->marks--;
    return first;
}

/* The urgent message has been read, or is gone past. */
static struct unix_message *
take_locked(struct unix_socket *u, struct unix_message *m)
{
    u->urgent = NULL;
    u->bytes -= m->bytes - m->read;
    m->read = m->bytes;
    return unix_urgent_settle(u);
}

__attribute__((noinline)) i64
unix_urgent_receive(struct unix_socket *u, struct socket_message *m)
{
    bool peek = (m->flags & SOCKET_PEEK) != 0;
    struct unix_message *gone = NULL;
    i64 n = -E_INVAL;
    mutex_lock(&u->reading); /* who alone takes messages out: it stays while it is copied */
    spin_lock(&u->socket.lock);
    struct unix_message *urgent = u->urgent;
    spin_unlock(&u->socket.lock);
    if (urgent != NULL && !socket_has(&u->socket, SOCKET_URGENT_INLINE)) {
        n = (i64)MIN(m->data->left, 1);
        if (unix_message_copy(urgent, 0, (u64)n, m->data) != 0)
            n = -E_FAULT;
        else
            m->told |= SOCKET_URGENT;
        spin_lock(&u->socket.lock);
        if (n > 0 && !peek && u->urgent == urgent) /* or a later one has taken its place */
            gone = take_locked(u, urgent);
        spin_unlock(&u->socket.lock);
    }
    mutex_unlock(&u->reading);
    if (gone != NULL)
        unix_message_free(gone);
    return n;
}

__attribute__((noinline)) enum unix_mark
unix_urgent_reach_mark(struct unix_socket *u, struct unix_message *p, i64 done,
                       bool peek)
{
    bool empty = p->read == p->bytes; /* the mark of one that was read */
    if (p != __atomic_load_n(&u->urgent, __ATOMIC_RELAXED) && !empty)
        return UNIX_MARK_NONE;
    bool inside = !empty && socket_has(&u->socket, SOCKET_URGENT_INLINE);
    if (done != 0)
        return UNIX_MARK_STOP;
    if (peek)
        return inside ? UNIX_MARK_NONE : UNIX_MARK_PAST;
    struct unix_message *gone = NULL;
    spin_lock(&u->socket.lock);
    bool still = u->urgent == p;
    if (still && inside) {
        u->urgent = NULL;
        u->marks--;
    } else if (still || empty) {
        gone = still ? take_locked(u, p) : unix_urgent_settle(u);
    }
    spin_unlock(&u->socket.lock);
    if (gone != NULL)
        unix_message_free(gone);
    return inside || (!still && !empty) ? UNIX_MARK_NONE : UNIX_MARK_PAST;
}

bool
unix_at_mark(struct socket *s)
{
    struct unix_socket *u = unix_of(s);
    spin_lock(&s->lock);
    bool at = u->urgent != NULL && unix_first(u) == u->urgent;
    spin_unlock(&s->lock);
    return at;
}
