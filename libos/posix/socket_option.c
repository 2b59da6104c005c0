/* SPDX-License-Identifier: MIT */
/* getsockopt(2), setsockopt: the options of all sockets (socket(7)). */
#include "core/string.h"
#include "posix/socket.h"

enum {
    SO_DEBUG = 1, SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_DONTROUTE, SO_BROADCAST, SO_SNDBUF,
    SO_RCVBUF, SO_KEEPALIVE, SO_OOBINLINE, SO_NO_CHECK, SO_PRIORITY, SO_LINGER,
    SO_REUSEPORT = 15, SO_PASSCRED, SO_PEERCRED, SO_RCVLOWAT, SO_SNDLOWAT, SO_RCVTIMEO,
    SO_SNDTIMEO, SO_TIMESTAMP = 29, SO_ACCEPTCONN, SO_PEERSEC, SO_SNDBUFFORCE,
    SO_RCVBUFFORCE, SO_PASSSEC, SO_TIMESTAMPNS, SO_MARK, SO_PROTOCOL = 38, SO_DOMAIN,
    SO_RXQ_OVFL, SO_WIFI_STATUS, SO_PEEK_OFF, SO_NOFCS, SO_SELECT_ERR_QUEUE = 45,
    SO_MEMINFO = 55, SO_COOKIE = 57, SO_TIMESTAMP_NEW = 63, SO_TIMESTAMPNS_NEW,
    SO_RCVTIMEO_NEW = 66, SO_SNDTIMEO_NEW,
};

/* Options that are a bit here; 0: it is none of these.  Those from SO_TIMESTAMP on mean
 * something to network protocols alone: a local socket keeps them, as on Linux. */
static u32
bit_of(int name)
{
    switch (name) {
    case SO_DEBUG:
        return SOCKET_DEBUG;
    case SO_REUSEADDR:
        return SOCKET_REUSE_ADDRESS;
    case SO_REUSEPORT:
        return SOCKET_REUSE_PORT;
    case SO_DONTROUTE:
        return SOCKET_DONT_ROUTE;
    case SO_BROADCAST:
        return SOCKET_BROADCAST;
    case SO_KEEPALIVE:
        return SOCKET_KEEP_ALIVE;
    case SO_OOBINLINE:
        return SOCKET_URGENT_INLINE;
    case SO_NO_CHECK:
        return SOCKET_NO_CHECK;
    case SO_PASSCRED:
        return SOCKET_PASS_SENDER;
    case SO_TIMESTAMP:
    case SO_TIMESTAMP_NEW:
        return SOCKET_TIME_US;
    case SO_TIMESTAMPNS:
    case SO_TIMESTAMPNS_NEW:
        return SOCKET_TIME_NS;
    case SO_PASSSEC:
        return SOCKET_PASS_SECURITY;
    case SO_RXQ_OVFL:
        return SOCKET_DROPS;
    case SO_SELECT_ERR_QUEUE:
        return SOCKET_SELECT_ERRORS;
    case SO_WIFI_STATUS:
        return SOCKET_WIFI_STATUS;
    case SO_NOFCS:
        return SOCKET_NO_FCS;
    default:
        return 0;
    }
}

/* ---- setting ---- */

struct linux_linger {
    i32 on, seconds;
};

/* -E_DOM: no such number of microseconds.  0 means for ever, less than that not at all. */
static int
timeout_get(uaddr at, u64 length, u64 *ns)
{
    struct linux_timeval t;
    if (length < sizeof t)
        return -E_INVAL;
    int r = copy_from_user(&t, at, sizeof t);
    if (r != 0)
        return r;
    if (t.us < 0 || t.us >= 1000000)
        return -E_DOM;
    if (t.seconds < 0)
        *ns = 0;
    else if ((t.seconds == 0 && t.us == 0) || t.seconds >= 9000000000)
        *ns = ~0ull;
    else
        *ns = (u64)t.seconds * 1000000000u + (u64)t.us * 1000u;
    return 0;
}

static u32
limit_of(i32 value, u32 least, bool force)
{
    u32 asked = (u32)value;
    if (force)
        asked = value < 0 ? 0 : MIN(asked, 0x3fffffffu);
    else
        asked = MIN(asked, SOCKET_LIMIT_DEFAULT);
    return MAX(asked * 2, least);
}

