/* SPDX-License-Identifier: MIT */
/* System calls that make, replace, end and await processes (clone, execve, exit, wait4
 * ...), and their families. */
#include "core/clock.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "posix/cputime.h"
#include "posix/files.h"
#include "posix/pidfd.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "posix/strings.h"
#include "proc/pid.h"
#include "proc/proc.h"
#include "proc/session.h"
#include "signal/signal.h"
#include "vm/mm.h"

/* ---- clone ---- */
#define CLONE_VM 0x100ull
#define CLONE_FS 0x200ull
#define CLONE_FILES 0x400ull
#define CLONE_SIGHAND 0x800ull
#define CLONE_PIDFD 0x1000ull
#define CLONE_PTRACE 0x2000ull
#define CLONE_VFORK 0x4000ull
#define CLONE_PARENT 0x8000ull
#define CLONE_CLEAR_SIGHAND 0x100000000ull
#define CLONE_THREAD 0x10000ull
#define CLONE_SYSVSEM 0x40000ull
#define CLONE_SETTLS 0x80000ull
#define CLONE_PARENT_SETTID 0x100000ull
#define CLONE_CHILD_CLEARTID 0x200000ull
#define CLONE_DETACHED 0x400000ull
#define CLONE_UNTRACED 0x800000ull
#define CLONE_CHILD_SETTID 0x1000000ull
#define CLONE_IO 0x80000000ull
#define CLONE_UNDERSTOOD                                                                 \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_PTRACE | CLONE_VFORK |    \
     CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |                 \
     CLONE_CHILD_CLEARTID | CLONE_DETACHED | CLONE_UNTRACED | CLONE_CHILD_SETTID |       \
     CLONE_IO | CLONE_PARENT | CLONE_CLEAR_SIGHAND | CLONE_PIDFD)
#define CLONE_SIGNAL_MASK 0xffull

/* Most of proc's flags are those of the call, so that they are taken over at once. */
#define CLONE_SAME                                                                       \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_PTRACE | CLONE_VFORK |    \
     CLONE_PARENT | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |  \
     CLONE_CHILD_CLEARTID | CLONE_UNTRACED | CLONE_CHILD_SETTID)
#define CLONE_SHIFT 8
#define SAME(clone, fork) _Static_assert((clone) >> CLONE_SHIFT == (fork), #clone)
SAME(CLONE_VM, FORK_SHARE_MM);
SAME(CLONE_FS, FORK_SHARE_FS);
SAME(CLONE_FILES, FORK_SHARE_FILES);
SAME(CLONE_SIGHAND, FORK_SHARE_SIGNALS);
SAME(CLONE_PTRACE, FORK_TRACED);
SAME(CLONE_VFORK, FORK_VFORK);
SAME(CLONE_PARENT, FORK_SIBLING);
SAME(CLONE_THREAD, FORK_THREAD);
SAME(CLONE_SYSVSEM, FORK_SHARE_UNDO);
SAME(CLONE_SETTLS, FORK_SET_TLS);
SAME(CLONE_PARENT_SETTID, FORK_PARENT_TID);
SAME(CLONE_CHILD_CLEARTID, FORK_CLEAR_TID);
SAME(CLONE_UNTRACED, FORK_UNTRACED);
SAME(CLONE_CHILD_SETTID, FORK_CHILD_TID);

/* pidfd_at: where CLONE_PIDFD's descriptor goes. */
static long
do_clone(struct user_frame *f, u64 flags, struct fork_args *args, uaddr pidfd_at)
{
    struct pidfd_clone pidfd;
    if (flags & ~CLONE_UNDERSTOOD)
        return -E_INVAL;
    if ((flags & CLONE_SIGHAND) && (!(flags & CLONE_VM) || (flags & CLONE_CLEAR_SIGHAND)))
        return -E_INVAL;
    if ((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND))
        return -E_INVAL;
    if ((flags & CLONE_PIDFD) && ((flags & (CLONE_THREAD | CLONE_DETACHED)) ||
        ((flags & CLONE_PARENT_SETTID) && pidfd_at == args->parent_tid)))
        return -E_INVAL;
    if ((flags & CLONE_SETTLS) && args->tls >= USER_TOP)
        return -E_PERM;
    args->flags = (u32)((flags & CLONE_SAME) >> CLONE_SHIFT) |
                  (flags & CLONE_CLEAR_SIGHAND ? FORK_CLEAR_SIGNALS : 0);
    if (flags & CLONE_PIDFD)
        pidfd_for_clone(&pidfd, args, pidfd_at);
    return proc_fork(f, args);
}

