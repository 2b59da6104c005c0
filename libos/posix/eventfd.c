/* SPDX-License-Identifier: MIT */
/* eventfd(2), timerfd_create(2) and its family. */
#include "ready/ready.h"

#include "posix/files.h"

#define FD_CLOEXEC_FLAG 02000000u /* EFD_, TFD_, SFD_ and EPOLL_CLOEXEC are O_CLOEXEC */
#define FD_NONBLOCK_FLAG 04000u
#define EFD_SEMAPHORE 1u
#define TFD_ABSTIME 1u
#define TFD_CANCEL_ON_SET 2u

static i64
make_eventfd(u32 count, u32 flags)
{
    struct file *file;
    if ((flags & ~(EFD_SEMAPHORE | FD_CLOEXEC_FLAG | FD_NONBLOCK_FLAG)) != 0)
        return -E_INVAL;
    int r = eventfd_create(count, (flags & EFD_SEMAPHORE) != 0,
                           (flags & FD_NONBLOCK_FLAG) != 0 ? OPEN_NONBLOCK : 0, &file);
    return r != 0 ? r : file_to_fd(file, (flags & FD_CLOEXEC_FLAG) != 0);
}

long
sys_eventfd(struct user_frame *f)
{
    return make_eventfd((u32)SYS_ARG0(f), 0);
}

long
sys_eventfd2(struct user_frame *f)
{
    return make_eventfd((u32)SYS_ARG0(f), (u32)SYS_ARG1(f));
}

#define CLOCK_TAI 11

long
sys_timerfd_create(struct user_frame *f)
{
    u32 flags = (u32)SYS_ARG1(f);
    struct file *file;
    bool real;
    if ((flags & ~(FD_CLOEXEC_FLAG | FD_NONBLOCK_FLAG)) != 0 ||
        (i32)SYS_ARG0(f) == CLOCK_TAI)
        return -E_INVAL;
    int r = clock_for_timer((i32)SYS_ARG0(f), &real);
    if (r != 0)
        return r == -E_NOTSUP ? -E_INVAL : r;
    r = timerfd_create_file(real, (flags & FD_NONBLOCK_FLAG) != 0 ? OPEN_NONBLOCK : 0,
                            &file);
    return r != 0 ? r : file_to_fd(file, (flags & FD_CLOEXEC_FLAG) != 0);
}

/* -E_BADF, -E_INVAL: it is no timer. */
static int
timerfd_arg(struct file_arg *a, u64 fd)
{
    int r = file_arg_get_open(a, fd);
    if (r == 0 && !timerfd_is(a->file)) {
        file_arg_done(a);
        r = -E_INVAL;
    }
    return r;
}

long
sys_timerfd_settime(struct user_frame *f)
{
    u32 flags = (u32)SYS_ARG1(f);
    struct timerfd_time set, old;
    struct file_arg a;
    int r = itimerspec_from_user(SYS_ARG2(f), &set.value_ns, &set.interval_ns);
    if (r == 0 && (flags & ~(TFD_ABSTIME | TFD_CANCEL_ON_SET)) != 0)
        r = -E_INVAL;
    if (r == 0)
        r = timerfd_arg(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    r = timerfd_set(a.file, (flags & TFD_ABSTIME) != 0, (flags & TFD_CANCEL_ON_SET) != 0,
                    &set, &old);
    file_arg_done(&a);
    if (r == 0 && SYS_ARG3(f) != 0)
        r = itimerspec_to_user(SYS_ARG3(f), old.value_ns, old.interval_ns);
    return r;
}

long
sys_timerfd_gettime(struct user_frame *f)
{
    struct timerfd_time t;
    struct file_arg a;
    int r = timerfd_arg(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    timerfd_get(a.file, &t);
    file_arg_done(&a);
    return itimerspec_to_user(SYS_ARG1(f), t.value_ns, t.interval_ns);
}