static int
set_linger(struct socket *s, uaddr at, u64 length)
{
    struct linux_linger l;
    if (length < sizeof l)
        return -E_INVAL;
    int r = copy_from_user(&l, at, sizeof l);
    if (r != 0)
        return r;
    if (l.on != 0) {
        s->linger_s = (u32)l.seconds;
        atomic_fetch_or(&s->options, SOCKET_LINGER);
    } else {
        atomic_fetch_and(&s->options, ~SOCKET_LINGER);
    }
    return 0;
}

static int
set_number(struct socket *s, int name, i32 value)
{
    bool admin = cred_can(cred_own(), CAP_NET_ADMIN);
    switch (name) {
    case SO_SNDBUFFORCE:
    case SO_RCVBUFFORCE:
        if (!admin)
            return -E_PERM;
        __attribute__((fallthrough));
    case SO_SNDBUF:
    case SO_RCVBUF:
        if (name == SO_SNDBUF || name == SO_SNDBUFFORCE) {
            s->send_limit = limit_of(value, SOCKET_SEND_MIN, name == SO_SNDBUFFORCE);
            wait_wake(&s->writable, ~0u);
        } else {
            s->receive_limit = limit_of(value, SOCKET_RECEIVE_MIN, name == SO_RCVBUFFORCE);
        }
        return 0;
    case SO_PRIORITY:
        if ((value < 0 || value > 6) && !admin)
            return -E_PERM;
        s->priority = (u32)value;
        return 0;
    case SO_MARK:
        if (!admin)
            return -E_PERM;
        s->mark = (u32)value;
        return 0;
    case SO_RCVLOWAT:
        s->low_water = value < 0 ? 0x7fffffffu : value == 0 ? 1 : (u32)value;
        return 0;
    case SO_PEEK_OFF:
        s->peek_offset = value < 0 ? -1 : value;
        return 0;
    default:
        return -E_NOPROTOOPT;
    }
}

static int
set_option(struct socket *s, int name, uaddr at, u64 length)
{
    i32 value;
    if (length < sizeof value)
        return -E_INVAL;
    int r = copy_from_user(&value, at, sizeof value);
    if (r != 0)
        return r;
    if (name == SO_DEBUG && value != 0 && !cred_can(cred_own(), CAP_NET_ADMIN))
        return -E_ACCES;
    u32 bit = bit_of(name);
    if (bit != 0) {
        if (value != 0)
            atomic_fetch_or(&s->options, bit);
        else
            atomic_fetch_and(&s->options, ~bit);
        return 0;
    }
    if (name == SO_LINGER)
        return set_linger(s, at, length);
    if (name == SO_RCVTIMEO || name == SO_RCVTIMEO_NEW)
        return timeout_get(at, length, &s->receive_timeout_ns);
    if (name == SO_SNDTIMEO || name == SO_SNDTIMEO_NEW)
        return timeout_get(at, length, &s->send_timeout_ns);
    return set_number(s, name, value);
}

long
sys_setsockopt(struct user_frame *f)
{
    struct socket_arg a;
    i32 length = (i32)SYS_ARG4(f);
    int r = socket_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    if (length < 0)
        r = -E_INVAL;
    else if ((i32)SYS_ARG1(f) != LINUX_SOL_SOCKET)
        r = -E_NOTSUP; /* no family here has any of its own */
    else
        r = set_option(a.socket, (i32)SYS_ARG2(f), SYS_ARG3(f), (u64)length);
    socket_arg_done(&a);
    return r;
}

/* ---- asking ---- */

/* SO_MEMINFO, by Linux's SK_MEMINFO_*. */
struct linux_meminfo {
    u32 read, read_limit, written, write_limit, forward, queued, options, backlog, drops;
};

union answer {
    i32 number;
    u64 cookie;
    struct linux_meminfo memory;
    struct linux_linger linger;
    struct linux_timeval time;
    struct socket_sender sender;
};

static struct linux_timeval
timeout_put(u64 ns)
{
    if (ns == ~0ull)
        ns = 0;
    return (struct linux_timeval){ (i64)(ns / 1000000000u), (i64)(ns % 1000000000u / 1000) };
}