long
sys_clone(struct user_frame *f)
{
    struct fork_args args = {
        .exit_signal = (i32)(SYS_ARG0(f) & CLONE_SIGNAL_MASK),
        .stack = SYS_ARG1(f),
        .parent_tid = SYS_ARG2(f),
        .child_tid = SYS_ARG3(f),
        .tls = SYS_ARG4(f),
    };
    /* The upper half of the word is not for this call. */
    return do_clone(f, SYS_ARG0(f) & 0xffffffffull & ~CLONE_SIGNAL_MASK, &args,
                    SYS_ARG2(f));
}

struct linux_clone_args {
    u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    u64 set_tid, set_tid_size, cgroup;
};
#define CLONE_ARGS_FIRST 64u

/* The upper end of the stack; both 0: the parent's goes on. */
static int
check_stack(const struct linux_clone_args *in)
{
    if ((in->stack == 0) != (in->stack_size == 0) || in->stack_size > USER_TOP ||
        in->stack > USER_TOP - in->stack_size)
        return -E_INVAL;
    return 0;
}

/* A number for each level of namespaces, from the innermost outwards: there is one. */
static int
read_number(const struct linux_clone_args *in, i32 *number)
{
    i32 wanted;
    if ((in->set_tid == 0) != (in->set_tid_size == 0) || in->set_tid_size > 1)
        return -E_INVAL;
    if (in->set_tid_size == 0)
        return 0;
    if (copy_from_user(&wanted, in->set_tid, sizeof wanted) != 0)
        return -E_FAULT;
    if (wanted < 1 || wanted >= PID_MAX)
        return -E_INVAL;
    const struct cred *c = cred_own();
    if (!cred_can(c, CAP_CHECKPOINT_RESTORE) && !cred_can(c, CAP_SYS_ADMIN))
        return -E_PERM;
    *number = wanted;
    return 0;
}

long
sys_clone3(struct user_frame *f)
{
    struct linux_clone_args in = { 0 };
    u64 bytes = SYS_ARG1(f);
    if (bytes > PAGE_SIZE)
        return -E_2BIG;
    if (bytes < CLONE_ARGS_FIRST)
        return -E_INVAL;
    int error = struct_from_user(&in, sizeof in, SYS_ARG0(f), bytes);
    if (error != 0)
        return error;
    if (in.exit_signal > SIG_MAX ||
        (in.flags & (CLONE_SIGNAL_MASK | CLONE_DETACHED)) ||
        ((in.flags & (CLONE_THREAD | CLONE_PARENT)) && in.exit_signal != 0))
        return -E_INVAL;
    struct fork_args args = {
        .exit_signal = (i32)in.exit_signal,
        .stack = in.stack + in.stack_size,
        .parent_tid = in.parent_tid,
        .child_tid = in.child_tid,
        .tls = in.tls,
    };
    error = check_stack(&in);
    if (error == 0)
        error = read_number(&in, &args.number);
    return error != 0 ? error : do_clone(f, in.flags, &args, in.pidfd);
}

long
sys_fork(struct user_frame *f)
{
    struct fork_args args = { .exit_signal = SIG_CHLD };
    return proc_fork(f, &args);
}

long
sys_vfork(struct user_frame *f)
{
    struct fork_args args = { .flags = FORK_VFORK | FORK_SHARE_MM,
                              .exit_signal = SIG_CHLD };
    return proc_fork(f, &args);
}

/* ---- execve ---- */

static long
do_exec(struct user_frame *f, const char *path, uaddr argv, uaddr envp,
        const struct exec_place *place)
{
    struct strings s = { .text = NULL };
    struct process *p = proc_current();
    u64 limit = p->limits[3].soft / 4;
    limit = MIN(MAX(limit, 128u << 10), 6u << 20);
    int error = strings_from_user(&s, argv, limit);
    if (error == 0 && s.count == 0) {
        /* Linux gives a program at least an empty argv[0]. */
        error = strings_add_empty(&s);
    }
    struct exec_args e = { .filename = path, .argc = s.count };
    if (error == 0)
        error = strings_from_user(&s, envp, limit);
    if (error == 0 && s.count * sizeof(uaddr) + s.used + strlen(path) + 1 > limit)
        error = -E_2BIG;
    if (error == 0) {
        e.envc = s.count - e.argc;
        e.text = s.text;
        e.bytes = s.used;
        error = proc_exec(f, path, &e, place);
    }
    strings_free(&s);
    return error;
}

