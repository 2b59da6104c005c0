/* SPDX-License-Identifier: MIT */
/*
 * The socket calls that move data, and control messages (cmsg(3)): files that go along
 * (SCM_RIGHTS) and who sends (SCM_CREDENTIALS).
 */
#include "core/clock.h"
#include "core/heap.h"
#include "core/string.h"
#include "posix/socket.h"

#define SCM_RIGHTS 1
#define SCM_CREDENTIALS 2
#define CONTROL_MAX 0x7fffffffu
#define CONTROL_INLINE 256u
#define CONTROL_ALL 20480u /* what a call may bring, as net.core.optmem_max */
#define MMSG_MAX 1024u

struct linux_msghdr {
    uaddr name;
    i32 name_length, pad;
    uaddr iov;
    u64 iov_count;
    uaddr control;
    u64 control_length;
    u32 flags, pad2;
};
_Static_assert(sizeof(struct linux_msghdr) == 56, "struct msghdr");
#define MMSGHDR_BYTES 64u /* and then how many bytes were moved */
struct linux_cmsghdr {
    u64 length;
    i32 level, type;
};
#define CMSG_ALIGN(n) (((n) + 7) & ~7ull)

static u32
flags_from_linux(const struct socket_arg *a, u32 flags)
{
    return (socket_arg_nonblock(a) || (flags & MSG_DONTWAIT) != 0 ? SOCKET_NONBLOCK : 0) |
           ((flags & MSG_PEEK) != 0 ? SOCKET_PEEK : 0) |
           ((flags & MSG_WAITALL) != 0 ? SOCKET_WAIT_ALL : 0) |
           ((flags & MSG_OOB) != 0 ? SOCKET_URGENT : 0) |
           ((flags & MSG_TRUNC) != 0 ? SOCKET_TRUNC : 0);
}

/* ---- sending ---- */

static i64
send_message(struct socket_arg *a, struct socket_message *m, u32 flags)
{
    m->flags = flags_from_linux(a, flags);
    i64 n = a->socket->ops->send(a->socket, m);
    if (n == -E_PIPE && !a->socket->ops->quiet && (flags & MSG_NOSIGNAL) == 0)
        write_result(n);
    return n;
}

/* Where to; the family decides whether it wants to know. */
static int
get_destination(struct socket_arg *a, struct socket_message *m, struct socket_address *name,
                uaddr at, i32 length)
{
    u32 family;
    if (at == 0 || length == 0)
        return 0;
    int r = socket_address_get(name, &family, at, length);
    if (r == 0 && family != socket_family_number(a->socket))
        r = -E_INVAL;
    m->name = name;
    return r;
}

long
sys_sendto(struct user_frame *f)
{
    struct socket_arg a;
    struct socket_address name;
    struct uio u;
    struct socket_message m = { .data = &u };
    int r = socket_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    i64 n = -E_FAULT;
    if (user_range(SYS_ARG1(f), SYS_ARG2(f))) {
        uio_user(&u, SYS_ARG1(f), MIN(SYS_ARG2(f), TRANSFER_MAX));
        n = get_destination(&a, &m, &name, SYS_ARG4(f), (i32)SYS_ARG5(f));
        if (n == 0)
            n = send_message(&a, &m, (u32)SYS_ARG3(f));
    }
    socket_arg_done(&a);
    return n;
}

/* The files of one control message: they join those that are there. -E_INVAL -E_BADF */
static int
add_rights(struct socket_message *m, const u8 *data, u64 bytes)
{
    u32 count = (u32)(bytes / sizeof(i32));
    if (count == 0)
        return 0;
    if (count > SOCKET_RIGHTS_MAX)
        return -E_INVAL;
    if (m->rights == NULL)
        m->rights = socket_rights_new(SOCKET_RIGHTS_MAX);
    struct socket_rights *r = m->rights;
    if (r == NULL)
        return -E_NOMEM;
    if (r->count + count > SOCKET_RIGHTS_MAX)
        return -E_INVAL;
    for (u32 i = 0; i < count; i++) {
        i32 fd;
        memcpy(&fd, data + i * sizeof fd, sizeof fd);
        struct file *file = fd_get(files_own(), fd);
        if (file == NULL)
            return -E_BADF;
        r->file[r->count++] = file;
    }
    return 0;
}

static bool
is_one_of(u32 id, u32 a, u32 b, u32 c)
{
    return id == a || id == b || id == c;
}

