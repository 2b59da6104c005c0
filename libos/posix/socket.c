/* SPDX-License-Identifier: MIT */
/* The socket calls that move no data: making, naming, connecting. */
#include "posix/socket.h"

#include "core/string.h"
#include "posix/async.h"

#define SOCKET_TYPE_MASK 0xfu
#define SOCKET_TYPES 11u    /* Linux's SOCK_MAX */
#define FAMILIES 46u        /* Linux's AF_MAX */

/* The families that there are, by Linux's numbers. */
static const struct socket_family *const families[FAMILIES] = {
    [LINUX_AF_UNIX] = &unix_family,
};
_Static_assert(SOCKET_STREAM == 1 && SOCKET_DGRAM == 2 && SOCKET_SEQPACKET == 5,
               "types are Linux's");

u32
socket_family_number(const struct socket *s)
{
    for (u32 i = 0; i < FAMILIES; i++)
        if (families[i] == s->family)
            return i;
    return LINUX_AF_UNSPEC;
}

static void
caller_walk(struct walk *w)
{
    w->context = place_own();
    w->cred = cred_own();
}

static void
caller_sender(struct socket_sender *out, bool effective)
{
    const struct process *p = proc_current();
    const struct cred *c = cred_own();
    *out = (struct socket_sender){ p->pid, effective ? c->euid : c->uid,
                                   effective ? c->egid : c->gid };
}

static u64
caller_rights_max(void)
{
    return proc_current()->limits[LIMIT_NOFILE].soft;
}

static void
hooks(void)
{
    if (socket_caller.walk != NULL)
        return;
    socket_caller.sender = caller_sender;
    socket_caller.rights_max = caller_rights_max;
    socket_caller.urgent = async_urgent;
    socket_caller.walk = caller_walk;
}

int
socket_arg_get(struct socket_arg *a, u64 fd)
{
    int r = file_arg_get_open(&a->file, fd);
    if (r != 0)
        return r;
    a->socket = socket_of(a->file.file);
    if (a->socket != NULL)
        return 0;
    file_arg_done(&a->file);
    return -E_NOTSOCK;
}

/* ---- making ---- */

static int
create(u64 family, u64 type_and_flags, u64 protocol, struct socket **out)
{
    u32 type = (u32)type_and_flags & SOCKET_TYPE_MASK;
    if ((u32)family >= FAMILIES)
        return -E_AFNOSUPPORT;
    if (type >= SOCKET_TYPES)
        return -E_INVAL;
    const struct socket_family *f = families[(u32)family];
    if (f == NULL)
        return -E_AFNOSUPPORT;
    hooks();
    return f->create((enum socket_type)type, (u32)protocol, out);
}

static bool
flags_are_known(u64 type_and_flags)
{
    return ((u32)type_and_flags &
            ~(SOCKET_TYPE_MASK | SOCK_NONBLOCK_FLAG | SOCK_CLOEXEC_FLAG)) == 0;
}

static int
open_socket(struct socket *s, u64 flags, struct file **out)
{
    return socket_open(s, (flags & SOCK_NONBLOCK_FLAG) != 0 ? OPEN_NONBLOCK : 0, out);
}

long
sys_socket(struct user_frame *f)
{
    u64 flags = SYS_ARG1(f);
    struct socket *s;
    struct file *file;
    if (!flags_are_known(flags))
        return -E_INVAL;
    int r = create(SYS_ARG0(f), flags, SYS_ARG2(f), &s);
    if (r == 0)
        r = open_socket(s, flags, &file);
    return r != 0 ? r : file_to_fd(file, (flags & SOCK_CLOEXEC_FLAG) != 0);
}

