/* SPDX-License-Identifier: MIT */
/*
 * inotify(7): a descriptor from which events are read.  What happens to files is told by
 * vfs/notify.h; here are the calls, the layout of an event, and reading.
 */
#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "posix/files.h"
#include "ready/ready.h"
#include "vfs/notify.h"

#define INOTIFY_NONBLOCK 04000u
#define INOTIFY_CLOEXEC  02000000u

#define MASK_ONLY_DIRECTORY 0x1000000u
#define MASK_NO_FOLLOW      0x2000000u
#define MASK_CREATE         0x10000000u
#define MASK_ADD            0x20000000u
/* What may be asked for: the events, also those that come unasked, and what is said of
 * the watch. */
#define MASK_KNOWN                                                                       \
    (NOTIFY_ALL | NOTIFY_UNMOUNT | NOTIFY_OVERFLOW | NOTIFY_IGNORED |                    \
     MASK_ONLY_DIRECTORY | MASK_NO_FOLLOW | NOTIFY_EXCLUDE_UNLINKED | MASK_CREATE |      \
     MASK_ADD | NOTIFY_DIRECTORY | NOTIFY_ONCE)

struct linux_event {
    i32 wd;
    u32 mask, cookie, bytes;
};
_Static_assert(sizeof(struct linux_event) == 16, "struct inotify_event");

/* The name with a NUL fills whole multiples of the event's size. */
static u64
name_room(const struct notify_event *e)
{
    u64 unit = sizeof(struct linux_event);
    return e->name_bytes == 0 ? 0 : (e->name_bytes + unit) / unit * unit;
}

static u64
event_bytes(const struct notify_event *e)
{
    return sizeof(struct linux_event) + name_room(e);
}

static int
event_put(struct uio *u, const struct notify_event *e)
{
    struct linux_event out = { e->wd, e->mask, e->cookie, (u32)name_room(e) };
    /* an event about a watched directory itself is not marked as one of a directory */
    if ((e->mask & (NOTIFY_DELETE_SELF | NOTIFY_MOVE_SELF)) != 0)
        out.mask &= ~NOTIFY_DIRECTORY;
    int r = uio_put(u, &out, sizeof out);
    if (r == 0 && e->name_bytes != 0)
        r = uio_put(u, e->name, e->name_bytes);
    if (r == 0 && out.bytes != 0)
        r = uio_put_zero(u, out.bytes - e->name_bytes);
    return r;
}

static i64
inotify_read(struct file *f, struct uio *u, u64 *pos)
{
    struct notify_group *g = f->priv;
    u64 wanted = u->left;
    int r;
    (void)pos;
    for (;;) {
        struct notify_event *e;
        r = notify_event_take(g, u->left, event_bytes, &e);
        if (r == 0) {
            r = event_put(u, e);
            heap_free(e);
            if (r != 0)
                return r; /* the event is lost, as on Linux */
            continue;
        }
        if (u->left != wanted)
            return (i64)(wanted - u->left);
        if (r != -E_AGAIN || (f->flags & OPEN_NONBLOCK) != 0)
            return r;
        if (wait_until(&g->wait, !list_empty(&g->events), true, ~0ull) != 0)
            return -E_RESTART;
    }
}

static u32
inotify_poll(struct file *f, struct poll_table *t)
{
    struct notify_group *g = f->priv;
    if (t != NULL)
        t->add(t, &g->wait);
    return list_empty(&g->events) ? 0 : POLL_IN;
}

static i64
inotify_ioctl(struct file *f, u32 request, uaddr arg)
{
    if (request != FILE_IOCTL_READABLE)
        return -E_NOTTY;
    i32 n = (i32)notify_events_bytes(f->priv, event_bytes);
    return copy_to_user(arg, &n, sizeof n);
}

