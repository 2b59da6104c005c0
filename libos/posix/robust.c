/* SPDX-License-Identifier: MIT */
/* Robust lists: what a thread that ends does with the locks that it held
 * (get_robust_list(2)). */
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/cred.h"
#include "proc/pid.h"
#include "proc/proc.h"

#define FUTEX_WAITERS 0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_TID_MASK 0x3fffffffu
#define ROBUST_LIMIT 2048

struct linux_robust_head {
    u64 next;
    i64 offset;
    u64 pending;
};

static void
lock_died(uaddr at, i32 tid)
{
    u32 word;
    if ((at & 3) || user_load32(at, &word) != 0)
        return;
    while ((word & FUTEX_TID_MASK) == (u32)tid) {
        u32 before = word;
        if (user_cmpxchg32(at, &word, (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED) != 0)
            return;
        if (word != before)
            continue;
        if (word & FUTEX_WAITERS)
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
    u64 at = head.next & ~1ull, pending = head.pending & ~1ull;
    for (int i = 0; i < ROBUST_LIMIT && at != end; i++) {
        u64 next;
        if (copy_from_user(&next, at, sizeof next) != 0)
            break;
        if (at != pending)
            lock_died(at + (u64)head.offset, t->tid);
        at = next & ~1ull;
    }
    if (pending != 0)
        lock_died(pending + (u64)head.offset, t->tid);
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
                                 cred_can(proc_current()->cred, CAP_SYS_PTRACE));
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
