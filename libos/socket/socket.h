/* SPDX-License-Identifier: MIT */
/*
 * Sockets: what all protocol families have in common, and the interface that a family
 * fills in.
 *
 * K1. A socket lives as long as its inode: its open file, and whoever in its family holds
 *     a reference (socket_hold), keep it.  `close` is called once, when the open file has
 *     gone; `free` when nobody is left.
 * K2. Options that mean the same for every family are kept here; a family reads them when
 *     it acts.
 * K3. `error` is what the next call is told once (socket_take_error).
 * K4. `file` is the open file, without a reference: it is there as long as the family has
 *     not seen `close`, which comes before the file goes.
 * K5. A family's names are bytes behind the number of the family, which only posix knows.
 * Locking: socket.lock guards what the family says; options are single words that anybody
 * reads.  Its wait queues are woken without it, or with it.
 */
#ifndef LIBOS_SOCKET_SOCKET_H
#define LIBOS_SOCKET_SOCKET_H

#include "vfs/vfs.h"

enum socket_type { SOCKET_STREAM = 1, SOCKET_DGRAM = 2, SOCKET_RAW = 3, SOCKET_RDM = 4,
                   SOCKET_SEQPACKET = 5 };

#define SOCKET_ADDRESS_MAX 126u
struct socket_address {
    u32 length;
    u8 bytes[SOCKET_ADDRESS_MAX];
};

/* Who sends, as the receiver is told. */
struct socket_sender {
    i32 pid; /* 0: not known */
    u32 uid, gid;
};
#define SOCKET_NOBODY 65534u

/* Open files on their way: one reference on each. */
#define SOCKET_RIGHTS_MAX 253u
struct socket_rights {
    struct list link;       /* while they are let go of */
    struct usage *usage;    /* the sender's: counted there while on their way */
    u32 count;
    struct file *file[];
};
/* Room for `count`, none there yet; NULL: no memory. */
struct socket_rights *socket_rights_new(u32 count);
struct socket_rights *socket_rights_copy(const struct socket_rights *r);
/* Lets go of the files.  Sockets that go with them may have further ones on their way to
 * them: however long such a chain is, it needs no stack.  NULL is fine. */
void socket_rights_free(struct socket_rights *r);

/* What is asked of a transfer, and what it tells. */
#define SOCKET_NONBLOCK 0x1u
#define SOCKET_PEEK     0x2u
#define SOCKET_WAIT_ALL 0x4u
#define SOCKET_URGENT   0x8u  /* out of band */
#define SOCKET_TRUNC    0x10u /* asked: the true length; told: some of it was cut off */
#define SOCKET_RIGHTS   0x20u /* the caller takes rights; otherwise they are dropped */
#define SOCKET_RIGHTS_LOST 0x40u /* told */
/* told as well: SOCKET_URGENT, that it was out of band */
struct socket_message {
    struct uio *data;
    u32 flags, told;
    /* Sending: where to, NULL: to the peer.  Receiving: whose it is; NULL: not asked. */
    struct socket_address *name;
    bool named;                    /* receiving: name was filled in */
    bool has_sender;               /* sending: it says who it is */
    struct socket_sender sender;
    /* Sending: goes along, and is NULL afterwards.  Receiving: the caller's. */
    struct socket_rights *rights;
};

struct socket;
/* What a kind of socket of a family does. Absent: -E_NOTSUP. */
struct socket_ops {
    int (*bind)(struct socket *s, const struct socket_address *a);
    /* a NULL: forget the peer */
    int (*connect)(struct socket *s, const struct socket_address *a, bool nonblock);
    int (*listen)(struct socket *s, u32 backlog);
    /* a socket without a file; a reference */
    int (*accept)(struct socket *s, bool nonblock, struct socket **out);
    int (*pair)(struct socket *a, struct socket *b);
    int (*name)(struct socket *s, bool of_peer, struct socket_address *out);
    /* Bytes, or an error.  A part of a stream may have been sent. */
    i64 (*send)(struct socket *s, struct socket_message *m);
    i64 (*receive)(struct socket *s, struct socket_message *m);
    int (*shutdown)(struct socket *s, u32 how);
    u32 (*poll)(struct socket *s, struct poll_table *t);
    i64 (*readable)(struct socket *s); /* bytes that the next read can have */
    i64 (*unsent)(struct socket *s);   /* bytes that wait for the other side */
    bool (*at_mark)(struct socket *s); /* the next byte is out of band (sockatmark(3)) */
    bool (*listens)(const struct socket *s);
    void (*close)(struct socket *s);
    void (*free)(struct socket *s);
    /* The number of a signal for a write to a peer that has gone is posix's; this says
     * that there is none. */
    bool quiet;
};
struct socket_family {
    const char *name;
    /* -E_PROTONOSUPPORT -E_SOCKTNOSUPPORT -E_NOMEM; a reference */
    int (*create)(enum socket_type type, u32 protocol, struct socket **out);
};