/* -E_NOPROTOOPT */
static int
number_of(struct socket *s, int name, i32 *value)
{
    switch (name) {
    case SO_TYPE:
        *value = (i32)s->type;
        return 0;
    case SO_ERROR:
        *value = posix_errno(socket_take_error(s));
        return 0;
    case SO_SNDBUF:
        *value = (i32)s->send_limit;
        return 0;
    case SO_RCVBUF:
        *value = (i32)s->receive_limit;
        return 0;
    case SO_PRIORITY:
        *value = (i32)s->priority;
        return 0;
    case SO_MARK:
        *value = (i32)s->mark;
        return 0;
    case SO_RCVLOWAT:
        *value = (i32)s->low_water;
        return 0;
    case SO_SNDLOWAT:
        *value = 1;
        return 0;
    case SO_ACCEPTCONN:
        *value = s->ops->listens != NULL && s->ops->listens(s);
        return 0;
    case SO_PROTOCOL:
        *value = (i32)s->protocol;
        return 0;
    case SO_DOMAIN:
        *value = (i32)socket_family_number(s);
        return 0;
    case SO_PEEK_OFF:
        *value = s->peek_offset;
        return 0;
    default:
        return -E_NOPROTOOPT;
    }
}

static void
memory_of(struct socket *s, struct linux_meminfo *out)
{
    i64 unread = s->ops->readable != NULL ? s->ops->readable(s) : 0;
    i64 unsent = s->ops->unsent != NULL ? s->ops->unsent(s) : 0;
    *out = (struct linux_meminfo){
        .read = (u32)MAX(unread, 0), .read_limit = s->receive_limit,
        .written = (u32)MAX(unsent, 0), .write_limit = s->send_limit,
    };
}

/* How many bytes of *out it is, or an error; room: what the caller has. */
static int
get_option(struct socket *s, int name, union answer *out, i32 room)
{
    u32 bit = bit_of(name);
    if (bit != 0) {
        out->number = socket_has(s, bit);
        return sizeof out->number;
    }
    switch (name) {
    case SO_LINGER:
        out->linger = (struct linux_linger){ socket_has(s, SOCKET_LINGER), (i32)s->linger_s };
        return sizeof out->linger;
    case SO_RCVTIMEO:
    case SO_RCVTIMEO_NEW:
        out->time = timeout_put(s->receive_timeout_ns);
        return sizeof out->time;
    case SO_SNDTIMEO:
    case SO_SNDTIMEO_NEW:
        out->time = timeout_put(s->send_timeout_ns);
        return sizeof out->time;
    case SO_COOKIE:
        out->cookie = s->inode.ino;
        return room < (i32)sizeof out->cookie ? -E_INVAL : (int)sizeof out->cookie;
    case SO_MEMINFO:
        memory_of(s, &out->memory);
        return sizeof out->memory;
    case SO_PEERCRED:
        spin_lock(&s->lock);
        out->sender = s->peer;
        spin_unlock(&s->lock);
        return sizeof out->sender;
    default: {
        int r = number_of(s, name, &out->number);
        return r != 0 ? r : (int)sizeof out->number;
    }
    }
}

static int
ask(struct socket *s, int level, int name, uaddr to, uaddr length_at)
{
    union answer answer;
    i32 length;
    if (level != LINUX_SOL_SOCKET)
        return -E_NOTSUP;
    int r = copy_from_user(&length, length_at, sizeof length);
    if (r == 0 && length < 0)
        r = -E_INVAL;
    if (r != 0)
        return r;
    r = get_option(s, name, &answer, length);
    if (r < 0)
        return r;
    length = MIN(length, r);
    r = copy_to_user(to, &answer, (u32)length);
    return r != 0 ? r : copy_to_user(length_at, &length, sizeof length);
}

long
sys_getsockopt(struct user_frame *f)
{
    struct socket_arg a;
    int r = socket_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    r = ask(a.socket, (i32)SYS_ARG1(f), (i32)SYS_ARG2(f), SYS_ARG3(f), SYS_ARG4(f));
    socket_arg_done(&a);
    return r;
}
