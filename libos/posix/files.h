/* SPDX-License-Identifier: MIT */
/* Private to posix's file calls: arguments that are descriptors, paths and vectors;
 * Linux's constants of more than one file. */
#ifndef LIBOS_POSIX_FILES_H
#define LIBOS_POSIX_FILES_H

#include "core/error.h"
#include "core/usercopy.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/proc.h"
#include "vfs/vfs.h"

#define PATH_BYTES_MAX 4096u
#define TRANSFER_MAX 0x7ffff000ull /* Linux's MAX_RW_COUNT */
#define IOV_COUNT_MAX 1024u
#define IOV_INLINE 8u
#define AT_FDCWD (-100)
#define AT_SYMLINK_NOFOLLOW 0x100u
#define AT_EACCESS 0x200u
#define AT_REMOVEDIR 0x200u
#define AT_SYMLINK_FOLLOW 0x400u
#define AT_NO_AUTOMOUNT 0x800u
#define AT_EMPTY_PATH 0x1000u
#define LIMIT_FSIZE 1u
#define LIMIT_NOFILE 7u

/* A file named by a descriptor.  While a thread has a table of its own, nobody can close it
 * during the call, and no reference is counted. */
struct file_arg {
    struct file *file;
    bool counted;
};
/* -E_BADF.  file_arg_done after it, if it was 0. */
static inline int
file_arg_get(struct file_arg *a, u64 fd)
{
    a->file = fd_borrow(files_own(), (int)fd, &a->counted);
    return a->file != NULL ? 0 : -E_BADF;
}
static inline void
file_arg_done(struct file_arg *a)
{
    if (a->counted)
        file_release(a->file);
}
/* The same, but not for descriptors that only name a place (O_PATH). */
static inline int
file_arg_get_open(struct file_arg *a, u64 fd)
{
    int r = file_arg_get(a, fd);
    if (r == 0 && (a->file->flags & OPEN_PATH) != 0) {
        file_arg_done(a);
        r = -E_BADF;
    }
    return r;
}

/* A path from the user: short ones on the stack. */
struct path_arg {
    char *text;
    char small[200];
};
/* -E_FAULT -E_NAMETOOLONG -E_NOMEM */
int path_arg_get(struct path_arg *p, uaddr from) MUST_CHECK;
void path_arg_done(struct path_arg *p);

/* A path with the directory it starts from. */
struct at_arg {
    struct walk walk;
    struct path_arg path;
};
int at_arg_get(struct at_arg *a, u64 dirfd, uaddr path, u32 walk_flags) MUST_CHECK;
/* The directory is needed although the path is absolute. */
int at_arg_start(struct at_arg *a, u64 dirfd) MUST_CHECK;
/* And walked: the result in a->walk.found. */
int at_arg_find(struct at_arg *a, u64 dirfd, uaddr path, u32 walk_flags) MUST_CHECK;
void at_arg_done(struct at_arg *a); /* releases found too, if there is one */
/* The walk's flags for Linux's AT_*: following by default or not. */
static inline u32
at_walk_flags(u64 flags)
{
    return ((flags & AT_SYMLINK_NOFOLLOW) != 0 ? 0 : WALK_FOLLOW) |
           ((flags & AT_EMPTY_PATH) != 0 ? WALK_EMPTY : 0);
}

/* A vector of segments; short ones inline. */
struct iov_arg {
    struct uio uio;
    struct uio_segment *segments;
    struct uio_segment small[IOV_INLINE];
};
/* -E_INVAL -E_FAULT -E_NOMEM */
int iov_arg_get(struct iov_arg *v, uaddr iov, u64 count) MUST_CHECK;
void iov_arg_done(struct iov_arg *v);

/* What a write gave: SIG_PIPE is raised for -E_PIPE. */
i64 write_result(i64 r);
/* A write with all that write(2) says: the limit, the set-id bits, SIG_PIPE. pos NULL:
 * the file's own. */
i64 write_file(struct file *file, struct uio *u, u64 *pos);
/* RLIMIT_FSIZE for a write of u->left bytes at pos (NULL: the file's own): cuts u, or
 * -E_FBIG with SIG_XFSZ. */
int write_limit(struct file *f, struct uio *u, const u64 *pos) MUST_CHECK;
bool may_act_as_root(void);
u32 open_flags_from_linux(u64 flags);
u64 open_flags_to_linux(u32 flags);

/* A time-out from the user: *deadline_ns of clock_mono_ns, ~0 when `at` is 0.
 * -E_FAULT -E_INVAL */
int deadline_from_user(uaddr at, u64 *deadline_ns) MUST_CHECK;
/* A new file gets a descriptor, or is released: fd, -E_MFILE or -E_NFILE. */
static inline i64
file_to_fd(struct file *f, bool cloexec)
{
    int fd = file_table_full() ? -E_NFILE : fd_install(files_own(), f, 0, cloexec);
    if (fd < 0)
        file_release(f);
    return fd;
}
/* A signal mask for the time of a call (ppoll): *masked says whether mask_end has to
 * bring the old one back, at once or after the handler. `mask` 0: none. -E_INVAL
 * -E_FAULT */
int mask_begin(uaddr mask, u64 size, bool *masked) MUST_CHECK;
void mask_end(bool masked, i64 result);
bool signalfd_is(const struct file *f);
void posix_files_init(void); /* hooks; called by posix_init */

#endif
