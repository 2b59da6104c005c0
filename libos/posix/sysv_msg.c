/* SPDX-License-Identifier: MIT */
/* msgget(2), msgop(2), msgctl(2). */
#include "ipc/msg.h"
#include "posix/sysv.h"
#include "vfs/vfs.h"

#define MSG_NOERROR 010000u
#define MSG_EXCEPT 020000u
#define MSG_COPY 040000u
#define MSG_STAT_COMMAND 11
#define MSG_INFO_COMMAND 12
#define MSG_STAT_ANY 13
#define SEGMENT_BYTES 16
#define SEGMENTS 0xffff

struct linux_msqid {
    struct linux_ipc_perm perm;
    i64 sent, received, changed;
    u64 bytes, count, bytes_max;
    i32 sender, receiver;
    u64 unused[2];
};
_Static_assert(sizeof(struct linux_msqid) == 120, "struct msqid64_ds");
struct linux_msginfo {
    i32 pool, map, max, queue_bytes, queues, segment_bytes, headers;
    u16 segments;
};

static struct msg_who
current_who(void)
{
    return (struct msg_who){ vfs_current_cred(), proc_current()->pid };
}

long
sys_msgget(struct user_frame *f)
{
    struct ipc_wanted wanted = sysv_wanted(SYS_ARG0(f), 0, (u32)SYS_ARG1(f));
    return msg_get(vfs_current_cred(), &wanted);
}

long
sys_msgsnd(struct user_frame *f)
{
    i32 id = (i32)SYS_ARG0(f);
    uaddr at = SYS_ARG1(f);
    u64 bytes = SYS_ARG2(f);
    struct msg_who who = current_who();
    i64 type;
    if (copy_from_user(&type, at, sizeof type) != 0)
        return -E_FAULT;
    if (bytes > msg_bytes_max || id < 0 || type < 1)
        return -E_INVAL;
    struct msg *m = msg_new(bytes);
    if (m == NULL)
        return -E_NOMEM;
    m->type = type;
    int r = copy_from_user(m->data, at + sizeof type, bytes);
    if (r == 0)
        r = msg_send(&who, id, m, (SYS_ARG3(f) & LINUX_IPC_NOWAIT) == 0);
    if (r != 0)
        msg_put(m);
    return r;
}

/* What msgrcv's type and flags ask for. -E_INVAL */
static int
wish_of(struct msg_wish *w, u64 most, i64 type, u32 flags)
{
    *w = (struct msg_wish){ .choice = MSG_EQUAL, .type = type, .most = most,
                            .cut = (flags & MSG_NOERROR) != 0,
                            .wait = (flags & LINUX_IPC_NOWAIT) == 0 };
    if (flags & MSG_COPY) {
        w->choice = MSG_NUMBER;
        return (flags & MSG_EXCEPT) || w->wait ? -E_INVAL : 0;
    }
    if (type == 0) {
        w->choice = MSG_ANY;
    } else if (type < 0) {
        w->choice = MSG_UP_TO;
        w->type = type == INT64_MIN ? INT64_MAX : -type;
    } else if (flags & MSG_EXCEPT) {
        w->choice = MSG_OTHER;
    }
    return 0;
}

long
sys_msgrcv(struct user_frame *f)
{
    i32 id = (i32)SYS_ARG0(f);
    uaddr to = SYS_ARG1(f);
    u64 most = SYS_ARG2(f);
    struct msg_who who = current_who();
    struct msg_wish wish;
    struct msg *m;
    if (id < 0 || (i64)most < 0)
        return -E_INVAL;
    i64 r = wish_of(&wish, most, (i64)SYS_ARG3(f), (u32)SYS_ARG4(f));
    if (r == 0)
        r = msg_receive(&who, id, &wish, &m);
    if (r != 0)
        return r;
    u64 bytes = MIN(m->bytes, most);
    if (copy_to_user(to, &m->type, sizeof m->type) != 0 ||
        copy_to_user(to + sizeof m->type, m->data, bytes) != 0)
        r = -E_FAULT;
    msg_put(m);
    return r != 0 ? r : (i64)bytes;
}

static i64
stat_queue(struct ipc_which which, bool anybody, uaddr to)
{
    struct msg_facts q;
    int r = msg_stat(anybody ? NULL : vfs_current_cred(), which, &q);
    if (r != 0)
        return r;
    struct linux_msqid out = { .perm = sysv_perm(&q.ipc),
                               .sent = sysv_seconds(q.sent_ns),
                               .received = sysv_seconds(q.received_ns),
                               .changed = sysv_seconds(q.changed_ns),
                               .bytes = q.bytes,
                               .count = q.count,
                               .bytes_max = q.bytes_max,
                               .sender = q.sender,
                               .receiver = q.receiver };
    return copy_to_user(to, &out, sizeof out) != 0 ? -E_FAULT
                                                   : sysv_stat_result(which, &q.ipc);
}

static i64
tell_info(bool used, uaddr to)
{
    struct msg_counts c;
    msg_count(&c);
    i32 queue = (i32)msg_queue_bytes, queues = (i32)msg_queues_max;
    struct linux_msginfo out = {
        .pool = used ? (i32)c.queues : (i32)((i64)queues * queue / 1024),
        .map = used ? (i32)c.messages : queue,
        .max = (i32)msg_bytes_max,
        .queue_bytes = queue,
        .queues = queues,
        .segment_bytes = SEGMENT_BYTES,
        .headers = used ? (i32)c.bytes : queue,
        .segments = SEGMENTS,
    };
    return copy_to_user(to, &out, sizeof out) != 0 ? -E_FAULT : (i64)c.highest;
}

static i64
change_queue(i32 id, uaddr at)
{
    struct linux_msqid in;
    if (copy_from_user(&in, at, sizeof in) != 0)
        return -E_FAULT;
    int r = sysv_check_owner(&in.perm);
    return r != 0 ? r
                  : msg_change(vfs_current_cred(), id, in.perm.uid, in.perm.gid,
                               in.perm.mode, in.bytes_max);
}

long
sys_msgctl(struct user_frame *f)
{
    i32 id = (i32)SYS_ARG0(f), command = (i32)SYS_ARG1(f);
    uaddr arg = SYS_ARG2(f);
    if (id < 0)
        return -E_INVAL;
    switch (command) {
    case LINUX_IPC_RMID:
        return msg_remove(vfs_current_cred(), id);
    case LINUX_IPC_SET:
        return change_queue(id, arg);
    case LINUX_IPC_STAT:
        return stat_queue((struct ipc_which){ false, id }, false, arg);
    case MSG_STAT_COMMAND:
    case MSG_STAT_ANY:
        return stat_queue((struct ipc_which){ true, id }, command == MSG_STAT_ANY, arg);
    case LINUX_IPC_INFO:
    case MSG_INFO_COMMAND:
        return tell_info(command == MSG_INFO_COMMAND, arg);
    default:
        return -E_INVAL;
    }
}