/* Linux's lines of fdinfo, without the handles of files. */
static u32
inotify_describe(struct file *f, char *to, u32 size)
{
    struct notify_watch_info w = { .wd = 0 };
    u32 length = 0;
    while (length < size && notify_watch_next(f->priv, w.wd, &w)) {
        u64 dev = (w.dev >> 8 & 0xfff) << 20 | (w.dev & 0xff) | (w.dev >> 12 & 0xfff00);
        length += (u32)format_text(to + length, size - length,
                                   "inotify wd:%x ino:%lx sdev:%lx mask:%x "
                                   "ignored_mask:0 \n",
                                   (u32)w.wd, w.ino, dev, w.mask);
    }
    return length;
}

static void
inotify_release(struct file *f)
{
    notify_group_free(f->priv);
}

static const struct file_ops inotify_ops = {
    .read = inotify_read,
    .poll = inotify_poll,
    .ioctl = inotify_ioctl,
    .release = inotify_release,
    .describe = inotify_describe,
    .traits = FILE_STREAM | FILE_ASYNC,
    .kind_name = "anon_inode:inotify",
};

static i64
inotify_new(u32 flags)
{
    struct notify_group *g;
    if ((flags & ~(INOTIFY_NONBLOCK | INOTIFY_CLOEXEC)) != 0)
        return -E_INVAL;
    if (file_table_full())
        return -E_NFILE;
    int r = notify_group_new(cred_own()->uid, &g);
    if (r != 0)
        return r;
    u32 status = OPEN_READ | ((flags & INOTIFY_NONBLOCK) != 0 ? OPEN_NONBLOCK : 0);
    struct file *file = file_new(&inotify_ops, anon_inode(), status);
    if (file == NULL) {
        notify_group_free(g);
        return -E_NOMEM;
    }
    file->priv = g;
    int fd = fd_install(files_own(), file, 0, (flags & INOTIFY_CLOEXEC) != 0);
    if (fd < 0)
        file_release(file);
    return fd;
}

long
sys_inotify_init(struct user_frame *f)
{
    (void)f;
    return inotify_new(0);
}

long
sys_inotify_init1(struct user_frame *f)
{
    return inotify_new((u32)SYS_ARG0(f));
}

static i64
watch_path(struct notify_group *g, uaddr path, u32 mask)
{
    struct at_arg a;
    int r = at_arg_find(&a, (u64)AT_FDCWD, path,
                        ((mask & MASK_NO_FOLLOW) != 0 ? 0 : WALK_FOLLOW) |
                            ((mask & MASK_ONLY_DIRECTORY) != 0 ? WALK_DIRECTORY : 0));
    if (r != 0)
        return r;
    struct inode *i = a.walk.found.inode;
    i64 wd = vfs_access(i, a.walk.cred, 4);
    if (wd == 0)
        wd = notify_watch_add(g, i,
                              mask & (NOTIFY_ALL | NOTIFY_EXCLUDE_UNLINKED | NOTIFY_ONCE),
                              ((mask & MASK_ADD) != 0 ? NOTIFY_ADD_TO_MASK : 0) |
                                  ((mask & MASK_CREATE) != 0 ? NOTIFY_MUST_CREATE : 0));
    at_arg_done(&a);
    return wd;
}

long
sys_inotify_add_watch(struct user_frame *f)
{
    struct file_arg a;
    u32 mask = (u32)SYS_ARG2(f);
    if ((mask & MASK_KNOWN) == 0)
        return -E_INVAL;
    int r = file_arg_get_open(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    i64 wd = a.file->ops != &inotify_ops ||
                     (mask & (MASK_ADD | MASK_CREATE)) == (MASK_ADD | MASK_CREATE)
                 ? -E_INVAL
                 : watch_path(a.file->priv, SYS_ARG1(f), mask);
    file_arg_done(&a);
    return wd;
}

long
sys_inotify_rm_watch(struct user_frame *f)
{
    struct file_arg a;
    int r = file_arg_get_open(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    r = a.file->ops != &inotify_ops ? -E_INVAL
                                    : notify_watch_remove(a.file->priv, (i32)SYS_ARG1(f));
    file_arg_done(&a);
    return r;
}
