/* SPDX-License-Identifier: MIT */
/* mq_open(2), mq_unlink(2), mq_timedsend(2), mq_timedreceive(2), mq_notify(2),
 * mq_getsetattr(2). */
#include "ipc/mq.h"

#include "posix/files.h"
#include "proc/handle.h"
#include "signal/signal.h"

#define LIMIT_MSGQUEUE 12u
#define SIGEV_SIGNAL 0
#define SIGEV_NONE 1
#define SIGEV_THREAD 2
#define COOKIE_BYTES 32u
#define O_NONBLOCK_LINUX 04000u
#define O_ACCMODE_LINUX 03u
#define O_CREAT_LINUX 0100u
#define O_EXCL_LINUX 0200u
#define MQ_OPEN_FLAGS \
    (O_ACCMODE_LINUX | O_CREAT_LINUX | O_EXCL_LINUX | O_NONBLOCK_LINUX)

struct linux_mq_attr {
    i64 flags, count_max, bytes_max, count, reserved[4];
};
_Static_assert(sizeof(struct linux_mq_attr) == 64, "struct mq_attr");
struct linux_sigevent {
    u64 value;
    i32 number, notify;
    i32 pad[12];
};
_Static_assert(sizeof(struct linux_sigevent) == 64, "struct sigevent");

/* ---- for the room ipc ---- */

static bool
is_mine(const struct mq_note *note)
{
    const struct process *p = proc_current();
    return p != NULL && p->handle == note->owner;
}

/* A program that was executed since is not told: it did not ask. */
static void
tell(const struct mq_note *note)
{
    struct process *self = proc_current();
    struct signal_info info = { .number = note->number, .code = SIGNAL_CODE_QUEUE,
                                .pid = self->pid, .uid = vfs_current_cred()->uid,
                                .value = note->value };
    if (note->kind != MQ_NOTE_SIGNAL || note->number == 0)
        return;
    struct process *p = proc_handle_process(note->owner);
    if (p == NULL)
        return;
    if (p->programs == note->program)
        signal_send_process(p, note->number, &info);
    proc_release(p);
}

static void
drop(void *owner)
{
    proc_handle_release(owner);
}

static u64
limit(void)
{
    return proc_current()->limits[LIMIT_MSGQUEUE].soft;
}

void
posix_mq_init(void)
{
    mq_hooks = (struct mq_hooks){ is_mine, tell, drop, limit };
    mq_init();
}

/* ---- names ---- */

static int
size_from_user(uaddr at, struct mq_size *size)
{
    struct linux_mq_attr attr;
    if (copy_from_user(&attr, at, sizeof attr) != 0)
        return -E_FAULT;
    size->count = attr.count_max > 0 ? (u64)attr.count_max : 0;
    size->bytes = attr.bytes_max > 0 ? (u64)attr.bytes_max : 0;
    return 0;
}

static int
open_named(const char *name, u64 flags, u32 mode, const struct mq_size *size)
{
    struct mq_open_args args = { .cred = vfs_current_cred(), .context = place_own(),
                                 .name = name,
                                 .flags = open_flags_from_linux(flags & MQ_OPEN_FLAGS),
                                 .mode = mode & 07777u, .size = size };
    struct file *file;
    if ((flags & O_ACCMODE_LINUX) == O_ACCMODE_LINUX)
        return -E_INVAL;
    int fd = fd_reserve(files_own(), 0);
    if (fd < 0)
        return fd;
    int r = mq_open(&args, &file);
    if (r != 0) {
        fd_unreserve(files_own(), fd);
        return r;
    }
    fd_fill(files_own(), fd, file, true);
    return fd;
}

long
sys_mq_open(struct user_frame *f)
{
    struct path_arg name;
    struct mq_size size;
    uaddr attr = SYS_ARG3(f);
    int r = attr != 0 ? size_from_user(attr, &size) : 0;
    if (r == 0)
        r = path_arg_get(&name, SYS_ARG0(f));
    if (r != 0)
        return r;
    r = open_named(name.text, SYS_ARG1(f), (u32)SYS_ARG2(f), attr != 0 ? &size : NULL);
    path_arg_done(&name);
    return r;
}