/* Two that are open: both are the caller's, or neither. */
static int
make_pair(struct user_frame *f, struct file *file[2])
{
    struct socket *a, *b;
    int r = create(SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f), &a);
    if (r != 0)
        return r;
    r = open_socket(a, SYS_ARG1(f), &file[0]);
    if (r != 0)
        return r;
    r = a->ops->pair == NULL ? -E_NOTSUP : 0;
    if (r == 0)
        r = create(SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f), &b);
    if (r == 0)
        r = open_socket(b, SYS_ARG1(f), &file[1]);
    if (r == 0) {
        r = a->ops->pair(a, b);
        if (r != 0)
            file_release(file[1]);
    }
    if (r != 0)
        file_release(file[0]);
    return r;
}

long
sys_socketpair(struct user_frame *f)
{
    struct fdtable *t = files_own();
    struct file *file[2];
    bool cloexec = (SYS_ARG1(f) & SOCK_CLOEXEC_FLAG) != 0;
    if (!flags_are_known(SYS_ARG1(f)))
        return -E_INVAL;
    int r = make_pair(f, file);
    if (r != 0)
        return r;
    i32 fd[2] = { fd_reserve(t, 0), -1 };
    fd[1] = fd[0] < 0 ? fd[0] : fd_reserve(t, 0);
    r = fd[1] < 0 ? fd[1] : copy_to_user(SYS_ARG3(f), fd, sizeof fd);
    if (r == 0) {
        fd_fill(t, fd[0], file[0], cloexec);
        fd_fill(t, fd[1], file[1], cloexec);
        return 0;
    }
    if (fd[0] >= 0)
        fd_unreserve(t, fd[0]);
    if (fd[1] >= 0)
        fd_unreserve(t, fd[1]);
    file_release(file[0]);
    file_release(file[1]);
    return r;
}

/* ---- addresses ---- */

int
socket_address_get(struct socket_address *a, u32 *family, uaddr from, i32 length)
{
    u8 raw[LINUX_SOCKADDR_MAX];
    if (length < 0 || (u32)length > sizeof raw)
        return -E_INVAL;
    int r = copy_from_user(raw, from, (u32)length);
    if (r != 0)
        return r;
    if (length < 2)
        return -E_INVAL;
    *family = (u32)raw[0] | (u32)raw[1] << 8;
    a->length = (u32)length - 2;
    memcpy(a->bytes, raw + 2, a->length);
    return 0;
}

u32
socket_address_bytes(const struct socket *s, const struct socket_address *a,
                     u8 to[LINUX_SOCKADDR_MAX])
{
    u32 family = socket_family_number(s), n = MIN(a->length, LINUX_SOCKADDR_MAX - 2);
    to[0] = (u8)family;
    to[1] = (u8)(family >> 8);
    memcpy(to + 2, a->bytes, n);
    return n + 2;
}

int
socket_address_put(const struct socket *s, const struct socket_address *a, bool any,
                   uaddr to, uaddr length_at)
{
    u8 raw[LINUX_SOCKADDR_MAX];
    i32 room;
    int r = copy_from_user(&room, length_at, sizeof room);
    if (r != 0)
        return r;
    u32 n = any ? socket_address_bytes(s, a, raw) : 0;
    if (room < 0)
        return -E_INVAL;
    if (n != 0)
        r = copy_to_user(to, raw, MIN(n, (u32)room));
    return r != 0 ? r : copy_to_user(length_at, &n, sizeof n);
}

/* ---- naming and connecting ---- */

static int
address_of_family(const struct socket *s, struct socket_address *a, u64 at, u64 length,
                  bool *unspecified)
{
    u32 family;
    int r = socket_address_get(a, &family, at, (i32)length);
    *unspecified = r == 0 && family == LINUX_AF_UNSPEC;
    if (r == 0 && family != socket_family_number(s) && !*unspecified)
        r = -E_INVAL;
    return r;
}

long
sys_bind(struct user_frame *f)
{
    struct socket_arg a;
    struct socket_address address;
    bool unspecified;
    int r = socket_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    r = address_of_family(a.socket, &address, SYS_ARG1(f), SYS_ARG2(f), &unspecified);
    if (r == 0 && unspecified)
        r = -E_INVAL;
    if (r == 0)
        r = a.socket->ops->bind == NULL ? -E_NOTSUP : a.socket->ops->bind(a.socket, &address);
    socket_arg_done(&a);
    return r;
}

