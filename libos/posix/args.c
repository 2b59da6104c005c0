/* SPDX-License-Identifier: MIT */
/* Arguments of the file calls: paths, directories, vectors, times, open flags. */
#include "core/clock.h"
#include "core/heap.h"
#include "posix/files.h"
#include "signal/signal.h"

static u64
files_limit(void)
{
    const struct process *p = proc_current();
    /* the LibOS itself, for the first process */
    return p != NULL ? p->limits[LIMIT_NOFILE].soft : FD_LIMIT_MAX;
}

static const struct cred *
current_cred(void)
{
    return cred_own();
}

void
posix_files_init(void)
{
    vfs_current_cred = current_cred;
    fd_limit = files_limit;
}

bool
may_act_as_root(void)
{
    return cred_can(cred_own(), CAP_SYS_ADMIN);
}

int
path_arg_get(struct path_arg *p, uaddr from)
{
    p->text = p->small;
    i64 n = copy_string_from_user(p->small, from, sizeof p->small);
    if (n != -E_NAMETOOLONG)
        return n < 0 ? (int)n : 0;
    p->text = heap_alloc(PATH_BYTES_MAX);
    if (p->text == NULL)
        return -E_NOMEM;
    n = copy_string_from_user(p->text, from, PATH_BYTES_MAX);
    if (n < 0)
        heap_free(p->text);
    return n < 0 ? (int)n : 0;
}

void
path_arg_done(struct path_arg *p)
{
    if (p->text != p->small)
        heap_free(p->text);
}

static int
start_at(struct walk *w, int dirfd)
{
    struct file_arg dir;
    int r = file_arg_get(&dir, (u64)dirfd);
    if (r != 0)
        return r;
    w->start = dir.file->path;
    if (w->start.dentry == NULL)
        w->start = (struct path){ NULL, dir.file->inode, NULL };
    if (w->start.inode == NULL)
        r = -E_NOTDIR;
    else
        path_hold(&w->start);
    file_arg_done(&dir);
    return r;
}

int
at_arg_get(struct at_arg *a, u64 dirfd, uaddr path, u32 walk_flags)
{
    const struct thread *t = thread_current();
    int r = path_arg_get(&a->path, path);
    if (r != 0)
        return r;
    a->walk = (struct walk){ .context = t->fs, .cred = t->cred,
                             .flags = walk_flags };
    if ((int)dirfd != AT_FDCWD && a->path.text[0] != '/')
        r = start_at(&a->walk, (int)dirfd);
    if (r != 0)
        path_arg_done(&a->path);
    return r;
}

int
at_arg_start(struct at_arg *a, u64 dirfd)
{
    return (int)dirfd != AT_FDCWD ? start_at(&a->walk, (int)dirfd) : 0;
}

int
at_arg_find(struct at_arg *a, u64 dirfd, uaddr path, u32 walk_flags)
{
    int r = at_arg_get(a, dirfd, path, walk_flags);
    if (r != 0)
        return r;
    r = path_walk(&a->walk, a->path.text);
    if (r != 0)
        at_arg_done(a);
    return r;
}

void
at_arg_done(struct at_arg *a)
{
    if (a->walk.found.inode != NULL)
        path_release(&a->walk.found);
    if (a->walk.start.inode != NULL)
        path_release(&a->walk.start);
    path_arg_done(&a->path);
}

/* struct iovec and struct uio_segment have the same layout: base, bytes. */
int
iov_arg_get(struct iov_arg *v, uaddr iov, u64 count)
{
    u64 total = 0;
    if (count > IOV_COUNT_MAX)
        return -E_INVAL;
    v->segments = v->small;
    if (count > IOV_INLINE) {
        v->segments = heap_alloc(count * sizeof *v->segments);
        if (v->segments == NULL)
            return -E_NOMEM;
    }
    int r = copy_from_user(v->segments, iov, count * sizeof *v->segments);
    for (u64 i = 0; i < count && r == 0; i++) {
        struct uio_segment *s = &v->segments[i];
        if ((i64)s->bytes < 0)
            r = -E_INVAL;
        else if (!user_range(s->base, s->bytes))
            r = -E_FAULT;
        else if (s->bytes > TRANSFER_MAX - total)
            s->bytes = TRANSFER_MAX - total;
        total += r == 0 ? s->bytes : 0;
    }
    if (r != 0) {
        iov_arg_done(v);
        return r;
    }
    v->uio = (struct uio){ .segment = v->segments, .count = (u32)count, .left = total };
    return 0;
}