long
sys_mq_unlink(struct user_frame *f)
{
    struct path_arg name;
    int r = path_arg_get(&name, SYS_ARG0(f));
    if (r != 0)
        return r;
    r = mq_unlink(place_own(), vfs_current_cred(), name.text);
    path_arg_done(&name);
    return r;
}

/* ---- descriptors ---- */

/* `mode`: how it must be open (OPEN_READ, OPEN_WRITE; 0: in any way). -E_BADF */
static int
queue_arg(struct file_arg *a, u64 fd, u32 mode, struct mq **q)
{
    int r = file_arg_get_open(a, fd);
    if (r != 0)
        return r;
    *q = mq_of_file(a->file);
    if (*q != NULL && (a->file->flags & mode) == mode)
        return 0;
    file_arg_done(a);
    return -E_BADF;
}

static int
limit_from_user(uaddr at, struct ipc_limit *out)
{
    *out = (struct ipc_limit){ at != 0, ~0ull };
    return at != 0 ? timespec_from_user(at, &out->at_ns) : 0;
}

/* NULL: it does not wait. */
static const struct ipc_limit *
wait_of(const struct file_arg *a, const struct ipc_limit *wait)
{
    return (a->file->flags & OPEN_NONBLOCK) != 0 ? NULL : wait;
}

static int
restartable(int r)
{
    return r == -E_INTR ? -E_RESTART : r;
}

static int
send_from_user(const struct file_arg *a, struct mq *q, struct user_frame *f,
               const struct ipc_limit *wait)
{
    u64 bytes = SYS_ARG2(f);
    if (bytes > mq_message_most(q))
        return -E_MSGSIZE;
    struct mq_message *m = mq_message_new(bytes);
    if (m == NULL)
        return -E_NOMEM;
    m->priority = (u32)SYS_ARG3(f);
    int r = copy_from_user(m->data, SYS_ARG1(f), bytes);
    if (r == 0)
        r = mq_send(q, m, wait_of(a, wait));
    if (r != 0)
        mq_message_free(m);
    return restartable(r);
}

long
sys_mq_timedsend(struct user_frame *f)
{
    struct ipc_limit wait;
    struct file_arg a;
    struct mq *q;
    int r = limit_from_user(SYS_ARG4(f), &wait);
    if (r == 0 && (u32)SYS_ARG3(f) >= MQ_PRIORITIES)
        r = -E_INVAL;
    if (r == 0)
        r = queue_arg(&a, SYS_ARG0(f), OPEN_WRITE, &q);
    if (r != 0)
        return r;
    r = send_from_user(&a, q, f, &wait);
    file_arg_done(&a);
    return r;
}

static i64
receive_to_user(const struct file_arg *a, struct mq *q, struct user_frame *f,
                const struct ipc_limit *wait)
{
    uaddr priority = SYS_ARG3(f);
    struct mq_message *m;
    if (SYS_ARG2(f) < mq_message_most(q))
        return -E_MSGSIZE;
    int r = mq_receive(q, wait_of(a, wait), &m);
    if (r != 0)
        return restartable(r);
    i64 bytes = (i64)m->bytes;
    if ((priority != 0 &&
         copy_to_user(priority, &m->priority, sizeof m->priority) != 0) ||
        copy_to_user(SYS_ARG1(f), m->data, m->bytes) != 0)
        bytes = -E_FAULT;
    mq_message_free(m);
    return bytes;
}

long
sys_mq_timedreceive(struct user_frame *f)
{
    struct ipc_limit wait;
    struct file_arg a;
    struct mq *q;
    int r = limit_from_user(SYS_ARG4(f), &wait);
    if (r == 0)
        r = queue_arg(&a, SYS_ARG0(f), OPEN_READ, &q);
    if (r != 0)
        return r;
    i64 bytes = receive_to_user(&a, q, f, &wait);
    file_arg_done(&a);
    return bytes;
}

