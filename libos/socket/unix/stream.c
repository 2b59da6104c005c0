/* SPDX-License-Identifier: MIT */
/*
 * Streams: sending and receiving.  A write is one message, or several if it is large; a
 * read takes from as many as it needs, but stops behind one that had files with it, at a
 * byte that came out of band (urgent.c), and between different senders if it is told who
 * they are.
 */
#include "socket/unix/unix.h"

/* With the lock of `to` held, which is dropped if it fails.  Until there is room for
 * something of u. */
static int
wait_room_locked(struct unix_socket *u, struct unix_socket *to, u32 flags, u64 deadline)
{
    for (;;) {
        if (to->dead || (unix_shut(to) & SHUT_RECEIVE) != 0 ||
            (unix_shut(u) & SHUT_SEND) != 0) {
            spin_unlock(&to->socket.lock);
            return -E_PIPE;
        }
        if (__builtin_expect(to->queued < u->socket.send_limit, 1))
            return 0;
        if ((flags & SOCKET_NONBLOCK) != 0) {
            spin_unlock(&to->socket.lock);
            return -E_AGAIN;
        }
        int r = socket_sleep(&to->socket.lock, &u->socket.writable, deadline);
        if (r != 0) {
            wait_wake(&u->socket.writable, 1); /* L6 */
            return r;
        }
        spin_lock(&to->socket.lock);
    }
}

/* What comes along goes with the first piece. */
static i64
send_piece(struct unix_socket *u, struct unix_socket *to, struct socket_message *m, u64 n)
{
    int r = 0;
    struct unix_message *piece = unix_message_new(m->data, n, &r);
    if (piece == NULL)
        return r;
    bool tell = ((atomic_load_explicit(&u->socket.options, memory_order_relaxed) |
                  atomic_load_explicit(&to->socket.options, memory_order_relaxed)) &
                 SOCKET_PASS_SENDER) != 0;
    if (__builtin_expect(tell || m->has_sender || m->rights != NULL, 0)) {
        r = unix_message_attach(piece, m, tell);
        if (r != 0) {
            unix_message_free(piece);
            return r;
        }
    }
    spin_lock(&to->socket.lock);
    if (to->dead || (unix_shut(to) & SHUT_RECEIVE) != 0) {
        spin_unlock(&to->socket.lock);
        unix_message_free(piece);
        return -E_PIPE;
    }
    unix_push(to, piece);
    spin_unlock(&to->socket.lock);
    wait_wake(&to->socket.readable, 1);
    return (i64)n;
}

static inline i64
stream_send_to(struct unix_socket *u, struct unix_socket *to, struct socket_message *m)
{
    u64 deadline = (m->flags & SOCKET_NONBLOCK) != 0
                       ? 0
                       : socket_deadline(u->socket.send_timeout_ns);
    u64 most = MIN(MAX(u->socket.send_limit / 2, PAGE_SIZE), UNIX_PIECE_MAX);
    i64 done = 0;
    while (m->data->left != 0) {
        spin_lock(&to->socket.lock);
        int r = wait_room_locked(u, to, m->flags, deadline);
        if (r != 0)
            return done != 0 ? done : r;
        spin_unlock(&to->socket.lock);
        i64 n = send_piece(u, to, m, MIN(m->data->left, most));
        if (n < 0)
            return done != 0 ? done : n;
        done += n;
    }
    return done;
}

static __attribute__((noinline)) i64 send_urgent(struct unix_socket *u,
                                                 struct socket_message *m);

i64
unix_stream_send(struct socket *s, struct socket_message *m)
{
    struct unix_socket *u = unix_of(s);
    if (m->name != NULL)
        return unix_state(u) == UNIX_CONNECTED ? -E_ISCONN : -E_NOTSUP;
    if (unix_state(u) != UNIX_CONNECTED)
        return -E_NOTCONN;
    if ((unix_shut(u) & SHUT_SEND) != 0)
        return -E_PIPE;
    return __builtin_expect((m->flags & SOCKET_URGENT) != 0, 0)
               ? send_urgent(u, m)
               : stream_send_to(u, u->peer, m); /* L3 */
}