/* Who it says it is must be true of it, or it may say anything. */
static int
check_sender(const struct socket_sender *s)
{
    const struct process *p = proc_current();
    const struct cred *c = cred_own();
    if (s->uid == ~0u || s->gid == ~0u)
        return -E_INVAL;
    bool may = (s->pid == p->pid || cred_can(c, CAP_SYS_ADMIN)) &&
               (is_one_of(s->uid, c->uid, c->euid, c->suid) || cred_can(c, CAP_SETUID)) &&
               (is_one_of(s->gid, c->gid, c->egid, c->sgid) || cred_can(c, CAP_SETGID));
    if (!may)
        return -E_PERM;
    if (s->pid == p->pid)
        return 0;
    struct process *other = proc_find(s->pid);
    if (other == NULL)
        return -E_SRCH;
    proc_release(other);
    return 0;
}

static int
add_control(struct socket_arg *a, struct socket_message *m, const struct linux_cmsghdr *h,
            const u8 *data)
{
    u64 bytes = h->length - sizeof *h;
    if (h->level != LINUX_SOL_SOCKET)
        return 0;
    if (h->type == SCM_RIGHTS)
        return socket_family_number(a->socket) == LINUX_AF_UNIX ? add_rights(m, data, bytes)
                                                                : -E_INVAL;
    if (h->type != SCM_CREDENTIALS || bytes != sizeof m->sender)
        return -E_INVAL;
    memcpy(&m->sender, data, sizeof m->sender);
    m->has_sender = true;
    return check_sender(&m->sender);
}
_Static_assert(sizeof(struct socket_sender) == 12, "struct ucred");

/* All control messages in a buffer. */
static int
parse_control(struct socket_arg *a, struct socket_message *m, const u8 *buffer, u64 bytes)
{
    struct linux_cmsghdr h;
    int r = 0;
    for (u64 at = 0; r == 0 && bytes >= sizeof h && at <= bytes - sizeof h;) {
        memcpy(&h, buffer + at, sizeof h);
        if (h.length < sizeof h || h.length > bytes - at)
            return -E_INVAL;
        r = add_control(a, m, &h, buffer + at + sizeof h);
        at += CMSG_ALIGN(h.length);
    }
    return r;
}

static int
get_control(struct socket_arg *a, struct socket_message *m, const struct linux_msghdr *h)
{
    u64 small[CONTROL_INLINE / sizeof(u64)];
    void *buffer = small;
    if (h->control_length > CONTROL_ALL)
        return -E_NOBUFS;
    if (h->control_length == 0)
        return 0;
    if (h->control_length > sizeof small)
        buffer = heap_alloc(h->control_length);
    if (buffer == NULL)
        return -E_NOBUFS;
    int r = copy_from_user(buffer, h->control, h->control_length);
    if (r == 0)
        r = parse_control(a, m, buffer, h->control_length);
    if (buffer != small)
        heap_free(buffer);
    return r;
}

/* -E_FAULT -E_INVAL -E_MSGSIZE, as iov_arg_get. */
static int
get_header(struct linux_msghdr *h, struct iov_arg *v, uaddr at)
{
    int r = copy_from_user(h, at, sizeof *h);
    if (r != 0)
        return r;
    if (h->name == 0)
        h->name_length = 0;
    if (h->name_length < 0)
        return -E_INVAL;
    h->name_length = MIN(h->name_length, (i32)LINUX_SOCKADDR_MAX);
    if (h->iov_count > IOV_COUNT_MAX)
        return -E_MSGSIZE;
    return iov_arg_get(v, h->iov, h->iov_count);
}

static i64
send_one(struct socket_arg *a, uaddr at, u32 flags)
{
    struct linux_msghdr h;
    struct iov_arg v;
    struct socket_address name;
    struct socket_message m = { .data = &v.uio };
    i64 n = get_header(&h, &v, at);
    if (n != 0)
        return n;
    n = h.control_length > CONTROL_MAX ? -E_NOBUFS : 0;
    if (n == 0)
        n = get_destination(a, &m, &name, h.name, h.name_length);
    if (n == 0)
        n = get_control(a, &m, &h);
    if (n == 0)
        n = send_message(a, &m, flags);
    socket_rights_free(m.rights); /* nobody took them */
    iov_arg_done(&v);
    return n;
}

long
sys_sendmsg(struct user_frame *f)
{
    struct socket_arg a;
    int r = socket_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    i64 n = send_one(&a, SYS_ARG1(f), (u32)SYS_ARG2(f));
    socket_arg_done(&a);
    return n;
}

