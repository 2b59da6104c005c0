/* SPDX-License-Identifier: MIT */
/* Local sockets: making them, pairs, the end of one, and what can be asked of one.
 * socket/unix/unix.h has the invariants. */
#include "socket/unix/unix.h"

#include "core/heap.h"

static struct spinlock all_lock = SPINLOCK_INIT;

static int
compare_all(const struct tree_node *a, const struct tree_node *b)
{
    u64 x = container_of(a, struct unix_socket, all)->socket.inode.ino;
    u64 y = container_of(b, struct unix_socket, all)->socket.inode.ino;
    return x < y ? -1 : x > y;
}

static struct tree all = TREE_INIT(compare_all);

static const struct socket_ops stream_ops, dgram_ops, seq_ops;

static const struct socket_ops *
ops_of(enum socket_type type)
{
    return type == SOCKET_STREAM ? &stream_ops : type == SOCKET_DGRAM ? &dgram_ops : &seq_ops;
}

struct unix_socket *
unix_new(enum socket_type type)
{
    struct unix_socket *u = heap_alloc_zeroed(sizeof *u);
    if (u == NULL)
        return NULL;
    socket_init(&u->socket, &unix_family, ops_of(type), type, 0);
    mutex_init(&u->reading);
    list_init(&u->bound);
    list_init(&u->queue);
    list_init(&u->pending);
    list_init(&u->pending_link);
    list_init(&u->blocked);
    list_init(&u->blocked_link);
    list_init(&u->flight_link);
    waitq_init(&u->room);
    u->backlog = UNIX_DGRAMS_MAX;
    spin_lock(&all_lock);
    tree_insert(&all, &u->all);
    spin_unlock(&all_lock);
    return u;
}

static int
unix_create(enum socket_type type, u32 protocol, struct socket **out)
{
    if (protocol != 0 && protocol != 1) /* the family's own number, too */
        return -E_PROTONOSUPPORT;
    if (type == SOCKET_RAW)
        type = SOCKET_DGRAM; /* as ever */
    if (type != SOCKET_STREAM && type != SOCKET_DGRAM && type != SOCKET_SEQPACKET)
        return -E_SOCKTNOSUPPORT;
    struct unix_socket *u = unix_new(type);
    *out = u != NULL ? &u->socket : NULL;
    return u != NULL ? 0 : -E_NOMEM;
}

static int
unix_pair(struct socket *a, struct socket *b)
{
    struct unix_socket *x = unix_of(a), *y = unix_of(b);
    socket_caller.sender(&a->peer, true);
    b->peer = a->peer;
    unix_hold(x);
    unix_hold(y);
    x->peer = y;
    y->peer = x;
    atomic_store_explicit(&x->state, UNIX_CONNECTED, memory_order_release);
    atomic_store_explicit(&y->state, UNIX_CONNECTED, memory_order_release);
    return 0;
}

/* ---- the end ---- */

/* The other side of a connection: no more from there; what it sent and nobody read is
 * lost, and it is told. */
static void
hang_up(struct unix_socket *peer, bool lost)
{
    spin_lock(&peer->socket.lock);
    atomic_store_explicit(&peer->socket.shut, SHUT_BOTH, memory_order_relaxed);
    if (lost)
        atomic_store_explicit(&peer->socket.error, E_CONNRESET, memory_order_relaxed);
    spin_unlock(&peer->socket.lock);
    wait_wake(&peer->socket.readable, ~0u);
    wait_wake(&peer->socket.writable, ~0u);
}

static void
drop_messages(struct list *messages)
{
    list_for_each_safe(it, messages) {
        struct unix_message *m = container_of(it, struct unix_message, link);
        list_remove(&m->link);
        unix_message_free(m);
    }
}

/* embryo: it was connected, and nobody accepted it. */
static void
end_socket(struct unix_socket *u, bool embryo)
{
    struct list messages, pending;
    list_init(&messages);
    list_init(&pending);
    unix_unbind(u);
    spin_lock(&u->socket.lock);
    u->dead = true;
    atomic_store_explicit(&u->socket.shut, SHUT_BOTH, memory_order_relaxed);
    struct unix_socket *peer = u->peer;
    if (!unix_is_connected_kind(u))
        u->peer = NULL;
    list_move_all(&messages, &u->queue);
    list_move_all(&pending, &u->pending);
    u->bytes = u->queued = u->count = u->pending_count = 0;
    u->urgent = NULL;
    u->marks = 0;
    spin_unlock(&u->socket.lock);
    wait_wake(&u->room, ~0u);
    unix_leave_blocked(u);
    unix_unblock(u);
    if (peer != NULL && unix_is_connected_kind(u))
        hang_up(peer, embryo || !list_empty(&messages));
    drop_messages(&messages);
    list_for_each_safe(it, &pending) {
        struct unix_socket *end = container_of(it, struct unix_socket, pending_link);
        list_remove(&end->pending_link);
        end_socket(end, true); /* it has none pending itself */
        unix_release(end);
    }
    if (peer != NULL) {
        __atomic_store_n(&u->peer, NULL, __ATOMIC_RELAXED);
        unix_release(peer);
    }
}

void
unix_close(struct socket *s)
{
    end_socket(unix_of(s), false);
    unix_collect();
}

static void
unix_free(struct socket *s)
{
    struct unix_socket *u = unix_of(s);
    spin_lock(&all_lock);
    tree_remove(&all, &u->all);
    spin_unlock(&all_lock);
    unix_name_release(u->name);
    heap_free(u);
}