#define SHUT_RECEIVE 1u
#define SHUT_SEND    2u
#define SHUT_BOTH    3u

/* Options that are on or off. */
#define SOCKET_PASS_SENDER 0x1u
#define SOCKET_REUSE_ADDRESS 0x2u
#define SOCKET_REUSE_PORT 0x4u
#define SOCKET_KEEP_ALIVE 0x8u
#define SOCKET_BROADCAST 0x10u
#define SOCKET_DONT_ROUTE 0x20u
#define SOCKET_URGENT_INLINE 0x40u
#define SOCKET_DEBUG 0x80u
#define SOCKET_LINGER 0x100u
#define SOCKET_NO_CHECK 0x200u
#define SOCKET_TIME_US 0x400u
#define SOCKET_TIME_NS 0x800u
#define SOCKET_PASS_SECURITY 0x1000u
#define SOCKET_DROPS 0x2000u
#define SOCKET_SELECT_ERRORS 0x4000u
#define SOCKET_WIFI_STATUS 0x8000u
#define SOCKET_NO_FCS 0x10000u

#define SOCKET_LIMIT_DEFAULT 212992u
#define SOCKET_SEND_MIN 4608u
#define SOCKET_RECEIVE_MIN 2304u
struct socket {
    struct inode inode;             /* K1 */
    const struct socket_ops *ops;   /* [I] */
    const struct socket_family *family; /* [I] */
    enum socket_type type;          /* [I] */
    u32 protocol;                   /* [I] */
    struct spinlock lock;
    _Atomic u32 error;              /* K3; E_* */
    _Atomic u32 shut;               /* lock to change; SHUT_* */
    _Atomic u32 options;
    struct file *file;              /* [I] once it is open; K4 */
    u32 send_limit, receive_limit, low_water, priority, linger_s, mark;
    i32 peek_offset;                /* -1: peeks begin at the front */
    u64 receive_timeout_ns, send_timeout_ns; /* ~0: none */
    struct socket_sender peer;      /* lock; who was there when it was connected */
    struct waitq readable, writable;
};

/* A fresh socket: one reference, everything at its default.  For families. */
void socket_init(struct socket *s, const struct socket_family *family,
                 const struct socket_ops *ops, enum socket_type type, u32 protocol);
static inline void
socket_hold(struct socket *s)
{
    inode_hold(&s->inode);
}
static inline void
socket_release(struct socket *s)
{
    inode_release(&s->inode);
}
/* An open file for it; takes over the caller's reference, in any case. flags: OPEN_NONBLOCK.
 * -E_NOMEM */
int socket_open(struct socket *s, u32 flags, struct file **out) MUST_CHECK;
/* NULL: the file is none. */
struct socket *socket_of(const struct file *f);
static inline int
socket_take_error(struct socket *s)
{
    if (atomic_load_explicit(&s->error, memory_order_relaxed) == 0)
        return 0;
    return (int)atomic_exchange_explicit(&s->error, 0, memory_order_acq_rel);
}
static inline bool
socket_has(const struct socket *s, u32 option)
{
    return (atomic_load_explicit(&s->options, memory_order_relaxed) & option) != 0;
}
/* When a wait that begins now has lasted long enough. */
u64 socket_deadline(u64 timeout_ns);
/* With *lock held, which is dropped: sleep in q until woken.  -E_AGAIN: the time is up;
 * -E_RESTART, or -E_INTR if there was a limit: a signal. */
int socket_sleep(struct spinlock *lock, struct waitq *q, u64 deadline_ns) MUST_CHECK;
/* What wait_until gave, as such an error. */
int socket_sleep_error(int result, u64 deadline_ns);

/* What a family asks about the caller; posix sets them. */
struct socket_caller {
    void (*walk)(struct walk *w); /* its place and rights */
    /* as the receiver of a message is told; effective: as SO_PEERCRED tells */
    void (*sender)(struct socket_sender *out, bool effective);
    u64 (*rights_max)(void);      /* files that it may have on their way */
    void (*urgent)(struct file *f); /* tells its owner that something came out of band */
};
extern struct socket_caller socket_caller;

/* ioctl requests; the numbers are the ones that user programs use. */
#define SOCKET_IOCTL_UNSENT 0x5411u
#define SOCKET_IOCTL_AT_MARK 0x8905u

/* ---- local sockets (unix(7)): socket/unix ---- */
extern const struct socket_family unix_family;
struct unix_facts {
    u64 ino;
    u32 refs, type, state; /* 1 unconnected, 2 connecting, 3 connected, 4 going */
    bool listens;
    struct socket_address name; /* length 0: none */
};
/* The socket with the lowest number from `from` on; false: none. */
bool unix_next(u64 from, struct unix_facts *out);

#endif