/* The last byte goes out of band, when there is room for it as for any other. */
static __attribute__((noinline)) i64
send_urgent(struct unix_socket *u, struct socket_message *m)
{
    u64 deadline = (m->flags & SOCKET_NONBLOCK) != 0
                       ? 0
                       : socket_deadline(u->socket.send_timeout_ns);
    i64 before = (i64)m->data->left - 1, done = 0;
    if (before < 0)
        return -E_NOTSUP;
    m->flags &= ~SOCKET_URGENT;
    m->data->left--;
    if (before != 0)
        done = unix_stream_send(&u->socket, m);
    m->data->left++;
    if (done != before)
        return done;
    spin_lock(&u->peer->socket.lock);
    i64 n = wait_room_locked(u, u->peer, m->flags, deadline);
    if (n == 0) {
        spin_unlock(&u->peer->socket.lock);
        n = unix_urgent_send(u, u->peer, m);
    }
    return n > 0 ? before + 1 : done != 0 ? done : n;
}

/* ---- receiving ---- */

/* Where a read is. */
struct stream_read {
    struct unix_socket *u;
    struct socket_message *m;
    u64 deadline;
    u64 target;     /* with so many bytes it does not wait */
    u64 skip;       /* a peek's: bytes that it goes past */
    struct list *after; /* a peek's: the last message that it saw; else the queue's head */
    i64 done;
    bool told_sender;
};

/* With `reading` held; it is dropped meanwhile. */
static int
wait_data(struct stream_read *r)
{
    struct socket *s = &r->u->socket;
    struct waiter w;
    wait_enter(&s->readable, &w, true);
    thread_prepare(true);
    spin_unlock(&s->lock);
    mutex_unlock(&r->u->reading);
    int result = thread_block(r->deadline);
    wait_leave(&w);
    mutex_lock(&r->u->reading);
    r->after = &r->u->queue; /* another may have taken what was peeked at */
    return socket_sleep_error(result, r->deadline);
}

/* The next message, waiting for it if need be.  NULL with *error: 0: the end. */
static struct unix_message *
next_message(struct stream_read *r, int *error)
{
    struct unix_socket *u = r->u;
    struct socket *s = &u->socket;
    *error = 0;
    for (;;) {
        spin_lock(&s->lock);
        struct list *next = r->after->next;
        if (next != &u->queue) {
            spin_unlock(&s->lock);
            return container_of(next, struct unix_message, link);
        }
        if (r->done != 0 && (u64)r->done >= r->target)
            *error = -E_AGAIN;
        else if ((*error = -socket_take_error(s)) == 0 && (unix_shut(u) & SHUT_RECEIVE) == 0)
            *error = (r->m->flags & SOCKET_NONBLOCK) != 0 ? -E_AGAIN : 1;
        if (*error != 1) {
            spin_unlock(&s->lock);
            return NULL;
        }
        *error = wait_data(r);
        if (*error != 0)
            return NULL;
        if (r->done != 0 && (r->m->flags & SOCKET_PEEK) != 0)
            return NULL; /* what was peeked at is not looked at twice */
    }
}

/* False: it is another's, which the read does not join to what it has. */
static bool
tell_sender(struct stream_read *r, const struct unix_message *p)
{
    struct socket_message *m = r->m, next = { .flags = 0 };
    if (!socket_has(&r->u->socket, SOCKET_PASS_SENDER))
        return true;
    unix_message_sender(p, &next);
    if (r->told_sender)
        return next.sender.pid == m->sender.pid && next.sender.uid == m->sender.uid &&
               next.sender.gid == m->sender.gid;
    m->has_sender = true;
    m->sender = next.sender;
    r->told_sender = true;
    return true;
}

/* The first n bytes of what is left of the first message are taken.  True: behind them was
 * a mark, where the read stops. */
