/* SPDX-License-Identifier: MIT */
/*
 * signalfd(2): signals as records of a file. A read takes from whoever reads, not from
 * whoever made the file.
 */
#include "core/heap.h"
#include "core/string.h"
#include "ready/ready.h"
#include "posix/files.h"
#include "signal/signal.h"

#define SFD_CLOEXEC 02000000u
#define SFD_NONBLOCK 04000u

struct signalfd {
    _Atomic u64 set;
};

struct linux_signalfd_siginfo {
    u32 signo;
    i32 error, code;
    u32 pid, uid;
    i32 fd;
    u32 tid, band, overrun, trap;
    i32 status, number;
    u64 pointer, utime, stime, addr;
    u16 addr_lsb, pad2;
    i32 syscall;
    u64 call_addr;
    u32 arch;
    u8 pad[28];
};
_Static_assert(sizeof(struct linux_signalfd_siginfo) == 128, "signalfd_siginfo");

static void
record_of(struct linux_signalfd_siginfo *to, const struct signal_info *info)
{
    struct linux_siginfo s;
    siginfo_to_linux(&s, info);
    memset(to, 0, sizeof *to);
    to->signo = (u32)s.signo;
    to->error = s.error;
    to->code = s.code;
    switch (siginfo_layout(info)) {
    case SIGINFO_CHILD:
        to->pid = (u32)s.u.child.pid;
        to->uid = s.u.child.uid;
        to->status = s.u.child.status;
        to->utime = (u64)s.u.child.utime;
        to->stime = (u64)s.u.child.stime;
        break;
    case SIGINFO_FAULT:
        to->addr = s.u.addr;
        break;
    case SIGINFO_IO:
        to->band = (u32)s.u.io.band;
        to->fd = s.u.io.fd;
        break;
    case SIGINFO_TIMER:
        to->tid = (u32)s.u.sent.pid;
        to->overrun = s.u.sent.uid;
        to->pointer = s.u.sent.value;
        to->number = (i32)s.u.sent.value;
        break;
    case SIGINFO_SENT:
        to->pid = (u32)s.u.sent.pid;
        to->uid = s.u.sent.uid;
        to->pointer = s.u.sent.value;
        to->number = (i32)s.u.sent.value;
        break;
    }
}

static i64
signalfd_read(struct file *f, struct uio *u, u64 *pos)
{
    struct signalfd *s = f->priv;
    struct thread *t = thread_current();
    struct signal_info info;
    struct linux_signalfd_siginfo record;
    i64 done = 0;
    (void)pos;
    if (u->left < sizeof record)
        return -E_INVAL;
    while (u->left >= sizeof record) {
        u64 set = atomic_load(&s->set);
        if (signal_take(t, set, &info) == 0) {
            if (done != 0)
                break;
            if ((f->flags & OPEN_NONBLOCK) != 0)
                return -E_AGAIN;
            if (wait_until(signal_readers(t->process),
                           (signal_pending_set(t) & atomic_load(&s->set)) != 0, true,
                           ~0ull) != 0)
                return -E_RESTART;
            continue;
        }
        record_of(&record, &info);
        if (uio_put(u, &record, sizeof record) != 0)
            return done != 0 ? done : -E_FAULT;
        done += (i64)sizeof record;
    }
    return done;
}

static u32
signalfd_poll(struct file *f, struct poll_table *table)
{
    struct signalfd *s = f->priv;
    struct thread *t = thread_current();
    if (t->process == NULL)
        return 0;
    if (table != NULL)
        table->add(table, signal_readers(t->process));
    return (signal_pending_set(t) & atomic_load(&s->set)) != 0 ? POLL_IN : 0;
}

static void
signalfd_release(struct file *f)
{
    heap_free(f->priv);
}

static const struct file_ops signalfd_ops = {
    .read = signalfd_read,
    .poll = signalfd_poll,
    .release = signalfd_release,
    .traits = FILE_STREAM,
    .kind_name = "anon_inode:[signalfd]",
};

bool
signalfd_is(const struct file *f)
{
    return f->ops == &signalfd_ops;
}

static i64
new_signalfd(u64 set, u32 flags)
{
    struct signalfd *s = heap_alloc_zeroed(sizeof *s);
    if (s == NULL)
        return -E_NOMEM;
    atomic_init(&s->set, set);
    struct file *file =
        anon_file(&signalfd_ops, (flags & SFD_NONBLOCK) != 0 ? OPEN_NONBLOCK : 0, s);
    if (file == NULL) {
        heap_free(s);
        return -E_NOMEM;
    }
    return file_to_fd(file, (flags & SFD_CLOEXEC) != 0);
}

static i64
set_signalfd(i32 fd, uaddr mask, u64 size, u32 flags)
{
    u64 set;
    struct file_arg a;
    if (size != sizeof set)
        return -E_INVAL;
    if (copy_from_user(&set, mask, sizeof set) != 0)
        return -E_FAULT;
    if ((flags & ~(SFD_CLOEXEC | SFD_NONBLOCK)) != 0)
        return -E_INVAL;
    set &= ~(SIG_BIT(SIG_KILL) | SIG_BIT(SIG_STOP));
    if (fd == -1)
        return new_signalfd(set, flags);
    int r = file_arg_get_open(&a, (u64)(u32)fd);
    if (r != 0)
        return r;
    if (a.file->ops == &signalfd_ops) {
        struct signalfd *s = a.file->priv;
        atomic_store(&s->set, set);
        wait_wake(signal_readers(proc_current()), ~0u);
    } else {
        r = -E_INVAL;
    }
    file_arg_done(&a);
    return r != 0 ? r : fd;
}

long
sys_signalfd(struct user_frame *f)
{
    return set_signalfd((i32)SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f), 0);
}

long
sys_signalfd4(struct user_frame *f)
{
    return set_signalfd((i32)SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f), (u32)SYS_ARG3(f));
}