long
sys_sendmmsg(struct user_frame *f)
{
    struct socket_arg a;
    u64 count = MIN((u32)SYS_ARG2(f), MMSG_MAX), done = 0;
    int r = socket_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    i64 n = 0;
    for (; done < count; done++) {
        uaddr at = SYS_ARG1(f) + done * MMSGHDR_BYTES;
        n = send_one(&a, at, (u32)SYS_ARG3(f));
        if (n < 0)
            break;
        u32 sent = (u32)n;
        n = copy_to_user(at + sizeof(struct linux_msghdr), &sent, sizeof sent);
        if (n < 0)
            break;
        thread_breathe();
    }
    socket_arg_done(&a);
    return done != 0 ? (long)done : n;
}

/* ---- receiving ---- */

long
sys_recvfrom(struct user_frame *f)
{
    struct socket_arg a;
    struct socket_address name;
    struct uio u;
    struct socket_message m = { .data = &u };
    int r = socket_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    i64 n = -E_FAULT;
    if (user_range(SYS_ARG1(f), SYS_ARG2(f))) {
        uio_user(&u, SYS_ARG1(f), MIN(SYS_ARG2(f), TRANSFER_MAX));
        m.name = SYS_ARG4(f) != 0 ? &name : NULL;
        m.flags = flags_from_linux(&a, (u32)SYS_ARG3(f));
        n = a.socket->ops->receive(a.socket, &m);
        socket_rights_free(m.rights); /* no place to put them */
    }
    if (n >= 0 && m.name != NULL) {
        r = socket_address_put(a.socket, &name, m.named, SYS_ARG4(f), SYS_ARG5(f));
        n = r != 0 ? r : n;
    }
    socket_arg_done(&a);
    return n;
}

/* Where control messages are put. */
struct control_out {
    uaddr at;
    u64 left;
    bool cut; /* something did not fit */
};

static int
put_control(struct control_out *c, i32 type, const void *data, u64 bytes)
{
    struct linux_cmsghdr h = { sizeof h + bytes, LINUX_SOL_SOCKET, type };
    if (c->left < sizeof h) {
        c->cut = true;
        return 0;
    }
    if (c->left < h.length) {
        c->cut = true;
        h.length = c->left;
    }
    int r = copy_to_user(c->at, &h, sizeof h);
    if (r == 0)
        r = copy_to_user(c->at + sizeof h, data, h.length - sizeof h);
    u64 space = MIN(CMSG_ALIGN(sizeof h + bytes), c->left);
    c->at += r == 0 ? space : 0;
    c->left -= r == 0 ? space : 0;
    return r;
}

/* Descriptors for as many of the files as there is room for; the others are let go of. */
static void
put_rights(struct control_out *c, struct socket_rights *r, bool cloexec)
{
    u64 room = c->left > sizeof(struct linux_cmsghdr)
                   ? (c->left - sizeof(struct linux_cmsghdr)) / sizeof(i32)
                   : 0;
    u32 n = 0;
    while (n < r->count && n < room) {
        i32 fd = fd_reserve(files_own(), 0);
        uaddr to = c->at + sizeof(struct linux_cmsghdr) + n * sizeof fd;
        if (fd < 0)
            break;
        if (copy_to_user(to, &fd, sizeof fd) != 0) {
            fd_unreserve(files_own(), fd);
            break;
        }
        fd_fill(files_own(), fd, r->file[n], cloexec);
        r->file[n++] = NULL;
    }
    if (n < r->count)
        c->cut = true;
    if (n == 0)
        return;
    struct linux_cmsghdr h = { sizeof h + n * sizeof(i32), LINUX_SOL_SOCKET, SCM_RIGHTS };
    u64 space = MIN(CMSG_ALIGN(h.length), c->left);
    if (copy_to_user(c->at, &h, sizeof h) == 0) {
        c->at += space;
        c->left -= space;
    }
}

/* What came with the bytes. */
static int
put_controls(struct socket_message *m, struct linux_msghdr *h, u32 flags)
{
    struct control_out c = { h->control, h->control != 0 ? h->control_length : 0, false };
    int r = 0;
    if (m->has_sender)
        r = put_control(&c, SCM_CREDENTIALS, &m->sender, sizeof m->sender);
    if (m->rights != NULL && r == 0)
        put_rights(&c, m->rights, (flags & MSG_CMSG_CLOEXEC) != 0);
    h->control_length = h->control != 0 ? c.at - h->control : 0;
    if (c.cut || (m->told & SOCKET_RIGHTS_LOST) != 0)
        h->flags |= MSG_CTRUNC;
    return r;
}