long
sys_execve(struct user_frame *f)
{
    struct path_arg path;
    int error = path_arg_get(&path, SYS_ARG0(f));
    if (error != 0)
        return error;
    long result = do_exec(f, path.text, SYS_ARG1(f), SYS_ARG2(f), NULL);
    path_arg_done(&path);
    return result;
}


/* Where a path relative to a descriptor starts, and the name by which the program knows
 * itself: Linux's /dev/fd/N. */
static int
place_at(int dirfd, struct exec_place *place, char **name)
{
    struct file *dir = fd_get(files_own(), dirfd);
    if (dir == NULL)
        return -E_BADF;
    int error = dir->inode == NULL ? -E_ACCES : 0;
    *name = heap_alloc(LINUX_PATH_MAX + 32);
    if (*name == NULL)
        error = -E_NOMEM;
    if (error == 0) {
        place->walk.start = dir->path;
        if (dir->path.dentry == NULL)
            place->walk.start = (struct path){ NULL, dir->inode, NULL };
        path_hold(&place->walk.start);
        (void)fd_flags(files_own(), dirfd, -1, &place->unreachable);
        format_text(*name, LINUX_PATH_MAX + 32, "/dev/fd/%d%s%s", dirfd,
                    *place->path != '\0' ? "/" : "", place->path);
    }
    file_release(dir);
    return error;
}

long
sys_execveat(struct user_frame *f)
{
    struct path_arg path;
    char *name = NULL;
    u64 flags = SYS_ARG4(f);
    int dirfd = (int)SYS_ARG0(f);
    if (flags & ~(u64)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
        return -E_INVAL;
    int error = path_arg_get(&path, SYS_ARG1(f));
    if (error != 0)
        return error;
    struct exec_place place = { .path = path.text };
    place.walk.flags = (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) |
                       (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
    if (*path.text == '\0' && !(flags & AT_EMPTY_PATH))
        error = -E_NOENT;
    else if (*path.text != '/' && dirfd != AT_FDCWD)
        error = place_at(dirfd, &place, &name);
    long result = error != 0 ? error
                             : do_exec(f, name != NULL ? name : path.text, SYS_ARG2(f),
                                       SYS_ARG3(f), &place);
    if (place.walk.start.inode != NULL)
        path_release(&place.walk.start);
    heap_free(name);
    path_arg_done(&path);
    return result;
}

/* ---- exit ---- */

long
sys_exit(struct user_frame *f)
{
    proc_exit_thread((i32)SYS_ARG0(f) & 0xff);
}

long
sys_exit_group(struct user_frame *f)
{
    proc_exit_group(((i32)SYS_ARG0(f) & 0xff) << 8);
}

/* ---- wait ---- */
#define WNOHANG 1u
#define WUNTRACED 2u
#define WEXITED 4u
#define WCONTINUED 8u
#define WNOWAIT 0x01000000u
#define W_NOTHREAD 0x20000000u
#define W_ALL 0x40000000u
#define W_CLONE 0x80000000u

/* proc's flags are those of the call. */
_Static_assert(WNOHANG == WAIT_NOHANG && WUNTRACED == WAIT_STOPPED && WEXITED == WAIT_EXITED &&
                   WCONTINUED == WAIT_CONTINUED && WNOWAIT == WAIT_NOREAP &&
                   W_NOTHREAD == WAIT_OWN && W_ALL == WAIT_ANY && W_CLONE == WAIT_CLONES,
               "options of wait4 and waitid");

static int
rusage_of_report(uaddr at, const struct wait_report *r)
{
    return at != 0 ? rusage_to_user(at, &r->usage) : 0;
}

long
sys_wait4(struct user_frame *f)
{
    i32 which = (i32)SYS_ARG0(f);
    u32 options = (u32)SYS_ARG2(f);
    struct wait_report report;
    if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | W_NOTHREAD | W_ALL | W_CLONE))
        return -E_INVAL;
    if (which == INT32_MIN)
        return -E_SRCH;
    int got = proc_wait(which, options | WAIT_EXITED, &report);
    if (got <= 0)
        return got;
    if (SYS_ARG1(f) != 0 &&
        copy_to_user(SYS_ARG1(f), &report.status, sizeof report.status) != 0)
        return -E_FAULT;
    int error = rusage_of_report(SYS_ARG3(f), &report);
    return error != 0 ? error : report.pid;
}

#define P_ALL 0
#define P_PID 1
#define P_PGID 2
#define P_PIDFD 3

