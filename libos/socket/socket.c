/* SPDX-License-Identifier: MIT */
/* What sockets of all families share: the inode, the open file, waiting. */
#include "socket/socket.h"

#include "core/clock.h"
#include "core/heap.h"

struct socket_caller socket_caller;

static inline struct socket *
of_inode(struct inode *i)
{
    return container_of(i, struct socket, inode);
}

/* ---- the inode ---- */

static int
socket_getattr(struct inode *i, struct vattr *out)
{
    *out = (struct vattr){
        .dev = vfs_rdev(0, 8), .ino = i->ino, .nlink = 1, .mode = i->mode,
        .uid = i->uid, .gid = i->gid, .blksize = (u32)PAGE_SIZE, .type = IT_SOCKET,
        .atime = i->atime, .mtime = i->mtime, .ctime = i->ctime, .btime = i->btime,
    };
    return 0;
}

static int
socket_setattr(struct inode *i, const struct vattr *set, u32 which)
{
    if ((which & VSET_SIZE) != 0)
        return -E_INVAL;
    if ((which & VSET_MODE) != 0)
        i->mode = set->mode;
    if ((which & VSET_UID) != 0)
        i->uid = set->uid;
    if ((which & VSET_GID) != 0)
        i->gid = set->gid;
    i->ctime = vfs_now();
    return 0;
}

static void
socket_inode_release(struct inode *i)
{
    struct socket *s = of_inode(i);
    s->ops->free(s);
}

/* By its descriptor's link it cannot be opened once more. */
static int
socket_inode_open(struct inode *i, struct file *f)
{
    (void)i;
    (void)f;
    return -E_NXIO;
}

static const struct inode_ops socket_inode_ops = {
    .getattr = socket_getattr,
    .setattr = socket_setattr,
    .release = socket_inode_release,
    .open = socket_inode_open,
};

void
socket_init(struct socket *s, const struct socket_family *family,
            const struct socket_ops *ops, enum socket_type type, u32 protocol)
{
    static _Atomic u64 serial = 1;
    struct inode *i = &s->inode;
    const struct cred *cred = vfs_current_cred();
    inode_init(i, IT_SOCKET);
    i->ops = &socket_inode_ops;
    i->ino = atomic_fetch_add_explicit(&serial, 1, memory_order_relaxed);
    i->mode = 0777;
    i->nlink = 1;
    i->uid = cred != NULL ? cred->fsuid : 0;
    i->gid = cred != NULL ? cred->fsgid : 0;
    i->atime = i->mtime = i->ctime = i->btime = vfs_now();
    s->ops = ops;
    s->family = family;
    s->type = type;
    s->protocol = protocol;
    s->send_limit = s->receive_limit = SOCKET_LIMIT_DEFAULT;
    s->low_water = 1;
    s->peek_offset = -1;
    s->receive_timeout_ns = s->send_timeout_ns = ~0ull;
    s->peer = (struct socket_sender){ 0, ~0u, ~0u };
    waitq_init(&s->readable);
    waitq_init(&s->writable);
}

/* ---- the open file ---- */

static i64
socket_read(struct file *f, struct uio *u, u64 *pos)
{
    struct socket *s = f->priv;
    struct socket_message m = {
        .data = u, .flags = (f->flags & OPEN_NONBLOCK) != 0 ? SOCKET_NONBLOCK : 0
    };
    (void)pos;
    if (u->left == 0)
        return 0;
    i64 n = s->ops->receive(s, &m);
    if (m.rights != NULL)
        socket_rights_free(m.rights);
    return n;
}

static i64
socket_write(struct file *f, struct uio *u, u64 *pos)
{
    struct socket *s = f->priv;
    struct socket_message m = {
        .data = u, .flags = (f->flags & OPEN_NONBLOCK) != 0 ? SOCKET_NONBLOCK : 0
    };
    (void)pos;
    return s->ops->send(s, &m);
}

static u32
socket_poll(struct file *f, struct poll_table *t)
{
    struct socket *s = f->priv;
    return s->ops->poll(s, t);
}

static i64
socket_ioctl(struct file *f, u32 request, uaddr arg)
{
    struct socket *s = f->priv;
    i64 n;
    if (request == FILE_IOCTL_READABLE)
        n = s->ops->readable != NULL ? s->ops->readable(s) : -E_NOTTY;
    else if (request == SOCKET_IOCTL_UNSENT)
        n = s->ops->unsent != NULL ? s->ops->unsent(s) : -E_NOTTY;
    else if (request == SOCKET_IOCTL_AT_MARK && s->ops->at_mark != NULL)
        n = s->ops->at_mark(s);
    else
        n = -E_NOTTY;
    i32 value = (i32)MIN(n, 0x7fffffff);
    return n < 0 ? n : copy_to_user(arg, &value, sizeof value);
}

static void
socket_file_release(struct file *f)
{
    struct socket *s = f->priv;
    s->ops->close(s);
}

#define COMMON                                                                           \
    .read = socket_read, .write = socket_write, .poll = socket_poll,                     \
    .ioctl = socket_ioctl, .release = socket_file_release
static const struct file_ops socket_file_ops = { COMMON,
                                                 .traits = FILE_STREAM | FILE_ASYNC };
static const struct file_ops quiet_file_ops = {
    COMMON, .traits = FILE_STREAM | FILE_ASYNC | FILE_QUIET
};

int
socket_open(struct socket *s, u32 flags, struct file **out)
{
    struct file *f = file_new(s->ops->quiet ? &quiet_file_ops : &socket_file_ops, &s->inode,
                              (flags & OPEN_NONBLOCK) | OPEN_READ | OPEN_WRITE);
    if (f == NULL)
        s->ops->close(s);
    else
        f->priv = s;
    __atomic_store_n(&s->file, f, __ATOMIC_RELEASE);
    socket_release(s); /* the file holds it */
    *out = f;
    return f != NULL ? 0 : -E_NOMEM;
}

struct socket *
socket_of(const struct file *f)
{
    return f->ops->read == socket_read ? f->priv : NULL;
}

/* ---- waiting ---- */

u64
socket_deadline(u64 timeout_ns)
{
    u64 end;
    if (timeout_ns == ~0ull || __builtin_add_overflow(clock_mono_ns(), timeout_ns, &end))
        return ~0ull;
    return end;
}

int
socket_sleep_error(int result, u64 deadline_ns)
{
    if (result == 0)
        return 0;
    if (result == -E_TIMEDOUT)
        return -E_AGAIN;
    return deadline_ns == ~0ull ? -E_RESTART : -E_INTR;
}

int
socket_sleep(struct spinlock *lock, struct waitq *q, u64 deadline_ns)
{
    struct waiter w;
    wait_enter(q, &w, true);
    thread_prepare(true);
    spin_unlock(lock);
    int r = thread_block(deadline_ns);
    wait_leave(&w);
    return socket_sleep_error(r, deadline_ns);
}
