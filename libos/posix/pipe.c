/* SPDX-License-Identifier: MIT */
/* pipe(2), pipe2. */
#include "pipe/pipe.h"

#include "posix/files.h"

static i64
make_pipe(uaddr to, u64 linux_flags)
{
    struct file *reader, *writer;
    struct fdtable *t = files_own();
    u32 flags = open_flags_from_linux(linux_flags) & ~OPEN_READ;
    u32 known = OPEN_CLOEXEC | OPEN_NONBLOCK | OPEN_DIRECT;
    if ((linux_flags & ~(u64)open_flags_to_linux(known)) != 0)
        return -E_INVAL;
    int r = pipe_create(flags & (OPEN_NONBLOCK | OPEN_DIRECT), &reader, &writer);
    if (r != 0)
        return r;
    /* Both ends share an inode; whose it is counts when it is opened once more. */
    reader->inode->uid = cred_own()->fsuid;
    reader->inode->gid = cred_own()->fsgid;
    i32 fd[2] = { fd_reserve(t, 0), -1 };
    fd[1] = fd[0] < 0 ? fd[0] : fd_reserve(t, 0);
    r = fd[1] < 0 ? fd[1] : copy_to_user(to, fd, sizeof fd);
    if (r == 0) {
        fd_fill(t, fd[0], reader, (flags & OPEN_CLOEXEC) != 0);
        fd_fill(t, fd[1], writer, (flags & OPEN_CLOEXEC) != 0);
        return 0;
    }
    if (fd[0] >= 0)
        fd_unreserve(t, fd[0]);
    if (fd[1] >= 0)
        fd_unreserve(t, fd[1]);
    file_release(reader);
    file_release(writer);
    return r;
}

long
sys_pipe(struct user_frame *f)
{
    return make_pipe(SYS_ARG0(f), 0);
}

long
sys_pipe2(struct user_frame *f)
{
    return make_pipe(SYS_ARG0(f), (u32)SYS_ARG1(f));
}
