/* SPDX-License-Identifier: MIT */
/* epoll_create(2), epoll_ctl, epoll_wait and its variants. */
#include "core/clock.h"
#include "core/heap.h"
#include "ready/ready.h"
#include "posix/files.h"

#define CLOEXEC_FLAG 02000000u
#define CTL_ADD 1
#define CTL_DEL 2
#define CTL_MOD 3
#define EV_EXCLUSIVE 0x10000000u
#define EV_WAKEUP 0x20000000u
#define EV_ONESHOT 0x40000000u
#define EV_EDGE 0x80000000u
/* IN, OUT, ERR, HUP and the modes: what an exclusive one may ask for. */
#define EXCLUSIVE_OK (0x1du | EV_WAKEUP | EV_EDGE | EV_EXCLUSIVE)
#define EVENTS_INLINE 16u
#define EVENTS_MAX 4096u /* of one call */

struct linux_epoll_event {
    u32 events;
    u64 data;
} __attribute__((packed));
_Static_assert(sizeof(struct linux_epoll_event) == 12, "struct epoll_event of x86-64");

long
sys_epoll_create1(struct user_frame *f)
{
    struct file *file;
    if (((u32)SYS_ARG0(f) & ~CLOEXEC_FLAG) != 0)
        return -E_INVAL;
    int r = watch_set_create(0, &file);
    return r != 0 ? r : file_to_fd(file, ((u32)SYS_ARG0(f) & CLOEXEC_FLAG) != 0);
}

long
sys_epoll_create(struct user_frame *f)
{
    struct file *file;
    if ((i32)SYS_ARG0(f) <= 0)
        return -E_INVAL;
    int r = watch_set_create(0, &file);
    return r != 0 ? r : file_to_fd(file, false);
}

static int
control(struct file *set, struct file *file, i32 op, i32 fd,
        const struct linux_epoll_event *e)
{
    if (file->ops->poll == NULL)
        return -E_PERM;
    if (set == file || !watch_set_is(set))
        return -E_INVAL;
    if (op != CTL_DEL && (e->events & EV_EXCLUSIVE) != 0 &&
        (op == CTL_MOD || watch_set_is(file) || (e->events & ~EXCLUSIVE_OK) != 0))
        return -E_INVAL;
    u32 modes = ((e->events & EV_EDGE) != 0 ? WATCH_EDGE : 0) |
                ((e->events & EV_ONESHOT) != 0 ? WATCH_ONCE : 0) |
                ((e->events & EV_EXCLUSIVE) != 0 ? WATCH_EXCLUSIVE : 0);
    struct watch_event event = {
        .events = e->events & ~(EV_EDGE | EV_ONESHOT | EV_EXCLUSIVE | EV_WAKEUP),
        .data = e->data
    };
    switch (op) {
    case CTL_ADD:
        return watch_add(set, file, fd, &event, modes);
    case CTL_MOD:
        return watch_change(set, file, fd, &event, modes);
    case CTL_DEL:
        return watch_remove(set, file, fd);
    default:
        return -E_INVAL;
    }
}

long
sys_epoll_ctl(struct user_frame *f)
{
    struct linux_epoll_event e = { 0 };
    struct fdtable *t = files_own();
    i32 op = (i32)SYS_ARG1(f), fd = (i32)SYS_ARG2(f);
    if (op != CTL_DEL && copy_from_user(&e, SYS_ARG3(f), sizeof e) != 0)
        return -E_FAULT;
    /* Counted references: an entry's file must not go while it is being added. */
    struct file *set = fd_get(t, (int)SYS_ARG0(f));
    struct file *file = set != NULL ? fd_get(t, fd) : NULL;
    int r = file == NULL || ((set->flags | file->flags) & OPEN_PATH) != 0
                ? -E_BADF
                : control(set, file, op, fd, &e);
    if (file != NULL)
        file_release(file);
    if (set != NULL)
        file_release(set);
    return r;
}

static i64
give_events(struct file *set, uaddr at, const struct watch_event *e, i64 n)
{
    for (i64 i = 0; i < n; i++) {
        struct linux_epoll_event out = { e[i].events, e[i].data };
        if (copy_to_user(at + (u64)i * sizeof out, &out, sizeof out) != 0) {
            watch_untold(set, e + i, (u32)(n - i));
            return i != 0 ? i : -E_FAULT;
        }
    }
    return n;
}

static i64
wait_events(u64 epfd, uaddr at, i32 wanted, u64 deadline)
{
    struct watch_event few[EVENTS_INLINE], *e = few;
    struct file_arg a;
    if (wanted <= 0 || (u32)wanted > INT32_MAX / sizeof(struct linux_epoll_event))
        return -E_INVAL;
    if (!user_range(at, (u64)wanted * sizeof(struct linux_epoll_event)))
        return -E_FAULT;
    int r = file_arg_get_open(&a, epfd);
    if (r != 0)
        return r;
    u32 n = MIN((u32)wanted, EVENTS_MAX);
    i64 found = watch_set_is(a.file) ? 0 : -E_INVAL;
    if (found == 0 && n > EVENTS_INLINE) {
        e = heap_alloc(n * sizeof *e);
        found = e == NULL ? -E_NOMEM : 0;
    }
    if (found == 0)
        found = watch_wait(a.file, e, n, deadline);
    if (found > 0)
        found = give_events(a.file, at, e, found);
    if (e != few)
        heap_free(e);
    file_arg_done(&a);
    return found;
}

static u64
deadline_of_ms(i32 ms)
{
    return ms < 0 ? ~0ull : ms == 0 ? 0 : clock_mono_ns() + (u64)ms * 1000000u;
}

long
sys_epoll_wait(struct user_frame *f)
{
    return wait_events(SYS_ARG0(f), SYS_ARG1(f), (i32)SYS_ARG2(f),
                       deadline_of_ms((i32)SYS_ARG3(f)));
}

static long
masked_wait(struct user_frame *f, u64 deadline)
{
    bool masked;
    if (SYS_ARG4(f) == 0)
        return wait_events(SYS_ARG0(f), SYS_ARG1(f), (i32)SYS_ARG2(f), deadline);
    int r = mask_begin(SYS_ARG4(f), SYS_ARG5(f), &masked);
    if (r != 0)
        return r;
    i64 n = wait_events(SYS_ARG0(f), SYS_ARG1(f), (i32)SYS_ARG2(f), deadline);
    mask_end(masked, n);
    return n;
}

long
sys_epoll_pwait(struct user_frame *f)
{
    return masked_wait(f, deadline_of_ms((i32)SYS_ARG3(f)));
}

long
sys_epoll_pwait2(struct user_frame *f)
{
    u64 deadline = ~0ull;
    int r = SYS_ARG3(f) != 0 ? timespec_from_user(SYS_ARG3(f), &deadline) : 0;
    if (r != 0)
        return r;
    if (SYS_ARG3(f) != 0 && deadline != 0)
        deadline = deadline_after(deadline);
    return masked_wait(f, deadline);
}