/* siginfo's code and status of a wait status. */
static void
info_of_status(struct linux_siginfo *s, i32 status)
{
    if (status == 0xffff) {
        s->code = SIGNAL_CLD_CONTINUED;
        s->u.child.status = SIG_CONT;
    } else if ((status & 0xff) == 0x7f) {
        s->code = SIGNAL_CLD_STOPPED;
        s->u.child.status = (status >> 8) & 0xff;
    } else if ((status & 0x7f) == 0) {
        s->code = SIGNAL_CLD_EXITED;
        s->u.child.status = (status >> 8) & 0xff;
    } else {
        s->code = status & 0x80 ? SIGNAL_CLD_DUMPED : SIGNAL_CLD_KILLED;
        s->u.child.status = status & 0x7f;
    }
}

/* One that does not block looks only, and says so if there is nothing yet. */
static int
wait_for_pidfd(int fd, u32 flags, struct wait_report *report)
{
    struct process *child;
    bool nonblocking;
    int error = pidfd_process(fd, &child, &nonblocking);
    if (error != 0)
        return error == -E_SRCH ? -E_CHILD : error;
    /* Its number stays its own: a reference is held. */
    int got = proc_wait(child->pid, flags | (nonblocking ? WAIT_NOHANG : 0), report);
    proc_release(child);
    return got == 0 && nonblocking && !(flags & WAIT_NOHANG) ? -E_AGAIN : got;
}

long
sys_waitid(struct user_frame *f)
{
    i32 type = (i32)SYS_ARG0(f), id = (i32)SYS_ARG1(f);
    u32 options = (u32)SYS_ARG3(f);
    struct wait_report report;
    struct linux_siginfo info = { 0 };
    if ((options & ~(WNOHANG | WUNTRACED | WEXITED | WCONTINUED | WNOWAIT | W_NOTHREAD |
                     W_ALL | W_CLONE)) ||
        !(options & (WUNTRACED | WEXITED | WCONTINUED)))
        return -E_INVAL;
    if (type < P_ALL || type > P_PIDFD || (type == P_PID && id <= 0) ||
        ((type == P_PGID || type == P_PIDFD) && id < 0))
        return -E_INVAL;
    i32 which = type == P_ALL ? -1 : type == P_PID ? id : id == 0 ? 0 : -id;
    if (type == P_PGID && id == 1)
        which = proc_current()->pgid == 1 ? 0 : INT32_MIN + 1; /* -1 means any */
    int got = type == P_PIDFD ? wait_for_pidfd(id, options, &report)
                              : proc_wait(which, options, &report);
    if (got < 0)
        return got;
    if (got > 0) {
        info.signo = SIG_CHLD;
        info.u.child.pid = report.pid;
        info.u.child.uid = (u32)report.uid;
        info_of_status(&info, report.status);
        if (report.trapped && (report.status & 0xff) == 0x7f) {
            info.code = SIGNAL_CLD_TRAPPED;
            info.u.child.status = report.status >> 8; /* with the event */
        }
        if (rusage_of_report(SYS_ARG4(f), &report) != 0)
            return -E_FAULT;
    }
    if (SYS_ARG2(f) != 0 && copy_to_user(SYS_ARG2(f), &info, sizeof info) != 0)
        return -E_FAULT;
    return 0;
}

/* ---- numbers and families ---- */

long
sys_getpid(struct user_frame *f)
{
    (void)f;
    return proc_current()->pid;
}

long
sys_getppid(struct user_frame *f)
{
    (void)f;
    return proc_current()->ppid;
}

long
sys_gettid(struct user_frame *f)
{
    (void)f;
    return thread_current()->tid;
}

long
sys_set_tid_address(struct user_frame *f)
{
    thread_current()->clear_child_tid = SYS_ARG0(f);
    return thread_current()->tid;
}

long
sys_setpgid(struct user_frame *f)
{
    return proc_set_pgid((i32)SYS_ARG0(f), (i32)SYS_ARG1(f));
}

static long
number_of(i32 pid, bool session)
{
    struct process *self = proc_current();
    if (pid < 0)
        return -E_SRCH;
    if (pid == 0 || pid == self->pid)
        return session ? self->sid : self->pgid;
    struct process *p = proc_find(pid);
    if (p == NULL)
        return -E_SRCH;
    long result = session ? p->sid : p->pgid;
    proc_release(p);
    return result;
}

long
sys_getpgid(struct user_frame *f)
{
    return number_of((i32)SYS_ARG0(f), false);
}

long
sys_getpgrp(struct user_frame *f)
{
    (void)f;
    return proc_current()->pgid;
}

long
sys_getsid(struct user_frame *f)
{
    return number_of((i32)SYS_ARG0(f), true);
}

long
sys_setsid(struct user_frame *f)
{
    (void)f;
    return proc_set_sid();
}
