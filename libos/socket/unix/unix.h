/* SPDX-License-Identifier: MIT */
/*
 * Private to socket/unix: local sockets (unix(7)).
 *
 * L1. A message is made complete, user memory and all, before it is queued, without a
 *     lock; it is queued under the receiver's lock.  Only who holds the receiver's
 *     `reading` mutex takes messages out, or `close`, when no reader can be there any more;
 *     so the first message stays the first while it is copied without the spinlock.
 * L2. What waits to be read is charged: of connected kinds (stream, seqpacket) to the
 *     receiver's `queued`, which is compared with its peer's send limit, since it has one
 *     sender; of datagrams to the sender's `sent`.
 * L3. `peer` of connected kinds is set once, before the state says CONNECTED, and
 *     stays until `close`: so the own file's calls read it without a lock.  That of a
 *     datagram socket changes; it is read under the lock.  It is a reference.
 * L4. A socket in the table of names is not closed: who finds it there under names_lock
 *     may take a reference.  A name is set once.
 * L5. What a listener has accepted nobody for yet stands in `pending`, with a reference.
 * L6. A waiter is exclusive: who leaves something for the next wakes it.
 * L7. A datagram socket whose peer is full stands in the peer's `blocked` list once it has
 *     been told so by poll; the peer's next read wakes and removes it, as does either's end.
 * L8. Of a stream, `urgent` is the one message in the queue, a byte long, that came out of
 *     band last; earlier ones are bytes like others.  When it is read out of band it stays
 *     as an empty message, the mark where a read stops, unless it is the first: the first
 *     message of a queue always has something to read.
 * Locking: `reading` (mutex) before all; then socket.lock, two of them by address; then
 * names_lock, blocked_lock, flight_lock, wait queues.  docs/locks.md.
 */
#ifndef LIBOS_SOCKET_UNIX_UNIX_H
#define LIBOS_SOCKET_UNIX_UNIX_H

#include "core/tree.h"
#include "socket/socket.h"

#define UNIX_DGRAMS_MAX 10u     /* that wait in one queue, of unconnected senders */
#define UNIX_BACKLOG_MAX 4096u
#define UNIX_PATH_MAX 108u
#define UNIX_INLINE_MAX 2048u   /* bytes that stand behind the message itself */
#define UNIX_PIECE_MAX 32768u   /* of a stream in one message */

struct unix_name {
    _Atomic u32 refs;
    bool abstract;
    u64 hash;                  /* abstract ones: of type and bytes */
    struct path path;          /* of others: the place */
    struct socket_address address;
};

enum unix_state { UNIX_UNCONNECTED, UNIX_LISTENING, UNIX_CONNECTED };

struct unix_socket {
    struct socket socket;
    struct tree_node all;      /* all_lock; by inode number */
    struct unix_name *name;    /* lock; L4; a reference */
    struct list bound;         /* names_lock; alone: not in a table */
    _Atomic u32 state;         /* lock to change; enum unix_state */
    bool dead;                 /* lock */
    struct unix_socket *peer;  /* L3 */
    struct mutex reading;      /* L1 */
    struct list queue;         /* lock */
    u64 bytes;                 /* lock; unread ones in the queue */
    u64 queued;                /* lock; L2 */
    u32 count;                 /* lock; messages */
    struct unix_message *urgent; /* lock; L8; NULL: none */
    u32 marks;                 /* lock; messages that are urgent, or a mark */
    u32 backlog, pending_count; /* lock */
    struct list pending;       /* lock; L5 */
    struct list pending_link;  /* the listener's lock */
    struct waitq room;         /* who waits to connect, or to send a datagram here */
    _Atomic u64 sent;          /* L2 */
    struct list blocked, blocked_link; /* blocked_lock; L7 */
    u32 flights;               /* flight_lock; how often its file is on its way */
    u32 counted;               /* collect's */
    struct list flight_link;   /* flight_lock */
    struct file *file;         /* flight_lock; set while in flight; no reference */
    u8 mark;                   /* collect's */
    struct unix_socket *next_alive;
};
static inline struct unix_socket *
unix_of(struct socket *s)
{
    return container_of(s, struct unix_socket, socket);
}
static inline void
unix_hold(struct unix_socket *u)
{
    socket_hold(&u->socket);
}
static inline void
unix_release(struct unix_socket *u)
{
    socket_release(&u->socket);
}
static inline bool
unix_is_connected_kind(const struct unix_socket *u)
{
    return u->socket.type != SOCKET_DGRAM;
}

struct unix_message {
    struct list link;
    u64 bytes, read;           /* of a stream: how much of it was read */
    u32 charge;
    u32 pages;                 /* 0: the bytes stand behind it, else so many frames */
    bool has_sender;
    struct socket_sender sender;
    struct socket_rights *rights;
    struct unix_socket *from;  /* of a datagram: a reference */
    u64 body[];
};

/* message.c */
/* The next n bytes of u, without rights. NULL with *error: -E_NOMEM -E_FAULT */
struct unix_message *unix_message_new(struct uio *u, u64 n, int *error);
void unix_message_free(struct unix_message *m);
/* Bytes from `at` on to the user; -E_FAULT */
int unix_message_copy(const struct unix_message *m, u64 at, u64 n,
                      struct uio *u) MUST_CHECK;
/* Who sends, and the files, from a call's message.  -E_TOOMANYREFS -E_NOMEM */
int unix_message_attach(struct unix_message *m, struct socket_message *from,
                        bool tell_sender) MUST_CHECK;
/* The other way.  take: they leave the message. */
void unix_message_detach(struct unix_message *m, struct socket_message *to, bool take);
void unix_message_sender(const struct unix_message *m, struct socket_message *to);