void
iov_arg_done(struct iov_arg *v)
{
    if (v->segments != v->small)
        heap_free(v->segments);
}

i64
write_result(i64 r)
{
    if (r == -E_PIPE)
        posix_raise(SIG_PIPE);
    return r;
}

int
write_limit(struct file *f, struct uio *u, const u64 *pos)
{
    u64 limit = proc_current()->limits[LIMIT_FSIZE].soft;
    if (limit == ~0ull || f->inode == NULL || f->inode->type != IT_FILE)
        return 0;
    u64 at = (f->flags & OPEN_APPEND) != 0 || u->append ? f->inode->size : pos != NULL ? *pos : f->pos;
    if (at >= limit && u->left != 0) {
        posix_raise(SIG_XFSZ);
        return -E_FBIG;
    }
    if (u->left > limit - at)
        u->left = limit - at;
    return 0;
}

/* Linux's flag of each of ours, and the reverse, by the number of the bit; 0: there is none.
 * Those of reading and writing are no bits there. */
#define BIT(flag) [__builtin_ctz(flag)]
#define FLAGS(X)                                                                        \
    X(02000000, OPEN_CLOEXEC) X(0100, OPEN_CREATE) X(01000, OPEN_TRUNC)                 \
    X(0200, OPEN_EXCL) X(0200000, OPEN_DIRECTORY) X(04000, OPEN_NONBLOCK)               \
    X(02000, OPEN_APPEND) X(0400, OPEN_NOCTTY) X(0400000, OPEN_NOFOLLOW)                \
    X(010000, OPEN_SYNC) X(020000, OPEN_ASYNC) X(040000, OPEN_DIRECT)                   \
    X(01000000, OPEN_NOATIME) X(04000000, OPEN_SYNC_ALL) X(010000000, OPEN_PATH)        \
    X(020000000, OPEN_TMPFILE)
#define TO_OURS(linux_flag, ours) BIT(linux_flag) = (ours),
#define TO_LINUX(linux_flag, ours) BIT(ours) = (linux_flag),
static const u32 flags_to_ours[32] = { FLAGS(TO_OURS) };
static const u32 flags_to_linux[32] = { FLAGS(TO_LINUX) };

u32
open_flags_from_linux(u64 flags)
{
    u32 ours = ((flags & 3) != 1 ? OPEN_READ : 0) | ((flags & 3) != 0 ? OPEN_WRITE : 0);
    for (u32 rest = (u32)flags & ~3u; rest != 0; rest &= rest - 1)
        ours |= flags_to_ours[__builtin_ctz(rest)];
    return ours;
}

u64
open_flags_to_linux(u32 flags)
{
    u64 out = (flags & (OPEN_READ | OPEN_WRITE)) == (OPEN_READ | OPEN_WRITE) ? 2
              : (flags & OPEN_WRITE) != 0                                    ? 1
                                                                             : 0;
    for (u32 rest = flags & ~(OPEN_READ | OPEN_WRITE); rest != 0; rest &= rest - 1)
        out |= flags_to_linux[__builtin_ctz(rest)];
    return out;
}

int
deadline_from_user(uaddr at, u64 *deadline_ns)
{
    struct linux_timespec t;
    *deadline_ns = ~0ull;
    if (at == 0)
        return 0;
    int r = copy_from_user(&t, at, sizeof t);
    if (r != 0)
        return r;
    if (t.seconds < 0 || t.ns < 0 || t.ns >= 1000000000)
        return -E_INVAL;
    if (t.seconds < 9000000000) /* 285 years; more is for ever */
        *deadline_ns = clock_mono_ns() + (u64)t.seconds * 1000000000u + (u64)t.ns;
    return 0;
}