static bool
consume(struct unix_socket *u, struct unix_message *p, u64 n)
{
    struct unix_socket *peer = u->peer;
    spin_lock(&u->socket.lock);
    bool all = p->read + n == p->bytes;
    if (all) {
        unix_pull(u, p);
    } else {
        u->bytes -= n;
        p->read += n;
    }
    struct unix_message *mark = unix_urgent_settle(u);
    u64 queued = u->queued;
    spin_unlock(&u->socket.lock);
    if (!all)
        return false;
    unix_message_free(p);
    if (__builtin_expect(mark != NULL, 0))
        unix_message_free(mark);
    if (peer != NULL && queued * 4 <= peer->socket.send_limit)
        wait_wake(&peer->socket.writable, ~0u); /* nearly always one thread, or none */
    return mark != NULL;
}

/* One message's part of a read.  1: the read ends behind it. */
static int
read_message(struct stream_read *r, struct unix_message *p)
{
    struct socket_message *m = r->m;
    bool peek = (m->flags & SOCKET_PEEK) != 0;
    u64 there = p->bytes - p->read;
    enum unix_mark mark = unix_urgent_reach(r->u, p, r->done, peek);
    if (__builtin_expect(mark != UNIX_MARK_NONE, 0)) {
        if (mark == UNIX_MARK_PAST && peek)
            r->after = &p->link;
        return mark == UNIX_MARK_STOP;
    }
    if (r->skip >= there && r->skip != 0) { /* a peek's offset is beyond it */
        r->skip -= there;
        r->after = &p->link;
        return 0;
    }
    if (!tell_sender(r, p))
        return 1;
    u64 n = MIN(m->data->left, there - r->skip);
    if (unix_message_copy(p, p->read + r->skip, n, m->data) != 0)
        return r->done != 0 ? 1 : -E_FAULT;
    r->done += (i64)n;
    bool files = p->rights != NULL;
    if (files)
        unix_message_detach(p, m, !peek);
    if (!peek)
        return consume(r->u, p, n) || files;
    r->after = &p->link;
    r->skip = 0;
    return files;
}

static i64
stream_read(struct stream_read *r)
{
    int result = 0;
    do {
        struct unix_message *p = next_message(r, &result);
        if (p == NULL)
            break;
        result = read_message(r, p);
    } while (result == 0 && r->m->data->left != 0);
    return r->done != 0 || result > 0 ? r->done : result;
}

i64
unix_stream_receive(struct socket *s, struct socket_message *m)
{
    struct unix_socket *u = unix_of(s);
    struct stream_read r = { .u = u, .m = m, .after = &u->queue };
    if (unix_state(u) != UNIX_CONNECTED)
        return -E_INVAL;
    if ((m->flags & SOCKET_URGENT) != 0)
        return unix_urgent_receive(u, m);
    r.target = (m->flags & SOCKET_WAIT_ALL) != 0 ? m->data->left
                                                 : MIN(s->low_water, m->data->left);
    bool nonblock = (m->flags & SOCKET_NONBLOCK) != 0;
    r.deadline = nonblock ? 0 : socket_deadline(s->receive_timeout_ns);
    i32 offset = s->peek_offset;
    bool peek = (m->flags & SOCKET_PEEK) != 0;
    if (peek && offset > 0)
        r.skip = (u64)offset;
    mutex_lock(&u->reading);
    i64 n = stream_read(&r);
    if (n > 0 && __builtin_expect(offset >= 0, 0))
        s->peek_offset = peek ? (i32)MIN(offset + (i64)n, INT32_MAX)
                              : MAX(offset - (i32)n, 0);
    mutex_unlock(&u->reading);
    if (!wait_idle(&s->readable) && !list_empty(&u->queue))
        wait_wake(&s->readable, 1); /* L6 */
    if (n >= 0 && m->name != NULL && u->peer != NULL) {
        unix_name_get(u->peer, m->name);
        m->named = m->name->length != 0;
    }
    return n;
}