long
sys_connect(struct user_frame *f)
{
    struct socket_arg a;
    struct socket_address address;
    bool unspecified;
    int r = socket_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    r = address_of_family(a.socket, &address, SYS_ARG1(f), SYS_ARG2(f), &unspecified);
    if (r == 0)
        r = a.socket->ops->connect == NULL
                ? -E_NOTSUP
                : a.socket->ops->connect(a.socket, unspecified ? NULL : &address,
                                         socket_arg_nonblock(&a));
    socket_arg_done(&a);
    return r;
}

long
sys_listen(struct user_frame *f)
{
    struct socket_arg a;
    int r = socket_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    r = a.socket->ops->listen == NULL ? -E_NOTSUP
                                      : a.socket->ops->listen(a.socket, (u32)SYS_ARG1(f));
    socket_arg_done(&a);
    return r;
}

/* The descriptor is there before a connection is taken, which could not be given back. */
static long
accept_on(struct socket_arg *a, uaddr name_at, uaddr length_at, u32 flags)
{
    struct fdtable *t = files_own();
    struct socket_address name;
    struct socket *s;
    struct file *file;
    if (a->socket->ops->accept == NULL)
        return -E_NOTSUP;
    int fd = fd_reserve(t, 0);
    if (fd < 0)
        return fd;
    int r = a->socket->ops->accept(a->socket, socket_arg_nonblock(a), &s);
    if (r == 0)
        r = open_socket(s, flags, &file);
    if (r == 0 && name_at != 0) {
        r = s->ops->name(s, true, &name) != 0
                ? -E_CONNABORTED
                : socket_address_put(s, &name, true, name_at, length_at);
        if (r != 0)
            file_release(file);
    }
    if (r != 0) {
        fd_unreserve(t, fd);
        return r;
    }
    fd_fill(t, fd, file, (flags & SOCK_CLOEXEC_FLAG) != 0);
    return fd;
}

static long
accept_call(struct user_frame *f, u32 flags)
{
    struct socket_arg a;
    int r = socket_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    long fd = (flags & ~(SOCK_NONBLOCK_FLAG | SOCK_CLOEXEC_FLAG)) != 0
                  ? -E_INVAL
                  : accept_on(&a, SYS_ARG1(f), SYS_ARG2(f), flags);
    socket_arg_done(&a);
    return fd;
}

long
sys_accept(struct user_frame *f)
{
    return accept_call(f, 0);
}

long
sys_accept4(struct user_frame *f)
{
    return accept_call(f, (u32)SYS_ARG3(f));
}

static long
name_call(struct user_frame *f, bool of_peer)
{
    struct socket_arg a;
    struct socket_address name;
    int r = socket_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    r = a.socket->ops->name(a.socket, of_peer, &name);
    if (r == 0)
        r = socket_address_put(a.socket, &name, true, SYS_ARG1(f), SYS_ARG2(f));
    socket_arg_done(&a);
    return r;
}

long
sys_getsockname(struct user_frame *f)
{
    return name_call(f, false);
}

long
sys_getpeername(struct user_frame *f)
{
    return name_call(f, true);
}

long
sys_shutdown(struct user_frame *f)
{
    struct socket_arg a;
    u32 how = (u32)SYS_ARG1(f);
    int r = socket_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    r = how > 2                           ? -E_INVAL
        : a.socket->ops->shutdown == NULL ? -E_NOTSUP
                                          : a.socket->ops->shutdown(a.socket, how + 1);
    socket_arg_done(&a);
    return r;
}
_Static_assert(SHUT_RECEIVE == 0 + 1 && SHUT_SEND == 1 + 1 && SHUT_BOTH == 2 + 1,
               "Linux's SHUT_RD, SHUT_WR, SHUT_RDWR and one");