/* The parts of the header that tell; Linux leaves the others alone. */
static int
put_header(uaddr at, const struct linux_msghdr *h)
{
    int r = copy_to_user(at + offsetof(struct linux_msghdr, flags), &h->flags,
                         sizeof h->flags);
    if (r == 0)
        r = copy_to_user(at + offsetof(struct linux_msghdr, control_length),
                         &h->control_length, sizeof h->control_length);
    if (r == 0 && h->name != 0)
        r = copy_to_user(at + offsetof(struct linux_msghdr, name_length), &h->name_length,
                         sizeof h->name_length);
    return r;
}

static int
put_name(const struct socket_arg *a, const struct socket_message *m, struct linux_msghdr *h)
{
    u8 raw[LINUX_SOCKADDR_MAX];
    if (h->name == 0)
        return 0;
    u32 n = m->named ? socket_address_bytes(a->socket, m->name, raw) : 0;
    int r = n == 0 ? 0 : copy_to_user(h->name, raw, MIN(n, (u32)h->name_length));
    h->name_length = (i32)n;
    return r;
}

static i64
receive_one(struct socket_arg *a, uaddr at, u32 flags)
{
    struct linux_msghdr h;
    struct iov_arg v;
    struct socket_address name;
    struct socket_message m = { .data = &v.uio };
    i64 n = get_header(&h, &v, at);
    if (n != 0)
        return n;
    m.name = h.name != 0 ? &name : NULL;
    m.flags = flags_from_linux(a, flags) | SOCKET_RIGHTS;
    n = a->socket->ops->receive(a->socket, &m);
    h.flags = (flags & MSG_CMSG_CLOEXEC) | ((m.told & SOCKET_TRUNC) != 0 ? MSG_TRUNC : 0) |
              ((m.told & SOCKET_URGENT) != 0 ? MSG_OOB : 0);
    if (n >= 0) {
        int r = put_controls(&m, &h, flags);
        if (r == 0)
            r = put_name(a, &m, &h);
        if (r == 0)
            r = put_header(at, &h);
        n = r != 0 ? r : n;
    }
    socket_rights_free(m.rights);
    iov_arg_done(&v);
    return n;
}

long
sys_recvmsg(struct user_frame *f)
{
    struct socket_arg a;
    int r = socket_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    i64 n = receive_one(&a, SYS_ARG1(f), (u32)SYS_ARG2(f));
    socket_arg_done(&a);
    return n;
}

/* Messages until there are enough, or the time is up; an error behind some of them is the
 * next call's. */
static i64
receive_many(struct socket_arg *a, struct user_frame *f, u64 deadline)
{
    u64 count = MIN((u32)SYS_ARG2(f), MMSG_MAX), done = 0;
    u32 flags = (u32)SYS_ARG3(f);
    i64 n = 0;
    while (done < count) {
        uaddr at = SYS_ARG1(f) + done * MMSGHDR_BYTES;
        n = receive_one(a, at, flags & ~MSG_WAITFORONE);
        if (n < 0)
            break;
        u32 got = (u32)n;
        n = copy_to_user(at + sizeof(struct linux_msghdr), &got, sizeof got);
        if (n < 0)
            break;
        done++;
        if ((flags & MSG_WAITFORONE) != 0)
            flags |= MSG_DONTWAIT;
        if (deadline != ~0ull && clock_mono_ns() >= deadline)
            break;
        thread_breathe();
    }
    if (done != 0 && n < 0 && n != -E_AGAIN && n != -E_RESTART && n != -E_INTR)
        atomic_store_explicit(&a->socket->error, (u32)-n, memory_order_relaxed);
    return done != 0 ? (i64)done : n;
}

long
sys_recvmmsg(struct user_frame *f)
{
    struct socket_arg a;
    u64 deadline;
    int r = deadline_from_user(SYS_ARG4(f), &deadline);
    if (r != 0)
        return r;
    r = socket_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    int error = socket_take_error(a.socket);
    i64 n = error != 0 ? -error : receive_many(&a, f, deadline);
    socket_arg_done(&a);
    if (n > 0 && deadline != ~0ull) {
        u64 now = clock_mono_ns();
        r = timespec_to_user(SYS_ARG4(f), deadline > now ? deadline - now : 0);
        n = r != 0 ? r : n;
    }
    return n;
}
