/* SPDX-License-Identifier: MIT */
/* kcmp(2): do two processes share something?  And pkey_alloc(2), pkey_free(2), which have
 * no keys to give. */
#include "core/random.h"
#include "posix/files.h"
#include "proc/cred.h"

enum { KCMP_FILE, KCMP_VM, KCMP_FILES, KCMP_FS, KCMP_SIGHAND, KCMP_IO, KCMP_SYSVSEM,
       KCMP_TYPES };

/* An order that says nothing of where things are: one to one, and chosen at random. */
static u64
scramble(const void *p)
{
    static _Atomic u64 mask, factor;
    if (atomic_load(&factor) == 0) {
        u64 none = 0, no_factor = 0;
        (void)atomic_compare_exchange_strong(&mask, &none, random_u64());
        (void)atomic_compare_exchange_strong(&factor, &no_factor, random_u64() | 1);
    }
    return ((u64)(uintptr_t)p ^ atomic_load(&mask)) * atomic_load(&factor);
}

static i64
compare(const void *a, const void *b)
{
    u64 x = scramble(a), y = scramble(b);
    return x == y ? 0 : x < y ? 1 : 2;
}

/* A name for it: it is not touched.  NULL: none, as with a process that is ending. */
static const void *
thing_of(struct process *p, i32 tid, u32 type)
{
    const void *thing = NULL;
    spin_lock(&p->lock);
    const struct thread *t = process_thread_locked(p, tid);
    switch (type) {
    case KCMP_VM:
        thing = p->mm;
        break;
    case KCMP_FILES:
        thing = t != NULL ? t->files : NULL;
        break;
    case KCMP_FS:
        thing = t != NULL ? t->fs : NULL;
        break;
    case KCMP_SIGHAND:
        thing = p->actions;
        break;
    case KCMP_SYSVSEM:
        thing = t != NULL ? t->sem_undo : NULL;
        break;
    default: /* KCMP_IO: nothing queues for a device, so nobody has a queue */
        break;
    }
    spin_unlock(&p->lock);
    return thing;
}

/* With a reference; NULL: there is no such descriptor. */
static struct file *
file_of(struct process *p, i32 tid, u64 fd)
{
    struct fdtable *t = fd <= INT32_MAX ? proc_files(p, tid) : NULL;
    struct file *f = t != NULL ? fd_get(t, (int)fd) : NULL;
    if (t != NULL)
        fdtable_drop(t);
    return f;
}

static i64
compare_files(struct file *a, struct file *b)
{
    i64 r = a != NULL && b != NULL ? compare(a, b) : -E_BADF;
    if (a != NULL)
        file_release(a);
    if (b != NULL)
        file_release(b);
    return r;
}

long
sys_kcmp(struct user_frame *f)
{
    u32 type = (u32)SYS_ARG2(f);
    i32 a = (i32)SYS_ARG0(f), b = (i32)SYS_ARG1(f);
    struct process *p = proc_find_thread(a), *q = proc_find_thread(b);
    i64 r = -E_SRCH;
    if (p != NULL && q != NULL) {
        if (!cred_may_inspect(p, true) || !cred_may_inspect(q, true))
            r = -E_PERM;
        else if (type >= KCMP_TYPES)
            r = -E_INVAL;
        else
            r = type == KCMP_FILE ? compare_files(file_of(p, a, SYS_ARG3(f)),
                                                file_of(q, b, SYS_ARG4(f)))
                                  : compare(thing_of(p, a, type), thing_of(q, b, type));
    }
    if (p != NULL)
        proc_release(p);
    if (q != NULL)
        proc_release(q);
    return r;
}

/* As on a processor without protection keys. */
#define PKEY_RIGHTS 3u

long
sys_pkey_alloc(struct user_frame *f)
{
    if (SYS_ARG0(f) != 0 || (SYS_ARG1(f) & ~(u64)PKEY_RIGHTS) != 0)
        return -E_INVAL;
    return -E_NOSPC;
}

long
sys_pkey_free(struct user_frame *f)
{
    (void)f;
    return -E_INVAL; /* none was given out */
}