static int
unix_shutdown(struct socket *s, u32 how)
{
    struct unix_socket *u = unix_of(s);
    spin_lock(&s->lock);
    atomic_fetch_or_explicit(&s->shut, how, memory_order_relaxed);
    spin_unlock(&s->lock);
    struct unix_socket *peer = unix_is_connected_kind(u) ? u->peer : NULL;
    if (peer != NULL) {
        u32 theirs = ((how & SHUT_RECEIVE) != 0 ? SHUT_SEND : 0) |
                     ((how & SHUT_SEND) != 0 ? SHUT_RECEIVE : 0);
        spin_lock(&peer->socket.lock);
        atomic_fetch_or_explicit(&peer->socket.shut, theirs, memory_order_relaxed);
        spin_unlock(&peer->socket.lock);
        wait_wake(&peer->socket.readable, ~0u);
        wait_wake(&peer->socket.writable, ~0u);
    }
    wait_wake(&s->readable, ~0u);
    wait_wake(&s->writable, ~0u);
    wait_wake(&u->room, ~0u);
    return 0;
}

/* ---- questions ---- */

static int
unix_get_name(struct socket *s, bool of_peer, struct socket_address *out)
{
    struct unix_socket *u = unix_of(s);
    if (!of_peer) {
        unix_name_get(u, out);
        return 0;
    }
    struct unix_socket *peer = unix_peer_get(u);
    if (peer == NULL)
        return -E_NOTCONN;
    unix_name_get(peer, out);
    unix_release(peer);
    return 0;
}

static u32
unix_stream_poll(struct socket *s, struct poll_table *t)
{
    struct unix_socket *u = unix_of(s);
    if (t != NULL) {
        t->add(t, &s->readable);
        t->add(t, &s->writable);
    }
    u32 shut = unix_shut(u), mask = 0;
    if (atomic_load_explicit(&s->error, memory_order_relaxed) != 0)
        mask |= POLL_ERR;
    if (shut == SHUT_BOTH || unix_state(u) == UNIX_UNCONNECTED)
        mask |= POLL_HUP;
    if ((shut & SHUT_RECEIVE) != 0)
        mask |= POLL_RDHUP | POLL_IN;
    if (!list_empty(&u->queue) || !list_empty(&u->pending))
        mask |= POLL_IN;
    if (unix_writable(u))
        mask |= POLL_OUT;
    if (__atomic_load_n(&u->urgent, __ATOMIC_RELAXED) != NULL)
        mask |= POLL_PRI;
    return mask;
}

static i64
unix_readable(struct socket *s)
{
    struct unix_socket *u = unix_of(s);
    i64 n;
    spin_lock(&s->lock);
    if (unix_state(u) == UNIX_LISTENING)
        n = -E_INVAL;
    else if (s->type != SOCKET_DGRAM)
        n = (i64)u->bytes;
    else
        n = list_empty(&u->queue) ? 0 : (i64)unix_first(u)->bytes;
    spin_unlock(&s->lock);
    return n;
}

static i64
unix_unsent(struct socket *s)
{
    struct unix_socket *u = unix_of(s);
    return unix_state(u) == UNIX_LISTENING ? -E_INVAL : (i64)unix_charge(u);
}

static bool
unix_listens(const struct socket *s)
{
    return unix_state(container_of(s, const struct unix_socket, socket)) == UNIX_LISTENING;
}

static int
compare_ino(const void *key, const struct tree_node *n)
{
    u64 ino = container_of(n, struct unix_socket, all)->socket.inode.ino;
    u64 from = *(const u64 *)key;
    return from < ino ? -1 : from > ino;
}

bool
unix_next(u64 from, struct unix_facts *out)
{
    spin_lock(&all_lock);
    struct tree_node *n = tree_at_or_after(&all, &from, compare_ino);
    if (n != NULL) {
        struct unix_socket *u = container_of(n, struct unix_socket, all);
        u32 state = unix_state(u);
        *out = (struct unix_facts){
            .ino = u->socket.inode.ino,
            .refs = atomic_load(&u->socket.inode.refs), .type = (u32)u->socket.type,
            .state = u->dead ? 4 : state == UNIX_CONNECTED ? 3 : 1,
            .listens = state == UNIX_LISTENING,
        };
        /* The name lives as long as the socket is in the tree. */
        struct unix_name *name = __atomic_load_n(&u->name, __ATOMIC_ACQUIRE);
        if (name != NULL)
            out->name = name->address;
    }
    spin_unlock(&all_lock);
    return n != NULL;
}

#define COMMON                                                                           \
    .bind = unix_bind, .pair = unix_pair, .name = unix_get_name,                         \
    .shutdown = unix_shutdown, .readable = unix_readable, .unsent = unix_unsent,         \
    .listens = unix_listens, .close = unix_close, .free = unix_free

static const struct socket_ops stream_ops = {
    COMMON,
    .connect = unix_connect, .listen = unix_listen, .accept = unix_accept,
    .send = unix_stream_send, .receive = unix_stream_receive, .poll = unix_stream_poll,
    .at_mark = unix_at_mark,
};
static const struct socket_ops dgram_ops = {
    COMMON,
    .connect = unix_dgram_connect, .send = unix_dgram_send, .receive = unix_dgram_receive,
    .poll = unix_dgram_poll, .quiet = true,
};
static const struct socket_ops seq_ops = {
    COMMON,
    .connect = unix_connect, .listen = unix_listen, .accept = unix_accept,
    .send = unix_seq_send, .receive = unix_seq_receive, .poll = unix_stream_poll,
    .quiet = true,
};

const struct socket_family unix_family = { .name = "unix", .create = unix_create };
