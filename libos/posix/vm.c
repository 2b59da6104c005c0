/* SPDX-License-Identifier: MIT */
/*
 * process_vm_readv, process_vm_writev: bytes between the caller's memory and another
 * process's.
 *
 * P1. The other side is reached as its own faults would reach it, with its rights
 *     (mm_peek, mm_poke), so nothing is read or written that the process itself could not.
 * P2. What was moved before something that is not there counts, by pages of the other
 *     side, as on Linux.
 * Cost: one piece of memory, and for each PIECE two copies.
 */
#include "core/heap.h"
#include "posix/files.h"
#include "posix/posix.h"
#include "proc/cred.h"
#include "proc/proc.h"
#include "vm/info.h"

#define PIECE 16384u

/* The memory of the process that a thread is of. -E_SRCH -E_PERM */
static int
memory_of(i32 tid, struct mm **out)
{
    struct process *p = proc_find_thread(tid);
    if (p == NULL)
        return -E_SRCH;
    int r = mm_of_inspected(p, true, out);
    proc_release(p);
    return r != 0 ? -E_PERM : *out == NULL ? -E_SRCH : 0;
}

/* One piece at `at` of the other side: how many bytes, or an error. */
static i64
move_piece(struct mm *m, struct uio *mine, uaddr at, u8 *piece, u64 n, bool write)
{
    if (write) {
        u64 before = mine->left;
        if (uio_get(mine, piece, n) != 0)
            n = before - mine->left;
        return n == 0 ? -E_FAULT : mm_poke(m, at, piece, n, false);
    }
    i64 got = mm_peek(m, at, piece, n, false);
    u64 before = mine->left;
    if (got > 0 && uio_put(mine, piece, (size_t)got) != 0)
        got = before == mine->left ? -E_FAULT : (i64)(before - mine->left);
    return got;
}

/* All of the other side's segments in turn; what was moved, or an error if nothing was. */
static i64
move_segments(struct mm *m, struct uio *mine, const struct uio_segment *theirs, u64 count,
              bool write)
{
    i64 done = 0;
    u8 *piece = heap_alloc(PIECE);
    if (piece == NULL)
        return -E_NOMEM;
    for (u64 i = 0; i < count; i++) {
        for (u64 at = 0; at < theirs[i].bytes && mine->left != 0;) {
            u64 n = MIN(MIN(theirs[i].bytes - at, mine->left), (u64)PIECE);
            i64 r = theirs[i].base + at < theirs[i].base
                        ? -E_FAULT
                        : move_piece(m, mine, theirs[i].base + at, piece, n, write);
            if (r > 0)
                done += r;
            if (r < (i64)n) {
                heap_free(piece);
                return done != 0 ? done : r < 0 ? r : -E_FAULT;
            }
            at += n;
            thread_breathe();
        }
    }
    heap_free(piece);
    return done;
}

/* Their segments: addresses are for whoever copies to look at. */
static int
get_segments(uaddr from, u64 count, struct uio_segment **out)
{
    *out = NULL;
    if (count > IOV_COUNT_MAX)
        return -E_INVAL;
    if (count == 0)
        return 0;
    struct uio_segment *s = heap_alloc(count * sizeof *s);
    if (s == NULL)
        return -E_NOMEM;
    int r = copy_from_user(s, from, count * sizeof *s);
    for (u64 i = 0; r == 0 && i < count; i++)
        if ((i64)s[i].bytes < 0)
            r = -E_INVAL;
    if (r != 0) {
        heap_free(s);
        return r;
    }
    *out = s;
    return 0;
}

static long
move(struct user_frame *f, bool write)
{
    struct iov_arg mine;
    struct uio_segment *theirs = NULL;
    struct mm *m;
    if (SYS_ARG5(f) != 0)
        return -E_INVAL;
    i64 r = iov_arg_get(&mine, SYS_ARG1(f), SYS_ARG2(f));
    if (r != 0)
        return r;
    u64 count = SYS_ARG4(f), bytes = 0;
    if (mine.uio.left != 0) {
        r = get_segments(SYS_ARG3(f), count, &theirs);
        for (u64 i = 0; theirs != NULL && i < count; i++)
            bytes |= theirs[i].bytes;
        if (r == 0 && bytes != 0) { /* else nobody asks whose it is */
            r = memory_of((i32)SYS_ARG0(f), &m);
            if (r == 0) {
                r = move_segments(m, &mine.uio, theirs, count, write);
                mm_drop(m);
            }
        }
        heap_free(theirs);
    }
    iov_arg_done(&mine);
    return r;
}

long
sys_process_vm_readv(struct user_frame *f)
{
    return move(f, false);
}

long
sys_process_vm_writev(struct user_frame *f)
{
    return move(f, true);
}
