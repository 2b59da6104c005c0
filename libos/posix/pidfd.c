/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of processes: pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2), and
 * clone's CLONE_PIDFD. A file holds a handle (proc/handle.h), not the process.
 */
#include "posix/pidfd.h"

#include "core/log.h"
#include "posix/files.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/cred.h"
#include "proc/handle.h"
#include "proc/pid.h"
#include "proc/proc.h"
#include "ready/ready.h"
#include "signal/signal.h"

#define PIDFD_NONBLOCK 04000u
#define SI_TKILL (-6)

static u32
pidfd_poll(struct file *f, struct poll_table *t)
{
    struct proc_handle *h = f->priv;
    if (t != NULL)
        t->add(t, &h->wait); /* before the look: H3 */
    return proc_handle_ended(h) ? POLL_IN : 0;
}

static void
pidfd_release(struct file *f)
{
    proc_handle_release(f->priv);
}

static u32
pidfd_describe(struct file *f, char *to, u32 size)
{
    struct process *p = proc_handle_process(f->priv);
    i32 pid = p != NULL ? p->pid : -1;
    if (p != NULL)
        proc_release(p);
    return (u32)format_text(to, size, "Pid:\t%d\nNSpid:\t%d\n", pid, pid);
}

static const struct file_ops pidfd_ops = {
    .poll = pidfd_poll,
    .release = pidfd_release,
    .describe = pidfd_describe,
    .traits = FILE_STREAM,
    .kind_name = "anon_inode:[pidfd]",
};

static int
pidfd_file(struct process *p, u32 flags, struct file **out)
{
    struct proc_handle *h = proc_handle_get(p);
    if (h == NULL)
        return -E_NOMEM;
    *out = anon_file(&pidfd_ops, flags, h);
    if (*out == NULL)
        proc_handle_release(h);
    return *out != NULL ? 0 : -E_NOMEM;
}

int
pidfd_process(int fd, struct process **out, bool *nonblocking)
{
    struct file *f = fd_get(files_own(), fd);
    if (f == NULL)
        return -E_BADF;
    int error = f->ops == &pidfd_ops ? 0 : -E_BADF;
    if (error == 0) {
        if (nonblocking != NULL)
            *nonblocking = (f->flags & OPEN_NONBLOCK) != 0;
        *out = proc_handle_process(f->priv);
        error = *out != NULL ? 0 : -E_SRCH;
    }
    file_release(f);
    return error;
}

long
sys_pidfd_open(struct user_frame *f)
{
    i32 pid = (i32)SYS_ARG0(f);
    u32 flags = (u32)SYS_ARG1(f);
    struct file *file = NULL;
    if ((flags & ~PIDFD_NONBLOCK) != 0 || pid <= 0)
        return -E_INVAL;
    struct process *p = proc_find(pid);
    if (p == NULL) {
        p = proc_find_thread(pid);
        if (p == NULL)
            return -E_SRCH;
        proc_release(p);
        return -E_INVAL; /* a thread that is not its process's first */
    }
    int error = pidfd_file(p, flags & PIDFD_NONBLOCK ? OPEN_NONBLOCK : 0, &file);
    proc_release(p);
    return error != 0 ? error : file_to_fd(file, true);
}

/* ---- CLONE_PIDFD ---- */

static int
clone_prepare(struct process *child, void *arg)
{
    struct pidfd_clone *c = arg;
    struct fdtable *t = files_own();
    int error = file_table_full() ? -E_NFILE : 0;
    c->fd = error != 0 ? error : fd_reserve(t, 0);
    if (c->fd < 0)
        return c->fd;
    error = pidfd_file(child, 0, &c->file);
    if (error == 0) {
        error = copy_to_user(c->at, &c->fd, sizeof c->fd);
        if (error != 0)
            file_release(c->file);
    }
    if (error != 0)
        fd_unreserve(t, c->fd);
    return error;
}

static void
clone_settle(bool made, void *arg)
{
    struct pidfd_clone *c = arg;
    struct fdtable *t = files_own();
    if (made) {
        fd_fill(t, c->fd, c->file, true);
    } else {
        fd_unreserve(t, c->fd);
        file_release(c->file);
    }
}

void
pidfd_for_clone(struct pidfd_clone *c, struct fork_args *args, uaddr at)
{
    *c = (struct pidfd_clone){ .at = at };
    args->prepare = clone_prepare;
    args->settle = clone_settle;
    args->arg = c;
}

/* ---- using one ---- */

/* What a signal can be sent by: a pidfd, or an open directory /proc/PID. */
static int
signalled_process(int fd, struct process **out)
{
    struct file *f = fd_get(files_own(), fd);
    if (f == NULL)
        return -E_BADF;
    int error = -E_BADF;
    if (f->ops == &pidfd_ops)
        *out = proc_handle_process(f->priv), error = 0;
    else if (f->inode != NULL && f->inode->ops->process != NULL && !(f->flags & OPEN_PATH))
        *out = f->inode->ops->process(f->inode), error = 0;
    file_release(f);
    return error == 0 && *out == NULL ? -E_SRCH : error;
}

/* A program may give what siginfo it likes, but to others not one that looks like the
 * system's. */
static int
info_from_user(struct signal_info *info, const struct process *to, int number, uaddr at)
{
    struct linux_siginfo in;
    if (copy_from_user(&in, at, sizeof in) != 0)
        return -E_FAULT;
    if (in.signo != number)
        return -E_INVAL;
    if (to != proc_current() && (in.code >= 0 || in.code == SI_TKILL))
        return -E_PERM;
    siginfo_from_linux(info, &in);
    info->number = number;
    return 0;
}

long
sys_pidfd_send_signal(struct user_frame *f)
{
    int number = (int)SYS_ARG1(f);
    struct process *p, *self = proc_current();
    if ((u32)SYS_ARG3(f) != 0)
        return -E_INVAL;
    int error = signalled_process((int)SYS_ARG0(f), &p);
    if (error != 0)
        return error;
    struct signal_info info = { .number = number, .code = SIGNAL_CODE_USER,
                                .pid = self->pid, .uid = cred_own()->uid };
    if (SYS_ARG2(f) != 0)
        error = info_from_user(&info, p, number, SYS_ARG2(f));
    if (error == 0 && (number < 0 || number > SIG_MAX))
        error = -E_INVAL;
    if (error == 0)
        error = cred_may_signal(p, number);
    if (error == 0 && number != 0)
        error = signal_queue_process(p, number, &info);
    proc_release(p);
    return error;
}

static bool
may_look_into(struct process *p)
{
    return p == proc_current() || cred_may_inspect(p, true);
}

long
sys_pidfd_getfd(struct user_frame *f)
{
    struct process *p;
    if ((u32)SYS_ARG2(f) != 0)
        return -E_INVAL;
    int error = pidfd_process((int)SYS_ARG0(f), &p, NULL);
    if (error != 0)
        return error;
    struct file *file = NULL;
    if (!may_look_into(p)) {
        error = -E_PERM;
    } else {
        struct fdtable *t = proc_files(p, 0);
        file = t != NULL ? fd_get(t, (int)SYS_ARG1(f)) : NULL;
        if (t != NULL)
            fdtable_drop(t);
        /* Once more: a set-id program that it executed meanwhile may have opened it. */
        error = file == NULL ? -E_BADF : may_look_into(p) ? 0 : -E_PERM;
    }
    proc_release(p);
    if (error != 0) {
        if (file != NULL)
            file_release(file);
        return error;
    }
    return file_to_fd(file, true);
}
