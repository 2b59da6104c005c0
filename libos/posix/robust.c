/* SPDX-License-Identifier: MIT */
/* Robust lists: what a thread that ends does with the locks that it held
 * (get_robust_list(2)). */
#include "core/usercopy.h"
#include "futex/futex.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/cred.h"
#include "proc/pid.h"
#include "proc/proc.h"

#define ENTRY_IS_PI 1ull
#define ROBUST_LIMIT 2048

struct linux_robust_head {
    u64 next;
    i64 offset;
    u64 pending;
};

/* A lock of the list, or the one that the thread was about to take or to give. Who waits
 * for one that lends priority is told by futex_thread_leaves. */
static void
lock_died(uaddr at, i32 tid, bool pi, bool pending)
{
    u32 word;
    if ((at & 3) || user_load32(at, &word) != 0)
        return;
    if (pending && !pi && (word & FUTEX_WORD_TID) == 0) {
        futex_wake_word(at); /* it gave the lock, and did not come to wake anybody */
        return;
    }
    while ((word & FUTEX_WORD_TID) == (u32)tid) {
        u32 before = word;
        if (user_cmpxchg32(at, &word, (word & FUTEX_WORD_WAITERS) | FUTEX_WORD_DIED) != 0)
            return;
        if (word != before)
            continue;
        if (!pi && (word & FUTEX_WORD_WAITERS))
            futex_wake_word(at);
        return;
    }
}

static void
robust_walk(struct thread *t)
{
    struct linux_robust_head head;
    uaddr end = t->robust_list;
    if (copy_from_user(&head, end, sizeof head) != 0)
        return;
    u64 at = head.next, pending = head.pending & ~ENTRY_IS_PI;
    for (int i = 0; i < ROBUST_LIMIT && (at & ~ENTRY_IS_PI) != end; i++) {
        u64 next, entry = at & ~ENTRY_IS_PI;
        if (copy_from_user(&next, entry, sizeof next) != 0)
            break;
        if (entry != pending)
            lock_died(entry + (u64)head.offset, t->tid, (at & ENTRY_IS_PI) != 0, false);
        at = next;
    }
    if (pending != 0)
        lock_died(pending + (u64)head.offset, t->tid, (head.pending & ENTRY_IS_PI) != 0,
                  true);
}

long
sys_set_robust_list(struct user_frame *f)
{
    if (SYS_ARG1(f) != sizeof(struct linux_robust_head))
        return -E_INVAL;
    thread_current()->robust_list = SYS_ARG0(f);
    return 0;
}

/* Of a thread of this process, or of any for root; others' are EPERM. */
long
sys_get_robust_list(struct user_frame *f)
{
    i32 tid = (i32)SYS_ARG0(f);
    uaddr head = thread_current()->robust_list;
    u64 bytes = sizeof(struct linux_robust_head);
    if (tid < 0)
        return -E_SRCH;
    if (tid != 0) {
        spin_lock(&pid_lock);
        struct pid_slot *slot = pid_slot_locked(tid);
        struct thread *t = slot != NULL ? slot->thread : NULL;
        bool may = t != NULL && (t->process == proc_current() ||
                                 cred_can(cred_own(), CAP_SYS_PTRACE));
        head = t != NULL ? t->robust_list : 0;
        spin_unlock(&pid_lock);
        if (!may)
            return t == NULL ? -E_SRCH : -E_PERM;
    }
    int error = copy_to_user(SYS_ARG2(f), &bytes, sizeof bytes);
    return error == 0 ? copy_to_user(SYS_ARG1(f), &head, sizeof head) : error;
}

void
robust_init(void)
{
    proc_robust_hook = robust_walk;
}