/* What is told through a netlink socket (SIGEV_THREAD, as C libraries make it): there are
 * no such sockets, so the descriptor is none. */
static int
check_socket(i32 fd)
{
    struct file_arg a;
    int r = file_arg_get(&a, (u64)(i64)fd);
    if (r != 0)
        return r;
    bool is_socket = a.file->inode != NULL && a.file->inode->type == IT_SOCKET;
    file_arg_done(&a);
    return is_socket ? -E_INVAL : -E_NOTSOCK;
}

static int
note_from_user(uaddr at, struct mq_note *note)
{
    struct linux_sigevent e;
    u8 cookie[COOKIE_BYTES];
    if (copy_from_user(&e, at, sizeof e) != 0)
        return -E_FAULT;
    *note = (struct mq_note){ .kind = e.notify == SIGEV_NONE ? MQ_NOTE_SILENT
                                                             : MQ_NOTE_SIGNAL,
                              .number = e.number,
                              .value = e.value };
    switch (e.notify) {
    case SIGEV_NONE:
        return 0;
    case SIGEV_SIGNAL:
        return e.number >= 0 && e.number <= SIG_MAX ? 0 : -E_INVAL;
    case SIGEV_THREAD:
        if (copy_from_user(cookie, e.value, sizeof cookie) != 0)
            return -E_FAULT;
        return check_socket(e.number);
    default:
        return -E_INVAL;
    }
}

static int
set_note(struct mq *q, struct mq_note *note)
{
    struct process *p = proc_current();
    note->owner = proc_handle_get(p);
    if (note->owner == NULL)
        return -E_NOMEM;
    note->program = p->programs;
    note->pid = p->pid;
    int r = mq_note_set(q, note);
    if (r != 0)
        proc_handle_release(note->owner);
    return r;
}

long
sys_mq_notify(struct user_frame *f)
{
    uaddr event = SYS_ARG1(f);
    struct mq_note note;
    struct file_arg a;
    struct mq *q;
    int r = event != 0 ? note_from_user(event, &note) : 0;
    if (r == 0)
        r = queue_arg(&a, SYS_ARG0(f), 0, &q);
    if (r != 0)
        return r;
    if (event != 0)
        r = set_note(q, &note);
    else
        mq_note_remove(q);
    file_arg_done(&a);
    return r;
}

static void
attr_of(const struct file_arg *a, struct mq *q, struct linux_mq_attr *out)
{
    struct mq_facts facts;
    mq_stat(q, &facts);
    *out = (struct linux_mq_attr){
        .flags = (a->file->flags & OPEN_NONBLOCK) != 0 ? O_NONBLOCK_LINUX : 0,
        .count_max = (i64)facts.size.count,
        .bytes_max = (i64)facts.size.bytes,
        .count = (i64)facts.count,
    };
}

long
sys_mq_getsetattr(struct user_frame *f)
{
    struct linux_mq_attr set, old;
    uaddr from = SYS_ARG1(f), to = SYS_ARG2(f);
    struct file_arg a;
    struct mq *q;
    if (from != 0 && copy_from_user(&set, from, sizeof set) != 0)
        return -E_FAULT;
    if (from != 0 && (set.flags & ~(i64)O_NONBLOCK_LINUX) != 0)
        return -E_INVAL;
    int r = queue_arg(&a, SYS_ARG0(f), 0, &q);
    if (r != 0)
        return r;
    attr_of(&a, q, &old);
    if (from != 0 && set.flags != 0)
        atomic_fetch_or(&a.file->flags, OPEN_NONBLOCK);
    else if (from != 0)
        atomic_fetch_and(&a.file->flags, ~OPEN_NONBLOCK);
    file_arg_done(&a);
    return to != 0 && copy_to_user(to, &old, sizeof old) != 0 ? -E_FAULT : 0;
}