/* name.c */
int unix_bind(struct socket *s, const struct socket_address *a);
int unix_bind_any(struct unix_socket *u); /* unless it has a name */
/* A reference; NULL when it fails. -E_CONNREFUSED -E_PROTOTYPE -E_INVAL, as path_walk */
int unix_find(const struct socket_address *a, enum socket_type type,
              struct unix_socket **out) MUST_CHECK;
void unix_unbind(struct unix_socket *u);
void unix_name_hold(struct unix_name *n);
void unix_name_release(struct unix_name *n);
void unix_name_get(struct unix_socket *u, struct socket_address *out);

/* connect.c */
int unix_connect(struct socket *s, const struct socket_address *a, bool nonblock);
int unix_listen(struct socket *s, u32 backlog);
int unix_accept(struct socket *s, bool nonblock, struct socket **out);

/* unix.c */
struct unix_socket *unix_new(enum socket_type type);
void unix_close(struct socket *s);

/* urgent.c */
/* One byte out of band.  As a send. */
i64 unix_urgent_send(struct unix_socket *u, struct unix_socket *to,
                     struct socket_message *m);
/* With u's `reading` held.  Bytes, or -E_INVAL: there is none. */
i64 unix_urgent_receive(struct unix_socket *u, struct socket_message *m);
enum unix_mark { UNIX_MARK_NONE, UNIX_MARK_STOP, UNIX_MARK_PAST };
enum unix_mark unix_urgent_reach_mark(struct unix_socket *u, struct unix_message *p, i64 done,
                                 bool peek);
bool unix_at_mark(struct socket *s);

/* stream.c, dgram.c */
i64 unix_stream_send(struct socket *s, struct socket_message *m);
i64 unix_stream_receive(struct socket *s, struct socket_message *m);
i64 unix_dgram_send(struct socket *s, struct socket_message *m);
i64 unix_dgram_receive(struct socket *s, struct socket_message *m);
i64 unix_seq_send(struct socket *s, struct socket_message *m);
i64 unix_seq_receive(struct socket *s, struct socket_message *m);
int unix_dgram_connect(struct socket *s, const struct socket_address *a, bool nonblock);
u32 unix_dgram_poll(struct socket *s, struct poll_table *t);
/* The peer of a datagram socket, with a reference; NULL: none. */
struct unix_socket *unix_peer_get(struct unix_socket *u);
/* Those that wait for room in u may look again (L7). */
void unix_unblock(struct unix_socket *u);
void unix_leave_blocked(struct unix_socket *u);

/* flight.c: files on their way, and what can never arrive */
int unix_flight_begin(struct socket_rights *r) MUST_CHECK; /* -E_TOOMANYREFS */
void unix_flight_end(struct socket_rights *r);
void unix_collect(void);
/* For a look at files that stay on their way. NULL: no memory. */
struct socket_rights *unix_flight_copy(const struct socket_rights *r);

static inline void
unix_lock_two(struct unix_socket *a, struct unix_socket *b)
{
    spin_lock((uintptr_t)a < (uintptr_t)b ? &a->socket.lock : &b->socket.lock);
    spin_lock((uintptr_t)a < (uintptr_t)b ? &b->socket.lock : &a->socket.lock);
}
static inline void
unix_unlock_two(struct unix_socket *a, struct unix_socket *b)
{
    spin_unlock(&a->socket.lock);
    spin_unlock(&b->socket.lock);
}
static inline u32
unix_state(const struct unix_socket *u)
{
    return atomic_load_explicit(&u->state, memory_order_acquire);
}
static inline u32
unix_shut(const struct unix_socket *u)
{
    return atomic_load_explicit(&u->socket.shut, memory_order_relaxed);
}
/* L2: what it sent and nobody has read. */
static inline u64
unix_charge(const struct unix_socket *u)
{
    if (!unix_is_connected_kind(u))
        return atomic_load_explicit(&u->sent, memory_order_relaxed);
    const struct unix_socket *peer = __atomic_load_n(&u->peer, __ATOMIC_ACQUIRE);
    return peer != NULL ? __atomic_load_n(&peer->queued, __ATOMIC_RELAXED) : 0;
}
static inline bool
unix_writable(const struct unix_socket *u)
{
    return unix_state(u) != UNIX_LISTENING && unix_charge(u) * 4 <= u->socket.send_limit;
}
/* With the receiver's lock held. */
static inline void
unix_push(struct unix_socket *to, struct unix_message *m)
{
    list_push_back(&to->queue, &m->link);
    to->bytes += m->bytes;
    to->queued += m->charge;
    to->count++;
}
static inline void
unix_pull(struct unix_socket *of, struct unix_message *m)
{
    list_remove(&m->link);
    of->bytes -= m->bytes - m->read;
    of->queued -= m->charge;
    of->count--;
}
static inline struct unix_message *
unix_first(const struct unix_socket *u)
{
    return list_empty(&u->queue) ? NULL
                                 : container_of(u->queue.next, struct unix_message, link);
}
/* A read that has `done` bytes came to p, the first that it has not had: what it does. */
static inline enum unix_mark
unix_urgent_reach(struct unix_socket *u, struct unix_message *p, i64 done, bool peek)
{
    if (__builtin_expect(__atomic_load_n(&u->marks, __ATOMIC_RELAXED) == 0, 1))
        return UNIX_MARK_NONE;
    return unix_urgent_reach_mark(u, p, done, peek);
}
/* L8, after something was read; u's lock is held.  What is to be freed, or NULL. */
struct unix_message *unix_urgent_settle_mark(struct unix_socket *u);
static inline struct unix_message *
unix_urgent_settle(struct unix_socket *u)
{
    return __builtin_expect(u->marks == 0, 1) ? NULL : unix_urgent_settle_mark(u);
}

#endif
